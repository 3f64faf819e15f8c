// A model whose parameters are updated from the host.
#pragma once

#include <torch/optim/optimizer.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "model.hpp"
#include "radml.h"

namespace radml {

class TorchScriptBackend;

class Trainer {
 public:
  static constexpr const char* none_text = "no trainer: call create first";
  static constexpr const char* freed_text = "the trainer was freed";

  // Throws Error for a file that cannot be trained and for options out of their range.
  Trainer(const std::string& path, const std::string& device, const std::string& optimizer,
          const radml_optimizer_options& options);

  // All may be called from several threads, which wait for each other.

  // One step against the mean squared error, which is returned. On failure, a loss or gradient that is not finite included,
  // parameters, buffers and the optimiser's state are as before.
  double step(std::span<const radml_array> inputs, std::span<const radml_array> targets);
  double loss(std::span<const radml_array> inputs, std::span<const radml_array> targets);
  void forward(std::span<const radml_array> inputs, std::span<const radml_array> outputs);
  void set_learning_rate(double value);

  // Written to a temporary name and renamed.
  void save(const std::string& path);
  void save_checkpoint(const std::string& path);
  void load_checkpoint(const std::string& path);

 private:
  at::Tensor mean_squared_error(std::span<const radml_array> inputs, std::span<const radml_array> targets,
                                std::vector<at::Tensor>& results) const;
  void check_call(std::span<const radml_array> inputs, std::span<const radml_array> targets) const;
  [[nodiscard]] std::unique_ptr<torch::optim::Optimizer> new_optimizer() const;
  [[noreturn]] void refuse(radml_status status, const std::string& what) const;

  const Model model_;
  const TorchScriptBackend& backend_;
  std::string optimizer_name_;
  radml_optimizer_options options_;
  std::vector<std::string> parameter_names_;  // of those that are trained
  std::vector<at::Tensor> parameters_;
  std::vector<std::string> buffer_names_;
  std::vector<at::Tensor> buffers_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  int64_t steps_ = 0;
  std::mutex mutex_;
};

}  // namespace radml
