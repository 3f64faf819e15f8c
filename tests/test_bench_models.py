"""`ftorch-bench inference`, `host` and `scaling`: real runs at small sizes, and what they refuse."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ftorch_bridge import programs
from ftorch_bridge.cli.bench import app
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.counting import noted_operations
from ftorch_bridge.exporting import Manifest, describe, export, read_manifest
from ftorch_bridge.inference import column_dimensions, hidden_operators, inputs_for, operations_of, passes
from ftorch_bridge.measuring import BenchError
from ftorch_bridge.networks_bench import operations_for_a_column
from ftorch_bridge.scaling import MPI_PROGRAM
from make_packages import with_manifest
from test_all_sky import random_network
from test_host_all_sky import export_network
from typer.testing import CliRunner

WIDTHS = (6, 32, 3)
runner = CliRunner()


def export_perceptron(path: Path) -> Path:
    """A model that is not one of radiation, in the format of the file's suffix."""
    layers = [torch.nn.Linear(WIDTHS[0], WIDTHS[1]), torch.nn.Tanh(), torch.nn.Linear(WIDTHS[1], WIDTHS[2])]
    module = torch.nn.Sequential(*layers).eval()
    inputs, outputs = [f"x:float32[place,{WIDTHS[0]}]"], [f"y:float32[place,{WIDTHS[2]}]"]
    export(module, describe(module, "perceptron", "float32", inputs, outputs, {}), path, columns=None)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench_models")
    export_perceptron(folder / "perceptron.pt")
    export_network(folder, layers=89)
    return folder


