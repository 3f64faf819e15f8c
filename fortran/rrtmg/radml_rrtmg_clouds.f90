!> Clouds as a host gives them to RRTMG's front doors, longwave and shortwave: whether the arguments go together and are in range,
!> and what one column of them holds.
module radml_rrtmg_clouds
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use radml_rrtmg_checks, only: input_checks, number, whole
  use radml_rrtmg_cloud_optics, only: ice_fu, ice_streamer, liquid, radius_range
  use radml_rrtmg_status
  use radml_rrtmg_subcolumns, only: rrtmg_overlap_maximum, rrtmg_overlap_maximum_random, rrtmg_overlap_random, seed_of_number
  implicit none
  private

  !> How clouds are treated.
  integer, parameter, public :: no_clouds = 0         !! there are none
  integer, parameter, public :: by_subcolumns = 1     !! McICA, with subcolumns of its own making
  integer, parameter, public :: given_subcolumns = 2  !! McICA, with the host's subcolumns
  integer, parameter, public :: by_overlap = 3        !! the longwave's analytic solver, maximum-random overlap

  integer, parameter, public :: rrtmg_overlap_analytic = 4 !! maximum-random, without subcolumns; longwave only
  integer, parameter, public :: rrtmg_ice_fu = ice_fu             !! ice optics of Fu (1996) and Fu et al. (1998)
  integer, parameter, public :: rrtmg_ice_streamer = ice_streamer !! ice optics of Streamer (Key 1996)

  real(real64), parameter :: most_water = 1000   !! accepted water path inside a cloud [kg m-2]
  real(real64), parameter :: slack = 1e-6_real64 !! part by which a radius may leave its range: rounding of single precision [1]

  !> The arguments of a front door that have to do with clouds; what is absent is not associated.
  type, public :: cloud_arguments
    integer :: treatment = no_clouds                  !! how clouds are treated [1]
    integer :: ice = ice_fu                           !! ice optics [1]
    integer :: overlap = rrtmg_overlap_maximum_random !! how clouds of different layers overlap [1]
    integer :: draws = 1                              !! draws of subcolumns [1]
    real(real64), pointer, dimension(:,:) :: fraction => null()                           !! [1] (ncol, nlay)
    real(real64), pointer, dimension(:,:) :: liquid_path => null(), ice_path => null()     !! inside clouds [kg m-2] (ncol, nlay)
    real(real64), pointer, dimension(:,:) :: liquid_radius => null(), ice_radius => null() !! effective radii [m] (ncol, nlay)
    integer(int64), pointer :: seed(:) => null()      !! any number for each column [1] (ncol)
    logical, pointer :: subcolumns(:,:,:) => null()   !! where g-points see cloud (ncol, nlay, g-point)
  contains
    procedure :: set
    procedure :: check_arguments
    procedure :: check_values
    procedure, private :: check_radius
    procedure :: take_water
    procedure :: key_of_column
  end type cloud_arguments

