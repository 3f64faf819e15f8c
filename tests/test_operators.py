"""libradml's operators: the same results and derivatives as the networks' own equations, and refusals in one line."""

import numpy as np
import pytest
import torch
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.transfer import operators_available
from test_all_sky import inputs_of, random_network

pytestmark = pytest.mark.skipif(not operators_available(), reason="libradml's Python module is not built here")

# The second ends with half a block of the products' outputs, the third with less than that.
SIZES = (
    {},
    {"channels": 12, "contexts": 3, "modules": 1, "skies": 3, "longwave_common": 5, "shortwave_clear": 2},
    {"channels": 10, "contexts": 1, "hidden": 13, "skies": 4, "longwave_common": 6, "shortwave_common": 3},
)


def run(network, columns, use_operators):
    network.use_operators = use_operators
    return network(*inputs_of(columns))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("number", "layers"), [(1, 12), (16, 89), (35, 47), (130, 30)])
def test_operators_give_what_the_networks_own_equations_give(size, number, layers):
    columns = generate_columns(number, layers, seed=3)
    network = random_network(2, **size)
    with torch.inference_mode():
        ours, reference = run(network, columns, True), run(network, columns, False)
    for i, (a, b) in enumerate(zip(ours, reference, strict=True)):
        # Heating in thin layers is that of a small difference: absorbed power is compared.
        scale = np.diff(columns["pressure_level"].to_numpy(), axis=1) / 8.4 if i % 3 == 2 else 1.0
        np.testing.assert_allclose(a.numpy() * scale, b.numpy() * scale, rtol=2e-5, atol=1e-2)


def test_what_is_no_number_stays_in_its_column():
    columns = generate_columns(40, 30, seed=3)
    network = random_network(2)
    with torch.inference_mode():
        sound = run(network, columns, True)
        for name in ("temperature_layer", "h2o", "cloud_liquid_path"):
            broken = columns.copy(deep=True)
            broken["cloud_fraction"][7, 20] = 0.5  # what is said of clouds where there is none is not to be seen
            broken[name][7, 20] = np.nan
            for a, b in zip(run(network, broken, True), sound, strict=True):
                assert a[7].isnan().any()
                others = torch.arange(40) != 7
                np.testing.assert_array_equal(a[others].numpy(), b[others].numpy())


@pytest.mark.parametrize("use_operators", [True, False])
def test_what_is_said_of_clouds_where_there_are_none_changes_no_bit(use_operators):
    columns = generate_columns(40, 30, seed=3)
    network = random_network(2)
    said = columns.copy(deep=True)
    clear = said["cloud_fraction"].to_numpy() == 0.0
    assert 0.1 < clear.mean() < 1.0
    for name, value in (("liquid_radius", 3e-6), ("ice_radius", 0.0), ("cloud_liquid_path", 0.3), ("cloud_ice_path", 0.2)):
        said[name].to_numpy()[clear] = value
    with torch.inference_mode():
        for a, b in zip(run(network, columns, use_operators), run(network, said, use_operators), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", [16, 21])
def test_derivatives_of_every_weight_are_those_of_the_networks_own_equations(size, number):
    columns = generate_columns(number, 40, seed=5)
    network = random_network(4, **size).train()
    gradients = []
    for use_operators in (True, False):
        network.zero_grad()
        torch.manual_seed(0)
        sum((t * torch.randn_like(t)).mean() for t in run(network, columns, use_operators)).backward()
        gradients.append({name: parameter.grad.clone() for name, parameter in network.named_parameters()})
    for name, reference in gradients[1].items():
        assert reference.norm() > 0, name
        assert (gradients[0][name] - reference).norm() < 2e-4 * reference.norm(), name


def test_any_number_of_threads_gives_the_same_bits_and_the_same_derivatives():
    columns = generate_columns(100, 30, seed=6)
    network = random_network(1).train()
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            network.zero_grad()
            outputs = run(network, columns, True)
            sum((t**2).mean() for t in outputs).backward()
            found.append([*(t.detach().clone() for t in outputs), network.longwave_gas.strength.grad.clone()])
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        for a, b in zip(found[0][-1:], others[-1:], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_network_scripts_with_its_operators():
    columns = generate_columns(20, 30, seed=6)
    network = random_network()
    script = torch.jit.freeze(torch.jit.script(network))
    for name in ("all_sky", "describe_sky", "cloud_bands", "longwave_transfer", "shortwave_transfer"):
        assert f"radml::{name}" in str(script.graph)
    with torch.inference_mode():
        for ours, scripted in zip(network(*inputs_of(columns)), script(*inputs_of(columns)), strict=True):
            torch.testing.assert_close(scripted, ours, rtol=1e-6, atol=1e-4)


def test_the_state_is_differentiable_without_operators_and_refused_with_them():
    columns = generate_columns(4, 20, seed=6)
    network = random_network()
    inputs = inputs_of(columns)
    temperature = inputs[3].requires_grad_()
    network.use_operators = False
    network(*inputs)[0].sum().backward()
    assert temperature.grad.abs().min() > 0
    network.use_operators = True
    with pytest.raises(
        RuntimeError, match="has no derivative for layer temperature: set use_operators of the network to False"
    ):
        network(*inputs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: {"emissivity": t["emissivity"].double()}, "surface emissivity: expected float32 on the CPU, got Double"),
        (lambda t: {"level": t["level"][:-1]}, r"level temperature: expected the shape \[9, 5\], got \[8, 5\]"),
        (lambda t: {"planck": t["planck"][:, :-1]}, "points: expected 2 \\+ 2 skies of 1, got 6"),
        (lambda t: {"gases": torch.ones(9, 8, 5)}, "at most 8 kinds"),
    ],
)
def test_wrong_arguments_are_named(change, words):
    t = {
        "gas_head": torch.zeros(6, 8, 5), "gas_strength": torch.ones(6, 3), "gases": torch.ones(3, 8, 5),
        "cloud_head": torch.zeros(4, 8, 5), "cloud_strength": torch.ones(4, 2), "clouds": torch.ones(2, 8, 5),
        "planck": torch.zeros(3, 4),
        "base": torch.full((4, 5), 0.25), "skies": torch.full((2, 5), 0.5), "common": 2,
        "layer": torch.full((8, 5), 260.0), "level": torch.full((9, 5), 260.0), "surface": torch.full((5,), 260.0),
        "emissivity": torch.ones(5),
    }  # fmt: skip
    assert torch.ops.radml.longwave_transfer(*t.values())[0].shape == (9, 5)
    with pytest.raises(RuntimeError, match=words):
        torch.ops.radml.longwave_transfer(*{**t, **change(t)}.values())
