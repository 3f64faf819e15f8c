"""Times a model's forward, adjoint and tangent linear in turns: time_derivatives.py LIBRADML COLUMN_FILE MODEL [--columns 128].

The adjoint is by all inputs of all outputs, the tangent linear of all outputs by all inputs; from arrays in Fortran's order to
such arrays, on one thread. Prints medians and the range over the repeats.
"""

import argparse
import ctypes
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from ftorch_bridge.column_file import read_columns
from radml_array import Array
from time_formats import Call, view


class Product(Call):
    """An adjoint or a tangent linear in the place of the forward."""

    def __init__(self, library: ctypes.CDLL, path: Path, columns, block: int, adjoint: bool) -> None:
        super().__init__(library, path, columns, block)
        self.function = library.radml_vector_jacobian_product if adjoint else library.radml_jacobian_vector_product
        given, wanted = (self.outputs, self.inputs) if adjoint else (self.inputs, self.outputs)
        self.vectors = [np.ones_like(values, order="F") for values in given]
        self.products = [np.zeros_like(values, order="F") for values in wanted]
        self.vector_views = (Array * len(self.vectors))(*map(view, self.vectors))
        self.product_views = (Array * len(self.products))(*map(view, self.products))

    def __call__(self) -> None:
        arguments = []
        for views in (self.given, self.vector_views, self.product_views):
            arguments += [views, ctypes.c_int64(len(views))]
        none = [None, ctypes.c_int64(0)]
        self.check(self.function(self.model, *arguments, *none, self.message, ctypes.c_int64(500)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("columns_file", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--columns", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=31)
    options = parser.parse_args()
    torch.set_num_threads(1)
    library = ctypes.CDLL(str(options.library.resolve()))
    columns = read_columns(options.columns_file)
    calls = {
        "forward": Call(library, options.model, columns, options.columns),
        "adjoint": Product(library, options.model, columns, options.columns, adjoint=True),
        "tangent linear": Product(library, options.model, columns, options.columns, adjoint=False),
    }
    times = {name: [] for name in calls}
    for repeat in range(options.repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if repeat > 0:  # the first pass compiles
                times[name].append((time.perf_counter() - start) / options.columns * 1e6)
    for name, values in times.items():
        print(
            f"{name:>14}: {median(values):6.1f} us a column ({min(values):.1f} to {max(values):.1f}), "
            f"{median(values) / median(times['forward']):.1f} forwards"
        )
    tangents, gradients = calls["tangent linear"], calls["adjoint"]
    forwards = sum(float(p.sum()) for p in tangents.products)  # all vectors are ones
    backwards = sum(float(p.sum()) for p in gradients.products)
    print(f"dot-product test: {forwards:.8g} and {backwards:.8g}")


if __name__ == "__main__":
    main()
