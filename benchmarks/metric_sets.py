"""What is computed: which statistics of which parameters' gradients, of which loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raygrad.losses import pseudo_label_cross_entropy, uniform_cross_entropy

Target = list[nn.Parameter]
ALL = ("max", "min", "mean", "std", "L1", "L2")


@dataclass(frozen=True)
class MetricSet:
    """A metric set.

    Args:
        targets: From a model and its head's name to groups of parameters; each group gives one
            number a statistic.
        statistics: Names from ``ALL``, in its order; mean and std come together.
        loss: From logits (N, C) to one loss a sample (N,), as everybody writes it.
        our_loss: The same in raygrad.losses, whose gradients keep more digits.
    """

    targets: Callable[[nn.Module, str], list[Target]]
    statistics: tuple[str, ...]
    loss: Callable[[Tensor], Tensor]
    our_loss: Callable[[Tensor], Tensor]


def _pseudo_label(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits, logits.detach().argmax(1), reduction="none")


def _uniform(logits: Tensor) -> Tensor:
    return F.log_softmax(logits, 1).mean(1).neg()


def _whole(model: nn.Module, head: str) -> list[Target]:
    return [list(model.parameters())]


def _per_layer(model: nn.Module, head: str) -> list[Target]:
    own = [list(module.parameters(recurse=False)) for module in model.modules()]
    return [parameters for parameters in own if parameters]


def _head(model: nn.Module, head: str) -> list[Target]:
    return [list(model.get_submodule(head).parameters())]


METRIC_SETS = {
    "all": MetricSet(_whole, ALL, _pseudo_label, pseudo_label_cross_entropy),
    "per-layer": MetricSet(_per_layer, ALL, _pseudo_label, pseudo_label_cross_entropy),
    "mean-std-L2": MetricSet(
        _whole, ("mean", "std", "L2"), _pseudo_label, pseudo_label_cross_entropy
    ),
    "L2": MetricSet(_whole, ("L2",), _pseudo_label, pseudo_label_cross_entropy),
    "last-layer-L1": MetricSet(_head, ("L1",), _uniform, uniform_cross_entropy),
}


def freeze_the_rest(model: nn.Module, targets: Sequence[Target]) -> None:
    """Freezes what is no target, as anybody would do who wants the last layer alone."""
    wanted = {id(parameter) for target in targets for parameter in target}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in wanted)


def metrics(package: ModuleType, targets: Sequence[Target], statistics: Sequence[str]) -> list[Any]:
    """The set in the metrics of raygrad or gradient_metrics, whose names are the same."""
    makers: dict[str, Callable[[Target], Any]] = {
        "max": package.Max,
        "min": package.Min,
        "mean": package.MeanStd,
        "L1": package.PNorm,
        "L2": lambda target: package.PNorm(target, p=2),
    }
    return [makers[s](target) for target in targets for s in statistics if s in makers]


def reduce(gradients: Sequence[Tensor], statistics: Sequence[str]) -> Tensor:
    """The statistics from per-sample gradients, as a user of per-sample gradients writes it.

    Each parameter is reduced by itself, so that no copy of all gradients is made.

    Args:
        gradients: One tensor a parameter, shape (N, ...).
        statistics: Names from ``ALL``.

    Returns:
        Shape (N, len(statistics)).
    """
    flat = [gradient.flatten(1) for gradient in gradients]
    columns = []
    if "mean" in statistics:
        count = sum(g.shape[1] for g in flat)
        mean = sum(g.sum(1) for g in flat) / count
    for statistic in statistics:
        if statistic == "max":
            column = torch.stack([g.amax(1) for g in flat]).amax(0)
        elif statistic == "min":
            column = torch.stack([g.amin(1) for g in flat]).amin(0)
        elif statistic == "mean":
            column = mean
        elif statistic == "std":
            squares = sum((g - mean[:, None]).square().sum(1) for g in flat)
            column = (squares / (count - 1)).sqrt()
        elif statistic == "L1":
            column = sum(g.abs().sum(1) for g in flat)
        else:
            column = torch.stack([g.norm(dim=1) for g in flat]).norm(dim=0)
        columns.append(column)
    return torch.stack(columns, 1)
