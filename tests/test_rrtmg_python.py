"""RRTMG from Python: the bits of the Fortran programs, whatever the arrays and threads; messages; physics that must hold."""

from __future__ import annotations

import ast
import gc
import importlib.util
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rrtmg_clouds
import test_rrtmg_longwave
import test_rrtmg_shortwave
import xarray as xr
from ftorch_bridge.column_file import read_fluxes
from ftorch_bridge.original_rrtmg_shortwave import ALBEDOS
from host.columns import make_columns, write_columns
from host.programs import succeeds
from host_projects import BUILD, ROOT, command, configure
from hypothesis import given, settings
from hypothesis import strategies as st

if importlib.util.find_spec("ftorch_bridge._rrtmg") is None:
    pytest.skip("the Python module is not built: RADML_BUILD_DIR, or f90wrap and Python's headers", allow_module_level=True)

import ftorch_bridge._rrtmg
from ftorch_bridge.rrtmg import Longwave, RrtmgError, RrtmgTablesError, Shortwave, Status, fluxes

Columns = dict[str, Any]
DATA = ROOT / "data"
PACKAGE = ROOT / "python" / "ftorch_bridge"
CLOUDS = ("cloud_fraction", "cloud_liquid_path", "liquid_radius", "cloud_ice_path", "ice_radius")
OF_LONGWAVE = (*test_rrtmg_longwave.ARRAYS, *test_rrtmg_longwave.HALOCARBONS, *CLOUDS)
OF_SHORTWAVE = test_rrtmg_shortwave.ARRAYS
WORDS = {
    rrtmg_clouds.MAXIMUM_RANDOM: "maximum-random",
    rrtmg_clouds.RANDOM: "random",
    rrtmg_clouds.MAXIMUM: "maximum",
    rrtmg_clouds.ANALYTIC: "analytic",
}
HEATING = 9.8066 * 86400 / 1004.64  # RRTMG's gravity and heat capacity [K day-1 per W m-2 Pa-1]


LONGWAVE = Longwave(DATA / "rrtmg_longwave.nc")


@pytest.fixture(scope="module")
def longwave() -> Longwave:
    return LONGWAVE


@pytest.fixture(scope="module")
def shortwave() -> Shortwave:
    return Shortwave(DATA / "rrtmg_shortwave.nc")


def clear_columns(count: int = 70, layers: int = 24) -> Columns:
    return {name: values for name, values in make_columns(count, layers).items() if name in OF_LONGWAVE}


def sunny_columns(count: int = 70, layers: int = 24) -> Columns:
    c = make_columns(count, layers)
    c |= {name: np.linspace(i / 10, 0.9, count) for i, name in enumerate(ALBEDOS)}
    return {name: values for name, values in c.items() if name in OF_SHORTWAVE}


def cloudy_columns(count: int = 70, layers: int = 24) -> Columns:
    return {name: values for name, values in rrtmg_clouds.cloudy_columns(count, layers, 3).items() if name in OF_LONGWAVE}


