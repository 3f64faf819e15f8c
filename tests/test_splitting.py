"""Splitting points of a network of all sky: the same network with more points, of those that heat most on their own."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from ftorch_bridge import splitting
from ftorch_bridge.all_sky import AllSky
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.dataset import Dataset, Settings
from ftorch_bridge.networks import ResCNN
from ftorch_bridge.weights import load_network, save_weights
from test_all_sky import inputs_of, random_network
from test_replay import ran, refused

SIZE = {
    "channels": 8,
    "longwave_common": 5,
    "longwave_points": 2,
    "shortwave_common": 3,
    "shortwave_clear": 2,
    "shortwave_cloudy": 4,
}


@pytest.fixture(scope="module")
def network() -> AllSky:
    return random_network(3, **SIZE)


@pytest.fixture(scope="module")
def inputs() -> list[torch.Tensor]:
    return inputs_of(generate_columns(60, 40, seed=5))


def test_points_that_differ_in_nothing_are_the_same_network(
    network: AllSky, inputs: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splitting, "STEP", 0.0)
    grown = splitting.split(network, inputs, longwave=4, shortwave=2, cloudy=3)
    assert grown.config == network.config | {"longwave_common": 9, "shortwave_common": 5, "shortwave_cloudy": 7}
    with torch.inference_mode():
        for ours, before in zip(grown(*inputs), network(*inputs), strict=True):
            torch.testing.assert_close(ours, before, rtol=2e-5, atol=2e-3)


def test_copies_absorb_more_and_less_and_on_average_the_same(network: AllSky, inputs: list[torch.Tensor]) -> None:
    copies = splitting.Copies.of(torch.tensor([1, 3, 2]))
    assert copies.index.tolist() == [0, 1, 1, 1, 2, 2]
    for point in range(3):
        own = copies.index == point
        assert copies.share[own].exp().sum() == pytest.approx(1.0, rel=1e-6)
        assert (copies.share[own].exp() * copies.strength[own].exp()).sum() == pytest.approx(1.0, rel=1e-6)
    assert copies.strength[0] == 0.0
    assert copies.strength.diff()[[1, 2, 4]] == pytest.approx(splitting.STEP, rel=1e-5)
    grown = splitting.split(network, inputs, longwave=4, shortwave=2, cloudy=3)
    with torch.inference_mode():
        changes = [float((a - b).abs().mean()) for a, b in zip(grown(*inputs), network(*inputs), strict=True)]
    assert all(change > 0.0 for change in changes)
    assert max(changes[0], changes[1], changes[3], changes[4]) < 2.0  # W m-2


def test_the_points_that_heat_most_are_split() -> None:
    assert splitting.divided(torch.tensor([[5.0], [1.0], [3.0]]), 3).index.tolist() == [0, 0, 0, 1, 2, 2]


def test_strong_points_are_of_the_one_that_heats_the_uppermost_layer_most() -> None:
    copies = splitting.divided(torch.tensor([[1.0, 9.0], [3.0, 1.0]]), 1, strong=2)
    assert copies.index.tolist() == [0, 0, 1, 1, 1]
    assert copies.strength[3:].exp().tolist() == pytest.approx([8.0, 64.0], rel=1e-5)
    # Where it is transparent each adds the same part of what the point does.
    assert (copies.share + copies.strength)[3:].exp().tolist() == pytest.approx([splitting.STRONG_PART] * 2, rel=1e-5)


def test_a_strong_point_of_the_shortwave_heats_the_uppermost_layers_alone(network: AllSky, inputs: list[torch.Tensor]) -> None:
    grown = splitting.split(network, inputs, shortwave_strong=1)
    assert grown.config == network.config | {"shortwave_common": 4}
    with torch.inference_mode():
        change = (grown(*inputs)[5] - network(*inputs)[5]).abs().mean(0)
    assert change[0] > 2.0 * change[-10:].max()


def test_a_strong_point_of_the_longwave_is_opaque_at_the_top(network: AllSky, inputs: list[torch.Tensor]) -> None:
    network = copy.deepcopy(network)
    with torch.no_grad():
        network.planck[1:] = 0.0  # every point emits: a random cubic may take light away, and heat what it should cool
    grown = splitting.split(network, inputs, longwave_strong=2)
    assert grown.config == network.config | {"longwave_common": 7}
    points, _ = splitting.points_of(grown, inputs)
    first = points[2 + 7 - 2].mean(1)
    with torch.inference_mode():
        before = network(*inputs)[2][:, 0].mean()
    assert first[0] < 0.5 * before < 0.0  # the copy of its kind that is begun after it changes it a little
    assert first[0].abs() > 5.0 * first[-10:].abs().max()


def test_heating_of_points_is_that_of_the_network_when_one_point_is_left(inputs: list[torch.Tensor]) -> None:
    network = random_network(
        4, **SIZE | {"longwave_common": 1, "shortwave_clear": 1, "shortwave_common": 1, "shortwave_cloudy": 1}
    )
    longwave, shortwave = splitting.heating_of_points(network, inputs)
    assert longwave.shape == (1 + 3 * 2, 40)
    assert shortwave.shape == (3, 40)
    with torch.no_grad():
        network.common_share.bias.copy_(torch.tensor([[60.0], [0.0]]))  # all sunlight is the common point's
        alone = splitting.heating_of_points(network, inputs)[1]
        heating = network(*inputs)[5].float()
    torch.testing.assert_close(alone[1], (heating**2).mean(0).sqrt(), rtol=1e-3, atol=1e-4)
    assert alone[[0, 2]].max() < 1e-6 * alone[1].max()


def test_the_command_keeps_how_the_network_was_trained(network: AllSky, tmp_path: Path) -> None:
    folder, weights, output = tmp_path / "set", tmp_path / "first.safetensors", tmp_path / "more.safetensors"
    dataset = Dataset.create(folder, Settings(layers=(20,), columns_per_shard=256, draws=1))
    for shard in range(2):
        dataset.make(shard, 1)
    save_weights(
        network, weights, {"network": "ftorch_bridge.all_sky:AllSky", "command": "ftorch-train recipe", "recipe": "text"}
    )
    output_text = ran("split", weights, folder, "-o", output, "--longwave", 3, "--cloudy", 1)
    assert "8 common longwave, 3 common shortwave, 5 cloudy shortwave points" in output_text
    grown, notes = load_network(output)
    assert grown.config == network.config | {"longwave_common": 8, "shortwave_cloudy": 5}
    assert notes["recipe"] == "text"
    assert notes["command"].startswith("ftorch-train ")
    assert json.loads(notes["parents"])[-1]["command"] == "ftorch-train recipe"

    said = refused("split", weights, folder, "-o", output)
    assert "split: expected more points by one of --longwave, --shortwave, --cloudy, --longwave-strong" in said
    save_weights(ResCNN(), tmp_path / "other.safetensors")
    said = refused("split", tmp_path / "other.safetensors", folder, "-o", tmp_path / "no.safetensors", "--longwave", 1)
    assert "other.safetensors: expected an AllSky, got ResCNN" in said
    assert not (tmp_path / "no.safetensors").exists()
