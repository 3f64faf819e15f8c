"""The benchmark of the bundled RRTMG: speed and accuracy beside AER's own code, in turns, on the same columns.

Each code is a child process that makes a pass over its columns for each line that it is sent: ``radml-bench-rrtmg`` and, where
it is there, ``radml-bench-rrtmg-real32``, through the front doors of the libraries; and the original as compiled in the package
climt. A round asks each of them for a pass of each work, one after the other; the first round is not counted.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.table import Table

from ftorch_bridge import original_rrtmg, programs
from ftorch_bridge.column_file import CLOUD_VARIABLES, write
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.measuring import Child, Timing, cell, machine_facts, take_turns
from ftorch_bridge.original_rrtmg_shortwave import ALBEDOS
from ftorch_bridge.report import Bar, Bars, Figure
from ftorch_bridge.tables import table_of_numbers

Array = NDArray[np.float64]

ORIGINAL, BUNDLED = "original", "real64"
PROGRAMS = {BUNDLED: "radml-bench-rrtmg", "real32": "radml-bench-rrtmg-real32"}
# Works, as the programs and the tables name them.
WORKS = {
    "longwave-clear": "longwave, clear",
    "longwave-mcica": "longwave, McICA",
    "longwave-analytic": "longwave, analytic overlap",
    "shortwave-clear": "shortwave, clear",
    "shortwave-mcica": "shortwave, McICA",
    "longwave-subcolumns": "longwave, subcolumns alone",
    "shortwave-subcolumns": "shortwave, subcolumns alone",
}
# McICA once more, with the choice in which the bundled code does not follow the original.
ABSORBING_ICE = "shortwave-absorbing-ice"
COMPARED = WORKS | {ABSORBING_ICE: "shortwave, McICA, absorbing_ice"}
SUMS = {"both, clear": ("longwave-clear", "shortwave-clear"), "both, McICA": ("longwave-mcica", "shortwave-mcica")}
SUBCOLUMNS_OF = {"longwave-subcolumns": "longwave-mcica", "shortwave-subcolumns": "shortwave-mcica"}
GIVEN = {"longwave-mcica": "longwave-given", "shortwave-mcica": "shortwave-given"}
# What the documentation promises of the default: limits to a flux [W m-2] and a heating rate [K day-1].
LIMITS = {"longwave": (0.02, 0.03), "shortwave": (0.05, 0.25)}
ORIGINALS_TABLES = ", original's tables"  # what a kind's label ends in with them
WITH_TABLES = 1e-5  # W m-2: the limit to fluxes with the original's tables
COLUMNS_AT_ONCE = 500  # of a comparison: what the original's arrays of subcolumns have room for
NOISE_DRAWS = 64
ENOUGH_COLUMNS = 2000  # for the noise of a draw, and for the scaling over threads
LOWEST_PRESSURE = 1e-3  # Pa


def bundled(
    columns: Path,
    kind: str = BUNDLED,
    *,
    count: int | None = None,
    columns_per_block: int | None = None,
    ice_optics: str = "fu",
    threads: int = 1,
) -> Child:
    """The bundled RRTMG on the first ``count`` columns of a file, which come again where the file has fewer."""
    name = PROGRAMS[kind]
    command: list[str | Path] = [programs.program(name), columns, "--ice-optics", ice_optics]
    for option, value in (("--columns", count), ("--columns-per-block", columns_per_block)):
        if value is not None:
            command += [option, str(value)]
    return Child(name, command, threads)


def kinds_here() -> list[str]:
    """Kinds of real numbers of which there is a program; that of real64 must be there."""
    programs.program(PROGRAMS[BUNDLED])
    return [kind for kind, name in PROGRAMS.items() if (programs.prefix() / "bin" / name).is_file()]


def original(columns: xr.Dataset, folder: Path, ice_optics: str = "fu") -> Child:
    """The original on ``columns``, which lie in ``folder`` for it."""
    values = {str(name): columns[name].to_numpy() for name in columns.data_vars}
    if "surface_albedo" in values:
        values |= {name: values["surface_albedo"] for name in ALBEDOS}
    path = folder / "columns.npz"
    np.savez(path, **values)
    return Child("RRTMG of climt", [sys.executable, "-m", "ftorch_bridge.original_rrtmg_passes", path, ice_optics])


def columns_by_day(number: int, layers: int, seed: int) -> xr.Dataset:
    """The first ``number`` generated columns that have a sun in the sky."""
    made = generate_columns(2 * number + 50, layers, seed=seed)
    return made.isel(column=np.flatnonzero(made["cos_zenith"].to_numpy() > 0.0)[:number])


def prepared(columns: xr.Dataset) -> xr.Dataset:
    """What both codes take: columns by day, if they have a sun, under one irradiance, and a top above zero pressure.

    The original takes the logarithm of the pressure at levels, and a single irradiance.
    """
    level = columns["pressure_level"]
    columns = columns.assign(pressure_level=level.where(level > LOWEST_PRESSURE, LOWEST_PRESSURE))
    if "cos_zenith" not in columns or "surface_albedo" not in columns:
        return columns
    day = columns.isel(column=np.flatnonzero(columns["cos_zenith"].to_numpy() > 0.0))
    if day.sizes["column"] == 0:
        return columns.drop_vars("cos_zenith")
    return day.assign(solar_irradiance=("column", np.full(day.sizes["column"], 1361.0)))


@dataclass
class Difference:
    """Fluxes and heating rates beside the original's, over all columns of a work."""

    columns: int = 0
    flux_largest: float = 0.0
    flux_square: float = 0.0
    heating_largest: float = 0.0
    heating_square: float = 0.0
    values: dict[str, int] = field(default_factory=lambda: {"flux": 0, "heating": 0})
    columns_beyond: int = 0
    """Columns with a flux beyond the limit: that of the spectrum, or 1e-5 W m-2 with the original's tables."""
    layers_beyond: int = 0
    """Layers with a heating rate beyond the spectrum's limit."""
    by_column: list[Array] = field(default_factory=list)
    """Largest flux difference of each column."""

    def add(self, mine: dict[str, Array], theirs: dict[str, Array], flux_limit: float, heating_limit: float) -> None:
        """Take in some columns."""
        fluxes = np.stack([np.abs(mine[name] - theirs[name]) for name in mine if name != "heating_rate"], axis=1)
        heating = np.abs(mine["heating_rate"] - theirs["heating_rate"])
        by_column = fluxes.max(axis=(1, 2))
        self.columns += len(heating)
        self.flux_largest = max(self.flux_largest, float(fluxes.max()))
        self.heating_largest = max(self.heating_largest, float(heating.max()))
        self.flux_square += float((fluxes**2).sum())
        self.heating_square += float((heating**2).sum())
        self.values["flux"] += fluxes.size
        self.values["heating"] += heating.size
        self.columns_beyond += int((by_column > flux_limit).sum())
        self.layers_beyond += int((heating > heating_limit).sum())
        self.by_column.append(by_column)

    def to_dict(self) -> dict[str, float]:
        """For JSON: fluxes in W m-2, heating rates in K day-1."""
        return {
            "columns": self.columns,
            "layers": self.values["heating"],
            "flux_largest": self.flux_largest,
            "flux_rms": float(np.sqrt(self.flux_square / self.values["flux"])),
            "flux_median_of_columns": float(np.median(np.concatenate(self.by_column))),
            "columns_beyond": self.columns_beyond,
            "heating_largest": self.heating_largest,
            "heating_rms": float(np.sqrt(self.heating_square / self.values["heating"])),
            "layers_beyond": self.layers_beyond,
        }


