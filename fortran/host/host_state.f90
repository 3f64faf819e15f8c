!> The state of the column host and its time step.
!!
!! Each column is by itself: pressures stay as the column file gave them, and so do all gases but water vapour. With dry physics
!! temperatures of the layers and of the surface change by radiation, by the surface heat budget and by dry convection; clouds and
!! vapour stay too. With moist physics there are weather, evaporation, rain and clouds as well. Of a clear sky radiation is longwave
!! alone: no sunlight is absorbed in the air then.
module host_state
  use, intrinsic :: iso_fortran_env, only: real64
  use, intrinsic :: ieee_arithmetic, only: ieee_is_finite
  use column_file, only: column_set, mean_irradiance
  use configuration, only: host_configuration
  use convection, only: adjust_dry_convection
  use host_status, only: status_success, status_bad_state, fail, integer_text, real_text
  use flux_file, only: spectrum_fluxes
  use moist_physics, only: moist_state
  use physical_constants, only: pi, seconds_per_day
  use sun, only: cosine_of_zenith_angle, declination
  use surface, only: absorbed_sunlight, step_surface
  use temperature_levels, only: interpolate_to_levels
  implicit none
  private

  public :: column_state

  real(real64), parameter :: coldest = 100.0_real64  ! K; outside of these two the state is no atmosphere of the Earth any more
  real(real64), parameter :: warmest = 400.0_real64  ! K

  type :: column_state
    type(column_set) :: columns                              !! pressures, gases and the temperatures of now [various] ()
    integer :: step_number = 0                               !! time steps since the start of the run [1] ()
    integer :: first_column = 1                              !! number of the first column in its file [1] ()
    !> When a column failed and was put back to its start, [hour] after the start; negative where it did not (ncol)
    real(real64), allocatable :: failure_hour(:)
    logical :: moist = .false.                               !! whether there is moist physics [1] ()
    type(moist_state) :: physics                             !! of moist air [various] ()
    logical :: all_sky = .false.                             !! whether radiation is of both spectra, with clouds [1] ()
    type(spectrum_fluxes) :: longwave                        !! of the last call of radiation [W m-2, K day-1] ()
    type(spectrum_fluxes) :: shortwave                       !! the same of sunlight, for all sky [W m-2, K day-1] ()
    real(real64), allocatable :: absorbed_sunlight(:)        !! absorbed by the surface [W m-2] (ncol)
    real(real64), allocatable :: sensible_heat(:)            !! from the surface into the air, in the last step [W m-2] (ncol)
    real(real64), allocatable, private :: albedo(:)          ! of the file, or of the namelist
    real(real64), allocatable, private :: irradiance(:)      ! of the file, or the solar constant
    real(real64), allocatable, private :: noon_cosine(:)     ! cosine of the zenith angle: at noon, or for good
    real(real64), allocatable, private :: start_temperature(:, :), start_h2o(:, :), start_surface_temperature(:)
    real(real64), private :: time_step = 0.0_real64
    integer, private :: threads = 1
  contains
    procedure :: start
    procedure :: seconds
    procedure :: prepare_radiation
    procedure :: update_sunlight
    procedure :: step
    procedure :: check_radiation
    procedure :: check_temperatures
    procedure :: put_back_failed
  end type column_state

