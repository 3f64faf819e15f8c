// The trunk of a network over columns, from features of layers to what a head says of them, for a tile of columns at a time:
// all layers and channels stay in the cache, and the products run on whole vectors of columns. Its reference are the modules of
// ftorch_bridge.networks and ftorch_bridge.all_sky.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "packed_weights.hpp"

namespace radml {

// x + mixing(relu(convolution(x and what `context` accumulates above and below))).
struct TrunkModule {
  PackedWeights context, convolution, mixing;
};

struct TrunkWeights {
  float context_scale;  // of a layer's part of the column's mass, where contexts are accumulated
  PackedWeights stem;
  std::vector<TrunkModule> modules;
  std::optional<PackedWeights> head;
};

struct Trunk {
  const TrunkWeights& weights;
  int layers;
  std::ptrdiff_t columns;              // a multiple of tile_width
  std::vector<const float*> features;  // (layer, column) of each
  const float* share;                  // (layer, column): part of the column's mass
  float* result;  // of the head (output, layer, column), or without one the channels (tile, layer, channel, column of the tile)
  float* mean;    // (channel, column): of the channels, weighted with `share`
};

// Run tiles `first` to `last - 1`.
void run_trunk(const Trunk& trunk, std::ptrdiff_t first, std::ptrdiff_t last);

}  // namespace radml
