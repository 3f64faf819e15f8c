"""Write data/rrtmg_longwave.nc or data/rrtmg_shortwave.nc: AER's RRTMG coefficient tables, read out of the climt 0.31.0 wheel.

The compiled modules in that wheel export AER's module variables as symbols; they are read by name, after their own
initialisation has filled them. No source code is involved. The tables are kept on AER's 16 g-points per band; the Fortran
side reduces them to RRTMG's 140 (longwave) and 112 (shortwave) g-points when it reads the file.

    pip install climt==0.31.0 numpy netCDF4
    python tools/extract_rrtmg_tables.py data/rrtmg_longwave.nc
    python tools/extract_rrtmg_tables.py --shortwave data/rrtmg_shortwave.nc
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import importlib.util
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import netCDF4
import numpy as np

FORMAT_VERSION = 1
TEMPERATURES, MINOR_TEMPERATURES = 5, 19
LOWER_PRESSURES, UPPER_PRESSURES, REFERENCE_LEVELS = 13, 47, 59
SELF_TEMPERATURES, FOREIGN_TEMPERATURES = 10, 4

# Physical constants that the wheel's initialisation wants (CODATA 1998, as in RRTMG).
CONSTANTS = (
    np.pi, 9.8066, 6.62606876e-27, 1.3806503e-16, 2.99792458e10,
    6.02214199e23, 2.6867775e19, 8.314472e7, 5.6704e-12, 8.64e4,
)  # fmt: skip


@dataclass(frozen=True)
class Band:
    """What tables a band has: points of the binary parameter (1: one key species, 0: none) and minor absorbers."""

    lower: int
    upper: int
    lower_minor: dict[str, int]  # absorber: points of its binary parameter
    upper_minor: dict[str, int]
    cross_sections: tuple[str, ...] = ()
    lower_fractions: int = 1
    upper_fractions: int = 1


BANDS = (
    Band(1, 1, {"n2": 1}, {"n2": 1}),
    Band(1, 1, {}, {}),
    Band(9, 5, {"n2o": 9}, {"n2o": 5}, (), 9, 5),
    Band(9, 5, {}, {}, (), 9, 5),
    Band(9, 5, {"o3": 9}, {}, ("ccl4",), 9, 5),
    Band(1, 0, {"co2": 1}, {}, ("cfc11", "cfc12"), 1, 0),
    Band(9, 1, {"co2": 9}, {"co2": 1}, (), 9, 1),
    Band(1, 1, {"co2": 1, "o3": 1, "n2o": 1}, {"co2": 1, "n2o": 1}, ("cfc12", "cfc22")),
    Band(9, 1, {"n2o": 9}, {"n2o": 1}, (), 9, 1),
    Band(1, 1, {}, {}),
    Band(1, 1, {"o2": 1}, {"o2": 1}),
    Band(9, 0, {}, {}, (), 9, 0),
    Band(9, 0, {"co2": 9, "co": 9}, {"o3": 1}, (), 9, 1),
    Band(1, 1, {}, {}),
    Band(9, 0, {"n2": 9}, {}, (), 9, 0),
    Band(9, 1, {}, {}, (), 9, 1),
)
# AER's names of cross sections: "adj" marks those scaled to the whole band.
CROSS_SECTION_SYMBOLS = {"ccl4": "ccl4o", "cfc11": "cfc11adjo", "cfc12": "cfc12o", "cfc22": "cfc22adjo"}


@dataclass(frozen=True)
class ShortwaveBand:
    """What tables a shortwave band has: points of the binary parameter (1: one key species, 0: none), single-row gases."""

    lower: int
    upper: int
    foreign: int = 0  # temperatures of the foreign continuum, the last for the upper atmosphere; 0: no continuum
    gases: tuple[tuple[str, str], ...] = ()  # our name of a gas with one coefficient per g-point, AER's symbol
    rayleigh: bool = True  # a number per g-point; otherwise one for the band
    solar: int = 1  # points of the binary parameter of the solar source
    layer: int = 0  # reference level whose layer sets the mixture for the solar source; 0: it needs none


SHORTWAVE_BANDS = (
    ShortwaveBand(9, 1, 3, (), False),
    ShortwaveBand(9, 5, 4, (), False, 5, 30),
    ShortwaveBand(9, 1, 3, (), False, 9, 6),
    ShortwaveBand(9, 1, 3, (), False, 9, 3),
    ShortwaveBand(1, 1, 4, (("ch4", "absch4o"),), False),
    ShortwaveBand(9, 5, 4, (), False, 9, 8),
    ShortwaveBand(9, 1, 3, (), False, 9, 2),
    ShortwaveBand(1, 0, 3),
    ShortwaveBand(9, 1, 3, (("lower_o3", "abso3ao"), ("upper_o3", "abso3bo")), True, 9, 1),
    ShortwaveBand(1, 0, 0, (("lower_o3", "abso3ao"), ("upper_o3", "abso3bo"))),
    ShortwaveBand(0, 0),
    ShortwaveBand(1, 1),
    ShortwaveBand(9, 5, 0, (), False, 5, 58),
    ShortwaveBand(1, 1, 4, (("lower_co2", "absco2o"), ("upper_h2o", "absh2oo")), False),
)
FIRST_SHORTWAVE_BAND = 16  # as AER counts them
BAND_WITH_BINARY_RAYLEIGH = 24
# NRLSSI2's mean over solar cycles 13 to 24 of facular brightening, sunspot dimming and quiet sun, at 1 au [W m-2].
SOLAR_PARTS = {"facbrghto": 0.996047, "snsptdrko": -0.511590, "irradnceo": 1360.37}


def fletcher64(values: np.ndarray) -> str:
    """Fletcher's checksum over the 32-bit words of the little-endian values, as 16 hexadecimal digits."""
    words = np.frombuffer(np.ascontiguousarray(values, dtype="<f8").tobytes(), dtype="<u4")
    modulus = 2**32 - 1
    first = second = 0
    for word in words.tolist():
        first = (first + word) % modulus
        second = (second + first) % modulus
    return f"{second:08x}{first:08x}"


