"""Runs a prepared job: scores the open units, publishes each when it is whole."""

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from raygrad import plan, storage
from raygrad.cluster.gate import Gate
from raygrad.cluster.interrupts import graceful_interrupts
from raygrad.cluster.progress import JobProgress
from raygrad.cluster.session import ray_session
from raygrad.errors import JobFailedError, TooManyErrorsError
from raygrad.plan import Unit
from raygrad.table import identity, layout
from raygrad.table.publish import publish_unit
from raygrad.validate import Job

MOST_UNPUBLISHED = 64
"""Whole units that wait for storage before the driver waits, too."""

log = logging.getLogger("raygrad.run")


@dataclass
class Summary:
    """What a run did.

    Attributes:
        run: Its id, which names its log and summary below ``_raygrad/runs``.
        table: The table's root.
        rows: Rows scored and published by this run.
        errors: Those of them that hold an error instead of scores.
        rows_before: Rows that were there already.
        rows_open: Planned rows that are still to be scored.
        seconds: From the first step to the last.
        interrupted: Whether the user stopped it.
    """

    run: str
    table: str
    rows: int = 0
    errors: int = 0
    rows_before: int = 0
    rows_open: int = 0
    seconds: float = 0.0
    interrupted: bool = False


def run(job: Job, *, address: str | None = None, verbose: bool = False) -> Summary:
    """Scores what is open of a job, and leaves one file for each whole unit.

    Args:
        job: As :func:`raygrad.validate.prepare` gives it.
        address: A Ray cluster's; None starts an embedded one.
        verbose: Whether Ray's own messages are shown.

    Raises:
        TooManyErrorsError: If more rows failed than the spec's ``max_errors`` allows.
        KeyboardInterrupt: At the second Ctrl-C.
    """
    started = time.monotonic()
    root = job.spec.output
    identity.claim(root, job.identity)
    units = list(job.units)
    if job.fresh:
        known = units[: len(units) - len(job.fresh)]
        units = [*known, *plan.save(root, job.fresh)]
    open_units = [unit for unit in units if unit.path not in job.done]
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    summary = Summary(f"{now}-{os.getpid()}", root)
    summary.rows_before = sum(unit.rows for unit in units if unit.path in job.done)
    summary.rows_open = sum(unit.rows for unit in open_units)
    with _log_to(log_path(summary)) as stream:
        log.info("run %s: %d of %d units open", summary.run, len(open_units), len(units))
        try:
            if open_units:
                with ray_session(address, verbose, stream), _failures(stream.name):
                    _score(job, open_units, summary)
        except BaseException as error:
            log.error("stopped by %s: %s", type(error).__name__, error)
            raise
        finally:
            summary.seconds = time.monotonic() - started
            log.info("summary %s", json.dumps(asdict(summary)))
    return summary


def log_path(summary: Summary) -> str:
    """Where a run's log lies: in a local table, or in the working directory of any other's."""
    folder = layout.runs(summary.table) if storage.is_local(summary.table) else os.getcwd()
    return storage.join(folder, f"{summary.run}.log")


@contextlib.contextmanager
def _failures(log_file: str) -> Iterator[None]:
    """Turns what Ray wraps several times into its cause; the log has the whole trace."""
    from ray.exceptions import RayError

    try:
        yield
    except RayError as error:
        log.error("%s", error)
        cause = str(error).strip().splitlines()[-1]
        message = f"the job failed: {cause}\nthe whole trace is in {log_file}"
        raise JobFailedError(message) from error


