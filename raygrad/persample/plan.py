"""From states to a plan: which op consumes each target, by which rule, and how it is pulled back.

The first op on the way from a parameter to the loss whose output is owned by samples is its
consumer. What lies between the two is the weight side: transposes, casts, weight normalisation. The
tensor that the consumer takes from there is a pseudo-parameter; the rule gives its per-sample
gradient, and the weight side is differentiated again to reach the parameter itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from raygrad.persample.graph import Edge, Graph, Node, is_leaf, shape_of
from raygrad.persample.ownership import Mixed, Shared, State
from raygrad.persample.positions import Ownership
from raygrad.persample.rules import RULES, Rule, Use

# ops that only move entries: what is summed over all entries doesn't notice them
MOVES = frozenset(
    f"{name}Backward{number}"
    for name in [
        "T",
        "Transpose",
        "Permute",
        "View",
        "UnsafeView",
        "ReshapeAlias",
        "Squeeze",
        "Unsqueeze",
        "ToCopy",
        "Clone",
        "Alias",
        "Contiguous",
    ]
    for number in range(3)
)


class Consumer(NamedTuple):
    """One use of a pseudo-parameter ``source`` by an op whose output is ``output``."""

    use: Use
    rule: Rule
    output: Edge
    source: Edge


class Plan(NamedTuple):
    """How one target's per-sample gradients are found.

    Attributes:
        kind: "rule", "own slice", "unreached" or "reference".
        why: For the reference, the reason; else how it is done.
        consumers: For "rule", every use.
        moved: Whether the weight side only moves entries, so that statistics need no pull back.
        output: For "own slice", where the gradient arrives.
        ownership: For "own slice", who owns it.
        mixed: For the reference, the op that mixes samples, where that is the reason.
    """

    kind: str
    why: str
    consumers: tuple[Consumer, ...] = ()
    moved: bool = False
    output: Edge | None = None
    ownership: Ownership | None = None
    mixed: Mixed | None = None


Proof = State | Ownership


def make_plans(
    graph: Graph, states: Mapping[Edge, Proof], targets: Sequence[Tensor], samples: int
) -> list[Plan]:
    """Plans every target.

    Args:
        graph: From the loss to the targets.
        states: Who owns each tensor's gradient.
        targets: The tensors whose gradients are wanted.
        samples: N.

    Returns:
        One plan a target.
    """
    below, refused = _consumers_by_target(graph, states, samples)
    return [
        _plan(edge, target, states, below, refused)
        for edge, target in zip(graph.targets, targets, strict=True)
    ]


def _plan(
    edge: Edge | None,
    target: Tensor,
    states: Mapping[Edge, Proof],
    below: Mapping[Edge, list[Consumer]],
    refused: Mapping[Edge, str],
) -> Plan:
    if edge is None or edge not in states:
        return Plan("unreached", "the loss doesn't depend on it")
    state = states[edge]
    if isinstance(state, Mixed):
        return Plan("reference", f"{state.op} {state.why}", mixed=state)
    if not isinstance(state, Shared):
        if isinstance(target, nn.Parameter):
            return Plan("reference", "each sample uses a part of the parameter of its own")
        return Plan("own slice", "its own gradient", output=edge, ownership=state)
    consumers = below.get(edge, [])
    if edge in refused or not consumers:
        return Plan("reference", refused.get(edge, "no op was found that consumes it"))
    moved = len(consumers) == 1 and _only_moves(consumers[0].source, edge)
    return Plan("rule", consumers[0].use.node.name(), tuple(consumers), moved)


def _consumers_by_target(
    graph: Graph, states: Mapping[Edge, Proof], samples: int
) -> tuple[dict[Edge, list[Consumer]], dict[Edge, str]]:
    """For each target's edge the consumers of all tensors made from it, and reasons for none."""
    below: dict[Edge, list[Consumer]] = {}
    refused: dict[Edge, str] = {}
    targets = {edge for edge in graph.targets if edge is not None}
    for node in graph.order:
        shared = [
            (index, source)
            for index, source in enumerate(graph.inputs(node))
            if source is not None and isinstance(states.get(source), Shared)
        ]
        output = _owned_output(node, states) if shared else None
        if output is None:
            continue
        ownership = states[output]
        assert not isinstance(ownership, Shared | Mixed)
        for index, source in shared:
            use = Use(
                node,
                index,
                ownership,
                samples,
                shape_of(source),
                shape_of(output),
            )
            rule, reason = _rule(use)
            for target in targets_below(graph, source, targets):
                if rule is None:
                    refused.setdefault(target, reason)
                else:
                    below.setdefault(target, []).append(Consumer(use, rule, output, source))
    return below, refused


def _owned_output(node: Node, states: Mapping[Edge, Proof]) -> Edge | None:
    """The output of a node that samples own, if it is the only one that has a gradient."""
    outputs = [Edge(node, i) for i in range(len(node._input_metadata)) if Edge(node, i) in states]
    owned = [edge for edge in outputs if not isinstance(states[edge], Shared | Mixed)]
    return owned[0] if owned else None


def _rule(use: Use) -> tuple[Rule | None, str]:
    name = use.node.name()
    rule = RULES.get(name, {}).get(use.input)
    if rule is None:
        return None, f"{name} has no rule for its input {use.input}"
    for needed in rule.needs:
        if has_hooks(use.node, needed):
            return (
                None,
                f"{name}: saved tensors are recomputed or moved (checkpointing, offloading)",
            )
        if getattr(use.node, f"_saved_{needed}", None) is None:
            return None, f"{name} didn't save {needed}"
    reason = rule.refuses(use)
    return (rule, "") if reason is None else (None, f"{name}: {reason}")


def has_hooks(node: Node, saved: str) -> bool:
    """Whether a saved tensor was packed by hooks, so that reading it may compute anything."""
    raw = getattr(node, f"_raw_saved_{saved}", None)
    return getattr(raw, "unpack_hook", None) is not None


def targets_below(graph: Graph, source: Edge, targets: set[Edge]) -> list[Edge]:
    """The targets from which a tensor on the weight side is made."""
    return [edge for edge in weight_side(graph, source) if edge in targets]


def weight_side(graph: Graph, source: Edge) -> Iterator[Edge]:
    """A tensor on the weight side, and all tensors from which it is made."""
    seen, stack = {source}, [source]
    while stack:
        edge = stack.pop()
        yield edge
        if is_leaf(edge.node):
            continue
        for child in graph.inputs(edge.node):
            if child is not None and child not in seen:
                seen.add(child)
                stack.append(child)


def _only_moves(source: Edge, target: Edge) -> bool:
    """Whether a chain of ops that only move entries leads from a target to a tensor."""
    edge = source
    while edge != target:
        if edge.node.name() not in MOVES:
            return False
        node, output = edge.node.next_functions[0]
        edge = Edge(node, output)
    return True
