"""A network of all sky over a file of columns, one pass for each line of standard input, answered like ``radml-bench-rrtmg``.

    python -m ftorch_bridge.network_passes columns.nc model.pt [columns_per_block]

A pass goes from a host's arrays (float64, column-major) to a host's arrays through libradml, on one thread. A line is
``run network``, or ``run sgemm`` for a product of matrices by PyTorch, the yardstick; the answer is one line of JSON with the
seconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from ftorch_bridge.column_file import read_columns
from ftorch_bridge.coupling import Model, set_num_threads
from ftorch_bridge.networks_bench import SGEMM_SIZE
from ftorch_bridge.sky import INPUTS, OUTPUTS


class Passes:
    """The model and its arrays."""

    def __init__(self, columns: Path, model: Path, columns_per_block: int) -> None:
        set_num_threads(1)
        torch.set_num_threads(1)
        dataset = read_columns(columns)
        count, layers = dataset.sizes["column"], dataset.sizes["layer"]
        self._inputs = [np.asfortranarray(dataset[name].to_numpy()) for name in INPUTS]
        rows = [layers if name.endswith("heating_rate") else layers + 1 for name in OUTPUTS]
        self._outputs = [np.zeros((count, n), order="F") for n in rows]
        self._model, self._block = Model(model), columns_per_block
        self._matrices = torch.rand(2, SGEMM_SIZE, SGEMM_SIZE)
        self._product = torch.empty(SGEMM_SIZE, SGEMM_SIZE)

    def seconds(self, work: str) -> float:
        """Time of a pass."""
        before = time.perf_counter()
        if work == "sgemm":
            torch.mm(self._matrices[0], self._matrices[1], out=self._product)
        else:
            self._model.forward(self._inputs, self._outputs, column_dimension=1, columns_per_block=self._block)
        return time.perf_counter() - before


def main() -> None:
    passes = Passes(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 128)
    print(json.dumps({"program": "libradml"}), flush=True)
    for line in sys.stdin:
        work = line.split()[1]
        print(json.dumps({"work": work, "seconds": passes.seconds(work)}), flush=True)


if __name__ == "__main__":
    main()
