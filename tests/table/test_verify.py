"""verify finds each way in which a table can be unsound."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygrad import plan
from raygrad.plan import Unit, Units
from raygrad.sources import Segment
from raygrad.storage import StoredFile
from raygrad.table import identity
from raygrad.table.verify import verify


@pytest.fixture
def whole(small_table):
    small_table.publish(0, small_table.rows(0, failed=(1,)))
    small_table.publish(1, small_table.rows(1))
    return small_table


def complaints(table) -> list[str]:
    return list(verify(table.root))


def republish(table, index, rows, metadata=None) -> str:
    (Path(table.root) / "scores" / table.units[index].path).unlink()
    table.publish(index, rows, metadata)
    return table.units[index].path


def test_a_sound_table_has_no_complaint(whole):
    assert complaints(whole) == []


def test_an_open_unit_is_told(small_table):
    small_table.publish(1, small_table.rows(1))
    assert complaints(small_table) == ["1 of 2 units are open, 3 rows; run the job again"]


def test_a_foreign_file_is_told(whole):
    file = Path(whole.root) / "scores" / "set=a" / "0000-000009.parquet"
    shutil.copy(Path(whole.root) / "scores" / whole.units[0].path, file)
    assert complaints(whole) == [
        "set=a/0000-000009.parquet: is in no plan; it isn't raygrad's, remove it"
    ]


def test_a_missing_row_is_told(whole):
    path = republish(whole, 1, whole.rows(1).slice(0, 1))
    first, second = complaints(whole)
    assert first == f"{path}: has 1 rows, its footer says 1, the plan 2"
    assert second.startswith(f"{path}: rows 0 on aren't rows 0 on of ")


def test_a_doubled_row_is_told(whole):
    rows = whole.rows(1)
    path = republish(whole, 1, pa.concat_tables([rows.slice(0, 1), rows.slice(0, 1)]))
    (complaint,) = complaints(whole)
    assert complaint.startswith(f"{path}: rows 0 on aren't rows 0 on of ")


def test_rows_of_another_source_are_told(whole):
    path = republish(whole, 1, whole.rows(0).slice(0, 2))
    (complaint,) = complaints(whole)
    assert complaint.startswith(f"{path}: rows 0 on aren't rows 0 on of ")


def test_another_identity_is_told(whole):
    path = republish(whole, 1, whole.rows(1), {"identity": {"loss": "uniform"}})
    assert complaints(whole) == [f"{path}: its footer names another identity than the table"]


def test_a_file_of_another_program_is_told(whole):
    path = whole.units[1].path
    pq.write_table(whole.rows(1).replace_schema_metadata(None), Path(whole.root) / "scores" / path)
    assert complaints(whole) == [f"{path}: has no footer of raygrad's; another program wrote it"]


def with_column(rows: pa.Table, name: str, values: list) -> pa.Table:
    index = rows.schema.get_field_index(name)
    return rows.set_column(index, name, pa.array(values, rows.schema.field(index).type))


def rewrite(table, index, rows=None, footer=None) -> str:
    """Writes a unit's file by hand, with the footer that it has or a changed one."""
    path = table.units[index].path
    file = Path(table.root) / "scores" / path
    stored = json.loads(pq.read_schema(file).metadata[b"raygrad"])
    rows = table.rows(index) if rows is None else rows
    content = json.dumps({**stored, **(footer or {})}).encode()
    pq.write_table(rows.replace_schema_metadata({b"raygrad": content}), file)
    return path


