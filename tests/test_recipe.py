"""Training by recipe: from a data set to weights that export, resumed, stopped early, on several processes."""

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from ftorch_bridge import checkpoints
from ftorch_bridge import recipe as module
from ftorch_bridge.checkpoints import TrainingError
from ftorch_bridge.cli.export import app as export_app
from ftorch_bridge.cli.train import app
from ftorch_bridge.column_file import write
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.dataset import Dataset, DatasetError, Settings
from ftorch_bridge.recipe import Training, rate_at, read_recipe, train
from ftorch_bridge.weights import read_weights
from two_processes import train_on_two_processes
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent

RECIPE = """
[network]
class = "ftorch_bridge.all_sky:AllSky"
channels = 8
contexts = 2
longwave_common = 4
longwave_points = 2
skies = 2
shortwave_common = 3
shortwave_clear = 2
shortwave_cloudy = 3
[training]
optimizer = "{optimizer}"
learning_rate = {learning_rate}
batch = 32
steps = {steps}
warm_up = 10
average = {average}
checkpoint_interval = 0.0
[validation]
columns = 40
every = 10
patience = {patience}
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shards of 256 columns, of 15 layers and of 20 in turns."""
    folder = tmp_path_factory.mktemp("dataset") / "set"
    options = ["--number", "1024", "--columns-per-shard", "256", "--layers", "15", "--layers", "20", "--draws", "2"]
    result = CliRunner().invoke(app, ["dataset", str(folder), *options])
    assert result.exit_code == 0, result.output
    return folder


def recipe_file(
    folder: Path,
    optimizer: str = "soap",
    learning_rate: float = 3e-3,
    steps: int = 40,
    patience: int = 0,
    average: float = 0.0,
) -> Path:
    path = folder / "recipe.toml"
    given = {"optimizer": optimizer, "learning_rate": learning_rate, "steps": steps, "patience": patience, "average": average}
    path.write_text(RECIPE.format(**given))
    return path


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_training_from_the_command_line_learns_both_spectra_and_exports(dataset: Path, tmp_path: Path) -> None:
    path, output = recipe_file(tmp_path, steps=300), tmp_path / "weights.safetensors"
    result = CliRunner().invoke(app, ["recipe", str(path), str(dataset), "-o", str(output), "--layers", "20"])
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "recipe.toml", "weights.curve.json", "weights.curve.png", "weights.safetensors",
    ]  # fmt: skip
    curve = json.loads((tmp_path / "weights.curve.json").read_text())
    assert [entry["step"] for entry in curve] == list(range(10, 310, 10))
    assert curve[-1]["loss"] < 0.1 * curve[0]["loss"]
    for name in ("lw_surface_net_rmse", "sw_surface_net_rmse"):
        assert curve[-1][name] < 60.0
    _, config, notes = read_weights(output)
    assert config["channels"] == 8
    assert notes["recipe"] == path.read_text()
    assert json.loads(notes["dataset"])["draws"] == 2

    write(generate_columns(70, 20, seed=9), tmp_path / "columns.nc")
    options = ["--weights", str(output), "--columns", str(tmp_path / "columns.nc"), "-o", str(tmp_path / "model.pt")]
    exported = CliRunner().invoke(export_app, ["ftorch_bridge.all_sky:AllSky", *options])
    assert exported.exit_code == 0, exported.output
    assert "19 inputs, 6 outputs" in exported.output


def test_a_network_of_one_spectrum_is_trained_too(dataset: Path, tmp_path: Path) -> None:
    path = recipe_file(tmp_path, steps=200)
    text = path.read_text()
    network = '[network]\nclass = "ftorch_bridge.networks:ResCNN"\nchannels = 8\n'
    path.write_text(network + text[text.index("[training]") :])
    result = train(read_recipe(path), Dataset(dataset), layers=20)
    assert result is not None
    first, last = result[1][0], result[1][-1]
    assert {"lw_heating_rmse", "lw_top_net_rmse"} <= last.keys()
    assert not any(name.startswith("sw") for name in last)
    assert last["loss"] < 0.5 * first["loss"]


