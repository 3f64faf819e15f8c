"""Adjoints, tangent linears and training from Python, against what PyTorch computes itself."""

from __future__ import annotations

import importlib.util
import re
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

if importlib.util.find_spec("ftorch_bridge._radml") is None:
    pytest.skip("the Python module is not built: RADML_BUILD_DIR, or pybind11 and Python's headers", allow_module_level=True)

from ftorch_bridge.coupling import Model, RadmlError, Status, Trainer, set_num_threads

sys.path.append(str(Path(__file__).resolve().parent / "torch"))
import gradient_models

COLUMNS = 9


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Matrix products round otherwise on another number of threads."""
    set_num_threads(1)


class Response:
    """Inputs of response.pt, vectors of both products, and what torch.func makes of them.

    The module is that in Python with the weights of the file: through TorchScript torch.func.jvp gives zeros.
    """

    def __init__(self, path: Path) -> None:
        random = np.random.default_rng(5)
        self.profile, self.surface = random.normal(size=(COLUMNS, 12)), random.normal(size=COLUMNS)
        self.kind = (np.arange(COLUMNS) % 3 + 1).astype("i4")
        self.profile_tangent, self.surface_tangent = random.normal(size=(COLUMNS, 12)), random.normal(size=COLUMNS)
        self.flux_cotangent, self.total_cotangent = random.normal(size=(COLUMNS, 7)), random.normal(size=COLUMNS)
        self.inputs = [self.profile, self.kind, self.surface, self.surface]
        module = gradient_models.Response().eval()
        module.load_state_dict(torch.jit.load(path).state_dict())
        kind, unused = torch.from_numpy(self.kind), torch.from_numpy(self.surface)

        def function(profile: torch.Tensor, surface: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return module(profile, kind, surface, unused)[:2]

        self.function = function
        self.at = (torch.from_numpy(self.profile), torch.from_numpy(self.surface))
        self.flux, self.total = (result.detach().numpy() for result in function(*self.at))

    def adjoint(self, flux: NDArray[Any], total: NDArray[Any]) -> list[NDArray[Any]]:
        _, pull_back = torch.func.vjp(self.function, *self.at)
        return [found.detach().numpy() for found in pull_back((torch.from_numpy(flux), torch.from_numpy(total)))]

    def tangent_linear(self, profile: NDArray[Any], surface: NDArray[Any]) -> list[NDArray[Any]]:
        vectors = (torch.from_numpy(profile), torch.from_numpy(surface))
        return [found.detach().numpy() for found in torch.func.jvp(self.function, self.at, vectors)[1]]


@pytest.fixture(scope="module")
def response(models: Path) -> Response:
    return Response(models / "response.pt")


def close(found: NDArray[Any], right: NDArray[Any]) -> bool:
    assert np.abs(right).max() > 1e-3
    return bool(np.abs(found - right).max() <= 1e-13 * np.abs(right).max())


def placed(values: NDArray[Any]) -> NDArray[Any]:
    """The same values backwards, with gaps and in Fortran's order in a larger array."""
    base = np.full([2 * n + 1 for n in values.shape], 7, dtype=values.dtype, order="F")
    section = base[tuple(slice(None, 0, -2) for _ in values.shape)]
    section[...] = values
    return section


ORDERS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "C order": np.array,
    "Fortran order": np.asfortranarray,
    "backwards with gaps": placed,
}


# ---- products ----


@pytest.mark.parametrize("order", ORDERS)
def test_the_adjoint_is_that_of_torch_func(order: str, response: Response, models: Path) -> None:
    place, r = ORDERS[order], response
    like = (r.profile, r.surface, r.surface, r.flux, r.total)
    profile_bar, surface_bar, unused_bar, flux, total = (place(np.full_like(a, -7)) for a in like)
    inputs = [place(a) for a in r.inputs]
    cotangents = [place(r.flux_cotangent), place(r.total_cotangent), None]
    gradients = [profile_bar, None, surface_bar, unused_bar]
    Model(models / "response.pt").vector_jacobian_product(inputs, cotangents, gradients, outputs=(flux, total, None))
    right = r.adjoint(r.flux_cotangent, r.total_cotangent)
    assert close(profile_bar, right[0])
    assert close(surface_bar, right[1])
    assert not unused_bar.any()
    assert close(flux, r.flux)
    assert close(total, r.total)
    assert all(np.array_equal(a, b) for a, b in zip(inputs, r.inputs, strict=True))
    for section in (profile_bar, unused_bar, flux) if order == "backwards with gaps" else ():
        assert (section.base == 7).sum() == section.base.size - section.size


