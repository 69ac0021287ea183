"""One unit, one file, one name: whole or not at all, never twice."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raygrad import failpoints, storage
from raygrad.table import layout

METADATA_KEY = b"raygrad"
ROWS_PER_GROUP = 131_072


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
    failed = len(rows) - pc.count(rows["error_type"], mode="only_null").as_py()
    footer = {
        **metadata,
        "rows": {"read": len(rows), "scored": len(rows) - failed, "failed": failed},
    }
    table = rows.replace_schema_metadata({METADATA_KEY: _canonical(footer)})
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd", row_group_size=ROWS_PER_GROUP)
    content = buffer.getvalue().to_pybytes()
    uri = storage.join(layout.scores(root), path)
    failpoints.reach("publish.before")
    created = storage.publish(uri, content, layout.scratch(root))
    failpoints.reach("publish.after")
    return created


def _canonical(footer: Mapping[str, Any]) -> bytes:
    """The same bytes for the same content; keys become texts before they are sorted."""
    return json.dumps(json.loads(json.dumps(footer, default=str)), sort_keys=True).encode()
