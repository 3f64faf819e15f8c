!> RRTMG's clear-sky shortwave over blocks of columns of a column set, where the set says how the sun stands.
module rrtmg_shortwave_block
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_shortwave, only: rrtmg_shortwave
  use column_file, only: column_set
  use data_path, only: find_data_file
  use flux_file, only: shortwave_fluxes
  implicit none
  private

  real(real64), parameter :: mean_irradiance = 1361 !! of the sun at the mean distance, where a set has none [W m-2]

  !> The shortwave of one column set.
  type, public :: shortwave_run
    type(rrtmg_shortwave), private :: scheme
    type(shortwave_fluxes), allocatable :: fluxes  !! results; not allocated: no shortwave
    character(len=:), allocatable :: missing       !! what a set without shortwave lacks; empty: nothing
  contains
    procedure :: setup
    procedure :: compute
  end type shortwave_run

contains

  !> Loads RRTMG's tables from the file given, or from the one that came with the program, if the columns have a sun.
  subroutine setup(self, columns, tables, stat, errmsg)
    class(shortwave_run), intent(inout) :: self                  !! [run] ()
    type(column_set), intent(in) :: columns                      !! [columns] ()
    character(len=*), intent(in) :: tables                       !! path; empty for the one that came with the program [text] ()
    integer, intent(out) :: stat                                 !! 0, or RRTMG's status [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg       !! [text] ()

    stat = 0
    self%missing = ''
    if (.not. allocated(columns%surface_albedo)) self%missing = 'surface_albedo'
    if (.not. allocated(columns%cos_zenith)) self%missing = 'cos_zenith'
    if (self%missing /= '') return
    if (tables /= '') then
      call self%scheme%load(tables, stat=stat, errmsg=errmsg)
    else
      call self%scheme%load(find_data_file('rrtmg_shortwave.nc'), stat=stat, errmsg=errmsg)
    end if
    if (stat /= 0) return
    allocate (self%fluxes)
    allocate (self%fluxes%up(columns%n_columns(), columns%n_layers() + 1))
    allocate (self%fluxes%down, self%fluxes%direct, mold=self%fluxes%up)
    allocate (self%fluxes%heating_rate(columns%n_columns(), columns%n_layers()))
  end subroutine setup

  !> Fluxes and heating rates of columns first to last; nothing for a set without sun. Any number of threads may be in it at
  !! once, each with its own block.
  recursive subroutine compute(self, columns, first, last, stat, errmsg)
    class(shortwave_run), intent(inout) :: self                !! set up [run] ()
    type(column_set), intent(in) :: columns                    !! [columns] ()
    integer, intent(in) :: first                               !! first column of the block [1] ()
    integer, intent(in) :: last                                !! last column of the block [1] ()
    integer, intent(out) :: stat                               !! 0, or RRTMG's status [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg     !! [text] ()
    real(real64), allocatable :: irradiance(:), albedo(:)

    stat = 0
    if (.not. allocated(self%fluxes)) return
    allocate (irradiance(last - first + 1), source=mean_irradiance)
    if (allocated(columns%solar_irradiance)) irradiance = columns%solar_irradiance(first:last)
    albedo = columns%surface_albedo(first:last)
    call self%scheme%fluxes( &
      columns%pressure_level(first:last, :), columns%pressure_layer(first:last, :), columns%temperature_layer(first:last, :), &
      columns%h2o(first:last, :), columns%o3(first:last, :), columns%co2(first:last, :), columns%ch4(first:last, :), &
      columns%o2(first:last, :), columns%cos_zenith(first:last), irradiance, albedo, albedo, albedo, albedo, &
      self%fluxes%up(first:last, :), self%fluxes%down(first:last, :), self%fluxes%heating_rate(first:last, :), &
      self%fluxes%direct(first:last, :), stat=stat, errmsg=errmsg)
  end subroutine compute

end module rrtmg_shortwave_block
