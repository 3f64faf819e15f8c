#include "model.hpp"

#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>
#include <c10/core/InferenceMode.h>
#include <torch/cuda.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/version.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "error.hpp"
#include "exception_text.hpp"
#include "kind.hpp"
#include "tensor_memory.hpp"
#include "tensor_view.hpp"

namespace radml {
namespace {

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
  const int64_t index = device->has_index() ? device->index() : 0;
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

// ` (a, b, c)`
std::string name_list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? " (" : ", ") + name;
  return text.empty() ? text : text + ")";
}

}  // namespace

Model::Model(const std::string& path, const std::string& device)
    : file_(std::filesystem::path(path).filename().string()), device_(parse_device(device)) {
  check_readable(path);
  keep_tensor_memory();
  const c10::InferenceMode guard;
  torch::jit::ExtraFilesMap extra{{"radml.json", ""}};
  try {
    module_ = torch::jit::load(path, device_, extra);
  } catch (const std::exception& error) {
    // The first sentence says what is wrong; LibTorch goes on to guess why.
    const std::string text = exception_text(error);
    if (text.find("constants.pkl") != std::string::npos)
      throw Error(RADML_INVALID_FILE, path + ": not a TorchScript model but another PyTorch archive, weights perhaps; "
                                             "export the module with ftorch-export or torch.jit.save");
    throw Error(RADML_INVALID_FILE, path + ": not a TorchScript model: " + text.substr(0, text.find(". ")));
  }
  if (!module_.find_method("forward")) throw Error(RADML_INVALID_FILE, path + ": the model has no forward");
  try {
    if (const std::string& text = extra["radml.json"]; !text.empty()) manifest_ = Manifest::parse(text);
    read_schema();
    if (manifest_) adopt_manifest();
  } catch (const Error& error) {
    throw Error(error.status(), path + ": " + error.what());
  }

  module_.eval();
  try {
    module_ = torch::jit::freeze(module_);
  } catch (const std::exception&) {
    // Some modules cannot be frozen (say, with an interface type); they run as they are.
  }
  // The profiling executor compiles again and again over the first runs, and rounds differently once it has. The simple one
  // compiles once, so the first result is that of every later run.
  torch::jit::toGraphFunction(module_.get_method("forward").function())
      ._set_initial_executor_execution_mode(torch::jit::ExecutorExecutionMode::SIMPLE);
  find_written_inputs();
}

void Model::read_schema() {
  const auto& arguments = module_.get_method("forward").function().getSchema().arguments();
  for (size_t i = 1; i < arguments.size(); ++i) {  // the first is self
    const c10::Argument& argument = arguments[i];
    if (!c10::TensorType::get()->isSubtypeOf(*argument.type()))
      throw Error(RADML_INVALID_FILE, argument_label(false, i, argument.name()) + " of its forward is " +
                                          argument.type()->repr_str() + "; expected Tensor");
    input_names_.push_back(argument.name());
    if (!argument.default_value()) required_inputs_ = i;
  }
}

void Model::adopt_manifest() {
  const size_t declared = manifest_->inputs.size();
  if (declared < required_inputs_ || declared > input_names_.size())
    throw Error(RADML_INVALID_FILE, "manifest radml.json: it declares " + std::to_string(declared) +
                                        " inputs, but forward takes " + std::to_string(input_names_.size()));
  input_names_.clear();
  for (const Argument& argument : manifest_->inputs) input_names_.push_back(argument.name);
  required_inputs_ = declared;
}

void Model::find_written_inputs() {
  const auto graph = torch::jit::toGraphFunction(module_.get_method("forward").function()).graph()->copy();
  const torch::jit::AliasDb aliases(graph, /*isFrozen=*/false, /*descendFunctionCalls=*/true);
  for (size_t i = 1; i < graph->inputs().size(); ++i) input_is_written_.push_back(aliases.hasWriters(graph->inputs()[i]));
  input_is_written_.resize(input_names_.size(), false);
}

void Model::forward(std::span<const radml_array> inputs, std::span<const radml_array> outputs) const {
  check_call(inputs, outputs, /*convert=*/false);
  const c10::InferenceMode guard;

  std::vector<at::Tensor> tensors;
  tensors.reserve(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    at::Tensor tensor = input_tensor(inputs[i]);
    if (device_.is_cpu() && input_is_written_[i]) tensor = tensor.clone();
    tensors.push_back(std::move(tensor));
  }
  std::vector<at::Tensor> results;
  evaluate(tensors, results);
  check_results(results, outputs);
  secure_results(results, tensors);
  for (size_t i = 0; i < outputs.size(); ++i) write_output(results[i], outputs[i]);
}