def column_file(path: Path, count: int = 70, layers: int = 30) -> None:
    """Columns with clouds and a sun that is down for some."""
    c = make_columns(count, layers)
    cloud = (np.arange(layers) > layers // 2) & (np.arange(layers) < layers - 4)
    c["cfc11"] = np.full_like(c["h2o"], 2e-10)
    c["cloud_fraction"] = np.where(cloud, np.linspace(0.0, 1.0, count)[:, None] * np.sin(np.arange(layers)) ** 2, 0.0)
    c["cloud_liquid_path"] = np.where(cloud, 0.02, 0.0) * np.ones_like(c["h2o"])
    c["liquid_radius"] = np.full_like(c["h2o"], 1e-5)
    c["cloud_ice_path"] = np.where(cloud, 0.005, 0.0) * np.ones_like(c["h2o"])
    c["ice_radius"] = np.full_like(c["h2o"], 4e-5)
    c["cos_zenith"] -= 0.3
    write_columns(path, c)


def bits(result: object) -> bytes:
    return b"".join(array.tobytes() for array in vars(result).values() if array is not None)


# ---- the bits of Fortran ----


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ((), {}),
        (("--overlap", "analytic", "--ice-optics", "streamer"), {"overlap": "analytic", "ice_optics": "streamer"}),
        (
            ("--overlap", "random", "--draws", "3", "--seed", "5", "--noise"),
            {"overlap": "random", "draws": 3, "seed": 5, "noise": True},
        ),
        (("--overlap", "maximum"), {"overlap": "maximum", "threads": 2}),
        (("--overlap", "analytic", "--draws", "2", "--noise"), {"overlap": "analytic", "draws": 2, "noise": True}),
        (("--clear-sky",), {"clear_sky": True}),
        (("--absorbing-ice",), {"shortwave": Shortwave(DATA / "rrtmg_shortwave.nc", absorbing_ice=True)}),
    ],
)
def test_a_dataset_gets_what_the_program_writes(tmp_path: Path, options: tuple[str, ...], given: Columns) -> None:
    column_file(tmp_path / "columns.nc")
    succeeds("radml-rrtmg", "columns.nc", "theirs.nc", *options, folder=tmp_path)
    result = fluxes(xr.open_dataset(tmp_path / "columns.nc"), **given)
    result.to_netcdf(tmp_path / "ours.nc")
    with xr.open_dataset(tmp_path / "theirs.nc") as theirs, xr.open_dataset(tmp_path / "ours.nc") as ours:
        assert set(ours.variables) == set(theirs.variables)
        assert set(ours.coords) == set(theirs.coords)
        for name, variable in theirs.variables.items():
            np.testing.assert_array_equal(ours[name], variable, err_msg=str(name), strict=True)
            assert variable.attrs.items() <= ours[name].attrs.items()
            assert ours[name].dims == variable.dims
            assert ours[name].encoding.get("coordinates") == variable.encoding.get("coordinates")
        assert {"long_name", "units"} <= ours["lw_up"].attrs.keys()
        for name in ("Conventions", "title", "comment"):
            assert ours.attrs[name] == theirs.attrs[name]
        assert ours.attrs["source"].startswith("ftorch_bridge.rrtmg")
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}: ftorch_bridge.rrtmg.fluxes\(", ours.attrs["history"])
        assert ours["lw_up"].max() > 200
        assert ours["sw_down"].max() > 500
    assert set(read_fluxes(tmp_path / "ours.nc").variables) == set(result.variables)


def test_a_dataset_of_clear_sky_and_no_sun_gets_the_longwave(tmp_path: Path) -> None:
    c = {name: values for name, values in make_columns().items() if name != "cos_zenith"}
    write_columns(tmp_path / "columns.nc", c)
    succeeds("radml-rrtmg", "columns.nc", "theirs.nc", folder=tmp_path)
    result = fluxes(xr.open_dataset(tmp_path / "columns.nc"))
    with xr.open_dataset(tmp_path / "theirs.nc") as theirs:
        assert set(result.data_vars) == set(theirs.data_vars) == {"lw_up", "lw_down", "lw_heating_rate"}
        assert "comment" not in result.attrs
        assert result["lw_up"].attrs["standard_name"] == theirs["lw_up"].attrs["standard_name"]


@pytest.mark.parametrize("overlap", WORDS)
@pytest.mark.parametrize("ice", [rrtmg_clouds.FU, rrtmg_clouds.STREAMER])
def test_every_argument_of_the_longwave_arrives(tmp_path: Path, longwave: Longwave, overlap: int, ice: int) -> None:
    c = rrtmg_clouds.cloudy_columns(45, 20, 7, ice)
    c |= rrtmg_clouds.band_properties(c, 8) | {"seed": np.arange(45) * 10**12 - 5}
    theirs = rrtmg_clouds.ours(c, tmp_path, clear=True, overlap=overlap, ice=ice, draws=3)
    name_of_ice = "fu" if ice == rrtmg_clouds.FU else "streamer"
    ours = longwave.fluxes(**c, overlap=WORDS[overlap], ice_optics=name_of_ice, draws=3, threads=2)
    for name, values in theirs.items():
        found = getattr(ours, name)
        if overlap == rrtmg_clouds.ANALYTIC and name.endswith("noise"):
            assert found is None
        else:
            np.testing.assert_array_equal(found, values, err_msg=name)
    # Each of them makes a difference.
    for name in ("seed", "aerosol_optical_depth", "band_emissivity", *test_rrtmg_longwave.HALOCARBONS):
        rest = {other: values for other, values in c.items() if other != name}
        other = longwave.fluxes(**rest, overlap=WORDS[overlap], ice_optics=name_of_ice, draws=3)
        unused = name == "seed" and overlap == rrtmg_clouds.ANALYTIC
        assert np.array_equal(other.up, ours.up) == unused, name


def test_subcolumns_of_the_caller_arrive(tmp_path: Path, longwave: Longwave) -> None:
    c = rrtmg_clouds.cloudy_columns(40, 20, 9)
    del c["cloud_fraction"]
    c["subcolumns"] = np.random.default_rng(1).random((40, 20, 140)) < 0.3
    theirs = rrtmg_clouds.ours(c, tmp_path)
    np.testing.assert_array_equal(longwave.fluxes(**c).up, theirs["up"])
    turned = {**c, "subcolumns": np.asfortranarray(c["subcolumns"])}
    np.testing.assert_array_equal(longwave.fluxes(**turned).up, theirs["up"])


def sunny_clouds(count: int, layers: int, ice: int = rrtmg_clouds.FU) -> Columns:
    """Columns for the shortwave with clouds and aerosol."""
    c = test_rrtmg_shortwave.columns(count, layers, 5, aerosol=True)
    cloudy = rrtmg_clouds.cloudy_columns(count, layers, 5, ice)
    c |= {name: cloudy[name] for name in CLOUDS}
    return {name: values for name, values in c.items() if name not in ("n2o", "temperature_level")}


@pytest.mark.parametrize("overlap", [number for number in WORDS if number != rrtmg_clouds.ANALYTIC])
@pytest.mark.parametrize("ice", [rrtmg_clouds.FU, rrtmg_clouds.STREAMER])
def test_every_argument_of_the_shortwave_arrives(tmp_path: Path, shortwave: Shortwave, overlap: int, ice: int) -> None:
    c = sunny_clouds(45, 20, ice) | {"seed": np.arange(45) * 10**12 - 5}
    theirs = test_rrtmg_shortwave.ours(c, tmp_path, clear=True, overlap=overlap, ice=ice, draws=3)
    options: Columns = {"overlap": WORDS[overlap], "ice_optics": "fu" if ice == rrtmg_clouds.FU else "streamer", "draws": 3}
    ours = shortwave.fluxes(**c, **options, threads=2)
    assert set(vars(ours)) == set(theirs)
    for name, values in theirs.items():
        found = getattr(ours, name)
        np.testing.assert_array_equal(found, values.ravel() if name.startswith("surface") else values, err_msg=name)
    # Each of them makes a difference.
    for names in (("seed",), test_rrtmg_shortwave.AEROSOL, CLOUDS):
        other = shortwave.fluxes(**{name: values for name, values in c.items() if name not in names}, **options)
        assert not np.array_equal(other.up, ours.up), names


def test_the_shortwave_without_what_is_optional(tmp_path: Path, shortwave: Shortwave) -> None:
    c = sunny_clouds(45, 20)
    clear = {name: values for name, values in c.items() if name not in (*CLOUDS, *test_rrtmg_shortwave.AEROSOL)}
    theirs = test_rrtmg_shortwave.ours(clear, tmp_path)
    ours = shortwave.fluxes(**clear)
    for name in ("up", "down", "direct", "heating_rate"):
        np.testing.assert_array_equal(getattr(ours, name), theirs[name], err_msg=name)
    for name in ("up", "down", "direct"):
        np.testing.assert_array_equal(getattr(ours, f"{name}_clear"), theirs[name], err_msg=name)
    assert ours.up_noise is None
    short = shortwave.fluxes(**c, clear=False)
    assert short.up_clear is short.down_clear is short.direct_clear is None
    np.testing.assert_array_equal(short.up, shortwave.fluxes(**c).up)


def test_subcolumns_of_the_caller_arrive_in_the_shortwave(tmp_path: Path, shortwave: Shortwave) -> None:
    c = sunny_clouds(40, 20)
    del c["cloud_fraction"]
    c["subcolumns"] = np.random.default_rng(1).random((40, 20, 112)) < 0.3
    theirs = test_rrtmg_shortwave.ours(c, tmp_path)
    np.testing.assert_array_equal(shortwave.fluxes(**c).up, theirs["up"])


def test_ice_may_absorb(shortwave: Shortwave) -> None:
    c = sunny_clouds(20, 20)
    absorbing = Shortwave(DATA / "rrtmg_shortwave.nc", absorbing_ice=True)
    for scheme, other in ((absorbing, shortwave), (pickle.loads(pickle.dumps(absorbing)), shortwave)):
        assert scheme.fluxes(**c).up[:, 0].sum() < other.fluxes(**c).up[:, 0].sum()
    np.testing.assert_array_equal(absorbing.fluxes(**c).up_clear, shortwave.fluxes(**c).up_clear)


def test_the_originals_tables_can_be_switched_on(tmp_path: Path) -> None:
    c = test_rrtmg_longwave.columns(5, 20, 5)
    theirs = test_rrtmg_longwave.ours(c, tmp_path, "original")
    np.testing.assert_array_equal(Longwave(DATA / "rrtmg_longwave.nc", original_tables=True).fluxes(**c).up, theirs["up"])
    c = test_rrtmg_shortwave.columns(5, 20, 5)
    theirs = test_rrtmg_shortwave.ours(c, tmp_path, "original")
    scheme = Shortwave(DATA / "rrtmg_shortwave.nc", original_tables=True)
    ours = scheme.fluxes(**{name: values for name, values in c.items() if name in OF_SHORTWAVE})
    np.testing.assert_array_equal(ours.up, theirs["up"])


def test_optical_depths_are_fortrans(tmp_path: Path, longwave: Longwave, shortwave: Shortwave) -> None:
    c = test_rrtmg_longwave.columns(3, 20, 5)
    theirs = test_rrtmg_longwave.ours(c, tmp_path, "depths")
    names = [name for name in OF_LONGWAVE[:-5] if not name.startswith("surface") and name != "temperature_level"]
    for i in range(3):
        found = longwave.optical_depths(**{name: c[name][i] for name in names})
        np.testing.assert_array_equal(found.optical_depth.T, theirs["depth"][i])
        np.testing.assert_array_equal(found.planck_fraction.T, theirs["fraction"][i])
    c = test_rrtmg_shortwave.columns(3, 20, 5)
    theirs = test_rrtmg_shortwave.ours(c, tmp_path, "depths")
    names = ["pressure_level", *test_rrtmg_shortwave.LAYER_ARRAYS, "solar_irradiance"]
    for i in range(3):
        seen = shortwave.optical_depths(**{name: c[name][i] for name in names})
        np.testing.assert_array_equal(seen.absorption.T, theirs["depth"][i])
        np.testing.assert_array_equal(seen.rayleigh.T, theirs["rayleigh"][i])
        np.testing.assert_array_equal(seen.source, theirs["source"][i])
    assert found.optical_depth.shape == (20, 140)
    assert seen.absorption.shape == (20, 112)


# ---- threads and order ----


def test_threads_do_not_change_a_bit(longwave: Longwave, shortwave: Shortwave) -> None:
    cloudy, sunny = cloudy_columns(150), sunny_columns(150)
    right = bits(longwave.fluxes(**cloudy, draws=2)), bits(shortwave.fluxes(**sunny))
    for threads in (2, 3, 64):
        assert (
            bits(longwave.fluxes(**cloudy, draws=2, threads=threads)),
            bits(shortwave.fluxes(**sunny, threads=threads)),
        ) == right


@settings(max_examples=25, deadline=None)
@given(places=st.lists(st.integers(0, 69), min_size=1, max_size=140), threads=st.integers(1, 3))
def test_a_column_does_not_depend_on_its_place_or_company(places: list[int], threads: int) -> None:
    scheme, c = LONGWAVE, cloudy_columns()
    whole = scheme.fluxes(**c)
    some = scheme.fluxes(**{name: values[places] for name, values in c.items()}, threads=threads)
    for name in ("up", "down", "heating_rate", "up_clear", "down_clear"):
        np.testing.assert_array_equal(getattr(some, name), getattr(whole, name)[places], err_msg=name)


def test_several_threads_use_one_scheme(longwave: Longwave, shortwave: Shortwave) -> None:
    cloudy, sunny = cloudy_columns(), sunny_columns()
    right = bits(longwave.fluxes(**cloudy)), bits(shortwave.fluxes(**sunny))
    found: list[tuple[bytes, bytes]] = []

    def work() -> None:
        for _ in range(5):
            found.append((bits(longwave.fluxes(**cloudy, threads=2)), bits(shortwave.fluxes(**sunny))))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [right] * 20


def test_python_goes_on_during_a_call(longwave: Longwave) -> None:
    c = {name: np.repeat(values[:1], 32, axis=0) for name, values in cloudy_columns(1, 140).items()}
    ticks, stop = [0], threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        before = ticks[0]
        longwave.fluxes(**c, draws=200)  # one block: one call of Fortran
        during = ticks[0] - before
    finally:
        stop.set()
        thread.join()
    assert during > 5


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as in a terminal: a shell has its background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_call_between_blocks(longwave: Longwave, threads: int) -> None:
    done: list[int] = []
    main = threading.get_ident()

    def progress(columns: int) -> None:
        done.append(columns)
        if threading.get_ident() == main:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        longwave.fluxes(**clear_columns(3000), threads=threads, progress=progress)
    assert 0 < sum(done) < 3000
    assert threading.active_count() == 1 or not any("ThreadPool" in thread.name for thread in threading.enumerate())


def test_progress_counts_the_columns(longwave: Longwave) -> None:
    done: list[int] = []
    longwave.fluxes(**clear_columns(), threads=2, progress=done.append)
    assert sum(done) == 70
    assert len(done) > 1


# ---- arrays ----


def turned(a: np.ndarray) -> np.ndarray:
    return np.asfortranarray(a)


def strided(a: np.ndarray) -> np.ndarray:
    wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan)
    wide[..., ::2] = a
    return wide[..., ::2]


