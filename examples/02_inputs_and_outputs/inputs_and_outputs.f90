!> Several inputs and outputs, put into the model's order by the names in its manifest.
program inputs_and_outputs
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_torch, only: torch_array, torch_in, torch_model, torch_out
  implicit none

  integer, parameter :: columns = 2, layers = 3, tracers = 4, vapour = 2
  type(torch_model) :: net
  type(torch_array), allocatable :: inputs(:), outputs(:)
  ! Views are made before the call: `target` says that the arrays are used by more than their names.
  real(real64), target :: temperature(columns, layers), tracer(columns, layers, tracers), pressure_level(columns, layers + 1)
  real(real64), target :: relative_humidity(columns, layers), virtual_temperature(columns, layers), water(columns)
  integer :: i

  pressure_level = spread([20000.0_real64, 50000.0_real64, 80000.0_real64, 100000.0_real64], 1, columns)
  temperature = spread([235.0_real64, 268.0_real64, 288.0_real64], 1, columns)
  tracer = 0.0_real64
  tracer(1, :, vapour) = [0.0001_real64, 0.002_real64, 0.008_real64]
  tracer(2, :, vapour) = 0.5_real64*tracer(1, :, vapour)

  call net%load('moist_air.pt')
  allocate (inputs(net%n_inputs()), outputs(net%n_outputs()))
  do i = 1, size(inputs)
    select case (net%input_name(i))
    case ('temperature'); inputs(i) = torch_in(temperature)
    case ('specific_humidity'); inputs(i) = torch_in(tracer(:, :, vapour))   ! a section: viewed, not copied
    case ('pressure_level'); inputs(i) = torch_in(pressure_level)
    case default; error stop 'moist_air.pt wants an input that this host does not have: '//net%input_name(i)
    end select
  end do
  do i = 1, size(outputs)
    select case (net%output_name(i))
    case ('relative_humidity'); outputs(i) = torch_out(relative_humidity)
    case ('virtual_temperature'); outputs(i) = torch_out(virtual_temperature)
    case ('precipitable_water'); outputs(i) = torch_out(water)
    case default; error stop 'moist_air.pt gives an output that this host does not know: '//net%output_name(i)
    end select
  end do
  call net%forward(inputs, outputs)

  do i = 1, columns
    print '(a, i0, a, 3f6.3)', 'column ', i, ': relative humidity ', relative_humidity(i, :)
    print '(10x, a, 3f8.2, a)', 'virtual temperature ', virtual_temperature(i, :), ' K'
    print '(10x, a, f6.2, a)', 'precipitable water ', water(i), ' kg m-2'
  end do
end program inputs_and_outputs
