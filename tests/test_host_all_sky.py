"""The host and its benchmark with both spectra and clouds, by RRTMG and by a network of all sky."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch
from ftorch_bridge.column_file import read_columns, write
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.exporting import describe, export
from ftorch_bridge.sky import OUTPUTS
from host.columns import make_columns, write_columns
from host.programs import fails, succeeds
from make_packages import with_manifest
from test_all_sky import inputs_of, random_network
from test_host_run import GRAVITY, HEAT_CAPACITY, GreyNetwork, read_history, save, write_case


def export_network(folder: Path, layers: int = 30) -> Path:
    """A network of all sky with weights of a seed, tamed: what it heats stays an atmosphere."""
    network = random_network(0)
    with torch.no_grad():
        for optics in (network.longwave_gas, network.shortwave_gas, network.shortwave_cloud, network.scattering_cloud):
            optics.strength.sub_(4.0)
        network.ozone.sub_(4.0)
    path = folder / "all_sky.pt"
    columns = generate_columns(64, layers, seed=1)
    export(network, describe(network, "all_sky", "float64", [], [], {}), path, columns=columns, tolerance=1e-3)
    return path


@pytest.mark.parametrize("scheme", ["rrtmg", "network"])
def test_atmosphere_and_surface_together_gain_what_crosses_the_top(scheme: str, tmp_path: Path) -> None:
    export_network(tmp_path)
    keys = {"radiation_interval": 600.0, "history_interval": 600.0, "hours": 3, "start_hour": 9.0}
    write_case(tmp_path, scheme=scheme, sky="all", model="all_sky.pt", **keys)
    succeeds("radml-host", "case.nml", folder=tmp_path)
    history = read_history(tmp_path / "history.nc")
    mass = np.diff(history["pressure_level"], axis=1) / GRAVITY
    energy = HEAT_CAPACITY * (history["temperature_layer"] * mass).sum(2) + 4.2e5 * history["surface_temperature"]
    entering = history["toa_sw_down"] - history["toa_sw_up"] - history["toa_lw_up"]
    assert (history["toa_sw_down"] > 0).all()
    assert (np.abs(history["sw_heating_rate"]).max(2) > 0).all()
    # The network's fluxes and heating rates are sums of float32.
    np.testing.assert_allclose(np.diff(energy, axis=0) / 600.0, entering[:-1], atol=1e-3 if scheme == "rrtmg" else 0.05)


def test_the_suns_of_the_host_are_those_that_radiation_sees(tmp_path: Path) -> None:
    write_case(tmp_path, sky="all", hours=24)
    succeeds("radml-host", "case.nml", folder=tmp_path)
    with netCDF4.Dataset(tmp_path / "history.nc") as file:
        assert file.sky == "all"
        assert "comment" not in file.ncattrs()
    history = read_history(tmp_path / "history.nc")
    cosine = make_columns()["cos_zenith"] * np.cos((12.0 + history["time"][:, None] - 12.0) * np.pi / 12.0)
    np.testing.assert_allclose(history["toa_sw_down"], 1361.0 * np.maximum(cosine, 0.0), rtol=1e-5, atol=1e-6)
    night = (history["time"] >= 7.0) & (history["time"] <= 17.0)
    for name in ("toa_sw_up", "surface_sw_down", "surface_sw_absorbed", "sw_heating_rate"):
        assert (history[name][night] == 0.0).all(), name
    np.testing.assert_allclose(history["surface_sw_absorbed"], 0.8 * history["surface_sw_down"], rtol=1e-9, atol=1e-9)


def test_columns_without_clouds_are_told_where_all_of_the_sky_was_asked_for(tmp_path: Path) -> None:
    words = "columns.nc has no clouds: sky = 'all' was clear"
    write_case(tmp_path, sky="all", hours=1)
    assert words in succeeds("radml-host", "case.nml", folder=tmp_path)
    write(generate_columns(8, 20, seed=1), tmp_path / "cloudy.nc")
    write_case(tmp_path, columns="cloudy.nc", sky="all", hours=1)
    assert words not in succeeds("radml-host", "case.nml", folder=tmp_path)
    write_case(tmp_path, hours=1)
    assert words not in succeeds("radml-host", "case.nml", folder=tmp_path)


def test_neither_threads_nor_other_columns_change_a_bit_of_the_network(tmp_path: Path) -> None:
    export_network(tmp_path)
    columns = make_columns(n_columns=150)

    def history(part: slice, threads: int) -> dict[str, np.ndarray]:
        write_columns(tmp_path / "columns.nc", {name: values[part] for name, values in columns.items()})
        write_case(tmp_path, scheme="network", sky="all", model="all_sky.pt", hours=2, columns_per_block=64, threads=threads)
        succeeds("radml-host", "case.nml", folder=tmp_path)
        found = read_history(tmp_path / "history.nc")
        return {name: found[name] for name in ("temperature_layer", "sw_heating_rate", "toa_lw_up", "toa_sw_up")}

    whole, threaded = history(slice(None), 1), history(slice(None), 3)
    parts = [history(slice(0, 37), 1), history(slice(37, None), 2)]
    for name, values in whole.items():
        np.testing.assert_array_equal(threaded[name], values, err_msg=name)
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts], axis=1), values, err_msg=name)


def test_the_benchmark_computes_both_spectra_for_a_network_of_all_sky(tmp_path: Path) -> None:
    model = export_network(tmp_path)
    write(generate_columns(40, 30, seed=4), tmp_path / "columns.nc")
    succeeds("radml-rrtmg", "columns.nc", "fluxes.nc", folder=tmp_path)
    succeeds("radml-bench-radiation", "columns.nc", model, "results.nc", "--repeats", "2", folder=tmp_path)
    network = random_network(0)
    with netCDF4.Dataset(tmp_path / "results.nc") as results, netCDF4.Dataset(tmp_path / "fluxes.nc") as fluxes:
        assert results.sky == "all"
        for name in OUTPUTS:
            np.testing.assert_array_equal(results[f"rrtmg_{name}"][:], fluxes[name][:], err_msg=name)
        with torch.inference_mode():
            found = torch.jit.load(str(model))(*inputs_of(read_columns(tmp_path / "columns.nc")))
        for name, tensor in zip(OUTPUTS, found, strict=True):
            np.testing.assert_allclose(results[f"network_{name}"][:], tensor.numpy(), rtol=1e-5, atol=1e-3, err_msg=name)
    assert network.outputs == OUTPUTS


@pytest.mark.parametrize(
    ("sky", "model", "words"),
    [
        ("all", "grey.pt", "grey.pt: expected 19 inputs (pressure_level, "),
        ("clear", "all_sky.pt", "all_sky.pt: expected 11 inputs (pressure_level, "),
        ("cloudy", "grey.pt", "key \"sky\": expected 'clear' or 'all', got 'cloudy'"),
    ],
)
def test_a_network_for_another_sky_is_refused(sky: str, model: str, words: str, tmp_path: Path) -> None:
    if model == "grey.pt":
        save(GreyNetwork(), tmp_path / "grey.pt")
    else:
        export_network(tmp_path)
    write_case(tmp_path, scheme="network", sky=sky, model=model)
    assert words in fails("radml-host", "case.nml", folder=tmp_path)


def test_columns_without_a_ground_are_named_by_the_benchmark(tmp_path: Path) -> None:
    model = export_network(tmp_path)
    columns = make_columns()
    del columns["surface_albedo"]
    write_columns(tmp_path / "columns.nc", columns)
    said = fails("radml-bench-radiation", "columns.nc", model, "results.nc", folder=tmp_path)
    assert 'columns: expected the variable "surface_albedo", which sunlight needs, got none' in said


@pytest.mark.parametrize(
    ("exchanged", "words"),
    [
        ({"surface_albedo": "cos_zenith", "cos_zenith": "surface_albedo"}, "input 17: expected surface_albedo, got cos_zenith"),
        ({"lw_up": "lw_down", "lw_down": "lw_up"}, "output 1: expected lw_up, got lw_down"),
    ],
)
def test_a_network_with_its_arguments_in_another_order_is_refused(
    exchanged: dict[str, str], words: str, tmp_path: Path
) -> None:
    def exchange(manifest: dict[str, Any]) -> None:
        for argument in (*manifest["inputs"], *manifest["outputs"]):
            argument["name"] = exchanged.get(argument["name"], argument["name"])

    with_manifest(export_network(tmp_path), tmp_path / "exchanged.pt", exchange)
    (tmp_path / "exchanged.pt").replace(tmp_path / "all_sky.pt")
    write_case(tmp_path, scheme="network", sky="all", model="all_sky.pt", hours=1)
    assert f"all_sky.pt: {words}" in fails("radml-host", "case.nml", folder=tmp_path)


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        (["liquid_radius"], "expected cloud_liquid_path and liquid_radius together, got cloud_liquid_path alone"),
        (["cloud_ice_path"], "expected cloud_ice_path and ice_radius together, got ice_radius alone"),
        (["cloud_fraction"], "expected cloud_fraction and water of clouds together, got water of clouds alone"),
    ],
)
def test_clouds_with_a_part_missing_are_refused(left_out: list[str], words: str, tmp_path: Path) -> None:
    write_case(tmp_path, scheme="rrtmg", sky="all")
    columns = generate_columns(4, 30, seed=1)
    write(columns.drop_vars(left_out), tmp_path / "columns.nc")
    assert words in fails("radml-host", "case.nml", folder=tmp_path)


def test_results_do_not_take_the_place_of_what_they_are_made_from(tmp_path: Path) -> None:
    export_network(tmp_path)
    write(generate_columns(4, 30, seed=1), tmp_path / "columns.nc")
    before = (tmp_path / "columns.nc").read_bytes()
    words = fails("radml-rrtmg", "columns.nc", "./columns.nc", folder=tmp_path)
    assert "./columns.nc: expected another file for the fluxes than the columns" in words
    for results, what in (("columns.nc", "columns"), ("all_sky.pt", "model")):
        words = fails("radml-bench-radiation", "columns.nc", "all_sky.pt", results, folder=tmp_path)
        assert f"{results}: expected another file for the results than the {what}" in words
    assert (tmp_path / "columns.nc").read_bytes() == before
