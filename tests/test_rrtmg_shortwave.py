"""The bundled RRTMG shortwave against AER's own (the climt wheel), and what it says of bad input and bad table files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from ftorch_bridge import original_rrtmg_shortwave
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.original_rrtmg_shortwave import ALBEDOS, BANDS, POINTS
from host_projects import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from rrtmg_drivers import Columns, run_driver

TABLES = ROOT / "data" / "rrtmg_shortwave.nc"
LAYER_ARRAYS = ("pressure_layer", "temperature_layer", "h2o", "o3", "co2", "ch4", "o2")
ARRAYS = ("pressure_level", *LAYER_ARRAYS, "cos_zenith", "solar_irradiance", *ALBEDOS)
SURFACE = (
    "surface_visible_direct",
    "surface_visible_diffuse",
    "surface_near_infrared_direct",
    "surface_near_infrared_diffuse",
)
AEROSOL = ("aerosol_optical_depth", "aerosol_single_scattering_albedo", "aerosol_asymmetry")

needs_oracle = pytest.mark.skipif(
    not original_rrtmg_shortwave.available(), reason="the oracle is AER's RRTMG in the wheel climt; pip install climt==0.31.0"
)


def columns(count: int, layers: int, seed: int, aerosol: bool = False) -> Columns:
    """Generated columns under suns of all heights, over surfaces of all albedos."""
    rng = np.random.default_rng(seed)
    generated = generate_columns(count, layers, seed=seed, clear_sky=True)
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


def write(path: Path, c: Columns, overlap: int = 1, ice: int = 2, draws: int = 1, clear: bool = False) -> None:
    given = 2 if "subcolumns" in c else int("cloud_fraction" in c)
    arrays = list(ARRAYS)
    if given:
        arrays += ["cloud_liquid_path", "liquid_radius", "cloud_ice_path", "ice_radius"]
        arrays += ["subcolumns" if given == 2 else "cloud_fraction"]
    arrays += [name for name in ("seed", *AEROSOL) if name in c]
    with path.open("wb") as file:
        header = [*c["pressure_layer"].shape, given, overlap, ice, draws, "seed" in c, AEROSOL[0] in c, clear]
        np.array(header, dtype=np.int32).tofile(file)
        for name in arrays:
            np.asarray(c[name], dtype=np.int64 if name == "seed" else np.float64).ravel(order="F").tofile(file)


def drive(mode: str, source: Path, target: Path, tables: Path = TABLES) -> subprocess.CompletedProcess[str]:
    return run_driver("rrtmg_shortwave_driver", mode, tables, source, target)


def ours(c: Columns, folder: Path, mode: str = "fluxes", clear: bool = False, **options: int) -> Columns:
    write(folder / "columns.bin", c, clear=clear, **options)
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
    sizes = dict.fromkeys(("up", "down", "direct"), layers + 1) | {"heating_rate": layers}
    sizes |= dict.fromkeys(("up_noise", "down_noise"), layers + 1) | dict.fromkeys(SURFACE, 1)
    if clear:
        sizes |= dict.fromkeys(("up_clear", "down_clear", "direct_clear"), layers + 1)
    parts = np.split(values, count * np.cumsum(list(sizes.values()))[:-1])
    return {name: part.reshape(count, -1, order="F") for name, part in zip(sizes, parts, strict=True)}


def oracle(c: Columns, folder: Path, mode: str = "fluxes") -> Columns:
    np.savez(folder / "columns.npz", **c)
    command = [
        sys.executable,
        "-m",
        "ftorch_bridge.original_rrtmg_shortwave",
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


def check_agreement(mine: Columns, theirs: Columns) -> None:
    """Limits of the default mode against the original, which a column in a hundred may miss.

    Where a layer's diffuse extinction meets the sun's secant, the original divides the errors of its table by almost nothing.
    """
    for name, limit, rare in (("up", 0.05, 0.1), ("down", 0.05, 0.5), ("heating_rate", 0.25, 2.5)):
        difference = np.abs(mine[name] - theirs[name]).max(axis=1)
        print(name, np.sort(difference)[-3:])
        assert (difference > limit).sum() <= max(1, len(difference) // 100), name
        assert difference.max() < rare, name


GPOINTS_OF_BANDS = (6, 12, 8, 8, 10, 10, 2, 10, 8, 6, 6, 8, 6, 12)
VISIBLE_BANDS = slice(9, 13)


def reference_fluxes(c: Columns, optics: Columns, clouds: Columns | None = None) -> Columns:
    """Two-stream layers and their adding from the top down as textbooks have it, in extended precision, without shortcuts.

    `clouds` are depths inside them, by band, which come delta-scaled; `subcolumns` of the columns say which g-points see them.
    """
    count, layers = c["pressure_layer"].shape
    visible = np.zeros(BANDS, dtype=bool)
    visible[VISIBLE_BANDS] = True
    visible = np.repeat(visible, GPOINTS_OF_BANDS)
    absorption, scattering = (optics[name].transpose(0, 2, 1).astype(np.longdouble) for name in ("depth", "rayleigh"))
    absorption = np.maximum(absorption, 0)  # beyond its ends a table can give less than nothing
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
    if clouds is not None:
        seen = c["subcolumns"].astype(np.longdouble)
        cloud = {name: seen * np.repeat(values, GPOINTS_OF_BANDS, axis=2) for name, values in clouds.items()}
        scattered, forward = w * tau + cloud["scattering"], g * w * tau + cloud["forward"]
        tau = tau + cloud["absorption"] + cloud["scattering"]
        w, g = scattered / tau, forward / scattered
        total = total + cloud["unscaled"]
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
    check_agreement(ours(c, tmp_path), oracle(c, tmp_path))


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


@needs_oracle
def test_high_ground_and_low_suns_are_the_originals_too(tmp_path: Path) -> None:
    # The original chooses the layer of the solar source otherwise where the ground lies above a band's reference level.
    c = columns(80, 89, seed=16)
    plateau = {name: values[:, :-19] if values.ndim > 1 else values for name, values in c.items()}
    assert plateau["pressure_level"][:, -1].max() < 60000
    horizon = c | {"cos_zenith": np.logspace(-9, -2, 80)}
    for case in (plateau, horizon):
        mine, theirs = ours(case, tmp_path, "original"), oracle(case, tmp_path)
        assert theirs["up"].max() > 1
        assert worst(mine, theirs, "up") < 1e-5
        assert worst(mine, theirs, "down") < 1e-5


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(1, 10**6), layers=st.integers(1, 120), aerosol=st.booleans())
def test_light_is_positive_is_only_absorbed_and_its_energy_is_kept(seed: int, layers: int, aerosol: bool) -> None:
    made = max(layers, 10)  # the generator makes no fewer
    c = columns(12, made, seed=seed, aerosol=aerosol)
    c = {name: values[:, made - layers :] if values.ndim > 1 else values for name, values in c.items()}
    with tempfile.TemporaryDirectory() as folder:
        mine = ours(c, Path(folder))
    up, down, direct, heating = (mine[name] for name in ("up", "down", "direct", "heating_rate"))
    incident = c["cos_zenith"] * c["solar_irradiance"]
    assert np.allclose(down[:, 0], incident, rtol=3e-6)
    assert np.array_equal(down[:, 0], direct[:, 0])
    assert (up >= 0).all() and (direct >= 0).all()
    assert (down >= direct - 1e-9).all()
    assert (np.diff(direct, axis=1) <= 1e-12).all()
    net = down - up
    assert (net >= -1e-9).all()
    assert (net <= incident[:, None] * (1 + 3e-6)).all()
    assert (heating >= -1e-6).all()
    absorbed = (heating * np.diff(c["pressure_level"], axis=1)).sum(axis=1) * 1004.64 / (9.8066 * 86400)
    assert np.allclose(absorbed, net[:, 0] - net[:, -1], atol=1e-8)


def test_what_only_scatters_heats_nothing_and_a_white_ground_sends_all_back(tmp_path: Path) -> None:
    c = columns(50, 60, seed=11, aerosol=True)
    for gas in ("h2o", "o3", "co2", "ch4", "o2"):
        c[gas] = np.zeros_like(c[gas])
    c["aerosol_single_scattering_albedo"] = np.ones_like(c["aerosol_single_scattering_albedo"])
    c |= {name: np.ones(50) for name in ALBEDOS}
    mine = ours(c, tmp_path)
    # RRTMG counts gases that are not there as 1e-12, so a trace of absorption is left.
    net = mine["down"] - mine["up"]
    print(np.abs(net).max(), np.abs(mine["heating_rate"]).max())
    assert np.abs(net).max() < 1e-3
    assert np.abs(mine["heating_rate"]).max() < 1e-3


def test_twice_the_sun_gives_twice_the_flux_to_the_last_bit(tmp_path: Path) -> None:
    c = columns(30, 40, seed=12)
    once = ours(c, tmp_path)
    twice = ours(c | {"solar_irradiance": 2 * c["solar_irradiance"]}, tmp_path)
    for name in ("up", "down", "direct", "heating_rate"):
        assert np.array_equal(twice[name], 2 * once[name]), name


def test_night_and_no_sun_are_exactly_zero_beside_columns_by_day(tmp_path: Path) -> None:
    c = columns(30, 40, seed=13)
    by_day = ours(c, tmp_path)
    dark = np.arange(30) % 3 == 0
    night = c | {"cos_zenith": np.where(dark, -c["cos_zenith"], c["cos_zenith"])}
    night["cos_zenith"][0] = 0.0
    eclipse = c | {"solar_irradiance": np.where(dark, 0.0, c["solar_irradiance"])}
    for changed in (night, eclipse):
        mine = ours(changed, tmp_path)
        for name in ("up", "down", "direct", "heating_rate"):
            assert (mine[name][dark] == 0).all(), name
            assert np.array_equal(mine[name][~dark], by_day[name][~dark]), name


def test_each_albedo_acts_on_its_own_part_of_the_light(tmp_path: Path) -> None:
    c = columns(40, 60, seed=14) | {name: np.full(40, 0.2) for name in ALBEDOS}
    c["cos_zenith"] = np.linspace(0.3, 1.0, 40)
    control = ours(c, tmp_path)
    gain = {name: ours(c | {name: np.full(40, 0.3)}, tmp_path)["up"][:, -1] - control["up"][:, -1] for name in ALBEDOS}
    both = ours(c | {name: np.full(40, 0.3) for name in ALBEDOS}, tmp_path)["up"][:, -1] - control["up"][:, -1]
    assert all((change > 0).all() for change in gain.values())
    # In the near infrared hardly anything is diffuse; in the visible much is.
    assert (gain["near_infrared_albedo_direct"] > 5 * gain["near_infrared_albedo_diffuse"]).all()
    assert (gain["visible_albedo_diffuse"] > gain["near_infrared_albedo_diffuse"]).all()
    assert np.allclose(sum(gain.values()), both, rtol=0.1)


def test_gases_take_light_where_they_must(tmp_path: Path) -> None:
    c = columns(40, 89, seed=15)
    control = ours(c, tmp_path)
    moist = ours(c | {"h2o": np.minimum(2 * c["h2o"], 0.5)}, tmp_path)
    assert (moist["direct"][:, -1] < control["direct"][:, -1]).all()
    no_ozone = ours(c | {"o3": np.zeros_like(c["o3"])}, tmp_path)
    stratosphere = (c["pressure_layer"] > 50) & (c["pressure_layer"] < 2000)
    assert (no_ozone["heating_rate"][stratosphere] < 0.7 * control["heating_rate"][stratosphere]).all()


BAD = [
    ("temperature_layer", (2, 7), np.nan, "temperature_layer of column 3, layer 8: expected 100.00 to 400.00 K, got NaN"),
    ("h2o", (1, 0), -1e-9, "h2o of column 2, layer 1: expected 0.00 to 1.00 mol mol-1, got -1.000E-09"),
    ("o3", (1, 2), np.inf, "o3 of column 2, layer 3"),
    ("o2", (0, 19), 1.5, "o2 of column 1, layer 20: expected 0.00 to 1.00 mol mol-1, got 1.50"),
    ("pressure_layer", (0, 0), 0.0, "pressure_layer of column 1, layer 1: expected a positive pressure between its levels'"),
    ("pressure_level", (3, 5), 5.0e4, "pressure_level of column 4, levels 6 and 7: expected rising pressures"),
    ("cos_zenith", (2,), 1.01, "cos_zenith of column 3: expected -1.00 to 1.00 1, got 1.01"),
    ("cos_zenith", (2,), np.nan, "cos_zenith of column 3: expected -1.00 to 1.00 1, got NaN"),
    ("solar_irradiance", (1,), -1.0, "solar_irradiance of column 2: expected 0.00 to 10000.00 W m-2, got -1.00"),
    ("visible_albedo_direct", (3,), 1.01, "visible_albedo_direct of column 4: expected 0.00 to 1.00 1, got 1.01"),
    ("near_infrared_albedo_diffuse", (0,), np.nan, "near_infrared_albedo_diffuse of column 1"),
    (
        "aerosol_optical_depth",
        (3, 4, 13),
        -0.1,
        "aerosol_optical_depth of column 4, layer 5, band 14: expected 0.00 to 10000.00",
    ),
    ("aerosol_single_scattering_albedo", (0, 1, 2), 1.1, "aerosol_single_scattering_albedo of column 1, layer 2, band 3"),
    (
        "aerosol_asymmetry",
        (1, 1, 1),
        np.nan,
        "aerosol_asymmetry of column 2, layer 2, band 2: expected 0.00 to 1.00 1, got NaN",
    ),
]


@pytest.mark.parametrize(("name", "place", "value", "message"), BAD, ids=[case[0] for case in BAD])
def test_a_bad_value_is_refused_by_name_and_place(
    tmp_path: Path, name: str, place: tuple[int, ...], value: float, message: str
) -> None:
    c = columns(4, 20, seed=3, aerosol=True)
    c[name][place] = value
    write(tmp_path / "columns.bin", c)
    run = drive("fluxes", tmp_path / "columns.bin", tmp_path / "results.bin")
    assert run.returncode != 0
    assert any(line.startswith("ERROR STOP") and message in line for line in run.stderr.splitlines()), run.stderr


def refused(tables: Path, tmp_path: Path) -> str:
    write(tmp_path / "columns.bin", columns(2, 10, seed=1))
    run = drive("fluxes", tmp_path / "columns.bin", tmp_path / "results.bin", tables)
    assert run.returncode != 0
    lines = [line for line in run.stderr.splitlines() if line.startswith("ERROR STOP") and str(tables) in line]
    assert len(lines) == 1
    return lines[0]


def test_a_missing_table_file_is_named(tmp_path: Path) -> None:
    message = refused(tmp_path / "nowhere.nc", tmp_path)
    assert "no such file" in message
    assert "shortwave tables (data/rrtmg_shortwave.nc)" in message


def test_a_truncated_table_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.nc"
    path.write_bytes(TABLES.read_bytes()[:700000])
    assert "not a whole NetCDF-4 file" in refused(path, tmp_path)


def test_the_longwaves_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.nc"
    shutil.copy(TABLES.parent / "rrtmg_longwave.nc", path)
    assert "not RRTMG's shortwave tables" in refused(path, tmp_path)
    assert "RRTMG longwave coefficient tables" in refused(path, tmp_path)


def test_a_changed_coefficient_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "changed.nc"
    shutil.copy(TABLES, path)
    with netCDF4.Dataset(path, "a") as file:
        file["band24_solar_source"][3, 4] *= 1.0001
    assert "band24_solar_source: checksum expected" in refused(path, tmp_path)


def test_a_band_without_absorbers_reads_zeros_of_its_own() -> None:
    """Band 26 has no row: what it read beyond its table was nothing, or not a number, as memory had it."""
    run = run_driver("test_rrtmg_rows")
    assert run.returncode == 0, run.stdout + run.stderr


def test_fluxes_do_not_depend_on_blocks_sections_or_threads() -> None:
    run = run_driver("test_rrtmg_shortwave_blocks", TABLES)
    assert run.returncode == 0, run.stderr


@needs_oracle
def test_the_script_makes_the_shipped_tables_again(tmp_path: Path) -> None:
    path = tmp_path / "again.nc"
    script = ROOT / "tools" / "extract_rrtmg_tables.py"
    subprocess.run([sys.executable, script, "--shortwave", path], check=True, capture_output=True)
    with netCDF4.Dataset(path) as again, netCDF4.Dataset(TABLES) as shipped:
        assert list(again.variables) == list(shipped.variables)
        for name in shipped.variables:
            assert again[name].fletcher64 == shipped[name].fletcher64
            assert np.array_equal(again[name][:], shipped[name][:])


def test_the_licence_of_the_tables_lies_beside_them() -> None:
    licence = (TABLES.parent / "rrtmg_shortwave.LICENSE").read_text()
    assert "Copyright (c) 2002-2020, Atmospheric & Environmental Research, Inc. (AER)" in licence
    assert "climt 0.31.0" in licence
