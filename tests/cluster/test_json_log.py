"""`--log-format json`: whatever a log collector reads of a run is one JSON object a line."""

import io
import json
import logging
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from raygrad.cli import main
from raygrad.cluster import progress
from raygrad.cluster.progress import JobProgress
from raygrad.cluster.run_log import json_on_stderr, log_to

log = logging.getLogger("raygrad.run")


def entries(text: str) -> list[dict]:
    """Each line as an object; fails where one isn't."""
    found = [json.loads(line) for line in text.splitlines()]
    for entry in found:
        assert {"time", "level", "message"} <= entry.keys()
        assert entry["time"].endswith("+00:00")
    return found


def test_what_ray_prints_becomes_lines_of_json_too(tmp_path):
    path = tmp_path / "runs" / "a.log"
    with log_to(str(path), "json") as stream:
        log.info("a\nb", extra={"fields": {"rows": 3}})
        print("100 % of", end=" ", file=stream)
        print("it\n\nthe rest", file=stream)
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("%s failed", "it")
    first, *printed, last = entries(path.read_text())
    assert (first["message"], first["rows"]) == ("a\nb", 3)
    assert [entry["message"] for entry in printed] == ["100 % of it", "the rest"]
    assert (last["level"], last["message"]) == ("ERROR", "it failed")
    assert "ValueError: no" in last["traceback"]


def test_a_log_of_text_holds_what_ray_prints_as_it_is(tmp_path):
    path = tmp_path / "a.log"
    with log_to(str(path)) as stream:
        print("as it is", file=stream)
        log.info("a message")
    first, second = path.read_text().splitlines()
    assert first == "as it is"
    assert second.endswith(" INFO a message")


def test_progress_is_numbers(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.01)
    shown_once = threading.Event()

    class Waits(logging.Handler):
        def emit(self, record):
            if getattr(record, "fields", {}).get("rows") == 1000:
                shown_once.set()

    out = io.StringIO()
    waits = Waits()
    log.addHandler(waits)
    try:
        with json_on_stderr(), JobProgress(4000, Console(file=out), style="json") as shown:
            shown.advance(600, 2, at=100.0)
            shown.advance(400, 0, at=110.0)
            assert shown_once.wait(10)
            shown.say("a message")
    finally:
        log.removeHandler(waits)
    *_, numbers, message = entries(capsys.readouterr().err)
    assert (numbers["rows"], numbers["planned"], numbers["errors"]) == (1000, 4000, 2)
    assert numbers["rows_per_second"] == 40
    assert message["message"] == "a message"
    assert out.getvalue() == ""


def test_faults_of_the_spec_are_json(job_folder):
    job_folder.spec({"metrics": {"nowhere": ["max"]}})
    refused = CliRunner().invoke(main, ["run", "job.yaml", "--log-format", "json"])
    assert refused.exit_code == 2
    (entry,) = entries(refused.stderr)
    assert (entry["level"], entry["exit_code"]) == ("ERROR", 2)
    assert "nowhere" in entry["message"]
    assert refused.stdout == ""


@pytest.mark.cluster
def test_every_line_of_a_failed_run_is_json(workplace):
    workplace.break_rows({5: b"no image"})
    workplace.spec["max_errors"] = 0
    failed = workplace.run("--log-format", "json")
    assert failed.returncode == 3, failed.stderr
    assert failed.stdout == ""
    *_, last = shown = entries(failed.stderr)
    assert (last["level"], last["exit_code"]) == ("ERROR", 3)
    assert "1 of 8 rows failed, more than max_errors allows (0)" in last["message"]
    (path,) = (workplace.folder / "table" / "_raygrad" / "runs").glob("*.log")
    written = entries(Path(path).read_text())
    assert any("DecodeError" in entry["message"] for entry in written)
    messages = {entry["message"] for entry in shown}
    assert any(message.startswith("stopped by TooManyErrorsError") for message in messages)
