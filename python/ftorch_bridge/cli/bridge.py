"""ftorch-bridge: small helpers around an installation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ftorch_bridge import doctor as diagnosis
from ftorch_bridge import programs
from ftorch_bridge.cli import console, one_line_errors
from ftorch_bridge.files import expect_place, whole_file

LONGEST_SHOWN = 4000  # characters of metadata; a training envelope is nothing to read

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@app.command("cmake-prefix")
def cmake_prefix() -> None:
    """Print the prefix that find_package(radml) needs in CMAKE_PREFIX_PATH."""
    print(programs.prefix())


@app.command("pkg-config-path")
def pkg_config_path() -> None:
    """Print the folder that pkg-config needs in PKG_CONFIG_PATH to find radml."""
    with one_line_errors("ftorch-bridge pkg-config-path"):
        print(programs.pkg_config_path())


@app.command("data-file")
def data_file(name: Annotated[str, typer.Argument(help="for example rrtmg_longwave.nc")]) -> None:
    """Print the path of a data file of this installation."""
    with one_line_errors("ftorch-bridge data-file"):
        print(programs.data_file(name))


@app.command()
def info(model: Annotated[Path, typer.Argument(help="exported model (.pt or .pt2)")]) -> None:
    """Print the manifest inside an exported model as JSON; of metadata as long as a training envelope the first line."""
    with one_line_errors("ftorch-bridge info"):
        from ftorch_bridge.manifest import read_manifest  # noqa: PLC0415 - the doctor must start where PyTorch does not

        manifest = read_manifest(model)
        metadata = manifest.get("metadata", {})
        for key, value in metadata.items() if isinstance(metadata, dict) else ():
            if len(value) > LONGEST_SHOWN:
                metadata[key] = f"{value[:80].splitlines()[0]} ... ({len(value)} characters)"
        print(json.dumps(manifest, indent=2))


@app.command()
def doctor(
    model: Annotated[Path | None, typer.Argument(help="exported model (.pt or .pt2) to look at as well")] = None,
    host: Annotated[Path | None, typer.Option(help="program that calls radml: which libraries would it load together?")] = None,
    pid: Annotated[int | None, typer.Option(help="process that runs: which libraries has it loaded?")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the findings there as well")] = None,
) -> None:
    """Look at the installation, the machine, a model and a program for what goes wrong; exit code 1 if something is."""
    with one_line_errors("ftorch-bridge doctor"):
        expect_place(json_file)
        with console.status("looking at the installation") as status:
            findings = diagnosis.examine(model, host, pid, progress=status.update)
        console.print(diagnosis.table_of(findings))
        if json_file:
            with whole_file(json_file) as temporary:
                temporary.write_text(diagnosis.to_json(findings) + "\n")
        if diagnosis.worst(findings) == "problem":
            raise typer.Exit(1)


if __name__ == "__main__":
    app()
