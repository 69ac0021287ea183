"""The actor that holds a model replica and scores batches."""

import io
import os
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import ray

from raygrad.errors import ModelReplicaError
from raygrad.spec import JobSpec


class ScoringActor:
    """Scores batches that travel as Arrow IPC streams, one a Ray Data row.

    Args:
        spec: The job's.
        kept: The passed-through columns.
        fingerprint: That of the driver's model.
        gate: Handle of a :class:`raygrad.cluster.gate.Gate`.

    Raises:
        ModelReplicaError: If this replica's weights are others than the driver's.
    """

    def __init__(
        self, spec: JobSpec, kept: Sequence[pa.Field], fingerprint: str, gate: Any
    ) -> None:
        import torch

        from raygrad import models
        from raygrad.scorer import Scorer

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
        self._gate = gate
        self._begun: set[int] = set()

    def __call__(self, batches: pa.Table) -> pa.Table:
        """Scores each row's batch, column ``payload``; the others stay as they are.

        Batches of units that the gate doesn't let through leave no row.
        """
        batches = batches.filter(pa.array([self._may_score(u.as_py()) for u in batches["unit"]]))
        payloads = [pack(self._scorer.score(unpack(p.as_py()))) for p in batches["payload"]]
        return batches.set_column(
            batches.schema.get_field_index("payload"),
            "payload",
            pa.array(payloads, pa.large_binary()),
        )

    def _may_score(self, unit: int) -> bool:
        if unit not in self._begun and ray.get(self._gate.begin.remote(unit)):
            self._begun.add(unit)
        return unit in self._begun


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
