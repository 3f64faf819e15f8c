"""`radml-host` as a user runs it: with RRTMG, with networks that fit and networks that do not, and with wrong namelists."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.exporting import describe, export, load_source
from host.columns import make_columns, write_columns
from host.programs import BIN, ROOT, fails, run, succeeds
from torch import Tensor, nn

STEFAN_BOLTZMANN = 5.670374419e-8
GRAVITY, HEAT_CAPACITY = 9.8066, 1004.64  # as RRTMG and the host have them


class GreyNetwork(nn.Module):
    """Fluxes of a thin grey gas: enough physics for a run to stay an atmosphere."""

    def __init__(self, spoil: float = 1.0) -> None:
        super().__init__()
        self.spoil = spoil

    def forward(
        self,
        pressure_level: Tensor,
        temperature_level: Tensor,
        pressure_layer: Tensor,
        temperature_layer: Tensor,
        h2o: Tensor,
        o3: Tensor,
        co2: Tensor,
        ch4: Tensor,
        n2o: Tensor,
        surface_temperature: Tensor,
        surface_emissivity: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        depth = pressure_level / pressure_level[:, -1:]
        down = 5.670374419e-8 * depth * 0.8 * temperature_level[:, -1:] ** 4
        surface = surface_emissivity * 5.670374419e-8 * surface_temperature**4 + (1.0 - surface_emissivity) * down[:, -1]
        up = surface[:, None] * (0.6 + 0.4 * depth)
        net = up - down
        thickness = pressure_level[:, 1:] - pressure_level[:, :-1]
        heating = self.spoil * 86400.0 * 9.8066 / 1004.64 * (net[:, 1:] - net[:, :-1]) / thickness
        return up, down, heating


class TenInputs(nn.Module):
    """Wants no surface emissivity."""

    def forward(
        self, a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor, g: Tensor, h: Tensor, i: Tensor, j: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return a, b, c


class WrongShape(GreyNetwork):
    """Gives its heating rates at levels."""

    def forward(
        self,
        pressure_level: Tensor,
        temperature_level: Tensor,
        pressure_layer: Tensor,
        temperature_layer: Tensor,
        h2o: Tensor,
        o3: Tensor,
        co2: Tensor,
        ch4: Tensor,
        n2o: Tensor,
        surface_temperature: Tensor,
        surface_emissivity: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        return pressure_level, pressure_level, temperature_level


def save(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module.eval()).save(str(path))
    return path


def write_case(folder: Path, **keys: str | float) -> Path:
    """A case of the test's columns; strings are quoted unless they are quoted already, None leaves a key out."""
    if not (folder / "columns.nc").exists():
        write_columns(folder / "columns.nc", make_columns())
    settings: dict[str, str | float | None] = {"columns": "columns.nc", "scheme": "rrtmg", "history": "history.nc", **keys}
    lines = [
        f"  {key} = '{value}'" if isinstance(value, str) else f"  {key} = {value}"
        for key, value in settings.items()
        if value is not None
    ]
    path = folder / "case.nml"
    path.write_text("\n".join(["! a case", "&host", *lines, "/", ""]))
    return path


def read_history(path: Path) -> dict[str, np.ndarray]:
    with netCDF4.Dataset(path) as file:
        return {name: np.asarray(variable[:]) for name, variable in file.variables.items()}


