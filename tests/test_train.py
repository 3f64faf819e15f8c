"""Training from the command line: columns, RRTMG's fluxes, weights, evaluation."""

import os
import signal

import numpy as np
import pytest
import torch
from ftorch_bridge import programs
from ftorch_bridge.checkpoints import TrainingError, save
from ftorch_bridge.cli.train import app
from ftorch_bridge.column_file import read_columns, read_fluxes
from ftorch_bridge.networks import ResCNNConfig
from ftorch_bridge.training import TrainingConfig, errors_of, fit, read_samples, to_samples
from ftorch_bridge.weights import load_network
from typer.testing import CliRunner

runner = CliRunner()


def invoke(*arguments):
    return runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def columns(tmp_path_factory):
    """A training and a validation file, by name."""
    folder = tmp_path_factory.mktemp("columns")
    files = {}
    for name, number, layers, seed in (("train", 400, 30, 1), ("other", 200, 40, 2), ("unseen", 100, 30, 3)):
        files[name] = folder / f"{name}.nc"
        result = invoke("columns", "--clear-sky", "-o", files[name], "--number", number, "--layers", layers, "--seed", seed)
        assert result.exit_code == 0, result.output
    return files


@pytest.fixture(scope="module")
def samples(columns):
    """The same files with RRTMG's fluxes, by name."""
    read = {}
    for name, path in columns.items():
        programs.run("radml-rrtmg", path, path.with_suffix(".fluxes.nc"))
        read[name] = read_samples(path, path.with_suffix(".fluxes.nc"))
    return read


def test_training_from_the_command_line_learns_rrtmg(tmp_path, columns):
    output = tmp_path / "weights.safetensors"
    result = invoke(
        "fit", columns["train"], columns["other"], "--validation", columns["unseen"], "-o", output, "--steps", 250,
        "--batch", 64, "--learning-rate", 0.01,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    network, notes = load_network(output)
    assert notes["command"].startswith("ftorch-train ")
    samples = read_samples(columns["unseen"], columns["unseen"].with_suffix(".fluxes.nc"))
    errors = errors_of(network, samples)
    spread = samples.outputs["lw_up"].std().item()
    assert errors["flux_rmse"] < 0.15 * spread
    assert sorted(p.name for p in tmp_path.iterdir()) == ["weights.safetensors"]
    evaluated = invoke("evaluate", output, columns["unseen"])
    assert evaluated.exit_code == 0, evaluated.output
    assert f"{errors['flux_rmse']:.4g}" in evaluated.output


def test_fluxes_of_the_command_are_those_of_the_program(tmp_path, columns, samples):
    result = invoke("fluxes", columns["unseen"], "-o", tmp_path / "fluxes.nc")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(read_fluxes(tmp_path / "fluxes.nc")["lw_up"], samples["unseen"].outputs["lw_up"])


def test_training_that_was_cut_off_ends_with_the_weights_of_one_that_was_not(tmp_path, samples, monkeypatch):
    config = TrainingConfig(steps=30, batch=32, checkpoint_interval=0.0)
    size = ResCNNConfig(channels=8, points=8)
    whole = fit([samples["train"]], samples["unseen"], size, config)

    class CutOffError(Exception):
        pass

    steps = 0

    def step_until_cut_off(self, *arguments, **keywords):
        nonlocal steps
        steps += 1
        if steps > 17:
            raise CutOffError
        return original(self, *arguments, **keywords)

    original = torch.optim.Adam.step
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", step_until_cut_off)
        with pytest.raises(CutOffError):
            fit([samples["train"]], samples["unseen"], size, config, checkpoint=tmp_path / "run.pt")
    resumed = fit([samples["train"]], samples["unseen"], size, config, checkpoint=tmp_path / "run.pt", resume=True)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, rtol=0, atol=0)
    assert not (tmp_path / "run.pt").exists()


def test_a_signal_ends_a_fit_with_a_checkpoint(tmp_path, samples, monkeypatch):
    original, steps = torch.optim.Adam.step, 0

    def step_and_signal(self, *arguments, **keywords):
        nonlocal steps
        steps += 1
        if steps == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *arguments, **keywords)

    monkeypatch.setattr(torch.optim.Adam, "step", step_and_signal)
    with pytest.raises(TrainingError, match=r"run\.pt: stopped by SIGTERM after step 4 of 30: --resume goes on from here"):
        fit(
            [samples["train"]], samples["unseen"], ResCNNConfig(channels=8, points=8), TrainingConfig(steps=30, batch=32),
            checkpoint=tmp_path / "run.pt",
        )  # fmt: skip
    assert torch.load(tmp_path / "run.pt", weights_only=True)["step"] == 4


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(tmp_path, samples):
    size = ResCNNConfig(channels=8, points=8)
    save(tmp_path / "run.pt", {"steps": 5}, {})
    with pytest.raises(TrainingError, match=r"is of another training: steps: expected 10, got 5; batch: expected 32, got none"):
        fit(
            [samples["train"]], samples["unseen"], size, TrainingConfig(steps=10, batch=32),
            checkpoint=tmp_path / "run.pt", resume=True,
        )  # fmt: skip


def test_fluxes_of_other_columns_are_refused(columns):
    fluxes = read_fluxes(columns["train"].with_suffix(".fluxes.nc"))
    with pytest.raises(TrainingError, match="column is 100 in the columns, 400 in the fluxes"):
        to_samples(read_columns(columns["unseen"]), fluxes)


def test_a_batch_larger_than_every_file_is_refused(samples):
    with pytest.raises(TrainingError, match="batch of 1000 columns: larger than every column file"):
        fit([samples["train"]], samples["unseen"], ResCNNConfig(), TrainingConfig(steps=2, batch=1000))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("columns", "--from", "absent.nc", "-o", "out.nc"), "absent.nc: no such file"),
        (("columns", "--layers", "3", "-o", "out.nc"), "number of layers: expected at least 10, got 3"),
        (("columns", "--number", "1", "-o", "/dev/null"), "/dev/null: expected a file to write, got a device"),
        (("columns", "-o", "nowhere/out.nc"), "nowhere/out.nc: no such folder: nowhere; make it, or name another"),
        (("fluxes", "absent.nc", "-o", "out.nc"), "absent.nc"),
        (("fluxes", "absent.nc", "-o", "nowhere/out.nc"), "nowhere/out.nc: no such folder"),
        (("merge-replay", "absent.nc", "-o", "nowhere/out.nc"), "nowhere/out.nc: no such folder"),
        (("envelope", "absent", "-o", "nowhere/out.txt"), "nowhere/out.txt: no such folder"),
        (("evaluate", "absent.safetensors", "absent.nc", "-o", "nowhere/card.md"), "nowhere/card.md: no such folder"),
        (
            ("replay", "absent.safetensors", "absent", "absent.nc", "-o", "out.safetensors", "--json", "nowhere/out.json"),
            "nowhere/out.json: no such folder",
        ),
        (("fit", "absent.nc", "--validation", "absent.nc", "-o", "out.safetensors"), "absent.nc: no such file"),
        (("evaluate", "absent.safetensors", "absent.nc"), "absent.safetensors: no such file"),
    ],
)
def test_a_bad_wish_gives_one_line_and_a_failing_exit(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"ftorch-train {arguments[0]}: ")
    assert words in lines[0]
    assert list(tmp_path.iterdir()) == []
