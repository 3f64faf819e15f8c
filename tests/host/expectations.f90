!> Expectations for the Fortran tests of the host: each is a sentence and whether it held; `conclude` fails if any did not.
module expectations
  use, intrinsic :: iso_fortran_env, only: error_unit
  implicit none
  private

  public :: expect, conclude

  integer :: n_expectations = 0
  integer :: n_failures = 0

contains

  !> Counts one expectation and tells of it if it does not hold.
  subroutine expect(sentence, holds)
    character(len=*), intent(in) :: sentence  !! what should be so [text] ()
    logical, intent(in) :: holds              !! whether it is [1] ()
    n_expectations = n_expectations + 1
    if (holds) return
    n_failures = n_failures + 1
    write (error_unit, '(a)') 'not so: '//sentence
  end subroutine expect

  !> Ends a test program: non-zero if an expectation failed, or if there was none.
  subroutine conclude()
    if (n_failures > 0 .or. n_expectations == 0) error stop 1
  end subroutine conclude

end module expectations
