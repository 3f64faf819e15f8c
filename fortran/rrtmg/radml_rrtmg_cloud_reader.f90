!> Reads RRTMG's file of cloud optics, `rrtmg_clouds.nc`.
module radml_rrtmg_cloud_reader
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_cloud_optics
  use radml_rrtmg_table_file, only: table_file
  implicit none
  private

  public :: read_cloud_tables, read_cloud_tables_beside

  integer, parameter :: format_version = 1

contains

  !> Read `rrtmg_clouds.nc` in the folder of another file; without it `tables` is not marked as loaded, which is no failure.
  subroutine read_cloud_tables_beside(path, tables, problem)
    character(len=*), intent(in) :: path                  !! the other file
    type(cloud_tables), intent(out) :: tables             !! tables read
    character(len=:), allocatable, intent(out) :: problem !! what went wrong; not allocated on success
    character(len=:), allocatable :: cloud_path
    logical :: there

    cloud_path = trim(path(:scan(path, "/", back=.true.)))//"rrtmg_clouds.nc"
    inquire (file=cloud_path, exist=there)
    if (there) call read_cloud_tables(cloud_path, tables, problem)
  end subroutine read_cloud_tables_beside

  !> Read `path`. On failure `problem` is allocated and `tables` is not marked as loaded.
  subroutine read_cloud_tables(path, tables, problem)
    character(len=*), intent(in) :: path                  !! file of cloud optics
    type(cloud_tables), intent(out) :: tables             !! tables read
    character(len=:), allocatable, intent(out) :: problem !! what went wrong; not allocated on success
    type(table_file) :: file
    character(len=:), allocatable :: name
    integer :: p

    call file%open(path, "RRTMG's cloud optics (data/rrtmg_clouds.nc)", format_version, "RRTMG cloud optics")
    do p = 1, n_particles
      name = trim(particle_name(p))
      call read_table("longwave_"//name//"_absorption", n_longwave_bands, p, tables%absorption(p))
      call read_table("shortwave_"//name//"_extinction", n_shortwave_bands, p, tables%extinction(p))
      call read_table("shortwave_"//name//"_single_scattering_albedo", n_shortwave_bands, p, tables%scattering(p))
      call read_table("shortwave_"//name//"_asymmetry", n_shortwave_bands, p, tables%asymmetry(p))
    end do
    call read_table("shortwave_ice_fu_delta_fraction", n_shortwave_bands, ice_fu, tables%delta_fraction)
    call file%close()
    if (allocated(file%problem)) then
      problem = file%problem
      return
    end if
    tables%loaded = .true.

  contains

    !> Read one table; the file has the sizes of a band together.
    subroutine read_table(variable, bands, particles, table)
      character(len=*), intent(in) :: variable   !! its name
      integer, intent(in) :: bands               !! bands [1]
      integer, intent(in) :: particles           !! kind of particle [1]
      type(optics_table), intent(out) :: table   !! table read
      real(real64), allocatable :: values(:)

      call file%get(variable, bands*n_nodes(particles), values)
      table%value = transpose(reshape(values, [n_nodes(particles), bands]))
    end subroutine read_table
  end subroutine read_cloud_tables
end module radml_rrtmg_cloud_reader
