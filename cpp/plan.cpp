#include "plan.hpp"

#include <ATen/ops/empty_strided.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <limits>
#include <new>
#include <numeric>
#include <string>
#include <utility>

#include "array_copy.hpp"
#include "call_guard.hpp"
#include "error.hpp"
#include "exception_text.hpp"
#include "tensor_view.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace radml {
namespace {

// More are a mistake, and OpenMP ends the program where the system has no more threads to give.
constexpr int64_t most_threads = 1024;

// One that computes, one on its way to the GPU, and one that the host is at.
constexpr int64_t blocks_on_device = 3;

// A dense array of this shape and kind, its dimensions in the order in memory of another array's.
radml_array dense_like(const radml_array& array, int32_t kind) {
  radml_array dense{};
  dense.kind = kind;
  dense.element_size = static_cast<int32_t>(c10::elementSize(scalar_type(kind)));
  dense.rank = array.rank;
  std::array<int32_t, RADML_MAX_RANK> order{};
  const auto end = order.begin() + array.rank;
  std::iota(order.begin(), end, 0);
  std::stable_sort(order.begin(), end,
                   [&](int32_t a, int32_t b) { return std::abs(array.strides[a]) < std::abs(array.strides[b]); });
  int64_t stride = dense.element_size;
  for (auto d = order.begin(); d != end; ++d) {
    dense.shape[*d] = array.shape[*d];
    dense.strides[*d] = stride;
    if (__builtin_mul_overflow(stride, std::max<int64_t>(array.shape[*d], 1), &stride)) throw std::bad_alloc();
  }
  return dense;
}

// `page_locked`: a GPU can copy from it while the host goes on.
at::Tensor empty_tensor(const radml_array& dense, bool page_locked = false) {
  std::array<int64_t, RADML_MAX_RANK> strides{};
  const auto rank = static_cast<size_t>(dense.rank);
  for (size_t i = 0; i < rank; ++i) strides[i] = dense.strides[i] / dense.element_size;
  return at::empty_strided({dense.shape, rank}, {strides.data(), rank},
                           at::TensorOptions().dtype(scalar_type(dense.kind)).pinned_memory(page_locked));
}

radml_array placed(radml_array array, const at::Tensor& tensor) {
  array.address = tensor.data_ptr();
  return array;
}

// The columns from `first` on, counted from 0.
radml_array section(radml_array array, int column, int64_t first, int64_t n) {
  array.address = static_cast<std::byte*>(array.address) + first * array.strides[column];
  array.shape[column] = n;
  return array;
}

bool same_layout(const radml_array& a, const radml_array& b) {
  return a.address == b.address && a.rank == b.rank && a.element_size == b.element_size &&
         std::equal(a.shape, a.shape + a.rank, b.shape) && std::equal(a.strides, a.strides + a.rank, b.strides);
}

// The place of the dimension `name` in an argument, from 0; -1 where it has none.
int place_of(const std::string& name, const Argument& argument, const std::string& where) {
  int place = -1;
  for (size_t i = 0; i < argument.shape.size(); ++i) {
    const Extent& extent = argument.shape[i];
    if (extent.name != name) continue;
    if (place >= 0 || extent.number != 0) {
      const std::string what = place >= 0 ? " twice" : std::string("+").append(std::to_string(extent.number));
      throw Error(RADML_WRONG_ARGUMENT, where + " has \"" + name + "\"" + what + ": its columns cannot be computed in blocks");
    }
    place = static_cast<int>(i);
  }
  return place;
}

// As ftorch-generate knows them; of other names any may be the columns.
bool is_column(const Extent& extent) { return extent.name == "column" || extent.name == "ncol"; }

void check_range(const std::string& model, const char* what, int64_t value, int64_t smallest, int64_t largest) {
  if (value < smallest || value > largest)
    throw Error(RADML_WRONG_ARGUMENT, model + ": " + what + ": expected " + std::to_string(smallest) +
                                          (largest == std::numeric_limits<int32_t>::max() ? " or more"
                                                                                          : " to " + std::to_string(largest)) +
                                          ", got " + std::to_string(value));
}

}  // namespace

