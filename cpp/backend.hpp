// What runs a loaded model: TorchScript, or the machine code of a package. All that does not depend on the format is in Model.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "manifest.hpp"

namespace radml {

class Backend {
 public:
  virtual ~Backend() = default;

  // Appends the tensors that the model returns, and to `places`, unless that is null, where each was: `[1]['up']` of
  // (..., {'up': tensor}), empty where that is not known or says nothing. Safe to call from several threads at once. Throws
  // what the model throws, or Error for a result that is no tensors.
  virtual void run(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results,
                   std::vector<std::string>* places) const = 0;

  // As the file itself has them; the names may be empty.
  [[nodiscard]] virtual const std::vector<std::string>& input_names() const = 0;
  [[nodiscard]] virtual size_t required_inputs() const = 0;

  // The model works in place on this input. `i` counts from 0.
  [[nodiscard]] virtual bool writes_input(size_t i) const = 0;
  [[nodiscard]] virtual Layout input_layout(size_t i) const = 0;

  // LibTorch can differentiate what run_for_derivatives runs. That is the same as run, except where it was optimised in ways
  // that leave the results as they are and the derivatives not.
  [[nodiscard]] virtual bool differentiable() const { return false; }
  virtual void run_for_derivatives(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results,
                                   std::vector<std::string>* places) const {
    run(inputs, results, places);
  }
  // Parts of it run with gradients switched off or on (torch.no_grad() and the like).
  [[nodiscard]] virtual bool switches_gradients() const { return false; }
};

}  // namespace radml
