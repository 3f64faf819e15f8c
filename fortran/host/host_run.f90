!> The run of a host, on one rank or on several.
module host_run
  use, intrinsic :: iso_c_binding, only: c_int
  use, intrinsic :: ieee_arithmetic, only: ieee_is_finite
  use, intrinsic :: iso_fortran_env, only: output_unit, real64
  use column_file, only: column_set
  use command_line, only: argument_list, history_entry
  use communicators, only: communicator
  use configuration, only: host_configuration
  use flux_file, only: spectrum_fluxes
  use history, only: history_file
  use host_state, only: column_state
  use host_status, only: status_bad_configuration, fail, integer_text, real_text, tell
  use omp_lib, only: omp_get_max_threads
  use operating_system, only: end_process
  use physical_constants, only: seconds_per_day
  use progress, only: progress_line, seconds_now
  use radiation, only: automatic_block, fitting_block, radiation_scheme
  use radml_guard, only: guard_last_rule, guard_rule_name
  use random_numbers, only: uniform_number
  use replay, only: replay_recorder
  use restart_file, only: read_restart, write_restart
  implicit none
  private

  public :: run_host

  integer, parameter :: replay_purpose = 1000  ! of random numbers; those of the weather count from 1

  !> All that a run has.
  type :: run
    class(communicator), pointer :: ranks => null()
    type(host_configuration) :: case
    type(column_state) :: state
    type(radiation_scheme) :: scheme
    type(history_file) :: file
    type(replay_recorder) :: recorder
    integer :: n_columns = 0  ! of all ranks
    integer :: n_threads = 1
    integer :: n_calls = 0    ! of radiation
    logical :: cloudless = .false.  ! nothing of all sky's clouds came with the columns, nor will
    real(real64) :: started = 0.0_real64
    real(real64) :: radiation_seconds = 0.0_real64
    real(real64) :: counts(guard_last_rule + 2) = 0.0_real64  ! refused by each rule, failed, recorded; of all ranks
  contains
    procedure :: set_up
    procedure :: go
    procedure :: sum_up
    procedure :: record_columns
  end type run

