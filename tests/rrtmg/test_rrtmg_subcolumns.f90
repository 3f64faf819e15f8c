!> Subcolumns: the random numbers are Philox 4x32-10's, and a g-point's cloud does not depend on what else is asked for.
program test_rrtmg_subcolumns
  use, intrinsic :: iso_fortran_env, only: error_unit, int64, real64
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_subcolumns
  implicit none
  integer, parameter :: n_layers = 30, points = 140, overlaps(3) = &
    [rrtmg_overlap_maximum_random, rrtmg_overlap_random, rrtmg_overlap_maximum]
  integer(int64), parameter :: word = int(z"FFFFFFFF", int64)
  type(overlap_plan) :: plan
  real(real64) :: fraction(n_layers)
  real(wp) :: all_points(points, n_layers), some(17, n_layers), one(1, n_layers), other(points, n_layers)
  integer(int64) :: random(1, 4), many(21, 4), key(2)
  integer :: i, k, failures

  failures = 0

  ! The known answers published with the generator.
  call philox(1, [0_int64, 0_int64], [0_int64, 0_int64, 0_int64, 0_int64], random)
  call expect(all(random(1, :) == [int(z"6627E8D5", int64), int(z"E169C58D", int64), int(z"BC57AC4C", int64), &
                                   int(z"9B00DBD8", int64)]), "Philox of zeros")
  call philox(1, [word, word], [word, word, word, word], random)
  call expect(all(random(1, :) == [int(z"408F276D", int64), int(z"41C83B0E", int64), int(z"A20BC7C6", int64), &
                                   int(z"6D5451FD", int64)]), "Philox of ones")
  call philox(1, [int(z"A4093822", int64), int(z"299F31D0", int64)], &
              [int(z"243F6A88", int64), int(z"85A308D3", int64), int(z"13198A2E", int64), int(z"03707344", int64)], random)
  call expect(all(random(1, :) == [int(z"D16CFE09", int64), int(z"94FDCCEB", int64), int(z"5001E420", int64), &
                                   int(z"24126EA1", int64)]), "Philox of the digits of pi")

  key = [1_int64, 2_int64]
  call philox(21, key, [5_int64, 6_int64, 7_int64, 8_int64], many)
  do i = 1, 21
    call philox(1, key, [4_int64 + i, 6_int64, 7_int64, 8_int64], random)
    call expect(all(random(1, :) == many(i, :)), "counters one by one give the numbers of counters together")
  end do

  do k = 1, n_layers
    fraction(k) = max(0.0_real64, sin(real(k, real64))*cos(0.3_real64*k))
  end do
  key = seed_of_number(-5_int64)
  call expect(all(key >= 0) .and. all(key <= word), "any number makes a key")
  do i = 1, size(overlaps)
    call plan_overlap(n_layers, fraction, overlaps(i), plan)
    call fill_subcolumns(plan, n_layers, key, 3, longwave_stream, 1, points, all_points)
    call fill_subcolumns(plan, n_layers, key, 3, longwave_stream, 60, 17, some)
    call fill_subcolumns(plan, n_layers, key, 3, longwave_stream, points, 1, one)
    call expect(all(abs(some - all_points(60:76, :)) <= 0), "some g-points alone are those of all together")
    call expect(all(abs(one(1, :) - all_points(points, :)) <= 0), "one g-point alone is that of all together")
    call fill_subcolumns(plan, n_layers, key, 4, longwave_stream, 1, points, other)
    call expect(any(abs(other - all_points) > 0), "another draw is another")
    call fill_subcolumns(plan, n_layers, key, 3, shortwave_stream, 1, points, other)
    call expect(any(abs(other - all_points) > 0), "the shortwave draws its own")
    call fill_subcolumns(plan, n_layers, key + 1, 3, longwave_stream, 1, points, other)
    call expect(any(abs(other - all_points) > 0), "another seed draws others")
    do k = 1, n_layers
      if (fraction(k) <= 0) call expect(all(abs(all_points(:, k)) <= 0), "no cloud where there is none")
    end do
  end do

  call plan_overlap(n_layers, 0*fraction, rrtmg_overlap_maximum_random, plan)
  call expect(plan%top == 0, "a column without cloud is known as such")
  fraction = 0
  fraction(12) = 1
  call plan_overlap(n_layers, fraction, rrtmg_overlap_maximum_random, plan)
  call fill_subcolumns(plan, n_layers, key, 1, longwave_stream, 1, points, all_points)
  call expect(plan%top == 12 .and. all(abs(all_points(:, 12) - 1) <= 0) .and. abs(sum(all_points) - points) <= 0, &
              "an overcast layer is cloudy at every g-point")

  call expect(all(seed_of_column(101325.0_real64, 288.15_real64, [280.0_real64]) &
                  == seed_of_column(101325.2_real64, 288.1502_real64, [280.0001_real64])), &
              "rounding of the host's values draws nothing else")
  call expect(any(seed_of_column(101325.0_real64, 288.15_real64, [280.0_real64]) &
                  /= seed_of_column(101326.0_real64, 288.15_real64, [280.0_real64])), "another pressure draws others")
  call expect(any(seed_of_column(101325.0_real64, 288.15_real64, [280.0_real64]) &
                  /= seed_of_column(101325.0_real64, 288.15_real64, [280.1_real64])), "another temperature draws others")

  if (failures > 0) error stop 1

contains

  !> Note a failure under the test's name.
  subroutine expect(good, name)
    logical, intent(in) :: good           !! whether the test passed
    character(len=*), intent(in) :: name  !! what it shows

    if (good) return
    failures = failures + 1
    write (error_unit, "(a)") "failed: "//name
  end subroutine expect
end program test_rrtmg_subcolumns
