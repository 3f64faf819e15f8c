// The Python module ftorch_bridge._radml: the C interface of radml.h on NumPy arrays. What it means is said in coupling.py.
#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "radml.h"

namespace py = pybind11;

namespace {

// Never given back: at the end of the process the interpreter may be gone before this module's statics are.
py::object& error_type() {
  static auto* const type = new py::object;
  return *type;
}

[[noreturn]] void fail(radml_status status, const py::str& text) {
  const py::object error = error_type()(py::cast(status), text);
  PyErr_SetObject(error_type().ptr(), error.ptr());
  throw py::error_already_set();
}

// Text of the library as it came: one that was cut may end within a character.
py::str text_of(const std::string& bytes) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(bytes.data(), static_cast<py::ssize_t>(bytes.size()), "replace"));
}

// Calls the library without the interpreter's lock, which other threads need, and a model that calls Python back.
template <typename Call>
void checked(Call&& call) {
  std::array<char, 8192> message{};
  int32_t status = RADML_SUCCESS;
  {
    const py::gil_scoped_release unlocked;
    status = call(message.data(), static_cast<int64_t>(message.size()));
  }
  if (status != RADML_SUCCESS) fail(static_cast<radml_status>(status), text_of(message.data()));
}

// A text of any length: asked for its length first.
template <typename Get>
py::str whole_text(Get&& get) {
  std::string text;
  int64_t length = 0;
  checked([&](char* message, int64_t size) { return get(nullptr, 0, &length, message, size); });
  text.resize(static_cast<size_t>(length) + 1);
  checked([&](char* message, int64_t size) {
    return get(text.data(), static_cast<int64_t>(text.size()), &length, message, size);
  });
  text.resize(static_cast<size_t>(length));
  return text_of(text);
}

radml_kind kind_of(const py::dtype& type) {
  if (type.byteorder() == (PY_LITTLE_ENDIAN ? '>' : '<')) return RADML_UNSUPPORTED;
  const auto size = type.itemsize();
  switch (type.kind()) {
    case 'f': return size == 4 ? RADML_FLOAT32 : size == 8 ? RADML_FLOAT64 : RADML_UNSUPPORTED;
    case 'c': return size == 8 ? RADML_COMPLEX64 : size == 16 ? RADML_COMPLEX128 : RADML_UNSUPPORTED;
    case 'b': return RADML_BOOL;
    case 'i':
      return size == 1 ? RADML_INT8 : size == 2 ? RADML_INT16 : size == 4 ? RADML_INT32 : size == 8 ? RADML_INT64
                                                                                                     : RADML_UNSUPPORTED;
    default: return RADML_UNSUPPORTED;
  }
}

// Whether two elements may share memory. Arrays made by slicing and transposing never do; as_strided makes some that do.
bool elements_overlap(const radml_array& array) {
  std::array<std::pair<int64_t, int64_t>, RADML_MAX_RANK> steps{};  // stride, extent
  int32_t n = 0;
  for (int32_t i = 0; i < array.rank; ++i) {
    if (array.shape[i] == 0) return false;
    if (array.shape[i] > 1) steps[static_cast<size_t>(n++)] = {std::abs(array.strides[i]), array.shape[i]};
  }
  std::sort(steps.begin(), steps.begin() + n);
  int64_t reach = array.element_size;
  for (int32_t i = 0; i < n; ++i) {
    const auto [stride, extent] = steps[static_cast<size_t>(i)];
    if (stride < reach) return true;
    reach += stride * (extent - 1);
  }
  return false;
}

std::string type_name(py::handle object) {
  return py::str(py::type::handle_of(object).attr("__module__")).cast<std::string>() + "." +
         py::str(py::type::handle_of(object).attr("__qualname__")).cast<std::string>();
}

// Text that goes to the library, which ends it at the first zero byte.
void refuse_zero_bytes(const char* what, const std::string& text) {
  if (text.find('\0') != std::string::npos)
    fail(RADML_WRONG_ARGUMENT, py::str(std::string(what) + ": expected a text without zero bytes"));
}

// A path as the system takes it, whatever its characters.
std::string path_text(const py::object& path) {
  std::string text = py::module_::import("os").attr("fsencode")(path).cast<std::string>();
  refuse_zero_bytes("path", text);
  return text;
}

// Arrays of a call: their views, and the objects, which another thread may take out of the caller's list meanwhile.
struct Arrays {
  py::tuple objects;
  std::vector<radml_array> views;
  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(views.size()); }
};

