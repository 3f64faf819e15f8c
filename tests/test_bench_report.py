"""Reports and comparisons of results: what a file of HTML holds, what counts as slower, and what is refused."""

import copy
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from ftorch_bridge.cli.bench import app
from ftorch_bridge.comparing import compare_results, read_result, timings_of
from ftorch_bridge.measuring import BenchError, Timing, built_by, cell, machine_facts, take_turns
from ftorch_bridge.report import Bar, Bars, Drawing, bars_svg, number_text, table_html, write_report
from ftorch_bridge.tables import table_of_numbers
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("RADML_BUILD_DIR", "build")).resolve()
runner = CliRunner()


class _Page(HTMLParser):
    """Words, and everything that a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def overhead(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with JSON and report of a real run."""
    folder = tmp_path_factory.mktemp("report")
    options = ["--calls", "100", "--json", str(folder / "then.json"), "--html", str(folder / "page.html")]
    done = runner.invoke(app, ["overhead", *options], env={"RADML_PREFIX": str(BUILD)})
    assert done.exit_code == 0, done.output
    return folder


def test_a_report_holds_figure_numbers_machine_and_command(overhead: Path) -> None:
    result = json.loads((overhead / "then.json").read_text())
    text = (overhead / "page.html").read_text()
    page = _Page(text)
    assert page.fetched == []
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert page.tags.count("rect") == 3
    words = " ".join(page.words)
    for way in ("raw", "plan", "forward"):
        assert f"{result[f'{way}_us']:.2f}" in words
    assert "heap after 100 calls [bytes]" in words
    for fact in result["machine"].values():
        assert fact in words
    assert result["command"] in words
    assert "prefers-color-scheme: dark" in text


def test_the_json_names_benchmark_command_and_compiler(overhead: Path) -> None:
    result = json.loads((overhead / "then.json").read_text())
    assert result["benchmark"] == "overhead"
    assert result["machine"]["compiler"] == built_by(next((BUILD / "lib").glob("libradml.so.*.*")))
    assert re.search(r"GCC: \(.+\) \d+|clang version \d+", result["machine"]["compiler"])
    assert result["machine"]["torch"] == machine_facts()["torch"]


def test_a_comparison_with_itself_and_with_a_slower_time(overhead: Path, tmp_path: Path) -> None:
    then = json.loads((overhead / "then.json").read_text())
    for way in ("raw", "plan", "forward"):  # a range that no machine misses
        then[f"{way}_least_us"], then[f"{way}_most_us"] = 1e-9, 1e9
    (tmp_path / "then.json").write_text(json.dumps(then))
    options = ["overhead", "--calls", "100", "--compare", str(tmp_path / "then.json"), "--html", str(tmp_path / "page.html")]
    done = runner.invoke(app, [*options, "--fail-above", "1e9"], env={"RADML_PREFIX": str(BUILD)})
    assert done.exit_code == 0, done.output + done.stderr
    assert "plan_us" in done.output
    assert "slower" not in done.output
    assert "plan_us" in (tmp_path / "page.html").read_text()

    then["plan_us"] = then["plan_least_us"] = then["plan_most_us"] = 1e-6
    (tmp_path / "then.json").write_text(json.dumps(then | {"machine": then["machine"] | {"torch": "0.4"}}))
    done = runner.invoke(app, [*options, "--fail-above", "1000"], env={"RADML_PREFIX": str(BUILD)})
    assert done.exit_code == 1
    assert re.search(r"plan_us .*slower", done.output)
    assert f"torch differs: 0.4 then, {then['machine']['torch']} now" in done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("ftorch-bench overhead: 1 of 3 timings are slower by more than 1000 times; the worst: plan_us, ")
    assert '<td class="slower">slower</td>' in (tmp_path / "page.html").read_text()


RESULT = {
    "benchmark": "networks",
    "columns": 512,
    "machine": {"processor": "A", "seconds": 3},
    "rrtmg": {"real64": {"median": 177.0, "fastest": 170.0, "slowest": 180.0}},
    "sgemm_gigaflops": {"median": 100.0, "fastest": 110.0, "slowest": 95.0},
    "networks": [{"name": "small", "microseconds": 20.0, "speed_up": {"real64": 9.0}, "errors": {"seconds": 3.0}}],
    "host": {"run_seconds": {"rrtmg": 4.0}, "hours": 24.0},
}


def test_timings_are_found_by_what_they_are() -> None:
    found = timings_of(RESULT)
    assert {name: (m.value, m.least, m.most, m.rate) for name, m in found.items()} == {
        "rrtmg, real64": (177.0, 170.0, 180.0, False),
        "sgemm_gigaflops": (100.0, 95.0, 110.0, True),
        "networks (small), microseconds": (20.0, None, None, False),
        "host, run_seconds, rrtmg": (4.0, None, None, False),
    }


