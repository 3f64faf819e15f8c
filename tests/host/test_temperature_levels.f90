!> Tests of the temperatures at levels.
program test_temperature_levels
  use, intrinsic :: iso_fortran_env, only: real64
  use expectations, only: conclude, expect
  use temperature_levels, only: interpolate_to_levels
  implicit none
  real(real64) :: pressure_level(1, 5), pressure_layer(1, 4), layer(1, 4), level(1, 5), one_level(1, 2), one(1, 2)

  pressure_level(1, :) = [0.0_real64, 100.0_real64, 1.0e4_real64, 5.0e4_real64, 1.0e5_real64]
  pressure_layer(1, :) = [50.0_real64, 5.0e3_real64, 3.0e4_real64, 7.5e4_real64]
  layer = 250.0_real64
  call interpolate_to_levels(pressure_level, pressure_layer, layer, level)
  call expect('an isothermal column stays isothermal, with a top at 0 Pa too', all(abs(level - 250.0_real64) < 1.0e-12_real64))

  layer = 200.0_real64 + 10.0_real64*log(pressure_layer)
  call interpolate_to_levels(pressure_level, pressure_layer, layer, level)
  call expect('a temperature linear in the logarithm of pressure comes out exactly below the top', &
              all(abs(level(:, 2:) - 200.0_real64 - 10.0_real64*log(pressure_level(:, 2:))) < 1.0e-11_real64))
  call expect('the top level has the temperature of the top layer', level(1, 1) == layer(1, 1))

  one_level(1, :) = [0.0_real64, 1.0e5_real64]
  call interpolate_to_levels(one_level, pressure_layer(:, 4:4), layer(:, 4:4), one)
  call expect('one layer gives both levels its temperature', all(one == layer(1, 4)))
  call conclude()
end program test_temperature_levels
