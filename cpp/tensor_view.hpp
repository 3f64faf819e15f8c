// Tensors on the host's own memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "manifest.hpp"
#include "radml.h"

namespace radml {

c10::ScalarType scalar_type(int32_t kind);

// RADML_UNSUPPORTED for a type that no Fortran array has.
radml_kind kind_of(c10::ScalarType type);

// True where LibTorch can view the array in place: strides that are whole, non-negative numbers of elements.
bool can_view(const radml_array& array);

// Whether the array lies in the memory of the model's device.
inline bool is_on_device(const radml_array& array) { return (array.flags & RADML_ON_DEVICE) != 0; }

// Tensor dimension i is dimension i of the array. A view; a contiguous-in-Fortran copy where the array cannot be viewed.
// `device` is where arrays with RADML_ON_DEVICE lie; those must be such that they can be viewed.
at::Tensor input_tensor(const radml_array& array, c10::Device device = c10::kCPU);

// The tensor itself where it lies in memory as wanted, else a copy that does. The strides of dimensions with one element
// say nothing.
at::Tensor in_layout(const at::Tensor& tensor, Layout layout);

// A result may be a view of an input, and the host may give one array as input and output: copies such results, so that all
// can be written. Undefined ones, which nobody wants, stay so.
void secure_results(std::vector<at::Tensor>& results, const std::vector<at::Tensor>& inputs);

// Writes the values of a tensor of the same shape, and the same or the other real kind, into the array; its strides may be any.
void write_output(const at::Tensor& result, const radml_array& array, c10::Device device = c10::kCPU);

}  // namespace radml
