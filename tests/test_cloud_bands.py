"""What clouds absorb in RRTMG's near infrared: the fits against RRTMG's tables, the operator against the equations."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
from ftorch_bridge.cloud_bands import CLOUD_BANDS, CLOUD_TESTS, TABLE, clouds_in_bands
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.sky import CLOUD_FRACTION, CLOUDED, SMALLNESS
from ftorch_bridge.transfer import operators_available
from test_all_sky import inputs_of, random_network

ROOT = Path(__file__).resolve().parent.parent
TABLES = ROOT / "data" / "rrtmg_clouds.nc"

Depths = dict[str, np.ndarray]


def depths_of(path: np.ndarray, radius: np.ndarray, kind: str, band: int) -> Depths:
    """Of layers with ``path`` [kg m-2] of particles of ``radius`` [m], as RRTMG adds them up from its tables."""
    with netCDF4.Dataset(TABLES) as file:
        size = np.asarray(file["liquid_radius" if kind == "liquid" else "ice_fu_size"][:])
        wanted = 1e6 * radius * (1.0 if kind == "liquid" else 8.0 / (3.0 * np.sqrt(3.0)))

        def between(what: str) -> np.ndarray:
            return np.interp(wanted, size, np.asarray(file[f"shortwave_{kind}_{what}"][band]))

        albedo, asymmetry = between("single_scattering_albedo"), between("asymmetry")
        peak = asymmetry**2 if kind == "liquid" else np.minimum(asymmetry, between("delta_fraction") + 0.5 / albedo)
        extinction = 1e3 * path * between("extinction")
    scattering = albedo * (1.0 - peak) * extinction
    forward = scattering * (asymmetry - peak) / (1.0 - peak)
    return {"absorption": (1.0 - albedo) * extinction, "scattering": scattering, "forward": forward}


def random_clouds(number: int) -> dict[str, np.ndarray]:
    """Paths [kg m-2] and radii [m] of layers: droplets, crystals and both."""
    draw = np.random.default_rng(5)
    return {
        "liquid": 0.3 * draw.random(number) * (draw.random(number) < 0.7),
        "ice": 0.3 * draw.random(number) * (draw.random(number) < 0.7),
        "liquid_radius": draw.uniform(4.5e-6, 20e-6, number),
        "ice_radius": draw.uniform(5e-6, 90e-6, number),
    }


def amounts_of(clouds: dict[str, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same as a network has them: (kind, layer, column), of one overcast layer."""
    smallness = np.stack([1e-5 / clouds["liquid_radius"], 3e-5 / clouds["ice_radius"]])
    water = 50.0 * np.stack([clouds["liquid"], clouds["ice"]]) * smallness
    overcast = torch.ones(1, len(clouds["liquid"]))
    return torch.from_numpy(water[:, None]).float(), torch.from_numpy(smallness[:, None]).float(), overcast


def is_pure(depths: Depths) -> np.ndarray:
    """RRTMG's words: the albedo before scaling, if the asymmetry had been scaled to g/(1 + g), is next to one or above."""
    with np.errstate(divide="ignore", invalid="ignore"):
        asymmetry = depths["forward"] / depths["scattering"]
        albedo = depths["scattering"] / (depths["absorption"] + depths["scattering"])
        return albedo / (1.0 - (1.0 - albedo) * (asymmetry / (1.0 - asymmetry)) ** 2) >= 0.9999995


def optics_of(clouds: dict[str, np.ndarray], band: int) -> Depths:
    """Of droplets and crystals together."""
    parts = [
        depths_of(clouds[kind], clouds[f"{kind}_radius"], n, band) for kind, n in (("liquid", "liquid"), ("ice", "ice_fu"))
    ]
    return {name: parts[0][name] + parts[1][name] for name in parts[0]}


def test_the_fits_are_rrtmgs_optics_and_its_choice_of_layers_without_absorption() -> None:
    clouds = random_clouds(4000)
    absorption, tests = (t[:, 0].numpy() for t in clouds_in_bands(torch.tensor(TABLE), *amounts_of(clouds)))
    agree = []
    for band in range(CLOUD_BANDS):
        depths = optics_of(clouds, band)
        pure = is_pure(depths)
        with np.errstate(divide="ignore", invalid="ignore"):
            asymmetry = depths["forward"] / depths["scattering"]
            unscaled = (
                (1.0 - asymmetry) ** 2 * (depths["absorption"] + depths["scattering"]) / depths["absorption"] / asymmetry**2
            )
        there = (depths["scattering"] > 0.0) & (np.abs(asymmetry - 0.5) > 0.01) & (np.abs(unscaled - 1.0) > 0.05)
        agree.append((pure == (tests[band] == 1.0))[there].mean())
        np.testing.assert_array_equal(absorption[band][tests[band] == 1.0], 0.0)
        kept = there & ~pure & (absorption[band] > 0.0)
        assert kept.sum() > 300
        np.testing.assert_allclose(absorption[band][kept], depths["absorption"][kept], rtol=0.05)
    assert min(agree) > 0.99
    assert (tests[1] == 1.0).mean() > 0.1  # the choice is no rare one