def backwards(a: np.ndarray) -> np.ndarray:
    return a[::-1].copy()[::-1]


def other_order(a: np.ndarray) -> np.ndarray:
    return a.astype(">f8")


def unaligned(a: np.ndarray) -> np.ndarray:
    fields = np.zeros(a.shape, np.dtype([("pad", "i1"), ("value", "f8")]))
    fields["value"] = a
    return fields["value"]


def of_xarray(a: np.ndarray) -> xr.DataArray:
    return xr.DataArray(a, dims=("column", "layer")[: a.ndim])


@pytest.mark.parametrize(
    "form",
    [turned, strided, backwards, other_order, unaligned, np.ndarray.tolist, np.ma.masked_invalid, of_xarray, np.longdouble],
)
def test_arrays_of_any_form_are_taken(longwave: Longwave, shortwave: Shortwave, form: Any) -> None:
    for scheme, c in ((longwave, cloudy_columns()), (shortwave, sunny_columns())):
        right = bits(scheme.fluxes(**c))
        formed = {name: form(values) for name, values in c.items()}
        assert bits(scheme.fluxes(**formed)) == right
        assert bits(scheme.fluxes(**formed, threads=2)) == right


def test_single_precision_is_what_it_says(longwave: Longwave) -> None:
    c = {name: values.astype("f4") for name, values in cloudy_columns().items()}
    c["cloud_fraction"] = np.minimum(c["cloud_fraction"], np.float32(1))
    right = longwave.fluxes(**{name: values.astype("f8") for name, values in c.items()})
    found = longwave.fluxes(**c)
    assert bits(found) == bits(right)
    assert found.up.dtype == np.float64


