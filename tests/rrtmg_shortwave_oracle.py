"""AER's own RRTMG shortwave, as compiled in the climt 0.31.0 wheel: the oracle of the bundled one.

Run as a program in a child process, for a Fortran STOP in the wheel ends Python with exit code 0:

    python tests/rrtmg_shortwave_oracle.py fluxes|clouds|depths|time columns.npz results.npz

Columns and results are those of `columns()` in `test_rrtmg_shortwave.py`: layers from the top down, Pa, mol mol-1. Clear sky,
or McICA's where `permuteseeds` are there; aerosol by band if `aerosol_optical_depth`, `aerosol_single_scattering_albedo` and
`aerosol_asymmetry` are there.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
from rrtmg_oracle import (
    CONSTANTS,
    DRY_AIR_MASS,
    WATER_MASS,
    Columns,
    available,
    cloud_state,
    descriptor,
    number,
    pointer,
    surface_up,
)

__all__ = ["available", "cloudy_fluxes", "depths_of_column", "fluxes", "library"]

GASES = ("h2o", "o3", "co2", "ch4", "n2o", "o2")
ALBEDOS = ("visible_albedo_direct", "visible_albedo_diffuse", "near_infrared_albedo_direct", "near_infrared_albedo_diffuse")
BANDS, POINTS = 14, 112
SOLAR_CYCLE_MEAN = 0  # isolvar: the mean of a solar cycle, scaled to the irradiance given
EXTERNAL_AEROSOL = 10  # iaer: optical properties by band are given


def library() -> ctypes.CDLL:
    """The wheel's shortwave module, ready for use."""
    origin = importlib.util.find_spec("climt").origin
    lib = ctypes.CDLL(str(next(Path(origin).parent.glob("_components/rrtmg/sw/_rrtmg_sw*.so"))))
    lib.rrtmg_sw_set_constants(*map(number, CONSTANTS))
    lib.rrtmg_sw_ini_wrapper(number(1004.64))
    return lib


def by_band(c: Columns, name: str, absent: float) -> np.ndarray:
    columns, layers = c["pressure_layer"].shape
    values = c.get(name, np.full((columns, layers, BANDS), absent))
    return np.asfortranarray(values[:, ::-1])


def front(c: Columns, overlap: int) -> list[ctypes.c_void_p]:
    """Arguments that both solvers begin with; the columns share one solar irradiance, as the original takes a single one."""
    columns, layers = c["pressure_layer"].shape
    irradiance = float(c["solar_irradiance"][0])
    assert (c["solar_irradiance"] == irradiance).all()
    state = [surface_up(c["pressure_layer"] / 100), surface_up(c["pressure_level"] / 100)]
    state += [surface_up(c["temperature_layer"]), surface_up(c["temperature_level"])]
    state += [np.array(c["temperature_level"][:, -1])]
    state += [surface_up(c.get(gas, np.zeros_like(c["h2o"]))) for gas in GASES]
    state += [np.array(c[name]) for name in (*ALBEDOS, "cos_zenith")]
    aerosol_kind = EXTERNAL_AEROSOL if "aerosol_optical_depth" in c else 0
    arguments = [number(columns), number(layers), number(overlap), number(aerosol_kind), *map(pointer, state)]
    return [*arguments, number(1.0), number(0), number(irradiance), number(SOLAR_CYCLE_MEAN)]


def back(c: Columns) -> tuple[list[ctypes.c_void_p], list[np.ndarray]]:
    """Arguments that both solvers end with, and the arrays of results among them."""
    columns, layers = c["pressure_layer"].shape
    aerosol = [
        by_band(c, "aerosol_optical_depth", 0.0),
        by_band(c, "aerosol_single_scattering_albedo", 1.0),
        by_band(c, "aerosol_asymmetry", 0.0),
        np.zeros((columns, layers, 6), order="F"),
    ]
    results = [np.zeros((columns, layers + extra), order="F") for extra in (1, 1, 0, 1, 1, 0)]
    variability = [pointer(np.ones(16)), pointer(np.ones(2)), number(0.0)]
    return [*map(pointer, aerosol), *map(pointer, results), *variability], results


def fluxes(lib: ctypes.CDLL, c: Columns) -> Columns:
    """Clear-sky fluxes and heating rates."""
    columns, layers = c["pressure_layer"].shape
    layer_zero = np.zeros((columns, layers), order="F")
    radius = np.full((columns, layers), 20.0, order="F")
    zero, one = (np.full((BANDS, columns, layers), value, order="F") for value in (0.0, 1.0))
    arguments = [*front(c, 0), number(2), number(2), number(1), pointer(layer_zero), *map(pointer, (zero, one, zero, zero))]
    arguments += [pointer(layer_zero), pointer(layer_zero), pointer(radius), pointer(radius)]
    last, results = back(c)
    start = time.perf_counter()
    lib.rrtmg_sw_nomcica_wrapper(*arguments, *last)
    seconds = time.perf_counter() - start
    up, down, heating = (surface_up(array) for array in results[3:6])
    return {"up": up, "down": down, "heating_rate": heating, "seconds": np.array(seconds)}


