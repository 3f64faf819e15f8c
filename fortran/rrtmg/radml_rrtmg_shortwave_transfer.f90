!> Radiative transfer through one column in the shortwave, a block of g-points at a time: two-stream layers, added up.
!>
!> From the ground up, the reflectance and transmittance of each layer (practical improved flux method; Zdunkowski et al. 1980,
!> Meador and Weaver 1980) are joined with the reflectance of all below it. Depths come in delta-scaled (Joseph et al. 1976);
!> the direct flux that comes out is that of unscaled depths.
!> From the top down, the direct and the diffuse flux then follow from one recurrence without division.
!> Fluxes are kept by vector lane until all blocks are done. No checks here: the front door has made them.
module radml_rrtmg_shortwave_transfer
  use radml_rrtmg_kinds, only: wp
  use radml_rrtmg_rows, only: lanes
  use radml_rrtmg_shortwave_bands, only: n_gpoints
  use radml_rrtmg_shortwave_tables, only: n_lookup, pade, row_length, shortwave_tables
  implicit none
  private

  public :: down_through_block, up_through_block, up_through_block_original

  integer, parameter, public :: block_size = 2*lanes              !! g-points of a block: two registers, so that one waits for none
  integer, parameter, public :: n_blocks = n_gpoints/block_size   !! blocks of all g-points

  !> Above this single-scattering albedo a layer is one that does not absorb to the original.
  real(wp), parameter :: conservative = 0.9999995_wp
  !> Here it is so below this ratio of absorption to scattering, where neglect costs as little as cancellation would.
  real(wp), parameter :: hardly_absorbing = 1e-9_wp
  !> Least optical depth of a layer, so that its inverse exists.
  real(wp), parameter :: nothing = 1e-30_wp
  !> Beyond this optical depth transmittance is below 1e-20, the original's floor.
  real(wp), parameter :: thick = 46.0_wp
  !> The solution has a removable singularity where the sun's secant equals the diffuse extinction; this near to it the secant
  !> is moved away, by what costs no more than the cancellation there.
  real(wp), parameter :: singular = 4*sqrt(epsilon(1.0_wp))

  ! exp(-x) = exp(-x/128)**128: seven squarings and a Taylor series about the middle of the range, good to 1e-14 everywhere (the
  ! difference of two such numbers is a thin layer's absorption); no integer arithmetic, so that any compiler makes vector code.
  real(wp), parameter :: middle = 0.5_wp*thick/128
  real(wp), parameter :: c0 = exp(-middle)
  real(wp), parameter :: c1 = -c0, c2 = c0/2, c3 = -c0/6, c4 = c0/24, c5 = -c0/120, c6 = c0/720, c7 = -c0/5040, &
                         c8 = c0/40320, c9 = -c0/362880, c10 = c0/3628800, c11 = -c0/39916800

contains

  !> Upward from the ground through all layers, with exact exponentials. Arrays of g-points begin with the block's first.
  !>
  !> The original takes the formula for layers that do not absorb where the albedo before delta scaling is nearly one. It infers
  !> that albedo as if the asymmetry came of g/(1+g), which is below a half. Fu's crystals have more in two near-infrared bands:
  !> what it infers is then too large, up to more than one, and ice that absorbs strongly is taken for ice that does not.
  pure subroutine up_through_block(n, absorbing_ice, cosine, absorption, scattering, forward, unscaled, symmetric, albedo_direct, &
                                   albedo_diffuse, beam, passed, scattered, bright, dull, true_beam)
    integer, intent(in) :: n                                      !! layers [1]
    logical, intent(in) :: absorbing_ice                          !! do not follow the original in this
    real(wp), intent(in) :: cosine                                !! cosine of the solar zenith angle, positive [1]
    real(wp), intent(in) :: absorption(row_length, n)             !! vertical depth of absorption [1] (g-point, nlay)
    real(wp), intent(in) :: scattering(row_length, n)             !! depth of scattering, delta-scaled (g-point, nlay)
    real(wp), intent(in) :: forward(row_length, n)                !! the latter times asymmetry [1] (g-point, nlay)
    real(wp), intent(in) :: unscaled(row_length, n)               !! depth of extinction before scaling [1] (g-point, nlay)
    logical, intent(in) :: symmetric(n)                           !! nothing has an asymmetry there: `forward` and `unscaled`
                                                                  !! are not looked at (nlay)
    real(wp), intent(in) :: albedo_direct(block_size)             !! albedo of the surface for the direct beam [1] (g-point)
    real(wp), intent(in) :: albedo_diffuse(block_size)            !! and for diffuse light [1] (g-point)
    real(wp), intent(inout) :: beam(block_size, n)                !! transmittance for the direct beam [1] (g-point, nlay)
    real(wp), intent(inout) :: passed(block_size, n)              !! diffuse light below per diffuse light above (g-point, nlay)
    real(wp), intent(inout) :: scattered(block_size, n)           !! diffuse light below per direct beam above (g-point, nlay)
    real(wp), intent(inout) :: bright(block_size, n + 1)          !! reflectance for the beam of all below (g-point, nlay+1)
    real(wp), intent(inout) :: dull(block_size, n + 1)            !! reflectance for diffuse light of all below (g-point, nlay+1)
    real(wp), intent(inout) :: true_beam(block_size, n)           !! `beam` unscaled, where not all are symmetric (g-point, nlay)
    real(wp), dimension(block_size) :: asymmetry, r_beam, r_diffuse
    real(wp) :: secant, a, s, depth, w, absorbed, gamma1, gamma2, gamma3, gamma4, alpha1, alpha2, k, kmu, x, y, e, e2, b, &
                root, plus, minus, denominator, inverse, total, r, t, rd, td, z, p
    logical :: pure_scattering, all_symmetric, taken_for_pure(block_size)
    integer :: g, j

    all_symmetric = all(symmetric)
    secant = 1/cosine
    r_beam = albedo_direct
    r_diffuse = albedo_diffuse
    bright(:, n + 1) = r_beam
    dull(:, n + 1) = r_diffuse
    taken_for_pure = .false.
    do j = n, 1, -1
      if (symmetric(j)) then
        asymmetry = 0
        taken_for_pure = .false.
      else
        asymmetry = forward(:block_size, j)/max(scattering(:block_size, j), nothing)
        true_beam(:, j) = exp(-min(secant*unscaled(:block_size, j), thick))
        if (.not. absorbing_ice) then
          do g = 1, block_size
            x = max(absorption(g, j), 0.0_wp)*asymmetry(g)**2
            y = (1 - asymmetry(g))**2
            z = (max(absorption(g, j), 0.0_wp) + scattering(g, j))*y - x ! over y: what its albedo is divided by
            taken_for_pure(g) = asymmetry(g) > 0.5_wp .and. z > 0 .and. scattering(g, j)*y >= conservative*z
          end do
        end if
      end if
      !$omp simd private(a, s, depth, w, absorbed, gamma1, gamma2, gamma3, gamma4, alpha1, alpha2, k, kmu, x, y, e, e2, b, root) &
      !$omp private(plus, minus, denominator, inverse, total, r, t, rd, td, z, p, pure_scattering)
      do g = 1, block_size
        a = max(absorption(g, j), 0.0_wp) ! beyond its ends a table can give less than nothing
        s = scattering(g, j)
        depth = max(a + s, nothing) ! a scatterer that only scatters forward leaves none
        pure_scattering = a <= hardly_absorbing*s .or. taken_for_pure(g)
        p = 1/depth
        w = s*p
        ! The floor is for the formula that is not used where hardly anything is absorbed: the compiler divides all the same.
        absorbed = max(a*p, 0.1_wp*hardly_absorbing)

        gamma1 = 2 - w*(1.25_wp + 0.75_wp*asymmetry(g))
        gamma2 = 0.75_wp*w*(1 - asymmetry(g))
        gamma3 = 0.5_wp - 0.75_wp*asymmetry(g)*cosine
        gamma4 = 1 - gamma3
        alpha1 = gamma1*gamma4 + gamma2*gamma3
        alpha2 = gamma1*gamma3 + gamma2*gamma4
        ! (gamma1 - gamma2)(gamma1 + gamma2) without the difference.
        k = sqrt(2*absorbed*(2 - w*(0.5_wp + 1.5_wp*asymmetry(g))))
        kmu = k*cosine
        kmu = merge(merge(1 - singular, 1 + singular, kmu < 1), kmu, abs(1 - kmu) < singular)
        k = kmu*secant

        x = min(k*depth, thick)
        y = x*(1.0_wp/128) - middle
        e = c0 + y*(c1 + y*(c2 + y*(c3 + y*(c4 + y*(c5 + y*(c6 + y*(c7 + y*(c8 + y*(c9 + y*(c10 + y*c11))))))))))
        e = e*e
        e = e*e
        e = e*e
        e = e*e
        e = e*e
        e = e*e
        e = e*e
        x = min(depth*secant, thick)
        y = x*(1.0_wp/128) - middle
        b = c0 + y*(c1 + y*(c2 + y*(c3 + y*(c4 + y*(c5 + y*(c6 + y*(c7 + y*(c8 + y*(c9 + y*(c10 + y*c11))))))))))
        b = b*b
        b = b*b
        b = b*b
        b = b*b
        b = b*b
        b = b*b
        b = b*b
        e2 = e*e

        root = 1 - kmu*kmu
        plus = 1 + kmu
        minus = 1 - kmu
        denominator = root*((k + gamma1) + (k - gamma1)*e2)
        ! Without absorption the layer is a linear function of its depth; the same division serves both.
        total = gamma1*depth
        inverse = 1/merge(1 + total, denominator, pure_scattering)
        r = merge(total - (gamma1*cosine - gamma3)*(1 - b), &
                  w*(minus*(alpha2 + k*gamma3) - plus*(alpha2 - k*gamma3)*e2 - 2*k*(gamma3 - alpha2*cosine)*e*b), &
                  pure_scattering)*inverse
        t = merge(1 - b - r, &
                  w*(2*k*(gamma4 + alpha1*cosine)*e - b*(plus*(alpha1 + k*gamma4) - minus*(alpha1 - k*gamma4)*e2))*inverse, &
                  pure_scattering)
        rd = merge(total, gamma2*root*(1 - e2), pure_scattering)*inverse
        td = merge(1.0_wp, 2*k*root*e, pure_scattering)*inverse

        z = 1/(1 - rd*r_diffuse(g))
        beam(g, j) = b
        passed(g, j) = td*z
        scattered(g, j) = (t + b*r_beam(g)*rd)*z
        r_beam(g) = r + td*z*(t*r_diffuse(g) + b*r_beam(g))
        r_diffuse(g) = rd + td*z*td*r_diffuse(g)
        bright(g, j) = r_beam(g)
        dull(g, j) = r_diffuse(g)
      end do
      if (symmetric(j) .and. .not. all_symmetric) true_beam(:, j) = beam(:, j)
    end do
  end subroutine up_through_block

  !> The same with the original's transmittance table and its own steps, for tests against it.
  pure subroutine up_through_block_original(tables, n, cosine, absorption, scattering, forward, unscaled, symmetric, &
                                            albedo_direct, albedo_diffuse, beam, passed, scattered, bright, dull, true_beam)
    type(shortwave_tables), intent(in) :: tables                  !! coefficient tables
    integer, intent(in) :: n                                      !! layers [1]
    real(wp), intent(in) :: cosine                                !! cosine of the solar zenith angle, positive [1]
    real(wp), intent(in) :: absorption(row_length, n)             !! vertical depth of absorption [1] (g-point, nlay)
    real(wp), intent(in) :: scattering(row_length, n)             !! depth of scattering, delta-scaled (g-point, nlay)
    real(wp), intent(in) :: forward(row_length, n)                !! the latter times asymmetry [1] (g-point, nlay)
    real(wp), intent(in) :: unscaled(row_length, n)               !! depth of extinction before scaling [1] (g-point, nlay)
    logical, intent(in) :: symmetric(n)                           !! nothing has an asymmetry there: `forward` and `unscaled`
                                                                  !! are not looked at (nlay)
    real(wp), intent(in) :: albedo_direct(block_size)             !! albedo of the surface for the direct beam [1] (g-point)
    real(wp), intent(in) :: albedo_diffuse(block_size)            !! and for diffuse light [1] (g-point)
    real(wp), intent(inout) :: beam(block_size, n)                !! transmittance for the direct beam [1] (g-point, nlay)
    real(wp), intent(inout) :: passed(block_size, n)              !! diffuse light below per diffuse light above (g-point, nlay)
    real(wp), intent(inout) :: scattered(block_size, n)           !! diffuse light below per direct beam above (g-point, nlay)
    real(wp), intent(inout) :: bright(block_size, n + 1)          !! reflectance for the beam of all below (g-point, nlay+1)
    real(wp), intent(inout) :: dull(block_size, n + 1)            !! reflectance for diffuse light of all below (g-point, nlay+1)
    real(wp), intent(inout) :: true_beam(block_size, n)           !! `beam` without delta scaling (g-point, nlay)
    real(wp), parameter :: nearly_zero = 1e-8_wp
    real(wp) :: a, s, depth, w, asymmetry, gamma1, gamma2, gamma3, gamma4, alpha1, alpha2, k, kmu, e, b, root, denominator, &
                r, t, rd, td, z
    integer :: g, j

    bright(:, n + 1) = albedo_direct
    dull(:, n + 1) = albedo_diffuse
    do j = n, 1, -1
      do g = 1, block_size
        a = absorption(g, j)
        s = scattering(g, j)
        if (symmetric(j)) then
          asymmetry = 0
          true_beam(g, j) = transmittance((a + s)/cosine)
        else
          asymmetry = forward(g, j)/max(s, nothing)
          true_beam(g, j) = transmittance(unscaled(g, j)/cosine)
        end if
        depth = max(a + s, nothing) ! a scatterer that only scatters forward leaves none
        w = s/depth
        gamma1 = 0.25_wp*(8 - w*(5 + 3*asymmetry))
        gamma2 = 0.75_wp*(w*(1 - asymmetry))
        gamma3 = 0.25_wp*(2 - 3*asymmetry*cosine)
        gamma4 = 1 - gamma3
        b = transmittance(depth/cosine)
        ! The albedo before delta scaling, if the asymmetry came of it: see `up_through_block`.
        z = 1 - (1 - w)*(asymmetry/(1 - asymmetry))**2
        if (z > 0 .and. w >= conservative*z) then
          z = gamma1*depth
          r = (z - (gamma1*cosine - gamma3)*(1 - b))/(1 + z)
          t = 1 - r
          rd = z/(1 + z)
          td = 1 - rd
          if (b >= 1) then
            r = 0
            t = 1
            rd = 0
            td = 1
          end if
        else
          alpha1 = gamma1*gamma4 + gamma2*gamma3
          alpha2 = gamma1*gamma3 + gamma2*gamma4
          k = sqrt(gamma1**2 - gamma2**2)
          kmu = k*cosine
          root = 1 - kmu*kmu
          e = transmittance(k*depth)
          denominator = root*((k + gamma1)/e + (k - gamma1)*e)
          if (abs(denominator) <= nearly_zero) then
            r = nearly_zero
            t = b
          else
            r = w*((1 - kmu)*(alpha2 + k*gamma3)/e - (1 + kmu)*(alpha2 - k*gamma3)*e - 2*k*(gamma3 - alpha2*cosine)*b)/denominator
            t = b - w*(b*((1 + kmu)*(alpha1 + k*gamma4)/e - (1 - kmu)*(alpha1 - k*gamma4)*e) &
                       - 2*k*(gamma4 + alpha1*cosine))/denominator
          end if
          z = 1/((k + gamma1) + (k - gamma1)*e*e)
          rd = gamma2*(1 - e*e)*z
          td = 2*k*e*z
        end if
        z = 1/(1 - rd*dull(g, j + 1))
        beam(g, j) = b
        passed(g, j) = td*z
        scattered(g, j) = (t - b + b*bright(g, j + 1)*rd)*z
        bright(g, j) = r + td*z*((t - b)*dull(g, j + 1) + b*bright(g, j + 1))
        dull(g, j) = rd + td*z*td*dull(g, j + 1)
      end do
    end do

  contains

    !> exp(-x) as the original has it: a series where x is small, a table elsewhere.
    pure function transmittance(x) result(e)
      real(wp), intent(in) :: x !! optical depth [1]
      real(wp) :: e             !! transmittance [1]

      if (x <= 0.06_wp) then
        e = 1 - x + 0.5_wp*x*x
      else
        e = tables%lookup_transmittance(int(n_lookup*(min(x, 500.0_wp)/(real(1/pade, wp) + min(x, 500.0_wp))) + 0.5_wp))
      end if
    end function transmittance
  end subroutine up_through_block_original

  !> Downward from the top through all layers that `up_through_block` has passed, and the fluxes at all levels.
  pure subroutine down_through_block(n, incoming, beam, passed, scattered, bright, dull, true_beam, up, down, direct, &
                                     ground_down, ground_direct)
    integer, intent(in) :: n                                !! layers [1]
    real(wp), intent(in) :: incoming(block_size)            !! flux through the top of the atmosphere [W m-2] (g-point)
    real(wp), intent(in) :: beam(block_size, n)             !! transmittance for the direct beam [1] (g-point, nlay)
    real(wp), intent(in) :: passed(block_size, n)           !! diffuse light below per diffuse light above (g-point, nlay)
    real(wp), intent(in) :: scattered(block_size, n)        !! diffuse light below per direct beam above (g-point, nlay)
    real(wp), intent(in) :: bright(block_size, n + 1)       !! reflectance for the beam of all below (g-point, nlay+1)
    real(wp), intent(in) :: dull(block_size, n + 1)         !! reflectance for diffuse light of all below (g-point, nlay+1)
    real(wp), intent(in) :: true_beam(block_size, n)        !! `beam` without delta scaling (g-point, nlay)
    real(wp), intent(inout) :: up(block_size, n + 1)        !! upward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: down(block_size, n + 1)      !! downward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: direct(block_size, n + 1)    !! direct flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: ground_down(block_size)      !! downward flux at the surface [W m-2] (g-point)
    real(wp), intent(inout) :: ground_direct(block_size)    !! direct flux at the surface [W m-2] (g-point)
    real(wp), dimension(block_size) :: ray, diffuse, true_ray
    integer :: g, j

    ray = incoming
    true_ray = incoming
    diffuse = 0
    do j = 1, n
      !$omp simd
      do g = 1, block_size
        up(g, j) = up(g, j) + (ray(g)*bright(g, j) + diffuse(g)*dull(g, j))
        down(g, j) = down(g, j) + (ray(g) + diffuse(g))
        direct(g, j) = direct(g, j) + true_ray(g)
        diffuse(g) = diffuse(g)*passed(g, j) + ray(g)*scattered(g, j)
        ray(g) = ray(g)*beam(g, j)
        true_ray(g) = true_ray(g)*true_beam(g, j)
      end do
    end do
    up(:, n + 1) = up(:, n + 1) + (ray*bright(:, n + 1) + diffuse*dull(:, n + 1))
    down(:, n + 1) = down(:, n + 1) + (ray + diffuse)
    direct(:, n + 1) = direct(:, n + 1) + true_ray
    ground_down = ray + diffuse
    ground_direct = true_ray
  end subroutine down_through_block
end module radml_rrtmg_shortwave_transfer
