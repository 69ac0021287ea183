"""What can't be differentiated sample by sample, why, and what to do: as data, for docs, too."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from raygrad.errors import RefusedModelError
from raygrad.persample.graph import Graph


class Refusal(NamedTuple):
    """Why something is refused, and what to do instead."""

    reason: str
    cure: str


REFUSED: dict[str, Refusal] = {
    "complex": Refusal(
        "the target is complex, and maximum and minimum of complex gradients have no meaning",
        "leave it out of the targets, or keep its real and imaginary parts as real parameters",
    ),
    "sharded": Refusal(
        "the target is sharded (FSDP, DTensor), so no process sees its whole gradient",
        "score an unsharded replica",
    ),
    "reentrant checkpoint": Refusal(
        "the model uses reentrant activation checkpointing, which works with .backward() alone",
        "switch checkpointing off, or call checkpoint(..., use_reentrant=False)",
    ),
}
REENTRANT = "CheckpointFunctionBackward"


def refuse_targets(targets: Sequence[Tensor]) -> None:
    """Raises if a target is of a kind that is refused.

    Raises:
        RefusedModelError: With the target's place, the reason and the cure.
    """
    for index, target in enumerate(targets):
        place = f"target {index} of shape {tuple(target.shape)}"
        if target.is_complex():
            raise _error("complex", place)
        if hasattr(target, "placements") or getattr(target, "_is_flat_param", False):
            raise _error("sharded", place)


def refuse_graph(graph: Graph) -> None:
    """Raises if autograd itself would refuse to differentiate the graph.

    Raises:
        RefusedModelError: With the node's name, the reason and the cure.
    """
    for node in graph.seen:  # a reentrant checkpoint hides its parameters, so it leads to none
        if node.name() == REENTRANT:
            raise _error("reentrant checkpoint", node.name())


def _error(kind: str, place: str) -> RefusedModelError:
    refusal = REFUSED[kind]
    return RefusedModelError(f"{place}: {refusal.reason}; {refusal.cure}")
