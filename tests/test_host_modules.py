"""Runs the Fortran test programs of the host's modules."""

from pathlib import Path

import pytest
from host.programs import run


@pytest.mark.parametrize(
    "program", ["test_convection", "test_moist_physics", "test_surface", "test_sun", "test_temperature_levels"]
)
def test_every_expectation_of_the_fortran_test_holds(program: str, tmp_path: Path) -> None:
    done = run(f"tests/{program}", folder=tmp_path)
    assert done.returncode == 0, done.stderr
