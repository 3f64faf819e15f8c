"""The bundled RRTMG longwave beside AER's own (the climt wheel) on the same generated columns: differences, and times in turns.

    RADML_BUILD_DIR=build python tests/rrtmg/compare_with_original.py [--columns N] [--layers N] [--seed N]

Times are microseconds per column on one thread: the median over the rounds of each round's best pass, and the median of the
rounds' ratios.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import rrtmg_oracle
from test_rrtmg_longwave import TABLES, columns, drive, oracle, ours, worst, write

ROUNDS, PASSES, LIMIT = 7, "9", 0.03


def compare(c: dict[str, np.ndarray], folder: Path) -> None:
    mine, theirs = ours(c, folder), oracle(c, folder)
    for name, units in (("up", "W m-2"), ("down", "W m-2"), ("heating_rate", "K day-1")):
        print(f"largest difference of {name}: {worst(mine, theirs, name):.4f} {units}")
    beyond = np.abs(mine["heating_rate"] - theirs["heating_rate"]) > LIMIT
    where = f", all above {c['pressure_layer'][beyond].max():.1f} Pa" if beyond.any() else ""
    print(f"layers with a heating rate more than {LIMIT} K day-1 apart: {beyond.sum()} of {beyond.size}{where}")


def time_in_turns(c: dict[str, np.ndarray], folder: Path) -> None:
    write(folder / "columns.bin", c)
    np.savez(folder / "columns.npz", **c)
    count = c["pressure_layer"].shape[0]
    mine, theirs = [], []
    for _ in range(ROUNDS):
        run = drive("fluxes", folder / "columns.bin", folder / "results.bin", TABLES, PASSES)
        mine.append(float(run.stdout.split(":")[1]))
        command = [sys.executable, rrtmg_oracle.__file__, "time", folder / "columns.npz", folder / "oracle.npz"]
        subprocess.run(command, check=True, capture_output=True)
        with np.load(folder / "oracle.npz") as file:
            theirs.append(float(file["seconds"]) * 1e6 / count)
    ratio = np.median(np.array(theirs) / np.array(mine))
    print(f"original {np.median(theirs):.1f}, ours {np.median(mine):.1f} us per column, ratio {ratio:.2f} ({count} columns)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=1000)
    parser.add_argument("--layers", type=int, default=89)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    c = columns(options.columns, options.layers, options.seed)
    with tempfile.TemporaryDirectory() as name:
        compare(c, Path(name))
        time_in_turns({key: values[:256] for key, values in c.items()}, Path(name))


if __name__ == "__main__":
    main()
