"""Figures of the benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from ftorch_bridge.bench import RadiationBenchmark
from ftorch_bridge.evaluation import SPECTRA, Evaluation
from ftorch_bridge.files import whole_file
from ftorch_bridge.networks_bench import NetworksBenchmark
from ftorch_bridge.reference_cases import ATMOSPHERES, BUNDLED, CLOUDS, ORIGINAL, ReferenceCases
from ftorch_bridge.stability import Comparison, Stability

COLOURS = {"rrtmg": "#1f4e79", "network": "#d1495b", "difference": "#3a7d44"}
LABELS = {"rrtmg": "RRTMG", "network": "network"}


def _pressure_axis(axes: Axes, pressure: np.ndarray) -> None:
    axes.set_yscale("log")
    axes.set_ylim(pressure.max() / 100.0, max(pressure.min() / 100.0, 0.005))
    axes.set_ylabel("pressure [hPa]")
    axes.grid(alpha=0.3)


def _profiles(left: Axes, right: Axes, results: xr.Dataset, name: str, pressure: np.ndarray, label: str) -> None:
    """Mean profile of both schemes, and beside it their difference: mean, and root mean square as a band."""
    found = {scheme: results[f"{scheme}_{name}"].to_numpy() for scheme in ("rrtmg", "network")}
    for scheme, values in found.items():
        style = "-" if scheme == "rrtmg" else "--"
        left.plot(values.mean(0), pressure, style, color=COLOURS[scheme], label=f"{LABELS[scheme]}, {label}")
    difference = found["network"] - found["rrtmg"]
    bias, rms = difference.mean(0), np.sqrt((difference**2).mean(0))
    style = "-" if "down" not in name else "--"
    right.plot(bias, pressure, style, color=COLOURS["difference"], label=f"{label}, mean")
    right.fill_betweenx(pressure, -rms, rms, color=COLOURS["difference"], alpha=0.15, label=f"{label}, RMSE", lw=0)


def radiation_figure(result: RadiationBenchmark, histories: Mapping[str, xr.Dataset] | None, path: Path, title: str) -> None:
    """Profiles of both schemes and their difference, and time series of the host run with each, as a figure file.

    ``histories`` holds the host's history by scheme; without it the figure has profiles alone.
    """
    layer = result.results["pressure_layer"].to_numpy().mean(0) / 100.0
    level = result.results["pressure_level"].to_numpy().mean(0) / 100.0
    level[0] = max(level[0], 0.5 * layer[0])  # the top may lie at zero pressure, which a logarithmic axis cannot show
    spectra = SPECTRA if result.all_sky else {"lw": SPECTRA["lw"]}
    rows = len(spectra) + (1 if histories else 0)
    figure, axes = plt.subplots(rows, 4, figsize=(17, 4.6 * rows), constrained_layout=True, squeeze=False)
    for row, (spectrum, words) in zip(axes, spectra.items(), strict=False):
        heating, heating_difference, flux, flux_difference = row
        _profiles(heating, heating_difference, result.results, f"{spectrum}_heating_rate", layer, "heating")
        for name, label in ((f"{spectrum}_up", "upward"), (f"{spectrum}_down", "downward")):
            _profiles(flux, flux_difference, result.results, name, level, label)
        for panel, text in (
            (heating, f"{words} heating rate [K day$^{{-1}}$]"),
            (heating_difference, "network minus RRTMG [K day$^{-1}$]"),
            (flux, f"{words} flux [W m$^{{-2}}$]"),
            (flux_difference, "network minus RRTMG [W m$^{-2}$]"),
        ):
            _pressure_axis(panel, layer * 100.0)
            panel.set_xlabel(text)
            panel.legend(fontsize=8)
    axes[0, 0].set_title("profiles, mean over columns", loc="left", fontsize=10)

    if histories:
        hours = histories["rrtmg"]["time"].to_numpy()
        for panel, name, text in (
            (axes[-1, 0], "toa_lw_up", "outgoing longwave [W m$^{-2}$]"),
            (axes[-1, 1], "surface_lw_down", "downward longwave at the surface [W m$^{-2}$]"),
            (axes[-1, 2], "surface_temperature", "surface temperature [K]"),
        ):
            mean = {scheme: h[name].to_numpy().mean(1) for scheme, h in histories.items()}
            for scheme, values in mean.items():
                panel.plot(hours, values, "-" if scheme == "rrtmg" else "--", color=COLOURS[scheme], label=LABELS[scheme])
            panel.set_ylabel(text)
            twin = panel.twinx()
            twin.plot(hours, mean["network"] - mean["rrtmg"], ":", color=COLOURS["difference"])
            twin.set_ylabel("difference", color=COLOURS["difference"])
            panel.legend(fontsize=8)
        axes[-1, 0].set_title("host runs, mean over columns", loc="left", fontsize=10)
        drift = histories["network"]["temperature_layer"].to_numpy() - histories["rrtmg"]["temperature_layer"].to_numpy()
        below = histories["rrtmg"]["pressure_layer"].to_numpy() >= 100.0
        for mask, label in ((below, "below 1 hPa"), (~below, "above 1 hPa")):
            if mask.any():
                rms = np.sqrt((drift[:, mask] ** 2).mean(1))
                axes[-1, 3].plot(
                    hours, rms, color=COLOURS["difference"], ls="-" if label.startswith("b") else "--", label=label
                )
        axes[-1, 3].set_ylabel("air temperature: RMS difference [K]")
        axes[-1, 3].legend(fontsize=8)
        for panel in axes[-1]:
            panel.set_xlabel("time [hour]")
            panel.grid(alpha=0.3)
    figure.suptitle(title, x=0.01, ha="left")
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def cases_figure(result: ReferenceCases, path: Path) -> None:
    """Heating rates of the reference cases, both spectra, one panel for each sky; the original's dotted in black."""
    figure, axes = plt.subplots(2, len(CLOUDS), figsize=(13, 7), sharey=True, constrained_layout=True)
    pressure = result.columns["pressure_layer"].to_numpy() / 100.0
    colours = plt.get_cmap("tab10").colors
    shown = slice(int(np.argmax(pressure[0] > 1.0)), None)  # what lies above would stretch the axes
    for atmosphere, sky, column in result.cases():
        for row, spectrum in zip(axes, ("lw", "sw"), strict=True):
            panel = row[list(CLOUDS).index(sky)]
            for code in result.fields:
                rate = result.fields[code][spectrum]["heating_rate"][column, shown]
                if code == BUNDLED:
                    colour = colours[ATMOSPHERES.index(atmosphere)]
                    panel.plot(rate, pressure[column, shown], color=colour, lw=1.8, label=atmosphere)
                else:
                    panel.plot(rate, pressure[column, shown], ":", color="black", lw=0.8)
    for row, spectrum in zip(axes, ("longwave", "shortwave"), strict=True):
        for panel, sky in zip(row, CLOUDS, strict=True):
            _pressure_axis(panel, pressure * 100.0)
            panel.set_ylim(1013.0, 1.0)
            panel.set_ylabel("")
            panel.set_title(sky, loc="left", fontsize=10)
            panel.set_xlabel(f"{spectrum} heating rate [K day$^{{-1}}$]")
        row[0].set_ylabel("pressure [hPa]")
    if ORIGINAL in result.fields:
        axes[0, 0].plot([], [], ":", color="black", lw=0.8, label="AER's RRTMG")
    axes[0, 0].legend(fontsize=8)
    # Neither the day nor the run's own numbers, so that the same fluxes give the same file.
    with whole_file(path) as temporary, plt.rc_context({"svg.hashsalt": "radml"}):
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(temporary, dpi=80, format=path.suffix.lstrip(".") or "png", metadata=metadata)
    plt.close(figure)


