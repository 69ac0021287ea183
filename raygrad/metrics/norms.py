"""p-norms."""

from collections.abc import Sequence

import torch
from torch import Tensor

from raygrad.metrics.base import GradientMetric, GradTransform, Target, at_least_float32
from raygrad.persample.statistics import Statistics, Wanted, combined_norm


class PNorm(GradientMetric):
    r"""The p-norm over all gradient entries, :math:`(\sum_i |g_i|^p)^{1/p}`.

    Args:
        target_layers: See :class:`GradientMetric`.
        grad_transform: See :class:`GradientMetric`.
        p: In (0, inf]; ``float("inf")`` or ``"inf"`` gives the largest absolute entry.

    Raises:
        ValueError: If p is outside of (0, inf].
    """

    _buffer: Tensor

    def __init__(
        self,
        target_layers: Sequence[Target] | Target,
        grad_transform: GradTransform | None = None,
        p: float | str = 1.0,
    ) -> None:
        super().__init__(target_layers, grad_transform)
        try:
            self.p = float(p)
        except (TypeError, ValueError):
            self.p = float("nan")
        if not self.p > 0:
            raise ValueError(f"PNorm: p is {p!r}; use a number in (0, inf] or 'inf'")
        self.reset()

    def _collect(self, grad: Tensor) -> None:
        if grad.numel():
            norm = combined_norm(at_least_float32(grad).abs(), self.p)
            self._buffer = combined_norm(torch.stack([self._buffer.to(norm), norm]), self.p)

    def _get_metric(self) -> Tensor:
        return self._buffer

    def reset(self) -> None:
        """Sets the norm to 0."""
        self._buffer = torch.tensor(0.0)

    def _wanted(self) -> Wanted:
        return Wanted(norms=frozenset({self.p}))

    def from_statistics(self, statistics: Statistics, scale: Tensor) -> Tensor:
        """See :meth:`GradientMetric.from_statistics`."""
        return (statistics.norms[self.p] * scale)[:, None]
