"""Export of a PyTorch module to the file that ``radml_torch`` loads, TorchScript or a package, with its manifest inside.

The manifest is the file ``radml.json`` in the archive: names, kinds, shapes and units of all inputs and outputs. The coupling
library checks every call against it.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import xarray as xr
from torch import Tensor, fx, nn

from ftorch_bridge.adapting import COMPUTE, TOLERANCE_OF_GPU, TOLERANCES, Scaling, adapt, converted
from ftorch_bridge.checks import (
    Check,
    check_evaluation,
    check_finite,
    check_repeatable,
    check_variant,
    frozen_batch_words,
    frozen_words,
    mixed_columns,
    relative_difference,
    results,
    run,
    same_everywhere,
    variants,
)
from ftorch_bridge.counting import counted_operations, note_of
from ftorch_bridge.failing import RunError, fix_words, own_kind, shape_words
from ftorch_bridge.files import whole_file
from ftorch_bridge.manifest import MANIFEST_FILE, Argument, ExportError, Manifest, read_manifest
from ftorch_bridge.packages import (
    DEVICES,
    Compiled,
    PackageError,
    Range,
    add_manifest,
    check_device,
    compile_package,
    load_package,
)
from ftorch_bridge.sampling import Samples, example_inputs
from ftorch_bridge.sources import (
    check_number_of_inputs,
    check_program,
    decides_by_values,
    describe,
    load_source,
    program_of,
    scriptable,
)
from ftorch_bridge.wording import one_line

__all__ = [
    "BATCHES",
    "Argument",
    "Check",
    "ExportError",
    "Manifest",
    "describe",
    "example_inputs",
    "export",
    "load_source",
    "read_manifest",
]

BATCHES = (64, 1, 17)
"""Batch sizes of the checks."""

# PyTorch advises against TorchScript at each use; whoever exports to it on purpose cannot act on that.
warnings.filterwarnings("ignore", "`torch.jit")  # of one category or another, by release


def _quiet(_: str) -> None:
    pass


def export(
    module: nn.Module,
    manifest: Manifest,
    path: Path,
    *,
    columns: xr.Dataset | None,
    tolerance: float | None = None,
    limits: Mapping[str, Range] | None = None,
    march: str = "portable",
    layout: str = "fortran",
    device: str = "cpu",
    trainable: bool = False,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    batches: Sequence[int] | None = None,
    compute: str | None = None,
    scaling: Scaling | None = None,
    tell: Callable[[str], None] = _quiet,
) -> list[Check]:
    """Write ``module`` with ``manifest`` inside, after the file has given the module's own results.

    To a ``path`` that ends in ``.pt2`` goes a package of machine code for the instructions of ``march``, inputs in the order
    ``layout`` and the ``device``: ``"cpu"``, or ``"cuda"`` for the GPU that PyTorch finds. To any other goes TorchScript, which
    runs on any device and keeps its parameters if it is to be ``trainable``. ``limits`` are the extents of free dimensions that
    the file is to take. ``scaling`` is folded in, and the parameters are converted to the kind ``compute`` where one is given.

    The file is loaded back and compared with the module on ``columns`` (any dataset with variables named like inputs; else
    uniform numbers in ``ranges``, else noise) at several batch sizes, and at other extents of the other free dimensions;
    outputs may differ by ``tolerance`` of their largest magnitude (by default :data:`TOLERANCES`, of packages for a GPU
    :data:`TOLERANCE_OF_GPU` if that is more). Only then is it renamed to ``path``. ``tell`` gets warnings. Raises
    :class:`ExportError`.
    """
    limits, scaling = dict(limits or {}), scaling or Scaling()
    for name in limits:
        manifest.fixed({name: 1})  # refuses what is no free dimension
    _check_format(module, manifest, path, layout, device, trainable)
    check_number_of_inputs(module, manifest)
    check_evaluation(module, manifest)
    scaling.check(manifest)
    changed = module if compute is None else converted(module, compute)
    if tolerance is None:
        tolerance = TOLERANCES[compute or ""]
        if device == "cuda" and path.suffix == ".pt2":
            tolerance = max(tolerance, TOLERANCE_OF_GPU)
    program = program_of(module)
    if program is not None:
        limits = _within(limits, check_program(program, manifest), manifest)
    if scaling:
        manifest = replace(manifest, metadata=manifest.metadata | {"scaling": scaling.text()})
    if compute is not None:
        manifest = replace(manifest, metadata=manifest.metadata | {"compute": compute})
    # What is scaled is of about the numbers that it was trained on: others may switch it off.
    normal = {name: (affine.mean, affine.std) for name, affine in scaling.inputs.items()}
    samples = Samples(manifest, columns, ranges or {}, limits, layout, normal=normal)

    # First what the module itself gives: where that is not right nothing need be compiled.
    sizes = _sizes(samples, batches)
    inputs = [samples.inputs(s) for s in sizes]
    own = None if compute is None else own_kind(module) or COMPUTE[compute]

    def made(manifest: Manifest, inputs: Sequence[Tensor]) -> nn.Module:
        return adapt(module, manifest, inputs, scaling=scaling, compute=own)

    try:
        reference = made(manifest, inputs[0])
        first = run(reference, inputs[0], manifest, sizes[0])
    except ExportError as error:
        raise ExportError(f"{error}{_next_step(error, module, made, samples)}") from error
    expected = _expected(reference, module, samples, sizes, inputs, first)
    others = []
    for name, other in variants(samples, sizes[0]):
        others.append((other, check_variant(reference, samples, name, other, sizes[0][name])))
    mixed = mixed_columns(reference, samples, inputs[0], expected[0], sizes[0])
    for warning in filter(None, (same_everywhere(samples, expected[0]), mixed)):
        tell(warning)

    if path.suffix == ".pt2" or getattr(module, "use_operators", False):
        # Neither machine code nor radml's own operators can be asked how much they do.
        counted = adapt(_without_operators(module), manifest, inputs[0], scaling=scaling, compute=own)
        work = counted_operations(lambda: run(counted, inputs[0], manifest, sizes[0]))
        manifest = replace(manifest, metadata=manifest.metadata | note_of(work, sizes[0]))
        samples = replace(samples, manifest=manifest)

    def finished(inner: nn.Module) -> nn.Module:
        return adapt(inner, manifest, inputs[0], scaling=scaling, compute=None if compute is None else COMPUTE[compute])

    with whole_file(path) as temporary:
        if path.suffix == ".pt2":
            compiled = _package(finished(_without_operators(changed)), samples, temporary, march, device)
            limits = dict(compiled.ranges)
            loaded = load_package(temporary, device)
        else:
            inner = _script_of_program(changed, manifest, inputs[0]) if program is not None else changed
            script = _script(finished(inner), manifest, trainable)
            script.save(str(temporary), _extra_files={MANIFEST_FILE: manifest.to_json(ranges=limits)})
            loaded = torch.jit.load(temporary)
        return _check_file(
            loaded, replace(samples, limits=limits), list(zip(sizes, inputs, expected, strict=True)), others, tolerance
        )


def _check_format(module: nn.Module, manifest: Manifest, path: Path, layout: str, device: str, trainable: bool) -> None:
    """Raises :class:`ExportError` where no file of this format can be made, before anything is run."""
    if path.suffix not in (".pt", ".pt2"):
        raise ExportError(f"{path}: expected a name that ends in .pt (TorchScript) or .pt2 (a package)")
    if trainable and path.suffix == ".pt2":
        raise ExportError(f"{path}: a package cannot be trained; export TorchScript (.pt)")
    if layout not in ("fortran", "c"):
        raise ExportError(f"--layout {layout}: expected fortran or c")
    if path.suffix == ".pt2" and isinstance(module, torch.jit.ScriptModule):
        raise ExportError(
            f"{manifest.name}: a package is compiled from a PyTorch module, not from TorchScript; give its class and weights"
        )
    if device not in DEVICES:
        raise ExportError(f"--device {device}: expected {' or '.join(DEVICES)}")
    if path.suffix == ".pt2":
        try:
            check_device(device)
        except PackageError as error:
            raise ExportError(f"{path}: {error}") from error


def _within(limits: Mapping[str, Range], program: Mapping[str, Range], manifest: Manifest) -> dict[str, Range]:
    """Both the user's limits and those of the program."""
    both = dict(program)
    for name, (least, most) in limits.items():
        lower, upper = program.get(name, (0, None))
        if least < lower or (upper is not None and (most is None or most > upper)):
            taken = f"{lower}:{'' if upper is None else upper}"
            raise ExportError(f"{manifest.name}: --range {name}: beyond what the program takes, {name}={taken}")
        both[name] = (least, most)
    return both


