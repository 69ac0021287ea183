"""Whether a job's actors and readers find a place, now or once the cluster has grown."""

import json
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import ray

from raygrad.errors import Fault, SpecError
from raygrad.spec import JobSpec

DECODE_CPUS = 0.4
"""Beside an actor's 0.5 it lets two CPUs run one actor and three readers, with no deadlock."""

NODE_GROUPS = "RAYGRAD_NODE_GROUPS"
"""The driver's environment: what an autoscaler may start, which Ray doesn't tell a job.

A JSON list of ``{"resources": {"CPU": 6, "GPU": 1}, "max": 8}``; ``raygrad k8s render`` sets it.
"""

Resources = dict[str, float]


class Capacity(NamedTuple):
    """What a cluster has, or can have.

    Attributes:
        nodes: Resources of a node of each kind, and how many of them there can be.
        grows: Whether an autoscaler says so; None if nobody knows.
    """

    nodes: Sequence[tuple[Resources, float]]
    grows: bool | None

    def total(self, resource: str) -> float:
        """All that there is of one resource."""
        return sum(node.get(resource, 0) * count for node, count in self.nodes)

    def places(self, wanted: Resources) -> float:
        """For how many processes, each on one node, there is room."""
        return sum(count * _fit(node, wanted) for node, count in self.nodes)

    def most_on_one_node(self, wanted: Resources) -> int:
        """For how many processes the roomiest node has room."""
        return max((_fit(node, wanted) for node, _ in self.nodes), default=0)


def capacity(*, embedded: bool) -> Capacity:
    """Of this machine, or of a cluster: its nodes, or what :data:`NODE_GROUPS` says they can be."""
    alive = [(node["Resources"], 1.0) for node in ray.nodes() if node["Alive"]]
    if embedded:
        return Capacity(alive, False)
    if groups := os.environ.get(NODE_GROUPS):
        nodes = [(dict(group["resources"]), float(group["max"])) for group in json.loads(groups)]
        return Capacity(nodes, True)
    return Capacity(alive, None)


def gpus_per_actor(spec: JobSpec, there: Capacity) -> float:
    """What the spec says; by default 1 where the cluster has any, or can have."""
    if spec.actors.gpus is not None:
        return spec.actors.gpus
    return 1 if there.total("GPU") else 0


def of_an_actor(spec: JobSpec, there: Capacity) -> Resources:
    """What one actor reserves."""
    wanted = {"CPU": spec.actors.cpus, "GPU": gpus_per_actor(spec, there)}
    if spec.actors.accelerator:
        wanted[f"accelerator_type:{spec.actors.accelerator}"] = 0.001
    return {name: amount for name, amount in wanted.items() if amount}


def most_actors(spec: JobSpec, there: Capacity) -> int:
    """What the spec says; by default one for each GPU, or for two CPUs."""
    if spec.actors.max is not None:
        return max(spec.actors.min, spec.actors.max)
    gpus = gpus_per_actor(spec, there)
    found = there.total("GPU") / gpus if gpus else there.total("CPU") // 2
    return int(max(spec.actors.min, min(found, 10_000)))


def refuse_unplaceable(spec: JobSpec, there: Capacity) -> list[str]:
    """Refuses actors that would wait for ever for what the cluster will never have.

    Returns:
        Warnings, where nobody knows whether it will.

    Raises:
        SpecError: With what is asked for and what there is.
    """
    faults = list(_misfits(spec, there))
    if faults and there.grows is not None:
        raise SpecError(faults, "the job")
    return [f"{fault}. The job waits until the cluster has grown." for fault in faults]


def _misfits(spec: JobSpec, there: Capacity) -> Iterator[Fault]:
    wanted, least = of_an_actor(spec, there), spec.actors.min
    has = f"{_WHERE[there.grows]} has {_listed(there.nodes)}"
    alone = [name for name, amount in wanted.items() if there.places({name: amount}) < least]
    for name in alone:
        kind = name.partition(":")[2]
        each = f"on {kind}" if kind else f"of {wanted[name]:g} {name}"
        yield Fault(
            _KEYS.get(name, "actors.accelerator"), f"{least} actors {each} don't fit; {has}"
        )
    if not alone and there.places(wanted) < least:
        yield Fault("actors", f"{least} actors don't fit, each on one node; {has}")
    cpus = least * spec.actors.cpus + DECODE_CPUS
    if "CPU" not in alone and there.total("CPU") < cpus:
        message = f"{least} actors of {spec.actors.cpus:g} CPUs and a reader of {DECODE_CPUS} need "
        yield Fault("actors.cpus", f"{message}{cpus:g} CPUs; {has}")


_WHERE = {True: "the cluster at its largest", False: "this machine", None: "the cluster now"}
_KEYS = {"CPU": "actors.cpus", "GPU": "actors.gpus"}


def _fit(node: Resources, wanted: Resources) -> int:
    return min(int(node.get(name, 0) / amount + 1e-6) for name, amount in wanted.items())


def _listed(nodes: Sequence[tuple[Resources, float]]) -> str:
    alike: dict[str, float] = dict.fromkeys((_plain(node) for node, _ in nodes), 0.0)
    for node, count in nodes:
        alike[_plain(node)] += count
    return "; ".join(f"{count:g} of {node}" for node, count in alike.items())


def _plain(node: Resources) -> str:
    kinds = [name.partition(":")[2] for name in node if name.startswith("accelerator_type:")]
    return ", ".join([f"{node.get(name, 0):g} {name}" for name in ("CPU", "GPU")] + kinds)
