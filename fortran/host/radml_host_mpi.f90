!> `mpirun -n N radml-host-mpi case.nml`: radml-host with its columns shared out to ranks of MPI.
program radml_host_mpi_program
  use host_run, only: run_host
  use mpi_communicators, only: mpi_communicator
  implicit none
  type(mpi_communicator), target :: ranks
  call run_host('radml-host-mpi', ranks)
end program radml_host_mpi_program
