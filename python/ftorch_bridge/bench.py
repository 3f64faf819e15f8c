"""The radiation benchmark: RRTMG and the network on the same columns, in one process, on one core."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import xarray as xr
from rich.markup import escape
from rich.table import Table

from ftorch_bridge import programs
from ftorch_bridge.evaluation import ALL, FIELDS, SPECTRA, compare
from ftorch_bridge.measuring import Timing, machine_facts
from ftorch_bridge.report import Bar, Bars, Figure

SCHEMES = ("rrtmg", "network")
LABELS = {"rrtmg": "RRTMG", "network": "network", "guarded": "guarded network"}


@dataclass(frozen=True)
class RadiationBenchmark:
    """What one run of the radiation benchmark found."""

    columns: int
    layers: int
    repeats: int
    columns_per_block: int
    rrtmg: Timing
    network: Timing
    speed_up: float
    """Median over the repeats of RRTMG's time over the network's, timed one after the other."""
    errors: dict[str, dict[str, float]]
    """By spectrum, ``lw`` and for networks of all sky ``sw``: of columns in sunlight."""
    machine: dict[str, str]
    results: xr.Dataset
    """Fluxes and heating rates of both schemes, as ``rrtmg_lw_up``, ``network_lw_up`` and so on."""
    all_sky: bool = False
    """Whether both spectra and clouds were computed, or the clear sky's longwave."""
    draws: int = 1
    """McICA draws that RRTMG averaged where errors are told; one is timed."""
    guard: Timing | None = None
    """Of the guard's two checks, where the model carries a training envelope."""
    guard_share: float = 0.0
    """Median over the repeats of the guard's time over the network's."""
    guard_refused: int = 0
    """Columns that the guard refuses."""

    def to_dict(self) -> dict[str, object]:
        """Everything but the fields, for JSON."""
        return {
            "columns": self.columns,
            "layers": self.layers,
            "repeats": self.repeats,
            "columns_per_block": self.columns_per_block,
            "all_sky": self.all_sky,
            "draws": self.draws,
            "microseconds_per_column": {name: asdict(getattr(self, name)) for name in SCHEMES},
            "speed_up": self.speed_up,
            "guard": asdict(self.guard) | {"share": self.guard_share, "refused": self.guard_refused} if self.guard else None,
            "errors": self.errors,
            "machine": self.machine,
        }


