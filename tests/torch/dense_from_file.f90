!> Runs dense.pt on numbers of a file and writes the results to another, bit for bit: what the Python module is compared with.
!> Arguments: folder of the test models, file with x(203,24), table(24) (real32) and scale (real64), file to write.
program dense_from_file
  use, intrinsic :: iso_fortran_env, only: real32, real64
  use radml_torch, only: torch_in, torch_model, torch_out, torch_plan, torch_set_num_threads
  use torch_checks, only: model_path
  implicit none

  integer, parameter :: n = 203
  type(torch_model) :: net
  type(torch_plan) :: plan
  real(real32), target :: x(n, 24), table(24), y(n, 31)
  real(real64), target :: scale, total(n)
  character(len=1000) :: source, target
  integer :: unit

  call get_command_argument(2, source)
  call get_command_argument(3, target)
  open (newunit=unit, file=trim(source), access='stream', form='unformatted', status='old', action='read')
  read (unit) x, table, scale
  close (unit)
  call torch_set_num_threads(1)
  call net%load(model_path('dense.pt'))
  open (newunit=unit, file=trim(target), access='stream', form='unformatted', status='replace', action='write')

  call net%forward([torch_in(x), torch_in(table), torch_in(scale)], [torch_out(y), torch_out(total)])
  write (unit) y, total

  call net%forward([torch_in(x), torch_in(table), torch_in(scale)], [torch_out(y), torch_out(total)], &
    column_dimension=1, columns_per_block=16, threads=3)
  write (unit) y, total

  ! Every other column backwards, into every other column.
  y = 0.0_real32
  total = 0.0_real64
  call net%forward([torch_in(x(n:1:-2, :)), torch_in(table), torch_in(scale)], [torch_out(y(1:n:2, :)), torch_out(total(n:1:-2))])
  write (unit) y, total

  call plan%create(net, [torch_in(x), torch_in(table), torch_in(scale)], [torch_out(y), torch_out(total)], &
    column_dimension=1, columns_per_block=32, threads=2)
  x = 0.5_real32*x
  call plan%run()
  write (unit) y, total
  close (unit)
end program dense_from_file
