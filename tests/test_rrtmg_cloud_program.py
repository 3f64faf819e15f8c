"""``radml-rrtmg`` over columns with clouds: AER's fluxes, the options, and what the files say."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
from host.columns import make_columns, write_columns
from host.programs import fails, succeeds
from rrtmg_clouds import FU, STREAMER, cloudy_columns, oracle
from test_rrtmg_clouds import Columns, needs_oracle

ALL_SKY = ("lw_up", "lw_down", "lw_heating_rate")
OF_THE_FILE = {"up": "lw_up", "down": "lw_down", "up_clear": "lw_up_clear", "down_clear": "lw_down_clear"}


def read(path: Path) -> Columns:
    with netCDF4.Dataset(path) as file:
        return {name: file[name][:].filled() for name in file.variables}


def cloudy_host_columns(folder: Path, n_columns: int = 23) -> Columns:
    c = make_columns(n_columns=n_columns)
    layers = np.arange(c["h2o"].shape[1])
    cloud = (layers > 18) & (layers < 27)
    c["cloud_fraction"] = np.where(cloud, np.linspace(0.1, 1.0, n_columns)[:, None] * np.sin(layers) ** 2, 0.0)
    c["cloud_liquid_path"] = np.where(cloud, 0.02, 0.0) * np.ones_like(c["h2o"])
    c["liquid_radius"] = np.full_like(c["h2o"], 1e-5)
    write_columns(folder / "columns.nc", c)
    return c


def run(folder: Path, name: str, *options: str, environment: dict[str, str] | None = None) -> Columns:
    succeeds("radml-rrtmg", "columns.nc", f"{name}.nc", *options, folder=folder, environment=environment or {})
    return read(folder / f"{name}.nc")


@needs_oracle
@pytest.mark.parametrize(("ice", "word"), [(FU, "fu"), (STREAMER, "streamer")])
def test_columns_with_clouds_get_the_originals_fluxes(tmp_path: Path, ice: int, word: str) -> None:
    c = {name: values for name, values in cloudy_columns(100, 60, 61, ice).items() if name != "seed"}
    with netCDF4.Dataset(tmp_path / "columns.nc", "w") as file:
        for name, size in {"column": 100, "layer": 60, "level": 61}.items():
            file.createDimension(name, size)
        for name, values in c.items():
            dimensions = ("column", "layer" if values.shape[-1] == 60 else "level")[: values.ndim]
            file.createVariable(name, "f8", dimensions)[:] = values
    found = run(tmp_path, "fluxes", "--overlap", "analytic", "--ice-optics", word)
    theirs = oracle(c, tmp_path, ice=ice)
    for name, name_of_file in OF_THE_FILE.items():
        assert np.abs(found[name_of_file] - theirs[name]).max() < 0.02, name
    assert np.abs(found["lw_heating_rate"] - theirs["heating_rate"]).max() < 0.03
    # McICA differs by its noise only: the mean of draws lies nearer.
    one, many = (run(tmp_path, "drawn", "--draws", n, "--ice-optics", word) for n in ("1", "64"))
    away = [np.abs(fluxes["lw_up"][:, 0] - theirs["up"][:, 0]).mean() for fluxes in (one, many)]
    assert away[1] < away[0]


def test_the_file_says_what_was_done(tmp_path: Path) -> None:
    cloudy_host_columns(tmp_path)
    run(tmp_path, "drawn", "--draws", "3", "--seed", "5", "--overlap", "random")
    run(tmp_path, "analytic", "--overlap", "analytic", "--ice-optics", "streamer")
    with netCDF4.Dataset(tmp_path / "drawn.nc") as file:
        assert file.comment == "clouds: McICA, random overlap, mean of 3 draws from seed 5; ice optics of Fu"
        for prefix, spectrum in (("lw", "longwave"), ("sw", "shortwave")):
            assert file[f"{prefix}_up"].standard_name == f"upwelling_{spectrum}_flux_in_air"
            assert file[f"{prefix}_up_clear"].standard_name == f"upwelling_{spectrum}_flux_in_air_assuming_clear_sky"
            assert file[f"{prefix}_down_clear"].dimensions == ("column", "level")
        assert file["sw_surface_visible_direct"].dimensions == ("column",)
    with netCDF4.Dataset(tmp_path / "analytic.nc") as file:
        assert file.comment == (
            "clouds: maximum-random overlap, in the longwave by the analytic solver, in the shortwave by McICA, "
            "mean of 1 draws from the columns' own values; ice optics of Streamer"
        )


def test_blocks_and_threads_do_not_change_a_bit(tmp_path: Path) -> None:
    cloudy_host_columns(tmp_path)
    for options in (("--draws", "2"), ("--draws", "2", "--seed", "9"), ("--overlap", "analytic")):
        standard = run(tmp_path, "standard", *options)
        for size, threads in (("1", "3"), ("7", "1"), ("1000", "2")):
            again = run(tmp_path, "again", *options, "--columns-per-block", size, environment={"OMP_NUM_THREADS": threads})
            for name, values in standard.items():
                np.testing.assert_array_equal(again[name], values, err_msg=name)


def test_seeds_and_clear_sky(tmp_path: Path) -> None:
    c = cloudy_host_columns(tmp_path)
    own, again, one, two = (run(tmp_path, "seeded", *more) for more in ((), (), ("--seed", "1"), ("--seed", "2")))
    np.testing.assert_array_equal(own["lw_up"], again["lw_up"])
    assert not np.array_equal(one["lw_up"], two["lw_up"])
    clear = run(tmp_path, "clear", "--clear-sky")
    assert "lw_up_clear" not in clear
    np.testing.assert_array_equal(clear["lw_up"], own["lw_up_clear"])
    np.testing.assert_array_equal(clear["lw_down"], one["lw_down_clear"])
    # Columns without any cloud give what they gave before there were clouds.
    c["cloud_fraction"][:] = 0
    write_columns(tmp_path / "columns.nc", c)
    none = run(tmp_path, "none")
    assert "lw_up_clear" not in none
    np.testing.assert_array_equal(none["lw_up"], clear["lw_up"])


def test_the_noise_of_a_draw_is_reported(tmp_path: Path) -> None:
    cloudy_host_columns(tmp_path)
    draws = np.array([run(tmp_path, "one", "--seed", str(seed))["lw_up"] for seed in range(1, 41)])
    noise = run(tmp_path, "noise", "--draws", "200", "--noise")["lw_up_noise"]
    assert noise.max() > 0.1
    assert 0.8 < draws.std(axis=0, ddof=1).mean() / noise.mean() < 1.25
    assert "lw_up_noise" not in run(tmp_path, "quiet", "--draws", "200")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--overlap", "some"), 'option "--overlap": expected maximum-random, random, maximum or analytic, got "some"'),
        (("--ice-optics", "snow"), 'option "--ice-optics": expected fu or streamer, got "snow"'),
        (("--draws", "0"), 'option "--draws": expected a whole number above 0, got "0"'),
        (("--seed", "-3"), 'option "--seed": expected a whole number above 0, got "-3"'),
        (("--noise",), 'option "--noise" needs at least two draws'),
    ],
)
def test_bad_options_are_named(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    cloudy_host_columns(tmp_path)
    assert words in fails("radml-rrtmg", "columns.nc", "fluxes.nc", *options, folder=tmp_path)
    assert not (tmp_path / "fluxes.nc").exists()


def test_clouds_that_lack_something_are_refused(tmp_path: Path) -> None:
    c = cloudy_host_columns(tmp_path)
    for name, value, words in (
        ("liquid_radius", 7e-5, "liquid_radius of column 3, layer 21: expected 2.500E-06 to 6.000E-05 m"),
        ("liquid_radius", None, "expected cloud_liquid_path and liquid_radius together"),
        ("cloud_liquid_path", None, "expected cloud_liquid_path and liquid_radius together"),
    ):
        bad = {key: values.copy() for key, values in c.items()}
        if value is None:
            del bad[name]
        else:
            bad[name][2, 20] = value
        write_columns(tmp_path / "bad.nc", bad)
        assert words in fails("radml-rrtmg", "bad.nc", "fluxes.nc", "--columns-per-block", "1000", folder=tmp_path)
        assert not (tmp_path / "fluxes.nc").exists()
        succeeds("radml-rrtmg", "bad.nc", "clear.nc", "--clear-sky", folder=tmp_path)
