"""Rows tried one by one in a process of their own."""

import contextlib
import os
import signal

import pyarrow as pa
import pytest

from raygrad.cluster.isolation import row_by_row


def double(row):
    (value,) = row["x"].to_pylist()
    if value == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if value == 14:
        os._exit(7)
    if value == 15:
        raise LookupError("not even that")
    return pa.table({"y": [f"{2 * value}"]})


def build():
    return double


def build_and_die():
    os.kill(os.getpid(), signal.SIGABRT)


def failed(row, error):
    return pa.table({"y": [f"{type(error).__name__}: {error}"]})


def run(values, builder=build, deaths=()):
    rows = pa.table({"x": values})

    def attempt(index):
        return contextlib.nullcontext(1 if index in deaths else 0)

    return row_by_row(rows, builder, failed, attempt)["y"].to_pylist()


def test_rows_that_kill_their_process_cost_only_themselves():
    assert run([1, 13, 14, 4]) == [
        "2",
        "ProcessDied: its process was killed by SIGKILL",
        "ProcessDied: its process exited with code 7",
        "8",
    ]


def test_a_row_that_took_the_parent_along_is_not_tried_again():
    assert run([1, 2, 3], deaths={1}) == ["2", "ProcessDied: its process was killed", "6"]


def test_what_the_work_raises_is_raised_here():
    with pytest.raises(LookupError, match="not even that"):
        run([1, 15])


def test_a_process_that_can_not_even_start_is_no_rows_fault():
    with pytest.raises(RuntimeError, match="before the first one, its process was killed by SIGA"):
        run([1], build_and_die)
