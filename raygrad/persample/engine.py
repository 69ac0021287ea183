"""The engine: one backward over the batch, every consumer reduced as its gradient arrives."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from raygrad.persample.decide import plan_targets
from raygrad.persample.gradient import (
    Dense,
    OwnSlice,
    PerSampleGradient,
    Workspace,
    Zeros,
    concatenated,
    widened,
)
from raygrad.persample.graph import Edge, Graph, Node, is_leaf, walk
from raygrad.persample.memory import chunk_entries, halving
from raygrad.persample.plan import Consumer, Plan
from raygrad.persample.positions import arrange
from raygrad.persample.reduction import Scratch, of_rows
from raygrad.persample.reference import Backwards, Reference
from raygrad.persample.scale import sample_weights
from raygrad.persample.statistics import Statistics, Wanted
from raygrad.persample.weightside import PulledBack


class Target(NamedTuple):
    """A tensor whose gradients are wanted: as statistics, sample by sample (``dense``), or both."""

    tensor: Tensor
    wanted: Wanted
    dense: bool = False


class Engine:
    """Per-sample gradients of one loss with respect to several targets.

    Args:
        loss: One loss a sample, shape (N,), attached to its graph.
        targets: What is wanted of which tensor; each tensor once.
        memory_bytes: Bound for materialised gradients; None chooses by device.
        count_other_samples: Whether an activation's gradient has the other samples' zeros.
        clock: Reads the time in seconds after the device has finished, for ``explain``.
    """

    def __init__(
        self,
        loss: Tensor,
        targets: Sequence[Target],
        *,
        memory_bytes: int | None = None,
        count_other_samples: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.loss = loss
        self.targets = list(targets)
        self.samples = len(loss)
        self.memory_bytes = memory_bytes
        self.count_other_samples = count_other_samples
        self.clock = clock
        self.seconds = [0.0] * len(self.targets)
        self.how = [""] * len(self.targets)
        self.workspace = Workspace(Scratch())
        self._gradients: dict[int, PerSampleGradient] = {}
        self._statistics: dict[int, Statistics] = {}
        tensors = [target.tensor for target in self.targets]
        self.graph: Graph | None = None
        if self.samples < 2 or loss.is_meta or loss.grad_fn is None:
            why = "a single sample" if self.samples < 2 else "no graph to walk"
            self.plans = [Plan("reference", why)] * len(self.targets)
        else:
            self.graph = walk(loss, tensors)
            self.plans = plan_targets(loss, self.graph, tensors)

    def run(self, retain_graph: bool, skip: frozenset[int] = frozenset()) -> None:
        """Does all the work; statistics and gradients can be read afterwards.

        Args:
            retain_graph: Whether the graph is needed again.
            skip: Targets that the caller gives up, because samples interact; they get zeros.
        """
        for i in skip:
            self.plans[i] = self.plans[i]._replace(kind="unreached")
        referred = [i for i, plan in enumerate(self.plans) if plan.kind == "reference"]
        ruled = [i for i, plan in enumerate(self.plans) if plan.kind in ("rule", "own slice")]
        later = any(self.targets[i].dense for i in referred)  # user metrics come back for them
        first = self._first_consumer(ruled)
        self.weights, self.scale = sample_weights(self.loss, first)
        like = self.scale
        for i, plan in enumerate(self.plans):
            if plan.kind == "unreached":
                shape = tuple(self.targets[i].tensor.shape)
                dtype = torch.promote_types(self.targets[i].tensor.dtype, torch.float32)
                self._take(i, Zeros(like.to(dtype), shape))
        if referred:
            self._run_reference(referred)
        if ruled:
            self._run_rules(ruled, retain_graph or later)

    def statistics(self, index: int) -> Statistics:
        """A target's statistics, of gradients times the samples' weights."""
        return self._statistics[index]

    def chunks(self, indices: Sequence[int]) -> Iterator[tuple[int, int, list[Tensor]]]:
        """Materialises the gradients of several targets, a few samples at a time.

        Args:
            indices: Targets that were asked for as ``dense``.

        Yields:
            First sample, end, and for each target its gradients (n, *shape).
        """
        entries = sum(self._gradients[i].entries for i in indices)
        step = max(1, chunk_entries(self.loss, self.memory_bytes) // max(entries, 1))
        lo = 0
        while lo < self.samples:
            hi = min(lo + step, self.samples)
            try:
                dense = [self._gradients[i].dense(lo, hi) for i in indices]
            except torch.OutOfMemoryError:
                step = halving(step, self.loss)
                continue
            scale = self.scale[lo:hi]
            yield (
                lo,
                hi,
                [
                    (values * scale.to(values).view(-1, *[1] * (values.ndim - 1))).to(
                        self.targets[i].tensor.dtype
                    )
                    for i, values in zip(indices, dense, strict=True)
                ],
            )
            lo = hi

    def _first_consumer(self, ruled: list[int]) -> Consumer | None:
        """The consumer nearest to the loss."""
        if self.graph is None:
            return None
        by_node = {c.output.node: c for i in ruled for c in self.plans[i].consumers}
        return next((by_node[node] for node in self.graph.order if node in by_node), None)

    def _take(self, index: int, gradient: PerSampleGradient) -> None:
        """Reduces a target's gradient, and keeps it if somebody wants it as it is."""
        target = self.targets[index]
        if target.wanted != Wanted():
            self._statistics[index] = self._reduce(gradient, target.wanted)
        if target.dense:
            self._gradients[index] = gradient
        self.how[index] = gradient.how

    def _reduce(self, gradient: PerSampleGradient, wanted: Wanted) -> Statistics:
        while True:
            try:
                return gradient.statistics(wanted, self.workspace)
            except torch.OutOfMemoryError:
                smaller = halving(self.workspace.tile, self.loss)
                self.workspace = Workspace(Scratch(), smaller)

    def _run_reference(self, referred: list[int]) -> None:
        tensors = [self.targets[i].tensor for i in referred]
        started = self._now()
        backwards = Backwards(self.loss, tensors, self.weights)
        gradients = [Reference(backwards, k) for k in range(len(referred))]
        entries = sum(gradient.entries for gradient in gradients)
        parts: list[list[Statistics]] = [[] for _ in referred]
        for lo, hi in self.workspace.chunks(self.samples, entries):
            for k, i in enumerate(referred):
                if self.targets[i].wanted != Wanted():
                    rows = gradients[k].dense(lo, hi).reshape(hi - lo, -1).clone()
                    parts[k].append(of_rows(rows, self.targets[i].wanted, self.workspace.scratch))
        for k, i in enumerate(referred):
            self.how[i] = "reference"
            if parts[k]:
                self._statistics[i] = concatenated(parts[k])
            if self.targets[i].dense:
                self._gradients[i] = gradients[k]
        for i in referred:
            self.seconds[i] += (self._now() - started) / len(referred)

    def _run_rules(self, ruled: list[int], retain_graph: bool) -> None:
        assert self.graph is not None
        backward = _Backward(self, ruled)
        wanted = {edge.node for edge in backward.by_output}
        lowest = _lowest(self.graph, wanted)
        captured = [edge for edge in backward.by_output if edge.node in lowest]
        hooked = [edge for edge in backward.by_output if edge.node not in lowest]
        handles = [
            edge.node.register_prehook(backward.hook(edges))
            for edge, edges in _by_node(hooked).items()
        ]
        try:
            gradients = torch.autograd.grad(
                [self.loss],
                [GradientEdge(edge.node, edge.output) for edge in captured],
                [self.weights.to(self.loss.dtype)],
                retain_graph=retain_graph,
                allow_unused=True,
            )
        finally:
            for handle in handles:
                handle.remove()
        for edge, gradient in zip(captured, gradients, strict=True):
            backward.arrive(edge, gradient)
        backward.finish()

    def _now(self) -> float:
        return self.clock() if self.clock is not None else 0.0


