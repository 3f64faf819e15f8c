// What a network of all sky sees of a host's columns, as the PyTorch operators radml::describe_sky and radml::cloud_bands, without
// derivatives.
#include <torch/library.h>

#include <vector>

#include "sky_arguments.hpp"

namespace {

using at::Tensor;

constexpr const char* sky_name = "radml::describe_sky";

std::vector<Tensor> describe_sky(const std::vector<Tensor>& given) {
  const radml::SkyInputs in = radml::take_sky_inputs(sky_name, given);
  const int64_t columns = in.columns, layers = in.layers, padded = radml::in_whole_tiles(columns);
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