Plan::Plan(std::shared_ptr<const Model> model, std::span<const radml_array> inputs, std::span<const radml_array> outputs,
           const radml_options& options)
    : model_(std::move(model)),
      in_blocks_((options.flags & RADML_IN_BLOCKS) != 0),
      convert_((options.flags & RADML_CONVERT) != 0) {
  constexpr int64_t many = std::numeric_limits<int32_t>::max();
  const std::string& name = model_->file();
  if (in_blocks_) {
    check_range(name, "column_dimension", options.column_dimension, 1, RADML_MAX_RANK);
    check_range(name, "columns_per_block", options.columns_per_block, 1, many);
    check_range(name, "threads", options.threads, 1, most_threads);
  } else if (options.column_dimension != 0 || options.columns_per_block != 0 || options.threads != 0) {
    throw Error(RADML_WRONG_ARGUMENT, name + ": columns_per_block and threads go with column_dimension, which is not given");
  }
  if (convert_ && model_->manifest() == nullptr)
    throw Error(RADML_WRONG_ARGUMENT, name + ": convert: the model has no manifest that says which kinds it takes");
  const Manifest* const manifest = model_->manifest();
  std::string columns;  // the name of their dimension
  if (in_blocks_ && manifest != nullptr && !manifest->outputs.empty())
    if (const auto& shape = manifest->outputs.front().shape; static_cast<size_t>(options.column_dimension) <= shape.size())
      columns = shape[static_cast<size_t>(options.column_dimension - 1)].name;
  model_->check_call(inputs, outputs, convert_, columns);
  for (const radml_array& array : inputs) inputs_.emplace_back().array = array;
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs_.emplace_back().array = outputs[i];
    expected_.push_back(outputs[i]);
    if (manifest != nullptr) expected_.back().kind = manifest->outputs[i].kind;
  }
  if (in_blocks_) {
    find_columns(options.column_dimension);
    columns_per_block_ = options.columns_per_block;
    n_blocks_ = (n_columns_ + columns_per_block_ - 1) / columns_per_block_;
    for (size_t i = 0; i < outputs_.size(); ++i) expected_[i].shape[outputs_[i].column] = columns_per_block_;
    if (manifest != nullptr) check_block();
  }
  check_places();
  const c10::InferenceMode inference;
  try {
    bind_inputs();
    const int64_t at_once = model_->device().is_cpu() ? options.threads : blocks_on_device;
    make_workers(in_blocks_ ? std::clamp<int64_t>(n_blocks_, 1, at_once) : 1);
  } catch (const std::exception& error) {  // of LibTorch, which was asked for nothing but memory
    const std::string blocks = in_blocks_ ? " of " + std::to_string(columns_per_block_) + " columns" : "";
    throw Error(RADML_OUT_OF_MEMORY, name + ": no memory for copies of the arrays" + blocks + ": " + exception_text(error));
  }
}

// The model may have been exported for a range of columns: a block must lie in it, not all the columns.
void Plan::check_block() const {
  std::vector<radml_array> inputs;
  for (const Input& input : inputs_) {
    inputs.push_back(input.array);
    if (input.column >= 0) inputs.back().shape[input.column] = columns_per_block_;
  }
  std::vector<radml_array> outputs;
  for (const Output& output : outputs_) {
    outputs.push_back(output.array);
    outputs.back().shape[output.column] = columns_per_block_;
  }
  model_->check_call(inputs, outputs, convert_);
}

// What lies on the device is not copied through the host.
void Plan::check_places() const {
  const auto check = [&](const radml_array& array, int32_t kind, const std::string& label) {
    if (!is_on_device(array)) return;
    if (in_blocks_)
      throw Error(RADML_WRONG_ARGUMENT, label + ": an array on the device is computed whole: column_dimension is for the host's");
    if (array.kind != kind) throw Error(RADML_WRONG_KIND, label + ": an array on the device is not converted");
  };
  const Manifest* const manifest = model_->manifest();
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const radml_array& array = inputs_[i].array;
    const std::string label = model_->file() + ": " + model_->input_label(i);
    check(array, manifest != nullptr ? manifest->inputs[i].kind : array.kind, label);
  }
  for (size_t i = 0; i < outputs_.size(); ++i)
    check(outputs_[i].array, expected_[i].kind, model_->file() + ": " + model_->output_label(i));
}

