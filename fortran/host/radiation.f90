!> Radiation for the host: RRTMG, a network, a network with a guard that hands columns back to RRTMG, or both side by side, behind
!! one call, so that what the benchmark times is what the host runs.
!!
!! Either of the clear sky's longwave alone, or of both spectra with the clouds of the columns. `compute` walks the columns in
!! blocks, on the OpenMP threads it was set up with. RRTMG is called for each block; a network takes the whole arrays, and
!! radml_torch walks the blocks. With both, neither the number of threads nor that of the columns changes a bit.
module radiation
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_guard, only: radiation_guard, guard_accepted, guard_last_rule
  use radml_rrtmg_longwave, only: rrtmg_longwave
  use radml_rrtmg_shortwave, only: rrtmg_shortwave
  use radml_torch, only: torch_model, torch_in, torch_out
  use cloud_choices, only: cloud_treatment
  use column_file, only: column_set
  use data_path, only: chosen_data_file
  use flux_file, only: spectrum_fluxes
  use host_status, only: status_success, status_radiation_failed, fail, integer_text
  use rrtmg_block, only: longwave_block, shortwave_block
  implicit none
  private

  public :: radiation_scheme

  !> Columns in a block where nobody says: as many as `fitting_block` finds [1] ()
  integer, parameter, public :: automatic_block = -1
  public :: fitting_block

  !> Inputs and outputs of networks, of the clear sky's longwave and of all of radiation.
  integer, parameter :: n_longwave_inputs = 11, n_longwave_outputs = 3, n_all_inputs = 19, n_all_outputs = 6
  character(len=*), parameter :: longwave_inputs = &
    'pressure_level, temperature_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, '// &
    'surface_temperature, surface_emissivity'
  character(len=*), parameter :: longwave_outputs = 'lw_up, lw_down, lw_heating_rate'
  character(len=*), parameter :: all_outputs = longwave_outputs//', sw_up, sw_down, sw_heating_rate'
  character(len=*), parameter :: all_inputs = &
    'pressure_level, temperature_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, cloud_fraction, '// &
    'cloud_liquid_path, cloud_ice_path, liquid_radius, ice_radius, surface_temperature, surface_emissivity, surface_albedo, '// &
    'cos_zenith, solar_irradiance'

  character(len=*), parameter :: envelope_key = 'training_envelope'  ! in the network's metadata

  type :: radiation_scheme
    private
    character(len=:), allocatable, public :: name   !! rrtmg, network, guarded or shadow [text] ()
    integer, public :: columns_per_block = 1        !! columns that one call takes at most [1] ()
    integer, public :: n_threads = 1                !! OpenMP threads that share the blocks [1] ()
    logical, public :: all_sky = .false.            !! both spectra with clouds, or the clear sky's longwave alone [1] ()
    integer, public :: draws = 1                    !! McICA draws that RRTMG averages [1] ()
    integer, public :: mcica_seed = 0               !! other draws for each; 0: from a column's own values alone [1] ()
    !> Which rule of the guard refused each column in the last call, `guard_accepted` for none [1] (ncol)
    integer, allocatable, public :: rule(:)
    integer, public :: n_refused(guard_last_rule) = 0  !! columns that each rule refused in all calls [1] (rule)
    !> What the network gave in the last call beside RRTMG, which the host goes on with [W m-2, K day-1] ()
    type(spectrum_fluxes), public :: other_longwave, other_shortwave
    type(rrtmg_longwave) :: longwave
    type(rrtmg_shortwave) :: shortwave
    type(torch_model) :: net
    type(radiation_guard) :: guard
  contains
    procedure :: setup
    procedure :: compute
    procedure :: has_network
    procedure :: has_rrtmg
    procedure :: has_envelope
    procedure :: load_guard
    procedure :: check_columns
    procedure :: check_fluxes
  end type radiation_scheme

