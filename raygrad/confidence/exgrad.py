"""ExGrad of the last linear layer in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.confidence.probabilities import log_probabilities
from raygrad.confidence.score import Score
from raygrad.directions import OUT

if TYPE_CHECKING:
    from torch import Tensor


def exgrad(features: Tensor, logits: Tensor, temperature: float = 1.0) -> Tensor:
    r"""ExGrad (Igoe et al. 2022): the expected L1 norm of the last layer's weight gradient.

    :math:`E_{y \sim p} \lVert \nabla_W(-\log p_y) \rVert_1 = \frac{2}{T} \lVert h \rVert_1
    (1 - \sum_j p_j^2)`, for against label y the gradient at the logits has an L1 norm of
    2 (1 - p_y) / T. Summed as p (1 - p), which keeps its digits where 1 - sum p^2 is 0.

    Args:
        features: Input h of the last linear layer, shape (N, D).
        logits: Its output, shape (N, C).
        temperature: T > 0.

    Returns:
        Shape (N,).
    """
    p, complement = log_probabilities(logits / temperature)
    spread = (p + complement).exp().sum(1)
    return 2 * features.abs().sum(1) * spread / temperature


EXGRAD = Score(
    exgrad,
    "ExGrad in closed form, L1 norm of the last layer's weight gradient in expectation over labels "
    "y ~ p, 2 ||h||_1 (1 - sum p^2) / T",
    OUT,
)
