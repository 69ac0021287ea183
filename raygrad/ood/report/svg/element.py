"""SVG elements as escaped text."""

from typing import Any

from markupsafe import Markup, escape


def element(name: str, *children: Any, **attributes: Any) -> Markup:
    """An element; children and values are escaped unless they are markup already.

    Args:
        name: Its tag.
        children: Texts and other elements.
        attributes: ``stroke_width=2`` is ``stroke-width="2"``, ``class_`` is ``class``; None
            leaves an attribute out, and numbers are rounded to a tenth of a pixel.
    """
    found = (
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), shown(value))
        for key, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(map(escape, children))
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), Markup("").join(found), inner)


def shown(value: Any) -> Any:
    """A number as few digits as a picture needs."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def path(points: Any) -> str:
    """A line through points, as the ``d`` of a path; points that the eye can't part are one."""
    near = [(shown(float(x)), shown(float(y))) for x, y in points]
    kept = [p for p, before in zip(near, [None, *near], strict=False) if p != before]
    return "M" + "L".join(f"{x} {y}" for x, y in kept)


def picture(
    identifier: str, title: str, description: str, width: int, height: int, *children: Any
) -> Markup:
    """A whole picture with its title and description, which screen readers read instead."""
    return element(
        "svg",
        element("title", title, id=f"{identifier}-title"),
        element("desc", description, id=f"{identifier}-desc"),
        *children,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_labelledby=f"{identifier}-title {identifier}-desc",
    )
