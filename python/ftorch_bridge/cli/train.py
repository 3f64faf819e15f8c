"""ftorch-train: columns, their fluxes, the network's training and its evaluation."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.progress import Progress
from rich.table import Table

from ftorch_bridge import checkpoints, programs
from ftorch_bridge.checkpoints import TrainingError
from ftorch_bridge.cli import console, one_line_errors
from ftorch_bridge.cloud_choices import ICE_OPTICS, OVERLAPS
from ftorch_bridge.column_file import CLOUD_VARIABLES, ColumnFileError, write
from ftorch_bridge.columns import DEFAULT_LAYERS, generate_columns, read_ecrad
from ftorch_bridge.dataset import SPLITS, Dataset, DatasetError, JoinedDataset, Made, Settings
from ftorch_bridge.envelope import METADATA_KEY, Envelope, EnvelopeError
from ftorch_bridge.evaluation import LARGE_ERROR, SPECTRA, errors_table, labelled, model_card
from ftorch_bridge.evaluation import evaluate as evaluate_network
from ftorch_bridge.extremes import EXTREMES, extreme_columns
from ftorch_bridge.files import expect_place, whole_file, write_json
from ftorch_bridge.measuring import machine_facts
from ftorch_bridge.networks import ResCNN, ResCNNConfig
from ftorch_bridge.ranks import rank_and_size
from ftorch_bridge.sky import INPUTS
from ftorch_bridge.training import (
    TrainingConfig,
    errors_of,
    fit,
    read_samples,
)
from ftorch_bridge.weights import load_network, save_weights

SECONDS_BETWEEN_LOOKS = 0.2  # at shards that another run is making
POINTS = {"longwave_common": "common longwave", "shortwave_common": "common shortwave", "shortwave_cloudy": "cloudy shortwave"}

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@app.command()
def columns(
    output: Annotated[Path, typer.Option("--output", "-o", help="column file to write")],
    source: Annotated[Path | None, typer.Option("--from", help="read columns from this file in ecRad's input format")] = None,
    number: Annotated[int, typer.Option(help="how many columns to generate")] = 1000,
    layers: Annotated[int, typer.Option(help="layers of a generated column")] = DEFAULT_LAYERS,
    top_pressure: Annotated[float, typer.Option(help="pressure of the uppermost level [Pa]")] = 1.0,
    seed: Annotated[int, typer.Option(help="the same seed gives the same columns")] = 0,
    clear_sky: Annotated[bool, typer.Option("--clear-sky", help="leave the clouds out")] = False,
    case: Annotated[str | None, typer.Option(help=f"columns of an extreme case: {', '.join(EXTREMES)}")] = None,
) -> None:
    """Write a column file: generated columns, or those of a file in ecRad's input format."""
    with one_line_errors("ftorch-train columns"):
        expect_place(output)
        if case is not None:
            if case not in EXTREMES:
                raise ColumnFileError(f"--case: expected one of {', '.join(EXTREMES)}, got {case}")
            if source or clear_sky or top_pressure != 1.0:
                raise ColumnFileError("--case: expected without --from, --clear-sky and --top-pressure")
            dataset = extreme_columns(case, number, layers, seed=seed)
        elif source:
            dataset = read_ecrad(source)
            if clear_sky:
                dataset = dataset.drop_vars(CLOUD_VARIABLES, errors="ignore")
        else:
            with Progress(*Progress.get_default_columns(), console=console, transient=True) as progress:
                task = progress.add_task("columns", total=number)
                dataset = generate_columns(
                    number,
                    layers,
                    seed=seed,
                    top_pressure=top_pressure,
                    clear_sky=clear_sky,
                    advance=lambda columns: progress.advance(task, columns),
                )
        with console.status(f"writing {output}"):
            write(dataset, output)
        sky = ", clear sky" if clear_sky else ""
        console.print(f"{output}: {dataset.sizes['column']} columns, {dataset.sizes['layer']} layers{sky}", soft_wrap=True)


