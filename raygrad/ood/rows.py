"""Rows of a table that a command works on: all of them, a partition's, or those that SQL picks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raygrad import storage
from raygrad.errors import TableError
from raygrad.table import hive, layout, reader

ROWS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class Score:
    """A column of scores.

    Attributes:
        name: The column.
        definition: What it is, in words.
        high: What its high values mean, ``in-distribution`` or ``out-of-distribution``; None where
            neither the paper nor the table's author says so.
    """

    name: str
    definition: str
    high: str | None


class Rows:
    """Some rows of a table.

    Args:
        uri: A table's root, its ``scores/`` folder, one of the partitions below it, or a copy that
            ``raygrad export`` made.
        where: An SQL condition over the table's columns and Hive keys; all rows by default.

    Raises:
        TableError: If there are no score files, or if the condition is no SQL for this table.

    Example:
        >>> rows = Rows("s3://bucket/table/scores/dataset=mnist", "label < 8")
        >>> rows.columns(["fc_l1"])["fc_l1"].mean()
    """

    def __init__(self, uri: str, where: str | None = None) -> None:
        self.uri, self.where = uri.rstrip("/"), where
        names = storage.names_below(self.uri)
        inner = layout.scores("")
        below = {name.removeprefix(f"{inner}/") for name in names if name.startswith(f"{inner}/")}
        self.folder = storage.absolute(layout.scores(self.uri) if below else self.uri)
        self.files = sorted(name for name in below or names if _is_score_file(name))
        if not self.files:
            raise TableError(f"{uri} holds no score files; name a table, or a partition of one")
        try:
            self.connection = self._connect()
        except duckdb.Error as error:
            raise TableError(f"{self} can't be read: {error}") from error

    def __str__(self) -> str:
        return self.uri if self.where is None else f"{self.uri} where {self.where}"

    @cached_property
    def root(self) -> str:
        """The folder of the whole table, also where these are rows of a partition."""
        above, _ = hive.at_the_end(self.folder)
        return above.removesuffix(f"/{layout.SCORES}")

    @cached_property
    def footer(self) -> Mapping[str, Any]:
        """What the first of the files says of model, metrics and versions."""
        with storage.open_read(storage.join(self.folder, self.files[0])) as stream:
            return reader.footer_in(self.files[0], pq.read_metadata(stream)).metadata

    @cached_property
    def scores(self) -> dict[str, Score]:
        """The columns of scores, in the table's order.

        Raises:
            TableError: If the files don't define them, so that no job wrote them.
        """
        defined = self.footer.get("scores")
        if not defined:
            raise TableError(f"{self.uri}: the files don't say what their scores mean")
        return {
            name: Score(name, defined[name]["definition"], defined[name]["high"])
            for name in self.names
            if name in defined
        }

    @cached_property
    def names(self) -> list[str]:
        """All columns, and the Hive keys."""
        return [str(name) for name in self.connection.sql("FROM every_row LIMIT 0").columns]

    def require(self, names: Sequence[str]) -> None:
        """Refuses columns that aren't there.

        Raises:
            TableError: If one is missing; says which there are.
        """
        for name in names:
            if name not in self.names:
                raise TableError(
                    f'{self.uri} has no column "{name}"; it has {", ".join(self.names)}'
                )

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Runs SQL in which ``selected`` stands for these rows, and ``every_row`` for all."""
        return self.connection.sql(query)

    def shared_with(self, other: "Rows") -> int:
        """How many rows of the same files both pick; copies in other files aren't found."""
        mine = {storage.join(self.folder, name): name for name in self.files}
        theirs = {storage.join(other.folder, name): name for name in other.files}
        shared = mine.keys() & theirs.keys()
        if not shared:
            return 0
        # Both conditions may name columns that only the other files have: they are null here.
        every = " UNION ALL BY NAME ".join(
            [
                _read(self.folder, [mine[uri] for uri in shared]),
                *(f"(FROM ({_read(r.folder, r.files)}) LIMIT 0)" for r in (self, other)),
            ]
        )
        both = f"({self.where or True}) AND ({other.where or True})"
        ((count,),) = self.sql(f"SELECT count(*) FROM ({every}) WHERE {both}").fetchall()
        return int(count)

    def count(self) -> int:
        """How many rows there are, those with errors included."""
        ((count,),) = self.sql("SELECT count(*) FROM selected").fetchall()
        return int(count)

    def batches(self, names: Sequence[str], *, scored: bool = True) -> Iterator[pa.RecordBatch]:
        """Streams columns in the table's order, so that memory doesn't grow with the rows.

        Args:
            names: The columns.
            scored: Leaves the rows out that have an error instead of scores.
        """
        self.require(names)
        only = "WHERE error_type IS NULL" if scored else ""
        found = self.sql(f"SELECT {', '.join(map(quoted, names))} FROM selected {only}")
        yield from found.to_arrow_reader(ROWS_AT_ONCE)

    def columns(self, names: Sequence[str], *, scored: bool = True) -> dict[str, Any]:
        """Whole columns as NumPy arrays; float32 scores stay float32, nulls become NaN."""
        parts: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in names}
        for batch in self.batches(names, scored=scored):
            for name in names:
                parts[name].append(batch.column(name).to_numpy(zero_copy_only=False))
        return {
            name: np.concatenate(found) if found else np.zeros(0, np.float32)
            for name, found in parts.items()
        }

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.execute("SET enable_progress_bar = false")
        reach(connection, self.folder)
        connection.execute(f"CREATE VIEW every_row AS {self.every_row_sql()}")
        connection.execute(f"CREATE VIEW selected AS FROM every_row WHERE ({self.where or True})")
        return connection

    def every_row_sql(self) -> str:
        """The query behind ``every_row``, for connections of others."""
        return _read(self.folder, self.files)


