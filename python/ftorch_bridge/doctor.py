"""``ftorch-bridge doctor``: what goes wrong with an installation, a machine, a model or a host program, and what to do."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from ftorch_bridge.files import damage_of
from ftorch_bridge.loader import Loaded, LoaderError, loaded_libraries, trace
from ftorch_bridge.wording import count

State = Literal["ok", "warning", "problem"]
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    state: State
    text: str
    """What was found."""
    advice: str = ""
    """What to do, unless all is well."""


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", text)


def warning(check: str, text: str, advice: str) -> Finding:
    """It works, but not as well as it could, or not in all cases."""
    return Finding(check, "warning", text, advice)


def problem(check: str, text: str, advice: str) -> Finding:
    """It does not work, or gives wrong numbers."""
    return Finding(check, "problem", text, advice)


# ---- the installation ----


def _release(version: str) -> str:
    """The number of a PyTorch release without what was built: 2.13.0 of 2.13.0+cpu."""
    return version.partition("+")[0]


def python_versions() -> Iterator[Finding]:
    """Versions of what is installed."""
    parts = [f"Python {platform.python_version()}"]
    for name in ("ftorch-bridge", "torch", "numpy"):
        try:
            parts.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            if name == "torch":
                yield problem("versions", "PyTorch is not installed", f"{sys.executable} -m pip install torch")
            parts.append(f"{name} from {Path(__file__).parent}" if name == "ftorch-bridge" else f"no {name}")
    yield ok("versions", ", ".join(parts))


def run_self_test(model: Path | None) -> dict[str, Any] | str:
    """What :mod:`ftorch_bridge.self_test` found in a process of its own, or the last words of one that failed."""
    command = [sys.executable, "-m", "ftorch_bridge.self_test", *([str(model)] if model else [])]
    paths = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    try:
        done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False, timeout=300)
    except subprocess.TimeoutExpired:
        return "no answer within 300 seconds"
    if done.returncode < 0:
        return f"the process died of {signal.Signals(-done.returncode).name}"
    if done.returncode > 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {done.returncode}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def library(found: Mapping[str, Any] | str, torch_version: str | None) -> Iterator[Finding]:
    """Whether libradml can be loaded, fits the installed PyTorch, and computes what PyTorch computes."""
    if isinstance(found, str):
        yield problem(
            "libradml",
            f"cannot be loaded or does not run: {found}",
            "build and install the package again beside the PyTorch that it is to run with: pip install --no-build-isolation, "
            "in a clone make",
        )
        return
    if torch_version and _release(torch_version) != _release(found["built_for"]):
        yield problem(
            "libradml",
            f"built for PyTorch {found['built_for']}, installed is {torch_version}",
            f"pip install torch=={found['built_for']}, or install this package again to build it for the other",
        )
    else:
        yield ok("libradml", f"{found['radml']} loads; built for PyTorch {found['built_for']}, as installed")
    if found["bits_agree"]:
        yield ok("numbers", "a small model gives the same bits through libradml and in PyTorch")
    else:
        yield problem(
            "numbers",
            "a small model gives other bits through libradml than in PyTorch",
            "another library computes in LibTorch's place: look at LD_PRELOAD and LD_LIBRARY_PATH",
        )
    runtimes = _openmp_files(found["libraries"])
    if len(runtimes) > 1:
        yield warning(
            "libraries in Python",
            f"several OpenMP libraries in one process: {', '.join(runtimes)}",
            "keep to one (LD_PRELOAD, conda packages beside pip's): each has threads of its own",
        )
    elif runtimes:
        yield ok("libraries in Python", f"one OpenMP library: {runtimes[0]}")


_OPENMP = re.compile(r"^lib(gomp|omp|iomp5|iomp5md|nvomp|craymp|cray_omp)[-.]")


def _openmp_files(files: Sequence[str]) -> list[str]:
    return sorted({os.path.realpath(f) for f in files if _OPENMP.match(Path(f).name)})


def temporary_folder(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether the library of a package can be unpacked and loaded: libradml takes the folder that C++ takes."""
    names = ("TMPDIR", "TMP", "TEMP", "TEMPDIR")
    name = next((n for n in names if environment.get(n)), "")
    folder = Path(environment[name] if name else "/tmp")
    where = f"{name}={folder}" if name else str(folder)
    advice = (
        "let TMPDIR name a folder in which programs may be written and run; packages (.pt2) are unpacked there to be loaded"
    )
    if not folder.is_dir():
        yield problem("temporary folder", f"{where}: no such folder", advice)
        return
    try:
        with tempfile.TemporaryDirectory(dir=folder) as inside:
            program = Path(inside) / "program"
            program.write_text("#!/bin/sh\nexit 0\n")
            program.chmod(0o700)
            subprocess.run([program], check=True, capture_output=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield problem("temporary folder", f"{where}: programs cannot be written and run there ({error.strerror})", advice)
        return
    if free < 2**27:
        yield warning("temporary folder", f"{where}: {free / 2**20:.0f} MiB are free", advice)
    else:
        yield ok("temporary folder", f"{where}: programs can be written and run there")


def compilers() -> Iterator[Finding]:
    """What exports and hosts are built with."""
    cxx = os.environ.get("CXX", "g++")
    if shutil.which(cxx):
        yield ok("C++ compiler", f"{shutil.which(cxx)}: packages (.pt2) can be exported")
    else:
        yield warning(
            "C++ compiler",
            f"{cxx}: not found",
            "to export packages (.pt2) install g++ or let CXX name a compiler; .pt needs none",
        )
    fortran = [
        name for name in ("gfortran", "ifx", "nvfortran", "flang", "flang-new", "flang-new-19", "ftn") if shutil.which(name)
    ]
    if fortran:
        yield ok("Fortran compiler", ", ".join(fortran))
    else:
        yield warning(
            "Fortran compiler", "none found", "hosts need one, for example gfortran; load its module if the machine has modules"
        )
    cmake = shutil.which("cmake")
    said = subprocess.run([cmake, "--version"], text=True, capture_output=True, check=False).stdout if cmake else ""
    number = re.search(r"version (\d+)\.(\d+)", said)
    if number and (int(number[1]), int(number[2])) >= (3, 25):
        yield ok("CMake", said.splitlines()[0])
    else:
        yield warning(
            "CMake", said.splitlines()[0] if said else "not found", "find_package(radml) needs CMake 3.25: pip install cmake"
        )


# ---- the machine ----


def cuda(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether a GPU can be used, and why not."""
    try:
        import torch  # noqa: PLC0415 - a broken PyTorch is told by the other checks
    except Exception as error:
        yield problem("CUDA", f"PyTorch cannot be imported: {error}", "install PyTorch again")
        return
    driver = Path("/proc/driver/nvidia/version").is_file() or shutil.which("nvidia-smi") is not None
    if torch.version.cuda is None:
        if driver:
            yield warning("CUDA", "the machine has an NVIDIA driver, but this PyTorch is built without CUDA",
                          "for device='cuda' install a CUDA build of PyTorch and then this package again")  # fmt: skip
        else:
            yield ok("CUDA", "none: no NVIDIA driver, and a PyTorch built without CUDA; device='cpu' only")
        return
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield ok("CUDA", f"CUDA {torch.version.cuda}: {', '.join(names)}")
        return
    hidden = environment.get("CUDA_VISIBLE_DEVICES")
    if not driver:
        yield ok("CUDA", f"PyTorch is built for CUDA {torch.version.cuda}, the machine has no NVIDIA driver; device='cpu' only")
    elif hidden is not None and not re.match(r"\s*\d|\s*GPU-|\s*MIG-", hidden):
        yield warning("CUDA", f"CUDA_VISIBLE_DEVICES={hidden!r} hides every GPU", "unset it, or name the GPUs of this job")
    else:
        try:
            torch.cuda.init()
            reason = "no GPU is seen"
        except Exception as error:  # the driver's own words
            reason = str(error).splitlines()[0]
        advice = f"the driver must be new enough for CUDA {torch.version.cuda}, and the job must have been given a GPU"
        yield warning("CUDA", f"the NVIDIA driver is there, but no GPU can be used: {reason}", advice)


_LOCAL_RANKS = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_LOCAL_SIZE", "PALS_LOCAL_SIZE")


def local_ranks(environment: Mapping[str, str] = os.environ) -> tuple[int, str]:
    """MPI ranks on this node as the launcher tells, and the variable that says so; 1 and nothing outside of one."""
    for name in _LOCAL_RANKS:
        if environment.get(name, "").isdigit():
            return max(1, int(environment[name])), name
    # Slurm counts by node: "4(x2),3". Which node this is it says elsewhere; the largest is what matters for advice.
    for name in ("SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"):
        counts = [int(n) for n in re.findall(r"(?:^|,)(\d+)", environment.get(name, ""))]
        if counts and (name == "SLURM_STEP_TASKS_PER_NODE" or "PMI_RANK" in environment or "SLURM_STEP_ID" in environment):
            return max(1, *counts), name
    return 1, ""


def processor_limit(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """Processors that the container or job may use at a time; None for no limit."""
    limits = []
    with suppress(OSError, ValueError):  # version 2: this process's group and all above it
        group = next((line[3:] for line in own.read_text().splitlines() if line.startswith("0::")), "/")
        folder = root / group.strip("/")
        for level in (folder, *folder.parents):
            if (level / "cpu.max").is_file():
                limit, _, every = (level / "cpu.max").read_text().strip().partition(" ")
                if limit != "max":
                    limits.append(int(limit) / int(every))
            if level == root:
                break
    with suppress(OSError, ValueError):  # version 1
        limit_us, every_us = (int((root / "cpu" / f"cpu.cfs_{what}_us").read_text()) for what in ("quota", "period"))
        if limit_us > 0:
            limits.append(limit_us / every_us)
    return min(limits, default=None)


def threads(
    torch_threads: int | None,
    *,
    environment: Mapping[str, str] = os.environ,
    on_node: int | None = None,
    own: int | None = None,
    limit: float | None = None,
) -> Iterator[Finding]:
    """Threads of LibTorch against the processors that they have."""
    on_node = on_node or os.cpu_count() or 1
    own = own or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else on_node)
    usable = min(own, math.ceil(limit)) if limit else own
    ranks, launcher = local_ranks(environment)
    text = f"{own} of {count(on_node, 'processor')}" + (f", of which the container may use {limit:g}" if limit else "")
    if launcher:
        text += f"; {count(ranks, 'MPI rank')} on this node ({launcher})"
    asked = environment.get("OMP_NUM_THREADS")
    if asked is not None and not re.fullmatch(r"\s*[1-9]\d*\s*(,\s*[1-9]\d*\s*)*", asked):
        yield warning("threads", f"OMP_NUM_THREADS={asked!r} is no number of threads", "set it to a number, or unset it")
    if torch_threads is None:
        yield ok("threads", text)
        return
    text += f"; LibTorch's threads: {torch_threads}" + (f" (OMP_NUM_THREADS={asked})" if asked else "")
    share = max(1, min(usable, int(min(on_node, limit or on_node)) // ranks))
    advice = (
        f"OMP_NUM_THREADS={share}, or call torch_set_num_threads({share}): threads that wait for each other cost much more time"
    )
    if torch_threads > usable:
        yield warning("threads", f"{text}, more than its processors", advice)
    elif ranks * torch_threads > min(on_node, math.ceil(limit) if limit else on_node):
        yield warning("threads", f"{text} each, {ranks * torch_threads} in all, more than there are processors", advice)
    else:
        yield ok("threads", text)


# ---- a model ----


def _other_gpu(wanted: str) -> str:
    """Why a package that was compiled for GPUs of the compute capability ``wanted`` runs on none here; empty where it does."""
    import torch  # noqa: PLC0415 - PyTorch may be broken

    from ftorch_bridge.packages import compute_capability  # noqa: PLC0415

    if not torch.cuda.is_available():
        return f"compiled for GPUs of compute capability {wanted}, PyTorch finds no GPU here"
    here = [compute_capability(i) for i in range(torch.cuda.device_count())]
    return "" if wanted in here else f"compiled for GPUs of compute capability {wanted}, here they have {', '.join(here)}"


def _words_of(needs: Mapping[str, Any]) -> str:
    """What a package was compiled for."""
    gpu = f"GPUs of compute capability {needs['compute_capability']} and " if needs.get("device") == "cuda" else ""
    return gpu + " ".join(needs.get("instructions", []))


def model(path: Path, loads: str | None, torch_version: str | None) -> Iterator[Finding]:
    """Whether a model fits this machine. ``loads`` is libradml's message, empty where it loads; None where nobody could ask."""
    from ftorch_bridge.exporting import ExportError, read_manifest  # noqa: PLC0415 - PyTorch may be broken
    from ftorch_bridge.packages import missing_instructions  # noqa: PLC0415

    name = path.name
    try:
        manifest: dict[str, Any] = read_manifest(path)
    except ExportError as error:
        if not path.is_file():
            yield problem("model", str(error), "check the path")
        elif loads:
            damaged = "copy it again, or " if damage_of(path) else ""
            yield problem("model", loads, f"{damaged}export the model again: ftorch-export")
        else:
            yield warning("model", str(error), "with a manifest every call is checked against it: ftorch-export")
        return
    needs = manifest.get("package")
    if needs:
        if needs.get("machine") not in (None, platform.machine()):
            yield problem("model", f"{name}: compiled for {needs['machine']}, this machine is {platform.machine()}",
                          "export it on a machine of this kind, or as .pt")  # fmt: skip
        if missing := missing_instructions(needs.get("instructions", [])):
            yield problem("model", f"{name}: needs the instruction sets {' '.join(missing)}, which this machine lacks",
                          "export it for a portable level: ftorch-export without --march native, or as .pt")  # fmt: skip
        if torch_version and _release(str(manifest.get("torch", torch_version))) != _release(torch_version):
            yield problem("model", f"{name}: made with PyTorch {manifest['torch']}, installed is {torch_version}",
                          "export it again with the installed PyTorch, or as .pt")  # fmt: skip
        if needs.get("device") == "cuda" and (words := _other_gpu(str(needs.get("compute_capability", "")))):
            yield problem(
                "model", f"{name}: {words}", "run it where such a GPU is, or export it again: for this machine, or as .pt"
            )
            return  # libradml would say it again
    if loads:
        yield problem("model", loads, "export it again with ftorch-export of this installation")
    elif loads == "":
        inputs, outputs = (count(len(manifest[f"{what}s"]), what) for what in ("input", "output"))
        kind = f"a package for {_words_of(needs)}" if needs else "TorchScript"
        yield ok("model", f"{name}: {kind}, {inputs}, {outputs}; loads here")


# ---- a host program ----

_OURS = re.compile(r"^lib(radml|torch\w*|c10\w*|shm)\.so")
_SYSTEM = re.compile(r"^(ld-linux|ld64|lib(c|m|pthread|dl|rt|gcc_s|stdc\+\+|mvec|util|quadmath|gfortran)\.so)")
_OPENMP_SYMBOL = re.compile(r"^(GOMP_|GOACC_|omp_|__kmpc_|kmp_)")
# Functions that another library would need if it came to call them, which most programs never do; and what is only a remark.
_HARMLESS = re.compile(r"undefined symbol: (?!.*/lib(radml|torch\w*|c10\w*)\.so)|no version information available")
_BLAS_SYMBOL = re.compile(r"^(cblas_\w+|mkl_\w+|[sdczi][a-z0-9]{2,9}_)$")


def _base(file: str) -> str:
    return Path(file).name


def integer_size(loaded: Loaded) -> int | None:
    """Bits of the integers that the program's BLAS takes, by asking it in a process of its own; None where it does not tell.

    ``n`` is 3 for whoever reads 32 bits of it, and negative, which is nothing to add up, for whoever reads 64.
    """
    code = (
        "import ctypes\n"
        "dasum = ctypes.CDLL(None).dasum_\n"
        "dasum.restype = ctypes.c_double\n"
        "n, one = (ctypes.c_int32 * 2)(3, -1), ctypes.c_int64(1)\n"
        "print(dasum(n, (ctypes.c_double * 3)(1, 1, 1), ctypes.byref(one)))\n"
    )
    files = [path for path in loaded.libraries.values() if path and not _OURS.match(path.name) and not _SYSTEM.match(path.name)]
    environment = {
        **os.environ,
        "LD_PRELOAD": os.pathsep.join(map(str, files)),  # together, in this order, as in the program
        "LD_LIBRARY_PATH": os.pathsep.join(dict.fromkeys(str(path.parent) for path in files)),
        "OPENBLAS_NUM_THREADS": "1",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-S", "-c", code], env=environment, text=True, capture_output=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"3.0": 32, "0.0": 64}.get(done.stdout.strip()) if done.returncode == 0 else None


def _openmp(loaded: Loaded) -> Iterator[Finding]:
    users: dict[bool, set[str]] = {True: set(), False: set()}
    for (user, symbol), giver in loaded.bindings.items():
        if _OPENMP_SYMBOL.match(symbol) and not _OPENMP.match(_base(user)):
            users[bool(_OURS.match(_base(user)))].add(giver)
    ours, hosts = (", ".join(sorted(files)) for files in (users[True], users[False] - users[True]))
    if len(users[True]) > 1:
        yield problem(
            "host: OpenMP",
            f"LibTorch would use several OpenMP libraries at once: {ours}",
            "link the program with one OpenMP library only, before libradml",
        )
    elif hosts:
        yield warning(
            "host: OpenMP",
            f"the program uses {hosts}, LibTorch {ours}: each has its threads and does not see the other's parallel regions",
            "call torch_set_num_threads(1); or link the program's OpenMP library directly: LibTorch then finds it first",
        )
    else:
        yield ok("host: OpenMP", f"one for all: {ours}" if ours else "none")


def _interposed(loaded: Loaded, alone: Loaded) -> Iterator[Finding]:
    """Symbols that LibTorch takes from itself when it is alone, and from another library in this program."""
    before = {(_base(user), symbol): _base(giver) for (user, symbol), giver in alone.bindings.items()}
    taken: dict[str, set[str]] = defaultdict(set)
    givers: dict[str, list[Path]] = defaultdict(list)
    for (user, symbol), giver in loaded.bindings.items():
        name = _base(giver)
        if not _OURS.match(before.get((_base(user), symbol), "")) or _OURS.match(name) or _SYSTEM.match(name):
            continue
        if symbol.startswith("_Z") or _OPENMP_SYMBOL.match(symbol):  # C++ shares its templates, OpenMP has a check of its own
            continue
        family = "the program's MKL" if name.startswith("libmkl_") else giver
        taken[family].add(symbol)
        givers[family].append(Path(giver))
    for family, symbols in taken.items():
        blas = [symbol for symbol in symbols if _BLAS_SYMBOL.match(symbol)]
        files = list(dict.fromkeys(givers[family]))
        if blas:
            where = f"{family} in {files[0].parent}" if family not in map(str, files) else family
            yield _blas(
                loaded, files, f"{count(len(symbols), 'routine')}, among them {' and '.join(_known(blas))}, from {where}"
            )
        else:
            sample = ", ".join(sorted(symbols)[:3])
            yield warning(
                "host: libraries",
                f"LibTorch would use {count(len(symbols), 'routine')} ({sample}) from {family} in place of its own",
                f"if results differ: {_HIDE}",
            )
    if not taken:
        yield ok("host: BLAS", "LibTorch uses its own BLAS and LAPACK")


_HIDE = "link that library statically and with -Wl,--exclude-libs,ALL, which keeps its names from LibTorch"


def _known(symbols: Sequence[str]) -> list[str]:
    """The matrix products among the symbols, else any."""
    return sorted({"dgemm_", "sgemm_"} & set(symbols)) or sorted(symbols)[:2]


def _blas(loaded: Loaded, files: Sequence[Path], what: str) -> Finding:
    check, what = "host: BLAS", f"LibTorch would use another BLAS in place of its own: {what}"
    if loaded.program.resolve() in (path.resolve() for path in files):
        return warning(
            check,
            f"{what}, which is the program itself; with 64-bit integers they give wrong numbers",
            "link the program with -Wl,--exclude-libs,ALL, which keeps their names from LibTorch",
        )
    bits = integer_size(loaded)
    if bits == 64:
        return problem(
            check,
            f"{what}, whose integers have 64 bits: LibTorch, whose have 32, crashes or gives wrong numbers",
            f"{_HIDE}; or use a BLAS with 32-bit integers, or one with a suffix to its names (dgemm_64_)",
        )
    if bits is None:
        return warning(
            check,
            f"{what}; with 64-bit integers they give wrong numbers",
            f"make sure that its integers have 32 bits; or {_HIDE}",
        )
    return warning(
        check,
        f"{what} (32-bit integers): results are right, but their last bits, speed and threads are that library's",
        f"let it use one thread (OPENBLAS_NUM_THREADS=1, MKL_NUM_THREADS=1); or {_HIDE}",
    )


def _torch_beside(file: Path) -> str | None:
    """Version of the PyTorch whose library lies in ``torch/lib``."""
    told = file.resolve().parents[1] / "version.py"
    found = re.search(r"__version__ = '([^']+)'", told.read_text()) if told.is_file() else None
    return found[1] if found else None


def host(program: Path, built_for: str | None = None) -> Iterator[Finding]:
    """What a program that calls radml would load, and whether that goes together."""
    try:
        loaded = trace(program, lambda user, _: bool(_OURS.match(_base(user))) or not _SYSTEM.match(_base(user)))
    except LoaderError as error:
        yield problem("host", str(error), "name the program that links libradml")
        return
    if missing := [name for name, path in loaded.libraries.items() if path is None]:
        yield problem(
            "host",
            f"{program}: not found: {', '.join(missing)}",
            "link with -Wl,-rpath,FOLDER or let LD_LIBRARY_PATH name it; libradml's: $(ftorch-bridge cmake-prefix)/lib",
        )
        return
    complaints = [text for text in loaded.complaints if not _HARMLESS.search(text)]
    if complaints:
        yield problem(
            "host",
            f"{program}: {complaints[0]}",
            "a library is not the one that was linked: look at LD_LIBRARY_PATH and at the modules that are loaded",
        )
        return
    ours, libtorch = loaded.file(r"^libradml\."), loaded.file(r"^libtorch_cpu\.")
    if ours is None or libtorch is None:
        yield warning(
            "host",
            f"{program}: does not load libradml",
            "link it with radml::radml_torch; what a program loads later, while it runs, cannot be looked at",
        )
        return
    version = _torch_beside(libtorch) or ""
    if version and built_for and _release(version) != _release(built_for):
        yield problem(
            "host",
            f"{program}: would load LibTorch {version} from {libtorch}, libradml is built for {built_for}",
            "look at LD_LIBRARY_PATH and at the order of the program's -rpath",
        )
    else:
        count = len(loaded.libraries)
        text = f"{program}: {count} libraries, libradml from {ours.parent}, LibTorch {version} from {libtorch.parent}"
        yield ok("host", text)
    copies: dict[str, list[str]] = defaultdict(list)
    for name, path in loaded.libraries.items():
        if found := re.match(r"lib(radml|torch_cpu|c10|stdc\+\+)\b", name):
            copies[found[1]].append(str(path))
    for stem, files in copies.items():
        if len(files) > 1:
            yield problem("host", f"{len(files)} copies of lib{stem}: {', '.join(files)}", "link the program with one of them")
    yield from _openmp(loaded)
    try:
        alone = trace(ours, lambda user, _: bool(_OURS.match(_base(user))), library=True)
    except LoaderError as error:
        yield warning("host: BLAS", f"libradml cannot be looked at: {error}", "install the package again")
        return
    yield from _interposed(loaded, alone)


def running(process: int) -> Iterator[Finding]:
    """Libraries of a process that runs, those included that it loaded by itself."""
    try:
        files = loaded_libraries(process)
    except OSError as error:
        yield problem("process", f"{process}: {error.strerror}", "name a process of yours that is running, on this machine")
        return
    if not files:
        yield problem("process", f"{process}: the system does not tell its libraries", "Linux does; is it a process of yours?")
        return
    pattern = re.compile(r"^lib(radml|torch_cpu|c10|stdc\+\+)\b.*\.so")
    copies: dict[str, set[str]] = defaultdict(set)
    for file in files:
        if found := pattern.match(_base(file)):
            copies[found[1]].add(os.path.realpath(file))
    if "radml" not in copies:
        yield warning(
            "process", f"{process}: {len(files)} libraries, libradml is not among them", "name a process that uses radml"
        )
    for stem, several in copies.items():
        if len(several) > 1:
            text = f"{process}: {len(several)} copies of lib{stem}: {', '.join(sorted(several))}"
            yield problem("process", text, "let the program load one of them")
    runtimes = _openmp_files(files)
    if len(runtimes) > 1:
        yield warning(
            "process: OpenMP",
            f"{process}: several OpenMP libraries: {', '.join(runtimes)}",
            "threads may add up; doctor --host PROGRAM tells which of them LibTorch uses",
        )
    else:
        yield ok("process: OpenMP", f"{process}: {runtimes[0] if runtimes else 'none'}")
    blas = [file for file in files if re.match(r"^lib(mkl_|\w*openblas|blas|lapack|blis|flexiblas|armpl|sci_)", _base(file))]
    yield ok("process: BLAS", f"{process}: beside LibTorch's own {', '.join(blas) or 'none'}")


# ---- all of it ----


def examine(
    model_file: Path | None = None,
    program: Path | None = None,
    process: int | None = None,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """Every check; ``progress`` is told what comes next."""
    try:
        torch_version: str | None = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch_version = None
    progress("running a small model in a process of its own")
    found = run_self_test(model_file)
    facts = found if isinstance(found, dict) else {}
    findings = [*python_versions(), *library(found, torch_version), *temporary_folder()]
    findings += threads(facts.get("threads"), limit=processor_limit())
    progress("looking for GPUs and compilers")
    findings += [*cuda(), *compilers()]
    if model_file:
        progress(f"reading {model_file}")
        findings += model(model_file, facts.get("model"), torch_version)
    if program:
        progress(f"asking the dynamic loader about {program}")
        findings += host(program, facts.get("built_for"))
    if process is not None:
        findings += running(process)
    return findings


def worst(findings: Sequence[Finding]) -> State:
    """The gravest of the states."""
    states = {finding.state for finding in findings}
    return "problem" if "problem" in states else "warning" if "warning" in states else "ok"


def table_of(findings: Sequence[Finding]) -> Table:
    """For people: each finding, and below it what to do."""
    table = Table(show_lines=False)
    for heading in ("", "check", "found"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        text = Text(finding.text)
        if finding.advice:
            text.append(f"\n→ {finding.advice}", style="bold")
        table.add_row(Text(finding.state, style=_COLOURS[finding.state]), finding.check, text)
    return table


def to_json(findings: Sequence[Finding]) -> str:
    """For programs."""
    return json.dumps({"state": worst(findings), "findings": [asdict(finding) for finding in findings]}, indent=2)