def test_models_are_timed_in_turns_with_the_yardstick(folder: Path) -> None:
    models = [str(folder / "perceptron.pt"), str(folder / "all_sky.pt")]
    options = ["--columns", "5,20", "--columns-per-block", "8", "--repeats", "2", "--flops", "all_sky.pt=2e6"]
    output = [["--json", str(folder / "i.json")], ["--html", str(folder / "i.html")]]
    done = runner.invoke(app, ["inference", *models, *options, *output[0], *output[1]], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output + done.stderr
    found = json.loads((folder / "i.json").read_text())
    assert [(r["model"], r["columns"]) for r in found["results"]] == [
        (name, number) for number in (5, 20) for name in ("perceptron.pt", "all_sky.pt")
    ]
    for result in found["results"]:
        times = result["microseconds"]
        assert set(times) == {"plan", "libtorch"}
        assert all(0 < t["fastest"] <= t["median"] <= t["slowest"] for t in times.values())
        sgemm = found["sgemm_gigaflops"][str(result["columns"])]["median"]
        assert result["gigaflops"] == pytest.approx(1e-3 * result["operations"] / times["plan"]["median"])
        assert result["share_of_sgemm"] == pytest.approx(result["gigaflops"] / sgemm)
        assert f"{times['plan']['median']:.2f}" in done.output
        assert f"{times['plan']['median']:.2f}" in (folder / "i.html").read_text()
    work = {r["model"]: r["operations"] for r in found["results"]}
    assert work == {"perceptron.pt": 2 * (WIDTHS[0] * WIDTHS[1] + WIDTHS[1] * WIDTHS[2]), "all_sky.pt": 2e6}
    done = runner.invoke(app, ["inference", *models, *options, "--compare", str(folder / "i.json")], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output + done.stderr
    assert "results (all_sky.pt, columns 20), microseconds, plan" in " ".join(done.output.split())


def test_operators_that_hide_what_they_do_are_told(folder: Path) -> None:
    assert hidden_operators(folder / "perceptron.pt") == []
    assert "radml::longwave_transfer" in hidden_operators(folder / "all_sky.pt")
    manifest = Manifest.from_json(read_manifest(folder / "all_sky.pt"))
    counted = operations_for_a_column(random_network(0), generate_columns(16, 89, seed=1))
    # The exporter has noted what the operators hide; it says nothing of other numbers of layers.
    assert operations_of(folder / "all_sky.pt", manifest) == pytest.approx(counted, rel=1e-3)
    assert noted_operations(manifest.metadata, "column", {"layer": 60}) is None
    bare = replace(manifest, metadata={})
    assert operations_of(folder / "all_sky.pt", bare) is None
    without = folder / "without.pt"
    with_manifest(folder / "all_sky.pt", without, lambda manifest: manifest["metadata"].clear())
    done = runner.invoke(app, ["inference", str(without), "--columns", "4", "--repeats", "1"])
    assert done.exit_code == 0, done.output + done.stderr
    assert "unknown" in done.output
    assert "missing: without.pt: its operations cannot be counted" in done.output


def test_a_package_is_timed_too(packages: Path, tmp_path: Path) -> None:
    options = ["--columns", "16", "--repeats", "2", "--json", str(tmp_path / "i.json")]
    done = runner.invoke(app, ["inference", str(packages / "perceptron.pt2"), *options])
    assert done.exit_code == 0, done.output + done.stderr
    (result,) = json.loads((tmp_path / "i.json").read_text())["results"]
    assert set(result["microseconds"]) == {"plan", "libtorch"}
    assert result["operations"] is None


@pytest.mark.parametrize("threads", [1, 2])
def test_the_program_makes_passes_and_refuses_others(folder: Path, threads: int) -> None:
    model = folder / "all_sky.pt"
    manifest = Manifest.from_json(read_manifest(model))
    with passes(model, manifest, inputs_for(manifest, 20), 8, threads) as child:
        assert child.facts["columns"] == 20
        assert all(child.seconds(f"{way} 2") > 0.0 for way in ("plan", "libtorch", "sgemm"))
        with pytest.raises(programs.ProgramError, match="run aground: expected plan, libtorch or sgemm"):
            child.seconds("aground")


def test_inputs_are_those_of_the_model(folder: Path) -> None:
    manifest = Manifest.from_json(read_manifest(folder / "perceptron.pt"))
    assert column_dimensions(manifest) == ("place", [0], [0])
    assert [tuple(tensor.shape) for tensor in inputs_for(manifest, 7)] == [(7, WIDTHS[0])]
    sky = Manifest.from_json(read_manifest(folder / "all_sky.pt"))
    tensors = dict(zip((a.name for a in sky.inputs), inputs_for(sky, 3000), strict=True))
    wanted = generate_columns(2048, 89, seed=3)["temperature_layer"].to_numpy()
    np.testing.assert_array_equal(tensors["temperature_layer"].numpy(), np.concatenate([wanted, wanted[:952]]))
    with pytest.raises(BenchError, match="fixed: its first output has no free dimension"):
        column_dimensions(Manifest("fixed", manifest.inputs, manifest.fixed({"place": 3}).outputs))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inference", "absent.pt"], "absent.pt: no such file"),
        (
            ["inference", "perceptron.pt", "--columns", "16,many"],
            "--columns 16,many: expected numbers of columns",
        ),
        (["inference", "perceptron.pt", "--flops", "fast"], "--flops fast: expected MODEL=NUMBER"),
        (["inference", "perceptron.pt", "--flops", "other.pt=3"], "--flops other.pt: expected one of perceptron.pt"),
        (["inference", "perceptron.pt", "--ftorch", "absent"], "absent: no FTorch is installed there"),
        (["host", "all_sky.pt", "--schemes", "rrtmg,magic"], "--schemes rrtmg,magic: 'magic': expected some of rrtmg"),
        (["host", "all_sky.pt", "--schemes", "guarded", "--columns", "4"], "radml-host failed with exit code"),
        (["host", "perceptron.pt"], "perceptron.pt: no model of radiation"),
        (["rrtmg", "--ice-optics", "foo"], "--ice-optics foo: expected one of fu, streamer"),
        (["scaling", "perceptron.pt", "--threads", "1,two"], "--threads 1,two: expected numbers, as in 1,2"),
    ],
)
def test_mistakes_give_one_line(folder: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    done = runner.invoke(app, arguments)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ftorch-bench {arguments[0]}: ")
    assert words in line


def test_the_host_is_timed_with_each_scheme(folder: Path, tmp_path: Path) -> None:
    options = ["--columns", "8", "--hours", "1", "--repeats", "2", "--json", str(tmp_path / "h.json")]
    done = runner.invoke(app, ["host", str(folder / "all_sky.pt"), *options, "--html", str(tmp_path / "h.html")])
    assert done.exit_code == 0, done.output + done.stderr
    found = json.loads((tmp_path / "h.json").read_text())
    assert list(found["schemes"]) == ["rrtmg", "network"]  # the guard needs an envelope, which this model has not
    assert found["radiation_calls"] >= 2
    for cost in found["schemes"].values():
        assert 0 < cost["radiation_seconds"]["fastest"] <= cost["run_seconds"]["slowest"]
        assert 0 < cost["radiation_share"] < 1
        column_calls = found["radiation_calls"] * found["columns"]
        radiation = 1e6 * cost["radiation_seconds"]["median"] / column_calls
        assert cost["radiation_microseconds"]["median"] == pytest.approx(radiation)
    assert found["schemes"]["rrtmg"]["speed_up"] == 1.0
    assert (tmp_path / "h.html").read_text().count("<rect") == 4


def test_scaling_over_threads_ranks_and_columns(folder: Path, tmp_path: Path) -> None:
    options = ["--columns", "24", "--threads", "2", "--ranks", "2", "--sizes", "4,16", "--repeats", "1"]
    done = runner.invoke(
        app, ["scaling", str(folder / "all_sky.pt"), *options, "--json", str(tmp_path / "s.json")], env={"COLUMNS": "160"}
    )
    assert done.exit_code == 0, done.output + done.stderr
    found = json.loads((tmp_path / "s.json").read_text())
    assert [point["threads"] for point in found["by_threads"]] == [1, 2]
    assert [point["columns"] for point in found["by_size"]] == [4, 16]
    has_ranks = shutil.which("mpirun") and (programs.prefix() / "bin" / MPI_PROGRAM).is_file()
    assert [point["ranks"] for point in found["by_ranks"]] == ([1, 2] if has_ranks else [])
    for points in (found["by_threads"], found["by_ranks"]):
        for point in points:
            for code in ("network", "rrtmg"):
                rates = [p["columns_per_second"][code]["median"] for p in (points[0], point)]
                number = point["threads"] * point["ranks"]
                assert point["efficiency"][code] == pytest.approx(rates[1] / rates[0] / number)
    assert max(point["efficiency"]["network"] for point in found["by_size"]) == 1.0


def test_what_cannot_be_scaled_is_told(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    options = ["--columns", "8", "--threads", "0", "--sizes", "0", "--ranks", "1", "--repeats", "1"]
    done = runner.invoke(app, ["scaling", str(folder / "all_sky.pt"), *options])
    assert done.exit_code == 0, done.output + done.stderr
    assert "missing: ranks: there is no mpirun here" in done.output
    done = runner.invoke(app, ["scaling", str(folder / "perceptron.pt"), "--threads", "0", "--sizes", "8", "--repeats", "1"])
    assert done.exit_code == 0, done.output + done.stderr
    assert "missing: RRTMG and ranks: perceptron.pt is no model of radiation" in done.output
