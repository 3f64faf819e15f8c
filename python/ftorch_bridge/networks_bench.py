"""Accuracy against cost: networks of all sky beside RRTMG, the bundled one in both kinds and the original, in one run."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from rich.table import Table
from torch import nn

from ftorch_bridge import original_rrtmg
from ftorch_bridge.column_file import write
from ftorch_bridge.counting import counted_operations
from ftorch_bridge.exporting import Manifest, describe, example_inputs, export, read_manifest
from ftorch_bridge.inference import passes
from ftorch_bridge.measuring import Child, Timing, machine_facts, take_turns
from ftorch_bridge.report import Bar, Bars, Figure
from ftorch_bridge.rrtmg_bench import ORIGINAL, bundled, kinds_here, original, prepared
from ftorch_bridge.sky import INPUTS
from ftorch_bridge.tables import table_of_numbers
from ftorch_bridge.weights import load_network

WORKS = ("longwave-mcica", "shortwave-mcica")
SGEMM = "sgemm"
ERRORS = ("heating_rmse", "heating_worst_layer_rmse", "top_net_rmse", "surface_net_rmse")


@dataclass(frozen=True)
class NetworkResult:
    """A network's cost in this run, and its errors as its model card has them (empty where there is no card)."""

    name: str
    microseconds: Timing
    """For a column."""
    operations: float
    """Of its matrix products, for a column: what ``ftorch-bench inference --flops`` takes."""
    speed_up: dict[str, float]
    """Over each code of RRTMG, median over repeats of the ratio within a repeat."""
    gigaflops: float
    """Operations of its matrix products in a second of the whole call, in units of 1e9."""
    share_of_sgemm: float
    errors: dict[str, dict[str, float]]


@dataclass(frozen=True)
class NetworksBenchmark:
    """Everything of one run."""

    columns: int
    layers: int
    repeats: int
    rrtmg: dict[str, Timing]
    """Microseconds for a column of each code, longwave and shortwave with McICA."""
    sgemm_gigaflops: Timing
    networks: list[NetworkResult]
    machine: dict[str, str]

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def operations_for_a_column(network: nn.Module, columns: xr.Dataset) -> float:
    """Floating-point operations of the network's matrix products for a column."""
    inputs = [torch.from_numpy(columns[name].to_numpy()) for name in INPUTS]
    used = network.use_operators
    network.use_operators = False
    try:
        return counted_operations(lambda: network(*inputs)) / columns.sizes["column"]
    finally:
        network.use_operators = used


def run_networks(
    weights: Sequence[Path],
    columns: xr.Dataset,
    *,
    repeats: int,
    columns_per_block: int = 128,
    step: Callable[[str], None] = lambda words: None,
) -> NetworksBenchmark:
    """Time networks and RRTMG in turns on ``columns`` by day, on one core.

    Errors are those of the evaluation beside the weights (``NAME.json``, from ``ftorch-train evaluate``). Raises
    :class:`ftorch_bridge.programs.ProgramError` and :class:`ftorch_bridge.weights.WeightsError`.
    """
    columns = prepared(columns)
    count = columns.sizes["column"]
    operations: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        write(columns, folder / "columns.nc")
        children: dict[str, Child] = {}
        if original_rrtmg.available():
            children[ORIGINAL] = stack.enter_context(original(columns, folder))
        for kind in kinds_here():
            children[kind] = stack.enter_context(bundled(folder / "columns.nc", kind))
        for path in weights:
            step(f"exporting {path.name}")
            network, notes = load_network(path)
            model = folder / f"{path.stem}.pt"
            sample = columns.isel(column=slice(0, 64))
            export(network, describe(network, path.stem, "float64", [], [], notes), model, columns=sample, tolerance=1e-3)
            operations[path.stem] = operations_for_a_column(network, sample)
            manifest = Manifest.from_json(read_manifest(model))
            inputs = example_inputs(manifest, columns, count)
            children[path.stem] = stack.enter_context(passes(model, manifest, inputs, columns_per_block))
        ways: dict[str, Callable[[], float]] = {
            code: partial(_pass, child, code in operations) for code, child in reversed(children.items())
        }
        yardstick = children[next(iter(operations))]
        seconds = take_turns(ways | {SGEMM: partial(yardstick.seconds, SGEMM)}, repeats, step)
        sgemm = Timing.of_rates(1e-9 * yardstick.facts["sgemm_operations"] / seconds[SGEMM])
    results = []
    for path in weights:
        mine = seconds[path.stem]
        gigaflops = float(operations[path.stem] * count / np.median(mine) / 1e9)
        results.append(
            NetworkResult(
                name=path.stem,
                microseconds=Timing.of(1e6 * mine / count),
                operations=operations[path.stem],
                speed_up={c: float(np.median(seconds[c] / mine)) for c in children if c not in operations},
                gigaflops=gigaflops,
                share_of_sgemm=gigaflops / sgemm.median,
                errors=_errors_beside(path),
            )
        )
    return NetworksBenchmark(
        columns=count,
        layers=columns.sizes["layer"],
        repeats=repeats,
        rrtmg={c: Timing.of(1e6 * seconds[c] / count) for c in children if c not in operations},
        sgemm_gigaflops=sgemm,
        networks=results,
        machine=machine_facts(),
    )


