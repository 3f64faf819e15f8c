// The kernels of radiative transfer as PyTorch operators, radml::longwave_transfer and radml::shortwave_transfer: a model
// exported with them runs wherever libradml is loaded. They are differentiable for what a network learns; for the state of the
// atmosphere, AllSky's own equations are.
#include <torch/autograd.h>
#include <torch/library.h>

#include <array>
#include <initializer_list>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "operator_arguments.hpp"
#include "transfer_kernels.hpp"

namespace {

using at::Tensor;
using radml::Arguments;
using radml::DepthTerm;
using radml::DepthTermGradient;
using radml::Fluxes;
using radml::for_each_tile;
using radml::Grid;
using radml::in_whole_tiles;
using radml::read;
using radml::tile_width;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Sizes {
  int64_t points, layers, columns;
  [[nodiscard]] int64_t padded() const { return in_whole_tiles(columns); }
  [[nodiscard]] int64_t tiles() const { return padded() / tile_width; }
  [[nodiscard]] Grid grid() const {
    return {static_cast<int>(points), static_cast<int>(layers), static_cast<std::ptrdiff_t>(padded()), nullptr};
  }
};

// Tensors of a term, alive as long as the kernel reads them.
struct Term {
  Tensor head, strength, amounts;
  int64_t first_point;

  // A term of the last points, as many as there are strengths.
  Term(const Arguments& arguments, const std::string& name, const Sizes& sizes, const Tensor& head_given, const Tensor& strength_given,
       const Tensor& amounts_given) {
    TORCH_CHECK(amounts_given.dim() == 3 && amounts_given.size(0) <= 8, name, ": expected amounts (kind, layer, column) of at most ",
                "8 kinds, got ", amounts_given.sizes());
    TORCH_CHECK(strength_given.dim() == 2 && strength_given.size(0) <= sizes.points, name, ": expected strengths (point, kind) of ",
                "at most ", sizes.points, " points, got ", strength_given.sizes());
    const int64_t points = strength_given.size(0);
    first_point = sizes.points - points;
    if (head_given.defined()) head = arguments.take_columns(name + " head", head_given, {points, sizes.layers, sizes.columns});
    strength = arguments.take(name + " strength", strength_given, {points, amounts_given.size(0)});
    amounts = arguments.take_columns(name + " amounts", amounts_given, {amounts_given.size(0), sizes.layers, sizes.columns});
  }

  [[nodiscard]] DepthTerm kernel() const {
    return {head.defined() ? read(head) : nullptr, nullptr, nullptr, read(strength), read(amounts), static_cast<int>(amounts.size(0)),
            static_cast<int>(first_point)};
  }
};

struct TermGradient {
  Tensor head, strength;

  TermGradient(const Term& term, const Sizes& sizes)
      : head(term.head.defined() ? at::empty_like(term.head) : Tensor()),
        strength(at::empty({sizes.tiles(), term.strength.size(0), term.amounts.size(0)})) {}

  [[nodiscard]] DepthTermGradient kernel() const {
    return {head.defined() ? head.data_ptr<float>() : nullptr, strength.data_ptr<float>()};
  }
};

Tensor first_columns(const Tensor& padded, const Sizes& sizes) { return padded.narrow(-1, 0, sizes.columns); }

struct FluxTensors {
  Tensor up, down, absorbed;
  explicit FluxTensors(const Sizes& sizes)
      : up(at::empty({sizes.layers + 1, sizes.padded()})),
        down(at::empty({sizes.layers + 1, sizes.padded()})),
        absorbed(at::empty({sizes.layers, sizes.padded()})) {}
  [[nodiscard]] Fluxes<float> kernel() const {
    return {up.data_ptr<float>(), down.data_ptr<float>(), absorbed.data_ptr<float>()};
  }
  [[nodiscard]] std::tuple<Tensor, Tensor, Tensor> result(const Sizes& sizes) const {
    return {first_columns(up, sizes), first_columns(down, sizes), first_columns(absorbed, sizes)};
  }
};

// Adjoints of the fluxes; those that nobody asked for are zero.
std::array<Tensor, 3> flux_adjoints(const Arguments& arguments, const variable_list& given, const Sizes& sizes) {
  std::array<Tensor, 3> taken;
  for (std::size_t i = 0; i < 3; ++i) {
    const int64_t rows = i < 2 ? sizes.layers + 1 : sizes.layers;
    taken[i] = given[i].defined() ? arguments.take_columns("adjoint of the fluxes", given[i], {rows, sizes.columns})
                                  : at::zeros({rows, sizes.padded()});
  }
  return taken;
}

void refuse_gradients(const char* name, std::initializer_list<std::pair<const char*, const Tensor*>> tensors) {
  for (const auto& [what, tensor] : tensors)
    TORCH_CHECK(!tensor->requires_grad(), name, ": has no derivative for ", what,
                ": set use_operators of the network to False before export, or detach it");
}

// ---- Longwave

constexpr const char* longwave_name = "radml::longwave_transfer";

struct LongwaveTensors {
  Sizes sizes{};
  int64_t common, per_sky, sky_count;
  std::vector<Term> terms;
  Tensor planck, base, skies, temperature_layer, temperature_level, surface_temperature, surface_emissivity;

