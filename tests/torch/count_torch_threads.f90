!> Prints the number of threads LibTorch uses: as the library chooses them at the first load, with one argument (a model), or as
!> the host has set them before it, with two (a model and a number).
program count_torch_threads
  use, intrinsic :: iso_fortran_env, only: output_unit
  use radml_torch, only: torch_get_num_threads, torch_model, torch_set_num_threads
  implicit none
  type(torch_model) :: net
  character(len=4096) :: path, number
  integer :: n

  call get_command_argument(1, path)
  call get_command_argument(2, number)
  if (number /= '') then
    read (number, *) n
    call torch_set_num_threads(n)
  end if
  call net%load(path)
  write (output_unit, '(i0)') torch_get_num_threads()
end program count_torch_threads
