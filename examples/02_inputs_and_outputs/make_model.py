"""Makes moist_air.pt, a model of three inputs whose three outputs are a dictionary."""

from pathlib import Path

import torch
from ftorch_bridge.exporting import Argument, Manifest, export


class MoistAir(torch.nn.Module):
    """Relative humidity over water (Bolton, 1980), virtual temperature, and the water vapour in a column."""

    def forward(
        self, temperature: torch.Tensor, humidity: torch.Tensor, pressure_level: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        thickness = pressure_level[:, 1:] - pressure_level[:, :-1]
        pressure = 0.5 * (pressure_level[:, 1:] + pressure_level[:, :-1])
        saturation = 611.2 * torch.exp(17.67 * (temperature - 273.15) / (temperature - 29.65))
        return {
            "relative_humidity": humidity * pressure / (0.622 + 0.378 * humidity) / saturation,
            "virtual_temperature": temperature * (1 + 0.608 * humidity),
            "precipitable_water": (humidity * thickness).sum(dim=1) / 9.80665,
        }


manifest = Manifest(
    "moist_air",
    inputs=(
        Argument.parse("temperature:float64[column,layer]:K"),
        Argument.parse("specific_humidity:float64[column,layer]:kg kg-1"),
        Argument.parse("pressure_level:float64[column,layer+1]:Pa"),
    ),
    outputs=(
        Argument.parse("relative_humidity:float64[column,layer]:1"),
        Argument.parse("virtual_temperature:float64[column,layer]:K"),
        Argument.parse("precipitable_water:float64[column]:kg m-2"),
    ),
)
export(MoistAir().eval(), manifest, Path("moist_air.pt"), columns=None)
print("moist_air.pt written")
