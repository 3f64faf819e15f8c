!> RRTMG shortwave: fluxes and heating rates of columns of any number of layers, with or without clouds and aerosol.
!>
!> ```fortran
!> type(rrtmg_shortwave) :: shortwave
!> call shortwave%load("rrtmg_shortwave.nc")
!> call shortwave%fluxes(pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, o2, cos_zenith, &
!>                       solar_irradiance, visible_albedo_direct, visible_albedo_diffuse, near_infrared_albedo_direct, &
!>                       near_infrared_albedo_diffuse, up, down, heating_rate, &
!>                       cloud_fraction=cloud_fraction, cloud_liquid_path=cloud_liquid_path, liquid_radius=liquid_radius, &
!>                       cloud_ice_path=cloud_ice_path, ice_radius=ice_radius)
!> ```
!>
!> Layers run from the top of the atmosphere down. Columns where it is night are zero and cost nothing. A loaded object is
!> read only: any number of threads may call `fluxes` on it at once, each with its own columns, and a column's result does not
!> depend on the columns beside it. With `stat` absent a failure stops the program with its message on standard error.
module radml_rrtmg_shortwave
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use radml_rrtmg_checks, only: input_checks, whole
  use radml_rrtmg_cloud_optics, only: cloud_tables, shortwave_cloud_depths
  use radml_rrtmg_cloud_reader, only: read_cloud_tables_beside
  use radml_rrtmg_clouds, only: cloud_arguments, given_subcolumns, no_clouds, rrtmg_ice_fu, rrtmg_ice_streamer
  use radml_rrtmg_shortwave_bands, only: n_bands, n_gpoints
  use radml_rrtmg_shortwave_column, only: column_input, column_result, column_workspace, near_infrared, optical_depths_of_column, &
                                          solution_choices, solve_column, visible
  use radml_rrtmg_shortwave_reader, only: read_shortwave_tables
  use radml_rrtmg_shortwave_tables, only: shortwave_tables
  use radml_rrtmg_status
  use radml_rrtmg_subcolumns, only: rrtmg_overlap_maximum, rrtmg_overlap_maximum_random, rrtmg_overlap_random, seed_of_column
  implicit none
  private

  public :: rrtmg_success, rrtmg_bad_tables, rrtmg_not_loaded, rrtmg_bad_shape, rrtmg_bad_value, rrtmg_bad_arguments

  !> How clouds overlap, by McICA.
  public :: rrtmg_overlap_maximum_random, rrtmg_overlap_random, rrtmg_overlap_maximum
  public :: rrtmg_ice_fu, rrtmg_ice_streamer

  integer, parameter, public :: rrtmg_shortwave_bands = n_bands !! spectral bands, AER's 16 to 29

  real(real64), parameter :: coldest = 100, hottest = 400 ! accepted temperatures [K]; the tables hold for 160 to 340

  !> RRTMG shortwave with its coefficient tables.
  type, public :: rrtmg_shortwave
    !> Use the original's table of 10,000 transmittances in place of exact exponentials: slower, less exact, for comparisons.
    logical :: original_tables = .false.
    !> The original takes ice that absorbs strongly, but scatters forward, for ice that does not absorb (Fu's crystals at 3250 to
    !> 4650 cm-1), and so does this. With this switch it absorbs.
    logical :: absorbing_ice = .false.
    type(shortwave_tables), private :: tables
    type(cloud_tables), private :: cloud_optics
  contains
    procedure :: load
    procedure :: fluxes
    procedure :: optical_depths
  end type rrtmg_shortwave

