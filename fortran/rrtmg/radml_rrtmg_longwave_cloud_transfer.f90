!> Radiative transfer through one pack of g-points of one column with clouds.
!>
!> The pass through clear sky (`radml_rrtmg_longwave_transfer`) leaves each layer's absorptivity and emission without clouds;
!> `cloud_layers` adds those inside clouds, which are the same whichever g-points see them. What remains are two cheap ways down
!> and up: `through_subcolumns`, where each g-point sees cloud or not (McICA), and `through_overlapping_clouds`, the analytic
!> solver for maximum-random overlap.
!>
!> For comparisons, `cloud_layers` can do as AER's solvers do with their table of transmittances: the optical depth of gases
!> thicker than 0.06 is replaced by that of the table's nearest entry before the cloud's is added, and in McICA the transmittance
!> of a cloudy layer is the product of gases' and cloud's while its emissivity comes from the table.
module radml_rrtmg_longwave_cloud_transfer
  use radml_rrtmg_kinds, only: sums_heating, wp
  use radml_rrtmg_longwave_bands, only: pack_size
  use radml_rrtmg_longwave_overlap, only: layer_exchange
  use radml_rrtmg_longwave_tables, only: longwave_tables, n_lookup, pack_room, pade
  use radml_rrtmg_longwave_transfer, only: absorption_of
  implicit none
  private

  public :: cloud_layers, through_overlapping_clouds, through_subcolumns

  ! How cloudy layers absorb.
  integer, parameter, public :: exactly = 0            !! exact exponentials
  integer, parameter, public :: as_original = 1        !! as the original's analytic solver
  integer, parameter, public :: as_original_mcica = 2  !! as the original's McICA solver

  real(wp), parameter :: thin = 0.06_wp !! up to this optical depth the original takes series

