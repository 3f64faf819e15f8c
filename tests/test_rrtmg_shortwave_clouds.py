"""Clouds in the bundled RRTMG shortwave against AER's own (the climt wheel) and a plain solver, and what they must do."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import rrtmg_shortwave_oracle
from host_projects import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from rrtmg_clouds import FU, ICE_OPTION, MAXIMUM, MAXIMUM_RANDOM, OVERLAP_OPTION, RANDOM, STREAMER, cloudy_columns, optics
from rrtmg_drivers import Columns
from test_rrtmg_shortwave import AEROSOL, ALBEDOS, SURFACE, columns, drive, needs_oracle, ours, reference_fluxes, write

CLOUDS = ("cloud_fraction", "cloud_liquid_path", "cloud_ice_path", "liquid_radius", "ice_radius")
FLUXES = ("up", "down", "direct", "heating_rate")
CASES = pytest.mark.parametrize(
    ("count", "layers", "ice", "overcast"),
    [(120, 89, FU, True), (120, 89, FU, False), (120, 60, STREAMER, False), (60, 137, FU, False)],
)


def sunny_clouds(count: int, layers: int, seed: int, ice: int = FU, overcast: bool = False, aerosol: bool = False) -> Columns:
    c = cloudy_columns(count, layers, seed, ice, overcast)
    names = (*ALBEDOS, *AEROSOL, "cos_zenith", "solar_irradiance")
    return c | {name: values for name, values in columns(count, layers, seed, aerosol).items() if name in names}


def without(c: Columns, *names: str) -> Columns:
    return {name: values for name, values in c.items() if name not in names}


def oracle(c: Columns, folder: Path, seeds: np.ndarray, overlap: int = MAXIMUM_RANDOM, ice: int = FU) -> Columns:
    options = {"ice_option": np.array(ICE_OPTION[ice]), "overlap_option": np.array(OVERLAP_OPTION[overlap])}
    np.savez(folder / "clouds.npz", **c, **options, permuteseeds=seeds)
    (folder / "oracle.npz").unlink(missing_ok=True)
    command = [sys.executable, rrtmg_shortwave_oracle.__file__, "clouds", folder / "clouds.npz", folder / "oracle.npz"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (folder / "oracle.npz").exists(), f"the oracle stopped: {run.stdout} {run.stderr}"
    with np.load(folder / "oracle.npz") as file:
        return dict(file)


def with_its_subcolumns(c: Columns, folder: Path, ice: int) -> tuple[Columns, Columns]:
    """The columns with one draw of the original in place of the cloud fraction, and the original's fluxes for it."""
    theirs = oracle(c, folder, np.array([112]), ice=ice)
    given = without(c, "cloud_fraction") | {"subcolumns": theirs["subcolumns"]}
    return given, {name: values[0] for name, values in theirs.items() if name not in ("seconds", "subcolumns")}


def same_bits(mine: Columns, theirs: Columns, names: tuple[str, ...] = (*FLUXES, *SURFACE)) -> bool:
    return all(np.array_equal(mine[name], theirs[name]) for name in names)


@needs_oracle
@CASES
@pytest.mark.parametrize("aerosol", [False, True], ids=["clouds", "clouds-and-aerosol"])
def test_with_the_originals_subcolumns_and_table_fluxes_are_the_originals(
    tmp_path: Path, count: int, layers: int, ice: int, overcast: bool, aerosol: bool
) -> None:
    c = sunny_clouds(count, layers, layers + ice, ice, overcast, aerosol)
    c, theirs = with_its_subcolumns(c, tmp_path, ice)
    assert np.abs(theirs["up"] - theirs["up_clear"]).max() > 200  # the clouds count
    mine = ours(c, tmp_path, "original", clear=True, ice=ice)
    for name in ("up", "down", "up_clear", "down_clear"):
        worst = np.abs(mine[name] - theirs[name]).max()
        print(name, worst)
        assert worst < 1e-5, name


