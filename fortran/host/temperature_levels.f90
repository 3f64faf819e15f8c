!> Temperatures at levels from those of layers.
module temperature_levels
  use, intrinsic :: iso_fortran_env, only: real64
  implicit none
  private

  public :: interpolate_to_levels

contains

  !> Between two layers linear in the logarithm of pressure; at the top that of the first layer; at the ground extrapolated from the
  !! two lowest layers.
  pure subroutine interpolate_to_levels(pressure_level, pressure_layer, temperature_layer, temperature_level)
    real(real64), intent(in) :: pressure_level(:, :)        !! pressure at levels, top down [Pa] (ncol, nlay+1)
    real(real64), intent(in) :: pressure_layer(:, :)        !! pressure of layers [Pa] (ncol, nlay)
    real(real64), intent(in) :: temperature_layer(:, :)     !! temperature of layers [K] (ncol, nlay)
    real(real64), intent(inout) :: temperature_level(:, :)  !! temperature at levels [K] (ncol, nlay+1)
    integer :: i, k, n

    n = size(pressure_layer, 2)
    temperature_level(:, 1) = temperature_layer(:, 1)
    ! Column by column, so that the odd column at the end of a vector is no exception.
    do i = 1, size(pressure_layer, 1)
      do k = 2, n
        temperature_level(i, k) = line(k, pressure_level(i, k), i)
      end do
      temperature_level(i, n + 1) = temperature_layer(i, n)
      if (n > 1) temperature_level(i, n + 1) = line(n, pressure_level(i, n + 1), i)
    end do

  contains

    !> The line through layers k-1 and k.
    pure function line(k, pressure, i) result(temperature)
      integer, intent(in) :: k, i
      real(real64), intent(in) :: pressure
      real(real64) :: temperature, weight
      weight = 0.5_real64
      if (pressure_layer(i, k) > pressure_layer(i, k - 1)) &
        weight = log(pressure/pressure_layer(i, k - 1))/log(pressure_layer(i, k)/pressure_layer(i, k - 1))
      temperature = temperature_layer(i, k - 1) + weight*(temperature_layer(i, k) - temperature_layer(i, k - 1))
    end function line

  end subroutine interpolate_to_levels

end module temperature_levels
