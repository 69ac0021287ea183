"""Evaluates every score of tables: detection of OOD rows, and of wrong predictions.

One score is in memory after the other, at 8 bytes a row for its sort and, for paired tests, 4 bytes
a row of each comparison for its placements and as many for the baseline's.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from raygrad.errors import TableError
from raygrad.ood.evaluation.delong import difference
from raygrad.ood.evaluation.detection import Detection, Sweep
from raygrad.ood.evaluation.misclassification import Misclassification, RiskCoverage, finished
from raygrad.ood.evaluation.pairs import Pair, Placements, RightAndWrong
from raygrad.ood.evaluation.ranking import MOST_ROWS, Array, Ranking
from raygrad.ood.evaluation.reading import fill, label_of_the_job, wrong_predictions
from raygrad.ood.evaluation.results import Evaluation, ScoreResult
from raygrad.ood.evaluation.sets import (
    RowSet,
    comparable,
    counted,
    refuse_other_identity,
    refuse_shared,
)
from raygrad.ood.rows import Rows
from raygrad.table.definitions import IN, OUT

BASELINE = "msp"
NO_DIRECTION = "which end is OOD isn't known; in-distribution and OOD rows to fit on settle it"


def evaluate(
    in_distribution: Rows,
    ood: Sequence[Rows],
    scores: Sequence[str] | None = None,
    *,
    label: str | None = None,
    baseline: str | None = None,
    fit: tuple[Rows, Rows] | None = None,
) -> Evaluation:
    """Evaluates scores on rows of tables.

    Args:
        in_distribution: In-distribution rows.
        ood: Sets of OOD rows; each is compared with the in-distribution ones. Without any, only
            wrong predictions are told from right ones.
        scores: Which; all by default.
        label: The in-distribution rows' column of true classes; by default the one that the job's
            spec names, if it was kept and holds class numbers.
        baseline: The score that each AUROC is compared with; by default msp, if it is among them.
        fit: In-distribution and OOD rows, none of which is in the sets above: they settle the
            direction of scores whose direction the table doesn't know. Without them those scores
            are left out.

    Raises:
        TableError: If a set is empty, has rows in common with another one of a different kind, or
            has no such score or label; if there are 2^31 rows or more.
        IdentityError: If tables are of different models, losses, inputs or precisions.
    """
    held = list(fit or ())
    sets = [in_distribution, *ood]
    for other in [*ood, *held]:
        refuse_other_identity(in_distribution, other)
    if baseline is not None:
        scores = [*(in_distribution.scores if scores is None else scores), baseline]
    names, left_out = comparable([*sets, *held], scores)
    baseline = baseline or BASELINE
    for what, rows in [(f"OOD set {i + 1}", rows) for i, rows in enumerate(ood)]:
        refuse_shared([("the in-distribution rows", in_distribution), (what, rows)])
    if fit is not None:
        refuse_shared([("the in-distribution rows to fit on", fit[0]), ("those of OOD", fit[1])])
        for rows in held:
            for evaluated in sets:
                refuse_shared([("rows to fit on", rows), ("rows to evaluate", evaluated)])
    counts = [counted(rows) for rows in sets]
    if sum(count.scored for count in counts) >= MOST_ROWS:
        raise TableError(
            f"there are {sum(count.scored for count in counts):,} rows; at most {MOST_ROWS - 1:,} "
            "can be evaluated at once: name partitions, or a condition such as row % 10 = 0"
        )
    label = label or label_of_the_job(in_distribution)
    if label is None and not ood:
        raise TableError(
            f"{in_distribution} has no labels, and there are no OOD rows to compare it with; "
            "name some, or a column of labels"
        )
    wrong = None if label is None else wrong_predictions(in_distribution, label, counts[0].scored)
    pairs = _pairs(counts, wrong)
    baselines: list[Placements] = []
    results: dict[str, ScoreResult] = {}
    for name in sorted(names, key=lambda name: name != baseline):  # it has to be there first
        score = in_distribution.scores[name]
        fitted = None
        high = score.high
        if high is None and fit is not None:
            fitted = _fitted(name, fit)
            high = OUT if fitted.auroc >= 0.5 else IN
        if high is None:
            left_out[name] = NO_DIRECTION
            continue
        ranking = Ranking([count.scored for count in counts], high)
        non_finite = tuple(
            fill(ranking, rows, name, count.scored)
            for rows, count in zip(sets, counts, strict=True)
        )
        ranking.sort()
        paired = baseline in names
        found, placements = _measured(ranking, pairs, baselines, baseline, paired)
        if name == baseline:
            baselines = placements
        results[name] = ScoreResult(
            name,
            score.definition,
            high,
            fitted,
            tuple(one for one in found if isinstance(one, Detection)),
            next((one for one in found if isinstance(one, Misclassification)), None),
            non_finite,
        )
    return Evaluation(
        counts[0],
        tuple(counts[1:]),
        tuple(results[name] for name in names if name in results),
        left_out,
        baseline if baseline in results else None,
        label,
        *(() if wrong is None else (int((wrong == kind).sum()) for kind in range(3))),
    )


def _pairs(counts: Sequence[RowSet], wrong: Array | None) -> list[Pair]:
    ends = np.cumsum([count.scored for count in counts]).tolist()
    pairs = [Pair(ends[0], first, last) for first, last in itertools.pairwise(ends)]
    if wrong is not None:
        right_and_wrong = RightAndWrong(wrong)
        if right_and_wrong.usual and right_and_wrong.unusual:
            pairs.append(right_and_wrong)
    return pairs


def _measured(
    ranking: Ranking,
    pairs: Sequence[Pair],
    baselines: Sequence[Placements],
    baseline: str,
    paired: bool,
) -> tuple[list[Detection | Misclassification], list[Placements]]:
    """One pass over the ranking for all pairs."""
    placements = [Placements(pair) for pair in pairs] if paired else []
    sweeps = [
        Sweep(pair, placements[place] if paired else None) for place, pair in enumerate(pairs)
    ]
    risk = RiskCoverage()
    for block in ranking.blocks():
        for pair, sweep in zip(pairs, sweeps, strict=True):
            usual, unusual = pair.counts(block)
            sweep.add(block, usual, unusual)
            if isinstance(pair, RightAndWrong):
                risk.add(usual, unusual)
    found: list[Detection | Misclassification] = []
    for place, sweep in enumerate(sweeps):
        other = difference(baseline, placements[place], baselines[place]) if baselines else None
        if isinstance(sweep.pair, RightAndWrong):
            found.append(finished(sweep, risk, other))
        else:
            found.append(replace(sweep.result(), difference=other))
    return found, placements


def _fitted(name: str, fit: tuple[Rows, Rows]) -> Detection:
    """How high values as a sign of OOD do on the rows to fit on."""
    counts = [counted(rows) for rows in fit]
    ranking = Ranking([count.scored for count in counts])
    for rows, count in zip(fit, counts, strict=True):
        fill(ranking, rows, name, count.scored)
    ranking.sort()
    (found,), _ = _measured(ranking, _pairs(counts, None), [], "", False)
    assert isinstance(found, Detection)
    return found
