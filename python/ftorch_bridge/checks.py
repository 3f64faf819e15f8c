"""What a model must keep before it is exported: its manifest at several sizes, the same result every time, nothing frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ftorch_bridge.failing import check_number_of_outputs, run_error
from ftorch_bridge.manifest import KINDS, Argument, ExportError, Manifest, brackets, extent_in, parts
from ftorch_bridge.packages import flatten
from ftorch_bridge.sampling import Samples
from ftorch_bridge.sources import operations, whole_numbers

REPEATED = 1e-6
"""Two calls on the same inputs may differ by this of an output's largest value, for sums that threads add up in any order."""
ALONE = 1e-3
"""A column in a batch may differ by this from the same column alone, for matrix products that round otherwise."""


@dataclass(frozen=True)
class Check:
    """Result of comparing an exported file with its source on one batch."""

    batch: int
    largest_difference: dict[str, float]
    """By output: the largest difference in units of the output's largest magnitude."""


def results(module: Callable[..., object], inputs: Sequence[Tensor], manifest: Manifest) -> list[Tensor]:
    """What ``module`` gives: as many tensors as the manifest says, of any kinds and shapes.

    Raises :class:`ftorch_bridge.failing.RunError` where it fails, :class:`ExportError` where it gives anything else.
    """
    try:
        with torch.inference_mode():
            result = module(*(t.clone() for t in inputs))  # it may work in place
    except Exception as error:  # whatever the module raises
        raise run_error(module, manifest, inputs, error) from error
    tensors = []
    for place, leaf in flatten(result):
        if not isinstance(leaf, Tensor):
            where = f" at {place}" if place else ""
            raise ExportError(f"{manifest.name}: the module gives {type(leaf).__name__}{where}, expected tensors only")
        tensors.append(leaf)
    check_number_of_outputs(manifest, len(tensors))
    return tensors


def run(module: Callable[..., object], inputs: Sequence[Tensor], manifest: Manifest, sizes: Mapping[str, int]) -> list[Tensor]:
    """The outputs of ``module``, of the kinds and shapes that the manifest says for these sizes of the free dimensions.

    Raises what :func:`results` raises, and :class:`ExportError` where they are of others.
    """
    tensors = results(module, inputs, manifest)
    bound = dict(sizes)
    for tensor, argument in zip(tensors, manifest.outputs, strict=True):
        _check_output(manifest.name, argument, tensor, bound)
    return tensors


def _check_output(name: str, argument: Argument, tensor: Tensor, bound: dict[str, int]) -> None:
    """Holds one output to the manifest; a dimension that no input has is bound by the first output that has it."""
    hint = ""
    if tensor.dtype == KINDS[argument.kind] and tensor.dim() == len(argument.shape):
        for extent, size in zip(argument.shape, tensor.shape, strict=True):
            if isinstance(extent, str):
                bound.setdefault(parts(extent)[0], size - parts(extent)[1])
        shape = tuple(extent_in(extent, bound) for extent in argument.shape)
        if tuple(tensor.shape) == shape:
            return
        said = ",".join(str(e) if e == n else f"{e}={n}" for e, n in zip(argument.shape, shape, strict=True))
        if tuple(tensor.shape) == shape[::-1]:
            hint = f"; it fits as {argument.name}{brackets(argument.shape[::-1])}"
    else:
        said = ",".join(str(e) for e in argument.shape)
    raise ExportError(
        f"{name}: output {argument.name!r}: expected ({said}) {argument.kind}, the module gives "
        f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}{hint}"
    )


