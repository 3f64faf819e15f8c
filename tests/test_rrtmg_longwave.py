"""The bundled RRTMG longwave against AER's own (the climt wheel), and what it says of bad input and bad table files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from ftorch_bridge import original_rrtmg
from ftorch_bridge.columns import generate_columns
from host_projects import ROOT
from rrtmg_drivers import Columns, run_driver, write_columns

TABLES = ROOT / "data" / "rrtmg_longwave.nc"
ARRAYS = (
    "pressure_level", "temperature_level", "pressure_layer", "temperature_layer",
    "h2o", "o3", "co2", "ch4", "n2o", "o2", "surface_temperature", "surface_emissivity",
)  # fmt: skip
HALOCARBONS = ("cfc11", "cfc12", "cfc22", "ccl4")

needs_oracle = pytest.mark.skipif(
    not original_rrtmg.available(), reason="the oracle is AER's RRTMG in the wheel climt; pip install climt==0.31.0"
)


def columns(count: int, layers: int, seed: int, halocarbons: bool = True) -> Columns:
    """Generated columns, with other emissivities and halocarbons than the generator's own."""
    rng = np.random.default_rng(seed)
    generated = generate_columns(count, layers, seed=seed, clear_sky=True)
    result = {name: generated[name].to_numpy().copy() for name in ARRAYS}
    result["surface_emissivity"] = np.where(rng.random(count) < 0.3, 1.0, rng.uniform(0.6, 1.0, count))
    if halocarbons:
        largest = {"cfc11": 3e-10, "cfc12": 6e-10, "cfc22": 3e-10, "ccl4": 1.5e-10}
        result |= {name: rng.uniform(0, top, (count, 1)) * np.ones(layers) for name, top in largest.items()}
    return result


def write(path: Path, c: Columns) -> None:
    write_columns(path, c, ARRAYS, HALOCARBONS)


def drive(mode: str, source: Path, target: Path, tables: Path = TABLES) -> subprocess.CompletedProcess[str]:
    return run_driver("rrtmg_longwave_driver", mode, tables, source, target)


def ours(c: Columns, folder: Path, mode: str = "fluxes") -> Columns:
    write(folder / "columns.bin", c)
    run = drive(mode, folder / "columns.bin", folder / "results.bin")
    assert run.returncode == 0, run.stderr
    values = np.fromfile(folder / "results.bin")
    count, layers = c["pressure_layer"].shape
    if mode == "depths":
        pairs = values.reshape(count, 2, layers, 140).transpose(0, 1, 3, 2)
        return {"depth": pairs[:, 0], "fraction": pairs[:, 1]}
    levels = count * (layers + 1)
    up, down, heating = np.split(values, [levels, 2 * levels])
    return {
        "up": up.reshape(count, -1, order="F"),
        "down": down.reshape(count, -1, order="F"),
        "heating_rate": heating.reshape(count, -1, order="F"),
    }


