"""Shannon's entropy."""

from torch import Tensor

from raygrad.confidence.score import Score
from raygrad.directions import OUT


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the softmax in nats; high values mean out-of-distribution."""
    log_probabilities = logits.log_softmax(1)
    return -(log_probabilities.exp() * log_probabilities).sum(1)


ENTROPY = Score(entropy, "entropy of the softmax in nats", OUT)
