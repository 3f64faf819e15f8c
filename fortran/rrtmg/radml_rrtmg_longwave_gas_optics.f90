!> Gas optics of RRTMG longwave, one pack of bands of one column at a time, g-points innermost; so their tables stay in cache.
!>
!> Optical depths and Planck fractions of a band are weighted sums of table rows. `locate` finds once per layer where it lies
!> between the nodes of the tables; `pack_optics` lists for each band the rows and their weights as the table in
!> `radml_rrtmg_longwave_bands` says, and sums them. No checks here: the front door has made them.
module radml_rrtmg_longwave_gas_optics
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave_bands
  use radml_rrtmg_longwave_tables
  use radml_rrtmg_nodes, only: layer_nodes, nodes_below, place
  use radml_rrtmg_rows, only: sum_long_rows, sum_short_rows
  implicit none
  private

  public :: band_optics, locate, pack_optics, planck_of_bands

  integer, parameter :: max_rows = 64
  integer, parameter :: most_key_rows = 12
  real(wp), parameter :: binary_limit = 1 - 1e-6_wp

  !> Rows of a mixture of two key species, counted from where the key species of a band begin, and their weights.
  type, public :: mixture
    integer :: n = 0               !! rows: 8, or up to 12 near the ends of the binary parameter [1]
    integer :: row(most_key_rows) = 0        !! [1] (row)
    real(wp) :: weight(most_key_rows) = 0    !! times the amount of the mixture [1e20 cm-2] (row)
  end type mixture

  !> Where a layer lies between the nodes of the tables, and what it holds; rows that are the same in all bands, with their weights.
  type, extends(layer_nodes), public :: layer_state
    real(wp) :: amount(n_absorbers) = 0 !! absorbers [1e20 cm-2]
    integer :: minor_node = 0
    real(wp) :: minor_weight(2) = 0     !! [1]
    integer :: key_row(4) = 0           !! of a single key species, counted from where it begins [1] (row)
    real(wp) :: key_weight(4) = 0       !! [1] (row)
    integer :: water_row(4) = 0         !! of the continuum of water vapour, self and foreign [1] (row)
    real(wp) :: water_weight(4) = 0     !! times amounts [1e20 cm-2] (row)
  end type layer_state

