"""What a listing found, in columns: a million files take some 70 MB, as Python objects 300."""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

AT_ONCE = 16_384
"""So many rows of a listing, or of a plan, are Python objects at once."""

_SCHEMA = pa.schema([("uri", pa.string()), ("size", pa.int64()), ("version", pa.string())])


class StoredFile(NamedTuple):
    """A file as a listing shows it.

    Attributes:
        uri: Absolute path of a local file, URI of any other.
        size: Bytes.
        version: What changes when the content does: an etag, or the time of modification.
    """

    uri: str
    size: int
    version: str


@dataclass(frozen=True)
class Listing:
    """Files sorted by URI, each once.

    Attributes:
        table: Their columns, those of :class:`StoredFile`.
    """

    table: pa.Table

    @classmethod
    def of(cls, files: Iterable[StoredFile]) -> Self:
        """Takes in files of any order, a piece at a time."""
        left = iter(files)
        columns: list[list[pa.Array]] = [[] for _ in _SCHEMA]
        while some := list(islice(left, AT_ONCE)):
            for pieces, values, kind in zip(
                columns, zip(*some, strict=True), _SCHEMA.types, strict=True
            ):
                pieces.append(pa.array(values, kind))
        return cls(_sorted(columns))

    @classmethod
    def union(cls, listings: Sequence[Self]) -> Self:
        """All files of some listings."""
        if len(listings) == 1:
            return listings[0]
        names = _SCHEMA.names
        return cls(_sorted([[p for x in listings for p in x.table[name].chunks] for name in names]))

    @property
    def uris(self) -> pa.ChunkedArray:
        """The files' URIs."""
        return self.table["uri"]

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> StoredFile:
        return StoredFile(*(column[index].as_py() for column in self.table.columns))

    def __iter__(self) -> Iterator[StoredFile]:
        for batch in self.table.to_batches(max_chunksize=AT_ONCE):
            yield from map(StoredFile, *(column.to_pylist() for column in batch.columns))

    def filter(self, wanted: np.ndarray[Any, Any]) -> Self:
        """Some of the files.

        Args:
            wanted: Which, booleans of shape (len(self),).
        """
        return self if wanted.all() else type(self)(self.table.filter(pa.array(wanted)))

    def positions(self, uris: pa.ChunkedArray) -> np.ndarray[Any, Any]:
        """Where each of some URIs stands in the listing, shape (len(uris),); -1 if it doesn't.

        The URIs are looked up a piece at a time, among the files from the piece's first to its
        last: so where they are sorted, too, as a plan's are, no hash table holds many of them.
        """
        found = np.full(len(uris), -1)
        for first in range(0, len(uris), AT_ONCE):
            piece = uris.slice(first, AT_ONCE)
            ends = pc.min_max(piece).as_py()
            low = bisect.bisect_left(self.uris, ends["min"], key=_text)
            high = bisect.bisect_right(self.uris, ends["max"], low, key=_text)
            places = pc.index_in(piece, value_set=self.uris.slice(low, high - low))
            found[first : first + len(piece)] = places.fill_null(-1 - low).to_numpy() + low
        return found


def _text(scalar: pa.StringScalar) -> str:
    return str(scalar.as_py())


def _sorted(columns: list[list[pa.Array]]) -> pa.Table:
    """Pieces of columns as one table by URI, of each URI one row; few columns are there twice."""
    release = pa.default_memory_pool().release_unused  # or else what is freed stays with Arrow
    order = None
    done: list[pa.Array] = []
    for pieces, kind in zip(columns, _SCHEMA.types, strict=True):
        column = pa.chunked_array(pieces, kind).combine_chunks()
        pieces.clear()
        release()
        if not done and len(column) > 1 and not pc.all(pc.less(column[:-1], column[1:])).as_py():
            order = pc.sort_indices(column)
            sorted_ = column.take(order)
            fresh = pa.concat_arrays([pa.array([True]), pc.not_equal(sorted_[1:], sorted_[:-1])])
            order = order.filter(fresh)
            del sorted_
        done.append(column if order is None else column.take(order))
        del column
    release()
    return pa.table(done, schema=_SCHEMA)
