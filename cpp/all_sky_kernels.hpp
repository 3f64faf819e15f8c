// A network of ftorch_bridge.all_sky from a host's columns to its fluxes and heating rates, a tile of columns at a time: what lies
// between stays in the cache. It strings together the kernels that the single operators run; those, and the equations of
// ftorch_bridge/all_sky.py, are its reference.
#pragma once

#include <cstddef>
#include <vector>

#include "sky_kernels.hpp"
#include "transfer_kernels.hpp"
#include "trunk_kernels.hpp"

namespace radml {

// How points share emission and sunlight, from the features of the sky and the mean of the trunk's channels.
struct ShareWeights {
  const float *mean, *scale;  // of the features of the sky: scaled are (feature - mean) * scale
  const float* planck;        // (emitting point): logarithms of shares
  PackedWeights sun;          // of the last features of the sky: what the next three take
  PackedWeights common;       // sunlight of the common points, and of all others together
  PackedWeights clear;        // of points among those of the clear sky
  PackedWeights emission;     // of the Planck function
  PackedWeights sky;          // of features and means: what the next two take
  PackedWeights skies;        // cloudy skies of the longwave
  PackedWeights cloudy;       // of points among those of the cloudy sky
};

// Of a tile: features of the sky, means of channels, sunlight that comes in; shares of points in emission, skies, sunlight by
// points.
struct ShareRows {
  const float *sky, *mean, *incident;
  float *base, *skies, *sunlight;
};

void find_shares(const ShareWeights& weights, const ShareRows& rows);

struct AllSkyWeights {
  const float* cloud_table;
  TrunkWeights trunk;
  ShareWeights shares;
  DepthTerm longwave[longwave_terms];  // heads of the trunk's channels, no amounts yet
  DepthTerm absorbing[shortwave_absorbing_terms];
  DepthTerm scattering[shortwave_scattering_terms];
  const float* planck;  // (3, emitting point), as of LongwaveProblem
  int common;           // points of the longwave that see the whole sky
  int longwave_points, shortwave_points;
  float heating_factor;  // K day-1 for one W m-2 in one Pa
};

// (level or layer, column) of any number of columns.
template <typename Real>
struct AllSkyOutputs {
  Real *lw_up, *lw_down, *lw_heating_rate, *sw_up, *sw_down, *sw_heating_rate;
};

// Run tiles `first` to `last - 1`.
void run_all_sky(const AllSkyWeights& weights, const SkyInputs& inputs, const AllSkyOutputs<double>& outputs, std::ptrdiff_t first,
                 std::ptrdiff_t last);
void run_all_sky(const AllSkyWeights& weights, const SkyInputs& inputs, const AllSkyOutputs<float>& outputs, std::ptrdiff_t first,
                 std::ptrdiff_t last);

}  // namespace radml
