"""Export of a PyTorch module to the file that ``radml_torch`` loads, TorchScript or a package, with its contract inside.

The contract is the file ``radml.json`` in the archive: names, kinds, shapes and units of all inputs and outputs. The coupling
library checks every call against it.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn

from ftorch_bridge.column_file import COLUMN_VARIABLES, FLUX_VARIABLES
from ftorch_bridge.files import whole_file
from ftorch_bridge.packages import (
    MANIFEST_FILE,
    Compiled,
    PackageError,
    Range,
    add_manifest,
    compile_package,
    flatten,
    load_package,
)
from ftorch_bridge.weights import import_class, read_weights

# PyTorch advises against TorchScript at each use; whoever exports to it on purpose cannot act on that.
warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)

_KINDS = {
    "float32": torch.float32,
    "float64": torch.float64,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "bool": torch.bool,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
}
_SPECIFICATION = re.compile(r"^(?P<name>\w+):(?P<kind>\w+)\[(?P<shape>[\w,+ ]*)\](?::(?P<units>.+))?$")
_EXTENT = re.compile(r"^(?:\d+|[A-Za-z_]\w*(?:\+\d+)?)$")


class ExportError(ValueError):
    """A model that cannot be exported as asked: the message names it, what was expected and what came."""


@dataclass(frozen=True)
class Argument:
    """One input or output: an extent of ``shape`` is a number, or a free dimension by name with an optional ``+N``."""

    name: str
    kind: str
    shape: tuple[int | str, ...]
    units: str = ""

    @classmethod
    def parse(cls, text: str) -> Argument:
        """From ``name:kind[extent,extent]`` with an optional ``:units``, as in ``t:float64[column,layer]:K``."""
        match = _SPECIFICATION.match(text.strip())
        if match is None:
            raise ExportError(f"argument {text!r}: expected name:kind[extent,...] or name:kind[extent,...]:units")
        extents = [part.strip() for part in match["shape"].split(",") if part.strip()]
        for extent in extents:
            if not _EXTENT.match(extent):
                raise ExportError(f"argument {text!r}: extent {extent!r}: expected a number, a name or name+number")
        if match["kind"] not in _KINDS:
            raise ExportError(f"argument {text!r}: kind {match['kind']!r}: expected one of {', '.join(_KINDS)}")
        shape = tuple(int(extent) if extent.isdigit() else extent for extent in extents)
        return cls(match["name"], match["kind"], shape, match["units"] or "")

    @classmethod
    def of_column_file(cls, name: str, kind: str) -> Argument:
        """The variable ``name`` of the column or flux file as an argument of ``kind``."""
        for variable in (*COLUMN_VARIABLES, *FLUX_VARIABLES):
            if variable.name == name:
                shape = tuple("layer+1" if d == "level" else d for d in variable.dimensions)
                return cls(name, kind, shape, variable.units)
        raise ExportError(f"argument {name!r}: not a variable of the column file; give it as name:kind[extent,...]")


@dataclass(frozen=True)
class Manifest:
    """What a host must know of a model."""

    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    metadata: dict[str, str] = field(default_factory=dict)

    def to_json(self, compiled: Compiled | None = None) -> str:
        """The text of ``radml.json``; of a package, with what it was ``compiled`` for."""
        root: dict[str, object] = {
            "radml": 1,
            "name": self.name,
            "torch": torch.__version__,
            "inputs": [asdict(a) for a in self.inputs],
            "outputs": [asdict(a) for a in self.outputs],
            "metadata": self.metadata,
        }
        if compiled is not None:
            root["inputs"] = [asdict(a) | more for a, more in zip(self.inputs, compiled.inputs, strict=True)]
            root["package"] = compiled.needs
            if compiled.ranges:
                root["ranges"] = compiled.ranges
        return json.dumps(root, indent=1)

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Manifest:
        """From what :func:`read_manifest` gives."""

        def arguments(given: Sequence[Mapping[str, Any]]) -> tuple[Argument, ...]:
            return tuple(Argument(a["name"], a["kind"], tuple(a["shape"]), a.get("units", "")) for a in given)

        inputs, outputs = arguments(described["inputs"]), arguments(described["outputs"])
        return cls(described.get("name", ""), inputs, outputs, described.get("metadata", {}))

    def fixed(self, extents: Mapping[str, int]) -> Manifest:
        """The same with these free dimensions fixed: those named ``layer`` and ``layer+1`` for ``{"layer": 89}``."""
        names = {str(e).partition("+")[0] for a in (*self.inputs, *self.outputs) for e in a.shape if isinstance(e, str)}
        for name in extents:
            if name not in names:
                raise ExportError(f"{self.name}: no free dimension {name!r}; there are {', '.join(sorted(names)) or 'none'}")

        def extent(given: int | str) -> int | str:
            base, _, more = str(given).partition("+")
            return given if isinstance(given, int) or base not in extents else extents[base] + int(more or 0)

        def arguments(given: tuple[Argument, ...]) -> tuple[Argument, ...]:
            return tuple(replace(a, shape=tuple(extent(e) for e in a.shape)) for a in given)

        return replace(self, inputs=arguments(self.inputs), outputs=arguments(self.outputs))


def load_source(source: str, weights: Path | None) -> tuple[nn.Module, dict[str, str]]:
    """The module that ``source`` names, in evaluation mode, and notes to keep beside it.

    ``source`` is ``package.module:Class`` (with ``weights``: a safetensors file, or a state dictionary saved by
    ``torch.save``) or a file: a module saved whole by ``torch.save``, or TorchScript.
    """
    notes: dict[str, str] = {"source": source}
    if ":" in source and not Path(source).exists():
        try:
            found = import_class(source)
        except (ImportError, AttributeError) as error:
            raise ExportError(f"{source}: cannot be imported: {error}") from error
        if weights is None:
            return found().eval(), notes
        if not weights.is_file():
            raise ExportError(f"{weights}: no such file")
        notes["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
        if weights.suffix == ".safetensors":
            state, config, stored = read_weights(weights)
            notes.update(stored)
            module = found.from_config(config) if config and hasattr(found, "from_config") else found()
        else:
            state = torch.load(weights, weights_only=True)
            module = found()
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            raise ExportError(f"{weights}: not the weights of {source}: {' '.join(str(error).split())}") from error
        return module.eval(), notes

    path = Path(source)
    if not path.is_file():
        raise ExportError(f"{source}: no such file, and not of the form package.module:Class")
    if weights is not None:
        raise ExportError(f"{source}: weights go with package.module:Class, not with a file")
    notes["source_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        return torch.jit.load(path).eval(), notes
    except RuntimeError:
        pass  # not TorchScript: perhaps a pickled module
    try:
        module = torch.load(path, weights_only=False)
    except Exception as error:  # unpickling runs what the file holds and may raise anything
        raise ExportError(f"{source}: neither TorchScript nor a module saved by torch.save: {error}") from error
    if not isinstance(module, nn.Module):
        raise ExportError(f"{source}: expected a module, got {type(module).__name__}; give package.module:Class with --weights")
    return module.eval(), notes


def describe(
    module: nn.Module,
    name: str,
    kind: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    metadata: Mapping[str, str],
) -> Manifest:
    """Manifest of ``module``: from ``inputs`` and ``outputs`` (``name:kind[extents]``) or from the module's own attributes.

    A module says what it takes and gives in two attributes ``inputs`` and ``outputs``: names of the column file.
    """

    def arguments(given: Sequence[str], attribute: str) -> tuple[Argument, ...]:
        if given:
            return tuple(Argument.parse(text) for text in given)
        own = getattr(module, attribute, None)
        if not own:
            raise ExportError(f"{name}: unknown {attribute}: give each as --{attribute[:-1]} name:kind[extent,...]:units")
        return tuple(Argument.of_column_file(argument, kind) for argument in own)

    return Manifest(name, arguments(inputs, "inputs"), arguments(outputs, "outputs"), dict(metadata))


def example_inputs(manifest: Manifest, columns: xr.Dataset | None, number: int) -> list[Tensor]:
    """Inputs to check with, in Fortran's order: from ``columns`` where they have them, else normal noise of the right shape."""
    free: dict[str, int] = {}
    generator = torch.Generator().manual_seed(0)

    def extent(given: int | str) -> int:
        if isinstance(given, int):
            return given
        base, _, more = given.partition("+")
        if columns is not None and base in columns.sizes:
            size = min(number, columns.sizes[base]) if base == "column" else columns.sizes[base]
        else:
            size = free.setdefault(base, number if not free else 7 + 4 * len(free))
        return size + int(more or 0)

    tensors = []
    for argument in manifest.inputs:
        kind = _KINDS[argument.kind]
        if columns is not None and argument.name in columns:
            values = torch.from_numpy(columns[argument.name].to_numpy()[:number])
            for e, size in zip(argument.shape, values.shape, strict=True):
                if isinstance(e, int) and e != size:
                    raise ExportError(f"{manifest.name}: {argument.name}: expected an extent of {e}, the columns have {size}")
        else:
            values = torch.randn([extent(e) for e in argument.shape], generator=generator, dtype=torch.float64)
        reverse = list(range(values.dim()))[::-1]
        tensors.append(values.to(kind).permute(reverse).contiguous().permute(reverse))
    return tensors


