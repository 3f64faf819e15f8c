"""Exported models on columns: through plans of the coupling, through LibTorch alone, and beside a product of matrices."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.table import Table
from torch import Tensor

from ftorch_bridge import ftorch, programs
from ftorch_bridge.counting import counted_operations, noted_operations
from ftorch_bridge.manifest import Manifest, read_manifest
from ftorch_bridge.measuring import BenchError, Child, Timing, cell, machine_facts, take_turns
from ftorch_bridge.report import Bar, Bars, Figure
from ftorch_bridge.tables import table_of_numbers
from ftorch_bridge.timed_inputs import Extents, column_dimensions, extents_of, inputs_for, sizes_of, words_of
from ftorch_bridge.transfer import operators_available

SGEMM = "sgemm"
WAYS = {"plan": "plan", "libtorch": "LibTorch alone", "ftorch": "FTorch"}
LEAST_SECONDS = 5e-3  # of what is timed at once: short passes are repeated
OWN_OPERATORS = {"aten", "prim"}  # PyTorch's: what they do can be counted


@dataclass(frozen=True)
class ModelResult:
    """One model on one number of columns."""

    model: str
    columns: int
    microseconds: dict[str, Timing]
    """For a column, by way."""
    speed_up: dict[str, float]
    """Of the plan over each other way, median over repeats."""
    operations: float | None
    """For a column, those of matrix products and convolutions; None where nobody can tell."""
    gigaflops: float | None
    """Of the plan."""
    share_of_sgemm: float | None


@dataclass(frozen=True)
class InferenceBenchmark:
    """Everything of one run."""

    columns_per_block: int
    threads: int
    repeats: int
    sgemm_gigaflops: dict[str, Timing]
    """By number of columns, in the same turns as the models."""
    results: list[ModelResult]
    extents: dict[str, dict[str, int]]
    """By model: what its free dimensions are, but that of the columns."""
    machine: dict[str, str]
    missing: list[str]
    """What could not be run, and why."""

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


class Inputs(torch.nn.Module):
    """Tensors in a file."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        for i, tensor in enumerate(tensors):
            self.register_buffer(f"tensor_{i}", tensor)

    def forward(self) -> tuple[Tensor, ...]:
        return tuple(self.buffers())

    def save(self, path: Path) -> None:
        """As TorchScript, for the programs."""
        torch.jit.trace(self, ()).save(str(path))


def hidden_operators(model: Path) -> list[str]:
    """Operators in a TorchScript file that are not PyTorch's: what they do is not counted, and FTorch does not know them."""

    def kinds(block: torch.Graph | torch.Block) -> Iterator[str]:
        for node in block.nodes():
            yield node.kind()
            for inner in node.blocks():
                yield from kinds(inner)

    operators_available()  # a file that has them cannot be read without
    try:
        graph = torch.jit.load(model).inlined_graph
    except RuntimeError as error:
        raise BenchError(f"{model}: PyTorch cannot load it: {' '.join(str(error).split())[:200]}") from None
    return sorted({kind for kind in kinds(graph) if kind.partition("::")[0] not in OWN_OPERATORS})


def passes(
    model: Path, manifest: Manifest, inputs: Sequence[Tensor], columns_per_block: int, threads: int = 1
) -> contextlib.AbstractContextManager[Child]:
    """A process that makes passes of a model over its columns: ``plan``, ``libtorch`` and ``sgemm``.

    A block has no more columns than there are: a plan fills blocks up, and a host with few columns names smaller ones.
    """
    return _passes(model, manifest, inputs, columns_per_block, threads)