def check_evaluation(module: nn.Module, manifest: Manifest) -> None:
    """Raises :class:`ExportError` where the module, a part of it, or an operation in its file is in training mode."""
    if getattr(module, "training", False):  # a frozen module has lost the attribute
        raise ExportError(f"{manifest.name}: in training mode; call eval() before exporting")
    for name, part in module.named_modules():
        if getattr(part, "training", False):
            kind = getattr(part, "original_name", type(part).__name__)
            raise ExportError(
                f"{manifest.name}: its part {name!r} ({kind}) is in training mode, though the whole is not; "
                "call eval() on the whole before exporting"
            )
    for operation, constants in operations(module):
        if constants.get("train") is True or constants.get("training") is True:
            raise ExportError(
                f"{manifest.name}: {operation.partition('::')[2]} is in training mode in the file, which cannot be undone: "
                "it was traced, frozen or exported before eval(); call eval() on the module and write the file again, "
                "or export its class (package.module:Class)"
            )


def check_repeatable(
    module: nn.Module, manifest: Manifest, inputs: Sequence[Tensor], outputs: Sequence[Tensor], sizes: Mapping[str, int]
) -> None:
    """Raises :class:`ExportError` where a second call on the same inputs gives other ``outputs``."""
    for argument, first, second in zip(manifest.outputs, outputs, run(module, inputs, manifest, sizes), strict=True):
        if (found := relative_difference(first, second)) > REPEATED:
            raise ExportError(
                f"{manifest.name}: output {argument.name!r}: two calls on the same inputs differ by {found:.2g} of the largest "
                "value: the model draws random numbers (dropout that eval() does not reach?) or keeps something from call to "
                "call; a host needs the same result every time, so take that out of forward"
            )


def check_finite(manifest: Manifest, outputs: Sequence[Tensor], samples: Samples) -> None:
    """Raises :class:`ExportError` where an output is not finite."""
    for argument, tensor in zip(manifest.outputs, outputs, strict=True):
        if not tensor.isfinite().all():
            place = f"{manifest.name}: output {argument.name!r} is not finite on the inputs of the check"
            noise = ", ".join(samples.noise())
            hint = "; are they in the model's range, and without missing values?"
            if noise:
                hint = f"; {_instead_of(noise)}"
            raise ExportError(place + hint)


def _instead_of(noise: str) -> str:
    return f"{noise}: noise; give real inputs (--data file.nc, --columns file.nc) or ranges (--sample t=200:320)"


def same_everywhere(samples: Samples, outputs: Sequence[Tensor]) -> str | None:
    """A warning where an output is one number on inputs that are noise: a comparison with that says little."""
    noise = ", ".join(samples.noise())
    for argument, tensor in zip(samples.manifest.outputs, outputs, strict=True):
        if noise and tensor.numel() > 1 and bool((tensor == tensor.flatten()[0]).all()):
            return (
                f"warning: output {argument.name!r} is the same number everywhere on the inputs of the check, which then says "
                f"little; {_instead_of(noise)}"
            )
    return None


def variants(samples: Samples, sizes: Mapping[str, int]) -> Iterator[tuple[str, dict[str, int]]]:
    """Other sizes for each free dimension that is not the batch: its name, and the sizes of all."""
    for name in samples.manifest.free_dimensions():
        if name != samples.manifest.batch_dimension():
            for size in (sizes[name] + 3, max(sizes[name] - 2, 2)):
                if size != sizes[name] and samples.allows(name, size):
                    yield name, {**sizes, name: size}


def check_variant(module: nn.Module, samples: Samples, name: str, sizes: Mapping[str, int], usual: int) -> list[Tensor]:
    """The outputs for other ``sizes``. Raises :class:`ExportError` where the module holds only for the ``usual`` size."""
    try:
        return run(module, samples.inputs(sizes), samples.manifest, sizes)
    except ExportError as error:
        words = str(error).removeprefix(f"{samples.manifest.name}: ")
        raise ExportError(
            f"{samples.manifest.name}: {name!r} is said to be free, but what holds for {name}={usual} does not for "
            f"{name}={sizes[name]}: {words}; fix it (--fix {name}={usual}), give what it may be (--range {name}=least:most), "
            f"or mend the shapes of the manifest{frozen_words(module, name)}"
        ) from error