@app.command("dataset")
def dataset_command(
    folder: Annotated[Path, typer.Argument(help="folder of the data set, new or to go on with")],
    number: Annotated[int, typer.Option(help="how many columns to generate, rounded up to whole shards")] = 65536,
    layers: Annotated[
        list[int] | None, typer.Option(help=f"layers of generated columns, {DEFAULT_LAYERS} if not given; several: in turns")
    ] = None,
    columns_per_shard: Annotated[int, typer.Option(help="columns in a shard", min=1)] = Settings.columns_per_shard,
    seed: Annotated[int, typer.Option(help="the same seed gives the same columns")] = Settings.seed,
    top_pressure: Annotated[float, typer.Option(help="pressure of the uppermost level [Pa]")] = Settings.top_pressure,
    clear_sky: Annotated[bool, typer.Option("--clear-sky", help="leave the clouds out")] = False,
    source: Annotated[
        list[Path] | None, typer.Option("--from", help="column file, recorded by a host for example, in place of generating")
    ] = None,
    overlap: Annotated[str, typer.Option(help=f"overlap of clouds: {', '.join(OVERLAPS)}")] = Settings.overlap,
    draws: Annotated[int, typer.Option(help="McICA draws to average")] = Settings.draws,
    ice_optics: Annotated[str, typer.Option(help=f"ice optics: {', '.join(ICE_OPTICS)}")] = Settings.ice_optics,
    absorbing_ice: Annotated[
        bool, typer.Option("--absorbing-ice", help="ice that absorbs where AER's shortwave takes it for ice that does not")
    ] = False,
    threads: Annotated[int, typer.Option(help="OpenMP threads of RRTMG", min=1)] = 1,
    part: Annotated[
        str | None, typer.Option(help="K/N: make only the K-th of N parts; by default as mpirun, srun or torchrun say")
    ] = None,
) -> None:
    """Make a data set to train on: columns and RRTMG's fluxes for them, in shards.

    Shards that are there are left alone: the same command goes on after it was cut off, and with a larger --number the set
    grows. Any number of processes, of MPI for example, share the shards out, and so do two such commands at once.
    """
    with one_line_errors("ftorch-train dataset"):
        rank, size = _part(part)
        settings = Settings(
            layers=tuple(layers or Settings.layers),
            columns_per_shard=columns_per_shard,
            seed=seed,
            top_pressure=top_pressure,
            clear_sky=clear_sky,
            sources=tuple(map(str, source or ())),
            overlap=overlap,
            draws=draws,
            ice_optics=ice_optics,
            absorbing_ice=absorbing_ice,
        )
        if number < 1:
            raise DatasetError(f"number of columns: expected at least 1, got {number}")
        dataset = Dataset.create(folder, settings)
        shards = dataset.shards_of_sources() if source else -(-number // columns_per_shard)
        mine = range(rank, shards, size)
        missing = [shard for shard in mine if not dataset.has(shard)]
        started = time.monotonic()
        with Progress(*Progress.get_default_columns(), console=console, transient=True, disable=rank > 0) as progress:
            task = progress.add_task("shards", total=len(mine), completed=len(mine) - len(missing))
            made = _make_shards(dataset, missing, shards, threads, lambda: progress.advance(task))
        took = time.monotonic() - started
        of = f", part {rank + 1} of {size}" if size > 1 else ""
        console.print(f"{folder}: {made} shards made in {took:.1f} s, {len(mine)} there{of}", soft_wrap=True)


def _make_shards(dataset: Dataset, missing: Sequence[int], shards: int, threads: int, advance: Callable[[], None]) -> int:
    """Make what is ``missing`` of so many ``shards``, those that another run is making last; returns how many this one made.

    Raises :class:`DatasetError` when told to stop.
    """
    made, waiting = 0, list(missing)
    with checkpoints.told_to_stop() as asked:
        while waiting:
            busy = []
            for shard in waiting:
                outcome: Made = "there"
                try:
                    outcome = dataset.make(shard, threads, wait=False)
                except programs.ProgramError:
                    if not asked():  # Ctrl-C reaches RRTMG, too
                        raise
                if asked():
                    raise DatasetError(
                        f"{dataset.folder}: stopped by {asked()}, {len(dataset.shards())} of {shards} shards are there: "
                        "the same command goes on"
                    )
                if outcome == "busy":
                    busy.append(shard)
                else:
                    made += outcome == "made"
                    advance()
            if busy == waiting:  # the run that has them may be killed
                time.sleep(SECONDS_BETWEEN_LOOKS)
            waiting = busy
    return made


@app.command("recipe")
def recipe_command(
    recipe_file: Annotated[Path, typer.Argument(help="recipe (.toml): network, optimiser, loss, validation")],
    folder: Annotated[Path, typer.Argument(help="data set")],
    output: Annotated[Path, typer.Option("--output", "-o", help="weights to write (.safetensors)")],
    layers: Annotated[int, typer.Option(help="grid that the network is validated on")] = DEFAULT_LAYERS,
    threads: Annotated[int, typer.Option(help="threads of PyTorch, in each process", min=1)] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the checkpoint of a run that was cut off")] = False,
) -> None:
    """Train a network on a data set by a recipe; under torchrun processes share the steps.

    Beside the weights it writes the learning curve, as numbers (.curve.json) and as a figure (.curve.png).
    """
    from ftorch_bridge import plots  # noqa: PLC0415 (matplotlib takes its time to load)
    from ftorch_bridge.recipe import read_recipe, train  # noqa: PLC0415 (not every installation trains)

    with one_line_errors("ftorch-train recipe"):
        recipe = read_recipe(recipe_file)
        dataset = Dataset(folder)
        result = train(
            recipe,
            dataset,
            layers=layers,
            checkpoint=checkpoints.begin(output, resume),
            resume=resume,
            threads=threads,
            say=lambda words: console.print(words, soft_wrap=True, highlight=False),
        )
        if result is None:
            return
        network, curve = result
        envelope: dict[str, str] = {}
        if tuple(network.inputs) == INPUTS:  # what the guard looks at
            try:
                envelope[METADATA_KEY] = _envelope_of(dataset).to_text()
            except EnvelopeError as error:
                console.print(f"no training envelope: {error}", soft_wrap=True)
        save_weights(
            network,
            output,
            {
                "command": "ftorch-train " + shlex.join(a for a in sys.argv[1:] if a != "--resume"),
                "recipe": recipe_file.read_text(),
                "network": recipe.network,
                "dataset": json.dumps(asdict(dataset.settings)),
                "trained_on": f"{_device(threads)}, {curve[-1]['seconds']:.0f} s",
                "validation": ", ".join(f"{name} {value:.4g}" for name, value in min(curve, key=lambda e: e["loss"]).items()),
                **envelope,
            },
        )
        write_json(output.with_suffix(".curve.json"), curve)
        plots.learning_curve(curve, output.with_suffix(".curve.png"), recipe.network)
        console.print(f"{output}: {len(curve)} validations, beside it {output.with_suffix('.curve.png').name}", soft_wrap=True)


@app.command("merge-replay")
def merge_replay_command(
    replay_files: Annotated[list[Path], typer.Argument(help="replay files, of several ranks or runs", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="column file to write")],
) -> None:
    """Merge replay files of one vertical grid into one column file, each column once."""
    from ftorch_bridge.replay import merge  # noqa: PLC0415 (not every installation trains)

    with one_line_errors("ftorch-train merge-replay"):
        expect_place(output)
        merged = merge(replay_files)
        if len(merged) > 1:
            grids = ", ".join(str(part.sizes["layer"]) for part in merged)
            raise DatasetError(f"{output}: expected replay files of one number of layers, got {grids}")
        write(merged[0], output)
        sizes = merged[0].sizes
        console.print(f"{output}: {sizes['column']} columns of {sizes['layer']} layers", soft_wrap=True)


@app.command("replay")
def replay_command(
    weights: Annotated[Path, typer.Argument(help="weights to go on from (.safetensors)")],
    folder: Annotated[Path, typer.Argument(help="data set that they were trained on")],
    replay_files: Annotated[list[Path], typer.Argument(help="replay files, of several ranks or runs", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="weights to write (.safetensors)")],
    share: Annotated[float, typer.Option(help="share of the steps that are on recorded columns")] = 0.25,
    steps: Annotated[int | None, typer.Option(help="steps; by default a tenth of the recipe's", min=1)] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="highest of the cosine schedule; by default a fifth of the recipe's", min=1e-12)
    ] = None,
    draws: Annotated[
        int | None, typer.Option(help="McICA draws in a label of recorded columns; by default those of the data set", min=1)
    ] = None,
    recipe_file: Annotated[
        Path | None, typer.Option("--recipe", help="recipe (.toml); by default that in the weights' metadata")
    ] = None,
    layers: Annotated[int | None, typer.Option(help="grid of the data set to watch; by default its first")] = None,
    work: Annotated[
        Path | None, typer.Option("--folder", help="folder for the recorded columns and their labels; by default OUTPUT.replay")
    ] = None,
    threads: Annotated[int, typer.Option(help="threads of RRTMG and of PyTorch, in each process", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="of the order of the columns", min=0)] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the checkpoint of a run that was cut off")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the table as JSON")] = None,
) -> None:
    """Train on, with columns that a host recorded because the network was refused or wrong there: the next network.

    RRTMG labels the recorded columns; a share of the steps is on them. Prints the errors before and after, on columns of the
    data set and on recorded columns, neither of which were trained on. Under torchrun processes share the steps.
    """
    from ftorch_bridge import replay  # noqa: PLC0415 (not every installation trains)
    from ftorch_bridge.recipe import meet, parse_recipe, processes, read_recipe  # noqa: PLC0415

    with one_line_errors("ftorch-train replay"):
        expect_place(json_file)
        if not 0.0 < share < 1.0:
            raise DatasetError(f"--share: expected more than 0 and less than 1, got {share:g}")
        checkpoint = checkpoints.begin(output, resume)
        network, notes = load_network(weights)
        if recipe_file is None and "recipe" not in notes:
            raise TrainingError(f"{weights}: expected the recipe in its metadata, found none; give one with --recipe")
        written = read_recipe(recipe_file) if recipe_file else parse_recipe(notes["recipe"], f"{weights}: its recipe")
        text = recipe_file.read_text() if recipe_file else notes["recipe"]
        recipe = replay.replay_recipe(written, network, steps=steps, learning_rate=learning_rate, seed=seed)
        base = Dataset(folder)
        labels = work or output.with_suffix(".replay")
        differing = [f"{k} {v}, not {written.size[k]}" for k, v in network.config.items() if written.size.get(k, v) != v]
        with processes(threads, patience=timedelta(days=1)) as (rank, size, device):
            if rank == 0:
                if differing:
                    console.print(f"the network stays as large as its weights are: {', '.join(differing)}", soft_wrap=True)
                # The other processes of this machine wait meanwhile: this one has their threads too.
                helpers = threads * int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
                _label(replay_files, network.inputs, labels, base.settings, draws, helpers)
            meet(size, device)
            recorded = Dataset(labels / replay.LABELLED)
            found = replay.train_on(
                network,
                recipe,
                base,
                recorded,
                layers=layers or base.settings.layers[0],
                share=share,
                checkpoint=checkpoint,
                resume=resume,
                threads=threads,
                say=lambda words: console.print(words, soft_wrap=True, highlight=False),
            )
        if found is None:
            return
        passed_on = {"network": recipe.network, "recipe": text, "dataset": json.dumps(asdict(base.settings))}
        if METADATA_KEY in notes:
            try:
                passed_on[METADATA_KEY] = _envelope_of(JoinedDataset(base, recorded)).to_text()
            except EnvelopeError as error:
                console.print(f"no training envelope: {error}", soft_wrap=True)
        command = "ftorch-train " + shlex.join(a for a in sys.argv[1:] if a != "--resume")
        save_weights(
            found.network,
            output,
            {
                **passed_on,
                "command": command,
                "trained_on": f"{_device(threads)}, {found.curve[-1]['seconds']:.0f} s",
                "validation": ", ".join(f"{name} {value:.4g}" for name, value in found.curve[-1].items()),
                "parents": replay.parents(weights, network, notes),
                "replay": replay.settings_note(recorded, replay_files, recipe, share),
            },
        )
        if json_file is not None:
            write_json(json_file, {"command": command, "weights": output.name, **found.errors, "curve": found.curve})
        _print_before_and_after(found.errors)
        console.print(f"{output}: trained on from {weights}, {recipe.training.steps} steps", soft_wrap=True)


