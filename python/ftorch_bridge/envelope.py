"""The training envelope: where a network may be trusted, as text in the model's metadata, for the guard of Fortran hosts.

It holds, in bins of pressure, the range of each variable of a layer in the training columns, so that it serves any vertical
grid; the ranges of what a column has once; a mixture of Gaussians over a short description of the column, which sees what does
not go together; and maps of pairs of its coordinates, which see holes between clusters. For the results it holds the range of
heating rates at each pressure and of fluxes at the boundaries.

This module makes envelopes, and is the reference of the Fortran module ``radml_guard``: the same rules, in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ftorch_bridge.dataset import Dataset, read_shard
from ftorch_bridge.networks import HEATING_FACTOR
from ftorch_bridge.sky import INPUTS, OUTPUTS

METADATA_KEY: Final = "training_envelope"
VERSION: Final = 1

BINS_PER_OCTAVE: Final = 4
FIRST_EXPONENT: Final = -4  # the first bin starts at 2**-4 Pa
BINS: Final = 84  # and the last one ends at 2**17 Pa
BAND_EDGES: Final = (3, 5, 7, 9, 11, 13, 14, 15, 16)  # powers of two of the pressure [Pa] between the bands of a description
BANDS: Final = len(BAND_EDGES) + 1

LAYER_VARIABLES: Final = (
    "temperature",
    "humidity",
    "ozone",
    "thickness",
    "cloud_liquid_content",
    "cloud_ice_content",
    "cloud_fraction",
    "temperature_step",
    "level_excess",
    "co2",
    "ch4",
    "n2o",
    "liquid_radius",
    "ice_radius",
    "humidity_step",
    "saturation",
)
"""In bins of pressure. Humidity and ozone are binary logarithms of mole fractions; ``thickness`` is that of a layer over its
pressure; a ``content`` is a cloud's water over the layer's thickness [kg m-2 Pa-1], a ``step`` the difference from the layer
above, ``level_excess`` a level's temperature less the mean of the layers around it [K]; ``saturation`` is the logarithm of the
relative humidity."""
COLUMN_VARIABLES: Final = (
    "surface_pressure",
    "surface_temperature",
    "surface_contrast",
    "surface_level_excess",
    "surface_emissivity",
    "surface_albedo",
    "cos_zenith",
    "solar_irradiance",
)
"""``surface_contrast`` is the surface's temperature less the lowest layer's, ``surface_level_excess`` the lowest level's less
that."""
RESULT_VARIABLES: Final = ("lw_up_top", "lw_down_surface")
HEATING_VARIABLES: Final = ("lw_heating_rate", "sw_heating_rate")
DESCRIPTION: Final = 3 * BANDS + 16

_T, _H, _O, _REST = 0, BANDS, 2 * BANDS, 3 * BANDS  # where they begin in a description
COORDINATES: Final = (
    (_T, _T + 1),
    (_T + 2, _T + 3),
    (_T + 4, _T + 5),
    (_T + 6, _T + 7),
    (_T + 8, _T + 9),
    (_H + 6, _H + 7),
    (_H + 8, _H + 9),
    (_O + 2, _O + 3),
    (_O + 4, _O + 5),
    (_REST + 12, _REST + 12),
    (_REST + 3, _REST + 6),
    (_REST + 1, _REST + 4),
)
"""Coordinates of the maps, each the mean of two entries of a description: temperature from the top down, humidity and ozone
where there is most, the surface's temperature against the air, water of middle and low clouds, ice of high and middle ones."""
CELLS: Final = 24
"""Of a map along each coordinate."""
REACH: Final = 2
"""Cells that a training column reaches on either side: some are empty by chance."""
PAIRS: Final = tuple((i, j) for i in range(len(COORDINATES)) for j in range(i))

SMALLEST: Final = 2.0**-40  # below it a logarithm is that of this number
USUAL_LIQUID_RADIUS: Final = 1e-5  # m, where there is no cloud
USUAL_ICE_RADIUS: Final = 4e-5  # m, the same
LARGEST: Final = 2.0**100  # beyond it no input is a number of an atmosphere

Array = NDArray[Any]


class EnvelopeError(ValueError):
    """An envelope that cannot be made or read: the message names what was expected and what came."""


class Rule(IntEnum):
    """What refused a column; numbers and names are those of the Fortran module."""

    ACCEPTED = 0
    NOT_FINITE = 1
    GRID = 2
    TEMPERATURE = 3
    HUMIDITY = 4
    OZONE = 5
    GASES = 6
    CLOUDS = 7
    SURFACE = 8
    SUN = 9
    DISTANCE = 10
    HOLE = 11
    RESULT_NOT_FINITE = 12
    BOUNDS = 13
    ENERGY = 14
    HEATING = 15
    NO_ENVELOPE = 16
    BAD_SHAPE = 17


