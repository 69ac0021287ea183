"""The engine: one backward over the batch, every consumer reduced as its gradient arrives."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from raygrad.persample.decide import plan_targets
from raygrad.persample.gradient import Dense, PerSampleGradient, Zeros
from raygrad.persample.graph import Edge, Graph, Node, walk
from raygrad.persample.memory import chunk_entries, halving
from raygrad.persample.ownership import Axis
from raygrad.persample.plan import Consumer, Plan
from raygrad.persample.positions import arrange
from raygrad.persample.reduction import Scratch
from raygrad.persample.reference import Backwards, Reference
from raygrad.persample.refusals import refuse_graph, refuse_targets
from raygrad.persample.rows import OwnSlice
from raygrad.persample.scale import Start, start_of
from raygrad.persample.statistics import Statistics, Wanted
from raygrad.persample.tally import Tally
from raygrad.persample.weightside import PulledBack


class Target(NamedTuple):
    """A tensor whose gradients are wanted: as statistics, sample by sample (``dense``), or both.

    Targets of one ``group`` are reduced together: whoever wants one wants all of them.
    """

    tensor: Tensor
    wanted: Wanted
    dense: bool = False
    group: int = 0


class Engine:
    """Per-sample gradients of one loss with respect to several targets.

    Args:
        loss: One loss a sample, shape (N,), attached to its graph.
        targets: What is wanted of which tensor; each tensor once.
        memory_bytes: Bound for materialised gradients; None chooses by device.
        count_other_samples: Whether an activation's gradient has the other samples' zeros.
        scratch: Buffers to be used again for the next batch; None for new ones.
        clock: Reads the time in seconds, for ``explain``.
    """

    def __init__(
        self,
        loss: Tensor,
        targets: Sequence[Target],
        *,
        memory_bytes: int | None = None,
        count_other_samples: bool = False,
        scratch: Scratch | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.loss = loss
        self.targets = list(targets)
        self.samples = len(loss)
        self.memory_bytes = memory_bytes
        self.count_other_samples = count_other_samples
        self.now = clock or _no_clock
        self.seconds = [0.0] * len(self.targets)
        self.how = [""] * len(self.targets)
        self.tally = Tally(loss, scratch or Scratch())
        self.scale = torch.ones_like(loss)
        self._gradients: dict[int, PerSampleGradient] = {}
        self._done: set[int] = set()
        tensors = [target.tensor for target in self.targets]
        self.graph: Graph | None = None
        refuse_targets(tensors)
        if self.samples < 2 or loss.is_meta or loss.grad_fn is None:
            why = "a single sample" if self.samples < 2 else "no graph to walk"
            self.plans = [Plan("reference", why)] * len(self.targets)
        else:
            self.graph = walk(loss, tensors)
            refuse_graph(self.graph)
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
        retain = retain_graph or later
        start = start_of(
            self.loss, self._first_consumer(ruled), self.graph, retain or bool(referred)
        )
        self.scale = start.scale
        if referred:
            self._run_reference(referred, start.weights)
        if ruled:
            _Backward(self, ruled).run(start, retain)
        for i in range(len(self.plans)):
            if i not in self._done:
                self.take(i, self._zeros(i))
        self.tally.close()

    def statistics(self, group: int) -> Statistics:
        """The statistics of a group of targets, of gradients divided by ``scale``."""
        return self.tally.result(group)

    def chunks(self, indices: Sequence[int]) -> Iterator[tuple[int, int, list[Tensor]]]:
        """Materialises the gradients of several targets, a few samples at a time.

        Args:
            indices: Targets that were asked for as ``dense``.

        Yields:
            First sample, end, and for each target its gradients (n, *shape) in its dtype.
        """
        entries = sum(self._gradients[i].entries for i in indices)
        step = max(1, chunk_entries(self.loss, self.memory_bytes) // max(entries, 1))
        lo = 0
        while lo < self.samples:
            hi = min(lo + step, self.samples)
            try:
                yield lo, hi, [self._scaled(i, lo, hi) for i in indices]
            except torch.OutOfMemoryError:
                step = halving(hi - lo, self.loss)
                continue
            lo = hi

    def take(self, index: int, gradient: PerSampleGradient) -> None:
        """Reduces a target's gradient, and keeps it if somebody wants it as it is."""
        target = self.targets[index]
        if target.wanted != Wanted():
            self.tally.add(target.group, gradient, target.wanted)
        if target.dense:
            self._gradients[index] = gradient
        self.how[index] = gradient.how
        self._done.add(index)

    def keep(self, index: int, gradient: PerSampleGradient) -> None:
        """Keeps a gradient whose statistics were taken from something cheaper."""
        self._gradients[index] = gradient

    def _scaled(self, index: int, lo: int, hi: int) -> Tensor:
        values = self._gradients[index].dense(lo, hi)
        scale = self.scale[lo:hi].to(values).view(-1, *[1] * (values.ndim - 1))
        return (values * scale).to(self.targets[index].tensor.dtype)

    def _zeros(self, index: int) -> Zeros:
        tensor = self.targets[index].tensor
        dtype = torch.promote_types(tensor.dtype, torch.float32)
        return Zeros(self.scale.to(dtype), tuple(tensor.shape))

    def _first_consumer(self, ruled: list[int]) -> Consumer | None:
        """The consumer nearest to the loss."""
        if self.graph is None:
            return None
        by_node = {c.output.node: c for i in ruled for c in self.plans[i].consumers}
        return next((by_node[node] for node in self.graph.order if node in by_node), None)

    def _run_reference(self, referred: list[int], weights: Tensor) -> None:
        tensors = [self.targets[i].tensor for i in referred]
        started = self.now()
        backwards = Backwards(self.loss, tensors, weights)
        gradients = [Reference(backwards, k) for k in range(len(referred))]
        reduced = [k for k, i in enumerate(referred) if self.targets[i].wanted != Wanted()]
        if reduced:
            own = [self.targets[referred[k]] for k in reduced]
            self.tally.add_together(
                [gradients[k] for k in reduced], [(each.group, each.wanted) for each in own]
            )
        for k, i in enumerate(referred):
            self.how[i] = "reference"
            self._done.add(i)
            if self.targets[i].dense:
                self._gradients[i] = gradients[k]
            self.seconds[i] += (self.now() - started) / len(referred)


