!> How RRTMG treats the clouds of a column set, as a user chooses it.
module cloud_choices
  use radml_rrtmg_longwave, only: rrtmg_ice_fu, rrtmg_ice_streamer, rrtmg_overlap_analytic, rrtmg_overlap_maximum, &
                                  rrtmg_overlap_maximum_random, rrtmg_overlap_random
  use host_status, only: status_bad_configuration, fail, integer_text
  implicit none
  private

  !> How clouds are treated.
  type, public :: cloud_treatment
    integer :: overlap = rrtmg_overlap_maximum_random  !! one of RRTMG's constants [1] ()
    integer :: ice_optics = rrtmg_ice_fu               !! one of RRTMG's constants [1] ()
    integer :: draws = 1                               !! subcolumn draws to average [1] ()
    logical :: absorbing_ice = .false.                 !! the shortwave's switch of this name [1] ()
    integer :: seed = 0                                !! 0: each column draws from its own values [1] ()
    integer :: salt = 0                                !! more than 0: from its own values and this number [1] ()
  contains
    procedure :: choose
    procedure :: described
  end type cloud_treatment

contains

  !> Takes the choices from the words of a command line; an empty word leaves the choice as it is.
  subroutine choose(self, overlap, ice_optics, stat, errmsg)
    class(cloud_treatment), intent(inout) :: self               !! [choices] ()
    character(len=*), intent(in) :: overlap                   !! [text] ()
    character(len=*), intent(in) :: ice_optics                !! [text] ()
    integer, intent(out) :: stat                              !! 0, or `status_bad_configuration` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg    !! [text] ()

    stat = 0
    select case (overlap)
    case ('')
    case ('maximum-random')
      self%overlap = rrtmg_overlap_maximum_random
    case ('random')
      self%overlap = rrtmg_overlap_random
    case ('maximum')
      self%overlap = rrtmg_overlap_maximum
    case ('analytic')
      self%overlap = rrtmg_overlap_analytic
    case default
      call fail(status_bad_configuration, 'option "--overlap": expected maximum-random, random, maximum or analytic, got "'// &
                overlap//'"', stat, errmsg)
      return
    end select
    select case (ice_optics)
    case ('')
    case ('fu')
      self%ice_optics = rrtmg_ice_fu
    case ('streamer')
      self%ice_optics = rrtmg_ice_streamer
    case default
      call fail(status_bad_configuration, 'option "--ice-optics": expected fu or streamer, got "'//ice_optics//'"', stat, errmsg)
    end select
  end subroutine choose

  !> The choices in words, for the file of results.
  function described(self, with_shortwave) result(text)
    class(cloud_treatment), intent(in) :: self  !! [choices] ()
    logical, intent(in) :: with_shortwave       !! whether the shortwave was computed, too [1] ()
    character(len=:), allocatable :: text     !! [text] ()

    text = 'clouds: '
    if (self%overlap == rrtmg_overlap_analytic) then
      text = text//'maximum-random overlap, in the longwave by the analytic solver'
      if (with_shortwave) text = text//', in the shortwave by McICA'
    else if (self%overlap == rrtmg_overlap_random) then
      text = text//'McICA, random overlap'
    else if (self%overlap == rrtmg_overlap_maximum) then
      text = text//'McICA, maximum overlap'
    else
      text = text//'McICA, maximum-random overlap'
    end if
    if (self%overlap /= rrtmg_overlap_analytic .or. with_shortwave) then
      text = text//', mean of '//integer_text(self%draws)//' draws from '
      if (self%seed > 0) then
        text = text//'seed '//integer_text(self%seed)
      else
        text = text//'the columns'' own values'
      end if
    end if
    if (self%ice_optics == rrtmg_ice_streamer) then
      text = text//'; ice optics of Streamer'
    else
      text = text//'; ice optics of Fu'
    end if
    if (self%absorbing_ice .and. with_shortwave) text = text//', absorbing where it scatters forward'
  end function described

end module cloud_choices