@pytest.mark.parametrize(("optimizer", "average"), [("soap", 0.0), ("soap", 0.9), ("adam", 0.0), ("sgd", 0.0)])
def test_training_that_was_cut_off_ends_with_the_weights_of_one_that_was_not(
    dataset: Path, tmp_path: Path, optimizer: str, average: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"soap": 3e-3, "adam": 4e-3, "sgd": 1e-5}
    recipe = read_recipe(recipe_file(tmp_path, optimizer, rates[optimizer], average=average))
    whole = train(recipe, Dataset(dataset), layers=20)
    assert whole is not None

    class CutOffError(Exception):
        pass

    original, steps = module._Run.step, 0

    def step_until_cut_off(self: object, *arguments: object) -> None:
        nonlocal steps
        steps += 1
        if steps > 25:
            raise CutOffError
        original(self, *arguments)

    checkpoint = tmp_path / "checkpoint.pt"
    monkeypatch.setattr(module._Run, "step", step_until_cut_off)
    with pytest.raises(CutOffError):
        train(recipe, Dataset(dataset), layers=20, checkpoint=checkpoint)
    monkeypatch.setattr(module._Run, "step", original)
    resumed = train(recipe, Dataset(dataset), layers=20, checkpoint=checkpoint, resume=True)
    assert resumed is not None
    assert same(whole[0], resumed[0])
    assert [entry["loss"] for entry in whole[1]] == [entry["loss"] for entry in resumed[1]]
    assert not checkpoint.exists()


