// A loaded model of either format: what it expects, and its forward on the host's arrays.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend.hpp"
#include "manifest.hpp"
#include "radml.h"

namespace radml {

// Throw Error(RADML_UNKNOWN_DEVICE or RADML_MISSING_DEVICE), and Error(RADML_MISSING_FILE).
c10::Device parse_device(const std::string& text);
void check_readable(const std::string& path);

class Model {
 public:
  static constexpr const char* none_text = "no model is loaded: call load first";
  static constexpr const char* freed_text = "the model was freed";

  // A model for training is TorchScript with parameters, and not frozen.
  enum class Purpose { inference, training };
  Model(const std::string& path, const std::string& device, Purpose purpose = Purpose::inference);

  // Safe to call from several threads at once. Writes no output unless all can be written.
  void forward(std::span<const radml_array> inputs, std::span<const radml_array> outputs) const;

  // The steps of a forward, for plans. Throws Error for arrays that do not fit the model; with `convert` a real32 array fits a
  // float64 argument and the other way round; the free dimension `unlimited`, which is cut into blocks, may leave its range.
  void check_call(std::span<const radml_array> inputs, std::span<const radml_array> outputs, bool convert,
                  const std::string& unlimited = "") const;
  void check_input_count(size_t n) const;
  // Runs the model on tensors on the CPU or on its device and appends what it returns. Allocates nothing itself in the steady
  // state.
  // `places` gets where in nested results each one was, for messages.
  void evaluate(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results,
                std::vector<std::string>* places = nullptr, bool for_derivatives = false) const;
  void check_results(const std::vector<at::Tensor>& results, std::span<const radml_array> outputs,
                     const std::vector<std::string>* places = nullptr) const;

  // Until what was asked of the device is done: calls of LibTorch return before that.
  void wait_for_device() const;

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] c10::Device device() const { return device_; }
  [[nodiscard]] const Backend& backend() const { return *backend_; }
  [[nodiscard]] const Manifest* manifest() const { return manifest_ ? &*manifest_ : nullptr; }
  [[nodiscard]] bool writes_input(size_t i) const { return backend_->writes_input(i); }  // works in place on it
  [[nodiscard]] std::string input_label(size_t i) const;                            // `input 1 "t"`; i from 0
  [[nodiscard]] std::string output_label(size_t i) const;

  [[nodiscard]] int64_t n_inputs() const { return static_cast<int64_t>(input_names_.size()); }
  [[nodiscard]] int64_t n_outputs() const;
  [[nodiscard]] std::string input_name(int64_t index) const;
  [[nodiscard]] std::string output_name(int64_t index) const;
  [[nodiscard]] std::string input_declaration(int64_t index) const;  // `q:float32[column,layer]`
  [[nodiscard]] std::string output_declaration(int64_t index) const;
  [[nodiscard]] int64_t input_index(const std::string& name) const;  // from 1
  [[nodiscard]] int64_t output_index(const std::string& name) const;
  [[nodiscard]] std::string metadata(const std::string& key) const;

 private:
  void open(const std::string& path, Purpose purpose);
  void adopt_manifest();
  at::Tensor on_device(const at::Tensor& tensor, size_t input) const;
  void check_place(const radml_array& array, const std::string& label) const;

  std::string file_;  // the file's own name: what messages begin with
  c10::Device device_;
  std::unique_ptr<const Backend> backend_;
  std::optional<Manifest> manifest_;
  std::vector<std::string> input_names_;  // the manifest's, else those of the arguments of forward
  size_t required_inputs_ = 0;            // arguments of forward without a default
};

}  // namespace radml