@dataclass(frozen=True)
class RrtmgBenchmark:
    """What one run found."""

    columns: int
    timed: int
    layers: int
    repeats: int
    columns_per_block: int
    ice_optics: str
    seconds: dict[str, dict[str, Array]]
    """Of each repeat, by code and work."""
    extra: dict[str, float]
    """Further costs of the bundled code [µs for a column], and the noise of a draw [W m-2]."""
    differences: dict[str, dict[str, dict[str, float]]]
    """By kind and tables (``real64``, ``real64, original's tables``), and by work."""
    threads: dict[str, dict[str, dict[int, Timing]]]
    """Columns per second, by kind, work and number of threads."""
    sizes: dict[str, list[dict[str, Any]]]
    """By kind: number of columns, µs for a column by work, and memory [MiB]."""
    machine: dict[str, str]
    missing: list[str]
    """What could not be run, and what to do about it."""

    @property
    def codes(self) -> list[str]:
        """The original first, if it is there."""
        return list(self.seconds)

    def timing(self, code: str, work: str) -> Timing | None:
        """Time for a column [µs] of a work or of a sum of works."""
        parts = SUMS.get(work, (work,))
        if any(part not in self.seconds[code] for part in parts):
            return None
        times = sum(self.seconds[code][part] for part in parts) * 1e6 / self.timed
        return Timing.of(times)

    def ratio(self, code: str, work: str) -> float | None:
        """Median over the repeats of the original's time over that of ``code``."""
        if ORIGINAL not in self.seconds:
            return None
        parts = SUMS.get(work, (work,))
        if any(part not in self.seconds[c] for part in parts for c in (code, ORIGINAL)):
            return None
        theirs, mine = (sum(self.seconds[c][part] for part in parts) for c in (ORIGINAL, code))
        return float(np.median(theirs / mine))

    def to_dict(self) -> dict[str, object]:
        """Everything, for JSON."""
        works = (*WORKS, *SUMS)
        times = {c: {w: asdict(t) for w in works if (t := self.timing(c, w))} for c in self.codes}
        ratios = {
            c: {w: r for w in works if (r := self.ratio(c, w)) is not None} for c in self.codes if c != ORIGINAL
        }  # fmt: skip
        return {
            "columns": self.columns,
            "columns_timed": self.timed,
            "layers": self.layers,
            "repeats": self.repeats,
            "columns_per_block": self.columns_per_block,
            "ice_optics": self.ice_optics,
            "microseconds_per_column": times,
            "ratio": ratios,
            "further_microseconds": {name: value for name, value in self.extra.items() if not name.startswith("noise")},
            "noise": {name: value for name, value in self.extra.items() if name.startswith("noise")},
            "differences": self.differences,
            "columns_per_second_by_threads": {
                kind: {work: {n: asdict(rate) for n, rate in by_n.items()} for work, by_n in by_work.items()}
                for kind, by_work in self.threads.items()
            },
            "sizes": {
                kind: [row | {"microseconds": {work: asdict(t) for work, t in row["microseconds"].items()}} for row in rows]
                for kind, rows in self.sizes.items()
            },
            "machine": self.machine,
            "missing": self.missing,
        }