@pytest.mark.parametrize("order", ORDERS)
def test_the_tangent_linear_is_that_of_torch_func(order: str, response: Response, models: Path) -> None:
    place, r = ORDERS[order], response
    flux_tangent, total_tangent, total = (place(np.full_like(a, -7)) for a in (r.flux, r.total, r.total))
    tangents = [place(r.profile_tangent), None, place(r.surface_tangent), None]
    Model(models / "response.pt").jacobian_vector_product(
        [place(a) for a in r.inputs], tangents, [flux_tangent, total_tangent, None], outputs=[None, total, None]
    )
    right = r.tangent_linear(r.profile_tangent, r.surface_tangent)
    assert close(flux_tangent, right[0])
    assert close(total_tangent, right[1])
    assert close(total, r.total)


def test_none_is_a_vector_of_zeros_or_a_result_that_nobody_wants(response: Response, models: Path) -> None:
    r, model = response, Model(models / "response.pt")
    surface_bar = np.zeros(COLUMNS)
    model.vector_jacobian_product(r.inputs, [None, r.total_cotangent, None], [None, None, surface_bar, None])
    assert close(surface_bar, r.adjoint(np.zeros_like(r.flux), r.total_cotangent)[1])
    flux_tangent = np.zeros_like(r.flux)
    model.jacobian_vector_product(r.inputs, [None, None, r.surface_tangent, None], [flux_tangent, None, None])
    assert close(flux_tangent, r.tangent_linear(np.zeros_like(r.profile), r.surface_tangent)[0])
    profile_bar = np.ones_like(r.profile)
    model.vector_jacobian_product(r.inputs, [None] * 3, [profile_bar, None, None, None])
    assert not profile_bar.any()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_derivatives_do_not_depend_on_the_mode_that_pytorch_is_in(
    mode: Callable[[], Any], response: Response, models: Path
) -> None:
    r, profile_bar, flux_tangent = response, np.zeros((COLUMNS, 12)), np.zeros((COLUMNS, 7))
    model, trainer = Model(models / "response.pt"), Trainer(models / "trainable.pt", "sgd", learning_rate=0.1)
    x, profile, surface = data()
    with mode():
        model.vector_jacobian_product(r.inputs, [r.flux_cotangent, None, None], [profile_bar, None, None, None])
        model.jacobian_vector_product(r.inputs, [r.profile_tangent, None, None, None], [flux_tangent, None, None])
        first, second = (trainer.step([x], [profile, surface, None]) for _ in range(2))
        assert not torch.is_grad_enabled()
    assert close(profile_bar, r.adjoint(r.flux_cotangent, np.zeros_like(r.total))[0])
    assert close(flux_tangent, r.tangent_linear(r.profile_tangent, np.zeros_like(r.surface))[0])
    assert second < first


def test_complex_and_models_that_work_in_place(models: Path) -> None:
    random = np.random.default_rng(2)
    z, cotangent, square, absolute = (random.normal(size=6) + 1j * random.normal(size=6) for _ in range(4))
    gradient = np.zeros(6, "c16")
    Model(models / "complex.pt").vector_jacobian_product([z], [cotangent, absolute.real.copy()], [gradient])
    x = torch.from_numpy(z).requires_grad_()
    results = torch.jit.load(models / "complex.pt")(x)
    (right,) = torch.autograd.grad(results, x, (torch.from_numpy(cotangent), torch.from_numpy(absolute.real.copy())))
    assert close(gradient, right.numpy())
    tangents = [np.zeros(6, "c16"), np.zeros(6)]
    Model(models / "complex.pt").jacobian_vector_product([z], [square], tangents)
    assert close(tangents[0], 2 * z * square)
    assert close(tangents[1], 2 * (z.conj() * square).real)

    x, w = np.arange(1.0, 5), np.arange(4.0)
    x_bar, w_bar = np.zeros(4), np.zeros(4)
    Model(models / "works_in_place_on_both.pt").vector_jacobian_product([x, w], [np.ones(4)], [x_bar, w_bar])
    assert np.array_equal(x_bar, [3, 3, 3, 3])
    assert np.array_equal(w_bar, [0, 4, 6, 8])
    assert np.array_equal(x, np.arange(1.0, 5))
    assert np.array_equal(w, np.arange(4.0))