def _label(
    replay_files: list[Path], needed: Sequence[str], folder: Path, base: Settings, draws: int | None, threads: int
) -> None:
    """RRTMG's fluxes for the columns of replay files, as a data set in ``folder``."""
    from ftorch_bridge import replay  # noqa: PLC0415 (not every installation trains)

    merged = replay.merge(replay_files, needed)
    number = sum(part.sizes["column"] for part in merged)
    console.print(f"{len(replay_files)} replay files: {number} different columns", soft_wrap=True)
    with Progress(*Progress.get_default_columns(), console=console, transient=True) as progress:
        task = progress.add_task("labels", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        replay.replay_dataset(merged, folder, base, draws=draws, threads=threads, advance=advance)


def _print_before_and_after(errors: dict[str, dict[str, dict[str, float]]]) -> None:
    from ftorch_bridge.replay import ROWS  # noqa: PLC0415 (not every installation trains)

    sets = {"base": "data set", "replay": "recorded"}
    counts = {where: int(errors[where]["before"]["columns"]) for where in sets}
    title = f"not trained on: {counts['base']} columns of the data set, {counts['replay']} of those recorded"
    table = Table(title=title, title_justify="left")
    table.add_column("error against RRTMG")
    for words in sets.values():
        for when in ("before", "after"):
            table.add_column(f"{words}\n{when}", justify="right")

    def add(words: str, name: str, factor: float, digits: int) -> None:
        found = [errors[where][when].get(name) for where in sets for when in ("before", "after")]
        table.add_row(words, *("" if value is None else f"{factor * value:.{digits}f}" for value in found))

    for s, spectrum in SPECTRA.items():
        if any(name.startswith(f"{s}_") for name in errors["base"]["after"]):
            table.add_row(spectrum)
            for words, name, factor, digits in ROWS:
                add(f"  {words}", f"{s}_{name}", factor, digits)
            table.add_section()
    add(f"columns over {LARGE_ERROR:g} K day-1 [%]", "large_error_share", 100.0, 2)
    console.print(table)


@app.command("envelope")
def envelope_command(
    folders: Annotated[list[Path], typer.Argument(help="data sets that a network was trained on")],
    output: Annotated[Path, typer.Option("--output", "-o", help="envelope to write (text)")],
    components: Annotated[int, typer.Option(help="Gaussians of the mixture", min=1)] = 32,
    margin: Annotated[
        float, typer.Option(help="how far limits lie outside the columns' range, in parts of it", min=0.0)
    ] = 0.03,
    share: Annotated[float, typer.Option(help="share of ordinary columns that the distance may refuse", min=1e-6)] = 1e-3,
    seed: Annotated[int, typer.Option(help="the same seed gives the same envelope")] = 0,
) -> None:
    """Write the training envelope of data sets: where the guard of a host trusts a network that was trained on them."""
    with one_line_errors("ftorch-train envelope"):
        expect_place(output)
        dataset = JoinedDataset(*map(Dataset, folders))
        found = _envelope_of(dataset, components=components, margin=margin, share=share, seed=seed)
        with whole_file(output) as temporary:
            temporary.write_text(found.to_text())
        console.print(f"{output}: envelope of {found.columns} columns of {', '.join(map(str, folders))}", soft_wrap=True)


def _envelope_of(dataset: Dataset, **settings: float) -> Envelope:
    """The envelope of a data set, with a progress bar."""
    with Progress(*Progress.get_default_columns(), console=console, transient=True) as progress:
        task = progress.add_task("envelope", total=len(dataset.shards()))
        return Envelope.of(dataset, **settings, advance=lambda shards: progress.advance(task, shards))


def _device(threads: int) -> str:
    """What a training runs on."""
    size = rank_and_size()[1]
    of = f"{size} processes, " if size > 1 else ""
    if torch.cuda.is_available():
        return of + torch.cuda.get_device_name()
    return f"{of}{machine_facts()['processor']}, {threads} thread{'s' * (threads > 1)}"


def _part(text: str | None) -> tuple[int, int]:
    """Rank, from 0, and number of ranks from ``K/N``, or from the launcher."""
    if text is None:
        return rank_and_size()
    k, slash, n = text.partition("/")
    if not (slash and k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n)):
        raise DatasetError(f"--part: expected K/N with K from 1 to N, got {text}")
    return int(k) - 1, int(n)


@app.command()
def fluxes(
    column_file: Annotated[Path, typer.Argument(help="column file")],
    output: Annotated[Path, typer.Option("--output", "-o", help="flux file to write")],
) -> None:
    """Run RRTMG over a column file, without the clouds that it may have: the networks here know none."""
    with one_line_errors("ftorch-train fluxes"):
        expect_place(output)
        programs.run("radml-rrtmg", column_file, output, "--clear-sky", show=True)


def _fluxes_of(column_file: Path) -> Path:
    """The flux file beside a column file, computed with RRTMG unless it is there and newer."""
    flux_file = column_file.with_suffix(".fluxes.nc")
    if not column_file.is_file():
        raise TrainingError(f"{column_file}: no such file")
    if not flux_file.is_file() or flux_file.stat().st_mtime < column_file.stat().st_mtime:
        programs.run("radml-rrtmg", column_file, flux_file, "--clear-sky", show=True)
    return flux_file


@app.command("fit")
def fit_command(
    training: Annotated[list[Path], typer.Argument(help="column files to train on, one vertical grid each")],
    validation: Annotated[Path, typer.Option(help="column file that is never trained on")],
    output: Annotated[Path, typer.Option("--output", "-o", help="weights to write (.safetensors)")],
    steps: Annotated[int, typer.Option(help="optimisation steps", min=1)] = TrainingConfig.steps,
    batch: Annotated[int, typer.Option(help="columns in a step", min=1)] = TrainingConfig.batch,
    learning_rate: Annotated[
        float, typer.Option(help="highest learning rate of the cosine schedule")
    ] = TrainingConfig.learning_rate,
    channels: Annotated[int, typer.Option(help="channels of the network", min=1)] = ResCNNConfig.channels,
    modules: Annotated[int, typer.Option(help="residual modules", min=0)] = ResCNNConfig.modules,
    points: Annotated[int, typer.Option(help="pseudo-spectral points", min=1)] = ResCNNConfig.points,
    seed: Annotated[int, typer.Option(help="seed of weights and shuffling")] = TrainingConfig.seed,
    threads: Annotated[int, typer.Option(help="threads of PyTorch", min=1)] = TrainingConfig.threads,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the checkpoint of a run that was cut off")] = False,
) -> None:
    """Train the residual network on RRTMG's results for column files.

    RRTMG is run where a file's fluxes (FILE.fluxes.nc) are missing or older than the columns.
    """
    with one_line_errors("ftorch-train fit"):
        checkpoint = checkpoints.begin(output, resume)
        samples = [read_samples(path, _fluxes_of(path)) for path in training]
        unseen = read_samples(validation, _fluxes_of(validation))
        config = TrainingConfig(steps=steps, batch=batch, learning_rate=learning_rate, seed=seed, threads=threads)
        network = fit(
            samples,
            unseen,
            ResCNNConfig(channels=channels, modules=modules, points=points),
            config,
            checkpoint=checkpoint,
            resume=resume,
        )
        errors = errors_of(network, unseen)
        save_weights(
            network,
            output,
            {
                "command": "ftorch-train " + shlex.join(a for a in sys.argv[1:] if a != "--resume"),
                "validation": ", ".join(f"{name} {value:.4g}" for name, value in errors.items()),
            },
        )
        _print_errors(f"{output} on {validation}", errors)


@app.command()
def evaluate(
    weights: Annotated[Path, typer.Argument(help="weights (.safetensors)")],
    data: Annotated[Path, typer.Argument(help="data set, or a column file (.nc), which RRTMG then labels")],
    split: Annotated[str, typer.Option(help="train, validation, test; or all, of a set with a seed of its own")] = "test",
    layers: Annotated[
        int | None, typer.Option(help=f"grid of the columns, {DEFAULT_LAYERS} if not given; that of a column file is its own")
    ] = None,
    draws: Annotated[int, typer.Option(help="McICA draws in the labels of a column file", min=1)] = Settings.draws,
    at_most: Annotated[int, typer.Option(help="columns to take", min=1)] = 4096,
    noise_columns: Annotated[int, typer.Option(help="columns that RRTMG labels again, to tell the noise of labels", min=0)] = 0,
    threads: Annotated[int, typer.Option(help="threads of RRTMG and of PyTorch", min=1)] = 1,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="model card to write (.md), with .json and .png beside it")
    ] = None,
) -> None:
    """Errors of trained weights on columns never seen: by layer, kind of cloud and climate, with figure and model card."""
    from ftorch_bridge import plots  # noqa: PLC0415 (matplotlib takes its time to load)

    with one_line_errors("ftorch-train evaluate"):
        expect_place(output)
        if split not in (*SPLITS, "all"):
            raise DatasetError(f"--split: expected one of {', '.join(SPLITS)} or all, got {split}")
        network, notes = load_network(weights)
        torch.set_num_threads(threads)
        if data.suffix == ".nc" and isinstance(network, ResCNN):
            _print_errors(f"{weights} on {data}", errors_of(network, read_samples(data, _fluxes_of(data))))
            return
        with Progress(*Progress.get_default_columns(), console=console, transient=True) as progress, ExitStack() as stack:
            task = progress.add_task("columns", total=None)
            if data.suffix == ".nc":
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                dataset, layers = labelled(data, folder, draws=draws, at_most=at_most, threads=threads)
                split = "all"
            else:
                dataset, layers = Dataset(data), layers or DEFAULT_LAYERS
            found = evaluate_network(
                network,
                dataset,
                split=split,
                layers=layers,
                at_most=at_most,
                noise_columns=noise_columns,
                threads=threads,
                advance=lambda columns: progress.advance(task, columns),
            )
        header, rows = errors_table(found)
        table = Table(title=f"{weights} on {found.columns} columns of {data}, {layers} layers", title_justify="left")
        for i, words in enumerate(header):
            table.add_column(words, justify="right" if i else "left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
        if output is not None:
            command = "ftorch-train " + shlex.join(sys.argv[1:])
            figure = output.with_suffix(".png")
            plots.evaluation_figure(found, figure, f"{weights.name}: {found.columns} columns of {layers} layers, unseen")
            write_json(output.with_suffix(".json"), found.to_dict())
            with whole_file(output) as temporary:
                temporary.write_text(model_card(found, weights.stem, network.config, notes, command, figure.name))
            console.print(f"model card: {output}, beside it .json and .png", soft_wrap=True)


def _print_errors(title: str, errors: dict[str, float]) -> None:
    table = Table(title=title)
    table.add_column("error against RRTMG")
    table.add_column("value", justify="right")
    for name, value in errors.items():
        table.add_row(name.replace("_", " "), f"{value:.4g}")
    console.print(table)


if __name__ == "__main__":
    app()
