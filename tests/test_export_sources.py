"""What ftorch-export starts from, what it folds in, and what it refuses because it would be wrong later."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from ftorch_bridge.cli.export import app
from ftorch_bridge.exporting import read_manifest
from torch import Tensor, nn
from typer.testing import CliRunner

runner = CliRunner()
# Traces that warn of what they lose are what some of these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
X = ("--input", "x:float32[n,4]")
Y = ("--output-argument", "y:float32[n,3]")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear(x))


class Cloud(Net):
    """Between colons its name is that of an emoji, ☁."""


class Conv(nn.Module):
    """Whose error for arrays of another kind has words of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)[:, 0]


class Column(nn.Module):
    """Takes profiles of 60 levels, and a number for each column."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(60, 32), nn.Linear(32, 60)

    def forward(self, profile: Tensor, surface: Tensor) -> Tensor:
        return self.out(torch.tanh(self.hidden(profile)) + surface[:, None])


class Both(nn.Module):
    """Of two free dimensions neither is free."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(6, 3)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.a(x) + self.b(z)


class Chunked(nn.Module):
    """Takes any width that four divides."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("some", torch.ones(8))
        self.register_buffer("more", torch.ones(12))

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1, 4).sum(1)[:, :3]


class Dropped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.drop = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.drop(self.linear(x)))


class Padded(nn.Module):
    """In a trace the number of rows becomes a constant."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3] + torch.zeros(len(x), 3)


class Branch(nn.Module):
    """What it computes depends on what it is given."""

    def forward(self, x: Tensor) -> Tensor:
        if bool(x.sum() > 0):
            return x[:, :3]
        return -2.0 * x[:, :3]


class Mean(nn.Module):
    """Rows that know each other."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3] - x[:, :3].mean(0)


class Logarithm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.log(x[:, :3])


class Levels(nn.Module):
    """One more than it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, x[:, :1]], dim=1)


class Two(nn.Module):
    """Whose inputs must not be exchanged."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - 2.0 * b)[:, :3]


class OfDictionary(nn.Module):
    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return batch["x"][:, :3]


class OfNames(nn.Module):
    """A dictionary that nothing announces."""

    def forward(self, batch):
        return batch["x"][:, :3]


class Viewed(nn.Module):
    """What works in C's order alone."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, 2)[: len(x), :1].expand(-1, 3)


