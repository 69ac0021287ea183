"""Free energy."""

from torch import Tensor

from raygrad.confidence.score import Score
from raygrad.directions import IN


def energy(logits: Tensor) -> Tensor:
    """Negative free energy at temperature 1, log sum exp of the logits (Liu et al. 2020, eq. 4)."""
    return logits.logsumexp(1)


ENERGY = Score(energy, "negative free energy, log sum exp of the logits", IN)