def test_a_day_with_rrtmg_stays_an_atmosphere_and_its_surface_cools_at_night(tmp_path: Path) -> None:
    write_case(tmp_path, start_hour=12.0)
    printed = succeeds("radml-host", "case.nml", folder=tmp_path)
    assert "us per column and call of radiation (25 calls" in printed
    history = read_history(tmp_path / "history.nc")
    for name, values in history.items():
        assert np.isfinite(values).all(), name
    np.testing.assert_allclose(history["time"], np.arange(25.0), atol=1e-9)
    assert history["temperature_layer"].shape == (25, 5, 30)
    night = (history["time"] >= 7.0) & (history["time"] <= 17.0)
    assert (history["surface_sw_absorbed"][night] == 0.0).all()
    assert (np.diff(history["surface_temperature"][night], axis=0) < 0.0).all()
    assert (history["surface_sw_absorbed"][0] > 0.0).all()
    assert (history["surface_temperature"] > 180.0).all()
    assert (history["surface_temperature"] < 340.0).all()
    # Emission of the surface follows its temperature at every call of radiation.
    emitted = 0.98 * STEFAN_BOLTZMANN * history["surface_temperature"] ** 4 + 0.02 * history["surface_lw_down"]
    np.testing.assert_allclose(history["surface_lw_up"], emitted, rtol=2e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.nml", "columns.nc", "history.nc"]


@pytest.mark.parametrize("scheme", ["rrtmg", "network"])
def test_atmosphere_and_surface_together_gain_what_crosses_the_top(scheme: str, tmp_path: Path) -> None:
    """With radiation at every step, the sum of all energy changes by sunlight minus outgoing longwave."""
    save(GreyNetwork(), tmp_path / "grey.pt")
    write_case(tmp_path, scheme=scheme, model="grey.pt", radiation_interval=600.0, history_interval=600.0, hours=6)
    succeeds("radml-host", "case.nml", folder=tmp_path)
    history = read_history(tmp_path / "history.nc")
    mass = np.diff(history["pressure_level"], axis=1) / GRAVITY
    energy = HEAT_CAPACITY * (history["temperature_layer"] * mass).sum(2) + 4.2e5 * history["surface_temperature"]
    # Nothing comes in at the top with RRTMG; the test's network lets in a share, its pressure there being 10 Pa.
    top_down = history["surface_lw_down"] * (history["pressure_level"][:, 0] / history["pressure_level"][:, -1])
    top_down = top_down * (scheme == "network")
    gain = 600.0 * (history["surface_sw_absorbed"] + top_down - history["toa_lw_up"])[:-1]
    np.testing.assert_allclose(np.diff(energy, axis=0), gain, rtol=1e-6, atol=1e-2)


def test_the_sun_of_a_latitude_rises_and_the_polar_night_stays_dark(tmp_path: Path) -> None:
    columns = make_columns()
    columns["latitude"] = np.array([0.0, 30.0, 45.0, 60.0, 85.0])
    write_columns(tmp_path / "columns.nc", columns)
    write_case(tmp_path, start_hour=0.0, day_of_year=355.0)
    succeeds("radml-host", "case.nml", folder=tmp_path)
    sunlight = read_history(tmp_path / "history.nc")["surface_sw_absorbed"]
    assert (sunlight[0] == 0.0).all()
    assert (sunlight[12, :4] > 0.0).all()
    assert (np.diff(sunlight[12]) < 0.0).all()
    assert (sunlight[:, 4] == 0.0).all()


def test_a_fixed_sun_stays_where_it_is(tmp_path: Path) -> None:
    write_case(tmp_path, sunlight="fixed", hours=3)
    succeeds("radml-host", "case.nml", folder=tmp_path)
    sunlight = read_history(tmp_path / "history.nc")["surface_sw_absorbed"]
    columns = make_columns()
    np.testing.assert_allclose(sunlight, np.tile(0.7 * 0.8 * 1361.0 * columns["cos_zenith"], (4, 1)), rtol=1e-12)


def test_columns_without_a_sun_say_so(tmp_path: Path) -> None:
    columns = make_columns()
    del columns["cos_zenith"]
    write_columns(tmp_path / "columns.nc", columns)
    write_case(tmp_path)
    assert 'columns.nc: sunlight = \'diurnal\' needs the variable "cos_zenith" or "latitude"' in fails(
        "radml-host", "case.nml", folder=tmp_path
    )


def test_a_network_runs_and_its_history_says_which(tmp_path: Path) -> None:
    save(GreyNetwork(), tmp_path / "grey.pt")
    write_case(tmp_path, scheme="network", model="grey.pt", hours=3)
    succeeds("radml-host", "case.nml", folder=tmp_path)
    with netCDF4.Dataset(tmp_path / "history.nc") as file:
        assert (file.scheme, file.model) == ("network", "grey.pt")
    columns = make_columns()
    history = read_history(tmp_path / "history.nc")
    surface = 0.98 * STEFAN_BOLTZMANN * columns["surface_temperature"] ** 4 + 0.02 * history["surface_lw_down"][0]
    np.testing.assert_allclose(history["surface_lw_up"][0], surface, rtol=1e-12)
    np.testing.assert_allclose(
        history["toa_lw_up"][0], surface * (0.6 + 0.4 * 10.0 / columns["pressure_level"][:, -1]), rtol=1e-12
    )


@pytest.mark.parametrize("scheme", ["rrtmg", "network"])
def test_blocks_and_threads_change_no_bit_of_a_run(scheme: str, tmp_path: Path) -> None:
    save(GreyNetwork(), tmp_path / "grey.pt")
    write_columns(tmp_path / "columns.nc", make_columns(n_columns=70))
    runs = []
    # A network may round otherwise in blocks of another size.
    for size, threads in ((32, 1), (3 if scheme == "rrtmg" else 32, 2)):
        write_case(tmp_path, scheme=scheme, model="grey.pt", hours=2, columns_per_block=size, threads=threads)
        succeeds("radml-host", "case.nml", folder=tmp_path)
        runs.append(read_history(tmp_path / "history.nc"))
    for name, values in runs[0].items():
        np.testing.assert_array_equal(runs[1][name], values, err_msg=name)


def test_neither_threads_nor_other_columns_change_a_bit_of_the_residual_network(tmp_path: Path) -> None:
    """All columns on one thread and on three, and two unequal parts of them: a network in single precision, to the last bit."""
    source, weights = "ftorch_bridge.networks:ResCNN", ROOT / "data" / "rescnn_longwave.safetensors"
    module, notes = load_source(source, weights)
    manifest = describe(module, "rescnn", "float64", [], [], notes)
    export(module, manifest, tmp_path / "rescnn.pt", columns=generate_columns(64, 30, seed=1))
    columns = make_columns(n_columns=150)

    def history(part: slice, threads: int) -> dict[str, np.ndarray]:
        write_columns(tmp_path / "columns.nc", {name: values[part] for name, values in columns.items()})
        write_case(tmp_path, scheme="network", model="rescnn.pt", hours=2, columns_per_block=64, threads=threads)
        succeeds("radml-host", "case.nml", folder=tmp_path)
        found = read_history(tmp_path / "history.nc")
        return {name: found[name] for name in ("temperature_layer", "lw_heating_rate", "toa_lw_up", "surface_lw_down")}

    whole = history(slice(None), 1)
    assert np.isfinite(whole["lw_heating_rate"]).all()
    threaded = history(slice(None), 3)
    parts = [history(slice(0, 37), 1), history(slice(37, None), 2)]
    for name, values in whole.items():
        np.testing.assert_array_equal(threaded[name], values, err_msg=name)
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts], axis=1), values, err_msg=name)


