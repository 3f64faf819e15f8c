!> Radiative transfer through one column in the shortwave, a block of g-points at a time: two-stream layers, added up.
!>
!> From the ground up, the reflectance and transmittance of each layer (practical improved flux method; Zdunkowski et al. 1980,
!> Meador and Weaver 1980) are joined with the reflectance of all below it. Depths come in delta-scaled (Joseph et al. 1976);
!> the direct flux that comes out is that of unscaled depths.
!> From the top down, the direct and the diffuse flux then follow from one recurrence without division.
!> Fluxes are kept by vector lane until all blocks are done. No checks here: the front door has made them.
!>
!> A layer's solution is written for thickness tau, diffuse extinction k and the sun's secant s in sums of positive terms, so that
!> nothing is lost where a layer is thin, where it hardly absorbs, or where k meets s, in single precision either. With
!> e = exp(-k tau) and b = exp(-s tau), light of the beam that goes up or down from where it was scattered reaches the boundaries by
!>
!> - I = (1 - b e)/(s + k), the integral of exp(-s t) exp(-k t) over the layer;
!> - P = (e - b)/(s - k), that of exp(-s t) exp(-k (tau - t)), from one exponential of the difference |s - k| tau;
!> - (I - e P)/k and (P - e I)/k, in closed form where k is below half of s, for there the differences would be of like numbers.
!>
!> What a layer absorbs of the beam follows in the same way from (1 - w) times sums that keep their digits.
module radml_rrtmg_shortwave_transfer
  use radml_rrtmg_absorptance, only: absorb, absorb_with_mean, slabs, thick
  use radml_rrtmg_kinds, only: sums_heating, wp
  use radml_rrtmg_shortwave_bands, only: n_gpoints
  use radml_rrtmg_shortwave_tables, only: n_lookup, pade, row_length, shortwave_tables
  implicit none
  private

  public :: down_through_block, up_through_block, up_through_block_original

  integer, parameter, public :: block_size = slabs                !! g-points of a block
  integer, parameter, public :: n_blocks = n_gpoints/block_size   !! blocks of all g-points

  integer, parameter :: group = 8 !! layers that a step of `up_through_block` takes at once

  !> Above this single-scattering albedo a layer is one that does not absorb to the original.
  real(wp), parameter :: conservative = 0.9999995_wp
  !> Least optical depth of a layer, so that its inverse exists.
  real(wp), parameter :: nothing = 1e-30_wp
  !> Least distance of the sun's secant from the diffuse extinction, relative to the secant: by the last digits.
  real(wp), parameter :: nearest = 8*epsilon(1.0_wp)

