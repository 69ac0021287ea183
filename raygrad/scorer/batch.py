"""Batches on their way to the scorer: decoded inputs, labels, and each row's error."""

import traceback
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from raygrad.decode import decode, to_fixed_size_list
from raygrad.errors import LabelError
from raygrad.sources import READ_ERROR
from raygrad.spec import JobSpec
from raygrad.table import schema

INPUT = "input:"
"""Prefix of the decoded inputs' columns in a batch, before the keyword."""

LABELS = "labels:"
"""The decoded batch's column of labels, where the loss needs them."""

LONGEST_MESSAGE = 500

TRACEBACK = b"traceback"
"""Key in a batch's metadata: where the first of its errors was raised."""


def raw_columns(spec: JobSpec, *more: str | None) -> list[str]:
    """The source's columns that a job reads."""
    inputs = [field.column for field in spec.input.values()]
    names = [*spec.keep, *inputs, *filter(None, (spec.target, *more))]
    return list(dict.fromkeys(names))


def decode_batch(rows: pa.Table, spec: JobSpec) -> pa.Table:
    """Replaces the raw input columns of a batch by decoded ones, and notes each row's error.

    Args:
        rows: Columns ``source``, ``row``, the kept ones and the raw inputs.
        spec: Says which columns are inputs and how they are decoded; shapes are set.

    Returns:
        Columns ``source``, ``row``, the kept ones, one fixed-size list a keyword, the labels if the
        loss needs them, and the errors'.
        Rows that the source couldn't read have stage ``read``.
    """
    errors: list[Any] = [None] * len(rows)
    columns = {name: rows[name] for name in (*schema.IDENTITY_COLUMNS, *spec.keep)}
    for keyword, field in spec.input.items():
        decoded = decode(rows[field.column], field)
        columns[INPUT + keyword] = to_fixed_size_list(decoded.values)
        errors = [first or second for first, second in zip(errors, decoded.errors, strict=True)]
    if spec.target is not None:
        columns[LABELS] = rows[spec.target].cast(pa.int64(), safe=False)
        wrong = _label_errors(columns[LABELS], spec.target)
        errors = [first or second for first, second in zip(errors, wrong, strict=True)]
    found = error_columns("decode", errors)
    if READ_ERROR in rows.column_names:
        unread = rows[READ_ERROR].combine_chunks()
        stage = pc.if_else(unread.is_valid(), "read", None)
        for name, mine in zip(schema.ERROR_COLUMNS, [stage, *unread.flatten()], strict=True):
            found[name] = pc.coalesce(mine, found[name])
    return with_traceback(pa.table({**columns, **found}), errors)


def fail(batch: pa.Table, stage: str, error: Exception) -> pa.Table:
    """A decoded batch with the same error for all its rows."""
    for name, values in error_columns(stage, [error] * len(batch)).items():
        batch = batch.set_column(batch.schema.get_field_index(name), name, values)
    return batch


def fail_to_decode(rows: pa.Table, spec: JobSpec, error: Exception) -> pa.Table:
    """As :func:`decode_batch`, for rows that can't even be looked at."""
    hidden = rows
    for field in spec.input.values():
        place = rows.schema.get_field_index(field.column)
        hidden = hidden.set_column(
            place, field.column, pa.nulls(len(rows), rows.schema.types[place])
        )
    batch = fail(decode_batch(hidden, spec), "decode", error)
    for name in spec.keep:
        batch = batch.set_column(batch.schema.get_field_index(name), name, rows[name])
    return batch.replace_schema_metadata(None)


def _label_errors(labels: pa.ChunkedArray, column: str) -> list[LabelError | None]:
    """Labels that are none, whatever the model's classes are."""
    return [
        LabelError(f"column {column} is null; the loss needs a label")
        if label is None
        else LabelError(f"column {column} is {label}; labels count from 0")
        if label < 0
        else None
        for label in labels.to_pylist()
    ]


def error_columns(stage: str, errors: Sequence[BaseException | None]) -> dict[str, pa.Array]:
    """The columns that say what was wrong with each row, if anything."""
    values = {
        "error_stage": [None if error is None else stage for error in errors],
        "error_type": [None if error is None else type(error).__name__ for error in errors],
        "error_message": [None if error is None else _message(error) for error in errors],
    }
    return {name: pa.array(values[name], kind) for name, kind in schema.ERROR_COLUMNS.items()}


def with_traceback(batch: pa.Table, errors: Sequence[BaseException | None]) -> pa.Table:
    """Notes where the first error was raised, unless the batch has such a note already."""
    first = next(filter(None, errors), None)
    metadata = batch.schema.metadata or {}
    if first is None or TRACEBACK in metadata:
        return batch
    trace = "".join(traceback.format_exception(first)).encode("utf-8", "replace")
    return batch.replace_schema_metadata({**metadata, TRACEBACK: trace})


def _message(error: BaseException) -> str:
    """As much as a table's reader wants; file names may hold what is no UTF-8."""
    return str(error)[:LONGEST_MESSAGE].encode("utf-8", "replace").decode()