def _time_in_turns(children: dict[str, Child], works: Sequence[str], repeats: int, step: Callable[[str], None]) -> dict:
    seconds: dict[str, dict[str, list[float]]] = {code: {} for code in children}
    for repeat in range(repeats + 1):
        step(f"repeat {repeat} of {repeats}")
        for work in works:
            # The original last: it stops without a reason where ours names what it does not take.
            for code, child in reversed(children.items()):
                if code == ORIGINAL and work in SUBCOLUMNS_OF:
                    continue
                answer = child.ask(f"run {work}")
                if repeat == 0:
                    continue
                seconds[code].setdefault(work, []).append(answer["seconds"])
                for alone, whole in SUBCOLUMNS_OF.items():
                    if code == ORIGINAL and whole == work:
                        seconds[code].setdefault(alone, []).append(answer["seconds_of_subcolumns"])
    return {code: {work: np.array(times) for work, times in by_work.items()} for code, by_work in seconds.items()}


def _further_costs(
    path: Path, columns: xr.Dataset, timed: int, works: Sequence[str], repeats: int, folder: Path, ice_optics: str
) -> dict:
    """What a further draw costs, and subcolumns where every layer has cloud [µs for a column]."""
    found = {}
    with bundled(path, count=timed, ice_optics=ice_optics) as child:
        for work in GIVEN:
            if work not in works:
                continue
            extra = []
            for repeat in range(repeats + 1):
                child.ask("draws 1")
                one = child.seconds(work)
                child.ask("draws 9")
                if repeat:
                    extra.append((child.seconds(work) - one) / 8.0)
                else:
                    child.seconds(work)
            found[f"{work}, each further draw"] = float(np.median(extra)) * 1e6 / timed
    if "cloud_fraction" in columns:
        shape = columns["cloud_fraction"].shape
        every = columns.assign(cloud_fraction=(("column", "layer"), np.random.default_rng(1).uniform(0.0, 1.0, shape)))
        write(every.isel(column=slice(timed)), folder / "every_layer.nc")
        with bundled(folder / "every_layer.nc", ice_optics=ice_optics) as child:
            for work in SUBCOLUMNS_OF:
                if work in child.facts["works"]:
                    times = [child.seconds(work) for _ in range(repeats + 1)][1:]
                    found[f"{work}, cloud in every layer"] = float(np.median(times)) * 1e6 / child.facts["columns"]
    return found


