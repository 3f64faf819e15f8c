!> The guard: decides column by column whether a network of all of radiation may be trusted.
!!
!! Before the call `check_state` holds a column against the training envelope that the model carries: the range of each variable
!! at each pressure, a distance that sees what does not go together, and maps that show holes between clusters. After the call
!! `check_results` looks at what came out. What is refused goes to another scheme; `rule` says why. The module needs nothing but a
!! Fortran compiler: the envelope is text, which a host has from `net%metadata('training_envelope')`.
!!
!! Any number of threads may use one guard at once, each on columns of its own; `recursive` keeps what is local on the stack.
!! Nothing here traps: a number that is none is told by its bits and replaced before arithmetic sees it. The rules are those of
!! `ftorch_bridge.envelope`, in the same order.
module radml_guard
  use, intrinsic :: iso_fortran_env, only: int64, real32, real64
  implicit none
  private

  public :: radiation_guard, guard_rule_name

  ! Why a column is refused, in the order in which the rules are asked.
  integer, parameter, public :: guard_accepted = 0           !! it is not
  integer, parameter, public :: guard_not_finite = 1         !! an input is NaN, infinite or no number of an atmosphere
  integer, parameter, public :: guard_grid = 2               !! layers too thin or too thick, surface pressure
  integer, parameter, public :: guard_temperature = 3        !! of a layer, from layer to layer, of levels against layers
  integer, parameter, public :: guard_humidity = 4           !! water vapour, alone, from layer to layer, against saturation
  integer, parameter, public :: guard_ozone = 5              !! ozone
  integer, parameter, public :: guard_gases = 6              !! carbon dioxide, methane, nitrous oxide
  integer, parameter, public :: guard_clouds = 7             !! fraction, water, radii
  integer, parameter, public :: guard_surface = 8            !! temperature, against the air too; emissivity, albedo
  integer, parameter, public :: guard_sun = 9                !! zenith angle, irradiance
  integer, parameter, public :: guard_distance = 10          !! the column as a whole is unlike all kinds of training columns
  integer, parameter, public :: guard_hole = 11              !! no training column is near, seen from one of many sides
  integer, parameter, public :: guard_result_not_finite = 12 !! a flux or a heating rate is NaN or infinite
  integer, parameter, public :: guard_bounds = 13            !! fluxes that cannot be: negative, more out than in, light at night
  integer, parameter, public :: guard_energy = 14            !! heating is not what the fluxes leave behind
  integer, parameter, public :: guard_heating = 15           !! heating rates that no training column has at this pressure
  integer, parameter, public :: guard_no_envelope = 16       !! nothing was loaded: no column is trusted
  integer, parameter, public :: guard_bad_shape = 17         !! arrays whose extents do not go together
  integer, parameter, public :: guard_last_rule = 17         !! the largest of these numbers: extent of a counter

  integer, parameter :: version = 1
  integer, parameter :: bins_per_octave = 4, first_exponent = -4, n_bins = 84
  integer, parameter :: n_layer_variables = 16, n_column_variables = 8, n_bands = 10, n_sums = 7
  integer, parameter :: n_description = 3*n_bands + 16
  ! Coordinates of the maps: each the mean of two entries of a description.
  integer, parameter :: n_coordinates = 12, n_cells = 24, n_pairs = n_coordinates*(n_coordinates - 1)/2
  integer, parameter :: coordinate_entries(2, n_coordinates) = reshape( &
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 18, 19, 20, 23, 24, 25, 26, 43, 43, 34, 37, 32, 35], [2, n_coordinates])
  integer, parameter :: lanes = 128, group = 4*lanes  ! columns at a time, and that are walked together

  character(len=*), parameter :: layer_names(n_layer_variables) = [character(len=20) :: &
    'temperature', 'humidity', 'ozone', 'thickness', 'cloud_liquid_content', 'cloud_ice_content', 'cloud_fraction', &
    'temperature_step', 'level_excess', 'co2', 'ch4', 'n2o', 'liquid_radius', 'ice_radius', 'humidity_step', 'saturation']
  integer, parameter :: layer_rules(n_layer_variables) = &
    [guard_temperature, guard_humidity, guard_ozone, guard_grid, guard_clouds, guard_clouds, guard_clouds, &
     guard_temperature, guard_temperature, guard_gases, guard_gases, guard_gases, guard_clouds, guard_clouds, &
     guard_humidity, guard_humidity]
  character(len=*), parameter :: column_names(n_column_variables) = [character(len=20) :: &
    'surface_pressure', 'surface_temperature', 'surface_contrast', 'surface_level_excess', 'surface_emissivity', &
    'surface_albedo', 'cos_zenith', 'solar_irradiance']
  integer, parameter :: column_rules(n_column_variables) = &
    [guard_grid, guard_surface, guard_surface, guard_temperature, guard_surface, guard_surface, guard_sun, guard_sun]
  character(len=*), parameter :: heating_names(2) = ['lw_heating_rate', 'sw_heating_rate']
  character(len=*), parameter :: result_names(2) = [character(len=15) :: 'lw_up_top', 'lw_down_surface']

  real(real64), parameter :: smallest = 2.0_real64**(-40)  ! a logarithm of less is that of this
  real(real64), parameter :: largest = 2.0_real64**100     ! beyond it no input is a number of an atmosphere
  real(real32), parameter :: smallest_single = 2.0_real32**(-40)
  real(real32), parameter :: usual_liquid_radius = 1.0e-5_real32, usual_ice_radius = 4.0e-5_real32  ! m, where there is no cloud
  integer(int64), parameter :: one_bits = 1023_int64*2_int64**52
  integer(int64), parameter :: first_bin = (1023_int64 + first_exponent)*bins_per_octave
  ! The bits of a magnitude are in the order of the magnitudes, NaN after infinity: bit 62 of half of them plus this is set
  ! from `largest` on.
  integer(int64), parameter :: wild_offset = 2_int64**62 - (1023_int64 + 100_int64)*2_int64**51
  integer, parameter :: wild_bit = 62
  ! Bands of pressure of a description, by octave of the pressure from the first bin's on.
  integer, parameter :: band_of_octave(0:n_bins/bins_per_octave - 1) = &
    [1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 9, 10]
  real(real64), parameter :: heating_factor = 9.8066_real64*86400.0_real64/1004.64_real64  ! K day-1 for W m-2 in a Pa

  !> An envelope, and the questions that it answers: `load` it, then ask `check_state` and `check_results`.
  type :: radiation_guard
    private
    logical :: ready = .false.
    integer :: n_columns = 0                                         ! that the envelope was made from
    real(real32) :: layer_lower(n_bins, n_layer_variables) = 0.0_real32
    real(real32) :: layer_upper(n_bins, n_layer_variables) = 0.0_real32
    real(real32) :: column_lower(n_column_variables) = 0.0_real32
    real(real32) :: column_upper(n_column_variables) = 0.0_real32
    real(real64) :: heating_lower(2, n_bins) = 0.0_real64, heating_upper(2, n_bins) = 0.0_real64
    real(real64) :: result_lower(2) = 0.0_real64, result_upper(2) = 0.0_real64
    real(real64) :: tolerance = 0.0_real64                           ! of energy [W m-2]
    real(real32) :: threshold = 0.0_real32                           ! largest distance
    real(real32) :: mean(n_description) = 0.0_real32
    real(real32), allocatable :: whitening(:, :)                     ! (description, dimension)
    real(real32), allocatable :: centres(:, :), scales(:, :)         ! (dimension, component)
    real(real32), allocatable :: offsets(:)                          ! (component)
    real(real32) :: map_lower(n_coordinates) = 0.0_real32, cells_per_unit(n_coordinates) = 0.0_real32
    integer :: map(0:n_cells - 1, n_pairs) = 0                       ! bits of a row: cells where training columns are near
  contains
    procedure :: load
    procedure :: loaded
    procedure :: training_columns
    procedure :: check_state
    procedure :: check_results
  end type radiation_guard