@contextlib.contextmanager
def _log_to(path: str) -> Iterator[TextIO]:
    """Writes the run's log, and offers the file to Ray's messages."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", encoding="utf-8") as stream:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
        try:
            yield stream
        finally:
            log.removeHandler(handler)


def _score(job: Job, units: list[Unit], summary: Summary) -> None:
    import ray

    gate = ray.remote(num_cpus=0)(Gate).remote()
    progress = JobProgress(sum(unit.rows for unit in units), Console(stderr=True))
    limit = _most_errors(job)

    def stop() -> None:
        progress.say(
            "Stopping: finishing the units in flight. Press Ctrl-C again to stop at once; "
            "they would then be scored anew by the next run."
        )
        gate.close.remote()

    with progress, graceful_interrupts(stop) as interrupts:
        publisher = _Publisher(job, units, summary)
        for unit, whole in _whole_units(job, units, gate, progress, limit):
            publisher.submit(unit, whole)
        publisher.wait(0)
        summary.interrupted = interrupts.asked and bool(summary.rows_open)


def _whole_units(
    job: Job, units: list[Unit], gate: Any, progress: JobProgress, limit: int
) -> Iterator[tuple[Unit, pa.Table]]:
    from raygrad.cluster.actor import unpack
    from raygrad.cluster.assembly import Assembly
    from raygrad.cluster.pipeline import score_units

    assembly = Assembly(units)
    fingerprint = job.identity["model"]["fingerprint"]
    dataset = score_units(units, job.spec, job.kept, fingerprint, gate)
    for rows in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for row in rows.to_pylist():
            scores = unpack(row["payload"])
            failed = len(scores) - scores["error_type"].null_count
            progress.advance(len(scores), failed)
            if progress.errors > limit:
                raise _too_many(progress, limit, scores)
            whole = assembly.add(row["unit"], row["offset"], scores)
            if whole is not None:
                yield units[row["unit"]], whole


class _Publisher:
    """Publishes in tasks, which Ray retries; a retried one finds its own file and is content."""

    def __init__(self, job: Job, units: list[Unit], summary: Summary) -> None:
        import ray

        self._ray = ray
        self._task = ray.remote(num_cpus=0, max_retries=5)(publish_unit)
        self._job = job
        self._summary = summary
        self._waiting: dict[Any, tuple[Unit, int]] = {}
        self._metadata = {
            "schema_version": job.identity["schema_version"],
            "identity": job.identity,
            "versions": {name: version(name) for name in ("raygrad", "torch", "ray", "pyarrow")},
        }

    def submit(self, unit: Unit, rows: pa.Table) -> None:
        failed = len(rows) - rows["error_type"].null_count
        reference = self._task.remote(self._job.spec.output, unit.path, rows, self._metadata)
        self._waiting[reference] = (unit, failed)
        self.wait(MOST_UNPUBLISHED)

    def wait(self, most: int) -> None:
        """Notes what is published, and waits while more than so many units are not."""
        while self._waiting:
            excess = max(0, len(self._waiting) - most)
            ready, _ = self._ray.wait(
                list(self._waiting), num_returns=max(1, excess), timeout=None if excess else 0
            )
            for reference in ready:
                unit, failed = self._waiting.pop(reference)
                created = self._ray.get(reference)
                log.info("unit %s %s", unit.path, "published" if created else "was there already")
                self._summary.rows += unit.rows
                self._summary.errors += failed
                self._summary.rows_open -= unit.rows
            if not excess:
                return


def _most_errors(job: Job) -> int:
    planned = sum(unit.rows for unit in job.units)
    allowed = job.spec.max_errors
    if allowed is None:
        return max(100, planned // 10)
    return allowed if isinstance(allowed, int) else int(allowed * planned)


def _too_many(progress: JobProgress, limit: int, scores: pa.Table) -> TooManyErrorsError:
    failed = scores.filter(pc.is_valid(scores["error_type"])).slice(0, 1).to_pylist()[0]
    return TooManyErrorsError(
        f"{progress.errors:,} of {progress.done:,} rows failed, more than max_errors allows "
        f"({limit:,}); one of them: row {failed['row']} of {failed['source']}, "
        f"{failed['error_stage']}: {failed['error_type']}: {failed['error_message']}"
    )
