!> Optical properties of cloud water by band, for RRTMG longwave and shortwave, from tables over the particles' size.
!>
!> Liquid: Hu and Stamnes (1993). Ice: Fu (1996) and Fu et al. (1998), RRTMG's ice option 3, or Streamer (Key 1996), its
!> option 2. All sizes of the interface are effective radii. Fu's tables run over his generalised effective size, which is
!> 8/(3 sqrt(3)) times the effective radius. No checks here: the front door has made them.
module radml_rrtmg_cloud_optics
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_kinds, only: wp
  implicit none
  private

  public :: longwave_cloud_depth, shortwave_cloud_depths, radius_range

  integer, parameter, public :: n_longwave_bands = 16, n_shortwave_bands = 14

  integer, parameter, public :: liquid = 1       !! droplets, Hu and Stamnes (1993)
  integer, parameter, public :: ice_fu = 2       !! crystals, Fu (1996, 1998)
  integer, parameter, public :: ice_streamer = 3 !! crystals, Streamer (Key 1996)
  integer, parameter, public :: n_particles = 3
  character(len=*), parameter, public :: particle_name(n_particles) = &
    [character(len=12) :: "liquid", "ice_fu", "ice_streamer"]
  integer, parameter, public :: n_nodes(n_particles) = [58, 46, 43] !! sizes in the tables

  ! First and last size of the tables and the distance between [um], and size over effective radius.
  real(real64), parameter :: smallest(n_particles) = [2.5_real64, 5.0_real64, 5.0_real64]
  real(real64), parameter :: largest(n_particles) = [60.0_real64, 140.0_real64, 131.0_real64]
  real(real64), parameter :: step(n_particles) = [1.0_real64, 3.0_real64, 3.0_real64]
  real(real64), parameter :: size_of_radius(n_particles) = [1.0_real64, 8/(3*sqrt(3.0_real64)), 1.0_real64]

  !> One property of one kind of particle.
  type, public :: optics_table
    real(real64), allocatable :: value(:,:) !! (band, size)
  end type optics_table

  !> All tables.
  type, public :: cloud_tables
    type(optics_table) :: absorption(n_particles)     !! longwave, absorption [m2 g-1] (particles)
    type(optics_table) :: extinction(n_particles)     !! shortwave [m2 g-1] (particles)
    type(optics_table) :: scattering(n_particles)     !! shortwave, single-scattering albedo [1] (particles)
    type(optics_table) :: asymmetry(n_particles)      !! shortwave [1] (particles)
    type(optics_table) :: delta_fraction              !! shortwave, delta transmission of Fu's crystals [1]
    logical :: loaded = .false.
  end type cloud_tables

  !> Shortwave depths of a layer, summed over the kinds of particles.
  type :: cloud_depths
    real(real64), dimension(n_shortwave_bands) :: absorption = 0 !! [1] (band)
    real(real64), dimension(n_shortwave_bands) :: scattering = 0 !! delta-scaled [1] (band)
    real(real64), dimension(n_shortwave_bands) :: forward = 0    !! the latter times asymmetry [1] (band)
    real(real64), dimension(n_shortwave_bands) :: unscaled = 0   !! of extinction, before scaling [1] (band)
  end type cloud_depths

