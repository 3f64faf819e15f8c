"""The library from Python: the same calls on NumPy arrays that hosts make from Fortran, and the same bits."""

from __future__ import annotations

import ast
import gc
import importlib.util
import json
import os
import pickle
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ftorch_bridge
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

if importlib.util.find_spec("ftorch_bridge._radml") is None:
    pytest.skip("the Python module is not built: RADML_BUILD_DIR, or pybind11 and Python's headers", allow_module_level=True)

from ftorch_bridge.coupling import Model, Plan, RadmlError, Status, get_num_threads, set_num_threads, versions

ROOT = Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("RADML_BUILD_DIR", "build")).resolve()
PACKAGE = ROOT / "python" / "ftorch_bridge"
KINDS = ["f4", "f8", "i1", "i2", "i4", "i8", "c8", "c16"]
LONG_ENOUGH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Matrix products round otherwise on another number of threads."""
    set_num_threads(1)


@pytest.fixture(scope="module")
def seen() -> SimpleNamespace:
    """The operator test_coupling::look notes what a model sees of a tensor; scripted models may call it."""
    note = SimpleNamespace(tensors=[])
    library = torch.library.Library("test_coupling", "DEF")
    library.define("look(Tensor x) -> Tensor")

    def look(x: torch.Tensor) -> torch.Tensor:
        note.tensors.append((x.data_ptr(), tuple(x.shape), tuple(s * x.element_size() for s in x.stride()), x.dtype))
        return x.clone()

    library.impl("look", look, "CPU")
    note.library = library  # operators go with it
    return note


@pytest.fixture(scope="module")
def looking(seen: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert seen.library

    class Looks(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ops.test_coupling.look(x)

    path = tmp_path_factory.mktemp("looking") / "looking.pt"
    torch.jit.script(Looks()).save(path)
    return path


# ---- arrays ----


def add_index(x: NDArray[Any]) -> NDArray[Any]:
    """What the model add_index.pt does."""
    total = x.copy()
    for d in range(x.ndim):
        index = ((np.arange(x.shape[d]) + 1) * (d + 1)).reshape([-1 if i == d else 1 for i in range(x.ndim)])
        total = (total + index.astype(x.dtype)).astype(x.dtype)
    return total


class Placed:
    """A view somewhere in a larger array, and the larger array."""

    def __init__(self, base: NDArray[Any], view: NDArray[Any], how: str) -> None:
        self.base, self.view, self.how = base, view, how

    def __repr__(self) -> str:
        return self.how

    def outside_is_untouched(self, before: NDArray[Any]) -> bool:
        """Everything but the view's own elements is as before."""
        after = self.base.copy()
        kept = self.view.copy()
        self.view[...] = 0
        cleared = self.base.copy()
        self.view[...] = 1
        inside = cleared != self.base
        self.view[...] = kept
        marks = after["mark"] == before["mark"] if after.dtype.names else np.True_
        return bool((after == before)[~inside].all() and marks.all())


@st.composite
def places(draw: st.DrawFn, shape: tuple[int, ...], kind: str) -> Placed:
    """An array of this shape in any order, with gaps and backwards; in a packed record, where no number is aligned."""
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 1, 2, 3, -1, -2])) for _ in shape]
    starts = [draw(st.integers(0, 2)) for _ in shape]
    packed = draw(st.sampled_from([False, False, True]))
    extents = [starts[i] + max(abs(steps[i]) * (shape[i] - 1) + 1, 0) + 1 for i in order]
    base = np.full(extents, 7, dtype=np.dtype([("mark", "i1"), ("value", kind)], align=False) if packed else kind)
    whole = base["value"] if packed else base
    view = whole.transpose(np.argsort(order)) if shape else whole
    for d, (n, step, start) in enumerate(zip(shape, steps, starts, strict=True)):
        last = start + abs(step) * (n - 1)
        section = (
            slice(start, start + n * abs(step), abs(step)) if step > 0 else slice(last, start - 1 if start else None, step)
        )
        view = np.moveaxis(np.moveaxis(view, d, 0)[section if n else slice(0, 0)], 0, d)
    assert view.shape == shape
    return Placed(base, view, f"shape {shape}, strides {view.strides}, {kind}{', packed' if packed else ''}")


@st.composite
def calls(draw: st.DrawFn) -> tuple[Placed, Placed]:
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=5)))
    kind = draw(st.sampled_from(KINDS))
    return draw(places(shape, kind)), draw(places(shape, kind))


