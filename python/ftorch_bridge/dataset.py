"""Data sets in shards: columns with RRTMG's fluxes, more than fit in memory or are made on one machine.

A data set is a folder. ``dataset.json`` says what its columns are; shard 7 is the pair ``shard-000007.nc`` (a column file) and
``shard-000007.fluxes.nc`` (its fluxes), and is there when both are. A shard depends on the settings and on its number alone, so
any number of processes make them in any order, of one run or of several at once, one that is killed loses the shard it was at,
and a set may grow.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ftorch_bridge import programs
from ftorch_bridge.cloud_choices import ICE_OPTICS, OVERLAPS
from ftorch_bridge.column_file import ColumnFileError, read_columns, write
from ftorch_bridge.columns import COLUMNS_IN_BLOCK, DEFAULT_LAYERS, LEAST_LAYERS, MOST_TOP_PRESSURE, generate_columns
from ftorch_bridge.files import alone, own_part, write_json

SPLITS = {"train": 0.9, "validation": 0.05, "test": 0.05}
"""Parts of every data set, and their shares of the profiles."""

DESCRIPTION = "dataset.json"
Made = Literal["made", "there", "busy"]
"""What became of a shard: made, there already, or another process is making it."""


class DatasetError(ValueError):
    """A data set that cannot be made or read: the message names the folder or file, what was expected and what came."""


@dataclass(frozen=True)
class Settings:
    """What the columns of a data set are, and how their fluxes are computed."""

    layers: tuple[int, ...] = (DEFAULT_LAYERS,)
    """Vertical grids of generated columns, which the shards take in turns."""
    columns_per_shard: int = 4096
    seed: int = 0
    top_pressure: float = 1.0
    """Of the uppermost level [Pa]."""
    clear_sky: bool = False
    sources: tuple[str, ...] = ()
    """Column files, recorded by a host for example, in place of generated columns: relative to the data set's folder where they
    lie beside it or in it, so that both can be moved together, else absolute."""
    overlap: str = "maximum-random"
    draws: int = 64
    """McICA draws whose mean the fluxes are."""
    ice_optics: str = "fu"
    absorbing_ice: bool = False

    def check(self) -> None:
        """Raise :class:`DatasetError` for what cannot be."""
        block = 1 if self.sources else COLUMNS_IN_BLOCK
        if self.columns_per_shard < 1 or self.columns_per_shard % block:
            raise DatasetError(f"columns per shard: expected a multiple of {block}, got {self.columns_per_shard}")
        if not self.layers or min(self.layers) < LEAST_LAYERS:
            raise DatasetError(f"layers: expected grids of at least {LEAST_LAYERS}, got {self.layers}")
        if not 0.0 <= self.top_pressure <= MOST_TOP_PRESSURE:
            raise DatasetError(f"pressure at the top: expected 0 to {MOST_TOP_PRESSURE:g} Pa, got {self.top_pressure}")
        if self.draws < 1:
            raise DatasetError(f"draws: expected at least 1, got {self.draws}")
        for name, value, choices in (("overlap", self.overlap, OVERLAPS), ("ice optics", self.ice_optics, ICE_OPTICS)):
            if value not in choices:
                raise DatasetError(f"{name}: expected one of {', '.join(choices)}, got {value}")


class Dataset:
    """A folder of shards."""

    def __init__(self, folder: Path | str) -> None:
        """The data set of ``folder``. Raises :class:`DatasetError` if there is none."""
        self.folder = Path(folder)
        path = self.folder / DESCRIPTION
        try:
            given = json.loads(path.read_text())
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read, so there is no data set: {error.strerror}") from error
        except json.JSONDecodeError as error:
            raise DatasetError(f"{path}: is not JSON: {error}") from error
        names = {field.name for field in fields(Settings)}
        if not isinstance(given, dict) or set(given) != names:
            raise DatasetError(f"{path}: expected the settings {', '.join(sorted(names))}, got {', '.join(sorted(given))}")
        self.settings = Settings(**{name: tuple(v) if isinstance(v, list) else v for name, v in given.items()})

    @classmethod
    def create(cls, folder: Path | str, settings: Settings) -> Dataset:
        """The data set of ``folder`` with these settings, new or to go on with.

        Raises :class:`DatasetError`, and :class:`ColumnFileError` for sources that cannot be used, before anything is written.
        """
        settings.check()
        if Path(folder).exists() and not Path(folder).is_dir():
            raise DatasetError(f"{folder}: expected a folder, got a file")
        given = asdict(settings) | {"sources": [str(Path(source).resolve()) for source in settings.sources]}
        path = Path(folder) / DESCRIPTION
        if not path.is_file():
            for source in settings.sources:
                read_columns(source, slice(1))
            with alone(Path(folder)):
                if not path.is_file():
                    write_json(path, given | {"sources": [_as_kept(source, Path(folder)) for source in settings.sources]})
        found = cls(folder)
        there = asdict(found.settings) | {"sources": found.sources()}
        for name, expected in there.items():
            if given[name] != expected:
                raise DatasetError(f"{folder}: is a data set with {name} = {expected}, got {given[name]}; give another folder")
        return found

    def columns_path(self, shard: int) -> Path:
        """Column file of a shard."""
        return self.folder / f"shard-{shard:06d}.nc"

    def fluxes_path(self, shard: int) -> Path:
        """Flux file of a shard."""
        return self.folder / f"shard-{shard:06d}.fluxes.nc"

    def has(self, shard: int) -> bool:
        """Whether a shard is there: its fluxes are written last."""
        return self.fluxes_path(shard).is_file() and self.columns_path(shard).is_file()

    def shards(self) -> list[int]:
        """Numbers of the shards that are there, rising."""
        found = (int(path.name.removeprefix("shard-").partition(".")[0]) for path in self.folder.glob("shard-*.fluxes.nc"))
        return sorted(shard for shard in found if self.has(shard))

    def sources(self) -> list[str]:
        """Absolute paths of the sources."""
        return [str((self.folder / source).resolve()) for source in self.settings.sources]

    def shards_of_sources(self) -> int:
        """How many shards the sources make. Raises :class:`ColumnFileError`."""
        return sum(-(-_columns_in(source) // self.settings.columns_per_shard) for source in self.sources())

    def make(self, shard: int, threads: int | None = None, *, wait: bool = True) -> Made:
        """Make a shard, unless it is there; RRTMG shares it out to ``threads``.

        A process that is making it is waited for, unless ``wait`` is false. Raises what generating (``ValueError``), reading
        (:class:`ColumnFileError`) and RRTMG (:class:`programs.ProgramError`) raise.
        """
        if self.has(shard):
            return "there"
        with own_part(self.folder / DESCRIPTION, shard, wait=wait) as mine:
            if not mine:
                return "busy"
            if self.has(shard):  # by the process that had it
                return "there"
            for left in self.folder.glob(f".shard-{shard:06d}.*"):  # by a process that was killed
                left.unlink(missing_ok=True)
            settings, columns = self.settings, self.columns_path(shard)
            if not columns.is_file():
                write(self._recorded(shard) if settings.sources else self._generated(shard), columns)
            programs.run("radml-rrtmg", columns, self.fluxes_path(shard), *self.rrtmg_options(), threads=threads)
            return "made"

    def rrtmg_options(self) -> list[str]:
        """Options of radml-rrtmg for the fluxes of the set."""
        settings = self.settings
        if settings.clear_sky:
            return ["--clear-sky"]
        options = ["--overlap", settings.overlap, "--draws", str(settings.draws), "--ice-optics", settings.ice_optics]
        return options + ["--absorbing-ice"] * settings.absorbing_ice

    def _generated(self, shard: int) -> xr.Dataset:
        s = self.settings
        return generate_columns(
            s.columns_per_shard,
            s.layers[shard % len(s.layers)],
            seed=s.seed,
            first=shard * s.columns_per_shard,
            top_pressure=s.top_pressure,
            clear_sky=s.clear_sky,
        )

    def _recorded(self, shard: int) -> xr.Dataset:
        each = self.settings.columns_per_shard
        for source in self.sources():
            there = -(-_columns_in(source) // each)
            if shard < there:
                columns = read_columns(source, slice(shard * each, (shard + 1) * each))
                if "profile" not in columns:
                    numbers = np.arange(shard * each, shard * each + columns.sizes["column"])
                    columns = columns.assign(profile=("column", numbers))
                return columns
            shard -= there
        raise DatasetError(f"{self.folder}: its sources have no such shard")


class JoinedDataset(Dataset):
    """Data sets read as one, the shards of the first one first."""

    def __init__(self, *parts: Dataset) -> None:
        """Of at least one part, whose settings and folder it has."""
        self.folder, self.settings = parts[0].folder, parts[0].settings
        self._shards = [(part, shard) for part in parts for shard in part.shards()]

    def shards(self) -> list[int]:
        """Numbers of the shards."""
        return [*range(len(self._shards))]

    def columns_path(self, shard: int) -> Path:
        """Column file of a shard."""
        part, number = self._shards[shard]
        return part.columns_path(number)

    def fluxes_path(self, shard: int) -> Path:
        """Flux file of a shard."""
        part, number = self._shards[shard]
        return part.fluxes_path(number)


def _as_kept(source: str, folder: Path) -> str:
    """The source as a data set names it: relative if it lies beside the set or deeper, links followed."""
    path, folder = Path(source).resolve(), folder.resolve()
    return os.path.relpath(path, folder) if path.is_relative_to(folder.parent) else str(path)


def _columns_in(source: str) -> int:
    try:
        with netCDF4.Dataset(source) as file:
            return file.dimensions["column"].size
    except (OSError, KeyError) as error:
        raise ColumnFileError(f"{source}: no column file: {error}") from error


def split_of(profiles: NDArray[np.int64]) -> NDArray[np.str_]:
    """Part of the data set, by profile (column,): a profile lies in the same one on every grid, with clouds and without.

    The parts follow from a hash of the profile's number (SplitMix64, Steele et al. 2014).
    """
    with np.errstate(over="ignore"):
        word = np.asarray(profiles).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        word ^= word >> np.uint64(31)
    place = np.searchsorted(np.cumsum([*SPLITS.values()])[:-1], word / 2.0**64, side="right")
    return np.array([*SPLITS])[place]


Arrays = dict[str, NDArray[np.float32]]

_READING = threading.Lock()  # HDF5 is for one thread at a time


def read_shard(dataset: Dataset, shard: int, names: Sequence[str], split: str) -> Arrays:
    """Variables of a shard's columns that lie in ``split``, by name, (column, ...).

    Beside the parts of every set there are ``all``, and ``unseen``: all but those to train on.

    Raises :class:`DatasetError`.
    """
    found: Arrays = {}
    paths = (dataset.columns_path(shard), dataset.fluxes_path(shard))
    try:
        with _READING, netCDF4.Dataset(paths[0]) as columns, netCDF4.Dataset(paths[1]) as fluxes:
            profiles = columns["profile"][:].data
            parts = split_of(profiles)
            wanted = {"all": parts != "", "unseen": parts != "train"}.get(split, parts == split)
            for name in names:
                file = columns if name in columns.variables else fluxes
                if name not in file.variables:
                    raise DatasetError(f"{paths[0]}: there is no variable {name}, nor in {paths[1].name}")
                found[name] = file[name][:].data[wanted].astype(np.float32)
    except OSError as error:
        raise DatasetError(f"{paths[0]}: cannot be read: {error}") from error
    return found


def load_split(dataset: Dataset, names: Sequence[str], split: str, layers: int, at_most: int) -> Arrays:
    """The first columns of ``split`` on the grid of ``layers``, at most so many. Raises :class:`DatasetError` for none."""
    parts: list[Arrays] = []
    count = 0
    for shard in dataset.shards():
        part = read_shard(dataset, shard, [*names, "pressure_layer"], split)
        layer = part.pop("pressure_layer") if "pressure_layer" not in names else part["pressure_layer"]
        if layer.shape[1] != layers or not len(layer):
            continue
        parts.append(part)
        count += len(layer)
        if count >= at_most:
            break
    if not parts:
        raise DatasetError(f"{dataset.folder}: has no columns of {layers} layers for {split}")
    return {name: np.concatenate([part[name] for part in parts])[:at_most] for name in names}


class Batches:
    """Endless shuffled batches of the training columns, read from disk as they are needed.

    Each epoch takes the shards in another order, some at a time, and mixes the columns of those; a batch is of one vertical
    grid. Of ``ranks`` processes each has shards of its own. The order follows from the seed: ``position`` in the constructor
    goes on where :meth:`position` was. Memory is bounded by two groups of ``shards_at_once``, one in use and one being read.
    Columns of a grid that a group has too few of for a batch are left out, or with ``smaller`` are a smaller batch.
    """

    def __init__(
        self,
        dataset: Dataset,
        names: Sequence[str],
        *,
        batch: int,
        seed: int,
        split: str = "train",
        rank: int = 0,
        ranks: int = 1,
        shards_at_once: int = 4,
        position: tuple[int, ...] = (0, 0, 0),
        smaller: bool = False,
    ) -> None:
        """Raises :class:`DatasetError` where there are fewer shards than ranks."""
        self._dataset, self._names, self._split = dataset, tuple(names), split
        self._batch, self._seed, self._smaller = batch, seed, smaller
        self._rank, self._ranks, self._at_once = rank, ranks, shards_at_once
        self._shards = dataset.shards()
        self._position = position
        if len(self._shards) < ranks:
            raise DatasetError(f"{dataset.folder}: expected a shard for each of {ranks} ranks, got {len(self._shards)}")

    def position(self) -> tuple[int, ...]:
        """Where the next batch lies: epoch, group of shards, batch of the group."""
        return self._position

    def _groups(self, epoch: int) -> list[list[int]]:
        """The shards of an epoch, this rank's, some at a time."""
        order = np.random.default_rng((self._seed, epoch)).permutation(self._shards)
        mine = order[: len(order) // self._ranks * self._ranks][self._rank :: self._ranks]
        return [[int(shard) for shard in mine[i : i + self._at_once]] for i in range(0, len(mine), self._at_once)]

    def _read(self, epoch: int, group: int) -> list[Arrays]:
        """The batches of a group."""
        grids: dict[int, list[Arrays]] = {}
        for shard in self._groups(epoch)[group]:
            part = read_shard(self._dataset, shard, [*dict.fromkeys([*self._names, "pressure_layer"])], self._split)
            grids.setdefault(part["pressure_layer"].shape[1], []).append(part)
        draw = np.random.default_rng((self._seed, epoch, group, self._rank))
        batches: list[Arrays] = []
        for _, parts in sorted(grids.items()):
            whole = {name: np.concatenate([part[name] for part in parts]) for name in self._names}
            order = draw.permutation(len(whole[self._names[0]]))
            chosen = [order[i : i + self._batch] for i in range(0, len(order) - self._batch + 1, self._batch)]
            if self._smaller and 0 < len(order) < self._batch:
                chosen = [order]
            batches += [{name: values[rows] for name, values in whole.items()} for rows in chosen]
        return [batches[i] for i in draw.permutation(len(batches))]

    def __iter__(self) -> Generator[Arrays, None, None]:
        """Batches by name, (column, ...). Raises what :func:`read_shard` raises."""
        ready: queue.Queue[tuple[int, int, list[Arrays]] | BaseException] = queue.Queue(maxsize=1)
        ended = threading.Event()
        epoch, group, skip = self._position

        def read_ahead(epoch: int, group: int) -> None:
            while not ended.is_set():
                try:
                    item: tuple[int, int, list[Arrays]] | BaseException = (epoch, group, self._read(epoch, group))
                except BaseException as error:  # raised again where the batches are used
                    item = error
                while not ended.is_set():
                    try:
                        ready.put(item, timeout=0.1)
                        break
                    except queue.Full:
                        continue
                if isinstance(item, BaseException):
                    return
                epoch, group = (epoch, group + 1) if group + 1 < len(self._groups(epoch)) else (epoch + 1, 0)

        reader = threading.Thread(target=read_ahead, args=(epoch, group), daemon=True)
        reader.start()
        empty = 0
        try:
            while True:
                item = ready.get()
                if isinstance(item, BaseException):
                    raise item
                epoch, group, batches = item
                empty = 0 if batches else empty + 1
                if empty > len(self._shards):
                    raise DatasetError(f"{self._dataset.folder}: a batch of {self._batch} columns is larger than every group")
                for number in range(skip, len(batches)):
                    self._position = (epoch, group, number + 1)
                    yield batches[number]
                skip = 0
        finally:
            ended.set()
            reader.join()


class MixedBatches:
    """Batches of two sets: each is of ``other`` with the probability ``share``, drawn from ``seed`` and its number alone."""

    def __init__(self, base: Batches, other: Batches, share: float, seed: int, first: int) -> None:
        """``first`` is the number of the first batch."""
        self._base, self._other = base, other
        self._share, self._seed, self._number = share, seed, first

    def position(self) -> tuple[int, ...]:
        """Where the next batch of the one and of the other set lies."""
        return (*self._base.position(), *self._other.position())

    def __iter__(self) -> Iterator[Arrays]:
        """Batches by name, (column, ...). Raises what :func:`read_shard` raises."""
        with closing(iter(self._base)) as base, closing(iter(self._other)) as other:
            while True:
                drawn = np.random.default_rng((self._seed, self._number)).random() < self._share
                self._number += 1
                yield next(other if drawn else base)