@needs_oracle
@CASES
def test_by_default_fluxes_are_within_the_error_of_the_originals_table(
    tmp_path: Path, count: int, layers: int, ice: int, overcast: bool
) -> None:
    c, theirs = with_its_subcolumns(sunny_clouds(count, layers, layers + ice, ice, overcast), tmp_path, ice)
    mine = ours(c, tmp_path, ice=ice)
    # One column in fifty may have a layer whose diffuse extinction meets the sun's secant: there the table's error is divided
    # by almost nothing.
    for name, limit, rms in (("up", 0.8, 0.03), ("down", 0.8, 0.03), ("heating_rate", 0.25, 0.01)):
        difference = np.abs(mine[name] - theirs[name])
        by_column = difference.max(axis=1)
        ordinary = by_column <= limit
        print(name, np.sort(by_column)[-3:], np.sqrt((difference[ordinary] ** 2).mean()))
        assert (~ordinary).sum() <= len(c["cos_zenith"]) // 50, name
        assert np.sqrt((difference[ordinary] ** 2).mean()) < rms, name


@pytest.mark.parametrize("aerosol", [False, True], ids=["clouds", "clouds-and-aerosol"])
@pytest.mark.parametrize("ice", [FU, STREAMER])
def test_fluxes_are_those_of_a_plain_solver_in_extended_precision(tmp_path: Path, aerosol: bool, ice: int) -> None:
    c = sunny_clouds(60, 60, 51, ice, aerosol=aerosol)
    seen = np.random.default_rng(52).random((60, 60, 112)) < c["cloud_fraction"][:, :, None]
    inside = optics(without(c, *AEROSOL), tmp_path, ice)
    c = without(c, "cloud_fraction") | {"subcolumns": seen}
    depths = ours(without(c, "subcolumns"), tmp_path, "depths")
    reference = reference_fluxes(c, depths, without(inside, "longwave_absorption"))
    mine = ours(c, tmp_path, "absorbing", ice=ice)
    for name in ("up", "down", "direct"):
        worst = np.abs(mine[name] - reference[name]).max()
        print(name, worst)
        assert worst < 1e-6, name


def test_ice_that_scatters_forward_absorbs_if_asked_to(tmp_path: Path) -> None:
    c = sunny_clouds(60, 60, 53, overcast=True)
    plain, absorbing = ours(c, tmp_path), ours(c, tmp_path, "absorbing")
    assert (plain["up"][:, 0] - absorbing["up"][:, 0]).max() > 10
    assert (absorbing["up"] <= plain["up"] + 1e-9).all()
    streamer = sunny_clouds(60, 60, 53, STREAMER, overcast=True)
    assert same_bits(ours(streamer, tmp_path, ice=STREAMER), ours(streamer, tmp_path, "absorbing", ice=STREAMER))


@needs_oracle
@pytest.mark.parametrize("overlap", [MAXIMUM_RANDOM, RANDOM, MAXIMUM])
def test_the_mean_of_many_draws_is_the_originals(tmp_path: Path, overlap: int) -> None:
    count, draws = 30, 200
    c = sunny_clouds(count, 40, 31)
    c["cos_zenith"] = np.linspace(0.3, 1, count)
    mine = ours(c, tmp_path, draws=draws, overlap=overlap)
    theirs = oracle(c, tmp_path, np.arange(1, draws + 1), overlap)
    cloudy = (c["cloud_fraction"] > 0).any(axis=1)
    for name, level in (("up", 0), ("down", -1), ("up", -10), ("down", -10)):
        difference = (mine[name] - theirs[name].mean(axis=0))[cloudy, level]
        noise = [mine[f"{name}_noise"][cloudy, level], theirs[name].std(axis=0, ddof=1)[cloudy, level]]
        error = np.sqrt((noise[0] ** 2 + noise[1] ** 2) / draws) + 0.05  # the tables' error is no noise
        together = abs(difference.sum()) / np.sqrt((error**2).sum())
        print(name, level, "of all columns", together, "standard errors; noise", np.mean(noise, axis=1))
        assert together < 3
        assert np.abs(difference / error).max() < 4
        assert 0.8 < noise[0].mean() / noise[1].mean() < 1.25


def test_the_noise_of_a_draw_is_what_draws_differ_by(tmp_path: Path) -> None:
    c = sunny_clouds(20, 40, 32)
    singles = [ours(c | {"seed": np.arange(20) + 1000 * seed}, tmp_path)["up"] for seed in range(100)]
    spread = np.std(singles, axis=0, ddof=1)
    noise = ours(c | {"seed": np.arange(20)}, tmp_path, draws=200)["up_noise"]
    assert spread.max() > 5
    assert np.abs(spread.mean() / noise.mean() - 1) < 0.06
    assert not ours(c, tmp_path)["up_noise"].any()  # of one draw nothing is known


