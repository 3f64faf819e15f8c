"""Reference cases of radiation: six standard atmospheres, each clear and under a low, a high and a deep cloud.

Temperature and ozone of five of them are the generator's; the US standard atmosphere's (1976) and all water vapour are here, at
the generator's nodes, after Anderson et al. (1986, AFGL-TR-86-0110).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.table import Table

from ftorch_bridge import original_rrtmg
from ftorch_bridge.clouds import liquid_share
from ftorch_bridge.column_file import write
from ftorch_bridge.columns import DEFAULT_LAYERS, NODE_OZONE, NODE_PRESSURE, NODE_TEMPERATURE, hybrid_levels
from ftorch_bridge.rrtmg_bench import Child, bundled, original, results_of

Array = NDArray[np.float64]

ATMOSPHERES = (
    "tropical",
    "mid-latitude summer",
    "mid-latitude winter",
    "sub-arctic summer",
    "sub-arctic winter",
    "US standard",
)
SURFACE_PRESSURE = np.array([101300.0, 101300.0, 101800.0, 101000.0, 101300.0, 101325.0])  # Pa
# fmt: off
_US_TEMPERATURE = np.array(  # K
    [290.1, 287.5, 278.7, 268.6, 251.9, 241.4, 228.5, 220.8, 216.7, 216.7, 216.7, 216.7, 217.3, 220.5, 223.1, 228, 239.3, 258,
     270.6, 263.4, 245.2, 231.7, 219, 206.3, 190.2])
_US_OZONE = np.array(  # 1e-6 mol mol-1
    [0.0266, 0.0269, 0.0307, 0.0332, 0.0397, 0.0519, 0.0979, 0.159, 0.289, 0.457, 0.935, 1.8, 2.86, 4.6, 5.55, 6.94, 7.82, 6.1,
     3.79, 2.07, 1.04, 0.633, 0.297, 0.26, 0.467])
_WATER = np.array([  # 1e-6 mol mol-1
    [28400, 25100, 17200, 7720, 2240, 962, 252, 80.6, 19.4, 5.7, 2.94, 2.65, 2.64, 3.18, 3.47, 4.16, 4.75, 5.55, 5.94, 6, 5.86,
     5.19, 4.29, 2.9, 1.41],
    [20600, 18100, 11500, 5680, 1640, 824, 314, 117, 20.8, 4.8, 3.23, 3.2, 3.47, 4.09, 4.42, 4.82, 4.99, 5.39, 5.5, 5.34, 4.72,
     4.07, 3.41, 2.54, 1.39],
    [4560, 4180, 3150, 2130, 667, 227, 56.2, 24.5, 7.32, 4.91, 4.6, 4.5, 4.5, 4.58, 4.68, 4.76, 4.86, 4.98, 5, 4.9, 4.53, 4.04,
     3.36, 2.59, 1.39],
    [13200, 11600, 7790, 4810, 1630, 674, 98.6, 24.8, 6.29, 4.07, 4.03, 4.48, 4.71, 4.88, 4.95, 5, 5, 5, 4.95, 4.81, 4.22, 3.61,
     3.02, 2.32, 1.37],
    [1350, 1420, 1550, 1220, 378, 166, 31.2, 21.7, 8.93, 4.45, 4.58, 4.7, 4.8, 4.96, 5, 5, 5, 5, 5, 4.93, 4.63, 4.16, 3.5, 2.68,
     1.4],
    [8330, 7540, 5360, 3160, 1100, 523, 136, 54.3, 21.5, 7.34, 3.93, 3.84, 3.95, 4.29, 4.52, 4.77, 4.92, 5.16, 5.24, 5.13, 4.67,
     4.11, 3.46, 2.63, 1.41],
])
# fmt: on
GASES = {"co2": 400e-6, "ch4": 1.8e-6, "n2o": 330e-9, "o2": 0.2095}  # mol mol-1


@dataclass(frozen=True)
class Cloud:
    """An overcast cloud, its water spread evenly over the air between two pressures."""

    top: float
    """[Pa]"""
    base: float
    """[Pa]"""
    water: float
    """Liquid and ice [kg m-2], shared by temperature."""


CLOUDS: dict[str, Cloud | None] = {
    "clear": None,
    "low cloud": Cloud(80000.0, 90000.0, 0.1),
    "high cloud": Cloud(30000.0, 35000.0, 0.02),
    "deep cloud": Cloud(30000.0, 90000.0, 2.0),
}
LIQUID_RADIUS, ICE_RADIUS = 10e-6, 40e-6  # m
SURFACE = {"surface_emissivity": 0.98, "surface_albedo": 0.15, "cos_zenith": 0.5, "solar_irradiance": 1361.0}

# Works of radml-bench-rrtmg; overcast, so that no subcolumns are drawn that could differ.
_WORKS = {"lw": "longwave-mcica", "sw": "shortwave-mcica"}
# What the table says: name, spectrum, variable, level.
QUANTITIES = (
    ("outgoing longwave", "lw", "up", 0),
    ("longwave down at the surface", "lw", "down", -1),
    ("reflected shortwave", "sw", "up", 0),
    ("shortwave down at the surface", "sw", "down", -1),
)
BUNDLED, ORIGINAL = "bundled", "original"


def reference_columns(layers: int = DEFAULT_LAYERS) -> xr.Dataset:
    """All cases as a column-file dataset: the atmospheres under the first sky, then under the next."""
    pressure_level = hybrid_levels(SURFACE_PRESSURE, layers, 1.0)
    pressure_layer = 0.5 * (pressure_level[:, 1:] + pressure_level[:, :-1])
    nodes = np.log(NODE_PRESSURE[::-1] * 100.0)

    def profiles(values: Array, pressure: Array) -> Array:
        rows = zip(pressure, values, strict=True)
        return np.array([np.interp(np.log(row), nodes, of_nodes[::-1]) for row, of_nodes in rows])

    temperature = np.vstack([NODE_TEMPERATURE[:5], _US_TEMPERATURE])
    ozone = np.vstack([NODE_OZONE[:5], _US_OZONE])
    temperature_level = profiles(temperature, pressure_level)
    temperature_layer = profiles(temperature, pressure_layer)
    variables = {
        "pressure_level": pressure_level,
        "temperature_level": temperature_level,
        "pressure_layer": pressure_layer,
        "temperature_layer": temperature_layer,
        "h2o": np.exp(profiles(np.log(_WATER), pressure_layer)) * 1e-6,
        "o3": np.exp(profiles(np.log(ozone), pressure_layer)) * 1e-6,
        "surface_temperature": temperature_level[:, -1],
    }
    variables |= {name: np.full_like(pressure_layer, value) for name, value in GASES.items()}
    variables |= {name: np.full(len(ATMOSPHERES), value) for name, value in SURFACE.items()}
    skies = [variables | _cloud(cloud, pressure_level, temperature_layer) for cloud in CLOUDS.values()]
    whole = {name: np.concatenate([sky[name] for sky in skies]) for name in skies[0]}
    dimensions = {layers: "layer", layers + 1: "level"}
    return xr.Dataset(
        {name: (("column", *(dimensions[n] for n in values.shape[1:])), values) for name, values in whole.items()},
        attrs={"title": "standard atmospheres, clear and cloudy", "source": "ftorch-bench rrtmg-cases"},
    )


def _cloud(cloud: Cloud | None, pressure_level: Array, temperature: Array) -> dict[str, Array]:
    """Cloud variables of all atmospheres: layers that lie in the cloud by more than half are overcast."""
    fraction, water = np.zeros_like(temperature), np.zeros_like(temperature)
    if cloud:
        thickness = np.diff(pressure_level, axis=1)
        within = np.minimum(pressure_level[:, 1:], cloud.base) - np.maximum(pressure_level[:, :-1], cloud.top)
        fraction[within > 0.5 * thickness] = 1.0
        water = cloud.water * thickness * fraction / (thickness * fraction).sum(axis=1, keepdims=True)
    liquid = water * liquid_share(temperature, np.ones_like(temperature))
    return {
        "cloud_fraction": fraction,
        "cloud_liquid_path": liquid,
        "cloud_ice_path": water - liquid,
        "liquid_radius": np.full_like(temperature, LIQUID_RADIUS),
        "ice_radius": np.full_like(temperature, ICE_RADIUS),
    }


@dataclass(frozen=True)
class ReferenceCases:
    """Fluxes and heating rates of all cases."""

    columns: xr.Dataset
    fields: dict[str, dict[str, dict[str, Array]]]
    """By code (the original only if it is here), spectrum (``lw``, ``sw``) and name."""

    def cases(self) -> Iterator[tuple[str, str, int]]:
        """Atmosphere, sky and column of each case, the skies of an atmosphere side by side."""
        for i, atmosphere in enumerate(ATMOSPHERES):
            for j, sky in enumerate(CLOUDS):
                yield atmosphere, sky, j * len(ATMOSPHERES) + i

    def flux(self, code: str, quantity: str, column: int) -> float:
        """One of :data:`QUANTITIES` [W m-2]."""
        spectrum, name, level = next(rest for words, *rest in QUANTITIES if words == quantity)
        return float(self.fields[code][spectrum][name][column, level])

    def to_dict(self) -> dict[str, object]:
        """Fluxes at the boundaries [W m-2], for JSON."""
        return {
            f"{atmosphere}, {sky}": {
                code: {words: self.flux(code, words, column) for words, *_ in QUANTITIES} for code in self.fields
            }
            for atmosphere, sky, column in self.cases()
        }


def run_cases(layers: int = DEFAULT_LAYERS, step: Callable[[str], None] = lambda words: None) -> ReferenceCases:
    """Run all cases through the bundled RRTMG, and the original if it is here. Raises :class:`programs.ProgramError`."""
    columns = reference_columns(layers)
    fields: dict[str, dict[str, dict[str, Array]]] = {}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        write(columns, folder / "columns.nc")
        children: dict[str, tuple[Child, str]] = {BUNDLED: (stack.enter_context(bundled(folder / "columns.nc")), "nc")}
        if original_rrtmg.available():
            children[ORIGINAL] = (stack.enter_context(original(columns, folder)), "npz")
        for code, (child, suffix) in children.items():
            step(f"{code} RRTMG over {columns.sizes['column']} columns")
            for spectrum, work in _WORKS.items():
                path = folder / f"{code}_{spectrum}.{suffix}"
                child.ask(f"write {work} {path}")
                fields.setdefault(code, {})[spectrum] = results_of(path)
    return ReferenceCases(columns, fields)


def table_of(result: ReferenceCases) -> Table:
    """The fluxes at the boundaries; in brackets the original's, less ours."""
    title = "bundled RRTMG [W m-2]"
    if ORIGINAL in result.fields:
        title += ", in brackets AER's less it"
    table = Table(title=title, title_justify="left")
    table.add_column("atmosphere", no_wrap=True)
    table.add_column("sky", no_wrap=True)
    for words, *_ in QUANTITIES:
        table.add_column(words, justify="right")
    for atmosphere, sky, column in result.cases():
        if sky == next(iter(CLOUDS)):
            table.add_section()
        cells = []
        for words, *_ in QUANTITIES:
            ours = result.flux(BUNDLED, words, column)
            beside = ""
            if ORIGINAL in result.fields:
                difference = round(result.flux(ORIGINAL, words, column) - ours, 3)
                beside = f" ({difference + 0.0:+.3f})"  # nothing has no minus sign
            cells.append(f"{ours:.2f}{beside}")
        table.add_row(atmosphere if sky == next(iter(CLOUDS)) else "", sky, *cells)
    return table
