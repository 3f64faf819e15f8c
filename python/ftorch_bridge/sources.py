"""What ``ftorch-export`` starts from: a class and weights, a saved module, a TorchScript file, a ``torch.export`` program."""

from __future__ import annotations

import copy
import hashlib
import inspect
import math
import operator
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from ftorch_bridge.files import damage_of
from ftorch_bridge.manifest import Argument, ExportError, Manifest, parts
from ftorch_bridge.packages import Range, program_ranges
from ftorch_bridge.weights import import_class, look_in_current_folder, read_weights
from ftorch_bridge.wording import count, one_line, plain

_PROGRAM = "exported_program"
_PROGRAM_FILE, _PACKAGE_FILE, _SCRIPT_FILE = "a torch.export program", "a compiled package", "TorchScript"
# Of these an exported program asks nothing that the manifest's shapes and ranges do not say already.
_ASSERTIONS = ("aten::_assert_scalar", "aten::_assert_tensor_metadata", "aten::sym_constrain_range_for_size")

_LARGEST, _MOST_NUMBERS = 4096, 40  # of the numbers that are tried as extents


def load_source(source: str, weights: Path | None) -> tuple[nn.Module, dict[str, str]]:
    """The module that ``source`` names, in evaluation mode and on the CPU, and notes to keep beside it.

    ``source`` is ``package.module:Class`` (with ``weights``: a safetensors file, or a state dictionary saved by
    ``torch.save``) or a file: a module saved whole by ``torch.save``, TorchScript, or a program saved by
    ``torch.export.save``. Raises :class:`ExportError`.
    """
    notes: dict[str, str] = {"source": source}
    if ":" in source and not Path(source).exists():
        return _of_class(source, weights, notes).eval(), notes
    path = Path(source)
    if not path.is_file():
        raise ExportError(f"{source}: no such file, and not of the form package.module:Class")
    if weights is not None:
        raise ExportError(f"{source}: weights go with package.module:Class, not with a file")
    notes["source_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return _of_file(path).eval(), notes


def _of_class(source: str, weights: Path | None, notes: dict[str, str]) -> nn.Module:
    try:
        found = import_class(source)
    except Exception as error:  # importing runs what the file holds and may raise anything
        raise ExportError(f"{source}: cannot be imported: {_import_words(source, error)}") from error
    if weights is None:
        return _made(source, found)
    if not weights.is_file():
        raise ExportError(f"{weights}: no such file")
    notes["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    if weights.suffix == ".safetensors":
        state, config, stored = read_weights(weights)
        notes.update(stored)
        if config is None or not hasattr(found, "from_config"):
            module = _made(source, found)
        else:
            module = _configured(source, found, config, weights)
    else:
        state = _state_dictionary(weights)
        module = _made(source, found)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise ExportError(f"{weights}: not the weights of {source}: {one_line(error, 1000)}") from error
    return module


def _import_words(source: str, error: Exception) -> str:
    """Why a class cannot be imported, and what to do."""
    module_name, _, class_name = source.partition(":")
    if module_name.endswith(".py"):
        file = Path(module_name)
        if file.is_absolute() or ".." in file.parts:
            return f"expected package.module:Class: go to {file.parent} and give {file.stem}:{class_name}"
        return f"without .py: {'.'.join(file.with_suffix('').parts)}:{class_name}"
    if isinstance(error, ModuleNotFoundError) and error.name and f"{module_name}.".startswith(f"{error.name}."):
        return (
            f"no module {error.name} in the current folder, {Path.cwd()}, or on Python's path (PYTHONPATH, what is installed)"
        )
    return one_line(error)


def _configured(source: str, found: Any, config: Mapping[str, Any], weights: Path) -> nn.Module:
    try:
        return found.from_config(config)
    except Exception as error:  # the class's own affair
        raise ExportError(
            f"{weights}: its configuration, {config}, is not one of {source}: {type(error).__name__}: {one_line(error)}"
        ) from error


def _made(source: str, found: Any) -> nn.Module:
    try:
        module = found()
    except Exception as error:  # the class's own affair
        raise ExportError(
            f"{source}: cannot be made without arguments: {type(error).__name__}: {one_line(error)}; "
            "give defaults to its __init__, or make it yourself and save it whole, torch.save(module, 'module.pt'), "
            "for ftorch-export module.pt"
        ) from error
    if not isinstance(module, nn.Module):
        raise ExportError(f"{source}: expected a class of torch.nn.Module, got one of {type(module).__name__}")
    return module


def _state_dictionary(weights: Path) -> Mapping[str, Tensor]:
    records = _records(weights)
    if kind := _kind_of_archive(records):
        raise ExportError(f"{weights}: holds {kind}, not weights: {_as_source(weights)}")
    try:
        state = torch.load(weights, weights_only=True, map_location="cpu")
    except Exception as error:  # unpickling raises what it likes
        raise ExportError(f"{weights}: {_no_weights_words(weights, records, error)}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        held = f"with {', '.join(map(str, list(state)[:5]))}" if isinstance(state, Mapping) else f"but {type(state).__name__}"
        raise ExportError(
            f"{weights}: expected a state dictionary, got one {held}; save model.state_dict() alone by torch.save"
        )
    return state


def _as_source(path: Path) -> str:
    return f"give it as the source: ftorch-export {path} ..."


def _no_weights_words(weights: Path, records: Sequence[str], error: Exception) -> str:
    """Why a file that PyTorch does not load as weights is none, and what to do."""
    save = "save model.state_dict() alone by torch.save"
    saved = _saved_class(weights, records)
    if saved and saved != "collections:OrderedDict":
        look_in_current_folder()
        try:
            whole = issubclass(import_class(saved), nn.Module)
        except Exception:  # of its own file, or not to be found
            whole = False
        name = saved.replace(":", ".")
        return f"holds a whole module, not weights: {_as_source(weights)}" if whole else f"holds {name}, not weights: {save}"
    if found := re.search(r"GLOBAL (\S+)", plain(error)):
        return f"expected a state dictionary, found {found[1]} in it: {save}"
    found = re.search(r"WeightsUnpickler error: ([^\n]* [^\n]*)", plain(error))
    return f"not a state dictionary{': ' + one_line(found[1]) if found else ''}; {save}"


def _saved_class(path: Path, records: Sequence[str]) -> str:
    """``module:Class`` of the object that torch.save wrote, read without making it; empty where it is of no class."""
    record = next((record for record in records if record.endswith("/data.pkl")), None)
    if record is None:
        return ""
    with zipfile.ZipFile(path) as archive:
        for code, value, _ in pickletools.genops(archive.read(record)):
            if code.name not in ("PROTO", "FRAME"):
                return str(value).replace(" ", ":") if code.name == "GLOBAL" else ""
    return ""


def _kind_of_archive(records: Sequence[str]) -> str:
    """What an archive with these records holds; empty for what torch.save writes."""
    if any(r.endswith("serialized_exported_program.json") or ("/models/" in r and r.endswith(".json")) for r in records):
        return _PROGRAM_FILE
    if any("/data/aotinductor/" in record for record in records):
        return _PACKAGE_FILE
    return _SCRIPT_FILE if any("/code/" in record for record in records) else ""


def _of_file(path: Path) -> nn.Module:
    kind = _kind_of_archive(_records(path))
    if kind == _PACKAGE_FILE:
        raise ExportError(
            f"{path}: a package that is compiled already: machine code cannot be turned back; give what it was compiled from: "
            "package.module:Class with --weights, the module saved by torch.save, or the program saved by torch.export.save"
        )
    if kind == _PROGRAM_FILE:
        try:
            return module_of_program(torch.export.load(path))
        except ExportError:
            raise
        except Exception as error:  # whatever reading it raises
            raise ExportError(
                f"{path}: a torch.export program that PyTorch {torch.__version__} cannot read: {one_line(error)}"
            ) from error
    if kind == _SCRIPT_FILE:
        try:
            return torch.jit.load(path, map_location="cpu")
        except RuntimeError as error:
            words = f"TorchScript that PyTorch {torch.__version__} cannot read: {one_line(error)}"
            raise ExportError(f"{path}: {words}") from error
    look_in_current_folder()
    try:
        module = torch.load(path, weights_only=False, map_location="cpu")
    except Exception as error:  # unpickling runs what the file holds and may raise anything
        words, hint = one_line(error), ""
        if isinstance(error, AttributeError | ImportError):
            hint = "; its class must be importable: give package.module:Class with --weights, or run where that file lies"
        raise ExportError(f"{path}: neither TorchScript nor a module saved by torch.save: {words}{hint}") from error
    if not isinstance(module, nn.Module):
        raise ExportError(f"{path}: expected a module, got {type(module).__name__}; give package.module:Class with --weights")
    return module


def _records(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except zipfile.BadZipFile as error:
        if damage := damage_of(path):
            raise ExportError(f"{path}: {damage}") from error
        return []  # a module saved by a very old PyTorch, or nothing of ours


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
            option = {"inputs": "--input", "outputs": "--output-argument"}[attribute]
            raise ExportError(f"{name}: unknown {attribute}: give each as {option} name:kind[extent,...]:units")
        return tuple(Argument.of_column_file(argument, kind) for argument in own)

    manifest = Manifest(name, arguments(inputs, "inputs"), arguments(outputs, "outputs"), dict(metadata))
    _check_order(module, manifest)
    return manifest


def check_number_of_inputs(module: nn.Module, manifest: Manifest) -> None:
    """Raises :class:`ExportError` for fewer inputs than ``forward`` needs and more than it takes."""
    taken, least, most = _arguments_of(module)
    given = [argument.name for argument in manifest.inputs]
    if least <= len(given) <= most:
        return
    if other := argument_that_is_no_tensor(module):
        raise ExportError(f"{manifest.name}: {no_tensor_words(other)}")
    mend = "leave out what it does not take"
    if len(given) < least:
        named = set(given) <= set(taken)
        missing = [name for name in taken[:least] if name not in given] if named else taken[len(given) : least]
        mend = f"give {' and '.join(missing)} too, as --input {missing[0]}:kind[extent,...]:units, in that order"
    raise ExportError(f"{manifest.name}: forward takes {', '.join(taken) or 'nothing'}; got --input {', '.join(given)}: {mend}")


def _check_order(module: nn.Module, manifest: Manifest) -> None:
    """Refuse inputs that bear the name of another of ``forward``'s arguments: a host would hand them over exchanged."""
    taken, least, most = _arguments_of(module)
    given = [argument.name for argument in manifest.inputs]
    if not least <= len(given) <= most:
        return  # nothing is exported of that
    for i, name in enumerate(given):
        if name in taken and taken.index(name) != i:
            raise ExportError(
                f"{manifest.name}: inputs {', '.join(given)}: expected them in the order in which forward takes them, "
                f"{', '.join(taken)}; {name!r} is its argument {taken.index(name) + 1}"
            )


def _arguments_of(module: nn.Module) -> tuple[list[str], int, float]:
    """Names of the arguments that ``forward`` takes by position, and how many it takes at least and at most."""
    if isinstance(module, torch.jit.ScriptModule):
        arguments = module.forward.schema.arguments[1:]
        return [a.name for a in arguments], sum(not a.has_default_value() for a in arguments), len(arguments)
    if isinstance(module, fx.GraphModule):
        nodes = [node for node in module.graph.nodes if node.op == "placeholder"]
        return [str(node.target) for node in nodes], sum(not node.args for node in nodes), len(nodes)
    parameters = inspect.signature(module.forward).parameters.values()
    by_position = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    most = math.inf if any(p.kind == p.VAR_POSITIONAL for p in parameters) else len(by_position)
    return [p.name for p in by_position], sum(p.default is p.empty for p in by_position), most


def argument_that_is_no_tensor(module: nn.Module) -> str:
    """The first argument of ``forward`` whose annotation is a collection, as in ``batch: dict``."""
    if isinstance(module, torch.jit.ScriptModule):
        return ""
    for parameter in inspect.signature(module.forward).parameters.values():
        said = parameter.annotation if isinstance(parameter.annotation, str) else inspect.formatannotation(parameter.annotation)
        if re.match(r"(typing\.|collections\.abc\.)?(dict|list|tuple|mapping|sequence)\b", said, re.IGNORECASE):
            return f"{parameter.name}: {said}"
    return ""


def no_tensor_words(taken: str) -> str:
    """What to do where ``forward`` takes something else than tensors."""
    return (
        f"forward takes {taken}, expected one tensor for each input: export a module whose forward takes tensors and calls "
        "this one"
    )


def kinds_are_fixed(module: nn.Module) -> bool:
    """Whether the kinds that the module computes in are written into it: in TorchScript and programs."""
    return isinstance(module, torch.jit.ScriptModule) or program_of(module) is not None


def module_of_program(program: torch.export.ExportedProgram) -> fx.GraphModule:
    """A module of the program, which takes its inputs flat and in any order of memory, and gives its outputs flat."""
    written = set(program.run_decompositions({}).graph_signature.user_inputs_to_mutate.values())
    try:
        made = program.module(check_guards=False)
    except TypeError:  # PyTorch before 2.9
        made = program.module()
    module = fx.GraphModule(made, copy.deepcopy(made.graph))
    module.graph.set_codegen(fx.CodeGen())
    for node in list(module.graph.nodes):
        if node.op == "call_module" and node.target == "_guards_fn":
            module.graph.erase_node(node)
        elif node.op == "placeholder" and node.name not in written:
            # A program keeps the views that suited the inputs it was exported with, which lay in C's order.
            with module.graph.inserting_after(node):
                ordered = node.graph.call_method("contiguous", (node,))
            node.replace_all_uses_with(ordered, delete_user_cb=lambda user, ordered=ordered: user is not ordered)
        elif node.op == "output":
            node.args = (tuple(pytree.tree_leaves(node.args[0])),)
    module.recompile()
    module.meta[_PROGRAM] = program
    return module


def program_of(module: nn.Module) -> torch.export.ExportedProgram | None:
    """The program that :func:`module_of_program` made ``module`` of."""
    return module.meta.get(_PROGRAM) if isinstance(module, fx.GraphModule) else None


def scriptable(module: fx.GraphModule) -> fx.GraphModule:
    """The module of a program in words that TorchScript knows: with sizes that stay free, unlike those of a trace."""
    plain = fx.GraphModule(module, copy.deepcopy(module.graph))
    for node in list(plain.graph.nodes):
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        if node.target._schema.name in _ASSERTIONS:
            plain.graph.erase_node(node)
        elif node.target is torch.ops.aten.sym_size.int:
            node.op, node.target = "call_method", "size"
        else:
            node.target = node.target.overloadpacket
    plain.graph.eliminate_dead_code()
    plain.recompile()
    return plain.eval()


def decides_by_values(module: fx.GraphModule) -> bool:
    """Whether the program has branches or loops, or takes numbers out of tensors: a trace would freeze these unseen."""
    for node in module.graph.nodes:
        if node.op == "call_function" and not callable(getattr(operator, getattr(node.target, "__name__", ""), None)):
            if not isinstance(node.target, torch._ops.OpOverload):
                return True
            if node.target._schema.name in ("aten::_local_scalar_dense", "aten::item"):
                return True
    return False


def check_program(program: torch.export.ExportedProgram, manifest: Manifest) -> dict[str, Range]:
    """Compare the program's own shapes with the manifest's; gives the ranges of the free dimensions.

    Raises :class:`ExportError` where the manifest leaves free what the program does not.
    """
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    taken = [values[name] if isinstance(name, str) else name for name in program.graph_signature.user_inputs]
    if len(taken) != len(manifest.inputs):
        raise ExportError(
            f"{manifest.name}: the program takes {count(len(taken), 'input')}, the manifest names {len(manifest.inputs)}"
        )
    symbols: dict[str, tuple[str, int]] = {}
    for argument, value in zip(manifest.inputs, taken, strict=True):
        place = f"{manifest.name}: input {argument.name!r}"
        if not isinstance(value, Tensor):
            raise ExportError(f"{place}: the program takes {type(value).__name__} there, expected a tensor")
        if len(argument.shape) != value.dim():
            raise ExportError(
                f"{place}: the program takes {count(value.dim(), 'dimension')}, the manifest says {len(argument.shape)}"
            )
        for i, (extent, size) in enumerate(zip(argument.shape, value.shape, strict=True), 1):
            if isinstance(size, int):
                if isinstance(extent, str):
                    name, more = parts(extent)
                    raise ExportError(
                        f"{place}: dimension {i} ({extent}) is fixed in the program at {size}, the manifest leaves it free: "
                        f"fix it (--fix {name}={size - more}), or export the program with dynamic_shapes"
                    )
                if extent != size:
                    raise ExportError(f"{place}: dimension {i} is {size} in the program, the manifest says {extent}")
            elif isinstance(extent, str):
                _check_symbol(symbols, place, size, extent)
    return program_ranges(program, [argument.shape for argument in manifest.inputs])


def _check_symbol(symbols: dict[str, tuple[str, int]], place: str, size: torch.SymInt, extent: str) -> None:
    """One symbol of the program must be one free dimension of the manifest, at one offset."""
    expression = size.node.expr
    offset = expression.as_coeff_Add()[0]
    symbol = str(expression - offset)
    name, more = parts(extent)
    here = (name, more - int(offset))
    before = symbols.setdefault(symbol, here)
    if before != here:
        said = before[0] + (f"+{before[1] + int(offset)}" if before[1] + int(offset) else "")
        raise ExportError(
            f"{place}: the program takes one extent where the manifest has both {said} and {extent}; "
            "name them alike, or export the program with a torch.export.Dim for each"
        )


def operations(module: nn.Module) -> Iterator[tuple[str, dict[str, object]]]:
    """The operations of TorchScript or of a program, each with those arguments that are constants; none of other modules."""
    if isinstance(module, torch.jit.ScriptModule):
        for node in _nodes(module.inlined_graph):
            if node.schema() != "(no schema)":
                arguments = torch._C.parse_schema(node.schema()).arguments
                yield node.kind(), {a.name: v.toIValue() for a, v in zip(arguments, node.inputs(), strict=False)}
    elif isinstance(module, fx.GraphModule):
        for node in module.graph.nodes:
            if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
                arguments = node.target._schema.arguments
                given = {a.name: v for a, v in zip(arguments, node.args, strict=False)} | node.kwargs
                yield node.target._schema.name, given


def _nodes(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def whole_numbers(script: torch.jit.ScriptModule) -> set[int]:
    """The whole numbers that are written into the operations of TorchScript: a trace has its frozen extents among them."""
    found: set[int] = set()
    for node in _nodes(script.inlined_graph):
        if node.kind() == "prim::Constant":
            value = node.output().toIValue()
            for number in value if isinstance(value, list | tuple) else [value]:
                if isinstance(number, int) and not isinstance(number, bool):
                    found.add(number)
    return found


def numbers_of(module: nn.Module) -> list[int]:
    """Whole numbers that an extent of an input may have to be, first those of the module's first parts.

    They are the extents of its parameters and buffers, its attributes, and the constants in the code of ``forward``.
    """
    found: list[object] = []
    for part in module.modules():
        found += [tensor.shape for tensor in (*part.parameters(recurse=False), *part.buffers(recurse=False))]
        if not isinstance(part, torch.jit.ScriptModule):
            found += vars(part).values()
            found += getattr(getattr(part.forward, "__code__", None), "co_consts", ())
    for _, constants in operations(module):
        found += [value.shape if isinstance(value, Tensor) else value for value in constants.values()]
    numbers = (n for value in found for n in (value if isinstance(value, list | tuple) else [value]))
    whole = dict.fromkeys(n for n in numbers if isinstance(n, int) and not isinstance(n, bool) and 1 < n <= _LARGEST)
    return list(whole)[:_MOST_NUMBERS]
