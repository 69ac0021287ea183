"""Which sample owns each slice of a tensor's gradient, proven from the ops alone.

The loss has one entry a sample, so its axis 0 is the sample axis. From there the axis is followed
down the graph, op by op (``axes``): through views, transposes, attention, windows folded into the
batch. An input that has no sample axis, such as a weight, is shared by all samples. What the ops
do is fixed, so nothing needs to be probed, and samples that mix only for some data are found, too:
``relu(h.mean(0) - 1)`` shares h.mean(0), whose gradient at that moment may be zero.

A tensor that is used both sample by sample and shared surely mixes samples. What an op that is not
in the table does, or one that routes entries by data, can't be proven; then ``probe`` decides for
the batch at hand.
"""

from typing import NamedTuple

from raygrad.persample.graph import Edge, Graph, Node, Shape, shape_of


class Axis(NamedTuple):
    """The samples lie along ``dim``: index i there belongs to sample ``i // inner % N``.

    Size is outer x N x inner: heads or windows folded inside of a sample make an inner, samples
    tiled as a whole an outer.
    """

    dim: int
    inner: int = 1


class Shared(NamedTuple):
    """The tensor is the same for all samples; its gradient is a sum over them."""


class Mixed(NamedTuple):
    """Not proven: ``op`` mixes samples, or might. ``certain`` where it surely does."""

    op: str
    why: str
    certain: bool = False


State = Axis | Shared | Mixed
SHARED = Shared()


class Trace(NamedTuple):
    """What following the sample axis shows: a state for each edge on which a gradient arrives.

    ``origins`` are the edges at which a state became mixed, as opposed to those below.
    """

    states: dict[Edge, State]
    origins: dict[Edge, Mixed]


def trace(graph: Graph, samples: int) -> Trace:
    """Finds the state of every tensor between the loss and the targets.

    Args:
        graph: From the loss to the targets.
        samples: N, at least 2; with one sample there is nothing to tell apart.
    """
    from raygrad.persample.axes import input_states
    from raygrad.persample.followers import Op

    states: dict[Edge, State] = {graph.root: Axis(0)}
    origins: dict[Edge, Mixed] = {}
    outputs_of: dict[Node, list[Edge]] = {graph.root.node: [graph.root]}
    known: dict[Edge, Shape] = {}

    def shape(edge: Edge) -> Shape:
        if edge not in known:
            known[edge] = shape_of(edge)
        return known[edge]

    for node in graph.order:
        inputs = graph.inputs(node)
        for output in outputs_of.get(node, ()):
            state = states[output]
            if isinstance(state, Axis):
                shapes = [None if edge is None else shape(edge) for edge in inputs]
                arriving = input_states(Op(node, state, shape(output), shapes, samples))
            else:
                arriving = [state] * len(inputs)
            for edge, new in zip(inputs, arriving, strict=True):
                if edge is None:
                    continue
                if edge not in states:
                    outputs_of.setdefault(edge.node, []).append(edge)
                states[edge] = joined = _join(states.get(edge, new), new, node)
                if isinstance(joined, Mixed) and not isinstance(state, Mixed):
                    origins.setdefault(edge, joined)
    return Trace(states, origins)


def _join(known: State, new: State, node: Node) -> State:
    if known == new:
        return known
    for state in (known, new):
        if isinstance(state, Mixed):
            return state
    if isinstance(known, Shared) or isinstance(new, Shared):
        return Mixed(node.name(), "puts a value of the whole batch into single samples", True)
    return Mixed(node.name(), "uses another axis as the samples than its neighbours do")


def reshaped(axis: Axis, old: Shape, new: Shape, samples: int) -> Axis | None:
    """Follows the sample axis through a reshape; None if it can't be told apart afterwards."""
    stride = axis.inner * _product(old[axis.dim + 1 :])
    for dim in range(len(new)):
        below = _product(new[dim + 1 :])
        if stride % below == 0 and new[dim] % (stride // below * samples) == 0:
            return Axis(dim, stride // below)
    return None


def _product(sizes: Shape) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product
