"""What the dynamic loader would load for a program, and which library each symbol would come from, without running it."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_LIBRARY = re.compile(r"^\s+(?P<name>\S+) => (?P<path>.+?)(?: \(0x[0-9a-f]+\))?$")
_LIBRARY_BY_PATH = re.compile(r"^\s+(?P<path>/.+?) \(0x[0-9a-f]+\)$")
_BINDING = re.compile(r"binding file (?P<user>.+?) \[\d+\] to (?P<giver>.+?) \[\d+\]: \w+ symbol `(?P<symbol>[^']+)'")
_PROGRAM_INTERPRETER = 3


class LoaderError(RuntimeError):
    """A program that the dynamic loader cannot be asked about."""


@dataclass(frozen=True)
class Loaded:
    """Libraries in the order in which symbols are looked for in them."""

    program: Path
    libraries: dict[str, Path | None]
    """By name; None where the loader finds none."""
    bindings: dict[tuple[str, str], str] = field(default_factory=dict)
    """By file and symbol it uses, the file that the symbol comes from."""
    complaints: tuple[str, ...] = ()
    """What the loader itself says is wrong."""

    def file(self, pattern: str) -> Path | None:
        """The first library whose name fits the pattern."""
        return next((path for name, path in self.libraries.items() if re.search(pattern, name)), None)


def interpreter(path: Path) -> str | None:
    """The dynamic loader that the program names; None for what is no dynamically linked ELF program."""
    with path.open("rb") as file:
        head = file.read(64)
        if len(head) < 64 or head[:5] != b"\x7fELF\x02":
            return None
        order = "<" if head[5] == 1 else ">"
        table, size, count = (
            struct.unpack_from(f"{order}{kind}", head, at)[0] for kind, at in (("Q", 32), ("H", 54), ("H", 56))
        )
        file.seek(table)
        headers = file.read(size * count)
        for i in range(count):
            kind, _, offset, _, _, length = struct.unpack_from(f"{order}IIQQQQ", headers, i * size)
            if kind == _PROGRAM_INTERPRETER:
                file.seek(offset)
                return os.fsdecode(file.read(length).rstrip(b"\0"))
    return None


def loaded_libraries(process: int | str = "self") -> list[str]:
    """Files of the shared libraries in a running process; none where the system does not tell. OSError: no such process."""
    if not Path("/proc/self/maps").is_file():
        return []
    lines = Path(f"/proc/{process}/maps").read_text().splitlines()
    fields = (line.split(maxsplit=5) for line in lines)
    return sorted({f[5] for f in fields if len(f) == 6 and ".so" in Path(f[5]).name})


def trace(path: Path, wanted: Callable[[str, str], bool] | None = None, *, library: bool = False) -> Loaded:
    """Ask the dynamic loader what it would load for ``path``, a program, or with ``library`` a shared library.

    Bindings of those files and symbols are kept for which ``wanted(file, symbol)`` holds. Nothing of the program is run.
    Raises :class:`LoaderError`, with what to do, for a program that cannot be asked about.
    """
    if not sys.platform.startswith("linux"):
        raise LoaderError(f"the libraries of a program can be looked at on Linux only, this is {sys.platform}")
    if not path.is_file():
        raise LoaderError(f"{path}: no such file")
    loader = interpreter(Path(sys.executable).resolve() if library else path)
    if loader is None:
        raise LoaderError(
            f"{path}: not a dynamically linked program of 64 bits (a script that starts one?); name the program itself"
        )
    with tempfile.TemporaryDirectory() as folder:
        # With these the loader binds every symbol, writes what it bound, and stops before the program's first instruction.
        settings = {"LD_TRACE_LOADED_OBJECTS": "1", "LD_WARN": "yes", "LD_BIND_NOW": "yes"}
        notes = {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": f"{folder}/bindings"} if wanted else {}
        done = subprocess.run(
            [loader, path.resolve()], env={**os.environ, **settings, **notes}, text=True, capture_output=True, check=False
        )
        libraries: dict[str, Path | None] = {}
        for line in done.stdout.splitlines():
            if found := _LIBRARY.match(line):
                libraries[found["name"]] = None if found["path"] == "not found" else Path(found["path"])
            elif found := _LIBRARY_BY_PATH.match(line):  # linked by its path, or the loader itself
                libraries[Path(found["path"]).name] = Path(found["path"])
        bindings: dict[tuple[str, str], str] = {}
        for written in Path(folder).iterdir():
            with written.open(errors="replace") as lines:
                for line in lines:
                    found = _BINDING.search(line)
                    if found and wanted and wanted(found["user"], found["symbol"]):
                        bindings[found["user"], found["symbol"]] = found["giver"]
    said = [
        *done.stderr.splitlines(),
        *(line for line in done.stdout.splitlines() if re.search("undefined symbol|version .* not", line)),
    ]
    complaints = tuple(dict.fromkeys(line.strip() for line in said if line.strip()))
    if not libraries and not complaints:
        raise LoaderError(f"{path}: the loader {loader} names no libraries (exit code {done.returncode})")
    return Loaded(path, libraries, bindings, complaints)
