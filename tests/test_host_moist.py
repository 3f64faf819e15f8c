"""The host with moist physics, its weather and its restarts."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from ftorch_bridge.column_file import write
from ftorch_bridge.columns import generate_columns
from host.columns import make_columns, write_columns
from host.programs import BIN, fails, run, succeeds
from test_host_run import GRAVITY, HEAT_CAPACITY, read_history, write_case

LATENT_HEAT, WATER_TO_AIR = 2.5e6, 18.016 / 28.966
MOIST = {"sky": "all", "physics": "moist", "sunlight": "globe"}


@pytest.fixture(scope="module")
def globe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Columns of all climates, with a place each."""
    path = tmp_path_factory.mktemp("globe") / "columns.nc"
    write(generate_columns(24, 40, seed=3), path)
    return path


def run_case(folder: Path, globe: Path, **keys: str | float) -> dict[str, np.ndarray]:
    write_case(folder, **{"columns": str(globe), "hours": 24, **MOIST, **keys})
    succeeds("radml-host", "case.nml", folder=folder)
    return read_history(folder / "history.nc")


def test_five_days_have_weather_rain_and_clouds_and_stay_an_atmosphere(globe: Path, tmp_path: Path) -> None:
    history = run_case(tmp_path, globe, hours=120, history_interval=10800.0)
    for name, values in history.items():
        assert np.isfinite(values).all(), name
    assert (history["temperature_layer"] > 130.0).all()
    assert (history["temperature_layer"] < 340.0).all()
    assert (history["h2o"] > 0.0).all()
    cover = history["cloud_fraction"].max(axis=2)
    assert 0.2 < cover.mean() < 0.9
    assert (cover.std(axis=0) > 0.05).mean() > 0.5  # it changes
    rain = history["precipitation"].mean() * 86400.0
    assert 0.3 < rain < 8.0  # mm a day; on Earth 2.7
    assert abs(history["evaporation"][8:].mean() * 86400.0 - rain) < 3.0
    assert 150.0 < history["toa_lw_up"].mean() < 300.0
    changed = np.abs(history["temperature_layer"][-1] - history["temperature_layer"][0])
    assert changed[:, 25:].mean() > 1.0


def test_enthalpy_changes_by_radiation_and_weather_alone(globe: Path, tmp_path: Path) -> None:
    history = run_case(tmp_path, globe, hours=6, radiation_interval=600.0, history_interval=600.0)
    with netCDF4.Dataset(globe) as file:
        land = np.asarray(file["land_fraction"][:])
    mass = np.diff(history["pressure_level"], axis=1) / GRAVITY
    air = HEAT_CAPACITY * history["temperature_layer"] + LATENT_HEAT * WATER_TO_AIR * history["h2o"]
    ground = np.where(land > 0.5, 4.2e5, 4.2e7) * history["surface_temperature"]
    energy = (air * mass).sum(axis=2) + ground
    entering = history["toa_sw_down"] - history["toa_sw_up"] - history["toa_lw_up"]
    gained = np.diff(energy, axis=0) / 600.0 - history["weather_heating"][1:]
    np.testing.assert_allclose(gained, entering[:-1], atol=2e-3)
    water = (WATER_TO_AIR * history["h2o"] * mass).sum(axis=2)
    assert np.abs(np.diff(water, axis=0)).max() > 1e-3


def test_without_weather_water_changes_by_evaporation_and_rain_alone(globe: Path, tmp_path: Path) -> None:
    history = run_case(tmp_path, globe, hours=6, history_interval=600.0, weather_strength=0.0, relaxation_days=0.0)
    mass = np.diff(history["pressure_level"], axis=1) / GRAVITY
    water = (WATER_TO_AIR * history["h2o"] * mass).sum(axis=2)
    exchanged = 600.0 * (history["evaporation"] - history["precipitation"])[1:]
    np.testing.assert_allclose(np.diff(water, axis=0), exchanged, atol=1e-9)
    assert (history["weather_heating"] == 0.0).all()