@contextlib.contextmanager
def _passes(model: Path, manifest: Manifest, inputs: Sequence[Tensor], columns_per_block: int, threads: int) -> Iterator[Child]:
    _, of_inputs, of_outputs = column_dimensions(manifest)
    number = next(tensor.shape[d] for tensor, d in zip(inputs, of_inputs, strict=True) if d >= 0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "inputs.pt"
        Inputs(inputs).save(file)
        dimensions = (",".join(map(str, numbers)) for numbers in (of_inputs, of_outputs))
        options = (*dimensions, str(min(columns_per_block, number)), str(threads))
        command = [programs.program("radml-bench-inference"), model, file, *options]
        with Child(f"{model.name}: radml-bench-inference", command, threads) as child:
            for _ in range(2):  # LibTorch compiles in its first calls
                child.seconds("plan")
            yield child


def repeated(child: Child, work: str) -> Callable[[], float]:
    """Time of one pass, from so many at once that the clock is not what is timed."""
    child.seconds(work)  # LibTorch compiles in its first calls
    child.seconds(work)
    number = min(max(1, math.ceil(LEAST_SECONDS / max(child.seconds(work), 1e-7))), 10_000)
    return lambda: child.seconds(f"{work} {number}") / number


def operations_of(model: Path, manifest: Manifest, extents: Extents | None = None) -> float | None:
    """Operations for a column: as the exporter noted them, or counted on the loaded module. None where neither can be.

    They cannot be counted in packages and where operators hide them.
    """
    number = 64
    inputs = inputs_for(manifest, number, extents)
    name, others = column_dimensions(manifest)[0], sizes_of(manifest, inputs)
    if (noted := noted_operations(manifest.metadata, name, others)) is not None:
        return noted
    if model.suffix != ".pt" or hidden_operators(model):
        return None
    module = torch.jit.load(model)
    return counted_operations(lambda: module(*inputs)) / number


def run_inference(
    models: Sequence[Path],
    numbers: Sequence[int],
    *,
    columns_per_block: int = 128,
    threads: int = 1,
    repeats: int = 9,
    operations: Mapping[str, float] | None = None,
    ftorch_prefix: Path | None = None,
    extents: Mapping[str, int] | None = None,
    step: Callable[[str], None] = lambda words: None,
) -> InferenceBenchmark:
    """Time all models in turns, with each number of columns.

    ``operations`` for a column, by name of a model, stand where they cannot be counted. ``extents`` are those of free
    dimensions other than the columns. With the prefix of an installed FTorch TorchScript models run through it too. Raises
    :class:`BenchError`, :class:`programs.ProgramError` and :class:`ftorch_bridge.exporting.ExportError`.
    """
    manifests = {model: Manifest.from_json(read_manifest(model)) for model in models}
    of_models = extents_of(models, extents or {})
    given, missing = dict(operations or {}), []
    if unknown := given.keys() - {model.name for model in models}:
        raise BenchError(f"--flops {sorted(unknown)[0]}: expected one of {', '.join(model.name for model in models)}")
    work: dict[Path, float | None] = {}
    for model, manifest in manifests.items():
        work[model] = given.get(model.name) or operations_of(model, manifest, of_models[model])
        if work[model] is None:
            missing.append(
                f"{model.name}: its operations cannot be counted; say them for a column: --flops {model.name}=NUMBER"
            )
    through: dict[Path, str] = {}
    sgemm: dict[str, Timing] = {}
    results = []
    used: dict[str, dict[str, int]] = {}
    with contextlib.ExitStack() as program_stack:
        if ftorch_prefix is not None:
            step("building a program with FTorch")
            rival = program_stack.enter_context(ftorch.built_program(ftorch_prefix))
            for model in models:
                why = "a package" if model.suffix != ".pt" else ", ".join(hidden_operators(model))
                through[model] = why
                if why:
                    missing.append(f"{model.name}: FTorch cannot load it ({why})")
        for number in numbers:
            with contextlib.ExitStack() as stack:
                ways: dict[tuple[Path | str, str], Callable[[], float]] = {}
                yardstick: Child | None = None
                for model, manifest in manifests.items():
                    step(f"{model.name}: {number} columns")
                    inputs = inputs_for(manifest, number, of_models[model])
                    used[model.name] = sizes_of(manifest, inputs)
                    child = stack.enter_context(passes(model, manifest, inputs, columns_per_block, threads))
                    yardstick = yardstick or child
                    for way in ("plan", "libtorch"):
                        ways[model, way] = repeated(child, way)
                    if through.get(model) == "":
                        blocks = _blocks(inputs, column_dimensions(manifest)[1], columns_per_block)
                        other = stack.enter_context(ftorch.passes(rival, model, blocks, threads))
                        ways[model, "ftorch"] = repeated(other, "ready")
                assert yardstick is not None
                ways[SGEMM, SGEMM] = partial(yardstick.seconds, SGEMM)
                seconds = take_turns(ways, repeats, lambda words, number=number: step(f"{number} columns: {words}"))
                rate = Timing.of_rates(1e-9 * yardstick.facts["sgemm_operations"] / seconds[SGEMM, SGEMM])
            sgemm[str(number)] = rate
            results += [_result(model, number, seconds, work[model], rate) for model in models]
    facts = machine_facts()
    if ftorch_prefix is not None:
        facts["ftorch"] = str(ftorch_prefix)
    return InferenceBenchmark(columns_per_block, threads, repeats, sgemm, results, used, facts, missing)


def _blocks(inputs: Sequence[Tensor], dimensions: Sequence[int], columns_per_block: int) -> list[list[Tensor]]:
    """The inputs of each block, as those of a host that calls a model block by block."""
    count = next(tensor.shape[d] for tensor, d in zip(inputs, dimensions, strict=True) if d >= 0)
    return [
        [
            tensor if d < 0 else tensor.narrow(d, first, min(columns_per_block, count - first))
            for tensor, d in zip(inputs, dimensions, strict=True)
        ]
        for first in range(0, count, columns_per_block)
    ]


def _result(
    model: Path, number: int, seconds: Mapping[tuple[Path | str, str], np.ndarray], operations: float | None, sgemm: Timing
) -> ModelResult:
    found = {way: seconds[model, way] for way in WAYS if (model, way) in seconds}
    gigaflops = None if operations is None else float(1e-9 * operations * number / np.median(found["plan"]))
    return ModelResult(
        model=model.name,
        columns=number,
        microseconds={way: Timing.of(1e6 * times / number) for way, times in found.items()},
        speed_up={way: float(np.median(times / found["plan"])) for way, times in found.items() if way != "plan"},
        operations=operations,
        gigaflops=gigaflops,
        share_of_sgemm=None if gigaflops is None else gigaflops / sgemm.median,
    )


def tables_of(result: InferenceBenchmark) -> list[Table]:
    """For people."""
    ways = [way for way in WAYS if any(way in found.microseconds for found in result.results)]
    threads = f"{result.threads} thread{'s' if result.threads > 1 else ''}"
    with_extents = any(result.extents.values())
    table = table_of_numbers(
        f"time for a column [µs], blocks of {result.columns_per_block} at most, {threads} of {result.machine['processor']}, "
        f"{result.repeats} repeats: median (range)",
        "model",
        "columns",
        *["extents"] * with_extents,
        *(WAYS[way] for way in ways),
        *(f"plan over {WAYS[way]}" for way in ways if way != "plan"),
        "GFLOP/s",
        "share of sgemm",
    )
    for i, found in enumerate(result.results):
        rate = found.gigaflops
        table.add_row(
            found.model,
            str(found.columns),
            *[words_of(result.extents[found.model])] * with_extents,
            *(cell(found.microseconds[way], 2) if way in found.microseconds else "" for way in ways),
            *(f"{found.speed_up[way]:.2f}" if way in found.speed_up else "" for way in ways if way != "plan"),
            "unknown" if rate is None else f"{rate:.1f}",
            "unknown" if found.share_of_sgemm is None else f"{found.share_of_sgemm:.2f}",
        )
        if i + 1 == len(result.results) or result.results[i + 1].columns != found.columns:
            sgemm = cell(result.sgemm_gigaflops[str(found.columns)])
            table.add_row("sgemm, in the same turns", "", *([""] * (2 * len(ways) - 1 + with_extents)), sgemm, "1")
            table.add_section()
    return [table]


def figures_of(result: InferenceBenchmark) -> list[Figure]:
    """Times as bars, and operations a second beside sgemm's."""
    times = [
        Bar.of(WAYS[way], timing, group=f"{found.model}, {found.columns} columns", series=list(WAYS).index(way))
        for found in result.results
        for way, timing in found.microseconds.items()
    ]
    figures: list[Figure] = [Bars("time for a column", "µs a column", times)]
    rates = []
    for number, sgemm in result.sgemm_gigaflops.items():
        group = f"{number} columns"
        counted = [found for found in result.results if str(found.columns) == number and found.gigaflops is not None]
        rates += [Bar(found.model, found.gigaflops or 0.0, group=group) for found in counted]
        if counted:
            rates.append(Bar.of("sgemm, the yardstick", sgemm, group=group, series=5))
    if rates:
        figures.append(Bars("operations a second, of the plan", "GFLOP/s", rates))
    return figures
