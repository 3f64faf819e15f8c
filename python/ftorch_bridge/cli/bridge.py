"""``ftorch-bridge``: small helpers around an installation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ftorch_bridge import programs
from ftorch_bridge.cli import one_line_errors
from ftorch_bridge.exporting import read_manifest

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
    """Print the contract inside an exported model as JSON."""
    with one_line_errors("ftorch-bridge info"):
        print(json.dumps(read_manifest(model), indent=2))


if __name__ == "__main__":
    app()