def test_a_terminal_sees_progress_and_a_file_does_not(tmp_path: Path) -> None:
    write_case(tmp_path, hours=2)
    assert run("radml-host", "case.nml", folder=tmp_path).stderr == ""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([BIN / "radml-host", "case.nml"], cwd=tmp_path, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        while True:
            try:
                piece = terminal.read(4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
    assert process.wait() == 0
    assert b"radml-host: 0.0 of 2 hours" in shown
    assert b"s in radiation" in shown


def test_a_network_that_heats_beyond_all_measure_is_stopped_with_the_place(tmp_path: Path) -> None:
    save(GreyNetwork(spoil=1e4), tmp_path / "hot.pt")
    write_case(tmp_path, scheme="network", model="hot.pt")
    line = fails("radml-host", "case.nml", folder=tmp_path)
    assert "temperature of column 1, layer" in line
    assert "left the range 100 to 400 K" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.nml", "columns.nc", "hot.pt"]


def test_a_network_that_gives_nan_is_stopped_with_the_place(tmp_path: Path) -> None:
    save(GreyNetwork(spoil=float("nan")), tmp_path / "nan.pt")
    write_case(tmp_path, scheme="network", model="nan.pt")
    line = fails("radml-host", "case.nml", folder=tmp_path)
    assert (
        "radiation gave a longwave heating rate that is no finite number in column 1, layer 1, 0 hours after the start" in line
    )


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    write_case(tmp_path, scheme="network", model="gone.pt")
    assert 'case.nml: key "model": expected a file that is there, got gone.pt (no such file)' in fails(
        "radml-host", "case.nml", folder=tmp_path
    )


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no model\n")
    write_case(tmp_path, scheme="network", model="text.pt")
    assert "text.pt" in fails("radml-host", "case.nml", folder=tmp_path)


def test_a_model_with_another_number_of_inputs_is_refused(tmp_path: Path) -> None:
    save(TenInputs(), tmp_path / "ten.pt")
    write_case(tmp_path, scheme="network", model="ten.pt")
    line = fails("radml-host", "case.nml", folder=tmp_path)
    assert "ten.pt: expected 11 inputs" in line
    assert line.endswith("got 10")
    assert not (tmp_path / "history.nc").exists()


def test_a_model_with_wrong_shapes_is_refused(tmp_path: Path) -> None:
    save(WrongShape(), tmp_path / "wrong.pt")
    write_case(tmp_path, scheme="network", model="wrong.pt", threads=1)
    line = fails("radml-host", "case.nml", folder=tmp_path)
    assert "wrong.pt" in line
    assert "returned (32,31) float64, got an array of (32,30) float64" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.nml", "columns.nc", "wrong.pt"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"time_stap": 600.0}, 'case.nml: unknown key "time_stap" in namelist group "host"'),
        ({"scheme": "rrtm"}, "key \"scheme\": expected 'rrtmg', 'network', 'guarded' or 'shadow', got 'rrtm'"),
        ({"sunlight": "none"}, "key \"sunlight\": expected 'diurnal', 'globe' or 'fixed', got 'none'"),
        ({"hours": -1.0}, 'key "hours": expected more than 0, got -1'),
        ({"hours": "long"}, "key \"hours\": cannot take the value 'long'"),
        ({"threads": 1.5}, 'key "threads": cannot take the value 1.5'),
        ({"threads": -1}, 'key "threads": expected 0 to 1024, got -1'),
        ({"threads": 100000}, 'key "threads": expected 0 to 1024, got 100000'),
        ({"history": "./columns.nc"}, "key \"history\": expected another file than columns, got './columns.nc'"),
        ({"restart": "columns.nc"}, "key \"restart\": expected another file than columns, got 'columns.nc'"),
        ({"restart": "new.nc", "history": "new.nc"}, "key \"history\": expected another file than restart, got 'new.nc'"),
        ({"columns_per_block": 0}, 'key "columns_per_block": expected 1 or more, got 0'),
        ({"time_step": 700.0}, 'key "hours": expected a multiple of time_step (700 s), got 86400 s'),
        ({"radiation_interval": 900.0}, 'key "radiation_interval": expected a multiple of time_step (600 s), got 900 s'),
        ({"history_interval": 0.0}, 'key "history_interval": expected a multiple of time_step (600 s), got 0 s'),
        ({"transmissivity": 1.2}, 'key "transmissivity": expected 0 to 1, got 1.2'),
        ({"day_of_year": 400.0}, 'key "day_of_year": expected 1 to 366, got 400'),
        ({"columns": "gone.nc"}, 'key "columns": expected a file that is there, got gone.nc (no such file)'),
        ({"columns": None}, 'key "columns": expected the path of a column file, got nothing'),
        ({"history": None}, 'key "history": expected the path of a file to write, got nothing'),
        ({"scheme": "network"}, 'key "model": expected the path of a model'),
        ({"tables": "gone.nc"}, "gone.nc"),
        ({"history": "gone/history.nc"}, "gone/history.nc: cannot be created"),
    ],
)
def test_a_wrong_key_is_named(keys: dict[str, str | float], words: str, tmp_path: Path) -> None:
    write_case(tmp_path, **keys)
    assert words in fails("radml-host", "case.nml", folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hours = 24\n", 'no namelist group "&host"'),
        ("&host\n hours = 24\n", 'namelist group "&host" does not end in "/"'),
        ("&host\n hours 24\n/\n", 'expected key = value, got "hours 24"'),
        ("&host\n hours =\n/\n", 'key "hours": cannot take the value'),
    ],
)
def test_a_file_that_is_no_case_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "case.nml").write_text(text)
    assert words in fails("radml-host", "case.nml", folder=tmp_path)


