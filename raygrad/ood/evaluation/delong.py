"""Intervals and tests for AUROC (DeLong et al. 1988), from midranks (Sun and Xu 2014).

A row's placement is the share of the other set on its right side, ties half: its midrank among all
rows less that among its own set. The AUROC is the placements' mean, and its variance that of two
means: ``var(placements of unusual rows) / M + var(placements of usual rows) / N``.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from raygrad.ood.evaluation.pairs import UNUSUAL, USUAL, Placements
from raygrad.ood.evaluation.ranking import Array

LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


@dataclass(frozen=True)
class Difference:
    """A score's AUROC less another's, on the same rows.

    Attributes:
        to: The other score.
        value: The difference.
        low: Lower end of its 95 % interval, normal; NaN where the rows can't tell.
        high: Upper end.
        p: Two-sided p-value of no difference, for this pair alone; NaN where the rows can't tell.
    """

    to: str
    value: float
    low: float
    high: float
    p: float


def interval(auroc: float, variance: float, usual: int, unusual: int) -> tuple[float, float]:
    """The 95 % interval of an AUROC, symmetric in its logit, so that it stays within 0 and 1.

    Of the intervals with DeLong's variance the one of the logit holds its level best for large
    AUROCs and small sets (Qin and Hotilovac 2008; Kottas et al. 2014). Where the variance is 0, as
    for AUROC 1, or a set has a single row, it isn't defined. Then the interval rests on k disjoint
    pairs of rows, k the size of the smaller set: all came out alike, which happens in 2.5 % of
    cases if each does so with probability ``0.025 ** (1 / k)`` (Clopper and Pearson 1934).

    Args:
        auroc: The AUROC.
        variance: DeLong's.
        usual: Rows of one set.
        unusual: Rows of the other.
    """
    smaller = min(usual, unusual)
    if smaller < 2 or not variance > 0 or not 0 < auroc < 1:
        alike = ((1 - LEVEL) / 2) ** (1 / smaller)
        return alike * auroc, alike * auroc + (1 - alike)
    middle = math.log(auroc / (1 - auroc))
    width = Z * math.sqrt(variance) / (auroc * (1 - auroc))
    return _expit(middle - width), _expit(middle + width)


def _expit(logit: float) -> float:
    """The inverse of the logit, without overflow."""
    return (1 + math.tanh(logit / 2)) / 2


def difference(to: str, ours: Placements, theirs: Placements) -> Difference:
    """Compares two scores on the same rows by the paired DeLong test.

    The variance is that of the differences of placements, which equals
    ``var(A) + var(B) - 2 cov(A, B)`` and keeps its digits where two scores are nearly alike.

    Args:
        to: The name of the other score.
        ours: A score's placements.
        theirs: The other's, of the same pair of sets.
    """
    pair = ours.pair
    value, usual = _moments(ours, theirs, USUAL, pair.usual, pair.unusual)
    _, unusual = _moments(ours, theirs, UNUSUAL, pair.unusual, pair.usual)
    if value == 0 == usual == unusual:  # the same order
        return Difference(to, 0.0, 0.0, 0.0, 1.0)
    error = math.sqrt(usual + unusual)
    if not error > 0:
        return Difference(to, value, math.nan, math.nan, math.nan)
    p = math.erfc(abs(value) / error / math.sqrt(2))
    return Difference(to, value, value - Z * error, value + Z * error, p)


def _moments(
    ours: Placements, theirs: Placements, kind: int, rows: int, others: int
) -> tuple[float, float]:
    """Mean of one set's differences of placements, and the variance of that mean."""

    def differences() -> Iterator[Array]:
        for place, there in ours.pieces(kind):
            yield ours.values[place][there].astype(np.int64) - theirs.values[place][there]

    mean = sum(int(found.sum()) for found in differences()) / rows
    squares = sum(float(((found - mean) ** 2).sum()) for found in differences())
    scale = 2 * others
    if rows < 2:
        return mean / scale, math.nan
    return mean / scale, squares / (rows - 1) / rows / scale**2