@LONG_ENOUGH
@given(call=calls())
def test_arrays_of_any_shape_order_stride_and_kind_give_the_right_element_in_the_right_place(
    call: tuple[Placed, Placed], models: Path
) -> None:
    source, target = call
    numbers = np.arange(source.view.size).reshape(source.view.shape) % 50
    source.view[...] = numbers
    before, around = source.base.copy(), target.base.copy()
    with Model(models / "add_index.pt") as model:
        model.forward([source.view], [target.view])
    assert (source.base == before).all()
    assert np.array_equal(target.view, add_index(numbers.astype(source.view.dtype)))
    assert target.outside_is_untouched(around)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2,) * 15, (1,) * 15])
def test_scalars_empty_arrays_and_fifteen_dimensions(shape: tuple[int, ...], models: Path) -> None:
    x, y = np.full(shape, 2.0), np.full(shape, -1.0)
    Model(models / "add_index.pt").forward([x], [y])
    assert np.array_equal(y, add_index(x))


def test_logicals(models: Path) -> None:
    x = np.array([[True, False, True], [False, False, True]])[:, ::-1]
    y = np.zeros((3, 2), dtype=bool).T
    Model(models / "invert.pt").forward([x], [y])
    assert np.array_equal(y, ~x)


ORDERS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "C order": lambda a: a,
    "Fortran order": lambda a: a.T,
    "a section": lambda a: a[1::2, :, ::3],
    "transposed": lambda a: a.transpose(1, 2, 0),
    "a scalar": lambda a: a[2, 3, 4, ...],
    "an element": lambda a: a[2:3, 3, 4],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", [*KINDS, "?"])
def test_the_address_that_the_model_sees_is_that_of_the_array(
    order: str, kind: str, looking: Path, seen: SimpleNamespace
) -> None:
    x = ORDERS[order](np.arange(120).reshape(4, 5, 6).astype(kind))
    y = np.zeros_like(x)
    seen.tensors.clear()
    model = Model(looking)
    model.forward([x], [y])
    Plan(model, [x], [y]).run()
    for address, shape, strides, _ in seen.tensors:
        assert (address, shape) == (x.ctypes.data, x.shape)
        assert all(s == t for s, t, n in zip(strides, x.strides, x.shape, strict=True) if n > 1)
    assert len(seen.tensors) == 2
    assert np.array_equal(x, y)


def test_what_libtorch_cannot_view_is_copied_and_nothing_else_is(looking: Path, seen: SimpleNamespace) -> None:
    packed = np.zeros(5, dtype=np.dtype([("mark", "i1"), ("value", "f8")], align=False))
    for x in (np.arange(5.0)[::-1], packed["value"]):
        seen.tensors.clear()
        y = np.ones(5)
        Model(looking).forward([x], [y])
        assert seen.tensors[0][0] != x.ctypes.data
        assert np.array_equal(x, y)


def test_a_read_only_array_is_an_input_and_no_output(models: Path) -> None:
    x = np.arange(4.0)
    x.flags.writeable = False
    y = np.zeros(4)
    model = Model(models / "add_index.pt")
    model.forward([x], [y])
    with pytest.raises(RadmlError, match=r"add_index.pt: output 1: the array is read-only") as caught:
        model.forward([y], [x])
    assert caught.value.status is Status.INVALID_ARRAY
    assert np.array_equal(x, np.arange(4.0))


def test_a_model_that_works_in_place_leaves_the_input_as_it_was(models: Path) -> None:
    x, y = np.ones(4), np.zeros(4)
    Model(models / "in_place.pt").forward([x], [y])
    assert np.array_equal(x, np.ones(4))
    assert np.array_equal(y, [1, 2, 2, 2])


def test_inputs_may_be_outputs(models: Path) -> None:
    a, b = np.zeros(6)[::2], np.ones(3)
    Model(models / "swap.pt").forward((a, b), (a, b))
    assert np.array_equal(a, np.ones(3))
    assert np.array_equal(b, np.zeros(3))


# ---- the same bits ----


def dense_arrays() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    random = np.random.default_rng(7)
    x = np.asfortranarray(random.normal(size=(203, 24)).astype("f4"))
    table = random.random(24, dtype="f4")
    return x, table, np.array(3.25), np.zeros((203, 31), "f4", order="F"), np.zeros(203)


