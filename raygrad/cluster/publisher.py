"""Publishes whole units in Ray tasks, and notes in the summary what is there."""

import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import ray

from raygrad import failpoints, storage
from raygrad.cluster import versions
from raygrad.cluster.summary import Summary
from raygrad.errors import JobFailedError
from raygrad.plan import Unit
from raygrad.spec import JobSpec
from raygrad.table.definitions import definitions
from raygrad.table.publish import non_finite, publish_unit
from raygrad.table.retry import Replacement, replace_unit

if TYPE_CHECKING:  # tasks load this file, and not torch with it
    from raygrad.validate import Job

MOST_UNPUBLISHED = 16
"""Whole units that wait for storage before the driver waits, too; each has a process of its own."""

log = logging.getLogger("raygrad.run")


def _publish(spec: JobSpec, path: str, rows: pa.Table, metadata: dict[str, Any]) -> bool:
    storage.configure(spec.storage)
    return publish_unit(spec.output, path, rows, metadata)


def _replace(spec: JobSpec, path: str, rows: pa.Table, metadata: dict[str, Any]) -> Replacement:
    storage.configure(spec.storage)
    return replace_unit(spec.output, path, rows, metadata)


class Publisher:
    """Publishes in tasks, which Ray retries; a retried one finds its own file and is content.

    Units whose errors are tried again replace their file instead.

    Args:
        job: Whose table it is.
        summary: Where published rows are counted.
    """

    def __init__(self, job: "Job", summary: Summary) -> None:
        remote = ray.remote(num_cpus=0, max_retries=5, retry_exceptions=[OSError])
        self._publish, self._replace = remote(_publish), remote(_replace)
        self._job = job
        self._summary = summary
        self._waiting: dict[Any, tuple[Unit, int, int]] = {}
        self._metadata = {
            "schema_version": job.identity["schema_version"],
            "identity": job.identity,
            "spec": job.spec.of_the_rows(),
            "scores": definitions(
                job.spec.loss.name,
                job.spec.metrics,
                temperature=job.spec.loss.temperature,
                last_layer=job.spec.last_layer,
            ),
            "check": job.check,
            "versions": versions.here(),
        }

    def submit(self, unit: Unit, rows: pa.Table) -> None:
        """Starts to publish a unit; waits first if too many are on their way."""
        failpoints.reach("driver.unit")
        failed = len(rows) - rows["error_type"].null_count
        task = self._replace if unit.path in self._job.retried else self._publish
        reference = task.remote(self._job.spec, unit.path, rows, self._metadata)
        self._waiting[reference] = (unit, len(rows), failed)
        self._summary.non_finite += sum(non_finite(rows).values())
        self.wait(MOST_UNPUBLISHED)

    @property
    def unpublished(self) -> int:
        """How many whole units are on their way to storage, whether noted or not."""
        waiting = list(self._waiting)
        if not waiting:
            return 0
        done, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        return len(waiting) - len(done)

    def wait(self, most: int) -> None:
        """Notes what is published, and waits while more than so many units are not."""
        while self._waiting:
            excess = max(0, len(self._waiting) - most)
            ready, _ = ray.wait(
                list(self._waiting), num_returns=max(1, excess), timeout=None if excess else 0
            )
            for reference in ready:
                unit, rows, failed = self._waiting.pop(reference)
                outcome = self._result(reference, unit)
                failpoints.reach("driver.published")
                self._note(unit, rows, failed, outcome)
            if not excess:
                return

    def _note(self, unit: Unit, rows: int, failed: int, outcome: bool | Replacement) -> None:
        summary = self._summary
        if isinstance(outcome, Replacement):
            what = "replaced" if outcome.replaced else "is as it was"
            log.info("unit %s %s: %d errors left", unit.path, what, outcome.failed)
            summary.retries_open -= self._job.retried[unit.path]
            summary.recovered += outcome.failed_before - outcome.failed
            return
        log.info("unit %s %s", unit.path, "published" if outcome else "was there already")
        if outcome:
            summary.rows += rows
            summary.errors += failed
        else:
            summary.rows_before += rows
        summary.rows_open -= unit.rows or 0
        summary.uncounted_open -= unit.rows is None

    def _result(self, reference: Any, unit: Unit) -> bool | Replacement:
        try:
            outcome: bool | Replacement = ray.get(reference)
        except OSError as error:
            cause = getattr(error, "cause", error)  # without Ray's copy of the trace
            raise JobFailedError(
                f"can't write {unit.path} of {self._job.spec.output}: {cause}; what was published "
                "stays, and running again scores the rest"
            ) from error
        return outcome
