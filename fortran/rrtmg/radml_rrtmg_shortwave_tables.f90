!> RRTMG shortwave's coefficient tables in memory: g-points contiguous, one pool of rows per band.
!>
!> A *row* is the absorption (or the scattering) at all g-points of a band for one node of the interpolation, padded with zeros
!> to one or two chunks of `lanes` g-points. Depths of a column lie packed, the bands one behind the other.
module radml_rrtmg_shortwave_tables
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_nodes, only: n_reference
  use radml_rrtmg_rows, only: lanes
  use radml_rrtmg_shortwave_bands, only: n_bands, n_gpoints
  implicit none
  private

  public :: fill_lookup

  integer, parameter, public :: max_chunks = 2               !! chunks of the widest band
  !> Length of a layer's row of packed g-points, with room for the last band's padding. An odd number of cache lines, so that
  !> the rows of many layers spread over the whole cache.
  integer, parameter, public :: row_length = n_gpoints + lanes*merge(1, 2, mod(n_gpoints/lanes, 2) == 0)
  integer, parameter, public :: n_lookup = 10000             !! intervals of the original's transmittance table
  real(real64), parameter, public :: pade = 0.278_real64     !! constant of that table's abscissa

  !> Where the rows of half a band begin (the row before the first).
  type, public :: half_tables
    integer :: key_row = 0
    integer :: key_points = 0      !! points of the binary parameter; 1: one key species; 0: none
    integer :: self_row = -1, foreign_row = -1 !! negative: none
    integer :: gas_row = 0         !! the row itself; 0: none
    integer :: oxygen_row = 0      !! the row itself; 0: none
    integer :: rayleigh_row = 0
    integer :: rayleigh_points = 1 !! points of the binary parameter; 1: none
  end type half_tables

  !> One band.
  type, public :: band_tables
    integer :: chunks = 0  !! chunks of g-points
    integer :: points = 0  !! g-points
    integer :: offset = 0  !! g-points of the bands before
    type(half_tables) :: half(2)
    real(wp), allocatable :: absorption(:)   !! rows of absorption coefficients [1e-20 cm2] (chunks*lanes of each row)
    real(wp), allocatable :: rayleigh(:)     !! rows of scattering coefficients [1e-20 cm2] (the same)
    integer :: first_absorption = 1          !! where the rows begin, so that a vector load does not straddle cache lines
    integer :: first_rayleigh = 1
    integer :: solar_points = 1              !! points of the binary parameter of the solar source; 1: none
    integer :: solar_level = 0               !! reference level that chooses the layer of that parameter
    real(wp), allocatable :: solar(:,:)      !! solar source over the irradiance it is for [1] (g-point, point)
  end type band_tables

  !> All tables.
  type, public :: shortwave_tables
    type(band_tables) :: band(n_bands)
    integer :: band_of_gpoint(n_gpoints) = 0      !! (g-point)
    real(wp) :: log_pressure(n_reference) = 0     !! ln p [ln hPa] (reference level)
    real(wp) :: temperature(n_reference) = 0      !! [K] (reference level)
    real(wp) :: lookup_transmittance(0:n_lookup) = 0 !! the original's transmittance table [1]
    logical :: loaded = .false.
  end type shortwave_tables

contains

  !> The original's table over tau/(tau + 1/pade): transmittance with a floor of 1e-20.
  pure subroutine fill_lookup(tables)
    type(shortwave_tables), intent(inout) :: tables !! tables to complete
    real(real64), parameter :: floor = 1e-20_real64
    real(real64) :: x
    integer :: i

    tables%lookup_transmittance(0) = 1
    do i = 1, n_lookup - 1
      x = real(i, real64)/n_lookup
      tables%lookup_transmittance(i) = real(max(exp(-x/(pade*(1 - x))), floor), wp)
    end do
    tables%lookup_transmittance(n_lookup) = real(floor, wp)
  end subroutine fill_lookup
end module radml_rrtmg_shortwave_tables