class Wheel:
    """A compiled RRTMG module of the climt wheel, longwave (lw) or shortwave (sw), and its module variables by name."""

    def __init__(self, kind: str = "lw") -> None:
        self.kind = kind
        spec = importlib.util.find_spec("climt")
        if spec is None or spec.origin is None:
            sys.exit("extract_rrtmg_tables: the package climt is not installed; pip install climt==0.31.0")
        libraries = sorted(Path(spec.origin).parent.glob(f"_components/rrtmg/{kind}/_rrtmg_{kind}*.so"))
        if not libraries:
            sys.exit(f"extract_rrtmg_tables: no compiled RRTMG module ({kind}) beside {spec.origin}")
        self.library = ctypes.CDLL(str(libraries[0]))
        by_reference = [ctypes.byref(ctypes.c_double(value)) for value in CONSTANTS]
        self.library[f"rrtmg_{kind}_set_constants"](*by_reference)
        self.library[f"rrtmg_{kind}_ini_wrapper"](ctypes.byref(ctypes.c_double(1004.64)))

    def real(self, module: str, name: str, *shape: int) -> np.ndarray:
        """Module variable as an array; `shape` is in C order, so the reverse of the Fortran declaration."""
        buffer = (ctypes.c_double * int(np.prod(shape))).in_dll(self.library, f"__rr{self.kind}_{module}_MOD_{name}")
        return np.frombuffer(buffer, dtype=np.float64).reshape(shape).copy()

    def integer(self, module: str, name: str, *shape: int) -> np.ndarray:
        buffer = (ctypes.c_int * int(np.prod(shape))).in_dll(self.library, f"__rr{self.kind}_{module}_MOD_{name}")
        return np.frombuffer(buffer, dtype=np.int32).reshape(shape).copy()


def write(path: Path, shortwave: bool = False) -> None:
    wheel = Wheel("sw" if shortwave else "lw")
    temporary = path.with_name(path.name + f".{os.getpid()}.tmp")
    try:
        with netCDF4.Dataset(temporary, "w", format="NETCDF4") as file:
            (_fill_shortwave if shortwave else _fill)(file, wheel)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _put(file: netCDF4.Dataset, name: str, values: np.ndarray, dimensions: tuple[str, ...], units: str, long_name: str) -> None:
    if not np.isfinite(values).all():
        sys.exit(f"extract_rrtmg_tables: {name} holds values that are not finite")
    variable = file.createVariable(name, "f8", dimensions, zlib=True, complevel=9, shuffle=True)
    variable[:] = values
    variable.setncatts({"long_name": long_name, "units": units, "fletcher64": fletcher64(values)})


