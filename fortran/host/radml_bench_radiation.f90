!> `radml-bench-radiation columns.nc model.pt results.nc`: RRTMG against a network on the same columns, on one thread.
!!
!! What is timed is `radiation_scheme%compute` over all columns, as the host calls it: from host arrays to host arrays. Both schemes
!! make one pass first, which is not timed; then they take turns, so that a machine that slows down slows both. With `--draws` RRTMG
!! makes one more pass of so many McICA draws, which is not timed: a single draw is noise that a network cannot know.
!! Where the model carries a training envelope the guard's checks, before and after the network, are timed in each repeat too.
program radml_bench_radiation_program
  use, intrinsic :: iso_fortran_env, only: compiler_version, output_unit, real64
  use build_facts, only: build_type, host_compile_flags, project_version, rrtmg_compile_flags
  use checked_netcdf, only: netcdf_file
  use column_file, only: column_set
  use command_line, only: argument_list, history_entry
  use flux_file, only: clear_sky_comment, define_fluxes, spectrum_fluxes
  use host_status, only: status_bad_configuration, integer_text, real_text, stop_with_message
  use operating_system, only: same_file
  use progress, only: progress_line, seconds_now
  use radml_guard, only: guard_accepted
  use radiation, only: automatic_block, fitting_block, radiation_scheme
  implicit none

  character(len=*), parameter :: name = 'radml-bench-radiation'
  character(len=*), parameter :: usage = &
    'usage: radml-bench-radiation columns.nc model.pt results.nc [--repeats N] [--columns-per-block N] [--draws N] [--tables FILE]'

  type :: results
    real(real64), allocatable :: seconds(:)          ! of each repeat
    type(spectrum_fluxes) :: longwave, shortwave
  end type results

  type(argument_list) :: arguments
  type(column_set) :: columns
  type(radiation_scheme) :: rrtmg, network
  type(results) :: of_rrtmg, of_network
  logical :: guarded = .false.
  real(real64), allocatable :: guard_seconds(:)      ! of each repeat
  type(progress_line) :: line
  character(len=:), allocatable :: message
  integer :: stat, n_repeats, columns_per_block, draws, repeat
  logical :: clouds_left_out

  call arguments%parse([character(len=20) :: '--repeats', '--columns-per-block', '--draws', '--tables'], stat, message)
  call stop_on_failure()
  if (arguments%help) then
    write (output_unit, '(a)') usage
    stop
  end if
  if (arguments%count() /= 3) then
    call stop_with_message(name, 'expected three files, got '//integer_text(arguments%count())//'; '//usage, &
                           status_bad_configuration)
  end if
  if (same_file(arguments%get(1), arguments%get(3))) call refuse_results('columns')
  if (same_file(arguments%get(2), arguments%get(3))) call refuse_results('model')
  call arguments%positive_integer('--repeats', 7, n_repeats, stat, message)
  call stop_on_failure()
  call arguments%positive_integer('--columns-per-block', automatic_block, columns_per_block, stat, message)
  call stop_on_failure()
  call arguments%positive_integer('--draws', 1, draws, stat, message)
  call stop_on_failure()

  call columns%read(arguments%get(1), stat, message)
  call stop_on_failure()
  if (columns_per_block == automatic_block) columns_per_block = fitting_block(columns%n_columns())
  call network%setup('network', '', arguments%get(2), columns_per_block, 1, stat, message)
  call stop_on_failure()
  call rrtmg%setup('rrtmg', arguments%option('--tables'), '', columns_per_block, 1, stat, message, network%all_sky)
  call stop_on_failure()
  clouds_left_out = columns%has_clouds() .and. .not. network%all_sky
  if (network%all_sky) call columns%complete_sky(stat, message)
  call stop_on_failure()
  call make_room(of_rrtmg)
  call make_room(of_network)
  call load_guard()

  call line%start()
  do repeat = 0, n_repeats
    call line%show(name//': repeat '//integer_text(repeat)//' of '//integer_text(n_repeats))
    call pass(rrtmg, of_rrtmg)
    call pass(network, of_network)
    if (guarded) call guard_pass()
  end do
  if (rrtmg%all_sky .and. draws > 1) then
    call line%show(name//': '//integer_text(draws)//' draws of RRTMG')
    rrtmg%draws = draws
    call rrtmg%compute(columns, of_rrtmg%longwave, of_rrtmg%shortwave, stat, message)
    call stop_on_failure()
  end if
  call line%finish()
  call write_results(arguments%get(3))

  write (output_unit, '(a)') name//': '//integer_text(columns%n_columns())//' columns of '//integer_text(columns%n_layers())// &
    ' layers, one thread, best of '//integer_text(n_repeats)//': RRTMG '//per_column(of_rrtmg)//', network '// &
    per_column(of_network)//' us per column'//of_guard()//'; '//arguments%get(3)

contains

  subroutine refuse_results(what)
    character(len=*), intent(in) :: what
    call stop_with_message(name, arguments%get(3)//': expected another file for the results than the '//what, &
                           status_bad_configuration)
  end subroutine refuse_results

  subroutine make_room(of)
    type(results), intent(inout) :: of
    allocate (of%seconds(n_repeats), source=0.0_real64)
    call of%longwave%create(columns%n_columns(), columns%n_layers(), .false., .false., .false.)
    if (network%all_sky) call of%shortwave%create(columns%n_columns(), columns%n_layers(), .true., .false., .false.)
  end subroutine make_room

  !> One pass over all columns; that of repeat 0 warms up and is not kept.
  subroutine pass(scheme, of)
    type(radiation_scheme), intent(inout) :: scheme
    type(results), intent(inout) :: of
    real(real64) :: before
    before = seconds_now()
    call scheme%compute(columns, of%longwave, of%shortwave, stat, message)
    if (repeat > 0) of%seconds(repeat) = seconds_now() - before
    call stop_on_failure()
  end subroutine pass

  function per_column(of) result(text)
    type(results), intent(in) :: of
    character(len=:), allocatable :: text
    text = real_text(1.0e6_real64*minval(of%seconds)/columns%n_columns(), 1)
  end function per_column

  !> The guard, if the network is one for all of radiation that carries an envelope.
  subroutine load_guard()
    guarded = network%all_sky
    if (guarded) guarded = network%has_envelope()
    if (.not. guarded) return
    call network%load_guard(arguments%get(2), stat, message)
    call stop_on_failure()
    allocate (guard_seconds(n_repeats), source=0.0_real64)
  end subroutine load_guard

  !> Both checks of all columns, before and after the network.
  subroutine guard_pass()
    real(real64) :: before
    before = seconds_now()
    call network%check_columns(columns)
    call network%check_fluxes(columns, of_network%longwave, of_network%shortwave)
    if (repeat > 0) guard_seconds(repeat) = seconds_now() - before
  end subroutine guard_pass

  function of_guard() result(text)
    character(len=:), allocatable :: text
    text = ''
    if (.not. guarded) return
    text = ', guard '//real_text(1.0e6_real64*minval(guard_seconds)/columns%n_columns(), 2)//' ('// &
           real_text(100.0_real64*minval(guard_seconds)/minval(of_network%seconds), 1)//' % of it), which refuses '// &
           integer_text(count(network%rule /= guard_accepted))
  end function of_guard

  subroutine write_results(path)
    character(len=*), intent(in) :: path
    type(netcdf_file) :: file
    call file%create(path)
    call file%put_attribute('Conventions', 'CF-1.11')
    call file%put_attribute('title', 'RRTMG and a network on the same columns: times, fluxes and heating rates')
    call file%put_attribute('source', name//' '//project_version)
    call file%put_attribute('history', history_entry())
    if (clouds_left_out) call file%put_attribute('comment', clear_sky_comment)
    call file%put_attribute('sky', trim(merge('all  ', 'clear', network%all_sky)))
    call file%put_attribute('columns', arguments%get(1))
    call file%put_attribute('model', arguments%get(2))
    call file%put_attribute('threads', 1)
    call file%put_attribute('draws', rrtmg%draws)
    call file%put_attribute('columns_per_block', columns_per_block)
    call file%put_attribute('compiler', compiler_version())
    call file%put_attribute('compiler_options_host', host_compile_flags)
    call file%put_attribute('compiler_options_rrtmg', rrtmg_compile_flags)
    call file%put_attribute('build_type', build_type)
    call file%define_dimension('repeat', n_repeats)
    call file%define_dimension('column', columns%n_columns())
    call file%define_dimension('layer', columns%n_layers())
    call file%define_dimension('level', columns%n_layers() + 1)
    call file%define_variable('rrtmg_seconds', 'repeat', 's', long_name='time of RRTMG for all columns')
    call file%define_variable('network_seconds', 'repeat', 's', long_name='time of the network for all columns')
    if (guarded) then
      call file%define_variable('guard_seconds', 'repeat', 's', long_name='time of the guard for all columns, before and after')
      call file%define_variable('guard_rule', 'column', '1', long_name='rule of the guard that refused the column, 0 for none')
      call file%put_attribute('guard_refused', count(network%rule /= guard_accepted))
    end if
    call file%define_variable('pressure_level', 'column level', 'Pa', 'air_pressure')
    call file%define_variable('pressure_layer', 'column layer', 'Pa', 'air_pressure')
    call define_fluxes(file, 'rrtmg_lw', clouds_left_out)
    call define_fluxes(file, 'network_lw', clouds_left_out)
    if (network%all_sky) call define_fluxes(file, 'rrtmg_sw', .false.)
    if (network%all_sky) call define_fluxes(file, 'network_sw', .false.)
    call file%end_definitions()
    call file%write('pressure_level', columns%pressure_level)
    call file%write('pressure_layer', columns%pressure_layer)
    call write_scheme(file, 'rrtmg', of_rrtmg)
    call write_scheme(file, 'network', of_network)
    if (guarded) then
      call file%write('guard_seconds', guard_seconds)
      call file%write('guard_rule', real(network%rule, real64))
    end if
    call file%close()
    call file%report(stat, message)
    call stop_on_failure()
  end subroutine write_results

  subroutine write_scheme(file, prefix, of)
    type(netcdf_file), intent(inout) :: file
    character(len=*), intent(in) :: prefix
    type(results), intent(in) :: of
    call file%write(prefix//'_seconds', of%seconds)
    call write_spectrum(file, prefix//'_lw', of%longwave)
    if (network%all_sky) call write_spectrum(file, prefix//'_sw', of%shortwave)
  end subroutine write_scheme

  subroutine write_spectrum(file, prefix, fluxes)
    type(netcdf_file), intent(inout) :: file
    character(len=*), intent(in) :: prefix
    type(spectrum_fluxes), intent(in) :: fluxes
    call file%write(prefix//'_up', fluxes%up)
    call file%write(prefix//'_down', fluxes%down)
    call file%write(prefix//'_heating_rate', fluxes%heating_rate)
  end subroutine write_spectrum

  subroutine stop_on_failure()
    if (stat == 0) return
    call line%finish()
    call stop_with_message(name, message, stat)
  end subroutine stop_on_failure

end program radml_bench_radiation_program
