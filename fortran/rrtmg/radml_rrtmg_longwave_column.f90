!> One column of RRTMG longwave: from pressures, temperatures and mixing ratios to fluxes. No checks: the front door made them.
module radml_rrtmg_longwave_column
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_constants
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave_bands
  use radml_rrtmg_longwave_gas_optics, only: absorb, layer_state, locate, planck_by_band
  use radml_rrtmg_longwave_tables, only: longwave_tables, n_packed, n_scratch
  use radml_rrtmg_longwave_transfer, only: down_through_layer, down_through_layer_original, up_through_layer
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

  !> What the upward pass needs of the downward pass.
  type, public :: column_workspace
    real(wp), allocatable :: absorptivity(:,:) !! absorptivity of layers [1] (g-point, nlay)
    real(wp), allocatable :: emission_up(:,:)  !! their effective black-body emission upwards [W m-2] (g-point, nlay)
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

    allocate (self%absorptivity(n_packed, n), self%emission_up(n_packed, n))
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
    type(layer_state) :: layer
    real(wp) :: secant(n_bands), planck(n_bands), planck_top(n_bands), planck_bottom(n_bands), planck_surface(n_bands)
    real(wp) :: depth(n_scratch), fraction(n_scratch), source(n_scratch), to_top(n_scratch), to_bottom(n_scratch)
    real(wp) :: radiance(n_packed), flux, emissivity
    integer :: k, b, first, last

    secant = diffusivity_secant(precipitable_water(n, input))
    radiance = 0
    down(1) = 0
    call planck_by_band(tables, real(input%temperature_level(1), wp), planck_top)
    do k = 1, n
      call fill_layer(input, k, layer)
      call locate(tables, layer)
      call planck_by_band(tables, layer%temperature, planck)
      call planck_by_band(tables, real(input%temperature_level(k + 1), wp), planck_bottom)
      call absorb(tables, layer, secant, planck, planck_top, planck_bottom, depth, fraction, source, to_top, to_bottom)
      if (original) then
        call down_through_layer_original(tables, depth, source, to_top, to_bottom, radiance, workspace%absorptivity(:, k), &
                                         workspace%emission_up(:, k), flux)
      else
        call down_through_layer(depth, source, to_top, to_bottom, radiance, workspace%absorptivity(:, k), &
                                workspace%emission_up(:, k), flux)
      end if
      down(k + 1) = flux
      planck_top = planck_bottom
    end do

    ! The surface emits with the Planck fractions of the lowest layer.
    call planck_by_band(tables, real(input%surface_temperature, wp), planck_surface)
    emissivity = real(input%surface_emissivity, wp)
    do b = 1, n_bands
      first = tables%band(b)%offset + 1
      last = tables%band(b)%offset + tables%band(b)%points
      radiance(first:last) = emissivity*planck_surface(b)*fraction(first:last) + (1 - emissivity)*radiance(first:last)
    end do
    up(n + 1) = sum(radiance)
    do k = n, 1, -1
      call up_through_layer(workspace%absorptivity(:, k), workspace%emission_up(:, k), radiance, flux)
      up(k) = flux
    end do

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
    type(layer_state) :: layer
    real(wp) :: one(n_bands)
    real(wp) :: depth(n_scratch), fraction(n_scratch), source(n_scratch), to_top(n_scratch), to_bottom(n_scratch)
    integer :: k, b, first, last

    allocate (optical_depth(n_gpoints, n), planck_fraction(n_gpoints, n))
    one = 1
    do k = 1, n
      call fill_layer(input, k, layer)
      call locate(tables, layer)
      call absorb(tables, layer, one, one, one, one, depth, fraction, source, to_top, to_bottom)
      optical_depth(:, k) = depth(:n_gpoints)
      do b = 1, n_bands
        first = tables%band(b)%offset + 1
        last = tables%band(b)%offset + tables%band(b)%points
        planck_fraction(first:last, k) = fraction(first:last)/tables%flux_weight(b)
      end do
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
