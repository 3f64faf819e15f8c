"""AER's own RRTMG longwave, as compiled in the climt 0.31.0 wheel: the oracle of the bundled one.

Run as a program in a child process, for a Fortran STOP in the wheel ends Python with exit code 0:

    python tests/rrtmg_oracle.py fluxes columns.npz results.npz

Columns and results are those of `columns()` in `test_rrtmg_longwave.py`: layers from the top down, Pa, mol mol-1.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import time
from pathlib import Path

import numpy as np

Columns = dict[str, np.ndarray]
CONSTANTS = (
    np.pi, 9.8066, 6.62606876e-27, 1.3806503e-16, 2.99792458e10,
    6.02214199e23, 2.6867775e19, 8.314472e7, 5.6704e-12, 8.64e4,
)  # fmt: skip
GASES = ("h2o", "o3", "co2", "ch4", "n2o", "o2", "cfc11", "cfc12", "cfc22", "ccl4")
DRY_AIR_MASS, WATER_MASS = 28.9660, 18.0160


def available() -> bool:
    return importlib.util.find_spec("climt") is not None


def number(value: float) -> ctypes.c_void_p:
    return ctypes.byref(ctypes.c_int(value) if isinstance(value, int) else ctypes.c_double(value))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def library() -> ctypes.CDLL:
    """The wheel's longwave module, ready for use."""
    origin = importlib.util.find_spec("climt").origin
    lib = ctypes.CDLL(str(next(Path(origin).parent.glob("_components/rrtmg/lw/_rrtmg_lw*.so"))))
    lib.rrtmg_lw_set_constants(*map(number, CONSTANTS))
    lib.rrtmg_lw_ini_wrapper(number(1004.64))
    return lib


def surface_up(array: np.ndarray) -> np.ndarray:
    return np.asfortranarray(array[:, ::-1])


def state(c: Columns) -> list[np.ndarray]:
    """Pressures in hPa, temperatures and gases, from the surface up."""
    arrays = [surface_up(c["pressure_layer"] / 100), surface_up(c["pressure_level"] / 100)]
    arrays += [surface_up(c["temperature_layer"]), surface_up(c["temperature_level"])]
    arrays += [np.array(c["surface_temperature"], dtype=np.float64)]
    zero = np.zeros_like(c["h2o"])
    return arrays + [surface_up(c.get(gas, zero)) for gas in GASES]


def cloud_state(c: Columns, ice: int) -> list[np.ndarray]:
    """Cloud fraction, paths of ice and water in g m-2, sizes of crystals and droplets in um, from the surface up."""
    size_of_radius = 8 / (3 * np.sqrt(3)) if ice == 3 else 1.0
    has_liquid = (c["cloud_liquid_path"] > 0) & (c["cloud_fraction"] > 0)
    has_ice = (c["cloud_ice_path"] > 0) & (c["cloud_fraction"] > 0)
    # Radii are looked at wherever there is cloud, so give good ones where there is no water.
    droplets = surface_up(np.where(has_liquid, c["liquid_radius"] * 1e6, 10.0))
    crystals = surface_up(np.where(has_ice, c["ice_radius"] * 1e6 * size_of_radius, 50.0))
    paths = [surface_up(c["cloud_ice_path"] * 1e3), surface_up(c["cloud_liquid_path"] * 1e3)]
    return [surface_up(c["cloud_fraction"]), *paths, crystals, droplets]


