"""All classes at once as the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.losses.cross_entropy import require_logits
from raygrad.losses.loss import Loss

if TYPE_CHECKING:
    from torch import Tensor


def confounding_label_cross_entropy(logits: Tensor) -> Tensor:
    r"""Binary cross entropy of the logits against a confounding label, a vector of ones.

    A label that no training sample had (Lee and AlRegib 2020, "Gradients as a measure of
    uncertainty in neural networks"): :math:`-\sum_j \log \sigma(z_j)`, whose gradient at the logits
    is :math:`-\sigma(-z_j)`. It keeps its digits for large logits; the usual form, sigma - 1, is 0
    in float32 from 17 on. The sigmoid is of the logits. pytorch-ood's GradUncertainty takes the
    softmax instead, :math:`-\sum_j \log p_j`, which is C times :func:`uniform_cross_entropy`.

    Args:
        logits: Shape (N, C), C >= 2.

    Returns:
        Shape (N,), in the dtype of the logits.

    Raises:
        ValueError: If the logits have another shape.
    """
    import torch.nn.functional as F

    require_logits(logits)
    return -F.logsigmoid(logits).sum(1)


# No direction: the paper's, that large means unusual, doesn't always hold. With it the last layer's
# norms have AUROC 0.54 to 0.59 on the demo's digits 8 and 9, 0.13 to 0.24 on its photographs.
CONFOUNDING = Loss(
    confounding_label_cross_entropy,
    "binary cross entropy of the logits against all classes at once (Lee and AlRegib 2020)",
    large=None,
)
