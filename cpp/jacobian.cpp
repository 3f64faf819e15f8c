#include "jacobian.hpp"

#include <ATen/ops/_make_dual.h>
#include <ATen/ops/_unpack_dual.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "error.hpp"
#include "exception_text.hpp"
#include "kind.hpp"
#include "manifest.hpp"
#include "tensor_view.hpp"

namespace radml {
namespace {

using Arrays = std::span<const radml_array>;
using Tensors = std::vector<at::Tensor>;

bool has_derivative(c10::ScalarType type) { return c10::isFloatingType(type) || c10::isComplexType(type); }
bool has_derivative(const radml_array& array) { return has_derivative(scalar_type(array.kind)); }

// The checks of one call, whose messages all begin with the model's file.
class Checks {
 public:
  explicit Checks(const Model& model) : model_(model) {}

  [[noreturn]] void refuse(radml_status status, const std::string& what) const {
    throw Error(status, model_.file() + ": " + what);
  }

  void model_has_derivatives() const {
    if (!model_.backend().differentiable())
      refuse(RADML_NOT_DIFFERENTIABLE,
             "a package of machine code (.pt2) has no derivatives; export the model as TorchScript (.pt)");
  }

  // The whole of a call beforehand: `inputs`, arrays like them, and arrays like the outputs, of which some may be wanting.
  void call(Arrays inputs, Arrays like_inputs, const std::string& input_role, bool inputs_are_written, Arrays like_outputs,
            const std::string& output_role, bool outputs_are_written, Arrays outputs) const {
    model_.check_input_count(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) check_array(model_.file(), model_.input_label(i), inputs[i], false);
    if (like_inputs.size() != inputs.size())
      refuse(RADML_WRONG_INPUT_COUNT, "expected " + std::to_string(inputs.size()) + " " + input_role + "s, one for each input, got " +
                                          std::to_string(like_inputs.size()) + "; torch_none() stands for one that is not needed");
    output_count(like_outputs, output_role);
    if (!outputs.empty()) output_count(outputs, "output");

    for (size_t i = 0; i < inputs.size(); ++i) {
      if (is_no_array(like_inputs[i])) continue;
      const std::string label = input_role + " of " + model_.input_label(i);
      check_array(model_.file(), label, like_inputs[i], inputs_are_written);
      kind_has_derivative(label, like_inputs[i]);
      same(label, inputs[i], like_inputs[i]);
    }
    optional_arrays(like_outputs, output_role + " of ", outputs_are_written, inputs);
    for (size_t i = 0; i < like_outputs.size(); ++i)
      if (!is_no_array(like_outputs[i])) kind_has_derivative(output_role + " of " + model_.output_label(i), like_outputs[i]);
    if (!outputs.empty()) optional_arrays(outputs, "", true, inputs);
  }

  // What only the model's results can tell, where there is no manifest or it is wrong.
  void results(const Tensors& results, Arrays arrays, const std::string& role) const {
    if (results.size() != arrays.size())
      refuse(RADML_WRONG_OUTPUT_COUNT, "the model returned " + std::to_string(results.size()) + " outputs, got arrays for " +
                                           std::to_string(arrays.size()));
    for (size_t i = 0; i < results.size(); ++i) {
      if (is_no_array(arrays[i])) continue;
      radml_array returned{};
      returned.kind = kind_of(results[i].scalar_type());
      returned.rank = static_cast<int32_t>(std::min<int64_t>(results[i].dim(), RADML_MAX_RANK));
      std::copy_n(results[i].sizes().begin(), returned.rank, returned.shape);
      same(role + model_.output_label(i), returned, arrays[i]);
    }
  }

  [[noreturn]] void independent_output(size_t i, const std::string& role) const {
    refuse(RADML_NOT_DIFFERENTIABLE, model_.output_label(i) + ": it depends on no input that can be differentiated by "
                                         "(detached, or rounded); pass torch_none() as its " + role);
  }

 private:
  void output_count(Arrays arrays, const std::string& role) const {
    const Manifest* const manifest = model_.manifest();
    if (manifest != nullptr && arrays.size() != manifest->outputs.size())
      refuse(RADML_WRONG_OUTPUT_COUNT, "expected " + std::to_string(manifest->outputs.size()) + " " + role +
                                           "s, one for each output, got " + std::to_string(arrays.size()) +
                                           "; torch_none() stands for one that is not needed");
  }

