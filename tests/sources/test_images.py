"""Image folders: a row a file, the folder's name as its label."""

import numpy as np
import pytest

from raygrad import plan, storage
from raygrad.plan import Group
from raygrad.sources import batches, images


@pytest.fixture
def folder(tmp_path, encoded):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(3):
            (tmp_path / label / f"{number}.PNG").write_bytes(encoded(np.uint8([[number]])))
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"")
    return str(tmp_path)


def test_a_folder_lists_its_images_whatever_the_case_of_their_ending(folder):
    files = storage.list_files(folder, images.SUFFIXES)
    assert [file.uri.removeprefix(folder) for file in files] == [
        f"/{label}/{number}.PNG" for label in ("cat", "dog") for number in range(3)
    ]


def test_files_are_planned_without_being_opened():
    assert images.describe("/nowhere.png").pieces == (1,)


def test_a_unit_is_a_run_of_files_whose_rows_carry_bytes_and_label(folder, encoded):
    group = Group("images", "", storage.list_files(folder, images.SUFFIXES))
    units = plan.make([group], rows_per_file=4)
    assert [unit.rows for unit in units] == [4, 2]
    tables = [b for u in units for b in batches(u.segments, ["image", "label"], 3)]
    assert [len(table) for table in tables] == [3, 1, 2]
    rows = [row for table in tables for row in table.to_pylist()]
    assert [row["label"] for row in rows] == ["cat"] * 3 + ["dog"] * 3
    assert [row["source"] for row in rows] == [file.uri for file in group.files]
    assert {row["row"] for row in rows} == {0}
    assert rows[4]["image"] == encoded(np.uint8([[1]]))


def test_only_the_columns_that_are_asked_for_come(folder):
    group = Group("images", "", storage.list_files(folder, images.SUFFIXES))
    (unit,) = plan.make([group], rows_per_file=10)
    (table,) = batches(unit.segments, ["label"], 10)
    assert table.column_names == ["source", "row", "label"]
