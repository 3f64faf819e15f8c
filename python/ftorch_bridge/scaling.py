"""Columns a second of a network and of RRTMG: over threads, over ranks of MPI, and over the number of columns."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from rich.table import Table

from ftorch_bridge import programs
from ftorch_bridge.bench import step_host
from ftorch_bridge.column_file import write
from ftorch_bridge.columns import DEFAULT_LAYERS
from ftorch_bridge.exporting import Manifest, example_inputs, read_manifest
from ftorch_bridge.host_bench import CASES, is_radiation, takes_clouds
from ftorch_bridge.inference import passes, repeated
from ftorch_bridge.measuring import Array, Child, Timing, cell, machine_facts, take_turns
from ftorch_bridge.report import Bar, Bars, Figure
from ftorch_bridge.rrtmg_bench import bundled, columns_by_day, prepared
from ftorch_bridge.tables import table_of_numbers
from ftorch_bridge.timed_inputs import Extents, extents_of, inputs_for, layers_of, sizes_of, sizes_of_columns, words_of

NETWORK, RRTMG = "network", "rrtmg"
CODES = {NETWORK: "network", RRTMG: "RRTMG, real64"}
WORKS = {True: ("longwave-mcica", "shortwave-mcica"), False: ("longwave-clear",)}
HOURS = 2.0  # of the host that ranks share: a few calls of radiation
COLUMNS_PER_BLOCK = 128
MPI_PROGRAM = "radml-host-mpi"


@dataclass(frozen=True)
class Point:
    """One number of threads, ranks or columns."""

    threads: int
    ranks: int
    columns: int
    columns_per_second: dict[str, Timing]
    """By code."""
    efficiency: dict[str, float]
    """Of threads and ranks: the rate over that of one, divided by their number; of sizes: over the best rate."""


@dataclass(frozen=True)
class ScalingBenchmark:
    """Everything of one run."""

    model: str
    columns: int
    layers: int | None
    """Of the columns of a model of radiation."""
    extents: dict[str, int]
    """What the model's free dimensions are, but that of the columns."""
    repeats: int
    by_threads: list[Point]
    by_ranks: list[Point]
    by_size: list[Point]
    machine: dict[str, str]
    missing: list[str]
    """What could not be run, and why."""

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def default_numbers() -> list[int]:
    """One, two, four and so on up to the machine's cores."""
    cores = os.cpu_count() or 1
    return [2**i for i in range(cores.bit_length()) if 2**i <= cores]


def run_scaling(
    model: Path,
    *,
    columns: int,
    layers: int | None = None,
    threads: Sequence[int],
    ranks: Sequence[int],
    sizes: Sequence[int],
    extents: Mapping[str, int] | None = None,
    repeats: int = 5,
    step: Callable[[str], None] = lambda words: None,
) -> ScalingBenchmark:
    """Time the network of a model, and RRTMG where the model is one of radiation, in turns.

    Free dimensions other than the columns have the extent ``layers``, 89 where it is absent, unless ``extents`` say another.
    Efficiency is told relative to one, which is run whether it is named or not. Raises
    :class:`ftorch_bridge.measuring.BenchError` and :class:`programs.ProgramError`.
    """
    manifest = Manifest.from_json(read_manifest(model))
    of_model = extents_of([model], extents or {}, layers or DEFAULT_LAYERS)[model]
    radiation = is_radiation(manifest)
    if radiation:
        layers = layers or layers_of(manifest, of_model)
        used = sizes_of_columns(manifest, layers, of_model.chosen)
    else:
        layers = None
        used = sizes_of(manifest, inputs_for(manifest, 1, of_model))
    missing = [] if radiation else [f"RRTMG and ranks: {model.name} is no model of radiation"]
    with tempfile.TemporaryDirectory() as name:
        bench = _Bench(model, manifest, of_model, layers, repeats, Path(name))
        by_threads = [Run(n, 1, columns) for n in sorted({1, *threads})] if threads else []
        by_ranks = [Run(1, n, columns) for n in sorted({1, *ranks})] if ranks and radiation else []
        by_size = [Run(1, 1, n) for n in dict.fromkeys(sizes)]
        if by_ranks and (why := _no_ranks()):
            missing.append(why)
            by_ranks = []
        rates = {run: bench.in_process(run, step) for run in by_size}
        thread_rates = bench.side_by_side(by_threads, step)
        rank_rates = bench.on_ranks(by_ranks, step)
    best = {code: max((float(np.median(found[code])) for found in rates.values()), default=1.0) for code in bench.codes}
    return ScalingBenchmark(
        model=model.name,
        columns=columns,
        layers=layers,
        extents=used,
        repeats=repeats,
        by_threads=_points(thread_rates),
        by_ranks=_points(rank_rates),
        by_size=[_point(run, found, {code: float(np.median(found[code])) / best[code] for code in found})
                 for run, found in rates.items()],
        machine=machine_facts(),
        missing=missing,
    )  # fmt: skip


