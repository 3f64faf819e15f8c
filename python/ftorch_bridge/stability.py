"""The stability experiment: many runs of the host with a network, beside twins with RRTMG from the same states.

A run is a number of columns. Columns do not know of each other, so some runs are stepped as one run of the host: a piece. Each
piece has its folder, and what is there is not run again. A run fails when one of its columns does.

Twins start from the same states under the same weather: ``twin`` with RRTMG, ``other`` with RRTMG that draws other subcolumns
for its clouds (and with the network in its shadow, which tells the network's errors at RRTMG's states), and ``rare`` with RRTMG
called so rarely that it costs what the network does.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import select
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.table import Table

from ftorch_bridge import programs
from ftorch_bridge.bench import namelist
from ftorch_bridge.column_file import load_netcdf, write
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.extremes import EXTREMES, extreme_columns
from ftorch_bridge.files import whole_file
from ftorch_bridge.measuring import machine_facts
from ftorch_bridge.report import Bar, Bars, Figure
from ftorch_bridge.tables import table_of_numbers

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Progress = Callable[[float, str], None]
"""Is told the share of the work that is done, and what is going on."""

GLOBE = "globe"
HYBRID, TWIN, OTHER, RARE = "hybrid", "twin", "other", "rare"
SCHEMES = ("network", "guarded")
TIME_STEP = 600.0  # s
RECORD_HOURS = 12.0  # between two records of the history where there are twins, about
TROPOPAUSE = 1e4  # Pa: drift is told below and above
GOLDEN_RATIO = 0.6180339887498949
# What a column costs [µs], for the progress bar alone: a call of radiation by kind, and a time step of the rest.
GUESSES = {HYBRID: 45.0, TWIN: 140.0, OTHER: 185.0, RARE: 140.0}
GUESS_OF_A_STEP = 25.0

SERIES = (
    "surface_temperature",
    "surface_lw_down",
    "surface_lw_up",
    "surface_sw_absorbed",
    "toa_lw_up",
    "toa_sw_up",
)
FIELDS = {
    "surface_lw_down": "downward longwave at the surface [W m-2]",
    "surface_sw_absorbed": "sunlight absorbed by the surface [W m-2]",
    "surface_net": "net radiation of the surface [W m-2]",
    "toa_lw_up": "outgoing longwave [W m-2]",
    "toa_sw_up": "reflected sunlight [W m-2]",
    "surface_temperature": "temperature of the surface [K]",
}
SHADOWS = {
    "difference_surface_lw_net": "longwave, net at the surface [W m-2]",
    "difference_surface_sw_net": "shortwave, net at the surface [W m-2]",
    "difference_toa_lw_net": "longwave, net at the top [W m-2]",
    "difference_toa_sw_net": "shortwave, net at the top [W m-2]",
}


class StabilityError(ValueError):
    """An experiment that cannot be made: the message says what was expected and what came."""


@dataclass(frozen=True)
class Settings:
    """What is run. Raises :class:`StabilityError` for what cannot be."""

    model: Path
    scheme: str = "network"
    runs: int = 50
    columns_per_run: int = 64
    days: float = 10.0
    layers: int = 89
    radiation_interval: float = 1800.0
    """[s]"""
    twins: int = 20
    """Runs that have twins, the first ones; extreme cases have twins unless this is zero."""
    case_runs: int = 2
    """Runs of each extreme case; zero for none."""
    rare: bool = False
    threads: int = 1
    seed: int = 20_000
    """Of the first piece's columns and weather; the next ones count on."""
    runs_per_piece: int = 20

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise StabilityError(f"scheme: expected network or guarded, got {self.scheme}")
        if not self.model.is_file():
            raise StabilityError(f"{self.model}: no such file (an exported network of all sky is expected)")
        for name in ("runs", "columns_per_run", "threads", "runs_per_piece"):
            if getattr(self, name) < 1:
                raise StabilityError(f"{name.replace('_', ' ')}: expected 1 or more, got {getattr(self, name)}")
        for name in ("twins", "case_runs", "seed"):
            if getattr(self, name) < 0:
                raise StabilityError(f"{name.replace('_', ' ')}: expected 0 or more, got {getattr(self, name)}")
        steps = self.radiation_interval / TIME_STEP
        if not (math.isfinite(steps) and steps >= 1.0 and steps == round(steps)):
            raise StabilityError(
                f"radiation interval: expected a multiple of {TIME_STEP:g} s, got {self.radiation_interval:g} s"
            )
        calls = self.hours * 3600.0 / self.radiation_interval
        if not (math.isfinite(calls) and calls >= 1.0 and abs(calls - round(calls)) < 1e-9 * calls):
            raise StabilityError(
                f"days: expected a whole number of radiation intervals ({self.radiation_interval:g} s), got {self.days:g} days"
            )
        if self.rare and not self.twins:
            raise StabilityError("rare RRTMG is compared with twins: expected 1 twin or more, got 0")

    @property
    def hours(self) -> float:
        """Length of a run."""
        return self.days * 24.0

    @property
    def record_interval(self) -> float:
        """Time between two records of a history with twins [s]: about :data:`RECORD_HOURS`, and one falls on the end."""
        steps = round(self.hours * 3600.0 / TIME_STEP)
        records = math.ceil(self.hours / RECORD_HOURS)
        while steps % records:
            records += 1
        return steps // records * TIME_STEP


