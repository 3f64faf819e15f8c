!> Arrays as inputs and outputs: ranks, kinds, sections, components, pointers. The argument is the folder of the test models.
program test_torch_arrays
  use, intrinsic :: iso_c_binding, only: c_bool, c_f_pointer, c_int, c_intptr_t, c_long, c_ptr, c_size_t
  use, intrinsic :: iso_fortran_env, only: int16, int32, int64, int8, real32, real64
  use radml_torch, only: radml_status, torch_array, torch_in, torch_model, torch_out, torch_permute, torch_reverse
  use torch_checks, only: check, check_failure, finish, model_path
  implicit none

  type :: layer_record
    integer(int8) :: flag = 0_int8
    real(real32) :: temperature = 0.0_real32
    complex(real64) :: wave = (0.0_real64, 0.0_real64)
    real(real64) :: profile(3) = 0.0_real64
  end type layer_record

  type :: state_type
    real(real64), allocatable :: q(:, :)
    real(real64), pointer :: p(:) => null()
  end type state_type

  interface
    function c_mmap(address, length, protection, flags, file, offset) result(memory) bind(c, name='mmap')
      import :: c_int, c_intptr_t, c_long, c_ptr, c_size_t
      implicit none
      integer(c_intptr_t), value :: address
      integer(c_size_t), value :: length
      integer(c_int), value :: protection, flags, file
      integer(c_long), value :: offset
      type(c_ptr) :: memory
    end function c_mmap
  end interface

  character(len=:), allocatable :: message
  type(torch_model) :: add_index
  integer :: stat

  call add_index%load(model_path('add_index.pt'))
  call test_ranks(add_index)
  call test_kinds(add_index)
  call test_sections(add_index)
  call test_components(add_index)
  call test_pointers_and_bounds(add_index)
  call test_zero_sizes(add_index)
  call test_orders(add_index)
  call test_local_variables(add_index)
  call test_several_outputs()
  call test_aliasing()
  call test_no_copy()
  call finish()