def test_the_margin_is_the_absorption_that_rrtmg_would_still_overlook() -> None:
    clouds = random_clouds(4000)
    _, tests = (t[:, 0].numpy() for t in clouds_in_bands(torch.tensor(TABLE), *amounts_of(clouds)))
    number = 0
    for band in range(CLOUD_BANDS):
        depths, scaled = optics_of(clouds, band), tests[CLOUD_BANDS + band]
        np.testing.assert_array_equal(scaled == 0.0, tests[band] == 0.0)
        margin = np.exp(5.0 * scaled - 7.0) - 1e-3
        known = (scaled > 0.0) & (margin > 0.05 * depths["absorption"]) & (margin < 90.0)
        number += known.sum()
        if not known.any():
            continue
        less, more = (is_pure(depths | {"absorption": depths["absorption"] + part * margin}) for part in (0.5, 2.0))
        assert less[known].mean() > 0.99
        assert more[known].mean() < 0.01
    assert number > 1000


def test_layers_without_clouds_absorb_nothing() -> None:
    absorption, tests = clouds_in_bands(torch.tensor(TABLE), torch.zeros(2, 3, 5), torch.ones(2, 3, 5), torch.zeros(3, 5))
    assert absorption.shape == (CLOUD_BANDS, 3, 5)
    assert tests.shape == (CLOUD_TESTS, 3, 5)
    assert (absorption == 0.0).all()
    assert (tests == 0.0).all()


def test_a_cloud_in_part_of_the_sky_is_as_deep_where_it_is() -> None:
    water, smallness, cover = amounts_of(random_clouds(500))
    whole, part = (clouds_in_bands(torch.tensor(TABLE), c * water, smallness, c * cover)[1] for c in (1.0, 0.3))
    torch.testing.assert_close(part, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not operators_available(), reason="libradml's Python module is not here")
@pytest.mark.parametrize("columns", [1, 16, 37])
def test_the_operator_is_the_equations(columns: int) -> None:
    network = random_network()
    with torch.no_grad():
        state = network.describe(inputs_of(generate_columns(columns, 25, seed=4)))
        features = state["features"]
        cover = features[CLOUD_FRACTION] / features[CLOUDED].clamp_min(0.01)
        arguments = (network.cloud_band_table, state["clouds"], features[SMALLNESS : SMALLNESS + 2], cover)
        ours, theirs = torch.ops.radml.cloud_bands(*arguments), clouds_in_bands(*arguments)
    assert cover.max() > 0.9
    assert ours[0].shape == (CLOUD_BANDS, 25, columns)
    assert ours[1].shape == (CLOUD_TESTS, 25, columns)
    # Next to the jump rounding decides.
    same = ours[1][:CLOUD_BANDS] == theirs[1][:CLOUD_BANDS]
    assert same.float().mean() > 0.999
    torch.testing.assert_close(ours[0][same], theirs[0][same], rtol=2e-5, atol=1e-6)
    torch.testing.assert_close(ours[1][CLOUD_BANDS:][same], theirs[1][CLOUD_BANDS:][same], rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not operators_available(), reason="libradml's Python module is not here")
def test_the_operator_refuses_other_shapes() -> None:
    table = torch.tensor(TABLE)
    with pytest.raises(RuntimeError, match=r"radml::cloud_bands: smallness: expected the shape \[2, 3, 5\], got \[2, 3, 4\]"):
        torch.ops.radml.cloud_bands(table, torch.zeros(2, 3, 5), torch.ones(2, 3, 4), torch.ones(3, 5))
    with pytest.raises(RuntimeError, match=r"radml::cloud_bands: table: expected the shape \[24, 10\], got \[3, 10\]"):
        torch.ops.radml.cloud_bands(table[:3], torch.zeros(2, 3, 5), torch.ones(2, 3, 5), torch.ones(3, 5))
