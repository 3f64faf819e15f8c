"""Clouds of generated columns: which kinds there are, where they lie, and what water is in them.

A scene says which kinds of cloud a column has; warm and cold climates have their own shares of scenes. Each kind has a base,
a depth and a cover. Its water grows with the height over the base as in a rising parcel, up to a limit of the kind; the thin
ice of cirrus follows temperature (Liou 1992). Droplets take their radius from their number (fewer over the sea) and the water,
with the shape of Martin et al. (1994); crystals are the larger the warmer it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftorch_bridge.streams import ColumnStreams

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FREEZING, ALL_ICE = 273.15, 235.15  # K; between them clouds are of both phases
DROPLET_RADII = (5e-6, 20e-6)  # m
CRYSTAL_RADII = (5e-6, 90e-6)  # m: within Fu's tables and Streamer's
NO_DROPLETS, NO_CRYSTALS = 10e-6, 40e-6  # m: radii where there is no such water

DRY_AIR, WATER_VAPOUR = 287.04, 461.5  # gas constants [J kg-1 K-1]
HEAT_CAPACITY, VAPORISATION, GRAVITY = 1004.64, 2.5e6, 9.80665


@dataclass(frozen=True)
class Kind:
    """One kind of cloud: ranges from which each column draws."""

    base: tuple[float, float]
    """Above the ground [m]; of a kind that hangs from the tropopause: of its top, below it."""
    depth: tuple[float, float]
    """[m]; for a kind that reaches to the tropopause: of what is left below it."""
    cover: tuple[float, float]
    overcast: float
    """Probability that the cover is one."""
    content: tuple[float, float]
    """Most water per volume of cloud [kg m-3]; for ice alone: a factor on that of Liou."""
    growth: tuple[float, float] = (0.5, 1.0)
    """Share of a parcel's water that stays in the cloud."""
    hangs: bool = False
    reaches: bool = False
    ice_alone: bool = False
    narrowing: float = 0.0
    """How much of the cover is lost from base to top."""


KINDS: dict[str, Kind] = {
    "fog": Kind((0.0, 0.0), (50.0, 400.0), (0.2, 1.0), 0.6, (5e-5, 3e-4), growth=(0.1, 0.6)),
    "stratus": Kind((150.0, 1200.0), (100.0, 800.0), (0.3, 1.0), 0.5, (3e-4, 9e-4)),
    "cumulus": Kind((400.0, 1500.0), (200.0, 2500.0), (0.03, 0.45), 0.0, (4e-4, 1.2e-3), growth=(0.25, 0.7), narrowing=0.6),
    "altocumulus": Kind((2000.0, 5500.0), (150.0, 1200.0), (0.1, 1.0), 0.3, (5e-5, 3e-4), growth=(0.2, 0.8)),
    "nimbostratus": Kind((200.0, 1500.0), (3000.0, 7000.0), (0.7, 1.0), 0.8, (2e-4, 6e-4), growth=(0.3, 0.8)),
    "deep": Kind((300.0, 1200.0), (0.0, 2500.0), (0.05, 0.5), 0.05, (6e-4, 2e-3), growth=(0.3, 0.8), reaches=True),
    "anvil": Kind((0.0, 2500.0), (1000.0, 4000.0), (0.3, 1.0), 0.3, (2.0, 10.0), hangs=True, ice_alone=True),
    "cirrus": Kind((0.0, 2500.0), (300.0, 3000.0), (0.1, 1.0), 0.25, (0.2, 3.0), hangs=True, ice_alone=True),
}
CLEAR_SHARE = 1.0 / 3.0
# Kinds of each scene, and its weight among cloudy columns in the tropics and in the polar night.
SCENES: tuple[tuple[tuple[str, ...], float, float], ...] = (
    (("fog",), 0.02, 0.10),
    (("fog", "cirrus"), 0.01, 0.03),
    (("stratus",), 0.12, 0.22),
    (("stratus", "cirrus"), 0.05, 0.07),
    (("stratus", "altocumulus"), 0.03, 0.07),
    (("stratus", "altocumulus", "cirrus"), 0.03, 0.06),
    (("cumulus",), 0.17, 0.04),
    (("cumulus", "cirrus"), 0.08, 0.02),
    (("cumulus", "altocumulus"), 0.06, 0.02),
    (("altocumulus",), 0.05, 0.08),
    (("altocumulus", "cirrus"), 0.04, 0.05),
    (("nimbostratus",), 0.04, 0.11),
    (("nimbostratus", "cirrus"), 0.02, 0.03),
    (("deep", "anvil"), 0.10, 0.01),
    (("deep", "anvil", "cumulus"), 0.06, 0.0),
    (("cirrus",), 0.12, 0.09),
)
# Where the tropopause lies [Pa], from the tropics to the polar night.
_TROPOPAUSE = np.array([10500.0, 13500.0, 20500.0, 23500.0, 26000.0, 27000.0])


