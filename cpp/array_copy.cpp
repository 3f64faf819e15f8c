#include "array_copy.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <cstdlib>
#include <numeric>
#include <utility>

namespace radml {
namespace {

struct Row {
  int64_t length;
  int64_t from_step;  // bytes
  int64_t to_step;
};

// Elements may lie where the processor wants no number of this size (components of packed records), hence memcpy, which
// compilers turn into plain loads and stores.
template <typename From, typename To>
void convert_row(const std::byte* from, std::byte* to, const Row& row) {
  const auto convert = [&](int64_t from_step, int64_t to_step) {
    for (int64_t i = 0; i < row.length; ++i) {
      From value;
      std::memcpy(&value, from + i * from_step, sizeof value);
      const To converted = static_cast<To>(value);
      std::memcpy(to + i * to_step, &converted, sizeof converted);
    }
  };
  constexpr int64_t from_size = sizeof(From);
  constexpr int64_t to_size = sizeof(To);
  if (row.from_step == from_size && row.to_step == to_size)
    convert(from_size, to_size);  // constants: a loop of vector instructions
  else
    convert(row.from_step, row.to_step);
}

template <size_t size>
void move_row(const std::byte* from, std::byte* to, const Row& row) {
  constexpr auto step = static_cast<int64_t>(size);
  if (row.from_step == step && row.to_step == step) {
    std::memcpy(to, from, size * static_cast<size_t>(row.length));
    return;
  }
  for (int64_t i = 0; i < row.length; ++i) std::memcpy(to + i * row.to_step, from + i * row.from_step, size);
}

using RowCopy = void (*)(const std::byte*, std::byte*, const Row&);

RowCopy row_copy(const radml_array& from, const radml_array& to) {
  if (from.kind != to.kind) return from.kind == RADML_FLOAT32 ? &convert_row<float, double> : &convert_row<double, float>;
  switch (from.element_size) {
    case 1: return &move_row<1>;
    case 2: return &move_row<2>;
    case 4: return &move_row<4>;
    case 8: return &move_row<8>;
    default: return &move_row<16>;
  }
}

struct Dimension {
  int64_t extent;
  int64_t from_step;
  int64_t to_step;
};

// The bytes from the first to behind the last of an array with at least one element.
std::pair<const std::byte*, const std::byte*> byte_range(const radml_array& array) {
  const auto* first = static_cast<const std::byte*>(array.address);
  const std::byte* last = first + array.element_size;
  for (int32_t i = 0; i < array.rank; ++i) {
    const int64_t span = (array.shape[i] - 1) * array.strides[i];
    (span < 0 ? first : last) += span;
  }
  return {first, last};
}

bool is_empty(const radml_array& array) {
  const int64_t* const end = array.shape + array.rank;
  return std::find(array.shape, end, 0) != end;
}

}  // namespace

bool is_real(int32_t kind) { return kind == RADML_FLOAT32 || kind == RADML_FLOAT64; }

void copy_array(const radml_array& from, const radml_array& to) {
  if (is_empty(to)) return;
  // Dimensions of more than one element, the one with the target's smallest stride first; what is contiguous in both is one.
  std::array<Dimension, RADML_MAX_RANK> dimensions;
  size_t n = 0;
  for (int32_t i = 0; i < to.rank; ++i)
    if (to.shape[i] > 1) dimensions[n++] = {to.shape[i], from.strides[i], to.strides[i]};
  for (size_t i = 1; i < n; ++i)  // few, and mostly in order
    for (size_t j = i; j > 0 && std::abs(dimensions[j].to_step) < std::abs(dimensions[j - 1].to_step); --j)
      std::swap(dimensions[j], dimensions[j - 1]);
  size_t kept = 0;
  for (size_t i = 1; i < n; ++i) {
    Dimension& inner = dimensions[kept];
    const Dimension& outer = dimensions[i];
    if (outer.from_step == inner.extent * inner.from_step && outer.to_step == inner.extent * inner.to_step)
      inner.extent *= outer.extent;
    else
      dimensions[++kept] = outer;
  }
  if (n > 0) n = kept + 1;

  const RowCopy copy = row_copy(from, to);
  const Row row = n == 0 ? Row{1, from.element_size, to.element_size}
                         : Row{dimensions[0].extent, dimensions[0].from_step, dimensions[0].to_step};
  const auto* source = static_cast<const std::byte*>(from.address);
  auto* target = static_cast<std::byte*>(to.address);
  std::array<int64_t, RADML_MAX_RANK> index{};
  while (true) {
    copy(source, target, row);
    size_t i = 1;
    for (; i < n; ++i) {
      const Dimension& dimension = dimensions[i];
      source += dimension.from_step;
      target += dimension.to_step;
      if (++index[i] < dimension.extent) break;
      source -= dimension.extent * dimension.from_step;
      target -= dimension.extent * dimension.to_step;
      index[i] = 0;
    }
    if (i >= n) return;
  }
}

bool may_overlap(const radml_array& a, const radml_array& b) {
  if (is_empty(a) || is_empty(b)) return false;
  const auto [a_first, a_end] = byte_range(a);
  const auto [b_first, b_end] = byte_range(b);
  if (a_end <= b_first || b_end <= a_first) return false;
  // Interleaved arrays, as the components of an array of a derived type: all strides are multiples of one step, and within a
  // step each array has its own bytes.
  int64_t step = 0;
  for (const radml_array* array : {&a, &b})
    for (int32_t i = 0; i < array->rank; ++i)
      if (array->shape[i] > 1) step = std::gcd(step, array->strides[i]);
  if (step == 0) return true;
  const int64_t offset = ((b_first - a_first) % step + step) % step;
  return offset < a.element_size || offset + b.element_size > step;
}

}  // namespace radml