contains

  !> Read the coefficient file, and the cloud optics beside it if they are there.
  subroutine load(self, path, stat, errmsg)
    class(rrtmg_shortwave), intent(inout) :: self                    !! RRTMG to make ready
    character(len=*), intent(in) :: path                             !! coefficient file, `rrtmg_shortwave.nc`; clouds want
                                                                     !! `rrtmg_clouds.nc` in the same folder
    integer, optional, intent(out) :: stat                           !! `rrtmg_success` or `rrtmg_bad_tables` [1]
    character(len=:), allocatable, optional, intent(inout) :: errmsg !! what went wrong
    type(input_checks) :: checks
    character(len=:), allocatable :: problem

    call read_shortwave_tables(path, self%tables, problem)
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
  subroutine fluxes(self, pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, o2, cos_zenith, &
                    solar_irradiance, visible_albedo_direct, visible_albedo_diffuse, near_infrared_albedo_direct, &
                    near_infrared_albedo_diffuse, up, down, heating_rate, direct, aerosol_optical_depth, &
                    aerosol_single_scattering_albedo, aerosol_asymmetry, cloud_fraction, cloud_liquid_path, liquid_radius, &
                    cloud_ice_path, ice_radius, ice_optics, overlap, seed, draws, subcolumns, up_clear, down_clear, &
                    direct_clear, up_noise, down_noise, surface_visible_direct, surface_visible_diffuse, &
                    surface_near_infrared_direct, surface_near_infrared_diffuse, stat, errmsg)
    class(rrtmg_shortwave), intent(in) :: self                       !! RRTMG, loaded
    real(real64), intent(in) :: pressure_level(:,:)                  !! pressure at levels, rising downwards [Pa] (ncol, nlay+1)
    real(real64), intent(in) :: pressure_layer(:,:)                  !! pressure of layers, within their levels' [Pa] (ncol, nlay)
    real(real64), intent(in) :: temperature_layer(:,:)               !! temperature of layers [K] (ncol, nlay)
    real(real64), intent(in) :: h2o(:,:)                             !! water vapour in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: o3(:,:)                              !! ozone in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: co2(:,:)                             !! carbon dioxide in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: ch4(:,:)                             !! methane in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: o2(:,:)                              !! oxygen in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: cos_zenith(:)                        !! cosine of the solar zenith angle, night to 0 [1] (ncol)
    real(real64), intent(in) :: solar_irradiance(:)                  !! of the sun at the top, normal to the beam [W m-2] (ncol)
    real(real64), intent(in) :: visible_albedo_direct(:)             !! below 625 nm, for the direct beam [1] (ncol)
    real(real64), intent(in) :: visible_albedo_diffuse(:)            !! below 625 nm, for diffuse light [1] (ncol)
    real(real64), intent(in) :: near_infrared_albedo_direct(:)       !! beyond 625 nm, for the direct beam [1] (ncol)
    real(real64), intent(in) :: near_infrared_albedo_diffuse(:)      !! beyond 625 nm, for diffuse light [1] (ncol)
    real(real64), intent(inout) :: up(:,:)                           !! upward flux at levels [W m-2] (ncol, nlay+1)
    real(real64), intent(inout) :: down(:,:)                         !! downward flux, direct and diffuse [W m-2] (ncol, nlay+1)
    real(real64), intent(inout) :: heating_rate(:,:)                 !! heating rate of layers [K day-1] (ncol, nlay)
    real(real64), optional, intent(inout) :: direct(:,:)             !! direct part of the downward flux [W m-2] (ncol, nlay+1)
    real(real64), optional, intent(in) :: aerosol_optical_depth(:,:,:)            !! vertical [1] (ncol, nlay, band)
    real(real64), optional, intent(in) :: aerosol_single_scattering_albedo(:,:,:) !! [1] (ncol, nlay, band)
    real(real64), optional, intent(in) :: aerosol_asymmetry(:,:,:)                !! of scattering [1] (ncol, nlay, band)
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
                                                                     !! what goes with it [1] (ncol, nlay, 112)
    real(real64), optional, intent(inout) :: up_clear(:,:)           !! `up` without clouds [W m-2] (ncol, nlay+1)
    real(real64), optional, intent(inout) :: down_clear(:,:)         !! `down` without clouds [W m-2] (ncol, nlay+1)
    real(real64), optional, intent(inout) :: direct_clear(:,:)       !! `direct` without clouds [W m-2] (ncol, nlay+1)
    real(real64), optional, intent(inout) :: up_noise(:,:)           !! standard deviation of `up` in a single draw; 0 where there
                                                                     !! is one draw only [W m-2] (ncol, nlay+1)
    real(real64), optional, intent(inout) :: down_noise(:,:)         !! the same of `down` [W m-2] (ncol, nlay+1)
    real(real64), optional, intent(inout) :: surface_visible_direct(:)        !! downward flux at the surface below 625 nm, direct
                                                                              !! [W m-2] (ncol)
    real(real64), optional, intent(inout) :: surface_visible_diffuse(:)       !! the same, diffuse [W m-2] (ncol)
    real(real64), optional, intent(inout) :: surface_near_infrared_direct(:)  !! the same beyond 625 nm, direct [W m-2] (ncol)
    real(real64), optional, intent(inout) :: surface_near_infrared_diffuse(:) !! the same, diffuse [W m-2] (ncol)
    integer, optional, intent(out) :: stat                           !! `rrtmg_success` or what went wrong [1]
    character(len=:), allocatable, optional, intent(inout) :: errmsg !! what went wrong
    type(input_checks) :: checks
    type(column_input) :: input
    type(column_workspace) :: workspace
    type(column_result) :: result
    type(cloud_arguments) :: clouds
    logical :: aerosol
    integer :: column, n_columns, n_layers

    n_columns = size(pressure_layer, 1)
    n_layers = size(pressure_layer, 2)
    checks%caller = "rrtmg_shortwave%fluxes"
    checks%n_columns = n_columns
    checks%n_layers = n_layers
    aerosol = present(aerosol_optical_depth)
    if (.not. self%tables%loaded) then
      call checks%fail(rrtmg_not_loaded, "no coefficient tables; call load first")
    else if (n_layers < 1) then
      call checks%fail(rrtmg_bad_shape, "pressure_layer has no layers")
    else
      call checks%extent_of_layers(pressure_level, "pressure_level", 1)
      call checks%extent_of_layers(temperature_layer, "temperature_layer", 0)
      call checks%extent_of_layers(h2o, "h2o", 0)
      call checks%extent_of_layers(o3, "o3", 0)
      call checks%extent_of_layers(co2, "co2", 0)
      call checks%extent_of_layers(ch4, "ch4", 0)
      call checks%extent_of_layers(o2, "o2", 0)
      call checks%extent_of_columns(cos_zenith, "cos_zenith")
      call checks%extent_of_columns(solar_irradiance, "solar_irradiance")
      call checks%extent_of_columns(visible_albedo_direct, "visible_albedo_direct")
      call checks%extent_of_columns(visible_albedo_diffuse, "visible_albedo_diffuse")
      call checks%extent_of_columns(near_infrared_albedo_direct, "near_infrared_albedo_direct")
      call checks%extent_of_columns(near_infrared_albedo_diffuse, "near_infrared_albedo_diffuse")
      call checks%extent_of_layers(up, "up", 1)
      call checks%extent_of_layers(down, "down", 1)
      call checks%extent_of_layers(heating_rate, "heating_rate", 0)
      if (present(direct)) call checks%extent_of_layers(direct, "direct", 1)
      if (any([present(aerosol_single_scattering_albedo), present(aerosol_asymmetry)] .neqv. aerosol)) &
        call checks%fail(rrtmg_bad_arguments, &
                         "aerosol: expected optical depth, single-scattering albedo and asymmetry, got only some")
      if (present(aerosol_optical_depth)) &
        call checks%extent_of_bands(aerosol_optical_depth, "aerosol_optical_depth", n_bands)
      if (present(aerosol_single_scattering_albedo)) &
        call checks%extent_of_bands(aerosol_single_scattering_albedo, "aerosol_single_scattering_albedo", n_bands)
      if (present(aerosol_asymmetry)) call checks%extent_of_bands(aerosol_asymmetry, "aerosol_asymmetry", n_bands)
      if (present(up_clear)) call checks%extent_of_layers(up_clear, "up_clear", 1)
      if (present(down_clear)) call checks%extent_of_layers(down_clear, "down_clear", 1)
      if (present(direct_clear)) call checks%extent_of_layers(direct_clear, "direct_clear", 1)
      if (present(up_noise)) call checks%extent_of_layers(up_noise, "up_noise", 1)
      if (present(down_noise)) call checks%extent_of_layers(down_noise, "down_noise", 1)
      if (present(surface_visible_direct)) call checks%extent_of_columns(surface_visible_direct, "surface_visible_direct")
      if (present(surface_visible_diffuse)) call checks%extent_of_columns(surface_visible_diffuse, "surface_visible_diffuse")
      if (present(surface_near_infrared_direct)) &
        call checks%extent_of_columns(surface_near_infrared_direct, "surface_near_infrared_direct")
      if (present(surface_near_infrared_diffuse)) &
        call checks%extent_of_columns(surface_near_infrared_diffuse, "surface_near_infrared_diffuse")
      call clouds%set(cloud_fraction, cloud_liquid_path, liquid_radius, cloud_ice_path, ice_radius, ice_optics, overlap, seed, &
                      draws, subcolumns)
      call clouds%check_arguments(checks, n_gpoints, self%cloud_optics%loaded, analytic=.false.)
    end if
    if (checks%code == rrtmg_success) then
      call checks%pressures(pressure_level, pressure_layer)
      call checks%range_of_layers(temperature_layer, "temperature_layer", coldest, hottest, "K")
      call checks%range_of_layers(h2o, "h2o", 0.0_real64, 1.0_real64, "mol mol-1")
      call checks%range_of_layers(o3, "o3", 0.0_real64, 1.0_real64, "mol mol-1")
      call checks%range_of_layers(co2, "co2", 0.0_real64, 1.0_real64, "mol mol-1")
      call checks%range_of_layers(ch4, "ch4", 0.0_real64, 1.0_real64, "mol mol-1")
      call checks%range_of_layers(o2, "o2", 0.0_real64, 1.0_real64, "mol mol-1")
      call checks%range_of_columns(cos_zenith, "cos_zenith", -1.0_real64, 1.0_real64, "1")
      call checks%range_of_columns(solar_irradiance, "solar_irradiance", 0.0_real64, 1e4_real64, "W m-2")
      call checks%range_of_columns(visible_albedo_direct, "visible_albedo_direct", 0.0_real64, 1.0_real64, "1")
      call checks%range_of_columns(visible_albedo_diffuse, "visible_albedo_diffuse", 0.0_real64, 1.0_real64, "1")
      call checks%range_of_columns(near_infrared_albedo_direct, "near_infrared_albedo_direct", 0.0_real64, 1.0_real64, "1")
      call checks%range_of_columns(near_infrared_albedo_diffuse, "near_infrared_albedo_diffuse", 0.0_real64, 1.0_real64, "1")
      if (aerosol) then
        call checks%range_of_bands(aerosol_optical_depth, "aerosol_optical_depth", 0.0_real64, 1e4_real64, "1")
        call checks%range_of_bands(aerosol_single_scattering_albedo, "aerosol_single_scattering_albedo", 0.0_real64, &
                                   1.0_real64, "1")
        call checks%range_of_bands(aerosol_asymmetry, "aerosol_asymmetry", 0.0_real64, 1.0_real64, "1")
      end if
      call clouds%check_values(checks)
    end if
    if (present(stat)) stat = checks%code
    if (present(errmsg) .and. checks%code /= rrtmg_success) errmsg = checks%problem
    if (.not. present(stat)) call checks%stop_on_failure()
    if (checks%code /= rrtmg_success) return

    call input%create(n_layers, aerosol)
    call result%create(n_layers)
    input%wants_clear_sky = present(up_clear) .or. present(down_clear) .or. present(direct_clear)
    input%clouds%treatment = clouds%treatment
    input%clouds%overlap = clouds%overlap
    input%clouds%draws = clouds%draws
    if (clouds%treatment == no_clouds) then
      call workspace%create(n_layers, 0)
    else
      call workspace%create(n_layers, clouds%draws)
      allocate (input%clouds%absorption(n_bands, n_layers))
      allocate (input%clouds%scattering, input%clouds%forward, input%clouds%unscaled, mold=input%clouds%absorption)
    end if
    do column = 1, n_columns
      if (cos_zenith(column) <= 0 .or. solar_irradiance(column) <= 0) then
        call leave_dark()
        cycle
      end if
      input%pressure_level = pressure_level(column, :)
      input%pressure_layer = pressure_layer(column, :)
      input%temperature_layer = temperature_layer(column, :)
      input%h2o = h2o(column, :)
      input%o3 = o3(column, :)
      input%co2 = co2(column, :)
      input%ch4 = ch4(column, :)
      input%o2 = o2(column, :)
      input%cosine = cos_zenith(column)
      input%irradiance = solar_irradiance(column)
      input%visible_direct = visible_albedo_direct(column)
      input%visible_diffuse = visible_albedo_diffuse(column)
      input%near_infrared_direct = near_infrared_albedo_direct(column)
      input%near_infrared_diffuse = near_infrared_albedo_diffuse(column)
      if (aerosol) then
        input%aerosol%depth = aerosol_optical_depth(column, :, :)
        input%aerosol%albedo = aerosol_single_scattering_albedo(column, :, :)
        input%aerosol%asymmetry = aerosol_asymmetry(column, :, :)
      end if
      if (clouds%treatment /= no_clouds) call take_clouds()
      call solve_column(self%tables, n_layers, solution_choices(self%original_tables, self%absorbing_ice), input, workspace, result)
      up(column, :) = result%all_sky%up
      down(column, :) = result%all_sky%down
      if (present(direct)) direct(column, :) = result%all_sky%direct
      heating_rate(column, :) = result%heating_rate
      if (present(up_clear)) up_clear(column, :) = result%clear_sky%up
      if (present(down_clear)) down_clear(column, :) = result%clear_sky%down
      if (present(direct_clear)) direct_clear(column, :) = result%clear_sky%direct
      if (present(up_noise)) up_noise(column, :) = result%up_noise
      if (present(down_noise)) down_noise(column, :) = result%down_noise
      if (present(surface_visible_direct)) surface_visible_direct(column) = result%all_sky%ground_direct(visible)
      if (present(surface_visible_diffuse)) surface_visible_diffuse(column) = result%all_sky%ground_diffuse(visible)
      if (present(surface_near_infrared_direct)) &
        surface_near_infrared_direct(column) = result%all_sky%ground_direct(near_infrared)
      if (present(surface_near_infrared_diffuse)) &
        surface_near_infrared_diffuse(column) = result%all_sky%ground_diffuse(near_infrared)
    end do

  contains

    !> Night: nothing of anything.
    subroutine leave_dark()
      up(column, :) = 0
      down(column, :) = 0
      if (present(direct)) direct(column, :) = 0
      heating_rate(column, :) = 0
      if (present(up_clear)) up_clear(column, :) = 0
      if (present(down_clear)) down_clear(column, :) = 0
      if (present(direct_clear)) direct_clear(column, :) = 0
      if (present(up_noise)) up_noise(column, :) = 0
      if (present(down_noise)) down_noise(column, :) = 0
      if (present(surface_visible_direct)) surface_visible_direct(column) = 0
      if (present(surface_visible_diffuse)) surface_visible_diffuse(column) = 0
      if (present(surface_near_infrared_direct)) surface_near_infrared_direct(column) = 0
      if (present(surface_near_infrared_diffuse)) surface_near_infrared_diffuse(column) = 0
    end subroutine leave_dark

    !> Depths of clouds, and what their subcolumns are made of, in one column.
    subroutine take_clouds()
      real(real64), dimension(n_layers) :: water, droplet, frozen, crystal

      call clouds%take_water(column, water, droplet, frozen, crystal)
      call shortwave_cloud_depths(self%cloud_optics, clouds%ice, n_layers, water, frozen, droplet, crystal, &
                                  input%clouds%absorption, input%clouds%scattering, input%clouds%forward, input%clouds%unscaled)
      if (clouds%treatment == given_subcolumns) then
        input%clouds%subcolumns = subcolumns(column, :, :)
        return
      end if
      input%clouds%fraction = cloud_fraction(column, :)
      input%clouds%seed = clouds%key_of_column(column, &
        seed_of_column(input%pressure_level(n_layers + 1), input%temperature_layer(n_layers), &
                       input%temperature_layer([n_layers, (n_layers + 1)/2])))
    end subroutine take_clouds
  end subroutine fluxes

  !> Depths of absorption and Rayleigh scattering of one column at all 112 g-points and the solar source, for a look inside.
  !> Values are not checked.
  subroutine optical_depths(self, pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, o2, solar_irradiance, &
                            absorption, rayleigh, source, stat, errmsg)
    class(rrtmg_shortwave), intent(in) :: self                       !! RRTMG, loaded
    real(real64), intent(in) :: pressure_level(:)                    !! pressure at levels, rising downwards [Pa] (nlay+1)
    real(real64), intent(in) :: pressure_layer(:)                    !! pressure of layers [Pa] (nlay)
    real(real64), intent(in) :: temperature_layer(:)                 !! temperature of layers [K] (nlay)
    real(real64), intent(in) :: h2o(:)                               !! water vapour in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: o3(:)                                !! ozone in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: co2(:)                               !! carbon dioxide in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: ch4(:)                               !! methane in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: o2(:)                                !! oxygen in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: solar_irradiance                     !! of the sun at the top, normal to the beam [W m-2]
    real(real64), allocatable, intent(out) :: absorption(:,:)        !! vertical depth of absorption [1] (g-point, nlay)
    real(real64), allocatable, intent(out) :: rayleigh(:,:)          !! vertical depth of Rayleigh scattering [1] (g-point, nlay)
    real(real64), allocatable, intent(out) :: source(:)              !! solar source, normal to the beam [W m-2] (g-point)
    integer, optional, intent(out) :: stat                           !! `rrtmg_success` or what went wrong [1]
    character(len=:), allocatable, optional, intent(inout) :: errmsg !! what went wrong
    type(input_checks) :: checks
    type(column_input) :: input
    integer :: n

    n = size(pressure_layer)
    checks%caller = "rrtmg_shortwave%optical_depths"
    if (.not. self%tables%loaded) then
      call checks%fail(rrtmg_not_loaded, "no coefficient tables; call load first")
    else if (n < 1 .or. size(pressure_level) /= n + 1 .or. &
             any([size(temperature_layer), size(h2o), size(o3), size(co2), size(ch4), size(o2)] /= n)) then
      call checks%fail(rrtmg_bad_shape, "expected "//trim(whole(n))//" layers in every array and one level more")
    end if
    if (present(stat)) stat = checks%code
    if (present(errmsg) .and. checks%code /= rrtmg_success) errmsg = checks%problem
    if (.not. present(stat)) call checks%stop_on_failure()
    if (checks%code /= rrtmg_success) return
    call input%create(n, .false.)
    input%pressure_level = pressure_level
    input%pressure_layer = pressure_layer
    input%temperature_layer = temperature_layer
    input%h2o = h2o
    input%o3 = o3
    input%co2 = co2
    input%ch4 = ch4
    input%o2 = o2
    input%irradiance = solar_irradiance
    call optical_depths_of_column(self%tables, n, input, absorption, rayleigh, source)
  end subroutine optical_depths
end module radml_rrtmg_shortwave
