// A host's columns as operators take them.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "operator_arguments.hpp"
#include "sky_kernels.hpp"

namespace radml {

// In the order of ftorch_bridge.sky.INPUTS, and whether they are of levels (1), layers (0) or the surface (-1).
struct SkyInput {
  const char* name;
  int rows_beyond_layers;
  HostArray SkyInputs::*member;
};
inline constexpr std::array<SkyInput, 19> sky_inputs{{{"pressure_level", 1, &SkyInputs::pressure_level},
                                                     {"temperature_level", 1, &SkyInputs::temperature_level},
                                                     {"pressure_layer", 0, &SkyInputs::pressure_layer},
                                                     {"temperature_layer", 0, &SkyInputs::temperature_layer},
                                                     {"h2o", 0, &SkyInputs::h2o},
                                                     {"o3", 0, &SkyInputs::o3},
                                                     {"co2", 0, &SkyInputs::co2},
                                                     {"ch4", 0, &SkyInputs::ch4},
                                                     {"n2o", 0, &SkyInputs::n2o},
                                                     {"cloud_fraction", 0, &SkyInputs::cloud_fraction},
                                                     {"cloud_liquid_path", 0, &SkyInputs::cloud_liquid_path},
                                                     {"cloud_ice_path", 0, &SkyInputs::cloud_ice_path},
                                                     {"liquid_radius", 0, &SkyInputs::liquid_radius},
                                                     {"ice_radius", 0, &SkyInputs::ice_radius},
                                                     {"surface_temperature", -1, &SkyInputs::surface_temperature},
                                                     {"surface_emissivity", -1, &SkyInputs::surface_emissivity},
                                                     {"surface_albedo", -1, &SkyInputs::surface_albedo},
                                                     {"cos_zenith", -1, &SkyInputs::cos_zenith},
                                                     {"solar_irradiance", -1, &SkyInputs::solar_irradiance}}};

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