contains

  !> Absorptivity and linear-in-tau weight from the original's table, or its series where the layer is thin.
  elemental subroutine look_up(tables, x, absorptivity, towards)
    type(longwave_tables), intent(in) :: tables !! coefficient tables
    real(wp), intent(in) :: x                   !! optical depth along the path [1]
    real(wp), intent(out) :: absorptivity       !! [1]
    real(wp), optional, intent(out) :: towards  !! weight of the level in the source [1]
    integer :: i

    if (x <= thin) then
      absorptivity = x - 0.5_wp*x*x
      if (present(towards)) towards = x/6
    else
      i = entry_of(x)
      absorptivity = 1 - tables%lookup_transmittance(i)
      if (present(towards)) towards = tables%lookup_source(i)
    end if
  end subroutine look_up

  !> Entry of the original's table that is nearest to an optical depth.
  elemental function entry_of(x) result(i)
    real(wp), intent(in) :: x !! optical depth along the path [1]
    integer :: i

    i = int(n_lookup*(x/(real(1/pade, wp) + x)) + 0.5_wp)
  end function entry_of

  !> Optical depth of the original's table that stands for that of gases in a cloudy layer.
  elemental function tabulated(x) result(depth)
    real(wp), intent(in) :: x !! optical depth along the path [1]
    real(wp) :: depth
    integer :: i

    depth = x
    if (x <= thin) return
    i = entry_of(x)
    if (i < n_lookup) then
      depth = real(i, wp)/(real(pade, wp)*(n_lookup - i))
    else
      depth = 1e10_wp
    end if
  end function tabulated

  !> Absorptivity and emission inside the clouds of all layers that have some.
  pure subroutine cloud_layers(tables, way, n, secant, has_cloud, depth, cloud_depth, emission, downwards, upwards, absorptivity, &
                               cloud_down, cloud_up)
    type(longwave_tables), intent(in) :: tables          !! coefficient tables
    integer, intent(in) :: way                           !! `exactly`, `as_original` or `as_original_mcica` [1]
    integer, intent(in) :: n                             !! layers [1]
    real(wp), intent(in) :: secant(pack_size)            !! secant of the diffusivity angle [1] (lane)
    logical, intent(in) :: has_cloud(n)                  !! whether a layer has cloud (nlay)
    real(wp), intent(in) :: depth(pack_room, n)          !! vertical optical depth without clouds [1] (lane, nlay)
    real(wp), intent(in) :: cloud_depth(pack_size, n)    !! vertical optical depth inside clouds [1] (lane, nlay)
    real(wp), intent(in) :: emission(pack_room, n)       !! black-body emission of layers [W m-2] (lane, nlay)
    real(wp), intent(in) :: downwards(pack_room, n)      !! that at the level below, less that of the layer [W m-2] (lane, nlay)
    real(wp), intent(in) :: upwards(pack_room, n)        !! that at the level above, less that of the layer [W m-2] (lane, nlay)
    real(wp), intent(inout) :: absorptivity(pack_size, n) !! absorptivity inside clouds [1] (lane, nlay)
    real(wp), intent(inout) :: cloud_down(pack_size, n)  !! what clouds emit downwards if black [W m-2] (lane, nlay)
    real(wp), intent(inout) :: cloud_up(pack_size, n)    !! and upwards [W m-2] (lane, nlay)
    real(wp), dimension(pack_size) :: x, cloud, total, a, towards, emissivity
    integer :: g, k

    do k = 1, n
      if (.not. has_cloud(k)) cycle
      !$omp simd
      do g = 1, pack_size
        x(g) = secant(g)*max(depth(g, k), 0.0_wp)
        cloud(g) = secant(g)*cloud_depth(g, k)
        total(g) = x(g) + cloud(g)
      end do
      if (way == exactly) then
        call absorption_of(total, a, towards)
        !$omp simd
        do g = 1, pack_size
          absorptivity(g, k) = a(g)
          cloud_down(g, k) = emission(g, k) + towards(g)*downwards(g, k)
          cloud_up(g, k) = emission(g, k) + towards(g)*upwards(g, k)
        end do
        cycle
      end if
      call look_up(tables, tabulated(x) + cloud, emissivity, towards)
      a = emissivity
      if (way == as_original_mcica) then
        call look_up(tables, x, a)
        a = 1 - (1 - a)*exp(-cloud)
      end if
      emissivity = emissivity/max(a, tiny(a)) ! both emissions will be multiplied by the absorptivity
      absorptivity(:, k) = a
      cloud_down(:, k) = (emission(:pack_size, k) + towards*downwards(:pack_size, k))*emissivity
      cloud_up(:, k) = (emission(:pack_size, k) + towards*upwards(:pack_size, k))*emissivity
    end do
  end subroutine cloud_layers

  !> Down and up where each g-point of a layer sees cloud or not.
  pure subroutine through_subcolumns(n, has_cloud, cloudy, clear_absorptivity, clear_down, clear_up, cloud_absorptivity, &
                                     cloud_down, cloud_up, surface_emission, reflectivity, up, down, absorbed)
    integer, intent(in) :: n                                   !! layers [1]
    logical, intent(in) :: has_cloud(n)                        !! whether a layer has cloud (nlay)
    real(wp), intent(in) :: cloudy(pack_size, n)               !! 1: the g-point sees cloud, 0: it does not [1] (lane, nlay)
    real(wp), intent(in) :: clear_absorptivity(pack_room, n)   !! without clouds [1] (lane, nlay)
    real(wp), intent(in) :: clear_down(pack_room, n)           !! emission downwards without clouds [W m-2] (lane, nlay)
    real(wp), intent(in) :: clear_up(pack_room, n)             !! emission upwards without clouds [W m-2] (lane, nlay)
    real(wp), intent(in) :: cloud_absorptivity(pack_size, n)   !! inside clouds [1] (lane, nlay)
    real(wp), intent(in) :: cloud_down(pack_size, n)           !! emission downwards inside clouds [W m-2] (lane, nlay)
    real(wp), intent(in) :: cloud_up(pack_size, n)             !! emission upwards inside clouds [W m-2] (lane, nlay)
    real(wp), intent(in) :: surface_emission(pack_size)        !! of the surface [W m-2] (lane)
    real(wp), intent(in) :: reflectivity(pack_size)            !! of the surface [1] (lane)
    real(wp), intent(inout) :: up(pack_size, n + 1)            !! upward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: down(pack_size, n + 1)          !! downward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: absorbed(pack_size, n)          !! what layers absorbed so far, less what they emitted, where
                                                               !! `sums_heating`, by lane [W m-2] (lane, nlay)
    real(wp) :: r(pack_size), a, source, change
    integer :: g, k

    r = 0
    do k = 1, n
      if (has_cloud(k)) then
        !$omp simd private(a, source, change)
        do g = 1, pack_size
          a = merge(cloud_absorptivity(g, k), clear_absorptivity(g, k), cloudy(g, k) > 0)
          source = merge(cloud_down(g, k), clear_down(g, k), cloudy(g, k) > 0)
          change = (source - r(g))*a
          r(g) = r(g) + change
          down(g, k + 1) = down(g, k + 1) + r(g)
          if (sums_heating) absorbed(g, k) = absorbed(g, k) - change
        end do
      else
        !$omp simd private(change)
        do g = 1, pack_size
          change = (clear_down(g, k) - r(g))*clear_absorptivity(g, k)
          r(g) = r(g) + change
          down(g, k + 1) = down(g, k + 1) + r(g)
          if (sums_heating) absorbed(g, k) = absorbed(g, k) - change
        end do
      end if
    end do
    !$omp simd
    do g = 1, pack_size
      r(g) = surface_emission(g) + reflectivity(g)*r(g)
      up(g, n + 1) = up(g, n + 1) + r(g)
    end do
    do k = n, 1, -1
      if (has_cloud(k)) then
        !$omp simd private(a, source, change)
        do g = 1, pack_size
          a = merge(cloud_absorptivity(g, k), clear_absorptivity(g, k), cloudy(g, k) > 0)
          source = merge(cloud_up(g, k), clear_up(g, k), cloudy(g, k) > 0)
          change = (source - r(g))*a
          r(g) = r(g) + change
          up(g, k) = up(g, k) + r(g)
          if (sums_heating) absorbed(g, k) = absorbed(g, k) - change
        end do
      else
        !$omp simd private(change)
        do g = 1, pack_size
          change = (clear_up(g, k) - r(g))*clear_absorptivity(g, k)
          r(g) = r(g) + change
          up(g, k) = up(g, k) + r(g)
          if (sums_heating) absorbed(g, k) = absorbed(g, k) - change
        end do
      end if
    end do
  end subroutine through_subcolumns

  !> Down and up where clouds of adjacent layers overlap as much as they can.
  pure subroutine through_overlapping_clouds(n, downwards, upwards, clear_absorptivity, clear_down, clear_up, cloud_absorptivity, &
                                             cloud_down, cloud_up, surface_emission, reflectivity, up, down, absorbed)
    integer, intent(in) :: n                                   !! layers [1]
    type(layer_exchange), intent(in) :: downwards(n)           !! exchange after each layer, walking down (nlay)
    type(layer_exchange), intent(in) :: upwards(n)             !! exchange after each layer, walking up (nlay)
    real(wp), intent(in) :: clear_absorptivity(pack_room, n)   !! without clouds [1] (lane, nlay)
    real(wp), intent(in) :: clear_down(pack_room, n)           !! emission downwards without clouds [W m-2] (lane, nlay)
    real(wp), intent(in) :: clear_up(pack_room, n)             !! emission upwards without clouds [W m-2] (lane, nlay)
    real(wp), intent(in) :: cloud_absorptivity(pack_size, n)   !! inside clouds [1] (lane, nlay)
    real(wp), intent(in) :: cloud_down(pack_size, n)           !! emission downwards inside clouds [W m-2] (lane, nlay)
    real(wp), intent(in) :: cloud_up(pack_size, n)             !! emission upwards inside clouds [W m-2] (lane, nlay)
    real(wp), intent(in) :: surface_emission(pack_size)        !! of the surface [W m-2] (lane)
    real(wp), intent(in) :: reflectivity(pack_size)            !! of the surface [1] (lane)
    real(wp), intent(inout) :: up(pack_size, n + 1)            !! upward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: down(pack_size, n + 1)          !! downward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: absorbed(pack_size, n)          !! what layers absorbed so far, less what they emitted, where
                                                               !! `sums_heating`, by lane [W m-2] (lane, nlay)
    real(wp), dimension(pack_size) :: all, cloudy, clear, moved
    real(wp) :: change
    integer :: g, k

    all = 0
    cloudy = 0
    clear = 0
    moved = 0
    do k = 1, n
      if (downwards(k)%cloudy) then
        call cross(downwards(k), clear_absorptivity(1, k), cloud_absorptivity(1, k), clear_down(1, k), cloud_down(1, k), &
                   all, cloudy, clear, moved, down(1, k + 1), absorbed(1, k))
      else
        !$omp simd private(change)
        do g = 1, pack_size
          change = (clear_down(g, k) - all(g))*clear_absorptivity(g, k)
          all(g) = all(g) + change
          down(g, k + 1) = down(g, k + 1) + all(g)
          if (sums_heating) absorbed(g, k) = absorbed(g, k) - change
        end do
      end if
    end do
    !$omp simd
    do g = 1, pack_size
      all(g) = surface_emission(g) + reflectivity(g)*all(g)
      up(g, n + 1) = up(g, n + 1) + all(g)
    end do
    do k = n, 1, -1
      if (upwards(k)%cloudy) then
        call cross(upwards(k), clear_absorptivity(1, k), cloud_absorptivity(1, k), clear_up(1, k), cloud_up(1, k), &
                   all, cloudy, clear, moved, up(1, k), absorbed(1, k))
      else
        !$omp simd private(change)
        do g = 1, pack_size
          change = (clear_up(g, k) - all(g))*clear_absorptivity(g, k)
          all(g) = all(g) + change
          up(g, k) = up(g, k) + all(g)
          if (sums_heating) absorbed(g, k) = absorbed(g, k) - change
        end do
      end if
    end do
  end subroutine through_overlapping_clouds

  !> Through one cloudy layer, and what changes over between cloudy and clear air behind it.
  pure subroutine cross(exchange, clear_absorptivity, cloud_absorptivity, clear_source, cloud_source, all, cloudy, clear, &
                        moved, flux, absorbed)
    type(layer_exchange), intent(in) :: exchange           !! exchange after the layer
    real(wp), intent(in) :: clear_absorptivity(pack_size)  !! of clear air [1] (lane)
    real(wp), intent(in) :: cloud_absorptivity(pack_size)  !! of clear air and cloud [1] (lane)
    real(wp), intent(in) :: clear_source(pack_size)        !! black-body emission of clear air [W m-2] (lane)
    real(wp), intent(in) :: cloud_source(pack_size)        !! black-body emission of cloud [W m-2] (lane)
    real(wp), intent(inout) :: all(pack_size)              !! both streams together [W m-2] (lane)
    real(wp), intent(inout) :: cloudy(pack_size)           !! stream through cloud [W m-2] (lane)
    real(wp), intent(inout) :: clear(pack_size)            !! stream through clear air [W m-2] (lane)
    real(wp), intent(inout) :: moved(pack_size)            !! what last changed over, into cloud if positive [W m-2] (lane)
    real(wp), intent(inout) :: flux(pack_size)             !! flux behind the layer so far [W m-2] (lane)
    real(wp), intent(inout) :: absorbed(pack_size)         !! what the layer absorbed so far, where `sums_heating` [W m-2] (lane)
    real(wp) :: part, to_cloud, to_clear, return_to_cloud, return_to_clear, clear_emission, cloud_emission, &
                emitted_by_clear, emitted_by_cloud, returning, cloud_change, clear_change
    integer :: g

    part = exchange%fraction
    to_cloud = exchange%to_cloud
    to_clear = exchange%to_clear
    return_to_cloud = exchange%return_to_cloud
    return_to_clear = exchange%return_to_clear
    clear_emission = exchange%clear_emission
    cloud_emission = exchange%cloud_emission
    if (exchange%first) then
      !$omp simd
      do g = 1, pack_size
        cloudy(g) = part*all(g)
        clear(g) = all(g) - cloudy(g)
        moved(g) = 0
      end do
    end if
    !$omp simd private(emitted_by_clear, emitted_by_cloud, returning, cloud_change, clear_change)
    do g = 1, pack_size
      emitted_by_clear = clear_source(g)*clear_absorptivity(g)
      emitted_by_cloud = cloud_source(g)*cloud_absorptivity(g)
      cloud_change = (part*cloud_source(g) - cloudy(g))*cloud_absorptivity(g)
      clear_change = ((1 - part)*clear_source(g) - clear(g))*clear_absorptivity(g)
      cloudy(g) = cloudy(g) + cloud_change
      clear(g) = clear(g) + clear_change
      if (sums_heating) absorbed(g) = absorbed(g) - (cloud_change + clear_change)
      all(g) = cloudy(g) + clear(g)
      flux(g) = flux(g) + all(g)
      returning = moved(g)*(return_to_cloud*(1 - clear_absorptivity(g)) + return_to_clear*(1 - cloud_absorptivity(g))) &
                  - clear_emission*emitted_by_clear + cloud_emission*emitted_by_cloud
      moved(g) = to_cloud*(clear(g) + returning) - to_clear*(cloudy(g) - returning) - returning
      cloudy(g) = cloudy(g) + moved(g)
      clear(g) = clear(g) - moved(g)
    end do
  end subroutine cross
end module radml_rrtmg_longwave_cloud_transfer
