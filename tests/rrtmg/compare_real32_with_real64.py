"""RRTMG in single precision beside double precision: the largest differences over all columns, levels and layers.

RADML_BUILD_DIR=build python tests/rrtmg/compare_real32_with_real64.py [--columns N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rrtmg_clouds import ANALYTIC, MAXIMUM_RANDOM
from rrtmg_drivers import Columns
from rrtmg_precision import apart, longwave_columns, run_longwave, run_shortwave, shortwave_columns

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=500, help="columns of each kind that are compared")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        compare(options.columns, Path(name))


if __name__ == "__main__":
    main()
