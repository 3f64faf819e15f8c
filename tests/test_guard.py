"""The guard: the Fortran module against the NumPy reference, rule by rule, and how it is built, carried and used."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ftorch_bridge import rrtmg
from ftorch_bridge.cli.bridge import app as bridge_app
from ftorch_bridge.cli.export import app as export_app
from ftorch_bridge.cli.train import app as train_app
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.coupling import Model
from ftorch_bridge.dataset import Dataset, load_split
from ftorch_bridge.envelope import DESCRIPTION, METADATA_KEY, Envelope, EnvelopeError, Rule
from ftorch_bridge.evaluation import run_network
from ftorch_bridge.networks import HEATING_FACTOR
from ftorch_bridge.sky import INPUTS, OUTPUTS
from ftorch_bridge.weights import load_network, save_weights
from host.programs import BIN
from host_projects import BUILD, ROOT, command, configure
from typer.testing import CliRunner

Columns = dict[str, np.ndarray[Any, np.dtype[np.float64]]]
ENVELOPE = ROOT / "data" / "all_sky.envelope.txt"
UNSEEN_SEED = 20261126
LEVELS = ("pressure_level", "temperature_level")
FLUXES = ("lw_up", "lw_down", "sw_up", "sw_down")
HEATING = ("lw_heating_rate", "sw_heating_rate")
runner = CliRunner()


def columns_of(number: int, layers: int, seed: int = UNSEEN_SEED) -> Columns:
    """Generated columns with RRTMG's results, by name."""
    columns = generate_columns(number, layers, seed=seed)
    results = rrtmg.fluxes(columns, draws=16)
    return {name: np.array(columns[name], np.float64) for name in INPUTS} | {
        name: np.array(results[name], np.float64) for name in OUTPUTS
    }


def copied(columns: Columns, number: int | None = None) -> Columns:
    return {name: values[:number].copy() for name, values in columns.items()}


