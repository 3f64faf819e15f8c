#include "model.hpp"

#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "call_guard.hpp"
#include "error.hpp"
#include "exception_text.hpp"
#include "kind.hpp"
#include "mpi_launcher.hpp"
#include "package_backend.hpp"
#include "tensor_memory.hpp"
#include "tensor_view.hpp"
#include "torchscript_backend.hpp"

namespace radml {

c10::Device parse_device(const std::string& text) {
  const auto unknown = [&]() {
    throw Error(RADML_UNKNOWN_DEVICE, "device \"" + text + "\": expected \"cpu\", \"cuda\" or \"cuda:N\"");
  };
  std::optional<c10::Device> device;
  try {
    device.emplace(text);
  } catch (const std::exception&) {
    unknown();
  }
  if (device->is_cpu()) return *device;
  if (!device->is_cuda()) unknown();
  const auto count = static_cast<int64_t>(torch::cuda::device_count());
  // Without a number each rank on this machine takes the next one.
  const auto local = device->has_index() || count == 0 ? std::nullopt : local_rank();
  const int64_t index = device->has_index() ? device->index() : local ? local->rank % count : 0;
  if (index >= count)
    throw Error(RADML_MISSING_DEVICE, "device \"" + text + "\": LibTorch " TORCH_VERSION " sees " + std::to_string(count) +
                                          " CUDA devices here");
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

void check_readable(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw Error(RADML_MISSING_FILE, path + ": no such file");
  if (std::filesystem::is_directory(status)) throw Error(RADML_MISSING_FILE, path + ": expected a model file, got a directory");
  if (!std::ifstream(path)) throw Error(RADML_MISSING_FILE, path + ": cannot be opened for reading");
}

namespace {

// ` (a, b, c)`
std::string name_list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? " (" : ", ") + name;
  return text.empty() ? text : text + ")";
}

std::vector<std::string> names_of(const std::vector<Argument>& arguments) {
  std::vector<std::string> names;
  for (const Argument& argument : arguments) names.push_back(argument.name);
  return names;
}

int64_t index_of(const std::string& name, const std::vector<std::string>& names, const std::string& what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw Error(RADML_MISSING_KEY, what + " \"" + name + "\": there are" + name_list(names));
  return found - names.begin() + 1;
}

}  // namespace

Model::Model(const std::string& path, const std::string& device, Purpose purpose)
    : file_(std::filesystem::path(path).filename().string()), device_(parse_device(device)) {
  check_readable(path);
  keep_tensor_memory();
  leave_cores_to_other_ranks();
  // Not in InferenceMode, not even in the caller's: tensors that are made there cannot take part in a derivative.
  const c10::InferenceMode off(false);
  const c10::NoGradGuard guard;
  try {
    open(path, purpose);
    input_names_ = backend_->input_names();
    required_inputs_ = backend_->required_inputs();
    if (manifest_) adopt_manifest();
  } catch (const Error& error) {
    throw Error(error.status(), path + ": " + error.what());
  }
}

// The format is told by what is in the file, not by its name.
void Model::open(const std::string& path, Purpose purpose) {
  if (PackageFile::is_package(path)) {
    if (purpose == Purpose::training)
      throw Error(RADML_NOT_DIFFERENTIABLE,
                  "a package of machine code (.pt2) cannot be trained; export the model as TorchScript (.pt) with --trainable");
    const PackageFile file(path);
    manifest_ = Manifest::parse(file.manifest());
    backend_ = std::make_unique<PackageBackend>(file, device_, *manifest_);
    return;
  }
  std::string manifest;
  backend_ = std::make_unique<TorchScriptBackend>(path, device_, purpose == Purpose::training, manifest);
  if (!manifest.empty()) manifest_ = Manifest::parse(manifest);
}

void Model::adopt_manifest() {
  const size_t declared = manifest_->inputs.size();
  if (declared < required_inputs_ || declared > input_names_.size())
    throw Error(RADML_INVALID_FILE, "manifest radml.json: it declares " + std::to_string(declared) +
                                        " inputs, but forward takes " + std::to_string(input_names_.size()));
  input_names_ = names_of(manifest_->inputs);
  required_inputs_ = declared;
}

