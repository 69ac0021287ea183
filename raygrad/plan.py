"""The plan: which rows make which unit, frozen when it is first made."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from raygrad import storage
from raygrad.errors import Fault, PlanError, SpecError
from raygrad.sources import SOURCES, Description, Segment, batches
from raygrad.storage import StoredFile
from raygrad.table import layout, schema

SEGMENTS_AT_ONCE = 65_536
"""The plan is written and read in pieces, so that a million files aren't in memory twice."""

ROWS_COUNTED = 64
"""Rows that are read at once to count them."""


class Unit(NamedTuple):
    """A fixed set of input rows that becomes one file.

    Attributes:
        generation: Which extension of the plan it came with.
        number: Its number within the generation.
        partition: The Hive folder of its rows.
        segments: Where its rows lie, in order.
    """

    generation: int
    number: int
    partition: str
    segments: tuple[Segment, ...]

    @property
    def rows(self) -> int | None:
        """How many rows it has; None if it is open-ended."""
        return schema.total(segment.rows for segment in self.segments)

    @property
    def path(self) -> str:
        """The name of its file below ``scores/``."""
        return schema.unit_path(self.generation, self.number, self.partition)


class Group(NamedTuple):
    """Files that go into one partition."""

    format: str
    partition: str
    files: Sequence[StoredFile]


def make(
    groups: Iterable[Group],
    rows_per_file: int,
    *,
    columns: pa.Schema | None = None,
    generation: int = 0,
    limit: int | None = None,
) -> list[Unit]:
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
    listed = list(groups)
    every: Iterator[tuple[int, Segment]] = (
        (place, segment)
        for place, group in enumerate(listed)
        for segment in _segments(group, columns, faults)
    )
    if limit is not None:
        every = _limited(every, limit, [] if columns is None else columns.names)
    units: list[Unit] = []
    for place, segments in groupby(every, key=itemgetter(0)):
        for run in _runs((segment for _, segment in segments), rows_per_file):
            units.append(Unit(generation, len(units), listed[place].partition, _joined(run)))
    if faults:
        raise SpecError(faults, "the sources' files")
    return units


def _segments(group: Group, columns: pa.Schema | None, faults: list[Fault]) -> Iterator[Segment]:
    described: Description | None = None
    for file in group.files:
        if described is None or not described.alike:
            try:
                described = SOURCES[group.format].describe(file.uri)
            except (OSError, ValueError) as error:
                faults.append(Fault(file.uri, f"can't be read as {group.format}: {error}"))
                continue
            faults += [
                Fault(file.uri, complaint)
                for field in columns or ()
                if described.pieces and (complaint := _misfit(described.schema, field))
            ]
        first = 0
        for rows in described.pieces:
            yield Segment(group.format, file.uri, file.size, file.version, first, rows)
            first += rows or 0


def _limited(
    segments: Iterable[tuple[int, Segment]], limit: int, columns: Sequence[str]
) -> Iterator[tuple[int, Segment]]:
    """The first segments, up to so many rows; those that are open-ended are read, and counted."""
    left = limit
    for place, segment in segments:
        cut = segment._replace(rows=left if segment.rows is None else min(segment.rows, left))
        if segment.rows is None:
            cut = cut._replace(rows=sum(map(len, batches([cut], columns, ROWS_COUNTED))))
        yield place, cut
        left -= cut.end - cut.first_row
        if not left:
            return


def _runs(segments: Iterable[Segment], rows_per_file: int) -> Iterator[list[Segment]]:
    """Neighbours that make a unit of about so many rows; open-ended ones stay alone."""
    run: list[Segment] = []
    count = 0
    for segment in segments:
        if segment.rows is None:
            if run:
                yield run
            yield [segment]
            run, count = [], 0
        elif segment.rows:
            run.append(segment)
            count += segment.rows
        if count >= rows_per_file:
            yield run
            run, count = [], 0
    if run:
        yield run


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


