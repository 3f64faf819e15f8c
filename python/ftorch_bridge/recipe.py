"""Training by a recipe: a TOML file that says which network is trained, and how; a data set says on what.

Any class serves that has ``inputs`` and ``outputs`` (names of variables of column and flux files), ``from_config`` with the
settings of the recipe, and ``fit_scaling``. Under ``torchrun`` several processes share a step: each takes batches from shards
of its own, and gradients are averaged.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_optimizer import SOAP
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, distributed, nn

from ftorch_bridge import checkpoints
from ftorch_bridge.checkpoints import TrainingError
from ftorch_bridge.dataset import Arrays, Batches, Dataset, MixedBatches, load_split
from ftorch_bridge.evaluation import compare
from ftorch_bridge.ranks import rank_and_size
from ftorch_bridge.training import HeatingScale
from ftorch_bridge.weights import import_class

OPTIMIZERS = ("adam", "sgd", "soap")


@dataclass(frozen=True)
class Training:
    """How weights are found."""

    optimizer: str = "soap"
    """``soap`` (Vyas et al. 2024), ``adam``, or ``sgd`` with ``momentum``."""
    learning_rate: float = 3e-3
    """The highest of a cosine schedule."""
    momentum: float = 0.9
    batch: int = 192
    """Columns in a step, of all processes together."""
    steps: int = 60000
    warm_up: int = 200
    """Steps in which the learning rate rises."""
    clip: float = 20.0
    """Largest norm of a gradient."""
    average: float = 0.0
    """What a running mean of the weights keeps in a step, 0.999 for example; the network gets the mean. 0: the weights."""
    seed: int = 1
    checkpoint_interval: float = 60.0
    """Seconds between two checkpoints."""


@dataclass(frozen=True)
class Loss:
    """Weights in the loss."""

    heating: float = 100.0
    """Of a squared heating error in units of its spread at that pressure, beside a squared flux error in W m-2."""
    spread_power: float = 1.0
    """Power of the spread that heating errors are divided by: 1 where all pressures weigh the same, 0 where all errors do."""
    boundary: float = 2.0
    """Further weight of the fluxes that leave at the top and reach the surface."""
    shortwave_flux: float = 1.0
    """Of squared shortwave flux errors."""


@dataclass(frozen=True)
class Validation:
    """How training is watched."""

    columns: int = 2000
    every: int = 1000
    """Steps between two validations."""
    patience: int = 0
    """Validations without a better loss or a better worst layer after which training stops; 0: never."""


@dataclass(frozen=True)
class Recipe:
    """All of a recipe."""

    network: str
    """``package.module:Class``."""
    size: dict[str, Any] = field(default_factory=dict)
    """What its ``from_config`` takes."""
    training: Training = field(default_factory=Training)
    loss: Loss = field(default_factory=Loss)
    validation: Validation = field(default_factory=Validation)


def read_recipe(path: Path) -> Recipe:
    """The recipe of a TOML file. Raises :class:`TrainingError`, which names what does not fit."""
    try:
        text = path.read_text()
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, path: str) -> Recipe:
    """The recipe of a text in TOML, which came from ``path``. Raises :class:`TrainingError`, which names what does not fit."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"{path}: is not TOML: {error}") from error
    sections = {"network": None, "training": Training, "loss": Loss, "validation": Validation}
    if unknown := given.keys() - sections.keys():
        raise TrainingError(f"{path}: expected the sections {', '.join(sections)}, got {', '.join(sorted(unknown))}")
    network = dict(given.get("network", {}))
    if not isinstance(name := network.pop("class", None), str):
        raise TrainingError(f"{path}: [network]: expected a class, package.module:Class")
    read: dict[str, Any] = {}
    for section, kind in sections.items():
        if kind is None or section not in given:
            continue
        known = {entry.name: type(entry.default) for entry in fields(kind)}
        for key, value in given[section].items():
            if key not in known:
                raise TrainingError(f"{path}: [{section}]: expected one of {', '.join(known)}, got {key}")
            if not isinstance(value, (int, float) if known[key] is float else known[key]) or isinstance(value, bool):
                raise TrainingError(f"{path}: [{section}] {key}: expected {known[key].__name__}, got {value!r}")
        read[section] = kind(**given[section])
    recipe = Recipe(name, network, **read)
    if recipe.training.optimizer not in OPTIMIZERS:
        raise TrainingError(
            f"{path}: [training] optimizer: expected one of {', '.join(OPTIMIZERS)}, got {recipe.training.optimizer}"
        )
    for section, key in (("training", "batch"), ("training", "steps"), ("validation", "columns"), ("validation", "every")):
        if (value := getattr(getattr(recipe, section), key)) < 1:
            raise TrainingError(f"{path}: [{section}] {key}: expected at least 1, got {value}")
    if not 0.0 <= (value := recipe.training.average) < 1.0:
        raise TrainingError(f"{path}: [training] average: expected 0 or more and less than 1, got {value}")
    return recipe


