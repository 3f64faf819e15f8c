// A host's columns as operators take them.
#pragma once

#include <string>
#include <vector>

#include "operator_arguments.hpp"
#include "sky_kernels.hpp"

namespace radml {

inline HostArray host_array(const char* name, const SkyInput& input, const at::Tensor& tensor, int64_t columns, int64_t layers) {
  const bool surface = input.rows_beyond_layers < 0;
  const std::vector<int64_t> expected =
      surface ? std::vector<int64_t>{columns} : std::vector<int64_t>{columns, layers + input.rows_beyond_layers};
  TORCH_CHECK(tensor.sizes() == at::IntArrayRef(expected), name, ": ", input.name, ": expected the shape ",
              at::IntArrayRef(expected), ", got ", tensor.sizes());
  const bool real64 = tensor.scalar_type() == at::kDouble;
  TORCH_CHECK(tensor.is_cpu() && (real64 || tensor.scalar_type() == at::kFloat), name, ": ", input.name,
              ": expected float64 or float32 on the CPU, got ", tensor.scalar_type(), " on ", tensor.device());
  return {real64 ? tensor.const_data_ptr<double>() : nullptr, real64 ? nullptr : tensor.const_data_ptr<float>(),
          tensor.stride(0), surface ? 0 : tensor.stride(1)};
}

// Raises an error that names what has another kind or shape.
inline SkyInputs take_sky_inputs(const char* name, const std::vector<at::Tensor>& given) {
  TORCH_CHECK(given.size() == sky_inputs.size(), name, ": expected ", sky_inputs.size(), " tensors, got ", given.size());
  TORCH_CHECK(given[2].dim() == 2 && given[2].size(0) > 0 && given[2].size(1) > 0, name,
              ": pressure_layer: expected (column, layer), got ", given[2].sizes());
  SkyInputs taken{};
  taken.columns = given[2].size(0);
  taken.layers = static_cast<int>(given[2].size(1));
  for (std::size_t i = 0; i < sky_inputs.size(); ++i)
    taken.*(sky_inputs[i].member) = host_array(name, sky_inputs[i], given[i], taken.columns, taken.layers);
  return taken;
}

}  // namespace radml