def fortran(
    envelope: str, columns: Columns, folder: Path, program: Path = BIN / "tests" / "guard_columns"
) -> tuple[np.ndarray[Any, Any], ...]:
    """Rules before and after the call, and the layers of both, by the Fortran module; the program traps what it can."""
    (folder / "envelope.txt").write_text(envelope)
    with (folder / "columns.bin").open("wb") as file:
        file.write(np.array(columns["pressure_layer"].shape, np.int32).tobytes())
        for name in (*LEVELS, *INPUTS[2:], *FLUXES, *HEATING):
            file.write(columns[name].astype(np.float64).T.tobytes())
    done = subprocess.run(
        [program, "envelope.txt", "columns.bin", "rules.bin"], cwd=folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return tuple(np.fromfile(folder / "rules.bin", np.int32).reshape(4, -1))


@pytest.fixture(scope="module")
def envelope() -> Envelope:
    return Envelope.read(ENVELOPE)


@pytest.fixture(scope="module")
def ordinary(envelope: Envelope) -> Columns:
    """Columns that the guard accepts, before and after, by day."""
    columns = columns_of(256, 89)
    rules = envelope.check_results(columns, columns, envelope.check_state(columns))
    kept = (rules == Rule.ACCEPTED) & (columns["cos_zenith"] > 0.2)
    assert kept.sum() > 60
    return {name: values[kept] for name, values in columns.items()}


# ---- which columns are accepted ----


@pytest.mark.parametrize("layers", [47, 60, 73, 89, 110, 137])
def test_unseen_columns_of_any_grid_are_accepted_and_both_languages_agree(
    layers: int, envelope: Envelope, tmp_path: Path
) -> None:
    network, _ = load_network(ROOT / "data" / "all_sky.safetensors")
    generated = generate_columns(2048, layers, seed=UNSEEN_SEED)
    columns = {name: np.array(generated[name], np.float64) for name in INPUTS}
    columns |= run_network(network, columns)
    before = envelope.check_state(columns)
    after = envelope.check_results(columns, columns, before)
    assert (after != Rule.ACCEPTED).mean() <= 0.005, Counter(Rule(rule).name for rule in after)
    found = fortran(envelope.to_text(), columns, tmp_path)
    np.testing.assert_array_equal(found[0], before)
    np.testing.assert_array_equal(found[1], after)


# ---- the rules one by one ----


def layer(name: str, change: Callable[[Any], Any], where: int | slice = 60) -> Callable[[Columns], None]:
    def changed(c: Columns) -> None:
        c[name][:, where] = change(c[name][:, where])

    return changed


def cloud(name: str, change: Callable[[Any], Any]) -> Callable[[Columns], None]:
    """Of a layer that has a cloud, of both phases: without one its water and radii are not looked at."""

    def changed(c: Columns) -> None:
        c["cloud_fraction"][:, 60] = np.maximum(c["cloud_fraction"][:, 60], 0.3)
        for phase in ("liquid", "ice"):
            c[f"cloud_{phase}_path"][:, 60] = np.maximum(c[f"cloud_{phase}_path"][:, 60], 1e-3)
        layer(name, change)(c)

    return changed


def surface(name: str, value: float) -> Callable[[Columns], None]:
    def changed(c: Columns) -> None:
        c[name][:] = value

    return changed


def stretched(c: Columns) -> None:
    """A layer that takes most of the one below."""
    c["pressure_level"][:, 60] += 0.9 * (c["pressure_level"][:, 61] - c["pressure_level"][:, 60])


def colder_air(c: Columns) -> None:
    """Whole columns, layers and levels alike, so that no difference tells."""
    for name in ("temperature_layer", "temperature_level"):
        c[name] -= 90.0
    c["surface_temperature"] -= 90.0


def mountain(c: Columns) -> None:
    for name in ("pressure_level", "pressure_layer"):
        c[name] *= 0.4


REFUSED: dict[str, tuple[Callable[[Columns], None], Rule]] = {
    "thickness": (stretched, Rule.GRID),
    "levels upside down": (layer("pressure_level", lambda p: p[:, ::-1], slice(60, 62)), Rule.GRID),
    "surface pressure": (mountain, Rule.GRID),
    "temperature": (colder_air, Rule.TEMPERATURE),
    "a warm layer": (layer("temperature_layer", lambda t: t + 40.0), Rule.TEMPERATURE),
    "a warm level": (layer("temperature_level", lambda t: t + 30.0), Rule.TEMPERATURE),
    "the lowest level": (layer("temperature_level", lambda t: t + 30.0, -1), Rule.TEMPERATURE),
    "humidity": (layer("h2o", lambda q: 1000.0 * q, 20), Rule.HUMIDITY),
    "dry air": (layer("h2o", lambda q: 1e-4 * q, slice(None)), Rule.HUMIDITY),
    "supersaturation": (layer("h2o", lambda q: np.minimum(8.0 * q, 0.045), slice(30, None)), Rule.HUMIDITY),
    "ozone": (layer("o3", lambda o: 20.0 * o, slice(None)), Rule.OZONE),
    "no ozone": (layer("o3", lambda o: 0.0 * o, slice(None)), Rule.OZONE),
    "carbon dioxide": (layer("co2", lambda g: 10.0 * g), Rule.GASES),
    "methane": (layer("ch4", lambda g: 30.0 * g), Rule.GASES),
    "nitrous oxide": (layer("n2o", lambda g: 30.0 * g), Rule.GASES),
    "cloud fraction": (layer("cloud_fraction", lambda f: f + 1.5), Rule.CLOUDS),
    "negative cloud": (layer("cloud_fraction", lambda f: f - 1.5), Rule.CLOUDS),
    "stratospheric cloud": (layer("cloud_fraction", lambda f: f + 0.5, 20), Rule.CLOUDS),
    "liquid": (cloud("cloud_liquid_path", lambda w: w + 50.0), Rule.CLOUDS),
    "ice": (cloud("cloud_ice_path", lambda w: w + 50.0), Rule.CLOUDS),
    "droplets": (cloud("liquid_radius", lambda r: 10.0 * r), Rule.CLOUDS),
    "crystals": (cloud("ice_radius", lambda r: 10.0 * r), Rule.CLOUDS),
    "hot ground": (surface("surface_temperature", 400.0), Rule.SURFACE),
    "emissivity": (surface("surface_emissivity", 0.5), Rule.SURFACE),
    "albedo": (surface("surface_albedo", 1.2), Rule.SURFACE),
    "zenith angle": (surface("cos_zenith", 1.1), Rule.SUN),
    "irradiance": (surface("solar_irradiance", 1500.0), Rule.SUN),
    "results: NaN": (layer("sw_up", lambda f: f * np.nan), Rule.RESULT_NOT_FINITE),
    "results: infinite": (layer("lw_heating_rate", lambda h: h + np.inf), Rule.RESULT_NOT_FINITE),
    "results: up at the top": (layer("lw_up", lambda f: f + 500.0, slice(None)), Rule.BOUNDS),
    "results: down at the surface": (layer("lw_down", lambda f: f + 500.0, slice(None)), Rule.BOUNDS),
    "results: negative longwave": (layer("lw_down", lambda f: f - 1000.0), Rule.BOUNDS),
    "results: negative shortwave": (layer("sw_up", lambda f: 0.0 * f - 1.0), Rule.BOUNDS),
    "results: incident sunlight": (layer("sw_down", lambda f: f + 1.0, 0), Rule.BOUNDS),
    "results: more out than in": (layer("sw_up", lambda f: f + 2000.0, 0), Rule.BOUNDS),
    "results: reflected by the surface": (layer("sw_up", lambda f: f + 1.0, -1), Rule.BOUNDS),
    "results: energy, longwave": (layer("lw_heating_rate", lambda h: h + 1.0), Rule.ENERGY),
    "results: energy, shortwave": (layer("sw_heating_rate", lambda h: h + 1.0), Rule.ENERGY),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_rule_refuses_what_it_is_there_for(case: str, envelope: Envelope, ordinary: Columns, tmp_path: Path) -> None:
    change, rule = REFUSED[case]
    columns = copied(ordinary)
    change(columns)
    before, after, layers_before, layers = fortran(envelope.to_text(), columns, tmp_path)
    np.testing.assert_array_equal(before, envelope.check_state(columns))
    np.testing.assert_array_equal(after, envelope.check_results(columns, columns, before))
    assert (after == rule).mean() > 0.8, Counter(Rule(found).name for found in after)
    if case == "a warm layer":  # where it is, or where the next step shows it
        assert set(layers_before[after == rule]) <= {61, 62}
    if case == "results: energy, longwave":
        assert set(layers) == {61}


def test_water_and_radii_without_a_cloud_mean_nothing(envelope: Envelope, ordinary: Columns, tmp_path: Path) -> None:
    columns = copied(ordinary)
    for name in ("cloud_fraction", "cloud_liquid_path", "cloud_ice_path"):
        columns[name][:, 60] = 0.0
    accepted = envelope.check_state(columns) == Rule.ACCEPTED
    assert accepted.mean() > 0.9
    for name in ("liquid_radius", "ice_radius"):
        columns[name][:, 60] = 1.0
    columns["cloud_liquid_path"][:, 60] = 50.0
    np.testing.assert_array_equal(envelope.check_state(columns) == Rule.ACCEPTED, accepted)
    np.testing.assert_array_equal(fortran(envelope.to_text(), columns, tmp_path)[0] == Rule.ACCEPTED, accepted)


@pytest.mark.parametrize(("spectrum", "rate"), [("lw", 300.0), ("lw", -300.0), ("sw", 300.0), ("sw", -300.0)])
def test_a_heating_rate_that_energy_allows_is_refused_by_its_size(
    spectrum: str, rate: float, envelope: Envelope, ordinary: Columns, tmp_path: Path
) -> None:
    columns = copied(ordinary)
    absorbed = rate * np.diff(columns["pressure_level"], axis=1)[:, 30] / HEATING_FACTOR
    columns[f"{spectrum}_heating_rate"][:, 30] += rate
    columns[f"{spectrum}_up"][:, :31] -= absorbed[:, None]  # a little less leaves above the layer
    _, after, _, layers = fortran(envelope.to_text(), columns, tmp_path)
    np.testing.assert_array_equal(after, envelope.check_results(columns, columns, envelope.check_state(columns)))
    assert (after == Rule.HEATING).mean() > 0.8, Counter(Rule(found).name for found in after)
    assert set(layers[after == Rule.HEATING]) == {31}


def test_light_at_night_is_refused(envelope: Envelope, ordinary: Columns, tmp_path: Path) -> None:
    columns = copied(ordinary, 8)
    columns["cos_zenith"][:] = -0.3
    for name in ("sw_up", "sw_down", "sw_heating_rate"):
        columns[name][:] = 0.0
    columns["sw_heating_rate"][0, 5] = 1e-6
    columns["sw_down"][1, 7] = 1e-6
    columns["sw_up"][2, 3] = -1e-6
    _, after, _, _ = fortran(envelope.to_text(), columns, tmp_path)
    assert after.tolist() == [Rule.BOUNDS] * 3 + [Rule.ACCEPTED] * 5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e35, "signalling"])
