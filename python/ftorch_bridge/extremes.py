"""Columns at the edge of what a host meets: polar night, four times the carbon dioxide, hot desert, deep overcast, +4 K.

Each case takes generated columns and changes what makes it one; everything else, weather included, stays as varied as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ftorch_bridge.clouds import DRY_AIR, HEAT_CAPACITY
from ftorch_bridge.columns import COLUMNS_IN_BLOCK, generate_columns, saturation_vapour_pressure

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FOUR_TIMES_CO2 = 4 * 420e-6  # mol mol-1
HOTTEST_GROUND, HOTTEST_AIR = 345.0, 335.0  # K, as in generated columns
STRATOSPHERE = 1e4  # Pa: humidity above is not changed
MOST_BLOCKS = 400  # of columns that are looked through for those that fit


@dataclass(frozen=True)
class Extreme:
    """A case: which generated columns it takes, what it makes of them, and when in the year it is."""

    day_of_year: float
    fits: Callable[[xr.Dataset], Mask]
    """Which columns (column,)."""
    change: Callable[[xr.Dataset], None]
    """Changes the columns in place."""


def _vapour(columns: xr.Dataset, humidity: Array) -> Array:
    """Water vapour [mol mol-1] (column, layer) at a relative ``humidity`` of these temperatures."""
    pressure = columns["pressure_layer"].to_numpy()
    vapour = np.minimum(humidity * saturation_vapour_pressure(columns["temperature_layer"].to_numpy()), 0.2 * pressure)
    return vapour / (pressure - vapour)


def _humidity(columns: xr.Dataset) -> Array:
    """Relative humidity (column, layer)."""
    h2o = columns["h2o"].to_numpy()
    partial = h2o / (1.0 + h2o) * columns["pressure_layer"].to_numpy()
    return partial / saturation_vapour_pressure(columns["temperature_layer"].to_numpy())


def set_values(columns: xr.Dataset, name: str, values: Array) -> None:
    """Give a variable of ``columns`` other values, in place; they are spread over its dimensions."""
    columns[name] = (columns[name].dims, np.broadcast_to(values, columns[name].shape).copy())


def _clear_sky(columns: xr.Dataset) -> None:
    for name in ("cloud_fraction", "cloud_liquid_path", "cloud_ice_path"):
        set_values(columns, name, np.zeros(1))


def _all(columns: xr.Dataset) -> Mask:
    return np.ones(columns.sizes["column"], dtype=bool)


def _polar_night(columns: xr.Dataset) -> None:
    set_values(columns, "latitude", np.abs(columns["latitude"].to_numpy()))


def _carbon_dioxide(columns: xr.Dataset) -> None:
    set_values(columns, "co2", np.array(FOUR_TIMES_CO2))


def _desert(columns: xr.Dataset) -> None:
    """Bare land of 325 K below a deep, dry, well-mixed layer of 313 K at the ground; northern summer."""
    set_values(columns, "latitude", np.abs(columns["latitude"].to_numpy()))
    for name, value in (
        ("land_fraction", 1.0),
        ("surface_temperature", 325.0),
        ("surface_albedo", 0.35),
        ("surface_emissivity", 0.92),
    ):
        set_values(columns, name, np.array(value))
    ground = columns["pressure_level"].to_numpy()[:, -1:]
    for where in ("layer", "level"):
        mixed = 313.0 * (columns[f"pressure_{where}"].to_numpy() / ground) ** (DRY_AIR / HEAT_CAPACITY)
        set_values(columns, f"temperature_{where}", np.maximum(columns[f"temperature_{where}"].to_numpy(), mixed))
    dry = np.minimum(columns["h2o"].to_numpy(), _vapour(columns, np.array(0.1)))
    set_values(columns, "h2o", np.where(columns["pressure_layer"].to_numpy() > STRATOSPHERE, dry, columns["h2o"].to_numpy()))
    _clear_sky(columns)


def _overcast(columns: xr.Dataset) -> None:
    """A relative humidity of 95 % from the ground to 250 hPa: the host makes clouds of it."""
    moist = np.maximum(columns["h2o"].to_numpy(), _vapour(columns, np.array(0.95)))
    set_values(columns, "h2o", np.where(columns["pressure_layer"].to_numpy() > 2.5e4, moist, columns["h2o"].to_numpy()))


def _warmer(columns: xr.Dataset) -> None:
    """All temperatures, with the relative humidity that there was below 100 hPa."""
    humidity = _humidity(columns)
    for name in ("temperature_layer", "temperature_level"):
        set_values(columns, name, np.minimum(columns[name].to_numpy() + 4.0, HOTTEST_AIR))
    set_values(columns, "surface_temperature", np.minimum(columns["surface_temperature"].to_numpy() + 4.0, HOTTEST_GROUND))
    below = columns["pressure_layer"].to_numpy() > STRATOSPHERE
    set_values(columns, "h2o", np.where(below, _vapour(columns, humidity), columns["h2o"].to_numpy()))


def _far_north_or_south(columns: xr.Dataset) -> Mask:
    return np.abs(columns["latitude"].to_numpy()) > 75.0


def _hot_lowland(columns: xr.Dataset) -> Mask:
    latitude, ground = np.abs(columns["latitude"].to_numpy()), columns["pressure_level"].to_numpy()[:, -1]
    return (latitude > 10.0) & (latitude < 35.0) & (ground > 9e4)


EXTREMES: dict[str, Extreme] = {
    "polar night": Extreme(350.0, _far_north_or_south, _polar_night),
    "4 x CO2": Extreme(80.0, _all, _carbon_dioxide),
    "hot desert": Extreme(196.0, _hot_lowland, _desert),
    "deep overcast": Extreme(110.0, _all, _overcast),
    "+4 K": Extreme(230.0, _all, _warmer),
}


def extreme_columns(name: str, number: int, layers: int, *, seed: int) -> xr.Dataset:
    """``number`` columns of the case ``name`` of :data:`EXTREMES`, as a column-file dataset; the same for the same ``seed``."""
    extreme = EXTREMES[name]
    found: list[xr.Dataset] = []
    for block in range(MOST_BLOCKS):
        some = generate_columns(COLUMNS_IN_BLOCK, layers, seed=seed, first=block * COLUMNS_IN_BLOCK)
        found.append(some.isel(column=np.flatnonzero(extreme.fits(some))))
        if sum(columns.sizes["column"] for columns in found) >= number:
            break
    else:
        raise ValueError(f"{name}: {MOST_BLOCKS * COLUMNS_IN_BLOCK} generated columns have fewer than {number} that fit")
    columns = xr.concat(found, dim="column").isel(column=slice(0, number))
    extreme.change(columns)
    columns.attrs |= {"title": f"generated columns: {name}", "source": f"ftorch-bench stability: {name}, seed {seed}"}
    return columns