  void optional_arrays(Arrays arrays, const std::string& role, bool are_written, Arrays inputs) const {
    for (size_t i = 0; i < arrays.size(); ++i)
      if (!is_no_array(arrays[i])) check_array(model_.file(), role + model_.output_label(i), arrays[i], are_written);
    if (model_.manifest() != nullptr)
      model_.manifest()->check(model_.file(), inputs.data(), arrays.data(), /*convert=*/false, "", role);
  }

  void kind_has_derivative(const std::string& label, const radml_array& array) const {
    if (!has_derivative(array))
      refuse(RADML_NOT_DIFFERENTIABLE, label + ": " + kind_name(array.kind) + " has no derivative; pass torch_none()");
  }

  void same(const std::string& label, const radml_array& expected, const radml_array& got) const {
    const auto differs = [&](radml_status status) {
      refuse(status, label + ": expected " + array_text(expected) + ", got " + array_text(got));
    };
    if (expected.rank != got.rank) differs(RADML_WRONG_RANK);
    if (!std::equal(expected.shape, expected.shape + expected.rank, got.shape)) differs(RADML_WRONG_SHAPE);
    if (expected.kind != got.kind) differs(RADML_WRONG_KIND);
  }

  const Model& model_;
};

// LibTorch's forward-mode differentiation has one level for the whole process, and refuses a second one. So all calls that are
// under way share it: the first opens it, the last closes it. Their tensors are their own.
class SharedLevel {
 public:
  SharedLevel() {
    const std::lock_guard lock(mutex());
    if (users() == 0) level() = torch::autograd::forward_ad::enter_dual_level();
    ++users();
  }
  ~SharedLevel() {
    const std::lock_guard lock(mutex());
    if (--users() == 0) torch::autograd::forward_ad::exit_dual_level(level());
  }
  SharedLevel(const SharedLevel&) = delete;
  SharedLevel& operator=(const SharedLevel&) = delete;

