!> What every fallible procedure of the host returns in `stat`, and how a program ends on a failure.
!!
!! Inside the host `stat` and `errmsg` are always there: 0 is success and leaves `errmsg` alone. The modules that others may
!! use make them optional in the manner of `allocate(stat=, errmsg=)`, and stop with the whole message where `stat` is absent;
!! they hand over the text themselves, because gfortran 12 loses the length of an optional deferred-length argument that is
!! passed on as an optional argument.
module host_status
  use, intrinsic :: iso_c_binding, only: c_int
  use, intrinsic :: iso_fortran_env, only: error_unit, output_unit
  use operating_system, only: end_process
  implicit none
  private

  integer, parameter, public :: status_success = 0
  integer, parameter, public :: status_bad_file = 1           !! a file is missing, unreadable, or not what it should be
  integer, parameter, public :: status_bad_configuration = 2  !! a namelist key or command-line argument is wrong
  integer, parameter, public :: status_bad_state = 3          !! the atmosphere left the range in which the physics means anything
  integer, parameter, public :: status_radiation_failed = 4   !! RRTMG or the network returned an error
  integer, parameter, public :: status_cannot_write = 5       !! a result could not be written

  public :: fail, stop_with_message, tell, integer_text, real_text

contains

  !> Hands a failure to the caller.
  pure subroutine fail(code, message, stat, errmsg)
    integer, intent(in) :: code                               !! one of the `status_` constants [1] ()
    character(len=*), intent(in) :: message                   !! one line: the thing, what was expected and what came [text] ()
    integer, intent(out) :: stat                              !! receives `code` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg    !! receives `message` [text] ()
    stat = code
    errmsg = message
  end subroutine fail

  !> Ends a program after one line on standard error, without the compiler's backtrace and without what libraries do at the end:
  !! HDF5 would touch the file again that could not be written, and crash.
  subroutine stop_with_message(program_name, message, code)
    character(len=*), intent(in) :: program_name  !! [text] ()
    character(len=*), intent(in) :: message       !! [text] ()
    integer, intent(in) :: code                   !! exit status of the process [1] ()
    call tell(program_name, message)
    call end_process(int(code, c_int))
  end subroutine stop_with_message

  !> One line on standard error, which is out before anything else is done.
  subroutine tell(program_name, message)
    character(len=*), intent(in) :: program_name  !! [text] ()
    character(len=*), intent(in) :: message       !! [text] ()
    write (error_unit, '(a)') program_name//': '//message
    flush (error_unit)
    flush (output_unit)
  end subroutine tell

  !> An integer as text without blanks.
  pure function integer_text(value) result(text)
    integer, intent(in) :: value           !! [1] ()
    character(len=:), allocatable :: text  !! [text] ()
    character(len=24) :: buffer
    write (buffer, '(i0)') value
    text = trim(buffer)
  end function integer_text

  !> A real number as text without blanks; very small and very large ones with an exponent.
  pure function real_text(value, decimals) result(text)
    use, intrinsic :: iso_fortran_env, only: real64
    real(real64), intent(in) :: value          !! [any] ()
    integer, intent(in), optional :: decimals  !! so many; absent for what it takes, four at most [1] ()
    character(len=:), allocatable :: text      !! [text] ()
    character(len=64) :: buffer
    integer :: last
    if (present(decimals)) then
      write (buffer, '(f40.'//integer_text(decimals)//')') value
      text = trim(adjustl(buffer))
    else if (value == 0.0_real64) then
      text = '0'
    else if (abs(value) >= 1.0e-3_real64 .and. abs(value) < 1.0e6_real64) then
      write (buffer, '(f40.4)') value
      buffer = adjustl(buffer)
      last = verify(trim(buffer), '0', back=.true.)
      if (buffer(last:last) == '.') last = last - 1
      text = buffer(:last)
    else
      write (buffer, '(es40.5e3)') value
      text = trim(adjustl(buffer))
    end if
  end function real_text

end module host_status
