"""How the tests build hosts: with CMake or a Makefile, against a libradml that is installed or lies in a build folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("RADML_BUILD_DIR", ROOT / "build")).resolve()
COMPILERS = [name for name in ("gfortran", "flang-new-19") if shutil.which(name)]


def command(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """What a command printed; it must succeed."""
    result = subprocess.run(
        list(arguments),
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | environment,
    )
    assert result.returncode == 0, f"{' '.join(map(str, arguments))}\n{result.stdout}{result.stderr}"
    return result.stdout


def configure(source: Path, build: Path, *options: str) -> str:
    return command("cmake", "-S", source, "-B", build, "-G", "Ninja", f"-DPython_EXECUTABLE={sys.executable}", *options)
