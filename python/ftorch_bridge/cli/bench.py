"""ftorch-bench: RRTMG beside a network and beside its original, what models cost, alone and in a host."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ftorch_bridge.bench import figures_of as radiation_figures
from ftorch_bridge.bench import run_host, run_radiation, table_of
from ftorch_bridge.cli import console, one_line_errors
from ftorch_bridge.cloud_choices import ICE_OPTICS
from ftorch_bridge.column_file import read_columns
from ftorch_bridge.columns import DEFAULT_LAYERS, generate_columns
from ftorch_bridge.comparing import compare_results, read_result
from ftorch_bridge.files import expect_place, write_json
from ftorch_bridge.formats import export_network, run_formats
from ftorch_bridge.formats import figures_of as formats_figures
from ftorch_bridge.formats import table_of as formats_table
from ftorch_bridge.formats import to_dict as formats_dict
from ftorch_bridge.guard_bench import figures_of as guard_figures
from ftorch_bridge.guard_bench import run_guard
from ftorch_bridge.guard_bench import table_of as guard_table
from ftorch_bridge.host_bench import figures_of as host_figures
from ftorch_bridge.host_bench import run_host_bench
from ftorch_bridge.host_bench import tables_of as host_tables
from ftorch_bridge.inference import figures_of as inference_figures
from ftorch_bridge.inference import run_inference
from ftorch_bridge.inference import tables_of as inference_tables
from ftorch_bridge.measuring import BenchError, machine_facts, numbers_of
from ftorch_bridge.networks_bench import figures_of as networks_figures
from ftorch_bridge.networks_bench import run_networks
from ftorch_bridge.networks_bench import tables_of as networks_tables
from ftorch_bridge.overhead import run_overhead
from ftorch_bridge.plots import cases_figure, networks_figure, radiation_figure, stability_figure
from ftorch_bridge.reference_cases import run_cases
from ftorch_bridge.reference_cases import table_of as table_of_cases
from ftorch_bridge.report import Drawing, Figure, write_report
from ftorch_bridge.rrtmg_bench import built_with, columns_by_day, run_rrtmg
from ftorch_bridge.rrtmg_bench import figures_of as rrtmg_figures
from ftorch_bridge.rrtmg_bench import tables_of as tables_of_rrtmg
from ftorch_bridge.scaling import default_numbers, run_scaling
from ftorch_bridge.scaling import figures_of as scaling_figures
from ftorch_bridge.scaling import tables_of as scaling_tables
from ftorch_bridge.stability import Settings, failures_of, run_stability
from ftorch_bridge.stability import figures_of as stability_figures
from ftorch_bridge.stability import tables_of as stability_tables

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@app.callback()
def main() -> None:
    """Benchmarks: each runs everything that it compares in one process on this machine."""


JsonFile = Annotated[Path | None, typer.Option("--json", help="write the result here")]
HtmlFile = Annotated[Path | None, typer.Option("--html", help="write a report of one file here, with a figure")]
OldFile = Annotated[
    Path | None, typer.Option("--compare", help="an earlier result (--json) of this command to compare times with")
]
FailAbove = Annotated[
    float | None,
    typer.Option(help="with --compare: exit code 1 if something takes more than so many times as long", min=0.0),
]
ExtentOptions = Annotated[
    list[str] | None,
    typer.Option("--extent", help="a free dimension of the model, but that of the columns: level=60; 89 where absent; several"),
]
FTorchPrefix = Annotated[Path | None, typer.Option("--ftorch", help="prefix of an installed FTorch to time beside")]


class _Output:
    """What becomes of a result: tables, JSON, a report, a comparison with an earlier result."""

    def __init__(
        self,
        benchmark: str,
        json_file: Path | None,
        html_file: Path | None,
        old_file: Path | None = None,
        fail_above: float | None = None,
        figure: Path | None = None,
    ) -> None:
        expect_place(json_file, html_file, figure)
        self._benchmark, self._json, self._html, self._old_file = benchmark, json_file, html_file, old_file
        self._limit = fail_above
        if fail_above is not None and old_file is None:
            raise BenchError("--fail-above: expected --compare FILE too")
        # A file of another benchmark is told here, before anything runs.
        self._old = read_result(old_file, benchmark) if old_file else None

    def tell(
        self, result: Mapping[str, Any], tables: Iterable[Table], figures: Sequence[Figure] = (), lines: Sequence[str] = ()
    ) -> None:
        """Print and write everything. Exits with code 1 where a time is beyond ``--fail-above``."""
        command = _command_line()
        about = {"benchmark": self._benchmark, "command": command, "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"}
        kept = json.loads(json.dumps({**about, "machine": machine_facts(), **result}))  # as the earlier one was read
        shown, words = list(tables), list(lines)
        comparison = None
        if self._old is not None:
            comparison = compare_results(self._old, kept)
            shown.append(comparison.table(f"beside {self._old_file} of {self._old.get('date', 'an unknown day')}"))
            words += comparison.notes
        for table in shown:
            console.print(table)
        for line in words:
            console.print(line, soft_wrap=True)
        if self._json:
            write_json(self._json, kept)
            console.print(f"the same as JSON: {self._json}", soft_wrap=True)
        if self._html:
            write_report(
                self._html,
                name=f"ftorch-bench {self._benchmark}",
                summary=_summary(self._benchmark),
                command=command,
                figures=figures,
                tables=shown,
                machine=kept["machine"] | {"date": about["date"]},
                lines=words,
            )
            console.print(f"report: {self._html.resolve()}", soft_wrap=True)
        if comparison and self._limit is not None and (slow := comparison.slower_than(self._limit)):
            worst = max(slow, key=lambda change: change.ratio)
            raise BenchError(
                f"{len(slow)} of {len(comparison.changes)} timings are slower by more than {self._limit:g} times; the worst: "
                f"{worst.name}, {worst.ratio:.2f} times"
            )


def _command_line() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _summary(benchmark: str) -> str:
    """The first sentence of a command's help."""
    function = next(c.callback for c in app.registered_commands if (c.name or c.callback.__name__) == benchmark)
    return (function.__doc__ or "").strip().splitlines()[0]


