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
  use radml_rrtmg_cloud_optics, only: cloud_tables, ice_fu, ice_streamer, liquid, longwave_cloud_depth, radius_range
  use radml_rrtmg_cloud_reader, only: read_cloud_tables
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave_bands, only: n_bands, n_gpoints
  use radml_rrtmg_longwave_column, only: by_overlap, by_subcolumns, column_input, column_result, column_workspace, &
                                         given_subcolumns, no_clouds, optical_depths_of_column, solve_column
  use radml_rrtmg_constants, only: rrtmg_avogadro, rrtmg_dry_air_mass, rrtmg_gravity, rrtmg_heat_capacity, &
                                   rrtmg_seconds_per_day, rrtmg_water_mass
  use radml_rrtmg_longwave_reader, only: read_longwave_tables
  use radml_rrtmg_longwave_tables, only: longwave_tables
  use radml_rrtmg_status
  use radml_rrtmg_subcolumns, only: rrtmg_overlap_maximum, rrtmg_overlap_maximum_random, rrtmg_overlap_random, &
                                    seed_of_column, seed_of_number
  implicit none
  private

  public :: rrtmg_gravity, rrtmg_heat_capacity, rrtmg_seconds_per_day, rrtmg_avogadro, rrtmg_dry_air_mass, rrtmg_water_mass

  public :: rrtmg_success, rrtmg_bad_tables, rrtmg_not_loaded, rrtmg_bad_shape, rrtmg_bad_value, rrtmg_bad_arguments

  !> How clouds overlap. The first three are McICA's; the last is the analytic solver, which draws nothing.
  public :: rrtmg_overlap_maximum_random, rrtmg_overlap_random, rrtmg_overlap_maximum
  integer, parameter, public :: rrtmg_overlap_analytic = 4 !! maximum-random, without subcolumns

  integer, parameter, public :: rrtmg_ice_fu = ice_fu             !! ice optics of Fu (1996) and Fu et al. (1998)
  integer, parameter, public :: rrtmg_ice_streamer = ice_streamer !! ice optics of Streamer (Key 1996)

  real(real64), parameter :: most_water = 1000 !! accepted water path inside a cloud [kg m-2]
  real(real64), parameter :: slack = 1e-6_real64 !! part by which a radius may leave its range: rounding of single precision [1]
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
    character(len=:), allocatable :: problem, cloud_path
    integer :: code
    logical :: there

    call read_longwave_tables(path, self%tables, problem)
    if (.not. allocated(problem)) then
      cloud_path = trim(path(:scan(path, "/", back=.true.)))//"rrtmg_clouds.nc"
      inquire (file=cloud_path, exist=there)
      self%cloud_optics%loaded = .false.
      if (there) call read_cloud_tables(cloud_path, self%cloud_optics, problem)
      if (allocated(problem)) self%tables%loaded = .false.
    end if
    code = merge(rrtmg_bad_tables, rrtmg_success, allocated(problem))
    if (present(stat)) stat = code
    if (present(errmsg) .and. code /= rrtmg_success) errmsg = problem
    if (.not. present(stat)) call stop_on_failure(code, problem)
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
    real(real64), optional, intent(in) :: cloud_fraction(:,:)        !! cloud fraction of layers [1] (ncol, nlay)
    real(real64), optional, intent(in) :: cloud_liquid_path(:,:)     !! liquid water inside the cloud [kg m-2] (ncol, nlay)
    real(real64), optional, intent(in) :: liquid_radius(:,:)         !! effective radius, 2.5e-6 to 60e-6 [m] (ncol, nlay)
    real(real64), optional, intent(in) :: cloud_ice_path(:,:)        !! ice inside the cloud [kg m-2] (ncol, nlay)
    real(real64), optional, intent(in) :: ice_radius(:,:)            !! effective radius, 3.25e-6 to 90.9e-6 with Fu's
                                                                     !! optics, 5e-6 to 131e-6 with Streamer's [m] (ncol, nlay)
    integer, optional, intent(in) :: ice_optics                      !! `rrtmg_ice_fu` (if absent) or `rrtmg_ice_streamer` [1]
    integer, optional, intent(in) :: overlap                         !! one of `rrtmg_overlap_...`, maximum-random if absent [1]
    integer(int64), optional, intent(in) :: seed(:)                  !! any number for each column; if absent subcolumns are
                                                                     !! drawn from the column's own values [1] (ncol)
    integer, optional, intent(in) :: draws                           !! subcolumn draws to average, 1 if absent [1]
    logical, optional, intent(in) :: subcolumns(:,:,:)               !! where g-points see cloud, instead of `cloud_fraction` and
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
    type(column_input) :: input
    type(column_workspace) :: workspace
    type(column_result) :: result
    character(len=:), allocatable :: problem
    integer :: code, column, n_columns, n_layers, n_draws, ice, clouds

    n_columns = size(pressure_layer, 1)
    n_layers = size(pressure_layer, 2)
    code = rrtmg_success
    if (.not. self%tables%loaded) then
      code = rrtmg_not_loaded
      problem = "rrtmg_longwave%fluxes: no coefficient tables; call load first"
    else if (n_layers < 1) then
      code = rrtmg_bad_shape
      problem = "rrtmg_longwave%fluxes: pressure_layer has no layers"
    else
      call check_shape(pressure_level, "pressure_level", 1)
      call check_shape(temperature_level, "temperature_level", 1)
      call check_shape(temperature_layer, "temperature_layer", 0)
      call check_shape(h2o, "h2o", 0)
      call check_shape(o3, "o3", 0)
      call check_shape(co2, "co2", 0)
      call check_shape(ch4, "ch4", 0)
      call check_shape(n2o, "n2o", 0)
      call check_shape(o2, "o2", 0)
      call check_surface_shape(surface_temperature, "surface_temperature")
      call check_surface_shape(surface_emissivity, "surface_emissivity")
      call check_shape(up, "up", 1)
      call check_shape(down, "down", 1)
      call check_shape(heating_rate, "heating_rate", 0)
      if (present(cfc11)) call check_shape(cfc11, "cfc11", 0)
      if (present(cfc12)) call check_shape(cfc12, "cfc12", 0)
      if (present(cfc22)) call check_shape(cfc22, "cfc22", 0)
      if (present(ccl4)) call check_shape(ccl4, "ccl4", 0)
      if (present(up_clear)) call check_shape(up_clear, "up_clear", 1)
      if (present(down_clear)) call check_shape(down_clear, "down_clear", 1)
      if (present(up_noise)) call check_shape(up_noise, "up_noise", 1)
      if (present(down_noise)) call check_shape(down_noise, "down_noise", 1)
      if (present(band_emissivity)) call check_extents(shape(band_emissivity), "band_emissivity", [n_columns, n_bands])
      if (present(aerosol_optical_depth)) &
        call check_extents(shape(aerosol_optical_depth), "aerosol_optical_depth", [n_columns, n_layers, n_bands])
      call check_cloud_arguments()
    end if
    if (code == rrtmg_success) then
      call check_pressures()
      call check_range(temperature_level, "temperature_level", "level", coldest, hottest, "K")
      call check_range(temperature_layer, "temperature_layer", "layer", coldest, hottest, "K")
      call check_range(h2o, "h2o", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_range(o3, "o3", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_range(co2, "co2", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_range(ch4, "ch4", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_range(n2o, "n2o", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_range(o2, "o2", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(cfc11)) call check_range(cfc11, "cfc11", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(cfc12)) call check_range(cfc12, "cfc12", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(cfc22)) call check_range(cfc22, "cfc22", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(ccl4)) call check_range(ccl4, "ccl4", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_surface(surface_temperature, "surface_temperature", coldest, hottest, "K")
      call check_surface(surface_emissivity, "surface_emissivity", 0.0_real64, 1.0_real64, "1")
      call check_bands()
      if (clouds /= no_clouds) call check_clouds()
    end if
    if (present(stat)) stat = code
    if (present(errmsg) .and. code /= rrtmg_success) errmsg = problem
    if (.not. present(stat)) call stop_on_failure(code, problem)
    if (code /= rrtmg_success) return

    call input%create(n_layers)
    call result%create(n_layers)
    n_draws = 0
    if (clouds /= no_clouds) then
      n_draws = 1
      if (present(draws) .and. clouds == by_subcolumns) n_draws = draws
      allocate (input%cloud_depth(n_layers, n_bands))
      if (present(overlap)) input%overlap = overlap
      input%draws = n_draws
    end if
    call workspace%create(n_layers, n_draws)
    input%clouds = clouds
    if (present(aerosol_optical_depth)) allocate (input%aerosol_depth(n_layers, n_bands))
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
      if (present(aerosol_optical_depth)) input%aerosol_depth = real(aerosol_optical_depth(column, :, :), wp)
      if (clouds /= no_clouds) call take_clouds()
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

    !> Water, radii, subcolumns and seed of one column.
    subroutine take_clouds()
      real(real64), dimension(n_layers) :: water, frozen, droplet, crystal
      real(wp) :: depth(n_bands, n_layers)
      integer :: k

      water = 0
      frozen = 0
      droplet = 0
      crystal = 0
      if (present(cloud_liquid_path)) then
        water = cloud_liquid_path(column, :)
        droplet = liquid_radius(column, :)
      end if
      if (present(cloud_ice_path)) then
        frozen = cloud_ice_path(column, :)
        crystal = ice_radius(column, :)
      end if
      if (clouds == given_subcolumns) then
        input%subcolumns = subcolumns(column, :, :)
      else
        input%cloud_fraction = cloud_fraction(column, :)
        do k = 1, n_layers ! what is said of layers without cloud has not been checked
          if (input%cloud_fraction(k) > 0) cycle
          water(k) = 0
          frozen(k) = 0
        end do
      end if
      call longwave_cloud_depth(self%cloud_optics, ice, n_layers, water, frozen, droplet, crystal, depth)
      input%cloud_depth = transpose(depth)
      if (clouds /= by_subcolumns) return
      if (present(seed)) then
        input%seed = seed_of_number(seed(column))
      else
        input%seed = seed_of_column(input%pressure_level(n_layers + 1), input%surface_temperature, &
                                    input%temperature_layer([n_layers, (n_layers + 1)/2]))
      end if
    end subroutine take_clouds

    !> Which clouds there are, and whether their arguments go together and have the right shapes.
    subroutine check_cloud_arguments()
      clouds = no_clouds
      ice = rrtmg_ice_fu
      if (present(ice_optics)) ice = ice_optics
      if (present(cloud_fraction)) then
        clouds = by_subcolumns
        if (present(overlap)) clouds = merge(by_overlap, by_subcolumns, overlap == rrtmg_overlap_analytic)
      end if
      if (present(subcolumns)) then
        clouds = given_subcolumns
        if (present(cloud_fraction)) call refuse("expected cloud_fraction or subcolumns, got both")
      end if
      if (clouds == no_clouds) then
        if (present(cloud_liquid_path)) call refuse("cloud_liquid_path without cloud_fraction or subcolumns")
        if (present(cloud_ice_path)) call refuse("cloud_ice_path without cloud_fraction or subcolumns")
        return
      end if
      if (present(cloud_liquid_path) .neqv. present(liquid_radius)) &
        call refuse("expected cloud_liquid_path and liquid_radius together, got one of them")
      if (present(cloud_ice_path) .neqv. present(ice_radius)) &
        call refuse("expected cloud_ice_path and ice_radius together, got one of them")
      if (.not. (present(cloud_liquid_path) .or. present(cloud_ice_path))) &
        call refuse("clouds without water: expected cloud_liquid_path, cloud_ice_path or both")
      if (all(ice /= [rrtmg_ice_fu, rrtmg_ice_streamer])) &
        call refuse("ice_optics: expected rrtmg_ice_fu or rrtmg_ice_streamer, got "//trim(whole(ice)))
      if (present(overlap)) then
        if (all(overlap /= [rrtmg_overlap_maximum_random, rrtmg_overlap_random, rrtmg_overlap_maximum, rrtmg_overlap_analytic])) &
          call refuse("overlap: expected one of the constants rrtmg_overlap_..., got "//trim(whole(overlap)))
      end if
      if (present(draws)) then
        if (draws < 1) call refuse("draws: expected at least 1, got "//trim(whole(draws)))
      end if
      if (code == rrtmg_success .and. .not. self%cloud_optics%loaded) then
        code = rrtmg_not_loaded
        problem = "rrtmg_longwave%fluxes: no cloud optics; expected rrtmg_clouds.nc in the folder of the file that was loaded"
      end if
      if (present(cloud_fraction)) call check_shape(cloud_fraction, "cloud_fraction", 0)
      if (present(subcolumns)) call check_extents(shape(subcolumns), "subcolumns", [n_columns, n_layers, n_gpoints])
      if (present(cloud_liquid_path)) call check_shape(cloud_liquid_path, "cloud_liquid_path", 0)
      if (present(liquid_radius)) call check_shape(liquid_radius, "liquid_radius", 0)
      if (present(cloud_ice_path)) call check_shape(cloud_ice_path, "cloud_ice_path", 0)
      if (present(ice_radius)) call check_shape(ice_radius, "ice_radius", 0)
      if (present(seed)) call check_extents(shape(seed), "seed", [n_columns])
    end subroutine check_cloud_arguments

    !> Note arguments that do not go together.
    subroutine refuse(message)
      character(len=*), intent(in) :: message !! what is wrong

      if (code /= rrtmg_success) return
      code = rrtmg_bad_arguments
      problem = "rrtmg_longwave%fluxes: "//message
    end subroutine refuse

    !> Values of clouds are in range; a radius counts only where there is cloud and water.
    subroutine check_clouds()
      if (present(cloud_fraction)) call check_range(cloud_fraction, "cloud_fraction", "layer", 0.0_real64, 1.0_real64, "1")
      if (present(cloud_liquid_path)) then
        call check_range(cloud_liquid_path, "cloud_liquid_path", "layer", 0.0_real64, most_water, "kg m-2")
        call check_radius(cloud_liquid_path, liquid_radius, "liquid_radius", radius_range(liquid))
      end if
      if (present(cloud_ice_path)) then
        call check_range(cloud_ice_path, "cloud_ice_path", "layer", 0.0_real64, most_water, "kg m-2")
        call check_radius(cloud_ice_path, ice_radius, "ice_radius", radius_range(ice))
      end if
    end subroutine check_clouds

    !> Radii are those of the tables where they are needed.
    subroutine check_radius(path, radius, name, range)
      real(real64), intent(in) :: path(:,:)    !! water inside the cloud [kg m-2] (ncol, nlay)
      real(real64), intent(in) :: radius(:,:)  !! effective radius [m] (ncol, nlay)
      character(len=*), intent(in) :: name     !! its name
      real(real64), intent(in) :: range(2)     !! least and largest that the tables have [m]
      integer :: i, k

      if (code /= rrtmg_success) return
      do k = 1, n_layers
        do i = 1, n_columns
          if (.not. path(i, k) > 0) cycle
          if (present(cloud_fraction)) then
            if (.not. cloud_fraction(i, k) > 0) cycle
          end if
          if (radius(i, k) >= range(1)*(1 - slack) .and. radius(i, k) <= range(2)*(1 + slack)) cycle
          code = rrtmg_bad_value
          problem = "rrtmg_longwave%fluxes: "//name//" of column "//trim(whole(i))//", layer "//trim(whole(k))//": expected "// &
                    trim(number(range(1)))//" to "//trim(number(range(2)))//" m where the cloud has water, got "// &
                    trim(number(radius(i, k)))
          if (name == "ice_radius" .and. ice == rrtmg_ice_fu) problem = problem//"; Streamer's ice optics reach "// &
                                                                        trim(number(maxval(radius_range(rrtmg_ice_streamer))))
          return
        end do
      end do
    end subroutine check_radius

    !> Values of single bands are in range.
    subroutine check_bands()
      integer :: b

      do b = 1, n_bands
        if (code /= rrtmg_success) return
        if (present(band_emissivity)) call check_surface(band_emissivity(:, b), "band_emissivity", 0.0_real64, 1.0_real64, "1")
        if (present(aerosol_optical_depth)) &
          call check_range(aerosol_optical_depth(:, :, b), "aerosol_optical_depth", "layer", 0.0_real64, 1e4_real64, "1")
        if (code /= rrtmg_success) problem = problem//" in band "//trim(whole(b))
      end do
    end subroutine check_bands

    !> Any array has the extents expected.
    subroutine check_extents(got, name, expected)
      integer, intent(in) :: got(:)         !! extents it has [1] (dimension)
      character(len=*), intent(in) :: name  !! its name
      integer, intent(in) :: expected(:)    !! extents it should have [1] (dimension)

      if (code /= rrtmg_success .or. all(got == expected)) return
      code = rrtmg_bad_shape
      problem = "rrtmg_longwave%fluxes: "//name//": expected "//trim(extents(expected))//", got "//trim(extents(got))
    end subroutine check_extents

    !> All arrays have the columns of pressure_layer, and its layers or one more.
    subroutine check_shape(array, name, more)
      real(real64), intent(in) :: array(:,:)   !! array to look at [any] (ncol, nlay or nlay+1)
      character(len=*), intent(in) :: name     !! its name
      integer, intent(in) :: more              !! 1 for arrays at levels, 0 at layers [1]

      if (code /= rrtmg_success .or. all(shape(array) == [n_columns, n_layers + more])) return
      code = rrtmg_bad_shape
      problem = "rrtmg_longwave%fluxes: "//name//": expected ("//trim(whole(n_columns))//", "//trim(whole(n_layers + more))// &
                "), got ("//trim(whole(size(array, 1)))//", "//trim(whole(size(array, 2)))//")"
    end subroutine check_shape

    !> The surface has one value per column.
    subroutine check_surface_shape(array, name)
      real(real64), intent(in) :: array(:)  !! array to look at [any] (ncol)
      character(len=*), intent(in) :: name  !! its name

      if (code /= rrtmg_success .or. size(array) == n_columns) return
      code = rrtmg_bad_shape
      problem = "rrtmg_longwave%fluxes: "//name//": expected ("//trim(whole(n_columns))//"), got ("//trim(whole(size(array)))//")"
    end subroutine check_surface_shape

    !> Values are numbers within their range.
    subroutine check_range(array, name, place, lowest, highest, units)
      real(real64), intent(in) :: array(:,:)      !! array to look at [any] (ncol, nlay or nlay+1)
      character(len=*), intent(in) :: name        !! its name
      character(len=*), intent(in) :: place       !! layer or level
      real(real64), intent(in) :: lowest, highest !! range [any]
      character(len=*), intent(in) :: units       !! units of the range
      integer :: at(2)

      if (code /= rrtmg_success) return
      if (all(array >= lowest .and. array <= highest)) return
      at = findloc(array >= lowest .and. array <= highest, .false.)
      code = rrtmg_bad_value
      problem = "rrtmg_longwave%fluxes: "//name//" of column "//trim(whole(at(1)))//", "//place//" "//trim(whole(at(2)))// &
                ": expected "//trim(number(lowest))//" to "//trim(number(highest))//" "//units// &
                ", got "//trim(number(array(at(1), at(2))))
    end subroutine check_range

    !> The same for the surface.
    subroutine check_surface(array, name, lowest, highest, units)
      real(real64), intent(in) :: array(:)        !! array to look at [any] (ncol)
      character(len=*), intent(in) :: name        !! its name
      real(real64), intent(in) :: lowest, highest !! range [any]
      character(len=*), intent(in) :: units       !! units of the range
      integer :: at

      if (code /= rrtmg_success) return
      if (all(array >= lowest .and. array <= highest)) return
      at = findloc(array >= lowest .and. array <= highest, .false., 1)
      code = rrtmg_bad_value
      problem = "rrtmg_longwave%fluxes: "//name//" of column "//trim(whole(at))// &
                ": expected "//trim(number(lowest))//" to "//trim(number(highest))//" "//units//", got "//trim(number(array(at)))
    end subroutine check_surface

    !> Pressure rises downwards from level to level; only the top level may be at 0 Pa; layers lie between their levels.
    subroutine check_pressures()
      logical :: good(n_columns)
      integer :: k, at

      do k = 1, n_layers
        good = pressure_level(:, k) >= 0 .and. pressure_level(:, k + 1) > pressure_level(:, k) &
               .and. pressure_level(:, k + 1) <= 2e5_real64
        if (.not. all(good)) then
          at = findloc(good, .false., 1)
          code = rrtmg_bad_value
          problem = "rrtmg_longwave%fluxes: pressure_level of column "//trim(whole(at))//", levels "//trim(whole(k))// &
                    " and "//trim(whole(k + 1))//": expected rising pressures within 0 to 200000 Pa, got "// &
                    trim(number(pressure_level(at, k)))//" and "//trim(number(pressure_level(at, k + 1)))
          return
        end if
        good = pressure_layer(:, k) > 0 .and. pressure_layer(:, k) >= pressure_level(:, k) &
               .and. pressure_layer(:, k) <= pressure_level(:, k + 1)
        if (.not. all(good)) then
          at = findloc(good, .false., 1)
          code = rrtmg_bad_value
          problem = "rrtmg_longwave%fluxes: pressure_layer of column "//trim(whole(at))//", layer "//trim(whole(k))// &
                    ": expected a positive pressure between its levels' "//trim(number(pressure_level(at, k)))//" and "// &
                    trim(number(pressure_level(at, k + 1)))//" Pa, got "//trim(number(pressure_layer(at, k)))
          return
        end if
      end do
    end subroutine check_pressures
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
    type(column_input) :: input
    character(len=:), allocatable :: problem
    integer :: n, code

    n = size(pressure_layer)
    code = rrtmg_success
    if (.not. self%tables%loaded) then
      code = rrtmg_not_loaded
      problem = "rrtmg_longwave%optical_depths: no coefficient tables; call load first"
    else if (size(pressure_level) /= n + 1 .or. any([size(temperature_layer), size(h2o), size(o3), size(co2), size(ch4), &
                                                     size(n2o), size(o2)] /= n)) then
      code = rrtmg_bad_shape
      problem = "rrtmg_longwave%optical_depths: expected "//trim(whole(n))//" layers in every array and one level more"
    end if
    if (present(stat)) stat = code
    if (present(errmsg) .and. code /= rrtmg_success) errmsg = problem
    if (.not. present(stat)) call stop_on_failure(code, problem)
    if (code /= rrtmg_success) return
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

  !> Stop with the whole message where the caller has not asked for a status.
  subroutine stop_on_failure(code, problem)
    integer, intent(in) :: code                          !! what happened [1]
    character(len=:), allocatable, intent(in) :: problem !! in words

    if (code == rrtmg_success) return
    error stop problem
  end subroutine stop_on_failure

  ! The results below have a fixed length: gfortran 12 keeps the length of a deferred-length result in static memory, which
  ! threads that fail at the same time would share.

  !> A whole number as text.
  pure function whole(n) result(text)
    integer, intent(in) :: n !! number [1]
    character(len=24) :: text

    write (text, "(i0)") n
  end function whole

  !> The extents of an array as text.
  pure function extents(n) result(text)
    integer, intent(in) :: n(:) !! extents [1] (dimension)
    character(len=80) :: text
    integer :: i

    text = "("//whole(n(1))
    do i = 2, size(n)
      text = trim(text)//", "//whole(n(i))
    end do
    text = trim(text)//")"
  end function extents

  !> A real number as text.
  pure function number(x) result(text)
    real(real64), intent(in) :: x !! number [any]
    character(len=24) :: text

    if (x /= x) then
      text = "NaN"
    else if (abs(x) < 1e7_real64 .and. abs(x) >= 1e-2_real64 .or. abs(x) <= 0) then
      write (text, "(f24.2)") x
    else
      write (text, "(es24.3)") x
    end if
    text = adjustl(text)
  end function number
end module radml_rrtmg_longwave
