"""Write data/rrtmg_clouds.nc: RRTMG's cloud optics, longwave and shortwave, read out of the climt 0.31.0 wheel by symbol.

As in `extract_rrtmg_tables.py`, whose helpers it uses, the arrays are module variables of the compiled code.

    pip install climt==0.31.0 numpy netCDF4
    python tools/extract_rrtmg_cloud_tables.py data/rrtmg_clouds.nc
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
from extract_rrtmg_tables import CONSTANTS, fletcher64

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Spectrum:
    """One of the two compiled modules: what its names begin with, its bands, and its symbols of each property."""

    name: str
    short: str
    bands: int
    properties: tuple[tuple[str, str], ...]  # property, beginning of its symbol


@dataclass(frozen=True)
class Particles:
    """One kind of particle: nodes of its size and where RRTMG's symbols of it end."""

    name: str
    symbol: str
    axis: str
    first: float  # size of the first node [micrometre]
    step: float
    nodes: int
    meaning: str


SPECTRA = (
    Spectrum("longwave", "lw", 16, (("absorption", "abs"),)),
    Spectrum("shortwave", "sw", 14, (("extinction", "ext"), ("single_scattering_albedo", "ssa"), ("asymmetry", "asy"))),
)
PARTICLES = (
    Particles("liquid", "liq1", "liquid_radius", 2.5, 1.0, 58, "effective radius of droplets, Hu and Stamnes (1993)"),
    Particles("ice_fu", "ice3", "ice_fu_size", 5.0, 3.0, 46, "generalised effective size of crystals, Fu (1996, 1998)"),
    Particles("ice_streamer", "ice2", "ice_streamer_radius", 5.0, 3.0, 43, "effective radius of crystals, Streamer (Key 1996)"),
)
UNITS = {"absorption": "m2 g-1", "extinction": "m2 g-1", "single_scattering_albedo": "1", "asymmetry": "1"}


def load(spectrum: Spectrum) -> ctypes.CDLL:
    """The wheel's compiled module of one spectrum, after its own initialisation has filled the tables."""
    spec = importlib.util.find_spec("climt")
    if spec is None or spec.origin is None:
        sys.exit("extract_rrtmg_cloud_tables: the package climt is not installed; pip install climt==0.31.0")
    kind = spectrum.short
    libraries = sorted(Path(spec.origin).parent.glob(f"_components/rrtmg/{kind}/_rrtmg_{kind}*.so"))
    if not libraries:
        sys.exit(f"extract_rrtmg_cloud_tables: no compiled RRTMG {spectrum.name} module beside {spec.origin}")
    library = ctypes.CDLL(str(libraries[0]))
    library[f"rrtmg_{kind}_set_constants"](*(ctypes.byref(ctypes.c_double(value)) for value in CONSTANTS))
    library[f"rrtmg_{kind}_ini_wrapper"](ctypes.byref(ctypes.c_double(1004.64)))
    return library


def table(library: ctypes.CDLL, spectrum: Spectrum, symbol: str, nodes: int) -> np.ndarray:
    buffer = (ctypes.c_double * (spectrum.bands * nodes)).in_dll(library, f"__rr{spectrum.short}_cld_MOD_{symbol}")
    return np.frombuffer(buffer, dtype=np.float64).reshape(spectrum.bands, nodes).copy()


def _fill(file: netCDF4.Dataset) -> None:
    version = importlib.metadata.version("climt")
    file.setncatts(
        {
            "title": "RRTMG cloud optics by band: liquid water and ice, longwave and shortwave",
            "format_version": np.int32(FORMAT_VERSION),
            "source": f"AER RRTMG_LW v4.85 and RRTMG_SW v4.0, read by symbol from the PyPI wheel climt {version}",
            "license": "BSD-3-Clause, see rrtmg_clouds.LICENSE",
            "copyright": "Copyright (c) 2002-2020, Atmospheric & Environmental Research, Inc. (AER)",
            "references": "Hu and Stamnes 1993; Fu 1996; Fu et al. 1998; Key 1996 (Streamer user's guide); Iacono et al. 2008",
            "checksum": "attribute fletcher64 of each variable: Fletcher-64 over its little-endian 32-bit words",
            "history": "tools/extract_rrtmg_cloud_tables.py",
        }
    )

    def put(name: str, values: np.ndarray, dimensions: tuple[str, ...], units: str, long_name: str) -> None:
        if not np.isfinite(values).all():
            sys.exit(f"extract_rrtmg_cloud_tables: {name} holds values that are not finite")
        variable = file.createVariable(name, "f8", dimensions, zlib=True, complevel=9, shuffle=True)
        variable[:] = values
        variable.setncatts({"long_name": long_name, "units": units, "fletcher64": fletcher64(values)})

    for particles in PARTICLES:
        file.createDimension(particles.axis, particles.nodes)
        sizes = particles.first + particles.step * np.arange(particles.nodes)
        put(particles.axis, sizes, (particles.axis,), "um", particles.meaning)
    for spectrum in SPECTRA:
        library = load(spectrum)
        band = f"{spectrum.name}_band"
        file.createDimension(band, spectrum.bands)
        for particles in PARTICLES:
            properties = [(name, symbol + particles.symbol) for name, symbol in spectrum.properties]
            if spectrum.short == "sw" and particles.name == "ice_fu":
                properties.append(("delta_fraction", "fdlice3"))
            for name, symbol in properties:
                values = table(library, spectrum, symbol, particles.nodes)
                long_name = f"{name.replace('_', ' ')} of cloud {particles.name.replace('_', ', ')}, {spectrum.name}"
                full_name = f"{spectrum.name}_{particles.name}_{name}"
                put(full_name, values, (band, particles.axis), UNITS.get(name, "1"), long_name)


def write(path: Path) -> None:
    temporary = path.with_name(path.name + f".{os.getpid()}.tmp")
    try:
        with netCDF4.Dataset(temporary, "w", format="NETCDF4") as file:
            _fill(file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="file to write, e.g. data/rrtmg_clouds.nc")
    output = parser.parse_args().output
    write(output)
    print(f"{output}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
