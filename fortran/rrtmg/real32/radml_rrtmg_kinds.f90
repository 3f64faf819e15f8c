!> Working precision of the bundled RRTMG, in one place: this file makes the library that computes in `real32`.
module radml_rrtmg_kinds
  use, intrinsic :: iso_fortran_env, only: real32
  implicit none
  private

  integer, parameter, public :: wp = real32 !! kind of everything RRTMG computes with; arguments of the public interface stay real64
  !> Whether heating is summed from what each layer absorbs, and not the difference of the fluxes around it.
  logical, parameter, public :: sums_heating = .true.
end module radml_rrtmg_kinds