@dataclass(frozen=True)
class Piece:
    """Runs that are stepped together."""

    group: str
    folder: str
    first_run: int
    """Its number within the group."""
    runs: int
    twins: int
    """How many of the runs, the first ones, have twins."""
    seed: int
    day_of_year: float

    def columns(self, settings: Settings) -> xr.Dataset:
        """The states from which all of its runs start."""
        number = self.runs * settings.columns_per_run
        if self.group == GLOBE:
            return generate_columns(number, settings.layers, seed=self.seed)
        return extreme_columns(self.group, number, settings.layers, seed=self.seed)


def pieces_of(settings: Settings) -> list[Piece]:
    """The pieces of an experiment, the globe's first."""
    pieces = []
    for number, first in enumerate(range(0, settings.runs, settings.runs_per_piece)):
        runs = min(settings.runs_per_piece, settings.runs - first)
        pieces.append(
            Piece(
                group=GLOBE,
                folder=f"globe_{first + 1:04d}",
                first_run=first,
                runs=runs,
                twins=max(0, min(runs, settings.twins - first)),
                seed=settings.seed + number,
                day_of_year=1.0 + round(365.0 * ((0.22 + number * GOLDEN_RATIO) % 1.0)),  # all round the year
            )
        )
    if settings.case_runs:
        for number, (name, extreme) in enumerate(EXTREMES.items()):
            pieces.append(
                Piece(
                    group=name,
                    folder=re.sub(r"\W+", "_", name.replace("+", "plus ")).strip("_").lower(),
                    first_run=0,
                    runs=settings.case_runs,
                    twins=settings.case_runs if settings.twins else 0,
                    seed=settings.seed + 10_000 + number,
                    day_of_year=extreme.day_of_year,
                )
            )
    return pieces


# ---- running ----


