!> The host's namelist: every key with its meaning and default, read so that a mistake gives one line that names the key.
!!
!! A namelist READ tells of an unknown or unreadable key in the compiler's own words, or not at all. So the group is split into its
!! assignments here, and each is read by itself: the message names the key and the value whatever the compiler.
module configuration
  use, intrinsic :: iso_fortran_env, only: iostat_end, iostat_eor, real64
  use host_status, only: status_bad_configuration, status_success, fail, integer_text, real_text
  use operating_system, only: same_file
  use radiation, only: automatic_block
  use surface, only: surface_parameters
  use weather, only: weather_parameters
  implicit none
  private

  public :: host_configuration

  integer, parameter :: longest_text = 4096

  type :: host_configuration
    character(len=:), allocatable :: columns            !! column file to start from [path] ()
    character(len=:), allocatable :: scheme             !! rrtmg, network, guarded or shadow [text] ()
    character(len=:), allocatable :: sky                !! clear (its longwave alone) or all (both spectra, clouds) [text] ()
    character(len=:), allocatable :: model              !! network, for scheme = 'network' [path] ()
    character(len=:), allocatable :: tables             !! RRTMG's tables; empty for those that came along [path] ()
    character(len=:), allocatable :: history            !! file to write [path] ()
    real(real64) :: time_step = 600.0_real64            !! [s] ()
    real(real64) :: hours = 24.0_real64                 !! length of the run [hour] ()
    real(real64) :: radiation_interval = 3600.0_real64  !! between two calls of radiation [s] ()
    real(real64) :: history_interval = 3600.0_real64    !! between two records of the history [s] ()
    integer :: columns_per_block = automatic_block !! columns that one call of radiation takes [1] ()
    integer :: threads = 0                              !! OpenMP threads; 0 for what OpenMP itself takes [1] ()
    integer :: mcica_seed = 0                           !! other clouds drawn by RRTMG for each; 0: by values alone [1] ()
    character(len=:), allocatable :: sunlight           !! diurnal or fixed [text] ()
    real(real64) :: start_hour = 12.0_real64            !! local solar time at the start [hour] ()
    real(real64) :: day_of_year = 80.0_real64           !! [day] ()
    character(len=:), allocatable :: on_failure         !! stop, or restart the column that failed [text] ()
    character(len=:), allocatable :: replay             !! file for refused and wrong columns; empty: none [path] ()
    integer :: replay_columns = 2000                    !! that it has at most [1] ()
    real(real64) :: replay_limit = 5.0_real64           !! heating error of a wrong column, in shadow [K day-1] ()
    real(real64) :: replay_sample = 0.0_real64          !! share of all other columns that is recorded too [1] ()
    character(len=:), allocatable :: physics            !! dry, or moist with clouds that follow [text] ()
    type(surface_parameters) :: surface                 !! [various] ()
    type(weather_parameters) :: weather                 !! of moist physics [various] ()
    character(len=:), allocatable :: restart            !! file to write from which a run can go on; empty: none [path] ()
    character(len=:), allocatable :: start_from         !! such a file to go on from; empty: none [path] ()
    real(real64) :: restart_interval = 86400.0_real64   !! between two states of it [s] ()
    integer :: n_steps = 0                              !! time steps of the run [1] ()
    integer :: steps_per_radiation = 0                  !! [1] ()
    integer :: steps_per_history = 0                    !! [1] ()
    integer :: steps_per_restart = 0                    !! [1] ()
  contains
    procedure :: read => read_configuration
  end type host_configuration

