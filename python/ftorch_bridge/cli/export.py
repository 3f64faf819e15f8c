"""``ftorch-export``: a PyTorch module becomes the file that a Fortran host loads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ftorch_bridge.cli import console, one_line_errors
from ftorch_bridge.column_file import read_columns
from ftorch_bridge.envelope import METADATA_KEY, Envelope
from ftorch_bridge.exporting import ExportError, describe, export, load_source

app = typer.Typer(add_completion=False)


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


@app.command()
def main(
    source: Annotated[str, typer.Argument(help="package.module:Class, a module saved by torch.save, or a TorchScript file")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write: .pt (TorchScript) or .pt2 (a package)")],
    weights: Annotated[
        Path | None, typer.Option(help="weights for package.module:Class: .safetensors, or a saved state dictionary")
    ] = None,
    columns: Annotated[Path | None, typer.Option(help="column file whose columns the exported file is checked on")] = None,
    inputs: Annotated[list[str] | None, typer.Option("--input", help="an input, in order: name:kind[extent,...]:units")] = None,
    outputs: Annotated[
        list[str] | None, typer.Option("--output-argument", help="an output, in order, in the same form")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="kind of the host's arrays where the module names column-file variables")
    ] = "float64",
    fix: Annotated[list[str] | None, typer.Option(help="fix a free dimension: name=number, as in layer=89")] = None,
    ranges: Annotated[
        list[str] | None, typer.Option("--range", help="extents of a free dimension that a package takes: name=least:most")
    ] = None,
    march: Annotated[
        str, typer.Option(help="instructions of a package: portable (x86-64-v3, armv8-a), or native (those of this machine)")
    ] = "portable",
    layout: Annotated[
        str, typer.Option(help="order of a package's inputs in memory: fortran, or c where hosts use torch_reverse")
    ] = "fortran",
    trainable: Annotated[
        bool, typer.Option("--trainable", help="keep the parameters, so that a host can train the model (TorchScript only)")
    ] = False,
    envelope: Annotated[
        Path | None,
        typer.Option(help="training envelope for the guard, of ftorch-train envelope; by default that of the weights, if any"),
    ] = None,
    tolerance: Annotated[float, typer.Option(help="largest difference allowed, relative to an output's largest value")] = 1e-5,
) -> None:
    """Write SOURCE as TorchScript or as a package with its contract inside, and check it against the source."""
    with one_line_errors("ftorch-export"):
        module, notes = load_source(source, weights)
        if envelope is not None:
            notes[METADATA_KEY] = Envelope.read(envelope).to_text()
        manifest = describe(module, output.stem, kind, inputs or [], outputs or [], notes)
        manifest = manifest.fixed(dict(fixed_extent(text) for text in fix or []))
        limits = dict(limited_extent(text) for text in ranges or [])
        real = read_columns(columns) if columns else None
        checks = export(
            module,
            manifest,
            output,
            columns=real,
            tolerance=tolerance,
            limits=limits,
            march=march,
            layout=layout,
            trainable=trainable,
        )
        worst = max(max(check.largest_difference.values()) for check in checks)
        on = f"{columns}" if columns else "noise"
        console.print(
            f"{output}: {len(manifest.inputs)} inputs, {len(manifest.outputs)} outputs; equal to its source on {on} "
            f"at batch sizes {', '.join(str(c.batch) for c in checks)} within {worst:.1e}",
            soft_wrap=True,
        )


if __name__ == "__main__":
    app()
