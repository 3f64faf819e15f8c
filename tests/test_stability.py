"""`ftorch-bench stability`: runs and twins, what fails, what is not run again, extreme states, other McICA draws."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from ftorch_bridge import rrtmg
from ftorch_bridge.cli.bench import app
from ftorch_bridge.cli.train import app as train_app
from ftorch_bridge.column_file import read_columns, write
from ftorch_bridge.columns import generate_columns, saturation_vapour_pressure
from ftorch_bridge.envelope import METADATA_KEY, Envelope
from ftorch_bridge.exporting import describe, export
from ftorch_bridge.extremes import EXTREMES, extreme_columns
from ftorch_bridge.programs import ProgramError
from ftorch_bridge.sky import INPUTS, OUTPUTS
from ftorch_bridge.stability import (
    HYBRID,
    TWIN,
    Settings,
    StabilityError,
    failures_of,
    pieces_of,
    run_stability,
)
from host.programs import fails, succeeds
from test_all_sky import random_network
from test_host_all_sky import export_network
from test_host_run import read_history, write_case
from torch import Tensor, nn
from typer.testing import CliRunner

LAYERS = 30
SMALL = {"runs": 2, "columns_per_run": 4, "days": 0.25, "layers": LAYERS, "radiation_interval": 3600.0}
SEED = 20_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_network(tmp_path_factory.mktemp("model"), LAYERS)


class Spoiled(nn.Module):
    """A network that gives no number for columns of one albedo."""

    def __init__(self, network: nn.Module, albedo: float) -> None:
        super().__init__()
        self.network = network
        self.albedo = albedo

    def forward(
        self,
        pressure_level: Tensor,
        temperature_level: Tensor,
        pressure_layer: Tensor,
        temperature_layer: Tensor,
        h2o: Tensor,
        o3: Tensor,
        co2: Tensor,
        ch4: Tensor,
        n2o: Tensor,
        cloud_fraction: Tensor,
        cloud_liquid_path: Tensor,
        cloud_ice_path: Tensor,
        liquid_radius: Tensor,
        ice_radius: Tensor,
        surface_temperature: Tensor,
        surface_emissivity: Tensor,
        surface_albedo: Tensor,
        cos_zenith: Tensor,
        solar_irradiance: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        found = self.network(
            pressure_level,
            temperature_level,
            pressure_layer,
            temperature_layer,
            h2o,
            o3,
            co2,
            ch4,
            n2o,
            cloud_fraction,
            cloud_liquid_path,
            cloud_ice_path,
            liquid_radius,
            ice_radius,
            surface_temperature,
            surface_emissivity,
            surface_albedo,
            cos_zenith,
            solar_irradiance,
        )
        here = ((surface_albedo - self.albedo).abs() < 1e-9) & (surface_temperature > 0.0)
        spoiled = torch.where(here[:, None], torch.full_like(found[2], float("nan")), found[2])
        return found[0], found[1], spoiled, found[3], found[4], found[5]


def settings_of(model: Path, **keys: object) -> Settings:
    return Settings(**{"model": model, "twins": 2, "case_runs": 0, "seed": SEED, **SMALL, **keys})


def test_the_command_tells_of_runs_twins_cases_and_rare_radiation(model: Path, tmp_path: Path) -> None:
    output, figure = tmp_path / "found.json", tmp_path / "found.png"
    small = ["--runs", "2", "--columns-per-run", "4", "--days", "0.25", "--layers", str(LAYERS), "--radiation-interval", "3600"]
    where = ["--model", str(model), "--folder", str(tmp_path / "work"), "--json", str(output), "--figure", str(figure)]
    done = CliRunner().invoke(app, ["stability", *small, *where, "--case-runs", "1", "--rare"])
    assert done.exit_code == 0, done.output
    found = json.loads(output.read_text())
    assert [group["name"] for group in found["groups"]] == ["globe", *EXTREMES]
    for group in found["groups"]:
        assert (group["runs"], group["failed_runs"], group["twin_failed_runs"]) == (2 if group["name"] == "globe" else 1, 0, 0)
        assert group["column_calls"] == 7 * 4 * group["runs"]
        assert group["fallback_share"] == 0.0
        assert group["hybrid"]["columns"] == 4 * group["runs"]
        assert np.isfinite(group["hybrid"]["drift"]).all()
    globe = found["groups"][0]
    assert globe["hybrid"]["hours"] == [0.0, 6.0]
    assert globe["hybrid"]["growth_troposphere"][0] == 0.0
    assert globe["hybrid"]["growth_troposphere"][1] > globe["other"]["growth_troposphere"][1] > 0.0
    assert globe["hybrid"]["rms"]["surface_lw_down"] > 0.1  # random weights
    assert all(cost["microseconds"] > 0.0 and cost["days_per_minute"] > 0.0 for cost in globe["costs"].values())
    ratio = globe["costs"][TWIN]["microseconds"] / globe["costs"][HYBRID]["microseconds"]
    assert found["rare_interval"] == 3600.0 * min(np.ceil(ratio), 6)
    assert set(globe["costs"]) == {"hybrid", "twin", "rare"}
    assert globe["rare"]["columns"] == 8
    assert found["command"]
    assert found["machine"]["processor"]
    assert "0 of 2" in done.output
    assert matplotlib.image.imread(figure).std() > 0.05
    kept = sorted(path.name for path in (tmp_path / "work" / "globe_0001").iterdir())
    assert kept == sorted(f"{kind}.{end}" for kind in ("hybrid", "twin", "other", "rare") for end in ("nc", "nml"))


def test_drift_is_the_mean_difference_of_the_hosts_own_histories(model: Path, tmp_path: Path) -> None:
    result = run_stability(settings_of(model), tmp_path / "work")
    columns = generate_columns(8, LAYERS, seed=SEED)
    write(columns, tmp_path / "columns.nc")
    keys = {"physics": "moist", "sky": "all", "sunlight": "globe", "hours": 6, "radiation_interval": 3600.0, "seed": SEED}
    day = pieces_of(result.settings)[0].day_of_year
    histories = {}
    for scheme, draws in (("network", 0), ("rrtmg", 0), ("rrtmg", 1)):
        more = {"model": str(model)} if scheme == "network" else {}
        write_case(tmp_path, scheme=scheme, mcica_seed=draws, day_of_year=day, start_hour=0.0, **keys, **more)
        succeeds("radml-host", "case.nml", folder=tmp_path)
        histories[scheme, draws] = read_history(tmp_path / "history.nc")
    twin = histories["rrtmg", 0]
    for kind, of in ((result.globe.hybrid, histories["network", 0]), (result.globe.other, histories["rrtmg", 1])):
        drift = (of["temperature_layer"][-1] - twin["temperature_layer"][-1]).mean(axis=0)
        np.testing.assert_allclose(kind.drift, drift, atol=5e-5)  # kept as float32
        below = twin["pressure_layer"].mean(axis=0) > 1e4
        assert abs(kind.drift_troposphere) == pytest.approx(np.abs(drift[below]).max(), abs=5e-5)
        assert abs(kind.drift_above) == pytest.approx(np.abs(drift[~below]).max(), abs=5e-5)
        squares = (of["temperature_layer"][-1] - twin["temperature_layer"][-1])[twin["pressure_layer"] > 1e4] ** 2
        assert kind.growth_troposphere[-1] == pytest.approx(np.sqrt(squares.mean()), rel=1e-3, abs=1e-4)
        expected = (of["surface_lw_down"] - twin["surface_lw_down"])[-1].mean()
        assert kind.bias["surface_lw_down"] == pytest.approx(expected, abs=1e-3)
    assert np.abs(histories["rrtmg", 1]["temperature_layer"] - twin["temperature_layer"]).max() > 1e-3


def test_a_run_fails_when_one_of_its_columns_does(model: Path, tmp_path: Path) -> None:
    albedo = float(generate_columns(8, LAYERS, seed=SEED)["surface_albedo"][6])
    spoiled = tmp_path / "spoiled.pt"
    torch.jit.script(Spoiled(torch.jit.load(str(model)), albedo).eval()).save(str(spoiled))
    result = run_stability(settings_of(spoiled), tmp_path / "work")
    assert result.globe.failed_runs == 1
    assert [(failure.run, failure.column, failure.hour) for failure in result.globe.failures] == [(2, 3, 0.0)]
    assert result.globe.twin_failed_runs == 0
    assert result.globe.hybrid.columns == 7
    assert result.globe.other.columns == 8
    assert np.isfinite(result.globe.hybrid.drift).all()
    assert failures_of(result) == ["globe: run 2, column 3: failed after 0 hours"]


def test_what_is_there_is_not_run_again(model: Path, tmp_path: Path) -> None:
    ran: list[str] = []

    def run(**keys: object) -> tuple[list[str], object]:
        ran.clear()
        result = run_stability(
            settings_of(model, runs_per_piece=1, **keys), tmp_path, progress=lambda share, words: ran.append(words)
        )
        return list(dict.fromkeys(ran)), result

    done, first = run(twins=1)
    assert done == ["globe_0001: hybrid", "globe_0001: twin", "globe_0001: other", "globe_0002: hybrid"]
    done, again = run(twins=1)
    assert done == []
    assert again.to_dict() == first.to_dict()
    (tmp_path / "globe_0001" / "twin.nc").unlink()
    done, again = run(twins=1)
    assert done == ["globe_0001: twin"]
    assert again.globe.hybrid.drift == first.globe.hybrid.drift
    done, more = run(twins=2)  # the second run's hybrid had kept its end alone
    assert done == ["globe_0002: hybrid", "globe_0002: twin", "globe_0002: other"]
    assert (more.globe.hybrid.columns, more.globe.twins) == (8, 2)
    done, fewer = run(twins=1)
    assert done == []
    assert fewer.globe.hybrid.drift == first.globe.hybrid.drift
    with pytest.raises(StabilityError, match=r"hybrid.nc: expected hours 12.0, got 6.0; take another folder or delete it"):
        run(days=0.5)
    other = tmp_path / "other.pt"
    other.write_bytes(model.read_bytes() + b" ")
    with pytest.raises(StabilityError, match=r"hybrid.nc: expected model \w+, got \w+"):
        run_stability(settings_of(other, runs_per_piece=1), tmp_path)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("under", [[], ["nohup"]])
def test_killed_it_takes_the_host_with_it_and_goes_on_later(under: list[str], model: Path, tmp_path: Path) -> None:
    options = ["--model", str(model), "--folder", "work", "--no-cases", "--twins", "0", "--layers", str(LAYERS)]
    command = [*under, sys.executable, "-m", "ftorch_bridge.cli.bench", "stability", *options]
    with subprocess.Popen([*command, "--runs", "10", "--days", "100"], cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60.0
        while not (hosts := hosts_of(tmp_path / "work")) and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
    assert len(hosts) == 1
    until = time.monotonic() + 20.0
    while hosts_of(tmp_path / "work") and time.monotonic() < until:
        time.sleep(0.05)
    assert not hosts_of(tmp_path / "work")
    result = run_stability(settings_of(model, twins=0), tmp_path / "work")
    assert result.globe.runs == 2
    assert sorted(path.name for path in (tmp_path / "work" / "globe_0001").iterdir()) == ["hybrid.nc", "hybrid.nml"]


def hosts_of(folder: Path) -> list[Path]:
    """Processes of `radml-host` with a case in a folder, but for those that have ended."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"radml-host") and any(folder.name.encode() + b"/" in word for word in words[1:]):
                found += [process] if (process / "cwd").resolve() == folder.parent else []
    return found


