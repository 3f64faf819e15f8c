!> Reads RRTMG shortwave's coefficient file and reduces its 16 g-points per band to RRTMG's 112 in all.
!>
!> Absorption and scattering are averaged with the Gaussian weights of the g-points that are merged; the solar source is summed.
module radml_rrtmg_shortwave_reader
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_nodes, only: above, below, n_reference
  use radml_rrtmg_rows, only: align, append, lanes
  use radml_rrtmg_shortwave_bands
  use radml_rrtmg_shortwave_tables
  use radml_rrtmg_table_file, only: merged_weight, table_file, text
  implicit none
  private

  public :: read_shortwave_tables

  integer, parameter :: format_version = 1
  integer, parameter :: n_file_gpoints = 16
  integer, parameter :: n_temperatures = 5
  integer, parameter :: n_pressures(2) = [13, 47] ! below and above the tropopause
  integer, parameter :: n_points(2) = [9, 5]      ! points of the binary parameter
  character(len=*), parameter :: half_name(2) = [character(len=5) :: "lower", "upper"]

contains

  !> Read `path`. On failure `problem` is allocated and `tables` is not marked as loaded.
  subroutine read_shortwave_tables(path, tables, problem)
    character(len=*), intent(in) :: path                        !! coefficient file
    type(shortwave_tables), intent(out) :: tables               !! tables read
    character(len=:), allocatable, intent(out) :: problem       !! what went wrong; not allocated on success
    type(table_file) :: file
    real(real64), allocatable :: weight(:), group(:), level(:), reference(:), irradiance(:)
    integer :: b, offset

    call file%open(path, "RRTMG's shortwave tables (data/rrtmg_shortwave.nc)", format_version, "RRTMG shortwave")
    call file%get("gpoint_weight", n_file_gpoints, weight)
    call file%get("gpoint_group", n_file_gpoints*n_bands, group)
    call file%get("solar_reference_level", n_bands, level)
    call file%get("solar_irradiance", 1, irradiance)
    call file%get("reference_log_pressure", n_reference, reference)
    if (.not. allocated(file%problem)) tables%log_pressure = real(reference, wp)
    call file%get("reference_temperature", n_reference, reference)
    if (.not. allocated(file%problem)) tables%temperature = real(reference, wp)

    offset = 0
    do b = 1, n_bands
      if (allocated(file%problem)) exit
      tables%band(b)%solar_level = nint(level(b))
      associate (group_of => nint(group((b - 1)*n_file_gpoints + 1:b*n_file_gpoints)))
        call read_band(file, b, group_of, weight/merged_weight(weight, group_of), irradiance(1), tables%band(b))
      end associate
      tables%band(b)%offset = offset
      tables%band_of_gpoint(offset + 1:min(n_gpoints, offset + tables%band(b)%points)) = b
      offset = offset + tables%band(b)%points
    end do
    if (.not. allocated(file%problem)) &
      call file%check(offset == n_gpoints, "expected "//trim(text(n_gpoints))//" g-points, got "//trim(text(offset)))
    call file%close()
    if (allocated(file%problem)) then
      problem = file%problem
      return
    end if
    call fill_lookup(tables)
    tables%loaded = .true.
  end subroutine read_shortwave_tables

  !> Read all tables of band `b`.
  subroutine read_band(file, b, group, reduction, irradiance, band)
    type(table_file), intent(inout) :: file           !! open file
    integer, intent(in) :: b                          !! band [1]
    integer, intent(in) :: group(:)                   !! reduced g-point of each g-point of the file [1] (gpoint)
    real(real64), intent(in) :: reduction(:)          !! weights of the merging [1] (gpoint)
    real(real64), intent(in) :: irradiance            !! irradiance of the solar source [W m-2]
    type(band_tables), intent(inout) :: band          !! tables to fill
    type(half_band) :: description
    character(len=7) :: prefix
    real(wp), allocatable :: rows(:,:), absorption(:,:), rayleigh(:,:)
    integer :: side, self_row, foreign_row, g

    write (prefix, "('band', i2.2, '_')") b + first_band - 1
    band%points = maxval(group)
    band%chunks = (band%points + lanes - 1)/lanes
    allocate (absorption(band%chunks*lanes, 0), rayleigh(band%chunks*lanes, 0))

    self_row = 0
    if (lower_half(b)%self) then
      call read_rows(prefix//"self", 10, rows)
      call append(absorption, rows)
    end if
    foreign_row = size(absorption, 2)
    if (lower_half(b)%foreign) then
      ! The fourth temperature is for the upper atmosphere.
      call read_rows(prefix//"foreign", merge(4, 3, upper_half(b)%foreign .or. b == n_bands), rows)
      call append(absorption, rows)
    end if

    do side = below, above
      if (side == below) then
        description = lower_half(b)
      else
        description = upper_half(b)
      end if
      associate (half => band%half(side))
        if (description%self) half%self_row = self_row
        if (description%foreign) half%foreign_row = foreign_row
        if (description%key(2) /= none) then
          half%key_points = n_points(side)
        else if (description%key(1) /= none) then
          half%key_points = 1
        end if
        if (half%key_points > 0) then
          half%key_row = size(absorption, 2)
          call read_rows(prefix//half_name(side)//"_key", half%key_points*n_temperatures*n_pressures(side), rows)
          call append(absorption, rows)
        end if
        if (description%gas /= none) then
          if (side == above .and. description%gas_on_both_sides) then
            half%gas_row = band%half(below)%gas_row
          else
            half%gas_row = size(absorption, 2) + 1
            if (description%gas_on_both_sides) then
              call read_rows(prefix//trim(absorber_name(description%gas)), 1, rows)
            else
              call read_rows(prefix//half_name(side)//"_"//trim(absorber_name(description%gas)), 1, rows)
            end if
            call append(absorption, rows)
          end if
        end if
        if (description%oxygen > 0) then
          half%oxygen_row = size(absorption, 2) + 1
          call append(absorption, merge(1.0_wp, 0.0_wp, spread([(g, g=1, band%chunks*lanes)], 2, 1) <= band%points))
        end if
      end associate
    end do

    if (b == band_with_binary_rayleigh) then
      band%half(below)%rayleigh_points = n_points(below)
      call read_points(prefix//"lower_rayleigh", n_points(below), reduction, rows)
      call append(rayleigh, rows)
      band%half(above)%rayleigh_row = size(rayleigh, 2)
      call read_rows(prefix//"upper_rayleigh", 1, rows)
    else
      call read_rows(prefix//"rayleigh", 1, rows)
    end if
    call append(rayleigh, rows)
    call align(absorption, band%absorption, band%first_absorption)
    call align(rayleigh, band%rayleigh, band%first_rayleigh)

    if (solar_side(b) /= 0) band%solar_points = n_points(solar_side(b))
    call read_points(prefix//"solar_source", band%solar_points, spread(1/irradiance, 1, n_file_gpoints), band%solar)

  contains

    !> Rows of one variable with its g-points last in the file's Fortran order, reduced and padded; zero after an earlier problem.
    subroutine read_rows(name, n_rows, rows)
      character(len=*), intent(in) :: name             !! variable
      integer, intent(in) :: n_rows                    !! rows it should have [1]
      real(wp), allocatable, intent(out) :: rows(:,:)  !! reduced rows [1e-20 cm2] (chunks*lanes, row)

      call file%get_rows(name, n_rows, group, reduction, band%chunks*lanes, rows)
    end subroutine read_rows

    !> Rows of one variable with its g-points first in the file's Fortran order: the same.
    subroutine read_points(name, n_rows, weight, rows)
      character(len=*), intent(in) :: name             !! variable
      integer, intent(in) :: n_rows                    !! rows it should have [1]
      real(real64), intent(in) :: weight(:)            !! weight of each g-point in the one it is merged into [any] (gpoint)
      real(wp), allocatable, intent(out) :: rows(:,:)  !! reduced rows [any] (chunks*lanes, row)
      real(real64), allocatable :: values(:)
      real(real64) :: sums(lanes*max_chunks)
      integer :: row, g

      allocate (rows(band%chunks*lanes, n_rows), source=0.0_wp)
      call file%get(name, n_rows*n_file_gpoints, values)
      if (allocated(file%problem)) return
      do row = 1, n_rows
        sums = 0
        do g = 1, n_file_gpoints
          sums(group(g)) = sums(group(g)) + values((row - 1)*n_file_gpoints + g)*weight(g)
        end do
        rows(:, row) = real(sums(:band%chunks*lanes), wp)
      end do
    end subroutine read_points
  end subroutine read_band
end module radml_rrtmg_shortwave_reader
