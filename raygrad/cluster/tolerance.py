"""How many rows may fail, and where one reads why they did."""

import logging

import pyarrow as pa
import pyarrow.compute as pc

from raygrad.errors import TooManyErrorsError
from raygrad.scorer import TRACEBACK
from raygrad.validate import Job

MOST_TRACEBACKS = 100

log = logging.getLogger("raygrad.run")


class Tolerance:
    """Counts failed rows, logs where their errors were raised, and stops at too many.

    Args:
        job: Whose ``max_errors`` counts.
        log_file: Where the tracebacks go, for the message.
    """

    def __init__(self, job: Job, log_file: str) -> None:
        planned = sum(unit.rows for unit in job.units)
        allowed = job.spec.max_errors
        if allowed is None:
            self._most = max(100, planned // 10)
        else:
            self._most = allowed if isinstance(allowed, int) else int(allowed * planned)
        self._log_file = log_file
        self._rows = self._failed = 0
        self._logged: set[tuple[str, ...]] = set()

    def note(self, scores: pa.Table) -> int:
        """Notes a batch's errors; returns how many there are.

        Raises:
            TooManyErrorsError: If all in all there are more than the job allows.
        """
        failed: int = len(scores) - scores["error_type"].null_count
        self._rows += len(scores)
        self._failed += failed
        if failed:
            self._log_traceback(scores)
        if self._failed > self._most:
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
            f"({self._most:,}); one of them: row {row['row']} of {row['source']}, "
            f"{row['error_stage']}: {row['error_type']}: {row['error_message']}\n"
            f"tracebacks are in {self._log_file}"
        )
