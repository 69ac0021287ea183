"""Free energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.confidence.score import Score
from raygrad.directions import IN

if TYPE_CHECKING:
    from torch import Tensor


def energy(logits: Tensor) -> Tensor:
    """Negative free energy at temperature 1, log sum exp of the logits (Liu et al. 2020, eq. 4)."""
    return logits.logsumexp(1)


ENERGY = Score(energy, "negative free energy, log sum exp of the logits", IN)
