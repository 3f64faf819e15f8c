!> The NetCDF file of fluxes and heating rates that `radml-rrtmg` writes, named as the column file's results are.
module flux_file
  use, intrinsic :: iso_fortran_env, only: real64
  use checked_netcdf, only: netcdf_file
  implicit none
  private

  public :: define_fluxes, write_fluxes

  !> What a file of results says where clouds of the columns took no part [text] ()
  character(len=*), parameter, public :: clear_sky_comment = 'clear sky: the clouds of the columns were left out'

  !> Fluxes and heating rates of one spectrum; what was not asked for is not allocated.
  type, public :: spectrum_fluxes
    real(real64), allocatable, dimension(:, :) :: up, down              !! upward, downward [W m-2] (ncol, nlay+1)
    real(real64), allocatable :: heating_rate(:, :)                     !! [K day-1] (ncol, nlay)
    real(real64), allocatable, dimension(:, :) :: up_clear, down_clear  !! without clouds [W m-2] (ncol, nlay+1)
    real(real64), allocatable, dimension(:, :) :: up_noise, down_noise  !! standard deviation of a draw [W m-2] (ncol, nlay+1)
    real(real64), allocatable :: direct(:, :)                           !! direct part of `down` [W m-2] (ncol, nlay+1)
    real(real64), allocatable, dimension(:) :: surface_visible_direct, surface_visible_diffuse             !! [W m-2] (ncol)
    real(real64), allocatable, dimension(:) :: surface_near_infrared_direct, surface_near_infrared_diffuse !! [W m-2] (ncol)
  contains
    procedure :: create
  end type spectrum_fluxes

