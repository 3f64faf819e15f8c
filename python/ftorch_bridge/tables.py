"""Tables for people."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table


def table_of_numbers(title: str, *headings: str, no_wrap: bool = False) -> Table:
    """An empty table whose first column is of words and the others of numbers; ``no_wrap`` keeps each on one line."""
    table = Table(title=escape(title), title_justify="left")
    for heading in headings:  # a unit, as [s], is no markup
        table.add_column(escape(heading), justify="right" if table.columns else "left", no_wrap=no_wrap)
    return table
