"""From units to a stream of score batches: Ray Data reads, decodes and scores.

One Ray Data row is one model batch, an Arrow IPC stream in a large_binary column. Ray merges and
splits blocks as it likes, but never inside a row, so a batch's composition, and with it every
number, is the same in every run.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data

from raygrad.cluster import allocator, versions
from raygrad.cluster.actor import ScoringActor
from raygrad.cluster.placement import DECODE_CPUS, Capacity, most_actors, of_an_actor
from raygrad.cluster.reader import read_and_decode
from raygrad.plan import Units
from raygrad.scorer import raw_columns
from raygrad.spec import JobSpec

MOST_INPUT_BLOCKS = 2000
BATCHES_PER_BLOCK = 4
SMALLEST_BLOCK = 1 << 18
"""Larger blocks pile up work, and show progress in lumps; smaller ones cost a task each, and those
below 100 KiB wait in the driver's memory, not in Ray's object store.
"""


def score_units(
    units: Units,
    spec: JobSpec,
    kept: Sequence[pa.Field],
    fingerprint: str,
    coordinator: Any,
    *,
    there: Capacity,
) -> ray.data.Dataset:
    """The pipeline, which starts when it is iterated.

    Args:
        units: What to score.
        spec: The job's, as :func:`raygrad.validate.prepare` resolves it.
        kept: The passed-through columns.
        fingerprint: That of the driver's model.
        coordinator: Handle of a :class:`raygrad.cluster.coordinator.Coordinator`.
        there: The cluster's capacity.

    Returns:
        Rows of ``unit`` (index into ``units``), ``offset`` (of the batch in its unit, in rows),
        ``total`` (rows of the unit, in its last batch; else null), ``payload`` (the scores) and
        ``at`` (when they were ready, in seconds since 1970 by the actor's clock).
    """
    context = ray.data.DataContext.get_current()
    context.target_max_block_size = max(SMALLEST_BLOCK, BATCHES_PER_BLOCK * _bytes_per_batch(spec))
    actor = of_an_actor(spec, there)
    return (
        ray.data.from_arrow(_blocks(units))
        .map_batches(
            read_and_decode,
            fn_kwargs={"spec": spec, "columns": raw_columns(spec), "coordinator": coordinator},
            batch_size=1,
            batch_format="pyarrow",
            num_cpus=DECODE_CPUS,
        )
        .map_batches(
            ScoringActor,
            fn_constructor_args=(spec, tuple(kept), fingerprint, coordinator, versions.here()),
            batch_size=None,  # a block of some batches: the next one is copied while one is scored
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(
                min_size=spec.actors.min,
                max_size=most_actors(spec, there),
                max_tasks_in_flight_per_actor=4,
                max_concurrent_calls_per_actor=2,
            ),
            runtime_env=allocator.KEEPS_MEMORY,
            num_cpus=spec.actors.cpus,
            num_gpus=actor.get("GPU", 0),
            **({"accelerator_type": spec.actors.accelerator} if spec.actors.accelerator else {}),
        )
    )


def _blocks(units: Units) -> list[pa.Table]:
    """Some units each, with their numbers."""
    size = math.ceil(len(units) / MOST_INPUT_BLOCKS)
    bounds = [*range(0, len(units), size), len(units)]
    return [
        pa.table({"unit": np.arange(first, last), "segments": units.nested(first, last)})
        for first, last in pairwise(bounds)
    ]


def _bytes_per_batch(spec: JobSpec) -> int:
    entries = 0
    for field in spec.input.values():
        size = 1 if field.decode == "image" else 4
        for length in field.shape or ():
            size *= length
        entries += size
    return int(entries * spec.batch_size)
