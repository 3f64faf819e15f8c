!> RRTMG shortwave over a plain binary file of columns.
!>
!>     rrtmg_shortwave_driver MODE TABLES COLUMNS RESULTS
!>
!> MODE is `fluxes`, `original` (the original's transmittance table), `absorbing` (ice that scatters forward absorbs) or `depths`
!> (depths and solar source).
!> COLUMNS: int32 ncol, nlay; how clouds are given (0: not, 1: fraction, 2: subcolumns); overlap; ice optics; draws; and 1 if there
!> is: a seed, aerosol, clear-sky fluxes wanted; then real64 arrays in Fortran order. RESULTS: real64 arrays.
program rrtmg_shortwave_driver
  use, intrinsic :: ieee_exceptions, only: ieee_set_halting_mode, ieee_usual
  use, intrinsic :: iso_fortran_env, only: error_unit, int32, int64, real64
  use radml_rrtmg_shortwave
  implicit none
  type(rrtmg_shortwave) :: shortwave
  character(len=4096) :: argument(4)
  integer(int32) :: n_columns, n_layers, given, overlap, ice, draws, has_seed, has_aerosol, clear
  real(real64), allocatable, dimension(:,:) :: pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, o2, &
                                               up, down, direct, heating_rate, absorption, rayleigh, fraction, liquid_path, &
                                               liquid_radius, ice_path, ice_radius, up_clear, down_clear, direct_clear, up_noise, &
                                               down_noise
  real(real64), allocatable, dimension(:) :: cos_zenith, solar_irradiance, visible_direct, visible_diffuse, &
                                             near_infrared_direct, near_infrared_diffuse, source
  real(real64), allocatable, dimension(:,:,:) :: optical_depth, albedo, asymmetry, mask
  real(real64), allocatable :: surface(:,:)
  integer(int64), allocatable :: seed(:)
  logical, allocatable :: subcolumns(:,:,:)
  integer :: unit, i

  call get_environment_variable("RRTMG_TRAPS", status=i)
  if (i == 0) call ieee_set_halting_mode(ieee_usual, .true.) ! as many host models do
  do i = 1, 4
    argument(i) = ""
    if (i <= command_argument_count()) call get_command_argument(i, argument(i))
  end do
  if (command_argument_count() < 4) then
    write (error_unit, "(a)") "usage: rrtmg_shortwave_driver fluxes|original|absorbing|depths TABLES COLUMNS RESULTS"
    error stop 2, quiet=.true.
  end if

  call shortwave%load(trim(argument(2)))
  open (newunit=unit, file=trim(argument(3)), access="stream", form="unformatted", status="old", action="read")
  read (unit) n_columns, n_layers, given, overlap, ice, draws, has_seed, has_aerosol, clear
  allocate (pressure_level(n_columns, n_layers + 1))
  allocate (up, down, direct, up_noise, down_noise, mold=pressure_level)
  allocate (pressure_layer(n_columns, n_layers))
  allocate (temperature_layer, h2o, o3, co2, ch4, o2, heating_rate, mold=pressure_layer)
  allocate (cos_zenith(n_columns))
  allocate (solar_irradiance, visible_direct, visible_diffuse, near_infrared_direct, near_infrared_diffuse, mold=cos_zenith)
  read (unit) pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, o2, cos_zenith, solar_irradiance, &
    visible_direct, visible_diffuse, near_infrared_direct, near_infrared_diffuse
  ! Not allocated means absent, as an optional argument.
  if (given > 0) then
    allocate (liquid_path, liquid_radius, ice_path, ice_radius, mold=pressure_layer)
    read (unit) liquid_path, liquid_radius, ice_path, ice_radius
  end if
  if (given == 1) then
    allocate (fraction, mold=pressure_layer)
    read (unit) fraction
  else if (given == 2) then
    allocate (mask(n_columns, n_layers, 112))
    read (unit) mask
    subcolumns = mask > 0
  end if
  if (has_seed == 1) then
    allocate (seed(n_columns))
    read (unit) seed
  end if
  if (has_aerosol == 1) then
    allocate (optical_depth(n_columns, n_layers, rrtmg_shortwave_bands))
    allocate (albedo, asymmetry, mold=optical_depth)
    read (unit) optical_depth, albedo, asymmetry
  end if
  if (clear == 1) allocate (up_clear, down_clear, direct_clear, mold=pressure_level)
  allocate (surface(n_columns, 4))
  close (unit)

  open (newunit=unit, file=trim(argument(4)), access="stream", form="unformatted", status="replace", action="write")
  if (argument(1) == "depths") then
    do i = 1, n_columns
      call shortwave%optical_depths(pressure_level(i, :), pressure_layer(i, :), temperature_layer(i, :), h2o(i, :), o3(i, :), &
                                    co2(i, :), ch4(i, :), o2(i, :), solar_irradiance(i), absorption, rayleigh, source)
      write (unit) absorption, rayleigh, source
    end do
  else
    shortwave%original_tables = argument(1) == "original"
    shortwave%absorbing_ice = argument(1) == "absorbing"
    call shortwave%fluxes(pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, o2, cos_zenith, &
                          solar_irradiance, visible_direct, visible_diffuse, near_infrared_direct, near_infrared_diffuse, &
                          up, down, heating_rate, direct, optical_depth, albedo, asymmetry, fraction, liquid_path, &
                          liquid_radius, ice_path, ice_radius, int(ice), int(overlap), seed, int(draws), subcolumns, up_clear, &
                          down_clear, direct_clear, up_noise, down_noise, surface(:, 1), surface(:, 2), surface(:, 3), &
                          surface(:, 4))
    write (unit) up, down, direct, heating_rate, up_noise, down_noise, surface
    if (clear == 1) write (unit) up_clear, down_clear, direct_clear
  end if
  close (unit)
end program rrtmg_shortwave_driver
