!> Tests of what moist air does beside radiation.
program test_moist_physics
  use, intrinsic :: iso_fortran_env, only: real64
  use boundary_layer, only: mix_boundary_layer
  use cloud_diagnosis, only: diagnose_clouds
  use expectations, only: conclude, expect
  use moist_convection, only: convect_column
  use physical_constants, only: dry_air_heat_capacity, gravity, kappa, latent_heat
  use random_numbers, only: normal_number
  use saturation, only: condense, saturation_mixing_ratio
  use weather, only: advance_weather, force_column, n_modes, weather_parameters
  implicit none
  integer, parameter :: n = 60
  real(real64), parameter :: time_step = 600.0_real64
  real(real64) :: level(n + 1), pressure(n), exner(n), mass(n), temperature(n), vapour(n), before(n), vapour_before(n)
  real(real64) :: rain, energy, gained, modes(n_modes), values(20000), t, r
  real(real64), dimension(n) :: fraction, liquid, ice, liquid_radius, ice_radius
  type(weather_parameters) :: outside
  integer :: k, top

  do k = 1, n + 1
    level(k) = 1.0e5_real64*(real(k, real64)/(n + 1))**2
  end do
  pressure = 0.5_real64*(level(:n) + level(2:))
  exner = (pressure/1.0e5_real64)**kappa
  mass = (level(2:) - level(:n))/gravity

  ! Values of the tables of Goff and Gratch, within one percent.
  call expect('saturated air at 20 C and 1000 hPa holds 14.9 g kg-1', &
              abs(saturation_mixing_ratio(293.15_real64, 1.0e5_real64) - 0.0149_real64) < 0.00015_real64)
  call expect('at -40 C and 300 hPa, over ice, 0.266 g kg-1', &
              abs(saturation_mixing_ratio(233.15_real64, 3.0e4_real64) - 2.66e-4_real64) < 3.0e-6_real64)
  t = 290.0_real64
  r = 0.02_real64
  call condense(9.0e4_real64, t, r)
  call expect('condensation keeps the enthalpy', &
              abs(dry_air_heat_capacity*(t - 290.0_real64) + latent_heat*(r - 0.02_real64)) < 1.0e-6_real64)
  call expect('condensation ends at saturation', abs(r - saturation_mixing_ratio(t, 9.0e4_real64)) < 1.0e-9_real64)
  r = 0.5_real64*r
  before(1) = r
  call condense(9.0e4_real64, t, r)
  call expect('air that is not saturated keeps its vapour to the last bit', r == before(1))

  ! A moist tropical column that is warmer below than a moist adiabat.
  call tropics()
  energy = sum(mass*(dry_air_heat_capacity*temperature + latent_heat*vapour))
  call convect_column(time_step, level, pressure, exner, temperature, vapour, rain, top)
  call expect('moist unstable air rains', rain > 0.0_real64 .and. top < n)
  call expect('convection keeps the enthalpy of a column', &
              abs(sum(mass*(dry_air_heat_capacity*temperature + latent_heat*vapour)) - energy) < 1.0e-12_real64*energy)
  call expect('what rains was vapour', abs(sum(mass*(vapour_before - vapour)) - rain) < 1.0e-10_real64)
  call expect('convection warms the middle troposphere', &
              any(temperature > before .and. pressure > 3.0e4_real64 .and. pressure < 6.0e4_real64))
  call tropics()
  vapour = 0.15_real64*vapour
  vapour(n) = vapour_before(n)
  vapour_before = vapour
  energy = sum(mass*dry_air_heat_capacity*temperature)
  call convect_column(time_step, level, pressure, exner, temperature, vapour, rain, top)
  call expect('below dry air convection is shallow: no rain', rain == 0.0_real64)
  call expect('shallow convection keeps heat and water apart', abs(sum(mass*(vapour - vapour_before))) < 1.0e-9_real64 .and. &
              abs(sum(mass*dry_air_heat_capacity*temperature) - energy) < 1.0e-12_real64*energy)
  temperature = 250.0_real64
  vapour = 1.0e-5_real64
  before = temperature
  call convect_column(time_step, level, pressure, exner, temperature, vapour, rain, top)
  call expect('stable air stays as it is to the last bit', all(temperature == before) .and. top == n + 1 .and. rain == 0.0_real64)

  call tropics()
  vapour(n) = 2.0_real64*vapour(n)
  vapour_before = vapour
  energy = sum(mass*temperature)
  call mix_boundary_layer(time_step, level, pressure, temperature, vapour)
  call expect('turbulence takes vapour up', vapour(n) < vapour_before(n) .and. vapour(n - 1) > vapour_before(n - 1))
  call expect('turbulence loses no vapour', abs(sum(mass*(vapour - vapour_before))) < 1.0e-12_real64*sum(mass*vapour))
  call expect('turbulence loses no heat', abs(sum(mass*temperature) - energy) < 1.0e-13_real64*energy)
  call expect('turbulence stays below 700 hPa', all(pack(vapour == vapour_before, pressure < 7.0e4_real64)))
  vapour = 0.01_real64
  call mix_boundary_layer(time_step, level, pressure, temperature, vapour)
  call expect('what is uniform stays so to the last bit', all(vapour == 0.01_real64))

  do k = 1, size(values)
    values(k) = normal_number(7, k, 3, 1)
  end do
  call expect('normal numbers have mean 0 and variance 1', abs(sum(values)/size(values)) < 0.03_real64 .and. &
              abs(sum(values**2)/size(values) - 1.0_real64) < 0.05_real64)
  call expect('columns have numbers of their own', abs(sum(values(2:)*values(:size(values) - 1)))/size(values) < 0.03_real64)
  call expect('and so have steps, purposes and seeds', normal_number(7, 1, 3, 1) /= normal_number(7, 1, 4, 1) .and. &
              normal_number(7, 1, 3, 1) /= normal_number(7, 1, 3, 2) .and. normal_number(7, 1, 3, 1) /= normal_number(8, 1, 3, 1))
  do k = 0, size(values) - 1
    call advance_weather(outside, time_step, 5, k, modes)
    values(k + 1) = modes(2)
  end do
  call expect('weather has variance 1', abs(sum(values**2)/size(values) - 1.0_real64) < 0.3_real64)
  call expect('weather has a memory of a day', abs(sum(values(145:)*values(:size(values) - 144))/sum(values**2) &
                                                  - exp(-1.0_real64)) < 0.15_real64)

  call tropics()
  modes = [1.0_real64, 0.0_real64, 0.0_real64]
  call force_column(outside, time_step, modes, level, pressure, exner, before, vapour_before, temperature, vapour, gained)
  call expect('sinking air warms and dries', all(pack(temperature > before .and. vapour < vapour_before, &
                                                      pressure > 3.0e4_real64 .and. pressure < 8.0e4_real64)))
  call expect('no weather in the stratosphere', all(pack(temperature == before, pressure < 1.0e4_real64)))
  call expect('what came in is told', &
              abs(sum(mass*(dry_air_heat_capacity*(temperature - before) + latent_heat*(vapour - vapour_before)))/time_step &
                  - gained) < 1.0e-8_real64)
  outside%strength = 0.0_real64
  outside%relaxation_days = 0.0_real64
  call tropics()
  call force_column(outside, time_step, modes, level, pressure, exner, before - 1.0_real64, vapour_before, &
                    temperature, vapour, gained)
  call expect('without strength there is no weather', all(temperature == before) .and. gained == 0.0_real64)

  call tropics()
  vapour = 1.0e-6_real64
  call diagnose_clouds(level, pressure, temperature, vapour, 0.0_real64, 0.0_real64, 1.0e6_real64, fraction, liquid, ice, &
                       liquid_radius, ice_radius)
  call expect('dry air has no clouds', all(fraction == 0.0_real64 .and. liquid == 0.0_real64 .and. ice == 0.0_real64))
  vapour = 0.95_real64*saturation_mixing_ratio(temperature, pressure)
  call diagnose_clouds(level, pressure, temperature, vapour, 0.0_real64, 0.0_real64, 1.0e6_real64, fraction, liquid, ice, &
                       liquid_radius, ice_radius)
  call expect('moist air has, ice where it is cold and droplets where it is warm', &
              all(pack(fraction > 0.0_real64 .and. liquid > 0.0_real64 .and. ice == 0.0_real64, temperature > 275.0_real64)) .and. &
              all(pack(fraction > 0.0_real64 .and. liquid == 0.0_real64 .and. ice > 0.0_real64, temperature < 245.0_real64 .and. &
                       pressure > 1.0e4_real64)))
  vapour = 0.5_real64*vapour
  call diagnose_clouds(level, pressure, temperature, vapour, 0.0_real64, 1.0e-4_real64, 2.0e4_real64, fraction, liquid, ice, &
                       liquid_radius, ice_radius)
  call expect('convection has its own clouds', &
              all(pack(fraction > 0.0_real64, pressure > 2.0e4_real64 .and. pressure < 8.0e4_real64)) &
              .and. all(pack(fraction == 0.0_real64, pressure < 2.0e4_real64)))
  call conclude()

contains

  !> A lapse rate a little steeper than a moist adiabat's, and moist air.
  subroutine tropics()
    temperature = max(300.0_real64*(pressure/1.0e5_real64)**0.15_real64, 200.0_real64)
    vapour = 0.95_real64*min(saturation_mixing_ratio(temperature, pressure), 0.05_real64)
    before = temperature
    vapour_before = vapour
  end subroutine tropics

end program test_moist_physics
