"""One decoded batch in, one batch of scores and errors out; knows no Ray."""

import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from raygrad import models
from raygrad.collector import GradientMetricCollector, explain
from raygrad.confidence import CONFIDENCE
from raygrad.decode import decode, to_fixed_size_list, to_model
from raygrad.errors import RefusedModelError, SamplesInteractError
from raygrad.losses import LOSSES
from raygrad.metrics import metric_by_name
from raygrad.persample.explanation import Explanation
from raygrad.sources import READ_ERROR
from raygrad.spec import JobSpec
from raygrad.table import schema

INPUT = "input:"
"""Prefix of the decoded inputs' columns in a batch, before the keyword."""

LONGEST_MESSAGE = 500

TRACEBACK = b"traceback"
"""Key in a batch's metadata: where the first of its errors was raised."""


def raw_columns(spec: JobSpec, *more: str | None) -> list[str]:
    """The source's columns that a job reads."""
    names = [*spec.keep, *(field.column for field in spec.input.values()), *filter(None, more)]
    return list(dict.fromkeys(names))


def decode_batch(rows: pa.Table, spec: JobSpec) -> pa.Table:
    """Replaces the raw input columns of a batch by decoded ones, and notes each row's error.

    Args:
        rows: Columns ``source``, ``row``, the kept ones and the raw inputs.
        spec: Says which columns are inputs and how they are decoded; shapes are set.

    Returns:
        Columns ``source``, ``row``, the kept ones, one fixed-size list a keyword, and the errors'.
        Rows that the source couldn't read have stage ``read``.
    """
    errors: list[Any] = [None] * len(rows)
    columns = {name: rows[name] for name in (*schema.IDENTITY_COLUMNS, *spec.keep)}
    for keyword, field in spec.input.items():
        decoded = decode(rows[field.column], field)
        columns[INPUT + keyword] = to_fixed_size_list(decoded.values)
        errors = [first or second for first, second in zip(errors, decoded.errors, strict=True)]
    found = _error_columns("decode", errors)
    if READ_ERROR in rows.column_names:
        unread = rows[READ_ERROR].combine_chunks()
        stage = pc.if_else(unread.is_valid(), "read", None)
        for name, mine in zip(schema.ERROR_COLUMNS, [stage, *unread.flatten()], strict=True):
            found[name] = pc.coalesce(mine, found[name])
    return _with_traceback(pa.table({**columns, **found}), errors)


def fail(batch: pa.Table, stage: str, error: Exception) -> pa.Table:
    """A decoded batch with the same error for all its rows."""
    for name, values in _error_columns(stage, [error] * len(batch)).items():
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


class Upload(NamedTuple):
    """Inputs on their way to the device.

    Attributes:
        inputs: The model's arguments by keyword.
        done: What comes after them in the stream that copies; None where nothing is waited for.
    """

    inputs: dict[str, Tensor]
    done: torch.cuda.Event | None = None


