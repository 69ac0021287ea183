"""GradNorm of the last linear layer in closed form, and its two factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.confidence.score import Score
from raygrad.directions import IN

if TYPE_CHECKING:
    from torch import Tensor


def feature_l1(features: Tensor, logits: Tensor, temperature: float = 1.0) -> Tensor:
    """The L1 norm of the last layer's input: U, the factor of GradNorm and ExGrad that is shared.

    Igoe et al. 2022 ask which factor of GradNorm does the work.

    Args:
        features: Input h of the last linear layer, shape (N, D).
        logits: Its output, shape (N, C); not used.
        temperature: Not used.

    Returns:
        Shape (N,).
    """
    return features.abs().sum(1)


def gradnorm_output(features: Tensor, logits: Tensor, temperature: float = 1.0) -> Tensor:
    r"""The L1 norm of the uniform cross entropy's gradient at the logits: V, the other factor.

    :math:`\frac{1}{C T} \sum_j |C p_j - 1|`, p being the softmax of logits / T. By expm1, since at
    high temperatures, where p is near 1 / C, their difference loses half its digits.

    Args:
        features: Not used.
        logits: Shape (N, C).
        temperature: T > 0.

    Returns:
        Shape (N,).
    """
    below = (logits - logits.amax(1, keepdim=True)) / temperature
    weights = below.expm1()
    differences = weights - weights.mean(1, keepdim=True)
    return differences.abs().sum(1) / below.exp().sum(1) / temperature


def gradnorm(features: Tensor, logits: Tensor, temperature: float = 1.0) -> Tensor:
    r"""GradNorm (Huang et al. 2021): L1 norm of the last layer's weight gradient.

    The gradient of the uniform cross entropy of logits / T is an outer product of the layer's input
    h and the gradient at its output, so its norm is
    :math:`\lVert h \rVert_1 \frac{1}{C T} \sum_j |C p_j - 1|`, without a backward pass. The bias
    has no part in it.

    Args:
        features: Input h of the last linear layer, shape (N, D).
        logits: Its output, shape (N, C).
        temperature: T > 0.

    Returns:
        Shape (N,).
    """
    return feature_l1(features, logits) * gradnorm_output(features, logits, temperature)


FEATURE_L1 = Score(feature_l1, "L1 norm of the last layer's input h", IN)
GRADNORM_OUTPUT = Score(
    gradnorm_output, "L1 norm of GradNorm's gradient at the logits, sum |C p - 1| / (C T)", IN
)
GRADNORM = Score(
    gradnorm,
    "GradNorm in closed form, L1 norm of the last layer's weight gradient, "
    "||h||_1 sum |C p - 1| / (C T)",
    IN,
)
