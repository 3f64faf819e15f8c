// What the overhead is measured against: LibTorch alone, as a C++ program that is written with care calls it.
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace {

std::optional<torch::jit::Module> module;

}  // namespace

extern "C" {

// Loads the module frozen and in evaluation mode; 0 on success.
int32_t raw_load(const char* path) {
  try {
    module = torch::jit::load(path);
    module->eval();
    module = torch::jit::freeze(*module);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "radml-bench-overhead: " << path << ": " << error.what() << '\n';
    return 1;
  }
}

// Runs the module n times on n_numbers numbers as one row, in tensors that are ready; its results stay with LibTorch.
// 0 on success.
int32_t raw_forward(int64_t n, float* numbers, int64_t n_numbers) {
  try {
    const c10::InferenceMode guard;
    const std::vector<c10::IValue> inputs{at::from_blob(numbers, {1, n_numbers}, at::kFloat)};
    for (int64_t i = 0; i < n; ++i) module->forward(inputs);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "radml-bench-overhead: " << error.what() << '\n';
    return 1;
  }
}

// Bytes in use on the heap; -1 where that cannot be told.
int64_t heap_bytes() {
#ifdef __GLIBC__
  const struct mallinfo2 now = mallinfo2();
  return static_cast<int64_t>(now.uordblks + now.hblkhd);
#else
  return -1;
#endif
}

}  // extern "C"
