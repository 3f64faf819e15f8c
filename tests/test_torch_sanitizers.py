"""The coupling under the address, undefined-behaviour, leak and thread sanitizers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from host_projects import ROOT, command
from test_torch_programs import PROGRAMS

COMPILER = os.environ.get("CXX", "g++")


def build(folder: Path, sanitizers: str, *targets: str) -> Path:
    """The coupling and its test programs, all instrumented; the folder of the programs."""
    (folder / "empty.cpp").write_text("int main() {}\n")
    compiled = subprocess.run(
        [COMPILER, f"-fsanitize={sanitizers}", folder / "empty.cpp", "-o", folder / "empty"], check=False, capture_output=True
    )
    if compiled.returncode != 0 or subprocess.run([folder / "empty"], check=False).returncode != 0:
        pytest.skip(f"{COMPILER} -fsanitize={sanitizers} makes no program that runs here")
    # One translation unit, unoptimised: LibTorch's headers are read once, and the lines of reports are right.
    flags = f"-O0 -g1 -fno-omit-frame-pointer -fsanitize={sanitizers}"
    options = {
        "CMAKE_BUILD_TYPE": "None",
        "CMAKE_UNITY_BUILD": "ON",
        "CMAKE_UNITY_BUILD_BATCH_SIZE": "100",
        "RADML_BUILD_RRTMG": "OFF",
        "RADML_BUILD_HOST": "OFF",
        "RADML_BUILD_PYTHON": "OFF",
        "Python_EXECUTABLE": sys.executable,
    }
    if sanitizers == "thread":
        options["CMAKE_CXX_FLAGS"] = flags
    else:  # each clone of a kernel is compiled for a minute: the other build has them
        options |= {f"CMAKE_{language}_FLAGS": flags for language in ("C", "Fortran")}
        options["CMAKE_CXX_FLAGS"] = f"{flags} -DRADML_WITHOUT_CLONES"
    command("cmake", "-G", "Ninja", "-S", ROOT, "-B", folder, *(f"-D{name}={value}" for name, value in options.items()))
    command("cmake", "--build", folder, "--target", *targets)
    return folder / "bin"


def imports_of(program: Path) -> str:
    return command("nm", "-D", "--undefined-only", program.parent.parent / "lib" / "libradml.so")


@pytest.fixture(scope="session")
def with_address_sanitizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("address"), "address,undefined", *PROGRAMS)


@pytest.fixture(scope="session")
def with_thread_sanitizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("thread"), "thread", "stress_threads")


@pytest.mark.parametrize("program", PROGRAMS)
def test_memory_is_used_and_given_back_rightly(program: str, with_address_sanitizer: Path, models: Path) -> None:
    """No access out of bounds or after freeing, no leak, no undefined behaviour."""
    options = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
    printed = command(with_address_sanitizer / program, models, **options)
    assert printed.count("\nok ") > 5


@pytest.mark.skipif(not shutil.which("nm"), reason="looks into the library with nm")
def test_the_library_itself_is_instrumented(with_address_sanitizer: Path, with_thread_sanitizer: Path) -> None:
    assert "__asan_report" in imports_of(with_address_sanitizer / "stress_threads")
    assert "__tsan_read" in imports_of(with_thread_sanitizer / "stress_threads")


def test_threads_race_for_nothing(with_thread_sanitizer: Path, models: Path) -> None:
    printed = command(with_thread_sanitizer / "stress_threads", models)
    assert printed.count("\nok ") > 5
