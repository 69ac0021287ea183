"""Per-sample gradients by one backward a sample: slow, right on every model, the oracle."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def per_sample_gradients(
    loss: Tensor, targets: Sequence[Tensor], *, retain_graph: bool = False
) -> Iterator[list[Tensor | None]]:
    """Differentiates one sample's loss after the other with respect to all targets.

    Costs a backward over the whole batch for every sample: N times a training step.

    Args:
        loss: One loss a sample, shape (N,), attached to its graph.
        targets: Tensors that require grad.
        retain_graph: Whether the graph survives the last sample.

    Yields:
        For each sample one gradient a target, in the target's shape and dtype; None where no path
        leads from the loss to the target.
    """
    if not targets:
        yield from ([] for _ in range(len(loss)))
        return
    for sample in range(len(loss)):
        selector = torch.zeros_like(loss)
        selector[sample] = 1
        last = sample == len(loss) - 1
        yield list(
            torch.autograd.grad(
                loss,
                targets,
                grad_outputs=selector,
                retain_graph=retain_graph or not last,
                allow_unused=True,
            )
        )
