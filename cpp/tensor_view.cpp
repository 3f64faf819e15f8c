#include "tensor_view.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "array_copy.hpp"
#include "error.hpp"

namespace radml {
namespace {

constexpr std::array<std::pair<radml_kind, c10::ScalarType>, 9> scalar_types{{
    {RADML_FLOAT32, c10::ScalarType::Float},
    {RADML_FLOAT64, c10::ScalarType::Double},
    {RADML_INT8, c10::ScalarType::Char},
    {RADML_INT16, c10::ScalarType::Short},
    {RADML_INT32, c10::ScalarType::Int},
    {RADML_INT64, c10::ScalarType::Long},
    {RADML_BOOL, c10::ScalarType::Bool},
    {RADML_COMPLEX64, c10::ScalarType::ComplexFloat},
    {RADML_COMPLEX128, c10::ScalarType::ComplexDouble},
}};

c10::IntArrayRef sizes_of(const radml_array& array) { return {array.shape, static_cast<size_t>(array.rank)}; }

std::vector<int64_t> column_major_strides(const radml_array& array) {
  std::vector<int64_t> strides(static_cast<size_t>(array.rank));
  int64_t step = 1;
  for (size_t i = 0; i < strides.size(); ++i) {
    strides[i] = step;
    step *= array.shape[i] > 0 ? array.shape[i] : 1;
  }
  return strides;
}

int64_t element_count(const radml_array& array) {
  int64_t n = 1;
  for (int32_t i = 0; i < array.rank; ++i) n *= array.shape[i];
  return n;
}

// Element strides. Those of dimensions of one element mean nothing and compilers leave anything there.
std::vector<int64_t> view_strides(const radml_array& array) {
  std::vector<int64_t> strides = column_major_strides(array);
  for (size_t i = 0; i < strides.size(); ++i)
    if (array.shape[i] > 1) strides[i] = array.strides[i] / array.element_size;
  return strides;
}

at::Tensor view(const radml_array& array, c10::Device device) {
  const at::TensorOptions options = at::TensorOptions().dtype(scalar_type(array.kind));
  return at::from_blob(array.address, sizes_of(array), view_strides(array), options.device(is_on_device(array) ? device : c10::kCPU));
}

at::Tensor empty_column_major(const radml_array& array) {
  return at::empty_strided(sizes_of(array), column_major_strides(array),
                           at::TensorOptions().dtype(scalar_type(array.kind)));
}

// The memory of a tensor that has the array's shape and kind, as an array.
radml_array memory_of(const at::Tensor& tensor, const radml_array& array) {
  radml_array memory = array;
  memory.address = tensor.data_ptr();
  for (int32_t i = 0; i < array.rank; ++i) memory.strides[i] = tensor.stride(i) * array.element_size;
  return memory;
}

}  // namespace

c10::ScalarType scalar_type(int32_t kind) {
  for (const auto& [code, type] : scalar_types)
    if (code == kind) return type;
  throw Error(RADML_INTERNAL_ERROR, "no tensor type for kind code " + std::to_string(kind));
}

radml_kind kind_of(c10::ScalarType wanted) {
  for (const auto& [code, type] : scalar_types)
    if (type == wanted) return code;
  return RADML_UNSUPPORTED;
}

bool can_view(const radml_array& array) {
  // Components of packed records may lie where the processor wants no number of this size; and LibTorch wants complex numbers
  // to be aligned to both of their parts, Fortran to one of them.
  if (reinterpret_cast<std::uintptr_t>(array.address) % static_cast<std::uintptr_t>(array.element_size) != 0) return false;
  for (int32_t i = 0; i < array.rank; ++i)
    if (array.shape[i] > 1 && (array.strides[i] < 0 || array.strides[i] % array.element_size != 0)) return false;
  return true;
}

at::Tensor input_tensor(const radml_array& array, c10::Device device) {
  if (element_count(array) == 0) return empty_column_major(array);
  if (can_view(array)) return view(array, device);
  at::Tensor copy = empty_column_major(array);
  copy_array(array, memory_of(copy, array));
  return copy;
}

at::Tensor in_layout(const at::Tensor& tensor, Layout layout) {
  if (layout == Layout::any) return tensor;
  const auto rank = static_cast<size_t>(tensor.dim());
  std::vector<int64_t> strides(rank);
  bool lies_so = true;
  int64_t step = 1;
  for (size_t n = 0; n < rank; ++n) {
    const size_t i = layout == Layout::fortran ? n : rank - 1 - n;
    const int64_t extent = tensor.sizes()[i];
    strides[i] = step;
    lies_so = lies_so && (extent == 1 || tensor.strides()[i] == step);
    step *= extent > 0 ? extent : 1;
  }
  if (lies_so) return tensor;
  at::Tensor copy = at::empty_strided(tensor.sizes(), strides, tensor.options());
  copy.copy_(tensor);
  return copy;
}

void secure_results(std::vector<at::Tensor>& results, const std::vector<at::Tensor>& inputs) {
  for (at::Tensor& result : results)
    for (const at::Tensor& input : inputs)
      if (result.defined() && result.is_alias_of(input)) {
        result = result.clone();
        break;
      }
}

void write_output(const at::Tensor& result, const radml_array& array, c10::Device device) {
  if (element_count(array) == 0) return;
  if (can_view(array)) {
    view(array, device).copy_(result);
    return;
  }
  at::Tensor block = empty_column_major(array);
  block.copy_(result);
  copy_array(memory_of(block, array), array);
}

}  // namespace radml