_RULE_OF_LAYER: Final = {
    "temperature": Rule.TEMPERATURE,
    "temperature_step": Rule.TEMPERATURE,
    "level_excess": Rule.TEMPERATURE,
    "humidity": Rule.HUMIDITY,
    "humidity_step": Rule.HUMIDITY,
    "saturation": Rule.HUMIDITY,
    "ozone": Rule.OZONE,
    "thickness": Rule.GRID,
    "co2": Rule.GASES,
    "ch4": Rule.GASES,
    "n2o": Rule.GASES,
    "cloud_liquid_content": Rule.CLOUDS,
    "cloud_ice_content": Rule.CLOUDS,
    "cloud_fraction": Rule.CLOUDS,
    "liquid_radius": Rule.CLOUDS,
    "ice_radius": Rule.CLOUDS,
}
_RULE_OF_COLUMN: Final = {
    "surface_pressure": Rule.GRID,
    "surface_level_excess": Rule.TEMPERATURE,
    "cos_zenith": Rule.SUN,
    "solar_irradiance": Rule.SUN,
}


def binary_logarithm(values: Array) -> NDArray[np.float64]:
    """The logarithm to base 2, linear between powers of two: read off the bits, the same in any language."""
    bits = np.maximum(values, SMALLEST).astype(np.float64).view(np.int64)
    return (bits - np.float64(1.0).view(np.int64)).astype(np.float64) * 2.0**-52


def saturation(temperature: Array) -> NDArray[np.float64]:
    """The binary logarithm of the saturation pressure [Pa] at ``temperature`` [K], over water and ice, within a tenth."""
    warm = 0.01 * np.clip(temperature, 150.0, 350.0) - 2.5
    return 6.29 + warm * (14.01 + warm * (-6.86 + warm * 1.84))


def bin_of(pressure: Array) -> NDArray[np.int64]:
    """Bin, from 0, of pressures [Pa] of any shape: four to an octave; what lies beyond the ends is in the last one there."""
    first = np.float64(2.0**FIRST_EXPONENT).view(np.int64) >> 50
    return np.clip((np.maximum(pressure, 0.0).astype(np.float64).view(np.int64) >> 50) - first, 0, BINS - 1)


