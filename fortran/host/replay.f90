!> The replay file: columns that a network was not trusted with or was wrong about, in the format of a column file, to train it on.
!!
!! Of all columns that were offered a fair sample is kept, as many as there is room for (reservoir sampling, Vitter 1985). The file
!! is replaced in one move, so that it is whole whenever the run dies; a run that finds one goes on with it.
module replay
  use, intrinsic :: iso_fortran_env, only: real64
  use column_file, only: column_set
  use host_status, only: status_bad_file, status_success, fail, integer_text
  use random_numbers, only: uniform_number
  implicit none
  private

  public :: replay_recorder

  type :: replay_recorder
    private
    character(len=:), allocatable :: path
    type(column_set) :: kept                 ! with room for `capacity` columns
    integer :: capacity = 0
    integer :: n_kept = 0
    integer :: n_offered = 0
    logical :: changed = .false.
  contains
    procedure :: open => open_replay
    procedure :: offer
    procedure :: write => write_replay
    procedure :: wanted
    procedure :: count => kept_count
  end type replay_recorder

contains

  !> Takes up what is in the file already. Rank 0 alone has the name as it is given; others put their number into it.
  subroutine open_replay(self, path, capacity, columns, rank, ranks, stat, errmsg)
    class(replay_recorder), intent(inout) :: self            !! [recorder] ()
    character(len=*), intent(in) :: path                     !! empty: nothing is recorded [path] ()
    integer, intent(in) :: capacity                          !! columns that the file has at most [1] ()
    type(column_set), intent(in) :: columns                  !! of the kind that will be offered [columns] ()
    integer, intent(in) :: rank                              !! of this process [1] ()
    integer, intent(in) :: ranks                             !! how many there are [1] ()
    integer, intent(out) :: stat                             !! 0, or `status_bad_file` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    type(column_set) :: before
    logical :: exists
    integer :: i

    stat = status_success
    if (path == '') return
    self%path = path
    if (ranks > 1) self%path = with_number(path, rank)
    self%capacity = capacity
    inquire (file=self%path, exist=exists)
    if (exists) then
      call before%read(self%path, stat, errmsg)
      if (stat /= 0) return
      if (before%n_layers() /= columns%n_layers()) then
        call fail(status_bad_file, self%path//': expected '//integer_text(columns%n_layers())//' layers, got '// &
                  integer_text(before%n_layers())//'; give another file for other columns', stat, errmsg)
        return
      end if
      self%n_kept = min(before%n_columns(), capacity)
      self%n_offered = before%n_columns()
    end if
    ! Room, filled with whatever column.
    self%kept = columns%pick([(1, i=1, capacity)])
    if (exists) call self%kept%put([(i, i=1, self%n_kept)], before, [(i, i=1, self%n_kept)])
  end subroutine open_replay

  !> Whether anything is recorded.
  pure function wanted(self) result(answer)
    class(replay_recorder), intent(in) :: self  !! [recorder] ()
    logical :: answer                           !! [1] ()
    answer = self%capacity > 0
  end function wanted

  !> Columns in the file, once it is written.
  pure function kept_count(self) result(n)
    class(replay_recorder), intent(in) :: self  !! [recorder] ()
    integer :: n                                !! [1] ()
    n = self%n_kept
  end function kept_count

  !> Offers columns of a set.
  subroutine offer(self, columns, numbers)
    class(replay_recorder), intent(inout) :: self  !! [recorder] ()
    type(column_set), intent(in) :: columns        !! [columns] ()
    integer, intent(in) :: numbers(:)              !! of those that are offered [1] (any)
    integer :: i, place
    if (.not. self%wanted()) return
    do i = 1, size(numbers)
      self%n_offered = self%n_offered + 1
      place = self%n_kept + 1
      if (place > self%capacity) place = 1 + int(uniform_number(1, self%n_offered, self%capacity, 0)*self%n_offered)
      if (place > self%capacity) cycle
      self%n_kept = max(self%n_kept, place)
      call self%kept%put([place], columns, [numbers(i)])
      self%changed = .true.
    end do
  end subroutine offer

  !> Writes the file, if there is anything new.
  subroutine write_replay(self, stat, errmsg)
    class(replay_recorder), intent(inout) :: self            !! [recorder] ()
    integer, intent(out) :: stat                             !! 0, or `status_cannot_write` [1] ()
    character(len=:), allocatable, intent(inout) :: errmsg   !! [text] ()
    type(column_set) :: columns
    integer :: i
    stat = status_success
    if (.not. self%changed) return
    columns = self%kept%pick([(i, i=1, self%n_kept)])
    call columns%write(self%path, 'radml-host: '//integer_text(self%n_kept)//' of '//integer_text(self%n_offered)// &
                       ' columns that were refused or wrong', stat, errmsg)
    self%changed = stat /= 0
  end subroutine write_replay

  !> replay.nc as replay.3.nc.
  pure function with_number(path, number) result(numbered)
    character(len=*), intent(in) :: path
    integer, intent(in) :: number
    character(len=:), allocatable :: numbered
    integer :: dot
    dot = index(path, '.', back=.true.)
    if (dot <= index(path, '/', back=.true.)) dot = len(path) + 1
    numbered = path(:dot - 1)//'.'//integer_text(number)//path(dot:)
  end function with_number

end module replay
