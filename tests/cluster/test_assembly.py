"""The driver's desk: batches in any order, whole units out."""

import itertools

import pyarrow as pa
import pytest

from raygrad.cluster.assembly import Assembly


def assembly_of(*rows: int | None) -> Assembly:
    """One for units of so many rows."""
    return Assembly(pa.chunked_array([rows], pa.int64()))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_batches_come_in_any_order(order):
    assembly = assembly_of(5)
    batches = {0: [0, 1], 1: [2, 3], 2: [4]}
    results = [assembly.add(0, 2 * b, pa.table({"row": batches[b]})) for b in order]
    assert results[:2] == [None, None]
    assert results[2]["row"].to_pylist() == [0, 1, 2, 3, 4]


def test_a_batch_that_comes_twice_counts_once():
    assembly = assembly_of(4)
    part = pa.table({"row": [0, 1]})
    assert assembly.add(0, 0, part) is None
    assert assembly.add(0, 0, part) is None
    assert len(assembly.add(0, 2, pa.table({"row": [2, 3]}))) == 4


def test_units_are_kept_apart():
    assembly = assembly_of(2, 1)
    assert assembly.add(0, 0, pa.table({"row": [0]})) is None
    assert assembly.add(1, 0, pa.table({"row": [7]}))["row"].to_pylist() == [7]
    assert assembly.add(0, 1, pa.table({"row": [1]}))["row"].to_pylist() == [0, 1]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_open_ended_unit_is_whole_when_the_total_of_its_last_batch_is_there(order):
    assembly = assembly_of(None)
    batches = {0: ([0, 1], None), 1: ([2, 3], None), 2: ([4], 5)}
    results = []
    for b in order:
        rows, total = batches[b]
        results.append(assembly.add(0, 2 * b, pa.table({"row": rows}), total))
    assert results[:2] == [None, None]
    assert results[2]["row"].to_pylist() == [0, 1, 2, 3, 4]


def test_a_retried_reader_changes_nothing():
    assembly = assembly_of(None)
    first, last = pa.table({"row": [0, 1]}), pa.table({"row": [2]})
    assert assembly.add(0, 2, last, 3) is None
    assert assembly.add(0, 2, last, 3) is None
    assert len(assembly.add(0, 0, first)) == 3


def test_an_archive_without_rows_is_whole_at_once():
    assembly = assembly_of(None)
    assert len(assembly.add(0, 0, pa.table({"row": []}), 0)) == 0


def test_the_plan_is_believed_where_it_counted():
    """A file that has become shorter is no whole unit, though the reader came to its end."""
    assembly = assembly_of(4)
    assert assembly.add(0, 0, pa.table({"row": [0, 1]}), 2) is None
