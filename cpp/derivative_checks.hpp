// The checks of calls that go beyond a forward: arrays like the inputs or the outputs, of which some may be left out.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <vector>

#include "model.hpp"
#include "radml.h"

namespace radml {

bool has_derivative(const radml_array& array);

// Each throws Error with a message that begins with the model's file. A `role` is what arrays are for: "cotangent".
class DerivativeChecks {
 public:
  using Arrays = std::span<const radml_array>;

  explicit DerivativeChecks(const Model& model) : model_(model) {}

  [[noreturn]] void refuse(radml_status status, const std::string& what) const;

  void model_has_derivatives() const;

  // All that can be told before the model runs of a product of its Jacobian.
  void product(Arrays inputs, Arrays like_inputs, const std::string& input_role, bool inputs_are_written, Arrays like_outputs,
               const std::string& output_role, bool outputs_are_written, Arrays outputs) const;

  void inputs(Arrays inputs) const;
  // One for each output, as the manifest has them; with an empty role the outputs themselves.
  void like_outputs(Arrays arrays, const std::string& role, bool are_written, Arrays inputs) const;

  // What only the model's results can tell, where there is no manifest or it is wrong.
  void results(const std::vector<at::Tensor>& results, Arrays arrays, const std::string& role) const;

  [[noreturn]] void independent_output(size_t i, const std::string& role) const;

 private:
  void check(const radml_array& array, const std::string& label, bool is_written) const;
  [[nodiscard]] std::string output_label(size_t i, const std::string& role) const;
  void kind_has_derivative(const std::string& label, const radml_array& array) const;
  void same(const std::string& label, const radml_array& expected, const radml_array& got) const;

  const Model& model_;
};

}  // namespace radml