void Model::forward(std::span<const radml_array> inputs, std::span<const radml_array> outputs) const {
  check_call(inputs, outputs, /*convert=*/false);
  const c10::InferenceMode guard;

  std::vector<at::Tensor> tensors;
  tensors.reserve(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    at::Tensor tensor = input_tensor(inputs[i], device_);
    if (device_.is_cpu() && backend_->writes_input(i)) tensor = tensor.clone();
    tensors.push_back(std::move(tensor));
  }
  std::vector<at::Tensor> results;
  std::vector<std::string> places;
  evaluate(tensors, results, manifest_ ? nullptr : &places);
  check_results(results, outputs, manifest_ ? nullptr : &places);
  secure_results(results, tensors);
  for (size_t i = 0; i < outputs.size(); ++i) write_output(results[i], outputs[i], device_);
  if (std::any_of(outputs.begin(), outputs.end(), is_on_device)) wait_for_device();
}

void Model::wait_for_device() const {
  const c10::impl::VirtualGuardImpl device(device_.type());
  device.synchronizeStream(device.getStream(device_));
}

at::Tensor Model::on_device(const at::Tensor& tensor, size_t input) const {
  if (device_.is_cpu()) return tensor;
  if (tensor.is_cpu()) return tensor.to(tensor.options().device(device_), /*non_blocking=*/tensor.is_pinned());
  return backend_->writes_input(input) ? tensor.clone() : tensor;
}

void Model::evaluate(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results,
                     std::vector<std::string>* places, bool for_derivatives) const {
  // Kept between calls, like the interpreter's own: a call is made without asking the system for memory.
  static thread_local std::vector<at::Tensor> arguments;
  struct Clear {
    ~Clear() { arguments.clear(); }
  } const clear;
  memory_was_refused();  // not in this call yet
  try {
    for (size_t i = 0; i < inputs.size(); ++i)
      arguments.push_back(in_layout(on_device(inputs[i], i), backend_->input_layout(i)));
    if (for_derivatives)
      backend_->run_for_derivatives(arguments, results, places);
    else
      backend_->run(arguments, results, places);
  } catch (const Error& error) {
    throw Error(error.status(), file_ + ": " + error.what());
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    const std::string text = exception_text(error);
    if (memory_was_refused() || text.find("CUDA out of memory") != std::string::npos)
      throw Error(RADML_OUT_OF_MEMORY, file_ + ": out of memory: " + text);
    throw Error(RADML_MODEL_FAILED, file_ + ": the model failed: " + text);
  }
}

void Model::check_input_count(size_t n) const {
  if (n >= required_inputs_ && n <= input_names_.size()) return;
  std::string expected = count_text(input_names_.size(), "input");
  if (required_inputs_ < input_names_.size()) expected = std::to_string(required_inputs_) + " to " + expected;
  throw Error(RADML_WRONG_INPUT_COUNT, file_ + ": expected " + expected + name_list(input_names_) + ", got " + std::to_string(n));
}

void Model::check_call(std::span<const radml_array> inputs, std::span<const radml_array> outputs, bool convert,
                       const std::string& unlimited) const {
  check_input_count(inputs.size());
  if (manifest_ && outputs.size() != manifest_->outputs.size())
    throw Error(RADML_WRONG_OUTPUT_COUNT, file_ + ": expected " + count_text(manifest_->outputs.size(), "output") +
                                              name_list(names_of(manifest_->outputs)) + ", got " +
                                              std::to_string(outputs.size()));
  const auto check = [this](const radml_array& array, const std::string& label, bool is_output) {
    check_array(file_, label, array, is_output);
    if (is_on_device(array)) check_place(array, label);
  };
  for (size_t i = 0; i < inputs.size(); ++i) check(inputs[i], input_label(i), false);
  for (size_t i = 0; i < outputs.size(); ++i) check(outputs[i], output_label(i), true);
  if (manifest_) manifest_->check(file_, inputs.data(), outputs.data(), convert ? Conversion::asked : Conversion::offered, unlimited);
}

void Model::check_place(const radml_array& array, const std::string& label) const {
  if (device_.is_cpu())
    throw Error(RADML_INVALID_ARRAY, file_ + ": " + label + ": made with torch_on_device, but the model was loaded on the cpu");
  if (!can_view(array))
    throw Error(RADML_INVALID_ARRAY, file_ + ": " + label + ": an array on the device is not copied, and LibTorch cannot view "
                                                            "one whose strides are negative or no whole number of elements");
}

