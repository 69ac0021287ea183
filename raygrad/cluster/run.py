"""Runs a prepared job: scores the open units, publishes each when it is whole."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from raygrad import plan
from raygrad.cluster.gate import Gate
from raygrad.cluster.interrupts import Interrupts, graceful_interrupts
from raygrad.cluster.progress import JobProgress
from raygrad.cluster.session import ray_session
from raygrad.cluster.summary import Summary
from raygrad.errors import JobFailedError, TooManyErrorsError
from raygrad.plan import Unit
from raygrad.table import identity, lease, leftovers
from raygrad.table.lease import Lease
from raygrad.validate import Job

log = logging.getLogger("raygrad.run")


def run(
    job: Job, *, address: str | None = None, ignore_lease: bool = False, verbose: bool = False
) -> Summary:
    """Scores what is open of a job, and leaves one file for each whole unit.

    Args:
        job: As :func:`raygrad.validate.prepare` gives it.
        address: A Ray cluster's; None starts an embedded one.
        ignore_lease: Whether a run that is at work on the table is made to stop.
        verbose: Whether Ray's own messages are shown.

    Raises:
        TableBusyError: If another run is at work on the table, or takes it over.
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
    to_score = [*open_units, *(unit for unit in units if unit.path in job.retried)]
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    summary = Summary(f"{now}-{os.getpid()}", root)
    summary.changed = len(job.changed)
    summary.rows_before = sum(unit.rows for unit in units if unit.path in job.done)
    summary.rows_open = sum(unit.rows for unit in open_units)
    summary.retried = summary.retries_open = sum(job.retried.values())
    with _log_to(summary.log) as stream:
        log.info("run %s: %d of %d units open", summary.run, len(open_units), len(units))
        if swept := leftovers.sweep(root):
            log.info("removed %d unfinished files, more than a day old", swept)
        try:
            if to_score:
                interrupts = Interrupts()
                hold = lease.held(root, summary.run, interrupts.stop_at_once, ignore=ignore_lease)
                with (
                    hold as before,
                    ray_session(address, verbose, stream),
                    _failures(stream.name),
                ):
                    _tell_of_takeover(before)
                    _score(job, to_score, summary, interrupts, embedded=address is None)
        except BaseException as error:
            log.error("stopped by %s: %s", type(error).__name__, error)
            raise
        finally:
            summary.seconds = time.monotonic() - started
            summary.save()
    return summary


@contextlib.contextmanager
def _failures(log_file: str) -> Iterator[None]:
    """Turns what Ray wraps several times into its cause; the log has the whole trace."""
    from ray.data.exceptions import ExecutionTimeoutError, SystemException
    from ray.exceptions import RayError

    try:
        yield
    except (RayError, ExecutionTimeoutError, SystemException) as error:
        log.error("%s", error)
        cause = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        message = f"the job failed: {cause}\nthe whole trace is in {log_file}"
        raise JobFailedError(message) from error


def _tell_of_takeover(before: Lease | None) -> None:
    if before is not None:
        why = before.over or "its lease is ignored"
        line = f"Took over from {before}: {why}."
        log.info(line)
        Console(stderr=True).print(line, highlight=False, soft_wrap=True)


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


def _score(
    job: Job, units: list[Unit], summary: Summary, interrupts: Interrupts, *, embedded: bool
) -> None:
    import ray

    from raygrad.cluster.placement import refuse_unplaceable
    from raygrad.cluster.publisher import Publisher

    if embedded:
        refuse_unplaceable(job.spec)
    gate = ray.remote(num_cpus=0)(Gate).remote()
    progress = JobProgress(sum(unit.rows for unit in units), Console(stderr=True))
    limit = _most_errors(job)

    def stop() -> None:
        progress.say(
            "Stopping: finishing the units in flight. Press Ctrl-C again to stop at once; "
            "they would then be scored anew by the next run."
        )
        if ray.get(gate.close.remote()) == 0:
            signal.raise_signal(signal.SIGINT)  # there is nothing in flight to wait for

    with progress, graceful_interrupts(interrupts, stop):
        publisher = Publisher(job, summary)
        for unit, whole in _whole_units(job, units, gate, progress, limit):
            publisher.submit(unit, whole)
        publisher.wait(0)
        summary.rate = progress.rate
        missing = summary.rows_open + summary.retries_open
        summary.interrupted = interrupts.asked and bool(missing)
        if missing and not interrupts.asked:
            raise JobFailedError(
                f"{missing:,} rows got no score, though all sources were read: a file "
                "has become shorter since it was planned; run again to see which"
            )


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
