"""What is measured: a training step, raygrad, and other ways to the same numbers.

``PEERS`` maps a name to a :class:`Peer`. A peer that can't handle a net says so when it is
prepared or run; nobody's abilities are assumed here.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks import others
from benchmarks.metric_sets import MetricSet, Target, freeze_the_rest, metrics, reduce


@dataclass(frozen=True)
class Outcome:
    """One measurement.

    Args:
        metrics: Shape (k, dim), of the samples that were computed; None for a baseline.
        seconds: For the whole batch, extrapolated if k is less than its size.
        samples: k.
    """

    metrics: Tensor | None
    seconds: float
    samples: int


Run = Callable[[Tensor, int], Outcome]


@dataclass(frozen=True)
class Peer:
    """One row of the table.

    Args:
        title: As the table shows it.
        prepare: From a model, the targets and the metric set to what runs a batch.
        shrinks: Whether it may be measured on fewer samples than the batch has.
        keeps_gradients: Whether it holds each sample's gradient of each target at once.
        baseline: Whether it computes no metrics.
    """

    title: str
    prepare: Callable[[nn.Module, list[Target], MetricSet], Run]
    shrinks: bool = False
    keeps_gradients: bool = False
    baseline: bool = False


def _linear(step: Callable[[Tensor], Tensor | None]) -> Run:
    """For a peer whose time is proportional to the samples: the first k are computed."""

    def run(inputs: Tensor, samples: int) -> Outcome:
        start = time.perf_counter()
        found = step(inputs[:samples])
        seconds = time.perf_counter() - start
        return Outcome(found, seconds * len(inputs) / samples, samples)

    return run


def _forward(model: nn.Module, targets: list[Target], metric_set: MetricSet) -> Run:
    @torch.no_grad()
    def step(inputs: Tensor) -> None:
        model(inputs)

    return _linear(step)


def _training_step(model: nn.Module, targets: list[Target], metric_set: MetricSet) -> Run:
    def step(inputs: Tensor) -> None:
        model.zero_grad(set_to_none=True)
        metric_set.loss(model(inputs)).sum().backward()

    return _linear(step)


def _ours(model: nn.Module, targets: list[Target], metric_set: MetricSet) -> Run:
    import raygrad.metrics
    from raygrad import GradientMetricCollector

    freeze_the_rest(model, targets)
    collector = GradientMetricCollector(metrics(raygrad.metrics, targets, metric_set.statistics))
    return _linear(lambda inputs: collector(metric_set.our_loss(model(inputs))))


def _reference(model: nn.Module, targets: list[Target], metric_set: MetricSet) -> Run:
    """A forward and a backward of its own for each sample."""
    freeze_the_rest(model, targets)
    parameters = [parameter for target in targets for parameter in target]

    def one(sample: Tensor) -> Tensor:
        loss = metric_set.loss(model(sample[None]))
        found = iter(torch.autograd.grad(loss.sum(), parameters))
        groups = [[next(found)[None] for _ in target] for target in targets]
        return torch.cat([reduce(group, metric_set.statistics) for group in groups], 1)

    return _linear(lambda inputs: torch.cat([one(sample) for sample in inputs]))


def _gradient_metrics(model: nn.Module, targets: list[Target], metric_set: MetricSet) -> Run:
    """As its README shows: one forward over the batch, then the collector on the losses.

    Each sample costs a backward over the whole batch, so with fewer samples the forward counts
    once and only the collector's time is extrapolated.
    """
    import gradient_metrics.metrics

    freeze_the_rest(model, targets)
    collector = gradient_metrics.GradientMetricCollector(
        metrics(gradient_metrics.metrics, targets, metric_set.statistics)
    )

    def run(inputs: Tensor, samples: int) -> Outcome:
        start = time.perf_counter()
        loss = metric_set.loss(model(inputs))
        forward = time.perf_counter() - start
        start = time.perf_counter()
        found = collector(loss[:samples])
        seconds = (time.perf_counter() - start) * len(inputs) / samples
        return Outcome(found, forward + seconds, samples)

    return run


def _from(make: others.Maker) -> Callable[[nn.Module, list[Target], MetricSet], Run]:
    def prepare(model: nn.Module, targets: list[Target], metric_set: MetricSet) -> Run:
        freeze_the_rest(model, targets)
        return _linear(make(model, targets, metric_set))

    return prepare


PEERS = {
    "forward": Peer("forward", _forward, baseline=True),
    "training": Peer("training step", _training_step, baseline=True),
    "ours": Peer("raygrad", _ours),
    "reference": Peer("one backward a sample, batch 1", _reference, shrinks=True),
    "gradient_metrics": Peer("gradient_metrics 0.5.0", _gradient_metrics, shrinks=True),
    "vmap": Peer("torch.func vmap(grad)", _from(others.vmap), True, keeps_gradients=True),
    "opacus": Peer("Opacus", _from(others.opacus), True, keeps_gradients=True),
    "backpack": Peer("BackPACK", _from(others.backpack), True, keeps_gradients=True),
}
