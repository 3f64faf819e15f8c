"""How well the guard tells columns that a network gets wrong from those that it gets right.

Ordinary columns, generated ones and those that a host recorded, say how many it refuses for nothing. There are few among them
that a good network gets wrong, so they are damaged in many ways, a little to a lot: what a host that goes astray, a wrong unit
or a fault in a scheme makes of them. RRTMG says which of these the network gets wrong.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.table import Table

from ftorch_bridge import programs
from ftorch_bridge.column_file import ColumnFileError, write
from ftorch_bridge.envelope import Rule
from ftorch_bridge.evaluation import LARGE_ERROR
from ftorch_bridge.extremes import set_values
from ftorch_bridge.report import Bar, Bars, Figure
from ftorch_bridge.tables import table_of_numbers

Array = NDArray[np.float64]
Generator = np.random.Generator
COLDEST, HOTTEST = 150.0, 345.0  # K: RRTMG's tables reach from 160 to 339


def _values(columns: xr.Dataset, name: str) -> Array:
    return columns[name].to_numpy()


def _scale(columns: xr.Dataset, names: Sequence[str], octaves: Array) -> None:
    """Multiply by powers of two; fractions stay below one half."""
    for name in names:
        set_values(columns, name, np.minimum(_values(columns, name) * 2.0**octaves, 0.5))


def _add_temperature(columns: xr.Dataset, change: Callable[[Array], Array]) -> None:
    """Add ``change`` of pressure to the temperatures of layers and levels."""
    for where in ("layer", "level"):
        temperature = _values(columns, f"temperature_{where}") + change(_values(columns, f"pressure_{where}"))
        set_values(columns, f"temperature_{where}", np.clip(temperature, COLDEST, HOTTEST))


def _strength(draw: Generator, number: int, least: float, most: float) -> Array:
    """From ``least`` to ``most``, evenly in the logarithm, of either sign (column, 1)."""
    sign = draw.choice([-1.0, 1.0], (number, 1))
    return sign * np.exp(draw.uniform(np.log(least), np.log(most), (number, 1)))


def _somewhere(columns: xr.Dataset, draw: Generator, largest: int) -> NDArray[np.bool_]:
    """One to ``largest`` layers in a row, anywhere (column, layer)."""
    number, layers = _values(columns, "pressure_layer").shape
    first = draw.integers(0, layers, (number, 1))
    layer = np.arange(layers)
    return (layer >= first) & (layer < first + draw.integers(1, largest + 1, (number, 1)))


def _warmer(columns: xr.Dataset, draw: Generator) -> None:
    shift = _strength(draw, columns.sizes["column"], 2.0, 80.0)
    _add_temperature(columns, lambda pressure: shift)
    set_values(columns, "surface_temperature", np.clip(_values(columns, "surface_temperature") + shift[:, 0], COLDEST, HOTTEST))


def _waves(columns: xr.Dataset, draw: Generator) -> None:
    number = columns.sizes["column"]
    strength, length = _strength(draw, number, 2.0, 60.0), draw.uniform(0.3, 3.0, (number, 1))
    phase = draw.uniform(0.0, 2.0 * np.pi, (number, 1))
    _add_temperature(columns, lambda p: strength * np.sin(2.0 * np.pi * np.log(np.maximum(p, 1.0)) / length + phase))


def _spike(columns: xr.Dataset, draw: Generator) -> None:
    strength = _strength(draw, columns.sizes["column"], 3.0, 100.0) * _somewhere(columns, draw, 3)
    set_values(columns, "temperature_layer", np.clip(_values(columns, "temperature_layer") + strength, COLDEST, HOTTEST))


def _ground(columns: xr.Dataset, draw: Generator) -> None:
    shift = _strength(draw, columns.sizes["column"], 3.0, 80.0)[:, 0]
    set_values(columns, "surface_temperature", np.clip(_values(columns, "surface_temperature") + shift, COLDEST, HOTTEST))


def _upside_down(columns: xr.Dataset, draw: Generator) -> None:
    for name in ("temperature_layer", "temperature_level"):
        set_values(columns, name, _values(columns, name)[:, ::-1])


def _humidity(columns: xr.Dataset, draw: Generator) -> None:
    octaves = _strength(draw, columns.sizes["column"], 0.5, 8.0) * _somewhere(columns, draw, 40)
    _scale(columns, ["h2o"], octaves)


def _wet_stratosphere(columns: xr.Dataset, draw: Generator) -> None:
    least = 10.0 ** draw.uniform(-5.0, -2.0, (columns.sizes["column"], 1))
    above = _values(columns, "pressure_layer") < 1e4
    set_values(columns, "h2o", np.where(above, np.maximum(_values(columns, "h2o"), least), _values(columns, "h2o")))


def _ozone(columns: xr.Dataset, draw: Generator) -> None:
    _scale(columns, ["o3"], _strength(draw, columns.sizes["column"], 0.3, 8.0))


def _gases(columns: xr.Dataset, draw: Generator) -> None:
    for name in ("co2", "ch4", "n2o"):
        _scale(columns, [name], _strength(draw, columns.sizes["column"], 0.3, 8.0))


def _joined(columns: xr.Dataset, draw: Generator) -> None:
    """Above some layer another column."""
    number, layers = _values(columns, "pressure_layer").shape
    other, cut = draw.permutation(number), draw.integers(1, layers, (number, 1))
    for name in ("temperature_layer", "temperature_level", "h2o", "o3"):
        values = _values(columns, name)
        set_values(columns, name, np.where(np.arange(values.shape[1]) < cut, values[other], values))


def _thick_clouds(columns: xr.Dataset, draw: Generator) -> None:
    factor = 2.0 ** draw.uniform(0.0, 10.0, (columns.sizes["column"], 1))
    for name in ("cloud_liquid_path", "cloud_ice_path"):
        set_values(columns, name, np.minimum(_values(columns, name) * factor, 50.0))


def _clouds_anywhere(columns: xr.Dataset, draw: Generator) -> None:
    where = _somewhere(columns, draw, 15)
    number = columns.sizes["column"]
    thickness = np.diff(_values(columns, "pressure_level"), axis=1)
    set_values(
        columns, "cloud_fraction", np.where(where, draw.uniform(0.0, 1.0, (number, 1)), _values(columns, "cloud_fraction"))
    )
    for name in ("cloud_liquid_path", "cloud_ice_path"):
        content = 10.0 ** draw.uniform(-7.0, -3.5, (number, 1))  # kg m-2 Pa-1
        path = np.minimum(content * thickness, 50.0) * (draw.uniform(size=(number, 1)) < 0.7)
        set_values(columns, name, np.where(where, path, _values(columns, name)))


def _radii(columns: xr.Dataset, draw: Generator) -> None:
    for name, least, most in (("liquid_radius", 2.6e-6, 59e-6), ("ice_radius", 6e-6, 90e-6)):
        set_values(columns, name, draw.uniform(least, most, _values(columns, name).shape))


def _surface(columns: xr.Dataset, draw: Generator) -> None:
    number = columns.sizes["column"]
    set_values(columns, "surface_albedo", draw.uniform(0.0, 1.0, number))
    set_values(columns, "surface_emissivity", draw.uniform(0.2, 1.0, number))


DAMAGES: dict[str, Callable[[xr.Dataset, Generator], None]] = {
    "all temperatures, by 2 to 80 K": _warmer,
    "waves of temperature, 2 to 60 K": _waves,
    "1 to 3 layers of another temperature, by 3 to 100 K": _spike,
    "ground of another temperature, by 3 to 80 K": _ground,
    "temperatures upside down": _upside_down,
    "water vapour in up to 40 layers, by factors up to 256": _humidity,
    "water vapour of the stratosphere": _wet_stratosphere,
    "ozone, by factors up to 256": _ozone,
    "CO2, CH4 and N2O, by factors up to 256": _gases,
    "another column above some layer": _joined,
    "clouds' water, by factors up to 1024": _thick_clouds,
    "a cloud anywhere": _clouds_anywhere,
    "radii at random": _radii,
    "albedo and emissivity at random": _surface,
}
"""What is done to columns, in place."""


def damaged(columns: xr.Dataset, name: str, seed: int) -> xr.Dataset:
    """A copy of ``columns``, damaged as :data:`DAMAGES` has it under ``name``; the same for the same ``seed``."""
    copy = columns.copy(deep=True)
    DAMAGES[name](copy, np.random.default_rng((seed, [*DAMAGES].index(name))))
    return copy


@dataclass(frozen=True)
class Detection:
    """What the guard made of some columns."""

    name: str
    columns: int
    wrong: int
    """Columns with a heating error of the network over :data:`LARGE_ERROR` somewhere."""
    caught: int
    """Of these, refused."""
    refused: int
    """Of all columns."""
    rules: dict[str, int]
    """Columns that each rule refused."""

    @property
    def refused_right(self) -> int:
        """Refused columns that the network gets right."""
        return self.refused - self.caught


@dataclass(frozen=True)
class GuardBenchmark:
    """What the guard refused of ordinary and of damaged columns."""

    ordinary: list[Detection]
    damaged: list[Detection]
    draws: int

    def to_dict(self) -> dict[str, object]:
        """Everything, for JSON."""
        return asdict(self)


def run_guard(
    model: Path,
    ordinary: dict[str, xr.Dataset],
    to_damage: xr.Dataset,
    *,
    draws: int,
    seed: int,
    progress: Callable[[int, int, str], None] = lambda done, total, words: None,
) -> GuardBenchmark:
    """Let the guard of ``model`` look at columns, and RRTMG, with the mean of ``draws`` McICA draws, at what the network makes.

    Raises :class:`ColumnFileError` for a model that carries no training envelope, :class:`ftorch_bridge.programs.ProgramError`.
    """
    work = [(name, lambda columns=columns: columns) for name, columns in ordinary.items()]
    work += [(name, lambda name=name: damaged(to_damage, name, seed)) for name in DAMAGES]
    found = []
    for number, (name, make) in enumerate(work):
        progress(number, len(work), name)
        found.append(_look(name, model, make(), draws))
    progress(len(work), len(work), "")
    return GuardBenchmark(found[: len(ordinary)], found[len(ordinary) :], draws)


def _look(name: str, model: Path, columns: xr.Dataset, draws: int) -> Detection:
    with tempfile.TemporaryDirectory() as folder:
        column_file, output = Path(folder) / "columns.nc", Path(folder) / "results.nc"
        write(columns, column_file)
        options = ("--repeats", "1", "--draws", str(draws))
        programs.run("radml-bench-radiation", column_file, model, output, *options, threads=1)
        results = xr.load_dataset(output, engine="netcdf4", decode_timedelta=False)
    if "guard_rule" not in results:
        raise ColumnFileError(f"{model}: expected a network of all sky that carries a training envelope (--envelope of "
                              "ftorch-export), got one without")  # fmt: skip
    rule = results["guard_rule"].to_numpy().astype(int)
    error = np.zeros(len(rule))
    for s in ("lw", "sw"):
        difference = results[f"network_{s}_heating_rate"] - results[f"rrtmg_{s}_heating_rate"]
        error = np.maximum(error, np.abs(difference.to_numpy()).max(1))
    wrong, refused = ~(error <= LARGE_ERROR), rule != Rule.ACCEPTED
    return Detection(
        name=name,
        columns=len(rule),
        wrong=int(wrong.sum()),
        caught=int((wrong & refused).sum()),
        refused=int(refused.sum()),
        rules={Rule(r).name.lower().replace("_", " "): n for r, n in sorted(Counter(rule.tolist()).items()) if r},
    )


def table_of(result: GuardBenchmark) -> Table:
    """The result as a table."""
    table = table_of_numbers(
        f"the guard; wrong: heating more than {LARGE_ERROR:g} K day-1 from RRTMG's (mean of {result.draws} McICA draws)",
        "columns",
        "number",
        "wrong",
        "of these caught",
        "right, but refused",
    )

    def row(name: str, number: int, wrong: int, caught: int, refused_right: int) -> None:
        share = f"{caught / wrong:.2%}" if wrong else ""
        table.add_row(name, f"{number}", f"{wrong}", share, f"{refused_right / max(number - wrong, 1):.2%}")

    for kinds in (result.ordinary, result.damaged):
        for d in kinds:
            row(d.name, d.columns, d.wrong, d.caught, d.refused_right)
        table.add_section()
    together = [sum(getattr(d, n) for d in result.damaged) for n in ("columns", "wrong", "caught", "refused_right")]
    row("damaged, together", *together)
    return table


def figures_of(result: GuardBenchmark) -> list[Figure]:
    """Shares of the wrong columns that are caught, and of the right ones that are refused, as bars."""
    kinds = [*result.ordinary, *result.damaged]
    caught = [Bar(d.name, 100.0 * d.caught / d.wrong, series=2) for d in kinds if d.wrong]
    refused = [Bar(d.name, 100.0 * d.refused_right / (d.columns - d.wrong), series=3) for d in kinds if d.columns > d.wrong]
    return [Bars("wrong columns that the guard catches", "%", caught), Bars("right columns that it refuses", "%", refused)]
