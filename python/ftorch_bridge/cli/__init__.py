"""Command lines: each turns an expected failure into one clear line on standard error and exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text


class _Status(Status):
    """Words beside a spinner, as they are."""

    def update(self, status: Any = None, **more: Any) -> None:
        """As Status: other words, or another look."""
        super().update(Text(status) if isinstance(status, str) else status, **more)


class _Console(Console):
    """Prints words as they are: names and paths of users may hold ``[a]`` and ``:a:``. Only tables may have markup."""

    def __init__(self) -> None:
        super().__init__(emoji=False)

    def print(self, *objects: Any, **more: Any) -> None:
        """As Console, strings without markup."""
        if all(isinstance(thing, str) for thing in objects):
            more.setdefault("markup", False)
        super().print(*objects, **more)

    def status(self, status: Any, **more: Any) -> Status:
        """As Console, strings without markup."""
        return _Status(Text(status) if isinstance(status, str) else status, console=self, **more)


console = _Console()


def _expected() -> tuple[type[Exception], ...]:
    """Errors with a message for users. Imported when one came: not every command needs PyTorch."""
    from ftorch_bridge.checkpoints import TrainingError  # noqa: PLC0415
    from ftorch_bridge.column_file import ColumnFileError  # noqa: PLC0415
    from ftorch_bridge.dataset import DatasetError  # noqa: PLC0415
    from ftorch_bridge.envelope import EnvelopeError  # noqa: PLC0415
    from ftorch_bridge.generating import GenerateError  # noqa: PLC0415
    from ftorch_bridge.manifest import ExportError  # noqa: PLC0415
    from ftorch_bridge.measuring import BenchError  # noqa: PLC0415
    from ftorch_bridge.programs import ProgramError  # noqa: PLC0415
    from ftorch_bridge.stability import StabilityError  # noqa: PLC0415
    from ftorch_bridge.weights import WeightsError  # noqa: PLC0415

    return (
        BenchError,
        ColumnFileError,
        DatasetError,
        EnvelopeError,
        ExportError,
        GenerateError,
        ProgramError,
        StabilityError,
        TrainingError,
        WeightsError,
    )


@contextmanager
def one_line_errors(command: str) -> Iterator[None]:
    """Print an expected error as ``command: message`` and leave with exit code 1."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, _expected()) or type(error) is ValueError:
            print(f"{command}: {error}", file=sys.stderr)
        elif isinstance(error, OSError | ValueError):
            print(f"{command}: {type(error).__name__}: {error}", file=sys.stderr)
        else:
            raise
        raise SystemExit(1) from None
