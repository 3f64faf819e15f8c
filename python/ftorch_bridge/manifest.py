"""What a host must know of a model: names, kinds, shapes and units of its arguments, the file ``radml.json`` in its archive."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ftorch_bridge.column_file import COLUMN_VARIABLES, FLUX_VARIABLES, Variable
from ftorch_bridge.files import damage_of
from ftorch_bridge.packages import MANIFEST_FILE, Compiled, Range

KINDS = {
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
COMPUTE = {"bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64}
"""Kinds that a network can be made to compute in."""
_SPECIFICATION = re.compile(r"^(?P<name>[^:]*):(?P<kind>\w+)\[(?P<shape>[\w,+ ]*)\](?::(?P<units>.+))?$")
_NAME = re.compile(r"^\w+$")
_EXTENT = re.compile(r"^(?:\d+|[A-Za-z_]\w*(?:\+\d+)?)$")


class ExportError(ValueError):
    """A model that cannot be exported as asked: the message names it, what was expected and what came."""


def parts(extent: str) -> tuple[str, int]:
    """Name and offset of a free extent: ``("layer", 1)`` of ``layer+1``."""
    name, _, more = extent.partition("+")
    return name, int(more or 0)


def extent_in(extent: int | str, sizes: Mapping[str, int]) -> int:
    """The number that ``extent`` is where the free dimensions have these ``sizes``."""
    if isinstance(extent, int):
        return extent
    name, more = parts(extent)
    return sizes[name] + more


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
            raise ExportError(
                f"argument {text!r}: expected name:kind[extent,...] or name:kind[extent,...]:units, as in "
                "t:float32[column,layer]:K; a scalar is name:kind[]"
            )
        if not _NAME.match(match["name"]):
            raise ExportError(f"argument {text!r}: name {match['name']!r}: expected letters, digits and _ only")
        extents = [part.strip() for part in match["shape"].split(",") if part.strip()]
        for extent in extents:
            if not _EXTENT.match(extent):
                raise ExportError(f"argument {text!r}: extent {extent!r}: expected a number, a name or name+number")
        if match["kind"] not in KINDS:
            raise ExportError(f"argument {text!r}: kind {match['kind']!r}: expected one of {', '.join(KINDS)}")
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

    def column_variable(self) -> Variable | None:
        """The variable of column files of this name, if it has as many dimensions, and none where this has its ``column``."""
        for variable in COLUMN_VARIABLES:
            if variable.name == self.name and len(variable.dimensions) == len(self.shape):
                others = zip(self.shape, variable.dimensions, strict=True)
                return None if any(extent == "column" != dimension for extent, dimension in others) else variable
        return None


def brackets(shape: Sequence[int | str]) -> str:
    """``[column,layer+1]``."""
    return f"[{','.join(map(str, shape))}]"


@dataclass(frozen=True)
class Manifest:
    """What a host must know of a model."""

    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    metadata: dict[str, str] = field(default_factory=dict)

    def to_json(self, compiled: Compiled | None = None, ranges: Mapping[str, Range] | None = None) -> str:
        """The text of ``radml.json``; of a package with what it was ``compiled`` for, of TorchScript with its ``ranges``."""
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
            ranges = compiled.ranges
        if ranges:
            root["ranges"] = dict(ranges)
        return json.dumps(root, indent=1)

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Manifest:
        """From what :func:`read_manifest` gives."""

        def arguments(given: Sequence[Mapping[str, Any]]) -> tuple[Argument, ...]:
            return tuple(Argument(a["name"], a["kind"], tuple(a["shape"]), a.get("units", "")) for a in given)

        inputs, outputs = arguments(described["inputs"]), arguments(described["outputs"])
        return cls(described.get("name", ""), inputs, outputs, described.get("metadata", {}))

    def free_dimensions(self) -> list[str]:
        """Names of the free dimensions of the inputs, in the order in which they appear."""
        names = (parts(extent)[0] for a in self.inputs for extent in a.shape if isinstance(extent, str))
        return list(dict.fromkeys(names))

    def batch_dimension(self) -> str | None:
        """The dimension that a host's calls differ in most: ``column``, or the first free one; none where all are fixed."""
        names = self.free_dimensions()
        return "column" if "column" in names else next(iter(names), None)

    def fixed(self, extents: Mapping[str, int]) -> Manifest:
        """The same with these free dimensions fixed: those named ``layer`` and ``layer+1`` for ``{"layer": 89}``."""
        names = {str(e).partition("+")[0] for a in (*self.inputs, *self.outputs) for e in a.shape if isinstance(e, str)}
        for name in extents:
            if name not in names:
                raise ExportError(f"{self.name}: no free dimension {name!r}; there are {', '.join(sorted(names)) or 'none'}")

        def extent(given: int | str) -> int | str:
            return given if isinstance(given, int) or parts(given)[0] not in extents else extent_in(given, extents)

        def arguments(given: tuple[Argument, ...]) -> tuple[Argument, ...]:
            return tuple(replace(a, shape=tuple(extent(e) for e in a.shape)) for a in given)

        return replace(self, inputs=arguments(self.inputs), outputs=arguments(self.outputs))


def ranges_of(described: Mapping[str, Any]) -> dict[str, Range]:
    """The least and the largest extent that a file takes, by free dimension, from what :func:`read_manifest` gives.

    Raises :class:`ExportError` for a manifest that does not say it.
    """
    try:
        return {name: (least, most) for name, (least, most) in described.get("ranges", {}).items()}
    except (AttributeError, TypeError, ValueError):
        raise ExportError(f"{described.get('name')}: ranges: expected [least, most] by dimension in its manifest") from None


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
        damage = damage_of(path)
        raise ExportError(f"{path}: not a model file: {f'it {damage}' if damage else error}") from error
    raise ExportError(
        f"{path}: a file without a manifest: weights, or a model that ftorch-export did not write; export it with ftorch-export"
    )