def _sizes(samples: Samples, batches: Sequence[int] | None) -> list[dict[str, int]]:
    """The sizes of the checks: different ones, and within the limits."""
    name = samples.manifest.batch_dimension()
    if name is None:
        return [{}]
    for batch in batches or ():
        if not samples.allows(name, batch):
            raise ExportError(f"{samples.manifest.name}: --batch-sizes {batch}: beyond the range of {name!r}")
    least, most = samples.limits.get(name, (0, None))
    wanted = batches or [max(least, batch if most is None else min(batch, most)) for batch in BATCHES]
    sizes: list[dict[str, int]] = []
    for batch in wanted:
        if (s := samples.sizes(batch)) not in sizes:
            sizes.append(s)
    return sizes


def _next_step(
    error: ExportError, module: nn.Module, made: Callable[[Manifest, Sequence[Tensor]], nn.Module], samples: Samples
) -> str:
    """What to do where what is ``made`` of the module fails at the first sizes; empty where the ``error`` says it."""
    if isinstance(error, RunError) and error.advised:
        return ""
    if words := frozen_batch_words(module, samples):
        return words
    name, fails = samples.manifest.batch_dimension(), isinstance(error, RunError)

    def runs(other: Samples, sizes: Mapping[str, int]) -> bool:
        try:
            inputs = other.inputs(sizes)
            tried = made(other.manifest, inputs)
            if fails:  # the extents of outputs are the next thing to mend
                outputs = zip(results(tried, inputs, other.manifest), other.manifest.outputs, strict=True)
                return all(tensor.dim() == len(argument.shape) for tensor, argument in outputs)
            run(tried, inputs, other.manifest, sizes)
        except Exception:  # whatever the module raises, and a scaling that has other extents
            return False
        return True

    words = (shape_words if fails else fix_words)(module, samples, runs)
    words = words or ("" if name is None else frozen_words(module, name))
    return words or ("; if these are not the shapes that forward takes, mend --input" if fails else "")


