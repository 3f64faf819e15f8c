// What a network of all sky sees of columns: features of layers and of the sky, amounts of absorbers, from a host's own arrays.
// The reference is SkyNetwork.describe in ftorch_bridge/sky.py.
#pragma once

#include <array>
#include <cstddef>

#include "tiles.hpp"

namespace radml {

inline constexpr int layer_features = 31;
inline constexpr int sky_features = 15;
inline constexpr int absorbers = 6;
inline constexpr int surface_values = 5;

// A host's array, (column, row) or (column), float64 or float32, with any strides, in elements.
struct HostArray {
  const double* real64;  // or null
  const float* real32;   // or null
  std::ptrdiff_t column_stride, row_stride;
};

struct SkyInputs {
  int layers;
  std::ptrdiff_t columns;  // as the host has them
  HostArray pressure_level, temperature_level, pressure_layer, temperature_layer;
  HostArray h2o, o3, co2, ch4, n2o;
  HostArray cloud_fraction, cloud_liquid_path, cloud_ice_path, liquid_radius, ice_radius;
  HostArray surface_temperature, surface_emissivity, surface_albedo, cos_zenith, solar_irradiance;
};

// In the order of ftorch_bridge.sky.INPUTS, and whether they are of levels (1), layers (0) or the surface (-1).
struct SkyInput {
  const char* name;
  int rows_beyond_layers;
  HostArray SkyInputs::*member;
};
inline constexpr std::array<SkyInput, 19> sky_inputs{{{"pressure_level", 1, &SkyInputs::pressure_level},
                                                     {"temperature_level", 1, &SkyInputs::temperature_level},
                                                     {"pressure_layer", 0, &SkyInputs::pressure_layer},
                                                     {"temperature_layer", 0, &SkyInputs::temperature_layer},
                                                     {"h2o", 0, &SkyInputs::h2o},
                                                     {"o3", 0, &SkyInputs::o3},
                                                     {"co2", 0, &SkyInputs::co2},
                                                     {"ch4", 0, &SkyInputs::ch4},
                                                     {"n2o", 0, &SkyInputs::n2o},
                                                     {"cloud_fraction", 0, &SkyInputs::cloud_fraction},
                                                     {"cloud_liquid_path", 0, &SkyInputs::cloud_liquid_path},
                                                     {"cloud_ice_path", 0, &SkyInputs::cloud_ice_path},
                                                     {"liquid_radius", 0, &SkyInputs::liquid_radius},
                                                     {"ice_radius", 0, &SkyInputs::ice_radius},
                                                     {"surface_temperature", -1, &SkyInputs::surface_temperature},
                                                     {"surface_emissivity", -1, &SkyInputs::surface_emissivity},
                                                     {"surface_albedo", -1, &SkyInputs::surface_albedo},
                                                     {"cos_zenith", -1, &SkyInputs::cos_zenith},
                                                     {"solar_irradiance", -1, &SkyInputs::solar_irradiance}}};

// Of `columns` in whole tiles; the last column stands in for those beyond the host's.
struct SkyOutputs {
  std::ptrdiff_t columns;
  float* features;           // (layer_features, layer, column)
  float* sky;                // (sky_features, column)
  float* share;              // (layer, column): part of the column's mass
  float* thickness;          // (layer, column) [Pa]
  float* pressure_layer;     // (layer, column) [Pa]
  float* temperature_layer;  // (layer, column) [K]
  float* temperature_level;  // (layer + 1, column) [K]
  float* amounts;            // (absorbers, layer, column)
  float* ozone;              // (2, layer, column)
  float* clouds;             // (2, layer, column)
  float* surface;  // (surface_values, column): temperature, emissivity, albedo, cosine of the zenith angle, sunlight that comes in
};

// Describe tiles `first` to `last - 1`.
void describe_sky(const SkyInputs& inputs, const SkyOutputs& outputs, std::ptrdiff_t first, std::ptrdiff_t last);

// What clouds absorb in bands of RRTMG's: see ftorch_bridge/cloud_bands.py, the reference.
inline constexpr int cloud_bands = 8;
inline constexpr int cloud_band_terms = 5;  // of a polynomial
inline constexpr int cloud_tests = 2 * cloud_bands;

struct CloudBands {
  std::ptrdiff_t layers, columns;  // in whole tiles
  const float* table;              // (absorption, scattering or forward, band, kind, term)
  const float* clouds;             // (kind, layer, column): droplets, crystals
  const float* smallness;          // (kind, layer, column)
  const float* cover;              // (layer, column)
  float* absorption;               // (band, layer, column)
  float* tests;                    // (cloud_tests, layer, column)
};

void absorb_in_bands(const CloudBands& problem, std::ptrdiff_t first, std::ptrdiff_t last);

}  // namespace radml
