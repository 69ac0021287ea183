"""What a run did: printed at its end, and kept as JSON beside its log."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass

from raygrad import storage
from raygrad.table import layout


@dataclass
class Summary:
    """What a run did.

    Attributes:
        run: Its id, which names its log and summary below ``_raygrad/runs``.
        table: The table's root.
        rows: Rows scored and published by this run.
        errors: Those of them that hold an error instead of scores.
        non_finite: Scores of this run that are NaN or infinite; they are kept.
        rows_before: Rows that were there already, at the start or when they were to be published.
        rows_open: Planned rows that are still to be scored.
        uncounted_before: Archives that were done already; their rows are in no other count.
        uncounted_open: Archives that are still to be scored; nobody knows yet how many rows.
        retried: Rows with errors that this run set out to score again.
        recovered: Those of them that have scores now.
        retries_open: Those of them whose unit was not finished.
        seconds: From the first step to the last, the start of Ray included.
        rate: Rows a second from the first score to the last; None if they came at once.
        changed: How many files have changed since all their rows were scored.
        interrupted: Whether the user stopped it.
        create_only: Whether the table's store refuses to replace a file.
    """

    run: str
    table: str
    rows: int = 0
    errors: int = 0
    non_finite: int = 0
    rows_before: int = 0
    rows_open: int = 0
    uncounted_before: int = 0
    uncounted_open: int = 0
    retried: int = 0
    recovered: int = 0
    retries_open: int = 0
    seconds: float = 0.0
    rate: float | None = None
    changed: int = 0
    interrupted: bool = False
    create_only: bool = True

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be scored."""
        return not (self.rows_open or self.uncounted_open or self.retries_open)

    @property
    def log(self) -> str:
        """Where the run's log lies in the end."""
        return storage.join(layout.runs(self.table), f"{self.run}.log")

    @property
    def open_log(self) -> str:
        """Where it is written: in a local table at once, else first in the temporary folder."""
        if storage.is_local(self.table):
            return self.log
        return os.path.join(tempfile.gettempdir(), f"raygrad-{self.run}.log")

    def save_log(self) -> None:
        """Moves the log of a remote table from the temporary folder to the table."""
        if self.open_log != self.log and os.path.exists(self.open_log):
            with open(self.open_log, "rb") as stream:
                storage.publish(self.log, stream.read(), layout.scratch(self.table))
            os.unlink(self.open_log)

    def save(self) -> None:
        """Writes the summary beside the logs of the table."""
        uri = storage.join(layout.runs(self.table), f"{self.run}.json")
        content = json.dumps(asdict(self), indent=2).encode()
        storage.publish(uri, content, layout.scratch(self.table))
