"""Checkpoints of trainings, and being told to stop by Ctrl-C or a batch system where one can be written."""

from __future__ import annotations

import json
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from ftorch_bridge.files import expect_file, whole_file


class TrainingError(ValueError):
    """What a training cannot use, or why it ended: the message names the file, what was expected and what came."""


def begin(output: Path, resume: bool) -> Path:
    """The checkpoint of a training that will write ``output``.

    Raises :class:`TrainingError` where the training would overwrite what another has made, or could not write in the end, and
    what :func:`ftorch_bridge.files.expect_file` raises.
    """
    checkpoint = output.with_suffix(".checkpoint.pt")
    if resume and output.exists() and not checkpoint.exists():
        raise TrainingError(
            f"{output}: its training has ended, there is no checkpoint to go on from: --resume would begin anew"
        )
    if not resume and checkpoint.exists():
        raise TrainingError(f"{checkpoint}: a training was cut off here: go on with --resume, or remove it to begin anew")
    expect_file(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{output}: cannot be written: {error.strerror}") from error
    if not os.access(output.parent, os.W_OK):
        raise TrainingError(f"{output}: cannot be written: no permission to write into {output.parent}")
    return checkpoint


def save(path: Path, settings: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write a checkpoint of a training with ``settings``, which must be such that JSON holds them."""
    with whole_file(path) as temporary:
        torch.save({**state, "settings": json.dumps(settings)}, temporary)


def restore(path: Path, settings: Mapping[str, Any], device: torch.device | str = "cpu") -> dict[str, Any]:
    """The state that :func:`save` wrote. Raises :class:`TrainingError`, which names the settings that are others."""
    try:
        state = torch.load(path, weights_only=True, map_location=device)
        there = json.loads(state.pop("settings"))
    except (OSError, EOFError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, pickle.UnpicklingError) as error:
        words = " ".join(str(error).split())[:200]
        raise TrainingError(f"{path}: is no whole checkpoint of this version; remove it to begin anew: {words}") from error
    expected, got = _flat(json.loads(json.dumps(settings))), _flat(there)
    names = [name for name in expected | got if expected.get(name) != got.get(name)]
    if names:
        apart = "; ".join(f"{name}: expected {expected.get(name, 'none')}, got {got.get(name, 'none')}" for name in names)
        raise TrainingError(f"{path}: is of another training: {apart}")
    return state


def _flat(settings: Any, name: str = "") -> dict[str, Any]:
    """Settings in settings by names with points between."""
    if not isinstance(settings, dict):
        return {name: settings}
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= _flat(value, f"{name}.{key}" if name else key)
    return found


def stopped(path: Path, by: str, step: int, steps: int) -> TrainingError:
    """What a training raises that a signal has ended, with its checkpoint written."""
    return TrainingError(f"{path}: stopped by {by} after step {step} of {steps}: --resume goes on from here")


@contextmanager
def told_to_stop(wanted: bool = True) -> Iterator[Callable[[], str | None]]:
    """A function that names the signal by which somebody asked to stop, SIGINT or SIGTERM; none before that.

    Within the context the first signal waits to be asked about, a second one acts as if the context was not there. Where that
    is not ``wanted``, and in another thread than the main one, signals act as ever.
    """
    received: list[str] = []
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # What is ignored, Ctrl-C under nohup for example, stays so.
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)
        put_back()

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: received[0] if received else None
    finally:
        put_back()