def _flops_of(texts: Sequence[str]) -> dict[str, float]:
    """NAME=NUMBER of each. Raises :class:`BenchError`."""
    found = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError:
            found[name] = 0.0
        if not name or not found[name] > 0.0:
            raise BenchError(f"--flops {text}: expected MODEL=NUMBER, as in all_sky.pt=1.2e6")
    return found


def _extents_of(texts: Sequence[str]) -> dict[str, int]:
    """NAME=NUMBER of each. Raises :class:`BenchError`."""
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not (name.isidentifier() and number.isdecimal() and int(number) > 0):
            raise BenchError(f"--extent {text}: expected NAME=NUMBER, as in level=60")
        found[name] = int(number)
    return found


@app.command()
def radiation(
    columns: Annotated[Path, typer.Option(help="column file")],
    model: Annotated[Path, typer.Option(help="exported network")],
    repeats: Annotated[int, typer.Option(help="timed passes of each scheme over all columns, after one to warm up", min=1)] = 9,
    columns_per_block: Annotated[int | None, typer.Option(help="columns in one call of a scheme")] = None,
    draws: Annotated[int, typer.Option(help="McICA draws of RRTMG that errors are told against; one is timed", min=1)] = 64,
    host: Annotated[bool, typer.Option(help="also step the columns for a day in the host with each scheme")] = True,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    old_file: OldFile = None,
    fail_above: FailAbove = None,
    figure: Annotated[Path | None, typer.Option(help="write the figure here (.png, .pdf, .svg)")] = None,
    folder: Annotated[Path | None, typer.Option(help="keep the host's cases and histories here")] = None,
) -> None:
    """Time RRTMG and the network on the same columns, on one core, and say how far apart they are."""
    with one_line_errors("ftorch-bench radiation"):
        output = _Output("radiation", json_file, html_file, old_file, fail_above, figure)
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
        draw = partial(radiation_figure, result, runs.histories if runs else None, title=title)
        if figure:
            draw(figure)
            console.print(f"figure: {figure.resolve()}", soft_wrap=True)
        output.tell(
            result.to_dict() | ({"host": runs.to_dict()} if runs else {}),
            [table_of(result, runs, title)],
            [*radiation_figures(result), Drawing("profiles, errors and the host's runs", draw)],
        )


@app.command()
def overhead(
    calls: Annotated[int, typer.Option(help="calls of each kind over which the heap is watched", min=1)] = 1_000_000,
    ftorch: FTorchPrefix = None,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    old_file: OldFile = None,
    fail_above: FailAbove = None,
) -> None:
    """Time what a small call costs beyond LibTorch: a forward, the run of a plan, and with --ftorch a call of FTorch."""
    with one_line_errors("ftorch-bench overhead"):
        output = _Output("overhead", json_file, html_file, old_file, fail_above)
        with console.status("timing calls of a small model"):
            result = run_overhead(calls, ftorch_prefix=ftorch)
        output.tell(result.to_dict(), result.tables(), result.figures())


