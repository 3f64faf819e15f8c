"""FTorch, the other coupling of Fortran with PyTorch, where the user has it installed: a program of its own that is timed.

Its module files fit one Fortran compiler, so that the program is built where it is needed, with the compiler that CMake
takes (``FC``), which must be the one that FTorch was built with.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ftorch_bridge.measuring import BenchError, Child

SOURCE = Path(__file__).parent / "ftorch_program"
TOLERANCE = 1e-3  # of a result relative to the output's largest value: the module is not frozen, and adds up in another order


@contextlib.contextmanager
def built_program(prefix: Path) -> Iterator[Path]:
    """A program that runs models through the FTorch installed in ``prefix``. Raises :class:`BenchError`."""
    if not list(prefix.glob("lib*/**/FTorchConfig.cmake")):
        raise BenchError(f"{prefix}: no FTorch is installed there (expected lib/cmake/FTorch/FTorchConfig.cmake)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = ";".join([str(prefix.resolve()), torch.utils.cmake_prefix_path])
        configure = ["cmake", "-S", SOURCE, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_PREFIX_PATH={paths}"]
        for command in (configure, ["cmake", "--build", folder]):
            try:
                done = subprocess.run([str(word) for word in command], text=True, capture_output=True, check=False)
            except FileNotFoundError:
                raise BenchError("--ftorch needs CMake, a Fortran and a C++ compiler: there is no cmake") from None
            if done.returncode != 0:
                said = [line.strip() for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
                words = next(
                    (line for line in said if "Error" in line or "error" in line or "could not" in line.lower()), said[-1]
                )
                raise BenchError(f"{prefix}: no program can be built with this FTorch: {words}")
        yield folder / "ftorch-passes"


@contextlib.contextmanager
def passes(program: Path, model: Path, blocks: Sequence[Sequence[Tensor]], threads: int = 1) -> Iterator[Child]:
    """A process that makes passes of ``model`` over the blocks: ``ready`` and ``whole``, with the number of passes.

    Its results are checked against PyTorch's. Raises :class:`BenchError` and
    :class:`ftorch_bridge.programs.ProgramError`.
    """
    module = torch.jit.load(model).eval()
    with torch.inference_mode():
        wanted = [_tensors(module(*inputs)) for inputs in blocks]
    with tempfile.TemporaryDirectory() as folder:
        arrays, results = Path(folder) / "arrays.bin", Path(folder) / "results.bin"
        with arrays.open("wb") as file:
            np.array([len(blocks), len(blocks[0]), len(wanted[0])], np.int64).tofile(file)
            for inputs, outputs in zip(blocks, wanted, strict=True):
                for tensor in (*inputs, *outputs):
                    np.array([tensor.element_size(), tensor.dim(), *tensor.shape], np.int64).tofile(file)
                    if any(tensor is given for given in inputs):
                        tensor.numpy().ravel(order="F").tofile(file)
        with Child(f"{model.name}: FTorch", [program, model, arrays], threads) as child:
            child.seconds("ready 1")
            child.ask(f"write {results}")
            _check(model, results, [tensor for outputs in wanted for tensor in outputs])
            yield child


def _tensors(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (result,) if isinstance(result, Tensor) else tuple(result)


def _check(model: Path, results: Path, wanted: Sequence[Tensor]) -> None:
    """What is timed must be the model."""
    with results.open("rb") as file:
        for tensor in wanted:
            expected = tensor.numpy().ravel(order="F")
            found = np.fromfile(file, expected.dtype, expected.size)
            difference = float(np.abs(found - expected).max()) / max(float(np.abs(expected).max()), 1e-30)
            if not difference <= TOLERANCE:
                raise BenchError(
                    f"{model.name}: FTorch's results differ from PyTorch's by {difference:.1e} of the largest value"
                )
