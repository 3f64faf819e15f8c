"""Takes adjoints, tangent linears and training steps again and again; prints the bytes that the heap grew by in each.

A program of its own, since the library changes LibTorch's allocator in its process.
"""

import ctypes

import numpy as np
import torch
from ftorch_bridge.coupling import Model, Trainer, set_num_threads


class MallocInformation(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


set_num_threads(1)
torch.manual_seed(1)
network = torch.nn.Sequential(torch.nn.Linear(6, 20), torch.nn.Tanh(), torch.nn.Linear(20, 3)).double()
torch.jit.script(network.eval()).save("network.pt")
system = ctypes.CDLL(None)
system.mallinfo2.restype = MallocInformation
random = np.random.default_rng(1)
x, x_like, y, y_like = (random.random((8, n)) for n in (6, 6, 3, 3))
model, trainer = Model("network.pt"), Trainer("network.pt", "adam")
calls = (
    lambda: model.vector_jacobian_product([x], [y], [x_like]),
    lambda: model.jacobian_vector_product([x], [x_like], [y_like]),
    lambda: trainer.step([x], [y]),
)
for call in calls:
    for _ in range(300):
        call()
    before = system.mallinfo2().uordblks
    for _ in range(3000):
        call()
    print(system.mallinfo2().uordblks - before)
