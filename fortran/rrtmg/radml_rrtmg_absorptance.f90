!> What slabs absorb, 1 - exp(-x), to the last digits of the number itself and not of one: thin layers heat by it.
!>
!> A polynomial serves thickness x/2**doublings; a slab of twice the thickness absorbs a(2 - a), which loses no digits. No integer
!> arithmetic and no choice, so that any compiler makes vector code of it.
module radml_rrtmg_absorptance
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_kinds, only: wp
  implicit none
  private

  public :: absorb, absorb_with_mean

  ! The constants are for kernels that have a slab's absorption in the midst of other things.
  integer, parameter, public :: slabs = 16 !! slabs of a set: one vector register of real32, two of real64

  logical, parameter :: double = wp == real64
  !> Beyond this thickness a slab lets nothing through that could be told from nothing.
  real(wp), parameter, public :: thick = merge(37.0_wp, 17.0_wp, double)
  integer, parameter, public :: doublings = merge(5, 4, double)   !! from a slab of which the polynomial is [1]
  integer, parameter :: degree = merge(11, 6, double)
  real(wp), parameter, public :: part = 0.5_wp**doublings         !! that slab over the whole [1]

  ! (1 - exp(-y))/y for y from 0 to thick/2**doublings, interpolated at Chebyshev's nodes: relative errors 1e-16 and 5e-9.
  real(real64), parameter :: fine(0:11) = [ &
    0.999999999999999933_real64, -0.499999999999983306_real64, 0.166666666665977416_real64, -0.0416666666555083242_real64, &
    0.0083333332398762544_real64, -0.0013888884262261284_real64, 0.000198411242868554532_real64, -2.4798562042034919e-5_real64, &
    2.7515133739964091e-6_real64, -2.71649063186544947e-7_real64, 2.26914075675888545e-8_real64, -1.23212300550795482e-9_real64]
  real(real64), parameter :: coarse(0:6) = [ &
    0.999999996914303009_real64, -0.499999715032781619_real64, 0.166662347802933398_real64, -0.0416419646370106666_real64, &
    0.00826539835392403066_real64, -0.00129122389637511612_real64, 0.000125716675043645582_real64]
  !> Beyond the degree zero, so that one formula that is written out serves both and costs each its own.
  real(wp), parameter, public :: absorptance_coefficient(0:11) = real(merge(fine, [coarse, spread(0.0_real64, 1, 5)], double), wp)

contains

  !> Absorptances.
  pure subroutine absorb(n, thickness, absorbed)
    integer, intent(in) :: n                     !! sets of slabs [1]
    real(wp), intent(in) :: thickness(slabs, n)  !! optical thickness, not negative [1] (slab, set)
    real(wp), intent(inout) :: absorbed(slabs, n) !! 1 - exp(-thickness) [1] (slab, set)
    real(wp) :: y, a
    integer :: i, g, k

    do k = 1, n
      !$omp simd private(y, a, i)
      do g = 1, slabs
        y = min(thickness(g, k), thick)*part
        a = absorptance_coefficient(degree)
        do i = degree - 1, 0, -1
          a = a*y + absorptance_coefficient(i)
        end do
        a = a*y
        do i = 1, doublings
          a = a*(2 - a)
        end do
        absorbed(g, k) = a
      end do
    end do
  end subroutine absorb

  !> The same, and the absorptance over the thickness, for slabs that are not thicker than `thick`.
  pure subroutine absorb_with_mean(n, thickness, absorbed, mean)
    integer, intent(in) :: n                     !! sets of slabs [1]
    real(wp), intent(in) :: thickness(slabs, n)  !! optical thickness, not negative [1] (slab, set)
    real(wp), intent(inout) :: absorbed(slabs, n) !! 1 - exp(-thickness) [1] (slab, set)
    real(wp), intent(inout) :: mean(slabs, n)    !! that over the thickness, 1 where it is zero [1] (slab, set)
    real(wp) :: y, a, q, rest
    integer :: i, g, k

    do k = 1, n
      !$omp simd private(y, a, q, rest, i)
      do g = 1, slabs
        y = min(thickness(g, k), thick)*part
        q = absorptance_coefficient(degree)
        do i = degree - 1, 0, -1
          q = q*y + absorptance_coefficient(i)
        end do
        a = q*y
        q = q*part
        do i = 1, doublings
          rest = 2 - a
          a = a*rest
          q = q*rest
        end do
        absorbed(g, k) = a
        mean(g, k) = q
      end do
    end do
  end subroutine absorb_with_mean
end module radml_rrtmg_absorptance