@app.command()
def formats(
    script: Annotated[Path | None, typer.Option(help="a model as TorchScript (.pt); the shipped network where absent")] = None,
    package: Annotated[Path | None, typer.Option(help="the same model as a package (.pt2)")] = None,
    blocks: Annotated[str, typer.Option(help="numbers of columns in a call")] = "16,64,192",
    repeats: Annotated[int, typer.Option(help="turns over which medians are taken", min=1)] = 31,
    march: Annotated[str, typer.Option(help="instructions of the shipped network's package: portable or native")] = "portable",
    extent: ExtentOptions = None,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    old_file: OldFile = None,
    fail_above: FailAbove = None,
) -> None:
    """Time a model as TorchScript and as a package, through plans, against LibTorch alone."""
    with one_line_errors("ftorch-bench formats"), tempfile.TemporaryDirectory() as folder, console.status("") as status:
        output = _Output("formats", json_file, html_file, old_file, fail_above)
        numbers = numbers_of(blocks, "--blocks", "numbers of columns", "16,64,192")
        if (script is None) != (package is None):
            raise BenchError("--script and --package: expected both or neither")
        if script is not None and package is not None:
            model = package.stem
        elif extent:
            raise BenchError("--extent: expected --script and --package too; the shipped network has 89 layers")
        else:
            columns = generate_columns(max(*numbers, 64), 89, seed=3, clear_sky=True)
            model = f"ResCNN of 89 layers, package for {march} instructions"
            script, package = export_network(Path(folder), columns, march, status.update)
        results, used = run_formats(script, package, _extents_of(extent or []), numbers, repeats, status.update)
        status.stop()
        output.tell(formats_dict(results, model, used), [formats_table(results, model, used)], formats_figures(results))


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
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    old_file: OldFile = None,
    fail_above: FailAbove = None,
) -> None:
    """Time the bundled RRTMG and AER's own (the package climt) in turns on one core, and say how far apart they are.

    Columns by night are left out.
    """
    with one_line_errors("ftorch-bench rrtmg"), console.status("") as status:
        output = _Output("rrtmg", json_file, html_file, old_file, fail_above)
        numbers = numbers_of(sizes, "--sizes", "numbers of columns", "16,1000,100000") if sizes else []
        if ice_optics not in ICE_OPTICS:
            raise BenchError(f"--ice-optics {ice_optics}: expected one of {', '.join(ICE_OPTICS)}")
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
        lines = [built_with(result), *(f"missing: {what}" for what in result.missing)]
        output.tell(result.to_dict(), tables_of_rrtmg(result), rrtmg_figures(result), lines)


@app.command()
def networks(
    weights: Annotated[list[Path], typer.Argument(help="weights of networks of all sky (.safetensors)")],
    columns: Annotated[Path | None, typer.Option(help="column file; generated where absent")] = None,
    number: Annotated[int, typer.Option(help="how many columns to generate", min=1)] = 512,
    layers: Annotated[int, typer.Option(help="layers of a generated column")] = DEFAULT_LAYERS,
    seed: Annotated[int, typer.Option(help="the same seed generates the same columns")] = 3,
    repeats: Annotated[int, typer.Option(help="turns over which medians are taken, after one to warm up", min=1)] = 9,
    figure: Annotated[Path | None, typer.Option(help="figure of accuracy against cost to write (.png, .pdf, .svg)")] = None,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    old_file: OldFile = None,
    fail_above: FailAbove = None,
) -> None:
    """Time networks of all sky, the bundled RRTMG in both kinds and AER's own in turns on one core; errors from model cards.

    Columns by night are left out.
    """
    with one_line_errors("ftorch-bench networks"), console.status("") as status:
        output = _Output("networks", json_file, html_file, old_file, fail_above, figure)
        has_card = any(path.with_suffix(".json").is_file() for path in weights)
        if figure and not has_card:
            raise BenchError("--figure: no evaluation lies beside the weights (ftorch-train evaluate ... -o NAME.md)")
        dataset = read_columns(columns) if columns else columns_by_day(number, layers, seed)
        result = run_networks(weights, dataset, repeats=repeats, step=status.update)
        status.stop()
        if figure:
            networks_figure(result, figure)
            console.print(f"figure: {figure.resolve()}", soft_wrap=True)
        drawings = [Drawing("accuracy against cost", partial(networks_figure, result))] if has_card else []
        output.tell(result.to_dict(), networks_tables(result), [*networks_figures(result), *drawings])


