"""Accuracy against cost: networks of all sky beside RRTMG, the bundled one in both kinds and the original, in one run."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ftorch_bridge import original_rrtmg
from ftorch_bridge.bench import machine_facts
from ftorch_bridge.column_file import write
from ftorch_bridge.exporting import describe, export
from ftorch_bridge.rrtmg_bench import ORIGINAL, Child, bundled, kinds_here, original, prepared
from ftorch_bridge.sky import INPUTS
from ftorch_bridge.tables import table_of_numbers
from ftorch_bridge.weights import load_network

WORKS = ("longwave-mcica", "shortwave-mcica")
SGEMM = "sgemm"
SGEMM_SIZE = 1024  # of the product of matrices that is the yardstick
ERRORS = ("heating_rmse", "heating_worst_layer_rmse", "top_net_rmse", "surface_net_rmse")


@dataclass(frozen=True)
class NetworkResult:
    """A network's cost in this run, and its errors as its model card has them (empty where there is no card)."""

    name: str
    microseconds: float
    """For a column, median over repeats."""
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
    rrtmg: dict[str, float]
    """Microseconds for a column of each code, longwave and shortwave with McICA, median over repeats."""
    sgemm_gigaflops: float
    networks: list[NetworkResult]
    machine: dict[str, str]

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def _operations_of_addmm(_base: Sequence[int], a: Sequence[int], b: Sequence[int], **_others: object) -> int:
    return 2 * a[0] * a[1] * b[1]


def operations_for_a_column(network: nn.Module, columns: xr.Dataset) -> float:
    """Floating-point operations of the network's matrix products for a column."""
    inputs = [torch.from_numpy(columns[name].to_numpy()) for name in INPUTS]
    used = network.use_operators
    network.use_operators = False
    try:
        # PyTorch counts a product that is added to a new tensor, but not one added in place.
        in_place = {torch.ops.aten.addmm_: _operations_of_addmm}
        with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=in_place) as counter:
            network(*inputs)
    finally:
        network.use_operators = used
    return counter.get_total_flops() / columns.sizes["column"]


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
            command = [
                sys.executable,
                "-m",
                "ftorch_bridge.network_passes",
                folder / "columns.nc",
                model,
                str(columns_per_block),
            ]
            children[path.stem] = stack.enter_context(Child(path.stem, command))
        times: dict[str, list[float]] = {code: [] for code in (*children, SGEMM)}
        for repeat in range(repeats + 1):
            step(f"repeat {repeat} of {repeats}")
            found = {code: _pass(child, code in operations) for code, child in reversed(children.items())}
            found[SGEMM] = min(children[next(iter(operations))].seconds(SGEMM) for _ in range(3))
            if repeat:  # the first warms up
                for code, seconds in found.items():
                    times[code].append(seconds)
    seconds = {code: np.array(values) for code, values in times.items()}
    sgemm = float(2 * SGEMM_SIZE**3 / np.median(seconds[SGEMM]) / 1e9)
    results = []
    for path in weights:
        mine = seconds[path.stem]
        gigaflops = float(operations[path.stem] * count / np.median(mine) / 1e9)
        results.append(
            NetworkResult(
                name=path.stem,
                microseconds=float(1e6 * np.median(mine) / count),
                speed_up={c: float(np.median(seconds[c] / mine)) for c in children if c not in operations},
                gigaflops=gigaflops,
                share_of_sgemm=gigaflops / sgemm,
                errors=_errors_beside(path),
            )
        )
    return NetworksBenchmark(
        columns=count,
        layers=columns.sizes["layer"],
        repeats=repeats,
        rrtmg={c: float(1e6 * np.median(seconds[c]) / count) for c in children if c not in operations},
        sgemm_gigaflops=sgemm,
        networks=results,
        machine=machine_facts(),
    )


def _pass(child: Child, is_network: bool) -> float:
    return child.seconds("network") if is_network else sum(child.seconds(work) for work in WORKS)


def _errors_beside(weights: Path) -> dict[str, dict[str, float]]:
    path = weights.with_suffix(".json")
    return json.loads(path.read_text())["errors"] if path.is_file() else {}


def tables_of(result: NetworksBenchmark) -> list[Table]:
    """The result for people: costs, and errors if there are model cards."""
    names = {ORIGINAL: "AER's", **{kind: kind for kind in result.rrtmg if kind != ORIGINAL}}
    costs = table_of_numbers(
        f"{result.columns} columns by day of {result.layers} layers, longwave and shortwave with McICA, one core of "
        f"{result.machine['processor']}, {result.repeats} repeats; sgemm {result.sgemm_gigaflops:.0f} GFLOPS",
        "code",
        "µs a column",
        *(f"over {names[code]}" for code in result.rrtmg),
        "share of sgemm",
    )
    for code, microseconds in result.rrtmg.items():
        ratios = [f"{result.rrtmg[other] / microseconds:.2f}" for other in result.rrtmg]
        costs.add_row(f"RRTMG, {names[code]}", f"{microseconds:.1f}", *ratios, "")
    costs.add_section()
    for network in result.networks:
        ratios = [f"{network.speed_up[code]:.1f}" for code in result.rrtmg]
        costs.add_row(network.name, f"{network.microseconds:.1f}", *ratios, f"{network.share_of_sgemm:.2f}")
    errors = Table(title="RMSE against RRTMG, from the model cards [K day-1, W m-2]", title_justify="left")
    for i, words in enumerate(["network", "", "heating", "worst layer", "net flux, top", "net flux, surface"]):
        errors.add_column(words, justify="right" if i > 1 else "left")
    for network in result.networks:
        for spectrum, found in network.errors.items():
            errors.add_row(network.name, spectrum, *(f"{found[name]:.3f}" for name in ERRORS))
    return [costs, errors] if errors.rows else [costs]
