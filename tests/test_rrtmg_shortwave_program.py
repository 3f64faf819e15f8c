"""The shortwave of ``radml-rrtmg`` against AER's own on generated and on real columns, and what a file without sun gets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from ftorch_bridge import original_rrtmg_shortwave, programs
from ftorch_bridge.column_file import read_columns, read_fluxes, write
from ftorch_bridge.columns import generate_columns, read_ecrad
from ftorch_bridge.original_rrtmg_shortwave import ALBEDOS
from test_columns import IFS_FILE
from test_rrtmg_shortwave import check_agreement

needs_oracle = pytest.mark.skipif(
    not original_rrtmg_shortwave.available(), reason="the oracle is AER's RRTMG in the wheel climt; pip install climt==0.31.0"
)
SHORTWAVE = ("sw_up", "sw_down", "sw_direct", "sw_heating_rate")


def sunny_columns(count: int, layers: int = 89, *, seed: int) -> xr.Dataset:
    """Generated columns, a quarter of them at night."""
    columns = generate_columns(count, layers, seed=seed, clear_sky=True)
    columns["cos_zenith"] = ("column", np.random.default_rng(seed).permutation(np.linspace(-0.33, 1.0, count)))
    columns["solar_irradiance"] = ("column", np.full(count, 1400.0))
    return columns


def check_against_oracle(columns: xr.Dataset, folder: Path) -> None:
    write(columns, folder / "columns.nc")
    programs.run("radml-rrtmg", folder / "columns.nc", folder / "fluxes.nc")
    ours = read_fluxes(folder / "fluxes.nc")
    columns = read_columns(folder / "columns.nc")
    day = columns["cos_zenith"].to_numpy() > 0
    assert day.any()
    for name in SHORTWAVE:
        assert (ours[name].to_numpy()[~day] == 0).all(), name
    values = {str(name): columns[name].to_numpy()[day] for name in columns.data_vars}
    values |= {name: values["surface_albedo"] for name in ALBEDOS}
    np.savez(folder / "columns.npz", **values)
    # In a child process: a Fortran STOP in the wheel ends Python with exit code 0.
    command = [
        sys.executable,
        "-m",
        "ftorch_bridge.original_rrtmg_shortwave",
        "fluxes",
        folder / "columns.npz",
        folder / "oracle.npz",
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert (folder / "oracle.npz").is_file(), "the oracle stopped"
    with np.load(folder / "oracle.npz") as theirs:
        mine = {name.removeprefix("sw_"): ours[name].to_numpy()[day] for name in SHORTWAVE}
        check_agreement(mine, dict(theirs))


@needs_oracle
def test_generated_columns_get_the_originals_fluxes(tmp_path: Path) -> None:
    check_against_oracle(sunny_columns(400, seed=31), tmp_path)


@needs_oracle
def test_columns_on_other_grids_get_the_originals_fluxes(tmp_path: Path) -> None:
    check_against_oracle(sunny_columns(100, 137, seed=32), tmp_path)


@needs_oracle
@pytest.mark.skipif(not IFS_FILE.is_file(), reason="no IFS columns here; set RADML_IFS_FILE to a file in ecRad's input format")
def test_real_ifs_columns_get_the_originals_fluxes(tmp_path: Path) -> None:
    columns = read_ecrad(IFS_FILE).drop_vars("cloud_fraction")  # clear sky
    assert "cos_zenith" in columns
    # The original divides by the pressure of every level in its logarithms; the top of the IFS lies at zero.
    columns["pressure_level"][:, 0] = np.maximum(columns["pressure_level"][:, 0], 1e-3)
    check_against_oracle(columns, tmp_path)


def test_a_file_has_the_shortwave_if_it_has_a_sun_and_says_what_it_lacks_if_not(tmp_path: Path) -> None:
    columns = sunny_columns(20, 30, seed=1)
    write(columns, tmp_path / "columns.nc")
    said = programs.run("radml-rrtmg", tmp_path / "columns.nc", tmp_path / "fluxes.nc")
    assert "longwave alone" not in said
    with netCDF4.Dataset(tmp_path / "fluxes.nc") as file:
        assert file["sw_up"].dimensions == ("column", "level")
        assert file["sw_up"].standard_name == "upwelling_shortwave_flux_in_air"
        assert file["sw_down"].units == file["sw_direct"].units == "W m-2"
        assert file["sw_heating_rate"].standard_name == "tendency_of_air_temperature_due_to_shortwave_heating"
        assert file["lw_up"].standard_name == "upwelling_longwave_flux_in_air"
    for lacking in ("cos_zenith", "surface_albedo"):
        write(columns.drop_vars(lacking), tmp_path / "dark.nc")
        said = programs.run("radml-rrtmg", tmp_path / "dark.nc", tmp_path / "dark_fluxes.nc")
        assert said.rstrip().endswith(f"(longwave alone: the columns have no {lacking})")
        assert not set(SHORTWAVE) & set(read_fluxes(tmp_path / "dark_fluxes.nc").data_vars)
    write(columns.drop_vars("solar_irradiance"), tmp_path / "mean.nc")
    programs.run("radml-rrtmg", tmp_path / "mean.nc", tmp_path / "mean_fluxes.nc")
    mean, given = (read_fluxes(tmp_path / f"{name}.nc")["sw_down"].to_numpy() for name in ("mean_fluxes", "fluxes"))
    assert np.allclose(mean, given * 1361 / 1400, rtol=1e-12)


@pytest.mark.parametrize("size", [1, 7])
def test_block_size_does_not_change_a_bit(size: int, tmp_path: Path) -> None:
    write(sunny_columns(23, 30, seed=2), tmp_path / "columns.nc")
    programs.run("radml-rrtmg", tmp_path / "columns.nc", tmp_path / "standard.nc", threads=1)
    programs.run("radml-rrtmg", tmp_path / "columns.nc", tmp_path / "blocks.nc", "--columns-per-block", str(size), threads=3)
    standard, blocks = read_fluxes(tmp_path / "standard.nc"), read_fluxes(tmp_path / "blocks.nc")
    for name in SHORTWAVE:
        np.testing.assert_array_equal(blocks[name], standard[name], err_msg=name)


def test_missing_and_wrong_shortwave_tables_are_named(tmp_path: Path) -> None:
    write(sunny_columns(2, 20, seed=3), tmp_path / "columns.nc")
    for tables, words in ((tmp_path / "gone.nc", "no such file"), (tmp_path / "columns.nc", "not RRTMG's shortwave tables")):
        with pytest.raises(programs.ProgramError, match=words):
            programs.run("radml-rrtmg", tmp_path / "columns.nc", tmp_path / "fluxes.nc", "--shortwave-tables", tables)
        assert not (tmp_path / "fluxes.nc").exists()
