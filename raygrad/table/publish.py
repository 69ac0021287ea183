"""One unit, one file, one name: whole or not at all, never twice."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raygrad import failpoints, storage
from raygrad.table import layout, schema

METADATA_KEY = b"raygrad"
ROWS_PER_GROUP = 131_072
"""Readers work on one row group a thread; DuckDB's own are of 122,880 rows."""


def publish_unit(root: str, path: str, rows: pa.Table, metadata: Mapping[str, Any]) -> bool:
    """Writes a unit's rows under its name.

    The content depends on the rows and the metadata alone, so that a rerun gives the same bytes.

    Args:
        root: The table.
        path: The unit's name below ``scores/``.
        rows: All rows of the unit, in order.
        metadata: What the footer says beside the counts of rows.

    Returns:
        False if the file was there already.
    """
    uri = storage.join(layout.scores(root), path)
    content = encode(rows, metadata)
    failpoints.reach("publish.before")
    created = storage.publish(uri, content, layout.scratch(root))
    failpoints.reach("publish.after")
    return created


def encode(rows: pa.Table, metadata: Mapping[str, Any]) -> bytes:
    """A Parquet file of rows, whose footer holds the metadata and counts of the rows."""
    return to_parquet(rows, footer_of(rows, metadata))


def footer_of(rows: pa.Table, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What a file of rows says of itself: the metadata, and counts of the rows."""
    return {**metadata, "rows": counts(rows), "non_finite": non_finite(rows)}


def to_parquet(rows: pa.Table, footer: Mapping[str, Any]) -> bytes:
    """Rows as the bytes of a Parquet file, the same for the same rows and footer."""
    table = rows.replace_schema_metadata({METADATA_KEY: _canonical(footer)})
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd", row_group_size=ROWS_PER_GROUP)
    content: bytes = buffer.getvalue().to_pybytes()
    return content


def counts(rows: pa.Table) -> dict[str, int]:
    """How many rows there are, have scores, and have an error instead."""
    failed = len(rows) - rows["error_type"].null_count
    return {"read": len(rows), "scored": len(rows) - failed, "failed": failed}


def non_finite(rows: pa.Table) -> dict[str, int]:
    """How many NaNs and infinities each column of scores holds; columns without any are left out.

    They are kept in the table: that a score overflows says something of its row, too.
    """
    found = {
        name: pc.sum(pc.invert(pc.is_finite(rows[name]))).as_py()
        for name in schema.score_columns(rows.schema)
    }
    return {name: count for name, count in found.items() if count}


def _canonical(footer: Mapping[str, Any]) -> bytes:
    """The same bytes for the same content; keys become texts before they are sorted."""
    return json.dumps(json.loads(json.dumps(footer, default=str)), sort_keys=True).encode()
