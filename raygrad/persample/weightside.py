"""From pseudo-parameters back to the parameter: the weight side, differentiated in chunks."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from raygrad.persample.gradient import PerSampleGradient, widened
from raygrad.persample.graph import Edge, Shape, dtype_of, shape_of


class PulledBack(PerSampleGradient):
    """A parameter's gradient: the sum over all of its uses, each pulled back.

    Args:
        parts: For each use the tensor that the op consumes, and that tensor's gradient.
        target: The parameter's edge.
        shape: The parameter's shape.
    """

    how = "tiles, pulled back"

    def __init__(
        self, parts: Sequence[tuple[Edge, PerSampleGradient]], target: Edge, shape: Shape
    ) -> None:
        self.parts = parts
        self.target = target
        self.samples = parts[0][1].samples
        self.shape = shape

    def held(self) -> list[Tensor]:
        """What the uses hold."""
        return [tensor for _, gradient in self.parts for tensor in gradient.held()]

    def dense(self, lo: int, hi: int) -> Tensor:
        """Materialises every use, sums those of one tensor, and pulls the sums back."""
        by_source: dict[Edge, Tensor] = {}
        for source, gradient in self.parts:
            values = gradient.dense(lo, hi)
            known = by_source.get(source)
            by_source[source] = values if known is None else known + values
        result = by_source.pop(self.target, None)
        if by_source:
            pulled = _pull_back(by_source, self.target)
            result = widened(pulled) if result is None else result + pulled
        assert result is not None
        return result.reshape(hi - lo, *self.shape)


def _pull_back(by_source: dict[Edge, Tensor], target: Edge) -> Tensor:
    """Vector-Jacobian products of the weight side, for all samples of a chunk at a time."""
    sources = [GradientEdge(edge.node, edge.output) for edge in by_source]
    gradients = [
        values.reshape(len(values), *shape_of(edge)).to(dtype_of(edge))
        for edge, values in by_source.items()
    ]
    wanted = GradientEdge(target.node, target.output)
    try:
        (pulled,) = torch.autograd.grad(
            sources, [wanted], gradients, retain_graph=True, is_grads_batched=True
        )
    except RuntimeError:  # an op that vmap can't batch
        pulled = torch.stack(
            [
                torch.autograd.grad(sources, [wanted], list(one), retain_graph=True)[0]
                for one in zip(*gradients, strict=True)
            ]
        )
    result: Tensor = pulled
    return result