// What a list of arrays is to a call.
struct Role {
  const char* list;    // the argument's name in Python
  const char* prefix;  // of "input 1" or "output 1" in messages, as the library has it
  bool like_outputs;
  bool is_written;
  bool may_be_none;  // None is Fortran's torch_none()
};
constexpr Role inputs_role{"inputs", "", false, false, false};
constexpr Role outputs_role{"outputs", "", true, true, false};
constexpr Role wanted_outputs_role{"outputs", "", true, true, true};
constexpr Role cotangents_role{"cotangents", "cotangent of ", true, false, true};
constexpr Role gradients_role{"gradients", "gradient of ", false, true, true};
constexpr Role tangents_role{"tangents", "tangent of ", false, false, true};
constexpr Role output_tangents_role{"output_tangents", "tangent of ", true, true, true};
constexpr Role targets_role{"targets", "target of ", true, false, true};

// Reads lists of arrays for one model or trainer, whose file its messages name.
class ArrayReader {
 public:
  explicit ArrayReader(const std::string& path) : file_(std::filesystem::path(path).filename().string()) {}

  // For the names of inputs and outputs in messages; a trainer has none to ask for.
  void set_model(radml_model model) { model_ = model; }

  // The arrays of a list or tuple as the library takes them: their own memory, whatever its order and strides.
  [[nodiscard]] Arrays arrays(py::handle given, const Role& role) const {
    if (!py::isinstance<py::list>(given) && !py::isinstance<py::tuple>(given))
      fail(RADML_INVALID_ARRAY,
           text_of(file_ + ": " + role.list + ": expected a list or tuple of NumPy arrays, got " + type_name(given)));
    Arrays found{py::tuple(py::reinterpret_borrow<py::object>(given)), {}};
    found.views.reserve(found.objects.size());
    for (const py::handle object : found.objects) found.views.push_back(view(object, role, found.views.size() + 1));
    return found;
  }

 private:
  [[noreturn]] void refuse(radml_status status, const Role& role, size_t number, const std::string& text) const {
    std::string label = file_ + ": " + role.prefix + (role.like_outputs ? "output " : "input ") + std::to_string(number);
    char name[256] = "";
    int64_t length = 0;
    const auto get_name = role.like_outputs ? radml_output_name : radml_input_name;
    if (model_ != 0 &&
        get_name(model_, static_cast<int64_t>(number), name, sizeof name, &length, nullptr, 0) == RADML_SUCCESS && length > 0)
      label += std::string(" \"") + name + "\"";
    fail(status, text_of(label + ": " + text));
  }

  [[nodiscard]] radml_array view(py::handle object, const Role& role, size_t number) const {
    if (object.is_none() && role.may_be_none) {
      radml_array none{};
      none.flags = RADML_NO_ARRAY;
      return none;
    }
    if (!py::isinstance<py::array>(object))
      refuse(RADML_INVALID_ARRAY, role, number, "expected a NumPy array, got " + type_name(object));
    if (py::hasattr(object, "mask"))
      refuse(RADML_INVALID_ARRAY, role, number, "a masked array: its mask would be ignored; give its data, or fill it");
    const auto array = py::reinterpret_borrow<py::array>(object);
    if (role.is_written && !array.writeable()) refuse(RADML_INVALID_ARRAY, role, number, "the array is read-only");
    if (array.ndim() > RADML_MAX_RANK)
      refuse(RADML_WRONG_RANK, role, number, "expected at most 15 dimensions, got " + std::to_string(array.ndim()));
    radml_array view{};
    view.kind = kind_of(array.dtype());
    if (view.kind == RADML_UNSUPPORTED)
      refuse(RADML_WRONG_KIND, role, number,
             "expected float32, float64, int8 to int64, bool, complex64 or complex128 in this machine's byte order, got " +
                 py::str(array.dtype()).cast<std::string>());
    view.address = const_cast<void*>(array.data());  // an input is only read: its flag says so
    view.element_size = static_cast<int32_t>(array.itemsize());
    view.rank = static_cast<int32_t>(array.ndim());
    view.flags = role.is_written ? 0 : RADML_READ_ONLY;
    for (int32_t i = 0; i < view.rank; ++i) {
      view.shape[i] = array.shape(i);
      view.strides[i] = array.strides(i);
    }
    if (role.is_written && elements_overlap(view))
      refuse(RADML_INVALID_ARRAY, role, number, "elements of the array lie in the same memory");
    return view;
  }

