"""The collector: a loss of shape (N,) goes in, metrics of shape (N, dim) come out."""

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from raygrad.errors import SamplesInteractError, UnreachedParameterError
from raygrad.metrics import GradientMetric
from raygrad.persample.engine import Engine, Target
from raygrad.persample.explanation import Explanation, explanation_of, synchronise
from raygrad.persample.reduction import Scratch
from raygrad.persample.statistics import Wanted, merge

__all__ = ["GradientMetricCollector", "explain"]

OnInteraction = Literal["reference", "raise", "nan"]


class GradientMetricCollector:
    """Computes gradient metrics sample by sample; a drop-in for that of ``gradient_metrics``.

    One call costs one to two training steps. The built-in metrics are computed from statistics of
    the gradients, which are never there as a whole; user metrics and ``grad_transform`` see them
    a few samples at a time. Where the engine has no rule for an op, the parameters concerned are
    differentiated sample by sample, and a warning says so once; ``raygrad.explain`` says more.

    A parameter that the loss doesn't reach has gradient zero, which counts as such in every metric.

    Args:
        metrics: A metric or a list of them.
        strict: Whether a target that the loss doesn't reach is an error.
        on_interaction: What to do with targets for which samples of the batch mix, as in batch norm
            in train mode. "reference" differentiates each sample's loss through the whole batch,
            as gradient_metrics did, with a warning; "raise" raises; "nan" gives NaN in the columns
            of metrics with such targets. What was done to the data before a layer saw it, as in
            ``lin(x - x.mean(0))``, leaves no trace here: :func:`raygrad.check` finds it.
        memory_bytes: Bound in bytes for gradients that are there at a time; None chooses by device.
        count_other_samples: Only for targets that are no parameters, such as activations: their
            gradient with respect to one sample's loss is zero in the slices of the others. False
            leaves these zeros out, True counts them, as gradient_metrics did.

    Raises:
        ValueError: If ``metrics`` is an empty list, or neither a metric nor a list of metrics, or
            an option has another value than these.
    """

    def __init__(
        self,
        metrics: list[GradientMetric] | GradientMetric,
        *,
        strict: bool = False,
        on_interaction: OnInteraction = "reference",
        memory_bytes: int | None = None,
        count_other_samples: bool = False,
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
        if on_interaction not in ("reference", "raise", "nan"):
            raise ValueError(
                f"on_interaction is {on_interaction!r}; use 'reference', 'raise' or 'nan'"
            )
        if memory_bytes is not None and memory_bytes <= 0:
            raise ValueError(f"memory_bytes is {memory_bytes}; use a number greater than 0 or None")
        self.strict = strict
        self.on_interaction = on_interaction
        self.memory_bytes = memory_bytes
        self.count_other_samples = count_other_samples
        self._warned: set[str] = set()
        self._scratch = Scratch()

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
            SamplesInteractError: With ``on_interaction="raise"``, if samples mix.
            RefusedModelError: If the model can't be differentiated at all.
        """
        return self._run(loss, retain_graph)[0]

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

    def _run(
        self, loss: Tensor, retain_graph: bool, clock: Callable[[], float] | None = None
    ) -> tuple[Tensor, Engine, list[str]]:
        """The metrics, the engine that found them, and a name for each of its targets."""
        self._require_loss(loss)
        targets, names = self._targets()
        position = {key: index for index, key in enumerate(names)}
        places = [[position[id(tensor)] for tensor in own] for own in targets]
        tensors = {id(tensor): tensor for own in targets for tensor in own}
        engine = Engine(
            loss,
            self._wishes([tensors[key] for key in names], places),
            memory_bytes=self.memory_bytes,
            count_other_samples=self.count_other_samples,
            scratch=self._scratch,
            clock=clock,
        )
        labels = list(names.values())
        interacting = self._judge(engine, labels)
        self.reset()
        if len(loss) == 0:
            return torch.empty((0, self.dim), device=loss.device), engine, labels
        engine.run(retain_graph, skip=interacting if self.on_interaction == "nan" else frozenset())
        columns = self._columns(engine, places)
        if self.on_interaction == "nan":
            for index, own in enumerate(places):
                if interacting.intersection(own):
                    columns[index] = torch.full_like(columns[index], float("nan"))
        return torch.cat([column.to(loss.device) for column in columns], dim=1), engine, labels

    @staticmethod
    def _require_loss(loss: Tensor) -> None:
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

    def _targets(self) -> tuple[list[list[Tensor]], dict[int, str]]:
        """Each metric's tensors, and a name for every tensor by its id."""
        looked_up: dict[tuple[int, ...], list[Tensor]] = {}
        names: dict[int, str] = {}
        targets = []
        for metric in self._metrics:
            key = tuple(map(id, metric.target_layers))
            if key not in looked_up:
                named = list(metric.named_target_parameters())
                looked_up[key] = [tensor for _, tensor in named]
                for name, tensor in named:
                    names.setdefault(id(tensor), name)
            targets.append(looked_up[key])
            if not looked_up[key]:
                warnings.warn(
                    f"{type(metric).__name__} has no parameter that requires grad; "
                    "its column holds the metric's start value",
                    stacklevel=4,
                )
        return targets, names

    def _wishes(self, tensors: Sequence[Tensor], places: Sequence[Sequence[int]]) -> list[Target]:
        """What the metrics together want of each tensor.

        Tensors that the same metrics want, equally often, make a group, which is reduced as one.
        """
        members: list[list[int]] = [[] for _ in tensors]
        for number, own in enumerate(places):
            for index in own:
                members[index].append(number)
        wishes = [metric.wanted for metric in self._metrics]
        groups: dict[tuple[int, ...], tuple[Wanted, bool, int]] = {}
        targets = []
        for tensor, numbers in zip(tensors, members, strict=True):
            key = tuple(numbers)
            if key not in groups:
                wanted = Wanted()
                for number in dict.fromkeys(numbers):
                    wanted |= wishes[number] or Wanted()
                groups[key] = wanted, any(wishes[n] is None for n in numbers), len(groups)
            targets.append(Target(tensor, *groups[key]))
        return targets

    def _judge(self, engine: Engine, labels: Sequence[str]) -> frozenset[int]:
        """Raises or warns about targets that are unreached, mixed or without a rule."""
        plans = list(enumerate(engine.plans))
        unreached = [labels[i] for i, plan in plans if plan.kind == "unreached"]
        if self.strict and unreached:
            raise UnreachedParameterError(
                f"the loss doesn't reach {', '.join(dict.fromkeys(unreached))}; leave them out of "
                "the targets, or set strict=False to count their gradients as zeros"
            )
        interacting = frozenset(i for i, plan in plans if plan.mixed is not None)
        if interacting:
            self._judge_interaction(engine, interacting, labels)
        reasons: dict[str, list[str]] = {}
        for i, plan in plans:
            if plan.kind == "reference" and i not in interacting and engine.graph is not None:
                reasons.setdefault(plan.why, []).append(labels[i])
        for why, concerned in reasons.items():
            self._warn_once(
                f"{_listed(concerned)}: one backward a sample, which is slow ({why}); "
                "raygrad.explain shows the share of time",
                stacklevel=6,
            )
        return interacting

    def _judge_interaction(
        self, engine: Engine, interacting: frozenset[int], labels: Sequence[str]
    ) -> None:
        ops: dict[str, list[str]] = {}
        for i in sorted(interacting):
            ops.setdefault(engine.plans[i].why, []).append(labels[i])
        found = "; ".join(f"{why}, above {_listed(concerned)}" for why, concerned in ops.items())
        message = (
            f"samples of the batch interact: {found}. Call model.eval(), or leave these targets out"
        )
        if self.on_interaction == "raise":
            raise SamplesInteractError(
                f"{message}, or set on_interaction='reference' to differentiate each sample's loss "
                "through the whole batch"
            )
        self._warn_once(message, stacklevel=7)

    def _warn_once(self, message: str, stacklevel: int) -> None:
        if message not in self._warned:
            self._warned.add(message)
            warnings.warn(message, stacklevel=stacklevel - 1)

    def _columns(self, engine: Engine, places: Sequence[Sequence[int]]) -> list[Tensor]:
        """One tensor (N, dim) a metric; metrics of the same targets share the merging."""
        groups = [self._groups(engine, own) for own in places]
        wishes: dict[tuple[int, ...], Wanted] = {}
        for metric, key in zip(self._metrics, groups, strict=True):
            if metric.wanted is not None:
                wishes[key] = wishes.get(key, Wanted()) | metric.wanted
        merged = {
            key: merge([engine.statistics(group) for group in key], wish)
            for key, wish in wishes.items()
            if key
        }
        columns: dict[int, Tensor] = {}
        seeing = []
        for index, (metric, key) in enumerate(zip(self._metrics, groups, strict=True)):
            if not places[index]:
                columns[index] = metric.data.repeat(engine.samples, 1)
            elif metric.wanted is None:
                seeing.append(index)
            else:
                columns[index] = metric.from_statistics(merged[key], engine.scale)
        if seeing:
            columns.update(self._feed(engine, seeing, places))
        return [columns[index] for index in range(len(self._metrics))]

    @staticmethod
    def _groups(engine: Engine, own: Sequence[int]) -> tuple[int, ...]:
        """The groups that a metric's targets make up, each as often as the metric counts it."""
        counts: dict[int, dict[int, int]] = {}
        for place in own:
            members = counts.setdefault(engine.targets[place].group, {})
            members[place] = members.get(place, 0) + 1
        return tuple(
            group for group, members in counts.items() for _ in range(max(members.values()))
        )

    def _feed(
        self, engine: Engine, seeing: Sequence[int], places: Sequence[Sequence[int]]
    ) -> dict[int, Tensor]:
        """Shows gradients to the metrics that want to see them, sample by sample."""
        needed = sorted({place for index in seeing for place in places[index]})
        rows: dict[int, list[Tensor]] = {index: [] for index in seeing}
        for lo, hi, gradients in engine.chunks(needed):
            by_place = dict(zip(needed, gradients, strict=True))
            for sample in range(hi - lo):
                for index in seeing:
                    metric = self._metrics[index]
                    metric.reset()
                    for place in places[index]:
                        metric(by_place[place][sample])
                    rows[index].append(metric.data.clone())
        self.reset()
        return {index: torch.stack(values) for index, values in rows.items()}


def explain(
    collector: GradientMetricCollector, loss: Tensor, retain_graph: bool = False
) -> Explanation:
    """Runs a collector once and says what it did with each target, and how long that took.

    Args:
        collector: The collector in question.
        loss: One loss a sample, shape (N,), as for a call.
        retain_graph: Whether the graph can be used again afterwards.

    Returns:
        A row for each target; print it to see a table.
    """

    def clock() -> float:
        synchronise(loss.device)
        return time.perf_counter()

    started = clock()
    _, engine, names = collector._run(loss, retain_graph, clock)
    return explanation_of(engine, names, clock() - started)


def _listed(names: Sequence[str]) -> str:
    """At most three names, and how many more there are."""
    unique = list(dict.fromkeys(names))
    shown = ", ".join(unique[:3])
    return shown if len(unique) <= 3 else f"{shown} and {len(unique) - 3} more"
