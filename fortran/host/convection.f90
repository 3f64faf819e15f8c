!> Dry convective adjustment (Manabe and Strickler 1964): where potential temperature falls with height, the layers mix to one
!! potential temperature, and their enthalpy stays what it was.
!!
!! With the Exner function of layer k, e_k = (p_k / p_0)^kappa, and its mass m_k = dp_k / g, a run of layers that mixes gets
!! theta = sum(m_k T_k) / sum(m_k e_k), so that the sum of c_p m_k T_k is conserved. One walk down the column that merges a
!! layer into the run above it, as long as that is the colder one, ends in the stable profile: no iteration, no tolerance.
module convection
  use, intrinsic :: iso_fortran_env, only: real64
  use physical_constants, only: kappa, reference_pressure
  implicit none
  private

  public :: adjust_dry_convection, adjust_column

contains

  !> Mixes what is unstable in each column.
  pure subroutine adjust_dry_convection(pressure_level, pressure_layer, temperature_layer)
    real(real64), intent(in) :: pressure_level(:, :)        !! pressure at levels, top down [Pa] (ncol, nlay+1)
    real(real64), intent(in) :: pressure_layer(:, :)        !! pressure of layers [Pa] (ncol, nlay)
    real(real64), intent(inout) :: temperature_layer(:, :)  !! temperature of layers [K] (ncol, nlay)
    integer :: i
    do i = 1, size(temperature_layer, 1)
      call adjust_column(pressure_level(i, :), (pressure_layer(i, :)/reference_pressure)**kappa, temperature_layer(i, :))
    end do
  end subroutine adjust_dry_convection

  !> Mixes what is unstable in one column, and its water vapour too, where it is given.
  pure subroutine adjust_column(pressure_level, exner, temperature, mixing_ratio)
    real(real64), intent(in) :: pressure_level(:)             !! pressure at levels, top down [Pa] (nlay+1)
    real(real64), intent(in) :: exner(:)                      !! (p/p0)^kappa of layers [1] (nlay)
    real(real64), intent(inout) :: temperature(:)             !! of layers [K] (nlay)
    real(real64), intent(inout), optional :: mixing_ratio(:)  !! of water vapour [kg kg-1] (nlay)
    integer :: k, run, n_runs, n_layers, first
    integer :: first_layer(size(temperature))      ! of each run
    real(real64) :: heat(size(temperature))        ! sum of dp T of each run
    real(real64) :: capacity(size(temperature))    ! sum of dp e of each run
    real(real64) :: thickness(size(temperature))

    n_layers = size(temperature)
    n_runs = 0
    do k = 1, n_layers
      thickness(k) = pressure_level(k + 1) - pressure_level(k)
      n_runs = n_runs + 1
      first_layer(n_runs) = k
      heat(n_runs) = thickness(k)*temperature(k)
      capacity(n_runs) = thickness(k)*exner(k)
      do while (n_runs > 1)
        if (heat(n_runs)*capacity(n_runs - 1) <= heat(n_runs - 1)*capacity(n_runs)) exit  ! theta below <= theta above
        heat(n_runs - 1) = heat(n_runs - 1) + heat(n_runs)
        capacity(n_runs - 1) = capacity(n_runs - 1) + capacity(n_runs)
        n_runs = n_runs - 1
      end do
    end do
    do run = 1, n_runs
      first = first_layer(run)
      k = n_layers
      if (run < n_runs) k = first_layer(run + 1) - 1
      ! A layer that stays by itself keeps its temperature to the last bit.
      if (k == first) cycle
      temperature(first:k) = exner(first:k)*heat(run)/capacity(run)
      if (present(mixing_ratio)) &
        mixing_ratio(first:k) = sum(thickness(first:k)*mixing_ratio(first:k))/sum(thickness(first:k))
    end do
  end subroutine adjust_column

end module convection