def _expected(
    reference: nn.Module,
    source: nn.Module,
    samples: Samples,
    sizes: Sequence[dict[str, int]],
    inputs: Sequence[list[Tensor]],
    first: list[Tensor],
) -> list[list[Tensor]]:
    """What the source gives for each of the ``sizes``, for the first of them ``first``, the same every time and finite."""
    manifest, name = samples.manifest, samples.manifest.batch_dimension()
    expected = [first]
    check_finite(manifest, first, samples)
    for s, given in zip(sizes[1:], inputs[1:], strict=True):
        try:
            expected.append(run(reference, given, manifest, s))
        except ExportError as error:
            but = f"; though it runs with {name}={sizes[0][name]}: it does not hold for every {name}"
            frozen = frozen_batch_words(source, samples) or frozen_words(source, str(name))
            raise ExportError(f"{error}{but}{frozen}") from error
        check_finite(manifest, expected[-1], samples)
    check_repeatable(reference, manifest, inputs[0], first, sizes[0])
    return expected


def _check_file(
    loaded: Callable[..., object],
    samples: Samples,
    batches: Sequence[tuple[dict[str, int], list[Tensor], list[Tensor]]],
    others: Sequence[tuple[dict[str, int], list[Tensor]]],
    tolerance: float,
) -> list[Check]:
    """Compare the exported file with what its source gave: ``batches`` are sizes, inputs, outputs, ``others`` lack inputs."""

    def taken(sizes: Mapping[str, int]) -> bool:
        return all(samples.allows(name, size) for name, size in sizes.items())

    checks = [_compared(loaded, samples, s, i, o, tolerance, finite=True) for s, i, o in batches if taken(s)]
    for sizes, outputs in others:
        if taken(sizes):
            _compared(loaded, samples, sizes, samples.inputs(sizes), outputs, tolerance, finite=False)
    if not checks:
        raise ExportError(f"{samples.manifest.name}: the file takes no size of the checks; give others with --batch-sizes")
    return checks


