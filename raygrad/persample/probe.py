"""Ownership by experiment, where the ops alone don't prove it: sorted, packed and routed samples.

Backward is linear in the loss's weights. With sample i weighted by w_i, a gradient slice that
belongs to sample i is w_i times what it is for ones, and a slice that two samples feed has no such
factor. The w_i are distinct powers of two, so that nothing is rounded: a pass tells 57 samples
apart, and more passes tell more, digit by digit. A last pass turns the order of the weights round,
so that a faint influence of a light sample on a heavy one can't hide behind the heavy one's weight.

A slice is a tensor without its last axis. It is judged by one random projection, so the memory is
small; float32 sums of scaled entries are scaled sums, up to a tolerance for kernels whose order of
summation varies from run to run.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raygrad.persample.graph import Edge, Graph, is_leaf
from raygrad.persample.ownership import SHARED, Mixed, Shared, State
from raygrad.persample.plan import MOVES, Proof
from raygrad.persample.positions import Owners

BASE = {torch.float16: 4}  # the range of float16 holds few powers of two
DEFAULT_BASE = 57
TOLERANCE = 1e-5  # of the sum of absolute values in a slice


def probe(
    loss: Tensor, graph: Graph, states: Mapping[Edge, State], targets: Sequence[Tensor]
) -> dict[Edge, Proof]:
    """Replaces each unproven state by what a few backwards show for this batch.

    Args:
        loss: One loss a sample, shape (N,); its graph is kept.
        graph: From the loss to the targets.
        states: Of every edge, some of them mixed.
        targets: The tensors at the graph's end.

    Returns:
        The states, with ``Owners`` where every slice belongs to one sample, and shared elsewhere.
    """
    samples = len(loss)
    unproven = [edge for edge, state in states.items() if isinstance(state, Mixed)]
    base = BASE.get(loss.dtype, DEFAULT_BASE)
    digits = _digits(samples, base, loss.device)
    plain = _projections(loss, graph, unproven, targets, torch.ones_like(loss))
    passes = [
        (digit, _projections(loss, graph, unproven, targets, _power(digit, loss)))
        for digit in digits
    ]
    turned = base - 1 - digits[0]
    check = _projections(loss, graph, unproven, targets, _power(turned, loss))
    found: dict[Edge, Proof] = dict(states)
    for edge in unproven:
        owner = None
        if edge in plain and not _belongs_to_parameter(edge):
            owner = _owner(plain[edge], [one[edge] for _, one in passes], base, samples)
        if owner is not None and not _explains(plain[edge], check[edge], owner, turned):
            owner = None
        found[edge] = SHARED if owner is None else Owners(owner)
    return found


def _digits(samples: int, base: int, device: torch.device) -> list[Tensor]:
    """The samples' numbers in this base, lowest digit first, each of shape (N,)."""
    numbers = torch.arange(samples, device=device)
    digits = [numbers % base]
    while samples > base:
        numbers, samples = numbers // base, -(-samples // base)
        digits.append(numbers % base)
    return digits


def _power(exponents: Tensor, loss: Tensor) -> Tensor:
    return torch.ldexp(torch.ones(len(loss), device=loss.device), exponents).to(loss.dtype)


Projection = tuple[Tensor, Tensor]  # of signed and of absolute entries, each without the last axis


def _projections(
    loss: Tensor, graph: Graph, edges: Sequence[Edge], targets: Sequence[Tensor], weights: Tensor
) -> dict[Edge, Projection]:
    """One backward; keeps only a projection of every gradient that arrives at the edges."""
    found: dict[Edge, Projection] = {}
    by_node: dict[Any, list[Edge]] = {}
    for edge in edges:
        if not is_leaf(edge.node):
            by_node.setdefault(edge.node, []).append(edge)

    def hook(own: list[Edge]) -> Callable[[Sequence[Tensor | None]], None]:
        def arrive(gradients: Sequence[Tensor | None]) -> None:
            for edge in own:
                gradient = gradients[edge.output]
                if gradient is not None:
                    found[edge] = _project(gradient)

        return arrive

    handles = [node.register_prehook(hook(own)) for node, own in by_node.items()]
    reached = [t for t, edge in zip(targets, graph.targets, strict=True) if edge is not None]
    try:
        gradients = torch.autograd.grad(
            [loss], reached, [weights], retain_graph=True, allow_unused=True
        )
    finally:
        for handle in handles:
            handle.remove()
    ends = [edge for edge in graph.targets if edge is not None]
    for edge, gradient in zip(ends, gradients, strict=True):
        if is_leaf(edge.node) and gradient is not None:
            found[edge] = _project(gradient)
    return found


@torch.no_grad()
def _project(gradient: Tensor) -> Projection:
    if gradient.is_complex():
        gradient = torch.view_as_real(gradient).flatten(-2)
    wide = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
    if wide.ndim < 2:
        return wide, wide.abs()
    generator = torch.Generator().manual_seed(wide.shape[-1])
    direction = torch.rand(wide.shape[-1], generator=generator) + 0.5
    direction = direction.to(wide)
    return (wide * direction).sum(-1), (wide.abs() * direction).sum(-1)


def _owner(
    plain: Projection, passes: Sequence[Projection], base: int, samples: int
) -> Tensor | None:
    """The sample of each slice, -1 for zeros; None if some slice has no single owner."""
    owner = torch.zeros(plain[0].shape, dtype=torch.int64, device=plain[0].device)
    zero = plain[1] == 0
    for place, (signed, magnitude) in enumerate(passes):
        ratio = torch.where(zero, torch.ones_like(magnitude), magnitude / plain[1])
        digit = ratio.log2().round().nan_to_num(-1, -1, -1).long()
        if bool(((digit < 0) | (digit >= base)).any()):
            return None
        factor = torch.ldexp(torch.ones_like(signed), digit)
        if bool(((signed - plain[0] * factor).abs() > TOLERANCE * magnitude).any()):
            return None
        owner += digit * base**place
    if bool((owner >= samples).any()):
        return None
    return owner.masked_fill(zero, -1)


def _explains(plain: Projection, check: Projection, owner: Tensor, exponents: Tensor) -> bool:
    """Whether another pass gives what the owners predict."""
    factor = torch.ldexp(torch.ones_like(plain[0]), exponents[owner.clamp(min=0)])
    return not bool(((check[0] - plain[0] * factor).abs() > TOLERANCE * check[1]).any())


def _belongs_to_parameter(edge: Edge) -> bool:
    """Whether a tensor is a parameter, moved at most: shared, even if only one sample uses it."""
    while not is_leaf(edge.node):
        if edge.node.name() not in MOVES:
            return False
        node, output = edge.node.next_functions[0]
        edge = Edge(node, output)
    return isinstance(edge.node.variable, nn.Parameter)


def interacting(
    states: Mapping[Edge, State], found: Mapping[Edge, Proof], origins: Mapping[Edge, Mixed]
) -> dict[Edge, Mixed]:
    """The origins of mixed states at which the probe saw samples mix.

    Args:
        states: Before the probe.
        found: After it.
        origins: Where a state became mixed: an input of an op whose output was proven.
    """
    return {
        edge: origin
        for edge, origin in origins.items()
        if isinstance(states[edge], Mixed)
        and isinstance(found[edge], Shared)
        and not _belongs_to_parameter(edge)
    }
