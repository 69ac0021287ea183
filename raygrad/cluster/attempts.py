"""Which processes died at what: Ray would retry for ever a sample that kills its process."""

import contextlib
from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

import ray

MOST_DEATHS = 3
"""Processes that may die at a batch before its rows are tried one by one in a subprocess."""


class Worker(NamedTuple):
    """A process of the cluster."""

    process: str
    node: str


class Attempts:
    """A small actor that workers tell what they begin and what they have finished."""

    def __init__(self) -> None:
        super().__init__()
        self._at_work: dict[Hashable, Worker] = {}
        self._died: dict[Hashable, list[Worker]] = defaultdict(list)

    def attempt(self, work: Hashable, worker: Worker) -> int:
        """Notes that a process begins a piece of work.

        Returns:
            How many other processes have died at it: began it and never finished, though their
            node is alive, for the loss of a node is no sample's fault.
        """
        before = self._at_work.get(work)
        self._at_work[work] = worker
        if before is not None and before != worker:
            self._died[work].append(before)
        if work not in self._died:
            return 0
        alive = self._nodes()
        return sum(dead.node in alive for dead in self._died[work])

    def at_work(self, kind: str) -> int:
        """How many pieces of work of one kind are begun and not finished."""
        return sum(work[0] == kind for work in self._at_work if isinstance(work, tuple))

    def finished(self, work: Hashable) -> None:
        """Notes that a piece of work is done."""
        self._at_work.pop(work, None)

    def _nodes(self) -> set[str]:
        return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


class Watch:
    """A worker's side of :class:`Attempts`.

    Args:
        attempts: Handle of a :class:`raygrad.cluster.coordinator.Coordinator`.
    """

    def __init__(self, attempts: Any) -> None:
        context = ray.get_runtime_context()
        self._worker = Worker(context.get_worker_id(), context.get_node_id())
        self._attempts = attempts

    def begin(self, *work: Hashable) -> int:
        """Notes the begin of a piece of work; returns how many processes died at it before."""
        deaths: int = ray.get(self._attempts.attempt.remote(work, self._worker))
        return deaths

    def wanted(self, unit: int) -> bool:
        """Whether a unit may still become scored, see :class:`raygrad.cluster.gate.Gate`."""
        answer: bool = ray.get(self._attempts.wanted.remote(unit))
        return answer

    @contextlib.contextmanager
    def attempt(self, *work: Hashable) -> Iterator[int]:
        """As :meth:`begin`, and notes the end of the work, too, when the block ends."""
        deaths = self.begin(*work)
        try:
            yield deaths
        finally:
            self._attempts.finished.remote(work)
