"""The residual network: its physics holds for any weights."""

import numpy as np
import pytest
import torch
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.networks import HEATING_FACTOR, INPUTS, STEFAN_BOLTZMANN, ResCNN, ResCNNConfig
from ftorch_bridge.weights import WeightsError, load_network, save_weights


def random_network(seed=0, **size):
    torch.manual_seed(seed)
    network = ResCNN(ResCNNConfig(**size)).eval()
    network.set_scaling(torch.randn(network.features), torch.rand(network.features) + 0.1)
    return network


def inputs_of(columns, kind=torch.float64):
    return [torch.from_numpy(columns[name].to_numpy()).to(kind) for name in INPUTS]


@pytest.mark.parametrize("layers", [10, 47, 89, 137])
def test_heating_is_the_divergence_of_the_fluxes_on_any_number_of_layers(layers):
    columns = generate_columns(9, layers, seed=1)
    with torch.inference_mode():
        up, down, heating = (t.numpy() for t in random_network()(*inputs_of(columns)))
    assert up.shape == down.shape == (9, layers + 1)
    assert heating.shape == (9, layers)
    absorbed = np.diff(down - up, axis=1) * -1.0
    thickness = np.diff(columns["pressure_level"].to_numpy(), axis=1)
    np.testing.assert_allclose(heating * thickness / HEATING_FACTOR, absorbed, atol=2e-3)


def test_in_an_isothermal_atmosphere_the_upward_flux_is_that_of_a_black_body():
    columns = generate_columns(5, 30, seed=2)
    for name in ("temperature_layer", "temperature_level", "surface_temperature"):
        columns[name][:] = 261.0
    columns["surface_emissivity"][:] = 1.0
    with torch.inference_mode():
        up, down, _ = random_network()(*inputs_of(columns))
    np.testing.assert_allclose(up, STEFAN_BOLTZMANN * 261.0**4, rtol=1e-5)
    assert (down[:, 0] == 0).all()
    assert (down >= 0).all()


def test_a_column_does_not_depend_on_the_columns_beside_it():
    inputs = inputs_of(generate_columns(12, 40, seed=3))
    network = random_network()
    with torch.inference_mode():
        together = network(*inputs)
        alone = network(*(t[7:8] for t in inputs))
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[7:8], b, rtol=1e-5, atol=1e-3)


def test_outputs_have_the_kind_of_the_host():
    columns = generate_columns(3, 20, seed=4)
    network = random_network()
    for kind in (torch.float32, torch.float64):
        with torch.inference_mode():
            assert {t.dtype for t in network(*inputs_of(columns, kind))} == {kind}


def test_gradients_reach_every_weight():
    network = random_network().train()
    outputs = network(*inputs_of(generate_columns(4, 25, seed=5)))
    sum((t**2).mean() for t in outputs).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_weights_come_back_with_their_configuration(tmp_path):
    network = random_network(channels=8, modules=2, points=5)
    save_weights(network, tmp_path / "weights.safetensors", {"note": "by a test"})
    back, notes = load_network(tmp_path / "weights.safetensors")
    assert notes == {"note": "by a test"}
    assert back.config == network.config
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], tensor, rtol=0, atol=0)


def test_weights_that_are_none_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        load_network(tmp_path / "absent.safetensors")
    (tmp_path / "text.safetensors").write_text("not weights")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_network(tmp_path / "text.safetensors")
