"""What a reader gives of a file that changes under its hands."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygrad.cluster.reader import batches_of_unit
from raygrad.errors import PlanError
from raygrad.sources import Segment, batches
from raygrad.storage import list_files


@pytest.fixture
def reading(tmp_path):
    """The batches of a file of 10 rows, as a unit, and the file."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": range(10)}), path)
    (file,) = list_files(str(path))
    segments = [Segment("parquet", *file, 0, 10)]
    return batches_of_unit(batches(segments, ["x"], 4), segments, ["x"]), path


def test_a_file_that_stays_as_it_was_is_read_whole(reading):
    assert [(batch["row"].to_pylist(), last) for batch, last in reading[0]] == [
        ([0, 1, 2, 3], False),
        ([4, 5, 6, 7], False),
        ([8, 9], True),
    ]


def test_the_last_batch_of_a_file_that_changes_is_held_back(reading):
    rows, path = reading
    assert [len(next(rows)[0]), len(next(rows)[0])] == [4, 4]
    path.write_bytes(path.read_bytes())
    with pytest.raises(PlanError, match=r"a\.parquet has changed since it was planned"):
        next(rows)
