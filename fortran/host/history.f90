!> The NetCDF history of a run: what the columns were at every history interval.
module history
  use, intrinsic :: iso_fortran_env, only: real64
  use build_facts, only: project_version
  use checked_netcdf, only: netcdf_file
  use communicators, only: communicator
  use configuration, only: host_configuration
  use flux_file, only: clear_sky_comment, spectrum_fluxes
  use host_state, only: column_state
  use radiation, only: radiation_scheme
  use radml_guard, only: guard_last_rule, guard_rule_name
  implicit none
  private

  public :: history_file

  type :: history_file
    private
    type(netcdf_file) :: file
    integer :: n_records = 0
    logical :: shadow = .false., guarded = .false., restarting = .false.
  contains
    procedure :: create
    procedure :: record
    procedure :: record_cost
    procedure :: close => close_history
    procedure :: abandon
  end type history_file

contains

  !> Creates the file, under a temporary name until `close`.
  subroutine create(self, state, configuration, command, ranks, n_columns, stat, errmsg)
    class(history_file), intent(inout) :: self               !! [file] ()
    type(column_state), intent(in) :: state                  !! [state] ()
    type(host_configuration), intent(in) :: configuration    !! [various] ()
    character(len=*), intent(in) :: command                  !! when and how it was made [text] ()
    class(communicator), intent(in), target :: ranks         !! that share the columns [ranks] ()
    integer, intent(in) :: n_columns                         !! of all ranks [1] ()
    integer, intent(out) :: stat                             !! 0, or `status_cannot_write` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()

    character(len=:), allocatable :: sky

    sky = ''
    if (clouds_left_out(state)) sky = '_assuming_clear_sky'
    associate (file => self%file)
      call file%share(ranks)
      call file%create(configuration%history)
      call file%put_attribute('Conventions', 'CF-1.11')
      call file%put_attribute('title', 'Atmospheric columns stepped by radml-host, from the top of the atmosphere down')
      call file%put_attribute('source', 'radml-host '//project_version)
      call file%put_attribute('history', command)
      if (clouds_left_out(state)) call file%put_attribute('comment', clear_sky_comment)
      call file%put_attribute('columns', configuration%columns)
      call file%put_attribute('scheme', configuration%scheme)
      call file%put_attribute('sky', configuration%sky)
      call file%put_attribute('physics', configuration%physics)
      if (configuration%scheme /= 'rrtmg') call file%put_attribute('model', configuration%model)
      call file%put_attribute('time_step', configuration%time_step)
      call file%put_attribute('radiation_interval', configuration%radiation_interval)
      call file%put_attribute('columns_per_block', configuration%columns_per_block)
      call file%define_dimension('time')
      call file%define_dimension('column', n_columns)
      call file%define_dimension('layer', state%columns%n_layers())
      call file%define_dimension('level', state%columns%n_layers() + 1)
      call file%define_variable('time', 'time', 'hour', 'forecast_period', 'time since the start of the run')
      call file%define_variable('pressure_level', 'column level', 'Pa', 'air_pressure')
      call file%define_variable('pressure_layer', 'column layer', 'Pa', 'air_pressure')
      call file%define_variable('temperature_layer', 'time column layer', 'K', 'air_temperature')
      call file%define_variable('lw_heating_rate', 'time column layer', 'K day-1', &
                                'tendency_of_air_temperature_due_to_longwave_heating'//sky)
      call file%define_variable('surface_temperature', 'time column', 'K', 'surface_temperature')
      call file%define_variable('toa_lw_up', 'time column', 'W m-2', 'toa_outgoing_longwave_flux'//sky)
      call file%define_variable('surface_lw_up', 'time column', 'W m-2', &
                                'surface_upwelling_longwave_flux_in_air'//sky)
      call file%define_variable('surface_lw_down', 'time column', 'W m-2', &
                                'surface_downwelling_longwave_flux_in_air'//sky)
      call file%define_variable('surface_sw_absorbed', 'time column', 'W m-2', 'surface_net_downward_shortwave_flux')
      if (state%all_sky) then
        call file%define_variable('sw_heating_rate', 'time column layer', 'K day-1', &
                                  'tendency_of_air_temperature_due_to_shortwave_heating')
        call file%define_variable('toa_sw_down', 'time column', 'W m-2', 'toa_incoming_shortwave_flux')
        call file%define_variable('toa_sw_up', 'time column', 'W m-2', 'toa_outgoing_shortwave_flux')
        call file%define_variable('surface_sw_down', 'time column', 'W m-2', 'surface_downwelling_shortwave_flux_in_air')
        call file%put_attribute('coordinates', 'pressure_layer', 'sw_heating_rate')
      end if
      if (configuration%on_failure == 'restart') &
        call file%define_variable('failure_hour', 'time column', 'hour', &
                                  long_name='when the column failed and was put back to its start; negative: it did not')
      if (configuration%scheme == 'guarded') &
        call file%define_variable('refused_by', 'time column', '1', &
                                  long_name='rule of the guard that refused the column in the last call of radiation; 0: none')
      if (configuration%scheme == 'shadow') then
        call define_difference('lw_heating_rate', 'time column layer', 'K day-1')
        call define_difference('toa_lw_net', 'time column', 'W m-2')
        call define_difference('surface_lw_net', 'time column', 'W m-2')
        if (state%all_sky) then
          call define_difference('sw_heating_rate', 'time column layer', 'K day-1')
          call define_difference('toa_sw_net', 'time column', 'W m-2')
          call define_difference('surface_sw_net', 'time column', 'W m-2')
        end if
      end if
      self%shadow = configuration%scheme == 'shadow'
      self%guarded = configuration%scheme == 'guarded'
      self%restarting = configuration%on_failure == 'restart'
      if (state%moist) then
        call file%define_variable('h2o', 'time column layer', 'mol mol-1', long_name='water vapour, moles per mole of dry air')
        call file%define_variable('cloud_fraction', 'time column layer', '1', 'cloud_area_fraction_in_atmosphere_layer')
        call file%define_variable('precipitation', 'time column', 'kg m-2 s-1', 'precipitation_flux')
        call file%define_variable('evaporation', 'time column', 'kg m-2 s-1', 'water_evapotranspiration_flux')
        call file%define_variable('weather_heating', 'time column', 'W m-2', &
                                  long_name='enthalpy that weather brought from outside the column')
        call file%put_attribute('coordinates', 'pressure_layer', 'h2o')
        call file%put_attribute('coordinates', 'pressure_layer', 'cloud_fraction')
      end if
      call file%define_variable('surface_sensible_heat', 'time column', 'W m-2', 'surface_upward_sensible_heat_flux')
      call file%put_attribute('coordinates', 'pressure_layer', 'temperature_layer')
      call file%put_attribute('coordinates', 'pressure_layer', 'lw_heating_rate')
      call file%end_definitions()
      call file%write('pressure_level', state%columns%pressure_level)
      call file%write('pressure_layer', state%columns%pressure_layer)
      call file%report(stat, errmsg)
    end associate
    self%n_records = 0

  contains

    subroutine define_difference(name, dimensions, units)
      character(len=*), intent(in) :: name, dimensions, units
      call self%file%define_variable('difference_'//name, dimensions, units, long_name='network less RRTMG, net downward fluxes')
    end subroutine define_difference

  end subroutine create

  !> Adds the state of now.
  subroutine record(self, state, scheme, stat, errmsg)
    class(history_file), intent(inout) :: self               !! [file] ()
    type(column_state), intent(in) :: state                  !! [state] ()
    type(radiation_scheme), intent(in) :: scheme             !! after its last call [scheme] ()
    integer, intent(out) :: stat                             !! 0, or `status_cannot_write` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    integer :: n
    n = state%columns%n_layers()
    self%n_records = self%n_records + 1
    call self%file%write('time', state%seconds()/3600.0_real64, self%n_records)
    call self%file%write('temperature_layer', state%columns%temperature_layer, self%n_records)
    call self%file%write('lw_heating_rate', state%longwave%heating_rate, self%n_records)
    call self%file%write('surface_temperature', state%columns%surface_temperature, self%n_records)
    call self%file%write('toa_lw_up', state%longwave%up(:, 1), self%n_records)
    call self%file%write('surface_lw_up', state%longwave%up(:, n + 1), self%n_records)
    call self%file%write('surface_lw_down', state%longwave%down(:, n + 1), self%n_records)
    call self%file%write('surface_sw_absorbed', state%absorbed_sunlight, self%n_records)
    if (state%all_sky) then
      call self%file%write('sw_heating_rate', state%shortwave%heating_rate, self%n_records)
      call self%file%write('toa_sw_down', state%shortwave%down(:, 1), self%n_records)
      call self%file%write('toa_sw_up', state%shortwave%up(:, 1), self%n_records)
      call self%file%write('surface_sw_down', state%shortwave%down(:, n + 1), self%n_records)
    end if
    if (state%moist) then
      call self%file%write('h2o', state%columns%h2o, self%n_records)
      call self%file%write('cloud_fraction', state%columns%cloud_fraction, self%n_records)
      call self%file%write('precipitation', state%physics%precipitation, self%n_records)
      call self%file%write('evaporation', state%physics%evaporation, self%n_records)
      call self%file%write('weather_heating', state%physics%weather_heating, self%n_records)
    end if
    call self%file%write('surface_sensible_heat', state%sensible_heat, self%n_records)
    if (self%restarting) call self%file%write('failure_hour', state%failure_hour, self%n_records)
    if (self%guarded) call self%file%write('refused_by', real(scheme%rule, real64), self%n_records)
    if (self%shadow) then
      call write_differences('lw', scheme%other_longwave, state%longwave)
      if (state%all_sky) call write_differences('sw', scheme%other_shortwave, state%shortwave)
    end if
    call self%file%report(stat, errmsg)

  contains

    subroutine write_differences(spectrum, network, rrtmg)
      character(len=*), intent(in) :: spectrum
      type(spectrum_fluxes), intent(in) :: network, rrtmg
      call self%file%write('difference_'//spectrum//'_heating_rate', network%heating_rate - rrtmg%heating_rate, self%n_records)
      call self%file%write('difference_toa_'//spectrum//'_net', net_at(network, 1) - net_at(rrtmg, 1), self%n_records)
      call self%file%write('difference_surface_'//spectrum//'_net', net_at(network, n + 1) - net_at(rrtmg, n + 1), self%n_records)
    end subroutine write_differences

    pure function net_at(fluxes, level) result(net)
      type(spectrum_fluxes), intent(in) :: fluxes
      integer, intent(in) :: level
      real(real64) :: net(size(fluxes%up, 1))
      net = fluxes%down(:, level) - fluxes%up(:, level)
    end function net_at

  end subroutine record

  !> Whether the columns have clouds that radiation does not see.
  pure function clouds_left_out(state) result(answer)
    type(column_state), intent(in) :: state  !! [state] ()
    logical :: answer                        !! [1] ()
    answer = state%columns%has_clouds() .and. .not. state%all_sky
  end function clouds_left_out

  !> Says in the file what the run and its radiation cost.
  subroutine record_cost(self, run_seconds, radiation_seconds, radiation_calls, refused)
    class(history_file), intent(inout) :: self     !! [file] ()
    real(real64), intent(in) :: run_seconds        !! time of the run [s] ()
    real(real64), intent(in) :: radiation_seconds  !! of it, in radiation [s] ()
    integer, intent(in) :: radiation_calls         !! calls of radiation, each for all columns [1] ()
    real(real64), intent(in) :: refused(:)         !! columns that each rule of the guard refused in all calls [1] (rule)
    integer :: rule
    call self%file%put_attribute('run_seconds', run_seconds)
    call self%file%put_attribute('radiation_seconds', radiation_seconds)
    call self%file%put_attribute('radiation_calls', radiation_calls)
    if (.not. self%guarded) return
    do rule = 1, guard_last_rule
      if (refused(rule) > 0.0_real64) call self%file%put_attribute('refused_by_'//guard_rule_name(rule), refused(rule))
    end do
    call self%file%put_attribute('refused', sum(refused))
  end subroutine record_cost

  !> Closes the file and gives it its name.
  subroutine close_history(self, stat, errmsg)
    class(history_file), intent(inout) :: self               !! [file] ()
    integer, intent(out) :: stat                             !! 0, or `status_cannot_write` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    call self%file%close()
    call self%file%report(stat, errmsg)
  end subroutine close_history

  !> Removes what was written of the file.
  subroutine abandon(self)
    class(history_file), intent(inout) :: self  !! [file] ()
    call self%file%abandon()
  end subroutine abandon

end module history
