!> What a column of moist air does in a time step beside radiation: weather from outside, evaporation, turbulence near the ground,
!! dry and moist convection, rain from saturated layers; and the clouds that follow.
!!
!! Columns do not know of each other, and a column's bits do not depend on how many there are or on which thread steps it. Enthalpy
!! c_p T + L r of air and surface changes by radiation and by weather from outside and by nothing else; what condenses falls out at
!! once.
module moist_physics
  use, intrinsic :: iso_fortran_env, only: real64
  use boundary_layer, only: mix_boundary_layer
  use cloud_diagnosis, only: diagnose_clouds
  use column_file, only: column_set
  use convection, only: adjust_column
  use moist_convection, only: convect_column
  use physical_constants, only: gravity, kappa, reference_pressure, water_to_dry_air
  use saturation, only: condense
  use surface, only: surface_parameters, step_evaporation, step_surface
  use weather, only: weather_parameters, advance_weather, force_column, n_modes
  implicit none
  private

  public :: moist_state

  real(real64), parameter :: rain_memory = 10800.0_real64  ! s: convective clouds outlive their rain
  real(real64), parameter :: no_convection = 1.0e6_real64   ! Pa: below any ground

  type :: moist_state
    real(real64), allocatable :: modes(:, :)              !! of the weather [1] (mode, ncol)
    real(real64), allocatable :: rain_rate(:)             !! of convection, smoothed in time [kg m-2 s-1] (ncol)
    real(real64), allocatable :: convection_top(:)        !! pressure of its last top [Pa] (ncol)
    real(real64), allocatable :: precipitation(:)         !! in the last step [kg m-2 s-1] (ncol)
    real(real64), allocatable :: evaporation(:)           !! in the last step [kg m-2 s-1] (ncol)
    real(real64), allocatable :: weather_heating(:)       !! enthalpy from outside, in the last step [W m-2] (ncol)
    real(real64), allocatable, private :: exner(:, :)     ! of layers
    real(real64), allocatable, private :: start_temperature(:, :), start_mixing_ratio(:, :)
    real(real64), allocatable, private :: land(:)
  contains
    procedure :: start
    procedure :: step
    procedure :: diagnose
  end type moist_state