def learning_curve(curve: Sequence[Mapping[str, float]], path: Path, title: str) -> None:
    """Losses, errors and the worst layer over the steps of a training, as a figure file."""
    steps = [entry["step"] for entry in curve]
    figure, (losses, errors) = plt.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True)
    for name, label in (("running_loss", "training"), ("loss", "validation")):
        losses.plot(steps, [entry[name] for entry in curve], label=label)
    losses.set_ylabel("loss")
    for name in curve[0]:
        if name not in ("step", "seconds", "running_loss", "loss"):
            errors.plot(steps, [entry[name] for entry in curve], label=name.replace("_", " "))
    errors.set_ylabel("errors [W m$^{-2}$, K day$^{-1}$]; worst layer in units of its spread")
    for axes in (losses, errors):
        axes.set_xlabel("step")
        axes.set_yscale("log")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle(title)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)


def evaluation_figure(evaluation: Evaluation, path: Path, title: str) -> None:
    """Heating errors by layer, beside what the labels vary by, and RMSE by kind of cloud and by climate, as a figure file."""
    spectra = [*evaluation.errors]
    figure, axes = plt.subplots(len(spectra), 3, figsize=(15, 4.6 * len(spectra)), constrained_layout=True, squeeze=False)
    for row, spectrum in zip(axes, spectra, strict=True):
        layers = evaluation.by_layer[spectrum]
        pressure = np.array(layers.pressure) / 100.0
        for name, colour, label in (
            ("spread", "0.6", "spread of RRTMG's"),
            ("largest", "#e9c46a", "largest error"),
            ("permille_999", "#d1495b", "exceeded by one in a thousand"),
            ("rmse", "#1f4e79", "RMSE"),
            ("noise", "#3a7d44", "noise of the labels"),
        ):
            if values := getattr(layers, name):
                row[0].plot(values, pressure, "--" if name in ("spread", "noise") else "-", color=colour, label=label)
        row[0].set_xscale("log")
        _pressure_axis(row[0], pressure * 100.0)
        row[0].set_xlabel(f"{SPECTRA[spectrum]} heating rate [K day$^{{-1}}$]")
        row[0].legend(fontsize=8)
        groups = {**evaluation.by_cloud, **evaluation.by_climate}
        names = [name for name, found in groups.items() if spectrum in found]
        places = np.arange(len(names))
        for panel, bars, unit in (
            (row[1], {"top_net_rmse": "top", "surface_net_rmse": "surface"}, "net flux, RMSE [W m$^{-2}$]"),
            (
                row[2],
                {"heating_rmse": "all layers", "heating_rmse_below_100_pa": "below 1 hPa"},
                "heating, RMSE [K day$^{-1}$]",
            ),
        ):
            for i, (key, label) in enumerate(bars.items()):
                values = [groups[name][spectrum][key] for name in names]
                panel.bar(places + 0.4 * (i - 0.5), values, 0.4, label=label, color=("#1f4e79", "#d1495b")[i])
            panel.set_xticks(places, names, rotation=30)
            panel.axvline(len(evaluation.by_cloud) - 0.5, color="0.6", lw=0.8)
            panel.set_ylabel(f"{SPECTRA[spectrum]} {unit}")
            panel.grid(alpha=0.3, axis="y")
            panel.legend(fontsize=8)
    figure.suptitle(title, x=0.01, ha="left")
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=100)
    plt.close(figure)


