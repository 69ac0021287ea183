"""Scores that a forward pass alone gives: the baselines beside every gradient metric.

All take logits of shape (N, C) and return shape (N,). ``CONFIDENCE`` is the table of the columns
that every job writes; of all but entropy, high values mean in-distribution.
"""

from collections.abc import Callable

from torch import Tensor

__all__ = ["CONFIDENCE", "energy", "entropy", "max_logit", "msp"]


def msp(logits: Tensor) -> Tensor:
    """Maximum softmax probability (Hendrycks and Gimpel 2017)."""
    return logits.softmax(1).amax(1)


def max_logit(logits: Tensor) -> Tensor:
    """The largest logit (Hendrycks et al. 2022)."""
    return logits.amax(1)


def energy(logits: Tensor) -> Tensor:
    """Negative free energy at temperature 1, log sum exp of the logits (Liu et al. 2020, eq. 4)."""
    return logits.logsumexp(1)


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the softmax in nats; high values mean out-of-distribution."""
    log_probabilities = logits.log_softmax(1)
    return -(log_probabilities.exp() * log_probabilities).sum(1)


CONFIDENCE: dict[str, Callable[[Tensor], Tensor]] = {
    "msp": msp,
    "max_logit": max_logit,
    "energy": energy,
    "entropy": entropy,
}