# ---- training ----


def data() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    x = np.random.default_rng(8).normal(size=(64, 5))
    return x, np.stack([np.sin(x[:, 0]), x[:, 1] * x[:, 2], x[:, 3]], 1), (x**2).mean(1)


OPTIMIZERS: dict[str, tuple[str, dict[str, float], Callable[..., torch.optim.Optimizer]]] = {
    "sgd": (
        "sgd",
        {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.001},
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.001),
    ),
    "adam": (
        "adam",
        {"learning_rate": 0.02, "weight_decay": 0.001, "beta1": 0.8, "beta2": 0.95},
        lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.95), weight_decay=0.001),
    ),
    "defaults": ("adam", {}, torch.optim.Adam),
}


class InPyTorch:
    """The same training by PyTorch itself."""

    def __init__(self, path: Path, make: Callable[..., torch.optim.Optimizer]) -> None:
        self.module = torch.jit.load(path)
        self.optimizer = make([p for p in self.module.parameters() if p.requires_grad])

    def step(self, x: NDArray[Any], targets: list[NDArray[Any] | None]) -> float:
        self.optimizer.zero_grad()
        results = self.module(torch.from_numpy(x))
        errors = [
            torch.nn.functional.mse_loss(result, torch.from_numpy(target))
            for result, target in zip(results, targets, strict=True)
            if target is not None
        ]
        loss = torch.stack(errors).mean()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def outputs(self, x: NDArray[Any]) -> list[NDArray[Any]]:
        with torch.no_grad():
            return [result.numpy() for result in self.module(torch.from_numpy(x))]


def run(trainer: Trainer | Model, x: NDArray[Any]) -> list[NDArray[Any]]:
    outputs = [np.zeros((len(x), 3), order="F"), np.zeros(2 * len(x))[::-2], np.zeros(len(x), "i8")]
    trainer.forward([x], outputs)
    return outputs


