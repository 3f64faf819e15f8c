#include "sky_kernels.hpp"

#include <algorithm>
#include <cmath>

#include "lane_functions.hpp"

namespace radml {
namespace {

using std::ptrdiff_t;

constexpr ptrdiff_t w = tile_width;
constexpr float least_amount = 1e-12F;
constexpr float most_cover = 0.9999F;
constexpr float radius_without_liquid = 1e-5F, radius_without_ice = 4e-5F;  // m, as the generator of columns has them
constexpr float sun_levels[] = {320.0F, 26000.0F, 39000.0F, 70000.0F, 95000.0F};  // Pa

// One row of a tile's columns, in double precision.
RADML_INLINE void load(const HostArray& array, ptrdiff_t row, ptrdiff_t column, ptrdiff_t columns, double* __restrict values) {
  const bool whole = array.column_stride == 1 && column + w <= columns;
  if (array.real64 != nullptr) {
    const double* source = array.real64 + row * array.row_stride;
    if (whole) {
      RADML_LANES values[lane] = source[column + lane];
    } else {
      for (int lane = 0; lane < tile_width; ++lane)
        values[lane] = source[std::min(column + lane, columns - 1) * array.column_stride];
    }
  } else {
    const float* source = array.real32 + row * array.row_stride;
    for (int lane = 0; lane < tile_width; ++lane)
      values[lane] = static_cast<double>(source[std::min(column + lane, columns - 1) * array.column_stride]);
  }
}

RADML_INLINE void load(const HostArray& array, ptrdiff_t row, ptrdiff_t column, ptrdiff_t columns, float* __restrict values) {
  const bool whole = array.column_stride == 1 && column + w <= columns;
  if (whole && array.real64 != nullptr) {
    const double* source = array.real64 + row * array.row_stride + column;
    RADML_LANES values[lane] = static_cast<float>(source[lane]);
  } else {
    alignas(64) double exact[tile_width];
    load(array, row, column, columns, exact);
    RADML_LANES values[lane] = static_cast<float>(exact[lane]);
  }
}

RADML_INLINE float log_of_amount(float x) { return logarithm(std::max(x, least_amount)); }
RADML_INLINE float log_of_path(float x) { return logarithm(1.0F + 200.0F * std::max(x, 0.0F)); }

// What is summed from the top down and needed again on the way up, by layer.
struct Sums {
  float *water, *water_above, *liquid_above, *ice_above, *cover;
};

RADML_INLINE void describe_tile(const SkyInputs& in, const SkyOutputs& out, ptrdiff_t tile) {
  const ptrdiff_t layers = in.layers, column = tile * w, columns = in.columns;
  Rows rows(5 * layers);
  const Sums sums{rows.take(layers), rows.take(layers), rows.take(layers), rows.take(layers), rows.take(layers)};
  const auto layer_row = [&](float* of, ptrdiff_t which, ptrdiff_t l) { return of + (which * layers + l) * out.columns + column; };

  alignas(64) float surface[tile_width], cosine[tile_width], log_cosine[tile_width], albedo[tile_width];
  alignas(64) double exact[tile_width], upper[tile_width];
  float* surface_row[surface_values];
  for (int i = 0; i < surface_values; ++i) surface_row[i] = out.surface + i * out.columns + column;
  load(in.surface_temperature, 0, column, columns, surface_row[0]);
  load(in.surface_emissivity, 0, column, columns, surface_row[1]);
  load(in.surface_albedo, 0, column, columns, surface_row[2]);
  load(in.cos_zenith, 0, column, columns, exact);
  load(in.solar_irradiance, 0, column, columns, upper);
  RADML_LANES {
    surface_row[3][lane] = static_cast<float>(exact[lane]);
    surface_row[4][lane] = static_cast<float>(std::max(exact[lane], 0.0) * upper[lane]);
    cosine[lane] = std::max(static_cast<float>(exact[lane]), 0.02F);
    log_cosine[lane] = logarithm(cosine[lane]);
    albedo[lane] = surface_row[2][lane];
  }
  load(in.pressure_level, layers, column, columns, surface);
  load(in.pressure_level, 0, column, columns, upper);
  for (ptrdiff_t l = 0; l <= layers; ++l) load(in.temperature_level, l, column, columns, out.temperature_level + l * out.columns + column);

  // Downward: the state, and what lies above.
  alignas(64) float water_sum[tile_width] = {}, ozone_sum[tile_width] = {}, liquid_sum[tile_width] = {}, ice_sum[tile_width] = {};
  alignas(64) float clear[tile_width], cover_above[tile_width] = {}, most[tile_width] = {};
  RADML_LANES clear[lane] = 1.0F;
  for (ptrdiff_t l = 0; l < layers; ++l) {
    alignas(64) float h2o[tile_width], o3[tile_width], co2[tile_width], ch4[tile_width], n2o[tile_width];
    alignas(64) float fraction[tile_width], liquid[tile_width], ice[tile_width], liquid_radius[tile_width], ice_radius[tile_width];
    float* pressure = out.pressure_layer + l * out.columns + column;
    float* temperature = out.temperature_layer + l * out.columns + column;
    float* thickness = out.thickness + l * out.columns + column;
    float* share = out.share + l * out.columns + column;
    load(in.pressure_layer, l, column, columns, pressure);
    load(in.temperature_layer, l, column, columns, temperature);
    load(in.h2o, l, column, columns, h2o);
    load(in.o3, l, column, columns, o3);
    load(in.co2, l, column, columns, co2);
    load(in.ch4, l, column, columns, ch4);
    load(in.n2o, l, column, columns, n2o);
    load(in.cloud_fraction, l, column, columns, fraction);
    load(in.cloud_liquid_path, l, column, columns, liquid);
    load(in.cloud_ice_path, l, column, columns, ice);
    load(in.liquid_radius, l, column, columns, liquid_radius);
    load(in.ice_radius, l, column, columns, ice_radius);
    // What is said of clouds where there is none is not to be seen.
    RADML_LANES {
      liquid[lane] = fraction[lane] > 0.0F ? liquid[lane] : 0.0F;
      ice[lane] = fraction[lane] > 0.0F ? ice[lane] : 0.0F;
      liquid_radius[lane] = liquid[lane] > 0.0F ? liquid_radius[lane] : radius_without_liquid;
      ice_radius[lane] = ice[lane] > 0.0F ? ice_radius[lane] : radius_without_ice;
    }
    load(in.pressure_level, l + 1, column, columns, exact);
    RADML_LANES {
      thickness[lane] = static_cast<float>(exact[lane] - upper[lane]);
      upper[lane] = exact[lane];
      share[lane] = thickness[lane] / surface[lane];
    }
    float* f[layer_features];
    for (int i = 0; i < layer_features; ++i) f[i] = layer_row(out.features, i, l);
    float* amount[absorbers];
    for (int i = 0; i < absorbers; ++i) amount[i] = layer_row(out.amounts, i, l);
    float *ozone = layer_row(out.ozone, 0, l), *warm_ozone = layer_row(out.ozone, 1, l);
    float *cloud_liquid = layer_row(out.clouds, 0, l), *cloud_ice = layer_row(out.clouds, 1, l);
    RADML_LANES {
      const float dp = thickness[lane], water = h2o[lane] * dp;
      water_sum[lane] += water;
      ozone_sum[lane] += o3[lane] * dp;
      liquid_sum[lane] += fraction[lane] * liquid[lane];
      ice_sum[lane] += fraction[lane] * ice[lane];
      const float cover = std::min(fraction[lane], most_cover);
      clear[lane] *= (1.0F - std::max(cover, cover_above[lane])) / (1.0F - cover_above[lane]);
      cover_above[lane] = cover;
      most[lane] = std::max(most[lane], fraction[lane]);
      const ptrdiff_t i = l * w + lane;
      sums.water[i] = water;
      sums.water_above[i] = water_sum[lane];
      sums.liquid_above[i] = liquid_sum[lane];
      sums.ice_above[i] = ice_sum[lane];
      sums.cover[i] = cover;

      amount[0][lane] = h2o[lane] * 1e-1F * dp;
      amount[1][lane] = co2[lane] * dp;
      amount[2][lane] = ch4[lane] * 1e2F * dp;
      amount[3][lane] = n2o[lane] * 1e2F * dp;
      amount[4][lane] = 1e-5F * dp;
      const float o = o3[lane] * 1e2F * dp, t = temperature[lane] * 0.004F, square = t * t;
      amount[5][lane] = o;
      ozone[lane] = o;
      warm_ozone[lane] = o * (square * square);
      const float by_liquid_radius = 1e-5F / liquid_radius[lane], by_ice_radius = 3e-5F / ice_radius[lane];
      cloud_liquid[lane] = fraction[lane] * 50.0F * liquid[lane] * by_liquid_radius;
      cloud_ice[lane] = fraction[lane] * 50.0F * ice[lane] * by_ice_radius;

      const float warm = temperature[lane] * 0.01F - 2.5F;
      f[10][lane] = warm;
      f[11][lane] = warm * warm;
      f[12][lane] = h2o[lane] * 100.0F;
      f[13][lane] = fraction[lane];
      f[14][lane] = fraction[lane] > 0.0F ? 1.0F : 0.0F;
      f[15][lane] = std::sqrt(std::sqrt(liquid[lane] / dp * 1e4F));
      f[16][lane] = std::sqrt(std::sqrt(ice[lane] / dp * 1e4F));
      f[19][lane] = by_liquid_radius;
      f[20][lane] = by_ice_radius;
      f[21][lane] = 1.0F - clear[lane];
      f[27][lane] = cosine[lane];
      f[28][lane] = log_cosine[lane];
      f[29][lane] = albedo[lane];
    }
    RADML_LANES {
      f[0][lane] = log_of_amount(pressure[lane]);
      f[1][lane] = log_of_amount(h2o[lane]);
      f[2][lane] = log_of_amount(o3[lane]);
      f[3][lane] = log_of_amount(co2[lane]);
      f[4][lane] = log_of_amount(ch4[lane]);
      f[5][lane] = log_of_amount(n2o[lane]);
      f[6][lane] = log_of_amount(water_sum[lane]);
      f[7][lane] = log_of_amount(ozone_sum[lane]);
      f[9][lane] = log_of_amount(thickness[lane]);
      f[17][lane] = log_of_path(liquid[lane]);
      f[18][lane] = log_of_path(ice[lane]);
      f[23][lane] = log_of_path(liquid_sum[lane]);
      f[24][lane] = log_of_path(ice_sum[lane]);
    }
  }

  // Upward: what lies below, and the whole column's.
  alignas(64) float clouded[tile_width], scale[tile_width], cover_below[tile_width] = {};
  RADML_LANES {
    clouded[lane] = 1.0F - clear[lane];
    scale[lane] = 1.0F / std::max(clouded[lane], 0.01F);
    clear[lane] = 1.0F;
  }
  for (ptrdiff_t l = layers - 1; l >= 0; --l) {
    float *water_below = layer_row(out.features, 8, l), *clear_below = layer_row(out.features, 22, l);
    float *liquid_below = layer_row(out.features, 25, l), *ice_below = layer_row(out.features, 26, l);
    float* everywhere = layer_row(out.features, 30, l);
    float *cloud_liquid = layer_row(out.clouds, 0, l), *cloud_ice = layer_row(out.clouds, 1, l);
    RADML_LANES {
      const ptrdiff_t i = l * w + lane;
      clear[lane] *= (1.0F - std::max(sums.cover[i], cover_below[lane])) / (1.0F - cover_below[lane]);
      cover_below[lane] = sums.cover[i];
      clear_below[lane] = 1.0F - clear[lane];
      water_below[lane] = log_of_amount(water_sum[lane] - sums.water_above[i] + sums.water[i]);
      liquid_below[lane] = log_of_path(liquid_sum[lane] - sums.liquid_above[i]);
      ice_below[lane] = log_of_path(ice_sum[lane] - sums.ice_above[i]);
      everywhere[lane] = clouded[lane];
      cloud_liquid[lane] *= scale[lane];
      cloud_ice[lane] *= scale[lane];
    }
  }
  float* sky[sky_features];
  for (int i = 0; i < sky_features; ++i) sky[i] = out.sky + i * out.columns + column;
  const float *top_o3 = layer_row(out.features, 2, 0), *top_co2 = layer_row(out.features, 3, 0);
  const float* top_ch4 = layer_row(out.features, 4, 0);
  RADML_LANES {
    sky[0][lane] = clouded[lane];
    sky[1][lane] = cosine[lane];
    sky[2][lane] = albedo[lane];
    sky[3][lane] = log_of_path(liquid_sum[lane]);
    sky[4][lane] = log_of_path(ice_sum[lane]);
    sky[5][lane] = 1.0F / cosine[lane];
    sky[6][lane] = most[lane];
    sky[7][lane] = top_o3[lane];
    sky[8][lane] = top_co2[lane];
    sky[9][lane] = top_ch4[lane];
  }
  for (std::size_t level = 0; level < std::size(sun_levels); ++level) {
    alignas(64) float centre[tile_width], weighted[tile_width] = {}, weight[tile_width] = {};
    RADML_LANES centre[lane] = logarithm(std::min(surface[lane], sun_levels[level]));
    for (ptrdiff_t l = 0; l < layers; ++l) {
      const float *log_pressure = layer_row(out.features, 0, l), *log_water = layer_row(out.features, 1, l);
      const float* pressure = out.pressure_layer + l * out.columns + column;
      RADML_LANES {
        const float distance = (log_pressure[lane] - centre[lane]) * 6.0F;
        const float near = exponential(-distance * distance) + 1e-6F * pressure[lane] / surface[lane];
        weighted[lane] += near * log_water[lane];
        weight[lane] += near;
      }
    }
    float* row = sky[10 + level];
    RADML_LANES row[lane] = weighted[lane] / weight[lane];
  }
}

RADML_INLINE float polynomial(const float* __restrict term, float x) {
  float sum = term[cloud_band_terms - 1];
  for (int i = cloud_band_terms - 2; i >= 0; --i) sum = sum * x + term[i];
  return sum;
}

RADML_INLINE void absorb_in_tile(const CloudBands& in, ptrdiff_t tile) {
  constexpr ptrdiff_t row = 2 * cloud_band_terms;
  for (ptrdiff_t l = 0; l < in.layers; ++l) {
    const auto at = [&](ptrdiff_t which) { return (which * in.layers + l) * in.columns + tile * w; };
    const float *liquid = in.clouds + at(0), *ice = in.clouds + at(1);
    float most = 0.0F;
    for (int lane = 0; lane < tile_width; ++lane) most = std::max(most, std::max(liquid[lane], ice[lane]));
    if (most <= 0.0F) {
      for (int band = 0; band < cloud_bands; ++band) std::fill_n(in.absorption + at(band), w, 0.0F);
      for (int test = 0; test < cloud_tests; ++test) std::fill_n(in.tests + at(test), w, 0.0F);
      continue;
    }
    alignas(64) float x_liquid[tile_width], x_ice[tile_width], by_cover[tile_width];
    const float *small_liquid = in.smallness + at(0), *small_ice = in.smallness + at(1), *cover = in.cover + at(0);
    RADML_LANES {
      x_liquid[lane] = logarithm(small_liquid[lane]);
      x_ice[lane] = logarithm(small_ice[lane]);
      by_cover[lane] = 1.0F / std::max(cover[lane], 1e-6F);
    }
    for (int band = 0; band < cloud_bands; ++band) {
      const float* of_absorption = in.table + band * row;
      const float* of_scattering = of_absorption + cloud_bands * row;
      const float* of_forward = of_scattering + cloud_bands * row;
      float *result = in.absorption + at(band), *is_pure = in.tests + at(band), *overlooked = in.tests + at(cloud_bands + band);
      RADML_LANES {
        const auto depth = [&](const float* of) {
          return liquid[lane] * polynomial(of, x_liquid[lane]) + ice[lane] * polynomial(of + cloud_band_terms, x_ice[lane]);
        };
        const float absorption = depth(of_absorption), scattering = depth(of_scattering), forward = depth(of_forward);
        const float sideways = scattering - forward;
        const float a = forward * forward, b = sideways * sideways;
        const bool pure = (forward >= sideways) & (absorption * a < (absorption + scattering) * b);
        const float margin = scattering * b / std::max(a - b, 1e-6F * a + 1e-20F) - absorption;
        const float inside = std::min(std::max(margin * by_cover[lane], 0.0F), 100.0F);
        const float scaled = 0.2F * (logarithm(inside + 1e-3F) + 7.0F);
        result[lane] = pure ? 0.0F : std::max(absorption, 0.0F);
        is_pure[lane] = pure ? 1.0F : 0.0F;
        overlooked[lane] = pure ? scaled : 0.0F;
      }
    }
  }
}

}  // namespace

RADML_FOR_EACH_VECTOR
void absorb_in_bands(const CloudBands& problem, ptrdiff_t first, ptrdiff_t last) {
  for (ptrdiff_t tile = first; tile < last; ++tile) absorb_in_tile(problem, tile);
}

RADML_FOR_EACH_VECTOR
void describe_sky(const SkyInputs& inputs, const SkyOutputs& outputs, ptrdiff_t first, ptrdiff_t last) {
  for (ptrdiff_t tile = first; tile < last; ++tile) describe_tile(inputs, outputs, tile);
}

}  // namespace radml
