"""``ftorch-bench``: RRTMG beside a network and beside its original, and what a call of a model costs."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ftorch_bridge.bench import run_host, run_radiation, table_of
from ftorch_bridge.cli import console, one_line_errors
from ftorch_bridge.column_file import read_columns
from ftorch_bridge.columns import DEFAULT_LAYERS, generate_columns
from ftorch_bridge.files import write_json
from ftorch_bridge.formats import export_network, run_formats
from ftorch_bridge.formats import table_of as formats_table
from ftorch_bridge.formats import to_dict as formats_dict
from ftorch_bridge.guard_bench import run_guard
from ftorch_bridge.guard_bench import table_of as guard_table
from ftorch_bridge.networks_bench import run_networks
from ftorch_bridge.networks_bench import tables_of as networks_tables
from ftorch_bridge.overhead import run_overhead
from ftorch_bridge.plots import cases_figure, networks_figure, radiation_figure, stability_figure
from ftorch_bridge.reference_cases import run_cases
from ftorch_bridge.reference_cases import table_of as table_of_cases
from ftorch_bridge.rrtmg_bench import built_with, columns_by_day, run_rrtmg
from ftorch_bridge.rrtmg_bench import tables_of as tables_of_rrtmg
from ftorch_bridge.stability import Settings, failures_of, run_stability
from ftorch_bridge.stability import tables_of as stability_tables

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@app.callback()
def main() -> None:
    """Benchmarks: each runs everything that it compares in one process on this machine."""


def _keep(json_file: Path | None, result: dict[str, object]) -> None:
    """Write a result where ``--json`` asks for it."""
    if json_file:
        write_json(json_file, result)
        console.print(f"the same as JSON: {json_file}", soft_wrap=True)


@app.command()
def radiation(
    columns: Annotated[Path, typer.Option(help="column file")],
    model: Annotated[Path, typer.Option(help="exported network")],
    repeats: Annotated[int, typer.Option(help="timed passes of each scheme over all columns, after one to warm up", min=1)] = 9,
    columns_per_block: Annotated[int | None, typer.Option(help="columns in one call of a scheme")] = None,
    draws: Annotated[int, typer.Option(help="McICA draws of RRTMG that errors are told against; one is timed", min=1)] = 64,
    host: Annotated[bool, typer.Option(help="also step the columns for a day in the host with each scheme")] = True,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
    figure: Annotated[Path | None, typer.Option(help="write the figure here (.png, .pdf, .svg)")] = None,
    folder: Annotated[Path | None, typer.Option(help="keep the host's cases and histories here")] = None,
) -> None:
    """Time RRTMG and the network on the same columns, on one core, and say how far apart they are."""
    with one_line_errors("ftorch-bench radiation"):
        read_columns(columns)  # a bad file is told here, before anything runs
        with console.status("timing RRTMG and the network on one core"):
            result = run_radiation(columns, model, repeats=repeats, columns_per_block=columns_per_block, draws=draws)
        title = (
            f"{columns.name}: {result.columns} columns of {result.layers} layers, {result.repeats} repeats, one core of "
            f"{result.machine['processor']}"
        )
        runs = None
        if host:
            keep = folder or (figure or json_file or model).parent
            keep.mkdir(parents=True, exist_ok=True)
            with console.status("stepping the columns for a day with each scheme"):
                runs = run_host(columns, model, keep, all_sky=result.all_sky)
        console.print(table_of(result, runs, title))
        _keep(json_file, result.to_dict() | ({"host": runs.to_dict()} if runs else {}))
        if figure:
            radiation_figure(result, runs.histories if runs else None, figure, title)
            console.print(f"figure: {figure.resolve()}", soft_wrap=True)


@app.command()
def overhead(
    calls: Annotated[int, typer.Option(help="calls of each kind over which the heap is watched", min=1)] = 1_000_000,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """Time what a small call costs beyond LibTorch: a forward, and the run of a plan."""
    with one_line_errors("ftorch-bench overhead"):
        with console.status("timing calls of a small model"):
            result = run_overhead(calls)
        console.print(result.table())
        _keep(json_file, result.to_dict())


@app.command()
def formats(
    script: Annotated[Path | None, typer.Option(help="a model as TorchScript (.pt); the shipped network where absent")] = None,
    package: Annotated[Path | None, typer.Option(help="the same model as a package (.pt2)")] = None,
    blocks: Annotated[str, typer.Option(help="numbers of columns in a call")] = "16,64,192",
    repeats: Annotated[int, typer.Option(help="turns over which medians are taken", min=1)] = 31,
    march: Annotated[str, typer.Option(help="instructions of the shipped network's package: portable or native")] = "portable",
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """Time a model as TorchScript and as a package, through plans, against LibTorch alone."""
    with one_line_errors("ftorch-bench formats"), tempfile.TemporaryDirectory() as folder, console.status("") as status:
        numbers = [int(text) if text.strip().isdigit() else 0 for text in blocks.split(",")]
        if min(numbers) < 1:
            raise typer.BadParameter(f"--blocks {blocks}: expected numbers of columns, as in 16,64,192")
        if (script is None) != (package is None):
            raise typer.BadParameter("--script and --package: expected both or neither")
        if script is not None and package is not None:
            model, columns = package.stem, None
        else:
            columns = generate_columns(max(*numbers, 64), 89, seed=3, clear_sky=True)
            model = f"ResCNN of 89 layers, package for {march} instructions"
            script, package = export_network(Path(folder), columns, march, status.update)
        results = run_formats(script, package, columns, numbers, repeats, status.update)
        console.print(formats_table(results, model))
        _keep(json_file, formats_dict(results, model))


@app.command()
def rrtmg(
    columns: Annotated[Path | None, typer.Option(help="column file; generated where absent")] = None,
    number: Annotated[int, typer.Option(help="how many columns to generate", min=1)] = 1000,
    layers: Annotated[int, typer.Option(help="layers of a generated column")] = DEFAULT_LAYERS,
    seed: Annotated[int, typer.Option(help="the same seed generates the same columns")] = 1,
    repeats: Annotated[int, typer.Option(help="timed passes of each code, after one to warm up", min=1)] = 9,
    timed: Annotated[int, typer.Option(help="columns that are timed; all are compared", min=1)] = 256,
    columns_per_block: Annotated[int | None, typer.Option(help="columns in one call of the bundled RRTMG", min=1)] = None,
    ice_optics: Annotated[str, typer.Option(help="fu or streamer: the range of ice radii differs")] = "fu",
    accuracy: Annotated[bool, typer.Option(help="compare fluxes and heating rates with the original's")] = True,
    threads: Annotated[int, typer.Option(help="also columns per second of one to so many threads", min=1)] = 1,
    sizes: Annotated[str, typer.Option(help="also the cost for these numbers of columns, as in 16,1000,100000")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """Time the bundled RRTMG and AER's own (the package climt) in turns on one core, and say how far apart they are.

    Columns by night are left out.
    """
    with one_line_errors("ftorch-bench rrtmg"), console.status("") as status:
        numbers = [int(text) if text.strip().isdigit() else 0 for text in sizes.split(",")] if sizes else []
        if numbers and min(numbers) < 1:
            raise typer.BadParameter(f"--sizes {sizes}: expected numbers of columns, as in 16,1000,100000")
        dataset = read_columns(columns) if columns else columns_by_day(number, layers, seed)
        result = run_rrtmg(
            dataset,
            repeats=repeats,
            timed=timed,
            columns_per_block=columns_per_block,
            accuracy=accuracy,
            ice_optics=ice_optics,
            threads=threads,
            sizes=numbers,
            step=status.update,
        )
        status.stop()
        for table in tables_of_rrtmg(result):
            console.print(table)
        console.print(built_with(result), soft_wrap=True)
        for what in result.missing:
            console.print(f"missing: {what}", soft_wrap=True)
        _keep(json_file, result.to_dict())


@app.command()
def networks(
    weights: Annotated[list[Path], typer.Argument(help="weights of networks of all sky (.safetensors)")],
    columns: Annotated[Path | None, typer.Option(help="column file; generated where absent")] = None,
    number: Annotated[int, typer.Option(help="how many columns to generate", min=1)] = 512,
    layers: Annotated[int, typer.Option(help="layers of a generated column")] = DEFAULT_LAYERS,
    seed: Annotated[int, typer.Option(help="the same seed generates the same columns")] = 3,
    repeats: Annotated[int, typer.Option(help="turns over which medians are taken, after one to warm up", min=1)] = 9,
    figure: Annotated[Path | None, typer.Option(help="figure of accuracy against cost to write (.png, .pdf, .svg)")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """Time networks of all sky, the bundled RRTMG in both kinds and AER's own in turns on one core; errors from model cards.

    Columns by night are left out.
    """
    with one_line_errors("ftorch-bench networks"), console.status("") as status:
        if figure and not any(path.with_suffix(".json").is_file() for path in weights):
            raise typer.BadParameter("--figure: no evaluation lies beside the weights (ftorch-train evaluate ... -o NAME.md)")
        dataset = read_columns(columns) if columns else columns_by_day(number, layers, seed)
        result = run_networks(weights, dataset, repeats=repeats, step=status.update)
        status.stop()
        for table in networks_tables(result):
            console.print(table)
        _keep(json_file, result.to_dict())
        if figure:
            networks_figure(result, figure)
            console.print(f"figure: {figure.resolve()}", soft_wrap=True)


@app.command("rrtmg-cases")
def rrtmg_cases(
    layers: Annotated[int, typer.Option(help="layers of a column", min=10)] = DEFAULT_LAYERS,
    figure: Annotated[Path | None, typer.Option(help="figure of heating rates to write, .svg or .png")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """Fluxes of the bundled RRTMG and of AER's for standard atmospheres, clear and under a low, a high and a deep cloud."""
    with one_line_errors("ftorch-bench rrtmg-cases"), console.status("") as status:
        result = run_cases(layers, status.update)
        if figure:
            status.update(f"drawing {figure}")
            cases_figure(result, figure)
        status.stop()
        console.print(table_of_cases(result))
        if figure:
            console.print(f"figure: {figure.resolve()}", soft_wrap=True)
        _keep(json_file, result.to_dict())