def same_results(found: list[NDArray[Any]], right: list[NDArray[Any]]) -> bool:
    return all(np.allclose(a, b, rtol=1e-10, atol=1e-12) for a, b in zip(found, right, strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_torch_optim(name: str, models: Path) -> None:
    optimizer, options, make = OPTIMIZERS[name]
    x, profile, surface = data()
    own = InPyTorch(models / "trainable.pt", make)
    with Trainer(models / "trainable.pt", optimizer, **options) as trainer:
        untrained = run(trainer, x)
        assert same_results(untrained, own.outputs(x))
        for targets in ([profile, surface, None], [profile, None, None], [None, surface, None]):
            right = own.step(x, targets)
            arrays = [None if a is None else placed(a) for a in targets]
            assert trainer.loss([x], arrays) == pytest.approx(right, rel=1e-12)
            assert trainer.step([placed(x)], arrays) == pytest.approx(right, rel=1e-12)
        assert same_results(run(trainer, x), own.outputs(x))
        assert not same_results(run(trainer, x), untrained)


def test_a_new_learning_rate_counts_from_the_next_step(models: Path) -> None:
    x, profile, surface = data()
    own = InPyTorch(models / "trainable.pt", lambda p: torch.optim.SGD(p, lr=0.01))
    trainer = Trainer(models / "trainable.pt", "sgd", learning_rate=0.5)
    trainer.set_learning_rate(0.01)
    own.step(x, [profile, surface, None])
    trainer.step([x], [profile, surface, None])
    assert same_results(run(trainer, x), own.outputs(x))


def test_training_goes_on_from_a_checkpoint_to_the_same_bits_and_is_saved_as_a_model(models: Path, tmp_path: Path) -> None:
    x, profile, surface = data()
    arguments = [x], [profile, surface, None]
    trainer = Trainer(models / "trainable.pt", "adam", learning_rate=0.02)
    for _ in range(3):
        trainer.step(*arguments)
    trainer.save_checkpoint(tmp_path / "prüfpunkt")
    losses = [trainer.step(*arguments) for _ in range(3)]

    other = Trainer(str(models / "trainable.pt"), "adam")
    other.load_checkpoint(str(tmp_path / "prüfpunkt"))
    assert [other.step(*arguments) for _ in range(3)] == losses
    assert losses[0] > losses[1] > losses[2]

    trainer.save(tmp_path / "trained.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prüfpunkt", "trained.pt"]
    with Model(tmp_path / "trained.pt") as model:
        assert model.metadata("training_steps") == "6"
        assert same_results(run(model, x), run(trainer, x))
    assert Trainer(tmp_path / "trained.pt", "sgd").loss(*arguments) == pytest.approx(trainer.loss(*arguments), rel=1e-12)


def test_a_step_that_is_not_finite_changes_nothing(models: Path) -> None:
    x, profile, surface = data()
    trainer = Trainer(models / "trainable.pt", "adam", learning_rate=0.1)
    before = run(trainer, x)
    bad = x.copy()
    bad[3, 2] = np.nan
    with pytest.raises(RadmlError, match="the loss is nan") as caught:
        trainer.step([bad], [profile, surface, None])
    assert caught.value.status is Status.NOT_FINITE
    assert all(np.array_equal(a, b) for a, b in zip(run(trainer, x), before, strict=True))


# ---- errors ----


def like(shape: tuple[int, ...], kind: str = "f8") -> NDArray[Any]:
    return np.full(shape, -7, kind)


READ_ONLY = np.broadcast_to(np.zeros(12), (COLUMNS, 12))
OVERLAPPING = np.lib.stride_tricks.as_strided(np.zeros(20), (COLUMNS, 7), (8, 8))


def adjoint(**changes: Any) -> Callable[[Model, Response, list[NDArray[Any]]], None]:
    """An adjoint of response.pt, some of whose lists of arrays are made otherwise from those that are right."""

    def call(model: Model, r: Response, results: list[NDArray[Any]]) -> None:
        lists = {
            "inputs": r.inputs,
            "cotangents": [r.flux_cotangent, r.total_cotangent, None],
            "gradients": [results[0], None, None, None],
            "outputs": [results[1], None, None],
        }
        model.vector_jacobian_product(**{name: changes.get(name, lambda a: a)(arrays) for name, arrays in lists.items()})

    return call


def tangent_linear(**changes: Any) -> Callable[[Model, Response, list[NDArray[Any]]], None]:
    """As ``adjoint``, of the tangent linear."""

    def call(model: Model, r: Response, results: list[NDArray[Any]]) -> None:
        lists = {
            "inputs": r.inputs,
            "tangents": [r.profile_tangent, None, r.surface_tangent, None],
            "output_tangents": [results[1], None, None],
        }
        model.jacobian_vector_product(**{name: changes.get(name, lambda a: a)(arrays) for name, arrays in lists.items()})

    return call


REFUSED: dict[str, tuple[Status, str, Callable[[Model, Response, list[NDArray[Any]]], Any]]] = {
    "None as an input": (Status.INVALID_ARRAY, 'input 1 "profile": expected a NumPy array, got builtins.NoneType',
                         adjoint(inputs=lambda a: [None, *a[1:]])),
    "None as an input of the tangent linear": (Status.INVALID_ARRAY, 'input 4 "unused": expected a NumPy array, got',
                                               tangent_linear(inputs=lambda a: [*a[:3], None])),
    "no list": (Status.INVALID_ARRAY, "response.pt: cotangents: expected a list or tuple of NumPy arrays, got numpy.ndarray",
                adjoint(cotangents=lambda a: a[0])),
    "no list of tangents": (Status.INVALID_ARRAY, "response.pt: tangents: expected a list or tuple",
                            tangent_linear(tangents=lambda _: None)),
    "no list of results": (Status.INVALID_ARRAY, "response.pt: output_tangents: expected a list or tuple",
                           tangent_linear(output_tangents=lambda _: None)),
    "no array": (Status.INVALID_ARRAY, 'cotangent of output 2 "total": expected a NumPy array, got builtins.float',
                 adjoint(cotangents=lambda a: [a[0], 1.0, None])),
    "masked array": (Status.INVALID_ARRAY, 'tangent of input 1 "profile": a masked array',
                     tangent_linear(tangents=lambda a: [np.ma.array(a[0]), *a[1:]])),
    "read-only gradient": (Status.INVALID_ARRAY, 'gradient of input 1 "profile": the array is read-only',
                           adjoint(gradients=lambda a: [READ_ONLY, *a[1:]])),
    "overlapping elements": (Status.INVALID_ARRAY, 'tangent of output 1 "flux": elements of the array lie in the same memory',
                             tangent_linear(output_tangents=lambda _: [OVERLAPPING, None, None])),
    "another kind of tensor": (Status.WRONG_KIND, 'gradient of input 3 "surface": expected float32, float64',
                               adjoint(gradients=lambda a: [*a[:2], like((COLUMNS,), "f2"), None])),
    "another kind": (Status.WRONG_KIND, 'cotangent of output 1 "flux": expected (column=9,7) float64, got (9,7) float32',
                     adjoint(cotangents=lambda a: [a[0].astype("f4"), *a[1:]])),
    "another shape of a cotangent": (Status.WRONG_SHAPE, 'cotangent of output 2 "total"',
                                     adjoint(cotangents=lambda a: [a[0], a[1][:-1], None])),
    "another shape of a gradient": (Status.WRONG_SHAPE, 'gradient of input 3 "surface": expected (9) float64, got (8) float64',
                                    adjoint(gradients=lambda a: [*a[:2], like((COLUMNS - 1,)), None])),
    "another rank of a tangent": (Status.WRONG_RANK, 'tangent of input 3 "surface": expected (9) float64, got (9,1) float64',
                                  tangent_linear(tangents=lambda a: [a[0], None, a[2][:, None], None])),
    "another shape of an output": (Status.WRONG_SHAPE, 'output 2 "total"',
                                   adjoint(outputs=lambda a: [a[0], like((COLUMNS + 1,)), None])),
    "too few gradients": (Status.WRONG_INPUT_COUNT, "expected 4 gradients, one for each input, got 3",
                          adjoint(gradients=lambda a: a[:3])),
    "too many tangents": (Status.WRONG_OUTPUT_COUNT, "expected 3 tangents, one for each output, got 4",
                          tangent_linear(output_tangents=lambda a: [*a, None])),
    "a tangent of integers": (Status.NOT_DIFFERENTIABLE, 'tangent of input 2 "kind": int32 has no derivative; pass',
                              tangent_linear(tangents=lambda a: [a[0], np.ones(COLUMNS, "i4"), *a[2:]])),
    "a cotangent of integers": (Status.NOT_DIFFERENTIABLE, 'cotangent of output 3 "twice": int32 has no derivative',
                                adjoint(cotangents=lambda a: [*a[:2], np.ones(COLUMNS, "i4")])),
    "a model that was closed": (Status.NOT_LOADED, "the model was freed", lambda m, r, y: (m.close(), adjoint()(m, r, y))),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_product_that_does_not_fit_is_refused_and_touches_no_array(case: str, models: Path, response: Response) -> None:
    status, words, call = REFUSED[case]
    results = [like((COLUMNS, 12)), like((COLUMNS, 7))]
    with pytest.raises(RadmlError) as caught:
        call(Model(models / "response.pt"), response, results)
    assert caught.value.status is status
    assert words in str(caught.value)
    assert all((a == -7).all() for a in results)


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("partly_detached", Status.NOT_DIFFERENTIABLE, "output 2: it depends on no input"),
        ("without_gradients", Status.NOT_DIFFERENTIABLE, "torch.no_grad"),
    ],
)
def test_tangent_linears_that_there_are_not(name: str, status: Status, words: str, models: Path) -> None:
    model, x = Model(models / f"{name}.pt"), np.ones(3)
    tangents: list[NDArray[Any] | None] = [like((3,)), like((3,)), None] if name == "partly_detached" else [like((3,))]
    with pytest.raises(RadmlError, match=words) as caught:
        model.jacobian_vector_product([x], [x], tangents)
    assert caught.value.status is status
    assert all((t == -7).all() for t in tangents if t is not None)


def test_a_tangent_linear_within_one_of_pytorch_is_refused_and_works_after_it(models: Path, response: Response) -> None:
    r, model, flux_tangent = response, Model(models / "response.pt"), like((COLUMNS, 7))
    arguments = r.inputs, [r.profile_tangent, None, r.surface_tangent, None], [flux_tangent, None, None]
    with (
        torch.autograd.forward_ad.dual_level(),
        pytest.raises(RadmlError, match=r"response\.pt: PyTorch takes a tangent linear itself") as caught,
    ):
        model.jacobian_vector_product(*arguments)
    assert caught.value.status is Status.NOT_DIFFERENTIABLE
    assert (flux_tangent == -7).all()
    model.jacobian_vector_product(*arguments)
    assert close(flux_tangent, r.tangent_linear(r.profile_tangent, r.surface_tangent)[0])


def test_an_adjoint_that_fails_in_the_model(models: Path) -> None:
    gradient = like((3,))
    with pytest.raises(RadmlError, match=r"squares_in_place\.pt: the model's derivative failed") as caught:
        Model(models / "squares_in_place.pt").vector_jacobian_product([np.ones(3)], [np.ones(3)], [gradient])
    assert caught.value.status is Status.MODEL_FAILED
    assert (gradient == -7).all()


def closed(trainer: Trainer) -> Trainer:
    trainer.close()
    trainer.close()
    return trainer


X, PROFILE, SURFACE = data()
TRAINING: dict[str, tuple[Status, str, Callable[[Trainer, Path], Any]]] = {
    "None as an input": (Status.INVALID_ARRAY, "trainable.pt: input 1: expected a NumPy array, got builtins.NoneType",
                         lambda t, _: t.step([None], [PROFILE, SURFACE, None])),
    "None as an output": (Status.INVALID_ARRAY, "trainable.pt: output 3: expected a NumPy array, got builtins.NoneType",
                          lambda t, _: t.forward([X], [PROFILE.copy(), SURFACE.copy(), None])),
    "no list of targets": (Status.INVALID_ARRAY, "trainable.pt: targets: expected a list or tuple",
                           lambda t, _: t.step([X], PROFILE)),
    "no target at all": (Status.WRONG_ARGUMENT, "expected a target for at least one output",
                         lambda t, _: t.step([X], [None] * 3)),
    "another shape": (Status.WRONG_SHAPE, 'target of output 1 "profile": expected (column=64,3) float64, got (64,4) float64',
                      lambda t, _: t.step([X], [like((64, 4)), SURFACE, None])),
    "another shape for the loss": (Status.WRONG_SHAPE, 'target of output 2 "surface"',
                                   lambda t, _: t.loss([X], [PROFILE, SURFACE[1:], None])),
    "another shape of an input": (Status.WRONG_SHAPE, 'input 1 "x": expected (column=64,5) float64, got (64,4) float64',
                                  lambda t, _: t.step([X[:, 1:]], [PROFILE, SURFACE, None])),
    "a target of no kind": (Status.WRONG_KIND, "target of output 1: expected float32",
                            lambda t, _: t.step([X], [PROFILE.astype("f2"), SURFACE, None])),
    "a target of integers": (Status.WRONG_KIND, 'target of output 3 "class": no squared error of int64',
                             lambda t, _: t.step([X], [PROFILE, SURFACE, np.ones(64, "i8")])),
    "too few targets": (Status.WRONG_OUTPUT_COUNT, "expected 3 targets, one for each output, got 2",
                        lambda t, _: t.step([X], [PROFILE, SURFACE])),
    "a negative learning rate": (Status.WRONG_ARGUMENT, "learning_rate: expected a finite number of 0 or more, got -1",
                                 lambda t, _: t.set_learning_rate(-1)),
    "no folder": (Status.MISSING_FILE, "cannot be written: no folder", lambda t, folder: t.save(folder / "none" / "net.pt")),
    "no folder for a checkpoint": (Status.MISSING_FILE, "cannot be written: no folder",
                                   lambda t, folder: t.save_checkpoint(folder / "none" / "at")),
    "no checkpoint": (Status.MISSING_FILE, "gone", lambda t, folder: t.load_checkpoint(folder / "gone")),
    "a zero byte in a path": (Status.WRONG_ARGUMENT, "path: expected a text without zero bytes", lambda t, _: t.save("a\0b")),
    "a closed trainer's step": (Status.NOT_LOADED, "the trainer was freed",
                                lambda t, _: closed(t).step([X], [PROFILE, SURFACE, None])),
    "a closed trainer's forward": (Status.NOT_LOADED, "the trainer was freed", lambda t, _: run(closed(t), X)),
    "a closed trainer saves": (Status.NOT_LOADED, "the trainer was freed", lambda t, folder: closed(t).save(folder / "net.pt")),
    "a closed trainer's rate": (Status.NOT_LOADED, "the trainer was freed", lambda t, _: closed(t).set_learning_rate(0.1)),
}  # fmt: skip


@pytest.mark.parametrize("case", TRAINING)
def test_a_call_of_a_trainer_that_does_not_fit_is_refused_and_changes_nothing(case: str, models: Path, tmp_path: Path) -> None:
    status, words, call = TRAINING[case]
    trainer = Trainer(models / "trainable.pt", "adam", learning_rate=0.1)
    before = run(trainer, X)
    with pytest.raises(RadmlError) as caught:
        call(trainer, tmp_path)
    assert caught.value.status is status
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())
    if status is not Status.NOT_LOADED:
        assert all(np.array_equal(a, b) for a, b in zip(run(trainer, X), before, strict=True))


