"""Training of a radiation network on columns and the fluxes that RRTMG gave for them."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from ftorch_bridge import checkpoints
from ftorch_bridge.checkpoints import TrainingError
from ftorch_bridge.column_file import read_columns, read_fluxes
from ftorch_bridge.evaluation import compare
from ftorch_bridge.networks import INPUTS, OUTPUTS, ResCNN, ResCNNConfig


@dataclass
class Samples:
    """Columns of one vertical grid with their labels, each variable (column, ...) in double precision."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.inputs["surface_temperature"].shape[0]

    @property
    def layers(self) -> int:
        """Number of layers."""
        return self.inputs["pressure_layer"].shape[1]

    def pick(self, columns: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Inputs and outputs, in the network's order, of some columns."""
        return [self.inputs[name][columns] for name in INPUTS], [self.outputs[name][columns] for name in OUTPUTS]


def to_samples(columns: xr.Dataset, fluxes: xr.Dataset) -> Samples:
    """Tensors of a column dataset and its flux dataset, which must have the same sizes."""
    for dimension in ("column", "layer"):
        if columns.sizes[dimension] != fluxes.sizes[dimension]:
            raise TrainingError(
                f"fluxes do not belong to the columns: {dimension} is {columns.sizes[dimension]} in the columns, "
                f"{fluxes.sizes[dimension]} in the fluxes"
            )
    take = {name: torch.from_numpy(columns[name].to_numpy().astype(np.float64)) for name in INPUTS}
    give = {name: torch.from_numpy(fluxes[name].to_numpy().astype(np.float64)) for name in OUTPUTS}
    return Samples(take, give)


def read_samples(columns: Path, fluxes: Path) -> Samples:
    """:func:`to_samples` of two files."""
    return to_samples(read_columns(columns), read_fluxes(fluxes))


class HeatingScale:
    """Spread of the heating rate at a pressure: what one unit of heating error is worth there.

    Heating in thin layers near the top varies by tens of K day-1 and by one in the troposphere; scaled, both count alike.
    """

    def __init__(self, pressure_layer: Tensor, heating_rate: Tensor, bins: int = 30) -> None:
        """From the heating rates [K day-1] of many layers and their pressures [Pa], of one shape."""
        pressure, heating = pressure_layer.flatten().double().log(), heating_rate.flatten().double()
        edges = torch.linspace(float(pressure.min()), float(pressure.max()) + 1e-6, bins + 1, dtype=torch.float64)
        which = torch.bucketize(pressure, edges, right=True).clamp(1, bins) - 1
        count = torch.bincount(which, minlength=bins).clamp_min(1)
        mean = torch.bincount(which, heating, bins) / count
        spread = (torch.bincount(which, (heating - mean[which]) ** 2, bins) / count).sqrt().clamp_min(0.3)
        self._centres = (0.5 * (edges[1:] + edges[:-1])).numpy()
        self._spread = spread.numpy()

    def at(self, pressure_layer: Tensor) -> Tensor:
        """Spread [K day-1] at ``pressure_layer`` [Pa], any shape."""
        return torch.from_numpy(np.interp(pressure_layer.log().numpy(), self._centres, self._spread)).to(pressure_layer.dtype)


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of :func:`fit`."""

    steps: int = 20000
    batch: int = 128
    learning_rate: float = 4e-3
    heating_weight: float = 100.0
    """Weight of the squared heating error, in units of its spread, against a squared flux error in W m-2."""
    boundary_weight: float = 2.0
    """Extra weight of the fluxes that leave at the top and reach the surface."""
    seed: int = 1
    threads: int = 1
    checkpoint_interval: float = 60.0
    """Seconds between two checkpoints."""


def loss_of(outputs: list[Tensor], truth: list[Tensor], spread: Tensor, config: TrainingConfig) -> Tensor:
    """Squared flux error [W2 m-4] plus weighted squared heating error in units of its spread."""
    up, down, heating = (a - b for a, b in zip(outputs, truth, strict=True))
    boundary = (up[:, 0] ** 2).mean() + (down[:, -1] ** 2).mean()
    return (
        (up**2).mean()
        + (down**2).mean()
        + config.boundary_weight * boundary
        + config.heating_weight * ((heating / spread) ** 2).mean()
    )


def errors_of(network: torch.nn.Module, samples: Samples, block: int = 512) -> dict[str, float]:
    """Errors of ``network`` on ``samples``: see :func:`ftorch_bridge.evaluation.compare`."""
    found: list[list[Tensor]] = [[], [], []]
    with torch.inference_mode():
        for chunk in torch.arange(samples.columns).split(block):
            for place, tensor in zip(found, network(*samples.pick(chunk)[0]), strict=True):
                place.append(tensor)
    arrays = [torch.cat(parts).numpy() for parts in found]
    truth = [samples.outputs[name].numpy() for name in OUTPUTS]
    pressure = samples.inputs["pressure_layer"].numpy()
    return compare(dict(zip(OUTPUTS, arrays, strict=True)), dict(zip(OUTPUTS, truth, strict=True)), pressure)


def _batch_of(samples: list[Samples], step: int, config: TrainingConfig) -> tuple[Samples, Tensor]:
    """The columns of one step: some of one file, files in proportion to their columns.

    Drawn from the seed and the number of the step alone, so that a resumed run sees what the whole run would have seen.
    """
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    large = [part for part in samples if part.columns >= config.batch]
    if not large:
        raise TrainingError(f"batch of {config.batch} columns: larger than every column file")
    share = torch.tensor([float(part.columns) for part in large])
    part = large[int(torch.multinomial(share, 1, generator=generator))]
    return part, torch.randperm(part.columns, generator=generator)[: config.batch]


def fit(
    training: list[Samples],
    validation: Samples,
    network_config: ResCNNConfig,
    config: TrainingConfig,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> ResCNN:
    """Train a :class:`ResCNN` with Adam and a cosine schedule; returns it in evaluation mode.

    With ``checkpoint`` the state is saved from time to time, and when SIGINT or SIGTERM says to stop, which raises
    :class:`TrainingError`; ``resume`` goes on from it.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    network = ResCNN(network_config)
    network.fit_scaling(*(part.pick(torch.arange(min(part.columns, 2000)))[0] for part in training))
    heating_scale = HeatingScale(
        torch.cat([part.inputs["pressure_layer"].flatten() for part in training]),
        torch.cat([part.outputs["lw_heating_rate"].flatten() for part in training]),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    warm_up = max(1, min(500, config.steps // 10))
    schedule = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [
            torch.optim.lr_scheduler.LinearLR(optimizer, 0.05, 1.0, warm_up),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, config.steps - warm_up)),
        ],
        [warm_up],
    )
    start = 0
    settings = {
        **asdict(config),
        **asdict(network_config),
        "columns": [part.columns for part in training],
        "layers": [part.layers for part in training],
    }
    if resume and checkpoint is not None and checkpoint.is_file():
        state = checkpoints.restore(checkpoint, settings)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        start = state["step"]

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with checkpoints.told_to_stop(checkpoint is not None) as asked, progress:
        task = progress.add_task("training", total=config.steps, completed=start, note="")
        saved = shown = time.monotonic()
        running = 0.0
        for step in range(start, config.steps):
            samples, chosen = _batch_of(training, step, config)
            inputs, truth = samples.pick(chosen)
            spread = heating_scale.at(samples.inputs["pressure_layer"][chosen])
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(list(network(*inputs)), truth, spread, config)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimizer.step()
            schedule.step()
            value = float(loss.detach())
            if not np.isfinite(value):
                raise TrainingError(f"loss is {value} at step {step}: lower the learning rate")
            running = value if step == start else 0.99 * running + 0.01 * value
            now = time.monotonic()
            if now - shown > 20 or step + 1 == config.steps:
                errors = errors_of(network, validation)
                note = (
                    f"loss {running:.3g}, validation: flux {errors['flux_rmse']:.3f} W m-2, "
                    f"heating {errors['heating_rmse']:.3f} K day-1"
                )
                progress.update(task, note=note)
                if not progress.console.is_terminal:
                    progress.console.print(f"step {step + 1}/{config.steps}: {note}")
                shown = time.monotonic()
            progress.update(task, completed=step + 1)
            if checkpoint is not None and (asked() or now - saved >= config.checkpoint_interval):
                state = {
                    "network": network.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "schedule": schedule.state_dict(),
                    "step": step + 1,
                }
                checkpoints.save(checkpoint, settings, state)
                saved = now
                if by := asked():
                    raise checkpoints.stopped(checkpoint, by, step + 1, config.steps)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return network.eval()
