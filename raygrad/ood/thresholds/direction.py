"""Which end of a score is unusual: the table says it, or given rows show it; it isn't guessed."""

from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
from scipy.stats import rankdata

from raygrad.errors import TableError
from raygrad.ood.evaluation.delong import interval
from raygrad.ood.rows import Rows
from raygrad.ood.thresholds.file import Auroc, Direction
from raygrad.ood.thresholds.origin import is_wrong
from raygrad.table.definitions import IN, OUT

Array = np.ndarray[Any, Any]
High = Literal["in-distribution", "out-of-distribution"]


def delong(usual: Array, unusual: Array) -> tuple[float, float]:
    """Area under the ROC curve and its variance (DeLong et al. 1988; Sun & Xu 2014).

    Args:
        usual: Scores of rows to keep, shape (m,).
        unusual: Scores of rows to flag, which are to be higher, shape (n,).

    Returns:
        The area, ties counting half, and the variance of this estimate.
    """
    m, n = len(usual), len(unusual)
    ranks = rankdata(np.concatenate([unusual, usual]))
    above = (ranks[:n] - rankdata(unusual)) / m
    below = 1 - (ranks[n:] - rankdata(usual)) / n
    variance = (above.var(ddof=1) / n if n > 1 else 0.0) + (below.var(ddof=1) / m if m > 1 else 0.0)
    return float(above.mean()), float(variance)


def auroc(value: float, variance: float, usual: int, unusual: int) -> Auroc:
    """With its 95 % interval, see :func:`raygrad.ood.evaluation.delong.interval`."""
    return Auroc(value=value, interval=interval(value, variance, usual, unusual))


def direction_of(
    rows: Rows, score: str, ood: Sequence[Rows] = (), label: str | None = None
) -> Direction:
    """The direction that the table states; else the one in which given rows are told apart.

    Args:
        rows: In-distribution rows.
        score: The column.
        ood: Unusual rows.
        label: A column of right classes, where wrong predictions among the rows are the unusual.

    Raises:
        TableError: If the table states none and there are no such rows, or if they don't tell.
    """
    stated = cast("High | None", rows.scores[score].high)
    usual, unusual, known_from = _told_apart(rows, score, ood, label)
    if stated is None and known_from == "table":
        raise TableError(
            f"{rows.uri} doesn't say which end of {score} is unusual; give --ood TABLE with "
            "unusual rows, or --errors where labels are, to find out"
        )
    if known_from == "table":
        assert stated is not None
        return Direction(high=stated, known_from="table")
    area, variance = delong(usual, unusual)
    high = stated or cast("High", OUT if area > 0.5 else IN)
    area = area if high == OUT else 1 - area
    found = auroc(area, variance, len(usual), len(unusual))
    if stated is None and found.interval[0] <= 0.5:
        low, top = found.interval
        raise TableError(
            f"{score}: the given rows don't show which end is unusual: AUROC {found.value:.3f} "
            f"with high values {high}, 95 % from {low:.3f} to {top:.3f}; give more rows, or use "
            "another score"
        )
    return Direction(high=high, known_from="table" if stated else known_from, auroc=found)


def _told_apart(
    rows: Rows, score: str, ood: Sequence[Rows], label: str | None
) -> tuple[Array, Array, Literal["table", "ood", "errors"]]:
    """Finite scores of rows that are usual and of those that aren't, as far as they are given."""
    if not ood and label is None:
        return np.zeros(0), np.zeros(0), "table"
    usual = rows.columns([score])[score]
    if ood:
        unusual = np.concatenate([other.columns([score])[score] for other in ood])
        known_from: Literal["ood", "errors"] = "ood"
    else:
        assert label is not None
        labelled, wrong = is_wrong(rows, label)
        usual, unusual = usual[labelled & ~wrong], usual[wrong]
        known_from = "errors"
    usual, unusual = usual[np.isfinite(usual)], unusual[np.isfinite(unusual)]
    if not len(usual) or not len(unusual):
        raise TableError(f"{score}: there are no finite scores of rows that are to be told apart")
    return usual, unusual, known_from