contains

  !> y must be 0.5 + sum of d * index_d.
  subroutine check_indexed(status, y, extents, rank)
    integer, intent(in) :: status
    real(real64), intent(in) :: y(:)
    integer, intent(in) :: extents(:), rank
    character(len=2) :: number
    integer :: element, d, rest
    real(real64) :: expected
    logical :: right

    right = status == 0
    do element = 1, size(y)
      rest = element - 1
      expected = 0.5_real64
      do d = 1, size(extents)
        expected = expected + d * (modulo(rest, extents(d)) + 1)
        rest = rest / extents(d)
      end do
      right = right .and. y(element) == expected
    end do
    write (number, '(i0)') rank
    call check(right, 'an array of rank '//trim(number)//' reaches the model with its dimensions in order')
  end subroutine check_indexed

  subroutine test_ranks(net)
    type(torch_model), intent(in) :: net
    real(real64) :: x0, y0
    real(real64) :: x1(2), y1(2)
    real(real64) :: x2(2,3), y2(2,3)
    real(real64) :: x3(2,3,2), y3(2,3,2)
    real(real64) :: x4(2,3,2,1), y4(2,3,2,1)
    real(real64) :: x5(2,3,2,1,2), y5(2,3,2,1,2)
    real(real64) :: x6(2,3,2,1,2,1), y6(2,3,2,1,2,1)
    real(real64) :: x7(2,3,2,1,2,1,2), y7(2,3,2,1,2,1,2)
    real(real64) :: x8(2,3,2,1,2,1,2,1), y8(2,3,2,1,2,1,2,1)
    real(real64) :: x9(2,3,2,1,2,1,2,1,1), y9(2,3,2,1,2,1,2,1,1)
    real(real64) :: x10(2,3,2,1,2,1,2,1,1,2), y10(2,3,2,1,2,1,2,1,1,2)
    real(real64) :: x11(2,3,2,1,2,1,2,1,1,2,1), y11(2,3,2,1,2,1,2,1,1,2,1)
    real(real64) :: x12(2,3,2,1,2,1,2,1,1,2,1,1), y12(2,3,2,1,2,1,2,1,1,2,1,1)
    real(real64) :: x13(2,3,2,1,2,1,2,1,1,2,1,1,1), y13(2,3,2,1,2,1,2,1,1,2,1,1,1)
    real(real64) :: x14(2,3,2,1,2,1,2,1,1,2,1,1,1,1), y14(2,3,2,1,2,1,2,1,1,2,1,1,1,1)
    real(real64) :: x15(2,3,2,1,2,1,2,1,1,2,1,1,1,1,2), y15(2,3,2,1,2,1,2,1,1,2,1,1,1,1,2)

    x0 = 0.5_real64
    call net%forward([torch_in(x0)], [torch_out(y0)], stat=stat)
    call check_indexed(stat, [y0], [integer ::], 0)
    x1 = 0.5_real64
    call net%forward([torch_in(x1)], [torch_out(y1)], stat=stat)
    call check_indexed(stat, reshape(y1, [size(y1)]), [2], 1)
    x2 = 0.5_real64
    call net%forward([torch_in(x2)], [torch_out(y2)], stat=stat)
    call check_indexed(stat, reshape(y2, [size(y2)]), [2, 3], 2)
    x3 = 0.5_real64
    call net%forward([torch_in(x3)], [torch_out(y3)], stat=stat)
    call check_indexed(stat, reshape(y3, [size(y3)]), [2, 3, 2], 3)
    x4 = 0.5_real64
    call net%forward([torch_in(x4)], [torch_out(y4)], stat=stat)
    call check_indexed(stat, reshape(y4, [size(y4)]), [2, 3, 2, 1], 4)
    x5 = 0.5_real64
    call net%forward([torch_in(x5)], [torch_out(y5)], stat=stat)
    call check_indexed(stat, reshape(y5, [size(y5)]), [2, 3, 2, 1, 2], 5)
    x6 = 0.5_real64
    call net%forward([torch_in(x6)], [torch_out(y6)], stat=stat)
    call check_indexed(stat, reshape(y6, [size(y6)]), [2, 3, 2, 1, 2, 1], 6)
    x7 = 0.5_real64
    call net%forward([torch_in(x7)], [torch_out(y7)], stat=stat)
    call check_indexed(stat, reshape(y7, [size(y7)]), [2, 3, 2, 1, 2, 1, 2], 7)
    x8 = 0.5_real64
    call net%forward([torch_in(x8)], [torch_out(y8)], stat=stat)
    call check_indexed(stat, reshape(y8, [size(y8)]), [2, 3, 2, 1, 2, 1, 2, 1], 8)
    x9 = 0.5_real64
    call net%forward([torch_in(x9)], [torch_out(y9)], stat=stat)
    call check_indexed(stat, reshape(y9, [size(y9)]), [2, 3, 2, 1, 2, 1, 2, 1, 1], 9)
    x10 = 0.5_real64
    call net%forward([torch_in(x10)], [torch_out(y10)], stat=stat)
    call check_indexed(stat, reshape(y10, [size(y10)]), [2, 3, 2, 1, 2, 1, 2, 1, 1, 2], 10)
    x11 = 0.5_real64
    call net%forward([torch_in(x11)], [torch_out(y11)], stat=stat)
    call check_indexed(stat, reshape(y11, [size(y11)]), [2, 3, 2, 1, 2, 1, 2, 1, 1, 2, 1], 11)
    x12 = 0.5_real64
    call net%forward([torch_in(x12)], [torch_out(y12)], stat=stat)
    call check_indexed(stat, reshape(y12, [size(y12)]), [2, 3, 2, 1, 2, 1, 2, 1, 1, 2, 1, 1], 12)
    x13 = 0.5_real64
    call net%forward([torch_in(x13)], [torch_out(y13)], stat=stat)
    call check_indexed(stat, reshape(y13, [size(y13)]), [2, 3, 2, 1, 2, 1, 2, 1, 1, 2, 1, 1, 1], 13)
    x14 = 0.5_real64
    call net%forward([torch_in(x14)], [torch_out(y14)], stat=stat)
    call check_indexed(stat, reshape(y14, [size(y14)]), [2, 3, 2, 1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1], 14)
    x15 = 0.5_real64
    call net%forward([torch_in(x15)], [torch_out(y15)], stat=stat)
    call check_indexed(stat, reshape(y15, [size(y15)]), [2, 3, 2, 1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 2], 15)
  end subroutine test_ranks

  subroutine test_kinds(net)
    type(torch_model), intent(in) :: net
    type(torch_model) :: invert
    real(real32) :: r4(2, 3), s4(2, 3)
    real(real64) :: r8(2, 3), s8(2, 3)
    integer(int8) :: i1(2, 3), j1(2, 3)
    integer(int16) :: i2(2, 3), j2(2, 3)
    integer(int32) :: i4(2, 3), j4(2, 3)
    integer(int64) :: i8(2, 3), j8(2, 3)
    complex(real32) :: c4(2, 3), d4(2, 3)
    complex(real64) :: c8(2, 3), d8(2, 3)
    logical(c_bool) :: l(2, 3), m(2, 3)
    integer :: i, j, indices(2, 3)

    indices = reshape([((i + 2*j, i=1, 2), j=1, 3)], [2, 3])
    r4 = 0.25_real32
    r8 = 0.125_real64
    i1 = -7_int8
    i2 = -300_int16
    i4 = -70000_int32
    i8 = -5000000000_int64
    c4 = (1.0_real32, -2.0_real32)
    c8 = (0.5_real64, -0.25_real64)
    call net%forward([torch_in(r4)], [torch_out(s4)])
    call check(all(s4 == r4 + real(indices, real32)), 'real32 arrays go in and out')
    call net%forward([torch_in(r8)], [torch_out(s8)])
    call check(all(s8 == r8 + indices), 'real64 arrays go in and out')
    call net%forward([torch_in(i1)], [torch_out(j1)])
    call check(all(j1 == i1 + indices), 'int8 arrays go in and out')
    call net%forward([torch_in(i2)], [torch_out(j2)])
    call check(all(j2 == i2 + indices), 'int16 arrays go in and out')
    call net%forward([torch_in(i4)], [torch_out(j4)])
    call check(all(j4 == i4 + indices), 'int32 arrays go in and out')
    call net%forward([torch_in(i8)], [torch_out(j8)])
    call check(all(j8 == i8 + indices), 'int64 arrays go in and out')
    call net%forward([torch_in(c4)], [torch_out(d4)])
    call check(all(d4 == c4 + real(indices, real32)), 'complex arrays of real32 go in and out')
    call net%forward([torch_in(c8)], [torch_out(d8)])
    call check(all(d8 == c8 + indices), 'complex arrays of real64 go in and out')
    l = reshape([logical(c_bool) :: .true., .false., .false., .true., .true., .false.], [2, 3])
    call invert%load(model_path('invert.pt'))
    call invert%forward([torch_in(l)], [torch_out(m)])
    call check(all(logical(m .neqv. l)), 'logical(c_bool) arrays go in and out')
  end subroutine test_kinds

  subroutine test_sections(net)
    type(torch_model), intent(in) :: net
    real(real64) :: x(9, 8), y(9, 8), dense(3, 4), expected(3, 4)
    real(real64) :: pair(2)
    integer :: i, j

    x = reshape([(real(i, real64), i=1, size(x))], shape(x))
    expected = x(2:8:3, 1:8:2) + reshape([((i + 2*j, i=1, 3), j=1, 4)], [3, 4])
    call net%forward([torch_in(x(2:8:3, 1:8:2))], [torch_out(dense)])
    call check(all(dense == expected), 'a section with strides is read where it lies')

    y = -1.0_real64
    call net%forward([torch_in(x(2:8:3, 1:8:2))], [torch_out(y(1:9:4, 2:8:2))])
    call check(all(y(1:9:4, 2:8:2) == expected), 'results are written into a section with strides')
    y(1:9:4, 2:8:2) = -1.0_real64
    call check(all(y == -1.0_real64), 'the neighbours of an output section are left alone')

    expected = x(8:2:-3, 7:1:-2) + reshape([((i + 2*j, i=1, 3), j=1, 4)], [3, 4])
    call net%forward([torch_in(x(8:2:-3, 7:1:-2))], [torch_out(dense)])
    call check(all(dense == expected), 'a section with negative strides is read')
    y = -1.0_real64
    call net%forward([torch_in(x(8:2:-3, 7:1:-2))], [torch_out(y(9:1:-4, 2:8:2))])
    call check(all(y(9:1:-4, 2:8:2) == expected), 'results are written into a section with negative strides')
    y(9:1:-4, 2:8:2) = -1.0_real64
    call check(all(y == -1.0_real64), 'the neighbours of an output section with negative strides are left alone')

    call net%forward([torch_in(x(3, 5:6))], [torch_out(pair)])
    call check(all(pair == x(3, 5:6) + [1, 2]), 'a row of a matrix is an array of rank 1')
    call net%forward([torch_in(x(4:4, 5:6))], [torch_out(y(1:1, 1:2))])
    call check(all(y(1, 1:2) == x(4, 5:6) + [3, 5]), 'a section with one element in a dimension keeps its rank')
  end subroutine test_sections

  subroutine test_components(net)
    type(torch_model), intent(in) :: net
    type(layer_record) :: records(4), results(4)
    type(state_type) :: state
    real(real64) :: profiles(3, 4)
    integer :: i, j

    records%temperature = [(real(200 + i, real32), i=1, 4)]
    records%wave = [(cmplx(i, -i, real64), i=1, 4)]
    call net%forward([torch_in(records%temperature)], [torch_out(results%temperature)])
    call check(all(results%temperature == records%temperature + [1, 2, 3, 4]), 'a component of an array of records goes in and out')
    call check(all(results%flag == 0_int8) .and. all(results%wave == (0.0_real64, 0.0_real64)), &
      'the other components of the records are left alone')
    call net%forward([torch_in(records%wave)], [torch_out(results%wave)])
    call check(all(results%wave == records%wave + [1, 2, 3, 4]), &
      'a component whose stride is no whole number of elements goes in and out')
    call check(all(results%temperature == records%temperature + [1, 2, 3, 4]), &
      'the components beside that one are left alone')
    records(2)%profile = [1.0_real64, 2.0_real64, 3.0_real64]
    call net%forward([torch_in(records(2)%profile)], [torch_out(results(3)%profile)])
    call check(all(results(3)%profile == [2.0_real64, 4.0_real64, 6.0_real64]), 'an array component of one record goes in and out')

    allocate (state%q(3, 4), source=1.0_real64)
    call net%forward([torch_in(state%q)], [torch_out(profiles)])
    call check(all(profiles == reshape([((1 + i + 2*j, i=1, 3), j=1, 4)], [3, 4])), 'an allocatable component is an input')
    allocate (state%p(2), source=1.0_real64)
    call net%forward([torch_in(state%p)], [torch_out(state%q(2, 2:3))])
    call check(all(state%q(2, 2:3) == [2.0_real64, 3.0_real64]), 'a pointer component is an input')
    deallocate (state%p)
  end subroutine test_components

  subroutine test_pointers_and_bounds(net)
    type(torch_model), intent(in) :: net
    real(real64), target :: memory(12)
    real(real64), pointer :: matrix(:, :), every_other(:)
    real(real64), allocatable :: odd(:, :)
    real(real64) :: y(3, 4), v(6)
    integer :: i, j

    memory = [(real(i, real64), i=1, 12)]
    matrix(0:2, -1:2) => memory
    every_other => memory(1:12:2)
    call net%forward([torch_in(matrix)], [torch_out(y)])
    call check(all(y == matrix + reshape([((i + 2*j, i=1, 3), j=1, 4)], [3, 4])), 'a pointer with remapped bounds is an input')
    call net%forward([torch_in(every_other)], [torch_out(v)])
    call check(all(v == [(2*i - 1 + i, i=1, 6)]), 'a pointer to a section with strides is an input')
    allocate (odd(-5:-3, 100:103), source=0.0_real64)
    call net%forward([torch_in(matrix)], [torch_out(odd)])
    call check(all(odd == y), 'lower bounds play no part')
  end subroutine test_pointers_and_bounds

  subroutine test_zero_sizes(net)
    type(torch_model), intent(in) :: net
    real(real64), allocatable :: none(:, :), result(:, :)
    real(real64) :: x(3, 4), y(3, 4)

    allocate (none(0, 4), result(0, 4))
    call net%forward([torch_in(none)], [torch_out(result)], stat=stat, errmsg=message)
    call check(stat == 0, 'arrays of zero size go in and out')
    x = 1.0_real64
    y = 2.0_real64
    call net%forward([torch_in(x(2:1, :))], [torch_out(y(2:1, :))], stat=stat, errmsg=message)
    call check(stat == 0 .and. all(y == 2.0_real64), 'empty sections go in and out and nothing is written')
    deallocate (result)
    allocate (result(0, 5))
    call net%forward([torch_in(none)], [torch_out(result)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_shape, 'returned (0,4) float64, got an array of (0,5) float64', &
      'arrays of zero size are checked like others')
  end subroutine test_zero_sizes

  subroutine test_orders(net)
    type(torch_model), intent(in) :: net
    real(real64) :: x(2, 3, 4), y(2, 3, 4), z(4, 2, 3)
    integer :: i, j, k

    x = 0.0_real64
    call net%forward([torch_reverse(torch_in(x))], [torch_reverse(torch_out(y))])
    call check(all(y == reshape([(((3*i + 2*j + k, i=1, 2), j=1, 3), k=1, 4)], shape(y))), &
      'torch_reverse makes the last dimension of the array the first of the tensor')
    call net%forward([torch_permute(torch_in(x), [3, 1, 2])], [torch_out(z)])
    call check(all(z == reshape([(((i + 2*j + 3*k, i=1, 4), j=1, 2), k=1, 3)], shape(z))), &
      'torch_permute gives the tensor the dimensions in the order asked for')
    call net%forward([torch_permute(torch_in(x), [1, 1, 2])], [torch_out(z)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%invalid_array, 'add_index.pt: input 1 "x": expected a rank of 0 to 15', &
      'an order that is no permutation is refused')
    call net%forward([torch_permute(torch_in(x), [2, 1])], [torch_out(z)], stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%invalid_array, &
      'the order given to torch_permute is no permutation of its dimensions', 'an order of another length is refused')
  end subroutine test_orders

  !> Compilers must not think that a call through a view leaves a local variable as it was.
  subroutine test_local_variables(net)
    type(torch_model), intent(in) :: net
    real(real64) :: x, y
    integer :: i
    logical :: right

    right = .true.
    do i = 1, 3
      x = i
      y = 0.0_real64
      call net%forward([torch_in(x)], [torch_out(y)])
      right = right .and. y == x
    end do
    call check(right, 'local scalars without the target attribute are read and written afresh in each call')
  end subroutine test_local_variables

  subroutine test_several_outputs()
    type(torch_model) :: net
    real(real64) :: a(3), b(3), total(3), difference(3)

    a = [1.0_real64, 2.0_real64, 3.0_real64]
    b = 10.0_real64
    call net%load(model_path('sum_and_list.pt'))
    call net%forward([torch_in(a), torch_in(b)], [torch_out(total), torch_out(difference)])
    call check(all(total == a + b) .and. all(difference == a - b), 'a list of tensors fills the outputs in order')
    call net%load(model_path('optional_offset.pt'))
    call net%forward([torch_in(a)], [torch_out(total)])
    call net%forward([torch_in(a), torch_in(b)], [torch_out(difference)])
    call check(all(total == a + 1) .and. all(difference == a + b), 'an optional input may be left out or given')
    call net%load(model_path('no_input.pt'))
    call net%forward([torch_array ::], [torch_out(total)])
    call check(all(total == [0, 1, 2]), 'a model without inputs runs')
    call net%load(model_path('frozen.pt'))
    call net%forward([torch_in(a)], [torch_out(total)])
    call check(all(total == a + [1, 2, 3]), 'a model that was frozen before it was saved runs')
    call net%load(model_path('traced.pt'))
    call net%forward([torch_in(a), torch_in(b)], [torch_out(total), torch_out(difference)])
    call check(all(total == b) .and. all(difference == a), 'a traced model runs')
    call net%load(model_path('function.pt'))
    call net%forward([torch_in(a)], [torch_out(total)])
    call check(all(total == a + 1), 'a scripted function runs')
  end subroutine test_several_outputs

  subroutine test_aliasing()
    type(torch_model) :: net
    real(real64) :: a(3), b(3), x(4), y(4)

    a = 1.0_real64
    b = 2.0_real64
    call net%load(model_path('swap.pt'))
    call net%forward([torch_in(a), torch_in(b)], [torch_out(a), torch_out(b)])
    call check(all(a == 2.0_real64) .and. all(b == 1.0_real64), 'inputs may be outputs, even where the model returns its inputs')
    x = 1.0_real64
    call net%load(model_path('in_place.pt'))
    call net%forward([torch_in(x)], [torch_out(y)])
    call check(all(x == 1.0_real64) .and. all(y == [1, 2, 2, 2]), 'a model that works in place leaves the input as it was')
  end subroutine test_aliasing

  !> 256 GiB of address space with no memory behind it: whoever copies it fails.
  subroutine test_no_copy()
    integer(c_int), parameter :: read_and_write = 3_c_int, private_anonymous_no_reserve = int(z'4022', c_int)
    real(real64), pointer :: huge_array(:)
    real(real64) :: first(10)
    integer(int64) :: n
    type(torch_model) :: net

    n = 2_int64**35 ! no constant: flang 19 folds every subscript of huge_array(1:n:3), in memory
    call c_f_pointer(c_mmap(0_c_intptr_t, int(n*8, c_size_t), read_and_write, private_anonymous_no_reserve, -1_c_int, 0_c_long), &
      huge_array, [n])
    huge_array(1:10) = 5.0_real64
    call net%load(model_path('first_elements.pt'))
    call net%forward([torch_in(huge_array)], [torch_out(first)], stat=stat, errmsg=message)
    call check(stat == 0 .and. all(first == 6.0_real64), 'an input of 256 GiB is viewed, not copied')
    call net%forward([torch_in(huge_array(1:n:3))], [torch_out(first)], stat=stat, errmsg=message)
    call check(stat == 0 .and. first(1) == 6.0_real64 .and. first(5) == 1.0_real64, &
      'a section of every third element of 256 GiB is viewed, not copied')
  end subroutine test_no_copy

end program test_torch_arrays