@pytest.mark.parametrize(
    ("file", "optimizer", "options", "status", "words"),
    [
        ("trainable.pt", "lion", {}, Status.WRONG_ARGUMENT, 'optimizer "lion": expected "sgd" or "adam"'),
        ("trainable.pt", "adam\0", {}, Status.WRONG_ARGUMENT, "optimizer: expected a text without zero bytes"),
        ("trainable.pt", "adam", {"momentum": 0.9}, Status.WRONG_ARGUMENT, 'momentum: an option of "sgd"'),
        ("trainable.pt", "sgd", {"beta1": 0.9}, Status.WRONG_ARGUMENT, 'beta1: an option of "adam"'),
        ("trainable.pt", "adam", {"beta2": 1}, Status.WRONG_ARGUMENT, "beta2: expected 0 to below 1, got 1"),
        ("trainable.pt", "sgd", {"weight_decay": np.inf}, Status.WRONG_ARGUMENT, "weight_decay: expected a finite number"),
        ("trainable.pt", "sgd", {"device": "gpu"}, Status.UNKNOWN_DEVICE, "gpu"),
        ("trainable.pt", "sgd", {"device": "cpu\0"}, Status.WRONG_ARGUMENT, "device: expected a text without zero bytes"),
        ("gone.pt", "sgd", {}, Status.MISSING_FILE, "gone.pt: no such file"),
        ("garbage.pt", "sgd", {}, Status.INVALID_FILE, "garbage.pt"),
        ("frozen_network.pt", "sgd", {}, Status.NOT_DIFFERENTIABLE, "frozen_network.pt: the model has no parameters to train"),
    ],
)
def test_trainers_that_cannot_be_made(
    file: str, optimizer: str, options: dict[str, Any], status: Status, words: str, models: Path
) -> None:
    with pytest.raises(RadmlError, match=re.escape(words)) as caught:
        Trainer(models / file, optimizer, **options)
    assert caught.value.status is status