  LongwaveTensors(const Arguments& arguments, const Tensor& gas_head, const Tensor& gas_strength, const Tensor& gases,
                  const Tensor& cloud_head, const Tensor& cloud_strength, const Tensor& clouds, const Tensor& planck_given,
                  const Tensor& base_given, const Tensor& skies_given, int64_t common_given, const Tensor& layer, const Tensor& level, const Tensor& surface,
                  const Tensor& emissivity)
      : common(common_given) {
    TORCH_CHECK(gas_head.dim() == 3, longwave_name, ": gas head: expected (point, layer, column), got ", gas_head.sizes());
    TORCH_CHECK(planck_given.dim() == 2 && skies_given.dim() == 2, longwave_name,
                ": planck, skies: expected (3, spectral point) and (sky, column), got ", planck_given.sizes(), " and ",
                skies_given.sizes());
    sizes = {gas_head.size(0), gas_head.size(1), gas_head.size(2)};
    per_sky = planck_given.size(1) - common;
    sky_count = skies_given.size(0);
    TORCH_CHECK(common >= 0 && per_sky >= 0 && sizes.points == common + sky_count * per_sky, longwave_name, ": points: expected ",
                common, " + ", sky_count, " skies of ", per_sky, ", got ", sizes.points);
    terms.emplace_back(arguments, "gas", sizes, gas_head, gas_strength, gases);
    terms.emplace_back(arguments, "cloud", sizes, cloud_head, cloud_strength, clouds);
    planck = arguments.take("planck", planck_given, {3, common + per_sky});
    base = arguments.take_columns("base", base_given, {common + per_sky, sizes.columns});
    skies = arguments.take_columns("skies", skies_given, {sky_count, sizes.columns});
    temperature_layer = arguments.take_columns("layer temperature", layer, {sizes.layers, sizes.columns});
    temperature_level = arguments.take_columns("level temperature", level, {sizes.layers + 1, sizes.columns});
    surface_temperature = arguments.take_columns("surface temperature", surface, {sizes.columns});
    surface_emissivity = arguments.take_columns("surface emissivity", emissivity, {sizes.columns});
  }