@app.command()
def guard(
    model: Annotated[Path, typer.Option(help="exported network of all sky (.pt, .pt2) that carries a training envelope")],
    columns: Annotated[
        list[Path] | None, typer.Option(help="column file that the guard should accept, of a host for example; several")
    ] = None,
    number: Annotated[int, typer.Option(help="how many columns to generate, and most that are taken of a file", min=1)] = 2048,
    layers: Annotated[int, typer.Option(help="layers of a generated column")] = DEFAULT_LAYERS,
    draws: Annotated[int, typer.Option(help="McICA draws that RRTMG averages", min=1)] = 64,
    seed: Annotated[int, typer.Option(help="the same seed gives the same columns and damages")] = 20261126,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """Say how many columns that a network gets wrong the guard of Fortran hosts catches, and how many it refuses for nothing.

    Among ordinary columns few are wrong, so the generated ones are damaged too, in many ways.
    """
    with one_line_errors("ftorch-bench guard"):
        generated = generate_columns(number, layers, seed=seed)
        ordinary = {"generated": generated}
        for path in columns or []:
            some = read_columns(path)
            some = some.isel(column=np.unique(np.linspace(0, some.sizes["column"] - 1, number).astype(int)))
            ordinary[str(path)] = some
        with Progress(*Progress.get_default_columns(), console=console, transient=True) as bar:
            task = bar.add_task("")
            result = run_guard(
                model,
                ordinary,
                generated,
                draws=draws,
                seed=seed,
                progress=lambda done, total, words: bar.update(task, completed=done, total=total, description=words),
            )
        console.print(guard_table(result))
        _keep(json_file, result.to_dict())


@app.command()
def stability(
    model: Annotated[Path, typer.Option(help="exported network of all sky (.pt, .pt2)")],
    folder: Annotated[Path, typer.Option(help="folder to work in; what is there of the same experiment is not run again")],
    runs: Annotated[int, typer.Option(help="runs from states of all the globe", min=1)] = 50,
    columns_per_run: Annotated[int, typer.Option(help="columns in a run, which fails when one of them does", min=1)] = 64,
    days: Annotated[float, typer.Option(help="length of a run")] = 10.0,
    layers: Annotated[int, typer.Option(help="layers of a column", min=10)] = DEFAULT_LAYERS,
    radiation_interval: Annotated[float, typer.Option(help="seconds between two calls of radiation")] = 1800.0,
    scheme: Annotated[str, typer.Option(help="network, or guarded: with RRTMG for columns that the guard refuses")] = "network",
    twins: Annotated[int | None, typer.Option(help="runs with twins; all, but 20 at most, where absent", min=0)] = None,
    cases: Annotated[bool, typer.Option(help="also runs from extreme states")] = True,
    case_runs: Annotated[int, typer.Option(help="runs of each extreme case", min=1)] = 2,
    rare: Annotated[bool, typer.Option(help="also RRTMG called so rarely that it costs what the network does")] = False,
    threads: Annotated[int, typer.Option(help="OpenMP threads of the host", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="of columns and weather", min=0)] = 20_000,
    runs_per_piece: Annotated[int, typer.Option(help="runs that are stepped together, which bounds memory", min=1)] = 20,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
    figure: Annotated[Path | None, typer.Option(help="write the figure here (.png, .pdf, .svg)")] = None,
) -> None:
    """Run the host for days with a network, beside RRTMG from the same states: failures, drift, cost.

    Killed and started again, it goes on with the piece at which it was.
    """
    with one_line_errors("ftorch-bench stability"):
        settings = Settings(
            model=model,
            scheme=scheme,
            runs=runs,
            columns_per_run=columns_per_run,
            days=days,
            layers=layers,
            radiation_interval=radiation_interval,
            twins=min(runs, 20 if twins is None else twins),
            case_runs=case_runs if cases else 0,
            rare=rare,
            threads=threads,
            seed=seed,
            runs_per_piece=runs_per_piece,
        )
        if figure and not settings.twins:
            raise typer.BadParameter("--figure shows differences from twins: expected --twins 1 or more")
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        looks = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
        doing = TextColumn("{task.description}")
        with Progress(*looks, doing, console=console, transient=True, speed_estimate_period=1800.0) as bar:
            task = bar.add_task("", total=1.0)
            result = run_stability(
                settings,
                folder,
                command=command,
                progress=lambda share, words: bar.update(task, completed=share, description=words),
            )
        for table in stability_tables(result):
            console.print(table)
        for line in failures_of(result):
            console.print(line, soft_wrap=True)
        _keep(json_file, result.to_dict())
        if figure:
            stability_figure(result, figure)
            console.print(f"figure: {figure.resolve()}", soft_wrap=True)


if __name__ == "__main__":
    app()
