"""What a call through the coupling costs beyond LibTorch: the program ``radml-bench-overhead`` and a table of what it found."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.table import Table

from ftorch_bridge import ftorch, programs
from ftorch_bridge.exporting import describe, export
from ftorch_bridge.measuring import Child, Timing, cell, machine_facts, take_turns
from ftorch_bridge.report import Bar, Bars, Figure
from ftorch_bridge.tables import table_of_numbers

PROGRAM = "radml-bench-overhead"
WAYS = {
    "raw": "LibTorch alone, tensors ready",
    "plan": "plan%run",
    "forward": "net%forward, views made in the call",
    "ftorch_ready": "FTorch, tensors ready",
    "ftorch_whole": "FTorch, tensors made in the call",
}


@dataclass(frozen=True)
class BesideFTorch:
    """The same calls in turns with those of FTorch."""

    microseconds: dict[str, Timing]
    """Of a call, by way."""
    beyond_libtorch: dict[str, float]
    """Medians of the differences within one turn [µs]."""
    turns: int
    prefix: str


@dataclass(frozen=True)
class Overhead:
    """Medians and ranges over turns of a thousand calls each, on one thread [µs a call], and growth of the heap [bytes]."""

    raw_us: float
    """LibTorch alone: ``module.forward`` in C++ on tensors that are ready."""
    raw_least_us: float
    raw_most_us: float
    forward_us: float
    forward_least_us: float
    forward_most_us: float
    plan_us: float
    plan_least_us: float
    plan_most_us: float
    forward_minus_raw_us: float
    """Median of the differences within one turn."""
    plan_minus_raw_us: float
    calls: int
    """Calls of each over which the heap was watched."""
    forward_heap_growth_bytes: int
    plan_heap_growth_bytes: int
    ftorch: BesideFTorch | None = None

    @classmethod
    def parse(cls, printed: str) -> Overhead:
        """From what the program prints: a name and a value on each line."""
        found = dict(line.split() for line in printed.splitlines() if line.strip())
        kinds = {"calls": int, "forward_heap_growth_bytes": int, "plan_heap_growth_bytes": int}
        return cls(**{name: kinds.get(name, float)(found[name]) for name in cls.__dataclass_fields__ if name != "ftorch"})

    def to_dict(self) -> dict[str, object]:
        """Everything, for JSON."""
        facts = machine_facts() | ({"ftorch": self.ftorch.prefix} if self.ftorch else {})
        return {**asdict(self), "machine": facts}

    def tables(self) -> list[Table]:
        """For people."""
        headings = ("median (range) [µs]", "beyond LibTorch [µs]", f"heap after {self.calls:,} calls [bytes]")
        table = table_of_numbers("one call of Linear(5, 5) on one row, one thread", "", *headings)
        beyond = {
            "raw": ("", ""),
            "plan": (f"{self.plan_minus_raw_us:+.2f}", f"{self.plan_heap_growth_bytes:+,}"),
            "forward": (f"{self.forward_minus_raw_us:+.2f}", f"{self.forward_heap_growth_bytes:+,}"),
        }
        for way, cells in beyond.items():
            table.add_row(WAYS[way], cell(self.timing(way), 2), *cells)
        if self.ftorch is None:
            return [table]
        title = f"the same in turns with FTorch, {self.ftorch.turns} turns of a thousand calls"
        rivals = table_of_numbers(title, "", "median (range) [µs]", "beyond LibTorch [µs]")
        for way, timing in self.ftorch.microseconds.items():
            more = "" if way == "raw" else f"{self.ftorch.beyond_libtorch[way]:+.2f}"
            rivals.add_row(WAYS[way], cell(timing, 2), more)
        return [table, rivals]

    def timing(self, way: str) -> Timing:
        """Time of a call [µs] by one way."""
        return Timing(*(getattr(self, f"{way}{which}_us") for which in ("", "_least", "_most")))

    def figures(self) -> list[Figure]:
        """The times as bars."""
        times = self.ftorch.microseconds if self.ftorch else {way: self.timing(way) for way in ("raw", "plan", "forward")}
        bars = [Bar.of(WAYS[way], timing, series=list(WAYS).index(way)) for way, timing in times.items()]
        return [Bars("time of a call of a small model", "µs a call", bars)]


def run_overhead(calls: int, *, ftorch_prefix: Path | None = None, turns: int = 101) -> Overhead:
    """Measure with a Linear(5, 5) that is exported for it; with the prefix of an installed FTorch, it beside ours.

    Raises :class:`BenchError` and :class:`programs.ProgramError`.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        model = Path(folder) / "linear.pt"
        module = torch.nn.Linear(5, 5).eval()
        manifest = describe(module, "linear", "float32", ["x:float32[row,5]"], ["y:float32[row,5]"], {})
        export(module, manifest, model, columns=None)
        rival = stack.enter_context(ftorch.built_program(ftorch_prefix)) if ftorch_prefix else None
        result = Overhead.parse(programs.run(PROGRAM, model, str(calls), threads=1))
        if rival is None:
            return result
        ours = stack.enter_context(Child(PROGRAM, [programs.program(PROGRAM), model, "ask"]))
        theirs = stack.enter_context(ftorch.passes(rival, model, [[torch.rand(1, 5)]]))
        count = int(ours.facts["calls"])
        ways: dict[str, Callable[[], float]] = {way: partial(ours.seconds, way) for way in ("raw", "plan", "forward")}
        ways |= {f"ftorch_{way}": partial(theirs.seconds, f"{way} {count}") for way in ("ready", "whole")}
        seconds = {way: 1e6 * times / count for way, times in take_turns(ways, turns).items()}
        beyond = {way: float(np.median(times - seconds["raw"])) for way, times in seconds.items() if way != "raw"}
        beside = BesideFTorch({way: Timing.of(times) for way, times in seconds.items()}, beyond, turns, str(ftorch_prefix))
        return replace(result, ftorch=beside)
