"""Do raygrad and pytorch-ood give the same numbers where both compute the same score?"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

from benchmarks.study.peers import SHARED
from benchmarks.study.record import Group, Record
from benchmarks.study.scores import forward_scores
from benchmarks.study.scoring import GRADNORM


class Agreement(NamedTuple):
    """Largest relative differences of one score over all images, and how many these are."""

    name: str
    images: int
    ours_theirs: float
    ours_exact: float
    theirs_exact: float


def _entropy(group: Group) -> np.ndarray:
    logits = group.logits.astype(np.float64)
    return -(softmax(logits, 1) * log_softmax(logits, 1)).sum(1)


def _gradnorm(group: Group) -> np.ndarray:
    p = softmax(group.logits.astype(np.float64), 1)
    output = np.abs(p - 1 / p.shape[1]).sum(1)
    return np.abs(group.features.astype(np.float64)).sum(1) * output


# from the papers' formulas, in float64, from the same float32 logits and features
EXACT: dict[str, Callable[[Group], np.ndarray]] = {
    "msp": lambda group: softmax(group.logits.astype(np.float64), 1).max(1),
    "max_logit": lambda group: group.logits.astype(np.float64).max(1),
    "energy": lambda group: logsumexp(group.logits.astype(np.float64), 1),
    "entropy": _entropy,
    "GradNorm": _gradnorm,
}
THEIR_SIGNS = {"msp": -1, "max_logit": -1, "energy": -1, "entropy": 1, "GradNorm": -1}


def agreements(records: Sequence[Record]) -> list[Agreement]:
    """One a score that both compute."""
    return [_agreement(name, [g for record in records for g in record.groups]) for name in SHARED]


def _agreement(name: str, groups: Sequence[Group]) -> Agreement:
    ours = np.concatenate(
        [
            group.gradients[GRADNORM] if name == "GradNorm" else forward_scores(group)[name]
            for group in groups
        ]
    )
    theirs = np.concatenate([THEIR_SIGNS[name] * group.peers[name] for group in groups])
    exact = np.concatenate([EXACT[name](group) for group in groups])
    return Agreement(
        name,
        len(ours),
        _difference(ours, theirs),
        _difference(ours, exact),
        _difference(theirs, exact),
    )


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest relative difference; 0 where both are 0."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    size = np.maximum(np.abs(a), np.abs(b))
    return float((np.abs(a - b) / np.where(size > 0, size, 1)).max())
