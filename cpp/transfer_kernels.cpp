#include "transfer_kernels.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

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
constexpr int points_in_part = 8;      // added up before they are added to a sum

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

RADML_INLINE float square_root(float x) { return std::sqrt(x); }
RADML_INLINE Dual square_root(Dual x) {
  const float root = std::sqrt(x.value), slope = 0.5F / root;
  return {root, slope * x.absorbing, slope * x.scattering};
}

RADML_INLINE float least(float x, float limit) { return std::min(x, limit); }
RADML_INLINE Dual least(Dual x, float limit) { return x.value < limit ? x : Dual{limit, 0.0F, 0.0F}; }

// 1/x and 1/(x y). Divisions are what takes long in a layer: one serves both, but where derivatives of the product would overflow.
template <typename Real>
struct Inverses {
  Real of_first, of_both;
};
RADML_INLINE Inverses<float> invert(float x, float y) {
  const float both = 1.0F / (x * y);
  return {both * y, both};
}
RADML_INLINE Inverses<Dual> invert(Dual x, Dual y) {
  const Dual first = 1.0F / x;
  return {first, first / y};
}

// What of light passes a depth >= 0, exp(-depth), and what is stopped by it.
template <typename Real>
struct Passage {
  Real passing, stopped;
};
RADML_INLINE Passage<float> pass(float depth) {
  const Exponential e = exponential_within(-std::min(depth, 87.0F));
  return {e.value, -e.less_one};
}
RADML_INLINE Passage<Dual> pass(Dual depth) {
  const auto [passing, stopped] = pass(depth.value);
  const float absorbing = passing * depth.absorbing, scattering = passing * depth.scattering;
  return {{passing, -absorbing, -scattering}, {stopped, absorbing, scattering}};
}

// exp(head), of which nothing is larger than that of `largest_head`.
RADML_INLINE float of_head(float head) { return exponential_within(std::max(std::min(head, largest_head), -87.0F)).value; }

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

// What a tile keeps of a term: amounts (layer, kind), close together, for rows of far apart columns evict each other from the
// cache; which layers have any, for most have no cloud and need no exponential of what it would do; and where they are found for
// some points at once, the depths of a block of points (point, layer).
struct TermRows {
  float *amounts, *present, *depths;
};

RADML_INLINE ptrdiff_t rows_for_layers(ptrdiff_t layers) { return (layers + tile_width - 1) / tile_width; }

RADML_INLINE ptrdiff_t count_rows(const DepthTerm& term, ptrdiff_t layers) {
  return term.kinds * layers + rows_for_layers(layers) + (term.mixture == nullptr ? 0 : PackedWeights::block * layers);
}

RADML_INLINE TermRows take_term_rows(const DepthTerm& term, const Grid& grid, ptrdiff_t column, Rows& rows) {
  const ptrdiff_t layers = grid.layers;
  const TermRows taken{rows.take(term.kinds * layers), rows.take(rows_for_layers(layers)),
                       term.mixture == nullptr ? nullptr : rows.take(PackedWeights::block * layers)};
  for (ptrdiff_t layer = 0; layer < layers; ++layer) {
    alignas(64) std::uint32_t bits[tile_width] = {};
    for (int kind = 0; kind < term.kinds; ++kind) {
      const float* amount = term.amounts + (kind * layers + layer) * grid.columns + column;
      float* row = taken.amounts + (layer * term.kinds + kind) * tile_width;
      RADML_LANES {
        row[lane] = amount[lane];
        bits[lane] |= std::bit_cast<std::uint32_t>(amount[lane]);
      }
    }
    taken.present[layer] = any_but_zero(bits) ? 1.0F : 0.0F;
  }
  return taken;
}

// Sum over kinds of strength times amount, in one layer.
RADML_INLINE void mix(const DepthTerm& term, const TermRows& rows, ptrdiff_t index, ptrdiff_t layer, float* __restrict mixed) {
  const float* strength = term.strength + index * term.kinds;
  const float* amount = rows.amounts + layer * term.kinds * tile_width;
  RADML_LANES mixed[lane] = 0.0F;
  for (int kind = 0; kind < term.kinds; ++kind) {
    const float factor = strength[kind];
    RADML_LANES mixed[lane] += factor * amount[kind * tile_width + lane];
  }
}

