"""ROC and precision-recall curves: dashes and letters tell them apart, not colour alone."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from raygrad.ood.report.svg.axes import Frame, axes
from raygrad.ood.report.svg.element import element, path, picture

FRAME = Frame(width=360, height=344, left=44, right=14, top=30, bottom=44)
TICKS = [(place / 4, f"{place / 4:g}") for place in range(5)]
LETTERS = "ABCDEFGH"


class Curve(NamedTuple):
    """One score's curve.

    Attributes:
        name: The score.
        x: From 0 to 1.
        y: The same.
        note: What is said of it, as its area.
    """

    name: str
    x: Any
    y: Any
    note: str


def draw_roc(curves: Sequence[Curve], title: str, identifier: str) -> Markup:
    """The share of OOD rows caught over the share of in-distribution rows lost."""
    diagonal = element("path", class_="chance", d=path([_at(0, 0), _at(1, 1)]))
    names = ("share of in-distribution rows flagged", "share of OOD rows caught")
    return _draw(curves, title, identifier, names, diagonal, mirrored=True)


def draw_pr(curves: Sequence[Curve], base: float, title: str, identifier: str) -> Markup:
    """Precision over recall of OOD rows; chance is their share of all rows."""
    level = element("path", class_="chance", d=path([_at(0, base), _at(1, base)]))
    names = ("recall: share of OOD rows caught", "precision: share of OOD rows among flagged ones")
    return _draw(curves, title, identifier, names, level, mirrored=False)


def _draw(
    curves: Sequence[Curve],
    title: str,
    identifier: str,
    names: tuple[str, str],
    chance: Markup,
    *,
    mirrored: bool,
) -> Markup:
    said = "; ".join(
        f"{LETTERS[index]}, {curve.name}: {curve.note}" for index, curve in enumerate(curves)
    )
    lines = [
        element("path", class_=f"line s{index}", d=path(map(_at, curve.x, curve.y)))
        for index, curve in enumerate(curves)
    ]
    marks = [_mark(curve, index, mirrored) for index, curve in enumerate(curves)]
    return picture(
        identifier,
        title,
        f"{said}.",
        FRAME.width,
        FRAME.height,
        axes(FRAME, TICKS, TICKS, *names),
        chance,
        *lines,
        *marks,
    )


def _at(x: float, y: float) -> tuple[float, float]:
    return FRAME.x(float(x)), FRAME.y(float(y))


def _mark(curve: Curve, index: int, mirrored: bool) -> Markup:
    """The curve's letter, where a ray of its own angle meets it, so that letters don't meet."""
    x = np.asarray(curve.x, np.float64)
    y = np.asarray(curve.y, np.float64)
    angles = np.arctan2(y, 1 - x if mirrored else x)
    nearest = int(np.argmin(np.abs(angles - math.radians(72 - 13 * index))))
    across, up = _at(x[nearest], y[nearest])
    return element(
        "g",
        element("circle", class_=f"mark s{index}", cx=across, cy=up, r=8.5),
        element("text", LETTERS[index], class_="letter", x=across, y=up + 4, text_anchor="middle"),
        aria_hidden="true",
    )