@pytest.mark.parametrize("overlap", [MAXIMUM_RANDOM, RANDOM, MAXIMUM])
def test_no_cloud_gives_clear_sky_to_the_last_bit(tmp_path: Path, overlap: int) -> None:
    c = sunny_clouds(60, 60, 33, aerosol=True)
    clear = ours(without(c, *CLOUDS), tmp_path)
    none = ours(c | {"cloud_fraction": np.zeros((60, 60))}, tmp_path, overlap=overlap)
    assert same_bits(none, clear)
    with_clouds = ours(c, tmp_path, overlap=overlap, clear=True)
    for name in ("up", "down", "direct"):
        assert np.array_equal(with_clouds[f"{name}_clear"], clear[name])
    free = ~(c["cloud_fraction"] > 0).any(axis=1)
    assert free.any()
    assert not free.all()
    assert np.array_equal(with_clouds["up"][free], clear["up"][free])
    # Asking for the clear sky does not change the cloudy one.
    assert same_bits(ours(c, tmp_path, overlap=overlap), with_clouds)


def test_clouds_without_water_change_nothing(tmp_path: Path) -> None:
    c = sunny_clouds(20, 60, 34)
    dry = c | {name: np.zeros((20, 60)) for name in ("cloud_liquid_path", "cloud_ice_path")}
    clear = ours(without(c, *CLOUDS), tmp_path)
    for name in ("up", "down", "direct"):
        assert np.abs(ours(dry, tmp_path)[name] - clear[name]).max() < 1e-9


def test_overcast_needs_no_overlap_and_no_draw(tmp_path: Path) -> None:
    c = sunny_clouds(40, 60, 35, overcast=True)
    once = ours(c, tmp_path)
    for overlap in (RANDOM, MAXIMUM):
        drawn = ours(c, tmp_path, overlap=overlap, draws=3)
        for name in FLUXES:
            assert np.abs(drawn[name] - once[name]).max() < 1e-9, name
        assert drawn["up_noise"].max() < 1e-9


def test_many_draws_of_one_layer_are_the_mean_of_overcast_and_clear_sky(tmp_path: Path) -> None:
    c = sunny_clouds(20, 60, 36)
    c["cos_zenith"] = np.linspace(0.3, 1, 20)
    c |= {
        "cloud_liquid_path": np.full((20, 60), 0.05),
        "cloud_ice_path": np.zeros((20, 60)),
        "cloud_fraction": np.zeros((20, 60)),
    }
    c["cloud_fraction"][:, 45] = 0.4
    mine = ours(c, tmp_path, draws=400, clear=True)
    overcast = ours(c | {"cloud_fraction": np.where(c["cloud_fraction"] > 0, 1.0, 0.0)}, tmp_path)
    for name in ("up", "down"):
        expected = 0.4 * overcast[name] + 0.6 * mine[f"{name}_clear"]
        noise = mine[f"{name}_noise"].max(axis=1, keepdims=True)
        assert (np.abs(mine[name] - expected) < 4 * noise / np.sqrt(400) + 1e-9).all(), name
    expected = 0.4 * overcast["direct"] + 0.6 * mine["direct_clear"]
    assert (np.abs(mine["direct"] - expected) <= 0.02 * (mine["direct_clear"] - overcast["direct"]) + 1e-9).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(1, 10**6), layers=st.integers(10, 120), ice=st.sampled_from([FU, STREAMER]), aerosol=st.booleans())
def test_light_is_positive_is_only_absorbed_and_its_energy_is_kept(seed: int, layers: int, ice: int, aerosol: bool) -> None:
    c = sunny_clouds(12, layers, seed, ice, aerosol=aerosol)
    with tempfile.TemporaryDirectory() as folder:
        mine = ours(c, Path(folder), ice=ice, draws=2)
    up, down, direct, heating = (mine[name] for name in FLUXES)
    incident = c["cos_zenith"] * c["solar_irradiance"]
    assert np.allclose(down[:, 0], incident, rtol=3e-6)
    assert (up >= 0).all()
    assert (direct >= 0).all()
    assert (down >= direct - 1e-9).all()
    assert (np.diff(direct, axis=1) <= 1e-12).all()
    assert (down - up >= -1e-9).all()
    assert (heating >= -1e-6).all()
    net = down - up
    absorbed = (heating * np.diff(c["pressure_level"], axis=1)).sum(axis=1) * 1004.64 / (9.8066 * 86400)
    assert np.allclose(absorbed, net[:, 0] - net[:, -1], atol=1e-8)
    parts = np.concatenate([mine[name] for name in SURFACE], axis=1)
    assert (parts >= -1e-9).all()
    assert np.allclose(parts.sum(axis=1), down[:, -1], atol=1e-8)
    assert np.allclose(parts[:, 0] + parts[:, 2], direct[:, -1], atol=1e-8)


