// The C interface: no exception leaves it.
#include "radml.h"

#include <torch/version.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "call_guard.hpp"
#include "error.hpp"
#include "exception_text.hpp"
#include "jacobian.hpp"
#include "model.hpp"
#include "plan.hpp"
#include "registry.hpp"
#include "tensor_memory.hpp"
#include "trainer.hpp"

namespace {

using radml::Error;
using radml::Model;
using radml::Plan;
using radml::Trainer;
using Registry = radml::Registry<const Model>;
using PlanRegistry = radml::Registry<Plan>;
using TrainerRegistry = radml::Registry<Trainer>;

void copy_text(std::string_view text, char* buffer, int64_t size) noexcept {
  if (buffer == nullptr || size <= 0) return;
  const size_t n = std::min(text.size(), static_cast<size_t>(size - 1));
  std::memcpy(buffer, text.data(), n);
  buffer[n] = '\0';
}

// Runs the work and turns whatever it throws into a status and a message.
template <typename Work>
int32_t guarded(char* message, int64_t message_size, Work&& work) noexcept {
  copy_text("", message, message_size);
  try {
    work();
    return RADML_SUCCESS;
  } catch (const Error& error) {
    copy_text(error.what(), message, message_size);
    return error.status();
  } catch (const std::bad_alloc&) {
    copy_text("out of memory", message, message_size);
    return RADML_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    try {
      copy_text(radml::exception_text(error), message, message_size);
    } catch (...) {
      copy_text("an error whose message could not be read", message, message_size);
    }
    return RADML_INTERNAL_ERROR;
  } catch (...) {
    copy_text("an unknown C++ exception", message, message_size);
    return RADML_INTERNAL_ERROR;
  }
}

template <typename Get>
int32_t get_text(char* text, int64_t text_size, int64_t* length, char* message, int64_t message_size, Get&& get) noexcept {
  return guarded(message, message_size, [&] {
    const std::string value = get();
    if (length != nullptr) *length = static_cast<int64_t>(value.size());
    copy_text(value, text, text_size);
  });
}

using Arrays = std::span<const radml_array>;

Arrays span_of(const radml_array* arrays, int64_t n) {
  if (n < 0) throw Error(RADML_WRONG_ARGUMENT, "a negative number of arrays");
  if (n > 0 && arrays == nullptr) throw Error(RADML_WRONG_ARGUMENT, "no arrays given");
  return {arrays, static_cast<size_t>(n)};
}

radml_options options_of(const radml_options* options) { return options == nullptr ? radml_options{} : *options; }

std::string text_of(const char* text, const char* what) {
  if (text == nullptr) throw Error(RADML_WRONG_ARGUMENT, std::string("no ") + what + " given");
  return text;
}

int32_t with_file(radml_trainer trainer, const char* path, char* message, int64_t message_size,
                  void (Trainer::*work)(const std::string&)) {
  return guarded(message, message_size, [&] {
    const std::string file = text_of(path, "path");
    const std::shared_ptr<Trainer> found = TrainerRegistry::instance().find(trainer);
    const radml::CallGuard guard;
    (found.get()->*work)(file);
  });
}

int64_t& place(int64_t* n) {
  if (n == nullptr) throw Error(RADML_WRONG_ARGUMENT, "no place given for the number");
  return *n;
}

}  // namespace

extern "C" {

int32_t radml_load(const char* path, const char* device, radml_model* model, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    if (model == nullptr) throw Error(RADML_WRONG_ARGUMENT, "no place given for the model");
    *model = 0;
    const std::string file = text_of(path, "path");
    const std::string where = text_of(device, "device");
    const radml::CallGuard guard;
    *model = Registry::instance().add(std::make_shared<const Model>(file, where));
  });
}

int32_t radml_retain(radml_model model, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] { Registry::instance().retain(model); });
}

int32_t radml_free(radml_model model, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    const radml::CallGuard guard;
    Registry::instance().release(model);
    radml::release_kept_memory();
  });
}

int32_t radml_forward(radml_model model, const radml_array* inputs, int64_t n_inputs, const radml_array* outputs,
                      int64_t n_outputs, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    const Arrays in = span_of(inputs, n_inputs);
    const Arrays out = span_of(outputs, n_outputs);
    const std::shared_ptr<const Model> found = Registry::instance().find(model);
    const radml::CallGuard guard;
    found->forward(in, out);
  });
}

int32_t radml_forward_with(radml_model model, const radml_array* inputs, int64_t n_inputs, const radml_array* outputs,
                           int64_t n_outputs, const radml_options* options, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    const Arrays in = span_of(inputs, n_inputs);
    const Arrays out = span_of(outputs, n_outputs);
    std::shared_ptr<const Model> found = Registry::instance().find(model);
    std::optional<radml::CallGuard> guard(std::in_place);
    Plan plan(std::move(found), in, out, options_of(options));
    guard.reset();
    plan.run();
  });
}

