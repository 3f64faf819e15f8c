!> How much of a flux changes between cloudy and clear air where clouds of adjacent layers overlap as much as they can.
!>
!> The analytic solver carries two streams, through the cloudy part of each layer and through its clear part. From one layer to
!> the next, walking with the radiation, part of a stream changes over where the cloud fraction changes. What changed over at
!> the interface before is remembered, for it returns first: cloud that comes back lies under the same cloud.
module radml_rrtmg_longwave_overlap
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_kinds, only: wp
  implicit none
  private

  public :: find_exchange

  !> Fractions below this count as clear, as in the original.
  real(real64), parameter, public :: least_fraction = 1e-6_real64

  !> What happens between a cloudy layer and the next one in the direction of the radiation.
  type, public :: layer_exchange
    logical :: cloudy = .false.       !! whether the layer has cloud; nothing else counts where it has none
    logical :: first = .false.        !! whether the layer before has none
    real(wp) :: fraction = 0          !! cloud fraction of the layer [1]
    real(wp) :: to_cloud = 0          !! part of the clear stream that enters cloud [1]
    real(wp) :: to_clear = 0          !! part of the cloudy stream that leaves it [1]
    real(wp) :: return_to_cloud = 0   !! part of what left cloud at the interface before and comes back [1]
    real(wp) :: return_to_clear = 0   !! part of what entered cloud there and comes back [1]
    real(wp) :: clear_emission = 0    !! what the clear part of the layer added to the first of these [1]
    real(wp) :: cloud_emission = 0    !! what its cloudy part added to the second [1]
  end type layer_exchange

contains

  !> Exchange after each layer, walking down or up.
  pure subroutine find_exchange(n, fraction, downward, exchange)
    integer, intent(in) :: n                             !! layers [1]
    real(real64), intent(in) :: fraction(n)              !! cloud fraction, from the top down [1] (nlay)
    logical, intent(in) :: downward                      !! whether the radiation goes down
    type(layer_exchange), intent(out) :: exchange(n)     !! exchange after the layers [1] (nlay)
    type(layer_exchange) :: before
    real(real64) :: here, next, last
    logical :: entered, left ! whether the stream entered or left cloud at the interface before
    integer :: i, k, way

    way = merge(1, -1, downward)
    k = merge(1, n, downward)
    before = layer_exchange()
    last = 0
    entered = .false.
    left = .false.
    do i = 1, n
      here = fraction(k)
      associate (e => exchange(k))
        e%cloudy = here >= least_fraction
        if (e%cloudy) then
          e%fraction = real(here, wp)
          e%first = .not. before%cloudy
          if (i < n) then
            next = fraction(k + way)
            if (next >= here) then
              call cloud_grows(e)
            else
              call cloud_shrinks(e)
            end if
            if (.not. e%first) then
              e%clear_emission = e%return_to_cloud*before%to_clear*real(last, wp)
              e%cloud_emission = e%return_to_clear*before%to_cloud*real(1 - last, wp)
            end if
            entered = e%to_cloud > 0 .or. e%return_to_cloud > 0
            left = e%to_clear > 0 .or. e%return_to_clear > 0
          end if
        end if
        before = e
      end associate
      last = here
      k = k + way
    end do

  contains

    !> The next layer has as much cloud or more.
    pure subroutine cloud_grows(e)
      type(layer_exchange), intent(inout) :: e !! exchange to fill
      real(real64) :: most

      if (e%first) then
        if (here < 1) e%to_cloud = real((next - here)/(1 - here), wp)
        return
      end if
      most = max(here, last)
      if (next < most) then
        e%return_to_cloud = real((next - here)/(last - here), wp)
      else
        if (left) e%return_to_cloud = 1
        if (next > most) e%to_cloud = real((next - most)/(1 - most), wp)
      end if
    end subroutine cloud_grows

    !> The next layer has less cloud.
    pure subroutine cloud_shrinks(e)
      type(layer_exchange), intent(inout) :: e !! exchange to fill
      real(real64) :: least

      if (e%first) then
        e%to_clear = real((here - next)/here, wp)
        return
      end if
      least = min(here, last)
      if (next > least) then
        e%return_to_clear = real((here - next)/(here - least), wp)
      else
        if (entered) e%return_to_clear = 1
        e%to_clear = real((least - next)/least, wp)
      end if
    end subroutine cloud_shrinks
  end subroutine find_exchange
end module radml_rrtmg_longwave_overlap