def test_threads_change_no_bit_and_seeds_change_the_weather(globe: Path, tmp_path: Path) -> None:
    one = run_case(tmp_path, globe, threads=1)
    three = run_case(tmp_path, globe, threads=3)
    for name, values in one.items():
        np.testing.assert_array_equal(values, three[name], err_msg=name)
    other = run_case(tmp_path, globe, seed=2)
    assert np.abs(other["temperature_layer"][-1] - one["temperature_layer"][-1]).max() > 0.5
    np.testing.assert_array_equal(other["temperature_layer"][0], one["temperature_layer"][0])


def test_noon_is_where_the_globe_has_it(globe: Path, tmp_path: Path) -> None:
    history = run_case(tmp_path, globe, start_hour=0.0)
    with netCDF4.Dataset(globe) as file:
        longitude, latitude = np.asarray(file["longitude"][:]), np.asarray(file["latitude"][:])
    low = np.abs(latitude) < 50.0
    brightest = history["time"][:24][history["toa_sw_down"][:24].argmax(axis=0)]
    difference = (brightest + longitude / 15.0 - 12.0 + 12.0) % 24.0 - 12.0
    assert np.abs(difference[low]).max() <= 0.51


@pytest.mark.parametrize("keys", [MOIST, {"sky": "clear", "physics": "dry", "sunlight": "diurnal"}])
def test_a_run_goes_on_with_the_same_bits(keys: dict[str, str], globe: Path, tmp_path: Path) -> None:
    whole = run_case(tmp_path, globe, **keys)
    run_case(tmp_path, globe, restart="restart.nc", restart_interval=36000.0, **keys)
    (tmp_path / "history.nc").unlink()
    rest = run_case(tmp_path, globe, start_from="restart.nc", **keys)
    assert rest["time"][0] == 20.0
    for name, values in rest.items():
        expected = whole[name][20:] if whole[name].shape[0] == 25 else whole[name]
        if name in ("precipitation", "evaporation", "weather_heating", "surface_sensible_heat"):  # of the step before
            np.testing.assert_array_equal(values[1:], expected[1:], err_msg=name)
        else:
            np.testing.assert_array_equal(values, expected, err_msg=name)


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(globe: Path, tmp_path: Path) -> None:
    hours = 240
    whole = run_case(tmp_path, globe, hours=hours, history_interval=hours * 3600.0)
    restart = tmp_path / "restart.nc"
    keys = {"hours": hours, "restart": "restart.nc", "restart_interval": 3600.0, "history_interval": hours * 3600.0}

    def written() -> int:
        return restart.stat().st_mtime_ns if restart.exists() else 0

    kills = 0
    for attempt in range(8):
        more = {"start_from": "restart.nc"} if restart.exists() else {}
        write_case(tmp_path, **{"columns": str(globe), **MOIST, **keys, **more, "history": "last.nc"})
        before = written()
        with subprocess.Popen([str(BIN / "radml-host"), "case.nml"], cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
            # Killed a little after it has written a state, at another moment each time; the last one may go on.
            while attempt < 7 and written() == before and process.poll() is None:
                time.sleep(0.0005)
            time.sleep(0.0013 * attempt)
            if attempt < 7 and process.poll() is None:
                process.kill()
                kills += 1
                continue
        assert process.returncode == 0
        break
    assert kills >= 2
    last = read_history(tmp_path / "last.nc")
    assert last["time"][-1] == hours
    np.testing.assert_array_equal(last["temperature_layer"][-1], whole["temperature_layer"][-1])
    np.testing.assert_array_equal(last["h2o"][-1], whole["h2o"][-1])


def test_memory_does_not_grow_with_the_length_of_a_run(globe: Path, tmp_path: Path) -> None:
    def peak(hours: int) -> int:
        keys = {"hours": hours, "radiation_interval": 3600.0, "history_interval": 3600.0}
        write_case(tmp_path, **{"columns": str(globe), **MOIST, **keys})
        with subprocess.Popen([str(BIN / "radml-host"), "case.nml"], cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status
        assert status == 0
        return usage.ru_maxrss

    short, long = peak(24), peak(240)
    assert long < short + 4096  # KiB


def test_a_full_disk_is_one_clear_line(globe: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    write_case(tmp_path, **{"columns": str(globe), **MOIST, "hours": 24, "history": "/dev/full/history.nc"})
    assert "/dev/full/history.nc: cannot be created" in fails("radml-host", "case.nml", folder=tmp_path)
    write_case(tmp_path, **{"columns": str(globe), **MOIST, "hours": 24})
    library = tmp_path_factory.mktemp("full") / "full_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, Path(__file__).parent / "host" / "full_disk.c"], check=True)
    done = run("radml-host", "case.nml", folder=tmp_path, environment={"LD_PRELOAD": str(library)})
    assert done.returncode > 0
    assert len(done.stderr.splitlines()) == 1
    assert "history.nc: " in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.nml", "columns.nc"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"sky": "clear"}, "key \"sky\": expected 'all', which physics = 'moist' needs, got 'clear'"),
        ({"physics": "wet"}, "key \"physics\": expected 'dry' or 'moist', got 'wet'"),
        ({"weather_strength": -1.0}, 'key "weather_strength": expected 0 to 10, got -1'),
        ({"land_wetness": 2.0}, 'key "land_wetness": expected 0 to 1, got 2'),
        (
            {"restart": "r.nc", "restart_interval": 1800.0},
            'key "restart_interval": expected a multiple of radiation_interval (3600 s), got 1800 s',
        ),
        ({"start_from": "none.nc"}, 'key "start_from": expected a file that is there, got none.nc (no such file)'),
    ],
)
def test_a_wrong_key_is_named(keys: dict[str, str | float], words: str, globe: Path, tmp_path: Path) -> None:
    write_case(tmp_path, **{"columns": str(globe), **MOIST, **keys})
    assert words in fails("radml-host", "case.nml", folder=tmp_path)


