"""Takes adjoints, tangent linears and training steps again and again; prints the bytes that the heap grew by in each.

repeat_derivatives.py LIBRADML. A program of its own, since the library changes LibTorch's allocator in its process.
"""

import ctypes
import sys

import torch
from radml_array import Array


class MallocInformation(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


def view(tensor: torch.Tensor) -> Array:
    array = Array(address=tensor.data_ptr(), kind=2, rank=tensor.dim(), element_size=8)
    array.shape[: tensor.dim()] = tensor.shape
    array.strides[: tensor.dim()] = [8 * stride for stride in tensor.stride()]
    return array


torch.set_num_threads(1)
torch.manual_seed(1)
network = torch.nn.Sequential(torch.nn.Linear(6, 20), torch.nn.Tanh(), torch.nn.Linear(20, 3)).double()
torch.jit.script(network.eval()).save("network.pt")
library, system = ctypes.CDLL(sys.argv[1]), ctypes.CDLL(None)
system.mallinfo2.restype = MallocInformation
message, size, one, none = ctypes.create_string_buffer(500), ctypes.c_int64(500), ctypes.c_int64(1), ctypes.c_int64(0)
model, trainer, loss = ctypes.c_int64(), ctypes.c_int64(), ctypes.c_double()
tensors = [torch.rand(8, n, dtype=torch.float64) for n in (6, 6, 3, 3)]
x, x_like, y, y_like = (ctypes.byref(view(tensor)) for tensor in tensors)


def check(status: int) -> None:
    assert status == 0, message.value


check(library.radml_load(b"network.pt", b"cpu", ctypes.byref(model), message, size))
check(library.radml_trainer_create(b"network.pt", b"cpu", b"adam", None, ctypes.byref(trainer), message, size))
calls = (
    lambda: library.radml_vector_jacobian_product(model, x, one, y, one, x_like, one, None, none, message, size),
    lambda: library.radml_jacobian_vector_product(model, x, one, x_like, one, y_like, one, None, none, message, size),
    lambda: library.radml_trainer_step(trainer, x, one, y, one, ctypes.byref(loss), message, size),
)
for call in calls:
    for _ in range(300):
        check(call())
    before = system.mallinfo2().uordblks
    for _ in range(3000):
        check(call())
    print(system.mallinfo2().uordblks - before)