@dataclass(frozen=True)
class _Job:
    """One run of the host."""

    piece: Piece
    kind: str
    settings: Settings
    folder: Path
    """Of the piece."""
    interval: float
    """Of radiation [s]."""

    @property
    def result(self) -> Path:
        return self.folder / f"{self.kind}.nc"

    @property
    def columns(self) -> int:
        runs = self.piece.runs if self.kind == HYBRID else self.piece.twins
        return runs * self.settings.columns_per_run

    @property
    def whole(self) -> bool:
        """Whether more than the end is kept."""
        return self.piece.twins > 0

    @property
    def work(self) -> float:
        """About how long it takes [s]."""
        seconds = self.settings.hours * 3600.0
        cost = seconds / self.interval * GUESSES[self.kind] + seconds / TIME_STEP * GUESS_OF_A_STEP
        return 1e-6 * self.columns * cost

    @property
    def scheme(self) -> str:
        return {HYBRID: self.settings.scheme, OTHER: "shadow"}.get(self.kind, "rrtmg")

    def made_for(self, model: str) -> dict[str, str | float]:
        """What must be the same for a result to be taken: ``model`` is its digest."""
        about: dict[str, str | float] = {
            "scheme": self.scheme,
            "hours": self.settings.hours,
            "columns per run": self.settings.columns_per_run,
            "layers": self.settings.layers,
            "radiation interval": self.interval,
            "seed": self.piece.seed,
        }
        return about if self.scheme == "rrtmg" else about | {"model": model}

    def is_done(self, model: str) -> bool:
        """Whether its result lies there; :class:`StabilityError` if one of other settings does."""
        if not self.result.is_file():
            return False
        found = load_netcdf(self.result, slice(0, 1)).attrs
        columns = int(found["columns"])
        made_for, wanted = json.loads(str(found["made_for"])), self.made_for(model)
        if made_for != wanted and self.kind != RARE:
            name = next(name for name in {**wanted, **made_for} if made_for.get(name) != wanted.get(name))
            raise StabilityError(
                f"{self.result}: expected {name} {wanted.get(name)}, got {made_for.get(name)}; take another folder or delete it"
            )
        return made_for == wanted and columns >= self.columns and (bool(found["whole"]) or not self.whole)

    def run(self, model: str, tell: Callable[[float], None]) -> None:
        """Step the columns and keep of the history what is asked for later."""
        self.folder.mkdir(parents=True, exist_ok=True)
        history, case, columns = (self.folder / f"{self.kind}.{end}" for end in ("history.nc", "nml", "columns.nc"))
        try:
            self._sweep()  # after a run that was killed
            write(self.piece.columns(self.settings).isel(column=slice(0, self.columns)), columns)
            case.write_text(self._namelist(columns, history))
            _run_host(case, self.settings.threads, tell)
            self._keep(history, model)
        finally:
            self._sweep()

    def _sweep(self) -> None:
        """Remove columns and histories, whole or half-written, of which nothing is needed any more."""
        for end in ("history.nc*", "columns.nc"):
            for path in self.folder.glob(f"{self.kind}.{end}"):
                path.unlink()

    def _namelist(self, columns: Path, history: Path) -> str:
        keys: dict[str, str | float] = {
            "columns": str(columns.resolve()),
            "history": str(history.resolve()),
            "scheme": self.scheme,
            "physics": "moist",
            "sky": "all",
            "sunlight": "globe",
            "on_failure": "restart",
            "hours": self.settings.hours,
            "time_step": TIME_STEP,
            "radiation_interval": self.interval,
            "history_interval": self.settings.record_interval if self.whole else self.settings.hours * 3600.0,
            "day_of_year": self.piece.day_of_year,
            "start_hour": 0.0,
            "seed": self.piece.seed,
            "mcica_seed": 1 if self.kind == OTHER else 0,
            "threads": self.settings.threads,
        }
        if self.scheme != "rrtmg":
            keys["model"] = str(self.settings.model.resolve())
        return namelist(keys)

    def _keep(self, history: Path, model: str) -> None:
        """Write the result: temperatures, fluxes at surface and top, failures, costs; all records, or the last one."""
        with xr.open_dataset(history, engine="netcdf4", decode_times=False) as source:
            if source.sizes["column"] != self.columns:
                raise StabilityError(f"{history}: expected {self.columns} columns, got {source.sizes['column']}")
            names = [*SERIES, *(name for name in SHADOWS if name in source), "temperature_layer"]
            kept = source[names].isel(time=slice(0 if self.whole else -1, None)).load()
            kept["failure_hour"] = source["failure_hour"].isel(time=-1).load()
            kept["pressure_layer"] = source["pressure_layer"].load()
            attributes = dict(source.attrs)
        costs = {name: attributes[name] for name in attributes if name.endswith("_seconds") or name.startswith("refused")}
        kept.attrs = {
            **costs,
            "radiation_calls": attributes["radiation_calls"],
            "columns": self.columns,
            "whole": int(self.whole),
            "made_for": json.dumps(self.made_for(model)),
            "source": attributes["source"],
        }
        encoding = {str(name): {"dtype": "float32", "zlib": True, "complevel": 1} for name in kept.data_vars}
        with whole_file(self.result) as temporary:
            kept.to_netcdf(temporary, engine="netcdf4", format="NETCDF4", encoding=encoding)


