"""The Fortran programs that the tests of RRTMG drive: columns written for them, and how they are run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from host_projects import BUILD

BIN = BUILD / "bin"
Columns = dict[str, np.ndarray]


def write_columns(path: Path, c: Columns, arrays: Sequence[str], optional: Sequence[str]) -> None:
    """Numbers of columns and layers, whether the optional arrays follow, and the arrays in Fortran's order."""
    given = optional if optional[0] in c else ()
    with path.open("wb") as file:
        np.array([*c["pressure_layer"].shape, len(given) > 0], dtype=np.int32).tofile(file)
        for name in (*arrays, *given):
            np.asarray(c[name], dtype=np.float64).ravel(order="F").tofile(file)


suffixes = [""]


@contextmanager
def programs(suffix: str) -> Iterator[None]:
    """Run the programs of that ending, "_real32" for those on the library that computes in real32, with traps set."""
    suffixes.append(suffix)
    try:
        yield
    finally:
        suffixes.pop()


def run_driver(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = BIN / f"{name}{suffixes[-1]}"
    assert program.exists(), f"{program} is not built; run make"
    environment = os.environ | ({"RRTMG_TRAPS": "1"} if len(suffixes) > 1 else {})
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, env=environment)
