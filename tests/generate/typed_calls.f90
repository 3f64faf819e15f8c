!> Calls one model by every module that was generated for it and prints the sums of what it gives.
program typed_calls
  use, intrinsic :: iso_c_binding, only: c_bool
  use, intrinsic :: iso_fortran_env, only: int32, real32, real64
  use air_for_hosts, only: air_in_double, air_in_double_load
  use air_torch, only: air, air_load, air_plan
  use air32_torch, only: air32, air32_load
  use air_of_layers_torch, only: air_of_layers, air_of_layers_load
  use airwp_torch, only: airwp, airwp_load, airwp_plan
  use host_kinds, only: wp
  use radml_torch, only: radml_status, torch_model, torch_plan
  implicit none

  integer, parameter :: columns = 70, layers = 3
  type(torch_model) :: net
  type(torch_plan) :: plan
  real(real32) :: t32(columns, layers), flux32(columns, layers + 1), ps32(columns)
  real(real64) :: t64(columns, layers), flux64(columns, layers + 1), twice(2*columns, layers), total
  real(real64) :: t_of_layers(layers, columns), flux_of_layers(layers + 1, columns)
  real(wp), target :: ps(columns), flux(columns, layers + 1), t(columns, layers)
  logical(c_bool) :: land(columns)
  integer(int32) :: month
  character(len=:), allocatable :: message
  real(real32) :: total32
  integer :: i, j, stat

  do j = 1, layers
    do i = 1, columns
      t64(i, j) = i + 0.25_real64*j
    end do
  end do
  twice = -1.0_real64
  twice(1::2, :) = t64
  t32 = real(t64, real32)
  t = t64
  ps = [(0.5_wp*i, i=1, columns)]
  ps32 = real(ps, real32)
  land = [(logical(mod(i, 2) == 0, c_bool), i=1, columns)]
  month = 7_int32

  ! In the model's own kinds: single precision, but for the surface pressure and the total.
  call air_load(net, 'air.pt', device='cpu')
  call air(net, t32, ps, land, month, flux32, total)
  call show('model ', real(flux32, real64), total)

  ! Bound once, and run on new values.
  t = 0.0_wp
  flux32 = 0.0_real32
  call air_plan(plan, net, t32, ps, land, month, flux32, total, stat=stat)
  if (stat /= 0) error stop 'air_plan failed'
  call plan%run()
  call show('plan  ', real(flux32, real64), total)
  t = t64

  call air32_load(net, 'air.pt', stat=stat, errmsg=message)
  if (stat /= 0) error stop message
  call air32(net, t32, ps32, land, month, flux32, total32)
  call show('real32', real(flux32, real64), real(total32, real64))

  ! A section, and blocks of columns on two threads.
  call air_in_double_load(net, 'air.pt')
  flux64 = 0.0_real64
  call air_in_double(net, twice(1::2, :), ps, land, month, flux64, total, columns_per_block=32, threads=2, stat=stat, &
    errmsg=message)
  if (stat == 0) error stop 'an output that is not shared out must be refused in blocks'
  print '(a)', message
  call air_in_double(net, twice(1::2, :), ps, land, month, flux64, total)
  call show('real64', flux64, total)

  ! Of a host whose layers come first.
  call air_of_layers_load(net, 'air.pt')
  t_of_layers = transpose(t64)
  call air_of_layers(net, t_of_layers, ps, land, month, flux_of_layers, total)
  call show('layers', transpose(flux_of_layers), total)

  call airwp_load(net, 'air.pt')
  call airwp(net, t, ps, land, month, flux, total)
  call show('host  ', real(flux, real64), total)
  call airwp_plan(plan, net, t, ps, land, month, flux, total)
  call plan%run()
  call show('bound ', real(flux, real64), total)

  ! What the compiler cannot see is told when it runs.
  call air(net, t32(:, :2), ps, land, month, flux32, total, stat, message)
  print '(i0, 1x, a)', stat, message
  if (stat /= radml_status%wrong_shape) error stop 'expected wrong_shape'

  ! Files of other models.
  call air_load(net, 'order.pt', stat=stat, errmsg=message)
  print '(i0, 1x, a)', stat, message
  if (net%loaded()) error stop 'a model that was refused must be freed'
  call air_load(net, 'turned.pt', stat=stat, errmsg=message)
  print '(i0, 1x, a)', stat, message
  call air_load(net, 'bare.pt', stat=stat, errmsg=message)
  print '(i0, 1x, a)', stat, message
  call air_load(net, 'fewer.pt', stat=stat, errmsg=message)
  print '(i0, 1x, a)', stat, message
  call air_load(net, 'absent.pt', stat=stat, errmsg=message)
  print '(i0, 1x, a)', stat, message
  call air_load(net, 'order.pt')
  print '(a)', 'went on'

contains

  subroutine show(what, values, sum_of_all)
    character(len=*), intent(in) :: what
    real(real64), intent(in) :: values(:, :), sum_of_all

    print '(a, 3f14.4)', what, sum(values), values(columns, layers + 1), sum_of_all
  end subroutine show

end program typed_calls
