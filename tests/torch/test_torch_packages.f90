!> Packages of machine code behind torch_model: results, what is refused, threads, traps. The argument is the folder of the
!> test packages. Built with -ffpe-trap by compilers that have it, and sets the traps itself anyhow.
program test_torch_packages
  use, intrinsic :: ieee_arithmetic, only: ieee_divide_by_zero, ieee_get_halting_mode, ieee_invalid, ieee_overflow, &
    ieee_set_halting_mode
  use, intrinsic :: iso_fortran_env, only: int32, real32, real64
  use radml_torch, only: radml_status, torch_in, torch_model, torch_none, torch_out, torch_plan, torch_reverse, &
    torch_set_num_threads, torch_trainer
  use torch_checks, only: check, check_failure, finish, model_path
  implicit none

  integer, parameter :: columns = 5, layers = 7
  real(real64) :: pressure(columns, layers + 1), albedo(columns), solar
  real(real32) :: q(columns, layers)
  real(real64) :: flux(columns, layers + 1), heating(columns, layers), total(columns)
  real(real32) :: triple(columns, layers)
  character(len=:), allocatable :: message
  integer :: stat

  call ieee_set_halting_mode(ieee_invalid, .true.)
  call ieee_set_halting_mode(ieee_divide_by_zero, .true.)
  call ieee_set_halting_mode(ieee_overflow, .true.)
  call random_number(pressure)
  call random_number(q)
  call random_number(albedo)
  solar = 3.0_real64

  call test_files()
  call test_questions()
  call test_results()
  call test_layouts()
  call test_sizes()
  call test_refused_calls()
  call test_writing_models()
  call test_formats_agree()
  call test_derivatives()
  call test_plans()
  call test_blocks()
  call test_threads()
  call test_environment()
  call finish()