contains

  !> The least and the largest effective radius that the tables have.
  pure function radius_range(particles) result(radius)
    integer, intent(in) :: particles !! kind of particle [1]
    real(real64) :: radius(2)        !! least and largest [m]

    radius = 1e-6_real64*[smallest(particles), largest(particles)]/size_of_radius(particles)
  end function radius_range

  !> Where a size lies between the nodes of the tables. The last liquid interval is prolonged by half, as in the original.
  pure subroutine find_size(particles, radius, node, weight)
    integer, intent(in) :: particles   !! kind of particle [1]
    real(real64), intent(in) :: radius !! effective radius [m]
    integer, intent(out) :: node       !! node below [1]
    real(real64), intent(out) :: weight !! weight of the node above [1]
    real(real64) :: position

    position = min(largest(particles), max(smallest(particles), 1e6_real64*radius*size_of_radius(particles)))
    position = (position - smallest(particles))/step(particles)
    node = min(1 + int(position), n_nodes(particles) - 1)
    weight = position - (node - 1)
  end subroutine find_size

  !> A property between two nodes, in all bands.
  pure function between(table, node, weight) result(value)
    type(optics_table), intent(in) :: table !! table
    integer, intent(in) :: node             !! node below [1]
    real(real64), intent(in) :: weight      !! weight of the node above [1]
    real(real64) :: value(size(table%value, 1))

    value = table%value(:, node) + weight*(table%value(:, node + 1) - table%value(:, node))
  end function between

  !> Absorption optical depth inside the clouds of a column.
  pure subroutine longwave_cloud_depth(tables, ice, n, liquid_path, ice_path, liquid_radius, ice_radius, depth)
    type(cloud_tables), intent(in) :: tables            !! cloud optics
    integer, intent(in) :: ice                          !! `ice_fu` or `ice_streamer` [1]
    integer, intent(in) :: n                            !! layers [1]
    real(real64), intent(in) :: liquid_path(n)          !! liquid water inside the cloud [kg m-2] (nlay)
    real(real64), intent(in) :: ice_path(n)             !! ice inside the cloud [kg m-2] (nlay)
    real(real64), intent(in) :: liquid_radius(n)        !! effective radius [m] (nlay)
    real(real64), intent(in) :: ice_radius(n)           !! effective radius [m] (nlay)
    real(wp), intent(out) :: depth(n_longwave_bands, n) !! vertical optical depth [1] (band, nlay)
    real(real64) :: weight, sum(n_longwave_bands)
    integer :: k, node

    do k = 1, n
      sum = 0
      if (liquid_path(k) > 0) then
        call find_size(liquid, liquid_radius(k), node, weight)
        sum = sum + 1e3_real64*liquid_path(k)*between(tables%absorption(liquid), node, weight)
      end if
      if (ice_path(k) > 0) then
        call find_size(ice, ice_radius(k), node, weight)
        sum = sum + 1e3_real64*ice_path(k)*between(tables%absorption(ice), node, weight)
      end if
      depth(:, k) = real(sum, wp)
    end do
  end subroutine longwave_cloud_depth

  !> Shortwave depths inside the clouds of a column, delta-scaled: the forward peak is taken out of each kind of particle before
  !> they are put together, as RRTMG does.
  pure subroutine shortwave_cloud_depths(tables, ice, n, liquid_path, ice_path, liquid_radius, ice_radius, &
                                         absorption, scattering, forward, unscaled)
    type(cloud_tables), intent(in) :: tables                  !! cloud optics
    integer, intent(in) :: ice                                !! `ice_fu` or `ice_streamer` [1]
    integer, intent(in) :: n                                  !! layers [1]
    real(real64), intent(in) :: liquid_path(n)                !! liquid water inside the cloud [kg m-2] (nlay)
    real(real64), intent(in) :: ice_path(n)                   !! ice inside the cloud [kg m-2] (nlay)
    real(real64), intent(in) :: liquid_radius(n)              !! effective radius [m] (nlay)
    real(real64), intent(in) :: ice_radius(n)                 !! effective radius [m] (nlay)
    real(wp), intent(out) :: absorption(n_shortwave_bands, n) !! vertical depth of absorption [1] (band, nlay)
    real(wp), intent(out) :: scattering(n_shortwave_bands, n) !! vertical depth of scattering [1] (band, nlay)
    real(wp), intent(out) :: forward(n_shortwave_bands, n)    !! the latter times asymmetry [1] (band, nlay)
    real(wp), intent(out) :: unscaled(n_shortwave_bands, n)   !! depth of extinction before scaling [1] (band, nlay)
    type(cloud_depths) :: sums
    integer :: k

    do k = 1, n
      sums = cloud_depths()
      if (liquid_path(k) > 0) call add(tables, liquid, liquid_path(k), liquid_radius(k), sums)
      if (ice_path(k) > 0) call add(tables, ice, ice_path(k), ice_radius(k), sums)
      absorption(:, k) = real(sums%absorption, wp)
      scattering(:, k) = real(sums%scattering, wp)
      forward(:, k) = real(sums%forward, wp)
      unscaled(:, k) = real(sums%unscaled, wp)
    end do
  end subroutine shortwave_cloud_depths

  !> Add one kind of particle to the shortwave depths of a layer.
  pure subroutine add(tables, particles, path, radius, sums)
    type(cloud_tables), intent(in) :: tables   !! cloud optics
    integer, intent(in) :: particles           !! kind [1]
    real(real64), intent(in) :: path           !! water of that kind [kg m-2]
    real(real64), intent(in) :: radius         !! effective radius [m]
    type(cloud_depths), intent(inout) :: sums  !! depths so far
    real(real64), dimension(n_shortwave_bands) :: albedo, g, peak, extinction, scattered
    real(real64) :: weight
    integer :: node

    call find_size(particles, radius, node, weight)
    albedo = between(tables%scattering(particles), node, weight)
    g = between(tables%asymmetry(particles), node, weight)
    if (particles == ice_fu) then
      peak = min(g, between(tables%delta_fraction, node, weight) + 0.5_real64/albedo)
    else
      peak = g*g
    end if
    extinction = 1e3_real64*path*between(tables%extinction(particles), node, weight)
    scattered = albedo*(1 - peak)*extinction
    sums%unscaled = sums%unscaled + extinction
    sums%absorption = sums%absorption + (1 - albedo)*extinction
    sums%scattering = sums%scattering + scattered
    ! A peak that takes all there is leaves nothing to scatter sideways.
    where (peak < 1) sums%forward = sums%forward + scattered*(g - peak)/(1 - peak)
  end subroutine add
end module radml_rrtmg_cloud_optics
