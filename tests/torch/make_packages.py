"""Writes the packages (.pt2) of the coupling tests into a folder, through ftorch_bridge: make_packages.py FOLDER."""

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from ftorch_bridge.exporting import describe, export
from torch import Tensor, nn


class Radiation(nn.Module):
    """Two kinds, a scalar, free dimensions with an offset, nested outputs."""

    def forward(
        self, pressure: Tensor, q: Tensor, albedo: Tensor, solar: Tensor
    ) -> tuple[Tensor, dict[str, Tensor | list[Tensor]]]:
        heating = (pressure[:, 1:] - pressure[:, :-1]) * q.double() * albedo.unsqueeze(1)
        return pressure * 2 + solar, {"heating": heating, "more": [q * 3, heating.sum(1)]}


class Perceptron(nn.Module):
    """Matrix products, and a dimension that may not be more than 1000."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, x: Tensor) -> Tensor:
        torch._check(x.size(0) <= 1000)
        return self.layers(x)


class InPlace(nn.Module):
    """Works in place, and computes what traps: invalid operations, divisions by zero, overflows."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x.add_(1)
        zero = x - x
        never = x > 1e300
        y = torch.where(never, zero / zero, x)
        y = torch.where(never, (zero + 1) / zero, y)
        return torch.where(never, torch.exp((zero + 1) * 1e6), y), x


def rewrite(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """A copy of an archive with each record changed by ``change``, or left out where that gives None."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if (data := change(name.partition("/")[2], old.read(name))) is not None:
                new.writestr(name, data)


def with_manifest(source: Path, target: Path, change: Callable[[dict], None]) -> None:
    """A copy of an exported model of either format whose manifest ``change`` has changed."""

    def edited(name: str, data: bytes) -> bytes:
        if name != "extra/radml.json":
            return data
        manifest = json.loads(data)
        change(manifest)
        return json.dumps(manifest).encode()

    rewrite(source, target, edited)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    radiation = folder / "radiation.pt2"
    module = Radiation().eval()
    inputs = [
        "pressure_level:float64[column,layer+1]:Pa",
        "q:float32[column,layer]:1",
        "albedo:float64[column]:1",
        "solar:float64[]:W m-2",
    ]
    outputs = [
        "flux:float64[column,layer+1]",
        "heating:float64[column,layer]",
        "triple:float32[column,layer]",
        "total:float64[column]",
    ]
    export(module, describe(module, "radiation", "float64", inputs, outputs, {"note": "a test"}), radiation, columns=None)

    perceptron = Perceptron().eval()
    contract = describe(perceptron, "perceptron", "float32", ["x:float32[n,6]"], ["y:float32[n,2]"], {})
    export(perceptron, contract, folder / "perceptron.pt2", columns=None, limits={"n": (0, 1000)})
    export(perceptron.layers, contract, folder / "perceptron.pt", columns=None)

    in_place = InPlace().eval()
    contract = describe(in_place, "in_place", "float64", ["x:float64[n,m]"], ["y:float64[n,m]", "z:float64[n,m]"], {})
    export(in_place, contract, folder / "in_place.pt2", columns=None)
    # A manifest that hides that the model writes: the host's array changes, so it is seen that it was not copied.
    with_manifest(folder / "in_place.pt2", folder / "viewed.pt2", lambda m: m["inputs"][0].update(written=False))

    (folder / "package_named.pt").write_bytes(radiation.read_bytes())
    (folder / "torchscript_named.pt2").write_bytes((folder / "perceptron.pt").read_bytes())
    whole = radiation.read_bytes()
    (folder / "truncated.pt2").write_bytes(whole[: len(whole) // 2])
    (folder / "garbage.pt2").write_bytes(b"this is no model\n" * 100)
    with zipfile.ZipFile(folder / "another_archive.pt2", "w") as archive:
        archive.writestr("model/text", "no model")
    rewrite(radiation, folder / "no_manifest.pt2", lambda name, data: None if name == "extra/radml.json" else data)
    rewrite(radiation, folder / "no_library.pt2", lambda name, data: None if name.endswith(".so") else data)
    rewrite(
        radiation,
        folder / "damaged.pt2",
        lambda name, data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:] if name.endswith(".so") else data,
    )
    torch.export.save(torch.export.export(perceptron, (torch.zeros(3, 6),)), folder / "not_compiled.pt2")
    changes: dict[str, Callable[[dict], None]] = {
        "other_torch": lambda m: m.update(torch="1.13.1+cpu"),
        "other_machine": lambda m: m["package"].update(machine="vax"),
        "other_device": lambda m: m["package"].update(device="cuda", compute_capability="9.0"),
        "unknown_device": lambda m: m["package"].update(device="tpu"),
        "no_capability": lambda m: m["package"].update(device="cuda"),
        "more_instructions": lambda m: m["package"]["instructions"].append("avx1024f"),
        "no_package": lambda m: m.pop("package"),
        "no_layout": lambda m: m["inputs"][1].pop("layout"),
        "wrong_layout": lambda m: m["inputs"][1].update(layout="diagonal"),
        "wrong_range": lambda m: m.update(ranges={"column": 3}),
        "no_checksum": lambda m: m["package"].update(crc32={}),
        "three_inputs": lambda m: m["inputs"].pop(),
        "three_outputs": lambda m: m["outputs"].pop(),
    }
    for name, change in changes.items():
        with_manifest(radiation, folder / f"{name}.pt2", change)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
