"""Export: the file gives what its source gives, says what it is, and refuses what would be wrong later."""

import json
from pathlib import Path

import pytest
import torch
from ftorch_bridge.cli.bench import app as bench_app
from ftorch_bridge.cli.bridge import app as bridge_app
from ftorch_bridge.cli.export import app as export_app
from ftorch_bridge.cli.generate import app as generate_app
from ftorch_bridge.cli.train import app as train_app
from ftorch_bridge.column_file import write
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.exporting import Argument, ExportError, describe, export, load_source, read_manifest
from ftorch_bridge.networks import INPUTS, OUTPUTS, ResCNN
from ftorch_bridge.weights import save_weights
from torch import nn
from typer.testing import CliRunner

runner = CliRunner()


class Scale(nn.Module):
    """A small model of a user's own, with one array of two dimensions and one of one."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, t: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return self.factor * t + s[:, None]


class Dice(nn.Module):
    """A model of which no two calls agree."""

    def forward(self, t: torch.Tensor) -> torch.Tensor:
        return t * torch.rand(1)


class Square(nn.Module):
    """A model without parameters, of whose two factors one counts in its derivative."""

    def forward(self, t: torch.Tensor) -> torch.Tensor:
        return t * t.detach()


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(1)
    network = ResCNN()
    network.set_scaling(torch.zeros(network.features), torch.full((network.features,), 0.1))
    save_weights(network, tmp_path / "weights.safetensors", {"note": "by a test"})
    return tmp_path / "weights.safetensors"


@pytest.fixture
def columns(tmp_path):
    write(generate_columns(70, 30, seed=1), tmp_path / "columns.nc")
    return tmp_path / "columns.nc"


def invoke(*arguments):
    return runner.invoke(export_app, [str(a) for a in arguments])


def test_the_network_is_exported_with_its_manifest_and_checked_on_columns(tmp_path, weights, columns):
    output = tmp_path / "rescnn.pt"
    result = invoke("ftorch_bridge.networks:ResCNN", "--weights", weights, "--columns", columns, "-o", output)
    assert result.exit_code == 0, result.output
    assert "11 inputs, 3 outputs" in result.output
    manifest = read_manifest(output)
    assert [i["name"] for i in manifest["inputs"]] == list(INPUTS)
    assert [o["name"] for o in manifest["outputs"]] == list(OUTPUTS)
    expected = {"name": "pressure_level", "kind": "float64", "shape": ["column", "layer+1"], "units": "Pa"}
    assert manifest["inputs"][0] == expected
    assert manifest["metadata"]["note"] == "by a test"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["columns.nc", "rescnn.pt", "weights.safetensors"]
    printed = runner.invoke(bridge_app, ["info", str(output)])
    assert json.loads(printed.output) == manifest


def test_a_model_of_ones_own_is_exported_from_a_saved_module(tmp_path):
    torch.save(Scale(), tmp_path / "scale_module.pt")
    output = tmp_path / "scale.pt"
    result = invoke(
        tmp_path / "scale_module.pt", "-o", output, "--input", "t:float32[column,layer]:K", "--input", "s:float32[column]",
        "--output-argument", "r:float32[column,layer]:K",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    t, s = torch.randn(3, 4), torch.randn(3)
    torch.testing.assert_close(torch.jit.load(output)(t, s), 2 * t + s[:, None])
    assert read_manifest(output)["inputs"][1] == {"name": "s", "kind": "float32", "shape": ["column"], "units": ""}


def test_a_torchscript_file_is_given_a_manifest(tmp_path):
    torch.jit.script(Scale().eval()).save(tmp_path / "script.pt")
    result = invoke(
        tmp_path / "script.pt", "-o", tmp_path / "out.pt", "--input", "t:float32[n,5]", "--input", "s:float32[n]",
        "--output-argument", "r:float32[n,5]",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert read_manifest(tmp_path / "out.pt")["inputs"][0]["shape"] == ["n", 5]


def test_a_model_of_which_no_two_calls_agree_is_not_written(tmp_path):
    module = Dice().eval()
    manifest = describe(module, "dice", "float32", ["t:float32[n]"], ["r:float32[n]"], {})
    with pytest.raises(ExportError, match="two calls on the same inputs differ by"):
        export(module, manifest, tmp_path / "out.pt", columns=None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (["r:float64[n,m]"], r"output 'r': expected \(n,m\) float64, the module gives \(64, 11\) torch.float32"),
        (["r:float32[n]"], r"output 'r': expected \(n\) float32"),
        (["r:float32[n,m]", "q:float32[n]"], "expected 2 outputs, the module gives 1: give --output-argument once for each"),
    ],
)
def test_a_manifest_that_the_module_does_not_keep_is_refused(tmp_path, outputs, words):
    module = Scale().eval()
    manifest = describe(module, "scale", "float32", ["t:float32[n,m]", "s:float32[n]"], outputs, {})
    with pytest.raises(ExportError, match=words.replace("torch.", "")):
        export(module, manifest, tmp_path / "out.pt", columns=None)


def test_a_module_that_fails_on_the_inputs_it_is_said_to_take_gives_one_line(tmp_path):
    torch.save(Scale(), tmp_path / "module.pt")
    result = invoke(
        tmp_path / "module.pt", "-o", tmp_path / "out.pt", "--input", "t:float32[n,m]", "--input", "s:float32[3]",
        "--output-argument", "r:float32[n,m]",
    )  # fmt: skip
    assert result.exit_code == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert "out: fails on inputs t (64, 11), s (3,): RuntimeError:" in lines[0]
    assert not (tmp_path / "out.pt").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("t", "expected name:kind"),
        ("t:real[n]", "kind 'real': expected one of float32"),
        ("t:float32[n-1]", "expected name:kind"),
        ("t:float32[+1]", r"extent '\+1'"),
    ],
)
def test_a_malformed_argument_is_refused(text, words):
    with pytest.raises(ExportError, match=words):
        Argument.parse(text)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("absent.pt", "absent.pt: no such file, and not of the form package.module:Class"),
        ("ftorch_bridge.networks:Absent", "cannot be imported: module 'ftorch_bridge.networks' has no attribute 'Absent'"),
        ("no_such_package:Class", f"no module no_such_package in the current folder, {Path.cwd()}, or on Python's path"),
        ("no_such_package.part:Class", "no module no_such_package in the current folder"),
        ("nets.py:Net", "cannot be imported: without .py: nets:Net"),
        ("models/nets.py:Net", "without .py: models.nets:Net"),
        ("/home/me/nets.py:Net", "expected package.module:Class: go to /home/me and give nets:Net"),
    ],
)
def test_a_source_that_is_not_there_gives_one_line_and_a_failing_exit(tmp_path, source, words):
    result = invoke(source, "-o", tmp_path / "out.pt")
    assert result.exit_code == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("ftorch-export: ")
    assert words in lines[0]
    assert not (tmp_path / "out.pt").exists()


def test_a_folder_that_is_not_there_is_told_before_anything_is_read(tmp_path):
    result = invoke("absent.pt", "-o", tmp_path / "nowhere" / "out.pt")
    assert result.exit_code == 1
    folder = tmp_path / "nowhere"
    assert result.stderr == f"ftorch-export: {folder}/out.pt: no such folder: {folder}; make it, or name another\n"
    assert not folder.exists()


def test_weights_with_another_class_configuration_are_refused(tmp_path, weights):
    with pytest.raises(ExportError, match=r"weights\.safetensors: its configuration, .*points.*AllSky: TypeError"):
        load_source("ftorch_bridge.all_sky:AllSky", weights)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(Scale().state_dict(), tmp_path / "scale.pt")
    with pytest.raises(ExportError, match=r"not the weights of ftorch_bridge\.networks:ResCNN"):
        load_source("ftorch_bridge.networks:ResCNN", tmp_path / "scale.pt")


def test_a_file_without_a_manifest_has_no_info(tmp_path):
    torch.jit.script(Scale().eval()).save(tmp_path / "script.pt")
    with pytest.raises(ExportError, match="a file without a manifest"):
        read_manifest(tmp_path / "script.pt")
    (tmp_path / "text.pt").write_text("no model")
    with pytest.raises(ExportError, match="not a model file: File is not a zip file"):
        read_manifest(tmp_path / "text.pt")


DAMAGED = [(0, "is empty; copy it again"), (2000, "is cut off or damaged; copy it again")]


@pytest.mark.parametrize(("length", "words"), DAMAGED)
def test_a_file_that_is_cut_off_is_to_be_copied_again(tmp_path, length, words):
    torch.save(Scale(), tmp_path / "whole.pt")
    path = tmp_path / "cut.pt"
    path.write_bytes((tmp_path / "whole.pt").read_bytes()[:length])
    for app in ([bridge_app, "info", path], [generate_app, path]):
        result = runner.invoke(app[0], [str(a) for a in app[1:]])
        assert result.exit_code == 1
        assert f"{path}: not a model file: it {words}" in result.stderr
    for arguments in ([path], ["ftorch_bridge.networks:ResCNN", "--weights", path]):
        result = invoke(*arguments, "-o", tmp_path / "out.pt")
        assert result.exit_code == 1
        assert result.stderr == f"ftorch-export: {path}: {words}\n"


def test_paths_are_printed_as_they_are(tmp_path):
    path = tmp_path / "[bold]:two:.nc"
    result = runner.invoke(train_app, ["columns", "--number", "2", "--layers", "10", "-o", str(path)])
    assert result.exit_code == 0, result.output
    assert f"{path}: 2 columns, 10 layers" in result.output
    module = tmp_path / "[bold]:two:.pt"
    torch.save(Scale(), module)
    result = invoke(module, *SCALE_ARGUMENTS, "-o", tmp_path / "a:two:.pt")
    assert f"{tmp_path}/a:two:.pt: 2 inputs, 1 output" in result.output


def commands():
    """Each command of this package and those below it."""
    for app in (export_app, bridge_app, generate_app, train_app, bench_app):
        yield app, []
        yield from ((app, [c.name or c.callback.__name__]) for c in app.registered_commands if len(app.registered_commands) > 1)


@pytest.mark.parametrize(("app", "command"), list(commands()))
def test_help_is_for_people_at_a_terminal(app, command):
    result = runner.invoke(app, [*command, "--help"])
    assert result.exit_code == 0, result.output
    assert "``" not in result.output


SCALE_ARGUMENTS = (
    *("--input", "t:float32[column,layer]", "--input", "s:float32[column]"),
    *("--output-argument", "y:float32[column,layer]"),
)


@pytest.mark.parametrize("trainable", [True, False])
def test_a_model_keeps_its_parameters_where_it_is_to_be_trained(tmp_path, trainable):
    torch.save(Scale(), tmp_path / "scale.pt")
    output = tmp_path / "out.pt"
    flags = ["--trainable"] if trainable else []
    result = invoke(tmp_path / "scale.pt", *SCALE_ARGUMENTS, *flags, "-o", output)
    assert result.exit_code == 0, result.output
    parameters = dict(torch.jit.load(output).named_parameters())
    assert list(parameters) == (["factor"] if trainable else [])
    assert all(p.requires_grad for p in parameters.values())


@pytest.mark.parametrize(
    ("module", "arguments", "name", "words"),
    [
        (Scale(), SCALE_ARGUMENTS, "out.pt2", "a package cannot be trained; export TorchScript (.pt)"),
        (Square(), ("--input", "t:float32[n]", "--output-argument", "y:float32[n]"), "out.pt", "no parameters to train"),
    ],
)
def test_what_cannot_be_trained_is_not_exported_for_it(tmp_path, module, arguments, name, words):
    torch.save(module, tmp_path / "module.pt")
    result = invoke(tmp_path / "module.pt", *arguments, "--trainable", "-o", tmp_path / name)
    assert result.exit_code == 1
    assert words in " ".join(result.output.split())
    assert not (tmp_path / name).exists()


def test_a_detached_factor_stays_detached_in_the_file(tmp_path):
    torch.save(Square(), tmp_path / "square.pt")
    output = tmp_path / "out.pt"
    result = invoke(tmp_path / "square.pt", "--input", "t:float32[n]", "--output-argument", "y:float32[n]", "-o", output)
    assert result.exit_code == 0, result.output
    t = torch.tensor([3.0], requires_grad=True)
    torch.jit.load(output)(t).backward()
    assert t.grad.item() == 3.0  # and not 6.0
