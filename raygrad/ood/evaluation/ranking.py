"""One exact sort of a score, and one pass over it in groups of ties.

A row's key is a 64-bit integer: the score's bits, made to sort as the scores do, above the row's
number. So one sort in place gives order and rows at 8 bytes a row, 2.3 times as fast as
``numpy.argsort`` (10^7 rows: 3.0 s against 6.8 s), and ties stand side by side.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raygrad.table.definitions import IN, OUT

Array = np.ndarray[Any, Any]
Mask = Callable[[Array], Array]

ROWS_AT_ONCE = 1 << 19
LOW, BITS = np.uint64(0xFFFFFFFF), np.uint64(32)
SIGN = np.uint32(0x80000000)
MOST_ROWS = 1 << 31


class Ranking:
    """Rows of several sets in one order, the least suspicious first.

    NaN is the most suspicious of all, tied with the infinity of that end: a threshold must not let
    pass what couldn't be computed. Negative and positive zero are tied.

    Args:
        sizes: How many rows each set has.
        high: What high scores mean, ``in-distribution`` or ``out-of-distribution``.

    Raises:
        ValueError: For 2^31 rows or more, or another word than those two.
    """

    def __init__(self, sizes: Sequence[int], high: str = OUT) -> None:
        if sum(sizes) >= MOST_ROWS:
            raise ValueError(
                f"{sum(sizes):,} rows; at most {MOST_ROWS - 1:,} can be ranked at once"
            )
        if high not in (IN, OUT):
            raise ValueError(f'high is "{high}"; expected "{IN}" or "{OUT}"')
        self.offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.high = high
        self.keys = np.empty(self.offsets[-1], np.uint64)
        self._filled = 0
        self._levels: Array | None = None

    @classmethod
    def of(cls, sets: Sequence[Array], high: str = OUT) -> "Ranking":
        """Ranks whole arrays of any real type; float64 stays exact.

        Raises:
            ValueError: If an array isn't of shape (N,), or has no rows.
        """
        sets = [np.asarray(scores) for scores in sets]
        for scores in sets:
            if scores.ndim != 1 or not len(scores):
                raise ValueError(f"scores have shape {scores.shape}; expected (N,), N at least 1")
        ranking = cls([len(scores) for scores in sets], high)
        if all(np.can_cast(scores.dtype, np.float32) for scores in sets):
            for scores in sets:
                ranking.add(scores)
        else:
            wide = _suspicion(np.concatenate(sets).astype(np.float64), high)
            ranking._levels, codes = np.unique(wide, return_inverse=True)
            ranking._put(codes.astype(np.uint32))
        ranking.sort()
        return ranking

    def add(self, scores: Array) -> None:
        """Appends the next rows' scores, float32, set after set."""
        bits = _suspicion(scores.astype(np.float32), self.high).view(np.uint32)
        self._put(np.where(bits & SIGN, ~bits, bits | SIGN))

    def sort(self) -> None:
        """Sorts all rows, once they are there."""
        if self._filled != len(self.keys):
            raise ValueError(f"{self._filled:,} rows were added, {len(self.keys):,} announced")
        self.keys.sort()

    def blocks(self) -> Iterator["Block"]:
        """Whole groups of ties, about ``ROWS_AT_ONCE`` rows; a larger group comes alone."""
        first = 0
        while first < len(self.keys):
            last = min(first + ROWS_AT_ONCE, len(self.keys))
            if last < len(self.keys):
                tie = self.keys[last] >> BITS << BITS
                last = int(np.searchsorted(self.keys, tie))
                if last <= first:
                    last = int(np.searchsorted(self.keys, tie | LOW, side="right"))
            yield Block(self, first, last)
            first = last

    def suspicions(self, bits: Array) -> Array:
        """The scores that keys stand for; negated where high scores mean in-distribution."""
        if self._levels is not None:
            return self._levels[bits]
        return np.where(bits & SIGN, bits & ~SIGN, ~bits).astype(np.uint32).view(np.float32)

    def _put(self, bits: Array) -> None:
        last = self._filled + len(bits)
        place = self.keys[self._filled : last]
        place[:] = bits
        place <<= BITS
        place |= np.arange(self._filled, last, dtype=np.uint64)
        self._filled = last


@dataclass(frozen=True)
class Block:
    """Rows ``first`` to ``last`` of a ranking: G groups of ties, none of them cut."""

    ranking: Ranking
    first: int
    last: int

    @cached_property
    def starts(self) -> Array:
        """Where each group starts in the block, shape (G,)."""
        if self.last - self.first > ROWS_AT_ONCE:
            return np.zeros(1, np.int64)
        bits = self.ranking.keys[self.first : self.last] >> BITS
        return np.flatnonzero(np.concatenate([[True], bits[1:] != bits[:-1]]))

    @cached_property
    def suspicions(self) -> Array:
        """Each group's score, shape (G,); see :meth:`Ranking.suspicions`."""
        bits = self.ranking.keys[self.first + self.starts] >> BITS
        return self.ranking.suspicions(bits.astype(np.uint32))

    def count(self, mask: Mask) -> Array:
        """How many rows of each group are picked, shape (G,), int64."""
        if len(self.starts) > 1:
            return np.add.reduceat(mask(self._rows), self.starts, dtype=np.int64)
        return np.array([sum(int(mask(rows).sum()) for rows, _ in self.pieces())], np.int64)

    def pieces(self) -> Iterator[tuple[Array, Array]]:
        """Row numbers, and the group that each is in: at most ``ROWS_AT_ONCE`` at a time."""
        if len(self.starts) > 1:
            sizes = np.diff(self.starts, append=self.last - self.first)
            yield self._rows, np.repeat(np.arange(len(sizes)), sizes)
            return
        for first in range(self.first, self.last, ROWS_AT_ONCE):
            rows = self._numbers(first, min(first + ROWS_AT_ONCE, self.last))
            yield rows, np.zeros(len(rows), np.int64)

    @cached_property
    def _rows(self) -> Array:
        return self._numbers(self.first, self.last)

    def _numbers(self, first: int, last: int) -> Array:
        return (self.ranking.keys[first:last] & LOW).astype(np.int64)


def _suspicion(scores: Array, high: str) -> Array:
    """Turns a copy of scores so that high means suspicious; NaN becomes infinite, -0 becomes 0."""
    turned = -scores if high == IN else scores
    turned = np.where(np.isnan(turned), np.inf, turned).astype(scores.dtype)
    turned += 0.0
    return turned
