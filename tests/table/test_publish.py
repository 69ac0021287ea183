"""A unit becomes one file: the same bytes each time, and never a second one."""

import json
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygrad import storage
from raygrad.table import layout, schema
from raygrad.table.publish import publish_unit

METRICS = {"all": ["max"]}


def some_rows(failed: tuple[int, ...] = (), rows: int = 4) -> pa.Table:
    wanted = schema.scores([pa.field("label", pa.int64())], METRICS)
    columns = {}
    for field in wanted:
        if field.name == "source":
            values = ["a.parquet"] * rows
        elif field.name == "row":
            values = list(range(rows))
        elif field.name in schema.ERROR_COLUMNS:
            values = ["x" if row in failed else None for row in range(rows)]
        else:
            values = [None if row in failed else row for row in range(rows)]
        columns[field.name] = pa.array(values, field.type)
    return pa.table(columns, schema=wanted)


@pytest.fixture(params=["disk", "memory"])
def root(request, tmp_path):
    return str(tmp_path) if request.param == "disk" else f"memory:///{uuid.uuid4().hex}"


def read(root: str, path: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(storage.read_bytes(f"{root}/scores/{path}")))


def test_a_unit_is_read_back_as_it_was(root):
    rows = some_rows(failed=(2,))
    assert publish_unit(root, "set=a/0000-000000.parquet", rows, {})
    found = read(root, "set=a/0000-000000.parquet")
    assert found.replace_schema_metadata(None).equals(rows)
    assert found.schema.equals(rows.schema)


def test_a_unit_published_twice_leaves_one_file(root):
    assert publish_unit(root, "0000-000000.parquet", some_rows(), {}) is True
    assert publish_unit(root, "0000-000000.parquet", some_rows(failed=(0,)), {}) is False
    assert set(layout.published(root)) == {"0000-000000.parquet"}
    assert read(root, "0000-000000.parquet")["error_type"].null_count == 4


@pytest.mark.parametrize(
    ("failed", "counts"),
    [
        ((), {"read": 4, "scored": 4, "failed": 0}),
        ((1, 3), {"read": 4, "scored": 2, "failed": 2}),
        ((0, 1, 2, 3), {"read": 4, "scored": 0, "failed": 4}),
    ],
)
def test_the_footer_counts_rows_beside_the_given_metadata(root, failed, counts):
    publish_unit(root, "a.parquet", some_rows(failed), {"model": "f00", "spec": {"loss": "x"}})
    footer = json.loads(read(root, "a.parquet").schema.metadata[b"raygrad"])
    assert footer == {
        "model": "f00",
        "spec": {"loss": "x"},
        "rows": counts,
        "non_finite": {},
    }


def test_a_rerun_gives_the_same_bytes(root):
    publish_unit(root, "a.parquet", some_rows(), {"a": 1, "b": 2})
    publish_unit(root, "b.parquet", some_rows(), {"b": 2, "a": 1})
    assert storage.read_bytes(f"{root}/scores/a.parquet") == storage.read_bytes(
        f"{root}/scores/b.parquet"
    )


def test_many_chunks_give_the_bytes_of_one(root):
    rows = some_rows()
    publish_unit(root, "a.parquet", rows, {})
    publish_unit(root, "b.parquet", pa.concat_tables([rows.slice(0, 1), rows.slice(1)]), {})
    assert read(root, "a.parquet").equals(read(root, "b.parquet"))


def test_the_given_rows_keep_their_metadata(root):
    rows = some_rows()
    publish_unit(root, "a.parquet", rows, {"a": 1})
    assert rows.schema.metadata is None


def test_scores_that_are_not_finite_are_kept_and_counted(root):
    names = ("kept", "prediction", "msp", "all_l1", "error_type")
    values = pa.array([float("nan"), float("inf"), None, 1], pa.float32())
    plain = pa.array([1, 2, None, 4], pa.float32())
    errors = pa.array([None, None, "E", None], pa.string())
    predictions = pa.array([1, 2, None, 4])
    rows = pa.table(dict(zip(names, (values, predictions, plain, values, errors), strict=True)))
    publish_unit(root, "a.parquet", rows, {})
    found = read(root, "a.parquet")
    assert str(found["all_l1"].to_pylist()) == "[nan, inf, None, 1.0]"
    assert json.loads(found.schema.metadata[b"raygrad"])["non_finite"] == {"all_l1": 2}


def test_files_are_of_zstd_and_row_groups_fit_a_thread(root):
    rows = pa.table({"x": range(200_000), "error_type": pa.nulls(200_000, pa.string())})
    publish_unit(root, "a.parquet", rows, {})
    stored = pq.read_metadata(pa.BufferReader(storage.read_bytes(f"{root}/scores/a.parquet")))
    assert [stored.row_group(n).num_rows for n in range(2)] == [131_072, 68_928]
    assert stored.row_group(0).column(0).compression == "ZSTD"
