"""A re-partitioned copy: the same rows in other folders and files, for every reader."""

import json
import os
import uuid
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from raygrad import storage
from raygrad.errors import TableError
from raygrad.table import partitions
from raygrad.table.export import Exported, export

METADATA = {"identity": {"loss": "pseudo_label"}, "versions": {"torch": "2.9"}, "check": None}


@pytest.fixture
def whole(small_table):
    """Two files of 3 and 2 rows; row 1 of the first failed, so its prediction is null."""
    small_table.publish(0, small_table.rows(0, failed=(1,)), METADATA)
    small_table.publish(1, with_predictions(small_table.rows(1), [1, 7]), METADATA)
    return small_table


def with_predictions(rows: pa.Table, values: list) -> pa.Table:
    index = rows.schema.get_field_index("prediction")
    return rows.set_column(index, rows.schema.field(index), pa.array(values, pa.int64()))


def files(out) -> list[str]:
    return sorted(str(p.relative_to(out)) for p in Path(out).rglob("*") if p.is_file())


def test_rows_are_partitioned_by_a_column(whole, tmp_path):
    out = tmp_path / "out"
    assert export(whole.root, str(out), ["prediction"], 100) == Exported(5, 3, 3, 0, 0)
    assert files(out) == [
        "_SUCCESS",
        "prediction=1/part-00000.parquet",
        "prediction=7/part-00000.parquet",
        "prediction=__HIVE_DEFAULT_PARTITION__/part-00000.parquet",
    ]
    assert os.listdir(out / "prediction=7") == ["part-00000.parquet"]
    assert not (out / "_temporary").exists()


def read_with_pyarrow(out) -> list:
    return ds.dataset(out, partitioning="hive").to_table()["prediction"].to_pylist()


def read_with_pandas(out) -> list:
    # by itself it makes categories of partitions: "Cannot yet unify dictionaries with nulls"
    plain = ds.HivePartitioning.discover()
    found = pd.read_parquet(out, partitioning=plain)["prediction"].astype(object)
    return [None if pd.isna(value) else int(value) for value in found]


def read_with_duckdb(out) -> list:
    query = f"SELECT prediction FROM read_parquet('{out}/**/*.parquet', hive_partitioning = true)"
    return [row[0] for row in duckdb.sql(query).fetchall()]


@pytest.mark.parametrize("read", [read_with_pyarrow, read_with_pandas, read_with_duckdb])
def test_readers_get_the_partitions_back_nulls_included(whole, tmp_path, read):
    export(whole.root, str(tmp_path / "out"), ["prediction"], 100)
    found = read(tmp_path / "out")
    assert sorted(found, key=str) == [1, 1, 1, 7, None]


def test_every_row_is_there_with_all_its_columns(whole, tmp_path):
    out = str(tmp_path / "out")
    export(whole.root, out, ["prediction"], 2)
    before = ds.dataset(f"{whole.root}/scores", partitioning="hive").to_table()
    after = ds.dataset(out, partitioning="hive").to_table()
    order = [("source", "ascending"), ("row", "ascending")]
    after = after.select(before.column_names).cast(before.schema).sort_by(order)
    assert after.equals(before.sort_by(order))


def test_a_hive_key_of_the_table_becomes_a_column(whole, tmp_path):
    export(whole.root, str(tmp_path / "out"), [], 100)
    assert files(tmp_path / "out") == ["_SUCCESS", "part-00000.parquet"]
    assert pq.read_table(tmp_path / "out" / "part-00000.parquet")["set"].to_pylist() == ["a"] * 5


def test_a_hive_key_of_the_table_can_stay_one(whole, tmp_path):
    export(whole.root, str(tmp_path / "out"), ["set", "prediction"], 100)
    found = files(tmp_path / "out")[1]
    assert found == "set=a/prediction=1/part-00000.parquet"
    assert "set" not in pq.read_schema(tmp_path / "out" / found).names


@pytest.mark.parametrize(
    ("texts", "kind"),
    [({"7", "-3"}, "int64"), ({"2024-01-31"}, "date32[day]"), ({"7", "mnist"}, "string")],
)
def test_a_hive_key_has_the_type_that_readers_see(texts, kind):
    from raygrad.table.export import _keys

    assert str(_keys([f"k={text}/0.parquet" for text in texts])["k"]) == kind


def test_a_source_can_be_a_partition(whole, tmp_path):
    export(whole.root, str(tmp_path / "out"), ["source"], 100)
    found = ds.dataset(tmp_path / "out", partitioning="hive").to_table()
    assert set(found["source"].to_pylist()) == {u.segments[0].uri for u in whole.units}


def test_an_error_type_can_be_a_partition_and_is_counted_still(whole, tmp_path):
    export(whole.root, str(tmp_path / "out"), ["error_type"], 100)
    (file,) = (tmp_path / "out" / "error_type=DecodeError").iterdir()
    footer = json.loads(pq.read_schema(file).metadata[b"raygrad"])
    assert footer["rows"] == {"read": 1, "scored": 0, "failed": 1}


