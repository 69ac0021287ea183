"""The first rows of each source: enough to learn the shape, and never more than a few."""

import pyarrow as pa
import pytest

from raygrad import storage
from raygrad.plan import Group
from raygrad.spec import FieldSpec
from raygrad.validate.first_rows import SAMPLE_ROWS, first_rows, with_shape

FIELD = FieldSpec(column="x")


@pytest.fixture
def group(tmp_path, write_parquet):
    """A group of one file a list of rows."""

    def make(*files: list, name: str = "f", row_group_size: int = 3) -> Group:
        listed = []
        for index, rows in enumerate(files):
            column = pa.array(rows, pa.list_(pa.float32()))
            path = tmp_path / f"{name}{index}.parquet"
            listed += storage.list_files(write_parquet(path, {"x": column}, row_group_size))
        return Group("parquet", "", storage.Listing.of(listed))

    return make


def count(tables) -> int:
    return sum(len(table) for table in tables)


def test_at_most_a_few_rows_are_read(group):
    assert count(first_rows(group([[0.0]] * 100), ["x"])) == SAMPLE_ROWS


def test_small_row_groups_and_files_are_put_together(group):
    assert count(first_rows(group([[0.0]] * 5, [], [[0.0]] * 5, row_group_size=1), ["x"])) == 8


def test_fewer_rows_than_that_are_all_read(group):
    assert count(first_rows(group([[0.0]] * 2), ["x"])) == 2
    assert count(first_rows(group([]), ["x"])) == 0


@pytest.mark.parametrize("first", [None, [1.0]])
def test_the_first_good_row_gives_the_shape(group, first):
    faults: list = []
    found = with_shape("input.column", FIELD, [group([first, [1.0, 2.0]])], faults)
    assert found.shape == ([2] if first is None else [1])
    assert faults == []


def test_a_later_source_gives_the_shape_if_it_must(group):
    groups = [group([None]), group([[1.0, 2.0, 3.0]], name="g")]
    faults: list = []
    assert with_shape("input.column", FIELD, groups, faults).shape == [3]
    assert faults == []


def test_nothing_but_bad_rows_is_a_fault_at_the_place_that_was_given(group):
    faults: list = []
    with_shape("input.ids.column", FIELD, [group([None, None])], faults)
    assert [str(fault) for fault in faults] == [
        "input.ids.column: none of the first rows can be decoded; NullInputError: column x is null"
    ]


def test_no_rows_are_a_fault(group):
    faults: list = []
    with_shape("input.column", FIELD, [group([])], faults)
    assert [str(fault) for fault in faults] == [
        "input.column: none of the first rows can be decoded; there are no rows"
    ]
