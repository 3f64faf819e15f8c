!> Gas optics of RRTMG shortwave, one band of one column at a time, g-points innermost; so a band's tables stay in cache.
!>
!> Depths of absorption and of Rayleigh scattering are weighted sums of table rows. `locate` finds once per layer where it lies
!> between the nodes of the tables; `band_optics` lists for one band the rows and their weights as the table in
!> `radml_rrtmg_shortwave_bands` says, and sums them. No checks here: the front door has made them.
module radml_rrtmg_shortwave_gas_optics
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_nodes, only: above, below, layer_nodes, nodes_below, place
  use radml_rrtmg_rows, only: lanes, sum_long_pair, sum_long_rows, sum_short_pair, sum_short_rows
  use radml_rrtmg_shortwave_bands
  use radml_rrtmg_shortwave_tables
  implicit none
  private

  public :: band_optics, locate, solar_source

  integer, parameter :: max_rows = 20
  real(wp), parameter :: binary_limit = 1 - 1e-6_wp

  !> Where a layer lies between the nodes of the tables, and what it holds.
  type, extends(layer_nodes), public :: layer_state
    real(wp) :: amount(n_absorbers) = 0 !! absorbers [1e20 cm-2]
    real(wp) :: air = 0                 !! moist air [1e20 cm-2]
  end type layer_state

