"""Image files, one row each.

Column ``image`` holds the file's bytes, ``label`` the name of the folder that the file lies in.
"""

import posixpath
from collections.abc import Iterator, Sequence

import pyarrow as pa

from raygrad.sources.description import Description
from raygrad.storage import read_bytes
from raygrad.table.segment import Segment

SUFFIXES: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")

_SCHEMA = pa.schema([("image", pa.binary()), ("label", pa.string())])


def describe(uri: str) -> Description:
    """One row with columns ``image`` (the file's bytes) and ``label`` (its folder's name).

    The file isn't opened, so that a million of them are planned from their listing alone.
    """
    return Description(_SCHEMA, (1,), alike=True)


def read(segment: Segment, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """Reads the file; if it is gone by now the job stops, as it does for other sources."""
    folder = posixpath.basename(posixpath.dirname(segment.uri))
    row = {"image": [read_bytes(segment.uri)], "label": [folder]}
    yield pa.table(row, schema=_SCHEMA).select(list(columns))
