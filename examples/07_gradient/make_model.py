"""Makes sounder.pt: what an instrument of three channels sees of a temperature profile."""

from pathlib import Path

import torch
from ftorch_bridge.exporting import Argument, Manifest, export


class Sounder(torch.nn.Module):
    """Black-body emission of the layers, each channel with its own weights."""

    def __init__(self) -> None:
        super().__init__()
        weights = [[0.5, 0.3, 0.15, 0.05, 0.0], [0.1, 0.25, 0.3, 0.25, 0.1], [0.0, 0.05, 0.15, 0.3, 0.5]]
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float64))

    def forward(self, temperature: torch.Tensor) -> torch.Tensor:
        return 5.67e-8 * temperature.pow(4) @ self.weights.T


manifest = Manifest(
    "sounder",
    inputs=(Argument.parse("temperature:float64[column,5]:K"),),
    outputs=(Argument.parse("radiance:float64[column,3]:W m-2"),),
)
export(Sounder().eval(), manifest, Path("sounder.pt"), columns=None)
print("sounder.pt written")
