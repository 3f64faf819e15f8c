!> Atmospheric columns and the NetCDF file that holds them: the format that the host, `radml-rrtmg`, training and the
!! benchmark share. Layers run from the top of the atmosphere down; level k is the upper boundary of layer k.
!!
!! `read` takes nothing on trust: a variable that is missing, has other dimensions or units, is not a number, lies out of the
!! range in which an atmosphere is possible, or runs from the ground up gives one message that names file, variable and place.
module column_file
  use, intrinsic :: iso_fortran_env, only: real64
  use checked_netcdf, only: netcdf_file
  use host_status, only: status_bad_file, status_success, fail, integer_text, real_text
  implicit none
  private

  public :: column_set

  real(real64), parameter, public :: mean_irradiance = 1361 !! of the sun at the mean distance (Kopp and Lean 2011) [W m-2] ()
  real(real64), parameter :: usual_liquid_radius = 1.0e-5_real64, usual_ice_radius = 3.0e-5_real64 ! m, where there is no cloud

  !> Columns of the atmosphere. What a file need not have is left unallocated where it has it not: pass such a component
  !! as an optional argument, and it counts as absent.
  type :: column_set
    real(real64), allocatable :: pressure_level(:, :)       !! pressure at levels [Pa] (ncol, nlay+1)
    real(real64), allocatable :: temperature_level(:, :)    !! temperature at levels [K] (ncol, nlay+1)
    real(real64), allocatable :: pressure_layer(:, :)       !! pressure of layers [Pa] (ncol, nlay)
    real(real64), allocatable :: temperature_layer(:, :)    !! temperature of layers [K] (ncol, nlay)
    real(real64), allocatable :: h2o(:, :)                  !! water vapour over dry air [mol mol-1] (ncol, nlay)
    real(real64), allocatable :: o3(:, :)                   !! ozone [mol mol-1] (ncol, nlay)
    real(real64), allocatable :: co2(:, :)                  !! carbon dioxide [mol mol-1] (ncol, nlay)
    real(real64), allocatable :: ch4(:, :)                  !! methane [mol mol-1] (ncol, nlay)
    real(real64), allocatable :: n2o(:, :)                  !! nitrous oxide [mol mol-1] (ncol, nlay)
    real(real64), allocatable :: o2(:, :)                   !! oxygen [mol mol-1] (ncol, nlay)
    real(real64), allocatable :: surface_temperature(:)     !! temperature of the surface [K] (ncol)
    real(real64), allocatable :: surface_emissivity(:)      !! longwave emissivity of the surface [1] (ncol)
    real(real64), allocatable :: cfc11(:, :)                !! optional: CFC-11 [mol mol-1] (ncol, nlay)
    real(real64), allocatable :: cfc12(:, :)                !! optional: CFC-12 [mol mol-1] (ncol, nlay)
    real(real64), allocatable :: cfc22(:, :)                !! optional: HCFC-22 [mol mol-1] (ncol, nlay)
    real(real64), allocatable :: ccl4(:, :)                 !! optional: carbon tetrachloride [mol mol-1] (ncol, nlay)
    real(real64), allocatable :: cloud_fraction(:, :)       !! optional: cloud fraction [1] (ncol, nlay)
    real(real64), allocatable :: cloud_liquid_path(:, :)    !! optional: in-cloud liquid water path [kg m-2] (ncol, nlay)
    real(real64), allocatable :: cloud_ice_path(:, :)       !! optional: in-cloud ice water path [kg m-2] (ncol, nlay)
    real(real64), allocatable :: liquid_radius(:, :)        !! optional: effective radius of droplets [m] (ncol, nlay)
    real(real64), allocatable :: ice_radius(:, :)           !! optional: effective radius of ice crystals [m] (ncol, nlay)
    real(real64), allocatable :: surface_albedo(:)          !! optional: shortwave albedo of the surface [1] (ncol)
    real(real64), allocatable :: cos_zenith(:)              !! optional: cosine of the Sun's zenith angle [1] (ncol)
    real(real64), allocatable :: solar_irradiance(:)        !! optional: at the top, normal to the beam [W m-2] (ncol)
    real(real64), allocatable :: latitude(:)                !! optional: latitude [degrees_north] (ncol)
    real(real64), allocatable :: longitude(:)               !! optional: longitude [degrees_east] (ncol)
    real(real64), allocatable :: land_fraction(:)           !! optional: share of land [1] (ncol)
  contains
    procedure :: read => read_columns
    procedure :: write => write_columns
    procedure :: n_columns
    procedure :: n_layers
    procedure :: has_clouds
    procedure :: missing_for_shortwave
    procedure :: complete_sky
    procedure :: pick
    procedure :: put
  end type column_set

