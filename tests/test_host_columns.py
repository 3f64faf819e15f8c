"""The column file as the Fortran host reads and writes it, and `radml-rrtmg` over it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from host.columns import make_columns, write_columns
from host.programs import BIN, fails, run, succeeds

Columns = dict[str, np.ndarray]


def test_columns_that_are_read_and_written_are_the_same(tmp_path: Path) -> None:
    columns = make_columns()
    columns["cfc11"] = np.full_like(columns["h2o"], 2.3e-10)
    columns["latitude"] = np.linspace(-60.0, 60.0, columns["h2o"].shape[0])
    write_columns(tmp_path / "from.nc", columns)
    succeeds("tests/copy_columns", "from.nc", "to.nc", folder=tmp_path)
    with netCDF4.Dataset(tmp_path / "from.nc") as old, netCDF4.Dataset(tmp_path / "to.nc") as new:
        assert set(old.variables) == set(new.variables)
        for name, variable in old.variables.items():
            assert new[name].dimensions == variable.dimensions
            assert new[name].units == variable.units
            np.testing.assert_array_equal(new[name][:], variable[:], err_msg=name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from.nc", "to.nc"]


def _without(name: str) -> Callable[[Columns], None]:
    return lambda columns: columns.__delitem__(name)


def _with(name: str, index: tuple[int, ...], value: float) -> Callable[[Columns], None]:
    return lambda columns: columns[name].__setitem__(index, value)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_without("o3"), ['"o3"', "not there"]),
        (_without("surface_emissivity"), ['"surface_emissivity"', "not there"]),
        (_with("h2o", (2, 7), np.nan), ['"h2o"', "NaN", "column 3", "layer 8"]),
        (_with("temperature_level", (0, 0), np.inf), ['"temperature_level"', "infinity", "column 1", "level 1"]),
        (_with("surface_temperature", (1,), 9.96921e36), ['"surface_temperature"', "fill value", "column 2"]),
        (_with("temperature_layer", (1, 2), 12.0), ['"temperature_layer"', "50 to 500 K", "12", "column 2", "layer 3"]),
        (_with("co2", (0, 4), 420.0), ['"co2"', "0 to 1 mol mol-1", "420"]),
        (_with("surface_emissivity", (3,), 1.5), ['"surface_emissivity"', "0 to 1", "1.5", "column 4"]),
        (_with("pressure_layer", (0, 10), 99000.0), ['"pressure_layer"', "between the levels", "column 1", "layer 11"]),
    ],
)
def test_a_bad_variable_is_named(spoil: Callable[[Columns], None], words: list[str], tmp_path: Path) -> None:
    columns = make_columns()
    spoil(columns)
    write_columns(tmp_path / "bad.nc", columns)
    line = fails("radml-rrtmg", "bad.nc", "fluxes.nc", folder=tmp_path)
    for word in ["bad.nc", *words]:
        assert word in line
    assert not (tmp_path / "fluxes.nc").exists()


def test_columns_that_run_from_the_ground_up_are_refused(tmp_path: Path) -> None:
    columns = {name: values[:, ::-1] if values.ndim == 2 else values for name, values in make_columns().items()}
    write_columns(tmp_path / "bad.nc", columns)
    line = fails("radml-rrtmg", "bad.nc", "fluxes.nc", folder=tmp_path)
    assert 'bad.nc: variable "pressure_level": expected to grow from the top of the atmosphere down' in line


def test_wrong_units_are_refused(tmp_path: Path) -> None:
    write_columns(tmp_path / "bad.nc", make_columns(), units={"pressure_level": "hPa"})
    line = fails("radml-rrtmg", "bad.nc", "fluxes.nc", folder=tmp_path)
    assert 'bad.nc: variable "pressure_level": expected units "Pa", got "hPa"' in line


def test_wrong_dimensions_are_refused(tmp_path: Path) -> None:
    columns = make_columns()
    columns["o3"] = columns["o3"].T
    write_columns(tmp_path / "bad.nc", columns, dimensions={"o3": ("layer", "column")})
    line = fails("radml-rrtmg", "bad.nc", "fluxes.nc", folder=tmp_path)
    assert 'bad.nc: variable "o3": expected dimensions (column, layer), got (layer, column)' in line


def test_as_many_levels_as_layers_are_refused(tmp_path: Path) -> None:
    columns = make_columns()
    for name in ("pressure_level", "temperature_level"):
        columns[name] = columns[name][:, 1:]
    write_columns(tmp_path / "bad.nc", columns)
    line = fails("radml-rrtmg", "bad.nc", "fluxes.nc", folder=tmp_path)
    assert "bad.nc: expected one level more than layers (30), got 30" in line


def test_packed_numbers_are_refused(tmp_path: Path) -> None:
    write_columns(tmp_path / "bad.nc", make_columns())
    with netCDF4.Dataset(tmp_path / "bad.nc", "a") as file:
        file["h2o"].scale_factor = 0.001
    assert 'variable "h2o": expected plain numbers' in fails("radml-rrtmg", "bad.nc", "fluxes.nc", folder=tmp_path)


def test_a_file_without_columns_is_refused(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "bad.nc", "w") as file:
        file.createDimension("x", 3)
    assert 'bad.nc: no dimension "level"' in fails("radml-rrtmg", "bad.nc", "fluxes.nc", folder=tmp_path)


def test_a_file_that_is_no_netcdf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.nc").write_text("columns\n")
    assert "bad.nc: is no NetCDF file" in fails("radml-rrtmg", "bad.nc", "fluxes.nc", folder=tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "gone.nc: no such file" in fails("radml-rrtmg", "gone.nc", "fluxes.nc", folder=tmp_path)


@pytest.mark.parametrize("arguments", [[], ["one.nc"], ["one.nc", "two.nc", "three.nc"]])
def test_another_number_of_files_gives_the_usage(arguments: list[str], tmp_path: Path) -> None:
    line = fails("radml-rrtmg", *arguments, folder=tmp_path)
    assert f"expected two files, got {len(arguments)}" in line
    assert "usage: radml-rrtmg columns.nc fluxes.nc" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--table", "x"], 'unknown option "--table"'),
        (["--tables"], 'option "--tables" needs a value'),
        (["--columns-per-block", "0"], 'option "--columns-per-block": expected a whole number above 0, got "0"'),
        (["--columns-per-block=many"], 'option "--columns-per-block": expected a whole number above 0, got "many"'),
    ],
)
def test_a_bad_option_is_named(arguments: list[str], words: str, tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns())
    assert words in fails("radml-rrtmg", "columns.nc", "fluxes.nc", *arguments, folder=tmp_path)


def test_help_is_no_failure(tmp_path: Path) -> None:
    assert succeeds("radml-rrtmg", "--help", folder=tmp_path).startswith("usage: radml-rrtmg")


def test_missing_tables_are_named(tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns())
    line = fails("radml-rrtmg", "columns.nc", "fluxes.nc", "--tables", "gone.nc", folder=tmp_path)
    assert "gone.nc" in line


def test_the_environment_says_where_the_tables_are(tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns())
    done = run("radml-rrtmg", "columns.nc", "fluxes.nc", folder=tmp_path, environment={"RADML_DATA": str(tmp_path)})
    assert done.returncode != 0
    assert str(tmp_path / "rrtmg_longwave.nc") in done.stderr


def test_an_installed_program_takes_the_tables_beside_it(tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns())
    tables = tmp_path / "share" / "radml" / "data" / "rrtmg_longwave.nc"
    tables.parent.mkdir(parents=True)
    tables.write_text("not the tables\n")
    (tmp_path / "bin").mkdir()
    shutil.copy(BIN / "radml-rrtmg", tmp_path / "bin")
    without_data = {name: value for name, value in os.environ.items() if name != "RADML_DATA"}
    done = subprocess.run(
        [tmp_path / "bin" / "radml-rrtmg", "columns.nc", "fluxes.nc"],
        cwd=tmp_path,
        env=without_data,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "share/radml/data/rrtmg_longwave.nc" in done.stderr
    assert str(tmp_path) in done.stderr


def test_a_folder_that_is_not_there_is_no_place_for_fluxes(tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns())
    assert "gone/fluxes.nc: cannot be created" in fails("radml-rrtmg", "columns.nc", "gone/fluxes.nc", folder=tmp_path)


def test_a_device_is_no_place_for_fluxes(tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns())
    for device in ("/dev/null", "/dev/full"):
        line = fails("radml-rrtmg", "columns.nc", device, folder=tmp_path)
        assert f"{device}: expected a file to write, got a device" in line
        assert Path(device).is_char_device()


def test_files_in_memory_are_files(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        pytest.skip("there is no /dev/shm to write into")
    write_columns(tmp_path / "columns.nc", make_columns())
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        for _ in range(2):  # new, and over an old one
            succeeds("radml-rrtmg", "columns.nc", f"{folder}/fluxes.nc", folder=tmp_path)


def _fluxes(path: Path) -> dict[str, np.ndarray]:
    with netCDF4.Dataset(path) as file:
        return {name: np.asarray(file[name][:]) for name in ("lw_up", "lw_down", "lw_heating_rate")}


def test_fluxes_are_those_of_an_atmosphere(tmp_path: Path) -> None:
    columns = make_columns()
    write_columns(tmp_path / "columns.nc", columns)
    succeeds("radml-rrtmg", "columns.nc", "fluxes.nc", folder=tmp_path)
    fluxes = _fluxes(tmp_path / "fluxes.nc")
    with netCDF4.Dataset(tmp_path / "fluxes.nc") as file:
        assert file["lw_up"].dimensions == ("column", "level")
        assert file["lw_heating_rate"].dimensions == ("column", "layer")
        assert file["lw_up"].standard_name == "upwelling_longwave_flux_in_air"
        assert file["lw_heating_rate"].units == "K day-1"
    np.testing.assert_allclose(fluxes["lw_down"][:, 0], 0.0, atol=1e-12)
    emitted = 5.670374419e-8 * columns["surface_temperature"] ** 4
    expected = columns["surface_emissivity"] * emitted + (1.0 - columns["surface_emissivity"]) * fluxes["lw_down"][:, -1]
    np.testing.assert_allclose(fluxes["lw_up"][:, -1], expected, rtol=2e-3)
    # A warm, moist tropical column lets out 240 to 320 W m-2; Earth's mean is 240, and a cold dry one less than that.
    assert 240.0 < fluxes["lw_up"][0, 0] < 320.0
    assert 130.0 < fluxes["lw_up"][-1, 0] < 240.0
    # Heating is what the fluxes leave behind, with the gravity and heat capacity of the original RRTMG.
    net = fluxes["lw_up"] - fluxes["lw_down"]
    absorbed = 86400.0 * 9.8066 / 1004.64 * np.diff(net, axis=1) / np.diff(columns["pressure_level"], axis=1)
    np.testing.assert_allclose(fluxes["lw_heating_rate"], absorbed, rtol=1e-5, atol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["columns.nc", "fluxes.nc"]


def test_clouds_are_left_out_where_asked_and_the_file_says_so(tmp_path: Path) -> None:
    columns = make_columns()
    write_columns(tmp_path / "clear.nc", columns)
    columns["cloud_fraction"] = np.full_like(columns["h2o"], 0.5)
    write_columns(tmp_path / "cloudy.nc", columns)
    for name in ("clear", "cloudy"):
        succeeds("radml-rrtmg", f"{name}.nc", f"{name}_fluxes.nc", "--clear-sky", folder=tmp_path)
    with netCDF4.Dataset(tmp_path / "cloudy_fluxes.nc") as file:
        assert "clouds of the columns were left out" in file.comment
        assert file["lw_up"].standard_name == "upwelling_longwave_flux_in_air_assuming_clear_sky"
    np.testing.assert_array_equal(
        _fluxes(tmp_path / "clear_fluxes.nc")["lw_up"], _fluxes(tmp_path / "cloudy_fluxes.nc")["lw_up"]
    )


def test_cfcs_of_the_file_are_used(tmp_path: Path) -> None:
    columns = make_columns()
    write_columns(tmp_path / "without.nc", columns)
    columns["cfc11"] = np.full_like(columns["h2o"], 0.0)
    write_columns(tmp_path / "zero.nc", columns)
    columns["cfc11"] = np.full_like(columns["h2o"], 5.0e-9)
    write_columns(tmp_path / "with.nc", columns)
    for name in ("without", "zero", "with"):
        succeeds("radml-rrtmg", f"{name}.nc", f"{name}_fluxes.nc", folder=tmp_path)
    without, zero, with_cfc = (_fluxes(tmp_path / f"{name}_fluxes.nc")["lw_up"][:, 0] for name in ("without", "zero", "with"))
    np.testing.assert_array_equal(without, zero)
    assert (with_cfc < without).all()


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_block_size_does_not_change_a_bit(size: int, tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns(n_columns=23))
    succeeds("radml-rrtmg", "columns.nc", "standard.nc", folder=tmp_path)
    succeeds("radml-rrtmg", "columns.nc", "blocks.nc", "--columns-per-block", str(size), folder=tmp_path)
    standard, blocks = _fluxes(tmp_path / "standard.nc"), _fluxes(tmp_path / "blocks.nc")
    for name, values in standard.items():
        np.testing.assert_array_equal(blocks[name], values, err_msg=name)


def test_the_number_of_threads_does_not_change_a_bit(tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns(n_columns=50))
    for threads in ("1", "3"):
        succeeds(
            "radml-rrtmg",
            "columns.nc",
            f"{threads}.nc",
            "--columns-per-block",
            "2",
            folder=tmp_path,
            environment={"OMP_NUM_THREADS": threads},
        )
    one, three = _fluxes(tmp_path / "1.nc"), _fluxes(tmp_path / "3.nc")
    for name, values in one.items():
        np.testing.assert_array_equal(three[name], values, err_msg=name)
