!> Checks of the coupling's test programs: each prints a sentence, and failures are counted.
module torch_checks
  use, intrinsic :: iso_fortran_env, only: error_unit, output_unit
  implicit none
  private

  public :: check, check_failure, finish, model_path

  integer :: n_checks = 0
  integer :: n_failures = 0

contains

  !> One check; `sentence` says what holds.
  subroutine check(condition, sentence)
    logical, intent(in) :: condition !! what should be true [1] (scalar)
    character(len=*), intent(in) :: sentence !! what that means [text] (scalar)

    n_checks = n_checks + 1
    if (condition) then
      write (output_unit, '(2a)') 'ok   ', sentence
    else
      n_failures = n_failures + 1
      write (output_unit, '(2a)') 'FAIL ', sentence
    end if
  end subroutine check

  !> A call that must have failed with this status and a message that contains this text.
  subroutine check_failure(stat, message, expected_stat, expected_text, sentence)
    integer, intent(in) :: stat !! what came [1] (scalar)
    character(len=:), allocatable, intent(inout) :: message !! what came; deallocated here [text] (scalar)
    integer, intent(in) :: expected_stat !! what should come [1] (scalar)
    character(len=*), intent(in) :: expected_text !! what the message should contain [text] (scalar)
    character(len=*), intent(in) :: sentence !! what fails and how [text] (scalar)
    logical :: right

    right = stat == expected_stat .and. allocated(message)
    if (right) right = index(message, expected_text) > 0 .and. index(message, new_line('a')) == 0
    call check(right, sentence)
    if (.not. right) then
      write (output_unit, '(a, i0, 3a)') '     expected ', expected_stat, ' "', expected_text, '"'
      if (allocated(message)) write (output_unit, '(a, i0, 3a)') '     got      ', stat, ' "', message, '"'
      if (.not. allocated(message)) write (output_unit, '(a, i0, a)') '     got      ', stat, ' without a message'
    end if
    if (allocated(message)) deallocate (message)
  end subroutine check_failure

  !> Ends the program, with an error if any check failed or none was made.
  subroutine finish()
    write (output_unit, '(i0, a, i0, a)') n_checks, ' checks, ', n_failures, ' failures'
    if (n_failures > 0 .or. n_checks == 0) then
      write (error_unit, '(i0, a)') n_failures, ' checks failed'
      error stop 1, quiet=.true.
    end if
  end subroutine finish

  !> The path of a test model: the folder is the program's first argument.
  function model_path(name) result(path)
    character(len=*), intent(in) :: name !! file name [text] (scalar)
    character(len=:), allocatable :: path
    integer :: length

    call get_command_argument(1, length=length)
    allocate (character(len=length) :: path)
    call get_command_argument(1, value=path)
    path = path//'/'//name
  end function model_path

end module torch_checks
