"""Times the bundled RRTMG longwave and AER's own (the climt wheel) on the same generated columns, one thread, in turns.

    RADML_BUILD_DIR=build python tests/rrtmg/time_against_original.py

Prints microseconds per column, the median over the rounds of each round's best pass, and the median of the rounds' ratios.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import rrtmg_oracle
from test_rrtmg_longwave import TABLES, columns, drive, write

COUNT, LAYERS, ROUNDS, PASSES = 256, 89, 7, "9"


def main() -> None:
    c = columns(COUNT, LAYERS, seed=1)
    ours, originals = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "columns.bin", c)
        np.savez(folder / "columns.npz", **c)
        for _ in range(ROUNDS):
            run = drive("fluxes", folder / "columns.bin", folder / "results.bin", TABLES, PASSES)
            ours.append(float(run.stdout.split(":")[1]))
            command = [sys.executable, rrtmg_oracle.__file__, "time", folder / "columns.npz", folder / "oracle.npz"]
            subprocess.run(command, check=True, capture_output=True)
            with np.load(folder / "oracle.npz") as file:
                originals.append(float(file["seconds"]) * 1e6 / COUNT)
    ratio = np.median(np.array(originals) / np.array(ours))
    print(f"{COUNT} columns of {LAYERS} layers: original {np.median(originals):.1f}, ours {np.median(ours):.1f} us per column,")
    print(f"ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
