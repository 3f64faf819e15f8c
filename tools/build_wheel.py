#!/usr/bin/env python3
"""Builds a wheel for other machines than this one into dist/: what `make wheel` runs.

It is compiled for every processor of this kind, not for this one (RADML_NATIVE=OFF), without MPI, whose libraries differ from
machine to machine, and asks for the PyTorch it was built with, whose C++ interface changes from version to version. What such a
wheel must not hold is looked for before it is kept.

With `--bundle` auditwheel puts NetCDF-Fortran, gfortran's library and all that they need into the wheel, and gives it the
tag of the oldest glibc it runs on.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = {"RADML_NATIVE": "OFF", "RADML_MPI": "OFF", "RADML_BUILD_TESTS": "OFF", "RADML_BUILD_PYTHON": "ON"}
PARTS = (
    "ftorch_bridge/__init__.py",
    "ftorch_bridge/_radml.*.so",
    "ftorch_bridge/_rrtmg.*.so",
    "ftorch_bridge/prefix/bin/radml-host",
    "ftorch_bridge/prefix/bin/radml-rrtmg",
    "ftorch_bridge/prefix/include/radml.h",
    "ftorch_bridge/prefix/lib/libradml.so.1",
    "ftorch_bridge/prefix/lib/cmake/radml/radmlConfig.cmake",
    "ftorch_bridge/prefix/lib/pkgconfig/radml.pc",
    "ftorch_bridge/prefix/share/radml/data/all_sky.safetensors",
    "ftorch_bridge/prefix/share/radml/data/rrtmg_longwave.LICENSE",
    "ftorch_bridge/prefix/share/radml/data/rrtmg_longwave.nc",
    "ftorch_bridge/prefix/share/radml/fortran/radml_descriptor.c",
    "ftorch_bridge/prefix/share/radml/fortran/radml_guard.f90",
    "ftorch_bridge/prefix/share/radml/fortran/radml_torch.f90",
    "*.dist-info/licenses/LICENSE",
)
# PyTorch's own, the compiler's that LibTorch and its hosts share, and the wheel's.
NOT_BUNDLED = ("libtorch*.so", "libc10*.so", "libgomp.so.1", "libradml.so.1")
OF_TORCH = re.compile(r"libtorch|libc10|libshm")


def content(line: str) -> str:
    """What stands in the brackets of a line of readelf."""
    return line[line.index("[") + 1 : line.rindex("]")]


@dataclass
class Findings:
    """What a wheel holds that it must not, and what it needs of the machine that it is installed on."""

    faults: list[str] = field(default_factory=list)
    libraries: set[str] = field(default_factory=set)
    newest: dict[str, tuple[int, ...]] = field(default_factory=dict)


def examine(wheel: Path) -> Findings:
    """Look at a wheel for other machines."""
    found = Findings()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        root = Path(folder)
        archive.extractall(root)
        found.faults += [f"{part} is missing" for part in PARTS if not any(root.glob(part))]
        metadata = "".join(path.read_text() for path in root.glob("*.dist-info/METADATA"))
        if not re.search(r"^Requires-Dist: torch==\d", metadata, re.MULTILINE):
            found.faults.append("the metadata asks for any PyTorch, and not for the one it was built with")
        files = [path for path in sorted(root.rglob("*")) if path.is_file()]
        own = {path.name for path in files}
        for path in files:
            name = path.relative_to(root)
            data = path.read_bytes()
            if path.suffix in {".cmake", ".pc"} and str(ROOT).encode() in data:
                found.faults.append(f"{name} names the folder {ROOT}")
            if not data.startswith(b"\x7fELF"):
                continue
            if b"-march=native" in data:
                found.faults.append(f"{name} was compiled for the processor of the machine that built it (-march=native)")
            printed = subprocess.run(["readelf", "-dVW", path], check=True, capture_output=True, text=True).stdout
            for line in printed.splitlines():
                if "(RUNPATH)" in line or "(RPATH)" in line:
                    places = [place for place in content(line).split(":") if not place.startswith("$ORIGIN")]
                    found.faults += [f"{name} looks for libraries in {place}" for place in places]
                elif "(NEEDED)" in line:
                    found.libraries.add(content(line))
            for interface, version in re.findall(r"Name: (GLIBC|GLIBCXX)_([\d.]+)", printed):
                found.newest[interface] = max(found.newest.get(interface, ()), tuple(map(int, version.split("."))))
    found.libraries = {name for name in found.libraries if name not in own and not OF_TORCH.match(name)}
    found.faults += [
        f"it needs {name}: MPI differs from machine to machine" for name in sorted(found.libraries) if "libmpi" in name
    ]
    return found


def ask_for_torch(wheel: Path, version: str) -> None:
    """Make a wheel ask for this version of PyTorch and no other."""
    changed = wheel.with_suffix(".new")
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as after:
        contents = {entry.filename: before.read(entry) for entry in before.infolist()}
        [metadata] = [name for name in contents if name.endswith(".dist-info/METADATA")]
        record = metadata.replace("METADATA", "RECORD")
        wanted = re.compile(r"^Requires-Dist: torch\b.*$", re.MULTILINE)
        text, count = wanted.subn(f"Requires-Dist: torch=={version}", contents[metadata].decode())
        if count != 1:
            raise SystemExit(f"{wheel}: expected one line in METADATA that asks for torch, found {count}")
        contents[metadata] = text.encode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(contents[metadata]).digest()).rstrip(b"=").decode()
        lines = [
            f"{metadata},sha256={digest},{len(contents[metadata])}" if line.startswith(f"{metadata},") else line
            for line in contents[record].decode().splitlines()
        ]
        contents[record] = ("\n".join(lines) + "\n").encode()
        for entry in before.infolist():
            entry.compress_type = zipfile.ZIP_DEFLATED
            after.writestr(entry, contents[entry.filename])
    changed.replace(wheel)


def build(folder: Path, build_folder: Path) -> Path:
    """The wheel, compiled with this Python's PyTorch."""
    import torch  # noqa: PLC0415 - the other functions do without

    options = [f"-Ccmake.define.{name}={value}" for name, value in OPTIONS.items()]
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, *options, f"-Cbuild-dir={build_folder}", str(ROOT)], check=True)
    [wheel] = folder.glob("*.whl")
    ask_for_torch(wheel, torch.__version__.split("+")[0])
    return wheel


