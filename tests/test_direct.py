"""Networks that give fluxes themselves: their constraints hold for any weights."""

import numpy as np
import pytest
import torch
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.direct import BiRNNSky, BiRNNSkyConfig, ResCNNSky, ResCNNSkyConfig
from ftorch_bridge.networks import HEATING_FACTOR
from ftorch_bridge.sky import OUTPUTS
from test_all_sky import inputs_of


def make(kind, seed):
    torch.manual_seed(seed)
    network = ResCNNSky(ResCNNSkyConfig(channels=12)) if kind == "rescnn" else BiRNNSky(BiRNNSkyConfig(channels=8))
    network.fit_scaling(inputs_of(generate_columns(100, 30, seed=99)))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network.eval()


@pytest.mark.parametrize("kind", ["rescnn", "birnn"])
@pytest.mark.parametrize("layers", [20, 89])
@pytest.mark.parametrize("seed", [0, 1])
def test_constraints_hold_for_any_weights(kind, layers, seed):
    columns = generate_columns(120, layers, seed=8)
    with torch.inference_mode():
        outputs = make(kind, seed)(*inputs_of(columns))
    results = {name: t.numpy() for name, t in zip(OUTPUTS, outputs, strict=True)}
    thickness = np.diff(columns["pressure_level"].to_numpy(), axis=1)
    for spectrum in ("lw", "sw"):
        up, down, heating = (results[f"{spectrum}_{name}"] for name in ("up", "down", "heating_rate"))
        size = max(np.abs(up).max(), np.abs(down).max())
        np.testing.assert_allclose(heating * thickness / HEATING_FACTOR, -np.diff(down - up, axis=1), atol=2e-6 * size)
        assert up.min() >= -1e-4
        assert down.min() >= 0
    cosine, albedo = columns["cos_zenith"].to_numpy(), columns["surface_albedo"].to_numpy()
    up, down = results["sw_up"], results["sw_down"]
    assert (up[cosine <= 0] == 0).all()
    assert (down[cosine <= 0] == 0).all()
    np.testing.assert_allclose(down[:, 0], np.maximum(cosine, 0) * columns["solar_irradiance"], rtol=1e-6)
    assert (up <= down * (1 + 1e-5) + 1e-4).all()
    np.testing.assert_allclose(up[:, -1], albedo * down[:, -1], rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("kind", ["rescnn", "birnn"])
def test_they_script_and_every_weight_learns(kind):
    columns = generate_columns(30, 25, seed=9)
    network = make(kind, 0)
    outputs = network(*inputs_of(columns))
    sum((t**2).mean() for t in outputs).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
    for ours, scripted in zip(outputs, torch.jit.script(network)(*inputs_of(columns)), strict=True):
        torch.testing.assert_close(scripted, ours, rtol=1e-6, atol=1e-4)
