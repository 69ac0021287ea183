"""The largest relative error of a peer's numbers against float64, one backward a sample."""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.metric_sets import MetricSet, reduce
from raygrad.persample.reference import per_sample_gradients


class Truth:
    """What the metric set is for the first samples of a batch, in float64.

    Args:
        model: The model in float32.
        head: The name of its last layer.
        metric_set: What is computed.
        inputs: The samples, shape (n, ...), n small.
    """

    def __init__(self, model: nn.Module, head: str, metric_set: MetricSet, inputs: Tensor) -> None:
        double = copy.deepcopy(model).double()
        if inputs.is_floating_point():
            inputs = inputs.double()
        targets = metric_set.targets(double, head)
        parameters = [parameter for target in targets for parameter in target]
        values, scales = [], []
        for sample in inputs:
            loss = metric_set.our_loss(double(sample[None]))
            (found,) = per_sample_gradients(loss, parameters)
            gradients = iter(found)
            columns = [
                _judged([next(gradients) for _ in target], metric_set.statistics)
                for target in targets
            ]
            values.append(torch.cat([value for value, _ in columns]))
            scales.append(torch.cat([scale for _, scale in columns]))
        self.values = torch.stack(values)
        self.scales = torch.stack(scales)

    def error(self, found: Tensor) -> float:
        """The largest relative error of metrics of shape (k, dim), in the samples known here."""
        known = min(len(found), len(self.values))
        difference = (found[:known].double() - self.values[:known]).abs() / self.scales[:known]
        return torch.nan_to_num(difference, nan=math.inf).max().item()


def _judged(gradients: Sequence[Tensor | None], statistics: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Statistics of one sample's target, and what their errors are relative to.

    Maximum and minimum are judged by the larger of the two, the mean by the mean of absolute
    values, the others by themselves: a mean near zero is not inexact because it is small.
    """
    batched = [g[None] for g in gradients if g is not None]
    values = reduce(batched, statistics)[0]
    absolute = [g.abs() for g in batched]
    largest = max(g.max().item() for g in absolute)
    mean = reduce(absolute, ["mean"]).item()
    by_name = {"max": largest, "min": largest, "mean": mean}
    scales = [by_name.get(s, v.item()) for s, v in zip(statistics, values, strict=True)]
    return values, torch.tensor(scales, dtype=torch.float64).clamp(min=1e-300)
