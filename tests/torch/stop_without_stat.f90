!> Failures where no stat is given stop the program: the second argument says which failure to bring about.
program stop_without_stat
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_torch, only: torch_in, torch_model, torch_out, torch_set_num_threads
  use torch_checks, only: model_path
  implicit none

  type(torch_model) :: net
  real(real64) :: x(5, 88), y(5, 88)
  character(len=20) :: failure

  x = 0.0_real64
  call get_command_argument(2, failure)
  select case (failure)
  case ('missing_file')
    call net%load(model_path('nowhere.pt'))
  case ('not_loaded')
    call net%forward([torch_in(x)], [torch_out(y)])
  case ('freed_twice')
    call net%load(model_path('fixed.pt'))
    call net%free()
    call net%free()
  case ('wrong_input_count')
    call net%load(model_path('fixed.pt'))
    call net%forward([torch_in(x), torch_in(x)], [torch_out(y)])
  case ('wrong_shape')
    call net%load(model_path('fixed.pt'))
    call net%forward([torch_in(x)], [torch_out(y)])
  case ('model_failed')
    call net%load(model_path('multiply.pt'))
    call net%forward([torch_in(x), torch_in(x)], [torch_out(y)])
  case ('wrong_argument')
    call torch_set_num_threads(-1)
  case ('wrong_index')
    call net%load(model_path('fixed.pt'))
    print '(a)', net%input_name(2)
  end select
  print '(a)', 'the program went on'
end program stop_without_stat
