"""Do raygrad and pytorch-ood give the same numbers where both compute the same score?"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

from benchmarks.study.peers import SHARED, gen
from benchmarks.study.record import Group, Record
from benchmarks.study.scores import forward_scores
from benchmarks.study.scoring import GRADNORM
from benchmarks.study.settings import PRIMARY

CLOSED = "GradNorm, closed form"


class Agreement(NamedTuple):
    """Largest relative differences of one score over all images, and how many these are.

    Those with pytorch-ood are None where it hasn't this score.
    """

    name: str
    images: int
    ours_theirs: float | None
    ours_exact: float
    theirs_exact: float | None


def _entropy(group: Group) -> np.ndarray:
    logits = group.logits.astype(np.float64)
    return -(softmax(logits, 1) * log_softmax(logits, 1)).sum(1)


def _gen(group: Group) -> np.ndarray:
    p = np.sort(softmax(group.logits.astype(np.float64), 1), 1)
    others = np.cumsum(p[:, :-1], 1)[:, -1:]
    complement = np.concatenate([1 - p[:, :-1], others], 1)
    return ((p * complement) ** 0.1).sum(1)


def _pseudo_label(group: Group) -> np.ndarray:
    """2 (1 - p) (||h||_1 + 1): at the logits the other probabilities, and minus their sum."""
    p = softmax(group.logits.astype(np.float64), 1)
    others = np.sort(p, 1)[:, :-1].sum(1)
    return 2 * others * (np.abs(group.features.astype(np.float64)).sum(1) + 1)


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
    "gen": _gen,
    "GradNorm": _gradnorm,
    CLOSED: _gradnorm,
    PRIMARY: _pseudo_label,
}
THEIR_SIGNS = {"msp": -1, "max_logit": -1, "energy": -1, "entropy": 1, "GradNorm": -1}


def agreements(records: Sequence[Record]) -> list[Agreement]:
    """One a score that both compute, and one for that named beforehand."""
    groups = [group for record in records for group in record.groups]
    return [_agreement(name, groups) for name in (*SHARED, CLOSED, "gen", PRIMARY)]


def _agreement(name: str, groups: Sequence[Group]) -> Agreement:
    ours = np.concatenate([_ours(name, group) for group in groups])
    exact = np.concatenate([EXACT[name](group) for group in groups])
    if name == PRIMARY:
        return Agreement(name, len(ours), None, _difference(ours, exact), None)
    theirs = np.concatenate([_theirs(name, group) for group in groups])
    return Agreement(
        name,
        len(ours),
        _difference(ours, theirs),
        _difference(ours, exact),
        _difference(theirs, exact),
    )


def _ours(name: str, group: Group) -> np.ndarray:
    if name == CLOSED:
        return forward_scores(group)["gradnorm"]
    gradient = GRADNORM if name == "GradNorm" else name
    if gradient in group.gradients:
        return group.gradients[gradient]
    return forward_scores(group)[name]


def _theirs(name: str, group: Group) -> np.ndarray:
    if name == "gen":
        return gen(group.logits)
    peer = "GradNorm" if name == CLOSED else name
    return THEIR_SIGNS[peer] * group.peers[peer]


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest relative difference; 0 where both are 0."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    size = np.maximum(np.abs(a), np.abs(b))
    return float((np.abs(a - b) / np.where(size > 0, size, 1)).max())
