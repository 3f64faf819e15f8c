"""The sun over generated columns and the surfaces below them."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ftorch_bridge.streams import ColumnStreams

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SOLAR_CONSTANT = 1361.0  # W m-2 at the mean distance
OBLIQUITY = 23.45  # degrees, as in Cooper's declination
YEAR = 365.25  # days
SEA_FREEZES, ICE_MELTS = 271.35, 273.15  # K


class Surface(IntEnum):
    """What the ground is."""

    SEA = 0
    PLANTS = 1
    BARE = 2
    SNOW = 3
    SEA_ICE = 4


def surfaces_of(draw: ColumnStreams, temperature: Array, dull: Mask, mountain: Mask) -> NDArray[np.intp]:
    """Which :class:`Surface` each column has, in step with its ``temperature`` [K].

    ``dull`` are those of low emissivity, which are bare: sand, rock, frozen soil.
    """
    sea = draw.chance(0.7) & ~mountain & ~dull & (temperature < 308.0)
    snow = draw.chance(0.8)
    on_land = np.where(dull, Surface.BARE, np.where(snow & (temperature < ICE_MELTS), Surface.SNOW, Surface.PLANTS))
    return np.where(sea, np.where(temperature < SEA_FREEZES, Surface.SEA_ICE, Surface.SEA), on_land)


def sea_albedo(cos_zenith: Array) -> Array:
    """Albedo of open water under a sun at ``cos_zenith`` (Taylor et al. 1996), for diffuse light (0.06) by night."""
    day = np.maximum(cos_zenith, 0.0)
    return np.where(cos_zenith > 0.0, 0.037 / (1.1 * day**1.4 + 0.15), 0.06)


def albedo_of(draw: ColumnStreams, surface: NDArray[np.intp], temperature: Array, cos_zenith: Array) -> Array:
    """Shortwave albedo: snow and ice are darker where they melt."""
    place = draw.uniform()
    melting = np.clip(1.0 - (ICE_MELTS - temperature) / 5.0, 0.0, 1.0)
    forest = draw.chance(0.2)  # snow below trees
    snow = np.where(forest, 0.2 + 0.25 * place, 0.7 + 0.2 * place - 0.2 * melting)
    choices = (
        sea_albedo(cos_zenith) * (0.9 + 0.2 * place),
        0.10 + 0.15 * place,
        0.20 + 0.25 * place,
        snow,
        0.55 + 0.25 * place - 0.25 * melting,
    )
    return np.choose(surface, choices)


def day_of_year(draw: ColumnStreams, climate: Array, southern: Mask) -> Array:
    """Day [0 to 365.25) on which such a climate is met: winter's mostly in winter, summer's in summer, the tropics' all year.

    A quarter of all columns has any day: ice caps are cold in summer too.
    """
    winter = np.interp(climate, np.arange(6.0), [0.5, 0.0, 1.0, 0.0, 1.0, 1.0])
    # Angle round the year from the winter solstice: before it or after it, and not to the day.
    phase = np.arccos(np.clip(2.0 * winter - 1.0, -1.0, 1.0)) * np.where(draw.chance(0.5), 1.0, -1.0) + 0.5 * draw.normal()
    phase = np.where(draw.chance(0.25) | (climate < 0.7), 2.0 * np.pi * draw.uniform(), phase)
    return (phase / (2.0 * np.pi) * YEAR + np.where(southern, 172.0, 355.0)) % YEAR


def sun_of(draw: ColumnStreams, day: Array, latitude: Array) -> tuple[Array, Array]:
    """Cosine of the zenith angle, and irradiance at the top [W m-2] by the distance between Earth and Sun.

    In six of ten columns the hour is drawn from those of daylight, if there are any.
    """
    declination = np.radians(OBLIQUITY * np.sin(2.0 * np.pi * (284.0 + day) / 365.0))
    north = np.radians(latitude)
    longest = np.arccos(np.clip(-np.tan(north) * np.tan(declination), -1.0, 1.0))  # hour angle of the sunset
    by_day = draw.chance(0.6) & (longest > 0.0)
    hour = (2.0 * draw.uniform() - 1.0) * np.where(by_day, longest, np.pi)
    cos_zenith = np.sin(north) * np.sin(declination) + np.cos(north) * np.cos(declination) * np.cos(hour)
    irradiance = SOLAR_CONSTANT * (1.0 + 0.0334 * np.cos(2.0 * np.pi * (day - 3.0) / YEAR))
    return np.clip(cos_zenith, -1.0, 1.0), irradiance