  std::string file_;
  radml_model model_ = 0;
};

class ModelHandle {
 public:
  ModelHandle(const std::string& path, const std::string& device) : reader_(path) {
    refuse_zero_bytes("device", device);
    checked([&](char* message, int64_t size) { return radml_load(path.c_str(), device.c_str(), &model_, message, size); });
    open_ = true;
    reader_.set_model(model_);
  }
  ~ModelHandle() {
    const py::gil_scoped_release unlocked;
    if (open_) radml_free(model_, nullptr, 0);
  }
  ModelHandle(const ModelHandle&) = delete;
  ModelHandle& operator=(const ModelHandle&) = delete;

  // The number stays: the library tells a freed model from one that never was.
  void close() {
    if (!std::exchange(open_, false)) return;
    checked([&](char* message, int64_t size) { return radml_free(model_, message, size); });
  }

  [[nodiscard]] int64_t n_inputs() const {
    int64_t n = 0;
    checked([&](char* message, int64_t size) { return radml_n_inputs(model_, &n, message, size); });
    return n;
  }

  [[nodiscard]] int64_t n_outputs() const {
    int64_t n = 0;
    checked([&](char* message, int64_t size) { return radml_n_outputs(model_, &n, message, size); });
    return n;
  }

  [[nodiscard]] py::str input_name(int64_t index) const {
    return whole_text([&](char* text, int64_t text_size, int64_t* length, char* message, int64_t size) {
      return radml_input_name(model_, index, text, text_size, length, message, size);
    });
  }

  [[nodiscard]] py::str output_name(int64_t index) const {
    return whole_text([&](char* text, int64_t text_size, int64_t* length, char* message, int64_t size) {
      return radml_output_name(model_, index, text, text_size, length, message, size);
    });
  }

  [[nodiscard]] py::str metadata(const std::string& key) const {
    return whole_text([&](char* text, int64_t text_size, int64_t* length, char* message, int64_t size) {
      return radml_metadata(model_, key.c_str(), text, text_size, length, message, size);
    });
  }

  void forward(py::handle inputs, py::handle outputs, const std::optional<radml_options>& options) const {
    const Arrays in = reader_.arrays(inputs, inputs_role);
    const Arrays out = reader_.arrays(outputs, outputs_role);
    checked([&](char* message, int64_t size) {
      if (!options)
        return radml_forward(model_, in.views.data(), in.count(), out.views.data(), out.count(), message, size);
      return radml_forward_with(model_, in.views.data(), in.count(), out.views.data(), out.count(), &*options, message, size);
    });
  }

  // Without outputs those of the forward are not wanted.
  void vector_jacobian_product(py::handle inputs, py::handle cotangents, py::handle gradients, py::handle outputs) const {
    const Arrays in = reader_.arrays(inputs, inputs_role);
    const Arrays vectors = reader_.arrays(cotangents, cotangents_role);
    product(radml_vector_jacobian_product, in, vectors, reader_.arrays(gradients, gradients_role), outputs);
  }

  void jacobian_vector_product(py::handle inputs, py::handle tangents, py::handle output_tangents, py::handle outputs) const {
    const Arrays in = reader_.arrays(inputs, inputs_role);
    const Arrays vectors = reader_.arrays(tangents, tangents_role);
    product(radml_jacobian_vector_product, in, vectors, reader_.arrays(output_tangents, output_tangents_role), outputs);
  }

  [[nodiscard]] radml_model number() const { return model_; }
  [[nodiscard]] const ArrayReader& reader() const { return reader_; }

 private:
  void product(decltype(&radml_vector_jacobian_product) function, const Arrays& in, const Arrays& vectors,
               const Arrays& results, py::handle outputs) const {
    const Arrays out = outputs.is_none() ? Arrays{py::tuple(), {}} : reader_.arrays(outputs, wanted_outputs_role);
    checked([&](char* message, int64_t size) {
      return function(model_, in.views.data(), in.count(), vectors.views.data(), vectors.count(), results.views.data(),
                      results.count(), out.views.data(), out.count(), message, size);
    });
  }

  ArrayReader reader_;
  radml_model model_ = 0;
  bool open_ = false;
};