contains

  subroutine refuse_file(name, text, sentence)
    character(len=*), intent(in) :: name, text, sentence
    type(torch_model) :: net

    call net%load(model_path(name), stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%invalid_file, text, sentence)
    call check(.not. net%loaded(), '... and no model is there after that')
  end subroutine refuse_file

  subroutine test_files()
    type(torch_model) :: net
    real(real32) :: x(3, 6), y(3, 2)

    call refuse_file('garbage.pt2', 'garbage.pt2: not a TorchScript model, nor a package of machine code (.pt2)', &
      'a file of something else is reported')
    call refuse_file('truncated.pt2', 'nor a package', 'a truncated package is reported')
    call refuse_file('another_archive.pt2', 'nor a package', 'an archive of something else is reported')
    call refuse_file('damaged.pt2', 'a damaged package: the checksum of', 'a package with one bit of its code changed is refused')
    call refuse_file('no_library.pt2', 'a package without compiled model', 'a package without machine code is refused')
    call refuse_file('no_manifest.pt2', 'a package without manifest, which would take any array for the one it was compiled '// &
      'for; export the module with ftorch-export', 'a package without manifest is refused')
    call refuse_file('not_compiled.pt2', 'an exported program that was not compiled', &
      'an exported program without machine code is refused')
    call refuse_file('other_torch.pt2', 'compiled with PyTorch 1.13.1, this is LibTorch 2', &
      'a package of another PyTorch is refused')
    call refuse_file('other_machine.pt2', 'compiled for vax processors', 'a package for another processor is refused')
    call refuse_file('unknown_device.pt2', '"device" of "package" is neither "cpu" nor "cuda": "tpu"', &
      'a package for a device that is none is refused')
    call refuse_file('no_capability.pt2', 'no "compute_capability"', 'a package for an unknown kind of GPU is refused')
    call net%load(model_path('other_device.pt2'), stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%missing_device, &
      'compiled for the device "cuda", not for the cpu; load it with', 'a package for another device is refused')
    call refuse_file('more_instructions.pt2', 'needs instructions that this machine does not have: avx1024f', &
      'a package for instructions that the machine lacks is refused')
    call refuse_file('no_package.pt2', 'it has no "package"', 'a manifest of another format is refused')
    call refuse_file('no_layout.pt2', 'input "q" has no "layout"', 'a manifest without layout is refused')
    call refuse_file('wrong_layout.pt2', '"layout" is neither "fortran" nor "c": "diagonal"', &
      'a manifest with a layout that is none is refused')
    call refuse_file('wrong_range.pt2', 'range of "column": expected [least, most]', &
      'a manifest with a range that is none is refused')
    call refuse_file('no_checksum.pt2', 'no checksum of', 'a package whose code has no checksum is refused')
    call refuse_file('three_inputs.pt2', 'it declares 3 inputs, but the package was compiled for 4', &
      'a manifest with another number of inputs than the package is refused')
    call refuse_file('three_outputs.pt2', 'it declares 3 outputs, but the package was compiled for 4', &
      'a manifest with another number of outputs than the package is refused')

    call net%load(model_path('package_named.pt'))
    call run_radiation(net)
    call check(stat == 0 .and. right_results(), 'a package is one under any name')
    call net%load(model_path('torchscript_named.pt2'))
    x = 0.5_real32
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat)
    call check(stat == 0, 'TorchScript is that under any name')
  end subroutine test_files

  subroutine test_questions()
    type(torch_model) :: net
    character(len=:), allocatable :: input, output, note
    integer :: inputs, outputs

    call net%load(model_path('radiation.pt2'))
    inputs = net%n_inputs()
    outputs = net%n_outputs()
    call check(inputs == 4 .and. outputs == 4, 'a package says how many inputs and outputs it has')
    input = net%input_name(2)
    output = net%output_name(3)
    call check(input == 'q' .and. output == 'triple', '... and their names')
    note = net%metadata('note')
    call check(note == 'a test', '... and what was noted of it')
  end subroutine test_questions

  subroutine run_radiation(net)
    type(torch_model), intent(in) :: net

    flux = -1.0_real64
    heating = -1.0_real64
    triple = -1.0_real32
    total = -1.0_real64
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating), torch_out(triple), torch_out(total)], stat=stat, errmsg=message)
  end subroutine run_radiation

  function right_results() result(right)
    logical :: right
    real(real64) :: expected(columns, layers)
    integer :: i

    do i = 1, layers
      expected(:, i) = (pressure(:, i + 1) - pressure(:, i)) * real(q(:, i), real64) * albedo
    end do
    right = all(abs(flux - (2 * pressure + solar)) < 1.0e-12_real64) .and. all(abs(heating - expected) < 1.0e-12_real64) &
      .and. all(abs(triple - 3 * q) < 1.0e-5_real32) .and. all(abs(total - sum(expected, 2)) < 1.0e-12_real64)
  end function right_results

  function untouched() result(is)
    logical :: is

    is = all(flux == -1.0_real64) .and. all(heating == -1.0_real64) .and. all(triple == -1.0_real32) .and. &
      all(total == -1.0_real64)
  end function untouched

  subroutine test_results()
    type(torch_model) :: net

    call net%load(model_path('radiation.pt2'))
    call run_radiation(net)
    call check(stat == 0 .and. right_results(), 'a package takes Fortran''s arrays and gives right results, nested outputs too')
  end subroutine test_results

  !> Whatever order the elements lie in, the package gets the one it was compiled for.
  subroutine test_layouts()
    type(torch_model) :: net
    real(real64) :: turned(layers + 1, columns), wide(2 * columns, 2 * (layers + 1)), flux_turned(layers + 1, columns)

    call net%load(model_path('radiation.pt2'))
    turned = transpose(pressure)
    flux_turned = 0.0_real64
    call net%forward([torch_reverse(torch_in(turned)), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_reverse(torch_out(flux_turned)), torch_out(heating), torch_out(triple), torch_out(total)], stat=stat)
    flux = transpose(flux_turned)
    call check(stat == 0 .and. right_results(), 'arrays in C order give right results')
    wide = 0.0_real64
    wide(2::2, 2::2) = pressure
    call net%forward([torch_in(wide(2::2, 2::2)), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating), torch_out(triple), torch_out(total)], stat=stat)
    call check(stat == 0 .and. right_results(), 'sections with strides give right results')
    wide(columns:1:-1, 1:layers + 1) = pressure
    call net%forward([torch_in(wide(columns:1:-1, 1:layers + 1)), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating), torch_out(triple), torch_out(total)], stat=stat)
    call check(stat == 0 .and. right_results(), 'sections with negative strides give right results')
  end subroutine test_layouts

  !> Free dimensions: one column, one layer, none, and many more than at export.
  subroutine test_sizes()
    integer, parameter :: sizes(4) = [1, 0, 3, 1000]
    type(torch_model) :: net
    real(real64), allocatable :: p(:, :), f(:, :), h(:, :), a(:), t(:)
    real(real32), allocatable :: w(:, :), w3(:, :)
    integer :: i, n, m
    logical :: right

    call net%load(model_path('radiation.pt2'))
    do i = 1, size(sizes)
      n = sizes(i)
      m = merge(1, 40, n == 3)
      allocate (p(n, m + 1), f(n, m + 1), h(n, m), a(n), t(n), w(n, m), w3(n, m))
      call random_number(p)
      call random_number(w)
      a = 0.5_real64
      f = -1.0_real64
      h = -1.0_real64
      call net%forward([torch_in(p), torch_in(w), torch_in(a), torch_in(solar)], &
        [torch_out(f), torch_out(h), torch_out(w3), torch_out(t)], stat=stat)
      right = stat == 0 .and. all(abs(f - 2 * p - solar) < 1.0e-12_real64) .and. &
        all(abs(h - (p(:, 2:) - p(:, :m)) * real(w, real64) * 0.5_real64) < 1.0e-12_real64)
      call check(right, 'a package compiled for any number of columns and layers takes another')
      deallocate (p, f, h, a, t, w, w3)
    end do
  end subroutine test_sizes

  subroutine test_refused_calls()
    type(torch_model) :: net
    real(real64) :: fewer(columns - 1, layers + 1), q64(columns, layers), flat(columns * (layers + 1))
    real(real32) :: albedo32(columns), x(1001, 6), y(1001, 2), x5(3, 5)
    integer(int32) :: numbers(columns, layers)

    fewer = 0.0_real64
    q64 = 0.0_real64
    flat = 0.0_real64
    albedo32 = 0.0_real32
    numbers = 0
    call net%load(model_path('radiation.pt2'))
    call run_radiation(net)
    flux = -1.0_real64
    heating = -1.0_real64
    triple = -1.0_real32
    total = -1.0_real64
    call net%forward([torch_in(fewer), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating), torch_out(triple), torch_out(total)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'input 2 "q": expected (column=4,layer=7) float32, got (5,7) float32 (column=4 from input 1 "pressure_level")', &
      'a smaller batch in one input is refused')
    call net%forward([torch_in(pressure), torch_in(q64), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating), torch_out(triple), torch_out(total)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_kind, 'input 2 "q": expected (column=5,layer=7) float32, '// &
      'got (5,7) float64', 'double precision for single is refused')
    call net%forward([torch_in(pressure), torch_in(numbers), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating), torch_out(triple), torch_out(total)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_kind, 'got (5,7) int32', 'integers for reals are refused')
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo32), torch_in(solar)], &
      [torch_out(flux), torch_out(heating), torch_out(triple), torch_out(total)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_kind, 'input 3 "albedo": expected (column=5) float64, '// &
      'got (5) float32', 'single precision for double is refused')
    call net%forward([torch_in(flat), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating), torch_out(triple), torch_out(total)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_rank, 'input 1 "pressure_level"', 'another rank is refused')
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo)], &
      [torch_out(flux), torch_out(heating), torch_out(triple), torch_out(total)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_input_count, &
      'expected 4 inputs (pressure_level, q, albedo, solar), got 3', 'another number of inputs is refused')
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating), torch_out(triple)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_output_count, 'expected 4 outputs (flux, heating, triple, total), got 3', &
      'another number of outputs is refused')
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(heating), torch_out(flux), torch_out(triple), torch_out(total)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, 'output 1 "flux"', 'another shape of an output is refused')
    call check(untouched(), 'no refused call has touched an output')

    call net%load(model_path('perceptron.pt2'))
    x = 0.0_real32
    x5 = 0.0_real32
    y = -1.0_real32
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, '(n: the model was exported for 0 to 1000)', &
      'an extent outside the range of the export is refused')
    call net%forward([torch_in(x5)], [torch_out(y(1:3, :))], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, 'expected (n=3,6) float32, got (3,5) float32', &
      'another fixed extent is refused')
    call check(all(y == -1.0_real32), '... and no output was touched')
    call net%forward([torch_in(x(:1000, :))], [torch_out(y(:1000, :))], stat=stat)
    call check(stat == 0, 'the largest extent of the range is taken')
  end subroutine test_refused_calls

  !> A model that works in place does not change the host's array; and what is not copied is seen where that is hidden from
  !> the library.
  subroutine test_writing_models()
    type(torch_model) :: net
    real(real64) :: x(4, 3), y(4, 3), z(4, 3), kept(4, 3), wide(8, 3)

    call random_number(x)
    kept = x
    call net%load(model_path('in_place.pt2'))
    call net%forward([torch_in(x)], [torch_out(y), torch_out(z)], stat=stat)
    call check(stat == 0 .and. all(y == kept + 1) .and. all(z == kept + 1), 'a model that works in place gives right results')
    call check(all(x == kept), '... and the host''s array stays as it was')
    call net%forward([torch_in(x)], [torch_out(y), torch_out(x)], stat=stat)
    call check(stat == 0 .and. all(y == kept + 1) .and. all(x == kept + 1), 'one array may be input and output')
    x = kept
    call net%load(model_path('viewed.pt2'))
    call net%forward([torch_in(x)], [torch_out(y), torch_out(z)], stat=stat)
    call check(stat == 0 .and. all(x == kept + 1), 'an array in Fortran''s order is viewed where it lies')
    wide(::2, :) = kept
    call net%forward([torch_in(wide(::2, :))], [torch_out(y), torch_out(z)], stat=stat)
    call check(stat == 0 .and. all(wide(::2, :) == kept) .and. all(y == kept + 1), &
      'a section that the package cannot read is copied')
  end subroutine test_writing_models

  subroutine test_formats_agree()
    type(torch_model) :: package, script
    real(real32) :: x(200, 6), from_package(200, 2), from_script(200, 2)

    call random_number(x)
    call package%load(model_path('perceptron.pt2'))
    call script%load(model_path('perceptron.pt'))
    call package%forward([torch_in(x)], [torch_out(from_package)])
    call script%forward([torch_in(x)], [torch_out(from_script)])
    call check(any(from_script /= 0.0_real32) .and. all(abs(from_package - from_script) < 1.0e-5_real32), &
      'a package and TorchScript of one network give the same results')
  end subroutine test_formats_agree

  subroutine test_derivatives()
    type(torch_model) :: net
    type(torch_trainer) :: trainer
    real(real32) :: x(4, 6), y(4, 2)

    x = -7.0_real32
    y = -7.0_real32
    call net%load(model_path('perceptron.pt2'))
    call net%vector_jacobian_product([torch_in(x)], [torch_in(y)], [torch_out(x)], stat, message)
    call check_failure(stat, message, radml_status%not_differentiable, &
      'perceptron.pt2: a package of machine code (.pt2) has no derivatives; export the model as TorchScript (.pt)', &
      'the adjoint of a package is refused')
    call net%jacobian_vector_product([torch_none()], [torch_in(x)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%not_differentiable, 'perceptron.pt2: a package of machine code (.pt2) has no', &
      '... and its tangent linear, whatever the arrays')
    call check(all(x == -7.0_real32) .and. all(y == -7.0_real32), '... without touching an array')
    call trainer%create(model_path('perceptron.pt2'), 'adam', stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%not_differentiable, &
      'perceptron.pt2: a package of machine code (.pt2) cannot be trained', 'a package cannot be trained')
  end subroutine test_derivatives

  subroutine test_plans()
    type(torch_model) :: net
    type(torch_plan) :: plan
    integer :: step
    logical :: right

    call net%load(model_path('radiation.pt2'))
    call plan%create(net, [torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating), torch_out(triple), torch_out(total)])
    right = .true.
    do step = 1, 3
      call random_number(pressure)
      call plan%run(stat=stat)
      right = right .and. stat == 0 .and. right_results()
    end do
    call check(right, 'a plan runs a package on what its arrays hold')
  end subroutine test_plans

  !> Blocks of columns on threads: the same bits however many threads, and a range of the export is one of blocks.
  subroutine test_blocks()
    integer, parameter :: n = 3000
    type(torch_model) :: net
    real(real32) :: x(n, 6), y(n, 2), z(n, 2)

    call random_number(x)
    y = 0.0_real32
    z = -1.0_real32
    call net%load(model_path('perceptron.pt2'))
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat, column_dimension=1, columns_per_block=64, threads=1)
    call check(stat == 0 .and. all(y(n, :) /= 0.0_real32), 'blocks of columns lie in the range of a package, not all the columns')
    call net%forward([torch_in(x)], [torch_out(z)], stat=stat, column_dimension=1, columns_per_block=64, threads=4)
    call check(stat == 0 .and. all(y == z), 'a package in blocks gives the same bits on four threads as on one')
    z = -1.0_real32
    call net%forward([torch_in(x(:10, :))], [torch_out(z(:10, :))], stat=stat, errmsg=message, column_dimension=1, &
      columns_per_block=2000)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'input 1 "x": expected (n,6) float32, got (2000,6) float32 (n: the model was exported for 0 to 1000)', &
      'blocks larger than the range of a package are refused')
    call check(all(z == -1.0_real32), '... and no output was touched')
  end subroutine test_blocks

  subroutine test_threads()
    integer, parameter :: calls = 400
    type(torch_model) :: net, shared, copies(8)
    real(real32), allocatable :: x(:, :, :), expected(:, :, :), y(:, :, :)
    integer :: stats(calls), repeats, i

    allocate (x(50, 6, calls), expected(50, 2, calls), y(50, 2, calls))
    call random_number(x)
    call torch_set_num_threads(1)
    call net%load(model_path('perceptron.pt2'))
    do i = 1, calls
      call net%forward([torch_in(x(:, :, i))], [torch_out(expected(:, :, i))])
    end do
    call check(any(expected(:, :, 1) /= expected(:, :, 2)), 'results of a package depend on the input')
    do repeats = 1, 3
      y = 0.0_real32
      stats = -1
      !$omp parallel do schedule(dynamic) num_threads(8)
      do i = 1, calls
        call net%forward([torch_in(x(:, :, i))], [torch_out(y(:, :, i))], stat=stats(i))
      end do
      call check(all(stats == 0), 'eight threads run one package at once')
      call check(all(y == expected), '... and every result is that of one thread, to the last bit')
    end do

    call shared%load(model_path('perceptron.pt2'))
    do i = 1, 8
      copies(i) = shared
    end do
    call shared%free()
    stats = -1
    y = 0.0_real32
    !$omp parallel do schedule(static, 1) num_threads(8)
    do i = 1, 8
      call copies(i)%forward([torch_in(x(:, :, i))], [torch_out(y(:, :, i))], stat=stats(i))
      call copies(i)%free()
    end do
    call check(all(stats(1:8) == 0) .and. all(y(:, :, 1:8) == expected(:, :, 1:8)), &
      'threads that share a package may free their own hold on it while others still run it')
  end subroutine test_threads

  !> Traps and subnormals of the host: loading a package must not switch them off, running it must not meet them.
  subroutine test_environment()
    type(torch_model) :: net
    real(real64), allocatable :: x(:, :), y(:, :), z(:, :)
    real(real64), volatile :: small
    logical :: halting(3)
    integer :: threads

    allocate (x(100000, 3), y(100000, 3), z(100000, 3))
    x = 2.0_real64
    call net%load(model_path('in_place.pt2'))
    do threads = 1, 4, 3
      call torch_set_num_threads(threads)
      y = 0.0_real64
      call net%forward([torch_in(x)], [torch_out(y), torch_out(z)], stat=stat)
      call check(stat == 0 .and. all(y == 3.0_real64), 'a package with bad arithmetic runs in a host that traps')
    end do
    call ieee_get_halting_mode(ieee_invalid, halting(1))
    call ieee_get_halting_mode(ieee_divide_by_zero, halting(2))
    call ieee_get_halting_mode(ieee_overflow, halting(3))
    call check(all(halting), 'the host traps as before')
    small = tiny(1.0_real64)
    small = small / 4
    call check(small > 0.0_real64, 'the host keeps its subnormal numbers')
  end subroutine test_environment

end program test_torch_packages
