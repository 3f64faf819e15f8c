!> What can go wrong, and a host that goes on.
program error_handling
  use, intrinsic :: iso_fortran_env, only: real32, real64
  use radml_torch, only: radml_status, torch_in, torch_model, torch_out
  implicit none

  integer, parameter :: columns = 4, layers = 3
  type(torch_model) :: net
  character(len=:), allocatable :: message
  real(real64) :: temperature(columns, layers), vapour(columns, layers), pressure(columns, layers)
  real(real64) :: warmed(columns, layers), condensed(columns, layers)
  real(real32) :: single(columns, layers)
  integer :: stat

  temperature = 290.0_real64
  vapour = 0.02_real64
  pressure = 100000.0_real64
  single = 0.02_real32
  warmed = -999.0_real64

  call net%forward([torch_in(temperature)], [torch_out(warmed)], stat=stat, errmsg=message)
  call explain('before load')
  call net%load('nowhere.pt', stat=stat, errmsg=message)
  call explain('no file')
  call net%load('CMakeLists.txt', stat=stat, errmsg=message)
  call explain('no model')
  call net%load('condensation.pt', device='gpu', stat=stat, errmsg=message)
  call explain('no such device')

  call net%load('condensation.pt', stat=stat, errmsg=message)
  call explain('loaded')
  call net%forward([torch_in(temperature)], [torch_out(warmed)], stat=stat, errmsg=message)
  call explain('one input')
  call net%forward([torch_in(temperature), torch_in(single), torch_in(pressure)], [torch_out(warmed), torch_out(condensed)], &
    stat=stat, errmsg=message)
  call explain('single precision')
  call net%forward([torch_in(temperature), torch_in(vapour(:, 2:)), torch_in(pressure)], &
    [torch_out(warmed), torch_out(condensed)], stat=stat, errmsg=message)
  call explain('a layer missing')
  print '(a, l1)', 'outputs of failed calls are as they were: ', all(warmed == -999.0_real64)

  ! A host that must not stop has a scheme of its own to fall back on, and says so.
  call net%forward([torch_in(temperature), torch_in(vapour), torch_in(pressure(:, :2))], &
    [torch_out(warmed), torch_out(condensed)], stat=stat, errmsg=message)
  if (stat /= radml_status%success) then
    print '(2a)', 'own scheme, because of ', message
    warmed = temperature
    condensed = 0.0_real64
  end if
  print '(a, f7.2, a)', 'the step goes on with ', warmed(1, 1), ' K'

contains

  subroutine explain(what)
    character(len=*), intent(in) :: what !! what was tried [text] (scalar)

    if (stat == radml_status%success) print '(2a)', what, ': success'
    if (stat /= radml_status%success) print '(2a, i0, 2a)', what, ': status ', stat, ': ', message
  end subroutine explain
end program error_handling
