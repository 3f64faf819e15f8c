!> Working precision of the bundled RRTMG, in one place.
module radml_rrtmg_kinds
  use, intrinsic :: iso_fortran_env, only: real64
  implicit none
  private

  integer, parameter, public :: wp = real64 !! kind of everything RRTMG computes with; arguments of the public interface stay real64
  !> Whether heating is summed from what each layer absorbs, and not the difference of the fluxes around it.
  logical, parameter, public :: sums_heating = .false.
end module radml_rrtmg_kinds
