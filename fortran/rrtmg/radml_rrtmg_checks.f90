!> What RRTMG's front doors look at before they compute: extents, ranges and pressures. The first fault is kept, in words.
module radml_rrtmg_checks
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_status
  implicit none
  private

  public :: number, whole

  !> The checks of one call.
  type, public :: input_checks
    character(len=:), allocatable :: caller  !! procedure whose arguments these are
    integer :: n_columns = 0                 !! columns that arrays should have [1]
    integer :: n_layers = 0                  !! layers that arrays should have [1]
    integer :: code = rrtmg_success          !! first fault [1]
    character(len=:), allocatable :: problem !! the same in words
  contains
    procedure :: fail
    procedure :: extents
    procedure :: extent_of_layers
    procedure :: extent_of_bands
    procedure :: extent_of_columns
    procedure :: range_of_layers
    procedure :: range_of_bands
    procedure :: range_of_columns
    procedure :: pressures
    procedure :: stop_on_failure
  end type input_checks

contains

  !> Keep a fault if it is the first.
  subroutine fail(self, code, message)
    class(input_checks), intent(inout) :: self !! checks so far
    integer, intent(in) :: code                !! what is wrong [1]
    character(len=*), intent(in) :: message    !! in words

    if (self%code /= rrtmg_success) return
    self%code = code
    self%problem = self%caller//": "//message
  end subroutine fail

  !> An array has the columns, and the layers or one more.
  subroutine extent_of_layers(self, array, name, more)
    class(input_checks), intent(inout) :: self !! checks so far
    real(real64), intent(in) :: array(:,:)     !! array to look at [any] (ncol, nlay or nlay+1)
    character(len=*), intent(in) :: name       !! its name
    integer, intent(in) :: more                !! 1 for arrays at levels, 0 at layers [1]

    call self%extents(shape(array), name, [self%n_columns, self%n_layers + more])
  end subroutine extent_of_layers

  !> An array has the columns, the layers and the bands.
  subroutine extent_of_bands(self, array, name, n_bands)
    class(input_checks), intent(inout) :: self !! checks so far
    real(real64), intent(in) :: array(:,:,:)   !! array to look at [any] (ncol, nlay, band)
    character(len=*), intent(in) :: name       !! its name
    integer, intent(in) :: n_bands             !! bands [1]

    call self%extents(shape(array), name, [self%n_columns, self%n_layers, n_bands])
  end subroutine extent_of_bands

  !> An array has one value per column.
  subroutine extent_of_columns(self, array, name)
    class(input_checks), intent(inout) :: self !! checks so far
    real(real64), intent(in) :: array(:)       !! array to look at [any] (ncol)
    character(len=*), intent(in) :: name       !! its name

    call self%extents(shape(array), name, [self%n_columns])
  end subroutine extent_of_columns

  !> An array of any type has the extents expected.
  subroutine extents(self, got, name, expected)
    class(input_checks), intent(inout) :: self !! checks so far
    integer, intent(in) :: got(:)              !! extents it has [1] (dimension)
    character(len=*), intent(in) :: name       !! its name
    integer, intent(in) :: expected(:)         !! extents it should have [1] (dimension)

    if (all(got == expected)) return
    call self%fail(rrtmg_bad_shape, name//": expected "//trim(extents_text(expected))//", got "//trim(extents_text(got)))
  end subroutine extents

  !> Values are numbers within their range.
  subroutine range_of_layers(self, array, name, lowest, highest, units, place)
    class(input_checks), intent(inout) :: self       !! checks so far
    real(real64), intent(in) :: array(:,:)           !! array to look at [any] (ncol, nlay or nlay+1)
    character(len=*), intent(in) :: name             !! its name
    real(real64), intent(in) :: lowest, highest      !! range [any]
    character(len=*), intent(in) :: units            !! units of the range
    character(len=*), optional, intent(in) :: place  !! what is after the columns, if not layers
    character(len=8) :: word
    integer :: at(2)

    if (self%code /= rrtmg_success) return
    if (all(array >= lowest .and. array <= highest)) return
    word = "layer"
    if (present(place)) word = place
    at = findloc(array >= lowest .and. array <= highest, .false.)
    call self%fail(rrtmg_bad_value, name//" of column "//trim(whole(at(1)))//", "//trim(word)//" "//trim(whole(at(2)))// &
                   ": expected "//trim(number(lowest))//" to "//trim(number(highest))//" "//units//", got "// &
                   trim(number(array(at(1), at(2)))))
  end subroutine range_of_layers

  !> The same for values of bands.
  subroutine range_of_bands(self, array, name, lowest, highest, units)
    class(input_checks), intent(inout) :: self       !! checks so far
    real(real64), intent(in) :: array(:,:,:)         !! array to look at [any] (ncol, nlay, band)
    character(len=*), intent(in) :: name             !! its name
    real(real64), intent(in) :: lowest, highest      !! range [any]
    character(len=*), intent(in) :: units            !! units of the range
    integer :: at(3)

    if (self%code /= rrtmg_success) return
    if (all(array >= lowest .and. array <= highest)) return
    at = findloc(array >= lowest .and. array <= highest, .false.)
    call self%fail(rrtmg_bad_value, name//" of column "//trim(whole(at(1)))//", layer "//trim(whole(at(2)))//", band "// &
                   trim(whole(at(3)))//": expected "//trim(number(lowest))//" to "//trim(number(highest))//" "//units// &
                   ", got "//trim(number(array(at(1), at(2), at(3)))))
  end subroutine range_of_bands

  !> The same for one value per column.
  subroutine range_of_columns(self, array, name, lowest, highest, units)
    class(input_checks), intent(inout) :: self  !! checks so far
    real(real64), intent(in) :: array(:)        !! array to look at [any] (ncol)
    character(len=*), intent(in) :: name        !! its name
    real(real64), intent(in) :: lowest, highest !! range [any]
    character(len=*), intent(in) :: units       !! units of the range
    integer :: at

    if (self%code /= rrtmg_success) return
    if (all(array >= lowest .and. array <= highest)) return
    at = findloc(array >= lowest .and. array <= highest, .false., 1)
    call self%fail(rrtmg_bad_value, name//" of column "//trim(whole(at))//": expected "//trim(number(lowest))//" to "// &
                   trim(number(highest))//" "//units//", got "//trim(number(array(at))))
  end subroutine range_of_columns

  !> Pressure rises downwards from level to level; only the top level may be at 0 Pa; layers lie between their levels.
  subroutine pressures(self, levels, layers)
    class(input_checks), intent(inout) :: self  !! checks so far
    real(real64), intent(in) :: levels(:,:)     !! pressure at levels [Pa] (ncol, nlay+1)
    real(real64), intent(in) :: layers(:,:)     !! pressure of layers [Pa] (ncol, nlay)
    real(real64), parameter :: highest = 2e5_real64
    logical :: good(self%n_columns)
    integer :: k, at

    do k = 1, self%n_layers
      if (self%code /= rrtmg_success) return
      good = levels(:, k) >= 0 .and. levels(:, k + 1) > levels(:, k) .and. levels(:, k + 1) <= highest
      if (.not. all(good)) then
        at = findloc(good, .false., 1)
        call self%fail(rrtmg_bad_value, "pressure_level of column "//trim(whole(at))//", levels "//trim(whole(k))//" and "// &
                       trim(whole(k + 1))//": expected rising pressures within 0 to 200000 Pa, got "// &
                       trim(number(levels(at, k)))//" and "//trim(number(levels(at, k + 1))))
        return
      end if
      good = layers(:, k) > 0 .and. layers(:, k) >= levels(:, k) .and. layers(:, k) <= levels(:, k + 1)
      if (.not. all(good)) then
        at = findloc(good, .false., 1)
        call self%fail(rrtmg_bad_value, "pressure_layer of column "//trim(whole(at))//", layer "//trim(whole(k))// &
                       ": expected a positive pressure between its levels' "//trim(number(levels(at, k)))//" and "// &
                       trim(number(levels(at, k + 1)))//" Pa, got "//trim(number(layers(at, k))))
      end if
    end do
  end subroutine pressures

  !> Stop with the whole message where the caller has not asked for a status. (The front doors hand out `errmsg` themselves:
  !> gfortran 12 loses the length of an optional one that is handed on.)
  subroutine stop_on_failure(self)
    class(input_checks), intent(in) :: self !! checks made

    if (self%code == rrtmg_success) return
    error stop self%problem
  end subroutine stop_on_failure

  ! The results below have a fixed length: gfortran 12 keeps the length of a deferred-length result in static memory, which
  ! threads that fail at the same time would share.

  !> A whole number as text.
  pure function whole(n) result(text)
    integer, intent(in) :: n !! number [1]
    character(len=24) :: text

    write (text, "(i0)") n
  end function whole

  !> The extents of an array as text.
  pure function extents_text(n) result(text)
    integer, intent(in) :: n(:) !! extents [1] (dimension)
    character(len=80) :: text
    integer :: i

    text = "("//whole(n(1))
    do i = 2, size(n)
      text = trim(text)//", "//whole(n(i))
    end do
    text = trim(text)//")"
  end function extents_text

  !> A real number as text.
  pure function number(x) result(text)
    real(real64), intent(in) :: x !! number [any]
    character(len=24) :: text

    if (x /= x) then
      text = "NaN"
    else if (abs(x) < 1e7_real64 .and. abs(x) >= 1e-2_real64 .or. abs(x) <= 0) then
      write (text, "(f24.2)") x
    else
      write (text, "(es24.3)") x
    end if
    text = adjustl(text)
  end function number
end module radml_rrtmg_checks
