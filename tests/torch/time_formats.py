"""Times exported models through libradml in turns: time_formats.py LIBRADML COLUMN_FILE MODEL... [--blocks 16,64,192].

Prints, by model and number of columns in a call, the median time of a column in microseconds and the range over the repeats,
from arrays in Fortran's order to such arrays, on one thread.
"""

import argparse
import ctypes
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from ftorch_bridge.column_file import read_columns
from ftorch_bridge.exporting import read_manifest
from radml_array import Array

KINDS = {"float32": (1, np.float32), "float64": (2, np.float64)}


def view(values: np.ndarray) -> Array:
    kind = next(code for code, dtype in KINDS.values() if dtype == values.dtype)
    array = Array(address=values.ctypes.data, kind=kind, rank=values.ndim, element_size=values.itemsize)
    array.shape[: values.ndim], array.strides[: values.ndim] = values.shape, values.strides
    return array


class Call:
    """One forward of a model on one block of columns."""

    def __init__(self, library: ctypes.CDLL, path: Path, columns, block: int) -> None:
        self.library, self.message, self.model = library, ctypes.create_string_buffer(500), ctypes.c_int64()
        self.check(library.radml_load(str(path).encode(), b"cpu", ctypes.byref(self.model), self.message, ctypes.c_int64(500)))
        manifest = read_manifest(path)
        sizes = {"column": block, "layer": columns.sizes["layer"]}

        def extent(entry):
            base, _, more = str(entry).partition("+")
            return entry if isinstance(entry, int) else sizes[base] + int(more or 0)

        self.inputs = [
            np.asfortranarray(columns[a["name"]].to_numpy()[:block].astype(KINDS[a["kind"]][1])) for a in manifest["inputs"]
        ]
        self.outputs = [
            np.zeros([extent(e) for e in a["shape"]], dtype=KINDS[a["kind"]][1], order="F") for a in manifest["outputs"]
        ]
        self.given = (Array * len(self.inputs))(*map(view, self.inputs))
        self.wanted = (Array * len(self.outputs))(*map(view, self.outputs))

    def check(self, status: int) -> None:
        if status != 0:
            raise SystemExit(self.message.value.decode())

    def __call__(self) -> None:
        n_in, n_out = ctypes.c_int64(len(self.inputs)), ctypes.c_int64(len(self.outputs))
        forward = self.library.radml_forward
        self.check(forward(self.model, self.given, n_in, self.wanted, n_out, self.message, ctypes.c_int64(500)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("columns", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--blocks", default="16,64,192")
    parser.add_argument("--repeats", type=int, default=31)
    options = parser.parse_args()
    torch.set_num_threads(1)
    library = ctypes.CDLL(str(options.library.resolve()))
    columns = read_columns(options.columns)
    for block in (int(text) for text in options.blocks.split(",")):
        calls = {path: Call(library, path, columns, block) for path in options.models}
        inner = max(1, 192 // block)
        times = {path: [] for path in calls}
        for repeat in range(options.repeats + 1):
            for path, call in calls.items():
                start = time.perf_counter()
                for _ in range(inner):
                    call()
                if repeat > 0:  # the first pass compiles
                    times[path].append((time.perf_counter() - start) / (inner * block) * 1e6)
        first = next(iter(calls.values()))
        for path, call in calls.items():
            differences = [abs(a - b).max() for a, b in zip(first.outputs, call.outputs, strict=True)]
            worst = ", ".join(f"{d:.1e}" for d in differences)
            print(
                f"{block:4d} columns {path.name:>14}: {median(times[path]):6.2f} us a column "
                f"({min(times[path]):.2f} to {max(times[path]):.2f}); differs from {options.models[0].name} by {worst}"
            )


if __name__ == "__main__":
    main()
