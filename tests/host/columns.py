"""Small column files for the tests of the host's programs, written without the project's own writers."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np

UNITS = {
    "pressure_level": "Pa",
    "temperature_level": "K",
    "pressure_layer": "Pa",
    "temperature_layer": "K",
    "h2o": "mol mol-1",
    "o3": "mol mol-1",
    "co2": "mol mol-1",
    "ch4": "mol mol-1",
    "n2o": "mol mol-1",
    "o2": "mol mol-1",
    "cfc11": "mol mol-1",
    "cloud_fraction": "1",
    "cloud_liquid_path": "kg m-2",
    "cloud_ice_path": "kg m-2",
    "liquid_radius": "m",
    "ice_radius": "m",
    "surface_temperature": "K",
    "surface_emissivity": "1",
    "surface_albedo": "1",
    "cos_zenith": "1",
    "solar_irradiance": "W m-2",
    "latitude": "degrees_north",
    "longitude": "degrees_east",
    "land_fraction": "1",
}


def make_columns(n_columns: int = 5, n_layers: int = 30) -> dict[str, np.ndarray]:
    """Columns from warm and moist to cold and dry: 6.5 K per km up to 200 hPa, isothermal above, ozone around 10 hPa."""
    warmth = np.linspace(0.0, 1.0, n_columns)[::-1, None]
    surface_pressure = 1.0e5 + 1.0e3 * warmth
    sigma = np.linspace(0.0, 1.0, n_layers + 1)[None, :] ** 1.6
    pressure_level = 10.0 + (surface_pressure - 10.0) * sigma
    pressure_layer = 0.5 * (pressure_level[:, 1:] + pressure_level[:, :-1])
    surface_temperature = 255.0 + 45.0 * warmth

    def temperature(pressure: np.ndarray) -> np.ndarray:
        adiabat = surface_temperature * (pressure / surface_pressure) ** 0.19
        return np.maximum(adiabat, 205.0 - 5.0 * warmth)

    t_layer = temperature(pressure_layer)
    saturation = 611.2 * np.exp(17.67 * (t_layer - 273.15) / (t_layer - 29.65))
    h2o = np.maximum(0.6 * saturation / pressure_layer * (pressure_layer / surface_pressure), 4.0e-6)
    h2o = np.minimum(h2o, 0.04)
    o3 = 3.0e-8 + 8.0e-6 * np.exp(-0.5 * (np.log(pressure_layer / 1000.0) / 1.1) ** 2)
    ones = np.ones_like(pressure_layer)
    return {
        "pressure_level": pressure_level,
        "temperature_level": temperature(pressure_level),
        "pressure_layer": pressure_layer,
        "temperature_layer": t_layer,
        "h2o": h2o,
        "o3": o3,
        "co2": 420.0e-6 * ones,
        "ch4": 1.9e-6 * ones,
        "n2o": 0.33e-6 * ones,
        "o2": 0.209 * ones,
        "surface_temperature": surface_temperature[:, 0],
        "surface_emissivity": 0.98 + 0.0 * surface_temperature[:, 0],
        "surface_albedo": 0.2 + 0.0 * surface_temperature[:, 0],
        "cos_zenith": 0.1 + 0.8 * warmth[:, 0],
        "solar_irradiance": 1361.0 + 0.0 * surface_temperature[:, 0],
    }


def write_columns(
    path: Path,
    columns: dict[str, np.ndarray],
    units: dict[str, str] | None = None,
    dimensions: dict[str, tuple[str, ...]] | None = None,
) -> Path:
    """Writes a column file; `units` and `dimensions` replace those of single variables."""
    n_columns, n_layers = columns["pressure_layer"].shape
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("column", n_columns)
        file.createDimension("layer", n_layers)
        file.createDimension("level", columns["pressure_level"].shape[1])
        for name, values in columns.items():
            standard = ("column",) if values.ndim == 1 else ("column", "level" if name.endswith("_level") else "layer")
            variable = file.createVariable(name, "f8", (dimensions or {}).get(name, standard))
            variable.units = (units or {}).get(name, UNITS[name])
            variable[:] = values
    return path
