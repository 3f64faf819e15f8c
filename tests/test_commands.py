"""What a newcomer's machine meets before anything is built."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_without_apt_the_missing_packages_are_named_for_each_package_manager(tmp_path):
    for tool in ("sh", "id", "cat"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    done = subprocess.run(
        [tmp_path / "sh", ROOT / "tools" / "system-packages"],
        env={"PATH": str(tmp_path)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].endswith("not here: fortran c++ cmake ninja netcdf-fortran nlohmann-json python-3.11 python-headers venv")
    for manager in ("apt", "dnf", "brew", "conda"):
        named = [line for line in lines if line.strip().startswith(f"{manager}:")]
        assert len(named) == 1, manager
        assert "netcdf" in named[0]


def test_with_everything_there_nothing_is_installed_or_printed():
    done = subprocess.run([ROOT / "tools" / "system-packages"], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ci_runs_what_the_readme_tells_a_user_to_type():
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme
