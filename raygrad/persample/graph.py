"""The autograd graph from a loss down to the targets: nodes, edges, shapes.

Nothing is recorded while the model runs: PyTorch keeps everything that is needed. A node's
``next_functions`` lead to where its inputs came from, and its input metadata holds the shapes
of the forward op's outputs. ``name`` strips the overload from a node's name, so that
``AddmmBackward0`` is looked up as such and a user's ``class Addmm(Function)`` is not.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

Node = Any  # torch.autograd.graph.Node; its saved attributes are known to no type checker
Shape = tuple[int, ...]


class Edge(NamedTuple):
    """One output of a forward op: where a gradient arrives."""

    node: Node
    output: int


class Graph(NamedTuple):
    """The part of the autograd graph that lies between a loss and the targets.

    ``order`` holds the nodes that lead to a target, each after all nodes that feed gradients to
    it, and ``seen`` also the others; ``root`` is the loss's own edge; ``targets`` has the edge of
    each target, None where no path leads to it.
    """

    order: list[Node]
    reaching: set[Node]
    root: Edge
    targets: list[Edge | None]
    seen: set[Node]
    inputs_of: dict[Node, list[Edge | None]]

    def inputs(self, node: Node) -> list[Edge | None]:
        """The edges of a node's inputs, None for those that lead to no target."""
        return self.inputs_of[node]


def shape_of(edge: Edge) -> Shape:
    """The shape of the tensor that an edge stands for."""
    return tuple(edge.node._input_metadata[edge.output].shape)


def dtype_of(edge: Edge) -> torch.dtype:
    """The dtype of the tensor that an edge stands for."""
    dtype: torch.dtype = edge.node._input_metadata[edge.output].dtype
    return dtype


def is_leaf(node: Node) -> bool:
    """Whether a node stands for a leaf tensor rather than for an op."""
    return bool(node.name() == "torch::autograd::AccumulateGrad")


def walk(loss: Tensor, targets: Sequence[Tensor]) -> Graph:
    """Finds the nodes between a loss and its targets.

    Args:
        loss: Attached to its graph.
        targets: Leaves or results of ops.

    Returns:
        The graph; a target that the loss doesn't depend on has the edge None.
    """
    root_node = loss.grad_fn
    wanted_leaves = {id(t): i for i, t in enumerate(targets) if t.grad_fn is None}
    inner = [(i, Edge(t.grad_fn, t.output_nr)) for i, t in enumerate(targets) if t.grad_fn]
    inner_nodes = {edge.node for _, edge in inner}
    found: list[Edge | None] = [None] * len(targets)
    reaching: set[Node] = set()
    finished: list[Node] = []
    children_of: dict[Node, Sequence[tuple[Node, int]]] = {}
    inputs_of: dict[Node, list[Edge | None]] = {}
    stack: list[tuple[Node, bool]] = [(root_node, False)] if root_node is not None else []
    while stack:
        node, expanded = stack.pop()
        if expanded:
            inputs = [
                Edge(child, output) if child in reaching else None
                for child, output in children_of[node]
            ]
            if node not in reaching and any(inputs):
                reaching.add(node)
            if node in reaching:
                inputs_of[node] = inputs
                finished.append(node)
            continue
        if node in children_of:
            continue
        children_of[node] = node.next_functions
        if is_leaf(node) and id(node.variable) in wanted_leaves:
            found[wanted_leaves[id(node.variable)]] = Edge(node, 0)
            reaching.add(node)
        if node in inner_nodes:
            reaching.add(node)
        stack.append((node, True))
        stack.extend((child, False) for child, _ in children_of[node] if child is not None)
    for i, edge in inner:
        found[i] = edge if edge.node in children_of else None
    root = Edge(root_node, loss.output_nr)
    return Graph(finished[::-1], reaching, root, found, set(children_of), inputs_of)
