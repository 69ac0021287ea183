"""The units of a plan, in columns: a million of one file take some 100 MB, as objects 1.2 GB."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice, pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygrad.storage.listing import AT_ONCE
from raygrad.table import schema
from raygrad.table.segment import Segment

_FEW = pa.dictionary(pa.int32(), pa.string())

COLUMNS = pa.schema(
    [f.with_type(_FEW) if f.name in {"partition", "format"} else f for f in schema.PLAN]
)
"""Those of the plan's files, with its two of few values encoded."""


_HEAD = ["generation", "unit", "partition"]
"""What a unit is called by."""


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


class Units:
    """Units of a plan; a :class:`Unit` is made when it is asked for.

    Args:
        segments: A row a segment, with ``COLUMNS``; those of a unit stand together, in order.
    """

    def __init__(self, segments: pa.Table) -> None:
        self.segments = segments
        begins = np.flatnonzero(np.diff(_numbers(segments), prepend=-1))
        self.starts = np.append(begins, len(segments))

    @classmethod
    def of(cls, units: Iterable[Unit]) -> Self:
        """The columns of some units."""
        rows = [
            (unit.generation, unit.number, unit.partition, *segment)
            for unit in units
            for segment in unit.segments
        ]
        columns = zip(*rows, strict=True) if rows else [()] * len(COLUMNS)
        return cls(pa.table(list(columns), schema=schema.PLAN).cast(COLUMNS))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> Unit:
        place = range(len(self))[index]
        (unit,) = self._made(place, place + 1)
        return unit

    def __iter__(self) -> Iterator[Unit]:
        for first in range(0, len(self), AT_ONCE):
            yield from self._made(first, min(first + AT_ONCE, len(self)))

    def __add__(self, other: Self) -> Self:
        if not (len(self) and len(other)):
            return self if len(self) else other
        return type(self)(pa.concat_tables([self.segments, other.segments]))

    def _made(self, first: int, last: int) -> Iterator[Unit]:
        starts = self.starts[first : last + 1].tolist()
        part = self.segments.slice(starts[0], starts[-1] - starts[0])
        rows = zip(*(column.to_pylist() for column in part.columns), strict=True)
        for begin, end in pairwise(starts):
            own = list(islice(rows, end - begin))
            generation, number, partition = own[0][:3]
            yield Unit(generation, number, partition, tuple(Segment(*row[3:]) for row in own))

    def nested(self, first: int, last: int) -> pa.ListArray:
        """The segments of the units from one to before another, a list of structs each."""
        starts = self.starts[first : last + 1]
        part = self.segments.slice(starts[0], starts[-1] - starts[0])
        values = [
            part[name].combine_chunks().cast(schema.PLAN.field(name).type)
            for name in Segment._fields
        ]
        structs = pa.StructArray.from_arrays(values, names=Segment._fields)
        return pa.ListArray.from_arrays(pa.array(starts - starts[0], pa.int32()), structs)

    @cached_property
    def rows(self) -> pa.ChunkedArray:
        """How many rows each unit has; null for those that are open-ended."""
        rows = self.segments["rows"]
        if len(self) == len(self.segments):
            return rows
        own = np.add.reduceat(rows.fill_null(0).to_numpy(), self.starts[:-1])
        uncounted = np.logical_or.reduceat(rows.is_null().to_numpy(), self.starts[:-1])
        return pa.chunked_array([pa.array(own, mask=uncounted)])

    def count_rows(self) -> tuple[int, int]:
        """How many rows they have, and how many of them are open-ended, of unknown rows."""
        return pc.sum(self.rows).as_py() or 0, self.rows.null_count

    @property
    def paths(self) -> pa.ChunkedArray:
        """The name of each unit's file below ``scores/``."""
        heads = self.segments.select(_HEAD)
        return _paths(heads if len(self) == len(heads) else heads.take(self.starts[:-1]))

    def places(self, names: Iterable[str]) -> np.ndarray[Any, Any]:
        """Which unit each of some files below ``scores/`` is of, shape (len(names),); -1 for none.

        They are found by the numbers in their names: a million names need no hash table.
        """
        if not len(self):
            return np.array([-1 for _ in names], np.int64)
        numbers = _numbers(self.segments)[self.starts[:-1]]
        order = np.argsort(numbers, kind="stable")
        left = iter(names)
        found = [np.empty(0, np.int64)]
        while some := list(islice(left, AT_ONCE)):
            piece = pa.chunked_array([some], pa.string())
            at = np.searchsorted(numbers, _numbers(schema.unit_numbers(piece)), sorter=order)
            units = order[np.minimum(at, len(self) - 1)]
            heads = self.segments.select(_HEAD).take(self.starts[units])
            same = pc.equal(_paths(heads), piece).to_numpy()
            found.append(np.where(same, units, -1))
        return np.concatenate(found)

    def marked(self, places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Which of the units are among some places, shape (len(self),)."""
        marks = np.zeros(len(self), bool)
        marks[places[places >= 0]] = True
        return marks

    def are_among(self, names: Iterable[str]) -> np.ndarray[Any, Any]:
        """Which of the units have their file among some below ``scores/``, shape (len(self),)."""
        return self.marked(self.places(names))

    def read_from(self, uris: Iterable[str]) -> np.ndarray[Any, Any]:
        """Which of the units have rows of some files, shape (len(self),)."""
        files = pa.array(list(uris), pa.string())
        found = pc.is_in(self.segments["uri"], value_set=files).to_numpy()
        return np.logical_or.reduceat(found, self.starts[:-1]) if len(self) else found

    def filter(self, wanted: np.ndarray[Any, Any]) -> Self:
        """Some of the units, in their order.

        Args:
            wanted: Which, booleans of shape (len(self),).
        """
        if wanted.all():
            return self
        return type(self)(self.segments.filter(np.repeat(wanted, np.diff(self.starts))))


def _numbers(table: pa.Table) -> np.ndarray[Any, Any]:
    """A number for each row's unit, in order of generation and number."""
    pieces = [np.empty(0, np.int64)]
    for batch in table.select(["generation", "unit"]).to_batches():
        generation, unit = (column.to_numpy() for column in batch.columns)
        pieces.append((generation.astype(np.int64) << 32) + unit)
    return np.concatenate(pieces)


def _paths(heads: pa.Table) -> pa.ChunkedArray:
    paths = [schema.unit_paths(*batch.columns) for batch in heads.to_batches()]
    return pa.chunked_array(paths, pa.string())