void Plan::find_columns(int64_t dimension) {
  const std::string& file = model_->file();
  const auto d = static_cast<int>(dimension - 1);
  if (outputs_.empty()) throw Error(RADML_WRONG_ARGUMENT, file + ": column_dimension: there is no output");
  if (const Manifest* const manifest = model_->manifest(); manifest != nullptr) {
    const std::string label = model_->output_label(0);
    const std::vector<Extent>& shape = manifest->outputs.front().shape;
    if (static_cast<size_t>(d) >= shape.size())
      throw Error(RADML_WRONG_ARGUMENT, file + ": column_dimension: " + label + " has " + std::to_string(shape.size()) +
                                            " dimensions, got " + std::to_string(dimension));
    const std::string name = shape[static_cast<size_t>(d)].name;
    if (name.empty())
      throw Error(RADML_WRONG_ARGUMENT, file + ": column_dimension: dimension " + std::to_string(dimension) + " of " + label +
                                            " is fixed by the model and has no columns to share out");
    if (const auto columns = std::find_if(shape.begin(), shape.end(), is_column); columns != shape.end() && !is_column(shape[d]))
      throw Error(RADML_WRONG_ARGUMENT, file + ": column_dimension: " + label + " has its columns, \"" + columns->name +
                                            "\", in dimension " + std::to_string(columns - shape.begin() + 1) +
                                            " of the model, got " + std::to_string(dimension) +
                                            "; dimensions count as the model has them, also of torch_reverse(...)");
    for (size_t i = 0; i < inputs_.size(); ++i)
      inputs_[i].column = place_of(name, manifest->inputs[i], file + ": column_dimension: " + model_->input_label(i));
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const std::string where = file + ": column_dimension: " + model_->output_label(i);
      outputs_[i].column = place_of(name, manifest->outputs[i], where);
      if (outputs_[i].column < 0)
        throw Error(RADML_WRONG_ARGUMENT, where + " has no dimension \"" + name + "\": blocks of columns cannot fill it");
    }
    n_columns_ = outputs_.front().array.shape[outputs_.front().column];
    return;
  }
  const radml_array& first = outputs_.front().array;
  const auto take = [&](const radml_array& array, const std::string& label) {
    const std::string where = file + ": column_dimension: " + label;
    if (d >= array.rank)
      throw Error(RADML_WRONG_RANK, where + ": expected " + std::to_string(dimension) + " or more dimensions, got " +
                                        array_text(array) + "; without a manifest all arrays must have the columns there");
    if (array.shape[d] != first.shape[d])
      throw Error(RADML_WRONG_SHAPE, where + ": expected " + std::to_string(first.shape[d]) + " columns as in " +
                                         model_->output_label(0) + ", got " + array_text(array));
    return d;
  };
  for (size_t i = 0; i < outputs_.size(); ++i) outputs_[i].column = take(outputs_[i].array, model_->output_label(i));
  for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].column = take(inputs_[i].array, model_->input_label(i));
  n_columns_ = first.shape[d];
}

void Plan::bind_inputs() {
  const Manifest* const manifest = model_->manifest();
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Input& input = inputs_[i];
    const int32_t kind = manifest != nullptr ? manifest->inputs[i].kind : input.array.kind;
    // What is on the device the model copies itself.
    const bool written = model_->writes_input(i) && !is_on_device(input.array);
    if (in_blocks_)
      input.binding = input.column < 0 && !written ? Binding::per_run : Binding::per_block;
    else if (written || kind != input.array.kind || !can_view(input.array))
      input.binding = Binding::per_block;
    if (input.binding == Binding::view) continue;
    input.staging = dense_like(input.array, kind);
    if (input.column >= 0) {
      radml_array block = input.array;
      block.shape[input.column] = columns_per_block_;
      input.staging = dense_like(block, kind);
    }
    if (!in_blocks_) continue;
    for (const Output& output : outputs_) {
      // An array that is input and output alike is read block by block before it is written.
      const bool in_step = input.column >= 0 && input.column == output.column && same_layout(input.array, output.array);
      if (in_step || !may_overlap(input.array, output.array)) continue;
      input.saved = dense_like(input.array, input.array.kind);
      input.saved_tensor = empty_tensor(input.saved);
      input.saved = placed(input.saved, input.saved_tensor);
      break;
    }
  }
}

