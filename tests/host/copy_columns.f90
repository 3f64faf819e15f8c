!> copy_columns from.nc to.nc: reads a column file and writes it.
program copy_columns
  use column_file, only: column_set
  use command_line, only: argument_list
  use host_status, only: stop_with_message
  implicit none
  type(argument_list) :: arguments
  type(column_set) :: columns
  character(len=:), allocatable :: message
  integer :: stat
  call arguments%parse(['--none'], stat, message)
  if (stat /= 0) call stop_with_message('copy_columns', message, stat)
  call columns%read(arguments%get(1), stat, message)
  if (stat /= 0) call stop_with_message('copy_columns', message, stat)
  call columns%write(arguments%get(2), 'copy_columns', stat, message)
  if (stat /= 0) call stop_with_message('copy_columns', message, stat)
end program copy_columns
