"""A given label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.losses.cross_entropy import cross_entropy
from raygrad.losses.loss import Loss

if TYPE_CHECKING:
    from torch import Tensor


def target_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Cross entropy against the true labels, :math:`-\log p_y`.

    As :func:`pseudo_label_cross_entropy`, it keeps its digits where the model is sure of the label.

    Args:
        logits: Shape (N, C), C >= 2.
        labels: Shape (N,), int64, in [0, C).

    Returns:
        Shape (N,), in the dtype of the logits.

    Raises:
        ValueError: If the logits or labels have another shape.
    """
    return cross_entropy(logits, labels)


TARGET = Loss(
    target_cross_entropy,
    "cross entropy against the label in the spec's label column",
    large=None,
    takes_labels=True,
)