# Opens a terminal, which becomes that of the session, as standard error, and becomes the program with signals as they are from
# the start: Python ignores some, and nohup ignores the one that says that the terminal is gone.
_WITH_TERMINAL = """
import os, signal, sys
for name in (signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(name, signal.SIG_DFL)
os.dup2(os.open(sys.argv[1], os.O_RDWR), 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


def _run_host(case: Path, threads: int, tell: Callable[[float], None]) -> None:
    """Run ``radml-host`` and pass on the share of its hours that are done.

    It tells its pace to a terminal alone, so it is given one: that of a session of its own. So it is hung up on when this
    process is killed, and does not go on alone, under ``nohup`` neither. Raises :class:`ftorch_bridge.programs.ProgramError`.
    """
    program = programs.program("radml-host")
    ours, its = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WITH_TERMINAL, os.ttyname(its), str(program), str(case)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    said = b""
    try:
        while True:
            ended = process.poll() is not None  # asked first: what it said before is there to be read
            if select.select([ours], [], [], 0.0 if ended else 0.2)[0]:
                said = (said + os.read(ours, 65536))[-65536:]
                if paces := re.findall(rb"([\d.]+) of ([\d.]+) hours", said):
                    tell(min(float(paces[-1][0]) / float(paces[-1][1]), 1.0))
            elif ended:
                break
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(its)
        os.close(ours)
    if code := process.returncode:
        lines = [line.strip() for line in re.split(r"[\r\n]+", said.decode(errors="replace")) if line.strip()]
        raise programs.ProgramError(f"radml-host failed with exit code {code}: {lines[-1] if lines else 'no message'} ({case})")


# ---- what came out ----


@dataclass
class _Cost:
    """Time of runs of one kind."""

    radiation: float = 0.0
    host: float = 0.0
    column_calls: float = 0.0
    run_days: float = 0.0

    def add(self, attributes: Mapping[str, Any], settings: Settings) -> None:
        columns = int(attributes["columns"])
        self.radiation += float(attributes["radiation_seconds"])
        self.host += float(attributes["run_seconds"])
        self.column_calls += float(attributes["radiation_calls"]) * columns
        self.run_days += settings.days * columns / settings.columns_per_run

    def summed_up(self) -> Cost:
        return Cost(1e6 * self.radiation / self.column_calls, 60.0 * self.run_days / self.host, self.radiation / self.host)


@dataclass(frozen=True)
class Cost:
    """What runs of one kind cost."""

    microseconds: float
    """Of a call of radiation for a column."""
    days_per_minute: float
    """Simulated days of one run, of the whole host."""
    radiation_share: float
    """Of the host's time."""


@dataclass(frozen=True)
class Comparison:
    """One kind of run less the twins: columns that failed in neither."""

    columns: int
    pressure: list[float]
    """Mean of layers [Pa] (layer,)."""
    drift: list[float]
    """Mean difference of temperature at the end [K] (layer,)."""
    drift_error: list[float]
    """Its standard error [K] (layer,)."""
    spread: list[float]
    """Root mean square of the difference at the end [K] (layer,)."""
    drift_troposphere: float
    """The drift of largest magnitude below 100 hPa [K]."""
    drift_above: float
    """The same above [K]."""
    hours: list[float]
    growth_troposphere: list[float]
    """Root mean square difference of temperature below 100 hPa [K] (time,)."""
    growth_above: list[float]
    """The same above [K] (time,)."""
    bias: dict[str, float]
    """Mean difference over the run of :data:`FIELDS`."""
    rms: dict[str, float]
    """Root mean square of the same."""


