!> One column of RRTMG shortwave: from pressures, temperatures and mixing ratios to fluxes. No checks: the front door made them.
!>
!> Optical properties of a column are depths that add up: absorption, scattering, and scattering times asymmetry, for each
!> g-point and layer. The gases set the first two; whatever else there is adds its own (`add_by_band`).
module radml_rrtmg_shortwave_column
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_constants
  use radml_rrtmg_kinds, only: sums_heating, wp
  use radml_rrtmg_rows, only: cache_line, first_aligned
  use radml_rrtmg_shortwave_bands
  use radml_rrtmg_shortwave_gas_optics, only: band_optics, layer_state, locate, solar_source
  use radml_rrtmg_shortwave_tables, only: row_length, shortwave_tables
  use radml_rrtmg_shortwave_transfer, only: block_size, down_through_block, n_blocks, up_through_block, up_through_block_original
  implicit none
  private

  public :: optical_depths_of_column, solve_column

  !> Optical properties of particles by band.
  type, public :: band_properties
    logical :: present = .false.
    real(real64), allocatable :: depth(:,:)      !! vertical optical depth [1] (nlay, band)
    real(real64), allocatable :: albedo(:,:)     !! single-scattering albedo [1] (nlay, band)
    real(real64), allocatable :: asymmetry(:,:)  !! asymmetry of scattering [1] (nlay, band)
  end type band_properties

  !> What a column holds, from the top of the atmosphere down.
  type, public :: column_input
    real(real64), allocatable :: pressure_level(:)    !! [Pa] (nlay+1)
    real(real64), allocatable :: pressure_layer(:)    !! [Pa] (nlay)
    real(real64), allocatable :: temperature_layer(:) !! [K] (nlay)
    real(real64), allocatable :: h2o(:), o3(:), co2(:), ch4(:), o2(:) !! in dry air [mol mol-1] (nlay)
    type(band_properties) :: aerosol
    real(real64) :: cosine = 0                        !! of the solar zenith angle, positive [1]
    real(real64) :: irradiance = 0                    !! of the sun, normal to the beam [W m-2]
    real(real64) :: visible_direct = 0, visible_diffuse = 0             !! albedo of the surface [1]
    real(real64) :: near_infrared_direct = 0, near_infrared_diffuse = 0 !! albedo of the surface [1]
  contains
    procedure :: create => create_input
  end type column_input

  !> Room for the passes through a column.
  type, public :: column_workspace
    type(layer_state), allocatable :: layer(:)    !! where layers lie between the nodes of the tables (nlay)
    logical, allocatable :: symmetric(:)          !! nothing in the layer has an asymmetry (nlay)
    !> For g-points and layers: absorption, scattering, scattering times asymmetry; for a block of g-points: what
    !> `up_through_block` computes; by vector lane and level: fluxes.
    real(wp), allocatable :: room(:)
    integer :: absorption = 0, scattering = 0, forward = 0 !! where these begin in it
    integer :: beam = 0, passed = 0, scattered = 0, bright = 0, dull = 0, true_beam = 0, up = 0, down = 0, direct = 0
    integer :: kept_beam = 0, kept_diffuse = 0, absorbed = 0
  contains
    procedure :: create => create_workspace
  end type column_workspace

  real(wp), parameter :: trace = 1e-12_wp         !! least mixing ratio of a second key species, so that mixtures exist [mol mol-1]
  real(wp), parameter :: least_cosine = 1e-10_wp  !! so that its inverse exists [1]

