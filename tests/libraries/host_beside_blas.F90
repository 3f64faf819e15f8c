!> A host with a BLAS of its own beside LibTorch: says whether its own matrix product and those of the model are right.
!> Arguments: the model of make_model.py; number of LibTorch's threads. With BLAS_INTEGER
!> int64 it calls a BLAS with 64-bit integers; without BLAS_INTEGER none.
program host_beside_blas
  use, intrinsic :: iso_fortran_env, only: error_unit, int32, int64, output_unit, real32, real64
  use radml_torch, only: torch_in, torch_model, torch_out, torch_set_num_threads
  implicit none

  integer, parameter :: n = 120, m = 64
  real(real64) :: x(n, m), w(m, m), right(n, m), y(n, m), z(n, m)
  real(real32) :: y32(n, m)
  character(len=1000) :: path, word
  character(len=:), allocatable :: message
  type(torch_model) :: net
  integer :: i, j, threads, stat, n_wrong
#ifdef BLAS_INTEGER
  integer, parameter :: blas_integer = BLAS_INTEGER
  interface
    subroutine dgemm(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
      import :: blas_integer, real64
      character, intent(in) :: transa, transb
      integer(blas_integer), intent(in) :: m, n, k, lda, ldb, ldc
      real(real64), intent(in) :: alpha, beta, a(lda, *), b(ldb, *)
      real(real64), intent(inout) :: c(ldc, *)
    end subroutine dgemm
  end interface
#endif

  call get_command_argument(1, path)
  call get_command_argument(2, word)
  read (word, *) threads
  do j = 1, m
    do i = 1, m
      w(i, j) = real(modulo(7*i + 3*j, 11) - 5, real64)
    end do
    do i = 1, n
      x(i, j) = real(modulo(5*i + j, 13) - 6, real64)
    end do
  end do
  do j = 1, m
    do i = 1, n
      right(i, j) = sum(x(i, :)*w(:, j)) ! small whole numbers: exact
    end do
  end do

#ifdef BLAS_INTEGER
  z = 0.0_real64
  call dgemm('N', 'N', int(n, blas_integer), int(m, blas_integer), int(m, blas_integer), 1.0_real64, x, &
    int(n, blas_integer), w, int(m, blas_integer), 0.0_real64, z, int(n, blas_integer))
  call say('host', all(abs(z - right) <= 0.0_real64))
#endif

  call torch_set_num_threads(threads)
  call net%load(trim(path))
  y = 0.0_real64
  y32 = 0.0_real32
  call net%forward([torch_in(x)], [torch_out(y), torch_out(y32)], stat=stat, errmsg=message)
  if (stat /= 0) write (error_unit, '(a)') message
  call say('model', stat == 0 .and. all(abs(y - right) <= 0.0_real64) .and. all(abs(y32 - right) <= 0.0_real64))

  n_wrong = 0
  !$omp parallel do num_threads(4) private(y, y32, stat) reduction(+: n_wrong)
  do i = 1, 200
    y = 0.0_real64
    call net%forward([torch_in(x)], [torch_out(y), torch_out(y32)], stat=stat)
    if (stat /= 0 .or. any(abs(y - right) > 0.0_real64)) n_wrong = n_wrong + 1
  end do
  call say('threads', n_wrong == 0)

  y = 0.0_real64
  call net%forward([torch_in(x)], [torch_out(y), torch_out(y32)], stat=stat, column_dimension=1, columns_per_block=32, threads=4)
  call say('blocks', stat == 0 .and. all(abs(y - right) <= 0.0_real64))

contains

  subroutine say(what, is_right)
    character(len=*), intent(in) :: what
    logical, intent(in) :: is_right

    write (output_unit, '(3a)') what, ' ', merge('right', 'wrong', is_right)
    flush (output_unit)
  end subroutine say

end program host_beside_blas
