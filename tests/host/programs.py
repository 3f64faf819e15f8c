"""How the tests find and run the host's programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = (ROOT / os.environ.get("RADML_BUILD_DIR", "build")).resolve() / "bin"


def run(
    program: str, *arguments: str | Path, folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program of the build in a folder; a program that is not built is a failure, not a reason to skip."""
    path = BIN / program
    assert path.is_file(), f"{path} is not built (RADML_BUILD_DIR says where the build is)"
    return subprocess.run(
        [str(path), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def succeeds(program: str, *arguments: str | Path, folder: Path, environment: dict[str, str] | None = None) -> str:
    """Runs a program that must succeed, and returns what it printed."""
    done = run(program, *arguments, folder=folder, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails(program: str, *arguments: str | Path, folder: Path) -> str:
    """Runs a program that must fail with one line on standard error, and returns that line."""
    done = run(program, *arguments, folder=folder)
    assert done.returncode != 0, done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"{program}: ")
    return lines[0]