int32_t radml_vector_jacobian_product(radml_model model, const radml_array* inputs, int64_t n_inputs,
                                      const radml_array* cotangents, int64_t n_cotangents, const radml_array* gradients,
                                      int64_t n_gradients, const radml_array* outputs, int64_t n_outputs, char* message,
                                      int64_t message_size) {
  return guarded(message, message_size, [&] {
    const radml::VectorJacobianProduct product{span_of(inputs, n_inputs), span_of(cotangents, n_cotangents),
                                               span_of(gradients, n_gradients), span_of(outputs, n_outputs)};
    const std::shared_ptr<const Model> found = Registry::instance().find(model);
    const radml::CallGuard guard;
    radml::compute(*found, product);
  });
}

int32_t radml_jacobian_vector_product(radml_model model, const radml_array* inputs, int64_t n_inputs,
                                      const radml_array* tangents, int64_t n_tangents, const radml_array* output_tangents,
                                      int64_t n_output_tangents, const radml_array* outputs, int64_t n_outputs, char* message,
                                      int64_t message_size) {
  return guarded(message, message_size, [&] {
    const radml::JacobianVectorProduct product{span_of(inputs, n_inputs), span_of(tangents, n_tangents),
                                               span_of(output_tangents, n_output_tangents), span_of(outputs, n_outputs)};
    const std::shared_ptr<const Model> found = Registry::instance().find(model);
    const radml::CallGuard guard;
    radml::compute(*found, product);
  });
}

int32_t radml_plan_create(radml_model model, const radml_array* inputs, int64_t n_inputs, const radml_array* outputs,
                          int64_t n_outputs, const radml_options* options, radml_plan* plan, char* message,
                          int64_t message_size) {
  return guarded(message, message_size, [&] {
    if (plan == nullptr) throw Error(RADML_WRONG_ARGUMENT, "no place given for the plan");
    *plan = 0;
    const Arrays in = span_of(inputs, n_inputs);
    const Arrays out = span_of(outputs, n_outputs);
    std::shared_ptr<const Model> found = Registry::instance().find(model);
    const radml::CallGuard guard;
    *plan = PlanRegistry::instance().add(std::make_shared<Plan>(std::move(found), in, out, options_of(options)));
  });
}

int32_t radml_plan_run(radml_plan plan, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    PlanRegistry::instance().find(plan)->run();
  });
}

int32_t radml_plan_retain(radml_plan plan, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] { PlanRegistry::instance().retain(plan); });
}

int32_t radml_plan_free(radml_plan plan, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    const radml::CallGuard guard;
    PlanRegistry::instance().release(plan);
  });
}

int32_t radml_trainer_create(const char* path, const char* device, const char* optimizer,
                             const radml_optimizer_options* options, radml_trainer* trainer, char* message,
                             int64_t message_size) {
  return guarded(message, message_size, [&] {
    if (trainer == nullptr) throw Error(RADML_WRONG_ARGUMENT, "no place given for the trainer");
    *trainer = 0;
    const std::string file = text_of(path, "path");
    const std::string where = text_of(device, "device");
    const std::string name = text_of(optimizer, "optimizer");
    const radml::CallGuard guard;
    *trainer = TrainerRegistry::instance().add(
        std::make_shared<Trainer>(file, where, name, options == nullptr ? radml_optimizer_options{} : *options));
  });
}

int32_t radml_trainer_step(radml_trainer trainer, const radml_array* inputs, int64_t n_inputs, const radml_array* targets,
                             int64_t n_targets, double* loss, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    if (loss == nullptr) throw Error(RADML_WRONG_ARGUMENT, "no place given for the loss");
    const Arrays in = span_of(inputs, n_inputs);
    const Arrays out = span_of(targets, n_targets);
    const std::shared_ptr<Trainer> found = TrainerRegistry::instance().find(trainer);
    const radml::CallGuard guard;
    *loss = found->step(in, out);
  });
}

int32_t radml_trainer_loss(radml_trainer trainer, const radml_array* inputs, int64_t n_inputs, const radml_array* targets,
                           int64_t n_targets, double* loss, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    if (loss == nullptr) throw Error(RADML_WRONG_ARGUMENT, "no place given for the loss");
    const Arrays in = span_of(inputs, n_inputs);
    const Arrays out = span_of(targets, n_targets);
    const std::shared_ptr<Trainer> found = TrainerRegistry::instance().find(trainer);
    const radml::CallGuard guard;
    *loss = found->loss(in, out);
  });
}

