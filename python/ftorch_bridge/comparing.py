"""Two results of one benchmark beside each other: what has become slower or faster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from ftorch_bridge.measuring import BenchError
from ftorch_bridge.tables import table_of_numbers

_TIME = re.compile(r"(^|_)(us|seconds|microseconds|milliseconds)(_|$)")
_RATE = re.compile(r"per_second|per_minute|gigaflops")
_RANGE = ("median", "fastest", "slowest")
# Not times, whatever they are called; what follows from times is left to them.
_PASSED_OVER = {"machine", "settings", "errors", "differences", "noise", "speed_up", "ratio"}
_NAMES = ("name", "model", "scheme", "columns", "threads", "ranks")
_FACTS = ("processor", "cores", "vector_instructions", "system", "torch", "compiler", "compiler_options", "build_type")


@dataclass(frozen=True)
class Measured:
    """One time, or one rate, of a result; least and most where it has its range."""

    value: float
    least: float | None = None
    most: float | None = None
    rate: bool = False


@dataclass(frozen=True)
class Change:
    """One timing then and now."""

    name: str
    then: Measured
    now: Measured

    @property
    def ratio(self) -> float:
        """Time now over time then, of rates too: above one is slower."""
        new, old = (self.then, self.now) if self.now.rate else (self.now, self.then)
        return new.value / old.value

    @property
    def verdict(self) -> str:
        """``slower`` or ``faster`` where the ranges of the repeats do not meet, else nothing; or that no range is known."""
        if None in (self.then.least, self.then.most, self.now.least, self.now.most):
            return "range unknown"
        if self.now.least > self.then.most or self.now.most < self.then.least:
            return "slower" if self.ratio > 1.0 else "faster"
        return ""


@dataclass(frozen=True)
class Comparison:
    """All timings that both results have, and what else is not the same."""

    changes: list[Change]
    notes: list[str]

    def slower_than(self, limit: float) -> list[Change]:
        """Timings that take more than ``limit`` times as long as they took."""
        return [change for change in self.changes if change.ratio > limit]

    def table(self, title: str) -> Table:
        """For people."""
        table = table_of_numbers(title, "", "then", "now", "time, now to then", "beyond the range")
        for change in self.changes:
            then, now = (f"{m.value:,.4g}" if m.value < 1e4 else f"{m.value:,.0f}" for m in (change.then, change.now))
            table.add_row(change.name, then, now, f"{change.ratio:.3f}", change.verdict)
        return table


def read_result(path: Path, benchmark: str) -> dict[str, Any]:
    """What ``--json`` of the same benchmark wrote. Raises :class:`BenchError`."""
    try:
        result = json.loads(path.read_text())
    except FileNotFoundError:
        raise BenchError(f"{path}: no such file") from None
    except ValueError as error:
        raise BenchError(f"{path}: not a JSON file: {error}") from None
    found = result.get("benchmark") if isinstance(result, dict) else None
    if found != benchmark:
        what = f"of ftorch-bench {found}" if found else "without the name of its benchmark"
        raise BenchError(f"{path}: expected a result of ftorch-bench {benchmark} (--json), got one {what}")
    return result


def timings_of(result: Mapping[str, Any]) -> dict[str, Measured]:
    """All timings of a result, by their place in it."""
    return dict(_walk(result, (), False))


def _walk(node: Any, place: tuple[str, ...], timed: bool) -> Iterator[tuple[str, Measured]]:
    rate = any(_RATE.search(part) for part in place)
    if _is_number(node):
        if timed:
            yield ", ".join(place), Measured(float(node), rate=rate)
    elif isinstance(node, list):
        for i, child in enumerate(node):
            yield from _walk(child, (*place[:-1], f"{place[-1]} {_label(child, i)}"), timed)
    elif isinstance(node, dict) and all(_is_number(node.get(name)) for name in _RANGE):
        median, *ends = (float(node[name]) for name in _RANGE)
        yield ", ".join(place), Measured(median, min(ends), max(ends), rate)
    elif isinstance(node, dict):
        for key, child in node.items():
            if key in _PASSED_OVER or re.search("_least_|_most_|_minus_", key):
                continue
            ends = [node.get(re.sub("_us$", f"_{end}_us", key)) for end in ("least", "most")]
            if key.endswith("_us") and _is_number(child) and all(map(_is_number, ends)):
                yield ", ".join((*place, key)), Measured(float(child), *map(float, ends))
            else:
                yield from _walk(child, (*place, key), timed or bool(_TIME.search(key) or _RATE.search(key)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _label(node: Any, index: int) -> str:
    if isinstance(node, dict):
        named = [f"{key} {node[key]}" if _is_number(node[key]) else str(node[key]) for key in _NAMES if key in node]
        if named:
            return f"({', '.join(named)})"
    return str(index + 1)


def compare_results(then: Mapping[str, Any], now: Mapping[str, Any]) -> Comparison:
    """The timings that both have. Raises :class:`BenchError` where they share none."""
    old, new = timings_of(then), timings_of(now)
    changes = [Change(name, old[name], new[name]) for name in new if name in old and old[name].value > 0 < new[name].value]
    if not changes:
        raise BenchError("no timing is in both results")
    notes = []
    facts = [(name, *(result.get("machine", {}).get(name) for result in (then, now))) for name in _FACTS]
    # What was run, as far as it is a single number or word: columns, layers, extents, repeats, model.
    settings = [
        key
        for key, value in now.items()
        if (isinstance(value, int | str) or key == "extents") and key not in ("command", "date", "benchmark")
    ]
    for name, was, is_now in facts + [(key, then.get(key), now[key]) for key in settings]:
        if was != is_now and None not in (was, is_now):
            notes.append(f"{name.replace('_', ' ')} differs: {was} then, {is_now} now")
    alone = len(old.keys() ^ new.keys())
    if alone:
        notes.append(f"{alone} timing{'s are' if alone > 1 else ' is'} in one of the results alone")
    return Comparison(changes, notes)
