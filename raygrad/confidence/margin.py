"""How far the first choice is ahead of the second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.confidence.score import Score
from raygrad.directions import IN

if TYPE_CHECKING:
    from torch import Tensor


def margin(logits: Tensor) -> Tensor:
    """Difference of the two largest softmax probabilities, in [0, 1].

    The margin of active learning (Scheffer et al. 2001; best versus second best, Joshi et al.
    2009), of probabilities and not of logits. High values mean in-distribution.
    """
    first, second = logits.softmax(1).topk(2, dim=1).values.unbind(1)
    return first - second


MARGIN = Score(margin, "difference of the two largest softmax probabilities", IN)