def make_network(recipe: Recipe) -> nn.Module:
    """The network of a recipe, with the weights of its seed. Raises :class:`TrainingError`."""
    try:
        kind = import_class(recipe.network)
    except (ImportError, AttributeError, ValueError) as error:
        raise TrainingError(f"{recipe.network}: cannot be imported: {error}") from error
    _require(kind, recipe.network, "from_config")
    torch.manual_seed(recipe.training.seed)
    try:
        network = kind.from_config(recipe.size)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{recipe.network}: not its settings: {recipe.size}: {error}") from error
    _require(network, recipe.network, "inputs", "outputs", "config", "fit_scaling")
    return network


def _require(thing: object, name: str, *attributes: str) -> None:
    for attribute in attributes:
        if not hasattr(thing, attribute):
            raise TrainingError(f"{name}: expected a class with {attribute}, which a recipe needs (docs/network.md), got none")


def _start(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give ``network`` these weights. Raises :class:`TrainingError`."""
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        words = " ".join(str(error).split())
        raise TrainingError(f"{type(network).__name__}: the weights to start from are of another network: {words}") from error


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of weights by name."""
    found = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _optimizer(network: nn.Module, training: Training) -> torch.optim.Optimizer:
    rate, parameters = training.learning_rate, list(network.parameters())
    if training.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, betas=(0.9, 0.99))
    if training.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=training.momentum)
    return SOAP(parameters, lr=rate, weight_decay=0.0, max_precondition_dim=512)


def rate_at(step: int, training: Training) -> float:
    """Learning rate of a step: rising, then half a cosine to zero."""
    rise = min(1.0, (step + 1) / max(1, training.warm_up))
    return training.learning_rate * rise * 0.5 * (1.0 + math.cos(math.pi * step / training.steps))


def _tensors(arrays: Mapping[str, NDArray[np.float32]], names: Sequence[str], device: torch.device) -> list[Tensor]:
    return [torch.from_numpy(arrays[name]).to(device) for name in names]


