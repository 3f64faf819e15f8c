!> The structure of RRTMG longwave as one table: which gases absorb in which band, and how they are interpolated.
!>
!> Above and below the tropopause (ln p[hPa] = 4.56) each band has its own entry. A band's optical depth in a layer is
!>
!> - *key species*: one gas, or two whose mixture is described by a binary parameter; tables in pressure and temperature;
!> - *continuum* of water vapour, self (below the tropopause) and foreign;
!> - *minor gases*: tables in temperature, some also in the binary parameter of the key species;
!> - *cross sections* of the halocarbons: one number per g-point.
!>
!> All of these are weighted sums of rows of tables, which is what `radml_rrtmg_longwave_gas_optics` computes.
!> Mlawer et al. (1997), doi:10.1029/97JD00237; facts as in AER's RRTMG_LW v4.85 and v5.0.
module radml_rrtmg_longwave_bands
  use, intrinsic :: iso_fortran_env, only: real64
  implicit none
  private

  integer, parameter, public :: n_bands = 16    !! spectral bands
  integer, parameter, public :: n_gpoints = 140 !! g-points of all bands together

  ! Absorbers; the first seven in the order of the reference profile.
  integer, parameter, public :: none = 0, h2o = 1, co2 = 2, o3 = 3, n2o = 4, co = 5, ch4 = 6, o2 = 7
  integer, parameter, public :: n2 = 8 !! all that is none of the gases above
  integer, parameter, public :: cfc11 = 9, cfc12 = 10, cfc22 = 11, ccl4 = 12
  integer, parameter, public :: n_absorbers = 12
  character(len=*), parameter, public :: absorber_name(n_absorbers) = &
    [character(len=5) :: "h2o", "co2", "o3", "n2o", "co", "ch4", "o2", "n2", "cfc11", "cfc12", "cfc22", "ccl4"]

  ! How the amount of a minor gas is scaled before it multiplies its table.
  integer, parameter, public :: as_it_is = 0
  integer, parameter, public :: above_reference = 1 !! damped where it exceeds the reference profile (`offset`, `exponent`)
  integer, parameter, public :: by_density = 2      !! times p/T
  integer, parameter, public :: by_pair_density = 3 !! times p/T and its own share of the air

  ! Pressure corrections of a whole band.
  integer, parameter, public :: band1_lower = 1, band1_upper = 2, band2_lower = 3

  !> A gas of which a band needs little.
  type, public :: minor_gas
    integer :: absorber = none
    integer :: scaling = as_it_is
    real(real64) :: offset = 0     !! scaled amount is offset + (ratio - offset)**exponent of the reference [1]
    real(real64) :: exponent = 0   !! [1]
    real(real64) :: reference = 0  !! reference mole fraction [mol mol-1]; 0: the reference profile at the layer's pressure
    integer :: binary_level = 0    !! reference level whose ratio of key species sets the binary parameter; 0: no binary parameter
  end type minor_gas

  !> One band above or below the tropopause.
  type, public :: half_band
    integer :: key(2) = none                  !! key species; one, two or none
    integer :: fraction_level = 0             !! reference level of the binary parameter of the Planck fractions; 0: fixed fractions
    logical :: self = .false.                 !! has the self continuum of water vapour
    logical :: foreign = .false.              !! has its foreign continuum
    type(minor_gas) :: minor(3) = minor_gas() !! minor gases
    integer :: cross_section(2) = none        !! halocarbons
    integer :: correction = none              !! pressure correction
  end type half_band

  type(minor_gas), parameter :: nil = minor_gas()
  integer, parameter :: no_gas(2) = none
  logical, parameter :: yes = .true., no = .false.

  !> Below the tropopause. Key species; level of Planck fractions; self, foreign; minor gases; halocarbons; correction.
  type(half_band), parameter, public :: lower_half(n_bands) = [ &
    half_band([h2o, none], 0, yes, yes, [minor_gas(n2, by_pair_density), nil, nil], no_gas, band1_lower), & !    10-350 cm-1
    half_band([h2o, none], 0, yes, yes, [nil, nil, nil], no_gas, band2_lower), & !                              350-500 cm-1
    half_band([h2o, co2], 9, yes, yes, [minor_gas(n2o, above_reference, 0.5_real64, 0.65_real64, 0._real64, 3), nil, nil], &
              no_gas, none), & !                                                                                500-630 cm-1
    half_band([h2o, co2], 11, yes, yes, [nil, nil, nil], no_gas, none), & !                                     630-700 cm-1
    half_band([h2o, co2], 5, yes, yes, [minor_gas(o3, binary_level=7), nil, nil], [ccl4, none], none), & !      700-820 cm-1
    half_band([h2o, none], 0, yes, yes, [minor_gas(co2, above_reference, 2._real64, 0.77_real64), nil, nil], &
              [cfc11, cfc12], none), & !                                                                        820-980 cm-1
    half_band([h2o, o3], 3, yes, yes, [minor_gas(co2, above_reference, 3._real64, 0.79_real64, 0._real64, 3), nil, nil], &
              no_gas, none), & !                                                                               980-1080 cm-1
    half_band([h2o, none], 0, yes, yes, [minor_gas(co2, above_reference, 2._real64, 0.65_real64), minor_gas(o3), &
              minor_gas(n2o)], [cfc12, cfc22], none), & !                                                     1080-1180 cm-1
    half_band([h2o, ch4], 9, yes, yes, [minor_gas(n2o, above_reference, 0.5_real64, 0.65_real64, 0._real64, 3), nil, nil], &
              no_gas, none), & !                                                                              1180-1390 cm-1
    half_band([h2o, none], 0, yes, yes, [nil, nil, nil], no_gas, none), & !                                   1390-1480 cm-1
    half_band([h2o, none], 0, yes, yes, [minor_gas(o2, by_density), nil, nil], no_gas, none), & !             1480-1800 cm-1
    half_band([h2o, co2], 10, yes, yes, [nil, nil, nil], no_gas, none), & !                                   1800-2080 cm-1
    half_band([h2o, n2o], 5, yes, yes, [minor_gas(co2, above_reference, 2._real64, 0.68_real64, 3.55e-4_real64, 1), &
              minor_gas(co, binary_level=3), nil], no_gas, none), & !                                         2080-2250 cm-1
    half_band([co2, none], 0, yes, yes, [nil, nil, nil], no_gas, none), & !                                   2250-2380 cm-1
    half_band([n2o, co2], 1, yes, yes, [minor_gas(n2, by_density, binary_level=1), nil, nil], no_gas, none), & ! 2380-2600 cm-1
    half_band([h2o, ch4], 6, yes, yes, [nil, nil, nil], no_gas, none)] !                                      2600-3250 cm-1

  !> Above the tropopause.
  type(half_band), parameter, public :: upper_half(n_bands) = [ &
    half_band([h2o, none], 0, no, yes, [minor_gas(n2, by_pair_density), nil, nil], no_gas, band1_upper), &
    half_band([h2o, none], 0, no, yes, [nil, nil, nil], no_gas, none), &
    half_band([h2o, co2], 13, no, yes, [minor_gas(n2o, above_reference, 0.5_real64, 0.65_real64, 0._real64, 13), nil, nil], &
              no_gas, none), &
    half_band([o3, co2], 13, no, no, [nil, nil, nil], no_gas, none), &
    half_band([o3, co2], 43, no, no, [nil, nil, nil], [ccl4, none], none), &
    half_band([none, none], 0, no, no, [nil, nil, nil], [cfc11, cfc12], none), &
    half_band([o3, none], 0, no, no, [minor_gas(co2, above_reference, 2._real64, 0.79_real64), nil, nil], no_gas, none), &
    half_band([o3, none], 0, no, no, [minor_gas(co2, above_reference, 2._real64, 0.65_real64), minor_gas(n2o), nil], &
              [cfc12, cfc22], none), &
    half_band([ch4, none], 0, no, no, [minor_gas(n2o, above_reference, 0.5_real64, 0.65_real64), nil, nil], no_gas, none), &
    half_band([h2o, none], 0, no, yes, [nil, nil, nil], no_gas, none), &
    half_band([h2o, none], 0, no, yes, [minor_gas(o2, by_density), nil, nil], no_gas, none), &
    half_band([none, none], 0, no, no, [nil, nil, nil], no_gas, none), &
    half_band([none, none], 0, no, no, [minor_gas(o3), nil, nil], no_gas, none), &
    half_band([co2, none], 0, no, no, [nil, nil, nil], no_gas, none), &
    half_band([none, none], 0, no, no, [nil, nil, nil], no_gas, none), &
    half_band([ch4, none], 0, no, no, [nil, nil, nil], no_gas, none)]

  !> Pairs of key species, each with the bands' halves that use it; a layer's mixture is computed once per pair.
  integer, parameter, public :: n_pairs = 6
  integer, parameter, public :: pair_gas(2, n_pairs) = &
    reshape([h2o, co2, h2o, o3, h2o, n2o, h2o, ch4, n2o, co2, o3, co2], [2, n_pairs])

  !> Bands whose g-points together fill a *pack*, of which the solvers take one at a time: 144 lanes hold all 140 g-points.
  integer, parameter, public :: n_packs = 9, pack_size = 16
  integer, parameter, public :: pack_band(3, n_packs) = reshape( &
    [3, 0, 0, 5, 0, 0, 4, 14, 0, 2, 13, 0, 7, 15, 16, 1, 10, 0, 6, 8, 0, 11, 12, 0, 9, 0, 0], [3, n_packs])

  !> Band 6 has Planck fractions below the tropopause only and uses them above as well.
  integer, parameter, public :: band_with_lower_fractions_above = 6
  !> Band 16 knows one reference pressure above the tropopause: its table there is not interpolated in pressure.
  integer, parameter, public :: band_without_upper_pressures = 16

  !> Empirical factors of bands 4 and 7 above the tropopause, first g-point and factors.
  integer, parameter, public :: band4_first_factor = 8, band7_first_factor = 6
  real(real64), parameter, public :: band4_factor(*) = &
    [0.92_real64, 0.88_real64, 1.07_real64, 1.1_real64, 0.99_real64, 0.88_real64, 0.943_real64]
  real(real64), parameter, public :: band7_factor(*) = &
    [0.92_real64, 0.88_real64, 1.07_real64, 1.1_real64, 0.99_real64, 0.855_real64]

  !> Secant of the diffusivity angle, a0 + a1 exp(a2 w) with w the precipitable water in cm, within 1.5 to 1.8; 1.66 where a1 is 0.
  real(real64), parameter, public :: diffusivity(3, n_bands) = reshape([real(real64) :: &
    1.66_real64, 0, 0, 1.55_real64, 0.25_real64, -12, 1.58_real64, 0.22_real64, -11.7_real64, 1.66_real64, 0, 0, &
    1.54_real64, 0.13_real64, -0.72_real64, 1.454_real64, 0.446_real64, -0.243_real64, &
    1.89_real64, -0.10_real64, 0.19_real64, 1.33_real64, 0.40_real64, -0.062_real64, &
    1.668_real64, -0.006_real64, 0.414_real64, 1.66_real64, 0, 0, 1.66_real64, 0, 0, 1.66_real64, 0, 0, &
    1.66_real64, 0, 0, 1.66_real64, 0, 0, 1.66_real64, 0, 0, 1.66_real64, 0, 0], [3, n_bands])
end module radml_rrtmg_longwave_bands
