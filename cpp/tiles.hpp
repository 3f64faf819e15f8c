// Tiles of columns, which the kernels of the networks work on: how wide they are, their memory, their vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

// One build serves any processor: the loader picks the clone for its vectors. RADML_WITHOUT_CLONES: one that only looks for errors.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && !defined(RADML_WITHOUT_CLONES)
#define RADML_FOR_EACH_VECTOR __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#define RADML_HAS_CLONES
#else
#define RADML_FOR_EACH_VECTOR
#endif
#if defined(__GNUC__)
#define RADML_INLINE inline __attribute__((always_inline))
#else
#define RADML_INLINE inline
#endif
#define RADML_LANES _Pragma("omp simd") for (int lane = 0; lane < tile_width; ++lane)

namespace radml {

inline constexpr int tile_width = 16;

// Whether any of the values is other than zero whose bits these are, or several values' bits in one.
RADML_INLINE bool any_but_zero(const std::uint32_t* bits) {
  std::uint32_t any = 0;
  for (int lane = 0; lane < tile_width; ++lane) any |= bits[lane];
  return (any << 1U) != 0;  // but for signs
}

// Memory for a tile, in rows of `tile_width` values, one after the other; nothing is in them yet.
class Rows {
 public:
  explicit Rows(std::ptrdiff_t count)
      : memory_(std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>((count + 1) * tile_width))) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
    next_ = memory_.get() + (64 - address % 64) % 64 / sizeof(float);
  }
  float* take(std::ptrdiff_t rows) {
    float* taken = next_;
    next_ += rows * tile_width;
    return taken;
  }

 private:
  std::unique_ptr<float[]> memory_;
  float* next_;
};

}  // namespace radml
