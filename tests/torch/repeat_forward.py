"""Runs a TorchScript model through libradml again and again; prints page faults a call and the MiB that free gave back.

One float32 array of a million elements goes through a model that makes several more on its way. A program of its own, since the
library changes LibTorch's allocator in its process.
"""

import ctypes
import resource
import sys
from pathlib import Path

import torch
from radml_array import Array


class Steps(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = [x * i for i in range(1, 7)]
        return torch.stack(kept).sum(0)


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


torch.set_num_threads(1)
torch.jit.script(Steps().eval()).save("steps.pt")
library = ctypes.CDLL(sys.argv[1])
message, size, model = ctypes.create_string_buffer(500), ctypes.c_int64(500), ctypes.c_int64()
source, target = torch.arange(1_000_000, dtype=torch.float32), torch.zeros(1_000_000)
arrays = []
for tensor in (source, target):
    array = Array(address=tensor.data_ptr(), kind=1, rank=1, element_size=4)
    array.shape[0], array.strides[0] = 1_000_000, 4
    arrays.append(array)


def check(status):
    assert status == 0, message.value


def forward():
    check(
        library.radml_forward(
            model, ctypes.byref(arrays[0]), ctypes.c_int64(1), ctypes.byref(arrays[1]), ctypes.c_int64(1), message, size
        )
    )


check(library.radml_load(b"steps.pt", b"cpu", ctypes.byref(model), message, size))
for _ in range(3):
    forward()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    forward()
faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20
assert torch.equal(target, 21 * source)
full = resident()
check(library.radml_free(model, message, size))
print(faults, (full - resident()) / 2**20)
