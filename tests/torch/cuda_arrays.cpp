// Models on a GPU: the host's arrays, arrays on the GPU, plans and blocks give what the CPU gives. Without a GPU it says so and
// does nothing more. The arguments are the folder of the test models and, to try a package, that of convolution.pt for the GPU.
#include <ATen/ATen.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <array>
#include <cstdint>
#include <iostream>
#include <string>

#include "radml.h"

namespace {

constexpr int64_t columns = 1000;
constexpr int64_t layers = 60;

int failures = 0;
std::array<char, 1000> message{};

void check(bool right, const std::string& what) {
  std::cout << (right ? "ok " : "not ok ") << what << '\n';
  if (!right) {
    std::cout << message.data() << '\n';
    ++failures;
  }
}

radml_array array_of(const at::Tensor& tensor, int32_t flags) {
  radml_array array{};
  array.address = tensor.data_ptr();
  array.kind = RADML_FLOAT32;
  array.rank = static_cast<int32_t>(tensor.dim());
  array.element_size = static_cast<int32_t>(tensor.element_size());
  array.flags = flags | (tensor.is_cpu() ? 0 : RADML_ON_DEVICE);
  for (int32_t i = 0; i < array.rank; ++i) {
    array.shape[i] = tensor.size(i);
    array.strides[i] = tensor.stride(i) * array.element_size;
  }
  return array;
}

int32_t forward(radml_model model, const at::Tensor& x, const at::Tensor& y, const radml_options* options = nullptr) {
  const radml_array input = array_of(x, RADML_READ_ONLY);
  const radml_array output = array_of(y, 0);
  return radml_forward_with(model, &input, 1, &output, 1, options, message.data(), message.size());
}

radml_model loaded(const std::string& path, const char* device) {
  radml_model model = 0;
  check(radml_load(path.c_str(), device, &model, message.data(), message.size()) == RADML_SUCCESS,
        std::string("a model is loaded on ") + device);
  return model;
}

at::Tensor in_fortran_order(const at::Tensor& tensor) { return tensor.permute({2, 1, 0}).contiguous().permute({2, 1, 0}); }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) return 2;
  if (!torch::cuda::is_available()) {
    std::cout << "skipped: LibTorch " TORCH_VERSION " sees no CUDA device here\n";
    return 0;
  }
  const std::string path = std::string(argv[1]) + "/convolution.pt";
  const radml_model on_cpu = loaded(path, "cpu");
  const std::string path_of_gpu = argc == 3 ? argv[2] : path;
  const radml_model on_gpu = loaded(path_of_gpu, "cuda");
  const radml_model on_first = loaded(path_of_gpu, "cuda:0");
  const at::Tensor x = in_fortran_order(at::randn({columns, 4, layers}));
  const auto empty = [] { return in_fortran_order(at::full({columns, 2, layers}, -1.0F)); };
  const at::Tensor right = empty();
  check(forward(on_cpu, x, right) == RADML_SUCCESS, "the CPU runs it");
  const auto close = [&](const at::Tensor& y) { return at::allclose(y.cpu(), right, 1e-3, 1e-3); };  // TF32 may be on

  const at::Tensor y = empty();
  check(forward(on_gpu, x, y) == RADML_SUCCESS && close(y), "the GPU gives from the host's arrays what the CPU gives");
  const at::Tensor again = empty();
  check(forward(on_first, x, again) == RADML_SUCCESS && at::equal(y, again), "\"cuda:0\" is the first GPU");
  const at::Tensor strided = at::full({columns, 4, layers}, -1.0F);
  check(forward(on_gpu, x, strided.narrow(1, 1, 2)) == RADML_SUCCESS && at::equal(strided.narrow(1, 1, 2), y),
        "a section of the host's is written");
  check((strided.select(1, 0) == -1.0F).all().item<bool>(), "... and nothing beside it");

  const at::Tensor x_there = x.cuda();
  const at::Tensor y_there = empty().cuda();
  check(forward(on_gpu, x_there, y_there) == RADML_SUCCESS && at::equal(y_there.cpu(), y),
        "arrays on the GPU give the same, to the last bit");
  const at::Tensor mixed = empty();
  check(forward(on_gpu, x_there, mixed) == RADML_SUCCESS && at::equal(mixed, y), "... with the output on the host as well");
  check(forward(on_cpu, x_there, mixed) == RADML_INVALID_ARRAY, "a model on the CPU refuses them");

  radml_plan plan = 0;
  const radml_array input = array_of(x_there, RADML_READ_ONLY);
  const radml_array output = array_of(y_there, 0);
  y_there.fill_(-1.0F);
  check(radml_plan_create(on_gpu, &input, 1, &output, 1, nullptr, &plan, message.data(), message.size()) == RADML_SUCCESS &&
            radml_plan_run(plan, message.data(), message.size()) == RADML_SUCCESS && at::equal(y_there.cpu(), y),
        "a plan binds arrays on the GPU");
  radml_plan_free(plan, nullptr, 0);

  const radml_options blocks{RADML_IN_BLOCKS, 1, 96, 1};  // not a divisor of the columns
  const at::Tensor in_blocks = empty();
  check(forward(on_gpu, x, in_blocks, &blocks) == RADML_SUCCESS && close(in_blocks), "blocks on the GPU give what the CPU gives");
  bool same = true;
  for (int turn = 0; turn < 10; ++turn) {
    const at::Tensor split = empty();
    const int64_t first = 1 + 97 * turn;
    same = same && forward(on_gpu, x.narrow(0, 0, first), split.narrow(0, 0, first), &blocks) == RADML_SUCCESS;
    same = same && forward(on_gpu, x.narrow(0, first, columns - first), split.narrow(0, first, columns - first), &blocks) ==
                       RADML_SUCCESS;
    same = same && at::equal(split, in_blocks);
  }
  check(same, "... the same to the last bit for any split of the columns");
  check(forward(on_gpu, x_there, y_there, &blocks) == RADML_WRONG_ARGUMENT, "blocks of arrays on the GPU are refused");

  for (const radml_model model : {on_cpu, on_gpu, on_first}) radml_free(model, nullptr, 0);
  std::cout << (failures == 0 ? "all passed" : "some failed") << '\n';
  return failures == 0 ? 0 : 1;
}
