!> The command line of a program: positional arguments, `--option value` pairs and `--help`, with messages a person can use.
module command_line
  use host_status, only: status_bad_configuration, status_success, fail
  implicit none
  private

  public :: argument_list, history_entry

  !> Text of its own length, so that a list may hold texts of different lengths.
  type :: text
    character(len=:), allocatable :: value  !! [text] ()
  end type text

  type :: argument_list
    private
    type(text), allocatable :: positional(:)
    type(text), allocatable :: option_names(:)
    type(text), allocatable :: option_values(:)
    logical, public :: help = .false.  !! whether `--help` or `-h` was given [1] ()
  contains
    procedure :: parse
    procedure :: count => positional_count
    procedure :: get
    procedure :: option
    procedure :: has_flag
    procedure :: positive_integer
  end type argument_list

contains

  !> Reads the command line; an option that is not in the list, or has no value, is an error.
  subroutine parse(self, known_options, stat, errmsg, known_flags)
    class(argument_list), intent(out) :: self                          !! [arguments] ()
    character(len=*), intent(in) :: known_options(:)                   !! for instance --tables [text] (options)
    integer, intent(out) :: stat                                       !! 0, or `status_bad_configuration` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg             !! [text] ()
    character(len=*), intent(in), optional :: known_flags(:)           !! options without a value [text] (flags)
    integer :: i, equals
    character(len=:), allocatable :: word, name, value

    allocate (self%positional(0), self%option_names(0), self%option_values(0))
    name = ''
    value = ''
    i = 0
    do while (i < command_argument_count())
      i = i + 1
      word = argument(i)
      if (word == '--help' .or. word == '-h') then
        self%help = .true.
      else if (is_flag(word)) then
        call append(self%option_names, word)
        call append(self%option_values, 'yes')
      else if (index(word, '--') == 1) then
        equals = index(word, '=')
        name = word
        if (equals > 0) name = word(:equals - 1)
        if (.not. any(known_options == name)) then
          call fail(status_bad_configuration, 'unknown option "'//name//'"', stat, errmsg)
          return
        end if
        if (equals == 0 .and. i == command_argument_count()) then
          call fail(status_bad_configuration, 'option "'//name//'" needs a value', stat, errmsg)
          return
        end if
        if (equals > 0) then
          value = word(equals + 1:)
        else
          i = i + 1
          value = argument(i)
        end if
        call append(self%option_names, name)
        call append(self%option_values, value)
      else
        call append(self%positional, word)
      end if
    end do
    stat = status_success

  contains

    pure logical function is_flag(word)
      character(len=*), intent(in) :: word
      is_flag = .false.
      if (present(known_flags)) is_flag = any(known_flags == word)
    end function is_flag

  end subroutine parse

  !> Whether an option without a value was given.
  pure function has_flag(self, name) result(answer)
    class(argument_list), intent(in) :: self  !! [arguments] ()
    character(len=*), intent(in) :: name      !! for instance --clear-sky [text] ()
    logical :: answer                         !! [1] ()
    answer = self%option(name) /= ''
  end function has_flag

  !> The number of positional arguments.
  pure function positional_count(self) result(n)
    class(argument_list), intent(in) :: self  !! [arguments] ()
    integer :: n                              !! [1] ()
    n = size(self%positional)
  end function positional_count

  !> A positional argument.
  pure function get(self, i) result(value)
    class(argument_list), intent(in) :: self  !! [arguments] ()
    integer, intent(in) :: i                  !! from 1 [1] ()
    character(len=:), allocatable :: value    !! [text] ()
    value = self%positional(i)%value
  end function get

  !> The value of an option, the last if it was given twice; empty if it was not given.
  pure function option(self, name) result(value)
    class(argument_list), intent(in) :: self  !! [arguments] ()
    character(len=*), intent(in) :: name      !! for instance --tables [text] ()
    character(len=:), allocatable :: value    !! [text] ()
    integer :: i
    value = ''
    do i = 1, size(self%option_names)
      if (self%option_names(i)%value == name) value = self%option_values(i)%value
    end do
  end function option

  !> The value of an option that must be a whole number above zero.
  subroutine positive_integer(self, name, default, value, stat, errmsg)
    class(argument_list), intent(in) :: self                           !! [arguments] ()
    character(len=*), intent(in) :: name                               !! for instance --repeats [text] ()
    integer, intent(in) :: default                                     !! where the option was not given [1] ()
    integer, intent(out) :: value                                      !! [1] ()
    integer, intent(out) :: stat                                       !! 0, or `status_bad_configuration` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg             !! [text] ()
    character(len=:), allocatable :: given
    integer :: code
    value = default
    given = self%option(name)
    if (given /= '') then
      code = verify(given, '0123456789')
      if (code == 0) read (given, *, iostat=code) value
      if (code /= 0 .or. value < 1) then
        call fail(status_bad_configuration, 'option "'//name//'": expected a whole number above 0, got "'//given//'"', stat, errmsg)
        return
      end if
    end if
    stat = status_success
  end subroutine positive_integer

  !> An entry for the attribute `history` of a NetCDF file: now, and the command line.
  function history_entry() result(entry)
    character(len=:), allocatable :: entry  !! [text] ()
    character(len=:), allocatable :: command
    integer :: length
    call get_command(length=length)
    allocate (character(len=length) :: command)
    call get_command(command(:))
    entry = timestamp()//': '//command
  end function history_entry

  !> Date, time and zone as ISO 8601 writes them.
  function timestamp() result(text)
    character(len=:), allocatable :: text
    character(len=8) :: date
    character(len=10) :: time
    character(len=5) :: zone
    call date_and_time(date, time, zone)
    text = date(1:4)//'-'//date(5:6)//'-'//date(7:8)//'T'//time(1:2)//':'//time(3:4)//':'//time(5:6)//zone
  end function timestamp

  ! Written out: gfortran 12 fails on an array constructor with such elements.
  subroutine append(list, value)
    type(text), allocatable, intent(inout) :: list(:)
    character(len=*), intent(in) :: value
    type(text), allocatable :: longer(:)
    integer :: i, n
    n = size(list)
    allocate (longer(n + 1))
    do i = 1, n
      longer(i)%value = list(i)%value
    end do
    longer(n + 1)%value = value
    call move_alloc(longer, list)
  end subroutine append

  function argument(i) result(value)
    integer, intent(in) :: i
    character(len=:), allocatable :: value
    integer :: length
    call get_command_argument(i, length=length)
    allocate (character(len=length) :: value)
    call get_command_argument(i, value(:))
  end function argument

end module command_line