class Scorer:
    """A model replica with its collector.

    Args:
        spec: The job's spec; shapes of the inputs are set.
        model: In eval mode, all parameters frozen; those of the targets are unfrozen here, so that
            autograd saves no activation below the lowest of them.
        device: Where the model runs.
        kept: The passed-through columns.

    Raises:
        LookupError: If a target isn't in the model.
    """

    def __init__(
        self,
        spec: JobSpec,
        model: torch.nn.Module,
        device: torch.device,
        kept: Sequence[pa.Field],
    ) -> None:
        self.spec = spec
        self.schema = schema.scores(kept, spec.metrics)
        self.columns = [*schema.FORWARD_COLUMNS, *schema.metric_columns(spec.metrics)]
        self.device = device
        self.model = model.to(device)
        metrics = []
        for name, kinds in spec.metrics.items():
            target = models.targets(self.model, name).requires_grad_(True)
            metrics += [metric_by_name(kind, target) for kind in kinds]
        self.collector = GradientMetricCollector(metrics, on_interaction="raise")
        self.loss = LOSSES[spec.loss]
        use_precision(spec.precision)
        self._copies = _stream(device) if device.type == "cuda" else None

    def upload(self, batch: pa.Table) -> Upload:
        """Starts to copy a batch's inputs to the device, beside what is being computed there.

        Returns:
            What :meth:`score` takes.
        """
        if self._copies is None:
            return Upload(self.inputs(batch))
        with torch.cuda.stream(self._copies):
            inputs = self.inputs(batch)
            return Upload(inputs, self._copies.record_event())

    def score(self, batch: pa.Table, upload: Upload | None = None) -> pa.Table:
        """Scores a decoded batch; rows that fail get nulls and an error.

        A batch that fails as a whole is scored row by row, to find the culprit.

        Args:
            batch: As :func:`decode_batch` makes it.
            upload: What :meth:`upload` gave for it.

        Returns:
            One row a row, in order, as :func:`raygrad.table.schema.scores` says.

        Raises:
            SamplesInteractError: If samples of the batch influence each other.
            RefusedModelError: If the model can't be differentiated sample by sample.
        """
        good = np.flatnonzero(batch["error_type"].is_null().to_numpy())
        inputs = self.inputs(batch) if upload is None else self._arrived(upload)
        values = np.zeros((len(batch), len(self.columns)))
        scored = np.zeros(len(batch), bool)
        errors: list[BaseException | None] = [None] * len(batch)
        try:
            values[good] = self._forward(inputs)
            scored[good] = True
        except (SamplesInteractError, RefusedModelError):
            raise  # it is no row's fault, and rows alone would hide it
        except Exception:  # noqa: BLE001 - user code; each row's own error is noted below
            for place, row in enumerate(good.tolist()):
                alone = {key: value[place : place + 1] for key, value in inputs.items()}
                try:
                    values[row] = self._forward(alone)
                    scored[row] = True
                except Exception as error:  # noqa: BLE001 - becomes the row's error
                    errors[row] = error
        passed = (*schema.IDENTITY_COLUMNS, *self.spec.keep)
        columns = {name: batch[name].cast(self.schema.field(name).type) for name in passed}
        for index, name in enumerate(self.columns):
            kind = self.schema.field(name).type.to_pandas_dtype()
            columns[name] = pa.array(values[:, index].astype(kind), mask=~scored)
        for name, mine in _error_columns("score", errors).items():
            columns[name] = pc.coalesce(batch[name], mine)
        table = pa.table(columns, schema=self.schema).replace_schema_metadata(batch.schema.metadata)
        return _with_traceback(table, errors)

    def inputs(self, batch: pa.Table) -> dict[str, Tensor]:
        """The rows of a decoded batch that have no error, as the model's arguments by keyword."""
        good = np.flatnonzero(batch["error_type"].is_null().to_numpy())
        return {key: self._inputs(batch, key, good) for key in self.spec.input}

    def explain(self, batch: pa.Table) -> Explanation:
        """Scores a decoded batch once more, and says which parameters took how long, and why."""
        return explain(self.collector, self.loss(self.logits(self.inputs(batch))))

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Calls the model with a tensor, or with keywords.

        Returns:
            Shape (N, C); in float32 after autocast, as losses need it: a rounded log-sum-exp would
            make all probabilities too large or too small.
        """
        named = {key: value for key, value in inputs.items() if key}
        with self.autocast():
            output = self.model(**named) if named else self.model(inputs[""])
        found = models.logits(output, self.spec.model.logits)
        return found.float() if self.spec.precision == "bf16" else found

    def autocast(self) -> torch.autocast:
        """What the model is called in: bfloat16 for what bears it, if the spec says so."""
        bf16 = self.spec.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)

    def _arrived(self, upload: Upload) -> dict[str, Tensor]:
        """Waits, on the device alone, for this upload; later ones may be on their way."""
        if upload.done is not None:
            here = torch.cuda.current_stream(self.device)
            here.wait_event(upload.done)
            for tensor in upload.inputs.values():
                tensor.record_stream(here)
        return upload.inputs

    def _inputs(self, batch: pa.Table, keyword: str, rows: np.ndarray[Any, Any]) -> Tensor:
        field = self.spec.input[keyword]
        flat = batch[INPUT + keyword].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        values = flat.reshape(len(batch), *(field.shape or ()))[rows]
        host = torch.from_numpy(values)
        if self.device.type == "cuda":
            host = host.pin_memory()
        return to_model(host.to(self.device, non_blocking=True), field)

    def _forward(self, inputs: Mapping[str, Tensor]) -> np.ndarray[Any, Any]:
        """Shape (n, columns), float64, which holds class numbers and float32 scores exactly."""
        if not len(next(iter(inputs.values()))):
            return np.zeros((0, len(self.columns)))
        logits = self.logits(inputs)
        samples = len(next(iter(inputs.values())))
        if len(logits) != samples:
            raise SamplesInteractError(
                f"the model gave {len(logits)} rows of logits for {samples} samples; it must give "
                "one row a sample, in the same order"
            )
        metrics = self.collector(self.loss(logits))
        detached = logits.detach().float()
        forward = [detached.argmax(1), *(score(detached) for score in CONFIDENCE.values())]
        scores = torch.cat([torch.stack([column.double() for column in forward], 1), metrics], 1)
        return scores.cpu().numpy()


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def use_precision(precision: str) -> None:
    """Sets this process's float32 products to full precision, or to TensorFloat32 on GPUs."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"


def _error_columns(stage: str, errors: Sequence[BaseException | None]) -> dict[str, pa.Array]:
    values = {
        "error_stage": [None if error is None else stage for error in errors],
        "error_type": [None if error is None else type(error).__name__ for error in errors],
        "error_message": [None if error is None else _message(error) for error in errors],
    }
    return {name: pa.array(values[name], kind) for name, kind in schema.ERROR_COLUMNS.items()}


def _with_traceback(batch: pa.Table, errors: Sequence[BaseException | None]) -> pa.Table:
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
