"""Errors tried again: a unit's file is swapped whole, gains scores and never loses any."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygrad.errors import TableError
from raygrad.table import retry, schema, swap
from raygrad.table.retry import replace_unit, with_errors
from raygrad.table.verify import verify

METADATA = {
    "identity": {
        "loss": "pseudo_label",
        "schema_version": schema.VERSION,
        "metrics": {"all": ["l1"]},
    },
    "schema_version": schema.VERSION,
}


@pytest.fixture
def with_two_errors(small_table):
    small_table.publish(0, small_table.rows(0, failed=(0, 2)))
    small_table.publish(1, small_table.rows(1))
    return small_table


def replace(table, failed=()) -> retry.Replacement:
    return replace_unit(table.root, table.units[0].path, table.rows(0, failed), METADATA)


def failed_rows(table) -> list[int]:
    rows = pq.read_table(Path(table.root) / "scores" / table.units[0].path, partitioning=None)
    return [row["row"] for row in rows.to_pylist() if row["error_type"]]


def test_units_with_errors_are_found_by_their_footers(with_two_errors):
    paths = [unit.path for unit in with_two_errors.units]
    assert with_errors(with_two_errors.root, with_two_errors.units) == {paths[0]: 2}


def test_a_recovered_unit_is_that_of_a_run_without_faults(with_two_errors, tmp_path):
    assert replace(with_two_errors) == (2, 0, True)
    file = Path(with_two_errors.root) / "scores" / with_two_errors.units[0].path
    recovered = file.read_bytes()
    file.unlink()
    with_two_errors.publish(0, with_two_errors.rows(0), METADATA)
    assert recovered == file.read_bytes()
    assert list(verify(with_two_errors.root)) == []


def test_a_row_that_fails_again_has_an_error_still(with_two_errors):
    assert replace(with_two_errors, failed=(2,)) == (2, 1, True)
    assert failed_rows(with_two_errors) == [2]
    assert list(verify(with_two_errors.root)) == []


def test_a_row_that_fails_now_keeps_the_scores_that_it_had(with_two_errors):
    assert replace(with_two_errors, failed=(0, 1)) == (2, 1, True)
    assert failed_rows(with_two_errors) == [0]


def test_the_same_errors_again_leave_the_file_alone(with_two_errors):
    replace(with_two_errors, failed=(2,))
    file = Path(with_two_errors.root) / "scores" / with_two_errors.units[0].path
    before = file.stat()
    assert replace(with_two_errors, failed=(2,)) == (1, 1, False)
    assert file.stat() == before


def test_a_lost_swap_is_tried_again_on_what_the_winner_left(with_two_errors, monkeypatch):
    """The winner scores row 0, the loser row 2, while the winner fails on it: both are kept."""
    honest = swap.replace

    def beaten_once(*arguments):
        monkeypatch.setattr(swap, "replace", honest)
        assert replace(with_two_errors, failed=(2,)).replaced
        return honest(*arguments)

    monkeypatch.setattr(swap, "replace", beaten_once)
    assert replace(with_two_errors, failed=(0,)) == (1, 0, True)
    assert failed_rows(with_two_errors) == []


def test_many_swappers_and_a_reader_at_once(with_two_errors):
    """Each swapper scores one other row; the reader always sees one whole version."""
    rows, seen, over = with_two_errors, [], threading.Event()
    folder = Path(rows.root) / "scores" / "set=a"

    def look() -> None:
        while not over.is_set():
            files = sorted(folder.glob("*.parquet"))
            seen.append((len(files), pq.ParquetFile(files[0]).read().num_rows))

    reader = threading.Thread(target=look)
    reader.start()
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda n: replace(rows, failed=(2 * (n % 2),)), range(40)))
    over.set()
    reader.join()
    assert failed_rows(rows) == []
    assert sum(outcome.failed_before - outcome.failed for outcome in outcomes) == 2
    assert set(seen) == {(2, 3)}
    assert os.listdir(Path(rows.root) / "_raygrad" / "tmp") == []


def test_a_store_that_refuses_every_swap_is_told(with_two_errors, monkeypatch):
    monkeypatch.setattr(swap, "replace", lambda *_: False)
    with pytest.raises(TableError, match="the store refused 20 replacements in a row"):
        replace(with_two_errors)


@pytest.mark.parametrize("change", ["rows", "columns"])
def test_a_file_of_other_rows_is_never_replaced(with_two_errors, change):
    rows = with_two_errors.rows(0)
    if change == "rows":
        rows = rows.set_column(1, rows.schema.field("row"), pa.array([7, 8, 9]))
    else:
        rows = rows.drop_columns(["all_l1"])
    with pytest.raises(TableError, match="holds other rows or columns than its unit"):
        replace_unit(with_two_errors.root, with_two_errors.units[0].path, rows, METADATA)
    assert failed_rows(with_two_errors) == [0, 2]
