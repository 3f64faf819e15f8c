!> RRTMG's longwave with the clouds of a column set, over a block of its columns.
module rrtmg_all_sky
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use radml_rrtmg_longwave, only: rrtmg_longwave, rrtmg_ice_fu, rrtmg_ice_streamer, rrtmg_overlap_analytic, &
                                  rrtmg_overlap_maximum, rrtmg_overlap_maximum_random, rrtmg_overlap_random
  use column_file, only: column_set
  use host_status, only: status_bad_configuration, fail, integer_text
  implicit none
  private

  public :: cloud_choices, all_sky_fluxes

  !> How clouds are treated.
  type :: cloud_choices
    integer :: overlap = rrtmg_overlap_maximum_random  !! one of RRTMG's constants [1] ()
    integer :: ice_optics = rrtmg_ice_fu               !! one of RRTMG's constants [1] ()
    integer :: draws = 1                               !! subcolumn draws to average [1] ()
    integer :: seed = 0                                !! 0: each column draws from its own values [1] ()
  contains
    procedure :: choose
    procedure :: described
  end type cloud_choices

  !> Longwave fluxes with and without clouds, and the standard deviation of one draw.
  type, public :: all_sky_result
    real(real64), allocatable, dimension(:, :) :: up, down              !! [W m-2] (ncol, nlay+1)
    real(real64), allocatable, dimension(:, :) :: up_clear, down_clear  !! [W m-2] (ncol, nlay+1)
    real(real64), allocatable, dimension(:, :) :: up_noise, down_noise  !! [W m-2] (ncol, nlay+1)
    real(real64), allocatable :: heating_rate(:, :)                     !! [K day-1] (ncol, nlay)
  contains
    procedure :: create
  end type all_sky_result

