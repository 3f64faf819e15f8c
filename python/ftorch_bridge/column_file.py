"""The column file: atmospheric columns, and the fluxes computed for them, as NetCDF-4.

Layers run from the top of the atmosphere down; ``level = layer + 1`` counts the interfaces between layers.
Every reader and writer of the project, Fortran or Python, follows the tables in this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from ftorch_bridge.files import whole_file


class ColumnFileError(ValueError):
    """A column file that cannot be used: the message names the file, the variable, what was expected and what came."""


@dataclass(frozen=True)
class Variable:
    """One variable of a column file or flux file."""

    name: str
    dimensions: tuple[str, ...]
    units: str
    standard_name: str | None
    long_name: str
    required: bool = True


_LEVEL, _LAYER, _COLUMN = ("column", "level"), ("column", "layer"), ("column",)
_DRY = "mole of {} per mole of dry air"

COLUMN_VARIABLES: tuple[Variable, ...] = (
    Variable("pressure_level", _LEVEL, "Pa", "air_pressure", "air pressure at levels"),
    Variable("temperature_level", _LEVEL, "K", "air_temperature", "air temperature at levels"),
    Variable("pressure_layer", _LAYER, "Pa", "air_pressure", "air pressure of layers"),
    Variable("temperature_layer", _LAYER, "K", "air_temperature", "air temperature of layers"),
    Variable("h2o", _LAYER, "mol mol-1", None, _DRY.format("water vapour")),
    Variable("o3", _LAYER, "mol mol-1", "mole_fraction_of_ozone_in_air", _DRY.format("ozone")),
    Variable("co2", _LAYER, "mol mol-1", "mole_fraction_of_carbon_dioxide_in_air", _DRY.format("carbon dioxide")),
    Variable("ch4", _LAYER, "mol mol-1", "mole_fraction_of_methane_in_air", _DRY.format("methane")),
    Variable("n2o", _LAYER, "mol mol-1", "mole_fraction_of_nitrous_oxide_in_air", _DRY.format("nitrous oxide")),
    Variable("o2", _LAYER, "mol mol-1", "mole_fraction_of_molecular_oxygen_in_air", _DRY.format("oxygen")),
    Variable("cfc11", _LAYER, "mol mol-1", "mole_fraction_of_cfc11_in_air", _DRY.format("CFC-11"), required=False),
    Variable("cfc12", _LAYER, "mol mol-1", "mole_fraction_of_cfc12_in_air", _DRY.format("CFC-12"), required=False),
    Variable("cfc22", _LAYER, "mol mol-1", "mole_fraction_of_hcfc22_in_air", _DRY.format("HCFC-22"), required=False),
    Variable(
        "ccl4",
        _LAYER,
        "mol mol-1",
        "mole_fraction_of_carbon_tetrachloride_in_air",
        _DRY.format("carbon tetrachloride"),
        required=False,
    ),
    Variable("cloud_fraction", _LAYER, "1", "cloud_area_fraction_in_atmosphere_layer", "cloud fraction", required=False),
    Variable("cloud_liquid_path", _LAYER, "kg m-2", None, "liquid water path inside the cloud", required=False),
    Variable("cloud_ice_path", _LAYER, "kg m-2", None, "ice water path inside the cloud", required=False),
    Variable(
        "liquid_radius",
        _LAYER,
        "m",
        "effective_radius_of_cloud_liquid_water_particles",
        "effective radius of cloud droplets",
        required=False,
    ),
    Variable(
        "ice_radius",
        _LAYER,
        "m",
        "effective_radius_of_cloud_ice_particles",
        "effective radius of cloud ice particles",
        required=False,
    ),
    Variable("surface_temperature", _COLUMN, "K", "surface_temperature", "surface temperature"),
    Variable("surface_emissivity", _COLUMN, "1", "surface_longwave_emissivity", "longwave emissivity of the surface"),
    Variable("surface_albedo", _COLUMN, "1", "surface_albedo", "shortwave albedo of the surface", required=False),
    Variable("cos_zenith", _COLUMN, "1", None, "cosine of the solar zenith angle", required=False),
    Variable(
        "solar_irradiance",
        _COLUMN,
        "W m-2",
        None,
        "solar irradiance at the top, normal to the beam",
        required=False,
    ),
    Variable("latitude", _COLUMN, "degrees_north", "latitude", "latitude", required=False),
    Variable("longitude", _COLUMN, "degrees_east", "longitude", "longitude", required=False),
    Variable("land_fraction", _COLUMN, "1", "land_area_fraction", "share of land", required=False),
    # Columns of one profile, on whatever grid, with whatever clouds, belong on one side of a split into training and test.
    Variable("profile", _COLUMN, "1", None, "number of the profile that the column was made from", required=False),
)

# Where a column is and where it comes from: nothing to radiation.
PLACE_VARIABLES = ("latitude", "longitude", "land_fraction", "profile")
CLOUD_VARIABLES = ("cloud_fraction", "cloud_liquid_path", "cloud_ice_path", "liquid_radius", "ice_radius")


def _clear_and_noise(spectrum: str, prefix: str) -> tuple[Variable, ...]:
    """What a file of results has beside the fluxes where the columns have clouds."""
    return (
        *(
            Variable(
                f"{prefix}_{way}_clear",
                _LEVEL,
                "W m-2",
                f"{way}welling_{spectrum}_flux_in_air_assuming_clear_sky",
                f"{way}ward {spectrum} flux at levels without clouds",
                required=False,
            )
            for way in ("up", "down")
        ),
        *(
            Variable(
                f"{prefix}_{way}_noise",
                _LEVEL,
                "W m-2",
                None,
                f"standard deviation of {prefix}_{way} in one draw of subcolumns",
                required=False,
            )
            for way in ("up", "down")
        ),
    )


# Where the columns have a sun.
SHORTWAVE_FLUX_VARIABLES: tuple[Variable, ...] = (
    Variable("sw_up", _LEVEL, "W m-2", "upwelling_shortwave_flux_in_air", "upward shortwave flux at levels", required=False),
    Variable(
        "sw_down", _LEVEL, "W m-2", "downwelling_shortwave_flux_in_air", "downward shortwave flux at levels", required=False
    ),
    Variable("sw_direct", _LEVEL, "W m-2", None, "direct part of the downward shortwave flux", required=False),
    Variable(
        "sw_heating_rate",
        _LAYER,
        "K day-1",
        "tendency_of_air_temperature_due_to_shortwave_heating",
        "shortwave heating rate of layers",
        required=False,
    ),
    *_clear_and_noise("shortwave", "sw"),
    *(
        Variable(
            f"sw_surface_{part}_{light}",
            _COLUMN,
            "W m-2",
            None,
            f"{light} downward flux at the surface {side} 625 nm",
            required=False,
        )
        for part, side in (("visible", "below"), ("near_infrared", "beyond"))
        for light in ("direct", "diffuse")
    ),
)

FLUX_VARIABLES: tuple[Variable, ...] = (
    Variable("lw_up", _LEVEL, "W m-2", "upwelling_longwave_flux_in_air", "upward longwave flux at levels"),
    Variable("lw_down", _LEVEL, "W m-2", "downwelling_longwave_flux_in_air", "downward longwave flux at levels"),
    Variable(
        "lw_heating_rate",
        _LAYER,
        "K day-1",
        "tendency_of_air_temperature_due_to_longwave_heating",
        "longwave heating rate of layers",
    ),
    *_clear_and_noise("longwave", "lw"),
    *SHORTWAVE_FLUX_VARIABLES,
)

VARIABLES: dict[str, Variable] = {variable.name: variable for variable in (*COLUMN_VARIABLES, *FLUX_VARIABLES)}


def _check(dataset: xr.Dataset, variables: tuple[Variable, ...], where: str) -> None:
    """Raise :class:`ColumnFileError` unless ``dataset`` holds ``variables`` with their dimensions, units and sane numbers."""
    for variable in variables:
        if variable.name not in dataset.variables:
            if variable.required:
                raise ColumnFileError(f"{where}: variable {variable.name} is missing")
            continue
        array = dataset[variable.name]
        if array.dims != variable.dimensions:
            raise ColumnFileError(f"{where}: {variable.name}: expected dimensions {variable.dimensions}, got {array.dims}")
        units = array.attrs.get("units", variable.units)
        if units != variable.units:
            raise ColumnFileError(f"{where}: {variable.name}: expected units {variable.units!r}, got {units!r}")
        values = array.to_numpy()
        if not np.isfinite(values).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
            raise ColumnFileError(f"{where}: {variable.name}: not a finite number at {array.dims} = {place}")
    if dataset.sizes.get("level") != dataset.sizes.get("layer", -1) + 1:
        raise ColumnFileError(
            f"{where}: expected level = layer + 1, got level = {dataset.sizes.get('level')}, "
            f"layer = {dataset.sizes.get('layer')}"
        )


def load_netcdf(path: Path | str, columns: slice | None = None) -> xr.Dataset:
    """A NetCDF file as it is stored, or some ``columns`` of it. Raises :class:`ColumnFileError`."""
    path = Path(path)
    if not path.is_file():
        raise ColumnFileError(f"{path}: no such file")
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_times=False) as dataset:
            return (dataset if columns is None else dataset.isel(column=columns)).load()
    except (OSError, ValueError) as error:
        raise ColumnFileError(f"{path}: cannot be read as NetCDF: {error}") from error


def _read(path: Path | str, variables: tuple[Variable, ...], columns: slice | None = None) -> xr.Dataset:
    dataset = load_netcdf(path, columns)
    _check(dataset, variables, str(path))
    return dataset


def read_columns(path: Path | str, columns: slice | None = None) -> xr.Dataset:
    """Read a column file or some ``columns`` of it; shapes and units are those of :data:`COLUMN_VARIABLES`.

    Raises :class:`ColumnFileError`, whose message counts the columns that were read.
    """
    dataset = _read(path, COLUMN_VARIABLES, columns)
    rising = np.diff(dataset["pressure_level"].to_numpy(), axis=1) > 0
    if not rising.all():
        column, layer = (int(i) for i in np.argwhere(~rising)[0])
        raise ColumnFileError(
            f"{path}: pressure_level: expected to grow from the top down, does not in column {column}, layer {layer}"
        )
    return dataset


def read_fluxes(path: Path | str) -> xr.Dataset:
    """Read a flux file; shapes and units are those of :data:`FLUX_VARIABLES`. Raises :class:`ColumnFileError`."""
    return _read(path, FLUX_VARIABLES)


def write(dataset: xr.Dataset, path: Path | str) -> None:
    """Write columns or fluxes with their CF attributes, compressed, to a temporary name and rename it to ``path``.

    Raises :class:`ColumnFileError`.
    """
    path = Path(path)
    dataset = dataset.copy()
    for name in dataset.data_vars:
        variable = VARIABLES.get(str(name))
        if variable is None:
            continue
        attributes = {"units": variable.units, "long_name": variable.long_name}
        if variable.standard_name:
            attributes["standard_name"] = variable.standard_name
        dataset[name].attrs.update(attributes)
    dataset.attrs.setdefault("Conventions", "CF-1.10")
    present = tuple(v for v in VARIABLES.values() if v.name in dataset.variables)
    _check(dataset, present, str(path))
    encoding = {str(name): {"zlib": True, "complevel": 1, "shuffle": True} for name in dataset.data_vars}
    try:
        with whole_file(path) as temporary:
            dataset.to_netcdf(temporary, engine="netcdf4", format="NETCDF4", encoding=encoding)
    except (OSError, RuntimeError) as error:
        raise ColumnFileError(f"{path}: cannot be written; is there room, and permission? {error}") from error
