!> RRTMG longwave: fluxes and heating rates of columns of any number of layers, with or without clouds and aerosol.
!>
!> ```fortran
!> type(rrtmg_longwave) :: longwave
!> call longwave%load("rrtmg_longwave.nc")
!> call longwave%fluxes(pressure_level, temperature_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, o2, &
!>                      surface_temperature, surface_emissivity, up, down, heating_rate, &
!>                      cloud_fraction=cloud_fraction, cloud_liquid_path=cloud_liquid_path, liquid_radius=liquid_radius, &
!>                      cloud_ice_path=cloud_ice_path, ice_radius=ice_radius, up_clear=up_clear, down_clear=down_clear)
!> ```
!>
!> Layers run from the top of the atmosphere down. A loaded object is read only: any number of threads may call `fluxes`
!> on it at once, each with its own columns, and a column's result does not depend on the columns beside it.
!> With `stat` absent a failure stops the program with its message on standard error.
module radml_rrtmg_longwave
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use radml_rrtmg_checks, only: input_checks, whole
  use radml_rrtmg_cloud_optics, only: cloud_tables, longwave_cloud_depth
  use radml_rrtmg_cloud_reader, only: read_cloud_tables_beside
  use radml_rrtmg_clouds, only: by_subcolumns, cloud_arguments, given_subcolumns, no_clouds, rrtmg_ice_fu, rrtmg_ice_streamer, &
                                rrtmg_overlap_analytic
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave_bands, only: n_bands, n_gpoints
  use radml_rrtmg_longwave_column, only: column_input, column_result, column_workspace, optical_depths_of_column, solve_column
  use radml_rrtmg_constants, only: rrtmg_avogadro, rrtmg_dry_air_mass, rrtmg_gravity, rrtmg_heat_capacity, &
                                   rrtmg_seconds_per_day, rrtmg_water_mass
  use radml_rrtmg_longwave_reader, only: read_longwave_tables
  use radml_rrtmg_longwave_tables, only: longwave_tables
  use radml_rrtmg_status
  use radml_rrtmg_subcolumns, only: rrtmg_overlap_maximum, rrtmg_overlap_maximum_random, rrtmg_overlap_random, seed_of_column
  implicit none
  private

  public :: rrtmg_gravity, rrtmg_heat_capacity, rrtmg_seconds_per_day, rrtmg_avogadro, rrtmg_dry_air_mass, rrtmg_water_mass

  public :: rrtmg_success, rrtmg_bad_tables, rrtmg_not_loaded, rrtmg_bad_shape, rrtmg_bad_value, rrtmg_bad_arguments

  !> How clouds overlap. The first three are McICA's; the last is the analytic solver, which draws nothing.
  public :: rrtmg_overlap_maximum_random, rrtmg_overlap_random, rrtmg_overlap_maximum, rrtmg_overlap_analytic
  public :: rrtmg_ice_fu, rrtmg_ice_streamer

  real(real64), parameter :: coldest = 100, hottest = 400 ! accepted temperatures [K]; the tables hold for 160 to 340

  !> RRTMG longwave with its coefficient tables.
  type, public :: rrtmg_longwave
    !> Use the original's table of 10,000 transmittances in place of exact exponentials, and what it does with it in cloudy
    !> layers: slower, less exact, for comparisons.
    logical :: original_tables = .false.
    type(longwave_tables), private :: tables
    type(cloud_tables), private :: cloud_optics
  contains
    procedure :: load
    procedure :: fluxes
    procedure :: optical_depths
  end type rrtmg_longwave

