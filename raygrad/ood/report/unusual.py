"""The most unusual rows of a set by one score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raygrad.ood.report.sets import SampleSet
from raygrad.ood.rows import Score, quoted
from raygrad.table.definitions import IN


@dataclass(frozen=True)
class UnusualRow:
    """One row.

    Attributes:
        source: Its file.
        row: Its number there.
        prediction: The class.
        label: The true class; None without one.
        scores: Some scores by name.
    """

    source: str
    row: int
    prediction: int
    label: Any
    scores: dict[str, float]


def most_unusual(
    found: SampleSet, score: Score, shown: Sequence[str], label: str | None, count: int
) -> list[UnusualRow]:
    """The rows at the suspicious end of a score, the most unusual first; NaN is beyond all others.

    Args:
        found: The set.
        score: What they are ordered by; without a direction its high values are taken.
        shown: Scores that are given for each.
        label: Column of the true classes.
        count: How many rows at most; DuckDB keeps no more than these in memory.
    """
    order = "ASC" if score.high == IN else "DESC"
    column = quoted(score.name)
    truth = quoted(label) if label in found.rows.names else "NULL"
    picked = "".join(f", {quoted(name)}" for name in shown)
    rows = found.rows.sql(
        f"SELECT source, row, prediction, {truth}{picked} FROM selected "
        f"WHERE error_type IS NULL "
        f"ORDER BY isnan({column}) DESC, {column} {order}, source, row LIMIT {count}"
    ).fetchall()
    return [
        UnusualRow(source, row, prediction, true_class, dict(zip(shown, values, strict=True)))
        for source, row, prediction, true_class, *values in rows
    ]
