!> Where a layer lies between the nodes of RRTMG's coefficient tables, which the longwave and the shortwave share.
module radml_rrtmg_nodes
  use radml_rrtmg_kinds, only: wp
  implicit none
  private

  public :: place

  integer, parameter, public :: below = 1, above = 2 !! the tropopause
  integer, parameter, public :: n_reference = 59     !! reference levels
  integer, parameter, public :: nodes_below = 12     !! reference levels before the first of the upper atmosphere's tables

  real(wp), parameter :: tropopause = 4.56_wp !! ln p below which the tables of the upper atmosphere hold [ln hPa]

  !> A layer's place.
  type, public :: layer_nodes
    real(wp) :: pressure = 0            !! [hPa]
    real(wp) :: temperature = 0         !! [K]
    real(wp) :: dry = 0                 !! dry air [1e20 cm-2]
    integer :: side = below             !! below or above the tropopause
    integer :: pressure_node = 0        !! reference pressure just above the layer's
    integer :: temperature_node(2) = 0  !! at that reference pressure and the next
    real(wp) :: weight(2, 2) = 0        !! weights of the nodes [1] (temperature, pressure)
    integer :: self_node = 0, foreign_node = 0
    real(wp) :: self_weight(2) = 0, foreign_weight(2) = 0 !! times amounts [1e20 cm-2]
    real(wp) :: density = 0             !! p/T [hPa K-1]
  end type layer_nodes

contains

  !> Find a layer's place. Pressure, temperature and dry air are set before.
  pure subroutine place(layer, log_pressure, temperature, water)
    type(layer_nodes), intent(inout) :: layer             !! layer to place
    real(wp), intent(in) :: log_pressure(n_reference)     !! of the reference levels [ln hPa] (reference level)
    real(wp), intent(in) :: temperature(n_reference)      !! of the reference levels [K] (reference level)
    real(wp), intent(in) :: water                         !! water vapour [1e20 cm-2]
    real(wp) :: logarithm, toward_next, position, scale, ratio, fraction(2)
    integer :: j, node

    logarithm = log(layer%pressure)
    layer%side = merge(below, above, logarithm > tropopause)

    j = min(58, max(1, int(36 - 5*(logarithm + 0.04_wp))))
    layer%pressure_node = j
    toward_next = 5*(log_pressure(j) - logarithm)
    do node = 1, 2
      position = (layer%temperature - temperature(j + node - 1))/15
      layer%temperature_node(node) = min(4, max(1, int(3 + position)))
      fraction(node) = position - (layer%temperature_node(node) - 3)
    end do
    layer%weight(:, 1) = (1 - toward_next)*[1 - fraction(1), fraction(1)]
    layer%weight(:, 2) = toward_next*[1 - fraction(2), fraction(2)]

    ratio = water/layer%dry
    layer%density = layer%pressure/layer%temperature
    scale = layer%density*(296.0_wp/1013.0_wp)/(1 + ratio)*water
    if (layer%side == below) then
      position = (332 - layer%temperature)/36
      layer%foreign_node = min(2, max(1, int(position)))
    else
      position = (layer%temperature - 188)/36 + 2
      layer%foreign_node = 3
    end if
    layer%foreign_weight = scale*[1 - (position - layer%foreign_node), position - layer%foreign_node]
    position = (layer%temperature - 188)/7.2_wp - 7
    layer%self_node = min(9, max(1, int(position)))
    layer%self_weight = scale*ratio*[1 - (position - layer%self_node), position - layer%self_node]
  end subroutine place
end module radml_rrtmg_nodes
