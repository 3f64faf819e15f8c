"""Command lines: each turns an expected failure into one clear line on standard error and exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from ftorch_bridge.column_file import ColumnFileError
from ftorch_bridge.exporting import ExportError
from ftorch_bridge.programs import ProgramError
from ftorch_bridge.training import TrainingError
from ftorch_bridge.weights import WeightsError

console = Console()
EXPECTED = (ColumnFileError, ExportError, ProgramError, TrainingError, WeightsError)


@contextmanager
def one_line_errors(command: str) -> Iterator[None]:
    """Print an expected error as ``command: message`` and leave with exit code 1."""
    try:
        yield
    except EXPECTED as error:
        print(f"{command}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except (OSError, ValueError) as error:
        print(f"{command}: {type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
