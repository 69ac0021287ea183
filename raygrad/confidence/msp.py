"""Maximum softmax probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.confidence.score import Score
from raygrad.directions import IN

if TYPE_CHECKING:
    from torch import Tensor


def msp(logits: Tensor) -> Tensor:
    """Maximum softmax probability (Hendrycks and Gimpel 2017)."""
    return logits.softmax(1).amax(1)


MSP = Score(msp, "maximum softmax probability", IN)
