"""From a report's contents to one HTML page that needs nothing else."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from raygrad import __version__
from raygrad.ood.report.contents import Contents
from raygrad.ood.report.histograms import KEEP, Histogram
from raygrad.ood.report.measures import Comparison
from raygrad.ood.report.numbers import count, fixed, percent, short, size
from raygrad.ood.report.svg import curves, histogram

SECTIONS = {
    "summary": "Summary",
    "histograms": "Histograms",
    "curves": "Curves",
    "measures": "Measures",
    "correlations": "Correlations",
    "layers": "Layers",
    "unusual": "Unusual rows",
    "errors": "Errors",
    "runs": "Runs",
    "provenance": "Provenance",
}
"""Each has a template of its name; those with nothing to show are left out."""


def render(contents: Contents) -> str:
    """The page, as HTML.

    All texts of the table are escaped by the templates, and the page's own policy forbids every
    script but its own, and all requests.
    """
    environment = Environment(
        loader=PackageLoader("raygrad.ood.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {f.__name__: f for f in (percent, count, short, fixed, size)}
    script = _file(environment, "sort.js")
    return environment.get_template("page.html").render(
        page=contents,
        title=f"Scores of {contents.table}",
        sections={name: title for name, title in SECTIONS.items() if _has(contents, name)},
        keep=KEEP,
        raygrad_version=__version__,
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        style=_file(environment, "style.css"),
        script=script,
        script_hash=_hash(script),
        histogram_picture=lambda found: _histogram(contents, found),
        roc_picture=_roc,
        pr_picture=_pr,
        letters=curves.LETTERS,
    )


def _has(contents: Contents, name: str) -> bool:
    optional: dict[str, Any] = {
        "histograms": contents.histograms,
        "curves": contents.comparisons,
        "measures": contents.evaluation,
        "correlations": contents.correlations,
        "layers": contents.layers,
        "unusual": contents.galleries,
    }
    return bool(optional.get(name, True))


def _file(environment: Environment, name: str) -> Markup:
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])


def _hash(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _histogram(contents: Contents, found: Histogram) -> Markup:
    names = [part.name for part in contents.sets]
    return histogram.draw(found, names, f"histogram-{contents.histograms.index(found)}")


def _roc(found: Comparison, number: int) -> Markup:
    drawn = [
        curves.Curve(result.score, curve.lost, curve.caught, f"AUROC {measured.auroc:.3f}")
        for (result, measured), curve in zip(found.drawn, found.curves, strict=True)
    ]
    return curves.draw_roc(drawn, f"ROC curves of {found.name}", f"roc-{number}")


def _pr(found: Comparison, number: int) -> Markup:
    """The first point, where no row is flagged, has no precision."""
    drawn = [
        curves.Curve(
            result.score,
            curve.caught[1:],
            curve.precision_out[1:],
            f"average precision {measured.aupr_out:.3f}",
        )
        for (result, measured), curve in zip(found.drawn, found.curves, strict=True)
    ]
    first = found.curves[0]
    base = first.unusual / (first.unusual + first.usual)
    return curves.draw_pr(drawn, base, f"Precision-recall curves of {found.name}", f"pr-{number}")