class PlanHandle {
 public:
  // Holds the arrays, so that their memory is there for as long as the plan is.
  PlanHandle(const ModelHandle& model, py::handle inputs, py::handle outputs, const std::optional<radml_options>& options) {
    const Arrays in = model.reader().arrays(inputs, inputs_role);
    const Arrays out = model.reader().arrays(outputs, outputs_role);
    checked([&](char* message, int64_t size) {
      return radml_plan_create(model.number(), in.views.data(), in.count(), out.views.data(), out.count(),
                               options ? &*options : nullptr, &plan_, message, size);
    });
    inputs_ = in.objects;
    outputs_ = out.objects;
    open_ = true;
  }
  ~PlanHandle() {
    const py::gil_scoped_release unlocked;
    if (open_) radml_plan_free(plan_, nullptr, 0);
  }
  PlanHandle(const PlanHandle&) = delete;
  PlanHandle& operator=(const PlanHandle&) = delete;

  void run() const {
    for (const py::handle array : outputs_)
      if (!py::reinterpret_borrow<py::array>(array).writeable())
        fail(RADML_INVALID_ARRAY, py::str("an output of the plan has become read-only"));
    const py::object inputs = inputs_, outputs = outputs_;  // also where another thread closes the plan meanwhile
    checked([&](char* message, int64_t size) { return radml_plan_run(plan_, message, size); });
  }

  void close() {
    if (!std::exchange(open_, false)) return;
    checked([&](char* message, int64_t size) { return radml_plan_free(plan_, message, size); });
    inputs_ = outputs_ = py::tuple();
  }

 private:
  radml_plan plan_ = 0;
  bool open_ = false;
  py::tuple inputs_, outputs_;
};

class TrainerHandle {
 public:
  TrainerHandle(const std::string& path, const std::string& device, const std::string& optimizer,
                const radml_optimizer_options& options)
      : reader_(path) {
    refuse_zero_bytes("device", device);
    refuse_zero_bytes("optimizer", optimizer);
    checked([&](char* message, int64_t size) {
      return radml_trainer_create(path.c_str(), device.c_str(), optimizer.c_str(), &options, &trainer_, message, size);
    });
    open_ = true;
  }
  ~TrainerHandle() {
    const py::gil_scoped_release unlocked;
    if (open_) radml_trainer_free(trainer_, nullptr, 0);
  }
  TrainerHandle(const TrainerHandle&) = delete;
  TrainerHandle& operator=(const TrainerHandle&) = delete;

  void close() {
    if (!std::exchange(open_, false)) return;
    checked([&](char* message, int64_t size) { return radml_trainer_free(trainer_, message, size); });
  }

  [[nodiscard]] double step(py::handle inputs, py::handle targets) const {
    return loss_by(radml_trainer_step, inputs, targets);
  }
  [[nodiscard]] double loss(py::handle inputs, py::handle targets) const {
    return loss_by(radml_trainer_loss, inputs, targets);
  }

  void forward(py::handle inputs, py::handle outputs) const {
    const Arrays in = reader_.arrays(inputs, inputs_role);
    const Arrays out = reader_.arrays(outputs, outputs_role);
    checked([&](char* message, int64_t size) {
      return radml_trainer_forward(trainer_, in.views.data(), in.count(), out.views.data(), out.count(), message, size);
    });
  }

  void set_learning_rate(double value) const {
    checked([&](char* message, int64_t size) { return radml_trainer_set_learning_rate(trainer_, value, message, size); });
  }

  void save(const py::object& path) const { with_file(radml_trainer_save, path); }
  void save_checkpoint(const py::object& path) const { with_file(radml_trainer_save_checkpoint, path); }
  void load_checkpoint(const py::object& path) const { with_file(radml_trainer_load_checkpoint, path); }

 private:
  double loss_by(decltype(&radml_trainer_step) function, py::handle inputs, py::handle targets) const {
    const Arrays in = reader_.arrays(inputs, inputs_role);
    const Arrays right = reader_.arrays(targets, targets_role);
    double value = 0.0;
    checked([&](char* message, int64_t size) {
      return function(trainer_, in.views.data(), in.count(), right.views.data(), right.count(), &value, message, size);
    });
    return value;
  }

  void with_file(decltype(&radml_trainer_save) function, const py::object& path) const {
    const std::string text = path_text(path);
    checked([&](char* message, int64_t size) { return function(trainer_, text.c_str(), message, size); });
  }

