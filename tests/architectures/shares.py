"""What the engine did with each parameter of each architecture, gathered for one table."""

from dataclasses import dataclass

import torch
from torch import nn

try:
    from raygrad import explain
except ImportError:  # the engine that explains itself has not landed yet
    explain = None

SHARES: dict[str, "Share"] = {}


@dataclass(frozen=True)
class Share:
    """Counts of parameter tensors of one architecture, and the errors found in it.

    ``below_floor`` parameters have a gradient that is rounding noise (a key bias: softmax does not
    change when all its scores shift), so their numbers say nothing about the engine.
    """

    parameters: int
    reached: int
    below_floor: int
    by_reference: tuple[str, ...] | None  # names; None as long as the engine can't explain itself
    error64: float
    error32: float

    @property
    def percent(self) -> str:
        if self.by_reference is None:
            return "?"
        return f"{100 * len(self.by_reference) / self.parameters:.0f} %"


def table() -> str:
    """The table of all architectures checked in this session."""
    width = max(len(name) for name in SHARES)
    head = (
        f"{'architecture':{width}}  reference  parameters  reached  below floor"
        "  error float64  error float32"
    )
    rows = [
        f"{name:{width}}  {share.percent:>9}  {share.parameters:>10}  {share.reached:>7}"
        f"  {share.below_floor:>11}  {share.error64:>13.1e}  {share.error32:>13.1e}"
        for name, share in SHARES.items()
    ]
    return "\n".join([head, *rows, f"{len(rows)} architectures"])


def parameters_by_reference(
    model: nn.Module, collector: object, loss: torch.Tensor
) -> tuple[str, ...] | None:
    """Names of the parameters that no rule covers; None if the engine can't tell yet."""
    if explain is None:
        return None
    raise NotImplementedError
