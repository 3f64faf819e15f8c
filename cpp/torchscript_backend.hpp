// Models saved as TorchScript.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "backend.hpp"

namespace radml {

class TorchScriptBackend final : public Backend {
 public:
  // `manifest` is set to the text of radml.json, empty where there is none. Throws Error(RADML_INVALID_FILE), and
  // Error(RADML_NOT_DIFFERENTIABLE) for training a module without parameters.
  TorchScriptBackend(const std::string& path, c10::Device device, bool for_training, std::string& manifest);

  void run(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results,
           std::vector<std::string>* places) const override;
  [[nodiscard]] const std::vector<std::string>& input_names() const override { return input_names_; }
  [[nodiscard]] size_t required_inputs() const override { return required_inputs_; }
  [[nodiscard]] bool writes_input(size_t i) const override { return input_is_written_[i]; }
  [[nodiscard]] Layout input_layout(size_t) const override { return Layout::any; }
  [[nodiscard]] bool differentiable() const override { return true; }
  [[nodiscard]] bool switches_gradients() const override { return switches_gradients_; }
  void run_for_derivatives(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results,
                           std::vector<std::string>* places) const override;

  // In evaluation mode. Its parameters are the ones that run uses, if this was made for training.
  [[nodiscard]] torch::jit::Module& module() const { return unfrozen_; }
  [[nodiscard]] const std::string& manifest_text() const { return manifest_text_; }

 private:
  void freeze();
  void check_parameters() const;
  void read_schema();
  void look_at_operations();
  void find_written_inputs();  // zero copy must not let a model that works in place change the host's inputs

  mutable torch::jit::Module module_;     // its forward is safe to share, though not declared const
  mutable torch::jit::Module unfrozen_;   // shares its parameters; freezing drops detach(), which derivatives depend on
  std::vector<std::string> input_names_;  // of the arguments of forward
  size_t required_inputs_ = 0;            // arguments of forward without a default
  std::vector<bool> input_is_written_;
  bool switches_gradients_ = false;
  std::string manifest_text_;
};

}  // namespace radml
