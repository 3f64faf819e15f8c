"""The installed package: hosts find it with find_package and compile radml_torch with their own compiler."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from host_projects import BUILD, ROOT, command, configure

EXAMPLE = ROOT / "examples" / "01_first_model"


def test_the_package_names_no_path_of_this_machine(prefix: Path) -> None:
    texts = [path for path in prefix.rglob("*") if path.suffix in {".cmake", ".h", ".f90", ".c", ".pc"}]
    assert len(texts) >= 8
    for path in texts:
        text = path.read_text()
        assert str(ROOT) not in text, path
        assert str(BUILD) not in text, path
        assert sys.prefix not in text, path


def test_the_package_asks_the_host_for_no_part_of_libtorch(prefix: Path) -> None:
    for path in (prefix / "lib" / "cmake" / "radml").glob("radmlTargets*.cmake"):
        text = path.read_text().lower()
        assert "libtorch" not in text and "c10" not in text and "nlohmann" not in text, path


LEVELS = {
    "checked": "-DCMAKE_Fortran_FLAGS=-O0 -g -fcheck=all -ffpe-trap=invalid,zero,overflow",
    "unoptimised": "-DCMAKE_Fortran_FLAGS=-O0",
    "optimised": "-DCMAKE_Fortran_FLAGS=-O3",
    "link-time optimised": "-DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON;-DCMAKE_BUILD_TYPE=Release",
}


@pytest.mark.parametrize("level", LEVELS)
def test_hosts_of_every_compiler_and_optimisation_pass_the_test_programs(
    prefix: Path, compiler: str, level: str, packages: Path, tmp_path: Path
) -> None:
    if level == ("unoptimised" if compiler == "gfortran" else "checked"):
        pytest.skip("gfortran has checks of its own, which are for unoptimised code")
    if level == "link-time optimised" and compiler != "gfortran":
        pytest.skip("CMake does not know how this compiler does it")
    configure(
        ROOT / "tests" / "torch",
        tmp_path / "build",
        f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_Fortran_COMPILER={compiler}",
        f"-DRADML_TEST_PACKAGES={packages}",
        *LEVELS[level].split(";"),
    )
    command("cmake", "--build", tmp_path / "build")
    command("ctest", "--output-on-failure", cwd=tmp_path / "build")


def host_project(folder: Path, cmake: str, source: str) -> Path:
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text(cmake)
    (folder / "host.f90").write_text(source)
    return folder


HOST_CMAKE = """cmake_minimum_required(VERSION 3.25)
project(host LANGUAGES Fortran)
find_package(radml REQUIRED)
add_executable(host host.f90)
target_link_libraries(host PRIVATE radml::radml_torch)
"""
INTENT_SOURCE = """module host_code
  use radml_torch
  implicit none
contains
  subroutine run(net, x, y)
    type(torch_model), intent(in) :: net
    real, intent(in) :: x(:)
    real, intent({intent}) :: y(:)
    call net%forward([torch_in(x)], [torch_out(y)])
  end subroutine run
end module host_code
program host
  use host_code
  implicit none