def parse(text: str, where: str | None = None) -> Rows:
    """Reads what users type for rows, ``TABLE`` or ``TABLE where SQL``, as ``str(rows)`` prints it.

    Args:
        text: A table or partition, and its own condition after the first ``where`` in any case.
        where: A condition that is to hold as well.

    Raises:
        TableError: As :class:`Rows`; or if the condition after ``where`` is empty.

    Example:
        >>> parse("demo/table where dataset = 'mnist'", "row < 1000")
    """
    uri, *own = re.split(r"\s+where(?:\s+|$)", text.strip(), maxsplit=1, flags=re.IGNORECASE)
    if own == [""]:
        raise TableError(f"{text}: no condition follows where; expected TABLE where SQL")
    conditions = [*own, *([] if where is None else [where])]
    both = len(conditions) > 1
    return Rows(uri, " AND ".join(f"({c})" if both else c for c in conditions) or None)


def reach(connection: duckdb.DuckDBPyConnection, uri: str) -> None:
    """Lets a connection read and write where a URI is, if it can't yet."""
    if storage.is_local(uri):
        return
    filesystem = storage.filesystem(uri)
    protocols = filesystem.protocol
    names = {protocols} if isinstance(protocols, str) else set(protocols)
    if not names & set(connection.list_filesystems()):
        connection.register_filesystem(filesystem)


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def _read(folder: str, files: Sequence[str]) -> str:
    """Files that have the same Hive keys are read together; DuckDB refuses others."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in files:
        uri = storage.join(folder, name)
        alike.setdefault(tuple(hive.values(name)), []).append(literal(uri))
    return " UNION ALL BY NAME ".join(
        f"FROM read_parquet([{', '.join(uris)}], hive_partitioning = true)"
        for uris in alike.values()
    )


def _is_score_file(name: str) -> bool:
    return name.endswith(".parquet") and not any(p.startswith(("_", ".")) for p in name.split("/"))
