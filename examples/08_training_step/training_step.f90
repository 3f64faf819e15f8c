!> A network learns a scheme of the host while the host runs: one step of the optimizer in each time step.
program training_step
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_torch, only: radml_status, torch_in, torch_model, torch_out, torch_trainer
  implicit none

  integer, parameter :: columns = 64, time_steps = 600
  type(torch_trainer) :: trainer
  type(torch_model) :: network
  real(real64) :: temperature(columns), wind(columns), evaporation(columns), predicted(columns), loss
  character(len=:), allocatable :: message
  integer :: time_step, stat

  call trainer%create('evaporation.pt', 'adam', learning_rate=0.02_real64)
  do time_step = 1, time_steps
    call weather(time_step, temperature, wind)
    evaporation = scheme(temperature, wind)
    if (time_step == time_steps / 2) call trainer%set_learning_rate(0.005_real64)
    call trainer%step([torch_in(temperature), torch_in(wind)], [torch_in(evaporation)], loss, stat, message)
    if (stat == radml_status%not_finite) cycle   ! a bad sample has changed nothing
    if (stat /= 0) error stop message
    if (mod(time_step, 200) == 0 .or. time_step == 1) print '(a, i3, a, f7.3)', 'time step ', time_step, &
      ': root mean square error [mm day-1]', sqrt(loss)
  end do
  call trainer%save('trained.pt')

  call network%load('trained.pt')
  call weather(time_steps + 1, temperature, wind)
  call network%forward([torch_in(temperature), torch_in(wind)], [torch_out(predicted)])
  evaporation = scheme(temperature, wind)
  print '(a, f5.1)', 'largest evaporation [mm day-1] ', maxval(evaporation)
  print '(a, l1)', 'the saved network is within 0.5 mm day-1 of the scheme: ', all(abs(predicted - evaporation) < 0.5_real64)

contains

  !> Other temperatures and winds in each time step.
  subroutine weather(time_step, temperature, wind)
    integer, intent(in) :: time_step
    real(real64), intent(out) :: temperature(:), wind(:)
    integer :: i

    do i = 1, columns
      temperature(i) = 280.0_real64 + 20.0_real64 * modulo(0.618_real64 * (columns * time_step + i), 1.0_real64)
      wind(i) = 2.0_real64 + 12.0_real64 * modulo(0.414_real64 * (columns * time_step + i), 1.0_real64)
    end do
  end subroutine weather

  !> A bulk formula: evaporation [mm day-1] at 80 % humidity from sea-surface temperature [K] and wind [m s-1].
  elemental function scheme(temperature, wind) result(evaporation)
    real(real64), intent(in) :: temperature, wind
    real(real64) :: evaporation, saturation

    saturation = 0.622_real64 * 611.2_real64 * exp(17.67_real64 * (temperature - 273.15_real64) / &
      (temperature - 29.65_real64)) / 1.0e5_real64
    evaporation = 86400.0_real64 * 1.2_real64 * 1.2e-3_real64 * wind * (0.98_real64 - 0.8_real64) * saturation
  end function scheme

end program training_step
