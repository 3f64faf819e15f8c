"""What the whole host costs with each scheme of radiation, and radiation's share of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from rich.table import Table

from ftorch_bridge import programs
from ftorch_bridge.bench import LABELS, step_host
from ftorch_bridge.column_file import write
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.exporting import Manifest, read_manifest
from ftorch_bridge.measuring import BenchError, Timing, cell, machine_facts, take_turns
from ftorch_bridge.report import Bar, Bars, Figure
from ftorch_bridge.tables import table_of_numbers

# A host with weather and clouds of its own where the model takes clouds, else the dry one.
CASES: dict[bool, dict[str, str | float]] = {
    True: {"sky": "all", "physics": "moist", "sunlight": "globe"},
    False: {"sky": "clear"},
}


@dataclass(frozen=True)
class SchemeCost:
    """Runs of the host with one scheme."""

    run_seconds: Timing
    radiation_seconds: Timing
    radiation_microseconds: Timing
    """For a column and call."""
    radiation_share: float
    """Median over the repeats."""
    speed_up: float | None
    """Of the whole host over that with RRTMG, median of the ratio within a repeat; None where RRTMG was not run."""


@dataclass(frozen=True)
class HostBenchmark:
    """Everything of one run."""

    model: str
    columns: int
    layers: int
    hours: float
    threads: int
    repeats: int
    radiation_calls: int
    schemes: dict[str, SchemeCost]
    machine: dict[str, str]

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def is_radiation(manifest: Manifest) -> bool:
    """Whether all inputs are variables of column files, which the host has."""
    return all(argument.column_variable() for argument in manifest.inputs)


def takes_clouds(manifest: Manifest) -> bool:
    """Whether a model of radiation is one of all sky."""
    return any(argument.name == "cloud_fraction" for argument in manifest.inputs)


def default_schemes(manifest: Manifest) -> list[str]:
    """RRTMG and the network, and the guarded one where the model carries what the guard needs."""
    return ["rrtmg", "network", *(["guarded"] if "training_envelope" in manifest.metadata else [])]


def run_host_bench(
    model: Path,
    *,
    columns: int,
    layers: int,
    hours: float,
    schemes: Sequence[str] = (),
    threads: int = 1,
    repeats: int = 5,
    step: Callable[[str], None] = lambda words: None,
) -> HostBenchmark:
    """Step generated columns with each scheme in turns. Raises :class:`BenchError` and :class:`programs.ProgramError`."""
    manifest = Manifest.from_json(read_manifest(model))
    chosen = list(dict.fromkeys(schemes)) or default_schemes(manifest)
    if not is_radiation(manifest):
        raise BenchError(f"{model}: no model of radiation, which takes variables of column files")
    if unknown := [scheme for scheme in chosen if scheme not in LABELS]:
        raise BenchError(f"--schemes {','.join(chosen)}: {unknown[0]!r}: expected some of {', '.join(LABELS)}")
    all_sky = takes_clouds(manifest)
    keys = CASES[all_sky] | {"hours": hours, "threads": threads}
    attributes: dict[str, list[dict[str, float]]] = {scheme: [] for scheme in chosen}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(generate_columns(columns, layers, seed=5, clear_sky=not all_sky), folder / "columns.nc")

        def run(scheme: str) -> float:
            command = partial(programs.run, "radml-host", threads=threads)
            history = step_host(folder / "columns.nc", scheme, model, folder / scheme, keys, command)
            with xr.open_dataset(history, engine="netcdf4", decode_timedelta=False) as found:
                names = ("run_seconds", "radiation_seconds", "radiation_calls")
                attributes[scheme].append({name: float(found.attrs[name]) for name in names})
            return attributes[scheme][-1]["run_seconds"]

        take_turns({scheme: partial(run, scheme) for scheme in chosen}, repeats, step)
    # The first round warmed up.
    run_times, radiation_times, calls = (
        {scheme: np.array([each[name] for each in found[1:]]) for scheme, found in attributes.items()}
        for name in ("run_seconds", "radiation_seconds", "radiation_calls")
    )
    costs = {}
    for scheme in chosen:
        run_time, radiation = run_times[scheme], radiation_times[scheme]
        costs[scheme] = SchemeCost(
            run_seconds=Timing.of(run_time),
            radiation_seconds=Timing.of(radiation),
            radiation_microseconds=Timing.of(1e6 * radiation / (calls[scheme] * columns)),
            radiation_share=float(np.median(radiation / run_time)),
            speed_up=float(np.median(run_times["rrtmg"] / run_time)) if "rrtmg" in run_times else None,
        )
    number = int(calls[chosen[0]][0])
    return HostBenchmark(model.name, columns, layers, hours, threads, repeats, number, costs, machine_facts())


def tables_of(result: HostBenchmark) -> list[Table]:
    """For people."""
    threads = f"{result.threads} thread{'s' if result.threads > 1 else ''}"
    table = table_of_numbers(
        f"the host, {result.hours:g} hours of {result.columns} columns of {result.layers} layers, {result.radiation_calls} "
        f"calls of radiation, {threads} of {result.machine['processor']}, {result.repeats} repeats: median (range)",
        "radiation",
        "whole run [s]",
        "in radiation [s]",
        "radiation's share",
        "µs a column and call",
        "whole run: speed-up",
    )
    for scheme, cost in result.schemes.items():
        table.add_row(
            LABELS[scheme],
            cell(cost.run_seconds, 3),
            cell(cost.radiation_seconds, 3),
            f"{cost.radiation_share:.0%}",
            cell(cost.radiation_microseconds),
            "" if cost.speed_up is None else f"{cost.speed_up:.2f}",
        )
    return [table]


def figures_of(result: HostBenchmark) -> list[Figure]:
    """The whole run and radiation in it, as bars."""
    bars = [
        Bar.of(words, timing, group=LABELS[scheme], series=series)
        for scheme, cost in result.schemes.items()
        for series, (words, timing) in enumerate((("whole run", cost.run_seconds), ("in radiation", cost.radiation_seconds)))
    ]
    return [Bars(f"{result.hours:g} hours in the host", "s", bars)]
