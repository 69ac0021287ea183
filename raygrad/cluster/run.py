"""Runs a prepared job: scores the open units, publishes each when it is whole."""

import contextlib
import io
import logging
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

from raygrad import plan, storage
from raygrad.cluster.interrupts import Interrupts, graceful_interrupts
from raygrad.cluster.options import Options
from raygrad.cluster.progress import JobProgress
from raygrad.cluster.run_log import log_to
from raygrad.cluster.session import ray_session
from raygrad.cluster.summary import Summary
from raygrad.cluster.tolerance import Tolerance
from raygrad.errors import IdentityError, JobFailedError
from raygrad.plan import Units
from raygrad.spec import AUTO
from raygrad.table import identity, layout, lease, leftovers
from raygrad.table.lease import Lease
from raygrad.validate import Job

log = logging.getLogger("raygrad.run")

DEFAULT = Options()


def run(job: Job, options: Options = DEFAULT) -> Summary:
    """Scores what is open of a job, and leaves one file for each whole unit.

    Args:
        job: As :func:`raygrad.validate.prepare` gives it.
        options: How it is run.

    Raises:
        TableBusyError: If another run is at work on the table, or takes it over.
        TooManyErrorsError: If more rows failed than the spec's ``max_errors`` allows.
        ClusterError: If the cluster's nodes have other software than the driver.
        KeyboardInterrupt: At the second Ctrl-C.
    """
    started = time.monotonic()
    root = job.spec.output
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    part = f"-{options.part}" if options.part else ""  # processes of two containers may be alike
    summary = Summary(f"{now}-{os.getpid()}{part}", root)
    if job.spec.batch_size == AUTO:
        job = _settled(job, options)
    identity.claim(root, job.identity)
    job = _planned(job)
    if options.part:
        mine = options.part.share(len(job.known))
        job = replace(job, known=job.known.filter(mine), done=job.done[mine])
    summary.create_only = storage.create_only(layout.identity(root))
    summary.changed = len(job.changed)
    rows, uncounted = job.units.count_rows()
    summary.rows_open, summary.uncounted_open = job.open.count_rows()
    summary.rows_before = rows - summary.rows_open
    summary.uncounted_before = uncounted - summary.uncounted_open
    summary.retried = summary.retries_open = sum(job.retried[unit.path] for unit in job.again)
    with contextlib.ExitStack() as stack:
        stack.callback(summary.save_log)
        stream = stack.enter_context(log_to(summary.open_log, options.log_format))
        log.info("run %s: %d of %d units open", summary.run, len(job.open), len(job.units))
        if swept := leftovers.sweep(root):
            log.info("removed %d unfinished files, more than a day old", swept)
        try:
            if len(job.to_score):
                interrupts = Interrupts()
                hold = lease.held(
                    root,
                    summary.run,
                    interrupts.stop_at_once,
                    ignore=options.ignore_lease,
                    part=str(options.part or ""),
                )
                with (
                    hold as before,
                    ray_session(options.address, options.verbose, stream),
                    _failures(f"in {summary.log}"),
                ):
                    _tell_of_takeover(before, options)
                    _score(job, job.to_score, summary, interrupts, options)
        except BaseException as error:
            log.error("stopped by %s: %s", type(error).__name__, error)
            raise
        finally:
            summary.seconds = time.monotonic() - started
            with contextlib.suppress(OSError):  # a full disk must not hide how the run ended
                summary.save()
    return summary


def _planned(job: Job) -> Job:
    """The job once its new units stand in the table, or those of another planner who was first."""
    if not len(job.fresh):
        return job
    saved = plan.save(job.spec.output, job.fresh)
    published = () if saved is job.fresh else layout.published(job.spec.output)
    done = np.append(job.done, saved.are_among(published))
    return replace(job, known=job.known + saved, fresh=Units.of([]), done=done)


def _settled(job: Job, options: Options) -> Job:
    """Finds the batch size of a new table, in a connection to Ray that ends with it.

    Of several runs that do so at once, as parts may, the first to claim the table decides.
    """
    from raygrad.cluster import batch_size

    stream = io.StringIO()  # before the table is claimed, there is no place for a log
    with ray_session(options.address, options.verbose, stream), _failures("above"):
        there = _preflight(job, options)
        size = batch_size.fastest_for(job, there, lambda line: _tell(line, options))
    mine = batch_size.settle(job, size)
    try:
        identity.claim(job.spec.output, mine.identity)
    except IdentityError:
        found = identity.stored(job.spec.output) or mine.identity
        return batch_size.settle(job, found["batch_size"])
    _tell(f"Batches of {size} rows are the fastest that fit.", options)
    return mine


