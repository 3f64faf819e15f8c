!> Reads RRTMG longwave's coefficient file and reduces its 16 g-points per band to RRTMG's 140 in all.
!>
!> Absorption coefficients are averaged with the Gaussian weights of the g-points that are merged; Planck fractions are summed.
module radml_rrtmg_longwave_reader
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_rrtmg_constants, only: rrtmg_pi
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_longwave_bands
  use radml_rrtmg_longwave_tables
  use radml_rrtmg_rows, only: align, append
  use radml_rrtmg_table_file, only: merged_weight, table_file, text
  implicit none
  private

  public :: read_longwave_tables

  integer, parameter :: format_version = 1
  integer, parameter :: n_file_gpoints = 16
  integer, parameter :: n_temperatures = 5, n_minor_temperatures = 19
  integer, parameter :: n_pressures(2) = [13, 47] ! below and above the tropopause
  integer, parameter :: n_points(2) = [9, 5]      ! points of the binary parameter
  character(len=*), parameter :: half_name(2) = [character(len=5) :: "lower", "upper"]

contains

  !> Read `path`. On failure `problem` is allocated and `tables` is not marked as loaded.
  subroutine read_longwave_tables(path, tables, problem)
    character(len=*), intent(in) :: path                        !! coefficient file
    type(longwave_tables), intent(out) :: tables                !! tables read
    character(len=:), allocatable, intent(out) :: problem       !! what went wrong; not allocated on success
    type(table_file) :: file
    real(real64), allocatable :: weight(:), group(:), width(:), planck(:), reference(:)
    real(real64) :: reduction(n_file_gpoints)
    integer :: b, pair, offset, p

    call file%open(path, "RRTMG's longwave tables (data/rrtmg_longwave.nc)", format_version, "RRTMG longwave")
    call file%get("gpoint_weight", n_file_gpoints, weight)
    call file%get("gpoint_group", n_file_gpoints*n_bands, group)
    call file%get("band_width", n_bands, width)
    call file%get("planck", n_planck*n_bands, planck)
    if (.not. allocated(file%problem)) then
      tables%planck = real(transpose(reshape(planck, [n_planck, n_bands])), wp)
      tables%flux_weight = real(width*0.5_real64*rrtmg_pi*2e4_real64, wp)
    end if
    call file%get("reference_log_pressure", n_reference, reference)
    if (.not. allocated(file%problem)) tables%log_pressure = real(reference, wp)
    call file%get("reference_temperature", n_reference, reference)
    if (.not. allocated(file%problem)) tables%temperature = real(reference, wp)
    call file%get("reference_mole_fraction", 7*n_reference, reference)
    if (.not. allocated(file%problem)) then
      tables%mole_fraction = real(reshape(reference, [7, n_reference]), wp)
      do pair = 1, n_pairs
        tables%pair_ratio(pair, :) = tables%mole_fraction(pair_gas(1, pair), :)/tables%mole_fraction(pair_gas(2, pair), :)
      end do
    end if

    offset = 0
    do b = 1, n_bands
      if (allocated(file%problem)) exit
      associate (group_of => nint(group((b - 1)*n_file_gpoints + 1:b*n_file_gpoints)))
        reduction = weight/merged_weight(weight, group_of)
        call read_band(file, b, group_of, reduction, tables, offset)
      end associate
      offset = offset + tables%band(b)%points
    end do
    if (.not. allocated(file%problem)) &
      call file%check(offset == n_gpoints, "expected "//trim(text(n_gpoints))//" g-points, got "//trim(text(offset)))
    do p = 1, n_packs
      associate (bands => pack(pack_band(:, p), pack_band(:, p) > 0))
        call file%check(sum(tables%band(bands)%points) <= pack_size, "more g-points than RRTMG has in band "// &
                        trim(text(bands(1)))//" or those beside it")
      end associate
    end do
    call file%close()
    if (allocated(file%problem)) then
      problem = file%problem
      return
    end if
    call fill_lookup(tables)
    call arrange_packs(tables)
    tables%loaded = .true.
  end subroutine read_longwave_tables

  !> Read all tables of band `b`.
  subroutine read_band(file, b, group, reduction, tables, offset)
    type(table_file), intent(inout) :: file           !! open file
    integer, intent(in) :: b                          !! band [1]
    integer, intent(in) :: group(:)                   !! reduced g-point of each g-point of the file [1] (gpoint)
    real(real64), intent(in) :: reduction(:)          !! weights of the merging [1] (gpoint)
    type(longwave_tables), intent(inout) :: tables    !! tables to fill
    integer, intent(in) :: offset                     !! g-points of the bands before [1]
    type(half_band) :: description
    character(len=7) :: prefix
    real(wp), allocatable :: continuum(:,:), absorption(:,:), fraction(:,:)
    integer :: side, m

    write (prefix, "('band', i2.2, '_')") b
    associate (band => tables%band(b))
      band%points = maxval(group)
      band%offset = offset
      band%chunks = (band%points + lanes - 1)/lanes
      allocate (absorption(band%chunks*lanes, 0), fraction(band%chunks*lanes, 0))

      call absorption_rows(prefix//"self", self_rows, continuum)
      call append(absorption, continuum)
      call absorption_rows(prefix//"foreign", foreign_rows, continuum)
      call append(absorption, continuum)

      do side = below, above
        if (side == below) then
          description = lower_half(b)
        else
          description = upper_half(b)
        end if
        associate (half => band%half(side))
          half%self = description%self
          half%foreign = description%foreign
          half%key_gas = description%key(1)
          if (description%key(2) /= none) then
            half%pair = findloc(pair_gas(1, :) == description%key(1) .and. pair_gas(2, :) == description%key(2), .true., 1)
            half%key_points = n_points(side)
          else if (description%key(1) /= none) then
            half%key_points = 1
          end if
          half%key_pressures = .not. (side == above .and. b == band_without_upper_pressures)
          if (half%key_points > 0) then
            half%key_row = size(absorption, 2)
            call absorption_rows(prefix//half_name(side)//"_key", half%key_points*n_temperatures*n_pressures(side), continuum)
            call adjust(continuum, side)
            call append(absorption, continuum)
          end if
          do m = 1, size(description%minor)
            associate (minor => description%minor(m))
              if (minor%absorber == none) cycle
              half%minor_points(m) = merge(n_points(side), 1, minor%binary_level > 0)
              if (minor%binary_level > 0) half%minor_ratio(m) = tables%pair_ratio(half%pair, minor%binary_level)
              half%minor_row(m) = size(absorption, 2)
              call absorption_rows(prefix//half_name(side)//"_"//trim(absorber_name(minor%absorber)), &
                                   half%minor_points(m)*n_minor_temperatures, continuum)
              call adjust(continuum, side)
              call append(absorption, continuum)
            end associate
          end do
          do m = 1, size(description%cross_section)
            if (description%cross_section(m) == none) cycle
            half%cross_row(m) = size(absorption, 2) + 1
            call absorption_rows(prefix//trim(absorber_name(description%cross_section(m))), 1, continuum)
            call append(absorption, continuum)
          end do
          call read_fractions(side, description, half)
        end associate
      end do
      call align(absorption, band%absorption, band%first_absorption)
      call align(fraction, band%fraction, band%first_fraction)
    end associate

  contains

    !> Rows of one variable, reduced and padded; empty after an earlier problem.
    subroutine absorption_rows(name, n_rows, rows)
      character(len=*), intent(in) :: name             !! variable
      integer, intent(in) :: n_rows                    !! rows it should have [1]
      real(wp), allocatable, intent(out) :: rows(:,:)  !! reduced rows [1e-20 cm2] (chunks*lanes, row)

      call file%get_rows(name, n_rows, group, reduction, tables%band(b)%chunks*lanes, rows)
    end subroutine absorption_rows

    !> The empirical factors of bands 4 and 7 above the tropopause.
    subroutine adjust(rows, side)
      real(wp), intent(inout) :: rows(:,:) !! rows to scale [1e-20 cm2] (chunks*lanes, row)
      integer, intent(in) :: side          !! below or above
      integer :: g

      if (side == below) return
      if (b == 4) then
        do g = 1, size(band4_factor)
          rows(band4_first_factor + g - 1, :) = rows(band4_first_factor + g - 1, :)*real(band4_factor(g), wp)
        end do
      else if (b == 7) then
        do g = 1, size(band7_factor)
          rows(band7_first_factor + g - 1, :) = rows(band7_first_factor + g - 1, :)*real(band7_factor(g), wp)
        end do
      end if
    end subroutine adjust

    !> Planck fractions of half a band, summed over merged g-points, with the band's flux weight folded in.
    subroutine read_fractions(side, description, half)
      integer, intent(in) :: side                      !! below or above
      type(half_band), intent(in) :: description       !! what the half has
      type(half_tables), intent(inout) :: half         !! its rows
      real(real64), allocatable :: values(:)
      real(wp) :: rows(lanes*max_chunks, 9)
      integer :: row, g

      if (side == above) then
        if (b == band_with_lower_fractions_above) then
          half%fraction_points = 1
          half%fraction_row = tables%band(b)%half(below)%fraction_row
          return
        end if
        ! Without absorbers above the tropopause the band has no fractions there either.
        if (description%key(1) == none .and. description%minor(1)%absorber == none) return
      end if
      half%fraction_points = merge(n_points(side), 1, description%fraction_level > 0)
      if (description%fraction_level > 0) half%fraction_ratio = tables%pair_ratio(half%pair, description%fraction_level)
      half%fraction_row = size(fraction, 2)
      call file%get(prefix//half_name(side)//"_fraction", half%fraction_points*n_file_gpoints, values)
      if (allocated(file%problem)) return
      rows = 0
      do row = 1, half%fraction_points
        do g = 1, n_file_gpoints
          rows(group(g), row) = rows(group(g), row) + real(values((row - 1)*n_file_gpoints + g), wp)
        end do
      end do
      call append(fraction, tables%flux_weight(b)*rows(:tables%band(b)%chunks*lanes, :half%fraction_points))
    end subroutine read_fractions
  end subroutine read_band
end module radml_rrtmg_longwave_reader
