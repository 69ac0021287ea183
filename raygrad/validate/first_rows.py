"""The first rows of each source: they give the inputs' shapes and show whether anything works."""

import traceback
from collections.abc import Iterator, Sequence

import pyarrow as pa
import torch

from raygrad import plan
from raygrad.decode import decode
from raygrad.errors import Fault, ShapeError, SpecError
from raygrad.plan import Group
from raygrad.scorer import Scorer, decode_batch, raw_columns
from raygrad.sources import batches
from raygrad.spec import FieldSpec
from raygrad.validate.job import Job

SAMPLE_ROWS = 8
"""Rows of each source that are decoded and scored before a job starts."""


def with_shape(
    place: str, field: FieldSpec, groups: Sequence[Group], faults: list[Fault]
) -> FieldSpec:
    """The field with the shape of the first row that can be decoded; notes a fault if none can."""
    errors: list[Exception] = []
    for group in groups:
        for rows in first_rows(group, [field.column]):
            decoded = decode(rows[field.column], field)
            shape = list(decoded.values.shape[1:])
            if 0 in shape:
                errors.append(ShapeError(f"the first row has shape {shape}; set shape in the spec"))
            elif not all(decoded.errors):
                return field.model_copy(update={"shape": shape})
            errors += [error for error in decoded.errors if error]
    first = f"{type(errors[0]).__name__}: {errors[0]}" if errors else "there are no rows"
    faults.append(Fault(place, f"none of the first rows can be decoded; {first}"))
    return field


def first_rows(group: Group, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The first few rows of a group, if it has any."""
    needed = pa.schema([pa.field(name, pa.null()) for name in columns])
    for unit in plan.make([group], SAMPLE_ROWS, columns=needed, limit=SAMPLE_ROWS):
        yield from batches(unit.segments, columns, SAMPLE_ROWS)


def try_a_few_rows(job: Job, path: str) -> None:
    """Refuses a job of which not one of the first rows can be scored, with the traceback."""
    scorer = Scorer(job.spec, job.model, torch.device("cpu"), job.kept)
    failures: dict[str, pa.Table] = {}
    for group in job.groups:
        for rows in first_rows(group, raw_columns(job.spec)):
            batch = decode_batch(rows, job.spec)
            scores = scorer.score(batch)
            if scores["error_type"].null_count:
                return
            failures.setdefault(scores["error_stage"][0].as_py(), batch)
    if "score" in failures:
        try:
            scorer.forward(failures["score"])
        except Exception as error:
            trace = "".join(traceback.format_exception(error)[-6:])
            message = f"not one of the first rows can be scored:\n{trace}"
            raise SpecError([Fault("model", message)], path) from error
    if "decode" in failures:
        first = failures["decode"].slice(0, 1).to_pylist()[0]
        message = f"not one of the first rows fits; {first['error_type']}: {first['error_message']}"
        raise SpecError([Fault("input", message)], path)