def test_numbers_and_profiles_are_broadcast(longwave: Longwave, shortwave: Shortwave) -> None:
    c = clear_columns()
    profile = c["o3"][3]
    full = {**c, "co2": np.full_like(c["co2"], 4e-4), "o3": np.tile(profile, (70, 1)), "surface_emissivity": np.full(70, 1.0)}
    right = longwave.fluxes(**full)
    found = longwave.fluxes(**{**c, "co2": 4e-4, "o3": profile, "surface_emissivity": 1})
    assert bits(found) == bits(right)
    temperature = c["temperature_layer"][:, :1]
    right = longwave.fluxes(**{**c, "temperature_layer": np.tile(temperature, (1, 24))})
    assert bits(longwave.fluxes(**{**c, "temperature_layer": temperature})) == bits(right)
    s = sunny_columns()
    right = shortwave.fluxes(**{**s, "visible_albedo_direct": np.full(70, 0.3)}, **aerosol(np.full((70, 24, 14), 0.1)))
    found = shortwave.fluxes(**{**s, "visible_albedo_direct": 0.3}, **aerosol(0.1))
    assert bits(found) == bits(right)


def aerosol(value: Any) -> Columns:
    return dict.fromkeys(test_rrtmg_shortwave.AEROSOL, value)


def test_inputs_stay_as_they_are_and_results_are_fresh(longwave: Longwave) -> None:
    c = cloudy_columns()
    for values in c.values():
        values.flags.writeable = False
    first, second = longwave.fluxes(**c), longwave.fluxes(**c)
    names = [name for name in vars(first) if getattr(first, name) is not None]
    arrays = [getattr(result, name) for result in (first, second) for name in names]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in (*arrays[i + 1 :], *c.values()))
    assert all(a.flags.c_contiguous and a.flags.writeable and a.dtype == np.float64 for a in arrays)
    assert first.up.shape == (70, 25)
    assert first.heating_rate.shape == (70, 24)
    with pytest.raises(AttributeError):
        first.up = second.up  # type: ignore[misc]


def test_no_columns_have_no_fluxes(longwave: Longwave, shortwave: Shortwave) -> None:
    none = {name: values[:0] for name, values in cloudy_columns().items()}
    result = longwave.fluxes(**none, draws=2, threads=2)
    assert result.up.shape == result.up_noise.shape == (0, 25)
    assert shortwave.fluxes(**{name: values[:0] for name, values in sunny_columns().items()}).heating_rate.shape == (0, 24)
    with pytest.raises(RrtmgError, match="overlap: expected"):
        longwave.fluxes(**none, overlap="some")


