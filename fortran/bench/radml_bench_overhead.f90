!> `radml-bench-overhead model.pt [calls|ask]`: what a call through the coupling costs beyond LibTorch, on one thread.
!!
!! The model has one input and one output of (1, 5) real32. Three ways to run it take turns, a thousand calls each: `forward`
!! with views made in the call, a plan's `run`, and LibTorch alone on ready tensors. Printed are median, least and most over the
!! turns, one `name value` a line. Then `calls` calls (a million) of forward and of run, and by how much the heap has grown.
!! With `ask` each line of standard input, `run forward`, `run plan` or `run raw`, asks for a thousand calls, so that another
!! program may take turns with this one; the answer is a line of JSON with the seconds.
program radml_bench_overhead
  use, intrinsic :: iso_c_binding, only: c_char, c_float, c_int32_t, c_int64_t, c_null_char
  use, intrinsic :: iso_fortran_env, only: error_unit, input_unit, int64, output_unit, real64
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
  if (path == '') call stop_with('usage: radml-bench-overhead model.pt [calls|ask]')
  if (calls_text /= '' .and. calls_text /= 'ask') then
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
  if (calls_text == 'ask') then
    call answer_lines()
    stop
  end if
  do turn = 1, n_turns
    call measure(forward_time(turn), plan_time(turn), raw_time(turn))
  end do
  if (any(y /= y_plan)) call stop_with('forward and run differ')
  call write_spread('raw', raw_time)
  call write_spread('forward', forward_time)
  call write_spread('plan', plan_time)
  write (output_unit, '(a, f0.4)') 'forward_minus_raw_us ', median(forward_time - raw_time), &
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
    forward = microseconds_of('forward')
    run = microseconds_of('plan')
    raw = microseconds_of('raw')
  end subroutine measure

  !> A thousand calls [us a call].
  function microseconds_of(way) result(microseconds)
    character(len=*), intent(in) :: way
    real(real64) :: microseconds
    integer(int64) :: ticks(2), rate

    call system_clock(ticks(1), rate)
    select case (way)
    case ('forward')
      call forward_calls(int(calls_of_turn, int64))
    case ('plan')
      call plan_calls(int(calls_of_turn, int64))
    case ('raw')
      call stop_on_failure(raw_forward(int(calls_of_turn, c_int64_t), x, int(width, c_int64_t)))
    case default
      call stop_with('run '//way//': expected forward, plan or raw')
    end select
    call system_clock(ticks(2))
    microseconds = 1.0e6_real64*real(ticks(2) - ticks(1), real64)/(real(rate, real64)*calls_of_turn)
  end function microseconds_of

  !> Answers each line of standard input.
  subroutine answer_lines()
    character(len=80) :: line
    integer :: status
    real(real64) :: seconds
    write (output_unit, '(a, i0, a)') '{"program": "radml-bench-overhead", "calls": ', calls_of_turn, '}'
    flush (output_unit)
    do
      read (input_unit, '(a)', iostat=status) line
      if (status /= 0) exit
      if (line(:4) /= 'run ') call stop_with('expected a line "run WAY", got "'//trim(line)//'"')
      seconds = 1.0e-6_real64*calls_of_turn*microseconds_of(trim(line(5:)))
      write (output_unit, '(a, es16.9, a)') '{"seconds": ', seconds, '}'
      flush (output_unit)
    end do
  end subroutine answer_lines

  subroutine write_spread(name, times)
    character(len=*), intent(in) :: name
    real(real64), intent(in) :: times(:)
    write (output_unit, '(2a, f0.4)') name, '_us ', median(times), name, '_least_us ', minval(times), &
      name, '_most_us ', maxval(times)
  end subroutine write_spread

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
