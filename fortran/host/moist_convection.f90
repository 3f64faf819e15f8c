!> Moist convective adjustment that takes its time: the simplified Betts-Miller scheme (Frierson 2007, J. Atmos. Sci. 64, 1959).
!!
!! Air of the lowest layer is lifted, dry and then with what condenses falling out. Up to where it stops being warmer than the air
!! around it, temperature and humidity relax to its temperature and to a fixed relative humidity. Where that drains no water,
!! convection is shallow: the reference humidity is scaled to what is there, nothing rains, and heat is only moved about.
!! Either way the enthalpy c_p T + L r of the column stays what it was.
module moist_convection
  use, intrinsic :: iso_fortran_env, only: real64
  use physical_constants, only: dry_air_heat_capacity, gravity, latent_heat
  use saturation, only: condense, saturation_mixing_ratio
  implicit none
  private

  public :: convect_column

  real(real64), parameter :: relaxation_time = 7200.0_real64   ! s
  real(real64), parameter :: reference_humidity = 0.7_real64   ! of saturation
  real(real64), parameter :: highest_start = 0.6_real64        ! of surface pressure: where buoyancy must have begun
  real(real64), parameter :: least_buoyancy = 0.01_real64      ! K

contains

  !> One time step of a column.
  pure subroutine convect_column(time_step, pressure_level, pressure, exner, temperature, mixing_ratio, rain, top)
    real(real64), intent(in) :: time_step          !! [s] ()
    real(real64), intent(in) :: pressure_level(:)  !! top down [Pa] (nlay+1)
    real(real64), intent(in) :: pressure(:)        !! of layers [Pa] (nlay)
    real(real64), intent(in) :: exner(:)           !! (p/p0)^kappa of layers [1] (nlay)
    real(real64), intent(inout) :: temperature(:)  !! [K] (nlay)
    real(real64), intent(inout) :: mixing_ratio(:) !! of vapour [kg kg-1] (nlay)
    real(real64), intent(out) :: rain              !! that falls in the step [kg m-2] ()
    integer, intent(out) :: top                    !! uppermost layer that took part; one below the lowest where none did [1] ()

    real(real64), dimension(size(pressure)) :: parcel, reference, mass
    real(real64) :: vapour, share, drying, warming, total
    integer :: k, n
    logical :: rising

    n = size(pressure)
    rain = 0.0_real64
    top = n + 1
    vapour = mixing_ratio(n)
    parcel(n) = temperature(n)
    rising = .false.
    do k = n - 1, 1, -1
      parcel(k) = parcel(k + 1)*(exner(k)/exner(k + 1))
      call condense(pressure(k), parcel(k), vapour)
      if (parcel(k) > temperature(k) + least_buoyancy) then
        rising = .true.
        top = k
      else if (rising .or. pressure(k) < highest_start*pressure_level(n + 1)) then
        exit
      end if
    end do
    if (top > n) return

    mass(top:n) = (pressure_level(top + 1:n + 1) - pressure_level(top:n))/gravity
    reference(top:n) = reference_humidity*saturation_mixing_ratio(parcel(top:n), pressure(top:n))
    drying = sum(mass(top:n)*(mixing_ratio(top:n) - reference(top:n)))
    warming = sum(mass(top:n)*(parcel(top:n) - temperature(top:n)))
    if (warming <= 0.0_real64) then
      top = n + 1
      return
    end if
    total = sum(mass(top:n))
    if (drying > 0.0_real64) then
      parcel(top:n) = parcel(top:n) + (latent_heat/dry_air_heat_capacity*drying - warming)/total
    else
      reference(top:n) = reference(top:n)*(1.0_real64 + drying/sum(mass(top:n)*reference(top:n)))
      parcel(top:n) = parcel(top:n) - warming/total
      drying = 0.0_real64
    end if
    share = 1.0_real64 - exp(-time_step/relaxation_time)
    temperature(top:n) = temperature(top:n) + share*(parcel(top:n) - temperature(top:n))
    mixing_ratio(top:n) = mixing_ratio(top:n) + share*(reference(top:n) - mixing_ratio(top:n))
    rain = share*drying
  end subroutine convect_column

end module moist_convection