@app.command("rrtmg-cases")
def rrtmg_cases(
    layers: Annotated[int, typer.Option(help="layers of a column", min=10)] = DEFAULT_LAYERS,
    figure: Annotated[Path | None, typer.Option(help="figure of heating rates to write, .svg or .png")] = None,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Fluxes of the bundled RRTMG and of AER's for standard atmospheres, clear and under a low, a high and a deep cloud."""
    with one_line_errors("ftorch-bench rrtmg-cases"), console.status("") as status:
        output = _Output("rrtmg-cases", json_file, html_file, figure=figure)
        result = run_cases(layers, status.update)
        if figure:
            status.update(f"drawing {figure}")
            cases_figure(result, figure)
        status.stop()
        if figure:
            console.print(f"figure: {figure.resolve()}", soft_wrap=True)
        drawing = Drawing("heating rates", partial(cases_figure, result))
        output.tell({"cases": result.to_dict()}, [table_of_cases(result)], [drawing])


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
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Say how many columns that a network gets wrong the guard of Fortran hosts catches, and how many it refuses for nothing.

    Among ordinary columns few are wrong, so the generated ones are damaged too, in many ways.
    """
    with one_line_errors("ftorch-bench guard"):
        output = _Output("guard", json_file, html_file)
        generated = generate_columns(number, layers, seed=seed)
        ordinary = {"generated": generated}
        for path in columns or []:
            some = read_columns(path)
            some = some.isel(column=np.unique(np.linspace(0, some.sizes["column"] - 1, number).astype(int)))
            ordinary[str(path)] = some
        doing = TextColumn("{task.description}", markup=False)  # paths among others
        with Progress(doing, *Progress.get_default_columns()[1:], console=console, transient=True) as bar:
            task = bar.add_task("")
            result = run_guard(
                model,
                ordinary,
                generated,
                draws=draws,
                seed=seed,
                progress=lambda done, total, words: bar.update(task, completed=done, total=total, description=words),
            )
        output.tell(result.to_dict(), [guard_table(result)], guard_figures(result))


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
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    old_file: OldFile = None,
    fail_above: FailAbove = None,
    figure: Annotated[Path | None, typer.Option(help="write the figure here (.png, .pdf, .svg)")] = None,
) -> None:
    """Run the host for days with a network, beside RRTMG from the same states: failures, drift, cost.

    Killed and started again, it goes on with the piece at which it was.
    """
    with one_line_errors("ftorch-bench stability"):
        output = _Output("stability", json_file, html_file, old_file, fail_above, figure)
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
            raise BenchError("--figure shows differences from twins: expected --twins 1 or more")
        looks = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
        doing = TextColumn("{task.description}", markup=False)
        with Progress(*looks, doing, console=console, transient=True, speed_estimate_period=1800.0) as bar:
            task = bar.add_task("", total=1.0)
            result = run_stability(
                settings,
                folder,
                command=_command_line(),
                progress=lambda share, words: bar.update(task, completed=share, description=words),
            )
        if figure:
            stability_figure(result, figure)
            console.print(f"figure: {figure.resolve()}", soft_wrap=True)
        drawings = [Drawing("drift and growth", partial(stability_figure, result))] if settings.twins else []
        output.tell(result.to_dict(), stability_tables(result), [*stability_figures(result), *drawings], failures_of(result))


@app.command()
def inference(
    models: Annotated[list[Path], typer.Argument(help="exported models (.pt, .pt2)")],
    columns: Annotated[str, typer.Option(help="numbers of columns in a pass")] = "128,2048",
    columns_per_block: Annotated[int, typer.Option(help="columns in one call of the model", min=1)] = 128,
    threads: Annotated[int, typer.Option(help="threads, which sgemm gets too", min=1)] = 1,
    repeats: Annotated[int, typer.Option(help="turns over which medians are taken, after one to warm up", min=1)] = 9,
    extent: ExtentOptions = None,
    flops: Annotated[
        list[str] | None, typer.Option(help="MODEL=NUMBER: operations for a column, where they cannot be counted; several")
    ] = None,
    ftorch: FTorchPrefix = None,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    old_file: OldFile = None,
    fail_above: FailAbove = None,
) -> None:
    """Time exported models through plans of the coupling and through LibTorch alone, in turns with sgemm, the yardstick.

    A column's operations are those of matrix products and convolutions, counted on the module where PyTorch can.
    """
    with one_line_errors("ftorch-bench inference"), console.status("") as status:
        output = _Output("inference", json_file, html_file, old_file, fail_above)
        result = run_inference(
            models,
            numbers_of(columns, "--columns", "numbers of columns", "128,2048"),
            columns_per_block=columns_per_block,
            threads=threads,
            repeats=repeats,
            operations=_flops_of(flops or []),
            ftorch_prefix=ftorch,
            extents=_extents_of(extent or []),
            step=status.update,
        )
        status.stop()
        lines = [f"missing: {what}" for what in result.missing]
        output.tell(result.to_dict(), inference_tables(result), inference_figures(result), lines)


@app.command()
def host(
    model: Annotated[Path, typer.Argument(help="exported network of radiation (.pt, .pt2)")],
    columns: Annotated[int, typer.Option(help="how many columns to generate", min=1)] = 256,
    layers: Annotated[int, typer.Option(help="layers of a column", min=10)] = DEFAULT_LAYERS,
    hours: Annotated[float, typer.Option(help="simulated hours of a run", min=0.1)] = 24.0,
    schemes: Annotated[str, typer.Option(help="some of rrtmg,network,guarded; all that the model can be where absent")] = "",
    threads: Annotated[int, typer.Option(help="OpenMP threads of the host", min=1)] = 1,
    repeats: Annotated[int, typer.Option(help="runs with each scheme, in turns, after one to warm up", min=1)] = 5,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    old_file: OldFile = None,
    fail_above: FailAbove = None,
) -> None:
    """Time the whole host with RRTMG, the network and the guarded network, in turns, and radiation's share of it."""
    with one_line_errors("ftorch-bench host"), console.status("") as status:
        output = _Output("host", json_file, html_file, old_file, fail_above)
        result = run_host_bench(
            model,
            columns=columns,
            layers=layers,
            hours=hours,
            schemes=[name.strip() for name in schemes.split(",") if name.strip()],
            threads=threads,
            repeats=repeats,
            step=status.update,
        )
        status.stop()
        output.tell(result.to_dict(), host_tables(result), host_figures(result))


@app.command()
def scaling(
    model: Annotated[Path, typer.Argument(help="exported model (.pt, .pt2)")],
    columns: Annotated[int, typer.Option(help="columns that threads and ranks share", min=1)] = 2000,
    layers: Annotated[
        int | None, typer.Option(help="layers of a column; those that the model has where absent, else 89", min=10)
    ] = None,
    extent: ExtentOptions = None,
    threads: Annotated[str, typer.Option(help="numbers of threads, or 0 for none; 1,2,4 and on up to the cores")] = "",
    ranks: Annotated[str, typer.Option(help="numbers of MPI ranks, or 0 for none; 1,2,4 and on up to the cores")] = "",
    sizes: Annotated[str, typer.Option(help="numbers of columns, or 0 for none")] = "16,128,1000,4000",
    repeats: Annotated[int, typer.Option(help="turns over which medians are taken, after one to warm up", min=1)] = 5,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    old_file: OldFile = None,
    fail_above: FailAbove = None,
) -> None:
    """Columns a second of the network and of RRTMG over threads, over MPI ranks and over the number of columns."""
    with one_line_errors("ftorch-bench scaling"), console.status("") as status:
        output = _Output("scaling", json_file, html_file, old_file, fail_above)
        numbers = {"threads": default_numbers(), "ranks": default_numbers(), "sizes": []}
        for option, text in (("threads", threads), ("ranks", ranks), ("sizes", sizes)):
            if text:
                numbers[option] = [] if text.strip() == "0" else numbers_of(text, f"--{option}", example="1,2")
        result = run_scaling(
            model,
            columns=columns,
            layers=layers,
            extents=_extents_of(extent or []),
            repeats=repeats,
            step=status.update,
            **numbers,
        )
        status.stop()
        lines = [f"missing: {what}" for what in result.missing]
        output.tell(result.to_dict(), scaling_tables(result), scaling_figures(result), lines)


if __name__ == "__main__":
    app()
