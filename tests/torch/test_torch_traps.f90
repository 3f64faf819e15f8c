!> A host that traps invalid operations, divisions by zero and overflows runs models that do all three.
!> Built with -ffpe-trap by compilers that have it, and sets the traps itself anyhow. The argument is the folder of the models.
program test_torch_traps
  use, intrinsic :: ieee_arithmetic, only: ieee_is_finite, ieee_is_nan
  use, intrinsic :: ieee_exceptions, only: ieee_divide_by_zero, ieee_get_flag, ieee_get_halting_mode, ieee_invalid, &
    ieee_overflow, ieee_set_halting_mode
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_torch, only: radml_status, torch_in, torch_model, torch_out, torch_plan, torch_set_num_threads
  use torch_checks, only: check, finish, model_path
  implicit none

  integer, parameter :: n = 400000 ! enough for LibTorch to share out the work among its threads
  real(real64), allocatable, target :: x(:), nan(:), infinity(:), overflow(:)
  real(real64) :: sums(4)
  logical :: halting(3), flags(3), workers(4)
  type(torch_model) :: net
  integer :: i, threads, stat, stats(4)

  call ieee_set_halting_mode(ieee_invalid, .true.)
  call ieee_set_halting_mode(ieee_divide_by_zero, .true.)
  call ieee_set_halting_mode(ieee_overflow, .true.)
  allocate (x(n), nan(n), infinity(n), overflow(n))
  x = 1.0_real64

  ! Workers of the host, which in a GNU-compiled host become LibTorch's: these inherit the traps.
  sums = 0.0_real64
  !$omp parallel do num_threads(4)
  do i = 1, 4
    sums(i) = sum(x)
  end do
  call check(all(sums == n), 'the host has threads of its own that trap')

  call net%load(model_path('bad_arithmetic.pt'))
  do threads = 1, 4, 3
    call torch_set_num_threads(threads)
    nan = 0.0_real64
    infinity = 0.0_real64
    overflow = 0.0_real64
    call net%forward([torch_in(x)], [torch_out(nan), torch_out(infinity), torch_out(overflow)], stat=stat)
    call check(stat == radml_status%success, 'a model with bad arithmetic runs in a host that traps')
    call check(all(ieee_is_nan(nan)) .and. all(is_infinite(infinity)) .and. all(is_infinite(overflow)), &
      '... and its NaN and infinities arrive')
    call ieee_get_halting_mode(ieee_invalid, halting(1))
    call ieee_get_halting_mode(ieee_divide_by_zero, halting(2))
    call ieee_get_halting_mode(ieee_overflow, halting(3))
    call check(all(halting), 'the host traps as before after a call')
    call ieee_get_flag(ieee_invalid, flags(1))
    call ieee_get_flag(ieee_divide_by_zero, flags(2))
    call ieee_get_flag(ieee_overflow, flags(3))
    call check(.not. any(flags), 'no exception flag is left behind')
  end do

  ! Threads of the host that trap, each with a forward of its own.
  stats = -1
  !$omp parallel do num_threads(4) schedule(static, 1)
  do i = 1, 4
    call net%forward([torch_in(x(i:i))], [torch_out(nan(i:i)), torch_out(infinity(i:i)), torch_out(overflow(i:i))], stat=stats(i))
    call ieee_get_halting_mode(ieee_overflow, workers(i))
  end do
  call check(all(stats == radml_status%success), 'threads that trap run a model with bad arithmetic at once')
  call check(all(workers), '... and trap as before after it')

  call blocks()
  call net%load(model_path('nowhere.pt'), stat=stat)
  call ieee_get_halting_mode(ieee_invalid, halting(1))
  call check(stat == radml_status%missing_file .and. halting(1), 'the host traps as before after a call that fails')

  ! The host's workers trap again too: their environment was lent, not taken.
  !$omp parallel do num_threads(4) schedule(static, 1)
  do i = 1, 4
    call ieee_get_halting_mode(ieee_divide_by_zero, workers(i))
  end do
  call check(all(workers), 'the host''s workers trap as before after a call')
  deallocate (x, nan, infinity, overflow) ! variables of a program are not freed at its end
  call finish()

contains

  !> The library's threads are the host's: they must not trap while they compute, and must trap afterwards, those that the
  !> library was the first to need as well.
  subroutine blocks()
    integer, parameter :: threads = 6
    type(torch_plan) :: plan
    logical :: all_workers(threads)
    integer :: i, stat

    nan = 0.0_real64
    infinity = 0.0_real64
    overflow = 0.0_real64
    call net%forward([torch_in(x)], [torch_out(nan), torch_out(infinity), torch_out(overflow)], stat=stat, column_dimension=1, &
      columns_per_block=1024, threads=threads)
    call check(stat == radml_status%success .and. all(ieee_is_nan(nan)) .and. all(is_infinite(infinity)) &
      .and. all(is_infinite(overflow)), 'blocks with bad arithmetic run on six threads of a host that traps')
    nan = 0.0_real64
    call plan%create(net, [torch_in(x)], [torch_out(nan), torch_out(infinity), torch_out(overflow)], column_dimension=1, &
      columns_per_block=1024, threads=threads)
    call plan%run(stat=stat)
    call check(stat == radml_status%success .and. all(ieee_is_nan(nan)), '... in a plan too')
    all_workers = .false.
    !$omp parallel do num_threads(threads) schedule(static, 1)
    do i = 1, threads
      call ieee_get_halting_mode(ieee_invalid, all_workers(i))
    end do
    call check(all(all_workers), '... and all six trap as before after it')
  end subroutine blocks

  elemental function is_infinite(value) result(is)
    real(real64), intent(in) :: value
    logical :: is

    is = .not. ieee_is_finite(value) .and. .not. ieee_is_nan(value)
  end function is_infinite

end program test_torch_traps
