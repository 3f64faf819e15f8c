"""libradml's operators of radiative transfer, ``torch.ops.radml``: what the networks run on a CPU."""

from __future__ import annotations

import functools

import torch


@functools.cache
def operators_available() -> bool:
    """Whether libradml is here; loads it."""
    try:
        import ftorch_bridge._radml  # noqa: F401, PLC0415 - registers the operators
    except ImportError:
        return False
    return hasattr(torch.ops.radml, "longwave_transfer")
