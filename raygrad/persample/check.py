"""Scoring a few samples alone, in float64, to see whether the batch gave them the same numbers.

Autograd can't see everything that couples samples: experts with a capacity, a batch scale that is
detached, kernels that differ by batch. Samples that pass through their own forward can.
"""

import copy
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from raygrad.persample.engine import Engine, Target
from raygrad.persample.statistics import Statistics, Wanted

BOUNDS = {torch.float64: 1e-6, torch.float32: 1e-2}
DEFAULT_BOUND = 0.3  # of half precision, which has two or three digits to begin with
CHECKED = Wanted(low=True, high=True, total=True, spread=True, norms=frozenset({1.0, 2.0}))


class Check(NamedTuple):
    """How far samples in their batch are from the same samples alone in float64.

    Attributes:
        errors: For each statistic the largest error, relative to the size of the gradient's
            entries.
        samples: Which samples of the batch were scored alone.
        bound: What is tolerable in the model's precision.
    """

    errors: dict[str, float]
    samples: tuple[int, ...]
    bound: float

    @property
    def error(self) -> float:
        """The largest of all errors; NaN if anything was."""
        values = list(self.errors.values())
        return float("nan") if any(map(math.isnan, values)) else max(values)

    @property
    def passed(self) -> bool:
        """Whether the largest error is within the bound."""
        return self.error <= self.bound


def check(
    model: nn.Module,
    loss: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    samples: int = 3,
    targets: Sequence[Tensor] | None = None,
    bound: float | None = None,
) -> Check:
    """Compares gradients of samples in their batch with those of the samples alone in float64.

    Args:
        model: From a batch to logits. Its float64 copy runs beside it, on the same device.
        loss: From logits to one loss a sample, such as ``raygrad.losses`` has.
        x: A batch, samples along axis 0.
        samples: How many to score alone, spread over the batch.
        targets: Parameters of the model to look at; None for all that require grad.
        bound: The relative error that is tolerable; by default by the parameters' precision.

    Returns:
        The errors. ``passed`` says whether they are tolerable.

    Raises:
        ValueError: If the batch is empty, nothing requires grad, or a target is none of the
            model's parameters.
    """
    if not len(x) or samples < 1:
        raise ValueError(
            f"check: x has {len(x)} samples, {samples} are to be checked; use 1 or more"
        )
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if targets is not None:
        wanted = {id(target) for target in targets}
        named = [(name, p) for name, p in named if id(p) in wanted]
        if len(named) != len(wanted):
            raise ValueError(
                "check: some targets are no parameters of the model that require grad; "
                "name parameters, or leave targets out"
            )
    if not named:
        raise ValueError("check: no parameter requires grad; call requires_grad_() on some")
    chosen = tuple(sorted({i * len(x) // samples for i in range(samples)}))
    with torch.enable_grad():
        together = _statistics(loss(model(x)), [p for _, p in named])
        exact = copy.deepcopy(model).double()
        alone_parameters = dict(exact.named_parameters())
        own = [alone_parameters[name] for name, _ in named]
        worst = dict.fromkeys(("max", "min", "mean", "std", "l1", "l2"), 0.0)
        for sample in chosen:
            one = x[sample : sample + 1]
            one = one.double() if one.is_floating_point() else one
            alone = _statistics(loss(exact(one)), own)
            for name, error in _errors(together, sample, alone).items():
                worst[name] = error if math.isnan(error) else max(worst[name], error)
    usual = BOUNDS.get(named[0][1].dtype, DEFAULT_BOUND)
    return Check(worst, chosen, usual if bound is None else bound)


def _statistics(loss: Tensor, parameters: Sequence[Tensor]) -> tuple[Statistics, Tensor]:
    engine = Engine(loss, [Target(parameter, CHECKED) for parameter in parameters])
    engine.run(retain_graph=False)
    return engine.statistics(0), engine.scale


def _errors(
    batch: tuple[Statistics, Tensor], sample: int, alone: tuple[Statistics, Tensor]
) -> dict[str, float]:
    """Relative errors of one sample: extremes to the larger one, the mean to the mean size."""
    found, exact = _values(batch, sample), _values(alone, 0)
    extreme = max(abs(exact["max"]), abs(exact["min"]))
    sizes = {"max": extreme, "min": extreme, "mean": exact["l1"] / max(batch[0].size, 1)}
    return {
        name: _relative(abs(found[name] - value), sizes.get(name, abs(value)))
        for name, value in exact.items()
    }


def _relative(error: float, size: float) -> float:
    if size == 0:
        return 0.0 if error == 0 else float("inf")
    return error / size


def _values(found: tuple[Statistics, Tensor], sample: int) -> dict[str, float]:
    statistics, scale = found
    factor = float(scale[sample])
    spread = float(_known(statistics.spread)[sample])
    return {
        "max": float(_known(statistics.high)[sample]) * factor,
        "min": float(_known(statistics.low)[sample]) * factor,
        "mean": float(_known(statistics.total)[sample]) / statistics.size * factor,
        "std": (spread / max(statistics.size - 1, 1)) ** 0.5 * factor,
        "l1": float(statistics.norms[1.0][sample]) * factor,
        "l2": float(statistics.norms[2.0][sample]) * factor,
    }


def _known(value: Tensor | None) -> Tensor:
    assert value is not None
    return value
