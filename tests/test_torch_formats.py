"""The two formats against LibTorch alone: the program's numbers, and the table and JSON made of them."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from ftorch_bridge import formats
from ftorch_bridge.cli.bench import app
from ftorch_bridge.exporting import describe, export
from make_packages import InPlace
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("RADML_BUILD_DIR", "build")).resolve()


def test_the_command_times_both_formats(packages: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RADML_PREFIX", str(BUILD))
    result = tmp_path / "formats.json"
    model = ["--script", str(packages / "perceptron.pt"), "--package", str(packages / "perceptron.pt2")]
    done = CliRunner().invoke(app, ["formats", *model, "--blocks", "16,3", "--repeats", "3", "--json", str(result)])
    assert done.exit_code == 0, done.output
    found = json.loads(result.read_text())
    assert [row["columns"] for row in found["results"]] == [16, 3]
    for row in found["results"]:
        for way in ("raw", "script_plan", "package_plan"):
            assert 0.0 < row[f"{way}_least_us"] <= row[f"{way}_us"] <= row[f"{way}_most_us"]
        # Figures are for the benchmark; here only that the times are of the same thing.
        assert 0.01 < row["package_plan_speed_up"] < 100.0
        assert row["package_difference"] < 1e-5
    assert found["machine"]["processor"]
    assert f"{found['results'][1]['package_plan_us']:.1f}" in done.output


def test_free_dimensions_beside_the_columns_have_extents_of_their_own(
    packages: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RADML_PREFIX", str(BUILD))
    contract = describe(InPlace(), "in_place", "float64", ["x:float64[n,m]"], ["y:float64[n,m]", "z:float64[n,m]"], {})
    export(InPlace().eval(), contract, tmp_path / "in_place.pt", columns=None)
    model = ["--script", str(tmp_path / "in_place.pt"), "--package", str(packages / "in_place.pt2")]
    options = ["--blocks", "16,3", "--repeats", "1", "--json", str(tmp_path / "formats.json")]
    for more, size in (([], 89), (["--extent", "m=7"], 7)):
        done = CliRunner().invoke(app, ["formats", *model, *options, *more])
        assert done.exit_code == 0, done.output + done.stderr
        assert f"in_place, m={size}, one thread" in " ".join(done.output.split())
        found = json.loads((tmp_path / "formats.json").read_text())
        assert found["extents"] == {"m": size}
        assert [row["columns"] for row in found["results"]] == [16, 3]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--blocks", "16,none"], "expected numbers of columns"),
        (["--script", "a.pt"], "expected both or neither"),
        (["--script", "a.pt", "--package", "gone.pt2"], "gone.pt2: no such file"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["formats", *options])
    assert done.exit_code != 0
    assert words in done.output + done.stderr


def test_the_printed_numbers_are_read_by_name() -> None:
    names = [*formats.Formats.__dataclass_fields__]
    found = formats.Formats.parse("\n".join(f"{name} {i + 1}" for i, name in enumerate(names)))
    assert (found.columns, found.raw_us, found.package_difference) == (1, 2.0, float(len(names)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "usage: radml-bench-formats script.pt package.pt2 inputs.pt repeats"),
        (["a.pt", "a.pt2", "inputs.pt", "no"], 'repeats: expected 1 or more, got "no"'),
        (["a.pt", "a.pt2", "gone.pt", "3"], "gone.pt"),
    ],
)
def test_the_program_refuses_what_it_cannot_run(arguments: list[str], words: str, tmp_path: Path) -> None:
    command = [BUILD / "bin" / "radml-bench-formats", *arguments]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode != 0
    assert words in done.stderr
    assert done.stdout == ""
