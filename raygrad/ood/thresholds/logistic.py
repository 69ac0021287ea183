"""The meta-classifier of Oberdiek et al. 2018: one probability from many scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler

from raygrad.errors import TableError
from raygrad.ood.evaluation.sets import refuse_shared
from raygrad.ood.rows import Rows
from raygrad.ood.thresholds.direction import auroc, delong
from raygrad.ood.thresholds.file import CrossValidation, Cut, Feature, Logistic
from raygrad.ood.thresholds.origin import (
    identity_of,
    is_wrong,
    origin_of,
    refuse_other_identity,
    refuse_unknown_score,
)
from raygrad.ood.thresholds.rank import kept_share, rank_of, refuse_too_few

Array = np.ndarray[Any, Any]

FOLDS = 5
HELD_OUT = 0.2
"""Share of the rows that neither the classifier nor its calibration sees: the cut is from them."""
MOST_ROWS = 500_000
"""Of each TABLE; more are sampled. They hold 8 bytes a score, 20 scores of two tables 160 MB."""
SEED = 0


def fit_logistic(
    in_distribution: Rows,
    scores: Sequence[str] = (),
    keep: float = 0.95,
    *,
    ood: Sequence[Rows] = (),
    label: str | None = None,
) -> Logistic:
    """Fits a probability of being out-of-distribution, or of a wrong prediction.

    A fifth of the rows is held out. On the rest a logistic regression (L2, C = 1) of standardised
    features is cross-validated over five folds; Platt's calibration is fitted on the folds'
    predictions, and the regression once more on all of the rest. The cut keeps the wanted share of
    the held-out rows, so that its guarantee is exact.

    Args:
        in_distribution: Rows to keep; with ``label`` those of them that are rightly predicted.
        scores: Columns of scores; all by default.
        keep: Which share of the rows to keep is to be kept.
        ood: Rows to flag.
        label: A column of right classes: wrong predictions are to be flagged instead.

    Raises:
        TableError: If both or neither of ``ood`` and ``label`` are given, or rows are too few.
        IdentityError: If the rows of ``ood`` are of another model, loss or input.
    """
    names = list(dict.fromkeys(scores)) or list(in_distribution.scores)
    _refuse(in_distribution, ood, label, names)
    values, target, table, non_finite = _gathered(in_distribution, ood, label, names)
    fit, held = train_test_split(
        np.arange(len(target)), test_size=HELD_OUT, random_state=SEED, stratify=target
    )
    refuse_too_few(int((~target[held]).sum()), keep, f"{in_distribution}: of a held-out fifth")
    features = _features(values[fit], names)
    area, slope, offset = _cross_validated(transformed(values[fit], features), target[fit])
    features, intercept = _fitted(values[fit], target[fit], features)
    probability = expit(slope * totals(values[held], features, intercept) + offset)
    cut = _cut(probability[~target[held]], keep)
    beyond = probability > cut.threshold
    shares = [_share(beyond[table[held] == number + 1]) for number in range(len(ood))]
    return Logistic(
        meaning=_meaning(label is not None, cut, keep, beyond[target[held]]),
        keep=keep,
        in_distribution=origin_of(in_distribution),
        ood=tuple(origin_of(rows, share) for rows, share in zip(ood, shares, strict=True)),
        predicts="error" if label else "out-of-distribution",
        prior=float(target[fit].mean()),
        features=tuple(features),
        intercept=intercept,
        slope=slope,
        offset=offset,
        cut=cut,
        validation=CrossValidation(
            folds=FOLDS,
            rows=(int((~target[fit]).sum()), int(target[fit].sum())),
            auroc=area,
            brier=float(np.mean((probability - target[held]) ** 2)),
            calibration_error=calibration_error(probability, target[held]),
        ),
        non_finite=non_finite,
        identity=identity_of(in_distribution.footer),
    )


def transformed(values: Array, features: Sequence[Feature]) -> Array:
    """Scores clipped and, where the feature says so, as logarithms.

    Args:
        values: Shape (rows, features).
        features: How.
    """
    low = np.array([feature.low for feature in features])
    high = np.array([feature.high for feature in features])
    log = np.array([feature.log for feature in features])
    clipped = np.clip(values, low, high)
    return np.where(log, np.log(clipped, where=log, out=np.zeros_like(clipped)), clipped)


def totals(values: Array, features: Sequence[Feature], intercept: float) -> Array:
    """The sum of all features, the log odds before calibration, shape (rows,)."""
    mean = np.array([feature.mean for feature in features])
    scale = np.array([feature.scale for feature in features])
    coefficient = np.array([feature.coefficient for feature in features])
    sums: Array = (transformed(values, features) - mean) / scale @ coefficient + intercept
    return sums


def calibration_error(probability: Array, target: Array, bins: int = 10) -> float:
    """Expected calibration error over bins of equal counts (Naeini et al. 2015; Nixon et al. 2019).

    Args:
        probability: Shape (rows,).
        target: Whether it came true, bool of shape (rows,).
        bins: How many.
    """
    parts = np.array_split(np.argsort(probability, kind="stable"), min(bins, len(target)))
    gaps = [len(p) * abs(probability[p].mean() - target[p].mean()) for p in parts]
    return float(sum(gaps) / len(target))


def _refuse(rows: Rows, ood: Sequence[Rows], label: str | None, names: Sequence[str]) -> None:
    if bool(ood) == (label is not None):
        raise TableError(
            "--method logistic learns from rows to flag: give either --ood TABLE with unusual "
            "rows, or --errors for wrong predictions"
        )
    for other in (rows, *ood):
        for name in names:
            refuse_unknown_score(other, name)
        refuse_other_identity(identity_of(rows.footer), other.footer, (rows.uri, other.uri))
    for other in ood:
        refuse_shared([("the in-distribution rows", rows), ("those of --ood", other)])


def _gathered(
    rows: Rows, ood: Sequence[Rows], label: str | None, names: Sequence[str]
) -> tuple[Array, Array, Array, int]:
    """Finite scores, which rows are to be flagged, their table's number; how many aren't finite."""
    if label is None:
        parts = [_sampled(one, names, np.arange(_count(one)))[0] for one in (rows, *ood)]
        values = np.concatenate(parts)
        table = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        target = table > 0
    else:
        labelled, wrong = is_wrong(rows, label)
        values, chosen = _sampled(rows, names, np.flatnonzero(labelled))
        target, table = wrong[chosen], np.zeros(len(chosen), int)
    finite = np.isfinite(values).all(axis=1)
    for kind, count in (("keep", (finite & ~target).sum()), ("flag", (finite & target).sum())):
        if count < 2 * FOLDS:
            worst = names[int(np.isfinite(values).sum(axis=0).argmin())]
            raise TableError(
                f"{rows}: {int(count)} rows to {kind} have finite scores ({worst} has the fewest); "
                f"it takes {2 * FOLDS} of either kind for {FOLDS} folds and a held-out part"
            )
    return values[finite], target[finite], table[finite], int((~finite).sum())


def _count(rows: Rows) -> int:
    ((count,),) = rows.sql("SELECT count(*) FROM selected WHERE error_type IS NULL").fetchall()
    return int(count)


def _sampled(rows: Rows, names: Sequence[str], places: Array) -> tuple[Array, Array]:
    """Scores of rows at some places, in float64, at most MOST_ROWS; and the places."""
    if len(places) > MOST_ROWS:
        places = np.random.default_rng(SEED).choice(places, MOST_ROWS, replace=False)
        places.sort()
    parts, first = [np.zeros((0, len(names)))], 0
    for batch in rows.batches(names):
        low, high = np.searchsorted(places, [first, first + len(batch)])
        columns = [batch.column(name).to_numpy(zero_copy_only=False) for name in names]
        parts.append(np.stack(columns, axis=1, dtype=np.float64)[places[low:high] - first])
        first += len(batch)
    return np.concatenate(parts), places


def _features(values: Array, names: Sequence[str]) -> list[Feature]:
    """How each score is clipped, and whether its logarithm is taken.

    It is of scores that are never negative in the fit and spread over more than one order of
    magnitude between their 5 % and 95 % quantiles, as sizes of gradients do. On the demo's table, 7
    of 12 scores, the cross-validated AUROC rises from 0.916 to 0.954 for photographs, from 0.920 to
    0.923 for unknown digits and from 0.946 to 0.957 for errors; the Brier score falls in all three.
    """
    features = []
    for name, column in zip(names, values.T, strict=True):
        low, high = np.quantile(column, [0.05, 0.95])
        log = bool(column.min() >= 0 and high > 10 * low)
        features.append(
            Feature(
                score=name,
                low=float(column[column > 0].min() if log else column.min()),
                high=float(column.max()),
                log=log,
                mean=0,
                scale=1,
                coefficient=0,
            )
        )
    return features


def _regression() -> LogisticRegression:
    return LogisticRegression(C=1.0, max_iter=1000)


def _cross_validated(values: Array, target: Array) -> tuple[Any, float, float]:
    """The folds' AUROC, and Platt's slope and offset from their predictions."""
    total = np.zeros(len(target))
    areas, variances = [], []
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for fit, rest in folds.split(values, target):
        scaler = StandardScaler().fit(values[fit])
        model = _regression().fit(scaler.transform(values[fit]), target[fit])
        total[rest] = model.decision_function(scaler.transform(values[rest]))
        area, variance = delong(total[rest][~target[rest]], total[rest][target[rest]])
        areas.append(area)
        variances.append(variance)
    platt = _regression().fit(total[:, None], target)
    unusual = int(target.sum())
    mean, variance = float(np.mean(areas)), sum(variances) / FOLDS**2
    found = auroc(mean, variance, len(target) - unusual, unusual)
    return found, float(platt.coef_[0, 0]), float(platt.intercept_[0])


def _fitted(
    values: Array, target: Array, features: Sequence[Feature]
) -> tuple[list[Feature], float]:
    """The features with their coefficients, and the intercept."""
    scaler = StandardScaler().fit(transformed(values, features))
    model = _regression().fit(scaler.transform(transformed(values, features)), target)
    found = [
        feature.model_copy(
            update={
                "mean": float(scaler.mean_[place]),
                "scale": float(scaler.scale_[place]),
                "coefficient": float(model.coef_[0, place]),
            }
        )
        for place, feature in enumerate(features)
    ]
    return found, float(model.intercept_[0])


def _cut(probability: Array, keep: float) -> Cut:
    """Between the order statistic and the next: DuckDB may round otherwise than NumPy does."""
    rank = rank_of(len(probability), keep)
    different, counts = np.unique(probability, return_counts=True)
    place = int(np.searchsorted(np.cumsum(counts), rank))
    following = different[place + 1] if place + 1 < len(different) else 1.0
    return Cut(
        threshold=float((different[place] + following) / 2),
        rows=len(probability),
        rank=rank,
        ties=int(counts[place]) - 1,
        non_finite=0,
        kept_share=kept_share(len(probability), rank),
    )


def _share(flagged: Array) -> float | None:
    return float(flagged.mean()) if len(flagged) else None


def _meaning(errors: bool, cut: Cut, keep: float, flagged: Array) -> str:
    low, high = cut.kept_share
    kind = "wrong" if errors else "out-of-distribution"
    usual = "right predictions" if errors else "in-distribution rows"
    return (
        f"A row is flagged if its probability of being {kind} is above {cut.threshold:.6g}, or "
        f"NaN as where a score is. At least {keep:.4g} of new {usual} are kept on average over "
        f"draws of the {cut.rows:,} held-out rows; of this draw, {low:.4f} to {high:.4f} with 95 % "
        f"confidence. Of the held-out rows to flag, {flagged.mean():.1%} are. Probabilities "
        "hold for a mixture like that of the fit (prior)."
    )
