"""The task that reads units and decodes them."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from raygrad import storage
from raygrad.cluster.actor import pack
from raygrad.cluster.attempts import MOST_DEATHS, Watch
from raygrad.cluster.isolation import row_by_row
from raygrad.cluster.stages import Stopwatch
from raygrad.errors import JobFailedError, PlanError
from raygrad.scorer import decode_batch, fail_to_decode
from raygrad.sources import Segment, batches
from raygrad.spec import JobSpec
from raygrad.table import schema

SECONDS_BETWEEN_QUESTIONS = 1.0


def read_and_decode(
    units: pa.Table, spec: JobSpec, columns: Sequence[str], coordinator: Any
) -> Iterator[pa.Table]:
    """Reads units and yields their decoded batches one by one, while the gate lets it.

    A unit that has cost processes their lives names each batch before it is read and decoded.

    Raises:
        PlanError: If a file is no longer what the plan saw.
        JobFailedError: If reading itself, of which no row is to blame, kills its process again and
            again.
    """
    storage.configure(spec.storage)
    watch = Watch(coordinator)
    with Stopwatch(coordinator) as stopwatch:
        yield from _read(units, spec, columns, watch, stopwatch)


def _read(
    units: pa.Table, spec: JobSpec, columns: Sequence[str], watch: Watch, stopwatch: Stopwatch
) -> Iterator[pa.Table]:
    for unit in units.to_pylist():
        number, offset = unit["unit"], 0
        segments = [Segment(**segment) for segment in unit["segments"]]
        if not watch.wanted(number):
            continue
        with watch.attempt("unit", number) as deaths:
            asked = time.monotonic()
            reading = batches(segments, columns, spec.batch_size)
            if deaths:
                reading = _read_warily(reading, number, watch)
            whole = batches_of_unit(reading, segments, columns)
            for batch, last in stopwatch.each("reading", whole):
                if time.monotonic() - asked > SECONDS_BETWEEN_QUESTIONS:
                    if not watch.wanted(number):
                        break
                    asked = time.monotonic()
                with stopwatch.stage("decoding"):
                    decoded = (
                        _decode_warily(batch, spec, number, offset, watch)
                        if deaths
                        else decode_batch(batch, spec)
                    )
                yield pa.table(
                    {
                        "unit": pa.array([number], pa.int64()),
                        "offset": pa.array([offset], pa.int64()),
                        "total": pa.array([offset + len(batch) if last else None], pa.int64()),
                        "payload": pa.array([pack(decoded)], pa.large_binary()),
                    }
                )
                offset += len(batch)


def batches_of_unit(
    reading: Iterator[pa.Table], segments: Sequence[Segment], columns: Sequence[str]
) -> Iterator[tuple[pa.Table, bool]]:
    """Each batch of a unit and whether it is the last; a unit without rows is one empty batch.

    The last one is held back until the unit's files are known to be as they were planned.

    Raises:
        PlanError: If one isn't.
    """
    names = [*schema.IDENTITY_COLUMNS, *columns]
    before = next(reading, pa.table({name: pa.nulls(0) for name in names}))
    for batch in reading:
        yield before, False
        before = batch
    for segment in segments:
        # An object that is read in one piece is of one version, and a million of them are many.
        if segment.rows != 1 or storage.is_local(segment.uri):
            (file,) = storage.each_file(segment.uri)
            if (file.size, file.version) != (segment.size, segment.version):
                raise PlanError(
                    f"{segment.uri} has changed since it was planned; restore it and run again, or "
                    "use another output"
                )
    yield before, True


def _read_warily(reading: Iterator[pa.Table], unit: int, watch: Watch) -> Iterator[pa.Table]:
    for index in itertools.count():
        with watch.attempt("read", unit, index) as deaths:
            if deaths >= MOST_DEATHS:
                raise JobFailedError(
                    f"reading killed {deaths} processes at batch {index} of a unit; they ran out "
                    "of memory, or a file is broken in a way that its reader can't bear"
                )
            batch = next(reading, None)
        if batch is None:
            return
        yield batch


def _decode_warily(rows: pa.Table, spec: JobSpec, unit: int, offset: int, watch: Watch) -> pa.Table:
    with watch.attempt("decode", unit, offset) as deaths:
        if deaths < MOST_DEATHS:
            return decode_batch(rows, spec)
        return row_by_row(
            rows,
            functools.partial(_decoder, spec),
            lambda row, error: fail_to_decode(row, spec, error),
            functools.partial(watch.attempt, "decode alone", unit, offset),
        )


def _decoder(spec: JobSpec) -> Callable[[pa.Table], pa.Table]:
    storage.configure(spec.storage)
    return functools.partial(decode_batch, spec=spec)