def test_no_number_anywhere_is_refused_and_nothing_traps(
    value: float | str, envelope: Envelope, ordinary: Columns, tmp_path: Path
) -> None:
    # One column for each input, among others that stay as they are: these are accepted still.
    number = np.array([0x7FF0000000000001], np.int64).view(np.float64)[0] if value == "signalling" else value
    columns = copied(ordinary, 60)
    for i, name in enumerate(INPUTS):
        values = columns[name]
        if values.ndim > 1:
            values[2 * i, i] = number
        else:
            values[2 * i] = number
    before, after, _, _ = fortran(envelope.to_text(), columns, tmp_path)
    expected = np.zeros(60, int)
    expected[: 2 * len(INPUTS) : 2] = Rule.NOT_FINITE
    np.testing.assert_array_equal(before, expected)
    np.testing.assert_array_equal(after, expected)
    np.testing.assert_array_equal(envelope.check_state(columns), expected)
    for name in OUTPUTS:
        columns = copied(ordinary, 3)
        columns[name][1, -1] = number
        after = fortran(envelope.to_text(), columns, tmp_path)[1]
        assert after.tolist() == [Rule.ACCEPTED, Rule.RESULT_NOT_FINITE, Rule.ACCEPTED]


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-300, -1e29, 1e29])
def test_wild_numbers_trap_nothing(value: float, envelope: Envelope, ordinary: Columns, tmp_path: Path) -> None:
    columns = copied(ordinary, len(INPUTS) + len(OUTPUTS))
    for i, name in enumerate((*INPUTS, *OUTPUTS)):
        columns[name][i] = value
    before, after, _, _ = fortran(envelope.to_text(), columns, tmp_path)
    np.testing.assert_array_equal(before, envelope.check_state(columns))
    np.testing.assert_array_equal(after, envelope.check_results(columns, columns, before))


