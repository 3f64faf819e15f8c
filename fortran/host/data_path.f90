!> Where the data files (RRTMG's tables) are.
module data_path
  use build_facts, only: source_data_directory, data_directory_from_bin
  use operating_system, only: absolute_path
  implicit none
  private

  public :: chosen_data_file, find_data_file

contains

  !> Looks for a data file in the environment variable RADML_DATA; else beside the installed program; else in the source tree
  !! from which the program was built. A folder in RADML_DATA is taken at its word: no other is tried after it.
  function find_data_file(name) result(path)
    character(len=*), intent(in) :: name   !! for instance rrtmg_longwave.nc [text] ()
    character(len=:), allocatable :: path  !! where it is, or where the last look was if it is nowhere [text] ()
    character(len=:), allocatable :: directory
    logical :: exists

    directory = environment('RADML_DATA')
    if (directory /= '') then
      path = directory//'/'//name
      return
    end if
    directory = program_directory()
    if (directory /= '') then
      path = directory//'/'//data_directory_from_bin//'/'//name
      inquire (file=path, exist=exists)
      if (exists) return
    end if
    path = source_data_directory//'/'//name
  end function find_data_file

  !> The file that a user chose; else the data file that came with the program.
  function chosen_data_file(choice, name) result(path)
    character(len=*), intent(in) :: choice  !! path; empty: none was chosen [text] ()
    character(len=*), intent(in) :: name    !! for instance rrtmg_longwave.nc [text] ()
    character(len=:), allocatable :: path   !! [text] ()
    path = choice
    if (choice == '') path = find_data_file(name)
  end function chosen_data_file

  !> The folder of the running program; empty if it cannot be told.
  function program_directory() result(directory)
    character(len=:), allocatable :: directory
    integer :: length
    directory = absolute_path('/proc/self/exe')
    if (directory == '') then
      ! Not Linux: the name under which the program was called, if that has a folder.
      call get_command_argument(0, length=length)
      allocate (character(len=length) :: directory)
      call get_command_argument(0, directory(:))
      if (index(directory, '/') > 0) then
        directory = absolute_path(directory)
      else
        directory = ''
      end if
    end if
    directory = directory(1:max(index(directory, '/', back=.true.) - 1, 0))
  end function program_directory

  function environment(name) result(value)
    character(len=*), intent(in) :: name
    character(len=:), allocatable :: value
    integer :: length
    call get_environment_variable(name, length=length)
    allocate (character(len=length) :: value)
    if (length > 0) call get_environment_variable(name, value(:))
  end function environment

end module data_path