def test_the_results_are_those_of_a_fortran_program_to_the_last_bit(models: Path, tmp_path: Path) -> None:
    program = BUILD / "bin" / "dense_from_file"
    if not program.exists():
        pytest.fail(f"{program} is not built: build with -DRADML_BUILD_TESTS=ON, or set RADML_BUILD_DIR")
    x, table, scale, y, total = dense_arrays()
    (tmp_path / "in").write_bytes(x.tobytes("F") + table.tobytes() + scale.tobytes())
    subprocess.run([program, models, tmp_path / "in", tmp_path / "out"], check=True, timeout=300)

    parts: list[bytes] = []

    def note() -> None:
        parts.extend((y.tobytes("F"), total.tobytes()))

    model = Model(models / "dense.pt")
    model.forward([x, table, scale], [y, total])
    note()
    whole = y.copy()
    model.forward([x, table, scale], [y, total], column_dimension=1, columns_per_block=16, threads=3)
    note()
    y[...] = total[...] = 0
    model.forward([x[::-2], table, scale], [y[::2], total[::-2]])
    note()
    plan = Plan(model, [x, table, scale], [y, total], column_dimension=1, columns_per_block=32, threads=2)
    x *= np.float32(0.5)
    plan.run()
    note()
    assert np.abs(whole).min() > 0
    assert (tmp_path / "out").read_bytes() == b"".join(parts)


@pytest.mark.parametrize("name", ["dense", "convolution"])
def test_the_results_are_those_of_pytorch_to_the_last_bit(name: str, models: Path) -> None:
    if name == "dense":
        *inputs, y, total = dense_arrays()
        outputs = [y, total]
    else:
        inputs = [np.random.default_rng(3).normal(size=(60, 4, 7)).astype("f4").T]
        outputs = [np.zeros((60, 2, 7), "f4").T]
    Model(models / f"{name}.pt").forward(inputs, outputs)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        module = torch.jit.freeze(torch.jit.load(models / f"{name}.pt").eval())
        with torch.inference_mode():
            wanted = module(*(torch.from_numpy(a) for a in inputs))
    finally:
        torch.set_num_threads(threads)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    for found, right in zip(outputs, wanted, strict=True):
        assert found.tobytes() == right.numpy().tobytes()


def test_blocks_plans_and_threads_give_the_same_bits_for_any_split(models: Path) -> None:
    x, table, scale, y, total = dense_arrays()
    model = Model(models / "dense.pt")
    model.forward([x, table, scale], [y, total], column_dimension=1, columns_per_block=32)
    assert (y != 0).all()
    for step, threads in ((1, 1), (13, 2), (64, 4), (203, 3)):
        z, sums = np.zeros_like(y), np.zeros_like(total)
        for i in range(0, 203, step):
            part = slice(i, i + step)
            options = {"column_dimension": 1, "columns_per_block": 32, "threads": threads}
            if step == 64:
                Plan(model, [x[part], table, scale], [z[part], sums[part]], **options).run()
            else:
                model.forward([x[part], table, scale], [z[part], sums[part]], **options)
        assert z.tobytes() == y.tobytes()
        assert sums.tobytes() == total.tobytes()


def test_columns_may_lie_anywhere_and_the_default_block_has_128(models: Path) -> None:
    x, table, scale, y, total = dense_arrays()
    model = Model(models / "dense.pt")
    model.forward([x, table, scale], [y, total], column_dimension=1, columns_per_block=128)
    z, sums = np.zeros((31, 203), "f4"), np.zeros(406)
    model.forward([np.ascontiguousarray(x)[::-1], table, scale], [z.T[::-1], sums[::-2]], column_dimension=1)
    assert np.allclose(z.T, y, rtol=1e-5)
    a, b = np.zeros_like(y), np.zeros_like(total)
    model.forward([x, table, scale], [a, b], column_dimension=1)
    assert a.tobytes() == y.tobytes()
    assert np.abs(sums[1::2] - total).max() < 1e-4


def test_kinds_are_converted_on_request_only(models: Path) -> None:
    x, table, scale, y, total = dense_arrays()
    model = Model(models / "dense.pt")
    model.forward([x, table, scale], [y, total])
    wide, narrow = np.zeros((203, 31), order="F"), np.zeros(203, "f4")
    arguments = [x.astype("f8"), table, scale.astype("f4")], [wide, narrow]
    with pytest.raises(RadmlError, match=r'input 1 "x": expected .* float32, got .* float64') as caught:
        model.forward(*arguments)
    assert caught.value.status is Status.WRONG_KIND
    assert not wide.any()
    model.forward(*arguments, convert=True)
    assert np.array_equal(wide, y.astype("f8"))
    assert np.array_equal(narrow, total.astype("f4"))
    Plan(model, *arguments, convert=True).run()
    assert np.array_equal(narrow, total.astype("f4"))


