"""``ftorch-export``: a PyTorch module becomes the file that a Fortran host loads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ftorch_bridge.cli import console, one_line_errors
from ftorch_bridge.column_file import read_columns
from ftorch_bridge.exporting import describe, export, load_source

app = typer.Typer(add_completion=False)


@app.command()
def main(
    source: Annotated[str, typer.Argument(help="package.module:Class, a module saved by torch.save, or a TorchScript file")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the TorchScript file to write (.pt)")],
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
    tolerance: Annotated[float, typer.Option(help="largest difference allowed, relative to an output's largest value")] = 1e-5,
) -> None:
    """Write SOURCE as TorchScript with its contract inside, and check it against the source."""
    with one_line_errors("ftorch-export"):
        module, notes = load_source(source, weights)
        manifest = describe(module, output.stem, kind, inputs or [], outputs or [], notes)
        real = read_columns(columns) if columns else None
        checks = export(module, manifest, output, columns=real, tolerance=tolerance)
        worst = max(max(check.largest_difference.values()) for check in checks)
        on = f"{columns}" if columns else "noise"
        console.print(
            f"{output}: {len(manifest.inputs)} inputs, {len(manifest.outputs)} outputs; equal to its source on {on} "
            f"at batch sizes {', '.join(str(c.batch) for c in checks)} within {worst:.1e}",
            soft_wrap=True,
        )


if __name__ == "__main__":
    app()