class Needs(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(4, width)


def export(folder: Path, *arguments: object, name: str = "out.pt") -> str:
    """What the command says; it must succeed."""
    result = runner.invoke(app, [*map(str, arguments), "-o", str(folder / name)])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def refused(folder: Path, *arguments: object, name: str = "out.pt") -> str:
    """The one line in which it refuses; nothing is written."""
    result = runner.invoke(app, [*map(str, arguments), "-o", str(folder / name)])
    assert result.exit_code == 1, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("ftorch-export: ")
    assert not (folder / name).exists()
    return lines[0]


def saved(folder: Path, module: nn.Module, name: str = "module.pt") -> Path:
    torch.save(module, folder / name)
    return folder / name


# ---- sources ----


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of torch.export whose number of rows is free."""
    path = tmp_path_factory.mktemp("program") / "program.pt2"
    exported = torch.export.export(Net().eval(), (torch.randn(5, 4),), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.export.save(exported, path)
    return path


def test_a_program_of_torch_export_becomes_torchscript(program: Path, tmp_path: Path) -> None:
    assert "batch sizes 64, 1, 17" in export(tmp_path, program, *X, *Y)
    x = torch.randn(23, 4)
    (y,) = torch.jit.load(tmp_path / "out.pt")(x)
    torch.testing.assert_close(y, Net()(x))


def test_a_program_of_torch_export_becomes_a_package(program: Path, tmp_path: Path) -> None:
    export(tmp_path, program, *X, *Y, name="out.pt2")
    manifest = read_manifest(tmp_path / "out.pt2")
    assert manifest["inputs"][0]["shape"] == ["n", 4]
    x = torch.randn(23, 4).T.contiguous().T
    (y,) = torch._inductor.aoti_load_package(str(tmp_path / "out.pt2"))(x)
    torch.testing.assert_close(y, Net()(x))
    # And what is compiled already is no source.
    words = refused(tmp_path, tmp_path / "out.pt2", *X, *Y, name="again.pt2")
    assert "a package that is compiled already: machine code cannot be turned back; give what it was compiled from" in words


def test_what_a_program_has_fixed_is_not_free(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(Net().eval(), (torch.randn(5, 4),)), tmp_path / "program.pt2")
    words = refused(tmp_path, tmp_path / "program.pt2", *X, *Y)
    assert "dimension 1 (n) is fixed in the program at 5, the manifest leaves it free: fix it (--fix n=5)" in words
    export(tmp_path, tmp_path / "program.pt2", *X, *Y, "--fix", "n=5")


def test_a_class_lies_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    (tmp_path / "my_own_network.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.linear = torch.nn.Linear(4, 3)\n"
        "    def forward(self, x: torch.Tensor) -> torch.Tensor:\n"
        "        return self.linear(x)\n"
    )
    torch.save(Net().state_dict(), tmp_path / "weights.pt")
    export(tmp_path, "my_own_network:Net", "--weights", "weights.pt", *X, *Y)
    x = torch.randn(2, 4)
    torch.testing.assert_close(torch.jit.load(tmp_path / "out.pt")(x), Net().linear(x))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"state": {}, "epoch": 3}, "expected a state dictionary, got one with state, epoch; save model.state_dict() alone"),
        ([1, 2], "expected a state dictionary, got one but list"),
        ({"state": {}, "loss": np.float64(1)}, "expected a state dictionary, found numpy"),
        (Path("here"), "holds pathlib.PosixPath, not weights: save model.state_dict() alone by torch.save"),
    ],
)
def test_a_checkpoint_is_no_state_dictionary(what: object, words: str, tmp_path: Path) -> None:
    torch.save(what, tmp_path / "weights.pt")
    assert words in refused(tmp_path, f"{__name__}:Net", "--weights", tmp_path / "weights.pt", *X, *Y)


def test_a_whole_model_is_no_weights_but_a_source(tmp_path: Path) -> None:
    module = saved(tmp_path, Net())
    script = tmp_path / "script.pt"
    torch.jit.script(Net()).save(str(script))
    for path, what in ((module, "a whole module"), (script, "TorchScript")):
        words = refused(tmp_path, f"{__name__}:Net", "--weights", path, *X, *Y)
        assert words == f"ftorch-export: {path}: holds {what}, not weights: give it as the source: ftorch-export {path} ..."
    (tmp_path / "text.pt").write_text("no weights")
    words = refused(tmp_path, f"{__name__}:Net", "--weights", tmp_path / "text.pt", *X, *Y)
    assert words.endswith("text.pt: not a state dictionary; save model.state_dict() alone by torch.save")


def test_a_class_that_wants_arguments_is_told_what_to_do(tmp_path: Path) -> None:
    words = refused(tmp_path, f"{__name__}:Needs", *X, *Y)
    assert "cannot be made without arguments" in words
    assert "give defaults to its __init__, or make it yourself and save it whole, torch.save(module, 'module.pt')" in words


def test_a_saved_module_is_of_a_class_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "my_other_network.py").write_text(
        "import torch\n"
        "class Scaled(torch.nn.Module):\n"
        "    def __init__(self, factor):\n"
        "        super().__init__()\n"
        "        self.factor = factor\n"
        "    def forward(self, x: torch.Tensor) -> torch.Tensor:\n"
        "        return self.factor * x[:, :3]\n"
    )
    (tmp_path / "save.py").write_text(
        "import torch\nfrom my_other_network import Scaled\ntorch.save(Scaled(3.0), 'module.pt')\n"
    )
    for command in (["save.py"], ["-m", "ftorch_bridge.cli.export", "module.pt", *X, *Y, "-o", "out.pt"]):
        # -P: the folder of the program is not where modules are looked for, as for an installed command.
        path = [] if command == ["save.py"] else ["-P"]
        done = subprocess.run([sys.executable, *path, *command], cwd=tmp_path, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    torch.testing.assert_close(torch.jit.load(tmp_path / "out.pt")(torch.ones(2, 4)), torch.full((2, 3), 3.0))


def test_inputs_in_another_order_than_those_of_forward_are_refused(tmp_path: Path) -> None:
    given = ("--input", "b:float32[n,4]", "--input", "a:float32[n,4]", *Y)
    torch.jit.script(Two()).save(str(tmp_path / "script.pt"))
    for source in (f"{__name__}:Two", tmp_path / "script.pt"):
        words = refused(tmp_path, source, *given)
        assert "inputs b, a: expected them in the order in which forward takes them, a, b; 'b' is its argument 2" in words
    program = torch.export.export(Two(), (torch.ones(3, 4), torch.ones(3, 4)), dynamic_shapes=({0: torch.export.Dim("n")},) * 2)
    torch.export.save(program, tmp_path / "two.pt2")
    assert "inputs b, a: expected them in the order" in refused(tmp_path, tmp_path / "two.pt2", *given)
    # Names of one's own say nothing of the order.
    export(tmp_path, f"{__name__}:Two", "--input", "t:float32[n,4]", "--input", "q:float32[n,4]", *Y)


def test_another_number_of_inputs_than_forward_takes_is_refused(tmp_path: Path) -> None:
    torch.jit.script(Two()).save(str(tmp_path / "script.pt"))
    for source in (f"{__name__}:Two", tmp_path / "script.pt"):
        for name, missing in (("a", "b"), ("b", "a"), ("x", "b")):
            words = refused(tmp_path, source, "--input", f"{name}:float32[n,4]", *Y)
            assert f"forward takes a, b; got --input {name}: give {missing} too, as --input {missing}:kind[" in words
        three = [f"--input={name}:float32[n,4]" for name in "abc"]
        words = refused(tmp_path, source, *three, *Y)
        assert "forward takes a, b; got --input a, b, c: leave out what it does not take" in words


def test_a_class_without_weights_is_told(tmp_path: Path) -> None:
    assert f"{__name__}:Net: no --weights: its parameters are those that its __init__ sets" in export(
        tmp_path, f"{__name__}:Net", *X, *Y
    )
    assert f"{__name__}:Cloud: no --weights" in export(tmp_path, f"{__name__}:Cloud", *X, *Y)
    assert "--weights" not in export(tmp_path, f"{__name__}:Two", "--input", "a:float32[n,4]", "--input", "b:float32[n,4]", *Y)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("mixing length:float32[n,3]:m", "name 'mixing length': expected letters, digits and _ only"),
        ("theta-air:float32[n,3]", "name 'theta-air': expected letters, digits and _ only"),
        ("y:float32:m", "a scalar is name:kind[]"),
    ],
)
def test_an_argument_that_cannot_be_read_is_told_why(argument: str, words: str, tmp_path: Path) -> None:
    assert words in refused(tmp_path, f"{__name__}:Net", *X, "--output-argument", argument)


def test_a_forward_of_other_things_than_tensors_is_told_what_to_do(tmp_path: Path) -> None:
    words = refused(tmp_path, f"{__name__}:OfDictionary", *X, *Y)
    assert "forward takes batch: dict[str, torch.Tensor], expected one tensor for each input" in words
    assert "expected one tensor for each input" in refused(
        tmp_path, f"{__name__}:OfDictionary", *X, "--input", "z:float32[n]", *Y
    )
    assert "forward takes a dictionary, expected one tensor" in refused(tmp_path, f"{__name__}:OfNames", *X, *Y)
    words = refused(tmp_path, f"{__name__}:Viewed", *X, *Y)
    assert "a host's arrays lie in Fortran's order, first dimension fastest: .reshape(...) in place of .view(...)" in words


def test_an_output_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    words = refused(tmp_path, f"{__name__}:Net", *X, name="y:float32[n,3]")
    assert "expected the file to write; an output of the model is --output-argument" in words


# ---- what would be wrong later ----


def test_a_batch_that_a_trace_has_frozen_is_refused(tmp_path: Path) -> None:
    torch.jit.trace(Padded().eval(), torch.ones(5, 4), check_trace=False).save(tmp_path / "trace.pt")
    words = refused(tmp_path, tmp_path / "trace.pt", *X, *Y)
    # Of PyTorch's words the last line, and not where the program was that made the file.
    assert "RuntimeError: The size of tensor a (64) must match the size of tensor b (5)" in words
    assert "_trace.py" not in words
    assert "it runs with n=5: the trace (torch.jit.trace) has frozen 'n'; export from the class" in words
    export(tmp_path, saved(tmp_path, Padded()), *X, *Y)  # scripted it is free


@pytest.mark.parametrize(("part", "kind"), [("drop", "Dropout"), ("norm", "BatchNorm1d")])
def test_a_part_in_training_mode_is_refused(part: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = Dropped().eval()
    getattr(module, part).train()
    # load_source calls eval() on what it loads; a module given from Python may come in any state.
    monkeypatch.setattr("ftorch_bridge.cli.export.load_source", lambda source, weights: (module, {}))
    words = refused(tmp_path, "any", *X, *Y)
    assert f"its part '{part}' ({kind}) is in training mode, though the whole is not; call eval()" in words


@pytest.mark.parametrize("operation", ["dropout", "batch_norm"])
def test_training_that_a_trace_has_frozen_is_refused(operation: str, tmp_path: Path) -> None:
    module = Dropped().train()
    if operation == "batch_norm":
        module.drop.eval()
    torch.jit.trace(module, torch.randn(5, 4), check_trace=False).save(tmp_path / "trace.pt")
    words = refused(tmp_path, tmp_path / "trace.pt", *X, *Y)
    assert f"{operation} is in training mode in the file, which cannot be undone" in words
    export(tmp_path, saved(tmp_path, module), *X, *Y)  # a saved module is put into evaluation mode


def test_branches_are_kept_in_torchscript_and_refused_in_a_package(tmp_path: Path) -> None:
    module = saved(tmp_path, Branch())
    export(tmp_path, module, *X, *Y)
    script = torch.jit.load(tmp_path / "out.pt")
    for sign in (1.0, -1.0):
        x = sign * torch.rand(6, 4)
        torch.testing.assert_close(script(x), Branch()(x))
    words = refused(tmp_path, module, *X, *Y, name="out.pt2")
    assert "choose between results with torch.where, or export TorchScript (.pt), which keeps branches" in words


def test_a_trace_that_has_lost_a_branch_differs_from_its_class(tmp_path: Path) -> None:
    """Of the trace alone nobody can know; the class is what a trace is checked against."""
    torch.jit.trace(Branch().eval(), torch.ones(5, 4), check_trace=False).save(tmp_path / "trace.pt")
    export(tmp_path, tmp_path / "trace.pt", *X, *Y, "--sample", "x=1:2")
    x = -torch.rand(5, 4)
    assert not torch.equal(torch.jit.load(tmp_path / "out.pt")(x), Branch()(x))


def test_rows_that_depend_on_each_other_are_told(tmp_path: Path) -> None:
    said = export(tmp_path, saved(tmp_path, Mean()), *X, *Y)
    assert "warning: output 'y' of one n depends on the others in its call" in said
    assert "warning" not in export(tmp_path, saved(tmp_path, Net()), *X, *Y)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("y:float32[n,m]", "expected (n=64,m=11) float32, the module gives (64, 12)"),
        ("y:float32[m,n]", "the module gives (64, 12)"),
    ],
)
def test_an_output_of_other_extents_than_said_is_refused(output: str, words: str, tmp_path: Path) -> None:
    free = ("--input", "x:float32[n,m]", "--output-argument")
    assert words in refused(tmp_path, saved(tmp_path, Levels()), *free, output)
    export(tmp_path, saved(tmp_path, Levels()), *free, "y:float32[n,m+1]")


def test_an_extent_that_is_not_free_is_refused(tmp_path: Path) -> None:
    free = ("--input", "x:float32[n,m]", *Y)
    words = refused(tmp_path, saved(tmp_path, Net()), *free)
    assert "fails on inputs x (64, 11)" in words
    assert words.endswith("it runs with m=4, not with m=11: fix it (--fix m=4)")
    # Also where the number is in the file alone, and where an extent is one more.
    torch.jit.freeze(torch.jit.script(Net().eval())).save(str(tmp_path / "script.pt"))
    assert refused(tmp_path, tmp_path / "script.pt", *free).endswith("fix it (--fix m=4)")
    assert "(--fix m=3)" in refused(tmp_path, saved(tmp_path, Net()), "--input", "x:float32[n,m+1]", *Y)
    words = refused(tmp_path, saved(tmp_path, Net()), *free, "--scale-input", "x=1,2")
    assert words.endswith("it runs with m=4, not with m=11: fix it (--fix m=4)")
    words = refused(tmp_path, f"{__name__}:Chunked", *free)
    assert words.endswith(
        "it runs with m=8 and 12, not with m=11: fix it (--fix m=8), or give what it may be (--range m=least:most)"
    )
    two = ("--input", "x:float32[n,p]", "--input", "z:float32[n,q]", *Y)
    words = refused(tmp_path, f"{__name__}:Both", *two)
    assert words.endswith("it runs with p=4, q=6: fix them (--fix p=4 --fix q=6)")
    export(tmp_path, saved(tmp_path, Net()), *free, "--fix", "m=4")


@pytest.mark.parametrize(
    ("profile", "advice"),
    [
        ("column,50", "it runs with 60 in place of 50 in --input profile"),
        ("60,column", "it runs with profile[column,60]: give its dimensions in the order in which forward takes them"),
        ("level,column", "it runs with profile[column,level] and level=60: give its dimensions in the order"),
        (
            "column",
            "shapes cannot be multiplied (1x64 and 60x32); if these are not the shapes that forward takes, mend --input",
        ),
    ],
)
def test_shapes_that_a_model_does_not_take_are_told(profile: str, advice: str, tmp_path: Path) -> None:
    """And fixing a dimension is told as a way out where it is one."""
    given = ("--input", f"profile:float32[{profile}]", "--input", "surface:float32[column]")
    words = refused(tmp_path, f"{__name__}:Column", *given, "--output-argument", f"y:float32[{profile}]")
    assert advice in words
    assert "level=number" not in words
    assert ("--fix" in words) == ("level=60" in advice)


# ---- what it is checked on ----


def test_a_model_that_wants_numbers_of_a_range_is_given_them(tmp_path: Path) -> None:
    module = saved(tmp_path, Logarithm())
    words = refused(tmp_path, module, *X, *Y)
    assert "output 'y' is not finite on the inputs of the check; x: noise; give real inputs (--data file.nc" in words
    assert "uniform numbers" in export(tmp_path, module, *X, *Y, "--sample", "x=1e-5:0.03")
    xr.Dataset({"x": (("time", "level"), np.full((9, 4), 2.0))}).to_netcdf(tmp_path / "data.nc", engine="netcdf4")
    assert "batch sizes 9, 1 within" in export(tmp_path, module, *X, *Y, "--data", tmp_path / "data.nc")
    assert "--batch-sizes" not in export(tmp_path, module, *X, *Y, "--sample", "x=1:2", "--batch-sizes", "3,8")
    for option, value, words in (
        ("--sample", "x=1", "--sample x=1: expected name=low:high, as in t=200:320"),
        ("--sample", "x=2:1", "expected the lower number first"),
        ("--sample", "z=1:2", "no input 'z'; there are x"),
        ("--batch-sizes", "3,0", "expected whole numbers above 0"),
        ("--data", tmp_path / "absent.nc", "absent.nc: no such file"),
    ):
        assert words in refused(tmp_path, module, *X, *Y, option, value, name="none.pt")


def test_data_that_have_none_of_the_inputs_are_refused(tmp_path: Path) -> None:
    xr.Dataset({"z": ("a", np.ones(3))}).to_netcdf(tmp_path / "data.nc", engine="netcdf4")
    words = refused(tmp_path, saved(tmp_path, Net()), *X, *Y, "--data", tmp_path / "data.nc")
    assert "none of the inputs x is a variable of it; there are z" in words


# ---- what is folded in ----


@pytest.mark.parametrize("form", ["options", "json", "npz", "nc"])
def test_scaling_is_folded_in(form: str, tmp_path: Path) -> None:
    mean, std = np.array([250.0, 0.0, 1.0, 2.0]), np.array([30.0, 1.0, 2.0, 4.0])
    if form == "options":
        mean, std = np.array(250.0), np.array(30.0)
        options = ["--scale-input", "x=250,30", "--scale-output", "y=1,1e-2"]
    else:
        path = tmp_path / f"scaling.{form}"
        arrays = {"x_mean": mean, "x_std": std, "y_mean": np.array(1.0), "y_std": np.array(1e-2)}
        if form == "json":
            both = {"inputs": {"x": {"mean": mean.tolist(), "std": std.tolist()}}, "outputs": {"y": {"mean": 1.0, "std": 1e-2}}}
            path.write_text(json.dumps(both))
        elif form == "npz":
            np.savez(path, **arrays)
        else:
            xr.Dataset({k: (("feature",) if v.ndim else (), v) for k, v in arrays.items()}).to_netcdf(path, engine="netcdf4")
        options = ["--scaling", str(path)]
    export(tmp_path, saved(tmp_path, Net()), *X, *Y, *options)
    x = 250.0 + 30.0 * torch.randn(7, 4)
    expected = 1.0 + 1e-2 * Net()((x - torch.tensor(mean, dtype=torch.float32)) / torch.tensor(std, dtype=torch.float32))
    torch.testing.assert_close(torch.jit.load(tmp_path / "out.pt")(x), expected)
    assert "y: value * 0.01 + 1" in read_manifest(tmp_path / "out.pt")["metadata"]["scaling"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scale-input", "z=1,2"], "scaling of z: no input has this name; there are x"),
        (["--scale-input", "x=1"], "--scale-input x=1: expected name=mean,std, as in t=250,30"),
        (["--scale-input", "x=1,0"], "its std must be above 0"),
        (["--scale-input", "x=1,2", "--scale-input", "x=1,2"], "scaling of x: given twice"),
        (["--scaling", "absent.json"], "absent.json: no such file"),
    ],
)
def test_a_scaling_that_does_not_fit_is_refused(options: list[str], words: str, tmp_path: Path) -> None:
    assert words in refused(tmp_path, saved(tmp_path, Net()), *X, *Y, *options)


@pytest.mark.parametrize(("compute", "difference"), [("float32", 1e-6), ("float64", 1e-6), ("bfloat16", 2e-2)])
def test_a_network_computes_in_another_kind_than_the_hosts_arrays(compute: str, difference: float, tmp_path: Path) -> None:
    arguments = ("--input", "x:float64[n,4]", "--output-argument", "y:float64[n,3]")
    module = saved(tmp_path, Net())
    words = refused(tmp_path, module, *arguments)
    advice = "computes in float32: give --compute float32 (the host's arrays stay float64), or declare the inputs float32"
    assert words.endswith(advice)
    assert "--fix" not in words
    assert refused(tmp_path, module, *arguments, "--scale-input", "x=1,2").endswith(advice)
    conv = saved(tmp_path, Conv(), "conv.pt")
    free = ("--input", "x:float64[n,4,m]", "--output-argument", "y:float64[n,m]")
    assert refused(tmp_path, conv, *free).endswith(advice)
    export(tmp_path, module, *arguments, "--compute", compute)
    x = torch.randn(50, 4, dtype=torch.float64)
    script = torch.jit.load(tmp_path / "out.pt")
    assert script(x).dtype == torch.float64
    torch.testing.assert_close(script(x), Net().double()(x), rtol=0, atol=difference)
    exact = getattr(torch, compute)
    assert torch.equal(script(x), Net().to(exact)(x.to(exact)).double())
    assert read_manifest(tmp_path / "out.pt")["metadata"]["compute"] == compute


def test_torchscript_has_its_kinds_written_into_it(tmp_path: Path) -> None:
    torch.jit.script(Net().eval()).save(tmp_path / "script.pt")
    words = refused(tmp_path, tmp_path / "script.pt", *X, *Y, "--compute", "bfloat16")
    assert "TorchScript has its kinds written into it; give package.module:Class" in words
    double = ("--input", "x:float64[n,4]", "--output-argument", "y:float64[n,3]")
    torch.jit.freeze(torch.jit.script(Net().eval())).save(str(tmp_path / "frozen.pt"))
    for file in ("script.pt", "frozen.pt"):
        words = refused(tmp_path, tmp_path / file, *double)
        assert "the file computes in float32, which stays: declare inputs and outputs float32; a host with float64" in words
        assert "--compute" not in words
    assert "expected bfloat16, float32, float64" in refused(tmp_path, saved(tmp_path, Net()), *X, *Y, "--compute", "float16")


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        (["--device", "tpu"], "out.pt", "--device tpu: expected cpu or cuda"),
        ([], "out.onnx", "expected a name that ends in .pt (TorchScript) or .pt2 (a package)"),
        (["--tolerance", "-1"], "out.pt", "differs from its source"),
    ],
)
def test_what_cannot_be_written_is_told(options: list[str], name: str, words: str, tmp_path: Path) -> None:
    assert words in refused(tmp_path, saved(tmp_path, Net()), *X, *Y, *options, name=name)


def test_of_a_compiler_that_fails_its_errors_are_told_and_not_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of its own kind: PyTorch keeps what it has compiled before."""
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\nexec g++ -include not_there.h "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("ftorch_bridge.packages._instructions", lambda *_: [])
    with torch._inductor.config.patch({"cpp.cxx": (str(compiler),)}):
        words = refused(tmp_path, saved(tmp_path, Logarithm()), *X, *Y, "--sample", "x=1:2", name="out.pt2")
    assert "AOTInductor cannot compile it" in words
    assert "fatal error: not_there.h: No such file or directory" in words


def test_a_package_notes_how_many_operations_its_source_has(tmp_path: Path) -> None:
    export(tmp_path, saved(tmp_path, Net()), *X, *Y, name="out.pt2")
    note = json.loads(read_manifest(tmp_path / "out.pt2")["metadata"]["operations"])
    assert note["sizes"] == {"n": 64}
    assert note["count"] >= 2 * 64 * 4 * 3


class Switched(nn.Module):
    """What is not of about its mean gives zero everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + 1.0)[:, :3]


def test_noise_for_a_scaled_input_is_of_the_numbers_that_it_was_trained_on(tmp_path: Path) -> None:
    words = export(tmp_path, saved(tmp_path, Switched()), *X, *Y, "--scale-input", "x=250,20")
    assert "warning" not in words


def test_an_output_that_is_one_number_everywhere_is_told(tmp_path: Path) -> None:
    words = export(tmp_path, saved(tmp_path, Switched()), *X, *Y, "--sample", "x=-9:-8")
    assert "warning" not in words  # of numbers that somebody chose
    words = export(tmp_path, saved(tmp_path, nn.Threshold(1e3, 0.0)), *X, "--output-argument", "y:float32[n,4]")
    assert "warning: output 'y' is the same number everywhere on the inputs of the check, which then says little" in words


class Profiles(nn.Module):
    """Of (column, channel, level), and of what each column has at the ground."""

    def __init__(self) -> None:
        super().__init__()
        self.along = nn.Conv1d(3, 3, 3, padding=1)
        self.ground = nn.Linear(4, 3)

    def forward(self, profile: Tensor, surface: Tensor) -> Tensor:
        return (self.along(profile) + self.ground(surface)[:, :, None])[:, 0, :]


def test_dimensions_that_are_all_in_fortran_s_order_are_told(tmp_path: Path) -> None:
    given = ("--input", "profile:float32[level,3,column]", "--input", "surface:float32[4,column]")
    words = refused(tmp_path, saved(tmp_path, Profiles()), *given, "--output-argument", "y:float32[column,level]")
    assert "it runs with profile[column,3,level], surface[column,4]: give the dimensions in the order" in words
    right = ("--input", "profile:float32[column,3,level]", "--input", "surface:float32[column,4]")
    words = refused(tmp_path, saved(tmp_path, Profiles()), *right, "--output-argument", "y:float32[level,column]")
    assert "it fits as y[column,level]" in words
