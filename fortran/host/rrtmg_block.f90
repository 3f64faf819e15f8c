!> RRTMG over a block of columns of a column set, longwave and shortwave, with its clouds or without.
module rrtmg_block
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use radml_rrtmg_longwave, only: rrtmg_longwave, rrtmg_overlap_analytic, rrtmg_overlap_maximum_random
  use radml_rrtmg_shortwave, only: rrtmg_shortwave
  use radml_rrtmg_subcolumns, only: seed_of_column
  use cloud_choices, only: cloud_treatment
  use column_file, only: column_set, mean_irradiance
  use flux_file, only: spectrum_fluxes
  implicit none
  private

  public :: longwave_fluxes, longwave_block, shortwave_block

  !> The clouds of a block as RRTMG wants them; what is not allocated is an absent argument.
  type :: block_clouds
    real(real64), allocatable, dimension(:, :) :: fraction, liquid_path, liquid_radius, ice_path, ice_radius
    integer(int64), allocatable :: seed(:)
    type(cloud_treatment) :: treatment
  contains
    procedure :: take => take_clouds
  end type block_clouds

contains

  ! Any number of threads may be in the procedures below at once, each with its own block; hence `recursive`: gfortran takes a
  ! procedure without it for one that a single thread runs at a time.

  !> Longwave fluxes and heating rates of columns first to last, of clear sky unless a treatment of clouds is given. Gases that the
  !! set does not have count as zero.
  recursive subroutine longwave_fluxes(longwave, columns, first, last, up, down, heating_rate, stat, errmsg, treatment, &
                                       up_clear, down_clear, up_noise, down_noise)
    type(rrtmg_longwave), intent(in) :: longwave                   !! with its tables [tables] ()
    type(column_set), intent(in) :: columns                        !! [columns] ()
    integer, intent(in) :: first                                   !! first column of the block [1] ()
    integer, intent(in) :: last                                    !! last column of the block [1] ()
    real(real64), intent(inout) :: up(:, :)                        !! upward flux at levels [W m-2] (last-first+1, nlay+1)
    real(real64), intent(inout) :: down(:, :)                      !! downward flux at levels [W m-2] (last-first+1, nlay+1)
    real(real64), intent(inout) :: heating_rate(:, :)              !! heating rate of layers [K day-1] (last-first+1, nlay)
    integer, intent(out) :: stat                                   !! 0, or RRTMG's status [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg         !! [text] ()
    type(cloud_treatment), intent(in), optional :: treatment       !! of clouds [choices] ()
    real(real64), intent(inout), optional :: up_clear(:, :)        !! without clouds [W m-2] (last-first+1, nlay+1)
    real(real64), intent(inout), optional :: down_clear(:, :)      !! without clouds [W m-2] (last-first+1, nlay+1)
    real(real64), intent(inout), optional :: up_noise(:, :)        !! standard deviation of a draw [W m-2] (last-first+1, nlay+1)
    real(real64), intent(inout), optional :: down_noise(:, :)      !! standard deviation of a draw [W m-2] (last-first+1, nlay+1)
    real(real64), allocatable, dimension(:, :) :: cfc11, cfc12, cfc22, ccl4
    type(block_clouds) :: clouds

    call take(columns%cfc11, first, last, cfc11)
    call take(columns%cfc12, first, last, cfc12)
    call take(columns%cfc22, first, last, cfc22)
    call take(columns%ccl4, first, last, ccl4)
    call clouds%take(columns, first, last, treatment)
    call longwave%fluxes( &
      columns%pressure_level(first:last, :), columns%temperature_level(first:last, :), &
      columns%pressure_layer(first:last, :), columns%temperature_layer(first:last, :), &
      columns%h2o(first:last, :), columns%o3(first:last, :), columns%co2(first:last, :), &
      columns%ch4(first:last, :), columns%n2o(first:last, :), columns%o2(first:last, :), &
      columns%surface_temperature(first:last), columns%surface_emissivity(first:last), &
      up, down, heating_rate, cfc11, cfc12, cfc22, ccl4, clouds%fraction, clouds%liquid_path, clouds%liquid_radius, &
      clouds%ice_path, clouds%ice_radius, clouds%treatment%ice_optics, clouds%treatment%overlap, clouds%seed, &
      clouds%treatment%draws, up_clear=up_clear, down_clear=down_clear, up_noise=up_noise, down_noise=down_noise, &
      stat=stat, errmsg=errmsg)
  end subroutine longwave_fluxes

  !> Longwave fluxes and heating rates of columns first to last, all that there is room for.
  recursive subroutine longwave_block(longwave, columns, first, last, fluxes, stat, errmsg, treatment)
    type(rrtmg_longwave), intent(in) :: longwave                   !! with its tables [tables] ()
    type(column_set), intent(in) :: columns                        !! [columns] ()
    integer, intent(in) :: first                                   !! first column of the block [1] ()
    integer, intent(in) :: last                                    !! last column of the block [1] ()
    type(spectrum_fluxes), target, intent(inout) :: fluxes         !! of all columns [W m-2, K day-1] ()
    integer, intent(out) :: stat                                   !! 0, or RRTMG's status [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg         !! [text] ()
    type(cloud_treatment), intent(in), optional :: treatment       !! of clouds; absent: clear sky [choices] ()
    real(real64), pointer, dimension(:, :) :: up_clear, down_clear, up_noise, down_noise

    call point(fluxes%up_clear, first, last, up_clear)
    call point(fluxes%down_clear, first, last, down_clear)
    call point(fluxes%up_noise, first, last, up_noise)
    call point(fluxes%down_noise, first, last, down_noise)
    call longwave_fluxes(longwave, columns, first, last, fluxes%up(first:last, :), fluxes%down(first:last, :), &
                         fluxes%heating_rate(first:last, :), stat, errmsg, treatment, up_clear, down_clear, up_noise, down_noise)
  end subroutine longwave_block

  !> Shortwave fluxes and heating rates of columns first to last, all that there is room for. Where the longwave has its analytic
  !! solver the shortwave has McICA with the same overlap.
  recursive subroutine shortwave_block(shortwave, columns, first, last, fluxes, stat, errmsg, treatment)
    type(rrtmg_shortwave), intent(in) :: shortwave                 !! with its tables [tables] ()
    type(column_set), intent(in) :: columns                        !! [columns] ()
    integer, intent(in) :: first                                   !! first column of the block [1] ()
    integer, intent(in) :: last                                    !! last column of the block [1] ()
    type(spectrum_fluxes), target, intent(inout) :: fluxes         !! of all columns [W m-2, K day-1] ()
    integer, intent(out) :: stat                                   !! 0, or RRTMG's status [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg         !! [text] ()
    type(cloud_treatment), intent(in), optional :: treatment       !! of clouds; absent: clear sky [choices] ()
    real(real64), pointer, dimension(:, :) :: up_clear, down_clear, up_noise, down_noise
    real(real64), allocatable :: irradiance(:), albedo(:)
    type(block_clouds) :: clouds

    allocate (irradiance(last - first + 1), source=mean_irradiance)
    if (allocated(columns%solar_irradiance)) irradiance = columns%solar_irradiance(first:last)
    albedo = columns%surface_albedo(first:last)
    call clouds%take(columns, first, last, treatment)
    if (clouds%treatment%overlap == rrtmg_overlap_analytic) clouds%treatment%overlap = rrtmg_overlap_maximum_random
    call point(fluxes%up_clear, first, last, up_clear)
    call point(fluxes%down_clear, first, last, down_clear)
    call point(fluxes%up_noise, first, last, up_noise)
    call point(fluxes%down_noise, first, last, down_noise)
    call shortwave%fluxes( &
      columns%pressure_level(first:last, :), columns%pressure_layer(first:last, :), columns%temperature_layer(first:last, :), &
      columns%h2o(first:last, :), columns%o3(first:last, :), columns%co2(first:last, :), columns%ch4(first:last, :), &
      columns%o2(first:last, :), columns%cos_zenith(first:last), irradiance, albedo, albedo, albedo, albedo, &
      fluxes%up(first:last, :), fluxes%down(first:last, :), fluxes%heating_rate(first:last, :), &
      fluxes%direct(first:last, :), cloud_fraction=clouds%fraction, cloud_liquid_path=clouds%liquid_path, &
      liquid_radius=clouds%liquid_radius, cloud_ice_path=clouds%ice_path, ice_radius=clouds%ice_radius, &
      ice_optics=clouds%treatment%ice_optics, overlap=clouds%treatment%overlap, seed=clouds%seed, &
      draws=clouds%treatment%draws, up_clear=up_clear, down_clear=down_clear, up_noise=up_noise, down_noise=down_noise, &
      surface_visible_direct=fluxes%surface_visible_direct(first:last), &
      surface_visible_diffuse=fluxes%surface_visible_diffuse(first:last), &
      surface_near_infrared_direct=fluxes%surface_near_infrared_direct(first:last), &
      surface_near_infrared_diffuse=fluxes%surface_near_infrared_diffuse(first:last), stat=stat, errmsg=errmsg)
  end subroutine shortwave_block

  !> The clouds of a block; none where no treatment is given.
  subroutine take_clouds(self, columns, first, last, treatment)
    class(block_clouds), intent(inout) :: self                !! clouds to fill [columns] ()
    type(column_set), intent(in) :: columns                   !! [columns] ()
    integer, intent(in) :: first                              !! first column of the block [1] ()
    integer, intent(in) :: last                               !! last column of the block [1] ()
    type(cloud_treatment), intent(in), optional :: treatment  !! [choices] ()
    integer :: i

    if (.not. present(treatment)) return
    self%treatment = treatment
    call take(columns%cloud_fraction, first, last, self%fraction)
    call take(columns%cloud_liquid_path, first, last, self%liquid_path)
    call take(columns%liquid_radius, first, last, self%liquid_radius)
    call take(columns%cloud_ice_path, first, last, self%ice_path)
    call take(columns%ice_radius, first, last, self%ice_radius)
    ! The number of the column in its file, so that blocks do not matter.
    if (treatment%seed > 0) self%seed = [(treatment%seed*2_int64**32 + i, i=first, last)]
    if (treatment%salt > 0) self%seed = [(salted_number(columns, i, treatment%salt), i=first, last)]
  end subroutine take_clouds

  !> A number from a column's own values, as RRTMG takes them, and from another number. Neither blocks nor ranks matter, nor which
  !! columns are there beside it.
  pure function salted_number(columns, column, salt) result(number)
    type(column_set), intent(in) :: columns  !! [columns] ()
    integer, intent(in) :: column            !! which of them [1] ()
    integer, intent(in) :: salt              !! [1] ()
    integer(int64) :: number                 !! [1] ()
    integer(int64) :: key(2)
    integer :: n
    n = columns%n_layers()
    key = seed_of_column(columns%pressure_level(column, n + 1), columns%surface_temperature(column), &
                         [columns%temperature_layer(column, [n, (n + 1)/2]), real(salt, real64)])
    number = ior(key(1), shiftl(key(2), 32))
  end function salted_number

  !> The rows of a block, not allocated if there are none: a section of an unallocated array would not be an absent argument.
  subroutine take(all, first, last, block)
    real(real64), allocatable, intent(in) :: all(:, :)      !! of all columns [any] (ncol, any)
    integer, intent(in) :: first                            !! first column of the block [1] ()
    integer, intent(in) :: last                             !! last column of the block [1] ()
    real(real64), allocatable, intent(out) :: block(:, :)   !! of the block [any] (last-first+1, any)
    if (allocated(all)) allocate (block, source=all(first:last, :))
  end subroutine take

  !> The same as a pointer, for results.
  subroutine point(all, first, last, block)
    real(real64), allocatable, target, intent(in) :: all(:, :)  !! of all columns [any] (ncol, any)
    integer, intent(in) :: first                                !! first column of the block [1] ()
    integer, intent(in) :: last                                 !! last column of the block [1] ()
    real(real64), pointer, intent(out) :: block(:, :)           !! of the block [any] (last-first+1, any)
    block => null()
    if (allocated(all)) block => all(first:last, :)
  end subroutine point

end module rrtmg_block
