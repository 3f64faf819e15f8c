!> Radiation for the host: RRTMG or a network behind one call, so that what the benchmark times is what the host runs.
!!
!! Either of the clear sky's longwave alone, or of both spectra with the clouds of the columns. `compute` walks the columns in
!! blocks, on the OpenMP threads it was set up with. RRTMG is called for each block; a network takes the whole arrays, and
!! radml_torch walks the blocks. With both, neither the number of threads nor that of the columns changes a bit.
module radiation
  use, intrinsic :: iso_fortran_env, only: real64
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
  character(len=*), parameter :: all_inputs = &
    'pressure_level, temperature_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, cloud_fraction, '// &
    'cloud_liquid_path, cloud_ice_path, liquid_radius, ice_radius, surface_temperature, surface_emissivity, surface_albedo, '// &
    'cos_zenith, solar_irradiance'

  type :: radiation_scheme
    private
    character(len=:), allocatable, public :: name   !! rrtmg or network [text] ()
    integer, public :: columns_per_block = 1        !! columns that one call takes at most [1] ()
    integer, public :: n_threads = 1                !! OpenMP threads that share the blocks [1] ()
    logical, public :: all_sky = .false.            !! both spectra with clouds, or the clear sky's longwave alone [1] ()
    integer, public :: draws = 1                    !! McICA draws that RRTMG averages [1] ()
    type(rrtmg_longwave) :: longwave
    type(rrtmg_shortwave) :: shortwave
    type(torch_model) :: net
  contains
    procedure :: setup
    procedure :: compute
  end type radiation_scheme

contains

  !> Columns in a block that suit a network: enough for its matrix products and few enough for the cache, but not many more than
  !! there are, since the last block is filled up. RRTMG does not care.
  pure integer function fitting_block(n_columns)
    integer, intent(in) :: n_columns  !! columns of a call [1] ()
    integer, parameter :: most = 128, vector = 32  ! a multiple of what vector instructions take at once
    fitting_block = max(vector, min(most, vector*((n_columns + vector - 1)/vector)))
  end function fitting_block

  !> Loads the tables or the model of a scheme. `all_sky` says whether it is for both spectra with clouds; where it is absent, a
  !! network of that many inputs is taken for one.
  subroutine setup(self, name, source, columns_per_block, n_threads, stat, errmsg, all_sky)
    class(radiation_scheme), intent(inout) :: self           !! [scheme] ()
    character(len=*), intent(in) :: name                     !! rrtmg or network [text] ()
    character(len=*), intent(in) :: source                   !! longwave tables (empty: those that came), or the model [text] ()
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
    select case (name)
    case ('rrtmg')
      call self%longwave%load(chosen_data_file(source, 'rrtmg_longwave.nc'), stat=stat, errmsg=errmsg)
      if (stat == 0 .and. self%all_sky) &
        call self%shortwave%load(chosen_data_file('', 'rrtmg_shortwave.nc'), stat=stat, errmsg=errmsg)
    case ('network')
      call self%net%load(source, device='cpu', stat=stat, errmsg=errmsg)
      if (stat /= 0) return
      if (.not. present(all_sky)) self%all_sky = self%net%n_inputs() == n_all_inputs
      if (self%all_sky) then
        call check_count('inputs', self%net%n_inputs(), n_all_inputs, all_inputs)
        if (stat == 0) call check_count('outputs', self%net%n_outputs(), n_all_outputs, &
                                        'lw_up, lw_down, lw_heating_rate, sw_up, sw_down, sw_heating_rate')
      else
        call check_count('inputs', self%net%n_inputs(), n_longwave_inputs, longwave_inputs)
        if (stat == 0) call check_count('outputs', self%net%n_outputs(), n_longwave_outputs, 'up, down, heating_rate')
      end if
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

  !> Fluxes and heating rates of all columns, in the longwave, and with `all_sky` in the shortwave.
  subroutine compute(self, columns, longwave, shortwave, stat, errmsg)
    class(radiation_scheme), intent(in) :: self              !! set up [scheme] ()
    type(column_set), intent(in) :: columns                  !! with clouds and sun if they are wanted [columns] ()
    type(spectrum_fluxes), intent(inout) :: longwave         !! with room for all columns [W m-2, K day-1] ()
    type(spectrum_fluxes), intent(inout) :: shortwave        !! the same, if it is wanted [W m-2, K day-1] ()
    integer, intent(out) :: stat                             !! 0, or the status of RRTMG or the network [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()

    if (self%name == 'rrtmg') then
      call compute_rrtmg(self, columns, longwave, shortwave, stat, errmsg)
    else if (self%all_sky) then
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
  end subroutine compute

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
    end if
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
