"""Which versions of what scores are computed with, and whether all nodes have the same."""

import platform
from importlib.metadata import version

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raygrad import __version__
from raygrad.errors import ClusterError

SECONDS = 120
"""How long a node may take to answer; it may still be making the job's environment."""


def here() -> dict[str, str]:
    """The versions of this process, by name."""
    packages = {name: version(name) for name in ("torch", "ray", "pyarrow")}
    return {"raygrad": __version__, "python": platform.python_version(), **packages}


def refuse_other_versions() -> None:
    """Asks a process on each node.

    Raises:
        ClusterError: Naming each node that lacks a package, or has another version than the driver.
    """
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    asked = {node: _ask().options(scheduling_strategy=_on(node)).remote() for node in nodes}
    wanted = here()
    complaints = []
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=SECONDS)
    for node, answer in asked.items():
        try:
            found = ray.get(answer, timeout=0)
        except ray.exceptions.GetTimeoutError:
            continue  # it may be starting or going; the job doesn't need every node
        except ray.exceptions.RayTaskError as error:
            cause = str(error.cause) or type(error.cause).__name__
            complaints.append(f"{nodes[node]}: {cause.splitlines()[0]}")
            continue
        except ray.exceptions.RayError:
            continue
        complaints += [f"{nodes[node]}: {line}" for line in _differences(found, wanted)]
    if complaints:
        raise ClusterError(
            "nodes of the cluster have other software than the driver:\n"
            + "\n".join(f"  {complaint}" for complaint in complaints)
            + "\nuse one image for all nodes, or install what differs with --pip or --uv; "
            "--ship-raygrad sends raygrad"
        )


def refuse_other(wanted: dict[str, str]) -> None:
    """Asks this process, of a node that may have come after the others were asked.

    Raises:
        ClusterError: If it has other versions than the driver.
    """
    if different := _differences(here(), wanted):
        raise ClusterError(
            f"node {ray.util.get_node_ip_address()} has {'; '.join(different)}; use one image for "
            "all nodes, or install what differs with --pip or --uv"
        )


def _differences(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    return [
        f"{name} {found.get(name)}, the driver has {wanted[name]}"
        for name in wanted
        if found.get(name) != wanted[name]
    ]


def _on(node: str) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node, soft=False)


def _ask() -> ray.remote_function.RemoteFunction:
    def answer() -> dict[str, str]:  # travels by value: raygrad itself may be what is missing
        from importlib import import_module

        found: dict[str, str] = import_module("raygrad.cluster.versions").here()
        return found

    return ray.remote(num_cpus=0, max_retries=0)(answer)
