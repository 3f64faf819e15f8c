#include "transfer_kernels.hpp"

#include <algorithm>
#include <cmath>

#include "lane_functions.hpp"
#include "tiles.hpp"

namespace radml {
namespace {

using std::ptrdiff_t;

constexpr float stefan_boltzmann = 5.670400e-8F;  // W m-2 K-4, as in RRTMG
constexpr float half_depth = 1.0F / 0.278F;       // of the Pade form of the source linear in depth (Clough et al. 1992)
constexpr float largest_head = 12.0F;
constexpr float least_cosine = 1e-6F;
constexpr float least_depth = 1e-12F;  // keeps quotients of depths defined

// A value with its derivatives for the depths of absorption and of scattering.
struct Dual {
  float value, absorbing, scattering;
};
RADML_INLINE Dual operator+(Dual x, Dual y) {
  return {x.value + y.value, x.absorbing + y.absorbing, x.scattering + y.scattering};
}
RADML_INLINE Dual operator-(Dual x, Dual y) {
  return {x.value - y.value, x.absorbing - y.absorbing, x.scattering - y.scattering};
}
RADML_INLINE Dual operator*(Dual x, Dual y) {
  return {x.value * y.value, x.absorbing * y.value + x.value * y.absorbing, x.scattering * y.value + x.value * y.scattering};
}
RADML_INLINE Dual operator/(Dual x, Dual y) {
  const float inverse = 1.0F / y.value, quotient = x.value * inverse;
  return {quotient, (x.absorbing - quotient * y.absorbing) * inverse, (x.scattering - quotient * y.scattering) * inverse};
}
RADML_INLINE Dual operator/(float x, Dual y) {
  const float inverse = 1.0F / y.value, quotient = x * inverse, slope = -quotient * inverse;
  return {quotient, slope * y.absorbing, slope * y.scattering};
}
RADML_INLINE Dual operator+(float x, Dual y) { return {x + y.value, y.absorbing, y.scattering}; }
RADML_INLINE Dual operator-(float x, Dual y) { return {x - y.value, -y.absorbing, -y.scattering}; }
RADML_INLINE Dual operator*(float x, Dual y) { return {x * y.value, x * y.absorbing, x * y.scattering}; }

using radml::exponential;
RADML_INLINE Dual exponential(Dual x) {
  const float e = exponential(x.value);
  return {e, e * x.absorbing, e * x.scattering};
}
RADML_INLINE float square_root(float x) { return std::sqrt(x); }
RADML_INLINE Dual square_root(Dual x) {
  const float root = std::sqrt(x.value), slope = 0.5F / root;
  return {root, slope * x.absorbing, slope * x.scattering};
}

// 1 - exp(-x) for x >= 0, given exp(-x), without loss for small x.
RADML_INLINE float stopped_part(float x, float passing) {
  const float series = x * (1.0F - x * (0.5F - x * (1.0F / 6.0F - x * (1.0F / 24.0F - x * (1.0F / 120.0F)))));
  return x < 0.1F ? series : 1.0F - passing;
}
RADML_INLINE Dual stopped_part(Dual x, Dual passing) {
  return {stopped_part(x.value, passing.value), passing.value * x.absorbing, passing.value * x.scattering};
}

RADML_INLINE void fill(float* __restrict rows, ptrdiff_t count, float value) {
  for (ptrdiff_t i = 0; i < count * tile_width; ++i) rows[i] = value;
}

RADML_INLINE void load(const float* from, ptrdiff_t count, ptrdiff_t columns, ptrdiff_t column, float* __restrict rows) {
  for (ptrdiff_t row = 0; row < count; ++row) {
    const float* source = from + row * columns + column;
    RADML_LANES rows[row * tile_width + lane] = source[lane];
  }
}

RADML_INLINE void store(const float* __restrict rows, ptrdiff_t count, ptrdiff_t columns, ptrdiff_t column, float* to) {
  for (ptrdiff_t row = 0; row < count; ++row) {
    float* target = to + row * columns + column;
    RADML_LANES target[lane] = rows[row * tile_width + lane];
  }
}

// Sum over kinds of strength times amount, in one layer.
RADML_INLINE void mix(const DepthTerm& term, const Grid& grid, int point, int layer, ptrdiff_t column, float* __restrict mixed) {
  const float* strength = term.strength + static_cast<ptrdiff_t>(point - term.first_point) * term.kinds;
  RADML_LANES mixed[lane] = 0.0F;
  for (int kind = 0; kind < term.kinds; ++kind) {
    const float* amount = term.amounts + (static_cast<ptrdiff_t>(kind) * grid.layers + layer) * grid.columns + column;
    const float factor = strength[kind];
    RADML_LANES mixed[lane] += factor * amount[lane];
  }
}

// Which layers of a tile have any of a term's amounts: most have no cloud, and need no exponential of what it would do.
RADML_INLINE void find_layers(const DepthTerm& term, const Grid& grid, ptrdiff_t column, float* __restrict present) {
  for (int layer = 0; layer < grid.layers; ++layer) {
    float most = 0.0F;
    for (int kind = 0; kind < term.kinds && most == 0.0F; ++kind) {
      const float* amount = term.amounts + (static_cast<ptrdiff_t>(kind) * grid.layers + layer) * grid.columns + column;
      for (int lane = 0; lane < tile_width; ++lane) most = std::max(most, std::abs(amount[lane]));
    }
    present[layer] = most;
  }
}

// Add a term to the depths of a point's layers, those of which `present` is not zero.
RADML_INLINE void add_depth(const DepthTerm& term, const Grid& grid, int point, ptrdiff_t column, const float* present,
                            float* __restrict depth) {
  if (point < term.first_point) return;
  for (int layer = 0; layer < grid.layers; ++layer) {
    if (present[layer] == 0.0F) continue;
    alignas(64) float mixed[tile_width];
    float* row = depth + static_cast<ptrdiff_t>(layer) * tile_width;
    mix(term, grid, point, layer, column, mixed);
    if (term.head == nullptr) {
      RADML_LANES row[lane] += mixed[lane];
    } else {
      const float* head = term.head + (static_cast<ptrdiff_t>(point - term.first_point) * grid.layers + layer) * grid.columns + column;
      RADML_LANES row[lane] += exponential(std::min(head[lane], largest_head)) * mixed[lane];
    }
  }
}

// Adjoints of a term's head and strengths, from that of a point's depths.
RADML_INLINE void add_depth_adjoint(const DepthTerm& term, const DepthTermGradient& gradient, const Grid& grid, int point,
                                    ptrdiff_t column, const float* __restrict adjoint) {
  constexpr int most_kinds = 8;
  if (point < term.first_point) return;
  float sums[most_kinds][tile_width] = {};
  for (int layer = 0; layer < grid.layers; ++layer) {
    alignas(64) float factor[tile_width];
    const float* row = adjoint + static_cast<ptrdiff_t>(layer) * tile_width;
    const ptrdiff_t at = (static_cast<ptrdiff_t>(point - term.first_point) * grid.layers + layer) * grid.columns + column;
    if (term.head == nullptr) {
      RADML_LANES factor[lane] = row[lane];
    } else {
      alignas(64) float mixed[tile_width];
      mix(term, grid, point, layer, column, mixed);
      const float* head = term.head + at;
      RADML_LANES factor[lane] = row[lane] * exponential(std::min(head[lane], largest_head));
      float* target = gradient.head + at;
      RADML_LANES target[lane] = head[lane] < largest_head ? factor[lane] * mixed[lane] : 0.0F;
    }
    for (int kind = 0; kind < term.kinds; ++kind) {
      const float* amount = term.amounts + (static_cast<ptrdiff_t>(kind) * grid.layers + layer) * grid.columns + column;
      RADML_LANES sums[kind][lane] += factor[lane] * amount[lane];
    }
  }
  const ptrdiff_t points = grid.points - term.first_point;
  float* target = gradient.strength + ((column / tile_width) * points + point - term.first_point) * term.kinds;
  for (int kind = 0; kind < term.kinds; ++kind) {
    float sum = 0.0F;
    for (int lane = 0; lane < tile_width; ++lane) sum += sums[kind][lane];
    target[kind] = sum;
  }
}

// ---- Longwave

// What all points of a tile share: the Planck function's total and how warm it is, of layers, levels and surface.
struct Emitters {
  float *total_layer, *warm_layer, *total_level, *warm_level, *total_surface, *warm_surface;
};

RADML_INLINE void emit_all(const float* temperature, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t column, float* __restrict total,
                           float* __restrict warm) {
  for (ptrdiff_t row = 0; row < rows; ++row) {
    const float* source = temperature + row * columns + column;
    RADML_LANES {
      const float t = source[lane], square = t * t;
      total[row * tile_width + lane] = stefan_boltzmann * (square * square);
      warm[row * tile_width + lane] = t * 0.01F - 2.5F;
    }
  }
}

RADML_INLINE Emitters make_emitters(const LongwaveProblem& problem, ptrdiff_t column, Rows& rows) {
  const ptrdiff_t layers = problem.grid.layers, columns = problem.grid.columns;
  Emitters e{rows.take(layers), rows.take(layers), rows.take(layers + 1), rows.take(layers + 1), rows.take(1), rows.take(1)};
  emit_all(problem.temperature_layer, layers, columns, column, e.total_layer, e.warm_layer);
  emit_all(problem.temperature_level, layers + 1, columns, column, e.total_level, e.warm_level);
  emit_all(problem.surface_temperature, 1, columns, column, e.total_surface, e.warm_surface);
  return e;
}

constexpr int planck_powers = 3;

// Which share of the Planck function a point has, and of which sky (-1: the whole).
struct PointShare {
  float planck[planck_powers];
  const float* base;
  int spectral, sky;
};

RADML_INLINE PointShare share_of(const LongwaveProblem& problem, int point, ptrdiff_t column) {
  PointShare share{};
  const int spectra = problem.common + problem.per_sky, beyond = point - spectra;
  if (point < problem.per_sky) {
    share.sky = 0;
    share.spectral = problem.common + point;
  } else if (beyond < 0) {
    share.sky = -1;
    share.spectral = point - problem.per_sky;
  } else {
    share.sky = 1 + beyond / problem.per_sky;
    share.spectral = problem.common + beyond % problem.per_sky;
  }
  for (int power = 0; power < planck_powers; ++power) share.planck[power] = problem.planck[power * spectra + share.spectral];
  share.base = problem.base + share.spectral * problem.grid.columns + column;
  return share;
}

RADML_INLINE float planck_cubic(const PointShare& share, int lane, float total, float warm) {
  return total * (share.base[lane] + warm * (share.planck[0] + warm * (share.planck[1] + warm * share.planck[2])));
}

// Rows of one point: absorption, source of the layer's middle and of its levels, fluxes.
struct LongwaveRows {
  float *depth, *absorption, *edge, *middle, *level, *surface, *up, *down, *sky, *present[longwave_terms];
};

RADML_INLINE ptrdiff_t rows_for_layers(ptrdiff_t layers) { return (layers + tile_width - 1) / tile_width; }

RADML_INLINE LongwaveRows take_longwave_rows(const LongwaveProblem& problem, ptrdiff_t column, Rows& rows) {
  const ptrdiff_t layers = problem.grid.layers;
  LongwaveRows r{rows.take(layers), rows.take(layers),     rows.take(layers),     rows.take(layers), rows.take(layers + 1),
                 rows.take(1),      rows.take(layers + 1), rows.take(layers + 1), rows.take(1),      {}};
  for (int term = 0; term < longwave_terms; ++term) {
    r.present[term] = rows.take(rows_for_layers(layers));
    find_layers(problem.depth[term], problem.grid, column, r.present[term]);
  }
  return r;
}

RADML_INLINE float lerp(float x, float y, float weight) { return x + weight * (y - x); }

RADML_INLINE void longwave_point(const LongwaveProblem& problem, int point, ptrdiff_t column, const Emitters& emitters,
                                 const PointShare& share, const LongwaveRows& r) {
  const Grid& grid = problem.grid;
  const ptrdiff_t layers = grid.layers;
  constexpr ptrdiff_t w = tile_width;
  fill(r.depth, layers, 0.0F);
  for (int term = 0; term < longwave_terms; ++term)
    add_depth(problem.depth[term], grid, point, column, r.present[term], r.depth);
  if (share.sky < 0) {
    RADML_LANES r.sky[lane] = 1.0F;
  } else {
    const float* sky = problem.skies + share.sky * grid.columns + column;
    RADML_LANES r.sky[lane] = sky[lane];
  }
  for (ptrdiff_t l = 0; l < layers; ++l)
    RADML_LANES r.middle[l * w + lane] =
        r.sky[lane] * planck_cubic(share, lane, emitters.total_layer[l * w + lane], emitters.warm_layer[l * w + lane]);
  for (ptrdiff_t l = 0; l <= layers; ++l)
    RADML_LANES r.level[l * w + lane] =
        r.sky[lane] * planck_cubic(share, lane, emitters.total_level[l * w + lane], emitters.warm_level[l * w + lane]);
  RADML_LANES r.surface[lane] = r.sky[lane] * planck_cubic(share, lane, emitters.total_surface[lane], emitters.warm_surface[lane]);

  RADML_LANES r.down[lane] = 0.0F;
  for (ptrdiff_t l = 0; l < layers; ++l) {
    float *absorption = r.absorption + l * w, *edge = r.edge + l * w, *flux = r.down + l * w;
    const float *depth = r.depth + l * w, *middle = r.middle + l * w, *level = r.level + l * w;
    RADML_LANES {
      const float d = depth[lane], passing = exponential(-d), a = stopped_part(d, passing), e = d / (d + half_depth);
      const float source = lerp(middle[lane], level[w + lane], e);
      absorption[lane] = a;
      edge[lane] = e;
      flux[w + lane] = flux[lane] + a * (source - flux[lane]);
    }
  }
  const float* emissivity = problem.surface_emissivity + column;
  RADML_LANES r.up[layers * w + lane] = lerp(r.down[layers * w + lane], r.surface[lane], emissivity[lane]);
  for (ptrdiff_t l = layers - 1; l >= 0; --l) {
    const float *absorption = r.absorption + l * w, *edge = r.edge + l * w, *middle = r.middle + l * w, *level = r.level + l * w;
    float* flux = r.up + l * w;
    RADML_LANES {
      const float source = lerp(middle[lane], level[lane], edge[lane]);
      flux[lane] = flux[w + lane] + absorption[lane] * (source - flux[w + lane]);
    }
  }
}

RADML_INLINE void longwave_tile(const LongwaveProblem& problem, const Fluxes<float>& fluxes, ptrdiff_t tile) {
  const ptrdiff_t layers = problem.grid.layers, columns = problem.grid.columns, column = tile * tile_width;
  constexpr ptrdiff_t w = tile_width;
  Rows rows(18 * layers + 32);
  const Emitters emitters = make_emitters(problem, column, rows);
  const LongwaveRows r = take_longwave_rows(problem, column, rows);
  float *up = rows.take(layers + 1), *down = rows.take(layers + 1), *absorbed = rows.take(layers);
  fill(up, layers + 1, 0.0F);
  fill(down, layers + 1, 0.0F);
  fill(absorbed, layers, 0.0F);
  for (int point = 0; point < problem.grid.points; ++point) {
    longwave_point(problem, point, column, emitters, share_of(problem, point, column), r);
    for (ptrdiff_t i = 0; i < (layers + 1) * w; ++i) up[i] += r.up[i];
    for (ptrdiff_t i = 0; i < (layers + 1) * w; ++i) down[i] += r.down[i];
    for (ptrdiff_t l = 0; l < layers; ++l)
      RADML_LANES {
        // What a layer absorbs less what it emits, with no difference of large fluxes.
        const ptrdiff_t i = l * w + lane;
        const float from_above = r.down[i] - lerp(r.middle[i], r.level[i + w], r.edge[i]);
        const float from_below = r.up[i + w] - lerp(r.middle[i], r.level[i], r.edge[i]);
        absorbed[i] += r.absorption[i] * (from_above + from_below);
      }
  }
  store(up, layers + 1, columns, column, fluxes.up);
  store(down, layers + 1, columns, column, fluxes.down);
  store(absorbed, layers, columns, column, fluxes.absorbed);
}

RADML_INLINE void longwave_adjoint_tile(const LongwaveProblem& problem, const Fluxes<const float>& adjoint,
                                        const LongwaveGradient& gradient, ptrdiff_t tile) {
  const Grid& grid = problem.grid;
  const ptrdiff_t layers = grid.layers, columns = grid.columns, column = tile * tile_width;
  const int spectra = problem.common + problem.per_sky;
  constexpr ptrdiff_t w = tile_width;
  Rows rows(26 * layers + 64);
  const Emitters emitters = make_emitters(problem, column, rows);
  const LongwaveRows r = take_longwave_rows(problem, column, rows);
  float *all_up = rows.take(layers + 1), *all_down = rows.take(layers + 1), *all_absorbed = rows.take(layers);
  float *up = rows.take(layers + 1), *down = rows.take(layers + 1);
  float *depth = rows.take(layers), *middle = rows.take(layers), *level = rows.take(layers + 1), *surface = rows.take(1);
  load(adjoint.up, layers + 1, columns, column, all_up);
  load(adjoint.down, layers + 1, columns, column, all_down);
  load(adjoint.absorbed, layers, columns, column, all_absorbed);
  float* planck = gradient.planck + tile * planck_powers * spectra;
  std::fill(planck, planck + planck_powers * spectra, 0.0F);
  for (int spectral = 0; spectral < spectra; ++spectral) {
    float* target = gradient.base + spectral * columns + column;
    RADML_LANES target[lane] = 0.0F;
  }
  for (int sky = 0; sky < problem.sky_count; ++sky) {
    float* target = gradient.skies + sky * columns + column;
    RADML_LANES target[lane] = 0.0F;
  }
  const float* emissivity = problem.surface_emissivity + column;
  for (int point = 0; point < grid.points; ++point) {
    const PointShare share = share_of(problem, point, column);
    longwave_point(problem, point, column, emitters, share, r);
    for (ptrdiff_t i = 0; i < (layers + 1) * w; ++i) up[i] = all_up[i];
    for (ptrdiff_t i = 0; i < (layers + 1) * w; ++i) down[i] = all_down[i];
    for (ptrdiff_t i = 0; i < layers * w; ++i) {
      up[i + w] += all_absorbed[i] * r.absorption[i];
      down[i] += all_absorbed[i] * r.absorption[i];
    }
    // Each pass backwards. `depth` holds the adjoint of absorption first.
    fill(level, layers + 1, 0.0F);
    for (ptrdiff_t l = 0; l < layers; ++l)
      RADML_LANES {
        const ptrdiff_t i = l * w + lane;
        const float a = r.absorption[i], d = r.depth[i], inverse = 1.0F / (d + half_depth), edge = d * inverse;
        const float above = r.level[i], source = lerp(r.middle[i], above, edge);
        const float emission = up[i] - all_absorbed[i];  // adjoint of what leaves upward
        const float of_source = emission * a;
        depth[i] = emission * source + (all_absorbed[i] - up[i]) * r.up[i + w];
        middle[i] = of_source * (1.0F - edge);
        level[i] += of_source * edge;
        r.up[i] = of_source * (above - r.middle[i]) * half_depth * inverse * inverse;  // by the source's change with depth
        up[i + w] += (1.0F - a) * up[i];
      }
    RADML_LANES {
      const ptrdiff_t i = layers * w + lane;
      down[i] += (1.0F - emissivity[lane]) * up[i];
      surface[lane] = emissivity[lane] * up[i];
    }
    for (ptrdiff_t l = layers - 1; l >= 0; --l)
      RADML_LANES {
        const ptrdiff_t i = l * w + lane;
        const float a = r.absorption[i], d = r.depth[i], inverse = 1.0F / (d + half_depth), edge = d * inverse;
        const float below = r.level[i + w], source = lerp(r.middle[i], below, edge);
        const float emission = down[i + w] - all_absorbed[i];
        const float of_source = emission * a;
        const float of_absorption = depth[i] + emission * source + (all_absorbed[i] - down[i + w]) * r.down[i];
        depth[i] = of_absorption * (1.0F - a) + r.up[i] + of_source * (below - r.middle[i]) * half_depth * inverse * inverse;
        middle[i] += of_source * (1.0F - edge);
        level[i + w] += of_source * edge;
        down[i] += (1.0F - a) * down[i + w];
      }
    for (int term = 0; term < longwave_terms; ++term)
      add_depth_adjoint(problem.depth[term], gradient.depth[term], grid, point, column, depth);
    alignas(64) float powers[planck_powers][tile_width] = {}, base[tile_width] = {}, sky[tile_width] = {};
    const auto collect = [&](const float* of_emission, const float* total, const float* warm, ptrdiff_t count) {
      for (ptrdiff_t row = 0; row < count; ++row)
        RADML_LANES {
          const ptrdiff_t i = row * w + lane;
          float term = of_emission[i] * total[i] * r.sky[lane];
          sky[lane] += of_emission[i] * planck_cubic(share, lane, total[i], warm[i]);
          base[lane] += term;
          for (auto& power : powers) {
            term *= warm[i];
            power[lane] += term;
          }
        }
    };
    collect(middle, emitters.total_layer, emitters.warm_layer, layers);
    collect(level, emitters.total_level, emitters.warm_level, layers + 1);
    collect(surface, emitters.total_surface, emitters.warm_surface, 1);
    for (int power = 0; power < planck_powers; ++power)
      for (const float part : powers[power]) planck[power * spectra + share.spectral] += part;
    float* of_base = gradient.base + share.spectral * columns + column;
    RADML_LANES of_base[lane] += base[lane];
    if (share.sky >= 0) {
      float* target = gradient.skies + share.sky * columns + column;
      RADML_LANES target[lane] += sky[lane];
    }
  }
}

// ---- Shortwave

// What a layer does with light, of a Real that may carry derivatives; the equations of AllSky.shortwave.
template <typename Real>
struct Layer {
  Real reflectance, transmittance, absorptance;  // of diffuse light
  Real beam_up, beam_down, beam_kept, beam_transmission;
};

template <typename Real>
RADML_INLINE Layer<Real> make_layer(Real absorbing, Real scattering, float inverse_cosine) {
  Layer<Real> layer;
  const Real depth = absorbing + scattering;
  const Real slant = inverse_cosine * depth;
  layer.beam_transmission = exponential(-1.0F * slant);
  const Real stopped = stopped_part(slant, layer.beam_transmission);
  const Real backward = 0.75F * scattering;
  const Real twice = 2.0F * absorbing;
  const Real extinction = twice + backward;
  const Real k = square_root(absorbing * (4.0F * absorbing + 3.0F * scattering));
  const Real passing = exponential(-1.0F * k);
  const Real lost = stopped_part(k, passing);
  const Real lost_twice = lost * (1.0F + passing);
  const Real inverse = 1.0F / (k * (1.0F + passing * passing) + extinction * lost_twice);
  layer.reflectance = backward * lost_twice * inverse;
  layer.transmittance = 2.0F * k * passing * inverse;
  // A uniform source in the layer leaves it like thermal emission does, by Kirchhoff's law.
  const Real escaping = (k / twice * lost * lost + lost_twice) * inverse;
  layer.absorptance = twice * escaping;
  const Real per_depth = stopped / depth;
  const Real scattered = per_depth * scattering;
  // Mean place of scattering, 1/x - 1/(exp(x) - 1), within 2 %.
  const Real place = (6.0F + slant) / (12.0F + slant * (4.0F + slant));
  const Real upward = (0.5F + backward * (1.0F - place)) / (1.0F + backward);
  const Real leaving = scattered * escaping;
  layer.beam_up = leaving * upward;
  layer.beam_down = leaving - layer.beam_up;
  layer.beam_kept = per_depth * absorbing + scattered * (1.0F - escaping);
  return layer;
}

struct ShortwaveRows {
  float *absorbing, *scattering, *inverse_cosine;
  Layer<float*> layer;
  float *beam, *albedo, *source, *gain, *diffuse, *up;
  float *of_absorbing[shortwave_absorbing_terms], *of_scattering[shortwave_scattering_terms];
};

RADML_INLINE ShortwaveRows take_shortwave_rows(const ShortwaveProblem& problem, ptrdiff_t column, Rows& rows) {
  const ptrdiff_t layers = problem.grid.layers, levels = layers + 1;
  ShortwaveRows r{rows.take(layers),
                  rows.take(layers),
                  rows.take(1),
                  {rows.take(layers), rows.take(layers), rows.take(layers), rows.take(layers), rows.take(layers),
                   rows.take(layers), rows.take(layers)},
                  rows.take(levels),
                  rows.take(levels),
                  rows.take(levels),
                  rows.take(layers),
                  rows.take(levels),
                  rows.take(levels),
                  {},
                  {}};
  const auto find = [&](const DepthTerm& term, float*& present) {
    present = rows.take(rows_for_layers(layers));
    find_layers(term, problem.grid, column, present);
  };
  for (int term = 0; term < shortwave_absorbing_terms; ++term) find(problem.absorbing[term], r.of_absorbing[term]);
  for (int term = 0; term < shortwave_scattering_terms; ++term) find(problem.scattering[term], r.of_scattering[term]);
  return r;
}
constexpr ptrdiff_t shortwave_rows = 18;

// Depths, layers and the passes of one point: beam down, albedos and sources up, diffuse light down.
RADML_INLINE void shortwave_point(const ShortwaveProblem& problem, int point, ptrdiff_t column, const ShortwaveRows& r) {
  const Grid& grid = problem.grid;
  const ptrdiff_t layers = grid.layers;
  constexpr ptrdiff_t w = tile_width;
  fill(r.absorbing, layers, least_depth);
  fill(r.scattering, layers, least_depth);
  for (int term = 0; term < shortwave_absorbing_terms; ++term)
    add_depth(problem.absorbing[term], grid, point, column, r.of_absorbing[term], r.absorbing);
  for (int term = 0; term < shortwave_scattering_terms; ++term)
    add_depth(problem.scattering[term], grid, point, column, r.of_scattering[term], r.scattering);

  const float* incident = problem.incident + static_cast<ptrdiff_t>(point) * grid.columns + column;
  const float* ground = problem.albedo + column;
  RADML_LANES r.beam[lane] = incident[lane];
  for (ptrdiff_t l = 0; l < layers; ++l) {
    const float *absorbing = r.absorbing + l * w, *scattering = r.scattering + l * w;
    float *beam = r.beam + l * w, *reflectance = r.layer.reflectance + l * w, *transmittance = r.layer.transmittance + l * w;
    float *absorptance = r.layer.absorptance + l * w, *beam_up = r.layer.beam_up + l * w;
    float *beam_down = r.layer.beam_down + l * w, *beam_kept = r.layer.beam_kept + l * w;
    float* beam_transmission = r.layer.beam_transmission + l * w;
    RADML_LANES {
      const Layer<float> layer = make_layer<float>(absorbing[lane], scattering[lane], r.inverse_cosine[lane]);
      reflectance[lane] = layer.reflectance;
      transmittance[lane] = layer.transmittance;
      absorptance[lane] = layer.absorptance;
      beam_up[lane] = layer.beam_up;
      beam_down[lane] = layer.beam_down;
      beam_kept[lane] = layer.beam_kept;
      beam_transmission[lane] = layer.beam_transmission;
      beam[w + lane] = beam[lane] * layer.beam_transmission;
    }
  }
  RADML_LANES {
    r.albedo[layers * w + lane] = ground[lane];
    r.source[layers * w + lane] = ground[lane] * r.beam[layers * w + lane];
  }
  for (ptrdiff_t l = layers - 1; l >= 0; --l)
    RADML_LANES {
      const ptrdiff_t i = l * w + lane;
      const float albedo = r.albedo[i + w], reflectance = r.layer.reflectance[i], transmittance = r.layer.transmittance[i];
      const float gain = 1.0F / (1.0F - reflectance * albedo), through = gain * transmittance;
      r.gain[i] = gain;
      r.source[i] = r.layer.beam_up[i] * r.beam[i] + through * (r.source[i + w] + albedo * r.layer.beam_down[i] * r.beam[i]);
      r.albedo[i] = reflectance + through * transmittance * albedo;
    }
  RADML_LANES {
    r.diffuse[lane] = 0.0F;
    r.up[lane] = r.source[lane];
  }
  for (ptrdiff_t l = 0; l < layers; ++l)
    RADML_LANES {
      const ptrdiff_t i = l * w + lane;
      const float source = r.source[i + w];
      const float diffuse = r.gain[i] * (r.layer.beam_down[i] * r.beam[i] + r.layer.transmittance[i] * r.diffuse[i] +
                                         r.layer.reflectance[i] * source);
      r.diffuse[i + w] = diffuse;
      r.up[i + w] = source + r.albedo[i + w] * diffuse;
    }
}

RADML_INLINE void set_slant(const ShortwaveProblem& problem, ptrdiff_t column, float* inverse_cosine) {
  const float* cosine = problem.cosine + column;
  RADML_LANES inverse_cosine[lane] = 1.0F / std::max(cosine[lane], least_cosine);
}

// Whether no light comes in at any point of a tile.
RADML_INLINE bool is_night(const ShortwaveProblem& problem, ptrdiff_t column) {
  float most = 0.0F;
  for (int point = 0; point < problem.grid.points; ++point) {
    const float* incident = problem.incident + static_cast<ptrdiff_t>(point) * problem.grid.columns + column;
    for (int lane = 0; lane < tile_width; ++lane) most = std::max(most, incident[lane]);
  }
  return most <= 0.0F;
}

RADML_INLINE void shortwave_tile(const ShortwaveProblem& problem, const Fluxes<float>& fluxes, ptrdiff_t tile) {
  const ptrdiff_t layers = problem.grid.layers, columns = problem.grid.columns, column = tile * tile_width;
  constexpr ptrdiff_t w = tile_width;
  Rows rows((shortwave_rows + 3) * (layers + 1) + 8);
  const ShortwaveRows r = take_shortwave_rows(problem, column, rows);
  float *up = rows.take(layers + 1), *down = rows.take(layers + 1), *absorbed = rows.take(layers);
  set_slant(problem, column, r.inverse_cosine);
  fill(up, layers + 1, 0.0F);
  fill(down, layers + 1, 0.0F);
  fill(absorbed, layers, 0.0F);
  const int points = is_night(problem, column) ? 0 : problem.grid.points;
  for (int point = 0; point < points; ++point) {
    shortwave_point(problem, point, column, r);
    for (ptrdiff_t i = 0; i < (layers + 1) * w; ++i) up[i] += r.up[i];
    for (ptrdiff_t i = 0; i < (layers + 1) * w; ++i) down[i] += r.diffuse[i] + r.beam[i];
    for (ptrdiff_t i = 0; i < layers * w; ++i)
      absorbed[i] += r.layer.absorptance[i] * (r.diffuse[i] + r.up[i + w]) + r.layer.beam_kept[i] * r.beam[i];
  }
  store(up, layers + 1, columns, column, fluxes.up);
  store(down, layers + 1, columns, column, fluxes.down);
  store(absorbed, layers, columns, column, fluxes.absorbed);
}

RADML_INLINE void shortwave_adjoint_tile(const ShortwaveProblem& problem, const Fluxes<const float>& adjoint,
                                         const ShortwaveGradient& gradient, ptrdiff_t tile) {
  const Grid& grid = problem.grid;
  const ptrdiff_t layers = grid.layers, columns = grid.columns, column = tile * tile_width;
  constexpr ptrdiff_t w = tile_width;
  Rows rows((shortwave_rows + 11) * (layers + 1) + 8);
  const ShortwaveRows r = take_shortwave_rows(problem, column, rows);
  float *all_up = rows.take(layers + 1), *all_down = rows.take(layers + 1), *all_absorbed = rows.take(layers);
  // Adjoints, of: light scattered out of the beam, albedo and source below a level, diffuse light, the gain, R and T.
  float *albedo = rows.take(layers + 1), *source = rows.take(layers + 1), *scattered_down = rows.take(layers);
  float *gain = rows.take(layers), *reflectance = rows.take(layers), *transmittance = rows.take(layers);
  float *beam = rows.take(1), *diffuse = rows.take(1);
  set_slant(problem, column, r.inverse_cosine);
  load(adjoint.up, layers + 1, columns, column, all_up);
  load(adjoint.down, layers + 1, columns, column, all_down);
  load(adjoint.absorbed, layers, columns, column, all_absorbed);
  const float* ground = problem.albedo + column;
  for (int point = 0; point < grid.points; ++point) {
    shortwave_point(problem, point, column, r);
    fill(albedo, layers + 1, 0.0F);
    fill(source, layers + 1, 0.0F);
    RADML_LANES diffuse[lane] = all_down[layers * w + lane];
    // Diffuse light downward, backwards.
    for (ptrdiff_t l = layers - 1; l >= 0; --l)
      RADML_LANES {
        const ptrdiff_t i = l * w + lane;
        const float up = all_up[i + w] + all_absorbed[i] * r.layer.absorptance[i];
        const float sent_down = r.layer.beam_down[i] * r.beam[i], below = r.source[i + w];
        const float of_diffuse = diffuse[lane] + up * r.albedo[i + w], scaled = of_diffuse * r.gain[i];
        albedo[i + w] += up * r.diffuse[i + w];
        gain[i] = of_diffuse * (sent_down + r.layer.transmittance[i] * r.diffuse[i] + r.layer.reflectance[i] * below);
        scattered_down[i] = scaled;
        transmittance[i] = scaled * r.diffuse[i];
        reflectance[i] = scaled * below;
        source[i + w] += up + scaled * r.layer.reflectance[i];
        diffuse[lane] = all_down[i] + all_absorbed[i] * r.layer.absorptance[i] + scaled * r.layer.transmittance[i];
      }
    RADML_LANES source[lane] += all_up[lane];
    // Albedos and sources upward, backwards.
    for (ptrdiff_t l = 0; l < layers; ++l)
      RADML_LANES {
        const ptrdiff_t i = l * w + lane;
        const float t = r.layer.transmittance[i], g = r.gain[i], below = r.albedo[i + w], through = g * t;
        const float sent_down = r.layer.beam_down[i] * r.beam[i];
        const float returned = r.source[i + w] + below * sent_down;
        const float of_through = source[i] * returned + albedo[i] * t * below;
        const float of_gain = gain[i] + of_through * t;
        const float of_product = of_gain * g * g;  // of reflectance times the albedo below
        reflectance[i] += albedo[i] + of_product * below;
        transmittance[i] += of_through * g + albedo[i] * through * below;
        scattered_down[i] += source[i] * through * below;
        albedo[i + w] += albedo[i] * through * t + source[i] * through * sent_down + of_product * r.layer.reflectance[i];
        source[i + w] += source[i] * through;
      }
    RADML_LANES beam[lane] = all_down[layers * w + lane] + source[layers * w + lane] * ground[lane];
    // The beam, backwards, and from what layers do to their depths: `absorbing` and `scattering` become adjoints.
    for (ptrdiff_t l = layers - 1; l >= 0; --l) {
      float *absorbing = r.absorbing + l * w, *scattering = r.scattering + l * w;
      RADML_LANES {
        const ptrdiff_t i = l * w + lane;
        const Layer<Dual> layer = make_layer<Dual>({absorbing[lane], 1.0F, 0.0F}, {scattering[lane], 0.0F, 1.0F},
                                                   r.inverse_cosine[lane]);
        const float above = r.beam[i], absorbed = all_absorbed[i];
        const float of_up = source[i] * above, of_down = scattered_down[i] * above, of_kept = absorbed * above;
        const float of_transmission = beam[lane] * above, of_absorptance = absorbed * (r.diffuse[i] + r.up[i + w]);
        absorbing[lane] = of_up * layer.beam_up.absorbing + of_down * layer.beam_down.absorbing +
                          of_kept * layer.beam_kept.absorbing + of_transmission * layer.beam_transmission.absorbing +
                          of_absorptance * layer.absorptance.absorbing + reflectance[i] * layer.reflectance.absorbing +
                          transmittance[i] * layer.transmittance.absorbing;
        scattering[lane] = of_up * layer.beam_up.scattering + of_down * layer.beam_down.scattering +
                           of_kept * layer.beam_kept.scattering + of_transmission * layer.beam_transmission.scattering +
                           of_absorptance * layer.absorptance.scattering + reflectance[i] * layer.reflectance.scattering +
                           transmittance[i] * layer.transmittance.scattering;
        beam[lane] = all_down[i] + source[i] * layer.beam_up.value + scattered_down[i] * layer.beam_down.value +
                     absorbed * layer.beam_kept.value + beam[lane] * layer.beam_transmission.value;
      }
    }
    store(beam, 1, grid.columns, column, gradient.incident + static_cast<ptrdiff_t>(point) * columns);
    for (int term = 0; term < shortwave_absorbing_terms; ++term)
      add_depth_adjoint(problem.absorbing[term], gradient.absorbing[term], grid, point, column, r.absorbing);
    for (int term = 0; term < shortwave_scattering_terms; ++term)
      add_depth_adjoint(problem.scattering[term], gradient.scattering[term], grid, point, column, r.scattering);
  }
}

}  // namespace

RADML_FOR_EACH_VECTOR
void solve_longwave(const LongwaveProblem& problem, const Fluxes<float>& fluxes, ptrdiff_t first, ptrdiff_t last) {
  for (ptrdiff_t tile = first; tile < last; ++tile) longwave_tile(problem, fluxes, tile);
}

RADML_FOR_EACH_VECTOR
void solve_shortwave(const ShortwaveProblem& problem, const Fluxes<float>& fluxes, ptrdiff_t first, ptrdiff_t last) {
  for (ptrdiff_t tile = first; tile < last; ++tile) shortwave_tile(problem, fluxes, tile);
}

RADML_FOR_EACH_VECTOR
void adjoint_longwave(const LongwaveProblem& problem, const Fluxes<const float>& adjoint, const LongwaveGradient& gradient,
                      ptrdiff_t first, ptrdiff_t last) {
  for (ptrdiff_t tile = first; tile < last; ++tile) longwave_adjoint_tile(problem, adjoint, gradient, tile);
}

RADML_FOR_EACH_VECTOR
void adjoint_shortwave(const ShortwaveProblem& problem, const Fluxes<const float>& adjoint, const ShortwaveGradient& gradient,
                       ptrdiff_t first, ptrdiff_t last) {
  for (ptrdiff_t tile = first; tile < last; ++tile) shortwave_adjoint_tile(problem, adjoint, gradient, tile);
}

}  // namespace radml
