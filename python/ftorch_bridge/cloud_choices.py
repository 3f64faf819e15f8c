"""What RRTMG lets a user choose of clouds, by the words that programs, files and the Python interface have for it."""

from __future__ import annotations

from typing import Literal, get_args

Overlap = Literal["maximum-random", "random", "maximum", "analytic"]
IceOptics = Literal["fu", "streamer"]

OVERLAPS: tuple[str, ...] = get_args(Overlap)
ICE_OPTICS: tuple[str, ...] = get_args(IceOptics)
