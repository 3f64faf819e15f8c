"""Times exported models through libradml in turns: time_formats.py COLUMN_FILE MODEL... [--blocks 16,64,192].

Prints, by model and number of columns in a call, the median time of a column in microseconds and the range over the repeats,
from arrays in Fortran's order to such arrays, on one thread.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from ftorch_bridge.column_file import read_columns
from ftorch_bridge.coupling import Model, set_num_threads
from ftorch_bridge.exporting import read_manifest


def call_of(path: Path, columns, block: int) -> tuple[Callable[[], None], list[np.ndarray]]:
    """One forward of a model on the first ``block`` columns, and the arrays of its results."""
    manifest = read_manifest(path)
    sizes = {"column": block, "layer": columns.sizes["layer"]}

    def extent(entry):
        base, _, more = str(entry).partition("+")
        return entry if isinstance(entry, int) else sizes[base] + int(more or 0)

    inputs = [np.asfortranarray(columns[a["name"]].to_numpy()[:block].astype(a["kind"])) for a in manifest["inputs"]]
    outputs = [np.zeros([extent(e) for e in a["shape"]], dtype=a["kind"], order="F") for a in manifest["outputs"]]
    return partial(Model(path).forward, inputs, outputs), outputs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("columns", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--blocks", default="16,64,192")
    parser.add_argument("--repeats", type=int, default=31)
    options = parser.parse_args()
    set_num_threads(1)
    columns = read_columns(options.columns)
    for block in (int(text) for text in options.blocks.split(",")):
        calls = {path: call_of(path, columns, block) for path in options.models}
        inner = max(1, 192 // block)
        times = {path: [] for path in calls}
        for repeat in range(options.repeats + 1):
            for path, (call, _) in calls.items():
                start = time.perf_counter()
                for _ in range(inner):
                    call()
                if repeat > 0:  # the first pass compiles
                    times[path].append((time.perf_counter() - start) / (inner * block) * 1e6)
        _, first = next(iter(calls.values()))
        for path, (_, outputs) in calls.items():
            differences = [abs(a - b).max() for a, b in zip(first, outputs, strict=True)]
            worst = ", ".join(f"{d:.1e}" for d in differences)
            print(
                f"{block:4d} columns {path.name:>14}: {median(times[path]):6.2f} us a column "
                f"({min(times[path]):.2f} to {max(times[path]):.2f}); differs from {options.models[0].name} by {worst}"
            )


if __name__ == "__main__":
    main()