# ---- what a model says of itself ----


def test_names_counts_and_metadata(models: Path) -> None:
    with Model(models / "columns.pt", device="cpu") as model:
        assert (model.n_inputs, model.n_outputs) == (4, 2)
        assert model.input_names == ("pressure_level", "q", "albedo", "solar")
        assert model.output_names == ("flux", "heating")
        assert model.metadata("note") == "a test model"
        assert model.metadata("long") == "x" * 10000
    plain = Model(str(models / "sum_and_list.pt"))
    assert (plain.n_inputs, plain.n_outputs) == (2, None)
    assert plain.input_names == ("x", "y")
    assert plain.output_names is None


def test_paths_that_are_not_ascii(models: Path, tmp_path: Path) -> None:
    for name in ("Strömung.pt", os.fsdecode(b"latin-\xf6.pt")):
        (tmp_path / name).write_bytes((models / "columns.pt").read_bytes())
        model = Model(tmp_path / name)
        assert model.n_inputs == 4
        with pytest.raises(RadmlError, match=r"expected 4 inputs \(.*\), got 0"):
            model.forward([], [])
        with pytest.raises(RadmlError, match="inputs: expected a list or tuple"):
            model.forward(None, [])


def test_versions_and_threads() -> None:
    assert torch.__version__.startswith(versions().torch)
    header = (ROOT / "cpp" / "radml.h").read_text()
    assert versions().abi == int(re.search(r"define RADML_ABI_VERSION (\d+)", header)[1])
    assert re.fullmatch(r"\d+\.\d+\.\d+", versions().radml)
    set_num_threads(2)
    assert get_num_threads() == 2


# ---- errors ----


def shaped(**changes: NDArray[Any]) -> list[NDArray[Any]]:
    """Inputs of columns.pt, some of them replaced."""
    arrays = {"p": np.ones((5, 8)), "q": np.ones((5, 7), "f4"), "albedo": np.ones(5), "solar": np.array(1.0)}
    return list((arrays | changes).values())


