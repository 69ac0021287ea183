"""Old unfinished files go; those that may still be written stay."""

import os
import time
from pathlib import Path

from raygrad.table import layout
from raygrad.table.leftovers import OLD, sweep


def test_only_old_files_are_swept(tmp_path):
    scratch = Path(layout.scratch(str(tmp_path)))
    scratch.mkdir(parents=True)
    for name, age in [("old.part", OLD + 60), ("new.part", OLD - 60)]:
        (scratch / name).touch()
        os.utime(scratch / name, (time.time() - age,) * 2)
    assert sweep(str(tmp_path)) == 1
    assert os.listdir(scratch) == ["new.part"]


def test_a_table_without_leftovers_is_left_alone(tmp_path):
    assert sweep(str(tmp_path)) == 0
    assert list(tmp_path.iterdir()) == []


def test_an_object_store_has_none():
    assert sweep("memory:///nowhere") == 0
