!> Plans: bound once and run many times; and the conversion of real kinds. The argument is the folder of the test models.
program test_torch_plans
  use, intrinsic :: iso_c_binding, only: c_bool
  use, intrinsic :: iso_fortran_env, only: int32, int64, real32, real64
  use radml_torch, only: radml_status, torch_in, torch_model, torch_out, torch_plan
  use torch_checks, only: check, check_failure, finish, model_path
  implicit none

  integer, parameter :: n = 40, layers = 12

  call same_as_forward()
  call outlives_the_model()
  call any_layout()
  call one_array_in_and_out()
  call works_in_place()
  call lifetime()
  call refused_arrays()
  call failures_in_a_run()
  call many_threads()
  call conversion()
  call conversion_in_blocks()
  call refused_conversions()
  call finish()

contains

  subroutine same_as_forward()
    type(torch_model) :: net
    type(torch_plan) :: plan
    real(real64), allocatable, target :: pressure(:, :), albedo(:), flux(:, :), heating(:, :), wanted_flux(:, :), &
      wanted_heating(:, :)
    real(real32), allocatable, target :: q(:, :)
    real(real64), target :: solar
    integer :: i
    logical :: right

    allocate (pressure(n, layers + 1), albedo(n), flux(n, layers + 1), heating(n, layers), q(n, layers))
    allocate (wanted_flux, mold=flux)
    allocate (wanted_heating, mold=heating)
    call net%load(model_path('columns.pt'))
    call plan%create(net, [torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating)])
    call check(plan%created(), 'a plan is created')
    right = .true.
    do i = 1, 20
      call random_number(pressure)
      call random_number(q)
      call random_number(albedo)
      call random_number(solar)
      flux = -7.0_real64
      heating = -7.0_real64
      call plan%run()
      call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
        [torch_out(wanted_flux), torch_out(wanted_heating)])
      right = right .and. all(flux == wanted_flux) .and. all(heating == wanted_heating)
    end do
    call check(right, 'a plan runs on what its arrays hold at the time, with the bits of forward')
    call check(abs(wanted_flux(1, 1) - 2.0_real64 * pressure(1, 1) - solar) < 1.0e-12_real64, '... which are right')
    call plan%create(net, [torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(wanted_flux), torch_out(heating)])
    wanted_flux = -7.0_real64
    flux = -7.0_real64
    call plan%run()
    call check(all(wanted_flux > 0.0_real64) .and. all(flux == -7.0_real64), 'a plan that is created anew has the new arrays')
  end subroutine same_as_forward

  subroutine outlives_the_model()
    type(torch_plan) :: plan
    real(real64), target :: x(5), y(5)

    x = 1.0_real64
    call bind_and_free(plan, x, y)
    call plan%run()
    call check(all(y == [2, 3, 4, 5, 6]), 'a plan keeps its model, which has been freed elsewhere')
  end subroutine outlives_the_model

  subroutine bind_and_free(plan, x, y)
    type(torch_plan), intent(inout) :: plan
    real(real64), intent(in), target :: x(:)
    real(real64), intent(inout), target :: y(:)
    type(torch_model) :: net

    call net%load(model_path('add_index.pt'))
    call plan%create(net, [torch_in(x)], [torch_out(y)])
    call net%free()
  end subroutine bind_and_free

  subroutine any_layout()
    type :: cell
      character(len=3) :: name
      real(real64) :: value
    end type cell
    type(torch_model) :: net
    type(torch_plan) :: plan
    type(cell), target :: cells(6)
    real(real64), target :: y(12), empty(0)
    integer :: i, round
    logical :: right

    call net%load(model_path('add_index.pt'))
    call plan%create(net, [torch_in(cells(6:1:-1)%value)], [torch_out(y(12:2:-2))])
    right = .true.
    do round = 1, 3
      cells%value = [(10.0_real64 * i * round, i = 1, 6)]
      y = 0.0_real64
      call plan%run()
      right = right .and. all(y(2::2) == [(10.0_real64 * i * round + 7 - i, i = 1, 6)]) .and. all(y(1::2) == 0.0_real64)
    end do
    call check(right, 'components and strides that no tensor can have are read and written in each run')
    call plan%create(net, [torch_in(empty)], [torch_out(empty)])
    call plan%run()
    call check(.true., 'arrays without elements can be bound')
  end subroutine any_layout

  subroutine one_array_in_and_out()
    type(torch_model) :: net
    type(torch_plan) :: plan
    real(real64), target :: a(3), b(3)

    a = 1.0_real64
    b = 2.0_real64
    call net%load(model_path('swap.pt'))
    call plan%create(net, [torch_in(a), torch_in(b)], [torch_out(a), torch_out(b)])
    call plan%run()
    call check(all(a == 2.0_real64) .and. all(b == 1.0_real64), 'a plan can swap two arrays')
    call plan%run()
    call check(all(a == 1.0_real64) .and. all(b == 2.0_real64), '... and swap them back')
  end subroutine one_array_in_and_out

  subroutine works_in_place()
    type(torch_model) :: net
    type(torch_plan) :: plan
    real(real64), target :: x(3), y(3)
    integer :: i

    x = 1.0_real64
    call net%load(model_path('in_place.pt'))
    call plan%create(net, [torch_in(x)], [torch_out(y)])
    do i = 1, 3
      y = 0.0_real64
      call plan%run()
    end do
    call check(all(x == 1.0_real64) .and. all(y == [1, 2, 2]), 'a model that works in place spoils no input of a plan')
  end subroutine works_in_place

  subroutine lifetime()
    type(torch_model) :: net
    type(torch_plan) :: plan, copy
    real(real64), target :: x(2), y(2)
    character(len=:), allocatable :: message
    integer :: stat

    x = 1.0_real64
    y = -7.0_real64
    call plan%run(stat, message)
    call check_failure(stat, message, radml_status%not_loaded, 'no plan: call create first', 'a run before create')
    call plan%free(stat, message)
    call check_failure(stat, message, radml_status%not_loaded, 'no plan: call create first', 'a free before create')
    call plan%create(net, [torch_in(x)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded: call load first', 'a plan without a model')
    call check(.not. plan%created(), '... is none')
    call net%load(model_path('add_index.pt'))
    call plan%create(net, [torch_in(x)], [torch_out(y)])
    copy = plan
    call plan%free()
    call check(.not. plan%created() .and. copy%created(), 'a plan is freed, its copy is not')
    call plan%run(stat, message)
    call check_failure(stat, message, radml_status%not_loaded, 'no plan: call create first', 'a run after free')
    call check(all(y == -7.0_real64), '... which touches nothing')
    call plan%free(stat, message)
    call check_failure(stat, message, radml_status%not_loaded, 'no plan: call create first', 'a second free')
    call copy%run()
    call check(all(y == [2, 3]), 'the copy of a plan runs when the plan has gone')
    call copy%free(stat)
    call check(stat == 0 .and. .not. copy%created(), '... and is freed itself')
  end subroutine lifetime

  subroutine refused_arrays()
    type(torch_model) :: net
    type(torch_plan) :: plan
    real(real64), target :: x(5, 88), y(5, 89)
    real(real64), allocatable, save :: absent(:, :)
    real(real32), target :: single(5, 89)
    character(len=:), allocatable :: message
    integer :: stat

    y = -7.0_real64
    call net%load(model_path('fixed.pt'))
    call plan%create(net, [torch_in(x)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'fixed.pt: input 1 "x": expected (column=5,89) float64, got (5,88) float64', &
        'a wrong shape is refused when the plan is made')
    call plan%create(net, [torch_in(single)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%wrong_kind, 'expected (column=5,89) float64, got (5,89) float32', &
      '... a wrong kind')
    call plan%create(net, [torch_in(y), torch_in(x)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%wrong_input_count, 'expected 1 input (x), got 2', '... too many inputs')
    call plan%create(net, [torch_in(y)], [torch_out(y), torch_out(x)], stat, message)
    call check_failure(stat, message, radml_status%wrong_output_count, 'expected 1 output (y), got 2', '... too many outputs')
    call plan%create(net, [torch_in(absent)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%invalid_array, 'not allocated', '... an array that is not there')
    call plan%create(net, [torch_in(y)], [torch_in(y)], stat, message)
    call check_failure(stat, message, radml_status%invalid_array, 'made with torch_in', '... an input as an output')
    call check(.not. plan%created() .and. all(y == -7.0_real64), 'none of these made a plan or touched an output')
  end subroutine refused_arrays

  subroutine failures_in_a_run()
    type(torch_model) :: net
    type(torch_plan) :: plan
    real(real64), target :: x(4), y(4), short(3)
    real(real32), target :: single(4)
    character(len=:), allocatable :: message
    integer :: stat

    x = 1.0_real64
    y = -7.0_real64
    short = -7.0_real64
    single = -7.0_real32
    call net%load(model_path('raises.pt'))
    call plan%create(net, [torch_in(x)], [torch_out(y)])
    x(3) = -1.0_real64
    call plan%run(stat, message)
    call check_failure(stat, message, radml_status%model_failed, 'humidity is negative', 'a model that raises in a run')
    call check(all(y == -7.0_real64), '... touches no output')
    x(3) = 1.0_real64
    call plan%run(stat)
    call check(stat == 0 .and. all(y == 2.0_real64), 'the plan runs on after a failure')
    ! A model without manifest tells what it returns when it runs: a plan must not write past an array's end.
    call plan%create(net, [torch_in(x)], [torch_out(short)])
    call plan%run(stat, message)
    call check_failure(stat, message, radml_status%wrong_shape, 'the model returned (4) float64, got an array of (3) float64', &
      'a result of another shape')
    call plan%create(net, [torch_in(x)], [torch_out(single)])
    call plan%run(stat, message)
    call check_failure(stat, message, radml_status%wrong_kind, 'the model returned (4) float64, got an array of (4) float32', &
      'a result of another kind')
    call check(all(short == -7.0_real64) .and. all(single == -7.0_real32), 'neither touches an output')
  end subroutine failures_in_a_run

  subroutine many_threads()
    integer, parameter :: plans = 8
    type(torch_model) :: net
    type(torch_plan) :: plan(plans)
    real(real32), target :: x(32, 4, 60, plans), y(32, 2, 60, plans), expected(32, 2, 60, plans)
    integer :: i, round, stats(64)
    logical :: right

    call net%load(model_path('convolution.pt'))
    call random_number(x)
    do i = 1, plans
      call net%forward([torch_in(x(:, :, :, i))], [torch_out(expected(:, :, :, i))])
      call plan(i)%create(net, [torch_in(x(:, :, :, i))], [torch_out(y(:, :, :, i))])
    end do
    right = .true.
    do round = 1, 5
      y = 0.0_real32
      !$omp parallel do schedule(static, 1) num_threads(plans)
      do i = 1, plans
        call plan(i)%run(stats(i))
      end do
      right = right .and. all(stats(:plans) == 0) .and. all(y == expected)
    end do
    call check(right, 'eight plans of one model run in eight threads at once')
    y = 0.0_real32
    !$omp parallel do schedule(dynamic) num_threads(plans)
    do i = 1, size(stats)
      call plan(1)%run(stats(i))
    end do
    call check(all(stats == 0) .and. all(y(:, :, :, 1) == expected(:, :, :, 1)), &
      'threads that run one plan wait for each other')
  end subroutine many_threads

  !> real32 for float64 and real64 for float32, in both directions at once.
  subroutine conversion()
    type(torch_model) :: net
    type(torch_plan) :: plan
    real(real64), target :: pressure(n, layers + 1), albedo(n), solar, q_double(n, layers), flux(n, layers + 1), &
      heating(n, layers)
    real(real32), target :: pressure_single(n, layers + 1), albedo_single(n), solar_single, q(n, layers), &
      flux_single(n, layers + 1), heating_single(n, layers)

    call random_number(pressure_single)
    call random_number(q)
    call random_number(albedo_single)
    call random_number(solar_single)
    pressure = pressure_single
    albedo = albedo_single
    solar = solar_single
    q_double = q
    call net%load(model_path('columns.pt'))
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating)])
    flux_single = 0.0_real32
    heating_single = 0.0_real32
    call net%forward([torch_in(pressure_single), torch_in(q_double), torch_in(albedo_single), torch_in(solar_single)], &
      [torch_out(flux_single), torch_out(heating_single)], convert=.true.)
    call check(all(flux_single == real(flux, real32)) .and. all(heating_single == real(heating, real32)), &
      'real32 for float64 and real64 for float32 are converted, inputs and outputs')
    heating_single = 0.0_real32
    call net%forward([torch_in(pressure), torch_in(q_double), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating_single(:, layers:1:-1))], convert=.true.)
    call check(all(heating_single(:, layers:1:-1) == real(heating, real32)), '... one at a time and backwards too')
    call plan%create(net, [torch_in(pressure_single), torch_in(q_double), torch_in(albedo_single), torch_in(solar_single)], &
      [torch_out(flux_single), torch_out(heating)], convert=.true.)
    pressure_single = 2.0_real32 * pressure_single
    pressure = pressure_single
    call plan%run()
    block
      real(real64) :: wanted_flux(n, layers + 1), wanted_heating(n, layers)
      call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
        [torch_out(wanted_flux), torch_out(wanted_heating)])
      call check(all(flux_single == real(wanted_flux, real32)) .and. all(heating == wanted_heating), &
        'a plan converts what its arrays hold at the time')
    end block
  end subroutine conversion

  subroutine conversion_in_blocks()
    type(torch_model) :: net
    real(real32) :: x_single(n, 24), table_single(24), y_single(n, 31), total_single(n)
    real(real64) :: x(n, 24), table(24), scale, y(n, 31), total(n)

    call random_number(x_single)
    call random_number(table_single)
    scale = 2.0_real64
    x = x_single
    table = table_single
    call net%load(model_path('dense.pt'))
    call net%forward([torch_in(x_single), torch_in(table_single), torch_in(scale)], [torch_out(y_single), torch_out(total)], &
      column_dimension=1, columns_per_block=16)
    call net%forward([torch_in(x), torch_in(table), torch_in(scale)], [torch_out(y), torch_out(total_single)], &
      column_dimension=1, columns_per_block=16, threads=2, convert=.true.)
    call check(all(y == real(y_single, real64)) .and. all(total_single == real(total, real32)), &
      'kinds are converted block by block, with the bits of a host of the model''s kinds')
  end subroutine conversion_in_blocks

  subroutine refused_conversions()
    type(torch_model) :: net, bare
    type(torch_plan) :: plan
    real(real32) :: x(3), y(3)
    real(real64) :: double(3), double_out(3), longer(4)
    integer(int32) :: i(3), j(3)
    integer(int64) :: long(3)
    complex(real32) :: z(3)
    logical(c_bool) :: flag(3)
    character(len=:), allocatable :: message
    integer :: stat

    x = 1.0_real32
    double = 1.0_real64
    i = 5_int32
    long = 5_int64
    z = (1.0_real32, 1.0_real32)
    flag = .true._c_bool
    y = -7.0_real32
    j = -7_int32
    double_out = -7.0_real64
    call net%load(model_path('kinds.pt'))
    call net%forward([torch_in(double), torch_in(i)], [torch_out(j), torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%wrong_kind, &
      'kinds.pt: input 1 "x": expected (n=3) float32, got (3) float64; convert=.true. converts it', &
      'nothing is converted unless asked for')
    call net%forward([torch_in(double), torch_in(i)], [torch_out(j), torch_out(y)], stat, message, convert=.false.)
    call check_failure(stat, message, radml_status%wrong_kind, 'expected (n=3) float32, got (3) float64', &
      '... or asked against')
    call net%forward([torch_in(x), torch_in(i)], [torch_out(j), torch_out(double_out)], stat, message)
    call check_failure(stat, message, radml_status%wrong_kind, 'output 2 "y": expected (n=3) float32, got (3) float64', &
      '... outputs neither')
    call plan%create(net, [torch_in(double), torch_in(i)], [torch_out(j), torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%wrong_kind, 'expected (n=3) float32, got (3) float64', &
      '... in a plan neither')
    call net%forward([torch_in(x), torch_in(long)], [torch_out(j), torch_out(y)], stat, message, convert=.true.)
    call check_failure(stat, message, radml_status%wrong_kind, 'input 2 "i": expected (n=3) int32, got (3) int64', &
      'integers are not converted')
    call net%forward([torch_in(i), torch_in(i)], [torch_out(j), torch_out(y)], stat, message, convert=.true.)
    call check_failure(stat, message, radml_status%wrong_kind, 'expected (n=3) float32, got (3) int32', '... not into reals')
    call net%forward([torch_in(x), torch_in(double)], [torch_out(j), torch_out(y)], stat, message, convert=.true.)
    call check_failure(stat, message, radml_status%wrong_kind, 'expected (n=3) int32, got (3) float64', &
      '... nor reals into them')
    call net%forward([torch_in(z), torch_in(i)], [torch_out(j), torch_out(y)], stat, message, convert=.true.)
    call check_failure(stat, message, radml_status%wrong_kind, 'expected (n=3) float32, got (3) complex64', &
      'complex numbers neither')
    call net%forward([torch_in(flag), torch_in(i)], [torch_out(j), torch_out(y)], stat, message, convert=.true.)
    call check_failure(stat, message, radml_status%wrong_kind, 'expected (n=3) float32, got (3) bool', 'logicals neither')
    call net%forward([torch_in(double), torch_in(i)], [torch_out(j), torch_out(longer)], stat, message, convert=.true.)
    call check_failure(stat, message, radml_status%wrong_shape, 'output 2 "y": expected (n=3), got (4)', &
      'a kind that is converted is not what is wrong')
    call check(all(y == -7.0_real32) .and. all(j == -7_int32) .and. all(double_out == -7.0_real64), &
      'none of these has touched an output')
    call net%forward([torch_in(double), torch_in(i)], [torch_out(j), torch_out(double_out)], convert=.true.)
    call check(all(double_out == 1.0_real64) .and. all(j == 5_int32), 'reals are converted beside integers that are not')
    call bare%load(model_path('add_index.pt'))
    call bare%forward([torch_in(double)], [torch_out(y)], stat, message, convert=.true.)
    call check_failure(stat, message, radml_status%wrong_argument, &
      'add_index.pt: convert: the model has no manifest that says which kinds it takes', &
        'without a manifest there is no conversion')
  end subroutine refused_conversions

end program test_torch_plans
