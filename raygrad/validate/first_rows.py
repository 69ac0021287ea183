"""The first rows of each source: they give the inputs' shapes and show whether anything works."""

import contextlib
import logging
import traceback
from collections.abc import Iterator, Sequence

import pyarrow as pa
import torch
from torch import Tensor

from raygrad import plan
from raygrad.decode import decode
from raygrad.errors import (
    Fault,
    LastLayerError,
    RefusedModelError,
    SamplesInteractError,
    ShapeError,
    SpecError,
)
from raygrad.imports import described
from raygrad.models import logits
from raygrad.persample.check import DEFAULT_BOUND, check
from raygrad.plan import Group
from raygrad.scorer import LABELS, Scorer, decode_batch, raw_columns
from raygrad.sources import batches
from raygrad.spec import FieldSpec
from raygrad.validate.job import Job

log = logging.getLogger("raygrad.run")

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


def try_a_few_rows(job: Job, path: str) -> float | None:
    """Scores the first rows of each source, and some of them alone in float64.

    Returns:
        The largest relative error of samples in their batch against themselves alone, see
        :func:`raygrad.check`; None where the model can't run in float64.

    Raises:
        SpecError: If not one row can be scored, with the traceback; if samples influence each
            other; or if they score differently alone.
    """
    scorer = Scorer(job.spec, job.model, torch.device("cpu"), job.kept)
    failures: dict[str, pa.Table] = {}
    for group in job.groups:
        for rows in first_rows(group, raw_columns(job.spec)):
            batch = decode_batch(rows, job.spec)
            try:
                scores = scorer.score(batch)
            except (SamplesInteractError, RefusedModelError) as error:
                place = "last_layer" if isinstance(error, LastLayerError) else "model"
                raise SpecError([Fault(place, str(error))], path) from error
            if scores["error_type"].null_count:
                return _alone(scorer, batch.filter(scores["error_type"].is_null()), path)
            failures.setdefault(scores["error_stage"][0].as_py(), batch)
    if "score" in failures:
        place = "model"
        try:
            inputs = scorer.inputs(failures["score"])
            logits = scorer.logits(inputs)
            place = "loss"
            scorer.loss(logits, inputs.get(LABELS))
        except Exception as error:
            trace = "".join(traceback.format_exception(error)[-6:])
            message = f"not one of the first rows can be scored:\n{trace}"
            raise SpecError([Fault(place, message)], path) from error
    if failures:
        (first,) = next(iter(failures.values())).slice(0, 1).to_pylist()
        message = f"not one of the first rows fits; {first['error_type']}: {first['error_message']}"
        raise SpecError([Fault("input", message)], path)
    return None


class _ByIndex(torch.nn.Module):
    """A scorer's loss as a function of row numbers, in whatever precision its model is cast to."""

    def __init__(self, scorer: Scorer, inputs: dict[str, Tensor]) -> None:
        super().__init__()
        self.model = scorer.model
        self._inputs = {key: inputs[key] for key in scorer.spec.input}
        self._labels, self._where = inputs.get(LABELS), scorer.spec.model.logits
        self._loss = scorer.loss
        self._autocast, self._rounded = scorer.autocast, scorer.spec.precision == "bf16"

    def forward(self, rows: Tensor) -> Tensor:
        """Losses of some rows."""
        dtype = next(p.dtype for p in self.model.parameters() if p.is_floating_point())
        taken = {
            key: value[rows].to(dtype) if value.is_floating_point() else value[rows]
            for key, value in self._inputs.items()
        }
        named = {key: value for key, value in taken.items() if key}
        exact = dtype == torch.float64
        with contextlib.nullcontext() if exact else self._autocast():
            output = self.model(**named) if named else self.model(taken[""])
        found = logits(output, self._where)
        found = found if exact or not self._rounded else found.float()
        return self._loss(found, None if self._labels is None else self._labels[rows])


def _itself(losses: Tensor) -> Tensor:
    return losses


def _alone(scorer: Scorer, batch: pa.Table, path: str) -> float | None:
    inputs = scorer.inputs(batch)
    rows = torch.arange(len(next(iter(inputs.values()))))
    try:
        bound = DEFAULT_BOUND if scorer.spec.precision == "bf16" else None
        checked = check(_ByIndex(scorer, inputs), _itself, rows, bound=bound)
    except Exception as error:  # noqa: BLE001 - the float32 model is sound; float64 is a bonus
        log.warning("samples can't be checked alone in float64: %s", described(error))
        return None
    if not checked.passed:
        message = (
            f"a sample alone scores differently than in its batch: relative error "
            f"{checked.error:.2g}, at most {checked.bound:g} is tolerable; something couples "
            "samples that autograd can't see, such as experts with a capacity or a detached "
            "batch statistic"
        )
        raise SpecError([Fault("model", message)], path)
    return checked.error
