"""Fit what clouds do in RRTMG's near infrared: python tools/fit_cloud_bands.py data/rrtmg_clouds.nc

Prints the table of ftorch_bridge/cloud_bands.py: quartics in the logarithm of particles' smallness, for the depths of
absorption, of scattering and of forward scattering, delta-scaled as in RRTMG, of droplets and of Fu's crystals.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import netCDF4
import numpy as np
from ftorch_bridge.cloud_bands import CLOUD_BANDS

DEGREE = 4
RADII = ((4.0, 21.0), (4.5, 91.0))  # micrometres, droplets and crystals
NORMAL_RADIUS = (10.0, 30.0)
"""Micrometres: what a radius is divided by in a particle's smallness."""
DEPTH_OF_AMOUNT = (2.0, 2.0 / 3.0)
"""Of 1 m2 g-1 times a micrometre, for the amounts of clouds in SkyNetwork.describe."""
SIZE_OF_RADIUS = 8.0 / (3.0 * np.sqrt(3.0))
"""Fu's generalised effective size over the effective radius."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path)
    with netCDF4.Dataset(parser.parse_args().tables) as file:
        rows = np.zeros((3, CLOUD_BANDS, 2, DEGREE + 1))
        for kind, name in enumerate(("liquid", "ice_fu")):
            size = np.asarray(file["liquid_radius" if kind == 0 else "ice_fu_size"][:])
            radius = size if kind == 0 else size / SIZE_OF_RADIUS
            inside = (radius >= RADII[kind][0]) & (radius <= RADII[kind][1])
            for band in range(CLOUD_BANDS):
                albedo, asymmetry, extinction = (
                    np.asarray(file[f"shortwave_{name}_{what}"][band])
                    for what in ("single_scattering_albedo", "asymmetry", "extinction")
                )
                peak = asymmetry**2
                if kind == 1:
                    delta = np.asarray(file["shortwave_ice_fu_delta_fraction"][band])
                    peak = np.minimum(asymmetry, delta + 0.5 / albedo)
                scattering = albedo * (1.0 - peak) * extinction
                forward = scattering * (asymmetry - peak) / (1.0 - peak)
                smallness = np.log(NORMAL_RADIUS[kind] / radius[inside])
                for what, depth in enumerate(((1.0 - albedo) * extinction, scattering, forward)):
                    fitted = (depth * radius)[inside] * DEPTH_OF_AMOUNT[kind]
                    rows[what, band, kind] = np.polynomial.polynomial.polyfit(smallness, fitted, DEGREE)
    for row in rows.reshape(3 * CLOUD_BANDS, -1):
        print("    (" + ", ".join(f"{value:.5g}" for value in row) + "),")


if __name__ == "__main__":
    main()
