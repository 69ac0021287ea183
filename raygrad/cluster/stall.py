"""Why no score comes: which stage waits, and for what."""

from collections.abc import Callable
from typing import Any

import ray

from raygrad.cluster.placement import Capacity, capacity, of_an_actor
from raygrad.spec import JobSpec

SECONDS = 60.0
"""Without a score, after which a job says what it waits for."""


def explanation(
    spec: JobSpec, there: Capacity, coordinator: Any, unpublished: Callable[[], int]
) -> str:
    """One line that names the stage that holds a job up.

    Args:
        spec: The job's.
        there: The cluster's capacity, as it was at the start.
        coordinator: The run's.
        unpublished: How many whole units wait for storage.
    """
    if waiting := unpublished():
        return f"publishing: {waiting} whole units wait for storage"
    if no_node := lacking_node(spec, there):
        return no_node
    stages, actors, units = ray.get(
        [
            coordinator.stages.remote(),
            coordinator.at_work.remote("actor"),
            coordinator.at_work.remote("unit"),
        ],
        timeout=10,
    )
    if not actors:
        return no_process(spec, there)
    for stage, whose in (("scoring", "actors"), ("decoding", "readers"), ("reading", "readers")):
        if stages.get(stage):
            return f"{stage}: {stages[stage]} {whose} have been at one batch for long"
    if not units:
        return "no reader has started: all CPUs are taken, or its process is starting"
    return f"reading: {units} units are open, and none has given a batch yet"


def lacking_node(spec: JobSpec, there: Capacity) -> str | None:
    """That no node could hold an actor, if so."""
    wanted = of_an_actor(spec, there)
    now = capacity(embedded=True)
    if now.places(wanted) >= 1:
        return None
    shown = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items())
    return (
        f"no node yet: none of {len(now.nodes)} has {shown} for an actor; the cluster's "
        "autoscaler may be starting one, or a node pulls its image"
    )


def no_process(spec: JobSpec, there: Capacity) -> str:
    """Why a node that has what an actor needs doesn't run it."""
    free, all_of_it = ray.available_resources(), ray.cluster_resources()
    for name, amount in of_an_actor(spec, there).items():
        if free.get(name, 0) < amount:
            return (
                f"no actor is ready yet: it needs {amount:g} {name}, and {free.get(name, 0):g} of "
                f"the cluster's {all_of_it.get(name, 0):g} are free; other jobs hold the rest, or "
                "its own process is starting"
            )
    return (
        "no actor is ready yet: its process is starting, its environment is being made, or its "
        "model is being built and the checkpoint fetched"
    )