def test_files_have_at_most_so_many_rows(whole, tmp_path):
    out = tmp_path / "out"
    assert export(whole.root, str(out), [], 2) == Exported(5, 3, 1, 0, 0)
    assert [pq.read_metadata(out / f).num_rows for f in files(out)[1:]] == [2, 2, 1]


def test_footers_keep_what_all_files_say_and_tell_differences(whole, tmp_path):
    (Path(whole.root) / "scores" / whole.units[1].path).unlink()
    whole.publish(1, whole.rows(1), {**METADATA, "versions": {"torch": "2.10"}})
    export(whole.root, str(tmp_path / "out"), [], 100)
    file = tmp_path / "out" / "part-00000.parquet"
    assert json.loads(pq.read_schema(file).metadata[b"raygrad"]) == {
        "identity": {"loss": "pseudo_label"},
        "versions": [{"torch": "2.9"}, {"torch": "2.10"}],
        "check": None,
        "rows": {"read": 5, "scored": 4, "failed": 1},
        "non_finite": {},
        "exported": {"table": whole.root, "partition_by": []},
    }


def test_a_table_that_is_being_written_gives_the_rows_of_one_listing(small_table, tmp_path):
    small_table.publish(1, small_table.rows(1))
    assert export(small_table.root, str(tmp_path / "out"), [], 100) == Exported(2, 1, 1, 1, 3)


def test_memory_is_bounded_whatever_the_order_of_the_rows(tmp_path, monkeypatch):
    """100 partitions in turn: what waits never exceeds the bound by more than a batch."""
    monkeypatch.setattr(partitions, "MOST_BYTES", 50_000)
    writer = partitions.PartitionWriter(str(tmp_path / "out"), ["k"], 10**6, {})
    rows = pa.table(
        {"k": [n % 100 for n in range(1000)], "v": range(1000), "error_type": pa.nulls(1000)}
    )
    peak = 0
    for _ in range(20):
        writer.add(rows)
        peak = max(peak, writer._bytes.total())
    writer.finish()
    assert peak <= 50_000
    assert writer.rows == 20_000
    assert ds.dataset(tmp_path / "out", partitioning="hive").count_rows() == 20_000


def test_an_export_to_an_object_store(whole):
    out = f"memory:///{uuid.uuid4().hex}"
    export(whole.root, out, ["prediction"], 100)
    assert storage.names_below(out) == {
        "_SUCCESS",
        "prediction=1/part-00000.parquet",
        "prediction=7/part-00000.parquet",
        "prediction=__HIVE_DEFAULT_PARTITION__/part-00000.parquet",
    }


def refusal(table, out, by=()) -> str:
    before = files(out) if os.path.isdir(out) else None
    with pytest.raises(TableError) as caught:
        export(table.root, str(out), list(by), 100)
    assert (files(out) if os.path.isdir(out) else None) == before, "nothing is written"
    return str(caught.value)


def test_a_place_that_holds_something_is_refused(whole, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    assert "isn't empty: it holds thesis.tex" in refusal(whole, tmp_path / "out")


def test_a_place_in_the_table_is_refused(whole):
    assert "lies in the table" in refusal(whole, Path(whole.root) / "scores" / "copy")


def test_a_table_without_rows_is_refused(small_table, tmp_path):
    assert "has no rows yet" in refusal(small_table, tmp_path / "out")


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (["predicton"], 'there is no column "predicton"; use some of source, row,'),
        (["msp"], "msp is of type float; partition by whole numbers, texts or dates"),
        (["set", "set"], "a column is named twice"),
    ],
)
def test_a_column_that_can_be_no_partition_is_refused(whole, tmp_path, by, message):
    assert message in refusal(whole, tmp_path / "out", by)


def test_a_text_that_readers_would_change_is_refused(small_table, tmp_path):
    rows = small_table.rows(0, failed=(0,))
    index = rows.schema.get_field_index("error_type")
    changed = rows.set_column(index, "error_type", pa.array(["01", None, None], pa.string()))
    small_table.publish(0, changed)
    message = refusal(small_table, tmp_path / "out", ["error_type"])
    assert message == (
        "error_type can't be a partition: got '01'; readers take it for a number; add a letter"
    )


def test_too_many_partitions_are_refused(whole, tmp_path, monkeypatch):
    monkeypatch.setattr("raygrad.table.export.MOST_PARTITIONS", 2)
    assert "row have more than 2 values" in refusal(whole, tmp_path / "out", ["row"])


def test_a_copy_that_lacks_rows_is_no_success(whole, tmp_path, monkeypatch):
    """A file that is replaced by a shorter one between its footer and its rows."""
    monkeypatch.setattr("raygrad.table.export._read", lambda *a: iter([whole.rows(1)]))
    with pytest.raises(TableError, match=r"4 rows were written, the footers of .* count 5"):
        export(whole.root, str(tmp_path / "out"), [], 100)
    assert "_SUCCESS" not in files(tmp_path / "out")