  ArrayReader reader_;
  radml_trainer trainer_ = 0;
  bool open_ = false;
};

using Value = std::optional<double>;

radml_optimizer_options optimizer_options_of(Value learning_rate, Value momentum, Value weight_decay, Value beta1,
                                             Value beta2) {
  radml_optimizer_options options{};
  const auto give = [&](radml_optimizer_option flag, Value given, double& value) {
    if (!given) return;
    options.flags |= flag;
    value = *given;
  };
  give(RADML_LEARNING_RATE, learning_rate, options.learning_rate);
  give(RADML_MOMENTUM, momentum, options.momentum);
  give(RADML_WEIGHT_DECAY, weight_decay, options.weight_decay);
  give(RADML_BETA1, beta1, options.beta1);
  give(RADML_BETA2, beta2, options.beta2);
  return options;
}

std::optional<radml_options> options_of(std::optional<int64_t> column_dimension, std::optional<int64_t> columns_per_block,
                                        std::optional<int64_t> threads, bool convert) {
  if (!column_dimension && !columns_per_block && !threads && !convert) return {};
  radml_options options{};
  if (convert) options.flags |= RADML_CONVERT;
  if (column_dimension) {
    options.flags |= RADML_IN_BLOCKS;
    options.column_dimension = *column_dimension;
    options.columns_per_block = 128;  // as from Fortran
    options.threads = 1;
  }
  if (columns_per_block) options.columns_per_block = *columns_per_block;
  if (threads) options.threads = *threads;
  return options;
}

void define_error(py::module_& module) {
  const char* const doc = "A call that libradml refused or that failed: RadmlError(status, message).";
  py::object& type = error_type();
  type = py::reinterpret_steal<py::object>(
      PyErr_NewExceptionWithDoc("ftorch_bridge._radml.RadmlError", doc, PyExc_RuntimeError, nullptr));
  if (!type) throw py::error_already_set();
  const py::object property = py::module_::import("builtins").attr("property");
  const auto argument = [](int i) {
    return py::cpp_function([i](const py::object& self) { return py::object(self.attr("args")[py::int_(i)]); },
                            py::is_method(error_type()));
  };
  py::setattr(type, "__str__", argument(1));
  py::setattr(type, "status", property(argument(0)));
  py::setattr(type, "message", property(argument(1)));
  module.attr("RadmlError") = type;
}

}  // namespace

