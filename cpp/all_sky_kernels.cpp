#include "all_sky_kernels.hpp"

#include <algorithm>

#include "lane_functions.hpp"

namespace radml {
namespace {

using std::ptrdiff_t;

constexpr int smallness_feature = 19, cloud_fraction_feature = 13, clouded_feature = 30;  // as in ftorch_bridge/sky.py
constexpr float least_clouded = 0.01F;

// ---- Shares

// exp(row) over their sum, times `whole`, in place.
RADML_INLINE void softmax(float* rows, int count, const float* whole) {
  alignas(64) float most[tile_width], factor[tile_width] = {};
  RADML_LANES most[lane] = rows[lane];
  for (int i = 1; i < count; ++i) RADML_LANES most[lane] = std::max(most[lane], rows[i * tile_width + lane]);
  for (int i = 0; i < count; ++i)
    RADML_LANES {
      float& row = rows[i * tile_width + lane];
      row = exponential(row - most[lane]);
      factor[lane] += row;
    }
  RADML_LANES factor[lane] = whole[lane] / factor[lane];
  for (int i = 0; i < count; ++i) RADML_LANES rows[i * tile_width + lane] *= factor[lane];
}

RADML_INLINE void find_shares_of_tile(const ShareWeights& weights, const ShareRows& rows) {
  const int suns = weights.sun.inputs(), means = weights.sky.inputs() - sky_features;
  const int common = weights.common.outputs() - 1, clear = weights.clear.outputs(), cloudy = weights.cloudy.outputs();
  Rows memory(sky_features + means + weights.sun.outputs() + weights.sky.outputs() + common + 4);
  float* panel = memory.take(sky_features + means);
  for (int i = 0; i < sky_features; ++i)
    RADML_LANES panel[i * tile_width + lane] = (rows.sky[i * tile_width + lane] - weights.mean[i]) * weights.scale[i];
  std::copy_n(rows.mean, means * tile_width, panel + sky_features * tile_width);
  float *sun = memory.take(weights.sun.outputs()), *hidden = memory.take(weights.sky.outputs());
  multiply_into<Finish::rectify>(weights.sun, panel + (sky_features - suns) * tile_width, sun);
  multiply_into<Finish::rectify>(weights.sky, panel, hidden);

  float *one = memory.take(1), *covered = memory.take(1), *uncovered = memory.take(1);
  RADML_LANES {
    one[lane] = 1.0F;
    covered[lane] = rows.sky[lane];
    uncovered[lane] = 1.0F - covered[lane];
    rows.skies[lane] = uncovered[lane];
  }
  multiply_into(weights.emission, sun, rows.base);
  for (int i = 0; i < weights.emission.outputs(); ++i) RADML_LANES rows.base[i * tile_width + lane] += weights.planck[i];
  softmax(rows.base, weights.emission.outputs(), one);
  if (weights.skies.outputs() > 0) {
    multiply_into(weights.skies, hidden, rows.skies + tile_width);
    softmax(rows.skies + tile_width, weights.skies.outputs(), covered);
  }

  float* shared = memory.take(common + 1);
  multiply_into(weights.common, sun, shared);
  softmax(shared, common + 1, rows.incident);
  std::copy_n(shared, common * tile_width, rows.sunlight + clear * tile_width);
  const float* others = shared + common * tile_width;
  RADML_LANES {
    covered[lane] *= others[lane];
    uncovered[lane] *= others[lane];
  }
  multiply_into(weights.clear, sun, rows.sunlight);
  softmax(rows.sunlight, clear, uncovered);
  float* of_clouds = rows.sunlight + (clear + common) * tile_width;
  multiply_into(weights.cloudy, hidden, of_clouds);
  softmax(of_clouds, cloudy, covered);
}

}  // namespace

// In no unnamed namespace: compilers instrument what chooses a clone of such a function, and the loader asks it before a sanitizer
// is ready.
RADML_FOR_EACH_VECTOR
void find_shares(const ShareWeights& weights, const ShareRows& rows) { find_shares_of_tile(weights, rows); }

// ---- The tiles

namespace {

HostArray from_column(HostArray array, ptrdiff_t column) {
  if (array.real64 != nullptr) array.real64 += column * array.column_stride;
  if (array.real32 != nullptr) array.real32 += column * array.column_stride;
  return array;
}

// The columns of a tile alone.
SkyInputs inputs_of_tile(const SkyInputs& all, ptrdiff_t column) {
  SkyInputs tile{};
  tile.layers = all.layers;
  tile.columns = std::min<ptrdiff_t>(tile_width, all.columns - column);
  for (const SkyInput& input : sky_inputs) tile.*(input.member) = from_column(all.*(input.member), column);
  return tile;
}

DepthTerm with_amounts(DepthTerm term, const float* amounts) {
  term.amounts = amounts;
  return term;
}

// A tile of columns: its arrays, and what the kernels want of them.
class Tile {
 public:
  Tile(const AllSkyWeights& weights, int layers)
      : weights_(weights), layers_(layers), rows_(count_rows()) {
    const ptrdiff_t levels = layers + 1;
    sky_.columns = tile_width;
    sky_.features = take(layer_features, layers);
    tests_ = take(cloud_tests, layers);
    sky_.sky = take(sky_features);
    sky_.share = take(layers);
    sky_.thickness = take(layers);
    sky_.pressure_layer = take(layers);
    sky_.temperature_layer = take(layers);
    sky_.temperature_level = take(levels);
    sky_.amounts = take(absorbers, layers);
    sky_.ozone = take(2, layers);
    sky_.clouds = take(2, layers);
    sky_.surface = take(surface_values);
    cover_ = take(layers);
    bands_ = take(cloud_bands, layers);
    channels_ = take(weights.trunk.stem.outputs(), layers);
    mean_ = take(weights.trunk.stem.outputs());
    base_ = take(weights.shares.emission.outputs());
    skies_ = take(weights.shares.skies.outputs() + 1);
    sunlight_ = take(weights.shortwave_points);
    fluxes_ = {take(levels), take(levels), take(layers)};
    for (int feature = 0; feature < layer_features; ++feature) features_.push_back(sky_.features + feature * layers * tile_width);
    for (int test = 0; test < cloud_tests; ++test) features_.push_back(tests_ + test * layers * tile_width);
  }

