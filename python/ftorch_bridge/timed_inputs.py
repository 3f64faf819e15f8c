"""Inputs that exported models are timed on: generated columns where a model takes them, else noise, of so many columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from ftorch_bridge.columns import DEFAULT_LAYERS, LEAST_LAYERS, generate_columns
from ftorch_bridge.exporting import example_inputs
from ftorch_bridge.manifest import Argument, Manifest, brackets, extent_in, parts, ranges_of, read_manifest
from ftorch_bridge.measuring import BenchError
from ftorch_bridge.packages import Range

MOST_GENERATED = 2048  # columns; they come again where more are asked for


@dataclass(frozen=True)
class Extents:
    """What the free dimensions of a model are, those ``chosen`` and the others, but for that of the columns."""

    chosen: Mapping[str, int] = field(default_factory=dict)
    usual: int = DEFAULT_LAYERS
    ranges: Mapping[str, Range] = field(default_factory=dict)
    """Of the model's file."""

    def of(self, name: str) -> int:
        """Of one dimension: that chosen, else the usual one or the nearest that the file takes."""
        if name in self.chosen:
            return self.chosen[name]
        least, most = self.ranges.get(name, (0, None))
        return max(least, self.usual) if most is None else min(max(least, self.usual), most)


def extents_of(models: Sequence[Path], chosen: Mapping[str, int], usual: int = DEFAULT_LAYERS) -> dict[Path, Extents]:
    """The extents of models; what is chosen goes to those that have such a free dimension.

    Raises :class:`BenchError` for a choice that no model has, or that is beyond the range of one, and what
    :func:`read_manifest` raises.
    """
    found, there = {}, []
    for model in models:
        described = read_manifest(model)
        manifest, ranges = Manifest.from_json(described), ranges_of(described)
        column = column_dimensions(manifest)[0]
        names = [name for name in manifest.free_dimensions() if name != column]
        there += names
        mine = {name: size for name, size in chosen.items() if name in names}
        for name, size in mine.items():
            least, most = ranges.get(name, (0, None))
            if size < least or (most is not None and size > most):
                taken = f"{least} to {most}" if most is not None else f"at least {least}"
                raise BenchError(f"{model}: --extent {name}={size}: expected {taken}, which the file takes")
        found[model] = Extents(mine, usual, ranges)
    for name, size in chosen.items():
        if name not in there:
            those = ", ".join(dict.fromkeys(there)) or "none"
            asked = f"{', '.join(map(str, models))}: --extent {name}={size}"
            raise BenchError(f"{asked}: no free dimension {name!r} beside the columns; there are {those}")
    return found


def column_dimensions(manifest: Manifest) -> tuple[str, list[int], list[int]]:
    """The free dimension that runs over columns, and which it is of each input and output, from 0, or -1.

    It is the manifest's batch dimension, or the first free one of the first output where that has no such dimension. Raises
    :class:`BenchError` for models without.
    """
    free = [extent for extent in manifest.outputs[0].shape if isinstance(extent, str) and "+" not in extent]
    if not free:
        raise BenchError(f"{manifest.name}: its first output has no free dimension, so that it has no columns")
    batch = manifest.batch_dimension()
    name = batch if batch in free else free[0]
    inputs, outputs = (
        [argument.shape.index(name) if name in argument.shape else -1 for argument in arguments]
        for arguments in (manifest.inputs, manifest.outputs)
    )
    if max(inputs) < 0:
        raise BenchError(f"{manifest.name}: no input has the dimension {name!r} of its first output")
    return name, inputs, outputs


def inputs_for(manifest: Manifest, number: int, extents: Extents | None = None) -> list[Tensor]:
    """Inputs of so many columns: generated where an input is a variable of column files and has its shape, else noise."""
    extents = extents or Extents()
    column = column_dimensions(manifest)[0]
    usual = {name: extents.of(name) for name in manifest.free_dimensions()} | {column: number}
    known = [argument for argument in manifest.inputs if argument.column_variable()]
    layers = layers_of(manifest, extents)
    if not known or layers < LEAST_LAYERS:
        return example_inputs(manifest, None, number, usual)
    bound = {column: number, **extents.chosen}
    fitting = [argument.name for argument in known if _binds(argument, column, layers, bound)]
    all_sky = any(argument.name == "cloud_fraction" for argument in known)
    columns = generate_columns(min(number, MOST_GENERATED), layers, seed=3, clear_sky=not all_sky)
    columns = columns[[name for name in fitting if name in columns]]
    return example_inputs(manifest, columns.isel(column=np.arange(number) % columns.sizes["column"]), number, usual | bound)


def layers_of(manifest: Manifest, extents: Extents) -> int:
    """Layers of the columns that a model takes: as its shapes say, else as is chosen, else as is usual."""
    known = [argument for argument in manifest.inputs if argument.column_variable()]
    usual = {name: extents.of(name) for name in manifest.free_dimensions()}
    return _layers(known, extents.chosen) or _layers(known, usual) or extents.usual


def sizes_of_columns(manifest: Manifest, layers: int, chosen: Mapping[str, int]) -> dict[str, int]:
    """The extents of the free dimensions, but that of the columns, of a model that takes columns of so many ``layers``.

    Raises :class:`BenchError` where it does not, or not with what is ``chosen``.
    """
    column = column_dimensions(manifest)[0]
    bound = dict(chosen)
    for argument in manifest.inputs:
        if not _binds(argument, column, layers, bound):
            at = f" at {words_of(chosen)}" if chosen else ""
            given = f"{argument.name}{brackets(argument.shape)}{at}"
            raise BenchError(
                f"{manifest.name}: input {given} is none of columns of {layers} layers; give the number that it has with "
                "--layers"
            )
    return bound


def _layers(known: Sequence[Argument], extents: Mapping[str, int]) -> int | None:
    """Layers of the columns that these inputs can be, by the first that has a number or one of ``extents`` for them."""
    for dimension in ("layer", "level"):
        for argument in known:
            variable = argument.column_variable()
            assert variable is not None
            for extent, of_file in zip(argument.shape, variable.dimensions, strict=True):
                if of_file == dimension and (isinstance(extent, int) or parts(extent)[0] in extents):
                    return extent_in(extent, extents) - (dimension == "level")
    return None


def _binds(argument: Argument, column: str, layers: int, bound: dict[str, int]) -> bool:
    """Whether an input has the shape of its variable in columns of so many ``layers``; if so ``bound`` gets its extents."""
    variable = argument.column_variable()
    assert variable is not None
    mine: dict[str, int] = {}
    for extent, dimension in zip(argument.shape, variable.dimensions, strict=True):
        if dimension == "column":
            if extent != column:
                return False
            continue
        size = layers + (dimension == "level")
        if isinstance(extent, int):
            if extent != size:
                return False
            continue
        name, more = parts(extent)
        if mine.setdefault(name, bound.get(name, size - more)) != size - more:
            return False
    bound |= mine
    return True


def sizes_of(manifest: Manifest, inputs: Sequence[Tensor]) -> dict[str, int]:
    """The extents of the free dimensions in ``inputs``, but that of the columns."""
    column = column_dimensions(manifest)[0]
    return {
        parts(extent)[0]: size - parts(extent)[1]
        for argument, tensor in zip(manifest.inputs, inputs, strict=True)
        for extent, size in zip(argument.shape, tensor.shape, strict=True)
        if isinstance(extent, str) and parts(extent)[0] != column
    }


def words_of(sizes: Mapping[str, int]) -> str:
    """Extents for people: ``layer=89, band=14``."""
    return ", ".join(f"{name}={size}" for name, size in sizes.items())