@dataclass
class _Sums:
    """Differences of columns, summed up over pieces."""

    columns: int = 0
    pressure: Array | float = 0.0
    end: Array | float = 0.0
    end_squares: Array | float = 0.0
    hours: list[float] = field(default_factory=list)
    squares: dict[str, Array | float] = field(default_factory=lambda: {"troposphere": 0.0, "above": 0.0})
    layers: dict[str, int] = field(default_factory=lambda: {"troposphere": 0, "above": 0})
    fields: dict[str, Array] = field(default_factory=lambda: {name: np.zeros(3) for name in FIELDS})

    def add(self, found: xr.Dataset, twin: xr.Dataset) -> None:
        well = _well(found) & _well(twin)
        if not well.any():
            return
        difference = (_get(found, "temperature_layer") - _get(twin, "temperature_layer"))[:, well]
        pressure = _get(twin, "pressure_layer")[well]
        self.columns += int(well.sum())
        self.pressure = self.pressure + pressure.sum(0)
        self.end = self.end + difference[-1].sum(0)
        self.end_squares = self.end_squares + (difference[-1] ** 2).sum(0)
        self.hours = [float(hour) for hour in _get(twin, "time")]
        for name, mask in (("troposphere", pressure > TROPOPAUSE), ("above", pressure <= TROPOPAUSE)):
            self.squares[name] = self.squares[name] + (difference[:, mask] ** 2).sum(1)
            self.layers[name] += int(mask.sum())
        for name, sums in self.fields.items():
            values = (_series(found, name) - _series(twin, name))[1:, well]
            sums += [values.sum(), (values**2).sum(), values.size]

    def summed_up(self) -> Comparison | None:
        if not self.columns:
            return None
        pressure, drift = np.asarray(self.pressure) / self.columns, np.asarray(self.end) / self.columns
        squares = np.asarray(self.end_squares) / self.columns
        error = np.sqrt(np.maximum(squares - drift**2, 0.0) / max(self.columns - 1, 1))
        growth = {name: np.sqrt(np.asarray(self.squares[name]) / max(self.layers[name], 1)) for name in self.squares}
        return Comparison(
            columns=self.columns,
            pressure=pressure.tolist(),
            drift=drift.tolist(),
            drift_error=error.tolist(),
            spread=np.sqrt(squares).tolist(),
            drift_troposphere=_largest(drift[pressure > TROPOPAUSE]),
            drift_above=_largest(drift[pressure <= TROPOPAUSE]),
            hours=self.hours,
            growth_troposphere=growth["troposphere"].tolist(),
            growth_above=growth["above"].tolist(),
            bias={name: float(total / number) for name, (total, _, number) in self.fields.items()},
            rms={name: float(np.sqrt(squares / number)) for name, (_, squares, number) in self.fields.items()},
        )


def _largest(values: Array) -> float:
    return float(values[np.abs(values).argmax()]) if values.size else 0.0


def _get(found: xr.Dataset, name: str) -> Array:
    return found[name].to_numpy().astype(np.float64)


def _series(found: xr.Dataset, name: str) -> Array:
    """One of :data:`FIELDS` (time, column)."""
    if name == "surface_net":
        return _get(found, "surface_lw_down") - _get(found, "surface_lw_up") + _get(found, "surface_sw_absorbed")
    return _get(found, name)


def _well(found: xr.Dataset) -> Mask:
    return _get(found, "failure_hour") < 0.0


@dataclass(frozen=True)
class Failure:
    """A column that was no atmosphere any more, or whose radiation was no number."""

    run: int
    """From one."""
    column: int
    """Of the run, from one."""
    hour: float
    """After the start."""


@dataclass(frozen=True)
class ShadowError:
    """Network less RRTMG at RRTMG's states, a single draw of subcolumns each."""

    bias: float
    rms: float
    not_finite: int


@dataclass(frozen=True)
class Group:
    """Runs from states of one sort: the globe's, or those of an extreme case."""

    name: str
    runs: int
    twins: int
    """Runs with twins."""
    days_of_year: list[float]
    failures: list[Failure]
    """Of the hybrid."""
    failed_runs: int
    twin_failed_runs: int
    """Of the twins with RRTMG, of either sort."""
    refused: dict[str, float]
    """Columns left to RRTMG, by rule, of :attr:`column_calls`."""
    column_calls: float
    hybrid: Comparison | None
    """Hybrid less twin."""
    other: Comparison | None
    """RRTMG with other draws less twin."""
    rare: Comparison | None
    """Rarely called RRTMG less twin."""
    shadow: dict[str, ShadowError]
    costs: dict[str, Cost]
    """By kind of run, of pieces that have twins (of all where none has)."""

    @property
    def fallback_share(self) -> float:
        """Share of columns that were left to RRTMG."""
        return sum(self.refused.values()) / self.column_calls


@dataclass(frozen=True)
class Stability:
    """What the experiment found."""

    settings: Settings
    model_digest: str
    rare_interval: float | None
    """[s]"""
    groups: list[Group]
    machine: dict[str, str]
    command: str

    def to_dict(self) -> dict[str, object]:
        """Everything, for JSON."""
        found = asdict(self)
        found["settings"]["model"] = str(self.settings.model)
        for group, own in zip(found["groups"], self.groups, strict=True):
            group["fallback_share"] = own.fallback_share
        return found

    @property
    def globe(self) -> Group:
        """The group of ordinary states."""
        return self.groups[0]