@dataclass(frozen=True)
class Run:
    """Threads, ranks and columns of one point."""

    threads: int
    ranks: int
    columns: int


def _point(run: Run, rates: dict[str, Array], efficiency: dict[str, float]) -> Point:
    return Point(run.threads, run.ranks, run.columns, {code: Timing.of_rates(r) for code, r in rates.items()}, efficiency)


def _points(found: dict[Run, dict[str, Array]]) -> list[Point]:
    """Points with their efficiency relative to the first, that of one thread or rank, within a repeat."""
    if not found:
        return []
    alone = next(iter(found.values()))
    return [
        _point(run, rates, {code: float(np.median(r / alone[code])) / (run.threads * run.ranks) for code, r in rates.items()})
        for run, rates in found.items()
    ]


def _no_ranks() -> str:
    """Why nothing can be run on ranks; empty where it can."""
    if shutil.which("mpirun") is None:
        return "ranks: there is no mpirun here"
    if not (programs.prefix() / "bin" / MPI_PROGRAM).is_file():
        return f"ranks: there is no program {MPI_PROGRAM} here (built where an MPI library with Fortran is found)"
    return ""


class _Bench:
    """Processes that are timed."""

    def __init__(
        self, model: Path, manifest: Manifest, extents: Extents, layers: int | None, repeats: int, folder: Path
    ) -> None:
        """With ``layers`` of the columns for a model of radiation."""
        self._model, self._manifest, self._extents, self._layers = model, manifest, extents, layers
        self._repeats, self._folder = repeats, folder
        self._all_sky = takes_clouds(manifest)
        self.codes = [NETWORK] if layers is None else [NETWORK, RRTMG]

    def _columns(self, number: int, layers: int) -> xr.Dataset:
        """Generated columns by day, which come again where many are asked for."""
        some = prepared(columns_by_day(min(number, 2000), layers, 1))
        if not self._all_sky:
            some = some.drop_vars([name for name in some.data_vars if "cloud" in str(name) or "radius" in str(name)])
        return some.isel(column=np.arange(number) % some.sizes["column"])

    def _ways(self, run: Run, stack: contextlib.ExitStack) -> dict[str, Callable[[], float]]:
        """Passes of each code over the columns of ``run``."""
        if self._layers is None:
            columns, inputs = None, inputs_for(self._manifest, run.columns, self._extents)
        else:
            columns = self._columns(run.columns, self._layers)
            inputs = example_inputs(self._manifest, columns, run.columns)
        network = stack.enter_context(passes(self._model, self._manifest, inputs, COLUMNS_PER_BLOCK, run.threads))
        ways = {NETWORK: repeated(network, "plan")}
        if columns is not None:
            path = self._folder / f"columns_{run.columns}.nc"
            if not path.is_file():
                write(columns, path)
            child = stack.enter_context(bundled(path, threads=run.threads))
            ways[RRTMG] = partial(self._rrtmg_seconds, child)
        return ways

    def _rrtmg_seconds(self, child: Child) -> float:
        return sum(child.seconds(work) for work in WORKS[self._all_sky])

    def in_process(self, run: Run, step: Callable[[str], None]) -> dict[str, Array]:
        """Columns a second of each code."""
        return self.side_by_side([run], step)[run]

    def side_by_side(self, runs: Sequence[Run], step: Callable[[str], None]) -> dict[Run, dict[str, Array]]:
        """The same of several runs in turns."""
        with contextlib.ExitStack() as stack:
            ways: dict[tuple[Run, str], Callable[[], float]] = {}
            for run in runs:
                step(f"{run.columns} columns, {run.threads} threads")
                ways |= {(run, code): way for code, way in self._ways(run, stack).items()}
            seconds = take_turns(ways, self._repeats, step)
        return {run: {code: run.columns / seconds[run, code] for code in self.codes} for run in runs}

    def on_ranks(self, runs: Sequence[Run], step: Callable[[str], None]) -> dict[Run, dict[str, Array]]:
        """Columns a second in the host's radiation, on ranks of one thread each."""
        if not runs or self._layers is None:
            return {}
        columns = self._folder / "host_columns.nc"
        write(self._columns(runs[0].columns, self._layers), columns)
        keys = CASES[self._all_sky] | {"hours": HOURS}

        def seconds(run: Run, scheme: str) -> float:
            """Of one column and call, times the columns."""
            command = partial(_on_ranks, run.ranks)
            history = step_host(columns, scheme, self._model, self._folder / f"{scheme}_{run.ranks}", keys, command)
            with xr.open_dataset(history, engine="netcdf4", decode_timedelta=False) as found:
                return float(found.attrs["radiation_seconds"]) / float(found.attrs["radiation_calls"])

        ways = {(run, code): partial(seconds, run, code) for run in runs for code in self.codes}
        times = take_turns(ways, self._repeats, lambda words: step(f"ranks: {words}"))
        return {run: {code: run.columns / times[run, code] for code in self.codes} for run in runs}


