"""The actor that holds a model replica and scores batches."""

import functools
import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

import pyarrow as pa
import ray

from raygrad.cluster import versions
from raygrad.cluster.attempts import MOST_DEATHS, Watch
from raygrad.cluster.isolation import row_by_row
from raygrad.cluster.stages import Stopwatch
from raygrad.errors import ModelReplicaError, ProcessDied
from raygrad.spec import JobSpec


class ScoringActor:
    """Scores batches that travel as Arrow IPC streams, one a Ray Data row.

    Args:
        spec: The job's.
        kept: The passed-through columns.
        fingerprint: That of the driver's model.
        coordinator: Handle of a :class:`raygrad.cluster.coordinator.Coordinator`.
        driver: The driver's versions.

    Raises:
        ClusterError: If this node's versions are others than the driver's.
        ModelReplicaError: If this replica's weights are others than the driver's.
    """

    def __init__(
        self,
        spec: JobSpec,
        kept: Sequence[pa.Field],
        fingerprint: str,
        coordinator: Any,
        driver: dict[str, str],
    ) -> None:
        import torch

        from raygrad import models, storage
        from raygrad.cluster.metrics import ScoringMetrics
        from raygrad.scorer import Scorer

        versions.refuse_other(driver)
        storage.configure(spec.storage)
        torch.set_num_threads(max(1, int(spec.actors.cpus)))
        model = models.build(spec.model)
        found = models.fingerprint(model)
        if found != fingerprint:
            raise ModelReplicaError(
                f"the model of actor process {os.getpid()} has fingerprint {found[:12]}, that of "
                f"the driver {fingerprint[:12]}: {spec.model.factory} gives other weights at each "
                "call; save a state dict and set model.checkpoint"
            )
        # Not torch.cuda.is_available(), which is also true of GPUs that Ray gave to others.
        device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
        self._scorer = Scorer(spec, model, device, kept)
        self._build = functools.partial(_scorer_alone, spec, tuple(kept))
        self._coordinator = coordinator
        self._begun: set[int] = set()
        self._watch = Watch(coordinator)
        # An actor that Ray has restarted names each batch before it scores it. Others don't, for
        # naming one takes 1.4 ms, and 3 ms where three do it at once on two CPUs.
        self._stopwatch = Stopwatch(coordinator).__enter__()
        self._metrics = ScoringMetrics(spec.output, device)
        self._wary = self._watch.begin("actor", ray.get_runtime_context().get_actor_id()) > 0

    def __call__(self, batches: pa.Table) -> pa.Table:
        """Scores each row's batch, column ``payload``, and notes when, column ``at``.

        The other columns stay as they are. Batches of units that the gate doesn't let through leave
        no row.
        """
        batches = batches.filter(pa.array([self._may_score(u.as_py()) for u in batches["unit"]]))
        decoded = [unpack(payload.as_buffer()) for payload in batches["payload"]]
        places = zip(batches["unit"].to_pylist(), batches["offset"].to_pylist(), strict=True)
        scores, at = [], []
        for place, (batch, upload) in zip(places, self._ahead(decoded), strict=True):
            scores.append(self._score(*place, batch, upload))
            at.append(time.time())
        payloads = pa.array([pack(table) for table in scores], pa.large_binary())
        index = batches.schema.get_field_index("payload")
        scored = batches.set_column(index, "payload", payloads)
        return scored.append_column("at", pa.array(at, pa.float64()))

    def _ahead(self, batches: Sequence[pa.Table]) -> Iterator[tuple[pa.Table, Any]]:
        """Each batch with its upload; that of the next one is on its way."""
        if self._wary:  # they may kill this process, each within its own attempt
            yield from ((batch, None) for batch in batches)
            return
        upload = self._uploaded(batches[0]) if batches else None
        for batch, after in zip_longest(batches, batches[1:]):
            coming = None if after is None else self._uploaded(after)
            yield batch, upload
            upload = coming

    def _uploaded(self, batch: pa.Table) -> Any:
        """None where the device is full; scoring then copies the inputs itself, or its rows."""
        import torch

        try:
            return self._scorer.upload(batch)
        except torch.OutOfMemoryError:
            return None

    def _score(self, unit: int, offset: int, batch: pa.Table, upload: Any) -> pa.Table:
        began = time.perf_counter()
        with self._stopwatch.stage("scoring"):
            scores = self._scored(unit, offset, batch, upload)
        failed = len(scores) - scores["error_type"].null_count
        self._metrics.note(len(scores), failed, time.perf_counter() - began)
        return scores

    def _scored(self, unit: int, offset: int, batch: pa.Table, upload: Any) -> pa.Table:
        if not self._wary:
            return self._scorer.score(batch, upload)
        with self._watch.attempt("score", unit, offset) as deaths:
            if deaths < MOST_DEATHS:
                return self._scorer.score(batch)
            attempt = functools.partial(self._watch.attempt, "score alone", unit, offset)
            return row_by_row(batch, self._build, self._died, attempt)

    def _died(self, row: pa.Table, error: ProcessDied) -> pa.Table:
        from raygrad.scorer import fail

        return self._scorer.score(fail(row, "score", error))

    def _may_score(self, unit: int) -> bool:
        if unit not in self._begun and ray.get(self._coordinator.begin.remote(unit)):
            self._begun.add(unit)
        return unit in self._begun


def _scorer_alone(spec: JobSpec, kept: Sequence[pa.Field]) -> Callable[[pa.Table], pa.Table]:
    import torch

    from raygrad import models, storage
    from raygrad.scorer import Scorer

    storage.configure(spec.storage)
    torch.set_num_threads(max(1, int(spec.actors.cpus)))
    return Scorer(spec, models.build(spec.model), torch.device("cpu"), kept).score


def pack(table: pa.Table) -> bytes:
    """A table as an Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def unpack(payload: Any) -> pa.Table:
    """The table of an Arrow IPC stream."""
    with pa.ipc.open_stream(payload) as stream:
        return stream.read_all()