contains

  !> Read the coefficient file, and the cloud optics beside it if they are there.
  subroutine load(self, path, stat, errmsg)
    class(rrtmg_longwave), intent(inout) :: self                     !! RRTMG to make ready
    character(len=*), intent(in) :: path                             !! coefficient file, `rrtmg_longwave.nc`; clouds want
                                                                     !! `rrtmg_clouds.nc` in the same folder
    integer, optional, intent(out) :: stat                           !! `rrtmg_success` or `rrtmg_bad_tables` [1]
    character(len=:), allocatable, optional, intent(inout) :: errmsg !! what went wrong
    type(input_checks) :: checks
    character(len=:), allocatable :: problem

    call read_longwave_tables(path, self%tables, problem)
    if (.not. allocated(problem)) then
      call read_cloud_tables_beside(path, self%cloud_optics, problem)
      if (allocated(problem)) self%tables%loaded = .false.
    end if
    if (allocated(problem)) then
      checks%code = rrtmg_bad_tables
      checks%problem = problem
    end if
    if (present(stat)) stat = checks%code
    if (present(errmsg) .and. checks%code /= rrtmg_success) errmsg = checks%problem
    if (.not. present(stat)) call checks%stop_on_failure()
  end subroutine load

  !> Fluxes and heating rates of many columns: of clear sky where no clouds are given.
  !>
  !> Clouds are given by `cloud_fraction` (or by the host's own `subcolumns`), and by the water inside them, liquid or ice or
  !> both, each with its effective radius.
  subroutine fluxes(self, pressure_level, temperature_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, o2, &
                    surface_temperature, surface_emissivity, up, down, heating_rate, cfc11, cfc12, cfc22, ccl4, &
                    cloud_fraction, cloud_liquid_path, liquid_radius, cloud_ice_path, ice_radius, ice_optics, &
                    overlap, seed, draws, subcolumns, aerosol_optical_depth, band_emissivity, &
                    up_clear, down_clear, up_noise, down_noise, stat, errmsg)
    class(rrtmg_longwave), intent(in) :: self                        !! RRTMG, loaded
    real(real64), intent(in) :: pressure_level(:,:)                  !! pressure at levels, rising downwards [Pa] (ncol, nlay+1)
    real(real64), intent(in) :: temperature_level(:,:)               !! temperature at levels [K] (ncol, nlay+1)
    real(real64), intent(in) :: pressure_layer(:,:)                  !! pressure of layers, within their levels' [Pa] (ncol, nlay)
    real(real64), intent(in) :: temperature_layer(:,:)               !! temperature of layers [K] (ncol, nlay)
    real(real64), intent(in) :: h2o(:,:)                             !! water vapour in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: o3(:,:)                              !! ozone in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: co2(:,:)                             !! carbon dioxide in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: ch4(:,:)                             !! methane in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: n2o(:,:)                             !! nitrous oxide in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: o2(:,:)                              !! oxygen in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: surface_temperature(:)               !! temperature of the surface [K] (ncol)
    real(real64), intent(in) :: surface_emissivity(:)                !! its emissivity, the rest is reflected [1] (ncol)
    real(real64), intent(inout) :: up(:,:)                           !! upward flux at levels [W m-2] (ncol, nlay+1)
    real(real64), intent(inout) :: down(:,:)                         !! downward flux at levels [W m-2] (ncol, nlay+1)
    real(real64), intent(inout) :: heating_rate(:,:)                 !! heating rate of layers [K day-1] (ncol, nlay)
    real(real64), optional, intent(in) :: cfc11(:,:)                 !! CFC-11 in dry air, 0 if absent [mol mol-1] (ncol, nlay)
    real(real64), optional, intent(in) :: cfc12(:,:)                 !! CFC-12 in dry air, 0 if absent [mol mol-1] (ncol, nlay)
    real(real64), optional, intent(in) :: cfc22(:,:)                 !! CFC-22 in dry air, 0 if absent [mol mol-1] (ncol, nlay)
    real(real64), optional, intent(in) :: ccl4(:,:)                  !! CCl4 in dry air, 0 if absent [mol mol-1] (ncol, nlay)
    real(real64), optional, target, intent(in) :: cloud_fraction(:,:) !! cloud fraction of layers [1] (ncol, nlay)
    real(real64), optional, target, intent(in) :: cloud_liquid_path(:,:) !! liquid water inside the cloud [kg m-2] (ncol, nlay)
    real(real64), optional, target, intent(in) :: liquid_radius(:,:) !! effective radius, 2.5e-6 to 60e-6 [m] (ncol, nlay)
    real(real64), optional, target, intent(in) :: cloud_ice_path(:,:) !! ice inside the cloud [kg m-2] (ncol, nlay)
    real(real64), optional, target, intent(in) :: ice_radius(:,:) !! effective radius, 3.25e-6 to 90.9e-6 with Fu's
                                                                     !! optics, 5e-6 to 131e-6 with Streamer's [m] (ncol, nlay)
    integer, optional, intent(in) :: ice_optics                      !! `rrtmg_ice_fu` (if absent) or `rrtmg_ice_streamer` [1]
    integer, optional, intent(in) :: overlap                         !! one of `rrtmg_overlap_...`, maximum-random if absent [1]
    integer(int64), optional, target, intent(in) :: seed(:)          !! any number for each column; if absent subcolumns are
                                                                     !! drawn from the column's own values [1] (ncol)
    integer, optional, intent(in) :: draws                           !! subcolumn draws to average, 1 if absent [1]
    logical, optional, target, intent(in) :: subcolumns(:,:,:)       !! where g-points see cloud, instead of `cloud_fraction` and
                                                                     !! what goes with it [1] (ncol, nlay, 140)
    real(real64), optional, intent(in) :: aerosol_optical_depth(:,:,:) !! absorption optical depth of aerosol in each band, 0 if
                                                                     !! absent [1] (ncol, nlay, 16)
    real(real64), optional, intent(in) :: band_emissivity(:,:)       !! emissivity of the surface in each band, in place of
                                                                     !! `surface_emissivity` [1] (ncol, 16)
    real(real64), optional, intent(inout) :: up_clear(:,:)           !! `up` without clouds [W m-2] (ncol, nlay+1)
    real(real64), optional, intent(inout) :: down_clear(:,:)         !! `down` without clouds [W m-2] (ncol, nlay+1)
    real(real64), optional, intent(inout) :: up_noise(:,:)           !! standard deviation of `up` in a single draw; 0 where there
                                                                     !! is one draw only [W m-2] (ncol, nlay+1)
    real(real64), optional, intent(inout) :: down_noise(:,:)         !! the same of `down` [W m-2] (ncol, nlay+1)
    integer, optional, intent(out) :: stat                           !! `rrtmg_success` or what went wrong [1]
    character(len=:), allocatable, optional, intent(inout) :: errmsg !! what went wrong
    type(input_checks) :: checks
    type(column_input) :: input
    type(column_workspace) :: workspace
    type(column_result) :: result
    type(cloud_arguments) :: clouds
    integer :: column, n_columns, n_layers

    n_columns = size(pressure_layer, 1)
    n_layers = size(pressure_layer, 2)
    checks%caller = "rrtmg_longwave%fluxes"
    checks%n_columns = n_columns
    checks%n_layers = n_layers
    if (.not. self%tables%loaded) then
      call checks%fail(rrtmg_not_loaded, "no coefficient tables; call load first")
    else if (n_layers < 1) then
      call checks%fail(rrtmg_bad_shape, "pressure_layer has no layers")
    else
      call checks%extent_of_layers(pressure_level, "pressure_level", 1)
      call checks%extent_of_layers(temperature_level, "temperature_level", 1)
      call checks%extent_of_layers(temperature_layer, "temperature_layer", 0)
      call checks%extent_of_layers(h2o, "h2o", 0)
      call checks%extent_of_layers(o3, "o3", 0)
      call checks%extent_of_layers(co2, "co2", 0)
      call checks%extent_of_layers(ch4, "ch4", 0)
      call checks%extent_of_layers(n2o, "n2o", 0)
      call checks%extent_of_layers(o2, "o2", 0)
      call checks%extent_of_columns(surface_temperature, "surface_temperature")
      call checks%extent_of_columns(surface_emissivity, "surface_emissivity")
      call checks%extent_of_layers(up, "up", 1)
      call checks%extent_of_layers(down, "down", 1)
      call checks%extent_of_layers(heating_rate, "heating_rate", 0)
      if (present(cfc11)) call checks%extent_of_layers(cfc11, "cfc11", 0)
      if (present(cfc12)) call checks%extent_of_layers(cfc12, "cfc12", 0)
      if (present(cfc22)) call checks%extent_of_layers(cfc22, "cfc22", 0)
      if (present(ccl4)) call checks%extent_of_layers(ccl4, "ccl4", 0)
      if (present(up_clear)) call checks%extent_of_layers(up_clear, "up_clear", 1)
      if (present(down_clear)) call checks%extent_of_layers(down_clear, "down_clear", 1)
      if (present(up_noise)) call checks%extent_of_layers(up_noise, "up_noise", 1)
      if (present(down_noise)) call checks%extent_of_layers(down_noise, "down_noise", 1)
      if (present(band_emissivity)) call checks%extents(shape(band_emissivity), "band_emissivity", [n_columns, n_bands])
      if (present(aerosol_optical_depth)) &
        call checks%extents(shape(aerosol_optical_depth), "aerosol_optical_depth", [n_columns, n_layers, n_bands])
      call clouds%set(cloud_fraction, cloud_liquid_path, liquid_radius, cloud_ice_path, ice_radius, ice_optics, overlap, seed, &
                      draws, subcolumns)
      call clouds%check_arguments(checks, n_gpoints, self%cloud_optics%loaded, analytic=.true.)
    end if
    if (checks%code == rrtmg_success) then
      call checks%pressures(pressure_level, pressure_layer)
      call checks%range_of_layers(temperature_level, "temperature_level", coldest, hottest, "K", "level")
      call checks%range_of_layers(temperature_layer, "temperature_layer", coldest, hottest, "K")
      call checks%range_of_layers(h2o, "h2o", 0.0_real64, 1.0_real64, "mol mol-1")
      call checks%range_of_layers(o3, "o3", 0.0_real64, 1.0_real64, "mol mol-1")
      call checks%range_of_layers(co2, "co2", 0.0_real64, 1.0_real64, "mol mol-1")
      call checks%range_of_layers(ch4, "ch4", 0.0_real64, 1.0_real64, "mol mol-1")
      call checks%range_of_layers(n2o, "n2o", 0.0_real64, 1.0_real64, "mol mol-1")
      call checks%range_of_layers(o2, "o2", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(cfc11)) call checks%range_of_layers(cfc11, "cfc11", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(cfc12)) call checks%range_of_layers(cfc12, "cfc12", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(cfc22)) call checks%range_of_layers(cfc22, "cfc22", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(ccl4)) call checks%range_of_layers(ccl4, "ccl4", 0.0_real64, 1.0_real64, "mol mol-1")
      call checks%range_of_columns(surface_temperature, "surface_temperature", coldest, hottest, "K")
      call checks%range_of_columns(surface_emissivity, "surface_emissivity", 0.0_real64, 1.0_real64, "1")
      if (present(band_emissivity)) &
        call checks%range_of_layers(band_emissivity, "band_emissivity", 0.0_real64, 1.0_real64, "1", "band")
      if (present(aerosol_optical_depth)) &
        call checks%range_of_bands(aerosol_optical_depth, "aerosol_optical_depth", 0.0_real64, 1e4_real64, "1")
      call clouds%check_values(checks)
    end if
    if (present(stat)) stat = checks%code
    if (present(errmsg) .and. checks%code /= rrtmg_success) errmsg = checks%problem
    if (.not. present(stat)) call checks%stop_on_failure()
    if (checks%code /= rrtmg_success) return

    call input%create(n_layers)
    call result%create(n_layers)
    input%clouds = clouds%treatment
    input%overlap = clouds%overlap
    input%draws = clouds%draws
    if (clouds%treatment == no_clouds) then
      call workspace%create(n_layers, 0)
    else
      call workspace%create(n_layers, clouds%draws)
      allocate (input%cloud_depth(n_bands, n_layers))
    end if
    if (present(aerosol_optical_depth)) allocate (input%aerosol_depth(n_bands, n_layers))
    do column = 1, n_columns
      input%pressure_level = pressure_level(column, :)
      input%temperature_level = temperature_level(column, :)
      input%pressure_layer = pressure_layer(column, :)
      input%temperature_layer = temperature_layer(column, :)
      input%h2o = h2o(column, :)
      input%o3 = o3(column, :)
      input%co2 = co2(column, :)
      input%ch4 = ch4(column, :)
      input%n2o = n2o(column, :)
      input%o2 = o2(column, :)
      if (present(cfc11)) input%cfc11 = cfc11(column, :)
      if (present(cfc12)) input%cfc12 = cfc12(column, :)
      if (present(cfc22)) input%cfc22 = cfc22(column, :)
      if (present(ccl4)) input%ccl4 = ccl4(column, :)
      input%surface_temperature = surface_temperature(column)
      input%surface_emissivity = surface_emissivity(column)
      if (present(band_emissivity)) input%surface_emissivity = band_emissivity(column, :)
      if (present(aerosol_optical_depth)) input%aerosol_depth = transpose(real(aerosol_optical_depth(column, :, :), wp))
      if (clouds%treatment /= no_clouds) call take_clouds()
      call solve_column(self%tables, n_layers, self%original_tables, input, workspace, result)
      up(column, :) = result%up
      down(column, :) = result%down
      heating_rate(column, :) = result%heating_rate
      if (present(up_clear)) up_clear(column, :) = result%up_clear
      if (present(down_clear)) down_clear(column, :) = result%down_clear
      if (present(up_noise)) up_noise(column, :) = result%up_noise
      if (present(down_noise)) down_noise(column, :) = result%down_noise
    end do

  contains

    !> Optical depth of clouds, and what their subcolumns are made of, in one column.
    subroutine take_clouds()
      real(real64), dimension(n_layers) :: water, droplet, frozen, crystal

      call clouds%take_water(column, water, droplet, frozen, crystal)
      call longwave_cloud_depth(self%cloud_optics, clouds%ice, n_layers, water, frozen, droplet, crystal, &
                                input%cloud_depth)
      if (clouds%treatment == given_subcolumns) then
        input%subcolumns = subcolumns(column, :, :)
      else
        input%cloud_fraction = cloud_fraction(column, :)
      end if
      if (clouds%treatment == by_subcolumns) &
        input%seed = clouds%key_of_column(column, seed_of_column(input%pressure_level(n_layers + 1), input%surface_temperature, &
                                                                 input%temperature_layer([n_layers, (n_layers + 1)/2])))
    end subroutine take_clouds
  end subroutine fluxes

  !> Optical depths and Planck fractions of one column at all 140 g-points, for a look inside. Values are not checked.
  subroutine optical_depths(self, pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, o2, &
                            optical_depth, planck_fraction, cfc11, cfc12, cfc22, ccl4, stat, errmsg)
    class(rrtmg_longwave), intent(in) :: self                        !! RRTMG, loaded
    real(real64), intent(in) :: pressure_level(:)                    !! pressure at levels, rising downwards [Pa] (nlay+1)
    real(real64), intent(in) :: pressure_layer(:)                    !! pressure of layers [Pa] (nlay)
    real(real64), intent(in) :: temperature_layer(:)                 !! temperature of layers [K] (nlay)
    real(real64), intent(in) :: h2o(:)                               !! water vapour in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: o3(:)                                !! ozone in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: co2(:)                               !! carbon dioxide in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: ch4(:)                               !! methane in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: n2o(:)                               !! nitrous oxide in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: o2(:)                                !! oxygen in dry air [mol mol-1] (nlay)
    real(real64), allocatable, intent(out) :: optical_depth(:,:)     !! vertical optical depth [1] (g-point, nlay)
    real(real64), allocatable, intent(out) :: planck_fraction(:,:)   !! Planck fraction [1] (g-point, nlay)
    real(real64), optional, intent(in) :: cfc11(:)                   !! CFC-11 in dry air, 0 if absent [mol mol-1] (nlay)
    real(real64), optional, intent(in) :: cfc12(:)                   !! CFC-12 in dry air, 0 if absent [mol mol-1] (nlay)
    real(real64), optional, intent(in) :: cfc22(:)                   !! CFC-22 in dry air, 0 if absent [mol mol-1] (nlay)
    real(real64), optional, intent(in) :: ccl4(:)                    !! CCl4 in dry air, 0 if absent [mol mol-1] (nlay)
    integer, optional, intent(out) :: stat                           !! `rrtmg_success` or what went wrong [1]
    character(len=:), allocatable, optional, intent(inout) :: errmsg !! what went wrong
    type(input_checks) :: checks
    type(column_input) :: input
    integer :: n

    n = size(pressure_layer)
    checks%caller = "rrtmg_longwave%optical_depths"
    if (.not. self%tables%loaded) then
      call checks%fail(rrtmg_not_loaded, "no coefficient tables; call load first")
    else if (size(pressure_level) /= n + 1 .or. any([size(temperature_layer), size(h2o), size(o3), size(co2), size(ch4), &
                                                     size(n2o), size(o2)] /= n)) then
      call checks%fail(rrtmg_bad_shape, "expected "//trim(whole(n))//" layers in every array and one level more")
    end if
    if (present(stat)) stat = checks%code
    if (present(errmsg) .and. checks%code /= rrtmg_success) errmsg = checks%problem
    if (.not. present(stat)) call checks%stop_on_failure()
    if (checks%code /= rrtmg_success) return
    call input%create(n)
    input%pressure_level = pressure_level
    input%pressure_layer = pressure_layer
    input%temperature_layer = temperature_layer
    input%h2o = h2o
    input%o3 = o3
    input%co2 = co2
    input%ch4 = ch4
    input%n2o = n2o
    input%o2 = o2
    if (present(cfc11)) input%cfc11 = cfc11
    if (present(cfc12)) input%cfc12 = cfc12
    if (present(cfc22)) input%cfc22 = cfc22
    if (present(ccl4)) input%ccl4 = ccl4
    call optical_depths_of_column(self%tables, n, input, optical_depth, planck_fraction)
  end subroutine optical_depths
end module radml_rrtmg_longwave
