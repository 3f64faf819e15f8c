!> Radiative transfer through one clear layer at all g-points: absorption and emission along the diffusivity angle.
!>
!> The source varies linearly in optical depth between the layer's mean and its levels (Clough et al. 1992). Radiances carry
!> the band's flux weight, so that a flux is their plain sum. No checks here: the front door has made them.
module radml_rrtmg_longwave_transfer
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave_tables, only: longwave_tables, n_lookup, n_packed, pade
  implicit none
  private

  public :: down_through_layer, down_through_layer_original, up_through_layer

  !> Below this optical depth series replace differences of nearly equal numbers.
  real(wp), parameter :: thin = 0.06_wp
  !> Beyond this optical depth transmittance is below 1e-20, the original's floor.
  real(wp), parameter :: thick = 46.0_wp

  ! exp(-x) = exp(-x/128)**128: seven squarings and a Taylor series about the middle of the range, good to 2e-12; no integer
  ! arithmetic, so that any compiler makes vector code of it.
  real(wp), parameter :: middle = 0.5_wp*thick/128
  real(wp), parameter :: c0 = exp(-middle)
  real(wp), parameter :: c1 = -c0, c2 = c0/2, c3 = -c0/6, c4 = c0/24, c5 = -c0/120, c6 = c0/720, c7 = -c0/5040, &
                         c8 = c0/40320, c9 = -c0/362880

contains

  !> Downward through a layer, with exact exponentials.
  pure subroutine down_through_layer(depth, source, to_top, to_bottom, radiance, absorptivity, emission_up, flux)
    real(wp), intent(in) :: depth(n_packed)           !! optical depth [1] (g-point)
    real(wp), intent(in) :: source(n_packed)          !! emission of the layer as a black body [W m-2] (g-point)
    real(wp), intent(in) :: to_top(n_packed)          !! its difference towards the upper level [W m-2] (g-point)
    real(wp), intent(in) :: to_bottom(n_packed)       !! its difference towards the lower level [W m-2] (g-point)
    real(wp), intent(inout) :: radiance(n_packed)     !! downward radiance [W m-2] (g-point)
    real(wp), intent(inout) :: absorptivity(n_packed) !! absorptivity of the layer [1] (g-point)
    real(wp), intent(inout) :: emission_up(n_packed)  !! effective black-body emission upwards [W m-2] (g-point)
    real(wp), intent(out) :: flux                     !! downward flux at the lower level [W m-2]
    real(wp) :: x, y, e, a, xs, towards
    integer :: g

    flux = 0
    !$omp simd private(x, y, e, a, xs, towards) reduction(+:flux)
    do g = 1, n_packed
      x = max(depth(g), 0.0_wp)
      xs = max(x, thin)
      y = min(xs, thick)*(1.0_wp/128) - middle
      e = c0 + y*(c1 + y*(c2 + y*(c3 + y*(c4 + y*(c5 + y*(c6 + y*(c7 + y*(c8 + y*c9))))))))
      e = e*e
      e = e*e
      e = e*e
      e = e*e
      e = e*e
      e = e*e
      e = e*e
      a = 1 - e
      towards = 1 - 2*(a - xs*e)/(xs*a)
      a = merge(x*(1 - x*(0.5_wp - x*(1.0_wp/6 - x*(1.0_wp/24 - x*(1.0_wp/120))))), a, x < thin)
      towards = merge(x*(1.0_wp/6 - x*x*(1.0_wp/360)), towards, x < thin)
      absorptivity(g) = a
      emission_up(g) = source(g) + towards*to_top(g)
      radiance(g) = radiance(g) + (source(g) + towards*to_bottom(g) - radiance(g))*a
      flux = flux + radiance(g)
    end do
  end subroutine down_through_layer

  !> The same with the original's transmittance table, for tests against it.
  pure subroutine down_through_layer_original(tables, depth, source, to_top, to_bottom, radiance, absorptivity, emission_up, flux)
    type(longwave_tables), intent(in) :: tables       !! coefficient tables
    real(wp), intent(in) :: depth(n_packed)           !! optical depth [1] (g-point)
    real(wp), intent(in) :: source(n_packed)          !! emission of the layer as a black body [W m-2] (g-point)
    real(wp), intent(in) :: to_top(n_packed)          !! its difference towards the upper level [W m-2] (g-point)
    real(wp), intent(in) :: to_bottom(n_packed)       !! its difference towards the lower level [W m-2] (g-point)
    real(wp), intent(inout) :: radiance(n_packed)     !! downward radiance [W m-2] (g-point)
    real(wp), intent(inout) :: absorptivity(n_packed) !! absorptivity of the layer [1] (g-point)
    real(wp), intent(inout) :: emission_up(n_packed)  !! effective black-body emission upwards [W m-2] (g-point)
    real(wp), intent(out) :: flux                     !! downward flux at the lower level [W m-2]
    real(wp) :: x, towards
    integer :: g, i

    flux = 0
    do g = 1, n_packed
      x = max(depth(g), 0.0_wp)
      if (x <= thin) then
        absorptivity(g) = x - 0.5_wp*x*x
        towards = x/6
      else
        i = int(n_lookup*(x/(real(1/pade, wp) + x)) + 0.5_wp)
        absorptivity(g) = 1 - tables%lookup_transmittance(i)
        towards = tables%lookup_source(i)
      end if
      emission_up(g) = source(g) + towards*to_top(g)
      radiance(g) = radiance(g) + (source(g) + towards*to_bottom(g) - radiance(g))*absorptivity(g)
      flux = flux + radiance(g)
    end do
  end subroutine down_through_layer_original

  !> Upward through a layer that `down_through_layer` has passed.
  pure subroutine up_through_layer(absorptivity, emission_up, radiance, flux)
    real(wp), intent(in) :: absorptivity(n_packed) !! absorptivity of the layer [1] (g-point)
    real(wp), intent(in) :: emission_up(n_packed)  !! effective black-body emission upwards [W m-2] (g-point)
    real(wp), intent(inout) :: radiance(n_packed)  !! upward radiance [W m-2] (g-point)
    real(wp), intent(out) :: flux                  !! upward flux at the upper level [W m-2]
    integer :: g

    flux = 0
    !$omp simd reduction(+:flux)
    do g = 1, n_packed
      radiance(g) = radiance(g) + (emission_up(g) - radiance(g))*absorptivity(g)
      flux = flux + radiance(g)
    end do
  end subroutine up_through_layer
end module radml_rrtmg_longwave_transfer
