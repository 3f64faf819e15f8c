!> RRTMG longwave over a plain binary file of columns.
!>
!>     rrtmg_longwave_driver MODE TABLES COLUMNS RESULTS
!>
!> MODE is `fluxes`, `original` (the original's transmittance table) or `depths` (optical depths and Planck fractions).
!> COLUMNS: int32 ncol, nlay, 1 if halocarbons follow; then real64 arrays in Fortran order. RESULTS: real64 arrays.
program rrtmg_longwave_driver
  use, intrinsic :: ieee_exceptions, only: ieee_set_halting_mode, ieee_usual
  use, intrinsic :: iso_fortran_env, only: error_unit, int32, real64
  use radml_rrtmg_longwave
  implicit none
  type(rrtmg_longwave) :: longwave
  character(len=4096) :: argument(4)
  integer(int32) :: n_columns, n_layers, halocarbons
  real(real64), allocatable, dimension(:,:) :: pressure_level, temperature_level, pressure_layer, temperature_layer, &
                                               h2o, o3, co2, ch4, n2o, o2, cfc11, cfc12, cfc22, ccl4, up, down, heating_rate
  real(real64), allocatable :: surface_temperature(:), surface_emissivity(:), optical_depth(:,:), planck_fraction(:,:)
  integer :: unit, i

  call get_environment_variable("RRTMG_TRAPS", status=i)
  if (i == 0) call ieee_set_halting_mode(ieee_usual, .true.) ! as many host models do
  do i = 1, 4
    argument(i) = ""
    if (i <= command_argument_count()) call get_command_argument(i, argument(i))
  end do
  if (command_argument_count() < 4) then
    write (error_unit, "(a)") "usage: rrtmg_longwave_driver fluxes|original|depths TABLES COLUMNS RESULTS"
    error stop 2, quiet=.true.
  end if

  call longwave%load(trim(argument(2)))
  open (newunit=unit, file=trim(argument(3)), access="stream", form="unformatted", status="old", action="read")
  read (unit) n_columns, n_layers, halocarbons
  allocate (pressure_level(n_columns, n_layers + 1))
  allocate (temperature_level, up, down, mold=pressure_level)
  allocate (pressure_layer(n_columns, n_layers))
  allocate (temperature_layer, h2o, o3, co2, ch4, n2o, o2, heating_rate, mold=pressure_layer)
  allocate (surface_temperature(n_columns), surface_emissivity(n_columns))
  read (unit) pressure_level, temperature_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, o2, &
    surface_temperature, surface_emissivity
  ! Not allocated means absent, as an optional argument.
  if (halocarbons == 1) then
    allocate (cfc11, cfc12, cfc22, ccl4, mold=pressure_layer)
    read (unit) cfc11, cfc12, cfc22, ccl4
  end if
  close (unit)

  open (newunit=unit, file=trim(argument(4)), access="stream", form="unformatted", status="replace", action="write")
  if (argument(1) == "depths") then
    do i = 1, n_columns
      call longwave%optical_depths(pressure_level(i, :), pressure_layer(i, :), temperature_layer(i, :), h2o(i, :), o3(i, :), &
                                   co2(i, :), ch4(i, :), n2o(i, :), o2(i, :), optical_depth, planck_fraction, &
                                   cfc11(i, :), cfc12(i, :), cfc22(i, :), ccl4(i, :))
      write (unit) optical_depth, planck_fraction
    end do
  else
    longwave%original_tables = argument(1) == "original"
    call longwave%fluxes(pressure_level, temperature_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, o2, &
                         surface_temperature, surface_emissivity, up, down, heating_rate, cfc11, cfc12, cfc22, ccl4)
    write (unit) up, down, heating_rate
  end if
  close (unit)
end program rrtmg_longwave_driver
