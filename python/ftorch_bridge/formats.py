"""A model as TorchScript and as a package, through plans, against LibTorch alone: the program ``radml-bench-formats``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import xarray as xr
from rich.table import Table

from ftorch_bridge import programs
from ftorch_bridge.exporting import describe, export, load_source
from ftorch_bridge.inference import Inputs
from ftorch_bridge.manifest import Manifest, brackets, read_manifest
from ftorch_bridge.measuring import BenchError, machine_facts
from ftorch_bridge.report import Bar, Bars, Figure
from ftorch_bridge.tables import table_of_numbers
from ftorch_bridge.timed_inputs import column_dimensions, extents_of, inputs_for, sizes_of, words_of


@dataclass(frozen=True)
class Formats:
    """One number of columns in a call, on one thread: medians and ranges over turns [µs a column]."""

    columns: int
    raw_us: float
    """LibTorch alone: ``module.forward`` of the TorchScript file in C++, on tensors that are ready."""
    raw_least_us: float
    raw_most_us: float
    script_plan_us: float
    script_plan_least_us: float
    script_plan_most_us: float
    script_plan_speed_up: float
    """Median over the turns of the time of LibTorch alone divided by the plan's."""
    package_plan_us: float
    package_plan_least_us: float
    package_plan_most_us: float
    package_plan_speed_up: float
    package_difference: float
    """Of the package's outputs from the TorchScript file's, the largest, relative to the output's largest value."""

    @classmethod
    def parse(cls, printed: str) -> Formats:
        """From what the program prints: a name and a value on each line."""
        found = dict(line.split() for line in printed.splitlines() if line.strip())
        return cls(**{name: int(found[name]) if name == "columns" else float(found[name]) for name in cls.__dataclass_fields__})


def to_dict(results: Sequence[Formats], model: str, extents: Mapping[str, int]) -> dict[str, object]:
    """Everything, for JSON."""
    return {
        "model": model,
        "extents": dict(extents),
        "results": [asdict(result) for result in results],
        "machine": machine_facts(),
    }


def table_of(results: Sequence[Formats], model: str, extents: Mapping[str, int]) -> Table:
    """For people."""
    model = f"{model}, {words_of(extents)}" if extents else model
    headings = ("LibTorch alone, .pt", "plan, .pt", "plan, .pt2", ".pt2 to LibTorch alone")
    table = table_of_numbers(f"{model}, one thread [µs a column]", "columns in a call", *headings)
    for result in results:
        table.add_row(
            str(result.columns),
            *(
                f"{median:.1f} ({least:.1f} to {most:.1f})"
                for median, least, most in (
                    (result.raw_us, result.raw_least_us, result.raw_most_us),
                    (result.script_plan_us, result.script_plan_least_us, result.script_plan_most_us),
                    (result.package_plan_us, result.package_plan_least_us, result.package_plan_most_us),
                )
            ),
            f"{result.package_plan_speed_up:.2f} times as fast",
        )
    return table


def figures_of(results: Sequence[Formats]) -> list[Figure]:
    """The times as bars."""
    names = {"raw": "LibTorch alone, .pt", "script_plan": "plan, .pt", "package_plan": "plan, .pt2"}
    bars = [
        Bar(
            label,
            *(getattr(result, f"{way}{which}_us") for which in ("", "_least", "_most")),
            group=f"{result.columns} columns in a call",
            series=series,
        )
        for result in results
        for series, (way, label) in enumerate(names.items())
    ]
    return [Bars("time for a column", "µs a column", bars)]


def export_network(folder: Path, columns: xr.Dataset, march: str, tell: Callable[[str], None]) -> tuple[Path, Path]:
    """The shipped network in both formats, for the layers of ``columns``; ``tell`` gets what is being done."""
    module, notes = load_source("ftorch_bridge.networks:ResCNN", programs.data_file("rescnn_longwave.safetensors"))
    manifest = describe(module, "rescnn", "float64", [], [], notes).fixed({"layer": columns.sizes["layer"]})
    script, package = folder / "rescnn.pt", folder / "rescnn.pt2"
    tell("exporting the network as TorchScript")
    export(module, manifest, script, columns=columns)
    tell("compiling the network as a package: a minute")
    # It adds up in another order: heating of thin layers, of differences of single-precision fluxes, shows it.
    export(module, manifest, package, columns=columns, march=march, tolerance=2e-4)
    return script, package


def run_formats(
    script: Path,
    package: Path,
    extents: Mapping[str, int],
    blocks: Sequence[int],
    repeats: int,
    tell: Callable[[str], None],
) -> tuple[list[Formats], dict[str, int]]:
    """Time one model in both formats, in calls of each number of columns in ``blocks``.

    ``extents`` are those of free dimensions other than the columns; those of all such dimensions are returned too. Raises
    :class:`BenchError` for a model whose first input has its columns elsewhere than in its first dimension.
    """
    of_model = extents_of([package], extents)[package]
    manifest = Manifest.from_json(read_manifest(package))
    column, places, _ = column_dimensions(manifest)
    if places[0] != 0:
        first = manifest.inputs[0]
        raise BenchError(
            f"{package}: expected {column!r} as the first dimension of the first input, got {first.name}{brackets(first.shape)}"
        )
    results = []
    used = sizes_of(manifest, inputs_for(manifest, 1, of_model))
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.pt"
        for block in blocks:
            tell(f"timing calls of {block} columns")
            Inputs(inputs_for(manifest, block, of_model)).save(inputs)
            printed = programs.run("radml-bench-formats", script, package, inputs, str(repeats), threads=1)
            results.append(Formats.parse(printed))
    return results, used
