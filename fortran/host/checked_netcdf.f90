!> NetCDF files whose every call is checked, and whose messages name the file and the variable.
!!
!! A `netcdf_file` remembers its first failure: the calls that follow it do nothing, so that a reader or a writer may call
!! a dozen of them in a row and ask `failed()` once, at the end. Files are written under a temporary name in the same folder and
!! get their own name in `close`, so that a reader never meets half a file; a file that failed leaves nothing behind.
!!
!! The files of this project list dimensions as (column, layer) in C order, as ncdump shows them; in Fortran's order that
!! is (layer, column). The arrays of this module are (column, layer): it transposes on the way in and out.
!!
!! A file that ranks `share` is written by the first of them: each hands over its columns, in the order of the ranks.
module checked_netcdf
  use, intrinsic :: iso_fortran_env, only: real64
  use, intrinsic :: ieee_arithmetic, only: ieee_is_finite
  use netcdf
  use communicators, only: communicator
  use host_status, only: status_success, status_bad_file, status_cannot_write, fail, integer_text, real_text
  use operating_system, only: rename_file, remove_file, process_id, is_device
  implicit none
  private

  public :: netcdf_file

  type :: netcdf_file
    private
    integer :: id = -1
    integer :: code = status_success
    logical :: writing = .false.
    character(len=:), allocatable :: path
    character(len=:), allocatable :: temporary_path
    character(len=:), allocatable :: message
    class(communicator), pointer :: ranks => null()
  contains
    procedure :: share
    procedure :: open => open_file
    procedure :: create
    procedure :: close => close_file
    procedure :: abandon
    procedure :: failed
    procedure :: refuse
    procedure :: report
    procedure :: dimension_length
    procedure :: has_variable
    procedure :: define_dimension
    procedure :: define_variable
    procedure :: end_definitions
    generic :: read => read_vector, read_matrix
    generic :: write => write_scalar, write_vector, write_matrix
    generic :: put_attribute => put_text_attribute, put_integer_attribute, put_real_attribute
    procedure :: get_attribute
    procedure, private :: read_vector, read_matrix, write_scalar, write_vector, write_matrix
    procedure, private :: put_text_attribute, put_integer_attribute, put_real_attribute
    procedure, private :: check, idle, look_up, take_together, target_id
    final :: forget
  end type netcdf_file

