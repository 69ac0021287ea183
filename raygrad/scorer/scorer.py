"""A model replica that scores decoded batches."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from raygrad import models
from raygrad.collector import GradientMetricCollector, explain
from raygrad.confidence import CONFIDENCE, LAST_LAYER
from raygrad.decode import to_model
from raygrad.errors import RefusedModelError, SamplesInteractError
from raygrad.metrics import metric_by_name
from raygrad.persample.explanation import Explanation
from raygrad.scorer.batch import INPUT, LABELS, error_columns, with_traceback
from raygrad.scorer.last_layer import LastLayer
from raygrad.scorer.objective import Objective
from raygrad.spec import JobSpec
from raygrad.table import schema


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
        LookupError: If a target or the last layer isn't in the model.
        ImportPathError: If the user's own loss can't be imported.
    """

    def __init__(
        self,
        spec: JobSpec,
        model: torch.nn.Module,
        device: torch.device,
        kept: Sequence[pa.Field],
    ) -> None:
        self.spec = spec
        self.schema = schema.scores(kept, spec.metrics, spec.last_layer)
        forward = schema.forward_columns(spec.last_layer)
        self.columns = [*forward, *schema.metric_columns(spec.metrics)]
        self.device = device
        self.model = model.to(device)
        metrics = []
        for name, kinds in spec.metrics.items():
            target = models.targets(self.model, name).requires_grad_(True)
            metrics += [metric_by_name(kind, target) for kind in kinds]
        self.collector = GradientMetricCollector(metrics, on_interaction="raise")
        self.objective = Objective(spec.loss)
        self.last_layer = LastLayer(self.model, spec.last_layer) if spec.last_layer else None
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
            RefusedModelError: If the model can't be differentiated sample by sample, or its last
                layer isn't what the spec says.
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
        for name, mine in error_columns("score", errors).items():
            columns[name] = pc.coalesce(batch[name], mine)
        table = pa.table(columns, schema=self.schema).replace_schema_metadata(batch.schema.metadata)
        return with_traceback(table, errors)

    def inputs(self, batch: pa.Table) -> dict[str, Tensor]:
        """The rows of a decoded batch that have no error.

        Returns:
            The model's arguments by keyword, and the labels as ``LABELS`` if the loss needs them.
        """
        good = np.flatnonzero(batch["error_type"].is_null().to_numpy())
        found = {key: self._inputs(batch, key, good) for key in self.spec.input}
        if self.spec.target is not None:
            labels = batch[LABELS].to_numpy()[good].astype(np.int64)
            found[LABELS] = torch.from_numpy(labels).to(self.device)
        return found

    def explain(self, batch: pa.Table) -> Explanation:
        """Scores a decoded batch once more, and says which parameters took how long, and why."""
        inputs = self.inputs(batch)
        return explain(self.collector, self.loss(self.logits(inputs), inputs.get(LABELS)))

    def loss(self, logits: Tensor, labels: Tensor | None = None) -> Tensor:
        """The job's loss, shape (N,); of an expectation over labels the first of its losses."""
        return self.objective.terms(logits, labels)[0].loss

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Calls the model with a tensor, or with keywords.

        Returns:
            Shape (N, C); in float32 after autocast, as losses need it: a rounded log-sum-exp would
            make all probabilities too large or too small.
        """
        named = {key: inputs[key] for key in self.spec.input if key}
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
        samples = len(next(iter(inputs.values())))
        if not samples:
            return np.zeros((0, len(self.columns)))
        logits, last_layer = self._logits_and_last_layer(inputs)
        if len(logits) != samples:
            raise SamplesInteractError(
                f"the model gave {len(logits)} rows of logits for {samples} samples; it must give "
                "one row a sample, in the same order"
            )
        metrics = self._metrics(logits, inputs.get(LABELS))
        detached = logits.detach().float()
        forward = [detached.argmax(1), *(score(detached) for score in CONFIDENCE.values())]
        columns = torch.stack([column.double() for column in [*forward, *last_layer]], 1)
        return torch.cat([columns, metrics], 1).cpu().numpy()

    def _logits_and_last_layer(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The logits, and the last layer's scores where the spec names it."""
        if self.last_layer is None:
            return self.logits(inputs), []
        with self.last_layer.watched() as calls:
            logits = self.logits(inputs)
        with self.autocast():
            features = self.last_layer.features(calls, logits)
        detached, temperature = logits.detach().float(), self.spec.loss.temperature
        return logits, [score(features, detached, temperature) for score in LAST_LAYER.values()]

    def _metrics(self, logits: Tensor, labels: Tensor | None) -> Tensor:
        """Shape (n, metrics); over several labels the sum with their weights."""
        *before, last = self.objective.terms(logits, labels)
        found = [term.weigh(self.collector(term.loss, retain_graph=True)) for term in before]
        found.append(last.weigh(self.collector(last.loss)))
        return torch.stack(found).sum(0)


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def use_precision(precision: str) -> None:
    """Sets this process's float32 products to full precision, or to TensorFloat32 on GPUs."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