def test_a_dataset_may_be_turned_and_broadcast(tmp_path: Path) -> None:
    column_file(tmp_path / "columns.nc")
    dataset = xr.open_dataset(tmp_path / "columns.nc")
    right = fluxes(dataset)
    loose = dataset.transpose("level", "layer", "column").drop_vars("solar_irradiance")
    loose["co2"] = ((), 420e-6, {"units": "mol mol-1"})
    loose["o2"] = ("layer", np.full(30, 0.209))
    loose = loose.assign_coords(column=np.arange(100, 170), name=("column", np.arange(70) % 3), time=5)
    found = fluxes(loose)
    assert list(found["column"]) == list(range(100, 170))
    assert {"name", "pressure_level"} <= set(found.coords)
    for name in right.data_vars:
        np.testing.assert_array_equal(found[name], right[name], err_msg=str(name))
        assert found[name].dims == right[name].dims
    # One column alone, and pressures that are the same for all columns.
    one = fluxes(dataset.isel(column=slice(7, 8)))
    np.testing.assert_array_equal(one["lw_up_clear"], right["lw_up_clear"][7:8])
    single = fluxes(dataset.isel(column=7))
    np.testing.assert_array_equal(single["lw_up_clear"], right["lw_up_clear"][7:8])
    same = dataset.copy()
    for name in ("pressure_level", "pressure_layer"):
        same[name] = dataset[name].isel(column=0)
    full = same.copy()
    for name in ("pressure_level", "pressure_layer"):
        full[name] = same[name].expand_dims(column=dataset.sizes["column"])
    xr.testing.assert_equal(fluxes(same), fluxes(full))


# ---- physics ----


@pytest.mark.parametrize("cloudy", [False, True])
def test_heating_is_the_divergence_of_the_fluxes(longwave: Longwave, shortwave: Shortwave, cloudy: bool) -> None:
    c = cloudy_columns() if cloudy else clear_columns()
    sunny = sunny_columns()
    for result, levels in ((longwave.fluxes(**c), c["pressure_level"]), (shortwave.fluxes(**sunny), sunny["pressure_level"])):
        divergence = np.diff(result.up - result.down, axis=1) / np.diff(levels, axis=1) * HEATING
        rounding = 1e-12 * np.abs(result.up).max() / np.diff(levels, axis=1) * HEATING
        assert (np.abs(result.heating_rate - divergence) < rounding).all()
        assert np.abs(divergence).max() > 0.1


@settings(max_examples=25, deadline=None)
@given(
    temperature=st.floats(180, 330),
    vapour=st.floats(0, 0.03),
    pressure=st.floats(5e4, 1.05e5),
    layers=st.integers(20, 40),
)
def test_a_black_body_of_one_temperature_radiates_as_one(
    temperature: float, vapour: float, pressure: float, layers: int
) -> None:
    level = np.linspace(10.0, pressure, layers + 1)[None, :]
    result = LONGWAVE.fluxes(
        pressure_level=level,
        temperature_level=temperature,
        pressure_layer=0.5 * (level[:, 1:] + level[:, :-1]),
        temperature_layer=temperature,
        h2o=vapour,
        o3=1e-6,
        co2=4e-4,
        ch4=1.8e-6,
        n2o=3e-7,
        o2=0.209,
        surface_temperature=temperature,
        surface_emissivity=1.0,
    )
    black = 5.670374e-8 * temperature**4
    # At the ground by the table of Planck functions; higher up the tables' Planck fractions do not quite add up to one.
    assert result.up[0, -1] == pytest.approx(black, rel=1e-4)
    assert result.up == pytest.approx(np.full_like(result.up, black), rel=4e-3)
    assert (result.down[0, 1:] > 0).all()
    assert (result.down <= black * (1 + 4e-3)).all()


@settings(max_examples=25, deadline=None)
@given(first=st.floats(1e-4, 2e-3), factor=st.floats(1.05, 4), column=st.integers(0, 9))
def test_more_carbon_dioxide_lets_less_out(first: float, factor: float, column: int) -> None:
    scheme = LONGWAVE
    c = {name: values[column : column + 1] for name, values in clear_columns(10).items()}
    less, more = (scheme.fluxes(**{**c, "co2": amount}) for amount in (first, first * factor))
    assert more.up[0, 0] < less.up[0, 0]
    assert more.down[0, -1] > less.down[0, -1]


def test_fluxes_are_positive_and_light_is_not_made(longwave: Longwave, shortwave: Shortwave) -> None:
    for c in (clear_columns(), cloudy_columns()):
        result = longwave.fluxes(**c)
        assert (result.up > 0).all()
        assert (result.down >= 0).all()
        assert (result.down[:, 0] == 0).all()
    c = sunny_columns()
    result = shortwave.fluxes(**c)
    for flux in (result.up, result.down, result.direct):
        assert (flux >= 0).all()
    assert (result.direct <= result.down).all()
    entering = c["cos_zenith"] * c["solar_irradiance"]
    np.testing.assert_allclose(result.down[:, 0], entering, rtol=1e-5)
    assert (result.up[:, 0] < entering).all()
    assert (result.heating_rate > 0).all()


def test_night_is_dark(shortwave: Shortwave) -> None:
    c = sunny_columns()
    day = shortwave.fluxes(**c)
    night = np.arange(70) % 3 == 0
    c["cos_zenith"] = np.where(night, np.where(np.arange(70) % 2, -0.5, 0.0), c["cos_zenith"])
    result = shortwave.fluxes(**c, threads=2)
    for name, values in vars(result).items():
        if not name.endswith("noise"):
            assert (values[night] == 0).all(), name
            np.testing.assert_array_equal(values[~night], getattr(day, name)[~night], err_msg=name)


def test_clouds_warm_the_ground_and_shade_the_sky(longwave: Longwave) -> None:
    c = cloudy_columns()
    result = longwave.fluxes(**c)
    clear = longwave.fluxes(**{name: values for name, values in c.items() if name not in CLOUDS})
    np.testing.assert_array_equal(result.up_clear, clear.up)
    np.testing.assert_array_equal(clear.up_clear, clear.up)
    np.testing.assert_array_equal(result.down_clear, clear.down)
    assert (result.down[:, -1] >= clear.down[:, -1] - 1e-9).all()
    assert (result.down[:, -1] > clear.down[:, -1]).any()
    assert result.up_noise is None
    noise = longwave.fluxes(**c, draws=2).up_noise
    assert noise is not None
    assert noise.max() > 0.1


# ---- errors ----

