"""SQL over tables, with views that spare the reader paths, Hive keys and rows with errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from raygrad import storage
from raygrad.errors import TableError
from raygrad.ood.rows import Rows, literal, quoted, reach
from raygrad.table import layout

VIEWS = {
    "scores": "all rows, with the Hive keys as columns",
    "scored": "the rows that have scores",
    "errors": "the rows that have an error instead",
    "files": "each file: its rows, scored, failed, and bytes",
    "runs": "each run of the table that came to an end",
}
"""The views of a table; a copy that was exported has no runs."""

FORMATS = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY true",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}
"""What a result can be written as, and how DuckDB is told."""

READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI}
"""DESCRIBE, SUMMARIZE and SHOW are SELECTs to DuckDB; PIVOT is several statements."""


@dataclass(frozen=True)
class Answer:
    """The first rows of a result.

    Attributes:
        names: The columns.
        rows: The rows, as Python's values.
        complete: Whether these are all.
    """

    names: list[str]
    rows: list[tuple[Any, ...]]
    complete: bool


class Query:
    """One SQL statement that reads.

    Args:
        sql: It.
        tables: By name; the views of the one named "" need no name before them, those of others
            are in a schema of this name, and the name itself stands for all rows.

    Raises:
        TableError: If the statement is no SQL, not the only one, or one that writes.

    Example:
        >>> Query("SELECT dataset, avg(fc_l1) FROM scored GROUP BY ALL", {"": Rows("table")})
    """

    def __init__(self, sql: str, tables: Mapping[str, Rows]) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET enable_progress_bar = false")
        self.views: list[str] = []
        for name, rows in tables.items():
            self._add(name, rows)
        self.sql = self._checked(sql)

    def answer(self, most: int) -> Answer:
        """Runs it for its first rows.

        Raises:
            TableError: If DuckDB refuses it.
        """
        try:
            relation = self.connection.execute(self.sql)
            rows = relation.fetchmany(most + 1)
            names = [str(column[0]) for column in relation.description or ()]
        except duckdb.Error as error:
            raise self._refused(error) from error
        return Answer(names, rows[:most], len(rows) <= most)

    def write(self, uri: str, kind: str) -> int:
        """Runs it, and streams all rows into a new file.

        Args:
            uri: The file.
            kind: One of FORMATS.

        Returns:
            How many rows there are.

        Raises:
            TableError: If DuckDB refuses it, or the name is taken.
        """
        if storage.taken(uri):
            raise TableError(f"{uri} is there already; remove it, or choose another --output")
        reach(self.connection, uri)
        target = literal(storage.absolute(uri))
        try:
            ((rows,),) = self.connection.execute(
                f"COPY (\n{self.sql}\n) TO {target} ({FORMATS[kind]})"
            ).fetchall()
        except duckdb.Error as error:
            raise self._refused(error) from error
        return int(rows)

    def _add(self, name: str, rows: Rows) -> None:
        reach(self.connection, rows.folder)
        schema = f"{quoted(name)}." if name else ""
        if name:
            self.connection.execute(f"CREATE SCHEMA {quoted(name)}")
        selected = f"SELECT * FROM ({rows.every_row_sql()}) WHERE ({rows.where or True})"
        views = {
            "scores": selected,
            "scored": f"FROM {schema}scores WHERE error_type IS NULL",
            "errors": f"FROM {schema}scores WHERE error_type IS NOT NULL",
            "files": _files(rows),
        }
        summaries = storage.join(layout.runs(rows.root), "*.json")
        if storage.taken(summaries):
            views["runs"] = f"FROM read_json_auto({literal(summaries)}) ORDER BY run"
        for view, text in views.items():
            self.connection.execute(f"CREATE VIEW {schema}{view} AS {text}")
            self.views.append(f"{name}.{view}" if name else view)
        if name:
            self.connection.execute(f"CREATE VIEW {quoted(name)} AS FROM {schema}scores")

    def _checked(self, sql: str) -> str:
        try:
            statements = self.connection.extract_statements(sql)
        except duckdb.Error as error:
            raise self._refused(error) from error
        if len(statements) != 1:
            raise TableError(f"expected one statement of SQL, got {len(statements)}")
        (statement,) = statements
        if statement.type not in READING:
            raise TableError(
                f"got a statement that does more than read ({statement.type.name}); use SELECT, "
                "and --output FILE to keep the result"
            )
        return statement.query.strip().rstrip(";")

    def _refused(self, error: duckdb.Error) -> TableError:
        views = f"\nViews: {', '.join(self.views)}" if isinstance(error, _UNKNOWN) else ""
        return TableError(f"the query can't be run: {error}{views}")


_UNKNOWN = (duckdb.CatalogException, duckdb.BinderException)


def _files(rows: Rows) -> str:
    """Counts by file, from the footers alone."""
    files = ", ".join(literal(storage.join(rows.folder, name)) for name in rows.files)
    path = f"substr(m.file_name, {len(rows.folder) + 2})"
    count = "CAST(decode(k.value) -> 'rows' ->> '{}' AS BIGINT)"
    return f"""
SELECT {path} AS file, m.num_rows AS "rows", {count.format("scored")} AS scored,
  {count.format("failed")} AS failed, m.file_size_bytes AS bytes
FROM parquet_file_metadata([{files}]) AS m
LEFT JOIN (FROM parquet_kv_metadata([{files}]) WHERE decode(key) = 'raygrad') AS k
  ON m.file_name = k.file_name
ORDER BY file"""
