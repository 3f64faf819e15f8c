"""Columns: the generator, the column file, and ecRad's input format."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ftorch_bridge.column_file import ColumnFileError, read_columns, read_fluxes, write
from ftorch_bridge.columns import GRAVITY, generate_columns, hybrid_levels, read_ecrad, saturation_vapour_pressure
from hypothesis import given, settings
from hypothesis import strategies as st

IFS_FILE = Path(os.environ.get("RADML_IFS_FILE", Path(__file__).parents[2] / "shared" / "data" / "ifs_meridian.nc"))


def test_the_same_seed_gives_the_same_columns_and_another_seed_gives_others():
    first, second, third = (generate_columns(5, seed=seed) for seed in (3, 3, 4))
    xr.testing.assert_identical(first, second)
    assert not np.allclose(first["temperature_layer"], third["temperature_layer"])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), layers=st.integers(10, 150), top=st.sampled_from([0.0, 1.0, 10.0, 1000.0]))
def test_generated_columns_are_physical_on_any_grid(seed, layers, top):
    columns = generate_columns(20, layers, seed=seed, top_pressure=top)
    pressure = columns["pressure_level"].to_numpy()
    assert (np.diff(pressure, axis=1) > 0).all()
    assert (pressure[:, 0] == top).all()
    assert (columns["temperature_layer"] >= 160).all()
    assert (columns["temperature_layer"] <= 335).all()
    for gas in ("h2o", "o3", "co2", "ch4", "n2o", "o2"):
        assert (columns[gas] > 0).all()
    vapour = columns["h2o"] / (1 + columns["h2o"]) * columns["pressure_layer"]
    troposphere = columns["pressure_layer"].to_numpy() > 40000
    saturation = saturation_vapour_pressure(columns["temperature_layer"].to_numpy())
    assert (vapour.to_numpy()[troposphere] <= saturation[troposphere] * 1.0001).all()


def test_generated_columns_reach_from_the_tropics_to_the_polar_night():
    columns = generate_columns(500, seed=0)
    surface = columns["surface_temperature"].to_numpy()
    assert surface.min() < 235
    assert surface.max() > 305
    difference = surface - columns["temperature_level"].to_numpy()[:, -1]
    assert difference.min() < -8
    assert difference.max() > 15
    co2 = columns["co2"].to_numpy()[:, -1]
    assert co2.min() < 280e-6
    assert co2.max() > 1200e-6
    inverted = columns["temperature_layer"].to_numpy()[:, -12] > columns["temperature_layer"].to_numpy()[:, -1] + 1.0
    assert 0.02 < inverted.mean() < 0.6


def test_the_reference_grid_is_thinnest_at_the_surface():
    thickness = np.diff(hybrid_levels(np.array([101325.0]), 89, 1.0)[0])
    assert thickness[-1] < 500
    assert thickness[-1] < thickness[-10]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"number": 0}, "number of columns: expected at least 1, got 0"),
        ({"number": 3, "layers": 4}, "number of layers: expected at least 10, got 4"),
        ({"number": 3, "top_pressure": 5000.0}, "expected 0 to 1000 Pa, got 5000.0"),
    ],
)
def test_impossible_wishes_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        generate_columns(seed=0, **arguments)


def test_a_column_file_comes_back_as_written_with_cf_attributes(tmp_path):
    columns = generate_columns(4, 20, seed=1)
    write(columns, tmp_path / "columns.nc")
    back = read_columns(tmp_path / "columns.nc")
    for name in columns.data_vars:
        np.testing.assert_array_equal(back[name], columns[name])
    assert back["temperature_layer"].attrs["standard_name"] == "air_temperature"
    assert back["pressure_level"].attrs["units"] == "Pa"
    assert [p.name for p in tmp_path.iterdir()] == ["columns.nc"]


def _broken(columns, what):
    if what == "missing":
        return columns.drop_vars("o3"), "variable o3 is missing"
    if what == "units":
        columns["h2o"].attrs["units"] = "kg kg-1"
        return columns, r"h2o: expected units 'mol mol-1', got 'kg kg-1'"
    if what == "nan":
        columns["co2"][1, 2] = np.nan
        return columns, r"co2: not a finite number at \('column', 'layer'\) = \(1, 2\)"
    if what == "order":
        columns["pressure_level"][2] = columns["pressure_level"][2, ::-1]
        return columns, "pressure_level: expected to grow from the top down, does not in column 2, layer 0"
    return columns.rename_dims(layer="level_of_layers"), "expected dimensions"


@pytest.mark.parametrize("what", ["missing", "units", "nan", "order", "dimensions"])
def test_a_broken_column_file_is_refused_by_name(tmp_path, what):
    columns, words = _broken(generate_columns(3, 15, seed=1), what)
    columns.to_netcdf(tmp_path / "broken.nc", engine="netcdf4")
    with pytest.raises(ColumnFileError, match=words) as caught:
        read_columns(tmp_path / "broken.nc")
    assert "broken.nc" in str(caught.value)


def test_a_missing_file_and_one_that_is_not_netcdf_are_refused(tmp_path):
    with pytest.raises(ColumnFileError, match="no such file"):
        read_columns(tmp_path / "absent.nc")
    (tmp_path / "text.nc").write_text("not NetCDF")
    with pytest.raises(ColumnFileError, match="cannot be read as NetCDF"):
        read_fluxes(tmp_path / "text.nc")


def test_nothing_is_left_behind_when_writing_fails(tmp_path):
    columns = generate_columns(2, 12, seed=1)
    columns["h2o"][0, 0] = np.inf
    with pytest.raises(ColumnFileError, match="h2o"):
        write(columns, tmp_path / "columns.nc")
    assert list(tmp_path.iterdir()) == []


def _ecrad_file(path):
    """Two columns of four layers in ecRad's input format, its mixing ratios by mass of moist air."""
    half = np.array([[0.0, 10000.0, 40000.0, 80000.0, 100000.0], [0.0, 9000.0, 36000.0, 72000.0, 90000.0]])
    full = ("column", "level")
    fraction = np.array([[0.0, 0.5, 1.0, 0.0], [0.0, 0.0, 0.25, 0.0]])
    xr.Dataset(
        {
            "pressure_hl": (("column", "half_level"), half),
            "temperature_hl": (("column", "half_level"), np.full((2, 5), 250.0) + np.arange(5) * 5.0),
            "q": (full, np.full((2, 4), 0.01)),
            "o3_mmr": (full, np.full((2, 4), 1e-6)),
            "co2_vmr": ((), 4e-4),
            "ch4_vmr": ((), 1.8e-6),
            "n2o_vmr": ((), 3.2e-7),
            "o2_vmr": ((), 0.2095),
            "hcfc22_vmr": ((), 1e-10),
            "skin_temperature": ("column", [280.0, 290.0]),
            "lw_emissivity": (("column", "lw_emissivity_band"), np.array([[0.98, 0.95], [0.99, 0.96]])),
            "cos_solar_zenith_angle": ("column", [0.5, -0.1]),
            "cloud_fraction": (full, fraction),
            "q_liquid": (full, fraction * 1e-4),
            "q_ice": (full, fraction * 2e-5),
            "re_liquid": (full, np.full((2, 4), 1e-5)),
            "re_ice": (full, np.full((2, 4), 4e-5)),
        }
    ).to_netcdf(path, engine="netcdf4")


