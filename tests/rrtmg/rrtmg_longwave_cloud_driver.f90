!> RRTMG longwave with clouds over a plain binary file of columns; and what it is made of.
!>
!>     rrtmg_longwave_cloud_driver MODE TABLES COLUMNS RESULTS
!>
!> MODE is `fluxes`, `original` (as the original does), `optics` (cloud optics of both spectra) or `subcolumns`.
!> COLUMNS: int32 ncol, nlay; how clouds are given (0: not, 1: fraction, 2: subcolumns); overlap; ice optics; draws; and 1 if there
!> is: a seed, aerosol, emissivity by band, halocarbons, clear-sky fluxes wanted; then real64 arrays in Fortran order.
program rrtmg_longwave_cloud_driver
  use, intrinsic :: ieee_exceptions, only: ieee_set_halting_mode, ieee_usual
  use, intrinsic :: iso_fortran_env, only: error_unit, int32, int64, real64
  use radml_rrtmg_cloud_optics
  use radml_rrtmg_cloud_reader, only: read_cloud_tables
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave
  use radml_rrtmg_subcolumns, only: fill_subcolumns, longwave_stream, overlap_plan, plan_overlap, seed_of_number
  implicit none
  type :: profile
    real(real64), allocatable :: value(:,:) ! (ncol, nlay)
  end type profile
  integer, parameter :: h2o = 1, o3 = 2, co2 = 3, ch4 = 4, n2o = 5, o2 = 6, cfc11 = 7, cfc12 = 8, cfc22 = 9, ccl4 = 10
  type(rrtmg_longwave) :: longwave
  type(profile) :: gas(10)
  character(len=4096) :: argument(4)
  integer(int32) :: n_columns, n_layers, given, overlap, ice, draws, has_seed, has_aerosol, has_emissivity, has_halocarbons, clear
  real(real64), allocatable, dimension(:,:) :: pressure_level, temperature_level, pressure_layer, temperature_layer, up, down, &
                                               heating_rate, fraction, liquid_path, liquid_radius, ice_path, ice_radius, &
                                               emissivity, up_clear, down_clear, up_noise, down_noise
  real(real64), allocatable :: surface_temperature(:), surface_emissivity(:), aerosol(:,:,:), mask(:,:,:)
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
    write (error_unit, "(a)") &
      "usage: rrtmg_longwave_cloud_driver fluxes|original|optics|subcolumns TABLES COLUMNS RESULTS"
    error stop 2, quiet=.true.
  end if

  open (newunit=unit, file=trim(argument(3)), access="stream", form="unformatted", status="old", action="read")
  read (unit) n_columns, n_layers, given, overlap, ice, draws, has_seed, has_aerosol, has_emissivity, has_halocarbons, clear
  allocate (pressure_level(n_columns, n_layers + 1))
  allocate (temperature_level, up, down, up_noise, down_noise, mold=pressure_level)
  allocate (pressure_layer(n_columns, n_layers))
  allocate (temperature_layer, heating_rate, mold=pressure_layer)
  allocate (surface_temperature(n_columns), surface_emissivity(n_columns))
  read (unit) pressure_level, temperature_level, pressure_layer, temperature_layer
  do i = 1, merge(10, 6, has_halocarbons == 1)
    allocate (gas(i)%value, mold=pressure_layer)
    read (unit) gas(i)%value
  end do
  read (unit) surface_temperature, surface_emissivity
  ! Not allocated means absent, as an optional argument.
  if (given > 0) then
    allocate (liquid_path, liquid_radius, ice_path, ice_radius, mold=pressure_layer)
    read (unit) liquid_path, liquid_radius, ice_path, ice_radius
  end if
  if (given == 1) then
    allocate (fraction, mold=pressure_layer)
    read (unit) fraction
  else if (given == 2) then
    allocate (mask(n_columns, n_layers, 140))
    read (unit) mask
    subcolumns = mask > 0
  end if
  if (has_seed == 1) then
    allocate (seed(n_columns))
    read (unit) seed
  end if
  if (has_aerosol == 1) then
    allocate (aerosol(n_columns, n_layers, 16))
    read (unit) aerosol
  end if
  if (has_emissivity == 1) then
    allocate (emissivity(n_columns, 16))
    read (unit) emissivity
  end if
  if (clear == 1) allocate (up_clear, down_clear, mold=pressure_level)
  close (unit)

  open (newunit=unit, file=trim(argument(4)), access="stream", form="unformatted", status="replace", action="write")
  select case (argument(1))
  case ("optics")
    call write_optics()
  case ("subcolumns")
    call write_subcolumns()
  case default
    call longwave%load(trim(argument(2)))
    longwave%original_tables = argument(1) == "original"
    call longwave%fluxes(pressure_level, temperature_level, pressure_layer, temperature_layer, gas(h2o)%value, gas(o3)%value, &
                         gas(co2)%value, gas(ch4)%value, gas(n2o)%value, gas(o2)%value, surface_temperature, &
                         surface_emissivity, up, down, heating_rate, gas(cfc11)%value, gas(cfc12)%value, gas(cfc22)%value, &
                         gas(ccl4)%value, fraction, liquid_path, liquid_radius, ice_path, ice_radius, ice_optics=int(ice), &
                         overlap=int(overlap), seed=seed, draws=int(draws), subcolumns=subcolumns, &
                         aerosol_optical_depth=aerosol, band_emissivity=emissivity, up_clear=up_clear, down_clear=down_clear, &
                         up_noise=up_noise, down_noise=down_noise)
    write (unit) up, down, heating_rate, up_noise, down_noise
    if (clear == 1) write (unit) up_clear, down_clear
  end select
  close (unit)

contains

  !> Depths of longwave absorption and of shortwave absorption, scattering, scattering times asymmetry and unscaled extinction of
  !> every column's clouds.
  subroutine write_optics()
    type(cloud_tables) :: tables
    character(len=:), allocatable :: problem
    real(wp), dimension(n_shortwave_bands, n_layers) :: absorbed, scattered, forward, unscaled
    real(wp) :: absorption(n_longwave_bands, n_layers)
    integer :: c

    call read_cloud_tables(trim(argument(2)), tables, problem)
    if (allocated(problem)) error stop problem
    do c = 1, n_columns
      call longwave_cloud_depth(tables, int(ice), int(n_layers), liquid_path(c, :), ice_path(c, :), liquid_radius(c, :), &
                                ice_radius(c, :), absorption)
      call shortwave_cloud_depths(tables, int(ice), int(n_layers), liquid_path(c, :), ice_path(c, :), liquid_radius(c, :), &
                                  ice_radius(c, :), absorbed, scattered, forward, unscaled)
      write (unit) real(absorption, real64), real(absorbed, real64), real(scattered, real64), real(forward, real64), &
        real(unscaled, real64)
    end do
  end subroutine write_optics

  !> Subcolumns of every column and draw.
  subroutine write_subcolumns()
    type(overlap_plan) :: plan
    real(wp) :: cloudy(140, n_layers)
    integer :: c, draw

    do c = 1, n_columns
      call plan_overlap(int(n_layers), fraction(c, :), int(overlap), plan)
      do draw = 1, draws
        call fill_subcolumns(plan, int(n_layers), seed_of_number(seed(c)), draw, longwave_stream, 1, 140, cloudy)
        write (unit) real(cloudy, real64)
      end do
    end do
  end subroutine write_subcolumns
end program rrtmg_longwave_cloud_driver
