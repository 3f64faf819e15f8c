// radml-bench-formats script.pt package.pt2 inputs.pt repeats: one model in both formats, through plans of the coupling, against
// LibTorch's own module.forward of the TorchScript file on tensors that are ready. One thread. inputs.pt is a TorchScript
// module without arguments that returns the tensors to run on, the first dimension of the first being the columns.
//
// The three take turns. Printed are the columns, and by way the median, least and most microseconds a column, then the median
// over the turns of how many times as fast as LibTorch's own each plan is, and the largest difference of an output of the
// package from that of the TorchScript file, relative to the output's largest value: one `name value` a line.
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench_arrays.hpp"

namespace {

using namespace radml_bench;

double largest_difference(const Tensors& a, const Tensors& b) {
  double largest = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double scale = std::max(a[i].abs().max().item<double>(), 1e-30);
    largest = std::max(largest, (a[i] - b[i]).abs().max().item<double>() / scale);
  }
  return largest;
}

void compare(const char* script, const char* package, const char* inputs_file, int repeats) {
  const c10::InferenceMode guard;
  Tensors inputs;
  for (const at::Tensor& tensor : tensors_of(torch::jit::load(inputs_file).forward({})))
    inputs.push_back(in_fortran_order(tensor));
  torch::jit::Module module = torch::jit::load(script);
  module.eval();
  module = torch::jit::freeze(module);
  const std::vector<c10::IValue> values(inputs.begin(), inputs.end());
  for (int i = 0; i < 5; ++i) module.forward(values);  // it is compiled anew in its first calls
  const Tensors like = tensors_of(module.forward(values));

  const int32_t one_thread = radml_set_num_threads(1, nullptr, 0);
  if (one_thread != RADML_SUCCESS) throw std::runtime_error("the number of threads cannot be set");
  PlanOf script_plan(script, inputs, like);
  PlanOf package_plan(package, inputs, like);
  const std::array<std::function<void()>, 3> ways{
      [&] { module.forward(values); }, [&] { script_plan.run(); }, [&] { package_plan.run(); }};
  const std::array<std::string, 3> names{"raw", "script_plan", "package_plan"};

  const int64_t columns = inputs.front().size(0);
  const int64_t calls = std::max<int64_t>(1, 192 / columns);
  std::array<std::vector<double>, 3> times;
  std::array<std::vector<double>, 3> ratios;
  for (int turn = -1; turn < repeats; ++turn) {  // the first warms up
    std::array<double, 3> now{};
    for (size_t way = 0; way < ways.size(); ++way) {
      const auto start = std::chrono::steady_clock::now();
      for (int64_t i = 0; i < calls; ++i) ways[way]();
      const std::chrono::duration<double, std::micro> passed = std::chrono::steady_clock::now() - start;
      now[way] = passed.count() / static_cast<double>(calls * columns);
    }
    if (turn < 0) continue;
    for (size_t way = 0; way < ways.size(); ++way) {
      times[way].push_back(now[way]);
      ratios[way].push_back(now[0] / now[way]);
    }
  }
  std::cout << "columns " << columns << '\n';
  for (size_t way = 0; way < ways.size(); ++way) {
    const auto [least, most] = std::minmax_element(times[way].begin(), times[way].end());
    std::cout << names[way] << "_us " << median(times[way]) << '\n'
              << names[way] << "_least_us " << *least << '\n'
              << names[way] << "_most_us " << *most << '\n';
    if (way > 0) std::cout << names[way] << "_speed_up " << median(ratios[way]) << '\n';
  }
  std::cout << "package_difference " << largest_difference(script_plan.outputs, package_plan.outputs) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 5) throw std::runtime_error("usage: radml-bench-formats script.pt package.pt2 inputs.pt repeats");
    const int repeats = std::atoi(argv[4]);
    if (repeats < 1) throw std::runtime_error(std::string("repeats: expected 1 or more, got \"") + argv[4] + '"');
    compare(argv[1], argv[2], argv[3], repeats);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "radml-bench-formats: " << first_line(error.what()) << '\n';
    return 1;
  }
}
