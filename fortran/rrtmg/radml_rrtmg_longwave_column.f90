!> One column of RRTMG longwave: from pressures, temperatures and mixing ratios to fluxes. No checks: the front door made them.
module radml_rrtmg_longwave_column
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_constants
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave_bands
  use radml_rrtmg_longwave_gas_optics, only: band_optics, layer_state, locate, mixture, planck_of_band
  use radml_rrtmg_longwave_tables, only: first_aligned, lanes, longwave_tables, max_chunks
  use radml_rrtmg_longwave_transfer, only: down_through_band, down_through_band_original, up_through_band
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
    real(real64) :: surface_emissivity = 1            !! [1]
  contains
    procedure :: create => create_input
  end type column_input

  !> Room for the passes through a column, used band by band.
  type, public :: column_workspace
    type(layer_state), allocatable :: layer(:)    !! where layers lie between the nodes of the tables (nlay)
    type(mixture), allocatable :: mix(:,:)        !! their mixtures of key species (nlay, pair)
    real(wp), allocatable :: temperature_layer(:), temperature_level(:) !! [K] (nlay), (nlay+1)
    real(wp), allocatable :: planck_layer(:), planck_level(:) !! Planck function of a band [W cm-2 sr-1 cm] (nlay), (nlay+1)
    !> For g-points and layers: optical depth, Planck fraction, absorptivity, upward emission; fluxes by vector lane and level.
    real(wp), allocatable :: room(:)
    integer :: depth = 0, fraction = 0, absorptivity = 0, emission_up = 0, up = 0, down = 0 !! where these begin in it
  contains
    procedure :: create => create_workspace
  end type column_workspace

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

  !> Room for the passes through a column.
  subroutine create_workspace(self, n)
    class(column_workspace), intent(inout) :: self !! workspace
    integer, intent(in) :: n                       !! layers [1]

    allocate (self%layer(n), self%mix(n, n_pairs), self%temperature_layer(n), self%temperature_level(n + 1), &
              self%planck_layer(n), self%planck_level(n + 1))
    allocate (self%room(lanes*(4*max_chunks*n + 2*(n + 1) + 1)))
    self%depth = first_aligned(self%room)
    self%fraction = self%depth + lanes*max_chunks*n
    self%absorptivity = self%fraction + lanes*max_chunks*n
    self%emission_up = self%absorptivity + lanes*max_chunks*n
    self%up = self%emission_up + lanes*max_chunks*n
    self%down = self%up + lanes*(n + 1)
  end subroutine create_workspace

  !> Fluxes and heating rates of one column.
  subroutine solve_column(tables, n, original, input, workspace, up, down, heating_rate)
    type(longwave_tables), intent(in) :: tables         !! coefficient tables
    integer, intent(in) :: n                            !! layers [1]
    logical, intent(in) :: original                     !! use the original's transmittance table
    type(column_input), intent(in) :: input             !! column
    type(column_workspace), intent(inout) :: workspace  !! room
    real(real64), intent(out) :: up(n + 1)              !! upward flux at levels [W m-2] (nlay+1)
    real(real64), intent(out) :: down(n + 1)            !! downward flux at levels [W m-2] (nlay+1)
    real(real64), intent(out) :: heating_rate(n)        !! heating rate [K day-1] (nlay)
    real(real64), parameter :: rate = rrtmg_gravity*rrtmg_seconds_per_day/rrtmg_heat_capacity
    real(wp) :: secant(n_bands), radiance(lanes, max_chunks), planck_surface(1), emissivity
    integer :: k, b, c, g, chunks, bottom

    secant = diffusivity_secant(precipitable_water(n, input))
    emissivity = real(input%surface_emissivity, wp)
    associate (w => workspace)
      w%temperature_layer = real(input%temperature_layer, wp)
      w%temperature_level = real(input%temperature_level, wp)
      do k = 1, n
        call fill_layer(input, k, w%layer(k))
        call locate(tables, w%layer(k), w%mix(k, :))
      end do
      w%room(w%up:w%down + lanes*(n + 1) - 1) = 0
      do b = 1, n_bands
        chunks = tables%band(b)%chunks
        call band_optics(tables, b, n, w%layer, w%mix, chunks, w%room(w%depth), w%room(w%fraction))
        call planck_of_band(tables, b, n, w%temperature_layer, w%planck_layer)
        call planck_of_band(tables, b, n + 1, w%temperature_level, w%planck_level)
        call planck_of_band(tables, b, 1, [real(input%surface_temperature, wp)], planck_surface)
        if (original) then
          call down_through_band_original(tables, n, chunks, secant(b), w%room(w%depth), w%room(w%fraction), w%planck_layer, &
                                          w%planck_level, w%room(w%absorptivity), w%room(w%emission_up), radiance, w%room(w%down))
        else
          call down_through_band(n, chunks, secant(b), w%room(w%depth), w%room(w%fraction), w%planck_layer, &
                                 w%planck_level, w%room(w%absorptivity), w%room(w%emission_up), radiance, w%room(w%down))
        end if
        ! The surface emits with the Planck fractions of the lowest layer.
        bottom = w%fraction - 1 + (n - 1)*chunks*lanes
        do c = 1, chunks
          do g = 1, lanes
            radiance(g, c) = emissivity*planck_surface(1)*w%room(bottom + (c - 1)*lanes + g) + (1 - emissivity)*radiance(g, c)
          end do
        end do
        call up_through_band(n, chunks, w%room(w%absorptivity), w%room(w%emission_up), radiance, w%room(w%up))
      end do
      do k = 1, n + 1
        up(k) = sum(w%room(w%up + (k - 1)*lanes:w%up + k*lanes - 1))
        down(k) = sum(w%room(w%down + (k - 1)*lanes:w%down + k*lanes - 1))
      end do
    end associate

    do k = 1, n
      heating_rate(k) = rate*((up(k + 1) - down(k + 1)) - (up(k) - down(k)))/(input%pressure_level(k + 1) - input%pressure_level(k))
    end do
  end subroutine solve_column

  !> Optical depths and Planck fractions of one column.
  subroutine optical_depths_of_column(tables, n, input, optical_depth, planck_fraction)
    type(longwave_tables), intent(in) :: tables                     !! coefficient tables
    integer, intent(in) :: n                                        !! layers [1]
    type(column_input), intent(in) :: input                         !! column
    real(real64), allocatable, intent(out) :: optical_depth(:,:)    !! vertical optical depth [1] (g-point, nlay)
    real(real64), allocatable, intent(out) :: planck_fraction(:,:)  !! Planck fraction [1] (g-point, nlay)
    type(layer_state) :: layer(n)
    type(mixture) :: mix(n, n_pairs)
    real(wp), allocatable :: depth(:,:), fraction(:,:)
    integer :: k, b, points, first, last

    allocate (optical_depth(n_gpoints, n), planck_fraction(n_gpoints, n))
    do k = 1, n
      call fill_layer(input, k, layer(k))
      call locate(tables, layer(k), mix(k, :))
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
