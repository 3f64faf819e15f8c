// The C interface under many threads at once: forwards of one model and of several, plans, loads, frees and failures, every
// result compared to the last bit. Threads are the C++ library's, whose synchronisation the thread sanitizer understands (it
// takes OpenMP's barriers for data races). The argument is the folder of the test models.
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "radml.h"

namespace {

constexpr int n_threads = 8;
constexpr int64_t columns = 32;
constexpr int64_t channels = 4;
constexpr int64_t layers = 60;
constexpr int64_t results = 2;

int failures = 0;

void check(bool right, const std::string& what) {
  std::cout << (right ? "ok " : "not ok ") << what << '\n';
  if (!right) ++failures;
}

radml_array view(float* address, int64_t second, bool read_only) {
  radml_array array{};
  array.address = address;
  array.kind = RADML_FLOAT32;
  array.rank = 3;
  array.element_size = sizeof(float);
  array.flags = read_only ? RADML_READ_ONLY : 0;
  const std::array<int64_t, 3> shape{columns, second, layers};
  int64_t step = sizeof(float);
  for (size_t i = 0; i < shape.size(); ++i) {
    array.shape[i] = shape[i];
    array.strides[i] = step;
    step *= shape[i];
  }
  return array;
}

// One input of the convolution and what one thread alone makes of it.
struct Sample {
  std::vector<float> x = std::vector<float>(columns * channels * layers);
  std::vector<float> right = std::vector<float>(columns * results * layers);
};

int32_t forward(radml_model model, std::vector<float>& x, std::vector<float>& y, const radml_options* options = nullptr) {
  const radml_array input = view(x.data(), channels, true);
  const radml_array output = view(y.data(), results, false);
  return options == nullptr ? radml_forward(model, &input, 1, &output, 1, nullptr, 0)
                            : radml_forward_with(model, &input, 1, &output, 1, options, nullptr, 0);
}

radml_model loaded(const std::string& path) {
  radml_model model = 0;
  std::array<char, 1000> message{};
  if (radml_load(path.c_str(), "cpu", &model, message.data(), message.size()) != RADML_SUCCESS)
    std::cerr << message.data() << '\n';
  return model;
}

// Runs work(thread) in all threads at once; true if it was true in each.
bool at_once(const std::function<bool(int)>& work) {
  std::array<bool, n_threads> right{};
  std::vector<std::thread> threads;
  for (int t = 0; t < n_threads; ++t) threads.emplace_back([&, t] { right[static_cast<size_t>(t)] = work(t); });
  for (std::thread& thread : threads) thread.join();
  return std::all_of(right.begin(), right.end(), [](bool ok) { return ok; });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  const std::string convolution = folder + "/convolution.pt";
  radml_set_num_threads(1, nullptr, 0);

  const radml_model model = loaded(convolution);
  std::vector<Sample> samples(16);
  uint32_t state = 1;
  for (Sample& sample : samples) {
    for (float& value : sample.x) {
      state = state * 1664525U + 1013904223U;
      value = static_cast<float>(state >> 8) * 0x1p-24F - 0.5F;
    }
    check(forward(model, sample.x, sample.right) == RADML_SUCCESS, "one thread runs the model");
  }
  const auto sample_of = [&](int thread, int turn) -> Sample& {
    return samples[static_cast<size_t>(thread * 5 + turn) % samples.size()];
  };

  check(at_once([&](int t) {
          std::vector<float> y(samples.front().right.size());
          for (int turn = 0; turn < 20; ++turn) {
            Sample& sample = sample_of(t, turn);
            if (forward(model, sample.x, y) != RADML_SUCCESS || y != sample.right) return false;
          }
          return true;
        }),
        "threads run one model at once, with the results of one thread");

  const radml_options blocks{RADML_IN_BLOCKS, 1, 8, 1};
  std::vector<std::vector<float>> in_blocks(samples.size(), samples.front().right);
  for (size_t i = 0; i < samples.size(); ++i) forward(model, samples[i].x, in_blocks[i], &blocks);
  check(at_once([&](int t) {
          std::vector<float> y(samples.front().right.size());
          for (int turn = 0; turn < 10; ++turn) {
            if (forward(model, sample_of(t, turn).x, y, &blocks) != RADML_SUCCESS) return false;
            if (y != in_blocks[static_cast<size_t>(t * 5 + turn) % samples.size()]) return false;
          }
          return true;
        }),
        "threads run it in blocks at once");

  check(at_once([&](int t) {
          std::vector<float> y(samples.front().right.size());
          for (int turn = 0; turn < 3; ++turn) {
            const radml_model own = loaded(convolution);
            Sample& sample = sample_of(t, turn);
            if (forward(own, sample.x, y) != RADML_SUCCESS || y != sample.right) return false;
            if (radml_free(own, nullptr, 0) != RADML_SUCCESS) return false;
          }
          return true;
        }),
        "threads load, run and free models of their own");

  const radml_model fresh = loaded(convolution);
  check(at_once([&](int t) {
          std::vector<float> y(samples.front().right.size());
          Sample& sample = sample_of(t, 0);
          return forward(fresh, sample.x, y) == RADML_SUCCESS && y == sample.right;
        }),
        "the first calls of a model come from all threads");
  check(at_once([&](int) { return radml_retain(fresh, nullptr, 0) == RADML_SUCCESS; }), "threads take hold of a model");
  check(at_once([&](int t) {
          std::vector<float> y(samples.front().right.size());
          Sample& sample = sample_of(t, 1);
          const bool right = forward(fresh, sample.x, y) == RADML_SUCCESS && y == sample.right;
          return right && radml_free(fresh, nullptr, 0) == RADML_SUCCESS;
        }),
        "threads let go of a model that others run");
  radml_free(fresh, nullptr, 0);
  check(at_once([&](int t) {
          std::vector<float> y(samples.front().right.size());
          return forward(fresh, sample_of(t, 0).x, y) == RADML_NOT_LOADED;
        }),
        "threads are told that a model was freed");

  std::vector<float> shared(samples.front().right.size());
  const radml_array input = view(samples.front().x.data(), channels, true);
  const radml_array output = view(shared.data(), results, false);
  radml_plan plan = 0;
  check(radml_plan_create(model, &input, 1, &output, 1, nullptr, &plan, nullptr, 0) == RADML_SUCCESS, "a plan is created");
  check(at_once([&](int) {
          for (int turn = 0; turn < 10; ++turn)
            if (radml_plan_run(plan, nullptr, 0) != RADML_SUCCESS) return false;
          return true;
        }) &&
            shared == samples.front().right,
        "threads run one plan, one after the other");
  check(at_once([&](int t) {
          std::vector<float> y(samples.front().right.size());
          Sample& sample = sample_of(t, 2);
          const radml_array own_input = view(sample.x.data(), channels, true);
          const radml_array own_output = view(y.data(), results, false);
          radml_plan own = 0;
          if (radml_plan_create(model, &own_input, 1, &own_output, 1, nullptr, &own, nullptr, 0) != RADML_SUCCESS) return false;
          for (int turn = 0; turn < 10; ++turn)
            if (radml_plan_run(own, nullptr, 0) != RADML_SUCCESS || y != sample.right) return false;
          return radml_plan_free(own, nullptr, 0) == RADML_SUCCESS;
        }),
        "threads run plans of their own of one model");

  // The adjoint of each sample's own results, and the tangent linear along the sample itself. Forward mode has one level for
  // all threads, which the first to come opens and the last to go closes.
  const auto products = [&](Sample& sample, std::vector<float>& gradient, std::vector<float>& tangent) {
    const radml_array x = view(sample.x.data(), channels, true);
    const radml_array cotangent = view(sample.right.data(), results, true);
    const radml_array gradients = view(gradient.data(), channels, false);
    const radml_array tangents = view(tangent.data(), results, false);
    return radml_vector_jacobian_product(model, &x, 1, &cotangent, 1, &gradients, 1, nullptr, 0, nullptr, 0) == 0 &&
           radml_jacobian_vector_product(model, &x, 1, &x, 1, &tangents, 1, nullptr, 0, nullptr, 0) == 0;
  };
  std::vector<std::vector<float>> gradients(samples.size(), samples.front().x);
  std::vector<std::vector<float>> tangents(samples.size(), samples.front().right);
  for (size_t i = 0; i < samples.size(); ++i) products(samples[i], gradients[i], tangents[i]);
  check(at_once([&](int t) {
          std::vector<float> gradient(samples.front().x.size());
          std::vector<float> tangent(samples.front().right.size());
          for (int turn = 0; turn < 10; ++turn) {
            const size_t i = static_cast<size_t>(t * 5 + turn) % samples.size();
            if (!products(samples[i], gradient, tangent) || gradient != gradients[i] || tangent != tangents[i]) return false;
          }
          return true;
        }),
        "threads take adjoints and tangent linears at once");

  check(at_once([&](int t) {
          std::vector<float> y(samples.front().right.size());
          std::array<char, 200> message{};
          radml_model none = 0;
          int64_t n = 0;
          for (int turn = 0; turn < 10; ++turn) {
            if (radml_load((folder + "/garbage.pt").c_str(), "cpu", &none, message.data(), message.size()) !=
                    RADML_INVALID_FILE ||
                message.front() == '\0')
              return false;
            const radml_array wrong = view(sample_of(t, turn).x.data(), channels - 1, true);
            const radml_array own_output = view(y.data(), results, false);
            if (radml_forward(model, &wrong, 1, &own_output, 1, message.data(), message.size()) != RADML_MODEL_FAILED)
              return false;
            if (radml_get_num_threads(&n, nullptr, 0) != RADML_SUCCESS || n < 1) return false;
            if (radml_set_num_threads(1 + t % 2, nullptr, 0) != RADML_SUCCESS) return false;
          }
          return true;
        }),
        "threads fail, and change settings, at once");

  radml_plan_free(plan, nullptr, 0);
  radml_free(model, nullptr, 0);
  std::cout << (failures == 0 ? "all passed" : "some failed") << '\n';
  return failures == 0 ? 0 : 1;
}