def run_radiation(
    column_file: Path, model: Path, *, repeats: int, columns_per_block: int | None, draws: int = 1
) -> RadiationBenchmark:
    """Time both schemes on ``column_file`` with the program ``radml-bench-radiation`` and compare their results.

    RRTMG is timed with one McICA draw; the errors are those against the mean of ``draws``.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "results.nc"
        block = [] if columns_per_block is None else ["--columns-per-block", str(columns_per_block)]
        programs.run(
            "radml-bench-radiation",
            column_file,
            model,
            output,
            "--repeats",
            str(repeats),
            "--draws",
            str(draws),
            *block,
            threads=1,
        )
        results = xr.load_dataset(output, engine="netcdf4", decode_timedelta=False)
    all_sky = results.attrs["sky"] == "all"
    columns, layers = results["rrtmg_lw_heating_rate"].shape
    seconds = {scheme: results[f"{scheme}_seconds"].to_numpy() for scheme in SCHEMES}
    if guarded := "guard_seconds" in results:
        seconds["guard"] = results["guard_seconds"].to_numpy()
    timings = {scheme: Timing.of(1e6 * times / columns) for scheme, times in seconds.items()}
    facts = {**machine_facts(), **{str(key): str(value) for key, value in results.attrs.items()}}
    return RadiationBenchmark(
        columns=columns,
        layers=layers,
        repeats=len(seconds["rrtmg"]),
        columns_per_block=int(results.attrs["columns_per_block"]),
        rrtmg=timings["rrtmg"],
        network=timings["network"],
        speed_up=float(median(seconds["rrtmg"] / seconds["network"])),
        errors={spectrum: _errors(results, spectrum) for spectrum in (SPECTRA if all_sky else ("lw",))},
        machine=facts,
        results=results,
        all_sky=all_sky,
        draws=int(results.attrs["draws"]),
        guard=timings.get("guard"),
        guard_share=float(median(seconds["guard"] / seconds["network"])) if guarded else 0.0,
        guard_refused=int(results.attrs["guard_refused"]) if guarded else 0,
    )


def _errors(results: xr.Dataset, spectrum: str) -> dict[str, float]:
    """Errors of the network in one spectrum, of sunlight where there is any."""
    kept = ALL
    if spectrum == "sw":
        kept = results["rrtmg_sw_down"].to_numpy()[:, 0] > 0.0
        if not kept.any():
            return {}
    names = [f"{spectrum}_{field}" for field in FIELDS]
    fields = {scheme: {name: results[f"{scheme}_{name}"].to_numpy() for name in names} for scheme in SCHEMES}
    return compare(fields["network"], fields["rrtmg"], results["pressure_layer"].to_numpy(), spectrum, kept)


@dataclass(frozen=True)
class HostRuns:
    """The host stepped through the same columns with each scheme."""

    hours: float
    histories: dict[str, xr.Dataset]

    def seconds(self, scheme: str) -> tuple[float, float]:
        """Time of the whole run, and of radiation in it [s]."""
        attributes = self.histories[scheme].attrs
        return float(attributes["run_seconds"]), float(attributes["radiation_seconds"])

    def to_dict(self) -> dict[str, object]:
        """Times, for JSON."""
        times = {scheme: self.seconds(scheme) for scheme in SCHEMES}
        return {
            "hours": self.hours,
            "radiation_calls": int(self.histories["rrtmg"].attrs["radiation_calls"]),
            "run_seconds": {scheme: run for scheme, (run, _) in times.items()},
            "radiation_seconds": {scheme: radiation for scheme, (_, radiation) in times.items()},
        }


def namelist(keys: Mapping[str, str | float]) -> str:
    """A case of the host."""
    quoted = {key: "'" + value.replace("'", "''") + "'" if isinstance(value, str) else value for key, value in keys.items()}
    return "\n".join(["&host", *(f"  {key} = {value}" for key, value in quoted.items()), "/", ""])


def step_host(
    column_file: Path,
    scheme: str,
    model: Path,
    stem: Path,
    keys: Mapping[str, str | float],
    command: Callable[[Path], object] = lambda case: programs.run("radml-host", case, threads=1),
) -> Path:
    """Run the host with ``scheme`` and these keys; returns its history, ``stem`` and ``.nc``, beside the case."""
    case, history = stem.with_suffix(".nml"), stem.with_suffix(".nc")
    own: dict[str, str | float] = {
        "columns": str(column_file.resolve()),
        "scheme": scheme,
        "history": str(history.resolve()),
        "threads": 1,
    }
    if scheme != "rrtmg":
        own["model"] = str(model.resolve())
    case.write_text(namelist(own | dict(keys)))
    command(case)
    return history


def run_host(column_file: Path, model: Path, folder: Path, *, all_sky: bool, hours: float = 24.0) -> HostRuns:
    """Step the columns for ``hours`` with each scheme in ``radml-host``; cases and histories stay in ``folder``."""
    keys: dict[str, str | float] = {"sky": "all" if all_sky else "clear", "hours": hours}
    files = {scheme: step_host(column_file, scheme, model, folder / f"host_{scheme}", keys) for scheme in SCHEMES}
    return HostRuns(hours, {s: xr.load_dataset(file, engine="netcdf4", decode_timedelta=False) for s, file in files.items()})


def table_of(result: RadiationBenchmark, host: HostRuns | None, title: str) -> Table:
    """The result as a table for people."""
    r, n = result.rrtmg, result.network
    spectra = [spectrum for spectrum, errors in result.errors.items() if errors]
    table = Table(title=title, title_justify="left")
    table.add_column("all of radiation, all sky" if result.all_sky else "longwave, clear sky")
    table.add_column("RRTMG", justify="right")
    table.add_column("network", justify="right")
    table.add_row("time for a column, median [µs]", f"{r.median:.1f}", f"{n.median:.1f}")
    table.add_row(
        "fastest to slowest repeat [µs]", f"{r.fastest:.1f} to {r.slowest:.1f}", f"{n.fastest:.1f} to {n.slowest:.1f}"
    )
    table.add_row("speed-up", "1", f"{result.speed_up:.1f}")
    if result.guard:
        table.add_row(
            "guard, for a column [µs], part of the network's", "", f"{result.guard.median:.2f}, {result.guard_share:.1%}"
        )
        table.add_row("columns that the guard refuses", "", f"{result.guard_refused} of {result.columns}")
    if host:
        times = [host.seconds(scheme) for scheme in SCHEMES]
        name = f"host, {host.hours:g} hours: radiation, whole run [s]"
        table.add_row(escape(name), *(f"{radiation:.2f}, {run:.2f}" for run, radiation in times))
    for spectrum in spectra:
        e = result.errors[spectrum]
        table.add_section()
        rows = (
            ("flux error: bias, RMSE [W m-2]", f"{e['flux_bias']:+.3f}, {e['flux_rmse']:.3f}"),
            ("flux error: mean, relative (up, down)", f"{e['flux_up_relative_mae']:.2%}, {e['flux_down_relative_mae']:.2%}"),
            ("net flux error: RMSE at top, surface [W m-2]", f"{e['top_net_rmse']:.3f}, {e['surface_net_rmse']:.3f}"),
            ("flux error: largest [W m-2]", f"{e['flux_largest']:.2f}"),
            ("heating error: bias, mean [K day-1]", f"{e['heating_bias']:+.4f}, {e['heating_mae']:.4f}"),
            ("heating error: RMSE [K day-1]", f"{e['heating_rmse']:.3f}"),
            ("heating error: RMSE below 100 Pa [K day-1]", f"{e['heating_rmse_below_100_pa']:.3f}"),
            ("heating error: worst layer", f"{e['heating_worst_layer_rmse']:.3f} in layer {e['worst_layer'] + 1}"),
        )
        prefix = f"{SPECTRA[spectrum]}, " if len(spectra) > 1 else ""
        if spectrum == "lw" and result.all_sky:
            table.add_row(f"errors against the mean of {result.draws} McICA draws", "", "")
        for name, value in rows:
            table.add_row(prefix + name, "", value)
    return table


def figures_of(result: RadiationBenchmark) -> list[Figure]:
    """The times as bars."""
    bars = [Bar.of(LABELS[name], getattr(result, name), series=i) for i, name in enumerate(SCHEMES)]
    if result.guard:
        bars.append(Bar.of("of it the guard", result.guard, series=2))
    return [Bars("time of radiation for a column", "µs a column", bars)]
