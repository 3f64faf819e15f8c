// Radiative transfer through the layers of columns at pseudo-spectral points, and its adjoint: what the networks of
// ftorch_bridge.all_sky run on a CPU. One call serves a tile of columns, all points and layers of it in the cache.
//
// Arrays are float32 with columns innermost: (point, layer, column), (layer, column), (column). Their number of columns is a
// multiple of `tile_width`. Equations: ftorch_bridge/all_sky.py, which is their reference.
#pragma once

#include <cstddef>

#include "packed_weights.hpp"
#include "tiles.hpp"

namespace radml {

// Depth that absorbers give layers at points: sum over kinds of strength times amount, times exp(head) if there is a head. That is
// given, or follows from the channels of the trunk: then a tile's heads never leave the cache.
struct DepthTerm {
  const float* head;             // (point, layer, column), or null
  const PackedWeights* weights;  // what makes the head of the trunk's channels, or null
  const PackedWeights* mixture;  // the strengths, for the depths of some points at once, or null; always there with `weights`
  const float* strength;         // (point, kind)
  const float* amounts;          // (kind, layer, column)
  int kinds;
  int first_point;               // the term is of points from this one on; head and strength begin there
};

// Where the adjoint of a term goes.
struct DepthTermGradient {
  float* head;      // (point, layer, column), or null
  float* strength;  // (tile, point, kind), or null: a part for each tile, so that any number of threads sums alike
};

struct Grid {
  int points;
  int layers;
  std::ptrdiff_t columns;
  const float* channels;  // of the trunk (tile, layer, channel, column of the tile), or null: heads are given
};

// What comes out, or its adjoint: fluxes (layer + 1, column) [W m-2], absorbed by layers (layer, column) [W m-2].
template <typename Real>
struct Fluxes {
  Real* up;
  Real* down;
  Real* absorbed;
};

inline constexpr int longwave_terms = 2;
inline constexpr int shortwave_absorbing_terms = 4;
inline constexpr int shortwave_scattering_terms = 2;

struct LongwaveProblem {
  Grid grid;
  DepthTerm depth[longwave_terms];
  const float* planck;  // (3, spectral point): how the share of the Planck function grows with temperature, a cubic
  const float* base;    // (spectral point, column): that share at 250 K
  const float* skies;   // (sky, column): how much of the sky each is
  int common;           // points that see the whole sky; first come the `per_sky` of the first sky, then these, then the others
  int per_sky;
  int sky_count;
  const float* temperature_layer;    // (layer, column) [K]
  const float* temperature_level;    // (layer + 1, column) [K]
  const float* surface_temperature;  // (column) [K]
  const float* surface_emissivity;   // (column)
};

struct LongwaveGradient {
  DepthTermGradient depth[longwave_terms];
  float* planck;  // (tile, 3, spectral point)
  float* base;    // (spectral point, column)
  float* skies;   // (sky, column)
};

struct ShortwaveProblem {
  Grid grid;
  DepthTerm absorbing[shortwave_absorbing_terms];
  DepthTerm scattering[shortwave_scattering_terms];
  const float* incident;  // (point, column) [W m-2]
  const float* albedo;    // (column)
  const float* cosine;    // (column)
};

struct ShortwaveGradient {
  DepthTermGradient absorbing[shortwave_absorbing_terms];
  DepthTermGradient scattering[shortwave_scattering_terms];
  float* incident;  // (point, column)
};

// Solve tiles `first` to `last - 1`.
void solve_longwave(const LongwaveProblem& problem, const Fluxes<float>& fluxes, std::ptrdiff_t first, std::ptrdiff_t last);
void solve_shortwave(const ShortwaveProblem& problem, const Fluxes<float>& fluxes, std::ptrdiff_t first, std::ptrdiff_t last);

// Adjoints, from those of the fluxes.
void adjoint_longwave(const LongwaveProblem& problem, const Fluxes<const float>& adjoint, const LongwaveGradient& gradient,
                      std::ptrdiff_t first, std::ptrdiff_t last);
void adjoint_shortwave(const ShortwaveProblem& problem, const Fluxes<const float>& adjoint, const ShortwaveGradient& gradient,
                       std::ptrdiff_t first, std::ptrdiff_t last);

}  // namespace radml
