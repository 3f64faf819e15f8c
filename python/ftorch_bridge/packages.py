"""Packages of machine code (``.pt2``): PyTorch's exporter and AOTInductor compile a module ahead of time.

A package checks nothing that it is given, so what it was compiled for is written down here for the coupling library to enforce:
the order of the inputs' elements, the range of each free dimension, the instructions of the processor, the kind of GPU, and
checksums.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ftorch_bridge.wording import plain

MANIFEST_FILE = "radml.json"
MARCHES = ("portable", "native")
DEVICES = ("cpu", "cuda")
Range = tuple[int, int | None]
"""The least and the largest extent of a free dimension; no largest where it is None."""
_PORTABLE = {"x86_64": ("x86-64-v3", 256), "aarch64": ("armv8-a", 128), "arm64": ("armv8-a", 128)}

# What a compiler defines where it may use an instruction set, and Linux's name for the processor's having it.
_INSTRUCTIONS = {
    "SSE3": "pni",
    "SSSE3": "ssse3",
    "SSE4A": "sse4a",
    "SSE4_1": "sse4_1",
    "SSE4_2": "sse4_2",
    "POPCNT": "popcnt",
    "LZCNT": "abm",
    "MOVBE": "movbe",
    "BMI": "bmi1",
    "BMI2": "bmi2",
    "ADX": "adx",
    "F16C": "f16c",
    "FMA": "fma",
    "FMA4": "fma4",
    "XOP": "xop",
    "TBM": "tbm",
    "GFNI": "gfni",
    "VAES": "vaes",
    "VPCLMULQDQ": "vpclmulqdq",
    "AVX": "avx",
    "AVX2": "avx2",
    "AVXVNNI": "avx_vnni",
    "AVX512F": "avx512f",
    "AVX512CD": "avx512cd",
    "AVX512DQ": "avx512dq",
    "AVX512BW": "avx512bw",
    "AVX512VL": "avx512vl",
    "AVX512IFMA": "avx512ifma",
    "AVX512VBMI": "avx512vbmi",
    "AVX512VBMI2": "avx512_vbmi2",
    "AVX512VNNI": "avx512_vnni",
    "AVX512BITALG": "avx512_bitalg",
    "AVX512VPOPCNTDQ": "avx512_vpopcntdq",
    "AVX512BF16": "avx512_bf16",
    "AVX512FP16": "avx512_fp16",
    "AVX512VP2INTERSECT": "avx512_vp2intersect",
    "AMX_TILE": "amx_tile",
    "AMX_BF16": "amx_bf16",
    "AMX_INT8": "amx_int8",
    "ARM_FEATURE_DOTPROD": "asimddp",
    "ARM_FEATURE_ATOMICS": "atomics",
    "ARM_FEATURE_BF16": "bf16",
    "ARM_FEATURE_SVE": "sve",
    "ARM_FEATURE_SVE2": "sve2",
}


class PackageError(ValueError):
    """A module that cannot be compiled, or a machine that cannot compile it."""


@dataclass(frozen=True)
class Compiled:
    """What a package was compiled for: what the manifest must say."""

    inputs: tuple[dict[str, object], ...]
    """By input: ``layout`` and, where the model works in place on it, ``written``."""
    ranges: dict[str, Range]
    """By free dimension that has one: the least and the largest extent."""
    needs: dict[str, object]


def _compiler() -> str:
    from torch._inductor import config  # noqa: PLC0415 (slow, and only packages need it)

    names = [name for name in config.cpp.cxx if name]
    for name in names:
        if found := shutil.which(name):
            return found
    tried = ", ".join(names)
    raise PackageError(f"a package (.pt2) is compiled by a C++ compiler: found none ({tried}); install one or set CXX")


def check_device(device: str) -> None:
    """Raises :class:`PackageError` where no package for ``device`` can be compiled here and checked."""
    if device == "cpu" or torch.cuda.is_available():
        return
    found = "finds none here" if torch.version.cuda else "is built without CUDA"
    raise PackageError(
        f"--device cuda: a package is compiled for the GPU that PyTorch finds, and PyTorch {torch.__version__} {found}; export "
        "it where the GPU is, or as TorchScript (.pt), which any device runs"
    )


def compute_capability(device: int | None = None) -> str:
    """Of a GPU, the current one where none is named: ``9.0``."""
    return ".".join(map(str, torch.cuda.get_device_capability(device)))


def _settings_of_gpu() -> dict[str, Any]:
    """Inductor's settings for a GPU: a package of one library, its kernels inside."""
    from torch._inductor import config  # noqa: PLC0415

    if not hasattr(config.aot_inductor, "embed_kernel_binary"):
        raise PackageError(
            f"--device cuda: PyTorch {torch.__version__} keeps the kernels of a package in files beside its library; install a "
            "newer one, or export TorchScript (.pt)"
        )
    return {"aot_inductor.embed_kernel_binary": True}


