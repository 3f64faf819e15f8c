"""The all-sky network: its physics holds for any weights."""

import numpy as np
import pytest
import torch
from ftorch_bridge.all_sky import AllSky, AllSkyConfig
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.networks import HEATING_FACTOR, STEFAN_BOLTZMANN
from ftorch_bridge.sky import INPUTS, OUTPUTS


def random_network(seed=0, **size):
    """Weights of a seed, larger than those that training begins with."""
    torch.manual_seed(seed)
    network = AllSky(AllSkyConfig(**size)).eval()
    network.fit_scaling(inputs_of(generate_columns(100, 30, seed=99)))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def inputs_of(columns, kind=torch.float64):
    return [torch.from_numpy(columns[name].to_numpy()).to(kind) for name in INPUTS]


def results_of(network, columns):
    with torch.inference_mode():
        return {name: tensor.numpy() for name, tensor in zip(OUTPUTS, network(*inputs_of(columns)), strict=True)}


@pytest.mark.parametrize("layers", [10, 47, 89, 137])
@pytest.mark.parametrize("seed", [0, 1])
def test_heating_is_the_divergence_of_the_fluxes_on_any_number_of_layers(layers, seed):
    columns = generate_columns(40, layers, seed=1)
    results = results_of(random_network(seed), columns)
    thickness = np.diff(columns["pressure_level"].to_numpy(), axis=1)
    for spectrum in ("lw", "sw"):
        up, down, heating = (results[f"{spectrum}_{name}"] for name in ("up", "down", "heating_rate"))
        assert up.shape == down.shape == (40, layers + 1)
        absorbed = -np.diff(down - up, axis=1)
        np.testing.assert_allclose(heating * thickness / HEATING_FACTOR, absorbed, atol=2e-3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_light_comes_from_the_sun_and_is_only_absorbed(seed):
    columns = generate_columns(200, 60, seed=7)
    results = results_of(random_network(seed), columns)
    cosine = columns["cos_zenith"].to_numpy()
    night = cosine <= 0
    assert night.any()
    up, down, heating = (results[f"sw_{name}"] for name in ("up", "down", "heating_rate"))
    for values in (up, down, heating):
        assert (values[night] == 0).all()
    np.testing.assert_allclose(down[:, 0], np.maximum(cosine, 0) * columns["solar_irradiance"], rtol=1e-6)
    assert (up >= 0).all()
    assert (heating >= 0).all()
    assert (up <= down + 1e-3).all()
    albedo = columns["surface_albedo"].to_numpy()
    np.testing.assert_allclose(up[:, -1], albedo * down[:, -1], rtol=1e-5, atol=1e-4)


def test_a_bright_ground_without_absorbers_sends_all_light_back():
    columns = generate_columns(20, 40, seed=3)
    columns["surface_albedo"][:] = 1.0
    network = random_network()
    with torch.no_grad():
        for optics in (network.shortwave_gas, network.shortwave_cloud):
            optics.strength.fill_(-60.0)
        network.cloud_bands.fill_(-60.0)
        network.ozone.fill_(-60.0)
    results = results_of(network, columns)
    np.testing.assert_allclose(results["sw_up"][:, 0], results["sw_down"][:, 0], rtol=2e-3)


def test_in_an_isothermal_atmosphere_the_upward_flux_is_that_of_a_black_body():
    columns = generate_columns(30, 30, seed=2)
    for name in ("temperature_layer", "temperature_level", "surface_temperature"):
        columns[name][:] = 261.0
    columns["surface_emissivity"][:] = 1.0
    results = results_of(random_network(), columns)
    np.testing.assert_allclose(results["lw_up"], STEFAN_BOLTZMANN * 261.0**4, rtol=1e-5)
    assert (results["lw_down"][:, 0] == 0).all()
    assert (results["lw_down"] >= 0).all()


def test_a_column_does_not_depend_on_the_columns_beside_it():
    columns = generate_columns(12, 40, seed=3)
    network = random_network()
    together, alone = results_of(network, columns), results_of(network, columns.isel(column=slice(7, 8)))
    for name, values in alone.items():
        np.testing.assert_allclose(together[name][7:8], values, rtol=1e-4, atol=1e-3)


def test_outputs_have_the_kind_of_the_host():
    columns = generate_columns(3, 20, seed=4)
    network = random_network()
    for kind in (torch.float32, torch.float64):
        with torch.inference_mode():
            assert {t.dtype for t in network(*inputs_of(columns, kind))} == {kind}


def test_gradients_reach_every_weight_and_are_finite():
    network = random_network().train()
    outputs = network(*inputs_of(generate_columns(64, 25, seed=5)))
    sum((t**2).mean() for t in outputs).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_torchscript_gives_the_same():
    columns = generate_columns(20, 30, seed=6)
    network = random_network()
    with torch.inference_mode():
        for ours, script in zip(network(*inputs_of(columns)), torch.jit.script(network)(*inputs_of(columns)), strict=True):
            torch.testing.assert_close(script, ours, rtol=1e-6, atol=1e-4)
