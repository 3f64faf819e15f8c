// The trunk of a network over columns as the PyTorch operator radml::column_trunk, for inference. Training takes the network's own
// matrix products, which PyTorch differentiates.
#include <torch/library.h>

#include <string>
#include <utility>
#include <vector>

#include "operator_arguments.hpp"
#include "trunk_kernels.hpp"

namespace {

using at::Tensor;
using radml::Arguments;
using radml::in_whole_tiles;
using radml::PackedWeights;

constexpr const char* trunk_name = "radml::column_trunk";
constexpr std::size_t tensors_of_module = 6;

// A weight (output, input), or (tap, output, input) of `taps` taps, and its bias (output, 1).
PackedWeights pack(const Arguments& arguments, const std::string& what, const Tensor& weight, const Tensor& bias, int64_t outputs,
                   int64_t inputs, int64_t taps = 1) {
  const Tensor w = taps == 1 ? arguments.take(what + " weight", weight, {outputs, inputs})
                             : arguments.take(what + " weight", weight, {taps, outputs, inputs});
  const Tensor b = arguments.take(what + " bias", bias, {outputs, 1});
  return {radml::read(w), radml::read(b), static_cast<int>(outputs), static_cast<int>(inputs), static_cast<int>(taps)};
}

std::vector<Tensor> column_trunk(const std::vector<Tensor>& features, const Tensor& share, double context_scale, const Tensor& stem_weight,
                                 const Tensor& stem_bias, const std::vector<Tensor>& modules, const std::vector<Tensor>& heads,
                                 const Tensor& clouds_given, at::IntArrayRef heads_of_clouds) {
  TORCH_CHECK(!features.empty() && features[0].dim() == 3 && stem_weight.dim() == 2, trunk_name,
              ": features, stem weight: expected (feature, layer, column), one tensor or more, and (channel, feature), got ",
              features.size(), " tensors and ", stem_weight.sizes());
  TORCH_CHECK(modules.size() % tensors_of_module == 0 && heads.size() % 2 == 0, trunk_name, ": expected ", tensors_of_module,
              " tensors a module and 2 a head, got ", modules.size(), " and ", heads.size());
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
  TORCH_CHECK(clouds_given.dim() == 3, trunk_name, ": clouds: expected (kind, layer, column), got ", clouds_given.sizes());
  const Tensor clouds = arguments.take_columns("clouds", clouds_given, {clouds_given.size(0), layers, columns});
  const Tensor weights = arguments.take_columns("share", share, {layers, columns});
  radml::Trunk trunk{static_cast<int>(layers),
                     padded,
                     std::move(rows),
                     radml::read(weights),
                     static_cast<float>(context_scale),
                     pack(arguments, "stem", stem_weight, stem_bias, channels, number),
                     {},
                     {},
                     std::vector<bool>(heads.size() / 2),
                     radml::read(clouds),
                     static_cast<int>(clouds.size(0)),
                     {},
                     nullptr};
  for (const int64_t head : heads_of_clouds) {
    TORCH_CHECK(head >= 0 && head < static_cast<int64_t>(trunk.of_clouds.size()), trunk_name, ": heads of clouds: expected 0 to ",
                trunk.of_clouds.size() - 1, ", got ", head);
    trunk.of_clouds[head] = true;
  }
  const int64_t contexts = modules.empty() ? 0 : modules[0].size(0);
  for (std::size_t i = 0; i < modules.size(); i += tensors_of_module)
    trunk.modules.push_back(
        {pack(arguments, "context", modules[i], modules[i + 1], contexts, channels),
         pack(arguments, "convolution", modules[i + 2], modules[i + 3], channels, channels + 2 * contexts, 3),
         pack(arguments, "mixing", modules[i + 4], modules[i + 5], channels, channels)});
  std::vector<Tensor> results;
  for (std::size_t i = 0; i < heads.size(); i += 2) {
    TORCH_CHECK(heads[i].dim() == 2, trunk_name, ": head weight: expected (output, channel), got ", heads[i].sizes());
    trunk.heads.push_back(pack(arguments, "head", heads[i], heads[i + 1], heads[i].size(0), channels));
    results.push_back(at::empty({heads[i].size(0), layers, padded}));
    trunk.results.push_back(results.back().data_ptr<float>());
  }
  results.push_back(at::empty({channels, padded}));
  trunk.mean = results.back().data_ptr<float>();
  radml::for_each_tile(columns, [&](int64_t first, int64_t last) { radml::run_trunk(trunk, first, last); });
  for (Tensor& result : results) result = result.narrow(-1, 0, columns);
  return results;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(radml, library) {
  library.def(
      "column_trunk(Tensor[] features, Tensor share, float context_scale, Tensor stem_weight, Tensor stem_bias, Tensor[] modules, "
      "Tensor[] heads, Tensor clouds, int[] heads_of_clouds) -> Tensor[]");
}

TORCH_LIBRARY_IMPL(radml, CPU, library) { library.impl("column_trunk", &column_trunk); }