def fluxes(lib: ctypes.CDLL, c: Columns) -> Columns:
    columns, layers = c["pressure_layer"].shape
    # The wrapper declares emissivity with the layers' extent and uses 16 bands of it.
    emissivity = np.asfortranarray(np.repeat(c["surface_emissivity"][:, None], max(16, layers), axis=1))
    layer_zero = np.zeros((columns, layers), order="F")
    radius = np.full((columns, layers), 20.0, order="F")
    band_zero = np.zeros((columns, layers, 16), order="F")
    cloud_depth = np.zeros((16, columns, layers), order="F")
    results = [np.zeros((columns, layers + extra), order="F") for extra in (1, 1, 0, 1, 1, 0, 1, 1)]
    arguments = [number(columns), number(layers), number(0), number(0), *map(pointer, state(c)), pointer(emissivity)]
    arguments += [number(2), number(2), number(1), pointer(layer_zero), pointer(cloud_depth)]
    arguments += [pointer(layer_zero), pointer(layer_zero), pointer(radius), pointer(radius), pointer(band_zero)]
    start = time.perf_counter()
    lib.rrtmg_lw_nomcica_wrapper(*arguments, *map(pointer, results))
    seconds = time.perf_counter() - start
    up, down, heating = (surface_up(array) for array in results[3:6])
    return {"up": up, "down": down, "heating_rate": heating, "seconds": np.array(seconds)}


def cloudy_fluxes(lib: ctypes.CDLL, c: Columns) -> Columns:
    """All-sky fluxes: by the analytic overlap solver, or by McICA where `c` holds permuteseeds, one result for each.

    Clouds are those of the column file; `ice_option` and `overlap_option` are RRTMG's iceflglw and icld. The permuteseeds go to
    its Mersenne twister, for draws of its other generator overlap; the subcolumns of the last one are given as well, (column,
    layer, g-point).
    """
    columns, layers = c["pressure_layer"].shape
    ice, overlap = int(c["ice_option"]), int(c["overlap_option"])
    emissivity = np.ones((columns, max(16, layers)), order="F")
    emissivity[:, :16] = c.get("band_emissivity", np.repeat(c["surface_emissivity"][:, None], 16, axis=1))
    aerosol = np.zeros((columns, layers, 16))
    aerosol = np.asfortranarray(c.get("aerosol_optical_depth", aerosol)[:, ::-1])
    fraction, frozen, water, crystals, droplets = cloud_state(c, ice)
    depth = np.zeros((16, columns, layers), order="F")
    results = [np.zeros((columns, layers + extra), order="F") for extra in (1, 1, 0, 1, 1, 0, 1, 1)]
    air = state(c)
    front = [number(columns), number(layers), number(overlap), number(0), *map(pointer, air), pointer(emissivity)]
    front += [number(2), number(ice), number(1)]
    names = ("up", "down", "heating_rate", "up_clear", "down_clear", "heating_rate_clear")
    if "permuteseeds" not in c:
        start = time.perf_counter()
        lib.rrtmg_lw_nomcica_wrapper(
            *front, pointer(fraction), pointer(depth), pointer(frozen), pointer(water), pointer(crystals), pointer(droplets),
            pointer(aerosol), *map(pointer, results),
        )  # fmt: skip
        seconds = time.perf_counter() - start
        return dict(zip(names, map(surface_up, results), strict=False)) | {"seconds": np.array(seconds)}

    subcolumns = [np.zeros((140, columns, layers), order="F") for _ in range(4)]  # cloud, ice, water, optical depth
    radii = [np.zeros((columns, layers), order="F") for _ in range(2)]
    cloud, *water_of = subcolumns
    draws: dict[str, list[np.ndarray]] = {name: [] for name in names}
    seconds = []
    for seed in c["permuteseeds"]:
        start = time.perf_counter()
        lib.mcica_subcol_lw_wrapper(
            number(1), number(columns), number(layers), number(overlap), number(int(seed)), number(1), pointer(air[0]),
            pointer(fraction), pointer(frozen), pointer(water), pointer(crystals), pointer(droplets), pointer(depth),
            pointer(cloud), pointer(water_of[0]), pointer(water_of[1]), *map(pointer, radii), pointer(water_of[2]),
        )  # fmt: skip
        lib.rrtmg_lw_mcica_wrapper(
            *front, pointer(cloud), pointer(water_of[2]), pointer(water_of[0]), pointer(water_of[1]), *map(pointer, radii),
            pointer(aerosol), *map(pointer, results),
        )  # fmt: skip
        seconds.append(time.perf_counter() - start)
        for name, values in zip(names, results, strict=False):
            draws[name].append(surface_up(values))
    found = {name: np.array(values) for name, values in draws.items()}
    return found | {"subcolumns": cloud[:, :, ::-1].transpose(1, 2, 0).copy(), "seconds": np.array(min(seconds))}


