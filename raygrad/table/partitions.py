"""Rows that come in any order go out into Hive folders, with a bound on what waits in memory."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from raygrad import storage
from raygrad.errors import TableError
from raygrad.table import hive
from raygrad.table.publish import footer_of, to_parquet

MOST_BYTES = 256 << 20
"""Rows that wait; beyond it the largest partition is written, so that its file has fewer rows."""

PIECES = 32
"""Small pieces of a partition that become one: 15 columns of 65 rows weigh twice their values."""

Key = tuple[Any, ...]


class PartitionWriter:
    """Collects rows by partition, and writes files of at most so many rows.

    A file is built in memory and written whole, rather than left open: ten thousand open uploads
    would hold a buffer of megabytes each.

    Args:
        out: Where the folders are made.
        by: The columns that make the folders; they are left out of the files.
        rows_per_file: Rows of a file, at most.
        metadata: What the footers say beside the counts of rows.

    Attributes:
        rows: How many rows are written.
        files: How many files are written, by folder.
        scratch: A folder for unfinished files.
    """

    def __init__(
        self, out: str, by: Sequence[str], rows_per_file: int, metadata: Mapping[str, Any]
    ) -> None:
        self.rows = 0
        self.files: Counter[str] = Counter()
        self.scratch = storage.join(out, "_temporary")
        self._out, self._by, self._metadata = out, list(by), metadata
        self._rows_per_file = rows_per_file
        self._waiting: dict[Key, list[pa.Table]] = {}
        self._recent: dict[Key, list[pa.Table]] = {}
        self._count: Counter[Key] = Counter()
        self._bytes: Counter[Key] = Counter()

    def add(self, rows: pa.Table) -> None:
        """Takes rows, and writes what is enough for a file."""
        for key, part in groups(rows, self._by):
            self._keep(key, part)
            if self._count[key] >= self._rows_per_file:
                self._write(key, all_of_it=False)
        while self._bytes.total() > MOST_BYTES:
            self._write(self._bytes.most_common(1)[0][0], all_of_it=True)

    def finish(self) -> None:
        """Writes all that waits."""
        for key in list(self._count):
            self._write(key, all_of_it=True)

    def _keep(self, key: Key, part: pa.Table) -> None:
        recent = self._recent.setdefault(key, [])
        recent.append(part)
        if len(recent) == PIECES:
            whole = pa.concat_tables(self._recent.pop(key)).combine_chunks()
            self._waiting.setdefault(key, []).append(whole)
        self._count[key] += len(part)
        self._bytes[key] += part.nbytes

    def _write(self, key: Key, *, all_of_it: bool) -> None:
        rows = pa.concat_tables([*self._waiting.pop(key, []), *self._recent.pop(key, [])])
        del self._bytes[key], self._count[key]
        while len(rows) >= self._rows_per_file or (all_of_it and len(rows)):
            self._publish(key, rows.slice(0, self._rows_per_file))
            rows = rows.slice(self._rows_per_file)
        if len(rows):
            # Copied: a slice would keep all that it was cut from in memory.
            self._keep(key, rows.take(pa.array(range(len(rows)))))

    def _publish(self, key: Key, rows: pa.Table) -> None:
        folder = hive.folder(dict(zip(self._by, key, strict=True)))
        name = f"part-{self.files[folder]:05d}.parquet"
        footer = footer_of(rows, self._metadata)
        content = to_parquet(rows.drop_columns(self._by).combine_chunks(), footer)
        uri = storage.join(self._out, *filter(None, [folder]), name)
        if not storage.publish(uri, content, self.scratch):
            raise TableError(f"{uri} is there already: another export goes to the same place")
        self.files[folder] += 1
        self.rows += len(rows)


def groups(rows: pa.Table, by: Sequence[str]) -> Iterator[tuple[Key, pa.Table]]:
    """Rows that have the same values in some columns, each group in the order of the rows."""
    if not by:
        if len(rows):
            yield (), rows
        return
    places = rows.select(by).append_column("places", pa.array(range(len(rows)), pa.int64()))
    grouped = places.group_by(list(by), use_threads=False).aggregate([("places", "list")])
    keys = grouped.select(by).to_pylist()
    for key, found in zip(keys, grouped["places_list"], strict=True):
        yield tuple(key[name] for name in by), rows.take(found.values)
