"""Times a model's forward, adjoint and tangent linear in turns: time_derivatives.py COLUMN_FILE MODEL [--columns 128].

The adjoint is by all inputs of all outputs, the tangent linear of all outputs by all inputs; from arrays in Fortran's order to
such arrays, on one thread. Prints medians and the range over the repeats.
"""

import argparse
import time
from pathlib import Path
from statistics import median

import numpy as np
import xarray as xr
from ftorch_bridge.column_file import read_columns
from ftorch_bridge.coupling import Model, set_num_threads
from ftorch_bridge.exporting import read_manifest


class Calls:
    """The three calls of one model on one set of columns; vectors are all ones."""

    def __init__(self, path: Path, columns: xr.Dataset, n: int) -> None:
        self.model = Model(path)
        manifest = read_manifest(path)
        sizes = {"column": n, "layer": columns.sizes["layer"]}

        def extent(entry) -> int:
            base, _, more = str(entry).partition("+")
            return entry if isinstance(entry, int) else sizes[base] + int(more or 0)

        def zeros(argument) -> np.ndarray:
            return np.zeros([extent(e) for e in argument["shape"]], dtype=argument["kind"], order="F")

        self.inputs, self.outputs = ([zeros(a) for a in manifest[key]] for key in ("inputs", "outputs"))
        for values, argument in zip(self.inputs, manifest["inputs"], strict=True):
            values[...] = columns[argument["name"]].to_numpy()[:n]
        self.tangents, self.gradients = ([np.ones_like(a) for a in self.inputs] for _ in range(2))
        self.cotangents, self.output_tangents = ([np.ones_like(a) for a in self.outputs] for _ in range(2))

    def forward(self) -> None:
        self.model.forward(self.inputs, self.outputs)

    def adjoint(self) -> None:
        self.model.vector_jacobian_product(self.inputs, self.cotangents, self.gradients)

    def tangent_linear(self) -> None:
        self.model.jacobian_vector_product(self.inputs, self.tangents, self.output_tangents)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("columns_file", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--columns", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=31)
    options = parser.parse_args()
    set_num_threads(1)
    calls = Calls(options.model, read_columns(options.columns_file), options.columns)
    functions = {"forward": calls.forward, "adjoint": calls.adjoint, "tangent linear": calls.tangent_linear}
    times = {name: [] for name in functions}
    for repeat in range(options.repeats + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if repeat > 0:  # the first pass compiles
                times[name].append((time.perf_counter() - start) / options.columns * 1e6)
    for name, values in times.items():
        print(
            f"{name:>14}: {median(values):6.1f} us a column ({min(values):.1f} to {max(values):.1f}), "
            f"{median(values) / median(times['forward']):.1f} forwards"
        )
    forwards = sum(float(values.sum()) for values in calls.output_tangents)
    backwards = sum(float(values.sum()) for values in calls.gradients)
    print(f"dot-product test: {forwards:.8g} and {backwards:.8g}")


if __name__ == "__main__":
    main()
