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

// A block of outputs of `width` columns of a tile.
template <int width>
RADML_INLINE void multiply_columns(const float* factor, const float* bias, const float* panel, int inputs, float* results) {
  using Vector [[gnu::vector_size(width * sizeof(float))]] = float;
  Vector a0 = Vector{} + bias[0], a1 = Vector{} + bias[1], a2 = Vector{} + bias[2], a3 = Vector{} + bias[3];
  Vector a4 = Vector{} + bias[4], a5 = Vector{} + bias[5], a6 = Vector{} + bias[6], a7 = Vector{} + bias[7];
  for (int input = 0; input < inputs; ++input, factor += PackedWeights::block) {
    const Vector x = *reinterpret_cast<const Vector*>(panel + static_cast<std::ptrdiff_t>(input) * tile_width);
    a0 += factor[0] * x;
    a1 += factor[1] * x;
    a2 += factor[2] * x;
    a3 += factor[3] * x;
    a4 += factor[4] * x;
    a5 += factor[5] * x;
    a6 += factor[6] * x;
    a7 += factor[7] * x;
  }
  const auto row = [&](std::ptrdiff_t output) -> Vector& { return *reinterpret_cast<Vector*>(results + output * tile_width); };
  row(0) = a0, row(1) = a1, row(2) = a2, row(3) = a3, row(4) = a4, row(5) = a5, row(6) = a6, row(7) = a7;
}

// The block of outputs from `first` on: weights times the rows at `panel`, into as many rows as a block has. Rows begin at
// multiples of 64 bytes.
RADML_INLINE void multiply_block(const PackedWeights& weights, int first, const float* panel, float* results) {
  const float *factor = weights.weights(first), *bias = weights.bias() + first;
  const int inputs = weights.inputs(), lanes = lanes_of_vectors();
  if (lanes == 16) {
    multiply_columns<16>(factor, bias, panel, inputs, results);
  } else if (lanes == 8) {
    for (int column = 0; column < tile_width; column += 8)
      multiply_columns<8>(factor, bias, panel + column, inputs, results + column);
  } else {
    for (int column = 0; column < tile_width; column += 4)
      multiply_columns<4>(factor, bias, panel + column, inputs, results + column);
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
