"""What leaves this repository: wheels for other machines, sources, the manifest for fpm, lists of what is needed."""

import base64
import csv
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest
from ftorch_bridge import programs
from host_projects import BUILD, ROOT, command
from scikit_build_core.build import build_sdist

FPM = shutil.which("fpm", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def build_wheel() -> ModuleType:
    spec = util.spec_from_file_location("build_wheel", ROOT / "tools" / "build_wheel.py")
    assert spec and spec.loader
    module = util.module_from_spec(spec)
    sys.modules["build_wheel"] = module
    spec.loader.exec_module(module)
    return module


def pack(wheel: Path, files: dict[str, bytes]) -> Path:
    """A wheel of these files, with a RECORD."""
    lines = []
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(data)}")
        archive.writestr("radml_like-1.0.dist-info/RECORD", "\n".join([*lines, "radml_like-1.0.dist-info/RECORD,,"]) + "\n")
    return wheel


METADATA = (
    b"Metadata-Version: 2.4\nName: radml-like\nVersion: 1.0\nRequires-Dist: numpy>=1\nRequires-Dist: torch>=2.4\n\nText.\n"
)
WHEEL = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def test_a_wheel_is_made_to_ask_for_one_version_of_torch_and_can_be_installed(build_wheel: ModuleType, tmp_path: Path) -> None:
    wheel = pack(
        tmp_path / "radml_like-1.0-py3-none-any.whl",
        {
            "radml_like.py": b"answer = 42\n",
            "radml_like-1.0.dist-info/METADATA": METADATA,
            "radml_like-1.0.dist-info/WHEEL": WHEEL,
        },
    )
    build_wheel.ask_for_torch(wheel, "2.13.0")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("radml_like-1.0.dist-info/METADATA") == METADATA.replace(b"torch>=2.4", b"torch==2.13.0")
        record = {row[0]: row[1:] for row in csv.reader(io.StringIO(archive.read("radml_like-1.0.dist-info/RECORD").decode()))}
        assert sorted(record) == sorted(archive.namelist())
        for name, (digest, size) in record.items():
            if digest:
                data = archive.read(name)
                expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                assert (digest, size) == (f"sha256={expected}", str(len(data))), name
    command(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", tmp_path / "there", wheel)
    assert (tmp_path / "there" / "radml_like.py").read_text() == "answer = 42\n"


def test_a_wheel_that_asks_for_no_torch_is_refused(build_wheel: ModuleType, tmp_path: Path) -> None:
    metadata = METADATA.replace(b"Requires-Dist: torch>=2.4\n", b"")
    wheel = pack(tmp_path / "radml_like-1.0-py3-none-any.whl", {"radml_like-1.0.dist-info/METADATA": metadata})
    with pytest.raises(SystemExit, match="expected one line in METADATA that asks for torch, found 0"):
        build_wheel.ask_for_torch(wheel, "2.13.0")


@pytest.mark.skipif(not shutil.which("readelf"), reason="reads the libraries with binutils")
def test_what_was_built_for_this_machine_is_no_wheel_for_others(build_wheel: ModuleType, tmp_path: Path) -> None:
    # The library and two programs of the build folder, laid out as in the wheel.
    inside = "ftorch_bridge/prefix/"
    files = {
        f"{inside}lib/libradml.so.1": (BUILD / "lib" / "libradml.so.1").read_bytes(),
        f"{inside}bin/radml-host": (BUILD / "bin" / "radml-host").read_bytes(),
        f"{inside}bin/radml-bench-radiation": (BUILD / "bin" / "radml-bench-radiation").read_bytes(),
        "radml_like-1.0.dist-info/METADATA": METADATA,
    }
    found = build_wheel.examine(pack(tmp_path / "radml_like-1.0-py3-none-any.whl", files))
    text = "\n".join(found.faults)
    assert re.search(r"prefix/lib/libradml\.so\.1 looks for libraries in /\S+/torch/lib", text), text
    assert "the metadata asks for any PyTorch" in text
    assert "ftorch_bridge/_radml.*.so is missing" in text
    assert "bin/radml-host is missing" not in text
    native = "RADML_NATIVE:BOOL=ON" in (BUILD / "CMakeCache.txt").read_text()
    assert ("radml-bench-radiation was compiled for the processor of the machine that built it" in text) == native
    # What it needs of a machine: the Fortran programs' libraries, and neither PyTorch's nor its own.
    assert {"libc.so.6", "libnetcdff.so.7"} <= found.libraries
    assert not [name for name in found.libraries if "torch" in name or "radml" in name]
    assert found.newest["GLIBC"] >= (2, 17)


def test_a_path_of_this_machine_in_a_wheel_is_found(build_wheel: ModuleType, tmp_path: Path) -> None:
    wheel = pack(
        tmp_path / "radml_like-1.0-py3-none-any.whl",
        {
            "ftorch_bridge/prefix/lib/pkgconfig/radml.pc": f"prefix={ROOT}/build\n".encode(),
            "radml_like-1.0.dist-info/METADATA": METADATA,
        },
    )
    assert f"ftorch_bridge/prefix/lib/pkgconfig/radml.pc names the folder {ROOT}" in build_wheel.examine(wheel).faults


def test_the_source_distribution_holds_the_sources_and_nothing_that_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with tarfile.open(tmp_path / build_sdist(str(tmp_path))) as archive:
        names = {"/".join(Path(name).parts[1:]) for name in archive.getnames()}
    wanted = [
        "CMakeLists.txt",
        "pyproject.toml",
        "LICENSE",
        "README.md",
        "fpm.toml",
        "CITATION.cff",
        "python/ftorch_bridge/py.typed",
    ]
    for folder in ("cmake", "cpp", "data", "fortran", "python"):
        found = [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix not in {".pyc", ".mod"}]
        wanted += [str(path.relative_to(ROOT)) for path in found]
    assert [name for name in wanted if name not in names] == []
    assert {name.split("/")[0] for name in names} & {".ci", ".git", ".github", ".venv", "build", "demo", "dist"} == set()


def test_every_file_that_names_a_version_names_the_same() -> None:
    patterns = {
        "CMakeLists.txt": r"project\(radml VERSION (\S+)",
        "pyproject.toml": r'^version = "(.+)"',
        "fpm.toml": r'^version = "(.+)"',
        "CITATION.cff": r"^version: (\S+)",
    }
    versions = {name: re.findall(pattern, (ROOT / name).read_text(), re.MULTILINE) for name, pattern in patterns.items()}
    assert set(map(tuple, versions.values())) == {(PROJECT["version"],)}, versions


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~; \[]", requirement.strip())[0].lower().replace("_", "-")


def test_the_conda_environment_has_what_the_package_asks_for() -> None:
    listed = {name_of(line) for line in re.findall(r"^ +- (?!pip:)(.+)$", (ROOT / "environment.yml").read_text(), re.MULTILINE)}
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    asked = {name_of(requirement) for requirement in [*PROJECT["dependencies"], *build]}
    assert len(asked) >= 14
    assert asked - {"matplotlib"} <= listed
    assert "matplotlib-base" in listed  # conda-forge's name for it without a window system
    # And what tools/system-packages names for conda, but for Python itself.
    [line] = re.findall(r"conda install -c conda-forge (.+)$", (ROOT / "tools" / "system-packages").read_text(), re.MULTILINE)
    assert {name_of(word) for word in line.split()} <= listed


@pytest.mark.skipif(not FPM, reason="fpm is not installed")
def test_a_host_built_by_fpm_runs_a_model(prefix: Path, compiler: str, tmp_path: Path) -> None:
    example = ROOT / "examples" / "01_first_model"
    (tmp_path / "app").mkdir()
    shutil.copy(example / "first_model.f90", tmp_path / "app" / "main.f90")
    # fpm takes a path to be relative.
    radml = os.path.relpath(ROOT, tmp_path)
    (tmp_path / "fpm.toml").write_text(f'name = "my_model"\n[dependencies]\nradml = {{ path = "{radml}" }}\n')
    command(sys.executable, "-W", "ignore", example / "make_model.py", cwd=tmp_path)
    options = ["--compiler", compiler, "--c-compiler", "gcc", "--link-flag", f"-L{prefix / 'lib'} -Wl,-rpath,{prefix / 'lib'}"]
    if compiler != "gfortran":
        (tmp_path / "binding").mkdir()
        shutil.copy("/usr/lib/llvm-19/include/flang/ISO_Fortran_binding.h", tmp_path / "binding")
        options += ["--c-flag", f"-I{tmp_path / 'binding'}"]
    printed = command(str(FPM), "run", *options, cwd=tmp_path)
    expected = (example / "README.md").read_text().split("<!-- expected output -->\n```\n")[1].split("```")[0]
    assert printed.endswith(expected)


def test_the_compiled_programs_are_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    names = [name for name, what in scripts.items() if what == "ftorch_bridge.programs:main"]
    assert {"radml-host", "radml-rrtmg", "radml-bench-radiation"} <= {*names}
    (tmp_path / "prefix" / "bin").mkdir(parents=True)
    tried = 0
    for name in names:
        # As pip writes it.
        (tmp_path / name).write_text("import sys\nfrom ftorch_bridge.programs import main\nsys.exit(main())\n")
        if not (BUILD / "bin" / name).is_file():
            continue
        (tmp_path / "prefix" / "bin" / name).symlink_to(BUILD / "bin" / name)
        environment = os.environ | {"RADML_PREFIX": str(tmp_path / "prefix")}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "python"), environment.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, tmp_path / name, "--help"], env=environment, check=False, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: {name.removesuffix('-real32')}")
        tried += 1
    assert tried >= 3
    monkeypatch.setenv("RADML_PREFIX", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["/somewhere/radml-host", "case.nml"])
    with pytest.raises(SystemExit, match=r"radml-host: .*bin/radml-host: this program is not installed"):
        programs.main()