def test_pieces_change_no_bit_of_a_twin_that_is_longer(model: Path, tmp_path: Path) -> None:
    one = run_stability(settings_of(model, runs=1, twins=1), tmp_path / "one")
    two = run_stability(settings_of(model, runs=2, twins=1), tmp_path / "two")
    for kind in ("hybrid", "other"):
        assert getattr(one.globe, kind).drift == getattr(two.globe, kind).drift


def test_a_host_that_fails_gives_its_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pt"
    broken.write_text("no model")
    with pytest.raises(ProgramError, match=r"radml-host failed with exit code \d+: radml-host: .*broken.pt") as error:
        run_stability(settings_of(broken), tmp_path / "work")
    assert len(str(error.value).splitlines()) == 1
    assert sorted(path.name for path in (tmp_path / "work" / "globe_0001").iterdir()) == ["hybrid.nml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scheme", "rrtmg"], "scheme: expected network or guarded, got rrtmg"),
        (["--days", "0"], "days: expected a whole number of radiation intervals (1800 s), got 0 days"),
        (["--days", "0.01"], "days: expected a whole number of radiation intervals (1800 s), got 0.01 days"),
        (["--radiation-interval", "1000"], "radiation interval: expected a multiple of 600 s, got 1000 s"),
        (["--twins", "0", "--rare"], "rare RRTMG is compared with twins: expected 1 twin or more, got 0"),
        (["--twins", "0", "--figure", "f.png"], "--figure shows differences from twins"),
        (["--model", "absent.pt"], "absent.pt: no such file"),
        (["--runs", "0"], "--runs"),
    ],
)
def test_mistakes_give_one_line(arguments: list[str], words: str, model: Path, tmp_path: Path) -> None:
    where = ["--model", str(model), "--folder", str(tmp_path / "work")]
    done = CliRunner().invoke(app, ["stability", *where, *arguments])
    assert done.exit_code != 0
    assert words in " ".join((done.stderr + done.output).replace("│", " ").split())
    assert not (tmp_path / "work").exists()