def _joined(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Neighbours in one file as one segment."""
    joined: list[Segment] = []
    for segment in segments:
        if joined and joined[-1].uri == segment.uri:
            joined[-1] = joined[-1]._replace(rows=segment.end - joined[-1].first_row)
        else:
            joined.append(segment)
    return tuple(joined)


def count_rows(units: Iterable[Unit]) -> tuple[int, int]:
    """How many rows some units have, and how many of them are open-ended, of unknown rows."""
    counts = [unit.rows for unit in units]
    return sum(filter(None, counts)), counts.count(None)


def save(root: str, units: Sequence[Unit]) -> list[Unit]:
    """Writes a generation, create-only.

    Returns:
        The units that stand in the table: another planner's, if that one was first.
    """
    rows = (
        (unit.generation, unit.number, unit.partition, *segment)
        for unit in units
        for segment in unit.segments
    )
    buffer = pa.BufferOutputStream()
    with pq.ParquetWriter(buffer, schema.PLAN, compression="zstd") as writer:
        while some := list(islice(rows, SEGMENTS_AT_ONCE)):
            columns = map(pa.array, zip(*some, strict=True), schema.PLAN.types)
            writer.write_table(pa.table(list(columns), schema=schema.PLAN))
    uri = storage.join(layout.plan(root), f"{units[0].generation:04d}.parquet")
    created = storage.publish(uri, buffer.getvalue().to_pybytes(), layout.scratch(root))
    return list(units) if created else _load_file(uri)


def load(root: str) -> list[Unit]:
    """All units of a table; none of a table without a plan."""
    folder = layout.plan(root)
    names = sorted(storage.names_below(folder))
    return [unit for name in names for unit in _load_file(storage.join(folder, name))]


def _load_file(uri: str) -> list[Unit]:
    file = pq.ParquetFile(pa.BufferReader(storage.read_bytes(uri)))
    rows = (
        row
        for batch in file.iter_batches(SEGMENTS_AT_ONCE, columns=schema.PLAN.names)
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    )
    return [
        Unit(generation, number, partition, tuple(Segment(*row[3:]) for row in group))
        for (generation, number, partition), group in groupby(rows, key=itemgetter(0, 1, 2))
    ]


def new_files(units: Iterable[Unit], groups: Iterable[Group]) -> list[Group]:
    """The listed files that no unit has yet, by group.

    Raises:
        PlanError: If a file that has units is now listed for another partition.
    """
    known = {(unit.partition, segment.uri) for unit in units for segment in unit.segments}
    partitions = {uri: partition for partition, uri in known}
    fresh = [
        group._replace(files=[f for f in group.files if (group.partition, f.uri) not in known])
        for group in groups
    ]
    moved = [
        f"  {file.uri} from {partitions[file.uri] or 'none'} to {group.partition or 'none'}"
        for group in fresh
        for file in group.files
        if file.uri in partitions
    ]
    if moved:
        raise PlanError(
            "files that the table has already are listed for another partition:\n"
            + "\n".join(moved)
            + "\nrestore the sources' constants, or use another output"
        )
    return [group for group in fresh if group.files]


def changed_files(units: Iterable[Unit], groups: Iterable[Group]) -> dict[str, str]:
    """What became of the files of some units since the plan was made.

    Returns:
        "is gone" or "has changed", by the file's URI; nothing for those that are as they were.
    """
    listed = {file.uri: file for group in groups for file in group.files}
    found: dict[str, str] = {}
    for unit in units:
        for segment in unit.segments:
            file = listed.get(segment.uri)
            if file is None:
                found[segment.uri] = "is gone"
            elif (file.size, file.version) != (segment.size, segment.version):
                found[segment.uri] = "has changed"
    return found


def refuse_changes(
    units: Iterable[Unit],
    groups: Iterable[Group],
    cure: str = "restore them, or use another output",
) -> None:
    """Refuses to go on if a file of units that are to be read is no longer what the plan saw.

    Raises:
        PlanError: Naming each such file.
    """
    if complaints := changed_files(units, groups):
        raise PlanError(
            "sources are not what the table's plan was made from:\n"
            + "\n".join(f"  {uri} {what}" for uri, what in complaints.items())
            + f"\n{cure}"
        )
