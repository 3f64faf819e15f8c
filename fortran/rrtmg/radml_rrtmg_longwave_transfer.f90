!> Radiative transfer through one band of one clear column: absorption and emission along the diffusivity angle.
!>
!> The source varies linearly in optical depth between the layer's mean and its levels (Clough et al. 1992). Radiances carry
!> the band's flux weight, so that a flux is their plain sum; that sum is kept by vector lane until all bands
!> are done. No checks here: the front door has made them.
module radml_rrtmg_longwave_transfer
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave_tables, only: lanes, longwave_tables, n_lookup, pade
  implicit none
  private

  public :: absorption_of, down_through_band, down_through_band_original, up_through_band

  !> Below this optical depth the original's series, tau - tau**2/2 and tau/6, replace differences of nearly equal numbers.
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

  !> Absorptivity and linear-in-tau weight of one chunk, with exact exponentials as in `down_through_band`.
  pure subroutine absorption_of(depth, absorptivity, towards)
    real(wp), intent(in) :: depth(lanes)          !! optical depth along the path [1] (lane)
    real(wp), intent(out) :: absorptivity(lanes)  !! [1] (lane)
    real(wp), intent(out) :: towards(lanes)       !! weight of the level in the source [1] (lane)
    real(wp) :: x, y, e, a, xs, weight
    integer :: g, i

    !$omp simd private(x, y, e, a, xs, weight)
    do g = 1, lanes
      x = depth(g)
      xs = max(x, thin)
      y = min(xs, thick)*(1.0_wp/128) - middle
      e = c0 + y*(c1 + y*(c2 + y*(c3 + y*(c4 + y*(c5 + y*(c6 + y*(c7 + y*(c8 + y*c9))))))))
      do i = 1, 7
        e = e*e
      end do
      a = 1 - e
      weight = 1 - 2*(a - xs*e)/(xs*a)
      absorptivity(g) = merge(x - 0.5_wp*x*x, a, x < thin)
      towards(g) = merge(x*(1.0_wp/6), weight, x < thin)
    end do
  end subroutine absorption_of

  !> Downward through all layers of a band, with exact exponentials.
  pure subroutine down_through_band(n, chunks, secant, depth, fraction, planck_layer, planck_level, absorptivity, emission_up, &
                                    radiance, down)
    integer, intent(in) :: n                                !! layers [1]
    integer, intent(in) :: chunks                           !! chunks of g-points of the band [1]
    real(wp), intent(in) :: secant                          !! secant of the diffusivity angle [1]
    real(wp), intent(inout) :: depth(lanes, chunks, n)      !! in: vertical optical depth [1]; out: Planck function of what layers
                                                            !! emit downwards [W cm-2 sr-1 cm] (g-point, nlay)
    real(wp), intent(in) :: fraction(lanes, chunks, n)      !! Planck fraction times flux weight (g-point, nlay)
    real(wp), intent(in) :: planck_layer(n)                 !! Planck function of layers [W cm-2 sr-1 cm] (nlay)
    real(wp), intent(in) :: planck_level(n + 1)             !! Planck function at levels [W cm-2 sr-1 cm] (nlay+1)
    real(wp), intent(inout) :: absorptivity(lanes, chunks, n) !! absorptivity of layers [1] (g-point, nlay)
    real(wp), intent(inout) :: emission_up(lanes, chunks, n) !! their black-body emission upwards [W m-2] (g-point, nlay)
    real(wp), intent(inout) :: radiance(lanes, chunks)      !! downward radiance at the surface [W m-2] (g-point)
    real(wp), intent(inout) :: down(lanes, n + 1)           !! downward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp) :: x, y, e, a, xs, towards, source, r(lanes)
    integer :: c, g, k

    do c = 1, chunks
      r = 0
      do k = 1, n
        !$omp simd private(x, y, e, a, xs, towards, source)
        do g = 1, lanes
          x = secant*max(depth(g, c, k), 0.0_wp)
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
          a = merge(x - 0.5_wp*x*x, a, x < thin)
          towards = merge(x*(1.0_wp/6), towards, x < thin)
          source = planck_layer(k) + towards*(planck_level(k + 1) - planck_layer(k))
          depth(g, c, k) = source
          absorptivity(g, c, k) = a
          emission_up(g, c, k) = fraction(g, c, k)*(planck_layer(k) + towards*(planck_level(k) - planck_layer(k)))
          r(g) = r(g) + (fraction(g, c, k)*source - r(g))*a
          down(g, k + 1) = down(g, k + 1) + r(g)
        end do
      end do
      radiance(:, c) = r
    end do
  end subroutine down_through_band

  !> The same with the original's transmittance table, for tests against it.
  pure subroutine down_through_band_original(tables, n, chunks, secant, depth, fraction, planck_layer, planck_level, absorptivity, &
                                             emission_up, radiance, down)
    type(longwave_tables), intent(in) :: tables             !! coefficient tables
    integer, intent(in) :: n                                !! layers [1]
    integer, intent(in) :: chunks                           !! chunks of g-points of the band [1]
    real(wp), intent(in) :: secant                          !! secant of the diffusivity angle [1]
    real(wp), intent(inout) :: depth(lanes, chunks, n)      !! in: vertical optical depth [1]; out: Planck function of what layers
                                                            !! emit downwards [W cm-2 sr-1 cm] (g-point, nlay)
    real(wp), intent(in) :: fraction(lanes, chunks, n)      !! Planck fraction times flux weight (g-point, nlay)
    real(wp), intent(in) :: planck_layer(n)                 !! Planck function of layers [W cm-2 sr-1 cm] (nlay)
    real(wp), intent(in) :: planck_level(n + 1)             !! Planck function at levels [W cm-2 sr-1 cm] (nlay+1)
    real(wp), intent(inout) :: absorptivity(lanes, chunks, n) !! absorptivity of layers [1] (g-point, nlay)
    real(wp), intent(inout) :: emission_up(lanes, chunks, n) !! their black-body emission upwards [W m-2] (g-point, nlay)
    real(wp), intent(inout) :: radiance(lanes, chunks)      !! downward radiance at the surface [W m-2] (g-point)
    real(wp), intent(inout) :: down(lanes, n + 1)           !! downward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp) :: x, towards
    integer :: c, g, k, i

    radiance = 0
    do k = 1, n
      do c = 1, chunks
        do g = 1, lanes
          x = secant*max(depth(g, c, k), 0.0_wp)
          if (x <= thin) then
            absorptivity(g, c, k) = x - 0.5_wp*x*x
            towards = x/6
          else
            i = int(n_lookup*(x/(real(1/pade, wp) + x)) + 0.5_wp)
            absorptivity(g, c, k) = 1 - tables%lookup_transmittance(i)
            towards = tables%lookup_source(i)
          end if
          emission_up(g, c, k) = fraction(g, c, k)*(planck_layer(k) + towards*(planck_level(k) - planck_layer(k)))
          depth(g, c, k) = planck_layer(k) + towards*(planck_level(k + 1) - planck_layer(k))
          radiance(g, c) = radiance(g, c) + (fraction(g, c, k)*depth(g, c, k) - radiance(g, c))*absorptivity(g, c, k)
          down(g, k + 1) = down(g, k + 1) + radiance(g, c)
        end do
      end do
    end do
  end subroutine down_through_band_original

  !> Upward from the surface through all layers of a band that `down_through_band` has passed.
  pure subroutine up_through_band(n, chunks, absorptivity, emission_up, radiance, up)
    integer, intent(in) :: n                                !! layers [1]
    integer, intent(in) :: chunks                           !! chunks of g-points of the band [1]
    real(wp), intent(in) :: absorptivity(lanes, chunks, n)  !! absorptivity of layers [1] (g-point, nlay)
    real(wp), intent(in) :: emission_up(lanes, chunks, n)   !! their black-body emission upwards [W m-2] (g-point, nlay)
    real(wp), intent(in) :: radiance(lanes, chunks)         !! upward radiance at the surface [W m-2] (g-point)
    real(wp), intent(inout) :: up(lanes, n + 1)             !! upward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp) :: r(lanes)
    integer :: c, g, k

    do c = 1, chunks
      r = radiance(:, c)
      up(:, n + 1) = up(:, n + 1) + r
      do k = n, 1, -1
        !$omp simd
        do g = 1, lanes
          r(g) = r(g) + (emission_up(g, c, k) - r(g))*absorptivity(g, c, k)
          up(g, k) = up(g, k) + r(g)
        end do
      end do
    end do
  end subroutine up_through_band
end module radml_rrtmg_longwave_transfer
