"""``ftorch-bench rrtmg`` and ``radml-bench-rrtmg``: what is timed is what the library gives, and what was found is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ftorch_bridge import original_rrtmg, programs, rrtmg_bench
from ftorch_bridge.cli.bench import app
from ftorch_bridge.column_file import CLOUD_VARIABLES, read_columns, write
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.rrtmg_bench import Child, Difference, bundled, columns_by_day, run_rrtmg
from test_rrtmg_clouds import needs_oracle
from typer.testing import CliRunner

runner = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """By day columns with clouds; and the fluxes that ``radml-rrtmg`` gives them."""
    folder = tmp_path_factory.mktemp("rrtmg")
    write(columns_by_day(40, 60, 5), folder / "columns.nc")
    for name, options in (("mcica", ()), ("analytic", ("--overlap", "analytic")), ("drawn", ("--draws", "3"))):
        programs.run("radml-rrtmg", folder / "columns.nc", folder / f"{name}.nc", *options)
    return folder


def fields(child: Child, work: str, path: Path) -> xr.Dataset:
    child.ask(f"write {work} {path}")
    return xr.load_dataset(path, decode_timedelta=False)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_pass_gives_the_bits_of_radml_rrtmg(folder, tmp_path, threads):
    of_program = {name: xr.load_dataset(folder / f"{name}.nc", decode_timedelta=False) for name in ("mcica", "analytic")}
    with bundled(folder / "columns.nc", columns_per_block=7, threads=threads) as child:
        for work, name, ending in (
            ("longwave-mcica", "mcica", ""),
            ("longwave-analytic", "analytic", ""),
            ("longwave-clear", "mcica", "_clear"),
            ("shortwave-mcica", "mcica", ""),
            ("shortwave-clear", "mcica", "_clear"),
        ):
            found = fields(child, work, tmp_path / "found.nc")
            prefix = "lw" if work.startswith("longwave") else "sw"
            for way in ("up", "down"):
                np.testing.assert_array_equal(found[way], of_program[name][f"{prefix}_{way}{ending}"], err_msg=work)
            if not ending:
                np.testing.assert_array_equal(found["heating_rate"], of_program[name][f"{prefix}_heating_rate"], err_msg=work)
                np.testing.assert_array_equal(found["up_clear"], of_program[name][f"{prefix}_up_clear"], err_msg=work)
                assert (found["up"] != found["up_clear"]).any()


def test_lines_change_what_later_passes_do(folder, tmp_path):
    with bundled(folder / "columns.nc") as child:
        before = {work: fields(child, work, tmp_path / "a.nc") for work in ("longwave-mcica", "shortwave-mcica")}
        assert child.ask("draws 3") == {"draws": 3}
        drawn = xr.load_dataset(folder / "drawn.nc", decode_timedelta=False)
        for work, name in (("longwave-mcica", "lw_up"), ("shortwave-mcica", "sw_up")):
            np.testing.assert_array_equal(fields(child, work, tmp_path / "a.nc")["up"], drawn[name])
        child.ask("draws 1")
        assert child.ask("tables original") == {"tables": "original"}
        for work, fluxes in before.items():
            change = np.abs(fields(child, work, tmp_path / "a.nc")["up"] - fluxes["up"]).max()
            assert 0 < change < 0.5, work
        child.ask("tables exact")
        child.ask("ice absorbing")
        assert np.abs(fields(child, "shortwave-mcica", tmp_path / "a.nc")["up"] - before["shortwave-mcica"]["up"]).max() > 1
        child.ask("ice original")
        for work, fluxes in before.items():
            xr.testing.assert_equal(fields(child, work, tmp_path / "a.nc"), fluxes)


def test_given_subcolumns_that_are_all_cloudy_or_all_clear(folder, tmp_path):
    columns = read_columns(folder / "columns.nc")
    overcast = columns.assign(cloud_fraction=(columns["cloud_fraction"] > 0).astype(float))
    write(overcast, tmp_path / "overcast.nc")
    seen = overcast["cloud_fraction"].to_numpy().astype(np.int8)
    with bundled(tmp_path / "overcast.nc") as child:
        for spectrum, points in (("longwave", 140), ("shortwave", 112)):
            np.repeat(seen[:, :, None], points, axis=2).ravel(order="F").tofile(tmp_path / "all.bin")
            child.ask(f"subcolumns {spectrum}-given {tmp_path / 'all.bin'}")
            given = fields(child, f"{spectrum}-given", tmp_path / "given.nc")
            drawn = fields(child, f"{spectrum}-mcica", tmp_path / "drawn.nc")
            for name in ("up", "down", "heating_rate"):
                np.testing.assert_allclose(given[name], drawn[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run sunshine", 'expected one of the works longwave-clear, longwave-mcica, .*got "sunshine"'),
        ("run longwave-given", "longwave-given: the columns have no clouds, no sun or no subcolumns"),
        ("write longwave-subcolumns a.nc", "longwave-subcolumns has no fluxes to write"),
        ("tables other", 'expected exact or original, got "tables other"'),
        ("draws none", 'draws: expected a whole number above 0, got "none"'),
        ("subcolumns longwave-given {short}", "expected a byte for each of 40 columns, 60 layers and 140 g-points"),
        ("dance", 'expected run, write, tables, ice, subcolumns, draws or memory, got "dance"'),
    ],
)
def test_a_line_that_makes_no_sense_is_named(folder, tmp_path, line, words):
    short = tmp_path / "short.bin"
    short.write_bytes(b"12")
    with (
        bundled(folder / "columns.nc") as child,
        pytest.raises(programs.ProgramError, match=f"radml-bench-rrtmg ended.*{words}"),
    ):
        child.ask(line.format(short=short))


def test_columns_come_again_where_the_file_has_fewer(folder, tmp_path):
    with bundled(folder / "columns.nc") as few, bundled(folder / "columns.nc", count=93) as many:
        one, all_of_them = (fields(child, "shortwave-clear", tmp_path / "a.nc")["up"].to_numpy() for child in (few, many))
        memory = many.ask("memory")
    np.testing.assert_array_equal(all_of_them, np.concatenate([one, one, one[:13]]))
    assert memory["peak_kib"] >= memory["ready_kib"] > 1000


def test_differences_are_counted_over_all_parts():
    rng = np.random.default_rng(1)
    theirs = {"up": rng.normal(size=(7, 5)), "down": rng.normal(size=(7, 5)), "heating_rate": rng.normal(size=(7, 4))}
    mine = {name: values + rng.normal(size=values.shape) for name, values in theirs.items()}
    found = Difference()
    for part in (slice(0, 3), slice(3, 7)):
        cut = [{name: values[part] for name, values in side.items()} for side in (mine, theirs)]
        found.add(*cut, flux_limit=1.5, heating_limit=1.0)
    flux = np.abs(np.stack([mine[name] - theirs[name] for name in ("up", "down")]))
    heating = np.abs(mine["heating_rate"] - theirs["heating_rate"])
    assert found.to_dict() == pytest.approx(
        {
            "columns": 7,
            "layers": 28,
            "flux_largest": flux.max(),
            "flux_rms": np.sqrt((flux**2).mean()),
            "flux_median_of_columns": np.median(flux.max(axis=(0, 2))),
            "columns_beyond": (flux.max(axis=(0, 2)) > 1.5).sum(),
            "heating_largest": heating.max(),
            "heating_rms": np.sqrt((heating**2).mean()),
            "layers_beyond": (heating > 1).sum(),
        }
    )


@needs_oracle
def test_the_command_prints_times_and_differences_and_writes_them(folder, tmp_path):
    options = ["--columns", str(folder / "columns.nc"), "--timed", "16", "--repeats", "2", "--threads", "2", "--sizes", "8,24"]
    done = runner.invoke(app, ["rrtmg", *options, "--json", str(tmp_path / "bench.json")], env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "bench.json").read_text())
    assert (found["columns"], found["columns_timed"], found["layers"], found["repeats"]) == (40, 16, 60, 2)
    times = found["microseconds_per_column"]
    for work in (*rrtmg_bench.WORKS, *rrtmg_bench.SUMS):
        for code in ("original", "real64"):
            assert 0 < times[code][work]["fastest"] <= times[code][work]["median"] <= times[code][work]["slowest"]
            assert f"{times[code][work]['median']:.1f} (" in done.output
        ratio, theirs, mine = found["ratio"]["real64"][work], times["original"][work], times["real64"][work]
        assert theirs["fastest"] / mine["slowest"] <= ratio <= theirs["slowest"] / mine["fastest"]
    assert times["original"]["both, McICA"]["median"] > times["original"]["both, clear"]["median"]
    compared = [work for work in rrtmg_bench.WORKS if work not in rrtmg_bench.SUBCOLUMNS_OF]
    for work in compared:
        default, with_tables = (found["differences"][label][work] for label in ("real64", "real64, original's tables"))
        assert (default["columns"], default["layers"]) == (40, 2400)
        assert 0 < default["flux_rms"] < default["flux_largest"] < (0.03 if work.startswith("longwave") else 0.8)
        assert 0 < default["heating_rms"] < default["heating_largest"] < (0.1 if work.startswith("longwave") else 0.5)
        assert with_tables["flux_largest"] < 1e-5
        assert with_tables["flux_median_of_columns"] < 1e-6
    assert found["differences"]["real64"][rrtmg_bench.ABSORBING_ICE]["flux_largest"] > 1
    assert set(found["columns_per_second_by_threads"]["real64"]["longwave-mcica"]) == {"1", "2"}
    assert [row["columns"] for row in found["sizes"]["real64"]] == [8, 24]
    assert all(row["microseconds"]["longwave-mcica"]["median"] > 0 for row in found["sizes"]["real64"])
    assert all(row["memory_before_mib"] > 1 for row in found["sizes"]["real64"])
    assert found["machine"]["original"].startswith("climt")
    assert "-O3" in found["machine"]["compiler_options"]
    assert any(what.startswith("real32") for what in found["missing"]) == ("real32" not in times)


@needs_oracle
def test_both_codes_take_the_ice_that_is_asked_for(folder):
    columns = read_columns(folder / "columns.nc")
    layer = columns["cloud_ice_path"].dims
    large = columns.assign(ice_radius=(layer, np.full(columns["ice_radius"].shape, 120e-6)))
    with pytest.raises(programs.ProgramError, match=r"ice_radius of column \d+, layer \d+: expected .* got 1.200E-04"):
        run_rrtmg(large, repeats=1, timed=40)
    result = run_rrtmg(large, repeats=1, timed=4, ice_optics="streamer")
    with_tables = result.differences["real64, original's tables"]
    assert with_tables["shortwave-mcica"]["flux_largest"] < 1e-5
    assert with_tables["longwave-analytic"]["flux_median_of_columns"] < 1e-6


def test_without_the_original_ours_is_timed_and_what_is_missing_is_said(folder, monkeypatch):
    monkeypatch.setattr(original_rrtmg, "available", lambda: False)
    result = run_rrtmg(read_columns(folder / "columns.nc"), repeats=1, timed=8)
    assert rrtmg_bench.ORIGINAL not in result.codes
    assert result.timing("real64", "shortwave-mcica").median > 0
    assert result.differences == {}
    assert "AER's own code: pip install climt==0.31.0 (CPython 3.11, x86-64)" in result.missing
    assert next(rrtmg_bench.tables_of(result)).row_count == 9


def test_columns_without_clouds_or_sun_are_timed_for_what_they_have(monkeypatch):
    monkeypatch.setattr(original_rrtmg, "available", lambda: False)
    clear = generate_columns(6, 30, seed=3, clear_sky=True).drop_vars("cos_zenith")
    result = run_rrtmg(clear, repeats=1, timed=6)
    assert set(result.seconds["real64"]) == {"longwave-clear"}
    assert f"clouds: the columns lack {', '.join(CLOUD_VARIABLES)}" in result.missing
    assert "sun: the columns lack cos_zenith" in result.missing


def test_bad_sizes_are_refused():
    done = runner.invoke(app, ["rrtmg", "--sizes", "16,many"])
    assert done.exit_code != 0
    assert "--sizes 16,many: expected numbers of columns" in done.output + done.stderr