end program host
"""


@pytest.mark.parametrize(("intent", "compiles"), [("inout", True), ("in", False)])
def test_the_compiler_refuses_an_intent_in_array_as_an_output(
    prefix: Path, compiler: str, intent: str, compiles: bool, tmp_path: Path
) -> None:
    source = host_project(tmp_path / "host", HOST_CMAKE, INTENT_SOURCE.format(intent=intent))
    configure(source, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_Fortran_COMPILER={compiler}")
    result = subprocess.run(["cmake", "--build", tmp_path / "build"], check=False, capture_output=True, text=True)
    assert (result.returncode == 0) == compiles, result.stdout + result.stderr
    if not compiles:
        assert "INTENT(IN)" in (result.stdout + result.stderr).upper()


def test_an_installed_version_that_is_too_old_is_not_taken(prefix: Path, tmp_path: Path) -> None:
    source = host_project(tmp_path / "host", HOST_CMAKE.replace("radml REQUIRED", "radml 99.0 REQUIRED"), "end\n")
    result = subprocess.run(
        ["cmake", "-S", source, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "99.0" in result.stderr


def test_the_c_header_serves_a_host_in_c(prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "host.c").write_text(
        '#include <radml.h>\n#include <stdio.h>\n#include <string.h>\n'
        "int main(void) {\n"
        "  char message[200];\n  radml_model model = 7;\n"
        '  int32_t status = radml_load("nowhere.pt", "cpu", &model, message, sizeof message);\n'
        '  if (radml_abi_version() != RADML_ABI_VERSION || model != 0) return 2;\n'
        '  if (radml_load("nowhere.pt", "cpu", 0, message, sizeof message) != RADML_WRONG_ARGUMENT) return 3;\n'
        '  if (radml_load(0, "cpu", &model, message, sizeof message) != RADML_WRONG_ARGUMENT) return 4;\n'
        '  if (radml_free(12345, message, 10) != RADML_NOT_LOADED || strlen(message) != 9) return 5;\n'
        '  if (radml_free(12345, 0, 0) != RADML_NOT_LOADED) return 6;\n'
        '  radml_load("nowhere.pt", "cpu", &model, message, sizeof message);\n'
        '  printf("%d %s\\n", (int)status, message);\n  return 0;\n}\n'
    )  # fmt: skip
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    libraries = [f"-L{prefix / 'lib'}", "-lradml", f"-Wl,-rpath,{prefix / 'lib'}"]
    command("cc", *flags, f"-I{prefix / 'include'}", "host.c", "-o", "host", *libraries, cwd=tmp_path)
    assert command(tmp_path / "host", cwd=tmp_path) == "1 nowhere.pt: no such file\n"


def test_the_library_works_in_a_python_process_that_has_torch(prefix: Path, tmp_path: Path) -> None:
    command(sys.executable, "-W", "ignore", EXAMPLE / "make_model.py", cwd=tmp_path)
    code = (
        "import ctypes, sys\n"
        "import torch\n"
        "library = ctypes.CDLL(sys.argv[1])\n"
        "library.radml_torch_version.restype = ctypes.c_char_p\n"
        "assert torch.__version__.startswith(library.radml_torch_version().decode())\n"
        "model, n, message = ctypes.c_int64(), ctypes.c_int64(), ctypes.create_string_buffer(200)\n"
        "size = ctypes.c_int64(200)\n"
        "assert library.radml_load(b'dew_point.pt', b'cpu', ctypes.byref(model), message, size) == 0, message.value\n"
        "assert library.radml_n_inputs(model, ctypes.byref(n), message, size) == 0 and n.value == 2\n"
        "assert library.radml_free(model, message, size) == 0\n"
        "print('done')\n"
    )
    assert command(sys.executable, "-c", code, prefix / "lib" / "libradml.so", cwd=tmp_path) == "done\n"


def test_the_program_in_the_documentation_compiles(prefix: Path, compiler: str, tmp_path: Path) -> None:
    program = (ROOT / "docs" / "coupling.md").read_text().split("```fortran\n")[1].split("```")[0]
    source = host_project(tmp_path / "host", HOST_CMAKE, program)
    configure(source, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_Fortran_COMPILER={compiler}")
    command("cmake", "--build", tmp_path / "build")
    result = subprocess.run([tmp_path / "build" / "host"], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode != 0 and "radml: rescnn.pt: no such file" in result.stderr


def test_status_constants_are_the_same_in_c_in_fortran_and_in_the_documentation() -> None:
    header = (ROOT / "cpp" / "radml.h").read_text()
    module = (ROOT / "fortran" / "radml_torch" / "radml_torch.f90").read_text()
    page = (ROOT / "docs" / "coupling.md").read_text()
    enum = header.split("typedef enum radml_status {")[1].split("} radml_status;")[0]
    in_c = {name.lower(): int(number) for name, number in re.findall(r"RADML_(\w+) = (\d+)", enum)}
    constants = module.split("type :: status_constants")[1].split("end type")[0]
    in_fortran = {name: int(number) for name, number in re.findall(r"integer :: (\w+) = (\d+)", constants)}
    in_page = {name: int(number) for name, number in re.findall(r"`radml_status%(\w+)` \| (\d+)", page)}
    assert len(in_c) >= 20
    assert in_c == in_fortran == in_page
