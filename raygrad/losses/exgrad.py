"""Labels drawn from the model's own softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.directions import OUT
from raygrad.losses.cross_entropy import cross_entropy, require_logits
from raygrad.losses.loss import Loss

if TYPE_CHECKING:
    from torch import Tensor


def likely_label_cross_entropies(
    logits: Tensor, *, classes: int = 10
) -> list[tuple[Tensor, Tensor]]:
    r"""Cross entropies against the most probable labels, with these labels' probabilities.

    What ExGrad (Igoe et al. 2022, "How useful are gradients for OOD detection really?") takes the
    expectation over: :math:`E_{y \sim p} \lVert \nabla(-\log p_y) \rVert`, approximated by
    :math:`\sum_{y \le k} p_y \lVert \nabla(-\log p_y) \rVert` over the k most probable labels. It
    leaves out the others, whose probability is small but whose gradients are large, so norms come
    out too small; with k = C it is exact. The last layer needs no sum:
    :func:`raygrad.confidence.exgrad`.

    Args:
        logits: Shape (N, C), C >= 2.
        classes: How many labels, k >= 1; where C is smaller, all.

    Returns:
        For each label, the most probable first, its probability and its cross entropy, each of
        shape (N,) in the dtype of the logits. Probabilities have no gradient.

    Raises:
        ValueError: If the logits have another shape, or k is no number of classes.
    """
    require_logits(logits)
    if type(classes) is not int or classes < 1:  # YAML's true is an int, too
        raise ValueError(f"classes: got {classes!r}; use a number of labels such as 10")
    probabilities, labels = logits.detach().softmax(1).topk(min(classes, logits.shape[1]), dim=1)
    return [
        (probabilities[:, place], cross_entropy(logits, labels[:, place]))
        for place in range(labels.shape[1])
    ]


EXGRAD = Loss(
    likely_label_cross_entropies,
    "cross entropy against a label, in expectation over the most probable ones, arguments.classes "
    "of them, 10 by default (ExGrad, Igoe et al. 2022); approximate, one backward a label",
    large=OUT,
    over_labels=True,
)
