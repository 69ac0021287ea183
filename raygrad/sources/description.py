"""What a file holds, and how a source says that a row can't be read."""

from typing import NamedTuple

import pyarrow as pa

READ_ERROR = "(read error)"
"""The column by which a source says that a row can't be read; null for all others."""

READ_ERROR_TYPE = pa.struct([("type", pa.string()), ("message", pa.string())])
"""A class of :mod:`raygrad.errors` by its name, and the error's message."""


class Description(NamedTuple):
    """What a file holds.

    Attributes:
        schema: Its columns.
        pieces: The row counts of the pieces that are read whole; None for a piece whose rows can't
            be counted without reading it, which is then the only one.
        alike: Whether all files of the source are planned as this one, without being opened.
    """

    schema: pa.Schema
    pieces: tuple[int | None, ...]
    alike: bool = False
