"""How many rows may fail, and where one reads why they did."""

import logging

import pyarrow as pa
import pyarrow.compute as pc

from raygrad.errors import TooManyErrorsError
from raygrad.scorer import TRACEBACK
from raygrad.validate import Job

MOST_TRACEBACKS = 100
DEFAULT_SHARE = 0.1
LEAST_ROWS = 100

log = logging.getLogger("raygrad.run")


class Tolerance:
    """Counts failed rows, logs where their errors were raised, and stops at too many.

    Args:
        job: Whose ``max_errors`` counts.
        log_file: Where the tracebacks go, for the message.
    """

    def __init__(self, job: Job, log_file: str) -> None:
        self._counted, uncounted = job.units.count_rows()
        self._at_least = bool(uncounted)
        self._allowed = job.spec.max_errors
        self._log_file = log_file
        self._rows = self._failed = 0
        self._logged: set[tuple[str, ...]] = set()

    @property
    def most(self) -> int:
        """How many rows may fail.

        Shares are of the planned rows, and of those of archives so far: of few, at least 100.
        """
        if isinstance(self._allowed, int):
            return self._allowed
        share = int((DEFAULT_SHARE if self._allowed is None else self._allowed) * self._counted)
        return max(LEAST_ROWS, share) if self._allowed is None or self._at_least else share

    def note(self, scores: pa.Table, *, planned: bool = True) -> int:
        """Notes a batch's errors; returns how many there are.

        Args:
            scores: The batch's rows.
            planned: Whether the plan could count them.

        Raises:
            TooManyErrorsError: If all in all there are more than the job allows.
        """
        failed: int = len(scores) - scores["error_type"].null_count
        if not planned:
            self._counted += len(scores)
        self._rows += len(scores)
        self._failed += failed
        if failed:
            self._log_traceback(scores)
        if self._failed > self.most:
            raise self._too_many(scores.filter(pc.is_valid(scores["error_type"])))
        return failed

    def _log_traceback(self, scores: pa.Table) -> None:
        """Each way that errors take through the code is logged once."""
        trace = (scores.schema.metadata or {}).get(TRACEBACK, b"").decode()
        way = tuple(line for line in trace.splitlines() if line.startswith("  File "))
        if way and way not in self._logged and len(self._logged) < MOST_TRACEBACKS:
            self._logged.add(way)
            log.warning("rows fail, the first of them so:\n%s", trace.rstrip())

    def _too_many(self, failed: pa.Table) -> TooManyErrorsError:
        (row,) = failed.slice(0, 1).to_pylist()
        return TooManyErrorsError(
            f"{self._failed:,} of {self._rows:,} rows failed, more than max_errors allows "
            f"({self.most:,}); one of them: row {row['row']} of {row['source']}, "
            f"{row['error_stage']}: {row['error_type']}: {row['error_message']}\n"
            f"tracebacks are in {self._log_file}"
        )
