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

  // weight(output, input), input fastest, of `taps` matrices one after the other: one row of inputs per tap. `bias` may be null.
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

// How many values the widest vectors of this processor hold, among those that the clones of kernels use: wider ones in a clone
// would be taken apart into single values.
inline int lanes_of_vectors() {
#if defined(RADML_HAS_CLONES)
  static const int lanes = [] {
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return v4 ? 16 : v3 ? 8 : 4;
  }();
  return lanes;
#elif defined(__AVX512F__)
  return 16;
#elif defined(__AVX2__)
  return 8;
#else
  return 4;
#endif
}

// Some outputs of some columns of a tile: `outputs` rows of `vectors` vectors of `width` columns. As many sums as there are, eight,
// keep the processor's multipliers busy; with two vectors a weight is loaded once for both.
template <int width, int outputs, int vectors>
RADML_INLINE void multiply_columns(const float* factor, const float* bias, const float* panel, int inputs, float* results) {
  using Vector [[gnu::vector_size(width * sizeof(float))]] = float;
  Vector sums[outputs][vectors];
  for (int output = 0; output < outputs; ++output)
    for (int v = 0; v < vectors; ++v) sums[output][v] = Vector{} + bias[output];
  for (int input = 0; input < inputs; ++input, factor += PackedWeights::block, panel += tile_width) {
    Vector x[vectors];
    for (int v = 0; v < vectors; ++v) x[v] = *reinterpret_cast<const Vector*>(panel + v * width);
    for (int output = 0; output < outputs; ++output)
      for (int v = 0; v < vectors; ++v) sums[output][v] += factor[output] * x[v];
  }
  for (int output = 0; output < outputs; ++output)
    for (int v = 0; v < vectors; ++v) *reinterpret_cast<Vector*>(results + output * tile_width + v * width) = sums[output][v];
}

// The first half of a block of outputs, or the `whole` block, of a tile, by two vectors at a time.
template <int width>
RADML_INLINE void multiply_halves(const float* factor, const float* bias, const float* panel, int inputs, bool whole, float* results) {
  constexpr int half = PackedWeights::block / 2;
  for (int column = 0; column < tile_width; column += 2 * width) {
    float* rows = results + column;
    multiply_columns<width, half, 2>(factor, bias, panel + column, inputs, rows);
    if (whole) multiply_columns<width, half, 2>(factor + half, bias + half, panel + column, inputs, rows + half * tile_width);
  }
}

// The block of outputs from `first` on: weights times the rows at `panel`, into as many rows as a block has, or half as many where
// there are no more. Rows begin at multiples of 64 bytes.
RADML_INLINE void multiply_block(const PackedWeights& weights, int first, const float* panel, float* results) {
  constexpr int block = PackedWeights::block, half = block / 2;
  const float *factor = weights.weights(first), *bias = weights.bias() + first;
  const int inputs = weights.inputs(), lanes = lanes_of_vectors();
  const bool whole = weights.outputs() - first > half;
  if (lanes == 16) {
    if (whole)
      multiply_columns<16, block, 1>(factor, bias, panel, inputs, results);
    else
      multiply_columns<16, half, 1>(factor, bias, panel, inputs, results);
  } else if (lanes == 8) {
    multiply_halves<8>(factor, bias, panel, inputs, whole, results);
  } else {
    multiply_halves<4>(factor, bias, panel, inputs, whole, results);
  }
}

// The same of all outputs: finish(output, its row) takes them.
template <typename Finish>
RADML_INLINE void multiply(const PackedWeights& weights, const float* panel, const Finish& finish) {
  alignas(64) float results[PackedWeights::block * tile_width];
  for (int first = 0; first < weights.outputs(); first += PackedWeights::block) {
    multiply_block(weights, first, panel, results);
    for (int output = first; output < weights.outputs() && output < first + PackedWeights::block; ++output)
      finish(output, results + static_cast<std::ptrdiff_t>(output - first) * tile_width);
  }
}

// The same into rows, one after the other, `rectified` or as they are.
RADML_INLINE void multiply_into(const PackedWeights& weights, const float* panel, bool rectified, float* rows) {
  multiply(weights, panel, [&](int output, const float* value) {
    float* row = rows + static_cast<std::ptrdiff_t>(output) * tile_width;
    RADML_LANES row[lane] = !rectified || value[lane] > 0.0F ? value[lane] : 0.0F;
  });
}

}  // namespace radml
