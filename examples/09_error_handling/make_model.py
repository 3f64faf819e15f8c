"""Makes condensation.pt: vapour beyond saturation condenses and warms the air, at constant pressure."""

from pathlib import Path

import torch
from ftorch_bridge.exporting import Argument, Manifest, export


class Condensation(torch.nn.Module):
    """One Newton step towards saturation over water (Bolton, 1980)."""

    def forward(
        self, temperature: torch.Tensor, vapour: torch.Tensor, pressure: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        latent_heat_over_heat_capacity = 2.5e6 / 1004.0  # K
        saturation = 0.622 * 611.2 / pressure * torch.exp(17.67 * (temperature - 273.15) / (temperature - 29.65))
        slope = saturation * 17.67 * 243.5 / (temperature - 29.65) ** 2
        condensed = ((vapour - saturation) / (1 + latent_heat_over_heat_capacity * slope)).clamp(min=0)
        return temperature + latent_heat_over_heat_capacity * condensed, condensed


manifest = Manifest(
    "condensation",
    inputs=(
        Argument.parse("temperature:float64[column,layer]:K"),
        Argument.parse("specific_humidity:float64[column,layer]:kg kg-1"),
        Argument.parse("pressure:float64[column,layer]:Pa"),
    ),
    outputs=(
        Argument.parse("new_temperature:float64[column,layer]:K"),
        Argument.parse("condensed:float64[column,layer]:kg kg-1"),
    ),
)
export(Condensation().eval(), manifest, Path("condensation.pt"), columns=None)
print("condensation.pt written")
