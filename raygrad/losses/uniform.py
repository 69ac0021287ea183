"""The uniform distribution as the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.directions import IN
from raygrad.losses.cross_entropy import require_logits
from raygrad.losses.loss import Loss

if TYPE_CHECKING:
    from torch import Tensor


def uniform_cross_entropy(logits: Tensor) -> Tensor:
    r"""Cross entropy against the uniform distribution (GradNorm, Huang et al. 2021, eq. 4).

    :math:`-\frac{1}{C} \sum_j \log p_j`, whose gradient at the logits is p - 1/C.

    Args:
        logits: Shape (N, C), C >= 2.

    Returns:
        Shape (N,), in the dtype of the logits.

    Raises:
        ValueError: If the logits have another shape.
    """
    require_logits(logits)
    return logits.logsumexp(1) - logits.mean(1)


UNIFORM = Loss(
    uniform_cross_entropy,
    "cross entropy against the uniform distribution (GradNorm, Huang et al. 2021)",
    large=IN,
)
