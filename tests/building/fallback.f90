!> A host that runs a network where it can, and its own formula where it cannot: the twofold of a number.
program fallback
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_torch, only: radml_status, torch_in, torch_model, torch_out, torch_set_num_threads
  implicit none

  type(torch_model) :: net
  character(len=1000) :: path
  character(len=:), allocatable :: message
  real(real64) :: x(3, 2), y(3, 2)
  integer :: stat

  call get_command_argument(1, path)
  call torch_set_num_threads(1)
  x = 21.0_real64
  y = 0.0_real64
  call net%load(trim(path), stat=stat, errmsg=message)
  if (stat == radml_status%success) then
    call net%forward([torch_in(x)], [torch_out(y)])
    print '(a, f5.1)', 'network:', y(3, 2)
  else
    y = 2*x
    print '(a, f5.1, a, i0, 2a)', 'own formula:', y(3, 2), ', because of ', stat, ': ', message
  end if
end program fallback