BAD = [
    ("h2o", -1e-9, "h2o of column 56, layer 3: expected 0.00 to 1.00 mol mol-1, got -1.000E-09", Status.BAD_VALUE),
    ("h2o", np.nan, "h2o of column 56, layer 3: expected 0.00 to 1.00 mol mol-1, got NaN", Status.BAD_VALUE),
    ("temperature_level", 500.0, "temperature_level of column 56, level 3: expected 100.00 to 400.00 K", Status.BAD_VALUE),
    ("pressure_level", 0.0, "pressure_level of column 56, levels 2 and 3: expected rising pressures", Status.BAD_VALUE),
    ("liquid_radius", 1.0, "liquid_radius of column 56, layer 3: expected 2.500E-06 to 6.000E-05 m", Status.BAD_VALUE),
]


@pytest.mark.parametrize(("name", "value", "message", "status"), BAD, ids=[f"{case[0]} {case[1]}" for case in BAD])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_bad_value_is_named_with_its_column_in_the_whole_array(
    longwave: Longwave, threads: int, name: str, value: float, message: str, status: Status
) -> None:
    c = {key: values.copy() for key, values in cloudy_columns(150).items()}
    for clouded in ("cloud_fraction", "cloud_liquid_path"):
        c[clouded][55, 2] = 0.1
    c[name][55, 2] = value
    c[name][120, 2] = value  # not the first
    with pytest.raises(RrtmgError) as caught:
        longwave.fluxes(**c, threads=threads)
    assert str(caught.value).startswith(f"rrtmg_longwave%fluxes: {message}")
    assert caught.value.status is status
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("change", "message", "status"),
    [
        ({"h2o": np.zeros((70, 23))}, "h2o: expected (70, 24), got (70, 23)", Status.BAD_SHAPE),
        ({"pressure_level": np.zeros((70, 24))}, "pressure_level: expected (70, 25), got (70, 24)", Status.BAD_SHAPE),
        ({"pressure_layer": np.zeros(24)}, "pressure_layer: expected (column, layer), got (24)", Status.BAD_SHAPE),
        ({"pressure_layer": np.zeros((70, 0))}, "pressure_layer has no layers", Status.BAD_SHAPE),
        ({"o3": np.zeros((1, 70, 24))}, "o3: expected (70, 24), got (1, 70, 24)", Status.BAD_SHAPE),
        ({"surface_temperature": np.zeros((70, 1))}, "surface_temperature: expected (70), got (70, 1)", Status.BAD_SHAPE),
        ({"co2": [[1.0], [1.0, 2.0]]}, "co2: is no array", Status.BAD_SHAPE),
        ({"co2": 4e-4j}, "co2: expected real numbers, got complex128", Status.BAD_VALUE),
        ({"co2": "420 ppm"}, "co2: expected real numbers, got <U7", Status.BAD_VALUE),
        ({"co2": True}, "co2: expected real numbers, got bool", Status.BAD_VALUE),
        ({"co2": None}, "co2: expected real numbers, got object", Status.BAD_VALUE),
        ({"co2": np.ma.masked_all((70, 24))}, "co2: expected values everywhere, got masked ones", Status.BAD_VALUE),
        ({"overlap": "e"}, "overlap: expected maximum-random, random, maximum or analytic, got e", Status.BAD_ARGUMENTS),
        ({"overlap": 4}, "overlap: expected a word, got 4", Status.BAD_ARGUMENTS),
        ({"ice_optics": "snow"}, "ice_optics: expected fu or streamer, got snow", Status.BAD_ARGUMENTS),
        ({"draws": 0}, "draws: expected at least 1", Status.BAD_ARGUMENTS),
        ({"draws": 2**31}, "draws: expected at least 1 and less than 2**31, got 2147483648", Status.BAD_ARGUMENTS),
        ({"draws": 1.5}, "draws: expected a whole number, got 1.5", Status.BAD_VALUE),
        ({"threads": 0}, "threads: expected at least 1", Status.BAD_ARGUMENTS),
        ({"seed": 5}, "seed: expected (70), got ()", Status.BAD_SHAPE),
        ({"seed": np.zeros(70)}, "seed: expected whole numbers, got float64", Status.BAD_VALUE),
        ({"seed": np.full(70, 2**63, np.uint64)}, "seed: expected numbers of 64 bits with a sign", Status.BAD_VALUE),
        ({"subcolumns": np.zeros(140, bool)}, "expected cloud_fraction or subcolumns, got both", Status.BAD_ARGUMENTS),
        ({"subcolumns": np.zeros((70, 24, 140))}, "subcolumns: expected booleans, got float64", Status.BAD_VALUE),
        ({"subcolumns": np.zeros((70, 24, 112), bool)}, "subcolumns: expected (70, 24, 140), got (70, 24,", Status.BAD_SHAPE),
        ({"aerosol_optical_depth": np.zeros((70, 24, 14))}, "aerosol_optical_depth: expected (70, 24, 16)", Status.BAD_SHAPE),
        ({"band_emissivity": 1.5}, "band_emissivity of column 1, band 1: expected 0.00 to 1.00", Status.BAD_VALUE),
        ({"liquid_radius": None}, "expected cloud_liquid_path and liquid_radius together", Status.BAD_ARGUMENTS),
        ({"cloud_fraction": None}, "cloud_liquid_path without cloud_fraction or subcolumns", Status.BAD_ARGUMENTS),
    ],
)  # fmt: skip
def test_a_call_that_does_not_fit_is_refused_by_name(longwave: Longwave, change: Columns, message: str, status: Status) -> None:
    with pytest.raises(RrtmgError) as caught:
        longwave.fluxes(**{**cloudy_columns(), **change})
    assert str(caught.value).startswith(f"rrtmg_longwave%fluxes: {message}")
    assert caught.value.status is status