class _Experiment:
    """Runs what is missing, and sums up."""

    def __init__(self, settings: Settings, folder: Path, progress: Progress) -> None:
        self.settings = settings
        self.folder = folder
        self.progress = progress
        self.digest = hashlib.sha256(settings.model.read_bytes()).hexdigest()[:16]
        self.pieces = pieces_of(settings)
        self.rare_interval: float | None = None

    def job(self, piece: Piece, kind: str) -> _Job:
        interval = self.settings.radiation_interval
        if kind == RARE and self.rare_interval is not None:
            interval = self.rare_interval
        return _Job(piece, kind, self.settings, self.folder / piece.folder, interval)

    def run(self) -> None:
        """Run all that is not there."""
        kinds = [(piece, kind) for piece in self.pieces for kind in ((HYBRID, TWIN, OTHER) if piece.twins else (HYBRID,))]
        jobs = [job for piece, kind in kinds if not (job := self.job(piece, kind)).is_done(self.digest)]
        rare_pieces = [piece for piece in self.pieces if piece.twins] if self.settings.rare else []
        rare_work = sum(self.job(piece, RARE).work for piece in rare_pieces) / 2.0
        total = sum(job.work for job in jobs) + rare_work
        done = self._run(jobs, 0.0, total)
        if not rare_pieces:
            return
        costs = self.sum_up(GLOBE).costs
        times = math.ceil(costs[TWIN].microseconds / costs[HYBRID].microseconds - 1e-9)
        self.rare_interval = min(max(times, 1) * self.settings.radiation_interval, self.settings.hours * 3600.0)
        jobs = [job for piece in rare_pieces if not (job := self.job(piece, RARE)).is_done(self.digest)]
        self._run(jobs, done, done + sum(job.work for job in jobs))

    def _run(self, jobs: list[_Job], done: float, total: float) -> float:
        for job in jobs:
            words = f"{job.piece.folder}: {job.kind}"
            self.progress(done / total, words)
            job.run(
                self.digest,
                lambda share, before=done, work=job.work, words=words: self.progress((before + share * work) / total, words),
            )
            done += job.work
        return done

    def read(self, piece: Piece, kind: str) -> xr.Dataset:
        """The result of a run, of as many columns as are wanted."""
        job = self.job(piece, kind)
        return load_netcdf(job.result, slice(0, job.columns))

    def sum_up(self, name: str) -> Group:
        """One group."""
        settings = self.settings
        pieces = [piece for piece in self.pieces if piece.group == name]
        with_twins = any(piece.twins for piece in pieces)
        sums = {kind: _Sums() for kind in (HYBRID, OTHER, RARE)}
        costs: dict[str, _Cost] = {}
        failures: list[Failure] = []
        twin_failures: set[int] = set()
        refused: Counter[str] = Counter()
        shadow = {field: np.zeros(4) for field in SHADOWS}
        column_calls = 0.0
        for piece in pieces:
            hybrid = self.read(piece, HYBRID)
            failures += _failures(hybrid, piece, settings)
            column_calls += float(hybrid.attrs["radiation_calls"]) * int(hybrid.attrs["columns"])
            for key, count in hybrid.attrs.items():
                if str(key).startswith("refused_by_"):
                    refused[str(key).removeprefix("refused_by_")] += float(count)
            if piece.twins or not with_twins:
                costs.setdefault(HYBRID, _Cost()).add(hybrid.attrs, settings)
            if not piece.twins:
                continue
            twin, other = self.read(piece, TWIN), self.read(piece, OTHER)
            costs.setdefault(TWIN, _Cost()).add(twin.attrs, settings)
            twin_failures |= {failure.run for found in (twin, other) for failure in _failures(found, piece, settings)}
            sums[HYBRID].add(hybrid.isel(column=slice(0, twin.sizes["column"])), twin)
            sums[OTHER].add(other, twin)
            for field_name, totals in shadow.items():
                values = _get(other, field_name)[:, _well(other)]
                finite = values[np.isfinite(values)]
                totals += [finite.sum(), (finite**2).sum(), finite.size, values.size - finite.size]
            if self.rare_interval is not None:
                rare = self.read(piece, RARE)
                costs.setdefault(RARE, _Cost()).add(rare.attrs, settings)
                sums[RARE].add(rare, twin)
        return Group(
            name=name,
            runs=sum(piece.runs for piece in pieces),
            twins=sum(piece.twins for piece in pieces),
            days_of_year=[piece.day_of_year for piece in pieces],
            failures=failures,
            failed_runs=len({failure.run for failure in failures}),
            twin_failed_runs=len(twin_failures),
            refused=dict(refused),
            column_calls=column_calls,
            hybrid=sums[HYBRID].summed_up(),
            other=sums[OTHER].summed_up(),
            rare=sums[RARE].summed_up(),
            shadow={
                field_name: ShadowError(float(total / number), float(np.sqrt(squares / number)), int(missing))
                for field_name, (total, squares, number, missing) in shadow.items()
                if number
            },
            costs={kind: cost.summed_up() for kind, cost in costs.items()},
        )