void Plan::make_workers(int64_t threads) {
  workers_.resize(static_cast<size_t>(threads));
  for (Worker& worker : workers_) {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const Input& input = inputs_[i];
      if (input.binding == Binding::view)
        worker.inputs.push_back(input_tensor(input.array, model_->device()));
      else if (input.binding == Binding::per_run && &worker != &workers_.front())
        worker.inputs.push_back(workers_.front().inputs[i]);
      else
        worker.inputs.push_back(empty_tensor(input.staging, !model_->device().is_cpu()));
    }
    worker.results.reserve(outputs_.size());
  }
}

void Plan::run() {
  const std::lock_guard lock(running_);
  if (in_blocks_) {
    if (n_columns_ == 0) return;
    fill_for_all_blocks();
    if (model_->device().is_cpu())
      run_blocks();
    else
      run_blocks_on_device();
    return;
  }
  const CallGuard guard;
  const c10::InferenceMode inference;
  run_block(workers_.front(), 0);
  const auto on_device = [](const Output& output) { return is_on_device(output.array); };
  if (std::any_of(outputs_.begin(), outputs_.end(), on_device)) model_->wait_for_device();
}

void Plan::fill_for_all_blocks() {
  const CallGuard guard;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Input& input = inputs_[i];
    if (input.saved_tensor.defined()) copy_array(input.array, input.saved);
    if (input.binding == Binding::per_run) fill(workers_.front(), i, 0, 0);
  }
}

void Plan::run_blocks() {
  std::atomic<int64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex failure_lock;
  std::exception_ptr failure;
  int64_t failed_block = n_blocks_;
  const auto work = [&](Worker& worker) {
    // All three are settings of each thread. The region is entered with the host's: threads that start there are the host's.
    const CallGuard guard;
    const c10::InferenceMode inference;
    const OneTorchThread one;
    for (int64_t block = next++; block < n_blocks_ && !stop; block = next++) {
      try {
        run_block(worker, block);
      } catch (...) {
        stop = true;
        const std::lock_guard lock(failure_lock);
        if (block < failed_block) {
          failed_block = block;
          failure = std::current_exception();
        }
      }
    }
    worker.results.clear();
  };
#ifdef _OPENMP
  // One region for all: each costs a wait for the slowest thread. Inside a parallel region of the host: the caller alone.
  const auto n_threads = static_cast<int>(workers_.size());
#pragma omp parallel num_threads(n_threads) if (n_threads > 1)
  work(workers_[static_cast<size_t>(omp_get_thread_num())]);
#else
  work(workers_.front());
#endif
  if (failure) rethrow(failure, failed_block);
}

void Plan::run_block(Worker& worker, int64_t block) const {
  const int64_t first = block * columns_per_block_;
  const int64_t n = columns_of(block);
  for (size_t i = 0; i < inputs_.size(); ++i)
    if (inputs_[i].binding == Binding::per_block) fill(worker, i, first, n);
  model_->evaluate(worker.inputs, worker.results);
  model_->check_results(worker.results, expected_);
  secure_results(worker.results, worker.inputs);
  write(worker.results, first, n);
  worker.results.clear();
}

