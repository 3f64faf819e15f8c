"""Weights of networks as safetensors files, with the network's configuration and notes in the file's metadata."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from ftorch_bridge.files import whole_file


class WeightsError(ValueError):
    """Weights that cannot be used: the message names the file, what was expected and what came."""


def look_in_current_folder() -> None:
    """Let Python find modules in the current folder: an installed command, unlike ``python file.py``, does not look there."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)


def import_class(name: str) -> type[nn.Module]:
    """The class ``package.module:Class``, of an installed package or of a file in the current folder.

    Raises ``ImportError``, ``AttributeError`` or ``ValueError``.
    """
    module_name, _, class_name = name.partition(":")
    look_in_current_folder()
    return getattr(importlib.import_module(module_name), class_name)


def save_weights(network: nn.Module, path: Path, notes: dict[str, str] | None = None) -> None:
    """Write weights, configuration (the network's ``config``) and ``notes``."""
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with whole_file(path) as temporary:
        safetensors.torch.save_file(state, temporary, {"config": json.dumps(network.config), **(notes or {})})
        temporary.chmod(0o644)  # safetensors makes files that only their owner may read


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, int] | None, dict[str, str]]:
    """State dictionary, configuration (``None`` where the file has none) and notes of a safetensors file."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        with safetensors.safe_open(path, "pt") as file:
            notes = dict(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (the handle is not a mapping)
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file: {error}; is it empty or cut off? Copy it again") from error
    return state, json.loads(notes.pop("config", "null")), notes


def load_network(path: Path) -> tuple[nn.Module, dict[str, str]]:
    """The network stored by :func:`save_weights`, in evaluation mode, and the notes beside it.

    Its class is that of the note ``network`` (``package.module:Class``), or :class:`ftorch_bridge.networks.ResCNN`.
    """
    state, config, notes = read_weights(path)
    if config is None:
        raise WeightsError(f"{path}: expected the network's configuration in its metadata, found none")
    kind = notes.get("network", "ftorch_bridge.networks:ResCNN")
    try:
        network = import_class(kind).from_config(config)
        network.load_state_dict(state)
    except (ImportError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: no {kind} can be made of it: {error}") from error
    return network.eval(), notes
