!> `radml-rrtmg columns.nc fluxes.nc`: RRTMG over a column file, with its clouds: longwave, and shortwave where it has a sun;
!> `radml-rrtmg-real32` is the same on the library that computes in single precision.
program radml_rrtmg_program
  use, intrinsic :: iso_fortran_env, only: output_unit, real32, real64
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave, only: rrtmg_longwave
  use radml_rrtmg_shortwave, only: rrtmg_shortwave
  use build_facts, only: project_version
  use cloud_choices, only: cloud_treatment
  use column_file, only: column_set
  use command_line, only: argument_list, history_entry
  use data_path, only: chosen_data_file
  use flux_file, only: clear_sky_comment, spectrum_fluxes, write_fluxes
  use host_status, only: status_bad_configuration, integer_text, real_text, stop_with_message
  use operating_system, only: same_file
  use progress, only: progress_line, seconds_now
  use rrtmg_block, only: longwave_block, shortwave_block
  implicit none

  character(len=*), parameter :: name = trim(merge('radml-rrtmg-real32', 'radml-rrtmg       ', wp == real32))
  character(len=*), parameter :: usage = &
    'usage: '//name//' columns.nc fluxes.nc [--tables FILE] [--shortwave-tables FILE] [--columns-per-block N] '// &
    '[--clear-sky] [--overlap maximum-random|random|maximum|analytic] [--draws N] [--seed N] [--noise] '// &
    '[--ice-optics fu|streamer] [--absorbing-ice]'

  type(argument_list) :: arguments
  type(rrtmg_longwave) :: longwave
  type(rrtmg_shortwave) :: shortwave
  type(column_set) :: columns
  type(progress_line) :: line
  type(cloud_treatment), allocatable :: treatment        ! not allocated: clear sky
  type(spectrum_fluxes) :: longwave_fluxes
  type(spectrum_fluxes), allocatable :: shortwave_fluxes ! not allocated: no shortwave
  character(len=:), allocatable :: message, missing, comment
  integer :: stat, columns_per_block, n_blocks, n_done, block, n_columns, n_layers
  logical :: noisy
  real(real64) :: started

  call arguments%parse([character(len=20) :: '--tables', '--shortwave-tables', '--columns-per-block', '--overlap', '--draws', &
                        '--seed', '--ice-optics'], stat, message, &
                       known_flags=[character(len=20) :: '--clear-sky', '--noise', '--absorbing-ice'])
  call stop_on_failure()
  if (arguments%help) then
    write (output_unit, '(a)') usage
    stop
  end if
  if (arguments%count() /= 2) then
    call stop_with_message(name, 'expected two files, got '//integer_text(arguments%count())//'; '//usage, status_bad_configuration)
  end if
  if (same_file(arguments%get(1), arguments%get(2))) &
    call stop_with_message(name, arguments%get(2)//': expected another file for the fluxes than the columns', &
                           status_bad_configuration)
  call arguments%positive_integer('--columns-per-block', 16, columns_per_block, stat, message)
  call stop_on_failure()
  call choose_clouds()

  call columns%read(arguments%get(1), stat, message)
  call stop_on_failure()
  call longwave%load(chosen_data_file(arguments%option('--tables'), 'rrtmg_longwave.nc'), stat=stat, errmsg=message)
  call stop_on_failure()
  missing = columns%missing_for_shortwave()
  if (missing == '') &
    call shortwave%load(chosen_data_file(arguments%option('--shortwave-tables'), 'rrtmg_shortwave.nc'), stat=stat, errmsg=message)
  call stop_on_failure()

  n_columns = columns%n_columns()
  n_layers = columns%n_layers()
  if (arguments%has_flag('--clear-sky') .or. .not. columns%has_clouds()) deallocate (treatment)
  call longwave_fluxes%create(n_columns, n_layers, .false., allocated(treatment), noisy)
  if (missing == '') then
    allocate (shortwave_fluxes)
    call shortwave_fluxes%create(n_columns, n_layers, .true., allocated(treatment), noisy)
    shortwave%absorbing_ice = arguments%has_flag('--absorbing-ice')
  end if
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

  comment = ''
  if (columns%has_clouds()) comment = clear_sky_comment
  if (allocated(treatment)) comment = treatment%described(missing == '')
  call write_fluxes(arguments%get(2), history_entry(), name//' '//project_version//': RRTMG', comment, &
                    columns%pressure_level, columns%pressure_layer, longwave_fluxes, &
                    columns%has_clouds() .and. .not. allocated(treatment), stat, message, shortwave_fluxes)
  call stop_on_failure()
  write (output_unit, '(a)') name//': '//integer_text(n_columns)//' columns of '//integer_text(n_layers)//' layers in '// &
    real_text(seconds_now() - started, 3)//' s, written to '//arguments%get(2)// &
    without_shortwave()

contains

  !> Why there is no shortwave, if there is none.
  function without_shortwave() result(words)
    character(len=:), allocatable :: words
    words = ''
    if (missing /= '') words = ' (longwave alone: the columns have no '//missing//')'
  end function without_shortwave

  !> The options that say how clouds are treated.
  subroutine choose_clouds()
    allocate (treatment)
    call treatment%choose(arguments%option('--overlap'), arguments%option('--ice-optics'), stat, message)
    call stop_on_failure()
    treatment%absorbing_ice = arguments%has_flag('--absorbing-ice')
    call arguments%positive_integer('--draws', 1, treatment%draws, stat, message)
    call stop_on_failure()
    if (arguments%option('--seed') /= '') call arguments%positive_integer('--seed', 1, treatment%seed, stat, message)
    call stop_on_failure()
    noisy = arguments%has_flag('--noise')
    if (noisy .and. treatment%draws < 2) call stop_with_message(name, 'option "--noise" needs at least two draws: --draws N', &
                                                                status_bad_configuration)
  end subroutine choose_clouds

  subroutine compute_block(first, last)
    integer, intent(in) :: first, last
    integer :: block_stat
    character(len=:), allocatable :: block_message
    call longwave_block(longwave, columns, first, last, longwave_fluxes, block_stat, block_message, treatment)
    if (block_stat == 0 .and. allocated(shortwave_fluxes)) &
      call shortwave_block(shortwave, columns, first, last, shortwave_fluxes, block_stat, block_message, treatment)
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
