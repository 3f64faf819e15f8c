!> Tests of the Sun's position.
program test_sun
  use, intrinsic :: iso_fortran_env, only: real64
  use expectations, only: conclude, expect
  use physical_constants, only: pi
  use sun, only: cosine_of_zenith_angle, declination
  implicit none
  real(real64), parameter :: degree = pi/180.0_real64

  call expect('the declination at the June solstice is the obliquity', &
              abs(declination(172.0_real64) - 23.45_real64*degree) < 0.05_real64*degree)
  call expect('the declination at the March equinox is within half a degree of 0', &
              abs(declination(80.0_real64)) < 0.5_real64*degree)
  call expect('the Sun is overhead at noon where latitude and declination are equal', &
              abs(cosine_of_zenith_angle(20.0_real64*degree, 20.0_real64*degree, 12.0_real64) - 1.0_real64) < 1.0e-12_real64)
  call expect('the equinox Sun rises at six', &
              abs(cosine_of_zenith_angle(45.0_real64*degree, 0.0_real64, 6.0_real64)) < 1.0e-12_real64)
  call expect('the Sun does not rise at the pole in winter', &
              cosine_of_zenith_angle(90.0_real64*degree, declination(355.0_real64), 12.0_real64) < 0.0_real64)
  call expect('the Sun does not set at the pole in summer', &
              cosine_of_zenith_angle(90.0_real64*degree, declination(172.0_real64), 0.0_real64) > 0.0_real64)
  call conclude()
end program test_sun
