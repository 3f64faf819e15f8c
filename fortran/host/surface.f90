!> The heat budget of a surface that is one slab of uniform temperature:
!! C dT_s/dt = (down - up) of longwave + absorbed sunlight - sensible heat to the lowest layer - heat of what evaporates.
!!
!! Sunlight reaches the ground through an atmosphere of constant clear-sky transmissivity and heats nothing on the way.
!! Sensible heat follows the bulk formula rho c_p C_H |V| (theta_s - theta_a) with a constant transfer coefficient and wind
!! (for instance Hartmann 2016, chapter 4), both potential temperatures taken with respect to surface pressure. Its step is
!! implicit in both temperatures, so that a thin lowest layer cannot make it swing, and what the slab loses is what the layer
!! gains, to rounding.
module surface
  use, intrinsic :: iso_fortran_env, only: real64
  use physical_constants, only: dry_air_gas_constant, dry_air_heat_capacity, gravity, kappa, latent_heat
  use saturation, only: saturation_mixing_ratio
  implicit none
  private

  public :: surface_parameters, absorbed_sunlight, step_surface, step_evaporation

  type :: surface_parameters
    real(real64) :: heat_capacity = 4.2e5_real64         !! of the slab; 10 cm of water [J m-2 K-1] ()
    real(real64) :: transmissivity = 0.7_real64          !! of the clear atmosphere for sunlight [1] ()
    real(real64) :: transfer_coefficient = 1.5e-3_real64 !! of sensible heat [1] ()
    real(real64) :: wind_speed = 5.0_real64              !! [m s-1] ()
    real(real64) :: albedo = 0.2_real64                  !! where the columns have none [1] ()
    real(real64) :: sea_heat_capacity = 4.2e7_real64     !! of a slab of sea; 10 m of water [J m-2 K-1] ()
    real(real64) :: land_wetness = 0.3_real64            !! evaporation from land, of what the sea would lose [1] ()
  end type surface_parameters

contains

  !> Sunlight that the surface absorbs.
  elemental function absorbed_sunlight(parameters, cos_zenith, solar_irradiance, albedo) result(absorbed)
    type(surface_parameters), intent(in) :: parameters  !! [various] ()
    real(real64), intent(in) :: cos_zenith              !! cosine of the solar zenith angle, negative at night [1] ()
    real(real64), intent(in) :: solar_irradiance        !! at the top, normal to the beam [W m-2] ()
    real(real64), intent(in) :: albedo                  !! of the surface [1] ()
    real(real64) :: absorbed                            !! [W m-2] ()
    absorbed = parameters%transmissivity*(1.0_real64 - albedo)*solar_irradiance*max(cos_zenith, 0.0_real64)
  end function absorbed_sunlight

  !> One time step of the slab and of the heat it exchanges with the lowest layer.
  elemental subroutine step_surface(parameters, time_step, net_radiation, surface_pressure, layer_pressure, layer_thickness, &
                                    surface_temperature, layer_temperature, sensible_heat)
    type(surface_parameters), intent(in) :: parameters    !! [various] ()
    real(real64), intent(in) :: time_step                 !! [s] ()
    real(real64), intent(in) :: net_radiation             !! longwave and sunlight, into the surface [W m-2] ()
    real(real64), intent(in) :: surface_pressure          !! [Pa] ()
    real(real64), intent(in) :: layer_pressure            !! of the lowest layer [Pa] ()
    real(real64), intent(in) :: layer_thickness           !! of the lowest layer [Pa] ()
    real(real64), intent(inout) :: surface_temperature    !! [K] ()
    real(real64), intent(inout) :: layer_temperature      !! of the lowest layer [K] ()
    real(real64), intent(out) :: sensible_heat            !! from the surface into the lowest layer [W m-2] ()
    real(real64) :: exner, density, conductance, layer_capacity

    exner = (layer_pressure/surface_pressure)**kappa
    density = surface_pressure/(dry_air_gas_constant*layer_temperature)
    conductance = density*dry_air_heat_capacity*parameters%transfer_coefficient*parameters%wind_speed
    layer_capacity = dry_air_heat_capacity*layer_thickness/gravity

    surface_temperature = surface_temperature + time_step*net_radiation/parameters%heat_capacity
    sensible_heat = conductance*(surface_temperature - layer_temperature/exner) &
                    /(1.0_real64 + time_step*conductance*(1.0_real64/parameters%heat_capacity + 1.0_real64/(layer_capacity*exner)))
    surface_temperature = surface_temperature - time_step*sensible_heat/parameters%heat_capacity
    layer_temperature = layer_temperature + time_step*sensible_heat/layer_capacity
  end subroutine step_surface

  !> One time step of evaporation, or of dew, by the same bulk formula: implicit in the humidity of the lowest layer.
  elemental subroutine step_evaporation(parameters, time_step, wetness, surface_pressure, layer_thickness, layer_temperature, &
                                        surface_temperature, mixing_ratio, evaporation)
    type(surface_parameters), intent(in) :: parameters    !! [various] ()
    real(real64), intent(in) :: time_step                 !! [s] ()
    real(real64), intent(in) :: wetness                   !! evaporation, of what a water surface would lose [1] ()
    real(real64), intent(in) :: surface_pressure          !! [Pa] ()
    real(real64), intent(in) :: layer_thickness           !! of the lowest layer [Pa] ()
    real(real64), intent(in) :: layer_temperature         !! of the lowest layer [K] ()
    real(real64), intent(inout) :: surface_temperature    !! [K] ()
    real(real64), intent(inout) :: mixing_ratio           !! of vapour in the lowest layer [kg kg-1] ()
    real(real64), intent(out) :: evaporation              !! into the lowest layer [kg m-2 s-1] ()
    real(real64) :: deficit, exchange, mass

    mass = layer_thickness/gravity
    deficit = saturation_mixing_ratio(surface_temperature, surface_pressure) - mixing_ratio
    exchange = surface_pressure/(dry_air_gas_constant*layer_temperature)*parameters%transfer_coefficient*parameters%wind_speed
    if (deficit > 0.0_real64) exchange = wetness*exchange
    evaporation = exchange*deficit/(1.0_real64 + time_step*exchange/mass)
    mixing_ratio = mixing_ratio + time_step*evaporation/mass
    surface_temperature = surface_temperature - time_step*latent_heat*evaporation/parameters%heat_capacity
  end subroutine step_evaporation

end module surface
