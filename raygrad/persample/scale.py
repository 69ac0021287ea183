"""Powers of two that bring every sample's gradients near one, and are multiplied back at the end.

Backward is linear in the loss's weights. A confident sample has gradients of 1e-18 whose squares
are 0 in float32, and float16 has lost them long before. A power of two rounds nothing.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from raygrad.persample.graph import Edge, Graph
from raygrad.persample.ownership import Axis
from raygrad.persample.plan import Consumer
from raygrad.persample.positions import arrange

LARGEST_EXPONENT = {torch.float16: 14, torch.bfloat16: 100, torch.float32: 100}


class Start(NamedTuple):
    """Where backward begins, and with what.

    Attributes:
        output: The loss, or the first consumer's output where every path leads through it.
        gradient: What arrives there, weighted.
        edge: That consumer's edge, None if backward begins at the loss.
        weights: Each sample's power of two, shape (N,), in the loss's dtype.
        scale: Their inverses, shape (N,), at least float32.
    """

    output: Any
    gradient: Tensor
    edge: Edge | None
    weights: Tensor
    scale: Tensor


def start_of(
    loss: Tensor, consumer: Consumer | None, graph: Graph | None, retain_graph: bool
) -> Start:
    """Chooses the weights by looking at the gradient that arrives at the first consumer.

    Args:
        loss: Shape (N,).
        consumer: The one nearest to the loss, where the gradient is cheap to have.
        graph: From the loss to the targets.
        retain_graph: Whether the part above the consumer is needed again.
    """
    dtype = torch.promote_types(loss.dtype, torch.float32)
    ones = torch.ones_like(loss)
    plain = Start(loss, ones, None, ones, ones.to(dtype))
    if consumer is None or graph is None or not isinstance(consumer.use.ownership, Axis):
        return plain
    edge, axis = consumer.output, consumer.use.ownership
    single = _only_way(graph, edge)
    arrival = GradientEdge(edge.node, edge.output)
    (gradient,) = torch.autograd.grad(
        [loss], [arrival], [ones], retain_graph=retain_graph or not single, allow_unused=True
    )
    if gradient is None:
        return plain
    own = arrange(gradient, axis, len(loss), axis.dim + 1).flatten(1)
    largest = torch.linalg.vector_norm(own, torch.inf, dim=1).to(dtype)
    exponent = torch.frexp(largest).exponent  # 0 for zeros
    bound = LARGEST_EXPONENT.get(loss.dtype, 1000)
    exponent = torch.where(largest.isfinite(), exponent, 0).clamp(-bound, bound)
    one = torch.ones_like(largest)
    weights, scale = torch.ldexp(one, -exponent).to(loss.dtype), torch.ldexp(one, exponent)
    if not single:
        return Start(loss, weights, None, weights, scale)
    spread = [1] * gradient.ndim
    spread[axis.dim] = -1
    copies = gradient.shape[axis.dim] // (len(loss) * axis.inner)
    along = weights.repeat_interleave(axis.inner).repeat(copies).to(gradient.dtype)
    return Start(arrival, gradient * along.view(spread), edge, weights, scale)


def _only_way(graph: Graph, edge: Edge) -> bool:
    """Whether every path from the loss to a target leads through this edge's node."""
    ends = {target.node for target in graph.targets if target is not None}
    seen, stack = {graph.root.node}, [graph.root.node]
    if graph.root.node is edge.node:
        return True
    while stack:
        node = stack.pop()
        if node in ends:
            return False
        for child in graph.inputs(node):
            if child is not None and child.node is not edge.node and child.node not in seen:
                seen.add(child.node)
                stack.append(child.node)
    return True
