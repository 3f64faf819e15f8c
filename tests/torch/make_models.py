"""Writes the small TorchScript models of the coupling tests into a folder: make_models.py FOLDER."""

import json
import sys
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from ftorch_bridge.columns import generate_columns  # noqa: E402
from ftorch_bridge.exporting import describe, export, load_source  # noqa: E402
from ftorch_bridge.networks import INPUTS  # noqa: E402
from gradient_models import save_gradient_models  # noqa: E402


class AddIndex(nn.Module):
    """x + sum over dimensions d of d * index_d, both from 1: shows which element sits where, for any rank and kind."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.clone()
        for d in range(x.dim()):
            shape = [1] * x.dim()
            shape[d] = x.size(d)
            y = y + ((torch.arange(x.size(d)) + 1) * (d + 1)).view(shape).to(x.dtype)
        return y


class Invert(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.logical_not(x)


class FirstElements(nn.Module):
    """Touches ten elements of however large an array."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:10] + 1


class InPlace(nn.Module):
    """Works in place, deep inside: on a slice, in another function."""

    def add_one(self, x: Tensor) -> None:
        x[1:].add_(1)

    def forward(self, x: Tensor) -> Tensor:
        self.add_one(x)
        return x


class Swap(nn.Module):
    """Returns its own inputs, as views."""

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return b, a


class SumAndList(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> list[Tensor]:
        return [x + y, x - y]


class OptionalOffset(nn.Module):
    def forward(self, x: Tensor, offset: Tensor | None = None) -> Tensor:
        return x + 1 if offset is None else x + offset


class NoInput(nn.Module):
    def forward(self) -> Tensor:
        return torch.arange(3, dtype=torch.float64)


def add_one(x: Tensor) -> Tensor:
    return x + 1


class ReturnsNumber(nn.Module):
    def forward(self, x: Tensor) -> int:
        return x.dim()


class ReturnsMixedTuple(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, float]:
        return x, 1.0


class ReturnsDictionary(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"x": x}


class Nested(nn.Module):
    """Six outputs: x to 6 x."""

    def forward(self, x: Tensor) -> tuple[dict[str, Tensor], tuple[Tensor, list[Tensor]], dict[int, dict[str, Tensor]]]:
        return {"up": x, "down": 2 * x}, (3 * x, [4 * x, 5 * x]), {7: {"heating": 6 * x}}


class NestedNumber(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, list[int]]]:
        return x, {"layers": [x.size(0)]}


class TakesList(nn.Module):
    def forward(self, xs: list[Tensor]) -> Tensor:
        return xs[0]