contains

  !> Take the arguments of a front door. They are looked at by `check_arguments`.
  subroutine set(self, fraction, liquid_path, liquid_radius, ice_path, ice_radius, ice_optics, overlap, seed, draws, subcolumns)
    class(cloud_arguments), intent(inout) :: self                            !! arguments to fill
    real(real64), optional, target, intent(in) :: fraction(:,:)              !! [1] (ncol, nlay)
    real(real64), optional, target, intent(in) :: liquid_path(:,:)           !! [kg m-2] (ncol, nlay)
    real(real64), optional, target, intent(in) :: liquid_radius(:,:)         !! [m] (ncol, nlay)
    real(real64), optional, target, intent(in) :: ice_path(:,:)              !! [kg m-2] (ncol, nlay)
    real(real64), optional, target, intent(in) :: ice_radius(:,:)            !! [m] (ncol, nlay)
    integer, optional, intent(in) :: ice_optics                              !! [1]
    integer, optional, intent(in) :: overlap                                 !! [1]
    integer(int64), optional, target, intent(in) :: seed(:)                  !! [1] (ncol)
    integer, optional, intent(in) :: draws                                   !! [1]
    logical, optional, target, intent(in) :: subcolumns(:,:,:)               !! (ncol, nlay, g-point)

    if (present(fraction)) self%fraction => fraction
    if (present(liquid_path)) self%liquid_path => liquid_path
    if (present(liquid_radius)) self%liquid_radius => liquid_radius
    if (present(ice_path)) self%ice_path => ice_path
    if (present(ice_radius)) self%ice_radius => ice_radius
    if (present(ice_optics)) self%ice = ice_optics
    if (present(overlap)) self%overlap = overlap
    if (present(seed)) self%seed => seed
    if (present(draws)) self%draws = draws
    if (present(subcolumns)) self%subcolumns => subcolumns
  end subroutine set

  !> Which clouds there are, and whether their arguments go together and have the right shapes.
  subroutine check_arguments(self, checks, n_gpoints, optics_loaded, analytic)
    class(cloud_arguments), intent(inout) :: self  !! arguments; `treatment` is set
    type(input_checks), intent(inout) :: checks    !! checks so far
    integer, intent(in) :: n_gpoints               !! g-points that subcolumns should have [1]
    logical, intent(in) :: optics_loaded           !! whether there are cloud optics
    logical, intent(in) :: analytic                !! whether there is an analytic solver

    self%treatment = no_clouds
    if (associated(self%fraction)) self%treatment = merge(by_overlap, by_subcolumns, self%overlap == rrtmg_overlap_analytic)
    if (associated(self%subcolumns)) then
      self%treatment = given_subcolumns
      if (associated(self%fraction)) &
        call checks%fail(rrtmg_bad_arguments, "expected cloud_fraction or subcolumns, got both")
    end if
    if (self%treatment == no_clouds) then
      if (associated(self%liquid_path)) &
        call checks%fail(rrtmg_bad_arguments, "cloud_liquid_path without cloud_fraction or subcolumns")
      if (associated(self%ice_path)) &
        call checks%fail(rrtmg_bad_arguments, "cloud_ice_path without cloud_fraction or subcolumns")
      return
    end if
    if (associated(self%liquid_path) .neqv. associated(self%liquid_radius)) &
      call checks%fail(rrtmg_bad_arguments, "expected cloud_liquid_path and liquid_radius together, got one of them")
    if (associated(self%ice_path) .neqv. associated(self%ice_radius)) &
      call checks%fail(rrtmg_bad_arguments, "expected cloud_ice_path and ice_radius together, got one of them")
    if (.not. (associated(self%liquid_path) .or. associated(self%ice_path))) &
      call checks%fail(rrtmg_bad_arguments, "clouds without water: expected cloud_liquid_path, cloud_ice_path or both")
    if (all(self%ice /= [ice_fu, ice_streamer])) &
      call checks%fail(rrtmg_bad_arguments, "ice_optics: expected rrtmg_ice_fu or rrtmg_ice_streamer, got "//trim(whole(self%ice)))
    if (self%overlap == rrtmg_overlap_analytic) then
      if (.not. analytic) &
        call checks%fail(rrtmg_bad_arguments, "overlap: expected rrtmg_overlap_maximum_random, _random or _maximum, got "// &
                         "rrtmg_overlap_analytic, which is the longwave's alone")
    else if (all(self%overlap /= [rrtmg_overlap_maximum_random, rrtmg_overlap_random, rrtmg_overlap_maximum])) then
      call checks%fail(rrtmg_bad_arguments, "overlap: expected one of the constants rrtmg_overlap_..., got "// &
                       trim(whole(self%overlap)))
    end if
    if (self%draws < 1) call checks%fail(rrtmg_bad_arguments, "draws: expected at least 1, got "//trim(whole(self%draws)))
    if (self%treatment /= by_subcolumns) self%draws = 1
    if (.not. optics_loaded) &
      call checks%fail(rrtmg_not_loaded, "no cloud optics; expected rrtmg_clouds.nc in the folder of the file that was loaded")
    if (associated(self%fraction)) call checks%extent_of_layers(self%fraction, "cloud_fraction", 0)
    if (associated(self%subcolumns)) &
      call checks%extents(shape(self%subcolumns), "subcolumns", [checks%n_columns, checks%n_layers, n_gpoints])
    if (associated(self%liquid_path)) call checks%extent_of_layers(self%liquid_path, "cloud_liquid_path", 0)
    if (associated(self%liquid_radius)) call checks%extent_of_layers(self%liquid_radius, "liquid_radius", 0)
    if (associated(self%ice_path)) call checks%extent_of_layers(self%ice_path, "cloud_ice_path", 0)
    if (associated(self%ice_radius)) call checks%extent_of_layers(self%ice_radius, "ice_radius", 0)
    if (associated(self%seed)) call checks%extents(shape(self%seed), "seed", [checks%n_columns])
  end subroutine check_arguments

  !> Values of clouds are in range; a radius counts only where there is cloud and water.
  subroutine check_values(self, checks)
    class(cloud_arguments), intent(in) :: self   !! arguments that go together
    type(input_checks), intent(inout) :: checks  !! checks so far

    if (self%treatment == no_clouds) return
    if (associated(self%fraction)) call checks%range_of_layers(self%fraction, "cloud_fraction", 0.0_real64, 1.0_real64, "1")
    if (associated(self%liquid_path)) then
      call checks%range_of_layers(self%liquid_path, "cloud_liquid_path", 0.0_real64, most_water, "kg m-2")
      call self%check_radius(checks, self%liquid_path, self%liquid_radius, "liquid_radius", liquid)
    end if
    if (associated(self%ice_path)) then
      call checks%range_of_layers(self%ice_path, "cloud_ice_path", 0.0_real64, most_water, "kg m-2")
      call self%check_radius(checks, self%ice_path, self%ice_radius, "ice_radius", self%ice)
    end if
  end subroutine check_values

  !> Radii are those of the tables where they are needed.
  subroutine check_radius(self, checks, path, radius, name, particles)
    class(cloud_arguments), intent(in) :: self   !! arguments that go together
    type(input_checks), intent(inout) :: checks  !! checks so far
    real(real64), intent(in) :: path(:,:)        !! water inside the cloud [kg m-2] (ncol, nlay)
    real(real64), intent(in) :: radius(:,:)      !! effective radius [m] (ncol, nlay)
    character(len=*), intent(in) :: name         !! its name
    integer, intent(in) :: particles             !! kind of particle [1]
    real(real64) :: range(2)
    character(len=80) :: hint
    integer :: i, k

    if (checks%code /= rrtmg_success) return
    range = radius_range(particles)
    do k = 1, checks%n_layers
      do i = 1, checks%n_columns
        if (.not. path(i, k) > 0) cycle
        if (associated(self%fraction)) then
          if (.not. self%fraction(i, k) > 0) cycle
        end if
        if (radius(i, k) >= range(1)*(1 - slack) .and. radius(i, k) <= range(2)*(1 + slack)) cycle
        hint = ""
        if (particles == ice_fu) hint = "; Streamer's ice optics reach "//number(maxval(radius_range(ice_streamer)))
        call checks%fail(rrtmg_bad_value, name//" of column "//trim(whole(i))//", layer "//trim(whole(k))//": expected "// &
                         trim(number(range(1)))//" to "//trim(number(range(2)))//" m where the cloud has water, got "// &
                         trim(number(radius(i, k)))//trim(hint))
        return
      end do
    end do
  end subroutine check_radius

  !> Water and radii of one column, none where it has no cloud: what is said of such layers has not been checked.
  subroutine take_water(self, column, liquid_path, liquid_radius, ice_path, ice_radius)
    class(cloud_arguments), intent(in) :: self       !! arguments that were checked
    integer, intent(in) :: column                    !! number of the column [1]
    real(real64), intent(out) :: liquid_path(:)      !! inside clouds [kg m-2] (nlay)
    real(real64), intent(out) :: liquid_radius(:)    !! effective radius [m] (nlay)
    real(real64), intent(out) :: ice_path(:)         !! inside clouds [kg m-2] (nlay)
    real(real64), intent(out) :: ice_radius(:)       !! effective radius [m] (nlay)
    integer :: k

    liquid_path = 0
    liquid_radius = 0
    ice_path = 0
    ice_radius = 0
    if (associated(self%liquid_path)) then
      liquid_path = self%liquid_path(column, :)
      liquid_radius = self%liquid_radius(column, :)
    end if
    if (associated(self%ice_path)) then
      ice_path = self%ice_path(column, :)
      ice_radius = self%ice_radius(column, :)
    end if
    if (.not. associated(self%fraction)) return
    do k = 1, size(liquid_path)
      if (self%fraction(column, k) > 0) cycle
      liquid_path(k) = 0
      ice_path(k) = 0
    end do
  end subroutine take_water

  !> What a column's subcolumns are drawn from: the host's number for it, or else the key of its own values.
  pure function key_of_column(self, column, own) result(key)
    class(cloud_arguments), intent(in) :: self !! arguments that were checked
    integer, intent(in) :: column              !! number of the column [1]
    integer(int64), intent(in) :: own(2)       !! key of its own values [1]
    integer(int64) :: key(2)

    key = own
    if (associated(self%seed)) key = seed_of_number(self%seed(column))
  end function key_of_column
end module radml_rrtmg_clouds