def _noise(columns: xr.Dataset, folder: Path, ice_optics: str) -> dict[str, float]:
    """Root mean square over the cloudy columns of the standard deviation of one draw, and of the error of the mean of many."""
    options = ("--draws", str(NOISE_DRAWS), "--noise", "--ice-optics", ice_optics)
    write(columns, folder / "drawn.nc")
    fluxes = []
    for seed in ("1", "2"):
        programs.run("radml-rrtmg", folder / "drawn.nc", folder / "noise.nc", *options, "--seed", seed, threads=1)
        fluxes.append(xr.load_dataset(folder / "noise.nc", engine="netcdf4", decode_timedelta=False))
    cloudy = (columns["cloud_fraction"].to_numpy() > 0.0).any(axis=1)

    def root_mean_square(values: xr.DataArray, level: int) -> float:
        return float(np.sqrt((values.to_numpy()[cloudy, level] ** 2).mean()))

    one, mean = {}, {}
    for spectrum in ("lw", "sw"):
        for way, level, where in (("up", 0, "at the top"), ("down", -1, "at the surface")):
            name, words = f"{spectrum}_{way}", f"{spectrum} {way} {where}"
            if f"{name}_noise" in fluxes[0]:
                one[f"noise of one draw, {words}"] = root_mean_square(fluxes[0][f"{name}_noise"], level)
                apart = root_mean_square(fluxes[0][name] - fluxes[1][name], level)
                mean[f"noise of the mean of {NOISE_DRAWS} draws, {words}"] = apart / np.sqrt(2.0)
    return one | mean


def _limits(work: str, originals_tables: bool) -> tuple[float, float]:
    """Beyond what fluxes [W m-2] and heating rates [K day-1] are counted."""
    flux, heating = LIMITS[work.partition("-")[0]]
    return WITH_TABLES if originals_tables else flux, heating


def results_of(path: Path) -> dict[str, Array]:
    """What a child wrote."""
    if path.suffix == ".npz":
        with np.load(path) as file:
            return dict(file)
    dataset = xr.load_dataset(path, engine="netcdf4", decode_timedelta=False)
    return {str(name): dataset[name].to_numpy() for name in dataset.data_vars}