def _outputs_of(module: Callable[..., object], inputs: list[Tensor], manifest: Manifest) -> list[Tensor]:
    try:
        with torch.inference_mode():
            result = module(*(t.clone() for t in inputs))  # it may work in place
    except Exception as error:  # whatever the module raises
        shapes = ", ".join(f"{a.name} {tuple(t.shape)}" for a, t in zip(manifest.inputs, inputs, strict=True))
        words = " ".join(str(error).split())
        raise ExportError(f"{manifest.name}: fails on inputs {shapes}: {type(error).__name__}: {words}") from error
    tensors = []
    for place, leaf in flatten(result):
        if not isinstance(leaf, Tensor):
            where = f" at {place}" if place else ""
            raise ExportError(f"{manifest.name}: the module gives {type(leaf).__name__}{where}, expected tensors only")
        tensors.append(leaf)
    if len(tensors) != len(manifest.outputs):
        raise ExportError(f"{manifest.name}: expected {len(manifest.outputs)} outputs, the module gives {len(tensors)}")
    for tensor, argument in zip(tensors, manifest.outputs, strict=True):
        if tensor.dtype != _KINDS[argument.kind] or tensor.dim() != len(argument.shape):
            shape = ",".join(str(e) for e in argument.shape)
            raise ExportError(
                f"{manifest.name}: output {argument.name!r}: expected ({shape}) {argument.kind}, the module gives "
                f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
            )
    return tensors


