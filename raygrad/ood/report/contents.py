"""All that a report shows, gathered before anything is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raygrad.confidence import CONFIDENCE
from raygrad.errors import TableError
from raygrad.ood.evaluation import Evaluation
from raygrad.ood.report.correlations import spearman
from raygrad.ood.report.failed import failed
from raygrad.ood.report.findings import findings, notes
from raygrad.ood.report.galleries import Gallery, galleries
from raygrad.ood.report.heat import HeatTable, correlations
from raygrad.ood.report.histograms import Histogram, histograms
from raygrad.ood.report.layers import by_layer
from raygrad.ood.report.measures import Comparison, comparisons, measure, ranked
from raygrad.ood.report.provenance import Provenance, provenance
from raygrad.ood.report.sets import Role, SampleSet, counted, label_column, sample_sets, share_files
from raygrad.ood.rows import Rows, Score
from raygrad.table.failures import Failure

UNUSUAL = 12
"""So many rows of each set are shown by default."""

MOST_CORRELATED = 20
"""A table of more scores than this can't be read."""

SHOWN = ("msp", "energy")
"""Scores that are given for each unusual row, beside the one that they are ordered by."""


@dataclass(frozen=True)
class Contents:
    """What a report shows; empty lists where there is nothing to show.

    Attributes:
        table: The table's URI, with the condition.
        whole: The table's rows, counted.
        sets: What is compared; see :func:`raygrad.ood.report.sets.sample_sets`.
        findings: The main points as sentences.
        notes: What a reader must know to trust the numbers.
        failures: Rows with errors, each with its set's name.
        provenance: Where the table's numbers come from.
        histograms: One a score.
        evaluation: The measures of all scores; None if there is nothing to measure.
        comparisons: Measures and curves for each OOD set.
        correlations: The heat map of scores; None without scored rows.
        layers: Heat maps of layers by metrics.
        primary: The score that unusual rows are ordered by; None without scored rows.
        galleries: The most unusual rows of each set.
    """

    table: str
    whole: SampleSet
    sets: list[SampleSet]
    findings: list[str]
    notes: list[str]
    failures: list[tuple[str, Failure]]
    provenance: Provenance
    histograms: list[Histogram] = field(default_factory=list)
    evaluation: Evaluation | None = None
    comparisons: list[Comparison] = field(default_factory=list)
    correlations: HeatTable | None = None
    layers: list[HeatTable] = field(default_factory=list)
    primary: Score | None = None
    galleries: list[Gallery] = field(default_factory=list)


def gather(
    table: Rows,
    in_distribution: Rows | None = None,
    out: Sequence[Rows] = (),
    *,
    score: str | None = None,
    unusual: int = UNUSUAL,
) -> Contents:
    """Reads what a report needs: a few passes over the rows, one whole column at a time in memory.

    Args:
        table: What the report is about.
        in_distribution: Rows known to be in-distribution; by default the table's, if there are OOD
            ones.
        out: Sets of rows known to be out-of-distribution.
        score: What unusual rows are ordered by; by default the best score where there are OOD rows,
            else the first gradient metric whose direction is known.
        unusual: How many rows of each set are shown.

    Raises:
        TableError: If a set has no scores, another set's scores or no such score; or if rows are in
            two sets that must be apart.
    """
    whole = counted(Role.UNKNOWN, table)
    sets = sample_sets(table, in_distribution, out)
    scores = _common(sets)
    if score is not None and score not in scores:
        raise TableError(f'{table} has no score "{score}"; it has {", ".join(scores)}')
    if not any(part.scored for part in sets):
        return Contents(
            str(table),
            whole,
            sets,
            ["No row was scored."],
            [],
            _failures(whole, sets),
            provenance(table),
        )
    evaluation = measure(sets)
    order = [result.score for result in ranked(evaluation)]
    names = [*order, *(name for name in scores if name not in order)]
    primary = scores[score or _primary(scores, order)]
    compared = comparisons(sets, evaluation, primary.name)
    samples = [part.sample(names) for part in sets]
    shown = list(dict.fromkeys([primary.name, *(name for name in SHOWN if name in scores)]))
    return Contents(
        str(table),
        whole,
        sets,
        findings(sets, evaluation, compared, primary),
        notes(sets, evaluation),
        _failures(whole, sets),
        provenance(table),
        histograms=histograms(sets, [scores[name] for name in names], samples),
        evaluation=evaluation,
        comparisons=compared,
        correlations=_correlated([primary.name, *names], samples[0]),
        layers=by_layer(sets, compared, samples),
        primary=primary,
        galleries=galleries(sets, primary, shown, label_column(table), unusual),
    )


def _common(sets: Sequence[SampleSet]) -> dict[str, Score]:
    """Scores that all sets have, in the first one's order."""
    others = [part.rows.scores for part in sets[1:]]
    found = {n: s for n, s in sets[0].rows.scores.items() if all(n in other for other in others)}
    if not found:
        raise TableError(f"{' and '.join(str(part.rows) for part in sets)} have no score in common")
    return found


def _primary(scores: Mapping[str, Score], order: Sequence[str]) -> str:
    """The best score, or the first gradient metric with a direction, or any."""
    gradients = [name for name, found in scores.items() if found.high and name not in CONFIDENCE]
    return [*order, *gradients, *scores][0]


def _correlated(names: Sequence[str], sample: Mapping[str, Any]) -> HeatTable:
    names = list(dict.fromkeys(names))
    if len(names) > MOST_CORRELATED:
        forward = [name for name in names if name in CONFIDENCE]
        others = [name for name in names if name not in CONFIDENCE]
        names = [*others[: max(0, MOST_CORRELATED - len(forward))], *forward]
    return correlations(names, spearman(sample, names))


def _failures(whole: SampleSet, sets: Sequence[SampleSet]) -> list[tuple[str, Failure]]:
    """The table's, and those of sets from elsewhere."""
    others = [part for part in sets if not share_files(part.rows, whole.rows)]
    return [
        (part.name, failure)
        for part in (whole, *others)
        if part.failed
        for failure in failed(part.rows)
    ]
