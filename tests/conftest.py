"""Fixtures that several test files share."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from host_projects import BUILD, COMPILERS, ROOT, command

sys.path.append(str(ROOT / "tests" / "torch"))  # what the scripts there have for tests too
for name in ("COLUMNS", "LINES"):  # which pytest-xdist sets for its processes; tests that print tables say how wide
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An install prefix laid out as in the wheel, beside torch, and moved after the installation."""
    folder = tmp_path_factory.mktemp("install")
    # Not the whole build: other parts have their own tests.
    for component in ("cpp", "fortran/radml_torch", "fortran/host/guard"):
        command("cmake", "--install", BUILD / component, "--prefix", folder / "first" / "ftorch_bridge" / "prefix")
    site_packages = (folder / "first").rename(folder / "site-packages")
    (site_packages / "torch").symlink_to(Path(torch.__file__).parent)
    return site_packages / "ftorch_bridge" / "prefix"


@pytest.fixture(scope="session", params=COMPILERS)
def compiler(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small TorchScript models of the coupling's tests."""
    folder = tmp_path_factory.mktemp("models")
    script = ROOT / "tests" / "torch" / "make_models.py"
    subprocess.run([sys.executable, "-W", "ignore", script, folder], check=True)
    return folder


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the test packages (.pt2), which take a minute to compile."""
    if not shutil.which(os.environ.get("CXX", "g++")):
        pytest.skip("packages need a C++ compiler")
    folder = tmp_path_factory.mktemp("packages")
    script = ROOT / "tests" / "torch" / "make_packages.py"
    subprocess.run([sys.executable, "-W", "ignore", script, folder], check=True)
    return folder


@pytest.fixture
def heeded() -> Iterator[None]:
    """SIGINT as a terminal's programs have it, also where the tests were started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
