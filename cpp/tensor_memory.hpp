// Memory of LibTorch's tensors on the CPU, kept between calls.
//
// A forward pass allocates the same blocks as the one before it. Given back to the C library they are asked for anew from
// the system each time, and the page faults cost a quarter of a small network's time. So each thread keeps what it frees,
// sorted by size, up to a limit. The host's own memory is not touched.
#pragma once

namespace radml {

// LibTorch takes its memory from here from now on. To be called before the first tensor of a model is made; only the first
// call does anything.
void keep_tensor_memory();

// Gives back what this thread keeps.
void release_kept_memory() noexcept;

// Whether a tensor of this thread was refused its memory since it was last asked. TorchScript hands on an exception of the
// model as a text, so its type does not tell.
bool memory_was_refused() noexcept;

}  // namespace radml