def _compared(
    loaded: Callable[..., object],
    samples: Samples,
    sizes: Mapping[str, int],
    inputs: Sequence[Tensor],
    expected: Sequence[Tensor],
    tolerance: float,
    *,
    finite: bool,
) -> Check:
    """The exported file against what its source gave; raises where they differ by more than ``tolerance``."""
    manifest = samples.manifest
    found = run(loaded, inputs, manifest, sizes)
    if finite:
        check_finite(manifest, found, samples)
    differences = {}
    for argument, a, b in zip(manifest.outputs, expected, found, strict=True):
        differences[argument.name] = relative_difference(a, b)
        if differences[argument.name] > tolerance:
            at = ", ".join(f"{name}={size}" for name, size in sizes.items())
            raise ExportError(
                f"{manifest.name}: output {argument.name!r}: the exported file differs from its source by "
                f"{differences[argument.name]:.2g} of the largest value{at and f' at {at}'}, expected at most {tolerance:.2g}; "
                f"if that is rounding, allow it with --tolerance"
            )
    return Check(sizes.get(manifest.batch_dimension() or "", 1), differences)


def _package(module: nn.Module, samples: Samples, path: Path, march: str, device: str) -> Compiled:
    manifest = samples.manifest
    try:
        inputs = replace(samples, data=None).inputs(replace(samples, data=None).sizes(64))
        shapes = [argument.shape for argument in manifest.inputs]
        compiled = compile_package(
            module, inputs, shapes, path, limits=samples.limits, march=march, layout=samples.layout, device=device
        )
    except PackageError as error:
        raise ExportError(f"{manifest.name}: {error}") from error
    add_manifest(path, manifest.to_json(compiled))
    return compiled


def _without_operators(module: nn.Module) -> nn.Module:
    """The module by PyTorch's own operations, where it has the choice: a package holds machine code for those alone."""
    if not getattr(module, "use_operators", False):
        return module
    plain = copy.deepcopy(module)
    plain.use_operators = False
    return plain


def _script_of_program(module: fx.GraphModule, manifest: Manifest, inputs: Sequence[Tensor]) -> torch.jit.ScriptModule:
    """The module of a program as TorchScript; where it has what cannot be scripted a trace, which the checks will try."""
    try:
        return torch.jit.script(scriptable(module))
    except Exception as error:  # the compiler raises what it likes
        words = one_line(error)
        if not decides_by_values(module):
            try:
                return torch.jit.trace(module, tuple(inputs), check_trace=False)
            except Exception as failure:
                words = one_line(failure)
        raise ExportError(
            f"{manifest.name}: the program cannot become TorchScript: {words}; export it as a package (.pt2), or give "
            "package.module:Class or a module saved by torch.save"
        ) from error


def _script(module: nn.Module, manifest: Manifest, trainable: bool) -> torch.jit.ScriptModule:
    try:
        script = module if isinstance(module, torch.jit.ScriptModule) else torch.jit.script(module)
    except Exception as error:  # the compiler raises what it likes
        raise ExportError(
            f"{manifest.name}: TorchScript cannot compile it: {one_line(error, 600)}; a package (.pt2) may be had of it: "
            "torch.export knows more of Python"
        ) from error
    if trainable:
        if not any(parameter.requires_grad for parameter in script.parameters()):
            raise ExportError(f"{manifest.name}: it has no parameters to train")
        return script
    # Freezing drops detach(), and with it what derivatives by the inputs are.
    freeze = hasattr(script, "training") and "aten::detach" not in str(script.inlined_graph)
    return torch.jit.freeze(script) if freeze else script
