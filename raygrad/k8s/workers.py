"""How many worker pods of which size a job's actors need."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from raygrad.errors import Fault
from raygrad.spec import ActorsSpec

GPU = "nvidia.com/gpu"

LEAST_CPUS = 2
"""What an actor and the readers that feed it take, as in a job's default number of actors."""


class Size(NamedTuple):
    """The worker group, and the actors for which it is made."""

    cpus: int
    gpus: int
    pods: int
    actors: dict[str, Any]


def gpu_faults(actors: ActorsSpec, overlay: str, pod_gpus: int) -> Iterator[Fault]:
    """What Ray or the overlay can't give."""
    gpus = actors.gpus or 0
    if gpus and not pod_gpus:
        yield Fault(
            "actors.gpus",
            f"got {gpus:g}, but overlay {overlay} has no GPUs; use --overlay gpu-prod, or 0",
        )
    if gpus > 1 and gpus != int(gpus):
        yield Fault("actors.gpus", f"got {gpus:g}; use a whole number, or a fraction below 1")
    if actors.accelerator:
        yield Fault(
            "actors.accelerator",
            f'got "{actors.accelerator}", which no autoscaler on Kubernetes knows of; leave it '
            "out, and choose the nodes by a nodeSelector in an overlay of your own",
        )
    if actors.max is not None and actors.max < actors.min:
        yield Fault("actors.max", f"got {actors.max}; use {actors.min}, that is min, or more")


def size(actors: ActorsSpec, *, pod_cpus: int, pod_gpus: int, pods: int) -> Size:
    """Pods that hold whole actors, and as many as hold the most of them.

    Args:
        actors: The spec's section.
        pod_cpus: CPUs of one of the overlay's worker pods; a pod never gets fewer.
        pod_gpus: GPUs of one.
        pods: The overlay's most, which stands where the spec names no ``max``.
    """
    gpus_each = actors.gpus if actors.gpus is not None else min(pod_gpus, 1)
    cpus_each = max(LEAST_CPUS, actors.cpus + 1)
    gpus = max(pod_gpus, math.ceil(gpus_each)) if gpus_each else 0
    # Half a hair more, or three actors of 0.1 + 0.2 GPUs would be two.
    each_pod = int(gpus / gpus_each + 1e-6) if gpus_each else max(1, int(pod_cpus // cpus_each))
    cpus = max(pod_cpus, math.ceil(each_pod * cpus_each))
    pods = max(
        math.ceil(actors.min / each_pod),
        pods if actors.max is None else math.ceil(actors.max / each_pod),
    )
    # Written out, since a job can't count what an empty cluster will have.
    most = pods * each_pod if actors.max is None else actors.max
    told = {"min": actors.min, "max": most, "cpus": actors.cpus, "gpus": gpus_each}
    return Size(cpus, gpus, pods, told)