def test_a_change_beyond_the_ranges_is_marked() -> None:
    now = copy.deepcopy(RESULT)
    now["rrtmg"]["real64"] = {"median": 190.0, "fastest": 181.0, "slowest": 200.0}
    now["sgemm_gigaflops"] = {"median": 125.0, "fastest": 130.0, "slowest": 120.0}
    now["columns"] = 256
    now["machine"] = {"processor": "B"}
    found = compare_results(RESULT, now)
    verdicts = {change.name: (change.verdict, change.ratio) for change in found.changes}
    assert verdicts["rrtmg, real64"] == ("slower", pytest.approx(190 / 177))
    assert verdicts["sgemm_gigaflops"] == ("faster", pytest.approx(0.8))  # a rate: more is faster
    assert verdicts["host, run_seconds, rrtmg"] == ("range unknown", 1.0)
    assert found.notes == ["processor differs: A then, B now", "columns differs: 512 then, 256 now"]
    assert [change.name for change in found.slower_than(1.05)] == ["rrtmg, real64"]
    now["rrtmg"]["real64"]["fastest"] = 179.0  # the ranges meet
    assert next(c.verdict for c in compare_results(RESULT, now).changes if c.name == "rrtmg, real64") == ""
    with pytest.raises(BenchError, match="no timing is in both results"):
        compare_results(RESULT, {"columns": 3})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"benchmark": "networks"}', "expected a result of ftorch-bench overhead (--json), got one of ftorch-bench networks"),
        ('{"raw_us": 1.0}', "got one without the name of its benchmark"),
        ("[1, 2]", "got one without the name of its benchmark"),
        ("no", "not a JSON file"),
        (None, "no such file"),
    ],
)
def test_a_file_that_cannot_be_compared_is_refused_before_anything_runs(text: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    if text is not None:
        path.write_text(text)
    done = runner.invoke(app, ["overhead", "--compare", str(path)], env={"RADML_PREFIX": str(tmp_path)})
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ftorch-bench overhead: {path}: ")
    assert words in line
    with pytest.raises(BenchError):
        read_result(path, "overhead")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["overhead"], "--json"),
        (["overhead"], "--html"),
        (["radiation", "--columns", "absent.nc", "--model", "absent.pt"], "--figure"),
        (["networks", "absent.safetensors"], "--figure"),
        (["rrtmg-cases"], "--figure"),
        (["stability", "--model", "absent.pt", "--folder", "absent"], "--figure"),
    ],
)
def test_a_folder_that_is_not_there_is_told_before_anything_runs(command: list[str], option: str, tmp_path: Path) -> None:
    done = runner.invoke(app, [*command, option, str(tmp_path / "nowhere" / "out.svg")])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"ftorch-bench {command[0]}: {tmp_path}/nowhere/out.svg: no such folder: {tmp_path}/nowhere;")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_limit_without_a_comparison_is_refused() -> None:
    done = runner.invoke(app, ["overhead", "--fail-above", "1.1"])
    assert done.exit_code == 1
    assert done.stderr == "ftorch-bench overhead: --fail-above: expected --compare FILE too\n"


def test_bars_are_as_long_as_their_values() -> None:
    bars = [Bar("a & b", 10.0), Bar("c", 40.0, 30.0, 50.0, group="more", series=7)]
    svg = bars_svg(Bars("times", "µs", bars))
    widths = [float(w) for w in re.findall(r'<rect[^>]* width="([\d.]+)"', svg)]
    assert widths[1] == pytest.approx(4 * widths[0], rel=1e-2)
    assert "a &amp; b" in svg
    assert "--series-1" in svg
    whisker = re.search(r"M([\d.]+) [\d.]+H([\d.]+)", svg)
    left = float(re.search(r'<rect x="([\d.]+)"', svg)[1])
    low, high = float(whisker[1]) - left, float(whisker[2]) - left
    assert (low, high) == (pytest.approx(3 * widths[0], rel=1e-2), pytest.approx(5 * widths[0], rel=1e-2))
    assert "<rect" not in bars_svg(Bars("none", "µs", []))


def test_figures_of_matplotlib_take_the_colours_of_the_page(tmp_path: Path) -> None:
    from matplotlib import pyplot as plt  # noqa: PLC0415

    def draw(path: Path) -> None:
        figure, axes = plt.subplots()
        axes.plot([0, 1], [1, 2], color="#1f4e79", label="a line")
        axes.set_xlabel("words")
        axes.legend()
        figure.savefig(path)
        plt.close(figure)

    facts = {"processor": "<none>"}
    figures = [Drawing("a drawing", draw)]
    write_report(
        tmp_path / "page.html", name="n", summary="s", command="c", figures=figures, tables=[], machine=facts, lines=["more"]
    )
    text = (tmp_path / "page.html").read_text()
    assert "&lt;none&gt;" in text
    assert re.search(r"stroke: var\(--series-0\)", text)
    assert re.search(r"<text[^>]*fill: var\(--ink\)[^>]*>words</text>", text)
    assert "#1f4e79" not in text
    assert "<p>more</p>" in text
    assert _Page(text).fetched == []


def test_tables_become_html_with_units_and_sections() -> None:
    table = table_of_numbers("title [s]", "name", "time [s]")
    table.add_row("[bold]a[/bold] <b>", "1.5")
    table.add_section()
    table.add_row("c", "faster")
    text = table_html(table)
    assert "<caption>title [s]</caption>" in text
    assert '<th class="">time [s]</th>' in text
    assert '<tr class=section><td class="left">a &lt;b&gt;</td><td class="">1.5</td></tr>' in text
    assert '<td class="faster">faster</td>' in text


def test_turns_leave_out_the_first_round() -> None:
    order: list[str] = []

    def way(name: str) -> float:
        order.append(name)
        return float(len(order))

    found = take_turns({"a": lambda: way("a"), "b": lambda: way("b")}, 2)
    assert order == ["a", "b"] * 3
    assert found["a"].tolist() == [3.0, 5.0]
    assert Timing.of(np.array([3.0, 1.0, 2.0])) == Timing(2.0, 1.0, 3.0)
    assert Timing.of_rates(np.array([3.0, 1.0, 2.0])) == Timing(2.0, 3.0, 1.0)
    assert cell(Timing(2.0, 3.0, 1.0)) == "2.0 (1.0 to 3.0)"


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (1234.5, "1,234"), (12.345, "12.3"), (0.012345, "0.0123")])
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number_text(value) == text
