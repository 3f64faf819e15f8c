// A call of a model with everything that can be decided beforehand decided: arrays checked and bound, blocks of columns laid
// out, memory for them taken.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "model.hpp"
#include "radml.h"

namespace radml {

// Without blocks the model sees the arrays themselves where LibTorch can view them, else copies in memory of the plan.
//
// With blocks it sees nothing but tensors in memory of the plan: in each call the same shapes, the same strides and the same
// alignment, whatever the host's arrays are like and however many columns are left for the last block (which is filled up with
// its last column). LibTorch chooses its kernels, and with them the rounding, by those; so a column's result does not depend on
// how many others are computed in the same call.
class Plan {
 public:
  static constexpr const char* none_text = "no plan: call create first";
  static constexpr const char* freed_text = "the plan was freed";

  // Throws Error for arrays or options that do not fit the model. The arrays' memory stays the caller's.
  Plan(std::shared_ptr<const Model> model, std::span<const radml_array> inputs, std::span<const radml_array> outputs,
       const radml_options& options);

  // To be called with the host's own floating-point environment and OpenMP settings, as they are without a CallGuard. Calls
  // from several threads wait for each other. Without blocks no output has been touched on failure; with blocks those of
  // the blocks before, and of those that other threads were at.
  void run();

 private:
  enum class Binding {
    view,       // the tensor is the array
    per_block,  // copied into the worker's own tensor for each block
    per_run,    // the same for all blocks: copied once a run
  };

  struct Input {
    radml_array array;
    int column = -1;  // dimension of the columns, from 0; -1: none, passed whole
    Binding binding = Binding::view;
    radml_array staging{};     // like a worker's tensor, without the address
    at::Tensor saved_tensor;   // where an output shares memory with the array: the array's values from before the run
    radml_array saved{};
  };
  struct Output {
    radml_array array;
    int column = -1;
  };
  // What one thread needs; or, where the model is on a GPU, one of the blocks that are under way at once.
  struct Worker {
    std::vector<at::Tensor> inputs;
    std::vector<at::Tensor> results;
    // On a GPU, where the tensors above and below that are on the host lie in page-locked memory:
    std::vector<at::Tensor> returned;    // the results, on the host
    std::optional<c10::Stream> stream;
    std::optional<c10::Event> written;   // when the results of `block` have been copied into `returned`
    int64_t block = -1;                  // under way; -1: none
  };

  void check_block() const;
  void check_places() const;
  void find_columns(int64_t dimension);
  void bind_inputs();
  void make_workers(int64_t threads);
  void fill_for_all_blocks();
  void run_blocks();
  void run_block(Worker& worker, int64_t block) const;
  void run_blocks_on_device();
  void start_block(Worker& worker, int64_t block) const;
  void finish_block(Worker& worker) const;
  [[nodiscard]] int64_t columns_of(int64_t block) const;
  [[noreturn]] void rethrow(const std::exception_ptr& failure, int64_t block) const;  // with the columns of the block
  void fill(Worker& worker, size_t i, int64_t first, int64_t n) const;
  void write(const std::vector<at::Tensor>& results, int64_t first, int64_t n) const;

  std::shared_ptr<const Model> model_;
  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
  std::vector<radml_array> expected_;  // the outputs as the model must return them, for one block
  bool in_blocks_;
  bool convert_;
  int64_t n_columns_ = 0;          // in blocks: in one run
  int64_t columns_per_block_ = 0;  // in blocks
  int64_t n_blocks_ = 1;
  std::vector<Worker> workers_;
  std::mutex running_;
};

}  // namespace radml