  [[nodiscard]] int64_t number() const { return static_cast<int64_t>(level()); }

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  static int64_t& users() {
    static int64_t count = 0;
    return count;
  }
  static uint64_t& level() {
    static uint64_t number = 0;
    return number;
  }
};

// What the model is given: a copy where it works in place, and so that the host's array and the variable that is differentiated
// by stay as they are.
at::Tensor argument_of(const Model& model, size_t i, const at::Tensor& variable) {
  return model.backend().writes_input(i) ? variable.clone() : variable;
}

void write(Tensors& values, Arrays arrays, const Tensors& given) {
  secure_results(values, given);
  for (size_t i = 0; i < arrays.size(); ++i)
    if (!is_no_array(arrays[i])) write_output(values[i], arrays[i]);
}

// Results are read beside what they were computed from, so nothing is written before all are there.
void write(Tensors& values, Arrays arrays, Tensors& results, Arrays outputs, const Tensors& given) {
  secure_results(results, given);
  write(values, arrays, given);
  if (!outputs.empty()) write(results, outputs, given);
}

}  // namespace

void compute(const Model& model, const VectorJacobianProduct& product) {
  const Checks checks(model);
  checks.model_has_derivatives();
  checks.call(product.inputs, product.gradients, "gradient", true, product.cotangents, "cotangent", false, product.outputs);

  Tensors given;      // views of the host's arrays
  Tensors gradients;  // for every input; undefined where none is wanted
  Tensors results;
  {
    const c10::InferenceMode off(false);
    const c10::AutoGradMode on(true);
    Tensors arguments;
    for (size_t i = 0; i < product.inputs.size(); ++i) {
      // All inputs are variables, wanted or not: so an output that depends on none is told from one that is not asked about.
      at::Tensor variable = input_tensor(product.inputs[i]);
      if (has_derivative(product.inputs[i])) variable.set_requires_grad(true);
      arguments.push_back(argument_of(model, i, variable));
      given.push_back(std::move(variable));
    }
    std::vector<std::string> places;
    model.evaluate(arguments, results, &places, /*for_derivatives=*/true);
    checks.results(results, product.cotangents, "cotangent of ");
    if (!product.outputs.empty()) checks.results(results, product.outputs, "");

    Tensors roots;
    Tensors seeds;
    for (size_t j = 0; j < results.size(); ++j) {
      if (is_no_array(product.cotangents[j])) continue;
      if (!results[j].requires_grad()) checks.independent_output(j, "cotangent");
      given.push_back(input_tensor(product.cotangents[j]));
      roots.push_back(results[j]);
      seeds.push_back(given.back().to(results[j].device()));
    }
    Tensors variables;
    for (size_t i = 0; i < product.gradients.size(); ++i)
      if (!is_no_array(product.gradients[i])) variables.push_back(given[i]);
    Tensors found(variables.size());
    if (!roots.empty() && !variables.empty()) {
      try {
        found = torch::autograd::grad(roots, variables, seeds, /*retain_graph=*/std::nullopt, /*create_graph=*/false,
                                      /*allow_unused=*/true);
      } catch (const std::bad_alloc&) {
        throw;
      } catch (const std::exception& error) {
        const std::string text = exception_text(error);  // LibTorch goes on with advice for users of Python
        checks.refuse(RADML_MODEL_FAILED, "the model's derivative failed: " + text.substr(0, text.find(" Hint: ")));
      }
    }
    size_t n = 0;
    for (size_t i = 0; i < product.gradients.size(); ++i) {
      gradients.emplace_back();
      if (is_no_array(product.gradients[i])) continue;
      gradients.back() = found[n].defined() ? found[n] : at::zeros_like(variables[n].detach());
      ++n;
    }
  }
  const c10::NoGradGuard guard;
  for (at::Tensor& result : results) result = result.detach();
  write(gradients, product.gradients, results, product.outputs, given);
}

// Forward mode: it costs about one more forward and keeps no intermediate result, where the other way, differentiating the
// adjoint once more, costs several and keeps them all. TorchScript runs LibTorch's own operations, so it works there as well.
void compute(const Model& model, const JacobianVectorProduct& product) {
  const Checks checks(model);
  checks.model_has_derivatives();
  // Forward mode goes on under torch.no_grad(), the adjoint does not: the two would not be each other's transposes.
  if (model.backend().switches_gradients())
    checks.refuse(RADML_NOT_DIFFERENTIABLE, "the model switches gradients off or on (torch.no_grad), which a tangent linear "
                                            "cannot follow; use detach() in the model");
  checks.call(product.inputs, product.tangents, "tangent", false, product.output_tangents, "tangent", true, product.outputs);

  Tensors given;
  Tensors tangents;
  Tensors results;
  {
    const c10::InferenceMode off(false);
    const c10::NoGradGuard no_adjoint;
    const SharedLevel level;
    Tensors arguments;
    for (size_t i = 0; i < product.inputs.size(); ++i) {
      at::Tensor variable = input_tensor(product.inputs[i]);
      given.push_back(variable);
      if (has_derivative(product.inputs[i])) {
        // Zeros where there is no tangent: so an output that depends on an input is told from one that depends on none.
        const bool none = is_no_array(product.tangents[i]);
        given.push_back(none ? at::zeros_like(variable) : input_tensor(product.tangents[i]));
        variable = at::_make_dual(variable, given.back(), level.number());
      }
      arguments.push_back(argument_of(model, i, variable));
    }
    Tensors duals;
    std::vector<std::string> places;
    model.evaluate(arguments, duals, &places, /*for_derivatives=*/true);
    checks.results(duals, product.output_tangents, "tangent of ");
    if (!product.outputs.empty()) checks.results(duals, product.outputs, "");
    for (size_t j = 0; j < duals.size(); ++j) {
      auto [result, tangent] = at::_unpack_dual(duals[j], level.number());
      if (!tangent.defined() && !is_no_array(product.output_tangents[j])) checks.independent_output(j, "tangent");
      results.push_back(std::move(result));
      tangents.push_back(std::move(tangent));
    }
  }
  const c10::InferenceMode guard;
  write(tangents, product.output_tangents, results, product.outputs, given);
}

}  // namespace radml
