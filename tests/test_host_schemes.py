"""The host's choices of radiation: RRTMG and a network side by side, the guard, what fails, and what is recorded."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
from ftorch_bridge.column_file import read_columns, write
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.exporting import describe, export
from ftorch_bridge.weights import load_network
from host.programs import fails, succeeds
from host_projects import ROOT
from test_all_sky import random_network
from test_host_all_sky import export_network
from test_host_moist import MOIST
from test_host_run import read_history, write_case

ENVELOPE = ROOT / "data" / "all_sky.envelope.txt"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve columns, five with far too warm a stratosphere, and the network that comes along with its envelope."""
    folder = tmp_path_factory.mktemp("guarded")
    columns = generate_columns(12, 89, seed=8)
    stratosphere = columns["pressure_layer"].to_numpy() < 5000.0
    columns["temperature_layer"].to_numpy()[7:] += 70.0 * stratosphere[7:]
    write(columns, folder / "columns.nc")
    network, _ = load_network(ROOT / "data" / "all_sky.safetensors")
    contract = describe(network, "all_sky", "float64", [], [], {"training_envelope": ENVELOPE.read_text()})
    export(network, contract, folder / "all_sky.pt", columns=generate_columns(64, 89, seed=1), tolerance=1e-3)
    return folder


def run_scheme(folder: Path, files: Path, scheme: str, **keys: str | float) -> tuple[dict[str, np.ndarray], str]:
    settings = {"columns": str(files / "columns.nc"), "model": str(files / "all_sky.pt"), "sky": "all", "hours": 2}
    write_case(folder, **{**settings, "scheme": scheme, "history": f"{scheme}.nc", **keys})
    said = succeeds("radml-host", "case.nml", folder=folder)
    return read_history(folder / f"{scheme}.nc"), said


def test_the_shadow_changes_no_bit_and_tells_the_difference(guarded: Path, tmp_path: Path) -> None:
    shadow, _ = run_scheme(tmp_path, guarded, "shadow")
    rrtmg, _ = run_scheme(tmp_path, guarded, "rrtmg")
    network, _ = run_scheme(tmp_path, guarded, "network")
    for name, values in rrtmg.items():
        np.testing.assert_array_equal(shadow[name], values, err_msg=name)
    for spectrum in ("lw", "sw"):
        heating = f"{spectrum}_heating_rate"
        np.testing.assert_array_equal(shadow[f"difference_{heating}"][0], network[heating][0] - rrtmg[heating][0])
        assert np.abs(shadow[f"difference_{heating}"][0]).max() > 0.0
    outgoing = rrtmg["toa_lw_up"][0] - network["toa_lw_up"][0]
    np.testing.assert_allclose(shadow["difference_toa_lw_net"][0], outgoing, atol=1e-9)


def test_the_guard_leaves_to_rrtmg_what_it_refuses(guarded: Path, tmp_path: Path) -> None:
    (history, said), (rrtmg, _), (network, _) = (run_scheme(tmp_path, guarded, s) for s in ("guarded", "rrtmg", "network"))
    refused = history["refused_by"] > 0
    assert refused[:, 7:].all()
    assert not refused[0, :7].all()
    for name in ("lw_heating_rate", "sw_heating_rate", "toa_lw_up", "surface_lw_down", "toa_sw_up", "surface_sw_down"):
        theirs = np.where(refused[0][:, None], rrtmg[name][0].reshape(12, -1), network[name][0].reshape(12, -1))
        np.testing.assert_array_equal(history[name][0].reshape(12, -1), theirs, err_msg=name)
    with netCDF4.Dataset(tmp_path / "guarded.nc") as file:
        assert file.refused == refused.sum()
        rules = {name: getattr(file, name) for name in file.ncattrs() if name.startswith("refused_by_")}
    assert sum(rules.values()) == refused.sum()
    assert f"refused and left to RRTMG: {100.0 * refused.mean():.3f} % of columns" in said
    threaded, _ = run_scheme(tmp_path, guarded, "guarded", threads=3, columns_per_block=5)
    np.testing.assert_array_equal(threaded["refused_by"], history["refused_by"])


def test_a_model_without_an_envelope_cannot_be_guarded(guarded: Path, tmp_path: Path) -> None:
    export_network(tmp_path)
    write_case(tmp_path, scheme="guarded", sky="all", columns=str(guarded / "columns.nc"), model="all_sky.pt")
    said = fails("radml-host", "case.nml", folder=tmp_path)
    assert "all_sky.pt: expected a training envelope in its metadata, which the guard needs (ftorch-train envelope, " in said


