!> Rows of coefficients, g-points contiguous, and their weighted sums: what both gas optics are made of.
!>
!> A row is padded with zeros to one or two chunks of `lanes` g-points, so that every inner loop has the same fixed length.
module radml_rrtmg_rows
  use, intrinsic :: iso_c_binding, only: c_intptr_t, c_loc
  use radml_rrtmg_kinds, only: wp
  implicit none
  private

  integer, parameter, public :: cache_line = 512/storage_size(1.0_wp) !! elements of a cache line
  integer, parameter, public :: lanes = 8 !! g-points of a chunk: a vector of 512 bits in real64, of 256 in real32

  public :: align, append, first_aligned, sum_long_pair, sum_long_rows, sum_short_pair, sum_short_rows

contains

  !> First element that lies at the beginning of a cache line of 64 bytes; the array has room for a `cache_line` more.
  function first_aligned(array) result(first)
    real(wp), target, contiguous, intent(in) :: array(:) !! array [any] (element)
    integer :: first                                     !! element [1]
    integer(c_intptr_t) :: address

    address = transfer(c_loc(array(1)), address)
    first = 1 + int(modulo(-address, 64_c_intptr_t))*cache_line/64
  end function first_aligned

  !> Put rows behind the rows there are.
  subroutine append(pool, rows)
    real(wp), allocatable, intent(inout) :: pool(:,:) !! rows so far [any] (chunks*lanes, row)
    real(wp), intent(in) :: rows(:,:)                 !! rows to add [any] (chunks*lanes, row)
    real(wp), allocatable :: longer(:,:)

    allocate (longer(size(pool, 1), size(pool, 2) + size(rows, 2)))
    longer(:, :size(pool, 2)) = pool
    longer(:, size(pool, 2) + 1:) = rows
    call move_alloc(longer, pool)
  end subroutine append

  !> Rows one behind the other, the first at the beginning of a cache line, and a row of zeros: a band that absorbs nothing has no
  !> row, but reads the first, with no weight. Nothing times what memory happens to hold there need not be nothing.
  subroutine align(rows, flat, first)
    real(wp), intent(in) :: rows(:,:)                !! rows [any] (chunks*lanes, row)
    real(wp), allocatable, intent(inout) :: flat(:)  !! the same and some room [any] (element)
    integer, intent(out) :: first                    !! where they begin [1]

    allocate (flat(size(rows) + size(rows, 1) + cache_line), source=0.0_wp)
    first = first_aligned(flat)
    flat(first:first + size(rows) - 1) = reshape(rows, [size(rows)])
  end subroutine align

  !> Weighted sum of table rows, for a band of one chunk.
  pure subroutine sum_short_rows(n, row, weight, table, total)
    integer, intent(in) :: n                     !! rows, a multiple of four, not zero [1]
    integer, intent(in) :: row(n)                !! rows [1] (row)
    real(wp), intent(in) :: weight(n)            !! weights [1e20 cm-2] (row)
    real(wp), intent(in) :: table(lanes, *)      !! table [1e-20 cm2] (g-point, row)
    real(wp), intent(inout) :: total(lanes)      !! sum [1] (g-point)
    integer :: g, i

    if (n == 4) then
      !$omp simd
      do g = 1, lanes
        total(g) = (weight(1)*table(g, row(1)) + weight(2)*table(g, row(2))) &
                   + (weight(3)*table(g, row(3)) + weight(4)*table(g, row(4)))
      end do
      return
    end if
    do i = 1, n - 7, 8
      if (i == 1) then ! the branch also keeps compilers from making vectors along `i`
        !$omp simd
        do g = 1, lanes
          total(g) = ((weight(i)*table(g, row(i)) + weight(i + 1)*table(g, row(i + 1))) &
                     + (weight(i + 2)*table(g, row(i + 2)) + weight(i + 3)*table(g, row(i + 3)))) &
                    + ((weight(i + 4)*table(g, row(i + 4)) + weight(i + 5)*table(g, row(i + 5))) &
                       + (weight(i + 6)*table(g, row(i + 6)) + weight(i + 7)*table(g, row(i + 7))))
        end do
      else
        !$omp simd
        do g = 1, lanes
          total(g) = total(g) + (((weight(i)*table(g, row(i)) + weight(i + 1)*table(g, row(i + 1))) &
                                  + (weight(i + 2)*table(g, row(i + 2)) + weight(i + 3)*table(g, row(i + 3)))) &
                                 + ((weight(i + 4)*table(g, row(i + 4)) + weight(i + 5)*table(g, row(i + 5))) &
                                    + (weight(i + 6)*table(g, row(i + 6)) + weight(i + 7)*table(g, row(i + 7)))))
        end do
      end if
    end do
    if (mod(n, 8) == 0) return
    i = n - 3
    !$omp simd
    do g = 1, lanes
      total(g) = total(g) + ((weight(i)*table(g, row(i)) + weight(i + 1)*table(g, row(i + 1))) &
                             + (weight(i + 2)*table(g, row(i + 2)) + weight(i + 3)*table(g, row(i + 3))))
    end do
  end subroutine sum_short_rows

  !> Weighted sum of table rows, for a band of two chunks; the same for a compile-time length of twice as many g-points.
  pure subroutine sum_long_rows(n, row, weight, table, total)
    integer, intent(in) :: n                     !! rows, a multiple of four, not zero [1]
    integer, intent(in) :: row(n)                !! rows [1] (row)
    real(wp), intent(in) :: weight(n)            !! weights [1e20 cm-2] (row)
    real(wp), intent(in) :: table(2*lanes, *)    !! table [1e-20 cm2] (g-point, row)
    real(wp), intent(inout) :: total(2*lanes)    !! sum [1] (g-point)
    integer :: g, i

    if (n == 4) then
      !$omp simd
      do g = 1, 2*lanes
        total(g) = (weight(1)*table(g, row(1)) + weight(2)*table(g, row(2))) &
                   + (weight(3)*table(g, row(3)) + weight(4)*table(g, row(4)))
      end do
      return
    end if
    do i = 1, n - 7, 8
      if (i == 1) then ! the branch also keeps compilers from making vectors along `i`
        !$omp simd
        do g = 1, 2*lanes
          total(g) = ((weight(i)*table(g, row(i)) + weight(i + 1)*table(g, row(i + 1))) &
                     + (weight(i + 2)*table(g, row(i + 2)) + weight(i + 3)*table(g, row(i + 3)))) &
                    + ((weight(i + 4)*table(g, row(i + 4)) + weight(i + 5)*table(g, row(i + 5))) &
                       + (weight(i + 6)*table(g, row(i + 6)) + weight(i + 7)*table(g, row(i + 7))))
        end do
      else
        !$omp simd
        do g = 1, 2*lanes
          total(g) = total(g) + (((weight(i)*table(g, row(i)) + weight(i + 1)*table(g, row(i + 1))) &
                                  + (weight(i + 2)*table(g, row(i + 2)) + weight(i + 3)*table(g, row(i + 3)))) &
                                 + ((weight(i + 4)*table(g, row(i + 4)) + weight(i + 5)*table(g, row(i + 5))) &
                                    + (weight(i + 6)*table(g, row(i + 6)) + weight(i + 7)*table(g, row(i + 7)))))
        end do
      end if
    end do
    if (mod(n, 8) == 0) return
    i = n - 3
    !$omp simd
    do g = 1, 2*lanes
      total(g) = total(g) + ((weight(i)*table(g, row(i)) + weight(i + 1)*table(g, row(i + 1))) &
                             + (weight(i + 2)*table(g, row(i + 2)) + weight(i + 3)*table(g, row(i + 3))))
    end do
  end subroutine sum_long_rows

  !> Weighted sum of two table rows, for a band of one chunk.
  pure subroutine sum_short_pair(row, weight, table, total)
    integer, intent(in) :: row(2)                !! rows [1] (row)
    real(wp), intent(in) :: weight(2)            !! weights [1e20 cm-2] (row)
    real(wp), intent(in) :: table(lanes, *)      !! table [1e-20 cm2] (g-point, row)
    real(wp), intent(inout) :: total(lanes)      !! sum [1] (g-point)
    integer :: g

    !$omp simd
    do g = 1, lanes
      total(g) = weight(1)*table(g, row(1)) + weight(2)*table(g, row(2))
    end do
  end subroutine sum_short_pair

  !> Weighted sum of two table rows, for a band of two chunks.
  pure subroutine sum_long_pair(row, weight, table, total)
    integer, intent(in) :: row(2)                !! rows [1] (row)
    real(wp), intent(in) :: weight(2)            !! weights [1e20 cm-2] (row)
    real(wp), intent(in) :: table(2*lanes, *)    !! table [1e-20 cm2] (g-point, row)
    real(wp), intent(inout) :: total(2*lanes)    !! sum [1] (g-point)
    integer :: g

    !$omp simd
    do g = 1, 2*lanes
      total(g) = weight(1)*table(g, row(1)) + weight(2)*table(g, row(2))
    end do
  end subroutine sum_long_pair
end module radml_rrtmg_rows
