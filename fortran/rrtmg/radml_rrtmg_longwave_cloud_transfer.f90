!> Radiative transfer through one band of one column with clouds: the analytic solver for maximum-random overlap, and what
!> AER's own solvers do in cloudy layers, for tests against them. McICA needs no solver of its own: its cloudy g-points have
!> the cloud's optical depth on top of the gases', and go through `radml_rrtmg_longwave_transfer`.
!>
!> Where the original looks up transmittances it replaces the optical depth of gases thicker than 0.06 by that of the table's
!> nearest entry before the cloud's is added. In McICA it also takes the transmittance of a cloudy layer as the product of
!> gases and cloud, and its emissivity from the table. Layers with neither are those of clear sky.
module radml_rrtmg_longwave_cloud_transfer
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave_overlap, only: layer_exchange
  use radml_rrtmg_longwave_tables, only: lanes, longwave_tables, n_lookup, pade
  use radml_rrtmg_longwave_transfer, only: absorption_of
  implicit none
  private

  public :: down_through_cloudy_band_original, through_overlapping_band

  real(wp), parameter :: thin = 0.06_wp !! up to this optical depth the original takes series

contains

  !> Absorptivity and linear-in-tau weight from the original's table, or its series where the layer is thin.
  elemental subroutine look_up(tables, x, absorptivity, towards)
    type(longwave_tables), intent(in) :: tables !! coefficient tables
    real(wp), intent(in) :: x                   !! optical depth along the path [1]
    real(wp), intent(out) :: absorptivity       !! [1]
    real(wp), intent(out) :: towards            !! weight of the level in the source [1]
    integer :: i

    if (x <= thin) then
      absorptivity = x - 0.5_wp*x*x
      towards = x/6
    else
      i = entry_of(x)
      absorptivity = 1 - tables%lookup_transmittance(i)
      towards = tables%lookup_source(i)
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

  !> As `down_through_band_original`, where `cloudy` g-points have a cloud. Leaves what `up_through_band` needs.
  pure subroutine down_through_cloudy_band_original(tables, n, chunks, secant, depth, cloud_depth, cloudy, fraction, planck_layer, &
                                                    planck_level, absorptivity, emission_up, radiance, down)
    type(longwave_tables), intent(in) :: tables             !! coefficient tables
    integer, intent(in) :: n                                !! layers [1]
    integer, intent(in) :: chunks                           !! chunks of g-points of the band [1]
    real(wp), intent(in) :: secant                          !! secant of the diffusivity angle [1]
    real(wp), intent(in) :: depth(lanes, chunks, n)         !! vertical optical depth of gases [1] (g-point, nlay)
    real(wp), intent(in) :: cloud_depth(n)                  !! vertical optical depth inside clouds [1] (nlay)
    real(wp), intent(in) :: cloudy(lanes, chunks, n)        !! 1: the g-point sees cloud, 0: it does not [1] (g-point, nlay)
    real(wp), intent(in) :: fraction(lanes, chunks, n)      !! Planck fraction times flux weight (g-point, nlay)
    real(wp), intent(in) :: planck_layer(n)                 !! Planck function of layers [W cm-2 sr-1 cm] (nlay)
    real(wp), intent(in) :: planck_level(n + 1)             !! Planck function at levels [W cm-2 sr-1 cm] (nlay+1)
    real(wp), intent(inout) :: absorptivity(lanes, chunks, n) !! absorptivity of layers [1] (g-point, nlay)
    real(wp), intent(inout) :: emission_up(lanes, chunks, n) !! their black-body emission upwards [W m-2] (g-point, nlay)
    real(wp), intent(inout) :: radiance(lanes, chunks)      !! downward radiance at the surface [W m-2] (g-point)
    real(wp), intent(inout) :: down(lanes, n + 1)           !! downward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp) :: x, a, towards, emissivity, source
    integer :: c, g, k

    radiance = 0
    do k = 1, n
      do c = 1, chunks
        do g = 1, lanes
          x = secant*max(depth(g, c, k), 0.0_wp)
          call look_up(tables, x, a, towards)
          emissivity = a
          if (cloudy(g, c, k) > 0) then
            call look_up(tables, tabulated(x) + secant*cloud_depth(k), emissivity, towards)
            a = 1 - (1 - a)*exp(-secant*cloud_depth(k))
          end if
          absorptivity(g, c, k) = a
          ! The upward pass multiplies by the absorptivity.
          source = fraction(g, c, k)*emissivity
          emission_up(g, c, k) = source*(planck_layer(k) + towards*(planck_level(k) - planck_layer(k)))/max(a, tiny(a))
          radiance(g, c) = radiance(g, c) + source*(planck_layer(k) + towards*(planck_level(k + 1) - planck_layer(k))) &
                           - radiance(g, c)*a
          down(g, k + 1) = down(g, k + 1) + radiance(g, c)
        end do
      end do
    end do
  end subroutine down_through_cloudy_band_original

  !> Down and up through a band where clouds of adjacent layers overlap as much as they can.
  pure subroutine through_overlapping_band(tables, original, n, chunks, secant, depth, cloud_depth, fraction, planck_layer, &
                                           planck_level, surface_emission, reflectivity, downwards, upwards, up, down)
    type(longwave_tables), intent(in) :: tables             !! coefficient tables
    logical, intent(in) :: original                         !! use the original's transmittance table
    integer, intent(in) :: n                                !! layers [1]
    integer, intent(in) :: chunks                           !! chunks of g-points of the band [1]
    real(wp), intent(in) :: secant                          !! secant of the diffusivity angle [1]
    real(wp), intent(in) :: depth(lanes, chunks, n)         !! vertical optical depth of gases [1] (g-point, nlay)
    real(wp), intent(in) :: cloud_depth(n)                  !! vertical optical depth inside clouds [1] (nlay)
    real(wp), intent(in) :: fraction(lanes, chunks, n)      !! Planck fraction times flux weight (g-point, nlay)
    real(wp), intent(in) :: planck_layer(n)                 !! Planck function of layers [W cm-2 sr-1 cm] (nlay)
    real(wp), intent(in) :: planck_level(n + 1)             !! Planck function at levels [W cm-2 sr-1 cm] (nlay+1)
    real(wp), intent(in) :: surface_emission                !! of the surface: emissivity times Planck function [W cm-2 sr-1 cm]
    real(wp), intent(in) :: reflectivity                    !! of the surface [1]
    type(layer_exchange), intent(in) :: downwards(n)        !! exchange after each layer, walking down [1] (nlay)
    type(layer_exchange), intent(in) :: upwards(n)          !! exchange after each layer, walking up [1] (nlay)
    real(wp), intent(inout) :: up(lanes, n + 1)             !! upward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: down(lanes, n + 1)           !! downward flux so far, by lane [W m-2] (lane, nlay+1)
    ! Absorptivity and black-body emission upwards of clear air and of cloud.
    real(wp), dimension(lanes, n) :: clear_absorptivity, cloud_absorptivity, clear_up, cloud_up
    real(wp), dimension(lanes) :: x, towards, all, cloudy, clear, moved, clear_down, cloud_down
    integer :: c, k

    do c = 1, chunks
      all = 0
      moved = 0
      cloudy = 0
      clear = 0
      do k = 1, n
        x = secant*max(depth(:, c, k), 0.0_wp)
        call absorption(x, clear_absorptivity(:, k), towards)
        call emission(clear_up(:, k), clear_down)
        if (downwards(k)%cloudy) then
          if (original) x = tabulated(x)
          x = x + secant*cloud_depth(k)
          call absorption(x, cloud_absorptivity(:, k), towards)
          call emission(cloud_up(:, k), cloud_down)
          call cross(downwards(k), clear_absorptivity(:, k), cloud_absorptivity(:, k), clear_down, cloud_down, &
                     all, cloudy, clear, moved)
        else
          all = all + (clear_down - all)*clear_absorptivity(:, k)
        end if
        down(:, k + 1) = down(:, k + 1) + all
      end do

      all = surface_emission*fraction(:, c, n) + reflectivity*all
      up(:, n + 1) = up(:, n + 1) + all
      moved = 0
      do k = n, 1, -1
        if (upwards(k)%cloudy) then
          call cross(upwards(k), clear_absorptivity(:, k), cloud_absorptivity(:, k), clear_up(:, k), cloud_up(:, k), &
                     all, cloudy, clear, moved)
        else
          all = all + (clear_up(:, k) - all)*clear_absorptivity(:, k)
        end if
        up(:, k) = up(:, k) + all
      end do
    end do

  contains

    !> Absorptivity and linear-in-tau weight, exactly or as the original has them.
    pure subroutine absorption(x, a, towards)
      real(wp), intent(in) :: x(lanes)        !! optical depth along the path [1] (lane)
      real(wp), intent(out) :: a(lanes)       !! absorptivity [1] (lane)
      real(wp), intent(out) :: towards(lanes) !! weight of the level in the source [1] (lane)

      if (original) then
        call look_up(tables, x, a, towards)
      else
        call absorption_of(x, a, towards)
      end if
    end subroutine absorption

    !> Black-body emission of layer `k` with the weight `towards`.
    pure subroutine emission(upward, downward)
      real(wp), intent(out) :: upward(lanes)   !! through its upper level [W m-2] (lane)
      real(wp), intent(out) :: downward(lanes) !! through its lower level [W m-2] (lane)

      upward = fraction(:, c, k)*(planck_layer(k) + towards*(planck_level(k) - planck_layer(k)))
      downward = fraction(:, c, k)*(planck_layer(k) + towards*(planck_level(k + 1) - planck_layer(k)))
    end subroutine emission
  end subroutine through_overlapping_band

  !> Through one cloudy layer, and what changes over between cloudy and clear air behind it.
  pure subroutine cross(exchange, clear_absorptivity, cloud_absorptivity, clear_source, cloud_source, all, cloudy, clear, moved)
    type(layer_exchange), intent(in) :: exchange          !! exchange after the layer
    real(wp), intent(in) :: clear_absorptivity(lanes)     !! of clear air [1] (lane)
    real(wp), intent(in) :: cloud_absorptivity(lanes)     !! of clear air and cloud [1] (lane)
    real(wp), intent(in) :: clear_source(lanes)           !! black-body emission of clear air [W m-2] (lane)
    real(wp), intent(in) :: cloud_source(lanes)           !! black-body emission of cloud [W m-2] (lane)
    real(wp), intent(inout) :: all(lanes)                 !! both streams together [W m-2] (lane)
    real(wp), intent(inout) :: cloudy(lanes)              !! stream through cloud [W m-2] (lane)
    real(wp), intent(inout) :: clear(lanes)               !! stream through clear air [W m-2] (lane)
    real(wp), intent(inout) :: moved(lanes)               !! what last changed over, into cloud if positive [W m-2] (lane)
    real(wp), dimension(lanes) :: returning

    if (exchange%first) then
      cloudy = exchange%fraction*all
      clear = all - cloudy
      moved = 0
    end if
    cloudy = cloudy + (exchange%fraction*cloud_source - cloudy)*cloud_absorptivity
    clear = clear + ((1 - exchange%fraction)*clear_source - clear)*clear_absorptivity
    all = cloudy + clear
    returning = moved*(exchange%return_to_cloud*(1 - clear_absorptivity) + exchange%return_to_clear*(1 - cloud_absorptivity)) &
                - exchange%clear_emission*clear_source*clear_absorptivity + exchange%cloud_emission*cloud_source*cloud_absorptivity
    moved = exchange%to_cloud*(clear + returning) - exchange%to_clear*(cloudy - returning) - returning
    cloudy = cloudy + moved
    clear = clear - moved
  end subroutine cross
end module radml_rrtmg_longwave_cloud_transfer
