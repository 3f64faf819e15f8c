"""How far two sets of fluxes and heating rates are apart: in one number, by layer, by kind of cloud, by climate."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import netCDF4
import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import nn

from ftorch_bridge import programs
from ftorch_bridge.column_file import read_columns, write
from ftorch_bridge.dataset import Arrays, Dataset, Settings, load_split
from ftorch_bridge.networks import HEATING_FACTOR

Array = NDArray[np.float64]

SPECTRA = {"lw": "longwave", "sw": "shortwave"}
FIELDS = ("up", "down", "heating_rate")
LARGE_ERROR = 5.0
"""A heating error [K day-1] that a column is counted for: what replay mends and the guard is there for."""
ALL = slice(None)
LOW_CLOUD, HIGH_CLOUD = 68000.0, 44000.0  # Pa: low clouds lie below the first, high clouds above the second (as ISCCP)


def compare(
    found: Mapping[str, Array],
    truth: Mapping[str, Array],
    pressure_layer: Array,
    spectrum: str = "lw",
    kept: NDArray[np.bool_] | slice = ALL,
) -> dict[str, float]:
    """Errors of ``found`` against ``truth``, longwave (``lw``) or shortwave (``sw``), of the columns that are ``kept``.

    Both hold ``lw_up``, ``lw_down`` (column, level) in W m-2 and ``lw_heating_rate`` (column, layer) in K day-1,
    ``pressure_layer`` (column, layer) is in Pa. All columns, levels and layers weigh the same; ``worst_layer``, counted
    from 0 at the top, has the largest heating RMSE.
    """
    right = [truth[f"{spectrum}_{field}"][kept] for field in FIELDS]
    up, down, heating = (found[f"{spectrum}_{field}"][kept] - values for field, values in zip(FIELDS, right, strict=True))
    by_layer = np.sqrt((heating**2).mean(axis=0))
    worst = int(by_layer.argmax())
    return {
        "flux_bias": float(0.5 * (up.mean() + down.mean())),
        "flux_rmse": float(np.sqrt(0.5 * ((up**2).mean() + (down**2).mean()))),
        "flux_largest": float(max(np.abs(up).max(), np.abs(down).max())),
        "flux_up_relative_mae": float(np.abs(up).mean() / np.abs(right[0]).mean()),
        "flux_down_relative_mae": float(np.abs(down).mean() / np.abs(right[1]).mean()),
        "top_up_rmse": float(np.sqrt((up[:, 0] ** 2).mean())),
        "surface_down_rmse": float(np.sqrt((down[:, -1] ** 2).mean())),
        "top_net_rmse": float(np.sqrt(((down - up)[:, 0] ** 2).mean())),
        "surface_net_rmse": float(np.sqrt(((down - up)[:, -1] ** 2).mean())),
        "heating_bias": float(heating.mean()),
        "heating_mae": float(np.abs(heating).mean()),
        "heating_rmse": float(np.sqrt((heating**2).mean())),
        "heating_rmse_below_100_pa": float(np.sqrt((heating[pressure_layer[kept] > 100.0] ** 2).mean())),
        "heating_relative_mae": float(np.abs(heating).mean() / np.abs(right[2]).mean()),
        "heating_999th_permille": float(np.quantile(np.abs(heating), 0.999)),
        "heating_worst_layer_rmse": float(by_layer[worst]),
        "worst_layer": worst,
        "heating_largest": float(np.abs(heating).max()),
    }


def cloud_classes(columns: Mapping[str, NDArray[np.floating]]) -> NDArray[np.str_]:
    """Kind of the clouds of each column, from ``cloud_fraction`` and ``pressure_layer`` [Pa] (column, layer).

    ``clear``; ``low``, ``middle``, ``high`` for clouds that lie in one of these parts; ``deep`` where a cloud goes through all
    of them; ``several`` for the others.
    """
    fraction, pressure = columns["cloud_fraction"], columns["pressure_layer"]
    cloudy = fraction > 0.0
    parts = {
        "low": pressure > LOW_CLOUD,
        "middle": (pressure <= LOW_CLOUD) & (pressure >= HIGH_CLOUD),
        "high": pressure < HIGH_CLOUD,
    }
    has = {name: (cloudy & part).any(1) for name, part in parts.items()}
    count = sum(there.astype(int) for there in has.values())
    through = ~(~cloudy & parts["middle"]).any(1) & has["low"] & has["high"]
    classes = np.full(len(fraction), "several", dtype="<U8")
    for name, there in has.items():
        classes[there & (count == 1)] = name
    classes[through] = "deep"
    classes[count == 0] = "clear"
    return classes


def climates(columns: Mapping[str, NDArray[np.floating]]) -> NDArray[np.str_]:
    """``tropics``, ``mid-latitudes`` or ``polar``, by ``latitude`` [degrees] (column,): bounds at 30 and 60."""
    place = np.searchsorted([30.0, 60.0], np.abs(columns["latitude"]), side="right")
    return np.array(["tropics", "mid-latitudes", "polar"])[place]


@dataclass(frozen=True)
class LayerErrors:
    """Heating errors by layer, from the top [K day-1], beside the pressures [Pa] and what labels themselves vary by."""

    pressure: list[float]
    bias: list[float]
    rmse: list[float]
    permille_999: list[float]
    """What one error in a thousand exceeds."""
    largest: list[float]
    spread: list[float]
    """Standard deviation of the true heating rates."""
    noise: list[float]
    """Standard deviation that the labels have from McICA; empty if it was not asked for."""


@dataclass(frozen=True)
class Evaluation:
    """Errors of a network on columns that it has never seen, by spectrum (``lw``, ``sw``; of sunlit columns)."""

    columns: int
    layers: int
    draws: int
    """McICA draws in a label."""
    errors: dict[str, dict[str, float]]
    noise: dict[str, dict[str, float]]
    """The same numbers for one set of labels against another, over the square root of two; empty if not asked for."""
    by_layer: dict[str, LayerErrors]
    by_cloud: dict[str, dict[str, dict[str, float]]]
    by_climate: dict[str, dict[str, dict[str, float]]]
    """Empty where the columns do not say at which latitude they lie."""
    closure: float
    """Largest difference between what layers gain and what the fluxes lose there [W m-2]."""

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


INPUTS_OF_CLASSES = ("pressure_level", "pressure_layer", "cloud_fraction", "latitude", "cos_zenith")


def run_network(
    network: nn.Module, columns: Arrays, block: int = 256, advance: Callable[[int], None] = lambda done: None
) -> dict[str, Array]:
    """What ``network`` gives for columns, by the names of its outputs."""
    parts: list[list[Array]] = []
    count = len(columns["pressure_layer"])
    with torch.inference_mode():
        for first in range(0, count, block):
            inputs = [torch.from_numpy(columns[name][first : first + block]).double() for name in network.inputs]
            parts.append([t.double().numpy() for t in network(*inputs)])
            advance(len(parts[-1][0]))
    return {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(network.outputs)}


def labelled(column_file: Path, folder: Path, *, draws: int, at_most: int, threads: int = 1) -> tuple[Dataset, int]:
    """A data set in ``folder`` of (the first) columns of a file with RRTMG's fluxes, and how many layers it has.

    Raises :class:`ftorch_bridge.column_file.ColumnFileError`, :class:`ftorch_bridge.dataset.DatasetError` and
    :class:`ftorch_bridge.programs.ProgramError`.
    """
    layers = read_columns(column_file, slice(0, 1)).sizes["layer"]
    dataset = Dataset.create(folder, Settings(layers=(layers,), sources=(str(column_file),), draws=draws))
    for shard in range(min(dataset.shards_of_sources(), -(-at_most // dataset.settings.columns_per_shard))):
        dataset.make(shard, threads)
    return dataset, layers


def _have_places(dataset: Dataset) -> bool:
    """Whether every shard says at which latitude its columns lie, as generated ones do."""
    if not dataset.settings.sources:
        return True
    for shard in dataset.shards():
        with netCDF4.Dataset(dataset.columns_path(shard)) as file:
            if "latitude" not in file.variables:
                return False
    return True


def evaluate(
    network: nn.Module,
    dataset: Dataset,
    *,
    split: str,
    layers: int,
    at_most: int,
    noise_columns: int = 0,
    threads: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> Evaluation:
    """Evaluate ``network`` on the columns of ``layers`` in a ``split`` of ``dataset``; ``all`` takes every column.

    With ``noise_columns`` RRTMG labels so many of them again with another seed, so that the noise of the labels can be told.
    Raises :class:`ftorch_bridge.dataset.DatasetError` and :class:`ftorch_bridge.programs.ProgramError`.
    """
    names = [*dict.fromkeys([*network.inputs, *network.outputs, *INPUTS_OF_CLASSES])]
    with_places = _have_places(dataset)
    if not with_places:
        names.remove("latitude")
    columns = load_split(dataset, names, split, layers, at_most)
    found = run_network(network, columns, advance=advance)
    truth = {name: columns[name].astype(np.float64) for name in network.outputs}
    spectra = [s for s in SPECTRA if f"{s}_up" in network.outputs]
    pressure = columns["pressure_layer"]
    sunlit = columns["cos_zenith"] > 0.0
    day = {s: sunlit if s == "sw" else np.ones_like(sunlit) for s in spectra}
    other = _second_labels(dataset, layers, noise_columns, threads) if noise_columns else None

    def errors_of(kept: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
        return {s: _errors(found, truth, pressure, s, kept & day[s]) for s in spectra if (kept & day[s]).any()}

    def by(classes: NDArray[np.str_]) -> dict[str, dict[str, dict[str, float]]]:
        return {str(name): errors_of(classes == name) for name in dict.fromkeys(np.sort(classes))}

    noise: dict[str, dict[str, float]] = {}
    by_layer: dict[str, LayerErrors] = {}
    for s in spectra:
        noise_by_layer: list[float] = []
        if other is not None:
            first, second, noisy_pressure, noisy_sun = other
            kept = noisy_sun > 0.0 if s == "sw" else np.ones_like(noisy_sun, bool)
            two = _errors(first, second, noisy_pressure, s, kept)
            noise[s] = {name: value / np.sqrt(2.0) if name != "worst_layer" else value for name, value in two.items()}
            apart = (first[f"{s}_heating_rate"] - second[f"{s}_heating_rate"])[kept]
            noise_by_layer = np.sqrt(0.5 * (apart**2).mean(0)).tolist()
        right = truth[f"{s}_heating_rate"][day[s]]
        error = found[f"{s}_heating_rate"][day[s]] - right
        by_layer[s] = LayerErrors(
            pressure=pressure.mean(0).tolist(),
            bias=error.mean(0).tolist(),
            rmse=np.sqrt((error**2).mean(0)).tolist(),
            permille_999=np.quantile(np.abs(error), 0.999, axis=0).tolist(),
            largest=np.abs(error).max(0).tolist(),
            spread=right.std(0).tolist(),
            noise=noise_by_layer,
        )
    return Evaluation(
        columns=len(pressure),
        layers=layers,
        draws=dataset.settings.draws,
        errors=errors_of(np.ones_like(sunlit)),
        noise=noise,
        by_layer=by_layer,
        by_cloud=by(cloud_classes(columns)),
        by_climate=by(climates(columns)) if with_places else {},
        closure=max(_closure(found, columns["pressure_level"], s) for s in spectra),
    )


def _errors(
    found: Mapping[str, Array], truth: Mapping[str, Array], pressure: Array, spectrum: str, kept: NDArray[np.bool_]
) -> dict[str, float]:
    """:func:`compare` of some columns, and how many they are."""
    return {"columns": int(kept.sum()), **compare(found, truth, pressure, spectrum, kept)}


def _closure(found: Mapping[str, Array], pressure_level: NDArray[np.float32], spectrum: str) -> float:
    """Largest difference between heating and the divergence of the fluxes [W m-2]."""
    thickness = np.diff(pressure_level.astype(np.float64), axis=1)
    net = found[f"{spectrum}_down"] - found[f"{spectrum}_up"]
    return float(np.abs(found[f"{spectrum}_heating_rate"] * thickness / HEATING_FACTOR + np.diff(net, axis=1)).max())


def _second_labels(
    dataset: Dataset, layers: int, at_most: int, threads: int
) -> tuple[dict[str, Array], dict[str, Array], Array, Array] | None:
    """Fluxes of the first columns of a grid as they are and drawn again, their pressures and the sun."""
    for shard in dataset.shards():
        with netCDF4.Dataset(dataset.columns_path(shard)) as file:
            if file.dimensions["layer"].size != layers:
                continue
        columns = read_columns(dataset.columns_path(shard), slice(0, at_most))
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "columns.nc", Path(folder) / "fluxes.nc"
            write(columns, source)
            options = dataset.rrtmg_options()
            if "--clear-sky" not in options:
                options += ["--seed", "1"]
            programs.run("radml-rrtmg", source, target, *options, threads=threads)
            again = xr.load_dataset(target, engine="netcdf4")
        first = xr.load_dataset(dataset.fluxes_path(shard), engine="netcdf4").isel(column=slice(0, at_most))
        names = [f"{s}_{field}" for s in SPECTRA for field in FIELDS]
        fields = [{n: data[n].to_numpy().astype(np.float64) for n in names} for data in (first, again)]
        return fields[0], fields[1], columns["pressure_layer"].to_numpy(), columns["cos_zenith"].to_numpy()
    return None


ROWS = (
    ("relative mean absolute error, flux up [%]", "flux_up_relative_mae", 100.0, 2),
    ("relative mean absolute error, flux down [%]", "flux_down_relative_mae", 100.0, 2),
    ("relative mean absolute error, heating [%]", "heating_relative_mae", 100.0, 2),
    ("net flux at the top, RMSE [W m-2]", "top_net_rmse", 1.0, 2),
    ("net flux at the surface, RMSE [W m-2]", "surface_net_rmse", 1.0, 2),
    ("flux, bias [W m-2]", "flux_bias", 1.0, 3),
    ("flux, largest error [W m-2]", "flux_largest", 1.0, 1),
    ("heating, bias [K day-1]", "heating_bias", 1.0, 4),
    ("heating, RMSE [K day-1]", "heating_rmse", 1.0, 3),
    ("heating, RMSE below 1 hPa [K day-1]", "heating_rmse_below_100_pa", 1.0, 3),
    ("heating, one in a thousand exceeds [K day-1]", "heating_999th_permille", 1.0, 2),
    ("heating, RMSE of the worst layer [K day-1]", "heating_worst_layer_rmse", 1.0, 2),
    ("heating, largest error [K day-1]", "heating_largest", 1.0, 1),
)
CLASS_ROWS = ("top_net_rmse", "surface_net_rmse", "heating_rmse", "heating_rmse_below_100_pa")


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def errors_table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the errors, beside the noise of the labels if it is known."""
    spectra = [*evaluation.errors]
    header = ["error against RRTMG", *(SPECTRA[s] for s in spectra)]
    if evaluation.noise:
        header += [f"noise of {SPECTRA[s]} labels" for s in spectra]
    rows = []
    for words, name, factor, digits in ROWS:
        values = [evaluation.errors[s][name] for s in spectra]
        values += [evaluation.noise[s][name] for s in spectra if evaluation.noise]
        rows.append([words, *(f"{factor * value:.{digits}f}" for value in values)])
    return header, rows


