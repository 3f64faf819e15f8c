// A whole network of all sky as the PyTorch operator radml::all_sky, for inference: one call from a host's columns to its fluxes.
#include <torch/library.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "all_sky_kernels.hpp"
#include "operator_arguments.hpp"
#include "sky_arguments.hpp"
#include "trunk_arguments.hpp"

namespace {

using at::Tensor;
using radml::AllSkyOutputs;
using radml::Arguments;
using radml::DepthTerm;
using radml::PackedWeights;

constexpr const char* name = "radml::all_sky";

// A list of tensors, asked for one after the other.
class List {
 public:
  List(const Arguments& arguments, std::string what, const std::vector<Tensor>& tensors, std::size_t number)
      : arguments_(arguments), what_(std::move(what)), tensors_(tensors) {
    TORCH_CHECK(tensors.size() == number, name, ": ", what_, ": expected ", number, " tensors, got ", tensors.size());
  }

  // A weight (output, input), the bias behind it.
  PackedWeights weights(const std::string& of, int64_t inputs) {
    const Tensor &weight = next(), &bias = next();
    TORCH_CHECK(weight.dim() == 2, name, ": ", what_, ": ", of, " weight: expected (output, input), got ", weight.sizes());
    return radml::take_weights(arguments_, what_ + ": " + of, weight, bias, weight.size(0), inputs);
  }

  // Kept until this list goes.
  const float* values(const std::string& of, std::initializer_list<int64_t> sizes) {
    kept_.push_back(arguments_.take(what_ + ": " + of, next(), sizes));
    return radml::read(kept_.back());
  }

  [[nodiscard]] int64_t rows_of_next() const { return tensors_.at(at_).size(0); }

  // Strengths (point, kind) of the last points, behind the weight and the bias of a head if there is one. Kept as long.
  DepthTerm term(const std::string& of, int64_t kinds, int64_t points, const PackedWeights* head) {
    const int64_t last = rows_of_next();
    TORCH_CHECK(last <= points && (head == nullptr || head->outputs() == last), name, ": ", what_, ": ", of,
                ": expected strengths of ", head == nullptr ? points : head->outputs(), " points, got ", last);
    const float* strength = values(of + " strength", {last, kinds});
    const PackedWeights& mixture = mixtures_.emplace_back(strength, nullptr, static_cast<int>(last), static_cast<int>(kinds), 1);
    return {nullptr, head, &mixture, strength, nullptr, static_cast<int>(kinds), static_cast<int>(points - last)};
  }

 private:
  const Arguments& arguments_;
  std::string what_;
  const std::vector<Tensor>& tensors_;
  std::size_t at_ = 0;
  std::vector<Tensor> kept_;
  std::deque<PackedWeights> mixtures_;

