"""Proof that a table holds every planned row exactly once, and that its parts agree."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raygrad import storage
from raygrad.table import layout, reader, schema
from raygrad.table.reader import Footer, PlannedUnit


def verify(root: str) -> Iterator[str]:
    """Compares the plan, the files and their rows; reads three columns of every file.

    Yields:
        A complaint for each thing that is wrong; none for a sound and complete table.

    Raises:
        TableError: If there is no table.
    """
    units = {unit.path: unit for unit in reader.plan(root)}
    found = layout.published(root)
    identity = json.loads(storage.read_bytes(layout.identity(root)))
    for path in sorted(found - units.keys()):
        yield f"{path}: is in no plan; it isn't raygrad's, remove it"
    missing = [unit for path, unit in units.items() if path not in found]
    if missing:
        rows = schema.total(unit.rows for unit in missing)
        count = "rows not counted yet" if rows is None else f"{rows} rows"
        yield f"{len(missing)} of {len(units)} units are open, {count}; run the job again"
    present = [path for path in units if path in found]
    for footer in reader.footers(root, present):
        yield from _of_footer(footer, units[footer.path], identity)
        yield from _of_rows(root, footer, units[footer.path])


def _of_footer(footer: Footer, unit: PlannedUnit, identity: dict[str, Any]) -> Iterator[str]:
    counts = footer.metadata.get("rows")
    if counts is None:
        yield f"{footer.path}: has no footer of raygrad's; another program wrote it"
        return
    if footer.metadata.get("identity") != identity:
        yield f"{footer.path}: its footer names another identity than the table"
    if counts["read"] != counts["scored"] + counts["failed"]:
        yield f"{footer.path}: the footer's counts don't add up: {counts}"
    if not footer.rows == counts["read"] == (counts["read"] if unit.rows is None else unit.rows):
        planned = "" if unit.rows is None else f", the plan {unit.rows}"
        yield f"{footer.path}: has {footer.rows} rows, its footer says {counts['read']}{planned}"


def _of_rows(root: str, footer: Footer, unit: PlannedUnit) -> Iterator[str]:
    columns = ["source", "row", "error_type"]
    with storage.open_read(storage.join(layout.scores(root), footer.path)) as stream:
        table = pq.ParquetFile(stream).read(columns)
    offset = 0
    for source, first, planned in unit.segments:
        rows = len(table) - offset if planned is None else planned
        part = table.slice(offset, rows)
        expected = pa.chunked_array([pa.array(range(first, first + rows), pa.int64())])
        sources = [source] if rows else []
        if part["source"].unique().to_pylist() != sources or not part["row"].equals(expected):
            yield f"{footer.path}: rows {offset} on aren't rows {first} on of {source}, in order"
        offset += rows
    failed = len(table) - table["error_type"].null_count
    if failed != footer.metadata.get("rows", {}).get("failed", failed):
        yield f"{footer.path}: {failed} rows hold errors, its footer says otherwise"
