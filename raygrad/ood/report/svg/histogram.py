"""A histogram: the first set filled, the others as lines of different dashes."""

from typing import Any

import numpy as np
from markupsafe import Markup

from raygrad.ood.report.histograms import BINS, KEEP, Histogram
from raygrad.ood.report.numbers import percent, short
from raygrad.ood.report.svg.axes import Frame, axes
from raygrad.ood.report.svg.element import element, path, picture
from raygrad.table.definitions import IN

COLOURS = 8
"""The style sheet has so many, each with dashes of its own; of more sets some look alike."""

FRAME = Frame(width=440, height=230, left=44, right=24, top=34, bottom=26)


def draw(histogram: Histogram, names: list[str], identifier: str) -> Markup:
    """The picture.

    Args:
        histogram: What is drawn.
        names: Of its sets.
        identifier: Unlike that of every other picture of the page.
    """
    highest = max([float(shares.max()) for shares in histogram.shares] + [1e-9])
    digits = 0 if highest >= 0.04 else 1
    ticks = [(y, percent(y * highest, digits)) for y in (0, 0.5, 1)]
    lines = [_steps(shares / highest, index) for index, shares in enumerate(histogram.shares)]
    return picture(
        identifier,
        f"Histogram of {histogram.score.name}",
        _description(histogram, names),
        FRAME.width,
        FRAME.height,
        axes(FRAME, histogram.scale.ticks(), ticks, "", ""),
        *lines,
        *_threshold(histogram),
    )


def _steps(heights: np.ndarray[Any, Any], index: int) -> Markup:
    edges = [FRAME.x(bar / BINS) for bar in range(BINS + 1)]
    tops = [FRAME.y(float(height)) for height in heights]
    corners = [(x, top) for bar, top in enumerate(tops) for x in edges[bar : bar + 2]]
    series = f"s{index % COLOURS}"
    line = element("path", class_=f"line {series}", d=path(corners))
    if index:
        return line
    ground = FRAME.y(0)
    area = path([(edges[0], ground), *corners, (edges[-1], ground)])
    return element("g", element("path", class_=f"area {series}", d=area), line)


def _threshold(histogram: Histogram) -> list[Markup]:
    """The line, and on which of its sides the unusual rows are."""
    if histogram.threshold is None:
        return []
    place = float(histogram.scale.place(histogram.threshold))
    x, left_is_unusual = FRAME.x(place), histogram.score.high == IN
    side = -1 if left_is_unusual else 1
    text = "◂ unusual" if left_is_unusual else "unusual ▸"
    room = place if left_is_unusual else 1 - place
    line = element("line", class_="threshold", x1=x, x2=x, y1=FRAME.y(0), y2=FRAME.y(1) - 4)
    if room < 0.16:  # beside the line there is no room for the text
        x, side = FRAME.x(0 if left_is_unusual else 1), -side
    anchor = "start" if side > 0 else "end"
    label = element(
        "text", text, class_="note", x=x + 4 * side, y=FRAME.y(1) - 8, text_anchor=anchor
    )
    return [line, label]


def _description(histogram: Histogram, names: list[str]) -> str:
    """What the eye sees at once, in words: where each set has its middle."""
    centres = (np.arange(BINS) + 0.5) / BINS
    scale = histogram.scale
    parts = [f"Axis {scale.name}."]
    for name, shares in zip(names, histogram.shares, strict=True):
        if not shares.sum():
            parts.append(f"{name}: no scores.")
            continue
        middle = float(centres[np.searchsorted(np.cumsum(shares), shares.sum() / 2)])
        parts.append(f"{name}: half of the rows are below about {short(scale.value(middle))}.")
    if histogram.threshold is not None:
        parts.append(
            f"{percent(KEEP, 0)} of in-distribution rows are kept at {short(histogram.threshold)}."
        )
    return " ".join(parts)
