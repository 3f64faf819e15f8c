"""Columns to train on and to test with: a generator, and a reader of ecRad's input format.

The generator starts from six reference atmospheres, from the tropics to the polar night. Their temperatures follow
the AFGL reference atmospheres (Anderson et al. 1986, AFGL-TR-86-0110), with a polar-night stratosphere added. Each
column mixes two neighbours, adds perturbations correlated in the logarithm of pressure, boundary-layer
and elevated inversions, a surface warmer or colder than the air, humidity as relative humidity over the perturbed
temperature, and greenhouse gases from before industry to four times today's carbon dioxide. Sun and surface fit the climate,
its season and the surface's temperature; two columns in three have clouds (:mod:`ftorch_bridge.clouds`), whose air is moist.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ftorch_bridge.clouds import DRY_AIR, Air, make_clouds
from ftorch_bridge.column_file import VARIABLES, ColumnFileError, load_netcdf
from ftorch_bridge.streams import ColumnStreams
from ftorch_bridge.surfaces import Surface, albedo_of, day_of_year, sun_of, surfaces_of

Array = NDArray[np.float64]

DEFAULT_LAYERS = 89
LEAST_LAYERS = 10
MOST_TOP_PRESSURE = 1000.0  # of the uppermost level [Pa]
MOLAR_MASS_DRY_AIR = 28.9660e-3  # kg mol-1, as in RRTMG
MOLAR_MASS_WATER = 18.0160e-3
MOLAR_MASS_OZONE = 47.9982e-3
GRAVITY = 9.80665  # m s-2

# fmt: off
# Pressure of the nodes [hPa] and temperature of each reference atmosphere there [K].
NODE_PRESSURE = np.array(
    [1050, 1000, 850, 700, 500, 400, 300, 250, 200, 150, 100, 70, 50, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02,
     0.005])
NODE_TEMPERATURE = np.array([
    # tropical
    [302, 299, 290, 282.5, 266, 253, 238, 230, 220.5, 209, 195.5, 201, 208, 219, 226, 235, 246, 261, 269, 266, 249, 232, 215,
     198, 185],
    # mid-latitude summer
    [296, 293.5, 287, 279, 262, 251, 237.5, 230, 221.5, 216, 215.7, 217, 219, 223, 228, 238, 251, 268, 275.5, 270, 249, 231,
     210, 186, 166],
    # mid-latitude winter
    [273, 272, 267.5, 262, 248, 237.5, 226, 219.5, 219, 218, 216.5, 216, 215.5, 215.2, 215.5, 218.5, 229, 248, 262, 265, 250,
     241, 229, 217, 206],
    # sub-arctic summer
    [289, 287, 279, 271, 257, 244.5, 231, 225.2, 225.2, 225.2, 225.2, 225.2, 225.3, 227, 231, 240, 254, 271, 277, 272, 252, 231,
     208, 178, 158],
    # sub-arctic winter
    [256, 257, 258, 253.5, 239, 228.5, 218, 217.2, 217.2, 217.2, 217, 216, 214.5, 212, 211.5, 217, 224, 240, 251, 259, 251, 245,
     238, 226, 212],
    # polar night
    [238, 240, 246, 243, 231, 222, 213, 210, 207, 203, 198, 194, 191, 190, 193, 203, 219, 240, 252, 255, 247, 238, 228, 216,
     205],
])
# Ozone at the same nodes [1e-6 mol mol-1].
NODE_OZONE = np.array([
    [0.027, 0.028, 0.032, 0.036, 0.042, 0.046, 0.052, 0.060, 0.078, 0.10, 0.15, 0.42, 0.95, 3.0, 5.2, 9.3, 8.6, 5.0, 3.0, 1.9,
     1.25, 0.75, 0.40, 0.25, 0.25],
    [0.030, 0.031, 0.036, 0.044, 0.058, 0.068, 0.10, 0.15, 0.30, 0.48, 0.75, 1.4, 2.3, 4.3, 5.6, 7.6, 7.4, 4.8, 2.9, 1.8, 1.2,
     0.80, 0.40, 0.30, 0.30],
    [0.028, 0.028, 0.031, 0.036, 0.048, 0.060, 0.13, 0.26, 0.50, 0.75, 1.1, 2.0, 2.9, 4.4, 5.1, 6.2, 6.4, 4.9, 3.0, 1.9, 1.2,
     0.80, 0.45, 0.35, 0.35],
    [0.024, 0.024, 0.028, 0.036, 0.056, 0.075, 0.18, 0.33, 0.55, 0.80, 1.2, 2.2, 3.2, 4.4, 5.1, 6.2, 6.1, 4.3, 2.6, 1.7, 1.1,
     0.70, 0.40, 0.30, 0.30],
    [0.018, 0.019, 0.024, 0.032, 0.046, 0.070, 0.22, 0.38, 0.60, 0.90, 1.4, 2.4, 3.4, 4.5, 4.9, 5.3, 5.4, 4.6, 3.1, 2.0, 1.3,
     0.90, 0.50, 0.45, 0.45],
    [0.020, 0.021, 0.025, 0.030, 0.042, 0.060, 0.16, 0.28, 0.45, 0.65, 0.9, 1.4, 2.2, 3.3, 4.0, 4.8, 5.2, 4.5, 3.1, 2.1, 1.4,
     1.0, 0.60, 0.50, 0.50],
])
# fmt: on


def hybrid_levels(surface_pressure: Array, layers: int, top_pressure: float) -> Array:
    """Pressure at levels [Pa] (column, layer+1) of a hybrid grid: flat near the top, following the surface below.

    Layers are thinnest at the surface and grow evenly in the logarithm of pressure towards ``top_pressure`` [Pa].
    """
    fraction = np.linspace(1.0, 0.0, layers + 1)
    depth = np.log(101325.0 / max(top_pressure, 1.0))
    height = depth * (0.02 * fraction + 0.98 * fraction**2)
    reference = np.exp(-height)  # p / p0 on the reference surface
    sigma = np.clip((reference - 0.05) / 0.95, 0.0, None) ** 1.3
    levels = 101325.0 * (reference - sigma) + sigma * surface_pressure[:, None]
    levels[:, 0] = top_pressure
    return levels


def saturation_vapour_pressure(temperature: Array) -> Array:
    """Saturation vapour pressure [Pa] over water above 273.16 K and over ice below 250.16 K, blended between.

    Coefficients of the Tetens form as in ECMWF's IFS documentation, Part IV, section 7.4.2.
    """
    water = 611.21 * np.exp(17.502 * (temperature - 273.16) / (temperature - 32.19))
    ice = 611.21 * np.exp(22.587 * (temperature - 273.16) / (temperature + 0.7))
    share = np.clip((temperature - 250.16) / 23.0, 0.0, 1.0) ** 2
    return share * water + (1.0 - share) * ice


class _Interpolation:
    """Linear interpolation in log-pressure from ``nodes`` to ``log_pressure`` (column, any), constant beyond the ends."""

    def __init__(self, nodes: Array, log_pressure: Array) -> None:
        self._place = np.clip(np.searchsorted(nodes, log_pressure) - 1, 0, nodes.size - 2)
        distance = nodes[self._place + 1] - nodes[self._place]
        self._weight = np.clip((log_pressure - nodes[self._place]) / distance, 0.0, 1.0)

    def __call__(self, node_values: Array) -> Array:
        """Values (column, any) of ``node_values`` (column, node)."""
        low = np.take_along_axis(node_values, self._place, axis=1)
        high = np.take_along_axis(node_values, self._place + 1, axis=1)
        return low + self._weight * (high - low)


# Nodes of the noise, in log-pressure.
_GRID = np.linspace(np.log(0.5), np.log(110000.0), 60)


@cache
def _noise_factor(length: float) -> Array:
    """What makes independent noise on the grid correlated over ``length`` in log-pressure."""
    covariance = np.exp(-0.5 * ((_GRID[:, None] - _GRID[None, :]) / length) ** 2) + 1e-8 * np.eye(_GRID.size)
    return np.linalg.cholesky(covariance).T


def _correlated(draw: ColumnStreams, length: float) -> Array:
    """Gaussian noise of unit variance (column, node of the grid), correlated over ``length`` in log-pressure."""
    return draw.normals(_GRID.size) @ _noise_factor(length)


COLUMNS_IN_BLOCK = 256
"""Columns are made in whole blocks, so that one has the same bits whatever the number of columns."""

_ATMOSPHERE, _CLOUDS, _SUN, _PLACE = range(4)  # streams of a column
_WORDS = {_ATMOSPHERE: 400, _CLOUDS: 128, _SUN: 24, _PLACE: 4}
_PROFILES_OF_A_SEED = 2**32


def generate_columns(
    number: int,
    layers: int = DEFAULT_LAYERS,
    *,
    seed: int,
    first: int = 0,
    top_pressure: float = 1.0,
    clear_sky: bool = False,
    advance: Callable[[int], None] = lambda columns: None,
) -> xr.Dataset:
    """``number`` columns of ``layers`` layers, with clouds and sun, as a column-file dataset.

    The same ``seed`` gives the same columns, and a column is the same however many are made; its temperature, gases (but water
    vapour in clouds), surface and sun are those that it has with ``clear_sky``, without clouds. ``first`` is the number of the
    first column, ``top_pressure`` [Pa] the pressure of the uppermost level. ``advance`` is called with the number of columns
    made since it was called last. Raises ``ValueError`` for fewer than one column, fewer than ten layers, a top outside
    0..1000 Pa, or a ``first`` that is not a multiple of :data:`COLUMNS_IN_BLOCK`.
    """
    if number < 1:
        raise ValueError(f"number of columns: expected at least 1, got {number}")
    if layers < LEAST_LAYERS:
        raise ValueError(f"number of layers: expected at least {LEAST_LAYERS}, got {layers}")
    if not 0.0 <= top_pressure <= MOST_TOP_PRESSURE:
        raise ValueError(f"pressure at the top: expected 0 to {MOST_TOP_PRESSURE:g} Pa, got {top_pressure}")
    if first < 0 or first % COLUMNS_IN_BLOCK:
        raise ValueError(f"first column: expected a multiple of {COLUMNS_IN_BLOCK}, got {first}")
    whole: dict[str, Array] = {}
    for done in range(0, number, COLUMNS_IN_BLOCK):
        last = min(done + COLUMNS_IN_BLOCK, number)
        for name, values in _block(seed, first + done, layers, top_pressure, clear_sky).items():
            if name not in whole:
                whole[name] = np.empty((number, *values.shape[1:]), dtype=values.dtype)
            whole[name][done:last] = values[: last - done]
        advance(last - done)
    dimensions = {name: variable.dimensions for name, variable in VARIABLES.items()}
    sky = "clear sky" if clear_sky else "with clouds"
    return xr.Dataset(
        {name: (dimensions[name], values) for name, values in whole.items()},
        attrs={
            "title": f"generated columns, {sky}",
            "source": f"ftorch-train columns, generator: {number} columns from column {first} on, {layers} layers, "
            f"seed {seed}, top {top_pressure} Pa, {sky}",
        },
    )


def _block(seed: int, first: int, layers: int, top_pressure: float, clear_sky: bool) -> dict[str, Array]:
    """Variables of the columns from ``first`` on, as many as there are in a block."""
    number = COLUMNS_IN_BLOCK

    def streams(stream: int) -> ColumnStreams:
        return ColumnStreams(seed, first, number, words=_WORDS[stream], stream=stream)

    draw = streams(_ATMOSPHERE)
    regimes = NODE_TEMPERATURE.shape[0]

    # Which climate: a continuous coordinate from the tropics (0) to the polar night (5).
    climate = draw.uniform(0.0, regimes - 1.0)
    low = np.minimum(climate.astype(int), regimes - 2)
    share = (climate - low)[:, None]

    mountain = draw.chance(0.2)
    surface_pressure = 101000.0 + 1300.0 * draw.normal()
    surface_pressure = np.where(mountain, draw.uniform(52000.0, 99000.0), surface_pressure)
    surface_pressure = np.clip(surface_pressure, 50000.0, 105500.0)
    pressure_level = hybrid_levels(surface_pressure, layers, top_pressure)
    pressure_layer = 0.5 * (pressure_level[:, 1:] + pressure_level[:, :-1])
    # The uppermost level may lie at zero pressure, where the logarithm does not exist.
    log_level = np.log(np.maximum(pressure_level, 0.5))
    log_layer = np.log(pressure_layer)

    nodes = np.log(NODE_PRESSURE[::-1] * 100.0)
    temperature_nodes = ((1 - share) * NODE_TEMPERATURE[low] + share * NODE_TEMPERATURE[low + 1])[:, ::-1]
    ozone_nodes = np.log((1 - share) * NODE_OZONE[low] + share * NODE_OZONE[low + 1])[:, ::-1]
    from_nodes, from_grid = _Interpolation(nodes, log_layer), _Interpolation(_GRID, log_layer)

    # Perturbations of temperature, broad and narrow; both grow above the tropopause.
    spread = np.interp(_GRID, np.log([1.0, 100.0, 1000.0, 10000.0, 30000.0, 100000.0]), [10.0, 9.0, 7.0, 5.0, 4.0, 5.0])
    perturbation = spread * _correlated(draw, 1.2)
    perturbation += 0.25 * spread * np.minimum(draw.exponential(), 3.0)[:, None] * _correlated(draw, 0.35)
    warming = np.where(draw.chance(0.25), draw.uniform(-2.0, 6.0), 0.0)[:, None]

    inversion_strength = np.where(draw.chance(0.4), draw.uniform(-6.0, 18.0), 0.0)[:, None]
    inversion_strength *= np.clip(climate[:, None] / 2.5, 0.4, 1.0)
    inversion_depth = draw.uniform(0.01, 0.08)[:, None]
    elevated = np.where(draw.chance(0.3), draw.uniform(2.0, 8.0), 0.0)[:, None]
    elevated_place = draw.uniform(0.08, 0.3)[:, None]

    def temperature_at(log_pressure: Array, from_nodes: _Interpolation, from_grid: _Interpolation) -> Array:
        below = np.log(surface_pressure)[:, None] - log_pressure  # 0 at the surface
        values = from_nodes(temperature_nodes) + from_grid(perturbation)
        values += warming * np.clip((log_pressure - np.log(10000.0)), 0.0, 1.0)
        values -= inversion_strength * np.exp(-below / inversion_depth)
        values += elevated * np.exp(-0.5 * ((below - elevated_place) / 0.03) ** 2)
        return np.clip(values, 160.0, 335.0)

    temperature_layer = temperature_at(log_layer, from_nodes, from_grid)
    temperature_level = temperature_at(log_level, _Interpolation(nodes, log_level), _Interpolation(_GRID, log_level))

    # Humidity: relative humidity with correlated noise, then the cold trap and a dry stratosphere.
    relative = np.interp(
        _GRID, np.log([100.0, 10000.0, 20000.0, 50000.0, 85000.0, 100000.0]), [0.05, 0.2, 0.4, 0.45, 0.7, 0.78]
    )
    logit = np.log(relative / (1 - relative)) + 1.1 * _correlated(draw, 0.35) + 0.7 * draw.normal()[:, None]
    humidity = 1.0 / (1.0 + np.exp(-from_grid(logit)))
    saturation = saturation_vapour_pressure(temperature_layer)

    def mole_fraction_of(humidity: Array) -> Array:
        vapour = np.minimum(humidity * saturation, 0.2 * pressure_layer)
        return vapour / (pressure_layer - vapour)

    h2o = mole_fraction_of(humidity)
    stratosphere = np.exp(
        np.interp(
            log_layer, np.log([1.0, 10.0, 100.0, 1000.0, 10000.0, 20000.0]), np.log([1e-6, 3.5e-6, 6e-6, 5e-6, 3.5e-6, 4e-6])
        )
        + 0.25 * draw.normal()[:, None]
        + 0.15 * from_grid(_correlated(draw, 0.7))
    )
    tropopause = draw.uniform(9000.0, 25000.0)
    blend = 1.0 / (1.0 + np.exp(-(log_layer - np.log(tropopause)[:, None]) / 0.12))
    h2o = np.exp(blend * np.log(np.maximum(h2o, 1e-7)) + (1 - blend) * np.log(stratosphere))

    o3 = np.exp(from_nodes(ozone_nodes) + 0.25 * from_grid(_correlated(draw, 0.8)) + 0.12 * draw.normal()[:, None]) * 1e-6

    def well_mixed(surface_value: Array, decay: float, start: float) -> Array:
        """Constant below ``start`` [Pa], falling as (p/start)**decay above."""
        scale = (decay * np.exp(0.3 * draw.normal()))[:, None]
        return surface_value[:, None] * np.exp(scale * np.minimum(log_layer - np.log(start), 0.0))

    today = draw.chance(0.5)
    co2 = np.where(today, draw.uniform(380e-6, 440e-6), np.exp(draw.uniform(np.log(180e-6), np.log(1700e-6))))
    ch4 = np.where(today, draw.uniform(1.75e-6, 2.0e-6), draw.uniform(0.35e-6, 4.0e-6))
    n2o = np.where(today, draw.uniform(320e-9, 345e-9), draw.uniform(200e-9, 450e-9))

    difference = np.where(draw.chance(0.6), 2.0 * draw.normal(), draw.uniform(-12.0, 22.0))
    surface_temperature = np.clip(temperature_level[:, -1] + difference, 180.0, 345.0)
    dull = ~draw.chance(0.7)
    surface_emissivity = np.where(dull, draw.uniform(0.85, 1.0), draw.uniform(0.96, 1.0))
    southern = draw.chance(0.5)
    latitude = np.where(southern, -1.0, 1.0) * np.clip(climate * 17.0 + 4.0 * draw.normal(), 0.0, 89.0)
    variables = {
        "pressure_level": pressure_level,
        "temperature_level": temperature_level,
        "pressure_layer": pressure_layer,
        "temperature_layer": temperature_layer,
        "h2o": h2o,
        "o3": o3,
        "co2": np.broadcast_to(co2[:, None], h2o.shape),
        "ch4": well_mixed(ch4, 0.35, 10000.0),
        "n2o": well_mixed(n2o, 0.45, 10000.0),
        "o2": np.full_like(h2o, 0.2095),
        "cfc11": well_mixed(np.full(number, 225e-12), 1.2, 10000.0),
        "cfc12": well_mixed(np.full(number, 500e-12), 0.7, 10000.0),
        "cfc22": well_mixed(np.full(number, 240e-12), 0.3, 10000.0),
        "ccl4": well_mixed(np.full(number, 78e-12), 1.2, 10000.0),
        "surface_temperature": surface_temperature,
        "surface_emissivity": surface_emissivity,
        "latitude": latitude,
        "profile": seed % 2**31 * _PROFILES_OF_A_SEED + np.arange(first, first + number),
    }

    draw = streams(_SUN)
    surface = surfaces_of(draw, surface_temperature, dull, mountain)
    cos_zenith, irradiance = sun_of(draw, day_of_year(draw, climate, southern), latitude)
    variables |= {
        "surface_albedo": albedo_of(draw, surface, surface_temperature, cos_zenith),
        "cos_zenith": cos_zenith,
        "solar_irradiance": irradiance,
        "longitude": streams(_PLACE).uniform(-180.0, 180.0),
        "land_fraction": np.where(np.isin(surface, (Surface.SEA, Surface.SEA_ICE)), 0.0, 1.0),
    }
    if clear_sky:
        return variables

    draw = streams(_CLOUDS)
    noise = from_grid(_correlated(draw, 0.15))
    height_of_inversion = np.where(elevated > 0.0, elevated_place, 0.0)[:, 0] * DRY_AIR * temperature_level[:, -1] / GRAVITY
    air = Air(
        climate=climate,
        sea=np.isin(surface, (Surface.SEA, Surface.SEA_ICE)),
        dry_above=tropopause,
        inversion=height_of_inversion,
        pressure_level=pressure_level,
        pressure_layer=pressure_layer,
        temperature_layer=temperature_layer,
        saturation=saturation,
    )
    clouds = make_clouds(draw, air, noise)
    # The air of a cloud is saturated, and that around it moist.
    around = np.maximum(h2o / (1.0 + h2o) * pressure_layer / saturation, 0.8)
    within = mole_fraction_of(np.minimum(around, 1.0) + np.maximum(1.0 - around, 0.0) * clouds.fraction)
    return variables | {
        "h2o": np.where(clouds.fraction > 0.0, within, h2o),
        "cloud_fraction": clouds.fraction,
        "cloud_liquid_path": clouds.liquid_path,
        "cloud_ice_path": clouds.ice_path,
        "liquid_radius": clouds.liquid_radius,
        "ice_radius": clouds.ice_radius,
    }


def read_ecrad(path: Path | str) -> xr.Dataset:
    """Read a file in the input format of ECMWF's ecRad and return it as a column-file dataset.

    Mass mixing ratios (of moist air) become mole fractions of dry air, mean water contents become in-cloud paths, and the
    temperature of a layer is the mean of its two levels weighted by pressure, as in ecRad. Raises :class:`ColumnFileError`.
    """
    path = Path(path)
    source = load_netcdf(path).transpose("column", ...)

    def get(*names: str) -> Array:
        for name in names:
            if name in source.variables:
                return source[name].to_numpy().astype(np.float64)
        raise ColumnFileError(f"{path}: not in ecRad's input format: variable {names[0]} is missing")

    pressure_level, temperature_level = get("pressure_hl"), get("temperature_hl")
    pressure_layer = 0.5 * (pressure_level[:, 1:] + pressure_level[:, :-1])
    weighted = temperature_level * pressure_level
    temperature_layer = (weighted[:, 1:] + weighted[:, :-1]) / (pressure_level[:, 1:] + pressure_level[:, :-1])
    dry_share = 1.0 - (specific_humidity := get("q", "specific_humidity"))  # kg dry air per kg of moist air
    columns, layers = specific_humidity.shape

    def mole_fraction(mass_mixing_ratio: Array, molar_mass: float) -> Array:
        return mass_mixing_ratio / dry_share * MOLAR_MASS_DRY_AIR / molar_mass

    def gas(name: str, *, required: bool, mass: float | None = None) -> Array | None:
        if mass is not None and f"{name}_mmr" in source.variables:
            return mole_fraction(get(f"{name}_mmr"), mass)
        if not required and f"{name}_vmr" not in source.variables:
            return None
        values = get(f"{name}_vmr")
        if values.ndim < 2:  # one number for all, or one a column
            values = np.broadcast_to(values.reshape(-1, 1), (columns, layers)).copy()
        return values

    h2o = mole_fraction(np.maximum(specific_humidity, 0.0), MOLAR_MASS_WATER)
    o3 = gas("o3", required=True, mass=MOLAR_MASS_OZONE)
    layer, level, column = ("column", "layer"), ("column", "level"), ("column",)
    variables: dict[str, tuple[tuple[str, ...], Array]] = {
        "pressure_level": (level, pressure_level),
        "temperature_level": (level, temperature_level),
        "pressure_layer": (layer, pressure_layer),
        "temperature_layer": (layer, temperature_layer),
        "h2o": (layer, h2o),
        "o3": (layer, np.maximum(o3, 0.0)),
    }
    for name in ("co2", "ch4", "n2o", "o2"):
        variables[name] = (layer, gas(name, required=True))
    for name, theirs in (("cfc11", "cfc11"), ("cfc12", "cfc12"), ("cfc22", "hcfc22"), ("ccl4", "ccl4")):
        if (values := gas(theirs, required=False)) is not None:
            variables[name] = (layer, np.maximum(values, 0.0))
    emissivity = get("lw_emissivity")
    variables["profile"] = (column, np.arange(columns))
    variables["surface_temperature"] = (column, get("skin_temperature"))
    # One emissivity for the whole spectrum: that of ecRad's last interval, the window, where the surface is seen from above.
    variables["surface_emissivity"] = (column, emissivity if emissivity.ndim == 1 else emissivity[:, -1])

    if "cloud_fraction" in source.variables:
        fraction = np.clip(get("cloud_fraction"), 0.0, 1.0)
        cloudy = fraction > 1e-6
        mass_path = (pressure_level[:, 1:] - pressure_level[:, :-1]) / GRAVITY  # kg m-2
        variables["cloud_fraction"] = (layer, np.where(cloudy, fraction, 0.0))
        for name, content in (("cloud_liquid_path", "q_liquid"), ("cloud_ice_path", "q_ice")):
            in_cloud = np.where(cloudy, get(content) * mass_path / np.where(cloudy, fraction, 1.0), 0.0)
            variables[name] = (layer, np.maximum(in_cloud, 0.0))
        variables["liquid_radius"] = (layer, get("re_liquid"))
        variables["ice_radius"] = (layer, get("re_ice"))
    if "sw_albedo" in source.variables:
        albedo = get("sw_albedo")
        variables["surface_albedo"] = (column, albedo if albedo.ndim == 1 else albedo.mean(axis=1))
    if "cos_solar_zenith_angle" in source.variables:
        variables["cos_zenith"] = (column, get("cos_solar_zenith_angle"))
    if "solar_irradiance" in source.variables:
        variables["solar_irradiance"] = (column, np.broadcast_to(get("solar_irradiance"), (columns,)).copy())
    for name, theirs in (("latitude", "lat"), ("longitude", "lon")):
        if theirs in source.variables:
            variables[name] = (column, get(theirs))
    return xr.Dataset(variables, attrs={"title": "columns from a file in ecRad's input format", "source": path.name})