def test_the_parts_of_the_surfaces_light_are_those_the_albedos_act_on(tmp_path: Path) -> None:
    c = sunny_clouds(40, 60, 37) | {name: np.zeros(40) for name in ALBEDOS}
    control = ours(c, tmp_path)
    assert np.abs(control["up"][:, -1]).max() == 0
    # What a surface reflects of one part, before any of it comes back, is that part times the albedo.
    for albedo, part in zip(ALBEDOS, SURFACE, strict=True):
        faint = ours(c | {albedo: np.full(40, 1e-6)}, tmp_path)
        reflected = 1e6 * faint["up"][:, -1]
        if albedo.endswith("direct"):
            # Light that delta scaling counts as direct is reflected as such.
            assert (reflected >= control[part][:, 0] - 1e-3).all(), part
        else:
            assert (reflected <= control[part][:, 0] + 1e-3).all(), part
    assert (control[SURFACE[1]] > 0).all()


def test_seeds_belong_to_columns_and_both_spectra_draw_apart(tmp_path: Path) -> None:
    c = sunny_clouds(30, 40, 39)
    c["seed"] = np.arange(30)
    first = ours(c, tmp_path)
    order = np.random.default_rng(1).permutation(30)
    again = ours({name: values[order] for name, values in c.items()}, tmp_path)
    assert same_bits(again, {name: values[order] for name, values in first.items()})
    other = ours(c | {"seed": np.arange(30) + 30}, tmp_path)
    partly = ((c["cloud_fraction"] > 0) & (c["cloud_fraction"] < 1)).any(axis=1)
    assert (np.abs(other["up"] - first["up"]).max(axis=1) > 0)[partly].mean() > 0.9
    own = ours(without(c, "seed"), tmp_path)
    assert same_bits(own, ours(without(c, "seed"), tmp_path))


def test_night_is_exactly_zero_under_clouds_too(tmp_path: Path) -> None:
    c = sunny_clouds(20, 40, 40)
    c["cos_zenith"][::2] = -0.1
    mine = ours(c, tmp_path, clear=True, draws=2)
    for name, values in mine.items():
        assert (values[::2] == 0).all(), name
    assert (mine["up"][1::2] > 0).all()


def test_the_analytic_overlap_is_refused_with_a_reason(tmp_path: Path) -> None:
    write(tmp_path / "columns.bin", sunny_clouds(2, 20, 41), overlap=4)
    run = drive("fluxes", tmp_path / "columns.bin", tmp_path / "results.bin")
    assert run.returncode != 0
    assert "rrtmg_overlap_analytic, which is the longwave's alone" in run.stderr


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cloud_fraction", 1.5, "cloud_fraction of column 2, layer 3: expected 0.00 to 1.00 1, got 1.50"),
        ("cloud_ice_path", -1e-3, "cloud_ice_path of column 2, layer 3: expected 0.00 to 1000.00 kg m-2, got -1.000E-03"),
        (
            "liquid_radius",
            np.nan,
            "liquid_radius of column 2, layer 3: expected 2.500E-06 to 6.000E-05 m where the cloud has water",
        ),
    ],
)
def test_bad_clouds_are_named(tmp_path: Path, name: str, value: float, message: str) -> None:
    c = sunny_clouds(3, 20, 42)
    c["cloud_fraction"][1, 2], c["cloud_liquid_path"][1, 2], c["cloud_ice_path"][1, 2] = 0.5, 0.01, 0.01
    c[name][1, 2] = value
    write(tmp_path / "columns.bin", c)
    run = drive("fluxes", tmp_path / "columns.bin", tmp_path / "results.bin")
    assert run.returncode != 0
    assert message in run.stderr


def test_clouds_without_their_optics_are_refused(tmp_path: Path) -> None:
    tables = ROOT / "data" / "rrtmg_shortwave.nc"
    (tmp_path / tables.name).write_bytes(tables.read_bytes())
    write(tmp_path / "columns.bin", sunny_clouds(2, 20, 43))
    run = drive("fluxes", tmp_path / "columns.bin", tmp_path / "results.bin", tmp_path / tables.name)
    assert run.returncode != 0
    assert "no cloud optics; expected rrtmg_clouds.nc in the folder" in run.stderr
