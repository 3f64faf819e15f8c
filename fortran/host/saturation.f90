!> Saturation of air with water vapour, over liquid water, over ice and between.
!!
!! Coefficients of the Tetens form as in ECMWF's IFS documentation, Part IV, section 7.4.2, those of the generator of columns.
module saturation
  use, intrinsic :: iso_fortran_env, only: real64
  use physical_constants, only: dry_air_heat_capacity, latent_heat, water_to_dry_air
  implicit none
  private

  public :: liquid_share, saturation_mixing_ratio, condense

contains

  !> Share of liquid in condensed water: 1 at the triple point and above, 0 23 K below it.
  elemental function liquid_share(temperature) result(share)
    real(real64), intent(in) :: temperature  !! [K] ()
    real(real64) :: share                    !! [1] ()
    share = min(max((temperature - 250.16_real64)/23.0_real64, 0.0_real64), 1.0_real64)**2
  end function liquid_share

  !> Saturation vapour pressure and how its logarithm grows with temperature.
  elemental subroutine vapour_pressure(temperature, pressure, growth)
    real(real64), intent(in) :: temperature   !! [K] ()
    real(real64), intent(out) :: pressure     !! [Pa] ()
    real(real64), intent(out) :: growth       !! [K-1] ()
    real(real64), parameter :: triple = 273.16_real64, at_triple = 611.21_real64
    real(real64), parameter :: water = 17.502_real64, water_offset = 32.19_real64, ice = 22.587_real64, ice_offset = -0.7_real64
    real(real64) :: share, over_water, over_ice
    share = liquid_share(temperature)
    over_water = 0.0_real64
    over_ice = 0.0_real64
    if (share > 0.0_real64) over_water = share*at_triple*exp(water*(temperature - triple)/(temperature - water_offset))
    if (share < 1.0_real64) over_ice = (1.0_real64 - share)*at_triple*exp(ice*(temperature - triple)/(temperature - ice_offset))
    pressure = over_water + over_ice
    growth = (over_water*water*(triple - water_offset)/(temperature - water_offset)**2 &
              + over_ice*ice*(triple - ice_offset)/(temperature - ice_offset)**2)/pressure
  end subroutine vapour_pressure

  !> Mixing ratio of saturated air. Where the air is too thin to saturate, vapour at half the pressure is taken.
  elemental function saturation_mixing_ratio(temperature, pressure) result(ratio)
    real(real64), intent(in) :: temperature  !! [K] ()
    real(real64), intent(in) :: pressure     !! [Pa] ()
    real(real64) :: ratio                    !! [kg kg-1 of dry air] ()
    real(real64) :: vapour, growth
    call vapour_pressure(temperature, vapour, growth)
    vapour = min(vapour, 0.5_real64*pressure)
    ratio = water_to_dry_air*vapour/(pressure - vapour)
  end function saturation_mixing_ratio

  !> Condenses what is above saturation: c_p T + L r stays what it was.
  elemental subroutine condense(pressure, temperature, mixing_ratio)
    real(real64), intent(in) :: pressure         !! [Pa] ()
    real(real64), intent(inout) :: temperature   !! [K] ()
    real(real64), intent(inout) :: mixing_ratio  !! of vapour [kg kg-1] ()
    integer, parameter :: most_iterations = 6
    real(real64), parameter :: tolerance = 1.0e-10_real64
    real(real64) :: vapour, growth, saturated, excess
    integer :: iteration
    do iteration = 1, most_iterations
      call vapour_pressure(temperature, vapour, growth)
      if (vapour >= 0.5_real64*pressure) return
      saturated = water_to_dry_air*vapour/(pressure - vapour)
      excess = mixing_ratio - saturated
      if (iteration == 1 .and. excess <= 0.0_real64) return
      if (abs(excess) < tolerance) return
      excess = excess/(1.0_real64 + latent_heat/dry_air_heat_capacity*saturated*growth*pressure/(pressure - vapour))
      mixing_ratio = mixing_ratio - excess
      temperature = temperature + latent_heat/dry_air_heat_capacity*excess
    end do
  end subroutine condense

end module saturation