int32_t radml_trainer_forward(radml_trainer trainer, const radml_array* inputs, int64_t n_inputs, const radml_array* outputs,
                              int64_t n_outputs, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    const Arrays in = span_of(inputs, n_inputs);
    const Arrays out = span_of(outputs, n_outputs);
    const std::shared_ptr<Trainer> found = TrainerRegistry::instance().find(trainer);
    const radml::CallGuard guard;
    found->forward(in, out);
  });
}

int32_t radml_trainer_set_learning_rate(radml_trainer trainer, double learning_rate, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] { TrainerRegistry::instance().find(trainer)->set_learning_rate(learning_rate); });
}

int32_t radml_trainer_save(radml_trainer trainer, const char* path, char* message, int64_t message_size) {
  return with_file(trainer, path, message, message_size, &Trainer::save);
}

int32_t radml_trainer_save_checkpoint(radml_trainer trainer, const char* path, char* message, int64_t message_size) {
  return with_file(trainer, path, message, message_size, &Trainer::save_checkpoint);
}

int32_t radml_trainer_load_checkpoint(radml_trainer trainer, const char* path, char* message, int64_t message_size) {
  return with_file(trainer, path, message, message_size, &Trainer::load_checkpoint);
}

int32_t radml_trainer_retain(radml_trainer trainer, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] { TrainerRegistry::instance().retain(trainer); });
}

int32_t radml_trainer_free(radml_trainer trainer, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    const radml::CallGuard guard;
    TrainerRegistry::instance().release(trainer);
    radml::release_kept_memory();
  });
}

int32_t radml_n_inputs(radml_model model, int64_t* n, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] { place(n) = Registry::instance().find(model)->n_inputs(); });
}

int32_t radml_n_outputs(radml_model model, int64_t* n, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] { place(n) = Registry::instance().find(model)->n_outputs(); });
}

int32_t radml_input_index(radml_model model, const char* name, int64_t* index, char* message, int64_t message_size) {
  return guarded(message, message_size,
                 [&] { place(index) = Registry::instance().find(model)->input_index(text_of(name, "name")); });
}

int32_t radml_output_index(radml_model model, const char* name, int64_t* index, char* message, int64_t message_size) {
  return guarded(message, message_size,
                 [&] { place(index) = Registry::instance().find(model)->output_index(text_of(name, "name")); });
}

int32_t radml_input_name(radml_model model, int64_t index, char* text, int64_t text_size, int64_t* length, char* message,
                         int64_t message_size) {
  return get_text(text, text_size, length, message, message_size,
                  [&] { return Registry::instance().find(model)->input_name(index); });
}

int32_t radml_output_name(radml_model model, int64_t index, char* text, int64_t text_size, int64_t* length, char* message,
                          int64_t message_size) {
  return get_text(text, text_size, length, message, message_size,
                  [&] { return Registry::instance().find(model)->output_name(index); });
}

int32_t radml_input_declaration(radml_model model, int64_t index, char* text, int64_t text_size, int64_t* length, char* message,
                                int64_t message_size) {
  return get_text(text, text_size, length, message, message_size,
                  [&] { return Registry::instance().find(model)->input_declaration(index); });
}

int32_t radml_output_declaration(radml_model model, int64_t index, char* text, int64_t text_size, int64_t* length, char* message,
                                 int64_t message_size) {
  return get_text(text, text_size, length, message, message_size,
                  [&] { return Registry::instance().find(model)->output_declaration(index); });
}

int32_t radml_metadata(radml_model model, const char* key, char* text, int64_t text_size, int64_t* length, char* message,
                       int64_t message_size) {
  return get_text(text, text_size, length, message, message_size,
                  [&] { return Registry::instance().find(model)->metadata(text_of(key, "key")); });
}

int32_t radml_set_num_threads(int64_t n, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    if (n < 1 || n > std::numeric_limits<int32_t>::max())
      throw Error(RADML_WRONG_ARGUMENT, "number of threads: expected 1 or more, got " + std::to_string(n));
    const radml::CallGuard guard;
    radml::set_torch_threads(static_cast<int>(n));
  });
}

int32_t radml_get_num_threads(int64_t* n, char* message, int64_t message_size) {
  return guarded(message, message_size, [&] {
    const radml::CallGuard guard;
    radml::leave_cores_to_other_ranks();
    place(n) = radml::torch_threads();
  });
}

const char* radml_version(void) { return RADML_VERSION; }

const char* radml_torch_version(void) { return TORCH_VERSION; }

int32_t radml_abi_version(void) { return RADML_ABI_VERSION; }

}  // extern "C"
