// The trunk of a network over columns as the PyTorch operator radml::column_trunk, for inference. Training takes the network's own
// matrix products, which PyTorch differentiates.
#include <torch/library.h>

#include <utility>
#include <vector>

#include "trunk_arguments.hpp"

namespace {

using at::Tensor;
using radml::Arguments;
using radml::in_whole_tiles;
using radml::take_weights;

constexpr const char* trunk_name = "radml::column_trunk";

std::vector<Tensor> column_trunk(const std::vector<Tensor>& features, const Tensor& share, double context_scale, const Tensor& stem_weight,
                                 const Tensor& stem_bias, const std::vector<Tensor>& modules, const std::vector<Tensor>& head) {
  TORCH_CHECK(!features.empty() && features[0].dim() == 3 && stem_weight.dim() == 2, trunk_name,
              ": features, stem weight: expected (feature, layer, column), one tensor or more, and (channel, feature), got ",
              features.size(), " tensors and ", stem_weight.sizes());
  TORCH_CHECK(modules.size() % radml::tensors_of_module == 0 && head.size() == 2, trunk_name, ": expected ",
              radml::tensors_of_module, " tensors a module and 2 of a head, got ", modules.size(), " and ", head.size());
  const Arguments arguments(trunk_name);
  const int64_t layers = features[0].size(1), columns = features[0].size(2), padded = in_whole_tiles(columns);
  const int64_t channels = stem_weight.size(0);
  std::vector<Tensor> inputs;
  std::vector<const float*> rows;
  for (const Tensor& some : features) {
    TORCH_CHECK(some.dim() == 3, trunk_name, ": features: expected (feature, layer, column), got ", some.sizes());
    inputs.push_back(arguments.take_columns("features", some, {some.size(0), layers, columns}));
    for (int64_t row = 0; row < some.size(0); ++row) rows.push_back(radml::read(inputs.back()) + row * layers * padded);
  }
  const auto number = static_cast<int64_t>(rows.size());
  const Tensor weights = arguments.take_columns("share", share, {layers, columns});
  TORCH_CHECK(head[0].dim() == 2, trunk_name, ": head weight: expected (output, channel), got ", head[0].sizes());
  const radml::TrunkWeights packed{static_cast<float>(context_scale),
                                   take_weights(arguments, "stem", stem_weight, stem_bias, channels, number),
                                   radml::take_modules(arguments, modules, channels),
                                   take_weights(arguments, "head", head[0], head[1], head[0].size(0), channels)};
  const Tensor result = at::empty({head[0].size(0), layers, padded}), mean = at::empty({channels, padded});
  const radml::Trunk trunk{packed, static_cast<int>(layers), padded, std::move(rows), radml::read(weights),
                           result.data_ptr<float>(), mean.data_ptr<float>()};
  radml::for_each_tile(columns, [&](int64_t first, int64_t last) { radml::run_trunk(trunk, first, last); });
  return {result.narrow(-1, 0, columns), mean.narrow(-1, 0, columns)};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(radml, library) {
  library.def(
      "column_trunk(Tensor[] features, Tensor share, float context_scale, Tensor stem_weight, Tensor stem_bias, Tensor[] modules, "
      "Tensor[] head) -> Tensor[]");
}

TORCH_LIBRARY_IMPL(radml, CPU, library) { library.impl("column_trunk", &column_trunk); }
