!> Adjoint and tangent linear of models on Fortran arrays, in a host that traps. The argument is the folder of the test models.
program test_torch_gradients
  use, intrinsic :: iso_c_binding, only: c_f_pointer, c_loc
  use, intrinsic :: ieee_exceptions, only: ieee_divide_by_zero, ieee_get_halting_mode, ieee_invalid, ieee_overflow, &
    ieee_set_halting_mode
  use, intrinsic :: iso_fortran_env, only: int32, int64, real32, real64
  use radml_torch, only: radml_status, torch_array, torch_in, torch_model, torch_none, torch_on_device, torch_out, torch_permute, &
    torch_plan, torch_reverse, torch_set_num_threads
  use torch_checks, only: check, check_failure, finish, model_path
  implicit none

  integer, parameter :: n = 9, layers = 12, bands = 7
  type(torch_model) :: net
  integer(int32) :: kind(n), twice(n)
  real(real64) :: profile(n, layers), surface(n), unused(n)
  real(real64) :: profile_tangent(n, layers), surface_tangent(n), flux_cotangent(n, bands), total_cotangent(n)
  real(real64) :: python_flux(n, bands), python_total(n), python_profile_gradient(n, layers), python_surface_gradient(n)
  real(real64) :: python_flux_tangent(n, bands), python_total_tangent(n)
  character(len=:), allocatable :: message
  integer :: stat

  call ieee_set_halting_mode(ieee_invalid, .true.)
  call ieee_set_halting_mode(ieee_divide_by_zero, .true.)
  call ieee_set_halting_mode(ieee_overflow, .true.)
  call random_init(repeatable=.true., image_distinct=.false.)
  unused = 1.0_real64
  call net%load(model_path('response_values.pt'))
  call net%forward([torch_array ::], [torch_out(profile), torch_out(kind), torch_out(surface), torch_out(profile_tangent), &
    torch_out(surface_tangent), torch_out(flux_cotangent), torch_out(total_cotangent), torch_out(python_flux), &
    torch_out(python_total), torch_out(python_profile_gradient), torch_out(python_surface_gradient), &
    torch_out(python_flux_tangent), torch_out(python_total_tangent)])
  call net%load(model_path('response.pt'))

  call same_as_torch_func()
  call dot_product()
  call finite_differences()
  call layouts()
  call places_left_out()
  call residual_network()
  call in_place()
  call arrays_in_common()
  call identity_and_scalars()
  call complex_numbers()
  call beside_forward()
  call many_threads()
  call bad_arithmetic()
  call refused_counts()
  call refused_arrays()
  call refused_models()
  call refused_none()
  call finish()

