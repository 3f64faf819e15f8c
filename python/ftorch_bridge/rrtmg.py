"""The bundled RRTMG on NumPy arrays and xarray datasets: the same Fortran, messages and bits as in a host.

Arrays are (column, layer) or (column, level), layers from the top of the atmosphere down, level = layer + 1. Numbers of columns
and layers are those of ``pressure_layer``. What else is given may have any strides and any real kind, and may be anything that
NumPy broadcasts to its shape: a number, one profile for all columns. Gases are in moles per mole of dry air. Columns, layers
and levels in messages count from 1, as in Fortran.

A loaded :class:`Longwave` or :class:`Shortwave` is read only: any number of threads may use one at once, and it may be pickled.
"""

from __future__ import annotations

import datetime
import operator
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ftorch_bridge.cloud_choices import IceOptics, Overlap
from ftorch_bridge.column_file import COLUMN_VARIABLES, FLUX_VARIABLES, PLACE_VARIABLES
from ftorch_bridge.programs import ProgramError, data_file

try:
    import ftorch_bridge._rrtmg as _rrtmg  # noqa: PLR0402 - the other form does not tell a missing module from a broken one
except ModuleNotFoundError as error:
    raise ImportError(
        f"this installation of ftorch_bridge has no compiled module _rrtmg for this Python ({error}); it is built where "
        "f90wrap, NumPy and Python's headers are found; or set RADML_PREFIX to an install prefix that has it"
    ) from error
except ImportError as error:
    raise ImportError(f"RRTMG cannot be loaded: {error}") from error

__all__ = [
    "Longwave",
    "LongwaveFluxes",
    "LongwaveOpticalDepths",
    "RrtmgError",
    "RrtmgTablesError",
    "Shortwave",
    "ShortwaveFluxes",
    "ShortwaveOpticalDepths",
    "Status",
    "fluxes",
]

Array = NDArray[np.float64]

# Columns of one call into Fortran: some milliseconds, so that threads share evenly and Ctrl-C does not wait.
_BLOCK = 32
_MEAN_IRRADIANCE = 1361.0  # of the sun at the mean distance, where a dataset has none [W m-2]
_LOADING = threading.Lock()  # HDF5, by which tables are read, is for one thread at a time
_PREFIX = "f90wrap_radml_rrtmg_python__"
_SURFACE_NAMES = (
    "surface_visible_direct",
    "surface_visible_diffuse",
    "surface_near_infrared_direct",
    "surface_near_infrared_diffuse",
)
_LONGWAVE_BANDS, _LONGWAVE_G_POINTS, _SHORTWAVE_BANDS, _SHORTWAVE_G_POINTS = _rrtmg.f90wrap_radml_rrtmg_python__extents()


class Status(IntEnum):
    """What went wrong: RRTMG's status codes, ``rrtmg_bad_value`` and so on."""

    SUCCESS = 0
    BAD_TABLES = 1
    NOT_LOADED = 2
    BAD_SHAPE = 3
    BAD_VALUE = 4
    BAD_ARGUMENTS = 5


class RrtmgError(ValueError):
    """An argument that RRTMG does not take: a shape, a value, or arguments that do not go together."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message


class RrtmgTablesError(RuntimeError):
    """Coefficient tables that are missing, damaged or another's; or no cloud optics beside them."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class LongwaveFluxes:
    """Longwave fluxes and heating rates."""

    up: Array
    """Upward flux [W m-2] (column, level)."""
    down: Array
    """Downward flux [W m-2] (column, level)."""
    heating_rate: Array
    """[K day-1] (column, layer)."""
    up_clear: Array
    """``up`` without clouds [W m-2] (column, level)."""
    down_clear: Array
    """``down`` without clouds [W m-2] (column, level)."""
    up_noise: Array | None
    """Standard deviation of ``up`` in one draw of subcolumns; None with fewer than two draws [W m-2] (column, level)."""
    down_noise: Array | None
    """The same of ``down`` [W m-2] (column, level)."""


@dataclass(frozen=True)
class ShortwaveFluxes:
    """Shortwave fluxes and heating rates, zero at night."""

    up: Array
    """Upward flux [W m-2] (column, level)."""
    down: Array
    """Downward flux, direct and diffuse [W m-2] (column, level)."""
    heating_rate: Array
    """[K day-1] (column, layer)."""
    direct: Array
    """The part of ``down`` that has not been scattered [W m-2] (column, level)."""
    up_clear: Array | None
    """``up`` without clouds; None with ``clear=False`` [W m-2] (column, level)."""
    down_clear: Array | None
    """The same of ``down`` [W m-2] (column, level)."""
    direct_clear: Array | None
    """The same of ``direct`` [W m-2] (column, level)."""
    up_noise: Array | None
    """Standard deviation of ``up`` in one draw of subcolumns; None with fewer than two draws [W m-2] (column, level)."""
    down_noise: Array | None
    """The same of ``down`` [W m-2] (column, level)."""
    surface_visible_direct: Array
    """Downward flux at the surface below 625 nm, direct [W m-2] (column)."""
    surface_visible_diffuse: Array
    """The same, diffuse [W m-2] (column)."""
    surface_near_infrared_direct: Array
    """Downward flux at the surface beyond 625 nm, direct [W m-2] (column)."""
    surface_near_infrared_diffuse: Array
    """The same, diffuse [W m-2] (column)."""


