"""A disk that is full in the middle of a file: one clear line, and nothing is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from host.columns import make_columns, write_columns
from host.programs import BIN

# NetCDF's library writes by this call; there is room for some kilobytes.
FULL_DISK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/types.h>

enum { room = 20000 };

ssize_t pwrite64(int file, const void *data, size_t count, off_t offset)
{
  ssize_t (*next)(int, const void *, size_t, off_t);
  *(void **)&next = dlsym(RTLD_NEXT, "pwrite64");
  if (offset + (off_t)count > room) {
    errno = ENOSPC;
    return -1;
  }
  return next(file, data, count, offset);
}

ssize_t pwrite(int file, const void *data, size_t count, off_t offset) { return pwrite64(file, data, count, offset); }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes the disk full for a program that it is loaded before."""
    if sys.platform != "linux":
        pytest.skip("the full disk is made with LD_PRELOAD, which is Linux's")
    folder = tmp_path_factory.mktemp("full_disk")
    (folder / "full_disk.c").write_text(FULL_DISK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "full_disk.so", "full_disk.c", "-ldl"], cwd=folder, check=True)
    return folder / "full_disk.so"


def fails_without_room(library: Path, folder: Path, *command: str | Path) -> str:
    """The one line that a command says which finds no room for what it writes."""
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    arguments = [*map(str, command)]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert done.returncode > 0, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_program_of_the_host(library: Path, tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns(64))
    line = fails_without_room(library, tmp_path, BIN / "radml-rrtmg", "columns.nc", "fluxes.nc")
    assert line.startswith("radml-rrtmg: fluxes.nc: ")
    assert "is the disk full?" in line
    assert [path.name for path in tmp_path.iterdir()] == ["columns.nc"]


@pytest.mark.parametrize("command", ["columns", "dataset"])
def test_a_command(library: Path, tmp_path: Path, command: str) -> None:
    arguments = {"columns": ["--number", "512", "-o", "columns.nc"], "dataset": ["set", "--number", "512"]}[command]
    line = fails_without_room(library, tmp_path, sys.executable, "-m", "ftorch_bridge.cli.train", command, *arguments)
    assert line.startswith(f"ftorch-train {command}: ")
    assert "cannot be written; is there room, and permission?" in line
    assert not [path for path in tmp_path.rglob("*.nc")]