void Model::evaluate(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results) const {
  // Kept between calls, like the interpreter's own: a call is made without asking the system for memory.
  static thread_local std::vector<c10::IValue> stack;
  struct Clear {
    ~Clear() { stack.clear(); }
  } const clear;
  stack.emplace_back(module_._ivalue());
  for (const at::Tensor& tensor : inputs) stack.emplace_back(device_.is_cpu() ? tensor : tensor.to(device_));
  torch::jit::Function& function = module_.get_method("forward").function();
  try {
    if (inputs.size() < function.num_inputs() - 1) function.getSchema().checkAndNormalizeInputs(stack, {});  // adds defaults
    function.run(stack);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(RADML_MODEL_FAILED, file_ + ": the model failed: " + exception_text(error));
  }
  append_results(stack.front(), results);
}

void Model::check_call(std::span<const radml_array> inputs, std::span<const radml_array> outputs, bool convert) const {
  if (inputs.size() < required_inputs_ || inputs.size() > input_names_.size()) {
    std::string expected = std::to_string(required_inputs_);
    if (required_inputs_ < input_names_.size()) expected += " to " + std::to_string(input_names_.size());
    throw Error(RADML_WRONG_INPUT_COUNT,
                file_ + ": expected " + expected + " inputs, got " + std::to_string(inputs.size()) + name_list(input_names_));
  }
  if (manifest_ && outputs.size() != manifest_->outputs.size()) {
    std::vector<std::string> names;
    for (const Argument& argument : manifest_->outputs) names.push_back(argument.name);
    throw Error(RADML_WRONG_OUTPUT_COUNT, file_ + ": expected " + std::to_string(names.size()) + " outputs, got " +
                                              std::to_string(outputs.size()) + name_list(names));
  }
  for (size_t i = 0; i < inputs.size(); ++i)
    check_array(file_, argument_label(false, i + 1, input_names_[i]), inputs[i], false);
  for (size_t i = 0; i < outputs.size(); ++i) check_array(file_, output_label(i), outputs[i], true);
  if (manifest_) manifest_->check(file_, inputs.data(), outputs.data(), convert);
}

void Model::append_results(const c10::IValue& result, std::vector<at::Tensor>& results) const {
  const auto refuse = [&](const std::string& what) {
    throw Error(RADML_WRONG_OUTPUT_TYPE,
                file_ + ": the model returned " + what + "; expected a Tensor, or a tuple or list of Tensors");
  };
  const auto append = [&](const c10::IValue& value, const std::string& where) {
    if (!value.isTensor()) refuse(where + value.type()->repr_str());
    if (!value.toTensor().defined()) refuse(where + "an undefined Tensor");
    results.push_back(value.toTensor());
  };
  if (result.isTuple()) {
    for (const c10::IValue& value : result.toTupleRef().elements()) append(value, "a tuple with ");
  } else if (result.isList()) {
    for (const c10::IValue& value : result.toListRef()) append(value, "a list with ");
  } else {
    append(result, "");
  }
}

void Model::check_results(const std::vector<at::Tensor>& results, std::span<const radml_array> outputs) const {
  if (results.size() != outputs.size())
    throw Error(RADML_WRONG_OUTPUT_COUNT, file_ + ": the model returned " + std::to_string(results.size()) +
                                              " outputs, got arrays for " + std::to_string(outputs.size()));
  for (size_t i = 0; i < results.size(); ++i) {
    const at::Tensor& tensor = results[i];
    const radml_array& array = outputs[i];
    const auto refuse = [&](radml_status status) {
      std::vector<std::string> extents;
      for (const int64_t extent : tensor.sizes()) extents.push_back(std::to_string(extent));
      const radml_kind kind = kind_of(tensor.scalar_type());
      throw Error(status, file_ + ": " + output_label(i) + ": the model returned " + shape_text(extents) + " " +
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
                file_ + ": input " + std::to_string(index) + ": the model has " + std::to_string(n_inputs()) + " inputs");
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

std::string Model::metadata(const std::string& key) const {
  if (manifest_)
    if (const auto found = manifest_->metadata.find(key); found != manifest_->metadata.end()) return found->second;
  throw Error(RADML_MISSING_KEY, file_ + ": no metadata \"" + key + "\"" + (manifest_ ? "" : ": the model has no manifest"));
}

}  // namespace radml