def _pass(child: Child, is_network: bool) -> float:
    return child.seconds("plan") if is_network else sum(child.seconds(work) for work in WORKS)


def _errors_beside(weights: Path) -> dict[str, dict[str, float]]:
    path = weights.with_suffix(".json")
    return json.loads(path.read_text())["errors"] if path.is_file() else {}


def tables_of(result: NetworksBenchmark) -> list[Table]:
    """The result for people: costs, and errors if there are model cards."""
    names = {ORIGINAL: "AER's", **{kind: kind for kind in result.rrtmg if kind != ORIGINAL}}
    costs = table_of_numbers(
        f"{result.columns} columns by day of {result.layers} layers, longwave and shortwave with McICA, one core of "
        f"{result.machine['processor']}, {result.repeats} repeats; sgemm {result.sgemm_gigaflops.median:.0f} GFLOPS",
        "code",
        "µs a column",
        *(f"over {names[code]}" for code in result.rrtmg),
        "share of sgemm",
    )
    for code, timing in result.rrtmg.items():
        ratios = [f"{other.median / timing.median:.2f}" for other in result.rrtmg.values()]
        costs.add_row(f"RRTMG, {names[code]}", f"{timing.median:.1f}", *ratios, "")
    costs.add_section()
    for network in result.networks:
        ratios = [f"{network.speed_up[code]:.1f}" for code in result.rrtmg]
        costs.add_row(network.name, f"{network.microseconds.median:.1f}", *ratios, f"{network.share_of_sgemm:.2f}")
    errors = Table(title="RMSE against RRTMG, from the model cards [K day-1, W m-2]", title_justify="left")
    for i, words in enumerate(["network", "", "heating", "worst layer", "net flux, top", "net flux, surface"]):
        errors.add_column(words, justify="right" if i > 1 else "left")
    for network in result.networks:
        for spectrum, found in network.errors.items():
            errors.add_row(network.name, spectrum, *(f"{found[name]:.3f}" for name in ERRORS))
    return [costs, errors] if errors.rows else [costs]


def figures_of(result: NetworksBenchmark) -> list[Figure]:
    """The times as bars."""
    names = {ORIGINAL: "RRTMG, AER's", **{kind: f"RRTMG, {kind}" for kind in result.rrtmg if kind != ORIGINAL}}
    bars = [Bar.of(names[code], timing) for code, timing in result.rrtmg.items()]
    bars += [Bar.of(network.name, network.microseconds, series=1) for network in result.networks]
    shares = [Bar(network.name, 100.0 * network.share_of_sgemm, series=2) for network in result.networks]
    return [Bars("time for a column", "µs a column", bars), Bars("operations a second, of what sgemm does", "%", shares)]
