// The weights of a trunk as operators take them.
#pragma once

#include <vector>

#include "operator_arguments.hpp"
#include "trunk_kernels.hpp"

namespace radml {

inline constexpr std::size_t tensors_of_module = 6;  // weight and bias of the context, the convolution and the mixing

inline std::vector<TrunkModule> take_modules(const Arguments& arguments, const std::vector<at::Tensor>& modules, int64_t channels) {
  const int64_t contexts = modules.empty() ? 0 : modules[0].size(0);
  std::vector<TrunkModule> taken;
  for (std::size_t i = 0; i + tensors_of_module <= modules.size(); i += tensors_of_module)
    taken.push_back({take_weights(arguments, "context", modules[i], modules[i + 1], contexts, channels),
                     take_weights(arguments, "convolution", modules[i + 2], modules[i + 3], channels, channels + 2 * contexts, 3),
                     take_weights(arguments, "mixing", modules[i + 4], modules[i + 5], channels, channels)});
  return taken;
}

}  // namespace radml
