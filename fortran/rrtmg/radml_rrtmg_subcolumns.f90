!> Subcolumns for McICA (Pincus et al. 2003): each g-point sees a cloudy or a clear layer, so that on average over the
!> g-points every layer has its cloud fraction and layers overlap as asked (Räisänen et al. 2004).
!>
!> Random numbers come from Philox 4x32-10 (Salmon et al. 2011), a function of a counter and a key and of nothing else: the
!> counter is made of the g-point, the layer's place among those that draw and the spectrum, the key is the column's seed. So any
!> g-points of any column can be had alone, in any order, on any thread, and are the same; all arithmetic is that of whole
!> numbers, so that they are the same in any precision too.
!>
!> Each draw of a column is what McICA draws, but draws share out the range of a number between them, so that their mean has less
!> noise than that of independent ones: the first 2, 4, 8, ... draws are one in each half, quarter, eighth, ... of the range. They
!> are a lattice with a random shift (Cranley and Patterson 1976) and random odd generators, in van der Corput's order, so that a
!> draw does not depend on how many follow it.
module radml_rrtmg_subcolumns
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use radml_rrtmg_kinds, only: wp
  implicit none
  private

  public :: philox, plan_overlap, fill_points, fill_subcolumns, seed_of_column, seed_of_number

  !> How clouds of different layers overlap.
  integer, parameter, public :: rrtmg_overlap_maximum_random = 1 !! adjacent layers as much as they can, others at random
  integer, parameter, public :: rrtmg_overlap_random = 2         !! all layers at random
  integer, parameter, public :: rrtmg_overlap_maximum = 3        !! all layers as much as they can

  !> Spectra, which draw independent numbers.
  integer, parameter, public :: longwave_stream = 1, shortwave_stream = 2

  integer(int64), parameter :: word = 4294967295_int64 ! the 32 bits of a random number
  integer(int64), parameter :: whole = 4294967296_int64 ! one, of which a fraction is a part
  integer(int64), parameter :: odd = 1073741823_int64 ! bits of a generator that are kept, or its product would not fit
  integer, parameter :: lanes = 8 ! g-points in a vector

  !> What overlap asks of each layer, the same for all g-points of the column.
  type, public :: overlap_plan
    integer(int64), allocatable :: clear(:) !! clear part of the layer, times 2**32 (nlay)
    integer(int64), allocatable :: above(:) !! clear part of the layer above, where its clear g-points draw; -1: none draws (nlay)
    logical, allocatable :: cloudy(:)       !! whether the layer has cloud (nlay)
    integer :: top = 0                      !! uppermost layer with cloud, 0 if there is none [1]
  end type overlap_plan

