"""The one small actor of a run that readers and scorers ask."""

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raygrad.cluster.attempts import Attempts
from raygrad.cluster.gate import Gate
from raygrad.cluster.stages import Stages


class Coordinator(Gate, Attempts, Stages):
    """The gate, the count of attempts and the slow stages, in one process."""


def start() -> Any:
    """Starts the coordinator beside the driver, whose loss alone it need not survive.

    Should its process die, Ray starts it anew: counts begin again, and a gate that the first
    Ctrl-C had closed is open, so that it takes a second one to stop.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Coordinator)
    return actor.options(scheduling_strategy=here).remote()
