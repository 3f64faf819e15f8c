"""The bundled RRTMG shortwave against AER's own (the climt wheel), and what it says of bad input and bad table files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rrtmg_shortwave_oracle
from ftorch_bridge.columns import generate_columns
from rrtmg_shortwave_oracle import ALBEDOS, BANDS, POINTS

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("RADML_BUILD_DIR", ROOT / "build")) / "bin"
TABLES = ROOT / "data" / "rrtmg_shortwave.nc"
LAYER_ARRAYS = ("pressure_layer", "temperature_layer", "h2o", "o3", "co2", "ch4", "o2")
ARRAYS = ("pressure_level", *LAYER_ARRAYS, "cos_zenith", "solar_irradiance", *ALBEDOS)
AEROSOL = ("aerosol_optical_depth", "aerosol_single_scattering_albedo", "aerosol_asymmetry")
Columns = dict[str, np.ndarray]

needs_oracle = pytest.mark.skipif(
    not rrtmg_shortwave_oracle.available(), reason="the oracle is AER's RRTMG in the wheel climt; pip install climt==0.31.0"
)


def columns(count: int, layers: int, seed: int, aerosol: bool = False) -> Columns:
    """Generated columns under suns of all heights, over surfaces of all albedos."""
    rng = np.random.default_rng(seed)
    generated = generate_columns(count, layers, seed=seed)
    result = {name: generated[name].to_numpy().copy() for name in ("pressure_level", "temperature_level", "n2o", *LAYER_ARRAYS)}
    result["cos_zenith"] = rng.permutation(np.linspace(0.001, 1.0, count))
    result["solar_irradiance"] = np.full(count, rng.uniform(1300.0, 1420.0))
    result |= {name: rng.uniform(0.0, 1.0, count) ** 2 for name in ALBEDOS}
    if aerosol:
        shape = (count, layers, BANDS)
        # Aerosol in some layers only: the two kinds of layers meet in a column.
        depth = rng.uniform(0.0, 0.1, shape) * (rng.random((count, layers, 1)) < 0.3)
        result |= dict(zip(AEROSOL, (depth, rng.uniform(0.5, 1.0, shape), rng.uniform(0.0, 0.9, shape)), strict=True))
    return result


def write(path: Path, c: Columns) -> None:
    aerosol = AEROSOL if AEROSOL[0] in c else ()
    with path.open("wb") as file:
        np.array([*c["pressure_layer"].shape, len(aerosol) > 0], dtype=np.int32).tofile(file)
        for name in (*ARRAYS, *aerosol):
            np.asarray(c[name], dtype=np.float64).ravel(order="F").tofile(file)


def drive(mode: str, source: Path, target: Path, tables: Path = TABLES, *more: str) -> subprocess.CompletedProcess[str]:
    program = BIN / "rrtmg_shortwave_driver"
    assert program.exists(), f"{program} is not built; run make"
    return subprocess.run([program, mode, tables, source, target, *more], capture_output=True, text=True, check=False)


def ours(c: Columns, folder: Path, mode: str = "fluxes") -> Columns:
    write(folder / "columns.bin", c)
    run = drive(mode, folder / "columns.bin", folder / "results.bin")
    assert run.returncode == 0, run.stderr
    values = np.fromfile(folder / "results.bin")
    count, layers = c["pressure_layer"].shape
    if mode == "depths":
        parts = values.reshape(count, (2 * layers + 1) * POINTS)
        depth, rayleigh, source = np.split(parts, [layers * POINTS, 2 * layers * POINTS], axis=1)
        return {
            "depth": depth.reshape(count, layers, POINTS).transpose(0, 2, 1),
            "rayleigh": rayleigh.reshape(count, layers, POINTS).transpose(0, 2, 1),
            "source": source,
        }
    levels = count * (layers + 1)
    parts = np.split(values, [levels, 2 * levels, 3 * levels])
    names = ("up", "down", "direct", "heating_rate")
    return {name: part.reshape(count, -1, order="F") for name, part in zip(names, parts, strict=True)}


def oracle(c: Columns, folder: Path, mode: str = "fluxes") -> Columns:
    np.savez(folder / "columns.npz", **c)
    script = Path(rrtmg_shortwave_oracle.__file__)
    command = [sys.executable, str(script), mode, str(folder / "columns.npz"), str(folder / "oracle.npz")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (folder / "oracle.npz").exists(), f"the oracle stopped: {run.stdout} {run.stderr}"
    with np.load(folder / "oracle.npz") as file:
        return dict(file)


def worst(a: Columns, b: Columns, name: str) -> float:
    return float(np.abs(a[name] - b[name]).max())


GPOINTS_OF_BANDS = (6, 12, 8, 8, 10, 10, 2, 10, 8, 6, 6, 8, 6, 12)
VISIBLE_BANDS = slice(9, 13)


def reference_fluxes(c: Columns, optics: Columns) -> Columns:
    """Two-stream layers and their adding from the top down as textbooks have it, in extended precision, without shortcuts."""
    count, layers = c["pressure_layer"].shape
    visible = np.zeros(BANDS, dtype=bool)
    visible[VISIBLE_BANDS] = True
    visible = np.repeat(visible, GPOINTS_OF_BANDS)
    absorption, scattering = (optics[name].transpose(0, 2, 1).astype(np.longdouble) for name in ("depth", "rayleigh"))
    forward = np.zeros_like(scattering)
    if AEROSOL[0] in c:
        depth, albedo, asymmetry = (np.repeat(c[name], GPOINTS_OF_BANDS, axis=2).astype(np.longdouble) for name in AEROSOL)
        absorption = absorption + depth * (1 - albedo)
        scattering = scattering + depth * albedo
        forward = depth * albedo * asymmetry
    mu = c["cos_zenith"].astype(np.longdouble)[:, None, None]
    # Delta scaling.
    total = absorption + scattering
    w, g = scattering / total, forward / scattering
    tau, w, g = (1 - w * g**2) * total, w * (1 - g**2) / (1 - w * g**2), g / (1 + g)
    gamma1, gamma2, gamma3 = (8 - w * (5 + 3 * g)) / 4, 3 * w * (1 - g) / 4, (2 - 3 * g * mu) / 4
    gamma4 = 1 - gamma3
    alpha1, alpha2 = gamma1 * gamma4 + gamma2 * gamma3, gamma1 * gamma3 + gamma2 * gamma4
    # A trace of absorption, so that the one formula serves, and no exact meeting of secant and extinction.
    k = np.sqrt(np.maximum(gamma1**2 - gamma2**2, 1e-14))
    k = np.where(np.abs(1 - k * mu) < 1e-9, (1 - 1e-9) / mu, k)
    thickness = np.minimum(k * tau, 300)
    up, down, beam = np.exp(thickness), np.exp(-thickness), np.exp(-tau / mu)
    common = (1 - (k * mu) ** 2) * ((k + gamma1) * up + (k - gamma1) * down)
    r = (1 - k * mu) * (alpha2 + k * gamma3) * up - (1 + k * mu) * (alpha2 - k * gamma3) * down
    r = w * (r - 2 * k * (gamma3 - alpha2 * mu) * beam) / common
    t = (1 + k * mu) * (alpha1 + k * gamma4) * up - (1 - k * mu) * (alpha1 - k * gamma4) * down
    t = beam - w * (t * beam - 2 * k * (gamma4 + alpha1 * mu)) / common
    diffuse = (k + gamma1) * up + (k - gamma1) * down
    rd, td = gamma2 * (up - down) / diffuse, 2 * k / diffuse

    direct = np.ones((count, layers + 1, POINTS), dtype=np.longdouble)
    direct[:, 1:] = np.cumprod(beam, axis=1)
    below = np.zeros((2, count, layers + 1, POINTS), dtype=np.longdouble)  # reflectance of what is below: beam, diffuse
    for i, kind in enumerate(("direct", "diffuse")):
        below[i, :, -1] = np.where(visible, c[f"visible_albedo_{kind}"][:, None], c[f"near_infrared_albedo_{kind}"][:, None])
    for j in range(layers - 1, -1, -1):
        again = 1 / (1 - below[1, :, j + 1] * rd[:, j])
        lit = (t[:, j] - beam[:, j]) * below[1, :, j + 1] + beam[:, j] * below[0, :, j + 1]
        below[0, :, j] = r[:, j] + td[:, j] * lit * again
        below[1, :, j] = rd[:, j] + td[:, j] ** 2 * below[1, :, j + 1] * again
    through = np.ones((count, layers + 1, POINTS), dtype=np.longdouble)  # all light that has come down through the layers above
    over = np.zeros_like(through)  # reflectance of what is above
    for j in range(layers):
        again = 1 / (1 - over[:, j] * rd[:, j])
        scattered = through[:, j] - direct[:, j] + direct[:, j] * r[:, j] * over[:, j]
        through[:, j + 1] = direct[:, j] * t[:, j] + td[:, j] * scattered * again
        over[:, j + 1] = rd[:, j] + td[:, j] ** 2 * over[:, j] * again
    again = 1 / (1 - over * below[1])
    incoming = (optics["source"] * c["cos_zenith"][:, None])[:, None]
    flux_up = (direct * below[0] + (through - direct) * below[1]) * again
    flux_down = direct + (through - direct + direct * below[0] * over) * again
    true_direct = np.ones_like(direct)
    true_direct[:, 1:] = np.exp(-np.cumsum(total, axis=1) / mu)
    fluxes = {"up": flux_up, "down": flux_down, "direct": true_direct}
    return {name: (flux * incoming).sum(axis=2).astype(np.float64) for name, flux in fluxes.items()}


@pytest.mark.parametrize("aerosol", [False, True], ids=["clear", "aerosol"])
def test_fluxes_are_those_of_a_plain_solver_in_extended_precision(tmp_path: Path, aerosol: bool) -> None:
    c = columns(100, 89, seed=21, aerosol=aerosol)
    mine = ours(c, tmp_path)
    reference = reference_fluxes(c, ours(c, tmp_path, "depths"))
    for name in ("up", "down", "direct"):
        print(name, worst(mine, reference, name))
        assert worst(mine, reference, name) < 1e-6, name


CASES = pytest.mark.parametrize(("count", "layers"), [(240, 89), (60, 47), (60, 137), (20, 20)])


@needs_oracle
def test_depths_and_solar_source_are_the_originals_at_every_g_point(tmp_path: Path) -> None:
    c = columns(60, 89, seed=5)
    c["solar_irradiance"][:] = 1360.37 + 0.996047 - 0.511590  # that of the original's own source
    mine, theirs = ours(c, tmp_path, "depths"), oracle(c, tmp_path, "depths")
    assert theirs["depth"].max() > 1  # the stage has answered
    for name, limit in (("depth", 1e-11), ("rayleigh", 1e-11), ("source", 1e-12)):
        difference = (np.abs(mine[name] - theirs[name]) / (np.abs(theirs[name]) + 1e-12)).max()
        print(name, difference)
        assert difference < limit, name


@needs_oracle
@CASES
def test_fluxes_and_heating_rates_agree_with_the_original(tmp_path: Path, count: int, layers: int) -> None:
    c = columns(count, layers, seed=layers)
    mine, theirs = ours(c, tmp_path), oracle(c, tmp_path)
    # Where a layer's diffuse extinction meets the sun's secant, the original divides the errors of its table by almost nothing.
    for name, limit, rare in (("up", 0.05, 0.1), ("down", 0.05, 0.5), ("heating_rate", 0.25, 2.5)):
        difference = np.abs(mine[name] - theirs[name]).max(axis=1)
        print(name, np.sort(difference)[-3:])
        assert (difference > limit).sum() <= count // 100, name
        assert difference.max() < rare, name


@needs_oracle
@CASES
@pytest.mark.parametrize("aerosol", [False, True], ids=["clear", "aerosol"])
def test_with_the_originals_transmittances_fluxes_are_the_originals(
    tmp_path: Path, count: int, layers: int, aerosol: bool
) -> None:
    c = columns(count, layers, seed=layers, aerosol=aerosol)
    mine, theirs = ours(c, tmp_path, "original"), oracle(c, tmp_path)
    print({name: worst(mine, theirs, name) for name in ("up", "down", "heating_rate")})
    assert worst(mine, theirs, "up") < 1e-5
    assert worst(mine, theirs, "down") < 1e-5