@pytest.mark.parametrize("name", ["notes.txt", "set=a/.part-0.crc", "set=b/0000-000000.parquet"])
def test_a_stray_file_is_told_whatever_it_is(whole, name):
    file = Path(whole.root) / "scores" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("stray")
    assert complaints(whole) == [f"{name}: is in no plan; it isn't raygrad's, remove it"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all, but long enough"])
def test_a_file_that_is_no_parquet_is_told(whole, content):
    path = whole.units[1].path
    (Path(whole.root) / "scores" / path).write_bytes(content)
    (complaint,) = complaints(whole)
    assert complaint.startswith(f"{path}: can't be read as Parquet: ")


def test_a_truncated_file_is_told(whole):
    file = Path(whole.root) / "scores" / whole.units[1].path
    file.write_bytes(file.read_bytes()[:-20])
    (complaint,) = complaints(whole)
    assert "can't be read as Parquet" in complaint


@pytest.mark.parametrize(
    ("counts", "complaint"),
    [
        (
            {"read": 2, "scored": 1, "failed": 0},
            "the footer's counts don't add up: {'read': 2, 'scored': 1, 'failed': 0}",
        ),
        ({"read": 2, "scored": 1, "failed": 1}, "0 rows hold errors, its footer says 1"),
        ({"read": 3, "scored": 3, "failed": 0}, "has 2 rows, its footer says 3, the plan 2"),
    ],
)
def test_wrong_counts_in_a_footer_are_told(whole, counts, complaint):
    path = rewrite(whole, 1, footer={"rows": counts})
    assert complaints(whole) == [f"{path}: {complaint}"]


def test_a_wrong_count_of_non_finite_scores_is_told(whole):
    rows = with_column(whole.rows(1), "all_l1", [float("nan"), 1])
    path = republish(whole, 1, rows)
    assert complaints(whole) == []
    rewrite(whole, 1, rows, {"non_finite": {"all_l1": 2}})
    assert complaints(whole) == [
        f"{path}: its scores that are NaN or infinite are {{'all_l1': 1}}, its footer says "
        "{'all_l1': 2}"
    ]


def test_another_schema_version_is_told(whole):
    path = rewrite(whole, 1, footer={"schema_version": 99})
    assert complaints(whole) == [f"{path}: its schema has version 99, this raygrad knows 2"]


def test_a_failed_row_with_scores_is_told(whole):
    rows = with_column(whole.rows(0, failed=(1,)), "prediction", [1, 1, 1])
    path = republish(whole, 0, rows)
    assert complaints(whole) == [f"{path}: 1 rows have both or neither of an error and prediction"]


def test_a_scored_row_without_a_score_is_told(whole):
    path = republish(whole, 1, with_column(whole.rows(1), "all_l1", [None, 0.5]))
    assert complaints(whole) == [f"{path}: 1 rows have both or neither of an error and all_l1"]


def test_other_columns_are_told(whole):
    rows = whole.rows(1).drop_columns(["msp"])
    rows = rows.append_column("extra", pa.array([1, 2]))
    index = rows.schema.get_field_index("entropy")
    rows = rows.set_column(index, "entropy", rows["entropy"].cast(pa.float64()))
    path = rewrite(whole, 1, rows)
    assert complaints(whole) == [
        f'{path}: lacks the column "msp"',
        f'{path}: its column "entropy" is double, not float',
        f"{path}: has a column \"extra\" that the table's identity doesn't know",
    ]


def test_kept_columns_are_nobodys_business(small_table):
    """A NaN that was passed through is no score; its file is the source's affair."""
    identity = {**small_table_identity(small_table), "keep": ["weight"]}
    (Path(small_table.root) / "_raygrad" / "identity.json").write_text(json.dumps(identity))
    for index in (0, 1):
        rows = small_table.rows(index)
        weights = pa.array([float("nan")] * len(rows), pa.float32())
        rows = rows.add_column(2, "weight", weights)
        small_table.publish(index, rows, {"identity": identity})
    assert complaints(small_table) == []


def small_table_identity(table) -> dict:
    return json.loads((Path(table.root) / "_raygrad" / "identity.json").read_text())


@pytest.fixture
def archives(tmp_path, small_table):
    """A sound table of two open-ended units, of 3 and 0 rows, and what makes its rows."""
    files = [StoredFile(f"/in/{name}.tar", 1, "1") for name in "ab"]
    units = [
        Unit(0, number, "set=a", (Segment("webdataset", *file, 0, None),))
        for number, file in enumerate(files)
    ]
    root = str(tmp_path / "archives")
    table = replace(small_table, root=root, units=plan.save(root, Units.of(units)))
    identity.claim(root, small_table_identity(small_table))

    def rows(index: int, count: int) -> pa.Table:
        (segment,) = table.units[index].segments
        counted = table.units[index]._replace(segments=(segment._replace(rows=count),))
        return replace(table, units=[counted]).rows(0)

    table.publish(0, rows(0, 3))
    table.publish(1, rows(1, 0))
    return table, rows


def test_archives_are_counted_by_their_files(archives):
    table, _ = archives
    assert complaints(table) == []


def test_an_open_archive_is_told_without_a_count(archives):
    table, _ = archives
    (Path(table.root) / "scores" / table.units[0].path).unlink()
    assert complaints(table) == ["1 of 2 units are open, rows not counted yet; run the job again"]


@pytest.mark.parametrize("kept", [[0, 2], [1, 2], [0, 0, 1], [1, 0, 2]], ids=str)
def test_rows_of_an_archive_must_go_from_0_on_without_a_gap(archives, kept):
    table, rows = archives
    path = republish(table, 0, rows(0, 3).take(kept))
    (complaint,) = complaints(table)
    assert complaint.startswith(f"{path}: rows 0 on aren't rows 0 on of /in/a.tar")