class LongwaveOpticalDepths(NamedTuple):
    """What a longwave column is made of at RRTMG's 140 g-points."""

    optical_depth: Array
    """Vertical optical depth [1] (layer, g-point)."""
    planck_fraction: Array
    """Part of the band's Planck function [1] (layer, g-point)."""


class ShortwaveOpticalDepths(NamedTuple):
    """What a shortwave column is made of at RRTMG's 112 g-points."""

    absorption: Array
    """Vertical depth of absorption [1] (layer, g-point)."""
    rayleigh: Array
    """Vertical depth of Rayleigh scattering [1] (layer, g-point)."""
    source: Array
    """Solar source at the top, normal to the beam [W m-2] (g-point)."""


class _Call:
    """The arrays of one call, as the Fortran module wants them: its dimensions are Python's, the other way round."""

    def __init__(self, caller: str, pressure_layer: ArrayLike, *, one_column: bool = False) -> None:
        self.caller = caller
        self.arguments: dict[str, Any] = {}
        layers = self._numbers("pressure_layer", pressure_layer)
        if layers.ndim != (1 if one_column else 2):
            expected = "(layer)" if one_column else "(column, layer)"
            raise self.error(Status.BAD_SHAPE, f"pressure_layer: expected {expected}, got {_text(layers.shape)}")
        layers = np.atleast_2d(layers)
        self.n_columns, self.n_layers = layers.shape
        if self.n_layers < 1:
            raise self.error(Status.BAD_SHAPE, "pressure_layer has no layers")
        self.layers(pressure_layer=layers)

    def error(self, status: Status, message: str) -> RrtmgError:
        return RrtmgError(status, f"{self.caller}: {message}")

    def levels(self, **arrays: ArrayLike) -> None:
        self._add(arrays, (self.n_columns, self.n_layers + 1))

    def layers(self, **arrays: ArrayLike) -> None:
        self._add(arrays, (self.n_columns, self.n_layers))

    def columns(self, **arrays: ArrayLike) -> None:
        self._add(arrays, (self.n_columns,))

    def optional_layers(self, **arrays: ArrayLike | None) -> None:
        self._add_given(arrays, (self.n_columns, self.n_layers))

    def optional_bands(self, n: int, **arrays: ArrayLike | None) -> None:
        self._add_given(arrays, (self.n_columns, self.n_layers, n))

    def optional_surface_bands(self, n: int, **arrays: ArrayLike | None) -> None:
        self._add_given(arrays, (self.n_columns, n))

    def subcolumns(self, n: int, subcolumns: ArrayLike | None) -> None:
        if subcolumns is None:
            self.arguments["subcolumns"] = _absent(3, np.int8)
            return
        array = self._array("subcolumns", subcolumns)
        if array.dtype != np.bool_:
            raise self.error(Status.BAD_VALUE, f"subcolumns: expected booleans, got {array.dtype}")
        array = self._broadcast("subcolumns", array, (self.n_columns, self.n_layers, n))
        self.arguments["subcolumns"] = np.ascontiguousarray(array).view(np.int8).T

    def seed(self, seed: ArrayLike | None) -> None:
        """A number for each column, no broadcasting: columns of one seed would draw the same."""
        if seed is None:
            self.arguments["seed"] = _absent(1, np.int64)
            return
        array = self._array("seed", seed)
        if array.dtype.kind not in "iu":
            raise self.error(Status.BAD_VALUE, f"seed: expected whole numbers, got {array.dtype}")
        if array.shape != (self.n_columns,):
            raise self.error(Status.BAD_SHAPE, f"seed: expected ({self.n_columns}), got {_text(array.shape)}")
        if array.dtype.kind == "u" and (array > np.iinfo(np.int64).max).any():
            raise self.error(Status.BAD_VALUE, f"seed: expected numbers of 64 bits with a sign, got {array.max()}")
        self.arguments["seed"] = np.require(array, np.int64, "CA")

    def whole(self, name: str, value: int) -> int:
        """A whole number from 1 to what Fortran's integers hold."""
        try:
            number = operator.index(value)
        except TypeError:
            raise self.error(Status.BAD_VALUE, f"{name}: expected a whole number, got {value!r}") from None
        if not 1 <= number < 2**31:
            raise self.error(Status.BAD_ARGUMENTS, f"{name}: expected at least 1 and less than 2**31, got {number}")
        return number

    def word(self, name: str, value: str) -> None:
        if not isinstance(value, str):
            raise self.error(Status.BAD_ARGUMENTS, f"{name}: expected a word, got {value!r}")
        self.arguments[name] = os.fsencode(value)

    def clouds(
        self,
        n_g_points: int,
        *,
        ice_optics: str,
        overlap: str,
        seed: ArrayLike | None,
        draws: int,
        subcolumns: ArrayLike | None,
        **arrays: ArrayLike | None,
    ) -> bool:
        """Takes clouds; whether they are drawn more than once."""
        self.optional_layers(**arrays)
        self.word("ice_optics", ice_optics)
        self.word("overlap", overlap)
        self.seed(seed)
        self.arguments["draws"] = self.whole("draws", draws)
        self.subcolumns(n_g_points, subcolumns)
        return arrays["cloud_fraction"] is not None and overlap != "analytic" and self.arguments["draws"] > 1

    def results_at_levels(self, *names: str) -> None:
        self.results((self.n_columns, self.n_layers + 1), *names)

    def results_at_layers(self, *names: str) -> None:
        self.results((self.n_columns, self.n_layers), *names)

    def results(self, shape: tuple[int, ...], *names: str) -> None:
        self.arguments |= {name: np.empty(shape).T for name in names}

    def no_results(self, *names: str) -> None:
        self.arguments |= {name: _absent(2, np.float64) for name in names}

    def result(self, name: str) -> Array:
        return self.arguments[name].T

    def run(
        self,
        call: Callable[..., tuple[int, bytes]],
        handle: NDArray[np.int64],
        threads: int,
        progress: Callable[[int], object] | None,
    ) -> None:
        """Blocks of columns, shared out to threads. Raises the error of the first block that has one."""
        threads = self.whole("threads", threads)
        firsts = iter(range(0, max(self.n_columns, 1), _BLOCK))
        lock, stop = threading.Lock(), threading.Event()
        failures: dict[int, tuple[int, bytes]] = {}

        def work() -> None:
            while not stop.is_set():
                with lock:
                    first = next(firsts, None)
                if first is None:
                    return
                last = min(first + _BLOCK, self.n_columns)
                stat, message = call(handle, first + 1, last, **self.arguments)
                if stat != Status.SUCCESS:
                    failures[first] = stat, message
                    stop.set()
                elif progress is not None:
                    progress(last - first)

        helpers = min(threads, -(-self.n_columns // _BLOCK)) - 1
        if helpers < 1:
            work()
        else:
            with ThreadPoolExecutor(helpers) as pool:
                try:
                    others = [pool.submit(work) for _ in range(helpers)]
                    work()
                finally:
                    stop.set()
                for other in others:
                    other.result()
        if failures:
            first = min(failures)
            raise _error(*failures[first], first)

    def _add(self, arrays: Mapping[str, ArrayLike], shape: tuple[int, ...]) -> None:
        for name, given in arrays.items():
            array = self._broadcast(name, self._numbers(name, given), shape)
            self.arguments[name] = np.require(array, np.float64, "CA").T

    def _add_given(self, arrays: Mapping[str, ArrayLike | None], shape: tuple[int, ...]) -> None:
        self._add({name: given for name, given in arrays.items() if given is not None}, shape)
        self.arguments |= {name: _absent(len(shape), np.float64) for name, given in arrays.items() if given is None}

    def _array(self, name: str, given: ArrayLike) -> NDArray[Any]:
        if np.ma.is_masked(given):
            raise self.error(Status.BAD_VALUE, f"{name}: expected values everywhere, got masked ones")
        try:
            return np.asarray(given)
        except ValueError as error:
            raise self.error(Status.BAD_SHAPE, f"{name}: is no array: {error}") from error

    def _numbers(self, name: str, given: ArrayLike) -> NDArray[Any]:
        array = self._array(name, given)
        if array.dtype.kind not in "fiu":
            raise self.error(Status.BAD_VALUE, f"{name}: expected real numbers, got {array.dtype}")
        return array

    def _broadcast(self, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        try:
            return np.broadcast_to(array, shape)
        except ValueError:
            raise self.error(Status.BAD_SHAPE, f"{name}: expected {_text(shape)}, got {_text(array.shape)}") from None


class _Scheme:
    """A loaded RRTMG of either spectrum."""

    _tables: str
    _name: str

    def __init__(self, path: str | PathLike[str] | None, switches: Mapping[str, bool]) -> None:
        self._path = Path(_find_tables(self._tables) if path is None else path)
        self._switches = {name: bool(value) for name, value in switches.items()}
        self._handle = np.zeros(16, np.int64)
        switched = {name: int(value) for name, value in self._switches.items()}
        with _LOADING:
            stat, message = self._procedure("load")(os.fsencode(self._path), handle=self._handle, **switched)
        if stat != Status.SUCCESS:
            raise _error(stat, message)
        weakref.finalize(self, self._procedure("free"), self._handle)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return _load, (type(self), self._path.absolute(), self._switches)

    def __repr__(self) -> str:
        switches = "".join(f", {name}=True" for name, value in self._switches.items() if value)
        return f"{type(self).__name__}({str(self._path)!r}{switches})"

    def _procedure(self, name: str) -> Callable[..., Any]:
        return getattr(_rrtmg, f"{_PREFIX}{self._name}_{name}")

    def _run(self, call: _Call, threads: int, progress: Callable[[int], object] | None) -> None:
        call.run(self._procedure("fluxes"), self._handle, threads, progress)

    def _look(self, call: _Call) -> None:
        stat, message = self._procedure("optical_depths")(self._handle, **call.arguments)
        if stat != Status.SUCCESS:
            raise _error(stat, message)


class Longwave(_Scheme):
    """RRTMG longwave: clear sky, clouds, aerosol. 16 bands, 140 g-points."""

    _tables = "rrtmg_longwave.nc"
    _name = "longwave"

    def __init__(self, path: str | PathLike[str] | None = None, *, original_tables: bool = False) -> None:
        """Load the coefficient file ``path``, or the one that came with the package.

        That one is looked for in the folder that the environment variable RADML_DATA names, else in the package. With
        ``original_tables`` the original's table of 10,000 transmittances takes the place of exact exponentials: slower, less
        exact, for comparisons. Raises :class:`RrtmgTablesError`.
        """
        super().__init__(path, {"original_tables": original_tables})

    def fluxes(
        self,
        *,
        pressure_level: ArrayLike,
        temperature_level: ArrayLike,
        pressure_layer: ArrayLike,
        temperature_layer: ArrayLike,
        h2o: ArrayLike,
        o3: ArrayLike,
        co2: ArrayLike,
        ch4: ArrayLike,
        n2o: ArrayLike,
        o2: ArrayLike,
        surface_temperature: ArrayLike,
        surface_emissivity: ArrayLike,
        cfc11: ArrayLike | None = None,
        cfc12: ArrayLike | None = None,
        cfc22: ArrayLike | None = None,
        ccl4: ArrayLike | None = None,
        cloud_fraction: ArrayLike | None = None,
        cloud_liquid_path: ArrayLike | None = None,
        liquid_radius: ArrayLike | None = None,
        cloud_ice_path: ArrayLike | None = None,
        ice_radius: ArrayLike | None = None,
        ice_optics: IceOptics = "fu",
        overlap: Overlap = "maximum-random",
        seed: ArrayLike | None = None,
        draws: int = 1,
        subcolumns: ArrayLike | None = None,
        aerosol_optical_depth: ArrayLike | None = None,
        band_emissivity: ArrayLike | None = None,
        threads: int = 1,
        progress: Callable[[int], object] | None = None,
    ) -> LongwaveFluxes:
        """Fluxes and heating rates, of clear sky where no clouds are given.

        Args:
            pressure_level: rising downwards [Pa] (column, level).
            temperature_level: [K] (column, level).
            pressure_layer: within their levels' [Pa] (column, layer).
            temperature_layer: [K] (column, layer).
            h2o: water vapour; it and the gases after it [mol mol-1] (column, layer).
            o3: ozone.
            co2: carbon dioxide.
            ch4: methane.
            n2o: nitrous oxide.
            o2: oxygen.
            surface_temperature: [K] (column).
            surface_emissivity: the rest is reflected [1] (column).
            cfc11: 0 where absent, as the three after it [mol mol-1] (column, layer).
            cfc12: CFC-12.
            cfc22: HCFC-22.
            ccl4: carbon tetrachloride.
            cloud_fraction: [1] (column, layer).
            cloud_liquid_path: liquid water inside the cloud [kg m-2] (column, layer).
            liquid_radius: effective radius, 2.5e-6 to 60e-6 [m] (column, layer).
            cloud_ice_path: ice inside the cloud [kg m-2] (column, layer).
            ice_radius: effective radius, 3.25e-6 to 90.9e-6 with Fu's optics, 5e-6 to 131e-6 with Streamer's [m]
                (column, layer).
            ice_optics: ``"fu"`` or ``"streamer"``.
            overlap: ``"maximum-random"``, ``"random"`` or ``"maximum"`` by McICA; ``"analytic"`` without subcolumns.
            seed: any whole number for each column, not broadcast; where absent a column draws from its own values (column).
            draws: McICA draws to average.
            subcolumns: booleans, where g-points see cloud, in place of ``cloud_fraction`` (column, layer, 140).
            aerosol_optical_depth: absorption in each band [1] (column, layer, 16).
            band_emissivity: in place of ``surface_emissivity`` [1] (column, 16).
            threads: threads to share the columns out to; the bits are the same for any number.
            progress: called with the number of columns each time that some are done, from any of the threads.

        Raises:
            RrtmgError: a shape, a value, or arguments that do not go together, in RRTMG's words.
            RrtmgTablesError: clouds, without ``rrtmg_clouds.nc`` beside the file that was loaded.
        """
        call = _Call("rrtmg_longwave%fluxes", pressure_layer)
        call.levels(pressure_level=pressure_level, temperature_level=temperature_level)
        call.layers(temperature_layer=temperature_layer, h2o=h2o, o3=o3, co2=co2, ch4=ch4, n2o=n2o, o2=o2)
        call.columns(surface_temperature=surface_temperature, surface_emissivity=surface_emissivity)
        call.optional_layers(cfc11=cfc11, cfc12=cfc12, cfc22=cfc22, ccl4=ccl4)
        drawn = call.clouds(
            _LONGWAVE_G_POINTS,
            cloud_fraction=cloud_fraction,
            cloud_liquid_path=cloud_liquid_path,
            liquid_radius=liquid_radius,
            cloud_ice_path=cloud_ice_path,
            ice_radius=ice_radius,
            ice_optics=ice_optics,
            overlap=overlap,
            seed=seed,
            draws=draws,
            subcolumns=subcolumns,
        )
        call.optional_bands(_LONGWAVE_BANDS, aerosol_optical_depth=aerosol_optical_depth)
        call.optional_surface_bands(_LONGWAVE_BANDS, band_emissivity=band_emissivity)
        call.results_at_levels("up", "down", "up_clear", "down_clear")
        call.results_at_layers("heating_rate")
        (call.results_at_levels if drawn else call.no_results)("up_noise", "down_noise")
        self._run(call, threads, progress)
        return LongwaveFluxes(
            up=call.result("up"),
            down=call.result("down"),
            heating_rate=call.result("heating_rate"),
            up_clear=call.result("up_clear"),
            down_clear=call.result("down_clear"),
            up_noise=call.result("up_noise") if drawn else None,
            down_noise=call.result("down_noise") if drawn else None,
        )

    def optical_depths(
        self,
        *,
        pressure_level: ArrayLike,
        pressure_layer: ArrayLike,
        temperature_layer: ArrayLike,
        h2o: ArrayLike,
        o3: ArrayLike,
        co2: ArrayLike,
        ch4: ArrayLike,
        n2o: ArrayLike,
        o2: ArrayLike,
        cfc11: ArrayLike = 0.0,
        cfc12: ArrayLike = 0.0,
        cfc22: ArrayLike = 0.0,
        ccl4: ArrayLike = 0.0,
    ) -> LongwaveOpticalDepths:
        """Optical depths and Planck fractions of one column at all g-points, for a look inside.

        The arguments are those of :meth:`fluxes` for one column, without its dimension: (level) or (layer). Raises
        :class:`RrtmgError`.
        """
        call = _Call("rrtmg_longwave%optical_depths", pressure_layer, one_column=True)
        call.levels(pressure_level=pressure_level)
        call.layers(temperature_layer=temperature_layer, h2o=h2o, o3=o3, co2=co2, ch4=ch4, n2o=n2o, o2=o2)
        call.layers(cfc11=cfc11, cfc12=cfc12, cfc22=cfc22, ccl4=ccl4)
        call.results((call.n_layers, _LONGWAVE_G_POINTS), "optical_depth", "planck_fraction")
        self._look(call)
        return LongwaveOpticalDepths(call.result("optical_depth"), call.result("planck_fraction"))


class Shortwave(_Scheme):
    """RRTMG shortwave: clear sky, clouds, aerosol. 14 bands, AER's 16 to 29; 112 g-points."""

    _tables = "rrtmg_shortwave.nc"
    _name = "shortwave"

    def __init__(
        self, path: str | PathLike[str] | None = None, *, original_tables: bool = False, absorbing_ice: bool = False
    ) -> None:
        """Load the coefficient file ``path``, or the one that came with the package.

        That one is looked for in the folder that the environment variable RADML_DATA names, else in the package. With
        ``original_tables`` the original's table of 10,000 transmittances takes the place of exact exponentials: slower, less
        exact, for comparisons. With ``absorbing_ice`` ice absorbs where the original takes it for ice that does not
        (Fu's crystals at 3250 to 4650 cm-1). Raises :class:`RrtmgTablesError`.
        """
        super().__init__(path, {"original_tables": original_tables, "absorbing_ice": absorbing_ice})
        self.absorbing_ice = bool(absorbing_ice)

    def fluxes(
        self,
        *,
        pressure_level: ArrayLike,
        pressure_layer: ArrayLike,
        temperature_layer: ArrayLike,
        h2o: ArrayLike,
        o3: ArrayLike,
        co2: ArrayLike,
        ch4: ArrayLike,
        o2: ArrayLike,
        cos_zenith: ArrayLike,
        solar_irradiance: ArrayLike,
        visible_albedo_direct: ArrayLike,
        visible_albedo_diffuse: ArrayLike,
        near_infrared_albedo_direct: ArrayLike,
        near_infrared_albedo_diffuse: ArrayLike,
        aerosol_optical_depth: ArrayLike | None = None,
        aerosol_single_scattering_albedo: ArrayLike | None = None,
        aerosol_asymmetry: ArrayLike | None = None,
        cloud_fraction: ArrayLike | None = None,
        cloud_liquid_path: ArrayLike | None = None,
        liquid_radius: ArrayLike | None = None,
        cloud_ice_path: ArrayLike | None = None,
        ice_radius: ArrayLike | None = None,
        ice_optics: IceOptics = "fu",
        overlap: Overlap = "maximum-random",
        seed: ArrayLike | None = None,
        draws: int = 1,
        subcolumns: ArrayLike | None = None,
        clear: bool = True,
        threads: int = 1,
        progress: Callable[[int], object] | None = None,
    ) -> ShortwaveFluxes:
        """Fluxes and heating rates, of clear sky where no clouds are given; zero where it is night.

        Args:
            pressure_level: rising downwards [Pa] (column, level).
            pressure_layer: within their levels' [Pa] (column, layer).
            temperature_layer: [K] (column, layer).
            h2o: water vapour; it and the gases after it [mol mol-1] (column, layer).
            o3: ozone.
            co2: carbon dioxide.
            ch4: methane.
            o2: oxygen.
            cos_zenith: cosine of the solar zenith angle; it is night to 0 [1] (column).
            solar_irradiance: at the top, normal to the beam [W m-2] (column).
            visible_albedo_direct: below 625 nm, for the direct beam [1] (column).
            visible_albedo_diffuse: below 625 nm, for diffuse light [1] (column).
            near_infrared_albedo_direct: beyond 625 nm, for the direct beam [1] (column).
            near_infrared_albedo_diffuse: beyond 625 nm, for diffuse light [1] (column).
            aerosol_optical_depth: vertical; all three of aerosol or none [1] (column, layer, 14).
            aerosol_single_scattering_albedo: [1] (column, layer, 14).
            aerosol_asymmetry: of scattering [1] (column, layer, 14).
            cloud_fraction: [1] (column, layer).
            cloud_liquid_path: liquid water inside the cloud [kg m-2] (column, layer).
            liquid_radius: effective radius, 2.5e-6 to 60e-6 [m] (column, layer).
            cloud_ice_path: ice inside the cloud [kg m-2] (column, layer).
            ice_radius: effective radius, 3.25e-6 to 90.9e-6 with Fu's optics, 5e-6 to 131e-6 with Streamer's [m]
                (column, layer).
            ice_optics: ``"fu"`` or ``"streamer"``.
            overlap: ``"maximum-random"``, ``"random"`` or ``"maximum"``, by McICA.
            seed: any whole number for each column, not broadcast; where absent a column draws from its own values (column).
            draws: McICA draws to average.
            subcolumns: booleans, where g-points see cloud, in place of ``cloud_fraction`` (column, layer, 112).
            clear: give the fluxes without clouds too, for one more pass through the columns that have some.
            threads: threads to share the columns out to; the bits are the same for any number.
            progress: called with the number of columns each time that some are done, from any of the threads.

        Raises:
            RrtmgError: a shape, a value, or arguments that do not go together, in RRTMG's words.
            RrtmgTablesError: clouds, without ``rrtmg_clouds.nc`` beside the file that was loaded.
        """
        call = _Call("rrtmg_shortwave%fluxes", pressure_layer)
        call.levels(pressure_level=pressure_level)
        call.layers(temperature_layer=temperature_layer, h2o=h2o, o3=o3, co2=co2, ch4=ch4, o2=o2)
        call.columns(
            cos_zenith=cos_zenith,
            solar_irradiance=solar_irradiance,
            visible_albedo_direct=visible_albedo_direct,
            visible_albedo_diffuse=visible_albedo_diffuse,
            near_infrared_albedo_direct=near_infrared_albedo_direct,
            near_infrared_albedo_diffuse=near_infrared_albedo_diffuse,
        )
        call.optional_bands(
            _SHORTWAVE_BANDS,
            aerosol_optical_depth=aerosol_optical_depth,
            aerosol_single_scattering_albedo=aerosol_single_scattering_albedo,
            aerosol_asymmetry=aerosol_asymmetry,
        )
        drawn = call.clouds(
            _SHORTWAVE_G_POINTS,
            cloud_fraction=cloud_fraction,
            cloud_liquid_path=cloud_liquid_path,
            liquid_radius=liquid_radius,
            cloud_ice_path=cloud_ice_path,
            ice_radius=ice_radius,
            ice_optics=ice_optics,
            overlap=overlap,
            seed=seed,
            draws=draws,
            subcolumns=subcolumns,
        )
        call.results_at_levels("up", "down", "direct")
        call.results_at_layers("heating_rate")
        (call.results_at_levels if clear else call.no_results)("up_clear", "down_clear", "direct_clear")
        (call.results_at_levels if drawn else call.no_results)("up_noise", "down_noise")
        call.results((call.n_columns,), *_SURFACE_NAMES)
        self._run(call, threads, progress)
        return ShortwaveFluxes(
            up=call.result("up"),
            down=call.result("down"),
            heating_rate=call.result("heating_rate"),
            direct=call.result("direct"),
            up_clear=call.result("up_clear") if clear else None,
            down_clear=call.result("down_clear") if clear else None,
            direct_clear=call.result("direct_clear") if clear else None,
            up_noise=call.result("up_noise") if drawn else None,
            down_noise=call.result("down_noise") if drawn else None,
            **{name: call.result(name) for name in _SURFACE_NAMES},
        )

    def optical_depths(
        self,
        *,
        pressure_level: ArrayLike,
        pressure_layer: ArrayLike,
        temperature_layer: ArrayLike,
        h2o: ArrayLike,
        o3: ArrayLike,
        co2: ArrayLike,
        ch4: ArrayLike,
        o2: ArrayLike,
        solar_irradiance: float,
    ) -> ShortwaveOpticalDepths:
        """Depths of absorption and Rayleigh scattering of one column at all g-points and the solar source, for a look inside.

        The arguments are those of :meth:`fluxes` for one column, without its dimension: (level), (layer) or a number. Raises
        :class:`RrtmgError`.
        """
        call = _Call("rrtmg_shortwave%optical_depths", pressure_layer, one_column=True)
        call.levels(pressure_level=pressure_level)
        call.layers(temperature_layer=temperature_layer, h2o=h2o, o3=o3, co2=co2, ch4=ch4, o2=o2)
        call.columns(solar_irradiance=solar_irradiance)
        call.results((call.n_layers, _SHORTWAVE_G_POINTS), "absorption", "rayleigh")
        call.results((_SHORTWAVE_G_POINTS,), "source")
        self._look(call)
        return ShortwaveOpticalDepths(*map(call.result, ("absorption", "rayleigh", "source")))


def fluxes(
    dataset: xr.Dataset,
    *,
    longwave: Longwave | None = None,
    shortwave: Shortwave | None = None,
    clear_sky: bool = False,
    overlap: Overlap = "maximum-random",
    draws: int = 1,
    seed: int | ArrayLike | None = None,
    noise: bool = False,
    ice_optics: IceOptics = "fu",
    threads: int = 1,
    progress: bool = False,
) -> xr.Dataset:
    """What ``radml-rrtmg`` writes, from the columns of a dataset: the same names, attributes and bits.

    ``dataset`` has the variables of a column file (:data:`ftorch_bridge.column_file.COLUMN_VARIABLES`), their dimensions in any
    order; one that lacks a dimension counts along it, so that ``co2`` may be a number. Units are checked where there are any.
    Those that need not be there are absent arguments: without ``cloud_fraction`` the sky is clear, without ``cos_zenith`` or
    ``surface_albedo`` there is no shortwave, without ``solar_irradiance`` it is 1361 W m-2.

    Args:
        dataset: columns, layers from the top of the atmosphere down.
        longwave: loaded before; where absent with the tables that came along.
        shortwave: the same of the shortwave.
        clear_sky: leave the clouds out.
        overlap: as in :meth:`Longwave.fluxes`; with ``"analytic"`` the shortwave draws maximum-random subcolumns.
        draws: as there.
        seed: a number above 0, with which each column draws from it and the column's number in the dataset; or a number for
            each column; where absent columns draw from their own values.
        noise: give ``lw_up_noise`` and the like too, for two draws or more.
        ice_optics: as in :meth:`Longwave.fluxes`.
        threads: threads to share the columns out to.
        progress: show how far it is on the terminal.

    Returns:
        ``lw_up``, ``lw_down`` [W m-2] (column, level), ``lw_heating_rate`` [K day-1] (column, layer); with clouds
        ``lw_up_clear`` and ``lw_down_clear``; with a sun the same of ``sw``, ``sw_direct`` and ``sw_surface_visible_direct``,
        ``..._diffuse``, ``sw_surface_near_infrared_...`` (column); the pressures and the dataset's own coordinates as
        coordinates. All names are in :data:`ftorch_bridge.column_file.FLUX_VARIABLES`.

    Raises:
        RrtmgError: a variable that is missing, has other dimensions or units, or a value that RRTMG does not take.
        RrtmgTablesError: tables that cannot be loaded.
    """
    columns = _columns_of(dataset)
    n_columns = columns["pressure_layer"].shape[0]
    has_clouds = "cloud_fraction" in columns and bool((columns["cloud_fraction"] > 0).any())
    cloudy = has_clouds and not clear_sky
    lit = "cos_zenith" in columns and "surface_albedo" in columns
    if noise and not draws > 1:
        raise RrtmgError(Status.BAD_ARGUMENTS, "fluxes: noise needs at least two draws")
    clouds: dict[str, Any] = {}
    if cloudy:
        clouds = {name: columns[name] for name in _CLOUD_NAMES if name in columns}
        clouds |= {"overlap": overlap, "draws": draws, "seed": _seeds(seed, n_columns), "ice_optics": ice_optics}
    found: dict[str, Array] = {}
    with _bar(n_columns * (1 + lit), progress) as advance:
        lw = (longwave or Longwave()).fluxes(
            **{name: columns[name] for name in _LONGWAVE_NAMES if name in columns}, **clouds, threads=threads, progress=advance
        )
        found |= _spectrum("lw", lw, cloudy, noise)
        if lit:
            shortwave = shortwave or Shortwave()
            albedo = columns["surface_albedo"]
            if cloudy and overlap == "analytic":  # the longwave has a solver for it, the shortwave draws
                clouds["overlap"] = "maximum-random"
            sw = shortwave.fluxes(
                **{name: columns[name] for name in _SHORTWAVE_NAMES},
                **clouds,
                solar_irradiance=columns.get("solar_irradiance", _MEAN_IRRADIANCE),
                visible_albedo_direct=albedo,
                visible_albedo_diffuse=albedo,
                near_infrared_albedo_direct=albedo,
                near_infrared_albedo_diffuse=albedo,
                clear=cloudy,
                threads=threads,
                progress=advance,
            )
            found |= _spectrum("sw", sw, cloudy, noise)
    comment = "clear sky: the clouds of the columns were left out" if has_clouds else None
    options: dict[str, object] = {"clear_sky": clear_sky}
    if cloudy:
        absorbing_ice = shortwave is not None and lit and shortwave.absorbing_ice
        comment = _described(overlap, draws, seed, ice_optics, with_shortwave=lit, absorbing_ice=absorbing_ice)
        options = {"overlap": overlap, "draws": draws, "seed": seed, "noise": noise, "ice_optics": ice_optics}
    return _results(dataset, columns, found, comment, options, clouds_left_out=has_clouds and not cloudy)


_COLUMNS = {v.name: v for v in COLUMN_VARIABLES if v.name not in PLACE_VARIABLES}
_FLUXES = {v.name: v for v in FLUX_VARIABLES}
_SUN_NAMES = ("surface_albedo", "cos_zenith", "solar_irradiance")
_CLOUD_NAMES = ("cloud_fraction", "cloud_liquid_path", "liquid_radius", "cloud_ice_path", "ice_radius")
_LONGWAVE_NAMES = tuple(name for name in _COLUMNS if name not in (*_SUN_NAMES, *_CLOUD_NAMES))
_SHORTWAVE_NAMES = (
    "pressure_level",
    "pressure_layer",
    "temperature_layer",
    "h2o",
    "o3",
    "co2",
    "ch4",
    "o2",
    "cos_zenith",
)


def _absent(rank: int, kind: type[np.generic]) -> NDArray[Any]:
    """What stands for an absent array in the Fortran module."""
    return np.empty((0,) * rank, kind, order="F")


def _text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _error(stat: int, message: bytes, first: int = 0) -> RrtmgError | RrtmgTablesError:
    """The exception for a status of RRTMG. ``first`` columns lie before the block whose columns the message counts."""
    status = Status(stat)
    words = os.fsdecode(message.rstrip())
    words = re.sub(r"(?<= of column )\d+", lambda found: str(int(found[0]) + first), words)
    return (RrtmgTablesError if status in (Status.BAD_TABLES, Status.NOT_LOADED) else RrtmgError)(status, words)


def _find_tables(name: str) -> Path:
    """Tables that came along: from RADML_DATA, the installed package, or the source tree that this module lies in."""
    if folder := os.environ.get("RADML_DATA"):
        return Path(folder) / name
    try:
        return data_file(name)
    except ProgramError as error:
        in_source = Path(__file__).parents[2] / "data" / name
        if in_source.is_file():
            return in_source
        raise RrtmgTablesError(Status.BAD_TABLES, str(error)) from error


def _load(kind: type[Longwave | Shortwave], path: Path, switches: Mapping[str, bool]) -> Longwave | Shortwave:
    return kind(path, **switches)


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Callable[[int], object] | None]:
    """What takes the number of columns that were done, and draws it."""
    if not shown:
        yield None
        return
    with Progress(TextColumn("RRTMG"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.advance(task, done)


def _columns_of(dataset: xr.Dataset) -> dict[str, NDArray[Any]]:
    """The variables that RRTMG uses, with the column file's dimensions; those that were lacking have the size 1."""
    found: dict[str, NDArray[Any]] = {}
    for name, variable in _COLUMNS.items():
        if name not in dataset.variables:
            if variable.required:
                raise RrtmgError(Status.BAD_ARGUMENTS, f"fluxes: variable {name} is missing")
            continue
        array = dataset[name].variable
        if not set(array.dims) <= set(variable.dimensions):
            raise RrtmgError(
                Status.BAD_SHAPE, f"fluxes: {name}: expected dimensions {variable.dimensions}, got {tuple(array.dims)}"
            )
        units = array.attrs.get("units", variable.units)
        if units != variable.units:
            raise RrtmgError(Status.BAD_VALUE, f"fluxes: {name}: expected units {variable.units!r}, got {units!r}")
        kept = [dimension for dimension in variable.dimensions if dimension in array.dims]
        found[name] = array.transpose(*kept).to_numpy()[tuple(slice(None) if d in kept else None for d in variable.dimensions)]
    # The columns of them all, where the pressures are the same for every one.
    shape = (dataset.sizes.get("column", 1), found["pressure_layer"].shape[1])
    found["pressure_layer"] = np.broadcast_to(found["pressure_layer"], shape)
    return found


def _seeds(seed: int | ArrayLike | None, n_columns: int) -> NDArray[Any] | None:
    if seed is None or np.ndim(seed) > 0:
        return None if seed is None else np.asarray(seed)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 < seed < 2**31:
        raise RrtmgError(Status.BAD_ARGUMENTS, f"fluxes: seed: expected a whole number above 0, less than 2**31, got {seed!r}")
    return int(seed) * 2**32 + np.arange(1, n_columns + 1, dtype=np.int64)


def _described(
    overlap: str, draws: int, seed: int | ArrayLike | None, ice_optics: str, *, with_shortwave: bool, absorbing_ice: bool
) -> str:
    """How clouds were treated."""
    if overlap == "analytic":
        text = "clouds: maximum-random overlap, in the longwave by the analytic solver"
        if with_shortwave:
            text += ", in the shortwave by McICA"
    else:
        text = f"clouds: McICA, {overlap} overlap"
    if overlap != "analytic" or with_shortwave:
        of = "the columns' own values" if seed is None else f"seed {seed}" if np.ndim(seed) == 0 else "seeds that were given"
        text += f", mean of {draws} draws from {of}"
    text += f"; ice optics of {ice_optics.capitalize()}"
    return text + ", absorbing where it scatters forward" if absorbing_ice else text


def _spectrum(prefix: str, result: LongwaveFluxes | ShortwaveFluxes, cloudy: bool, noise: bool) -> dict[str, Array]:
    """The results of one spectrum by the names of their file."""
    names = ["up", "down", "heating_rate"]
    if isinstance(result, ShortwaveFluxes):
        names += ["direct", *_SURFACE_NAMES]
    if cloudy:
        names += ["up_clear", "down_clear"]
    found = {f"{prefix}_{name}": getattr(result, name) for name in names}
    if cloudy and noise:
        for name in ("up_noise", "down_noise"):
            values = getattr(result, name)  # the analytic solver has none
            found[f"{prefix}_{name}"] = np.zeros_like(result.up) if values is None else values
    return found


def _source() -> str:
    try:
        return f"ftorch_bridge.rrtmg {version('ftorch-bridge')}: RRTMG"
    except PackageNotFoundError:  # run from a source tree
        return "ftorch_bridge.rrtmg: RRTMG"


def _results(
    dataset: xr.Dataset,
    columns: Mapping[str, NDArray[Any]],
    found: Mapping[str, Array],
    comment: str | None,
    options: Mapping[str, object],
    *,
    clouds_left_out: bool,
) -> xr.Dataset:
    """The dataset of results."""
    coordinates = {
        name: coordinate for name, coordinate in dataset.coords.items() if set(coordinate.dims) <= {"column", "layer", "level"}
    }
    for name in ("pressure_level", "pressure_layer"):
        variable = _COLUMNS[name]
        values = np.broadcast_to(columns[name], (columns["pressure_layer"].shape[0], columns[name].shape[1]))
        attributes = {"units": variable.units, "standard_name": variable.standard_name, "long_name": variable.long_name}
        coordinates[name] = xr.Variable(variable.dimensions, np.array(values, np.float64), attributes)
    variables = {}
    for name, values in found.items():
        variable = _FLUXES[name]
        attributes = {"units": variable.units, "long_name": variable.long_name}
        if variable.standard_name:
            assuming = "_assuming_clear_sky" if clouds_left_out else ""
            attributes["standard_name"] = variable.standard_name + assuming
        variables[name] = xr.Variable(variable.dimensions, values, attributes)
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%dT%H:%M:%S%z")
    given = ", ".join(f"{name}={value!r}" for name, value in options.items())
    attributes = {
        "Conventions": "CF-1.11",
        "title": "Radiative fluxes and heating rates, from the top of the atmosphere down",
        "source": _source(),
        "history": f"{now}: ftorch_bridge.rrtmg.fluxes({given})",
    }
    if comment:
        attributes["comment"] = comment
    return xr.Dataset(variables, coordinates, attributes)