contains

  !> Reads and checks the namelist group `host` of a file.
  subroutine read_configuration(self, path, stat, errmsg)
    class(host_configuration), intent(inout) :: self         !! [various] ()
    character(len=*), intent(in) :: path                     !! [path] ()
    integer, intent(out) :: stat                             !! 0, or `status_bad_configuration` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()

    character(len=longest_text) :: columns, scheme, sky, model, tables, history, sunlight, physics, restart, start_from, &
      on_failure, replay
    real(real64) :: time_step, hours, radiation_interval, history_interval, start_hour, day_of_year
    real(real64) :: surface_heat_capacity, transmissivity, transfer_coefficient, wind_speed, surface_albedo
    real(real64) :: sea_heat_capacity, land_wetness, weather_strength, weather_memory, relaxation_days, restart_interval, &
      replay_limit, replay_sample
    integer :: columns_per_block, threads, seed, replay_columns, mcica_seed
    namelist /host/ columns, scheme, sky, model, tables, history, time_step, hours, radiation_interval, history_interval, &
      columns_per_block, threads, sunlight, start_hour, day_of_year, surface_heat_capacity, transmissivity, &
      transfer_coefficient, wind_speed, surface_albedo, physics, sea_heat_capacity, land_wetness, weather_strength, &
      weather_memory, relaxation_days, seed, restart, start_from, restart_interval, on_failure, replay, replay_columns, &
      replay_limit, replay_sample, mcica_seed
    character(len=*), parameter :: known_keys = ' columns scheme sky model tables history time_step hours radiation_interval '// &
      'history_interval columns_per_block threads sunlight start_hour day_of_year surface_heat_capacity transmissivity '// &
      'transfer_coefficient wind_speed surface_albedo physics sea_heat_capacity land_wetness weather_strength '// &
      'weather_memory relaxation_days seed restart start_from restart_interval on_failure replay replay_columns '// &
      'replay_limit replay_sample mcica_seed '

    character(len=:), allocatable :: group
    integer :: position

    columns = ''
    scheme = 'rrtmg'
    sky = 'clear'
    model = ''
    tables = ''
    history = ''
    sunlight = 'diurnal'
    physics = 'dry'
    restart = ''
    start_from = ''
    restart_interval = self%restart_interval
    on_failure = 'stop'
    replay = ''
    replay_columns = self%replay_columns
    replay_limit = self%replay_limit
    replay_sample = self%replay_sample
    mcica_seed = self%mcica_seed
    sea_heat_capacity = self%surface%sea_heat_capacity
    land_wetness = self%surface%land_wetness
    weather_strength = self%weather%strength
    weather_memory = self%weather%memory
    relaxation_days = self%weather%relaxation_days
    seed = self%weather%seed
    time_step = self%time_step
    hours = self%hours
    radiation_interval = self%radiation_interval
    history_interval = self%history_interval
    columns_per_block = self%columns_per_block
    threads = self%threads
    start_hour = self%start_hour
    day_of_year = self%day_of_year
    surface_heat_capacity = self%surface%heat_capacity
    transmissivity = self%surface%transmissivity
    transfer_coefficient = self%surface%transfer_coefficient
    wind_speed = self%surface%wind_speed
    surface_albedo = self%surface%albedo

    call read_group(path, 'host', group, stat, errmsg)
    if (stat /= 0) return
    position = 1
    do while (position <= len(group))
      call read_next_assignment()
      if (stat /= 0) return
    end do

    call positive('time_step', time_step)
    call positive('hours', hours)
    call positive('surface_heat_capacity', surface_heat_capacity)
    call check(columns_per_block >= 1 .or. columns_per_block == automatic_block, 'columns_per_block', '1 or more', &
               integer_text(columns_per_block))
    call check(threads >= 0 .and. threads <= 1024, 'threads', '0 to 1024', integer_text(threads))
    call check(mcica_seed >= 0, 'mcica_seed', '0 or more', integer_text(mcica_seed))
    call check(start_hour >= 0.0_real64 .and. start_hour <= 24.0_real64, 'start_hour', '0 to 24', real_text(start_hour))
    call check(day_of_year >= 1.0_real64 .and. day_of_year <= 366.0_real64, 'day_of_year', '1 to 366', real_text(day_of_year))
    call fraction('transmissivity', transmissivity)
    call fraction('transfer_coefficient', transfer_coefficient)
    call fraction('surface_albedo', surface_albedo)
    call positive('sea_heat_capacity', sea_heat_capacity)
    call fraction('land_wetness', land_wetness)
    call check(weather_strength >= 0.0_real64 .and. weather_strength <= 10.0_real64, 'weather_strength', '0 to 10', &
               real_text(weather_strength))
    call positive('weather_memory', weather_memory)
    call check(relaxation_days >= 0.0_real64 .and. relaxation_days <= 1.0e4_real64, 'relaxation_days', '0 to 10000', &
               real_text(relaxation_days))
    call check(physics == 'dry' .or. physics == 'moist', 'physics', "'dry' or 'moist'", "'"//trim(physics)//"'")
    call check(physics == 'dry' .or. sky == 'all', 'sky', "'all', which physics = 'moist' needs", "'"//trim(sky)//"'")
    call check(wind_speed >= 0.0_real64 .and. wind_speed <= 200.0_real64, 'wind_speed', '0 to 200', real_text(wind_speed))
    call check(any(scheme == [character(len=7) :: 'rrtmg', 'network', 'guarded', 'shadow']), 'scheme', &
               "'rrtmg', 'network', 'guarded' or 'shadow'", "'"//trim(scheme)//"'")
    call check(scheme /= 'guarded' .or. sky == 'all', 'sky', "'all', which scheme = 'guarded' needs", "'"//trim(sky)//"'")
    call check(on_failure == 'stop' .or. on_failure == 'restart', 'on_failure', "'stop' or 'restart'", "'"//trim(on_failure)//"'")
    call check(replay == '' .or. (scheme /= 'rrtmg' .and. sky == 'all'), 'replay', &
               "sky = 'all' and scheme = 'guarded', 'shadow' or 'network' with it", &
               "scheme = '"//trim(scheme)//"', sky = '"//trim(sky)//"'")
    call fraction('replay_sample', replay_sample)
    call check(replay == '' .or. scheme /= 'network' .or. replay_sample > 0.0_real64, 'replay_sample', &
               "more than 0 (scheme = 'network' refuses no columns that could be recorded)", real_text(replay_sample))
    call check(replay_columns >= 1 .and. replay_columns <= 1000000, 'replay_columns', '1 to 1000000', integer_text(replay_columns))
    call positive('replay_limit', replay_limit)
    call check(sky == 'clear' .or. sky == 'all', 'sky', "'clear' or 'all'", "'"//trim(sky)//"'")
    call check(sunlight == 'diurnal' .or. sunlight == 'fixed' .or. sunlight == 'globe', 'sunlight', &
               "'diurnal', 'globe' or 'fixed'", "'"//trim(sunlight)//"'")
    call check(columns /= '', 'columns', 'the path of a column file', 'nothing')
    call check(history /= '', 'history', 'the path of a file to write', 'nothing')
    call distinct('history', history, 'restart', restart)
    call distinct('history', history, 'replay', replay)
    call distinct('restart', restart, 'replay', replay)
    call not_read('history', history)
    call not_read('restart', restart)
    call not_read('replay', replay)
    call distinct('history', history, 'start_from', start_from)
    call distinct('replay', replay, 'start_from', start_from)
    call check(scheme == 'rrtmg' .or. model /= '', 'model', "the path of a model (scheme = '"//trim(scheme)//"' needs one)", &
               'nothing')
    call multiple('hours', hours*3600.0_real64, self%n_steps)
    call multiple('radiation_interval', radiation_interval, self%steps_per_radiation)
    call multiple('history_interval', history_interval, self%steps_per_history)
    if (restart /= '') call multiple('restart_interval', restart_interval, self%steps_per_restart)
    if (stat == 0 .and. restart /= '') &
      call check(mod(self%steps_per_restart, self%steps_per_radiation) == 0, 'restart_interval', &
                 'a multiple of radiation_interval ('//real_text(radiation_interval)//' s)', real_text(restart_interval)//' s')
    if (stat /= 0) return
    call readable('columns', columns)
    if (scheme /= 'rrtmg') call readable('model', model)
    if (start_from /= '') call readable('start_from', start_from)
    if (stat /= 0) return

    self%columns = trim(columns)
    self%scheme = trim(scheme)
    self%sky = trim(sky)
    self%model = trim(model)
    self%tables = trim(tables)
    self%history = trim(history)
    self%sunlight = trim(sunlight)
    self%time_step = time_step
    self%hours = hours
    self%radiation_interval = radiation_interval
    self%history_interval = history_interval
    self%columns_per_block = columns_per_block
    self%threads = threads
    self%start_hour = start_hour
    self%day_of_year = day_of_year
    self%physics = trim(physics)
    self%restart = trim(restart)
    self%on_failure = trim(on_failure)
    self%replay = trim(replay)
    self%replay_columns = replay_columns
    self%replay_limit = replay_limit
    self%replay_sample = replay_sample
    self%mcica_seed = mcica_seed
    self%start_from = trim(start_from)
    self%restart_interval = restart_interval
    self%surface = surface_parameters(surface_heat_capacity, transmissivity, transfer_coefficient, wind_speed, surface_albedo, &
                                      sea_heat_capacity, land_wetness)
    self%weather = weather_parameters(weather_strength, weather_memory, relaxation_days, seed)

  contains

    !> Reads one `key = value` of the group and moves on to the next.
    subroutine read_next_assignment()
      integer :: equals, next, code
      character(len=:), allocatable :: key, value, assignment
      character(len=200) :: ignored

      equals = find_outside_quotes(group, '=', position)
      if (equals == 0) then
        call fail(status_bad_configuration, path//': expected key = value, got "'//trim(adjustl(group(position:)))//'"', &
                  stat, errmsg)
        return
      end if
      key = lower_case(trim(adjustl(group(position:equals - 1))))
      next = find_outside_quotes(group, '=', equals + 1)
      if (next == 0) then
        next = len(group) + 1
      else
        next = start_of_word_before(group, next, equals)
      end if
      value = without_trailing_comma(group(equals + 1:next - 1))
      if (index(known_keys, ' '//key//' ') == 0 .or. scan(key, ' ,') > 0) then
        call fail(status_bad_configuration, path//': unknown key "'//key//'" in namelist group "host"', stat, errmsg)
        return
      end if
      assignment = '&host '//key//' = '//value//' /'
      read (assignment, nml=host, iostat=code, iomsg=ignored)
      if (code /= 0 .or. value == '') then
        call fail(status_bad_configuration, path//': key "'//key//'": cannot take the value '//value, stat, errmsg)
        return
      end if
      position = next
    end subroutine read_next_assignment

    subroutine check(ok, key, expected, came)
      logical, intent(in) :: ok
      character(len=*), intent(in) :: key, expected, came
      if (stat /= 0 .or. ok) return
      call fail(status_bad_configuration, path//': key "'//key//'": expected '//expected//', got '//came, stat, errmsg)
    end subroutine check

    !> A file that is written must not be one that is read.
    subroutine not_read(key, path)
      character(len=*), intent(in) :: key, path
      call distinct(key, path, 'columns', columns)
      call distinct(key, path, 'model', model)
      call distinct(key, path, 'tables', tables)
    end subroutine not_read

    subroutine distinct(key, path, other_key, other_path)
      character(len=*), intent(in) :: key, path, other_key, other_path
      logical :: is_same
      if (path == '') return
      is_same = same_file(trim(path), trim(other_path))
      call check(.not. is_same, key, 'another file than '//other_key, "'"//trim(path)//"'")
    end subroutine distinct

    subroutine positive(key, value)
      character(len=*), intent(in) :: key
      real(real64), intent(in) :: value
      call check(value > 0.0_real64 .and. value < huge(value), key, 'more than 0', real_text(value))
    end subroutine positive

    subroutine fraction(key, value)
      character(len=*), intent(in) :: key
      real(real64), intent(in) :: value
      call check(value >= 0.0_real64 .and. value <= 1.0_real64, key, '0 to 1', real_text(value))
    end subroutine fraction

    subroutine multiple(key, seconds, n)
      character(len=*), intent(in) :: key
      real(real64), intent(in) :: seconds
      integer, intent(out) :: n
      n = 0
      if (stat /= 0) return
      if (seconds > 0.0_real64 .and. seconds/time_step < 0.5_real64*huge(n)) n = nint(seconds/time_step)
      call check(n >= 1 .and. abs(n*time_step - seconds) <= 1.0e-6_real64*time_step, key, &
                 'a multiple of time_step ('//real_text(time_step)//' s)', real_text(seconds)//' s')
    end subroutine multiple

    subroutine readable(key, file)
      character(len=*), intent(in) :: key, file
      logical :: exists
      inquire (file=trim(file), exist=exists)
      call check(exists, key, 'a file that is there', trim(file)//' (no such file)')
    end subroutine readable

  end subroutine read_configuration

  !> What stands between `&name` and its `/`, without comments and with its lines joined by blanks.
  subroutine read_group(path, name, group, stat, errmsg)
    character(len=*), intent(in) :: path, name
    character(len=:), allocatable, intent(out) :: group
    integer, intent(out) :: stat
    character(len=:), allocatable, intent(inout) :: errmsg
    integer :: unit, code, first, last
    logical :: exists
    character(len=:), allocatable :: whole
    character(len=longest_text) :: line

    group = ''
    whole = ''
    stat = status_success
    inquire (file=path, exist=exists)
    if (.not. exists) then
      call fail(status_bad_configuration, path//': no such file', stat, errmsg)
      return
    end if
    open (newunit=unit, file=path, action='read', status='old', iostat=code)
    if (code /= 0) then
      call fail(status_bad_configuration, path//': cannot be read', stat, errmsg)
      return
    end if
    do
      read (unit, '(a)', iostat=code) line
      if (code == iostat_end) exit
      if (code /= 0 .and. code /= iostat_eor) then
        close (unit)
        call fail(status_bad_configuration, path//': is no text file that can be read', stat, errmsg)
        return
      end if
      do first = 1, len_trim(line)
        if (iachar(line(first:first)) < 32) line(first:first) = ' '  ! tabs, and the CR of files from elsewhere
      end do
      last = find_outside_quotes(line, '!', 1) - 1
      if (last < 0) last = len_trim(line)
      whole = whole//line(:last)//' '
    end do
    close (unit)

    first = index(lower_case(whole), '&'//name//' ')
    if (first == 0) then
      call fail(status_bad_configuration, path//': no namelist group "&'//name//'"', stat, errmsg)
      return
    end if
    first = first + len(name) + 1
    last = find_outside_quotes(whole, '/', first)
    if (last == 0) then
      call fail(status_bad_configuration, path//': namelist group "&'//name//'" does not end in "/"', stat, errmsg)
      return
    end if
    group = trim(whole(first:last - 1))
  end subroutine read_group

  !> Where a character next stands outside quotes, from a position on; 0 if nowhere.
  pure function find_outside_quotes(text, what, from) result(position)
    character(len=*), intent(in) :: text
    character(len=1), intent(in) :: what
    integer, intent(in) :: from
    integer :: position
    character(len=1) :: quote
    integer :: i
    position = 0
    quote = ' '
    do i = from, len(text)
      if (quote /= ' ') then
        if (text(i:i) == quote) quote = ' '
      else if (text(i:i) == what) then
        position = i
        return
      else if (text(i:i) == '"' .or. text(i:i) == "'") then
        quote = text(i:i)
      end if
    end do
  end function find_outside_quotes

  !> Where the word before a position starts, not before a lower bound.
  pure function start_of_word_before(text, position, lower) result(start)
    character(len=*), intent(in) :: text
    integer, intent(in) :: position, lower
    integer :: start
    start = position - 1
    do while (start > lower + 1 .and. text(start:start) == ' ')
      start = start - 1
    end do
    do while (start > lower + 1 .and. scan(text(start - 1:start - 1), ' ,''"') == 0)
      start = start - 1
    end do
  end function start_of_word_before

  pure function without_trailing_comma(text) result(trimmed)
    character(len=*), intent(in) :: text
    character(len=:), allocatable :: trimmed
    trimmed = trim(adjustl(text))
    if (len(trimmed) > 0) then
      if (trimmed(len(trimmed):) == ',') trimmed = trim(trimmed(:len(trimmed) - 1))
    end if
  end function without_trailing_comma

  pure function lower_case(text) result(lower)
    character(len=*), intent(in) :: text
    character(len=len(text)) :: lower
    integer :: i
    lower = text
    do i = 1, len(text)
      if (text(i:i) >= 'A' .and. text(i:i) <= 'Z') lower(i:i) = achar(iachar(text(i:i)) + 32)
    end do
  end function lower_case

end module configuration
