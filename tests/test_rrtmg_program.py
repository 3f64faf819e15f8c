"""``radml-rrtmg`` against AER's own RRTMG on the project's generated columns and on real ones."""

import subprocess
import sys

import numpy as np
import pytest
from ftorch_bridge import original_rrtmg, programs
from ftorch_bridge.column_file import read_columns, read_fluxes, write
from ftorch_bridge.columns import generate_columns, read_ecrad
from rrtmg_clouds import STREAMER, oracle
from test_columns import IFS_FILE

pytestmark = pytest.mark.skipif(
    not original_rrtmg.available(), reason="the oracle is AER's RRTMG in the wheel climt; pip install climt==0.31.0"
)


def check_against_oracle(columns, folder):
    write(columns, folder / "columns.nc")
    programs.run("radml-rrtmg", folder / "columns.nc", folder / "fluxes.nc", "--clear-sky")
    ours = read_fluxes(folder / "fluxes.nc")
    columns = read_columns(folder / "columns.nc")
    np.savez(folder / "columns.npz", **{str(name): columns[name].to_numpy() for name in columns.data_vars})
    # In a child process: a Fortran STOP in the wheel ends Python with exit code 0.
    command = [sys.executable, "-m", "ftorch_bridge.original_rrtmg", "fluxes", folder / "columns.npz", folder / "oracle.npz"]
    subprocess.run(command, check=True, capture_output=True)
    assert (folder / "oracle.npz").is_file(), "the oracle stopped"
    with np.load(folder / "oracle.npz") as theirs:
        for name, their_name, limit in (
            ("lw_up", "up", 0.02), ("lw_down", "down", 0.02), ("lw_heating_rate", "heating_rate", 0.03),
        ):  # fmt: skip
            difference = np.abs(ours[name].to_numpy() - theirs[their_name]).max()
            print(name, difference)
            assert difference < limit, name


def test_generated_columns_get_the_originals_fluxes(tmp_path):
    check_against_oracle(generate_columns(400, seed=31), tmp_path)


def test_columns_on_other_grids_get_the_originals_fluxes(tmp_path):
    check_against_oracle(generate_columns(100, 137, seed=32, top_pressure=1.0), tmp_path)


@pytest.mark.skipif(not IFS_FILE.is_file(), reason="no IFS columns here; set RADML_IFS_FILE to a file in ecRad's input format")
def test_real_ifs_columns_get_the_originals_fluxes(tmp_path):
    columns = read_ecrad(IFS_FILE)
    # The original divides by the pressure of every level in its logarithms; the top of the IFS lies at zero.
    columns["pressure_level"][:, 0] = np.maximum(columns["pressure_level"][:, 0], 1e-3)
    check_against_oracle(columns, tmp_path)


@pytest.mark.skipif(not IFS_FILE.is_file(), reason="no IFS columns here; set RADML_IFS_FILE to a file in ecRad's input format")
def test_real_ifs_clouds_get_the_originals_fluxes(tmp_path):
    columns = read_ecrad(IFS_FILE)
    columns["pressure_level"][:, 0] = np.maximum(columns["pressure_level"][:, 0], 1e-3)
    write(columns, tmp_path / "columns.nc")
    columns = read_columns(tmp_path / "columns.nc")
    found = {str(name): columns[name].to_numpy() for name in columns.data_vars}
    assert (found["cloud_fraction"] > 0).any()
    theirs = oracle(found, tmp_path, ice=STREAMER)
    options = ("--overlap", "analytic", "--ice-optics", "streamer")
    programs.run("radml-rrtmg", tmp_path / "columns.nc", tmp_path / "fluxes.nc", *options)
    ours = read_fluxes(tmp_path / "fluxes.nc")
    for name in ("up", "down", "up_clear", "down_clear"):
        assert np.abs(ours[f"lw_{name}"].to_numpy() - theirs[name]).max() < 0.02, name
    assert np.abs(ours["lw_heating_rate"].to_numpy() - theirs["heating_rate"]).max() < 0.03
    # The same ice in Fu's optics, whose tables end before the largest crystals of the IFS.
    with pytest.raises(programs.ProgramError, match=r"ice_radius of column .*Streamer's ice optics reach 1.310E-04"):
        programs.run("radml-rrtmg", tmp_path / "columns.nc", tmp_path / "fu.nc")
