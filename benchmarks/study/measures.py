"""Measures of one score, each with ties counted; in all of them large values mean unknown."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm, rankdata, t
from sklearn.metrics import average_precision_score

LEVEL = 0.95


class Interval(NamedTuple):
    """A mean and half the width of its 95 % interval, NaN if there is one value only."""

    mean: float
    half: float

    @property
    def above(self) -> bool:
        """Whether all of the interval is above 0."""
        return self.mean - self.half > 0

    @property
    def below(self) -> bool:
        """Whether all of the interval is below 0."""
        return self.mean + self.half < 0


class Detection(NamedTuple):
    """How well a score tells unknown from known images.

    Attributes:
        auroc: Area under the ROC curve.
        half: Half the width of its 95 % interval (DeLong et al. 1988), for this network.
        aupr_in: Average precision with the known as the positive class.
        aupr_out: Average precision with the unknown as the positive class.
        unknown_kept: Share of unknown images kept where 95 % of the known are kept.
        known_lost: Share of known images lost where 95 % of the unknown are caught.
    """

    auroc: float
    half: float
    aupr_in: float
    aupr_out: float
    unknown_kept: float
    known_lost: float


class Failure(NamedTuple):
    """How well a score tells wrong from right predictions of known images.

    Attributes:
        auroc: Area under the ROC curve, wrong against right.
        aurc: Area under the risk-coverage curve: the share of errors among the images with the
            lowest scores, averaged over how many are taken.
    """

    auroc: float
    aurc: float


def auroc(known: np.ndarray, unknown: np.ndarray) -> Interval:
    """AUROC with DeLong's interval, from midranks (Sun and Xu 2014)."""
    n, m = len(known), len(unknown)
    together = rankdata(np.concatenate([known, unknown]))
    below_known = (together[:n] - rankdata(known)) / m
    below_unknown = (together[n:] - rankdata(unknown)) / n
    variance = below_known.var(ddof=1) / n + below_unknown.var(ddof=1) / m
    return Interval(float(below_unknown.mean()), float(norm.ppf(0.975) * np.sqrt(variance)))


def detection(known: np.ndarray, unknown: np.ndarray) -> Detection:
    """All measures of detection, from scores of shape (N,) and (M,)."""
    area = auroc(known, unknown)
    is_unknown = np.repeat([0, 1], [len(known), len(unknown)])
    values = np.concatenate([known, unknown])
    keeps = np.quantile(known, LEVEL, method="inverted_cdf")
    catches = -np.quantile(-unknown, LEVEL, method="inverted_cdf")
    return Detection(
        *area,
        float(average_precision_score(1 - is_unknown, -values)),
        float(average_precision_score(is_unknown, values)),
        float((unknown <= keeps).mean()),
        float((known >= catches).mean()),
    )


def failure(values: np.ndarray, wrong: np.ndarray) -> Failure:
    """Both measures of misclassification detection; ``wrong`` is boolean, shape (N,)."""
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    # images of one score come in any order: each counts as the mean of them
    errors = (np.bincount(position, wrong) / counts)[np.sort(position)]
    risk = errors.cumsum() / np.arange(1, len(errors) + 1)
    area = auroc(values[~wrong], values[wrong]).mean if wrong.any() else float("nan")
    return Failure(area, float(risk.mean()))


def over_seeds(values: Sequence[float] | np.ndarray) -> Interval:
    """Mean over seeds and its t interval."""
    count = len(values)
    if count < 2:
        return Interval(float(np.mean(values)), float("nan"))
    spread = np.std(values, ddof=1) / np.sqrt(count)
    return Interval(float(np.mean(values)), float(t.ppf(0.975, count - 1) * spread))
