"""Reference cases: the documentation's table is what RRTMG gives today, and it is plausible."""

from __future__ import annotations

import json

import matplotlib.image
import numpy as np
import pytest
from ftorch_bridge import original_rrtmg
from ftorch_bridge.cli.bench import app
from ftorch_bridge.reference_cases import BUNDLED, CLOUDS, ORIGINAL, QUANTITIES, ReferenceCases, reference_columns, run_cases
from host_projects import ROOT
from test_rrtmg_clouds import needs_oracle
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def result() -> ReferenceCases:
    return run_cases()


def documented() -> dict[tuple[str, str], list[str]]:
    """Cells of the table in docs/rrtmg.md by atmosphere and sky."""
    text = (ROOT / "docs" / "rrtmg.md").read_text()
    lines = text[text.index("## Reference cases") :].splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    found, atmosphere = {}, ""
    for first, sky, *cells in rows:
        atmosphere = first or atmosphere
        found[atmosphere, sky] = cells
    return found


def test_the_documented_table_is_what_is_computed(result: ReferenceCases) -> None:
    table = documented()
    assert len(table) == 24
    for atmosphere, sky, column in result.cases():
        for cell, (words, *_) in zip(table[atmosphere, sky], QUANTITIES, strict=True):
            written, difference = cell.removesuffix(")").split(" (")
            ours = result.flux(BUNDLED, words, column)
            assert float(written) == pytest.approx(ours, abs=0.0052), (atmosphere, sky, words)
            if ORIGINAL in result.fields:
                found = result.flux(ORIGINAL, words, column) - ours
                assert float(difference) == pytest.approx(found, abs=0.0006), (atmosphere, sky, words)


@needs_oracle
def test_heating_rates_are_the_originals(result: ReferenceCases) -> None:
    for spectrum, limit in (("lw", 0.05), ("sw", 0.05)):
        ours, theirs = (result.fields[code][spectrum]["heating_rate"] for code in (BUNDLED, ORIGINAL))
        assert np.abs(ours).max() > 10
        assert np.abs(ours - theirs).max() < limit


def test_clouds_do_what_clouds_do(result: ReferenceCases) -> None:
    count = len(result.columns["column"]) // len(CLOUDS)
    longwave, shortwave = (result.fields[BUNDLED][spectrum] for spectrum in ("lw", "sw"))
    outgoing, back, reflected, reaching = (
        values.reshape(len(CLOUDS), count)
        for values in (longwave["up"][:, 0], longwave["down"][:, -1], shortwave["up"][:, 0], shortwave["down"][:, -1])
    )
    clear, low, high, deep = range(len(CLOUDS))
    for sky in (low, high, deep):
        assert (back[sky] > back[clear]).all()
        assert (reflected[sky] > reflected[clear]).all()
        assert (reaching[sky] < reaching[clear]).all()
    assert (outgoing[deep] < outgoing[high]).all()
    assert (outgoing[high] < outgoing[low] - 15).all()
    assert (back[high] < back[low] - 30).all()
    assert (reaching[deep] < 0.06 * reaching[clear]).all()
    assert 150 < outgoing[clear].min() < outgoing[clear].max() < 295
    np.testing.assert_array_equal(longwave["up"][:count], longwave["up_clear"][:count])


def test_clouds_are_where_they_are_said_to_be() -> None:
    columns = reference_columns(60)
    assert columns.sizes == {"column": 24, "level": 61, "layer": 60}
    water = (columns["cloud_liquid_path"] + columns["cloud_ice_path"]).to_numpy().sum(axis=1).reshape(4, 6)
    pressure = columns["pressure_layer"].to_numpy().reshape(4, 6, 60)
    cloudy = columns["cloud_fraction"].to_numpy().reshape(4, 6, 60) == 1
    for cloud, total, where, at in zip(CLOUDS.values(), water, cloudy, pressure, strict=True):
        np.testing.assert_allclose(total, cloud.water if cloud else 0.0, atol=1e-12)
        if cloud:
            assert where.any(axis=1).all()
            assert ((at > cloud.top) & (at < cloud.base))[where].all()


def test_the_command_writes_table_figure_and_json(tmp_path) -> None:
    options = ["rrtmg-cases", "--layers", "40", "--figure", str(tmp_path / "cases.png"), "--json", str(tmp_path / "cases.json")]
    done = CliRunner().invoke(app, options, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    picture = matplotlib.image.imread(tmp_path / "cases.png")
    assert picture.shape[1] > 900
    assert picture.std() > 0.05
    found = json.loads((tmp_path / "cases.json").read_text())["cases"]
    assert len(found) == 24
    ours = found["US standard, deep cloud"]["bundled"]["outgoing longwave"]
    assert f"{ours:.2f}" in done.output
    assert ("original" in found["tropical, clear"]) == original_rrtmg.available()
