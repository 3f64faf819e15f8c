"""A benchmark's result as one HTML file: figure, numbers, machine and command line, with nothing to fetch.

Figures are inline SVG in colours of the page's style sheet, so that they follow its dark and its light look.
"""

from __future__ import annotations

import html
import math
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from ftorch_bridge.files import whole_file
from ftorch_bridge.measuring import Timing

INK = "#0a0b0c"  # of matplotlib's words and axes; no figure draws in it, so it can be told from what they choose
_COLOURS = {INK: "var(--ink)", "#000000": "var(--ink)", "#ffffff": "var(--paper)", "#1f4e79": "var(--series-0)",
            "#d1495b": "var(--series-1)", "#3a7d44": "var(--series-2)"}  # fmt: skip
_SERIES = 6

_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1d2530; --faint: #5d6979; --line: #d7dde4; --band: #f3f5f8;
  --series-0: #1f5a94; --series-1: #c63d50; --series-2: #33803f; --series-3: #a8690c; --series-4: #6c4fb0; --series-5: #5f6b78;
  --slower: #b3261e; --faster: #1f7a34; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e4e8ed; --faint: #9aa5b1; --line: #353d47;
  --band: #1c222a; --series-0: #6fb0ee; --series-1: #f2808f; --series-2: #74c581; --series-3: #e2ae55; --series-4: #b59df0;
  --series-5: #a3adb8; --slower: #ff8a80; --faster: #7ed491; } }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 1.5rem; margin: 0 0 2px; } h2 { font-size: 1.1rem; margin: 36px 0 10px; }
.summary { color: var(--faint); margin: 0 0 8px; }
figure { margin: 24px 0; overflow-x: auto; } figcaption { margin: 0 0 8px; font-weight: 600; }
figure svg { display: block; width: 100%; min-width: 620px; height: auto; } figure svg.drawn { min-width: 900px; }
.bars { font: 14px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; } .bars text { fill: var(--ink); }
.bars .faint { fill: var(--faint); font-size: 12px; } .bars .group { font-weight: 600; paint-order: stroke;
  stroke: var(--paper); stroke-width: 5px; }
.bars .grid { stroke: var(--line); } .bars .whisker { stroke: var(--ink); stroke-width: 1.6; fill: none; }
.scroll { overflow-x: auto; margin: 0 0 24px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 6px; }
th, td { padding: 4px 12px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; border-bottom: 2px solid var(--line); white-space: normal; vertical-align: bottom; }
th.left, td.left { text-align: left; } tbody tr:hover { background: var(--band); }
tr.section > td { border-bottom: 2px solid var(--faint); }
.slower { color: var(--slower); font-weight: 600; } .faster { color: var(--faster); font-weight: 600; }
.facts td { white-space: normal; overflow-wrap: anywhere; }
pre { background: var(--band); border: 1px solid var(--line); border-radius: 6px; padding: 10px 14px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
"""


@dataclass(frozen=True)
class Bar:
    """One bar, with whiskers from the least to the most where they are known."""

    label: str
    value: float
    least: float | None = None
    most: float | None = None
    group: str = ""
    series: int = 0
    """Bars of one kind have one number, and one colour."""

    @classmethod
    def of(cls, label: str, timing: Timing, *, group: str = "", series: int = 0) -> Bar:
        """A timing's bar."""
        low, high = sorted((timing.fastest, timing.slowest))
        return cls(label, timing.median, low, high, group, series)


@dataclass(frozen=True)
class Bars:
    """A figure of horizontal bars, one above the other by group."""

    title: str
    unit: str
    bars: Sequence[Bar]


@dataclass(frozen=True)
class Drawing:
    """A figure that matplotlib draws into the file it is given, which ends in ``.svg``."""

    title: str
    draw: Callable[[Path], None]


Figure = Bars | Drawing


def write_report(
    path: Path,
    *,
    name: str,
    summary: str,
    command: str,
    figures: Sequence[Figure],
    tables: Sequence[Table],
    machine: Mapping[str, object],
    lines: Sequence[str] = (),
) -> None:
    """Write the report of the benchmark ``name``."""
    parts = [f"<h1>{html.escape(name)}</h1>", f'<p class="summary">{html.escape(summary)}</p>']
    for figure in figures:
        picture = bars_svg(figure) if isinstance(figure, Bars) else _drawn_svg(figure.draw)
        parts.append(f"<figure><figcaption>{html.escape(figure.title)}</figcaption>{picture}</figure>")
    parts += ["<h2>Numbers</h2>", *map(table_html, tables), *(f"<p>{html.escape(line)}</p>" for line in lines)]
    facts = "".join(
        f'<tr><td class="left">{html.escape(key.replace("_", " "))}</td><td class="left">{html.escape(str(value))}</td></tr>'
        for key, value in machine.items()
    )
    parts += ["<h2>Machine</h2>", f'<div class="scroll"><table class="facts"><tbody>{facts}</tbody></table></div>']
    parts += ["<h2>Command</h2>", f"<pre>{html.escape(command)}</pre>"]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(name)}</title><style>{_STYLE}</style></head>\n<body><main>\n" + "\n".join(parts)
    )
    with whole_file(path) as temporary:
        temporary.write_text(page + "\n</main></body></html>\n", encoding="utf-8")


