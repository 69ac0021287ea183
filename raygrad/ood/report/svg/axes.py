"""The frame of a chart: where the plot lies, its axes, ticks and their names."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from raygrad.ood.report.svg.element import element


class Frame(NamedTuple):
    """A chart's size and the room around its plot, in pixels of the view box."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int

    def x(self, place: float) -> float:
        """From 0 at the plot's left edge to 1 at its right one."""
        return self.left + place * (self.width - self.left - self.right)

    def y(self, place: float) -> float:
        """From 0 at the plot's lower edge to 1 at its upper one."""
        return self.height - self.bottom - place * (self.height - self.top - self.bottom)


Ticks = Sequence[tuple[float, str]]
"""Place from 0 to 1, and text."""


def axes(frame: Frame, x_ticks: Ticks, y_ticks: Ticks, x_name: str, y_name: str) -> Markup:
    """Grid lines, ticks and names; hidden from screen readers, which get the description."""
    low, high = frame.y(0), frame.y(1)
    left, right = frame.x(0), frame.x(1)
    parts = [
        element("line", class_="grid", x1=left, x2=right, y1=frame.y(y), y2=frame.y(y))
        for y, _ in y_ticks
    ]
    parts.append(element("line", class_="axis", x1=left, x2=right, y1=low, y2=low))
    for place, text in x_ticks:
        x = frame.x(place)
        parts.append(element("line", class_="axis", x1=x, x2=x, y1=low, y2=low + 4))
        parts.append(element("text", text, x=x, y=low + 17, text_anchor="middle"))
    for place, text in y_ticks:
        parts.append(element("text", text, x=left - 6, y=frame.y(place) + 4, text_anchor="end"))
    if x_name:
        middle = (left + right) / 2
        parts.append(element("text", x_name, x=middle, y=frame.height - 4, text_anchor="middle"))
    if y_name:
        parts.append(element("text", y_name, x=left, y=high - 8, text_anchor="start"))
    return element("g", *parts, aria_hidden="true")
