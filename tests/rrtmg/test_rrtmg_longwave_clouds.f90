!> A cloudy column's fluxes are the same to the last bit alone, in blocks, through sections and on many threads, with
!> floating-point exceptions trapped throughout; what does not go together is refused and nothing is touched.
program test_rrtmg_longwave_clouds
  use, intrinsic :: ieee_exceptions, only: ieee_set_halting_mode, ieee_usual
  use, intrinsic :: iso_fortran_env, only: error_unit, int64, real64
  use radml_rrtmg_longwave
  implicit none
  integer, parameter :: n_columns = 24, n_layers = 40, overlaps(4) = &
    [rrtmg_overlap_maximum_random, rrtmg_overlap_random, rrtmg_overlap_maximum, rrtmg_overlap_analytic]
  type(rrtmg_longwave) :: longwave
  character(len=4096) :: path
  character(len=:), allocatable :: message
  real(real64), dimension(n_columns, n_layers + 1) :: p_level, t_level, up, down, clear, block_up, block_down, block_clear, noise
  real(real64), dimension(n_columns, n_layers) :: p_layer, t_layer, h2o, o3, co2, ch4, n2o, o2, heating, block_heating, &
                                                  fraction, water, droplets, frozen, crystals
  real(real64) :: wide_up(2*n_columns, n_layers + 1), aerosol(n_columns, n_layers, 16), emissivities(n_columns, 16)
  real(real64), dimension(n_columns) :: t_surface, emissivity
  integer(int64), allocatable :: seed(:)
  integer :: i, k, o, stat, failures, pass

  call get_command_argument(1, path)
  call ieee_set_halting_mode(ieee_usual, .true.) ! as many host models do
  failures = 0
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
    do k = 1, n_layers
      fraction(i, k) = min(1.0_real64, max(0.0_real64, 1.5_real64*sin(0.7_real64*k + i)*cos(0.2_real64*k)))
      if (k < 12) fraction(i, k) = 0
    end do
  end do
  o3 = 1e-6_real64
  co2 = 4.2e-4_real64
  ch4 = 1.9e-6_real64
  n2o = 3.3e-7_real64
  o2 = 0.209_real64
  water = merge(0.02_real64, 0.0_real64, t_layer > 265)
  frozen = merge(0.01_real64, 0.0_real64, t_layer < 270)
  droplets = 1e-5_real64
  crystals = 4e-5_real64
  aerosol = 1e-3_real64
  emissivities = 0.95_real64

  do pass = 1, 2 ! without and with a seed: not allocated is absent
    if (pass == 2) seed = [(10_int64*i, i=1, n_columns)]
    do o = 1, size(overlaps)
      call fluxes_of_all(overlaps(o))
      call expect(stat == rrtmg_success, "columns with clouds are solved")
      call expect(all(up > 0 .and. up < 1000) .and. any(abs(up - clear) > 1), "clouds change the upward flux")
      call compare_blocks(overlaps(o))
    end do
  end do

  wide_up = -1
  call fluxes_of_all(rrtmg_overlap_maximum_random)
  call longwave%fluxes(p_level(n_columns:1:-1, :), t_level(n_columns:1:-1, :), p_layer(n_columns:1:-1, :), &
                       t_layer(n_columns:1:-1, :), h2o(n_columns:1:-1, :), o3(n_columns:1:-1, :), co2(n_columns:1:-1, :), &
                       ch4(n_columns:1:-1, :), n2o(n_columns:1:-1, :), o2(n_columns:1:-1, :), t_surface(n_columns:1:-1), &
                       emissivity(n_columns:1:-1), wide_up(2::2, :), block_down(n_columns:1:-1, :), block_heating, &
                       cloud_fraction=fraction(n_columns:1:-1, :), cloud_liquid_path=water(n_columns:1:-1, :), &
                       liquid_radius=droplets(n_columns:1:-1, :), cloud_ice_path=frozen(n_columns:1:-1, :), &
                       ice_radius=crystals(n_columns:1:-1, :), seed=seed(n_columns:1:-1), draws=3, &
                       aerosol_optical_depth=aerosol(n_columns:1:-1, :, :), band_emissivity=emissivities(n_columns:1:-1, :))
  call expect(all(abs(wide_up(2::2, :) - up(n_columns:1:-1, :)) <= 0) .and. all(abs(block_down - down) <= 0), &
              "sections with strides give the same bits")
  call expect(all(abs(wide_up(1::2, :) + 1) <= 0), "what lies between the elements of a section is left alone")

  ! Air without absorbers, cloud without water, fractions of 0 and 1 next to each other.
  h2o = 0
  o3 = 0
  co2 = 0
  ch4 = 0
  n2o = 0
  water = 0
  frozen = 0
  fraction(:, ::2) = 1
  fraction(:, 2::2) = 0
  do o = 1, size(overlaps)
    call fluxes_of_all(overlaps(o))
    call expect(stat == rrtmg_success, "clouds without water in air without absorbers trap nothing")
    longwave%original_tables = .true.
    call fluxes_of_all(overlaps(o))
    call expect(stat == rrtmg_success, "nor with the original's tables")
    longwave%original_tables = .false.
  end do

  up = -7
  call refuse(rrtmg_bad_arguments, "expected cloud_liquid_path and liquid_radius together", given=1)
  call refuse(rrtmg_bad_arguments, "clouds without water", given=2)
  call refuse(rrtmg_bad_arguments, "cloud_liquid_path without cloud_fraction", given=3)
  call refuse(rrtmg_bad_arguments, "overlap: expected one of the constants rrtmg_overlap_..., got 9", given=4)
  call refuse(rrtmg_bad_arguments, "ice_optics: expected rrtmg_ice_fu or rrtmg_ice_streamer, got 1", given=5)
  call refuse(rrtmg_bad_arguments, "draws: expected at least 1, got 0", given=6)
  call refuse(rrtmg_bad_shape, "cloud_fraction: expected (24, 40), got (24, 39)", given=7)
  call refuse(rrtmg_bad_shape, "seed: expected (24), got (23)", given=8)
  call refuse(rrtmg_bad_shape, "aerosol_optical_depth: expected (24, 40, 16), got (24, 40, 15)", given=9)
  call refuse(rrtmg_bad_shape, "band_emissivity: expected (24, 16), got (24, 14)", given=10)
  call refuse(rrtmg_bad_arguments, "expected cloud_fraction or subcolumns, got both", given=11)
  call refuse(rrtmg_bad_shape, "subcolumns: expected (24, 40, 140), got (24, 40, 139)", given=12)
  call refuse(rrtmg_bad_shape, "up_clear: expected (24, 41), got (24, 40)", given=13)

  if (failures > 0) error stop 1

