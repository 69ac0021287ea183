"""Metrics that reduce gradients to a few numbers; a drop-in for ``gradient_metrics.metrics``.

A metric is pointed at its targets when it is made, is fed gradients one parameter at a time, and
accumulates over them until :meth:`GradientMetric.reset`. All statistics are kept in at least
float32, merge exactly (Chan et al. 1979 for the variance) and are scaled where powers would
underflow.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from raygrad.persample.statistics import Statistics, Wanted, combined_norm

Target = nn.Module | Tensor
GradTransform = Callable[[Tensor], Tensor]

__all__ = ["GradientMetric", "Max", "Mean", "MeanStd", "Min", "PNorm"]


class GradientMetric:
    """Base of all metrics. A subclass defines ``_collect``, ``_get_metric`` and ``reset``.

    Args:
        target_layers: A module, a tensor that requires grad, or a sequence of them. A module stands
            for all its parameters that require grad; frozen ones are left out. A parameter that is
            reached twice counts twice.
        grad_transform: Applied to each parameter's gradient before the metric sees it; may return
            a tensor of any shape and dtype.

    Raises:
        ValueError: If a target is neither a module nor a tensor, or is a tensor that doesn't
            require grad.
    """

    def __init__(
        self,
        target_layers: Sequence[Target] | Target,
        grad_transform: GradTransform | None = None,
    ) -> None:
        self.target_layers: tuple[Target, ...] = (
            (target_layers,)
            if isinstance(target_layers, nn.Module | Tensor)
            else tuple(target_layers)
        )
        self.grad_transform = grad_transform
        for index, target in enumerate(self.target_layers):
            if not isinstance(target, nn.Module | Tensor):
                raise ValueError(
                    f"{type(self).__name__}: target_layers[{index}] is a "
                    f"{type(target).__name__}; use a torch.nn.Module or a tensor"
                )
        for _ in self.named_target_parameters():
            pass  # refuses frozen tensors now rather than at the first batch

    def named_target_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors whose gradients the metric wants, each with a name for messages.

        Looked up anew at each call, so that freezing and replacing parameters takes effect.

        Yields:
            Name and tensor, in the order of ``target_layers``.

        Raises:
            ValueError: If a tensor that was named itself doesn't require grad.
        """
        for index, target in enumerate(self.target_layers):
            if isinstance(target, nn.Module):
                for name, parameter in target.named_parameters():
                    if parameter.requires_grad:
                        yield f"{type(target).__name__}.{name}", parameter
            elif target.requires_grad:
                yield f"target_layers[{index}] of shape {tuple(target.shape)}", target
            else:
                raise ValueError(
                    f"{type(self).__name__}: target_layers[{index}], a tensor of shape "
                    f"{tuple(target.shape)}, is frozen; call requires_grad_() on it or leave it out"
                )

    @property
    def target_parameters(self) -> list[Tensor]:
        """The tensors whose gradients the metric wants; one that is reached twice stands twice."""
        return [parameter for _, parameter in self.named_target_parameters()]

    def __call__(self, grad: Sequence[Tensor] | Tensor) -> None:
        """Adds one gradient, or each of several, to the metric.

        Args:
            grad: A gradient of any shape, or a sequence of them. Never modified.
        """
        for gradient in [grad] if isinstance(grad, Tensor) else grad:
            detached = gradient.detach()
            if self.grad_transform is not None:
                detached = self.grad_transform(detached)
            self._collect(detached)

    @property
    def data(self) -> Tensor:
        """The metric's current values, shape (dim,)."""
        return self._get_metric().reshape(-1)

    @property
    def wanted(self) -> Wanted | None:
        """The statistics that give this metric; None if it has to see gradients themselves.

        Only the built-in classes know theirs, and only without a transform: a subclass may do
        anything in ``_collect``.
        """
        if self.grad_transform is not None or type(self) not in _FROM_STATISTICS:
            return None
        return self._wanted()

    def from_statistics(self, statistics: Statistics, scale: Tensor) -> Tensor:
        """The values of all samples at a time.

        Args:
            statistics: What ``wanted`` asks for, of gradients divided by ``scale``; tensors of
                shape (N,).
            scale: Shape (N,), greater than 0.

        Returns:
            Shape (N, dim).
        """
        raise NotImplementedError

    def _wanted(self) -> Wanted:
        raise NotImplementedError

    def _collect(self, grad: Tensor) -> None:
        """Adds one transformed gradient to the buffers."""
        raise NotImplementedError

    def _get_metric(self) -> Tensor:
        """Returns the values that the buffers hold."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forgets all gradients seen so far."""
        raise NotImplementedError


