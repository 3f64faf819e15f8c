"""What is folded into an exported model around the network itself: scaling to and from physical units, and another kind."""

from __future__ import annotations

import copy
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from ftorch_bridge.failing import check_number_of_outputs, run_error
from ftorch_bridge.manifest import COMPUTE, KINDS, Argument, ExportError, Manifest
from ftorch_bridge.sources import kinds_are_fixed, program_of
from ftorch_bridge.wording import count, one_line

TOLERANCES = {"": 1e-5, "bfloat16": 5e-2, "float32": 1e-4, "float64": 1e-4}
"""By the kind that is computed in, or none for the source's own: the largest difference from the source by default."""
TOLERANCE_OF_GPU = 1e-3
"""At least that on a GPU, whose convolutions round float32 to TF32."""


@dataclass(frozen=True)
class Affine:
    """``(value - mean) / std`` of an input, ``value * std + mean`` of an output: numbers, or arrays of the last extents."""

    mean: np.ndarray
    std: np.ndarray


@dataclass(frozen=True)
class Scaling:
    """The scaling of a network that was trained on normalised data."""

    inputs: dict[str, Affine] = field(default_factory=dict)
    outputs: dict[str, Affine] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.inputs or self.outputs)

    def joined(self, other: Scaling) -> Scaling:
        """Both; raises where they name the same argument."""
        for mine, theirs in ((self.inputs, other.inputs), (self.outputs, other.outputs)):
            if twice := sorted(set(mine) & set(theirs)):
                raise ExportError(f"scaling of {', '.join(twice)}: given twice")
        return Scaling(self.inputs | other.inputs, self.outputs | other.outputs)

    def check(self, manifest: Manifest) -> None:
        """Raises :class:`ExportError` where the scaling does not fit the manifest."""
        for given, arguments, what in ((self.inputs, manifest.inputs, "input"), (self.outputs, manifest.outputs, "output")):
            known = {argument.name: argument for argument in arguments}
            for name, affine in given.items():
                if name not in known:
                    raise ExportError(f"scaling of {name}: no {what} has this name; there are {', '.join(known)}")
                _check_affine(affine, known[name])

    def text(self) -> str:
        """For the manifest's metadata."""
        rows = []
        for name, affine in self.inputs.items():
            rows.append(f"{name}: (value - {_shown(affine.mean)}) / {_shown(affine.std)}")
        for name, affine in self.outputs.items():
            rows.append(f"{name}: value * {_shown(affine.std)} + {_shown(affine.mean)}")
        return "; ".join(rows)


def _shown(values: np.ndarray) -> str:
    return f"{float(values):g}" if values.ndim == 0 else f"({count(values.size, 'value')})"


def _check_affine(affine: Affine, argument: Argument) -> None:
    place = f"scaling of {argument.name}"
    if not KINDS[argument.kind].is_floating_point:
        raise ExportError(f"{place}: it is of kind {argument.kind}; only float32 and float64 are scaled")
    for what, values in (("mean", affine.mean), ("std", affine.std)):
        if not np.isfinite(values).all():
            raise ExportError(f"{place}: its {what} is not finite")
        shape = argument.shape[len(argument.shape) - values.ndim :]
        if values.ndim > len(argument.shape):
            raise ExportError(f"{place}: its {what} has {count(values.ndim, 'dimension')}, the argument {len(argument.shape)}")
        for extent, size in zip(shape, values.shape, strict=True):
            if isinstance(extent, str) and size != 1:
                raise ExportError(
                    f"{place}: its {what} has {count(size, 'value')} along {extent}, which is a free dimension; fix that with "
                    "--fix"
                )
            if size not in (1, extent):
                raise ExportError(f"{place}: its {what} has {count(size, 'value')} where the argument has {extent}")
    if (affine.std <= 0).any():
        raise ExportError(f"{place}: its std must be above 0; leave out what never varies, or give it 1")


def parse_affine(option: str, text: str) -> tuple[str, Affine]:
    """From ``name=mean,std``."""
    name, _, numbers = text.partition("=")
    try:
        mean, std = (float(number) for number in numbers.split(","))
    except ValueError:
        raise ExportError(f"{option} {text}: expected name=mean,std, as in t=250,30") from None
    return name.strip(), Affine(np.array(mean), np.array(std))


def read_scaling(path: Path, manifest: Manifest) -> Scaling:
    """From a file: JSON ``{"inputs": {"t": {"mean": 250, "std": 30}}, "outputs": {...}}``, NetCDF or ``.npz``.

    NetCDF and ``.npz`` hold two arrays ``t_mean`` and ``t_std`` for each input or output ``t``.
    """
    if not path.is_file():
        raise ExportError(f"{path}: no such file")
    try:
        if path.suffix == ".json":
            return _of_json(path)
        if path.suffix == ".npz":
            with np.load(path) as file:
                arrays = {name: file[name] for name in file.files}
        else:
            with xr.open_dataset(path, decode_times=False) as file:
                arrays = {str(name): file[name].to_numpy() for name in file.variables}
    except ExportError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ExportError(f"{path}: not a file of scaling (.json, .nc or .npz): {one_line(error, 200)}") from error
    return _of_arrays(path, arrays, manifest)


def _of_json(path: Path) -> Scaling:
    root = json.loads(path.read_text())
    if not isinstance(root, dict) or not set(root) <= {"inputs", "outputs"} or not root:
        raise ExportError(f'{path}: expected {{"inputs": {{name: {{"mean": ..., "std": ...}}}}, "outputs": {{...}}}}')

    def side(given: Mapping[str, Any]) -> dict[str, Affine]:
        found = {}
        for name, pair in given.items():
            if not isinstance(pair, dict) or set(pair) != {"mean", "std"}:
                raise ExportError(f'{path}: {name}: expected {{"mean": ..., "std": ...}}, got {json.dumps(pair)[:80]}')
            found[name] = Affine(np.array(pair["mean"], float), np.array(pair["std"], float))
        return found

    return Scaling(side(root.get("inputs", {})), side(root.get("outputs", {})))


