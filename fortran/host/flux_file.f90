!> The NetCDF file of fluxes and heating rates that `radml-rrtmg` writes, named as the column file's results are.
module flux_file
  use, intrinsic :: iso_fortran_env, only: real64
  use checked_netcdf, only: netcdf_file
  implicit none
  private

  public :: define_fluxes, write_fluxes

  !> What a file of results says where clouds of the columns took no part [text] ()
  character(len=*), parameter, public :: clear_sky_comment = 'clear sky: the clouds of the columns were left out'

  !> What the shortwave adds.
  type, public :: shortwave_fluxes
    real(real64), allocatable :: up(:, :)            !! upward [W m-2] (ncol, nlay+1)
    real(real64), allocatable :: down(:, :)          !! downward, direct and diffuse [W m-2] (ncol, nlay+1)
    real(real64), allocatable :: direct(:, :)        !! the direct part [W m-2] (ncol, nlay+1)
    real(real64), allocatable :: heating_rate(:, :)  !! [K day-1] (ncol, nlay)
  end type shortwave_fluxes

contains

  !> Writes upward and downward fluxes and heating rates of columns, with the pressures they belong to.
  subroutine write_fluxes(path, command, scheme, pressure_level, pressure_layer, up, down, heating_rate, clouds_left_out, &
                          stat, errmsg, shortwave, clouds, up_clear, down_clear, up_noise, down_noise)
    character(len=*), intent(in) :: path                               !! [text] ()
    character(len=*), intent(in) :: command                            !! when and how it was made [text] ()
    character(len=*), intent(in) :: scheme                             !! the radiation scheme, for the attribute `source` [text] ()
    real(real64), intent(in) :: pressure_level(:, :)                   !! [Pa] (ncol, nlay+1)
    real(real64), intent(in) :: pressure_layer(:, :)                   !! [Pa] (ncol, nlay)
    real(real64), intent(in) :: up(:, :)                               !! [W m-2] (ncol, nlay+1)
    real(real64), intent(in) :: down(:, :)                             !! [W m-2] (ncol, nlay+1)
    real(real64), intent(in) :: heating_rate(:, :)                     !! [K day-1] (ncol, nlay)
    logical, intent(in) :: clouds_left_out                             !! whether the columns had clouds that were not used [1] ()
    integer, intent(out), optional :: stat                             !! 0, or `status_cannot_write` [1] ()
    character(len=:), allocatable, intent(inout), optional :: errmsg   !! [text] ()
    type(shortwave_fluxes), intent(in), optional :: shortwave          !! the same of sunlight [W m-2, K day-1] ()
    character(len=*), intent(in), optional :: clouds                   !! how clouds were treated, if they were [text] ()
    real(real64), intent(in), optional :: up_clear(:, :)               !! without clouds [W m-2] (ncol, nlay+1)
    real(real64), intent(in), optional :: down_clear(:, :)             !! without clouds [W m-2] (ncol, nlay+1)
    real(real64), intent(in), optional :: up_noise(:, :)               !! standard deviation of one draw [W m-2] (ncol, nlay+1)
    real(real64), intent(in), optional :: down_noise(:, :)             !! standard deviation of one draw [W m-2] (ncol, nlay+1)

    type(netcdf_file) :: file
    integer :: code
    character(len=:), allocatable :: message

    call file%create(path)
    call file%put_attribute('Conventions', 'CF-1.11')
    call file%put_attribute('title', 'Radiative fluxes and heating rates, from the top of the atmosphere down')
    call file%put_attribute('source', scheme)
    call file%put_attribute('history', command)
    if (clouds_left_out) call file%put_attribute('comment', clear_sky_comment)
    if (present(clouds)) then
      if (present(shortwave)) then
        call file%put_attribute('comment', clouds//'; the shortwave is of clear sky')
      else
        call file%put_attribute('comment', clouds)
      end if
    end if
    call file%define_dimension('column', size(heating_rate, 1))
    call file%define_dimension('layer', size(heating_rate, 2))
    call file%define_dimension('level', size(heating_rate, 2) + 1)
    call file%define_variable('pressure_level', 'column level', 'Pa', 'air_pressure')
    call file%define_variable('pressure_layer', 'column layer', 'Pa', 'air_pressure')
    call define_fluxes(file, 'lw', clouds_left_out)
    if (present(shortwave)) then
      ! Clouds are the longwave's alone.
      call define_fluxes(file, 'sw', clouds_left_out .or. present(clouds))
      call file%define_variable('sw_direct', 'column level', 'W m-2', long_name='direct part of the downward shortwave flux')
      call file%put_attribute('coordinates', 'pressure_level', 'sw_direct')
    end if
    if (present(up_clear)) call define('lw_up_clear', 'upwelling_longwave_flux_in_air_assuming_clear_sky')
    if (present(down_clear)) call define('lw_down_clear', 'downwelling_longwave_flux_in_air_assuming_clear_sky')
    if (present(up_noise)) call define('lw_up_noise', long_name='standard deviation of lw_up in one draw of subcolumns')
    if (present(down_noise)) call define('lw_down_noise', long_name='standard deviation of lw_down in one draw of subcolumns')
    call file%end_definitions()
    call file%write('pressure_level', pressure_level)
    call file%write('pressure_layer', pressure_layer)
    call file%write('lw_up', up)
    call file%write('lw_down', down)
    call file%write('lw_heating_rate', heating_rate)
    if (present(shortwave)) then
      call file%write('sw_up', shortwave%up)
      call file%write('sw_down', shortwave%down)
      call file%write('sw_direct', shortwave%direct)
      call file%write('sw_heating_rate', shortwave%heating_rate)
    end if
    if (present(up_clear)) call file%write('lw_up_clear', up_clear)
    if (present(down_clear)) call file%write('lw_down_clear', down_clear)
    if (present(up_noise)) call file%write('lw_up_noise', up_noise)
    if (present(down_noise)) call file%write('lw_down_noise', down_noise)
    call file%close()
    call file%report(code, message)
    if (present(stat)) stat = code
    if (code /= 0) then
      if (present(errmsg)) errmsg = message
      if (.not. present(stat)) error stop message
    end if

  contains

    subroutine define(name, standard_name, long_name)
      character(len=*), intent(in) :: name
      character(len=*), intent(in), optional :: standard_name, long_name
      call file%define_variable(name, 'column level', 'W m-2', standard_name, long_name)
      call file%put_attribute('coordinates', 'pressure_level', name)
    end subroutine define

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
