"""Runs a prepared job: scores the open units, publishes each when it is whole."""

import contextlib
import logging
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

import pyarrow as pa
from rich.console import Console

from raygrad import plan, storage
from raygrad.cluster.interrupts import Interrupts, graceful_interrupts
from raygrad.cluster.progress import JobProgress
from raygrad.cluster.session import ray_session
from raygrad.cluster.summary import Summary
from raygrad.cluster.tolerance import Tolerance
from raygrad.errors import JobFailedError
from raygrad.plan import Unit
from raygrad.table import identity, layout, lease, leftovers
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
    summary.create_only = storage.create_only(layout.identity(root))
    summary.changed = len(job.changed)
    summary.rows_before, summary.uncounted_before = plan.count_rows(
        unit for unit in units if unit.path in job.done
    )
    summary.rows_open, summary.uncounted_open = plan.count_rows(open_units)
    summary.retried = summary.retries_open = sum(job.retried.values())
    with contextlib.ExitStack() as stack:
        stack.callback(summary.save_log)
        stream = stack.enter_context(_log_to(summary.open_log))
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
                    _failures(summary.log),
                ):
                    _tell_of_takeover(before)
                    _score(job, to_score, summary, interrupts, embedded=address is None)
        except BaseException as error:
            log.error("stopped by %s: %s", type(error).__name__, error)
            raise
        finally:
            summary.seconds = time.monotonic() - started
            with contextlib.suppress(OSError):  # a full disk must not hide how the run ended
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
        message = f"the job failed: {_cause(error)}\nthe whole trace is in {log_file}"
        raise JobFailedError(message) from error


def _tell_of_takeover(before: Lease | None) -> None:
    if before is not None:
        why = before.over or "its lease is ignored"
        line = f"Took over from {before}: {why}."
        log.info(line)
        Console(stderr=True).print(line, highlight=False, soft_wrap=True)


def _cause(error: Exception) -> str:
    """The last exception that Ray's text tells of; advice on Ray's settings may follow it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    exceptions = [line for line in lines if re.match(r"[A-Za-z_][\w.]*(: |$)", line)]
    return (exceptions or lines)[-1]


@contextlib.contextmanager
def _log_to(path: str) -> Iterator[TextIO]:
    """Writes the run's log, and offers the file to Ray's messages.

    A log that can't be written once it is open stops no run, and says nothing on the terminal.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    raises, logging.raiseExceptions = logging.raiseExceptions, False
    stream = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closing it may fail, too
    try:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
        yield stream
    finally:
        logging.raiseExceptions = raises
        log.removeHandler(handler)
        with contextlib.suppress(OSError):
            stream.close()


def _score(
    job: Job, units: list[Unit], summary: Summary, interrupts: Interrupts, *, embedded: bool
) -> None:
    import ray

    from raygrad.cluster import coordinator
    from raygrad.cluster.placement import refuse_unplaceable
    from raygrad.cluster.publisher import Publisher

    if embedded:
        refuse_unplaceable(job.spec)
    gate = coordinator.start()
    rows, uncounted = plan.count_rows(units)
    progress = JobProgress(rows, Console(stderr=True), at_least=bool(uncounted))
    tolerance = Tolerance(job, summary.log)

    def stop() -> None:
        progress.say(
            "Stopping: finishing the units in flight. Press Ctrl-C again to stop at once; "
            "they would then be scored anew by the next run."
        )
        if ray.get(gate.close.remote()) == 0:
            signal.raise_signal(signal.SIGINT)  # there is nothing in flight to wait for

    with progress, graceful_interrupts(interrupts, stop):
        publisher = Publisher(job, summary)
        for unit, whole in _whole_units(job, units, gate, progress, tolerance):
            publisher.submit(unit, whole)
        publisher.wait(0)
        summary.rate = progress.rate
        summary.interrupted = interrupts.asked and not summary.complete
        if not (summary.complete or interrupts.asked):
            raise JobFailedError(
                f"{summary.rows_open + summary.retries_open:,} rows got no score, though all "
                "sources were read: a file has become shorter since it was planned; run again to "
                "see which"
            )


def _whole_units(
    job: Job, units: list[Unit], gate: Any, progress: JobProgress, tolerance: Tolerance
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
            planned = units[row["unit"]].rows is not None
            failed = tolerance.note(scores, planned=planned)
            progress.advance(len(scores), failed, planned=planned)
            whole = assembly.add(row["unit"], row["offset"], scores, row["total"])
            if whole is not None:
                yield units[row["unit"]], whole
