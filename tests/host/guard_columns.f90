!> `guard_columns envelope columns.bin rules.bin [repeats]`: the guard on columns from a stream of numbers, for the tests.
!!
!! The file has the numbers of columns and of layers (int32), the network's 19 inputs and its 6 outputs in their order (real64,
!! columns innermost). Written are the rule of each column before the call, that after it, and the layers of both (int32). With
!! `repeats` the time of both checks is printed too, the best of so many, in microseconds a column. `guard_columns rules` prints
!! the names of the rules, `guard_columns misuse envelope` the rules for calls that are wrong.
program guard_columns
  use, intrinsic :: iso_fortran_env, only: error_unit, int32, int64, output_unit, real64
  use radml_guard, only: guard_last_rule, guard_rule_name, radiation_guard
  implicit none

  type(radiation_guard) :: guard
  character(len=:), allocatable :: text, message
  character(len=20) :: repeats_text
  real(real64), allocatable :: at_levels(:, :, :), at_layers(:, :, :), of_column(:, :), fluxes(:, :, :), heating(:, :, :)
  integer, allocatable :: rule(:), before(:), layer(:), layer_before(:)
  integer(int32) :: n, n_layers
  integer(int64) :: start, middle, end, rate
  real(real64) :: state_time, results_time
  integer :: unit, stat, repeat, n_repeats, block, i

  if (argument(1) == 'rules') then
    do i = 0, guard_last_rule
      write (output_unit, '(a)') guard_rule_name(i)
    end do
    stop
  end if
  if (argument(1) == 'misuse') then
    call misuse()
    stop
  end if
  text = file_text(argument(1))
  call guard%load(text, stat, message)
  if (stat /= 0) then
    write (error_unit, '(a)') message
    stop 1, quiet=.true.
  end if
  open (newunit=unit, file=argument(2), access='stream', form='unformatted', status='old', action='read')
  read (unit) n, n_layers
  allocate (at_levels(n, n_layers + 1, 2), at_layers(n, n_layers, 12), of_column(n, 5), fluxes(n, n_layers + 1, 4), &
            heating(n, n_layers, 2), rule(n), before(n), layer(n), layer_before(n))
  read (unit) at_levels, at_layers, of_column, fluxes, heating
  close (unit)
  call state(1, n)
  before = rule
  layer_before = layer
  call results(1, n)
  open (newunit=unit, file=argument(3), access='stream', form='unformatted', status='replace', action='write')
  write (unit) int(before, int32), int(rule, int32), int(layer_before, int32), int(layer, int32)
  close (unit)

  ! The same in blocks, as a host with threads does it: no rule depends on who else is there.
  do block = 1, n, 7
    call state(block, min(block + 6, n))
    if (any(rule(block:min(block + 6, n)) /= before(block:min(block + 6, n)))) error stop 'blocks of columns: other rules'
  end do

  if (command_argument_count() > 3) then
    call get_command_argument(4, repeats_text)
    read (repeats_text, *) n_repeats
    state_time = huge(state_time)
    results_time = huge(results_time)
    do repeat = 1, n_repeats
      call system_clock(start, rate)
      call timed_state()
      call system_clock(middle)
      call timed_results()
      call system_clock(end)
      state_time = min(state_time, real(middle - start, real64)/rate)
      results_time = min(results_time, real(end - middle, real64)/rate)
    end do
    write (output_unit, '(2f10.3)') 1.0e6_real64*state_time/n, 1.0e6_real64*results_time/n
  end if

contains

  !> What a guard without an envelope says, and one with arrays whose extents do not go together: once before, once after the call.
  subroutine misuse()
    real(real64) :: levels(2, 4), layers(2, 3), fewer(2, 2), once(2)
    levels = 1.0_real64
    layers = 1.0_real64
    fewer = 1.0_real64
    once = 1.0_real64
    call call_both(levels, layers, layers, once)
    call guard%load(file_text(argument(2)))
    call call_both(levels, layers, fewer, once)
  end subroutine misuse

  subroutine call_both(levels, layers, others, once)
    real(real64), intent(in) :: levels(:, :), layers(:, :), others(:, :), once(:)
    integer :: two(2)
    call guard%check_state(levels, levels, layers, layers, layers, others, layers, layers, layers, layers, layers, layers, &
                           layers, layers, once, once, once, once, once, two)
    write (output_unit, '(i0)') two(1)
    two = 0
    call guard%check_results(levels, once, once, once, levels, levels, layers, levels, levels, others, two)
    write (output_unit, '(i0)') two(1)
  end subroutine call_both

  function argument(number) result(value)
    integer, intent(in) :: number
    character(len=:), allocatable :: value
    integer :: length
    call get_command_argument(number, length=length)
    allocate (character(len=length) :: value)
    call get_command_argument(number, value)
  end function argument

  function file_text(path) result(content)
    character(len=*), intent(in) :: path
    character(len=:), allocatable :: content
    integer :: file, length
    open (newunit=file, file=path, access='stream', form='unformatted', status='old', action='read')
    inquire (file, size=length)
    allocate (character(len=length) :: content)
    read (file) content
    close (file)
  end function file_text

  subroutine state(first, last)
    integer, intent(in) :: first, last
    call guard%check_state( &
      at_levels(first:last, :, 1), at_levels(first:last, :, 2), at_layers(first:last, :, 1), at_layers(first:last, :, 2), &
      at_layers(first:last, :, 3), at_layers(first:last, :, 4), at_layers(first:last, :, 5), at_layers(first:last, :, 6), &
      at_layers(first:last, :, 7), at_layers(first:last, :, 8), at_layers(first:last, :, 9), at_layers(first:last, :, 10), &
      at_layers(first:last, :, 11), at_layers(first:last, :, 12), of_column(first:last, 1), of_column(first:last, 2), &
      of_column(first:last, 3), of_column(first:last, 4), of_column(first:last, 5), rule(first:last), layer(first:last))
  end subroutine state

  subroutine results(first, last)
    integer, intent(in) :: first, last
    call guard%check_results( &
      at_levels(first:last, :, 1), of_column(first:last, 3), of_column(first:last, 4), of_column(first:last, 5), &
      fluxes(first:last, :, 1), fluxes(first:last, :, 2), heating(first:last, :, 1), fluxes(first:last, :, 3), &
      fluxes(first:last, :, 4), heating(first:last, :, 2), rule(first:last), layer(first:last))
  end subroutine results

  subroutine timed_state()
    call guard%check_state(at_levels(:, :, 1), at_levels(:, :, 2), at_layers(:, :, 1), at_layers(:, :, 2), at_layers(:, :, 3), &
                           at_layers(:, :, 4), at_layers(:, :, 5), at_layers(:, :, 6), at_layers(:, :, 7), at_layers(:, :, 8), &
                           at_layers(:, :, 9), at_layers(:, :, 10), at_layers(:, :, 11), at_layers(:, :, 12), of_column(:, 1), &
                           of_column(:, 2), of_column(:, 3), of_column(:, 4), of_column(:, 5), rule)
  end subroutine timed_state

  subroutine timed_results()
    call guard%check_results(at_levels(:, :, 1), of_column(:, 3), of_column(:, 4), of_column(:, 5), fluxes(:, :, 1), &
                             fluxes(:, :, 2), heating(:, :, 1), fluxes(:, :, 3), fluxes(:, :, 4), heating(:, :, 2), rule)
  end subroutine timed_results

end program guard_columns
