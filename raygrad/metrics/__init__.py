"""Metrics that reduce gradients to a few numbers; a drop-in for ``gradient_metrics.metrics``.

A metric is pointed at its targets when it is made, is fed gradients one parameter at a time, and
accumulates over them until :meth:`GradientMetric.reset`. All statistics are kept in at least
float32, merge exactly (Chan et al. 1979 for the variance) and are scaled where powers would
underflow.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial

from raygrad.metrics.base import GradientMetric, Target
from raygrad.metrics.extremes import Max, Min
from raygrad.metrics.moments import Mean, MeanStd
from raygrad.metrics.norms import PNorm

__all__ = ["METRICS", "GradientMetric", "Max", "Mean", "MeanStd", "Min", "PNorm", "metric_by_name"]

METRICS: dict[str, Callable[[Sequence[Target] | Target], GradientMetric]] = {
    "max": Max,
    "min": Min,
    "mean": Mean,
    "std": partial(MeanStd, return_mean=False),
}
"""What a spec can name, beside p-norms, whose names are ``l`` and p: l1, l2, l0.5, linf."""


def metric_by_name(name: str, targets: Sequence[Target] | Target) -> GradientMetric:
    """Makes the metric that a job's spec names.

    Args:
        name: A key of ``METRICS``, or ``l`` and a p-norm's p.
        targets: See :class:`GradientMetric`.

    Returns:
        A metric of dimension 1.

    Raises:
        ValueError: If there is no such metric.
    """
    if name in METRICS:
        return METRICS[name](targets)
    if re.fullmatch(r"l(\d+(\.\d+)?|inf)", name):
        return PNorm(targets, p=name[1:])
    raise ValueError(f'got "{name}"; use {", ".join(METRICS)}, or a p-norm such as l1, l2 or linf')
