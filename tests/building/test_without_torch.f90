!> Against a libradml without LibTorch: what needs LibTorch fails with its own status, nothing stops, nothing is touched.
program test_without_torch
  use, intrinsic :: iso_fortran_env, only: real32
  use radml_torch, only: radml_status, radml_version, torch_get_num_threads, torch_in, torch_model, torch_out, torch_plan, &
    torch_set_num_threads
  use torch_checks, only: check, check_failure, finish
  implicit none

  character(len=*), parameter :: reason = 'this libradml was built without LibTorch (RADML_WITH_TORCH=OFF)'
  type(torch_model) :: net, other
  type(torch_plan) :: plan, other_plan
  character(len=:), allocatable :: message, name
  character(len=100) :: argument
  real(real32) :: x(2), y(2)
  integer :: stat, n

  call get_command_argument(1, argument)
  if (argument == 'stop') then
    call net%load('rescnn.pt')
    print '(a)', 'the program went on'
    stop
  end if

  x = 1.0_real32
  y = -7.0_real32
  call net%load('rescnn.pt', stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%without_torch, 'rescnn.pt: '//reason//' and runs no models', 'load')
  call net%load('rescnn.pt', device='cuda:1', stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%without_torch, 'rescnn.pt: '//reason, 'load onto another device')
  call check(.not. net%loaded(), 'no model is loaded after that')

  call net%forward([torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%without_torch, reason//' and runs no models', 'forward')
  call net%forward([torch_in(x)], [torch_out(y)], column_dimension=1, stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%without_torch, reason//' and runs no models', 'forward in blocks')
  call plan%create(net, [torch_in(x)], [torch_out(y)], stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%without_torch, reason//' and runs no models', 'plan%create')
  call check(.not. plan%created(), 'no plan is created after that')
  call plan%run(stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%without_torch, reason//' and runs no models', 'plan%run')
  call check(all(y == -7.0_real32), 'outputs are as they were')

  call net%free(stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded: '//reason, 'net%free')
  call plan%free(stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded: '//reason, 'plan%free')
  n = net%n_inputs(stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded: '//reason, 'n_inputs')
  call check(n == -1, 'n_inputs is -1')
  n = net%n_outputs(stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded: '//reason, 'n_outputs')
  call check(n == -1, 'n_outputs is -1')
  name = net%input_name(1, stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded: '//reason, 'input_name')
  call check(name == '', 'the name of an input is empty')
  name = net%output_name(1, stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded: '//reason, 'output_name')
  name = net%metadata('name', stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded: '//reason, 'metadata')
  call check(name == '', 'metadata are empty')
  other = net
  other_plan = plan
  call check(.not. (other%loaded() .or. other_plan%created()), 'copies of no model and no plan are none')

  call check(torch_get_num_threads() == 1, 'one thread at first')
  call torch_set_num_threads(3, stat=stat)
  call check(stat == radml_status%success .and. torch_get_num_threads() == 3, 'a number of threads is kept')
  call torch_set_num_threads(0, stat=stat, errmsg=message)
  call check_failure(stat, message, radml_status%wrong_argument, 'number of threads: expected 1 or more, got 0', &
    'a number of threads below 1')
  call check(len(radml_version()) >= 5, 'the version is there')
  call finish()
end program test_without_torch
