"""Cuts the rows of listed files into units."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygrad.errors import Fault, SpecError
from raygrad.sources import SOURCES, Description, Segment, batches
from raygrad.storage import Listing
from raygrad.storage.listing import AT_ONCE
from raygrad.table.units import COLUMNS, Units

ROWS_COUNTED = 64
"""Rows that are read at once to count them."""


class Group(NamedTuple):
    """Files that go into one partition."""

    format: str
    partition: str
    files: Listing


def make(
    groups: Iterable[Group],
    rows_per_file: int,
    *,
    columns: pa.Schema | None = None,
    generation: int = 0,
    limit: int | None = None,
) -> Units:
    """Cuts files into units of about ``rows_per_file`` rows.

    A piece that its format reads whole, such as a row group, is never cut, unless the limit falls
    into it; empty files make no unit. A file whose rows can't be counted beforehand is an
    open-ended unit of its own; with a limit it is read up to there, and so is counted.

    Args:
        groups: The files of each partition.
        rows_per_file: A unit is closed as soon as it has so many rows.
        columns: What every file must have; wider or other types are refused, save for type null.
        generation: The number of this extension of the plan.
        limit: Where the plan ends, in rows; None for all.

    Returns:
        Units, numbered from 0.

    Raises:
        SpecError: With each file that can't be read or lacks a column.
    """
    faults: list[Fault] = []
    number, left = 0, limit
    tables = [COLUMNS.empty_table()]
    for group in groups:
        pieces = _pieces(group, columns, faults)
        if left is not None:
            pieces = _limited(pieces, left, group, [] if columns is None else columns.names)
        segments = _segments(pieces, number, rows_per_file)
        while some := list(islice(segments, AT_ONCE)):
            tables.append(_table(some, group, generation))
            number = some[-1][1] + 1
            left = left if left is None else left - pc.sum(tables[-1]["rows"]).as_py()
        if left == 0:
            break
    if faults:
        raise SpecError(faults, "the sources' files")
    return Units(pa.concat_tables(tables))


def _pieces(
    group: Group, columns: pa.Schema | None, faults: list[Fault]
) -> Iterator[tuple[int, int, int | None]]:
    """The pieces that are read whole: a file's index, the first row, how many or None."""
    described: Description | None = None
    for index in range(len(group.files)):
        if described is None or not described.alike:
            uri = group.files[index].uri
            try:
                described = SOURCES[group.format].describe(uri)
            except (OSError, ValueError) as error:
                faults.append(Fault(uri, f"can't be read as {group.format}: {error}"))
                continue
            faults += [
                Fault(uri, complaint)
                for field in columns or ()
                if described.pieces and (complaint := _misfit(described.schema, field))
            ]
        first = 0
        for rows in described.pieces:
            yield index, first, rows
            first += rows or 0


def _limited(
    pieces: Iterable[tuple[int, int, int | None]], limit: int, group: Group, columns: Sequence[str]
) -> Iterator[tuple[int, int, int | None]]:
    """The first pieces, up to so many rows; those that are open-ended are read, and counted."""
    left = limit
    for index, first, there in pieces:
        rows = left if there is None else min(there, left)
        if there is None:
            segment = Segment(group.format, *group.files[index], first, rows)
            rows = sum(map(len, batches([segment], columns, ROWS_COUNTED)))
        yield index, first, rows
        left -= rows
        if not left:
            return


def _segments(
    pieces: Iterable[tuple[int, int, int | None]], unit: int, rows_per_file: int
) -> Iterator[tuple[int, int, int, int | None]]:
    """A file's index, a unit's number, the first row, how many or None.

    Neighbours make a unit of about so many rows; open-ended pieces stay alone.
    """
    waiting: tuple[int, int, int, int | None] | None = None
    count = 0
    for index, first, rows in pieces:
        if rows == 0:
            continue
        if rows is None and count:
            unit, count = unit + 1, 0
        if count and waiting and waiting[0] == index:
            waiting = (*waiting[:3], (waiting[3] or 0) + (rows or 0))
        else:
            if waiting:
                yield waiting
            waiting = (index, unit, first, rows)
        count += rows_per_file if rows is None else rows
        if count >= rows_per_file:
            unit, count = unit + 1, 0
    if waiting:
        yield waiting


def _table(
    segments: Sequence[tuple[int, int, int, int | None]], group: Group, generation: int
) -> pa.Table:
    index, unit, first_row, rows = zip(*segments, strict=True)
    files = group.files.table
    if index == tuple(range(index[0], index[0] + len(index))):
        files = files.slice(index[0], len(index))  # which copies nothing
    else:
        files = files.take(index)
    only = pa.array(np.zeros(len(index), np.int32))
    columns = {
        "generation": np.full(len(index), generation, np.int32),
        "unit": unit,
        "partition": pa.DictionaryArray.from_arrays(only, [group.partition]),
        "format": pa.DictionaryArray.from_arrays(only, [group.format]),
        **dict(zip(files.column_names, files.columns, strict=True)),
        "first_row": first_row,
        "rows": rows,
    }
    return pa.table(columns, schema=COLUMNS)


def _misfit(found: pa.Schema, field: pa.Field) -> str | None:
    """What keeps a file's column from being read as that of the first file."""
    if field.name not in found.names:
        return f'has no column "{field.name}"'
    if pa.types.is_null(field.type):
        return None
    kind = found.field(field.name).type
    try:
        both = [pa.schema([field]), pa.schema([(field.name, kind)])]
        unified = pa.unify_schemas(both, promote_options="permissive")
    except pa.ArrowTypeError:
        unified = None
    if unified is None or unified.field(field.name).type != field.type:
        return f'its column "{field.name}" is {kind}, that of the first file {field.type}'
    return None
