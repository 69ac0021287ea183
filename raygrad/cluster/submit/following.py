"""What comes back from a job: its log as it grows, and how it ended."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from raygrad.errors import ClusterError

SECONDS_BETWEEN_QUESTIONS = 1.0
RECONNECTIONS = 30
"""Failures one after the other; a restarted dashboard is back by then."""

OVER = ("SUCCEEDED", "FAILED", "STOPPED")
"""Ray's names of a job's last status."""


def follow(client: Any, submission: str, write: Callable[[str], None]) -> int:
    """Passes a job's log on as it grows, from its start, until the job is over.

    Args:
        client: See :func:`raygrad.cluster.submit.connect`.
        submission: The job's id.
        write: Is given pieces of the log.

    Returns:
        The exit code of ``raygrad run``; 130 for a job that was stopped.

    Raises:
        ClusterError: If the cluster can't be reached any more.
    """
    log = _Log(write)
    last: Exception | None = None
    failures = 0
    while failures < RECONNECTIONS:
        try:
            asyncio.run(log.read(client, submission))
            status = client.get_job_status(submission).value
            if status in OVER:
                return _exit_code(client, submission, status, write)
            failures = 0  # a proxy closes connections that are silent for long
        except (RuntimeError, OSError, aiohttp.ClientError) as error:
            last, failures = error, failures + 1
        time.sleep(SECONDS_BETWEEN_QUESTIONS)
    raise ClusterError(
        f"the cluster no longer answers about {submission}: {last}; the job may go on, see "
        f"raygrad logs {submission}"
    )


class _Log:
    """Passes a log on, and leaves out what it has already passed on when it is read anew."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write, self._written = write, 0

    async def read(self, client: Any, submission: str) -> None:
        seen = 0
        async for piece in client.tail_job_logs(submission):
            fresh = piece[max(0, self._written - seen) :]
            seen += len(piece)
            if fresh:
                self._write(fresh)
                self._written = seen


def _exit_code(client: Any, submission: str, status: str, write: Callable[[str], None]) -> int:
    if status == "SUCCEEDED":
        return 0
    if status == "STOPPED":
        return 130
    info = client.get_job_info(submission)
    if info.driver_exit_code:
        return int(info.driver_exit_code)
    # It never got as far as raygrad: a runtime environment that can't be made, a lost head node.
    write(f"the job failed: {_shortened(info.message or 'Ray gives no reason')}\n")
    return 1


def _shortened(message: str, lines: int = 12) -> str:
    kept = [line for line in message.splitlines() if line.strip()]
    kept = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in kept]
    return "\n".join(kept if len(kept) <= lines else [*kept[:2], "...", *kept[-lines:]])


def stop(client: Any, submission: str, seconds: float = 0) -> str:
    """Asks a job to finish the units in flight and stop.

    Args:
        client: See :func:`raygrad.cluster.submit.connect`.
        submission: The job's id.
        seconds: How long its end is waited for.

    Returns:
        The job's status by then.

    Raises:
        ClusterError: If there is no such job.
    """
    try:
        client.stop_job(submission)
        until = time.monotonic() + seconds
        while True:
            status = str(client.get_job_status(submission).value)
            if status in OVER or time.monotonic() > until:
                return status
            time.sleep(SECONDS_BETWEEN_QUESTIONS)
    except RuntimeError as error:
        raise no_such_job(submission, error) from error


def no_such_job(submission: str, error: Exception) -> ClusterError:
    """What to say where the cluster doesn't know a job."""
    if "does not exist" in str(error):
        return ClusterError(f"the cluster has no job {submission}; raygrad jobs lists them")
    return ClusterError(f"the cluster refused: {error}")