def test_the_network_gets_the_mean_of_its_weights(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = module._Run.step
    passed: list[dict[str, torch.Tensor]] = []

    def step_and_note(self: module._Run, *arguments: object) -> None:
        original(self, *arguments)
        passed.append({name: weight.detach().clone() for name, weight in self.network.named_parameters()})

    monkeypatch.setattr(module._Run, "step", step_and_note)
    result = train(read_recipe(recipe_file(tmp_path, steps=10, average=0.5)), Dataset(dataset), layers=20)
    assert result is not None
    keeps = [min(0.5, (1.0 + step) / (10.0 + step)) for step in range(1, 11)]
    for name, found in result[0].named_parameters():
        mean = torch.zeros_like(found)
        for keep, weights in zip(keeps, passed, strict=True):
            mean = keep * mean + (1.0 - keep) * weights[name]
        first = found - mean  # what is left of the weights that the training began with
        assert first.abs().max() <= 1e-3 * max(1.0, float(passed[0][name].abs().max()))
        assert not torch.equal(found, passed[-1][name]) or torch.equal(passed[0][name], passed[-1][name])


def test_a_checkpoint_of_another_recipe_is_refused(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, checkpoint = read_recipe(recipe_file(tmp_path)), tmp_path / "checkpoint.pt"
    run = module._Run(recipe, Dataset(dataset), 20, 0, 1, torch.device("cpu"))
    run.save(checkpoint, (0, 0, 1), 1.0)
    other = read_recipe(recipe_file(tmp_path, learning_rate=1e-3))
    with pytest.raises(
        TrainingError, match=r"is of another training: recipe\.training\.learning_rate: expected 0\.001, got 0\.003$"
    ):
        train(other, Dataset(dataset), layers=20, checkpoint=checkpoint, resume=True)


def test_a_checkpoint_of_another_data_set_is_refused(dataset: Path, tmp_path: Path) -> None:
    recipe, checkpoint = read_recipe(recipe_file(tmp_path)), tmp_path / "checkpoint.pt"
    module._Run(recipe, Dataset(dataset), 20, 0, 1, torch.device("cpu")).save(checkpoint, (0, 0, 1), 1.0)
    grown = tmp_path / "grown"
    shutil.copytree(dataset, grown)
    for kind in ("nc", "fluxes.nc"):
        shutil.copy(dataset / f"shard-000001.{kind}", grown / f"shard-000005.{kind}")
    with pytest.raises(TrainingError, match=r"is of another training: data set\.shards: expected 5, got 4$"):
        train(recipe, Dataset(grown), layers=20, checkpoint=checkpoint, resume=True)


@pytest.mark.parametrize("spoil", [lambda whole: whole[: len(whole) // 2], lambda whole: b"nothing"])
def test_a_checkpoint_that_is_cut_off_is_refused(dataset: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    recipe, checkpoint = read_recipe(recipe_file(tmp_path)), tmp_path / "checkpoint.pt"
    module._Run(recipe, Dataset(dataset), 20, 0, 1, torch.device("cpu")).save(checkpoint, (0, 0, 1), 1.0)
    checkpoint.write_bytes(spoil(checkpoint.read_bytes()))
    with pytest.raises(TrainingError, match="is no whole checkpoint of this version; remove it to begin anew"):
        train(recipe, Dataset(dataset), layers=20, checkpoint=checkpoint, resume=True)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_training_with_a_checkpoint_that_it_goes_on_from(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    path, output = recipe_file(tmp_path), tmp_path / "net.safetensors"
    path.write_text(path.read_text().replace("checkpoint_interval = 0.0", "checkpoint_interval = 1e9"))
    whole = train(read_recipe(path), Dataset(dataset), layers=20)
    assert whole is not None
    original, steps = module._Run.step, 0

    def step_and_signal(self: object, *arguments: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 13:
            os.kill(os.getpid(), number)
        original(self, *arguments)

    handlers = signal.getsignal(number)
    monkeypatch.setattr(module._Run, "step", step_and_signal)
    arguments = ["recipe", str(path), str(dataset), "-o", str(output), "--layers", "20"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert done.stderr.strip() == (
        f"ftorch-train recipe: {tmp_path}/net.checkpoint.pt: stopped by {number.name} after step 13 of 40: "
        "--resume goes on from here"
    )
    assert signal.getsignal(number) is handlers
    assert not output.exists()
    monkeypatch.setattr(module._Run, "step", original)
    assert CliRunner().invoke(app, [*arguments, "--resume"]).exit_code == 0
    resumed = read_weights(output)[0]
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole[0].state_dict().items())


@pytest.mark.usefixtures("heeded")
def test_a_second_signal_acts_at_once() -> None:
    with checkpoints.told_to_stop() as asked:
        assert asked() is None
        os.kill(os.getpid(), signal.SIGINT)
        assert asked() == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("heeded")
def test_a_signal_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with checkpoints.told_to_stop() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked() is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize("command", ["recipe", "replay", "fit"])
def test_a_place_where_weights_cannot_be_written_is_told_before_training(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    rest = {"recipe": ["x"], "replay": ["y", "x.nc"], "fit": ["--validation", "y.nc"]}[command]
    for output, words in ((tmp_path, "expected a file to write, got a folder"), (tmp_path / "file/net", "cannot be written")):
        recipe = str(ROOT / "recipes" / "all_sky.toml")
        done = CliRunner().invoke(app, [command, recipe, *rest, "-o", str(output)])
        if command == "recipe":
            assert "there is no data set" in done.stderr
            done = CliRunner().invoke(app, [command, recipe, str(_empty_set(tmp_path / "set")), "-o", str(output)])
        assert done.exit_code == 1
        assert f"{output}: {words}" in done.stderr


def _empty_set(folder: Path) -> Path:
    Dataset.create(folder, Settings())
    return folder


def test_training_stops_where_neither_mean_nor_worst_layer_gets_better(dataset: Path, tmp_path: Path) -> None:
    recipe = read_recipe(recipe_file(tmp_path, "sgd", 1e-30, steps=500, patience=2))
    result = train(recipe, Dataset(dataset), layers=20)
    assert result is not None
    assert [entry["step"] for entry in result[1]] == [10, 20, 30]


def test_two_processes_train_one_network(dataset: Path, tmp_path: Path) -> None:
    path, output = recipe_file(tmp_path, steps=20), tmp_path / "weights.safetensors"
    said = train_on_two_processes("recipe", path, dataset, "-o", output, "--layers", 20)
    assert said.count("step 20: ") == 1  # rank 0 alone speaks
    assert read_weights(output)[1]["channels"] == 8
    assert not output.with_suffix(".checkpoint.pt").exists()


def test_the_learning_rate_rises_and_falls() -> None:
    training = Training(learning_rate=2.0, steps=1000, warm_up=100)
    assert rate_at(0, training) == pytest.approx(0.02)
    assert rate_at(99, training) == pytest.approx(2.0, rel=0.03)
    assert rate_at(500, training) == pytest.approx(1.0)
    assert rate_at(999, training) < 1e-4


def test_the_recipes_that_come_along_can_be_read() -> None:
    paths = sorted((ROOT / "recipes").glob("*.toml"))
    assert paths
    for path in paths:
        module.make_network(read_recipe(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[network", "is not TOML"),
        ("[training]\nsteps = 1", r"\[network\]: expected a class"),
        ('[network]\nclass = "a:B"\n[trainig]', "expected the sections network, training, loss, validation, got trainig"),
        ('[network]\nclass = "a:B"\n[training]\nstep = 1', r"\[training\]: expected one of optimizer, .*, got step"),
        ('[network]\nclass = "a:B"\n[training]\nsteps = "x"', r"\[training\] steps: expected int, got 'x'"),
        ('[network]\nclass = "a:B"\n[training]\nsteps = 0', r"\[training\] steps: expected at least 1, got 0"),
        ('[network]\nclass = "a:B"\n[training]\naverage = 1.0', "average: expected 0 or more and less than 1, got 1.0"),
        ('[network]\nclass = "a:B"\n[training]\noptimizer = "x"', "optimizer: expected one of adam, sgd, soap, got x"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(TrainingError, match=message):
        read_recipe(tmp_path / "recipe.toml")


def test_what_cannot_be_trained_is_refused(dataset: Path, tmp_path: Path) -> None:
    recipe = recipe_file(tmp_path)
    recipe.write_text(recipe.read_text().replace("all_sky:AllSky", "all_sky:Nothing"))
    with pytest.raises(TrainingError, match=r"ftorch_bridge\.all_sky:Nothing: cannot be imported"):
        train(read_recipe(recipe), Dataset(dataset), layers=20)
    recipe.write_text(recipe.read_text().replace("all_sky:Nothing", "all_sky:AllSky").replace("channels", "chanels"))
    with pytest.raises(TrainingError, match="not its settings"):
        train(read_recipe(recipe), Dataset(dataset), layers=20)
    with pytest.raises(DatasetError, match="no columns of 33 layers for validation"):
        train(read_recipe(recipe_file(tmp_path)), Dataset(dataset), layers=33)
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train(read_recipe(recipe_file(tmp_path, "sgd", 1e6)), Dataset(dataset), layers=20)


def test_a_finished_training_is_not_begun_anew_by_resume(dataset: Path, tmp_path: Path) -> None:
    recipe = str(ROOT / "recipes" / "all_sky_small.toml")
    output = tmp_path / "net.safetensors"
    output.write_bytes(b"finished")
    done = CliRunner().invoke(app, ["recipe", recipe, str(dataset), "-o", str(output), "--resume"])
    assert done.exit_code == 1
    assert "net.safetensors: its training has ended, there is no checkpoint to go on from" in done.stderr
    assert output.read_bytes() == b"finished"
    (tmp_path / "net.checkpoint.pt").write_bytes(b"cut off")
    done = CliRunner().invoke(app, ["recipe", recipe, str(dataset), "-o", str(output)])
    assert done.exit_code == 1
    assert "net.checkpoint.pt: a training was cut off here: go on with --resume, or remove it" in done.stderr


def test_a_class_that_recipes_cannot_train_is_told_what_it_lacks(dataset: Path, tmp_path: Path) -> None:
    text = (ROOT / "recipes" / "all_sky_small.toml").read_text()
    (tmp_path / "linear.toml").write_text(re.sub(r'class = "[^"]*"', 'class = "torch.nn:Linear"', text))
    done = CliRunner().invoke(
        app, ["recipe", str(tmp_path / "linear.toml"), str(dataset), "-o", str(tmp_path / "x.safetensors")]
    )
    assert done.exit_code == 1
    assert "torch.nn:Linear: expected a class with from_config, which a recipe needs" in done.stderr