contains

  !> Room for a column.
  subroutine create_input(self, n, aerosol)
    class(column_input), intent(inout) :: self !! column
    integer, intent(in) :: n                   !! layers [1]
    logical, intent(in) :: aerosol             !! whether it has aerosol

    allocate (self%pressure_level(n + 1), self%pressure_layer(n), self%temperature_layer(n), &
              self%h2o(n), self%o3(n), self%co2(n), self%ch4(n), self%o2(n))
    self%aerosol%present = aerosol
    if (aerosol) allocate (self%aerosol%depth(n, n_bands), self%aerosol%albedo(n, n_bands), self%aerosol%asymmetry(n, n_bands))
  end subroutine create_input

  !> Room for the passes through a column.
  subroutine create_workspace(self, n)
    class(column_workspace), intent(inout) :: self !! workspace
    integer, intent(in) :: n                       !! layers [1]
    integer :: next

    allocate (self%layer(n), self%symmetric(n))
    allocate (self%room(3*row_length*n + 12*block_size*(n + 1) + cache_line))
    next = first_aligned(self%room)
    call take(self%absorption, row_length*n)
    call take(self%scattering, row_length*n)
    call take(self%forward, row_length*n)
    call take(self%beam, block_size*n)
    call take(self%passed, block_size*n)
    call take(self%scattered, block_size*n)
    call take(self%bright, block_size*(n + 1))
    call take(self%dull, block_size*(n + 1))
    call take(self%true_beam, block_size*n)
    call take(self%up, block_size*(n + 1))
    call take(self%down, block_size*(n + 1))
    call take(self%direct, block_size*(n + 1))
    call take(self%absorbed, block_size*n)
    call take(self%kept_beam, block_size*n)
    call take(self%kept_diffuse, block_size*n)

  contains

    !> The next `length` elements of the room.
    subroutine take(first, length)
      integer, intent(out) :: first  !! where they begin [1]
      integer, intent(in) :: length  !! how many [1]

      first = next
      next = next + length
    end subroutine take
  end subroutine create_workspace

  !> Fluxes and heating rates of one column.
  subroutine solve_column(tables, n, original, input, workspace, up, down, direct, heating_rate)
    type(shortwave_tables), intent(in) :: tables        !! coefficient tables
    integer, intent(in) :: n                            !! layers [1]
    logical, intent(in) :: original                     !! use the original's transmittance table
    type(column_input), intent(in) :: input             !! column
    type(column_workspace), intent(inout) :: workspace  !! room
    real(real64), intent(out) :: up(n + 1)              !! upward flux at levels [W m-2] (nlay+1)
    real(real64), intent(out) :: down(n + 1)            !! downward flux at levels [W m-2] (nlay+1)
    real(real64), intent(out) :: direct(n + 1)          !! direct part of the downward flux [W m-2] (nlay+1)
    real(real64), intent(out) :: heating_rate(n)        !! heating rate [K day-1] (nlay)
    real(real64), parameter :: rate = rrtmg_gravity*rrtmg_seconds_per_day/rrtmg_heat_capacity
    real(real64) :: absorbed
    real(wp) :: cosine, incoming(n_gpoints), albedo_direct(n_gpoints), albedo_diffuse(n_gpoints)
    integer :: b, first, g, j, k, true_beam

    associate (w => workspace)
      do k = 1, n
        call fill_layer(input, k, w%layer(k))
        call locate(tables, w%layer(k))
      end do
      do b = 1, n_bands
        call band_optics(tables, b, n, w%layer, w%room(w%absorption), w%room(w%scattering))
      end do
      w%symmetric = .true.
      if (input%aerosol%present) &
        call add_by_band(tables, n, input%aerosol, w%room(w%absorption), w%room(w%scattering), w%room(w%forward), w%symmetric)

      cosine = real(max(input%cosine, real(least_cosine, real64)), wp)
      call solar_source(tables, n, w%layer, incoming)
      incoming = incoming*real(input%irradiance*input%cosine, wp)
      do g = 1, n_gpoints
        if (is_visible(tables%band_of_gpoint(g))) then
          albedo_direct(g) = real(input%visible_direct, wp)
          albedo_diffuse(g) = real(input%visible_diffuse, wp)
        else
          albedo_direct(g) = real(input%near_infrared_direct, wp)
          albedo_diffuse(g) = real(input%near_infrared_diffuse, wp)
        end if
      end do

      w%room(w%up:w%absorbed + block_size*n - 1) = 0
      true_beam = merge(w%beam, w%true_beam, all(w%symmetric))
      do j = 1, n_blocks
        first = (j - 1)*block_size
        if (original) then
          call up_through_block_original(tables, n, cosine, w%room(w%absorption + first), w%room(w%scattering + first), &
                                         w%room(w%forward + first), w%symmetric, albedo_direct(first + 1), &
                                         albedo_diffuse(first + 1), w%room(w%beam), w%room(w%passed), w%room(w%scattered), &
                                         w%room(w%bright), w%room(w%dull), w%room(w%true_beam))
        else
          call up_through_block(n, cosine, w%room(w%absorption + first), w%room(w%scattering + first), &
                                w%room(w%forward + first), w%symmetric, albedo_direct(first + 1), albedo_diffuse(first + 1), &
                                w%room(w%beam), w%room(w%passed), w%room(w%scattered), w%room(w%bright), w%room(w%dull), &
                                w%room(w%true_beam), w%room(w%kept_beam), w%room(w%kept_diffuse))
        end if
        call down_through_block(n, incoming(first + 1), w%room(w%beam), w%room(w%passed), w%room(w%scattered), &
                                w%room(w%bright), w%room(w%dull), w%room(true_beam), w%room(w%kept_beam), &
                                w%room(w%kept_diffuse), w%room(w%up), w%room(w%down), w%room(w%direct), w%room(w%absorbed))
      end do
      do k = 1, n + 1
        up(k) = sum(w%room(w%up + (k - 1)*block_size:w%up + k*block_size - 1))
        down(k) = sum(w%room(w%down + (k - 1)*block_size:w%down + k*block_size - 1))
        direct(k) = sum(w%room(w%direct + (k - 1)*block_size:w%direct + k*block_size - 1))
      end do
      do k = 1, n
        absorbed = (up(k + 1) - down(k + 1)) - (up(k) - down(k))
        if (sums_heating .and. .not. original) &
          absorbed = sum(w%room(w%absorbed + (k - 1)*block_size:w%absorbed + k*block_size - 1))
        heating_rate(k) = rate*absorbed/(input%pressure_level(k + 1) - input%pressure_level(k))
      end do
    end associate
  end subroutine solve_column

  !> Add particles whose properties are known by band to a column's depths.
  pure subroutine add_by_band(tables, n, particles, absorption, scattering, forward, symmetric)
    type(shortwave_tables), intent(in) :: tables          !! coefficient tables
    integer, intent(in) :: n                              !! layers [1]
    type(band_properties), intent(in) :: particles        !! what to add
    real(wp), intent(inout) :: absorption(row_length, n)  !! vertical depth of absorption [1] (g-point, nlay)
    real(wp), intent(inout) :: scattering(row_length, n)  !! vertical depth of scattering [1] (g-point, nlay)
    real(wp), intent(inout) :: forward(row_length, n)     !! the latter times asymmetry, set where not symmetric [1] (g-point, nlay)
    logical, intent(inout) :: symmetric(n)                !! nothing in the layer has an asymmetry (nlay)
    real(wp) :: absorbed, scattered, asymmetry
    integer :: b, first, last, k

    do k = 1, n
      if (all(particles%depth(k, :) <= 0)) cycle
      if (symmetric(k)) forward(:, k) = 0
      symmetric(k) = .false.
      do b = 1, n_bands
        first = tables%band(b)%offset + 1
        last = tables%band(b)%offset + tables%band(b)%points
        ! In real64 until the difference from one is taken: of an albedo near one, single precision would keep nothing of it.
        absorbed = real(particles%depth(k, b)*(1 - particles%albedo(k, b)), wp)
        scattered = real(particles%depth(k, b)*particles%albedo(k, b), wp)
        asymmetry = real(particles%asymmetry(k, b), wp)
        absorption(first:last, k) = absorption(first:last, k) + absorbed
        scattering(first:last, k) = scattering(first:last, k) + scattered
        forward(first:last, k) = forward(first:last, k) + scattered*asymmetry
      end do
    end do
  end subroutine add_by_band

  !> Depths of absorption and Rayleigh scattering of one column, and its solar source.
  subroutine optical_depths_of_column(tables, n, input, absorption, scattering, source)
    type(shortwave_tables), intent(in) :: tables                    !! coefficient tables
    integer, intent(in) :: n                                        !! layers [1]
    type(column_input), intent(in) :: input                         !! column
    real(real64), allocatable, intent(out) :: absorption(:,:)       !! vertical depth of absorption [1] (g-point, nlay)
    real(real64), allocatable, intent(out) :: scattering(:,:)       !! vertical depth of scattering [1] (g-point, nlay)
    real(real64), allocatable, intent(out) :: source(:)             !! solar source normal to the beam [W m-2] (g-point)
    type(layer_state), allocatable :: layer(:)
    real(wp), allocatable :: rows(:,:,:)
    real(wp) :: relative(n_gpoints)
    integer :: k, b

    allocate (layer(n), rows(row_length, n, 2))
    do k = 1, n
      call fill_layer(input, k, layer(k))
      call locate(tables, layer(k))
    end do
    do b = 1, n_bands
      call band_optics(tables, b, n, layer, rows(:, :, 1), rows(:, :, 2))
    end do
    call solar_source(tables, n, layer, relative)
    absorption = real(rows(:n_gpoints, :, 1), real64)
    scattering = real(rows(:n_gpoints, :, 2), real64)
    source = real(relative, real64)*input%irradiance
  end subroutine optical_depths_of_column

  !> Amounts of all absorbers in layer `k`, with RRTMG's mean molar mass of moist air.
  pure subroutine fill_layer(input, k, layer)
    type(column_input), intent(in) :: input    !! column
    integer, intent(in) :: k                   !! layer [1]
    type(layer_state), intent(inout) :: layer  !! layer to fill
    real(real64) :: molar_mass
    real(wp) :: dry

    molar_mass = (1 - input%h2o(k))*rrtmg_dry_air_mass + input%h2o(k)*rrtmg_water_mass
    dry = real((input%pressure_level(k + 1) - input%pressure_level(k))*0.1_real64*rrtmg_avogadro*1e-20_real64 &
               /(rrtmg_gravity*molar_mass*(1 + input%h2o(k))), wp)
    layer%dry = dry
    layer%pressure = real(input%pressure_layer(k)/100, wp)
    layer%temperature = real(input%temperature_layer(k), wp)
    layer%amount(h2o) = dry*real(input%h2o(k), wp)
    layer%amount(co2) = dry*max(trace, real(input%co2(k), wp))
    layer%amount(o3) = dry*real(input%o3(k), wp)
    layer%amount(ch4) = dry*max(trace, real(input%ch4(k), wp))
    layer%amount(o2) = dry*max(trace, real(input%o2(k), wp))
  end subroutine fill_layer
end module radml_rrtmg_shortwave_column