// The depths of a block of points, with heads of the trunk's channels if there are any.
RADML_INLINE void find_depths(const DepthTerm& term, const Grid& grid, int index, ptrdiff_t column, const TermRows& rows) {
  const int count = std::min(PackedWeights::block, term.mixture->outputs() - index);
  const bool has_head = term.weights != nullptr;
  const ptrdiff_t inputs = has_head ? term.weights->inputs() : 0;
  const float* channels = grid.channels + column * grid.layers * inputs;
  for (ptrdiff_t layer = 0; layer < grid.layers; ++layer) {
    if (rows.present[layer] == 0.0F) continue;
    alignas(64) float heads[PackedWeights::block * tile_width], mixed[PackedWeights::block * tile_width];
    multiply_block(*term.mixture, index, rows.amounts + layer * term.kinds * tile_width, mixed);
    if (has_head) multiply_block(*term.weights, index, channels + layer * inputs * tile_width, heads);
    for (ptrdiff_t point = 0; point < count; point += 2) {  // two exponentials at a time: neither waits for the other
      const float *head = heads + point * tile_width, *sum = mixed + point * tile_width;
      float *depth = rows.depths + (point * grid.layers + layer) * tile_width, *next = depth + grid.layers * tile_width;
      if (has_head) {
        RADML_LANES {
          depth[lane] = of_head(head[lane]) * sum[lane];
          next[lane] = of_head(head[tile_width + lane]) * sum[tile_width + lane];
        }
      } else {
        RADML_LANES {
          depth[lane] = sum[lane];
          next[lane] = sum[tile_width + lane];
        }
      }
    }
  }
}

// A term's depths at a point's layers, added to what `depth` has; or put there, with `least` added, of the first term. Points are
// asked for one after the other.
template <bool is_first>
RADML_INLINE void add_depth(const DepthTerm& term, const Grid& grid, int point, ptrdiff_t column, const TermRows& rows,
                            float* __restrict depth, float least = 0.0F) {
  const int index = point - term.first_point, of_block = index % PackedWeights::block;
  if (index < 0) return;  // the first term is of all points
  if (term.mixture != nullptr && of_block == 0) find_depths(term, grid, index, column, rows);
  const float* found = rows.depths == nullptr ? nullptr : rows.depths + static_cast<ptrdiff_t>(of_block) * grid.layers * tile_width;
  const float* given =
      term.head == nullptr ? nullptr : term.head + static_cast<ptrdiff_t>(index) * grid.layers * grid.columns + column;
  for (ptrdiff_t layer = 0; layer < grid.layers; ++layer) {
    if (!is_first && rows.present[layer] == 0.0F) continue;
    float* row = depth + layer * tile_width;
    const auto put = [&](int lane, float value) { row[lane] = value + (is_first ? least : row[lane]); };
    if (rows.present[layer] == 0.0F) {
      RADML_LANES put(lane, 0.0F);
    } else if (term.mixture != nullptr) {
      RADML_LANES put(lane, found[layer * tile_width + lane]);
    } else {
      alignas(64) float mixed[tile_width];
      mix(term, rows, index, layer, mixed);
      if (term.head == nullptr) {
        RADML_LANES put(lane, mixed[lane]);
      } else {
        const float* head = given + layer * grid.columns;
        RADML_LANES put(lane, of_head(head[lane]) * mixed[lane]);
      }
    }
  }
}

