!> The few calls of the C library that the host needs and Fortran 2018 does not have.
module operating_system
  use, intrinsic :: iso_c_binding, only: c_char, c_int, c_null_char, c_ptr, c_associated
  implicit none
  private

  public :: end_process, rename_file, remove_file, process_id, standard_error_is_terminal, absolute_path, same_file, is_device

  interface
    !> Ends the process at once, with this exit status.
    subroutine end_process(code) bind(c, name='_Exit')
      import :: c_int
      integer(c_int), value :: code  !! [1] ()
    end subroutine end_process
    function c_rename(from, to) bind(c, name='rename') result(code)
      import :: c_char, c_int
      character(kind=c_char), intent(in) :: from(*), to(*)
      integer(c_int) :: code
    end function c_rename
    function c_remove(path) bind(c, name='remove') result(code)
      import :: c_char, c_int
      character(kind=c_char), intent(in) :: path(*)
      integer(c_int) :: code
    end function c_remove
    function c_getpid() bind(c, name='getpid') result(id)
      import :: c_int
      integer(c_int) :: id
    end function c_getpid
    function c_isatty(descriptor) bind(c, name='isatty') result(answer)
      import :: c_int
      integer(c_int), value :: descriptor
      integer(c_int) :: answer
    end function c_isatty
    function c_realpath(path, resolved) bind(c, name='realpath') result(address)
      import :: c_char, c_ptr
      character(kind=c_char), intent(in) :: path(*)
      character(kind=c_char), intent(out) :: resolved(*)
      type(c_ptr) :: address
    end function c_realpath
  end interface

contains

  !> Renames a file in one step, over an existing one; true on success.
  function rename_file(from, to) result(ok)
    character(len=*), intent(in) :: from  !! present path [text] ()
    character(len=*), intent(in) :: to    !! path to be [text] ()
    logical :: ok                         !! [1] ()
    ok = c_rename(from//c_null_char, to//c_null_char) == 0
  end function rename_file

  !> Removes a file; that it was not there is no failure.
  subroutine remove_file(path)
    character(len=*), intent(in) :: path  !! [text] ()
    integer(c_int) :: ignored
    ignored = c_remove(path//c_null_char)
  end subroutine remove_file

  !> The number of this process.
  function process_id() result(id)
    integer :: id  !! [1] ()
    id = int(c_getpid())
  end function process_id

  !> Whether somebody watches standard error (and so wants a progress line).
  function standard_error_is_terminal() result(answer)
    logical :: answer  !! [1] ()
    answer = c_isatty(2_c_int) /= 0
  end function standard_error_is_terminal

  !> The path without links and relative parts; empty where it does not exist.
  function absolute_path(path) result(resolved)
    character(len=*), intent(in) :: path       !! [text] ()
    character(len=:), allocatable :: resolved  !! [text] ()
    integer, parameter :: longest = 4096  ! PATH_MAX of Linux; macOS has 1024
    character(kind=c_char) :: buffer(longest)
    integer :: i
    resolved = ''
    if (.not. c_associated(c_realpath(path//c_null_char, buffer))) return
    do i = 1, longest
      if (buffer(i) == c_null_char) return
      resolved = resolved//buffer(i)
    end do
  end function absolute_path

  !> Whether two paths are of one file: the same text, or both there and the same place.
  function same_file(first, second) result(answer)
    character(len=*), intent(in) :: first, second  !! [text] ()
    logical :: answer                              !! [1] ()
    character(len=:), allocatable :: first_place, second_place
    first_place = absolute_path(first)
    second_place = absolute_path(second)
    answer = first == second .or. (first_place /= '' .and. first_place == second_place)
  end function same_file

  !> Whether the path is of a device, /dev/null for example: renaming a file to it would replace it.
  function is_device(path) result(answer)
    character(len=*), intent(in) :: path  !! [text] ()
    logical :: answer                     !! [1] ()
    character(len=:), allocatable :: place
    place = absolute_path(path)
    ! Files in memory lie in /dev/shm.
    answer = index(place, '/dev/') == 1 .and. index(place, '/dev/shm/') /= 1
  end function is_device

end module operating_system