def test_a_namelist_may_have_commas_comments_capitals_and_slashes_in_quotes(tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns())
    (tmp_path / "case.nml").write_text(
        "&other x = 1 /\n&HOST columns = './columns.nc', Hours=1., ! = a comment with 'a quote\n\thistory = \"./a!b.nc\",/\n"
    )
    succeeds("radml-host", "case.nml", folder=tmp_path)
    assert (tmp_path / "a!b.nc").exists()


def test_host_and_benchmark_keep_to_clear_sky_and_say_so(tmp_path: Path) -> None:
    columns = make_columns()
    columns["cloud_fraction"] = np.full_like(columns["h2o"], 0.5)
    write_columns(tmp_path / "columns.nc", columns)
    write_case(tmp_path, hours=1.0)
    succeeds("radml-host", "case.nml", folder=tmp_path)
    model = save(GreyNetwork(), tmp_path / "grey.pt")
    succeeds("radml-bench-radiation", "columns.nc", model, "results.nc", "--repeats", "1", folder=tmp_path)
    for name, variable in (("history.nc", "toa_lw_up"), ("results.nc", "rrtmg_lw_up")):
        with netCDF4.Dataset(tmp_path / name) as file:
            assert file.comment == "clear sky: the clouds of the columns were left out"
            assert file[variable].standard_name.endswith("_assuming_clear_sky")