contains

  !> Find where a layer lies between the nodes of the tables. Pressure, temperature, dry air and amounts are set before.
  pure subroutine locate(tables, layer, mix)
    type(longwave_tables), intent(in) :: tables    !! coefficient tables
    type(layer_state), intent(inout) :: layer      !! layer to complete
    type(mixture), intent(inout) :: mix(:)         !! its mixtures of key species (pair)
    real(wp) :: position
    integer :: j, k, node, base(2)

    call place(layer%layer_nodes, tables%log_pressure, tables%temperature, layer%amount(h2o))
    j = layer%pressure_node
    position = (layer%temperature - 180.8_wp)/7.2_wp
    layer%minor_node = min(18, max(1, int(position)))
    layer%minor_weight = [1 - (position - layer%minor_node), position - layer%minor_node]

    ! Five temperatures for each pressure, below and above the tropopause.
    k = j - 1
    if (layer%side == above) k = k - nodes_below
    base = 5*[k, k + 1] + layer%temperature_node - 1
    layer%key_row = [base(1), base(1) + 1, base(2), base(2) + 1] + 1
    layer%key_weight = [layer%weight(:, 1), layer%weight(:, 2)]
    layer%water_row = [self_continuum + layer%self_node + [0, 1], foreign_continuum + layer%foreign_node + [0, 1]]
    layer%water_weight = [layer%self_weight, layer%foreign_weight]

    if (layer%side == below) then
      do node = 1, n_pairs - 1
        call mix_below(node, mix(node))
      end do
    else
      call mix_above(1, mix(1))
      call mix_above(n_pairs, mix(n_pairs))
    end if

  contains

    !> Nine points, linear, but quartic over three points in the outermost intervals.
    pure subroutine mix_below(pair, mix)
      integer, intent(in) :: pair          !! pair of key species [1]
      type(mixture), intent(inout) :: mix  !! its mixture
      real(wp) :: total, eta, f, p, p4, weight(3)
      integer :: first, node, rows

      mix%n = 0
      do node = 1, 2
        total = layer%amount(pair_gas(1, pair)) + tables%pair_ratio(pair, j + node - 1)*layer%amount(pair_gas(2, pair))
        eta = 8*min(layer%amount(pair_gas(1, pair))/total, binary_limit)
        first = int(eta)
        f = eta - first
        rows = 3
        if (eta < 1) then
          p = f - 1
          p4 = p**4
          weight = total*[p4, 1 - p - 2*p4, p + p4]
        else if (eta > 7) then
          p = -f
          p4 = p**4
          first = first - 1
          weight = total*[p + p4, 1 - p - 2*p4, p4]
        else
          rows = 2
          weight = total*[1 - f, f, 0.0_wp]
        end if
        call list(mix, node, rows, 9, first, weight)
      end do
    end subroutine mix_below

    !> Five points, linear.
    pure subroutine mix_above(pair, mix)
      integer, intent(in) :: pair          !! pair of key species [1]
      type(mixture), intent(inout) :: mix  !! its mixture
      real(wp) :: total, eta, f
      integer :: node

      mix%n = 0
      do node = 1, 2
        total = layer%amount(pair_gas(1, pair)) + tables%pair_ratio(pair, j + node - 1)*layer%amount(pair_gas(2, pair))
        eta = 4*min(layer%amount(pair_gas(1, pair))/total, binary_limit)
        f = eta - int(eta)
        call list(mix, node, 2, 5, int(eta), total*[1 - f, f, 0.0_wp])
      end do
    end subroutine mix_above

    !> Put the rows of a mixture at one of two pressures, and two temperatures, behind those there are.
    pure subroutine list(mix, node, rows, points, first, weight)
      type(mixture), intent(inout) :: mix !! mixture
      integer, intent(in) :: node         !! which of the two pressures [1]
      integer, intent(in) :: rows         !! points of the binary parameter that count, 2 or 3 [1]
      integer, intent(in) :: points       !! points that there are [1]
      integer, intent(in) :: first        !! points before the first that counts [1]
      real(wp), intent(in) :: weight(3)   !! their weights [1e20 cm-2] (point)
      integer :: i, n

      n = mix%n
      do i = 1, rows
        mix%row(n + 1) = base(node)*points + first + i
        mix%row(n + 2) = mix%row(n + 1) + points
        mix%weight(n + 1:n + 2) = weight(i)*layer%weight(:, node)
        n = n + 2
      end do
      mix%n = n
    end subroutine list
  end subroutine locate

  !> Optical depths and black-body emission of all layers, at the g-points of one pack of bands.
  !>
  !> A band writes whole chunks: what is behind its own g-points is written again by the next band, or is room.
  pure subroutine pack_optics(tables, p, n, layer, mix, planck_layer, planck_level, depth, emission, downwards, upwards, fraction)
    type(longwave_tables), intent(in) :: tables               !! coefficient tables
    integer, intent(in) :: p                                  !! pack [1]
    integer, intent(in) :: n                                  !! layers [1]
    type(layer_state), intent(in) :: layer(n)                 !! layers, located (nlay)
    type(mixture), intent(in) :: mix(n_pairs, n)              !! their mixtures of key species (pair, nlay)
    real(wp), intent(in) :: planck_layer(n_bands, n)          !! Planck function of layers [W cm-2 sr-1 cm] (band, nlay)
    real(wp), intent(in) :: planck_level(n_bands, n + 1)      !! Planck function at levels [W cm-2 sr-1 cm] (band, nlay+1)
    real(wp), intent(inout) :: depth(pack_room, n)        !! vertical optical depth [1] (lane, nlay)
    real(wp), intent(inout) :: emission(pack_room, n)     !! black-body emission of layers [W m-2] (lane, nlay)
    real(wp), intent(inout) :: downwards(pack_room, n)    !! that at the level below, less that of the layer [W m-2] (lane, nlay)
    real(wp), intent(inout) :: upwards(pack_room, n)      !! that at the level above, less that of the layer [W m-2] (lane, nlay)
    real(wp), intent(inout) :: fraction(pack_room)        !! Planck fractions times flux weight of the lowest layer (lane)
    integer :: b, i, k, lane, n_rows, row(max_rows), fraction_row(2)
    real(wp) :: weight(max_rows), fraction_weight(2)

    lane = 1
    do i = 1, size(pack_band, 1)
      b = pack_band(i, p)
      if (b == 0) exit
      associate (band => tables%band(b))
        do k = 1, n
          call find_rows(tables, b, layer(k), mix(:, k), n_rows, row, weight, fraction_row, fraction_weight)
          if (band%chunks == 1) then
            call sum_short_rows(n_rows, row, weight, band%absorption(band%first_absorption), depth(lane, k))
            call emit_short(fraction_row, fraction_weight, band%fraction(band%first_fraction), planck_layer(b, k), &
                            planck_level(b, k + 1), planck_level(b, k), emission(lane, k), downwards(lane, k), upwards(lane, k))
          else
            call sum_long_rows(n_rows, row, weight, band%absorption(band%first_absorption), depth(lane, k))
            call emit_long(fraction_row, fraction_weight, band%fraction(band%first_fraction), planck_layer(b, k), &
                           planck_level(b, k + 1), planck_level(b, k), emission(lane, k), downwards(lane, k), upwards(lane, k))
          end if
        end do
        call mix_fractions(lanes*band%chunks, fraction_row, fraction_weight, band%fraction(band%first_fraction), fraction(lane))
        lane = lane + band%points
      end associate
    end do
  end subroutine pack_optics

  !> Optical depths and Planck fractions of one band in all layers.
  pure subroutine band_optics(tables, b, n, layer, mix, chunks, depth, fraction)
    type(longwave_tables), intent(in) :: tables               !! coefficient tables
    integer, intent(in) :: b                                  !! band [1]
    integer, intent(in) :: n                                  !! layers [1]
    type(layer_state), intent(in) :: layer(n)                 !! layers, located (nlay)
    type(mixture), intent(in) :: mix(n_pairs, n)              !! their mixtures of key species (pair, nlay)
    integer, intent(in) :: chunks                             !! chunks of g-points of the band [1]
    real(wp), intent(inout) :: depth(chunks*lanes, n)         !! vertical optical depth [1] (g-point, nlay)
    real(wp), intent(inout) :: fraction(chunks*lanes, n)      !! Planck fraction times flux weight (g-point, nlay)
    integer :: k, n_rows, row(max_rows), fraction_row(2)
    real(wp) :: weight(max_rows), fraction_weight(2)

    do k = 1, n
      call find_rows(tables, b, layer(k), mix(:, k), n_rows, row, weight, fraction_row, fraction_weight)
      associate (band => tables%band(b))
        if (chunks == 1) then
          call sum_short_rows(n_rows, row, weight, band%absorption(band%first_absorption), depth(1, k))
        else
          call sum_long_rows(n_rows, row, weight, band%absorption(band%first_absorption), depth(1, k))
        end if
        call mix_fractions(chunks*lanes, fraction_row, fraction_weight, band%fraction(band%first_fraction), fraction(1, k))
      end associate
    end do
  end subroutine band_optics

  !> Rows of a band's tables for a layer, on its side of the tropopause.
  pure subroutine find_rows(tables, b, layer, mix, n, row, weight, fraction_row, fraction_weight)
    type(longwave_tables), intent(in) :: tables      !! coefficient tables
    integer, intent(in) :: b                         !! band [1]
    type(layer_state), intent(in) :: layer           !! layer, located
    type(mixture), intent(in) :: mix(n_pairs)        !! its mixtures of key species (pair)
    integer, intent(out) :: n                        !! number of rows [1]
    integer, intent(inout) :: row(max_rows)          !! rows [1] (row)
    real(wp), intent(inout) :: weight(max_rows)      !! amounts times interpolation weights [1e20 cm-2] (row)
    integer, intent(out) :: fraction_row(2)          !! rows of Planck fractions [1] (row)
    real(wp), intent(out) :: fraction_weight(2)      !! their weights [1] (row)

    associate (half => tables%band(b)%half(layer%side))
      if (layer%side == below) then
        call list_rows(tables, layer, mix(max(1, half%pair)), half, lower_half(b), n, row, weight, fraction_row, &
                       fraction_weight)
      else
        call list_rows(tables, layer, mix(max(1, half%pair)), half, upper_half(b), n, row, weight, fraction_row, &
                       fraction_weight)
      end if
    end associate
  end subroutine find_rows

  !> Rows of one band's tables and their weights; the number of rows is a multiple of four, not zero.
  pure subroutine list_rows(tables, layer, mix, half, description, n, row, weight, fraction_row, fraction_weight)
    type(longwave_tables), intent(in) :: tables      !! coefficient tables
    type(layer_state), intent(in) :: layer           !! layer, located
    type(mixture), intent(in) :: mix                 !! its mixture of the band's key species
    type(half_tables), intent(in) :: half            !! where the rows lie
    type(half_band), intent(in) :: description       !! what absorbs
    integer, intent(out) :: n                        !! number of rows [1]
    integer, intent(inout) :: row(max_rows)          !! rows [1] (row)
    real(wp), intent(inout) :: weight(max_rows)      !! amounts times interpolation weights [1e20 cm-2] (row)
    integer, intent(out) :: fraction_row(2)          !! rows of Planck fractions [1] (row)
    real(wp), intent(out) :: fraction_weight(2)      !! their weights [1] (row)
    real(wp) :: amount, correction, f
    integer :: m, base, first

    n = 0
    if (half%pair > 0) then
      n = mix%n
      row(:most_key_rows) = half%key_row + mix%row
      weight(:most_key_rows) = mix%weight
    else if (half%key_points > 0) then
      n = 4
      amount = layer%amount(half%key_gas)
      row(1:4) = half%key_row + layer%key_row
      if (.not. half%key_pressures) row(1:4) = half%key_row + [1, 2, 1, 2]
      weight(1:4) = amount*layer%key_weight
    end if

    if (half%self) then
      row(n + 1:n + 4) = layer%water_row
      weight(n + 1:n + 4) = layer%water_weight
      n = n + 4
    else if (half%foreign) then
      row(n + 1:n + 2) = layer%water_row(3:4)
      weight(n + 1:n + 2) = layer%water_weight(3:4)
      n = n + 2
    end if

    do m = 1, size(half%minor_points)
      if (half%minor_points(m) == 0) exit
      amount = minor_amount(tables, layer, description%minor(m))
      base = half%minor_row(m) + (layer%minor_node - 1)*half%minor_points(m)
      if (half%minor_points(m) == 1) then
        row(n + 1:n + 2) = base + [1, 2]
        weight(n + 1:n + 2) = amount*layer%minor_weight
        n = n + 2
      else
        call binary(layer, half%pair, half%minor_ratio(m), half%minor_points(m), first, f)
        row(n + 1:n + 2) = base + first + [0, 1]
        row(n + 3:n + 4) = row(n + 1:n + 2) + half%minor_points(m)
        weight(n + 1:n + 2) = amount*layer%minor_weight(1)*[1 - f, f]
        weight(n + 3:n + 4) = amount*layer%minor_weight(2)*[1 - f, f]
        n = n + 4
      end if
    end do

    correction = 1
    select case (description%correction)
    case (band1_lower)
      correction = 1 - 0.15_wp*max(0.0_wp, 250 - layer%pressure)/154.4_wp
    case (band1_upper)
      correction = 1 - 0.15_wp*layer%pressure/95.6_wp
    case (band2_lower)
      correction = 1 - 0.05_wp*(layer%pressure - 100)/900
    end select

    do m = 1, size(half%cross_row)
      if (half%cross_row(m) == 0) exit
      n = n + 1
      row(n) = half%cross_row(m)
      weight(n) = layer%amount(description%cross_section(m))
    end do
    if (description%correction /= none) weight(:n) = correction*weight(:n)
    row(n + 1:n + 4) = 1
    weight(n + 1:n + 4) = 0
    n = max(4, 4*((n + 3)/4))

    fraction_row = half%fraction_row + 1
    fraction_weight = 0
    if (half%fraction_points == 1) then
      fraction_weight(1) = 1
    else if (half%fraction_points > 1) then
      call binary(layer, half%pair, half%fraction_ratio, half%fraction_points, first, f)
      fraction_row = half%fraction_row + first + [0, 1]
      fraction_weight = [1 - f, f]
    end if
  end subroutine list_rows

  !> Binary parameter of a pair for a given ratio of reference mole fractions.
  pure subroutine binary(layer, pair, ratio, points, first, f)
    type(layer_state), intent(in) :: layer !! layer
    integer, intent(in) :: pair            !! pair of key species [1]
    real(wp), intent(in) :: ratio          !! reference ratio of the two [1]
    integer, intent(in) :: points          !! points of the parameter [1]
    integer, intent(out) :: first          !! point at or below [1]
    real(wp), intent(out) :: f             !! fraction towards the next [1]
    real(wp) :: position

    associate (a => layer%amount(pair_gas(1, pair)), c => layer%amount(pair_gas(2, pair)))
      position = (points - 1)*min(a/(a + ratio*c), binary_limit)
    end associate
    first = 1 + int(position)
    f = position - int(position)
  end subroutine binary

  !> Amount of a minor gas, scaled as its band wants it.
  pure function minor_amount(tables, layer, minor) result(amount)
    type(longwave_tables), intent(in) :: tables !! coefficient tables
    type(layer_state), intent(in) :: layer      !! layer
    type(minor_gas), intent(in) :: minor        !! gas and rule
    real(wp) :: amount                          !! scaled amount [1e20 cm-2]
    real(wp) :: reference

    amount = layer%amount(minor%absorber)
    select case (minor%scaling)
    case (above_reference)
      reference = real(minor%reference, wp)
      if (minor%reference <= 0) reference = tables%mole_fraction(minor%absorber, layer%pressure_node + 1)
      reference = reference*layer%dry
      if (amount > reference*merge(1.5_wp, 3.0_wp, minor%absorber == n2o)) &
        amount = reference*(real(minor%offset, wp) + (amount/reference - real(minor%offset, wp))**real(minor%exponent, wp))
    case (by_density)
      amount = amount*layer%density
    case (by_pair_density)
      amount = amount*layer%density*amount/(layer%dry + layer%amount(h2o))
    end select
  end function minor_amount

  !> Black-body emission of a layer and its change towards the levels, for a band of one chunk.
  pure subroutine emit_short(row, weight, table, planck, planck_below, planck_above, emission, downwards, upwards)
    integer, intent(in) :: row(2)                 !! rows [1] (row)
    real(wp), intent(in) :: weight(2)             !! weights [1] (row)
    real(wp), intent(in) :: table(lanes, *)       !! Planck fractions times flux weight (g-point, row)
    real(wp), intent(in) :: planck                !! Planck function of the layer [W cm-2 sr-1 cm]
    real(wp), intent(in) :: planck_below          !! Planck function at the level below [W cm-2 sr-1 cm]
    real(wp), intent(in) :: planck_above          !! Planck function at the level above [W cm-2 sr-1 cm]
    real(wp), intent(inout) :: emission(lanes)    !! emission [W m-2] (g-point)
    real(wp), intent(inout) :: downwards(lanes)   !! that at the level below, less that of the layer [W m-2] (g-point)
    real(wp), intent(inout) :: upwards(lanes)     !! that at the level above, less that of the layer [W m-2] (g-point)
    real(wp) :: fraction
    integer :: g

    !$omp simd private(fraction)
    do g = 1, lanes
      fraction = weight(1)*table(g, row(1)) + weight(2)*table(g, row(2))
      emission(g) = fraction*planck
      downwards(g) = fraction*(planck_below - planck)
      upwards(g) = fraction*(planck_above - planck)
    end do
  end subroutine emit_short

  !> Black-body emission of a layer and its change towards the levels, for a band of two chunks.
  pure subroutine emit_long(row, weight, table, planck, planck_below, planck_above, emission, downwards, upwards)
    integer, intent(in) :: row(2)                 !! rows [1] (row)
    real(wp), intent(in) :: weight(2)             !! weights [1] (row)
    real(wp), intent(in) :: table(2*lanes, *)     !! Planck fractions times flux weight (g-point, row)
    real(wp), intent(in) :: planck                !! Planck function of the layer [W cm-2 sr-1 cm]
    real(wp), intent(in) :: planck_below          !! Planck function at the level below [W cm-2 sr-1 cm]
    real(wp), intent(in) :: planck_above          !! Planck function at the level above [W cm-2 sr-1 cm]
    real(wp), intent(inout) :: emission(2*lanes)  !! emission [W m-2] (g-point)
    real(wp), intent(inout) :: downwards(2*lanes) !! that at the level below, less that of the layer [W m-2] (g-point)
    real(wp), intent(inout) :: upwards(2*lanes)   !! that at the level above, less that of the layer [W m-2] (g-point)
    real(wp) :: fraction
    integer :: g

    !$omp simd private(fraction)
    do g = 1, 2*lanes
      fraction = weight(1)*table(g, row(1)) + weight(2)*table(g, row(2))
      emission(g) = fraction*planck
      downwards(g) = fraction*(planck_below - planck)
      upwards(g) = fraction*(planck_above - planck)
    end do
  end subroutine emit_long

  !> Planck fractions between two rows.
  pure subroutine mix_fractions(points, row, weight, table, fraction)
    integer, intent(in) :: points                 !! g-points with room [1]
    integer, intent(in) :: row(2)                 !! rows [1] (row)
    real(wp), intent(in) :: weight(2)             !! weights [1] (row)
    real(wp), intent(in) :: table(points, *)      !! fractions times flux weight (g-point, row)
    real(wp), intent(inout) :: fraction(points)   !! fractions times flux weight (g-point)

    fraction = weight(1)*table(:, row(1)) + weight(2)*table(:, row(2))
  end subroutine mix_fractions

  !> Planck function of all bands at many temperatures, linear in the table, and beyond its ends.
  pure subroutine planck_of_bands(tables, n, temperature, planck)
    type(longwave_tables), intent(in) :: tables   !! coefficient tables
    integer, intent(in) :: n                      !! temperatures [1]
    real(wp), intent(in) :: temperature(n)        !! temperatures [K] (n)
    real(wp), intent(out) :: planck(n_bands, n)   !! band-mean Planck function [W cm-2 sr-1 cm] (band, n)
    real(wp) :: position
    integer :: b, i, k

    do k = 1, n
      position = temperature(k) - (first_planck_temperature - 1)
      i = min(n_planck - 1, max(1, int(position)))
      position = position - i
      !$omp simd
      do b = 1, n_bands
        planck(b, k) = tables%planck(b, i) + position*(tables%planck(b, i + 1) - tables%planck(b, i))
      end do
    end do
  end subroutine planck_of_bands
end module radml_rrtmg_longwave_gas_optics
