// What runs a loaded model: TorchScript, or the machine code of a package. All that does not depend on the format is in Model.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "manifest.hpp"

namespace radml {

// One tensor of what the model returned, and where it was: `[1]['up']` of {..., {'up': tensor}}; empty where there is no
// nesting and the number of the output says it all.
struct Result {
  at::Tensor tensor;
  std::string path;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Appends what the model returns. Safe to call from several threads at once. Throws what the model throws, or Error for a
  // result that is no tensors.
  virtual void run(const std::vector<at::Tensor>& inputs, std::vector<Result>& results) const = 0;

  // As the file itself has them; the names may be empty.
  [[nodiscard]] virtual const std::vector<std::string>& input_names() const = 0;
  [[nodiscard]] virtual size_t required_inputs() const = 0;

  // The model works in place on this input. `i` counts from 0.
  [[nodiscard]] virtual bool writes_input(size_t i) const = 0;
  [[nodiscard]] virtual Layout input_layout(size_t i) const = 0;
};

}  // namespace radml
