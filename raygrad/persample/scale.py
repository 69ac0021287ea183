"""Powers of two that bring every sample's gradients near one, and are divided out at the end.

Backward is linear in the loss's weights. A confident sample has gradients of 1e-18 whose squares
are 0 in float32, and float16 has lost them long before. Scaled by a power of two nothing is rounded.
"""

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from raygrad.persample.plan import Consumer
from raygrad.persample.positions import Axis, arrange

LARGEST_EXPONENT = {torch.float16: 14, torch.bfloat16: 100, torch.float32: 100}


def sample_weights(loss: Tensor, consumer: Consumer | None) -> tuple[Tensor, Tensor]:
    """Chooses the weights by looking at the gradient that arrives at the first consumer.

    Args:
        loss: Shape (N,).
        consumer: The one nearest to the loss, where the gradient is cheap to have.

    Returns:
        The weights in the loss's dtype, and what to multiply results by, at least float32; both
        of shape (N,).
    """
    dtype = torch.promote_types(loss.dtype, torch.float32)
    ones = torch.ones_like(loss)
    if consumer is None or not isinstance(consumer.use.ownership, Axis):
        return ones, ones.to(dtype)
    edge, ownership = consumer.output, consumer.use.ownership
    (gradient,) = torch.autograd.grad(
        [loss],
        [GradientEdge(edge.node, edge.output)],
        [ones],
        retain_graph=True,
        allow_unused=True,
    )
    if gradient is None:
        return ones, ones.to(dtype)
    own = arrange(gradient, ownership, len(loss), ownership.dim + 1).flatten(1)
    largest = torch.maximum(own.amax(1), own.amin(1).neg()).to(dtype)
    usable = largest.isfinite() & (largest > 0)
    exponent = torch.frexp(torch.where(usable, largest, torch.ones_like(largest))).exponent
    bound = LARGEST_EXPONENT.get(loss.dtype, 1000)
    exponent = exponent.clamp(-bound, bound)
    one = torch.ones_like(largest)
    return torch.ldexp(one, -exponent).to(loss.dtype), torch.ldexp(one, exponent)