NO = np.zeros(0)
OVERLAPPING = np.lib.stride_tricks.as_strided(np.zeros(4), (2, 3), (8, 8))
REFUSED: dict[str, tuple[Status, str, Any]] = {
    "list of lists": (Status.INVALID_ARRAY, 'input 1 "pressure_level": expected a NumPy array, got builtins.list',
                      lambda m, y: m.forward([[1.0], NO, NO, NO], y)),
    "NumPy scalar": (Status.INVALID_ARRAY, 'input 4 "solar": expected a NumPy array, got numpy.float64',
                     lambda m, y: m.forward(shaped(solar=np.float64(1)), y)),
    "array for a list": (Status.INVALID_ARRAY, "inputs: expected a list or tuple of NumPy arrays, got numpy.ndarray",
                         lambda m, y: m.forward(np.ones(4), y)),
    "no list of outputs": (Status.INVALID_ARRAY, "outputs: expected a list or tuple of NumPy arrays, got builtins.NoneType",
                           lambda m, _: m.forward(shaped(), None)),
    "masked array": (Status.INVALID_ARRAY, 'input 3 "albedo": a masked array',
                     lambda m, y: m.forward(shaped(albedo=np.ma.ones(5)), y)),
    "overlapping output": (Status.INVALID_ARRAY, 'output 1 "flux": elements of the array lie in the same memory',
                           lambda m, y: m.forward(shaped(), [OVERLAPPING, y[1]])),
    "broadcast output": (Status.INVALID_ARRAY, 'output 1 "flux": the array is read-only',
                         lambda m, y: m.forward(shaped(), [np.broadcast_to(np.zeros(8), (5, 8)), y[1]])),
    "sixteen dimensions": (Status.WRONG_RANK, 'input 3 "albedo": expected at most 15 dimensions, got 16',
                           lambda m, y: m.forward(shaped(albedo=np.ones((1,) * 16)), y)),
    "another rank": (Status.WRONG_RANK, 'input 3 "albedo": expected',
                     lambda m, y: m.forward(shaped(albedo=np.ones((5, 1))), y)),
    "another shape": (Status.WRONG_SHAPE, 'input 2 "q": expected (column=5,layer=7) float32, got (5,8) float32',
                      lambda m, y: m.forward(shaped(q=np.ones((5, 8), "f4")), y)),
    "another kind": (Status.WRONG_KIND, 'input 2 "q": expected (column=5,layer=7) float32, got (5,7) float64',
                     lambda m, y: m.forward(shaped(q=np.ones((5, 7))), y)),
    **{
        f"no kind of a tensor: {kind}": (Status.WRONG_KIND, f'input 3 "albedo": expected float32, .* got {re.escape(kind)}$',
                                         lambda m, y, kind=kind: m.forward(shaped(albedo=np.zeros(5, kind)), y))
        for kind in (">f8", "float16", "uint8", "uint64", "object", "<U3", "datetime64[s]", "timedelta64[s]", ">c16",
                     np.dtype("longdouble").name, np.dtype("clongdouble").name)
    },
    "too few inputs": (Status.WRONG_INPUT_COUNT, "expected 4 inputs (pressure_level, q, albedo, solar), got 3",
                       lambda m, y: m.forward(shaped()[:3], y)),
    "too many outputs": (Status.WRONG_OUTPUT_COUNT, "expected 2 outputs (flux, heating), got 3",
                         lambda m, y: m.forward(shaped(), [*y, np.zeros(1)])),
    "no such input": (Status.WRONG_INDEX, "input 5", lambda m, _: m._handle.input_name(5)),
    "no such key": (Status.MISSING_KEY, 'no metadata "nothing"', lambda m, _: m.metadata("nothing")),
    "blocks without columns": (Status.WRONG_ARGUMENT, "go with column_dimension",
                               lambda m, y: m.forward(shaped(), y, columns_per_block=4)),
    "dimension 0": (Status.WRONG_ARGUMENT, "column_dimension: expected 1 to 15, got 0",
                    lambda m, y: m.forward(shaped(), y, column_dimension=0)),
    "a plan of it": (Status.WRONG_RANK, 'input 3 "albedo": expected',
                     lambda m, y: Plan(m, shaped(albedo=np.ones((5, 1))), y)),
    "a plan of an array": (Status.INVALID_ARRAY, "inputs: expected a list", lambda m, y: Plan(m, np.ones(4), y)),
    "no thread": (Status.WRONG_ARGUMENT, "number of threads: expected 1 or more, got 0", lambda *_: set_num_threads(0)),
    "model that was closed": (Status.NOT_LOADED, "the model was freed", lambda m, y: (m.close(), m.forward(shaped(), y))),
    "no such file": (Status.MISSING_FILE, "gone.pt: no such file", lambda *_: Model("gone.pt")),
    "unknown device": (Status.UNKNOWN_DEVICE, "gpu", lambda *_: Model(__file__, device="gpu")),
    "zero byte in a path": (Status.WRONG_ARGUMENT, "without zero bytes", lambda *_: Model("model.pt\0.txt")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_call_that_does_not_fit_is_refused_and_touches_no_output(case: str, models: Path) -> None:
    status, words, call = REFUSED[case]
    outputs = [np.full((5, 8), -7.0), np.full((5, 7), -7.0)]
    with pytest.raises(RadmlError) as caught:
        call(Model(models / "columns.pt"), outputs)
    assert caught.value.status is status
    assert words in str(caught.value) or re.search(words, str(caught.value))
    assert "\n" not in str(caught.value)
    assert all((y == -7).all() for y in outputs)


FILES = {
    "garbage.pt": Status.INVALID_FILE,
    "truncated.pt": Status.INVALID_FILE,
    "empty.pt": Status.INVALID_FILE,
    "manifest_version_2.pt": Status.INVALID_FILE,
    "a_directory.pt": Status.MISSING_FILE,
}


@pytest.mark.parametrize(("name", "status"), FILES.items())
def test_files_that_hold_no_model(name: str, status: Status, models: Path) -> None:
    with pytest.raises(RadmlError, match=re.escape(name)) as caught:
        Model(models / name)
    assert caught.value.status is status


@pytest.mark.parametrize(
    ("name", "inputs", "status", "words"),
    [
        ("raises.pt", [-np.ones(3)], Status.MODEL_FAILED, "humidity is negative"),
        ("multiply.pt", [np.ones((2, 3)), np.ones((2, 3))], Status.MODEL_FAILED, "cannot be multiplied"),
        ("returns_number.pt", [np.ones(3)], Status.WRONG_OUTPUT_TYPE, "returns_number.pt"),
        ("half.pt", [np.ones(3)], Status.WRONG_KIND, "half.pt: output 1"),
        ("lies.pt", [np.ones(3)], Status.WRONG_KIND, 'lies.pt: output 1 "y"'),
        ("nested.pt", [np.ones(3)], Status.WRONG_OUTPUT_COUNT, "nested.pt: the model returned 6"),
    ],
)
def test_models_that_fail_or_return_what_does_not_fit(
    name: str, inputs: list[NDArray[Any]], status: Status, words: str, models: Path
) -> None:
    y = np.full(3, -7.0)
    with pytest.raises(RadmlError) as caught:
        Model(models / name).forward(inputs, [y])
    assert (caught.value.status, words in str(caught.value)) == (status, True), str(caught.value)
    assert (y == -7).all()


def test_out_of_memory_is_a_status(models: Path) -> None:
    x = np.zeros((1, 24), "f4")
    with pytest.raises(RadmlError) as caught:
        Model(models / "dense.pt").forward(
            [x, np.ones(24, "f4"), np.array(1.0)],
            [np.zeros((1, 31), "f4"), np.zeros(1)],
            column_dimension=1,
            columns_per_block=2**31 - 1,
            threads=1024,
        )
    assert caught.value.status is Status.OUT_OF_MEMORY


@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine with a GPU misses none")
def test_a_device_that_is_not_there(models: Path) -> None:
    with pytest.raises(RadmlError) as caught:
        Model(models / "dense.pt", device="cuda:3")
    assert caught.value.status is Status.MISSING_DEVICE


def test_arguments_of_another_type_are_type_errors(models: Path) -> None:
    model = Model(models / "columns.pt")
    for call in (
        lambda: Model(3),
        lambda: model.metadata(3),
        lambda: model.forward(shaped(), [], column_dimension="column"),
        lambda: model.forward(shaped(), [], 1),
        lambda: set_num_threads("many"),
    ):
        with pytest.raises(TypeError):
            call()


def test_the_error_is_a_runtime_error_that_can_be_pickled() -> None:
    with pytest.raises(RuntimeError) as caught:
        Model("gone.pt")
    error = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(error, RadmlError)
    assert (error.status, str(error), error.message) == (Status.MISSING_FILE, "gone.pt: no such file", "gone.pt: no such file")


def test_the_status_codes_are_those_of_the_header_and_of_the_stub() -> None:
    enum = (ROOT / "cpp" / "radml.h").read_text().split("typedef enum radml_status {")[1].split("} radml_status;")[0]
    in_c = {name: int(number) for name, number in re.findall(r"RADML_(\w+) = (\d+)", enum)}
    assert in_c == {member.name: member.value for member in Status}
    stub = ast.parse((PACKAGE / "_radml.pyi").read_text())
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    in_stub = {a.targets[0].id: a.value.value for a in classes["Status"].body if isinstance(a, ast.Assign)}
    assert in_stub == in_c
    assert (PACKAGE / "py.typed").exists()


def test_the_stub_names_what_the_module_has() -> None:
    module = ftorch_bridge._radml
    stub = ast.parse((PACKAGE / "_radml.pyi").read_text())
    named = {n.name: n for n in stub.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    assert set(named) == {name for name in vars(module) if not name.startswith("_")}
    for name in ("ModelHandle", "PlanHandle", "TrainerHandle"):
        methods = {m.name: m for m in named[name].body}
        present = {m for m in vars(getattr(module, name)) if not m.startswith("_") or m == "__init__"}
        assert set(methods) == present
        for method, node in methods.items():
            signature = getattr(module, name).__dict__[method].__doc__ or ""
            for argument in node.args.args[1:]:
                assert f"{argument.arg}: " in signature, (method, signature)


# ---- threads, lifetimes, memory ----


def test_other_python_threads_run_during_a_call(tmp_path: Path) -> None:
    class Slow(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(400):
                x = torch.tanh(x @ x)
            return x

    torch.jit.script(Slow()).save(tmp_path / "slow.pt")
    model, x = Model(tmp_path / "slow.pt"), np.random.default_rng(1).random((300, 300))
    ticks, stop = [0], threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        before = ticks[0]
        model.forward([x], [np.zeros_like(x)])
        during = ticks[0] - before
        plan = Plan(model, [x], [np.zeros_like(x)])
        before = ticks[0]
        plan.run()
        during_plan = ticks[0] - before
    finally:
        stop.set()
        thread.join()
    assert during > 5
    assert during_plan > 5


def test_threads_call_one_model_and_several_at_once(models: Path) -> None:
    shared = Model(models / "dense.pt")
    _, table, scale, *_ = dense_arrays()

    def work(seed: int, model: Model) -> bytes:
        random = np.random.default_rng(seed)
        found = b""
        for _ in range(20):
            x = np.asfortranarray(random.normal(size=(1 + seed % 37, 24)).astype("f4"))
            y, total = np.zeros((len(x), 31), "f4"), np.zeros(len(x))
            if seed % 3 == 0:
                Plan(model, [x, table, scale], [y, total], column_dimension=1, columns_per_block=16).run()
            else:
                model.forward([x, table, scale], [y, total], column_dimension=1, columns_per_block=16, threads=1 + seed % 2)
            found += y.tobytes() + total.tobytes()
        return found

    seeds = range(40)
    right = [work(seed, shared) for seed in seeds]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda seed: work(seed, shared), seeds)) == right
        assert list(pool.map(lambda seed: work(seed, Model(models / "dense.pt")), seeds)) == right


def test_a_model_may_be_closed_while_others_call_it(models: Path) -> None:
    x = np.ones((2000, 24), "f4")
    for _ in range(5):
        model = Model(models / "dense.pt")
        started = threading.Barrier(4)

        def call(model: Model = model, started: threading.Barrier = started) -> str:
            y, total = np.zeros((2000, 31), "f4"), np.zeros(2000)
            started.wait()
            try:
                for _ in range(100):
                    model.forward([x, np.ones(24, "f4"), np.array(1.0)], [y, total])
            except RadmlError as error:
                assert error.status is Status.NOT_LOADED
            return "ended"

        with ThreadPoolExecutor(3) as pool:
            ended = [pool.submit(call) for _ in range(3)]
            started.wait()
            time.sleep(0.002)
            model.close()
            model.close()
            assert [future.result() for future in ended] == ["ended"] * 3


def test_a_plan_keeps_its_model_and_its_arrays(models: Path) -> None:
    x, y = np.arange(5.0), np.zeros((2, 5))
    model = Model(models / "add_index.pt")
    plan = Plan(model, [x], [y[1]])
    count = sys.getrefcount(x)
    model.close()
    del model
    plan.run()
    assert np.array_equal(y, [[0] * 5, add_index(x)])
    x += 1
    plan.run()
    assert np.array_equal(y[1], add_index(x))
    plan.close()
    plan.close()
    assert sys.getrefcount(x) == count - 1
    with pytest.raises(RadmlError, match="the plan was freed") as caught:
        plan.run()
    assert caught.value.status is Status.NOT_LOADED

    def bound() -> Plan:
        return Plan(Model(models / "add_index.pt"), [np.arange(1e6)], [keep])

    keep = np.zeros(1_000_000)
    plan = bound()
    gc.collect()
    other = np.full(1_000_000, 3.0)  # would take the memory of the input, were it free
    plan.run()
    assert np.array_equal(keep, np.arange(1e6) * 2 + 1)
    assert other[0] == 3


def test_an_output_that_became_read_only_is_not_written(models: Path) -> None:
    x, y = np.arange(5.0), np.zeros(5)
    plan = Plan(Model(models / "add_index.pt"), [x], [y])
    y.flags.writeable = False
    with pytest.raises(RadmlError, match="read-only"):
        plan.run()
    assert not y.any()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from Linux")
def test_a_hundred_thousand_calls_leave_nothing_behind(models: Path) -> None:
    x, y = np.zeros((4, 3)), np.zeros((4, 3))
    model = Model(models / "add_index.pt")
    plan = Plan(model, [x], [y])

    def calls(n: int) -> None:
        for i in range(n):
            model.forward([x], [y])
            plan.run()
            if i % 10 == 0:
                Plan(model, [x[::-1]], [y]).close()
                with pytest.raises(RadmlError):
                    model.forward([x], [y, y])
                with pytest.raises(RadmlError):
                    model.metadata("nothing")
                assert model.input_names == ("x",)

    calls(2000)
    gc.collect()
    references, before = [sys.getrefcount(a) for a in (x, y, Status.WRONG_OUTPUT_COUNT)], resident()
    calls(100_000)
    gc.collect()
    assert [sys.getrefcount(a) for a in (x, y, Status.WRONG_OUTPUT_COUNT)] == references
    assert resident() - before < 2**20


def test_models_loaded_and_let_go_leave_nothing_behind(models: Path) -> None:
    def loads(n: int) -> None:
        for _ in range(n):
            with pytest.raises(RadmlError):
                Model(models / "garbage.pt")
            Model(models / "dense.pt").forward(
                [np.ones((5, 24), "f4"), np.ones(24, "f4"), np.array(1.0)], [np.zeros((5, 31), "f4"), np.zeros(5)]
            )

    loads(30)
    before = resident()
    loads(60)
    assert resident() - before < 2**23


# ---- installed ----

RUN = """
import json, sys
first, path = sys.argv[1:]
if first == "torch":
    import torch
from ftorch_bridge.coupling import Model, versions
if first == "radml":
    import torch
import numpy as np
x, y = np.arange(6.0).reshape(2, 3), np.zeros((2, 3))
Model(path).forward([x], [y])
module = sys.modules["ftorch_bridge._radml"].__file__
loaded = sorted({line.split()[-1] for line in open("/proc/self/maps") if "/lib" in line and ".so" in line})
print(json.dumps({"y": y.tolist(), "torch": versions().torch, "module": module, "loaded": loaded}))
"""


def run_apart(first: str, model: Path, environment: dict[str, str], cwd: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, first, model], env=environment, cwd=cwd, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["y"] == [[3.0, 6.0, 9.0], [7.0, 10.0, 13.0]] or np.array_equal(
        found["y"], add_index(np.arange(6.0).reshape(2, 3))
    )
    for name in ("libtorch_cpu.so", "libradml.so"):
        assert len([path for path in found["loaded"] if Path(path).name.startswith(name)]) == 1, found["loaded"]
    return found


@pytest.mark.parametrize("first", ["torch", "radml", "no torch"])
def test_the_module_of_an_install_prefix_works(first: str, models: Path, tmp_path: Path) -> None:
    if "SKBUILD:" in (BUILD / "CMakeCache.txt").read_text():
        pytest.skip("the build is a wheel's, which is installed into its environment and not into a prefix")
    prefix = tmp_path / "prefix"
    for component in ("cpp", "cpp/python"):
        subprocess.run(["cmake", "--install", BUILD / component, "--prefix", prefix], check=True, capture_output=True)
    environment = {name: value for name, value in os.environ.items() if name != "RADML_BUILD_DIR"}
    found = run_apart(
        first,
        models / "add_index.pt",
        environment | {"RADML_PREFIX": str(prefix), "PYTHONPATH": str(ROOT / "python")},
        tmp_path,
    )
    assert found["module"].startswith(str(prefix))
    assert any(path.startswith(str(prefix)) and "libradml" in path for path in found["loaded"])


@pytest.mark.parametrize("first", ["torch", "radml", "no torch"])
def test_the_module_of_the_installed_package_works(first: str, models: Path, tmp_path: Path) -> None:
    away = ("RADML_BUILD_DIR", "RADML_PREFIX", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in away}
    where = subprocess.run(
        [sys.executable, "-c", "import ftorch_bridge; print(ftorch_bridge.__file__)"],
        env=environment, cwd=tmp_path, text=True, capture_output=True, check=False,
    )  # fmt: skip
    if where.returncode != 0:
        pytest.skip("the package is not installed in this environment")
    found = run_apart(first, models / "add_index.pt", environment, tmp_path)
    assert Path(found["module"]).parent == Path(where.stdout.strip()).parent


def test_what_is_missing_is_said_where_the_module_is_not_there_or_cannot_be_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "lib" / "radml" / "ftorch_bridge"
    code = "import ftorch_bridge; ftorch_bridge.__path__[:-1] = sys.argv[1:]; import ftorch_bridge.coupling"

    def message() -> str:
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; {code}", folder], cwd=tmp_path, text=True, capture_output=True, check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT / "python")},
        )  # fmt: skip
        assert done.returncode != 0
        return done.stderr.strip().splitlines()[-1]

    folder.mkdir(parents=True)
    assert "has no compiled module _radml" in message()
    module = Path(ftorch_bridge._radml.__file__)
    (folder / module.name).write_bytes(b"no library")
    assert "libradml cannot be loaded" in message()


@pytest.mark.parametrize(("wanted", "built"), [("AUTO", True), ("ON", False)])
def test_a_build_without_pybind11_says_what_it_leaves_out_or_stops(wanted: str, built: bool, tmp_path: Path) -> None:
    done = subprocess.run(
        ["cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path, f"-DPython_EXECUTABLE={sys.executable}",
         "-DCMAKE_DISABLE_FIND_PACKAGE_pybind11=ON", f"-DRADML_BUILD_PYTHON={wanted}",
         *(f"-DRADML_BUILD_{part}=OFF" for part in ("RRTMG", "HOST", "TESTS"))],
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == built
    said = " ".join((done.stdout if built else done.stderr).split())
    assert "ot buil" in said and "pybind11 3.0 or newer is missing" in said, said
