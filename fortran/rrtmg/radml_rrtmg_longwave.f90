!> RRTMG longwave for clear sky: fluxes and heating rates of columns of any number of layers.
!>
!> ```fortran
!> type(rrtmg_longwave) :: longwave
!> call longwave%load("rrtmg_longwave.nc")
!> call longwave%fluxes(pressure_level, temperature_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, o2, &
!>                      surface_temperature, surface_emissivity, up, down, heating_rate)
!> ```
!>
!> Layers run from the top of the atmosphere down. A loaded object is read only: any number of threads may call `fluxes`
!> on it at once, each with its own columns, and a column's result does not depend on the columns beside it.
!> With `stat` absent a failure stops the program with its message on standard error.
module radml_rrtmg_longwave
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_longwave_column, only: column_input, column_workspace, optical_depths_of_column, solve_column
  use radml_rrtmg_constants, only: rrtmg_avogadro, rrtmg_dry_air_mass, rrtmg_gravity, rrtmg_heat_capacity, &
                                   rrtmg_seconds_per_day, rrtmg_water_mass
  use radml_rrtmg_longwave_reader, only: read_longwave_tables
  use radml_rrtmg_longwave_tables, only: longwave_tables
  use radml_rrtmg_status
  implicit none
  private

  public :: rrtmg_gravity, rrtmg_heat_capacity, rrtmg_seconds_per_day, rrtmg_avogadro, rrtmg_dry_air_mass, rrtmg_water_mass

  public :: rrtmg_success, rrtmg_bad_tables, rrtmg_not_loaded, rrtmg_bad_shape, rrtmg_bad_value

  real(real64), parameter :: coldest = 100, hottest = 400 ! accepted temperatures [K]; the tables hold for 160 to 340

  !> RRTMG longwave with its coefficient tables.
  type, public :: rrtmg_longwave
    !> Use the original's table of 10,000 transmittances in place of exact exponentials: slower, less exact, for comparisons.
    logical :: original_tables = .false.
    type(longwave_tables), private :: tables
  contains
    procedure :: load
    procedure :: fluxes
    procedure :: optical_depths
  end type rrtmg_longwave