def _failures(found: xr.Dataset, piece: Piece, settings: Settings) -> list[Failure]:
    hours = _get(found, "failure_hour")
    return [
        Failure(
            run=piece.first_run + int(column) // settings.columns_per_run + 1,
            column=int(column) % settings.columns_per_run + 1,
            hour=float(hours[column]),
        )
        for column in np.flatnonzero(hours >= 0.0)
    ]


def run_stability(
    settings: Settings, folder: Path, *, command: str = "", progress: Progress = lambda share, words: None
) -> Stability:
    """Run the experiment in ``folder``, or what is missing of it there, and sum up.

    Raises :class:`StabilityError`, also where results of other settings lie in the folder, and
    :class:`ftorch_bridge.programs.ProgramError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    space = shutil.disk_usage(folder).free
    needed = max(_largest_history(settings, piece) for piece in pieces_of(settings))
    if space < needed:
        raise StabilityError(
            f"{folder}: expected {needed / 1e9:.1f} GB to be free for a piece's history, got {space / 1e9:.1f} GB"
        )
    experiment = _Experiment(settings, folder, progress)
    experiment.run()
    names = list(dict.fromkeys(piece.group for piece in experiment.pieces))
    return Stability(
        settings=settings,
        model_digest=experiment.digest,
        rare_interval=experiment.rare_interval,
        groups=[experiment.sum_up(name) for name in names],
        machine=machine_facts(),
        command=command,
    )


def _largest_history(settings: Settings, piece: Piece) -> float:
    """About the bytes of a history: up to seven variables of layers."""
    records = settings.hours * 3600.0 / settings.record_interval + 1.0 if piece.twins else 2.0
    return 8.0 * 7.0 * records * piece.runs * settings.columns_per_run * settings.layers


# ---- for people ----


def tables_of(result: Stability) -> list[Table]:
    """The result as tables: runs and failures, what the guard refused, cost, differences of the globe's runs."""
    tables = [_table_of_runs(result), _table_of_cost(result)]
    if result.settings.scheme == "guarded":
        tables.append(_table_of_rules(result))
    if result.globe.hybrid:
        tables.append(_table_of_differences(result))
    if result.globe.shadow:
        tables.append(_table_of_shadow(result))
    return tables


def _table_of_runs(result: Stability) -> Table:
    s = result.settings
    table = table_of_numbers(
        f"runs of {s.days:g} days of {s.columns_per_run} columns of {s.layers} layers, radiation every "
        f"{s.radiation_interval / 60.0:g} minutes, {s.scheme}: {s.model.name}; drift: hybrid less RRTMG (RRTMG of other draws "
        "less RRTMG)",
        "states",
        "failed, of runs",
        "RRTMG's, of twins",
        *(["left to RRTMG"] if s.scheme == "guarded" else []),
        "drift below 100 hPa [K]",
        "drift above [K]",
        "net at surface [W m-2]",
    )
    for group in result.groups:
        cells = [group.name, f"{group.failed_runs} of {group.runs}", f"{group.twin_failed_runs} of {group.twins}"]
        if s.scheme == "guarded":
            cells.append(f"{group.fallback_share:.3%}")
        if group.hybrid and group.other:
            pairs = [(c.drift_troposphere, c.drift_above, c.bias["surface_net"]) for c in (group.hybrid, group.other)]
            cells += [f"{a:+.3f} ({b:+.3f})" for a, b in zip(*pairs, strict=True)]
        else:
            cells += [""] * 3
        table.add_row(*cells)
    return table