  [[nodiscard]] radml::LongwaveProblem kernel() const {
    return {sizes.grid(),
            {terms[0].kernel(), terms[1].kernel()},
            read(planck),
            read(base),
            read(skies),
            static_cast<int>(common),
            static_cast<int>(per_sky),
            static_cast<int>(sky_count),
            read(temperature_layer),
            read(temperature_level),
            read(surface_temperature),
            read(surface_emissivity)};
  }
};

std::tuple<Tensor, Tensor, Tensor> longwave(const Tensor& gas_head, const Tensor& gas_strength, const Tensor& gases,
                                            const Tensor& cloud_head, const Tensor& cloud_strength, const Tensor& clouds,
                                            const Tensor& planck, const Tensor& base, const Tensor& skies, int64_t common, const Tensor& layer,
                                            const Tensor& level, const Tensor& surface, const Tensor& emissivity) {
  const Arguments arguments(longwave_name);
  const LongwaveTensors tensors(arguments, gas_head, gas_strength, gases, cloud_head, cloud_strength, clouds, planck, base, skies, common,
                                layer, level, surface, emissivity);
  const FluxTensors fluxes(tensors.sizes);
  const auto problem = tensors.kernel();
  const auto results = fluxes.kernel();
  for_each_tile(tensors.sizes.columns, [&](int64_t first, int64_t last) { radml::solve_longwave(problem, results, first, last); });
  return fluxes.result(tensors.sizes);
}

struct LongwaveFunction : torch::autograd::Function<LongwaveFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& gas_head, const Tensor& gas_strength, const Tensor& gases,
                               const Tensor& cloud_head, const Tensor& cloud_strength, const Tensor& clouds, const Tensor& planck,
                               const Tensor& base, const Tensor& skies, int64_t common, const Tensor& layer, const Tensor& level,
                               const Tensor& surface, const Tensor& emissivity) {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({gas_head, gas_strength, gases, cloud_head, cloud_strength, clouds, planck, base, skies, layer, level,
                                surface, emissivity});
    context->saved_data["common"] = common;
    auto [up, down, absorbed] = longwave(gas_head, gas_strength, gases, cloud_head, cloud_strength, clouds, planck, base, skies, common,
                                         layer, level, surface, emissivity);
    return {up, down, absorbed};
  }

  static variable_list backward(AutogradContext* context, const variable_list& given) {
    const auto saved = context->get_saved_variables();
    const Arguments arguments(longwave_name);
    const LongwaveTensors tensors(arguments, saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], saved[6], saved[7],
                                  saved[8], context->saved_data["common"].toInt(), saved[9], saved[10], saved[11], saved[12]);
    const Sizes& sizes = tensors.sizes;
    const auto adjoints = flux_adjoints(arguments, given, sizes);
    const TermGradient gas(tensors.terms[0], sizes), cloud(tensors.terms[1], sizes);
    const Tensor planck = at::empty({sizes.tiles(), 3, tensors.planck.size(1)}), base = at::empty_like(tensors.base);
    const Tensor skies = at::empty_like(tensors.skies);
    const auto problem = tensors.kernel();
    const Fluxes<const float> adjoint{read(adjoints[0]), read(adjoints[1]), read(adjoints[2])};
    const radml::LongwaveGradient gradient{{gas.kernel(), cloud.kernel()}, planck.data_ptr<float>(),
                                            base.data_ptr<float>(), skies.data_ptr<float>()};
    for_each_tile(sizes.columns, [&](int64_t first, int64_t last) { radml::adjoint_longwave(problem, adjoint, gradient, first, last); });
    return {first_columns(gas.head, sizes), gas.strength.sum(0),
            Tensor(),                       first_columns(cloud.head, sizes),
            cloud.strength.sum(0),          Tensor(),
            planck.sum(0),                  first_columns(base, sizes),
            first_columns(skies, sizes),    Tensor(),
            Tensor(),                       Tensor(),
            Tensor(),                       Tensor()};
  }
};

std::tuple<Tensor, Tensor, Tensor> longwave_with_gradients(const Tensor& gas_head, const Tensor& gas_strength, const Tensor& gases,
                                                           const Tensor& cloud_head, const Tensor& cloud_strength,
                                                           const Tensor& clouds, const Tensor& planck, const Tensor& base, const Tensor& skies,
                                                           int64_t common, const Tensor& layer, const Tensor& level,
                                                           const Tensor& surface, const Tensor& emissivity) {
  if (at::GradMode::is_enabled())
    refuse_gradients(longwave_name, {{"gases", &gases}, {"clouds", &clouds}, {"layer temperature", &layer},
                                     {"level temperature", &level}, {"surface temperature", &surface},
                                     {"surface emissivity", &emissivity}});
  auto results = LongwaveFunction::apply(gas_head, gas_strength, gases, cloud_head, cloud_strength, clouds, planck, base, skies, common,
                                         layer, level, surface, emissivity);
  return {results[0], results[1], results[2]};
}

// ---- Shortwave

constexpr const char* shortwave_name = "radml::shortwave_transfer";

struct ShortwaveTensors {
  Sizes sizes{};
  std::vector<Term> absorbing, scattering;
  Tensor incident, albedo, cosine;

