// What a network of all sky sees of a host's columns, as the PyTorch operator radml::describe_sky, for inference.
#include <torch/library.h>

#include <array>
#include <string>
#include <vector>

#include "operator_arguments.hpp"
#include "sky_kernels.hpp"

namespace {

using at::Tensor;
using radml::HostArray;

constexpr const char* sky_name = "radml::describe_sky";

// In the order of ftorch_bridge.sky.INPUTS, and whether they are of levels (1), layers (0) or the surface (-1).
struct Input {
  const char* name;
  int rows_beyond_layers;
  HostArray radml::SkyInputs::*member;
};
constexpr std::array<Input, 19> inputs{{{"pressure_level", 1, &radml::SkyInputs::pressure_level},
                                        {"temperature_level", 1, &radml::SkyInputs::temperature_level},
                                        {"pressure_layer", 0, &radml::SkyInputs::pressure_layer},
                                        {"temperature_layer", 0, &radml::SkyInputs::temperature_layer},
                                        {"h2o", 0, &radml::SkyInputs::h2o},
                                        {"o3", 0, &radml::SkyInputs::o3},
                                        {"co2", 0, &radml::SkyInputs::co2},
                                        {"ch4", 0, &radml::SkyInputs::ch4},
                                        {"n2o", 0, &radml::SkyInputs::n2o},
                                        {"cloud_fraction", 0, &radml::SkyInputs::cloud_fraction},
                                        {"cloud_liquid_path", 0, &radml::SkyInputs::cloud_liquid_path},
                                        {"cloud_ice_path", 0, &radml::SkyInputs::cloud_ice_path},
                                        {"liquid_radius", 0, &radml::SkyInputs::liquid_radius},
                                        {"ice_radius", 0, &radml::SkyInputs::ice_radius},
                                        {"surface_temperature", -1, &radml::SkyInputs::surface_temperature},
                                        {"surface_emissivity", -1, &radml::SkyInputs::surface_emissivity},
                                        {"surface_albedo", -1, &radml::SkyInputs::surface_albedo},
                                        {"cos_zenith", -1, &radml::SkyInputs::cos_zenith},
                                        {"solar_irradiance", -1, &radml::SkyInputs::solar_irradiance}}};

HostArray host_array(const Input& input, const Tensor& tensor, int64_t columns, int64_t layers) {
  const bool surface = input.rows_beyond_layers < 0;
  const std::vector<int64_t> expected =
      surface ? std::vector<int64_t>{columns} : std::vector<int64_t>{columns, layers + input.rows_beyond_layers};
  TORCH_CHECK(tensor.sizes() == at::IntArrayRef(expected), sky_name, ": ", input.name, ": expected the shape ",
              at::IntArrayRef(expected), ", got ", tensor.sizes());
  const bool real64 = tensor.scalar_type() == at::kDouble;
  TORCH_CHECK(tensor.is_cpu() && (real64 || tensor.scalar_type() == at::kFloat), sky_name, ": ", input.name,
              ": expected float64 or float32 on the CPU, got ", tensor.scalar_type(), " on ", tensor.device());
  return {real64 ? tensor.const_data_ptr<double>() : nullptr, real64 ? nullptr : tensor.const_data_ptr<float>(),
          tensor.stride(0), surface ? 0 : tensor.stride(1)};
}

std::vector<Tensor> describe_sky(const std::vector<Tensor>& given) {
  TORCH_CHECK(given.size() == inputs.size(), sky_name, ": expected ", inputs.size(), " tensors, got ", given.size());
  TORCH_CHECK(given[2].dim() == 2 && given[2].size(0) > 0 && given[2].size(1) > 0, sky_name,
              ": pressure_layer: expected (column, layer), got ", given[2].sizes());
  const int64_t columns = given[2].size(0), layers = given[2].size(1), padded = radml::in_whole_tiles(columns);
  radml::SkyInputs in{};
  in.layers = static_cast<int>(layers);
  in.columns = columns;
  for (std::size_t i = 0; i < inputs.size(); ++i) in.*(inputs[i].member) = host_array(inputs[i], given[i], columns, layers);
  std::vector<Tensor> results;
  const auto make = [&](std::initializer_list<int64_t> sizes) {
    results.push_back(at::empty(at::IntArrayRef(sizes.begin(), sizes.size())));
    return results.back().data_ptr<float>();
  };
  radml::SkyOutputs out{};
  out.columns = padded;
  out.features = make({radml::layer_features, layers, padded});
  out.sky = make({radml::sky_features, padded});
  out.share = make({layers, padded});
  out.thickness = make({layers, padded});
  out.pressure_layer = make({layers, padded});
  out.temperature_layer = make({layers, padded});
  out.temperature_level = make({layers + 1, padded});
  out.amounts = make({radml::absorbers, layers, padded});
  out.ozone = make({2, layers, padded});
  out.clouds = make({2, layers, padded});
  out.surface = make({radml::surface_values, padded});
  radml::for_each_tile(columns, [&](int64_t first, int64_t last) { radml::describe_sky(in, out, first, last); });
  for (Tensor& result : results) result = result.narrow(-1, 0, columns);
  return results;
}

std::vector<Tensor> cloud_bands(const Tensor& table_given, const Tensor& clouds_given, const Tensor& smallness_given,
                                const Tensor& cover_given) {
  const radml::Arguments arguments("radml::cloud_bands");
  TORCH_CHECK(clouds_given.dim() == 3, "radml::cloud_bands: clouds: expected (2, layer, column), got ", clouds_given.sizes());
  const int64_t layers = clouds_given.size(1), columns = clouds_given.size(2), padded = radml::in_whole_tiles(columns);
  const Tensor table = arguments.take("table", table_given, {3 * radml::cloud_bands, 2 * radml::cloud_band_terms});
  const Tensor clouds = arguments.take_columns("clouds", clouds_given, {2, layers, columns});
  const Tensor smallness = arguments.take_columns("smallness", smallness_given, {2, layers, columns});
  const Tensor cover = arguments.take_columns("cover", cover_given, {layers, columns});
  const Tensor absorption = at::empty({radml::cloud_bands, layers, padded});
  const Tensor tests = at::empty({radml::cloud_tests, layers, padded});
  const radml::CloudBands problem{layers,
                                  padded,
                                  radml::read(table),
                                  radml::read(clouds),
                                  radml::read(smallness),
                                  radml::read(cover),
                                  absorption.data_ptr<float>(),
                                  tests.data_ptr<float>()};
  radml::for_each_tile(columns, [&](int64_t first, int64_t last) { radml::absorb_in_bands(problem, first, last); });
  return {absorption.narrow(-1, 0, columns), tests.narrow(-1, 0, columns)};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(radml, library) {
  library.def("describe_sky(Tensor[] columns) -> Tensor[]");
  library.def("cloud_bands(Tensor table, Tensor clouds, Tensor smallness, Tensor cover) -> Tensor[]");
}

TORCH_LIBRARY_IMPL(radml, CPU, library) {
  library.impl("describe_sky", &describe_sky);
  library.impl("cloud_bands", &cloud_bands);
}