@dataclass(frozen=True)
class Check:
    """Result of comparing an exported file with its source on one batch."""

    batch: int
    largest_difference: dict[str, float]
    """By output: the largest difference in units of the output's largest magnitude."""


def _check_finite(manifest: Manifest, outputs: Sequence[Tensor]) -> None:
    for argument, tensor in zip(manifest.outputs, outputs, strict=True):
        if not tensor.isfinite().all():
            raise ExportError(f"{manifest.name}: output {argument.name!r} is not finite on the inputs of the check")


def _difference(model: str, output: str, source: Tensor, exported: Tensor, tolerance: float) -> float:
    """Largest difference of one output in units of its largest magnitude; raises where it is above ``tolerance``."""
    if source.numel() == 0:
        return 0.0
    difference = float((source - exported).abs().max()) / max(float(source.abs().max()), 1e-30)
    if difference > tolerance:
        raise ExportError(
            f"{model}: output {output!r}: the exported file differs from its source by {difference:.2g} of the largest value, "
            f"expected at most {tolerance:.2g}"
        )
    return difference


def export(
    module: nn.Module,
    manifest: Manifest,
    path: Path,
    *,
    columns: xr.Dataset | None,
    tolerance: float = 1e-5,
    limits: Mapping[str, Range] | None = None,
    march: str = "portable",
    layout: str = "fortran",
    trainable: bool = False,
) -> list[Check]:
    """Write ``module`` with ``manifest`` inside, after the file has given the module's own results.

    To a ``path`` that ends in ``.pt2`` goes a package of machine code for the instructions of ``march`` and inputs in the order
    ``layout``, to any other TorchScript, which keeps its parameters if it is to be ``trainable``; ``limits`` are the extents of
    free dimensions that a package is to take. The file is loaded back and compared with the module on ``columns`` (or noise) at
    several batch sizes; outputs may differ by ``tolerance`` of their largest magnitude. Only then is it renamed to ``path``.
    Raises :class:`ExportError`.
    """
    for name in limits or {}:
        manifest.fixed({name: 1})  # refuses what is no free dimension
    if trainable and path.suffix == ".pt2":
        raise ExportError(f"{path}: a package cannot be trained; export TorchScript (.pt)")
    if layout not in ("fortran", "c"):
        raise ExportError(f"--layout {layout}: expected fortran or c")
    if getattr(module, "training", False):  # a frozen module has lost the attribute
        raise ExportError(f"{manifest.name}: in training mode; call eval() before exporting")

    def inputs_of(data: xr.Dataset | None, batch: int) -> list[Tensor]:
        inputs = example_inputs(manifest, data, batch)
        return [t.contiguous() for t in inputs] if layout == "c" else inputs

    # First what the module itself gives: where that is not right nothing need be compiled.
    batches = {batch: inputs_of(columns, batch) for batch in (64, 1, 17)}
    expected = {batch: _outputs_of(module, inputs, manifest) for batch, inputs in batches.items()}
    for outputs in expected.values():
        _check_finite(manifest, outputs)
    checks = []
    with whole_file(path) as temporary:
        if path.suffix == ".pt2":
            try:
                shapes = [a.shape for a in manifest.inputs]
                compiled = compile_package(
                    _without_operators(module),
                    inputs_of(None, 64),
                    shapes,
                    temporary,
                    limits=limits,
                    march=march,
                    layout=layout,
                )
            except PackageError as error:
                raise ExportError(f"{manifest.name}: {error}") from error
            add_manifest(temporary, manifest.to_json(compiled))
            loaded = load_package(temporary)
        else:
            _script(module, manifest, trainable).save(str(temporary), _extra_files={MANIFEST_FILE: manifest.to_json()})
            loaded = torch.jit.load(temporary)
        for batch, inputs in batches.items():
            found = _outputs_of(loaded, inputs, manifest)
            _check_finite(manifest, found)
            checks.append(
                Check(
                    batch,
                    {
                        argument.name: _difference(manifest.name, argument.name, a, b, tolerance)
                        for argument, a, b in zip(manifest.outputs, expected[batch], found, strict=True)
                    },
                )
            )
    return checks


