!> `radml-bench-rrtmg columns.nc`: times RRTMG over a file of columns, one pass for each line of standard input, so that whoever
!! writes the lines can let other codes take turns. What it says is one line of JSON for each line it reads, and one before all.
!!
!! | line | answer |
!! | --- | --- |
!! | `run WORK` | seconds of a pass over all columns, and of the fastest block of columns |
!! | `write WORK FILE` | the same, and a file of fluxes and heating rates |
!! | `tables exact`, `tables original` | which transmittances passes take from now on |
!! | `ice original`, `ice absorbing` | whether the shortwave follows the original where ice scatters forward, or lets it absorb |
!! | `subcolumns WORK FILE` | what `WORK` shall take for clouds: a byte for each column, layer and g-point, columns first |
!! | `draws N` | how many draws of subcolumns McICA averages from now on |
!! | `memory` | memory of the process, when it was ready for the first pass and at most since then |
!!
!! A pass goes through the front doors in blocks of columns, as in `radml-rrtmg`, and asks for clear-sky fluxes too where there are
!! clouds. `OMP_NUM_THREADS` threads share the blocks.
program radml_bench_rrtmg_program
  use, intrinsic :: iso_fortran_env, only: compiler_version, input_unit, int8, int64, iostat_end, output_unit, real64
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave, only: rrtmg_longwave, rrtmg_overlap_analytic, rrtmg_overlap_maximum_random
  use radml_rrtmg_shortwave, only: rrtmg_shortwave
  use radml_rrtmg_subcolumns, only: fill_subcolumns, longwave_stream, overlap_plan, plan_overlap, seed_of_number, shortwave_stream
  use build_facts, only: build_type, project_version, rrtmg_compile_flags
  use checked_netcdf, only: netcdf_file
  use cloud_choices, only: cloud_treatment
  use column_file, only: column_set, mean_irradiance
  use command_line, only: argument_list
  use data_path, only: chosen_data_file
  use host_status, only: status_bad_configuration, status_bad_file, integer_text, stop_with_message
  use progress, only: seconds_now
  implicit none

  character(len=*), parameter :: name = 'radml-bench-rrtmg'
  character(len=*), parameter :: usage = &
    'usage: radml-bench-rrtmg columns.nc [--columns N] [--columns-per-block N] [--tables FILE] [--shortwave-tables FILE] '// &
    '[--ice-optics fu|streamer]'
  integer, parameter :: longwave_points = 140, shortwave_points = 112

  !> What a pass does.
  character(len=*), parameter :: works(*) = [character(len=20) :: 'longwave-clear', 'longwave-mcica', 'longwave-analytic', &
    'longwave-given', 'longwave-subcolumns', 'shortwave-clear', 'shortwave-mcica', 'shortwave-given', 'shortwave-subcolumns']

  !> Clouds of a block of columns, and room for its fluxes without them. A pointer to nothing is an absent argument.
  type :: cloud_pointers
    real(real64), dimension(:, :), pointer :: fraction => null(), liquid_path => null(), liquid_radius => null(), &
                                              ice_path => null(), ice_radius => null(), up_clear => null(), down_clear => null()
    logical, pointer :: subcolumns(:, :, :) => null()
  end type cloud_pointers

  type(argument_list) :: arguments
  type(column_set), target :: columns
  type(cloud_treatment) :: treatment
  type(rrtmg_longwave) :: longwave
  type(rrtmg_shortwave) :: shortwave
  real(real64), allocatable, dimension(:, :), target :: up, down, up_clear, down_clear, heating_rate
  real(real64), allocatable :: irradiance(:)
  logical, allocatable, target :: given_longwave(:, :, :), given_shortwave(:, :, :)
  character(len=:), allocatable :: message, line, work
  integer(int64) :: ready_memory
  integer :: stat, columns_per_block, n_columns, n_layers
  logical :: sunny, cloudy

  call arguments%parse([character(len=20) :: '--columns', '--columns-per-block', '--tables', '--shortwave-tables', &
                        '--ice-optics'], stat, message)
  call stop_on_failure()
  if (arguments%help) then
    write (output_unit, '(a)') usage
    stop
  end if
  if (arguments%count() /= 1) call refuse('expected one file, got '//integer_text(arguments%count())//'; '//usage)
  call arguments%positive_integer('--columns-per-block', 16, columns_per_block, stat, message)
  call stop_on_failure()
  call treatment%choose('', arguments%option('--ice-optics'), stat, message)
  call stop_on_failure()
  call columns%read(arguments%get(1), stat, message)
  call stop_on_failure()
  call arguments%positive_integer('--columns', columns%n_columns(), n_columns, stat, message)
  call stop_on_failure()
  n_layers = columns%n_layers()
  call take_columns()
  call prepare()
  call clear_peak_memory()
  ready_memory = memory_now('VmRSS:')
  call say_facts()

  do
    call read_line(input_unit, line)
    if (.not. allocated(line)) exit
    select case (word(line, 1))
    case ('run')
      call run(word(line, 2), '')
    case ('write')
      call run(word(line, 2), word(line, 3))
    case ('tables')
      longwave%original_tables = chosen('exact', 'original')
      shortwave%original_tables = longwave%original_tables
    case ('ice')
      shortwave%absorbing_ice = chosen('original', 'absorbing')
    case ('subcolumns')
      call read_subcolumns(word(line, 2), word(line, 3))
    case ('draws')
      call choose_draws(word(line, 2))
    case ('memory')
      write (output_unit, '(a)') '{"ready_kib": '//long_text(ready_memory)//', "peak_kib": '//long_text(memory_now('VmHWM:'))//'}'
    case default
      call refuse('standard input: expected run, write, tables, ice, subcolumns, draws or memory, got "'//line//'"')
    end select
    flush (output_unit)
  end do

contains

  !> One pass over all columns, and what it took.
  subroutine run(asked, path)
    character(len=*), intent(in) :: asked, path
    real(real64) :: started, seconds, fastest
    integer :: block, n_blocks
    if (.not. any(works == asked)) call refuse('expected one of the works '//list_of(works)//', got "'//asked//'"')
    if (.not. possible(asked)) call refuse(asked//': the columns have no clouds, no sun or no subcolumns, which it needs')
    if (path /= '' .and. index(asked, '-subcolumns') > 0) call refuse(asked//' has no fluxes to write')
    work = asked
    n_blocks = (n_columns + columns_per_block - 1)/columns_per_block
    fastest = huge(fastest)
    stat = 0
    started = seconds_now()
    !$omp parallel do schedule(dynamic) reduction(min: fastest)
    do block = 1, n_blocks
      call compute_block((block - 1)*columns_per_block + 1, min(block*columns_per_block, n_columns), fastest)
    end do
    !$omp end parallel do
    seconds = seconds_now() - started
    call stop_on_failure()
    if (path /= '') call write_results(path)
    write (output_unit, '(3a, es12.5, a, es12.5, a)') '{"work": "', asked, '", "seconds": ', seconds, ', "fastest_block": ', &
      fastest, '}'
  end subroutine run

  !> Whether a line of two words asks for the second of two choices.
  logical function chosen(first, second)
    character(len=*), intent(in) :: first, second
    chosen = word(line, 2) == second
    if (.not. chosen .and. word(line, 2) /= first) call refuse('expected '//first//' or '//second//', got "'//line//'"')
    write (output_unit, '(5a)') '{"', word(line, 1), '": "', word(line, 2), '"}'
  end function chosen

  subroutine choose_draws(text)
    character(len=*), intent(in) :: text
    integer :: code
    code = max(verify(text, '0123456789'), merge(1, 0, text == ''))
    if (code == 0) read (text, *, iostat=code) treatment%draws
    if (code /= 0 .or. treatment%draws < 1) call refuse('draws: expected a whole number above 0, got "'//text//'"')
    write (output_unit, '(a)') '{"draws": '//integer_text(treatment%draws)//'}'
  end subroutine choose_draws

  !> Whether the columns have what a work needs.
  pure logical function possible(asked)
    character(len=*), intent(in) :: asked
    possible = asked == 'longwave-clear' .or. (asked == 'shortwave-clear' .and. sunny) .or. &
               (index(asked, '-clear') == 0 .and. cloudy .and. (sunny .or. index(asked, 'longwave') == 1))
    if (asked == 'longwave-given') possible = possible .and. allocated(given_longwave)
    if (asked == 'shortwave-given') possible = possible .and. allocated(given_shortwave)
  end function possible

  !> One block of columns; any number of threads may be in it at once.
  recursive subroutine compute_block(first, last, fastest)
    integer, intent(in) :: first, last
    real(real64), intent(inout) :: fastest
    integer :: block_stat
    character(len=:), allocatable :: block_message
    real(real64) :: started
    block_stat = 0
    started = seconds_now()
    select case (work)
    case ('longwave-subcolumns')
      call draw_subcolumns(first, last, longwave_points, longwave_stream)
    case ('shortwave-subcolumns')
      call draw_subcolumns(first, last, shortwave_points, shortwave_stream)
    case ('shortwave-clear', 'shortwave-mcica', 'shortwave-given')
      call shortwave_block(first, last, block_stat, block_message)
    case default
      call longwave_block(first, last, block_stat, block_message)
    end select
    fastest = min(fastest, seconds_now() - started)
    if (block_stat == 0) return
    !$omp critical (failure)
    if (stat == 0) then
      stat = block_stat
      message = 'columns '//integer_text(first)//' to '//integer_text(last)//': '//block_message
    end if
    !$omp end critical (failure)
  end subroutine compute_block

  !> A block of columns through the longwave's front door.
  recursive subroutine longwave_block(first, last, block_stat, block_message)
    integer, intent(in) :: first, last
    integer, intent(out) :: block_stat
    character(len=:), allocatable, intent(inout) :: block_message
    type(cloud_pointers) :: cloud
    integer :: overlap

    overlap = merge(rrtmg_overlap_analytic, rrtmg_overlap_maximum_random, work == 'longwave-analytic')
    call point_at_clouds(first, last, given_longwave, cloud)
    call longwave%fluxes( &
      columns%pressure_level(first:last, :), columns%temperature_level(first:last, :), &
      columns%pressure_layer(first:last, :), columns%temperature_layer(first:last, :), &
      columns%h2o(first:last, :), columns%o3(first:last, :), columns%co2(first:last, :), &
      columns%ch4(first:last, :), columns%n2o(first:last, :), columns%o2(first:last, :), &
      columns%surface_temperature(first:last), columns%surface_emissivity(first:last), &
      up(first:last, :), down(first:last, :), heating_rate(first:last, :), &
      section(columns%cfc11, first, last), section(columns%cfc12, first, last), &
      section(columns%cfc22, first, last), section(columns%ccl4, first, last), &
      cloud_fraction=cloud%fraction, cloud_liquid_path=cloud%liquid_path, liquid_radius=cloud%liquid_radius, &
      cloud_ice_path=cloud%ice_path, ice_radius=cloud%ice_radius, ice_optics=treatment%ice_optics, overlap=overlap, &
      draws=treatment%draws, subcolumns=cloud%subcolumns, &
      up_clear=cloud%up_clear, down_clear=cloud%down_clear, stat=block_stat, errmsg=block_message)
  end subroutine longwave_block

  !> A block of columns through the shortwave's front door.
  recursive subroutine shortwave_block(first, last, block_stat, block_message)
    integer, intent(in) :: first, last
    integer, intent(out) :: block_stat
    character(len=:), allocatable, intent(inout) :: block_message
    type(cloud_pointers) :: cloud

    call point_at_clouds(first, last, given_shortwave, cloud)
    associate (albedo => columns%surface_albedo(first:last))
      call shortwave%fluxes( &
        columns%pressure_level(first:last, :), columns%pressure_layer(first:last, :), &
        columns%temperature_layer(first:last, :), columns%h2o(first:last, :), columns%o3(first:last, :), &
        columns%co2(first:last, :), columns%ch4(first:last, :), columns%o2(first:last, :), &
        columns%cos_zenith(first:last), irradiance(first:last), albedo, albedo, albedo, albedo, &
        up(first:last, :), down(first:last, :), heating_rate(first:last, :), &
        cloud_fraction=cloud%fraction, cloud_liquid_path=cloud%liquid_path, liquid_radius=cloud%liquid_radius, &
        cloud_ice_path=cloud%ice_path, ice_radius=cloud%ice_radius, ice_optics=treatment%ice_optics, draws=treatment%draws, &
        subcolumns=cloud%subcolumns, &
        up_clear=cloud%up_clear, down_clear=cloud%down_clear, stat=block_stat, errmsg=block_message)
    end associate
  end subroutine shortwave_block

  !> What the clouds of a block are for the work at hand.
  subroutine point_at_clouds(first, last, given, cloud)
    integer, intent(in) :: first, last
    logical, allocatable, target, intent(in) :: given(:, :, :)
    type(cloud_pointers), intent(inout) :: cloud
    if (index(work, '-clear') > 0) return
    if (index(work, '-given') > 0) then
      cloud%subcolumns => given(first:last, :, :)
    else
      cloud%fraction => section(columns%cloud_fraction, first, last)
    end if
    cloud%liquid_path => section(columns%cloud_liquid_path, first, last)
    cloud%liquid_radius => section(columns%liquid_radius, first, last)
    cloud%ice_path => section(columns%cloud_ice_path, first, last)
    cloud%ice_radius => section(columns%ice_radius, first, last)
    cloud%up_clear => up_clear(first:last, :)
    cloud%down_clear => down_clear(first:last, :)
  end subroutine point_at_clouds

  !> Columns first to last of what a set may not have: a pointer to nothing.
  function section(values, first, last) result(block)
    real(real64), allocatable, target, intent(in) :: values(:, :)
    integer, intent(in) :: first, last
    real(real64), pointer :: block(:, :)
    nullify (block)
    if (allocated(values)) block => values(first:last, :)
  end function section

  !> Subcolumns of one draw, and nothing done with them.
  recursive subroutine draw_subcolumns(first, last, points, stream)
    integer, intent(in) :: first, last, points, stream
    type(overlap_plan) :: plan
    real(wp), allocatable :: subcolumn(:, :)
    integer :: i
    allocate (subcolumn(points, n_layers))
    do i = first, last
      call plan_overlap(n_layers, columns%cloud_fraction(i, :), rrtmg_overlap_maximum_random, plan)
      call fill_subcolumns(plan, n_layers, seed_of_number(int(i, int64)), 1, stream, 1, points, subcolumn)
    end do
  end subroutine draw_subcolumns

  !> As many columns as were asked for: the first of the file, or those of the file again and again.
  subroutine take_columns()
    integer :: i
    integer, allocatable :: order(:)
    if (n_columns == columns%n_columns()) return
    order = [(1 + mod(i - 1, columns%n_columns()), i=1, n_columns)]
    call take(columns%pressure_level, order)
    call take(columns%temperature_level, order)
    call take(columns%pressure_layer, order)
    call take(columns%temperature_layer, order)
    call take(columns%h2o, order)
    call take(columns%o3, order)
    call take(columns%co2, order)
    call take(columns%ch4, order)
    call take(columns%n2o, order)
    call take(columns%o2, order)
    call take(columns%cfc11, order)
    call take(columns%cfc12, order)
    call take(columns%cfc22, order)
    call take(columns%ccl4, order)
    call take(columns%cloud_fraction, order)
    call take(columns%cloud_liquid_path, order)
    call take(columns%cloud_ice_path, order)
    call take(columns%liquid_radius, order)
    call take(columns%ice_radius, order)
    call take_single(columns%surface_temperature, order)
    call take_single(columns%surface_emissivity, order)
    call take_single(columns%surface_albedo, order)
    call take_single(columns%cos_zenith, order)
    call take_single(columns%solar_irradiance, order)
  end subroutine take_columns

  subroutine take(values, order)
    real(real64), allocatable, intent(inout) :: values(:, :)
    integer, intent(in) :: order(:)
    if (allocated(values)) values = values(order, :)
  end subroutine take

  subroutine take_single(values, order)
    real(real64), allocatable, intent(inout) :: values(:)
    integer, intent(in) :: order(:)
    if (allocated(values)) values = values(order)
  end subroutine take_single

  !> Tables, and room for results, touched so that the first pass need not.
  subroutine prepare()
    call longwave%load(chosen_data_file(arguments%option('--tables'), 'rrtmg_longwave.nc'), stat=stat, errmsg=message)
    call stop_on_failure()
    cloudy = columns%has_clouds()
    sunny = columns%missing_for_shortwave() == ''
    if (sunny) then
      call shortwave%load(chosen_data_file(arguments%option('--shortwave-tables'), 'rrtmg_shortwave.nc'), stat=stat, &
                          errmsg=message)
      call stop_on_failure()
      allocate (irradiance(n_columns), source=mean_irradiance)
      if (allocated(columns%solar_irradiance)) irradiance = columns%solar_irradiance
    end if
    allocate (up(n_columns, n_layers + 1), source=0.0_real64)
    allocate (down, up_clear, down_clear, source=up)
    allocate (heating_rate(n_columns, n_layers), source=0.0_real64)
  end subroutine prepare

  !> Which layers the g-points of each column see clouded.
  subroutine read_subcolumns(asked, path)
    character(len=*), intent(in) :: asked, path
    integer(int8), allocatable :: bytes(:, :, :)
    integer :: unit, code, n_points
    if (asked /= 'longwave-given' .and. asked /= 'shortwave-given') then
      call refuse('subcolumns: expected longwave-given or shortwave-given, got "'//asked//'"')
    end if
    n_points = merge(longwave_points, shortwave_points, asked == 'longwave-given')
    allocate (bytes(n_columns, n_layers, n_points))
    open (newunit=unit, file=path, access='stream', form='unformatted', status='old', action='read', iostat=code)
    if (code == 0) read (unit, iostat=code) bytes
    if (code /= 0) then
      call stop_with_message(name, path//': expected a byte for each of '//integer_text(n_columns)//' columns, '// &
                             integer_text(n_layers)//' layers and '//integer_text(n_points)//' g-points', status_bad_file)
    end if
    close (unit)
    if (asked == 'longwave-given') then
      given_longwave = bytes /= 0_int8
    else
      given_shortwave = bytes /= 0_int8
    end if
    write (output_unit, '(a)') '{"subcolumns": "'//asked//'"}'
  end subroutine read_subcolumns

  !> Fluxes and heating rates of the last pass.
  subroutine write_results(path)
    character(len=*), intent(in) :: path
    type(netcdf_file) :: file
    logical :: with_clear
    with_clear = index(work, '-clear') == 0
    call file%create(path)
    call file%put_attribute('Conventions', 'CF-1.11')
    call file%put_attribute('title', 'RRTMG, '//work)
    call file%put_attribute('source', name//' '//project_version)
    call file%define_dimension('column', n_columns)
    call file%define_dimension('layer', n_layers)
    call file%define_dimension('level', n_layers + 1)
    call file%define_variable('up', 'column level', 'W m-2', long_name='upward flux')
    call file%define_variable('down', 'column level', 'W m-2', long_name='downward flux')
    call file%define_variable('heating_rate', 'column layer', 'K day-1', long_name='heating rate')
    if (with_clear) then
      call file%define_variable('up_clear', 'column level', 'W m-2', long_name='upward flux without clouds')
      call file%define_variable('down_clear', 'column level', 'W m-2', long_name='downward flux without clouds')
    end if
    call file%end_definitions()
    call file%write('up', up)
    call file%write('down', down)
    call file%write('heating_rate', heating_rate)
    if (with_clear) then
      call file%write('up_clear', up_clear)
      call file%write('down_clear', down_clear)
    end if
    call file%close()
    call file%report(stat, message)
    call stop_on_failure()
  end subroutine write_results

  !> What was built and what is run.
  subroutine say_facts()
    integer :: i
    character(len=:), allocatable :: names
    names = ''
    do i = 1, size(works)
      if (possible(trim(works(i)))) names = names//', "'//trim(works(i))//'"'
    end do
    write (output_unit, '(a)') '{"program": "'//name//' '//project_version//'", "kind": "real'// &
      integer_text(storage_size(1.0_wp))//'", "columns": '//integer_text(n_columns)//', "layers": '//integer_text(n_layers)// &
      ', "columns_per_block": '//integer_text(columns_per_block)//', "compiler": "'//json_text(compiler_version())// &
      '", "compiler_options": "'//json_text(rrtmg_compile_flags)//'", "build_type": "'//json_text(build_type)// &
      '", "works": ['//names(3:)//']}'
    flush (output_unit)
  end subroutine say_facts

  !> A line of any length; not allocated at the end.
  subroutine read_line(unit, line)
    integer, intent(in) :: unit
    character(len=:), allocatable, intent(out) :: line
    character(len=200) :: part
    integer :: length, code
    line = ''
    do
      read (unit, '(a)', advance='no', size=length, iostat=code) part
      if (code == iostat_end) exit
      line = line//part(:length)
      if (code /= 0) return ! the end of the line
    end do
    deallocate (line)
  end subroutine read_line

  !> The n-th word of a line; the last one reaches to its end.
  pure function word(line, n) result(text)
    character(len=*), intent(in) :: line
    integer, intent(in) :: n
    character(len=:), allocatable :: text
    integer :: i, space
    text = adjustl(line)
    do i = 1, n
      space = index(trim(text), ' ')
      if (i == n .and. (n == 3 .or. space == 0)) exit
      if (i == n) then
        text = text(:space - 1)
      else if (space == 0) then
        text = ''
      else
        text = adjustl(text(space:))
      end if
    end do
    text = trim(text)
  end function word

  pure function list_of(names) result(text)
    character(len=*), intent(in) :: names(:)
    character(len=:), allocatable :: text
    integer :: i
    text = trim(names(1))
    do i = 2, size(names)
      text = text//', '//trim(names(i))
    end do
  end function list_of

  !> Text within the quotes of JSON.
  pure function json_text(text) result(escaped)
    character(len=*), intent(in) :: text
    character(len=:), allocatable :: escaped
    integer :: i
    escaped = ''
    do i = 1, len(text)
      if (text(i:i) == '"' .or. text(i:i) == achar(92)) escaped = escaped//achar(92)
      escaped = escaped//text(i:i)
    end do
  end function json_text

  pure function long_text(value) result(text)
    integer(int64), intent(in) :: value
    character(len=:), allocatable :: text
    character(len=20) :: digits
    write (digits, '(i0)') value
    text = trim(digits)
  end function long_text

  !> Memory of this process by a key of Linux's /proc/self/status [KiB]; zero where there is none.
  function memory_now(key) result(kib)
    character(len=*), intent(in) :: key
    integer(int64) :: kib
    character(len=200) :: entry
    integer :: unit, code
    kib = 0
    open (newunit=unit, file='/proc/self/status', status='old', action='read', iostat=code)
    if (code /= 0) return
    do
      read (unit, '(a)', iostat=code) entry
      if (code /= 0) exit
      if (index(entry, key) == 1) read (entry(len(key) + 1:), *, iostat=code) kib
    end do
    close (unit)
  end function memory_now

  !> Lets the peak count from now on, where Linux does it.
  subroutine clear_peak_memory()
    integer :: unit, code
    open (newunit=unit, file='/proc/self/clear_refs', status='old', action='write', iostat=code)
    if (code /= 0) return
    write (unit, '(a)', iostat=code) '5'
    close (unit, iostat=code)
  end subroutine clear_peak_memory

  subroutine refuse(words)
    character(len=*), intent(in) :: words
    call stop_with_message(name, words, status_bad_configuration)
  end subroutine refuse

  subroutine stop_on_failure()
    if (stat /= 0) call stop_with_message(name, message, stat)
  end subroutine stop_on_failure

end program radml_bench_rrtmg_program