class _Backward:
    """What happens when an output gradient arrives, during one backward."""

    def __init__(self, engine: Engine, ruled: list[int]) -> None:
        self.engine = engine
        self.by_output: dict[Edge, list[tuple[int, Consumer | None]]] = {}
        self.parts: dict[int, list[tuple[Edge, PerSampleGradient]]] = {}
        self.ruled = ruled
        for i in ruled:
            plan = engine.plans[i]
            if plan.output is not None:
                self.by_output.setdefault(plan.output, []).append((i, None))
            for consumer in plan.consumers:
                self.by_output.setdefault(consumer.output, []).append((i, consumer))

    def hook(self, edges: list[Edge]) -> Callable[[Any], None]:
        """A pre-hook for the node of these edges."""

        def arrive(gradients: Sequence[Tensor | None]) -> None:
            for edge in edges:
                self.arrive(edge, gradients[edge.output])

        return arrive

    @torch.no_grad()
    def arrive(self, output: Edge, gradient: Tensor | None) -> None:
        """Reduces everything that this op consumes, or keeps it if more uses are to come."""
        if gradient is None:
            return
        engine = self.engine
        for i, consumer in self.by_output[output]:
            started = engine._now()
            plan = engine.plans[i]
            if consumer is None:
                assert plan.ownership is not None
                dim = plan.ownership.dim if hasattr(plan.ownership, "dim") else gradient.ndim - 2
                own = arrange(gradient, plan.ownership, engine.samples, dim + 1)
                others = engine.count_other_samples
                engine._take(i, OwnSlice(own, gradient.shape) if others else Dense(own))
            else:
                found = consumer.rule.gradient(consumer.use, gradient)
                if plan.moved and not engine.targets[i].dense:
                    engine._take(i, found)
                else:
                    self.parts.setdefault(i, []).append((consumer.source, found))
            engine.seconds[i] += engine._now() - started

    @torch.no_grad()
    def finish(self) -> None:
        """Sums over uses; a target that no gradient reached has zeros."""
        engine = self.engine
        assert engine.graph is not None
        for i in self.ruled:
            if i in engine._statistics or i in engine._gradients:
                continue
            started = engine._now()
            target = engine.targets[i]
            shape = tuple(target.tensor.shape)
            parts = self.parts.pop(i, [])
            edge = engine.graph.targets[i]
            if not parts or edge is None:
                dtype = torch.promote_types(target.tensor.dtype, torch.float32)
                engine._take(i, Zeros(engine.scale.to(dtype), shape))
            elif engine.plans[i].moved and target.dense:
                if target.wanted != Wanted():
                    engine._statistics[i] = engine._reduce(parts[0][1], target.wanted)
                engine._gradients[i] = PulledBack(parts, edge, shape)
                engine.how[i] = parts[0][1].how
            else:
                engine._take(i, PulledBack(parts, edge, shape))
            engine.seconds[i] += engine._now() - started


def _by_node(edges: list[Edge]) -> dict[Edge, list[Edge]]:
    """Groups edges by node, keyed by each node's first."""
    first: dict[Node, Edge] = {}
    grouped: dict[Edge, list[Edge]] = {}
    for edge in edges:
        grouped.setdefault(first.setdefault(edge.node, edge), []).append(edge)
    return grouped


def _lowest(graph: Graph, wanted: set[Node]) -> set[Node]:
    """The wanted nodes below which there is none: backward has to go so far and no further."""
    above: set[Node] = set()  # nodes that are wanted or lie above a wanted one
    lowest = set(wanted)
    for node in reversed(graph.order):
        children = [] if is_leaf(node) else [edge for edge in graph.inputs(node) if edge]
        if any(edge.node in above for edge in children):
            lowest.discard(node)
            above.add(node)
        if node in wanted:
            above.add(node)
    return lowest


def synchronised(device: torch.device) -> float:
    """The time in seconds, once the device is idle."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


__all__ = ["Engine", "Target", "synchronised", "widened"]