  template <typename Real>
  void run(const SkyInputs& inputs, ptrdiff_t column, const AllSkyOutputs<Real>& outputs) {
    describe_sky(inputs_of_tile(inputs, column), sky_, 0, 1);
    see_clouds();
    run_trunk({weights_.trunk, layers_, tile_width, features_, sky_.share, channels_, mean_}, 0, 1);
    const float* incident = surface(4);
    find_shares(weights_.shares, {sky_.sky, mean_, incident, base_, skies_, sunlight_});
    const ptrdiff_t count = std::min<ptrdiff_t>(tile_width, inputs.columns - column);
    const auto put = [&](Real* up, Real* down, Real* heating) {
      put_rows(fluxes_.up, layers_ + 1, count, up + column, inputs.columns);
      put_rows(fluxes_.down, layers_ + 1, count, down + column, inputs.columns);
      for (ptrdiff_t i = 0; i < layers_ * static_cast<ptrdiff_t>(tile_width); ++i)
        fluxes_.absorbed[i] *= weights_.heating_factor / sky_.thickness[i];
      put_rows(fluxes_.absorbed, layers_, count, heating + column, inputs.columns);
    };
    solve_longwave({{weights_.longwave_points, layers_, tile_width, channels_},
                    {with_amounts(weights_.longwave[0], sky_.amounts), with_amounts(weights_.longwave[1], sky_.clouds)},
                    weights_.planck,
                    base_,
                    skies_,
                    weights_.common,
                    weights_.shares.emission.outputs() - weights_.common,
                    weights_.shares.skies.outputs() + 1,
                    sky_.temperature_layer,
                    sky_.temperature_level,
                    surface(0),
                    surface(1)},
                   fluxes_, 0, 1);
    put(outputs.lw_up, outputs.lw_down, outputs.lw_heating_rate);
    solve_shortwave({{weights_.shortwave_points, layers_, tile_width, channels_},
                     {with_amounts(weights_.absorbing[0], sky_.amounts), with_amounts(weights_.absorbing[1], sky_.ozone),
                      with_amounts(weights_.absorbing[2], sky_.clouds), with_amounts(weights_.absorbing[3], bands_)},
                     {with_amounts(weights_.scattering[0], sky_.thickness), with_amounts(weights_.scattering[1], sky_.clouds)},
                     sunlight_,
                     surface(2),
                     surface(3)},
                    fluxes_, 0, 1);
    put(outputs.sw_up, outputs.sw_down, outputs.sw_heating_rate);
  }