def _fill(file: netCDF4.Dataset, wheel: Wheel) -> None:
    version = importlib.metadata.version("climt")
    file.setncatts(
        {
            "title": "RRTMG longwave coefficient tables, 16 bands of 16 g-points, before reduction to 140 g-points",
            "format_version": np.int32(FORMAT_VERSION),
            "source": f"AER RRTMG_LW v4.85 (its tables are those of v5.0), read by symbol from the PyPI wheel climt {version}",
            "license": "BSD-3-Clause, see rrtmg_longwave.LICENSE",
            "copyright": "Copyright (c) 2002-2020, Atmospheric & Environmental Research, Inc. (AER)",
            "references": "Mlawer et al. 1997, doi:10.1029/97JD00237; Iacono et al. 2008, doi:10.1029/2008JD009944",
            "checksum": "attribute fletcher64 of each variable: Fletcher-64 over its little-endian 32-bit words",
            "history": "tools/extract_rrtmg_tables.py",
        }
    )
    sizes = {
        "gpoint": 16, "band": 16, "temperature": TEMPERATURES, "minor_temperature": MINOR_TEMPERATURES,
        "self_temperature": SELF_TEMPERATURES, "foreign_temperature": FOREIGN_TEMPERATURES,
        "lower_pressure": LOWER_PRESSURES, "upper_pressure": UPPER_PRESSURES, "reference_level": REFERENCE_LEVELS,
        "planck_temperature": 181, "reference_gas": 7, "binary5": 5, "binary9": 9, "binary1": 1,
    }  # fmt: skip
    for name, size in sizes.items():
        file.createDimension(name, size)

    put = partial(_put, file)
    put("gpoint_weight", wheel.real("wvn", "wt", 16), ("gpoint",), "1", "Gaussian weights of the 16 g-points")
    groups = wheel.integer("wvn", "ngm", 16, 16).astype(np.float64)
    put("gpoint_group", groups, ("band", "gpoint"), "1", "reduced g-point of its band to which a g-point goes")
    edges = np.stack([wheel.real("wvn", "wavenum1", 16), wheel.real("wvn", "wavenum2", 16)], axis=1)
    file.createDimension("edge", 2)
    put("band_wavenumber", edges, ("band", "edge"), "cm-1", "lower and upper edge of the band")
    put("band_width", wheel.real("wvn", "delwave", 16), ("band",), "cm-1", "width of the band")
    planck = wheel.real("wvn", "totplnk", 16, 181)
    put("planck", planck, ("band", "planck_temperature"), "W cm-2 sr-1 cm", "band-mean Planck function, 160 to 340 K by 1 K")
    put(
        "reference_log_pressure", wheel.real("ref", "preflog", 59), ("reference_level",), "1", "ln of reference pressure in hPa"
    )
    put("reference_temperature", wheel.real("ref", "tref", 59), ("reference_level",), "K", "reference temperature")
    put("reference_mole_fraction", wheel.real("ref", "chi_mls", 59, 7), ("reference_level", "reference_gas"), "mol mol-1",
        "mid-latitude summer mole fractions of H2O, CO2, O3, N2O, CO, CH4, O2")  # fmt: skip

    area = "1e-20 cm2"
    for number, band in enumerate(BANDS, start=1):
        module, prefix = f"kg{number:02d}", f"band{number:02d}_"
        for half, letter, points, pressures in (
            ("lower", "a", band.lower, LOWER_PRESSURES),
            ("upper", "b", band.upper, UPPER_PRESSURES),
        ):
            if points:
                values = wheel.real(module, f"k{letter}o", 16, pressures, TEMPERATURES, points)
                dimensions = ("gpoint", f"{half}_pressure", "temperature", f"binary{points}")
                put(f"{prefix}{half}_key", values, dimensions, area, f"absorption by the key species, {half} atmosphere")
            minors = band.lower_minor if half == "lower" else band.upper_minor
            for gas, minor_points in minors.items():
                values = wheel.real(module, f"k{letter}o_m{gas}", 16, MINOR_TEMPERATURES, minor_points)
                dimensions = ("gpoint", "minor_temperature", f"binary{minor_points}")
                put(f"{prefix}{half}_{gas}", values, dimensions, area, f"absorption by {gas}, {half} atmosphere")
            fractions = band.lower_fractions if half == "lower" else band.upper_fractions
            if fractions:
                values = wheel.real(module, f"fracref{letter}o", fractions, 16)
                put(
                    f"{prefix}{half}_fraction",
                    values,
                    (f"binary{fractions}", "gpoint"),
                    "1",
                    f"Planck fraction, {half} atmosphere",
                )
        for kind, temperatures in (("self", SELF_TEMPERATURES), ("foreign", FOREIGN_TEMPERATURES)):
            values = wheel.real(module, f"{kind[:3] if kind == 'foreign' else kind}refo", 16, temperatures)
            put(f"{prefix}{kind}", values, ("gpoint", f"{kind}_temperature"), area, f"water vapour {kind} continuum")
        for gas in band.cross_sections:
            values = wheel.real(module, CROSS_SECTION_SYMBOLS[gas], 16)
            put(f"{prefix}{gas}", values, ("gpoint",), area, f"cross section of {gas}")