contains

  !> Read the coefficient file.
  subroutine load(self, path, stat, errmsg)
    class(rrtmg_longwave), intent(inout) :: self                     !! RRTMG to make ready
    character(len=*), intent(in) :: path                             !! coefficient file, `rrtmg_longwave.nc`
    integer, optional, intent(out) :: stat                           !! `rrtmg_success` or `rrtmg_bad_tables` [1]
    character(len=:), allocatable, optional, intent(inout) :: errmsg !! what went wrong
    character(len=:), allocatable :: problem
    integer :: code

    call read_longwave_tables(path, self%tables, problem)
    code = merge(rrtmg_bad_tables, rrtmg_success, allocated(problem))
    if (present(stat)) stat = code
    if (present(errmsg) .and. code /= rrtmg_success) errmsg = problem
    if (.not. present(stat)) call stop_on_failure(code, problem)
  end subroutine load

  !> Clear-sky fluxes and heating rates of many columns.
  subroutine fluxes(self, pressure_level, temperature_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, o2, &
                    surface_temperature, surface_emissivity, up, down, heating_rate, cfc11, cfc12, cfc22, ccl4, stat, errmsg)
    class(rrtmg_longwave), intent(in) :: self                        !! RRTMG, loaded
    real(real64), intent(in) :: pressure_level(:,:)                  !! pressure at levels, rising downwards [Pa] (ncol, nlay+1)
    real(real64), intent(in) :: temperature_level(:,:)               !! temperature at levels [K] (ncol, nlay+1)
    real(real64), intent(in) :: pressure_layer(:,:)                  !! pressure of layers, within their levels' [Pa] (ncol, nlay)
    real(real64), intent(in) :: temperature_layer(:,:)               !! temperature of layers [K] (ncol, nlay)
    real(real64), intent(in) :: h2o(:,:)                             !! water vapour in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: o3(:,:)                              !! ozone in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: co2(:,:)                             !! carbon dioxide in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: ch4(:,:)                             !! methane in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: n2o(:,:)                             !! nitrous oxide in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: o2(:,:)                              !! oxygen in dry air [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: surface_temperature(:)               !! temperature of the surface [K] (ncol)
    real(real64), intent(in) :: surface_emissivity(:)                !! its emissivity, the rest is reflected [1] (ncol)
    real(real64), intent(inout) :: up(:,:)                           !! upward flux at levels [W m-2] (ncol, nlay+1)
    real(real64), intent(inout) :: down(:,:)                         !! downward flux at levels [W m-2] (ncol, nlay+1)
    real(real64), intent(inout) :: heating_rate(:,:)                 !! heating rate of layers [K day-1] (ncol, nlay)
    real(real64), optional, intent(in) :: cfc11(:,:)                 !! CFC-11 in dry air, 0 if absent [mol mol-1] (ncol, nlay)
    real(real64), optional, intent(in) :: cfc12(:,:)                 !! CFC-12 in dry air, 0 if absent [mol mol-1] (ncol, nlay)
    real(real64), optional, intent(in) :: cfc22(:,:)                 !! CFC-22 in dry air, 0 if absent [mol mol-1] (ncol, nlay)
    real(real64), optional, intent(in) :: ccl4(:,:)                  !! CCl4 in dry air, 0 if absent [mol mol-1] (ncol, nlay)
    integer, optional, intent(out) :: stat                           !! `rrtmg_success` or what went wrong [1]
    character(len=:), allocatable, optional, intent(inout) :: errmsg !! what went wrong
    type(column_input) :: input
    type(column_workspace) :: workspace
    character(len=:), allocatable :: problem
    real(real64), allocatable :: column_up(:), column_down(:), column_heating(:)
    integer :: code, column, n_columns, n_layers

    n_columns = size(pressure_layer, 1)
    n_layers = size(pressure_layer, 2)
    code = rrtmg_success
    if (.not. self%tables%loaded) then
      code = rrtmg_not_loaded
      problem = "rrtmg_longwave%fluxes: no coefficient tables; call load first"
    else if (n_layers < 1) then
      code = rrtmg_bad_shape
      problem = "rrtmg_longwave%fluxes: pressure_layer has no layers"
    else
      call check_shape(pressure_level, "pressure_level", 1)
      call check_shape(temperature_level, "temperature_level", 1)
      call check_shape(temperature_layer, "temperature_layer", 0)
      call check_shape(h2o, "h2o", 0)
      call check_shape(o3, "o3", 0)
      call check_shape(co2, "co2", 0)
      call check_shape(ch4, "ch4", 0)
      call check_shape(n2o, "n2o", 0)
      call check_shape(o2, "o2", 0)
      call check_surface_shape(surface_temperature, "surface_temperature")
      call check_surface_shape(surface_emissivity, "surface_emissivity")
      call check_shape(up, "up", 1)
      call check_shape(down, "down", 1)
      call check_shape(heating_rate, "heating_rate", 0)
      if (present(cfc11)) call check_shape(cfc11, "cfc11", 0)
      if (present(cfc12)) call check_shape(cfc12, "cfc12", 0)
      if (present(cfc22)) call check_shape(cfc22, "cfc22", 0)
      if (present(ccl4)) call check_shape(ccl4, "ccl4", 0)
    end if
    if (code == rrtmg_success) then
      call check_pressures()
      call check_range(temperature_level, "temperature_level", "level", coldest, hottest, "K")
      call check_range(temperature_layer, "temperature_layer", "layer", coldest, hottest, "K")
      call check_range(h2o, "h2o", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_range(o3, "o3", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_range(co2, "co2", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_range(ch4, "ch4", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_range(n2o, "n2o", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_range(o2, "o2", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(cfc11)) call check_range(cfc11, "cfc11", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(cfc12)) call check_range(cfc12, "cfc12", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(cfc22)) call check_range(cfc22, "cfc22", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      if (present(ccl4)) call check_range(ccl4, "ccl4", "layer", 0.0_real64, 1.0_real64, "mol mol-1")
      call check_surface(surface_temperature, "surface_temperature", coldest, hottest, "K")
      call check_surface(surface_emissivity, "surface_emissivity", 0.0_real64, 1.0_real64, "1")
    end if
    if (present(stat)) stat = code
    if (present(errmsg) .and. code /= rrtmg_success) errmsg = problem
    if (.not. present(stat)) call stop_on_failure(code, problem)
    if (code /= rrtmg_success) return

    call input%create(n_layers)
    call workspace%create(n_layers)
    allocate (column_up(n_layers + 1), column_down(n_layers + 1), column_heating(n_layers))
    do column = 1, n_columns
      input%pressure_level = pressure_level(column, :)
      input%temperature_level = temperature_level(column, :)
      input%pressure_layer = pressure_layer(column, :)
      input%temperature_layer = temperature_layer(column, :)
      input%h2o = h2o(column, :)
      input%o3 = o3(column, :)
      input%co2 = co2(column, :)
      input%ch4 = ch4(column, :)
      input%n2o = n2o(column, :)
      input%o2 = o2(column, :)
      if (present(cfc11)) input%cfc11 = cfc11(column, :)
      if (present(cfc12)) input%cfc12 = cfc12(column, :)
      if (present(cfc22)) input%cfc22 = cfc22(column, :)
      if (present(ccl4)) input%ccl4 = ccl4(column, :)
      input%surface_temperature = surface_temperature(column)
      input%surface_emissivity = surface_emissivity(column)
      call solve_column(self%tables, n_layers, self%original_tables, input, workspace, column_up, column_down, column_heating)
      up(column, :) = column_up
      down(column, :) = column_down
      heating_rate(column, :) = column_heating
    end do

  contains

    !> All arrays have the columns of pressure_layer, and its layers or one more.
    subroutine check_shape(array, name, more)
      real(real64), intent(in) :: array(:,:)   !! array to look at [any] (ncol, nlay or nlay+1)
      character(len=*), intent(in) :: name     !! its name
      integer, intent(in) :: more              !! 1 for arrays at levels, 0 at layers [1]

      if (code /= rrtmg_success .or. all(shape(array) == [n_columns, n_layers + more])) return
      code = rrtmg_bad_shape
      problem = "rrtmg_longwave%fluxes: "//name//": expected ("//trim(whole(n_columns))//", "//trim(whole(n_layers + more))// &
                "), got ("//trim(whole(size(array, 1)))//", "//trim(whole(size(array, 2)))//")"
    end subroutine check_shape

    !> The surface has one value per column.
    subroutine check_surface_shape(array, name)
      real(real64), intent(in) :: array(:)  !! array to look at [any] (ncol)
      character(len=*), intent(in) :: name  !! its name

      if (code /= rrtmg_success .or. size(array) == n_columns) return
      code = rrtmg_bad_shape
      problem = "rrtmg_longwave%fluxes: "//name//": expected ("//trim(whole(n_columns))//"), got ("//trim(whole(size(array)))//")"
    end subroutine check_surface_shape

    !> Values are numbers within their range.
    subroutine check_range(array, name, place, lowest, highest, units)
      real(real64), intent(in) :: array(:,:)      !! array to look at [any] (ncol, nlay or nlay+1)
      character(len=*), intent(in) :: name        !! its name
      character(len=*), intent(in) :: place       !! layer or level
      real(real64), intent(in) :: lowest, highest !! range [any]
      character(len=*), intent(in) :: units       !! units of the range
      integer :: at(2)

      if (code /= rrtmg_success) return
      if (all(array >= lowest .and. array <= highest)) return
      at = findloc(array >= lowest .and. array <= highest, .false.)
      code = rrtmg_bad_value
      problem = "rrtmg_longwave%fluxes: "//name//" of column "//trim(whole(at(1)))//", "//place//" "//trim(whole(at(2)))// &
                ": expected "//trim(number(lowest))//" to "//trim(number(highest))//" "//units// &
                ", got "//trim(number(array(at(1), at(2))))
    end subroutine check_range

    !> The same for the surface.
    subroutine check_surface(array, name, lowest, highest, units)
      real(real64), intent(in) :: array(:)        !! array to look at [any] (ncol)
      character(len=*), intent(in) :: name        !! its name
      real(real64), intent(in) :: lowest, highest !! range [any]
      character(len=*), intent(in) :: units       !! units of the range
      integer :: at

      if (code /= rrtmg_success) return
      if (all(array >= lowest .and. array <= highest)) return
      at = findloc(array >= lowest .and. array <= highest, .false., 1)
      code = rrtmg_bad_value
      problem = "rrtmg_longwave%fluxes: "//name//" of column "//trim(whole(at))// &
                ": expected "//trim(number(lowest))//" to "//trim(number(highest))//" "//units//", got "//trim(number(array(at)))
    end subroutine check_surface

    !> Pressure rises downwards from level to level; only the top level may be at 0 Pa; layers lie between their levels.
    subroutine check_pressures()
      logical :: good(n_columns)
      integer :: k, at

      do k = 1, n_layers
        good = pressure_level(:, k) >= 0 .and. pressure_level(:, k + 1) > pressure_level(:, k) &
               .and. pressure_level(:, k + 1) <= 2e5_real64
        if (.not. all(good)) then
          at = findloc(good, .false., 1)
          code = rrtmg_bad_value
          problem = "rrtmg_longwave%fluxes: pressure_level of column "//trim(whole(at))//", levels "//trim(whole(k))// &
                    " and "//trim(whole(k + 1))//": expected rising pressures within 0 to 200000 Pa, got "// &
                    trim(number(pressure_level(at, k)))//" and "//trim(number(pressure_level(at, k + 1)))
          return
        end if
        good = pressure_layer(:, k) > 0 .and. pressure_layer(:, k) >= pressure_level(:, k) &
               .and. pressure_layer(:, k) <= pressure_level(:, k + 1)
        if (.not. all(good)) then
          at = findloc(good, .false., 1)
          code = rrtmg_bad_value
          problem = "rrtmg_longwave%fluxes: pressure_layer of column "//trim(whole(at))//", layer "//trim(whole(k))// &
                    ": expected a positive pressure between its levels' "//trim(number(pressure_level(at, k)))//" and "// &
                    trim(number(pressure_level(at, k + 1)))//" Pa, got "//trim(number(pressure_layer(at, k)))
          return
        end if
      end do
    end subroutine check_pressures
  end subroutine fluxes

  !> Optical depths and Planck fractions of one column at all 140 g-points, for a look inside. Values are not checked.
  subroutine optical_depths(self, pressure_level, pressure_layer, temperature_layer, h2o, o3, co2, ch4, n2o, o2, &
                            optical_depth, planck_fraction, cfc11, cfc12, cfc22, ccl4, stat, errmsg)
    class(rrtmg_longwave), intent(in) :: self                        !! RRTMG, loaded
    real(real64), intent(in) :: pressure_level(:)                    !! pressure at levels, rising downwards [Pa] (nlay+1)
    real(real64), intent(in) :: pressure_layer(:)                    !! pressure of layers [Pa] (nlay)
    real(real64), intent(in) :: temperature_layer(:)                 !! temperature of layers [K] (nlay)
    real(real64), intent(in) :: h2o(:)                               !! water vapour in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: o3(:)                                !! ozone in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: co2(:)                               !! carbon dioxide in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: ch4(:)                               !! methane in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: n2o(:)                               !! nitrous oxide in dry air [mol mol-1] (nlay)
    real(real64), intent(in) :: o2(:)                                !! oxygen in dry air [mol mol-1] (nlay)
    real(real64), allocatable, intent(out) :: optical_depth(:,:)     !! vertical optical depth [1] (g-point, nlay)
    real(real64), allocatable, intent(out) :: planck_fraction(:,:)   !! Planck fraction [1] (g-point, nlay)
    real(real64), optional, intent(in) :: cfc11(:)                   !! CFC-11 in dry air, 0 if absent [mol mol-1] (nlay)
    real(real64), optional, intent(in) :: cfc12(:)                   !! CFC-12 in dry air, 0 if absent [mol mol-1] (nlay)
    real(real64), optional, intent(in) :: cfc22(:)                   !! CFC-22 in dry air, 0 if absent [mol mol-1] (nlay)
    real(real64), optional, intent(in) :: ccl4(:)                    !! CCl4 in dry air, 0 if absent [mol mol-1] (nlay)
    integer, optional, intent(out) :: stat                           !! `rrtmg_success` or what went wrong [1]
    character(len=:), allocatable, optional, intent(inout) :: errmsg !! what went wrong
    type(column_input) :: input
    character(len=:), allocatable :: problem
    integer :: n, code

    n = size(pressure_layer)
    code = rrtmg_success
    if (.not. self%tables%loaded) then
      code = rrtmg_not_loaded
      problem = "rrtmg_longwave%optical_depths: no coefficient tables; call load first"
    else if (size(pressure_level) /= n + 1 .or. any([size(temperature_layer), size(h2o), size(o3), size(co2), size(ch4), &
                                                     size(n2o), size(o2)] /= n)) then
      code = rrtmg_bad_shape
      problem = "rrtmg_longwave%optical_depths: expected "//trim(whole(n))//" layers in every array and one level more"
    end if
    if (present(stat)) stat = code
    if (present(errmsg) .and. code /= rrtmg_success) errmsg = problem
    if (.not. present(stat)) call stop_on_failure(code, problem)
    if (code /= rrtmg_success) return
    call input%create(n)
    input%pressure_level = pressure_level
    input%pressure_layer = pressure_layer
    input%temperature_layer = temperature_layer
    input%h2o = h2o
    input%o3 = o3
    input%co2 = co2
    input%ch4 = ch4
    input%n2o = n2o
    input%o2 = o2
    if (present(cfc11)) input%cfc11 = cfc11
    if (present(cfc12)) input%cfc12 = cfc12
    if (present(cfc22)) input%cfc22 = cfc22
    if (present(ccl4)) input%ccl4 = ccl4
    call optical_depths_of_column(self%tables, n, input, optical_depth, planck_fraction)
  end subroutine optical_depths

  !> Stop with the whole message where the caller has not asked for a status.
  subroutine stop_on_failure(code, problem)
    integer, intent(in) :: code                          !! what happened [1]
    character(len=:), allocatable, intent(in) :: problem !! in words

    if (code == rrtmg_success) return
    error stop problem
  end subroutine stop_on_failure

  ! The results below have a fixed length: gfortran 12 keeps the length of a deferred-length result in static memory, which
  ! threads that fail at the same time would share.

  !> A whole number as text.
  pure function whole(n) result(text)
    integer, intent(in) :: n !! number [1]
    character(len=24) :: text

    write (text, "(i0)") n
  end function whole

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
end module radml_rrtmg_longwave
