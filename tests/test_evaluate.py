"""`ftorch-train evaluate`: the numbers are those of the columns, the card and the figure say them."""

import json

import matplotlib.image
import numpy as np
import pytest
import torch
import xarray as xr
from ftorch_bridge.all_sky import AllSky, AllSkyConfig
from ftorch_bridge.cli.train import app
from ftorch_bridge.column_file import read_columns, write
from ftorch_bridge.dataset import Dataset, load_split
from ftorch_bridge.evaluation import climates, cloud_classes, compare, evaluate, run_network
from ftorch_bridge.sky import INPUTS, OUTPUTS
from ftorch_bridge.weights import load_network, save_weights
from typer.testing import CliRunner

SMALL = AllSkyConfig(channels=8, contexts=2, longwave_common=4, longwave_points=2, skies=2, shortwave_common=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set of 512 columns, and weights that were hardly trained."""
    folder = tmp_path_factory.mktemp("evaluate")
    options = ["--number", "512", "--columns-per-shard", "256", "--layers", "20", "--draws", "4", "--seed", "3"]
    result = CliRunner().invoke(app, ["dataset", str(folder / "set"), *options])
    assert result.exit_code == 0, result.output
    torch.manual_seed(0)
    network = AllSky(SMALL)
    sample = load_split(Dataset(folder / "set"), INPUTS, "train", 20, 200)
    network.fit_scaling([torch.from_numpy(sample[name]) for name in INPUTS])
    save_weights(network, folder / "weights.safetensors", {"network": "ftorch_bridge.all_sky:AllSky", "recipe": "x = 1"})
    return folder


def test_columns_of_a_file_are_labelled_and_evaluated(folder, tmp_path):
    columns = read_columns(folder / "set" / "shard-000000.nc").drop_vars("latitude")
    write(columns, tmp_path / "own.nc")
    output = tmp_path / "card.md"
    options = ["--draws", "4", "--noise-columns", "8", "-o", str(output)]
    result = CliRunner().invoke(app, ["evaluate", str(folder / "weights.safetensors"), str(tmp_path / "own.nc"), *options])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.json", "card.md", "card.png", "own.nc"]
    found = json.loads(output.with_suffix(".json").read_text())
    assert (found["columns"], found["layers"], found["draws"], found["by_climate"]) == (256, 20, 4, {})
    assert "By climate" not in output.read_text()
    network, _ = load_network(folder / "weights.safetensors")
    labels = xr.load_dataset(folder / "set" / "shard-000000.fluxes.nc")
    own = {name: columns[name].to_numpy().astype(np.float32) for name in network.inputs}
    heating = run_network(network, own)["lw_heating_rate"] - labels["lw_heating_rate"].to_numpy()
    assert found["errors"]["lw"]["heating_rmse"] == pytest.approx(np.sqrt((heating**2).mean()), rel=1e-4)


def test_the_command_writes_card_numbers_and_figure(folder):
    output = folder / "card.md"
    result = CliRunner().invoke(
        app,
        ["evaluate", str(folder / "weights.safetensors"), str(folder / "set"), "--split", "all", "--layers", "20",
         "--noise-columns", "64", "-o", str(output)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(output.with_suffix(".json").read_text())
    assert (found["columns"], found["layers"], found["draws"]) == (512, 20, 4)
    for spectrum in ("lw", "sw"):
        errors = found["errors"][spectrum]
        assert f"{errors['heating_rmse']:.3f}" in result.output
        assert f"| {errors['heating_rmse']:.3f} |" in output.read_text()
        layers = found["by_layer"][spectrum]
        assert np.sqrt(np.mean(np.square(layers["rmse"]))) == pytest.approx(errors["heating_rmse"], rel=1e-6)
        assert max(layers["rmse"]) == pytest.approx(errors["heating_worst_layer_rmse"])
        assert max(layers["largest"]) == pytest.approx(errors["heating_largest"])
        assert 0 < max(layers["noise"]) < max(layers["spread"])
        assert 0 < found["noise"][spectrum]["top_net_rmse"] < 30
        groups = [g[spectrum]["columns"] for g in found["by_cloud"].values() if spectrum in g]
        assert sum(groups) == errors["columns"]
    assert found["errors"]["lw"]["columns"] == 512
    assert 200 < found["errors"]["sw"]["columns"] < 512
    assert found["closure"] < 5e-3
    assert "x = 1" in output.read_text()
    assert matplotlib.image.imread(output.with_suffix(".png")).std() > 0.05


def test_errors_are_those_of_the_columns_and_a_perfect_network_has_none(folder):
    dataset = Dataset(folder / "set")
    truth = load_split(dataset, [*INPUTS, *OUTPUTS, "pressure_layer", "latitude"], "test", 20, 1000)

    class Perfect:
        inputs, outputs = INPUTS, OUTPUTS

        def __call__(self, *given):
            seen = zip(given[14].numpy().astype("f4"), given[4][:, -1].numpy().astype("f4"), strict=True)
            known = (truth["surface_temperature"], truth["h2o"][:, -1])
            where = [int(np.flatnonzero((known[0] == t) & (known[1] == h))[0]) for t, h in seen]
            return [torch.from_numpy(truth[name][where]) for name in OUTPUTS]

    found = evaluate(Perfect(), dataset, split="test", layers=20, at_most=1000)
    for errors in found.errors.values():
        assert errors["heating_rmse"] == 0
        assert errors["top_net_rmse"] == 0
    results = run_network(Perfect(), truth)
    results["lw_up"] = results["lw_up"] + 2.0
    shifted = compare(results, {n: truth[n].astype(float) for n in OUTPUTS}, truth["pressure_layer"])
    assert shifted["top_net_rmse"] == pytest.approx(2.0)
    assert shifted["flux_bias"] == pytest.approx(1.0)


def test_clouds_and_climates_have_their_names():
    pressure = np.tile([20000.0, 50000.0, 60000.0, 90000.0], (6, 1))
    fraction = np.array([[0, 0, 0, 0], [0, 0, 0, 0.3], [0, 1, 0, 0], [0.2, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 1]])
    found = cloud_classes({"cloud_fraction": fraction, "pressure_layer": pressure})
    assert found.tolist() == ["clear", "low", "middle", "high", "deep", "several"]
    assert climates({"latitude": np.array([-10.0, 45.0, -75.0])}).tolist() == ["tropics", "mid-latitudes", "polar"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--split", "other"], "--split: expected one of train, validation, test or all, got other"),
        (["--layers", "33"], "has no columns of 33 layers for test"),
    ],
)
def test_mistakes_give_one_line(folder, options, words):
    result = CliRunner().invoke(app, ["evaluate", str(folder / "weights.safetensors"), str(folder / "set"), *options])
    assert result.exit_code == 1
    assert words in " ".join(result.stderr.split())
