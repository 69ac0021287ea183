"""How far a table is, while it is written and afterwards."""

import json
from pathlib import Path

import pytest

from raygrad.errors import TableError
from raygrad.table import lease
from raygrad.table.status import status


def test_a_table_without_files_has_a_plan_only(small_table):
    found = status(small_table.root)
    assert (found.planned, found.done, found.failed) == (5, 0, 0)
    assert (found.units, found.files, found.size) == (2, 0, 0)
    assert found.last_run is None


def test_done_and_failed_rows_are_counted(small_table):
    file = small_table.publish(0, small_table.rows(0, failed=(1,)))
    found = status(small_table.root)
    assert (found.planned, found.done, found.failed) == (5, 3, 1)
    assert (found.files, found.size) == (1, file.stat().st_size)


def test_the_last_run_is_the_latest_summary(small_table):
    runs = Path(small_table.root) / "_raygrad" / "runs"
    runs.mkdir()
    for name in ("20260102T000000Z-1", "20260101T000000Z-9"):
        (runs / f"{name}.json").write_text(json.dumps({"run": name}))
        (runs / f"{name}.log").write_text("noise")
    assert status(small_table.root).last_run == {"run": "20260102T000000Z-1"}


def write_run(table, name: str, **counts) -> None:
    runs = Path(table.root) / "_raygrad" / "runs"
    runs.mkdir(exist_ok=True)
    (runs / f"{name}.json").write_text(json.dumps({"run": name, **counts}))


def test_runs_that_account_for_all_rows_spare_the_footers(small_table, monkeypatch):
    small_table.publish(0, small_table.rows(0, failed=(1,)))
    small_table.publish(1, small_table.rows(1))
    write_run(small_table, "1", rows=3, errors=2, recovered=0)
    write_run(small_table, "2", rows=2, errors=0, recovered=1)
    asked: list[str] = []
    monkeypatch.setattr("raygrad.table.reader.footers", lambda _, paths: asked.extend(paths) or [])
    assert status(small_table.root).failed == 1
    assert asked == []


def test_a_run_that_was_killed_makes_the_footers_count(small_table):
    small_table.publish(0, small_table.rows(0, failed=(1, 2)))
    small_table.publish(1, small_table.rows(1))
    write_run(small_table, "2", rows=2, errors=0, recovered=0)
    assert status(small_table.root).failed == 2


def test_who_is_at_work_is_shown(small_table):
    assert status(small_table.root).lease is None
    with lease.held(small_table.root, "r1", lambda: None):
        assert status(small_table.root).lease.run == "r1"


def test_a_folder_without_a_plan_is_no_table(tmp_path):
    with pytest.raises(TableError, match="is no table: it has no plan at"):
        status(str(tmp_path))
