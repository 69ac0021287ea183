"""What all metrics share: their targets, and how gradients come to them."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from raygrad.persample.statistics import Statistics, Wanted

Target = nn.Module | Tensor
GradTransform = Callable[[Tensor], Tensor]


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

        Only a class that says so itself is computed from statistics, and only without a
        transform: a subclass may do anything in ``_collect``.
        """
        if self.grad_transform is not None or "_wanted" not in vars(type(self)):
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


def at_least_float32(grad: Tensor) -> Tensor:
    """A gradient's entries, shape (n,); those in half precision as float32."""
    return grad.flatten().to(torch.promote_types(grad.dtype, torch.float32))


def known(value: Tensor | None) -> Tensor:
    """A statistic that was wanted, and hence is there."""
    assert value is not None
    return value