PYBIND11_MODULE(_radml, module) {
  if (radml_abi_version() != RADML_ABI_VERSION)
    throw py::import_error("libradml has the interface version " + std::to_string(radml_abi_version()) +
                           ", this Python module was compiled for " + std::to_string(RADML_ABI_VERSION));
  module.doc() = "The C interface of libradml on NumPy arrays; ftorch_bridge.coupling is the module to use.";

  py::native_enum<radml_status>(module, "Status", "enum.IntEnum", "Status codes of radml.h.")
      .value("SUCCESS", RADML_SUCCESS)
      .value("MISSING_FILE", RADML_MISSING_FILE)
      .value("INVALID_FILE", RADML_INVALID_FILE)
      .value("UNKNOWN_DEVICE", RADML_UNKNOWN_DEVICE)
      .value("MISSING_DEVICE", RADML_MISSING_DEVICE)
      .value("NOT_LOADED", RADML_NOT_LOADED)
      .value("WRONG_INPUT_COUNT", RADML_WRONG_INPUT_COUNT)
      .value("WRONG_OUTPUT_COUNT", RADML_WRONG_OUTPUT_COUNT)
      .value("WRONG_RANK", RADML_WRONG_RANK)
      .value("WRONG_SHAPE", RADML_WRONG_SHAPE)
      .value("WRONG_KIND", RADML_WRONG_KIND)
      .value("INVALID_ARRAY", RADML_INVALID_ARRAY)
      .value("MODEL_FAILED", RADML_MODEL_FAILED)
      .value("WRONG_OUTPUT_TYPE", RADML_WRONG_OUTPUT_TYPE)
      .value("WRONG_INDEX", RADML_WRONG_INDEX)
      .value("MISSING_KEY", RADML_MISSING_KEY)
      .value("WRONG_ARGUMENT", RADML_WRONG_ARGUMENT)
      .value("OUT_OF_MEMORY", RADML_OUT_OF_MEMORY)
      .value("INTERNAL_ERROR", RADML_INTERNAL_ERROR)
      .value("NOT_DIFFERENTIABLE", RADML_NOT_DIFFERENTIABLE)
      .value("WITHOUT_TORCH", RADML_WITHOUT_TORCH)
      .value("NOT_FINITE", RADML_NOT_FINITE)
      .finalize();
  define_error(module);

  using Number = std::optional<int64_t>;
  const auto none = py::none();
  py::class_<ModelHandle>(module, "ModelHandle")
      .def(py::init([](const py::object& path, const std::string& device) {
             return std::make_unique<ModelHandle>(path_text(path), device);
           }),
           py::arg("path"), py::arg("device"))
      .def("close", &ModelHandle::close)
      .def("n_inputs", &ModelHandle::n_inputs)
      .def("n_outputs", &ModelHandle::n_outputs)
      .def("input_name", &ModelHandle::input_name, py::arg("index"))
      .def("output_name", &ModelHandle::output_name, py::arg("index"))
      .def("metadata", &ModelHandle::metadata, py::arg("key"))
      .def(
          "forward",
          [](const ModelHandle& self, const py::object& inputs, const py::object& outputs, Number column_dimension,
             Number columns_per_block, Number threads, bool convert) {
            self.forward(inputs, outputs, options_of(column_dimension, columns_per_block, threads, convert));
          },
          py::arg("inputs"), py::arg("outputs"), py::arg("column_dimension") = none, py::arg("columns_per_block") = none,
          py::arg("threads") = none, py::arg("convert") = false)
      .def("vector_jacobian_product", &ModelHandle::vector_jacobian_product, py::arg("inputs"), py::arg("cotangents"),
           py::arg("gradients"), py::arg("outputs") = none)
      .def("jacobian_vector_product", &ModelHandle::jacobian_vector_product, py::arg("inputs"), py::arg("tangents"),
           py::arg("output_tangents"), py::arg("outputs") = none);
  py::class_<PlanHandle>(module, "PlanHandle")
      .def(py::init([](const ModelHandle& model, const py::object& inputs, const py::object& outputs, Number column_dimension,
                       Number columns_per_block, Number threads, bool convert) {
             return std::make_unique<PlanHandle>(model, inputs, outputs,
                                                 options_of(column_dimension, columns_per_block, threads, convert));
           }),
           py::arg("model"), py::arg("inputs"), py::arg("outputs"), py::arg("column_dimension") = none,
           py::arg("columns_per_block") = none, py::arg("threads") = none, py::arg("convert") = false)
      .def("run", &PlanHandle::run)
      .def("close", &PlanHandle::close);
  py::class_<TrainerHandle>(module, "TrainerHandle")
      .def(py::init([](const py::object& path, const std::string& device, const std::string& optimizer, Value learning_rate,
                       Value momentum, Value weight_decay, Value beta1, Value beta2) {
             return std::make_unique<TrainerHandle>(
                 path_text(path), device, optimizer,
                 optimizer_options_of(learning_rate, momentum, weight_decay, beta1, beta2));
           }),
           py::arg("path"), py::arg("device"), py::arg("optimizer"), py::arg("learning_rate") = none,
           py::arg("momentum") = none, py::arg("weight_decay") = none, py::arg("beta1") = none, py::arg("beta2") = none)
      .def("step", &TrainerHandle::step, py::arg("inputs"), py::arg("targets"))
      .def("loss", &TrainerHandle::loss, py::arg("inputs"), py::arg("targets"))
      .def("forward", &TrainerHandle::forward, py::arg("inputs"), py::arg("outputs"))
      .def("set_learning_rate", &TrainerHandle::set_learning_rate, py::arg("learning_rate"))
      .def("save", &TrainerHandle::save, py::arg("path"))
      .def("save_checkpoint", &TrainerHandle::save_checkpoint, py::arg("path"))
      .def("load_checkpoint", &TrainerHandle::load_checkpoint, py::arg("path"))
      .def("close", &TrainerHandle::close);

  module.def(
      "set_num_threads",
      [](int64_t n) { checked([&](char* message, int64_t size) { return radml_set_num_threads(n, message, size); }); },
      py::arg("n"));
  module.def("get_num_threads", [] {
    int64_t n = 0;
    checked([&](char* message, int64_t size) { return radml_get_num_threads(&n, message, size); });
    return n;
  });
  module.def("version", &radml_version);
  module.def("torch_version", &radml_torch_version);
  module.def("abi_version", &radml_abi_version);
}
