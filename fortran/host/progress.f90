!> A progress line that rewrites itself on standard error, and only where a terminal watches.
module progress
  use, intrinsic :: iso_fortran_env, only: error_unit, int64, real64
  use operating_system, only: standard_error_is_terminal
  implicit none
  private

  public :: progress_line, seconds_now

  type :: progress_line
    private
    logical :: watched = .false.
    integer :: longest = 0
    real(real64) :: last = 0.0_real64
  contains
    procedure :: start
    procedure :: show
    procedure :: finish
  end type progress_line

  real(real64), parameter :: shortest_interval = 0.1_real64  ! s between two lines

contains

  !> Asks whether a terminal watches.
  subroutine start(self)
    class(progress_line), intent(out) :: self  !! [line] ()
    self%watched = standard_error_is_terminal()
  end subroutine start

  !> Shows a line over the last one, ten times a second at most.
  subroutine show(self, line)
    class(progress_line), intent(inout) :: self  !! [line] ()
    character(len=*), intent(in) :: line         !! [text] ()
    if (.not. self%watched) return
    if (seconds_now() - self%last < shortest_interval) return
    self%last = seconds_now()
    self%longest = max(self%longest, len(line))
    write (error_unit, '(3a)', advance='no') achar(13), line, repeat(' ', self%longest - len(line))
    flush (error_unit)
  end subroutine show

  !> Clears the line.
  subroutine finish(self)
    class(progress_line), intent(inout) :: self  !! [line] ()
    if (self%longest > 0) write (error_unit, '(3a)', advance='no') achar(13), repeat(' ', self%longest), achar(13)
    flush (error_unit)
    self%longest = 0
  end subroutine finish

  !> A clock that only moves forwards.
  function seconds_now() result(seconds)
    real(real64) :: seconds  !! since some fixed moment [s] ()
    integer(int64) :: count, rate
    call system_clock(count, rate)
    seconds = real(count, real64)/real(rate, real64)
  end function seconds_now

end module progress
