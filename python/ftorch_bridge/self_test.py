"""Run by ``ftorch-bridge doctor`` in a process of its own, since a broken installation may end it: prints JSON.

Loads libradml, runs a small model through it and through PyTorch, compares the bits, and loads the model named as argument.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path


def bits_agree() -> bool:
    """Whether matrix products and functions of both precisions give the same bits in libradml and in PyTorch."""
    import numpy as np  # noqa: PLC0415 - what is broken may be any of these
    import torch  # noqa: PLC0415

    from ftorch_bridge.coupling import Model  # noqa: PLC0415

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.narrow = torch.nn.Linear(40, 70)
            self.wide = torch.nn.Linear(40, 70).double()

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.tanh(self.narrow(x)), torch.exp(-(self.wide(y) ** 2))

    random = np.random.default_rng(1)
    inputs = [random.normal(size=(33, 40)).astype("f4"), random.normal(size=(40, 33)).T]
    outputs = [np.zeros((33, 70), "f4"), np.zeros((33, 70))]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.pt"
        torch.jit.script(Small().eval()).save(path)
        module = torch.jit.freeze(torch.jit.load(path).eval())
        with Model(path) as model, torch.inference_mode():
            model.forward(inputs, outputs)
            wanted = module(*map(torch.from_numpy, inputs))
    torch.set_num_threads(threads)
    return all(a.tobytes() == b.numpy().tobytes() for a, b in zip(outputs, wanted, strict=True))


def device_of(path: Path) -> str:
    """The device that a model is for: ``cuda`` of a package that was compiled for that, else ``cpu``."""
    from ftorch_bridge.manifest import ExportError, read_manifest  # noqa: PLC0415

    try:
        package = read_manifest(path).get("package")
    except ExportError:
        return "cpu"  # libradml will say what is wrong with it
    return "cuda" if isinstance(package, dict) and package.get("device") == "cuda" else "cpu"


def main() -> None:
    """Print what was found as JSON."""
    warnings.simplefilter("ignore")
    from ftorch_bridge.coupling import Model, RadmlError, get_num_threads, versions  # noqa: PLC0415
    from ftorch_bridge.loader import loaded_libraries  # noqa: PLC0415

    library = versions()
    found: dict[str, object] = {"radml": library.radml, "built_for": library.torch, "threads": get_num_threads()}
    found["bits_agree"] = bits_agree()
    found["libraries"] = loaded_libraries()
    for path in sys.argv[1:]:
        try:
            Model(path, device=device_of(Path(path))).close()
            found["model"] = ""
        except RadmlError as error:
            found["model"] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