def test_arguments_of_another_type_are_type_errors(models: Path) -> None:
    trainer = Trainer(models / "trainable.pt", "sgd")
    for call in (
        lambda: Trainer(3, "sgd"),
        lambda: Trainer(models / "trainable.pt", None),
        lambda: Trainer(models / "trainable.pt", "sgd", 0.1),
        lambda: Trainer(models / "trainable.pt", "sgd", learning_rate="large"),
        lambda: trainer.set_learning_rate(None),
        lambda: trainer.save(3),
        lambda: Model(models / "response.pt").vector_jacobian_product([], [], [], []),
    ):
        with pytest.raises(TypeError):
            call()


# ---- threads, references ----


def test_other_python_threads_run_during_products_and_steps(tmp_path: Path) -> None:
    class Slow(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.rand(300, 300, dtype=torch.float64) / 300)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(100):
                x = torch.tanh(x @ self.weight)
            return x

    torch.jit.script(Slow()).save(tmp_path / "slow.pt")
    model, trainer = Model(tmp_path / "slow.pt"), Trainer(tmp_path / "slow.pt", "sgd")
    x = np.random.default_rng(1).random((300, 300))
    ticks, stop = [0], threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    during = []
    try:
        for call in (
            lambda: model.vector_jacobian_product([x], [x], [np.zeros_like(x)]),
            lambda: model.jacobian_vector_product([x], [x], [np.zeros_like(x)]),
            lambda: trainer.step([x], [x]),
            lambda: trainer.loss([x], [x]),
            lambda: trainer.forward([x], [np.zeros_like(x)]),
        ):
            before = ticks[0]
            call()
            during.append(ticks[0] - before)
    finally:
        stop.set()
        thread.join()
    assert min(during) > 5, during


