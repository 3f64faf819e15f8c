"""How hosts find and link radml: CMake, Makefiles, and a libradml without LibTorch that takes the place of the other."""

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ftorch_bridge.cli.bridge import app as bridge_app
from host_projects import BUILD, ROOT, command, configure
from typer.testing import CliRunner

HOSTS = ROOT / "tests" / "building"
PAGE = (ROOT / "docs" / "building.md").read_text()
WITHOUT = "built without LibTorch (RADML_WITH_TORCH=OFF) and runs no models"
runner = CliRunner()


def library(folder: Path) -> Path:
    return folder / "lib" / "libradml.so"


@pytest.fixture(scope="session")
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An install prefix of a libradml without LibTorch, built where there is neither C++ nor a C++ package."""
    folder = tmp_path_factory.mktemp("without_torch")
    printed = configure(
        ROOT, folder / "build", "-DRADML_WITH_TORCH=OFF", "-DRADML_BUILD_RRTMG=OFF", "-DRADML_BUILD_HOST=OFF",
        "-DCMAKE_CXX_COMPILER=no-such-compiler", "-DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON",
        "-DCMAKE_DISABLE_FIND_PACKAGE_LibTorch=ON", "-DCMAKE_C_FLAGS=-Werror -pedantic", "-DCMAKE_Fortran_FLAGS=-Werror",
    )  # fmt: skip
    assert "CXX" not in printed
    command("cmake", "--build", folder / "build")
    command("cmake", "--install", folder / "build", "--prefix", folder / "prefix")
    return folder / "prefix"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "twofold.pt"
    code = (
        "import sys, torch\n"
        "class Twofold(torch.nn.Module):\n"
        "    def forward(self, x): return 2 * x\n"
        "torch.jit.trace(Twofold(), torch.ones(3, 2, dtype=torch.float64)).save(sys.argv[1])\n"
    )
    command(sys.executable, "-W", "ignore", "-c", code, path)
    return path


# ---- without LibTorch ----


def test_every_call_without_libtorch_fails_or_answers_as_documented(without_torch: Path, compiler: str, tmp_path: Path) -> None:
    checks = "-DCMAKE_Fortran_FLAGS=-fcheck=all" if compiler == "gfortran" else ""
    configure(HOSTS, tmp_path, f"-DCMAKE_PREFIX_PATH={without_torch}", f"-DCMAKE_Fortran_COMPILER={compiler}", checks)
    command("cmake", "--build", tmp_path)
    result = subprocess.run([tmp_path / "test_without_torch"], check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("ok ") == 25

    result = subprocess.run([tmp_path / "test_without_torch", "stop"], check=False, capture_output=True, text=True)
    assert result.returncode != 0
    assert "went on" not in result.stdout
    assert f"radml: rescnn.pt: this libradml was {WITHOUT}" in result.stderr.splitlines()


def exported(path: Path) -> set[str]:
    symbols = command("nm", "-D", "--defined-only", path)
    return {line.split()[-1] for line in symbols.splitlines() if line.split()[-1].startswith("radml_")}


def dynamic(path: Path, tag: str) -> list[str]:
    return re.findall(rf"\({tag}\).*\[(.+)\]", command("readelf", "-d", path))


@pytest.mark.skipif(not shutil.which("nm") or not shutil.which("readelf"), reason="reads the libraries with binutils")
def test_both_libraries_have_one_name_and_the_same_functions(without_torch: Path) -> None:
    with_torch = library(BUILD)
    declared = set(re.findall(r"^RADML_API .*?(radml_\w+)\(", (ROOT / "cpp" / "radml.h").read_text(), re.MULTILINE))
    assert len(declared) >= 19
    assert exported(with_torch) == exported(library(without_torch)) == declared
    assert dynamic(with_torch, "SONAME") == dynamic(library(without_torch), "SONAME") == ["libradml.so.1"]
    # And it needs nothing but the C library.
    assert dynamic(library(without_torch), "NEEDED") == ["libc.so.6"]


def test_the_library_without_libtorch_answers_a_host_in_c(without_torch: Path) -> None:
    radml = ctypes.CDLL(str(library(without_torch)))
    radml.radml_torch_version.restype = ctypes.c_char_p
    radml.radml_version.restype = ctypes.c_char_p
    assert radml.radml_torch_version() == b"none"
    assert radml.radml_version().decode() in (ROOT / "CMakeLists.txt").read_text()
    model, message = ctypes.c_int64(7), ctypes.create_string_buffer(b"x" * 99, 100)
    load = radml.radml_load
    assert load(b"a.pt", b"cpu", ctypes.byref(model), message, ctypes.c_int64(100)) == 20
    assert model.value == 0
    assert message.value.decode() == f"a.pt: this libradml was {WITHOUT}"[:99]
    # Messages are cut where they must be, and wanted or not.
    assert load(b"a.pt", b"cpu", ctypes.byref(model), message, ctypes.c_int64(5)) == 20
    assert message.value == b"a.pt"
    assert load(b"a.pt", b"cpu", ctypes.byref(model), None, ctypes.c_int64(0)) == 20
    assert load(b"a" * 10000, b"cpu", ctypes.byref(model), message, ctypes.c_int64(100)) == 20
    assert message.value == b"a" * 99
    # What no library could do is refused as in the other one.
    for path, device, place in ((None, b"cpu", ctypes.byref(model)), (b"a", None, ctypes.byref(model)), (b"a", b"cpu", None)):
        assert load(path, device, place, message, ctypes.c_int64(100)) == 16
    plan = ctypes.c_int64(7)
    size = ctypes.c_int64(100)
    none = ctypes.c_int64(0)
    assert radml.radml_plan_create(model, None, none, None, none, None, ctypes.byref(plan), message, size) == 20
    assert plan.value == 0
    assert radml.radml_retain(ctypes.c_int64(12345), message, size) == 5


GENERATE = """cmake_minimum_required(VERSION 3.25)
include("{source}/cpp/without_torch/generate_refusals.cmake")
radml_generate_refusals("${{CMAKE_CURRENT_LIST_DIR}}/radml.h" "{source}/cpp/without_torch/without_torch.c" "refusals.c")
"""


def generate(folder: Path, declaration: str) -> subprocess.CompletedProcess[str]:
    header = (ROOT / "cpp" / "radml.h").read_text()
    before = "/* Static texts and numbers"
    assert header.count(before) == 1
    (folder / "radml.h").write_text(header.replace(before, f"{declaration}\n{before}"))
    (folder / "generate.cmake").write_text(GENERATE.format(source=ROOT))
    return subprocess.run(["cmake", "-P", "generate.cmake"], cwd=folder, check=False, capture_output=True, text=True)


def test_a_function_that_is_new_in_the_header_is_there_without_libtorch(tmp_path: Path) -> None:
    done = generate(
        tmp_path,
        "typedef int64_t radml_optimizer;\n"
        "RADML_API int32_t radml_optimizer_create(radml_model model, double rate,\n    radml_optimizer *optimizer,\n"
        "                                         char *message, int64_t message_size);\n"
        "RADML_API int32_t radml_optimizer_free(radml_optimizer optimizer, char *message, int64_t message_size);\n"
        "RADML_API int32_t radml_synchronize(char *message, int64_t message_size);\n",
    )
    assert done.returncode == 0, done.stderr
    for name in ("without_torch.h", "without_torch.c"):
        shutil.copy(ROOT / "cpp" / "without_torch" / name, tmp_path)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", '-DRADML_VERSION="0"', "-shared", "-fPIC"]
    command("cc", *flags, "without_torch.c", "refusals.c", "-o", "libradml.so", cwd=tmp_path)
    radml = ctypes.CDLL(str(tmp_path / "libradml.so"))
    optimizer, rate, size = ctypes.c_int64(3), ctypes.c_double(1), ctypes.c_int64(0)
    assert radml.radml_optimizer_create(ctypes.c_int64(1), rate, ctypes.byref(optimizer), None, size) == 20
    assert optimizer.value == 0
    assert radml.radml_optimizer_free(ctypes.c_int64(1), None, size) == 5
    assert radml.radml_synchronize(None, size) == 20


def test_a_function_that_cannot_say_that_it_failed_has_to_be_written_by_hand(tmp_path: Path) -> None:
    done = generate(tmp_path, "RADML_API double radml_learning_rate(radml_model model);\n")
    assert done.returncode != 0
    words = " ".join(done.stderr.split())
    assert "radml_learning_rate(radml_model model) returns no status with a message: define it in" in words


# ---- Makefiles ----


def documented(language: str, after: str) -> str:
    """A piece of code of docs/building.md: the first of the language after a heading."""
    return PAGE.split(after)[1].split(f"```{language}\n")[1].split("```")[0]


def make(prefix: Path, folder: Path, *variables: str) -> Path:
    """A host built by the Makefile of docs/building.md with make, pkg-config and compilers only."""
    folder.mkdir()
    (folder / "Makefile").write_text(documented("make", "## Makefile and pkg-config"))
    shutil.copy(HOSTS / "fallback.f90", folder / "my_model.f90")
    command("make", *variables, cwd=folder, PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"))
    return folder / "my_model"


NETWORK = "network: 42.0\n"
needs_pkg_config = pytest.mark.skipif(not shutil.which("pkg-config"), reason="pkg-config is not installed")


@needs_pkg_config
def test_a_host_with_a_makefile_builds_and_runs_against_an_installation_that_was_moved(
    prefix: Path, model: Path, tmp_path: Path
) -> None:
    host = make(prefix, tmp_path / "host")
    assert command(host, model) == NETWORK
    assert command(host, "nowhere.pt") == "own formula: 42.0, because of 1: nowhere.pt: no such file\n"


@needs_pkg_config
def test_a_makefile_without_radml_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(documented("make", "## Makefile and pkg-config"))
    done = subprocess.run(
        ["make"], cwd=tmp_path, env=os.environ | {"PKG_CONFIG_PATH": ""}, check=False, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert 'export PKG_CONFIG_PATH="$(ftorch-bridge pkg-config-path)"' in done.stderr


@needs_pkg_config
def test_a_host_is_built_by_three_commands(prefix: Path, model: Path, tmp_path: Path) -> None:
    shutil.copy(HOSTS / "fallback.f90", tmp_path / "my_model.f90")
    commands = documented("sh", "without make:")
    command("sh", "-euc", commands, cwd=tmp_path, PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"))
    assert command(tmp_path / "my_model", model) == NETWORK


@needs_pkg_config
@pytest.mark.skipif(not shutil.which("flang-new-19"), reason="flang 19 is not installed")
def test_the_makefile_serves_another_compiler(prefix: Path, model: Path, tmp_path: Path) -> None:
    binding = "/usr/lib/llvm-19/include/flang/ISO_Fortran_binding.h"
    assert binding in PAGE
    (tmp_path / "binding").mkdir()
    shutil.copy(binding, tmp_path / "binding")
    host = make(prefix, tmp_path / "host", "FC=flang-new-19", f"CFLAGS=-I{tmp_path / 'binding'}")
    assert command(host, model) == NETWORK


@needs_pkg_config
def test_one_program_runs_with_either_library(prefix: Path, without_torch: Path, model: Path, tmp_path: Path) -> None:
    falls_back = f"own formula: 42.0, because of 20: {model}: this libradml was {WITHOUT}\n"
    for linked, expected, other, expected_then in (
        (without_torch, falls_back, prefix, NETWORK),
        (prefix, NETWORK, without_torch, falls_back),
    ):
        host = make(linked, tmp_path / f"host_{expected_then.split()[0]}")
        before = host.read_bytes()
        assert command(host, model) == expected
        assert command(host, model, LD_LIBRARY_PATH=str(other / "lib")) == expected_then
        assert host.read_bytes() == before


@needs_pkg_config
def test_pkg_config_finds_what_the_bridge_names(prefix: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RADML_PREFIX", str(prefix))
    path = runner.invoke(bridge_app, ["pkg-config-path"]).output.strip()
    for variable, end in (("fortran_source", "radml_torch.f90"), ("descriptor_source", "radml_descriptor.c")):
        source = Path(command("pkg-config", f"--variable={variable}", "radml", PKG_CONFIG_PATH=path).strip())
        assert source.name == end
        assert source.is_file()
    version = command("pkg-config", "--modversion", "radml", PKG_CONFIG_PATH=path).strip()
    assert f"VERSION {version} " in (ROOT / "CMakeLists.txt").read_text()

    monkeypatch.setenv("RADML_PREFIX", str(tmp_path))
    refused = runner.invoke(bridge_app, ["pkg-config-path"])
    assert refused.exit_code == 1
    assert f"{tmp_path}: no radml.pc is installed there" in refused.output


@needs_pkg_config
def test_pkg_config_and_the_bridge_find_libraries_where_debian_puts_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options = ["-DRADML_WITH_TORCH=OFF", "-DRADML_BUILD_RRTMG=OFF", "-DRADML_BUILD_HOST=OFF"]
    configure(ROOT, tmp_path / "build", *options, "-DCMAKE_INSTALL_LIBDIR=lib/some-triplet")
    command("cmake", "--build", tmp_path / "build")
    command("cmake", "--install", tmp_path / "build", "--prefix", tmp_path / "prefix")
    monkeypatch.setenv("RADML_PREFIX", str(tmp_path / "prefix"))
    path = runner.invoke(bridge_app, ["pkg-config-path"]).output.strip()
    assert Path(path) == tmp_path / "prefix" / "lib" / "some-triplet" / "pkgconfig"
    for variable, file in (("libdir", "libradml.so"), ("includedir", "radml.h"), ("fortran_dir", "radml_torch.f90")):
        folder = Path(command("pkg-config", f"--variable={variable}", "radml", PKG_CONFIG_PATH=path).strip())
        assert (folder / file).is_file()


# ---- find_package ----


def wheel_prefix() -> Path:
    """The prefix inside the installed Python package."""
    package = importlib.util.find_spec("ftorch_bridge")
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / "prefix"
    if not folder.is_dir():
        pytest.skip("ftorch_bridge is not installed as a wheel here (make test does that)")
    return folder


@pytest.mark.parametrize("place", ["build folder", "installation", "wheel"])
def test_find_package_finds_radml_in_its_build_folder_in_an_installation_and_in_the_wheel(
    place: str, prefix: Path, model: Path, tmp_path: Path
) -> None:
    folder = {"build folder": lambda: BUILD, "installation": lambda: prefix, "wheel": wheel_prefix}[place]()
    (tmp_path / "CMakeLists.txt").write_text(documented("cmake", "## CMake"))
    shutil.copy(HOSTS / "fallback.f90", tmp_path / "my_model.f90")
    configure(tmp_path, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={folder}")
    command("cmake", "--build", tmp_path / "build")
    assert command(tmp_path / "build" / "my_model", model) == NETWORK
    cache = (tmp_path / "build" / "CMakeCache.txt").read_text()
    assert Path(re.findall(r"radml_DIR:PATH=(.*)", cache)[0]).is_relative_to(folder)


def test_find_package_says_what_is_missing_where_radml_is_not(tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(documented("cmake", "## CMake"))
    shutil.copy(HOSTS / "fallback.f90", tmp_path / "my_model.f90")
    done = subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "build"], check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "radmlConfig.cmake" in done.stderr


@pytest.mark.parametrize(
    ("component", "options", "words"),
    [
        ("rttmg", [], "rttmg is no component of radml; components are rrtmg and rrtmg_real32"),
        ("rrtmg", ["-DRADML_BUILD_RRTMG=OFF", "-DRADML_BUILD_HOST=OFF"], "rrtmg: radml was built without RRTMG"),
    ],
)
def test_find_package_says_why_a_component_is_not_there(component: str, options: list[str], words: str, tmp_path: Path) -> None:
    folder = BUILD
    if options:
        folder = tmp_path / "radml"
        configure(ROOT, folder, "-DRADML_WITH_TORCH=OFF", *options)
    project = f"cmake_minimum_required(VERSION 3.22)\nproject(p Fortran)\nfind_package(radml REQUIRED COMPONENTS {component})\n"
    (tmp_path / "CMakeLists.txt").write_text(project)
    arguments = ["-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={folder}"]
    done = subprocess.run(["cmake", *map(str, arguments)], check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert words in " ".join(done.stderr.split())
