"""Runs dense layers through libradml on many columns, in blocks and then whole; prints the MiB that each took at its peak.

Peak of the resident memory beyond what was there before, inputs and outputs not counted. A program of its own, since a
process's peak only ever rises.
"""

import ctypes
import resource
import sys

import torch
from radml_array import Array

COLUMNS, WIDTH = 300_000, 24
IN_BLOCKS = 2


class Options(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("flags", "column_dimension", "columns_per_block", "threads")]


def array_of(tensor: torch.Tensor) -> Array:
    """A column-major array on the tensor's memory."""
    array = Array(address=tensor.data_ptr(), kind=1, rank=2, element_size=4)
    array.shape[0], array.shape[1] = COLUMNS, WIDTH
    array.strides[0], array.strides[1] = 4, 4 * COLUMNS
    return array


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


torch.set_num_threads(1)
layers = [torch.nn.Linear(WIDTH, 200), torch.nn.GELU(), torch.nn.Linear(200, WIDTH)]
torch.jit.script(torch.nn.Sequential(*layers).eval()).save("dense.pt")
library = ctypes.CDLL(sys.argv[1])
message, size, model = ctypes.create_string_buffer(500), ctypes.c_int64(500), ctypes.c_int64()
source, target = array_of(numbers := torch.rand(WIDTH, COLUMNS)), array_of(results := torch.ones(WIDTH, COLUMNS))


def check(status: int) -> None:
    assert status == 0, message.value


def forward(options: Options | None) -> float:
    before = peak()
    one = ctypes.c_int64(1)
    given = ctypes.byref(options) if options else None
    check(library.radml_forward_with(model, ctypes.byref(source), one, ctypes.byref(target), one, given, message, size))
    return peak() - before


check(library.radml_load(b"dense.pt", b"cpu", ctypes.byref(model), message, size))
forward(Options(IN_BLOCKS, 1, 128, 1))  # LibTorch loads its kernels
results.fill_(1)
blocks = forward(Options(IN_BLOCKS, 1, 128, 2))
assert not (results == 1).all(1).any()
print(blocks, forward(None))
