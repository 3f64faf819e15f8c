"""Files that are either whole or not there, and made by one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def expect_file(path: Path) -> None:
    """Raises ``ValueError`` where ``path`` is there and no file, a device for example: renaming to it would replace it."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: expected a file to write, got a {'folder' if path.is_dir() else 'device'}")


def damage_of(path: Path) -> str:
    """What ails a file that cannot be read as an archive, and what to do; empty where it never was one."""
    with path.open("rb") as file:
        start = file.read(2)
    if not start:
        return "is empty; copy it again"
    return "is cut off or damaged; copy it again" if start == b"PK" else ""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name in the folder of ``path`` to write to; renamed to ``path`` on success, removed on failure.

    Missing folders are made. The temporary name keeps the suffix, by which some writers choose the format. Raises what
    :func:`expect_file` raises.
    """
    expect_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """``value`` as a JSON file."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process of a machine at a time is in such a block for ``folder``, which is made if it is missing; others wait.

    Where the file system knows no locks, on some clusters, nothing waits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