def test_ecrad_input_is_converted_to_moles_of_dry_air_and_paths_inside_the_cloud(tmp_path):
    _ecrad_file(tmp_path / "ecrad.nc")
    columns = read_ecrad(tmp_path / "ecrad.nc")
    np.testing.assert_allclose(columns["h2o"], 0.01 / 0.99 * 28.966 / 18.016)
    np.testing.assert_allclose(columns["o3"], 1e-6 / 0.99 * 28.966 / 47.9982)
    np.testing.assert_allclose(columns["co2"], 4e-4)
    np.testing.assert_allclose(columns["cfc22"], 1e-10)
    np.testing.assert_allclose(columns["surface_emissivity"], [0.95, 0.96])
    # The water in the column is the same: cloud fraction times path inside the cloud.
    path = (columns["cloud_fraction"] * columns["cloud_liquid_path"]).to_numpy()
    mass = np.diff(columns["pressure_level"].to_numpy(), axis=1) / GRAVITY
    np.testing.assert_allclose(path, columns["cloud_fraction"].to_numpy() * 1e-4 * mass)
    assert columns["cloud_liquid_path"].to_numpy()[0, 0] == 0.0
    write(columns, tmp_path / "columns.nc")
    read_columns(tmp_path / "columns.nc")


def test_a_file_that_is_not_ecrad_input_is_refused(tmp_path):
    write(generate_columns(2, 12, seed=1), tmp_path / "columns.nc")
    with pytest.raises(ColumnFileError, match="not in ecRad's input format: variable pressure_hl is missing"):
        read_ecrad(tmp_path / "columns.nc")


@pytest.mark.skipif(not IFS_FILE.is_file(), reason="no IFS columns here; set RADML_IFS_FILE to a file in ecRad's input format")
def test_real_ifs_columns_are_read(tmp_path):
    columns = read_ecrad(IFS_FILE)
    write(columns, tmp_path / "ifs.nc")
    back = read_columns(tmp_path / "ifs.nc")
    assert back.sizes["layer"] == 137
    precipitable = (
        (back["h2o"].to_numpy() * np.diff(back["pressure_level"].to_numpy(), axis=1)).sum(1) / GRAVITY * 18.016 / 28.966
    )
    assert precipitable.max() > 30
    assert precipitable.min() < 5
