"""Columns to train on and to test with: a generator, and a reader of ecRad's input format.

The generator starts from six reference atmospheres, from the tropics to the polar night. Their temperatures follow
the AFGL reference atmospheres (Anderson et al. 1986, AFGL-TR-86-0110), with a polar-night stratosphere added. Each
column mixes two neighbours, adds perturbations correlated in the logarithm of pressure, boundary-layer
and elevated inversions, a surface warmer or colder than the air, humidity as relative humidity over the perturbed
temperature, and greenhouse gases from before industry to four times today's carbon dioxide.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ftorch_bridge.column_file import ColumnFileError, load_netcdf

Array = NDArray[np.float64]

DEFAULT_LAYERS = 89
MOLAR_MASS_DRY_AIR = 28.9660e-3  # kg mol-1, as in RRTMG
MOLAR_MASS_WATER = 18.0160e-3
MOLAR_MASS_OZONE = 47.9982e-3
GRAVITY = 9.80665  # m s-2

# fmt: off
# Pressure of the nodes [hPa] and temperature of each reference atmosphere there [K].
_NODE_PRESSURE = np.array(
    [1050, 1000, 850, 700, 500, 400, 300, 250, 200, 150, 100, 70, 50, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02,
     0.005])
_NODE_TEMPERATURE = np.array([
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
_NODE_OZONE = np.array([
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


def _correlated(random: np.random.Generator, columns: int, nodes: Array, length: float) -> Array:
    """Gaussian noise of unit variance (column, node) on ``nodes`` of log-pressure, correlated over ``length``."""
    covariance = np.exp(-0.5 * ((nodes[:, None] - nodes[None, :]) / length) ** 2) + 1e-8 * np.eye(nodes.size)
    return random.standard_normal((columns, nodes.size)) @ np.linalg.cholesky(covariance).T


def _interpolate(node_values: Array, nodes: Array, log_pressure: Array) -> Array:
    """Linear interpolation in log-pressure of ``node_values`` (column, node), constant beyond the ends; any trailing shape."""
    place = np.clip(np.searchsorted(nodes, log_pressure) - 1, 0, nodes.size - 2)
    weight = np.clip((log_pressure - nodes[place]) / (nodes[place + 1] - nodes[place]), 0.0, 1.0)
    low = np.take_along_axis(node_values, place, axis=1)
    high = np.take_along_axis(node_values, place + 1, axis=1)
    return low + weight * (high - low)


def generate_columns(
    number: int,
    layers: int = DEFAULT_LAYERS,
    *,
    seed: int,
    top_pressure: float = 1.0,
) -> xr.Dataset:
    """``number`` clear-sky columns of ``layers`` layers as a column-file dataset.

    The same ``seed`` gives the same columns. ``top_pressure`` [Pa] is the pressure of the uppermost level.
    Raises ``ValueError`` for fewer than one column, fewer than ten layers, or a top outside 0..1000 Pa.
    """
    if number < 1:
        raise ValueError(f"number of columns: expected at least 1, got {number}")
    if layers < 10:
        raise ValueError(f"number of layers: expected at least 10, got {layers}")
    if not 0.0 <= top_pressure <= 1000.0:
        raise ValueError(f"pressure at the top: expected 0 to 1000 Pa, got {top_pressure}")
    random = np.random.default_rng(seed)
    regimes = _NODE_TEMPERATURE.shape[0]

    # Which climate: a continuous coordinate from the tropics (0) to the polar night (5).
    climate = random.uniform(0.0, regimes - 1.0, number)
    low = np.minimum(climate.astype(int), regimes - 2)
    share = (climate - low)[:, None]

    mountain = random.random(number) < 0.2
    surface_pressure = 101000.0 + 1300.0 * random.standard_normal(number)
    surface_pressure = np.where(mountain, random.uniform(52000.0, 99000.0, number), surface_pressure)
    surface_pressure = np.clip(surface_pressure, 50000.0, 105500.0)
    pressure_level = hybrid_levels(surface_pressure, layers, top_pressure)
    pressure_layer = 0.5 * (pressure_level[:, 1:] + pressure_level[:, :-1])
    # The uppermost level may lie at zero pressure, where the logarithm does not exist.
    log_level = np.log(np.maximum(pressure_level, 0.5))
    log_layer = np.log(pressure_layer)

    nodes = np.log(_NODE_PRESSURE[::-1] * 100.0)
    temperature_nodes = ((1 - share) * _NODE_TEMPERATURE[low] + share * _NODE_TEMPERATURE[low + 1])[:, ::-1]
    ozone_nodes = np.log((1 - share) * _NODE_OZONE[low] + share * _NODE_OZONE[low + 1])[:, ::-1]

    # Perturbations of temperature, broad and narrow; both grow above the tropopause.
    grid = np.linspace(np.log(0.5), np.log(110000.0), 60)
    spread = np.interp(grid, np.log([1.0, 100.0, 1000.0, 10000.0, 30000.0, 100000.0]), [10.0, 9.0, 7.0, 5.0, 4.0, 5.0])
    perturbation = spread * _correlated(random, number, grid, 1.2)
    perturbation += (
        0.25 * spread * np.minimum(random.gamma(1.0, 1.0, (number, 1)), 3.0) * _correlated(random, number, grid, 0.35)
    )
    warming = np.where(random.random(number) < 0.25, random.uniform(-2.0, 6.0, number), 0.0)[:, None]

    inversion_strength = np.where(random.random(number) < 0.4, random.uniform(-6.0, 18.0, number), 0.0)[:, None]
    inversion_strength *= np.clip(climate[:, None] / 2.5, 0.4, 1.0)
    inversion_depth = random.uniform(0.01, 0.08, (number, 1))
    elevated = np.where(random.random(number) < 0.3, random.uniform(2.0, 8.0, number), 0.0)[:, None]
    elevated_place = random.uniform(0.08, 0.3, (number, 1))

    def temperature_at(log_pressure: Array) -> Array:
        below = np.log(surface_pressure)[:, None] - log_pressure  # 0 at the surface
        values = _interpolate(temperature_nodes, nodes, log_pressure) + _interpolate(perturbation, grid, log_pressure)
        values += warming * np.clip((log_pressure - np.log(10000.0)), 0.0, 1.0)
        values -= inversion_strength * np.exp(-below / inversion_depth)
        values += elevated * np.exp(-0.5 * ((below - elevated_place) / 0.03) ** 2)
        return np.clip(values, 160.0, 335.0)

    temperature_layer = temperature_at(log_layer)
    temperature_level = temperature_at(log_level)

    # Humidity: relative humidity with correlated noise, then the cold trap and a dry stratosphere.
    relative = np.interp(grid, np.log([100.0, 10000.0, 20000.0, 50000.0, 85000.0, 100000.0]), [0.05, 0.2, 0.4, 0.45, 0.7, 0.78])
    logit = (
        np.log(relative / (1 - relative))
        + 1.1 * _correlated(random, number, grid, 0.35)
        + 0.7 * random.standard_normal((number, 1))
    )
    humidity = 1.0 / (1.0 + np.exp(-_interpolate(logit, grid, log_layer)))
    vapour = np.minimum(humidity * saturation_vapour_pressure(temperature_layer), 0.2 * pressure_layer)
    h2o = vapour / (pressure_layer - vapour)
    stratosphere = np.exp(
        np.interp(
            log_layer, np.log([1.0, 10.0, 100.0, 1000.0, 10000.0, 20000.0]), np.log([1e-6, 3.5e-6, 6e-6, 5e-6, 3.5e-6, 4e-6])
        )
        + 0.25 * random.standard_normal((number, 1))
        + 0.15 * _interpolate(_correlated(random, number, grid, 0.7), grid, log_layer)
    )
    tropopause = np.log(random.uniform(9000.0, 25000.0, (number, 1)))
    blend = 1.0 / (1.0 + np.exp(-(log_layer - tropopause) / 0.12))
    h2o = np.exp(blend * np.log(np.maximum(h2o, 1e-7)) + (1 - blend) * np.log(stratosphere))

    o3 = (
        np.exp(
            _interpolate(ozone_nodes, nodes, log_layer)
            + 0.25 * _interpolate(_correlated(random, number, grid, 0.8), grid, log_layer)
            + 0.12 * random.standard_normal((number, 1))
        )
        * 1e-6
    )

    def well_mixed(surface_value: Array, decay: float, start: float) -> Array:
        """Constant below ``start`` [Pa], falling as (p/start)**decay above."""
        scale = decay * np.exp(0.3 * random.standard_normal((number, 1)))
        return surface_value[:, None] * np.exp(scale * np.minimum(log_layer - np.log(start), 0.0))

    today = random.random(number) < 0.5
    co2 = np.where(
        today, random.uniform(380e-6, 440e-6, number), np.exp(random.uniform(np.log(180e-6), np.log(1700e-6), number))
    )
    ch4 = np.where(today, random.uniform(1.75e-6, 2.0e-6, number), random.uniform(0.35e-6, 4.0e-6, number))
    n2o = np.where(today, random.uniform(320e-9, 345e-9, number), random.uniform(200e-9, 450e-9, number))

    difference = np.where(
        random.random(number) < 0.6, 2.0 * random.standard_normal(number), random.uniform(-12.0, 22.0, number)
    )
    surface_temperature = np.clip(temperature_level[:, -1] + difference, 180.0, 345.0)
    surface_emissivity = np.where(
        random.random(number) < 0.7, random.uniform(0.96, 1.0, number), random.uniform(0.85, 1.0, number)
    )

    hemisphere = np.where(random.random(number) < 0.5, -1.0, 1.0)
    layer, level, column = ("column", "layer"), ("column", "level"), ("column",)
    return xr.Dataset(
        {
            "pressure_level": (level, pressure_level),
            "temperature_level": (level, temperature_level),
            "pressure_layer": (layer, pressure_layer),
            "temperature_layer": (layer, temperature_layer),
            "h2o": (layer, h2o),
            "o3": (layer, o3),
            "co2": (layer, np.broadcast_to(co2[:, None], h2o.shape).copy()),
            "ch4": (layer, well_mixed(ch4, 0.35, 10000.0)),
            "n2o": (layer, well_mixed(n2o, 0.45, 10000.0)),
            "o2": (layer, np.full_like(h2o, 0.2095)),
            "cfc11": (layer, well_mixed(np.full(number, 225e-12), 1.2, 10000.0)),
            "cfc12": (layer, well_mixed(np.full(number, 500e-12), 0.7, 10000.0)),
            "cfc22": (layer, well_mixed(np.full(number, 240e-12), 0.3, 10000.0)),
            "ccl4": (layer, well_mixed(np.full(number, 78e-12), 1.2, 10000.0)),
            "surface_temperature": (column, surface_temperature),
            "surface_emissivity": (column, surface_emissivity),
            "surface_albedo": (column, np.clip(0.08 + 0.6 * (climate / 5.0) ** 2 * random.random(number), 0.04, 0.9)),
            "latitude": (column, hemisphere * np.clip(climate * 17.0 + 4.0 * random.standard_normal(number), 0.0, 89.0)),
        },
        attrs={
            "title": "clear-sky columns for longwave radiation",
            "source": f"ftorch-train columns, generator: {number} columns, {layers} layers, seed {seed}, top {top_pressure} Pa",
        },
    )


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