def _table_of_cost(result: Stability) -> Table:
    names = {HYBRID: result.settings.scheme, TWIN: "RRTMG", RARE: "RRTMG, rarely"}
    table = table_of_numbers(
        f"cost, {result.settings.threads} thread{'s' if result.settings.threads > 1 else ''} of {result.machine['processor']}",
        "radiation",
        "every [minutes]",
        "µs a column and call",
        "speed-up",
        "ms a column and day",
        "host: days of a run a minute",
        "radiation's share",
    )
    costs = result.globe.costs
    for kind, cost in costs.items():
        interval = result.rare_interval if kind == RARE and result.rare_interval else result.settings.radiation_interval
        # A rare call is timed as well, but what it says of speed is noise.
        compared = TWIN in costs and kind != RARE
        table.add_row(
            names[kind],
            f"{interval / 60.0:g}",
            f"{cost.microseconds:.1f}",
            f"{costs[TWIN].microseconds / cost.microseconds:.1f}" if compared else "",
            f"{1e-3 * cost.microseconds * 86400.0 / interval:.2f}",
            f"{cost.days_per_minute:.1f}",
            f"{cost.radiation_share:.0%}",
        )
    return table


def _table_of_rules(result: Stability) -> Table:
    rules = list(dict.fromkeys(rule for group in result.groups for rule in group.refused))
    table = table_of_numbers("columns left to RRTMG, of all calls, by rule", "states", *rules, "together")
    for group in result.groups:
        shares = [f"{group.refused.get(rule, 0.0) / group.column_calls:.3%}" for rule in rules]
        table.add_row(group.name, *shares, f"{group.fallback_share:.3%}")
    return table


def _table_of_differences(result: Stability) -> Table:
    globe = result.globe
    shown = {"hybrid": globe.hybrid, "RRTMG, other draws": globe.other}
    if globe.rare and result.rare_interval:
        shown[f"RRTMG every {result.rare_interval / 60.0:g} minutes"] = globe.rare
    found = {name: comparison for name, comparison in shown.items() if comparison}
    columns = globe.hybrid.columns if globe.hybrid else 0
    table = table_of_numbers(
        f"globe, {globe.twins} run{'s' if globe.twins > 1 else ''}, {columns} columns: difference from the twins with RRTMG",
        "",
        *found,
    )
    rows: list[tuple[str, Callable[[Comparison], str]]] = [
        ("drift of temperature below 100 hPa, largest [K]", lambda c: f"{c.drift_troposphere:+.3f}"),
        ("drift of temperature above, largest [K]", lambda c: f"{c.drift_above:+.3f}"),
        ("RMS of temperature below 100 hPa at the end [K]", lambda c: f"{c.growth_troposphere[-1]:.3f}"),
        ("RMS of temperature above at the end [K]", lambda c: f"{c.growth_above[-1]:.3f}"),
    ]
    for name, cell in rows:
        table.add_row(name, *(cell(comparison) for comparison in found.values()))
    table.add_section()
    for name, words in FIELDS.items():
        cells = (f"{comparison.bias[name]:+.3f}, {comparison.rms[name]:.2f}" for comparison in found.values())
        table.add_row(f"{words}: bias, RMS", *cells)
    return table


def _table_of_shadow(result: Stability) -> Table:
    table = table_of_numbers("network less RRTMG at RRTMG's states, one draw: bias, RMS [W m-2]", "states", *SHADOWS.values())
    for group in result.groups:
        cells = []
        for name in SHADOWS:
            error = group.shadow.get(name)
            missing = f", {error.not_finite} no numbers" if error and error.not_finite else ""
            cells.append(f"{error.bias:+.2f}, {error.rms:.1f}{missing}" if error else "")
        table.add_row(group.name, *cells)
    return table


def figures_of(result: Stability) -> list[Figure]:
    """What radiation costs, as bars."""
    names = {HYBRID: result.settings.scheme, TWIN: "RRTMG"}
    costs = {kind: cost for kind, cost in result.globe.costs.items() if kind in names}
    bars = [Bar(names[kind], cost.microseconds, series=int(kind == HYBRID)) for kind, cost in costs.items()]  # as drawn
    return [Bars("time of radiation for a column and call", "µs a column", bars)]


def failures_of(result: Stability, most: int = 10) -> list[str]:
    """Lines that name the columns that failed, ``most`` of them."""
    lines = [
        f"{group.name}: run {failure.run}, column {failure.column}: failed after {failure.hour:g} hours"
        for group in result.groups
        for failure in group.failures
    ]
    return lines[:most] + ([f"and {len(lines) - most} more, in the JSON"] if len(lines) > most else [])
