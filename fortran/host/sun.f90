!> Where the Sun stands.
module sun
  use, intrinsic :: iso_fortran_env, only: real64
  use physical_constants, only: pi
  implicit none
  private

  public :: cosine_of_zenith_angle, declination

contains

  !> The Sun's declination on a day of the year, within half a degree (Cooper 1969).
  elemental function declination(day_of_year) result(angle)
    real(real64), intent(in) :: day_of_year  !! 1 at the start of 1 January [day] ()
    real(real64) :: angle                    !! [rad] ()
    angle = 23.45_real64*pi/180.0_real64*sin(2.0_real64*pi*(284.0_real64 + day_of_year)/365.0_real64)
  end function declination

  !> Cosine of the solar zenith angle, negative at night.
  elemental function cosine_of_zenith_angle(latitude, declination_angle, solar_hour) result(cosine)
    real(real64), intent(in) :: latitude           !! [rad] ()
    real(real64), intent(in) :: declination_angle  !! [rad] ()
    real(real64), intent(in) :: solar_hour         !! local solar time, 12 at noon [hour] ()
    real(real64) :: cosine                         !! [1] ()
    cosine = sin(latitude)*sin(declination_angle) + &
             cos(latitude)*cos(declination_angle)*cos((solar_hour - 12.0_real64)*pi/12.0_real64)
  end function cosine_of_zenith_angle

end module sun
