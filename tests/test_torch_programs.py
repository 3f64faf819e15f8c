"""The coupling's Fortran test programs, as built by this repository's CMake build."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("RADML_BUILD_DIR", ROOT / "build")) / "bin"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    script = ROOT / "tests" / "torch" / "make_models.py"
    subprocess.run([sys.executable, "-W", "ignore", script, folder], check=True)
    return folder


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    path = BIN / program
    if not path.exists():
        pytest.fail(f"{path} is not built: build with -DRADML_BUILD_TESTS=ON, or set RADML_BUILD_DIR")
    return subprocess.run([path, *arguments], check=False, capture_output=True, text=True, timeout=300)


PARTS = ("arrays", "blocks", "errors", "gradients", "plans", "threads", "training", "traps")
PROGRAMS = [f"test_torch_{part}" for part in PARTS]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_check_of_the_program_passes(program: str, models: Path) -> None:
    result = run(program, models)
    failures = [line for line in result.stdout.splitlines() if not line.startswith("ok ")]
    assert result.returncode == 0, "\n".join([*failures, result.stderr])
    assert result.stdout.count("\nok ") > 5


STOPS = {
    "missing_file": "nowhere.pt: no such file",
    "not_loaded": "radml: no model is loaded: call load first",
    "freed_twice": "radml: no model is loaded: call load first",
    "wrong_input_count": "radml: fixed.pt: expected 1 inputs, got 2 (x)",
    "wrong_shape": 'radml: fixed.pt: input 1 "x": expected (column=5,89) float64, got (5,88) float64',
    "model_failed": "radml: multiply.pt: the model failed: mat1 and mat2 shapes cannot be multiplied (5x88 and 5x88)",
    "wrong_argument": "radml: number of threads: expected 1 or more, got -1",
    "wrong_index": "radml: fixed.pt: input 2: the model has 1 inputs",
}


@pytest.mark.parametrize(("failure", "message"), STOPS.items())
def test_a_failure_without_stat_stops_the_program_with_one_clear_line(failure: str, message: str, models: Path) -> None:
    result = run("stop_without_stat", models, failure)
    assert result.returncode != 0
    assert "the program went on" not in result.stdout
    lines = [line for line in result.stderr.splitlines() if line.startswith("radml: ")]
    assert len(lines) == 1
    assert lines[0].endswith(message)


def test_a_program_without_a_failure_goes_on(models: Path) -> None:
    result = run("stop_without_stat", models, "none")
    assert result.returncode == 0
    assert "the program went on" in result.stdout