contains

  !> The number of columns.
  pure function n_columns(self) result(n)
    class(column_set), intent(in) :: self  !! [columns] ()
    integer :: n                           !! [1] ()
    n = 0
    if (allocated(self%pressure_layer)) n = size(self%pressure_layer, 1)
  end function n_columns

  !> The number of layers.
  pure function n_layers(self) result(n)
    class(column_set), intent(in) :: self  !! [columns] ()
    integer :: n                           !! [1] ()
    n = 0
    if (allocated(self%pressure_layer)) n = size(self%pressure_layer, 2)
  end function n_layers

  !> Whether any column has a cloud.
  pure function has_clouds(self) result(answer)
    class(column_set), intent(in) :: self  !! [columns] ()
    logical :: answer                      !! [1] ()
    answer = .false.
    if (allocated(self%cloud_fraction)) answer = any(self%cloud_fraction > 0.0_real64)
  end function has_clouds

  !> What the columns lack for a shortwave; empty if there is all.
  function missing_for_shortwave(self) result(name)
    class(column_set), intent(in) :: self  !! [columns] ()
    character(len=:), allocatable :: name  !! [text] ()
    name = ''
    if (.not. allocated(self%surface_albedo)) name = 'surface_albedo'
    if (.not. allocated(self%cos_zenith)) name = 'cos_zenith'
  end function missing_for_shortwave

  !> Makes what all of radiation needs complete: no clouds where the set has none, the mean irradiance. Albedo and zenith angle
  !! cannot be made up.
  subroutine complete_sky(self, stat, errmsg)
    class(column_set), intent(inout) :: self                 !! [columns] ()
    integer, intent(out) :: stat                             !! 0, or `status_bad_file` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()

    stat = status_success
    if (self%missing_for_shortwave() /= '') then
      call fail(status_bad_file, 'columns: expected the variable "'//self%missing_for_shortwave()// &
                '", which sunlight needs, got none', stat, errmsg)
      return
    end if
    call together('cloud_liquid_path', allocated(self%cloud_liquid_path), 'liquid_radius', allocated(self%liquid_radius))
    call together('cloud_ice_path', allocated(self%cloud_ice_path), 'ice_radius', allocated(self%ice_radius))
    if (allocated(self%cloud_liquid_path) .or. allocated(self%cloud_ice_path)) then
      call together('cloud_fraction', allocated(self%cloud_fraction), 'water of clouds', .true.)
    else
      call together('cloud_fraction', allocated(self%cloud_fraction), 'cloud_liquid_path or cloud_ice_path', .false.)
    end if
    if (stat /= 0) return
    if (.not. allocated(self%solar_irradiance)) &
      allocate (self%solar_irradiance(self%n_columns()), source=mean_irradiance)
    call fill(self%cloud_fraction, 0.0_real64)
    call fill(self%cloud_liquid_path, 0.0_real64)
    call fill(self%cloud_ice_path, 0.0_real64)
    call fill(self%liquid_radius, usual_liquid_radius)
    call fill(self%ice_radius, usual_ice_radius)

  contains

    !> Clouds are there with all that belongs to them, or not at all: what is made up here is for a clear sky.
    subroutine together(first, there_is_first, second, there_is_second)
      character(len=*), intent(in) :: first, second
      logical, intent(in) :: there_is_first, there_is_second
      character(len=:), allocatable :: found
      if (stat /= 0 .or. (there_is_first .eqv. there_is_second)) return
      found = first
      if (there_is_second) found = second
      call fail(status_bad_file, 'columns: expected '//first//' and '//second//' together, got '//found//' alone', stat, errmsg)
    end subroutine together

    subroutine fill(values, value)
      real(real64), allocatable, intent(inout) :: values(:, :)
      real(real64), intent(in) :: value
      if (.not. allocated(values)) allocate (values(self%n_columns(), self%n_layers()), source=value)
    end subroutine fill

  end subroutine complete_sky

  !> Some of the columns, in the order of their numbers.
  function pick(self, numbers) result(picked)
    class(column_set), intent(in) :: self  !! [columns] ()
    integer, intent(in) :: numbers(:)      !! from 1 [1] (any)
    type(column_set) :: picked             !! [columns] ()
    integer :: i
    call picked%put([(i, i=1, size(numbers))], self, numbers)
  end function pick

  !> Overwrites columns by those of another set with as many layers. A set without columns gets room for them, and the variables
  !! of the other one; else variables that one of the two has not are left alone.
  subroutine put(self, places, from, numbers)
    class(column_set), intent(inout) :: self  !! [columns] ()
    integer, intent(in) :: places(:)          !! of the columns that are overwritten, from 1; of an empty set 1, 2, ... [1] (any)
    class(column_set), intent(in) :: from     !! [columns] ()
    integer, intent(in) :: numbers(:)         !! of the columns that are taken, as many [1] (any)
    logical :: empty

    empty = self%n_columns() == 0
    call profiles(from%pressure_level, self%pressure_level)
    call profiles(from%temperature_level, self%temperature_level)
    call profiles(from%pressure_layer, self%pressure_layer)
    call profiles(from%temperature_layer, self%temperature_layer)
    call profiles(from%h2o, self%h2o)
    call profiles(from%o3, self%o3)
    call profiles(from%co2, self%co2)
    call profiles(from%ch4, self%ch4)
    call profiles(from%n2o, self%n2o)
    call profiles(from%o2, self%o2)
    call profiles(from%cfc11, self%cfc11)
    call profiles(from%cfc12, self%cfc12)
    call profiles(from%cfc22, self%cfc22)
    call profiles(from%ccl4, self%ccl4)
    call profiles(from%cloud_fraction, self%cloud_fraction)
    call profiles(from%cloud_liquid_path, self%cloud_liquid_path)
    call profiles(from%cloud_ice_path, self%cloud_ice_path)
    call profiles(from%liquid_radius, self%liquid_radius)
    call profiles(from%ice_radius, self%ice_radius)
    call numbers_of(from%surface_temperature, self%surface_temperature)
    call numbers_of(from%surface_emissivity, self%surface_emissivity)
    call numbers_of(from%surface_albedo, self%surface_albedo)
    call numbers_of(from%cos_zenith, self%cos_zenith)
    call numbers_of(from%solar_irradiance, self%solar_irradiance)
    call numbers_of(from%latitude, self%latitude)
    call numbers_of(from%longitude, self%longitude)
    call numbers_of(from%land_fraction, self%land_fraction)

  contains

    subroutine profiles(taken, given)
      real(real64), allocatable, intent(in) :: taken(:, :)
      real(real64), allocatable, intent(inout) :: given(:, :)
      if (.not. allocated(taken)) return
      if (empty) allocate (given(size(places), size(taken, 2)))
      if (allocated(given)) given(places, :) = taken(numbers, :)
    end subroutine profiles

    subroutine numbers_of(taken, given)
      real(real64), allocatable, intent(in) :: taken(:)
      real(real64), allocatable, intent(inout) :: given(:)
      if (.not. allocated(taken)) return
      if (empty) allocate (given(size(places)))
      if (allocated(given)) given(places) = taken(numbers)
    end subroutine numbers_of

  end subroutine put

  !> Reads and checks a column file.
  subroutine read_columns(self, path, stat, errmsg)
    class(column_set), intent(out) :: self                             !! [columns] ()
    character(len=*), intent(in) :: path                               !! [text] ()
    integer, intent(out), optional :: stat                             !! 0, or `status_bad_file` [1] ()
    character(len=:), allocatable, intent(inout), optional :: errmsg   !! [text] ()

    real(real64), parameter :: any_pressure = 2.0e5_real64
    type(netcdf_file) :: file
    integer :: code
    character(len=:), allocatable :: message

    call file%open(path)
    call levels('pressure_level', 'Pa', self%pressure_level, 0.0_real64, any_pressure)
    call layers('pressure_layer', 'Pa', self%pressure_layer, tiny(1.0_real64), any_pressure)
    call levels('temperature_level', 'K', self%temperature_level, 50.0_real64, 500.0_real64)
    call layers('temperature_layer', 'K', self%temperature_layer, 50.0_real64, 500.0_real64)
    call gas('h2o', self%h2o)
    call gas('o3', self%o3)
    call gas('co2', self%co2)
    call gas('ch4', self%ch4)
    call gas('n2o', self%n2o)
    call gas('o2', self%o2)
    call surface('surface_temperature', 'K', self%surface_temperature, 50.0_real64, 500.0_real64)
    call surface('surface_emissivity', '1', self%surface_emissivity, 0.0_real64, 1.0_real64)

    if (file%has_variable('cfc11')) call gas('cfc11', self%cfc11)
    if (file%has_variable('cfc12')) call gas('cfc12', self%cfc12)
    if (file%has_variable('cfc22')) call gas('cfc22', self%cfc22)
    if (file%has_variable('ccl4')) call gas('ccl4', self%ccl4)
    if (file%has_variable('cloud_fraction')) &
      call layers('cloud_fraction', '1', self%cloud_fraction, 0.0_real64, 1.0_real64)
    if (file%has_variable('cloud_liquid_path')) &
      call layers('cloud_liquid_path', 'kg m-2', self%cloud_liquid_path, 0.0_real64, 1.0e3_real64)
    if (file%has_variable('cloud_ice_path')) &
      call layers('cloud_ice_path', 'kg m-2', self%cloud_ice_path, 0.0_real64, 1.0e3_real64)
    if (file%has_variable('liquid_radius')) call layers('liquid_radius', 'm', self%liquid_radius, 0.0_real64, 1.0_real64)
    if (file%has_variable('ice_radius')) call layers('ice_radius', 'm', self%ice_radius, 0.0_real64, 1.0_real64)
    if (file%has_variable('surface_albedo')) &
      call surface('surface_albedo', '1', self%surface_albedo, 0.0_real64, 1.0_real64)
    if (file%has_variable('cos_zenith')) call surface('cos_zenith', '1', self%cos_zenith, -1.0_real64, 1.0_real64)
    if (file%has_variable('solar_irradiance')) &
      call surface('solar_irradiance', 'W m-2', self%solar_irradiance, 0.0_real64, 1.0e4_real64)
    if (file%has_variable('latitude')) &
      call surface('latitude', 'degrees_north', self%latitude, -90.0_real64, 90.0_real64)
    if (file%has_variable('longitude')) &
      call surface('longitude', 'degrees_east', self%longitude, -180.0_real64, 360.0_real64)
    if (file%has_variable('land_fraction')) &
      call surface('land_fraction', '1', self%land_fraction, 0.0_real64, 1.0_real64)

    if (.not. file%failed()) call check_order()
    call file%close()
    call file%report(code, message)
    if (present(stat)) stat = code
    if (code /= 0) then
      if (present(errmsg)) errmsg = message
      if (.not. present(stat)) error stop message
    end if

  contains

    subroutine layers(name, units, values, lowest, highest)
      character(len=*), intent(in) :: name, units
      real(real64), allocatable, intent(out) :: values(:, :)
      real(real64), intent(in) :: lowest, highest
      call file%read(name, 'column', 'layer', units, values)
      call check_range(name, 'layer', units, values, lowest, highest)
    end subroutine layers

    subroutine levels(name, units, values, lowest, highest)
      character(len=*), intent(in) :: name, units
      real(real64), allocatable, intent(out) :: values(:, :)
      real(real64), intent(in) :: lowest, highest
      if (file%dimension_length('level') /= file%dimension_length('layer') + 1) then
        call file%refuse('expected one level more than layers ('//integer_text(file%dimension_length('layer'))//'), got '// &
                         integer_text(file%dimension_length('level')))
      end if
      call file%read(name, 'column', 'level', units, values)
      call check_range(name, 'level', units, values, lowest, highest)
    end subroutine levels

    subroutine gas(name, values)
      character(len=*), intent(in) :: name
      real(real64), allocatable, intent(out) :: values(:, :)
      call layers(name, 'mol mol-1', values, 0.0_real64, 1.0_real64)
    end subroutine gas

    subroutine surface(name, units, values, lowest, highest)
      character(len=*), intent(in) :: name, units
      real(real64), allocatable, intent(out) :: values(:)
      real(real64), intent(in) :: lowest, highest
      integer :: i
      call file%read(name, 'column', units, values)
      if (file%failed()) return
      do i = 1, size(values)
        if (values(i) < lowest .or. values(i) > highest) then
          call file%refuse(range_message(values(i), lowest, highest, units)//' at column '//integer_text(i), name)
          return
        end if
      end do
    end subroutine surface

    subroutine check_range(name, vertical, units, values, lowest, highest)
      character(len=*), intent(in) :: name, vertical, units
      real(real64), intent(in) :: values(:, :)
      real(real64), intent(in) :: lowest, highest
      integer :: i, k
      if (file%failed()) return
      do k = 1, size(values, 2)
        do i = 1, size(values, 1)
          if (values(i, k) < lowest .or. values(i, k) > highest) then
            call file%refuse(range_message(values(i, k), lowest, highest, units)//' at column '//integer_text(i)//', '// &
                             vertical//' '//integer_text(k), name)
            return
          end if
        end do
      end do
    end subroutine check_range

    !> Pressure grows downwards, and each layer lies between its levels.
    subroutine check_order()
      integer :: i, k
      do k = 1, self%n_layers()
        do i = 1, self%n_columns()
          associate (above => self%pressure_level(i, k), below => self%pressure_level(i, k + 1), here => self%pressure_layer(i, k))
            if (above >= below) then
              call file%refuse('expected to grow from the top of the atmosphere down, got '//real_text(above)//' above '// &
                               real_text(below)//' Pa at column '//integer_text(i)//', level '//integer_text(k + 1), &
                               'pressure_level')
              return
            end if
            if (here < above .or. here > below) then
              call file%refuse('expected between the levels '//real_text(above)//' and '//real_text(below)//' Pa, got '// &
                               real_text(here)//' at column '//integer_text(i)//', layer '//integer_text(k), 'pressure_layer')
              return
            end if
          end associate
        end do
      end do
    end subroutine check_order

  end subroutine read_columns

  !> Writes a column file.
  subroutine write_columns(self, path, source, stat, errmsg)
    class(column_set), intent(in) :: self                              !! [columns] ()
    character(len=*), intent(in) :: path                               !! [text] ()
    character(len=*), intent(in) :: source                             !! what made the columns [text] ()
    integer, intent(out), optional :: stat                             !! 0, or `status_cannot_write` [1] ()
    character(len=:), allocatable, intent(inout), optional :: errmsg   !! [text] ()

    type(netcdf_file) :: file
    integer :: code
    character(len=:), allocatable :: message
    logical :: defining

    call file%create(path)
    call file%put_attribute('Conventions', 'CF-1.11')
    call file%put_attribute('title', 'Atmospheric columns, from the top of the atmosphere down')
    call file%put_attribute('source', source)
    call file%define_dimension('column', self%n_columns())
    call file%define_dimension('layer', self%n_layers())
    call file%define_dimension('level', self%n_layers() + 1)
    defining = .true.
    call every_variable()
    call file%end_definitions()
    defining = .false.
    call every_variable()
    call file%close()
    call file%report(code, message)
    if (present(stat)) stat = code
    if (code /= 0) then
      if (present(errmsg)) errmsg = message
      if (.not. present(stat)) error stop message
    end if

  contains

    ! Walked twice: once to define the variables, once to write them.
    subroutine every_variable()
      call profile('pressure_level', 'level', 'Pa', 'air_pressure', self%pressure_level)
      call profile('temperature_level', 'level', 'K', 'air_temperature', self%temperature_level)
      call profile('pressure_layer', 'layer', 'Pa', 'air_pressure', self%pressure_layer)
      call profile('temperature_layer', 'layer', 'K', 'air_temperature', self%temperature_layer)
      ! CF's nearest names say mole fraction in air; these are over dry air, which matters for h2o alone: it claims none.
      call profile('h2o', 'layer', 'mol mol-1', '', self%h2o, 'water vapour, moles per mole of dry air')
      call profile('o3', 'layer', 'mol mol-1', 'mole_fraction_of_ozone_in_air', self%o3)
      call profile('co2', 'layer', 'mol mol-1', 'mole_fraction_of_carbon_dioxide_in_air', self%co2)
      call profile('ch4', 'layer', 'mol mol-1', 'mole_fraction_of_methane_in_air', self%ch4)
      call profile('n2o', 'layer', 'mol mol-1', 'mole_fraction_of_nitrous_oxide_in_air', self%n2o)
      call profile('o2', 'layer', 'mol mol-1', '', self%o2, 'oxygen, moles per mole of dry air')
      call profile('cfc11', 'layer', 'mol mol-1', 'mole_fraction_of_cfc11_in_air', self%cfc11)
      call profile('cfc12', 'layer', 'mol mol-1', 'mole_fraction_of_cfc12_in_air', self%cfc12)
      call profile('cfc22', 'layer', 'mol mol-1', 'mole_fraction_of_hcfc22_in_air', self%cfc22)
      call profile('ccl4', 'layer', 'mol mol-1', 'mole_fraction_of_carbon_tetrachloride_in_air', self%ccl4)
      call profile('cloud_fraction', 'layer', '1', 'cloud_area_fraction_in_atmosphere_layer', self%cloud_fraction)
      call profile('cloud_liquid_path', 'layer', 'kg m-2', '', self%cloud_liquid_path, 'liquid water path inside the cloud')
      call profile('cloud_ice_path', 'layer', 'kg m-2', '', self%cloud_ice_path, 'ice water path inside the cloud')
      call profile('liquid_radius', 'layer', 'm', 'effective_radius_of_cloud_liquid_water_particles', self%liquid_radius)
      call profile('ice_radius', 'layer', 'm', 'effective_radius_of_cloud_ice_particles', self%ice_radius)
      call single('surface_temperature', 'K', 'surface_temperature', self%surface_temperature)
      call single('surface_emissivity', '1', 'surface_longwave_emissivity', self%surface_emissivity)
      call single('surface_albedo', '1', 'surface_albedo', self%surface_albedo)
      call single('cos_zenith', '1', '', self%cos_zenith, 'cosine of the solar zenith angle')
      call single('solar_irradiance', 'W m-2', 'solar_irradiance', self%solar_irradiance)
      call single('latitude', 'degrees_north', 'latitude', self%latitude)
      call single('longitude', 'degrees_east', 'longitude', self%longitude)
      call single('land_fraction', '1', 'land_area_fraction', self%land_fraction)
    end subroutine every_variable

    subroutine profile(name, vertical, units, standard_name, values, long_name)
      character(len=*), intent(in) :: name, vertical, units, standard_name
      real(real64), intent(in), optional :: values(:, :)
      character(len=*), intent(in), optional :: long_name
      if (.not. present(values)) return
      if (defining) then
        call define(name, 'column '//vertical, units, standard_name, long_name)
      else
        call file%write(name, values)
      end if
    end subroutine profile

    subroutine single(name, units, standard_name, values, long_name)
      character(len=*), intent(in) :: name, units, standard_name
      real(real64), intent(in), optional :: values(:)
      character(len=*), intent(in), optional :: long_name
      if (.not. present(values)) return
      if (defining) then
        call define(name, 'column', units, standard_name, long_name)
      else
        call file%write(name, values)
      end if
    end subroutine single

    subroutine define(name, dimension_names, units, standard_name, long_name)
      character(len=*), intent(in) :: name, dimension_names, units, standard_name
      character(len=*), intent(in), optional :: long_name
      call file%define_variable(name, dimension_names, units, long_name=long_name)
      if (standard_name /= '') call file%put_attribute('standard_name', standard_name, name)
    end subroutine define

  end subroutine write_columns

  pure function range_message(value, lowest, highest, units) result(message)
    real(real64), intent(in) :: value, lowest, highest
    character(len=*), intent(in) :: units
    character(len=:), allocatable :: message
    message = 'expected '//real_text(lowest)//' to '//real_text(highest)//' '//units//', got '//real_text(value)
  end function range_message

end module column_file
