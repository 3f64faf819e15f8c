"""ftorch-export: a PyTorch module becomes the file that a Fortran host loads."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer
import xarray as xr

from ftorch_bridge.adapting import Scaling, parse_affine, read_scaling
from ftorch_bridge.cli import console, one_line_errors
from ftorch_bridge.column_file import read_columns
from ftorch_bridge.envelope import METADATA_KEY, Envelope
from ftorch_bridge.exporting import ExportError, Manifest, describe, export, load_source
from ftorch_bridge.files import expect_place
from ftorch_bridge.sampling import read_data
from ftorch_bridge.wording import count

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

EXAMPLES = """
**Examples**

A class of nets.py with weights saved by torch.save or safetensors, as TorchScript:

    ftorch-export nets:Net --weights weights.pt --input "t:float32[column,layer]:K"
      --output-argument "heating:float32[column,layer]:K s-1" -o net.pt

The same network, trained on normalised data, as a package that takes physical units:

    ftorch-export nets:Net --weights weights.pt --input "t:float32[column,89]:K"
      --output-argument "heating:float32[column,89]:K s-1"
      --scale-input "t=250,30" --scale-output "heating=0,1e-5" -o net.pt2

A program saved by torch.export.save, checked on one's own data:

    ftorch-export program.pt2 --input "x:float32[n,8]" --output-argument "y:float32[n,2]"
      --data inputs.nc -o net.pt2