_UNFROZEN = (
    "export from the class (package.module:Class) or a module saved by torch.save, or make the file with torch.jit.script"
)


def frozen_words(module: nn.Module, name: str) -> str:
    """What TorchScript adds to a failure at another size of the dimension ``name``."""
    if not isinstance(module, torch.jit.ScriptModule):
        return ""
    return f"; if the file is a trace (torch.jit.trace), the trace has frozen {name!r}; {_UNFROZEN}"


def frozen_batch_words(module: nn.Module, samples: Samples) -> str:
    """The same of a batch whose size a trace has frozen, with that size; empty where none is found."""
    name = samples.manifest.batch_dimension()
    if name is None or not isinstance(module, torch.jit.ScriptModule) or (number := _only_batch(module, samples)) is None:
        return ""
    return f"; it runs with {name}={number}: the trace (torch.jit.trace) has frozen {name!r}; {_UNFROZEN}"


def _only_batch(module: torch.jit.ScriptModule, samples: Samples) -> int | None:
    """A batch size that the file runs with, of those among its constants; none where it runs with none of them."""
    for number in sorted(n for n in whole_numbers(module) if 1 <= n <= 4096)[:30]:
        sizes = samples.sizes(number)
        try:
            run(module, samples.inputs(sizes), samples.manifest, sizes)
        except ExportError:
            continue
        return number
    return None


def mixed_columns(
    module: nn.Module, samples: Samples, inputs: Sequence[Tensor], outputs: Sequence[Tensor], sizes: Mapping[str, int]
) -> str | None:
    """A warning where columns alone (or fewer, where one is not allowed) do not give what they give in their batch."""
    manifest, name = samples.manifest, samples.manifest.batch_dimension()
    if name is None or sizes[name] < 2:
        return None
    few = next((n for n in (1, sizes[name] // 2) if samples.allows(name, n)), None)
    if few is None:
        return None

    def taken(tensor: Tensor, argument: Argument, start: int) -> Tensor:
        for i, extent in enumerate(argument.shape):
            if extent == name:
                tensor = tensor.narrow(i, start, few)
        return tensor.clone(memory_format=torch.preserve_format)

    if any(
        isinstance(e, str) and e != name and parts(e)[0] == name for a in (*manifest.inputs, *manifest.outputs) for e in a.shape
    ):
        return None  # column+1 of something: there are no columns to take
    for start in {0, sizes[name] - few}:
        alone = [taken(t, a, start) for t, a in zip(inputs, manifest.inputs, strict=True)]
        found = run(module, alone, manifest, {**sizes, name: few})
        for argument, whole, part in zip(manifest.outputs, outputs, found, strict=True):
            if name not in argument.shape:
                continue
            largest = float(_wide(whole).abs().max()) if whole.numel() else 0.0
            difference = relative_difference(taken(whole, argument, start), part, largest)
            if difference > ALONE:
                return (
                    f"warning: output {argument.name!r} of one {name} depends on the others in its call, by {difference:.1g} "
                    f"of its largest value: blocks of {name}s, and ranks, will change the results. Is that meant? If not, "
                    f"look for means over the batch, dimensions in another order than forward takes them, or an extent that "
                    f"a trace has frozen"
                )
    return None


def _wide(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_complex() else tensor.double()


def relative_difference(expected: Tensor, found: Tensor, largest: float | None = None) -> float:
    """Largest difference in units of the largest finite magnitude; infinite where one is finite and the other is not."""
    if expected.numel() == 0:
        return 0.0
    expected, found = _wide(expected), _wide(found)
    finite = expected.isfinite()
    if not torch.equal(finite, found.isfinite()):
        return float("inf")
    if not finite.any():
        return 0.0
    expected, found = expected[finite], found[finite]
    return float((expected - found).abs().max()) / max(float(expected.abs().max()) if largest is None else largest, 1e-30)
