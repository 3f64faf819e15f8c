!> Longwave radiation for the host: RRTMG or a network behind one call, so that what the benchmark times is what the host runs.
!!
!! `compute` walks the columns in blocks, on the OpenMP threads it was set up with. RRTMG is called for each block; a network takes the
!! whole arrays, and radml_torch walks the blocks. With both, neither the number of threads nor that of the columns changes a bit.
module radiation
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_longwave, only: rrtmg_longwave
  use radml_torch, only: torch_model, torch_in, torch_out
  use column_file, only: column_set
  use data_path, only: chosen_data_file
  use host_status, only: status_success, status_radiation_failed, fail, integer_text
  use rrtmg_block, only: longwave_fluxes
  implicit none
  private

  public :: radiation_scheme

  !> Columns in a block where nobody says: as many as `fitting_block` finds [1] ()
  integer, parameter, public :: automatic_block = -1
  public :: fitting_block
  integer, parameter :: n_network_inputs = 11
  integer, parameter :: n_network_outputs = 3

  type :: radiation_scheme
    private
    character(len=:), allocatable, public :: name   !! rrtmg or network [text] ()
    integer, public :: columns_per_block = 1        !! columns that one call takes at most [1] ()
    integer, public :: n_threads = 1                !! OpenMP threads that share the blocks [1] ()
    type(rrtmg_longwave) :: longwave
    type(torch_model) :: net
  contains
    procedure :: setup
    procedure :: compute
  end type radiation_scheme

contains

  !> Columns in a block that suit a network: enough for its matrix products and few enough for the cache, but not many more than there
  !! are, since the last block is filled up. RRTMG does not care.
  pure integer function fitting_block(n_columns)
    integer, intent(in) :: n_columns  !! columns of a call [1] ()
    integer, parameter :: most = 128, vector = 32  ! a multiple of what vector instructions take at once
    fitting_block = max(vector, min(most, vector*((n_columns + vector - 1)/vector)))
  end function fitting_block

  !> Loads the tables or the model of a scheme.
  subroutine setup(self, name, source, columns_per_block, n_threads, stat, errmsg)
    class(radiation_scheme), intent(inout) :: self           !! [scheme] ()
    character(len=*), intent(in) :: name                     !! rrtmg or network [text] ()
    character(len=*), intent(in) :: source                   !! RRTMG's tables (empty: those that came), or the model [text] ()
    integer, intent(in) :: columns_per_block                 !! [1] ()
    integer, intent(in) :: n_threads                         !! [1] ()
    integer, intent(out) :: stat                             !! 0, or the status of RRTMG, of the network or of the host [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()

    stat = status_success
    self%name = name
    self%columns_per_block = columns_per_block
    self%n_threads = n_threads
    select case (name)
    case ('rrtmg')
      call self%longwave%load(chosen_data_file(source, 'rrtmg_longwave.nc'), stat=stat, errmsg=errmsg)
    case ('network')
      call self%net%load(source, device='cpu', stat=stat, errmsg=errmsg)
      if (stat /= 0) return
      call check_count('inputs', self%net%n_inputs(), n_network_inputs, &
                       'pressure_level, temperature_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, '// &
                       'surface_temperature, surface_emissivity')
      if (stat /= 0) return
      call check_count('outputs', self%net%n_outputs(), n_network_outputs, 'up, down, heating_rate')
    case default
      call fail(status_radiation_failed, 'radiation scheme: expected rrtmg or network, got "'//name//'"', stat, errmsg)
    end select

  contains

    subroutine check_count(what, came, expected, names)
      character(len=*), intent(in) :: what, names
      integer, intent(in) :: came, expected
      ! A model may not know its count before it has run; the forward call checks it then.
      if (came < 0 .or. came == expected) return
      call fail(status_radiation_failed, source//': expected '//integer_text(expected)//' '//what//' ('//names//'), got '// &
                integer_text(came), stat, errmsg)
    end subroutine check_count

  end subroutine setup

  !> Longwave fluxes and heating rates of all columns.
  subroutine compute(self, columns, up, down, heating_rate, stat, errmsg)
    class(radiation_scheme), intent(in) :: self              !! set up [scheme] ()
    type(column_set), intent(in) :: columns                  !! [columns] ()
    real(real64), intent(inout) :: up(:, :)                  !! upward flux at levels [W m-2] (ncol, nlay+1)
    real(real64), intent(inout) :: down(:, :)                !! downward flux at levels [W m-2] (ncol, nlay+1)
    real(real64), intent(inout) :: heating_rate(:, :)        !! heating rate of layers [K day-1] (ncol, nlay)
    integer, intent(out) :: stat                             !! 0, or the status of RRTMG or the network [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()

    if (self%name == 'rrtmg') then
      call compute_rrtmg(self, columns, up, down, heating_rate, stat, errmsg)
    else
      call self%net%forward( &
        [torch_in(columns%pressure_level), torch_in(columns%temperature_level), torch_in(columns%pressure_layer), &
         torch_in(columns%temperature_layer), torch_in(columns%h2o), torch_in(columns%o3), torch_in(columns%co2), &
         torch_in(columns%ch4), torch_in(columns%n2o), torch_in(columns%surface_temperature), &
         torch_in(columns%surface_emissivity)], &
        [torch_out(up), torch_out(down), torch_out(heating_rate)], stat=stat, errmsg=errmsg, &
        column_dimension=1, columns_per_block=self%columns_per_block, threads=self%n_threads)
    end if
  end subroutine compute

  subroutine compute_rrtmg(self, columns, up, down, heating_rate, stat, errmsg)
    class(radiation_scheme), intent(in) :: self
    type(column_set), intent(in) :: columns
    real(real64), intent(inout) :: up(:, :), down(:, :), heating_rate(:, :)
    integer, intent(out) :: stat
    character(len=:), allocatable, intent(inout) :: errmsg
    integer :: block, n_blocks, n_columns, block_size

    stat = status_success
    n_columns = columns%n_columns()
    ! Every thread gets a block: RRTMG gives the same bits for any.
    block_size = max(1, min(self%columns_per_block, (n_columns + self%n_threads - 1)/self%n_threads))
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
      call longwave_fluxes(self%longwave, columns, first, last, up(first:last, :), down(first:last, :), &
                           heating_rate(first:last, :), block_stat, block_message)
      if (block_stat == 0) return
      !$omp critical (radiation_failure)
      if (stat == 0) call fail(block_stat, block_message//' (columns '//integer_text(first)//' to '//integer_text(last)//')', &
                               stat, errmsg)
      !$omp end critical (radiation_failure)
    end subroutine one_block

  end subroutine compute_rrtmg

end module radiation