  ShortwaveTensors(const Arguments& arguments, const Tensor& gas_head, const Tensor& gas_strength, const Tensor& gases,
                   const Tensor& fixed_strength, const Tensor& fixed_gases, const Tensor& cloud_head, const Tensor& cloud_strength,
                   const Tensor& band_strength, const Tensor& bands, const Tensor& scattering_head,
                   const Tensor& scattering_strength, const Tensor& clouds, const Tensor& rayleigh, const Tensor& air, const Tensor& incident_given, const Tensor& albedo_given,
                   const Tensor& cosine_given) {
    TORCH_CHECK(gas_head.dim() == 3, shortwave_name, ": gas head: expected (point, layer, column), got ", gas_head.sizes());
    sizes = {gas_head.size(0), gas_head.size(1), gas_head.size(2)};
    absorbing.emplace_back(arguments, "gas", sizes, gas_head, gas_strength, gases);
    absorbing.emplace_back(arguments, "fixed gas", sizes, Tensor(), fixed_strength, fixed_gases);
    absorbing.emplace_back(arguments, "cloud", sizes, cloud_head, cloud_strength, clouds);
    absorbing.emplace_back(arguments, "cloud bands", sizes, Tensor(), band_strength, bands);
    scattering.emplace_back(arguments, "Rayleigh", sizes, Tensor(), rayleigh, air);
    scattering.emplace_back(arguments, "scattering cloud", sizes, scattering_head, scattering_strength, clouds);
    incident = arguments.take_columns("incident", incident_given, {sizes.points, sizes.columns});
    albedo = arguments.take_columns("albedo", albedo_given, {sizes.columns});
    cosine = arguments.take_columns("cosine", cosine_given, {sizes.columns});
  }

  [[nodiscard]] radml::ShortwaveProblem kernel() const {
    return {sizes.grid(),
            {absorbing[0].kernel(), absorbing[1].kernel(), absorbing[2].kernel(), absorbing[3].kernel()},
            {scattering[0].kernel(), scattering[1].kernel()},
            read(incident),
            read(albedo),
            read(cosine)};
  }
};

std::tuple<Tensor, Tensor, Tensor> shortwave(const Tensor& gas_head, const Tensor& gas_strength, const Tensor& gases,
                                             const Tensor& fixed_strength, const Tensor& fixed_gases, const Tensor& cloud_head,
                                             const Tensor& cloud_strength, const Tensor& band_strength, const Tensor& bands,
                                             const Tensor& scattering_head, const Tensor& scattering_strength, const Tensor& clouds,
                                             const Tensor& rayleigh, const Tensor& air, const Tensor& incident, const Tensor& albedo, const Tensor& cosine) {
  const Arguments arguments(shortwave_name);
  const ShortwaveTensors tensors(arguments, gas_head, gas_strength, gases, fixed_strength, fixed_gases, cloud_head, cloud_strength,
                                 band_strength, bands, scattering_head, scattering_strength, clouds, rayleigh, air, incident,
                                 albedo, cosine);
  const FluxTensors fluxes(tensors.sizes);
  const auto problem = tensors.kernel();
  const auto results = fluxes.kernel();
  for_each_tile(tensors.sizes.columns, [&](int64_t first, int64_t last) { radml::solve_shortwave(problem, results, first, last); });
  return fluxes.result(tensors.sizes);
}

