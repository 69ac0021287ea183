"""Parquet files; a row group is the smallest piece that is read.

A column of images holds their bytes, Hugging Face's structs of them, or paths or URIs of image
files: so a Parquet file of URIs and labels is a manifest that passes its labels through.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from raygrad.sources.description import Description
from raygrad.storage import open_read
from raygrad.table.segment import Segment

SUFFIXES: tuple[str, ...] = (".parquet",)


def describe(uri: str) -> Description:
    """Reads the footer.

    Raises:
        pyarrow.ArrowInvalid: If it is no Parquet file.
    """
    with open_read(uri) as stream:
        footer = pq.ParquetFile(stream)
        groups = range(footer.metadata.num_row_groups)
        rows = tuple(footer.metadata.row_group(group).num_rows for group in groups)
        return Description(footer.schema_arrow, rows)


def read(segment: Segment, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """Reads a segment, which starts at the edge of a row group.

    Yields:
        At most ``rows`` rows at a time, in the file's order.
    """
    with open_read(segment.uri) as stream:
        footer = pq.ParquetFile(stream)
        groups, first = [], 0
        for group in range(footer.metadata.num_row_groups):
            if segment.first_row <= first < segment.end:
                groups.append(group)
            first += footer.metadata.row_group(group).num_rows
        left = segment.end - segment.first_row
        for batch in footer.iter_batches(rows, row_groups=groups, columns=list(columns)):
            # A limit may end the segment in the middle of a row group.
            yield pa.Table.from_batches([batch.slice(0, left)]).select(list(columns))
            left -= len(batch)
            if left <= 0:
                return
