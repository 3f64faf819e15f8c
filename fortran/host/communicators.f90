!> Ranks that share the columns of a run out: what they have to tell each other. The type here is that of a run on one rank alone;
!! `mpi_communicators` extends it.
module communicators
  use, intrinsic :: iso_fortran_env, only: real64
  implicit none
  private

  public :: communicator

  type :: communicator
    integer :: rank = 0  !! of this process [1] ()
    integer :: size = 1  !! how many there are [1] ()
  contains
    procedure :: start
    procedure :: gather
    procedure :: agree
    procedure :: add
    procedure :: finish
    procedure :: is_root
    procedure :: share_of
  end type communicator

contains

  !> Joins the ranks.
  subroutine start(self)
    class(communicator), intent(inout) :: self  !! [ranks] ()
    self%rank = 0
    self%size = 1
  end subroutine start

  !> Rows of all ranks, in their order, on rank 0; nothing on the others.
  subroutine gather(self, part, whole)
    class(communicator), intent(in) :: self                !! [ranks] ()
    real(real64), intent(in) :: part(:, :)                 !! of this rank [any] (ncol, any)
    real(real64), allocatable, intent(out) :: whole(:, :)  !! [any] (ncol of all ranks, any)
    if (self%is_root()) whole = part
  end subroutine gather

  !> Makes the first failure of any rank that of all.
  subroutine agree(self, stat, errmsg)
    class(communicator), intent(in) :: self                  !! [ranks] ()
    integer, intent(inout) :: stat                           !! 0 for none [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    if (self%size < 1) stat = 0
    if (.not. allocated(errmsg)) errmsg = ''
  end subroutine agree

  !> Sums over all ranks, on each of them.
  subroutine add(self, values)
    class(communicator), intent(in) :: self     !! [ranks] ()
    real(real64), intent(inout) :: values(:)    !! [any] (any)
    if (self%size < 1) values = 0.0_real64
  end subroutine add

  !> Leaves the ranks; all must come here.
  subroutine finish(self)
    class(communicator), intent(inout) :: self  !! [ranks] ()
    self%size = 1
  end subroutine finish

  !> Whether this is the rank that speaks and writes.
  pure function is_root(self) result(answer)
    class(communicator), intent(in) :: self  !! [ranks] ()
    logical :: answer                        !! [1] ()
    answer = self%rank == 0
  end function is_root

  !> The columns of a rank, in order and as evenly as can be.
  pure subroutine share_of(self, n_columns, first, last)
    class(communicator), intent(in) :: self  !! [ranks] ()
    integer, intent(in) :: n_columns         !! of all ranks [1] ()
    integer, intent(out) :: first            !! [1] ()
    integer, intent(out) :: last             !! less than `first` for none [1] ()
    integer :: each, more
    each = n_columns/self%size
    more = mod(n_columns, self%size)
    first = self%rank*each + min(self%rank, more) + 1
    last = first + each - 1
    if (self%rank < more) last = last + 1
  end subroutine share_of

end module communicators