def networks_figure(result: NetworksBenchmark, path: Path) -> None:
    """Errors of networks against their cost for a column, with the cost of RRTMG as lines, as a figure file."""
    panels = (
        ("heating_rmse", "heating rate, RMSE [K day$^{-1}$]"),
        ("heating_worst_layer_rmse", "heating rate, RMSE of the worst layer [K day$^{-1}$]"),
        ("top_net_rmse", "net flux at the top, RMSE [W m$^{-2}$]"),
        ("surface_net_rmse", "net flux at the surface, RMSE [W m$^{-2}$]"),
    )
    figure, axes = plt.subplots(1, len(panels), figsize=(17, 4.6), constrained_layout=True)
    for panel, (name, label) in zip(axes, panels, strict=True):
        for spectrum, colour, marker in (("lw", "#1f4e79", "o"), ("sw", "#d1495b", "s")):
            shown = [network for network in result.networks if spectrum in network.errors]
            values = [network.errors[spectrum][name] for network in shown]
            panel.scatter([n.microseconds.median for n in shown], values, color=colour, marker=marker, label=SPECTRA[spectrum])
            for network, value in zip(shown, values, strict=True):
                place = {"xytext": (4, 4), "textcoords": "offset points", "fontsize": 7}
                panel.annotate(network.name, (network.microseconds.median, value), **place)
        for code, timing in result.rrtmg.items():
            microseconds = timing.median
            panel.axvline(microseconds, color="0.6", ls="--", lw=0.9)
            panel.text(microseconds, 0.98, f" {code}", rotation=90, va="top", fontsize=7, transform=panel.get_xaxis_transform())
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel("time for a column, one core [µs]")
        panel.set_ylabel(label)
        panel.grid(alpha=0.3, which="both")
    axes[0].legend(fontsize=8)
    figure.suptitle("networks of all sky: accuracy against cost; dashed: RRTMG", x=0.01, ha="left")
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def stability_figure(result: Stability, path: Path) -> None:
    """Drift and spread of temperature by pressure at the end, and growth of the difference over time, as a figure file.

    Of the globe's runs, against the twins with RRTMG; RRTMG of other draws beside the hybrid; and the drift of extreme cases.
    """
    globe = result.globe
    kinds: list[tuple[Comparison | None, str, str, str]] = [
        (globe.hybrid, f"{result.settings.scheme} less RRTMG", COLOURS["network"], "-"),
        (globe.other, "RRTMG of other draws less RRTMG", COLOURS["rrtmg"], "--"),
        (globe.rare, f"RRTMG every {(result.rare_interval or 0.0) / 60.0:g} minutes less RRTMG", COLOURS["difference"], "-."),
    ]
    figure, (drift, spread, growth, cases) = plt.subplots(1, 4, figsize=(18, 4.8), constrained_layout=True)
    for found, label, colour, style in kinds:
        if not found:
            continue
        pressure, mean, error = (np.array(values) for values in (found.pressure, found.drift, found.drift_error))
        drift.plot(mean, pressure / 100.0, style, color=colour, label=label)
        drift.fill_betweenx(pressure / 100.0, mean - 2.0 * error, mean + 2.0 * error, color=colour, alpha=0.15, lw=0)
        spread.plot(found.spread, pressure / 100.0, style, color=colour, label=label)
        growth.plot(np.array(found.hours) / 24.0, found.growth_troposphere, style, color=colour, label=label)
    shown = [group for group in result.groups if group.hybrid]
    for group, colour in zip(shown, plt.get_cmap("tab10").colors, strict=False):
        if group.hybrid:
            cases.plot(group.hybrid.drift, np.array(group.hybrid.pressure) / 100.0, color=colour, label=group.name)
    for panel, words in (
        (drift, "mean difference of temperature at the end [K]"),
        (spread, "RMS difference of temperature at the end [K]"),
        (cases, f"{result.settings.scheme} less RRTMG by states, mean [K]"),
    ):
        if shown:
            _pressure_axis(panel, np.array(shown[0].hybrid.pressure if shown[0].hybrid else [1.0, 1e5]))
        panel.set_xlabel(words)
        panel.axvline(0.0, color="0.6", lw=0.8)
    growth.set_xlabel("time [day]")
    growth.set_ylabel("RMS difference of temperature below 100 hPa [K]")
    growth.grid(alpha=0.3)
    for panel in (drift, spread, growth, cases):
        panel.legend(fontsize=8)
    s = result.settings
    figure.suptitle(
        f"{globe.twins} runs of {s.days:g} days of {s.columns_per_run} columns, radiation every "
        f"{s.radiation_interval / 60.0:g} minutes, {s.model.name}; bands: two standard errors",
        x=0.01,
        ha="left",
    )
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)
