"""The largest and the smallest entry."""

from collections.abc import Sequence

import torch
from torch import Tensor

from raygrad.metrics.base import GradientMetric, GradTransform, Target, at_least_float32, known
from raygrad.persample.statistics import Statistics, Wanted


class _Extreme(GradientMetric):
    """One entry that is kept, from a start value on."""

    _start: float
    _buffer: Tensor

    def __init__(
        self,
        target_layers: Sequence[Target] | Target,
        grad_transform: GradTransform | None = None,
    ) -> None:
        super().__init__(target_layers, grad_transform)
        self.reset()

    def _get_metric(self) -> Tensor:
        return self._buffer

    def reset(self) -> None:
        """Forgets all gradients seen so far."""
        self._buffer = torch.tensor(self._start)


class Max(_Extreme):
    """The largest gradient entry; -inf before the first."""

    _start = float("-inf")

    def _collect(self, grad: Tensor) -> None:
        if grad.numel():
            self._buffer = torch.maximum(self._buffer.to(grad.device), at_least_float32(grad).max())

    def _wanted(self) -> Wanted:
        return Wanted(high=True)

    def from_statistics(self, statistics: Statistics, scale: Tensor) -> Tensor:
        """See :meth:`GradientMetric.from_statistics`."""
        return (known(statistics.high) * scale)[:, None]


class Min(_Extreme):
    """The smallest gradient entry; +inf before the first."""

    _start = float("inf")

    def _collect(self, grad: Tensor) -> None:
        if grad.numel():
            self._buffer = torch.minimum(self._buffer.to(grad.device), at_least_float32(grad).min())

    def _wanted(self) -> Wanted:
        return Wanted(low=True)

    def from_statistics(self, statistics: Statistics, scale: Tensor) -> Tensor:
        """See :meth:`GradientMetric.from_statistics`."""
        return (known(statistics.low) * scale)[:, None]
