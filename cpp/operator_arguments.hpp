// What the operators of libradml share: checked arguments, columns in whole tiles.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cstdint>
#include <initializer_list>
#include <string>

#include "packed_weights.hpp"
#include "tiles.hpp"

namespace radml {

inline const float* read(const at::Tensor& tensor) { return tensor.numel() == 0 ? nullptr : tensor.const_data_ptr<float>(); }

inline int64_t in_whole_tiles(int64_t columns) { return (columns + tile_width - 1) / tile_width * tile_width; }

// Arguments of an operator as the kernels want them.
class Arguments {
 public:
  explicit Arguments(const char* operator_name) : name_(operator_name) {}

  // Contiguous; raises an error that names the argument where kind, device or shape is another.
  [[nodiscard]] at::Tensor take(const std::string& what, const at::Tensor& tensor, std::initializer_list<int64_t> sizes) const {
    const at::IntArrayRef expected(sizes.begin(), sizes.size());
    TORCH_CHECK(tensor.is_cpu() && tensor.scalar_type() == at::kFloat, name_, ": ", what, ": expected float32 on the CPU, got ",
                tensor.scalar_type(), " on ", tensor.device());
    TORCH_CHECK(tensor.sizes() == expected, name_, ": ", what, ": expected the shape ", expected, ", got ", tensor.sizes());
    return tensor.contiguous();
  }

  // The same with columns, its last dimension, filled up with zeros to whole tiles.
  [[nodiscard]] at::Tensor take_columns(const std::string& what, const at::Tensor& tensor,
                                        std::initializer_list<int64_t> sizes) const {
    const at::Tensor taken = take(what, tensor, sizes);
    const int64_t columns = taken.size(-1), beyond = in_whole_tiles(columns) - columns;
    return beyond == 0 ? taken : at::constant_pad_nd(taken, {0, beyond});
  }

 private:
  const char* name_;
};

// A weight (output, input), or (tap, output, input) of `taps` taps, and its bias (output, 1), packed.
inline PackedWeights take_weights(const Arguments& arguments, const std::string& what, const at::Tensor& weight,
                                  const at::Tensor& bias, int64_t outputs, int64_t inputs, int64_t taps = 1) {
  const at::Tensor w = taps == 1 ? arguments.take(what + " weight", weight, {outputs, inputs})
                                 : arguments.take(what + " weight", weight, {taps, outputs, inputs});
  const at::Tensor b = arguments.take(what + " bias", bias, {outputs, 1});
  return {read(w), read(b), static_cast<int>(outputs), static_cast<int>(inputs), static_cast<int>(taps)};
}

// body(first, last) for all tiles of `columns`, on PyTorch's threads.
template <typename Body>
void for_each_tile(int64_t columns, const Body& body) {
  at::parallel_for(0, in_whole_tiles(columns) / tile_width, 1, body);
}

}  // namespace radml