# ---- holes between clusters ----


def test_a_hole_between_clusters_is_seen_where_every_range_holds_it(tmp_path: Path) -> None:
    # A set of warm and of cold air alone. What lies halfway has its values within the ranges.
    def warmth(c: Columns) -> np.ndarray[Any, Any]:
        mass = np.diff(c["pressure_level"], axis=1) * (c["pressure_layer"] > 20000.0)
        return (c["temperature_layer"] * mass).sum(1) / mass.sum(1)

    def at_the_ends(c: Columns) -> np.ndarray[Any, Any]:
        return (np.abs(warmth(c) - 237.0) < 2.5) | (np.abs(warmth(c) - 267.0) < 2.5)

    columns = columns_of(8000, 60, seed=5)
    training = {name: values[at_the_ends(columns)] for name, values in columns.items()}
    assert len(training["o3"]) > 1500
    envelope = Envelope.of(training)
    unseen = columns_of(2000, 60, seed=6)
    rules = envelope.check_state(unseen)
    middle = np.abs(warmth(unseen) - 252.0) < 2.0
    of_layers = (rules != Rule.ACCEPTED) & (rules < Rule.DISTANCE)
    assert of_layers[middle].mean() < 0.2
    assert (rules[middle] == Rule.HOLE).mean() > 0.75
    assert (rules[at_the_ends(unseen)] == Rule.HOLE).mean() < 0.05
    np.testing.assert_array_equal(fortran(envelope.to_text(), unseen, tmp_path)[0], rules)


