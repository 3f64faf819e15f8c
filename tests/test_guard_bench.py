"""``ftorch-bench guard``: what damages do to columns, and what is told of the guard."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ftorch_bridge.cli.bench import app as bench_app
from ftorch_bridge.cli.export import app as export_app
from ftorch_bridge.column_file import read_columns, write
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.guard_bench import DAMAGES, damaged
from host_projects import ROOT
from typer.testing import CliRunner

runner = CliRunner()


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_the_same_each_time_and_leaves_columns_that_can_be_read(name: str, tmp_path: Path) -> None:
    columns = generate_columns(64, 60, seed=5)
    before = columns.copy(deep=True)
    found = damaged(columns, name, seed=1)
    assert columns.identical(before)
    assert found.identical(damaged(columns, name, seed=1))
    assert not found.equals(columns)
    assert not found.equals(damaged(columns, name, seed=2)) or name == "temperatures upside down"
    write(found, tmp_path / "columns.nc")
    again = read_columns(tmp_path / "columns.nc")
    assert all(np.isfinite(again[v]).all() for v in again.data_vars)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The shipped network with its envelope, and without."""
    folder = tmp_path_factory.mktemp("models")
    columns = folder / "columns.nc"
    write(generate_columns(64, 89, seed=3), columns)
    weights = ROOT / "data" / "all_sky.safetensors"
    command = ["ftorch_bridge.all_sky:AllSky", "--weights", str(weights), "--columns", str(columns), "--tolerance", "1e-3"]
    with_envelope, without = folder / "with.pt", folder / "without.pt"
    envelope = ["--envelope", str(ROOT / "data" / "all_sky.envelope.txt")]
    for options in ([*envelope, "-o", str(with_envelope)], ["-o", str(without)]):
        done = runner.invoke(export_app, [*command, *options])
        assert done.exit_code == 0, done.output
    return with_envelope, without


def test_the_guard_accepts_ordinary_columns_and_catches_what_is_wrong(models: tuple[Path, Path], tmp_path: Path) -> None:
    own = tmp_path / "own.nc"
    write(generate_columns(40, 60, seed=8), own)
    options = ["--number", "64", "--draws", "4", "--columns", str(own), "--json", str(tmp_path / "guard.json")]
    done = runner.invoke(bench_app, ["guard", "--model", str(models[0]), *options])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "guard.json").read_text())
    assert [(d["name"], d["columns"]) for d in found["ordinary"]] == [("generated", 64), (str(own), 40)]
    assert all(d["refused"] <= 2 for d in found["ordinary"])
    kinds = {d["name"]: d for d in found["damaged"]}
    assert list(kinds) == list(DAMAGES)
    assert kinds["temperatures upside down"]["caught"] == kinds["temperatures upside down"]["wrong"] > 20
    assert kinds["water vapour of the stratosphere"]["rules"]["humidity"] > 40
    for d in found["damaged"]:
        assert d["caught"] <= min(d["wrong"], d["refused"])
        assert sum(d["rules"].values()) == d["refused"]


def test_a_model_without_an_envelope_is_an_error(models: tuple[Path, Path]) -> None:
    done = runner.invoke(bench_app, ["guard", "--model", str(models[1]), "--number", "32", "--draws", "1"])
    assert done.exit_code != 0
    assert "carries a training envelope (--envelope of" in done.output.replace("\n", " ")