contains

  !> Runs the case that the command line names, and ends the program with a message where that fails.
  subroutine run_host(name, ranks)
    character(len=*), intent(in) :: name                     !! of the program [text] ()
    class(communicator), intent(inout), target :: ranks      !! not yet joined [ranks] ()
    character(len=:), allocatable :: usage
    type(argument_list) :: arguments
    type(run) :: this
    type(progress_line) :: line
    integer :: stat
    character(len=:), allocatable :: message

    call ranks%start()
    this%ranks => ranks
    usage = 'usage: '//name//' case.nml'
    call arguments%parse([''], stat, message)
    if (stat == 0 .and. arguments%help) then
      if (ranks%is_root()) write (output_unit, '(a)') usage
      call ranks%finish()
      return
    end if
    if (stat == 0 .and. arguments%count() /= 1) &
      call fail(status_bad_configuration, 'expected one file, got '//integer_text(arguments%count())//'; '//usage, stat, message)
    if (stat == 0) call this%set_up(arguments%get(1), stat, message)
    call ranks%agree(stat, message)
    if (stat == 0) then
      if (ranks%is_root()) call line%start()
      call this%go(name, line, stat, message)
      call line%finish()
    end if
    if (stat == 0) call this%file%close(stat, message)
    call ranks%agree(stat, message)
    if (stat /= 0) then
      call this%file%abandon()
      ! Before any rank ends: mpirun kills the others then.
      if (ranks%is_root()) call tell(name, message)
      call ranks%finish()
      call end_process(int(stat, c_int))
    end if
    call this%sum_up(name)
    call ranks%finish()
  end subroutine run_host

  !> Reads the case, its columns, and what radiation needs; opens the history.
  subroutine set_up(self, path, stat, errmsg)
    class(run), intent(inout) :: self
    character(len=*), intent(in) :: path
    integer, intent(out) :: stat
    character(len=:), allocatable, intent(inout) :: errmsg
    type(column_set) :: columns
    integer :: first, last, i

    call self%case%read(path, stat, errmsg)
    if (stat /= 0) return
    associate (case => self%case)
      call columns%read(case%columns, stat, errmsg)
      if (stat /= 0) return
      self%n_columns = columns%n_columns()
      self%cloudless = case%sky == 'all' .and. case%physics == 'dry' .and. .not. columns%has_clouds()
      if (case%columns_per_block == automatic_block) case%columns_per_block = fitting_block(self%n_columns)
      call self%ranks%share_of(self%n_columns, first, last)
      if (self%n_columns < self%ranks%size) then
        call fail(status_bad_configuration, case%columns//': expected a column or more for each of '// &
                  integer_text(self%ranks%size)//' ranks, got '//integer_text(self%n_columns), stat, errmsg)
        return
      end if
      if (self%ranks%size > 1) columns = columns%pick([(i, i=first, last)])
      if (case%threads == 0) case%threads = default_threads(self%ranks%size)
      self%n_threads = case%threads
      self%scheme%mcica_seed = case%mcica_seed
      call self%scheme%setup(case%scheme, case%tables, case%model, case%columns_per_block, self%n_threads, stat, errmsg, &
                             case%sky == 'all')
      if (stat /= 0) return
      call self%state%start(columns, case, stat, errmsg, first)
      if (stat /= 0) return
      if (case%start_from /= '') then
        call read_restart(case%start_from, self%state, case%time_step, self%n_columns, stat, errmsg)
        if (stat /= 0) return
        if (self%state%step_number > case%n_steps .or. mod(self%state%step_number, case%steps_per_radiation) /= 0) then
          call fail(status_bad_configuration, case%start_from//': expected a state not beyond the end of the run, at a call of '// &
                    'radiation, got one '//real_text(self%state%seconds()/3600.0_real64)//' hours after the start', stat, errmsg)
          return
        end if
      end if
      call self%recorder%open(case%replay, case%replay_columns, self%state%columns, self%ranks%rank, self%ranks%size, stat, errmsg)
      if (stat /= 0) return
      call self%file%create(self%state, case, history_entry(), self%ranks, self%n_columns, stat, errmsg)
    end associate
  end subroutine set_up

  !> As many as OpenMP takes; one for each of several ranks where nobody says, since each would take all of the machine's.
  integer function default_threads(n_ranks)
    integer, intent(in) :: n_ranks
    integer :: length
    default_threads = omp_get_max_threads()
    call get_environment_variable('OMP_NUM_THREADS', length=length)
    if (n_ranks > 1 .and. length == 0) default_threads = 1
  end function default_threads

  !> Steps to the end.
  subroutine go(self, name, line, stat, errmsg)
    class(run), intent(inout) :: self
    character(len=*), intent(in) :: name
    type(progress_line), intent(inout) :: line
    integer, intent(out) :: stat
    character(len=:), allocatable, intent(inout) :: errmsg
    real(real64) :: before, passed
    integer :: step, first_step

    stat = 0
    self%started = seconds_now()
    first_step = self%state%step_number
    associate (case => self%case, state => self%state)
      do step = first_step, case%n_steps
        if (case%restart /= '' .and. step > first_step) then
          if (mod(step, case%steps_per_restart) == 0) call write_restart(case%restart, state, case%time_step, self%ranks, &
                                                                          self%n_columns, stat, errmsg)
          if (stat == 0 .and. mod(step, case%steps_per_restart) == 0) call self%recorder%write(stat, errmsg)
        end if
        if (stat == 0 .and. mod(step, case%steps_per_radiation) == 0) then
          call state%prepare_radiation(case)
          before = seconds_now()
          call self%scheme%compute(state%columns, state%longwave, state%shortwave, stat, errmsg)
          self%radiation_seconds = self%radiation_seconds + seconds_now() - before
          self%n_calls = self%n_calls + 1
          if (stat == 0) call self%record_columns()
          if (stat == 0 .and. case%on_failure == 'restart') then
            call state%put_back_failed()
          else if (stat == 0) then
            call state%check_radiation(stat, errmsg)
          end if
        end if
        call self%ranks%agree(stat, errmsg)
        if (stat /= 0) return
        if (mod(step, case%steps_per_history) == 0) then
          call state%update_sunlight(case)
          call self%file%record(state, self%scheme, stat, errmsg)
        end if
        passed = seconds_now() - self%started
        call line%show(name//': '//real_text(state%seconds()/3600.0_real64, 1)//' of '//real_text(case%hours)//' hours, '// &
                       real_text((step - first_step)*case%time_step/seconds_per_day*60.0_real64/max(passed, 1.0e-3_real64), 1)// &
                       ' simulated days per minute, '//real_text(self%radiation_seconds, 1)//' s of '//real_text(passed, 1)// &
                       ' s in radiation')
        if (step < case%n_steps .and. stat == 0) then
          call state%step(case)
          if (case%on_failure == 'restart') then
            call state%put_back_failed()
          else
            call state%check_temperatures(stat, errmsg)
          end if
        end if
        call self%ranks%agree(stat, errmsg)
        if (stat /= 0) return
      end do
      self%counts(:guard_last_rule) = self%scheme%n_refused
      self%counts(guard_last_rule + 1) = count(state%failure_hour >= 0.0_real64)
      self%counts(guard_last_rule + 2) = self%recorder%count()
      call self%ranks%add(self%counts)
      call self%file%record_cost(seconds_now() - self%started, self%radiation_seconds, self%n_calls, &
                                 self%counts(:guard_last_rule))
      call self%recorder%write(stat, errmsg)
    end associate
  end subroutine go

  !> Offers to the replay file the columns that were refused, or in shadow those that the network was wrong about, and a sample of
  !> all others, which does not depend on ranks.
  subroutine record_columns(self)
    class(run), intent(inout) :: self
    logical, allocatable :: offered(:)
    real(real64), allocatable :: worst(:)
    integer :: i, n
    if (.not. self%recorder%wanted()) return
    associate (case => self%case, state => self%state, scheme => self%scheme)
      n = state%columns%n_columns()
      offered = [(uniform_number(case%weather%seed, state%first_column + i - 1, state%step_number, replay_purpose) &
                  < case%replay_sample, i=1, n)]
      if (case%scheme == 'guarded') then
        offered = offered .or. scheme%rule /= 0
      else if (case%scheme == 'shadow') then
        worst = max(maxval(abs(scheme%other_longwave%heating_rate - state%longwave%heating_rate), dim=2), &
                    maxval(abs(scheme%other_shortwave%heating_rate - state%shortwave%heating_rate), dim=2))
        offered = offered .or. .not. are_below(worst, scheme%other_longwave, scheme%other_shortwave)
      end if
      call self%recorder%offer(state%columns, pack([(i, i=1, n)], offered))
    end associate

  contains

    function are_below(values, longwave, shortwave) result(answer)
      real(real64), intent(in) :: values(:)
      type(spectrum_fluxes), intent(in) :: longwave, shortwave
      logical :: answer(size(values))
      integer :: i
      do i = 1, size(values)
        answer(i) = all(ieee_is_finite(longwave%heating_rate(i, :))) .and. all(ieee_is_finite(shortwave%heating_rate(i, :)))
        if (answer(i)) answer(i) = values(i) <= self%case%replay_limit
      end do
    end function are_below

  end subroutine record_columns

  !> One line of what was done and what it cost.
  subroutine sum_up(self, name)
    class(run), intent(in) :: self
    character(len=*), intent(in) :: name
    character(len=:), allocatable :: workers
    if (.not. self%ranks%is_root()) return
    workers = integer_text(self%n_threads)//' thread'//trim(merge('s', ' ', self%n_threads > 1))
    if (self%ranks%size > 1) workers = integer_text(self%ranks%size)//' ranks of '//workers
    write (output_unit, '(a)') name//': '//self%case%scheme//', '//real_text(self%case%hours)//' hours, '// &
      integer_text(self%n_columns)//' columns of '//integer_text(self%state%columns%n_layers())//' layers, '//workers//': '// &
      real_text(1.0e6_real64*self%radiation_seconds/(real(self%n_calls, real64)*self%n_columns), 1)// &
      ' us per column and call of radiation ('//integer_text(self%n_calls)//' calls, '// &
      real_text(self%radiation_seconds, 3)//' s of '//real_text(seconds_now() - self%started, 3)//' s)'
    if (self%cloudless) write (output_unit, '(a)') name//': '//self%case%columns//" has no clouds: sky = 'all' was clear"
    if (self%case%scheme == 'guarded') write (output_unit, '(a)') name//': '//refusals()
    if (self%case%on_failure == 'restart') write (output_unit, '(a)') name//': '// &
      integer_text(nint(self%counts(guard_last_rule + 1)))//' columns failed and were put back to their start'
    if (self%recorder%wanted()) write (output_unit, '(a)') name//': '//self%case%replay//': '// &
      integer_text(nint(self%counts(guard_last_rule + 2)))//' columns to train on'

  contains

    function refusals() result(text)
      character(len=:), allocatable :: text
      integer :: rule
      text = 'refused and left to RRTMG: '// &
             real_text(100.0_real64*sum(self%counts(:guard_last_rule))/(real(self%n_calls, real64)*self%n_columns), 3)// &
             ' % of columns'
      do rule = 1, guard_last_rule
        if (self%counts(rule) > 0.0_real64) &
          text = text//', '//integer_text(nint(self%counts(rule)))//' by '//guard_rule_name(rule)
      end do
    end function refusals
  end subroutine sum_up

end module host_run
