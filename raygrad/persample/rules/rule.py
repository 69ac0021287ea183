"""What a rule is: from an op's output gradient to lazy per-sample gradients of one input."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from raygrad.persample.gradient import Dense, PerSampleGradient, widened
from raygrad.persample.graph import Node, Shape
from raygrad.persample.positions import Ownership, arrange, can_arrange, sum_to_shape


class Use(NamedTuple):
    """One place where an op consumes a tensor that all samples share.

    Attributes:
        node: The op's autograd node.
        input: Which of its inputs the tensor is.
        ownership: Who owns the slices of the op's output gradient.
        samples: N.
        shape: The tensor's shape.
        output: The shape of the op's output.
    """

    node: Node
    input: int
    ownership: Ownership
    samples: int
    shape: Shape
    output: Shape

    def saved(self, name: str) -> Any:
        """A value that autograd keeps for the op."""
        return getattr(self.node, f"_saved_{name}")

    def arrange(self, tensor: Tensor, leading: int) -> Tensor:
        """Brings each sample's positions together, shape (N, T, ...)."""
        return arrange(tensor, self.ownership, self.samples, leading)

    def broadcast(self, values: Tensor) -> Dense:
        """The per-sample sums of a gradient over everything that the tensor is broadcast to."""
        return Dense(sum_to_shape(widened(values), self.ownership, self.samples, self.shape))


class Rule(NamedTuple):
    """How one input of an op is differentiated sample by sample.

    Attributes:
        gradient: From the use and the output gradient to the per-sample gradients.
        refuses: From the use to the reason why the rule can't be applied, None if it can.
        needs: Names of the saved tensors that are read.
    """

    gradient: Callable[[Use, Tensor], PerSampleGradient]
    refuses: Callable[[Use], str | None]
    needs: tuple[str, ...] = ()


def leading(count: Callable[[Use], int]) -> Callable[[Use], str | None]:
    """Refuses uses in which a slice below the first ``count`` axes belongs to several samples."""

    def refuses(use: Use) -> str | None:
        if can_arrange(use.ownership, count(use)):
            return None
        return "one output slice belongs to several samples"

    return refuses


def always(use: Use) -> str | None:
    """Refuses nothing: whoever owns the output's slices, they can be told apart."""
    return None
