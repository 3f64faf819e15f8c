!> Random numbers that are a function of what they are for, and not of how many were drawn before: so a run has the same weather
!! for any number of threads and ranks, and after a restart.
module random_numbers
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use physical_constants, only: pi
  implicit none
  private

  public :: normal_number, uniform_number

  integer(int64), parameter :: word = int(z'FFFFFFFF', int64)  ! arithmetic modulo 2^32

contains

  !> A number of the normal distribution with variance one.
  elemental function normal_number(seed, column, step, purpose) result(number)
    integer, intent(in) :: seed         !! [1] ()
    integer, intent(in) :: column       !! [1] ()
    integer, intent(in) :: step         !! [1] ()
    integer, intent(in) :: purpose      !! which of a step's numbers [1] ()
    real(real64) :: number              !! [1] ()
    integer(int64) :: state
    real(real64) :: first, second
    state = state_of(seed, column, step, purpose)
    first = fraction_of(state)
    second = fraction_of(mixed(ieor(state, int(z'9E3779B9', int64))))
    number = sqrt(-2.0_real64*log(first))*cos(2.0_real64*pi*second)  ! Box and Muller 1958
  end function normal_number

  !> A number between 0 and 1, neither of which it is.
  elemental function uniform_number(seed, column, step, purpose) result(number)
    integer, intent(in) :: seed         !! [1] ()
    integer, intent(in) :: column       !! [1] ()
    integer, intent(in) :: step         !! [1] ()
    integer, intent(in) :: purpose      !! which of a step's numbers [1] ()
    real(real64) :: number              !! [1] ()
    number = fraction_of(state_of(seed, column, step, purpose))
  end function uniform_number

  elemental function state_of(seed, column, step, purpose) result(state)
    integer, intent(in) :: seed, column, step, purpose
    integer(int64) :: state
    state = mixed(iand(int(seed, int64), word))
    state = mixed(ieor(state, iand(int(column, int64), word)))
    state = mixed(ieor(state, iand(int(step, int64), word)))
    state = mixed(ieor(state, iand(int(purpose, int64), word)))
  end function state_of

  elemental function fraction_of(state) result(number)
    integer(int64), intent(in) :: state
    real(real64) :: number
    number = (real(state, real64) + 0.5_real64)/4294967296.0_real64
  end function fraction_of

  !> A permutation of the words of 32 bits in which every bit changes every other (Wellons 2018, lowbias32).
  elemental function mixed(value) result(x)
    integer(int64), intent(in) :: value
    integer(int64) :: x
    x = iand(value + int(z'6D2B79F5', int64), word)
    x = product_of(ieor(x, ishft(x, -16)), int(z'7FEB352D', int64))
    x = product_of(ieor(x, ishft(x, -15)), int(z'846CA68B', int64))
    x = ieor(x, ishft(x, -16))
  end function mixed

  !> Modulo 2^32, in two halves: nothing overflows.
  elemental function product_of(x, factor) result(product)
    integer(int64), intent(in) :: x, factor
    integer(int64) :: product
    product = iand(x*iand(factor, int(z'FFFF', int64)) + ishft(iand(x*ishft(factor, -16), int(z'FFFF', int64)), 16), word)
  end function product_of

end module random_numbers