def test_the_shortwave_refuses_by_name(shortwave: Shortwave) -> None:
    c = sunny_columns()
    for change, message in (
        ({"cos_zenith": 1.5}, "cos_zenith of column 1: expected -1.00 to 1.00 1, got 1.50"),
        ({"cos_zenith": np.where(np.arange(70) == 40, 2.0, 0.5)}, "cos_zenith of column 41: expected"),
        ({"aerosol_optical_depth": 0.1}, "aerosol: expected optical depth, single-scattering albedo and asymmetry"),
        ({"solar_irradiance": np.zeros(69)}, "solar_irradiance: expected (70), got (69)"),
        (
            {"cloud_fraction": 0.5, "cloud_liquid_path": 0.1, "liquid_radius": 1e-5, "overlap": "analytic"},
            "overlap: expected rrtmg_overlap_maximum_random, _random or _maximum, got rrtmg_overlap_analytic",
        ),
        ({"overlap": "some"}, "overlap: expected maximum-random, random, maximum or analytic, got some"),
        ({"cloud_fraction": 0.5, "cloud_ice_path": 0.1, "ice_radius": 1e-3}, "ice_radius of column 1, layer 1: expected"),
    ):
        with pytest.raises(RrtmgError) as caught:
            shortwave.fluxes(**{**c, **change})
        assert str(caught.value).startswith(f"rrtmg_shortwave%fluxes: {message}")


def test_a_look_inside_is_checked_too(longwave: Longwave, shortwave: Shortwave) -> None:
    c = {name: values[0] for name, values in clear_columns().items() if values.ndim == 2 and name != "temperature_level"}
    for change, message in (
        ({"pressure_layer": np.full(24, np.nan)}, "pressure_layer of column 1, layer 1: expected a positive pressure"),
        ({"h2o": -1.0}, "h2o of column 1, layer 1: expected 0.00 to 1.00"),
        ({"cfc12": np.inf}, "cfc12 of column 1, layer 1: expected 0.00 to 1.00"),
        ({"temperature_layer": 5.0}, "temperature_layer of column 1, layer 1: expected 100.00 to 400.00 K"),
        ({"o3": np.zeros(25)}, "o3: expected (1, 24), got (25)"),
        ({"pressure_layer": np.zeros((1, 24))}, "pressure_layer: expected (layer), got (1, 24)"),
    ):
        with pytest.raises(RrtmgError) as caught:
            longwave.optical_depths(**{**c, **change})
        assert str(caught.value).startswith(f"rrtmg_longwave%optical_depths: {message}")
    del c["n2o"]
    with pytest.raises(RrtmgError, match="solar_irradiance of column 1: expected"):
        shortwave.optical_depths(**c, solar_irradiance=-1.0)


def test_tables_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for scheme, name in ((Longwave, "rrtmg_longwave.nc"), (Shortwave, "rrtmg_shortwave.nc")):
        with pytest.raises(RrtmgTablesError, match=r"no\.nc") as caught:
            scheme(tmp_path / "no.nc")
        assert caught.value.status is Status.BAD_TABLES
        cut = tmp_path / "cut é.nc"
        cut.write_bytes((DATA / name).read_bytes()[:5000])
        with pytest.raises(RrtmgTablesError, match="cut é"):
            scheme(cut)
    with pytest.raises(RrtmgTablesError):
        Longwave(DATA / "rrtmg_shortwave.nc")


def test_clouds_want_their_optics(tmp_path: Path) -> None:
    alone = tmp_path / "rrtmg_longwave.nc"
    shutil.copy(DATA / "rrtmg_longwave.nc", alone)
    scheme = Longwave(alone)
    assert scheme.fluxes(**clear_columns()).up.max() > 200
    with pytest.raises(RrtmgTablesError, match=r"no cloud optics; expected rrtmg_clouds\.nc") as caught:
        scheme.fluxes(**cloudy_columns())
    assert caught.value.status is Status.NOT_LOADED


def test_a_dataset_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    column_file(tmp_path / "columns.nc", 5)
    dataset = xr.open_dataset(tmp_path / "columns.nc")
    hpa = dataset["pressure_level"].assign_attrs(units="hPa")
    for bad, options, message in (
        (dataset.drop_vars("h2o"), {}, "variable h2o is missing"),
        (dataset.assign(pressure_level=hpa), {}, "pressure_level: expected units 'Pa', got 'hPa'"),
        (dataset.assign(h2o=dataset["h2o"].expand_dims("time")), {}, "h2o: expected dimensions .*layer.*, got .*time"),
        (dataset, {"seed": 0}, "seed: expected a whole number above 0"),
        (dataset, {"noise": True}, "noise needs at least two draws"),
        (dataset.isel(level=slice(1, None)), {}, r"pressure_level: expected \(5, 31\), got \(5, 30\)"),
        (dataset.assign(h2o=dataset["h2o"].where(dataset["h2o"] < 0)), {}, "h2o of column 1, layer 1: .* got NaN"),
    ):
        with pytest.raises(RrtmgError, match=message):
            fluxes(bad, **options)


def test_status_codes_are_fortrans() -> None:
    source = (ROOT / "fortran" / "rrtmg" / "radml_rrtmg_status.f90").read_text()
    constants = re.findall(r"public :: rrtmg_(\w+) = (\d+)", source)
    assert {name.upper(): int(number) for name, number in constants} == {status.name: status.value for status in Status}


# ---- loaded objects ----


def test_a_scheme_may_be_pickled(longwave: Longwave) -> None:
    c = clear_columns(3)
    again = pickle.loads(pickle.dumps(longwave))
    assert bits(again.fluxes(**c)) == bits(longwave.fluxes(**c))
    original = Longwave(DATA / "rrtmg_longwave.nc", original_tables=True)
    assert repr(pickle.loads(pickle.dumps(original))) == repr(original)
    assert bits(pickle.loads(pickle.dumps(original)).fluxes(**c)) == bits(original.fluxes(**c)) != bits(longwave.fluxes(**c))
    error = pickle.loads(pickle.dumps(RrtmgError(Status.BAD_VALUE, "words")))
    assert (error.status, str(error)) == (Status.BAD_VALUE, "words")