def _fill_shortwave(file: netCDF4.Dataset, wheel: Wheel) -> None:
    version = importlib.metadata.version("climt")
    file.setncatts(
        {
            "title": "RRTMG shortwave coefficient tables, 14 bands of 16 g-points, before reduction to 112 g-points",
            "format_version": np.int32(FORMAT_VERSION),
            "source": f"AER RRTMG_SW v4.0, read by symbol from the PyPI wheel climt {version}",
            "license": "BSD-3-Clause, see rrtmg_shortwave.LICENSE",
            "copyright": "Copyright (c) 2002-2020, Atmospheric & Environmental Research, Inc. (AER)",
            "references": "Clough et al. 2005, doi:10.1016/j.jqsrt.2004.05.058; Iacono et al. 2008, doi:10.1029/2008JD009944",
            "checksum": "attribute fletcher64 of each variable: Fletcher-64 over its little-endian 32-bit words",
            "history": "tools/extract_rrtmg_tables.py --shortwave",
        }
    )
    sizes = {
        "gpoint": 16, "band": 14, "temperature": TEMPERATURES, "self_temperature": SELF_TEMPERATURES,
        "foreign_temperature3": 3, "foreign_temperature4": 4, "lower_pressure": LOWER_PRESSURES,
        "upper_pressure": UPPER_PRESSURES, "reference_level": REFERENCE_LEVELS, "edge": 2,
        "binary1": 1, "binary5": 5, "binary9": 9,
    }  # fmt: skip
    for name, size in sizes.items():
        file.createDimension(name, size)

    put = partial(_put, file)
    put("gpoint_weight", wheel.real("wvn", "wt", 16), ("gpoint",), "1", "Gaussian weights of the 16 g-points")
    groups = wheel.integer("wvn", "ngm", 14, 16).astype(np.float64)
    put("gpoint_group", groups, ("band", "gpoint"), "1", "reduced g-point of its band to which a g-point goes")
    edges = np.stack([wheel.real("wvn", "wavenum1", 14), wheel.real("wvn", "wavenum2", 14)], axis=1)
    put("band_wavenumber", edges, ("band", "edge"), "cm-1", "lower and upper edge of the band")
    levels = ("reference_level",)
    put("reference_log_pressure", wheel.real("ref", "preflog", 59), levels, "1", "ln of reference pressure in hPa")
    put("reference_temperature", wheel.real("ref", "tref", 59), levels, "K", "reference temperature")
    layers = np.array([band.layer for band in SHORTWAVE_BANDS], dtype=np.float64)
    put("solar_reference_level", layers, ("band",), "1",
        "reference level whose layer sets the mixture for the solar source; 0: the source depends on no mixture")  # fmt: skip
    put("solar_irradiance", np.array([sum(SOLAR_PARTS.values())]), ("binary1",), "W m-2", "irradiance of the solar source")

    area = "1e-20 cm2"
    for number, band in enumerate(SHORTWAVE_BANDS, start=FIRST_SHORTWAVE_BAND):
        module, prefix = f"kg{number}", f"band{number}_"
        for half, letter, points, pressures in (
            ("lower", "a", band.lower, LOWER_PRESSURES),
            ("upper", "b", band.upper, UPPER_PRESSURES),
        ):
            if points:
                values = wheel.real(module, f"k{letter}o", 16, pressures, TEMPERATURES, points)
                dimensions = ("gpoint", f"{half}_pressure", "temperature", f"binary{points}")
                put(f"{prefix}{half}_key", values, dimensions, area, f"absorption by the key species, {half} atmosphere")
        if band.foreign:
            values = wheel.real(module, "selfrefo", 16, SELF_TEMPERATURES)
            put(f"{prefix}self", values, ("gpoint", "self_temperature"), area, "water vapour self continuum")
            values = wheel.real(module, "forrefo", 16, band.foreign)
            dimensions = ("gpoint", f"foreign_temperature{band.foreign}")
            put(f"{prefix}foreign", values, dimensions, area, "water vapour foreign continuum")
        for gas, symbol in band.gases:
            put(f"{prefix}{gas}", wheel.real(module, symbol, 16), ("gpoint",), area, "absorption, one number per g-point")
        scattering = "Rayleigh scattering by moist air"
        if number == BAND_WITH_BINARY_RAYLEIGH:
            put(f"{prefix}lower_rayleigh", wheel.real(module, "raylao", 9, 16), ("binary9", "gpoint"), area, scattering)
            put(f"{prefix}upper_rayleigh", wheel.real(module, "raylbo", 16), ("gpoint",), area, scattering)
        else:
            values = wheel.real(module, "raylo", 16) if band.rayleigh else np.full(16, wheel.real(module, "rayl", 1)[0])
            put(f"{prefix}rayleigh", values, ("gpoint",), area, scattering)
        source = sum(wheel.real(module, part, band.solar, 16) for part in SOLAR_PARTS)
        put(f"{prefix}solar_source", source, (f"binary{band.solar}", "gpoint"), "W m-2", "normal to the beam, NRLSSI2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="file to write, e.g. data/rrtmg_longwave.nc")
    parser.add_argument("--shortwave", action="store_true", help="the shortwave's tables, not the longwave's")
    options = parser.parse_args()
    output = options.output
    write(output, options.shortwave)
    print(f"{output}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