contains

  !> Takes the choices from the words of a command line; an empty word leaves the choice as it is.
  subroutine choose(self, overlap, ice_optics, stat, errmsg)
    class(cloud_choices), intent(inout) :: self               !! [choices] ()
    character(len=*), intent(in) :: overlap                   !! [text] ()
    character(len=*), intent(in) :: ice_optics                !! [text] ()
    integer, intent(out) :: stat                              !! 0, or `status_bad_configuration` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg    !! [text] ()

    stat = 0
    select case (overlap)
    case ('')
    case ('maximum-random')
      self%overlap = rrtmg_overlap_maximum_random
    case ('random')
      self%overlap = rrtmg_overlap_random
    case ('maximum')
      self%overlap = rrtmg_overlap_maximum
    case ('analytic')
      self%overlap = rrtmg_overlap_analytic
    case default
      call fail(status_bad_configuration, 'option "--overlap": expected maximum-random, random, maximum or analytic, got "'// &
                overlap//'"', stat, errmsg)
      return
    end select
    select case (ice_optics)
    case ('')
    case ('fu')
      self%ice_optics = rrtmg_ice_fu
    case ('streamer')
      self%ice_optics = rrtmg_ice_streamer
    case default
      call fail(status_bad_configuration, 'option "--ice-optics": expected fu or streamer, got "'//ice_optics//'"', stat, errmsg)
    end select
  end subroutine choose

  !> The choices in words, for the file of results.
  function described(self) result(text)
    class(cloud_choices), intent(in) :: self  !! [choices] ()
    character(len=:), allocatable :: text     !! [text] ()

    if (self%overlap == rrtmg_overlap_analytic) then
      text = 'clouds: maximum-random overlap, analytic solver'
    else
      text = 'clouds: McICA, maximum-random overlap'
      if (self%overlap == rrtmg_overlap_random) text = 'clouds: McICA, random overlap'
      if (self%overlap == rrtmg_overlap_maximum) text = 'clouds: McICA, maximum overlap'
      text = text//', mean of '//integer_text(self%draws)//' draws from '
      if (self%seed > 0) then
        text = text//'seed '//integer_text(self%seed)
      else
        text = text//'the columns'' own values'
      end if
    end if
    if (self%ice_optics == rrtmg_ice_streamer) then
      text = text//'; ice optics of Streamer'
    else
      text = text//'; ice optics of Fu'
    end if
  end function described

  !> Room for the fluxes of all columns.
  subroutine create(self, n_columns, n_layers)
    class(all_sky_result), intent(inout) :: self  !! [results] ()
    integer, intent(in) :: n_columns              !! [1] ()
    integer, intent(in) :: n_layers               !! [1] ()

    allocate (self%up(n_columns, n_layers + 1))
    allocate (self%down, self%up_clear, self%down_clear, self%up_noise, self%down_noise, mold=self%up)
    allocate (self%heating_rate(n_columns, n_layers))
  end subroutine create

  !> Fluxes and heating rates of columns first to last. Any number of threads may be in it at once, each with its own block.
  recursive subroutine all_sky_fluxes(longwave, columns, choices, first, last, result, stat, errmsg)
    type(rrtmg_longwave), intent(in) :: longwave             !! with its tables [tables] ()
    type(column_set), intent(in) :: columns                  !! [columns] ()
    type(cloud_choices), intent(in) :: choices               !! [choices] ()
    integer, intent(in) :: first                             !! first column of the block [1] ()
    integer, intent(in) :: last                              !! last column of the block [1] ()
    type(all_sky_result), intent(inout) :: result            !! where the block's columns are filled [W m-2, K day-1] ()
    integer, intent(out) :: stat                             !! 0, or RRTMG's status [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    real(real64), allocatable, dimension(:, :) :: cfc11, cfc12, cfc22, ccl4, liquid_path, liquid_radius, ice_path, ice_radius
    integer(int64), allocatable :: seed(:)
    integer :: i

    ! Left unallocated they are absent arguments; a section of an unallocated array would not be.
    call take(columns%cfc11, cfc11)
    call take(columns%cfc12, cfc12)
    call take(columns%cfc22, cfc22)
    call take(columns%ccl4, ccl4)
    call take(columns%cloud_liquid_path, liquid_path)
    call take(columns%liquid_radius, liquid_radius)
    call take(columns%cloud_ice_path, ice_path)
    call take(columns%ice_radius, ice_radius)
    ! The number of the column in its file, so that blocks do not matter.
    if (choices%seed > 0) seed = [(choices%seed*2_int64**32 + i, i=first, last)]
    call longwave%fluxes( &
      columns%pressure_level(first:last, :), columns%temperature_level(first:last, :), &
      columns%pressure_layer(first:last, :), columns%temperature_layer(first:last, :), &
      columns%h2o(first:last, :), columns%o3(first:last, :), columns%co2(first:last, :), &
      columns%ch4(first:last, :), columns%n2o(first:last, :), columns%o2(first:last, :), &
      columns%surface_temperature(first:last), columns%surface_emissivity(first:last), &
      result%up(first:last, :), result%down(first:last, :), result%heating_rate(first:last, :), cfc11, cfc12, cfc22, ccl4, &
      cloud_fraction=columns%cloud_fraction(first:last, :), cloud_liquid_path=liquid_path, liquid_radius=liquid_radius, &
      cloud_ice_path=ice_path, ice_radius=ice_radius, ice_optics=choices%ice_optics, overlap=choices%overlap, seed=seed, &
      draws=choices%draws, up_clear=result%up_clear(first:last, :), down_clear=result%down_clear(first:last, :), &
      up_noise=result%up_noise(first:last, :), down_noise=result%down_noise(first:last, :), stat=stat, errmsg=errmsg)

  contains

    subroutine take(all, block)
      real(real64), allocatable, intent(in) :: all(:, :)
      real(real64), allocatable, intent(out) :: block(:, :)
      if (allocated(all)) allocate (block, source=all(first:last, :))
    end subroutine take

  end subroutine all_sky_fluxes

end module rrtmg_all_sky
