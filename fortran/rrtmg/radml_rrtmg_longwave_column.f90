!> One column of RRTMG longwave: from pressures, temperatures, mixing ratios and clouds to fluxes. No checks: the front door made
!> them.
module radml_rrtmg_longwave_column
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use radml_rrtmg_clouds, only: by_overlap, by_subcolumns, given_subcolumns, no_clouds
  use radml_rrtmg_constants
  use radml_rrtmg_kinds, only: sums_heating, wp
  use radml_rrtmg_longwave_bands
  use radml_rrtmg_longwave_cloud_transfer, only: as_original, as_original_mcica, cloud_layers, exactly, &
                                                 through_overlapping_clouds, through_subcolumns
  use radml_rrtmg_longwave_gas_optics, only: band_optics, layer_state, locate, mixture, pack_optics, planck_of_bands
  use radml_rrtmg_longwave_overlap, only: find_exchange, layer_exchange
  use radml_rrtmg_longwave_tables, only: lanes, longwave_tables, pack_room
  use radml_rrtmg_longwave_transfer, only: down_through_pack, down_through_pack_original, up_through_pack
  use radml_rrtmg_rows, only: cache_line, first_aligned
  use radml_rrtmg_subcolumns, only: fill_points, longwave_stream, overlap_plan, plan_overlap, rrtmg_overlap_maximum_random
  implicit none
  private

  public :: solve_column, optical_depths_of_column

  !> What a column holds, from the top of the atmosphere down.
  type, public :: column_input
    real(real64), allocatable :: pressure_level(:)    !! [Pa] (nlay+1)
    real(real64), allocatable :: temperature_level(:) !! [K] (nlay+1)
    real(real64), allocatable :: pressure_layer(:)    !! [Pa] (nlay)
    real(real64), allocatable :: temperature_layer(:) !! [K] (nlay)
    real(real64), allocatable :: h2o(:), o3(:), co2(:), ch4(:), n2o(:), o2(:)   !! in dry air [mol mol-1] (nlay)
    real(real64), allocatable :: cfc11(:), cfc12(:), cfc22(:), ccl4(:)          !! in dry air [mol mol-1] (nlay)
    real(real64) :: surface_temperature = 0           !! [K]
    real(real64) :: surface_emissivity(n_bands) = 1   !! [1] (band)
    real(wp), allocatable :: aerosol_depth(:,:)       !! optical depth of aerosol, not allocated if there is none [1] (band, nlay)
    integer :: clouds = no_clouds                     !! how clouds are treated [1]
    real(real64), allocatable :: cloud_fraction(:)    !! [1] (nlay)
    real(wp), allocatable :: cloud_depth(:,:)         !! optical depth inside clouds [1] (band, nlay)
    integer :: overlap = rrtmg_overlap_maximum_random !! for subcolumns of its own making [1]
    integer :: draws = 1                              !! how many of these are averaged [1]
    integer(int64) :: seed(2) = 0                     !! what these are drawn from [1]
    logical, allocatable :: subcolumns(:,:)           !! the host's, true where a g-point sees cloud (nlay, g-point)
  contains
    procedure :: create => create_input
  end type column_input

  !> Fluxes and heating rates of a column.
  type, public :: column_result
    real(real64), allocatable :: up(:), down(:)             !! fluxes at levels [W m-2] (nlay+1)
    real(real64), allocatable :: heating_rate(:)            !! heating rate [K day-1] (nlay)
    real(real64), allocatable :: up_clear(:), down_clear(:) !! fluxes without clouds [W m-2] (nlay+1)
    real(real64), allocatable :: up_noise(:), down_noise(:) !! standard deviation of one draw [W m-2] (nlay+1)
  contains
    procedure :: create => create_result
  end type column_result

  !> Room for the passes through a column, used pack by pack.
  type, public :: column_workspace
    type(layer_state), allocatable :: layer(:)    !! where layers lie between the nodes of the tables (nlay)
    type(mixture), allocatable :: mix(:,:)        !! their mixtures of key species (pair, nlay)
    real(wp), allocatable :: temperature_layer(:), temperature_level(:) !! [K] (nlay), (nlay+1)
    real(wp), allocatable :: planck_layer(:,:), planck_level(:,:) !! Planck function [W cm-2 sr-1 cm] (band, nlay), (band, nlay+1)
    !> By lane: optical depth, then absorptivity, and emission of layers; fluxes at levels; where `sums_heating` what layers absorb.
    real(wp), allocatable :: room(:)
    integer :: depth = 0, emission = 0, downwards = 0, upwards = 0, up = 0, down = 0, absorbed = 0 !! where these begin in it
    !> With clouds, by lane: depth, absorptivity and emission inside them, where g-points see them; fluxes, draw after draw.
    real(wp), allocatable :: cloud_room(:)
    integer :: cloud_depth = 0, cloud_absorptivity = 0, cloud_down = 0, cloud_up = 0, cloudy = 0 !! where these begin in it
    integer :: all_up = 0, all_down = 0, all_absorbed = 0                                        !! and these
    logical, allocatable :: has_cloud(:)                          !! layers that have cloud (nlay)
    type(overlap_plan) :: plan                                    !! overlap of subcolumns
    type(layer_exchange), allocatable :: downwards_exchange(:), upwards_exchange(:) !! overlap of the analytic solver (nlay)
  contains
    procedure :: create => create_workspace
  end type column_workspace

  real(real64), parameter :: rate = rrtmg_gravity*rrtmg_seconds_per_day/rrtmg_heat_capacity !! [K day-1 Pa m2 W-1]
  real(wp), parameter :: trace = 1e-12_wp !! least mixing ratio of a key species, so that binary parameters exist [mol mol-1]

