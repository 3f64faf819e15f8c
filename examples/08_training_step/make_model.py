"""Makes evaporation.pt: a small network that is to be trained by the host."""

from pathlib import Path

import torch
from ftorch_bridge.exporting import Argument, Manifest, export


class Evaporation(torch.nn.Module):
    """Evaporation from sea-surface temperature and wind."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).double()

    def forward(self, temperature: torch.Tensor, wind: torch.Tensor) -> torch.Tensor:
        features = torch.stack([(temperature - 290.0) / 6.0, (wind - 8.0) / 4.0], 1)
        return 5.0 + 5.0 * self.layers(features)[:, 0]


manifest = Manifest(
    "evaporation",
    inputs=(Argument.parse("temperature:float64[column]:K"), Argument.parse("wind:float64[column]:m s-1")),
    outputs=(Argument.parse("evaporation:float64[column]:mm day-1"),),
)
export(Evaporation().eval(), manifest, Path("evaporation.pt"), columns=None, trainable=True)
print("evaporation.pt written")
