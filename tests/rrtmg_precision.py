"""Hard columns for the two libraries of RRTMG, and how far the one that computes in real32 is from the one in real64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rrtmg_clouds
import rrtmg_drivers
import test_rrtmg_longwave
import test_rrtmg_shortwave
from rrtmg_drivers import Columns
from test_rrtmg_shortwave import AEROSOL, ALBEDOS, BANDS
from test_rrtmg_shortwave_clouds import sunny_clouds


def thin_top(c: Columns) -> Columns:
    """The same columns with their top at 1 Pa, by layers of ever less mass."""
    c = {name: values.copy() for name, values in c.items()}
    level = c["pressure_level"]
    level[:, 0] = np.minimum(1.0, 0.5 * level[:, 1])
    c["pressure_layer"][:, 0] = np.sqrt(level[:, 0] * level[:, 1])
    return c


def lowest(c: Columns, layers: int) -> Columns:
    """The lowest layers of columns that have more."""
    made = c["pressure_layer"].shape[1]
    cut = made - layers

    def part(name: str, values: np.ndarray) -> np.ndarray:
        return (
            values[:, cut:] if values.ndim > 1 and values.shape[1] in (made, made + 1) and name != "band_emissivity" else values
        )

    return {name: part(name, values) for name, values in c.items()}


def shortwave_columns(count: int, layers: int, seed: int, kind: str) -> Columns:
    """Columns under suns from the horizon to the zenith; clear, with aerosol, with clouds, or with what clouds do to light in
    every band by itself ("thick"), which the tables of cloud optics would not give."""
    rng = np.random.default_rng(seed)
    made = max(layers, 10)  # the generator makes no fewer
    if kind == "cloud":
        c = thin_top(sunny_clouds(count, made, seed, aerosol=True)) | {"seed": np.arange(count)}
    else:
        c = thin_top(test_rrtmg_shortwave.columns(count, made, seed, aerosol=kind == "aerosol"))
    c["cos_zenith"] = np.where(rng.random(count) < 0.3, 10 ** rng.uniform(-6, 0, count), rng.uniform(0.01, 1, count))
    c["cos_zenith"][rng.random(count) < 0.1] = 1.0
    for name in ALBEDOS:
        c[name] = np.where(rng.random(count) < 0.3, rng.integers(0, 2, count), rng.uniform(0, 1, count))
    if kind == "thick":
        shape = (count, made, BANDS)
        cloudy = (rng.random((count, made, 1)) < 0.3) & (c["pressure_layer"] > 5e3)[:, :, None]
        depth = np.where(cloudy, 10 ** rng.uniform(-2, 2.7, (count, made, 1)) * rng.uniform(0.8, 1.2, shape), 0)
        albedo = 1 - 10 ** rng.uniform(-7, -1, shape)
        c |= dict(zip(AEROSOL, (depth, albedo, rng.uniform(0.7, 0.9, shape)), strict=True))
    return lowest(c, layers)


def longwave_columns(count: int, layers: int, seed: int, kind: str) -> Columns:
    """Columns clear, with clouds (each with a seed for its subcolumns), or with clouds, aerosol and emissivity by band."""
    made = max(layers, 10)
    if kind == "clear":
        return lowest(thin_top(test_rrtmg_longwave.columns(count, made, seed)), layers)
    c = thin_top(rrtmg_clouds.cloudy_columns(count, made, seed)) | {"seed": np.arange(count)}
    if kind == "aerosol":
        c |= rrtmg_clouds.band_properties(c, seed)
    return lowest(c, layers)


def run_shortwave(c: Columns, folder: Path, suffix: str) -> Columns:
    with rrtmg_drivers.programs(suffix):
        return test_rrtmg_shortwave.ours(c, folder, clear=True)


def run_longwave(c: Columns, folder: Path, suffix: str, overlap: int = rrtmg_clouds.MAXIMUM_RANDOM) -> Columns:
    with rrtmg_drivers.programs(suffix):
        return rrtmg_clouds.ours(c, folder, clear=True, overlap=overlap)


def apart(double: Columns, single: Columns) -> dict[str, float]:
    """The largest difference of each result, fluxes in W m-2 and heating rates in K day-1."""
    return {name: float(np.abs(double[name] - single[name]).max()) for name in double}


def unbalanced(c: Columns, result: Columns) -> float:
    """By how much heating is not the flux that stays in the layer, at most [W m-2]."""
    net = result["down"] - result["up"]
    # What RRTMG takes for a layer's heat capacity: 1004.64 J kg-1 K-1 under 9.8066 m s-2.
    stays = result["heating_rate"] * np.diff(c["pressure_level"], axis=1) * 1004.64 / 9.8066 / 86400
    return float(np.abs(stays + np.diff(net, axis=1)).max())
