!> Blocks of columns: the same to the last bit for any number of columns, any split and any number of threads; options that do
!> not fit; failures in the middle. The argument is the folder of the test models.
program test_torch_blocks
  use, intrinsic :: iso_fortran_env, only: output_unit, real32, real64
  use radml_torch, only: radml_status, torch_array, torch_in, torch_model, torch_out, torch_plan, torch_reverse, &
    torch_set_num_threads
  use torch_checks, only: check, check_failure, finish, model_path
  implicit none

  integer, parameter :: n = 203, width = 32

  call dense_network()
  call dense_network_without_manifest()
  call residual_network()
  call any_layout()
  call works_in_place()
  call shared_memory()
  call wrong_options()
  call wrong_arrays()
  call failure_in_a_block()
  call no_columns()
  call finish()

contains

  subroutine dense_network()
    type(torch_model) :: net, constant
    real(real32) :: x(n, 24), table(24), expected(n, 31), y(n, 31), given(50, 24), wanted(50, 31)
    real(real64) :: scale, expected_total(n), total(n)
    integer :: i, first, last, m, threads, step, stat
    logical :: right
    type(torch_plan) :: plan

    call random_number(x)
    x = 4.0_real32 * x - 2.0_real32
    call net%load(model_path('dense.pt'))

    call constant%load(model_path('dense_x.pt'))
    call constant%forward([torch_array ::], [torch_out(given)])
    call constant%load(model_path('dense_y.pt'))
    call constant%forward([torch_array ::], [torch_out(wanted)])
    call constant%load(model_path('dense_table.pt'))
    call constant%forward([torch_array ::], [torch_out(table)])
    call constant%load(model_path('dense_scale.pt'))
    call constant%forward([torch_array ::], [torch_out(scale)])
    call net%forward([torch_in(given), torch_in(table), torch_in(scale)], [torch_out(y(:50, :)), torch_out(total(:50))], &
      column_dimension=1, columns_per_block=16)
    call check(maxval(abs(y(:50, :) - wanted)) < 1.0e-5_real32 * maxval(abs(wanted)), &
      'blocks of 16 of 50 columns give the results of PyTorch')

    expected = 0.0_real32
    expected_total = 0.0_real64
    call net%forward([torch_in(x), torch_in(table), torch_in(scale)], [torch_out(expected), torch_out(expected_total)], &
      column_dimension=1, columns_per_block=width)
    call check(all(expected > 0.0_real32) .and. all(expected_total > 0.0_real64), &
      'every column of a dense network gets its result')
    call check(abs(expected(1, 1) - expected(n, 1)) > 0.0_real32, '... which depends on the column')

    right = .true.
    do m = 1, n
      y = 0.0_real32
      total = 0.0_real64
      call net%forward([torch_in(x(:m, :)), torch_in(table), torch_in(scale)], [torch_out(y(:m, :)), torch_out(total(:m))], &
        column_dimension=1, columns_per_block=width)
      right = right .and. all(y(:m, :) == expected(:m, :)) .and. all(total(:m) == expected_total(:m)) &
        .and. all(y(m + 1:, :) == 0.0_real32) .and. all(total(m + 1:) == 0.0_real64)
    end do
    call check(right, '1 to 203 columns in a call give each column the same bits, and touch no other')

    right = .true.
    do step = 1, 67, 6
      do threads = 1, 4
        y = 0.0_real32
        total = 0.0_real64
        do first = 1, n, step
          last = min(first + step - 1, n)
          call net%forward([torch_in(x(first:last, :)), torch_in(table), torch_in(scale)], &
            [torch_out(y(first:last, :)), torch_out(total(first:last))], &
            column_dimension=1, columns_per_block=width, threads=threads)
        end do
        right = right .and. all(y == expected) .and. all(total == expected_total)
      end do
    end do
    call check(right, 'calls for 1, 7, 13, ... 67 columns on 1 to 4 threads give the same bits')

    right = .true.
    do threads = 2, 4
      call torch_set_num_threads(threads)
      do i = 1, 20
        y = 0.0_real32
        total = 0.0_real64
        call net%forward([torch_in(x), torch_in(table), torch_in(scale)], [torch_out(y), torch_out(total)], &
          column_dimension=1, columns_per_block=width, threads=mod(i, 4) + 1)
        right = right .and. all(y == expected) .and. all(total == expected_total)
      end do
    end do
    call torch_set_num_threads(1)
    call check(right, 'LibTorch''s own threads change no bit of blocks')

    y = 0.0_real32
    call net%forward([torch_in(x(n:1:-1, :)), torch_in(table), torch_in(scale)], &
      [torch_out(y(n:1:-1, :)), torch_out(total(n:1:-1))], column_dimension=1, columns_per_block=width)
    call check(all(y == expected) .and. all(total == expected_total), 'columns in reverse order have the same bits')

    y = 0.0_real32
    total = 0.0_real64
    right = .true.
    !$omp parallel do schedule(dynamic) num_threads(4) private(last, stat) reduction(.and.: right)
    do first = 1, n, 11
      last = min(first + 10, n)
      call net%forward([torch_in(x(first:last, :)), torch_in(table), torch_in(scale)], &
        [torch_out(y(first:last, :)), torch_out(total(first:last))], stat=stat, &
        column_dimension=1, columns_per_block=width, threads=3)
      right = right .and. stat == 0
    end do
    call check(right .and. all(y == expected) .and. all(total == expected_total), &
      'calls from four threads of the host, each asking for three, give the same bits')

    right = .true.
    do threads = 1, 4
      call plan%create(net, [torch_in(x), torch_in(table), torch_in(scale)], [torch_out(y), torch_out(total)], &
        column_dimension=1, columns_per_block=width, threads=threads)
      do i = 1, 5
        y = 0.0_real32
        total = 0.0_real64
        call plan%run()
        right = right .and. all(y == expected) .and. all(total == expected_total)
      end do
    end do
    call check(right, 'plans on 1 to 4 threads give the same bits, run after run')

    call net%forward([torch_in(x), torch_in(table), torch_in(scale)], [torch_out(y), torch_out(total)])
    call check(maxval(abs(y - expected)) < 1.0e-5_real32 * maxval(expected), &
      'without blocks the results are the same but for rounding')
    ! To see that the checks above could fail: whether it does differ, the processor decides.
    i = 0
    do m = 1, n
      call net%forward([torch_in(x(:m, :)), torch_in(table), torch_in(scale)], [torch_out(y(:m, :)), torch_out(total(:m))])
      i = i + count(y(:m, :) /= expected(:m, :))
    end do
    write (output_unit, '(a, i0, a, i0)') 'ok   numbers that differ without blocks: ', i, ' of ', size(y, 2) * n * (n + 1) / 2
  end subroutine dense_network

  subroutine dense_network_without_manifest()
    type(torch_model) :: net
    real(real32) :: x(n, 24), expected(n, 31), y(n, 31)
    integer :: m
    logical :: right

    call random_number(x)
    call net%load(model_path('dense_alone.pt'))
    call net%forward([torch_in(x)], [torch_out(expected)], column_dimension=1, columns_per_block=64, threads=2)
    right = all(expected > 0.0_real32)
    do m = 1, n, 9
      y = 0.0_real32
      call net%forward([torch_in(x(n - m + 1:, :))], [torch_out(y(n - m + 1:, :))], column_dimension=1, columns_per_block=64)
      right = right .and. all(y(n - m + 1:, :) == expected(n - m + 1:, :))
    end do
    call check(right, 'a model without manifest gives the same bits for the last 1, 10, 19, ... columns alone')
  end subroutine dense_network_without_manifest

  !> The project's own network, from the host's arrays as they are.
  subroutine residual_network()
    integer, parameter :: layers = 40
    type(torch_model) :: net
    real(real64) :: levels(n, layers + 1, 2), mid(n, layers, 7), surface(n, 2)
    real(real64), dimension(n, layers + 1) :: up, down, expected_up, expected_down
    real(real64), dimension(n, layers) :: heating, expected_heating
    real(real64) :: noise(n), surface_pressure(n)
    integer :: i, first, last, threads
    integer, parameter :: sizes(7) = [1, 2, 31, 32, 33, 100, 202]
    logical :: right

    call random_number(surface_pressure)
    do i = 1, layers + 1
      call random_number(noise)
      levels(:, i, 1) = 1.0e5_real64 * (real(i, real64) / (layers + 1))**2 * (0.9_real64 + 0.1_real64 * surface_pressure)
      levels(:, i, 2) = 200.0_real64 + 2.0_real64 * i + 5.0_real64 * noise
    end do
    do i = 1, layers
      call random_number(noise)
      mid(:, i, 1) = 0.5_real64 * (levels(:, i, 1) + levels(:, i + 1, 1))
      mid(:, i, 2) = 0.5_real64 * (levels(:, i, 2) + levels(:, i + 1, 2))
      mid(:, i, 3) = 1.0e-5_real64 + 1.0e-4_real64 * i * noise
      mid(:, i, 4) = 1.0e-6_real64 * (0.5_real64 + noise)
      mid(:, i, 5) = 4.0e-4_real64
      mid(:, i, 6) = 1.8e-6_real64
      mid(:, i, 7) = 3.2e-7_real64
    end do
    surface(:, 1) = levels(:, layers + 1, 2) + 3.0_real64 * noise
    surface(:, 2) = 0.95_real64 + 0.05_real64 * noise

    call net%load(model_path('rescnn.pt'))
    call run_residual(net, levels, mid, surface, 1, expected_up, expected_down, expected_heating)
    call check(all(expected_up > 50.0_real64 .and. expected_up < 800.0_real64), &
      'the residual network gives fluxes like an atmosphere''s')
    right = .true.
    do i = 1, size(sizes)
      do threads = 1, 4, 3
        up = 0.0_real64
        down = 0.0_real64
        heating = 0.0_real64
        do first = 1, n, sizes(i)
          last = min(first + sizes(i) - 1, n)
          if (sizes(i) < 31 .and. modulo(first, 17) /= 1) then
            ! Small pieces of a few places are enough.
            up(first:last, :) = expected_up(first:last, :)
            down(first:last, :) = expected_down(first:last, :)
            heating(first:last, :) = expected_heating(first:last, :)
          else
            call run_residual(net, levels(first:last, :, :), mid(first:last, :, :), surface(first:last, :), threads, &
              up(first:last, :), down(first:last, :), heating(first:last, :))
          end if
        end do
        right = right .and. all(up == expected_up) .and. all(down == expected_down) .and. all(heating == expected_heating)
      end do
    end do
    call check(right, &
      'the residual network gives the same bits in calls of 1, 2, 31, 32, 33, 100 and 202 columns on 1 and 4 threads')
    up = 0.0_real64
    call run_residual(net, levels, mid, surface, 3, up, down, heating)
    call check(all(up == expected_up) .and. all(down == expected_down) .and. all(heating == expected_heating), '... and on 3')
  end subroutine residual_network

  subroutine run_residual(net, levels, mid, surface, threads, up, down, heating)
    type(torch_model), intent(in) :: net
    real(real64), intent(in) :: levels(:, :, :), mid(:, :, :), surface(:, :)
    integer, intent(in) :: threads
    real(real64), intent(inout) :: up(:, :), down(:, :), heating(:, :)

    call net%forward( &
      [torch_in(levels(:, :, 1)), torch_in(levels(:, :, 2)), torch_in(mid(:, :, 1)), torch_in(mid(:, :, 2)), &
       torch_in(mid(:, :, 3)), torch_in(mid(:, :, 4)), torch_in(mid(:, :, 5)), torch_in(mid(:, :, 6)), torch_in(mid(:, :, 7)), &
       torch_in(surface(:, 1)), torch_in(surface(:, 2))], &
      [torch_out(up), torch_out(down), torch_out(heating)], column_dimension=1, columns_per_block=64, threads=threads)
  end subroutine run_residual

  subroutine any_layout()
    type :: cell
      integer :: marker
      real(real64) :: total
    end type cell
    type(torch_model) :: net, rows
    type(cell) :: cells(n)
    real(real32) :: x(n, 24), y(n, 31), table(24), transposed(24, n), result(31, n), boxes(3, 4, n), flat(12, n), &
      spread(3 * n, 24), wanted(n, 31), turned(24)
    real(real64) :: total(n), scale, wanted_total(n)
    integer :: i
    logical :: right

    call random_number(x)
    call random_number(table)
    turned = table(24:1:-1)
    scale = 1.0_real64
    call net%load(model_path('dense.pt'))
    call net%forward([torch_in(x), torch_in(turned), torch_in(scale)], [torch_out(wanted), torch_out(wanted_total)], &
      column_dimension=1, columns_per_block=width)

    spread = -1.0_real32
    spread(2::3, :) = x
    call net%forward([torch_in(spread(2::3, :)), torch_in(table(24:1:-1)), torch_in(scale)], &
      [torch_out(y), torch_out(total)], column_dimension=1, columns_per_block=width, threads=2)
    call check(all(y == wanted) .and. all(total == wanted_total), &
      'sections with strides, backwards too, have the bits of whole arrays')

    do i = 1, n
      cells(i)%marker = 7
      cells(i)%total = 0.0_real64
      transposed(:, i) = x(i, :)
    end do
    result = 0.0_real32
    call net%forward([torch_reverse(torch_in(transposed)), torch_in(turned), torch_in(scale)], &
      [torch_reverse(torch_out(result)), torch_out(cells%total)], column_dimension=1, columns_per_block=width, threads=2)
    call check(maxval(abs(transpose(result) - wanted)) < 1.0e-5_real32 .and. &
      maxval(abs(cells%total - wanted_total)) < 1.0e-4_real64, 'reversed arrays and components are shared out along the column')
    wanted = transpose(result)
    right = .true.
    do i = 1, n, 3
      result = 0.0_real32
      call net%forward([torch_reverse(torch_in(transposed(:, i:))), torch_in(turned), torch_in(scale)], &
        [torch_reverse(torch_out(result(:, i:))), torch_out(total(i:))], column_dimension=1, columns_per_block=width)
      right = right .and. all(result(:, i:) == transpose(wanted(i:, :))) .and. all(total(i:) == cells(i:)%total)
    end do
    call check(right, '... with the same bits for any number of columns')
    call check(all(cells%marker == 7), '... and what lies between components is left alone')

    call random_number(boxes)
    flat = 0.0_real32
    call rows%load(model_path('needs_rows.pt'))
    call rows%forward([torch_reverse(torch_in(boxes))], &
      [torch_reverse(torch_out(flat))], column_dimension=1, columns_per_block=20)
    call check(all(flat == 2.0_real32 * reshape(boxes, [12, n])), &
      'a model that wants rows in one piece gets them in blocks too')
  end subroutine any_layout

  subroutine works_in_place()
    type(torch_model) :: net
    real(real32) :: x(n, 8), y(n, 8), table(8), x_before(n, 8), table_before(8), expected(n, 8)
    integer :: i, threads
    type(torch_plan) :: plan

    call random_number(x)
    call random_number(table)
    x_before = x
    table_before = table
    do i = 1, 8
      expected(:, i) = 2.0_real32 * x(:, i) + (table(i) + 1.0_real32)
    end do
    call net%load(model_path('works_in_place.pt'))
    do threads = 1, 3, 2
      y = 0.0_real32
      call net%forward([torch_in(x), torch_in(table)], &
        [torch_out(y)], column_dimension=1, columns_per_block=16, threads=threads)
      call check(all(y == expected) .and. all(x == x_before) .and. all(table == table_before), &
        'a model that spoils its inputs, those without columns too, finds them new in each block and leaves the host''s alone')
    end do
    call plan%create(net, [torch_in(x), torch_in(table)], [torch_out(y)], column_dimension=1, columns_per_block=16, threads=2)
    call plan%run()
    y = 0.0_real32
    call plan%run()
    call check(all(y == expected) .and. all(x == x_before) .and. all(table == table_before), '... in a plan in each run')
  end subroutine works_in_place

  !> Outputs in the memory of inputs: every input is read before it is overwritten.
  subroutine shared_memory()
    type(torch_model) :: net, add
    real(real32), target :: x(n, 8), table(8), expected(n, 8), memory(n + 3, 8)
    real(real32) :: both(2, n)
    integer :: i

    call net%load(model_path('works_in_place.pt'))
    call random_number(x)
    call random_number(table)
    do i = 1, 8
      expected(:, i) = 2.0_real32 * x(:, i) + (table(i) + 1.0_real32)
    end do
    memory(:n, :) = x
    call net%forward([torch_in(memory(:n, :)), torch_in(table)], [torch_out(memory(:n, :))], column_dimension=1, &
      columns_per_block=16, threads=2)
    call check(all(memory(:n, :) == expected), 'one array may be input and output of a call in blocks')
    memory(:n, :) = x
    call net%forward([torch_in(memory(:n, :)), torch_in(table)], [torch_out(memory(4:, :))], column_dimension=1, &
      columns_per_block=16)
    call check(all(memory(4:, :) == expected), 'outputs three columns further on in the memory of the inputs are right')
    memory(4:, :) = x
    call net%forward([torch_in(memory(4:, :)), torch_in(table)], [torch_out(memory(:n, :))], column_dimension=1, &
      columns_per_block=16, threads=2)
    call check(all(memory(:n, :) == expected), '... and three columns before')
    memory(:n, :) = x
    memory(n, :) = table
    call net%forward([torch_in(x), torch_in(memory(n, :))], &
      [torch_out(memory(:n, :))], column_dimension=1, columns_per_block=16)
    call check(all(memory(:n, :) == expected), &
      'an input without columns in the memory of an output keeps its values for all blocks')

    call add%load(model_path('add_index.pt'))
    call random_number(both)
    both(2, :) = 0.0_real32
    call add%forward([torch_in(both(1, :))], [torch_out(both(2, :))])
    expected(:, 1) = both(2, :)
    call check(all(expected(:, 1) == both(1, :) + [(real(i, real32), i = 1, n)]), 'interleaved arrays are told apart')
  end subroutine shared_memory

  subroutine wrong_options()
    type(torch_model) :: net
    type(torch_plan) :: plan
    real(real32), target :: x(n, 24), table(24), y(n, 31)
    real(real64), target :: scale, total(n)
    type(torch_array) :: inputs(3), outputs(2)
    character(len=:), allocatable :: message
    integer :: stat

    inputs = [torch_in(x), torch_in(table), torch_in(scale)]
    outputs = [torch_out(y), torch_out(total)]
    x = 0.0_real32
    table = 1.0_real32
    scale = 1.0_real64
    y = -7.0_real32
    total = -7.0_real64
    call net%load(model_path('dense.pt'))
    call net%forward(inputs, outputs, stat, message, column_dimension=0, columns_per_block=32, threads=1)
    call check_failure(stat, message, radml_status%wrong_argument, 'dense.pt: column_dimension: expected 1 to 15, got 0', &
      'column dimension 0')
    call net%forward(inputs, outputs, stat, message, column_dimension=3, columns_per_block=32, threads=1)
    call check_failure(stat, message, radml_status%wrong_argument, &
      'dense.pt: column_dimension: output 1 "y" has 2 dimensions, got 3', 'a dimension that is not there')
    call net%forward(inputs, outputs, stat, message, column_dimension=2, columns_per_block=32, threads=1)
    call check_failure(stat, message, radml_status%wrong_argument, &
      'dense.pt: column_dimension: dimension 2 of output 1 "y" is fixed by the model', 'a fixed dimension')
    call net%forward(inputs, outputs, stat, message, column_dimension=1, columns_per_block=0, threads=1)
    call check_failure(stat, message, radml_status%wrong_argument, 'dense.pt: columns_per_block: expected 1 or more, got 0', &
      'blocks of no columns')
    call net%forward(inputs, outputs, stat, message, column_dimension=1, columns_per_block=32, threads=0)
    call check_failure(stat, message, radml_status%wrong_argument, 'dense.pt: threads: expected 1 to 1024, got 0', 'no threads')
    call net%forward(inputs, outputs, stat, message, column_dimension=1, columns_per_block=32, threads=1025)
    call check_failure(stat, message, radml_status%wrong_argument, 'dense.pt: threads: expected 1 to 1024, got 1025', &
      'too many threads')
    call net%forward(inputs, outputs, stat, message, threads=2)
    call check_failure(stat, message, radml_status%wrong_argument, 'threads go with column_dimension, which is not given', &
      'threads without blocks')
    call plan%create(net, inputs, outputs, stat, message, columns_per_block=2)
    call check_failure(stat, message, radml_status%wrong_argument, 'columns_per_block and threads go with column_dimension', &
      'a block without its dimension')
    call check(.not. plan%created(), 'a plan whose creation fails is none')
    call net%forward(inputs, outputs, stat, message, column_dimension=1, columns_per_block=huge(1), threads=1)
    call check_failure(stat, message, radml_status%out_of_memory, 'no memory for copies of the arrays of 2147483647 columns', &
      'blocks that no memory holds')
    call check(all(y == -7.0_real32) .and. all(total == -7.0_real64), 'none of these has touched an output')
  end subroutine wrong_options

  subroutine wrong_arrays()
    type(torch_model) :: net
    real(real64) :: x(n), y(n), total, pressure(n, 9), flux(n, 9), heating(n, 8)
    real(real32) :: q(n, 8), single(n, 24), result(n + 1, 31)
    character(len=:), allocatable :: message
    integer :: stat

    x = 1.0_real64
    y = -7.0_real64
    total = -7.0_real64
    call net%load(model_path('total.pt'))
    call net%forward([torch_in(x)], [torch_out(y), torch_out(total)], stat, message, column_dimension=1)
    call check_failure(stat, message, radml_status%wrong_argument, &
      'total.pt: column_dimension: output 2 "total" has no dimension "column": blocks of columns cannot fill it', &
      'an output of all columns together')
    call net%load(model_path('columns.pt'))
    pressure = 1.0_real64
    q = 1.0_real32
    call net%forward([torch_in(pressure), torch_in(q), torch_in(x), torch_in(total)], &
      [torch_out(flux), torch_out(heating)], stat, message, column_dimension=2)
    call check_failure(stat, message, radml_status%wrong_argument, &
      'columns.pt: column_dimension: output 1 "flux" has its columns, "column", in dimension 1 of the model, got 2', &
      'another dimension than the one named column')
    call net%load(model_path('offset.pt'))
    call net%forward([torch_in(pressure)], [torch_out(flux)], stat, message, column_dimension=2)
    call check_failure(stat, message, radml_status%wrong_argument, '"m"+1: its columns cannot be computed in blocks', &
      'a dimension that comes with one more')
    call net%load(model_path('dense_alone.pt'))
    single = 0.0_real32
    result = -7.0_real32
    call net%forward([torch_in(single)], [torch_out(result)], stat, message, column_dimension=1)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'dense_alone.pt: column_dimension: input 1 "x": expected 204 columns as in output 1, got (203,24) float32', &
      'another number of columns, without a manifest')
    call net%forward([torch_in(single)], [torch_out(result(:n, 1))], stat, message, column_dimension=2)
    call check_failure(stat, message, radml_status%wrong_rank, &
      'output 1: expected 2 or more dimensions, got (203) float32', 'an array without that dimension, without a manifest')
    call net%forward([torch_in(single)], [torch_out(result(:n, :30))], stat, message, column_dimension=1, columns_per_block=50)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'the model returned (50,31) float32, got an array of (50,30) float32 (columns 1 to 50)', &
      'an array for less than the model returns')
    call check(all(y == -7.0_real64) .and. total == -7.0_real64 .and. all(result == -7.0_real32), &
      'none of these has touched an output')
  end subroutine wrong_arrays

  subroutine failure_in_a_block()
    type(torch_model) :: net
    real(real64) :: x(100), y(100)
    character(len=:), allocatable :: message
    integer :: stat, threads
    logical :: right

    call net%load(model_path('raises.pt'))
    x = 1.0_real64
    x(77) = -1.0_real64
    right = .true.
    do threads = 1, 4
      y = -7.0_real64
      call net%forward([torch_in(x)], [torch_out(y)], stat, message, column_dimension=1, columns_per_block=8, threads=threads)
      right = right .and. all(y(73:80) == -7.0_real64)
      call check_failure(stat, message, radml_status%model_failed, &
        'raises.pt: the model failed: ValueError: humidity is negative (columns 73 to 80)', &
        'a failure in a block is reported with its columns')
    end do
    call check(right, '... whose results have not been touched')
    x(77) = 1.0_real64
    call net%forward([torch_in(x)], [torch_out(y)], column_dimension=1, columns_per_block=8, threads=4)
    call check(all(y == 2.0_real64), 'the same threads compute on after a failure')
    x(1) = -1.0_real64
    y = -7.0_real64
    call net%forward([torch_in(x)], [torch_out(y)], stat, message, column_dimension=1, columns_per_block=8)
    call check(stat == radml_status%model_failed .and. all(y == -7.0_real64), &
      'a failure in the first block leaves all untouched')
  end subroutine failure_in_a_block

  subroutine no_columns()
    type(torch_model) :: net
    real(real64) :: x(0), y(0)
    integer :: stat

    call net%load(model_path('raises.pt'))
    call net%forward([torch_in(x)], [torch_out(y)], stat, column_dimension=1, threads=2)
    call check(stat == 0, 'no columns are no work and no error')
  end subroutine no_columns

end program test_torch_blocks
