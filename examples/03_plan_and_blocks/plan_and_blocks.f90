!> A model bound to its arrays once and run in every time step, in blocks of columns on two threads.
program plan_and_blocks
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_torch, only: torch_in, torch_model, torch_out, torch_plan
  implicit none

  integer, parameter :: columns = 1000, layers = 20, steps = 4
  type(torch_model) :: net
  type(torch_plan) :: plan
  real(real64), allocatable, target :: temperature(:, :)
  real(real64), allocatable :: again(:, :)
  integer :: i, step

  ! Warm air in the lowest layers, warmer from column to column.
  allocate (temperature(columns, layers), source=280.0_real64)
  do i = 1, columns
    temperature(i, 18:20) = 285.0_real64 + 0.01_real64*i
  end do
  allocate (again, source=temperature)

  ! The state is updated in place. All checks are made here, none in the time steps.
  call net%load('diffusion.pt')
  call plan%create(net, [torch_in(temperature)], [torch_out(temperature)], column_dimension=1, columns_per_block=128, threads=2)
  do step = 1, steps
    call plan%run()
    print '(a, i0, a, 4f8.3, a, f8.3)', 'step ', step, ': layers 15 to 18 of column 1 ', temperature(1, 15:18), &
      ', mean of column 1000 ', sum(temperature(columns, :))/layers
  end do

  ! The same columns in other company: two calls with 300 and 700 of them.
  do step = 1, steps
    call net%forward([torch_in(again(:300, :))], [torch_out(again(:300, :))], column_dimension=1, columns_per_block=128)
    call net%forward([torch_in(again(301:, :))], [torch_out(again(301:, :))], column_dimension=1, columns_per_block=128)
  end do
  print '(a, l1)', 'two calls give the same, to the last bit: ', all(again == temperature)
end program plan_and_blocks