class Raises(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if bool((x < 0).any()):
            raise ValueError("humidity is negative")
        return x + 1


class Multiply(nn.Module):
    """Fails inside a LibTorch operation where the shapes do not fit."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.matmul(x, y)


class AsMany(nn.Module):
    """As many numbers as it is asked for."""

    def forward(self, n: Tensor) -> Tensor:
        return torch.ones(int(n.item()), dtype=torch.float64)


class Half(nn.Module):
    """Returns a kind that Fortran does not have."""

    def forward(self, x: Tensor) -> Tensor:
        return x.half()


class BadArithmetic(nn.Module):
    """Invalid operations, divisions by zero and overflows in every element."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        zero = x - x
        return zero / zero, (zero + 1) / zero, torch.exp((zero + 1) * 1e6)


class Columns(nn.Module):
    """Something like radiation: named dimensions, two kinds, a scalar, two outputs."""

    def forward(self, pressure: Tensor, q: Tensor, albedo: Tensor, solar: Tensor) -> tuple[Tensor, Tensor]:
        flux = pressure * 2 + solar
        heating = (pressure[:, 1:] - pressure[:, :-1]) * q.double() * albedo.unsqueeze(1)
        return flux, heating


class Lies(nn.Module):
    """Its manifest promises another kind than it returns."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


class Constant(nn.Module):
    """A tensor in a file."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)

    def forward(self) -> Tensor:
        return self.value


class Convolution(nn.Module):
    """Three convolutions over layers on (column, channel, layer), with dropout and batch norm that eval must switch off."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(
            nn.Conv1d(4, 16, 5, padding=2),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Conv1d(16, 16, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(16, 2, 5, padding=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Dense(nn.Module):
    """Matrix products and functions of each kind: what rounds otherwise in a batch of another size."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first = nn.Linear(24, 70)
        self.second = nn.Linear(70, 33)
        self.last = nn.Linear(33, 31)

    def forward(self, x: Tensor, table: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.tanh(self.second(nn.functional.gelu(self.first(x * table))))
        y = torch.softmax(self.last(hidden), 1) + torch.exp(self.last(-hidden))
        return y, y.double().sum(1) * scale


class DenseAlone(nn.Module):
    """The same in one array and one array out, for a file without manifest."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = Dense()

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x, torch.ones(24), torch.ones(()))[0]


class WorksInPlace(nn.Module):
    """Spoils both of its inputs."""

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        x.mul_(2)
        table.add_(1)
        return x + table


class NeedsRows(nn.Module):
    """Fails unless each column's numbers are contiguous."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), -1) * 2


class Total(nn.Module):
    """One number of all columns."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + 1, x.sum()


def array(name: str, kind: str, shape: list[str | int]) -> dict[str, object]:
    return {"name": name, "kind": kind, "shape": shape, "units": "1"}


COLUMNS_MANIFEST = {
    "radml": 1,
    "name": "columns",
    "torch": torch.__version__,
    "inputs": [
        array("pressure_level", "float64", ["column", "layer+1"]),
        array("q", "float32", ["column", "layer"]),
        array("albedo", "float64", ["column"]),
        array("solar", "float64", []),
    ],
    "outputs": [
        array("flux", "float64", ["column", "layer+1"]),
        array("heating", "float64", ["column", "layer"]),
    ],
    "metadata": {"long": "x" * 10000, "note": "a test model"},
}
FIXED_MANIFEST = {
    "radml": 1,
    "inputs": [array("x", "float64", ["column", 89])],
    "outputs": [array("y", "float64", ["column", 89])],
}
LYING_MANIFEST = {"radml": 1, "inputs": [array("x", "float64", ["n"])], "outputs": [array("y", "float64", ["n"])]}


DENSE_MANIFEST = {
    "radml": 1,
    "inputs": [
        array("x", "float32", ["column", 24]),
        array("table", "float32", [24]),
        array("scale", "float64", []),
    ],
    "outputs": [array("y", "float32", ["column", 31]), array("total", "float64", ["column"])],
}
IN_PLACE_MANIFEST = {
    "radml": 1,
    "inputs": [array("x", "float32", ["column", "layer"]), array("table", "float32", ["layer"])],
    "outputs": [array("y", "float32", ["column", "layer"])],
}
TOTAL_MANIFEST = {
    "radml": 1,
    "inputs": [array("x", "float64", ["column"])],
    "outputs": [array("y", "float64", ["column"]), array("total", "float64", [])],
}
KINDS_MANIFEST = {
    "radml": 1,
    "inputs": [array("x", "float32", ["n"]), array("i", "int32", ["n"])],
    "outputs": [array("y", "float32", ["n"]), array("j", "int32", ["n"])],
}


def export_residual_network(path: Path) -> None:
    """The project's own network with its trained weights, as ftorch-export makes it."""
    weights = ROOT / "data" / "rescnn_longwave.safetensors"
    module, notes = load_source("ftorch_bridge.networks:ResCNN", weights)
    export(module, describe(module, "rescnn", "float64", [], [], notes), path, columns=generate_columns(64, 40, seed=5))


def save(folder: Path, name: str, module: nn.Module, manifest: object = None) -> None:
    extra = {}
    if manifest is not None:
        extra["radml.json"] = manifest if isinstance(manifest, str) else json.dumps(manifest)
    torch.jit.save(torch.jit.script(module), folder / name, _extra_files=extra)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save(folder, "add_index.pt", AddIndex())
    save(folder, "invert.pt", Invert())
    save(folder, "first_elements.pt", FirstElements())
    save(folder, "in_place.pt", InPlace())
    save(folder, "swap.pt", Swap())
    save(folder, "sum_and_list.pt", SumAndList())
    save(folder, "optional_offset.pt", OptionalOffset())
    save(folder, "no_input.pt", NoInput())
    save(folder, "returns_number.pt", ReturnsNumber())
    save(folder, "returns_mixed_tuple.pt", ReturnsMixedTuple())
    save(folder, "returns_dictionary.pt", ReturnsDictionary())
    save(folder, "nested.pt", Nested())
    save(folder, "nested_number.pt", NestedNumber())
    save(folder, "takes_list.pt", TakesList())
    save(folder, "raises.pt", Raises())
    save(folder, "multiply.pt", Multiply())
    save(folder, "as_many.pt", AsMany())
    save(folder, "half.pt", Half())
    save(folder, "bad_arithmetic.pt", BadArithmetic())
    save(folder, "columns.pt", Columns(), COLUMNS_MANIFEST)
    save(folder, "fixed.pt", AddIndex(), FIXED_MANIFEST)
    offset = ["n", "m+1"]
    described = {"radml": 1, "inputs": [array("x", "float64", offset)], "outputs": [array("y", "float64", offset)]}
    save(folder, "offset.pt", AddIndex(), described)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that two runs of it differ is what it is for
        torch.jit.trace(nn.Dropout(0.5), torch.ones(3)).save(folder / "traced_in_training.pt")
        torch.jit.trace(nn.Dropout(0.0), torch.ones(3)).save(folder / "drops_nothing.pt")
    save(folder, "lies.pt", Lies(), LYING_MANIFEST)
    convolution = Convolution()
    profiles = torch.randn(7, 4, 60)
    save(folder, "convolution.pt", convolution)  # in training mode: to evaluate is the host's wish
    save(folder, "convolution_input.pt", Constant(profiles))
    with torch.no_grad():
        save(folder, "convolution_output.pt", Constant(convolution.eval()(profiles)))

    dense = Dense().eval()
    save(folder, "dense.pt", dense, DENSE_MANIFEST)
    save(folder, "dense_alone.pt", DenseAlone().eval())
    given = torch.randn(50, 24), torch.rand(24), torch.tensor(3.0, dtype=torch.float64)
    with torch.no_grad():
        for name, value in zip(("x", "table", "scale", "y", "total"), (*given, *dense(*given)), strict=True):
            save(folder, f"dense_{name}.pt", Constant(value))
    save(folder, "works_in_place.pt", WorksInPlace(), IN_PLACE_MANIFEST)
    save(folder, "needs_rows.pt", NeedsRows())
    save(folder, "total.pt", Total(), TOTAL_MANIFEST)
    save(folder, "kinds.pt", Swap(), KINDS_MANIFEST | {"outputs": KINDS_MANIFEST["outputs"][::-1]})
    export_residual_network(folder / "rescnn.pt")
    save_gradient_models(folder, generate_columns(16, 40, seed=6), INPUTS)

    save(folder, "manifest_not_json.pt", AddIndex(), "{ radml: 1")
    save(folder, "manifest_version_2.pt", AddIndex(), FIXED_MANIFEST | {"radml": 2})
    save(
        folder,
        "manifest_two_inputs.pt",
        AddIndex(),
        FIXED_MANIFEST | {"inputs": [array("x", "float64", []), array("z", "float64", [])]},
    )
    save(folder, "manifest_uint8.pt", AddIndex(), FIXED_MANIFEST | {"inputs": [array("x", "uint8", ["n"])]})
    save(folder, "manifest_bad_shape.pt", AddIndex(), FIXED_MANIFEST | {"inputs": [array("x", "float64", ["layer*2"])]})

    torch.jit.save(torch.jit.freeze(torch.jit.script(AddIndex().eval())), folder / "frozen.pt")
    torch.jit.save(torch.jit.trace(Swap(), (torch.ones(2), torch.zeros(2))), folder / "traced.pt")
    torch.jit.save(torch.jit.script(add_one), str(folder / "function.pt"))
    torch.save(convolution.state_dict(), folder / "weights.pt")
    whole = (folder / "add_index.pt").read_bytes()
    (folder / "truncated.pt").write_bytes(whole[: len(whole) // 2])
    (folder / "garbage.pt").write_bytes(b"this is no model\n" * 100)
    (folder / "empty.pt").write_bytes(b"")
    (folder / "a_directory.pt").mkdir(exist_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