def test_a_column_that_fails_stops_the_run_or_is_put_back(tmp_path: Path) -> None:
    write(generate_columns(12, 30, seed=8), tmp_path / "columns.nc")
    network = random_network(0)
    with torch.no_grad():
        network.shortwave_gas.strength.add_(6.0)
        network.ozone.add_(6.0)  # all sunlight is absorbed at the top
    contract = describe(network, "all_sky", "float64", [], [], {})
    export(network, contract, tmp_path / "all_sky.pt", columns=generate_columns(64, 30, seed=1), tolerance=1e-2)
    keys = {"time_step": 600.0, "radiation_interval": 600.0, "hours": 12, "history_interval": 600.0}
    write_case(tmp_path, scheme="network", model="all_sky.pt", **MOIST, **keys)
    assert "left the range 100 to 400 K" in fails("radml-host", "case.nml", folder=tmp_path)
    history, said = run_scheme(tmp_path, tmp_path, "network", on_failure="restart", **MOIST, **keys)
    failed = history["failure_hour"][-1] >= 0.0
    assert 1 <= failed.sum() < 12
    assert f"{failed.sum()} columns failed and were put back to their start" in said
    assert (history["failure_hour"][0] < 0.0).all()
    assert ((history["temperature_layer"] > 100.0) & (history["temperature_layer"] < 400.0)).all()
    # What becomes of one column is nothing to another: with one thread or many, with those that fail or without.
    part = read_columns(tmp_path / "columns.nc").isel(column=slice(0, 5))
    write(part, tmp_path / "part.nc")
    few, _ = run_scheme(tmp_path, tmp_path, "network", on_failure="restart", columns=str(tmp_path / "part.nc"), **MOIST, **keys)
    np.testing.assert_array_equal(few["temperature_layer"], history["temperature_layer"][:, :5])


def test_replay_keeps_a_bounded_fair_sample_in_a_column_file(guarded: Path, tmp_path: Path) -> None:
    keys = {"replay": "replay.nc", "replay_limit": 1e-6, "replay_columns": 20, "hours": 24}
    history, said = run_scheme(tmp_path, guarded, "shadow", **keys)
    assert "replay.nc: 20 columns to train on" in said
    kept = read_columns(tmp_path / "replay.nc")
    assert kept.sizes["column"] == 20
    assert "20 of 300 columns" in kept.attrs["source"]
    # Each is a column as radiation saw it at some hour, and they are not those of one hour alone.
    hours = []
    for surface, profile in zip(kept["surface_temperature"].to_numpy(), kept["temperature_layer"].to_numpy(), strict=True):
        hour, column = np.argwhere(np.isclose(history["surface_temperature"], surface, rtol=0, atol=1e-9))[0]
        np.testing.assert_array_equal(history["temperature_layer"][hour, column], profile)
        hours.append(hour)
    assert max(hours) > 12
    assert min(hours) < 12
    more, said = run_scheme(tmp_path, guarded, "guarded", **{**keys, "replay_columns": 30, "hours": 1})
    assert more["refused_by"].astype(bool).sum() >= 10
    assert "replay.nc: 30 columns to train on" in said


def test_replay_takes_a_sample_of_what_the_network_drives_by_itself(guarded: Path, tmp_path: Path) -> None:
    keys = {"replay": "replay.nc", "replay_sample": 0.3, "replay_columns": 500, "hours": 48}
    history, said = run_scheme(tmp_path, guarded, "network", **keys)
    kept = read_columns(tmp_path / "replay.nc")
    offered = history["surface_temperature"].size
    assert 0.2 * offered < kept.sizes["column"] < 0.4 * offered
    assert f"replay.nc: {kept.sizes['column']} columns to train on" in said
    for surface in kept["surface_temperature"].to_numpy():
        assert np.isclose(history["surface_temperature"], surface, rtol=0, atol=1e-9).any()
    # The same columns are taken by any number of ranks and in any run, and no more than these.
    (tmp_path / "replay.nc").unlink()
    run_scheme(tmp_path, guarded, "network", **keys)
    np.testing.assert_array_equal(read_columns(tmp_path / "replay.nc")["temperature_layer"], kept["temperature_layer"])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"scheme": "guarded"}, "key \"sky\": expected 'all', which scheme = 'guarded' needs, got 'clear'"),
        ({"scheme": "shadow"}, "key \"model\": expected the path of a model (scheme = 'shadow' needs one), got nothing"),
        (
            {"replay": "r.nc"},
            "key \"replay\": expected sky = 'all' and scheme = 'guarded', 'shadow' or 'network' with it, got scheme",
        ),
        ({"replay_sample": 1.5}, 'key "replay_sample": expected 0 to 1, got 1.5'),
        ({"replay_columns": 0}, 'key "replay_columns": expected 1 to 1000000, got 0'),
        ({"on_failure": "go"}, "key \"on_failure\": expected 'stop' or 'restart', got 'go'"),
    ],
)
def test_a_wrong_key_is_named(keys: dict[str, str | float], words: str, tmp_path: Path) -> None:
    write_case(tmp_path, **keys)
    assert words in fails("radml-host", "case.nml", folder=tmp_path)
