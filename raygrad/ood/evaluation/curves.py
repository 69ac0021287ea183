"""ROC and precision-recall curves of some hundred points, for drawing."""

from dataclasses import dataclass

import numpy as np

from raygrad.ood.evaluation.pairs import Pair
from raygrad.ood.evaluation.ranking import Array, Ranking
from raygrad.table.definitions import IN, OUT

POINTS = 200


@dataclass(frozen=True)
class Curve:
    """What becomes of both sets at each of P thresholds, from the strictest to the most lenient.

    Attributes:
        usual: How many in-distribution rows there are.
        unusual: How many OOD rows there are.
        thresholds: The score from which on rows are flagged, shape (P,); the first flags none.
        lost: Share of in-distribution flagged, the false positive rate, shape (P,), from 0 to 1.
        caught: Share of OOD flagged, the true positive rate, shape (P,), from 0 to 1.
    """

    usual: int
    unusual: int
    thresholds: Array
    lost: Array
    caught: Array

    @property
    def precision_out(self) -> Array:
        """Share of OOD among the flagged rows, to be drawn over ``caught``; 1 where none is."""
        return _share(self.caught * self.unusual, self.lost * self.usual)

    @property
    def precision_in(self) -> Array:
        """Share of in-distribution among the rows kept, to be drawn over ``1 - lost``."""
        return _share((1 - self.lost) * self.usual, (1 - self.caught) * self.unusual)


def curve(in_distribution: Array, ood: Array, high: str = OUT, points: int = POINTS) -> Curve:
    """Thins the ROC curve: neighbours are about 1 / points apart or less, on both axes.

    All points are exact ones, those of thresholds that flag whole groups of ties.

    Args:
        in_distribution: The score of in-distribution rows, shape (N,).
        ood: The score of OOD rows, shape (M,).
        high: What high scores mean, ``in-distribution`` or ``out-of-distribution``.
        points: Steps on each axis; the curve has at most about twice as many.

    Raises:
        ValueError: If an array has another shape, or no rows.
    """
    ranking = Ranking.of([in_distribution, ood], high)
    pair = Pair(len(in_distribution), len(in_distribution), len(ranking.keys))
    kept = np.zeros(2, np.int64)
    step = -1  # so that the first group, and with it the end of both curves, is a point
    found = []
    for block in ranking.blocks():
        usual, unusual = pair.counts(block)
        below = np.stack([usual, unusual]).cumsum(1) + kept[:, None]
        before = below - [usual, unusual]
        steps = below[0] * points // pair.usual + below[1] * points // pair.unusual
        # A group that takes the curve over a step is a point with its neighbour below.
        chosen = np.flatnonzero(np.diff(steps, prepend=step))
        found.append((block.suspicions[chosen], before[:, chosen]))
        kept, step = below[:, -1], int(steps[-1])
    thresholds = np.concatenate([scores for scores, _ in found])[::-1]
    below = np.concatenate([counts for _, counts in found], axis=1)[:, ::-1]
    never = np.array([np.inf], thresholds.dtype)
    lost = (pair.usual - np.concatenate([[pair.usual], below[0]])) / pair.usual
    caught = (pair.unusual - np.concatenate([[pair.unusual], below[1]])) / pair.unusual
    thresholds = np.concatenate([never, thresholds])
    return Curve(pair.usual, pair.unusual, -thresholds if high == IN else thresholds, lost, caught)


def _share(part: Array, rest: Array) -> Array:
    whole = part + rest
    share: Array = np.ones_like(whole)
    np.divide(part, whole, out=share, where=whole > 0)
    return share