_BAND_OF_BIN: Final = np.searchsorted(np.array(BAND_EDGES), FIRST_EXPONENT + np.arange(BINS) // BINS_PER_OCTAVE, "right")


def layer_values(columns: Mapping[str, Array]) -> NDArray[np.float32]:
    """:data:`LAYER_VARIABLES` (variable, column, layer) of columns given by the names of the network's inputs."""
    c = {name: np.asarray(columns[name], np.float64) for name in INPUTS}
    pressure, temperature = c["pressure_layer"], c["temperature_layer"]
    level, thickness = c["temperature_level"], np.diff(c["pressure_level"], axis=1)

    def step(values: Array) -> Array:
        return np.diff(values, axis=1, prepend=values[:, :1])

    above = np.concatenate([temperature[:, :1], temperature[:, :-1]], axis=1)
    humidity, ozone = binary_logarithm(c["h2o"]), binary_logarithm(c["o3"])
    # Where there is no cloud its water and radii mean nothing, to the network neither.
    cloudy = c["cloud_fraction"].astype(np.float32) > 0.0
    liquid, ice = (np.where(cloudy, c[f"cloud_{phase}_path"], 0.0) for phase in ("liquid", "ice"))
    return np.stack(
        [
            temperature,
            humidity,
            ozone,
            thickness / np.maximum(pressure, SMALLEST),
            np.minimum(liquid / np.maximum(thickness, SMALLEST), LARGEST),
            np.minimum(ice / np.maximum(thickness, SMALLEST), LARGEST),
            c["cloud_fraction"],
            step(temperature),
            level[:, :-1] - 0.5 * (above + temperature),
            c["co2"],
            c["ch4"],
            c["n2o"],
            np.where(liquid > 0.0, c["liquid_radius"], USUAL_LIQUID_RADIUS),
            np.where(ice > 0.0, c["ice_radius"], USUAL_ICE_RADIUS),
            step(humidity),
            binary_logarithm(c["h2o"] * pressure) - saturation(temperature),
        ]
    ).astype(np.float32)


def column_values(columns: Mapping[str, Array]) -> NDArray[np.float32]:
    """:data:`COLUMN_VARIABLES` (variable, column)."""
    c = {name: np.asarray(columns[name], np.float64) for name in INPUTS}
    lowest = c["temperature_layer"][:, -1]
    return np.stack(
        [
            c["pressure_level"][:, -1],
            c["surface_temperature"],
            c["surface_temperature"] - lowest,
            c["temperature_level"][:, -1] - lowest,
            c["surface_emissivity"],
            c["surface_albedo"],
            c["cos_zenith"],
            c["solar_irradiance"],
        ]
    ).astype(np.float32)


def describe(layers: NDArray[np.float32], pressure: Array, of_column: NDArray[np.float32]) -> NDArray[np.float32]:
    """Description (column, :data:`DESCRIPTION`) of columns whose values lie within limits.

    Means of temperature, humidity and ozone over bands of pressure; water and cover of clouds low, middle and high; the gases
    of the lowest layer; surface and Sun. ``layers`` is that of :func:`layer_values`, ``pressure`` [Pa] (column, layer),
    ``of_column`` that of :func:`column_values`.
    """
    count = pressure.shape[0]
    band = _BAND_OF_BIN[bin_of(pressure)]
    thickness, fraction = layers[3], layers[6]
    summed = [layers[0] * thickness, layers[1] * thickness, layers[2] * thickness, thickness]
    summed += [fraction * layers[4] * thickness, fraction * layers[5] * thickness, fraction * thickness]
    sums = np.zeros((len(summed), count, BANDS), np.float32)
    row = np.arange(count)
    for layer in range(pressure.shape[1]):  # one after the other, as the host does
        for values, total in zip(summed, sums, strict=True):
            total[row, band[:, layer]] += values[:, layer]
    weight = sums[3]
    means = np.where(weight > 0.0, sums[:3] / np.maximum(weight, np.float32(SMALLEST)), np.float32(0.0))
    seen = weight > 0.0
    for order in (range(1, BANDS), range(BANDS - 2, -1, -1)):
        towards = -1 if order.step > 0 else 1
        for b in order:  # a band without a layer is like the one above it; at the top like the one below
            lacks = ~seen[:, b] & seen[:, b + towards]
            means[:, lacks, b] = means[:, lacks, b + towards]
            seen[lacks, b] = True
    zones = (slice(0, BANDS - 2), slice(BANDS - 2, BANDS - 1), slice(BANDS - 1, BANDS))
    described = [means[v, :, b] for v in range(3) for b in range(BANDS)]
    for zone in zones:
        described += [
            _grown(sums[4][:, zone].sum(1)),
            _grown(sums[5][:, zone].sum(1)),
            sums[6][:, zone].sum(1) / np.maximum(weight[:, zone].sum(1), np.float32(SMALLEST)),
        ]
    described += [binary_logarithm(layers[v][:, -1]) for v in (9, 10, 11)]
    described += [of_column[2], of_column[5], of_column[0], np.maximum(of_column[6], 0.0)]
    return np.stack(described, 1).astype(np.float32)


def _grown(water: Array) -> Array:
    """Cloud water over pressure [kg m-2 Pa-1] on a scale that takes thin and thick clouds alike."""
    return binary_logarithm(np.float32(1.0) + np.float32(1e7) * water)


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians over the descriptions of columns."""

    mean: NDArray[np.float32]
    """Of the descriptions (description,)."""
    whitening: NDArray[np.float32]
    """From a description less its mean to independent numbers of variance one (dimension, description)."""
    centres: NDArray[np.float32]
    """(component, dimension)."""
    scales: NDArray[np.float32]
    """One over the standard deviations (component, dimension)."""
    offsets: NDArray[np.float32]
    """Less twice the logarithm of what a component's exponential is multiplied with, up to a constant (component,)."""
    threshold: float
    """Largest distance of a column that is accepted."""

    def distance(self, described: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of descriptions (column, description): twice the negative logarithm of the density of the component next to it."""
        white = (described - self.mean) @ self.whitening.T
        best = np.full(len(white), np.inf, np.float32)
        for centre, scale, offset in zip(self.centres, self.scales, self.offsets, strict=True):
            best = np.minimum(best, (((white - centre) * scale) ** 2).sum(1) + offset)
        return best


@dataclass(frozen=True)
class Maps:
    """A map for each pair of coordinates: in which cells there are training columns, or next to which."""

    lower: NDArray[np.float32]
    """Least value of each coordinate (coordinate,)."""
    cells_per_unit: NDArray[np.float32]
    """(coordinate,)."""
    occupied: NDArray[np.bool_]
    """By pair of :data:`PAIRS`, cell of its first coordinate and cell of its second."""

    def cells(self, described: NDArray[np.float32]) -> NDArray[np.int64]:
        """Cells (column, coordinate) of descriptions (column, description)."""
        scaled = (coordinates(described) - self.lower) * self.cells_per_unit
        return np.clip(scaled, 0, CELLS - 1).astype(np.int64)

    def leaves(self, described: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether there is a map on which no training column is near (column,)."""
        cell = self.cells(described)
        empty = [~of_pair[cell[:, i], cell[:, j]] for of_pair, (i, j) in zip(self.occupied, PAIRS, strict=True)]
        return np.logical_or.reduce(empty)

    @classmethod
    def of(cls, described: NDArray[np.float32]) -> Maps:
        """The maps of descriptions."""
        values = coordinates(described)
        lower, upper = values.min(0), values.max(0)
        occupied = np.zeros((len(PAIRS), CELLS, CELLS), bool)
        maps = cls(lower, (CELLS / np.maximum(upper - lower, 1e-6)).astype(np.float32), occupied)
        cell = maps.cells(described)
        near = range(-REACH, REACH + 1)
        for of_pair, (i, j) in zip(occupied, PAIRS, strict=True):
            for up in near:
                for left in near:
                    of_pair[np.clip(cell[:, i] + up, 0, CELLS - 1), np.clip(cell[:, j] + left, 0, CELLS - 1)] = True
        return maps


def coordinates(described: NDArray[np.float32]) -> NDArray[np.float32]:
    """:data:`COORDINATES` (column, coordinate) of descriptions."""
    first, second = np.array(COORDINATES).T
    return np.float32(0.5) * (described[:, first] + described[:, second])


@dataclass(frozen=True)
class Envelope:
    """Where a network may be trusted."""

    columns: int
    """Number of columns that it was made from."""
    layer_limits: NDArray[np.float32]
    """Least and largest of :data:`LAYER_VARIABLES` (2, variable, bin)."""
    column_limits: NDArray[np.float32]
    """Least and largest of :data:`COLUMN_VARIABLES` (2, variable)."""
    mixture: Mixture
    maps: Maps
    heating_limits: NDArray[np.float32]
    """Least and largest of :data:`HEATING_VARIABLES` [K day-1] (2, variable, bin)."""
    result_limits: NDArray[np.float32]
    """Least and largest of :data:`RESULT_VARIABLES` [W m-2] (2, variable)."""
    energy_tolerance: float = 0.1
    """How much the divergence of the fluxes over a layer may differ from its heating [W m-2]."""

    # ---- text ----

    def to_text(self) -> str:
        """The envelope as ASCII text, which :meth:`from_text` and the Fortran module read."""

        def numbers(values: Array) -> list[str]:
            words = [f"{float(v):.7g}" for v in np.asarray(values).ravel()]
            return [" ".join(words[i : i + 12]) for i in range(0, len(words), 12)]

        m = self.mixture
        lines = [
            f"radml-envelope {VERSION}",
            f"columns {self.columns}",
            f"bins {BINS} {BINS_PER_OCTAVE} {FIRST_EXPONENT}",
            f"energy_tolerance {self.energy_tolerance:.7g}",
        ]
        for names, limits in ((LAYER_VARIABLES, self.layer_limits), (HEATING_VARIABLES, self.heating_limits)):
            for v, name in enumerate(names):
                lines += [f"layer {name}", *numbers(limits[0, v]), *numbers(limits[1, v])]
        for names, limits in ((COLUMN_VARIABLES, self.column_limits), (RESULT_VARIABLES, self.result_limits)):
            lines += [f"column {name} {' '.join(numbers(limits[:, v]))}" for v, name in enumerate(names)]
        lines += [f"mixture {len(m.centres)} {len(m.whitening)} {len(m.mean)} {m.threshold:.7g}"]
        lines += ["mean", *numbers(m.mean), "whitening", *(line for row in m.whitening for line in numbers(row))]
        for centre, scale, offset in zip(m.centres, m.scales, m.offsets, strict=True):
            lines += [f"component {' '.join(numbers(offset))}", *numbers(centre), *numbers(scale)]
        lines += [f"maps {len(COORDINATES)} {CELLS}"]
        lines += [" ".join(numbers(np.array(pair))) for pair in zip(self.maps.lower, self.maps.cells_per_unit, strict=True)]
        for of_pair in self.maps.occupied:  # a row of cells is a whole number, its first cell the lowest bit
            lines += [" ".join(str(int((row * 2 ** np.arange(CELLS)).sum())) for row in of_pair)]
        return "\n".join([*lines, "end", ""])

    @classmethod
    def from_text(cls, text: str) -> Envelope:
        """The envelope of :meth:`to_text`. Raises :class:`EnvelopeError`."""
        words = _Words(text)
        words.expect("radml-envelope")
        words.integer("version", VERSION)
        words.expect("columns")
        columns = words.integer("number of columns")
        words.expect("bins")
        for name, value in (
            ("bins", BINS),
            ("bins per octave", BINS_PER_OCTAVE),
            ("exponent of the first bin", FIRST_EXPONENT),
        ):
            words.integer(name, value)
        words.expect("energy_tolerance")
        tolerance = float(words.numbers(1)[0])

        def of_layers(names: tuple[str, ...]) -> NDArray[np.float32]:
            limits = np.zeros((2, len(names), BINS), np.float32)
            for v, name in enumerate(names):
                words.expect("layer")
                words.expect(name)
                limits[:, v] = words.numbers(2 * BINS).reshape(2, BINS)
            return limits

        def of_columns(names: tuple[str, ...]) -> NDArray[np.float32]:
            limits = np.zeros((2, len(names)), np.float32)
            for v, name in enumerate(names):
                words.expect("column")
                words.expect(name)
                limits[:, v] = words.numbers(2)
            return limits

        layer_limits, heating_limits = of_layers(LAYER_VARIABLES), of_layers(HEATING_VARIABLES)
        column_limits, result_limits = of_columns(COLUMN_VARIABLES), of_columns(RESULT_VARIABLES)
        words.expect("mixture")
        components, dimensions = words.integer("components"), words.integer("dimensions")
        words.integer("length of a description", DESCRIPTION)
        threshold = float(words.numbers(1)[0])
        words.expect("mean")
        mean = words.numbers(DESCRIPTION)
        words.expect("whitening")
        whitening = words.numbers(dimensions * DESCRIPTION).reshape(dimensions, DESCRIPTION)
        offsets = np.zeros(components, np.float32)
        centres, scales = np.zeros((2, components, dimensions), np.float32)
        for k in range(components):
            words.expect("component")
            offsets[k] = words.numbers(1)[0]
            centres[k], scales[k] = words.numbers(dimensions), words.numbers(dimensions)
        words.expect("maps")
        words.integer("coordinates", len(COORDINATES))
        words.integer("cells", CELLS)
        lower, cells_per_unit = words.numbers(2 * len(COORDINATES)).reshape(-1, 2).T
        rows = [words.integer("row of a map") for _ in range(len(PAIRS) * CELLS)]
        occupied = (np.array(rows, np.int64)[:, None] >> np.arange(CELLS) & 1).astype(bool)
        words.expect("end")
        mixture = Mixture(mean, whitening, centres, scales, offsets, threshold)
        maps = Maps(lower.copy(), cells_per_unit.copy(), occupied.reshape(len(PAIRS), CELLS, CELLS))
        return cls(columns, layer_limits, column_limits, mixture, maps, heating_limits, result_limits, tolerance)

    @classmethod
    def read(cls, path: Path) -> Envelope:
        """The envelope of a text file. Raises :class:`EnvelopeError`."""
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise EnvelopeError(f"{path}: cannot be read as a training envelope: {error}") from error
        try:
            return cls.from_text(text)
        except EnvelopeError as error:
            raise EnvelopeError(f"{path}: {error}") from error

    # ---- the rules ----

    def check_state(self, columns: Mapping[str, Array]) -> NDArray[np.int64]:
        """The first :class:`Rule` that refuses each column (column,), given by the names of the network's inputs."""
        arrays = [np.asarray(columns[name], np.float64) for name in INPUTS]
        count = len(arrays[0])
        sane = np.ones(count, bool)
        for values in arrays:
            sane &= (np.isfinite(values) & (np.abs(values) < LARGEST)).reshape(count, -1).all(1)
        rules = np.where(sane, Rule.ACCEPTED, Rule.NOT_FINITE)
        if not sane.any():
            return rules
        kept = {name: values[sane] for name, values in zip(INPUTS, arrays, strict=True)}
        layers, of_column = layer_values(kept), column_values(kept)
        pressure = kept["pressure_layer"]
        limits = self.layer_limits[:, :, bin_of(pressure)]
        within = np.clip(layers, limits[0], limits[1])
        found = np.zeros(len(pressure), np.int64)
        outside = (within != layers).any(2)
        column_within = np.clip(of_column.T, *self.column_limits).T
        outside_column = column_within != of_column
        refusals = {rule: np.zeros(len(pressure), bool) for rule in Rule}
        for name, out in zip(LAYER_VARIABLES, outside, strict=True):
            refusals[_RULE_OF_LAYER[name]] |= out
        for name, out in zip(COLUMN_VARIABLES, outside_column, strict=True):
            refusals[_RULE_OF_COLUMN.get(name, Rule.SURFACE)] |= out
        described = describe(within, pressure, column_within)
        refusals[Rule.DISTANCE] = self.mixture.distance(described) > np.float32(self.mixture.threshold)
        refusals[Rule.HOLE] = self.maps.leaves(described)
        for rule in reversed(Rule):
            found[refusals[rule]] = rule
        rules[sane] = found
        return rules

    def check_results(
        self, columns: Mapping[str, Array], results: Mapping[str, Array], rules: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """``rules`` of :meth:`check_state`, and for accepted columns the first rule that refuses their results.

        ``results`` are the network's outputs by name: fluxes [W m-2] (column, level), heating rates [K day-1] (column, layer).
        """
        arrays = {name: np.asarray(results[name], np.float64) for name in OUTPUTS}
        count = len(rules)
        sane = np.ones(count, bool)
        for values in arrays.values():
            sane &= (np.isfinite(values) & (np.abs(values) < LARGEST)).all(1)
        answer = np.where((rules == Rule.ACCEPTED) & ~sane, Rule.RESULT_NOT_FINITE, rules)
        kept = answer == Rule.ACCEPTED
        r = {name: values[kept] for name, values in arrays.items()}
        c = {name: np.asarray(columns[name], np.float64)[kept] for name in RESULT_INPUTS}
        tolerance = self.energy_tolerance
        place = bin_of(_middle(c["pressure_level"]))
        thickness = np.diff(c["pressure_level"], axis=1)
        incident = np.maximum(c["cos_zenith"], 0.0) * c["solar_irradiance"]
        refusals = {rule: np.zeros(int(kept.sum()), bool) for rule in (Rule.BOUNDS, Rule.ENERGY, Rule.HEATING)}
        bounds = refusals[Rule.BOUNDS]
        limits = self.result_limits
        for v, values in enumerate((r["lw_up"][:, 0], r["lw_down"][:, -1])):
            bounds |= (values < limits[0, v]) | (values > limits[1, v])
        for s in ("lw", "sw"):
            bounds |= (np.minimum(r[f"{s}_up"], r[f"{s}_down"]) < -tolerance).any(1)
            net = r[f"{s}_down"] - r[f"{s}_up"]
            heating = r[f"{s}_heating_rate"]
            absorbed = heating * thickness / HEATING_FACTOR
            refusals[Rule.ENERGY] |= (np.abs(absorbed - (net[:, :-1] - net[:, 1:])) > tolerance).any(1)
            lower, upper = self.heating_limits[:, int(s == "sw")][:, place]
            refusals[Rule.HEATING] |= ((heating < lower) | (heating > upper)).any(1)
        bounds |= np.abs(r["sw_down"][:, 0] - incident) > tolerance
        bounds |= r["sw_up"][:, 0] > incident + tolerance
        bounds |= np.abs(r["sw_up"][:, -1] - c["surface_albedo"] * r["sw_down"][:, -1]) > tolerance
        dark = c["cos_zenith"] <= 0.0
        lit = [(r[name] != 0.0).any(1) for name in ("sw_up", "sw_down", "sw_heating_rate")]
        bounds |= dark & np.logical_or.reduce(lit)
        found = np.zeros(len(dark), np.int64)
        for rule in (Rule.HEATING, Rule.ENERGY, Rule.BOUNDS):
            found[refusals[rule]] = rule
        answer[kept] = found
        return answer

    # ---- making it ----

    @classmethod
    def of(
        cls,
        source: Dataset | Mapping[str, Array],
        *,
        components: int = 32,
        dimensions: int = 32,
        margin: float = 0.03,
        share: float = 1e-3,
        sample: int = 60000,
        seed: int = 0,
        advance: Callable[[int], None] = lambda done: None,
    ) -> Envelope:
        """The envelope of the training columns of a data set, or of all columns of arrays by name (inputs and outputs).

        Limits are the least and the largest value at a pressure, ``margin`` of their distance further out. The mixture has
        ``components`` in ``dimensions`` and is found from ``sample`` columns; of columns it was not made from it refuses
        ``share``. A data set is read one shard at a time; ``advance`` is called with the number of shards that were read.
        The same source and ``seed`` give the same envelope. Raises :class:`EnvelopeError`, and what reading the set raises.
        """
        parts: Iterable[Mapping[str, Array]]
        if isinstance(source, Dataset):
            shards = source.shards()
            parts = (read_shard(source, shard, [*INPUTS, *OUTPUTS], "train") for shard in shards)
            quota = -(-sample // max(1, len(shards)))
        else:
            if missing := [name for name in (*INPUTS, *OUTPUTS) if name not in source]:
                raise EnvelopeError(f"envelope: expected the variables of the network, {', '.join(missing)} missing")
            parts, quota = [source], sample
        ranges = _Ranges()
        kept: list[tuple[Array, Array, Array]] = []
        for number, part in enumerate(parts):
            if len(part["pressure_layer"]):
                chosen = np.sort(np.random.default_rng((seed, number)).permutation(len(part["pressure_layer"]))[:quota])
                kept.append(ranges.take(part, chosen))
            advance(1)
        if ranges.columns < 2 * DESCRIPTION:
            raise EnvelopeError(f"envelope: expected at least {2 * DESCRIPTION} columns to train on, got {ranges.columns}")
        components = min(components, max(1, ranges.columns // 200))  # fewer columns tell fewer clusters apart
        layer_limits, column_limits = ranges.widened(margin)
        described = []
        for layers, pressure, of_column in kept:
            described.append(describe(layers, pressure, of_column))
        together = np.concatenate(described)
        mixture = _fit(together, components, dimensions, share, seed)
        heating, results = ranges.of_results()
        made = cls(ranges.columns, layer_limits, column_limits, mixture, Maps.of(together), heating, results)
        return cls.from_text(made.to_text())


RESULT_INPUTS: Final = ("pressure_level", "surface_albedo", "cos_zenith", "solar_irradiance")


def _middle(pressure_level: Array) -> Array:
    """Pressure [Pa] (column, layer) in the middle between levels: results are binned by it."""
    return 0.5 * (pressure_level[:, :-1] + pressure_level[:, 1:])


class _Ranges:
    """Least and largest values so far."""

    def __init__(self) -> None:
        self.columns = 0
        self._layer = _nothing((len(LAYER_VARIABLES), BINS))
        self._column = _nothing((len(COLUMN_VARIABLES),))
        self._heating = _nothing((len(HEATING_VARIABLES), BINS))
        self._result = _nothing((len(RESULT_VARIABLES),))

    def take(self, part: Mapping[str, Array], chosen: NDArray[np.int64]) -> tuple[Array, Array, Array]:
        """Widen the ranges by columns; returns what :func:`describe` takes of those that are ``chosen``."""
        layers, of_column = layer_values(part), column_values(part)
        pressure = np.asarray(part["pressure_layer"], np.float64)
        heating = np.stack([np.asarray(part[name], np.float32) for name in HEATING_VARIABLES])
        of_results = _middle(np.asarray(part["pressure_level"], np.float64))
        for limits, values, where in ((self._layer, layers, pressure), (self._heating, heating, of_results)):
            place = bin_of(where).ravel()
            for v, of_variable in enumerate(values):
                np.minimum.at(limits[0, v], place, of_variable.ravel())
                np.maximum.at(limits[1, v], place, of_variable.ravel())
        results = np.stack([part["lw_up"][:, 0], part["lw_down"][:, -1]]).astype(np.float32)
        for limits, values in ((self._column, of_column), (self._result, results)):
            np.minimum(limits[0], values.min(1), out=limits[0])
            np.maximum(limits[1], values.max(1), out=limits[1])
        self.columns += len(pressure)
        return layers[:, chosen], pressure[chosen], of_column[:, chosen]

    def widened(self, margin: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Limits of layers (2, variable, bin) and of columns (2, variable)."""
        layer, column = _filled(self._layer), self._column.copy()
        layer = _spread(layer)
        # These grow with the thickness of the layers: room for other grids.
        of_grid = np.isin(LAYER_VARIABLES, ("level_excess", "humidity_step"))
        layer = _wider(layer, np.where(of_grid, 4.0 * margin, margin)[:, None])
        column = _wider(column, margin)
        names = {name: v for v, name in enumerate(LAYER_VARIABLES)}
        for name in ("cloud_liquid_content", "cloud_ice_content", "cloud_fraction"):  # there is nothing below none
            layer[0, names[name]] = 0.0
        layer[1, names["cloud_fraction"]] = np.minimum(layer[1, names["cloud_fraction"]], 1.0)
        # Grids between those of the columns are as good as they are.
        thickness = layer[:, names["thickness"]]
        thickness *= np.array([[0.7], [1.4]], np.float32)
        names = {name: v for v, name in enumerate(COLUMN_VARIABLES)}
        for name in ("surface_emissivity", "surface_albedo"):
            column[:, names[name]] = np.clip(column[:, names[name]], 0.0, 1.0)
        column[:, names["cos_zenith"]] = -1.0, 1.0
        return layer, column

    def of_results(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Limits of heating rates (2, variable, bin) and of fluxes (2, variable)."""
        heating = _wider(_filled(self._heating), 0.1)
        heating += np.array([-1.0, 1.0], np.float32)[:, None, None]
        return heating, _wider(self._result, 0.05)


def _nothing(shape: tuple[int, ...]) -> NDArray[np.float32]:
    limits = np.empty((2, *shape), np.float32)
    limits[0], limits[1] = np.inf, -np.inf
    return limits


def _filled(limits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bins that no column had are like the nearest ones on both sides together."""
    limits = limits.copy()
    there = np.flatnonzero(limits[0, 0] <= limits[1, 0])
    for b in np.flatnonzero(limits[0, 0] > limits[1, 0]):
        near = [n for n in (there[there < b][-1:], there[there > b][:1]) if len(n)]
        limits[0, :, b] = np.min([limits[0, :, n[0]] for n in near], axis=0)
        limits[1, :, b] = np.max([limits[1, :, n[0]] for n in near], axis=0)
    return limits


def _spread(limits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Limits (2, variable, bin) that hold those of the bins on both sides too."""
    padded = np.pad(limits, ((0, 0), (0, 0), (1, 1)), mode="edge")
    sides = np.stack([padded[..., :-2], padded[..., 1:-1], padded[..., 2:]])
    return np.stack([sides[:, 0].min(0), sides[:, 1].max(0)])


def _wider(limits: NDArray[np.float32], margin: float | Array) -> NDArray[np.float32]:
    out = margin * (limits[1] - limits[0]) + 1e-6 * np.abs(limits).max(0)
    return np.stack([limits[0] - out, limits[1] + out]).astype(np.float32)


def _fit(described: NDArray[np.float32], components: int, dimensions: int, share: float, seed: int) -> Mixture:
    """The mixture of descriptions (column, description); one column of ten is kept aside, to find the threshold."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(described))
    aside = len(described) // 10
    held, used = described[order[:aside]].astype(np.float64), described[order[aside:]].astype(np.float64)
    mean, spread = used.mean(0), np.maximum(used.std(0), 1e-6)
    values, vectors = np.linalg.eigh(np.cov(((used - mean) / spread).T))
    values, vectors = values[::-1][:dimensions], vectors[:, ::-1][:, :dimensions]
    # The sign of an eigenvector is the library's choice.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])])
    whitening = (vectors / np.sqrt(np.maximum(values, 1e-4))).T / spread
    white = (used - mean) @ whitening.T
    centres = white[draw.choice(len(white), components, replace=False)]
    variances = np.ones_like(centres)
    weights = np.full(components, 1.0 / components)
    for _ in range(40):
        cost = _costs(white, centres, variances, weights)
        cost -= cost.min(1, keepdims=True)
        parts = np.exp(-0.5 * cost)
        parts /= parts.sum(1, keepdims=True)
        total = parts.sum(0) + 1e-9
        weights = total / total.sum()
        centres = (parts.T @ white) / total[:, None]
        variances = np.maximum((parts.T @ white**2) / total[:, None] - centres**2, 0.02)
    offsets = np.log(variances).sum(1) - 2.0 * np.log(weights)
    mixture = Mixture(*(a.astype(np.float32) for a in (mean, whitening, centres, variances**-0.5, offsets)), 0.0)
    threshold = float(np.quantile(mixture.distance(held.astype(np.float32)), 1.0 - share))
    return Mixture(mixture.mean, mixture.whitening, mixture.centres, mixture.scales, mixture.offsets, threshold)


def _costs(white: Array, centres: Array, variances: Array, weights: Array) -> Array:
    """Distance (column, component)."""
    inverse = 1.0 / variances
    squares = white**2 @ inverse.T - 2.0 * (white @ (centres * inverse).T) + (centres**2 * inverse).sum(1)
    return squares + np.log(variances).sum(1) - 2.0 * np.log(weights)


class _Words:
    """The words of an envelope, one after the other."""

    def __init__(self, text: str) -> None:
        self._words = text.split()
        self._next = 0

    def _word(self, expected: str) -> str:
        if self._next >= len(self._words):
            raise EnvelopeError(f"training envelope: expected {expected} as word {self._next + 1}, got its end")
        self._next += 1
        return self._words[self._next - 1]

    def expect(self, word: str) -> None:
        """Go on after ``word``."""
        if (got := self._word(word)) != word:
            raise EnvelopeError(f"training envelope: expected {word} as word {self._next}, got {got}")

    def integer(self, what: str, only: int | None = None) -> int:
        """The next word, a whole number, and if so asked that one."""
        expected = what if only is None else f"{what} {only}"
        word = self._word(expected)
        if not word.lstrip("-").isdecimal() or (only is not None and int(word) != only):
            raise EnvelopeError(f"training envelope: expected {expected} as word {self._next}, got {word}")
        return int(word)

    def numbers(self, count: int) -> NDArray[np.float32]:
        """The next ``count`` words as numbers."""
        words = self._words[self._next : self._next + count]
        try:
            values = np.array([float(word) for word in words], np.float32)
        except ValueError as error:
            raise EnvelopeError(f"training envelope: expected {count} numbers after word {self._next}: {error}") from error
        if len(values) < count or not np.isfinite(values).all():
            raise EnvelopeError(f"training envelope: expected {count} numbers after word {self._next}, got {len(values)}")
        self._next += count
        return values
