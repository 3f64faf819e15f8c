"""The compiled part of this package: its programs and data files, and how to run a program."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn


class ProgramError(RuntimeError):
    """A program that could not be run or that failed: the message holds its own last words."""


def prefix() -> Path:
    """Folder with ``bin``, ``lib``, ``include`` and ``share`` of the compiled part; RADML_PREFIX overrides it."""
    return Path(os.environ.get("RADML_PREFIX") or Path(__file__).parent / "prefix")


def pkg_config_path() -> Path:
    """Folder of ``radml.pc``, wherever this system's convention puts libraries (``lib``, ``lib64``, ``lib/<triplet>``)."""
    for path in sorted(prefix().glob("lib*/**/pkgconfig/radml.pc")):
        return path.parent
    raise ProgramError(f"{prefix()}: no radml.pc is installed there; install the package again (make) or set RADML_PREFIX")


def data_file(name: str) -> Path:
    """Path of a data file that this package ships, for example ``rrtmg_longwave.nc``.

    Raises :class:`ProgramError`, which names the files that there are.
    """
    folder = prefix() / "share" / "radml" / "data"
    path = folder / name
    if path.is_file():
        return path
    if names := sorted(file.name for file in folder.glob("*") if file.is_file()):
        raise ProgramError(f"{path}: no such data file; there are {', '.join(names)}")
    raise ProgramError(f"{path}: this data file is not installed; install the package again (make) or set RADML_PREFIX")


def program(name: str) -> Path:
    """Path of an installed program, for example ``radml-host``."""
    path = prefix() / "bin" / name
    if not path.is_file():
        raise ProgramError(f"{path}: this program is not installed; install the package again (make) or set RADML_PREFIX")
    return path


def main() -> NoReturn:
    """Become the installed program of the command's own name, with its arguments."""
    name = Path(sys.argv[0]).name
    try:
        path = program(name)
    except ProgramError as error:
        sys.exit(f"{name}: {error}")
    os.execv(path, [str(path), *sys.argv[1:]])


def run(name: str, *arguments: str | Path, threads: int | None = None, cwd: Path | None = None, show: bool = False) -> str:
    """Run an installed program and return what it printed.

    ``threads`` sets OMP_NUM_THREADS; with ``show`` the program writes to the terminal itself and nothing is returned.
    Raises :class:`ProgramError` with the program's message when it fails.
    """
    environment: Mapping[str, str] = os.environ if threads is None else {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command: Sequence[str] = [str(program(name)), *map(str, arguments)]
    done = subprocess.run(
        command,
        env=environment,
        cwd=cwd,
        text=True,
        check=False,
        stdout=None if show else subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if done.returncode != 0:
        words = done.stderr.strip() or (done.stdout or "").strip() or "no message"
        raise ProgramError(f"{name} failed with exit code {done.returncode}: {words}")
    return done.stdout or ""
