!> A column's fluxes are the same to the last bit alone, in blocks, through array sections and on many threads, with
!> floating-point exceptions trapped throughout; and a call that is refused has touched no output.
program test_rrtmg_shortwave_blocks
  use, intrinsic :: ieee_exceptions, only: ieee_set_halting_mode, ieee_usual
  use, intrinsic :: iso_fortran_env, only: error_unit, int64, real64
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_shortwave
  implicit none
  integer, parameter :: n_columns = 24, n_layers = 40
  real(real64), parameter :: rounding = merge(1e-9_real64, 1e-3_real64, wp == real64) !! of fluxes [W m-2]
  type(rrtmg_shortwave) :: shortwave
  character(len=4096) :: path
  character(len=:), allocatable :: message
  real(real64), dimension(n_columns, n_layers + 1) :: p_level, up, down, direct, block_up, block_down, block_direct
  real(real64), dimension(n_columns, n_layers) :: p_layer, t_layer, h2o, o3, co2, ch4, o2, heating, block_heating
  real(real64), dimension(n_columns, n_layers, rrtmg_shortwave_bands) :: depth, albedo, asymmetry
  real(real64) :: wide_up(2*n_columns, n_layers + 1)
  real(real64), dimension(n_columns, n_layers) :: fraction, liquid_path, ice_path, liquid_radius, ice_radius
  real(real64), dimension(n_columns, 4) :: surface, block_surface
  real(real64), dimension(n_columns) :: cosine, sun, visible, visible_diffuse, infrared, infrared_diffuse
  integer :: i, k, stat, failures

  call get_command_argument(1, path)
  call ieee_set_halting_mode(ieee_usual, .true.) ! as many host models do
  failures = 0

  do i = 1, n_columns
    do k = 1, n_layers + 1
      p_level(i, k) = 101325*(real(k - 1, real64)/n_layers)**3
    end do
    p_layer(i, :) = 0.5_real64*(p_level(i, :n_layers) + p_level(i, 2:))
    t_layer(i, :) = [(200 + 80*real(k, real64)/n_layers + i, k=1, n_layers)]
    h2o(i, :) = 1e-2_real64*(p_layer(i, :)/101325)**3 + 4e-6_real64
    cosine(i) = real(i - 4, real64)/(n_columns - 4) ! the first four columns have night
    visible(i) = real(i, real64)/(n_columns + 1)
    depth(i, :, :) = merge(0.01_real64*i, 0.0_real64, mod(i, 3) == 0)
  end do
  o3 = 1e-6_real64
  co2 = 4.2e-4_real64
  ch4 = 1.9e-6_real64
  o2 = 0.209_real64
  sun = 1361
  visible_diffuse = 0.5_real64*visible
  infrared = 0.3_real64
  infrared_diffuse = 0.4_real64
  albedo = 0.9_real64
  asymmetry = 0.7_real64
  up = -1
  down = -1
  direct = -1
  heating = -1

  call solve(stat)
  call expect(stat == rrtmg_not_loaded .and. index(message, "call load first") > 0, "an object that is not loaded is refused")
  call shortwave%load("nowhere.nc", stat=stat, errmsg=message)
  call expect(stat == rrtmg_bad_tables .and. index(message, "nowhere.nc") > 0, "a missing table file is named")
  call shortwave%load(trim(path), stat=stat, errmsg=message)
  call expect(stat == rrtmg_success, "the table file loads")
  p_level(n_columns, n_layers + 1) = 3e5_real64
  call solve(stat)
  call expect(stat == rrtmg_bad_value .and. index(message, "pressure_level of column 24") > 0, "a wrong pressure is refused")
  call expect(all(abs(up + 1) <= 0) .and. all(abs(down + 1) <= 0) .and. all(abs(direct + 1) <= 0) .and. &
              all(abs(heating + 1) <= 0), "calls that are refused have touched no output")
  p_level(n_columns, n_layers + 1) = 101325

  call solve(stat)
  call expect(stat == rrtmg_success, "columns with the top level at 0 Pa are solved")
  call expect(all(abs(up(:4, :)) <= 0) .and. all(abs(down(:4, :)) <= 0) .and. all(abs(direct(:4, :)) <= 0) .and. &
              all(abs(heating(:4, :)) <= 0), "night is exactly zero")
  call expect(all(up(5:, :) > 0) .and. all(down(5:, :) > 0) .and. all(direct(5:, 1) > 0), "by day there is light at every level")

  !$omp parallel do
  do i = 1, n_columns
    call shortwave%fluxes(p_level(i:i, :), p_layer(i:i, :), t_layer(i:i, :), h2o(i:i, :), o3(i:i, :), co2(i:i, :), ch4(i:i, :), &
                          o2(i:i, :), cosine(i:i), sun(i:i), visible(i:i), visible_diffuse(i:i), infrared(i:i), &
                          infrared_diffuse(i:i), block_up(i:i, :), block_down(i:i, :), block_heating(i:i, :), &
                          block_direct(i:i, :), depth(i:i, :, :), albedo(i:i, :, :), asymmetry(i:i, :, :))
  end do
  call expect(all(abs(block_up - up) <= 0) .and. all(abs(block_down - down) <= 0) .and. &
              all(abs(block_direct - direct) <= 0) .and. all(abs(block_heating - heating) <= 0), &
              "single columns on threads give the same bits as all at once")

  wide_up = -1
  call shortwave%fluxes(p_level(n_columns:1:-1, :), p_layer(n_columns:1:-1, :), t_layer(n_columns:1:-1, :), &
                        h2o(n_columns:1:-1, :), o3(n_columns:1:-1, :), co2(n_columns:1:-1, :), ch4(n_columns:1:-1, :), &
                        o2(n_columns:1:-1, :), cosine(n_columns:1:-1), sun(n_columns:1:-1), visible(n_columns:1:-1), &
                        visible_diffuse(n_columns:1:-1), infrared(n_columns:1:-1), infrared_diffuse(n_columns:1:-1), &
                        wide_up(2::2, :), block_down(n_columns:1:-1, :), block_heating, &
                        aerosol_optical_depth=depth(n_columns:1:-1, :, :), &
                        aerosol_single_scattering_albedo=albedo(n_columns:1:-1, :, :), &
                        aerosol_asymmetry=asymmetry(n_columns:1:-1, :, :))
  call expect(all(abs(wide_up(2::2, :) - up(n_columns:1:-1, :)) <= 0) .and. all(abs(block_down - down) <= 0), &
              "sections with strides give the same bits, with and without the direct flux")
  call expect(all(abs(wide_up(1::2, :) + 1) <= 0), "what lies between the elements of a section is left alone")

  call shortwave%fluxes(p_level, p_layer, t_layer, h2o, o3, co2, ch4, o2, cosine, sun, visible, visible_diffuse, infrared, &
                        infrared_diffuse, block_up, block_down, block_heating)
  depth = 0
  call solve(stat)
  call expect(all(abs(block_up - up) <= 0) .and. all(abs(block_down - down) <= 0), &
              "aerosol of no depth is no aerosol, to the last bit")

  depth = merge(0.01_real64, 0.0_real64, albedo > 0)
  do k = 1, n_layers
    fraction(:, k) = [(merge(mod(0.13_real64*i*k, 1.0_real64), 0.0_real64, k > 15 .and. mod(k/4, 2) == 0), i=1, n_columns)]
  end do
  liquid_path = merge(0.05_real64, 0.0_real64, t_layer > 260)
  ice_path = merge(0.02_real64, 0.0_real64, t_layer < 270)
  liquid_radius = 1e-5_real64
  ice_radius = 4e-5_real64
  call solve_cloudy([(int(i, int64), i=1, n_columns)], stat)
  call expect(stat == rrtmg_success .and. any(abs(block_up - up) > 1), "clouds are solved and count")
  !$omp parallel do
  do i = 1, n_columns
    call shortwave%fluxes(p_level(i:i, :), p_layer(i:i, :), t_layer(i:i, :), h2o(i:i, :), o3(i:i, :), co2(i:i, :), ch4(i:i, :), &
                          o2(i:i, :), cosine(i:i), sun(i:i), visible(i:i), visible_diffuse(i:i), infrared(i:i), &
                          infrared_diffuse(i:i), block_up(i:i, :), block_down(i:i, :), block_heating(i:i, :), &
                          block_direct(i:i, :), depth(i:i, :, :), albedo(i:i, :, :), asymmetry(i:i, :, :), fraction(i:i, :), &
                          liquid_path(i:i, :), liquid_radius(i:i, :), ice_path(i:i, :), ice_radius(i:i, :), draws=3, &
                          seed=[int(i, int64)], surface_visible_direct=block_surface(i:i, 1), &
                          surface_visible_diffuse=block_surface(i:i, 2), surface_near_infrared_direct=block_surface(i:i, 3), &
                          surface_near_infrared_diffuse=block_surface(i:i, 4))
  end do
  call expect(all(abs(block_up - up) <= 0) .and. all(abs(block_down - down) <= 0) .and. all(abs(block_direct - direct) <= 0) .and. &
              all(abs(block_heating - heating) <= 0) .and. all(abs(block_surface - surface) <= 0), &
              "cloudy columns alone on threads give the same bits as all at once")
  call expect(all(abs(sum(surface, 2) - down(:, n_layers + 1)) < rounding), "the parts of the surface's light add up")

  ! The ends of all ranges at once, by day.
  h2o = 0
  o3 = 0
  co2 = 0
  ch4 = 0
  o2 = 0
  t_layer(:, ::2) = 100
  t_layer(:, 2::2) = 400
  cosine = 1e-300_real64
  cosine(::2) = 1
  visible = 1
  visible_diffuse = 1
  infrared = 1
  infrared_diffuse = 1
  depth = 1e4_real64
  depth(::3, :, :) = 0
  albedo = 1
  asymmetry = 1
  asymmetry(::5, :, :) = 0
  call solve(stat)
  call expect(stat == rrtmg_success .and. all(down >= 0) .and. all(up >= 0), "the ends of all ranges trap nothing")
  fraction = 1
  liquid_path = 1000
  ice_path = 1000
  liquid_radius = 2.5e-6_real64
  ice_radius = 9e-5_real64
  call solve_cloudy([(int(i, int64), i=1, n_columns)], stat)
  call expect(stat == rrtmg_success .and. all(down >= 0) .and. all(up >= 0), "nor does as much cloud as there can be")

  call shortwave%fluxes(p_level, p_layer, t_layer(:, 2:), h2o, o3, co2, ch4, o2, cosine, sun, visible, visible_diffuse, infrared, &
                        infrared_diffuse, up, down, heating, stat=stat, errmsg=message)
  call expect(stat == rrtmg_bad_shape .and. index(message, "temperature_layer: expected (24, 40), got (24, 39)") > 0, &
              "an array of the wrong shape is named with both shapes")
  call shortwave%fluxes(p_level, p_layer, t_layer, h2o, o3, co2, ch4, o2, cosine(2:), sun, visible, visible_diffuse, infrared, &
                        infrared_diffuse, up, down, heating, stat=stat, errmsg=message)
  call expect(stat == rrtmg_bad_shape .and. index(message, "cos_zenith: expected (24), got (23)") > 0, &
              "an array of one value per column, too")
  call shortwave%fluxes(p_level, p_layer, t_layer, h2o, o3, co2, ch4, o2, cosine, sun, visible, visible_diffuse, infrared, &
                        infrared_diffuse, up, down, heating, aerosol_optical_depth=depth, stat=stat, errmsg=message)
  call expect(stat == rrtmg_bad_arguments .and. index(message, "got only some") > 0, "a part of the aerosol is refused")
  call shortwave%fluxes(p_level, p_layer, t_layer, h2o, o3, co2, ch4, o2, cosine, sun, visible, visible_diffuse, infrared, &
                        infrared_diffuse, up, down, heating, aerosol_optical_depth=depth(:, :, 2:), &
                        aerosol_single_scattering_albedo=albedo, aerosol_asymmetry=asymmetry, stat=stat, errmsg=message)
  call expect(stat == rrtmg_bad_shape .and. index(message, "aerosol_optical_depth: expected (24, 40, 14), got (24, 40, 13)") > 0, &
              "aerosol has the shortwave's bands")

  if (failures > 0) error stop 1

