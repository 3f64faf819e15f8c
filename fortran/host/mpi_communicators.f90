!> Ranks of MPI.
module mpi_communicators
  use, intrinsic :: iso_fortran_env, only: real64
  use mpi_f08
  use communicators, only: communicator
  implicit none
  private

  public :: mpi_communicator

  type, extends(communicator) :: mpi_communicator
  contains
    procedure :: start
    procedure :: gather
    procedure :: agree
    procedure :: add
    procedure :: finish
  end type mpi_communicator

contains

  !> See `communicator`.
  subroutine start(self)
    class(mpi_communicator), intent(inout) :: self  !! [ranks] ()
    integer :: given
    ! OpenMP threads compute, and their first one alone calls MPI.
    call MPI_Init_thread(MPI_THREAD_FUNNELED, given)
    call MPI_Comm_rank(MPI_COMM_WORLD, self%rank)
    call MPI_Comm_size(MPI_COMM_WORLD, self%size)
  end subroutine start

  !> See `communicator`.
  subroutine gather(self, part, whole)
    class(mpi_communicator), intent(in) :: self            !! [ranks] ()
    real(real64), intent(in) :: part(:, :)                 !! of this rank [any] (ncol, any)
    real(real64), allocatable, intent(out) :: whole(:, :)  !! [any] (ncol of all ranks, any)
    real(real64), allocatable :: rows(:, :)
    integer, allocatable :: counts(:), starts(:)
    integer :: each, rank

    ! Rows lie one after the other in the transpose.
    each = size(part, 2)
    allocate (counts(self%size), starts(self%size))
    call MPI_Gather(size(part), 1, MPI_INTEGER, counts, 1, MPI_INTEGER, 0, MPI_COMM_WORLD)
    if (.not. self%is_root()) counts = 0
    starts(1) = 0
    do rank = 2, self%size
      starts(rank) = starts(rank - 1) + counts(rank - 1)
    end do
    allocate (rows(each, sum(counts)/max(each, 1)))
    call MPI_Gatherv(transpose(part), size(part), MPI_DOUBLE_PRECISION, rows, counts, starts, MPI_DOUBLE_PRECISION, 0, &
                     MPI_COMM_WORLD)
    if (self%is_root()) whole = transpose(rows)
  end subroutine gather

  !> See `communicator`.
  subroutine agree(self, stat, errmsg)
    class(mpi_communicator), intent(in) :: self              !! [ranks] ()
    integer, intent(inout) :: stat                           !! 0 for none [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    integer :: first, mine, length
    mine = self%size
    if (stat /= 0) mine = self%rank
    call MPI_Allreduce(mine, first, 1, MPI_INTEGER, MPI_MIN, MPI_COMM_WORLD)
    if (first == self%size) return
    length = 0
    if (self%rank == first) length = len(errmsg)
    call MPI_Bcast(stat, 1, MPI_INTEGER, first, MPI_COMM_WORLD)
    call MPI_Bcast(length, 1, MPI_INTEGER, first, MPI_COMM_WORLD)
    if (self%rank /= first) errmsg = repeat(' ', length)
    call MPI_Bcast(errmsg, length, MPI_CHARACTER, first, MPI_COMM_WORLD)
  end subroutine agree

  !> See `communicator`.
  subroutine add(self, values)
    class(mpi_communicator), intent(in) :: self  !! [ranks] ()
    real(real64), intent(inout) :: values(:)     !! [any] (any)
    if (self%size > 1) call MPI_Allreduce(MPI_IN_PLACE, values, size(values), MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD)
  end subroutine add

  !> See `communicator`.
  subroutine finish(self)
    class(mpi_communicator), intent(inout) :: self  !! [ranks] ()
    call MPI_Finalize()
    self%size = 1
  end subroutine finish

end module mpi_communicators
