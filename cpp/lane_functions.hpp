// Elementary functions in plain operations, which compilers turn into vectors over the columns of a tile.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "tiles.hpp"

namespace radml {

// exp(x), and exp(x) - 1 without loss where that is small.
struct Exponential {
  float value, less_one;
};

// To two units in the last place, for -87 <= x <= 88. The polynomial has the least relative error of its degree, 2e-9, to either
// side of half a power of two.
RADML_INLINE Exponential exponential_within(float x) {
  constexpr float shifter = 12582912.0F;  // 1.5 * 2^23: adding it rounds to a whole number, in the low bits
  const float shifted = x * 1.44269504F + shifter;
  const float power = shifted - shifter;
  const float r = (x - power * 0.693359375F) + power * 2.12194440e-4F;  // ln 2 in two parts
  float sum = 0.0013836795F;
  sum = sum * r + 0.008374857F;
  sum = sum * r + 0.041668229F;
  sum = sum * r + 0.1666642F;
  sum = sum * r + 0.49999991F;
  sum = sum * r + 1.0F;
  const float beyond = sum * r;  // exp(r) - 1
  const float scale = std::bit_cast<float>(std::bit_cast<std::uint32_t>(1.0F) + (std::bit_cast<std::uint32_t>(shifted) << 23U));
  return {scale + scale * beyond, (scale - 1.0F) + scale * beyond};
}

// exp(x) for any x: limits are those of float32.
RADML_INLINE float exponential(float x) { return exponential_within(std::min(std::max(x, -87.0F), 88.0F)).value; }

// log(x) to a few units in the last place, for normal x > 0: exponent and 2 artanh((m - 1)/(m + 1)) of the mantissa.
RADML_INLINE float logarithm(float x) {
  constexpr std::uint32_t root_half = 0x3F3504F3U;  // sqrt(1/2): mantissas lie from there to sqrt(2)
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x) - root_half;
  const float power = static_cast<float>(static_cast<std::int32_t>(bits) >> 23);
  const float m = std::bit_cast<float>((bits & 0x007FFFFFU) + root_half);
  const float s = (m - 1.0F) / (m + 1.0F), square = s * s;
  float sum = 2.0F / 9.0F;
  sum = sum * square + 2.0F / 7.0F;
  sum = sum * square + 2.0F / 5.0F;
  sum = sum * square + 2.0F / 3.0F;
  return power * 0.693359375F + (s * (2.0F + square * sum) - power * 2.12194440e-4F);
}

}  // namespace radml
