"""Random numbers by column: each column has a stream of its own, whatever else is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WORDS_PER_COUNT = 4  # of Philox 4x64


class ColumnStreams:
    """The streams of ``count`` columns from column ``first`` on, drawn side by side.

    A column's numbers are a function of ``seed``, ``stream`` and its number alone: Philox (Salmon et al. 2011) counts, and
    column i has the counts from i times ``words`` on. Each call takes the next numbers of every column.
    """

    def __init__(self, seed: int, first: int, count: int, *, words: int, stream: int = 0) -> None:
        """``words``, a multiple of four, is how many numbers a column may draw; ``stream`` tells independent uses apart."""
        if words % WORDS_PER_COUNT:
            raise ValueError(f"words: expected a multiple of {WORDS_PER_COUNT}, got {words}")
        key = np.array([seed % 2**64, stream], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key, counter=first * words // WORDS_PER_COUNT))
        self._words = generator.random((count, words))
        self._drawn = 0

    def _next(self, count: int) -> Array:
        words = self._words[:, self._drawn : self._drawn + count]
        self._drawn += count
        if self._drawn > self._words.shape[1]:
            raise ValueError(f"a column's stream: expected at most {self._words.shape[1]} numbers to be drawn")
        return words

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Array:
        """(column,), from ``low`` to ``high``."""
        return low + (high - low) * self._next(1)[:, 0]

    def chance(self, probability: float | Array) -> NDArray[np.bool_]:
        """(column,), true with ``probability``, a number or one for each column."""
        return self._next(1)[:, 0] < probability

    def normals(self, count: int) -> Array:
        """(column, count), Gaussian of unit variance (Box and Muller 1958)."""
        pairs = (count + 1) // 2
        words = self._next(2 * pairs)
        length, angle = np.sqrt(-2.0 * np.log1p(-words[:, :pairs])), 2.0 * np.pi * words[:, pairs:]
        return np.concatenate([length * np.cos(angle), length * np.sin(angle)], axis=1)[:, :count]

    def normal(self) -> Array:
        """(column,), Gaussian of unit variance."""
        return self.normals(1)[:, 0]

    def exponential(self) -> Array:
        """(column,), of unit mean."""
        return -np.log1p(-self._next(1)[:, 0])
