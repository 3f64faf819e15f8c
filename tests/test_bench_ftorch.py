"""FTorch beside radml, where one is installed: RADML_FTORCH_PREFIX names its prefix."""

import json
import os
from pathlib import Path

import pytest
import torch
from ftorch_bridge import ftorch, programs
from ftorch_bridge.cli.bench import app
from ftorch_bridge.exporting import describe, export
from ftorch_bridge.measuring import BenchError
from test_bench_models import export_perceptron
from typer.testing import CliRunner

PREFIX = Path(os.environ.get("RADML_FTORCH_PREFIX", "/nowhere"))
needs_ftorch = pytest.mark.skipif(not PREFIX.is_dir(), reason="no FTorch; set RADML_FTORCH_PREFIX to the prefix of one")
runner = CliRunner()


@pytest.fixture(scope="module")
def program():
    with ftorch.built_program(PREFIX) as path:
        yield path


@needs_ftorch
def test_overhead_is_told_beside_ftorch(tmp_path: Path) -> None:
    options = [
        "--calls",
        "100",
        "--ftorch",
        str(PREFIX),
        "--json",
        str(tmp_path / "o.json"),
        "--html",
        str(tmp_path / "o.html"),
    ]
    done = runner.invoke(app, ["overhead", *options], env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output + done.stderr
    found = json.loads((tmp_path / "o.json").read_text())["ftorch"]
    assert list(found["microseconds"]) == ["raw", "plan", "forward", "ftorch_ready", "ftorch_whole"]
    assert all(t["median"] > 0 for t in found["microseconds"].values())
    assert "FTorch, tensors made in the call" in done.output
    assert (tmp_path / "o.html").read_text().count("<rect") == 5


@needs_ftorch
def test_inference_is_told_beside_ftorch(tmp_path: Path) -> None:
    model = export_perceptron(tmp_path / "perceptron.pt")
    options = ["--columns", "20", "--columns-per-block", "8", "--repeats", "1", "--ftorch", str(PREFIX)]
    done = runner.invoke(app, ["inference", str(model), *options, "--json", str(tmp_path / "i.json")])
    assert done.exit_code == 0, done.output + done.stderr
    (result,) = json.loads((tmp_path / "i.json").read_text())["results"]
    assert set(result["microseconds"]) == {"plan", "libtorch", "ftorch"}
    assert set(result["speed_up"]) == {"libtorch", "ftorch"}


class Several(torch.nn.Module):
    """Inputs and outputs of several ranks and kinds."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return a.double().sum(2) + b[:, :1], b * 2.0


@needs_ftorch
def test_blocks_of_several_ranks_and_kinds_give_pytorchs_results(program: Path, tmp_path: Path) -> None:
    module = Several().eval()
    inputs = ["a:float32[column,3,4]", "b:float64[column,5]"]
    manifest = describe(module, "several", "float64", inputs, ["c:float64[column,3]", "d:float64[column,5]"], {})
    export(module, manifest, tmp_path / "several.pt", columns=None)
    blocks = [[torch.rand(n, 3, 4), torch.rand(n, 5, dtype=torch.float64)] for n in (4, 4, 2)]
    with ftorch.passes(program, tmp_path / "several.pt", blocks) as child:  # which compares them
        assert child.facts["blocks"] == 3
        assert child.seconds("whole 2") > 0.0
        with pytest.raises(programs.ProgramError, match="run backwards: expected ready or whole"):
            child.seconds("backwards 1")


class Unsteady(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


@needs_ftorch
def test_other_results_than_pytorchs_are_refused(program: Path, tmp_path: Path) -> None:
    torch.jit.script(Unsteady()).save(str(tmp_path / "unsteady.pt"))
    with (
        pytest.raises(BenchError, match=r"unsteady.pt: FTorch's results differ from PyTorch's"),
        ftorch.passes(program, tmp_path / "unsteady.pt", [[torch.rand(4, 3)]]),
    ):
        pass


@needs_ftorch
def test_a_model_that_is_not_there_is_told_by_the_program(program: Path, tmp_path: Path) -> None:
    done = runner.invoke(app, ["inference", str(tmp_path / "absent.pt"), "--ftorch", str(PREFIX)])
    assert done.exit_code == 1
    assert "absent.pt: no such file" in done.stderr


def test_an_installation_that_cannot_be_built_with_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "lib" / "cmake" / "FTorch").mkdir(parents=True)
    (tmp_path / "lib" / "cmake" / "FTorch" / "FTorchConfig.cmake").write_text('message(FATAL_ERROR "FTorch is broken")\n')
    done = runner.invoke(app, ["overhead", "--ftorch", str(tmp_path)])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ftorch-bench overhead: {tmp_path}: no program can be built with this FTorch: ")
