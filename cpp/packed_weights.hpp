// Matrices of weights over tiles of columns: products of a layer's channels, each of them a vector of columns.
#pragma once

#include <algorithm>
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

// What becomes of a product: it is put into rows, without what is negative, or added to the rows of `before`.
enum class Finish { put, rectify, add };

// Some outputs of some columns of a tile: `outputs` rows of `vectors` vectors of `width` columns. As many sums as there are, eight,
// keep the processor's multipliers busy; with two vectors a weight is loaded once for both.
template <int width, int outputs, int vectors, Finish finish>
RADML_INLINE void multiply_columns(const float* factor, const float* bias, const float* panel, int inputs, const float* before,
                                   float* results) {
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
    for (int v = 0; v < vectors; ++v) {
      const int at = output * tile_width + v * width;
      Vector& sum = sums[output][v];
      if constexpr (finish == Finish::rectify) sum = sum > 0.0F ? sum : Vector{};
      if constexpr (finish == Finish::add) sum += *reinterpret_cast<const Vector*>(before + at);
      *reinterpret_cast<Vector*>(results + at) = sum;
    }
}

// The first half of a block of outputs, or the `whole` block, of a tile, by two vectors at a time.
template <int width, Finish finish>
RADML_INLINE void multiply_halves(const float* factor, const float* bias, const float* panel, int inputs, bool whole,
                                  const float* before, float* results) {
  constexpr int half = PackedWeights::block / 2, second = half * tile_width;
  for (int column = 0; column < tile_width; column += 2 * width) {
    const float *columns = panel + column, *added = before + column;
    float* rows = results + column;
    multiply_columns<width, half, 2, finish>(factor, bias, columns, inputs, added, rows);
    if (whole) multiply_columns<width, half, 2, finish>(factor + half, bias + half, columns, inputs, added + second, rows + second);
  }
}

// The block of outputs from `first` on: weights times the rows at `panel`, of which the first `inputs` are looked at, into as many
// rows as a block has, or half as many where there are no more. Rows begin at multiples of 64 bytes; `before` is for Finish::add.
template <Finish finish = Finish::put>
RADML_INLINE void multiply_block(const PackedWeights& weights, int first, const float* panel, int inputs, float* results,
                                 const float* before) {
  constexpr int block = PackedWeights::block, half = block / 2;
  const float *factor = weights.weights(first), *bias = weights.bias() + first;
  const int lanes = lanes_of_vectors();
  const bool whole = weights.outputs() - first > half;
  if (lanes == 16) {
    if (whole)
      multiply_columns<16, block, 1, finish>(factor, bias, panel, inputs, before, results);
    else
      multiply_columns<16, half, 1, finish>(factor, bias, panel, inputs, before, results);
  } else if (lanes == 8) {
    multiply_halves<8, finish>(factor, bias, panel, inputs, whole, before, results);
  } else {
    multiply_halves<4, finish>(factor, bias, panel, inputs, whole, before, results);
  }
}

RADML_INLINE void multiply_block(const PackedWeights& weights, int first, const float* panel, float* results) {
  multiply_block(weights, first, panel, weights.inputs(), results, results);
}

// The same of all outputs, into rows one after the other, of the first `inputs` of the panel's rows: for what is zero beyond them.
template <Finish finish = Finish::put>
RADML_INLINE void multiply_into(const PackedWeights& weights, const float* panel, int inputs, float* rows, const float* before) {
  constexpr int block = PackedWeights::block;
  for (int first = 0; first < weights.outputs(); first += block) {
    const int count = std::min(block, weights.outputs() - first);
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(first) * tile_width;
    if (count % (block / 2) == 0) {
      multiply_block<finish>(weights, first, panel, inputs, rows + at, before + at);
    } else {  // what is computed beyond the last output has no row
      alignas(64) float results[block * tile_width], added[block * tile_width];
      if constexpr (finish == Finish::add) std::copy_n(before + at, count * tile_width, added);
      multiply_block<finish>(weights, first, panel, inputs, results, added);
      std::copy_n(results, count * tile_width, rows + at);
    }
  }
}

template <Finish finish = Finish::put>
RADML_INLINE void multiply_into(const PackedWeights& weights, const float* panel, float* rows) {
  multiply_into<finish>(weights, panel, weights.inputs(), rows, rows);
}

// The same of all outputs: take(output, its row).
template <typename Take>
RADML_INLINE void multiply(const PackedWeights& weights, const float* panel, const Take& take) {
  alignas(64) float results[PackedWeights::block * tile_width];
  for (int first = 0; first < weights.outputs(); first += PackedWeights::block) {
    multiply_block(weights, first, panel, results);
    for (int output = first; output < weights.outputs() && output < first + PackedWeights::block; ++output)
      take(output, results + static_cast<std::ptrdiff_t>(output - first) * tile_width);
  }
}

}  // namespace radml
