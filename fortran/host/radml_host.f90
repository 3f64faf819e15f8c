!> `radml-host case.nml`: steps columns of the atmosphere with radiation by RRTMG or by a network. docs/host.md says it all.
program radml_host_program
  use communicators, only: communicator
  use host_run, only: run_host
  implicit none
  type(communicator), target :: ranks
  call run_host('radml-host', ranks)
end program radml_host_program