def test_a_missing_case_is_named(tmp_path: Path) -> None:
    assert "gone.nml: no such file" in fails("radml-host", "gone.nml", folder=tmp_path)


def test_no_case_gives_the_usage(tmp_path: Path) -> None:
    assert "usage: radml-host case.nml" in fails("radml-host", folder=tmp_path)


def test_the_benchmark_writes_times_and_fluxes_of_both(tmp_path: Path) -> None:
    columns = write_columns(tmp_path / "columns.nc", make_columns(n_columns=40))
    model = save(GreyNetwork(), tmp_path / "grey.pt")
    succeeds("radml-rrtmg", columns, "fluxes.nc", folder=tmp_path)
    printed = succeeds(
        "radml-bench-radiation", columns, model, "results.nc", "--repeats", "3", "--columns-per-block", "16", folder=tmp_path
    )
    assert "40 columns of 30 layers, one thread, best of 3" in printed
    with netCDF4.Dataset(tmp_path / "results.nc") as results, netCDF4.Dataset(tmp_path / "fluxes.nc") as fluxes:
        for scheme in ("rrtmg", "network"):
            assert results[f"{scheme}_seconds"].shape == (3,)
            assert (results[f"{scheme}_seconds"][:] > 0.0).all()
        for name in ("lw_up", "lw_down", "lw_heating_rate"):
            np.testing.assert_array_equal(results[f"rrtmg_{name}"][:], fluxes[name][:], err_msg=name)
        arguments = [torch.from_numpy(values) for name, values in make_columns(n_columns=40).items()][:9]
        surface = [torch.from_numpy(make_columns(n_columns=40)[name]) for name in ("surface_temperature", "surface_emissivity")]
        up, _, heating = GreyNetwork()(*arguments, *surface)
        np.testing.assert_allclose(results["network_lw_up"][:], up.numpy(), rtol=1e-12)
        np.testing.assert_allclose(results["network_lw_heating_rate"][:], heating.numpy(), rtol=1e-9, atol=1e-12)
        assert "GCC" in results.compiler or "flang" in results.compiler
        assert results.threads == 1
        assert results.columns_per_block == 16


def test_the_benchmark_names_a_missing_model(tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns())
    assert "gone.pt" in fails("radml-bench-radiation", "columns.nc", "gone.pt", "results.nc", folder=tmp_path)
    assert not (tmp_path / "results.nc").exists()


@pytest.mark.parametrize(("module", "words"), [(TenInputs(), "expected 11 inputs"), (WrongShape(), "returned (32,31)")])
def test_the_benchmark_refuses_a_model_that_does_not_fit(module: nn.Module, words: str, tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.nc", make_columns())
    save(module, tmp_path / "wrong.pt")
    line = fails("radml-bench-radiation", "columns.nc", "wrong.pt", "results.nc", folder=tmp_path)
    assert "wrong.pt" in line
    assert words in line
    assert not (tmp_path / "results.nc").exists()


def test_the_benchmark_without_files_gives_the_usage(tmp_path: Path) -> None:
    assert "usage: radml-bench-radiation columns.nc model.pt results.nc" in fails("radml-bench-radiation", folder=tmp_path)
