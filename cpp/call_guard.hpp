// CallGuard: while it lives, LibTorch may compute in this thread; the host's settings come back when it goes.
//
// - Floating point: hosts trap invalid operations, divisions by zero and overflows, or flush subnormals to zero; LibTorch
//   raises flags as it pleases and its results should not depend on the host's settings. The environment is saved, set to
//   the default (no traps, round to nearest), and restored with the flags it had.
// - OpenMP: GNU-compiled hosts share one libgomp, its worker threads and its number of threads with LibTorch. Workers that
//   the host started while it trapped are quietened as well, and the host's number of threads is restored.
#pragma once

#include <cfenv>

namespace radml {

class CallGuard {
 public:
  CallGuard();
  ~CallGuard();
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;

 private:
  std::fenv_t environment_;
  int host_threads_ = 0;
  int quiet_workers_ = 0;  // workers whose environment was saved and has to be restored
};

// While it lives, LibTorch computes with this thread alone.
class OneTorchThread {
 public:
  OneTorchThread();
  ~OneTorchThread();
  OneTorchThread(const OneTorchThread&) = delete;
  OneTorchThread& operator=(const OneTorchThread&) = delete;

 private:
  int openmp_threads_ = 0;
  int mkl_threads_ = 0;
};

// Where several MPI ranks share this machine and nobody has said otherwise, one thread for each: LibTorch would take all cores
// in every rank. To be called before the first model runs, under a CallGuard.
void leave_cores_to_other_ranks();

// Threads LibTorch uses inside one call.
void set_torch_threads(int n);
int torch_threads();

}  // namespace radml
