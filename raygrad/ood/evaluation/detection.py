"""How well a score tells two sets of rows apart: AUROC, average precision, FPR at 95 % TPR."""

from dataclasses import dataclass

import numpy as np

from raygrad.ood.evaluation.delong import Difference, interval
from raygrad.ood.evaluation.pairs import Pair, Placements
from raygrad.ood.evaluation.ranking import Array, Block, Ranking
from raygrad.table.definitions import OUT

MEASURES: dict[str, tuple[str, bool]] = {
    "auroc": (
        "probability that a random OOD row scores as more suspicious than a random "
        "in-distribution row, ties half",
        True,
    ),
    "aupr_in": ("average precision where in-distribution rows are the positive class", True),
    "aupr_out": ("average precision where OOD rows are the positive class", True),
    "lost_at_95_caught": ("share of in-distribution lost at 95 % of OOD caught", False),
    "missed_at_95_kept": ("share of OOD missed at 95 % of in-distribution kept", False),
}
"""Each measure in words, and whether more is better."""


@dataclass(frozen=True)
class Detection:
    """How well a score tells usual rows (in-distribution) from unusual ones (OOD).

    Attributes:
        usual: How many rows are usual.
        unusual: How many are unusual.
        auroc: Area under the ROC curve, ties counted half.
        auroc_low: Lower end of its 95 % interval (DeLong, symmetric in the logit).
        auroc_high: Upper end.
        aupr_in: Average precision where usual rows are the positive class.
        aupr_out: Average precision where unusual rows are the positive class.
        lost_at_95_caught: Share of usual rows lost at 95 % of unusual rows caught.
        missed_at_95_kept: Share of unusual rows missed at 95 % of usual rows kept.
        difference: This AUROC less the baseline's; None without one, and for the baseline itself.
    """

    usual: int
    unusual: int
    auroc: float
    auroc_low: float
    auroc_high: float
    aupr_in: float
    aupr_out: float
    lost_at_95_caught: float
    missed_at_95_kept: float
    difference: Difference | None = None


class Sweep:
    """A threshold's way through a ranking, from the least suspicious rows to the most.

    Args:
        pair: The sets that are told apart; both have rows.
        placements: Where each row's placement is to be kept, for a paired test.
    """

    def __init__(self, pair: Pair, placements: Placements | None = None) -> None:
        self.pair, self.placements = pair, placements
        self._below = np.zeros(2, np.int64)
        self._ordered = 0
        self._misses = np.zeros((2, 2))
        self._precision = np.zeros(2)
        self._lost = self._missed = -1

    def add(self, block: Block, usual: Array, unusual: Array) -> None:
        """Takes the next groups of ties.

        Args:
            block: The groups.
            usual: How many usual rows each has, int64, shape (G,).
            unusual: How many unusual rows each has.
        """
        n, m = self.pair.usual, self.pair.unusual
        usual_to = self._below[0] + np.cumsum(usual)  # up to and with the group
        unusual_to = self._below[1] + np.cumsum(unusual)
        usual_from = n - usual_to + usual  # with the group and on
        unusual_from = m - unusual_to + unusual
        self._below = np.array([usual_to[-1], unusual_to[-1]])
        # Placements times twice the other set's size. Their complements are summed, since they are
        # small where AUROC is near 1: no digits cancel in the variance.
        of_usual, of_unusual = 2 * unusual_from - unusual, 2 * usual_to - usual
        self._ordered += int((unusual * of_unusual).sum())
        for side, (rows, placed, most) in enumerate(
            [(usual, of_usual, 2 * m), (unusual, of_unusual, 2 * n)]
        ):
            miss = (most - placed) / most
            self._misses[side] += (rows * miss).sum(), (rows * miss**2).sum()
        if self.placements is not None:
            self.placements.add(block, of_usual, of_unusual)
        self._precision += (
            (usual * (usual_to / np.maximum(usual_to + unusual_to, 1))).sum(),
            (unusual * (unusual_from / np.maximum(usual_from + unusual_from, 1))).sum(),
        )
        caught = np.flatnonzero(unusual_from >= _most_of(m))
        if len(caught):
            self._lost = int(usual_from[caught[-1]])
        kept = np.flatnonzero(usual_to >= _most_of(n))
        if self._missed < 0 and len(kept):
            self._missed = int(unusual_to[kept[0]])

    def result(self) -> Detection:
        """What was found, once all rows went by."""
        n, m = self.pair.usual, self.pair.unusual
        auroc = self._ordered / (2 * n * m)
        variance = sum(
            max(squares - total**2 / rows, 0) / (rows - 1) / rows if rows > 1 else 0.0
            for rows, (total, squares) in zip((n, m), self._misses.tolist(), strict=True)
        )
        low, high = interval(auroc, variance, n, m)
        inside, outside = self._precision.tolist()
        return Detection(
            n, m, auroc, low, high, inside / n, outside / m, self._lost / n, self._missed / m
        )


def detection(in_distribution: Array, ood: Array, high: str = OUT) -> Detection:
    """Measures a score on arrays.

    Args:
        in_distribution: The score of in-distribution rows, shape (N,).
        ood: The score of OOD rows, shape (M,).
        high: What high scores mean, ``in-distribution`` or ``out-of-distribution``.

    Raises:
        ValueError: If an array has another shape, or no rows.
    """
    ranking = Ranking.of([in_distribution, ood], high)
    pair = Pair(len(in_distribution), len(in_distribution), len(ranking.keys))
    sweep = Sweep(pair)
    for block in ranking.blocks():
        sweep.add(block, *pair.counts(block))
    return sweep.result()


def _most_of(rows: int) -> int:
    """95 % of the rows, rounded up; in integers, since 0.95 * 20 may miss 19."""
    return -(-95 * rows // 100)
