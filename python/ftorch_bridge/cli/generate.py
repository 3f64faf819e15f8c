"""ftorch-generate: a Fortran module whose procedures have the arguments of one model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ftorch_bridge.cli import console, one_line_errors
from ftorch_bridge.files import expect_place, whole_file
from ftorch_bridge.generating import FortranModule, HostKind, fortran_name
from ftorch_bridge.manifest import Manifest, read_manifest

SUFFIX = "_torch"

app = typer.Typer(add_completion=False)


def names(model: str, output: Path | None, module: str | None, procedure: str | None) -> tuple[str, str]:
    """Names of module and procedure: what is not given follows from the file to write, or from the model's name."""
    if module is None:
        module = output.stem if output and str(output) != "-" else fortran_name(f"{procedure or model}{SUFFIX}", ())
    if procedure is None:
        procedure = module.removesuffix(SUFFIX) if module.endswith(SUFFIX) else fortran_name(model, ())
    return module, procedure


@app.command()
def main(
    model: Annotated[Path, typer.Argument(help="exported model (.pt or .pt2) with a manifest")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="file to write, - for the terminal; MODULE.f90 where absent")
    ] = None,
    module: Annotated[str | None, typer.Option(help="the module's name; that of the file to write where absent")] = None,
    procedure: Annotated[
        str | None, typer.Option(help="the procedure's name; the module's without _torch where absent")
    ] = None,
    kind: Annotated[
        str,
        typer.Option(help="the host's real arrays: model (each as in the model), real32, real64, or MODULE:NAME of a kind"),
    ] = "model",
    reverse: Annotated[
        bool, typer.Option("--reverse", help="the host's arrays are (layer, column) where the model has (column, layer)")
    ] = False,
    columns: Annotated[
        str | None, typer.Option(help="free dimension that is the columns, for blocks; column or ncol where absent")
    ] = None,
) -> None:
    """Write a Fortran module with a procedure that runs MODEL, one that binds it to arrays, and one that loads it.

    The compiler checks number, kind and rank of the arguments. Example:

    ftorch-generate rescnn.pt -o rescnn_torch.f90 --kind real64
    """
    with one_line_errors("ftorch-generate"):
        expect_place(output)
        manifest = Manifest.from_json(read_manifest(model))
        host_kind = HostKind.parse(kind)
        module, procedure = names(manifest.name or model.stem, output, module, procedure)
        written = FortranModule.of(
            manifest, module=module, procedure=procedure, kind=host_kind, columns=columns, reverse=reverse
        )
        text = written.text()
        if output is not None and str(output) == "-":
            print(text, end="")
            return
        path = output or Path(f"{module}.f90")
        with whole_file(path) as temporary:
            temporary.write_text(text)
        console.print(
            f"{path}: module {module} with {procedure}, {procedure}_plan and {procedure}_load", soft_wrap=True, highlight=False
        )


if __name__ == "__main__":
    app()