contains

  !> Columns in a block that suit a network: enough for its matrix products and few enough for the cache, but not many more than
  !! there are, since the last block is filled up. RRTMG does not care.
  pure integer function fitting_block(n_columns)
    integer, intent(in) :: n_columns  !! columns of a call [1] ()
    integer, parameter :: most = 128, vector = 32  ! a multiple of what vector instructions take at once
    fitting_block = max(vector, min(most, vector*((n_columns + vector - 1)/vector)))
  end function fitting_block

  !> Whether the scheme calls a network.
  pure function has_network(self) result(answer)
    class(radiation_scheme), intent(in) :: self  !! [scheme] ()
    logical :: answer                            !! [1] ()
    answer = self%name /= 'rrtmg'
  end function has_network

  !> Whether the scheme calls RRTMG.
  pure function has_rrtmg(self) result(answer)
    class(radiation_scheme), intent(in) :: self  !! [scheme] ()
    logical :: answer                            !! [1] ()
    answer = self%name /= 'network'
  end function has_rrtmg

  !> Loads the tables and the model of a scheme. `all_sky` says whether it is for both spectra with clouds; where it is absent, a
  !! network of that many inputs is taken for one.
  subroutine setup(self, name, tables, model, columns_per_block, n_threads, stat, errmsg, all_sky)
    class(radiation_scheme), intent(inout) :: self           !! [scheme] ()
    character(len=*), intent(in) :: name                     !! rrtmg, network, guarded or shadow [text] ()
    character(len=*), intent(in) :: tables                   !! RRTMG's longwave tables; empty: those that came along [path] ()
    character(len=*), intent(in) :: model                    !! the network [path] ()
    integer, intent(in) :: columns_per_block                 !! [1] ()
    integer, intent(in) :: n_threads                         !! [1] ()
    integer, intent(out) :: stat                             !! 0, or the status of RRTMG, of the network or of the host [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    logical, intent(in), optional :: all_sky                 !! [1] ()

    stat = status_success
    self%name = name
    self%columns_per_block = columns_per_block
    self%n_threads = n_threads
    if (present(all_sky)) self%all_sky = all_sky
    if (.not. any(name == [character(len=7) :: 'rrtmg', 'network', 'guarded', 'shadow'])) then
      call fail(status_radiation_failed, 'radiation scheme: expected rrtmg, network, guarded or shadow, got "'//name//'"', stat, &
                errmsg)
      return
    end if
    if (self%has_network()) then
      call self%net%load(model, device='cpu', stat=stat, errmsg=errmsg)
      if (stat /= 0) return
      if (.not. present(all_sky)) self%all_sky = self%net%n_inputs() == n_all_inputs
      if (self%all_sky) then
        call check_arguments(n_all_inputs, all_inputs, n_all_outputs, all_outputs)
      else
        call check_arguments(n_longwave_inputs, longwave_inputs, n_longwave_outputs, longwave_outputs)
      end if
      if (stat /= 0) return
    end if
    if (name == 'guarded') call self%load_guard(model, stat, errmsg)
    if (stat /= 0) return
    if (self%has_rrtmg()) then
      call self%longwave%load(chosen_data_file(tables, 'rrtmg_longwave.nc'), stat=stat, errmsg=errmsg)
      if (stat == 0 .and. self%all_sky) &
        call self%shortwave%load(chosen_data_file('', 'rrtmg_shortwave.nc'), stat=stat, errmsg=errmsg)
    end if

  contains

    !> The network's arguments must be the host's, in its order: counted, and named where the model carries a manifest.
    subroutine check_arguments(n_inputs, inputs, n_outputs, outputs)
      integer, intent(in) :: n_inputs, n_outputs
      character(len=*), intent(in) :: inputs, outputs  ! names, with commas between them
      character(len=:), allocatable :: found
      integer :: i, known_outputs
      call check_count('inputs', self%net%n_inputs(), n_inputs, inputs)
      known_outputs = self%net%n_outputs()
      if (stat == 0) call check_count('outputs', known_outputs, n_outputs, outputs)
      if (stat /= 0 .or. known_outputs < 0) return
      do i = 1, n_inputs
        found = self%net%input_name(i)
        call check_name('input '//integer_text(i), found, word(inputs, i))
      end do
      do i = 1, n_outputs
        found = self%net%output_name(i)
        call check_name('output '//integer_text(i), found, word(outputs, i))
      end do
    end subroutine check_arguments

    subroutine check_name(what, found, expected)
      character(len=*), intent(in) :: what, found, expected
      if (stat /= 0 .or. found == expected) return
      call fail(status_radiation_failed, model//': '//what//': expected '//expected//', got '//found//'; the host passes its '// &
                'arrays in an order of its own (docs/host.md), which forward and the manifest must have', stat, errmsg)
    end subroutine check_name

    !> The `i`-th of the names in a list.
    pure function word(names, i) result(name)
      character(len=*), intent(in) :: names
      integer, intent(in) :: i
      character(len=:), allocatable :: name
      integer :: first, k, length
      first = 1
      do k = 2, i
        first = first + index(names(first:), ', ') + 1
      end do
      length = index(names(first:), ',') - 1
      if (length < 0) length = len(names) - first + 1
      name = names(first:first + length - 1)
    end function word

    subroutine check_count(what, came, expected, names)
      character(len=*), intent(in) :: what, names
      integer, intent(in) :: came, expected
      ! A model may not know its count before it has run; the forward call checks it then.
      if (came < 0 .or. came == expected) return
      call fail(status_radiation_failed, model//': expected '//integer_text(expected)//' '//what//' ('//names//'), got '// &
                integer_text(came), stat, errmsg)
    end subroutine check_count

  end subroutine setup

  !> Loads the guard with the envelope that the network carries.
  subroutine load_guard(self, model, stat, errmsg)
    class(radiation_scheme), intent(inout) :: self           !! set up with a network [scheme] ()
    character(len=*), intent(in) :: model                    !! for the message [path] ()
    integer, intent(out) :: stat                             !! 0, or `status_radiation_failed` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    character(len=:), allocatable :: envelope, words
    stat = status_success
    words = 'it has none'
    if (self%has_envelope()) then
      envelope = self%net%metadata(envelope_key, stat, words)
      if (stat == 0) call self%guard%load(envelope, stat, words)
      if (stat == 0) return
    end if
    call fail(status_radiation_failed, model//': expected a training envelope in its metadata, which the guard needs '// &
              '(ftorch-train envelope, ftorch-export --envelope): '//words, stat, errmsg)
  end subroutine load_guard

  !> Whether the network carries a training envelope.
  function has_envelope(self) result(answer)
    class(radiation_scheme), intent(in) :: self  !! set up with a network [scheme] ()
    logical :: answer                            !! [1] ()
    integer :: stat
    character(len=:), allocatable :: envelope, words
    envelope = self%net%metadata(envelope_key, stat, words)
    answer = stat == 0
  end function has_envelope

  !> Fluxes and heating rates of all columns, in the longwave, and with `all_sky` in the shortwave.
  subroutine compute(self, columns, longwave, shortwave, stat, errmsg)
    class(radiation_scheme), intent(inout) :: self           !! set up [scheme] ()
    type(column_set), intent(in) :: columns                  !! with clouds and sun if they are wanted [columns] ()
    type(spectrum_fluxes), intent(inout) :: longwave         !! with room for all columns [W m-2, K day-1] ()
    type(spectrum_fluxes), intent(inout) :: shortwave        !! the same, if it is wanted [W m-2, K day-1] ()
    integer, intent(out) :: stat                             !! 0, or the status of RRTMG or the network [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()

    select case (self%name)
    case ('rrtmg')
      call compute_rrtmg(self, columns, longwave, shortwave, stat, errmsg)
    case ('network')
      call compute_network(self, columns, longwave, shortwave, stat, errmsg)
    case ('shadow')
      if (.not. allocated(self%other_longwave%up)) then
        call self%other_longwave%create(columns%n_columns(), columns%n_layers(), .false., .false., .false.)
        if (self%all_sky) call self%other_shortwave%create(columns%n_columns(), columns%n_layers(), .false., .false., .false.)
      end if
      call compute_network(self, columns, self%other_longwave, self%other_shortwave, stat, errmsg)
      if (stat == 0) call compute_rrtmg(self, columns, longwave, shortwave, stat, errmsg)
    case default
      call compute_guarded(self, columns, longwave, shortwave, stat, errmsg)
    end select
  end subroutine compute

  !> The network, where the guard trusts it, and RRTMG for all other columns.
  subroutine compute_guarded(self, columns, longwave, shortwave, stat, errmsg)
    class(radiation_scheme), intent(inout) :: self
    type(column_set), intent(in) :: columns
    type(spectrum_fluxes), intent(inout) :: longwave, shortwave
    integer, intent(out) :: stat
    character(len=:), allocatable, intent(inout) :: errmsg
    type(column_set) :: few
    type(spectrum_fluxes) :: few_longwave, few_shortwave
    integer, allocatable :: numbers(:)
    integer :: i

    call self%check_columns(columns)
    call compute_network(self, columns, longwave, shortwave, stat, errmsg)
    if (stat /= 0) return
    call self%check_fluxes(columns, longwave, shortwave)
    numbers = pack([(i, i=1, columns%n_columns())], self%rule /= guard_accepted)
    do i = 1, size(numbers)
      self%n_refused(self%rule(numbers(i))) = self%n_refused(self%rule(numbers(i))) + 1
    end do
    if (size(numbers) == 0) return
    few = columns%pick(numbers)
    call few_longwave%create(size(numbers), columns%n_layers(), .false., .false., .false.)
    call few_shortwave%create(size(numbers), columns%n_layers(), .true., .false., .false.)
    call compute_rrtmg(self, few, few_longwave, few_shortwave, stat, errmsg)
    if (stat /= 0) return
    call put_back(few_longwave, longwave)
    call put_back(few_shortwave, shortwave)

  contains

    subroutine put_back(from, to)
      type(spectrum_fluxes), intent(in) :: from
      type(spectrum_fluxes), intent(inout) :: to
      to%up(numbers, :) = from%up
      to%down(numbers, :) = from%down
      to%heating_rate(numbers, :) = from%heating_rate
    end subroutine put_back

  end subroutine compute_guarded

  !> The columns of a thread, of all there are. The guard walks them in one go: it reads arrays as they lie in memory, and has
  !! blocks of its own.
  pure integer function columns_per_thread(self, columns)
    class(radiation_scheme), intent(in) :: self
    type(column_set), intent(in) :: columns
    columns_per_thread = (columns%n_columns() + self%n_threads - 1)/self%n_threads
  end function columns_per_thread

  !> Asks the guard of the state of the columns, before the network: puts its answers into `rule`.
  subroutine check_columns(self, columns)
    class(radiation_scheme), intent(inout) :: self   !! with a guard [scheme] ()
    type(column_set), intent(in) :: columns          !! with clouds and sun [columns] ()
    integer :: first, last, share
    if (.not. allocated(self%rule)) allocate (self%rule(columns%n_columns()))
    share = columns_per_thread(self, columns)
    !$omp parallel do schedule(static) num_threads(self%n_threads) private(last)
    do first = 1, columns%n_columns(), share
      last = min(first + share - 1, columns%n_columns())
      associate (c => columns)
        call self%guard%check_state( &
          c%pressure_level(first:last, :), c%temperature_level(first:last, :), c%pressure_layer(first:last, :), &
          c%temperature_layer(first:last, :), c%h2o(first:last, :), c%o3(first:last, :), c%co2(first:last, :), &
          c%ch4(first:last, :), c%n2o(first:last, :), c%cloud_fraction(first:last, :), c%cloud_liquid_path(first:last, :), &
          c%cloud_ice_path(first:last, :), c%liquid_radius(first:last, :), c%ice_radius(first:last, :), &
          c%surface_temperature(first:last), c%surface_emissivity(first:last), c%surface_albedo(first:last), &
          c%cos_zenith(first:last), c%solar_irradiance(first:last), self%rule(first:last))
      end associate
    end do
    !$omp end parallel do
  end subroutine check_columns

  !> Asks the guard of what the network gave for columns that `check_columns` accepted.
  subroutine check_fluxes(self, columns, longwave, shortwave)
    class(radiation_scheme), intent(inout) :: self     !! with a guard [scheme] ()
    type(column_set), intent(in) :: columns            !! with clouds and sun [columns] ()
    type(spectrum_fluxes), intent(in) :: longwave      !! [W m-2, K day-1] ()
    type(spectrum_fluxes), intent(in) :: shortwave     !! [W m-2, K day-1] ()
    integer :: first, last, share
    share = columns_per_thread(self, columns)
    !$omp parallel do schedule(static) num_threads(self%n_threads) private(last)
    do first = 1, columns%n_columns(), share
      last = min(first + share - 1, columns%n_columns())
      call self%guard%check_results( &
        columns%pressure_level(first:last, :), columns%surface_albedo(first:last), columns%cos_zenith(first:last), &
        columns%solar_irradiance(first:last), longwave%up(first:last, :), longwave%down(first:last, :), &
        longwave%heating_rate(first:last, :), shortwave%up(first:last, :), shortwave%down(first:last, :), &
        shortwave%heating_rate(first:last, :), self%rule(first:last))
    end do
    !$omp end parallel do
  end subroutine check_fluxes

  subroutine compute_network(self, columns, longwave, shortwave, stat, errmsg)
    class(radiation_scheme), intent(in) :: self
    type(column_set), intent(in) :: columns
    type(spectrum_fluxes), intent(inout) :: longwave, shortwave
    integer, intent(out) :: stat
    character(len=:), allocatable, intent(inout) :: errmsg

    if (self%all_sky) then
      call self%net%forward( &
        [torch_in(columns%pressure_level), torch_in(columns%temperature_level), torch_in(columns%pressure_layer), &
         torch_in(columns%temperature_layer), torch_in(columns%h2o), torch_in(columns%o3), torch_in(columns%co2), &
         torch_in(columns%ch4), torch_in(columns%n2o), torch_in(columns%cloud_fraction), torch_in(columns%cloud_liquid_path), &
         torch_in(columns%cloud_ice_path), torch_in(columns%liquid_radius), torch_in(columns%ice_radius), &
         torch_in(columns%surface_temperature), torch_in(columns%surface_emissivity), torch_in(columns%surface_albedo), &
         torch_in(columns%cos_zenith), torch_in(columns%solar_irradiance)], &
        [torch_out(longwave%up), torch_out(longwave%down), torch_out(longwave%heating_rate), &
         torch_out(shortwave%up), torch_out(shortwave%down), torch_out(shortwave%heating_rate)], stat=stat, errmsg=errmsg, &
        column_dimension=1, columns_per_block=self%columns_per_block, threads=self%n_threads)
    else
      call self%net%forward( &
        [torch_in(columns%pressure_level), torch_in(columns%temperature_level), torch_in(columns%pressure_layer), &
         torch_in(columns%temperature_layer), torch_in(columns%h2o), torch_in(columns%o3), torch_in(columns%co2), &
         torch_in(columns%ch4), torch_in(columns%n2o), torch_in(columns%surface_temperature), &
         torch_in(columns%surface_emissivity)], &
        [torch_out(longwave%up), torch_out(longwave%down), torch_out(longwave%heating_rate)], stat=stat, errmsg=errmsg, &
        column_dimension=1, columns_per_block=self%columns_per_block, threads=self%n_threads)
    end if
  end subroutine compute_network

  subroutine compute_rrtmg(self, columns, longwave, shortwave, stat, errmsg)
    class(radiation_scheme), intent(in) :: self
    type(column_set), intent(in) :: columns
    type(spectrum_fluxes), intent(inout) :: longwave, shortwave
    integer, intent(out) :: stat
    character(len=:), allocatable, intent(inout) :: errmsg
    type(cloud_treatment), allocatable :: treatment
    integer :: block, n_blocks, n_columns, block_size

    stat = status_success
    n_columns = columns%n_columns()
    if (self%all_sky) then
      allocate (treatment)
      treatment%draws = self%draws
      treatment%salt = self%mcica_seed
    end if
    ! Every thread gets a block: RRTMG gives the same bits for any.
    block_size = max(1, min(self%columns_per_block, columns_per_thread(self, columns)))
    n_blocks = (n_columns + block_size - 1)/block_size
    !$omp parallel do schedule(dynamic) num_threads(self%n_threads)
    do block = 1, n_blocks
      call one_block((block - 1)*block_size + 1, min(block*block_size, n_columns))
    end do
    !$omp end parallel do

  contains

    subroutine one_block(first, last)
      integer, intent(in) :: first, last
      integer :: block_stat
      character(len=:), allocatable :: block_message
      call longwave_block(self%longwave, columns, first, last, longwave, block_stat, block_message, treatment)
      if (block_stat == 0 .and. self%all_sky) &
        call shortwave_block(self%shortwave, columns, first, last, shortwave, block_stat, block_message, treatment)
      if (block_stat == 0) return
      !$omp critical (radiation_failure)
      if (stat == 0) call fail(block_stat, block_message//' (columns '//integer_text(first)//' to '//integer_text(last)//')', &
                               stat, errmsg)
      !$omp end critical (radiation_failure)
    end subroutine one_block

  end subroutine compute_rrtmg

end module radiation
