!> Radiative transfer through one band of one clear column: absorption and emission along the diffusivity angle.
!>
!> The source varies linearly in optical depth between the layer's mean and its levels (Clough et al. 1992). Radiances carry
!> the band's flux weight, so that a flux is their plain sum; that sum is kept by vector lane until all bands
!> are done. No checks here: the front door has made them.
module radml_rrtmg_longwave_transfer
  use radml_rrtmg_absorptance, only: c => absorptance_coefficient, doublings, part, thick
  use radml_rrtmg_kinds, only: sums_heating, wp
  use radml_rrtmg_longwave_tables, only: lanes, longwave_tables, n_lookup, pade
  implicit none
  private

  public :: absorption_of, down_through_band, down_through_band_original, up_through_band

  !> Below this optical depth the original's series, tau - tau**2/2 and tau/6, replace differences of nearly equal numbers.
  real(wp), parameter :: thin = 0.06_wp

  ! The polynomial of `radml_rrtmg_absorptance`, to be written out: compilers make no vector code of a loop inside this one.
  real(wp), parameter :: c0 = c(0), c1 = c(1), c2 = c(2), c3 = c(3), c4 = c(4), c5 = c(5), c6 = c(6), c7 = c(7), c8 = c(8), &
                         c9 = c(9), c10 = c(10), c11 = c(11)

contains

  !> Absorptivity and linear-in-tau weight of one chunk, with exact exponentials as in `down_through_band`.
  pure subroutine absorption_of(depth, absorptivity, towards)
    real(wp), intent(in) :: depth(lanes)          !! optical depth along the path [1] (lane)
    real(wp), intent(out) :: absorptivity(lanes)  !! [1] (lane)
    real(wp), intent(out) :: towards(lanes)       !! weight of the level in the source [1] (lane)
    real(wp) :: x, y, a, xs, weight
    integer :: g

    !$omp simd private(x, y, a, xs, weight)
    do g = 1, lanes
      x = depth(g)
      xs = max(x, thin)
      y = min(xs, thick)*part
      a = y*(c0 + y*(c1 + y*(c2 + y*(c3 + y*(c4 + y*(c5 + y*(c6 + y*(c7 + y*(c8 + y*(c9 + y*(c10 + y*c11)))))))))))
      a = a*(2 - a)
      a = a*(2 - a)
      a = a*(2 - a)
      a = a*(2 - a)
      if (doublings > 4) a = a*(2 - a)
      weight = 1 - 2*(a - xs*(1 - a))/(xs*a)
      absorptivity(g) = merge(x - 0.5_wp*x*x, a, x < thin)
      towards(g) = merge(x*(1.0_wp/6), weight, x < thin)
    end do
  end subroutine absorption_of

  !> Downward through all layers of a band, with exact exponentials.
  pure subroutine down_through_band(n, chunks, secant, depth, fraction, planck_layer, planck_level, absorptivity, emission_up, &
                                    radiance, down, absorbed)
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
    real(wp), intent(inout) :: absorbed(lanes, n)           !! what layers absorbed so far, less what they emitted, where
                                                            !! `sums_heating`, by lane [W m-2] (lane, nlay)
    real(wp) :: x, y, a, xs, towards, source, change, r(lanes)
    integer :: b, g, k

    do b = 1, chunks
      r = 0
      do k = 1, n
        !$omp simd private(x, y, a, xs, towards, source, change)
        do g = 1, lanes
          x = secant*max(depth(g, b, k), 0.0_wp)
          xs = max(x, thin)
          y = min(xs, thick)*part
          a = y*(c0 + y*(c1 + y*(c2 + y*(c3 + y*(c4 + y*(c5 + y*(c6 + y*(c7 + y*(c8 + y*(c9 + y*(c10 + y*c11)))))))))))
          a = a*(2 - a)
          a = a*(2 - a)
          a = a*(2 - a)
          a = a*(2 - a)
          if (doublings > 4) a = a*(2 - a)
          towards = 1 - 2*(a - xs*(1 - a))/(xs*a)
          a = merge(x - 0.5_wp*x*x, a, x < thin)
          towards = merge(x*(1.0_wp/6), towards, x < thin)
          source = planck_layer(k) + towards*(planck_level(k + 1) - planck_layer(k))
          depth(g, b, k) = source
          absorptivity(g, b, k) = a
          emission_up(g, b, k) = fraction(g, b, k)*(planck_layer(k) + towards*(planck_level(k) - planck_layer(k)))
          change = (fraction(g, b, k)*source - r(g))*a
          r(g) = r(g) + change
          down(g, k + 1) = down(g, k + 1) + r(g)
          if (sums_heating) absorbed(g, k) = absorbed(g, k) - change
        end do
      end do
      radiance(:, b) = r
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
  pure subroutine up_through_band(n, chunks, absorptivity, emission_up, radiance, up, absorbed)
    integer, intent(in) :: n                                !! layers [1]
    integer, intent(in) :: chunks                           !! chunks of g-points of the band [1]
    real(wp), intent(in) :: absorptivity(lanes, chunks, n)  !! absorptivity of layers [1] (g-point, nlay)
    real(wp), intent(in) :: emission_up(lanes, chunks, n)   !! their black-body emission upwards [W m-2] (g-point, nlay)
    real(wp), intent(in) :: radiance(lanes, chunks)         !! upward radiance at the surface [W m-2] (g-point)
    real(wp), intent(inout) :: up(lanes, n + 1)             !! upward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: absorbed(lanes, n)           !! as in `down_through_band` [W m-2] (lane, nlay)
    real(wp) :: change, r(lanes)
    integer :: c, g, k

    do c = 1, chunks
      r = radiance(:, c)
      up(:, n + 1) = up(:, n + 1) + r
      do k = n, 1, -1
        !$omp simd private(change)
        do g = 1, lanes
          change = (emission_up(g, c, k) - r(g))*absorptivity(g, c, k)
          r(g) = r(g) + change
          up(g, k) = up(g, k) + r(g)
          if (sums_heating) absorbed(g, k) = absorbed(g, k) - change
        end do
      end do
    end do
  end subroutine up_through_band
end module radml_rrtmg_longwave_transfer
