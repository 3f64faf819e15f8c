"""What clouds absorb in RRTMG's near infrared: the fits against RRTMG's tables, the operator against the equations."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
from ftorch_bridge.cloud_bands import CLOUD_BANDS, TABLE, absorption_in_bands
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.sky import SMALLNESS
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


def amounts_of(clouds: dict[str, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """The same as a network has them: (kind, layer, column), of one layer."""
    smallness = np.stack([1e-5 / clouds["liquid_radius"], 3e-5 / clouds["ice_radius"]])
    water = 50.0 * np.stack([clouds["liquid"], clouds["ice"]]) * smallness
    return torch.from_numpy(water[:, None]).float(), torch.from_numpy(smallness[:, None]).float()


def test_the_fits_are_rrtmgs_optics_and_its_choice_of_layers_without_absorption() -> None:
    clouds = random_clouds(4000)
    found = absorption_in_bands(torch.tensor(TABLE), *amounts_of(clouds))[:, 0].numpy()
    agree = []
    for band in range(CLOUD_BANDS):
        parts = [
            depths_of(clouds[kind], clouds[f"{kind}_radius"], name, band)
            for kind, name in (("liquid", "liquid"), ("ice", "ice_fu"))
        ]
        absorption, scattering, forward = (parts[0][n] + parts[1][n] for n in ("absorption", "scattering", "forward"))
        with np.errstate(divide="ignore", invalid="ignore"):
            asymmetry = forward / scattering
            albedo = scattering / (absorption + scattering)
            # RRTMG's words: the albedo before scaling, if the asymmetry had been scaled to g/(1 + g).
            unscaled = albedo / (1.0 - (1.0 - albedo) * (asymmetry / (1.0 - asymmetry)) ** 2)
        pure = unscaled >= 0.9999995
        there = (scattering > 0.0) & (np.abs(asymmetry - 0.5) > 0.01) & (np.abs(unscaled) < 20.0)
        agree.append((pure == (found[band] == 0.0))[there].mean())
        kept = there & ~pure & (found[band] > 0.0)
        assert kept.sum() > 300
        np.testing.assert_allclose(found[band][kept], absorption[kept], rtol=0.05)
    assert min(agree) > 0.99
    assert (found[1] == 0.0).mean() > 0.2  # the choice is no rare one


def test_layers_without_clouds_absorb_nothing() -> None:
    found = absorption_in_bands(torch.tensor(TABLE), torch.zeros(2, 3, 5), torch.ones(2, 3, 5))
    assert found.shape == (CLOUD_BANDS, 3, 5)
    assert (found == 0.0).all()


@pytest.mark.skipif(not operators_available(), reason="libradml's Python module is not here")
@pytest.mark.parametrize("columns", [1, 16, 37])
def test_the_operator_is_the_equations(columns: int) -> None:
    network = random_network()
    with torch.no_grad():
        state = network.describe(inputs_of(generate_columns(columns, 25, seed=4)))
        clouds, smallness = state["clouds"], state["features"][SMALLNESS : SMALLNESS + 2]
        ours = torch.ops.radml.cloud_bands(network.cloud_band_table, clouds, smallness)
        theirs = absorption_in_bands(network.cloud_band_table, clouds, smallness)
    assert ours.shape == (CLOUD_BANDS, 25, columns)
    # Next to the jump rounding decides.
    same = (ours == 0.0) == (theirs == 0.0)
    assert same.float().mean() > 0.999
    torch.testing.assert_close(ours[same], theirs[same], rtol=2e-5, atol=1e-6)


@pytest.mark.skipif(not operators_available(), reason="libradml's Python module is not here")
def test_the_operator_refuses_other_shapes() -> None:
    table = torch.tensor(TABLE)
    with pytest.raises(RuntimeError, match=r"radml::cloud_bands: smallness: expected the shape \[2, 3, 5\], got \[2, 3, 4\]"):
        torch.ops.radml.cloud_bands(table, torch.zeros(2, 3, 5), torch.ones(2, 3, 4))
    with pytest.raises(RuntimeError, match=r"radml::cloud_bands: table: expected the shape \[24, 10\], got \[3, 10\]"):
        torch.ops.radml.cloud_bands(table[:3], torch.zeros(2, 3, 5), torch.ones(2, 3, 5))
