"""Rows that could not be scored, by stage and type."""

from typing import NamedTuple

import pyarrow.parquet as pq

from raygrad import storage
from raygrad.table import layout, reader, schema


class Failure(NamedTuple):
    """Rows that failed alike.

    Attributes:
        stage: Where: ``decode`` or ``score``.
        kind: The exception's class name.
        rows: How many.
        example: One of them, as ``source, row N: message``.
    """

    stage: str
    kind: str
    rows: int
    example: str


def failures(root: str) -> list[Failure]:
    """Counts the rows with errors; reads only files whose footer says that they have some.

    Raises:
        TableError: If there is no table.
    """
    units = reader.plan(root)
    done = units.filter(units.are_among(layout.published(root)))
    columns = [*schema.IDENTITY_COLUMNS, *schema.ERROR_COLUMNS]
    counted: dict[tuple[str, str], Failure] = {}
    for footer in reader.footers(root, done):
        if not footer.metadata.get("rows", {}).get("failed"):
            continue
        with storage.open_read(storage.join(layout.scores(root), footer.path)) as stream:
            table = pq.ParquetFile(stream).read(columns, use_threads=False)
        for row in table.filter(table["error_type"].is_valid()).to_pylist():
            key = (row["error_stage"], row["error_type"])
            example = f"{row['source']}, row {row['row']}: {row['error_message']}"
            before = counted.get(key, Failure(*key, 0, example))
            counted[key] = before._replace(rows=before.rows + 1)
    return sorted(counted.values(), key=lambda failure: -failure.rows)
