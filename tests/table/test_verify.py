"""verify finds each way in which a table can be unsound."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygrad import plan
from raygrad.plan import Unit
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


@pytest.fixture
def archives(tmp_path, small_table):
    """A sound table of two open-ended units, of 3 and 0 rows, and what makes its rows."""
    files = [StoredFile(f"/in/{name}.tar", 1, "1") for name in "ab"]
    units = [
        Unit(0, number, "set=a", (Segment("webdataset", *file, 0, None),))
        for number, file in enumerate(files)
    ]
    root = str(tmp_path / "archives")
    table = replace(small_table, root=root, units=plan.save(root, units))
    identity.claim(root, {"loss": "pseudo_label", "schema_version": 1})

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
