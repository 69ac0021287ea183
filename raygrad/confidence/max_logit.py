"""The largest logit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.confidence.score import Score
from raygrad.directions import IN

if TYPE_CHECKING:
    from torch import Tensor


def max_logit(logits: Tensor) -> Tensor:
    """The largest logit (Hendrycks et al. 2022)."""
    return logits.amax(1)


MAX_LOGIT = Score(max_logit, "largest logit", IN)
