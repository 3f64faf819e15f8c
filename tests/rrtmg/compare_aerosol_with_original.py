"""The bundled RRTMG shortwave with aerosol beside AER's own (the climt wheel): how far the original's table errs.

    RADML_BUILD_DIR=build python tests/rrtmg/compare_aerosol_with_original.py [--columns N] [--layers N]

`ftorch-bench rrtmg` compares everything else: a column file has no aerosol.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from test_rrtmg_shortwave import columns, oracle, ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=1000)
    parser.add_argument("--layers", type=int, default=89)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    c = columns(options.columns, options.layers, options.seed, aerosol=True)
    with tempfile.TemporaryDirectory() as folder:
        theirs = oracle(c, Path(folder))
        for tables, mode in (("default", "fluxes"), ("with the original's tables", "original")):
            mine = ours(c, Path(folder), mode)
            for name, units in (("up", "W m-2"), ("down", "W m-2"), ("heating_rate", "K day-1")):
                difference = np.abs(mine[name] - theirs[name])
                rms = np.sqrt((difference**2).mean())
                print(f"{tables}: difference of {name}: rms {rms:.1e}, largest {difference.max():.1e} {units}")


if __name__ == "__main__":
    main()