contains

  !> Takes over columns and makes room for what radiation gives.
  subroutine start(self, columns, configuration, stat, errmsg, first_column)
    class(column_state), intent(inout) :: self                   !! [state] ()
    type(column_set), intent(in) :: columns                      !! [columns] ()
    type(host_configuration), intent(in) :: configuration        !! [various] ()
    integer, intent(out) :: stat                                 !! 0, or `status_bad_state` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg       !! [text] ()
    integer, intent(in), optional :: first_column                !! number of the first column in the file, if not 1 [1] ()
    integer :: n, n_layers

    stat = status_success
    if (present(first_column)) self%first_column = first_column
    n = columns%n_columns()
    n_layers = columns%n_layers()
    self%columns = columns
    self%all_sky = configuration%sky == 'all'
    self%moist = configuration%physics == 'moist'
    self%time_step = configuration%time_step
    self%threads = max(configuration%threads, 1)
    call self%longwave%create(n, n_layers, .false., .false., .false.)
    allocate (self%absorbed_sunlight(n), self%sensible_heat(n), self%noon_cosine(n), source=0.0_real64)
    allocate (self%albedo(n), source=configuration%surface%albedo)
    allocate (self%irradiance(n), source=mean_irradiance)
    if (allocated(columns%surface_albedo)) self%albedo = columns%surface_albedo
    if (allocated(columns%solar_irradiance)) self%irradiance = columns%solar_irradiance
    if (configuration%sunlight == 'globe' .and. .not. (allocated(columns%latitude) .and. allocated(columns%longitude))) then
      call fail(status_bad_state, configuration%columns//': sunlight = ''globe'' needs the variables "latitude" and "longitude"', &
                stat, errmsg)
      return
    end if
    if (allocated(columns%cos_zenith)) then
      self%noon_cosine = columns%cos_zenith
    else if (configuration%sunlight == 'fixed' .or. .not. allocated(columns%latitude)) then
      call fail(status_bad_state, configuration%columns//': sunlight = '''//configuration%sunlight// &
                ''' needs the variable "cos_zenith"'//trim(merge(' or "latitude"', '              ', &
                                                                 configuration%sunlight == 'diurnal')), stat, errmsg)
      return
    end if
    if (self%all_sky) then
      call self%shortwave%create(n, n_layers, .true., .false., .false.)
      self%columns%surface_albedo = self%albedo
      self%columns%solar_irradiance = self%irradiance
      self%columns%cos_zenith = self%noon_cosine
      call self%columns%complete_sky(stat, errmsg)
    end if
    if (stat /= 0) return
    if (self%moist) call self%physics%start(self%columns)
    allocate (self%failure_hour(n), source=-1.0_real64)
    if (configuration%on_failure == 'restart') then
      self%start_temperature = self%columns%temperature_layer
      self%start_h2o = self%columns%h2o
      self%start_surface_temperature = self%columns%surface_temperature
    end if
    call self%update_sunlight(configuration)
  end subroutine start

  !> Time since the start of the run.
  pure function seconds(self)
    class(column_state), intent(in) :: self  !! [state] ()
    real(real64) :: seconds                  !! [s] ()
    seconds = self%step_number*self%time_step
  end function seconds

  !> Temperatures at levels from those of the layers, as radiation wants them. The run's first call does so as well, and not
  !! with the levels of the file, lest the first step differ in kind from the others.
  subroutine prepare_radiation(self, configuration)
    class(column_state), intent(inout) :: self             !! [state] ()
    type(host_configuration), intent(in) :: configuration  !! [various] ()
    call interpolate_to_levels(self%columns%pressure_level, self%columns%pressure_layer, self%columns%temperature_layer, &
                               self%columns%temperature_level)
    if (self%moist) call self%physics%diagnose(self%columns, self%threads)
    if (self%all_sky) self%columns%cos_zenith = zenith_cosines(self, configuration)
  end subroutine prepare_radiation

  !> Cosine of the Sun's zenith angle now. With a latitude the Sun stands where it does on that day; without one, the file's
  !! cosine is that of noon on a day of equal length of day and night, which is exact at the equinox.
  function zenith_cosines(self, configuration) result(cosines)
    class(column_state), intent(in) :: self                !! [state] ()
    type(host_configuration), intent(in) :: configuration  !! [various] ()
    real(real64) :: cosines(self%columns%n_columns())      !! negative at night [1] (ncol)
    real(real64) :: hour, day
    hour = configuration%start_hour + self%seconds()/3600.0_real64
    day = configuration%day_of_year + self%seconds()/seconds_per_day
    if (configuration%sunlight == 'fixed') then
      cosines = self%noon_cosine
    else if (configuration%sunlight == 'globe') then
      cosines = cosine_of_zenith_angle(self%columns%latitude*pi/180.0_real64, declination(day), &
                                       hour + self%columns%longitude/15.0_real64)
    else if (allocated(self%columns%latitude)) then
      cosines = cosine_of_zenith_angle(self%columns%latitude*pi/180.0_real64, declination(day), hour)
    else
      cosines = self%noon_cosine*cos((hour - 12.0_real64)*pi/12.0_real64)
    end if
  end function zenith_cosines

  !> Sunlight that the surface absorbs: what radiation found in its last call, or of a clear sky what the surface's own
  !! transmissivity lets through now.
  subroutine update_sunlight(self, configuration)
    class(column_state), intent(inout) :: self             !! [state] ()
    type(host_configuration), intent(in) :: configuration  !! [various] ()
    integer :: n
    n = self%columns%n_layers()
    if (self%all_sky) then
      self%absorbed_sunlight = self%shortwave%down(:, n + 1) - self%shortwave%up(:, n + 1)
    else
      self%absorbed_sunlight = absorbed_sunlight(configuration%surface, zenith_cosines(self, configuration), self%irradiance, &
                                                 self%albedo)
    end if
  end subroutine update_sunlight

  !> One time step with the fluxes and heating rates of the last call of radiation.
  subroutine step(self, configuration)
    class(column_state), intent(inout) :: self             !! [state] ()
    type(host_configuration), intent(in) :: configuration  !! [various] ()
    integer :: n
    n = self%columns%n_layers()
    call self%update_sunlight(configuration)
    associate (c => self%columns)
      c%temperature_layer = c%temperature_layer + self%longwave%heating_rate*(configuration%time_step/seconds_per_day)
      if (self%all_sky) &
        c%temperature_layer = c%temperature_layer + self%shortwave%heating_rate*(configuration%time_step/seconds_per_day)
      if (self%moist) then
        call self%physics%step(c, configuration%surface, configuration%weather, configuration%time_step, self%step_number, &
                               self%first_column, self%threads, self%longwave%down(:, n + 1) - self%longwave%up(:, n + 1) &
                               + self%absorbed_sunlight, self%sensible_heat)
        self%step_number = self%step_number + 1
        return
      end if
      call step_surface(configuration%surface, configuration%time_step, &
                        self%longwave%down(:, n + 1) - self%longwave%up(:, n + 1) + self%absorbed_sunlight, &
                        c%pressure_level(:, n + 1), &
                        c%pressure_layer(:, n), c%pressure_level(:, n + 1) - c%pressure_level(:, n), &
                        c%surface_temperature, c%temperature_layer(:, n), self%sensible_heat)
      call adjust_dry_convection(c%pressure_level, c%pressure_layer, c%temperature_layer)
    end associate
    self%step_number = self%step_number + 1
  end subroutine step

  !> Puts columns that are no atmosphere any more, or whose radiation is no number, back to what they were at the start, without
  !! radiation until its next call, and notes when. What they do then is no forecast; all other columns go on as they would.
  subroutine put_back_failed(self)
    class(column_state), intent(inout) :: self  !! started with on_failure = 'restart' [state] ()
    integer :: i
    do i = 1, self%columns%n_columns()
      if (is_well(i)) cycle
      if (self%failure_hour(i) < 0.0_real64) self%failure_hour(i) = self%seconds()/3600.0_real64
      self%columns%temperature_layer(i, :) = self%start_temperature(i, :)
      self%columns%h2o(i, :) = self%start_h2o(i, :)
      self%columns%surface_temperature(i) = self%start_surface_temperature(i)
      call silence(self%longwave, i)
      if (self%all_sky) call silence(self%shortwave, i)
      self%absorbed_sunlight(i) = 0.0_real64
    end do

  contains

    logical function is_well(i)
      integer, intent(in) :: i
      is_well = sane(self%columns%surface_temperature(i)) .and. all(sane(self%columns%temperature_layer(i, :))) .and. &
                all(ieee_is_finite(self%columns%h2o(i, :))) .and. are_numbers(self%longwave, i)
      if (is_well .and. self%all_sky) is_well = are_numbers(self%shortwave, i)
    end function is_well

    logical function are_numbers(fluxes, i)
      type(spectrum_fluxes), intent(in) :: fluxes
      integer, intent(in) :: i
      are_numbers = all(ieee_is_finite(fluxes%up(i, :))) .and. all(ieee_is_finite(fluxes%down(i, :))) .and. &
                    all(ieee_is_finite(fluxes%heating_rate(i, :)))
    end function are_numbers

    subroutine silence(fluxes, i)
      type(spectrum_fluxes), intent(inout) :: fluxes
      integer, intent(in) :: i
      fluxes%up(i, :) = 0.0_real64
      fluxes%down(i, :) = 0.0_real64
      fluxes%heating_rate(i, :) = 0.0_real64
    end subroutine silence

  end subroutine put_back_failed

  !> Whether every flux and heating rate is a number; if not, which is not.
  subroutine check_radiation(self, stat, errmsg)
    class(column_state), intent(in) :: self                  !! [state] ()
    integer, intent(out) :: stat                             !! 0, or `status_bad_state` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    stat = status_success
    call check_spectrum('longwave', self%longwave)
    if (self%all_sky) call check_spectrum('shortwave', self%shortwave)

  contains

    subroutine check_spectrum(name, fluxes)
      character(len=*), intent(in) :: name
      type(spectrum_fluxes), intent(in) :: fluxes
      call check_field('upward '//name//' flux', 'level', fluxes%up)
      call check_field('downward '//name//' flux', 'level', fluxes%down)
      call check_field(name//' heating rate', 'layer', fluxes%heating_rate)
    end subroutine check_spectrum

    subroutine check_field(name, vertical, values)
      character(len=*), intent(in) :: name, vertical
      real(real64), intent(in) :: values(:, :)
      integer :: i, k
      if (stat /= 0) return
      do k = 1, size(values, 2)
        do i = 1, size(values, 1)
          if (ieee_is_finite(values(i, k))) cycle
          call fail(status_bad_state, 'radiation gave a '//name//' that is no finite number in column '// &
                    integer_text(self%first_column + i - 1)// &
                    ', '//vertical//' '//integer_text(k)//', '//hours_after_start(self), stat, errmsg)
          return
        end do
      end do
    end subroutine check_field

  end subroutine check_radiation

  !> Whether every temperature is one that can occur; if not, which is not.
  subroutine check_temperatures(self, stat, errmsg)
    class(column_state), intent(in) :: self                  !! [state] ()
    integer, intent(out) :: stat                             !! 0, or `status_bad_state` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    integer :: i, k
    stat = status_success
    do k = 1, self%columns%n_layers()
      do i = 1, self%columns%n_columns()
        if (.not. sane(self%columns%temperature_layer(i, k))) then
          call fail(status_bad_state, 'temperature of column '//integer_text(self%first_column + i - 1)// &
                    ', layer '//integer_text(k)// &
                    left_range(self%columns%temperature_layer(i, k)), stat, errmsg)
          return
        end if
      end do
    end do
    do i = 1, self%columns%n_columns()
      if (.not. sane(self%columns%surface_temperature(i))) then
        call fail(status_bad_state, 'surface temperature of column '//integer_text(self%first_column + i - 1)// &
                  left_range(self%columns%surface_temperature(i)), stat, errmsg)
        return
      end if
    end do

  contains

    pure function left_range(value) result(text)
      real(real64), intent(in) :: value
      character(len=:), allocatable :: text
      text = ' left the range '//real_text(coldest)//' to '//real_text(warmest)//' K: '//real_text(value)//' K, '// &
             hours_after_start(self)
    end function left_range

  end subroutine check_temperatures

  pure function hours_after_start(self) result(text)
    class(column_state), intent(in) :: self
    character(len=:), allocatable :: text
    text = real_text(self%seconds()/3600.0_real64)//' hours after the start'
  end function hours_after_start

  elemental function sane(temperature) result(answer)
    real(real64), intent(in) :: temperature
    logical :: answer
    answer = ieee_is_finite(temperature)  ! first: a host that traps invalid operations stops at a comparison with NaN
    if (answer) answer = temperature >= coldest .and. temperature <= warmest
  end function sane

end module host_state
