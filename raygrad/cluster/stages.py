"""Which stage a slow worker is in; quick ones tell nobody, and cost nothing."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Self, TypeVar

import ray

SLOW = 10.0
"""Seconds in one stage after which a worker tells, and between tellings."""

T = TypeVar("T")


class Stages:
    """A small actor that hears of slow workers."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, tuple[str, float]] = {}

    def slow(self, worker: str, stage: str) -> None:
        """Notes that a worker is still in a stage."""
        self._told[worker] = (stage, time.monotonic())

    def stages(self) -> dict[str, int]:
        """How many workers are stuck in each stage just now."""
        since = time.monotonic() - 2.5 * SLOW
        return Counter(stage for stage, told in self._told.values() if told > since)


class Stopwatch:
    """A worker's side of :class:`Stages`; a context whose end ends its thread.

    Args:
        coordinator: The actor's handle.
    """

    def __init__(self, coordinator: Any) -> None:
        self._coordinator = coordinator
        self._worker = ray.get_runtime_context().get_worker_id()
        self._stage: tuple[str, float] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="stopwatch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The worker is in this stage while the block runs."""
        self._stage = (name, time.monotonic())
        try:
            yield
        finally:
            self._stage = None

    def each(self, name: str, items: Iterator[T]) -> Iterator[T]:
        """Passes items on, each of which is waited for in this stage."""
        while True:
            with self.stage(name):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def _tell(self) -> None:
        while not self._over.wait(SLOW):
            stage = self._stage
            if stage is not None and time.monotonic() - stage[1] > SLOW:
                self._coordinator.slow.remote(self._worker, stage[0])
