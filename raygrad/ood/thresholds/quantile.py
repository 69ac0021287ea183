"""A threshold on one score: the order statistic of held-out in-distribution rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from raygrad.errors import TableError
from raygrad.ood.evaluation.sets import refuse_shared
from raygrad.ood.rows import Rows
from raygrad.ood.thresholds.direction import direction_of
from raygrad.ood.thresholds.file import Cut, Quantile
from raygrad.ood.thresholds.origin import (
    identity_of,
    origin_of,
    refuse_other_identity,
    refuse_unknown_score,
)
from raygrad.ood.thresholds.rank import kept_share, rank_of, refuse_too_few, rows_needed
from raygrad.table.definitions import IN, OUT

Array = np.ndarray[Any, Any]


def fit_quantile(
    in_distribution: Rows,
    score: str,
    keep: float = 0.95,
    *,
    by_class: bool = False,
    ood: Sequence[Rows] = (),
    label: str | None = None,
) -> Quantile:
    """Fits a threshold that keeps a share of in-distribution rows.

    Scores are held in memory as float32, 4 bytes a row (and 8 for the prediction with
    ``by_class``), twice while they are put together.

    Args:
        in_distribution: Rows that the model wasn't trained on, from where later rows will be.
        score: A column of scores.
        keep: Which share is to be kept.
        by_class: A threshold for each predicted class; classes with too few rows get that of all.
        ood: Unusual rows; they give the direction if the table has none, and are counted.
        label: A column of right classes; wrong predictions then serve as the unusual rows.

    Raises:
        TableError: If rows are too few, the direction isn't known, or the threshold isn't finite.
        IdentityError: If the rows of ``ood`` are of another model, loss or input.
    """
    refuse_unknown_score(in_distribution, score)
    identity = identity_of(in_distribution.footer)
    for other in ood:
        refuse_unknown_score(other, score)
        refuse_other_identity(identity, other.footer, (in_distribution.uri, other.uri))
        refuse_shared([("the in-distribution rows", in_distribution), ("those of --ood", other)])
    columns = in_distribution.columns([score, *(["prediction"] if by_class else [])])
    values = columns[score]
    refuse_too_few(len(values), keep, str(in_distribution))
    direction = direction_of(in_distribution, score, ood, label)
    cut = cut_of(values, keep, direction.high, f"{in_distribution}: {score}")
    cuts: dict[int, Cut] | None = None
    too_few: dict[int, int] = {}
    if by_class:
        cuts = {}
        for number, found in of_each_class(values, columns["prediction"]):
            if len(found) < rows_needed(keep):
                too_few[number] = len(found)
            else:
                what = f"{in_distribution}: {score} of class {number}"
                cuts[number] = cut_of(found, keep, direction.high, what)
    return Quantile(
        meaning=_meaning(score, direction.high, cut, keep, by_class),
        keep=keep,
        in_distribution=origin_of(in_distribution),
        ood=tuple(origin_of(o, _flagged(o, score, direction.high, cut, cuts)) for o in ood),
        score=score,
        definition=in_distribution.scores[score].definition,
        direction=direction,
        all_classes=cut,
        by_class=cuts,
        too_few=too_few,
        identity=identity,
    )


def unusualness(values: Array, high: str) -> Array:
    """Scores turned so that the unusual end is up; NaN is the most unusual value, as infinity is.

    A row whose score can't be computed is nothing that a model should be trusted on, and as long as
    NaN has one place in the order, on both sides, the guarantee holds.
    """
    turned = values if high == OUT else -values
    return np.where(np.isnan(turned), np.float32(np.inf), turned)


def cut_of(values: Array, keep: float, high: str, what: str) -> Cut:
    """The order statistic of some scores.

    Args:
        values: Scores, shape (rows,).
        keep: Which share is to be kept.
        high: What high scores mean.
        what: Whose scores, for the message.

    Raises:
        TableError: If it is NaN or infinite.
    """
    turned = unusualness(values, high)
    rank = rank_of(len(turned), keep)
    found = np.partition(turned, rank - 1)[rank - 1]
    non_finite = int(np.count_nonzero(~np.isfinite(values)))
    if not np.isfinite(found):
        raise TableError(
            f"{what}: {non_finite:,} of {len(values):,} scores are NaN or infinite, and so would "
            "be the threshold; use another score, or a smaller --keep"
        )
    return Cut(
        threshold=float(found) if high == OUT else -float(found),
        rows=len(turned),
        rank=rank,
        ties=int(np.count_nonzero(turned == found)) - 1,
        non_finite=non_finite,
        kept_share=kept_share(len(turned), rank),
    )


def of_each_class(values: Array, classes: Array) -> list[tuple[int, Array]]:
    """The scores of each class, by one sort; classes in ascending order."""
    order = np.argsort(classes, kind="stable")
    numbers, first = np.unique(classes[order], return_index=True)
    parts = np.split(values[order], first[1:])
    return [(int(number), part) for number, part in zip(numbers, parts, strict=True)]


def _flagged(
    rows: Rows, score: str, high: str, cut: Cut, by_class: dict[int, Cut] | None
) -> float | None:
    """Which share of rows a threshold flags; None if there are none with scores."""
    columns = rows.columns([score, *(["prediction"] if by_class else [])])
    turned = unusualness(columns[score], high)
    if not len(turned):
        return None
    sign = 1 if high == OUT else -1
    limits = np.full(len(turned), sign * cut.threshold)
    for number, own in (by_class or {}).items():
        limits[columns["prediction"] == number] = sign * own.threshold
    return float(np.mean(turned > limits))


def _meaning(score: str, high: str, cut: Cut, keep: float, by_class: bool) -> str:
    side = "above" if high == OUT else "below"
    each = ", or that of its predicted class," if by_class else ""
    low, top = cut.kept_share
    return (
        f"A row is flagged if its {score} is {side} {cut.threshold:.9g}{each} or NaN. At least "
        f"{keep:.4g} of new {IN} rows are kept on average over draws of the {cut.rows:,} rows it "
        f"is from; of this draw, {low:.4f} to {top:.4f} with 95 % confidence."
    )
