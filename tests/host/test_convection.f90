!> Tests of the dry convective adjustment.
program test_convection
  use, intrinsic :: iso_fortran_env, only: real64
  use convection, only: adjust_dry_convection
  use expectations, only: conclude, expect
  use physical_constants, only: kappa
  implicit none
  integer, parameter :: n_columns = 200, n_layers = 60
  real(real64) :: pressure_level(n_columns, n_layers + 1), pressure_layer(n_columns, n_layers)
  real(real64) :: before(n_columns, n_layers), after(n_columns, n_layers), again(n_columns, n_layers)
  real(real64) :: theta(n_columns, n_layers), enthalpy_before(n_columns), enthalpy_after(n_columns), random(n_columns, n_layers)
  real(real64) :: two_level(1, 3), two_layer(1, 2), two(1, 2), mixed
  integer, allocatable :: seed(:)
  integer :: k, n_seed

  call random_seed(size=n_seed)
  allocate (seed(n_seed), source=20261124)
  call random_seed(put=seed)
  do k = 1, n_layers + 1
    pressure_level(:, k) = 1.0e5_real64*(real(k, real64)/(n_layers + 1))**2
  end do
  pressure_layer = 0.5_real64*(pressure_level(:, :n_layers) + pressure_level(:, 2:))
  call random_number(random)
  before = 200.0_real64 + 100.0_real64*random
  after = before
  call adjust_dry_convection(pressure_level, pressure_layer, after)

  enthalpy_before = sum(before*(pressure_level(:, 2:) - pressure_level(:, :n_layers)), dim=2)
  enthalpy_after = sum(after*(pressure_level(:, 2:) - pressure_level(:, :n_layers)), dim=2)
  call expect('random columns are changed', all(maxval(abs(after - before), dim=2) > 1.0_real64))
  call expect('enthalpy is conserved to rounding', &
              all(abs(enthalpy_after - enthalpy_before) <= 20.0_real64*epsilon(1.0_real64)*enthalpy_before))
  theta = after*(1.0e5_real64/pressure_layer)**kappa
  call expect('potential temperature nowhere falls with height', &
              all(theta(:, 2:) <= theta(:, :n_layers - 1)*(1.0_real64 + 1.0e-13_real64)))
  again = after
  call adjust_dry_convection(pressure_level, pressure_layer, again)
  call expect('an adjusted column stays as it is, to rounding', all(abs(again - after) <= 1.0e-11_real64))

  before = 300.0_real64*(pressure_layer/1.0e5_real64)**(0.5_real64*kappa)
  after = before
  call adjust_dry_convection(pressure_level, pressure_layer, after)
  call expect('a stable column keeps its temperatures to the last bit', all(after == before))

  two_level(1, :) = [8.0e4_real64, 9.0e4_real64, 1.0e5_real64]
  two_layer(1, :) = [8.5e4_real64, 9.5e4_real64]
  two(1, :) = [270.0_real64, 300.0_real64]
  ! Two equal masses: theta is the sum of temperatures over the sum of Exner functions.
  mixed = 570.0_real64/(0.85_real64**kappa + 0.95_real64**kappa)
  call adjust_dry_convection(two_level, two_layer, two)
  call expect('two unstable layers mix to the potential temperature worked out by hand', &
              all(abs(two(1, :) - mixed*[0.85_real64, 0.95_real64]**kappa) < 1.0e-11_real64))
  call conclude()
end program test_convection
