"""The collector: a loss of shape (N,) goes in, metrics of shape (N, dim) come out."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from raygrad.errors import UnreachedParameterError
from raygrad.metrics import GradientMetric
from raygrad.persample.reference import per_sample_gradients

__all__ = ["GradientMetricCollector"]


class GradientMetricCollector:
    """Computes gradient metrics sample by sample; a drop-in for that of ``gradient_metrics``.

    A parameter that the loss doesn't reach has gradient zero, which counts as such in every metric.

    Args:
        metrics: A metric or a list of them.
        strict: Whether a target that the loss doesn't reach is an error.

    Raises:
        ValueError: If ``metrics`` is an empty list, or neither a metric nor a list of metrics.
    """

    def __init__(
        self, metrics: list[GradientMetric] | GradientMetric, *, strict: bool = False
    ) -> None:
        listed: object = [metrics] if isinstance(metrics, GradientMetric) else metrics
        if not isinstance(listed, list) or not listed:
            found = "an empty list" if listed == [] else f"a {type(metrics).__name__}"
            raise ValueError(f"metrics is {found}; use a GradientMetric or a list of them")
        self._metrics: list[GradientMetric] = listed
        for index, metric in enumerate(self._metrics):
            if not isinstance(metric, GradientMetric):
                raise ValueError(
                    f"metrics[{index}] is a {type(metric).__name__}; use a GradientMetric"
                )
        self.strict = strict

    def __call__(self, loss: Tensor, retain_graph: bool = False) -> Tensor:
        """Computes each sample's metrics.

        Args:
            loss: One loss a sample, shape (N,), that requires grad.
            retain_graph: Whether the graph can be used again afterwards.

        Returns:
            Shape (N, dim), on the loss's device, float32 (float64 where gradients are); the
            metrics' columns in the order of ``metrics``.

        Raises:
            ValueError: If the loss has another shape or doesn't require grad, or if a tensor that
                a metric names as its target is frozen.
            UnreachedParameterError: With ``strict=True``, if the loss doesn't reach a target.
        """
        if loss.ndim != 1:
            raise ValueError(
                f"loss has shape {tuple(loss.shape)}; use one loss a sample, shape (N,), "
                "as reduction='none' gives it"
            )
        if not loss.requires_grad:
            raise ValueError(
                "loss doesn't require grad; compute it with grad enabled, from a model whose "
                "target parameters require grad"
            )
        targets = [metric.target_parameters for metric in self._metrics]
        for metric, parameters in zip(self._metrics, targets, strict=True):
            if not parameters:
                warnings.warn(
                    f"{type(metric).__name__} has no parameter that requires grad; "
                    "its column holds the metric's start value",
                    stacklevel=2,
                )
        unique = list({id(p): p for parameters in targets for p in parameters}.values())
        self.reset()
        rows = []
        for gradients in per_sample_gradients(loss, unique, retain_graph=retain_graph):
            if self.strict:
                self._refuse_unreached(unique, gradients)
            by_target = {
                id(parameter): torch.zeros_like(parameter) if gradient is None else gradient
                for parameter, gradient in zip(unique, gradients, strict=True)
            }
            for metric, parameters in zip(self._metrics, targets, strict=True):
                for parameter in parameters:
                    metric(by_target[id(parameter)])
            rows.append(torch.cat([metric.data.to(loss.device) for metric in self._metrics]))
            self.reset()
        return torch.stack(rows) if rows else torch.empty((0, self.dim), device=loss.device)

    def reset(self) -> None:
        """Resets every metric."""
        for metric in self._metrics:
            metric.reset()

    @property
    def data(self) -> Tensor:
        """The metrics' current values, concatenated, shape (dim,)."""
        return torch.cat([metric.data for metric in self._metrics])

    @property
    def dim(self) -> int:
        """How many numbers the metrics give for one sample."""
        return len(self.data)

    def _refuse_unreached(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]
    ) -> None:
        unreached = {
            id(parameter)
            for parameter, gradient in zip(parameters, gradients, strict=True)
            if gradient is None
        }
        if unreached:
            names = dict.fromkeys(
                name
                for metric in self._metrics
                for name, parameter in metric.named_target_parameters()
                if id(parameter) in unreached
            )
            raise UnreachedParameterError(
                f"the loss doesn't reach {', '.join(names)}; leave them out of the targets, or "
                "set strict=False to count their gradients as zeros"
            )