def _settings(march: str) -> dict[str, Any]:
    """Inductor's settings for a level of instructions."""
    from torch._inductor import config  # noqa: PLC0415

    if not hasattr(config.cpp, "march"):
        raise PackageError(
            f"PyTorch {torch.__version__} cannot be told for which instructions it compiles a package (.pt2); install a newer "
            "one, or export TorchScript (.pt)"
        )
    # As many threads as the host allows at run time, and not as many as this machine has.
    settings: dict[str, Any] = {"cpp.dynamic_threads": True}
    if march == "native":
        return settings | {"cpp.march": None if sys.platform == "darwin" else "native", "cpp.simdlen": None}
    if march != "portable":
        raise PackageError(f"--march {march}: expected {' or '.join(MARCHES)}")
    if platform.machine() not in _PORTABLE:
        raise PackageError(f"no portable level is known for {platform.machine()} processors; use --march native")
    level, bits = _PORTABLE[platform.machine()]
    return settings | {"cpp.march": level, "cpp.simdlen": bits}


def _instructions(compiler: str, settings: dict[str, Any]) -> list[str]:
    """The instruction sets that code compiled with these settings may use, as Linux names them."""
    from torch._inductor import config  # noqa: PLC0415
    from torch._inductor.cpu_vec_isa import pick_vec_isa  # noqa: PLC0415

    with config.patch(settings):
        flags = pick_vec_isa().build_arch_flags().split()
    if settings["cpp.march"]:
        flags.insert(0, f"-march={settings['cpp.march']}")
    command = [compiler, *flags, "-dM", "-E", "-x", "c++", os.devnull]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise PackageError(f"{compiler} does not know {' '.join(flags)}: {' '.join(done.stderr.split())}")
    defined = set(re.findall(r"^#define __(\w+?)(?:__)? ", done.stdout, re.MULTILINE))
    return [name for macro, name in _INSTRUCTIONS.items() if macro in defined]


