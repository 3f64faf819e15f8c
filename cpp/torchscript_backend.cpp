#include "torchscript_backend.hpp"

#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "error.hpp"
#include "exception_text.hpp"

namespace radml {
namespace {

// A step into a nested result. Its text is made only where it is asked for: most calls need none.
struct Place {
  const Place* outer;  // null: the result as a whole
  const c10::IValue* key;
};

// `[1]['up']`, as in Python.
std::string place_text(const Place* place) {
  if (place == nullptr) return "";
  std::string text = place_text(place->outer);
  const c10::IValue& key = *place->key;
  text += '[';
  if (key.isString())
    text.append("'").append(key.toStringRef()).append("'");
  else
    text += key.isInt() ? std::to_string(key.toInt()) : "a key of type " + key.type()->repr_str();
  text += ']';
  return text;
}

// Tuples, lists and dictionaries within each other, in order.
void flatten(const c10::IValue& value, const Place* place, std::vector<at::Tensor>& results, std::vector<std::string>* places) {
  const auto step = [&](const c10::IValue& key, const c10::IValue& element) {
    const Place inner{place, &key};
    flatten(element, &inner, results, places);
  };
  if (value.isTensor() && value.toTensor().defined()) {
    results.push_back(value.toTensor());
    if (places != nullptr) places->push_back(place_text(place));
  } else if (value.isTuple()) {
    int64_t i = 0;
    for (const c10::IValue& element : value.toTupleRef().elements()) step(i++, element);
  } else if (value.isList()) {
    int64_t i = 0;
    for (const c10::IValue& element : value.toListRef()) step(i++, element);
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) step(entry.key(), entry.value());
  } else {
    const std::string what = value.isTensor() ? "an undefined Tensor" : value.type()->repr_str();
    throw Error(RADML_WRONG_OUTPUT_TYPE, "the model returned " + what + (place == nullptr ? "" : " at " + place_text(place)) +
                                             "; expected a Tensor, or tuples, lists and dictionaries of Tensors");
  }
}

// Runs the forward of a module.
void run_module(torch::jit::Module& module, const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results,
                std::vector<std::string>* places) {
  // Kept between calls, like the interpreter's own: a call is made without asking the system for memory.
  static thread_local std::vector<c10::IValue> stack;
  struct Clear {
    ~Clear() { stack.clear(); }
  } const clear;
  stack.emplace_back(module._ivalue());
  for (const at::Tensor& tensor : inputs) stack.emplace_back(tensor);
  torch::jit::Function& function = module.get_method("forward").function();
  if (inputs.size() < function.num_inputs() - 1) function.getSchema().checkAndNormalizeInputs(stack, {});  // adds defaults
  function.run(stack);
  flatten(stack.front(), nullptr, results, places);
}

// Constants of a frozen module become tensors of the inference mode, on the same memory: LibTorch does less for those in each
// operation. Derivatives use the unfrozen module, whose own tensors stay as they are.
void use_inference_tensors(torch::jit::Block* block) {
  const c10::InferenceMode inference;
  for (torch::jit::Node* node : block->nodes()) {
    for (torch::jit::Block* inner : node->blocks()) use_inference_tensors(inner);
    const bool is_tensor = node->kind() == c10::prim::Constant && node->hasAttribute(c10::attr::value) &&
                           node->kindOf(c10::attr::value) == torch::jit::AttributeKind::t;
    if (!is_tensor) continue;
    const at::Tensor& constant = node->t(c10::attr::value);
    if (constant.layout() != at::kStrided || constant.is_quantized()) continue;
    at::Tensor same = at::empty({0}, constant.options());
    same.set_(constant.storage(), constant.storage_offset(), constant.sizes(), constant.strides());
    node->t_(c10::attr::value, same);
  }
}

// `with torch.no_grad():` enters an object of that class, in which the module torch.autograd.grad_mode is named.
bool switches_gradients(const torch::jit::Node& node) {
  const bool enters = node.kind() == c10::prim::Enter &&
                      node.input()->type()->repr_str().find("grad_mode") != std::string::npos;
  return enters || std::string_view(node.kind().toUnqualString()).find("set_grad_enabled") != std::string_view::npos;
}

// eval() reaches what asks its module whether it is in training. A trace has asked when it was made.
void check_evaluation(const torch::jit::Node& node) {
  const c10::FunctionSchema* const schema = node.maybeSchema();
  if (schema == nullptr) return;
  bool trains = false, drops_nothing = false;
  for (size_t i = 0; i < std::min(node.inputs().size(), schema->arguments().size()); ++i) {
    const std::string& name = schema->arguments()[i].name();
    if (name == "train" || name == "training") trains = torch::jit::constant_as<bool>(node.input(i)).value_or(false);
    if (name == "p" || name == "dropout") drops_nothing = torch::jit::constant_as<double>(node.input(i)) == 0.0;
  }
  if (trains && !drops_nothing)
    throw Error(RADML_INVALID_FILE, std::string(node.kind().toUnqualString()) +
                                        " is in training mode in the file, for good: it was traced before eval(); call eval() on "
                                        "the module and write the file again");
}

}  // namespace

