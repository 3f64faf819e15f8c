!> RRTMG longwave's coefficient tables in memory: g-points contiguous, one pool of rows per band.
!>
!> A *row* is the absorption (or the Planck fraction) at all g-points of a band for one node of the interpolation. Rows are
!> padded, with zeros, to one or two chunks of `lanes` g-points, so that every inner loop has the same fixed length.
module radml_rrtmg_longwave_tables
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave_bands, only: n_bands, n_packs, n_pairs, pack_band, pack_size
  use radml_rrtmg_nodes, only: above, below, n_reference
  use radml_rrtmg_rows, only: cache_line, first_aligned, lanes
  implicit none
  private

  integer, parameter, public :: max_chunks = 2  !! chunks of the widest band
  integer, parameter, public :: self_rows = 10, foreign_rows = 4   !! rows of the continuum, the first of each band
  integer, parameter, public :: self_continuum = 0, foreign_continuum = self_rows !! rows before these
  integer, parameter, public :: pack_room = pack_size + cache_line !! lanes of a pack, and room for the padding of its last band
  integer, parameter, public :: n_planck = 181                     !! temperatures of the Planck table
  integer, parameter, public :: first_planck_temperature = 160     !! [K]
  integer, parameter, public :: n_lookup = 10000                   !! intervals of the original's transmittance table
  real(real64), parameter, public :: pade = 0.278_real64           !! constant of that table's abscissa

  !> Where the rows of half a band begin (the row before the first), and what its interpolation needs.
  type, public :: half_tables
    integer :: pair = 0            !! pair of key species; 0: one or none
    integer :: key_gas = 0         !! single key species
    integer :: key_row = 0
    integer :: key_points = 0      !! points of the binary parameter
    logical :: key_pressures = .true. !! false: one reference pressure
    logical :: self = .false., foreign = .false. !! has the continuum of water vapour; not the first without the second
    integer :: minor_row(3) = 0
    integer :: minor_points(3) = 0 !! points of the binary parameter; 0: no such minor gas
    real(wp) :: minor_ratio(3) = 0 !! ratio of key species that sets its binary parameter
    integer :: cross_row(2) = 0
    integer :: fraction_row = 0
    integer :: fraction_points = 0 !! 0: the band does not radiate here
    real(wp) :: fraction_ratio = 0
  end type half_tables

  !> One band.
  type, public :: band_tables
    integer :: chunks = 0  !! chunks of g-points
    integer :: points = 0  !! g-points
    integer :: offset = 0  !! g-points of the bands before
    type(half_tables) :: half(2)
    real(wp), allocatable :: absorption(:)   !! rows of absorption coefficients [1e-20 cm2] (chunks*lanes of each row)
    real(wp), allocatable :: fraction(:)     !! rows of Planck fractions times the band's flux weight [cm-1] (the same)
    integer :: first_absorption = 1          !! where the rows begin, so that a vector load does not straddle cache lines
    integer :: first_fraction = 1
  end type band_tables

  !> All tables.
  type, public :: longwave_tables
    type(band_tables) :: band(n_bands)
    real(wp) :: flux_weight(n_bands) = 0              !! radiance to flux, times the band's width [cm-1 sr W m-2 / (W cm-2)] (band)
    real(wp) :: planck(n_bands, n_planck) = 0         !! band-mean Planck function [W cm-2 sr-1 cm] (band, temperature)
    integer :: band_of_lane(pack_size, n_packs) = 1   !! band of each lane of a pack; any where it has no g-point [1] (lane, pack)
    integer :: point_of_lane(pack_size, n_packs) = 0  !! g-point of each lane, 0 where it has none [1] (lane, pack)
    real(wp) :: log_pressure(n_reference) = 0         !! ln p [ln hPa] (reference level)
    real(wp) :: temperature(n_reference) = 0          !! [K] (reference level)
    real(wp) :: mole_fraction(7, n_reference) = 0     !! [mol mol-1] (gas, reference level)
    real(wp) :: pair_ratio(n_pairs, n_reference) = 0  !! ratio of the pair's mole fractions [1] (pair, reference level)
    real(wp) :: lookup_transmittance(0:n_lookup) = 0  !! the original's transmittance table [1]
    real(wp) :: lookup_source(0:n_lookup) = 0         !! the original's table of the linear-in-tau weight [1]
    logical :: loaded = .false.
  end type longwave_tables

  public :: above, arrange_packs, below, fill_lookup, n_reference, first_aligned, lanes

contains

  !> Which g-points lie where in the packs. They fit: the reader has counted them.
  pure subroutine arrange_packs(tables)
    type(longwave_tables), intent(inout) :: tables !! tables to complete
    integer :: p, i, b, g, lane

    do p = 1, n_packs
      lane = 0
      do i = 1, size(pack_band, 1)
        b = pack_band(i, p)
        if (b == 0) exit
        do g = 1, tables%band(b)%points
          lane = lane + 1
          tables%band_of_lane(lane, p) = b
          tables%point_of_lane(lane, p) = tables%band(b)%offset + g
        end do
      end do
    end do
  end subroutine arrange_packs

  !> The original's tables over tau/(tau + 1/pade): transmittance with a floor of 1e-20, and the linear-in-tau weight.
  pure subroutine fill_lookup(tables)
    type(longwave_tables), intent(inout) :: tables !! tables to complete
    real(real64) :: x, tau, transmittance, floor
    integer :: i

    floor = 1e-20_real64
    tables%lookup_transmittance(0) = 1
    tables%lookup_source(0) = 0
    do i = 1, n_lookup - 1
      x = real(i, real64)/n_lookup
      tau = x/(pade*(1 - x))
      transmittance = max(exp(-tau), floor)
      tables%lookup_transmittance(i) = real(transmittance, wp)
      if (tau < 0.06_real64) then
        tables%lookup_source(i) = real(tau/6, wp)
      else
        tables%lookup_source(i) = real(1 - 2*(1/tau - transmittance/(1 - transmittance)), wp)
      end if
    end do
    tables%lookup_transmittance(n_lookup) = real(floor, wp)
    tables%lookup_source(n_lookup) = 1
  end subroutine fill_lookup
end module radml_rrtmg_longwave_tables