contains

  !> Find where a layer lies between the nodes of the tables. Pressure, temperature, dry air and amounts are set before.
  pure subroutine locate(tables, layer)
    type(shortwave_tables), intent(in) :: tables   !! coefficient tables
    type(layer_state), intent(inout) :: layer      !! layer to complete

    call place(layer%layer_nodes, tables%log_pressure, tables%temperature, layer%amount(h2o))
    layer%air = layer%dry + layer%amount(h2o)
  end subroutine locate

  !> Depths of absorption and Rayleigh scattering of one band in all layers. Behind the band's g-points, up to a multiple of
  !> `lanes`, zeros are written: call the bands in their order.
  pure subroutine band_optics(tables, b, n, layer, absorption, scattering)
    type(shortwave_tables), intent(in) :: tables               !! coefficient tables
    integer, intent(in) :: b                                   !! band [1]
    integer, intent(in) :: n                                   !! layers [1]
    type(layer_state), intent(in) :: layer(n)                  !! layers, located (nlay)
    real(wp), intent(inout) :: absorption(row_length, n)       !! vertical depth of absorption [1] (g-point, nlay)
    real(wp), intent(inout) :: scattering(row_length, n)       !! vertical depth of scattering [1] (g-point, nlay)
    integer :: k, first, n_rows, row(max_rows), rayleigh_row(2)
    real(wp) :: weight(max_rows), rayleigh_weight(2)

    first = tables%band(b)%offset + 1
    do k = 1, n
      associate (band => tables%band(b), half => tables%band(b)%half(layer(k)%side))
        if (layer(k)%side == below) then
          call list_rows(layer(k), half, lower_half(b), n_rows, row, weight, rayleigh_row, rayleigh_weight)
        else
          call list_rows(layer(k), half, upper_half(b), n_rows, row, weight, rayleigh_row, rayleigh_weight)
        end if
        if (band%chunks == 1) then
          call sum_short_rows(n_rows, row, weight, band%absorption(band%first_absorption), absorption(first, k))
          call sum_short_pair(rayleigh_row, rayleigh_weight, band%rayleigh(band%first_rayleigh), scattering(first, k))
        else
          call sum_long_rows(n_rows, row, weight, band%absorption(band%first_absorption), absorption(first, k))
          call sum_long_pair(rayleigh_row, rayleigh_weight, band%rayleigh(band%first_rayleigh), scattering(first, k))
        end if
      end associate
    end do
  end subroutine band_optics

  !> Rows of one band's tables and their weights; the number of rows is a multiple of four, not zero.
  pure subroutine list_rows(layer, half, description, n, row, weight, rayleigh_row, rayleigh_weight)
    type(layer_state), intent(in) :: layer           !! layer, located
    type(half_tables), intent(in) :: half            !! where the rows lie
    type(half_band), intent(in) :: description       !! what absorbs
    integer, intent(out) :: n                        !! number of rows [1]
    integer, intent(out) :: row(max_rows)            !! rows [1] (row)
    real(wp), intent(out) :: weight(max_rows)        !! amounts times interpolation weights [1e20 cm-2] (row)
    integer, intent(out) :: rayleigh_row(2)          !! rows of Rayleigh scattering [1] (row)
    real(wp), intent(out) :: rayleigh_weight(2)      !! amounts times interpolation weights [1e20 cm-2] (row)
    real(wp) :: amount, f
    integer :: node, base, points, first

    n = 0
    first = 1
    f = 0
    points = half%key_points
    if (points > 0) then
      amount = layer%amount(description%key(1))
      if (points > 1) call mix(layer, description, points, amount, first, f)
      amount = amount*real(description%factor, wp)
      do node = 1, 2
        base = layer%pressure_node + node - 2
        if (layer%side == above) base = base - nodes_below
        base = half%key_row + (5*base + layer%temperature_node(node) - 1)*points + first
        row(n + 1:n + 2) = [base, base + points]
        if (points == 1) then
          weight(n + 1:n + 2) = amount*layer%weight(:, node)
          n = n + 2
        else
          weight(n + 1:n + 2) = (amount*(1 - f))*layer%weight(:, node)
          row(n + 3:n + 4) = row(n + 1:n + 2) + 1
          weight(n + 3:n + 4) = (amount*f)*layer%weight(:, node)
          n = n + 4
        end if
      end do
    end if

    if (half%self_row >= 0) then
      row(n + 1:n + 2) = half%self_row + layer%self_node + [0, 1]
      weight(n + 1:n + 2) = layer%self_weight
      n = n + 2
    end if
    if (half%foreign_row >= 0) then
      row(n + 1:n + 2) = half%foreign_row + layer%foreign_node + [0, 1]
      weight(n + 1:n + 2) = layer%foreign_weight
      n = n + 2
    end if
    if (half%gas_row > 0) then
      n = n + 1
      row(n) = half%gas_row
      weight(n) = layer%amount(description%gas)
    end if
    if (half%oxygen_row > 0) then
      n = n + 1
      row(n) = half%oxygen_row
      weight(n) = layer%amount(o2)*real(description%oxygen, wp)
    end if
    row(n + 1:n + 4) = 1
    weight(n + 1:n + 4) = 0
    n = max(4, 4*((n + 3)/4))

    rayleigh_row = half%rayleigh_row + 1
    rayleigh_weight = 0
    if (half%rayleigh_points == 1) then
      rayleigh_weight(1) = layer%air
    else
      rayleigh_row = half%rayleigh_row + first + [0, 1]
      rayleigh_weight = layer%air*[1 - f, f]
    end if
  end subroutine list_rows

  !> Amount of a mixture of two key species, and where it lies between the points of the binary parameter.
  pure subroutine mix(layer, description, points, amount, first, f)
    type(layer_state), intent(in) :: layer           !! layer
    type(half_band), intent(in) :: description       !! key species and their ratio
    integer, intent(in) :: points                    !! points of the parameter [1]
    real(wp), intent(out) :: amount                  !! amount of the mixture [1e20 cm-2]
    integer, intent(out) :: first                    !! point at or below [1]
    real(wp), intent(out) :: f                       !! fraction towards the next [1]
    real(wp) :: position

    amount = layer%amount(description%key(1)) + real(description%ratio, wp)*layer%amount(description%key(2))
    position = (points - 1)*min(layer%amount(description%key(1))/amount, binary_limit)
    first = 1 + int(position)
    f = position - int(position)
  end subroutine mix

  !> Solar source at all g-points, for an irradiance of 1 W m-2 normal to the beam.
  pure subroutine solar_source(tables, n, layer, source)
    type(shortwave_tables), intent(in) :: tables     !! coefficient tables
    integer, intent(in) :: n                         !! layers [1]
    type(layer_state), intent(in) :: layer(n)        !! layers, located (nlay)
    real(wp), intent(out) :: source(n_gpoints)       !! solar source [1] (g-point)
    real(wp) :: amount, f
    integer :: b, first, k

    do b = 1, n_bands
      associate (band => tables%band(b), part => source(tables%band(b)%offset + 1:tables%band(b)%offset + tables%band(b)%points))
        if (solar_side(b) == 0) then
          part = band%solar(:band%points, 1)
        else
          k = solar_layer(n, layer, solar_side(b), band%solar_level)
          if (solar_side(b) == below) then
            call mix(layer(k), lower_half(b), band%solar_points, amount, first, f)
          else
            call mix(layer(k), upper_half(b), band%solar_points, amount, first, f)
          end if
          part = (1 - f)*band%solar(:band%points, first) + f*band%solar(:band%points, first + 1)
        end if
      end associate
    end do
  end subroutine solar_source

  !> The layer whose mixture sets a band's solar source. The original looks from the ground up for the first layer at or above a
  !> reference level whose lower neighbour is below it; where there is none it takes the uppermost of that side.
  pure function solar_layer(n, layer, side, level) result(k)
    integer, intent(in) :: n                         !! layers [1]
    type(layer_state), intent(in) :: layer(n)        !! layers, located (nlay)
    integer, intent(in) :: side                      !! below or above the tropopause
    integer, intent(in) :: level                     !! reference level [1]
    integer :: k                                     !! layer [1]
    integer :: j

    k = n + 1 - max(1, count(layer%side == below))
    if (side == above) k = 1
    do j = n, 2, -1
      if (layer(j)%pressure_node < level .and. layer(j - 1)%pressure_node >= level) then
        if (side == below) then
          k = max(k, j - 1)
        else if (layer(j - 1)%side == above) then
          k = j - 1
        end if
        return
      end if
    end do
  end function solar_layer
end module radml_rrtmg_shortwave_gas_optics
