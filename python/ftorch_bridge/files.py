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


def expect_place(*paths: Path | None) -> None:
    """For files that a user names, before any work: raises ``ValueError`` where one of them lies in no folder that is there.

    Also raises what :func:`expect_file` raises. ``None`` is passed over.
    """
    for path in paths:
        if path is None:
            continue
        if not path.parent.is_dir():
            raise ValueError(f"{path}: no such folder: {path.parent}; make it, or name another")
        expect_file(path)


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


@contextmanager
def own_part(path: Path, part: int, *, wait: bool = True) -> Iterator[bool]:
    """Whether this process has the part with this number of what the file ``path`` describes, as one process at a time can.

    Who comes second waits, or is told ``False`` if it is not to ``wait``. A killed process has nothing any more. Threads of one
    process are not told apart, and the process must not open the file meanwhile: closing it lets the part go. Where the file
    system knows no locks, on some clusters, everybody has every part.
    """
    lock, mine = None, True
    try:
        with suppress(OSError):
            lock = os.open(path, os.O_RDWR)
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, part)
            except (BlockingIOError, PermissionError):  # systems differ in which they say
                mine = False
        yield mine
    finally:
        if lock is not None:
            os.close(lock)