@dataclass(frozen=True)
class Air:
    """What clouds are made in, (column, layer) unless said otherwise."""

    climate: Array
    """From the tropics (0) to the polar night (5), (column,)."""
    sea: Mask
    """(column,)"""
    dry_above: Array
    """Pressure above which the air is the stratosphere's [Pa], (column,)."""
    inversion: Array
    """Height of an inversion above the ground [m], zero where there is none, (column,)."""
    pressure_level: Array
    pressure_layer: Array
    temperature_layer: Array
    saturation: Array
    """Vapour pressure [Pa]."""


@dataclass(frozen=True)
class Clouds:
    """Variables of the column file, (column, layer)."""

    fraction: Array
    liquid_path: Array
    ice_path: Array
    liquid_radius: Array
    ice_radius: Array


def level_heights(air: Air) -> Array:
    """Height above the ground [m] (column, layer+1), hydrostatic; the top lies at 0.5 Pa if its pressure is less."""
    pressure = np.maximum(air.pressure_level, 0.5)
    thickness = DRY_AIR / GRAVITY * air.temperature_layer * np.log(pressure[:, 1:] / pressure[:, :-1])
    heights = np.zeros_like(pressure)
    heights[:, :-1] = np.cumsum(np.maximum(thickness, 0.0)[:, ::-1], axis=1)[:, ::-1]
    return heights


def condensation_rate(air: Air) -> Array:
    """Water that a rising saturated parcel loses [kg m-3 per m], from the moist adiabatic lapse rate."""
    mixing_ratio = 0.622 * air.saturation / np.maximum(air.pressure_layer - air.saturation, 0.5 * air.pressure_layer)
    temperature = air.temperature_layer
    numerator = 1.0 + VAPORISATION * mixing_ratio / (DRY_AIR * temperature)
    denominator = 1.0 + VAPORISATION**2 * mixing_ratio / (HEAT_CAPACITY * WATER_VAPOUR * temperature**2)
    warming = GRAVITY / HEAT_CAPACITY * (1.0 - numerator / denominator)
    return air.pressure_layer / (DRY_AIR * temperature) * HEAT_CAPACITY / VAPORISATION * warming


def cirrus_content(temperature: Array) -> Array:
    """Mean ice of cirrus [kg m-3] at ``temperature`` [K] (Liou 1992, Radiation and Cloud Processes, eq. 4.4)."""
    cold = np.maximum(253.0 - np.maximum(temperature, 190.0), 0.0)
    return 1e-3 * np.exp(-7.6 + 4.0 * np.exp(-0.2443e-3 * cold**2.455))


def liquid_share(temperature: Array, exponent: Array) -> Array:
    """Share of liquid in a cloud's water: none below 235.15 K, all above 273.15 K."""
    return np.clip((temperature - ALL_ICE) / (FREEZING - ALL_ICE), 0.0, 1.0) ** exponent


def scenes_of(draw: Array, climate: Array) -> NDArray[np.intp]:
    """Number of the scene of each column, -1 for clear sky."""
    warm, cold = (np.array([scene[i] for scene in SCENES]) for i in (1, 2))
    share = climate[:, None] / 5.0
    weight = (1.0 - share) * (warm / warm.sum()) + share * (cold / cold.sum())
    bounds = CLEAR_SHARE + (1.0 - CLEAR_SHARE) * np.cumsum(weight, axis=1)
    bounds[:, -1] = np.inf  # whatever the rounding
    return np.where(draw < CLEAR_SHARE, -1, (draw[:, None] >= bounds).sum(axis=1))