class _Objective:
    """The loss of a recipe, and errors in words."""

    def __init__(self, network: nn.Module, recipe: Recipe, sample: Arrays, device: torch.device) -> None:
        self._network, self._weights, self._device = network, recipe.loss, device
        self.spectra = [s for s in ("lw", "sw") if f"{s}_up" in network.outputs]
        pressure = torch.from_numpy(sample["pressure_layer"])
        self._scale = {s: HeatingScale(pressure, torch.from_numpy(sample[f"{s}_heating_rate"])) for s in self.spectra}

    def spread(self, pressure_layer: Tensor, spectrum: str) -> Tensor:
        """Of heating rates [K day-1] at ``pressure_layer`` [Pa]."""
        return self._scale[spectrum].at(pressure_layer.cpu()).to(self._device)

    def results(self, model: Callable[..., Sequence[Tensor]], batch: Arrays) -> dict[str, Tensor]:
        """What ``model``, the network or its copies on all processes, gives for the columns of a batch."""
        return dict(zip(self._network.outputs, model(*_tensors(batch, self._network.inputs, self._device)), strict=True))

    def loss(self, found: Mapping[str, Tensor], batch: Arrays) -> Tensor:
        """Squared flux errors [W2 m-4] plus weighted squared heating errors in units of their spread."""
        truth = dict(zip(self._network.outputs, _tensors(batch, self._network.outputs, self._device), strict=True))
        pressure = torch.from_numpy(batch["pressure_layer"])
        total = torch.zeros((), device=self._device)
        for s in self.spectra:
            up, down, heating = (found[f"{s}_{n}"] - truth[f"{s}_{n}"] for n in ("up", "down", "heating_rate"))
            absorbed = down if s == "lw" else down - up  # by the surface: its sunlight is reflected, its emission is its own
            fluxes = (up**2).mean() + (down**2).mean()
            fluxes = fluxes + self._weights.boundary * ((up[:, 0] ** 2).mean() + (absorbed[:, -1] ** 2).mean())
            total = total + (self._weights.shortwave_flux if s == "sw" else 1.0) * fluxes
            total = (
                total + self._weights.heating * ((heating / self.spread(pressure, s) ** self._weights.spread_power) ** 2).mean()
            )
        return total

    @torch.no_grad()
    def errors(self, validation: Arrays, block: int = 512) -> dict[str, float]:
        """Loss on the validation columns, the worst layer in units of its spread, and errors of fluxes and heating rates."""
        count = len(validation["pressure_layer"])
        parts: list[dict[str, Tensor]] = []
        loss = 0.0
        for first in range(0, count, block):
            batch = {name: values[first : first + block] for name, values in validation.items()}
            parts.append(self.results(self._network, batch))
            loss += float(self.loss(parts[-1], batch)) * len(batch["pressure_layer"]) / count
        found = {name: torch.cat([part[name].cpu() for part in parts]).double().numpy() for name in self._network.outputs}
        truth = {name: validation[name].astype(np.float64) for name in self._network.outputs}
        pressure = torch.from_numpy(validation["pressure_layer"])
        errors = {"loss": loss, "worst_layer": 0.0}
        for s in self.spectra:
            scaled = (found[f"{s}_heating_rate"] - truth[f"{s}_heating_rate"]) / self.spread(pressure, s).cpu().numpy()
            errors["worst_layer"] = max(errors["worst_layer"], float(np.sqrt((scaled**2).mean(axis=0)).max()))
            found_errors = compare(found, truth, validation["pressure_layer"], s)
            errors |= {f"{s}_{name}": found_errors[name] for name in ("top_net_rmse", "surface_net_rmse", "heating_rmse")}
        return errors


@contextmanager
def processes(threads: int, patience: timedelta | None = None) -> Iterator[tuple[int, int, torch.device]]:
    """Rank, number of processes and device, joined if torchrun started several; inside another such block, what it says.

    ``patience`` is how long processes wait for each other, by default as long as PyTorch lets them. Raises
    :class:`TrainingError` for processes that mpirun or srun started: they would not know of each other.
    """
    if "WORLD_SIZE" not in os.environ and (ranks := rank_and_size()[1]) > 1:
        raise TrainingError(f"a training: expected one process, or several from torchrun, got {ranks} from mpirun or srun")
    torch.set_num_threads(threads)
    size = int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    if size < 2:
        yield 0, 1, device
        return
    outermost = not distributed.is_initialized()
    if outermost:
        distributed.init_process_group("gloo" if device.type == "cpu" else "nccl", timeout=patience)
    try:
        yield distributed.get_rank(), size, device
    finally:
        if outermost:
            distributed.destroy_process_group()


def meet(size: int, device: torch.device) -> None:
    """Wait until all processes are here: what one has made, the others find."""
    if size > 1:
        here = torch.ones(1, device=device)
        distributed.all_reduce(here)
        here.item()  # NCCL's call itself returns at once


@dataclass
class _State:
    """Where a training is."""

    step: int = 0
    best_loss: float = math.inf
    best_worst: float = math.inf
    since_better: int = 0
    seconds: float = 0.0
    """That earlier processes took."""
    running: float = math.nan
    """Mean of the last losses, about a hundred."""
    curve: list[dict[str, float]] = field(default_factory=list)


