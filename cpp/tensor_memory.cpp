#include "tensor_memory.hpp"

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace radml {
namespace {

constexpr std::size_t alignment = 64;                  // LibTorch's own
constexpr std::size_t largest_kept = 32U << 20;        // a larger block is rare and goes straight back
constexpr std::size_t limit_of_thread = 256U << 20;    // what one thread keeps at the most

constexpr std::size_t most_addressable = std::size_t{1} << 56;  // where the machine's memory cannot be told

// Sizes are rounded up to four steps between powers of two, so that a little more or less finds the same block.
constexpr std::size_t steps = 4;
constexpr std::size_t n_classes = 8 * sizeof(std::size_t) * steps;

struct SizeClass {
  std::size_t index;
  std::size_t bytes;
};

SizeClass class_of(std::size_t bytes) {
  if (bytes <= alignment) return {0, alignment};
  const auto power = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;  // 2**power < bytes <= 2**(power+1)
  const std::size_t base = std::size_t{1} << power;
  const std::size_t step = base / steps;
  const std::size_t step_number = (bytes - base + step - 1) / step;  // 1 to steps
  return {power * steps + step_number - 1, base + step_number * step};
}

// Lies before the tensor's own bytes.
struct alignas(alignment) Block {
  Block* next;
  std::size_t index;
  std::size_t bytes;
};

thread_local bool refused = false;
thread_local bool thread_has_ended = false;  // trivial, so that it may be read after the kept blocks are gone

struct KeptBlocks {
  std::array<Block*, n_classes> first{};
  std::size_t bytes = 0;

  ~KeptBlocks() {
    release();
    thread_has_ended = true;
  }
  void release() noexcept {
    for (Block*& list : first)
      while (list != nullptr) std::free(std::exchange(list, list->next));
    bytes = 0;
  }
};

thread_local KeptBlocks kept;

void give_back(void* memory) {
  if (memory == nullptr) return;
  Block* const block = static_cast<Block*>(memory) - 1;
  if (thread_has_ended || block->bytes > largest_kept || kept.bytes + block->bytes > limit_of_thread) {
    std::free(block);
    return;
  }
  block->next = std::exchange(kept.first[block->index], block);
  kept.bytes += block->bytes;
}

[[noreturn]] void refuse(std::size_t bytes) {
  refused = true;
  C10_THROW_ERROR(OutOfMemoryError, "no memory for a tensor of " + std::to_string(bytes) + " bytes");
}

// Systems that promise any amount of memory end the program when it is used.
std::size_t memory_of_machine() {
  static const std::size_t bytes = [] {
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(page) : most_addressable;
  }();
  return bytes;
}

class TensorMemory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* const memory = bytes == 0 ? nullptr : take(bytes);
    return {memory, memory, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }

 private:
  static void* take(std::size_t bytes) {
    if (bytes > largest_kept && bytes > memory_of_machine()) refuse(bytes);
    const SizeClass size = class_of(bytes);
    if (!thread_has_ended)
      if (Block* const block = kept.first[size.index]; block != nullptr) {
        kept.first[size.index] = block->next;
        kept.bytes -= block->bytes;
        return block + 1;
      }
    // A large block is not rounded: it is not kept either.
    const std::size_t wanted = size.bytes > largest_kept ? bytes : size.bytes;
    void* memory = nullptr;
    if (posix_memalign(&memory, alignment, sizeof(Block) + wanted) != 0) refuse(bytes);
    return ::new (memory) Block{nullptr, size.index, size.bytes} + 1;
  }
};

}  // namespace

void keep_tensor_memory() {
  static std::once_flag once;
  // Never destroyed: tensors may outlive everything else.
  std::call_once(once, [] { c10::SetCPUAllocator(new TensorMemory, /*priority=*/1); });
}

void release_kept_memory() noexcept {
  if (!thread_has_ended) kept.release();
}

bool memory_was_refused() noexcept { return std::exchange(refused, false); }

}  // namespace radml