def test_a_guard_without_an_envelope_is_told(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="expected a training envelope in its metadata"):
        run_stability(settings_of(model, scheme="guarded"), tmp_path)


def test_columns_that_the_guard_refuses_are_counted_by_rule(model: Path, tmp_path: Path) -> None:
    columns = generate_columns(256, LAYERS, seed=1)
    results = rrtmg.fluxes(columns.drop_vars(["profile", "latitude", "longitude", "land_fraction"]))
    training = {name: np.array(columns[name], np.float64) for name in INPUTS}
    training |= {name: np.array(results[name], np.float64) for name in OUTPUTS}
    network = random_network(0)
    guarded = tmp_path / "guarded.pt"
    about = {METADATA_KEY: Envelope.of(training).to_text()}
    export(network, describe(network, "all_sky", "float64", [], [], about), guarded, columns=columns, tolerance=1e-2)
    result = run_stability(settings_of(guarded, scheme="guarded"), tmp_path / "work")
    assert result.globe.refused
    assert 0.0 < result.globe.fallback_share <= 1.0
    assert sum(result.globe.refused.values()) == pytest.approx(result.globe.fallback_share * 7 * 8)


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_states_are_what_they_are_called(name: str) -> None:
    columns = extreme_columns(name, 12, 40, seed=5)
    assert columns.sizes == {"column": 12, "layer": 40, "level": 41}
    assert columns.equals(extreme_columns(name, 16, 40, seed=5).isel(column=slice(0, 12)))
    temperature, pressure = columns["temperature_layer"].to_numpy(), columns["pressure_layer"].to_numpy()
    h2o = columns["h2o"].to_numpy()
    humidity = h2o / (1.0 + h2o) * pressure / saturation_vapour_pressure(temperature)
    plain = generate_columns(12, 40, seed=5)
    if name == "polar night":
        assert (columns["latitude"] > 75.0).all()
        declination = 23.45 * np.sin(2.0 * np.pi * (284.0 + EXTREMES[name].day_of_year + np.arange(11.0)) / 365.0)
        assert (75.0 - declination > 90.0).all()  # the Sun stays below the horizon for ten days
    elif name == "4 x CO2":
        assert (columns["co2"] == 1680e-6).all()
    elif name == "hot desert":
        assert (columns["surface_temperature"] == 325.0).all()
        assert (columns["land_fraction"] == 1.0).all()
        assert (humidity[pressure > 1e4] <= 0.1 + 1e-9).all()
        assert (temperature[:, -1] > 312.0).all()
        assert (temperature <= 335.0).all()
        assert (columns["cloud_fraction"] == 0.0).all()
    elif name == "deep overcast":
        assert (humidity[pressure > 2.5e4] >= 0.95 - 1e-9).all()
    else:
        before = plain["h2o"] / (1.0 + plain["h2o"]) * pressure / saturation_vapour_pressure(plain["temperature_layer"])
        np.testing.assert_allclose(temperature, plain["temperature_layer"] + 4.0)
        np.testing.assert_allclose(humidity[pressure > 1e4], before.to_numpy()[pressure > 1e4], rtol=1e-9)


