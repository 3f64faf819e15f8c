"""The bundled RRTMG longwave with clouds beside AER's own (the climt wheel): differences, noise of a draw, and times in turns.

    RADML_BUILD_DIR=build python tests/rrtmg/compare_clouds_with_original.py [--columns N] [--layers N] [--seed N] [--rounds N]

Columns have one to four clouds each. Times are microseconds per column on one thread: the median over the rounds of each
round's best pass, and the median of the rounds' ratios. AER's McICA includes its generator of subcolumns, ours its own.
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
from rrtmg_clouds import ANALYTIC, FU, ICE_OPTION, MAXIMUM_RANDOM, OVERLAP_OPTION, Columns, cloudy_columns, drive, oracle, ours

PASSES = "9"
FLUXES = ("up", "down", "up_clear", "down_clear")


def compare(what: str, original: Columns, default: Columns, theirs: Columns) -> None:
    def worst(mine: Columns) -> np.ndarray:
        return np.max([np.abs(mine[name] - theirs[name]).max(axis=1) for name in FLUXES], axis=0)

    tables, heating = worst(original), np.abs(default["heating_rate"] - theirs["heating_rate"])
    print(f"{what}, with the original's tables: median of the columns' largest flux difference {np.median(tables):.1e} W m-2,")
    print(f"  {(tables > 1e-5).sum()} of {tables.size} columns beyond 1e-5 W m-2, the largest {tables.max():.1e} W m-2")
    print(f"{what}, default: flux {worst(default).max():.4f} W m-2, heating rate {heating.max():.4f} K day-1,")
    print(f"  beyond 0.03 K day-1 in {(heating > 0.03).sum()} of {heating.size} layers")


def compare_all(c: Columns, folder: Path) -> None:
    modes = ("original", "fluxes")
    theirs = oracle(c, folder)
    compare("analytic overlap", *(ours(c, folder, mode, clear=True, overlap=ANALYTIC) for mode in modes), theirs)
    theirs = oracle(c, folder, overlap=MAXIMUM_RANDOM, permuteseeds=np.array([1]))
    given = {name: values for name, values in c.items() if name != "cloud_fraction"} | {"subcolumns": theirs["subcolumns"]}
    theirs = {name: values[0] for name, values in theirs.items() if name != "seconds"}
    compare("McICA, the original's subcolumns", *(ours(given, folder, mode, clear=True) for mode in modes), theirs)
    cloudy = (c["cloud_fraction"] > 0).any(axis=1)
    for draws in (1, 8):
        many = ours(c, folder, draws=64)
        noise = [
            np.sqrt((many[name][cloudy, level] ** 2).mean() / draws) for name, level in (("up_noise", 0), ("down_noise", -1))
        ]
        print(f"noise of {draws} draws, root mean square: top, up {noise[0]:.2f}, surface, down {noise[1]:.2f} W m-2")


def time_in_turns(c: Columns, folder: Path, rounds: int) -> None:
    count = c["pressure_layer"].shape[0]
    c = c | {"seed": np.arange(count)}
    for name, overlap, more in (
        ("McICA", MAXIMUM_RANDOM, {"permuteseeds": np.array([1])}),
        ("analytic overlap", ANALYTIC, {}),
    ):
        options = {"ice_option": np.array(ICE_OPTION[FU]), "overlap_option": np.array(OVERLAP_OPTION[overlap])}
        np.savez(folder / "columns.npz", **c, **options, **more)
        mine, theirs = [], []
        for _ in range(rounds):
            mine.append(float(drive("fluxes", c, folder, PASSES, overlap=overlap, clear=True).stdout.split(":")[1]))
            command = [sys.executable, rrtmg_oracle.__file__, "time", folder / "columns.npz", folder / "oracle.npz"]
            subprocess.run(command, check=True, capture_output=True)
            with np.load(folder / "oracle.npz") as file:
                theirs.append(float(file["seconds"]) * 1e6 / count)
        ratio = np.median(np.array(theirs) / np.array(mine))
        print(f"{name}: original {np.median(theirs):.0f}, ours {np.median(mine):.0f} us per column, ratio {ratio:.2f}")
    more = [float(drive("fluxes", c, folder, PASSES, draws=draws).stdout.split(":")[1]) for draws in (1, 9)]
    print(f"each further draw: {(more[1] - more[0]) / 8:.1f} us per column")
    every_layer = c | {"cloud_fraction": np.random.default_rng(1).uniform(0, 1, c["cloud_fraction"].shape)}
    for name, columns in (("these columns", c), ("cloud in every layer", every_layer)):
        seconds = float(drive("subcolumns", columns, folder, PASSES).stdout.split(":")[1])
        print(f"140 subcolumns of {columns['pressure_layer'].shape[1]} layers, {name}: {seconds:.1f} us per column")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=1000)
    parser.add_argument("--layers", type=int, default=89)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    c = cloudy_columns(options.columns, options.layers, options.seed)
    with tempfile.TemporaryDirectory() as name:
        compare_all(c, Path(name))
        time_in_turns({key: values[:256] for key, values in c.items()}, Path(name), options.rounds)


if __name__ == "__main__":
    main()
