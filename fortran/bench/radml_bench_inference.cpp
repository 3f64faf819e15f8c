// radml-bench-inference model inputs.pt input_dimensions output_dimensions columns_per_block threads: passes of a model over
// columns, one for each line of standard input, so that several programs may take turns.
//
// inputs.pt is a TorchScript module without arguments that returns the tensors to run on. input_dimensions and
// output_dimensions name, for each of them, the dimension that runs over columns, from 0, or -1 (as in 0,0,-1). A line is
//   run plan      a plan of the coupling, from a host's arrays to a host's arrays, `threads` threads sharing the blocks
//   run libtorch  LibTorch alone, on tensors of the same blocks that are ready, with as many threads inside each forward
//   run sgemm     the yardstick: the best of three products of matrices, with as many threads
// with the number of passes, one where it is absent, and the answer one line of JSON with their seconds. The first line, before
// all answers, says what this is.
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/version.h>

#include <chrono>
#include <exception>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>

#include "bench_arrays.hpp"

namespace {

using namespace radml_bench;

constexpr int64_t sgemm_size = 1024;

// A model as LibTorch runs it, without radml.
class Alone {
 public:
  explicit Alone(const std::string& path) {
    if (path.ends_with(".pt2")) {
      package_ = std::make_unique<torch::inductor::AOTIModelPackageLoader>(path);
    } else {
      module_ = torch::jit::load(path);
      module_->eval();
      module_ = torch::jit::freeze(*module_);
    }
  }
  Tensors run(const Tensors& inputs) {
    if (package_) return package_->run(inputs);
    return tensors_of(module_->forward(std::vector<c10::IValue>(inputs.begin(), inputs.end())));
  }

 private:
  std::optional<torch::jit::Module> module_;
  std::unique_ptr<torch::inductor::AOTIModelPackageLoader> package_;
};

std::vector<int64_t> numbers_of(const std::string& text) {
  std::vector<int64_t> numbers;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) numbers.push_back(std::stoll(part));
  return numbers;
}

int64_t one_or_more(const char* text, const char* name) {
  const int64_t number = std::atoll(text);
  if (number < 1) throw std::runtime_error(std::string(name) + ": expected 1 or more, got \"" + text + '"');
  return number;
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Passes {
 public:
  Passes(const char* path, const char* inputs_file, const std::vector<int64_t>& input_dimensions,
         const std::vector<int64_t>& output_dimensions, int64_t columns_per_block, int64_t threads)
      : alone_(path), threads_(static_cast<int>(threads)) {
    for (const at::Tensor& tensor : tensors_of(torch::jit::load(inputs_file).forward({}))) inputs_.push_back(in_fortran_order(tensor));
    if (inputs_.size() != input_dimensions.size()) throw std::runtime_error("input_dimensions: expected one for each input");
    for (size_t i = 0; i < inputs_.size(); ++i)
      if (input_dimensions[i] >= 0) columns_ = inputs_[i].size(input_dimensions[i]);
    if (columns_ == 0) throw std::runtime_error("input_dimensions: expected an input with columns");
    for (int64_t first = 0; first < columns_; first += columns_per_block) {
      Tensors block;
      for (size_t i = 0; i < inputs_.size(); ++i) {
        const int64_t dimension = input_dimensions[i];
        const int64_t count = std::min(columns_per_block, columns_ - first);
        block.push_back(dimension < 0 ? inputs_[i] : in_fortran_order(inputs_[i].narrow(dimension, first, count)));
      }
      blocks_.push_back(block);
    }
    Tensors like = alone_.run(blocks_.front());
    if (like.size() != output_dimensions.size()) throw std::runtime_error("output_dimensions: expected one for each output");
    for (size_t i = 0; i < like.size(); ++i) {
      std::vector<int64_t> shape = like[i].sizes().vec();
      if (output_dimensions[i] >= 0) shape[static_cast<size_t>(output_dimensions[i])] = columns_;
      like[i] = at::zeros(shape, like[i].options());
    }
    radml_options options{};
    options.flags = RADML_IN_BLOCKS;
    options.column_dimension = output_dimensions.front() + 1;
    options.columns_per_block = columns_per_block;
    options.threads = threads;
    plan_.emplace(path, inputs_, like, &options);
  }

  double seconds(const std::string& way, int64_t passes) {
    if (way == "plan") {  // its threads share the blocks; inside a block each is alone
      at::set_num_threads(1);
      return seconds_of([&] {
        for (int64_t i = 0; i < passes; ++i) plan_->run();
      });
    }
    at::set_num_threads(threads_);
    if (way == "libtorch") {
      return seconds_of([&] {
        for (int64_t i = 0; i < passes; ++i)
          for (const Tensors& block : blocks_) alone_.run(block);
      });
    }
    if (way != "sgemm") throw std::runtime_error("run " + way + ": expected plan, libtorch or sgemm");
    double best = std::numeric_limits<double>::max();
    for (int i = 0; i < 3; ++i) best = std::min(best, seconds_of([&] { at::mm_out(product_, left_, right_); }));
    return best;
  }

  [[nodiscard]] int64_t columns() const { return columns_; }

 private:
  Alone alone_;
  int threads_;
  int64_t columns_ = 0;
  Tensors inputs_;
  std::vector<Tensors> blocks_;
  std::optional<PlanOf> plan_;
  at::Tensor left_ = at::rand({sgemm_size, sgemm_size});
  at::Tensor right_ = at::rand({sgemm_size, sgemm_size});
  at::Tensor product_ = at::empty({sgemm_size, sgemm_size});
};

void answer_lines(char** arguments) {
  const c10::InferenceMode guard;
  Passes passes(arguments[1], arguments[2], numbers_of(arguments[3]), numbers_of(arguments[4]),
                one_or_more(arguments[5], "columns_per_block"), one_or_more(arguments[6], "threads"));
  std::cout.precision(9);
  std::cout << "{\"program\": \"radml-bench-inference\", \"torch\": \"" << TORCH_VERSION << "\", \"columns\": " << passes.columns()
            << ", \"sgemm_operations\": " << 2 * sgemm_size * sgemm_size * sgemm_size << '}' << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string run;
    std::string way;
    int64_t number = 1;
    words >> run >> way;
    if (!words.eof()) words >> number;
    if (run != "run" || words.fail() || number < 1)
      throw std::runtime_error("expected a line \"run WAY [PASSES]\", got \"" + line + '"');
    const double seconds = passes.seconds(way, number);  // before anything of the answer is written: it may fail
    std::cout << "{\"seconds\": " << seconds << '}' << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 7) {
      throw std::runtime_error(
          "usage: radml-bench-inference model inputs.pt input_dimensions output_dimensions columns_per_block threads");
    }
    answer_lines(argv);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "radml-bench-inference: " << radml_bench::first_line(error.what()) << '\n';
    return 1;
  }
}
