!> What RRTMG's procedures answer in `stat`, longwave and shortwave.
module radml_rrtmg_status
  implicit none
  private

  integer, parameter, public :: rrtmg_success = 0     !! all went well
  integer, parameter, public :: rrtmg_bad_tables = 1  !! the coefficient file is missing, damaged or another
  integer, parameter, public :: rrtmg_not_loaded = 2  !! `load` has not been called, or failed
  integer, parameter, public :: rrtmg_bad_shape = 3   !! an array has not the extents the others imply
  integer, parameter, public :: rrtmg_bad_value = 4   !! a value is not a number, or out of range
  integer, parameter, public :: rrtmg_bad_arguments = 5 !! arguments that do not go together, or an unknown choice
end module radml_rrtmg_status
