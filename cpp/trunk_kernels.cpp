#include "trunk_kernels.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace radml {

using std::ptrdiff_t;

namespace {

// Rows of a tile's layers: (layer, channel and context, column), a layer of zeros beyond both ends.
struct Panels {
  float* memory;
  ptrdiff_t size;  // of a layer
  [[nodiscard]] RADML_INLINE float* layer(ptrdiff_t l) const { return memory + (l + 1) * size; }
};

RADML_INLINE Panels take_panels(int layers, int channels, Rows& rows) {
  const ptrdiff_t size = static_cast<ptrdiff_t>(channels) * tile_width;
  const Panels panels{rows.take(static_cast<ptrdiff_t>(layers + 2) * channels), size};
  std::fill(panels.memory, panels.memory + size, 0.0F);
  std::fill(panels.layer(layers), panels.layer(layers) + size, 0.0F);
  return panels;
}

// Put into `x`, beyond its channels, what the module accumulates from above down to each layer and from below up to it.
RADML_INLINE void accumulate(const Trunk& trunk, const TrunkModule& module, ptrdiff_t column, const Panels& x, int channels,
                             float* here) {
  const int contexts = module.context.outputs();
  const ptrdiff_t size = static_cast<ptrdiff_t>(contexts) * tile_width;
  const auto row = [](float* rows, ptrdiff_t number) { return rows + number * tile_width; };
  for (int l = 0; l < trunk.layers; ++l) {
    const float* share = trunk.share + l * trunk.columns + column;
    float *parts = here + l * size, *above = row(x.layer(l), channels);
    const float* before = row(x.layer(l - 1), channels);
    multiply(module.context, x.layer(l), [&](int context, const float* value) {
      const ptrdiff_t i = static_cast<ptrdiff_t>(context) * tile_width;
      RADML_LANES {
        const float added = value[lane] * (trunk.weights.context_scale * share[lane]);
        parts[i + lane] = added;
        above[i + lane] = l == 0 ? added : before[i + lane] + added;
      }
    });
  }
  const float* total = row(x.layer(trunk.layers - 1), channels);
  for (int l = 0; l < trunk.layers; ++l) {
    const float* parts = here + l * size;
    float* above = row(x.layer(l), channels);
    for (ptrdiff_t i = 0; i < size; ++i) above[size + i] = total[i] - above[i] + parts[i];
  }
}

// How many rows there are up to the last that is not zero: the tests of clouds come last, and most layers have none.
RADML_INLINE int count_but_zeros(const float* rows, int count) {
  for (; count > 0; --count) {
    const float* row = rows + static_cast<ptrdiff_t>(count - 1) * tile_width;
    alignas(64) std::uint32_t bits[tile_width];
    RADML_LANES bits[lane] = std::bit_cast<std::uint32_t>(row[lane]);
    if (any_but_zero(bits)) break;
  }
  return count;
}

RADML_INLINE void run_tile(const Trunk& trunk, ptrdiff_t tile) {
  const ptrdiff_t column = tile * tile_width;
  const int layers = trunk.layers, channels = trunk.weights.stem.outputs(), inputs = trunk.weights.stem.inputs();
  int contexts = 0;
  for (const TrunkModule& module : trunk.weights.modules) contexts = std::max(contexts, module.context.outputs());
  const int width = channels + 2 * contexts;
  Rows rows(2 * static_cast<ptrdiff_t>(layers + 2) * width + static_cast<ptrdiff_t>(layers) * contexts + channels +
            inputs);
  Panels x = take_panels(layers, width, rows), next = take_panels(layers, width, rows);
  float* here = rows.take(static_cast<ptrdiff_t>(layers) * contexts);
  float* hidden = rows.take(channels);
  float* features = rows.take(inputs);

  for (int l = 0; l < layers; ++l) {
    for (int feature = 0; feature < inputs; ++feature) {
      const float* source = trunk.features[feature] + l * trunk.columns + column;
      float* row = features + static_cast<ptrdiff_t>(feature) * tile_width;
      RADML_LANES row[lane] = source[lane];
    }
    multiply_into(trunk.weights.stem, features, count_but_zeros(features, inputs), x.layer(l), x.layer(l));
  }
  for (const TrunkModule& module : trunk.weights.modules) {
    accumulate(trunk, module, column, x, channels, here);
    for (int l = 0; l < layers; ++l) {
      multiply_into<Finish::rectify>(module.convolution, x.layer(l - 1), hidden);
      multiply_into<Finish::add>(module.mixing, hidden, module.mixing.inputs(), next.layer(l), x.layer(l));
    }
    std::swap(x, next);
  }
  for (int l = 0; l < layers; ++l) {
    if (trunk.weights.head) {
      float* target = trunk.result + l * trunk.columns + column;
      multiply(*trunk.weights.head, x.layer(l), [&](int output, const float* value) {
        float* to = target + static_cast<ptrdiff_t>(output) * layers * trunk.columns;
        RADML_LANES to[lane] = value[lane];
      });
    } else {
      const ptrdiff_t size = static_cast<ptrdiff_t>(channels) * tile_width;
      std::copy(x.layer(l), x.layer(l) + size, trunk.result + (tile * layers + l) * size);
    }
  }
  for (int channel = 0; channel < channels; ++channel) {
    alignas(64) float sum[tile_width] = {};
    for (int l = 0; l < layers; ++l) {
      const float* share = trunk.share + l * trunk.columns + column;
      const float* row = x.layer(l) + static_cast<ptrdiff_t>(channel) * tile_width;
      RADML_LANES sum[lane] += row[lane] * share[lane];
    }
    float* to = trunk.mean + channel * trunk.columns + column;
    RADML_LANES to[lane] = sum[lane];
  }
}

}  // namespace

RADML_FOR_EACH_VECTOR
void run_trunk(const Trunk& trunk, ptrdiff_t first, ptrdiff_t last) {
  for (ptrdiff_t tile = first; tile < last; ++tile) run_tile(trunk, tile);
}

}  // namespace radml
