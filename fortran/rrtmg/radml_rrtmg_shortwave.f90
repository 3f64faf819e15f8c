!> RRTMG shortwave for clear sky, with aerosol if given: fluxes and heating rates of columns of any number of layers.
!>
!> ```fortran
!> type(rrtmg_shortwave) :: shortwave
!> call shortwave%load("rrtmg_shortwave.nc")
!> call shortwave%fluxes(pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, o2, cos_zenith, &
!>                       solar_irradiance, visible_albedo_direct, visible_albedo_diffuse, near_infrared_albedo_direct, &
!>                       near_infrared_albedo_diffuse, up, down, heating_rate)
!> ```
!>
!> Layers run from the top of the atmosphere down. Columns where it is night are zero and cost nothing. A loaded object is
!> read only: any number of threads may call `fluxes` on it at once, each with its own columns, and a column's result does not
!> depend on the columns beside it. With `stat` absent a failure stops the program with its message on standard error.
module radml_rrtmg_shortwave
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_checks, only: input_checks, whole
  use radml_rrtmg_shortwave_bands, only: n_bands
  use radml_rrtmg_shortwave_column, only: column_input, column_workspace, optical_depths_of_column, solve_column
  use radml_rrtmg_shortwave_reader, only: read_shortwave_tables
  use radml_rrtmg_shortwave_tables, only: shortwave_tables
  use radml_rrtmg_status
  implicit none
  private

  public :: rrtmg_success, rrtmg_bad_tables, rrtmg_not_loaded, rrtmg_bad_shape, rrtmg_bad_value, rrtmg_bad_arguments

  integer, parameter, public :: rrtmg_shortwave_bands = n_bands !! spectral bands, AER's 16 to 29

  real(real64), parameter :: coldest = 100, hottest = 400 ! accepted temperatures [K]; the tables hold for 160 to 340

  !> RRTMG shortwave with its coefficient tables.
  type, public :: rrtmg_shortwave
    !> Use the original's table of 10,000 transmittances in place of exact exponentials: slower, less exact, for comparisons.
    logical :: original_tables = .false.
    type(shortwave_tables), private :: tables
  contains
    procedure :: load
    procedure :: fluxes
    procedure :: optical_depths
  end type rrtmg_shortwave

contains

  !> Read the coefficient file.
  subroutine load(self, path, stat, errmsg)
    class(rrtmg_shortwave), intent(inout) :: self                    !! RRTMG to make ready
    character(len=*), intent(in) :: path                             !! coefficient file, `rrtmg_shortwave.nc`
    integer, optional, intent(out) :: stat                           !! `rrtmg_success` or `rrtmg_bad_tables` [1]
    character(len=:), allocatable, optional, intent(inout) :: errmsg !! what went wrong
    type(input_checks) :: checks
    character(len=:), allocatable :: problem

    call read_shortwave_tables(path, self%tables, problem)
    if (allocated(problem)) then
      checks%code = rrtmg_bad_tables
      checks%problem = problem
    end if
    if (present(stat)) stat = checks%code
    if (present(errmsg) .and. checks%code /= rrtmg_success) errmsg = checks%problem
    if (.not. present(stat)) call checks%stop_on_failure()
  end subroutine load

  !> Fluxes and heating rates of many columns.
  subroutine fluxes(self, pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, o2, cos_zenith, &
                    solar_irradiance, visible_albedo_direct, visible_albedo_diffuse, near_infrared_albedo_direct, &
                    near_infrared_albedo_diffuse, up, down, heating_rate, direct, aerosol_optical_depth, &
                    aerosol_single_scattering_albedo, aerosol_asymmetry, stat, errmsg)
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
    integer, optional, intent(out) :: stat                           !! `rrtmg_success` or what went wrong [1]
    character(len=:), allocatable, optional, intent(inout) :: errmsg !! what went wrong
    type(input_checks) :: checks
    type(column_input) :: input
    type(column_workspace) :: workspace
    real(real64), allocatable :: column_up(:), column_down(:), column_direct(:), column_heating(:)
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
    end if
    if (present(stat)) stat = checks%code
    if (present(errmsg) .and. checks%code /= rrtmg_success) errmsg = checks%problem
    if (.not. present(stat)) call checks%stop_on_failure()
    if (checks%code /= rrtmg_success) return

    call input%create(n_layers, aerosol)
    call workspace%create(n_layers)
    allocate (column_up(n_layers + 1), column_down(n_layers + 1), column_direct(n_layers + 1), column_heating(n_layers))
    do column = 1, n_columns
      if (cos_zenith(column) <= 0 .or. solar_irradiance(column) <= 0) then
        up(column, :) = 0
        down(column, :) = 0
        if (present(direct)) direct(column, :) = 0
        heating_rate(column, :) = 0
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
      call solve_column(self%tables, n_layers, self%original_tables, input, workspace, column_up, column_down, column_direct, &
                        column_heating)
      up(column, :) = column_up
      down(column, :) = column_down
      if (present(direct)) direct(column, :) = column_direct
      heating_rate(column, :) = column_heating
    end do
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
