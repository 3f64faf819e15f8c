!> `radml-bench-overhead model.pt [calls]`: what a call through the coupling costs beyond LibTorch, on one thread.
!!
!! The model has one input and one output of (1, 5) real32. Three ways to run it take turns, a thousand calls each: `forward`
!! with views made in the call, a plan's `run`, and LibTorch alone on ready tensors. Printed are medians over the turns, one
!! `name value` a line. Then `calls` calls (a million) of forward and of run, and by how much the heap has grown.
program radml_bench_overhead
  use, intrinsic :: iso_c_binding, only: c_char, c_float, c_int32_t, c_int64_t, c_null_char
  use, intrinsic :: iso_fortran_env, only: error_unit, int64, output_unit, real64
  use radml_torch, only: torch_in, torch_model, torch_out, torch_plan, torch_set_num_threads
  implicit none

  interface
    function raw_load(path) result(status) bind(c)
      import :: c_char, c_int32_t
      implicit none
      character(kind=c_char), intent(in) :: path(*)
      integer(c_int32_t) :: status
    end function raw_load

    function raw_forward(n, numbers, n_numbers) result(status) bind(c)
      import :: c_float, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: n
      real(c_float), intent(in) :: numbers(*)
      integer(c_int64_t), value :: n_numbers
      integer(c_int32_t) :: status
    end function raw_forward

    function heap_bytes() result(bytes) bind(c)
      import :: c_int64_t
      implicit none
      integer(c_int64_t) :: bytes
    end function heap_bytes
  end interface

  integer, parameter :: n_turns = 401, calls_of_turn = 1000, width = 5
  type(torch_model) :: net
  type(torch_plan) :: plan
  real(c_float), target :: x(1, width), y(1, width), y_plan(1, width)
  real(real64) :: forward_time(n_turns), plan_time(n_turns), raw_time(n_turns)
  integer(int64) :: before, calls, growth(2)
  integer :: turn
  character(len=:), allocatable :: path, calls_text

  path = argument(1)
  calls_text = argument(2)
  calls = 1000000_int64
  if (path == '') call stop_with('usage: radml-bench-overhead model.pt [calls]')
  if (calls_text /= '') then
    if (verify(calls_text, '0123456789') /= 0 .or. len(calls_text) > 12) then
      call stop_with('calls: expected a number, got "'//calls_text//'"')
    end if
    read (calls_text, *) calls
  end if

  call random_number(x)
  call torch_set_num_threads(1)
  call net%load(path)
  call plan%create(net, [torch_in(x)], [torch_out(y_plan)])
  call stop_on_failure(raw_load(path//c_null_char))

  do turn = 1, 3 ! LibTorch compiles in its first calls
    call measure(forward_time(1), plan_time(1), raw_time(1))
  end do
  do turn = 1, n_turns
    call measure(forward_time(turn), plan_time(turn), raw_time(turn))
  end do
  if (any(y /= y_plan)) call stop_with('forward and run differ')
  write (output_unit, '(a, f0.4)') 'raw_us ', median(raw_time), 'forward_us ', median(forward_time), &
    'plan_us ', median(plan_time), 'forward_minus_raw_us ', median(forward_time - raw_time), &
    'plan_minus_raw_us ', median(plan_time - raw_time)

  before = heap_bytes()
  call forward_calls(calls)
  growth(1) = heap_bytes() - before
  before = heap_bytes()
  call plan_calls(calls)
  growth(2) = heap_bytes() - before
  write (output_unit, '(a, i0)') 'calls ', calls, 'forward_heap_growth_bytes ', growth(1), 'plan_heap_growth_bytes ', growth(2)

contains

  !> One turn of each [us a call].
  subroutine measure(forward, run, raw)
    real(real64), intent(out) :: forward, run, raw
    integer(int64) :: ticks(4)

    call system_clock(ticks(1))
    call forward_calls(int(calls_of_turn, int64))
    call system_clock(ticks(2))
    call plan_calls(int(calls_of_turn, int64))
    call system_clock(ticks(3))
    call stop_on_failure(raw_forward(int(calls_of_turn, c_int64_t), x, int(width, c_int64_t)))
    call system_clock(ticks(4))
    forward = per_call(ticks(2) - ticks(1))
    run = per_call(ticks(3) - ticks(2))
    raw = per_call(ticks(4) - ticks(3))
  end subroutine measure

  subroutine forward_calls(n)
    integer(int64), intent(in) :: n
    integer(int64) :: i
    do i = 1, n
      call net%forward([torch_in(x)], [torch_out(y)])
    end do
  end subroutine forward_calls

  subroutine plan_calls(n)
    integer(int64), intent(in) :: n
    integer(int64) :: i
    do i = 1, n
      call plan%run()
    end do
  end subroutine plan_calls

  function per_call(ticks) result(microseconds)
    integer(int64), intent(in) :: ticks
    real(real64) :: microseconds
    integer(int64) :: rate
    call system_clock(count_rate=rate)
    microseconds = 1.0e6_real64*real(ticks, real64)/(real(rate, real64)*calls_of_turn)
  end function per_call

  !> The middle one of an odd number of values.
  pure function median(values) result(middle)
    real(real64), intent(in) :: values(:)
    real(real64) :: middle
    integer :: i
    middle = values(1)
    do i = 1, size(values)
      if (count(values < values(i)) <= size(values)/2 .and. count(values > values(i)) <= size(values)/2) middle = values(i)
    end do
  end function median

  function argument(number) result(text)
    integer, intent(in) :: number
    character(len=:), allocatable :: text
    integer :: length
    call get_command_argument(number, length=length)
    allocate (character(len=length) :: text)
    call get_command_argument(number, value=text)
  end function argument

  subroutine stop_on_failure(status)
    integer(c_int32_t), intent(in) :: status
    if (status /= 0) error stop 1, quiet=.true.
  end subroutine stop_on_failure

  subroutine stop_with(message)
    character(len=*), intent(in) :: message
    write (error_unit, '(2a)') 'radml-bench-overhead: ', message
    error stop 1, quiet=.true.
  end subroutine stop_with

end program radml_bench_overhead