def oracle(c: Columns, folder: Path, mode: str = "fluxes") -> Columns:
    np.savez(folder / "columns.npz", **c)
    command = [
        sys.executable,
        "-m",
        "ftorch_bridge.original_rrtmg",
        mode,
        str(folder / "columns.npz"),
        str(folder / "oracle.npz"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (folder / "oracle.npz").exists(), f"the oracle stopped: {run.stdout} {run.stderr}"
    with np.load(folder / "oracle.npz") as file:
        return dict(file)


def worst(a: Columns, b: Columns, name: str) -> float:
    return float(np.abs(a[name] - b[name]).max())


CASES = pytest.mark.parametrize(
    ("count", "layers", "halocarbons"), [(240, 89, True), (60, 89, False), (60, 47, True), (60, 137, True), (20, 20, False)]
)


@needs_oracle
@CASES
def test_fluxes_and_heating_rates_agree_with_the_original(tmp_path: Path, count: int, layers: int, halocarbons: bool) -> None:
    c = columns(count, layers, seed=layers + halocarbons, halocarbons=halocarbons)
    mine, theirs = ours(c, tmp_path), oracle(c, tmp_path)
    print({name: worst(mine, theirs, name) for name in ("up", "down", "heating_rate")})
    assert worst(mine, theirs, "up") < 0.02
    assert worst(mine, theirs, "down") < 0.02
    assert worst(mine, theirs, "heating_rate") < 0.03


@needs_oracle
@CASES
def test_with_the_originals_transmittances_fluxes_are_the_originals(
    tmp_path: Path, count: int, layers: int, halocarbons: bool
) -> None:
    c = columns(count, layers, seed=layers + halocarbons, halocarbons=halocarbons)
    mine, theirs = ours(c, tmp_path, "original"), oracle(c, tmp_path)
    print({name: worst(mine, theirs, name) for name in ("up", "down", "heating_rate")})
    assert worst(mine, theirs, "up") < 1e-5
    assert worst(mine, theirs, "down") < 1e-5


@needs_oracle
def test_optical_depths_and_planck_fractions_are_the_originals_at_every_g_point(tmp_path: Path) -> None:
    c = columns(60, 89, seed=5)
    mine, theirs = ours(c, tmp_path, "depths"), oracle(c, tmp_path, "depths")
    assert theirs["depth"].max() > 1  # the stage has answered
    difference = (np.abs(mine["depth"] - theirs["depth"]) / (np.abs(theirs["depth"]) + 1e-12)).max(axis=(0, 2))
    # The original has single-precision numbers in the upper atmosphere of bands 3, 4 and 7, and in band 13.
    single = np.zeros(140, dtype=bool)
    for first, last in ((23, 38), (39, 52), (77, 88), (131, 134)):
        single[first - 1 : last] = True
    print("depth", difference[~single].max(), difference[single].max(), "fraction", worst(mine, theirs, "fraction"))
    assert difference[~single].max() < 1e-11
    assert difference[single].max() < 1e-6
    assert worst(mine, theirs, "fraction") < 1e-12


def test_a_warmer_surface_and_more_carbon_dioxide_act_as_they_must(tmp_path: Path) -> None:
    c = columns(50, 89, seed=9)
    control = ours(c, tmp_path)
    warmer = ours(c | {"surface_temperature": c["surface_temperature"] + 1}, tmp_path)
    richer = ours(c | {"co2": 2 * c["co2"]}, tmp_path)
    assert (warmer["up"][:, -1] > control["up"][:, -1]).all()
    assert np.array_equal(warmer["down"], control["down"])
    assert (richer["down"][:, -1] > control["down"][:, -1]).all()


def test_heating_rates_close_the_energy_budget_of_the_column(tmp_path: Path) -> None:
    c = columns(50, 89, seed=10)
    mine = ours(c, tmp_path)
    net = mine["up"] - mine["down"]
    absorbed = (mine["heating_rate"] * np.diff(c["pressure_level"], axis=1)).sum(axis=1) * 1004.64 / (9.8066 * 86400)
    assert np.allclose(absorbed, net[:, -1] - net[:, 0], atol=1e-9)


def test_an_isothermal_black_column_emits_as_a_black_body(tmp_path: Path) -> None:
    c = columns(4, 60, seed=11)
    for name in ("temperature_level", "temperature_layer", "surface_temperature"):
        c[name] = np.full_like(c[name], 280.0)
    c["surface_emissivity"] = np.ones(4)
    mine = ours(c, tmp_path)
    assert np.allclose(mine["up"][:, -1], 5.6704e-8 * 280.0**4, rtol=2e-3)


BAD = [
    ("temperature_layer", (2, 7), np.nan, "temperature_layer of column 3, layer 8: expected 100.00 to 400.00 K, got NaN"),
    ("temperature_level", (0, 3), 512.5, "temperature_level of column 1, level 4: expected 100.00 to 400.00 K, got 512.50"),
    ("h2o", (1, 0), -1e-9, "h2o of column 2, layer 1: expected 0.00 to 1.00 mol mol-1, got -1.000E-09"),
    ("cfc12", (1, 2), np.inf, "cfc12 of column 2, layer 3"),
    ("pressure_layer", (0, 0), 0.0, "pressure_layer of column 1, layer 1: expected a positive pressure between its levels'"),
    ("pressure_level", (3, 5), 5.0e4, "pressure_level of column 4, levels 6 and 7: expected rising pressures"),
    ("surface_temperature", (2,), np.nan, "surface_temperature of column 3"),
    ("surface_emissivity", (3,), 1.01, "surface_emissivity of column 4: expected 0.00 to 1.00 1, got 1.01"),
]


@pytest.mark.parametrize(("name", "place", "value", "message"), BAD, ids=[case[0] for case in BAD])
def test_a_bad_value_is_refused_by_name_and_place(
    tmp_path: Path, name: str, place: tuple[int, ...], value: float, message: str
) -> None:
    c = columns(4, 20, seed=3)
    c[name][place] = value
    write(tmp_path / "columns.bin", c)
    run = drive("fluxes", tmp_path / "columns.bin", tmp_path / "results.bin")
    assert run.returncode != 0
    assert any(line.startswith("ERROR STOP") and message in line for line in run.stderr.splitlines())


def refused(tables: Path, tmp_path: Path) -> str:
    write(tmp_path / "columns.bin", columns(2, 10, seed=1))
    run = drive("fluxes", tmp_path / "columns.bin", tmp_path / "results.bin", tables)
    assert run.returncode != 0
    lines = [line for line in run.stderr.splitlines() if line.startswith("ERROR STOP") and str(tables) in line]
    assert len(lines) == 1
    return lines[0]


def test_a_missing_table_file_is_named(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "nowhere.nc", tmp_path)


def test_a_truncated_table_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.nc"
    path.write_bytes(TABLES.read_bytes()[:700000])
    assert "not a whole NetCDF-4 file" in refused(path, tmp_path)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 1)
    assert "has no global attribute format_version" in refused(path, tmp_path)


def test_a_changed_coefficient_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "changed.nc"
    shutil.copy(TABLES, path)
    with netCDF4.Dataset(path, "a") as file:
        file["band07_lower_co2"][3, 4, 5] *= 1.0001
    assert "band07_lower_co2: checksum expected" in refused(path, tmp_path)


def test_fluxes_do_not_depend_on_blocks_sections_or_threads() -> None:
    run = run_driver("test_rrtmg_longwave_blocks", TABLES)
    assert run.returncode == 0, run.stderr


@needs_oracle
def test_the_script_makes_the_shipped_tables_again(tmp_path: Path) -> None:
    path = tmp_path / "again.nc"
    script = ROOT / "tools" / "extract_rrtmg_tables.py"
    subprocess.run([sys.executable, script, path], check=True, capture_output=True)
    with netCDF4.Dataset(path) as again, netCDF4.Dataset(TABLES) as shipped:
        assert list(again.variables) == list(shipped.variables)
        for name in shipped.variables:
            assert again[name].fletcher64 == shipped[name].fletcher64
            assert np.array_equal(again[name][:], shipped[name][:])


def test_the_licence_of_the_tables_lies_beside_them() -> None:
    licence = (TABLES.parent / "rrtmg_longwave.LICENSE").read_text()
    assert "Copyright (c) 2002-2020, Atmospheric & Environmental Research, Inc. (AER)" in licence
    assert "climt 0.31.0" in licence
