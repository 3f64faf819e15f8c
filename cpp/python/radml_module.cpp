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

// Arrays of a call: their views, and the objects, which another thread may take out of the caller's list meanwhile.
struct Arrays {
  py::tuple objects;
  std::vector<radml_array> views;
  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(views.size()); }
};

class ModelHandle {
 public:
  ModelHandle(const std::filesystem::path& path, const std::string& device) : file_(path.filename().string()) {
    const std::string text = path.string();
    for (const std::string* given : {&text, &device})
      if (given->find('\0') != std::string::npos)
        fail(RADML_WRONG_ARGUMENT, py::str("path and device: expected a text without zero bytes"));
    checked([&](char* message, int64_t size) { return radml_load(text.c_str(), device.c_str(), &model_, message, size); });
    open_ = true;
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
    const Arrays in = arrays(inputs, false);
    const Arrays out = arrays(outputs, true);
    checked([&](char* message, int64_t size) {
      if (!options)
        return radml_forward(model_, in.views.data(), in.count(), out.views.data(), out.count(), message, size);
      return radml_forward_with(model_, in.views.data(), in.count(), out.views.data(), out.count(), &*options, message, size);
    });
  }

  [[nodiscard]] radml_model number() const { return model_; }

  // The arrays of a list or tuple as the library takes them: their own memory, whatever its order and strides.
  [[nodiscard]] Arrays arrays(py::handle given, bool is_output) const {
    if (!py::isinstance<py::list>(given) && !py::isinstance<py::tuple>(given))
      fail(RADML_INVALID_ARRAY, text_of(file_ + (is_output ? ": outputs" : ": inputs") +
                                        ": expected a list or tuple of NumPy arrays, got " + type_name(given)));
    Arrays found{py::tuple(py::reinterpret_borrow<py::object>(given)), {}};
    found.views.reserve(found.objects.size());
    for (const py::handle object : found.objects) found.views.push_back(view(object, is_output, found.views.size() + 1));
    return found;
  }

 private:
  [[noreturn]] void refuse(radml_status status, bool is_output, size_t number, const std::string& text) const {
    std::string label = file_ + (is_output ? ": output " : ": input ") + std::to_string(number);
    char name[256] = "";
    int64_t length = 0;
    if ((is_output ? radml_output_name : radml_input_name)(model_, static_cast<int64_t>(number), name, sizeof name, &length,
                                                           nullptr, 0) == RADML_SUCCESS &&
        length > 0)
      label += std::string(" \"") + name + "\"";
    fail(status, text_of(label + ": " + text));
  }

  [[nodiscard]] radml_array view(py::handle object, bool is_output, size_t number) const {
    if (!py::isinstance<py::array>(object))
      refuse(RADML_INVALID_ARRAY, is_output, number, "expected a NumPy array, got " + type_name(object));
    if (py::hasattr(object, "mask"))
      refuse(RADML_INVALID_ARRAY, is_output, number, "a masked array: its mask would be ignored; give its data, or fill it");
    const auto array = py::reinterpret_borrow<py::array>(object);
    if (is_output && !array.writeable()) refuse(RADML_INVALID_ARRAY, is_output, number, "the array is read-only");
    if (array.ndim() > RADML_MAX_RANK)
      refuse(RADML_WRONG_RANK, is_output, number, "expected at most 15 dimensions, got " + std::to_string(array.ndim()));
    radml_array view{};
    view.kind = kind_of(array.dtype());
    if (view.kind == RADML_UNSUPPORTED)
      refuse(RADML_WRONG_KIND, is_output, number,
             "expected float32, float64, int8 to int64, bool, complex64 or complex128 in this machine's byte order, got " +
                 py::str(array.dtype()).cast<std::string>());
    view.address = const_cast<void*>(array.data());  // an input is only read: its flag says so
    view.element_size = static_cast<int32_t>(array.itemsize());
    view.rank = static_cast<int32_t>(array.ndim());
    view.flags = is_output ? 0 : RADML_READ_ONLY;
    for (int32_t i = 0; i < view.rank; ++i) {
      view.shape[i] = array.shape(i);
      view.strides[i] = array.strides(i);
    }
    if (is_output && elements_overlap(view))
      refuse(RADML_INVALID_ARRAY, is_output, number, "elements of the array lie in the same memory");
    return view;
  }

  std::string file_;
  radml_model model_ = 0;
  bool open_ = false;
};

class PlanHandle {
 public:
  // Holds the arrays, so that their memory is there for as long as the plan is.
  PlanHandle(const ModelHandle& model, py::handle inputs, py::handle outputs, const std::optional<radml_options>& options) {
    const Arrays in = model.arrays(inputs, false);
    const Arrays out = model.arrays(outputs, true);
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
             const auto bytes = py::module_::import("os").attr("fsencode")(path).cast<std::string>();
             return std::make_unique<ModelHandle>(std::filesystem::path(bytes), device);
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
          py::arg("threads") = none, py::arg("convert") = false);
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