 private:
  const AllSkyWeights& weights_;
  int layers_;
  Rows rows_;
  SkyOutputs sky_{};
  float *tests_, *cover_, *bands_, *channels_, *mean_, *base_, *skies_, *sunlight_;
  Fluxes<float> fluxes_{};
  std::vector<const float*> features_;

  [[nodiscard]] ptrdiff_t count_rows() const {
    constexpr ptrdiff_t others = 13;  // share to temperature_level, ozone, clouds, cover, fluxes
    const ptrdiff_t by_layer = layer_features + cloud_tests + absorbers + cloud_bands + weights_.trunk.stem.outputs() + others;
    return by_layer * (layers_ + 1) + sky_features + surface_values + weights_.trunk.stem.outputs() +
           weights_.shares.emission.outputs() + weights_.shares.skies.outputs() + 1 + weights_.shortwave_points;
  }

  float* take(ptrdiff_t count, ptrdiff_t rows = 1) { return rows_.take(count * rows); }
  [[nodiscard]] const float* surface(int value) const { return sky_.surface + static_cast<ptrdiff_t>(value) * tile_width; }

  void see_clouds() {
    const ptrdiff_t size = static_cast<ptrdiff_t>(layers_) * tile_width;
    const float* fraction = sky_.features + cloud_fraction_feature * size;
    const float* clouded = sky_.features + clouded_feature * size;
    for (ptrdiff_t i = 0; i < size; ++i) cover_[i] = fraction[i] / std::max(clouded[i], least_clouded);
    const float* smallness = sky_.features + smallness_feature * size;
    absorb_in_bands({layers_, tile_width, weights_.cloud_table, sky_.clouds, smallness, cover_, bands_, tests_}, 0, 1);
  }

  template <typename Real>
  static void put_rows(const float* rows, ptrdiff_t number, ptrdiff_t count, Real* to, ptrdiff_t stride) {
    for (ptrdiff_t row = 0; row < number; ++row)
      for (ptrdiff_t lane = 0; lane < count; ++lane) to[row * stride + lane] = static_cast<Real>(rows[row * tile_width + lane]);
  }
};

template <typename Real>
void run_tiles(const AllSkyWeights& weights, const SkyInputs& inputs, const AllSkyOutputs<Real>& outputs, ptrdiff_t first,
               ptrdiff_t last) {
  Tile tile(weights, inputs.layers);
  for (ptrdiff_t i = first; i < last; ++i) tile.run(inputs, i * tile_width, outputs);
}

}  // namespace

void run_all_sky(const AllSkyWeights& weights, const SkyInputs& inputs, const AllSkyOutputs<double>& outputs, ptrdiff_t first,
                 ptrdiff_t last) {
  run_tiles(weights, inputs, outputs, first, last);
}

void run_all_sky(const AllSkyWeights& weights, const SkyInputs& inputs, const AllSkyOutputs<float>& outputs, ptrdiff_t first,
                 ptrdiff_t last) {
  run_tiles(weights, inputs, outputs, first, last);
}

}  // namespace radml
