"""Why a module fails on the inputs that it is said to take, and what to do."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ftorch_bridge.manifest import COMPUTE, KINDS, Argument, ExportError, Manifest, brackets, parts
from ftorch_bridge.sampling import Samples
from ftorch_bridge.sources import argument_that_is_no_tensor, kinds_are_fixed, no_tensor_words, numbers_of
from ftorch_bridge.wording import count, one_line

Attempt = Callable[[Samples, Mapping[str, int]], bool]
"""Whether the module runs on samples with these sizes of the free dimensions."""
_MOST_TRIES = 600
_IN_ORDER = "give its dimensions in the order in which forward takes them"


class RunError(ExportError):
    """A module that raised an error; ``advised`` says whether the message ends with what to do."""

    def __init__(self, words: str, advice: str = "") -> None:
        super().__init__(words + advice)
        self.advised = bool(advice)


def run_error(
    module: Callable[..., object], manifest: Manifest, inputs: Sequence[Tensor], error: Exception, what: str = "inputs"
) -> RunError:
    """The message for an ``error`` that ``module`` raised on ``inputs``."""
    shapes = ", ".join(f"{a.name} {tuple(t.shape)}" for a, t in zip(manifest.inputs, inputs, strict=True))
    words = one_line(error, 500)
    place = f"{manifest.name}: fails on {what} {shapes}: {type(error).__name__}: "
    return RunError(place + words, _advice(module, inputs, words))


def check_number_of_outputs(manifest: Manifest, found: int) -> None:
    """Raises :class:`ExportError` where a module gives another number of outputs than ``manifest`` names."""
    expected = len(manifest.outputs)
    if found != expected:
        raise ExportError(
            f"{manifest.name}: expected {count(expected, 'output')}, the module gives {found}: give --output-argument once "
            "for each, in order"
        )


def own_kind(module: nn.Module) -> torch.dtype | None:
    """The kind of the module's first parameter or buffer of real numbers; none where it has none."""
    tensors = [*module.parameters(), *module.buffers()]
    return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), None)


def _advice(module: Callable[..., object], inputs: Sequence[Tensor], words: str) -> str:
    if "view size is not compatible" in words:
        return "; a host's arrays lie in Fortran's order, first dimension fastest: .reshape(...) in place of .view(...)"
    if not isinstance(module, nn.Module):
        return ""
    if other := argument_that_is_no_tensor(module):
        return f"; {no_tensor_words(other)}"
    if "valid indices (got str)" in words or "invalid data type 'str'" in words:  # batch["t"] of a tensor
        return f"; {no_tensor_words('a dictionary')}"
    return _advice_on_kinds(module, inputs, words)


def _advice_on_kinds(module: nn.Module, inputs: Sequence[Tensor], words: str) -> str:
    """What to do where the inputs are of another kind than the module's own and that is what it fails for."""
    known = own_kind(module)
    own = known or torch.float32  # a frozen file has its parameters written into it
    others = [t for t in inputs if t.is_floating_point() and t.dtype != own]
    if not others:
        return ""
    if known is None or not re.search(r"dtype|scalar type|\btype \(|the type torch\.", words):
        try:
            with torch.inference_mode():
                module(*(t.to(own) if t.is_floating_point() else t.clone() for t in inputs))
        except Exception:  # then it fails for something else
            return ""
    name, given = (str(kind).removeprefix("torch.") for kind in (own, others[0].dtype))
    if kinds_are_fixed(module):
        return (
            f"; the file computes in {name}, which stays: declare inputs and outputs {name}; a host with {given} arrays asks "
            "for convert=.true."
        )
    compute = name if name in COMPUTE else "float32"
    declare = f", or declare the inputs {name}" if name in KINDS else ""
    return f"; the network computes in {name}: give --compute {compute} (the host's arrays stay {given}){declare}"


# ---- extents that it would run with ----


def fix_words(module: nn.Module, samples: Samples, runs: Attempt) -> str:
    """Advice to fix free dimensions, other than that of the batch, if the module runs with them at other extents."""
    return _Search(module, samples, runs).for_fixed()


def shape_words(module: nn.Module, samples: Samples, runs: Attempt) -> str:
    """What is wrong in the shapes of the inputs, if the module runs with others."""
    search = _Search(module, samples, runs)
    ways = (
        search.for_order,
        search.for_all_reversed,
        search.for_fixed,
        search.for_number,
        search.for_batch,
        search.for_order_and_fixed,
    )
    return next(filter(None, (way() for way in ways)), "")


