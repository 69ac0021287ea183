"""Batches of exactly the batch size, whatever the files and row groups they come from."""

import itertools

import pyarrow as pa
import pytest

from raygrad.sources import Segment, batches


@pytest.fixture
def files(tmp_path, write_parquet):
    """Writes a file for each count, values numbered through, and returns whole-file segments."""

    def write(counts: list[int], group: int = 3, column: str = "v") -> list[Segment]:
        segments, first = [], 0
        for index, count in enumerate(counts):
            numbers = pa.array(range(first, first + count), pa.int64())
            path = write_parquet(tmp_path / f"{index}.parquet", pa.table({column: numbers}), group)
            segments.append(Segment("parquet", path, 0, "", 0, count))
            first += count
        return segments

    return write


COUNTS = [[7], [3, 3], [1, 1, 1, 1, 1], [10, 1, 4], [2, 0, 9], [0, 5], [5, 0], [16]]


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5, 100])
@pytest.mark.parametrize("counts", COUNTS, ids=str)
@pytest.mark.parametrize("group", [1, 3, 100])
def test_every_batch_but_the_last_is_full(files, counts, batch_size, group):
    tables = list(batches(files(counts, group), ["v"], batch_size))
    sizes = [len(table) for table in tables]
    assert all(size == batch_size for size in sizes[:-1])
    assert 0 < sizes[-1] <= batch_size
    values = [value for table in tables for value in table["v"].to_pylist()]
    assert values == list(range(sum(counts)))


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_every_row_knows_its_file_and_its_number_there(files, counts):
    segments = files(counts)
    found = [
        (source, row)
        for table in batches(segments, ["v"], 4)
        for source, row in zip(table["source"].to_pylist(), table["row"].to_pylist(), strict=True)
    ]
    assert found == [(segment.uri, row) for segment in segments for row in range(segment.rows)]


def test_rows_of_a_segment_in_the_middle_keep_their_numbers(files):
    (whole,) = files([12])
    segments = [whole._replace(first_row=9, rows=2), whole._replace(first_row=3, rows=3)]
    (table,) = batches(segments, ["v"], 100)
    assert table["row"].to_pylist() == table["v"].to_pylist() == [9, 10, 3, 4, 5]


def test_the_columns_are_source_and_row_and_those_asked_for(files):
    (table,) = batches(files([2]), ["v"], 2)
    assert table.schema == pa.schema(
        [("source", pa.string()), ("row", pa.int64()), ("v", pa.int64())]
    )


def test_no_segments_and_no_rows_give_no_batches(files):
    assert list(batches([], ["v"], 4)) == []
    assert list(batches(files([0, 0]), ["v"], 4)) == []


def test_batches_depend_on_nothing_but_rows_and_size(files):
    """Row groups of another size, as a rewritten file has them, change no batch."""
    layouts = [
        [table["v"].to_pylist() for table in batches(files([7, 5], group), ["v"], 4)]
        for group in (1, 2, 3, 100)
    ]
    assert all(one == other for one, other in itertools.pairwise(layouts))


def test_two_files_of_different_widths_share_a_batch(tmp_path, write_parquet):
    paths = [
        write_parquet(tmp_path / f"{kind}.parquet", {"v": pa.array([1, 2], kind)})
        for kind in (pa.int32(), pa.int64())
    ]
    segments = [Segment("parquet", path, 0, "", 0, 2) for path in paths]
    (table,) = batches(segments, ["v"], 4)
    assert table["v"].to_pylist() == [1, 2, 1, 2]
