"""Maximum softmax probability."""

from torch import Tensor

from raygrad.confidence.score import Score
from raygrad.directions import IN


def msp(logits: Tensor) -> Tensor:
    """Maximum softmax probability (Hendrycks and Gimpel 2017)."""
    return logits.softmax(1).amax(1)


MSP = Score(msp, "maximum softmax probability", IN)