contains

  !> All columns at once, with clouds.
  subroutine solve_cloudy(seed, code)
    integer(int64), intent(in) :: seed(:) !! of the columns [1] (ncol)
    integer, intent(out) :: code          !! status [1]

    call shortwave%fluxes(p_level, p_layer, t_layer, h2o, o3, co2, ch4, o2, cosine, sun, visible, visible_diffuse, infrared, &
                          infrared_diffuse, up, down, heating, direct, depth, albedo, asymmetry, fraction, liquid_path, &
                          liquid_radius, ice_path, ice_radius, draws=3, seed=seed, surface_visible_direct=surface(:, 1), &
                          surface_visible_diffuse=surface(:, 2), surface_near_infrared_direct=surface(:, 3), &
                          surface_near_infrared_diffuse=surface(:, 4), stat=code, errmsg=message)
  end subroutine solve_cloudy

  !> All columns at once, with everything that is optional.
  subroutine solve(code)
    integer, intent(out) :: code !! status [1]

    call shortwave%fluxes(p_level, p_layer, t_layer, h2o, o3, co2, ch4, o2, cosine, sun, visible, visible_diffuse, infrared, &
                          infrared_diffuse, up, down, heating, direct, depth, albedo, asymmetry, stat=code, errmsg=message)
  end subroutine solve

  !> Note a failure under the test's name.
  subroutine expect(good, name)
    logical, intent(in) :: good           !! whether the test passed
    character(len=*), intent(in) :: name  !! what it shows

    if (good) return
    failures = failures + 1
    write (error_unit, "(a)") "failed: "//name
    if (allocated(message)) write (error_unit, "(a)") "  last message: "//message
  end subroutine expect
end program test_rrtmg_shortwave_blocks
