"""How every score is distributed in every set: one pass over all rows, one small array a set."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raygrad.ood.report.scales import Scale, scale_for
from raygrad.ood.report.sets import Role, SampleSet
from raygrad.ood.rows import Rows, Score
from raygrad.table.definitions import IN

BINS = 48

KEEP = 0.95
"""The share of in-distribution rows on the usual side of the threshold that is drawn."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Histogram:
    """One score's distributions.

    Attributes:
        score: Whose.
        scale: The axis, which has ``BINS`` bars from end to end; the outermost ones hold what lies
            beyond.
        shares: For each set the share of its rows in each bar, shape (BINS,).
        missing: For each set how many scores are NaN, which no bar can show.
        threshold: Keeps ``KEEP`` of the in-distribution rows; None without such rows or without
            a known direction.
    """

    score: Score
    scale: Scale
    shares: list[Array]
    missing: list[int]
    threshold: float | None


def histograms(
    sets: Sequence[SampleSet],
    scores: Sequence[Score],
    samples: Sequence[Mapping[str, Array]],
) -> list[Histogram]:
    """Counts all rows exactly; only the ends of the axes come from the samples.

    Args:
        sets: The sets.
        scores: The columns.
        samples: For each set its sample of these columns.
    """
    scales = {}
    for score in scores:
        values = np.concatenate([sample[score.name] for sample in samples])
        scales[score.name] = scale_for(values[np.isfinite(values)])
    counted = [_counts(found.rows, scales) for found in sets]
    reference = next((found.rows for found in sets if found.role is Role.IN), None)
    return [
        Histogram(
            score,
            scales[score.name],
            [_shares(counts[score.name][:BINS]) for counts in counted],
            [int(counts[score.name][BINS]) for counts in counted],
            None if reference is None else threshold(reference, score),
        )
        for score in scores
    ]


def threshold(rows: Rows, score: Score) -> float | None:
    """The score at rank ceil((n + 1) ``KEEP``) from the usual end; NaN counts as most unusual.

    Returns:
        None without a direction, for fewer rows than such a rank needs, or if it isn't finite.
    """
    values = rows.columns([score.name])[score.name] if score.high else np.zeros(0)
    rank = math.ceil((len(values) + 1) * KEEP)
    if not 0 < rank <= len(values):
        return None
    values = np.where(np.isnan(values), -np.inf if score.high == IN else np.inf, values)
    index = len(values) - rank if score.high == IN else rank - 1
    found = float(np.partition(values, index)[index])
    return found if math.isfinite(found) else None


def _counts(rows: Rows, scales: Mapping[str, Scale]) -> dict[str, Array]:
    """For each score the rows in each bar, and the NaN ones last."""
    counted = {name: np.zeros(BINS + 1, np.int64) for name in scales}
    for batch in rows.batches(list(scales)):
        for name, scale in scales.items():
            values = batch.column(name).to_numpy(zero_copy_only=False)
            missing = np.isnan(values)
            places = scale.place(np.where(missing, 0, values))
            bars = np.where(missing, BINS, np.minimum(places * BINS, BINS - 1))
            counted[name] += np.bincount(bars.astype(np.int64), minlength=BINS + 1)
    return counted


def _shares(counts: Array) -> Array:
    total = counts.sum()
    return counts / total if total else counts.astype(np.float64)
