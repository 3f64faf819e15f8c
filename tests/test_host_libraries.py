"""Hosts that bring a BLAS or an OpenMP library of their own beside LibTorch: right numbers, or the doctor says what is wrong.

Libraries are looked for where the system has them, and in the folders that RADML_TEST_LIBRARIES names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from ftorch_bridge import doctor
from ftorch_bridge.doctor import Finding

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tests" / "libraries"
RIGHT = {"model": "right", "threads": "right", "blocks": "right"}

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="written for Linux's dynamic loader")


def library(*patterns: str) -> Path:
    """The first file in the folders of libraries that fits; skips the test where there is none."""
    folders = [*os.environ.get("RADML_TEST_LIBRARIES", "").split(os.pathsep), "/usr/lib64", "/usr/lib", "/usr/local/lib"]
    for folder in filter(None, folders):
        for pattern in patterns:
            if found := sorted(Path(folder).glob(pattern)) or sorted(Path(folder).glob(f"*/{pattern}")):
                return found[0]
    pytest.skip(f"{patterns[0]} is not installed (RADML_TEST_LIBRARIES may name the folders of such libraries)")


@dataclass(frozen=True)
class Host:
    """A program that was built, and what it says when it runs."""

    program: Path
    model: Path

    def says(self) -> dict[str, str]:
        """What was right and what wrong; nothing more where it died."""
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
        done = subprocess.run(
            [self.program, self.model, "2"], env=environment, text=True, capture_output=True, check=False, timeout=300
        )
        return dict(line.split() for line in done.stdout.splitlines() if line.endswith((" right", " wrong")))

    def findings(self, check: str) -> list[Finding]:
        return [finding for finding in doctor.host(self.program) if finding.check == check]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "product.pt"
    subprocess.run([sys.executable, "-W", "ignore", SOURCE / "make_model.py", path], check=True)
    return path


@pytest.fixture
def build(prefix: Path, model: Path, tmp_path: Path):
    def built(*libraries: str | Path, integer: str = "", compiler: str = "gfortran", openmp: str = "-fopenmp") -> Host:
        if not shutil.which(compiler):
            pytest.skip(f"{compiler} is not installed")
        options = {
            "CMAKE_PREFIX_PATH": prefix, "CMAKE_Fortran_COMPILER": compiler, "CMAKE_BUILD_TYPE": "Release",
            "HOST_LIBRARIES": ";".join(map(str, libraries)), "HOST_INTEGER": integer, "HOST_OPENMP": openmp,
        }  # fmt: skip
        commands = (
            ["cmake", "-G", "Ninja", "-S", SOURCE, "-B", tmp_path, *(f"-D{name}={value}" for name, value in options.items())],
            ["cmake", "--build", tmp_path],
        )
        for command in commands:
            done = subprocess.run(command, text=True, capture_output=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        return Host(tmp_path / "host", model)

    return built


def test_a_host_without_a_blas_gets_right_numbers_and_a_clean_bill(build) -> None:
    host = build()
    assert host.says() == RIGHT
    assert {finding.state for finding in doctor.host(host.program)} == {"ok"}
    assert "uses its own BLAS" in host.findings("host: BLAS")[0].text
    assert "libgomp.so" in host.findings("host: OpenMP")[0].text


def test_a_blas_with_32_bit_integers_computes_for_libtorch_and_the_doctor_says_so(build) -> None:
    host = build("small_blas_32", integer="int32")
    assert host.says() == RIGHT | {"host": "right"}
    (finding,) = host.findings("host: BLAS")
    assert finding.state == "warning"
    assert "2 routines, among them dgemm_ and sgemm_, from" in finding.text
    assert "libsmall_blas_32.so (32-bit integers): results are right" in finding.text


def test_a_blas_with_64_bit_integers_spoils_the_model_and_the_doctor_says_so(build) -> None:
    host = build("small_blas_64", integer="int64")
    says = host.says()
    assert says.pop("host") == "right"
    assert says != RIGHT
    (finding,) = host.findings("host: BLAS")
    assert finding.state == "problem"
    assert "libsmall_blas_64.so, whose integers have 64 bits: LibTorch, whose have 32, crashes or gives wrong" in finding.text
    assert "--exclude-libs" in finding.advice


def test_a_blas_with_64_bit_integers_and_a_suffix_leaves_libtorch_alone(build) -> None:
    host = build("small_blas_suffix", integer="int64")
    assert host.says() == RIGHT | {"host": "right"}
    assert host.findings("host: BLAS")[0].state == "ok"


def test_the_doctor_is_right_about_a_blas_in_the_program_itself(build, tmp_path: Path) -> None:
    archive = tmp_path / "libsmall.a"
    compiler = os.environ.get("CC", "cc")
    flags = ["-O2", "-fPIC", "-DBLAS_INTEGER=int64_t", "-c", SOURCE / "small_blas.c", "-o", tmp_path / "small.o"]
    subprocess.run([compiler, *flags], check=True)
    subprocess.run(["ar", "rcs", archive, tmp_path / "small.o"], check=True)
    host = build(archive, integer="int64")
    assert host.says() != RIGHT | {"host": "right"}
    (finding,) = host.findings("host: BLAS")
    assert finding.state == "warning"
    assert "which is the program itself; with 64-bit integers they give wrong numbers" in finding.text
    # The advice.
    host = build(archive, "-Wl,--exclude-libs,ALL", integer="int64")
    assert host.says() == RIGHT | {"host": "right"}
    assert host.findings("host: BLAS")[0].state == "ok"


OPENBLAS = ("libopenblas.so", "libopenblas.so.0")


def test_openblas(build) -> None:
    host = build(library(*OPENBLAS), integer="int32")
    assert host.says() == RIGHT | {"host": "right"}
    (finding,) = host.findings("host: BLAS")
    assert (finding.state, "(32-bit integers): results are right" in finding.text) == ("warning", True)


def test_openblas_with_64_bit_integers(build) -> None:
    host = build(library("libopenblas64.so", "libopenblas64.so.0"), integer="int64")
    says = host.says()
    assert says.pop("host") == "right"
    assert says != RIGHT
    assert host.findings("host: BLAS")[0].state == "problem"


def test_mkl(build) -> None:
    host = build(library("libmkl_rt.so*"), integer="int32")
    assert host.says() == RIGHT | {"host": "right"}
    (finding,) = host.findings("host: BLAS")
    assert (finding.state, "from the program's MKL in" in finding.text) == ("warning", True)
    assert "(32-bit integers)" in finding.text


@pytest.mark.parametrize("compiler", ["flang-new-19", "gfortran"])
def test_llvms_openmp_library_serves_libtorch_as_well(build, compiler: str) -> None:
    runtime = library("libomp.so")
    openmp = f"-fopenmp;-L{runtime.parent}" if compiler != "gfortran" else "-fopenmp"
    host = build(runtime, compiler=compiler, openmp=openmp)
    assert host.says() == RIGHT
    (finding,) = host.findings("host: OpenMP")
    assert finding.state == "ok"
    assert "one for all" in finding.text and "libomp.so" in finding.text


def test_llvms_openmp_library_and_openblas_together(build) -> None:
    runtime, blas = library("libomp.so"), library(*OPENBLAS)
    host = build(runtime, blas, integer="int32", compiler="flang-new-19", openmp=f"-fopenmp;-L{runtime.parent}")
    assert host.says() == RIGHT | {"host": "right"}


def test_a_host_of_another_compiler_without_openmp(build) -> None:
    host = build(compiler="flang-new-19", openmp="")
    assert host.says() == RIGHT
    assert {finding.state for finding in doctor.host(host.program)} == {"ok"}
