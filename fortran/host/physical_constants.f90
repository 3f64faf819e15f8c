!> Constants of the host's physics. Gravity and heat capacity are those by which RRTMG, and a network taught by it, make heating
!! rates of fluxes: so what the fluxes leave behind in a layer is what the layer gains.
module physical_constants
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_longwave, only: rrtmg_gravity, rrtmg_heat_capacity
  implicit none
  private

  real(real64), parameter, public :: gravity = rrtmg_gravity                     !! acceleration of gravity [m s-2] ()
  real(real64), parameter, public :: dry_air_gas_constant = 287.05_real64 !! [J kg-1 K-1] ()
  real(real64), parameter, public :: dry_air_heat_capacity = rrtmg_heat_capacity !! at constant pressure [J kg-1 K-1] ()
  real(real64), parameter, public :: kappa = dry_air_gas_constant/dry_air_heat_capacity  !! exponent of the Exner function [1] ()
  real(real64), parameter, public :: latent_heat = 2.5e6_real64           !! of vaporisation [J kg-1] ()
  real(real64), parameter, public :: water_to_dry_air = 18.016_real64/28.966_real64  !! molar masses, as in RRTMG [1] ()
  real(real64), parameter, public :: reference_pressure = 1.0e5_real64    !! where the Exner function is 1 [Pa] ()
  real(real64), parameter, public :: seconds_per_day = 86400.0_real64     !! [s] ()
  real(real64), parameter, public :: pi = acos(-1.0_real64)               !! [1] ()

end module physical_constants
