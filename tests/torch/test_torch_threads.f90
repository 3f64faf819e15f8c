!> Threads: one model run by many at once, results the same to the last bit, the host's own threads left alone.
!> The argument is the folder of the test models.
program test_torch_threads
  !$ use omp_lib, only: omp_get_max_threads, omp_set_num_threads
  use, intrinsic :: iso_fortran_env, only: real32
  use radml_torch, only: torch_array, torch_get_num_threads, torch_in, torch_model, torch_out, torch_set_num_threads
  use torch_checks, only: check, finish, model_path
  implicit none

  integer, parameter :: columns = 32, channels = 4, layers = 60, calls = 200
  real(real32), allocatable :: x(:, :, :, :), expected(:, :, :, :), y(:, :, :, :)
  integer :: stats(calls), repeats, i
  type(torch_model) :: net

  allocate (x(columns, channels, layers, calls), expected(columns, 2, layers, calls), y(columns, 2, layers, calls))
  call random_number(x)
  call torch_set_num_threads(1)
  call net%load(model_path('convolution.pt'))
  do i = 1, calls
    call net%forward([torch_in(x(:, :, :, i))], [torch_out(expected(:, :, :, i))])
  end do
  call check(any(expected /= 0.0_real32), 'a convolutional network gives results')
  call check(abs(sum(expected(:, :, :, 1)) - sum(expected(:, :, :, 2))) > 0.0_real32, '... which depend on the input')

  call same_as_in_python()

  do repeats = 1, 3
    y = 0.0_real32
    stats = -1
    !$omp parallel do schedule(dynamic) num_threads(8)
    do i = 1, calls
      call net%forward([torch_in(x(:, :, :, i))], [torch_out(y(:, :, :, i))], stat=stats(i))
    end do
    call check(all(stats == 0), 'eight threads run one model at once')
    call check(all(y == expected), '... and every result is that of one thread, to the last bit')
  end do

  call first_calls_at_once()
  call same_result_every_time()
  call frees_under_way()
  call host_threads()
  deallocate (x, expected, y) ! variables of a program are not freed at its end
  call finish()

contains

  subroutine same_as_in_python()
    real(real32) :: given(7, channels, layers), result(7, 2, layers), right(7, 2, layers)
    type(torch_model) :: constant

    call constant%load(model_path('convolution_input.pt'))
    call constant%forward([torch_array ::], [torch_out(given)])
    call constant%load(model_path('convolution_output.pt'))
    call constant%forward([torch_array ::], [torch_out(right)])
    call net%forward([torch_in(given)], [torch_out(result)])
    call check(maxval(abs(result - right)) < 1.0e-5_real32 * maxval(abs(right)), &
      'a network saved in training mode gives the results of PyTorch''s evaluation mode')
  end subroutine same_as_in_python

  !> The first forward compiles the model: several threads that come first at once must wait for it, or do it each.
  subroutine first_calls_at_once()
    type(torch_model) :: fresh
    integer :: round
    logical :: right

    right = .true.
    do round = 1, 10
      call fresh%load(model_path('convolution.pt'))
      y = 0.0_real32
      !$omp parallel do schedule(static, 1) num_threads(8)
      do i = 1, 8
        call fresh%forward([torch_in(x(:, :, :, i))], [torch_out(y(:, :, :, i))], stat=stats(i))
      end do
      right = right .and. all(stats(1:8) == 0) .and. all(y(:, :, :, 1:8) == expected(:, :, :, 1:8))
    end do
    call check(right, 'the first calls of a model may come from eight threads at once')
  end subroutine first_calls_at_once

  subroutine same_result_every_time()
    type(torch_model) :: fresh
    integer :: round
    logical :: right

    call fresh%load(model_path('convolution.pt'))
    right = .true.
    do round = 1, 5
      call fresh%forward([torch_in(x(:, :, :, 1))], [torch_out(y(:, :, :, 1))])
      right = right .and. all(y(:, :, :, 1) == expected(:, :, :, 1))
    end do
    call check(right, 'the first, second and fifth result of a model are the same to the last bit')
  end subroutine same_result_every_time

  !> A model that is freed while others run it: their calls end well or are told that it is gone.
  subroutine frees_under_way()
    type(torch_model) :: shared, copies(8)
    logical :: right

    call shared%load(model_path('convolution.pt'))
    do i = 1, 8
      copies(i) = shared
    end do
    call shared%free()
    stats = -1
    !$omp parallel do schedule(static, 1) num_threads(8)
    do i = 1, 8
      call copies(i)%forward([torch_in(x(:, :, :, i))], [torch_out(y(:, :, :, i))], stat=stats(i))
      call copies(i)%free()
    end do
    right = all(stats(1:8) == 0) .and. all(y(:, :, :, 1:8) == expected(:, :, :, 1:8))
    call check(right, 'threads that share a model may free their own hold on it while others still run it')
  end subroutine frees_under_way

  subroutine host_threads()
    integer :: before, after

    before = 1
    after = 1
    call torch_set_num_threads(1)
    !$ call omp_set_num_threads(5)
    !$ before = omp_get_max_threads()
    call net%forward([torch_in(x(:, :, :, 1))], [torch_out(y(:, :, :, 1))])
    call torch_set_num_threads(2)
    call net%forward([torch_in(x(:, :, :, 1))], [torch_out(y(:, :, :, 1))])
    !$ after = omp_get_max_threads()
    call check(before == after, 'the threads of the host''s own OpenMP regions stay as many as they were')
    call check(torch_get_num_threads() == 2, 'LibTorch keeps the number of threads it was given')
    call check(all(y(:, :, :, 1) == expected(:, :, :, 1)), 'two threads inside a forward give the result of one')
  end subroutine host_threads

end program test_torch_threads
