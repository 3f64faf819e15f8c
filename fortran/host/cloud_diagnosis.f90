!> Clouds from the state of the air: their fraction from relative humidity (Sundqvist et al. 1989, Mon. Weather Rev. 117, 1641),
!! with those of convection from its rain (Slingo 1987, Q. J. R. Meteorol. Soc. 113, 899), their water as a share of what
!! saturation holds, their particles' radii from temperature and ground.
module cloud_diagnosis
  use, intrinsic :: iso_fortran_env, only: real64
  use physical_constants, only: gravity, seconds_per_day
  use saturation, only: liquid_share, saturation_mixing_ratio
  implicit none
  private

  public :: diagnose_clouds

  real(real64), parameter :: highest = 8.0e3_real64            ! Pa: no cloud above
  real(real64), parameter :: critical_aloft = 0.8_real64       ! relative humidity at which clouds begin
  real(real64), parameter :: critical_below = 0.9_real64       ! the same near the ground
  real(real64), parameter :: least_fraction = 0.01_real64
  real(real64), parameter :: liquid_of_saturation = 0.02_real64, ice_of_saturation = 0.06_real64
  real(real64), parameter :: most_water = 6.0e-4_real64        ! kg kg-1
  real(real64), parameter :: sea_radius = 10.0e-6_real64, land_radius = 8.0e-6_real64    ! m
  real(real64), parameter :: least_ice_radius = 30.0e-6_real64, greatest_ice_radius = 70.0e-6_real64

contains

  !> Clouds of a column.
  pure subroutine diagnose_clouds(pressure_level, pressure, temperature, mixing_ratio, land, rain_rate, convection_top, &
                                  fraction, liquid_path, ice_path, liquid_radius, ice_radius)
    real(real64), intent(in) :: pressure_level(:)   !! top down [Pa] (nlay+1)
    real(real64), intent(in) :: pressure(:)         !! of layers [Pa] (nlay)
    real(real64), intent(in) :: temperature(:)      !! [K] (nlay)
    real(real64), intent(in) :: mixing_ratio(:)     !! of vapour [kg kg-1] (nlay)
    real(real64), intent(in) :: land                !! share of land [1] ()
    real(real64), intent(in) :: rain_rate           !! of convection, smoothed in time [kg m-2 s-1] ()
    real(real64), intent(in) :: convection_top      !! pressure of its last top [Pa] ()
    real(real64), intent(out) :: fraction(:)        !! [1] (nlay)
    real(real64), intent(out) :: liquid_path(:)     !! in cloud [kg m-2] (nlay)
    real(real64), intent(out) :: ice_path(:)        !! in cloud [kg m-2] (nlay)
    real(real64), intent(out) :: liquid_radius(:)   !! effective [m] (nlay)
    real(real64), intent(out) :: ice_radius(:)      !! effective [m] (nlay)

    real(real64) :: saturated, threshold, convective, share, water, place
    integer :: k, n

    n = size(pressure)
    ! Millimetres a day, as Slingo has it.
    convective = min(max(0.125_real64*log(1.0_real64 + rain_rate*seconds_per_day), 0.0_real64), 0.4_real64)
    do k = 1, n
      fraction(k) = 0.0_real64
      liquid_path(k) = 0.0_real64
      ice_path(k) = 0.0_real64
      liquid_radius(k) = sea_radius + land*(land_radius - sea_radius)
      place = min(max((temperature(k) - 203.0_real64)/60.0_real64, 0.0_real64), 1.0_real64)
      ice_radius(k) = least_ice_radius + place*(greatest_ice_radius - least_ice_radius)
      if (pressure(k) < highest) cycle
      saturated = saturation_mixing_ratio(temperature(k), pressure(k))
      place = pressure(k)/pressure_level(n + 1)
      threshold = min(max((place - 0.75_real64)/0.2_real64, 0.0_real64), 1.0_real64)
      threshold = critical_aloft + threshold*(critical_below - critical_aloft)
      if (mixing_ratio(k) > threshold*saturated) &
        fraction(k) = 1.0_real64 - sqrt(max((1.0_real64 - mixing_ratio(k)/saturated)/(1.0_real64 - threshold), 0.0_real64))
      if (pressure(k) >= convection_top .and. place < 0.93_real64) then
        ! Towers, and an anvil where they end.
        share = 0.4_real64
        if (pressure(k) < convection_top + 6.0e3_real64) share = 1.0_real64
        fraction(k) = max(fraction(k), share*convective)
      end if
      if (fraction(k) < least_fraction) then
        fraction(k) = 0.0_real64
        cycle
      end if
      share = liquid_share(temperature(k))
      water = min(saturated*(share*liquid_of_saturation + (1.0_real64 - share)*ice_of_saturation), most_water) &
              *(pressure_level(k + 1) - pressure_level(k))/gravity
      liquid_path(k) = share*water
      ice_path(k) = (1.0_real64 - share)*water
    end do
  end subroutine diagnose_clouds

end module cloud_diagnosis
