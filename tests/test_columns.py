"""Columns: the generator, the column file, and ecRad's input format."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from ftorch_bridge import clouds, programs
from ftorch_bridge.cli.train import app
from ftorch_bridge.column_file import CLOUD_VARIABLES, FLUX_VARIABLES, ColumnFileError, read_columns, read_fluxes, write
from ftorch_bridge.columns import GRAVITY, generate_columns, hybrid_levels, read_ecrad, saturation_vapour_pressure
from ftorch_bridge.streams import ColumnStreams
from ftorch_bridge.surfaces import Surface, albedo_of, surfaces_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

IFS_FILE = Path(os.environ.get("RADML_IFS_FILE", Path(__file__).parents[2] / "shared" / "data" / "ifs_meridian.nc"))


def test_the_same_seed_gives_the_same_columns_and_another_seed_gives_others():
    first, second, third = (generate_columns(5, seed=seed) for seed in (3, 3, 4))
    xr.testing.assert_identical(first, second)
    assert not np.allclose(first["temperature_layer"], third["temperature_layer"])


@pytest.mark.parametrize("clear_sky", [False, True])
def test_a_column_is_the_same_to_the_last_bit_however_many_are_made(clear_sky):
    few, many = (generate_columns(number, 40, seed=8, clear_sky=clear_sky) for number in (3, 700))
    for name in many.data_vars:
        np.testing.assert_array_equal(few[name].to_numpy(), many[name].to_numpy()[:3], err_msg=str(name))
    # In all columns, also across the blocks that they are made in, numbers differ.
    assert np.unique(many["surface_temperature"]).size == np.unique(many["cos_zenith"]).size == 700


def test_streams_of_columns_are_independent_of_each_other_and_end_where_they_should():
    whole = ColumnStreams(5, 0, 10, words=8).uniform()
    np.testing.assert_array_equal(ColumnStreams(5, 7, 3, words=8).uniform(), whole[7:])
    assert not np.isin(ColumnStreams(5, 0, 10, words=8, stream=1).uniform(), whole).any()
    draw = ColumnStreams(5, 0, 20000, words=16)
    assert abs(draw.exponential().mean() - 1.0) < 0.03
    normals = draw.normals(6)
    assert np.abs(normals.mean(0)).max() < 0.03
    np.testing.assert_allclose(np.cov(normals.T), np.eye(6), atol=0.04)
    assert abs(draw.chance(0.3).mean() - 0.3) < 0.015
    with pytest.raises(ValueError, match="at most 16 numbers"):
        draw.normals(9)


def test_without_clouds_the_rest_of_a_column_stays():
    cloudy, clear = (generate_columns(300, 60, seed=2, clear_sky=clear_sky) for clear_sky in (False, True))
    assert set(cloudy.data_vars) - set(clear.data_vars) == set(CLOUD_VARIABLES)
    fraction = cloudy["cloud_fraction"].to_numpy()
    for name in clear.data_vars:
        here = fraction == 0 if name == "h2o" else slice(None)
        np.testing.assert_array_equal(cloudy[name].to_numpy()[here], clear[name].to_numpy()[here], err_msg=str(name))


def test_a_profile_has_one_number_on_all_grids_and_its_own_in_every_file():
    one, other_grid, other_seed = (generate_columns(5, n, seed=s)["profile"].to_numpy() for n, s in ((20, 1), (30, 1), (20, 2)))
    np.testing.assert_array_equal(one, other_grid)
    assert np.unique([one, other_seed]).size == 10


@pytest.fixture(scope="module")
def many():
    """Enough columns for statistics, as NumPy arrays by name."""
    columns = generate_columns(6000, seed=11)
    found = SimpleNamespace(**{str(name): columns[name].to_numpy() for name in columns.data_vars})
    found.dataset, found.cloudy = columns, found.cloud_fraction > 0
    found.liquid, found.ice = found.cloud_liquid_path > 0, found.cloud_ice_path > 0
    return found


def test_a_third_of_the_columns_is_clear_and_the_others_are_partly_cloudy_or_overcast(many):
    cover = many.cloud_fraction.max(axis=1)
    assert 0.30 < (cover == 0).mean() < 0.37
    assert 0.2 < (cover == 1).mean() < 0.5
    assert 0.2 < ((cover > 0) & (cover < 1)).mean() < 0.5
    partly = many.cloud_fraction[many.cloudy & (many.cloud_fraction < 1)]
    assert partly.min() > 0.001
    assert np.percentile(partly, 10) < 0.2
    assert np.percentile(partly, 90) > 0.7


def test_clouds_are_of_every_kind(many):
    pressure = many.pressure_layer / many.pressure_level[:, -1:]
    low, middle, high = (
        (many.cloudy & (pressure > lowest) & (pressure <= highest)).any(axis=1)
        for lowest, highest in ((0.8, 1.0), (0.45, 0.8), (0.0, 0.45))
    )
    depth = np.where(many.cloudy, pressure, 0.0).max(axis=1) - np.where(many.cloudy, pressure, 1.0).min(axis=1)
    gaps = (np.diff(many.cloudy.astype(int), axis=1) == 1).sum(axis=1)
    assert (low & ~middle & ~high).mean() > 0.1
    assert (high & ~middle & ~low).mean() > 0.05
    assert (middle & ~high & ~low).mean() > 0.03
    assert 0.03 < (low & middle & high & (depth > 0.5) & (gaps == 1)).mean() < 0.2  # deep and nimbostratus
    assert (gaps >= 2).mean() > 0.1  # several layers at once
    assert 0.02 < many.cloudy[:, -1].mean() < 0.12  # fog
    assert (many.cloud_fraction[:, -1] == 1).mean() > 0.01


def test_cloud_water_is_split_by_temperature_and_has_depths_of_real_clouds(many):
    np.testing.assert_array_equal(many.liquid | many.ice, many.cloudy)
    assert not many.liquid[many.temperature_layer < clouds.ALL_ICE].any()
    assert not many.ice[many.temperature_layer >= clouds.FREEZING].any()
    both = many.liquid & many.ice
    assert both.mean() > 0.01
    warmer = (many.temperature_layer > 260) & both
    colder = (many.temperature_layer < 245) & both
    share = many.cloud_liquid_path / np.where(many.cloudy, many.cloud_liquid_path + many.cloud_ice_path, 1.0)
    assert share[warmer].mean() > 2 * share[colder].mean()
    whole = [(many.cloud_fraction * path).sum(axis=1) for path in (many.cloud_liquid_path, many.cloud_ice_path)]
    for path, typical in zip(whole, ((0.005, 0.1), (0.002, 0.1)), strict=True):
        assert typical[0] < np.median(path[path > 0]) < typical[1]
        assert path.max() < 15.0
        assert np.percentile(path, 98) > 0.5
    assert max(many.cloud_liquid_path.max(), many.cloud_ice_path.max()) < 3.0


def test_liquid_grows_with_height_in_low_clouds(many):
    """From one layer to the next above it, within the lowest cloud, where there is no ice yet."""
    above, here = many.liquid[:, :-1] & ~many.ice[:, :-1], many.liquid[:, 1:] & ~many.ice[:, 1:]
    mass = np.diff(many.pressure_level, axis=1)
    content = many.cloud_liquid_path / mass
    both = above & here & (many.pressure_layer[:, 1:] > 80000)
    assert both.sum() > 500
    assert (content[:, :-1][both] > content[:, 1:][both]).mean() > 0.7


def test_radii_are_those_of_the_optics_and_of_the_kind_of_cloud(many):
    droplets, crystals = many.liquid_radius, many.ice_radius
    assert (droplets >= 5e-6).all()
    assert (droplets <= 20e-6).all()
    assert (crystals >= 5e-6).all()
    assert (crystals <= 90e-6).all()
    assert 7e-6 < np.median(droplets[many.liquid]) < 14e-6
    assert 40e-6 < np.median(crystals[many.ice]) < 80e-6
    cold, warm = many.ice & (many.temperature_layer < 215), many.ice & (many.temperature_layer > 255)
    assert np.median(crystals[warm]) > 1.5 * np.median(crystals[cold])


def test_the_air_of_clouds_is_near_saturation(many):
    vapour = many.h2o / (1 + many.h2o) * many.pressure_layer
    relative = vapour / saturation_vapour_pressure(many.temperature_layer)
    assert relative[many.cloudy].min() > 0.8 - 1e-9
    assert relative[many.cloudy].max() < 1 + 1e-9
    np.testing.assert_allclose(relative[many.cloud_fraction == 1], 1.0)
    assert np.median(relative[~many.cloudy & (many.pressure_layer > 30000)]) < 0.7
    assert not many.cloudy[many.pressure_layer < 9000].any()


def test_the_sun_stands_where_it_can_and_is_away_for_a_third_of_the_columns(many):
    night = many.cos_zenith <= 0
    assert 0.25 < night.mean() < 0.45
    assert many.cos_zenith.max() > 0.98
    assert (np.abs(many.cos_zenith) < 0.05).mean() > 0.03
    height = np.degrees(np.arcsin(many.cos_zenith))
    assert (height <= 90.0 - np.abs(many.latitude) + 23.45 + 1e-6).all()
    polar = np.abs(many.latitude) > 75
    assert night[polar].mean() > 0.55
    assert 0.03 < (many.cos_zenith[polar] > 0.2).mean() < 0.3
    # From aphelion to perihelion, and near it in the northern winter.
    assert 1315 < many.solar_irradiance.min() < 1320
    assert 1402 < many.solar_irradiance.max() < 1407
    winter = (many.surface_temperature < 250) & polar
    north, south = (many.solar_irradiance[winter & (sign * many.latitude > 0)].mean() for sign in (1, -1))
    assert north > south + 30


def test_albedo_is_that_of_the_surface(many):
    assert (many.surface_albedo > 0.02).all()
    assert (many.surface_albedo < 0.95).all()
    assert np.median(many.surface_albedo[many.surface_temperature < 255]) > 0.5
    assert np.median(many.surface_albedo[many.surface_temperature > 285]) < 0.25
    draw = ColumnStreams(1, 0, 4000, words=8)
    temperature = np.linspace(220.0, 320.0, 4000)
    dull = np.arange(4000) % 4 == 0
    mountain = np.arange(4000) % 5 == 0
    surface = surfaces_of(draw, temperature, dull, mountain)
    cos_zenith = np.where(np.arange(4000) % 2 == 0, 0.1, 0.9)
    albedo = albedo_of(draw, surface, temperature, cos_zenith)
    assert set(surface) == set(Surface)
    for kind, lowest, highest in (
        (Surface.SEA, 0.02, 0.25), (Surface.PLANTS, 0.1, 0.25), (Surface.BARE, 0.2, 0.45), (Surface.SNOW, 0.2, 0.9),
        (Surface.SEA_ICE, 0.3, 0.8),
    ):  # fmt: skip
        assert (albedo[surface == kind] >= lowest).all(), kind
        assert (albedo[surface == kind] <= highest).all(), kind
    assert (temperature[surface == Surface.SEA] >= 271.35).all()
    assert (temperature[surface == Surface.SEA_ICE] < 271.35).all()
    assert (temperature[surface == Surface.SNOW] < 273.15).all()
    assert not mountain[np.isin(surface, (Surface.SEA, Surface.SEA_ICE))].any()
    # A low sun is mirrored by the sea.
    sea = surface == Surface.SEA
    assert albedo[sea & (cos_zenith < 0.5)].min() > 3 * albedo[sea & (cos_zenith > 0.5)].max()


def test_rrtmg_takes_the_columns(tmp_path, many):
    write(many.dataset.isel(column=slice(2000)), tmp_path / "columns.nc")
    for ice in ("fu", "streamer"):
        programs.run("radml-rrtmg", tmp_path / "columns.nc", tmp_path / "fluxes.nc", "--ice-optics", ice)
        fluxes = read_fluxes(tmp_path / "fluxes.nc")
        assert fluxes.sizes["column"] == 2000
        covered = many.cloud_fraction[:2000].max(axis=1) == 1
        effect = (fluxes["lw_down"] - fluxes["lw_down_clear"]).to_numpy()[:, -1]
        assert effect[covered].mean() > 20
        assert (effect[many.cloud_fraction[:2000].max(axis=1) == 0] == 0).all()
        assert 150 < fluxes["lw_up"].to_numpy()[:, 0].mean() < 280
    entering = fluxes["sw_down"].to_numpy()[:, 0]
    np.testing.assert_allclose(entering, np.maximum(many.cos_zenith, 0)[:2000] * many.solar_irradiance[:2000], rtol=1e-5)


def test_the_table_of_results_is_what_rrtmg_writes(tmp_path, many):
    write(many.dataset.isel(column=slice(4)), tmp_path / "columns.nc")
    programs.run("radml-rrtmg", tmp_path / "columns.nc", tmp_path / "fluxes.nc", "--draws", "2", "--noise")
    written = xr.load_dataset(tmp_path / "fluxes.nc", decode_timedelta=False)
    assert {variable.name for variable in FLUX_VARIABLES} == set(written.variables) - {"pressure_level", "pressure_layer"}
    for variable in FLUX_VARIABLES:
        found = written[variable.name]
        assert (found.dims, found.units) == (variable.dimensions, variable.units), variable.name
        assert found.attrs.get("standard_name") == variable.standard_name, variable.name


def test_the_command_leaves_clouds_out_on_request(tmp_path):
    for options, expected in (((), True), (("--clear-sky",), False)):
        done = CliRunner().invoke(
            app, ["columns", "-o", str(tmp_path / "columns.nc"), "--number", "6", "--layers", "30", *options]
        )
        assert done.exit_code == 0, done.output
        assert f"6 columns, 30 layers{'' if expected else ', clear sky'}" in done.output
        assert ("cloud_fraction" in read_columns(tmp_path / "columns.nc")) is expected
    _ecrad_file(tmp_path / "ecrad.nc")
    options = ["--from", str(tmp_path / "ecrad.nc"), "--clear-sky"]
    assert CliRunner().invoke(app, ["columns", "-o", str(tmp_path / "columns.nc"), *options]).exit_code == 0
    columns = read_columns(tmp_path / "columns.nc")
    assert not set(CLOUD_VARIABLES) & set(columns.data_vars)
    np.testing.assert_array_equal(columns["profile"], [0, 1])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), layers=st.integers(10, 150), top=st.sampled_from([0.0, 1.0, 10.0, 1000.0]))
@example(seed=30685573, layers=10, top=0.0)  # 11 kg m-2 of cloud water in a layer of 270 hPa
def test_generated_columns_are_physical_on_any_grid(seed, layers, top):
    """With and without clouds: those of the generator's other tests lie on one grid."""
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
    cloudy = columns["cloud_fraction"].to_numpy() > 0
    assert cloudy.any()
    assert (columns["cloud_fraction"] <= 1).all()
    assert (vapour.to_numpy()[cloudy] >= 0.8 * saturation[cloudy] * 0.9999).all()
    water = columns["cloud_liquid_path"] + columns["cloud_ice_path"]
    np.testing.assert_array_equal(water > 0, cloudy)
    assert (water < 0.01 * np.diff(pressure, axis=1) / 9.80665).all()  # 10 g kg-1


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
