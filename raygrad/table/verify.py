"""Proof that a table holds every planned row exactly once, and that its parts agree."""

import json
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raygrad import storage
from raygrad.storage import Listing
from raygrad.table import layout, reader, schema
from raygrad.table.publish import counts, non_finite
from raygrad.table.reader import Footer
from raygrad.table.units import Unit

READERS = 8
"""Files are read by so many threads; so many whole files are in memory."""


def verify(root: str) -> Iterator[str]:
    """Compares the plan, the files, their footers and their rows; reads all but what was kept.

    Yields:
        A complaint for each thing that is wrong; none for a sound and complete table.

    Raises:
        TableError: If there is no table.
    """
    units = reader.plan(root)
    found = Listing.of(storage.each_below(layout.scores(root), with_sizes=False))
    identity = json.loads(storage.read_bytes(layout.identity(root)))
    places = units.places(file.uri for file in found)
    for file in found.filter(places < 0):
        yield f"{file.uri}: is in no plan; it isn't raygrad's, remove it"
    there = units.marked(places)
    missing, present = units.filter(~there), units.filter(there)
    if len(missing):
        rows, uncounted = missing.count_rows()
        count = "rows not counted yet" if uncounted else f"{rows} rows"
        yield f"{len(missing)} of {len(units)} units are open, {count}; run the job again"
    with ThreadPoolExecutor(READERS) as pool:
        waiting: deque[Future[list[str]]] = deque()
        for unit in present:
            waiting.append(pool.submit(_of_file, root, unit, identity))
            if len(waiting) > READERS:
                yield from waiting.popleft().result()
        for future in waiting:
            yield from future.result()


def _of_file(root: str, unit: Unit, identity: dict[str, Any]) -> list[str]:
    try:
        with storage.open_read(storage.join(layout.scores(root), unit.path)) as stream:
            file = pq.ParquetFile(stream)
            footer = reader.footer_in(unit.path, file.metadata)
            if "rows" not in footer.metadata:
                return [f"{unit.path}: has no footer of raygrad's; another program wrote it"]
            complaints = [*_of_footer(footer, unit, identity), *_of_columns(file, identity)]
            kept = {"error_stage", "error_message", *identity.get("keep", ())}
            wanted = [name for name in file.schema_arrow.names if name not in kept]
            table = file.read(wanted, use_threads=False)  # as in reader.plan
    except FileNotFoundError:
        return [f"{unit.path}: vanished while it was verified"]
    except (pa.ArrowException, ValueError) as error:
        return [f"{unit.path}: can't be read as Parquet: {error}"]
    if {"source", "row", "error_type", "prediction"} <= {*table.column_names}:
        complaints += [*_of_rows(table, unit), *_of_counts(table, footer)]
    return [f"{unit.path}: {complaint}" for complaint in complaints]


def _of_footer(footer: Footer, unit: Unit, identity: dict[str, Any]) -> Iterator[str]:
    stated = footer.metadata["rows"]
    version = footer.metadata.get("schema_version", schema.VERSION)
    if version != schema.VERSION:
        yield f"its schema has version {version}, this raygrad knows {schema.VERSION}"
    if footer.metadata.get("identity") != identity:
        yield "its footer names another identity than the table"
    if stated["read"] != stated["scored"] + stated["failed"]:
        yield f"the footer's counts don't add up: {stated}"
    planned = footer.rows if unit.rows is None else unit.rows
    if not footer.rows == stated["read"] == planned:
        plan = "" if unit.rows is None else f", the plan {unit.rows}"
        yield f"has {footer.rows} rows, its footer says {stated['read']}{plan}"


def _of_columns(file: pq.ParquetFile, identity: dict[str, Any]) -> Iterator[str]:
    """The columns are those of the identity, in order; the types of kept ones are the source's."""
    found = file.schema_arrow
    kept = [field for field in found if field.name in identity.get("keep", ())]
    wanted = schema.scores(kept, identity.get("metrics", {}), identity.get("last_layer"))
    for name in [name for name in wanted.names if name not in found.names]:
        yield f'lacks the column "{name}"'
    for field in found:
        if field.name not in wanted.names:
            yield f"has a column \"{field.name}\" that the table's identity doesn't know"
        elif field.type != wanted.field(field.name).type:
            yield f'its column "{field.name}" is {field.type}, not {wanted.field(field.name).type}'


def _of_rows(table: pa.Table, unit: Unit) -> Iterator[str]:
    offset = 0
    for segment in unit.segments:
        source, first = segment.uri, segment.first_row
        rows = len(table) - offset if segment.rows is None else segment.rows
        part = table.slice(offset, rows)
        expected = pa.chunked_array([pa.array(range(first, first + rows), pa.int64())])
        sources = [source] if rows else []
        if part["source"].unique().to_pylist() != sources or not part["row"].equals(expected):
            yield f"rows {offset} on aren't rows {first} on of {source}, in order"
        offset += rows


def _of_counts(table: pa.Table, footer: Footer) -> Iterator[str]:
    there, stated = counts(table), footer.metadata["rows"]
    if there["failed"] != stated["failed"]:
        yield f"{there['failed']} rows hold errors, its footer says {stated['failed']}"
    infinite, said = non_finite(table), footer.metadata.get("non_finite", {})
    if infinite != said:
        yield f"its scores that are NaN or infinite are {infinite}, its footer says {said}"
    failed = table["error_type"].is_valid()
    for name in ("prediction", *schema.score_columns(table.schema)):
        if wrong := pc.sum(pc.equal(failed, table[name].is_valid())).as_py():
            yield f"{wrong} rows have both or neither of an error and {name}"
