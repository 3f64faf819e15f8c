"""The bundled RRTMG shortwave beside AER's own (the climt wheel) on the same columns: differences, and times in turns.

    RADML_BUILD_DIR=build python tests/rrtmg/compare_shortwave_with_original.py [--columns N] [--layers N] [--aerosol]

Times are microseconds per column by day on one thread: the median over the rounds of each round's best pass, and the median of
the rounds' ratios.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import rrtmg_shortwave_oracle
from rich.progress import track
from test_rrtmg_shortwave import TABLES, Columns, columns, drive, oracle, ours, write

ROUNDS, PASSES = 7, "9"
NAMES = {"up": ("W m-2", 0.05), "down": ("W m-2", 0.05), "heating_rate": ("K day-1", 0.25)}


def compare(c: Columns, folder: Path) -> None:
    mine, theirs = ours(c, folder), oracle(c, folder)
    for name, (units, limit) in NAMES.items():
        difference = np.abs(mine[name] - theirs[name])
        beyond = (difference.max(axis=1) > limit).sum()
        print(
            f"difference of {name}: rms {np.sqrt((difference**2).mean()):.4f}, largest {difference.max():.4f} {units}; "
            f"columns with more than {limit}: {beyond} of {len(difference)}"
        )


def time_in_turns(c: Columns, folder: Path) -> None:
    write(folder / "columns.bin", c)
    np.savez(folder / "columns.npz", **c)
    count = len(c["cos_zenith"])
    mine, theirs = [], []
    for _ in track(range(ROUNDS), description="times in turns"):
        run = drive("fluxes", folder / "columns.bin", folder / "results.bin", TABLES, PASSES)
        mine.append(float(run.stdout.split(":")[1]))
        command = [sys.executable, rrtmg_shortwave_oracle.__file__, "time", folder / "columns.npz", folder / "oracle.npz"]
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
    parser.add_argument("--aerosol", action="store_true", help="with aerosol in a third of the layers")
    options = parser.parse_args()
    c = columns(options.columns, options.layers, options.seed, options.aerosol)
    with tempfile.TemporaryDirectory() as name:
        compare(c, Path(name))
        time_in_turns({key: values[:256] for key, values in c.items()}, Path(name))


if __name__ == "__main__":
    main()
