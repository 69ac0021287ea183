"""The softmax and its complement, both with all their digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def log_probabilities(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithms of p and of 1 - p, p being the softmax.

    The complement of the largest p is the sum of the others: 1 - p itself is 0 in float32 from a
    logit gap of 17 on, where it should be 4e-8.

    Args:
        logits: Shape (N, C), C >= 2.

    Returns:
        Two tensors of the shape and dtype of the logits.
    """
    import torch

    p = logits.log_softmax(1)
    top = logits.argmax(1, keepdim=True) == torch.arange(logits.shape[1], device=logits.device)
    others = p.masked_fill(top, float("-inf")).logsumexp(1, keepdim=True)
    return p, torch.where(top, others, torch.log1p(-p.exp()))