def test_threads_may_load_tables_at_once() -> None:
    loaded: list[Longwave] = []

    def load() -> None:
        for _ in range(5):
            loaded.append(Longwave(DATA / "rrtmg_longwave.nc"))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 20
    c = clear_columns(2)
    assert {bits(scheme.fluxes(**c)) for scheme in loaded} == {bits(LONGWAVE.fluxes(**c))}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from Linux")
def test_schemes_and_calls_give_their_memory_back() -> None:
    c = cloudy_columns()

    def once() -> None:
        Longwave(DATA / "rrtmg_longwave.nc").fluxes(**c)
        Shortwave(DATA / "rrtmg_shortwave.nc")
        with pytest.raises(RrtmgError):
            Longwave(DATA / "rrtmg_longwave.nc").fluxes(**{**c, "h2o": -1})

    def resident() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for _ in range(5):
        once()
    before = resident()
    for _ in range(20):
        once()
    assert resident() - before < 10e6  # tables of one longwave take more than a megabyte


# ---- where it is found ----

HERE = """import sys
import ftorch_bridge._rrtmg
from ftorch_bridge.rrtmg import Longwave, Shortwave
print(ftorch_bridge._rrtmg.__file__, Longwave(), Shortwave())
sys.exit("f90wrap" in sys.modules)
"""


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RADML_")}
    return kept | {"PYTHONPATH": str(ROOT / "python")} | more


def test_an_installed_prefix_that_was_moved_is_used(tmp_path: Path) -> None:
    if "SKBUILD:" in (BUILD / "CMakeCache.txt").read_text():
        pytest.skip("the build is a wheel's, which is installed into its environment and not into a prefix")
    for component in ("fortran/rrtmg", "fortran/rrtmg_python"):
        command("cmake", "--install", BUILD / component, "--prefix", tmp_path / "first")
    shutil.copytree(DATA, tmp_path / "first" / "share" / "radml" / "data")
    prefix = (tmp_path / "first").rename(tmp_path / "moved")
    done = subprocess.run(
        [sys.executable, "-c", HERE], env=environment(RADML_PREFIX=str(prefix)), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(prefix / "lib" / "radml" / "ftorch_bridge"))
    assert f"Longwave('{prefix}/share/radml/data/rrtmg_longwave.nc') Shortwave('{prefix}" in done.stdout


def test_the_installed_package_has_the_module_and_its_tables(tmp_path: Path) -> None:
    bare = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    where = subprocess.run(
        [sys.executable, "-c", "import ftorch_bridge; print(ftorch_bridge.__file__)"],
        env=bare, cwd=tmp_path, text=True, capture_output=True, check=False,
    )  # fmt: skip
    if where.returncode != 0:
        pytest.skip("the package is not installed in this environment")
    package = Path(where.stdout.strip()).parent
    done = subprocess.run([sys.executable, "-c", HERE], env=bare, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{package}/_rrtmg")
    assert f"Longwave('{package}/prefix/share/radml/data/rrtmg_longwave.nc')" in done.stdout


def test_tables_are_looked_for_where_the_programs_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RADML_DATA", str(tmp_path))
    with pytest.raises(RrtmgTablesError, match=re.escape(str(tmp_path / "rrtmg_longwave.nc"))):
        Longwave()
    shutil.copy(DATA / "rrtmg_shortwave.nc", tmp_path)
    assert repr(Shortwave()) == f"Shortwave('{tmp_path}/rrtmg_shortwave.nc')"


def test_a_module_that_is_not_built_is_said_to_be_missing(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "ftorch_bridge", ignore=shutil.ignore_patterns("_r*.so", "prefix", "__pycache__"))
    more = environment(PYTHONPATH=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", "import ftorch_bridge.rrtmg"], env=more, text=True, capture_output=True, check=False
    )
    assert "ImportError: this installation of ftorch_bridge has no compiled module _rrtmg for this Python" in done.stderr


def test_cmake_says_where_f90wrap_is_missing(tmp_path: Path) -> None:
    (tmp_path / "f90wrap.py").write_text("raise ImportError\n")
    off = [f"-DRADML_BUILD_{part}=OFF" for part in ("TORCH", "HOST", "TESTS")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        said = configure(ROOT, tmp_path / "auto", *off)
        with pytest.raises(AssertionError) as refused:
            configure(ROOT, tmp_path / "on", *off, "-DRADML_BUILD_PYTHON=ON")
    assert "not building the Python module ftorch_bridge._rrtmg: f90wrap is missing" in said
    words = " ".join(str(refused.value).split("CMake Error")[1].split())
    assert "RADML_BUILD_PYTHON=ON: cannot build the Python module ftorch_bridge._rrtmg: f90wrap is missing" in words
    assert "ftorch_bridge._rrtmg" not in configure(ROOT, tmp_path / "off", *off, "-DRADML_BUILD_PYTHON=OFF")


def test_the_examples_in_the_documentation_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RADML_DATA", str(DATA))
    column_file(tmp_path / "columns.nc", 20)
    section = (ROOT / "docs" / "python.md").read_text().split("\n## RRTMG\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    assert read_fluxes("fluxes.nc")["lw_up"].shape == (20, 31)
    assert names["cooling"].shape == (30,)
    assert (names["effect"] > 1).all()
    assert (names["sunlight"].up[0] == 0).all()
    assert names["sunlight"].up[-1].min() > 100
    shown = [line.split("  # ")[1] for line in blocks[1].splitlines() if "print(" in line]
    assert capsys.readouterr().out.splitlines() == shown


def test_the_stub_names_what_the_module_has() -> None:
    stub = ast.parse((PACKAGE / "_rrtmg.pyi").read_text())
    named = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    assert named == {name for name in vars(ftorch_bridge._rrtmg) if name.startswith("f90wrap_")}
