"""How well each score tells in-distribution rows from each OOD set, and right from wrong ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from raygrad.confidence import CONFIDENCE
from raygrad.ood.evaluation import Curve, Detection, Evaluation, ScoreResult, curve, evaluate
from raygrad.ood.report.sets import Role, SampleSet

BASELINES = ("msp", "energy")
"""Drawn beside the best score."""

MOST_CURVES = 4


@dataclass(frozen=True)
class Comparison:
    """The first set against one OOD set.

    Attributes:
        name: The OOD set's name.
        found: Each score with its measures, the largest AUROC first.
        drawn: Those of them that have a curve, in the same order for all sets.
        curves: A curve for each of these.
    """

    name: str
    found: list[tuple[ScoreResult, Detection]]
    drawn: list[tuple[ScoreResult, Detection]]
    curves: list[Curve]


def measure(sets: Sequence[SampleSet]) -> Evaluation | None:
    """Evaluates all scores of the first set, against the OOD sets and by its labels.

    Returns:
        None if there are neither rows to compare with nor labels.
    """
    usual = sets[0]
    out = _out(sets)
    if not usual.scored or not (out or usual.labelled):
        return None
    return evaluate(usual.rows, [part.rows for part in out])


def ranked(evaluation: Evaluation | None) -> list[ScoreResult]:
    """Scores by their mean AUROC over the OOD sets, the best first; empty without such sets."""
    if evaluation is None or not evaluation.ood:
        return []
    return sorted(evaluation.results, key=lambda result: -mean_auroc(result))


def mean_auroc(result: ScoreResult) -> float:
    """Over all OOD sets."""
    return fmean(found.auroc for found in result.detection)


def comparisons(
    sets: Sequence[SampleSet], evaluation: Evaluation | None, primary: str
) -> list[Comparison]:
    """All measures, and the curves of the best score, the best gradient metric and the baselines.

    Two columns of scores are in memory at a time.
    """
    results = ranked(evaluation)
    if not results:
        return []
    named = {result.score: result for result in results}
    gradients = [name for name in named if name not in CONFIDENCE]
    first = dict.fromkeys([results[0].score, *gradients[:1], *BASELINES, primary, *named])
    drawn = [named[name] for name in first if name in named][:MOST_CURVES]
    found = []
    for place, part in enumerate(_out(sets)):
        every = [(result, result.detection[place]) for result in results]
        every.sort(key=lambda pair: -pair[1].auroc)
        some = [(result, result.detection[place]) for result in drawn]
        curves = [_curve(sets[0], part, result) for result, _ in some]
        found.append(Comparison(part.name, every, some, curves))
    return found


def _out(sets: Sequence[SampleSet]) -> list[SampleSet]:
    return [part for part in sets if part.role is Role.OUT and part.scored]


def _curve(usual: SampleSet, unusual: SampleSet, result: ScoreResult) -> Curve:
    usual_scores, unusual_scores = (_column(part, result.score) for part in (usual, unusual))
    return curve(usual_scores, unusual_scores, result.high)


def _column(part: SampleSet, name: str) -> np.ndarray[Any, Any]:
    return part.rows.columns([name])[name]  # type: ignore[no-any-return]
