!> Failures of the coupling: each gives its status and one clear line. The argument is the folder of the test models.
program test_torch_errors
  use, intrinsic :: iso_fortran_env, only: int64, real32, real64
  use radml_torch, only: radml_status, radml_version, torch_array, torch_get_num_threads, torch_in, torch_model, &
    torch_on_device, torch_out, torch_plan, torch_set_num_threads
  use torch_checks, only: check, check_failure, finish, model_path
  implicit none

  type :: host_state
    integer :: step = 0
    type(torch_model) :: net
  end type host_state

  character(len=:), allocatable :: message
  integer :: stat

  call test_files()
  call test_devices()
  call test_lifetime()
  call test_sharing()
  call test_counts()
  call test_manifest_arrays()
  call test_arrays_without_manifest()
  call test_invalid_arrays()
  call test_models_that_fail()
  call test_out_of_memory()
  call test_nested_outputs()
  call test_questions()
  call test_settings()
  call finish()

contains

  subroutine refuse_file(name, expected, text, sentence)
    character(len=*), intent(in) :: name, text, sentence
    integer, intent(in) :: expected
    type(torch_model) :: net

    call net%load(model_path(name), stat=stat, errmsg=message)
    call check_failure(stat, message, expected, text, sentence)
    call check(.not. net%loaded(), '... and no model is there after that')
  end subroutine refuse_file

  subroutine test_files()
    type(torch_model) :: net

    call refuse_file('nowhere.pt', radml_status%missing_file, 'nowhere.pt: no such file', 'a missing file is reported')
    call refuse_file('a_directory.pt', radml_status%missing_file, 'expected a model file, got a directory', &
      'a directory in the place of a file is reported')
    call refuse_file('garbage.pt', radml_status%invalid_file, 'garbage.pt: not a TorchScript model', &
      'a file of something else is reported')
    call refuse_file('empty.pt', radml_status%invalid_file, 'empty.pt: not a TorchScript model', 'an empty file is reported')
    call refuse_file('truncated.pt', radml_status%invalid_file, 'truncated.pt: not a TorchScript model', &
      'a truncated file is reported')
    call refuse_file('truncated.pt', radml_status%invalid_file, 'if it is one, it is empty or cut off', '... as what it is')
    call refuse_file('traced_in_training.pt', radml_status%invalid_file, &
      'traced_in_training.pt: dropout is in training mode in the file, for good: it was traced before eval()', &
      'a trace that draws random numbers is refused')
    call net%load(model_path('drops_nothing.pt'))
    call check(net%loaded(), '... but not one whose dropout drops nothing')
    call refuse_file('weights.pt', radml_status%invalid_file, 'not a TorchScript model but another PyTorch archive', &
      'a file of weights without their module is reported')
    call refuse_file('takes_list.pt', radml_status%invalid_file, 'input 1 "xs" of its forward is List[Tensor]; expected Tensor', &
      'a model that takes a list is refused when it is loaded')
    call refuse_file('manifest_not_json.pt', radml_status%invalid_file, 'manifest radml.json: not JSON', &
      'a manifest that is no JSON is refused')
    call refuse_file('manifest_version_2.pt', radml_status%invalid_file, 'version 2; this radml reads version 1', &
      'a manifest of another version is refused')
    call refuse_file('manifest_two_inputs.pt', radml_status%invalid_file, 'it declares 2 inputs, but forward takes 1', &
      'a manifest with another number of inputs than the model is refused')
    call refuse_file('manifest_uint8.pt', radml_status%invalid_file, 'inputs 1 "x": no Fortran kind fits "uint8"', &
      'a manifest with a kind that Fortran does not have is refused')
    call refuse_file('manifest_bad_shape.pt', radml_status%invalid_file, 'shape entry "layer*2" is neither', &
      'a manifest with a shape that is no shape is refused')
  end subroutine test_files

  subroutine test_devices()
    type(torch_model) :: net
    type(torch_plan) :: plan
    real(real64), target :: x(2, 89), y(2, 89)

    call net%load(model_path('fixed.pt'), device='gpu', stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%unknown_device, 'device "gpu": expected "cpu", "cuda" or "cuda:N"', &
      'a device with an unknown name is reported')
    call net%load(model_path('fixed.pt'), device='meta', stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%unknown_device, 'device "meta"', &
      'a device that LibTorch has and radml does not is reported')
    call net%load(model_path('fixed.pt'), device='cuda:63', stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%missing_device, 'device "cuda:63": LibTorch ', &
      'a CUDA device that is not there is reported')
    call net%load(model_path('fixed.pt'), device='cpu', stat=stat)
    call check(stat == radml_status%success, 'the device "cpu" is always there')
    x = 0.0_real64
    y = 7.0_real64
    call net%forward([torch_on_device(torch_in(x))], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%invalid_array, &
      'fixed.pt: input 1 "x": made with torch_on_device, but the model was loaded on the cpu', &
      'an input on the device is refused where the model is on the cpu')
    call plan%create(net, [torch_in(x)], [torch_on_device(torch_out(y))], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%invalid_array, 'fixed.pt: output 1 "y": made with torch_on_device', &
      '... and an output, by a plan')
    call check(all(y == 7.0_real64), '... and is left alone')
  end subroutine test_devices

  subroutine test_lifetime()
    type(torch_model) :: net
    real(real64) :: x(2, 89), y(2, 89)
    integer :: i

    x = 0.0_real64
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded', 'forward before load is reported')
    call net%free(stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded', 'free before load is reported')
    call net%load(model_path('fixed.pt'))
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat)
    call check(stat == 0 .and. net%loaded(), 'a loaded model runs')
    call net%free(stat=stat)
    call check(stat == 0 .and. .not. net%loaded(), 'a loaded model can be freed')
    call net%free(stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded', 'a second free is reported')
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded', 'forward after free is reported')
    do i = 1, 3
      call net%load(model_path('fixed.pt'), stat=stat)
    end do
    call check(stat == 0, 'a variable can be loaded again')
    call net%load(model_path('nowhere.pt'), stat=stat)
    call check(stat == radml_status%missing_file .and. .not. net%loaded(), 'a failed load leaves no older model behind')
    message = 'before'
    call net%load(model_path('fixed.pt'), stat=stat, errmsg=message)
    call check(message == 'before', 'errmsg is left alone on success')
    deallocate (message)
  end subroutine test_lifetime

  subroutine test_sharing()
    type(host_state) :: first, second
    type(torch_model), allocatable :: original
    type(torch_model) :: copy, several(3)
    real(real64) :: x(2, 89), y(2, 89)

    x = 0.0_real64
    allocate (original)
    call original%load(model_path('fixed.pt'))
    copy = original
    deallocate (original)
    call copy%forward([torch_in(x)], [torch_out(y)], stat=stat)
    call check(stat == 0, 'a copy of a model outlives the original')
    copy = copy
    call copy%forward([torch_in(x)], [torch_out(y)], stat=stat)
    call check(stat == 0, 'a model assigned to itself stays')
    call first%net%load(model_path('fixed.pt'))
    second = first
    call first%net%free()
    call second%net%forward([torch_in(x)], [torch_out(y)], stat=stat)
    call check(stat == 0, 'a model in a derived type is shared by its copies')
    call second%net%free(stat=stat)
    call check(stat == 0, 'each owner frees its own')
    several = copy
    call copy%free()
    call several(3)%forward([torch_in(x)], [torch_out(y)], stat=stat)
    call check(stat == 0, 'an array of models shares one')
  end subroutine test_sharing

  subroutine test_counts()
    type(torch_model) :: net
    real(real64) :: x(3), y(3)

    x = 1.0_real64
    y = -1.0_real64
    call net%load(model_path('sum_and_list.pt'))
    call net%forward([torch_in(x)], [torch_out(y), torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_input_count, 'sum_and_list.pt: expected 2 inputs (x, y), got 1', &
      'too few inputs are reported')
    call net%forward([torch_in(x), torch_in(x), torch_in(x)], [torch_out(y), torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_input_count, 'expected 2 inputs (x, y), got 3', &
      'too many inputs are reported')
    call net%forward([torch_in(x), torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_output_count, 'the model returned 2 outputs, got arrays for 1', &
      'too few outputs are reported')
    call net%forward([torch_in(x), torch_in(x)], [torch_array ::], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_output_count, 'got arrays for 0', 'no outputs are reported')
    call check(all(y == -1.0_real64), 'no output is touched by a call that fails')
    call net%load(model_path('optional_offset.pt'))
    call net%forward([torch_array ::], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_input_count, 'expected 1 to 2 inputs (x, offset), got 0', &
      'a model with optional inputs says how many it takes')
  end subroutine test_counts

  subroutine test_manifest_arrays()
    integer, parameter :: columns = 64, layers = 89
    type(torch_model) :: net
    real(real64) :: pressure(columns, layers + 1), albedo(columns), solar, flux(columns, layers + 1), heating(columns, layers)
    real(real64) :: q_double(columns, layers)
    real(real32) :: q(columns, layers), q_long(columns, layers + 1), q_cube(columns, layers, 1), flux_single(columns, layers + 1)
    real(real32) :: q_turned(layers, columns)
    real(real64) :: pressure_turned(layers + 1, columns), heating_turned(layers, columns)
    real(real64) :: x(5, 88), empty_pressure(columns, 0)

    pressure = 1.0_real64
    q = 0.5_real32
    q_long = 0.5_real32
    q_cube = 0.5_real32
    q_turned = 0.5_real32
    pressure_turned = 1.0_real64
    q_double = 0.5_real64
    albedo = 0.3_real64
    solar = 1361.0_real64
    flux = -1.0_real64
    heating = -1.0_real64
    call net%load(model_path('columns.pt'))
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo)], [torch_out(flux), torch_out(heating)], stat=stat, &
      errmsg=message)
    call check_failure(stat, message, radml_status%wrong_input_count, &
      'columns.pt: expected 4 inputs (pressure_level, q, albedo, solar), got 3', 'the manifest names the inputs of a wrong count')
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], [torch_out(flux)], stat=stat, &
      errmsg=message)
    call check_failure(stat, message, radml_status%wrong_output_count, &
      'columns.pt: expected 2 outputs (flux, heating), got 1', 'the manifest names the outputs of a wrong count')
    call net%forward([torch_in(pressure), torch_in(q_double), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_kind, &
      'columns.pt: input 2 "q": expected (column=64,layer=89) float32, got (64,89) float64; '// &
      'convert=.true. converts it', &
      'an input of another kind is reported with what would take it')
    call net%forward([torch_in(pressure), torch_in(q_turned), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'columns.pt: input 2 "q": expected (column=64,layer=89) float32, got (89,64) float32 '// &
      '(column=64 from input 1 "pressure_level"); its dimensions fit in reverse order: torch_reverse(...)', &
      'an input that lies the other way round is told so')
    call net%forward([torch_in(pressure_turned), torch_in(q_turned), torch_in(albedo), torch_in(solar)], &
      [torch_out(pressure_turned), torch_out(heating_turned)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'columns.pt: input 2 "q": expected (column=90,layer=63) float32, got (89,64) float32 '// &
      '(column=90 from input 1 "pressure_level"); all arrays of this call fit in reverse order: torch_reverse(...)', &
      'arrays that all lie the other way round are told so')
    call net%forward([torch_in(pressure), torch_in(q_long), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'columns.pt: input 2 "q": expected (column=64,layer=89) float32, got (64,90) float32 '// &
      '(layer=89 from input 1 "pressure_level")', 'an input of another shape is reported with what its extent follows from')
    call net%forward([torch_in(pressure), torch_in(q_cube), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_rank, &
      'input 2 "q": expected (column=64,layer=89) float32, got (64,89,1) float32', 'an input of another rank is reported')
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(albedo)], &
      [torch_out(flux), torch_out(heating)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_rank, 'input 4 "solar": expected scalar float64, got (64) float64', &
      'an array in the place of a scalar is reported')
    call net%forward([torch_in(empty_pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'input 1 "pressure_level": expected (column=64,layer+1) float64, got (64,0) float64', 'no negative extent comes of layer+1')
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(flux)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'output 2 "heating": expected (column=64,layer=89) float64, got (64,90) float64', 'an output of another shape is reported')
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux_single), torch_out(heating)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_kind, &
      'output 1 "flux": expected (column=64,layer+1=90) float64, got (64,90) float32', 'an output of another kind is reported')
    call check(all(flux == -1.0_real64) .and. all(heating == -1.0_real64), 'the outputs of refused calls are left alone')
    call net%forward([torch_in(pressure), torch_in(q), torch_in(albedo), torch_in(solar)], &
      [torch_out(flux), torch_out(heating)], stat=stat, errmsg=message)
    call check(stat == 0 .and. all(flux == 1363.0_real64) .and. all(heating == 0.0_real64), &
      'arrays that fit the manifest go through')

    call net%load(model_path('fixed.pt'))
    call net%forward([torch_in(x)], [torch_out(x)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, 'fixed.pt: input 1 "x": expected (column=5,89) float64, '// &
      'got (5,88) float64', 'a fixed extent is enforced')
    call net%load(model_path('lies.pt'))
    call net%forward([torch_in(albedo)], [torch_out(albedo)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_kind, &
      'lies.pt: output 1 "y": the model returned (64) float32, got an array of (64) float64', &
      'a model that does not keep to its manifest is caught')
  end subroutine test_manifest_arrays

  subroutine test_arrays_without_manifest()
    type(torch_model) :: net
    real(real64) :: x(3, 4), y(3, 4), line(12), wide(3, 5)
    real(real32) :: single(3, 4)

    x = 0.0_real64
    call net%load(model_path('add_index.pt'))
    call net%forward([torch_in(x)], [torch_out(line)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_rank, &
      'add_index.pt: output 1: the model returned (3,4) float64, got an array of (12) float64', &
      'without a manifest an output of another rank is reported')
    call net%forward([torch_in(x)], [torch_out(wide)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, 'the model returned (3,4) float64, got an array of (3,5) float64', &
      'without a manifest an output of another shape is reported')
    call net%forward([torch_in(x)], [torch_out(single)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_kind, 'the model returned (3,4) float64, got an array of (3,4) float32', &
      'without a manifest an output of another kind is reported')
    call net%load(model_path('half.pt'))
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_kind, 'the model returned (3,4) Half, got an array of (3,4) float64', &
      'a result of a kind that Fortran does not have is reported')
  end subroutine test_arrays_without_manifest

  subroutine test_invalid_arrays()
    type(torch_model) :: net
    logical :: flags(3)
    character(len=4) :: letters(3)
    real(real64) :: x(3), y(3)
    real(real64), pointer, save :: nowhere(:) => null()

    x = 0.0_real64
    flags = .true.
    letters = 'abcd'
    call net%load(model_path('add_index.pt'))
    call net%forward([torch_in(flags)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_kind, 'input 1 "x": elements of 4 bytes of a type no tensor has', &
      'a default logical is refused')
    call net%forward([torch_in(letters)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_kind, 'logical(c_bool)', 'a text is refused')
    call net%forward([torch_in(x)], [torch_in(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%invalid_array, 'output 1: made with torch_in', 'an input as output is refused')
    call pass_assumed_size(net, x)
    call net%forward([torch_in(nowhere)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%invalid_array, 'not allocated or not associated', &
      'a pointer to nothing is refused')
    call net%forward([torch_array()], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%invalid_array, 'not allocated or not associated', &
      'a view that was never made is refused')
  end subroutine test_invalid_arrays

  subroutine pass_assumed_size(net, x)
    type(torch_model), intent(in) :: net
    real(real64), intent(inout) :: x(*)
    real(real64) :: y(3)

    call net%forward([torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%invalid_array, 'pass a section such as a(:,1:n)', &
      'an assumed-size array is refused')
    call net%forward([torch_in(x(1:3))], [torch_out(y)], stat=stat)
    call check(stat == 0, 'a section of an assumed-size array is taken')
  end subroutine pass_assumed_size

  subroutine test_models_that_fail()
    type(torch_model) :: net
    real(real64) :: x(2, 3), y(2, 3)

    x = -1.0_real64
    y = 7.0_real64
    call net%load(model_path('raises.pt'))
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%model_failed, 'raises.pt: the model failed: ', 'a model that raises is reported')
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%model_failed, 'raises.pt: the model failed: ValueError: humidity is negative', &
      '... with the reason it gives')
    call check(all(y == 7.0_real64), '... and its output is left alone')
    x = 1.0_real64
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat)
    call check(stat == 0 .and. all(y == 2.0_real64), 'a model that raised can run again')
    call net%load(model_path('multiply.pt'))
    call net%forward([torch_in(x), torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%model_failed, &
      'multiply.pt: the model failed: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)', &
      'an error inside LibTorch is reported in one line')
    call net%load(model_path('returns_number.pt'))
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_output_type, &
      'returns_number.pt: the model returned int; expected a Tensor, or tuples, lists and dictionaries of Tensors', &
      'a model that returns a number is reported')
    call net%load(model_path('returns_mixed_tuple.pt'))
    call net%forward([torch_in(x)], [torch_out(y), torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_output_type, 'the model returned float at [1]; expected', &
      'a model that returns something else among tensors is reported')
    call net%load(model_path('returns_dictionary.pt'))
    call net%forward([torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
    call check(stat == 0 .and. all(y == x), 'a model that returns a dictionary gives its values')
  end subroutine test_models_that_fail

  !> Memory that no machine has is refused, and the host goes on.
  subroutine test_out_of_memory()
    type(torch_model) :: net
    type(torch_plan) :: plan
    real(real64), target :: y(3)
    integer(int64), target :: n

    y = 7.0_real64
    n = 2_int64**45
    call net%load(model_path('as_many.pt'))
    call net%forward([torch_in(n)], [torch_out(y)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%out_of_memory, &
      'as_many.pt: out of memory: no memory for a tensor of 281474976710656 bytes', 'a model that asks for terabytes is refused')
    call check(all(y == 7.0_real64), '... and its output is left alone')
    call plan%create(net, [torch_in(n)], [torch_out(y)])
    call plan%run(stat=stat, errmsg=message)
    call check(stat == radml_status%out_of_memory, '... also in a plan')
    n = 3
    call plan%run(stat=stat, errmsg=message)
    call check(stat == 0 .and. all(y == 1.0_real64), '... and it can run again when it asks for less')
    call net%forward([torch_in(n), torch_in(n)], [torch_out(y)], stat=stat)
    call check(stat == radml_status%wrong_input_count, 'an error after that is not taken for want of memory')
    n = -1
    call net%forward([torch_in(n)], [torch_out(y)], stat=stat)
    call check(stat == radml_status%model_failed, '... nor is one inside the model')
  end subroutine test_out_of_memory

  !> Tuples, lists and dictionaries within each other are outputs in order; messages name the place.
  subroutine test_nested_outputs()
    type(torch_model) :: net
    real(real64) :: x(3), y(3, 6)
    real(real32) :: single(3)
    integer :: i

    x = [1.0_real64, 2.0_real64, 3.0_real64]
    y = -1.0_real64
    call net%load(model_path('nested.pt'))
    call net%forward([torch_in(x)], [(torch_out(y(:, i)), i = 1, 6)], stat=stat)
    call check(stat == 0 .and. all([(y(:, i) == i * x, i = 1, 6)]), &
      'nested tuples, lists and dictionaries are outputs in their order')
    y = -1.0_real64
    call net%forward([torch_in(x)], [(torch_out(y(:, i)), i = 1, 5)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_output_count, 'the model returned 6 outputs, got arrays for 5', &
      'an array too few for nested outputs is reported')
    call net%forward([torch_in(x)], [torch_out(y(:, 1)), torch_out(single), (torch_out(y(:, i)), i = 3, 6)], stat=stat, &
      errmsg=message)
    call check_failure(stat, message, radml_status%wrong_kind, &
      'nested.pt: output 2 "[0][''down'']": the model returned (3) float64, got an array of (3) float32', &
      'a wrong array for a nested output is reported with its place')
    call check(all(y == -1.0_real64), '... and no output was touched')
    call net%load(model_path('nested_number.pt'))
    call net%forward([torch_in(x)], [torch_out(y(:, 1)), torch_out(y(:, 2))], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_output_type, 'the model returned int at [1][''layers''][0]', &
      'a number among nested outputs is reported with its place')
    call check(all(y == -1.0_real64), '... and no output was touched')
  end subroutine test_nested_outputs

  subroutine test_questions()
    type(torch_model) :: net
    character(len=:), allocatable :: text

    call check(net%n_inputs(stat=stat, errmsg=message) == -1, 'a model that is not there has no number of inputs')
    call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded', '... and says so')
    call net%load(model_path('columns.pt'))
    call check(net%n_inputs() == 4, 'a model tells how many inputs it has')
    call check(net%n_outputs() == 2, 'a model tells how many outputs it has')
    call check(net%input_name(1) == 'pressure_level', 'a model tells the name of its first input')
    call check(net%input_name(4) == 'solar', 'a model tells the name of its last input')
    call check(net%output_name(2) == 'heating', 'a model tells the names of its outputs')
    call check(net%input_declaration(1) == 'pressure_level:float64[column,layer+1]', '... and their kinds and shapes')
    call check(net%input_declaration(4) == 'solar:float64[]', '... of scalars too')
    call check(net%output_declaration(2) == 'heating:float64[column,layer]', '... and of outputs')
    text = net%output_declaration(3, stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_index, 'columns.pt: output 3: the model has 2 outputs', &
      '... and not of one that is not there')
    call check(net%metadata('note') == 'a test model', 'a model tells its metadata')
    call check(net%metadata('name') == 'columns', 'a model tells its name')
    text = net%metadata('long')
    call check(len(text) == 10000 .and. verify(text, 'x') == 0, 'long metadata comes whole')
    text = net%metadata('colour', stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%missing_key, 'columns.pt: no metadata "colour"', 'a missing key is reported')
    text = net%input_name(0, stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_index, 'columns.pt: input 0: the model has 4 inputs', &
      'an input with no such number is reported')
    text = net%output_name(3, stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_index, 'columns.pt: output 3: the model has 2 outputs', &
      'an output with no such number is reported')
    call check(net%input_index('albedo') == 3, 'a model tells which input has a name')
    call check(net%output_index('flux') == 1, 'a model tells which output has a name')
    call check(net%output_index('q', stat=stat, errmsg=message) == 0, 'a name that no output has gives no place')
    call check_failure(stat, message, radml_status%missing_key, 'columns.pt: output "q": there are (flux, heating)', &
      '... and the message says which there are')
    call net%load(model_path('sum_and_list.pt'))
    call check(net%input_index('y') == 2, 'without a manifest inputs have the names of forward''s arguments')
    call check(net%output_index('y', stat=stat, errmsg=message) == 0, '... and outputs have none')
    call check_failure(stat, message, radml_status%missing_key, 'the model has no manifest that names its outputs', &
      '... which is said')
    call check(net%n_inputs() == 2, 'without a manifest a model tells how many inputs its forward declares')
    call check(net%input_name(2) == 'y', '... and their names')
    call check(net%n_outputs() == -1, '... but not how many outputs it will return')
    text = net%input_declaration(2, stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%missing_key, 'input "y": the model has no manifest that declares its inputs', &
      '... nor their kinds and shapes')
    text = net%metadata('name', stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%missing_key, 'the model has no manifest', '... and has no metadata')
  end subroutine test_questions

  subroutine test_settings()
    integer :: before

    before = torch_get_num_threads()
    call torch_set_num_threads(3)
    call check(torch_get_num_threads() == 3, 'the number of threads can be set')
    call torch_set_num_threads(0, stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_argument, 'number of threads: expected 1 or more, got 0', &
      'no threads are refused')
    call torch_set_num_threads(before)
    call check(index(radml_version(), '.') > 0, 'the library tells its version')
  end subroutine test_settings

end program test_torch_errors
