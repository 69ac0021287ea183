"""Progress: a bar on a terminal, lines elsewhere."""

import io
import time

from rich.console import Console

from raygrad.cluster import progress
from raygrad.cluster.progress import JobProgress


def test_elsewhere_than_on_a_terminal_a_line_comes_every_few_seconds(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.01)
    out = io.StringIO()
    with JobProgress(4000, Console(file=out, width=100)) as shown:
        shown.advance(500, 2, at=100.0)
        shown.advance(500, 0, at=110.0)
        deadline = time.monotonic() + 10
        while "rows/s" not in out.getvalue():
            assert time.monotonic() < deadline, out.getvalue()
    line = out.getvalue().splitlines()[-1]
    assert line == "1,000 of 4,000 rows, 50 rows/s, 60 s left, 2 errors"


def test_the_rate_is_from_the_first_score_to_the_last_though_they_come_in_lumps_and_disorder():
    shown = JobProgress(400, Console(file=io.StringIO()))
    assert shown.rate is None
    shown.advance(100, 0, at=11.0)
    assert shown.rate is None
    shown.advance(50, 0, at=10.0)
    shown.advance(150, 0, at=13.0)
    shown.advance(100, 0, at=12.0)
    assert shown.rate == (400 - 50) / 3


def test_rows_of_archives_are_added_as_they_come_and_no_time_is_promised(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.01)
    out = io.StringIO()
    with JobProgress(4000, Console(file=out, width=100), at_least=True) as shown:
        shown.advance(500, 2, at=100.0)
        shown.advance(700, 0, at=110.0, planned=False)
        deadline = time.monotonic() + 10
        while "rows/s" not in out.getvalue():
            assert time.monotonic() < deadline, out.getvalue()
    line = out.getvalue().splitlines()[-1]
    assert line == "1,200 of at least 4,700 rows, 70 rows/s, 2 errors"


def test_on_a_terminal_one_bar_shows_rows_rate_time_left_and_errors():
    out = io.StringIO()
    with JobProgress(4000, Console(file=out, width=100, force_terminal=True)) as shown:
        shown.advance(1000, 2, at=100.0)
        shown.say("a message")
    text = out.getvalue()
    assert "1000/4000" in text
    assert "rows/s" in text
    assert "2 errors" in text
    assert "a message" in text