def _on_ranks(ranks: int, case: Path) -> None:
    """Run the host on ranks. Raises :class:`programs.ProgramError`."""
    settings = {"OMP_NUM_THREADS": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
    if os.geteuid() == 0:  # Open MPI asks twice; whoever started this as root has answered
        settings |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    command = ["mpirun", "-n", str(ranks), str(programs.program(MPI_PROGRAM)), str(case)]
    done = subprocess.run(command, env={**os.environ, **settings}, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        words = next((line for line in said if line.startswith(MPI_PROGRAM)), said[0] if said else "no message")
        raise programs.ProgramError(f"{MPI_PROGRAM} on {ranks} ranks failed with exit code {done.returncode}: {words}")


def tables_of(result: ScalingBenchmark) -> list[Table]:
    """For people."""
    tables = []
    of = [words_of(result.extents)] if result.layers is None else [f"{result.layers} layers"]
    for what, points, name in _parts(result):
        codes = list(points[0].columns_per_second)
        headings = [heading for code in codes for heading in (f"{CODES[code]}: columns a second", "efficiency")]
        table = table_of_numbers(
            ", ".join([what, *filter(None, of), f"{result.machine['processor']}, {result.repeats} repeats: median (range)"]),
            name,
            *headings,
        )
        for point in points:
            cells = []
            for code in codes:
                cells += [cell(point.columns_per_second[code], 0), f"{point.efficiency[code]:.2f}"]
            table.add_row(str(getattr(point, name)), *cells)
        tables.append(table)
    return tables


def _parts(result: ScalingBenchmark) -> list[tuple[str, list[Point], str]]:
    parts = [
        (f"over threads, {result.columns} columns", result.by_threads, "threads"),
        (f"over ranks of the host, {result.columns} columns", result.by_ranks, "ranks"),
        ("over the number of columns, one thread", result.by_size, "columns"),
    ]
    return [part for part in parts if part[1]]


def figures_of(result: ScalingBenchmark) -> list[Figure]:
    """Columns a second, as bars."""
    figures: list[Figure] = []
    for what, points, name in _parts(result):
        bars = [
            Bar.of(f"{getattr(point, name)} {name if getattr(point, name) > 1 else name.removesuffix('s')}",
                   point.columns_per_second[code], group=CODES[code], series=int(code == NETWORK))
            for code in points[0].columns_per_second
            for point in points
        ]  # fmt: skip
        figures.append(Bars(f"columns a second {what}", "columns a second", bars))
    return figures
