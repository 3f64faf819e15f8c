!> A host whose own threads share blocks of columns: each thread calls the one loaded model.
program openmp
  use, intrinsic :: iso_fortran_env, only: error_unit, real64
  use omp_lib, only: omp_set_num_threads
  use radml_torch, only: radml_status, torch_in, torch_model, torch_out
  implicit none

  integer, parameter :: block_columns = 32, layers = 40, blocks = 50
  type(torch_model) :: net
  real(real64), dimension(block_columns, layers, blocks) :: temperature, vapour, pressure
  real(real64), dimension(block_columns, layers, blocks) :: by_one, by_four, condensed
  integer :: i, k

  do k = 1, layers
    pressure(:, k, :) = 2500.0_real64*k
    temperature(:, k, :) = 290.0_real64 - 75.0_real64*(1.0_real64 - real(k, real64)/layers)
    do i = 1, block_columns
      vapour(i, k, :) = 0.0005_real64*i*(real(k, real64)/layers)**3
    end do
  end do

  call net%load('condensation.pt')
  call omp_set_num_threads(1)
  call condense(by_one)
  call omp_set_num_threads(4)
  call condense(by_four)
  print '(a, f7.4, a)', 'warming of the lowest layer, mean ', sum(by_four(:, layers, :) - temperature(:, layers, :)) &
    /(block_columns*blocks), ' K'
  print '(a, i0, a, i0)', 'points that condensed ', count(condensed > 0), ' of ', size(condensed)
  print '(a, l1)', 'one and four threads give the same, to the last bit: ', all(by_one == by_four)

contains

  !> All blocks, by as many threads as OpenMP has.
  subroutine condense(warmed)
    real(real64), intent(inout) :: warmed(:, :, :) !! new temperature [K] (block_columns, layers, blocks)
    integer :: b, worst

    worst = radml_status%success
    !$omp parallel do default(shared) reduction(max: worst)
    do b = 1, blocks
      block   ! gfortran 12 compiles no private() with a variable of deferred length, so each thread has its own this way
        character(len=:), allocatable :: message
        integer :: stat
        call net%forward([torch_in(temperature(:, :, b)), torch_in(vapour(:, :, b)), torch_in(pressure(:, :, b))], &
          [torch_out(warmed(:, :, b)), torch_out(condensed(:, :, b))], stat=stat, errmsg=message)
        if (stat /= radml_status%success) write (error_unit, '(a, i0, 2a)') 'block ', b, ': ', message
        worst = max(worst, stat)
      end block
    end do
    if (worst /= radml_status%success) error stop 1   ! here, because none may leave the loop
  end subroutine condense
end program openmp
