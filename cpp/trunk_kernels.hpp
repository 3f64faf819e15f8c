// The trunk of a network over columns, from features of layers to what its heads say of them, for a tile of columns at a time:
// all layers and channels stay in the cache, and the products run on whole vectors of columns. Its reference are the modules of
// ftorch_bridge.networks and ftorch_bridge.all_sky.
#pragma once

#include <cstddef>
#include <vector>

#include "tiles.hpp"

namespace radml {

// A matrix of weights, its rows in blocks as the product takes them, and a bias.
class PackedWeights {
 public:
  static constexpr int block = 8;

  // weight(output, input), input fastest, of `taps` matrices one after the other: one row of inputs per tap.
  PackedWeights(const float* weight, const float* bias, int outputs, int inputs, int taps);

  [[nodiscard]] int inputs() const { return inputs_; }
  [[nodiscard]] int outputs() const { return outputs_; }
  [[nodiscard]] const float* weights(int first_output) const {
    return weights_.data() + static_cast<std::ptrdiff_t>(first_output) * inputs_;
  }
  [[nodiscard]] const float* bias() const { return bias_.data(); }

 private:
  int inputs_, outputs_;
  std::vector<float> weights_, bias_;
};

// x + mixing(relu(convolution(x and what `context` accumulates above and below))).
struct TrunkModule {
  PackedWeights context, convolution, mixing;
};

struct Trunk {
  int layers;
  std::ptrdiff_t columns;              // a multiple of tile_width
  std::vector<const float*> features;  // (layer, column) of each
  const float* share;                  // (layer, column): part of the column's mass
  float context_scale;                 // of `share` where contexts are accumulated
  PackedWeights stem;
  std::vector<TrunkModule> modules;
  std::vector<PackedWeights> heads;
  std::vector<bool> of_clouds;         // whether a head says something of clouds alone
  const float* clouds;                 // (kind, layer, column)
  int kinds_of_clouds;
  std::vector<float*> results;  // of each head (output, layer, column); heads of clouds leave out layers of tiles without a cloud
  float* mean;                  // (channel, column): of the channels, weighted with `share`
};

// Run tiles `first` to `last - 1`.
void run_trunk(const Trunk& trunk, std::ptrdiff_t first, std::ptrdiff_t last);

}  // namespace radml
