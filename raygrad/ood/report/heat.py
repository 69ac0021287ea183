"""Tables of numbers with shades: correlations, and layers by metrics."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from raygrad.ood.report.numbers import fixed

MISSING = "\N{EN DASH}"


class Cell(NamedTuple):
    """A number as it is shown.

    Attributes:
        text: The number.
        side: ``above`` or ``below`` the neutral value; empty without a shade.
        weight: How strong the shade is, from 0 to 100.
    """

    text: str
    side: str = ""
    weight: int = 0


class HeatTable(NamedTuple):
    """A table whose cells are shaded.

    Attributes:
        caption: What the numbers are.
        corner: What the rows are.
        columns: Their headings.
        rows: Each row's heading and cells.
    """

    caption: str
    corner: str
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]


def shade(value: float, text: str, strength: float) -> Cell:
    """A cell with a shade; NaN has none.

    Args:
        value: What is shown.
        text: How.
        strength: From -1, far below the neutral value, to 1, far above it.
    """
    if math.isnan(value):
        return Cell(MISSING)
    weight = round(100 * min(abs(strength), 1))
    return Cell(text, "above" if strength > 0 else "below", weight) if weight else Cell(text)


def correlations(names: Sequence[str], found: Any) -> HeatTable:
    """Shades Spearman's correlations, shape (names, names)."""
    rows = [
        (name, [shade(float(v), fixed(float(v), 2), float(v)) for v in row])
        for name, row in zip(names, found, strict=True)
    ]
    return HeatTable("Spearman's correlation of each two scores", "score", list(names), rows)
