!> Tests of the surface heat budget.
program test_surface
  use, intrinsic :: iso_fortran_env, only: real64
  use expectations, only: conclude, expect
  use physical_constants, only: dry_air_heat_capacity, gravity
  use surface, only: absorbed_sunlight, step_surface, surface_parameters
  implicit none
  type(surface_parameters) :: parameters
  real(real64), parameter :: time_step = 3600.0_real64, thickness = 50.0_real64
  real(real64) :: surface_temperature, layer_temperature, heat, gained, difference
  integer :: step

  surface_temperature = 310.0_real64
  layer_temperature = 280.0_real64
  call step_surface(parameters, time_step, 150.0_real64, 1.0e5_real64, 99975.0_real64, thickness, surface_temperature, &
                    layer_temperature, heat)
  gained = parameters%heat_capacity*(surface_temperature - 310.0_real64) &
           + dry_air_heat_capacity*thickness/gravity*(layer_temperature - 280.0_real64)
  call expect('slab and layer together gain what radiation brings', &
              abs(gained - time_step*150.0_real64) < 1.0e-9_real64*time_step*150.0_real64)
  call expect('a warmer surface heats the layer', heat > 0.0_real64 .and. layer_temperature > 280.0_real64)

  surface_temperature = 310.0_real64
  layer_temperature = 280.0_real64
  difference = 30.0_real64
  do step = 1, 20
    call step_surface(parameters, time_step, 0.0_real64, 1.0e5_real64, 99975.0_real64, thickness, surface_temperature, &
                      layer_temperature, heat)
    call expect('a long step with a thin layer does not swing', &
                surface_temperature - layer_temperature > -0.1_real64 .and. &
                surface_temperature - layer_temperature <= difference)
    difference = surface_temperature - layer_temperature
  end do
  call expect('without radiation the two come together', abs(difference) < 0.1_real64)

  call expect('no sunlight is absorbed at night', &
              absorbed_sunlight(parameters, -0.3_real64, 1361.0_real64, 0.2_real64) == 0.0_real64)
  call expect('an overhead Sun gives transmissivity times one minus albedo times irradiance', &
              abs(absorbed_sunlight(parameters, 1.0_real64, 1361.0_real64, 0.2_real64) - 0.7_real64*0.8_real64*1361.0_real64) &
              < 1.0e-9_real64)
  call conclude()
end program test_surface
