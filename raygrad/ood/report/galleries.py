"""The most unusual rows of each set, with thumbnails."""

import posixpath
import time
from collections.abc import Sequence
from typing import NamedTuple

from raygrad.ood.report.sets import SampleSet
from raygrad.ood.report.thumbnails import PATIENCE, Pictures, Thumbnail
from raygrad.ood.report.unusual import UnusualRow, most_unusual
from raygrad.ood.rows import Score


class Sample(NamedTuple):
    """A row and its picture.

    Attributes:
        name: Its source below the gallery's place; empty if that is the source.
        row: The row.
        thumbnail: Its picture, or why there is none.
    """

    name: str
    row: UnusualRow
    thumbnail: Thumbnail


class Gallery(NamedTuple):
    """The most unusual rows of a set.

    Attributes:
        name: The set's.
        place: The source of them all, or the folder that all sources lie below.
        samples: The rows, the most unusual first.
    """

    name: str
    place: str
    samples: list[Sample]


def galleries(
    sets: Sequence[SampleSet], score: Score, shown: Sequence[str], label: str | None, count: int
) -> list[Gallery]:
    """Picks rows of each set and reads their pictures from the sources.

    Args:
        sets: The sets.
        score: What the rows are ordered by.
        shown: Scores that are given for each.
        label: Column of the true classes.
        count: How many rows of each set.
    """
    found = []
    deadline = time.monotonic() + PATIENCE
    for part in sets:
        rows = most_unusual(part, score, shown, label, count)
        pictures = Pictures(part.rows.footer.get("spec", {}), deadline)
        thumbnails = pictures.of((row.source, row.row) for row in rows)
        place = _common([row.source for row in rows])
        samples = [
            Sample(row.source.removeprefix(place), row, thumbnails[row.source, row.row])
            for row in rows
        ]
        found.append(Gallery(part.name, place, samples))
    return found


def _common(sources: Sequence[str]) -> str:
    """The one file, or the longest folder that all lie in, with its slash; empty without one."""
    if len(set(sources)) == 1:
        return sources[0]
    shared = posixpath.commonprefix([f"{posixpath.dirname(source)}/" for source in sources])
    return shared[: shared.rfind("/") + 1]
