"""``batch_size: auto``: the fastest size that fits, tried where the actors will run."""

import contextlib
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import ray
import torch

from raygrad import models, storage
from raygrad.cluster import allocator, stall
from raygrad.cluster.actor import pack, unpack
from raygrad.cluster.placement import Capacity, most_actors, of_an_actor
from raygrad.errors import Fault, SpecError
from raygrad.scorer import Scorer, decode_batch, raw_columns
from raygrad.spec import JobSpec
from raygrad.validate import Job
from raygrad.validate.first_rows import first_rows

SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)
MEMORY_SHARE = 0.5
"""Of an actor's part of the free memory; what fragments, and what other rows need more, takes the
rest."""

GAIN = 1.05
"""A larger batch must score so much faster, for it also loses more when a row breaks it."""


def settle(job: Job, size: int) -> Job:
    """The job with a number for its batch size."""
    return replace(
        job,
        spec=job.spec.model_copy(update={"batch_size": size}),
        identity={**job.identity, "batch_size": size},
    )


def fastest_for(job: Job, there: Capacity, tell: Callable[[str], None]) -> int:
    """Tries sizes where the job's actors will run; needs a connection to Ray.

    Args:
        job: Whose spec says auto.
        there: The cluster's capacity.
        tell: Is given a line about what is waited for, each minute.

    Raises:
        SpecError: If there is no row to try them with.
    """
    payload = pack(_sound_rows(job))
    wanted = of_an_actor(job.spec, there)
    task = ray.remote(
        num_cpus=wanted.get("CPU", 0),
        num_gpus=wanted.get("GPU", 0),
        max_retries=1,
        runtime_env=allocator.KEEPS_MEMORY,
    )(_try_on_device)
    if job.spec.actors.accelerator:
        task = task.options(accelerator_type=job.spec.actors.accelerator)
    tried = task.remote(job.spec, job.kept, payload, _share(job.spec, there))
    while not ray.wait([tried], timeout=stall.SECONDS)[0]:
        why = stall.lacking_node(job.spec, there) or "a node starts a process, or tries sizes"
        tell(f"No batch size yet; {why}.")
    size: int = ray.get(tried)
    return size


def _sound_rows(job: Job) -> pa.Table:
    """Decoded; rows that the model never sees would make every size look fast."""
    for group in job.groups:
        for rows in first_rows(group, raw_columns(job.spec)):
            batch = decode_batch(rows, job.spec)
            sound = batch.filter(batch["error_type"].is_null()).replace_schema_metadata(None)
            if len(sound):
                return sound
    message = "auto tries the first rows, and there is none that can be decoded; use a number"
    raise SpecError([Fault("batch_size", message)], "the job")


def _try_on_device(spec: JobSpec, kept: Sequence[pa.Field], payload: bytes, share: float) -> int:
    storage.configure(spec.storage)
    torch.set_num_threads(max(1, int(spec.actors.cpus)))
    device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
    scorer = Scorer(spec, models.build(spec.model), device, kept)
    few = unpack(payload)

    def seconds(size: int) -> float:
        batch = few.take([index % len(few) for index in range(size)])
        scorer.score(batch)
        began = time.perf_counter()
        scorer.score(batch)
        return time.perf_counter() - began

    return fastest(seconds, _memory(device, share))


def fastest(seconds: Callable[[int], float], memory: Callable[[], float]) -> int:
    """Tries larger and larger batches until they gain nothing, or take too much.

    Args:
        seconds: How long a batch of so many rows takes.
        memory: The share of the memory for it that is taken by now.

    Returns:
        The size that scores the most rows a second; the smaller of two that are about alike.
    """
    best, rate, without_gain = SIZES[0], 0.0, 0
    for size in SIZES:
        try:
            found = size / seconds(size)
        except (torch.OutOfMemoryError, MemoryError):
            break
        if memory() > MEMORY_SHARE:
            break
        if found > GAIN * rate:
            best, rate, without_gain = size, found, 0
        else:
            without_gain += 1
        if without_gain == 2:
            break
    return best


def _share(spec: JobSpec, there: Capacity) -> float:
    """An actor's part of a device, or of a node's memory, that it may share with others."""
    wanted = of_an_actor(spec, there)
    if gpus := wanted.get("GPU"):
        return min(1.0, gpus)
    return 1 / max(1, min(there.most_on_one_node(wanted), most_actors(spec, there)))


def _memory(device: torch.device, share: float) -> Callable[[], float]:
    """How much of its part of the memory this process has taken since now, from 0 to 1."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return lambda: torch.cuda.max_memory_reserved(device) / (free * share)
    free, before = _free(), _peak()
    return lambda: (_peak() - before) / (max(1, free) * share)


def _free(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that the machine has free, or its container may still take."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):  # no limit is the word max
        most = int((cgroup / "memory.max").read_text())
        free = min(free, most - int((cgroup / "memory.current").read_text()))
    return free


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
