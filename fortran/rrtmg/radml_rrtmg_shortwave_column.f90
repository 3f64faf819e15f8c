!> One column of RRTMG shortwave: from pressures, temperatures, mixing ratios and clouds to fluxes. No checks: the front door made
!> them.
!>
!> Optical properties of a column are depths that add up: absorption, scattering, and scattering times asymmetry, for each
!> g-point and layer. The gases set the first two and aerosol adds its own; what there is then is delta-scaled, and clouds, which
!> come scaled, are added to it at the g-points that see them. Depths before scaling are kept for the direct flux.
module radml_rrtmg_shortwave_column
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use radml_rrtmg_clouds, only: by_subcolumns, given_subcolumns, no_clouds
  use radml_rrtmg_constants
  use radml_rrtmg_kinds, only: sums_heating, wp
  use radml_rrtmg_rows, only: cache_line, first_aligned
  use radml_rrtmg_shortwave_bands
  use radml_rrtmg_shortwave_gas_optics, only: band_optics, layer_state, locate, solar_source
  use radml_rrtmg_shortwave_tables, only: row_length, shortwave_tables
  use radml_rrtmg_shortwave_transfer, only: block_size, down_through_block, n_blocks, up_through_block, up_through_block_original
  use radml_rrtmg_subcolumns, only: fill_subcolumns, overlap_plan, plan_overlap, rrtmg_overlap_maximum_random, shortwave_stream
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

  !> Depths inside the clouds of a column, delta-scaled.
  type, public :: cloud_properties
    real(wp), allocatable, dimension(:,:) :: absorption, scattering, forward !! [1] (band, nlay)
    real(wp), allocatable :: unscaled(:,:)       !! depth of extinction before scaling [1] (band, nlay)
    integer :: treatment = no_clouds             !! how clouds are treated [1]
    real(real64), allocatable :: fraction(:)     !! [1] (nlay)
    integer :: overlap = rrtmg_overlap_maximum_random !! for subcolumns of its own making [1]
    integer :: draws = 1                         !! how many of these are averaged [1]
    integer(int64) :: seed(2) = 0                !! what these are drawn from [1]
    logical, allocatable :: subcolumns(:,:)      !! the host's, true where a g-point sees cloud (nlay, g-point)
  end type cloud_properties

  !> What a column holds, from the top of the atmosphere down.
  type, public :: column_input
    real(real64), allocatable :: pressure_level(:)    !! [Pa] (nlay+1)
    real(real64), allocatable :: pressure_layer(:)    !! [Pa] (nlay)
    real(real64), allocatable :: temperature_layer(:) !! [K] (nlay)
    real(real64), allocatable :: h2o(:), o3(:), co2(:), ch4(:), o2(:) !! in dry air [mol mol-1] (nlay)
    type(band_properties) :: aerosol
    type(cloud_properties) :: clouds
    logical :: wants_clear_sky = .false.              !! whether fluxes without the clouds are asked for
    real(real64) :: cosine = 0                        !! of the solar zenith angle, positive [1]
    real(real64) :: irradiance = 0                    !! of the sun, normal to the beam [W m-2]
    real(real64) :: visible_direct = 0, visible_diffuse = 0             !! albedo of the surface [1]
    real(real64) :: near_infrared_direct = 0, near_infrared_diffuse = 0 !! albedo of the surface [1]
  contains
    procedure :: create => create_input
  end type column_input

  !> How to solve a column.
  type, public :: solution_choices
    logical :: original_tables = .false. !! use the original's transmittance table
    logical :: absorbing_ice = .false.   !! ice that scatters forward absorbs, other than in the original
  end type solution_choices

  !> Fluxes of one sky.
  type, public :: sky_fluxes
    real(real64), allocatable :: up(:), down(:)  !! fluxes at levels [W m-2] (nlay+1)
    real(real64), allocatable :: direct(:)       !! direct part of the latter [W m-2] (nlay+1)
    real(real64), allocatable :: absorbed(:)     !! what layers absorb [W m-2] (nlay)
    real(real64), dimension(2) :: ground_direct = 0, ground_diffuse = 0 !! at the surface, visible and near infrared [W m-2] (part)
  contains
    procedure :: create => create_fluxes
  end type sky_fluxes

  !> Fluxes and heating rates of a column.
  type, public :: column_result
    type(sky_fluxes) :: all_sky, clear_sky
    real(real64), allocatable :: heating_rate(:)            !! heating rate [K day-1] (nlay)
    real(real64), allocatable :: up_noise(:), down_noise(:) !! standard deviation of one draw [W m-2] (nlay+1)
  contains
    procedure :: create => create_result
  end type column_result

  !> Room for the passes through a column.
  type, public :: column_workspace
    type(layer_state), allocatable :: layer(:)    !! where layers lie between the nodes of the tables (nlay)
    logical, allocatable :: symmetric(:)          !! nothing in the layer has an asymmetry (nlay)
    !> For g-points and layers: absorption, scattering, scattering times asymmetry, extinction before scaling; for a block of
    !> g-points: what `up_through_block` computes; by vector lane and level: fluxes; for g-points: fluxes at the surface.
    real(wp), allocatable :: room(:)
    integer :: absorption = 0, scattering = 0, forward = 0, unscaled = 0 !! where these begin in it
    integer :: beam = 0, passed = 0, scattered = 0, bright = 0, dull = 0, true_beam = 0, up = 0, down = 0, direct = 0
    integer :: kept_beam = 0, kept_diffuse = 0, absorbed = 0
    integer :: ground_down = 0, ground_direct = 0
    !> With clouds: where g-points see them, and what layers that have some are without them.
    real(wp), allocatable :: cloudy(:,:)           !! [1] (g-point, nlay)
    real(wp), allocatable :: without_clouds(:,:,:) !! depths in the order of `room` (g-point, depth, nlay)
    logical, allocatable :: has_cloud(:)           !! layers that have cloud (nlay)
    type(overlap_plan) :: plan                     !! overlap of subcolumns
    type(sky_fluxes) :: draw                       !! fluxes of one draw
    real(real64), allocatable :: draw_up(:,:), draw_down(:,:) !! fluxes of all draws [W m-2] (nlay+1, draw)
  contains
    procedure :: create => create_workspace
  end type column_workspace

  real(wp), parameter :: trace = 1e-12_wp         !! least mixing ratio of a second key species, so that mixtures exist [mol mol-1]
  real(wp), parameter :: least_cosine = 1e-10_wp  !! so that its inverse exists [1]
  integer, parameter, public :: visible = 1, near_infrared = 2 !! parts of the spectrum

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

  !> Room for the fluxes of one sky.
  subroutine create_fluxes(self, n)
    class(sky_fluxes), intent(inout) :: self !! fluxes
    integer, intent(in) :: n                 !! layers [1]

    allocate (self%up(n + 1), self%down(n + 1), self%direct(n + 1), self%absorbed(n))
  end subroutine create_fluxes

  !> Room for the results of a column.
  subroutine create_result(self, n)
    class(column_result), intent(inout) :: self !! results
    integer, intent(in) :: n                    !! layers [1]

    call self%all_sky%create(n)
    call self%clear_sky%create(n)
    allocate (self%heating_rate(n), self%up_noise(n + 1), self%down_noise(n + 1))
  end subroutine create_result

  !> Room for the passes through a column.
  subroutine create_workspace(self, n, draws)
    class(column_workspace), intent(inout) :: self !! workspace
    integer, intent(in) :: n                       !! layers [1]
    integer, intent(in) :: draws                   !! how many draws of subcolumns there are; 0: no clouds [1]
    integer :: next

    allocate (self%layer(n), self%symmetric(n))
    allocate (self%room(4*row_length*n + 12*block_size*(n + 1) + 2*n_gpoints + cache_line))
    next = first_aligned(self%room)
    call take(self%absorption, row_length*n)
    call take(self%scattering, row_length*n)
    call take(self%forward, row_length*n)
    call take(self%unscaled, row_length*n)
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
    call take(self%ground_down, n_gpoints)
    call take(self%ground_direct, n_gpoints)
    if (draws < 1) return
    allocate (self%cloudy(n_gpoints, n), self%without_clouds(n_gpoints, 4, n), self%has_cloud(n))
    allocate (self%draw_up(n + 1, draws), self%draw_down(n + 1, draws))
    call self%draw%create(n)

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
  subroutine solve_column(tables, n, way, input, workspace, result)
    type(shortwave_tables), intent(in) :: tables        !! coefficient tables
    integer, intent(in) :: n                            !! layers [1]
    type(solution_choices), intent(in) :: way           !! how to solve it
    type(column_input), intent(in) :: input             !! column
    type(column_workspace), intent(inout) :: workspace  !! room
    type(column_result), intent(inout) :: result        !! fluxes and heating rates
    real(real64), parameter :: rate = rrtmg_gravity*rrtmg_seconds_per_day/rrtmg_heat_capacity
    real(wp) :: incoming(n_gpoints)
    integer :: b, k
    logical :: cloudy

    associate (w => workspace)
      do k = 1, n
        call fill_layer(input, k, w%layer(k))
        call locate(tables, w%layer(k))
      end do
      do b = 1, n_bands
        call band_optics(tables, b, n, w%layer, w%room(w%absorption), w%room(w%scattering))
      end do
      w%symmetric = .true.
      if (input%aerosol%present) then
        call add_by_band(tables, n, input%aerosol, w%room(w%absorption), w%room(w%scattering), w%room(w%forward), w%symmetric)
        call delta_scale(n, w%symmetric, w%room(w%absorption), w%room(w%scattering), w%room(w%forward), w%room(w%unscaled))
      end if
      call solar_source(tables, n, w%layer, incoming)
      incoming = incoming*real(input%irradiance*input%cosine, wp)

      call find_clouds(n, input%clouds, w, cloudy)
      if (input%wants_clear_sky .or. .not. cloudy) call pass(tables, n, way, input, incoming, w, result%clear_sky)
      if (cloudy) then
        call through_clouds(tables, n, way, input, incoming, w, result)
      else
        result%all_sky = result%clear_sky
        result%up_noise = 0
        result%down_noise = 0
      end if
    end associate

    do k = 1, n
      result%heating_rate(k) = rate*result%all_sky%absorbed(k)/(input%pressure_level(k + 1) - input%pressure_level(k))
    end do
  end subroutine solve_column

  !> Down and up through a column whose depths are those of one sky.
  subroutine pass(tables, n, way, input, incoming, workspace, sky)
    type(shortwave_tables), intent(in) :: tables        !! coefficient tables
    integer, intent(in) :: n                            !! layers [1]
    type(solution_choices), intent(in) :: way           !! how to solve it
    type(column_input), intent(in) :: input             !! column
    real(wp), intent(in) :: incoming(n_gpoints)         !! flux through the top of the atmosphere [W m-2] (g-point)
    type(column_workspace), intent(inout) :: workspace  !! room, with the depths
    type(sky_fluxes), intent(inout) :: sky              !! fluxes
    real(wp) :: cosine, albedo_direct(n_gpoints), albedo_diffuse(n_gpoints)
    integer :: first, g, j, k, true_beam

    cosine = real(max(input%cosine, real(least_cosine, real64)), wp)
    do g = 1, n_gpoints
      if (is_visible(tables%band_of_gpoint(g))) then
        albedo_direct(g) = real(input%visible_direct, wp)
        albedo_diffuse(g) = real(input%visible_diffuse, wp)
      else
        albedo_direct(g) = real(input%near_infrared_direct, wp)
        albedo_diffuse(g) = real(input%near_infrared_diffuse, wp)
      end if
    end do
    associate (w => workspace)
      w%room(w%up:w%absorbed + block_size*n - 1) = 0
      true_beam = merge(w%beam, w%true_beam, all(w%symmetric))
      do j = 1, n_blocks
        first = (j - 1)*block_size
        if (way%original_tables) then
          call up_through_block_original(tables, n, cosine, w%room(w%absorption + first), w%room(w%scattering + first), &
                                         w%room(w%forward + first), w%room(w%unscaled + first), w%symmetric, &
                                         albedo_direct(first + 1), albedo_diffuse(first + 1), w%room(w%beam), w%room(w%passed), &
                                         w%room(w%scattered), w%room(w%bright), w%room(w%dull), w%room(w%true_beam))
        else
          call up_through_block(n, way%absorbing_ice, cosine, w%room(w%absorption + first), w%room(w%scattering + first), &
                                w%room(w%forward + first), w%room(w%unscaled + first), w%symmetric, albedo_direct(first + 1), &
                                albedo_diffuse(first + 1), w%room(w%beam), w%room(w%passed), w%room(w%scattered), &
                                w%room(w%bright), w%room(w%dull), w%room(w%true_beam), w%room(w%kept_beam), &
                                w%room(w%kept_diffuse))
        end if
        call down_through_block(n, incoming(first + 1), w%room(w%beam), w%room(w%passed), w%room(w%scattered), &
                                w%room(w%bright), w%room(w%dull), w%room(true_beam), w%room(w%kept_beam), &
                                w%room(w%kept_diffuse), w%room(w%up), w%room(w%down), w%room(w%direct), w%room(w%absorbed), &
                                w%room(w%ground_down + first), w%room(w%ground_direct + first))
      end do
      do k = 1, n + 1
        sky%up(k) = sum(w%room(w%up + (k - 1)*block_size:w%up + k*block_size - 1))
        sky%down(k) = sum(w%room(w%down + (k - 1)*block_size:w%down + k*block_size - 1))
        sky%direct(k) = sum(w%room(w%direct + (k - 1)*block_size:w%direct + k*block_size - 1))
      end do
      do k = 1, n
        if (sums_heating .and. .not. way%original_tables) then
          sky%absorbed(k) = sum(w%room(w%absorbed + (k - 1)*block_size:w%absorbed + k*block_size - 1))
        else
          sky%absorbed(k) = (sky%up(k + 1) - sky%down(k + 1)) - (sky%up(k) - sky%down(k))
        end if
      end do
      call sum_ground(tables, w%room(w%ground_down), w%room(w%ground_direct), sky)
    end associate
  end subroutine pass

  !> Fluxes at the surface in both parts of the spectrum. What scaling takes for direct light though it was scattered counts as
  !> diffuse.
  pure subroutine sum_ground(tables, down, direct, sky)
    type(shortwave_tables), intent(in) :: tables  !! coefficient tables
    real(wp), intent(in) :: down(n_gpoints)       !! downward flux [W m-2] (g-point)
    real(wp), intent(in) :: direct(n_gpoints)     !! its direct part [W m-2] (g-point)
    type(sky_fluxes), intent(inout) :: sky        !! fluxes to complete
    integer :: g, part

    sky%ground_direct = 0
    sky%ground_diffuse = 0
    do g = 1, n_gpoints
      part = merge(visible, near_infrared, is_visible(tables%band_of_gpoint(g)))
      sky%ground_direct(part) = sky%ground_direct(part) + direct(g)
      sky%ground_diffuse(part) = sky%ground_diffuse(part) + (down(g) - direct(g))
    end do
  end subroutine sum_ground

  !> Which layers have clouds.
  subroutine find_clouds(n, clouds, workspace, cloudy)
    integer, intent(in) :: n                            !! layers [1]
    type(cloud_properties), intent(in) :: clouds        !! clouds
    type(column_workspace), intent(inout) :: workspace  !! room
    logical, intent(out) :: cloudy                      !! whether there are any

    cloudy = .false.
    if (clouds%treatment == no_clouds) return
    if (clouds%treatment == by_subcolumns) then
      call plan_overlap(n, clouds%fraction, clouds%overlap, workspace%plan)
      workspace%has_cloud = workspace%plan%cloudy
    else
      workspace%has_cloud = any(clouds%subcolumns, 2)
    end if
    cloudy = any(workspace%has_cloud)
  end subroutine find_clouds

  !> The mean over all draws of what a column's fluxes are with clouds.
  subroutine through_clouds(tables, n, way, input, incoming, workspace, result)
    type(shortwave_tables), intent(in) :: tables        !! coefficient tables
    integer, intent(in) :: n                            !! layers [1]
    type(solution_choices), intent(in) :: way           !! how to solve it
    type(column_input), intent(in) :: input             !! column
    real(wp), intent(in) :: incoming(n_gpoints)         !! flux through the top of the atmosphere [W m-2] (g-point)
    type(column_workspace), intent(inout) :: workspace  !! room, with the depths of clear sky; they change
    type(column_result), intent(inout) :: result        !! all-sky fluxes and their noise are set
    integer :: draw, draws

    draws = merge(input%clouds%draws, 1, input%clouds%treatment == by_subcolumns)
    associate (w => workspace, all_sky => result%all_sky)
      call keep_clear_sky(n, w%has_cloud, w%symmetric, w%room(w%absorption), w%room(w%scattering), w%room(w%forward), &
                          w%room(w%unscaled), w%without_clouds)
      w%symmetric = w%symmetric .and. .not. w%has_cloud
      all_sky%direct = 0
      all_sky%absorbed = 0
      all_sky%ground_direct = 0
      all_sky%ground_diffuse = 0
      do draw = 1, draws
        if (input%clouds%treatment == given_subcolumns) then
          w%cloudy = transpose(merge(1.0_wp, 0.0_wp, input%clouds%subcolumns))
        else
          call fill_subcolumns(w%plan, n, input%clouds%seed, draw, shortwave_stream, 1, n_gpoints, w%cloudy)
        end if
        call add_clouds(tables, n, input%clouds, w%has_cloud, w%cloudy, w%without_clouds, w%room(w%absorption), &
                        w%room(w%scattering), w%room(w%forward), w%room(w%unscaled))
        call pass(tables, n, way, input, incoming, w, w%draw)
        w%draw_up(:, draw) = w%draw%up
        w%draw_down(:, draw) = w%draw%down
        all_sky%direct = all_sky%direct + w%draw%direct/draws
        all_sky%absorbed = all_sky%absorbed + w%draw%absorbed/draws
        all_sky%ground_direct = all_sky%ground_direct + w%draw%ground_direct/draws
        all_sky%ground_diffuse = all_sky%ground_diffuse + w%draw%ground_diffuse/draws
      end do
      call average(w%draw_up(:, :draws), all_sky%up, result%up_noise)
      call average(w%draw_down(:, :draws), all_sky%down, result%down_noise)
    end associate
  end subroutine through_clouds

  !> Mean of the draws, and the standard deviation of one.
  pure subroutine average(draws, mean, noise)
    real(real64), intent(in) :: draws(:,:)     !! flux of each draw [W m-2] (nlay+1, draw)
    real(real64), intent(inout) :: mean(:)     !! [W m-2] (nlay+1)
    real(real64), intent(inout) :: noise(:)    !! 0 where there is one draw [W m-2] (nlay+1)
    integer :: k

    do k = 1, size(mean)
      mean(k) = sum(draws(k, :))/size(draws, 2)
      ! Never a division by zero: the compiler may do it before it asks.
      noise(k) = sqrt(sum((draws(k, :) - mean(k))**2)/max(1, size(draws, 2) - 1))
    end do
  end subroutine average

  !> Keep the depths that cloudy layers have without their clouds.
  pure subroutine keep_clear_sky(n, has_cloud, symmetric, absorption, scattering, forward, unscaled, kept)
    integer, intent(in) :: n                               !! layers [1]
    logical, intent(in) :: has_cloud(n)                    !! layers that have cloud (nlay)
    logical, intent(in) :: symmetric(n)                    !! `forward` and `unscaled` are not set there (nlay)
    real(wp), intent(in) :: absorption(row_length, n)      !! vertical depth of absorption [1] (g-point, nlay)
    real(wp), intent(in) :: scattering(row_length, n)      !! vertical depth of scattering [1] (g-point, nlay)
    real(wp), intent(in) :: forward(row_length, n)         !! the latter times asymmetry [1] (g-point, nlay)
    real(wp), intent(in) :: unscaled(row_length, n)        !! depth of extinction before scaling [1] (g-point, nlay)
    real(wp), intent(inout) :: kept(n_gpoints, 4, n)       !! all four (g-point, depth, nlay)
    integer :: k

    do k = 1, n
      if (.not. has_cloud(k)) cycle
      kept(:, 1, k) = absorption(:n_gpoints, k)
      kept(:, 2, k) = scattering(:n_gpoints, k)
      if (symmetric(k)) then
        kept(:, 3, k) = 0
        kept(:, 4, k) = max(absorption(:n_gpoints, k), 0.0_wp) + scattering(:n_gpoints, k)
      else
        kept(:, 3, k) = forward(:n_gpoints, k)
        kept(:, 4, k) = unscaled(:n_gpoints, k)
      end if
    end do
  end subroutine keep_clear_sky

  !> Set the depths of cloudy layers: those of clear sky, and those of cloud at the g-points that see it.
  pure subroutine add_clouds(tables, n, clouds, has_cloud, cloudy, kept, absorption, scattering, forward, unscaled)
    type(shortwave_tables), intent(in) :: tables           !! coefficient tables
    integer, intent(in) :: n                               !! layers [1]
    type(cloud_properties), intent(in) :: clouds           !! clouds
    logical, intent(in) :: has_cloud(n)                    !! layers that have cloud (nlay)
    real(wp), intent(in) :: cloudy(n_gpoints, n)           !! 1: the g-point sees cloud, 0: it does not [1] (g-point, nlay)
    real(wp), intent(in) :: kept(n_gpoints, 4, n)          !! depths of clear sky (g-point, depth, nlay)
    real(wp), intent(inout) :: absorption(row_length, n)   !! vertical depth of absorption [1] (g-point, nlay)
    real(wp), intent(inout) :: scattering(row_length, n)   !! vertical depth of scattering [1] (g-point, nlay)
    real(wp), intent(inout) :: forward(row_length, n)      !! the latter times asymmetry [1] (g-point, nlay)
    real(wp), intent(inout) :: unscaled(row_length, n)     !! depth of extinction before scaling [1] (g-point, nlay)
    integer :: b, g, k

    do k = 1, n
      if (.not. has_cloud(k)) cycle
      !$omp simd private(b)
      do g = 1, n_gpoints
        b = tables%band_of_gpoint(g)
        absorption(g, k) = max(kept(g, 1, k), 0.0_wp) + cloudy(g, k)*clouds%absorption(b, k)
        scattering(g, k) = kept(g, 2, k) + cloudy(g, k)*clouds%scattering(b, k)
        forward(g, k) = kept(g, 3, k) + cloudy(g, k)*clouds%forward(b, k)
        unscaled(g, k) = kept(g, 4, k) + cloudy(g, k)*clouds%unscaled(b, k)
      end do
    end do
  end subroutine add_clouds

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

  !> Delta scaling: the forward peak of the phase function counts as not scattered.
  pure subroutine delta_scale(n, symmetric, absorption, scattering, forward, unscaled)
    integer, intent(in) :: n                               !! layers [1]
    logical, intent(in) :: symmetric(n)                    !! nothing to scale there (nlay)
    real(wp), intent(in) :: absorption(row_length, n)      !! vertical depth of absorption [1] (g-point, nlay)
    real(wp), intent(inout) :: scattering(row_length, n)   !! vertical depth of scattering [1] (g-point, nlay)
    real(wp), intent(inout) :: forward(row_length, n)      !! the latter times asymmetry [1] (g-point, nlay)
    real(wp), intent(inout) :: unscaled(row_length, n)     !! depth of extinction before scaling, set here [1] (g-point, nlay)
    real(wp) :: f
    integer :: g, k

    do k = 1, n
      if (symmetric(k)) cycle
      !$omp simd private(f)
      do g = 1, n_gpoints
        unscaled(g, k) = max(absorption(g, k), 0.0_wp) + scattering(g, k)
        f = forward(g, k)/scattering(g, k)
        scattering(g, k) = max(scattering(g, k) - forward(g, k), 0.0_wp)*(1 + f)
        forward(g, k) = scattering(g, k)*(f/(1 + f))
      end do
    end do
  end subroutine delta_scale

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
