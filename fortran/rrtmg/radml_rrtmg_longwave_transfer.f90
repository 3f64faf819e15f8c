!> Radiative transfer through one pack of g-points of one clear column: absorption and emission along the diffusivity angle.
!>
!> The source varies linearly in optical depth between the layer's mean and its levels (Clough et al. 1992). Radiances carry
!> the band's flux weight, so that a flux is their plain sum; that sum is kept by lane until all packs are done. No checks here:
!> the front door has made them.
module radml_rrtmg_longwave_transfer
  use radml_rrtmg_absorptance, only: c => absorptance_coefficient, doublings, part, thick
  use radml_rrtmg_kinds, only: sums_heating, wp
  use radml_rrtmg_longwave_bands, only: pack_size
  use radml_rrtmg_longwave_tables, only: longwave_tables, n_lookup, pack_room, pade
  implicit none
  private

  public :: absorption_of, down_through_pack, down_through_pack_original, up_through_pack

  !> Below this optical depth the original's series, tau - tau**2/2 and tau/6, replace differences of nearly equal numbers.
  real(wp), parameter :: thin = 0.06_wp

  ! The polynomial of `radml_rrtmg_absorptance`, to be written out: compilers make no vector code of a loop inside this one.
  real(wp), parameter :: c0 = c(0), c1 = c(1), c2 = c(2), c3 = c(3), c4 = c(4), c5 = c(5), c6 = c(6), c7 = c(7), c8 = c(8), &
                         c9 = c(9), c10 = c(10), c11 = c(11)

contains

  !> Absorptivity and linear-in-tau weight of one layer, with exact exponentials as in `down_through_pack`.
  pure subroutine absorption_of(depth, absorptivity, towards)
    real(wp), intent(in) :: depth(pack_size)          !! optical depth along the path [1] (lane)
    real(wp), intent(out) :: absorptivity(pack_size)  !! [1] (lane)
    real(wp), intent(out) :: towards(pack_size)       !! weight of the level in the source [1] (lane)
    real(wp) :: x, y, a, xs, weight
    integer :: g

    !$omp simd private(x, y, a, xs, weight)
    do g = 1, pack_size
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

  !> Downward through all layers, with exact exponentials.
  pure subroutine down_through_pack(n, secant, depth, emission, downwards, upwards, radiance, down, absorbed)
    integer, intent(in) :: n                                !! layers [1]
    real(wp), intent(in) :: secant(pack_size)               !! secant of the diffusivity angle [1] (lane)
    real(wp), intent(inout) :: depth(pack_room, n)          !! in: vertical optical depth; out: absorptivity [1] (lane, nlay)
    real(wp), intent(in) :: emission(pack_room, n)          !! black-body emission of layers [W m-2] (lane, nlay)
    real(wp), intent(inout) :: downwards(pack_room, n)      !! in: that at the level below, less that of the layer;
                                                            !! out: what layers emit downwards if black [W m-2] (lane, nlay)
    real(wp), intent(inout) :: upwards(pack_room, n)        !! the same of the level above, and upwards [W m-2] (lane, nlay)
    real(wp), intent(inout) :: radiance(pack_size)          !! downward radiance at the surface [W m-2] (lane)
    real(wp), intent(inout) :: down(pack_size, n + 1)       !! downward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: absorbed(pack_size, n)       !! what layers absorbed so far, less what they emitted, where
                                                            !! `sums_heating`, by lane [W m-2] (lane, nlay)
    real(wp) :: x, y, a, xs, towards, source, change, r(pack_size)
    integer :: g, k

    r = 0
    do k = 1, n
      !$omp simd private(x, y, a, xs, towards, source, change)
      do g = 1, pack_size
        x = secant(g)*max(depth(g, k), 0.0_wp)
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
        source = emission(g, k) + towards*downwards(g, k)
        depth(g, k) = a
        downwards(g, k) = source
        upwards(g, k) = emission(g, k) + towards*upwards(g, k)
        change = (source - r(g))*a
        r(g) = r(g) + change
        down(g, k + 1) = down(g, k + 1) + r(g)
        if (sums_heating) absorbed(g, k) = absorbed(g, k) - change
      end do
    end do
    radiance = r
  end subroutine down_through_pack

  !> The same with the original's transmittance table, for tests against it.
  pure subroutine down_through_pack_original(tables, n, secant, depth, emission, downwards, upwards, radiance, down)
    type(longwave_tables), intent(in) :: tables             !! coefficient tables
    integer, intent(in) :: n                                !! layers [1]
    real(wp), intent(in) :: secant(pack_size)               !! secant of the diffusivity angle [1] (lane)
    real(wp), intent(inout) :: depth(pack_room, n)          !! in: vertical optical depth; out: absorptivity [1] (lane, nlay)
    real(wp), intent(in) :: emission(pack_room, n)          !! black-body emission of layers [W m-2] (lane, nlay)
    real(wp), intent(inout) :: downwards(pack_room, n)      !! in: that at the level below, less that of the layer;
                                                            !! out: what layers emit downwards if black [W m-2] (lane, nlay)
    real(wp), intent(inout) :: upwards(pack_room, n)        !! the same of the level above, and upwards [W m-2] (lane, nlay)
    real(wp), intent(inout) :: radiance(pack_size)          !! downward radiance at the surface [W m-2] (lane)
    real(wp), intent(inout) :: down(pack_size, n + 1)       !! downward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp) :: x, towards
    integer :: g, k, i

    radiance = 0
    do k = 1, n
      do g = 1, pack_size
        x = secant(g)*max(depth(g, k), 0.0_wp)
        if (x <= thin) then
          depth(g, k) = x - 0.5_wp*x*x
          towards = x/6
        else
          i = int(n_lookup*(x/(real(1/pade, wp) + x)) + 0.5_wp)
          depth(g, k) = 1 - tables%lookup_transmittance(i)
          towards = tables%lookup_source(i)
        end if
        downwards(g, k) = emission(g, k) + towards*downwards(g, k)
        upwards(g, k) = emission(g, k) + towards*upwards(g, k)
        radiance(g) = radiance(g) + (downwards(g, k) - radiance(g))*depth(g, k)
        down(g, k + 1) = down(g, k + 1) + radiance(g)
      end do
    end do
  end subroutine down_through_pack_original

  !> Upward from the surface through all layers that `down_through_pack` has passed.
  pure subroutine up_through_pack(n, absorptivity, upwards, radiance, up, absorbed)
    integer, intent(in) :: n                                !! layers [1]
    real(wp), intent(in) :: absorptivity(pack_room, n)      !! absorptivity of layers [1] (lane, nlay)
    real(wp), intent(in) :: upwards(pack_room, n)           !! what they emit upwards if black [W m-2] (lane, nlay)
    real(wp), intent(in) :: radiance(pack_size)             !! upward radiance at the surface [W m-2] (lane)
    real(wp), intent(inout) :: up(pack_size, n + 1)         !! upward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: absorbed(pack_size, n)       !! as in `down_through_pack` [W m-2] (lane, nlay)
    real(wp) :: change, r(pack_size)
    integer :: g, k

    r = radiance
    up(:, n + 1) = up(:, n + 1) + r
    do k = n, 1, -1
      !$omp simd private(change)
      do g = 1, pack_size
        change = (upwards(g, k) - r(g))*absorptivity(g, k)
        r(g) = r(g) + change
        up(g, k) = up(g, k) + r(g)
        if (sums_heating) absorbed(g, k) = absorbed(g, k) - change
      end do
    end do
  end subroutine up_through_pack
end module radml_rrtmg_longwave_transfer
