"""The coupling's Fortran test programs, as built by this repository's CMake build."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("RADML_BUILD_DIR", ROOT / "build")) / "bin"


def run(program: str, *arguments: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    path = BIN / program
    if not path.exists():
        pytest.fail(f"{path} is not built: build with -DRADML_BUILD_TESTS=ON, or set RADML_BUILD_DIR")
    return subprocess.run([path, *arguments], check=False, capture_output=True, text=True, timeout=300, env=environment)


PARTS = ("arrays", "blocks", "errors", "gradients", "plans", "threads", "training", "traps")
PROGRAMS = [*(f"test_torch_{part}" for part in PARTS), "stress_threads"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_check_of_the_program_passes(program: str, models: Path) -> None:
    result = run(program, models)
    failures = [line for line in result.stdout.splitlines() if not line.startswith("ok ")]
    assert result.returncode == 0, "\n".join([*failures, result.stderr])
    assert result.stdout.count("\nok ") > 5


def test_models_on_a_gpu_give_what_the_cpu_gives(models: Path) -> None:
    result = run("cuda_arrays", models)
    if result.stdout.startswith("skipped: "):
        pytest.skip(result.stdout.strip().removeprefix("skipped: "))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("\nok ") > 5


STOPS = {
    "missing_file": "nowhere.pt: no such file",
    "not_loaded": "radml: no model is loaded: call load first",
    "freed_twice": "radml: no model is loaded: call load first",
    "wrong_input_count": "radml: fixed.pt: expected 1 input (x), got 2",
    "wrong_shape": 'radml: fixed.pt: input 1 "x": expected (column=5,89) float64, got (5,88) float64',
    "model_failed": "radml: multiply.pt: the model failed: mat1 and mat2 shapes cannot be multiplied (5x88 and 5x88)",
    "wrong_argument": "radml: number of threads: expected 1 or more, got -1",
    "wrong_index": "radml: fixed.pt: input 2: the model has 1 input",
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


def threads_under(variables: dict[str, str], models: Path, *chosen: str) -> int:
    """LibTorch's threads in a program that a launcher has started with these variables."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names} | variables
    done = run("count_torch_threads", models / "fixed.pt", *chosen, environment=environment)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


LAUNCHERS = {
    "Open MPI": {"OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
    "MVAPICH": {"MV2_COMM_WORLD_LOCAL_RANK": "0", "MV2_COMM_WORLD_LOCAL_SIZE": "4"},
    "Hydra": {"MPI_LOCALRANKID": "3", "MPI_LOCALNRANKS": "4"},
    "PALS": {"PALS_LOCAL_RANKID": "0", "PALS_LOCAL_SIZE": "64"},
    "torchrun": {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"},
    "Slurm": {"SLURM_LOCALID": "0", "SLURM_STEP_TASKS_PER_NODE": "8(x2),4"},
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_ranks_that_share_a_machine_take_one_thread_each(launcher: str, models: Path) -> None:
    assert threads_under(LAUNCHERS[launcher], models) == 1


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_user_says_how_many_threads_a_rank_takes(launcher: str, models: Path) -> None:
    assert threads_under(LAUNCHERS[launcher] | {"OMP_NUM_THREADS": "3"}, models) == 3
    assert threads_under(LAUNCHERS[launcher], models, "2") == 2


ALONE = {
    "no launcher": {},
    "one rank": {"OMPI_COMM_WORLD_LOCAL_RANK": "0", "OMPI_COMM_WORLD_LOCAL_SIZE": "1"},
    "one rank of mpirun in a job of eight": {
        "OMPI_COMM_WORLD_LOCAL_RANK": "0",
        "OMPI_COMM_WORLD_LOCAL_SIZE": "1",
        **LAUNCHERS["Slurm"],
    },
    "a launcher that does not count": {"FLUX_TASK_LOCAL_ID": "1"},
    "nonsense": {"OMPI_COMM_WORLD_LOCAL_RANK": "first", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
}


@pytest.mark.parametrize("case", ALONE)
def test_a_rank_alone_on_its_machine_takes_what_libtorch_takes(case: str, models: Path) -> None:
    environment = {**ALONE[case], "PYTHONWARNINGS": "ignore"}
    code = "import torch; print(torch.get_num_threads())"
    variables = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    torch_takes = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert threads_under(environment, models) == int(torch_takes.stdout)
