#include "compute_capability.hpp"

#include <dlfcn.h>

namespace radml {

// LibTorch tells through headers that want a CUDA toolkit, which neither this build nor a host needs otherwise. The driver is
// loaded where there is a GPU, and its interface is stable: all of its functions here take and return numbers.
std::string compute_capability(c10::Device device) {
  constexpr int success = 0, major = 75, minor = 76;  // CUDA_SUCCESS, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_...
  void* const driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) return "";
  const auto initialise = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto find = reinterpret_cast<int (*)(int*, int)>(dlsym(driver, "cuDeviceGet"));
  const auto ask = reinterpret_cast<int (*)(int*, int, int)>(dlsym(driver, "cuDeviceGetAttribute"));
  int handle = 0;
  int numbers[2] = {0, 0};
  const bool known = initialise != nullptr && find != nullptr && ask != nullptr && initialise(0) == success &&
                     find(&handle, device.index()) == success && ask(&numbers[0], major, handle) == success &&
                     ask(&numbers[1], minor, handle) == success;
  dlclose(driver);
  return known ? std::to_string(numbers[0]) + "." + std::to_string(numbers[1]) : "";
}

}  // namespace radml
