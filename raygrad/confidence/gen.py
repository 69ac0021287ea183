"""GEN, the generalized entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.confidence.probabilities import log_probabilities
from raygrad.confidence.score import Score
from raygrad.directions import OUT

if TYPE_CHECKING:
    from torch import Tensor


GAMMA = 0.1
CLASSES = 100
"""Those of the paper, for ImageNet; the tail of smaller probabilities is noise."""


def gen(logits: Tensor) -> Tensor:
    r"""Generalized entropy (GEN, Liu, Lochman and Zach, CVPR 2023).

    :math:`\sum_{j \le M} p_j^\gamma (1 - p_j)^\gamma` over the M largest softmax probabilities,
    gamma 0.1, M = min(C, 100). It is an entropy: high values mean out-of-distribution. The authors'
    code gives the same number with a minus, pytorch-ood the mean over M instead of the sum.
    """
    p, complement = log_probabilities(logits)
    terms = (GAMMA * (p + complement)).exp()
    most_probable = p.topk(min(CLASSES, p.shape[1]), dim=1).indices
    return terms.gather(1, most_probable).sum(1)


GEN = Score(
    gen,
    "generalized entropy of the softmax, sum of (p (1 - p))^0.1 over the 100 largest p",
    OUT,
)
