"""AER's own RRTMG over a file of columns, one pass for each line of standard input, answered like ``radml-bench-rrtmg``.

    python -m ftorch_bridge.original_rrtmg_passes columns.npz fu|streamer

The file holds the variables of a column file, all columns by day and with one solar irradiance. A line is ``run WORK`` or
``write WORK FILE.npz``; the answer is one line of JSON with the seconds of the pass, and for McICA those of its subcolumns. A
program of its own, for a Fortran STOP in the wheel ends Python with exit code 0.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path

import numpy as np

from ftorch_bridge import original_rrtmg, original_rrtmg_shortwave
from ftorch_bridge.original_rrtmg import Columns

ICE_OPTIONS = {"fu": 3, "streamer": 2}  # iceflglw, iceflgsw
MAXIMUM_RANDOM = 2  # icld
DRAW = {"permuteseeds": np.array([1])}


class Original:
    """Both spectra of the original, each loaded when it is needed."""

    def __init__(self, columns: Columns, ice_optics: str) -> None:
        choices = {"ice_option": np.array(ICE_OPTIONS[ice_optics]), "overlap_option": np.array(MAXIMUM_RANDOM)}
        self._columns = columns | choices
        self._libraries: dict[str, ctypes.CDLL] = {}

    def _library(self, spectrum: str) -> ctypes.CDLL:
        if spectrum not in self._libraries:
            module = original_rrtmg if spectrum == "longwave" else original_rrtmg_shortwave
            self._libraries[spectrum] = module.library()
        return self._libraries[spectrum]

    def compute(self, work: str) -> Columns:
        """What the original gives for a work, and the seconds it took."""
        spectrum, _, what = work.partition("-")
        lib, c = self._library(spectrum), self._columns
        module = original_rrtmg if spectrum == "longwave" else original_rrtmg_shortwave
        if what == "clear":
            return module.fluxes(lib, c)
        if what == "analytic":
            return module.cloudy_fluxes(lib, c)
        found = module.cloudy_fluxes(lib, c | DRAW)
        singles = ("seconds", "subcolumns")
        return {name: values if name in singles else values[0] for name, values in found.items()}


def main() -> None:
    with np.load(sys.argv[1]) as file:
        original = Original(dict(file), sys.argv[2])
    print(json.dumps({"program": "RRTMG of climt"}), flush=True)
    for line in sys.stdin:
        what, work, *path = line.strip().split(" ", 2)
        found = original.compute(work)
        if what == "write":
            with Path(path[0]).open("wb") as file:
                np.savez(file, **found)
        names = ("seconds", "seconds_of_subcolumns")
        print(json.dumps({"work": work, **dict(zip(names, np.atleast_1d(found["seconds"]), strict=False))}), flush=True)


if __name__ == "__main__":
    main()
