!> Rows of coefficients: what a band without rows reads is zero, and its own.
program test_rrtmg_rows
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_rows, only: align, lanes, sum_long_rows, sum_short_rows
  implicit none

  integer, parameter :: nothing(4) = 1  ! the rows that a band without absorbers lists
  real(wp), allocatable :: flat(:)
  real(wp) :: short(lanes), long(2*lanes), rows(lanes, 3)
  integer :: chunks, first, i

  do chunks = 1, 2
    call align(reshape([real(wp) ::], [chunks*lanes, 0]), flat, first)
    call check(size(flat) >= first + chunks*lanes - 1, 'a table without rows has room for one')
    call check(maxval(abs(flat(first:first + chunks*lanes - 1))) <= 0, 'and that one is zero')
    if (chunks == 1) call sum_short_rows(4, nothing, spread(0.0_wp, 1, 4), flat(first), short)
    if (chunks == 2) call sum_long_rows(4, nothing, spread(0.0_wp, 1, 4), flat(first), long)
    deallocate (flat)
  end do
  call check(maxval(abs(short)) <= 0 .and. maxval(abs(long)) <= 0, 'a band without absorbers absorbs nothing')

  rows = reshape([(real(i, wp), i=1, size(rows))], shape(rows))
  call align(rows, flat, first)
  call sum_short_rows(4, [1, 2, 3, 3], [1.0_wp, 10.0_wp, 100.0_wp, 0.0_wp], flat(first), short)
  call check(maxval(abs(short - (rows(:, 1) + 10*rows(:, 2) + 100*rows(:, 3)))) < 1e-2_wp, 'rows are summed with their weights')
  print '(a)', 'rows: as expected'

contains

  subroutine check(condition, what)
    logical, intent(in) :: condition
    character(len=*), intent(in) :: what
    if (condition) return
    print '(a)', 'failed: '//what
    error stop 1
  end subroutine check

end program test_rrtmg_rows
