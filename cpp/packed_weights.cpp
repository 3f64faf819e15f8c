#include "packed_weights.hpp"

namespace radml {

using std::ptrdiff_t;

PackedWeights::PackedWeights(const float* weight, const float* bias, int outputs, int inputs, int taps)
    : inputs_(inputs * taps), outputs_(outputs) {
  const int blocks = (outputs + block - 1) / block;
  weights_.assign(static_cast<std::size_t>(blocks) * block * inputs_, 0.0F);
  bias_.assign(static_cast<std::size_t>(blocks) * block, 0.0F);
  for (int output = 0; output < outputs; ++output) {
    if (bias != nullptr) bias_[output] = bias[output];
    float* target = weights_.data() + static_cast<ptrdiff_t>(output / block) * block * inputs_ + output % block;
    for (int tap = 0; tap < taps; ++tap)
      for (int input = 0; input < inputs; ++input)
        target[static_cast<ptrdiff_t>(tap * inputs + input) * block] =
            weight[(static_cast<ptrdiff_t>(tap) * outputs + output) * inputs + input];
  }
}

}  // namespace radml
