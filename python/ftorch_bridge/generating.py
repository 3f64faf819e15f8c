"""A Fortran module with typed procedures for one model, from the manifest inside its file.

``net%forward`` takes lists of arrays and checks them when it runs. The procedures written here have an argument for each input
and output, with its kind and rank, so that the compiler refuses a wrong call. The text depends on the manifest and the options
alone: made again it has the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ftorch_bridge.manifest import Argument, Manifest, brackets

LONGEST_NAME = 63  # Fortran 2018, 6.2.2
LONGEST_LINE = 132  # 6.3.2.1; what comments exceed it by is no matter
LONGEST_COMMENT = 118
LONGEST_PIECE = 60  # of a constant of characters: half a line, as an apostrophe is written twice
COLUMN_NAMES = ("column", "ncol")
"""Names of a free dimension that is taken for the columns where no other is given."""

_TYPES = {
    "float32": "real(real32)",
    "float64": "real(real64)",
    "int8": "integer(int8)",
    "int16": "integer(int16)",
    "int32": "integer(int32)",
    "int64": "integer(int64)",
    "bool": "logical(c_bool)",
    "complex64": "complex(real32)",
    "complex128": "complex(real64)",
}
_REAL_KINDS = {"real32": "float32", "real64": "float64"}
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_MOST_CONTINUATIONS = 255  # 6.3.2.6


class GenerateError(ValueError):
    """No module can be written as asked: the message names what, what was expected and what came."""


@dataclass(frozen=True)
class HostKind:
    """Kind of the host's real arrays: a constant ``name`` of the Fortran module ``module``."""

    name: str
    module: str

    @classmethod
    def parse(cls, text: str) -> HostKind | None:
        """From ``real32``, ``real64`` or ``module:name``; None for ``model``, which leaves each array its kind in the model."""
        if text == "model":
            return None
        if text in _REAL_KINDS:
            return cls(text, "")
        module, colon, name = text.partition(":")
        if not colon or not _NAME.fullmatch(module) or not _NAME.fullmatch(name):
            raise GenerateError(f"--kind {text}: expected model, real32, real64 or a module's constant as in my_kinds:wp")
        return cls(name, module)


@dataclass(frozen=True)
class Dummy:
    """A dummy argument of the procedure."""

    name: str
    argument: Argument
    declaration: str
    """Its type with kind, as in ``real(real64)``."""
    reversed: bool = False
    """The host's array has the dimensions in the other order than the model."""

    @property
    def rank(self) -> int:
        return len(self.argument.shape)

    @property
    def entity(self) -> str:
        """Name with bounds, as in ``temperature(:, :)``."""
        return f"{self.name}({', '.join(':' * self.rank)})" if self.rank else self.name

    def comment(self) -> str:
        """Units and shape, with the model's own name and kind where the host's are others."""
        extents = self.argument.shape[::-1] if self.reversed else self.argument.shape
        shape = f"({', '.join(map(str, extents))})" if self.rank else "(scalar)"
        words = [f"[{self.argument.units or 'units not stated'}]", shape]
        if self.declaration != _TYPES[self.argument.kind]:
            words.append(f"{self.argument.kind} in the model")
        if self.name != self.argument.name:
            words.append(f'"{self.argument.name}" in the model')
        if self.reversed and self.rank > 1:
            words.append("reversed in the model")
        return _one_line(", ".join([" ".join(words[:2]), *words[2:]]))

    def view(self, maker: str) -> str:
        """The array as the model is to see it; ``maker`` is ``torch_in`` or ``torch_out``."""
        made = f"{maker}({self.name})"
        return f"torch_reverse({made})" if self.reversed and self.rank > 1 else made

    def declared(self) -> str:
        """What libradml says of the argument where the model is the one that this is for."""
        return f"{self.argument.name}:{self.argument.kind}{brackets(self.argument.shape)}"


def fortran_name(text: str, taken: Iterable[str], longest: int = LONGEST_NAME) -> str:
    """``text`` as a Fortran name that is none of ``taken`` (in small letters): other characters become underscores."""
    name = re.sub(r"_{2,}", "_", re.sub(r"[^A-Za-z0-9_]", "_", text)).strip("_") or "x"
    if not name[0].isalpha():
        name = f"x_{name}"
    used = {other.lower() for other in taken}
    candidate, number = name[:longest], 1
    while candidate.lower() in used:
        number += 1
        end = f"_{number}"
        candidate = name[: longest - len(end)] + end
    return candidate


def _one_line(text: str) -> str:
    """Printable ASCII on one line, cut where it is too long for one: compilers differ in what else they take in a comment."""
    words = " ".join(text.encode("ascii", "replace").decode().split())
    return words if len(words) <= LONGEST_COMMENT else words[: LONGEST_COMMENT - 3] + "..."


