#include "trainer.hpp"

#include <ATen/ops/isfinite.h>
#include <ATen/ops/mse_loss.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>
#include <torch/serialize/input-archive.h>
#include <torch/serialize/output-archive.h>
#include <torch/version.h>

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <new>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "autograd_graph.hpp"
#include "derivative_checks.hpp"
#include "error.hpp"
#include "exception_text.hpp"
#include "kind.hpp"
#include "tensor_view.hpp"
#include "torchscript_backend.hpp"

namespace radml {
namespace {

std::string number_text(double value) {
  std::string text(32, '\0');
  text.resize(static_cast<size_t>(std::snprintf(text.data(), text.size(), "%g", value)));
  return text;
}

void check_option(const char* name, double value, bool below_one) {
  if (std::isfinite(value) && value >= 0.0 && (!below_one || value < 1.0)) return;
  throw Error(RADML_WRONG_ARGUMENT, std::string(name) + ": expected " +
                                        (below_one ? "0 to below 1" : "a finite number of 0 or more") + ", got " +
                                        number_text(value));
}

// What is not given becomes PyTorch's default.
radml_optimizer_options completed(const std::string& optimizer, radml_optimizer_options options) {
  const bool is_adam = optimizer == "adam";
  if (!is_adam && optimizer != "sgd")
    throw Error(RADML_WRONG_ARGUMENT, "optimizer \"" + optimizer + "\": expected \"sgd\" or \"adam\"");
  struct Option {
    int64_t flag;
    const char* name;
    double& value;
    double default_value;
    bool below_one;
    bool of_sgd;
    bool of_adam;
  };
  const Option all[] = {
      {RADML_LEARNING_RATE, "learning_rate", options.learning_rate, 1.0e-3, false, true, true},
      {RADML_MOMENTUM, "momentum", options.momentum, 0.0, false, true, false},
      {RADML_WEIGHT_DECAY, "weight_decay", options.weight_decay, 0.0, false, true, true},
      {RADML_BETA1, "beta1", options.beta1, 0.9, true, false, true},
      {RADML_BETA2, "beta2", options.beta2, 0.999, true, false, true},
  };
  int64_t known = 0;
  for (const Option& option : all) {
    known |= option.flag;
    if ((options.flags & option.flag) == 0) {
      option.value = option.default_value;
      continue;
    }
    if (is_adam ? !option.of_adam : !option.of_sgd)
      throw Error(RADML_WRONG_ARGUMENT, std::string(option.name) + ": an option of \"" + (is_adam ? "sgd" : "adam") +
                                            "\"; the optimizer is \"" + optimizer + "\"");
    check_option(option.name, option.value, option.below_one);
  }
  if ((options.flags & ~known) != 0)
    throw Error(RADML_WRONG_ARGUMENT, "options of the optimizer: unknown flags " + std::to_string(options.flags & ~known));
  return options;
}

// Work is done in training mode, and the module is back in evaluation mode afterwards: what is saved and evaluated.
class TrainingMode {
 public:
  explicit TrainingMode(torch::jit::Module& module) : module_(module) { module_.train(); }
  ~TrainingMode() {
    try {
      module_.eval();
    } catch (...) {  // it sets attributes that are there
    }
  }
  TrainingMode(const TrainingMode&) = delete;
  TrainingMode& operator=(const TrainingMode&) = delete;

 private:
  torch::jit::Module& module_;
};

// Running means and the like change in the forward already: a step that fails gives them back.
class SavedTensors {
 public:
  explicit SavedTensors(const std::vector<at::Tensor>& tensors) : tensors_(tensors) {
    for (const at::Tensor& tensor : tensors_) values_.push_back(tensor.detach().clone());
  }
  ~SavedTensors() {
    if (kept_) return;
    const c10::NoGradGuard guard;
    try {
      for (size_t i = 0; i < tensors_.size(); ++i) tensors_[i].copy_(values_[i]);
    } catch (...) {  // a copy between tensors of one shape
    }
  }
  SavedTensors(const SavedTensors&) = delete;
  SavedTensors& operator=(const SavedTensors&) = delete;
  void keep() { kept_ = true; }

