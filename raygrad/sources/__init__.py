"""Where rows come from: one file a format, and ``SOURCES``, the table that specs name them by."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from raygrad.sources import images, numpy, parquet, webdataset
from raygrad.sources.description import READ_ERROR, Description
from raygrad.table.segment import Segment

__all__ = ["READ_ERROR", "SOURCES", "Description", "Segment", "Source", "batches"]


class Source(Protocol):
    """What a module of this package offers."""

    SUFFIXES: tuple[str, ...]

    def describe(self, uri: str) -> Description:
        """Counts a file's rows and says which columns it has."""

    def read(self, segment: Segment, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Reads a segment in order, at most so many rows at a time."""


SOURCES: dict[str, Source] = {
    "parquet": parquet,
    "images": images,
    "numpy": numpy,
    "webdataset": webdataset,
}


def batches(
    segments: Sequence[Segment], columns: Sequence[str], batch_size: int
) -> Iterator[pa.Table]:
    """Reads a unit in batches that depend on nothing but the unit and the batch size.

    Args:
        segments: The unit's pieces, in order.
        columns: Which columns are read.
        batch_size: Rows of every batch but the last.

    Yields:
        The columns, after ``source`` (the file's URI) and ``row`` (its row number, from 0), and
        ``READ_ERROR`` from sources that tell of rows that can't be read.
    """
    waiting: list[pa.Table] = []
    count = 0
    for segment in segments:
        first = segment.first_row
        for piece in SOURCES[segment.format].read(segment, columns, batch_size):
            waiting.append(_with_identity(piece, segment.uri, first))
            first += len(piece)
            count += len(piece)
            while count >= batch_size:
                table = pa.concat_tables(waiting, promote_options="permissive")
                yield table.slice(0, batch_size)
                waiting = [table.slice(batch_size)]
                count -= batch_size
    if count:
        yield pa.concat_tables(waiting, promote_options="permissive")


def _with_identity(piece: pa.Table, uri: str, first_row: int) -> pa.Table:
    rows = pa.array(range(first_row, first_row + len(piece)), pa.int64())
    sources = pa.array([uri] * len(piece), pa.string())
    return piece.add_column(0, "row", rows).add_column(0, "source", sources)