def _literal(text: str) -> list[str]:
    """A constant of characters, on as many lines as it needs."""
    pieces = [text[i : i + LONGEST_PIECE] for i in range(0, len(text), LONGEST_PIECE)]
    quoted = ["'" + piece.replace("'", "''") + "'" for piece in pieces]
    return [*(f"{piece}// &" for piece in quoted[:-1]), quoted[-1]]


def _column_dimension(manifest: Manifest, columns: str | None) -> int:
    """Number of the first output's dimension that is the columns, from 1; 0 where none is."""
    shape = manifest.outputs[0].shape
    for name in COLUMN_NAMES if columns is None else (columns,):
        if name in shape:
            return shape.index(name) + 1
    if columns is not None:
        raise GenerateError(
            f"--columns {columns}: the first output, {manifest.outputs[0].name!r}, has dimensions "
            f"({', '.join(map(str, shape)) or 'none'}); expected one of its free ones"
        )
    return 0


@dataclass(frozen=True)
class FortranModule:
    """What is written: names, arguments, and the dimension that is the columns (0: no blocks are offered)."""

    name: str
    procedure: str
    model: str
    inputs: tuple[Dummy, ...]
    outputs: tuple[Dummy, ...]
    kind: HostKind | None
    converts: bool
    column_dimension: int

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        *,
        module: str,
        procedure: str,
        kind: HostKind | None = None,
        columns: str | None = None,
        reverse: bool = False,
    ) -> FortranModule:
        """Of ``manifest``, for a host whose real arrays are of ``kind``.

        With ``reverse`` the host's arrays have the model's dimensions in the other order, as in (layer, column). Raises
        :class:`GenerateError`.
        """
        for what, name, more in (("module", module, 0), ("procedure", procedure, len("_load"))):
            if not _NAME.fullmatch(name) or len(name) + more > LONGEST_NAME:
                raise GenerateError(
                    f"{what} {name!r}: expected a Fortran name of at most {LONGEST_NAME - more} letters, digits and underscores"
                )
        own = [procedure, f"{procedure}_load", f"{procedure}_plan"]
        if module.lower() in (name.lower() for name in own):
            raise GenerateError(
                f"module {module!r} and its procedure {procedure!r} have one name; choose --module or --procedure"
            )
        if not manifest.outputs:
            raise GenerateError(f"{manifest.name}: a model without outputs has nothing to give to a host")
        converted = _REAL_KINDS.get(kind.name) if kind and not kind.module else None
        reals = [a for a in (*manifest.inputs, *manifest.outputs) if a.kind in _REAL_KINDS.values()]
        # Of a constant of the host's own nobody knows here which kind it is.
        converts = kind is not None and any(a.kind != converted for a in reals)

        taken = [
            *own, module, "net", "plan", "stat", "errmsg", "message", "columns_per_block", "threads", "column_dimension",
            "torch_in", "torch_out", "torch_reverse", "torch_model", "torch_plan", "torch_array", "c_bool",
            *_kinds_used(manifest, kind),
        ]  # fmt: skip

        def dummies(arguments: Sequence[Argument]) -> tuple[Dummy, ...]:
            made = []
            for argument in arguments:
                name = fortran_name(argument.name, taken)
                taken.append(name)
                declaration = _TYPES[argument.kind]
                if kind and argument.kind in _REAL_KINDS.values():
                    declaration = f"real({kind.name})"
                made.append(Dummy(name, argument, declaration, reverse))
            return tuple(made)

        inputs, outputs = dummies(manifest.inputs), dummies(manifest.outputs)
        # One line for each array, and some for the rest of the call.
        if len(inputs) + len(outputs) + 6 > _MOST_CONTINUATIONS:
            raise GenerateError(
                f"{manifest.name}: more arrays than the {_MOST_CONTINUATIONS} lines of a Fortran statement hold"
            )
        return cls(module, procedure, manifest.name, inputs, outputs, kind, converts, _column_dimension(manifest, columns))

    def text(self) -> str:
        """The source file."""
        lines = [*self._head(), "", *self._call(), "", *self._binding(), "", *self._loading(), "", f"end module {self.name}"]
        return "\n".join(lines) + "\n"

    def _head(self) -> list[str]:
        kinds = sorted({k for d in (*self.inputs, *self.outputs) for k in re.findall(r"\((.+)\)", d.declaration)} - {"c_bool"})
        if self.kind and self.kind.module:
            kinds = [k for k in kinds if k != self.kind.name]
        uses = []
        if any("c_bool" in d.declaration for d in (*self.inputs, *self.outputs)):
            uses.append("use, intrinsic :: iso_c_binding, only: c_bool")
        uses.append(f"use, intrinsic :: iso_fortran_env, only: {', '.join(['error_unit', *kinds])}")
        if self.kind and self.kind.module:
            uses.append(f"use {self.kind.module}, only: {self.kind.name}")
        own = ["radml_status", *([] if self.inputs else ["torch_array"]), "torch_in", "torch_model", "torch_out", "torch_plan"]
        if any(d.reversed and d.rank > 1 for d in (*self.inputs, *self.outputs)):
            own.append("torch_reverse")
        uses.append(f"use radml_torch, only: {', '.join(own)}")
        p = self.procedure
        return [
            f"!> {_one_line(f'Calls of the model {self.model}, whose arguments the compiler checks.')}",
            "!>",
            f"!>     call {p}_load(net, '{_one_line(self.model)}.pt')",
            "!>     " + _one_line(f"call {p}(net, {', '.join(d.name for d in (*self.inputs, *self.outputs))})"),
            "!>",
            "!> Written by ftorch-generate from the manifest inside the model's file: generate it anew rather than change it.",
            f"module {self.name}",
            *(f"  {use}" for use in uses),
            "  implicit none",
            "  private",
            "",
            f"  public :: {p}, {p}_load, {p}_plan",
            "",
            "contains",
        ]

    def _header(self, name: str, first: Sequence[str], last: Sequence[str]) -> list[str]:
        """``subroutine name(...)`` with an argument on each line where one line does not hold them."""
        names = [*first, *(d.name for d in (*self.inputs, *self.outputs)), *last]
        whole = f"  recursive subroutine {name}({', '.join(names)})"
        if len(whole) <= LONGEST_LINE:
            return [whole]
        return [f"  recursive subroutine {name}( &", *(f"    {n}, &" for n in names[:-1]), f"    {names[-1]})"]

    def _declarations(self) -> list[str]:
        # `target`, because a view outlives the call of torch_in that makes it.
        lines = []
        for intent, dummies in (("in", self.inputs), ("inout", self.outputs)):
            for d in dummies:
                statement = f"    {d.declaration}, intent({intent}), target ::"
                fits = len(statement) + len(d.entity) < LONGEST_LINE
                lines += (
                    [f"{statement} {d.entity} !! {d.comment()}"]
                    if fits
                    else [f"{statement} &", f"      {d.entity} !! {d.comment()}"]
                )
        return lines

    def _options(self) -> list[str]:
        return ["columns_per_block", "threads"] if self.column_dimension else []

    def _optional_declarations(self) -> list[str]:
        lines = [
            "    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)",
            "    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)",
        ]
        if self.column_dimension:
            lines += [
                "    integer, intent(in), optional :: columns_per_block !! compute in blocks of so many columns [1] (scalar)",
                "    integer, intent(in), optional :: threads !! threads that share the blocks [1] (scalar)",
                "    integer, allocatable :: column_dimension ! not allocated it is an absent argument: no blocks",
            ]
        # Of its own, as gfortran loses the length of a text that is handed on as an optional argument.
        lines.append("    character(len=:), allocatable :: message")
        return lines

    def _arrays(self, call: str) -> list[str]:
        """The statement that hands over the arrays."""

        def constructor(view: str, dummies: Sequence[Dummy]) -> list[str]:
            if not dummies:
                return ["[torch_array ::]"]
            views = [d.view(view) for d in dummies]
            return [f"[{views[0]}", *(f" {v}" for v in views[1:])]

        def closed(lines: list[str]) -> list[str]:
            return [
                *(f"      {line}, &" for line in lines[:-1]),
                f"      {lines[-1]}{'' if lines[-1].endswith(']') else ']'}, &",
            ]

        last = ["stat=stat", "errmsg=message"]
        if self.column_dimension:
            last += ["column_dimension=column_dimension", "columns_per_block=columns_per_block", "threads=threads"]
        if self.converts:
            last.append("convert=.true.")
        lines = [
            f"    call {call} &",
            *closed(constructor("torch_in", self.inputs)),
            *closed(constructor("torch_out", self.outputs)),
        ]
        end = ", ".join(last) + ")"
        if len(end) + 6 > LONGEST_LINE:
            lines += [f"      {', '.join(last[:-2])}, &", f"      {', '.join(last[-2:])})"]
        else:
            lines.append(f"      {end}")
        return [*lines, "    if (present(errmsg) .and. allocated(message)) errmsg = message"]

    def _blocks(self) -> list[str]:
        if not self.column_dimension:
            return []
        return [f"    if (present(columns_per_block) .or. present(threads)) column_dimension = {self.column_dimension}"]

    def _call(self) -> list[str]:
        p = self.procedure
        blocks = " With `columns_per_block` or `threads` the columns are computed in blocks." if self.column_dimension else ""
        return [
            f"  !> {_one_line(f'Runs {self.model}.')}",
            f"  !> On failure no output has been touched.{blocks}",
            *self._header(p, ["net"], ["stat", "errmsg", *self._options()]),
            f"    type(torch_model), intent(in) :: net !! loaded by {p}_load [model] (scalar)",
            *self._declarations(),
            *self._optional_declarations(),
            "",
            *self._blocks(),
            *self._arrays("net%forward("),
            f"  end subroutine {p}",
        ]

    def _binding(self) -> list[str]:
        p = self.procedure
        return [
            "  !> Binds the model to arrays that stay where they are, for `call plan%run()` in every time step.",
            *self._header(f"{p}_plan", ["plan", "net"], ["stat", "errmsg", *self._options()]),
            "    type(torch_plan), intent(inout) :: plan !! to be run [plan] (scalar)",
            f"    type(torch_model), intent(in) :: net !! loaded by {p}_load [model] (scalar)",
            *self._declarations(),
            *self._optional_declarations(),
            "",
            *self._blocks(),
            *self._arrays("plan%create(net,"),
            f"  end subroutine {p}_plan",
        ]

    def _loading(self) -> list[str]:
        p = self.procedure
        longest = max(len(d.declared().encode()) for d in (*self.inputs, *self.outputs))

        def declarations(role: str, dummies: Sequence[Dummy]) -> list[str]:
            # On a line each, as they may be long. Characters beyond ASCII are bytes to Fortran as they are to libradml.
            texts = [_literal(d.declared()) for d in dummies]
            if not texts:
                return []
            return [
                f"    character(len={longest}), parameter :: {role}s({len(texts)}) = [character(len={longest}) :: &",
                *(f"      {line}" for text in texts[:-1] for line in [*text[:-1], f"{text[-1]}, &"]),
                *(f"      {line}" for line in [*texts[-1][:-1], f"{texts[-1][-1]}]"]),
            ]

        def comparison(role: str, dummies: Sequence[Dummy]) -> list[str]:
            if not dummies:
                return []
            return [
                f"      do i = 1, merge({len(dummies)}, 0, other == '')",
                f"        if (net%{role}_declaration(i) == {role}s(i)) cycle",
                f"        other = '{role} '//net%{role}_declaration(i)//' in place of '//trim({role}s(i))",
                "        exit",
                "      end do",
            ]

        return [
            f"  !> Loads {_one_line(self.model)} and checks that the file has the arguments that this module has.",
            f"  subroutine {p}_load(net, path, device, stat, errmsg)",
            "    type(torch_model), intent(inout) :: net !! [model] (scalar)",
            "    character(len=*), intent(in) :: path !! the model's file, .pt or .pt2 [text] (scalar)",
            "    character(len=*), intent(in), optional :: device !! 'cpu' (default), 'cuda' or 'cuda:N' [text] (scalar)",
            "    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)",
            "    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)",
            *declarations("input", self.inputs),
            *declarations("output", self.outputs),
            "    character(len=:), allocatable :: message, other",
            "    integer :: i, n_inputs, n_outputs, status",
            "",
            "    call net%load(path, device, status, message)",
            "    if (status == 0) then",
            "      n_inputs = net%n_inputs()",
            "      n_outputs = net%n_outputs()",
            "      other = ''",
            f"      if (n_inputs /= {len(self.inputs)} .or. n_outputs /= {len(self.outputs)}) &",
            "        other = 'other numbers of inputs or outputs'",
            "      if (n_outputs < 0) other = 'no manifest (ftorch-export writes one)'",
            *comparison("input", self.inputs),
            *comparison("output", self.outputs),
            "      if (other /= '') then",
            "        call net%free()",
            "        status = radml_status%invalid_file",
            "        message = trim(path)//': has '//other//'; it is not the model that module &",
            f"          &{self.name} was generated for: run ftorch-generate on this file'",
            "      end if",
            "    end if",
            "    if (present(stat)) stat = status",
            "    if (status == 0) return",
            "    if (present(errmsg)) errmsg = message",
            "    if (present(stat)) return",
            "    write (error_unit, '(a)') 'radml: '//message",
            "    error stop 1, quiet=.true.",
            f"  end subroutine {p}_load",
        ]


def _kinds_used(manifest: Manifest, kind: HostKind | None) -> list[str]:
    found = {k for a in (*manifest.inputs, *manifest.outputs) for k in re.findall(r"\((.+)\)", _TYPES[a.kind])}
    return sorted(found | ({kind.name, kind.module} - {""} if kind else set()) | {"error_unit", "radml_status"})
