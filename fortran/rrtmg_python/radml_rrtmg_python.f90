!> RRTMG for Python: procedures of plain arguments, which f90wrap wraps for `ftorch_bridge.rrtmg`.
!>
!> Arrays lie as NumPy's do, so that none is copied as a whole: what is (column, layer, band) in Python is (band, layer, column)
!> here. A block of columns is turned round for RRTMG, and its results are turned back. An array of no elements stands for an
!> absent one: f90wrap has no optional assumed-shape arrays.
!>
!> A handle is a pointer to a loaded RRTMG as 128 bytes, which hold any compiler's. (f90wrap's own handles of derived types hold
!> 16 bytes, less than a pointer of flang's.)
module radml_rrtmg_python
  use, intrinsic :: iso_fortran_env, only: int8, int64, real64
  use radml_rrtmg_checks, only: input_checks
  use radml_rrtmg_longwave, only: rrtmg_ice_fu, rrtmg_ice_streamer, rrtmg_longwave, rrtmg_overlap_analytic, &
                                  rrtmg_overlap_maximum, rrtmg_overlap_maximum_random, rrtmg_overlap_random
  use radml_rrtmg_longwave_bands, only: longwave_bands => n_bands, longwave_g_points => n_gpoints
  use radml_rrtmg_shortwave, only: rrtmg_shortwave
  use radml_rrtmg_shortwave_bands, only: shortwave_bands => n_bands, shortwave_g_points => n_gpoints
  use radml_rrtmg_status
  implicit none
  private

  public :: extents, longwave_load, longwave_free, longwave_fluxes, longwave_optical_depths, &
            shortwave_load, shortwave_free, shortwave_fluxes, shortwave_optical_depths

  real(real64), parameter :: coldest = 100, hottest = 400 ! accepted temperatures, as in the front doors [K]

  type :: longwave_pointer
    type(rrtmg_longwave), pointer :: scheme => null()
  end type longwave_pointer

  type :: shortwave_pointer
    type(rrtmg_shortwave), pointer :: scheme => null()
  end type shortwave_pointer

  !> A block of columns as RRTMG has it, the columns first.
  interface block_of
    module procedure block_of_columns
    module procedure block_of_layers
  end interface block_of

  !> The same where the array may be absent: then the block is not allocated, which is an absent argument.
  interface take
    module procedure take_numbers
    module procedure take_layers
    module procedure take_bands
    module procedure take_subcolumns
  end interface take