contains

  !> Room for the fluxes of all columns.
  subroutine create(self, n_columns, n_layers, shortwave, clouds, noise)
    class(spectrum_fluxes), intent(inout) :: self  !! fluxes [W m-2, K day-1] ()
    integer, intent(in) :: n_columns               !! [1] ()
    integer, intent(in) :: n_layers                !! [1] ()
    logical, intent(in) :: shortwave               !! whether the sun's light has its parts [1] ()
    logical, intent(in) :: clouds                  !! whether clear-sky fluxes are kept, too [1] ()
    logical, intent(in) :: noise                   !! whether the noise of a draw is [1] ()

    allocate (self%up(n_columns, n_layers + 1), self%heating_rate(n_columns, n_layers))
    allocate (self%down, mold=self%up)
    if (clouds) allocate (self%up_clear, self%down_clear, mold=self%up)
    if (clouds .and. noise) allocate (self%up_noise, self%down_noise, mold=self%up)
    if (.not. shortwave) return
    allocate (self%direct, mold=self%up)
    allocate (self%surface_visible_direct(n_columns), self%surface_visible_diffuse(n_columns), &
              self%surface_near_infrared_direct(n_columns), self%surface_near_infrared_diffuse(n_columns))
  end subroutine create

  !> Writes fluxes and heating rates of columns, with the pressures they belong to.
  subroutine write_fluxes(path, command, scheme, comment, pressure_level, pressure_layer, longwave, clouds_left_out, stat, &
                          errmsg, shortwave)
    character(len=*), intent(in) :: path                               !! [text] ()
    character(len=*), intent(in) :: command                            !! when and how it was made [text] ()
    character(len=*), intent(in) :: scheme                             !! the radiation scheme, for the attribute `source` [text] ()
    character(len=*), intent(in) :: comment                            !! how clouds were treated; empty: there were none [text] ()
    real(real64), intent(in) :: pressure_level(:, :)                   !! [Pa] (ncol, nlay+1)
    real(real64), intent(in) :: pressure_layer(:, :)                   !! [Pa] (ncol, nlay)
    type(spectrum_fluxes), intent(in) :: longwave                      !! [W m-2, K day-1] ()
    logical, intent(in) :: clouds_left_out                             !! whether the columns had clouds that were not used [1] ()
    integer, intent(out), optional :: stat                             !! 0, or `status_cannot_write` [1] ()
    character(len=:), allocatable, intent(inout), optional :: errmsg   !! [text] ()
    type(spectrum_fluxes), intent(in), optional :: shortwave           !! [W m-2, K day-1] ()

    type(netcdf_file) :: file
    integer :: code
    character(len=:), allocatable :: message

    call file%create(path)
    call file%put_attribute('Conventions', 'CF-1.11')
    call file%put_attribute('title', 'Radiative fluxes and heating rates, from the top of the atmosphere down')
    call file%put_attribute('source', scheme)
    call file%put_attribute('history', command)
    if (comment /= '') call file%put_attribute('comment', comment)
    call file%define_dimension('column', size(longwave%heating_rate, 1))
    call file%define_dimension('layer', size(longwave%heating_rate, 2))
    call file%define_dimension('level', size(longwave%heating_rate, 2) + 1)
    call file%define_variable('pressure_level', 'column level', 'Pa', 'air_pressure')
    call file%define_variable('pressure_layer', 'column layer', 'Pa', 'air_pressure')
    call define(longwave, 'lw')
    if (present(shortwave)) call define(shortwave, 'sw')
    call file%end_definitions()
    call file%write('pressure_level', pressure_level)
    call file%write('pressure_layer', pressure_layer)
    call write_spectrum(longwave, 'lw')
    if (present(shortwave)) call write_spectrum(shortwave, 'sw')
    call file%close()
    call file%report(code, message)
    if (present(stat)) stat = code
    if (code /= 0) then
      if (present(errmsg)) errmsg = message
      if (.not. present(stat)) error stop message
    end if

  contains

    !> What there is of one spectrum.
    subroutine define(fluxes, prefix)
      type(spectrum_fluxes), intent(in) :: fluxes
      character(len=*), intent(in) :: prefix
      character(len=:), allocatable :: spectrum
      spectrum = 'longwave'
      if (prefix == 'sw') spectrum = 'shortwave'
      call define_fluxes(file, prefix, clouds_left_out)
      if (allocated(fluxes%direct)) &
        call define_levels(prefix//'_direct', long_name='direct part of the downward '//spectrum//' flux')
      if (allocated(fluxes%up_clear)) then
        call define_levels(prefix//'_up_clear', 'upwelling_'//spectrum//'_flux_in_air_assuming_clear_sky')
        call define_levels(prefix//'_down_clear', 'downwelling_'//spectrum//'_flux_in_air_assuming_clear_sky')
      end if
      if (allocated(fluxes%up_noise)) then
        call define_levels(prefix//'_up_noise', long_name='standard deviation of '//prefix//'_up in one draw of subcolumns')
        call define_levels(prefix//'_down_noise', long_name='standard deviation of '//prefix//'_down in one draw of subcolumns')
      end if
      if (allocated(fluxes%surface_visible_direct)) then
        call define_surface('visible_direct', 'direct downward flux at the surface below 625 nm')
        call define_surface('visible_diffuse', 'diffuse downward flux at the surface below 625 nm')
        call define_surface('near_infrared_direct', 'direct downward flux at the surface beyond 625 nm')
        call define_surface('near_infrared_diffuse', 'diffuse downward flux at the surface beyond 625 nm')
      end if
    end subroutine define

    subroutine define_levels(name, standard_name, long_name)
      character(len=*), intent(in) :: name
      character(len=*), intent(in), optional :: standard_name, long_name
      call file%define_variable(name, 'column level', 'W m-2', standard_name, long_name)
      call file%put_attribute('coordinates', 'pressure_level', name)
    end subroutine define_levels

    subroutine define_surface(part, long_name)
      character(len=*), intent(in) :: part, long_name
      call file%define_variable('sw_surface_'//part, 'column', 'W m-2', long_name=long_name)
    end subroutine define_surface

    subroutine write_spectrum(fluxes, prefix)
      type(spectrum_fluxes), intent(in) :: fluxes
      character(len=*), intent(in) :: prefix
      call file%write(prefix//'_up', fluxes%up)
      call file%write(prefix//'_down', fluxes%down)
      call file%write(prefix//'_heating_rate', fluxes%heating_rate)
      if (allocated(fluxes%direct)) call file%write(prefix//'_direct', fluxes%direct)
      if (allocated(fluxes%up_clear)) then
        call file%write(prefix//'_up_clear', fluxes%up_clear)
        call file%write(prefix//'_down_clear', fluxes%down_clear)
      end if
      if (allocated(fluxes%up_noise)) then
        call file%write(prefix//'_up_noise', fluxes%up_noise)
        call file%write(prefix//'_down_noise', fluxes%down_noise)
      end if
      if (allocated(fluxes%surface_visible_direct)) then
        call file%write('sw_surface_visible_direct', fluxes%surface_visible_direct)
        call file%write('sw_surface_visible_diffuse', fluxes%surface_visible_diffuse)
        call file%write('sw_surface_near_infrared_direct', fluxes%surface_near_infrared_direct)
        call file%write('sw_surface_near_infrared_diffuse', fluxes%surface_near_infrared_diffuse)
      end if
    end subroutine write_spectrum

  end subroutine write_fluxes

  !> Defines `<prefix>_up`, `<prefix>_down` and `<prefix>_heating_rate`.
  subroutine define_fluxes(file, prefix, clouds_left_out)
    type(netcdf_file), intent(inout) :: file  !! being defined, with its dimensions [file] ()
    character(len=*), intent(in) :: prefix    !! ends in lw or sw [text] ()
    logical, intent(in) :: clouds_left_out    !! whether the columns had clouds that were not used [1] ()
    character(len=:), allocatable :: sky, spectrum
    spectrum = 'longwave'
    if (index(prefix, 'sw', back=.true.) > 0) spectrum = 'shortwave'
    sky = ''
    if (clouds_left_out) sky = '_assuming_clear_sky'
    call file%define_variable(prefix//'_up', 'column level', 'W m-2', &
                              'upwelling_'//spectrum//'_flux_in_air'//sky)
    call file%define_variable(prefix//'_down', 'column level', 'W m-2', &
                              'downwelling_'//spectrum//'_flux_in_air'//sky)
    call file%define_variable(prefix//'_heating_rate', 'column layer', 'K day-1', &
                              'tendency_of_air_temperature_due_to_'//spectrum//'_heating'//sky)
    call file%put_attribute('coordinates', 'pressure_level', prefix//'_up')
    call file%put_attribute('coordinates', 'pressure_level', prefix//'_down')
    call file%put_attribute('coordinates', 'pressure_layer', prefix//'_heating_rate')
  end subroutine define_fluxes

end module flux_file
