"""Inputs that an exported model is checked on: from a file, or noise of the right shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ftorch_bridge.manifest import KINDS, Argument, ExportError, Manifest, extent_in, parts
from ftorch_bridge.packages import Range


def read_data(path: Path, manifest: Manifest) -> xr.Dataset:
    """The variables of a NetCDF file that are named like inputs; its dimensions may have any names."""
    if not path.is_file():
        raise ExportError(f"{path}: no such file")
    try:
        dataset = xr.open_dataset(path, decode_times=False)
    except (OSError, ValueError) as error:
        raise ExportError(f"{path}: not a NetCDF file: {' '.join(str(error).split())[:200]}") from error
    names = [argument.name for argument in manifest.inputs if argument.name in dataset]
    if not names:
        wanted = ", ".join(argument.name for argument in manifest.inputs)
        raise ExportError(f"{path}: none of the inputs {wanted} is a variable of it; there are {', '.join(dataset.variables)}")
    return dataset[names]


@dataclass(frozen=True)
class Samples:
    """Where the inputs of the checks come from: ``data``, else uniform numbers in ``ranges``, else normal noise."""

    manifest: Manifest
    data: xr.Dataset | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    limits: Mapping[str, Range] = field(default_factory=dict)
    layout: str = "fortran"
    extents: Mapping[str, int] = field(default_factory=dict)
    """Sizes of free dimensions, of any of them, that the data do not have."""
    normal: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    """Mean and standard deviation of the noise of an input, numbers or arrays of its last extents; else 0 and 1."""

    def __post_init__(self) -> None:
        names = [argument.name for argument in self.manifest.inputs]
        for name in self.ranges:
            if name not in names:
                raise ExportError(f"{self.manifest.name}: --sample: no input {name!r}; there are {', '.join(names)}")
            if self.data is not None and name in self.data:
                raise ExportError(f"{self.manifest.name}: --sample: {name!r} is in the file of data already")

    def noise(self) -> list[str]:
        """Names of the inputs that are normal noise."""
        names = (argument.name for argument in self.manifest.inputs)
        return [n for n in names if n not in self.ranges and (self.data is None or n not in self.data)]

    def allows(self, name: str, size: int) -> bool:
        """Whether the free dimension may have this size."""
        least, most = self.limits.get(name, (0, None))
        return size >= least and (most is None or size <= most)

    def sizes(self, batch: int) -> dict[str, int]:
        """Sizes of all free dimensions: as many as the data have, else ``extents``, else ``batch`` for the batch dimension."""
        first = self.manifest.batch_dimension()
        sizes = {}
        held = self._held()
        for i, name in enumerate(self.manifest.free_dimensions()):
            least, most = self.limits.get(name, (0, None))
            usual = batch if name == first else max(7 + 4 * i, least)
            usual = usual if most is None or name == first else min(usual, most)
            usual = self.extents.get(name, usual)
            sizes[name] = min(usual, held[name]) if name == first and name in held else held.get(name, usual)
        return sizes

    def _held(self) -> dict[str, int]:
        """Sizes of the free dimensions that the data have."""
        held: dict[str, int] = {}
        for argument in self.manifest.inputs:
            if self.data is None or argument.name not in self.data:
                continue
            place = f"{self.manifest.name}: {argument.name}"
            shape = self.data[argument.name].shape
            if len(shape) != len(argument.shape):
                raise ExportError(f"{place}: expected {len(argument.shape)} dimensions, the data have {len(shape)}")
            for extent, size in zip(argument.shape, shape, strict=True):
                if isinstance(extent, int):
                    if extent != size:
                        raise ExportError(f"{place}: expected an extent of {extent}, the columns have {size}")
                    continue
                name, more = parts(extent)
                if held.setdefault(name, size - more) != size - more:
                    raise ExportError(f"{place}: expected {name}={held[name]} as before, the data have {size - more}")
        return held

    def inputs(self, sizes: Mapping[str, int]) -> list[Tensor]:
        """One tensor for each input, in the order of memory that the model is for."""
        generator = torch.Generator().manual_seed(0)
        tensors = []
        for argument in self.manifest.inputs:
            values = self._values(argument, [extent_in(e, sizes) for e in argument.shape], generator)
            reverse = list(range(values.dim()))[::-1]
            values = values.to(KINDS[argument.kind])
            tensors.append(values.contiguous() if self.layout == "c" else values.permute(reverse).contiguous().permute(reverse))
        return tensors

    def _values(self, argument: Argument, shape: list[int], generator: torch.Generator) -> Tensor:
        if self.data is not None and argument.name in self.data:
            variable = self.data[argument.name]
            first = self.manifest.batch_dimension()
            for i, (extent, size) in enumerate(zip(argument.shape, shape, strict=True)):
                if isinstance(extent, str) and parts(extent)[0] == first:
                    variable = variable[(slice(None),) * i + (slice(size),)]
            values = torch.from_numpy(variable.to_numpy())
            for i, size in enumerate(shape):
                values = _resized(values, i, size)
            return values
        if argument.name in self.ranges:
            low, high = self.ranges[argument.name]
            return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        if argument.name in self.normal:
            mean, deviation = map(torch.as_tensor, self.normal[argument.name])
            return values * deviation + mean
        return values > 0 if argument.kind == "bool" else values


def _resized(values: Tensor, dimension: int, size: int) -> Tensor:
    """Another size along one dimension, by linear interpolation, which keeps what rises along it rising."""
    held = values.shape[dimension]
    if held in (size, 0):
        return values
    positions = torch.linspace(0, held - 1, size, dtype=torch.float64)
    lower = positions.floor().long().clamp(max=held - 1)
    if not values.is_floating_point():
        return values.index_select(dimension, lower)
    weight = (positions - lower).reshape([-1] + [1] * (values.dim() - dimension - 1)).to(values.dtype)
    upper = (lower + 1).clamp(max=held - 1)
    return torch.lerp(values.index_select(dimension, lower), values.index_select(dimension, upper), weight)


def example_inputs(
    manifest: Manifest, columns: xr.Dataset | None, number: int, extents: Mapping[str, int] | None = None
) -> list[Tensor]:
    """Inputs to check with, in Fortran's order: from ``columns`` where they have them, else normal noise of the right shape.

    ``extents`` are those of free dimensions that the columns do not have.
    """
    samples = Samples(manifest, columns, extents=extents or {})
    return samples.inputs(samples.sizes(number))
