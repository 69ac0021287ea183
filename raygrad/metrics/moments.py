"""Mean and standard deviation."""

from collections.abc import Sequence

import torch
from torch import Tensor

from raygrad.metrics.base import GradientMetric, GradTransform, Target, at_least_float32, known
from raygrad.persample.statistics import Statistics, Wanted


class _Moments:
    """Count, mean and sum of squared deviations, merged as in Chan et al. 1979 (eq. 2.1)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.tensor(0.0)
        self.m2 = torch.tensor(0.0)

    def add(self, entries: Tensor) -> None:
        """Adds entries of shape (n,), in at least float32."""
        count = entries.numel()
        if not count:
            return
        mean = entries.mean()
        delta = mean - self.mean.to(mean)
        total = self.count + count
        self.m2 = (
            self.m2.to(mean)
            + (entries - mean).square().sum()
            + delta.square() * (self.count * count / total)
        )
        self.mean = self.mean.to(mean) + delta * (count / total)
        self.count = total


class Mean(GradientMetric):
    """The mean over all gradient entries; 0 before the first."""

    _mean: Tensor
    _count: int

    def __init__(
        self,
        target_layers: Sequence[Target] | Target,
        grad_transform: GradTransform | None = None,
    ) -> None:
        super().__init__(target_layers, grad_transform)
        self.reset()

    def _collect(self, grad: Tensor) -> None:
        if count := grad.numel():
            entries = at_least_float32(grad)
            mean = self._mean.to(entries)
            self._count += count
            self._mean = mean + (entries.mean() - mean) * (count / self._count)

    def _get_metric(self) -> Tensor:
        return self._mean

    def reset(self) -> None:
        """Sets the mean and the count to 0."""
        self._mean = torch.tensor(0.0)
        self._count = 0

    def _wanted(self) -> Wanted:
        return Wanted(total=True)

    def from_statistics(self, statistics: Statistics, scale: Tensor) -> Tensor:
        """See :meth:`GradientMetric.from_statistics`."""
        return (known(statistics.total) / statistics.size * scale)[:, None]


class MeanStd(GradientMetric):
    """Mean and unbiased standard deviation over all gradient entries, in this order.

    The standard deviation is sqrt(variance + eps^2); of a single entry it is eps.

    Args:
        target_layers: See :class:`GradientMetric`.
        grad_transform: See :class:`GradientMetric`.
        return_mean: Whether the mean stands before the standard deviation.
        eps: Lower bound of the standard deviation.

    Raises:
        ValueError: If eps is not greater than 0.
    """

    _moments: "_Moments"

    def __init__(
        self,
        target_layers: Sequence[Target] | Target,
        grad_transform: GradTransform | None = None,
        return_mean: bool = True,
        eps: float = 1e-16,
    ) -> None:
        super().__init__(target_layers, grad_transform)
        if not eps > 0:
            raise ValueError(f"MeanStd: eps is {eps!r}; use a number greater than 0")
        self.return_mean = return_mean
        self.eps = eps
        self.reset()

    def _collect(self, grad: Tensor) -> None:
        self._moments.add(at_least_float32(grad))

    def _get_metric(self) -> Tensor:
        moments = self._moments
        variance = moments.m2 / max(moments.count - 1, 1)
        # eps^2 = 1e-32 is a float32 number, but its square root needs the hypotenuse's care
        std = torch.hypot(variance.sqrt(), torch.full_like(variance, self.eps))
        return torch.stack([moments.mean, std]) if self.return_mean else std

    def reset(self) -> None:
        """Forgets all gradients seen so far."""
        self._moments = _Moments()

    def _wanted(self) -> Wanted:
        return Wanted(total=self.return_mean, spread=True)

    def from_statistics(self, statistics: Statistics, scale: Tensor) -> Tensor:
        """See :meth:`GradientMetric.from_statistics`."""
        deviation = (known(statistics.spread) / max(statistics.size - 1, 1)).sqrt() * scale
        std = torch.hypot(deviation, torch.full_like(deviation, self.eps))[:, None]
        if not self.return_mean:
            return std
        mean = known(statistics.total) / statistics.size * scale
        return torch.cat([mean[:, None], std], dim=1)
