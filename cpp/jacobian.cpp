#include "jacobian.hpp"

#include <ATen/ops/_make_dual.h>
#include <ATen/ops/_unpack_dual.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "autograd_graph.hpp"
#include "derivative_checks.hpp"
#include "error.hpp"
#include "exception_text.hpp"
#include "manifest.hpp"
#include "tensor_view.hpp"

namespace radml {
namespace {

using Arrays = std::span<const radml_array>;
using Tensors = std::vector<at::Tensor>;

// LibTorch's forward-mode differentiation has one level for the whole process, and refuses a second one. So all calls that are
// under way share it: the first opens it, the last closes it. Their tensors are their own.
class SharedLevel {
 public:
  explicit SharedLevel(const DerivativeChecks& checks) {
    const std::lock_guard lock(mutex());
    if (users() == 0) enter(checks);
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
  // A process that has PyTorch besides, or that is Python, may have entered the level by itself.
  static void enter(const DerivativeChecks& checks) {
    try {
      level() = torch::autograd::forward_ad::enter_dual_level();
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception&) {
      checks.refuse(RADML_NOT_DIFFERENTIABLE,
                    "PyTorch takes a tangent linear itself in this process (torch.func.jvp, torch.autograd.forward_ad), and "
                    "LibTorch allows one at a time; call when it has ended");
    }
  }
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
  const DerivativeChecks checks(model);
  checks.model_has_derivatives();
  checks.product(product.inputs, product.gradients, "gradient", true, product.cotangents, "cotangent", false, product.outputs);

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
    const GraphRelease release(results);
    std::vector<std::string> places;
    model.evaluate(arguments, results, &places, /*for_derivatives=*/true);
    checks.results(results, product.cotangents, "cotangent");
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

// Forward mode: it keeps no intermediate result, where the other way, differentiating the adjoint once more, keeps all of the
// forward and of the adjoint. TorchScript runs LibTorch's own operations, so it works there as well.
void compute(const Model& model, const JacobianVectorProduct& product) {
  const DerivativeChecks checks(model);
  checks.model_has_derivatives();
  // Forward mode goes on under torch.no_grad(), the adjoint does not: the two would not be each other's transposes.
  if (model.backend().switches_gradients())
    checks.refuse(RADML_NOT_DIFFERENTIABLE, "the model switches gradients off or on (torch.no_grad), which a tangent linear "
                                            "cannot follow; use detach() in the model");
  checks.product(product.inputs, product.tangents, "tangent", false, product.output_tangents, "tangent", true, product.outputs);

  Tensors given;
  Tensors tangents;
  Tensors results;
  {
    const c10::InferenceMode off(false);
    const c10::NoGradGuard no_adjoint;
    const SharedLevel level(checks);
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
    checks.results(duals, product.output_tangents, "tangent");
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