@contextlib.contextmanager
def _failures(trace: str) -> Iterator[None]:
    """Turns what Ray wraps several times into its cause; the whole trace is logged.

    Args:
        trace: Where one reads it.
    """
    from ray.data.exceptions import ExecutionTimeoutError, SystemException
    from ray.exceptions import RayError

    try:
        yield
    except (RayError, ExecutionTimeoutError, SystemException) as error:
        log.error("%s", error)
        message = f"the job failed: {_cause(error)}\nthe whole trace is {trace}"
        raise JobFailedError(message) from error


def _tell_of_takeover(before: Lease | None, options: Options) -> None:
    if before is not None:
        why = before.over or "its lease is ignored"
        _tell(f"Took over from {before}: {why}.", options)


def _tell(line: str, options: Options) -> None:
    log.info(line)
    if options.log_format == "text":  # else the log itself goes there
        Console(stderr=True).print(line, highlight=False, soft_wrap=True)


def _cause(error: Exception) -> str:
    """The last exception that Ray's text tells of; advice on Ray's settings may follow it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    exceptions = [line for line in lines if re.match(r"[A-Za-z_][\w.]*(: |$)", line)]
    return (exceptions or lines)[-1]


def _preflight(job: Job, options: Options) -> Any:
    """The cluster's capacity, once its nodes have room for the job, and the driver's software."""
    from raygrad.cluster import versions
    from raygrad.cluster.placement import capacity, refuse_unplaceable

    there = capacity(embedded=options.address is None)
    for warning in refuse_unplaceable(job.spec, there):
        _tell(f"Warning: {warning}", options)
    if options.address is not None:
        versions.refuse_other_versions()
    return there


def _score(
    job: Job, units: Units, summary: Summary, interrupts: Interrupts, options: Options
) -> None:
    import ray

    from raygrad.cluster import coordinator, stall
    from raygrad.cluster.assembly import Assembly
    from raygrad.cluster.metrics import DriverMetrics
    from raygrad.cluster.pipeline import score_units
    from raygrad.cluster.publisher import Publisher

    there = _preflight(job, options)
    gate = coordinator.start()
    publisher = Publisher(job, summary)
    assembly = Assembly(units.rows)
    metrics = DriverMetrics(job.spec.output)
    rows, uncounted = units.count_rows()
    progress = JobProgress(
        rows,
        Console(stderr=True),
        at_least=bool(uncounted),
        beat=lambda: metrics.note(len(assembly) + publisher.unpublished),
        why=lambda: stall.explanation(job.spec, there, gate, lambda: publisher.unpublished),
        style=options.log_format,
    )
    tolerance = Tolerance(job, summary.log)

    def stop() -> None:
        begun = ray.get(gate.close.remote())
        progress.say(
            "Stopping: finishing the units in flight. Press Ctrl-C again to stop at once; "
            "they would then be scored anew by the next run."
        )
        if begun == 0:
            signal.raise_signal(signal.SIGINT)  # there is nothing in flight to wait for

    with progress, graceful_interrupts(interrupts, stop):
        fingerprint = job.identity["model"]["fingerprint"]
        dataset = score_units(units, job.spec, job.kept, fingerprint, gate, there=there)
        for number, whole in _whole_units(dataset, assembly, progress, tolerance):
            publisher.submit(units[number], whole)
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
    dataset: Any, assembly: Any, progress: JobProgress, tolerance: Tolerance
) -> Iterator[tuple[int, pa.Table]]:
    """Each unit's number, as soon as it is whole, and its rows."""
    from raygrad.cluster.actor import unpack

    for rows in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for row in rows.to_pylist():
            scores = unpack(row["payload"])
            planned = assembly.rows[row["unit"]].is_valid
            failed = tolerance.note(scores, planned=planned)
            progress.advance(len(scores), failed, planned=planned, at=row["at"])
            whole = assembly.add(row["unit"], row["offset"], scores, row["total"])
            if whole is not None:
                yield row["unit"], whole