def table_html(table: Table) -> str:
    """A table of rich as one of HTML; what it marks up stays as words."""

    def words(cell: object) -> str:
        return html.escape(Text.from_markup(cell, emoji=False).plain if isinstance(cell, str) else str(cell))

    sides = ["left" if column.justify == "left" else "" for column in table.columns]
    head = "".join(f'<th class="{side}">{words(c.header)}</th>' for c, side in zip(table.columns, sides, strict=True))
    rows = []
    for row, cells in zip(table.rows, zip(*(column.cells for column in table.columns), strict=True), strict=True):
        made = []
        for cell, side in zip(cells, sides, strict=True):
            text = words(cell)
            mark = text if text in ("slower", "faster") else ""
            made.append(f'<td class="{" ".join(filter(None, (side, mark)))}">{text}</td>')
        rows.append(f"<tr{' class=section' if row.end_section else ''}>{''.join(made)}</tr>")
    caption = f"<caption>{words(table.title)}</caption>" if table.title else ""
    head = f"<thead><tr>{head}</tr></thead>" if any(column.header for column in table.columns) else ""
    return f'<div class="scroll"><table>{caption}{head}<tbody>{"".join(rows)}</tbody></table></div>'


def number_text(value: float) -> str:
    """A number with three digits that count, or all those before the point."""
    if value == 0.0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 6)}f}"


def _ticks(most: float) -> list[float]:
    """Round numbers from zero up to ``most``, four to eight of them."""
    step = 10.0 ** math.floor(math.log10(most))
    for part in (0.2, 0.25, 0.5, 1.0, 2.0):
        if most / (part * step) <= 6.0:
            step *= part
            break
    return [i * step for i in range(int(most / step + 1e-9) + 1)]


def bars_svg(figure: Bars) -> str:
    """The bars as SVG, without a size of its own."""
    width, row, bar_height, heading = 960, 30, 16, 30
    longest = max((len(bar.label) for bar in figure.bars), default=0)
    left = min(max(120, 8 * longest + 24), 420)
    right = width - 110
    most = max((max(bar.value, bar.most or 0.0) for bar in figure.bars), default=0.0) or 1.0
    scale = (right - left) / most

    shapes: list[str] = []
    y = 28
    group = ""
    for bar in figure.bars:
        if bar.group != group:
            y += 8 if group else 0
            group = bar.group
            shapes.append(f'<text class="group" x="0" y="{y + 20}">{html.escape(group)}</text>')
            y += heading
        middle = y + row / 2
        end = left + scale * bar.value
        spread = bar.least is not None and bar.most is not None and bar.most > bar.least
        told = number_text(bar.value)
        if spread:
            told += f", {number_text(bar.least)} to {number_text(bar.most)}"
        shapes.append(f"<g><title>{html.escape(f'{bar.label}: {told} {figure.unit}')}</title>")
        shapes.append(f'<text x="{left - 12}" y="{middle + 5}" text-anchor="end">{html.escape(bar.label)}</text>')
        shapes.append(
            f'<rect x="{left}" y="{middle - bar_height / 2}" width="{max(end - left, 1.0):.1f}" height="{bar_height}" rx="2" '
            f'style="fill: var(--series-{bar.series % _SERIES})"/>'
        )
        if spread:
            low, high = (left + scale * value for value in (bar.least, bar.most))
            ends = "".join(f"M{x:.1f} {middle - 5}v10" for x in (low, high))
            shapes.append(f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}{ends}"/>')
            end = max(end, high)
        shapes.append(f'<text x="{end + 8:.1f}" y="{middle + 5}">{number_text(bar.value)}</text></g>')
        y += row
    grid = []
    for tick in _ticks(most):
        x = left + scale * tick
        grid.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="24" y2="{y + 2}"/>')
        if x + 30 < width - 7 * len(figure.unit):  # beside the unit there is no room for numbers
            grid.append(f'<text class="faint" x="{x:.1f}" y="16" text-anchor="middle">{tick:,g}</text>')
    grid.append(f'<text class="faint" x="{width}" y="16" text-anchor="end">{html.escape(figure.unit)}</text>')
    label = html.escape(figure.title, quote=True)
    return f'<svg class="bars" role="img" aria-label="{label}" viewBox="0 0 {width} {y + 8}">{"".join(grid + shapes)}</svg>'


def _drawn_svg(draw: Callable[[Path], None]) -> str:
    """A figure of matplotlib, on no ground, in the page's colours."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 - slow to import, and most reports have bars alone

    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    looks = {name: INK for name in inked} | {"svg.fonttype": "none", "savefig.transparent": True, "legend.framealpha": 0.0}
    with tempfile.TemporaryDirectory() as folder, plt.rc_context(looks):
        path = Path(folder) / "figure.svg"
        draw(path)
        text = path.read_text(encoding="utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 class="drawn"', text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    for colour, variable in _COLOURS.items():
        text = text.replace(colour, variable)
    return text
