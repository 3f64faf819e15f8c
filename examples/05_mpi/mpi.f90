!> Each rank runs the model on its own columns; rank 0 gathers them and finds what it would have got alone.
program mpi
  use, intrinsic :: iso_fortran_env, only: real64
  use mpi_f08
  use radml_torch, only: torch_in, torch_model, torch_out, torch_set_num_threads
  implicit none

  integer, parameter :: columns = 1000, layers = 20
  type(torch_model) :: net
  real(real64), allocatable :: mine(:, :), gathered(:, :), alone(:, :)
  integer, allocatable :: counts(:), first(:)
  integer :: i, k, rank, ranks

  call MPI_Init()
  call MPI_Comm_rank(MPI_COMM_WORLD, rank)
  call MPI_Comm_size(MPI_COMM_WORLD, ranks)
  call torch_set_num_threads(1)   ! the ranks keep the cores busy already
  call net%load('diffusion.pt')   ! without `stat` a failure stops this rank, and with it the job

  ! Columns first(rank) + 1 to first(rank) + counts(rank) are this rank's.
  allocate (first(0:ranks - 1), source=[(i*columns/ranks, i = 0, ranks - 1)])
  allocate (counts(0:ranks - 1), source=[first(1:), columns] - first)
  allocate (mine, source=initial(first(rank) + 1, first(rank) + counts(rank)))
  allocate (gathered(columns, layers))
  call net%forward([torch_in(mine)], [torch_out(mine)], column_dimension=1, columns_per_block=64)
  do k = 1, layers
    call MPI_Gatherv(mine(:, k), size(mine, 1), MPI_DOUBLE_PRECISION, gathered(:, k), counts, first, MPI_DOUBLE_PRECISION, &
      0, MPI_COMM_WORLD)
  end do

  if (rank == 0) then
    allocate (alone, source=initial(1, columns))
    call net%forward([torch_in(alone)], [torch_out(alone)], column_dimension=1, columns_per_block=64)
    print '(a, i0)', 'ranks: ', ranks
    print '(a, 4f9.4)', 'layers 15 to 18 of column 1000: ', gathered(columns, 15:18)
    print '(a, l1)', 'as one rank alone, to the last bit: ', all(gathered == alone)
  end if
  call MPI_Finalize()

contains

  !> Warm air in the lowest layers, warmer from column to column.
  pure function initial(from, to) result(temperature)
    integer, intent(in) :: from, to !! the columns [1] (scalar)
    real(real64), allocatable :: temperature(:, :) !! [K] (from:to, layers)
    integer :: column

    allocate (temperature(from:to, layers), source=280.0_real64)
    do column = from, to
      temperature(column, 18:20) = 285.0_real64 + 0.01_real64*column
    end do
  end function initial
end program mpi