def make_clouds(draw: ColumnStreams, air: Air, noise: Array) -> Clouds:
    """Clouds of the columns of ``draw``; ``noise`` (column, layer) is Gaussian and correlated in the vertical."""
    scenes = scenes_of(draw.uniform(), air.climate)
    heights = level_heights(air)
    below, above = heights[:, 1:], heights[:, :-1]
    tropopause = np.maximum(np.interp(air.climate, np.arange(6.0), _TROPOPAUSE), air.dry_above)
    allowed = air.pressure_layer > tropopause[:, None]
    # The lower level of the uppermost layer allowed.
    ceiling = np.where(allowed, above, 0.0).max(axis=1)
    rate = condensation_rate(air)
    ice_by_temperature = cirrus_content(air.temperature_layer)
    exponent = draw.uniform(0.7, 2.0)[:, None]

    fraction, water, liquid, density = (np.zeros_like(air.pressure_layer) for _ in range(4))
    for name, kind in KINDS.items():
        base, depth, cover = draw.uniform(*kind.base), draw.uniform(*kind.depth), draw.uniform(*kind.cover)
        overcast = draw.chance(kind.overcast)
        content = kind.content[0] * (kind.content[1] / kind.content[0]) ** draw.uniform()
        growth = draw.uniform(*kind.growth)
        rows = np.flatnonzero(np.isin(scenes, [i for i, scene in enumerate(SCENES) if name in scene[0]]))
        if not rows.size:
            continue
        base, depth, top = _place(kind, base[rows], depth[rows], ceiling[rows])
        if name == "stratus":  # lies below an inversion if there is one
            capped = air.inversion[rows] > depth + 100.0
            top = np.where(capped, air.inversion[rows], top)
            base = np.where(capped, top - depth, base)
        low, high = below[rows], above[rows]
        overlap = np.minimum(high, top[:, None]) - np.maximum(low, base[:, None])
        centre = 0.5 * (base + top)[:, None]
        inside = (overlap > 0.5 * (high - low)) | ((low <= centre) & (centre < high))
        inside &= allowed[rows] & (overlap > 0.0)
        up = np.clip(0.5 * (np.minimum(high, top[:, None]) + np.maximum(low, base[:, None])) - base[:, None], 0.0, None)

        part = cover[rows, None] * np.exp(0.25 * noise[rows]) * (1.0 - kind.narrowing * np.clip(up / depth[:, None], 0.0, 1.0))
        part = np.where(overcast[rows, None], 1.0, np.clip(part, 0.01, 1.0)) * inside
        if kind.ice_alone:
            per_volume = content[rows, None] * ice_by_temperature[rows]
        else:
            limit = content[rows, None] * np.exp(np.minimum(air.temperature_layer[rows] - 258.0, 0.0) / 18.0)
            per_volume = limit * -np.expm1(-growth[rows, None] * rate[rows] * np.maximum(up, 10.0) / limit)
        per_volume *= np.exp(0.3 * noise[rows])
        of_layer = part * per_volume * np.maximum(overlap, 0.0)
        fraction[rows] = np.maximum(fraction[rows], part)
        water[rows] += of_layer
        melted = air.temperature_layer[rows] >= FREEZING
        share = melted if kind.ice_alone else liquid_share(air.temperature_layer[rows], exponent[rows])
        liquid[rows] += of_layer * share
        density[rows] = np.maximum(density[rows], inside * per_volume * share)

    cloudy = fraction > 0.0
    in_cloud = np.where(cloudy, fraction, 1.0)
    liquid_path, ice_path = liquid / in_cloud, np.maximum(water - liquid, 0.0) / in_cloud
    per_cm3 = np.where(air.sea, 60.0, 200.0) * np.exp(0.4 * draw.normal())
    shape = np.where(air.sea, 0.80, 0.67)
    droplets = np.cbrt(3e-9 * density / (4.0 * np.pi * (per_cm3 * shape)[:, None]))
    crystals = (20e-6 + 0.9e-6 * (air.temperature_layer - 200.0)) * np.exp(0.2 * draw.normal())[:, None]
    return Clouds(
        fraction=fraction,
        liquid_path=liquid_path,
        ice_path=ice_path,
        liquid_radius=np.where(liquid_path > 0.0, np.clip(droplets, *DROPLET_RADII), NO_DROPLETS),
        ice_radius=np.where(ice_path > 0.0, np.clip(crystals, *CRYSTAL_RADII), NO_CRYSTALS),
    )


def _place(kind: Kind, base: Array, depth: Array, ceiling: Array) -> tuple[Array, Array, Array]:
    """Base, depth and top [m] of clouds of ``kind`` under ``ceiling`` [m]."""
    if kind.hangs:
        top = np.maximum(ceiling - base, 0.5 * ceiling)
        base = np.maximum(top - depth, 0.4 * ceiling)
    elif kind.reaches:
        top = np.maximum(ceiling - depth, base + 3000.0)
    else:
        top = np.minimum(base + depth, ceiling)
        base = np.minimum(base, 0.8 * top)
    return base, np.maximum(top - base, 10.0), top
