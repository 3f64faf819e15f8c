"""Columns with clouds for the tests of the bundled RRTMG, and the programs that run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from rrtmg_drivers import Columns, run_driver
from test_rrtmg_longwave import ARRAYS, HALOCARBONS, TABLES, columns

CLOUD_TABLES = TABLES.with_name("rrtmg_clouds.nc")
MAXIMUM_RANDOM, RANDOM, MAXIMUM, ANALYTIC = 1, 2, 3, 4  # the constants rrtmg_overlap_...
FU, STREAMER = 2, 3  # the constants rrtmg_ice_...
ICE_OPTION = {FU: 3, STREAMER: 2}  # RRTMG's iceflglw
OVERLAP_OPTION = {RANDOM: 1, MAXIMUM_RANDOM: 2, MAXIMUM: 3, ANALYTIC: 2}  # RRTMG's icld
ICE_RADII = {FU: (5e-6 * 3 * np.sqrt(3) / 8, 140e-6 * 3 * np.sqrt(3) / 8), STREAMER: (5e-6, 131e-6)}


def cloudy_columns(count: int, layers: int, seed: int, ice: int = FU, overcast: bool = False) -> Columns:
    """Generated columns with one to four clouds each, some adjacent; one column in ten has none."""
    rng = np.random.default_rng(seed)
    c = columns(count, layers, seed=seed)
    fraction = np.zeros((count, layers))
    for i in range(count):
        if i % 10 == 9:
            continue
        below = int(np.argmax(c["pressure_layer"][i] > 1e4))  # none above 100 hPa
        for _ in range(rng.integers(1, 5)):
            top = rng.integers(below, layers)
            bottom = min(layers, top + rng.integers(1, 2 + layers // 8))
            steady = rng.random() < 0.3
            cover = rng.uniform(0.02, 1, 1 if steady else bottom - top)
            fraction[i, top:bottom] = np.where(rng.random(bottom - top) < 0.05, 1.0, cover)
    if overcast:
        fraction = np.where(fraction > 0, 1.0, 0.0)
    cold = np.clip((270 - c["temperature_layer"]) / 30, 0, 1)
    water = 10 ** rng.uniform(-5, -0.5, (count, layers))
    c["cloud_fraction"] = fraction
    c["cloud_liquid_path"] = np.where(fraction > 0, water * (1 - cold), 0)
    c["cloud_ice_path"] = np.where(fraction > 0, 0.5 * water * cold, 0)
    c["liquid_radius"] = rng.uniform(2.5e-6, 60e-6, (count, layers))
    c["ice_radius"] = rng.uniform(*ICE_RADII[ice], (count, layers))
    edge = rng.random((count, layers))  # the ends of the tables
    c["liquid_radius"][edge < 0.02] = 2.5e-6
    c["liquid_radius"][edge > 0.98] = 60e-6
    c["ice_radius"][edge < 0.02], c["ice_radius"][edge > 0.98] = ICE_RADII[ice]
    return c


def band_properties(c: Columns, seed: int) -> Columns:
    """Aerosol and emissivity by band, to go with some columns."""
    rng = np.random.default_rng(seed)
    count, layers = c["pressure_layer"].shape
    aerosol = 10 ** rng.uniform(-6, -2, (count, layers, 16)) * (c["pressure_layer"] > 2e4)[:, :, None]
    return {"aerosol_optical_depth": aerosol, "band_emissivity": rng.uniform(0.7, 1.0, (count, 16))}


def write(path: Path, c: Columns, overlap: int, ice: int, draws: int, clear: bool) -> None:
    halocarbons = HALOCARBONS if "cfc11" in c else ()
    given = 2 if "subcolumns" in c else int("cloud_fraction" in c)
    flags = [name in c for name in ("seed", "aerosol_optical_depth", "band_emissivity")]
    with path.open("wb") as file:
        header = [*c["pressure_layer"].shape, given, overlap, ice, draws, *flags, len(halocarbons) > 0, clear]
        np.array(header, dtype=np.int32).tofile(file)
        for name in (*ARRAYS[:10], *halocarbons, *ARRAYS[10:]):
            np.asarray(c[name], dtype=np.float64).ravel(order="F").tofile(file)
        if given:
            for name in ("cloud_liquid_path", "liquid_radius", "cloud_ice_path", "ice_radius"):
                np.asarray(c[name], dtype=np.float64).ravel(order="F").tofile(file)
            array = c["subcolumns"] if given == 2 else c["cloud_fraction"]
            np.asarray(array, dtype=np.float64).ravel(order="F").tofile(file)
        if "seed" in c:
            np.asarray(c["seed"], dtype=np.int64).tofile(file)
        for name in ("aerosol_optical_depth", "band_emissivity"):
            if name in c:
                np.asarray(c[name], dtype=np.float64).ravel(order="F").tofile(file)


def drive(
    mode: str,
    c: Columns,
    folder: Path,
    *,
    overlap: int = MAXIMUM_RANDOM,
    ice: int = FU,
    draws: int = 1,
    clear: bool = False,
    tables: Path = TABLES,
) -> subprocess.CompletedProcess[str]:
    write(folder / "clouds.bin", c, overlap, ice, draws, clear)
    return run_driver("rrtmg_longwave_cloud_driver", mode, tables, folder / "clouds.bin", folder / "cloudy.bin")


def ours(c: Columns, folder: Path, mode: str = "fluxes", clear: bool = False, **options: int) -> Columns:
    run = drive(mode, c, folder, clear=clear, **options)
    assert run.returncode == 0, run.stderr
    count, layers = c["pressure_layer"].shape
    names = ["up", "down", "heating_rate", "up_noise", "down_noise"] + (["up_clear", "down_clear"] if clear else [])
    sizes = [count * (layers + (name != "heating_rate")) for name in names]
    parts = np.split(np.fromfile(folder / "cloudy.bin"), np.cumsum(sizes)[:-1])
    return {name: part.reshape(count, -1, order="F") for name, part in zip(names, parts, strict=True)}


def optics(c: Columns, folder: Path, ice: int) -> Columns:
    """Longwave absorption depth; shortwave depths of absorption, scattering, scattering times asymmetry, and extinction.

    Each (column, layer, band); the last is that before delta scaling.
    """
    run = drive("optics", c, folder, ice=ice, tables=CLOUD_TABLES)
    assert run.returncode == 0, run.stderr
    count, layers = c["pressure_layer"].shape
    values = np.fromfile(folder / "cloudy.bin").reshape(count, layers * (16 + 4 * 14))
    parts = np.split(values, layers * np.array([16, 30, 44, 58]), axis=1)
    names = ("longwave_absorption", "absorption", "scattering", "forward", "unscaled")
    return {name: part.reshape(count, layers, -1) for name, part in zip(names, parts, strict=True)}


def subcolumns(c: Columns, folder: Path, overlap: int, draws: int) -> np.ndarray:
    """Where g-points see cloud: (column, draw, layer, g-point)."""
    run = drive("subcolumns", c, folder, overlap=overlap, draws=draws)
    assert run.returncode == 0, run.stderr
    return np.fromfile(folder / "cloudy.bin").reshape(c["pressure_layer"].shape[0], draws, -1, 140)


def oracle(c: Columns, folder: Path, overlap: int = ANALYTIC, ice: int = FU, permuteseeds: np.ndarray | None = None) -> Columns:
    more = {"ice_option": np.array(ICE_OPTION[ice]), "overlap_option": np.array(OVERLAP_OPTION[overlap])}
    if permuteseeds is not None:
        more["permuteseeds"] = permuteseeds
    np.savez(folder / "clouds.npz", **c, **more)
    command = [sys.executable, "-m", "ftorch_bridge.original_rrtmg", "clouds", folder / "clouds.npz", folder / "oracle.npz"]
    (folder / "oracle.npz").unlink(missing_ok=True)
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (folder / "oracle.npz").exists(), f"the oracle stopped: {run.stdout} {run.stderr}"
    with np.load(folder / "oracle.npz") as file:
        return dict(file)
