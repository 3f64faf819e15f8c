// What the programs share that time models from C++: arrays of tensors, and a plan of the coupling on them.
#ifndef RADML_BENCH_ARRAYS_HPP
#define RADML_BENCH_ARRAYS_HPP

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "radml.h"

namespace radml_bench {

using Tensors = std::vector<at::Tensor>;

inline radml_array array_of(const at::Tensor& tensor, int32_t flags) {
  radml_array array{};
  array.address = tensor.data_ptr();
  if (tensor.scalar_type() != at::kFloat && tensor.scalar_type() != at::kDouble)
    throw std::runtime_error("expected float32 and float64 inputs and outputs");
  array.kind = tensor.scalar_type() == at::kFloat ? RADML_FLOAT32 : RADML_FLOAT64;
  array.rank = static_cast<int32_t>(tensor.dim());
  array.element_size = static_cast<int32_t>(tensor.element_size());
  array.flags = flags;
  for (int32_t i = 0; i < array.rank; ++i) {
    array.shape[i] = tensor.size(i);
    array.strides[i] = tensor.stride(i) * array.element_size;
  }
  return array;
}

inline std::vector<radml_array> arrays_of(const Tensors& tensors, int32_t flags) {
  std::vector<radml_array> arrays;
  for (const at::Tensor& tensor : tensors) arrays.push_back(array_of(tensor, flags));
  return arrays;
}

inline Tensors tensors_of(const c10::IValue& value) {
  if (value.isTensor()) return {value.toTensor()};
  Tensors tensors;
  for (const c10::IValue& element : value.toTupleRef().elements()) tensors.push_back(element.toTensor());
  return tensors;
}

// Dimensions in Fortran's order, as hosts have them.
inline at::Tensor in_fortran_order(const at::Tensor& tensor) {
  std::vector<int64_t> reversed(static_cast<size_t>(tensor.dim()));
  for (size_t i = 0; i < reversed.size(); ++i) reversed[i] = static_cast<int64_t>(reversed.size() - 1 - i);
  return tensor.permute(reversed).contiguous().permute(reversed);
}

// A plan of the coupling and the arrays it writes.
class PlanOf {
 public:
  // Results have the shapes of `like`; `options` is nullptr for whole arrays.
  PlanOf(const char* path, const Tensors& inputs, const Tensors& like, const radml_options* options = nullptr) {
    check(radml_load(path, "cpu", &model_, message_.data(), message_.size()));
    for (const at::Tensor& tensor : like) outputs.push_back(in_fortran_order(at::zeros_like(tensor)));
    const auto in = arrays_of(inputs, RADML_READ_ONLY);
    const auto out = arrays_of(outputs, 0);
    check(radml_plan_create(model_, in.data(), static_cast<int64_t>(in.size()), out.data(), static_cast<int64_t>(out.size()),
                            options, &plan_, message_.data(), message_.size()));
  }
  ~PlanOf() {
    radml_plan_free(plan_, nullptr, 0);
    radml_free(model_, nullptr, 0);
  }
  PlanOf(const PlanOf&) = delete;
  PlanOf& operator=(const PlanOf&) = delete;
  void run() { check(radml_plan_run(plan_, message_.data(), message_.size())); }

  Tensors outputs;

 private:
  void check(int32_t status) {
    if (status != RADML_SUCCESS) throw std::runtime_error(message_.data());
  }

  radml_model model_ = 0;
  radml_plan plan_ = 0;
  std::array<char, 1000> message_{};
};

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// An error's first line: what follows names places in LibTorch.
inline std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace radml_bench

#endif
