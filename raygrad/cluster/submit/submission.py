"""A job's name on a cluster, and whether it is there already."""

import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tenacity

from raygrad.cluster.submit.following import OVER
from raygrad.cluster.submit.shipment import Shipment, placeless
from raygrad.errors import ClusterError, SpecError
from raygrad.spec import load

PREFIX = "raygrad"


class Submission(NamedTuple):
    """A job on a cluster.

    Attributes:
        id: ``raygrad-NAME-HASH-ATTEMPT``; the hash is of the spec, the table and the options.
        status: Ray's: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
        attached: Whether it was there before it was asked for.
        started: Seconds since the epoch; None while it is pending.
        ended: The same.
        message: What Ray says about it.
        table: Where its rows go.
        options: Its options of ``raygrad run``.
    """

    id: str
    status: str
    attached: bool = False
    started: float | None = None
    ended: float | None = None
    message: str = ""
    table: str = ""
    options: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.status in OVER


def submit(
    client: Any, shipment: Shipment, arguments: Sequence[str] = (), *, output: str | None = None
) -> Submission:
    """Submits a job, or attaches to the one that is pending or running under its name.

    Args:
        client: See :func:`raygrad.cluster.submit.connect`.
        shipment: What is sent.
        arguments: More options of ``raygrad run``.
        output: A table to use instead of the spec's.

    Raises:
        SpecError: If the spec has faults that its text alone shows, or paths that only this
            machine knows.
        ClusterError: If the cluster refuses the job.
    """
    sections, faults = load(shipment.spec)
    faults += placeless(sections, output)
    if faults:
        raise SpecError(faults, shipment.spec)
    there = shipment.spec_there
    options = [*arguments, *(("--output", output) if output else ())]
    stem = name_of(shipment.spec, sections, options)
    for _ in range(3):
        attempts = sorted(_attempts(client, stem))
        number, latest = attempts[-1] if attempts else (0, None)
        if latest is not None and not latest.over:
            return latest._replace(attached=True)
        command = ["python", "-m", "raygrad", "run", there, "--address", "auto", *options]
        try:
            found = _patiently(
                client.submit_job,
                entrypoint=shlex.join(command),
                submission_id=f"{stem}-{number + 1}",
                runtime_env=shipment.runtime_env(),
                metadata={
                    "raygrad": "1",
                    "table": output or sections["output"],
                    "options": shlex.join(arguments),
                },
            )
            return Submission(found, "PENDING")
        except ValueError as error:  # what is to be sent is too large, or isn't there
            raise ClusterError(f"the job can't be sent: {error}") from error
        except RuntimeError as error:
            if "already exists" not in str(error):
                raise ClusterError(f"the cluster refused the job: {error}") from error
    raise ClusterError(f"others submit {stem} again and again; see raygrad jobs")


_patiently = tenacity.Retrying(
    retry=tenacity.retry_if_exception_message(match="(?s).*No available agent"),
    wait=tenacity.wait_fixed(2),
    stop=tenacity.stop_after_delay(60),
    reraise=True,
)
"""A cluster's dashboard answers some seconds before its agents take jobs."""


def name_of(path: str, sections: Mapping[str, Any], options: Sequence[str]) -> str:
    """A submission's id without its attempt: the same for the same spec, table and options."""
    name = re.sub(r"[^a-z0-9]+", "-", Path(path).stem.lower()).strip("-") or "job"
    shown = {key: _plain(value) for key, value in sections.items() if key != "storage"}
    content = json.dumps([shown, list(options)], sort_keys=True, default=str)
    return f"{PREFIX}-{name}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def jobs(client: Any) -> list[Submission]:
    """The cluster's raygrad jobs, the latest last."""
    found = [_submission(job) for job in client.list_jobs() if _ours(job)]
    return sorted(found, key=lambda job: job.started or float("inf"))


def _attempts(client: Any, stem: str) -> list[tuple[int, Submission]]:
    pattern = re.compile(re.escape(stem) + r"-(\d+)")
    found = [(pattern.fullmatch(job.id), job) for job in jobs(client)]
    return [(int(match[1]), job) for match, job in found if match]


def _ours(job: Any) -> bool:
    return bool(job.submission_id and "raygrad" in (job.metadata or {}))


def _submission(job: Any) -> Submission:
    started, ended = (time and time / 1000 for time in (job.start_time, job.end_time))
    return Submission(
        job.submission_id,
        str(job.status.value),
        started=started,
        ended=ended,
        message=job.message or "",
        table=job.metadata.get("table", ""),
        options=job.metadata.get("options", ""),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
