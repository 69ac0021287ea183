"""How well a score tells wrong predictions from right ones."""

from dataclasses import dataclass

import numpy as np

from raygrad.ood.evaluation.delong import Difference
from raygrad.ood.evaluation.detection import Sweep
from raygrad.ood.evaluation.pairs import RightAndWrong
from raygrad.ood.evaluation.ranking import ROWS_AT_ONCE, Array, Ranking
from raygrad.table.definitions import OUT

MEASURES_OF_WRONG: dict[str, tuple[str, bool]] = {
    "auroc": (
        "probability that a random wrong prediction scores as more suspicious than a random right "
        "one, ties half",
        True,
    ),
    "aurc": (
        "area under the risk-coverage curve: error rate among the k least suspicious rows, "
        "averaged over all k",
        False,
    ),
    "excess_aurc": ("AURC less that of the best order", False),
}
"""Each measure in words, and whether more is better."""


@dataclass(frozen=True)
class Misclassification:
    """How well a score orders predictions, those to be trusted first.

    Attributes:
        right: How many predictions are right.
        wrong: How many are wrong.
        auroc: Probability that a random wrong one scores as more suspicious than a random right
            one, ties half.
        auroc_low: Lower end of its 95 % interval.
        auroc_high: Upper end.
        aurc: Area under the risk-coverage curve (Geifman and El-Yaniv 2017): the error rate among
            the k least suspicious rows, averaged over all k. Tied rows are taken in random order;
            this is the expectation, exactly. A constant score gives the error rate.
        excess_aurc: What it is above the best order's, in which all wrong ones come last (Geifman
            et al. 2019).
        difference: This AUROC less the baseline's; None without one, and for the baseline itself.
    """

    right: int
    wrong: int
    auroc: float
    auroc_low: float
    auroc_high: float
    aurc: float
    excess_aurc: float
    difference: Difference | None = None


class RiskCoverage:
    """Sums up the risk-coverage curve, from the least suspicious rows to the most."""

    def __init__(self) -> None:
        self._right, self._wrong, self._sum = 0, 0, 0.0

    def add(self, right: Array, wrong: Array) -> None:
        """Takes the right and wrong rows of the next groups of ties, int64, shape (G,).

        Of a group of g rows with e wrong ones the first j hold e j / g wrong ones on average. So
        after c rows with w wrong ones the group adds the sum over j of (w + j e / g) / (c + j),
        which is e + (w - c e / g) (H(c + g) - H(c)), H being harmonic numbers.
        """
        size = right + wrong
        there = size > 0
        size, wrong = size[there], wrong[there]
        if not len(size):
            return
        first = self._right + self._wrong
        before = first + np.cumsum(size) - size
        wrong_before = self._wrong + np.cumsum(wrong) - wrong
        sums = _harmonic(first, before - first, int(size.sum()))
        self._sum += float((wrong + (wrong_before - before * (wrong / size)) * sums).sum())
        self._wrong += int(wrong.sum())
        self._right += int(size.sum() - wrong.sum())

    def result(self) -> tuple[float, float]:
        """AURC and excess AURC."""
        rows = self._right + self._wrong
        best = float(self._wrong)
        if self._right and self._wrong:
            best -= self._right * float(
                _harmonic(self._right, np.zeros(1, np.int64), self._wrong)[0]
            )
        return self._sum / rows, max((self._sum - best) / rows, 0.0)


def misclassification(scores: Array, wrong: Array, high: str = OUT) -> Misclassification:
    """Measures a score on arrays.

    Args:
        scores: The score, shape (N,).
        wrong: Whether the prediction is wrong, bool, shape (N,).
        high: What high scores mean; out-of-distribution ones are the suspicious ones.

    Raises:
        ValueError: If there are no right predictions, or no wrong ones.
    """
    pair = RightAndWrong(np.asarray(wrong, np.uint8))
    if not pair.usual or not pair.unusual:
        raise ValueError(f"{pair.usual:,} right and {pair.unusual:,} wrong rows; expected both")
    ranking = Ranking.of([scores], high)
    sweep, risk = Sweep(pair), RiskCoverage()
    for block in ranking.blocks():
        right, found = pair.counts(block)
        sweep.add(block, right, found)
        risk.add(right, found)
    return finished(sweep, risk)


def finished(
    sweep: Sweep, risk: RiskCoverage, difference: Difference | None = None
) -> Misclassification:
    """What both found, once all rows went by."""
    found = sweep.result()
    return Misclassification(
        found.usual,
        found.unusual,
        found.auroc,
        found.auroc_low,
        found.auroc_high,
        *risk.result(),
        difference,
    )


def _harmonic(first: int, starts: Array, size: int) -> Array:
    """The sums of 1 / k over k = first + 1 to first + size, in pieces that start at ``starts``."""
    if len(starts) > 1:
        return np.add.reduceat(1 / np.arange(first + 1, first + size + 1), starts)
    last = first + size + 1
    return np.array(
        [
            sum(
                float((1 / np.arange(at, min(at + ROWS_AT_ONCE, last))).sum())
                for at in range(first + 1, last, ROWS_AT_ONCE)
            )
        ]
    )
