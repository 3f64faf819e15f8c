!> `radml-rrtmg columns.nc fluxes.nc`: RRTMG over a column file: longwave with clouds, and clear-sky shortwave where it has a sun.
program radml_rrtmg_program
  use, intrinsic :: iso_fortran_env, only: output_unit, real64
  use radml_rrtmg_longwave, only: rrtmg_longwave
  use build_facts, only: project_version
  use column_file, only: column_set
  use command_line, only: argument_list, history_entry
  use flux_file, only: write_fluxes
  use host_status, only: status_bad_configuration, integer_text, real_text, stop_with_message
  use progress, only: progress_line, seconds_now
  use rrtmg_all_sky, only: all_sky_fluxes, all_sky_result, cloud_choices
  use rrtmg_block, only: load_tables, rrtmg_clear_sky
  use rrtmg_shortwave_block, only: shortwave_run
  implicit none

  character(len=*), parameter :: name = 'radml-rrtmg'
  character(len=*), parameter :: usage = &
    'usage: radml-rrtmg columns.nc fluxes.nc [--tables FILE] [--shortwave-tables FILE] [--columns-per-block N] '// &
    '[--clear-sky] [--overlap maximum-random|random|maximum|analytic] [--draws N] [--seed N] [--noise] '// &
    '[--ice-optics fu|streamer]'

  type(argument_list) :: arguments
  type(rrtmg_longwave) :: longwave
  type(shortwave_run) :: shortwave
  type(column_set) :: columns
  type(progress_line) :: line
  type(cloud_choices) :: choices
  type(all_sky_result) :: fluxes
  character(len=:), allocatable :: message
  integer :: stat, columns_per_block, n_blocks, n_done, block, n_columns, n_layers
  logical :: cloudy, noisy
  real(real64) :: started

  call arguments%parse([character(len=20) :: '--tables', '--shortwave-tables', '--columns-per-block', '--overlap', '--draws', &
                        '--seed', '--ice-optics'], stat, message, known_flags=[character(len=20) :: '--clear-sky', '--noise'])
  call stop_on_failure()
  if (arguments%help) then
    write (output_unit, '(a)') usage
    stop
  end if
  if (arguments%count() /= 2) then
    call stop_with_message(name, 'expected two files, got '//integer_text(arguments%count())//'; '//usage, status_bad_configuration)
  end if
  call arguments%positive_integer('--columns-per-block', 16, columns_per_block, stat, message)
  call stop_on_failure()
  call choose_clouds()

  call columns%read(arguments%get(1), stat, message)
  call stop_on_failure()
  call load_tables(longwave, arguments%option('--tables'), stat, message)
  call stop_on_failure()
  call shortwave%setup(columns, arguments%option('--shortwave-tables'), stat, message)
  call stop_on_failure()

  n_columns = columns%n_columns()
  n_layers = columns%n_layers()
  cloudy = columns%has_clouds() .and. .not. arguments%has_flag('--clear-sky')
  call fluxes%create(n_columns, n_layers)
  n_blocks = (n_columns + columns_per_block - 1)/columns_per_block
  n_done = 0
  call line%start()
  started = seconds_now()
  !$omp parallel do schedule(dynamic)
  do block = 1, n_blocks
    call compute_block((block - 1)*columns_per_block + 1, min(block*columns_per_block, n_columns))
  end do
  !$omp end parallel do
  call line%finish()
  call stop_on_failure()

  if (cloudy) then
    if (.not. noisy) deallocate (fluxes%up_noise, fluxes%down_noise) ! not allocated is absent
    call write_fluxes(arguments%get(2), history_entry(), name//' '//project_version//': RRTMG', &
                      columns%pressure_level, columns%pressure_layer, fluxes%up, fluxes%down, fluxes%heating_rate, .false., &
                      stat, message, shortwave%fluxes, choices%described(), fluxes%up_clear, fluxes%down_clear, &
                      fluxes%up_noise, fluxes%down_noise)
  else
    call write_fluxes(arguments%get(2), history_entry(), name//' '//project_version//': RRTMG', &
                      columns%pressure_level, columns%pressure_layer, fluxes%up, fluxes%down, fluxes%heating_rate, &
                      columns%has_clouds(), stat, message, shortwave%fluxes)
  end if
  call stop_on_failure()
  write (output_unit, '(a)') name//': '//integer_text(n_columns)//' columns of '//integer_text(n_layers)//' layers in '// &
    real_text(seconds_now() - started, 3)//' s, written to '//arguments%get(2)// &
    without_shortwave()

contains

  !> Why there is no shortwave, if there is none.
  function without_shortwave() result(words)
    character(len=:), allocatable :: words
    words = ''
    if (shortwave%missing /= '') words = ' (longwave alone: the columns have no '//shortwave%missing//')'
  end function without_shortwave

  !> The options that say how clouds are treated.
  subroutine choose_clouds()
    call choices%choose(arguments%option('--overlap'), arguments%option('--ice-optics'), stat, message)
    call stop_on_failure()
    call arguments%positive_integer('--draws', 1, choices%draws, stat, message)
    call stop_on_failure()
    if (arguments%option('--seed') /= '') call arguments%positive_integer('--seed', 1, choices%seed, stat, message)
    call stop_on_failure()
    noisy = arguments%has_flag('--noise')
    if (noisy .and. choices%draws < 2) call stop_with_message(name, 'option "--noise" needs at least two draws: --draws N', &
                                                              status_bad_configuration)
  end subroutine choose_clouds

  subroutine compute_block(first, last)
    integer, intent(in) :: first, last
    integer :: block_stat
    character(len=:), allocatable :: block_message
    if (cloudy) then
      call all_sky_fluxes(longwave, columns, choices, first, last, fluxes, block_stat, block_message)
    else
      call rrtmg_clear_sky(longwave, columns, first, last, fluxes%up(first:last, :), fluxes%down(first:last, :), &
                           fluxes%heating_rate(first:last, :), block_stat, block_message)
    end if
    if (block_stat == 0) call shortwave%compute(columns, first, last, block_stat, block_message)
    !$omp critical (progress_and_failure)
    n_done = n_done + last - first + 1
    if (block_stat /= 0 .and. stat == 0) then
      stat = block_stat
      message = 'columns '//integer_text(first)//' to '//integer_text(last)//': '//block_message
    end if
    call line%show(name//': '//integer_text(n_done)//' of '//integer_text(n_columns)//' columns')
    !$omp end critical (progress_and_failure)
  end subroutine compute_block

  subroutine stop_on_failure()
    if (stat /= 0) call stop_with_message(name, message, stat)
  end subroutine stop_on_failure

end program radml_rrtmg_program
