"""The radiation benchmark: what the table, the JSON and the figure say is what was run."""

import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
import xarray as xr
from ftorch_bridge import programs
from ftorch_bridge.bench import run_radiation
from ftorch_bridge.cli.bench import app
from ftorch_bridge.cli.bridge import app as bridge_app
from ftorch_bridge.column_file import read_columns, read_fluxes, write
from ftorch_bridge.columns import generate_columns, read_ecrad
from ftorch_bridge.evaluation import compare, run_network
from ftorch_bridge.exporting import describe, export, load_source
from ftorch_bridge.networks import INPUTS, OUTPUTS
from test_columns import IFS_FILE
from typer.testing import CliRunner

runner = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Unseen columns and the shipped network, exported."""
    folder = tmp_path_factory.mktemp("bench")
    write(generate_columns(96, seed=777, clear_sky=True), folder / "columns.nc")
    source, weights = "ftorch_bridge.networks:ResCNN", programs.data_file("rescnn_longwave.safetensors")
    module, notes = load_source(source, weights)
    manifest = describe(module, "rescnn", "float64", [], [], notes)
    export(module, manifest, folder / "rescnn.pt", columns=read_columns(folder / "columns.nc"))
    return folder


def test_the_benchmark_ends_with_a_table_json_and_a_figure(folder):
    result = runner.invoke(
        app,
        ["radiation", "--columns", str(folder / "columns.nc"), "--model", str(folder / "rescnn.pt"), "--repeats", "3",
         "--json", str(folder / "bench.json"), "--figure", str(folder / "bench.png")],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "speed-up" in result.output
    assert str(folder / "bench.png") in result.output
    picture = matplotlib.image.imread(folder / "bench.png")
    assert picture.shape[0] > 500
    assert picture.std() > 0.05
    found = json.loads((folder / "bench.json").read_text())
    assert (found["columns"], found["layers"], found["repeats"]) == (96, 89, 3)
    for scheme in ("rrtmg", "network"):
        time = found["microseconds_per_column"][scheme]
        assert 0 < time["fastest"] <= time["median"] <= time["slowest"]
    assert f"{found['speed_up']:.1f}" in result.output
    cost = found["host"]
    for scheme in ("rrtmg", "network"):
        assert 0 < cost["radiation_seconds"][scheme] < cost["run_seconds"][scheme]
    histories = {s: xr.load_dataset(folder / f"host_{s}.nc") for s in ("rrtmg", "network")}
    first = {s: h["temperature_layer"].to_numpy()[0] for s, h in histories.items()}
    np.testing.assert_array_equal(first["rrtmg"], first["network"])


def test_the_errors_are_those_of_rrtmg_and_of_the_network_run_apart(folder):
    result = run_radiation(folder / "columns.nc", folder / "rescnn.pt", repeats=1, columns_per_block=40)
    programs.run("radml-rrtmg", folder / "columns.nc", folder / "fluxes.nc")
    truth = xr.load_dataset(folder / "fluxes.nc")
    columns = read_columns(folder / "columns.nc")
    with torch.inference_mode():
        outputs = torch.jit.load(folder / "rescnn.pt")(*(torch.from_numpy(columns[name].to_numpy()) for name in INPUTS))
    found = {name: tensor.numpy() for name, tensor in zip(OUTPUTS, outputs, strict=True)}
    apart = compare(found, {name: truth[name].to_numpy() for name in OUTPUTS}, columns["pressure_layer"].to_numpy())
    for name, value in apart.items():
        assert result.errors["lw"][name] == pytest.approx(value, rel=1e-3, abs=2e-4), name


def test_the_shipped_network_is_close_to_rrtmg_on_columns_it_has_not_seen(folder):
    errors = run_radiation(folder / "columns.nc", folder / "rescnn.pt", repeats=1, columns_per_block=None).errors["lw"]
    assert errors["flux_rmse"] < 0.6
    assert errors["flux_up_relative_mae"] < 0.003
    assert errors["heating_rmse_below_100_pa"] < 0.3


@pytest.mark.skipif(not IFS_FILE.is_file(), reason="no IFS columns here; set RADML_IFS_FILE to a file in ecRad's input format")
def test_the_shipped_network_is_close_to_rrtmg_on_real_ifs_columns(folder):
    write(read_ecrad(IFS_FILE), folder / "ifs.nc")
    errors = run_radiation(folder / "ifs.nc", folder / "rescnn.pt", repeats=1, columns_per_block=None).errors["lw"]
    assert errors["flux_rmse"] < 1.0
    assert errors["heating_rmse_below_100_pa"] < 0.4


@pytest.mark.parametrize(("name", "heating", "net"), [("all_sky", 0.07, (0.5, 2.0)), ("all_sky_small", 0.1, (0.7, 2.5))])
def test_the_shipped_networks_of_all_sky_are_close_to_rrtmg(tmp_path, name, heating, net):
    write(generate_columns(256, seed=777), tmp_path / "columns.nc")
    module, notes = load_source("ftorch_bridge.all_sky:AllSky", programs.data_file(f"{name}.safetensors"))
    model = tmp_path / f"{name}.pt"
    export(module, describe(module, name, "float64", [], [], notes), model, columns=read_columns(tmp_path / "columns.nc"))
    result = run_radiation(tmp_path / "columns.nc", model, repeats=1, columns_per_block=None, draws=128)
    assert result.all_sky
    assert result.draws == 128
    for spectrum, limit in zip(("lw", "sw"), net, strict=True):
        errors = result.errors[spectrum]
        assert errors["heating_rmse"] < heating
        assert errors["top_net_rmse"] < limit
        assert errors["surface_net_rmse"] < limit
        assert errors["flux_up_relative_mae"] < 0.006
        assert errors["flux_down_relative_mae"] < 0.003


@pytest.mark.parametrize("name", ["all_sky", "all_sky_small"])
def test_the_shipped_networks_follow_the_sun_to_the_horizon(tmp_path, name):
    columns = generate_columns(64, seed=778, clear_sky=True)
    columns["cos_zenith"] = ("column", np.geomspace(1e-4, 1e-2, 64))
    write(columns, tmp_path / "columns.nc")
    programs.run("radml-rrtmg", tmp_path / "columns.nc", tmp_path / "fluxes.nc")
    rrtmg = read_fluxes(tmp_path / "fluxes.nc")["sw_heating_rate"].to_numpy()[:, :5]  # where all of such light stays
    module, _ = load_source("ftorch_bridge.all_sky:AllSky", programs.data_file(f"{name}.safetensors"))
    # The column file says nothing of clouds where there are none.
    inputs = {"cloud_fraction": 0.0, "cloud_liquid_path": 0.0, "cloud_ice_path": 0.0, "liquid_radius": 1e-5, "ice_radius": 3e-5}
    blank = np.ones((64, 89))
    arrays = {n: columns[n].to_numpy() if n in columns else inputs[n] * blank for n in module.inputs}
    found = run_network(module, {n: values.astype(np.float32) for n, values in arrays.items()})["sw_heating_rate"][:, :5]
    assert rrtmg.max() > 5.0
    assert np.sqrt(((found - rrtmg) ** 2).mean()) < 0.4 * np.sqrt((rrtmg**2).mean())


@pytest.mark.parametrize(
    ("columns", "model", "words"),
    [("absent.nc", "rescnn.pt", "absent.nc: no such file"), ("columns.nc", "absent.pt", "absent.pt")],
)
def test_a_file_that_is_not_there_gives_one_line_and_a_failing_exit(folder, columns, model, words):
    result = runner.invoke(app, ["radiation", "--columns", str(folder / columns), "--model", str(folder / model)])
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1
    assert lines[0].startswith("ftorch-bench radiation: ")
    assert words in lines[0]


def test_a_program_that_is_not_installed_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("RADML_PREFIX", str(tmp_path))
    with pytest.raises(programs.ProgramError, match="radml-host: this program is not installed"):
        programs.program("radml-host")
    with pytest.raises(programs.ProgramError, match=r"rescnn.pt: this data file is not installed"):
        programs.data_file("rescnn.pt")
    assert Path(programs.prefix()) == tmp_path


def test_a_data_file_that_there_is_not_names_those_that_there_are(monkeypatch, tmp_path):
    folder = tmp_path / "share" / "radml" / "data"
    folder.mkdir(parents=True)
    for name in ("rescnn.pt", "all_sky.md"):
        (folder / name).touch()
    monkeypatch.setenv("RADML_PREFIX", str(tmp_path))
    result = runner.invoke(bridge_app, ["data-file", "nope"])
    assert result.exit_code == 1
    assert result.stderr == f"ftorch-bridge data-file: {folder}/nope: no such data file; there are all_sky.md, rescnn.pt\n"
    assert runner.invoke(bridge_app, ["data-file", "rescnn.pt"]).stdout == f"{folder}/rescnn.pt\n"