contains

  !> Takes the columns of the start as what weather returns to. Without `land_fraction` all is sea.
  subroutine start(self, columns)
    class(moist_state), intent(inout) :: self  !! [state] ()
    type(column_set), intent(in) :: columns    !! [columns] ()
    integer :: i, n
    n = columns%n_columns()
    allocate (self%modes(n_modes, n), source=0.0_real64)
    allocate (self%rain_rate(n), self%precipitation(n), self%evaporation(n), self%weather_heating(n), self%land(n), &
              source=0.0_real64)
    allocate (self%convection_top(n), source=no_convection)
    if (allocated(columns%land_fraction)) self%land = columns%land_fraction
    ! Column by column: a vector of columns would round a power otherwise than the odd column at the end.
    allocate (self%exner, mold=columns%pressure_layer)
    do i = 1, n
      self%exner(i, :) = (columns%pressure_layer(i, :)/reference_pressure)**kappa
    end do
    self%start_temperature = columns%temperature_layer
    self%start_mixing_ratio = columns%h2o*water_to_dry_air
  end subroutine start

  !> One time step of all columns, after radiation has warmed the air.
  subroutine step(self, columns, ground, outside, time_step, step_number, first_column, threads, net_radiation, sensible_heat)
    class(moist_state), intent(inout) :: self        !! [state] ()
    type(column_set), intent(inout) :: columns       !! [columns] ()
    type(surface_parameters), intent(in) :: ground   !! [various] ()
    type(weather_parameters), intent(in) :: outside  !! [various] ()
    real(real64), intent(in) :: time_step            !! [s] ()
    integer, intent(in) :: step_number               !! from the start of the run, from 0 [1] ()
    integer, intent(in) :: first_column              !! number of the first column in its file [1] ()
    integer, intent(in) :: threads                   !! OpenMP threads [1] ()
    real(real64), intent(in) :: net_radiation(:)     !! into the surface [W m-2] (ncol)
    real(real64), intent(inout) :: sensible_heat(:)  !! into the lowest layer [W m-2] (ncol)
    integer :: i
    !$omp parallel do schedule(static) num_threads(threads)
    do i = 1, columns%n_columns()
      call step_column(i)
    end do
    !$omp end parallel do

  contains

    subroutine step_column(i)
      integer, intent(in) :: i
      type(surface_parameters) :: slab
      real(real64), dimension(columns%n_layers()) :: pressure, exner, temperature, mixing_ratio, mass
      real(real64) :: pressure_level(columns%n_layers() + 1)
      real(real64) :: skin, thickness, rain, convective_rain, kept
      integer :: n, top

      n = columns%n_layers()
      pressure_level = columns%pressure_level(i, :)
      pressure = columns%pressure_layer(i, :)
      exner = self%exner(i, :)
      temperature = columns%temperature_layer(i, :)
      mixing_ratio = columns%h2o(i, :)*water_to_dry_air
      mass = (pressure_level(2:) - pressure_level(:n))/gravity
      thickness = pressure_level(n + 1) - pressure_level(n)

      call advance_weather(outside, time_step, first_column + i - 1, step_number, self%modes(:, i))
      call force_column(outside, time_step, self%modes(:, i), pressure_level, pressure, exner, self%start_temperature(i, :), &
                        self%start_mixing_ratio(i, :), temperature, mixing_ratio, self%weather_heating(i))

      slab = ground
      slab%heat_capacity = ground%sea_heat_capacity + self%land(i)*(ground%heat_capacity - ground%sea_heat_capacity)
      skin = columns%surface_temperature(i)
      call step_surface(slab, time_step, net_radiation(i), pressure_level(n + 1), pressure(n), thickness, skin, &
                        temperature(n), sensible_heat(i))
      call step_evaporation(slab, time_step, 1.0_real64 - self%land(i)*(1.0_real64 - ground%land_wetness), &
                            pressure_level(n + 1), thickness, temperature(n), skin, mixing_ratio(n), self%evaporation(i))
      columns%surface_temperature(i) = skin

      call mix_boundary_layer(time_step, pressure_level, pressure, temperature, mixing_ratio)
      call adjust_column(pressure_level, exner, temperature, mixing_ratio)
      call convect_column(time_step, pressure_level, pressure, exner, temperature, mixing_ratio, convective_rain, top)
      rain = sum(mass*mixing_ratio)
      call condense(pressure, temperature, mixing_ratio)
      rain = rain - sum(mass*mixing_ratio) + convective_rain

      self%precipitation(i) = rain/time_step
      kept = exp(-time_step/rain_memory)
      self%rain_rate(i) = kept*self%rain_rate(i) + (1.0_real64 - kept)*convective_rain/time_step
      if (convective_rain > 0.0_real64) self%convection_top(i) = pressure(top)
      columns%temperature_layer(i, :) = temperature
      columns%h2o(i, :) = mixing_ratio/water_to_dry_air
    end subroutine step_column

  end subroutine step

  !> Clouds of the columns as they are.
  subroutine diagnose(self, columns, threads)
    class(moist_state), intent(in) :: self      !! [state] ()
    type(column_set), intent(inout) :: columns  !! with room for clouds [columns] ()
    integer, intent(in) :: threads              !! OpenMP threads [1] ()
    integer :: i
    !$omp parallel do schedule(static) num_threads(threads)
    do i = 1, columns%n_columns()
      call diagnose_column(i)
    end do
    !$omp end parallel do

  contains

    subroutine diagnose_column(i)
      integer, intent(in) :: i
      real(real64), dimension(columns%n_layers()) :: fraction, liquid_path, ice_path, liquid_radius, ice_radius
      call diagnose_clouds(columns%pressure_level(i, :), columns%pressure_layer(i, :), columns%temperature_layer(i, :), &
                           columns%h2o(i, :)*water_to_dry_air, self%land(i), self%rain_rate(i), self%convection_top(i), &
                           fraction, liquid_path, ice_path, liquid_radius, ice_radius)
      columns%cloud_fraction(i, :) = fraction
      columns%cloud_liquid_path(i, :) = liquid_path
      columns%cloud_ice_path(i, :) = ice_path
      columns%liquid_radius(i, :) = liquid_radius
      columns%ice_radius(i, :) = ice_radius
    end subroutine diagnose_column

  end subroutine diagnose

end module moist_physics
