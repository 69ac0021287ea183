"""Rows that kill the process that decodes or scores them."""

import pytest

pytestmark = pytest.mark.cluster

SEGFAULT, KILL = 255, 254


def test_a_row_that_kills_its_process_is_an_error_row_and_all_others_are_scored(workplace):
    workplace.break_rows({30: SEGFAULT, 150: KILL})
    finished = workplace.run()
    assert finished.returncode == 0, finished.stderr
    assert "errors  2" in finished.stdout
    table = workplace.table()
    assert len(table) == 240
    bad = [row for row in table.to_pylist() if row["error_type"]]
    assert [(r["row"], r["error_stage"], r["error_type"], r["error_message"]) for r in bad] == [
        (30, "decode", "ProcessDied", "its process was killed by SIGSEGV"),
        (150 - 120, "score", "ProcessDied", "its process was killed by SIGKILL"),
    ]
    assert [row["label"] for row in bad] == [30 % 3, 150 % 3]
    assert all(row["all_l1"] is None and row["prediction"] is None for row in bad)
    assert table["all_l1"].null_count == 2
