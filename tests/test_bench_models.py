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
from ftorch_bridge.host_bench import is_radiation
from ftorch_bridge.inference import hidden_operators, operations_of, passes
from ftorch_bridge.manifest import Argument, ExportError, ranges_of
from ftorch_bridge.measuring import BenchError
from ftorch_bridge.networks_bench import operations_for_a_column
from ftorch_bridge.scaling import MPI_PROGRAM
from ftorch_bridge.timed_inputs import Extents, column_dimensions, inputs_for, layers_of, sizes_of, sizes_of_columns
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


class Twice(torch.nn.Module):
    """Whatever the number of columns and levels."""

    def forward(self, profile: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return 2 * profile * weight


def export_twice(path: Path) -> Path:
    """A model with a free dimension beside its columns, whose input has the name of another variable of column files."""
    inputs, outputs = ["profile:float32[column,level]", "weight:float32[level]"], ["y:float32[column,level]"]
    module = Twice().eval()
    export(module, describe(module, "twice", "float32", inputs, outputs, {}), path, columns=None, limits={"level": (2, 100)})
    return path


def manifest_of(*inputs: str) -> Manifest:
    """Of a model with these inputs, and an output with the dimensions of the first."""
    arguments = tuple(Argument.parse(text) for text in inputs)
    return Manifest("model", arguments, (replace(arguments[0], name="y"),))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench_models")
    export_perceptron(folder / "perceptron.pt")
    export_twice(folder / "twice.pt")
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
    assert result["operations"] == 2 * (6 * 16 + 16 * 2)  # noted by the exporter


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


def test_free_dimensions_beside_the_columns_do_not_follow_their_number(folder: Path) -> None:
    manifest = Manifest.from_json(read_manifest(folder / "twice.pt"))
    for number in (5, 300):
        assert [tuple(tensor.shape) for tensor in inputs_for(manifest, number)] == [(number, 89), (89,)]
    chosen = inputs_for(manifest, 5, Extents({"level": 60}))
    assert [tuple(tensor.shape) for tensor in chosen] == [(5, 60), (60,)]
    assert sizes_of(manifest, chosen) == {"level": 60}
    # Of no such name as column: the first one of the first input, where the output has it.
    other = manifest_of("x:float32[n,k,band]")
    assert sizes_of(other, inputs_for(other, 5)) == {"k": 89, "band": 89}
    assert Extents(ranges={"level": (2, 40)}).of("level") == 40
    assert Extents(ranges={"level": (100, None)}).of("level") == 100


def test_columns_are_given_to_inputs_of_their_name_and_shape_alone() -> None:
    air = generate_columns(5, 30, seed=3, clear_sky=True)

    def values(manifest: Manifest, name: str, chosen: dict[str, int]) -> np.ndarray:
        names = [argument.name for argument in manifest.inputs]
        return inputs_for(manifest, 5, Extents(chosen))[names.index(name)].numpy()

    both = manifest_of("pressure_level:float64[column,level]", "h2o:float64[column,layer]", "profile:float64[column,layer]")
    for chosen in ({"layer": 30}, {"level": 31}, {"layer": 30, "level": 31}):
        np.testing.assert_array_equal(values(both, "pressure_level", chosen), air["pressure_level"])
        np.testing.assert_array_equal(values(both, "h2o", chosen), air["h2o"])
        assert values(both, "profile", chosen).shape == (5, 30)
    # What is chosen is had, by noise where columns are not like that.
    assert values(both, "pressure_level", {"layer": 30, "level": 60}).shape == (5, 60)
    assert values(manifest_of("h2o:float64[column,4]"), "h2o", {}).shape == (5, 4)
    turned = manifest_of("h2o:float64[layer,column]")
    assert values(turned, "h2o", {"layer": 30}).shape == (30, 5)
    np.testing.assert_array_equal(values(manifest_of("h2o:float64[n,30]"), "h2o", {}), air["h2o"])
    radiation = manifest_of("h2o:float64[n,k]", "pressure_level:float64[n,k+1]")
    assert layers_of(radiation, Extents({"k": 20})) == 20
    assert sizes_of_columns(radiation, 20, {}) == {"k": 20}
    assert layers_of(manifest_of("h2o:float64[column,30]"), Extents()) == 30
    with pytest.raises(BenchError, match=r"model: input h2o\[column,30\] is none of columns of 60 layers"):
        sizes_of_columns(manifest_of("h2o:float64[column,30]"), 60, {})
    assert is_radiation(radiation)
    assert not is_radiation(both)
    assert not is_radiation(turned)


def test_extents_are_shown_and_kept(folder: Path, tmp_path: Path) -> None:
    model, kept = str(folder / "twice.pt"), ["--json", str(tmp_path / "i.json")]
    options = ["--columns", "4", "--repeats", "1"]
    done = runner.invoke(app, ["inference", model, str(folder / "perceptron.pt"), *options, *kept], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output + done.stderr
    assert "level=89" in done.output
    assert json.loads((tmp_path / "i.json").read_text())["extents"] == {"twice.pt": {"level": 89}, "perceptron.pt": {}}
    fewer = ["--extent", "level=60", "--compare", str(tmp_path / "i.json")]
    done = runner.invoke(app, ["inference", model, *options, *fewer], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output + done.stderr
    assert "level=60" in done.output
    assert "extents differs" in done.output
    options = ["--threads", "0", "--sizes", "4", "--repeats", "1", *kept]
    for more, level in (([], 89), (["--layers", "20"], 20), (["--layers", "20", "--extent", "level=30"], 30)):
        done = runner.invoke(app, ["scaling", model, *options, *more], env={"COLUMNS": "200"})
        assert done.exit_code == 0, done.output + done.stderr
        assert f"level={level}, " in done.output
        assert "layers" not in done.output
        found = json.loads((tmp_path / "i.json").read_text())
        assert (found["layers"], found["extents"]) == (None, {"level": level})


def test_a_manifest_of_other_ranges_is_told() -> None:
    with pytest.raises(ExportError, match=r"model: ranges: expected \[least, most\]"):
        ranges_of({"name": "model", "ranges": {"column": 3}})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inference", "absent.pt"], "absent.pt: no such file"),
        (
            ["inference", "perceptron.pt", "--columns", "16,many"],
            "--columns 16,many: expected numbers of columns",
        ),
        (["inference", "twice.pt", "--extent", "level"], "--extent level: expected NAME=NUMBER, as in level=60"),
        (["inference", "twice.pt", "--extent", "level=0"], "--extent level=0: expected NAME=NUMBER"),
        (["inference", "twice.pt", "--extent", "level=101"], "twice.pt: --extent level=101: expected 2 to 100"),
        (
            ["inference", "twice.pt", "--extent", "column=9"],
            "twice.pt: --extent column=9: no free dimension 'column' beside the columns; there are level",
        ),
        (
            ["inference", "perceptron.pt", "twice.pt", "--extent", "lev=9"],
            "perceptron.pt, twice.pt: --extent lev=9: no free dimension 'lev'",
        ),
        (["scaling", "perceptron.pt", "--extent", "level=9"], "no free dimension 'level' beside the columns; there are none"),
        (
            ["scaling", "all_sky.pt", "--layers", "60", "--extent", "layer=70"],
            "at layer=70 is none of columns of 60 layers; give the number that it has with --layers",
        ),
        (["formats", "--extent", "layer=9"], "--extent: expected --script and --package too"),
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
    assert (found["layers"], "24 columns, 89 layers" in " ".join(done.output.split())) == (89, True)


def test_what_cannot_be_scaled_is_told(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    options = ["--columns", "8", "--threads", "0", "--sizes", "0", "--ranks", "1", "--repeats", "1"]
    done = runner.invoke(app, ["scaling", str(folder / "all_sky.pt"), *options])
    assert done.exit_code == 0, done.output + done.stderr
    assert "missing: ranks: there is no mpirun here" in done.output
    done = runner.invoke(app, ["scaling", str(folder / "perceptron.pt"), "--threads", "0", "--sizes", "8", "--repeats", "1"])
    assert done.exit_code == 0, done.output + done.stderr
    assert "missing: RRTMG and ranks: perceptron.pt is no model of radiation" in done.output
