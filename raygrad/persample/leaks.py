"""Weight sides that read the samples: layers called once a sample and once for the whole batch.

``lin(x) + lin(x).mean(0)`` looks to the graph like a bias made from weights, since the data ``x``
has no graph that would tell whose it is. But the same ``x`` also stands where an op has the samples
in its rows. Data that is averaged before any layer, ``lin(x - x.mean(0))``, leaves no such trace;
``raygrad.check`` finds it.
"""

from collections.abc import Iterator, Sequence
from functools import cache

import torch
from torch import Tensor

from raygrad.persample.graph import Edge, Graph, Node, is_leaf
from raygrad.persample.ownership import Mixed
from raygrad.persample.plan import MOVES, Consumer, Plan, has_hooks, weight_side


def leaks(graph: Graph, plans: Sequence[Plan]) -> dict[Edge, Mixed]:
    """The tensors on weight sides that were made from data which samples own elsewhere.

    Args:
        graph: From the loss to the targets.
        plans: One a target.

    Returns:
        By the edge that a consumer takes, the op that read the data.
    """
    sources = {c.source for plan in plans if not plan.moved for c in plan.consumers}
    readers = [
        (source, edge.node)
        for source in sources
        for edge in weight_side(graph, source)
        if not is_leaf(edge.node) and edge.node.name() not in MOVES
    ]
    if not readers:
        return {}
    owned = {
        _place(data)
        for plan in plans
        for consumer in plan.consumers
        for data in _data(consumer.use.node, consumer.rule.needs)
        if _has_every_sample(data, consumer)
    }
    why = "reads the samples for a value that all of them share"
    return {
        source: Mixed(node.name(), why, certain=True)
        for source, node in readers
        if any(_place(data) in owned for data in _data(node, _saved_names(node.__class__)))
    }


def _data(node: Node, names: Sequence[str]) -> Iterator[Tensor]:
    """Saved tensors without a graph; those that have one are followed there."""
    for name in names:
        if has_hooks(node, name):
            continue
        saved = getattr(node, f"_saved_{name}", None)
        for each in saved if isinstance(saved, list | tuple) else (saved,):
            if isinstance(each, Tensor) and not each.requires_grad and _is_plain(each):
                yield each


def _is_plain(data: Tensor) -> bool:
    """Whether it has entries in memory of its own; sparse and nested tensors have not."""
    return data.layout == torch.strided and data.numel() > 0


def _place(data: Tensor) -> int:
    return data.untyped_storage().data_ptr()


def _has_every_sample(data: Tensor, consumer: Consumer) -> bool:
    """Whether data holds entries for each sample, rather than some that are expanded to all."""
    return (
        data.numel() % consumer.use.samples == 0
        and data.numel() * data.element_size() <= data.untyped_storage().nbytes()
    )


@cache
def _saved_names(kind: type) -> tuple[str, ...]:
    """What autograd keeps for a kind of op."""
    prefix = "_saved_"
    return tuple(name[len(prefix) :] for name in dir(kind) if name.startswith(prefix))
