!> The structure of RRTMG shortwave as one table: which gases absorb in which band, how air scatters, where the sun is set.
!>
!> Above and below the tropopause (ln p[hPa] = 4.56) each band has its own entry. A band's optical depth in a layer is
!>
!> - *key species*: one gas, or two whose mixture is described by a binary parameter; tables in pressure and temperature;
!> - *continuum* of water vapour, self (below the tropopause) and foreign;
!> - a gas with one number per g-point, and in one band oxygen's continuum, one number for the band;
!> - *Rayleigh scattering*: a number per g-point, in one band a table in the binary parameter.
!>
!> The sun's spectrum over the g-points of a band depends, in some bands, on the mixture of the key species in one layer: the
!> first from the ground, on the given side of the tropopause, that lies above the reference level in the coefficient file.
!> Clough et al. (2005), doi:10.1016/j.jqsrt.2004.05.058; facts as in AER's RRTMG_SW v4.0.
module radml_rrtmg_shortwave_bands
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_nodes, only: above, below
  implicit none
  private

  integer, parameter, public :: n_bands = 14         !! spectral bands
  integer, parameter, public :: first_band = 16      !! number of the first, as AER counts them
  integer, parameter, public :: n_gpoints = 112      !! g-points of all bands together

  ! Absorbers.
  integer, parameter, public :: none = 0, h2o = 1, co2 = 2, o3 = 3, ch4 = 4, o2 = 5
  integer, parameter, public :: n_absorbers = 5
  character(len=*), parameter, public :: absorber_name(n_absorbers) = [character(len=3) :: "h2o", "co2", "o3", "ch4", "o2"]

  !> One band above or below the tropopause.
  type, public :: half_band
    integer :: key(2) = none         !! key species; one, two or none
    real(real64) :: ratio = 0        !! weight of the second in the mixture [1]
    real(real64) :: factor = 1       !! empirical factor of the key species' absorption [1]
    logical :: self = .false.        !! has the self continuum of water vapour
    logical :: foreign = .false.     !! has its foreign continuum
    integer :: gas = none            !! gas with one number per g-point
    logical :: gas_on_both_sides = .false. !! its numbers are the same below and above the tropopause
    real(real64) :: oxygen = 0       !! oxygen's continuum [1e-20 cm2]
  end type half_band

  logical, parameter :: yes = .true., no = .false.
  real(real64), parameter :: one = 1
  real(real64), parameter :: oxygen_factor = 1.6_real64              ! oxygen's lines in band 22
  real(real64), parameter :: oxygen_continuum = 4.35e-4_real64/700   ! [1e-20 cm2]
  type(half_band), parameter :: nothing = half_band()

  !> Below the tropopause. Key species, ratio, factor; self, foreign; gas, same above; oxygen continuum.
  type(half_band), parameter, public :: lower_half(n_bands) = [ &
    half_band([h2o, ch4], 252.131_real64, one, yes, yes), & !                                   2600-3250 cm-1
    half_band([h2o, co2], 0.364641_real64, one, yes, yes), & !                                  3250-4000 cm-1
    half_band([h2o, ch4], 38.9589_real64, one, yes, yes), & !                                   4000-4650 cm-1
    half_band([h2o, co2], 5.49281_real64, one, yes, yes), & !                                   4650-5150 cm-1
    half_band([h2o, none], 0._real64, one, yes, yes, ch4, yes), & !                             5150-6150 cm-1
    half_band([h2o, co2], 0.0045321_real64, one, yes, yes), & !                                 6150-7700 cm-1
    half_band([h2o, o2], 0.022708_real64*oxygen_factor, one, yes, yes, none, no, oxygen_continuum), & ! 7700-8050 cm-1
    half_band([h2o, none], 0._real64, 1.029_real64, yes, yes), & !                              8050-12850 cm-1
    half_band([h2o, o2], 0.124692_real64, one, yes, yes, o3), & !                               12850-16000 cm-1
    half_band([h2o, none], 0._real64, one, no, no, o3), & !                                     16000-22650 cm-1
    nothing, & !                                                                                22650-29000 cm-1
    half_band([o3, none]), & !                                                                  29000-38000 cm-1
    half_band([o3, o2], 6.67029e-07_real64), & !                                                38000-50000 cm-1
    half_band([h2o, none], 0._real64, one, yes, yes, co2)] !                                    820-2600 cm-1

  !> Above the tropopause.
  type(half_band), parameter, public :: upper_half(n_bands) = [ &
    half_band([ch4, none]), &
    half_band([h2o, co2], 0.364641_real64, one, no, yes), &
    half_band([ch4, none]), &
    half_band([co2, none]), &
    half_band([h2o, none], 0._real64, one, no, yes, ch4, yes), &
    half_band([h2o, co2], 0.0045321_real64, one, no, yes), &
    half_band([o2, none], 0._real64, oxygen_factor, no, no, none, no, oxygen_continuum), &
    nothing, &
    half_band([o2, none], 0._real64, one, no, no, o3), &
    half_band([none, none], 0._real64, one, no, no, o3), &
    nothing, &
    half_band([o3, none]), &
    half_band([o3, o2], 6.67029e-07_real64), &
    half_band([co2, none], 0._real64, one, no, no, h2o)]

  !> Side of the tropopause whose mixture sets the solar source of a band; 0: it is fixed.
  integer, parameter, public :: solar_side(n_bands) = [0, above, below, below, 0, below, below, 0, below, 0, 0, 0, above, 0]

  !> Band 24, below the tropopause, has Rayleigh scattering that depends on the mixture of the key species.
  integer, parameter, public :: band_with_binary_rayleigh = 9

  ! Part of the spectrum a band belongs to, for the albedo of the surface.
  logical, parameter, public :: is_visible(n_bands) = [no, no, no, no, no, no, no, no, no, yes, yes, yes, yes, no]
end module radml_rrtmg_shortwave_bands
