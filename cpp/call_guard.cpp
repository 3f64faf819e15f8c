#include "call_guard.hpp"

#include <ATen/Parallel.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <optional>

#include "mpi_launcher.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif

// LibTorch brings MKL along in many builds, not in all. What this sets goes before the number of threads that
// at::set_num_threads gave to MKL for all threads. Returns what was set before; 0 for nothing.
extern "C" int MKL_Set_Num_Threads_Local(int n) __attribute__((weak));

namespace radml {
namespace {

// 0: never set, LibTorch's own default.
std::atomic<int> chosen_threads{0};

bool traps_are_set() {
#ifdef __GLIBC__
  return fegetexcept() != 0;
#else
  return true;  // cannot be told in a portable way
#endif
}

int host_thread_count() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 0;
#endif
}

void restore_host_thread_count([[maybe_unused]] int n) {
#ifdef _OPENMP
  if (omp_get_max_threads() != n) omp_set_num_threads(n);
#endif
}

void choose_torch_threads() {
  // First LibTorch's own initialisation in this thread, which would otherwise overrule what is set here.
  [[maybe_unused]] const int automatic = at::get_num_threads();
#ifdef _OPENMP
  if (const int n = chosen_threads.load(); n > 0 && n != automatic) omp_set_num_threads(n);
#endif
}

#ifdef _OPENMP
// Empty in a worker that started between the two.
thread_local std::optional<std::fenv_t> worker_environment;

void quieten_workers(int n) {
#pragma omp parallel num_threads(n)
  if (omp_get_thread_num() != 0) {
    std::fegetenv(&worker_environment.emplace());
    std::fesetenv(FE_DFL_ENV);
  }
}

void restore_workers(int n, const std::fenv_t& host_environment) {
#pragma omp parallel num_threads(n)
  if (omp_get_thread_num() != 0) {
    std::fesetenv(worker_environment ? &*worker_environment : &host_environment);
    worker_environment.reset();
  }
}
#endif

}  // namespace

CallGuard::CallGuard() : host_threads_(host_thread_count()) {
  const bool traps = traps_are_set();
  std::fegetenv(&environment_);
  std::fesetenv(FE_DFL_ENV);
  choose_torch_threads();
#ifdef _OPENMP
  if (const int n = omp_get_max_threads(); traps && n > 1 && !omp_in_parallel()) {
    // In the host's environment: workers that start here are the host's as well, and inherit it.
    std::fesetenv(&environment_);
    quieten_workers(n);
    std::fesetenv(FE_DFL_ENV);
    quiet_workers_ = n;
  }
#endif
}

CallGuard::~CallGuard() {
#ifdef _OPENMP
  if (quiet_workers_ > 0) restore_workers(quiet_workers_, environment_);
#endif
  if (host_threads_ > 0) restore_host_thread_count(host_threads_);
  std::fesetenv(&environment_);
}

OneTorchThread::OneTorchThread() : openmp_threads_(host_thread_count()) {
  at::get_num_threads();  // LibTorch's own initialisation in this thread
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
  if (MKL_Set_Num_Threads_Local != nullptr) mkl_threads_ = MKL_Set_Num_Threads_Local(1);
}

OneTorchThread::~OneTorchThread() {
  if (MKL_Set_Num_Threads_Local != nullptr) MKL_Set_Num_Threads_Local(mkl_threads_);
  if (openmp_threads_ > 0) restore_host_thread_count(openmp_threads_);
}

void leave_cores_to_other_ranks() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (chosen_threads.load() > 0) return;
    if (std::getenv("OMP_NUM_THREADS") != nullptr || std::getenv("MKL_NUM_THREADS") != nullptr) return;
    if (const auto local = local_rank(); local && local->count > 1) set_torch_threads(1);
  });
}

void set_torch_threads(int n) {
  at::set_num_threads(n);
  chosen_threads.store(n);
}

int torch_threads() { return at::get_num_threads(); }

}  // namespace radml
