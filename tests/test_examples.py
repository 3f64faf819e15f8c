"""Every example is built and run as its README says, and prints what its README shows."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from host_projects import ROOT, command, configure

EXAMPLES = sorted((ROOT / "examples").glob("[0-9][0-9]_*"))
# Those that flang builds too: of MPI and OpenMP Debian has no Fortran modules for it, or CMake does not find them.
WITH_FLANG = [example for example in EXAMPLES if example.name[:2] in ("01", "02", "03", "07", "08", "09")]
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[Ee][-+]?\d+)?")


def program_name(example: Path) -> str:
    return example.name.partition("_")[2]


def shown(example: Path) -> str:
    """The output in an example's README: the block of code after a certain comment."""
    return (example / "README.md").read_text().split("<!-- expected output -->\n```\n")[1].split("```")[0]


def step_of_last_digit(number: str) -> float:
    mantissa, _, exponent = number.lower().partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def same_line(shown_line: str, printed_line: str) -> bool:
    """The same words, and numbers that differ by no more than a step of their last digit; whole numbers are the same.

    What depends on the machine stands as ``...`` at the end of a shown line.
    """
    if shown_line.endswith("..."):
        return printed_line.startswith(shown_line.removesuffix("..."))
    if NUMBER.sub("#", shown_line).split() != NUMBER.sub("#", printed_line).split():
        return False
    for a, b in zip(NUMBER.findall(shown_line), NUMBER.findall(printed_line), strict=True):
        step = step_of_last_digit(a)
        if step != step_of_last_digit(b) or abs(float(a) - float(b)) > (0.0 if step == 1.0 else 1.001 * step):
            return False
    return True


def assert_as_shown(example: Path, printed: str) -> None:
    expected, got = shown(example).splitlines(), printed.splitlines()
    assert len(expected) == len(got), f"{example.name} printed\n{printed}"
    for a, b in zip(expected, got, strict=True):
        assert same_line(a, b), f"{example.name}: its README shows\n{a}\nit printed\n{b}"


@pytest.mark.parametrize(
    ("shown_line", "printed_line", "same"),
    [
        ("mean 1.25 K of 3", "mean  1.26 K of 3", True),
        ("mean 1.25 K of 3", "mean 1.27 K of 3", False),
        ("mean 1.25 K of 3", "mean 1.25 K of 4", False),
        ("mean 1.25 K of 3", "mean 1.2 K of 3", False),
        ("mean 1.25 K of 3", "mean 1.25 Pa of 3", False),
        ("loss 2.50E-03", "loss 2.51E-03", True),
        ("loss 2.50E-03", "loss 2.50E-04", False),
        ("mean 1.25", "mean -1.25", False),
        ("mean 1.25", "mean NaN", False),
        ("to the last bit: T", "to the last bit: F", False),
        ("ranks: ...", "ranks: 3", True),
        ("ranks: ...", "3 ranks", False),
    ],
)
def test_what_counts_as_the_same_output(shown_line: str, printed_line: str, same: bool) -> None:
    assert same_line(shown_line, printed_line) == same


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of each example in which its model has been made, by the command of its README."""
    folder = tmp_path_factory.mktemp("examples")

    def make(example: Path) -> None:
        shutil.copytree(example, folder / example.name, ignore=shutil.ignore_patterns("build", "*.pt"))
        command(sys.executable, "-W", "ignore", "make_model.py", cwd=folder / example.name, OMP_NUM_THREADS="1")

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each import of PyTorch takes seconds
        list(pool.map(make, EXAMPLES))
    return folder


def missing_mpi() -> str | None:
    """Why the MPI example cannot be built and run with this compiler, or nothing."""
    for tool in ("mpirun", "mpif90"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    return None


def build(example: Path, models: Path, prefix: Path, compiler: str, folder: Path) -> Path:
    """The program, in a copy of the example of its own."""
    source = folder / example.name
    shutil.copytree(models / example.name, source)
    configure(source, source / "build", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_Fortran_COMPILER={compiler}")
    command("cmake", "--build", source / "build")
    return source / "build" / program_name(example)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_prints_what_its_readme_shows(example: Path, models: Path, prefix: Path, tmp_path: Path) -> None:
    if program_name(example) == "mpi" and missing_mpi():
        pytest.skip(missing_mpi())
    program = build(example, models, prefix, "gfortran", tmp_path)
    assert_as_shown(example, command(program, cwd=program.parents[1]))


@pytest.mark.skipif(not shutil.which("flang-new-19"), reason="flang 19 is not installed")
@pytest.mark.parametrize("example", WITH_FLANG, ids=lambda example: example.name)
def test_an_example_built_by_flang_prints_the_same(example: Path, models: Path, prefix: Path, tmp_path: Path) -> None:
    program = build(example, models, prefix, "flang-new-19", tmp_path)
    assert_as_shown(example, command(program, cwd=program.parents[1]))


@pytest.mark.skipif(missing_mpi() is not None, reason=str(missing_mpi()))
def test_the_mpi_example_gives_the_same_on_one_two_and_three_ranks(models: Path, prefix: Path, tmp_path: Path) -> None:
    example = ROOT / "examples" / "05_mpi"
    program = build(example, models, prefix, "gfortran", tmp_path)
    folder = program.parents[1]
    mpirun = ["mpirun", "--oversubscribe", *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]
    for ranks in (1, 2, 3):
        printed = command(*mpirun, "-n", str(ranks), program, cwd=folder)
        assert printed.splitlines()[0] == f"ranks: {ranks}"
        assert_as_shown(example, printed)
    # A rank that fails ends the job, with its reason.
    (folder / "diffusion.pt").unlink()
    done = subprocess.run([*mpirun, "-n", "2", program], cwd=folder, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "radml: diffusion.pt: no such file" in done.stderr


def test_an_example_tells_which_input_its_host_does_not_have(models: Path, prefix: Path, tmp_path: Path) -> None:
    program = build(ROOT / "examples" / "02_inputs_and_outputs", models, prefix, "gfortran", tmp_path)
    folder = program.parents[1]
    shutil.copy(models / "04_openmp" / "condensation.pt", folder / "moist_air.pt")
    done = subprocess.run([program], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "wants an input that this host does not have: pressure\n" in done.stderr


def test_every_example_has_its_commands_and_its_output_in_its_readme() -> None:
    assert len(EXAMPLES) >= 7
    for example in EXAMPLES:
        readme = (example / "README.md").read_text()
        for line in ("cmake -B build", "cmake --build build", "python make_model.py", f"build/{program_name(example)}"):
            assert line in readme, (example.name, line)
        assert shown(example).count("\n") >= 3
