"""Clouds in the bundled RRTMG longwave against AER's own (the climt wheel), subcolumns against exact statistics, bad input."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from ftorch_bridge import original_rrtmg
from rrtmg_clouds import (
    ANALYTIC,
    CLOUD_TABLES,
    FU,
    ICE_OPTION,
    MAXIMUM,
    MAXIMUM_RANDOM,
    RANDOM,
    STREAMER,
    Columns,
    band_properties,
    cloudy_columns,
    drive,
    optics,
    oracle,
    ours,
    subcolumns,
)
from rrtmg_drivers import run_driver
from test_rrtmg_longwave import ROOT, TABLES

CLOUDS = ("cloud_fraction", "cloud_liquid_path", "cloud_ice_path", "liquid_radius", "ice_radius")
FLUXES = ("up", "down", "up_clear", "down_clear")

needs_oracle = pytest.mark.skipif(
    not original_rrtmg.available(), reason="the oracle is AER's RRTMG in the wheel climt; pip install climt==0.31.0"
)
CASES = pytest.mark.parametrize(
    ("count", "layers", "ice", "overcast"),
    [(120, 89, FU, True), (200, 89, FU, False), (120, 89, STREAMER, False), (60, 47, FU, False), (60, 137, STREAMER, True)],
)


def without(c: Columns, *names: str) -> Columns:
    return {name: values for name, values in c.items() if name not in names}


def worst_of_columns(mine: Columns, theirs: Columns, names: tuple[str, ...] = FLUXES) -> np.ndarray:
    return np.max([np.abs(mine[name] - theirs[name]).max(axis=1) for name in names], axis=0)


def same_bits(mine: Columns, theirs: Columns, names: tuple[str, ...] = ("up", "down", "heating_rate")) -> bool:
    return all(np.array_equal(mine[name], theirs[name]) for name in names)


def check_original(mine: Columns, theirs: Columns) -> None:
    """The original's fluxes, where no optical depth falls on another entry of its table of transmittances.

    The optical depths of both agree to 1e-6 in bands 3, 4, 7 and 13, where the original has single-precision numbers. That
    now and then decides between two of the table's 10,000 entries, which lie up to 0.1 % apart.
    """
    worst = worst_of_columns(mine, theirs)
    print("median", np.median(worst), "largest", worst.max(), "columns beyond 1e-5", (worst > 1e-5).sum(), "of", worst.size)
    assert np.median(worst) < 1e-6
    assert (worst > 1e-5).mean() < 0.06
    assert worst.max() < 5e-3


@needs_oracle
@CASES
def test_the_overlap_solver_is_the_originals(tmp_path: Path, count: int, layers: int, ice: int, overcast: bool) -> None:
    c = cloudy_columns(count, layers, layers + ice, ice, overcast)
    theirs = oracle(c, tmp_path, ice=ice)
    assert np.abs(theirs["up"] - theirs["up_clear"]).max() > 50  # the clouds count
    check_original(ours(c, tmp_path, "original", clear=True, overlap=ANALYTIC, ice=ice), theirs)
    mine = ours(c, tmp_path, clear=True, overlap=ANALYTIC, ice=ice)
    print("default", worst_of_columns(mine, theirs).max(), np.abs(mine["heating_rate"] - theirs["heating_rate"]).max())
    assert worst_of_columns(mine, theirs).max() < 0.02
    assert np.abs(mine["heating_rate"] - theirs["heating_rate"]).max() < 0.03


@needs_oracle
@CASES
def test_the_originals_subcolumns_give_the_originals_fluxes(
    tmp_path: Path, count: int, layers: int, ice: int, overcast: bool
) -> None:
    c = cloudy_columns(count, layers, layers + ice, ice, overcast)
    theirs = oracle(c, tmp_path, overlap=MAXIMUM_RANDOM, ice=ice, permuteseeds=np.array([140]))
    given = without(c, "cloud_fraction") | {"subcolumns": theirs["subcolumns"]}
    theirs = {name: values[0] for name, values in theirs.items() if name != "seconds"}
    check_original(ours(given, tmp_path, "original", clear=True, ice=ice), theirs)
    mine = ours(given, tmp_path, clear=True, ice=ice)
    print("default", worst_of_columns(mine, theirs).max(), np.abs(mine["heating_rate"] - theirs["heating_rate"]).max())
    # The original takes the transmittance of a cloudy layer exactly and its emission from the table: they do not quite match.
    assert worst_of_columns(mine, theirs).max() < 0.03
    assert np.abs(mine["heating_rate"] - theirs["heating_rate"]).max() < 0.1
    clear_layer = c["cloud_fraction"] == 0
    assert np.abs(mine["heating_rate"] - theirs["heating_rate"])[clear_layer].max() < 0.03


@needs_oracle
def test_aerosol_and_emissivity_by_band_are_the_originals(tmp_path: Path) -> None:
    c = cloudy_columns(120, 89, 21)
    c |= band_properties(c, 22)
    theirs = oracle(c, tmp_path)
    check_original(ours(c, tmp_path, "original", clear=True, overlap=ANALYTIC), theirs)
    mine = ours(c, tmp_path, clear=True, overlap=ANALYTIC)
    assert worst_of_columns(mine, theirs).max() < 0.02
    plain = ours(without(c, "aerosol_optical_depth", "band_emissivity"), tmp_path, clear=True, overlap=ANALYTIC)
    assert np.abs(mine["down_clear"] - plain["down_clear"]).max() > 0.5  # they count


def test_a_band_emissivity_that_is_the_same_in_all_bands_is_the_surfaces(tmp_path: Path) -> None:
    c = cloudy_columns(30, 60, 23)
    by_band = c | {"band_emissivity": np.repeat(c["surface_emissivity"][:, None], 16, axis=1)}
    by_band["surface_emissivity"] = np.full(30, 0.123)  # takes no part
    assert same_bits(ours(by_band, tmp_path), ours(c, tmp_path))


@needs_oracle
def test_the_mean_of_many_draws_is_the_originals(tmp_path: Path) -> None:
    columns, draws = 40, 400
    c = cloudy_columns(columns, 60, 31)
    mine = ours(c, tmp_path, draws=draws)
    theirs = oracle(c, tmp_path, overlap=MAXIMUM_RANDOM, permuteseeds=np.arange(1, draws + 1))
    cloudy = (c["cloud_fraction"] > 0).any(axis=1)
    for name, level in (("up", 0), ("down", -1), ("up", -12), ("down", -12)):
        difference = (mine[name] - theirs[name].mean(axis=0))[cloudy, level]
        noise = [mine[f"{name}_noise"][cloudy, level], theirs[name].std(axis=0, ddof=1)[cloudy, level]]
        error = np.sqrt((noise[0] ** 2 + noise[1] ** 2) / draws) + 0.01  # the tables' error is no noise
        together = abs(difference.sum()) / np.sqrt((error**2).sum())
        spread = np.mean((difference / error) ** 2)
        print(name, level, "of all columns", together, "standard errors; mean square", spread, "noise", np.mean(noise, axis=1))
        assert together < 3
        assert np.abs(difference / error).max() < 4
        assert spread < 1.6
        # The noise of a draw is that of the original, too.
        assert 0.8 < noise[0].mean() / noise[1].mean() < 1.25


def test_the_noise_of_a_draw_is_what_draws_differ_by(tmp_path: Path) -> None:
    c = cloudy_columns(20, 40, 32)
    singles = []
    for seed in range(200):
        singles.append(ours(c | {"seed": np.arange(20) + 1000 * seed}, tmp_path)["up"])
    spread = np.std(singles, axis=0, ddof=1)
    noise = ours(c | {"seed": np.arange(20)}, tmp_path, draws=400)["up_noise"]
    assert spread.max() > 1
    assert np.abs(spread.mean() / noise.mean() - 1) < 0.05
    assert not ours(c, tmp_path)["up_noise"].any()  # of one draw nothing is known


@pytest.mark.parametrize("overlap", [MAXIMUM_RANDOM, RANDOM, MAXIMUM, ANALYTIC])
def test_no_cloud_gives_clear_sky_to_the_last_bit(tmp_path: Path, overlap: int) -> None:
    c = cloudy_columns(60, 60, 33)
    clear = ours(without(c, *CLOUDS), tmp_path)
    none = ours(c | {"cloud_fraction": np.zeros((60, 60))}, tmp_path, overlap=overlap)
    assert same_bits(none, clear)
    with_clouds = ours(c, tmp_path, overlap=overlap, clear=True)
    assert np.array_equal(with_clouds["up_clear"], clear["up"])
    assert np.array_equal(with_clouds["down_clear"], clear["down"])
    free = ~(c["cloud_fraction"] > 0).any(axis=1)
    assert free.any()
    assert not free.all()
    assert np.array_equal(with_clouds["up"][free], clear["up"][free])
    # Asking for the clear sky does not change the cloudy one.
    assert same_bits(ours(c, tmp_path, overlap=overlap), with_clouds)


def test_clouds_without_water_radiate_nothing(tmp_path: Path) -> None:
    c = cloudy_columns(20, 60, 34)
    dry = c | {name: np.zeros((20, 60)) for name in ("cloud_liquid_path", "cloud_ice_path")}
    clear = ours(without(c, *CLOUDS), tmp_path)
    for overlap in (MAXIMUM_RANDOM, ANALYTIC):
        assert np.abs(ours(dry, tmp_path, overlap=overlap)["up"] - clear["up"]).max() < 1e-9


def test_overcast_needs_no_overlap_and_no_draw(tmp_path: Path) -> None:
    c = cloudy_columns(40, 60, 35, overcast=True)
    analytic = ours(c, tmp_path, overlap=ANALYTIC)
    for overlap in (MAXIMUM_RANDOM, RANDOM, MAXIMUM):
        drawn = ours(c, tmp_path, overlap=overlap, draws=2)
        assert worst_of_columns(drawn, analytic, ("up", "down")).max() < 1e-9
        assert drawn["up_noise"].max() < 1e-9


@pytest.mark.parametrize(("upper", "lower"), [(0.7, 0.3), (0.2, 0.6), (0.5, 0.5)])
@pytest.mark.parametrize("gap", [0, 3])
def test_two_layers_of_cloud_are_the_mean_of_overcast_and_clear_skies(
    tmp_path: Path, upper: float, lower: float, gap: int
) -> None:
    """Each of the four skies that two layers make weighs as much as the overlap says, over a black surface."""
    c = cloudy_columns(20, 60, 38)
    c["surface_emissivity"] = np.ones(20)
    for path in ("cloud_liquid_path", "cloud_ice_path"):
        c[path] = np.full((20, 60), 0.01)
    layers = [48, 49 + gap]

    def sky(*fractions: float) -> Columns:
        fraction = np.zeros((20, 60))
        fraction[:, layers] = fractions
        return ours(c | {"cloud_fraction": fraction}, tmp_path, overlap=ANALYTIC)

    both = upper * lower if gap else min(upper, lower)
    weights = {(1, 1): both, (1, 0): upper - both, (0, 1): lower - both, (0, 0): 1 - upper - lower + both}
    mixed = sky(upper, lower)
    for name in ("up", "down"):
        mean = sum(weight * sky(*state)[name] for state, weight in weights.items())
        assert np.abs(mixed[name] - mean).max() < 1e-9
        assert np.abs(mixed[name] - sky(0, 0)[name]).max() > 1


def test_clouds_act_as_they_must(tmp_path: Path) -> None:
    c = cloudy_columns(60, 60, 36)
    mine = ours(c, tmp_path, clear=True, overlap=ANALYTIC)
    cloudy = (c["cloud_fraction"] > 0.1).any(axis=1)
    # But for a cloud below an inversion, which is colder than the air that it hides.
    assert (mine["down"][cloudy, -1] > mine["down_clear"][cloudy, -1]).mean() > 0.95
    absorbed = (mine["heating_rate"] * np.diff(c["pressure_level"], axis=1)).sum(axis=1) * 1004.64 / (9.8066 * 86400)
    net = mine["up"] - mine["down"]
    assert np.allclose(absorbed, net[:, -1] - net[:, 0], atol=1e-9)
    # A black overcast cloud emits down as a black body.
    thick = c | {"cloud_fraction": np.zeros((60, 60)), "cloud_liquid_path": np.full((60, 60), 1.0)}
    thick["cloud_fraction"][:, -1] = 1
    for name in ("temperature_level", "temperature_layer"):
        thick[name] = np.full_like(thick[name], 280.0)
    black = ours(thick, tmp_path)["down"][:, -1]
    assert np.allclose(black, 5.6704e-8 * 280.0**4, rtol=2e-3)


def test_seeds_belong_to_columns(tmp_path: Path) -> None:
    c = cloudy_columns(30, 60, 37)
    order = np.random.default_rng(1).permutation(30)
    shuffled = {name: values[order] for name, values in c.items()}
    for more in ({}, {"seed": np.arange(30) + 2**40}):
        mine = ours(c | more, tmp_path, draws=3)
        again = ours(shuffled | {name: values[order] for name, values in more.items()}, tmp_path, draws=3)
        assert same_bits({name: values[order] for name, values in mine.items()}, again)
    other = ours(c | {"seed": np.arange(30)}, tmp_path)
    assert not np.array_equal(other["up"], ours(c | {"seed": np.arange(30) + 1}, tmp_path)["up"])
    # A host in single precision draws the same: its values, rounded, differ from those of one in double precision.
    single = {name: values.astype(np.float32).astype(np.float64) for name, values in c.items()}
    apart = np.abs(ours(single, tmp_path)["up"] - ours(c, tmp_path)["up"]).max(axis=1)
    assert (apart > 0).any()
    assert (apart < 1e-3).mean() > 0.9


def fraction_ladder(fractions: np.ndarray, folder: Path, overlap: int, seeds: int, draws: int = 1) -> np.ndarray:
    """Subcolumns of a column with the given cloud fractions, drawn from several seeds: (seed, draw, g-point, layer)."""
    layers = max(10, fractions.size)  # no fewer are made; those below are clear
    c = cloudy_columns(seeds, layers, 1)
    c["cloud_fraction"] = np.tile(np.append(fractions, np.zeros(layers - fractions.size)), (seeds, 1))
    c["seed"] = np.arange(seeds) + 7
    return subcolumns(c, folder, overlap, draws).transpose(0, 1, 3, 2)[..., : fractions.size]


PROFILE = np.array([0, 0.3, 0.6, 0.2, 0.2, 0, 0, 0.5, 0.1, 0.9, 1.0, 0.4, 0.7, 0, 0.05, 0.35])


@pytest.mark.parametrize("overlap", [MAXIMUM_RANDOM, RANDOM, MAXIMUM])
def test_subcolumns_have_the_fractions_and_the_overlap_asked_for(tmp_path: Path, overlap: int) -> None:
    cloudy = fraction_ladder(PROFILE, tmp_path, overlap, 2000).reshape(-1, PROFILE.size)
    samples = cloudy.shape[0]

    def close(found: float, expected: float) -> bool:
        return abs(found - expected) <= 4 * np.sqrt(expected * (1 - expected) / samples)

    assert set(np.unique(cloudy)) == {0.0, 1.0}
    for k, fraction in enumerate(PROFILE):
        assert close(cloudy[:, k].mean(), fraction), k
    for k in range(PROFILE.size - 1):
        both = (cloudy[:, k] * cloudy[:, k + 1]).mean()
        together = PROFILE[k] * PROFILE[k + 1] if overlap == RANDOM else min(PROFILE[k], PROFILE[k + 1])
        assert close(both, together), k
    # Total cover of the layers above the overcast one.
    c = PROFILE[:10]
    clear = {
        MAXIMUM_RANDOM: (1 - c[0]) * np.prod([(1 - max(a, b)) / (1 - a) for a, b in itertools.pairwise(c)]),
        RANDOM: np.prod(1 - c),
        MAXIMUM: 1 - c.max(),
    }[overlap]
    assert close(cloudy[:, :10].any(axis=1).mean(), 1 - clear)
    # What lies above the layer above has no say: of 0.3, 0.2, 0.3 the third hides as much of the first as of the clear sky.
    shrunk = np.array([0.3, 0.2, 0.3])
    first, second, third = (fraction_ladder(shrunk, tmp_path, overlap, 2000).reshape(-1, 3) > 0.0).T
    grown = third[first & ~second].mean() if overlap != MAXIMUM else third[first].mean()
    expected = {MAXIMUM_RANDOM: 0.1 / 0.8, RANDOM: 0.3, MAXIMUM: 1.0}[overlap]
    assert abs(grown - expected) <= 4 * np.sqrt(expected * (1 - expected) / (first & ~second).sum())


@pytest.mark.parametrize("overlap", [MAXIMUM_RANDOM, RANDOM, MAXIMUM])
def test_draws_share_out_the_range_between_them(tmp_path: Path, overlap: int) -> None:
    draws, fractions = 16, np.array([0.25, 0.0, 0.625, 0.5])
    cloudy = fraction_ladder(fractions, tmp_path, overlap, 300, draws)
    # Every layer that draws has its fraction in the mean of any g-point's draws: the last does not where cloud shrinks only.
    for k in (0, 2) if overlap != MAXIMUM else (0, 2, 3):
        np.testing.assert_allclose(cloudy[..., k].mean(axis=1), fractions[k], atol=1e-12)
    # Layers that overlap at random do so in the mean over seeds and g-points, with less noise than independent draws.
    both = (cloudy[..., 0] * cloudy[..., 2]).mean(axis=1)
    independent = fractions[0] * fractions[2] if overlap != MAXIMUM else fractions[0]
    assert abs(both.mean() - independent) <= 4 * both.std() / np.sqrt(both.size) + 1e-12
    free = np.sqrt(independent * (1 - independent) / draws)
    assert both.std() < 0.7 * free
    # A draw is the same however many are asked for.
    np.testing.assert_array_equal(fraction_ladder(fractions, tmp_path, overlap, 300, 5), cloudy[:, :5])


def test_ranks_are_uniform_and_g_points_and_seeds_independent(tmp_path: Path) -> None:
    steps = 128
    ladder = np.arange(1, steps) / steps
    ranks = fraction_ladder(ladder, tmp_path, MAXIMUM, 2000).sum(axis=-1).ravel()  # in how many layers a sample is cloudy
    found = np.bincount(ranks.astype(int), minlength=steps)
    expected = ranks.size / steps
    chi_square = ((found - expected) ** 2 / expected).sum()
    print("chi square", chi_square, "of", steps - 1)
    assert abs(chi_square - (steps - 1)) < 4 * np.sqrt(2 * (steps - 1))
    by_seed = ranks.reshape(2000, 140) - ranks.mean()
    error = 1 / np.sqrt(by_seed.size)
    for shift in (by_seed[1:] * by_seed[:-1], by_seed[:, 1:] * by_seed[:, :-1]):
        assert abs(shift.mean() / by_seed.var()) < 4 * error


def test_subcolumns_hold_known_answers_and_do_not_depend_on_what_is_asked() -> None:
    run = run_driver("test_rrtmg_subcolumns")
    assert run.returncode == 0, run.stderr


def test_cloudy_fluxes_do_not_depend_on_blocks_sections_or_threads() -> None:
    run = run_driver("test_rrtmg_longwave_clouds", TABLES)
    assert run.returncode == 0, run.stderr


@needs_oracle
@pytest.mark.parametrize("ice", [FU, STREAMER])
def test_shortwave_cloud_optics_are_the_originals(tmp_path: Path, ice: int) -> None:
    c = cloudy_columns(20, 60, 41, ice)
    mine = optics(c, tmp_path, ice)
    np.savez(tmp_path / "clouds.npz", **c, ice_option=np.array(ICE_OPTION[ice]))
    command = [
        sys.executable,
        "-m",
        "ftorch_bridge.original_rrtmg",
        "shortwave_optics",
        tmp_path / "clouds.npz",
        tmp_path / "oracle.npz",
    ]
    subprocess.run(command, check=True, capture_output=True)
    with np.load(tmp_path / "oracle.npz") as file:
        theirs = dict(file)
    water = (c["cloud_fraction"] > 0) & (c["cloud_liquid_path"] + c["cloud_ice_path"] > 0)
    assert water.sum() > 100
    absorption, scattering, forward = (mine[name][water] for name in ("absorption", "scattering", "forward"))
    assert np.allclose(absorption + scattering, theirs["extinction"][water], rtol=1e-9, atol=0)
    assert np.allclose(scattering / (absorption + scattering), theirs["single_scattering_albedo"][water], rtol=1e-9, atol=0)
    assert np.allclose(forward / scattering, theirs["asymmetry"][water], rtol=1e-9, atol=0)
    assert np.allclose(mine["unscaled"][water], theirs["unscaled"][water], rtol=1e-9, atol=0)
    for name in ("absorption", "scattering", "forward", "unscaled"):
        assert not mine[name][~water].any()


def test_both_ice_options_mean_the_same_radius() -> None:
    """In visible light large crystals take out 3/(2 ice density radius) of it: the tables must agree on what a radius is."""
    with netCDF4.Dataset(CLOUD_TABLES) as file:
        fu = file["shortwave_ice_fu_extinction"][9, -1] * file["ice_fu_size"][-1] * 3 * np.sqrt(3) / 8
        streamer = file["shortwave_ice_streamer_extinction"][9, -1] * file["ice_streamer_radius"][-1]
    assert np.allclose([fu, streamer], 1.5 / 0.917, rtol=0.02)


BAD = [
    ("cloud_fraction", (1, 7), 1.01, "cloud_fraction of column 2, layer 8: expected 0.00 to 1.00 1, got 1.01"),
    ("cloud_fraction", (0, 0), -0.1, "cloud_fraction of column 1, layer 1: expected 0.00 to 1.00 1, got -0.10"),
    ("cloud_liquid_path", (2, 3), -1e-9, "cloud_liquid_path of column 3, layer 4: expected 0.00 to 1000.00 kg m-2, got -1"),
    ("cloud_ice_path", (3, 4), np.nan, "cloud_ice_path of column 4, layer 5: expected 0.00 to 1000.00 kg m-2, got NaN"),
    ("liquid_radius", (1, 9), 61e-6, "liquid_radius of column 2, layer 10: expected 2.500E-06 to 6.000E-05 m where the"),
    ("liquid_radius", (1, 9), np.nan, "liquid_radius of column 2, layer 10"),
    ("ice_radius", (1, 9), 3.2e-6, "ice_radius of column 2, layer 10: expected 3.248E-06 to 9.093E-05 m where the"),
    ("aerosol_optical_depth", (0, 2, 5), -1e-3, "aerosol_optical_depth of column 1, layer 3, band 6: expected 0.00"),
    ("band_emissivity", (2, 15), 1.5, "band_emissivity of column 3, band 16: expected 0.00 to 1.00 1, got 1.50"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "place", "value", "message"), BAD, ids=[f"{case[0]} {case[2]}" for case in BAD])
def test_a_bad_value_is_refused_by_name_and_place(
    tmp_path: Path, name: str, place: tuple[int, ...], value: float, message: str
) -> None:
    c = cloudy_columns(4, 20, 51)
    c |= band_properties(c, 52)
    c["cloud_fraction"][1, 9] = 0.5
    for path in ("cloud_liquid_path", "cloud_ice_path"):
        c[path][1, 9] = 0.01
    assert drive("fluxes", c, tmp_path).returncode == 0
    c[name][place] = value
    run = drive("fluxes", c, tmp_path)
    assert run.returncode != 0
    assert any(line.startswith("ERROR STOP") and message in line for line in run.stderr.splitlines()), run.stderr


def test_a_radius_counts_only_where_the_cloud_has_water(tmp_path: Path) -> None:
    c = cloudy_columns(4, 20, 53)
    good = ours(c, tmp_path)
    c["liquid_radius"][(c["cloud_fraction"] == 0) | (c["cloud_liquid_path"] == 0)] = -1
    c["ice_radius"][(c["cloud_fraction"] == 0) | (c["cloud_ice_path"] == 0)] = np.nan
    assert same_bits(ours(c, tmp_path), good)


def test_clouds_without_their_optics_are_refused(tmp_path: Path) -> None:
    shutil.copy(TABLES, tmp_path / "rrtmg_longwave.nc")
    c = cloudy_columns(2, 20, 54)
    run = drive("fluxes", c, tmp_path, tables=tmp_path / "rrtmg_longwave.nc")
    assert run.returncode != 0
    assert "no cloud optics; expected rrtmg_clouds.nc in the folder" in run.stderr
    assert drive("fluxes", without(c, *CLOUDS), tmp_path, tables=tmp_path / "rrtmg_longwave.nc").returncode == 0


def test_a_changed_cloud_coefficient_is_found_by_its_checksum(tmp_path: Path) -> None:
    for path in (TABLES, CLOUD_TABLES):
        shutil.copy(path, tmp_path / path.name)
    with netCDF4.Dataset(tmp_path / CLOUD_TABLES.name, "a") as file:
        file["longwave_ice_fu_absorption"][3, 4] *= 1.0001
    run = drive("fluxes", cloudy_columns(2, 20, 55), tmp_path, tables=tmp_path / TABLES.name)
    assert run.returncode != 0
    assert "longwave_ice_fu_absorption: checksum expected" in run.stderr


def test_a_cut_off_file_of_cloud_optics_is_refused(tmp_path: Path) -> None:
    shutil.copy(TABLES, tmp_path / TABLES.name)
    (tmp_path / CLOUD_TABLES.name).write_bytes(CLOUD_TABLES.read_bytes()[:50000])
    run = drive("fluxes", cloudy_columns(2, 20, 55), tmp_path, tables=tmp_path / TABLES.name)
    assert run.returncode != 0
    assert "rrtmg_clouds.nc: not a whole NetCDF-4 file" in run.stderr


@needs_oracle
def test_the_script_makes_the_shipped_cloud_optics_again(tmp_path: Path) -> None:
    path = tmp_path / "again.nc"
    script = ROOT / "tools" / "extract_rrtmg_cloud_tables.py"
    subprocess.run([sys.executable, script, path], check=True, capture_output=True)
    with netCDF4.Dataset(path) as again, netCDF4.Dataset(CLOUD_TABLES) as shipped:
        assert list(again.variables) == list(shipped.variables)
        for name in shipped.variables:
            assert again[name].fletcher64 == shipped[name].fletcher64
            assert np.array_equal(again[name][:], shipped[name][:])
    licence = (ROOT / "data" / "rrtmg_clouds.LICENSE").read_text()
    assert "Copyright (c) 2002-2020, Atmospheric & Environmental Research, Inc. (AER)" in licence