contains

  !> Room for a column; the halocarbons are zero until set.
  subroutine create_input(self, n)
    class(column_input), intent(inout) :: self !! column
    integer, intent(in) :: n                   !! layers [1]

    allocate (self%pressure_level(n + 1), self%temperature_level(n + 1), self%pressure_layer(n), self%temperature_layer(n), &
              self%h2o(n), self%o3(n), self%co2(n), self%ch4(n), self%n2o(n), self%o2(n))
    allocate (self%cfc11(n), self%cfc12(n), self%cfc22(n), self%ccl4(n), source=0.0_real64)
  end subroutine create_input

  !> Room for the results of a column.
  subroutine create_result(self, n)
    class(column_result), intent(inout) :: self !! results
    integer, intent(in) :: n                    !! layers [1]

    allocate (self%up(n + 1), self%down(n + 1), self%heating_rate(n), self%up_clear(n + 1), self%down_clear(n + 1), &
              self%up_noise(n + 1), self%down_noise(n + 1))
  end subroutine create_result

  !> Room for the passes through a column.
  subroutine create_workspace(self, n, draws)
    class(column_workspace), intent(inout) :: self !! workspace
    integer, intent(in) :: n                       !! layers [1]
    integer, intent(in) :: draws                   !! how many draws of subcolumns there are; 0: no clouds [1]

    integer :: next

    allocate (self%layer(n), self%mix(n_pairs, n), self%temperature_layer(n), self%temperature_level(n + 1), &
              self%planck_layer(n_bands, n), self%planck_level(n_bands, n + 1))
    allocate (self%room((4*pack_room + 3*pack_size)*(n + 1) + cache_line))
    next = first_aligned(self%room)
    call take(self%depth, pack_room)
    call take(self%emission, pack_room)
    call take(self%downwards, pack_room)
    call take(self%upwards, pack_room)
    call take(self%up, pack_size)
    call take(self%down, pack_size)
    call take(self%absorbed, pack_size)
    if (draws < 1) return
    allocate (self%has_cloud(n), self%downwards_exchange(n), self%upwards_exchange(n))
    allocate (self%cloud_room((6 + 2*draws)*pack_size*(n + 1) + cache_line))
    next = first_aligned(self%cloud_room)
    call take(self%cloud_depth, pack_size)
    call take(self%cloud_absorptivity, pack_size)
    call take(self%cloud_down, pack_size)
    call take(self%cloud_up, pack_size)
    call take(self%cloudy, pack_size)
    call take(self%all_up, draws*pack_size)
    call take(self%all_down, draws*pack_size)
    call take(self%all_absorbed, pack_size)

  contains

    !> Room for values at all levels.
    subroutine take(first, values)
      integer, intent(out) :: first  !! where they begin [1]
      integer, intent(in) :: values  !! how many at each level [1]

      first = next
      next = next + values*(n + 1)
    end subroutine take
  end subroutine create_workspace

  !> Fluxes and heating rates of one column.
  subroutine solve_column(tables, n, original, input, workspace, result)
    type(longwave_tables), intent(in) :: tables         !! coefficient tables
    integer, intent(in) :: n                            !! layers [1]
    logical, intent(in) :: original                     !! do as the original does, with its transmittance table
    type(column_input), intent(in) :: input             !! column
    type(column_workspace), intent(inout) :: workspace  !! room
    type(column_result), intent(inout) :: result        !! fluxes and heating rates
    real(wp) :: secant_of_band(n_bands), emissivity(n_bands), planck_surface(n_bands, 1)
    real(wp), dimension(pack_size) :: secant, radiance, surface_emission, reflectivity
    real(wp) :: fraction(pack_room)
    integer :: k, p, clouds, draws, way

    secant_of_band = diffusivity_secant(precipitable_water(n, input))
    emissivity = real(input%surface_emissivity, wp)
    associate (w => workspace)
      w%temperature_layer = real(input%temperature_layer, wp)
      w%temperature_level = real(input%temperature_level, wp)
      do k = 1, n
        call fill_layer(input, k, w%layer(k))
        call locate(tables, w%layer(k), w%mix(:, k))
      end do
      call planck_of_bands(tables, n, w%temperature_layer, w%planck_layer)
      call planck_of_bands(tables, n + 1, w%temperature_level, w%planck_level)
      call planck_of_bands(tables, 1, [real(input%surface_temperature, wp)], planck_surface)
      w%room(w%up:w%absorbed + pack_size*n - 1) = 0
      call prepare_clouds(n, input, w, clouds, draws)
      way = exactly
      if (original) way = merge(as_original, as_original_mcica, clouds == by_overlap)
      do p = 1, n_packs
        associate (band => tables%band_of_lane(:, p))
          call pack_optics(tables, p, n, w%layer, w%mix, w%planck_layer, w%planck_level, w%room(w%depth), w%room(w%emission), &
                           w%room(w%downwards), w%room(w%upwards), fraction)
          if (allocated(input%aerosol_depth)) call add_aerosol(n, band, input%aerosol_depth, w%room(w%depth))
          secant = secant_of_band(band)
          if (clouds /= no_clouds) then
            call spread_by_band(n, w%has_cloud, band, input%cloud_depth, w%cloud_room(w%cloud_depth))
            call cloud_layers(tables, way, n, secant, w%has_cloud, w%room(w%depth), w%cloud_room(w%cloud_depth), &
                              w%room(w%emission), w%room(w%downwards), w%room(w%upwards), w%cloud_room(w%cloud_absorptivity), &
                              w%cloud_room(w%cloud_down), w%cloud_room(w%cloud_up))
          end if
          if (original) then
            call down_through_pack_original(tables, n, secant, w%room(w%depth), w%room(w%emission), w%room(w%downwards), &
                                            w%room(w%upwards), radiance, w%room(w%down))
          else
            call down_through_pack(n, secant, w%room(w%depth), w%room(w%emission), w%room(w%downwards), w%room(w%upwards), &
                                   radiance, w%room(w%down), w%room(w%absorbed))
          end if
          ! The surface emits with the Planck fractions of the lowest layer.
          surface_emission = emissivity(band)*planck_surface(band, 1)*fraction(:pack_size)
          reflectivity = 1 - emissivity(band)
          radiance = surface_emission + reflectivity*radiance
          call up_through_pack(n, w%room(w%depth), w%room(w%upwards), radiance, w%room(w%up), w%room(w%absorbed))
          if (clouds /= no_clouds) &
            call through_clouds(n, clouds, draws, input, tables%point_of_lane(:, p), surface_emission, reflectivity, w)
        end associate
      end do
      call sum_lanes(n, 1, w%room(w%up), result%up_clear, result%up_noise)
      call sum_lanes(n, 1, w%room(w%down), result%down_clear, result%down_noise)
      if (clouds == no_clouds) then
        result%up = result%up_clear
        result%down = result%down_clear
      else
        call sum_lanes(n, draws, w%cloud_room(w%all_up), result%up, result%up_noise)
        call sum_lanes(n, draws, w%cloud_room(w%all_down), result%down, result%down_noise)
      end if
      if (sums_heating .and. .not. original) then
        if (clouds == no_clouds) then
          call heat_by_sums(n, input%pressure_level, 1, w%room(w%absorbed), result%heating_rate)
        else
          call heat_by_sums(n, input%pressure_level, draws, w%cloud_room(w%all_absorbed), result%heating_rate)
        end if
      else
        call heat(n, input%pressure_level, result%up, result%down, result%heating_rate)
      end if
    end associate
  end subroutine solve_column

  !> Down and up through a pack with its clouds, after the pass through clear sky.
  subroutine through_clouds(n, clouds, draws, input, point, surface_emission, reflectivity, workspace)
    integer, intent(in) :: n                            !! layers [1]
    integer, intent(in) :: clouds                       !! how clouds are treated [1]
    integer, intent(in) :: draws                        !! draws of subcolumns [1]
    type(column_input), intent(in) :: input             !! column
    integer, intent(in) :: point(pack_size)             !! g-point of each lane, 0 where it has none [1] (lane)
    real(wp), intent(in) :: surface_emission(pack_size) !! of the surface [W m-2] (lane)
    real(wp), intent(in) :: reflectivity(pack_size)     !! of the surface [1] (lane)
    type(column_workspace), intent(inout) :: workspace  !! room
    integer :: draw, at

    associate (w => workspace)
      if (clouds == by_overlap) then
        call through_overlapping_clouds(n, w%downwards_exchange, w%upwards_exchange, w%room(w%depth), w%room(w%downwards), &
                                        w%room(w%upwards), w%cloud_room(w%cloud_absorptivity), w%cloud_room(w%cloud_down), &
                                        w%cloud_room(w%cloud_up), surface_emission, reflectivity, w%cloud_room(w%all_up), &
                                        w%cloud_room(w%all_down), w%cloud_room(w%all_absorbed))
        return
      end if
      do draw = 1, draws
        if (clouds == by_subcolumns) then
          call fill_points(w%plan, n, input%seed, draw, longwave_stream, pack_size, point, w%cloud_room(w%cloudy))
        else
          call take_subcolumns(input%subcolumns, n, point, w%cloud_room(w%cloudy))
        end if
        at = (draw - 1)*pack_size*(n + 1)
        call through_subcolumns(n, w%has_cloud, w%cloud_room(w%cloudy), w%room(w%depth), w%room(w%downwards), w%room(w%upwards), &
                                w%cloud_room(w%cloud_absorptivity), w%cloud_room(w%cloud_down), w%cloud_room(w%cloud_up), &
                                surface_emission, reflectivity, w%cloud_room(w%all_up + at), w%cloud_room(w%all_down + at), &
                                w%cloud_room(w%all_absorbed))
      end do
    end associate
  end subroutine through_clouds

  !> Heating rates from fluxes.
  pure subroutine heat(n, pressure_level, up, down, heating_rate)
    integer, intent(in) :: n                           !! layers [1]
    real(real64), intent(in) :: pressure_level(n + 1)  !! [Pa] (nlay+1)
    real(real64), intent(in) :: up(n + 1)              !! upward flux at levels [W m-2] (nlay+1)
    real(real64), intent(in) :: down(n + 1)            !! downward flux at levels [W m-2] (nlay+1)
    real(real64), intent(out) :: heating_rate(n)       !! [K day-1] (nlay)
    integer :: k

    do k = 1, n
      heating_rate(k) = rate*((up(k + 1) - down(k + 1)) - (up(k) - down(k)))/(pressure_level(k + 1) - pressure_level(k))
    end do
  end subroutine heat

  !> Heating rates from what layers absorb by lane, in all draws together.
  pure subroutine heat_by_sums(n, pressure_level, draws, absorbed, heating_rate)
    integer, intent(in) :: n                           !! layers [1]
    real(real64), intent(in) :: pressure_level(n + 1)  !! [Pa] (nlay+1)
    integer, intent(in) :: draws                       !! draws [1]
    real(wp), intent(in) :: absorbed(pack_size, n)     !! absorbed less emitted [W m-2] (lane, nlay)
    real(real64), intent(out) :: heating_rate(n)       !! [K day-1] (nlay)
    integer :: k

    do k = 1, n
      heating_rate(k) = rate*sum(absorbed(:, k))/(draws*(pressure_level(k + 1) - pressure_level(k)))
    end do
  end subroutine heat_by_sums

  !> Whether the column has clouds, and if so how they overlap; no clouds cost nothing and change no bit.
  subroutine prepare_clouds(n, input, workspace, clouds, draws)
    integer, intent(in) :: n                            !! layers [1]
    type(column_input), intent(in) :: input             !! column
    type(column_workspace), intent(inout) :: workspace  !! room
    integer, intent(out) :: clouds                      !! how they are treated [1]
    integer, intent(out) :: draws                       !! draws of subcolumns [1]

    clouds = input%clouds
    draws = 1
    if (clouds == no_clouds) return
    associate (w => workspace)
      select case (clouds)
      case (by_subcolumns)
        call plan_overlap(n, input%cloud_fraction, input%overlap, w%plan)
        w%has_cloud = w%plan%cloudy
        draws = input%draws
      case (given_subcolumns)
        w%has_cloud = any(input%subcolumns, 2)
      case (by_overlap)
        call find_exchange(n, input%cloud_fraction, .true., w%downwards_exchange)
        call find_exchange(n, input%cloud_fraction, .false., w%upwards_exchange)
        w%has_cloud = w%downwards_exchange%cloudy
      end select
      if (any(w%has_cloud)) then
        ! As many levels as the workspace has draws, which may be more than these: what is absorbed begins behind.
        w%cloud_room(w%all_up:w%all_down + pack_size*draws*(n + 1) - 1) = 0
        w%cloud_room(w%all_absorbed:w%all_absorbed + pack_size*n - 1) = 0
      else
        clouds = no_clouds
        draws = 1
      end if
    end associate
  end subroutine prepare_clouds

  !> Add the optical depth of aerosol, the same at all g-points of a band.
  pure subroutine add_aerosol(n, band, aerosol_depth, depth)
    integer, intent(in) :: n                            !! layers [1]
    integer, intent(in) :: band(pack_size)              !! band of each lane [1] (lane)
    real(wp), intent(in) :: aerosol_depth(n_bands, n)   !! what to add [1] (band, nlay)
    real(wp), intent(inout) :: depth(pack_room, n)      !! optical depth [1] (lane, nlay)
    integer :: k

    do k = 1, n
      depth(:pack_size, k) = max(depth(:pack_size, k), 0.0_wp) + aerosol_depth(band, k)
    end do
  end subroutine add_aerosol

  !> Optical depth of clouds by lane, where there are some.
  pure subroutine spread_by_band(n, has_cloud, band, by_band, by_lane)
    integer, intent(in) :: n                           !! layers [1]
    logical, intent(in) :: has_cloud(n)                !! whether a layer has cloud (nlay)
    integer, intent(in) :: band(pack_size)             !! band of each lane [1] (lane)
    real(wp), intent(in) :: by_band(n_bands, n)        !! optical depth [1] (band, nlay)
    real(wp), intent(inout) :: by_lane(pack_size, n)   !! the same [1] (lane, nlay)
    integer :: k

    do k = 1, n
      if (has_cloud(k)) by_lane(:, k) = by_band(band, k)
    end do
  end subroutine spread_by_band

  !> The host's subcolumns of one pack; lanes without a g-point stay clear.
  pure subroutine take_subcolumns(subcolumns, n, point, cloudy)
    logical, intent(in) :: subcolumns(:,:)         !! the host's, of all g-points (nlay, g-point)
    integer, intent(in) :: n                       !! layers [1]
    integer, intent(in) :: point(pack_size)        !! g-point of each lane, 0 where it has none [1] (lane)
    real(wp), intent(out) :: cloudy(pack_size, n)  !! 1: cloudy, 0: clear [1] (lane, nlay)
    integer :: g

    do g = 1, pack_size
      cloudy(g, :) = 0
      if (point(g) > 0) cloudy(g, :) = merge(1.0_wp, 0.0_wp, subcolumns(:, point(g)))
    end do
  end subroutine take_subcolumns

  !> Fluxes from those by lane: the mean of the draws, and the standard deviation of one.
  pure subroutine sum_lanes(n, draws, by_lane, flux, noise)
    integer, intent(in) :: n                                !! layers [1]
    integer, intent(in) :: draws                            !! draws [1]
    real(wp), intent(in) :: by_lane(pack_size, n + 1, draws) !! flux by lane [W m-2] (lane, nlay+1, draw)
    real(real64), intent(inout) :: flux(n + 1)              !! mean flux [W m-2] (nlay+1)
    real(real64), intent(inout) :: noise(n + 1)             !! standard deviation of a draw, 0 where there is one [W m-2] (nlay+1)
    real(real64) :: of_draw(draws)
    integer :: k, d

    do k = 1, n + 1
      do d = 1, draws
        of_draw(d) = sum(by_lane(:, k, d))
      end do
      flux(k) = sum(of_draw)/draws
      ! Never a division by zero: the compiler may do it before it asks.
      noise(k) = sqrt(sum((of_draw - flux(k))**2)/max(1, draws - 1))
    end do
  end subroutine sum_lanes

  !> Optical depths and Planck fractions of one column.
  subroutine optical_depths_of_column(tables, n, input, optical_depth, planck_fraction)
    type(longwave_tables), intent(in) :: tables                     !! coefficient tables
    integer, intent(in) :: n                                        !! layers [1]
    type(column_input), intent(in) :: input                         !! column
    real(real64), allocatable, intent(out) :: optical_depth(:,:)    !! vertical optical depth [1] (g-point, nlay)
    real(real64), allocatable, intent(out) :: planck_fraction(:,:)  !! Planck fraction [1] (g-point, nlay)
    type(layer_state) :: layer(n)
    type(mixture) :: mix(n_pairs, n)
    real(wp), allocatable :: depth(:,:), fraction(:,:)
    integer :: k, b, points, first, last

    allocate (optical_depth(n_gpoints, n), planck_fraction(n_gpoints, n))
    do k = 1, n
      call fill_layer(input, k, layer(k))
      call locate(tables, layer(k), mix(:, k))
    end do
    do b = 1, n_bands
      allocate (depth(lanes*tables%band(b)%chunks, n), fraction(lanes*tables%band(b)%chunks, n))
      call band_optics(tables, b, n, layer, mix, tables%band(b)%chunks, depth, fraction)
      points = tables%band(b)%points
      first = tables%band(b)%offset + 1
      last = tables%band(b)%offset + points
      optical_depth(first:last, :) = depth(:points, :)
      planck_fraction(first:last, :) = fraction(:points, :)/tables%flux_weight(b)
      deallocate (depth, fraction)
    end do
  end subroutine optical_depths_of_column

  !> Amounts of all absorbers in layer `k`.
  pure subroutine fill_layer(input, k, layer)
    type(column_input), intent(in) :: input    !! column
    integer, intent(in) :: k                   !! layer [1]
    type(layer_state), intent(inout) :: layer  !! layer to fill
    real(wp) :: dry

    dry = real(dry_air(input, k), wp)
    layer%dry = dry
    layer%pressure = real(input%pressure_layer(k)/100, wp)
    layer%temperature = real(input%temperature_layer(k), wp)
    layer%amount(h2o) = dry*real(input%h2o(k), wp)
    layer%amount(co2) = dry*max(trace, real(input%co2(k), wp))
    layer%amount(o3) = dry*max(trace, real(input%o3(k), wp))
    layer%amount(n2o) = dry*max(trace, real(input%n2o(k), wp))
    layer%amount(co) = dry*trace
    layer%amount(ch4) = dry*max(trace, real(input%ch4(k), wp))
    layer%amount(o2) = dry*real(input%o2(k), wp)
    layer%amount(n2) = dry*real(1 - (input%co2(k) + input%o3(k) + input%n2o(k) + input%ch4(k) + input%o2(k)), wp)
    layer%amount(cfc11) = dry*real(input%cfc11(k), wp)
    layer%amount(cfc12) = dry*real(input%cfc12(k), wp)
    layer%amount(cfc22) = dry*real(input%cfc22(k), wp)
    layer%amount(ccl4) = dry*real(input%ccl4(k), wp)
  end subroutine fill_layer

  !> Dry air in layer `k`, with RRTMG's mean molar mass of moist air.
  pure function dry_air(input, k) result(amount)
    type(column_input), intent(in) :: input !! column
    integer, intent(in) :: k                !! layer [1]
    real(real64) :: amount                  !! [1e20 cm-2]
    real(real64) :: molar_mass

    molar_mass = (1 - input%h2o(k))*rrtmg_dry_air_mass + input%h2o(k)*rrtmg_water_mass
    amount = (input%pressure_level(k + 1) - input%pressure_level(k))*0.1_real64*rrtmg_avogadro*1e-20_real64 &
             /(rrtmg_gravity*molar_mass*(1 + input%h2o(k)))
  end function dry_air

  !> Precipitable water of the column.
  pure function precipitable_water(n, input) result(depth)
    integer, intent(in) :: n                !! layers [1]
    type(column_input), intent(in) :: input !! column
    real(real64) :: depth                   !! [cm]
    real(real64) :: water, air, dry
    integer :: k

    water = 0
    air = 0
    do k = 1, n
      dry = dry_air(input, k)
      water = water + dry*input%h2o(k)
      air = air + dry*(1 + input%h2o(k))
    end do
    depth = rrtmg_water_mass*water/(rrtmg_dry_air_mass*air)*input%pressure_level(n + 1)/(10*rrtmg_gravity)
  end function precipitable_water

  !> Secant of the diffusivity angle of each band.
  pure function diffusivity_secant(water) result(secant)
    real(real64), intent(in) :: water !! precipitable water [cm]
    real(wp) :: secant(n_bands)       !! [1] (band)
    integer :: b

    do b = 1, n_bands
      if (abs(diffusivity(2, b)) > 0) then
        secant(b) = real(min(1.8_real64, max(1.5_real64, diffusivity(1, b) + diffusivity(2, b)*exp(diffusivity(3, b)*water))), wp)
      else
        secant(b) = real(diffusivity(1, b), wp)
      end if
    end do
  end function diffusivity_secant
end module radml_rrtmg_longwave_column