contains

  !> Opens a file for reading.
  subroutine open_file(self, path)
    class(netcdf_file), intent(inout) :: self  !! [file] ()
    character(len=*), intent(in) :: path       !! [text] ()
    logical :: exists
    self%path = path
    self%code = status_success
    self%writing = .false.
    inquire (file=path, exist=exists)
    if (.not. exists) then
      call self%refuse('no such file')
      return
    end if
    call self%check(nf90_open(path, nf90_nowrite, self%id), 'is no NetCDF file that can be read')
  end subroutine open_file

  !> Makes the file that of all ranks, which from here on make the same calls.
  subroutine share(self, ranks)
    class(netcdf_file), intent(inout) :: self        !! [file] ()
    class(communicator), intent(in), target :: ranks !! [ranks] ()
    self%ranks => ranks
  end subroutine share

  !> Whether there is nothing to do: after a failure, and on all ranks but the first.
  pure function idle(self) result(answer)
    class(netcdf_file), intent(in) :: self  !! [file] ()
    logical :: answer                       !! [1] ()
    answer = self%failed()
    if (associated(self%ranks)) answer = answer .or. .not. self%ranks%is_root()
  end function idle

  !> Creates a NetCDF-4 file, under a temporary name until `close`.
  subroutine create(self, path)
    class(netcdf_file), intent(inout) :: self  !! [file] ()
    character(len=*), intent(in) :: path       !! name that the file has after `close` [text] ()
    self%path = path
    self%code = status_success
    self%writing = .true.
    if (self%idle()) return
    if (is_device(path)) then
      call self%refuse('expected a file to write, got a device')
      return
    end if
    self%temporary_path = path//'.'//integer_text(process_id())//'.tmp'
    call self%check(nf90_create(self%temporary_path, nf90_netcdf4, self%id), &
                    'cannot be created: is its folder there, and may it be written to?')
  end subroutine create

  !> Closes the file; one that was written gets its own name now, or vanishes if anything had failed.
  subroutine close_file(self)
    class(netcdf_file), intent(inout) :: self  !! [file] ()
    if (self%id < 0) return
    if (self%failed()) then
      call self%abandon()
      return
    end if
    if (self%writing) then
      call self%check(nf90_close(self%id), 'cannot be written to its end; is the disk full?')
    else
      call self%check(nf90_close(self%id), 'cannot be closed')
    end if
    self%id = -1
    if (.not. self%writing) return
    if (.not. self%failed()) then
      if (.not. rename_file(self%temporary_path, self%path)) call self%refuse('cannot be renamed from '//self%temporary_path)
    end if
    if (self%failed()) call remove_file(self%temporary_path)
  end subroutine close_file

  !> Closes the file and removes what was written of it.
  subroutine abandon(self)
    class(netcdf_file), intent(inout) :: self  !! [file] ()
    integer :: ignored
    if (self%id < 0) return
    ignored = nf90_close(self%id)
    self%id = -1
    if (self%writing) call remove_file(self%temporary_path)
  end subroutine abandon

  subroutine forget(self)
    type(netcdf_file), intent(inout) :: self
    call self%abandon()
  end subroutine forget

  !> Whether any call since the file was opened has failed.
  pure function failed(self) result(answer)
    class(netcdf_file), intent(in) :: self  !! [file] ()
    logical :: answer                       !! [1] ()
    answer = self%code /= status_success
  end function failed

  !> Marks the file as failed, with a message of the caller's; the first message wins.
  subroutine refuse(self, message, variable)
    class(netcdf_file), intent(inout) :: self           !! [file] ()
    character(len=*), intent(in) :: message             !! what was expected and what came [text] ()
    character(len=*), intent(in), optional :: variable  !! the variable in question [text] ()
    if (self%failed()) return
    self%code = merge(status_cannot_write, status_bad_file, self%writing)
    if (present(variable)) then
      self%message = self%path//': variable "'//variable//'": '//message
    else
      self%message = self%path//': '//message
    end if
  end subroutine refuse

  !> Hands the state of the file to the caller's `stat` and `errmsg`.
  subroutine report(self, stat, errmsg)
    class(netcdf_file), intent(in) :: self                   !! [file] ()
    integer, intent(out) :: stat                             !! 0 or one of the `status_` constants [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    stat = status_success
    if (self%failed()) call fail(self%code, self%message, stat, errmsg)
  end subroutine report

  !> Length of a dimension.
  function dimension_length(self, name) result(length)
    class(netcdf_file), intent(inout) :: self  !! [file] ()
    character(len=*), intent(in) :: name       !! [text] ()
    integer :: length                          !! 0 after a failure [1] ()
    integer :: dimension_id
    length = 0
    if (self%failed()) return
    if (nf90_inq_dimid(self%id, name, dimension_id) /= nf90_noerr) then
      call self%refuse('no dimension "'//name//'"')
      return
    end if
    call self%check(nf90_inquire_dimension(self%id, dimension_id, len=length), 'dimension "'//name//'" cannot be read')
    if (.not. self%failed() .and. length < 1) call self%refuse('dimension "'//name//'" has length 0')
  end function dimension_length

  !> Whether the file has a variable of this name.
  function has_variable(self, name) result(answer)
    class(netcdf_file), intent(in) :: self  !! [file] ()
    character(len=*), intent(in) :: name    !! [text] ()
    logical :: answer                       !! [1] ()
    integer :: variable_id
    answer = .false.
    if (self%failed()) return
    answer = nf90_inq_varid(self%id, name, variable_id) == nf90_noerr
  end function has_variable

  !> Reads a variable of one dimension.
  subroutine read_vector(self, name, dimension_name, units, values)
    class(netcdf_file), intent(inout) :: self             !! [file] ()
    character(len=*), intent(in) :: name                  !! [text] ()
    character(len=*), intent(in) :: dimension_name        !! the dimension that the variable must have [text] ()
    character(len=*), intent(in) :: units                 !! the units that its attribute must name, if it has one [text] ()
    real(real64), allocatable, intent(out) :: values(:)   !! [`units`] (length of the dimension)
    integer :: variable_id, length
    integer :: i

    length = self%dimension_length(dimension_name)
    allocate (values(length))
    call self%look_up(name, '('//dimension_name//')', units, variable_id)
    if (self%failed()) return
    call self%check(nf90_get_var(self%id, variable_id, values), 'cannot be read', name)
    if (self%failed()) return
    do i = 1, length
      if (is_missing(values(i))) then
        call self%refuse('expected numbers, got '//described(values(i))//' at '//dimension_name//' '//integer_text(i), name)
        return
      end if
    end do
  end subroutine read_vector

  !> Reads a variable of two dimensions and transposes it into (first, second) dimension in Fortran's order.
  subroutine read_matrix(self, name, first_dimension, second_dimension, units, values)
    class(netcdf_file), intent(inout) :: self               !! [file] ()
    character(len=*), intent(in) :: name                    !! [text] ()
    character(len=*), intent(in) :: first_dimension         !! first as ncdump shows it, for instance column [text] ()
    character(len=*), intent(in) :: second_dimension        !! second as ncdump shows it, for instance layer [text] ()
    character(len=*), intent(in) :: units                   !! the units that its attribute must name, if it has one [text] ()
    real(real64), allocatable, intent(out) :: values(:, :)  !! [`units`] (first, second dimension)
    real(real64), allocatable :: as_stored(:, :)
    integer :: variable_id, n_first, n_second
    integer :: i, k

    n_first = self%dimension_length(first_dimension)
    n_second = self%dimension_length(second_dimension)
    allocate (values(n_first, n_second))
    call self%look_up(name, '('//first_dimension//', '//second_dimension//')', units, variable_id)
    if (self%failed()) return
    allocate (as_stored(n_second, n_first))
    call self%check(nf90_get_var(self%id, variable_id, as_stored), 'cannot be read', name)
    if (self%failed()) return
    values = transpose(as_stored)
    do k = 1, n_second
      do i = 1, n_first
        if (is_missing(values(i, k))) then
          call self%refuse('expected numbers, got '//described(values(i, k))//' at '//first_dimension//' '//integer_text(i)// &
                           ', '//second_dimension//' '//integer_text(k), name)
          return
        end if
      end do
    end do
  end subroutine read_matrix

  !> Defines a dimension; without a length it can grow.
  subroutine define_dimension(self, name, length)
    class(netcdf_file), intent(inout) :: self  !! [file] ()
    character(len=*), intent(in) :: name       !! [text] ()
    integer, intent(in), optional :: length    !! [1] ()
    integer :: dimension_id, defined_length
    if (self%idle()) return
    defined_length = nf90_unlimited
    if (present(length)) defined_length = length
    call self%check(nf90_def_dim(self%id, name, defined_length, dimension_id), 'dimension "'//name//'" cannot be defined')
  end subroutine define_dimension

  !> Defines a real64 variable with its CF attributes.
  subroutine define_variable(self, name, dimension_names, units, standard_name, long_name)
    class(netcdf_file), intent(inout) :: self                !! [file] ()
    character(len=*), intent(in) :: name                     !! [text] ()
    character(len=*), intent(in) :: dimension_names          !! as ncdump shows them, with blanks between: column layer [text] ()
    character(len=*), intent(in) :: units                    !! [text] ()
    character(len=*), intent(in), optional :: standard_name  !! of the CF table [text] ()
    character(len=*), intent(in), optional :: long_name      !! [text] ()
    integer, allocatable :: dimension_ids(:)
    character(len=:), allocatable :: rest, first
    integer :: blank, dimension_id, variable_id
    if (self%idle()) return
    allocate (dimension_ids(0))
    rest = trim(dimension_names)//' '
    do while (rest /= '')
      blank = index(rest, ' ')
      first = rest(:blank - 1)
      rest = rest(blank + 1:)
      call self%check(nf90_inq_dimid(self%id, first, dimension_id), 'no dimension "'//first//'"', name)
      if (self%idle()) return
      dimension_ids = [dimension_id, dimension_ids]
    end do
    call self%check(nf90_def_var(self%id, name, nf90_double, dimension_ids, variable_id), 'cannot be defined', name)
    call self%put_attribute('units', units, name)
    if (present(standard_name)) call self%put_attribute('standard_name', standard_name, name)
    if (present(long_name)) call self%put_attribute('long_name', long_name, name)
  end subroutine define_variable

  !> Ends the definitions; values may be written from here on.
  subroutine end_definitions(self)
    class(netcdf_file), intent(inout) :: self  !! [file] ()
    if (self%idle()) return
    call self%check(nf90_enddef(self%id), 'definitions cannot be written')
  end subroutine end_definitions

  !> Writes text as an attribute of a variable, or of the file.
  subroutine put_text_attribute(self, name, value, variable)
    class(netcdf_file), intent(inout) :: self           !! [file] ()
    character(len=*), intent(in) :: name                !! [text] ()
    character(len=*), intent(in) :: value               !! [text] ()
    character(len=*), intent(in), optional :: variable  !! absent for a global attribute [text] ()
    if (self%idle()) return
    call self%check(nf90_put_att(self%id, self%target_id(variable), name, value), 'attribute "'//name//'" cannot be written')
  end subroutine put_text_attribute

  !> Writes an integer as an attribute of a variable, or of the file.
  subroutine put_integer_attribute(self, name, value, variable)
    class(netcdf_file), intent(inout) :: self           !! [file] ()
    character(len=*), intent(in) :: name                !! [text] ()
    integer, intent(in) :: value                        !! [any] ()
    character(len=*), intent(in), optional :: variable  !! absent for a global attribute [text] ()
    if (self%idle()) return
    call self%check(nf90_put_att(self%id, self%target_id(variable), name, value), 'attribute "'//name//'" cannot be written')
  end subroutine put_integer_attribute

  !> Writes a real number as an attribute of a variable, or of the file.
  subroutine put_real_attribute(self, name, value, variable)
    class(netcdf_file), intent(inout) :: self           !! [file] ()
    character(len=*), intent(in) :: name                !! [text] ()
    real(real64), intent(in) :: value                   !! [any] ()
    character(len=*), intent(in), optional :: variable  !! absent for a global attribute [text] ()
    if (self%idle()) return
    call self%check(nf90_put_att(self%id, self%target_id(variable), name, value), 'attribute "'//name//'" cannot be written')
  end subroutine put_real_attribute

  !> Reads a number that is an attribute of the file.
  subroutine get_attribute(self, name, value)
    class(netcdf_file), intent(inout) :: self  !! [file] ()
    character(len=*), intent(in) :: name       !! [text] ()
    real(real64), intent(out) :: value         !! 0 after a failure [any] ()
    value = 0.0_real64
    if (self%failed()) return
    call self%check(nf90_get_att(self%id, nf90_global, name, value), 'attribute "'//name//'" cannot be read')
  end subroutine get_attribute

  !> Writes one number at an index of a growing dimension.
  subroutine write_scalar(self, name, value, record)
    class(netcdf_file), intent(inout) :: self  !! [file] ()
    character(len=*), intent(in) :: name       !! [text] ()
    real(real64), intent(in) :: value          !! [units of the variable] ()
    integer, intent(in) :: record              !! index in the growing dimension [1] ()
    if (self%idle()) return
    call self%check(nf90_put_var(self%id, self%target_id(name), value, start=[record]), 'cannot be written', name)
  end subroutine write_scalar

  !> Writes one value per column, at an index of the growing dimension if there is one.
  subroutine write_vector(self, name, values, record)
    class(netcdf_file), intent(inout) :: self  !! [file] ()
    character(len=*), intent(in) :: name       !! [text] ()
    real(real64), intent(in) :: values(:)      !! [units of the variable] (ncol)
    integer, intent(in), optional :: record    !! index in the growing dimension [1] ()
    real(real64), allocatable :: whole(:, :)
    call self%take_together(reshape(values, [size(values), 1]), whole)
    if (self%idle()) return
    if (present(record)) then
      call self%check(nf90_put_var(self%id, self%target_id(name), whole(:, 1), start=[1, record], count=[size(whole), 1]), &
                      'cannot be written', name)
    else
      call self%check(nf90_put_var(self%id, self%target_id(name), whole(:, 1)), 'cannot be written', name)
    end if
  end subroutine write_vector

  !> Writes profiles, at an index of the growing dimension if there is one.
  subroutine write_matrix(self, name, values, record)
    class(netcdf_file), intent(inout) :: self  !! [file] ()
    character(len=*), intent(in) :: name       !! [text] ()
    real(real64), intent(in) :: values(:, :)   !! [units of the variable] (ncol, nlay or nlay+1)
    integer, intent(in), optional :: record    !! index in the growing dimension [1] ()
    real(real64), allocatable :: as_stored(:, :), whole(:, :)
    call self%take_together(values, whole)
    if (self%idle()) return
    as_stored = transpose(whole)
    if (present(record)) then
      call self%check(nf90_put_var(self%id, self%target_id(name), as_stored, start=[1, 1, record], &
                                   count=[size(as_stored, 1), size(as_stored, 2), 1]), 'cannot be written', name)
    else
      call self%check(nf90_put_var(self%id, self%target_id(name), as_stored), 'cannot be written', name)
    end if
  end subroutine write_matrix

  !> The columns of all ranks that share the file, on the first of them.
  subroutine take_together(self, part, whole)
    class(netcdf_file), intent(in) :: self
    real(real64), intent(in) :: part(:, :)
    real(real64), allocatable, intent(out) :: whole(:, :)
    if (associated(self%ranks)) then
      call self%ranks%gather(part, whole)
    else
      whole = part
    end if
  end subroutine take_together

  !> Finds a variable and checks its dimensions, units and packing.
  subroutine look_up(self, name, expected, units, variable_id)
    class(netcdf_file), intent(inout) :: self
    character(len=*), intent(in) :: name
    character(len=*), intent(in) :: expected  ! dimensions as ncdump shows them: (column, layer)
    character(len=*), intent(in) :: units
    integer, intent(out) :: variable_id
    integer :: dimension_ids(nf90_max_var_dims)
    integer :: rank, i, length, kind_of_attribute
    character(len=nf90_max_name) :: dimension_name
    character(len=:), allocatable :: found, found_units

    variable_id = -1
    if (self%failed()) return
    if (nf90_inq_varid(self%id, name, variable_id) /= nf90_noerr) then
      call self%refuse('expected in the file, not there', name)
      return
    end if
    call self%check(nf90_inquire_variable(self%id, variable_id, ndims=rank, dimids=dimension_ids), 'cannot be read', name)
    if (self%failed()) return
    found = '('
    do i = rank, 1, -1
      call self%check(nf90_inquire_dimension(self%id, dimension_ids(i), name=dimension_name), 'cannot be read', name)
      if (self%failed()) return
      found = found//trim(dimension_name)
      if (i > 1) found = found//', '
    end do
    found = found//')'
    if (found /= expected) then
      call self%refuse('expected dimensions '//expected//', got '//found, name)
      return
    end if

    if (nf90_inquire_attribute(self%id, variable_id, 'units', xtype=kind_of_attribute, len=length) == nf90_noerr) then
      if (kind_of_attribute == nf90_char) then
        allocate (character(len=length) :: found_units)
        call self%check(nf90_get_att(self%id, variable_id, 'units', found_units), 'units cannot be read', name)
        if (self%failed()) return
        if (trim(adjustl(found_units)) /= units) then
          call self%refuse('expected units "'//units//'", got "'//trim(adjustl(found_units))//'"', name)
          return
        end if
      end if
    end if
    call refuse_packing('scale_factor')
    call refuse_packing('add_offset')

  contains

    subroutine refuse_packing(attribute)
      character(len=*), intent(in) :: attribute
      if (nf90_inquire_attribute(self%id, variable_id, attribute) == nf90_noerr) &
        call self%refuse('expected plain numbers, got packed ones (attribute '//attribute//')', name)
    end subroutine refuse_packing

  end subroutine look_up

  !> The number of a variable, or that of the file's own attributes where no name is given.
  function target_id(self, variable) result(id)
    class(netcdf_file), intent(inout) :: self
    character(len=*), intent(in), optional :: variable
    integer :: id
    id = nf90_global
    if (.not. present(variable)) return
    ! A name that is not there gives an id that the next call refuses with its own message.
    if (nf90_inq_varid(self%id, variable, id) /= nf90_noerr) id = -2
  end function target_id

  subroutine check(self, code, what, variable)
    class(netcdf_file), intent(inout) :: self
    integer, intent(in) :: code
    character(len=*), intent(in) :: what
    character(len=*), intent(in), optional :: variable
    if (code /= nf90_noerr) call self%refuse(what//' ('//trim(nf90_strerror(code))//')', variable)
  end subroutine check

  !> NaN, infinity, or a fill value (NetCDF's own is 9.97e36).
  elemental function is_missing(value) result(answer)
    real(real64), intent(in) :: value
    logical :: answer
    answer = .true.
    if (ieee_is_finite(value)) answer = abs(value) > 1.0e30_real64
  end function is_missing

  pure function described(value) result(text)
    use, intrinsic :: ieee_arithmetic, only: ieee_is_nan
    real(real64), intent(in) :: value
    character(len=:), allocatable :: text
    if (ieee_is_nan(value)) then
      text = 'NaN'
    else if (.not. ieee_is_finite(value)) then
      text = 'an infinity'
    else
      text = 'the fill value '//real_text(value)
    end if
  end function described

end module checked_netcdf
