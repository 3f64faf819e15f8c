!> Turbulent mixing near the ground: implicit diffusion of dry static energy and of water vapour.
!!
!! The diffusivity is that of a neutral layer of fixed depth, kappa u* z (1 - z/h)^2 (O'Brien 1970), less in stable air. What one
!! layer loses another gains.
module boundary_layer
  use, intrinsic :: iso_fortran_env, only: real64
  use physical_constants, only: dry_air_gas_constant, dry_air_heat_capacity, gravity
  implicit none
  private

  public :: mix_boundary_layer

  real(real64), parameter :: depth = 1200.0_real64              ! m
  real(real64), parameter :: friction_velocity = 0.3_real64     ! m s-1
  real(real64), parameter :: von_karman = 0.4_real64
  real(real64), parameter :: stable = 1.0e-4_real64             ! s-2: squared frequency at which stable air mixes half as much

contains

  !> One time step of a column.
  pure subroutine mix_boundary_layer(time_step, pressure_level, pressure, temperature, mixing_ratio)
    real(real64), intent(in) :: time_step          !! [s] ()
    real(real64), intent(in) :: pressure_level(:)  !! top down [Pa] (nlay+1)
    real(real64), intent(in) :: pressure(:)        !! of layers [Pa] (nlay)
    real(real64), intent(inout) :: temperature(:)  !! [K] (nlay)
    real(real64), intent(inout) :: mixing_ratio(:) !! of vapour [kg kg-1] (nlay)

    real(real64), dimension(size(pressure)) :: height, energy, mass, exchange
    real(real64) :: bottom, middle, thickness, frequency
    integer :: k, n, top

    n = size(pressure)
    bottom = 0.0_real64
    top = n
    do k = n, 1, -1
      mass(k) = (pressure_level(k + 1) - pressure_level(k))/gravity
      thickness = mass(k)*dry_air_gas_constant*temperature(k)/pressure(k)
      height(k) = bottom + 0.5_real64*thickness
      energy(k) = dry_air_heat_capacity*temperature(k) + gravity*height(k)
      top = k
      if (bottom > depth) exit
      bottom = bottom + thickness
    end do
    if (top == n) return

    ! exchange(k) [kg m-2] in the time step, with the layer below.
    do k = top, n - 1
      middle = min(0.5_real64*(height(k) + height(k + 1)), depth)
      thickness = height(k) - height(k + 1)
      frequency = max(gravity*(energy(k) - energy(k + 1))/(dry_air_heat_capacity*temperature(k)*thickness), 0.0_real64)
      exchange(k) = time_step*von_karman*friction_velocity*middle*(1.0_real64 - middle/depth)**2 &
                    *pressure_level(k + 1)/(dry_air_gas_constant*temperature(k)*thickness)/(1.0_real64 + frequency/stable)
    end do

    ! Elimination downwards, substitution upwards; deviations from the start, so that what is uniform stays so to the last bit.
    call diffuse(energy)
    call diffuse(mixing_ratio)
    do k = top, n
      temperature(k) = (energy(k) - gravity*height(k))/dry_air_heat_capacity
    end do

  contains

    pure subroutine diffuse(values)
      real(real64), intent(inout) :: values(:)
      real(real64), dimension(size(values)) :: change, factor
      real(real64) :: gain, divisor
      integer :: k
      do k = top, n
        gain = 0.0_real64
        divisor = mass(k)
        if (k > top) then
          gain = gain + exchange(k - 1)*(values(k - 1) - values(k) + change(k - 1))
          divisor = divisor + exchange(k - 1)*(1.0_real64 - factor(k - 1))
        end if
        if (k < n) then
          gain = gain + exchange(k)*(values(k + 1) - values(k))
          divisor = divisor + exchange(k)
          factor(k) = exchange(k)/divisor
        end if
        change(k) = gain/divisor
      end do
      do k = n - 1, top, -1
        change(k) = change(k) + factor(k)*change(k + 1)
      end do
      values(top:n) = values(top:n) + change(top:n)
    end subroutine diffuse

  end subroutine mix_boundary_layer

end module boundary_layer
