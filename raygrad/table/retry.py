"""Errors tried again: a unit's file is replaced by one with fewer of them, and nothing is lost."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raygrad import storage
from raygrad.errors import TableError
from raygrad.table import layout, reader, schema, swap
from raygrad.table.publish import counts, encode
from raygrad.table.units import Units

MOST_SWAPS = 20
"""Each lost swap is another run's success, so more in a row are a store whose versions lie."""


class Replacement(NamedTuple):
    """What became of a unit that was scored again.

    Attributes:
        failed_before: Its rows with errors.
        failed: Those that still have one.
        replaced: Whether its file is another one now.
    """

    failed_before: int
    failed: int
    replaced: bool


def with_errors(root: str, units: Units) -> dict[str, int]:
    """How many rows failed in each published unit that has failed rows; reads their footers."""
    return {
        footer.path: failed
        for footer in reader.footers(root, units)
        if (failed := footer.metadata.get("rows", {}).get("failed", 0))
    }


def replace_unit(root: str, path: str, rows: pa.Table, metadata: Mapping[str, Any]) -> Replacement:
    """Replaces a unit's file by compare-and-swap with one that also has the new scores.

    If the whole unit could be scored, the new file is that of a run without faults, byte for byte.
    A row that fails now keeps the scores that it has.

    Args:
        root: The table.
        path: The unit's name below ``scores/``.
        rows: All rows of the unit, in order, scored again in the batches of a plain run.
        metadata: What the footer says beside the counts of rows.

    Raises:
        FileNotFoundError: If the file is gone.
        TableError: If it holds other rows, or the store refuses every swap.
    """
    uri = storage.join(layout.scores(root), path)
    for _ in range(MOST_SWAPS):
        version = swap.version_of(uri)  # before the content: a swap in between is then noticed
        content = storage.read_bytes(uri)
        before = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        after = merged(uri, before, rows)
        failed_before, failed = counts(before)["failed"], counts(after)["failed"]
        new = encode(after, metadata)
        if new == content:
            return Replacement(failed_before, failed, replaced=False)
        if swap.replace(root, uri, new, version):
            return Replacement(failed_before, failed, replaced=True)
    raise TableError(
        f"{uri}: the store refused {MOST_SWAPS} replacements in a row; see whether another program "
        "writes this file"
    )


def merged(uri: str, before: pa.Table, after: pa.Table) -> pa.Table:
    """The rows as they are now, but for those that fail now and had scores before.

    Raises:
        TableError: If the two aren't the same rows in the same columns.
    """
    same = before.schema.equals(after.schema) and all(
        before[name].equals(after[name]) for name in schema.IDENTITY_COLUMNS
    )
    if not same:
        raise TableError(f"{uri}: holds other rows or columns than its unit; run raygrad verify")
    lost = pc.and_(pc.is_null(before["error_type"]), pc.is_valid(after["error_type"]))
    if not pc.any(lost).as_py():
        return after
    columns = [pc.if_else(lost, before[name], after[name]) for name in after.column_names]
    return pa.table(columns, schema=after.schema)