contains

  !> Numbers of bands and of g-points.
  subroutine extents(bands_longwave, g_points_longwave, bands_shortwave, g_points_shortwave)
    integer, intent(out) :: bands_longwave      !! [1] ()
    integer, intent(out) :: g_points_longwave   !! [1] ()
    integer, intent(out) :: bands_shortwave     !! [1] ()
    integer, intent(out) :: g_points_shortwave  !! [1] ()

    bands_longwave = longwave_bands
    g_points_longwave = longwave_g_points
    bands_shortwave = shortwave_bands
    g_points_shortwave = shortwave_g_points
  end subroutine extents

  !> A longwave with its tables.
  subroutine longwave_load(path, original_tables, handle, stat, errmsg)
    character(len=*), intent(in) :: path         !! coefficient file [text] ()
    integer, intent(in) :: original_tables       !! 1: with the original's table of transmittances [1] ()
    integer(int64), intent(inout) :: handle(16)  !! set to where it is; to nothing after a failure [1] (16)
    integer, intent(out) :: stat                 !! RRTMG's status [1] ()
    character(len=4096), intent(out) :: errmsg   !! what went wrong [text] ()
    type(longwave_pointer) :: to
    character(len=:), allocatable :: message
    integer :: words

    allocate (to%scheme)
    to%scheme%original_tables = original_tables == 1
    call to%scheme%load(path, stat=stat, errmsg=message)
    errmsg = ""
    if (stat /= rrtmg_success) then
      errmsg = message
      deallocate (to%scheme)
    end if
    words = storage_size(to)/storage_size(handle)
    handle = 0
    handle(:words) = transfer(to, handle, words)
  end subroutine longwave_load

  !> Let a longwave go.
  subroutine longwave_free(handle)
    integer(int64), intent(in) :: handle(16)  !! from `longwave_load` [1] (16)
    type(longwave_pointer) :: to

    to = transfer(handle, to)
    deallocate (to%scheme)
  end subroutine longwave_free

  !> `rrtmg_longwave%fluxes` for columns first to last. Any number of threads may be in it at once, each with its own columns.
  recursive subroutine longwave_fluxes(handle, first, last, pressure_level, temperature_level, pressure_layer, &
                                       temperature_layer, h2o, o3, co2, ch4, n2o, o2, surface_temperature, surface_emissivity, &
                                       up, down, heating_rate, cfc11, cfc12, cfc22, ccl4, cloud_fraction, cloud_liquid_path, &
                                       liquid_radius, cloud_ice_path, ice_radius, ice_optics, overlap, seed, draws, &
                                       subcolumns, aerosol_optical_depth, band_emissivity, up_clear, down_clear, up_noise, &
                                       down_noise, stat, errmsg)
    integer(int64), intent(in) :: handle(16)                    !! from `longwave_load` [1] (16)
    integer, intent(in) :: first                                !! first column of the block [1] ()
    integer, intent(in) :: last                                 !! its last column [1] ()
    real(real64), intent(in) :: pressure_level(:,:)             !! [Pa] (nlay+1, ncol)
    real(real64), intent(in) :: temperature_level(:,:)          !! [K] (nlay+1, ncol)
    real(real64), intent(in) :: pressure_layer(:,:)             !! [Pa] (nlay, ncol)
    real(real64), intent(in) :: temperature_layer(:,:)          !! [K] (nlay, ncol)
    real(real64), intent(in) :: h2o(:,:)                        !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: o3(:,:)                         !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: co2(:,:)                        !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: ch4(:,:)                        !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: n2o(:,:)                        !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: o2(:,:)                         !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: surface_temperature(:)          !! [K] (ncol)
    real(real64), intent(in) :: surface_emissivity(:)           !! [1] (ncol)
    real(real64), intent(inout) :: up(:,:)                      !! [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: down(:,:)                    !! [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: heating_rate(:,:)            !! [K day-1] (nlay, ncol)
    real(real64), intent(in) :: cfc11(:,:)                      !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: cfc12(:,:)                      !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: cfc22(:,:)                      !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: ccl4(:,:)                       !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: cloud_fraction(:,:)             !! [1] (nlay, ncol)
    real(real64), intent(in) :: cloud_liquid_path(:,:)          !! [kg m-2] (nlay, ncol)
    real(real64), intent(in) :: liquid_radius(:,:)              !! [m] (nlay, ncol)
    real(real64), intent(in) :: cloud_ice_path(:,:)             !! [kg m-2] (nlay, ncol)
    real(real64), intent(in) :: ice_radius(:,:)                 !! [m] (nlay, ncol)
    character(len=*), intent(in) :: ice_optics                  !! fu or streamer [text] ()
    character(len=*), intent(in) :: overlap                     !! maximum-random, random, maximum or analytic [text] ()
    integer(int64), intent(in) :: seed(:)                       !! [1] (ncol)
    integer, intent(in) :: draws                                !! [1] ()
    integer(int8), intent(in) :: subcolumns(:,:,:)              !! 1 where g-points see cloud [1] (140, nlay, ncol)
    real(real64), intent(in) :: aerosol_optical_depth(:,:,:)    !! [1] (16, nlay, ncol)
    real(real64), intent(in) :: band_emissivity(:,:)            !! [1] (16, ncol)
    real(real64), intent(inout) :: up_clear(:,:)                !! [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: down_clear(:,:)              !! [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: up_noise(:,:)                !! may be absent [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: down_noise(:,:)              !! may be absent [W m-2] (nlay+1, ncol)
    integer, intent(out) :: stat                                !! RRTMG's status [1] ()
    character(len=4096), intent(out) :: errmsg                  !! what went wrong; columns count from `first` [text] ()
    character(len=*), parameter :: caller = "rrtmg_longwave%fluxes"
    type(longwave_pointer) :: to
    real(real64), dimension(last - first + 1, size(up, 1)) :: block_up, block_down, block_up_clear, block_down_clear
    real(real64) :: block_heating_rate(last - first + 1, size(heating_rate, 1))
    real(real64), allocatable, dimension(:,:) :: block_cfc11, block_cfc12, block_cfc22, block_ccl4, fraction, liquid_path, &
                                                 droplet, ice_path, crystal, emissivity, block_up_noise, block_down_noise
    real(real64), allocatable :: aerosol(:,:,:)
    logical, allocatable :: cloudy(:,:,:)
    integer(int64), allocatable :: numbers(:)
    character(len=:), allocatable :: message
    integer :: ice, overlapping

    call choose_ice_optics(ice_optics, caller, ice, stat, errmsg)
    if (stat /= rrtmg_success) return
    call choose_overlap(overlap, caller, overlapping, stat, errmsg)
    if (stat /= rrtmg_success) return
    to = transfer(handle, to)
    call take(cfc11, first, last, block_cfc11)
    call take(cfc12, first, last, block_cfc12)
    call take(cfc22, first, last, block_cfc22)
    call take(ccl4, first, last, block_ccl4)
    call take(cloud_fraction, first, last, fraction)
    call take(cloud_liquid_path, first, last, liquid_path)
    call take(liquid_radius, first, last, droplet)
    call take(cloud_ice_path, first, last, ice_path)
    call take(ice_radius, first, last, crystal)
    call take(seed, first, last, numbers)
    call take(subcolumns, first, last, cloudy)
    call take(aerosol_optical_depth, first, last, aerosol)
    call take(band_emissivity, first, last, emissivity)
    if (size(up_noise) > 0) allocate (block_up_noise, mold=block_up)
    if (size(down_noise) > 0) allocate (block_down_noise, mold=block_up)
    call to%scheme%fluxes( &
      block_of(pressure_level, first, last), block_of(temperature_level, first, last), block_of(pressure_layer, first, last), &
      block_of(temperature_layer, first, last), block_of(h2o, first, last), block_of(o3, first, last), &
      block_of(co2, first, last), block_of(ch4, first, last), block_of(n2o, first, last), block_of(o2, first, last), &
      block_of(surface_temperature, first, last), block_of(surface_emissivity, first, last), block_up, block_down, &
      block_heating_rate, block_cfc11, block_cfc12, block_cfc22, block_ccl4, cloud_fraction=fraction, &
      cloud_liquid_path=liquid_path, liquid_radius=droplet, cloud_ice_path=ice_path, ice_radius=crystal, ice_optics=ice, &
      overlap=overlapping, seed=numbers, draws=draws, subcolumns=cloudy, aerosol_optical_depth=aerosol, &
      band_emissivity=emissivity, up_clear=block_up_clear, down_clear=block_down_clear, up_noise=block_up_noise, &
      down_noise=block_down_noise, stat=stat, errmsg=message)
    if (stat /= rrtmg_success) then
      errmsg = message
      return
    end if
    up(:, first:last) = transpose(block_up)
    down(:, first:last) = transpose(block_down)
    heating_rate(:, first:last) = transpose(block_heating_rate)
    up_clear(:, first:last) = transpose(block_up_clear)
    down_clear(:, first:last) = transpose(block_down_clear)
    if (allocated(block_up_noise)) up_noise(:, first:last) = transpose(block_up_noise)
    if (allocated(block_down_noise)) down_noise(:, first:last) = transpose(block_down_noise)
  end subroutine longwave_fluxes

  !> `rrtmg_longwave%optical_depths`, with the checks of `fluxes`: a bad value must not end the caller's Python.
  recursive subroutine longwave_optical_depths(handle, pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, &
                                               n2o, o2, optical_depth, planck_fraction, cfc11, cfc12, cfc22, ccl4, stat, errmsg)
    integer(int64), intent(in) :: handle(16)              !! from `longwave_load` [1] (16)
    real(real64), intent(in) :: pressure_level(:,:)       !! [Pa] (nlay+1, 1)
    real(real64), intent(in) :: pressure_layer(:,:)       !! [Pa] (nlay, 1)
    real(real64), intent(in) :: temperature_layer(:,:)    !! [K] (nlay, 1)
    real(real64), intent(in) :: h2o(:,:)                  !! [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: o3(:,:)                   !! [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: co2(:,:)                  !! [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: ch4(:,:)                  !! [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: n2o(:,:)                  !! [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: o2(:,:)                   !! [mol mol-1] (nlay, 1)
    real(real64), intent(inout) :: optical_depth(:,:)     !! vertical [1] (140, nlay)
    real(real64), intent(inout) :: planck_fraction(:,:)   !! [1] (140, nlay)
    real(real64), intent(in) :: cfc11(:,:)                !! 0 where there is none [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: cfc12(:,:)                !! 0 where there is none [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: cfc22(:,:)                !! 0 where there is none [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: ccl4(:,:)                 !! 0 where there is none [mol mol-1] (nlay, 1)
    integer, intent(out) :: stat                          !! RRTMG's status [1] ()
    character(len=4096), intent(out) :: errmsg            !! what went wrong [text] ()
    type(longwave_pointer) :: to
    type(input_checks) :: checks
    real(real64), allocatable, dimension(:,:) :: depth, fraction
    character(len=:), allocatable :: message

    call check_column("rrtmg_longwave%optical_depths", pressure_level, pressure_layer, temperature_layer, checks)
    call check_gas(h2o, "h2o", checks)
    call check_gas(o3, "o3", checks)
    call check_gas(co2, "co2", checks)
    call check_gas(ch4, "ch4", checks)
    call check_gas(n2o, "n2o", checks)
    call check_gas(o2, "o2", checks)
    call check_gas(cfc11, "cfc11", checks)
    call check_gas(cfc12, "cfc12", checks)
    call check_gas(cfc22, "cfc22", checks)
    call check_gas(ccl4, "ccl4", checks)
    call report(checks, stat, errmsg)
    if (stat /= rrtmg_success) return
    to = transfer(handle, to)
    call to%scheme%optical_depths(pressure_level(:, 1), pressure_layer(:, 1), temperature_layer(:, 1), h2o(:, 1), o3(:, 1), &
                               co2(:, 1), ch4(:, 1), n2o(:, 1), o2(:, 1), depth, fraction, cfc11(:, 1), cfc12(:, 1), &
                               cfc22(:, 1), ccl4(:, 1), stat=stat, errmsg=message)
    if (stat /= rrtmg_success) then
      errmsg = message
      return
    end if
    optical_depth = depth
    planck_fraction = fraction
  end subroutine longwave_optical_depths

  !> A shortwave with its tables.
  subroutine shortwave_load(path, original_tables, absorbing_ice, handle, stat, errmsg)
    character(len=*), intent(in) :: path         !! coefficient file [text] ()
    integer, intent(in) :: original_tables       !! 1: with the original's table of transmittances [1] ()
    integer, intent(in) :: absorbing_ice         !! 1: ice absorbs where the original takes it for ice that does not [1] ()
    integer(int64), intent(inout) :: handle(16)  !! set to where it is; to nothing after a failure [1] (16)
    integer, intent(out) :: stat                 !! RRTMG's status [1] ()
    character(len=4096), intent(out) :: errmsg   !! what went wrong [text] ()
    type(shortwave_pointer) :: to
    character(len=:), allocatable :: message
    integer :: words

    allocate (to%scheme)
    to%scheme%original_tables = original_tables == 1
    to%scheme%absorbing_ice = absorbing_ice == 1
    call to%scheme%load(path, stat=stat, errmsg=message)
    errmsg = ""
    if (stat /= rrtmg_success) then
      errmsg = message
      deallocate (to%scheme)
    end if
    words = storage_size(to)/storage_size(handle)
    handle = 0
    handle(:words) = transfer(to, handle, words)
  end subroutine shortwave_load

  !> Let a shortwave go.
  subroutine shortwave_free(handle)
    integer(int64), intent(in) :: handle(16)  !! from `shortwave_load` [1] (16)
    type(shortwave_pointer) :: to

    to = transfer(handle, to)
    deallocate (to%scheme)
  end subroutine shortwave_free

  !> `rrtmg_shortwave%fluxes` for columns first to last. Any number of threads may be in it at once, each with its own columns.
  recursive subroutine shortwave_fluxes(handle, first, last, pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, &
                                        ch4, o2, cos_zenith, solar_irradiance, visible_albedo_direct, visible_albedo_diffuse, &
                                        near_infrared_albedo_direct, near_infrared_albedo_diffuse, up, down, heating_rate, &
                                        direct, aerosol_optical_depth, aerosol_single_scattering_albedo, aerosol_asymmetry, &
                                        cloud_fraction, cloud_liquid_path, liquid_radius, cloud_ice_path, ice_radius, &
                                        ice_optics, overlap, seed, draws, subcolumns, up_clear, down_clear, direct_clear, &
                                        up_noise, down_noise, surface_visible_direct, surface_visible_diffuse, &
                                        surface_near_infrared_direct, surface_near_infrared_diffuse, stat, errmsg)
    integer(int64), intent(in) :: handle(16)                             !! from `shortwave_load` [1] (16)
    integer, intent(in) :: first                                         !! first column of the block [1] ()
    integer, intent(in) :: last                                          !! its last column [1] ()
    real(real64), intent(in) :: pressure_level(:,:)                      !! [Pa] (nlay+1, ncol)
    real(real64), intent(in) :: pressure_layer(:,:)                      !! [Pa] (nlay, ncol)
    real(real64), intent(in) :: temperature_layer(:,:)                   !! [K] (nlay, ncol)
    real(real64), intent(in) :: h2o(:,:)                                 !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: o3(:,:)                                  !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: co2(:,:)                                 !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: ch4(:,:)                                 !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: o2(:,:)                                  !! [mol mol-1] (nlay, ncol)
    real(real64), intent(in) :: cos_zenith(:)                            !! [1] (ncol)
    real(real64), intent(in) :: solar_irradiance(:)                      !! [W m-2] (ncol)
    real(real64), intent(in) :: visible_albedo_direct(:)                 !! [1] (ncol)
    real(real64), intent(in) :: visible_albedo_diffuse(:)                !! [1] (ncol)
    real(real64), intent(in) :: near_infrared_albedo_direct(:)           !! [1] (ncol)
    real(real64), intent(in) :: near_infrared_albedo_diffuse(:)          !! [1] (ncol)
    real(real64), intent(inout) :: up(:,:)                               !! [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: down(:,:)                             !! [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: heating_rate(:,:)                     !! [K day-1] (nlay, ncol)
    real(real64), intent(inout) :: direct(:,:)                           !! [W m-2] (nlay+1, ncol)
    real(real64), intent(in) :: aerosol_optical_depth(:,:,:)             !! [1] (14, nlay, ncol)
    real(real64), intent(in) :: aerosol_single_scattering_albedo(:,:,:)  !! [1] (14, nlay, ncol)
    real(real64), intent(in) :: aerosol_asymmetry(:,:,:)                 !! [1] (14, nlay, ncol)
    real(real64), intent(in) :: cloud_fraction(:,:)                      !! [1] (nlay, ncol)
    real(real64), intent(in) :: cloud_liquid_path(:,:)                   !! [kg m-2] (nlay, ncol)
    real(real64), intent(in) :: liquid_radius(:,:)                       !! [m] (nlay, ncol)
    real(real64), intent(in) :: cloud_ice_path(:,:)                      !! [kg m-2] (nlay, ncol)
    real(real64), intent(in) :: ice_radius(:,:)                          !! [m] (nlay, ncol)
    character(len=*), intent(in) :: ice_optics                           !! fu or streamer [text] ()
    character(len=*), intent(in) :: overlap                              !! maximum-random, random or maximum [text] ()
    integer(int64), intent(in) :: seed(:)                                !! [1] (ncol)
    integer, intent(in) :: draws                                         !! [1] ()
    integer(int8), intent(in) :: subcolumns(:,:,:)                       !! 1 where g-points see cloud [1] (112, nlay, ncol)
    real(real64), intent(inout) :: up_clear(:,:)                         !! may be absent [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: down_clear(:,:)                       !! may be absent [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: direct_clear(:,:)                     !! may be absent [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: up_noise(:,:)                         !! may be absent [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: down_noise(:,:)                       !! may be absent [W m-2] (nlay+1, ncol)
    real(real64), intent(inout) :: surface_visible_direct(:)             !! [W m-2] (ncol)
    real(real64), intent(inout) :: surface_visible_diffuse(:)            !! [W m-2] (ncol)
    real(real64), intent(inout) :: surface_near_infrared_direct(:)       !! [W m-2] (ncol)
    real(real64), intent(inout) :: surface_near_infrared_diffuse(:)      !! [W m-2] (ncol)
    integer, intent(out) :: stat                                         !! RRTMG's status [1] ()
    character(len=4096), intent(out) :: errmsg                           !! what went wrong; columns count from `first` [text] ()
    character(len=*), parameter :: caller = "rrtmg_shortwave%fluxes"
    type(shortwave_pointer) :: to
    real(real64), dimension(last - first + 1, size(up, 1)) :: block_up, block_down, block_direct
    real(real64) :: block_heating_rate(last - first + 1, size(heating_rate, 1))
    real(real64), allocatable, dimension(:,:) :: fraction, liquid_path, droplet, ice_path, crystal, block_up_clear, &
                                                 block_down_clear, block_direct_clear, block_up_noise, block_down_noise
    real(real64), allocatable, dimension(:,:,:) :: depth, albedo, asymmetry
    logical, allocatable :: cloudy(:,:,:)
    integer(int64), allocatable :: numbers(:)
    character(len=:), allocatable :: message
    integer :: ice, overlapping

    call choose_ice_optics(ice_optics, caller, ice, stat, errmsg)
    if (stat /= rrtmg_success) return
    call choose_overlap(overlap, caller, overlapping, stat, errmsg)
    if (stat /= rrtmg_success) return
    to = transfer(handle, to)
    call take(aerosol_optical_depth, first, last, depth)
    call take(aerosol_single_scattering_albedo, first, last, albedo)
    call take(aerosol_asymmetry, first, last, asymmetry)
    call take(cloud_fraction, first, last, fraction)
    call take(cloud_liquid_path, first, last, liquid_path)
    call take(liquid_radius, first, last, droplet)
    call take(cloud_ice_path, first, last, ice_path)
    call take(ice_radius, first, last, crystal)
    call take(seed, first, last, numbers)
    call take(subcolumns, first, last, cloudy)
    if (size(up_clear) > 0) allocate (block_up_clear, mold=block_up)
    if (size(down_clear) > 0) allocate (block_down_clear, mold=block_up)
    if (size(direct_clear) > 0) allocate (block_direct_clear, mold=block_up)
    if (size(up_noise) > 0) allocate (block_up_noise, mold=block_up)
    if (size(down_noise) > 0) allocate (block_down_noise, mold=block_up)
    call to%scheme%fluxes( &
      block_of(pressure_level, first, last), block_of(pressure_layer, first, last), block_of(temperature_layer, first, last), &
      block_of(h2o, first, last), block_of(o3, first, last), block_of(co2, first, last), block_of(ch4, first, last), &
      block_of(o2, first, last), block_of(cos_zenith, first, last), block_of(solar_irradiance, first, last), &
      block_of(visible_albedo_direct, first, last), block_of(visible_albedo_diffuse, first, last), &
      block_of(near_infrared_albedo_direct, first, last), block_of(near_infrared_albedo_diffuse, first, last), block_up, &
      block_down, block_heating_rate, block_direct, aerosol_optical_depth=depth, aerosol_single_scattering_albedo=albedo, &
      aerosol_asymmetry=asymmetry, cloud_fraction=fraction, cloud_liquid_path=liquid_path, liquid_radius=droplet, &
      cloud_ice_path=ice_path, ice_radius=crystal, ice_optics=ice, overlap=overlapping, seed=numbers, draws=draws, &
      subcolumns=cloudy, up_clear=block_up_clear, down_clear=block_down_clear, direct_clear=block_direct_clear, &
      up_noise=block_up_noise, down_noise=block_down_noise, &
      surface_visible_direct=surface_visible_direct(first:last), surface_visible_diffuse=surface_visible_diffuse(first:last), &
      surface_near_infrared_direct=surface_near_infrared_direct(first:last), &
      surface_near_infrared_diffuse=surface_near_infrared_diffuse(first:last), stat=stat, errmsg=message)
    if (stat /= rrtmg_success) then
      errmsg = message
      return
    end if
    up(:, first:last) = transpose(block_up)
    down(:, first:last) = transpose(block_down)
    direct(:, first:last) = transpose(block_direct)
    heating_rate(:, first:last) = transpose(block_heating_rate)
    if (allocated(block_up_clear)) up_clear(:, first:last) = transpose(block_up_clear)
    if (allocated(block_down_clear)) down_clear(:, first:last) = transpose(block_down_clear)
    if (allocated(block_direct_clear)) direct_clear(:, first:last) = transpose(block_direct_clear)
    if (allocated(block_up_noise)) up_noise(:, first:last) = transpose(block_up_noise)
    if (allocated(block_down_noise)) down_noise(:, first:last) = transpose(block_down_noise)
  end subroutine shortwave_fluxes

  !> `rrtmg_shortwave%optical_depths`, with the checks of `fluxes`: a bad value must not end the caller's Python.
  recursive subroutine shortwave_optical_depths(handle, pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, &
                                                o2, solar_irradiance, absorption, rayleigh, source, stat, errmsg)
    integer(int64), intent(in) :: handle(16)            !! from `shortwave_load` [1] (16)
    real(real64), intent(in) :: pressure_level(:,:)     !! [Pa] (nlay+1, 1)
    real(real64), intent(in) :: pressure_layer(:,:)     !! [Pa] (nlay, 1)
    real(real64), intent(in) :: temperature_layer(:,:)  !! [K] (nlay, 1)
    real(real64), intent(in) :: h2o(:,:)                !! [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: o3(:,:)                 !! [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: co2(:,:)                !! [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: ch4(:,:)                !! [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: o2(:,:)                 !! [mol mol-1] (nlay, 1)
    real(real64), intent(in) :: solar_irradiance(:)     !! [W m-2] (1)
    real(real64), intent(inout) :: absorption(:,:)      !! vertical depth of absorption [1] (112, nlay)
    real(real64), intent(inout) :: rayleigh(:,:)        !! vertical depth of Rayleigh scattering [1] (112, nlay)
    real(real64), intent(inout) :: source(:)            !! solar source, normal to the beam [W m-2] (112)
    integer, intent(out) :: stat                        !! RRTMG's status [1] ()
    character(len=4096), intent(out) :: errmsg          !! what went wrong [text] ()
    type(shortwave_pointer) :: to
    type(input_checks) :: checks
    real(real64), allocatable :: absorbed(:,:), scattered(:,:), solar(:)
    character(len=:), allocatable :: message

    call check_column("rrtmg_shortwave%optical_depths", pressure_level, pressure_layer, temperature_layer, checks)
    call check_gas(h2o, "h2o", checks)
    call check_gas(o3, "o3", checks)
    call check_gas(co2, "co2", checks)
    call check_gas(ch4, "ch4", checks)
    call check_gas(o2, "o2", checks)
    call checks%range_of_columns(solar_irradiance, "solar_irradiance", 0.0_real64, 1e4_real64, "W m-2")
    call report(checks, stat, errmsg)
    if (stat /= rrtmg_success) return
    to = transfer(handle, to)
    call to%scheme%optical_depths(pressure_level(:, 1), pressure_layer(:, 1), temperature_layer(:, 1), h2o(:, 1), o3(:, 1), &
                               co2(:, 1), ch4(:, 1), o2(:, 1), solar_irradiance(1), absorbed, scattered, solar, stat=stat, &
                               errmsg=message)
    if (stat /= rrtmg_success) then
      errmsg = message
      return
    end if
    absorption = absorbed
    rayleigh = scattered
    source = solar
  end subroutine shortwave_optical_depths

  !> RRTMG's constant for the name of ice optics.
  subroutine choose_ice_optics(name, caller, constant, stat, errmsg)
    character(len=*), intent(in) :: name          !! fu or streamer [text] ()
    character(len=*), intent(in) :: caller        !! procedure that was given it [text] ()
    integer, intent(out) :: constant              !! one of `rrtmg_ice_...` [1] ()
    integer, intent(out) :: stat                  !! RRTMG's status [1] ()
    character(len=*), intent(out) :: errmsg       !! what went wrong [text] ()

    stat = rrtmg_success
    errmsg = ""
    constant = rrtmg_ice_fu
    select case (name)
    case ("fu")
    case ("streamer")
      constant = rrtmg_ice_streamer
    case default
      stat = rrtmg_bad_arguments
      errmsg = caller//": ice_optics: expected fu or streamer, got "//name
    end select
  end subroutine choose_ice_optics

  !> RRTMG's constant for the name of an overlap.
  subroutine choose_overlap(name, caller, constant, stat, errmsg)
    character(len=*), intent(in) :: name          !! maximum-random, random, maximum or analytic [text] ()
    character(len=*), intent(in) :: caller        !! procedure that was given it [text] ()
    integer, intent(out) :: constant              !! one of `rrtmg_overlap_...` [1] ()
    integer, intent(out) :: stat                  !! RRTMG's status [1] ()
    character(len=*), intent(out) :: errmsg       !! what went wrong [text] ()

    stat = rrtmg_success
    errmsg = ""
    constant = rrtmg_overlap_maximum_random
    select case (name)
    case ("maximum-random")
    case ("random")
      constant = rrtmg_overlap_random
    case ("maximum")
      constant = rrtmg_overlap_maximum
    case ("analytic")
      constant = rrtmg_overlap_analytic
    case default
      stat = rrtmg_bad_arguments
      errmsg = caller//": overlap: expected maximum-random, random, maximum or analytic, got "//name
    end select
  end subroutine choose_overlap

  !> Pressures and temperatures of one column, before a look inside.
  subroutine check_column(caller, pressure_level, pressure_layer, temperature_layer, checks)
    character(len=*), intent(in) :: caller              !! procedure that was given them [text] ()
    real(real64), intent(in) :: pressure_level(:,:)     !! [Pa] (nlay+1, 1)
    real(real64), intent(in) :: pressure_layer(:,:)     !! [Pa] (nlay, 1)
    real(real64), intent(in) :: temperature_layer(:,:)  !! [K] (nlay, 1)
    type(input_checks), intent(out) :: checks           !! checks made [1] ()

    checks%caller = caller
    checks%n_columns = 1
    checks%n_layers = size(pressure_layer, 1)
    if (checks%n_layers < 1) call checks%fail(rrtmg_bad_shape, "pressure_layer has no layers")
    call checks%pressures(transpose(pressure_level), transpose(pressure_layer))
    call checks%range_of_layers(transpose(temperature_layer), "temperature_layer", coldest, hottest, "K")
  end subroutine check_column

  !> A gas of one column.
  subroutine check_gas(gas, name, checks)
    real(real64), intent(in) :: gas(:,:)         !! [mol mol-1] (nlay, 1)
    character(len=*), intent(in) :: name         !! its name [text] ()
    type(input_checks), intent(inout) :: checks  !! checks made so far [1] ()

    call checks%range_of_layers(transpose(gas), name, 0.0_real64, 1.0_real64, "mol mol-1")
  end subroutine check_gas

  !> What checks found.
  subroutine report(checks, stat, errmsg)
    type(input_checks), intent(in) :: checks  !! checks made [1] ()
    integer, intent(out) :: stat              !! RRTMG's status [1] ()
    character(len=*), intent(out) :: errmsg   !! what went wrong [text] ()

    stat = checks%code
    errmsg = ""
    if (stat /= rrtmg_success) errmsg = checks%problem
  end subroutine report

  pure function block_of_columns(all, first, last) result(block)
    real(real64), intent(in) :: all(:)            !! [any] (ncol)
    integer, intent(in) :: first, last            !! columns [1] ()
    real(real64) :: block(last - first + 1)       !! [any] (last-first+1)
    block = all(first:last)
  end function block_of_columns

  pure function block_of_layers(all, first, last) result(block)
    real(real64), intent(in) :: all(:,:)                        !! [any] (nlay, ncol)
    integer, intent(in) :: first, last                          !! columns [1] ()
    real(real64) :: block(last - first + 1, size(all, 1))       !! [any] (last-first+1, nlay)
    block = transpose(all(:, first:last))
  end function block_of_layers

  pure subroutine take_numbers(all, first, last, block)
    integer(int64), intent(in) :: all(:)                   !! [1] (ncol)
    integer, intent(in) :: first, last                     !! columns [1] ()
    integer(int64), allocatable, intent(out) :: block(:)   !! [1] (last-first+1)
    if (size(all) > 0) allocate (block, source=all(first:last))
  end subroutine take_numbers

  pure subroutine take_layers(all, first, last, block)
    real(real64), intent(in) :: all(:,:)                   !! [any] (nlay, ncol)
    integer, intent(in) :: first, last                     !! columns [1] ()
    real(real64), allocatable, intent(out) :: block(:,:)   !! [any] (last-first+1, nlay)
    if (size(all) > 0) allocate (block, source=transpose(all(:, first:last)))
  end subroutine take_layers

  pure subroutine take_bands(all, first, last, block)
    real(real64), intent(in) :: all(:,:,:)                 !! [any] (band, nlay, ncol)
    integer, intent(in) :: first, last                     !! columns [1] ()
    real(real64), allocatable, intent(out) :: block(:,:,:) !! [any] (last-first+1, nlay, band)
    integer :: layer
    if (size(all) == 0) return
    allocate (block(last - first + 1, size(all, 2), size(all, 1)))
    do layer = 1, size(all, 2)
      block(:, layer, :) = transpose(all(:, layer, first:last))
    end do
  end subroutine take_bands

  pure subroutine take_subcolumns(all, first, last, block)
    integer(int8), intent(in) :: all(:,:,:)                !! [1] (g-point, nlay, ncol)
    integer, intent(in) :: first, last                     !! columns [1] ()
    logical, allocatable, intent(out) :: block(:,:,:)      !! [1] (last-first+1, nlay, g-point)
    integer :: layer
    if (size(all) == 0) return
    allocate (block(last - first + 1, size(all, 2), size(all, 1)))
    do layer = 1, size(all, 2)
      block(:, layer, :) = transpose(all(:, layer, first:last) /= 0)
    end do
  end subroutine take_subcolumns
end module radml_rrtmg_python