struct ShortwaveFunction : torch::autograd::Function<ShortwaveFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& gas_head, const Tensor& gas_strength, const Tensor& gases,
                               const Tensor& fixed_strength, const Tensor& fixed_gases, const Tensor& cloud_head,
                               const Tensor& cloud_strength, const Tensor& band_strength, const Tensor& bands,
                               const Tensor& scattering_head, const Tensor& scattering_strength, const Tensor& clouds,
                               const Tensor& rayleigh, const Tensor& air, const Tensor& incident, const Tensor& albedo,
                               const Tensor& cosine) {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({gas_head, gas_strength, gases, fixed_strength, fixed_gases, cloud_head, cloud_strength,
                                band_strength, bands, scattering_head, scattering_strength, clouds, rayleigh, air, incident,
                                albedo, cosine});
    auto [up, down, absorbed] =
        shortwave(gas_head, gas_strength, gases, fixed_strength, fixed_gases, cloud_head, cloud_strength, band_strength, bands,
                  scattering_head, scattering_strength, clouds, rayleigh, air, incident, albedo, cosine);
    return {up, down, absorbed};
  }

  static variable_list backward(AutogradContext* context, const variable_list& given) {
    const auto saved = context->get_saved_variables();
    const Arguments arguments(shortwave_name);
    const ShortwaveTensors tensors(arguments, saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], saved[6], saved[7],
                                   saved[8], saved[9], saved[10], saved[11], saved[12], saved[13], saved[14], saved[15], saved[16]);
    const Sizes& sizes = tensors.sizes;
    const auto adjoints = flux_adjoints(arguments, given, sizes);
    const TermGradient gas(tensors.absorbing[0], sizes), fixed(tensors.absorbing[1], sizes), cloud(tensors.absorbing[2], sizes);
    const TermGradient bands(tensors.absorbing[3], sizes);
    const TermGradient rayleigh(tensors.scattering[0], sizes), scattering(tensors.scattering[1], sizes);
    const Tensor incident = at::empty_like(tensors.incident);
    const auto problem = tensors.kernel();
    const Fluxes<const float> adjoint{read(adjoints[0]), read(adjoints[1]), read(adjoints[2])};
    const radml::ShortwaveGradient gradient{{gas.kernel(), fixed.kernel(), cloud.kernel(), bands.kernel()},
                                            {rayleigh.kernel(), scattering.kernel()},
                                            incident.data_ptr<float>()};
    for_each_tile(sizes.columns, [&](int64_t first, int64_t last) { radml::adjoint_shortwave(problem, adjoint, gradient, first, last); });
    return {first_columns(gas.head, sizes),
            gas.strength.sum(0),
            Tensor(),
            fixed.strength.sum(0),
            Tensor(),
            first_columns(cloud.head, sizes),
            cloud.strength.sum(0),
            bands.strength.sum(0),
            Tensor(),
            first_columns(scattering.head, sizes),
            scattering.strength.sum(0),
            Tensor(),
            rayleigh.strength.sum(0),
            Tensor(),
            first_columns(incident, sizes),
            Tensor(),
            Tensor()};
  }
};

std::tuple<Tensor, Tensor, Tensor> shortwave_with_gradients(
    const Tensor& gas_head, const Tensor& gas_strength, const Tensor& gases, const Tensor& fixed_strength,
    const Tensor& fixed_gases, const Tensor& cloud_head, const Tensor& cloud_strength, const Tensor& band_strength,
    const Tensor& bands, const Tensor& scattering_head, const Tensor& scattering_strength, const Tensor& clouds, const Tensor& rayleigh, const Tensor& air, const Tensor& incident,
    const Tensor& albedo, const Tensor& cosine) {
  if (at::GradMode::is_enabled())
    refuse_gradients(shortwave_name, {{"gases", &gases}, {"fixed gases", &fixed_gases}, {"clouds", &clouds}, {"cloud bands", &bands}, {"air", &air},
                                      {"albedo", &albedo}, {"cosine", &cosine}});
  auto results =
      ShortwaveFunction::apply(gas_head, gas_strength, gases, fixed_strength, fixed_gases, cloud_head, cloud_strength, band_strength,
                               bands, scattering_head, scattering_strength, clouds, rayleigh, air, incident, albedo, cosine);
  return {results[0], results[1], results[2]};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(radml, library) {
  library.def(
      "longwave_transfer(Tensor gas_head, Tensor gas_strength, Tensor gases, Tensor cloud_head, Tensor cloud_strength, "
      "Tensor clouds, Tensor planck, Tensor base, Tensor skies, int common, Tensor temperature_layer, Tensor temperature_level, "
      "Tensor surface_temperature, Tensor surface_emissivity) -> (Tensor, Tensor, Tensor)");
  library.def(
      "shortwave_transfer(Tensor gas_head, Tensor gas_strength, Tensor gases, Tensor fixed_strength, Tensor fixed_gases, "
      "Tensor cloud_head, Tensor cloud_strength, Tensor band_strength, Tensor bands, Tensor scattering_head, "
      "Tensor scattering_strength, Tensor clouds, "
      "Tensor rayleigh, Tensor air, Tensor incident, Tensor albedo, Tensor cosine) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(radml, CPU, library) {
  library.impl("longwave_transfer", &longwave);
  library.impl("shortwave_transfer", &shortwave);
}

TORCH_LIBRARY_IMPL(radml, AutogradCPU, library) {
  library.impl("longwave_transfer", &longwave_with_gradients);
  library.impl("shortwave_transfer", &shortwave_with_gradients);
}