def test_what_does_not_go_together_is_far_from_all_kinds_of_columns(envelope: Envelope, tmp_path: Path) -> None:
    # Ozone that occurs at every pressure, but not so much of it at one end and so little at the other.
    columns = columns_of(512, 89)
    assert (envelope.check_state(columns) == Rule.DISTANCE).sum() <= 3
    columns["o3"] *= np.where(columns["pressure_layer"] < 1000.0, 2.1, 0.5)
    rules = fortran(envelope.to_text(), columns, tmp_path)[0]
    np.testing.assert_array_equal(rules, envelope.check_state(columns))
    assert (rules == Rule.DISTANCE).sum() > 80, Counter(Rule(rule).name for rule in rules)


# ---- the envelope: made, written, read, carried ----


@pytest.fixture(scope="module")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("envelope") / "set"
    options = ["--number", "1024", "--columns-per-shard", "512", "--layers", "30", "--layers", "40", "--draws", "2"]
    result = runner.invoke(train_app, ["dataset", str(folder), *options])
    assert result.exit_code == 0, result.output
    return folder


def test_the_command_writes_an_envelope_that_reads_back_to_the_last_bit(small_set: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "first.txt", tmp_path / "second.txt"]
    for path in paths:
        result = runner.invoke(train_app, ["envelope", str(small_set), "-o", str(path), "--seed", "3"])
        assert result.exit_code == 0, result.output
    text = paths[0].read_text(encoding="ascii")
    assert text == paths[1].read_text()
    assert Envelope.from_text(text).to_text() == text
    assert len(text) < 100_000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first.txt", "second.txt"]
    # Only the columns that a network is trained on count, and all of them lie within their limits.
    made = Envelope.from_text(text)
    dataset = Dataset(small_set)
    parts = [load_split(dataset, [*INPUTS, *OUTPUTS], "train", layers, 10_000) for layers in (30, 40)]
    assert made.columns == sum(len(part["pressure_layer"]) for part in parts)
    for part in parts:
        rules = made.check_results(part, part, made.check_state(part))
        assert set(rules) <= {Rule.ACCEPTED, Rule.DISTANCE}
        assert (rules == Rule.DISTANCE).mean() < 0.05


def test_a_set_that_is_too_small_is_an_error() -> None:
    columns = columns_of(50, 30)
    with pytest.raises(EnvelopeError, match=f"expected at least {2 * DESCRIPTION} columns to train on, got 50"):
        Envelope.of(columns)
    del columns["o3"]
    with pytest.raises(EnvelopeError, match="expected the variables of the network, o3 missing"):
        Envelope.of(columns)


BROKEN = {
    "": "expected radml-envelope as word 1, got its end",
    "radml-envelope 2": "expected version 1 as word 2, got 2",
    "a model card": "expected radml-envelope as word 1, got a",
}


