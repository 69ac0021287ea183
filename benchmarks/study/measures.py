"""Means over seeds; the measures of one network are those of raygrad.ood.evaluation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t


class Interval(NamedTuple):
    """A mean and half the width of its 95 % interval, NaN if there is one value only."""

    mean: float
    half: float


def over_seeds(values: Sequence[float] | np.ndarray) -> Interval:
    """Mean over seeds and its t interval."""
    count = len(values)
    if count < 2:
        return Interval(float(np.mean(values)), float("nan"))
    spread = np.std(values, ddof=1) / np.sqrt(count)
    return Interval(float(np.mean(values)), float(t.ppf(0.975, count - 1) * spread))