// Adjoints of a term's head and strengths, from that of a point's depths.
RADML_INLINE void add_depth_adjoint(const DepthTerm& term, const DepthTermGradient& gradient, const Grid& grid, int point,
                                    ptrdiff_t column, const TermRows& rows, const float* __restrict adjoint) {
  constexpr int most_kinds = 8;
  if (point < term.first_point) return;
  const ptrdiff_t index = point - term.first_point;
  float sums[most_kinds][tile_width] = {};
  for (ptrdiff_t layer = 0; layer < grid.layers; ++layer) {
    alignas(64) float factor[tile_width];
    const float* row = adjoint + layer * tile_width;
    const ptrdiff_t at = (index * grid.layers + layer) * grid.columns + column;
    if (term.head == nullptr) {
      RADML_LANES factor[lane] = row[lane];
    } else {
      alignas(64) float mixed[tile_width];
      mix(term, rows, index, layer, mixed);
      const float* head = term.head + at;
      RADML_LANES factor[lane] = row[lane] * of_head(head[lane]);
      float* target = gradient.head + at;
      RADML_LANES target[lane] = head[lane] < largest_head ? factor[lane] * mixed[lane] : 0.0F;
    }
    const float* amount = rows.amounts + layer * term.kinds * tile_width;
    for (int kind = 0; kind < term.kinds; ++kind)
      RADML_LANES sums[kind][lane] += factor[lane] * amount[kind * tile_width + lane];
  }
  const ptrdiff_t points = grid.points - term.first_point;
  float* target = gradient.strength + ((column / tile_width) * points + index) * term.kinds;
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

// Rows of one point: absorption and source upward of layers, what layers and levels emit, fluxes.
struct LongwaveRows {
  float *depth, *absorption, *source_up, *middle, *level, *surface, *up, *down, *sky;
  TermRows terms[longwave_terms];
};

RADML_INLINE ptrdiff_t count_longwave_rows(const LongwaveProblem& problem) {
  ptrdiff_t count = 12 * (problem.grid.layers + 1);  // of emitters and of a point
  for (const DepthTerm& term : problem.depth) count += count_rows(term, problem.grid.layers);
  return count;
}

RADML_INLINE LongwaveRows take_longwave_rows(const LongwaveProblem& problem, ptrdiff_t column, Rows& rows) {
  const ptrdiff_t layers = problem.grid.layers;
  LongwaveRows r{rows.take(layers), rows.take(layers),     rows.take(layers),     rows.take(layers), rows.take(layers + 1),
                 rows.take(1),      rows.take(layers + 1), rows.take(layers + 1), rows.take(1),      {}};
  for (int term = 0; term < longwave_terms; ++term)
    r.terms[term] = take_term_rows(problem.depth[term], problem.grid, column, rows);
  return r;
}

RADML_INLINE float lerp(float x, float y, float weight) { return x + weight * (y - x); }

// The sums over points that a solution is, of a tile.
RADML_INLINE Fluxes<float> take_sums(ptrdiff_t layers, Rows& rows) {
  const Fluxes<float> sums{rows.take(layers + 1), rows.take(layers + 1), rows.take(layers)};
  fill(sums.up, layers + 1, 0.0F);
  fill(sums.down, layers + 1, 0.0F);
  fill(sums.absorbed, layers, 0.0F);
  return sums;
}

RADML_INLINE void move_rows(float* from, float* to, ptrdiff_t rows) {
  for (ptrdiff_t row = 0; row < rows; ++row, from += tile_width, to += tile_width) RADML_LANES {
      to[lane] += from[lane];
      from[lane] = 0.0F;
    }
}

// After a point: some points are added up before they are added to the sums, since rounding in a sum of many is what heating and the
// divergence of the fluxes differ by.
RADML_INLINE void move_sums(const Grid& grid, int point, const Fluxes<float>& part, const Fluxes<float>& sums) {
  if (point % points_in_part != points_in_part - 1 && point != grid.points - 1) return;
  move_rows(part.up, sums.up, grid.layers + 1);
  move_rows(part.down, sums.down, grid.layers + 1);
  move_rows(part.absorbed, sums.absorbed, grid.layers);
}

RADML_INLINE void store_sums(const Fluxes<float>& sums, const Grid& grid, ptrdiff_t column, const Fluxes<float>& fluxes) {
  store(sums.up, grid.layers + 1, grid.columns, column, fluxes.up);
  store(sums.down, grid.layers + 1, grid.columns, column, fluxes.down);
  store(sums.absorbed, grid.layers, grid.columns, column, fluxes.absorbed);
}

// A point's flux: kept, as the adjoint needs it, or added to the sum of all points.
template <bool keep>
RADML_INLINE void put_flux(float& row, float flux) {
  if constexpr (keep) {
    row = flux;
  } else {
    row += flux;
  }
}

// One point: its fluxes kept in rows, as the adjoint needs them, or added to `sums` and kept of one level alone.
template <bool keep>
RADML_INLINE void longwave_point(const LongwaveProblem& problem, int point, ptrdiff_t column, const Emitters& emitters,
                                 const PointShare& share, const LongwaveRows& r, const Fluxes<float>& sums) {
  const Grid& grid = problem.grid;
  const ptrdiff_t layers = grid.layers;
  constexpr ptrdiff_t w = tile_width;
  add_depth<true>(problem.depth[0], grid, point, column, r.terms[0], r.depth);
  for (int term = 1; term < longwave_terms; ++term)
    add_depth<false>(problem.depth[term], grid, point, column, r.terms[term], r.depth);
  if (share.sky < 0) {
    RADML_LANES r.sky[lane] = 1.0F;
  } else {
    const float* sky = problem.skies + share.sky * grid.columns + column;
    RADML_LANES r.sky[lane] = sky[lane];
  }
  alignas(64) float base[tile_width], powers[planck_powers][tile_width];
  RADML_LANES base[lane] = r.sky[lane] * share.base[lane];
  for (int power = 0; power < planck_powers; ++power) RADML_LANES powers[power][lane] = r.sky[lane] * share.planck[power];
  const auto emission = [&](int lane, const float* total, const float* warm) {
    const float t = warm[lane];
    return total[lane] * (base[lane] + t * (powers[0][lane] + t * (powers[1][lane] + t * powers[2][lane])));
  };
  RADML_LANES r.surface[lane] = emission(lane, emitters.total_surface, emitters.warm_surface);

  // What a layer adds to a flux, it loses: it absorbs that with the opposite sign, with no difference of large fluxes. The source
  // upward is found on the way down, where the layer's depth is at hand.
  alignas(64) float flux[tile_width], upper[tile_width];
  RADML_LANES {
    flux[lane] = 0.0F;
    upper[lane] = emission(lane, emitters.total_level, emitters.warm_level);
    if constexpr (keep) {
      r.down[lane] = flux[lane];
      r.level[lane] = upper[lane];
    }
  }
  for (ptrdiff_t l = 0; l < layers; ++l) {
    float *absorption = r.absorption + l * w, *source_up = r.source_up + l * w, *absorbed = sums.absorbed + l * w;
    float* below = (keep ? r.down : sums.down) + (l + 1) * w;
    const float *depth = r.depth + l * w, *total = emitters.total_layer + l * w, *warm = emitters.warm_layer + l * w;
    const float *total_below = emitters.total_level + (l + 1) * w, *warm_below = emitters.warm_level + (l + 1) * w;
    RADML_LANES {
      const float d = depth[lane], a = pass(d).stopped, edge = d / (d + half_depth);
      const float middle = emission(lane, total, warm), lower = emission(lane, total_below, warm_below);
      const float added = a * (lerp(middle, lower, edge) - flux[lane]), sum = flux[lane] + added;
      absorption[lane] = a;
      source_up[lane] = lerp(middle, upper[lane], edge);
      flux[lane] = sum;
      upper[lane] = lower;
      put_flux<keep>(below[lane], sum);
      if constexpr (keep) {
        r.middle[l * w + lane] = middle;
        r.level[(l + 1) * w + lane] = lower;
      } else {
        absorbed[lane] -= added;
      }
    }
  }
  const float* emissivity = problem.surface_emissivity + column;
  float* up = keep ? r.up : sums.up;
  RADML_LANES {
    flux[lane] = lerp(flux[lane], r.surface[lane], emissivity[lane]);
    put_flux<keep>(up[layers * w + lane], flux[lane]);
  }
  for (ptrdiff_t l = layers - 1; l >= 0; --l) {
    const float *absorption = r.absorption + l * w, *source_up = r.source_up + l * w;
    float *absorbed = sums.absorbed + l * w, *above = up + l * w;
    RADML_LANES {
      const float added = absorption[lane] * (source_up[lane] - flux[lane]), sum = flux[lane] + added;
      flux[lane] = sum;
      put_flux<keep>(above[lane], sum);
      if constexpr (!keep) absorbed[lane] -= added;
    }
  }
}

RADML_INLINE void longwave_tile(const LongwaveProblem& problem, const Fluxes<float>& fluxes, ptrdiff_t tile) {
  const ptrdiff_t layers = problem.grid.layers, column = tile * tile_width;
  Rows rows(count_longwave_rows(problem) + 6 * (layers + 1));
  const Emitters emitters = make_emitters(problem, column, rows);
  const LongwaveRows r = take_longwave_rows(problem, column, rows);
  const Fluxes<float> sums = take_sums(layers, rows), part = take_sums(layers, rows);
  for (int point = 0; point < problem.grid.points; ++point) {
    longwave_point<false>(problem, point, column, emitters, share_of(problem, point, column), r, part);
    move_sums(problem.grid, point, part, sums);
  }
  store_sums(sums, problem.grid, column, fluxes);
}

RADML_INLINE void longwave_adjoint_tile(const LongwaveProblem& problem, const Fluxes<const float>& adjoint,
                                        const LongwaveGradient& gradient, ptrdiff_t tile) {
  const Grid& grid = problem.grid;
  const ptrdiff_t layers = grid.layers, columns = grid.columns, column = tile * tile_width;
  const int spectra = problem.common + problem.per_sky;
  constexpr ptrdiff_t w = tile_width;
  Rows rows(count_longwave_rows(problem) + 8 * (layers + 1) + 1);
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
    longwave_point<true>(problem, point, column, emitters, share, r, {});
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
      add_depth_adjoint(problem.depth[term], gradient.depth[term], grid, point, column, r.terms[term], depth);
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

// k of a layer: the part exp(-k) of diffuse light meets nothing in it.
template <typename Real>
RADML_INLINE Real diffuse_depth(Real absorbing, Real scattering) {
  return square_root(absorbing * (4.0F * absorbing + 3.0F * scattering));
}

// From a layer's depths, k, and what of the beam and of diffuse light its exponentials let pass and stop.
template <typename Real>
RADML_INLINE Layer<Real> make_layer(Real absorbing, Real scattering, float inverse_cosine, Real beam_passing, Real stopped, Real k,
                                    Real passing, Real lost) {
  Layer<Real> layer;
  const Real depth = absorbing + scattering;
  const Real slant = inverse_cosine * depth;
  layer.beam_transmission = beam_passing;
  const Real backward = 0.75F * scattering;
  const Real twice = 2.0F * absorbing;
  const Real extinction = twice + backward;
  const Real lost_twice = lost * (1.0F + passing);
  const auto [inverse, both] = invert(k * (1.0F + passing * passing) + extinction * lost_twice, twice);
  layer.reflectance = backward * lost_twice * inverse;
  layer.transmittance = 2.0F * k * passing * inverse;
  // A uniform source in the layer leaves it like thermal emission does, by Kirchhoff's law.
  const Real escaping = (k * lost * lost + lost_twice * twice) * both;
  layer.absorptance = twice * escaping;
  const Real per_depth = stopped / depth;
  const Real scattered = per_depth * scattering;
  // Mean place of scattering, 1/x - 1/(exp(x) - 1), within 2 %: the quotient of these two.
  const Real x = least(slant, 1e8F), near_top = 6.0F + x, of_place = 12.0F + x * (4.0F + x);
  const Real upward = (0.5F * of_place + backward * (of_place - near_top)) / (of_place * (1.0F + backward));
  const Real leaving = scattered * escaping;
  layer.beam_up = leaving * upward;
  layer.beam_down = leaving - layer.beam_up;
  layer.beam_kept = per_depth * absorbing + scattered * (1.0F - escaping);
  return layer;
}

template <typename Real>
RADML_INLINE Layer<Real> make_layer(Real absorbing, Real scattering, float inverse_cosine) {
  const Passage<Real> of_beam = pass(inverse_cosine * (absorbing + scattering));
  const Real k = diffuse_depth(absorbing, scattering);
  const Passage<Real> of_diffuse = pass(k);
  return make_layer<Real>(absorbing, scattering, inverse_cosine, of_beam.passing, of_beam.stopped, k, of_diffuse.passing,
                          of_diffuse.stopped);
}

// Rows of one point: depths; of diffuse light what layers reflect, pass and absorb, and what they send into it of the beam; albedo
// and source below levels, with the gain between them and a layer; the part of diffuse light from above that leaves a layer, with that
// gain, and what feeds it; fluxes.
struct ShortwaveRows {
  float *absorbing, *scattering, *inverse_cosine;
  float *reflectance, *transmittance, *absorptance, *sent_up, *sent_down;
  float *albedo, *source, *gain, *passed, *fed, *beam, *diffuse, *up;
  TermRows of_absorbing[shortwave_absorbing_terms], of_scattering[shortwave_scattering_terms];
};

RADML_INLINE ptrdiff_t count_shortwave_rows(const ShortwaveProblem& problem) {
  const ptrdiff_t layers = problem.grid.layers;
  ptrdiff_t count = 16 * (layers + 1);
  for (const DepthTerm& term : problem.absorbing) count += count_rows(term, layers);
  for (const DepthTerm& term : problem.scattering) count += count_rows(term, layers);
  return count;
}

RADML_INLINE ShortwaveRows take_shortwave_rows(const ShortwaveProblem& problem, ptrdiff_t column, Rows& rows) {
  const ptrdiff_t layers = problem.grid.layers, levels = layers + 1;
  ShortwaveRows r{rows.take(layers), rows.take(layers), rows.take(1),      rows.take(layers), rows.take(layers),
                  rows.take(layers), rows.take(layers), rows.take(layers), rows.take(levels), rows.take(levels),
                  rows.take(layers), rows.take(layers), rows.take(layers), rows.take(levels), rows.take(levels),
                  rows.take(levels), {},                {}};
  for (int term = 0; term < shortwave_absorbing_terms; ++term)
    r.of_absorbing[term] = take_term_rows(problem.absorbing[term], problem.grid, column, rows);
  for (int term = 0; term < shortwave_scattering_terms; ++term)
    r.of_scattering[term] = take_term_rows(problem.scattering[term], problem.grid, column, rows);
  return r;
}

// Depths, layers and the passes of one point: beam down, albedos and sources up, diffuse light down. Its fluxes are kept in rows, as
// the adjoint needs them, or added to `sums` and kept of one level alone.
template <bool keep>
RADML_INLINE void shortwave_point(const ShortwaveProblem& problem, int point, ptrdiff_t column, const ShortwaveRows& r,
                                  const Fluxes<float>& sums) {
  const Grid& grid = problem.grid;
  const ptrdiff_t layers = grid.layers;
  constexpr ptrdiff_t w = tile_width;
  add_depth<true>(problem.absorbing[0], grid, point, column, r.of_absorbing[0], r.absorbing, least_depth);
  for (int term = 1; term < shortwave_absorbing_terms; ++term)
    add_depth<false>(problem.absorbing[term], grid, point, column, r.of_absorbing[term], r.absorbing);
  add_depth<true>(problem.scattering[0], grid, point, column, r.of_scattering[0], r.scattering, least_depth);
  for (int term = 1; term < shortwave_scattering_terms; ++term)
    add_depth<false>(problem.scattering[term], grid, point, column, r.of_scattering[term], r.scattering);

  const float* incident = problem.incident + static_cast<ptrdiff_t>(point) * grid.columns + column;
  const float* ground = problem.albedo + column;
  float *beam_rows = keep ? r.beam : sums.down, *diffuse_rows = keep ? r.diffuse : sums.down, *up = keep ? r.up : sums.up;
  alignas(64) float beam[tile_width];
  RADML_LANES {
    beam[lane] = incident[lane];
    put_flux<keep>(beam_rows[lane], incident[lane]);
  }
  // Exponentials of some layers first: with all that follows from them a layer is a chain too long to overlap with the next one's.
  constexpr ptrdiff_t layers_at_once = 8;
  alignas(64) float k[layers_at_once * w], passing[layers_at_once * w], lost[layers_at_once * w];
  alignas(64) float beam_passing[layers_at_once * w], beam_stopped[layers_at_once * w];
  for (ptrdiff_t first = 0; first < layers; first += layers_at_once) {
    const ptrdiff_t count = std::min(layers_at_once, layers - first);
    for (ptrdiff_t n = 0; n < count; ++n)
      RADML_LANES {
        const ptrdiff_t i = (first + n) * w + lane, of = n * w + lane;
        const float absorbing = r.absorbing[i], scattering = r.scattering[i], of_layer = diffuse_depth(absorbing, scattering);
        const Passage<float> of_beam = pass(r.inverse_cosine[lane] * (absorbing + scattering)), of_diffuse = pass(of_layer);
        k[of] = of_layer;
        passing[of] = of_diffuse.passing;
        lost[of] = of_diffuse.stopped;
        beam_passing[of] = of_beam.passing;
        beam_stopped[of] = of_beam.stopped;
      }
    for (ptrdiff_t n = 0; n < count; ++n)
      RADML_LANES {
        const ptrdiff_t i = (first + n) * w + lane, of = n * w + lane;
        const Layer<float> layer = make_layer<float>(r.absorbing[i], r.scattering[i], r.inverse_cosine[lane], beam_passing[of],
                                                     beam_stopped[of], k[of], passing[of], lost[of]);
        const float above = beam[lane], below = above * layer.beam_transmission;
        r.reflectance[i] = layer.reflectance;
        r.transmittance[i] = layer.transmittance;
        r.absorptance[i] = layer.absorptance;
        r.sent_up[i] = layer.beam_up * above;
        r.sent_down[i] = layer.beam_down * above;
        beam[lane] = below;
        put_flux<keep>(beam_rows[i + w], below);
        if constexpr (!keep) sums.absorbed[i] += layer.beam_kept * above;
      }
  }
  // Albedos from below as quotients of `part` and `whole`: no layer waits for the division of the one below it. Both shrink, and are
  // scaled now and then.
  constexpr ptrdiff_t layers_to_scaling = 4;
  alignas(64) float part[tile_width], whole[tile_width], albedo[tile_width], source[tile_width];
  RADML_LANES {
    part[lane] = ground[lane];
    whole[lane] = 1.0F;
    albedo[lane] = ground[lane];
    source[lane] = ground[lane] * beam[lane];
    r.albedo[layers * w + lane] = albedo[lane];
    r.source[layers * w + lane] = source[lane];
  }
  for (ptrdiff_t l = layers - 1; l >= 0; --l) {
    const bool scaled = l % layers_to_scaling == 0;
    RADML_LANES {
      const ptrdiff_t i = l * w + lane;
      const float reflectance = r.reflectance[i], transmittance = r.transmittance[i], sent_down = r.sent_down[i];
      const float below = source[lane], next = whole[lane] - reflectance * part[lane], inverse = 1.0F / next;
      const float gain = whole[lane] * inverse, passed = gain * transmittance;
      const float next_part = reflectance * next + transmittance * transmittance * part[lane];
      source[lane] = r.sent_up[i] + passed * (below + albedo[lane] * sent_down);
      albedo[lane] = next_part * inverse;
      r.source[i] = source[lane];
      r.albedo[i] = albedo[lane];
      r.passed[i] = passed;
      r.fed[i] = gain * (sent_down + reflectance * below);
      part[lane] = scaled ? albedo[lane] : next_part;
      whole[lane] = scaled ? 1.0F : next;
      if constexpr (keep) r.gain[i] = gain;
    }
  }
  alignas(64) float diffuse[tile_width];
  RADML_LANES {
    diffuse[lane] = 0.0F;
    if constexpr (keep) r.diffuse[lane] = 0.0F;
    put_flux<keep>(up[lane], source[lane]);
  }
  for (ptrdiff_t l = 0; l < layers; ++l)
    RADML_LANES {
      const ptrdiff_t i = l * w + lane;
      const float above = diffuse[lane], below = r.fed[i] + r.passed[i] * above;
      const float rising = r.source[i + w] + r.albedo[i + w] * below;
      diffuse[lane] = below;
      put_flux<keep>(diffuse_rows[i + w], below);
      put_flux<keep>(up[i + w], rising);
      if constexpr (!keep) sums.absorbed[i] += r.absorptance[i] * (above + rising);
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
  const ptrdiff_t layers = problem.grid.layers, column = tile * tile_width;
  Rows rows(count_shortwave_rows(problem) + 6 * (layers + 1));
  const Fluxes<float> sums = take_sums(layers, rows);
  if (!is_night(problem, column)) {
    const ShortwaveRows r = take_shortwave_rows(problem, column, rows);
    set_slant(problem, column, r.inverse_cosine);
    const Fluxes<float> part = take_sums(layers, rows);
    for (int point = 0; point < problem.grid.points; ++point) {
      shortwave_point<false>(problem, point, column, r, part);
      move_sums(problem.grid, point, part, sums);
    }
  }
  store_sums(sums, problem.grid, column, fluxes);
}

RADML_INLINE void shortwave_adjoint_tile(const ShortwaveProblem& problem, const Fluxes<const float>& adjoint,
                                         const ShortwaveGradient& gradient, ptrdiff_t tile) {
  const Grid& grid = problem.grid;
  const ptrdiff_t layers = grid.layers, columns = grid.columns, column = tile * tile_width;
  constexpr ptrdiff_t w = tile_width;
  Rows rows(count_shortwave_rows(problem) + 11 * (layers + 1));
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
    shortwave_point<true>(problem, point, column, r, {});
    fill(albedo, layers + 1, 0.0F);
    fill(source, layers + 1, 0.0F);
    RADML_LANES diffuse[lane] = all_down[layers * w + lane];
    // Diffuse light downward, backwards.
    for (ptrdiff_t l = layers - 1; l >= 0; --l)
      RADML_LANES {
        const ptrdiff_t i = l * w + lane;
        const float up = all_up[i + w] + all_absorbed[i] * r.absorptance[i];
        const float sent_down = r.sent_down[i], below = r.source[i + w];
        const float of_diffuse = diffuse[lane] + up * r.albedo[i + w], scaled = of_diffuse * r.gain[i];
        albedo[i + w] += up * r.diffuse[i + w];
        gain[i] = of_diffuse * (sent_down + r.transmittance[i] * r.diffuse[i] + r.reflectance[i] * below);
        scattered_down[i] = scaled;
        transmittance[i] = scaled * r.diffuse[i];
        reflectance[i] = scaled * below;
        source[i + w] += up + scaled * r.reflectance[i];
        diffuse[lane] = all_down[i] + all_absorbed[i] * r.absorptance[i] + scaled * r.transmittance[i];
      }
    RADML_LANES source[lane] += all_up[lane];
    // Albedos and sources upward, backwards.
    for (ptrdiff_t l = 0; l < layers; ++l)
      RADML_LANES {
        const ptrdiff_t i = l * w + lane;
        const float t = r.transmittance[i], g = r.gain[i], below = r.albedo[i + w], through = g * t;
        const float sent_down = r.sent_down[i];
        const float returned = r.source[i + w] + below * sent_down;
        const float of_through = source[i] * returned + albedo[i] * t * below;
        const float of_gain = gain[i] + of_through * t;
        const float of_product = of_gain * g * g;  // of reflectance times the albedo below
        reflectance[i] += albedo[i] + of_product * below;
        transmittance[i] += of_through * g + albedo[i] * through * below;
        scattered_down[i] += source[i] * through * below;
        albedo[i + w] += albedo[i] * through * t + source[i] * through * sent_down + of_product * r.reflectance[i];
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
      add_depth_adjoint(problem.absorbing[term], gradient.absorbing[term], grid, point, column, r.of_absorbing[term], r.absorbing);
    for (int term = 0; term < shortwave_scattering_terms; ++term)
      add_depth_adjoint(problem.scattering[term], gradient.scattering[term], grid, point, column, r.of_scattering[term], r.scattering);
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
