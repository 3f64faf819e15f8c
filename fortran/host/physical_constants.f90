!> Constants of the host's physics.
module physical_constants
  use, intrinsic :: iso_fortran_env, only: real64
  implicit none
  private

  real(real64), parameter, public :: gravity = 9.80665_real64             !! standard acceleration of free fall [m s-2] ()
  real(real64), parameter, public :: dry_air_gas_constant = 287.05_real64 !! [J kg-1 K-1] ()
  real(real64), parameter, public :: dry_air_heat_capacity = 1004.0_real64 !! at constant pressure [J kg-1 K-1] ()
  real(real64), parameter, public :: kappa = dry_air_gas_constant/dry_air_heat_capacity  !! exponent of the Exner function [1] ()
  real(real64), parameter, public :: seconds_per_day = 86400.0_real64     !! [s] ()
  real(real64), parameter, public :: solar_constant = 1361.0_real64       !! total solar irradiance (Kopp and Lean 2011) [W m-2] ()
  real(real64), parameter, public :: pi = acos(-1.0_real64)               !! [1] ()

end module physical_constants
