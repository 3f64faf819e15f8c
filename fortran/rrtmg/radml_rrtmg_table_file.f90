!> A file of RRTMG's coefficient tables, open for reading: each variable is checked for its size and its checksum.
!>
!> The only module of RRTMG that knows NetCDF.
module radml_rrtmg_table_file
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use netcdf
  use radml_rrtmg_kinds, only: wp
  implicit none
  private

  public :: merged_weight, text

  !> An open file, and the first thing that went wrong with it.
  type, public :: table_file
    integer :: id = -1
    character(len=:), allocatable :: path
    character(len=:), allocatable :: content !! what the file should hold, for messages
    character(len=:), allocatable :: problem
  contains
    procedure :: open => open_table_file
    procedure :: close => close_table_file
    procedure :: get
    procedure :: get_rows
    procedure :: check
  end type table_file

contains

  !> Open a file of tables and look at what it is; `id` stays -1 where there is nothing to close.
  subroutine open_table_file(self, path, content, format, title)
    class(table_file), intent(inout) :: self          !! file to open
    character(len=*), intent(in) :: path              !! its path
    character(len=*), intent(in) :: content           !! what it should hold, for messages
    integer, intent(in) :: format                     !! format version it should have [1]
    character(len=*), optional, intent(in) :: title   !! words that its title should have
    character(len=200) :: words
    integer :: code, version, there, length

    self%path = trim(path)
    self%content = content
    open (newunit=there, file=self%path, status="old", action="read", iostat=code)
    if (code /= 0) then
      self%problem = self%path//": no such file, or not readable; expected "//content// &
                     "; the command ftorch-bridge data-file says where a file of radml's lies"
      return
    end if
    close (there)
    code = nf90_open(self%path, nf90_nowrite, self%id)
    if (code /= nf90_noerr) then
      self%id = -1
      self%problem = self%path//": not a whole NetCDF-4 file ("//trim(nf90_strerror(code))//"); expected "//content
      return
    end if
    version = 0
    code = nf90_get_att(self%id, nf90_global, "format_version", version)
    call self%check(code == nf90_noerr, "has no global attribute format_version; not "//content)
    call self%check(version == format, "global attribute format_version: expected "//trim(text(format))// &
                    ", got "//trim(text(version))//"; not those of this release")
    if (.not. present(title)) return
    words = ""
    code = nf90_inquire_attribute(self%id, nf90_global, "title", len=length)
    if (code == nf90_noerr .and. length <= len(words)) code = nf90_get_att(self%id, nf90_global, "title", words)
    call self%check(index(words, title) > 0, "holds """//trim(words)//"""; not "//content)
  end subroutine open_table_file

  !> Close the file if it is open.
  subroutine close_table_file(self)
    class(table_file), intent(inout) :: self  !! file to close
    integer :: code

    if (self%id /= -1) code = nf90_close(self%id)
    self%id = -1
  end subroutine close_table_file

  !> Read a whole variable as one sequence, check its size and its checksum. Does nothing after an earlier problem.
  subroutine get(self, name, expected, values)
    class(table_file), intent(inout) :: self                !! open file
    character(len=*), intent(in) :: name                    !! variable
    integer, intent(in) :: expected                         !! number of values it should have [1]
    real(real64), allocatable, intent(out) :: values(:)     !! its values, in the file's order [any] (value)
    integer :: code, variable, rank, d, length
    integer :: dimension_id(nf90_max_var_dims)
    integer, allocatable :: extent(:), start(:)
    character(len=16) :: checksum

    allocate (values(expected), source=0.0_real64)
    if (allocated(self%problem)) return
    code = nf90_inq_varid(self%id, name, variable)
    call self%check(code == nf90_noerr, "has no variable "//name//"; not "//self%content)
    if (allocated(self%problem)) return
    code = nf90_inquire_variable(self%id, variable, ndims=rank, dimids=dimension_id)
    allocate (extent(rank), start(rank))
    start = 1
    do d = 1, rank
      code = nf90_inquire_dimension(self%id, dimension_id(d), len=extent(d))
    end do
    call self%check(product(extent) == expected, &
                    "variable "//name//": expected "//trim(text(expected))//" values, got "//trim(text(product(extent))))
    if (allocated(self%problem)) return
    code = nf90_get_var(self%id, variable, values, start=start, count=extent)
    call self%check(code == nf90_noerr, &
                    "variable "//name//" cannot be read ("//trim(nf90_strerror(code))//"); the file is damaged")
    if (allocated(self%problem)) return
    checksum = ""
    code = nf90_inquire_attribute(self%id, variable, "fletcher64", len=length)
    if (code == nf90_noerr .and. length == len(checksum)) code = nf90_get_att(self%id, variable, "fletcher64", checksum)
    call self%check(code == nf90_noerr .and. checksum == fletcher64(values), &
                    "variable "//name//": checksum expected "//trim(checksum)//", got "//fletcher64(values)// &
                    "; the file is damaged")
  end subroutine get

  !> Rows of a variable that has its g-points last in the file's Fortran order, merged, and padded with zeros; all zero after
  !> an earlier problem.
  subroutine get_rows(self, name, n_rows, group, weight, length, rows)
    class(table_file), intent(inout) :: self         !! open file
    character(len=*), intent(in) :: name             !! variable
    integer, intent(in) :: n_rows                    !! rows it should have [1]
    integer, intent(in) :: group(:)                  !! reduced g-point of each g-point of the file [1] (gpoint)
    real(real64), intent(in) :: weight(:)            !! weight of each g-point in the one it is merged into [1] (gpoint)
    integer, intent(in) :: length                    !! of a padded row [1]
    real(wp), allocatable, intent(out) :: rows(:,:)  !! merged rows [any] (length, row)
    real(real64), allocatable :: values(:)
    real(real64) :: sums(n_rows, length)
    integer :: g

    allocate (rows(length, n_rows), source=0.0_wp)
    call self%get(name, n_rows*size(group), values)
    if (allocated(self%problem)) return
    sums = 0
    do g = 1, size(group)
      sums(:, group(g)) = sums(:, group(g)) + values((g - 1)*n_rows + 1:g*n_rows)*weight(g)
    end do
    rows = real(transpose(sums), wp)
  end subroutine get_rows

  !> Keep the first problem.
  subroutine check(self, good, message)
    class(table_file), intent(inout) :: self  !! open file
    logical, intent(in) :: good               !! whether all is well
    character(len=*), intent(in) :: message   !! what is wrong if not

    if (.not. good .and. .not. allocated(self%problem)) self%problem = self%path//": "//message
  end subroutine check

  !> Sum of the weights of all g-points that are merged with each.
  pure function merged_weight(weight, group) result(total)
    real(real64), intent(in) :: weight(:) !! weights [1] (gpoint)
    integer, intent(in) :: group(:)       !! reduced g-point [1] (gpoint)
    real(real64) :: total(size(weight))
    integer :: g

    do g = 1, size(weight)
      total(g) = sum(weight, mask=group == group(g))
    end do
  end function merged_weight

  !> Fletcher's checksum over the 32-bit words of the values, lower word first, as 16 hexadecimal digits.
  pure function fletcher64(values) result(digits)
    real(real64), intent(in) :: values(:) !! values [any] (value)
    character(len=16) :: digits
    integer(int64), parameter :: modulus = 4294967295_int64
    integer, parameter :: block = 16384 ! sums of so many words do not overflow
    integer(int64) :: first, second, word
    integer :: i, last

    first = 0
    second = 0
    do last = block, size(values) + block - 1, block
      do i = last - block + 1, min(last, size(values))
        word = transfer(values(i), word)
        first = first + iand(word, modulus)
        second = second + first
        first = first + iand(shiftr(word, 32), modulus)
        second = second + first
      end do
      first = mod(first, modulus)
      second = mod(second, modulus)
    end do
    write (digits, "(2z8.8)") second, first
    do i = 1, len(digits)
      if (digits(i:i) >= "A" .and. digits(i:i) <= "F") digits(i:i) = achar(iachar(digits(i:i)) + 32)
    end do
  end function fletcher64

  !> A number as text, of fixed length: gfortran 12 keeps the length of a deferred-length result in static memory.
  pure function text(number) result(digits)
    integer, intent(in) :: number !! number [1]
    character(len=12) :: digits

    write (digits, "(i0)") number
  end function text
end module radml_rrtmg_table_file
