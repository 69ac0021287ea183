"""What the engine did with each parameter of each architecture, gathered for one table."""

import warnings
from dataclasses import dataclass

from torch import Tensor

from raygrad import GradientMetricCollector, explain

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
    by_reference: tuple[str, ...]  # each parameter's name and why no rule took it
    entries_by_reference: float  # their share of all parameter entries, from 0 to 1
    error64: float
    error32: float


def table() -> str:
    """The table of all architectures checked in this session."""
    width = max(len(name) for name in SHARES)
    head = (
        f"{'architecture':{width}}  reference  parameters  reached  below floor"
        "  error float64  error float32"
    )
    rows = [
        f"{name:{width}}  {share.entries_by_reference:>9.1%}  {share.parameters:>10}"
        f"  {share.reached:>7}  {share.below_floor:>11}"
        f"  {share.error64:>13.1e}  {share.error32:>13.1e}"
        for name, share in SHARES.items()
    ]
    return "\n".join([head, *rows, f"{len(rows)} architectures"])


def referred(collector: GradientMetricCollector, loss: Tensor) -> tuple[tuple[str, ...], float]:
    """Names and reasons of the parameters that no rule covers, and their share of all entries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the rows say the same
        explained = explain(collector, loss, retain_graph=True)
    names = (f"{r.target}: {r.why}" for r in explained.rows if r.kind == "reference")
    return tuple(names), explained.referred
