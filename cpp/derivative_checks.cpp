#include "derivative_checks.hpp"

#include <algorithm>
#include <cstdint>

#include "error.hpp"
#include "kind.hpp"
#include "manifest.hpp"
#include "tensor_view.hpp"

namespace radml {

bool has_derivative(const radml_array& array) {
  const c10::ScalarType type = scalar_type(array.kind);
  return c10::isFloatingType(type) || c10::isComplexType(type);
}

void DerivativeChecks::refuse(radml_status status, const std::string& what) const {
  throw Error(status, model_.file() + ": " + what);
}

void DerivativeChecks::check(const radml_array& array, const std::string& label, bool is_written) const {
  check_array(model_.file(), label, array, is_written);
  if (is_on_device(array))
    refuse(RADML_INVALID_ARRAY, label + ": made with torch_on_device; derivatives and training take the host's arrays");
}

void DerivativeChecks::model_has_derivatives() const {
  if (!model_.backend().differentiable())
    refuse(RADML_NOT_DIFFERENTIABLE,
           "a package of machine code (.pt2) has no derivatives; export the model as TorchScript (.pt)");
}

void DerivativeChecks::product(Arrays inputs, Arrays like_inputs, const std::string& input_role, bool inputs_are_written,
                               Arrays like_outputs, const std::string& output_role, bool outputs_are_written,
                               Arrays outputs) const {
  this->inputs(inputs);
  if (like_inputs.size() != inputs.size())
    refuse(RADML_WRONG_INPUT_COUNT, "expected " + std::to_string(inputs.size()) + " " + input_role +
                                        "s, one for each input, got " + std::to_string(like_inputs.size()) +
                                        "; torch_none() stands for one that is not needed");
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (is_no_array(like_inputs[i])) continue;
    const std::string label = input_role + " of " + model_.input_label(i);
    check(like_inputs[i], label, inputs_are_written);
    kind_has_derivative(label, like_inputs[i]);
    same(label, inputs[i], like_inputs[i]);
  }
  this->like_outputs(like_outputs, output_role, outputs_are_written, inputs);
  for (size_t i = 0; i < like_outputs.size(); ++i)
    if (!is_no_array(like_outputs[i])) kind_has_derivative(output_label(i, output_role), like_outputs[i]);
  if (!outputs.empty()) this->like_outputs(outputs, "", true, inputs);
}

void DerivativeChecks::inputs(Arrays inputs) const {
  model_.check_input_count(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) check(inputs[i], model_.input_label(i), false);
}

void DerivativeChecks::like_outputs(Arrays arrays, const std::string& role, bool are_written, Arrays inputs) const {
  const Manifest* const manifest = model_.manifest();
  if (manifest != nullptr && arrays.size() != manifest->outputs.size())
    refuse(RADML_WRONG_OUTPUT_COUNT, "expected " + std::to_string(manifest->outputs.size()) + " " +
                                         (role.empty() ? "outputs" : role + "s, one for each output") + ", got " +
                                         std::to_string(arrays.size()) + "; torch_none() stands for one that is not needed");
  for (size_t i = 0; i < arrays.size(); ++i)
    if (!is_no_array(arrays[i])) check(arrays[i], output_label(i, role), are_written);
  if (manifest != nullptr)
    manifest->check(model_.file(), inputs.data(), arrays.data(), Conversion::none, "", role.empty() ? role : role + " of ");
}

void DerivativeChecks::results(const std::vector<at::Tensor>& results, Arrays arrays, const std::string& role) const {
  if (results.size() != arrays.size())
    refuse(RADML_WRONG_OUTPUT_COUNT, "the model returned " + count_text(results.size(), "output") + ", got arrays for " +
                                         std::to_string(arrays.size()));
  for (size_t i = 0; i < results.size(); ++i) {
    if (is_no_array(arrays[i])) continue;
    radml_array returned{};
    returned.kind = kind_of(results[i].scalar_type());
    returned.rank = static_cast<int32_t>(std::min<int64_t>(results[i].dim(), RADML_MAX_RANK));
    std::copy_n(results[i].sizes().begin(), returned.rank, returned.shape);
    same(output_label(i, role), returned, arrays[i]);
  }
}

void DerivativeChecks::independent_output(size_t i, const std::string& role) const {
  refuse(RADML_NOT_DIFFERENTIABLE, model_.output_label(i) +
                                       ": it depends on no input that can be differentiated by (detached, or rounded); pass "
                                       "torch_none() as its " +
                                       role);
}

std::string DerivativeChecks::output_label(size_t i, const std::string& role) const {
  return (role.empty() ? "" : role + " of ") + model_.output_label(i);
}

void DerivativeChecks::kind_has_derivative(const std::string& label, const radml_array& array) const {
  if (!has_derivative(array))
    refuse(RADML_NOT_DIFFERENTIABLE, label + ": " + kind_name(array.kind) + " has no derivative; pass torch_none()");
}

void DerivativeChecks::same(const std::string& label, const radml_array& expected, const radml_array& got) const {
  const auto differs = [&](radml_status status) {
    refuse(status, label + ": expected " + array_text(expected) + ", got " + array_text(got));
  };
  if (expected.rank != got.rank) differs(RADML_WRONG_RANK);
  if (!std::equal(expected.shape, expected.shape + expected.rank, got.shape)) differs(RADML_WRONG_SHAPE);
  if (expected.kind != got.kind) differs(RADML_WRONG_KIND);
}

}  // namespace radml