class _Search:
    """Tries of a module with other shapes; each gives words of what it runs with, or none."""

    def __init__(self, module: nn.Module, samples: Samples, runs: Attempt) -> None:
        self.samples, self.manifest = samples, samples.manifest
        self._runs, self._tries = runs, 0
        self.numbers = numbers_of(module)
        # A batch of a size that the module has nowhere: what runs by chance is no advice.
        self.usual = samples.sizes(next(n for n in itertools.count(23) if n not in self.numbers))
        self.batch = self.manifest.batch_dimension()
        self.others = [name for name in self.manifest.free_dimensions() if name != self.batch]

    def runs(self, samples: Samples, sizes: Mapping[str, int]) -> bool:
        """Whether it runs; after so many tries it is said not to."""
        self._tries += 1
        return self._tries <= _MOST_TRIES and self._runs(samples, sizes)

    def runs_with(self, inputs: Sequence[Argument], **sizes: int) -> bool:
        """Whether it runs with other ``inputs``, on noise."""
        samples = replace(self.samples, manifest=replace(self.manifest, inputs=tuple(inputs)), data=None)
        return self.runs(samples, {**self.usual, **sizes})

    def candidates(self, name: str) -> list[int]:
        """What the dimension ``name`` may be for one of its extents to be one of the module's numbers."""
        extents = (parts(e) for a in self.manifest.inputs for e in a.shape if isinstance(e, str))
        offsets = dict.fromkeys(more for base, more in extents if base == name)
        return list(dict.fromkeys(n - more for more in offsets for n in self.numbers if n > more))

    def for_order(self) -> str:
        for changed, inputs in _exchanged(self.manifest):
            if self.runs_with(inputs):
                return f"; it runs with {changed}: {_IN_ORDER}"
        return ""

    def for_all_reversed(self) -> str:
        inputs = [replace(argument, shape=argument.shape[::-1]) for argument in self.manifest.inputs]
        if len(inputs) < 2 or not self.runs_with(inputs):
            return ""
        shapes = ", ".join(f"{argument.name}{brackets(argument.shape)}" for argument in inputs)
        return f"; it runs with {shapes}: give the dimensions in the order in which forward takes them"

    def for_fixed(self) -> str:
        for name in self.others:
            tried = (n for n in self.candidates(name) if self.runs(self.samples, {**self.usual, name: n}))
            if found := list(itertools.islice(tried, 2)):
                more = f", or give what it may be (--range {name}=least:most)" if len(found) > 1 else ""
                works = f"{name}={' and '.join(map(str, found))}, not with {name}={self.usual[name]}"
                return f"; it runs with {works}: fix it (--fix {name}={found[0]}){more}"
        if len(self.others) == 2:
            for pair in itertools.product(*map(self.candidates, self.others)):
                if self.runs(self.samples, self.usual | dict(zip(self.others, pair, strict=True))):
                    works = [f"{name}={n}" for name, n in zip(self.others, pair, strict=True)]
                    return f"; it runs with {', '.join(works)}: fix them ({' '.join(f'--fix {w}' for w in works)})"
        return ""

    def for_number(self) -> str:
        for extent in dict.fromkeys(e for a in self.manifest.inputs for e in a.shape if isinstance(e, int)):
            for number in self.numbers:
                for names, inputs in _replaced(self.manifest, extent, number):
                    if self.runs_with(inputs):
                        return f"; it runs with {number} in place of {extent} in --input {', '.join(names)}"
        return ""

    def for_batch(self) -> str:
        for number in self.candidates(self.batch) if self.batch else ():
            if self.runs(self.samples, {**self.usual, self.batch: number}):
                order = any(len(argument.shape) > 1 for argument in self.manifest.inputs)
                ask = "are its dimensions in the order in which forward takes them? If so, " if order else ""
                return f"; it runs with {self.batch}={number} only: {ask}fix it (--fix {self.batch}={number})"
        return ""

    def for_order_and_fixed(self) -> str:
        for changed, inputs in _exchanged(self.manifest):
            for free in self.others:
                for number in self.candidates(free):
                    if self.runs_with(inputs, **{free: number}):
                        works = f"{changed} and {free}={number}"
                        return f"; it runs with {works}: {_IN_ORDER}, and fix {free} (--fix {free}={number})"
        return ""


def _exchanged(manifest: Manifest) -> Iterator[tuple[str, list[Argument]]]:
    """The inputs with the dimensions of one in another order: its name and shape, and all of them."""
    for i, argument in enumerate(manifest.inputs):
        if len(argument.shape) > 3:
            continue
        for shape in dict.fromkeys(itertools.permutations(argument.shape)):
            if shape != argument.shape:
                inputs = [*manifest.inputs[:i], replace(argument, shape=shape), *manifest.inputs[i + 1 :]]
                yield f"{argument.name}{brackets(shape)}", inputs


def _replaced(manifest: Manifest, extent: int, number: int) -> Iterator[tuple[list[str], list[Argument]]]:
    """The inputs with ``number`` in place of ``extent``, in all that have it and in each alone: names of these, and all."""
    having = [argument.name for argument in manifest.inputs if extent in argument.shape]
    for names in [having, *([name] for name in having if len(having) > 1)]:
        yield (
            names,
            [
                replace(a, shape=tuple(number if e == extent else e for e in a.shape)) if a.name in names else a
                for a in manifest.inputs
            ],
        )
