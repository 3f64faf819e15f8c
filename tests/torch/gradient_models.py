"""The models of the tests of derivatives and training, and what PyTorch's own functions give for them."""

import json
from pathlib import Path

import torch
import xarray as xr
from torch import Tensor, nn


class Constant(nn.Module):
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value.detach().clone())

    def forward(self) -> Tensor:
        return self.value


class Constants(nn.Module):
    """Tensors in a file, in order: how a Fortran test reads them."""

    def __init__(self, values: list[Tensor]) -> None:
        super().__init__()
        self.values = nn.ModuleList([Constant(value) for value in values])

    def forward(self) -> list[Tensor]:
        given: list[Tensor] = []
        for value in self.values:
            given.append(value())
        return given


class Response(nn.Module):
    """A dense network in double precision: four inputs, one of integers and one that nothing depends on; three outputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Linear(13, 32, dtype=torch.float64)
        self.second = nn.Linear(32, 7, dtype=torch.float64)

    def forward(self, profile: Tensor, kind: Tensor, surface: Tensor, unused: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        together = torch.cat([profile, surface.unsqueeze(1)], 1)
        hidden = torch.tanh(self.first(together)) + nn.functional.gelu(self.first(together * kind.unsqueeze(1)))
        flux = self.second(hidden)
        return flux, torch.exp(flux).sum(1) * surface, kind * 2


class WorksInPlace(nn.Module):
    """3 x in the first element and 3 x + (w + 1)**2 in the others, by work in place on both inputs."""

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        w.add_(1)
        x.mul_(3)
        x[1:].add_(w[1:] * w[1:])
        return x


class SquaresInPlace(nn.Module):
    """Overwrites what its own derivative needs."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(x)


class PartlyDetached(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return x * x, (x * x).detach(), torch.round(x).long()


class WithoutGradients(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            factor = x * x
        return factor * x


class Complex(nn.Module):
    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z * z, (z * z.conj()).real


class NoForwardMode(nn.Module):
    """An operation that LibTorch differentiates backwards only."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.ctc_loss(
            torch.log_softmax(x, 2), torch.ones(1, 1, dtype=torch.long), torch.tensor([x.size(0)]), torch.tensor([1])
        )


def array(name: str, kind: str, shape: list[str | int]) -> dict[str, object]:
    return {"name": name, "kind": kind, "shape": shape, "units": "1"}


RESPONSE_MANIFEST = {
    "radml": 1,
    "inputs": [
        array("profile", "float64", ["column", 12]),
        array("kind", "int32", ["column"]),
        array("surface", "float64", ["column"]),
        array("unused", "float64", ["column"]),
    ],
    "outputs": [
        array("flux", "float64", ["column", 7]),
        array("total", "float64", ["column"]),
        array("twice", "int32", ["column"]),
    ],
}


class Trainable(nn.Module):
    """A dense network in double precision: two outputs of different sizes and one of integers, a layer that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first = nn.Linear(5, 16, dtype=torch.float64)
        self.fixed = nn.Linear(16, 16, dtype=torch.float64).requires_grad_(False)
        self.second = nn.Linear(16, 4, dtype=torch.float64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = self.second(torch.tanh(self.fixed(torch.tanh(self.first(x)))))
        return y[:, :3], y[:, 3], torch.argmax(y, 1)


class Normalised(nn.Module):
    """Buffers that change in the forward, and are used instead of the batch's own numbers in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.layers = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class SquareRoot(nn.Module):
    """At x = 0 the loss against 1 is finite and its gradient is not."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sqrt(self.weight * x)


class DetachedParameter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight.detach() * x


def save(path: Path, module: nn.Module, manifest: dict[str, object] | None = None) -> None:
    extra = {} if manifest is None else {"radml.json": json.dumps(manifest)}
    torch.jit.save(torch.jit.script(module.eval()), path, _extra_files=extra)


def save_response(folder: Path) -> None:
    """The network, and inputs, vectors and both products as torch.func computes them."""
    module = Response()
    save(folder / "response.pt", module, RESPONSE_MANIFEST)
    generator = torch.Generator().manual_seed(11)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    n = 9
    kind = torch.arange(n, dtype=torch.int32) % 3 + 1
    profile, surface = noise(n, 12), noise(n)
    vectors = [noise(n, 12), noise(n), noise(n, 7), noise(n)]  # tangents of profile and surface, cotangents of flux and total

    def function(profile: Tensor, surface: Tensor) -> tuple[Tensor, Tensor]:
        return module(profile, kind, surface, surface)[:2]

    outputs, pull_back = torch.func.vjp(function, profile, surface)
    gradients = pull_back((vectors[2], vectors[3]))
    _, tangents = torch.func.jvp(function, (profile, surface), (vectors[0], vectors[1]))
    save(folder / "response_values.pt", Constants([profile, kind, surface, *vectors, *outputs, *gradients, *tangents]))


TRAINABLE_MANIFEST = {
    "radml": 1,
    "name": "trainable",
    "torch": "1.0.0",
    "inputs": [array("x", "float64", ["column", 5])],
    "outputs": [
        array("profile", "float64", ["column", 3]),
        array("surface", "float64", ["column"]),
        array("class", "int64", ["column"]),
    ],
    "metadata": {"weights_sha256": "of the weights before", "note": "kept"},
}


def save_training(folder: Path) -> None:
    """A network, data, and what torch.optim makes of them: losses of twenty steps and the outputs after them."""
    save(folder / "trainable.pt", Trainable(), TRAINABLE_MANIFEST)
    generator = torch.Generator().manual_seed(13)
    x = torch.randn(64, 5, dtype=torch.float64, generator=generator)
    profile = torch.stack([torch.sin(x[:, 0]), x[:, 1] * x[:, 2], x[:, 3]], 1)
    surface = x.pow(2).mean(1)
    optimizers = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.001),
        "adam": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.95), weight_decay=0.001),
        "plain": torch.optim.SGD,
    }
    for name, make in optimizers.items():
        module = Trainable()
        optimizer = make([p for p in module.parameters() if p.requires_grad])
        losses = []
        for _ in range(20):
            optimizer.zero_grad()
            outputs = module(x)
            loss = (nn.functional.mse_loss(outputs[0], profile) + nn.functional.mse_loss(outputs[1], surface)) / 2
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        values = [x, profile, surface, torch.stack(losses), *module(x)[:2]]
        save(folder / f"trained_by_{name}.pt", Constants(values))

    save(folder / "normalised.pt", Normalised())
    save(folder / "square_root.pt", SquareRoot())
    save(folder / "detached_parameter.pt", DetachedParameter())
    torch.jit.save(torch.jit.freeze(torch.jit.script(Trainable().eval())), folder / "frozen_network.pt")


def save_gradient_models(folder: Path, columns: xr.Dataset, inputs: tuple[str, ...]) -> None:
    """``inputs`` are those of the ResCNN, which ``columns`` hold."""
    save_response(folder)
    save(folder / "rescnn_inputs.pt", Constants([torch.from_numpy(columns[name].to_numpy()).double() for name in inputs]))
    save(folder / "works_in_place_on_both.pt", WorksInPlace())
    save(folder / "squares_in_place.pt", SquaresInPlace())
    save(folder / "partly_detached.pt", PartlyDetached())
    save(folder / "without_gradients.pt", WithoutGradients())
    save(folder / "complex.pt", Complex())
    save(folder / "no_forward_mode.pt", NoForwardMode())
    save_training(folder)
