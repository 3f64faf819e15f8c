"""Runs a TorchScript model through libradml again and again; prints page faults a call and the MiB that free gave back.

One float32 array of a million elements goes through a model that makes several more on its way. A program of its own, since the
library changes LibTorch's allocator in its process.
"""

import resource
from pathlib import Path

import numpy as np
import torch
from ftorch_bridge.coupling import Model, set_num_threads


class Steps(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = [x * i for i in range(1, 7)]
        return torch.stack(kept).sum(0)


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


set_num_threads(1)
torch.jit.script(Steps().eval()).save("steps.pt")
source, target = np.arange(1_000_000, dtype=np.float32), np.zeros(1_000_000, dtype=np.float32)
model = Model("steps.pt")
for _ in range(3):
    model.forward([source], [target])
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    model.forward([source], [target])
faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20
assert np.array_equal(target, 21 * source)
full = resident()
model.close()
print(faults, (full - resident()) / 2**20)