def missing_instructions(wanted: Sequence[str]) -> list[str]:
    """Those of ``wanted`` that this machine lacks; none where the system does not tell."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return []
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", path.read_text(), re.MULTILINE)
    present = set(line[1].split()) if line else set(wanted)
    return [name for name in wanted if name not in present]


def _exported(
    module: nn.Module,
    inputs: Sequence[Tensor],
    shapes: Sequence[Sequence[int | str]],
    limits: Mapping[str, Range],
) -> torch.export.ExportedProgram:
    dimensions: dict[str, Any] = {}

    def dynamic(extent: str) -> Any:
        name, _, more = extent.partition("+")
        least, most = limits.get(name, (0, None))
        dimension = dimensions.setdefault(name, torch.export.Dim(name, min=least or None, max=most))
        return dimension + int(more) if more and int(more) > 0 else dimension

    dynamic_shapes = tuple({i: dynamic(e) for i, e in enumerate(shape) if isinstance(e, str)} for shape in shapes)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # where it fails it prints its graph
            return torch.export.export(module, tuple(inputs), dynamic_shapes=dynamic_shapes)
    except Exception as error:  # the exporter raises what it likes
        words = " ".join(plain(error).split())
        words = words.partition(" The error above occurred")[0].partition(" If you're")[0]
        hint = ""
        if "Constraints violated" in words:
            hint = "; give the extents it works for (--range name=least:most), or one (--fix name=number)"
        elif "data-dependent" in words or "DataDependent" in words or "dynamic control flow" in words:
            hint = (
                "; the model decides by values that are known only at run time: choose between results with torch.where, "
                "or export TorchScript (.pt), which keeps branches"
            )
        raise PackageError(f"torch.export cannot export it: {words[:500]}{hint}") from error


def _on_device(program: torch.export.ExportedProgram, device: str) -> torch.export.ExportedProgram:
    from torch.export.passes import move_to_device_pass  # noqa: PLC0415 - older releases have none, and no such packages

    return move_to_device_pass(program, device)


def program_ranges(program: torch.export.ExportedProgram, shapes: Sequence[Sequence[int | str]]) -> dict[str, Range]:
    """The range of each free dimension for which the exported program holds, where it is not everything."""
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    ranges: dict[str, Range] = {}
    for name, shape in zip(program.graph_signature.user_inputs, shapes, strict=True):
        for extent, size in zip(shape, values[name].shape, strict=True):
            if isinstance(extent, int) or not isinstance(size, torch.SymInt):
                continue
            base, _, more = extent.partition("+")
            limits = program.range_constraints.get(size.node.expr)
            if limits is None:
                continue
            least, most = ranges.get(base, (0, None))
            least = max(least, int(limits.lower) - int(more or 0))
            if limits.upper.is_Integer:
                upper = int(limits.upper) - int(more or 0)
                most = upper if most is None else min(most, upper)
            ranges[base] = (least, most)
    return {name: limits for name, limits in ranges.items() if limits != (0, None)}


def _words_of(error: Exception) -> str:
    """What went wrong: what a compiler called an error, for its command comes first and is long, else the first words."""
    text = plain(error)
    lines = [line for line in text.splitlines() if re.search(r"\berror: |cannot find -l", line)]
    return " ".join(" ".join(lines[:3] or text.splitlines()).split())[:400]


def compile_package(
    module: nn.Module,
    inputs: Sequence[Tensor],
    shapes: Sequence[Sequence[int | str]],
    path: Path,
    *,
    limits: Mapping[str, Range] | None = None,
    march: str = "portable",
    layout: str = "fortran",
    device: str = "cpu",
) -> Compiled:
    """Compile ``module`` for inputs like ``inputs`` into the package ``path``, which has no manifest yet.

    ``shapes`` name the free dimensions, as in the manifest; ``limits`` say what they may be. Module and inputs are on the CPU,
    whatever the ``device`` that the package is for. Raises :class:`PackageError`.
    """
    check_device(device)
    if isinstance(module, torch.jit.ScriptModule):
        raise PackageError("a package is compiled from a PyTorch module, not from TorchScript; give its class and weights")
    compiler, settings = _compiler(), _settings(march)
    instructions = _instructions(compiler, settings)
    if missing := missing_instructions(instructions):
        raise PackageError(f"cannot check a package that needs {' '.join(missing)} on this machine, which has none of these")
    needs: dict[str, object] = {"device": device, "machine": platform.machine(), "instructions": instructions}
    if device == "cuda":
        settings |= _settings_of_gpu()
        needs["compute_capability"] = compute_capability()
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        program = _exported(module, inputs, shapes, limits or {})
        if device == "cuda":
            program = _on_device(program, device)
        draft = Path(folder) / "model.pt2"
        try:
            torch._inductor.aoti_compile_and_package(program, package_path=str(draft), inductor_configs=settings)
        except Exception as error:  # so does the compiler
            raise PackageError(f"AOTInductor cannot compile it: {type(error).__name__}: {_words_of(error)}") from error
        shutil.move(draft, path)
        # The program as exported still works in place; without that its signature says on what.
        written = set(program.run_decompositions({}).graph_signature.user_inputs_to_mutate.values())
    with zipfile.ZipFile(path) as archive:
        records = [r for r in archive.namelist() if "/data/aotinductor/" in r and not r.endswith(".cpp")]
        sums = {r.rpartition("/")[2]: zlib.crc32(archive.read(r)) for r in records}
    return Compiled(
        tuple(
            {"layout": layout, "written": True} if name in written else {"layout": layout}
            for name in program.graph_signature.user_inputs
        ),
        program_ranges(program, shapes),
        needs | {"crc32": sums},
    )


def add_manifest(path: Path, manifest: str) -> None:
    """Put the text of ``radml.json`` into the package."""
    with zipfile.ZipFile(path, "a") as archive:
        root = archive.namelist()[0].partition("/")[0]
        archive.writestr(f"{root}/extra/{MANIFEST_FILE}", manifest)


def load_package(path: Path, device: str = "cpu") -> Callable[..., Any]:
    """The package for ``device`` as a function of its inputs on the CPU, which gives results there."""
    logger = logging.getLogger("torch.export.pt2_archive._package")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of packages for an older processor than this one
    try:
        package = torch._inductor.aoti_load_package(str(path))
    finally:
        logger.setLevel(level)
    if device == "cpu":
        return package

    def through_the_device(*inputs: Tensor) -> object:
        result = package(*(tensor.to(device) for tensor in inputs))
        return pytree.tree_map_only(Tensor, Tensor.cpu, result)

    return through_the_device


def flatten(result: object) -> list[tuple[str, object]]:
    """The leaves of nested tuples, lists and dictionaries in order, each with its place, as in ``[1]['up']``."""
    return [(pytree.keystr(path), leaf) for path, leaf in pytree.tree_flatten_with_path(result)[0]]
