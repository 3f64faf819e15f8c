!> The NetCDF file from which a run goes on with the same bits: all that a time step remembers.
module restart_file
  use, intrinsic :: iso_fortran_env, only: real64
  use checked_netcdf, only: netcdf_file
  use communicators, only: communicator
  use host_state, only: column_state
  use host_status, only: integer_text, real_text
  implicit none
  private

  public :: write_restart, read_restart

contains

  !> Writes the state between two time steps, over an older file in one move.
  subroutine write_restart(path, state, time_step, ranks, n_columns, stat, errmsg)
    character(len=*), intent(in) :: path                     !! [path] ()
    type(column_state), intent(in) :: state                  !! [state] ()
    real(real64), intent(in) :: time_step                    !! [s] ()
    class(communicator), intent(in), target :: ranks         !! that share the columns [ranks] ()
    integer, intent(in) :: n_columns                         !! of all ranks [1] ()
    integer, intent(out) :: stat                             !! 0, or `status_cannot_write` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    type(netcdf_file) :: file

    call file%share(ranks)
    call file%create(path)
    call file%put_attribute('title', 'State of radml-host between two time steps')
    call file%put_attribute('time_step', time_step)
    call file%put_attribute('step', real(state%step_number, real64))
    call file%define_dimension('column', n_columns)
    call file%define_dimension('layer', state%columns%n_layers())
    call file%define_variable('temperature_layer', 'column layer', 'K', 'air_temperature')
    call file%define_variable('surface_temperature', 'column', 'K', 'surface_temperature')
    if (state%moist) then
      call file%define_variable('h2o', 'column layer', 'mol mol-1', long_name='water vapour, moles per mole of dry air')
      call file%define_variable('vertical_motion', 'column', '1', long_name='weather, in standard deviations')
      call file%define_variable('warm_air', 'column', '1', long_name='weather, in standard deviations')
      call file%define_variable('moist_air', 'column', '1', long_name='weather, in standard deviations')
      call file%define_variable('convective_rain', 'column', 'kg m-2 s-1', long_name='of the last hours')
      call file%define_variable('convection_top', 'column', 'Pa', long_name='pressure of the last top')
    end if
    call file%end_definitions()
    call file%write('temperature_layer', state%columns%temperature_layer)
    call file%write('surface_temperature', state%columns%surface_temperature)
    if (state%moist) then
      call file%write('h2o', state%columns%h2o)
      call file%write('vertical_motion', state%physics%modes(1, :))
      call file%write('warm_air', state%physics%modes(2, :))
      call file%write('moist_air', state%physics%modes(3, :))
      call file%write('convective_rain', state%physics%rain_rate)
      call file%write('convection_top', state%physics%convection_top)
    end if
    call file%close()
    call file%report(stat, errmsg)
  end subroutine write_restart

  !> Puts a state that has been started from its columns where the file says that it was.
  subroutine read_restart(path, state, time_step, n_columns, stat, errmsg)
    character(len=*), intent(in) :: path                     !! [path] ()
    type(column_state), intent(inout) :: state               !! [state] ()
    real(real64), intent(in) :: time_step                    !! [s] ()
    integer, intent(in) :: n_columns                         !! of all ranks, which the file has [1] ()
    integer, intent(out) :: stat                             !! 0, or `status_bad_file` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    type(netcdf_file) :: file
    real(real64) :: of_file

    call file%open(path)
    call same('columns', file%dimension_length('column'), n_columns)
    call same('layers', file%dimension_length('layer'), state%columns%n_layers())
    call file%get_attribute('time_step', of_file)
    if (.not. file%failed() .and. abs(of_file - time_step) > 0.0_real64) &
      call file%refuse('expected a time step of '//real_text(time_step)//' s, got '//real_text(of_file))
    call file%get_attribute('step', of_file)
    if (.not. file%failed()) state%step_number = nint(of_file)
    call profiles('temperature_layer', 'K', state%columns%temperature_layer)
    call numbers('surface_temperature', 'K', state%columns%surface_temperature)
    if (state%moist) then
      call profiles('h2o', 'mol mol-1', state%columns%h2o)
      call numbers('vertical_motion', '1', state%physics%modes(1, :))
      call numbers('warm_air', '1', state%physics%modes(2, :))
      call numbers('moist_air', '1', state%physics%modes(3, :))
      call numbers('convective_rain', 'kg m-2 s-1', state%physics%rain_rate)
      call numbers('convection_top', 'Pa', state%physics%convection_top)
    end if
    call file%close()
    call file%report(stat, errmsg)

  contains

    ! Of all ranks the file has the columns, and each takes its own.
    subroutine profiles(name, units, values)
      character(len=*), intent(in) :: name, units
      real(real64), intent(inout) :: values(:, :)
      real(real64), allocatable :: whole(:, :)
      call file%read(name, 'column', 'layer', units, whole)
      if (.not. file%failed()) values = whole(state%first_column:state%first_column + size(values, 1) - 1, :)
    end subroutine profiles

    subroutine numbers(name, units, values)
      character(len=*), intent(in) :: name, units
      real(real64), intent(inout) :: values(:)
      real(real64), allocatable :: whole(:)
      call file%read(name, 'column', units, whole)
      if (.not. file%failed()) values = whole(state%first_column:state%first_column + size(values) - 1)
    end subroutine numbers

    subroutine same(what, came, expected)
      character(len=*), intent(in) :: what
      integer, intent(in) :: came, expected
      if (file%failed() .or. came == expected) return
      call file%refuse('expected '//integer_text(expected)//' '//what//', as the column file has, got '//integer_text(came))
    end subroutine same

  end subroutine read_restart

end module restart_file