contains

  function norm_of(a) result(norm)
    real(real64), intent(in) :: a(:, :)
    real(real64) :: norm

    norm = sqrt(sum(a**2))
  end function norm_of

  subroutine adjoint(profile_gradient, surface_gradient)
    real(real64), intent(inout) :: profile_gradient(:, :), surface_gradient(:)

    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(flux_cotangent), torch_in(total_cotangent), torch_none()], &
      [torch_out(profile_gradient), torch_none(), torch_out(surface_gradient), torch_none()])
  end subroutine adjoint

  subroutine tangent_linear(flux_tangent, total_tangent)
    real(real64), intent(inout) :: flux_tangent(:, :), total_tangent(:)

    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(profile_tangent), torch_none(), torch_in(surface_tangent), torch_none()], &
      [torch_out(flux_tangent), torch_out(total_tangent), torch_none()])
  end subroutine tangent_linear

  subroutine same_as_torch_func()
    real(real64) :: profile_gradient(n, layers), surface_gradient(n), flux_tangent(n, bands), total_tangent(n)
    real(real64) :: flux(n, bands), total(n)

    profile_gradient = -7.0_real64
    surface_gradient = -7.0_real64
    call adjoint(profile_gradient, surface_gradient)
    call check(maxval(abs(profile_gradient - python_profile_gradient)) < 1.0e-12_real64 * maxval(abs(python_profile_gradient)) &
      .and. maxval(abs(surface_gradient - python_surface_gradient)) < 1.0e-12_real64 * maxval(abs(python_surface_gradient)), &
      'the adjoint is that of torch.func.vjp')
    call tangent_linear(flux_tangent, total_tangent)
    call check(maxval(abs(flux_tangent - python_flux_tangent)) < 1.0e-12_real64 * maxval(abs(python_flux_tangent)) .and. &
      maxval(abs(total_tangent - python_total_tangent)) < 1.0e-12_real64 * maxval(abs(python_total_tangent)), &
      'the tangent linear is that of torch.func.jvp')

    flux = -7.0_real64
    total = -7.0_real64
    twice = -7
    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(flux_cotangent), torch_in(total_cotangent), torch_none()], &
      [torch_out(profile_gradient), torch_none(), torch_none(), torch_none()], &
      outputs=[torch_out(flux), torch_out(total), torch_out(twice)])
    call check(maxval(abs(flux - python_flux)) < 1.0e-13_real64 * maxval(abs(python_flux)) .and. &
      maxval(abs(total - python_total)) < 1.0e-13_real64 * maxval(abs(python_total)) .and. all(twice == 2 * kind), &
      'the adjoint gives the outputs as well')
    flux = -7.0_real64
    twice = -7
    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(profile_tangent), torch_none(), torch_in(surface_tangent), torch_none()], &
      [torch_out(flux_tangent), torch_none(), torch_none()], outputs=[torch_out(flux), torch_none(), torch_out(twice)])
    call check(maxval(abs(flux - python_flux)) < 1.0e-13_real64 * maxval(abs(python_flux)) .and. all(twice == 2 * kind), &
      'the tangent linear gives the outputs that are wanted')
  end subroutine same_as_torch_func

  !> <J x, y> = <x, J^T y>: the test that the adjoint of a tangent linear has to pass.
  subroutine dot_product()
    real(real64) :: profile_gradient(n, layers), surface_gradient(n), flux_tangent(n, bands), total_tangent(n)
    real(real64) :: forwards, backwards

    call adjoint(profile_gradient, surface_gradient)
    call tangent_linear(flux_tangent, total_tangent)
    forwards = sum(flux_tangent * flux_cotangent) + sum(total_tangent * total_cotangent)
    backwards = sum(profile_tangent * profile_gradient) + sum(surface_tangent * surface_gradient)
    call check(abs(forwards) > 1.0_real64 .and. abs(forwards - backwards) < 1.0e-13_real64 * abs(forwards), &
      'adjoint and tangent linear pass the dot-product test')
  end subroutine dot_product

  subroutine perturbed(step, flux, total)
    real(real64), intent(in) :: step
    real(real64), intent(inout) :: flux(:, :), total(:)
    real(real64) :: moved_profile(n, layers), moved_surface(n)

    moved_profile = profile + step * profile_tangent
    moved_surface = surface + step * surface_tangent
    call net%forward([torch_in(moved_profile), torch_in(kind), torch_in(moved_surface), torch_in(unused)], &
      [torch_out(flux), torch_out(total), torch_out(twice)])
  end subroutine perturbed

  subroutine finite_differences()
    real(real64), parameter :: step = 1.0e-5_real64
    real(real64) :: flux_tangent(n, bands), total_tangent(n), flux(n, bands, 2), total(n, 2)

    call tangent_linear(flux_tangent, total_tangent)
    call perturbed(step, flux(:, :, 1), total(:, 1))
    call perturbed(-step, flux(:, :, 2), total(:, 2))
    call check(maxval(abs((flux(:, :, 1) - flux(:, :, 2)) / (2.0_real64 * step) - flux_tangent)) < &
      1.0e-8_real64 * maxval(abs(flux_tangent)) .and. maxval(abs((total(:, 1) - total(:, 2)) / (2.0_real64 * step) - &
      total_tangent)) < 1.0e-8_real64 * maxval(abs(total_tangent)), 'the tangent linear is what finite differences give')
  end subroutine finite_differences

  !> Sections, negative strides, components of records, permuted dimensions, for every kind of argument.
  subroutine layouts()
    type :: cell
      character(len=3) :: name
      real(real64) :: value
    end type cell
    real(real64) :: wide(2 * n, layers + 3), transposed(bands, n), gradient(layers, n), wanted(n, layers), wanted_surface(n)
    real(real64) :: tangent(3, n, bands), wanted_tangent(n, bands), wanted_total(n), total_tangent(n)
    type(cell) :: surfaces(n), surface_gradients(n)

    wide = -7.0_real64
    wide(2::2, 2:layers + 1) = profile(n:1:-1, :)
    surfaces%value = surface
    transposed = transpose(flux_cotangent)
    gradient = -7.0_real64
    surface_gradients%value = -7.0_real64
    call adjoint(wanted, wanted_surface)
    call net%vector_jacobian_product([torch_in(wide(2 * n:2:-2, 2:layers + 1)), torch_in(kind), torch_in(surfaces%value), &
      torch_in(unused)], [torch_reverse(torch_in(transposed)), torch_in(total_cotangent), torch_none()], &
      [torch_permute(torch_out(gradient(layers:1:-1, :)), [2, 1]), torch_none(), torch_out(surface_gradients(n:1:-1)%value), &
      torch_none()])
    call check(norm_of(transpose(gradient(layers:1:-1, :)) - wanted) < 1.0e-13_real64 * norm_of(wanted) .and. &
      maxval(abs(surface_gradients(n:1:-1)%value - wanted_surface)) < 1.0e-13_real64 * maxval(abs(wanted_surface)), &
      'the adjoint takes and gives sections, components, reversed and permuted views')
    call check(all(wide(1::2, :) == -7.0_real64), '... and leaves what lies between alone')

    call tangent_linear(wanted_tangent, wanted_total)
    tangent = -7.0_real64
    wide(2::2, 2:layers + 1) = profile_tangent(n:1:-1, :)
    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(wide(2 * n:2:-2, 2:layers + 1)), torch_none(), torch_in(surface_tangent(:)), torch_none()], &
      [torch_out(tangent(2, n:1:-1, :)), torch_out(total_tangent), torch_none()])
    call check(norm_of(tangent(2, n:1:-1, :) - wanted_tangent) < 1.0e-13_real64 * norm_of(wanted_tangent) .and. &
      maxval(abs(total_tangent - wanted_total)) < 1.0e-13_real64 * maxval(abs(wanted_total)), &
      'the tangent linear takes and gives sections and negative strides')
    call check(all(tangent(1::2, :, :) == -7.0_real64), '... and leaves what lies between alone')
  end subroutine layouts

  subroutine places_left_out()
    real(real64) :: one(n, layers), other(n, layers), both(n, layers), flux(n, bands), total(n), unused_gradient(n)
    real(real64) :: profile_part(n, bands), surface_part(n, bands), empty(0, layers), nothing(0), no_flux(0, bands)
    integer(int32) :: no_kind(0)

    call adjoint(both, total)
    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(flux_cotangent), torch_none(), torch_none()], [torch_out(one), torch_none(), torch_none(), torch_none()])
    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_none(), torch_in(total_cotangent), torch_none()], [torch_out(other), torch_none(), torch_none(), torch_none()])
    call check(norm_of(one) > 0.0_real64 .and. norm_of(other) > 0.0_real64 .and. &
      norm_of(one + other - both) < 1.0e-13_real64 * norm_of(both), 'a cotangent left out is zero')

    unused_gradient = -7.0_real64
    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(flux_cotangent), torch_none(), torch_none()], &
      [torch_none(), torch_none(), torch_none(), torch_out(unused_gradient)])
    call check(all(unused_gradient == 0.0_real64), 'the gradient by an input that no output depends on is zero')
    one = -7.0_real64
    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_none(), torch_none(), torch_none()], [torch_out(one), torch_none(), torch_none(), torch_none()])
    call check(all(one == 0.0_real64), 'without any cotangent the gradient is zero')

    call tangent_linear(flux, total)
    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(profile_tangent), torch_none(), torch_none(), torch_none()], &
      [torch_out(profile_part), torch_none(), torch_none()])
    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_none(), torch_none(), torch_in(surface_tangent), torch_in(unused)], &
      [torch_out(surface_part), torch_none(), torch_none()])
    call check(norm_of(profile_part) > 0.0_real64 .and. norm_of(surface_part) > 0.0_real64 .and. &
      norm_of(profile_part + surface_part - flux) < 1.0e-13_real64 * norm_of(flux), 'a tangent left out is zero')
    flux = -7.0_real64
    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_none(), torch_none(), torch_none(), torch_in(unused)], [torch_out(flux), torch_none(), torch_none()])
    call check(all(flux == 0.0_real64), 'the tangent of an input that no output depends on gives zero')

    call net%vector_jacobian_product([torch_in(empty), torch_in(no_kind), torch_in(nothing), torch_in(nothing)], &
      [torch_in(no_flux), torch_none(), torch_none()], [torch_out(empty), torch_none(), torch_out(nothing), torch_none()], &
      stat)
    call check(stat == radml_status%success, 'no columns are no trouble for the adjoint')
    call net%jacobian_vector_product([torch_in(empty), torch_in(no_kind), torch_in(nothing), torch_in(nothing)], &
      [torch_in(empty), torch_none(), torch_none(), torch_none()], [torch_out(no_flux), torch_none(), torch_none()], stat)
    call check(stat == radml_status%success, '... nor for the tangent linear')
  end subroutine places_left_out

  !> The project's own network: single precision inside, work in place on intermediate results.
  subroutine residual_network()
    integer, parameter :: c = 16, l = 40
    real(real64), parameter :: step = 0.5_real64
    type(torch_model) :: rescnn, values
    real(real64) :: pressure_level(c, l + 1), temperature_level(c, l + 1), pressure_layer(c, l), temperature_layer(c, l), &
      h2o(c, l), o3(c, l), co2(c, l), ch4(c, l), n2o(c, l), surface_temperature(c), emissivity(c)
    real(real64) :: tangent(c, l), h2o_tangent(c, l), surface_gradient(c), gradient(c, l), h2o_gradient(c, l)
    real(real64), dimension(c, l + 1) :: up, down, up_tangent, down_tangent, up_cotangent
    real(real64) :: heating(c, l), heating_tangent(c, l), heating_cotangent(c, l), moved(c, l), above(c, l + 1, 2)
    real(real64) :: forwards, backwards
    integer :: side

    call values%load(model_path('rescnn_inputs.pt'))
    call values%forward([torch_array ::], [torch_out(pressure_level), torch_out(temperature_level), torch_out(pressure_layer), &
      torch_out(temperature_layer), torch_out(h2o), torch_out(o3), torch_out(co2), torch_out(ch4), torch_out(n2o), &
      torch_out(surface_temperature), torch_out(emissivity)])
    call random_number(tangent)
    call random_number(h2o_tangent)
    call random_number(up_cotangent)
    call random_number(heating_cotangent)
    h2o_tangent = h2o_tangent * h2o
    call rescnn%load(model_path('rescnn.pt'))
    call rescnn%jacobian_vector_product([torch_in(pressure_level), torch_in(temperature_level), torch_in(pressure_layer), &
      torch_in(temperature_layer), torch_in(h2o), torch_in(o3), torch_in(co2), torch_in(ch4), torch_in(n2o), &
      torch_in(surface_temperature), torch_in(emissivity)], [torch_none(), torch_none(), torch_none(), torch_in(tangent), &
      torch_in(h2o_tangent), torch_none(), torch_none(), torch_none(), torch_none(), torch_none(), torch_none()], &
      [torch_out(up_tangent), torch_out(down_tangent), torch_out(heating_tangent)])
    call rescnn%vector_jacobian_product([torch_in(pressure_level), torch_in(temperature_level), torch_in(pressure_layer), &
      torch_in(temperature_layer), torch_in(h2o), torch_in(o3), torch_in(co2), torch_in(ch4), torch_in(n2o), &
      torch_in(surface_temperature), torch_in(emissivity)], [torch_in(up_cotangent), torch_none(), &
      torch_in(heating_cotangent)], [torch_none(), torch_none(), torch_none(), torch_out(gradient), torch_out(h2o_gradient), &
      torch_none(), torch_none(), torch_none(), torch_none(), torch_out(surface_gradient), torch_none()])
    forwards = sum(up_tangent * up_cotangent) + sum(heating_tangent * heating_cotangent)
    backwards = sum(tangent * gradient) + sum(h2o_tangent * h2o_gradient)
    call check(abs(forwards) > 1.0_real64 .and. abs(forwards - backwards) < 1.0e-4_real64 * abs(forwards), &
      'the ResCNN''s adjoint and tangent linear pass the dot-product test, in single precision')
    call check(all(surface_gradient > 0.0_real64), 'a warmer surface radiates more')

    do side = 1, 2
      moved = temperature_layer + merge(step, -step, side == 1) * tangent
      call rescnn%forward([torch_in(pressure_level), torch_in(temperature_level), torch_in(pressure_layer), torch_in(moved), &
        torch_in(h2o), torch_in(o3), torch_in(co2), torch_in(ch4), torch_in(n2o), torch_in(surface_temperature), &
        torch_in(emissivity)], [torch_out(up), torch_out(down), torch_out(heating)])
      above(:, :, side) = up
    end do
    call rescnn%jacobian_vector_product([torch_in(pressure_level), torch_in(temperature_level), torch_in(pressure_layer), &
      torch_in(temperature_layer), torch_in(h2o), torch_in(o3), torch_in(co2), torch_in(ch4), torch_in(n2o), &
      torch_in(surface_temperature), torch_in(emissivity)], [torch_none(), torch_none(), torch_none(), torch_in(tangent), &
      torch_none(), torch_none(), torch_none(), torch_none(), torch_none(), torch_none(), torch_none()], &
      [torch_out(up_tangent), torch_none(), torch_none()])
    call check(norm_of((above(:, :, 1) - above(:, :, 2)) / (2.0_real64 * step) - up_tangent) < &
      5.0e-3_real64 * norm_of(up_tangent), 'the ResCNN''s tangent linear is what finite differences of half a kelvin give')
  end subroutine residual_network

  subroutine in_place()
    type(torch_model) :: worker
    real(real64) :: x(4), w(4), ones(4), x_gradient(4), w_gradient(4), tangent(4), y(4)

    x = [1.0_real64, 2.0_real64, 3.0_real64, 4.0_real64]
    w = 5.0_real64
    ones = 1.0_real64
    call worker%load(model_path('works_in_place_on_both.pt'))
    call worker%vector_jacobian_product([torch_in(x), torch_in(w)], [torch_in(ones)], &
      [torch_out(x_gradient), torch_out(w_gradient)], outputs=[torch_out(y)])
    call check(all(x_gradient == 3.0_real64) .and. all(w_gradient == [0, 12, 12, 12]), &
      'the adjoint of a model that works in place')
    call check(all(y == [3, 42, 45, 48]), '... and its outputs')
    call worker%jacobian_vector_product([torch_in(x), torch_in(w)], [torch_in(ones), torch_in(ones)], [torch_out(tangent)])
    call check(all(tangent == [3, 15, 15, 15]), 'the tangent linear of a model that works in place')
    call check(all(x == [1, 2, 3, 4]) .and. all(w == 5.0_real64) .and. all(ones == 1.0_real64), '... spoils no input')
  end subroutine in_place

  !> Gradients may go into the arrays of the cotangents, tangents into those of the inputs: all is computed before.
  subroutine arrays_in_common()
    type(torch_model) :: swap
    real(real64) :: a(3), b(3), u(3), v(3)

    a = 1.0_real64
    b = 2.0_real64
    u = 3.0_real64
    v = 4.0_real64
    call swap%load(model_path('swap.pt'))
    call swap%vector_jacobian_product([torch_in(a), torch_in(b)], [torch_in(u), torch_in(v)], [torch_out(u), torch_out(v)], &
      outputs=[torch_out(a), torch_out(b)])
    call check(all(u == 4.0_real64) .and. all(v == 3.0_real64), 'gradients may be written over the cotangents')
    call check(all(a == 2.0_real64) .and. all(b == 1.0_real64), '... and outputs over the inputs')
    call swap%jacobian_vector_product([torch_in(a), torch_in(b)], [torch_in(u), torch_in(v)], [torch_out(u), torch_out(v)], &
      outputs=[torch_out(b), torch_out(a)])
    call check(all(u == 3.0_real64) .and. all(v == 4.0_real64) .and. all(a == 2.0_real64) .and. all(b == 1.0_real64), &
      'tangents of outputs may be written over those of inputs')
  end subroutine arrays_in_common

  subroutine identity_and_scalars()
    type(torch_model) :: model
    real(real32) :: x(5), tangent(5), y_tangent(5), gradient(5), scalar, scalar_gradient, one
    real(real64) :: total_gradient(5), weights(5), unity

    call model%load(model_path('optional_offset.pt'))
    x = 1.0_real32
    tangent = 3.0_real32
    call model%vector_jacobian_product([torch_in(x)], [torch_in(tangent)], [torch_out(gradient)])
    call model%jacobian_vector_product([torch_in(x)], [torch_in(tangent)], [torch_out(y_tangent)])
    call check(all(gradient == 3.0_real32) .and. all(y_tangent == 3.0_real32), &
      'single precision, without manifest and without an optional input')
    scalar = 2.0_real32
    one = 1.0_real32
    call model%vector_jacobian_product([torch_in(scalar)], [torch_in(one)], [torch_out(scalar_gradient)])
    call check(scalar_gradient == 1.0_real32, 'scalars')
    call model%load(model_path('total.pt'))
    weights = 1.0_real64
    unity = 2.0_real64
    call model%vector_jacobian_product([torch_in(weights)], [torch_none(), torch_in(unity)], [torch_out(total_gradient)])
    call check(all(total_gradient == 2.0_real64), 'the gradient of a sum')
  end subroutine identity_and_scalars

  !> PyTorch's convention: the gradient of a real function is twice its derivative by the conjugate.
  subroutine complex_numbers()
    type(torch_model) :: model
    complex(real64) :: z(2), tangent(2), square_tangent(2), gradient(2), cotangent(2)
    complex(real64), pointer :: anywhere(:)
    real(real64), target :: storage(20)
    real(real64) :: ones(2), size_tangent(2), forwards, backwards
    integer :: i
    logical :: right

    z = [(1.0_real64, 2.0_real64), (-3.0_real64, 0.5_real64)]
    tangent = [(0.5_real64, -1.0_real64), (2.0_real64, 1.0_real64)]
    cotangent = [(1.0_real64, 1.0_real64), (0.0_real64, 2.0_real64)]
    ones = 1.0_real64
    call model%load(model_path('complex.pt'))
    call model%vector_jacobian_product([torch_in(z)], [torch_none(), torch_in(ones)], [torch_out(gradient)])
    call check(all(abs(gradient - 2.0_real64 * z) < 1.0e-14_real64), 'the gradient of |z|**2 is 2 z')
    call model%vector_jacobian_product([torch_in(z)], [torch_in(cotangent), torch_in(ones)], [torch_out(gradient)])
    call model%jacobian_vector_product([torch_in(z)], [torch_in(tangent)], [torch_out(square_tangent), torch_out(size_tangent)])
    forwards = sum(real(square_tangent * conjg(cotangent), real64)) + sum(size_tangent * ones)
    backwards = sum(real(tangent * conjg(gradient), real64))
    call check(abs(forwards - backwards) < 1.0e-13_real64, 'complex arrays pass the dot-product test in their real part')

    ! LibTorch's instructions want 16 bytes, of which Fortran knows nothing.
    right = .true.
    do i = 1, 2
      storage = 1.0_real64
      call c_f_pointer(c_loc(storage(i)), anywhere, [9])
      call model%vector_jacobian_product([torch_in(anywhere)], [torch_in(anywhere), torch_none()], [torch_out(anywhere)])
      right = right .and. all(anywhere == (4.0_real64, 0.0_real64))
    end do
    call check(right, 'complex arrays may begin at any multiple of 8 bytes')
  end subroutine complex_numbers

  !> One loaded model for all: the forward gives the same bits before and after, plans too.
  subroutine beside_forward()
    type(torch_plan) :: plan
    real(real64) :: before(n, bands), after(n, bands), total(n), gradient(n, layers), surface_gradient(n)

    call net%load(model_path('response.pt')) ! a fresh one, whose first call is a derivative
    call adjoint(gradient, surface_gradient)
    call net%forward([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_out(before), torch_out(total), torch_out(twice)])
    call tangent_linear(after, total)
    call plan%create(net, [torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_out(after), torch_out(total), torch_out(twice)])
    call plan%run()
    call check(all(before == after), 'forwards, plans and derivatives of one model do not disturb each other')
    call adjoint(gradient, surface_gradient)
    call check(norm_of(gradient - python_profile_gradient) < 1.0e-12_real64 * norm_of(gradient), '... nor the derivatives')
  end subroutine beside_forward

  subroutine many_threads()
    integer, parameter :: calls = 96
    real(real64) :: gradients(n, layers, calls), wanted(n, layers, calls), tangents(n, bands, calls), &
      wanted_tangents(n, bands, calls), inputs(n, layers, calls)
    integer :: i, round, stats(calls)
    logical :: right

    call torch_set_num_threads(1) ! a product on two threads rounds otherwise
    do i = 1, calls
      inputs(:, :, i) = profile * (1.0_real64 + 0.01_real64 * i)
      call one_call(i, inputs, wanted, wanted_tangents, stats(i))
    end do
    right = norm_of(wanted(:, :, 1) - wanted(:, :, 2)) > 0.0_real64
    do round = 1, 3
      gradients = 0.0_real64
      tangents = 0.0_real64
      stats = -1
      !$omp parallel do schedule(dynamic) num_threads(8)
      do i = 1, calls
        call one_call(i, inputs, gradients, tangents, stats(i))
      end do
      right = right .and. all(stats == 0) .and. all(gradients == wanted) .and. all(tangents == wanted_tangents)
    end do
    call check(right, 'eight threads take adjoints, tangent linears and forwards of one model at once, with the bits of one')
  end subroutine many_threads

  recursive subroutine one_call(i, inputs, gradients, tangents, status)
    integer, intent(in) :: i
    real(real64), intent(in) :: inputs(:, :, :)
    real(real64), intent(inout) :: gradients(:, :, :), tangents(:, :, :)
    integer, intent(out) :: status
    real(real64) :: flux(n, bands), total(n)
    integer(int32) :: number(n)

    call net%vector_jacobian_product([torch_in(inputs(:, :, i)), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(flux_cotangent), torch_none(), torch_none()], &
      [torch_out(gradients(:, :, i)), torch_none(), torch_none(), torch_none()], status)
    if (status /= 0) return
    call net%jacobian_vector_product([torch_in(inputs(:, :, i)), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(profile_tangent), torch_none(), torch_none(), torch_none()], &
      [torch_out(tangents(:, :, i)), torch_none(), torch_none()], status)
    if (status /= 0) return
    call net%forward([torch_in(inputs(:, :, i)), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_out(flux), torch_out(total), torch_out(number)], status)
  end subroutine one_call

  subroutine bad_arithmetic()
    integer, parameter :: many = 400000 ! enough for LibTorch to share out the work among its threads
    type(torch_model) :: model
    real(real64), allocatable :: x(:), gradient(:), ones(:)
    logical :: halting(3)

    allocate (x(many), gradient(many), ones(many))
    x = 1.0_real64
    ones = 1.0_real64
    call model%load(model_path('bad_arithmetic.pt'))
    call model%vector_jacobian_product([torch_in(x)], [torch_in(ones), torch_in(ones), torch_in(ones)], [torch_out(gradient)], &
      stat)
    call check(stat == 0 .and. all(gradient /= gradient), 'an adjoint that divides by zero runs in a host that traps')
    call model%jacobian_vector_product([torch_in(x)], [torch_in(ones)], [torch_none(), torch_out(gradient), torch_none()], stat)
    call check(stat == 0 .and. all(gradient /= gradient), '... a tangent linear too')
    call ieee_get_halting_mode(ieee_invalid, halting(1))
    call ieee_get_halting_mode(ieee_divide_by_zero, halting(2))
    call ieee_get_halting_mode(ieee_overflow, halting(3))
    call check(all(halting), '... and the host traps as before')
  end subroutine bad_arithmetic

  subroutine refused_counts()
    real(real64) :: gradient(n, layers), flux(n, bands)

    gradient = -7.0_real64
    flux = -7.0_real64
    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface)], &
      [torch_in(flux_cotangent), torch_none(), torch_none()], [torch_out(gradient), torch_none(), torch_none()], stat, message)
    call check_failure(stat, message, radml_status%wrong_input_count, &
      'response.pt: expected 4 inputs (profile, kind, surface, unused), got 3', 'too few inputs')
    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(flux_cotangent), torch_none(), torch_none()], [torch_out(gradient)], stat, message)
    call check_failure(stat, message, radml_status%wrong_input_count, &
      'response.pt: expected 4 gradients, one for each input, got 1; torch_none() stands for', 'too few gradients')
    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(flux_cotangent)], [torch_out(gradient), torch_none(), torch_none(), torch_none()], stat, message)
    call check_failure(stat, message, radml_status%wrong_output_count, 'expected 3 cotangents, one for each output, got 1', &
      'too few cotangents')
    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(profile_tangent)], [torch_out(flux), torch_none(), torch_none()], stat, message)
    call check_failure(stat, message, radml_status%wrong_input_count, 'expected 4 tangents, one for each input, got 1', &
      'too few tangents')
    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(profile_tangent), torch_none(), torch_none(), torch_none()], [torch_out(flux)], stat, message)
    call check_failure(stat, message, radml_status%wrong_output_count, 'expected 3 tangents, one for each output, got 1', &
      'too few tangents of outputs')
    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(profile_tangent), torch_none(), torch_none(), torch_none()], [torch_out(flux), torch_none(), torch_none()], &
      stat, message, outputs=[torch_out(flux)])
    call check_failure(stat, message, radml_status%wrong_output_count, 'expected 3 outputs, got 1; torch_none() stands', &
      'too few outputs')
    call check(all(gradient == -7.0_real64) .and. all(flux == -7.0_real64), 'none of these touches an array')
  end subroutine refused_counts

  subroutine refused_arrays()
    real(real64) :: gradient(n, layers), flux(n, bands), wide(n, layers + 1)
    real(real32) :: single(n, layers), single_flux(n, bands)
    real(real64), allocatable, save :: absent(:, :)
    type(torch_model) :: bare

    gradient = -7.0_real64
    flux = -7.0_real64
    wide = -7.0_real64
    single = -7.0_real32
    call refused_adjoint(torch_in(flux_cotangent), torch_out(wide), radml_status%wrong_shape, &
      'gradient of input 1 "profile": expected (9,12) float64, got (9,13) float64', 'a gradient of another shape')
    call refused_adjoint(torch_in(flux_cotangent), torch_out(single), radml_status%wrong_kind, &
      'gradient of input 1 "profile": expected (9,12) float64, got (9,12) float32', 'a gradient of another kind')
    call refused_adjoint(torch_in(flux_cotangent), torch_out(gradient(:, 1)), radml_status%wrong_rank, &
      'gradient of input 1 "profile": expected (9,12) float64, got (9) float64', 'a gradient of another rank')
    call refused_adjoint(torch_in(flux_cotangent), torch_in(gradient), radml_status%invalid_array, &
      'gradient of input 1 "profile": made with torch_in', 'a gradient made with torch_in')
    call refused_adjoint(torch_in(flux_cotangent), torch_out(absent), radml_status%invalid_array, &
      'gradient of input 1 "profile": the array is not allocated', 'a gradient that is not allocated')
    call refused_adjoint(torch_in(profile), torch_out(gradient), radml_status%wrong_shape, &
      'cotangent of output 1 "flux": expected (column=9,7) float64, got (9,12) float64', 'a cotangent of another shape')
    call refused_adjoint(torch_in(single_flux), torch_out(gradient), radml_status%wrong_kind, &
      'cotangent of output 1 "flux": expected (column=9,7) float64, got (9,7) float32', 'a cotangent of another kind')
    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(flux_cotangent), torch_none(), torch_in(kind)], [torch_out(gradient), torch_none(), torch_none(), torch_none()], &
      stat, message)
    call check_failure(stat, message, radml_status%not_differentiable, &
      'cotangent of output 3 "twice": int32 has no derivative; pass torch_none()', 'a cotangent of integers')
    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(flux_cotangent), torch_none(), torch_none()], [torch_out(gradient), torch_out(twice), torch_none(), &
      torch_none()], stat, message)
    call check_failure(stat, message, radml_status%not_differentiable, &
      'gradient of input 2 "kind": int32 has no derivative; pass torch_none()', 'a gradient by integers')
    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(wide), torch_none(), torch_none(), torch_none()], [torch_out(flux), torch_none(), torch_none()], stat, message)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'tangent of input 1 "profile": expected (9,12) float64, got (9,13) float64', 'a tangent of another shape')
    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(profile_tangent), torch_none(), torch_none(), torch_none()], [torch_in(flux), torch_none(), torch_none()], &
      stat, message)
    call check_failure(stat, message, radml_status%invalid_array, 'tangent of output 1 "flux": made with torch_in', &
      'a tangent of an output made with torch_in')
    call net%jacobian_vector_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [torch_in(profile_tangent), torch_none(), torch_none(), torch_none()], [torch_out(flux), torch_none(), torch_none()], &
      stat, message, outputs=[torch_out(gradient), torch_none(), torch_none()])
    call check_failure(stat, message, radml_status%wrong_shape, &
      'output 1 "flux": expected (column=9,7) float64, got (9,12) float64', 'an output of another shape')

    ! Without a manifest the model's results tell.
    call bare%load(model_path('sum_and_list.pt'))
    call bare%vector_jacobian_product([torch_in(profile), torch_in(profile)], [torch_in(flux_cotangent), torch_none()], &
      [torch_out(gradient), torch_none()], stat, message)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'sum_and_list.pt: cotangent of output 1: expected (9,12) float64, got (9,7) float64', &
      'without manifest, a cotangent of another shape than the result')
    call bare%vector_jacobian_product([torch_in(profile), torch_in(profile)], [torch_in(profile_tangent)], &
      [torch_out(gradient), torch_none()], stat, message)
    call check_failure(stat, message, radml_status%wrong_output_count, 'the model returned 2 outputs, got arrays for 1', &
      'without manifest, another number of cotangents than of results')
    call bare%jacobian_vector_product([torch_in(profile), torch_in(profile)], [torch_in(profile_tangent), torch_none()], &
      [torch_out(gradient), torch_out(single)], stat, message)
    call check_failure(stat, message, radml_status%wrong_kind, &
      'tangent of output 2: expected (9,12) float64, got (9,12) float32', 'without manifest, a tangent of another kind')
    call check(all(gradient == -7.0_real64) .and. all(flux == -7.0_real64) .and. all(wide == -7.0_real64) .and. &
      all(single == -7.0_real32), 'none of these touches an array')
  end subroutine refused_arrays

  subroutine refused_adjoint(cotangent, gradient, expected, text, sentence)
    type(torch_array), intent(in) :: cotangent, gradient
    integer, intent(in) :: expected
    character(len=*), intent(in) :: text, sentence

    call net%vector_jacobian_product([torch_in(profile), torch_in(kind), torch_in(surface), torch_in(unused)], &
      [cotangent, torch_none(), torch_none()], [gradient, torch_none(), torch_none(), torch_none()], stat, message)
    call check_failure(stat, message, expected, text, sentence)
  end subroutine refused_adjoint

  subroutine refused_models()
    type(torch_model) :: model
    real(real64) :: x(4), y(4), ones(4), paths(3, 1, 2), path_tangent(3, 1, 2), loss
    integer(int64) :: whole(4)

    x = 2.0_real64
    y = -7.0_real64
    ones = 1.0_real64
    loss = -7.0_real64
    call model%vector_jacobian_product([torch_in(x)], [torch_in(ones)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded: call load first', 'an adjoint of no model')
    call model%load(model_path('partly_detached.pt'))
    call model%vector_jacobian_product([torch_in(x)], [torch_none(), torch_in(ones), torch_none()], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%not_differentiable, &
      'partly_detached.pt: output 2: it depends on no input that can be differentiated by', 'the adjoint of a detached output')
    call model%jacobian_vector_product([torch_in(x)], [torch_in(ones)], [torch_none(), torch_out(y), torch_none()], stat, message)
    call check_failure(stat, message, radml_status%not_differentiable, &
      'output 2: it depends on no input that can be differentiated by (detached, or rounded); pass torch_none() as its tangent', &
      'the tangent linear of a detached output')
    call model%vector_jacobian_product([torch_in(x)], [torch_in(ones), torch_none(), torch_in(whole)], [torch_out(y)], stat, &
      message)
    call check_failure(stat, message, radml_status%not_differentiable, 'cotangent of output 3: int64 has no derivative', &
      'a cotangent of a result of integers')
    call check(all(y == -7.0_real64), 'none of these touches an array')
    call model%vector_jacobian_product([torch_in(x)], [torch_in(ones), torch_none(), torch_none()], [torch_out(y)])
    call check(all(y == 4.0_real64), 'the output that is not detached has its adjoint')
    y = -7.0_real64
    call model%free()
    call model%jacobian_vector_product([torch_in(x)], [torch_in(ones)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%not_loaded, 'no model is loaded: call load first', &
      'a tangent linear of a model that was freed')

    call model%load(model_path('without_gradients.pt'))
    call model%vector_jacobian_product([torch_in(x)], [torch_in(ones)], [torch_out(y)])
    call check(all(y == 4.0_real64), 'the adjoint knows of torch.no_grad() in the model')
    y = -7.0_real64
    call model%jacobian_vector_product([torch_in(x)], [torch_in(ones)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%not_differentiable, &
      'without_gradients.pt: the model switches gradients off or on (torch.no_grad)', &
      '... and the tangent linear, which does not, is refused')
    call model%load(model_path('no_forward_mode.pt'))
    call random_number(paths)
    path_tangent = 1.0_real64
    call model%jacobian_vector_product([torch_in(paths)], [torch_in(path_tangent)], [torch_out(loss)], stat, message)
    call check_failure(stat, message, radml_status%model_failed, 'forward AD', &
      'an operation without a tangent linear is named')
    call model%load(model_path('squares_in_place.pt'))
    call model%vector_jacobian_product([torch_in(x)], [torch_in(ones)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%model_failed, 'modified by an inplace operation', &
      'a model that overwrites what its derivative needs')
    call model%load(model_path('raises.pt'))
    x = -1.0_real64
    call model%vector_jacobian_product([torch_in(x)], [torch_in(ones)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%model_failed, 'humidity is negative', 'a model that raises')
    call model%load(model_path('returns_number.pt'))
    call model%vector_jacobian_product([torch_in(x)], [torch_in(ones)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%wrong_output_type, 'the model returned int', 'a model that returns no tensor')
    call check(all(y == -7.0_real64) .and. loss == -7.0_real64, 'none of these touches an array')
  end subroutine refused_models

  subroutine refused_none()
    type(torch_model) :: model
    type(torch_plan) :: plan
    real(real64) :: x(4), y(4)

    x = 2.0_real64
    y = -7.0_real64
    call model%load(model_path('add_index.pt'))
    call model%forward([torch_none()], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%invalid_array, &
      'input 1 "x": torch_none() is no array; expected one made with torch_in', 'torch_none() as an input')
    call model%forward([torch_in(x)], [torch_none()], stat, message)
    call check_failure(stat, message, radml_status%invalid_array, &
      'output 1: torch_none() is no array; expected one made with torch_out', 'torch_none() as an output')
    call model%forward([torch_reverse(torch_none())], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%invalid_array, 'torch_none() is no array', 'torch_none() reversed')
    call plan%create(model, [torch_in(x)], [torch_none()], stat, message)
    call check_failure(stat, message, radml_status%invalid_array, 'torch_none() is no array', 'torch_none() in a plan')
    call model%forward([torch_none()], [torch_out(y)], stat, message, column_dimension=1)
    call check_failure(stat, message, radml_status%invalid_array, 'torch_none() is no array', 'torch_none() in blocks')
    call model%vector_jacobian_product([torch_none()], [torch_in(x)], [torch_out(y)], stat, message)
    call check_failure(stat, message, radml_status%invalid_array, 'input 1 "x": torch_none() is no array', &
      'torch_none() as an input of an adjoint')
    call model%vector_jacobian_product([torch_in(x)], [torch_in(x)], [torch_on_device(torch_out(y))], stat, message)
    call check_failure(stat, message, radml_status%invalid_array, 'gradient of input 1 "x": made with torch_on_device; '// &
      'derivatives and training take the host''s arrays', 'an array on the device in an adjoint')
    call check(all(y == -7.0_real64), 'none of these touches an array')
  end subroutine refused_none

end program test_torch_gradients
