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
    assert lines[0].endswith("not here: fortran c++ cmake ninja netcdf-fortran nlohmann-json python-3.11 venv")
    for manager in ("apt", "dnf", "brew", "conda"):
        named = [line for line in lines if line.strip().startswith(f"{manager}:")]
        assert len(named) == 1, manager
        assert "netcdf" in named[0]


def test_with_everything_there_nothing_is_installed_or_printed():
    done = subprocess.run([ROOT / "tools" / "system-packages"], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def folder_with(folder, *tools):
    for tool in tools:
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_packages_that_only_tests_use_are_wished_for_and_not_demanded(tmp_path):
    path = folder_with(tmp_path, "sh", "id", "cat")
    script = [path / "sh", ROOT / "tools" / "system-packages", "test"]
    done = subprocess.run(script, env={"PATH": str(path)}, text=True, capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("tests that need these are skipped: mpif90 mpirun valgrind pkg-config (apt: ")
    assert "libopenmpi-dev openmpi-bin valgrind pkg-config" in done.stdout

    for tool in ("mpif90", "mpirun", "valgrind", "pkg-config"):
        program(path / tool, "exit 0")
    done = subprocess.run(script, env={"PATH": str(path)}, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_packages_for_tests_are_installed_by_root_and_an_apt_that_fails_stops_nothing(tmp_path):
    path = folder_with(tmp_path, "sh", "cat")
    program(path / "id", "echo 0")
    program(path / "apt-get", f'echo "$@" >> {tmp_path}/asked\nexit 100')
    script = [path / "sh", ROOT / "tools" / "system-packages"]
    done = subprocess.run([*script, "test"], env={"PATH": str(path)}, text=True, capture_output=True, check=False)
    assert done.returncode == 0
    assert "tests that need these are skipped: mpif90" in done.stdout
    assert (tmp_path / "asked").read_text() == "update -q\n"

    # What the build needs is another matter.
    done = subprocess.run(script, env={"PATH": str(path)}, text=True, capture_output=True, check=False)
    assert done.returncode != 0
    assert "skipped" not in done.stdout

    program(path / "apt-get", f'echo "$@" >> {tmp_path}/asked')
    subprocess.run([*script, "test"], env={"PATH": str(path)}, text=True, capture_output=True, check=True)
    assert (tmp_path / "asked").read_text().splitlines()[-1].endswith(" libopenmpi-dev openmpi-bin valgrind pkg-config")

    done = subprocess.run([*script, "tests"], env={"PATH": str(path)}, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (2, "tools/system-packages: expected build or test, got tests\n")


def test_the_demo_installs_nothing_that_only_tests_use():
    dry = subprocess.run(["make", "-n", "-B", "demo"], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    assert "tools/system-packages\n" in dry
    assert "tools/system-packages test" not in dry
    dry = subprocess.run(["make", "-n", "-B", "test"], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    assert "tools/system-packages test" in dry


def test_ci_runs_what_the_readme_tells_a_user_to_type():
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme
