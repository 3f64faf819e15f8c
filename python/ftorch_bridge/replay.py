"""Experience replay: what a host recorded, because a network was refused or wrong there, becomes part of its training.

Replay files are column files, one for each rank of a run. They are merged, RRTMG labels their columns as a data set, and the
network trains on, on the data set it comes from and on the new one together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from torch import nn

from ftorch_bridge.checkpoints import TrainingError
from ftorch_bridge.column_file import COLUMN_VARIABLES, read_columns, write
from ftorch_bridge.dataset import Arrays, Dataset, DatasetError, Settings, load_split, read_shard, split_of
from ftorch_bridge.evaluation import LARGE_ERROR, SPECTRA, compare, run_network
from ftorch_bridge.files import alone, write_json
from ftorch_bridge.recipe import Recipe, fingerprint, processes, train

LABELLED: Final = "set"
"""Data set of recorded columns, in the folder of a replay."""
PLACES: Final = 40
"""Fewest places on the globe by which recorded columns are held back."""
COLUMNS_PER_SHARD: Final = 1024
AT_MOST: Final = 4096
"""Columns of the base set that errors are those of."""

_ABSENT_IS_ZERO: Final = ("cfc11", "cfc12", "cfc22", "ccl4")
_SOLAR_IRRADIANCE: Final = 1361.0  # W m-2, where a column file has none


# ---- merging ----


def merge(paths: Sequence[Path], needed: Iterable[str] = ()) -> list[xr.Dataset]:
    """The columns of replay files, one set for each number of layers, fewest first; all have the variables ``needed``.

    A column that was recorded twice is there once. ``profile`` (column,) is below zero, so that no generated column has the
    same, and follows from the column alone: it stays in the same part of a split in every round of training. Columns of one
    place on the globe have the same, since they are much alike from one hour to the next; unless the files have no places, or
    fewer than :data:`PLACES`. Raises :class:`ftorch_bridge.column_file.ColumnFileError` and :class:`DatasetError`.
    """
    grids: dict[int, list[xr.Dataset]] = {}
    for path in paths:
        columns = _recorded(path, needed)
        grids.setdefault(columns.sizes["layer"], []).append(columns)
    merged = [_together(parts) for _, parts in sorted(grids.items())]
    places = [_places(columns) for columns in merged]
    known = {place for found in places if found is not None for place in found}
    by_place = len(known) >= PLACES and all(found is not None for found in places)
    return [
        columns.assign(profile=("column", _numbers(found if by_place and found is not None else _words(columns))))
        for columns, found in zip(merged, places, strict=True)
    ]


def _recorded(path: Path, needed: Iterable[str]) -> xr.Dataset:
    """The columns of a replay file, with nothing but variables of a column file."""
    columns = read_columns(path)
    if not columns.sizes["column"]:
        raise DatasetError(f"{path}: expected recorded columns, got none")
    names = [v.name for v in COLUMN_VARIABLES if v.name in columns and v.name != "profile"]
    columns = columns[names].drop_attrs()
    absent = {name: ("column", "layer") for name in _ABSENT_IS_ZERO if name not in columns}
    columns = columns.assign({name: xr.zeros_like(columns["o2"]) for name in absent})
    if "solar_irradiance" not in columns:
        columns = columns.assign(solar_irradiance=xr.full_like(columns["surface_temperature"], _SOLAR_IRRADIANCE))
    for name in needed:
        if name not in columns:
            raise DatasetError(f"{path}: expected the variable {name}, an input of the network, got {', '.join(names)}")
    return columns


def _together(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Columns of one grid, with the variables that all parts have, each column once."""
    names = [v.name for v in COLUMN_VARIABLES if all(v.name in part for part in parts)]
    whole = xr.concat([part[names] for part in parts], "column")
    _, first = np.unique(np.array(_words(whole)), return_index=True)
    return whole.isel(column=np.sort(first))


def _words(columns: xr.Dataset) -> list[bytes]:
    """A word for each column that equal columns alone have in common."""
    arrays = [np.ascontiguousarray(columns[name].to_numpy()) for name in sorted(map(str, columns.data_vars))]
    return [hashlib.sha256(b"".join(a[i].tobytes() for a in arrays)).digest() for i in range(columns.sizes["column"])]


def _places(columns: xr.Dataset) -> list[bytes] | None:
    """Latitude and longitude of each column, if the file has them."""
    if "latitude" not in columns or "longitude" not in columns:
        return None
    return [place.tobytes() for place in np.stack([columns["latitude"], columns["longitude"]], 1).astype(np.float64)]


def _numbers(words: Sequence[bytes]) -> NDArray[np.int64]:
    """Numbers below zero that follow from words."""
    return np.array([-1 - int.from_bytes(hashlib.sha256(word).digest()[:7], "big") for word in words], np.int64)


# ---- labels ----


def replay_dataset(
    merged: Sequence[xr.Dataset],
    folder: Path,
    base: Settings,
    *,
    draws: int | None = None,
    threads: int = 1,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Dataset:
    """The data set in ``folder`` of merged columns, with RRTMG's fluxes by the settings of ``base``, or what is missing of it.

    ``draws`` are McICA draws in a label, by default those of ``base``; ``advance`` is told how many shards are there, of how
    many. A process that labels in the same folder is waited for. Raises :class:`DatasetError` for a folder of other columns,
    and what :meth:`Dataset.make` raises.
    """
    parts = np.concatenate([split_of(columns["profile"].to_numpy()) for columns in merged])
    if (parts == "train").all() or not (parts == "train").any():
        raise DatasetError(
            f"{folder}: expected columns to train on and to hold back, got {len(parts)} recorded columns, "
            f"{int((parts == 'train').sum())} of them to train on; record more"
        )
    content = hashlib.sha256(b"".join(word for columns in merged for word in _words(columns))).hexdigest()
    with alone(folder):  # two networks may be trained on with the same columns at once
        description = folder / "replay.json"
        if description.is_file():
            if (there := json.loads(description.read_text()).get("content")) != content:
                raise DatasetError(f"{folder}: is of other recorded columns: expected {content[:12]}, got {str(there)[:12]}; "
                                   "give another folder (--folder)")  # fmt: skip
        else:
            write_json(description, {"content": content, "columns": len(parts)})
        sources = []
        for columns in merged:
            sources.append(folder / f"columns-{columns.sizes['layer']}.nc")
            if not sources[-1].is_file():
                write(columns, sources[-1])
        settings = replace(
            base,
            layers=tuple(columns.sizes["layer"] for columns in merged),
            columns_per_shard=COLUMNS_PER_SHARD,
            sources=tuple(map(str, sources)),
            draws=draws or base.draws,
        )
        dataset = Dataset.create(folder / LABELLED, settings)
        total = dataset.shards_of_sources()
        for shard in range(total):
            dataset.make(shard, threads)
            advance(shard + 1, total)
        return dataset


# ---- errors ----


def errors_of(network: nn.Module, grids: Sequence[Arrays]) -> dict[str, float]:
    """Errors of a network on columns, an entry of ``grids`` for each number of layers; all columns and layers weigh the same.

    Heating RMSE of all layers and of the worst one [K day-1], RMSE of the net flux at the top and the surface [W m-2], of
    the longwave (``lw_``) and of the shortwave of sunlit columns (``sw_``); the share of columns with a heating error over
    :data:`LARGE_ERROR` in either.
    """
    spectra = [s for s in SPECTRA if f"{s}_up" in network.outputs]
    sums: dict[str, list[tuple[float, float]]] = {}  # squares of errors and what they weigh
    worst: dict[str, float] = {}
    count = large = 0
    for columns in grids:
        found = run_network(network, columns)
        truth = {name: columns[name].astype(np.float64) for name in network.outputs}
        pressure = columns["pressure_layer"]
        furthest = np.zeros(len(pressure))
        for s in spectra:
            heating = np.abs(found[f"{s}_heating_rate"] - truth[f"{s}_heating_rate"]).max(1)
            furthest = np.maximum(furthest, heating)
            kept = columns["cos_zenith"] > 0.0 if s == "sw" else np.ones(len(pressure), bool)
            if not (number := int(kept.sum())):
                continue
            errors = compare(found, truth, pressure, s, kept)
            for name in ("heating_rmse", "top_net_rmse", "surface_net_rmse"):
                weight = number * (pressure.shape[1] if name == "heating_rmse" else 1)
                sums.setdefault(f"{s}_{name}", []).append((errors[name] ** 2 * weight, weight))
            name = f"{s}_worst_layer_rmse"
            worst[name] = max(worst.get(name, 0.0), errors["heating_worst_layer_rmse"])
        count += len(pressure)
        large += int((~(furthest <= LARGE_ERROR)).sum())
    means = {name: float(np.sqrt(sum(v for v, _ in values) / sum(w for _, w in values))) for name, values in sums.items()}
    return {"columns": count, **means, **worst, "large_error_share": large / count}


ROWS: Final = (
    ("heating RMSE [K day-1]", "heating_rmse", 1.0, 3),
    ("heating RMSE, worst [K day-1]", "worst_layer_rmse", 1.0, 2),
    ("net flux RMSE, top [W m-2]", "top_net_rmse", 1.0, 2),
    ("net flux RMSE, ground [W m-2]", "surface_net_rmse", 1.0, 2),
)
"""Of the table of errors of a spectrum: words, name, factor, digits."""


def _by_grid(dataset: Dataset, names: Sequence[str], split: str) -> list[Arrays]:
    """All columns of a split of a small data set, an entry for each number of layers."""
    grids: dict[int, list[Arrays]] = {}
    for shard in dataset.shards():
        part = read_shard(dataset, shard, names, split)
        if len(part["pressure_layer"]):
            grids.setdefault(part["pressure_layer"].shape[1], []).append(part)
    return [{name: np.concatenate([part[name] for part in parts]) for name in names} for _, parts in sorted(grids.items())]


# ---- training ----


@dataclass(frozen=True)
class Outcome:
    """What a replay gave."""

    network: nn.Module
    """With the new weights, in evaluation mode on the CPU."""
    errors: dict[str, dict[str, dict[str, float]]]
    """Of :func:`errors_of`, on the ``base`` set and on the ``replay`` columns, ``before`` and ``after``."""
    curve: list[dict[str, float]]
    """Of :func:`ftorch_bridge.recipe.train`."""


def replay_recipe(recipe: Recipe, network: nn.Module, *, steps: int | None, learning_rate: float | None, seed: int) -> Recipe:
    """The recipe to train ``network`` on by: a tenth of the steps and a fifth of the learning rate, unless they are given.

    The network stays as large as it is, however large that of the recipe is. Raises :class:`TrainingError` for a recipe of
    another class.
    """
    own = f"{type(network).__module__}:{type(network).__name__}"
    if recipe.network != own:
        raise TrainingError(f"the recipe: expected one of {own}, as the weights are, got one of {recipe.network}")
    steps = steps or max(1, recipe.training.steps // 10)
    training = replace(
        recipe.training,
        steps=steps,
        learning_rate=learning_rate or 0.2 * recipe.training.learning_rate,
        warm_up=min(recipe.training.warm_up, steps // 10),
        seed=seed,
    )
    validation = replace(recipe.validation, every=-(-steps // 10), patience=0)
    return replace(recipe, size=network.config, training=training, validation=validation)


def train_on(
    network: nn.Module,
    recipe: Recipe,
    base: Dataset,
    recorded: Dataset,
    *,
    layers: int,
    share: float,
    checkpoint: Path | None = None,
    resume: bool = False,
    threads: int = 1,
    say: Callable[[str], None] = lambda words: None,
) -> Outcome | None:
    """Train ``network`` on by ``recipe``, a ``share`` of the steps on ``recorded`` columns; find errors before and after.

    Those on the base set are of its part ``test``, of the grid of ``layers``; those of the recorded columns of all that were
    held back. Under torchrun processes share the steps, and rank 0 alone gets the outcome, others ``None``.

    Raises :class:`ftorch_bridge.training.TrainingError` and :class:`DatasetError`.
    """
    if not 0.0 < share < 1.0:
        raise DatasetError(f"share of the recorded columns: expected more than 0 and less than 1, got {share:g}")
    names = [*dict.fromkeys([*network.inputs, *network.outputs, "pressure_layer"])]
    with processes(threads) as (rank, _, _):
        unseen: dict[str, list[Arrays]] = {}
        if rank == 0:
            unseen = {"base": [load_split(base, names, "test", layers, AT_MOST)], "replay": _by_grid(recorded, names, "unseen")}
        before = {name: errors_of(network, grids) for name, grids in unseen.items()}
        result = train(
            recipe,
            base,
            layers=layers,
            checkpoint=checkpoint,
            resume=resume,
            threads=threads,
            start={name: tensor.clone() for name, tensor in network.state_dict().items()},
            mixed=(recorded, share),
            say=say,
        )
    if result is None:
        return None
    errors = {name: {"before": before[name], "after": errors_of(result[0], grids)} for name, grids in unseen.items()}
    return Outcome(result[0], errors, result[1])


def parents(weights: Path, network: nn.Module, notes: Mapping[str, str]) -> str:
    """The note ``parents`` of what is trained from ``weights``: JSON, oldest first."""
    earlier: list[dict[str, Any]] = json.loads(notes.get("parents", "[]"))
    parent = {"weights": weights.name, "sha256": fingerprint(network.state_dict())}
    return json.dumps([*earlier, {**parent, **{k: notes[k] for k in ("command", "dataset", "trained_on") if k in notes}}])


def settings_note(recorded: Dataset, paths: Sequence[Path], recipe: Recipe, share: float) -> str:
    """The note ``replay``: JSON of what was trained on, and how."""
    settings = {"files": [path.name for path in paths], "share": share, "training": asdict(recipe.training)}
    return json.dumps({**settings, "draws": recorded.settings.draws, "layers": recorded.settings.layers})
