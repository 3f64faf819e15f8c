!> Physical constants with the values RRTMG uses.
module radml_rrtmg_constants
  use, intrinsic :: iso_fortran_env, only: real64
  implicit none
  private

  real(real64), parameter, public :: rrtmg_gravity = 9.8066_real64                 !! acceleration of gravity [m s-2]
  real(real64), parameter, public :: rrtmg_heat_capacity = 1004.64_real64     !! of dry air, at constant pressure [J kg-1 K-1]
  real(real64), parameter, public :: rrtmg_seconds_per_day = 86400.0_real64        !! length of the day [s]
  real(real64), parameter, public :: rrtmg_avogadro = 6.02214199e23_real64         !! Avogadro's number [mol-1]
  real(real64), parameter, public :: rrtmg_dry_air_mass = 28.9660_real64           !! molar mass of dry air [g mol-1]
  real(real64), parameter, public :: rrtmg_water_mass = 18.0160_real64             !! molar mass of water [g mol-1]
  real(real64), parameter, public :: rrtmg_pi = 3.14159265358979323846_real64      !! circle number [1]
end module radml_rrtmg_constants
