"""The host on several ranks of MPI."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ftorch_bridge.column_file import write
from ftorch_bridge.columns import generate_columns
from host.programs import BIN, succeeds
from test_host_all_sky import export_network
from test_host_moist import MOIST
from test_host_run import read_history, write_case

pytestmark = pytest.mark.skipif(
    shutil.which("mpirun") is None or not (BIN / "radml-host-mpi").is_file(), reason="no MPI: radml-host-mpi is not built"
)
MPIRUN = ["mpirun", "--oversubscribe", *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]


def on_ranks(ranks: int, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [*MPIRUN, "-n", str(ranks), str(BIN / "radml-host-mpi"), "case.nml"]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)


def run_on(ranks: int, folder: Path, **keys: str | float) -> dict[str, np.ndarray]:
    if not (folder / "columns.nc").exists():
        write(generate_columns(17, 30, seed=5), folder / "columns.nc")
    write_case(folder, **{"hours": 12, **MOIST, **keys})
    if ranks == 0:
        succeeds("radml-host", "case.nml", folder=folder)
    else:
        done = on_ranks(ranks, folder)
        assert done.returncode == 0, done.stderr
        assert f"{ranks} ranks of 1 thread" in done.stdout or ranks == 1
    return read_history(folder / "history.nc")


@pytest.mark.parametrize("scheme", ["rrtmg", "network"])
def test_the_number_of_ranks_changes_no_bit(scheme: str, tmp_path: Path) -> None:
    export_network(tmp_path)
    keys = {"scheme": scheme, "model": "all_sky.pt"}
    alone = run_on(0, tmp_path, **keys)
    for ranks in (1, 2, 3):
        shared = run_on(ranks, tmp_path, **keys)
        assert shared.keys() == alone.keys()
        for name, values in alone.items():
            np.testing.assert_array_equal(shared[name], values, err_msg=f"{name} on {ranks} ranks")


def test_a_run_goes_on_with_another_number_of_ranks(tmp_path: Path) -> None:
    whole = run_on(0, tmp_path, hours=24)
    run_on(2, tmp_path, hours=12, restart="restart.nc", restart_interval=36000.0)
    rest = run_on(3, tmp_path, hours=24, start_from="restart.nc")
    assert rest["time"][0] == 10.0
    np.testing.assert_array_equal(rest["temperature_layer"], whole["temperature_layer"][10:])
    np.testing.assert_array_equal(rest["h2o"], whole["h2o"][10:])


def test_what_fails_on_one_rank_is_told_once(tmp_path: Path) -> None:
    columns = generate_columns(17, 30, seed=5)
    columns["cos_zenith"][:] = -0.5
    columns["cos_zenith"][14], columns["solar_irradiance"][14] = 1.0, 9000.0  # warms beyond the range
    write(columns, tmp_path / "columns.nc")
    write_case(tmp_path, sky="all", sunlight="fixed", transfer_coefficient=0.0, surface_heat_capacity=1.0e4)
    done = on_ranks(3, tmp_path)
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("radml-host-mpi: ")]
    assert len([line for line in said if line != "radml-host-mpi: "]) == 1, done.stderr
    assert "column 15" in said[0]
    assert not (tmp_path / "history.nc").exists()


def test_more_ranks_than_columns_are_refused(tmp_path: Path) -> None:
    write(generate_columns(2, 30, seed=5), tmp_path / "columns.nc")
    write_case(tmp_path, **MOIST)
    done = on_ranks(3, tmp_path)
    assert done.returncode != 0
    assert "columns.nc: expected a column or more for each of 3 ranks, got 2" in done.stderr