def cloudy_fluxes(lib: ctypes.CDLL, c: Columns) -> Columns:
    """All-sky fluxes by McICA, one result for each permuteseed, and the subcolumns of the last one, (column, layer, g-point).

    Clouds are those of the column file; `ice_option` and `overlap_option` are RRTMG's iceflgsw and icld.
    """
    columns, layers = c["pressure_layer"].shape
    ice, overlap = int(c["ice_option"]), int(c["overlap_option"])
    inside = cloud_state(c, ice)  # fraction, ice, water, crystals, droplets
    pressure = surface_up(c["pressure_layer"] / 100)
    given = [np.full((BANDS, columns, layers), value, order="F") for value in (0.0, 1.0, 0.0, 0.0)]
    cloud, ice_of, water_of, *optics_of = (np.zeros((POINTS, columns, layers), order="F") for _ in range(7))
    radii = [np.zeros((columns, layers), order="F") for _ in range(2)]
    last, results = back(c)
    first = front(c, overlap)
    names = ("up", "down", "heating_rate", "up_clear", "down_clear", "heating_rate_clear")
    draws: dict[str, list[np.ndarray]] = {name: [] for name in names}
    seconds = []
    for seed in c["permuteseeds"]:
        start = time.perf_counter()
        lib.mcica_subcol_sw_wrapper(
            number(1), number(columns), number(layers), number(overlap), number(int(seed)), number(1), pointer(pressure),
            *map(pointer, inside), *map(pointer, given), pointer(cloud), pointer(ice_of), pointer(water_of),
            *map(pointer, radii), *map(pointer, optics_of),
        )  # fmt: skip
        lib.rrtmg_sw_mcica_wrapper(
            *first, number(2), number(ice), number(1), pointer(cloud), *map(pointer, optics_of), pointer(ice_of),
            pointer(water_of), *map(pointer, radii), *last,
        )  # fmt: skip
        seconds.append(time.perf_counter() - start)
        for name, values in zip(names, results, strict=True):
            draws[name].append(surface_up(values))
    found = {name: np.array(values) for name, values in draws.items()}
    return found | {"subcolumns": cloud[:, :, ::-1].transpose(1, 2, 0).copy(), "seconds": np.array(min(seconds))}


def depths_of_column(lib: ctypes.CDLL, c: Columns, column: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Absorption and Rayleigh depths (g-point, layer) and solar source (g-point) of one column, layers from the top down."""
    one = {name: array[column][::-1].copy() for name, array in c.items() if array.ndim == 2}
    p_level, p_layer = one["pressure_level"] / 100, one["pressure_layer"] / 100
    layers = p_layer.size
    mole_fractions = np.zeros((38, layers), order="F")
    for row, name in ((0, "h2o"), (1, "co2"), (2, "o3"), (3, "n2o"), (5, "ch4"), (6, "o2")):
        mole_fractions[row] = one[name]
    moist_mass = (1 - one["h2o"]) * DRY_AIR_MASS + one["h2o"] * WATER_MASS
    dry = (p_level[:-1] - p_level[1:]) * 1e3 * CONSTANTS[5] / (1e2 * CONSTANTS[1] * moist_mass * (1 + one["h2o"]))
    amounts = np.asfortranarray(mole_fractions * dry)

    names = "co2mult colch4 colco2 colh2o colmol coln2o colo2 colo3 fac00 fac01 fac10 fac11 selffac selffrac forfac forfrac"
    real = {name: np.zeros(layers) for name in names.split()}
    integer = {name: np.zeros(layers, np.int32) for name in ("jp", "jt", "jt1", "indself", "indfor")}

    def pick(names: str) -> list[ctypes.c_void_p]:
        return [descriptor(real[name] if name in real else integer[name]) for name in names.split()]

    count, tropopause, switch, low = (ctypes.byref(ctypes.c_int(value)) for value in (layers, 0, 0, 0))
    tail = "fac00 fac01 fac10 fac11 selffac selffrac indself forfac forfrac indfor"
    lib["__rrtmg_sw_setcoef_MOD_setcoef_sw"](
        count, *map(descriptor, (p_layer, one["temperature_layer"], p_level, one["temperature_level"])),
        number(float(one["temperature_level"][0])), descriptor(dry), descriptor(amounts), tropopause, switch, low,
        *pick("jp jt jt1 co2mult colch4 colco2 colh2o colmol coln2o colo2 colo3 " + tail),
    )  # fmt: skip
    source, solar = np.zeros(POINTS), np.zeros(POINTS)
    absorption, rayleigh = (np.zeros((layers, POINTS), order="F") for _ in range(2))
    by_band = [np.ones(BANDS) for _ in range(3)]
    lib["__rrtmg_sw_taumol_MOD_taumol_sw"](
        count, *pick("colh2o colco2 colch4 colo2 colo3 colmol"), tropopause, *pick("jp jt jt1 " + tail),
        number(SOLAR_CYCLE_MEAN), number(1.0), number(1.0), number(1.0), *map(descriptor, by_band),
        descriptor(source), descriptor(solar), descriptor(absorption), descriptor(rayleigh),
    )  # fmt: skip
    return absorption[::-1].T.copy(), rayleigh[::-1].T.copy(), source


def main() -> None:
    mode, path, target = sys.argv[1:]
    with np.load(path) as file:
        columns = dict(file)
    lib = library()
    results = fluxes(lib, columns)  # also sets module variables that the stages want
    if mode == "clouds":
        results = cloudy_fluxes(lib, columns)
    elif mode == "depths":
        parts = [depths_of_column(lib, columns, i) for i in range(columns["pressure_layer"].shape[0])]
        results = {name: np.array([part[i] for part in parts]) for i, name in enumerate(("depth", "rayleigh", "source"))}
    elif mode == "time":
        solve = cloudy_fluxes if "permuteseeds" in columns else fluxes
        results["seconds"] = np.array(min(float(solve(lib, columns)["seconds"]) for _ in range(5)))
    np.savez(target, **results)


if __name__ == "__main__":
    main()
