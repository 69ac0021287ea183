"""What a person sees while a job runs: a bar on a terminal, a line every 10 s elsewhere."""

import logging
import math
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from raygrad.cluster import stall

SECONDS_BETWEEN_LINES = 10

log = logging.getLogger("raygrad.run")


class JobProgress:
    """Counts rows and errors, and shows them.

    Args:
        rows: How many there are to score, of those that the plan could count.
        console: Where to.
        at_least: Whether there are more, in archives; each is added when it is scored.
        beat: Called every 10 s.
        why: Says what the job waits for, where no score has come for a minute.
        style: json logs the lines, with their numbers as fields, instead of printing them.
    """

    def __init__(
        self,
        rows: int,
        console: Console,
        *,
        at_least: bool = False,
        beat: Callable[[], None] = lambda: None,
        why: Callable[[], str] | None = None,
        style: str = "text",
    ) -> None:
        self.rows = rows
        self.at_least = at_least
        self.done = 0
        self.errors = 0
        self._first, self._last = (math.inf, 0), 0.0
        self._heard = 0.0
        self._console = console
        self._why, self._beat = why, beat
        self._json = style == "json"
        self._over = threading.Event()
        self._bar = _bar(console) if console.is_terminal and not self._json else None
        self._lines = threading.Thread(target=self._print_lines, daemon=True)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("starting", total=self._total(), errors=0)
        self._told = self._began = time.monotonic()
        self._lines.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._bar is not None:
            self._bar.stop()
        self._lines.join()

    def advance(self, rows: int, errors: int, *, at: float, planned: bool = True) -> None:
        """Notes a scored batch.

        Args:
            rows: How many.
            errors: How many of them failed.
            at: When the scores were ready, in seconds: batches come in blocks, and late.
            planned: Whether the plan knew them.
        """
        self.done += rows
        if not planned:
            self.rows += rows
        self.errors += errors
        self._heard = time.monotonic()
        self._first, self._last = min(self._first, (at, rows)), max(self._last, at)
        if self._bar is not None:
            self._bar.update(
                self._task,
                description="scoring",
                total=self._total(),
                completed=self.done,
                errors=self.errors,
            )

    def say(self, message: str) -> None:
        """Prints a line above the bar."""
        if self._json:
            log.info(message)
        else:
            self._console.print(message, highlight=False)

    @property
    def rate(self) -> float | None:
        """Rows a second from the first score to the last; None if there is no time between."""
        start, before = self._first
        return (self.done - before) / (self._last - start) if self._last > start else None

    def _total(self) -> int | None:
        """What a bar can be drawn to."""
        return None if self.at_least else self.rows

    def _print_lines(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LINES):
            self._beat()
            self._tell_of_stall()
            if self._bar is not None:
                continue
            rate = self.rate
            speed = f"{rate:,.0f} rows/s" if rate else "starting"
            if rate and not self.at_least:
                speed += f", {(self.rows - self.done) / rate:.0f} s left"
            total = f"{'at least ' if self.at_least else ''}{self.rows:,}"
            line = f"{self.done:,} of {total} rows, {speed}, {self.errors:,} errors"
            if self._json:
                numbers = {"rows": self.done, "planned": self.rows, "errors": self.errors}
                log.info(line, extra={"fields": {**numbers, "rows_per_second": rate}})
            else:
                self.say(line)

    def _tell_of_stall(self) -> None:
        now = time.monotonic()
        if self._why is None or now - max(self._heard, self._told) < stall.SECONDS:
            return
        self._told = now
        try:
            line = f"No score for {now - max(self._heard, self._began):.0f} s; {self._why()}."
            self.say(line)
            if not self._json:
                log.info(line)  # a terminal's lines are gone by the time that somebody asks
        except Exception as error:  # noqa: BLE001 - what only explains must not end a job
            log.warning("can't tell what the job waits for: %s", error)


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} rows/s" if speed else "- rows/s")


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[errors]} errors"),
        console=console,
    )