def bundle(wheel: Path) -> Path:
    """The same wheel with the libraries that it needs inside."""
    folder = wheel.parent / "bundled"
    excluded = [option for name in NOT_BUNDLED for option in ("--exclude", name)]
    subprocess.run([sys.executable, "-m", "auditwheel", "repair", *excluded, "-w", str(folder), str(wheel)], check=True)
    [repaired] = folder.glob("*.whl")
    return repaired


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, examine, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", action="store_true", help="put NetCDF-Fortran and what it needs into the wheel")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the wheel")
    parser.add_argument("--build-dir", type=Path, default=ROOT / "build" / "wheel", help="folder of the build, used again")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder), given.build_dir.resolve())
        if given.bundle:
            wheel = bundle(wheel)
        found = examine(wheel)
        if found.faults:
            print(f"{wheel.name} is not for other machines:", *found.faults, sep="\n  ", file=sys.stderr)
            return 1
        given.out.mkdir(parents=True, exist_ok=True)
        kept = given.out / wheel.name
        kept.write_bytes(wheel.read_bytes())
    print(f"{kept}: {kept.stat().st_size / 1e6:.1f} MB")
    newest = [f"{interface}_{'.'.join(map(str, version))}" for interface, version in sorted(found.newest.items())]
    print(f"needs {', '.join(newest)}, PyTorch as in its metadata, and {', '.join(sorted(found.libraries))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