class _Backward:
    """One backward, and what happens when an output gradient arrives."""

    def __init__(self, engine: Engine, ruled: list[int]) -> None:
        assert engine.graph is not None
        self.engine = engine
        self.graph = engine.graph
        self.ruled = ruled
        self.asking = False
        self.by_output: dict[Edge, list[tuple[int, Consumer | None]]] = {}
        self.parts: dict[int, list[tuple[Edge, PerSampleGradient]]] = {}
        for i in ruled:
            plan = engine.plans[i]
            if plan.output is not None:
                self.by_output.setdefault(plan.output, []).append((i, None))
            for consumer in plan.consumers:
                self.by_output.setdefault(consumer.output, []).append((i, consumer))

    def run(self, start: Start, retain_graph: bool) -> None:
        """Goes down to the lowest consumers; those above are reduced on the way and dropped."""
        lowest = _lowest(self.graph, {edge.node for edge in self.by_output})
        captured = [edge for edge in self.by_output if edge.node in lowest]
        hooked: dict[Node, list[Edge]] = {}
        for edge in self.by_output:
            if edge.node not in lowest:
                hooked.setdefault(edge.node, []).append(edge)
        if captured == [start.edge]:  # there is nothing below the first consumer
            self._arrive(captured[0], start.gradient)
            self._finish()
            return
        handles = [node.register_prehook(self._hook(edges)) for node, edges in hooked.items()]
        try:
            gradients = torch.autograd.grad(
                [start.output],
                [GradientEdge(edge.node, edge.output) for edge in captured],
                [start.gradient],
                retain_graph=retain_graph,
                allow_unused=True,
            )
        finally:
            for handle in handles:
                handle.remove()
        for edge, gradient in zip(captured, gradients, strict=True):
            self._arrive(edge, gradient)
        self._finish()

    def _hook(self, edges: list[Edge]) -> Callable[[Any], None]:
        def arrive(gradients: Sequence[Tensor | None]) -> None:
            if self.asking:  # a rule that asks a node itself runs its hooks again
                return
            self.asking = True
            try:
                for edge in edges:
                    self._arrive(edge, gradients[edge.output])
            finally:
                self.asking = False

        return arrive

    @torch.no_grad()
    def _arrive(self, output: Edge, gradient: Tensor | None) -> None:
        """Reduces everything that this op consumes, or keeps it if more uses are to come."""
        if gradient is None:
            return
        engine = self.engine
        for i, consumer in self.by_output[output]:
            started = engine.now()
            if consumer is None:
                engine.take(i, self._own_slice(i, gradient))
            else:
                found = consumer.rule.gradient(consumer.use, gradient)
                if engine.plans[i].moved and not engine.targets[i].dense:
                    engine.take(i, found)
                else:
                    self.parts.setdefault(i, []).append((consumer.source, found))
            engine.seconds[i] += engine.now() - started

    def _own_slice(self, index: int, gradient: Tensor) -> PerSampleGradient:
        axis = self.engine.plans[index].ownership
        assert axis is not None
        leading = axis.dim + 1 if isinstance(axis, Axis) else gradient.ndim - 1
        own = arrange(gradient, axis, self.engine.samples, leading)
        return OwnSlice(own, gradient.shape) if self.engine.count_other_samples else Dense(own)

    @torch.no_grad()
    def _finish(self) -> None:
        """Sums over uses, and keeps what user metrics will see."""
        engine = self.engine
        for i in self.ruled:
            parts = self.parts.pop(i, [])
            edge = self.graph.targets[i]
            if not parts or edge is None:
                continue
            started = engine.now()
            whole = PulledBack(parts, edge, tuple(engine.targets[i].tensor.shape))
            if engine.plans[i].moved:
                engine.take(i, parts[0][1])
                engine.keep(i, whole)
            else:
                engine.take(i, whole)
            engine.seconds[i] += engine.now() - started


def _lowest(graph: Graph, wanted: set[Node]) -> set[Node]:
    """The wanted nodes below which there is none: backward has to go so far and no further."""
    above: set[Node] = set()  # nodes that are wanted or lie above a wanted one
    lowest = set(wanted)
    for node in reversed(graph.order):
        if any(edge is not None and edge.node in above for edge in graph.inputs(node)):
            lowest.discard(node)
            above.add(node)
        if node in wanted:
            above.add(node)
    return lowest


def _no_clock() -> float:
    return 0.0