class _Run:
    """A training on one process of ``size``."""

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        layers: int,
        rank: int,
        size: int,
        device: torch.device,
        start: Mapping[str, Tensor] | None = None,
        mixed: tuple[Dataset, float] | None = None,
    ) -> None:
        self.recipe, self.rank, self.size, self.device = recipe, rank, size, device
        self.network = make_network(recipe)
        names = [*dict.fromkeys([*self.network.inputs, *self.network.outputs, "pressure_layer"])]
        self.validation = load_split(dataset, names, "validation", layers, recipe.validation.columns)
        sample = load_split(dataset, names, "train", layers, 2000)
        if start is None:
            self.network.fit_scaling(_tensors(sample, self.network.inputs, torch.device("cpu")))
        else:
            _start(self.network, start)
        self.network.to(device)
        self.objective = _Objective(self.network, recipe, sample, device)
        self.optimizer = _optimizer(self.network, recipe.training)
        self.state = _State()
        self.best: dict[str, Tensor] | None = None
        self.means = {name: weight.detach().clone() for name, weight in self.network.named_parameters()}
        self.settings: dict[str, Any] = {
            "recipe": asdict(recipe),
            "layers": layers,
            "processes": size,
            "data set": {**asdict(dataset.settings), "shards": len(dataset.shards())},
        }
        if start is not None:
            self.settings["weights to start from"] = fingerprint(start)
        if mixed is not None:
            self.settings["recorded columns"] = {**asdict(mixed[0].settings), "share": mixed[1]}
        self._names, self._dataset, self._mixed = names, dataset, mixed
        self._position: tuple[int, ...] = (0, 0, 0) if mixed is None else (0, 0, 0, 0, 0, 0)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises :class:`TrainingError` for one of another training."""
        saved = checkpoints.restore(path, self.settings, self.device)
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.state = _State(**saved["state"])
        self.best = saved["best"]
        self.means = saved["means"]
        self._position = tuple(saved["positions"][self.rank])

    def save(self, path: Path, position: tuple[int, ...], seconds: float) -> None:
        """Write a checkpoint; all processes must be here."""
        positions: list[Any] = [position]
        if self.size > 1:
            positions = [None] * self.size
            distributed.all_gather_object(positions, position)
        if self.rank > 0:
            return
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "state": {**vars(self.state), "seconds": seconds},
            "positions": positions,
            "best": self.best,
            "means": self.means,
        }
        checkpoints.save(path, self.settings, state)

    def agree(self, due: bool, stop: bool) -> tuple[bool, bool]:
        """What rank 0 says of both, whether a checkpoint is due and whether to stop."""
        if self.size < 2:
            return due, stop
        told = torch.tensor([float(due), float(stop)], device=self.device)
        distributed.broadcast(told, 0)
        due, stop = (bool(answer) for answer in (told > 0.0).tolist())
        return due, stop

    def step(self, model: nn.Module, batch: Arrays) -> None:
        """One step of the optimiser. Raises :class:`TrainingError` where the loss is no number."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.state.step, self.recipe.training)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.objective.loss(self.objective.results(model, batch), batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.training.clip)
        self.optimizer.step()
        self._average()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(f"loss is {value} at step {self.state.step}: lower the learning rate")
        running = self.state.running
        self.state.running = value if math.isnan(running) else 0.99 * running + 0.01 * value
        self.state.step += 1

    @torch.no_grad()
    def _average(self) -> None:
        """Take the weights into their running means, which forget the first ones soon."""
        keep = min(self.recipe.training.average, (1.0 + self.state.step) / (10.0 + self.state.step))
        for name, weight in self.network.named_parameters():
            self.means[name].lerp_(weight, 1.0 - keep)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The network has the means of its weights for the time being."""
        weights = dict(self.network.named_parameters())
        own = {name: weight.detach().clone() for name, weight in weights.items()}
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(self.means[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, weight in weights.items():
                    weight.copy_(own[name])

    def weights(self) -> dict[str, Tensor]:
        """What the network gets if training ends here."""
        found = {name: tensor.detach().cpu().clone() for name, tensor in self.network.state_dict().items()}
        return found | {name: mean.cpu().clone() for name, mean in self.means.items()}

    def validate(self, seconds: float) -> dict[str, float]:
        """Errors on the validation columns, the same in every process; keeps the best weights."""
        with self.averaged():
            state, errors = self.state, self.objective.errors(self.validation)
        if errors["loss"] < state.best_loss and self._mixed is None:
            self.best = self.weights()
        better = errors["loss"] < state.best_loss or errors["worst_layer"] < state.best_worst
        state.best_loss = min(state.best_loss, errors["loss"])
        state.best_worst = min(state.best_worst, errors["worst_layer"])
        state.since_better = 0 if better else state.since_better + 1
        state.curve.append({"step": state.step, "seconds": seconds, "running_loss": state.running, **errors})
        return errors

    def batches(self) -> Batches | MixedBatches:
        """What this process trains on, from where it is."""
        training = self.recipe.training
        batch = -(-training.batch // self.size)
        base = Batches(
            self._dataset,
            self._names,
            batch=batch,
            seed=training.seed,
            rank=self.rank,
            ranks=self.size,
            position=self._position[:3],
        )
        if self._mixed is None:
            return base
        # The other set may have fewer shards than there are processes, and fewer columns than a batch: all read it, each in an
        # order of its own.
        other = Batches(
            self._mixed[0],
            self._names,
            batch=batch,
            seed=training.seed + 7919 * (self.rank + 1),
            position=self._position[3:],
            smaller=True,
        )
        return MixedBatches(base, other, self._mixed[1], training.seed, self.state.step)

    def go(self, checkpoint: Path | None, say: Callable[[str], None]) -> None:
        """Train to the end, or until a signal says to stop.

        Raises :class:`TrainingError` then, with a checkpoint written; without a checkpoint signals act as ever.
        """
        training, watch, state = self.recipe.training, self.recipe.validation, self.state
        batches = self.batches()
        model = nn.parallel.DistributedDataParallel(self.network) if self.size > 1 else self.network
        started = saved = time.monotonic()
        columns = (TextColumn("training"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
        bar = Progress(*columns, TextColumn("{task.fields[note]}"), disable=self.rank > 0)
        with checkpoints.told_to_stop(checkpoint is not None) as asked, bar:
            task = bar.add_task("", total=training.steps, completed=state.step, note="")
            for batch in batches:
                self.step(model, batch)
                now = time.monotonic()
                if state.step % watch.every == 0 or state.step == training.steps:
                    errors = self.validate(state.seconds + now - started)
                    bar.update(task, note=f"loss {errors['loss']:.3g}")
                    if self.rank == 0:
                        say(f"step {state.step}: " + ", ".join(f"{name} {value:.3g}" for name, value in errors.items()))
                bar.update(task, completed=state.step)
                if state.step >= training.steps or 0 < watch.patience <= state.since_better:
                    return
                if checkpoint is None:
                    continue
                due, stop = self.agree(now - saved >= training.checkpoint_interval, asked() is not None)
                if due or stop:
                    self.save(checkpoint, batches.position(), state.seconds + now - started)
                    saved = now
                if stop:
                    raise checkpoints.stopped(checkpoint, asked() or "a signal", state.step, training.steps)


def train(
    recipe: Recipe,
    dataset: Dataset,
    *,
    layers: int,
    checkpoint: Path | None = None,
    resume: bool = False,
    threads: int = 1,
    start: Mapping[str, Tensor] | None = None,
    mixed: tuple[Dataset, float] | None = None,
    say: Callable[[str], None] = lambda words: None,
) -> tuple[nn.Module, list[dict[str, float]]] | None:
    """Train the network of ``recipe`` on ``dataset``; ``layers`` is the grid that it is validated on.

    Returns the network with the weights of the lowest loss on the validation columns, in evaluation mode on the CPU, and the
    learning curve: for each validation the step, the seconds, the running loss and the errors. Under torchrun rank 0 alone
    gets them, others ``None``. With ``checkpoint`` the state is saved from time to time; ``resume`` goes on from it, and ends
    with the same weights to the last bit. ``say`` is told the errors of each validation.

    ``start`` are weights to go on from, in place of those of the recipe's seed. With ``mixed``, a second data set and a share,
    each step is one on the second set with that probability; the network then gets the last weights and not those of the lowest
    loss, since ``dataset`` alone is validated on.

    Raises :class:`TrainingError` and :class:`ftorch_bridge.dataset.DatasetError`.
    """
    with processes(threads) as (rank, size, device):
        run = _Run(recipe, dataset, layers, rank, size, device, start, mixed)
        if resume and checkpoint is not None and checkpoint.is_file():
            run.restore(checkpoint)
        run.go(checkpoint, say)
        if rank > 0:
            return None
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
        run.network.load_state_dict(run.weights() if run.best is None else run.best)
        return run.network.cpu().eval(), run.state.curve