  const Tensor& next() { return tensors_.at(at_++); }
};

template <typename Real>
void run(const radml::AllSkyWeights& weights, const radml::SkyInputs& inputs, const std::vector<Tensor>& results) {
  const auto data = [&](int i) { return results[i].data_ptr<Real>(); };
  const AllSkyOutputs<Real> outputs{data(0), data(1), data(2), data(3), data(4), data(5)};
  radml::for_each_tile(inputs.columns,
                       [&](int64_t first, int64_t last) { radml::run_all_sky(weights, inputs, outputs, first, last); });
}

std::vector<Tensor> all_sky(const std::vector<Tensor>& columns, const Tensor& cloud_table, const Tensor& stem_weight,
                            const Tensor& stem_bias, double context_scale, const std::vector<Tensor>& modules,
                            const std::vector<Tensor>& shares, const std::vector<Tensor>& longwave, int64_t common,
                            const std::vector<Tensor>& shortwave, double heating_factor) {
  const Arguments arguments(name);
  const radml::SkyInputs inputs = radml::take_sky_inputs(name, columns);
  const Tensor table = arguments.take("cloud table", cloud_table, {3 * radml::cloud_bands, 2 * radml::cloud_band_terms});
  TORCH_CHECK(stem_weight.dim() == 2 && modules.size() % radml::tensors_of_module == 0, name,
              ": stem weight, modules: expected (channel, feature) and ", radml::tensors_of_module, " tensors a module, got ",
              stem_weight.sizes(), " and ", modules.size());
  const int64_t channels = stem_weight.size(0);
  radml::TrunkWeights trunk{static_cast<float>(context_scale),
                            radml::take_weights(arguments, "stem", stem_weight, stem_bias, channels,
                                                radml::layer_features + radml::cloud_tests),
                            radml::take_modules(arguments, modules, channels), std::nullopt};

  List of_shares(arguments, "shares", shares, 17);
  const float* mean = of_shares.values("mean of the sky", {radml::sky_features, 1});
  const float* scale = of_shares.values("scale of the sky", {radml::sky_features, 1});
  const int64_t emitting = shares[2].dim() == 2 ? shares[2].size(1) : 0;
  const float* planck_share = of_shares.values("emission", {1, emitting});
  TORCH_CHECK(shares[3].dim() == 2 && shares[3].size(1) <= radml::sky_features, name, ": shares: sun weight: expected at most ",
              radml::sky_features, " features, got ", shares[3].sizes());
  PackedWeights sun = of_shares.weights("sun", shares[3].size(1));
  const int64_t of_sun = sun.outputs();
  PackedWeights share_common = of_shares.weights("common points", of_sun), share_clear = of_shares.weights("clear points", of_sun);
  PackedWeights share_emission = of_shares.weights("emission by the sky", of_sun);
  PackedWeights sky = of_shares.weights("sky", radml::sky_features + channels);
  const int64_t hidden = sky.outputs();
  PackedWeights share_skies = of_shares.weights("skies", hidden), share_cloudy = of_shares.weights("cloudy points", hidden);
  const int64_t skies = share_skies.outputs() + 1, per_sky = emitting - common;
  const int64_t longwave_points = common + skies * per_sky;
  const int64_t shortwave_points = share_clear.outputs() + share_common.outputs() - 1 + share_cloudy.outputs();
  TORCH_CHECK(share_emission.outputs() == emitting && common >= 0 && per_sky >= 0, name, ": shares: expected ", common,
              " common points or more that emit, ", emitting, " by the sky, got ", share_emission.outputs());

  List of_longwave(arguments, "longwave", longwave, 7);
  const PackedWeights gas_head = of_longwave.weights("gas head", channels);
  const DepthTerm gas = of_longwave.term("gas", radml::absorbers, longwave_points, &gas_head);
  const PackedWeights cloud_head = of_longwave.weights("cloud head", channels);
  const DepthTerm cloud = of_longwave.term("cloud", 2, longwave_points, &cloud_head);
  const float* planck = of_longwave.values("planck", {3, emitting});

  List of_shortwave(arguments, "shortwave", shortwave, 12);
  const PackedWeights absorbing_head = of_shortwave.weights("gas head", channels);
  const DepthTerm absorbing_gas = of_shortwave.term("gas", radml::absorbers - 1, shortwave_points, &absorbing_head);
  const DepthTerm ozone = of_shortwave.term("ozone", 2, shortwave_points, nullptr);
  const PackedWeights absorbing_cloud_head = of_shortwave.weights("cloud head", channels);
  const DepthTerm absorbing_cloud = of_shortwave.term("cloud", 2, shortwave_points, &absorbing_cloud_head);
  const DepthTerm bands = of_shortwave.term("cloud bands", radml::cloud_bands, shortwave_points, nullptr);
  const PackedWeights scattering_head = of_shortwave.weights("scattering cloud head", channels);
  const DepthTerm scattering_cloud = of_shortwave.term("scattering cloud", 2, shortwave_points, &scattering_head);
  const DepthTerm rayleigh = of_shortwave.term("Rayleigh", 1, shortwave_points, nullptr);
  for (const DepthTerm* first : {&gas, &absorbing_gas, &rayleigh})
    TORCH_CHECK(first->first_point == 0, name, ": gases and Rayleigh scattering: expected strengths of all points");

  const radml::AllSkyWeights weights{radml::read(table),
                                     std::move(trunk),
                                     {mean, scale, planck_share, std::move(sun), std::move(share_common), std::move(share_clear),
                                      std::move(share_emission), std::move(sky), std::move(share_skies), std::move(share_cloudy)},
                                     {gas, cloud},
                                     {absorbing_gas, ozone, absorbing_cloud, bands},
                                     {rayleigh, scattering_cloud},
                                     planck,
                                     static_cast<int>(common),
                                     static_cast<int>(longwave_points),
                                     static_cast<int>(shortwave_points),
                                     static_cast<float>(heating_factor)};
  std::vector<Tensor> results;
  for (const int beyond_layers : {1, 1, 0, 1, 1, 0})
    results.push_back(at::empty({inputs.layers + beyond_layers, inputs.columns}, columns[0].scalar_type()));
  if (columns[0].scalar_type() == at::kDouble)
    run<double>(weights, inputs, results);
  else
    run<float>(weights, inputs, results);
  return results;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(radml, library) {
  library.def(
      "all_sky(Tensor[] columns, Tensor cloud_table, Tensor stem_weight, Tensor stem_bias, float context_scale, Tensor[] modules, "
      "Tensor[] shares, Tensor[] longwave, int common, Tensor[] shortwave, float heating_factor) -> Tensor[]");
}

TORCH_LIBRARY_IMPL(radml, CPU, library) { library.impl("all_sky", &all_sky); }