 private:
  std::vector<at::Tensor> tensors_;
  std::vector<at::Tensor> values_;
  bool kept_ = false;
};

bool is_finite(const at::Tensor& tensor) { return at::isfinite(tensor).all().item<bool>(); }

// Hands a temporary name to the writer and renames the file once it is whole.
void write_file(const std::string& path, const std::function<void(const std::string&)>& writer) {
  const std::string temporary = path + "." + std::to_string(getpid()) + ".tmp";
  std::error_code error;
  try {
    writer(temporary);
    std::filesystem::rename(temporary, path);
  } catch (const std::bad_alloc&) {
    std::filesystem::remove(temporary, error);
    throw;
  } catch (const std::exception& failure) {
    std::filesystem::remove(temporary, error);
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (!folder.empty() && !std::filesystem::is_directory(folder, error))
      throw Error(RADML_MISSING_FILE, path + ": cannot be written: no folder " + folder.string());
    throw Error(RADML_MISSING_FILE, path + ": cannot be written: " + exception_text(failure));
  }
}

// The manifest of the trained model: checksums of the weights that it began with are true no longer.
std::string trained_manifest(const std::string& text, int64_t steps) {
  if (text.empty()) return text;
  nlohmann::ordered_json root = nlohmann::ordered_json::parse(text);  // it was parsed at loading
  if (root.contains("torch")) root["torch"] = TORCH_VERSION;
  nlohmann::ordered_json& metadata = root["metadata"];
  for (const char* key : {"weights_sha256", "source_sha256"})
    if (metadata.contains(key)) metadata.erase(key);
  metadata["training_steps"] = std::to_string(steps);
  return root.dump(1);
}

// Names and tensors, as they are asked for again.
void put(torch::serialize::OutputArchive& archive, const std::vector<std::string>& names,
         const std::vector<at::Tensor>& values) {
  archive.write("n", c10::IValue(static_cast<int64_t>(names.size())));
  for (size_t i = 0; i < names.size(); ++i) {
    archive.write("name_" + std::to_string(i), c10::IValue(names[i]));
    archive.write("value_" + std::to_string(i), c10::IValue(values[i].detach()));
  }
}

}  // namespace

Trainer::Trainer(const std::string& path, const std::string& device, const std::string& optimizer,
                 const radml_optimizer_options& options)
    : model_(path, device, Model::Purpose::training),
      backend_(dynamic_cast<const TorchScriptBackend&>(model_.backend())),
      optimizer_name_(optimizer),
      options_(completed(optimizer, options)) {
  const c10::InferenceMode off(false);
  for (const auto& parameter : backend_.module().named_parameters())
    if (parameter.value.requires_grad()) {
      parameter_names_.push_back(parameter.name);
      parameters_.push_back(parameter.value);
    }
  for (const auto& buffer : backend_.module().named_buffers()) {
    buffer_names_.push_back(buffer.name);
    buffers_.push_back(buffer.value);
  }
  optimizer_ = new_optimizer();
}

void Trainer::refuse(radml_status status, const std::string& what) const { throw Error(status, model_.file() + ": " + what); }

std::unique_ptr<torch::optim::Optimizer> Trainer::new_optimizer() const {
  if (optimizer_name_ == "adam")
    return std::make_unique<torch::optim::Adam>(parameters_,
                                                torch::optim::AdamOptions(options_.learning_rate)
                                                    .betas(std::make_tuple(options_.beta1, options_.beta2))
                                                    .weight_decay(options_.weight_decay));
  return std::make_unique<torch::optim::SGD>(
      parameters_,
      torch::optim::SGDOptions(options_.learning_rate).momentum(options_.momentum).weight_decay(options_.weight_decay));
}

void Trainer::check_call(std::span<const radml_array> inputs, std::span<const radml_array> targets) const {
  const DerivativeChecks checks(model_);
  checks.inputs(inputs);
  checks.like_outputs(targets, "target", false, inputs);
  bool any = false;
  for (size_t j = 0; j < targets.size(); ++j) {
    if (is_no_array(targets[j])) continue;
    any = true;
    if (targets[j].kind != RADML_FLOAT32 && targets[j].kind != RADML_FLOAT64)
      refuse(RADML_WRONG_KIND, "target of " + model_.output_label(j) + ": no squared error of " + kind_name(targets[j].kind) +
                                   "; expected float32 or float64, or torch_none() for an output that does not count");
  }
  if (!any) refuse(RADML_WRONG_ARGUMENT, "expected a target for at least one output");
}

// The mean over the outputs that have a target of each one's own mean over its elements: an output counts the same whatever
// its size.
at::Tensor Trainer::mean_squared_error(std::span<const radml_array> inputs, std::span<const radml_array> targets,
                                       std::vector<at::Tensor>& results) const {
  std::vector<at::Tensor> arguments;
  for (size_t i = 0; i < inputs.size(); ++i) {
    at::Tensor argument = input_tensor(inputs[i]);
    if (backend_.writes_input(i)) argument = argument.clone();
    arguments.push_back(std::move(argument));
  }
  model_.evaluate(arguments, results);
  DerivativeChecks(model_).results(results, targets, "target");
  at::Tensor sum;
  int64_t n = 0;
  for (size_t j = 0; j < results.size(); ++j) {
    if (is_no_array(targets[j])) continue;
    const at::Tensor error = at::mse_loss(results[j], input_tensor(targets[j]).to(results[j].device()));
    // Single precision where all are: PyTorch's own arithmetic for one output.
    sum = sum.defined() ? sum + error : error;
    ++n;
  }
  return n == 1 ? sum : sum / n;
}

double Trainer::step(std::span<const radml_array> inputs, std::span<const radml_array> targets) {
  check_call(inputs, targets);
  const std::lock_guard lock(mutex_);
  const c10::InferenceMode off(false);
  const c10::AutoGradMode on(true);
  SavedTensors buffers(buffers_);
  double value = 0.0;
  std::vector<at::Tensor> results;
  {
    const GraphRelease release(results);
    const TrainingMode mode(backend_.module());
    optimizer_->zero_grad();
    const at::Tensor loss = mean_squared_error(inputs, targets, results);
    value = loss.item<double>();
    if (!std::isfinite(value)) refuse(RADML_NOT_FINITE, "the loss is " + number_text(value) + "; no parameter was changed");
    if (!loss.requires_grad())
      refuse(RADML_NOT_DIFFERENTIABLE, "the loss depends on no parameter that is trained (detached, or rounded)");
    try {
      loss.backward();
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& error) {
      const std::string text = exception_text(error);
      refuse(RADML_MODEL_FAILED, "the model's derivative failed: " + text.substr(0, text.find(" Hint: ")));
    }
  }
  for (size_t i = 0; i < parameters_.size(); ++i)
    if (parameters_[i].grad().defined() && !is_finite(parameters_[i].grad()))
      refuse(RADML_NOT_FINITE, "the gradient by parameter \"" + parameter_names_[i] +
                                   "\" is not finite, though the loss is; no parameter was changed");
  optimizer_->step();
  optimizer_->zero_grad();
  buffers.keep();
  ++steps_;
  return value;
}

double Trainer::loss(std::span<const radml_array> inputs, std::span<const radml_array> targets) {
  check_call(inputs, targets);
  const std::lock_guard lock(mutex_);
  const c10::InferenceMode guard;
  std::vector<at::Tensor> results;
  return mean_squared_error(inputs, targets, results).item<double>();
}

void Trainer::forward(std::span<const radml_array> inputs, std::span<const radml_array> outputs) {
  const std::lock_guard lock(mutex_);
  model_.forward(inputs, outputs);
}

void Trainer::set_learning_rate(double value) {
  check_option("learning_rate", value, false);
  const std::lock_guard lock(mutex_);
  for (torch::optim::OptimizerParamGroup& group : optimizer_->param_groups()) group.options().set_lr(value);
}

void Trainer::save(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const c10::InferenceMode off(false);
  torch::jit::ExtraFilesMap extra;
  if (std::string manifest = trained_manifest(backend_.manifest_text(), steps_); !manifest.empty())
    extra["radml.json"] = std::move(manifest);
  write_file(path, [&](const std::string& temporary) { backend_.module().save(temporary, extra); });
}

void Trainer::save_checkpoint(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const c10::InferenceMode off(false);
  torch::serialize::OutputArchive archive;
  archive.write("radml_checkpoint", c10::IValue(int64_t{1}));
  archive.write("optimizer_name", c10::IValue(optimizer_name_));
  archive.write("steps", c10::IValue(steps_));
  torch::serialize::OutputArchive parameters(archive.compilation_unit());
  put(parameters, parameter_names_, parameters_);
  archive.write("parameters", parameters);
  torch::serialize::OutputArchive buffers(archive.compilation_unit());
  put(buffers, buffer_names_, buffers_);
  archive.write("buffers", buffers);
  torch::serialize::OutputArchive state(archive.compilation_unit());
  optimizer_->save(state);
  archive.write("optimizer", state);
  write_file(path, [&](const std::string& temporary) { archive.save_to(temporary); });
}

void Trainer::load_checkpoint(const std::string& path) {
  check_readable(path);
  const std::lock_guard lock(mutex_);
  const c10::InferenceMode off(false);
  const c10::NoGradGuard no_grad;
  const auto invalid = [&](const std::string& what) { throw Error(RADML_INVALID_FILE, path + ": " + what); };
  const auto not_one = [&](const std::string& why) { invalid("not a checkpoint of a trainer" + why); };

  // All is read and compared before anything is changed.
  torch::serialize::InputArchive archive;
  c10::IValue value;
  try {
    archive.load_from(path);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    const std::string text = exception_text(error);
    not_one(": " + text.substr(0, text.find(". ")));
  }
  if (!archive.try_read("radml_checkpoint", value) || !value.isInt()) not_one("");
  if (value.toInt() != 1)
    invalid("a checkpoint of version " + std::to_string(value.toInt()) + "; this radml reads version 1");
  try {
    archive.read("optimizer_name", value);
    if (const std::string name = value.toStringRef(); name != optimizer_name_)
      invalid("the checkpoint is of optimizer \"" + name + "\", this trainer's is \"" + optimizer_name_ + "\"");
    archive.read("steps", value);
    const int64_t steps = value.toInt();

    const auto read = [&](const char* key, const char* what, const std::vector<std::string>& names,
                          const std::vector<at::Tensor>& present) {
      torch::serialize::InputArchive part;
      archive.read(key, part);
      part.read("n", value);
      if (value.toInt() != static_cast<int64_t>(names.size()))
        invalid("the checkpoint has " + std::to_string(value.toInt()) + " " + what + "s, " + model_.file() + " has " +
                std::to_string(names.size()));
      std::vector<at::Tensor> found;
      for (size_t i = 0; i < names.size(); ++i) {
        part.read("name_" + std::to_string(i), value);
        const std::string name = value.toStringRef();
        part.read("value_" + std::to_string(i), value);
        found.push_back(value.toTensor());
        if (name != names[i] || found[i].sizes() != present[i].sizes() || found[i].scalar_type() != present[i].scalar_type())
          invalid("the checkpoint is of another model: " + std::string(what) + " \"" + name + "\" in the place of \"" +
                  names[i] + "\" of " + model_.file() + ", or of another shape or kind");
      }
      return found;
    };
    const std::vector<at::Tensor> parameters = read("parameters", "parameter", parameter_names_, parameters_);
    const std::vector<at::Tensor> buffers = read("buffers", "buffer", buffer_names_, buffers_);
    torch::serialize::InputArchive state;
    archive.read("optimizer", state);
    std::unique_ptr<torch::optim::Optimizer> optimizer = new_optimizer();  // the present one's state would stay beneath
    optimizer->load(state);

    for (size_t i = 0; i < parameters.size(); ++i) parameters_[i].copy_(parameters[i]);
    for (size_t i = 0; i < buffers.size(); ++i) buffers_[i].copy_(buffers[i]);
    optimizer_ = std::move(optimizer);
    steps_ = steps;
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    invalid("a damaged checkpoint: " + exception_text(error));
  }
}

}  // namespace radml