contains

  !> Upward from the ground through all layers, with exact exponentials. Arrays of g-points begin with the block's first.
  pure subroutine up_through_block(n, absorbing_ice, cosine, absorption, scattering, forward, unscaled, symmetric, albedo_direct, &
                                   albedo_diffuse, beam, passed, scattered, bright, dull, true_beam, kept_beam, kept_diffuse)
    integer, intent(in) :: n                                      !! layers [1]
    logical, intent(in) :: absorbing_ice                          !! do not follow the original where it lets ice not absorb
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
    real(wp), intent(inout) :: kept_beam(block_size, n)           !! absorbed per beam above, where `sums_heating` (g-point, nlay)
    real(wp), intent(inout) :: kept_diffuse(block_size, n)        !! absorbed per diffuse light, where `sums_heating` [1]
                                                                  !! (g-point, nlay)
    ! A few layers at a time in steps that are short, so that the processor has several layers under way in each.
    real(wp), dimension(block_size, group) :: asymmetry, depth, scattered_part, absorbed_part, extinction, thinner, &
                                              apart, stopped, stopped_rest, mean, r, t, rd, td, ad
    real(wp), dimension(block_size) :: r_beam, r_diffuse, kept_below, whole
    real(wp) :: secant, a, s, p, w, lost, gamma1, gamma2, gamma3, gamma4, alpha1, alpha2, k, stopped_e, stopped_b, e, b, &
                distance, together, slab, factor, twice, denominator, inverse, along, across, up_rest, down_rest, common, rest, &
                mean_beam, z
    logical :: weak, all_symmetric
    integer :: above, g, i, j, layers

    all_symmetric = all(symmetric)
    secant = 1/cosine
    r_beam = albedo_direct
    r_diffuse = albedo_diffuse
    kept_below = 1 - albedo_diffuse
    bright(:, n + 1) = r_beam
    dull(:, n + 1) = r_diffuse
    do above = group*((n - 1)/group), 0, -group
      layers = min(group, n - above)
      do i = 1, layers
        j = above + i
        if (symmetric(j)) then
          asymmetry(:, i) = 0
        else
          !$omp simd
          do g = 1, block_size
            asymmetry(g, i) = forward(g, j)/max(scattering(g, j), nothing)
            whole(g) = secant*unscaled(g, j)
          end do
          call absorb(1, whole, true_beam(1, j))
          true_beam(:, j) = max(1 - true_beam(:, j), 0.0_wp)
        end if
        !$omp simd private(a, s, p)
        do g = 1, block_size
          a = max(absorption(g, j), 0.0_wp) ! beyond its ends a table can give less than nothing
          s = scattering(g, j)
          depth(g, i) = max(a + s, nothing) ! a scatterer that only scatters forward leaves none
          p = 1/depth(g, i)
          scattered_part(g, i) = s*p
          absorbed_part(g, i) = a*p
          ! (gamma1 - gamma2)(gamma1 + gamma2) without the difference.
          extinction(g, i) = sqrt(2*absorbed_part(g, i)*(2 - scattered_part(g, i)*(0.5_wp + 1.5_wp*asymmetry(g, i))))
          thinner(g, i) = min(extinction(g, i), secant)*depth(g, i)
          apart(g, i) = max(abs(secant - extinction(g, i)), nearest*secant)*depth(g, i)
        end do
      end do
      call absorb_with_mean(layers, thinner, stopped, mean)
      call absorb(layers, apart, stopped_rest)
      do i = 1, layers
        j = above + i
        !$omp simd private(w, lost, gamma1, gamma2, gamma3, gamma4, alpha1, alpha2, k, stopped_e, stopped_b, e, b, distance) &
        !$omp private(together, slab, factor, twice, denominator, inverse, along, across, up_rest, down_rest, common, rest) &
        !$omp private(mean_beam, weak)
        do g = 1, block_size
          w = scattered_part(g, i)
          lost = absorbed_part(g, i)
          gamma1 = 2 - w*(1.25_wp + 0.75_wp*asymmetry(g, i))
          gamma2 = 0.75_wp*w*(1 - asymmetry(g, i))
          gamma3 = 0.5_wp - 0.75_wp*asymmetry(g, i)*cosine
          gamma4 = 1 - gamma3
          alpha1 = gamma1*gamma4 + gamma2*gamma3
          alpha2 = gamma1*gamma3 + gamma2*gamma4

          k = extinction(g, i)
          ! No `.and.`: gfortran 12 would make no vector code.
          weak = max(2*k - secant, k*depth(g, i) - thick) < 0
          distance = max(abs(secant - k), nearest*secant)
          together = secant + k
          across = (1 - stopped(g, i))*stopped_rest(g, i)
          b = stopped(g, i) + across ! of the thicker slab
          stopped_e = merge(stopped(g, i), b, k < secant)
          stopped_b = merge(b, stopped(g, i), k < secant)
          e = max(1 - stopped_e, 0.0_wp)
          b = max(1 - stopped_b, 0.0_wp)

          ! All is over one denominator, with a factor k where the layer is not weak.
          slab = merge(depth(g, i)*mean(g, i), stopped_e, weak)
          factor = merge(1.0_wp, k, weak)
          twice = slab*(1 + e)
          denominator = factor*(1 + e*e) + gamma1*twice
          inverse = 1/(together*distance*denominator)
          along = (stopped_b + b*stopped_e)*distance
          across = across*together
          up_rest = merge(secant*twice - stopped_e*stopped_e - 2*e*stopped_b, along - e*across, weak)
          down_rest = merge(2*e*stopped_b - b*(stopped_e*stopped_e + secant*twice), across - e*along, weak)
          common = w*secant*inverse
          r(g, i) = common*(gamma3*factor*(along + e*across) + alpha2*up_rest)
          t(g, i) = common*(gamma4*factor*(across + e*along) + alpha1*down_rest)
          inverse = inverse*together*distance
          rd(g, i) = gamma2*twice*inverse
          td(g, i) = 2*factor*e*inverse
          ad(g, i) = slab*(k*stopped_e + 2*lost*(1 + e))*inverse
          beam(g, j) = b
          if (sums_heating) then
            mean_beam = stopped_b*cosine
            rest = mean_beam*twice*together*distance - gamma3*up_rest - gamma4*down_rest &
                   + (gamma1 + gamma2)*(gamma2*slab*(slab*(1 + b) - mean_beam*(1 + e)) + gamma3*(twice - secant*b*slab*slab) &
                                        + gamma4*(secant*slab*slab + b*twice) - mean_beam*(1 + e*e))
            kept_beam(g, j) = merge(lost*(stopped_b + 2*common*rest), stopped_b - r(g, i) - t(g, i), weak)
            kept_diffuse(g, j) = ad(g, i)
          end if
        end do
        if (symmetric(j)) then
          if (.not. all_symmetric) true_beam(:, j) = beam(:, j)
        else if (.not. absorbing_ice) then
          call take_for_pure(cosine, absorption(1, j), scattering(1, j), asymmetry(1, i), depth(1, i), scattered_part(1, i), &
                             beam(1, j), r(1, i), t(1, i), rd(1, i), td(1, i), ad(1, i), kept_beam(1, j))
          if (sums_heating) kept_diffuse(:, j) = ad(:, i)
        end if
      end do
      do i = layers, 1, -1
        j = above + i
        !$omp simd private(z)
        do g = 1, block_size
          ! 1 - rd*r_diffuse, and below 1 - r_diffuse of the next level, by what is absorbed.
          z = 1/((td(g, i) + ad(g, i))*r_diffuse(g) + kept_below(g))
          passed(g, j) = td(g, i)*z
          scattered(g, j) = (t(g, i) + beam(g, j)*r_beam(g)*rd(g, i))*z
          r_beam(g) = r(g, i) + td(g, i)*z*(t(g, i)*r_diffuse(g) + beam(g, j)*r_beam(g))
          kept_below(g) = ad(g, i) + td(g, i)*z*(ad(g, i)*r_diffuse(g) + kept_below(g))
          r_diffuse(g) = rd(g, i) + td(g, i)*z*td(g, i)*r_diffuse(g)
          bright(g, j) = r_beam(g)
          dull(g, j) = r_diffuse(g)
        end do
      end do
    end do
  end subroutine up_through_block

  !> Layers that the original takes for such as do not absorb though they do, by its formula for these.
  !>
  !> It takes it where the albedo before delta scaling is nearly one. It infers that albedo as if the asymmetry came of g/(1+g),
  !> which is below a half. Fu's crystals have more in two near-infrared bands: what it infers is then too large, up to more than
  !> one, and ice that absorbs strongly is taken for ice that does not.
  pure subroutine take_for_pure(cosine, absorption, scattering, asymmetry, depth, scattered_part, beam, r, t, rd, td, ad, kept_beam)
    real(wp), intent(in) :: cosine                                !! cosine of the solar zenith angle, positive [1]
    real(wp), intent(in) :: absorption(block_size)                !! vertical depth of absorption [1] (g-point)
    real(wp), intent(in) :: scattering(block_size)                !! depth of scattering, delta-scaled [1] (g-point)
    real(wp), intent(in) :: asymmetry(block_size)                 !! scaled asymmetry [1] (g-point)
    real(wp), intent(in) :: depth(block_size)                     !! depth of extinction, delta-scaled [1] (g-point)
    real(wp), intent(in) :: scattered_part(block_size)            !! single-scattering albedo, delta-scaled [1] (g-point)
    real(wp), intent(in) :: beam(block_size)                      !! transmittance for the direct beam [1] (g-point)
    real(wp), intent(inout) :: r(block_size), t(block_size)       !! diffuse light up and down per direct beam [1] (g-point)
    real(wp), intent(inout) :: rd(block_size), td(block_size)     !! reflectance and transmittance for diffuse light [1] (g-point)
    real(wp), intent(inout) :: ad(block_size)                     !! absorptance for diffuse light [1] (g-point)
    real(wp), intent(inout) :: kept_beam(block_size)              !! absorptance for the beam, where `sums_heating` [1] (g-point)
    real(wp) :: x, y, z, gamma1, inverse, up
    logical :: taken(block_size)
    integer :: g

    do g = 1, block_size
      x = max(absorption(g), 0.0_wp)*asymmetry(g)**2
      y = (1 - asymmetry(g))**2
      z = (max(absorption(g), 0.0_wp) + scattering(g))*y - x ! over y: what its albedo is divided by
      taken(g) = asymmetry(g) > 0.5_wp .and. z > 0 .and. scattering(g)*y >= conservative*z
    end do
    if (.not. any(taken)) return
    ! All is read at all g-points: what a compiler reads under a mask, it may compute with where the mask lets nothing through.
    !$omp simd private(gamma1, z, inverse, up)
    do g = 1, block_size
      gamma1 = 2 - scattered_part(g)*(1.25_wp + 0.75_wp*asymmetry(g))
      z = gamma1*depth(g)
      inverse = 1/(1 + z)
      up = (z - (gamma1*cosine - (0.5_wp - 0.75_wp*asymmetry(g)*cosine))*(1 - beam(g)))*inverse
      r(g) = merge(up, r(g), taken(g))
      t(g) = merge(1 - beam(g) - up, t(g), taken(g))
      rd(g) = merge(z*inverse, rd(g), taken(g))
      td(g) = merge(inverse, td(g), taken(g))
      ad(g) = merge(0.0_wp, ad(g), taken(g))
    end do
    if (sums_heating) kept_beam = merge(0.0_wp, kept_beam, taken)
  end subroutine take_for_pure

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
  pure subroutine down_through_block(n, incoming, beam, passed, scattered, bright, dull, true_beam, kept_beam, kept_diffuse, &
                                     up, down, direct, absorbed, ground_down, ground_direct)
    integer, intent(in) :: n                                !! layers [1]
    real(wp), intent(in) :: incoming(block_size)            !! flux through the top of the atmosphere [W m-2] (g-point)
    real(wp), intent(in) :: beam(block_size, n)             !! transmittance for the direct beam [1] (g-point, nlay)
    real(wp), intent(in) :: passed(block_size, n)           !! diffuse light below per diffuse light above (g-point, nlay)
    real(wp), intent(in) :: scattered(block_size, n)        !! diffuse light below per direct beam above (g-point, nlay)
    real(wp), intent(in) :: bright(block_size, n + 1)       !! reflectance for the beam of all below (g-point, nlay+1)
    real(wp), intent(in) :: dull(block_size, n + 1)         !! reflectance for diffuse light of all below (g-point, nlay+1)
    real(wp), intent(in) :: true_beam(block_size, n)        !! `beam` without delta scaling (g-point, nlay)
    real(wp), intent(in) :: kept_beam(block_size, n)        !! absorbed per beam above, where `sums_heating` (g-point, nlay)
    real(wp), intent(in) :: kept_diffuse(block_size, n)     !! absorbed per diffuse light, where `sums_heating` (g-point, nlay)
    real(wp), intent(inout) :: up(block_size, n + 1)        !! upward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: down(block_size, n + 1)      !! downward flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: direct(block_size, n + 1)    !! direct flux so far, by lane [W m-2] (lane, nlay+1)
    real(wp), intent(inout) :: absorbed(block_size, n)      !! absorbed so far, where `sums_heating`, by lane [W m-2] (lane, nlay)
    real(wp), intent(inout) :: ground_down(block_size)      !! downward flux at the surface [W m-2] (g-point)
    real(wp), intent(inout) :: ground_direct(block_size)    !! direct flux at the surface [W m-2] (g-point)
    real(wp), dimension(block_size) :: ray, diffuse, true_ray, upward
    real(wp) :: upward_below, entered
    integer :: g, j

    ray = incoming
    true_ray = incoming
    diffuse = 0
    upward = ray*bright(:, 1)
    do j = 1, n
      !$omp simd private(upward_below, entered)
      do g = 1, block_size
        up(g, j) = up(g, j) + upward(g)
        down(g, j) = down(g, j) + (ray(g) + diffuse(g))
        direct(g, j) = direct(g, j) + true_ray(g)
        if (sums_heating) then
          entered = diffuse(g)
          absorbed(g, j) = absorbed(g, j) + ray(g)*kept_beam(g, j)
        end if
        diffuse(g) = diffuse(g)*passed(g, j) + ray(g)*scattered(g, j)
        ray(g) = ray(g)*beam(g, j)
        true_ray(g) = true_ray(g)*true_beam(g, j)
        upward_below = ray(g)*bright(g, j + 1) + diffuse(g)*dull(g, j + 1)
        if (sums_heating) absorbed(g, j) = absorbed(g, j) + (entered + upward_below)*kept_diffuse(g, j)
        upward(g) = upward_below
      end do
    end do
    up(:, n + 1) = up(:, n + 1) + upward
    down(:, n + 1) = down(:, n + 1) + (ray + diffuse)
    direct(:, n + 1) = direct(:, n + 1) + true_ray
    ground_down = ray + diffuse
    ground_direct = true_ray
  end subroutine down_through_block
end module radml_rrtmg_shortwave_transfer
