!> `radml-host case.nml`: steps columns of the atmosphere with radiation by RRTMG or by a network. docs/host.md says it all.
program radml_host_program
  use, intrinsic :: iso_fortran_env, only: output_unit, real64
  use column_file, only: column_set
  use command_line, only: argument_list, history_entry
  use configuration, only: host_configuration
  use history, only: history_file
  use host_state, only: column_state
  use host_status, only: status_bad_configuration, integer_text, real_text, stop_with_message
  use omp_lib, only: omp_get_max_threads
  use progress, only: progress_line, seconds_now
  use restart_file, only: read_restart, write_restart
  use radiation, only: automatic_block, fitting_block, radiation_scheme
  implicit none

  character(len=*), parameter :: name = 'radml-host'
  character(len=*), parameter :: usage = 'usage: radml-host case.nml'

  type(argument_list) :: arguments
  type(host_configuration) :: case
  type(column_set) :: columns
  type(column_state) :: state
  type(radiation_scheme) :: scheme
  type(history_file) :: file
  type(progress_line) :: line
  character(len=:), allocatable :: message
  integer :: stat, step, first_step, n_calls, n_threads
  real(real64) :: started, before, radiation_seconds

  call arguments%parse([''], stat, message)
  call stop_on_failure()
  if (arguments%help) then
    write (output_unit, '(a)') usage
    stop
  end if
  if (arguments%count() /= 1) &
    call stop_with_message(name, 'expected one file, got '//integer_text(arguments%count())//'; '//usage, status_bad_configuration)

  call case%read(arguments%get(1), stat, message)
  call stop_on_failure()
  call columns%read(case%columns, stat, message)
  call stop_on_failure()
  if (case%columns_per_block == automatic_block) case%columns_per_block = fitting_block(columns%n_columns())
  n_threads = case%threads
  if (n_threads == 0) n_threads = omp_get_max_threads()
  if (case%scheme == 'rrtmg') then
    call scheme%setup('rrtmg', case%tables, case%columns_per_block, n_threads, stat, message, case%sky == 'all')
  else
    call scheme%setup('network', case%model, case%columns_per_block, n_threads, stat, message, case%sky == 'all')
  end if
  call stop_on_failure()
  call state%start(columns, case, stat, message)
  call stop_on_failure()
  if (case%start_from /= '') then
    call read_restart(case%start_from, state, case%time_step, stat, message)
    call stop_on_failure()
    if (state%step_number > case%n_steps .or. mod(state%step_number, case%steps_per_radiation) /= 0) &
      call stop_with_message(name, case%start_from//': expected a state not beyond the end of the run, at a call of radiation, '// &
                             'got one '//real_text(state%seconds()/3600.0_real64)//' hours after the start', &
                             status_bad_configuration)
  end if
  call file%create(state, case, history_entry(), stat, message)
  call stop_on_failure()

  call line%start()
  started = seconds_now()
  radiation_seconds = 0.0_real64
  n_calls = 0
  first_step = state%step_number
  do step = first_step, case%n_steps
    if (case%restart /= '' .and. step > first_step) then
      if (mod(step, case%steps_per_restart) == 0) then
        call write_restart(case%restart, state, case%time_step, stat, message)
        call stop_on_failure()
      end if
    end if
    if (mod(step, case%steps_per_radiation) == 0) then
      call state%prepare_radiation(case)
      before = seconds_now()
      call scheme%compute(state%columns, state%longwave, state%shortwave, stat, message)
      call stop_on_failure()
      radiation_seconds = radiation_seconds + seconds_now() - before
      n_calls = n_calls + 1
      call state%check_radiation(stat, message)
      call stop_on_failure()
    end if
    if (mod(step, case%steps_per_history) == 0) then
      call state%update_sunlight(case)
      call file%record(state, stat, message)
      call stop_on_failure()
    end if
    call line%show(name//': '//real_text(state%seconds()/3600.0_real64, 1)//' of '//real_text(case%hours)//' hours, '// &
                   days_per_minute()//' simulated days per minute, '// &
                   real_text(radiation_seconds, 1)//' s of '//real_text(seconds_now() - started, 1)//' s in radiation')
    if (step == case%n_steps) exit
    call state%step(case)
    call state%check_temperatures(stat, message)
    call stop_on_failure()
  end do
  call line%finish()
  call file%record_cost(seconds_now() - started, radiation_seconds, n_calls)
  call file%close(stat, message)
  call stop_on_failure()

  write (output_unit, '(a)') name//': '//case%scheme//', '//real_text(case%hours)//' hours, '// &
    integer_text(columns%n_columns())//' columns of '//integer_text(columns%n_layers())//' layers, '// &
    integer_text(n_threads)//' thread'//trim(merge('s', ' ', n_threads > 1))//': '// &
    real_text(1.0e6_real64*radiation_seconds/(real(n_calls, real64)*columns%n_columns()), 1)// &
    ' us per column and call of radiation ('//integer_text(n_calls)//' calls, '//real_text(radiation_seconds, 3)//' s of '// &
    real_text(seconds_now() - started, 3)//' s)'

contains

  function days_per_minute() result(text)
    character(len=:), allocatable :: text
    text = real_text((step - first_step)*case%time_step/86400.0_real64*60.0_real64/max(seconds_now() - started, 1.0e-3_real64), 1)
  end function days_per_minute

  subroutine stop_on_failure()
    if (stat == 0) return
    call line%finish()
    call file%abandon()
    call stop_with_message(name, message, stat)
  end subroutine stop_on_failure

end program radml_host_program
