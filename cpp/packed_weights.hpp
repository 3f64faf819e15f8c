// Matrices of weights over tiles of columns: products of a layer's channels, each of them a vector of columns.
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

// One value of every column of a tile.
using Lanes [[gnu::vector_size(tile_width * sizeof(float))]] = float;

RADML_INLINE Lanes* lanes(float* row) { return reinterpret_cast<Lanes*>(row); }
RADML_INLINE const Lanes* lanes(const float* row) { return reinterpret_cast<const Lanes*>(row); }

// The block of outputs from `first` on: weights times the rows at `panel`; finish(output, its row) takes the results.
template <typename Finish>
RADML_INLINE void multiply_block(const PackedWeights& weights, int first, const float* panel, const Finish& finish) {
  const int inputs = weights.inputs(), outputs = weights.outputs();
  const Lanes* rows = lanes(panel);
  const float* factor = weights.weights(first);
  const float* bias = weights.bias() + first;
  Lanes a0 = Lanes{} + bias[0], a1 = Lanes{} + bias[1], a2 = Lanes{} + bias[2], a3 = Lanes{} + bias[3];
  Lanes a4 = Lanes{} + bias[4], a5 = Lanes{} + bias[5], a6 = Lanes{} + bias[6], a7 = Lanes{} + bias[7];
  for (int input = 0; input < inputs; ++input, factor += PackedWeights::block) {
    const Lanes x = rows[input];
    a0 += factor[0] * x;
    a1 += factor[1] * x;
    a2 += factor[2] * x;
    a3 += factor[3] * x;
    a4 += factor[4] * x;
    a5 += factor[5] * x;
    a6 += factor[6] * x;
    a7 += factor[7] * x;
  }
  finish(first, a0);
  if (first + 1 < outputs) finish(first + 1, a1);
  if (first + 2 < outputs) finish(first + 2, a2);
  if (first + 3 < outputs) finish(first + 3, a3);
  if (first + 4 < outputs) finish(first + 4, a4);
  if (first + 5 < outputs) finish(first + 5, a5);
  if (first + 6 < outputs) finish(first + 6, a6);
  if (first + 7 < outputs) finish(first + 7, a7);
}

// The same of all outputs.
template <typename Finish>
RADML_INLINE void multiply(const PackedWeights& weights, const float* panel, const Finish& finish) {
  for (int first = 0; first < weights.outputs(); first += PackedWeights::block) multiply_block(weights, first, panel, finish);
}

}  // namespace radml
