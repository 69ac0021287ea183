"""The log of a run: a file beside the table, as text or JSON, and stderr for log collectors."""

import contextlib
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


@contextlib.contextmanager
def log_to(path: str, style: str = "text") -> Iterator[TextIO]:
    """Writes the run's log, and offers the file to Ray's messages.

    A log that can't be written once it is open stops no run, and says nothing on the terminal.

    Args:
        path: The file.
        style: One of :data:`FORMATS`; json goes to stderr, too.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    raises, logging.raiseExceptions = logging.raiseExceptions, False
    stream = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closing it may fail, too
    handlers: list[logging.Handler] = [logging.StreamHandler(stream)]
    if style == "json":
        handlers.append(logging.StreamHandler(sys.stderr))
    try:
        for handler in handlers:
            handler.setFormatter(
                JsonFormatter()
                if style == "json"
                else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
            )
            log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
        yield stream
    finally:
        logging.raiseExceptions = raises
        for handler in handlers:
            log.removeHandler(handler)
        with contextlib.suppress(OSError):
            stream.close()
