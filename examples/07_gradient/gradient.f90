!> Variational data assimilation of one profile: the model is the observation operator, radml gives its tangent linear and adjoint.
program gradient
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_torch, only: torch_in, torch_model, torch_out
  implicit none

  integer, parameter :: layers = 5, channels = 3
  real(real64), parameter :: background_error = 1.5_real64   ! K
  real(real64), parameter :: observation_error = 1.0_real64  ! W m-2
  real(real64), parameter :: step = 0.05_real64
  type(torch_model) :: sounder
  real(real64), dimension(1, layers) :: background, temperature, perturbation, gradient_of_cost
  real(real64), dimension(1, channels) :: observed, radiance, departure, radiance_perturbation
  integer :: iteration

  background(1, :) = [220.0_real64, 235.0_real64, 252.0_real64, 270.0_real64, 285.0_real64]
  perturbation(1, :) = [1.0_real64, -0.5_real64, 2.0_real64, 1.5_real64, -1.0_real64]
  call sounder%load('sounder.pt')

  ! The truth is the background, perturbed; the instrument sees the truth.
  temperature = background + perturbation
  call sounder%forward([torch_in(temperature)], [torch_out(observed)])

  ! Are they each other's transposes? <H dT, y> = <dT, H^T y>
  departure(1, :) = [1.0_real64, 2.0_real64, 3.0_real64]
  call sounder%jacobian_vector_product([torch_in(background)], [torch_in(perturbation)], [torch_out(radiance_perturbation)])
  call sounder%vector_jacobian_product([torch_in(background)], [torch_in(departure)], [torch_out(gradient_of_cost)])
  print '(a, f9.4, a, f9.4)', 'dot-product test: ', sum(radiance_perturbation * departure), ' = ', &
    sum(perturbation * gradient_of_cost)

  temperature = background
  do iteration = 0, 40
    call sounder%forward([torch_in(temperature)], [torch_out(radiance)])
    departure = (radiance - observed) / observation_error**2
    if (mod(iteration, 20) == 0) print '(a, i2, a, f7.3)', 'iteration ', iteration, ': cost ', &
      0.5_real64 * sum((temperature - background)**2) / background_error**2 + &
      0.5_real64 * sum((radiance - observed)**2) / observation_error**2
    call sounder%vector_jacobian_product([torch_in(temperature)], [torch_in(departure)], [torch_out(gradient_of_cost)])
    gradient_of_cost = gradient_of_cost + (temperature - background) / background_error**2
    temperature = temperature - step * background_error**2 * gradient_of_cost
  end do
  print '(a, 5f6.2)', 'true increment [K]      ', perturbation
  print '(a, 5f6.2)', 'analysed increment [K]  ', temperature - background
end program gradient