def test_columns_without_a_place_are_refused_on_the_globe(tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns())
    write_case(tmp_path, **MOIST)
    said = fails("radml-host", "case.nml", folder=tmp_path)
    assert 'columns.nc: sunlight = \'globe\' needs the variables "latitude" and "longitude"' in said


def test_the_restart_of_other_columns_is_refused(globe: Path, tmp_path: Path) -> None:
    run_case(tmp_path, globe, restart="restart.nc", restart_interval=36000.0)
    write(generate_columns(10, 40, seed=3), tmp_path / "few.nc")
    write_case(tmp_path, **{"columns": "few.nc", **MOIST, "start_from": "restart.nc"})
    assert "restart.nc: expected 10 columns, as the column file has, got 24" in fails("radml-host", "case.nml", folder=tmp_path)
    write_case(tmp_path, **{"columns": str(globe), **MOIST, "start_from": "restart.nc", "hours": 10})
    said = fails("radml-host", "case.nml", folder=tmp_path)
    assert "expected a state not beyond the end of the run, at a call of radiation, got one 20 hours after the start" in said
    write_case(tmp_path, **{"columns": str(globe), **MOIST, "start_from": "restart.nc", "time_step": 1200.0})
    assert "restart.nc: expected a time step of 1200 s, got 600" in fails("radml-host", "case.nml", folder=tmp_path)


def test_a_terminal_is_told_the_pace(globe: Path, tmp_path: Path) -> None:
    write_case(tmp_path, **{"columns": str(globe), **MOIST, "hours": 12})
    master, slave = os.openpty()
    with subprocess.Popen(
        [str(BIN / "radml-host"), "case.nml"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=slave
    ) as process:
        os.close(slave)
        shown = b""
        until = time.monotonic() + 60.0
        while time.monotonic() < until:
            try:
                part = os.read(master, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
    assert process.returncode == 0
    assert b"simulated days per minute" in shown
