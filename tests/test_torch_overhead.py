"""What a call costs beyond LibTorch: the program's numbers, and the table and JSON made of them."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import torch
from ftorch_bridge import overhead, programs
from ftorch_bridge.cli.bench import app
from ftorch_bridge.exporting import describe, export
from ftorch_bridge.measuring import Child, Timing
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("RADML_BUILD_DIR", "build")).resolve()


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs of the build, whether or not the package is installed."""
    monkeypatch.setenv("RADML_PREFIX", str(BUILD))


@pytest.mark.usefixtures("built")
def test_the_command_shows_a_table_and_writes_json(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["overhead", "--calls", "20000", "--json", str(tmp_path / "overhead.json")])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "overhead.json").read_text())
    assert found["calls"] == 20000
    # The targets are 1.0 and 0.5 us beyond LibTorch on a quiet machine; tests share theirs with others.
    for way in ("raw", "plan", "forward"):
        assert 0.1 < found[f"{way}_us"] < 1000.0
    assert found["forward_minus_raw_us"] < 20.0
    assert found["plan_minus_raw_us"] < 20.0
    assert found["forward_heap_growth_bytes"] == 0
    assert found["plan_heap_growth_bytes"] == 0
    assert "plan%run" in done.output
    assert f"{found['plan_us']:.2f}" in done.output
    assert "processor" in found["machine"]


def test_the_printed_numbers_are_read_by_name() -> None:
    names = ["plan_us 2.5", "raw_us 2.0", "forward_us 3.0", "plan_minus_raw_us .5", "forward_minus_raw_us 1.0", "calls 7",
             "plan_heap_growth_bytes 0", "forward_heap_growth_bytes 16"]  # fmt: skip
    names += [f"{way}_{end}_us {value}" for way in ("plan", "raw", "forward") for end, value in (("least", 1.5), ("most", 9.0))]
    found = overhead.Overhead.parse("\n".join(names) + "\n")
    assert (found.plan_us, found.raw_us, found.plan_minus_raw_us, found.calls) == (2.5, 2.0, 0.5, 7)
    assert found.forward_heap_growth_bytes == 16
    assert found.timing("plan") == Timing(2.5, 1.5, 9.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "usage: radml-bench-overhead model.pt"),
        (["gone.pt"], "gone.pt: no such file"),
        (["gone.pt", "many"], 'calls: expected a number, got "many"'),
    ],
)
def test_the_program_refuses_what_it_cannot_run(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [BUILD / "bin" / "radml-bench-overhead", *arguments], cwd=tmp_path, text=True, capture_output=True, check=False
    )
    assert done.returncode != 0
    assert words in done.stderr
    assert not re.search(r"_us", done.stdout)


@pytest.mark.usefixtures("built")
def test_the_program_answers_line_by_line(tmp_path: Path) -> None:
    model = tmp_path / "linear.pt"
    module = torch.nn.Linear(5, 5).eval()
    manifest = describe(module, "linear", "float32", ["x:float32[row,5]"], ["y:float32[row,5]"], {})
    export(module, manifest, model, columns=None)
    with Child("overhead", [programs.program("radml-bench-overhead"), model, "ask"]) as child:
        assert child.facts["calls"] == 1000
        assert all(child.seconds(way) > 0.0 for way in ("raw", "plan", "forward"))
        with pytest.raises(programs.ProgramError, match="run backwards: expected forward, plan or raw"):
            child.seconds("backwards")


def test_a_program_that_is_not_installed_gives_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RADML_PREFIX", str(tmp_path))
    with pytest.raises(programs.ProgramError, match="radml-bench-overhead: this program is not installed"):
        overhead.run_overhead(1)
