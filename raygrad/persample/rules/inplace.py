"""Tensors written into a part of the activations: ``x[:, :1] += token``.

Autograd hides which in-place op did it, so the node itself is asked, once a sample: with an output
gradient that is zero but for the sample's own slices. That is a small op run N times, not the net.
"""

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from raygrad.persample.gradient import Dense, PerSampleGradient
from raygrad.persample.ownership import Axis
from raygrad.persample.rules.rule import Rule, Use

LARGEST = 2**24  # entries of all samples' gradients together


def copy_slices(use: Use, grad: Tensor) -> PerSampleGradient:
    """The value that is written: vector-Jacobian products of this one node."""
    source, output = use.node.next_functions[use.input]
    found = [
        torch.autograd.grad(
            [GradientEdge(use.node, 0)],
            [GradientEdge(source, output)],
            [grad.masked_fill(~_own(use, grad, sample), 0)],
            retain_graph=True,
        )[0]
        for sample in range(use.samples)
    ]
    return Dense(torch.stack(found))


def _own(use: Use, grad: Tensor, sample: int) -> Tensor:
    """Which entries belong to a sample, in a shape that broadcasts to the gradient's."""
    if not isinstance(use.ownership, Axis):
        return (use.ownership.owner == sample).unsqueeze(-1)
    dim, inner = use.ownership
    place = torch.arange(grad.shape[dim], device=grad.device) // inner % use.samples
    return (place == sample).view([-1 if axis == dim else 1 for axis in range(grad.ndim)])


def _refuses(use: Use) -> str | None:
    entries = use.samples
    for size in use.shape:
        entries *= size
    if entries > LARGEST:
        return "the gradients of all samples are too many to be there at a time"
    return None


COPY_SLICES = {1: Rule(copy_slices, _refuses)}
