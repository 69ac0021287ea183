"""The log of a run: a file beside the table, as text or JSON, and stderr for log collectors."""

import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TextIO

log = logging.getLogger("raygrad.run")

FORMATS = ("text", "json")


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, message, and the record's ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        found = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            found["traceback"] = self.formatException(record.exc_info)
        return json.dumps(found, default=str)


class JsonLines(io.StringIO):
    """A stream whose lines become records of one handler: Ray prints, and logs in its own way.

    Args:
        handler: Writes JSON.
    """

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler
        self._begun = ""

    def write(self, text: str) -> int:
        """Passes whole lines on, and keeps the rest until its end comes."""
        *whole, self._begun = (self._begun + text).split("\n")
        for line in filter(str.strip, whole):
            self._handler.handle(logging.makeLogRecord({"msg": line, "levelname": "INFO"}))
        return len(text)


@contextlib.contextmanager
def json_on_stderr() -> Iterator[None]:
    """Writes the log to stderr, too, one JSON object a line, for log collectors."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    with _added(handler):
        yield


@contextlib.contextmanager
def log_to(path: str, style: str = "text") -> Iterator[TextIO]:
    """Writes the run's log, and offers the file to Ray's messages.

    A log that can't be written once it is open stops no run, and says nothing on the terminal.

    Args:
        path: The file.
        style: One of :data:`FORMATS`.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    raises, logging.raiseExceptions = logging.raiseExceptions, False
    stream = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closing it may fail, too
    handler = logging.StreamHandler(stream)
    as_json = style == "json"
    handler.setFormatter(
        JsonFormatter() if as_json else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    try:
        with _added(handler):
            yield JsonLines(handler) if as_json else stream
    finally:
        logging.raiseExceptions = raises
        with contextlib.suppress(OSError):
            stream.close()


@contextlib.contextmanager
def _added(handler: logging.Handler) -> Iterator[None]:
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