def _of_arrays(path: Path, arrays: Mapping[str, np.ndarray], manifest: Manifest) -> Scaling:
    scaling = Scaling()
    used = set()
    inputs = [argument.name for argument in manifest.inputs]
    outputs = [argument.name for argument in manifest.outputs]
    for name in dict.fromkeys([*inputs, *outputs]):
        pair = [f"{name}_mean", f"{name}_std"]
        present = [key for key in pair if key in arrays]
        if not present:
            continue
        if len(present) == 1:
            raise ExportError(f"{path}: expected both {pair[0]} and {pair[1]}, found only {present[0]}")
        if name in inputs and name in outputs:
            raise ExportError(f"{path}: {name} is an input and an output; give the scaling as JSON, which tells them apart")
        used.update(pair)
        side = scaling.inputs if name in inputs else scaling.outputs
        side[name] = Affine(*(np.asarray(arrays[key], float) for key in pair))
    others = sorted(key for key in arrays if key.endswith(("_mean", "_std")) and key not in used)
    if others or not used:
        found = ", ".join(others or arrays) or "nothing"
        raise ExportError(f"{path}: expected NAME_mean and NAME_std of inputs and outputs, found {found}")
    return scaling


def converted(module: nn.Module, compute: str) -> nn.Module:
    """A copy of the module that computes in the kind ``compute``."""
    if compute not in COMPUTE:
        raise ExportError(f"--compute {compute}: expected {', '.join(COMPUTE)}")
    if kinds_are_fixed(module):
        what = "a torch.export program" if program_of(module) is not None else "TorchScript"
        raise ExportError(
            f"--compute {compute}: {what} has its kinds written into it; give package.module:Class or a "
            "module saved by torch.save"
        )
    return copy.deepcopy(module).to(COMPUTE[compute])


def adapt(
    module: nn.Module,
    manifest: Manifest,
    inputs: Sequence[Tensor],
    *,
    scaling: Scaling,
    compute: torch.dtype | None,
) -> nn.Module:
    """``module`` with its scaling around it, computing in ``compute``, as a module of the manifest's kinds.

    ``inputs`` are examples for the finished module, on which the place of each output in the module's result is found. The new
    module scales in the kind of the host's arrays, gives its outputs flat, and can be scripted and exported like any other.
    """
    if not scaling and compute is None:
        return module
    root = nn.Module()
    root.inner = module
    graph = fx.Graph()

    def constant(name: str, values: np.ndarray, kind: torch.dtype) -> fx.Node:
        root.register_buffer(name, torch.tensor(values, dtype=kind))
        return graph.get_attr(name)

    examples = []
    arguments = []
    placeholders = [graph.placeholder(f"argument_{i}") for i in range(len(manifest.inputs))]
    for i, (argument, node, example) in enumerate(zip(manifest.inputs, placeholders, inputs, strict=True)):
        kind = KINDS[argument.kind]
        value, seen = node, example
        if argument.name in scaling.inputs:
            affine = scaling.inputs[argument.name]
            mean, std = constant(f"input_mean_{i}", affine.mean, kind), constant(f"input_std_{i}", affine.std, kind)
            value = graph.call_function(operator.truediv, (graph.call_function(operator.sub, (value, mean)), std))
            seen = (seen - torch.tensor(affine.mean, dtype=kind)) / torch.tensor(affine.std, dtype=kind)
        if compute is not None and kind.is_floating_point and kind != compute:
            value, seen = graph.call_method("to", (value, compute)), seen.to(compute)
        arguments.append(value)
        examples.append(seen)
    result = graph.call_module("inner", tuple(arguments))
    leaves = _leaves(module, manifest, examples)
    check_number_of_outputs(manifest, len(leaves))
    outputs = []
    for i, (argument, (path, leaf)) in enumerate(zip(manifest.outputs, leaves, strict=True)):
        kind = KINDS[argument.kind]
        value = result
        for key in path:
            value = _step(graph, value, key)
        affine = scaling.outputs.get(argument.name)
        real = isinstance(leaf, Tensor) and leaf.is_floating_point() and kind.is_floating_point
        if real and leaf.dtype != kind and (affine is not None or compute is not None):
            value = graph.call_method("to", (value, kind))
        if affine is not None:
            mean, std = constant(f"output_mean_{i}", affine.mean, kind), constant(f"output_std_{i}", affine.std, kind)
            value = graph.call_function(operator.add, (graph.call_function(operator.mul, (value, std)), mean))
        outputs.append(value)
    graph.output(tuple(outputs) if len(outputs) > 1 else outputs[0])
    adapted = fx.GraphModule(root, graph)
    # Not eval(), which would switch the parts of a frozen file that no longer have the choice.
    adapted.training = False
    return adapted


def _leaves(module: nn.Module, manifest: Manifest, examples: Sequence[Tensor]) -> list[tuple[Any, object]]:
    try:
        with torch.inference_mode():
            return pytree.tree_flatten_with_path(module(*(example.clone() for example in examples)))[0]
    except Exception as error:  # whatever the module raises
        raise run_error(module, manifest, examples, error, "scaled or converted inputs") from error


def _step(graph: fx.Graph, value: fx.Node, key: Any) -> fx.Node:
    if isinstance(key, pytree.GetAttrKey):
        return graph.call_function(getattr, (value, key.name))
    return graph.call_function(operator.getitem, (value, key.key if isinstance(key, pytree.MappingKey) else key.idx))
