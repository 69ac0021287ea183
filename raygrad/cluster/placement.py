"""Whether a job's actors and readers fit an embedded Ray, which never grows."""

import ray

from raygrad.cluster.pipeline import DECODE_CPUS, gpus_per_actor
from raygrad.errors import Fault, SpecError
from raygrad.spec import JobSpec


def refuse_unplaceable(spec: JobSpec) -> None:
    """Refuses actors that would wait for ever for CPUs or GPUs that this machine doesn't have.

    Raises:
        SpecError: With what is asked for and what there is.
    """
    there = ray.cluster_resources()
    actors = spec.actors
    cpus, gpus = actors.min * actors.cpus + DECODE_CPUS, actors.min * gpus_per_actor(spec)
    faults = []
    if cpus > there.get("CPU", 0):
        faults.append(
            Fault(
                "actors.cpus",
                f"{actors.min} actors of {actors.cpus:g} CPUs and a reader of {DECODE_CPUS} need "
                f"{cpus:g} CPUs; this machine has {there.get('CPU', 0):g}",
            )
        )
    if gpus > there.get("GPU", 0):
        faults.append(
            Fault("actors.gpus", f"{gpus:g} GPUs are asked for; there are {there.get('GPU', 0):g}")
        )
    if faults:
        raise SpecError(faults, "the job")
