!> The kind of a host's real arrays, as many models have one.
module host_kinds
  use, intrinsic :: iso_fortran_env, only: real64
  implicit none
  private

  integer, parameter, public :: wp = real64

end module host_kinds
