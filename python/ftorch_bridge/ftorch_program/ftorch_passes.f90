!> `ftorch-passes model.pt arrays.bin`: passes of a TorchScript model through FTorch, block by block, for each line of standard input.
!!
!! `arrays.bin` holds 64-bit integers and numbers: how many blocks, inputs and outputs; then for each block the arrays, inputs
!! before outputs, each as bytes of an element (4 or 8), rank and extents, and for inputs the elements in Fortran's order. A line is
!!   run ready N   N passes (one where N is absent) with tensors that are there already, as FTorch's users have who keep them
!!   run whole N   N passes whose calls each make their tensors, run the model and delete the tensors
!!   write FILE    the outputs' elements, as they are now
!! and the answer a line of JSON with the seconds. `torch_tensor_from_blob` is what FTorch's `torch_tensor_from_array` comes down to.
program ftorch_passes
  use, intrinsic :: iso_c_binding, only: c_double, c_float, c_int, c_int64_t, c_loc, c_ptr
  use, intrinsic :: iso_fortran_env, only: compiler_version, error_unit, input_unit, int64, output_unit, real64
  use ftorch, only: torch_delete, torch_kcpu, torch_kfloat32, torch_kfloat64, torch_model, torch_model_forward, torch_model_load, &
    torch_tensor, torch_tensor_from_blob
  implicit none

  type :: array_type
    integer(c_int64_t), allocatable :: extents(:)
    integer(c_int), allocatable :: layout(:)
    real(c_float), allocatable :: single(:)
    real(c_double), allocatable :: double(:)
  end type array_type

  type :: block_type
    type(array_type), allocatable :: inputs(:), outputs(:)
    type(torch_tensor), allocatable :: input_tensors(:), output_tensors(:)
  end type block_type

  type(torch_model) :: model
  type(block_type), allocatable, target :: blocks(:)
  character(len=:), allocatable :: model_path, arrays_path
  character(len=1000) :: line, work
  integer(int64) :: ticks(2), rate, number, i
  integer :: status

  model_path = argument(1)
  arrays_path = argument(2)
  if (arrays_path == '') call stop_with('usage: ftorch-passes model.pt arrays.bin')
  call read_blocks(arrays_path)
  call torch_model_load(model, model_path, torch_kcpu)
  do i = 1, size(blocks, kind=int64)
    call make_tensors(blocks(i))
  end do
  write (output_unit, '(3a, i0, a)') '{"program": "ftorch-passes", "compiler": "', compiler_version(), '", "blocks": ', &
    size(blocks), '}'
  flush (output_unit)

  do
    read (input_unit, '(a)', iostat=status) line
    if (status /= 0) exit
    if (line(:6) == 'write ') then
      call write_outputs(trim(line(7:)))
      write (output_unit, '(a)') '{}'
    else
      number = 1
      read (line(5:), *, iostat=status) work
      if (status == 0 .and. index(trim(line(5:)), ' ') > 0) read (line(5:), *, iostat=status) work, number
      if (status /= 0 .or. line(:4) /= 'run ') call stop_with('expected a line "run WAY [PASSES]", got "'//trim(line)//'"')
      call system_clock(ticks(1), rate)
      select case (work)
      case ('ready')
        call ready_passes(number)
      case ('whole')
        call whole_passes(number)
      case default
        call stop_with('run '//trim(work)//': expected ready or whole')
      end select
      call system_clock(ticks(2))
      write (output_unit, '(a, es16.9, a)') '{"seconds": ', real(ticks(2) - ticks(1), real64)/real(rate, real64), '}'
    end if
    flush (output_unit)
  end do

contains

  subroutine ready_passes(passes)
    integer(int64), intent(in) :: passes
    integer(int64) :: pass
    integer :: block
    do pass = 1, passes
      do block = 1, size(blocks)
        call torch_model_forward(model, blocks(block)%input_tensors, blocks(block)%output_tensors)
      end do
    end do
  end subroutine ready_passes

  subroutine whole_passes(passes)
    integer(int64), intent(in) :: passes
    integer(int64) :: pass
    integer :: block
    do pass = 1, passes
      do block = 1, size(blocks)
        call torch_delete(blocks(block)%input_tensors)
        call torch_delete(blocks(block)%output_tensors)
        call make_tensors(blocks(block))
        call torch_model_forward(model, blocks(block)%input_tensors, blocks(block)%output_tensors)
      end do
    end do
  end subroutine whole_passes

  subroutine make_tensors(block)
    type(block_type), intent(inout), target :: block
    integer :: k
    if (.not. allocated(block%input_tensors)) then
      allocate (block%input_tensors(size(block%inputs)), block%output_tensors(size(block%outputs)))
    end if
    do k = 1, size(block%inputs)
      call make_tensor(block%input_tensors(k), block%inputs(k))
    end do
    do k = 1, size(block%outputs)
      call make_tensor(block%output_tensors(k), block%outputs(k))
    end do
  end subroutine make_tensors

  !> A tensor on the array's own elements.
  subroutine make_tensor(tensor, array)
    type(torch_tensor), intent(inout) :: tensor
    type(array_type), intent(in), target :: array
    integer(c_int) :: rank
    rank = int(size(array%extents), c_int)
    if (allocated(array%single)) then
      call torch_tensor_from_blob(tensor, c_loc(array%single), rank, array%extents, array%layout, torch_kfloat32, torch_kcpu)
    else
      call torch_tensor_from_blob(tensor, c_loc(array%double), rank, array%extents, array%layout, torch_kfloat64, torch_kcpu)
    end if
  end subroutine make_tensor

  subroutine read_blocks(path)
    character(len=*), intent(in) :: path
    integer(int64) :: numbers(3)
    integer :: unit, opened, block, k
    open (newunit=unit, file=path, access='stream', form='unformatted', status='old', action='read', iostat=opened)
    if (opened /= 0) call stop_with(path//': cannot be read')
    read (unit) numbers
    allocate (blocks(numbers(1)))
    do block = 1, size(blocks)
      allocate (blocks(block)%inputs(numbers(2)), blocks(block)%outputs(numbers(3)))
      do k = 1, size(blocks(block)%inputs)
        call read_array(unit, blocks(block)%inputs(k), .true.)
      end do
      do k = 1, size(blocks(block)%outputs)
        call read_array(unit, blocks(block)%outputs(k), .false.)
      end do
    end do
    close (unit)
  end subroutine read_blocks

  subroutine read_array(unit, array, has_elements)
    integer, intent(in) :: unit
    type(array_type), intent(inout) :: array
    logical, intent(in) :: has_elements
    integer(int64) :: bytes, rank
    integer :: k
    read (unit) bytes, rank
    allocate (array%extents(rank))
    read (unit) array%extents
    array%layout = [(int(k, c_int), k=1, int(rank))]
    if (bytes == 4) then
      allocate (array%single(product(array%extents)), source=0.0_c_float)
      if (has_elements) read (unit) array%single
    else
      allocate (array%double(product(array%extents)), source=0.0_c_double)
      if (has_elements) read (unit) array%double
    end if
  end subroutine read_array

  subroutine write_outputs(path)
    character(len=*), intent(in) :: path
    integer :: unit, block, k
    open (newunit=unit, file=path, access='stream', form='unformatted', status='replace', action='write')
    do block = 1, size(blocks)
      do k = 1, size(blocks(block)%outputs)
        if (allocated(blocks(block)%outputs(k)%single)) write (unit) blocks(block)%outputs(k)%single
        if (allocated(blocks(block)%outputs(k)%double)) write (unit) blocks(block)%outputs(k)%double
      end do
    end do
    close (unit)
  end subroutine write_outputs

  function argument(position) result(text)
    integer, intent(in) :: position
    character(len=:), allocatable :: text
    integer :: length
    call get_command_argument(position, length=length)
    allocate (character(len=length) :: text)
    call get_command_argument(position, value=text)
  end function argument

  subroutine stop_with(message)
    character(len=*), intent(in) :: message
    write (error_unit, '(2a)') 'ftorch-passes: ', message
    stop 1, quiet=.true. ! error stop would print a backtrace
  end subroutine stop_with

end program ftorch_passes
