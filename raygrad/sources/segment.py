"""A run of rows of one file, the piece that units are made of."""

from typing import NamedTuple

import pyarrow as pa


class Segment(NamedTuple):
    """Rows ``first_row`` to ``first_row + rows`` of a file."""

    format: str
    uri: str
    size: int
    version: str
    first_row: int
    rows: int


class Description(NamedTuple):
    """What a file holds: its columns, and the row counts of the pieces that are read whole."""

    schema: pa.Schema
    pieces: tuple[int, ...]
