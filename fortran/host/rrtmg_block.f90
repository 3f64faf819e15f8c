!> RRTMG's clear-sky longwave over a block of columns of a column set.
module rrtmg_block
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_longwave, only: rrtmg_longwave
  use column_file, only: column_set
  use data_path, only: find_data_file
  implicit none
  private

  public :: load_tables, rrtmg_clear_sky

contains

  !> Loads RRTMG's tables from the file given, or from the one that came with the program.
  subroutine load_tables(longwave, tables, stat, errmsg)
    type(rrtmg_longwave), intent(inout) :: longwave              !! [tables] ()
    character(len=*), intent(in) :: tables                       !! path; empty for the one that came with the program [text] ()
    integer, intent(out) :: stat                                 !! 0, or RRTMG's status [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg       !! [text] ()
    if (tables /= '') then
      call longwave%load(tables, stat=stat, errmsg=errmsg)
    else
      call longwave%load(find_data_file('rrtmg_longwave.nc'), stat=stat, errmsg=errmsg)
    end if
  end subroutine load_tables

  !> Fluxes and heating rates of columns first to last. Gases that the set does not have count as zero. Any number of threads
  !! may be in it at once, hence `recursive`: gfortran takes a procedure without it for one that a single thread runs at a time.
  recursive subroutine rrtmg_clear_sky(longwave, columns, first, last, up, down, heating_rate, stat, errmsg)
    type(rrtmg_longwave), intent(in) :: longwave               !! with its tables [tables] ()
    type(column_set), intent(in) :: columns                    !! [columns] ()
    integer, intent(in) :: first                               !! first column of the block [1] ()
    integer, intent(in) :: last                                !! last column of the block [1] ()
    real(real64), intent(out) :: up(:, :)                      !! upward flux at levels [W m-2] (last-first+1, nlay+1)
    real(real64), intent(out) :: down(:, :)                    !! downward flux at levels [W m-2] (last-first+1, nlay+1)
    real(real64), intent(out) :: heating_rate(:, :)            !! heating rate of layers [K day-1] (last-first+1, nlay)
    integer, intent(out) :: stat                               !! 0, or RRTMG's status [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg     !! [text] ()
    real(real64), allocatable, dimension(:, :) :: cfc11, cfc12, cfc22, ccl4

    ! Left unallocated they are absent arguments; a section of an unallocated array would not be.
    if (allocated(columns%cfc11)) allocate (cfc11, source=columns%cfc11(first:last, :))
    if (allocated(columns%cfc12)) allocate (cfc12, source=columns%cfc12(first:last, :))
    if (allocated(columns%cfc22)) allocate (cfc22, source=columns%cfc22(first:last, :))
    if (allocated(columns%ccl4)) allocate (ccl4, source=columns%ccl4(first:last, :))
    call longwave%fluxes( &
      columns%pressure_level(first:last, :), columns%temperature_level(first:last, :), &
      columns%pressure_layer(first:last, :), columns%temperature_layer(first:last, :), &
      columns%h2o(first:last, :), columns%o3(first:last, :), columns%co2(first:last, :), &
      columns%ch4(first:last, :), columns%n2o(first:last, :), columns%o2(first:last, :), &
      columns%surface_temperature(first:last), columns%surface_emissivity(first:last), &
      up, down, heating_rate, cfc11, cfc12, cfc22, ccl4, stat=stat, errmsg=errmsg)
  end subroutine rrtmg_clear_sky

end module rrtmg_block
