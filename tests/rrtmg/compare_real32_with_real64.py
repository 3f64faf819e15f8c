"""RRTMG in single precision beside double precision and AER's own (the climt wheel): differences, and times in turns.

    RADML_BUILD_DIR=build python tests/rrtmg/compare_real32_with_real64.py [--columns N] [--rounds N]

Differences are the largest over all columns, levels and layers. Times are microseconds per column of 89 layers on one thread:
the median over the rounds of each round's best pass; ratios are medians of the rounds' ratios. AER's McICA includes its
generator of subcolumns, ours its own; with clouds all of them give clear-sky fluxes as well.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import rrtmg_clouds
import rrtmg_oracle
import rrtmg_shortwave_oracle
import test_rrtmg_longwave
import test_rrtmg_shortwave
from rich.console import Console
from rich.progress import track
from rrtmg_clouds import ANALYTIC, FU, ICE_OPTION, MAXIMUM_RANDOM, OVERLAP_OPTION
from rrtmg_drivers import Columns, programs, run_driver
from rrtmg_precision import apart, longwave_columns, run_longwave, run_shortwave, shortwave_columns
from test_rrtmg_shortwave_clouds import sunny_clouds

PASSES = "9"
KINDS = ("", "_real32")
SHORTWAVE = {"clear": "clear", "aerosol": "aerosol", "McICA and aerosol": "cloud", "clouds given by band": "thick"}
LONGWAVE = {
    "clear": ("clear", MAXIMUM_RANDOM),
    "McICA": ("cloud", MAXIMUM_RANDOM),
    "analytic overlap": ("cloud", ANALYTIC),
    "clouds, aerosol and emissivity by band": ("aerosol", MAXIMUM_RANDOM),
}


def show(spectrum: str, what: str, layers: int, double: Columns, single: Columns) -> None:
    differences = apart(double, single)
    heating = differences.pop("heating_rate")
    print(f"{spectrum} | {what} | {layers} | {max(differences.values()):.5f} | {heating:.5f}", flush=True)


def compare(count: int, folder: Path) -> None:
    print("spectrum | sky | layers | fluxes [W m-2] | heating rates [K day-1]")
    for layers in (20, 89, 137):
        for what, (kind, overlap) in LONGWAVE.items():
            c = longwave_columns(count, layers, layers, kind)
            show("longwave", what, layers, *(run_longwave(c, folder, suffix, overlap) for suffix in KINDS))
        for what, kind in SHORTWAVE.items():
            c = shortwave_columns(count, layers, layers, kind)
            show("shortwave", what, layers, *(run_shortwave(c, folder, suffix) for suffix in KINDS))


def time_in_turns(count: int, rounds: int, folder: Path) -> None:
    seeds = {"seed": np.arange(count)}
    clouds = rrtmg_clouds.cloudy_columns(count, 89, 1) | seeds
    sunny = sunny_clouds(count, 89, 1) | seeds
    analytic, mcica = (
        {"ice_option": np.array(ICE_OPTION[FU]), "overlap_option": np.array(OVERLAP_OPTION[overlap])}
        for overlap in (ANALYTIC, MAXIMUM_RANDOM)
    )
    mcica["permuteseeds"] = np.array([112])
    cases = (
        ("longwave, clear", "rrtmg_longwave_driver", test_rrtmg_longwave.columns(count, 89, 1), {}),
        ("longwave, McICA", "rrtmg_longwave_cloud_driver", clouds, mcica),
        ("longwave, analytic overlap", "rrtmg_longwave_cloud_driver", clouds, analytic),
        ("shortwave, clear", "rrtmg_shortwave_driver", test_rrtmg_shortwave.columns(count, 89, 1), {}),
        ("shortwave, McICA", "rrtmg_shortwave_driver", sunny, mcica),
    )
    print("case | original, real64, real32 [us] | original/real64 | original/real32 | real64/real32")
    for what, driver, c, options in cases:
        source, target = folder / "columns.bin", folder / "results.bin"
        if driver == "rrtmg_longwave_driver":
            test_rrtmg_longwave.write(source, c)
        elif driver == "rrtmg_longwave_cloud_driver":
            overlap = MAXIMUM_RANDOM if "permuteseeds" in options else ANALYTIC
            rrtmg_clouds.write(source, c, overlap, FU, 1, clear=True)
        else:
            test_rrtmg_shortwave.write(source, c, clear="cloud_fraction" in c)
        np.savez(folder / "columns.npz", **c, **options)
        shortwave = driver == "rrtmg_shortwave_driver"
        tables = test_rrtmg_shortwave.TABLES if shortwave else test_rrtmg_longwave.TABLES
        oracle = (rrtmg_shortwave_oracle if shortwave else rrtmg_oracle).__file__
        seconds = np.zeros((rounds, 3))
        for i in track(range(rounds), description=what, console=Console(stderr=True), transient=True):
            subprocess.run(
                [sys.executable, oracle, "time", folder / "columns.npz", folder / "oracle.npz"], check=True, capture_output=True
            )
            with np.load(folder / "oracle.npz") as file:
                seconds[i, 0] = float(file["seconds"]) * 1e6 / count
            for j, suffix in enumerate(KINDS):
                with programs(suffix):
                    run = run_driver(driver, "fluxes", tables, source, target, PASSES)
                seconds[i, j + 1] = float(run.stdout.split(":")[1])
        original, double, single = seconds.T
        ratios = (np.median(a / b) for a, b in ((original, double), (original, single), (double, single)))
        print(
            what, *(f"{value:.0f}" for value in np.median(seconds, axis=0)), *(f"| {ratio:.1f}" for ratio in ratios), flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=500, help="columns of each kind that are compared")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the times in turns; 0: none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        compare(options.columns, Path(name))
        if options.rounds > 0:
            time_in_turns(256, options.rounds, Path(name))


if __name__ == "__main__":
    main()