def test_threads_take_products_of_one_model_and_steps_of_one_trainer_at_once(response: Response, models: Path) -> None:
    r, model = response, Model(models / "response.pt")
    trainer = Trainer(models / "trainable.pt", "sgd", learning_rate=0.0)
    loss = trainer.loss([X], [PROFILE, SURFACE, None])

    def work(seed: int) -> bytes:
        if seed % 3 == 0:
            assert trainer.step([X], [PROFILE, SURFACE, None]) == loss
        cotangent, profile_bar, flux_tangent = r.flux_cotangent * seed, np.zeros_like(r.profile), np.zeros_like(r.flux)
        model.vector_jacobian_product(r.inputs, [cotangent, None, None], [profile_bar, None, None, None])
        model.jacobian_vector_product(r.inputs, [r.profile_tangent * seed, None, None, None], [flux_tangent, None, None])
        return profile_bar.tobytes() + flux_tangent.tobytes()

    right = [work(seed) for seed in range(60)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(60))) == right


def test_the_example_in_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class TwoOutputs(gradient_models.Trainable):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            y = self.second(torch.tanh(self.first(x)))
            return y[:, :3], y[:, 3]

    monkeypatch.chdir(tmp_path)
    torch.jit.script(TwoOutputs().eval()).save("net.pt")
    section = (
        (Path(__file__).resolve().parent.parent / "docs" / "python.md").read_text().split("## Derivatives and training\n")[1]
    )
    names: dict[str, Any] = {}
    exec(section.split("```python\n")[1].split("```")[0], names)
    assert names["profile_bar"].any()
    assert 0 < names["loss"] < Trainer("net.pt", "sgd").loss([names["profile"]], [None, names["surface"]])
    assert Model("trained.pt").n_inputs == 1


def test_calls_keep_no_reference(response: Response, models: Path) -> None:
    r, model, trainer = response, Model(models / "response.pt"), Trainer(models / "trainable.pt", "adam")
    profile_bar, flux_tangent = np.zeros_like(r.profile), np.zeros_like(r.flux)
    arrays = (*r.inputs, r.flux_cotangent, r.profile_tangent, profile_bar, flux_tangent, X, PROFILE)

    def calls() -> None:
        for _ in range(20):
            model.vector_jacobian_product(r.inputs, [r.flux_cotangent, None, None], [profile_bar, None, None, None])
            model.jacobian_vector_product(r.inputs, [r.profile_tangent, None, None, None], [flux_tangent, None, None])
            trainer.step([X], [PROFILE, None, None])
            with pytest.raises(RadmlError):
                trainer.step([X], [None, PROFILE, None])

    calls()
    before = [sys.getrefcount(a) for a in arrays]
    calls()
    assert [sys.getrefcount(a) for a in arrays] == before