contains

  !> Takes over an envelope. On failure the guard is as it was before, and without `stat` the program stops with the message.
  recursive subroutine load(self, text, stat, errmsg)
    class(radiation_guard), intent(inout) :: self                     !! [guard] ()
    character(len=*), intent(in) :: text                              !! made by `ftorch-train envelope` [text] ()
    integer, intent(out), optional :: stat                            !! 0, or 1 for text that is no envelope [1] ()
    character(len=:), allocatable, intent(inout), optional :: errmsg  !! set on failure [text] ()
    type(radiation_guard) :: found
    character(len=:), allocatable :: message
    integer, parameter :: longest = 100  ! of words: what is longer is none
    integer :: first, last, number, v, k, components, dimensions
    real(real64) :: two(2), of_bins(n_bins)
    real(real64), allocatable :: values(:)

    last = 0
    number = 0
    call expect('radml-envelope')
    call expect_integer('version', version)
    call expect('columns')
    found%n_columns = next_integer('number of columns')
    call expect('bins')
    call expect_integer('bins', n_bins)
    call expect_integer('bins per octave', bins_per_octave)
    call expect_integer('exponent of the first bin', first_exponent)
    call expect('energy_tolerance')
    call next_reals(two(:1))
    found%tolerance = two(1)
    do v = 1, n_layer_variables
      call expect('layer')
      call expect(trim(layer_names(v)))
      call next_reals(of_bins)
      found%layer_lower(:, v) = real(of_bins, real32)
      call next_reals(of_bins)
      found%layer_upper(:, v) = real(of_bins, real32)
    end do
    do v = 1, 2
      call expect('layer')
      call expect(heating_names(v))
      call next_reals(found%heating_lower(v, :))
      call next_reals(found%heating_upper(v, :))
    end do
    do v = 1, n_column_variables
      call expect('column')
      call expect(trim(column_names(v)))
      call next_reals(two)
      found%column_lower(v) = real(two(1), real32)
      found%column_upper(v) = real(two(2), real32)
    end do
    do v = 1, 2
      call expect('column')
      call expect(trim(result_names(v)))
      call next_reals(two)
      found%result_lower(v) = two(1)
      found%result_upper(v) = two(2)
    end do
    call expect('mixture')
    components = next_integer('components')
    dimensions = next_integer('dimensions')
    if (.not. allocated(message) .and. (components < 1 .or. components > 10000 .or. dimensions < 1 .or. &
                                        dimensions > n_description)) then
      message = 'expected 1 to 10000 components of 1 to '//integer_text(n_description)//' dimensions, got '// &
                integer_text(components)//' of '//integer_text(dimensions)
    end if
    call expect_integer('length of a description', n_description)
    call next_reals(two(:1))
    found%threshold = real(two(1), real32)
    call expect('mean')
    allocate (values(n_description))
    call next_reals(values)
    found%mean = real(values, real32)
    call expect('whitening')
    if (.not. allocated(message)) then
      allocate (found%whitening(n_description, dimensions), found%centres(dimensions, components), &
                found%scales(dimensions, components), found%offsets(components))
      do k = 1, dimensions
        call next_reals(values)
        found%whitening(:, k) = real(values, real32)
      end do
      do k = 1, components
        call expect('component')
        call next_reals(two(:1))
        found%offsets(k) = real(two(1), real32)
        call next_reals(values(:dimensions))
        found%centres(:, k) = real(values(:dimensions), real32)
        call next_reals(values(:dimensions))
        found%scales(:, k) = real(values(:dimensions), real32)
      end do
    end if
    call expect('maps')
    call expect_integer('coordinates', n_coordinates)
    call expect_integer('cells', n_cells)
    do v = 1, n_coordinates
      call next_reals(two)
      found%map_lower(v) = real(two(1), real32)
      found%cells_per_unit(v) = real(two(2), real32)
    end do
    do v = 1, n_pairs
      do k = 0, n_cells - 1
        found%map(k, v) = next_integer('row of a map')
      end do
    end do
    call expect('end')

    if (present(stat)) stat = merge(1, 0, allocated(message))
    if (allocated(message)) then
      message = 'training envelope: '//message
      if (present(errmsg)) errmsg = message
      if (.not. present(stat)) error stop 'radml_guard: '//message
      return
    end if
    found%ready = .true.
    select type (self)
    type is (radiation_guard)
      self = found
    end select

  contains

    !> Goes on to the next word, `text(first:last)`; empty at the end. Words stand between blanks, tabs and ends of lines.
    subroutine next_word()
      character(len=*), parameter :: space = ' '//achar(9)//achar(10)//achar(13)
      integer :: length
      first = last + 1
      if (first > len(text)) return
      length = verify(text(first:), space)
      first = merge(len(text) + 1, first + length - 1, length == 0)
      last = len(text)
      if (first > last) return
      length = scan(text(first:min(first + longest, last)), space) - 1
      if (length < 0) length = min(longest, last - first + 1)
      last = first + length - 1
      number = number + 1
    end subroutine next_word

    subroutine refuse(expected)
      character(len=*), intent(in) :: expected
      if (first > last) then
        message = 'expected '//expected//' as word '//integer_text(number + 1)//', got its end'
      else
        message = 'expected '//expected//' as word '//integer_text(number)//', got '//text(first:last)
      end if
    end subroutine refuse

    subroutine expect(expected)
      character(len=*), intent(in) :: expected
      if (allocated(message)) return
      call next_word()
      if (text(first:last) /= expected) call refuse(expected)
    end subroutine expect

    subroutine expect_integer(what, expected)
      character(len=*), intent(in) :: what
      integer, intent(in) :: expected
      if (allocated(message)) return
      call next_word()
      if (text(first:last) /= integer_text(expected)) call refuse(what//' '//integer_text(expected))
    end subroutine expect_integer

    integer function next_integer(what)
      character(len=*), intent(in) :: what
      integer :: failed
      next_integer = 0
      if (allocated(message)) return
      call next_word()
      failed = 1
      if (first <= last .and. verify(text(first:last), '0123456789') == 0) read (text(first:last), *, iostat=failed) next_integer
      if (failed /= 0) call refuse('a whole number, '//what//',')
    end function next_integer

    subroutine next_reals(numbers)
      real(real64), intent(out) :: numbers(:)
      integer :: i, failed
      numbers = 0.0_real64
      do i = 1, size(numbers)
        if (allocated(message)) return
        call next_word()
        failed = 1
        if (first <= last .and. verify(text(first:last), '0123456789+-.e') == 0) &
          read (text(first:last), *, iostat=failed) numbers(i)
        if (failed == 0) failed = merge(1, 0, abs(numbers(i)) > 1.0e30_real64)
        if (failed /= 0) call refuse('a number')
      end do
    end subroutine next_reals

  end subroutine load

  !> Whether there is an envelope. A guard without one refuses every column.
  pure function loaded(self) result(answer)
    class(radiation_guard), intent(in) :: self  !! [guard] ()
    logical :: answer                           !! [1] ()
    answer = self%ready
  end function loaded

  !> The number of columns that the envelope was made from.
  pure function training_columns(self) result(n)
    class(radiation_guard), intent(in) :: self  !! [guard] ()
    integer :: n                                !! [1] ()
    n = self%n_columns
  end function training_columns

  !> A rule in a few words, for counters and messages.
  pure function guard_rule_name(rule) result(name)
    integer, intent(in) :: rule            !! one of the `guard_` constants [1] ()
    character(len=:), allocatable :: name  !! [text] ()
    select case (rule)
    case (guard_accepted); name = 'accepted'
    case (guard_not_finite); name = 'not finite'
    case (guard_grid); name = 'grid'
    case (guard_temperature); name = 'temperature'
    case (guard_humidity); name = 'humidity'
    case (guard_ozone); name = 'ozone'
    case (guard_gases); name = 'gases'
    case (guard_clouds); name = 'clouds'
    case (guard_surface); name = 'surface'
    case (guard_sun); name = 'sun'
    case (guard_distance); name = 'distance'
    case (guard_hole); name = 'hole'
    case (guard_result_not_finite); name = 'result not finite'
    case (guard_bounds); name = 'bounds'
    case (guard_energy); name = 'energy'
    case (guard_heating); name = 'heating'
    case (guard_no_envelope); name = 'no envelope'
    case (guard_bad_shape); name = 'bad shape'
    case default; name = 'rule '//integer_text(rule)
    end select
  end function guard_rule_name

  !> Before the call: the first rule that refuses each column. The arrays are the network's inputs in its order, layers from
  !! the top down; any sections, which are not copied.
  recursive subroutine check_state(self, pressure_level, temperature_level, pressure_layer, temperature_layer, h2o, o3, co2, &
                                   ch4, n2o, cloud_fraction, cloud_liquid_path, cloud_ice_path, liquid_radius, ice_radius, &
                                   surface_temperature, surface_emissivity, surface_albedo, cos_zenith, solar_irradiance, &
                                   rule, layer)
    class(radiation_guard), intent(in) :: self               !! [guard] ()
    real(real64), intent(in) :: pressure_level(:, :)         !! [Pa] (ncol, nlay+1)
    real(real64), intent(in) :: temperature_level(:, :)      !! [K] (ncol, nlay+1)
    real(real64), intent(in) :: pressure_layer(:, :)         !! [Pa] (ncol, nlay)
    real(real64), intent(in) :: temperature_layer(:, :)      !! [K] (ncol, nlay)
    real(real64), intent(in) :: h2o(:, :)                    !! [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: o3(:, :)                     !! [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: co2(:, :)                    !! [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: ch4(:, :)                    !! [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: n2o(:, :)                    !! [mol mol-1] (ncol, nlay)
    real(real64), intent(in) :: cloud_fraction(:, :)         !! [1] (ncol, nlay)
    real(real64), intent(in) :: cloud_liquid_path(:, :)      !! in the cloud [kg m-2] (ncol, nlay)
    real(real64), intent(in) :: cloud_ice_path(:, :)         !! in the cloud [kg m-2] (ncol, nlay)
    real(real64), intent(in) :: liquid_radius(:, :)          !! [m] (ncol, nlay)
    real(real64), intent(in) :: ice_radius(:, :)             !! [m] (ncol, nlay)
    real(real64), intent(in) :: surface_temperature(:)       !! [K] (ncol)
    real(real64), intent(in) :: surface_emissivity(:)        !! [1] (ncol)
    real(real64), intent(in) :: surface_albedo(:)            !! [1] (ncol)
    real(real64), intent(in) :: cos_zenith(:)                !! [1] (ncol)
    real(real64), intent(in) :: solar_irradiance(:)          !! [W m-2] (ncol)
    integer, intent(out) :: rule(:)                          !! 0, or what refuses the column: a `guard_` constant [1] (ncol)
    integer, intent(out), optional :: layer(:)               !! uppermost layer that the rule refuses; 0: none by itself [1] (ncol)
    integer :: n, n_layers, first

    if (present(layer)) layer = 0
    if (.not. self%ready) then
      rule = guard_no_envelope
      return
    end if
    n = size(rule)
    n_layers = size(pressure_layer, 2)
    if (n_layers < 1 .or. any([fits(pressure_level, n, n_layers + 1), fits(temperature_level, n, n_layers + 1), &
                               fits(pressure_layer, n, n_layers), fits(temperature_layer, n, n_layers), &
                               fits(h2o, n, n_layers), fits(o3, n, n_layers), fits(co2, n, n_layers), fits(ch4, n, n_layers), &
                               fits(n2o, n, n_layers), fits(cloud_fraction, n, n_layers), fits(cloud_liquid_path, n, n_layers), &
                               fits(cloud_ice_path, n, n_layers), fits(liquid_radius, n, n_layers), &
                               fits(ice_radius, n, n_layers)] .eqv. .false.) .or. &
        any([size(surface_temperature), size(surface_emissivity), size(surface_albedo), size(cos_zenith), &
             size(solar_irradiance)] /= n)) then
      rule = guard_bad_shape
      return
    end if
    do first = 1, n, group
      call walk(first, min(group, n - first + 1))
    end do

  contains

    !> The columns from `first` on, `m` of them: layer by layer, so that arrays are read as they lie in memory, and in each layer
    !! a few at a time, so that what is made of them stays in the cache.
    recursive subroutine walk(first, m)
      integer, intent(in) :: first, m
      real(real64), dimension(group) :: upper_pressure, t_above, water_above
      real(real32) :: sums(lanes, n_sums, n_bands, group/lanes)
      integer(int64) :: seen(group)
      integer :: outside(group), place(n_layer_variables, group)
      integer :: from, k

      seen(:m) = 0_int64
      outside(:m) = 0
      sums(:, :, :, :1 + (m - 1)/lanes) = 0.0_real32
      if (present(layer)) place(:, :m) = 0
      do from = 1, m, lanes
        call take(pressure_level, first + from - 1, 1, min(lanes, m - from + 1), upper_pressure(from:), seen(from:))
      end do
      do k = 1, n_layers
        do from = 1, m, lanes
          call walk_layer(first + from - 1, k, min(lanes, m - from + 1), upper_pressure(from:), t_above(from:), &
                          water_above(from:), outside(from:), sums(:, :, :, 1 + from/lanes), seen(from:), place(:, from:))
        end do
      end do
    end subroutine walk

    !> Layer `k` of `m` columns from `first` on; after the lowest one the rules.
    recursive subroutine walk_layer(first, k, m, upper_pressure, t_above, water_above, outside, sums, seen, place)
      integer, intent(in) :: first, k, m
      real(real64), contiguous, intent(inout) :: upper_pressure(:), t_above(:), water_above(:)
      integer, contiguous, intent(inout) :: outside(:)  ! bits of the variables that were outside of their limits so far
      real(real32), intent(inout) :: sums(lanes, n_sums, n_bands)
      integer(int64), contiguous, intent(inout) :: seen(:)
      integer, contiguous, intent(inout) :: place(:, :)
      real(real64), dimension(lanes) :: lower_pressure, level, lowest_level, p, t, water, ozone, liquid, ice
      real(real32) :: row(lanes, n_layer_variables)
      integer :: bin(lanes), before(lanes)
      real(real64) :: thickness, per_thickness, logarithm
      integer :: i, v

      call take(pressure_level, first, k + 1, m, lower_pressure, seen)
      call take(temperature_level, first, k, m, level, seen)
      call take(pressure_layer, first, k, m, p, seen)
      call take(temperature_layer, first, k, m, t, seen)
      call take(h2o, first, k, m, water, seen)
      call take(o3, first, k, m, ozone, seen)
      call take(cloud_liquid_path, first, k, m, liquid, seen)
      call take(cloud_ice_path, first, k, m, ice, seen)
      call take_single(cloud_fraction, first, k, m, row(:, 7), seen)
      call take_single(co2, first, k, m, row(:, 10), seen)
      call take_single(ch4, first, k, m, row(:, 11), seen)
      call take_single(n2o, first, k, m, row(:, 12), seen)
      call take_single(liquid_radius, first, k, m, row(:, 13), seen)
      call take_single(ice_radius, first, k, m, row(:, 14), seen)
      if (k == 1) then
        t_above(:m) = t(:m)
        do i = 1, m
          water_above(i) = binary_logarithm(water(i))
        end do
      end if
      do i = 1, m
        bin(i) = bin_of(p(i))
        thickness = lower_pressure(i) - upper_pressure(i)
        per_thickness = 1.0_real64/max(thickness, smallest)
        logarithm = binary_logarithm(water(i))
        ! Where there is no cloud its water and radii mean nothing, to the network neither.
        liquid(i) = merge(liquid(i), 0.0_real64, row(i, 7) > 0.0_real32)
        ice(i) = merge(ice(i), 0.0_real64, row(i, 7) > 0.0_real32)
        row(i, 13) = merge(row(i, 13), usual_liquid_radius, liquid(i) > 0.0_real64)
        row(i, 14) = merge(row(i, 14), usual_ice_radius, ice(i) > 0.0_real64)
        row(i, 1) = real(t(i), real32)
        row(i, 2) = real(logarithm, real32)
        row(i, 3) = real(binary_logarithm(ozone(i)), real32)
        row(i, 4) = real(thickness/max(p(i), smallest), real32)
        row(i, 5) = real(min(liquid(i)*per_thickness, largest), real32)
        row(i, 6) = real(min(ice(i)*per_thickness, largest), real32)
        row(i, 8) = real(t(i) - t_above(i), real32)
        row(i, 9) = real(level(i) - 0.5_real64*(t_above(i) + t(i)), real32)
        row(i, 15) = real(logarithm - water_above(i), real32)
        row(i, 16) = real(binary_logarithm(water(i)*p(i)) - saturation(t(i)), real32)
        t_above(i) = t(i)
        water_above(i) = logarithm
        upper_pressure(i) = lower_pressure(i)
      end do
      before(:m) = outside(:m)
      call clamp(self, bin, m, row, outside)
      call add_layer(row, bin, m, sums)
      if (present(layer)) then
        do i = 1, m
          if (outside(i) == before(i)) cycle
          do v = 1, n_layer_variables
            if (btest(outside(i), v) .and. .not. btest(before(i), v)) place(v, i) = k
          end do
        end do
      end if
      if (k < n_layers) return
      call take(temperature_level, first, n_layers + 1, m, lowest_level, seen)
      call finish_block(first, m, seen, outside, row, sums, lower_pressure, t, lowest_level)
      if (present(layer)) then
        do i = 1, m
          layer(first + i - 1) = n_layers + 1
          do v = 1, n_layer_variables
            if (layer_rules(v) == rule(first + i - 1) .and. place(v, i) > 0) &
              layer(first + i - 1) = min(layer(first + i - 1), place(v, i))
          end do
          if (layer(first + i - 1) > n_layers) layer(first + i - 1) = 0
        end do
      end if
    end subroutine walk_layer

    !> What columns have once, and the rules.
    recursive subroutine finish_block(first, m, seen, outside, last, sums, surface_pressure, t, lowest_level)
      integer, intent(in) :: first, m
      integer(int64), contiguous, intent(inout) :: seen(:)
      integer, contiguous, intent(in) :: outside(:)
      real(real32), intent(in) :: last(lanes, n_layer_variables), sums(lanes, n_sums, n_bands)
      real(real64), intent(in) :: surface_pressure(lanes), t(lanes), lowest_level(lanes)
      real(real64), dimension(lanes) :: ground, emissivity, albedo, cosine, irradiance
      real(real32) :: here(n_column_variables), within(n_column_variables), description(lanes, n_description), distance(lanes)
      real(real32) :: of_column(n_description), of_bands(n_sums, n_bands)
      integer :: first_rule(lanes)
      logical :: hole(lanes)
      integer :: i, v

      call take_surface(surface_temperature, first, m, ground, seen)
      call take_surface(surface_emissivity, first, m, emissivity, seen)
      call take_surface(surface_albedo, first, m, albedo, seen)
      call take_surface(cos_zenith, first, m, cosine, seen)
      call take_surface(solar_irradiance, first, m, irradiance, seen)
      do i = 1, m
        here = real([surface_pressure(i), ground(i), ground(i) - t(i), lowest_level(i) - t(i), emissivity(i), albedo(i), &
                     cosine(i), irradiance(i)], real32)
        within = min(max(here, self%column_lower), self%column_upper)
        first_rule(i) = guard_last_rule
        if (outside(i) /= 0) then
          do v = 1, n_layer_variables
            if (btest(outside(i), v)) first_rule(i) = min(first_rule(i), layer_rules(v))
          end do
        end if
        do v = 1, n_column_variables
          if (abs(here(v) - within(v)) > 0.0_real32) first_rule(i) = min(first_rule(i), column_rules(v))
        end do
        if (btest(seen(i), wild_bit)) first_rule(i) = guard_not_finite
        of_bands = sums(i, :, :)
        call describe(of_bands, last(i, :), within, of_column)
        description(i, :) = of_column
        hole(i) = lies_in_hole(self, of_column)
      end do
      call measure(self, description, m, distance)
      do i = 1, m
        if (first_rule(i) < guard_last_rule) then
          rule(first + i - 1) = first_rule(i)
        else
          rule(first + i - 1) = merge(guard_hole, guard_accepted, hole(i))
          if (distance(i) > self%threshold) rule(first + i - 1) = guard_distance
        end if
      end do
    end subroutine finish_block

  end subroutine check_state

  !> After the call: for columns whose `rule` is still 0 the first rule that refuses what came out. Others are not looked at.
  recursive subroutine check_results(self, pressure_level, surface_albedo, cos_zenith, solar_irradiance, lw_up, lw_down, &
                                     lw_heating_rate, sw_up, sw_down, sw_heating_rate, rule, layer)
    class(radiation_guard), intent(in) :: self              !! [guard] ()
    real(real64), intent(in) :: pressure_level(:, :)        !! [Pa] (ncol, nlay+1)
    real(real64), intent(in) :: surface_albedo(:)           !! [1] (ncol)
    real(real64), intent(in) :: cos_zenith(:)               !! [1] (ncol)
    real(real64), intent(in) :: solar_irradiance(:)         !! [W m-2] (ncol)
    real(real64), intent(in) :: lw_up(:, :)                 !! [W m-2] (ncol, nlay+1)
    real(real64), intent(in) :: lw_down(:, :)               !! [W m-2] (ncol, nlay+1)
    real(real64), intent(in) :: lw_heating_rate(:, :)       !! [K day-1] (ncol, nlay)
    real(real64), intent(in) :: sw_up(:, :)                 !! [W m-2] (ncol, nlay+1)
    real(real64), intent(in) :: sw_down(:, :)               !! [W m-2] (ncol, nlay+1)
    real(real64), intent(in) :: sw_heating_rate(:, :)       !! [K day-1] (ncol, nlay)
    integer, intent(inout) :: rule(:)                       !! of `check_state`; a `guard_` constant [1] (ncol)
    integer, intent(inout), optional :: layer(:)            !! of `check_state`; set where this refuses [1] (ncol)
    integer :: n, n_layers, first

    if (.not. self%ready) then
      rule = guard_no_envelope
      return
    end if
    n = size(rule)
    n_layers = size(lw_heating_rate, 2)
    if (n_layers < 1 .or. any([fits(pressure_level, n, n_layers + 1), fits(lw_up, n, n_layers + 1), &
                               fits(lw_down, n, n_layers + 1), fits(lw_heating_rate, n, n_layers), &
                               fits(sw_up, n, n_layers + 1), fits(sw_down, n, n_layers + 1), &
                               fits(sw_heating_rate, n, n_layers)] .eqv. .false.) .or. &
        any([size(surface_albedo), size(cos_zenith), size(solar_irradiance)] /= n)) then
      rule = guard_bad_shape
      return
    end if
    do first = 1, n, group
      call walk(first, min(group, n - first + 1))
    end do

  contains

    !> The columns from `first` on, `m` of them, as in `check_state`: layer by layer, a few at a time.
    recursive subroutine walk(first, m)
      integer, intent(in) :: first, m
      real(real64), dimension(group) :: upper_pressure, net, sun_net, least, most_light, unlike, out_of_range
      integer(int64) :: seen(group)
      logical :: impossible(group)
      integer :: place(group)
      integer :: from, k

      seen(:m) = 0_int64
      place(:m) = 0
      do from = 1, m, lanes
        call begin_block(first + from - 1, min(lanes, m - from + 1), upper_pressure(from:), net(from:), sun_net(from:), &
                         least(from:), most_light(from:), unlike(from:), out_of_range(from:), impossible(from:), seen(from:))
      end do
      do k = 1, n_layers
        do from = 1, m, lanes
          call walk_layer(first + from - 1, k, min(lanes, m - from + 1), upper_pressure(from:), net(from:), sun_net(from:), &
                          least(from:), most_light(from:), unlike(from:), out_of_range(from:), impossible(from:), seen(from:), &
                          place(from:))
        end do
      end do
    end subroutine walk

    !> What comes in and leaves at the top.
    recursive subroutine begin_block(first, m, upper_pressure, net, sun_net, least, most_light, unlike, out_of_range, impossible, &
                                     seen)
      integer, intent(in) :: first, m
      real(real64), contiguous, intent(inout) :: upper_pressure(:), net(:), sun_net(:), least(:), most_light(:), unlike(:), &
        out_of_range(:)
      logical, contiguous, intent(inout) :: impossible(:)
      integer(int64), contiguous, intent(inout) :: seen(:)
      real(real64), dimension(lanes) :: cosine, irradiance, up, down, sun_up, sun_down
      integer(int64) :: ignored(lanes)
      real(real64) :: incident
      integer :: i

      ignored(:m) = 0_int64  ! what check_state has looked at
      call take_surface(cos_zenith, first, m, cosine, ignored)
      call take_surface(solar_irradiance, first, m, irradiance, ignored)
      call take(pressure_level, first, 1, m, upper_pressure, ignored)
      call take(lw_up, first, 1, m, up, seen)
      call take(lw_down, first, 1, m, down, seen)
      call take(sw_up, first, 1, m, sun_up, seen)
      call take(sw_down, first, 1, m, sun_down, seen)
      do i = 1, m
        incident = max(cosine(i), 0.0_real64)*irradiance(i)
        impossible(i) = up(i) < self%result_lower(1) .or. up(i) > self%result_upper(1) .or. &
                        abs(sun_down(i) - incident) > self%tolerance .or. sun_up(i) > incident + self%tolerance
        least(i) = min(up(i), down(i), sun_up(i), sun_down(i))
        most_light(i) = max(abs(sun_up(i)), abs(sun_down(i)))
        unlike(i) = 0.0_real64
        out_of_range(i) = 0.0_real64
        net(i) = down(i) - up(i)
        sun_net(i) = sun_down(i) - sun_up(i)
      end do
    end subroutine begin_block

    !> Layer `k` and the level below it; after the lowest one the rules.
    recursive subroutine walk_layer(first, k, m, upper_pressure, net, sun_net, least, most_light, unlike, out_of_range, &
                                    impossible, seen, place)
      integer, intent(in) :: first, k, m
      real(real64), contiguous, intent(inout) :: upper_pressure(:), net(:), sun_net(:), least(:), most_light(:), unlike(:), &
        out_of_range(:)
      logical, contiguous, intent(inout) :: impossible(:)
      integer(int64), contiguous, intent(inout) :: seen(:)
      integer, contiguous, intent(inout) :: place(:)
      real(real64), dimension(lanes) :: lower_pressure, up, down, sun_up, sun_down, heating, sun_heating
      integer(int64) :: ignored(lanes)
      integer :: bin(lanes)
      real(real64) :: per_heating, left, sun_left
      integer :: i

      ignored(:m) = 0_int64
      call take(pressure_level, first, k + 1, m, lower_pressure, ignored)
      call take(lw_up, first, k + 1, m, up, seen)
      call take(lw_down, first, k + 1, m, down, seen)
      call take(sw_up, first, k + 1, m, sun_up, seen)
      call take(sw_down, first, k + 1, m, sun_down, seen)
      call take(lw_heating_rate, first, k, m, heating, seen)
      call take(sw_heating_rate, first, k, m, sun_heating, seen)
      do i = 1, m
        bin(i) = bin_of(0.5_real64*(upper_pressure(i) + lower_pressure(i)))
        per_heating = (lower_pressure(i) - upper_pressure(i))*(1.0_real64/heating_factor)
        upper_pressure(i) = lower_pressure(i)
        left = down(i) - up(i)
        sun_left = sun_down(i) - sun_up(i)
        unlike(i) = max(unlike(i), abs(heating(i)*per_heating - (net(i) - left)), &
                        abs(sun_heating(i)*per_heating - (sun_net(i) - sun_left)))
        net(i) = left
        sun_net(i) = sun_left
        least(i) = min(least(i), up(i), down(i), sun_up(i), sun_down(i))
        most_light(i) = max(most_light(i), abs(sun_up(i)), abs(sun_down(i)), abs(sun_heating(i)))
      end do
      call limit_heating(self, 1, bin, m, heating, out_of_range)
      call limit_heating(self, 2, bin, m, sun_heating, out_of_range)
      if (present(layer)) then
        do i = 1, m
          if (place(i) == 0 .and. (out_of_range(i) > 0.0_real64 .or. unlike(i) > self%tolerance)) place(i) = k
        end do
      end if
      if (k == n_layers) call finish_block(first, m, down, sun_up, sun_down, least, most_light, unlike, out_of_range, impossible, &
                                           seen, place)
    end subroutine walk_layer

    !> The rules, once the ground is reached.
    recursive subroutine finish_block(first, m, down, sun_up, sun_down, least, most_light, unlike, out_of_range, impossible, seen, &
                                      place)
      integer, intent(in) :: first, m
      real(real64), intent(in), dimension(lanes) :: down, sun_up, sun_down  ! at the surface
      real(real64), contiguous, intent(in) :: least(:), most_light(:), unlike(:), out_of_range(:)
      logical, contiguous, intent(in) :: impossible(:)
      integer(int64), contiguous, intent(in) :: seen(:)
      integer, contiguous, intent(in) :: place(:)
      real(real64), dimension(lanes) :: albedo, cosine
      integer(int64) :: ignored(lanes)
      logical :: dark, cannot_be
      integer :: i

      ignored(:m) = 0_int64
      call take_surface(surface_albedo, first, m, albedo, ignored)
      call take_surface(cos_zenith, first, m, cosine, ignored)
      do i = 1, m
        if (rule(first + i - 1) /= guard_accepted) cycle
        dark = .not. cosine(i) > 0.0_real64
        cannot_be = impossible(i) .or. least(i) < -self%tolerance .or. down(i) < self%result_lower(2) .or. &
                    down(i) > self%result_upper(2) .or. abs(sun_up(i) - albedo(i)*sun_down(i)) > self%tolerance .or. &
                    (dark .and. most_light(i) > 0.0_real64)
        if (btest(seen(i), wild_bit)) then
          rule(first + i - 1) = guard_result_not_finite
        else if (cannot_be) then
          rule(first + i - 1) = guard_bounds
        else if (unlike(i) > self%tolerance) then
          rule(first + i - 1) = guard_energy
        else if (out_of_range(i) > 0.0_real64) then
          rule(first + i - 1) = guard_heating
        end if
        if (present(layer)) then
          if (rule(first + i - 1) == guard_energy .or. rule(first + i - 1) == guard_heating) layer(first + i - 1) = place(i)
        end if
      end do
    end subroutine finish_block

  end subroutine check_results

  pure logical function fits(array, columns, layers)
    real(real64), intent(in) :: array(:, :)
    integer, intent(in) :: columns, layers
    fits = size(array, 1) == columns .and. size(array, 2) == layers
  end function fits

  !> Copies what `m` columns from `first` on have in layer `k`. What is no number there sets bit `wild_bit` of `seen` and is
  !! replaced, before arithmetic sees it.
  pure recursive subroutine take(array, first, k, m, values, seen)
    real(real64), intent(in) :: array(:, :)
    integer, intent(in) :: first, k, m
    real(real64), intent(inout) :: values(m)
    integer(int64), intent(inout) :: seen(m)
    integer(int64) :: all_seen
    integer :: i

    all_seen = 0_int64
    do i = 1, m
      values(i) = array(first + i - 1, k)
      all_seen = ior(all_seen, wild(array(first + i - 1, k)))
    end do
    if (btest(all_seen, wild_bit)) call tame(values, seen)
  end subroutine take

  !> The same in single precision.
  pure recursive subroutine take_single(array, first, k, m, values, seen)
    real(real64), intent(in) :: array(:, :)
    integer, intent(in) :: first, k, m
    real(real32), intent(inout) :: values(m)
    integer(int64), intent(inout) :: seen(m)
    real(real64) :: tamed(lanes)
    integer(int64) :: all_seen
    integer :: i

    all_seen = 0_int64
    do i = 1, m
      all_seen = ior(all_seen, wild(array(first + i - 1, k)))
    end do
    if (btest(all_seen, wild_bit)) then
      tamed(:m) = array(first:first + m - 1, k)
      call tame(tamed(:m), seen)
      values = real(tamed(:m), real32)
    else
      do i = 1, m
        values(i) = real(array(first + i - 1, k), real32)
      end do
    end if
  end subroutine take_single

  !> The same of what columns have once.
  pure recursive subroutine take_surface(array, first, m, values, seen)
    real(real64), intent(in) :: array(:)
    integer, intent(in) :: first, m
    real(real64), intent(inout) :: values(m)
    integer(int64), intent(inout) :: seen(m)
    integer :: i

    do i = 1, m
      values(i) = array(first + i - 1)
    end do
    call tame(values, seen)
  end subroutine take_surface

  !> Marks and replaces what is no number.
  pure recursive subroutine tame(values, seen)
    real(real64), intent(inout) :: values(:)
    integer(int64), intent(inout) :: seen(:)
    integer :: i
    do i = 1, size(values)
      seen(i) = ior(seen(i), wild(values(i)))
      if (btest(seen(i), wild_bit)) values(i) = 1.0_real64
    end do
  end subroutine tame

  !> Bit `wild_bit` is set where a number is as large as `largest`, infinite or none.
  elemental function wild(value) result(bits)
    real(real64), intent(in) :: value
    integer(int64) :: bits
    bits = shiftr(iand(transfer(value, 0_int64), huge(0_int64)), 1) + wild_offset
  end function wild

  !> The logarithm to base 2, linear between powers of two: read off the bits.
  elemental function binary_logarithm(value) result(logarithm)
    real(real64), intent(in) :: value
    real(real64) :: logarithm
    logarithm = real(transfer(max(value, smallest), 0_int64) - one_bits, real64)*2.0_real64**(-52)
  end function binary_logarithm

  !> The binary logarithm of the saturation pressure [Pa] at a temperature [K], over water and ice, within a tenth.
  elemental function saturation(temperature) result(logarithm)
    real(real64), intent(in) :: temperature
    real(real64) :: logarithm, warm
    warm = 0.01_real64*min(max(temperature, 150.0_real64), 350.0_real64) - 2.5_real64
    logarithm = 6.29_real64 + warm*(14.01_real64 + warm*(-6.86_real64 + warm*1.84_real64))
  end function saturation

  !> Bin of a pressure [Pa]: its exponent and two bits of its mantissa.
  elemental integer function bin_of(pressure)
    real(real64), intent(in) :: pressure
    ! A negative number has the sign's bit: its bin is the first.
    bin_of = int(min(max(shiftr(transfer(max(pressure, 0.0_real64), 0_int64), 50) - first_bin, 0_int64), n_bins - 1_int64)) + 1
  end function bin_of

  !> Puts the variables of a layer of `m` columns within the limits of its bin, and notes in bits which of them were not. The
  !! columns have few bins, one high up, and mostly all are within the limits of each of these; where not, each bin is a pass
  !! without gathering limits.
  pure recursive subroutine clamp(guard, bin, m, row, outside)
    class(radiation_guard), intent(in) :: guard
    integer, intent(in) :: bin(lanes), m
    real(real32), intent(inout) :: row(lanes, n_layer_variables)
    integer, intent(inout) :: outside(m)
    real(real32) :: lower, upper, within, least, most
    integer :: i, v, b, first, last

    first = minval(bin(:m))
    last = maxval(bin(:m))
    do v = 1, n_layer_variables
      least = row(1, v)
      most = row(1, v)
      do i = 2, m
        least = min(least, row(i, v))
        most = max(most, row(i, v))
      end do
      if (least >= maxval(guard%layer_lower(first:last, v)) .and. most <= minval(guard%layer_upper(first:last, v))) cycle
      do b = first, last
        lower = guard%layer_lower(b, v)
        upper = guard%layer_upper(b, v)
        do i = 1, m
          within = merge(min(max(row(i, v), lower), upper), row(i, v), bin(i) == b)
          outside(i) = ior(outside(i), merge(2**v, 0, abs(row(i, v) - within) > 0.0_real32))
          row(i, v) = within
        end do
      end do
    end do
  end subroutine clamp

  !> Notes by how much a spectrum's heating rates of a layer leave the limits of their bins, in the manner of `clamp`.
  pure recursive subroutine limit_heating(guard, spectrum, bin, m, heating, out_of_range)
    class(radiation_guard), intent(in) :: guard
    integer, intent(in) :: spectrum, bin(lanes), m
    real(real64), intent(in) :: heating(lanes)
    real(real64), intent(inout) :: out_of_range(m)
    real(real64) :: lower, upper, least, most, excess
    integer :: i, b, first, last

    first = minval(bin(:m))
    last = maxval(bin(:m))
    least = heating(1)
    most = heating(1)
    do i = 2, m
      least = min(least, heating(i))
      most = max(most, heating(i))
    end do
    if (least >= maxval(guard%heating_lower(spectrum, first:last)) .and. &
        most <= minval(guard%heating_upper(spectrum, first:last))) return
    do b = first, last
      lower = guard%heating_lower(spectrum, b)
      upper = guard%heating_upper(spectrum, b)
      do i = 1, m
        ! No branch: what a vector has in lanes that a branch leaves out may trap.
        excess = merge(max(heating(i) - upper, lower - heating(i)), 0.0_real64, bin(i) == b)
        out_of_range(i) = max(out_of_range(i), excess)
      end do
    end do
  end subroutine limit_heating

  !> Adds a layer of `m` columns to the sums of its band: temperature, humidity, ozone and cloud cover times the thickness, the
  !! thickness, and clouds' water times cover and thickness.
  pure recursive subroutine add_layer(row, bin, m, sums)
    real(real32), intent(in) :: row(lanes, n_layer_variables)
    integer, intent(in) :: bin(lanes), m
    real(real32), intent(inout) :: sums(lanes, n_sums, n_bands)
    real(real32) :: thickness
    integer :: band(lanes), i, b

    do i = 1, m
      band(i) = band_of_octave((bin(i) - 1)/bins_per_octave)
    end do
    do b = minval(band(:m)), maxval(band(:m))
      do i = 1, m
        thickness = merge(row(i, 4), 0.0_real32, band(i) == b)
        sums(i, 1, b) = sums(i, 1, b) + thickness*row(i, 1)
        sums(i, 2, b) = sums(i, 2, b) + thickness*row(i, 2)
        sums(i, 3, b) = sums(i, 3, b) + thickness*row(i, 3)
        sums(i, 4, b) = sums(i, 4, b) + thickness
        sums(i, 5, b) = sums(i, 5, b) + thickness*row(i, 7)*row(i, 5)
        sums(i, 6, b) = sums(i, 6, b) + thickness*row(i, 7)*row(i, 6)
        sums(i, 7, b) = sums(i, 7, b) + thickness*row(i, 7)
      end do
    end do
  end subroutine add_layer

  !> A column in `n_description` numbers, from its sums over bands, its lowest layer and what it has once.
  pure recursive subroutine describe(sums, lowest, once, description)
    real(real32), intent(inout) :: sums(n_sums, n_bands)      ! of `add_layer`; means on return
    real(real32), intent(in) :: lowest(n_layer_variables), once(n_column_variables)
    real(real32), intent(out) :: description(n_description)
    integer, parameter :: zone_first(3) = [1, n_bands - 1, n_bands], zone_last(3) = [n_bands - 2, n_bands - 1, n_bands]
    logical :: there(n_bands)
    real(real32) :: cover
    integer :: b, v, z, at

    at = 3*n_bands
    do z = 1, 3
      cover = 0.0_real32
      description(at + 1:at + 2) = 0.0_real32
      do b = zone_first(z), zone_last(z)
        description(at + 1) = description(at + 1) + sums(5, b)
        description(at + 2) = description(at + 2) + sums(6, b)
        description(at + 3) = merge(0.0_real32, description(at + 3), b == zone_first(z)) + sums(7, b)
        cover = cover + sums(4, b)
      end do
      description(at + 1) = grown(description(at + 1))
      description(at + 2) = grown(description(at + 2))
      description(at + 3) = description(at + 3)/max(cover, smallest_single)
      at = at + 3
    end do
    do b = 1, n_bands
      there(b) = sums(4, b) > 0.0_real32
      sums(1:3, b) = sums(1:3, b)/max(sums(4, b), smallest_single)
    end do
    ! A band without a layer is like the one above it; at the top like the one below.
    do b = 2, n_bands
      if (.not. there(b) .and. there(b - 1)) then
        sums(1:3, b) = sums(1:3, b - 1)
        there(b) = .true.
      end if
    end do
    do b = n_bands - 1, 1, -1
      if (.not. there(b) .and. there(b + 1)) then
        sums(1:3, b) = sums(1:3, b + 1)
        there(b) = .true.
      end if
    end do
    do v = 1, 3
      description((v - 1)*n_bands + 1:v*n_bands) = sums(v, :)
    end do
    do v = 1, 3
      description(at + v) = real(binary_logarithm(real(lowest(9 + v), real64)), real32)
    end do
    description(at + 4) = once(3)
    description(at + 5) = once(6)
    description(at + 6) = once(1)
    description(at + 7) = max(once(7), 0.0_real32)
  end subroutine describe

  !> Cloud water over pressure on a scale that takes thin and thick clouds alike.
  elemental function grown(water) result(answer)
    real(real32), intent(in) :: water
    real(real32) :: answer
    answer = real(binary_logarithm(real(1.0_real32 + 1.0e7_real32*water, real64)), real32)
  end function grown

  !> Distance of `m` columns from the component of the mixture next to each.
  pure recursive subroutine measure(guard, description, m, distance)
    class(radiation_guard), intent(in) :: guard
    real(real32), intent(in) :: description(lanes, n_description)
    integer, intent(in) :: m
    real(real32), intent(inout) :: distance(lanes)
    real(real32) :: centred(lanes, n_description), white(lanes, n_description), sum_here(lanes)
    real(real32) :: factor, centre
    integer :: d, j, k, i

    ! All lanes, so that the loops have one length: those without a column have a finite number.
    do j = 1, n_description
      centred(m + 1:, j) = 0.0_real32
      do i = 1, m
        centred(i, j) = description(i, j) - guard%mean(j)
      end do
    end do
    distance = huge(distance)
    do d = 1, size(guard%whitening, 2)
      sum_here = 0.0_real32
      do j = 1, n_description
        factor = guard%whitening(j, d)
        do i = 1, lanes
          sum_here(i) = sum_here(i) + factor*centred(i, j)
        end do
      end do
      white(:, d) = sum_here
    end do
    do k = 1, size(guard%offsets)
      sum_here = guard%offsets(k)
      do d = 1, size(guard%whitening, 2)
        factor = guard%scales(d, k)
        centre = guard%centres(d, k)
        do i = 1, lanes
          sum_here(i) = sum_here(i) + (factor*(white(i, d) - centre))**2
        end do
      end do
      distance = min(distance, sum_here)
    end do
  end subroutine measure

  !> Whether there is a map on which no training column is near.
  pure logical function lies_in_hole(guard, description)
    class(radiation_guard), intent(in) :: guard
    real(real32), intent(in) :: description(n_description)
    integer :: cell(n_coordinates), occupied
    real(real32) :: place
    integer :: i, j, pair

    do i = 1, n_coordinates
      place = 0.5_real32*(description(coordinate_entries(1, i)) + description(coordinate_entries(2, i)))
      place = (place - guard%map_lower(i))*guard%cells_per_unit(i)
      cell(i) = int(min(max(place, 0.0_real32), n_cells - 1.0_real32))
    end do
    occupied = 1
    pair = 0
    do i = 1, n_coordinates
      do j = 1, i - 1
        pair = pair + 1
        occupied = iand(occupied, shiftr(guard%map(cell(i), pair), cell(j)))
      end do
    end do
    lies_in_hole = .not. btest(occupied, 0)
  end function lies_in_hole

  pure function integer_text(value) result(text)
    integer, intent(in) :: value
    character(len=:), allocatable :: text
    character(len=24) :: buffer
    write (buffer, '(i0)') value
    text = trim(buffer)
  end function integer_text

end module radml_guard
