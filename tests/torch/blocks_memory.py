"""Runs dense layers through libradml on many columns, in blocks and then whole; prints the MiB that each took at its peak.

Peak of the resident memory beyond what was there before, inputs and outputs not counted. A program of its own, since a
process's peak only ever rises.
"""

from pathlib import Path

import numpy as np
import torch
from ftorch_bridge.coupling import Model, set_num_threads

COLUMNS, WIDTH = 300_000, 24


def peak() -> float:
    """In MiB. Not by getrusage, whose peak a process takes over from the one that started it."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


set_num_threads(1)
layers = [torch.nn.Linear(WIDTH, 200), torch.nn.GELU(), torch.nn.Linear(200, WIDTH)]
torch.jit.script(torch.nn.Sequential(*layers).eval()).save("dense.pt")
model = Model("dense.pt")
source = np.random.default_rng(1).random((WIDTH, COLUMNS), dtype=np.float32).T
results = np.ones((WIDTH, COLUMNS), dtype=np.float32).T


def forward(**options: int) -> float:
    before = peak()
    model.forward([source], [results], **options)
    return peak() - before


forward(column_dimension=1, columns_per_block=128)  # LibTorch loads its kernels
results.fill(1)
blocks = forward(column_dimension=1, columns_per_block=128, threads=2)
assert not (results == 1).all(axis=0).any()
print(blocks, forward())
