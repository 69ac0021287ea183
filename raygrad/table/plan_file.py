"""The plan's files: one a generation, written once."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from raygrad import storage
from raygrad.storage import Listing
from raygrad.storage.listing import AT_ONCE
from raygrad.table import layout, schema
from raygrad.table.units import COLUMNS, Units


def save(root: str, units: Units) -> Units:
    """Writes a generation, create-only.

    Returns:
        The units that stand in the table: another planner's, if that one was first.
    """
    buffer = pa.BufferOutputStream()
    with pq.ParquetWriter(buffer, schema.PLAN, compression="zstd") as writer:
        for first in range(0, len(units.segments), AT_ONCE):
            writer.write_table(units.segments.slice(first, AT_ONCE).cast(schema.PLAN))
    uri = storage.join(layout.plan(root), f"{units[0].generation:04d}.parquet")
    created = storage.publish(uri, buffer.getvalue().to_pybytes(), layout.scratch(root))
    return units if created else Units(_read(uri))


def load(root: str, listed: Sequence[Listing] = ()) -> Units:
    """All units of a table, in order of their generations; none of a table without a plan.

    Args:
        root: The table.
        listed: The files as they are now; where the plan has the same, it is held in their memory.
    """
    folder = layout.plan(root)
    names = sorted(storage.names_below(folder))
    generations = [_read(storage.join(folder, name), listed) for name in names]
    return Units(pa.concat_tables([COLUMNS.empty_table(), *generations]))


def _read(uri: str, listed: Sequence[Listing] = ()) -> pa.Table:
    encoded = [field.name for field in COLUMNS if pa.types.is_dictionary(field.type)]
    source = pa.BufferReader(storage.read_bytes(uri))
    file = pq.ParquetFile(source, read_dictionary=encoded)
    # Not on threads: Arrow's pool at times aborts a process that ends soon, see arrow#34314.
    pieces = file.iter_batches(AT_ONCE, columns=COLUMNS.names, use_threads=False)
    tables = [_shared(pa.Table.from_batches([piece], COLUMNS), listed) for piece in pieces]
    pa.default_memory_pool().release_unused()
    return pa.concat_tables([COLUMNS.empty_table(), *tables])


def _shared(segments: pa.Table, listed: Sequence[Listing]) -> pa.Table:
    """The same segments, with columns of a listing that has their files one after another."""
    for listing in listed:
        (first,) = listing.positions(segments["uri"].slice(0, 1))
        files = listing.table.slice(max(first, 0), len(segments))
        if files == segments.select(files.column_names):
            columns = zip(files.column_names, files.columns, strict=True)
            for name, column in columns:
                segments = segments.set_column(COLUMNS.get_field_index(name), name, column)
            return segments
    return segments