void Model::check_results(const std::vector<at::Tensor>& results, std::span<const radml_array> outputs,
                          const std::vector<std::string>* places) const {
  if (results.size() != outputs.size())
    throw Error(RADML_WRONG_OUTPUT_COUNT, file_ + ": the model returned " + count_text(results.size(), "output") +
                                              ", got arrays for " + std::to_string(outputs.size()));
  for (size_t i = 0; i < results.size(); ++i) {
    const at::Tensor& tensor = results[i];
    const radml_array& array = outputs[i];
    const std::string label = places == nullptr ? output_label(i) : argument_label(true, i + 1, (*places)[i]);
    const auto refuse = [&](radml_status status) {
      std::vector<std::string> extents;
      for (const int64_t extent : tensor.sizes()) extents.push_back(std::to_string(extent));
      const radml_kind kind = kind_of(tensor.scalar_type());
      throw Error(status, file_ + ": " + label + ": the model returned " + shape_text(extents) + " " +
                              (kind == RADML_UNSUPPORTED ? c10::toString(tensor.scalar_type()) : kind_name(kind)) +
                              ", got an array of " + array_text(array));
    };
    if (tensor.dim() != array.rank) refuse(RADML_WRONG_RANK);
    if (!std::equal(tensor.sizes().begin(), tensor.sizes().end(), array.shape)) refuse(RADML_WRONG_SHAPE);
    if (kind_of(tensor.scalar_type()) != array.kind) refuse(RADML_WRONG_KIND);
  }
}

std::string Model::input_label(size_t i) const { return argument_label(false, i + 1, input_names_[i]); }

std::string Model::output_label(size_t i) const {
  return argument_label(true, i + 1, manifest_ ? manifest_->outputs[i].name : "");
}

int64_t Model::n_outputs() const { return manifest_ ? static_cast<int64_t>(manifest_->outputs.size()) : -1; }

std::string Model::input_name(int64_t index) const {
  if (index < 1 || index > n_inputs())
    throw Error(RADML_WRONG_INDEX,
                file_ + ": input " + std::to_string(index) + ": the model has " + count_text(n_inputs(), "input"));
  return input_names_[static_cast<size_t>(index - 1)];
}

std::string Model::output_name(int64_t index) const {
  if (!manifest_)
    throw Error(RADML_WRONG_INDEX,
                file_ + ": output " + std::to_string(index) + ": the model has no manifest that names its outputs");
  if (index < 1 || index > n_outputs())
    throw Error(RADML_WRONG_INDEX,
                file_ + ": output " + std::to_string(index) + ": the model has " + std::to_string(n_outputs()) + " outputs");
  return manifest_->outputs[static_cast<size_t>(index - 1)].name;
}

std::string Model::input_declaration(int64_t index) const {
  const std::string name = input_name(index);  // throws for an index that is none
  if (!manifest_)
    throw Error(RADML_MISSING_KEY, file_ + ": input \"" + name + "\": the model has no manifest that declares its inputs");
  return declaration_of(manifest_->inputs[static_cast<size_t>(index - 1)]);
}

std::string Model::output_declaration(int64_t index) const {
  output_name(index);  // throws for an index that is none, and where there is no manifest
  return declaration_of(manifest_->outputs[static_cast<size_t>(index - 1)]);
}

int64_t Model::input_index(const std::string& name) const { return index_of(name, input_names_, file_ + ": input"); }

int64_t Model::output_index(const std::string& name) const {
  if (!manifest_)
    throw Error(RADML_MISSING_KEY, file_ + ": output \"" + name + "\": the model has no manifest that names its outputs");
  return index_of(name, names_of(manifest_->outputs), file_ + ": output");
}

std::string Model::metadata(const std::string& key) const {
  if (manifest_)
    if (const auto found = manifest_->metadata.find(key); found != manifest_->metadata.end()) return found->second;
  throw Error(RADML_MISSING_KEY, file_ + ": no metadata \"" + key + "\"" + (manifest_ ? "" : ": the model has no manifest"));
}

}  // namespace radml