What is refused, and how to mend it: docs/export.md.
"""


def fixed_extent(text: str) -> tuple[str, int]:
    """From ``name=number``."""
    name, _, number = text.partition("=")
    if not name.isidentifier() or not number.isdigit():
        raise ExportError(f"--fix {text}: expected name=number, as in layer=89")
    return name, int(number)


def limited_extent(text: str) -> tuple[str, tuple[int, int | None]]:
    """From ``name=least:most`` or ``name=least:``."""
    name, _, limits = text.partition("=")
    least, colon, most = limits.partition(":")
    if not (name.isidentifier() and least.isdigit() and colon and (most.isdigit() or not most)):
        raise ExportError(f"--range {text}: expected name=least:most or name=least:, as in column=1:1000")
    return name, (int(least), int(most) if most else None)


def sampled_range(text: str) -> tuple[str, tuple[float, float]]:
    """From ``name=low:high``."""
    name, _, limits = text.partition("=")
    try:
        low, high = (float(number) for number in limits.split(":"))
    except ValueError:
        raise ExportError(f"--sample {text}: expected name=low:high, as in t=200:320") from None
    if not low <= high:
        raise ExportError(f"--sample {text}: expected the lower number first")
    return name, (low, high)


def batch_sizes(text: str) -> tuple[int, ...]:
    """From ``64,1,17``."""
    numbers = [part.strip() for part in text.split(",")]
    if not all(number.isdigit() and int(number) > 0 for number in numbers):
        raise ExportError(f"--batch-sizes {text}: expected whole numbers above 0, as in 64,1,17")
    return tuple(int(number) for number in numbers)


def all_scaling(file: Path | None, inputs: list[str], outputs: list[str], manifest: Manifest) -> Scaling:
    """The scaling of a file and that of options together."""
    scaling = read_scaling(file, manifest) if file else Scaling()
    for text in inputs:
        name, affine = parse_affine("--scale-input", text)
        scaling = scaling.joined(Scaling(inputs={name: affine}))
    for text in outputs:
        name, affine = parse_affine("--scale-output", text)
        scaling = scaling.joined(Scaling(outputs={name: affine}))
    return scaling


@app.command(epilog=EXAMPLES)
def main(
    source: Annotated[
        str,
        typer.Argument(
            help="package.module:Class, a module saved by torch.save, a TorchScript file, "
            "or a program saved by torch.export.save"
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write: .pt (TorchScript) or .pt2 (a package)")],
    weights: Annotated[
        Path | None, typer.Option(help="weights for package.module:Class: .safetensors, or a saved state dictionary")
    ] = None,
    columns: Annotated[Path | None, typer.Option(help="column file whose columns the exported file is checked on")] = None,
    data: Annotated[
        Path | None, typer.Option(help="NetCDF file to check on, with variables named like inputs and dimensions of any names")
    ] = None,
    sample: Annotated[
        list[str] | None, typer.Option(help="check an input on uniform numbers of a range, not normal noise: t=200:320")
    ] = None,
    batches: Annotated[str | None, typer.Option("--batch-sizes", help="batch sizes of the checks; by default 64,1,17")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="an input, in forward's order; once for each: name:kind[extent,...]:units"),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option("--output-argument", help="an output, in order; once for each, in the same form (--output is the file)"),
    ] = None,
    kind: Annotated[
        str, typer.Option(help="kind of the host's arrays where the module names column-file variables")
    ] = "float64",
    compute: Annotated[
        str | None,
        typer.Option(help="kind the network computes in, whatever the host's arrays are: bfloat16, float32, float64"),
    ] = None,
    scale_inputs: Annotated[
        list[str] | None,
        typer.Option("--scale-input", help="name=mean,std: the network gets (value - mean) / std of what the host gives"),
    ] = None,
    scale_outputs: Annotated[
        list[str] | None,
        typer.Option("--scale-output", help="name=mean,std: the host gets value * std + mean of what the network gives"),
    ] = None,
    scaling: Annotated[Path | None, typer.Option(help="file of means and standard deviations: .json, .nc or .npz")] = None,
    fix: Annotated[list[str] | None, typer.Option(help="fix a free dimension: name=number, as in layer=89")] = None,
    ranges: Annotated[
        list[str] | None, typer.Option("--range", help="extents of a free dimension that the file takes: name=least:most")
    ] = None,
    march: Annotated[
        str, typer.Option(help="instructions of a package: portable (x86-64-v3, armv8-a), or native (those of this machine)")
    ] = "portable",
    layout: Annotated[
        str, typer.Option(help="order of a package's inputs in memory: fortran, or c where hosts use torch_reverse")
    ] = "fortran",
    device: Annotated[
        str, typer.Option(help="what the file is for: cpu, or cuda; a package for cuda is compiled for the GPU at hand")
    ] = "cpu",
    trainable: Annotated[
        bool, typer.Option("--trainable", help="keep the parameters, so that a host can train the model (TorchScript only)")
    ] = False,
    envelope: Annotated[
        Path | None,
        typer.Option(help="training envelope for the guard, of ftorch-train envelope; by default that of the weights, if any"),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="largest difference allowed, relative to an output's largest value; by default 1e-5, "
            "with --compute float32 or float64 1e-4, with bfloat16 0.05; of a package for cuda at least 1e-3"
        ),
    ] = None,
) -> None:
    """Write SOURCE as TorchScript or as a package with its manifest inside, and check it against the source.

    A class is imported from where Python finds it, or from the current folder. Nothing is written unless every check passes.

    Inputs and outputs are given as **name:kind[extent,...]:units**, once for each, inputs in the order in which forward takes
    them. A name is letters, digits and _. Kinds are float32, float64, int8 to int64, bool, complex64 and complex128. An extent
    is a number, or the name of a free dimension, also with a number added as in layer+1; a scalar is name:kind[].
    """

    def tell(words: str) -> None:
        console.print(words, soft_wrap=True, highlight=False)

    with one_line_errors("ftorch-export"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, of its own insides
        if "[" in str(output):
            raise ExportError(f"--output {output}: expected the file to write; an output of the model is --output-argument")
        expect_place(output)
        if columns and data:
            raise ExportError("--columns and --data: expected one of them")
        module, notes = load_source(source, weights)
        if weights is None and "source_sha256" not in notes and any(True for _ in module.parameters()):
            tell(f"{source}: no --weights: its parameters are those that its __init__ sets, untrained if it draws them")
        if envelope is not None:
            notes[METADATA_KEY] = Envelope.read(envelope).to_text()
        manifest = describe(module, output.stem, kind, inputs or [], outputs or [], notes)
        manifest = manifest.fixed(dict(fixed_extent(text) for text in fix or []))
        real: xr.Dataset | None = None
        if columns or data:
            real = read_columns(columns) if columns else read_data(data, manifest)
        checks = export(
            module,
            manifest,
            output,
            columns=real,
            tolerance=tolerance,
            limits=dict(limited_extent(text) for text in ranges or []),
            march=march,
            layout=layout,
            device=device,
            trainable=trainable,
            ranges=dict(sampled_range(text) for text in sample or []),
            batches=None if batches is None else batch_sizes(batches),
            compute=compute,
            scaling=all_scaling(scaling, scale_inputs or [], scale_outputs or [], manifest),
            tell=tell,
        )
        if device == "cuda" and output.suffix == ".pt":
            tell("TorchScript goes to the GPU when the host loads it with device='cuda'; it was checked on the CPU")
        worst = max(max(check.largest_difference.values()) for check in checks)
        on = f"{columns or data}" if real is not None else "uniform numbers and noise" if sample else "noise"
        sizes = f"batch sizes {', '.join(str(c.batch) for c in checks)}" if manifest.free_dimensions() else "its one shape"
        console.print(
            f"{output}: {count(len(manifest.inputs), 'input')}, {count(len(manifest.outputs), 'output')}; "
            f"equal to its source on {on} at {sizes} within {worst:.1e}",
            soft_wrap=True,
        )


if __name__ == "__main__":
    app()