def broken_texts(text: str) -> dict[str, str]:
    words = text.split()
    at = words.index("whitening") + 5
    return BROKEN | {
        text[: len(text) // 2]: "",
        text.replace("layer ozone", "layer oxygen"): "expected ozone as word",
        text.removesuffix("end\n"): f"expected end as word {len(words)}, got its end",
        " ".join([*words[:at], "nan", *words[at + 1 :]]): "",
        " ".join([*words[:at], "many", *words[at + 1 :]]): "",
    }


def test_what_is_no_envelope_is_refused_with_one_line_in_both_languages(envelope: Envelope, tmp_path: Path) -> None:
    for text, message in broken_texts(envelope.to_text()).items():
        with pytest.raises(EnvelopeError, match=r"^training envelope: expected ") as error:
            Envelope.from_text(text)
        assert message in str(error.value)
        (tmp_path / "envelope.txt").write_text(text)
        done = subprocess.run(
            [BIN / "tests" / "guard_columns", "envelope.txt", "none", "none"],
            cwd=tmp_path, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode != 0
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("training envelope: expected ")
        assert message in lines[0]


def test_export_carries_the_envelope_of_a_file_or_of_the_weights(envelope: Envelope, tmp_path: Path) -> None:
    network, notes = load_network(ROOT / "data" / "all_sky_small.safetensors")
    weights, model = tmp_path / "weights.safetensors", tmp_path / "model.pt"
    arguments = ["ftorch_bridge.all_sky:AllSky", "--tolerance", "1e-3", "-o", str(model)]
    columns = tmp_path / "columns.nc"
    assert runner.invoke(train_app, ["columns", "--number", "64", "--layers", "20", "-o", str(columns)]).exit_code == 0
    arguments += ["--columns", str(columns)]
    notes.pop(METADATA_KEY, None)
    save_weights(network, weights, notes)
    result = runner.invoke(export_app, [*arguments, "--weights", str(weights), "--envelope", str(ENVELOPE)])
    assert result.exit_code == 0, result.output
    assert Model(model).metadata(METADATA_KEY) == envelope.to_text()
    shown = runner.invoke(bridge_app, ["info", str(model)])
    assert len(shown.output) < 20_000
    assert "radml-envelope 1 ... (" in shown.output
    save_weights(network, weights, {**notes, METADATA_KEY: envelope.to_text()})
    model.unlink()
    assert runner.invoke(export_app, [*arguments, "--weights", str(weights)]).exit_code == 0
    assert Model(model).metadata(METADATA_KEY) == envelope.to_text()
    (tmp_path / "no.txt").write_text("radml-envelope 7")
    result = runner.invoke(export_app, [*arguments, "--weights", str(weights), "--envelope", str(tmp_path / "no.txt")])
    assert result.exit_code == 1
    assert "no.txt: training envelope: expected version 1 as word 2, got 7" in result.stderr


# ---- the Fortran module ----


def test_names_of_the_rules_are_the_same_in_both_languages() -> None:
    printed = command(BIN / "tests" / "guard_columns", "rules").splitlines()
    assert printed == [rule.name.lower().replace("_", " ") for rule in Rule]


def test_a_guard_without_an_envelope_and_arrays_that_do_not_fit_refuse_every_column(envelope: Envelope, tmp_path: Path) -> None:
    (tmp_path / "envelope.txt").write_text(envelope.to_text())
    printed = command(BIN / "tests" / "guard_columns", "misuse", "envelope.txt", cwd=tmp_path)
    assert printed.split() == [str(int(rule)) for rule in (Rule.NO_ENVELOPE, Rule.NO_ENVELOPE, Rule.BAD_SHAPE, Rule.BAD_SHAPE)]


HOST = """cmake_minimum_required(VERSION 3.25)
project(guarded LANGUAGES Fortran)
find_package(radml REQUIRED)
add_executable(guard_columns guard_columns.f90)
target_link_libraries(guard_columns PRIVATE radml::radml_guard)
"""


@pytest.mark.parametrize("place", ["installation", "build folder"])
def test_a_host_uses_the_guard_of_an_installed_radml(
    place: str, prefix: Path, compiler: str, envelope: Envelope, ordinary: Columns, tmp_path: Path
) -> None:
    (tmp_path / "CMakeLists.txt").write_text(HOST)
    shutil.copy(ROOT / "tests" / "host" / "guard_columns.f90", tmp_path)
    folder = prefix if place == "installation" else BUILD
    configure(tmp_path, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={folder}", f"-DCMAKE_Fortran_COMPILER={compiler}")
    command("cmake", "--build", tmp_path / "build", "--target", "guard_columns")
    before, after, _, _ = fortran(envelope.to_text(), ordinary, tmp_path, tmp_path / "build" / "guard_columns")
    np.testing.assert_array_equal(before, 0)
    np.testing.assert_array_equal(after, 0)


def test_the_module_needs_nothing_but_a_compiler_and_compiles_without_a_warning(tmp_path: Path) -> None:
    flags = "-std=f2018 -Wall -Wextra -Werror -Wimplicit-interface -Wno-compare-reals -fimplicit-none -O3 -fcheck=all -pedantic"
    source = ROOT / "fortran" / "host" / "radml_guard.f90"
    command(os.environ.get("FC", "gfortran"), *flags.split(), "-c", source, "-o", "radml_guard.o", cwd=tmp_path)