def test_columns_of_an_extreme_case_are_written_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "columns.nc"
    done = CliRunner().invoke(train_app, ["columns", "--number", "8", "--layers", "30", "--case", "+4 K", "-o", str(path)])
    assert done.exit_code == 0, done.output
    expected = extreme_columns("+4 K", 8, 30, seed=0)
    np.testing.assert_array_equal(read_columns(path)["temperature_layer"], expected["temperature_layer"])
    for options, words in (
        (["--case", "hot"], "expected one of polar night, 4 x CO2, hot desert, deep overcast, +4 K, got hot"),
        (["--case", "+4 K", "--clear-sky"], "--case: expected without --from, --clear-sky and --top-pressure"),
    ):
        done = CliRunner().invoke(train_app, ["columns", *options, "-o", str(tmp_path / "other.nc")])
        assert done.exit_code != 0
        assert words in done.output.replace("\n", " ")
        assert not (tmp_path / "other.nc").exists()


def test_other_draws_have_the_same_bits_for_any_number_of_threads(tmp_path: Path) -> None:
    write(generate_columns(24, LAYERS, seed=3), tmp_path / "columns.nc")
    keys = {"physics": "moist", "sky": "all", "sunlight": "globe", "hours": 3, "radiation_interval": 1800.0}

    def run(**more: float) -> dict[str, np.ndarray]:
        write_case(tmp_path, **keys, **more)
        succeeds("radml-host", "case.nml", folder=tmp_path)
        return read_history(tmp_path / "history.nc")

    own, one, three, two = run(), run(mcica_seed=1), run(mcica_seed=1, threads=3, columns_per_block=5), run(mcica_seed=2)
    for name, values in one.items():
        np.testing.assert_array_equal(values, three[name], err_msg=name)
    cloudy = one["cloud_fraction"][0].max(axis=1) > 0.05
    assert cloudy.any()
    for a, b in ((own, one), (one, two), (own, two)):
        difference = np.abs(a["surface_lw_down"] - b["surface_lw_down"]).max(axis=0)
        assert (difference[cloudy] > 0.0).mean() > 0.8
    for name in ("toa_lw_up", "surface_lw_down"):  # unbiased
        assert abs((own[name] - one[name]).mean()) < 4.0
    write_case(tmp_path, **keys, mcica_seed=-1)
    assert 'key "mcica_seed": expected 0 or more, got -1' in fails("radml-host", "case.nml", folder=tmp_path)


def test_pieces_share_out_runs_twins_and_seasons() -> None:
    settings = Settings(model=Path(__file__), runs=50, twins=25, case_runs=2)
    pieces = pieces_of(settings)
    globe = [piece for piece in pieces if piece.group == "globe"]
    assert [(piece.runs, piece.twins) for piece in globe] == [(20, 20), (20, 5), (10, 0)]
    assert len({piece.seed for piece in pieces}) == len(pieces)
    assert len({piece.folder for piece in pieces}) == len(pieces)
    assert all(1.0 <= piece.day_of_year <= 366.0 for piece in pieces)
    assert [piece.group for piece in pieces[3:]] == list(EXTREMES)
    assert all((piece.runs, piece.twins) == (2, 2) for piece in pieces[3:])
