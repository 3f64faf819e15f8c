!> What every fallible procedure of the host returns in `stat`, and the one way in which a failure is reported.
!!
!! The convention is that of `allocate(stat=, errmsg=)`: 0 is success and leaves `errmsg` alone; where the caller
!! passed no `stat`, a failure stops the program with the whole message on standard error.
module host_status
  use, intrinsic :: iso_fortran_env, only: error_unit
  implicit none
  private

  integer, parameter, public :: status_success = 0
  integer, parameter, public :: status_bad_file = 1           !! a file is missing, unreadable, or not what it should be
  integer, parameter, public :: status_bad_configuration = 2  !! a namelist key or command-line argument is wrong
  integer, parameter, public :: status_bad_state = 3          !! the atmosphere left the range in which the physics means anything
  integer, parameter, public :: status_radiation_failed = 4   !! RRTMG or the network returned an error
  integer, parameter, public :: status_cannot_write = 5       !! a result could not be written

  public :: fail, succeed, stop_with_message, integer_text, real_text

contains

  !> Hands a failure to the caller, or stops the program where the caller gave no `stat`.
  subroutine fail(code, message, stat, errmsg)
    integer, intent(in) :: code                                         !! one of the `status_` constants [1] ()
    character(len=*), intent(in) :: message                             !! one line that names the thing, what was expected and what came [text] ()
    integer, intent(out), optional :: stat                              !! receives `code` [1] ()
    character(len=:), allocatable, intent(inout), optional :: errmsg    !! receives `message` [text] ()

    if (present(errmsg)) errmsg = message
    if (present(stat)) then
      stat = code
    else
      error stop message
    end if
  end subroutine fail

  !> Reports success.
  subroutine succeed(stat)
    integer, intent(out), optional :: stat  !! receives 0 [1] ()
    if (present(stat)) stat = status_success
  end subroutine succeed

  !> Ends a program after one line on standard error, without the compiler's backtrace.
  subroutine stop_with_message(program_name, message, code)
    character(len=*), intent(in) :: program_name  !! [text] ()
    character(len=*), intent(in) :: message       !! [text] ()
    integer, intent(in) :: code                   !! exit status of the process [1] ()
    write (error_unit, '(a)') program_name//': '//message
    flush (error_unit)
    stop code, quiet=.true.
  end subroutine stop_with_message

  !> An integer as text without blanks.
  pure function integer_text(value) result(text)
    integer, intent(in) :: value           !! [1] ()
    character(len=:), allocatable :: text  !! [text] ()
    character(len=24) :: buffer
    write (buffer, '(i0)') value
    text = trim(buffer)
  end function integer_text

  !> A real number as text without blanks, with six significant digits.
  pure function real_text(value) result(text)
    use, intrinsic :: iso_fortran_env, only: real64
    real(real64), intent(in) :: value      !! [any] ()
    character(len=:), allocatable :: text  !! [text] ()
    character(len=32) :: buffer
    if (value == 0.0_real64) then
      buffer = '0'
    else if (abs(value) >= 1.0e-3_real64 .and. abs(value) < 1.0e6_real64) then
      write (buffer, '(f20.4)') value
    else
      write (buffer, '(es20.5e3)') value
    end if
    text = trim(adjustl(buffer))
  end function real_text

end module host_status
