"""Rows and user code that go wrong in all the ways that raise something."""

import math
import re
from pathlib import Path

import pytest
from workplace import NAN, NO_MEMORY, RAISE, WRONG_SHAPE, png

pytestmark = pytest.mark.cluster


def test_each_bad_row_has_its_error_and_costs_no_other_row(workplace):
    truncated = png(workplace.images[0])[:40]
    kinds = {20: NAN, 50: WRONG_SHAPE, 70: NO_MEMORY, 100: RAISE, 130: b"", 160: truncated}
    workplace.break_rows({**kinds, 200: None})
    finished = workplace.run()
    assert finished.returncode == 0, finished.stderr
    assert "errors  5" in finished.stdout
    rows = workplace.table().to_pylist()
    assert len(rows) == 240
    bad = {
        i: (row["error_stage"], row["error_type"])
        for i, row in enumerate(rows)
        if row["error_type"]
    }
    assert bad == {
        50: ("decode", "ShapeError"),
        100: ("score", "ValueError"),
        130: ("decode", "DecodeError"),
        160: ("decode", "DecodeError"),
        200: ("decode", "NullInputError"),
    }
    assert rows[100]["error_message"] == "too bright for me"
    assert "cannot identify image file" in rows[130]["error_message"]
    assert all(rows[i]["all_l1"] is None and rows[i]["prediction"] is None for i in bad)
    assert [row["label"] for row in rows] == [i % 3 for i in range(240)]
    # not finite is no error: the row says what the model gave
    assert math.isnan(rows[20]["all_l1"])
    assert all(math.isfinite(rows[i]["all_l1"]) for i in range(240) if i not in {20, *bad})
    (log,) = (workplace.folder / "table" / "_raygrad" / "runs").glob("*.log")
    assert 'raise ValueError("too bright for me")' in log.read_text()


def test_user_code_that_always_fails_stops_the_job_and_its_traceback_is_kept(workplace):
    workplace.break_rows({})
    workplace.spec["input"]["image"]["transform"] = "faulty:always_fails"
    workplace.spec["max_errors"] = 0.05
    stopped = workplace.run()
    assert stopped.returncode == 3
    assert "more than max_errors allows (12)" in stopped.stderr
    assert "decode: ZeroDivisionError: always" in stopped.stderr
    log = re.search(r"tracebacks are in (.*\.log)", stopped.stderr)[1]
    trace = Path(log).read_text()
    assert re.search(r'faulty\.py", line \d+, in always_fails', trace)
    assert "Traceback" not in stopped.stderr
