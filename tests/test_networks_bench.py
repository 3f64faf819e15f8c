"""`ftorch-bench networks`: times in turns, ratios and shares that follow from them, errors of the cards."""

import json

import matplotlib.image
import pytest
import torch
from ftorch_bridge import original_rrtmg
from ftorch_bridge.all_sky import AllSky, AllSkyConfig
from ftorch_bridge.cli.bench import app
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.direct import ResCNNSky, ResCNNSkyConfig
from ftorch_bridge.networks_bench import operations_for_a_column
from ftorch_bridge.sky import FEATURES, INPUTS
from ftorch_bridge.weights import save_weights
from test_all_sky import random_network
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Two networks, one of them with a card's numbers beside it."""
    folder = tmp_path_factory.mktemp("networks")
    network = random_network(0)
    with torch.no_grad():
        network.ozone.sub_(4.0)
    save_weights(network, folder / "learned.safetensors", {"network": "ftorch_bridge.all_sky:AllSky"})
    direct = ResCNNSky(ResCNNSkyConfig(channels=16))
    columns = generate_columns(100, 30, seed=1)
    direct.fit_scaling([torch.from_numpy(columns[name].to_numpy()) for name in INPUTS])
    save_weights(direct, folder / "direct.safetensors", {"network": "ftorch_bridge.direct:ResCNNSky"})
    error = {"heating_rmse": 0.123, "heating_worst_layer_rmse": 0.456, "top_net_rmse": 1.5, "surface_net_rmse": 2.5}
    (folder / "learned.json").write_text(json.dumps({"errors": {"lw": error, "sw": error}}))
    return folder


def test_the_command_times_everything_in_one_run(weights):
    paths = [str(weights / f"{name}.safetensors") for name in ("learned", "direct")]
    output, figure = weights / "networks.json", weights / "networks.png"
    result = CliRunner().invoke(
        app, ["networks", *paths, "--number", "32", "--repeats", "2", "--json", str(output), "--figure", str(figure)]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(output.read_text())
    assert (found["columns"], found["layers"], found["repeats"]) == (32, 89, 2)
    codes = {"real64", "real32"} | ({"climt"} if original_rrtmg.available() else set())
    assert len(found["rrtmg"]) == len(codes)
    assert {"real64", "real32"} <= set(found["rrtmg"])
    for network in found["networks"]:
        time = network["microseconds"]
        assert 0 < time["fastest"] <= time["median"] <= time["slowest"]
        assert set(network["speed_up"]) == set(found["rrtmg"])
        assert network["share_of_sgemm"] == pytest.approx(network["gigaflops"] / found["sgemm_gigaflops"]["median"])
        assert f"{time['median']:.1f}" in result.output
    assert found["networks"][0]["errors"]["sw"]["heating_rmse"] == 0.123
    assert found["networks"][1]["errors"] == {}
    assert "0.456" in result.output
    assert matplotlib.image.imread(figure).std() > 0.05


def test_operations_are_those_of_the_matrix_products():
    columns = generate_columns(16, 25, seed=2)
    channels = 16
    direct = ResCNNSky(ResCNNSkyConfig(channels=channels, modules=2))
    a_layer = (FEATURES + 4) * channels + 2 * (4 * channels**2) + 4 * channels
    a_column = 32 * (channels + 15) + 32 * 3 + FEATURES * channels / 16  # the last: the stem's scaling, once for all columns
    assert operations_for_a_column(direct, columns) == pytest.approx(2 * (25 * a_layer + a_column))
    assert operations_for_a_column(AllSky(AllSkyConfig(channels=8)), columns) > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.safetensors"], "absent.safetensors: no such file"),
        (["direct.safetensors", "--figure", "f.png"], "no evaluation lies beside the weights"),
    ],
)
def test_mistakes_give_one_line(weights, arguments, words):
    result = CliRunner().invoke(app, ["networks", str(weights / arguments[0]), *arguments[1:], "--number", "8"])
    assert result.exit_code != 0
    assert words in " ".join((result.stderr + result.output).split())
