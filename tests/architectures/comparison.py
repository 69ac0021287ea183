"""Compares per-sample statistics of gradients with those of one float64 backward a sample."""

import math

import torch
from torch import Tensor, nn

from raygrad.metrics import GradientMetric, Max, MeanStd, Min, PNorm
from raygrad.persample.reference import per_sample_gradients

NAMES = ("max", "min", "mean", "std", "L1", "L2", "L3", "Linf")


def all_metrics(target: nn.Module | Tensor) -> list[GradientMetric]:
    """The metrics behind ``NAMES``, in their order."""
    return [Max(target), Min(target), MeanStd(target)] + [
        PNorm(target, p=p) for p in (1, 2, 3, "inf")
    ]


def statistics(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers behind ``NAMES``, each by its definition, and what their errors are relative to.

    Args:
        gradient: All entries of one sample's gradient, shape (n,).

    Returns:
        Values and scales, shape (8,) each: max and min are judged by the larger of the two, the
        mean by the mean of absolute values, the others by themselves.
    """
    magnitude = gradient.abs()
    largest = magnitude.max()
    absolute = magnitude.sum()
    norms = [absolute, gradient.norm(2), gradient.norm(3), largest]
    std = gradient.std() if gradient.numel() > 1 else torch.zeros_like(largest)
    values = [gradient.max(), gradient.min(), gradient.mean(), std, *norms]
    scales = [largest, largest, absolute / gradient.numel(), std, *norms]
    return torch.stack(values), torch.stack(scales)


class Reference:
    """Statistics of each sample's gradient by one backward a sample.

    Args:
        model: The model, whose parameters are the targets.
        loss: One loss a sample, shape (N,). Its graph is kept.
        floor: Gradients whose entries stay below this share of the sample's largest entry are
            taken for rounding noise; statistics are never judged more finely.

    Attributes:
        whole, whole_scale: Shape (N, 8), over all parameters.
        each, each_scale: Shape (N, parameters, 8), parameter by parameter.
        reached: Which parameters the loss reaches.
        below_floor: Which of those have a gradient below the floor for all samples.
    """

    def __init__(self, model: nn.Module, loss: Tensor, *, floor: float) -> None:
        parameters = list(model.parameters())
        rows: dict[str, list[Tensor]] = {
            "whole": [], "whole_scale": [], "each": [], "each_scale": [], "tiny": []
        }  # fmt: skip
        for found in per_sample_gradients(loss, parameters, retain_graph=True):
            self.reached = [gradient is not None for gradient in found]
            flat = [
                (torch.zeros_like(p) if g is None else g).flatten()
                for p, g in zip(parameters, found, strict=True)
            ]
            values, scales = statistics(torch.cat(flat))
            rows["whole"].append(values)
            rows["whole_scale"].append(scales)
            least = floor * values[-1]
            each = [statistics(gradient) for gradient in flat]
            rows["each"].append(torch.stack([v for v, _ in each]))
            rows["tiny"].append(torch.stack([v[-1] < least for v, _ in each]))
            rows["each_scale"].append(
                torch.stack(
                    [
                        scale.maximum(least * _sizes(gradient.numel()).to(scale))
                        for gradient, (_, scale) in zip(flat, each, strict=True)
                    ]
                )
            )
        self.whole = torch.stack(rows["whole"])
        self.whole_scale = torch.stack(rows["whole_scale"])
        self.each = torch.stack(rows["each"])
        self.each_scale = torch.stack(rows["each_scale"])
        tiny = torch.stack(rows["tiny"]).all(0).tolist()
        self.below_floor = [r and t for r, t in zip(self.reached, tiny, strict=True)]


def _sizes(entries: int) -> Tensor:
    """What the statistics of ``entries`` ones amount to (std: of entries of size one)."""
    return torch.tensor([1.0, 1.0, 1.0, 1.0, entries, math.sqrt(entries), entries ** (1 / 3), 1.0])


def relative_errors(found: Tensor, expected: Tensor, scale: Tensor) -> Tensor:
    """Absolute errors over scales; infinite where a number is missing or should be 0 and isn't."""
    error = (found.double() - expected.double()).abs() / scale.double()
    error = torch.where(found.double() == expected.double(), torch.zeros_like(error), error)
    return torch.nan_to_num(error, nan=math.inf)
