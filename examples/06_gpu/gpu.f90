!> The model on a GPU where there is one, on the CPU where there is none.
program gpu
  use, intrinsic :: iso_fortran_env, only: real64
  use radml_torch, only: radml_status, torch_in, torch_model, torch_out
  implicit none

  integer, parameter :: columns = 10000, layers = 40
  type(torch_model) :: net
  character(len=:), allocatable :: message
  real(real64), dimension(columns, layers) :: temperature, vapour, pressure, warmed, condensed
  integer :: i, k, stat

  do k = 1, layers
    pressure(:, k) = 2500.0_real64*k
    temperature(:, k) = 290.0_real64 - 75.0_real64*(1.0_real64 - real(k, real64)/layers)
    vapour(:, k) = [(1.6e-6_real64*i, i = 1, columns)]*(real(k, real64)/layers)**3
  end do

  call net%load('condensation.pt', device='cuda', stat=stat, errmsg=message)
  if (stat == radml_status%success) print '(a)', 'device: cuda'
  if (stat == radml_status%missing_device) then   ! any other failure is one on the CPU too
    print '(2a)', 'device: cpu, because of ', message
    call net%load('condensation.pt', device='cpu', stat=stat, errmsg=message)
  end if
  if (stat /= radml_status%success) error stop message

  ! The arrays are the host's own, on either device: inputs are copied to the GPU, outputs back.
  call net%forward([torch_in(temperature), torch_in(vapour), torch_in(pressure)], [torch_out(warmed), torch_out(condensed)])
  print '(a, f7.4, a)', 'warming of the lowest layer, mean ', sum(warmed(:, layers) - temperature(:, layers))/columns, ' K'
  print '(a, f7.4, a)', 'condensed there, mean ', 1000*sum(condensed(:, layers))/columns, ' g kg-1'
end program gpu
