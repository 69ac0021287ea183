"""A re-partitioned copy of a table: other Hive keys, files of another size, the same rows."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raygrad import storage
from raygrad.errors import TableError
from raygrad.table import hive, layout, reader
from raygrad.table.partitions import PartitionWriter, groups

ROWS_READ = 1 << 16
"""Rows that are read at once."""

MOST_PARTITIONS = 10_000
"""More would be files of a few rows each, which every reader is slow with."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        rows: How many rows.
        files: In how many files.
        partitions: In how many folders.
        units_open: Units of the plan that had no file yet, so that their rows are left out.
        rows_open: Their rows, as far as the plan can count them.
    """

    rows: int
    files: int
    partitions: int
    units_open: int
    rows_open: int


def export(root: str, out: str, partition_by: Sequence[str], rows_per_file: int) -> Exported:
    """Copies the rows that one listing of a table shows; also while a job is writing it.

    Rows are streamed, so memory doesn't grow with the table. The Hive keys of the table become
    columns, unless they are among the new ones. A null is in the folder that Hive has for it. The
    footers keep what all files say of model, metrics and versions. ``_SUCCESS`` is written last.

    Args:
        root: The table.
        out: A place that holds nothing yet.
        partition_by: Columns or Hive keys of whole numbers, texts or dates that become the folders.
        rows_per_file: How many rows a file has at most.

    Raises:
        TableError: If there is no table, if the place isn't free, if a column can't be a partition,
            or if not as many rows came out as the files' footers count.
    """
    units = reader.plan(root)
    there = units.are_among(layout.published(root))
    done, still_open = units.filter(there), units.filter(~there)
    _refuse_place(root, out)
    if not len(done):
        raise TableError(f"{root} has no rows yet: none of its {len(units)} units is done")
    expected, metadata = _in_common(reader.footers(root, done))
    keys = _keys(done.segments["partition"].unique().to_pylist())
    _refuse_partitions(root, done.paths, keys, partition_by)
    metadata["exported"] = {"table": root, "partition_by": list(partition_by)}
    writer = PartitionWriter(out, partition_by, rows_per_file, metadata)
    for path in map(str, done.paths):
        for rows in _read(root, path, keys):
            writer.add(rows)
    writer.finish()
    if writer.rows != expected:
        raise TableError(
            f"{out}: {writer.rows} rows were written, the footers of {root} count {expected}; run "
            "raygrad verify on the table, and remove this copy"
        )
    storage.publish(storage.join(out, "_SUCCESS"), b"", writer.scratch)
    if storage.is_local(out):
        with contextlib.suppress(OSError):
            os.rmdir(storage.absolute(writer.scratch))
    return Exported(
        rows=writer.rows,
        files=sum(writer.files.values()),
        partitions=len(writer.files),
        units_open=len(still_open),
        rows_open=still_open.count_rows()[0],
    )


def _refuse_place(root: str, out: str) -> None:
    if storage.within(storage.absolute(out), storage.absolute(root)):
        raise TableError(f"{out} lies in the table {root}; export to a place beside it")
    if names := storage.names_below(out):
        raise TableError(
            f"{out} isn't empty: it holds {min(names)}"
            + (f" and {len(names) - 1} more files" if len(names) > 1 else "")
            + "; export to a new place"
        )


def _keys(folders: Iterable[str]) -> dict[str, pa.DataType]:
    """The Hive keys of some folders and their types; a key that some lack is null in them."""
    texts: dict[str, set[str]] = {}
    for folder in folders:
        for key, value in hive.values(f"{folder}/").items():
            texts.setdefault(key, set()).add(value)
    return {key: _type_of(found) for key, found in texts.items()}


def _type_of(texts: set[str]) -> pa.DataType:
    """As readers take them: whole numbers, dates or texts."""
    for kind in (pa.int64(), pa.date32()):
        with contextlib.suppress(pa.ArrowInvalid):
            pa.array(sorted(texts)).cast(kind)
            return kind
    return pa.string()


def _read(
    root: str, path: str, keys: Mapping[str, pa.DataType], columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """A file's rows, some at a time, with the Hive keys as columns."""
    values = hive.values(path)
    stored = None if columns is None else [name for name in columns if name not in keys]
    with storage.open_read(storage.join(layout.scores(root), path)) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(ROWS_READ, columns=stored):
            table = pa.Table.from_batches([batch]).replace_schema_metadata(None)
            for key, kind in keys.items():
                if columns is None or key in columns:
                    column = pa.repeat(pa.scalar(values.get(key), pa.string()), len(batch))
                    table = table.append_column(key, column.cast(kind))
            yield table


def _refuse_partitions(
    root: str, paths: pa.ChunkedArray, keys: Mapping[str, pa.DataType], by: Sequence[str]
) -> None:
    """Reads the columns that are to be partitions, and refuses what no reader would read back."""
    with storage.open_read(storage.join(layout.scores(root), str(paths[0]))) as stream:
        there = pq.ParquetFile(stream).schema_arrow
    kinds = {**{field.name: field.type for field in there}, **keys}
    for name in by:
        if name not in kinds:
            raise TableError(f'there is no column "{name}"; use some of {", ".join(kinds)}')
        if not _can_be_partition(kinds[name]):
            raise TableError(
                f"{name} is of type {kinds[name]}; partition by whole numbers, texts or dates"
            )
    if len(set(by)) < len(by):
        raise TableError(f"a column is named twice: {', '.join(by)}")
    if len(by) == len(kinds):
        raise TableError("all columns are partitions; leave some for the files")
    seen: set[tuple[Any, ...]] = set()
    for path in map(str, paths) if by else ():
        for rows in _read(root, path, keys, by):
            fresh = {values for values, _ in groups(rows, by)} - seen
            for values in fresh:
                given = {n: v for n, v in zip(by, values, strict=True) if v is not None}
                for name, complaint in hive.faults(given, ()):
                    raise TableError(f"{name} can't be a partition: {complaint}")
            seen |= fresh
            if len(seen) > MOST_PARTITIONS:
                raise TableError(
                    f"{', '.join(by)} have more than {MOST_PARTITIONS:,} values; partition by "
                    "columns of fewer"
                )


def _can_be_partition(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_date(kind)
    )


def _in_common(footers: Iterable[reader.Footer]) -> tuple[int, dict[str, Any]]:
    """How many rows files have, and what their footers say beside counts.

    Where they differ in that, as versions may, it is a list of all.
    """
    rows = 0
    different: dict[str, list[Any]] = {}
    for place, footer in enumerate(footers):
        rows += footer.rows
        for key in {*different, *footer.metadata} - {"rows", "non_finite"}:
            said = different.setdefault(key, [None] if place else [])
            if (value := footer.metadata.get(key)) not in said:
                said.append(value)
    return rows, {key: said[0] if len(said) == 1 else said for key, said in different.items()}