TorchScriptBackend::TorchScriptBackend(const std::string& path, c10::Device device, bool for_training, std::string& manifest) {
  torch::jit::ExtraFilesMap extra{{"radml.json", ""}};
  try {
    module_ = torch::jit::load(path, device, extra);
  } catch (const std::exception& error) {
    // The first sentence says what is wrong; LibTorch goes on to guess why.
    const std::string text = exception_text(error);
    if (text.find("constants.pkl") != std::string::npos)
      throw Error(RADML_INVALID_FILE, "not a TorchScript model but another PyTorch archive, weights perhaps; "
                                      "export the module with ftorch-export or torch.jit.save");
    const bool has_no_end = text.find("central directory") != std::string::npos;
    throw Error(RADML_INVALID_FILE,
                "not a TorchScript model, nor a package of machine code (.pt2): " + text.substr(0, text.find(". ")) +
                    (has_no_end ? "; if it is one, it is empty or cut off" : ""));
  }
  manifest = manifest_text_ = extra["radml.json"];
  if (!module_.find_method("forward")) throw Error(RADML_INVALID_FILE, "the model has no forward");
  read_schema();

  module_.eval();
  unfrozen_ = module_;
  if (for_training)
    check_parameters();
  else
    freeze();
  // The profiling executor compiles again and again over the first runs, and rounds differently once it has. The simple one
  // compiles once, so the first result is that of every later run.
  for (torch::jit::Module* module : {&module_, &unfrozen_})
    torch::jit::toGraphFunction(module->get_method("forward").function())
        ._set_initial_executor_execution_mode(torch::jit::ExecutorExecutionMode::SIMPLE);
  find_written_inputs();
  look_at_operations();
}

void TorchScriptBackend::freeze() {
  for (at::Tensor parameter : module_.parameters()) parameter.set_requires_grad(false);
  try {
    module_ = torch::jit::freeze(module_);
  } catch (const std::exception&) {
    return;  // Some modules cannot be frozen (say, with an interface type); they run as they are.
  }
  use_inference_tensors(torch::jit::toGraphFunction(module_.get_method("forward").function()).graph()->block());
}

void TorchScriptBackend::check_parameters() const {
  for (const at::Tensor& parameter : module_.parameters())
    if (parameter.requires_grad()) return;
  throw Error(RADML_NOT_DIFFERENTIABLE, "the model has no parameters to train; where it was frozen they have become constants: "
                                        "export it with ftorch-export --trainable");
}

void TorchScriptBackend::read_schema() {
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

void TorchScriptBackend::find_written_inputs() {
  const auto graph = torch::jit::toGraphFunction(module_.get_method("forward").function()).graph()->copy();
  const torch::jit::AliasDb aliases(graph, /*isFrozen=*/false, /*descendFunctionCalls=*/true);
  for (size_t i = 1; i < graph->inputs().size(); ++i) input_is_written_.push_back(aliases.hasWriters(graph->inputs()[i]));
  input_is_written_.resize(input_names_.size(), false);
}

void TorchScriptBackend::look_at_operations() {
  const auto graph = torch::jit::toGraphFunction(unfrozen_.get_method("forward").function()).graph()->copy();
  torch::jit::Inline(*graph);
  const auto search = [this](const auto& self, torch::jit::Block* block) -> void {
    for (torch::jit::Node* node : block->nodes()) {
      switches_gradients_ = switches_gradients_ || radml::switches_gradients(*node);
      check_evaluation(*node);
      for (torch::jit::Block* inner : node->blocks()) self(self, inner);
    }
  };
  search(search, graph->block());
}

void TorchScriptBackend::run(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results,
                             std::vector<std::string>* places) const {
  run_module(module_, inputs, results, places);
}

void TorchScriptBackend::run_for_derivatives(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results,
                                             std::vector<std::string>* places) const {
  run_module(unfrozen_, inputs, results, places);
}

}  // namespace radml
