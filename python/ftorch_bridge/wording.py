"""Words of messages: numbers of things, and of PyTorch's errors what one line can hold."""

from __future__ import annotations

import re

_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def count(number: int, what: str) -> str:
    """``1 output``, ``2 outputs``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def plain(error: object) -> str:
    """The words of an error without the codes by which they are coloured on a terminal."""
    return _TERMINAL_CODES.sub("", str(error))


def one_line(error: object, longest: int = 300) -> str:
    """The words of an error in one line of at most about ``longest`` characters, which ends with a whole word.

    Of TorchScript's, which come with the stack of the program that made the file, only what went wrong.
    """
    words = plain(error).strip()
    if "Traceback of TorchScript" in words:
        words = re.sub(r"^\w+(Error|Exception): ", "", words.splitlines()[-1])
    words = " ".join(words.split())
    return words if len(words) <= longest else f"{words[:longest].rpartition(' ')[0]} ..."