contains

  !> Philox 4x32-10: four random words of 32 bits for each counter.
  pure subroutine philox(n, key, counter, random)
    integer, intent(in) :: n                         !! counters [1]
    integer(int64), intent(in) :: key(2)             !! two words of 32 bits [1]
    integer(int64), intent(in) :: counter(4)         !! the first counter, four words of 32 bits; the first word counts on [1]
    integer(int64), intent(out) :: random(n, 4)      !! random words of 32 bits [1] (counter, word)
    integer(int64) :: word1(n)
    integer :: i

    do i = 1, n
      word1(i) = iand(counter(1) + (i - 1), word)
    end do
    call philox_of(n, key, word1, counter(2:), random)
  end subroutine philox

  !> The same for counters whose first words are given.
  pure subroutine philox_of(n, key, word1, words, random)
    integer, intent(in) :: n                         !! counters [1]
    integer(int64), intent(in) :: key(2)             !! two words of 32 bits [1]
    integer(int64), intent(in) :: word1(n)           !! first words of the counters [1] (counter)
    integer(int64), intent(in) :: words(3)           !! the others, the same for all [1]
    integer(int64), intent(out) :: random(n, 4)      !! random words of 32 bits [1] (counter, word)
    integer(int64), parameter :: weyl(2) = [2654435769_int64, 3144134277_int64]
    integer(int64), dimension(lanes) :: a, b, c, d
    integer(int64) :: k(2)
    integer :: first, last, round

    do first = 1, n, lanes
      last = min(n, first + lanes - 1)
      a = 0
      a(:last - first + 1) = word1(first:last)
      b = words(1)
      c = words(2)
      d = words(3)
      k = key
      do round = 1, 10
        call mix(k, a, b, c, d)
        k = iand(k + weyl, word)
      end do
      random(first:last, 1) = a(:last - first + 1)
      random(first:last, 2) = b(:last - first + 1)
      random(first:last, 3) = c(:last - first + 1)
      random(first:last, 4) = d(:last - first + 1)
    end do
  end subroutine philox_of

  !> One round. A product of two words does not fit into a signed 64-bit number, so one factor is taken in halves.
  pure subroutine mix(k, a, b, c, d)
    integer(int64), intent(in) :: k(2)                           !! round key [1]
    integer(int64), dimension(lanes), intent(inout) :: a, b, c, d !! words [1] (lane)
    integer(int64), parameter :: high1 = 53841_int64, low1 = 8019_int64   ! halves of D2511F53
    integer(int64), parameter :: high2 = 52638_int64, low2 = 36183_int64  ! halves of CD9E8D57
    integer(int64), parameter :: half = 65535_int64
    integer(int64) :: p, q, upper1, lower1, upper2, lower2
    integer :: i

    !$omp simd private(p, q, upper1, lower1, upper2, lower2)
    do i = 1, lanes
      p = a(i)*high1
      q = a(i)*low1
      upper1 = shiftr(p + shiftr(q, 16), 16)
      lower1 = iand(shiftl(iand(p, half), 16) + q, word)
      p = c(i)*high2
      q = c(i)*low2
      upper2 = shiftr(p + shiftr(q, 16), 16)
      lower2 = iand(shiftl(iand(p, half), 16) + q, word)
      a(i) = ieor(ieor(upper2, b(i)), k(1))
      c(i) = ieor(ieor(upper1, d(i)), k(2))
      b(i) = lower2
      d(i) = lower1
    end do
  end subroutine mix

  !> What the cloud fractions of a column and the overlap ask of each layer.
  pure subroutine plan_overlap(n, fraction, overlap, plan)
    integer, intent(in) :: n                   !! layers [1]
    real(real64), intent(in) :: fraction(n)    !! cloud fraction, from the top down [1] (nlay)
    integer, intent(in) :: overlap             !! one of the constants `rrtmg_overlap_...` [1]
    type(overlap_plan), intent(inout) :: plan  !! what comes of it
    integer(int64) :: clear_above
    logical :: stale ! ranks of clear g-points tell which of them were cloudy higher up
    integer :: k

    if (allocated(plan%clear)) then
      if (size(plan%clear) /= n) deallocate (plan%clear, plan%above, plan%cloudy)
    end if
    if (.not. allocated(plan%clear)) allocate (plan%clear(n), plan%above(n), plan%cloudy(n))
    plan%top = 0
    clear_above = whole
    stale = .true.
    do k = 1, n
      plan%clear(k) = nint((1 - fraction(k))*real(whole, real64), int64)
      plan%cloudy(k) = plan%clear(k) < whole
      if (plan%top == 0 .and. plan%cloudy(k)) plan%top = k
      plan%above(k) = -1
      if (.not. plan%cloudy(k)) then
        if (overlap == rrtmg_overlap_maximum_random) clear_above = whole
        stale = .true.
        cycle
      end if
      select case (overlap)
      case (rrtmg_overlap_random)
        plan%above(k) = whole
      case (rrtmg_overlap_maximum)
        if (plan%top == k) plan%above(k) = whole
      case default
        ! Where cloud grows downwards the clear g-points draw anew, unless it has only grown since they last did: their ranks are
        ! uniform then as they are. Where it shrinks none of them can become cloudy.
        if (plan%clear(k) < clear_above) then
          if (stale) plan%above(k) = clear_above
          stale = .false.
        else if (plan%clear(k) > clear_above) then
          stale = .true.
        end if
        clear_above = plan%clear(k)
      end select
    end do
  end subroutine plan_overlap

  !> The subcolumns of some g-points: 1 where the g-point sees cloud, 0 elsewhere.
  pure subroutine fill_subcolumns(plan, n, key, draw, stream, first_point, points, cloudy)
    type(overlap_plan), intent(in) :: plan      !! of the column
    integer, intent(in) :: n                    !! layers [1]
    integer(int64), intent(in) :: key(2)        !! seed of the column, two words of 32 bits [1]
    integer, intent(in) :: draw                 !! number of the draw [1]
    integer, intent(in) :: stream               !! `longwave_stream`, `shortwave_stream` or another number [1]
    integer, intent(in) :: first_point          !! number of the first g-point [1]
    integer, intent(in) :: points               !! g-points [1]
    real(wp), intent(out) :: cloudy(points, n)  !! 1: cloudy, 0: clear [1] (g-point, nlay)
    integer :: i

    call fill_points(plan, n, key, draw, stream, points, [(first_point + i, i=0, points - 1)], cloudy)
  end subroutine fill_subcolumns

  !> The same for g-points in any order.
  pure subroutine fill_points(plan, n, key, draw, stream, points, point, cloudy)
    type(overlap_plan), intent(in) :: plan      !! of the column
    integer, intent(in) :: n                    !! layers [1]
    integer(int64), intent(in) :: key(2)        !! seed of the column, two words of 32 bits [1]
    integer, intent(in) :: draw                 !! number of the draw [1]
    integer, intent(in) :: stream               !! `longwave_stream`, `shortwave_stream` or another number [1]
    integer, intent(in) :: points               !! g-points [1]
    integer, intent(in) :: point(points)        !! their numbers, not negative [1] (g-point)
    real(wp), intent(out) :: cloudy(points, n)  !! 1: cloudy, 0: clear [1] (g-point, nlay)
    integer(int64), dimension(points, 4) :: random, generator
    integer(int64) :: rank(points), place
    integer :: k, g, drawn, which

    place = 0
    do k = 0, 31
      if (btest(draw - 1, k)) place = ibset(place, 31 - k)
    end do
    ! A g-point is cloudy where its rank, uniform between 0 and 2**32, is not within the clear part.
    rank = 0
    drawn = 0
    do k = 1, n
      if (.not. plan%cloudy(k)) then
        cloudy(:, k) = 0
        cycle
      end if
      if (plan%above(k) >= 0) then
        which = mod(drawn, 4) + 1
        if (which == 1) then
          call philox_of(points, key, int(point, int64), int([drawn/4, 1, stream], int64), random)
          if (draw > 1) then
            call philox_of(points, key, int(point, int64), int([drawn/4, 0, stream], int64), generator)
            random = iand(random + place*iand(ior(generator, 1_int64), odd), word)
          end if
        end if
        drawn = drawn + 1
        ! A fresh rank lies within the clear part above. Half of the number, or the product would not fit.
        do g = 1, points
          if (rank(g) < plan%above(k)) rank(g) = shiftr(shiftr(random(g, which), 1)*plan%above(k), 31)
        end do
      end if
      do g = 1, points
        cloudy(g, k) = merge(1.0_wp, 0.0_wp, rank(g) >= plan%clear(k))
      end do
    end do
  end subroutine fill_points

  !> The key of a column from a number that its host gives it.
  pure function seed_of_number(number) result(key)
    integer(int64), intent(in) :: number !! any number [1]
    integer(int64) :: key(2)

    key = [iand(number, word), shiftr(number, 32)]
  end function seed_of_number

  !> The key of a column from its own surface and lowest layers. Values are rounded, to 1 Pa and 0.01 K, so that a host
  !> in single precision draws, but for rounding at the edge, what one in double precision does.
  pure function seed_of_column(surface_pressure, surface_temperature, temperature) result(key)
    real(real64), intent(in) :: surface_pressure    !! [Pa]
    real(real64), intent(in) :: surface_temperature !! [K]
    real(real64), intent(in) :: temperature(:)      !! of some layers [K] (layer)
    integer(int64) :: key(2), random(1, 4), counter(4)
    integer :: i

    key = [nint(surface_pressure, int64), nint(100*surface_temperature, int64)]
    do i = 1, size(temperature)
      counter = [nint(100*temperature(i), int64), int(i, int64), 0_int64, 0_int64]
      call philox(1, key, counter, random)
      key = random(1, 1:2)
    end do
  end function seed_of_column
end module radml_rrtmg_subcolumns
