!> A column's fluxes are the same to the last bit alone, in blocks, through array sections and on many threads, with
!> floating-point exceptions trapped throughout.
program test_rrtmg_longwave_blocks
  use, intrinsic :: ieee_exceptions, only: ieee_set_halting_mode, ieee_usual
  use, intrinsic :: iso_fortran_env, only: error_unit, real64
  use radml_rrtmg_longwave
  implicit none
  integer, parameter :: n_columns = 24, n_layers = 40
  type(rrtmg_longwave) :: longwave
  character(len=4096) :: path
  character(len=:), allocatable :: message
  real(real64), dimension(n_columns, n_layers + 1) :: p_level, t_level, up, down, block_up, block_down
  real(real64), dimension(n_columns, n_layers) :: p_layer, t_layer, h2o, o3, co2, ch4, n2o, o2, heating, block_heating
  real(real64) :: wide_up(2*n_columns, n_layers + 1)
  real(real64), dimension(n_columns) :: t_surface, emissivity
  integer :: i, k, stat, failures

  call get_command_argument(1, path)
  call ieee_set_halting_mode(ieee_usual, .true.) ! as many host models do
  failures = 0

  call longwave%fluxes(p_level, t_level, p_layer, t_layer, h2o, o3, co2, ch4, n2o, o2, t_surface, emissivity, &
                       up, down, heating, stat=stat, errmsg=message)
  call expect(stat == rrtmg_not_loaded .and. index(message, "call load first") > 0, "an object that is not loaded is refused")
  call longwave%load("nowhere.nc", stat=stat, errmsg=message)
  call expect(stat == rrtmg_bad_tables .and. index(message, "nowhere.nc") > 0, "a missing table file is named")
  call longwave%load(trim(path), stat=stat, errmsg=message)
  call expect(stat == rrtmg_success, "the table file loads")

  do i = 1, n_columns
    do k = 1, n_layers + 1
      p_level(i, k) = 101325*(real(k - 1, real64)/n_layers)**3
      t_level(i, k) = 200 + 80*real(k, real64)/n_layers + i
    end do
    p_layer(i, :) = 0.5_real64*(p_level(i, :n_layers) + p_level(i, 2:))
    t_layer(i, :) = 0.5_real64*(t_level(i, :n_layers) + t_level(i, 2:))
    t_surface(i) = t_level(i, n_layers + 1) + 2
    emissivity(i) = 0.9_real64 + 0.1_real64*real(i, real64)/n_columns
    h2o(i, :) = 1e-2_real64*(p_layer(i, :)/101325)**3 + 4e-6_real64
  end do
  o3 = 1e-6_real64
  co2 = 4.2e-4_real64
  ch4 = 1.9e-6_real64
  n2o = 3.3e-7_real64
  o2 = 0.209_real64

  call longwave%fluxes(p_level, t_level, p_layer, t_layer, h2o, o3, co2, ch4, n2o, o2, t_surface, emissivity, &
                       up, down, heating, stat=stat, errmsg=message)
  call expect(stat == rrtmg_success, "columns with the top level at 0 Pa are solved")
  call expect(all(abs(down(:, 1)) <= 0), "nothing comes down from space")
  call expect(all(up > 0 .and. up < 1000), "upward fluxes are those of an atmosphere")

  !$omp parallel do
  do i = 1, n_columns
    call longwave%fluxes(p_level(i:i, :), t_level(i:i, :), p_layer(i:i, :), t_layer(i:i, :), h2o(i:i, :), o3(i:i, :), co2(i:i, :), &
                         ch4(i:i, :), n2o(i:i, :), o2(i:i, :), t_surface(i:i), emissivity(i:i), &
                         block_up(i:i, :), block_down(i:i, :), block_heating(i:i, :))
  end do
  call expect(all(abs(block_up - up) <= 0) .and. all(abs(block_down - down) <= 0) .and. all(abs(block_heating - heating) <= 0), &
              "single columns on threads give the same bits as all at once")

  wide_up = -1
  call longwave%fluxes(p_level(n_columns:1:-1, :), t_level(n_columns:1:-1, :), p_layer(n_columns:1:-1, :), &
                       t_layer(n_columns:1:-1, :), h2o(n_columns:1:-1, :), o3(n_columns:1:-1, :), co2(n_columns:1:-1, :), &
                       ch4(n_columns:1:-1, :), n2o(n_columns:1:-1, :), o2(n_columns:1:-1, :), t_surface(n_columns:1:-1), &
                       emissivity(n_columns:1:-1), wide_up(2::2, :), block_down(n_columns:1:-1, :), block_heating)
  call expect(all(abs(wide_up(2::2, :) - up(n_columns:1:-1, :)) <= 0) .and. all(abs(block_down - down) <= 0), &
              "sections with strides give the same bits")
  call expect(all(abs(wide_up(1::2, :) + 1) <= 0), "what lies between the elements of a section is left alone")

  o3 = 0
  co2 = 0
  ch4 = 0
  n2o = 0
  h2o = 0
  call longwave%fluxes(p_level, 0*t_level + 100, p_layer, 0*t_layer + 400, h2o, o3, co2, ch4, n2o, o2, t_surface, emissivity, &
                       up, down, heating, stat=stat, errmsg=message)
  call expect(stat == rrtmg_success, "air without absorbers at the ends of the temperature range traps nothing")

  call longwave%fluxes(p_level, t_level, p_layer, t_layer(:, 2:), h2o, o3, co2, ch4, n2o, o2, t_surface, emissivity, &
                       up, down, heating, stat=stat, errmsg=message)
  call expect(stat == rrtmg_bad_shape .and. index(message, "temperature_layer: expected (24, 40), got (24, 39)") > 0, &
              "an array of the wrong shape is named with both shapes")

  if (failures > 0) error stop 1

contains

  !> Note a failure under the test's name.
  subroutine expect(good, name)
    logical, intent(in) :: good           !! whether the test passed
    character(len=*), intent(in) :: name  !! what it shows

    if (good) return
    failures = failures + 1
    write (error_unit, "(a)") "failed: "//name
    if (allocated(message)) write (error_unit, "(a)") "  last message: "//message
  end subroutine expect
end program test_rrtmg_longwave_blocks
