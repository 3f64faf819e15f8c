!> Weather from outside the column: vertical motion, and air of other temperature and humidity that arrives from the sides, as noise
!! with a memory; and a slow return to what the columns were at the start, which stands for the transports of a climate.
!!
!! Each of the three is an Ornstein-Uhlenbeck process of one number a column times a profile that vanishes at the ground and above
!! the tropopause. What this puts into a column, [W m-2], is told, so that its budget closes.
module weather
  use, intrinsic :: iso_fortran_env, only: real64
  use physical_constants, only: dry_air_heat_capacity, gravity, latent_heat, pi, seconds_per_day
  use random_numbers, only: normal_number
  implicit none
  private

  public :: weather_parameters, advance_weather, force_column

  integer, parameter, public :: n_modes = 3  !! vertical motion, warm or cold air, moist or dry air [1] ()

  type :: weather_parameters
    real(real64) :: strength = 1.0_real64          !! of all noise; 0: none [1] ()
    real(real64) :: memory = 86400.0_real64        !! in which the noise forgets [s] ()
    real(real64) :: relaxation_days = 15.0_real64  !! of the return to the start; 0: none [day] ()
    integer :: seed = 1                            !! [1] ()
  end type weather_parameters

  real(real64), parameter :: motion = 0.06_real64       ! Pa s-1, standard deviation
  real(real64), parameter :: warmth = 1.5_real64        ! K day-1
  real(real64), parameter :: moisture = 0.25_real64     ! of the humidity, day-1
  real(real64), parameter :: calm = 1.2e4_real64        ! Pa: no weather above
  real(real64), parameter :: furthest = 0.9_real64      ! of a layer, in a time step

contains

  !> Lets one time step pass over the noise of a column.
  pure subroutine advance_weather(parameters, time_step, column, step, modes)
    type(weather_parameters), intent(in) :: parameters  !! [various] ()
    real(real64), intent(in) :: time_step               !! [s] ()
    integer, intent(in) :: column                       !! number of the column in its file [1] ()
    integer, intent(in) :: step                         !! number of the time step [1] ()
    real(real64), intent(inout) :: modes(n_modes)       !! in units of their standard deviation [1] (mode)
    real(real64) :: kept
    integer :: mode
    kept = exp(-time_step/parameters%memory)
    if (step == 0) kept = 0.0_real64
    do mode = 1, n_modes
      modes(mode) = kept*modes(mode) + sqrt(1.0_real64 - kept**2)*normal_number(parameters%seed, column, step, mode)
    end do
  end subroutine advance_weather

  !> One time step of a column.
  pure subroutine force_column(parameters, time_step, modes, pressure_level, pressure, exner, start_temperature, &
                               start_mixing_ratio, temperature, mixing_ratio, gained)
    type(weather_parameters), intent(in) :: parameters   !! [various] ()
    real(real64), intent(in) :: time_step                !! [s] ()
    real(real64), intent(in) :: modes(n_modes)           !! [1] (mode)
    real(real64), intent(in) :: pressure_level(:)        !! top down [Pa] (nlay+1)
    real(real64), intent(in) :: pressure(:)              !! of layers [Pa] (nlay)
    real(real64), intent(in) :: exner(:)                 !! (p/p0)^kappa of layers [1] (nlay)
    real(real64), intent(in) :: start_temperature(:)     !! that it returns to [K] (nlay)
    real(real64), intent(in) :: start_mixing_ratio(:)    !! that it returns to [kg kg-1] (nlay)
    real(real64), intent(inout) :: temperature(:)        !! [K] (nlay)
    real(real64), intent(inout) :: mixing_ratio(:)       !! of vapour [kg kg-1] (nlay)
    real(real64), intent(out) :: gained                  !! enthalpy that came in [W m-2] ()

    real(real64), dimension(size(pressure)) :: old_temperature, old_mixing_ratio
    real(real64) :: shape, moved, share, ground, warmer, relaxing
    integer :: k, n, from

    n = size(pressure)
    ground = pressure_level(n + 1)
    old_temperature = temperature
    old_mixing_ratio = mixing_ratio
    relaxing = 0.0_real64
    if (parameters%relaxation_days > 0.0_real64) relaxing = time_step/(parameters%relaxation_days*seconds_per_day)
    gained = 0.0_real64
    do k = 1, n
      if (pressure(k) > calm) then
        shape = parameters%strength*sin(pi*(pressure(k) - calm)/(ground - calm))
        ! Upwind: air comes from above where it sinks.
        moved = shape*motion*modes(1)*time_step
        from = min(max(k - int(sign(1.0_real64, moved)), 1), n)
        if (from /= k) then
          share = min(abs(moved)/abs(pressure(k) - pressure(from)), furthest)
          temperature(k) = temperature(k) + share*(old_temperature(from)*exner(k)/exner(from) - old_temperature(k))
          mixing_ratio(k) = mixing_ratio(k) + share*(old_mixing_ratio(from) - old_mixing_ratio(k))
        end if
        warmer = shape*time_step/seconds_per_day
        temperature(k) = temperature(k) + warmer*warmth*modes(2)
        mixing_ratio(k) = mixing_ratio(k)*exp(warmer*moisture*modes(3))
      end if
      temperature(k) = temperature(k) + relaxing*(start_temperature(k) - temperature(k))
      mixing_ratio(k) = mixing_ratio(k) + relaxing*(start_mixing_ratio(k) - mixing_ratio(k))
      gained = gained + (pressure_level(k + 1) - pressure_level(k))/gravity &
               *(dry_air_heat_capacity*(temperature(k) - old_temperature(k)) &
                 + latent_heat*(mixing_ratio(k) - old_mixing_ratio(k)))
    end do
    gained = gained/time_step
  end subroutine force_column

end module weather
