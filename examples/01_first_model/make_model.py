"""Makes dew_point.pt, a TorchScript model of two inputs and one output, with a manifest that says so."""

import json

import torch


class DewPoint(torch.nn.Module):
    """Dew point from temperature and relative humidity, by the Magnus formula over water (Alduchov and Eskridge, 1996)."""

    def forward(self, temperature: torch.Tensor, humidity: torch.Tensor) -> torch.Tensor:
        celsius = temperature - 273.15
        gamma = torch.log(humidity) + 17.625 * celsius / (243.04 + celsius)
        return 243.04 * gamma / (17.625 - gamma) + 273.15


def array(name: str, units: str) -> dict[str, object]:
    return {"name": name, "kind": "float64", "shape": ["column", "layer"], "units": units}


manifest = {
    "radml": 1,
    "name": "dew_point",
    "torch": torch.__version__,
    "inputs": [array("temperature", "K"), array("relative_humidity", "1")],
    "outputs": [array("dew_point_temperature", "K")],
    "metadata": {},
}

torch.jit.save(torch.jit.script(DewPoint()), "dew_point.pt", _extra_files={"radml.json": json.dumps(manifest)})
print("dew_point.pt written")
