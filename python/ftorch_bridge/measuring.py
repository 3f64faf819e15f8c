"""What the benchmarks share: passes in turns, times with their range, the processes that are timed, facts of the machine."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ftorch_bridge import programs

Array = NDArray[np.float64]
Key = TypeVar("Key")

_COMPILER = re.compile(rb"(?<![ -~])((?:GCC: |(?:[A-Z][a-z]+ )?(?:clang|flang|flang-new) version )[ -~]+)")


class BenchError(ValueError):
    """A benchmark that cannot be run as asked, or results that cannot be compared: the message says why."""


@dataclass(frozen=True)
class Timing:
    """Time of one pass or one column, over repeats; of a rate, ``fastest`` is the highest."""

    median: float
    fastest: float
    slowest: float

    @classmethod
    def of(cls, values: Array) -> Timing:
        """Of the times of all repeats."""
        return cls(float(np.median(values)), float(values.min()), float(values.max()))

    @classmethod
    def of_rates(cls, values: Array) -> Timing:
        """Of the rates of all repeats."""
        return cls(float(np.median(values)), float(values.max()), float(values.min()))


def cell(timing: Timing, digits: int = 1) -> str:
    """A timing, or a rate, in a table: median and range."""
    low, high = sorted((timing.fastest, timing.slowest))
    return f"{timing.median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def take_turns(
    ways: Mapping[Key, Callable[[], float]], repeats: int, step: Callable[[str], None] = lambda words: None
) -> dict[Key, Array]:
    """What each way says of its own time, one after the other in each repeat; the first round warms up and is not counted."""
    found: dict[Key, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        step(f"repeat {repeat} of {repeats}" if repeat else "warming up")
        for name, seconds in ways.items():
            passed = seconds()
            if repeat:
                found[name].append(passed)
    return {name: np.array(values) for name, values in found.items()}


class Child:
    """A process that answers each line with a line of JSON. Raises :class:`programs.ProgramError` when it ends instead."""

    def __init__(self, name: str, command: Sequence[str | Path], threads: int = 1) -> None:
        self._name = name
        self._words = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
        )
        self.facts = self._answer()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line.startswith("{"):
            code = self._process.wait()
            self._words.seek(0)
            words = " ".join((self._words.read() or line).split()) or "no message"
            raise programs.ProgramError(f"{self._name} ended with exit code {code}: {words[:500]}")
        return json.loads(line)

    def ask(self, line: str) -> dict:
        """The answer to ``line``."""
        with contextlib.suppress(BrokenPipeError):  # its last words are better
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        return self._answer()

    def seconds(self, work: str) -> float:
        """Time of a pass."""
        return self.ask(f"run {work}")["seconds"]

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._words.close()


def built_by(path: Path) -> str:
    """The compilers of a program or library, as they left their names in it; empty where they left none."""
    return ", ".join(sorted({found.decode().strip() for found in _COMPILER.findall(path.read_bytes())}))


def machine_facts() -> dict[str, str]:
    """What a timing depends on: processor, cores, system, versions, and what built libradml where it is installed."""
    processor = platform.processor() or platform.machine()
    description = Path("/proc/cpuinfo")
    if description.is_file():
        for line in description.read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    facts = {
        "processor": processor,
        "cores": str(os.cpu_count()),
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "system": platform.platform(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    for library in sorted(programs.prefix().glob("lib*/**/libradml.*")):
        if library.suffix in (".so", ".dylib") and (compiler := built_by(library)):
            facts["compiler"] = compiler
            break
    return facts


def numbers_of(text: str, option: str, what: str = "numbers", example: str = "16,1000") -> list[int]:
    """The numbers of an option, one or more each, separated by commas. Raises :class:`BenchError`."""
    numbers = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if min(numbers) < 1:
        raise BenchError(f"{option} {text}: expected {what}, as in {example}")
    return numbers
