"""The rules of Kubernetes for names, images and schedules, as messages that say what to write."""

import re
from collections.abc import Iterator
from pathlib import PurePath

LONGEST_JOB_NAME = 44
"""A CronJob's name has 52 characters at most, of which ``-nightly`` takes eight."""

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_IMAGE = (
    r"([a-zA-Z0-9][-a-zA-Z0-9.]*(:[0-9]+)?/)?"  # registry
    r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_CRON: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
_CRON_WORDS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")


def job_name(path: str) -> str:
    """The name of a job whose spec lies in ``path``: ``Nightly_scores.yaml`` is nightly-scores."""
    name = re.sub(r"[^a-z0-9]+", "-", PurePath(path).stem.lower()).strip("-")
    name = name if name[:1].isalpha() else f"job-{name}".rstrip("-")
    return name[:LONGEST_JOB_NAME].rstrip("-")


def job_name_faults(name: str) -> Iterator[str]:
    """KubeRay wants a DNS-1035 label for a RayJob."""
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        yield "use lower-case letters, digits and -, from a letter to a letter or digit"
    if len(name) > LONGEST_JOB_NAME:
        yield f"has {len(name)} characters; use {LONGEST_JOB_NAME} at most"


def label_faults(name: str) -> Iterator[str]:
    """Namespaces and queues are DNS-1123 labels."""
    if not re.fullmatch(_LABEL, name):
        yield "use lower-case letters, digits and -, from and to a letter or digit"
    if len(name) > 63:
        yield f"has {len(name)} characters; use 63 at most"


def secret_faults(name: str) -> Iterator[str]:
    """Secrets have DNS-1123 subdomains for names."""
    if not re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", name):
        yield "use lower-case letters, digits, - and ., from and to a letter or digit"
    if len(name) > 253:
        yield f"has {len(name)} characters; use 253 at most"


def image_faults(image: str) -> Iterator[str]:
    """An image is ``registry/name:tag`` or ``registry/name@sha256:...``."""
    if not re.fullmatch(_IMAGE, image):
        yield "use an image's name such as registry.example/raygrad:0.1.0-gpu"


def schedule_faults(schedule: str) -> Iterator[str]:
    """A schedule is five cron fields, or a word such as ``@daily``."""
    if schedule in _CRON_WORDS:
        return
    fields = schedule.split()
    if len(fields) != 5:
        yield (
            f"has {len(fields)} fields; use five, as in '0 2 * * *' for two o'clock each night, or "
            f"one of {', '.join(_CRON_WORDS)}"
        )
        return
    for field, (what, low, high, words) in zip(fields, _CRON, strict=True):
        if not all(_is_cron_part(part, low, high, words) for part in field.split(",")):
            yield f"the {what} is {field}; use *, or numbers from {low} to {high}"


def _is_cron_part(part: str, low: int, high: int, words: list[str]) -> bool:
    match = re.fullmatch(r"(\*|\?|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?", part)
    if match is None:
        return False
    ends = [_number(end, low, words) for end in match.group(2, 3) if end is not None]
    return all(low <= end <= high for end in ends) and ends == sorted(ends)


def _number(text: str, low: int, words: list[str]) -> int:
    if text.lower() in words:
        return words.index(text.lower()) + low
    return int(text) if text.isdigit() else -1
