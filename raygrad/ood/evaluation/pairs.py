"""Which two sets of rows a measure tells apart: in-distribution and OOD, or right and wrong."""

from collections.abc import Iterator

import numpy as np

from raygrad.ood.evaluation.ranking import ROWS_AT_ONCE, Array, Block

NEITHER, USUAL, UNUSUAL = 0, 1, 2


class Pair:
    """The in-distribution rows and those of one OOD set, among the rows of a ranking.

    Attributes:
        usual: How many rows are in-distribution; they are the ranking's first.
        unusual: How many are OOD.
        rows: How many places there are for the pair's own rows, in the order of the ranking.

    Args:
        inside: How many in-distribution rows the ranking has.
        first: The first OOD row.
        last: The one after the last.
    """

    def __init__(self, inside: int, first: int, last: int) -> None:
        self.inside, self.first, self.last = inside, first, last
        self.usual, self.unusual = inside, last - first
        self.rows = inside + last - first

    def kinds(self, rows: Array) -> Array:
        """The set of each row, int8: ``NEITHER``, ``USUAL`` or ``UNUSUAL``."""
        outside = (rows >= self.first) & (rows < self.last)
        return (rows < self.inside) * np.int8(USUAL) + outside * np.int8(UNUSUAL)

    def place(self, rows: Array) -> Array:
        """The places of rows that are in one of the sets."""
        return np.where(rows < self.inside, rows, rows - (self.first - self.inside))

    def kinds_at(self, first: int, last: int) -> Array:
        """The sets of the rows at such places."""
        return np.where(np.arange(first, last) < self.inside, np.int8(USUAL), np.int8(UNUSUAL))

    def counts(self, block: Block) -> tuple[Array, Array]:
        """Usual and unusual rows of each group of ties, int64, shape (G,)."""
        return (
            block.count(lambda rows: self.kinds(rows) == USUAL),
            block.count(lambda rows: self.kinds(rows) == UNUSUAL),
        )


class RightAndWrong(Pair):
    """The in-distribution rows whose predictions are right, and those where they are wrong.

    Args:
        wrong: uint8, for each in-distribution row 0 for right, 1 for wrong, 2 for no label.
    """

    def __init__(self, wrong: Array) -> None:
        super().__init__(len(wrong), len(wrong), len(wrong))
        self._kinds = np.array([USUAL, UNUSUAL, NEITHER], np.int8)[wrong]
        self.usual = int((wrong == 0).sum())
        self.unusual = int((wrong == 1).sum())

    def kinds(self, rows: Array) -> Array:
        """The set of each row; OOD rows are in neither."""
        found = self._kinds[np.minimum(rows, self.inside - 1)]
        return np.where(rows < self.inside, found, np.int8(NEITHER))

    def kinds_at(self, first: int, last: int) -> Array:
        """The sets of the rows at such places."""
        return self._kinds[first:last]


class Placements:
    """For each of a pair's rows the share of the other set on its right side, ties half.

    Kept as an integer, the share times twice the other set's size: exact, at 4 bytes a row.

    Args:
        pair: The sets.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.values = np.zeros(pair.rows, np.uint32)

    def add(self, block: Block, of_usual: Array, of_unusual: Array) -> None:
        """Takes the placements of the next groups of ties, for rows of either set, shape (G,)."""
        for rows, groups in block.pieces():
            kinds = self.pair.kinds(rows)
            there = kinds != NEITHER
            found = np.where(kinds == USUAL, of_usual[groups], of_unusual[groups])
            self.values[self.pair.place(rows[there])] = found[there]

    def pieces(self, kind: int) -> Iterator[tuple[slice, Array]]:
        """Where one set's rows are, at most ``ROWS_AT_ONCE`` places at a time."""
        for first in range(0, self.pair.rows, ROWS_AT_ONCE):
            last = min(first + ROWS_AT_ONCE, self.pair.rows)
            yield slice(first, last), self.pair.kinds_at(first, last) == kind
