"""RRTMG raises no floating-point exception that a host could trap, though it is compiled with -ffast-math."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ftorch_bridge import programs
from ftorch_bridge.column_file import write
from ftorch_bridge.columns import generate_columns
from host_projects import COMPILERS, command

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="traps are set by the GNU C library")
TRAPS = """#define _GNU_SOURCE
#include <fenv.h>
__attribute__((constructor)) static void set_traps(void) { feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW); }
"""
DIVISION = """program division
  real :: x
  read *, x
  print *, 1.0/x
end program division
"""


@pytest.fixture(scope="module")
def trapping(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which any program traps, as one that was built with -ffpe-trap=invalid,zero,overflow."""
    folder = tmp_path_factory.mktemp("traps")
    (folder / "traps.c").write_text(TRAPS)
    command("gcc", "-shared", "-fPIC", "traps.c", "-o", "traps.so", "-lm", cwd=folder)
    environment = os.environ | {"LD_PRELOAD": str(folder / "traps.so"), "OMP_NUM_THREADS": "2"}
    (folder / "division.f90").write_text(DIVISION)
    command(COMPILERS[0], "division.f90", "-o", "division", cwd=folder)
    ended = subprocess.run([folder / "division"], input="0\n", env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode != 0, "nothing traps in this environment"
    return environment


@pytest.mark.parametrize("program", ["radml-rrtmg", "radml-rrtmg-real32"])
@pytest.mark.parametrize(
    "options",
    [
        "--overlap maximum-random",
        "--clear-sky",
        "--overlap analytic",
        "--overlap random --ice-optics streamer --draws 2 --noise",
    ],
)
def test_columns_of_every_kind_go_through_under_traps(
    program: str, options: str, trapping: dict[str, str], tmp_path: Path
) -> None:
    columns = generate_columns(600, 89 if program == "radml-rrtmg" else 47, seed=7)
    columns["pressure_level"][:300, 0] = 0.0  # as models of the IFS have it
    columns["h2o"][:50] = 0.0
    columns["cos_zenith"][50:150] = np.linspace(-1.0, 0.01, 100)
    write(columns, tmp_path / "columns.nc")
    tables = [
        "--tables", programs.data_file("rrtmg_longwave.nc"), "--shortwave-tables", programs.data_file("rrtmg_shortwave.nc"),
    ]  # fmt: skip
    arguments = [programs.program(program), tmp_path / "columns.nc", tmp_path / "fluxes.nc", *tables, *options.split()]
    done = subprocess.run(arguments, env=trapping, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