def model_card(
    evaluation: Evaluation, name: str, config: Mapping[str, object], notes: Mapping[str, str], command: str, figure: str
) -> str:
    """A model card in Markdown: what the network is, how it was trained, how far it is from RRTMG and where."""
    header, rows = errors_table(evaluation)
    settings = ", ".join(f"{key} {value}" for key, value in config.items())
    parts = [
        f"# {name}",
        f"Network: `{notes.get('network', '?')}`, {settings}.",
        f"Trained by\n\n```sh\n{notes.get('command', '?')}\n```\n\nwith the recipe\n\n"
        f"```toml\n{notes.get('recipe', '').strip()}\n```",
        f"on the data set `{notes.get('dataset', '?')}` ({notes.get('trained_on', '?')}).",
        "## Errors",
        f"{evaluation.columns} columns of {evaluation.layers} layers that the network has not seen, {evaluation.draws} McICA "
        f"draws in each label; all columns, levels and layers weigh the same, the shortwave is that of sunlit columns. Heating "
        f"and the divergence of the fluxes differ by at most {evaluation.closure:.1e} W m-2.\n\n```sh\n{command}\n```",
        _markdown(header, rows),
        f"![errors by layer]({figure})",
    ]
    for words, groups in (("clouds", evaluation.by_cloud), ("climate", evaluation.by_climate)):
        if not groups:
            continue
        table = []
        for group, of in groups.items():
            for s, errors in of.items():
                values = [f"{errors[row]:.3f}" for row in CLASS_ROWS]
                table.append([group, SPECTRA[s], str(int(errors["columns"])), *values])
        parts.append(
            f"By {words}, RMSE of the net flux at the top and at the surface [W m-2], of heating and of heating below 1 hPa:"
        )
        parts.append(_markdown([words, "spectrum", "columns", "top", "surface", "heating", "below 1 hPa"], table))
    parts.append(
        "## Limits\n\n"
        "Columns like those of `ftorch-train columns`: the Earth's atmosphere, carbon dioxide from before industry to four "
        "times today's, no aerosol, one albedo for all of the spectrum, CFCs and oxygen as today. Clouds overlap as in the "
        "data set. Radii and paths beyond RRTMG's tables were not seen."
    )
    return "\n\n".join(parts) + "\n"
