"""Proof first, probe second: which plan each target gets."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from raygrad.persample.graph import Edge, Graph
from raygrad.persample.leaks import leaks
from raygrad.persample.ownership import Mixed, trace
from raygrad.persample.plan import Plan, make_plans, targets_below
from raygrad.persample.probe import interacting, probe


def plan_targets(loss: Tensor, graph: Graph, targets: Sequence[Tensor]) -> list[Plan]:
    """Plans every target; probes the batch only if something is neither proven nor surely mixed.

    Args:
        loss: One loss a sample, shape (N,), N at least 2.
        graph: From the loss to the targets.
        targets: The tensors whose gradients are wanted.

    Returns:
        One plan a target. Where samples mix it is the reference, with ``mixed`` set.
    """
    samples = len(loss)
    states, origins = trace(graph, samples)
    plans = make_plans(graph, states, targets, samples)
    mixing = {edge: origin for edge, origin in origins.items() if origin.certain}
    if any(plan.mixed is not None and not plan.mixed.certain for plan in plans):
        found = probe(loss, graph, states, targets)
        probed = make_plans(graph, found, targets, samples)
        plans = [
            second if first.mixed is not None else first
            for first, second in zip(plans, probed, strict=True)
        ]
        mixing |= interacting(states, found, origins)
    return _marked(graph, plans, mixing | leaks(graph, plans))


def _marked(graph: Graph, plans: list[Plan], mixing: Mapping[Edge, Mixed]) -> list[Plan]:
    """Sends every target below an op that mixes samples to the reference, and says so."""
    ends = {edge for edge in graph.targets if edge is not None}
    blamed: dict[Edge, Mixed] = {}
    for source, origin in mixing.items():
        for target in targets_below(graph, source, ends):
            blamed.setdefault(target, origin)
    marked = []
    for edge, plan in zip(graph.targets, plans, strict=True):
        blame = None if edge is None else blamed.get(edge)
        if blame is not None:
            marked.append(Plan("reference", f"{blame.op} {blame.why}", mixed=blame))
        elif plan.kind == "reference":
            marked.append(plan._replace(mixed=None))
        else:
            marked.append(plan)
    return marked