def _without_operators(module: nn.Module) -> nn.Module:
    """The module by PyTorch's own operations, where it has the choice: a package holds machine code for those alone."""
    if not getattr(module, "use_operators", False):
        return module
    plain = copy.deepcopy(module)
    plain.use_operators = False
    return plain


def _script(module: nn.Module, manifest: Manifest, trainable: bool) -> torch.jit.ScriptModule:
    try:
        script = module if isinstance(module, torch.jit.ScriptModule) else torch.jit.script(module)
    except Exception as error:  # the compiler raises what it likes
        raise ExportError(f"{manifest.name}: TorchScript cannot compile it: {error}") from error
    if trainable:
        if not any(parameter.requires_grad for parameter in script.parameters()):
            raise ExportError(f"{manifest.name}: it has no parameters to train")
        return script
    # Freezing drops detach(), and with it what derivatives by the inputs are.
    freeze = hasattr(script, "training") and "aten::detach" not in str(script.inlined_graph)
    return torch.jit.freeze(script) if freeze else script


def read_manifest(path: Path) -> dict[str, object]:
    """The manifest inside an exported file of either format. Raises :class:`ExportError` where there is none."""
    if not path.is_file():
        raise ExportError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            for record in archive.namelist():
                if record.partition("/")[2] == f"extra/{MANIFEST_FILE}":
                    return json.loads(archive.read(record))
    except (zipfile.BadZipFile, ValueError) as error:
        raise ExportError(f"{path}: not a model file: {error}") from error
    raise ExportError(f"{path}: a file without a manifest; export the model with ftorch-export")