// Several blocks are under way at once, each in a stream of its own: while one computes, another is copied to the GPU, and the
// host writes the results of a third into its arrays.
void Plan::run_blocks_on_device() {
  const CallGuard guard;
  const c10::InferenceMode inference;
  struct Wait {  // page-locked memory must stay until the GPU is done with it, also on failure
    std::vector<Worker>& workers;
    ~Wait() {
      for (Worker& worker : workers) {
        try {
          if (worker.block >= 0 && worker.written) worker.written->synchronize();
        } catch (const std::exception&) {
          // It was this that failed, and has been reported.
        }
        worker.block = -1;
        worker.results.clear();
      }
    }
  } const wait{workers_};
  const auto n_workers = static_cast<int64_t>(workers_.size());
  for (int64_t block = 0; block < n_blocks_ + n_workers; ++block) {
    Worker& worker = workers_[static_cast<size_t>(block % n_workers)];
    try {
      if (worker.block >= 0) finish_block(worker);
    } catch (...) {
      rethrow(std::current_exception(), worker.block);
    }
    try {
      if (block < n_blocks_) start_block(worker, block);
    } catch (...) {
      rethrow(std::current_exception(), block);
    }
  }
}

void Plan::start_block(Worker& worker, int64_t block) const {
  const int64_t first = block * columns_per_block_;
  for (size_t i = 0; i < inputs_.size(); ++i)
    if (inputs_[i].binding == Binding::per_block) fill(worker, i, first, columns_of(block));
  if (!worker.stream) {
    const c10::impl::VirtualGuardImpl device(model_->device().type());
    worker.stream = device.getNewStream(model_->device());
    worker.written.emplace(model_->device().type());
  }
  const c10::StreamGuard stream(*worker.stream);
  worker.block = block;
  model_->evaluate(worker.inputs, worker.results);
  model_->check_results(worker.results, expected_);
  worker.returned.resize(worker.results.size());
  for (size_t i = 0; i < worker.results.size(); ++i) {
    const at::Tensor& result = worker.results[i];
    at::Tensor& returned = worker.returned[i];
    // Of the same strides: others would be copied twice, and waited for.
    if (!returned.defined() || returned.strides() != result.strides())
      returned = at::empty_strided(result.sizes(), result.strides(), result.options().device(c10::kCPU).pinned_memory(true));
    returned.copy_(result, /*non_blocking=*/true);
  }
  worker.written->record(*worker.stream);
  worker.results.clear();  // the memory is used again in this stream only
}

void Plan::finish_block(Worker& worker) const {
  try {
    worker.written->synchronize();
  } catch (const std::exception& error) {
    throw Error(RADML_MODEL_FAILED, model_->file() + ": the model failed: " + exception_text(error));
  }
  write(worker.returned, worker.block * columns_per_block_, columns_of(worker.block));
  worker.block = -1;
}

int64_t Plan::columns_of(int64_t block) const { return std::min(columns_per_block_, n_columns_ - block * columns_per_block_); }

void Plan::rethrow(const std::exception_ptr& failure, int64_t block) const {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    const int64_t first = block * columns_per_block_;
    throw Error(error.status(), std::string(error.what()) + " (columns " + std::to_string(first + 1) + " to " +
                                    std::to_string(first + columns_of(block)) + ")");
  }
}

void Plan::fill(Worker& worker, size_t i, int64_t first, int64_t n) const {
  const Input& input = inputs_[i];
  const radml_array& source = input.saved_tensor.defined() ? input.saved : input.array;
  const radml_array target = placed(input.staging, worker.inputs[i]);
  if (input.column < 0) {
    copy_array(source, target);
    return;
  }
  copy_array(section(source, input.column, first, n), section(target, input.column, 0, n));
  if (n == columns_per_block_) return;
  // The rest of the block is its last column again: numbers the model knows how to handle.
  radml_array padding = section(target, input.column, n, columns_per_block_ - n);
  radml_array last = section(target, input.column, n - 1, columns_per_block_ - n);
  last.strides[input.column] = 0;
  copy_array(last, padding);
}

void Plan::write(const std::vector<at::Tensor>& results, int64_t first, int64_t n) const {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Output& output = outputs_[i];
    if (output.column < 0)
      write_output(results[i], output.array, model_->device());
    else
      write_output(n == columns_per_block_ ? results[i] : results[i].narrow(output.column, 0, n),
                   section(output.array, output.column, first, n));
  }
}

}  // namespace radml
