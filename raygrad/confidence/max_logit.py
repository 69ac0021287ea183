"""The largest logit."""

from torch import Tensor

from raygrad.confidence.score import Score
from raygrad.directions import IN


def max_logit(logits: Tensor) -> Tensor:
    """The largest logit (Hendrycks et al. 2022)."""
    return logits.amax(1)


MAX_LOGIT = Score(max_logit, "largest logit", IN)