def compare(
    columns: xr.Dataset, kinds: Sequence[str], works: Sequence[str], ice_optics: str, step: Callable[[str], None]
) -> dict[str, dict[str, dict[str, float]]]:
    """Differences from the original, with exact transmittances and with its tables; McICA on the original's own subcolumns."""
    found: dict[str, dict[str, Difference]] = {}
    number = columns.sizes["column"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for first in range(0, number, COLUMNS_AT_ONCE):
            step(f"comparing columns {first + 1} to {min(first + COLUMNS_AT_ONCE, number)} of {number}")
            part = columns.isel(column=slice(first, first + COLUMNS_AT_ONCE))
            write(part, folder / "columns.nc")
            with contextlib.ExitStack() as stack:
                theirs = stack.enter_context(original(part, folder, ice_optics))
                ours = {
                    kind: stack.enter_context(bundled(folder / "columns.nc", kind, ice_optics=ice_optics)) for kind in kinds
                }
                for work in works:
                    theirs.ask(f"write {work} {folder / 'original.npz'}")
                    expected = results_of(folder / "original.npz")
                    if work in GIVEN:
                        bytes_of = np.asarray(expected["subcolumns"] > 0, dtype=np.int8)
                        bytes_of.ravel(order="F").tofile(folder / "subcolumns.bin")
                    for kind, child in ours.items():
                        if work in GIVEN:
                            child.ask(f"subcolumns {GIVEN[work]} {folder / 'subcolumns.bin'}")
                        variants = [("exact", "original", work)]
                        if kind == BUNDLED:  # the original's steps through its tables want its own digits
                            variants.append(("original", "original", work))
                        if work == "shortwave-mcica":
                            variants.append(("exact", "absorbing", ABSORBING_ICE))
                        for tables, ice, compared in variants:
                            child.ask(f"tables {tables}")
                            child.ask(f"ice {ice}")
                            child.ask(f"write {GIVEN.get(work, work)} {folder / 'bundled.nc'}")
                            by_work = found.setdefault(kind if tables == "exact" else f"{kind}{ORIGINALS_TABLES}", {})
                            flux_limit, heating_limit = _limits(work, tables == "original")
                            by_work.setdefault(compared, Difference()).add(
                                results_of(folder / "bundled.nc"), expected, flux_limit, heating_limit
                            )
    return {label: {work: d.to_dict() for work, d in by_work.items()} for label, by_work in found.items()}


def scale_over_threads(
    path: Path, kinds: Sequence[str], works: Sequence[str], count: int, most: int, repeats: int, ice_optics: str
) -> dict:
    """Columns per second of one thread and of more, in turns, for ``count`` columns."""
    found: dict[str, dict[str, dict[int, Timing]]] = {}
    for kind in kinds:
        with contextlib.ExitStack() as stack:
            children = {
                n: stack.enter_context(bundled(path, kind, count=count, ice_optics=ice_optics, threads=n))
                for n in range(1, most + 1)
            }
            for work in works:
                times = take_turns({n: partial(child.seconds, work) for n, child in children.items()}, repeats)
                found.setdefault(kind, {})[work] = {
                    n: Timing.of_rates(child.facts["columns"] / times[n]) for n, child in children.items()
                }
    return found


def cost_by_size(
    columns: xr.Dataset,
    kinds: Sequence[str],
    works: Sequence[str],
    numbers: Sequence[int],
    folder: Path,
    ice_optics: str,
    step: Callable[[str], None],
) -> dict[str, list[dict[str, Any]]]:
    """Time for a column and memory of the process for other numbers of columns, which come again where there are fewer."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in kinds:
        for number in numbers:
            step(f"{number} columns, {kind}")
            repeats = max(2, min(30, 5000 // number))
            path = folder / "some.nc"
            write(columns.isel(column=slice(min(number, ENOUGH_COLUMNS))), path)
            with bundled(path, kind, count=number, ice_optics=ice_optics) as child:
                times = take_turns({work: partial(child.seconds, work) for work in works}, repeats)
                memory = child.ask("memory")
            row: dict[str, Any] = {"columns": number}
            row["microseconds"] = {work: Timing.of(seconds * 1e6 / number) for work, seconds in times.items()}
            # Before the first pass the process has its columns, its tables and room for the results.
            row["memory_before_mib"] = memory["ready_kib"] / 1024.0
            row["memory_of_passes_mib"] = (memory["peak_kib"] - memory["ready_kib"]) / 1024.0
            found.setdefault(kind, []).append(row)
    return found


def run_rrtmg(
    columns: xr.Dataset,
    *,
    repeats: int,
    timed: int,
    columns_per_block: int | None = None,
    threads: int = 1,
    sizes: Sequence[int] = (),
    accuracy: bool = True,
    ice_optics: str = "fu",
    step: Callable[[str], None] = lambda words: None,
) -> RrtmgBenchmark:
    """Time the codes on the first ``timed`` of ``columns``, and compare them on all.

    ``threads`` above one adds the scaling over threads, ``sizes`` the cost for these numbers of columns. ``step`` is told
    what is being done. Raises :class:`programs.ProgramError`.
    """
    columns = prepared(columns)
    number, layers = columns.sizes["column"], columns.sizes["layer"]
    timed, enough = min(timed, number), min(ENOUGH_COLUMNS, number)
    missing = []
    kinds = kinds_here()
    if "real32" not in kinds:
        missing.append(f"real32: there is no program {PROGRAMS['real32']} here")
    has_original = original_rrtmg.available()
    if not has_original:
        missing.append("AER's own code: pip install climt==0.31.0 (CPython 3.11, x86-64)")
    for what, names in (("clouds", CLOUD_VARIABLES), ("sun", ("cos_zenith", "surface_albedo"))):
        if not all(name in columns for name in names):
            missing.append(f"{what}: the columns lack {', '.join(name for name in names if name not in columns)}")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        path = folder / "columns.nc"
        write(columns, path)
        children: dict[str, Child] = {}
        if has_original:
            children[ORIGINAL] = stack.enter_context(original(columns.isel(column=slice(timed)), folder, ice_optics))
        for kind in kinds:
            child = bundled(path, kind, count=timed, columns_per_block=columns_per_block, ice_optics=ice_optics)
            children[kind] = stack.enter_context(child)
        facts = children[BUNDLED].facts
        works = [work for work in WORKS if work in facts["works"]]
        seconds = _time_in_turns(children, works, repeats, step)
        step("further draws, and cloud in every layer")
        extra = _further_costs(path, columns, timed, works, repeats, folder, ice_optics)
        if "longwave-mcica" in works:
            step(f"noise of {NOISE_DRAWS} draws")
            extra |= _noise(columns.isel(column=slice(enough)), folder, ice_optics)
        whole = [work for work in works if work not in SUBCOLUMNS_OF]
        scaling = {}
        if threads > 1:
            step(f"scaling over {threads} threads")
            scaling = scale_over_threads(path, kinds, whole, enough, threads, repeats, ice_optics)
        by_size = cost_by_size(columns, kinds, whole, sizes, folder, ice_optics, step) if sizes else {}
    differences = compare(columns, kinds, whole, ice_optics, step) if has_original and accuracy else {}
    machine = machine_facts() | {name: str(facts[name]) for name in ("compiler", "compiler_options", "build_type", "program")}
    if has_original:
        machine["original"] = f"climt {importlib.metadata.version('climt')}"
    return RrtmgBenchmark(
        columns=number,
        timed=timed,
        layers=layers,
        repeats=repeats,
        columns_per_block=facts["columns_per_block"],
        ice_optics=ice_optics,
        seconds=seconds,
        extra=extra,
        differences=differences,
        threads=scaling,
        sizes=by_size,
        machine=machine,
        missing=missing,
    )


def tables_of(result: RrtmgBenchmark) -> Iterator[Table]:
    """The result as tables for people."""
    yield _times(result)
    if result.extra:
        yield _further(result)
    if result.differences:
        yield _differences(result)
    if result.threads:
        yield _threads(result)
    if result.sizes:
        yield _sizes(result)


def figures_of(result: RrtmgBenchmark) -> list[Figure]:
    """The times as bars."""
    names = {ORIGINAL: "AER's, climt"}
    bars = [
        Bar.of(names.get(code, f"bundled, {code}"), timing, group=WORKS.get(work, work), series=series)
        for work in (*SUMS, *(work for work in WORKS if work not in SUBCOLUMNS_OF))
        for series, code in enumerate(result.codes)
        if (timing := result.timing(code, work))
    ]
    return [Bars("time for a column", "µs a column", bars)]


def built_with(result: RrtmgBenchmark) -> str:
    """One line that says what was run; the JSON has the compiler's options, too."""
    beside = f", beside {result.machine['original']}" if "original" in result.machine else ""
    program, compiler = result.machine["program"], result.machine["compiler"]
    return f"{program}, {compiler}, blocks of {result.columns_per_block} columns, ice of {result.ice_optics.title()}{beside}"


_table = partial(table_of_numbers, no_wrap=True)


def _times(result: RrtmgBenchmark) -> Table:
    headings = ["median (range)"]
    for code in result.codes:
        if code == ORIGINAL:
            headings.append("AER's, climt")
        else:
            headings += [f"bundled, {code}", *(["ratio"] if ORIGINAL in result.codes else [])]
    table = _table(
        f"time for a column [µs]: {result.timed} columns of {result.layers} layers, {result.repeats} repeats, "
        f"one core of {result.machine['processor']}",
        *headings,
    )
    for work in (*(w for w in WORKS if w not in SUBCOLUMNS_OF), *SUMS, *SUBCOLUMNS_OF):
        if work in (next(iter(SUMS)), next(iter(SUBCOLUMNS_OF))):
            table.add_section()
        cells = []
        for code in result.codes:
            timing = result.timing(code, work)
            cells.append(cell(timing) if timing else "")
            if code != ORIGINAL and ORIGINAL in result.codes:
                ratio = result.ratio(code, work)
                cells.append("" if ratio is None else f"{ratio:.2f}")
        if any(cells):
            table.add_row(WORKS.get(work, work), *cells)
    return table


def _further(result: RrtmgBenchmark) -> Table:
    table = _table("bundled, real64", "further", "")
    for name, value in result.extra.items():
        work, comma, rest = name.partition(", ")
        words, units = (name, "W m-2") if work not in WORKS else (WORKS[work] + comma + rest, "µs")
        table.add_row(words, f"{value:.2f} {units}")
    return table


def _differences(result: RrtmgBenchmark) -> Table:
    first = next(iter(next(iter(result.differences.values())).values()))
    table = _table(
        f"difference from AER's: {first['columns']} columns, {first['layers']} layers, fluxes [W m-2], heating rates [K day-1]",
        "",
        "flux: rms",
        "largest",
        "columns",
        "heating: rms",
        "largest",
        "layers",
    )
    for label, by_work in result.differences.items():
        table.add_section()
        table.add_row(f"[bold]bundled, {label}[/bold]")
        for work, d in by_work.items():
            flux_limit, heating_limit = _limits(work, label.endswith(ORIGINALS_TABLES))
            table.add_row(
                COMPARED[work],
                f"{d['flux_rms']:.1e}",
                f"{d['flux_largest']:.1e}",
                f"{d['columns_beyond']} beyond {flux_limit:g}",
                f"{d['heating_rms']:.1e}",
                f"{d['heating_largest']:.1e}",
                f"{d['layers_beyond']} beyond {heating_limit:g}",
            )
    return table


def _threads(result: RrtmgBenchmark) -> Table:
    numbers = sorted({n for by_work in result.threads.values() for by_n in by_work.values() for n in by_n})
    table = _table(
        f"columns per second by threads: {min(ENOUGH_COLUMNS, result.columns)} columns",
        "",
        *map(str, numbers),
        f"ratio of {numbers[-1]} to 1",
    )
    for kind, by_work in result.threads.items():
        for work, by_n in by_work.items():
            cells = [f"{by_n[n].median:.0f}" for n in numbers]
            table.add_row(f"{WORKS[work]}; {kind}", *cells, f"{by_n[numbers[-1]].median / by_n[1].median:.2f}")
    return table


def _sizes(result: RrtmgBenchmark) -> Table:
    table = _table("time for a column [µs] and memory [MiB] by number of columns, one thread", "")
    works = list(result.sizes[BUNDLED][0]["microseconds"])
    for kind, rows in result.sizes.items():
        for row in rows:
            table.add_column(f"{row['columns']:g}; {kind}", justify="right", no_wrap=True)
    rows = [row for of_kind in result.sizes.values() for row in of_kind]
    for work in works:
        table.add_row(WORKS[work], *(f"{row['microseconds'][work].median:.1f}" for row in rows))
    table.add_section()
    table.add_row("columns, tables and results [MiB]", *(f"{row['memory_before_mib']:.0f}" for row in rows))
    table.add_row("more for the passes [MiB]", *(f"{row['memory_of_passes_mib']:.1f}" for row in rows))
    return table