def _at_least_float32(grad: Tensor) -> Tensor:
    return grad.flatten().to(torch.promote_types(grad.dtype, torch.float32))


class Max(GradientMetric):
    """The largest gradient entry; -inf before the first."""

    _buffer: Tensor

    def __init__(
        self,
        target_layers: Sequence[Target] | Target,
        grad_transform: GradTransform | None = None,
    ) -> None:
        super().__init__(target_layers, grad_transform)
        self.reset()

    def _collect(self, grad: Tensor) -> None:
        if grad.numel():
            self._buffer = torch.maximum(
                self._buffer.to(grad.device), _at_least_float32(grad).max()
            )

    def _get_metric(self) -> Tensor:
        return self._buffer

    def reset(self) -> None:
        """Sets the maximum to -inf."""
        self._buffer = torch.tensor(float("-inf"))

    def _wanted(self) -> Wanted:
        return Wanted(high=True)

    def from_statistics(self, statistics: Statistics, scale: Tensor) -> Tensor:
        """See :meth:`GradientMetric.from_statistics`."""
        return (_known(statistics.high) * scale)[:, None]


class Min(GradientMetric):
    """The smallest gradient entry; +inf before the first."""

    _buffer: Tensor

    def __init__(
        self,
        target_layers: Sequence[Target] | Target,
        grad_transform: GradTransform | None = None,
    ) -> None:
        super().__init__(target_layers, grad_transform)
        self.reset()

    def _collect(self, grad: Tensor) -> None:
        if grad.numel():
            self._buffer = torch.minimum(
                self._buffer.to(grad.device), _at_least_float32(grad).min()
            )

    def _get_metric(self) -> Tensor:
        return self._buffer

    def reset(self) -> None:
        """Sets the minimum to +inf."""
        self._buffer = torch.tensor(float("inf"))

    def _wanted(self) -> Wanted:
        return Wanted(low=True)

    def from_statistics(self, statistics: Statistics, scale: Tensor) -> Tensor:
        """See :meth:`GradientMetric.from_statistics`."""
        return (_known(statistics.low) * scale)[:, None]


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
        except ValueError:
            self.p = float("nan")
        if not self.p > 0:
            raise ValueError(f"PNorm: p is {p!r}; use a number in (0, inf] or 'inf'")
        self.reset()

    def _collect(self, grad: Tensor) -> None:
        if grad.numel():
            norm = combined_norm(_at_least_float32(grad).abs(), self.p)
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
            entries = _at_least_float32(grad)
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
        return (_known(statistics.total) / statistics.size * scale)[:, None]


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
        self._moments.add(_at_least_float32(grad))

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
        deviation = (_known(statistics.spread) / max(statistics.size - 1, 1)).sqrt() * scale
        std = torch.hypot(deviation, torch.full_like(deviation, self.eps))[:, None]
        if not self.return_mean:
            return std
        mean = _known(statistics.total) / statistics.size * scale
        return torch.cat([mean[:, None], std], dim=1)


def _known(value: Tensor | None) -> Tensor:
    """A statistic that was wanted, and hence is there."""
    assert value is not None
    return value


_FROM_STATISTICS = frozenset({Max, Min, Mean, MeanStd, PNorm})
