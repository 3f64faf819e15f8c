!> Runs a model on Fortran arrays: the dew point of some air.
program first_model
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_torch, only: torch_in, torch_model, torch_out
  implicit none

  integer, parameter :: columns = 3, layers = 2
  type(torch_model) :: net
  real(real64) :: temperature(columns, layers), humidity(columns, layers), dew_point(columns, layers)
  integer :: i

  temperature = reshape([273.15_real64, 283.15_real64, 293.15_real64, 263.15_real64, 273.15_real64, 283.15_real64], &
    [columns, layers])
  humidity = 0.5_real64

  call net%load('dew_point.pt')
  call net%forward([torch_in(temperature), torch_in(humidity)], [torch_out(dew_point)])
  print '(a, 2f9.2)', ('dew point [K] of column '//achar(iachar('0') + i), dew_point(i, :), i=1, columns)
end program first_model