def descriptor(array: np.ndarray) -> ctypes.c_void_p:
    """gfortran's descriptor of an assumed-shape array."""

    class Dimension(ctypes.Structure):
        _fields_ = [("stride", ctypes.c_ssize_t), ("lower", ctypes.c_ssize_t), ("upper", ctypes.c_ssize_t)]

    class Descriptor(ctypes.Structure):
        _fields_ = [
            ("base", ctypes.c_void_p), ("offset", ctypes.c_ssize_t), ("element", ctypes.c_size_t), ("version", ctypes.c_int),
            ("rank", ctypes.c_byte), ("type", ctypes.c_byte), ("attribute", ctypes.c_short), ("span", ctypes.c_ssize_t),
            ("dimension", Dimension * array.ndim),
        ]  # fmt: skip

    kind = 3 if array.dtype.kind == "f" else 1
    strides = [stride // array.itemsize for stride in array.strides]
    dimensions = (Dimension * array.ndim)(*[Dimension(s, 1, n) for s, n in zip(strides, array.shape, strict=True)])
    result = Descriptor(array.ctypes.data, -sum(strides), array.itemsize, 0, array.ndim, kind, 0, array.itemsize, dimensions)
    result.array = array  # keeps it alive
    return ctypes.byref(result)


def depths_of_column(lib: ctypes.CDLL, c: Columns, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Optical depths and Planck fractions (g-point, layer) of one column, layers from the top down."""
    one = {name: array[column : column + 1] for name, array in c.items()}
    p_layer, p_level, t_layer, t_level, t_surface, *gases = (np.ascontiguousarray(a.ravel()) for a in state(one))
    gas = dict(zip(GASES, gases, strict=True))
    layers = p_layer.size
    mole_fractions = np.zeros((38, layers), order="F")
    for row, name in enumerate(("h2o", "co2", "o3", "n2o", None, "ch4", "o2")):
        if name is not None:
            mole_fractions[row] = gas[name]
    moist_mass = (1 - gas["h2o"]) * DRY_AIR_MASS + gas["h2o"] * WATER_MASS
    dry = (p_level[:-1] - p_level[1:]) * 1e3 * CONSTANTS[5] / (1e2 * CONSTANTS[1] * moist_mass * (1 + gas["h2o"]))
    broadening = dry * (1 - mole_fractions[1:7].sum(axis=0))
    amounts = np.asfortranarray(mole_fractions * dry)
    cross_sections = np.zeros((38, layers), order="F")
    for row, name in enumerate(("ccl4", "cfc11", "cfc12", "cfc22")):
        cross_sections[row] = dry * gas[name] * 1e-20

    real = {
        name: np.zeros(layers)
        for name in [
            "colh2o",
            "colco2",
            "colo3",
            "coln2o",
            "colco",
            "colch4",
            "colo2",
            "colbrd",
            "fac00",
            "fac01",
            "fac10",
            "fac11",
            "rat_h2oco2",
            "rat_h2oco2_1",
            "rat_h2oo3",
            "rat_h2oo3_1",
            "rat_h2on2o",
            "rat_h2on2o_1",
            "rat_h2och4",
            "rat_h2och4_1",
            "rat_n2oco2",
            "rat_n2oco2_1",
            "rat_o3co2",
            "rat_o3co2_1",
            "selffac",
            "selffrac",
            "forfac",
            "forfrac",
            "minorfrac",
            "scaleminor",
            "scaleminorn2",
        ]
    }
    integer = {name: np.zeros(layers, np.int32) for name in ["jp", "jt", "jt1", "indself", "indfor", "indminor"]}
    planck = [np.zeros(shape, order="F") for shape in ((layers, 16), (layers + 1, 16), (16,))]
    count, tropopause = ctypes.byref(ctypes.c_int(layers)), ctypes.byref(ctypes.c_int(0))
    names = list(real)
    before, after = names[: names.index("forfac")], ("minorfrac", "scaleminor", "scaleminorn2")
    shared = [tropopause, *(descriptor(integer[n]) for n in ("jp", "jt", "jt1")), *map(descriptor, planck)]
    tail = [*(descriptor(real[n]) for n in before), descriptor(integer["indself"])]
    tail += [descriptor(real["forfac"]), descriptor(real["forfrac"]), descriptor(integer["indfor"])]
    tail += [*(descriptor(real[n]) for n in after), descriptor(integer["indminor"])]

    lib["__rrtmg_lw_setcoef_MOD_setcoef"](
        count, number(1), descriptor(p_layer), descriptor(t_layer), descriptor(t_level), number(float(t_surface[0])),
        descriptor(np.ones(16)), descriptor(dry), descriptor(amounts), descriptor(broadening),
        *shared, number(0), descriptor(np.zeros(16)), *tail,
    )  # fmt: skip
    fraction, depth = np.zeros((layers, 140), order="F"), np.zeros((layers, 140), order="F")
    lib["__rrtmg_lw_taumol_MOD_taumol"](
        count, descriptor(p_layer), descriptor(cross_sections), descriptor(dry), *shared, *tail,
        descriptor(fraction), descriptor(depth),
    )  # fmt: skip
    return depth[::-1].T.copy(), fraction[::-1].T.copy()


def shortwave_optics(c: Columns) -> Columns:
    """Delta-scaled shortwave cloud optics, (column, layer, band), from the wheel's own routine for them."""
    origin = importlib.util.find_spec("climt").origin
    lib = ctypes.CDLL(str(next(Path(origin).parent.glob("_components/rrtmg/sw/_rrtmg_sw*.so"))))
    lib.rrtmg_sw_set_constants(*map(number, CONSTANTS))
    lib.rrtmg_sw_ini_wrapper(number(1004.64))
    ice = int(c["ice_option"])
    size_of_radius = 8 / (3 * np.sqrt(3)) if ice == 3 else 1.0
    count, layers = c["cloud_fraction"].shape
    found: dict[str, list[np.ndarray]] = {"unscaled": [], "extinction": [], "single_scattering_albedo": [], "asymmetry": []}
    for i in range(count):
        water, frozen = c["cloud_liquid_path"][i] * 1e3, c["cloud_ice_path"][i] * 1e3
        droplets = np.where(water > 0, c["liquid_radius"][i] * 1e6, 10.0)
        crystals = np.where(frozen > 0, c["ice_radius"][i] * 1e6 * size_of_radius, 50.0)
        given = [np.zeros((14, layers), order="F") for _ in range(4)]
        unscaled, *results = [np.zeros((layers, 29), order="F") for _ in range(4)]
        lib["__rrtmg_sw_cldprop_MOD_cldprop_sw"](
            number(layers), number(2), number(ice), number(1), descriptor(c["cloud_fraction"][i].copy()),
            *map(descriptor, given), *map(descriptor, (frozen, water, crystals, droplets)), descriptor(unscaled),
            *map(descriptor, results),
        )  # fmt: skip
        for name, values in zip(found, (unscaled, *results), strict=True):
            found[name].append(values[:, 15:])
    return {name: np.array(values) for name, values in found.items()}


def main() -> None:
    mode, source, target = sys.argv[1:]
    with np.load(source) as file:
        columns = dict(file)
    if mode == "shortwave_optics":
        np.savez(target, **shortwave_optics(columns))
        return
    lib = library()
    results = fluxes(lib, columns)  # also sets module variables that the stages want
    if mode == "clouds":
        results = cloudy_fluxes(lib, columns)
    elif mode == "depths":
        pairs = [depths_of_column(lib, columns, i) for i in range(columns["pressure_layer"].shape[0])]
        results = {"depth": np.array([p[0] for p in pairs]), "fraction": np.array([p[1] for p in pairs])}
    elif mode == "time":
        solve = cloudy_fluxes if "ice_option" in columns else fluxes
        seconds = [float(solve(lib, columns)["seconds"]) for _ in range(9)]
        results["seconds"] = np.array(min(seconds))
    np.savez(target, **results)


if __name__ == "__main__":
    main()
