"""Makes diffusion.pt: one implicit step of vertical diffusion, which is a matrix product over the layers."""

from pathlib import Path

import torch
from ftorch_bridge.exporting import Argument, Manifest, export

LAYERS = 20
DIFFUSION_NUMBER = 0.5  # diffusivity times time step over the square of a layer's thickness


class Diffusion(torch.nn.Module):
    """Backward in time, nothing through bottom and top: (1 - number * second difference)^-1 applied to each column."""

    def __init__(self) -> None:
        super().__init__()
        ones = torch.ones(LAYERS - 1, dtype=torch.float64)
        second_difference = torch.diag(ones, 1) + torch.diag(ones, -1)
        second_difference -= torch.diag(second_difference.sum(dim=0))
        step = torch.eye(LAYERS, dtype=torch.float64) - DIFFUSION_NUMBER * second_difference
        self.register_buffer("matrix", torch.linalg.inv(step))

    def forward(self, temperature: torch.Tensor) -> torch.Tensor:
        return temperature @ self.matrix


manifest = Manifest(
    "diffusion",
    inputs=(Argument.parse(f"temperature:float64[column,{LAYERS}]:K"),),
    outputs=(Argument.parse(f"new_temperature:float64[column,{LAYERS}]:K"),),
)
export(Diffusion().eval(), manifest, Path("diffusion.pt"), columns=None)
print("diffusion.pt written")
