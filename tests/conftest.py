"""Fixtures that several test files share."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the test packages (.pt2), which take a minute to compile."""
    if not shutil.which(os.environ.get("CXX", "g++")):
        pytest.skip("packages need a C++ compiler")
    folder = tmp_path_factory.mktemp("packages")
    script = ROOT / "tests" / "torch" / "make_packages.py"
    subprocess.run([sys.executable, "-W", "ignore", script, folder], check=True)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small TorchScript models."""
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, "-W", "ignore", ROOT / "tests" / "torch" / "make_models.py", folder], check=True)
    return folder