contains

  !> All columns at once, three draws.
  subroutine fluxes_of_all(overlap)
    integer, intent(in) :: overlap !! one of the constants [1]

    call longwave%fluxes(p_level, t_level, p_layer, t_layer, h2o, o3, co2, ch4, n2o, o2, t_surface, emissivity, up, down, heating, &
                         cloud_fraction=fraction, cloud_liquid_path=water, liquid_radius=droplets, cloud_ice_path=frozen, &
                         ice_radius=crystals, overlap=overlap, seed=seed, draws=3, aerosol_optical_depth=aerosol, &
                         band_emissivity=emissivities, up_clear=clear, up_noise=noise, stat=stat, errmsg=message)
  end subroutine fluxes_of_all

  !> Single columns on threads, against all at once.
  subroutine compare_blocks(overlap)
    integer, intent(in) :: overlap !! one of the constants [1]
    integer :: c

    !$omp parallel do
    do c = 1, n_columns
      if (allocated(seed)) then
        call longwave%fluxes(p_level(c:c, :), t_level(c:c, :), p_layer(c:c, :), t_layer(c:c, :), h2o(c:c, :), o3(c:c, :), &
                             co2(c:c, :), ch4(c:c, :), n2o(c:c, :), o2(c:c, :), t_surface(c:c), emissivity(c:c), &
                             block_up(c:c, :), block_down(c:c, :), block_heating(c:c, :), cloud_fraction=fraction(c:c, :), &
                             cloud_liquid_path=water(c:c, :), liquid_radius=droplets(c:c, :), cloud_ice_path=frozen(c:c, :), &
                             ice_radius=crystals(c:c, :), overlap=overlap, draws=3, seed=seed(c:c), &
                             aerosol_optical_depth=aerosol(c:c, :, :), band_emissivity=emissivities(c:c, :), &
                             up_clear=block_clear(c:c, :))
      else
        call longwave%fluxes(p_level(c:c, :), t_level(c:c, :), p_layer(c:c, :), t_layer(c:c, :), h2o(c:c, :), o3(c:c, :), &
                             co2(c:c, :), ch4(c:c, :), n2o(c:c, :), o2(c:c, :), t_surface(c:c), emissivity(c:c), &
                             block_up(c:c, :), block_down(c:c, :), block_heating(c:c, :), cloud_fraction=fraction(c:c, :), &
                             cloud_liquid_path=water(c:c, :), liquid_radius=droplets(c:c, :), cloud_ice_path=frozen(c:c, :), &
                             ice_radius=crystals(c:c, :), overlap=overlap, draws=3, &
                             aerosol_optical_depth=aerosol(c:c, :, :), band_emissivity=emissivities(c:c, :), &
                             up_clear=block_clear(c:c, :))
      end if
    end do
    call expect(all(abs(block_up - up) <= 0) .and. all(abs(block_down - down) <= 0) .and. all(abs(block_clear - clear) <= 0) &
                .and. all(abs(block_heating - heating) <= 0), "single columns on threads give the same bits as all at once")
  end subroutine compare_blocks

  !> One call that must be refused, with nothing written.
  subroutine refuse(code, words, given)
    integer, intent(in) :: code            !! status that should come [1]
    character(len=*), intent(in) :: words  !! words that the message should hold
    integer, intent(in) :: given           !! which call [1]
    real(real64), dimension(n_columns, n_layers, 15) :: few_bands
    real(real64), dimension(n_columns, 14) :: few_emissivities
    logical :: few_points(n_columns, n_layers, 139), points(n_columns, n_layers, 140)
    integer(int64) :: few_seeds(n_columns - 1)

    few_bands = 0
    few_emissivities = 1
    few_points = .false.
    points = .false.
    few_seeds = 1
    stat = -1
    message = ""
    select case (given)
    case (1)
      call call_it(cloud=fraction, path=water)
    case (2)
      call call_it(cloud=fraction)
    case (3)
      call call_it(path=water, radius=droplets)
    case (4)
      call call_it(cloud=fraction, path=water, radius=droplets, overlap=9)
    case (5)
      call call_it(cloud=fraction, path=water, radius=droplets, optics=1)
    case (6)
      call call_it(cloud=fraction, path=water, radius=droplets, draws=0)
    case (7)
      call call_it(cloud=fraction(:, 2:), path=water, radius=droplets)
    case (8)
      call call_it(cloud=fraction, path=water, radius=droplets, seeds=few_seeds)
    case (9)
      call call_it(bands=few_bands)
    case (10)
      call call_it(surface=few_emissivities)
    case (11)
      call call_it(cloud=fraction, path=water, radius=droplets, mask=points)
    case (12)
      call call_it(path=water, radius=droplets, mask=few_points)
    case (13)
      call call_it(sky=block_clear(:, 2:))
    end select
    call expect(stat == code .and. index(message, words) > 0, words)
    call expect(all(abs(up + 7) <= 0), "a refused call writes nothing")
  end subroutine refuse

  !> `fluxes` with some of its arguments.
  subroutine call_it(cloud, path, radius, overlap, optics, draws, seeds, bands, surface, mask, sky)
    real(real64), optional, intent(in) :: cloud(:,:), path(:,:), radius(:,:)      !! [1], [kg m-2], [m] (ncol, nlay)
    integer, optional, intent(in) :: overlap, optics, draws                       !! [1]
    integer(int64), optional, intent(in) :: seeds(:)                              !! [1] (ncol)
    real(real64), optional, intent(in) :: bands(:,:,:), surface(:,:)              !! [1] (ncol, nlay, band), (ncol, band)
    logical, optional, intent(in) :: mask(:,:,:)                                  !! [1] (ncol, nlay, g-point)
    real(real64), optional, intent(inout) :: sky(:,:)                             !! [W m-2] (ncol, nlay+1)

    call longwave%fluxes(p_level, t_level, p_layer, t_layer, h2o, o3, co2, ch4, n2o, o2, t_surface, emissivity, up, down, heating, &
                         cloud_fraction=cloud, cloud_liquid_path=path, liquid_radius=radius, overlap=overlap, ice_optics=optics, &
                         draws=draws, seed=seeds, aerosol_optical_depth=bands, band_emissivity=surface, subcolumns=mask, &
                         up_clear=sky, stat=stat, errmsg=message)
  end subroutine call_it

  !> Note a failure under the test's name.
  subroutine expect(good, name)
    logical, intent(in) :: good           !! whether the test passed
    character(len=*), intent(in) :: name  !! what it shows

    if (good) return
    failures = failures + 1
    write (error_unit, "(a)") "failed: "//name
    if (allocated(message)) write (error_unit, "(a)") "  last message: "//message
  end subroutine expect
end program test_rrtmg_longwave_clouds
