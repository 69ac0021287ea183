"""The folders below a table's root, and which of its units are done."""

import uuid

import pytest

from raygrad import storage
from raygrad.table import layout


@pytest.mark.parametrize("root", ["/data/table", "s3://bucket/table"])
def test_places_below_a_root(root):
    assert layout.scores(root) == f"{root}/scores"
    assert layout.identity(root) == f"{root}/_raygrad/identity.json"
    assert layout.plan(root) == f"{root}/_raygrad/plan"
    assert layout.runs(root) == f"{root}/_raygrad/runs"
    assert layout.scratch(root) == f"{root}/_raygrad/tmp"


def test_a_table_that_is_not_there_has_nothing_published(tmp_path):
    assert set(layout.published(str(tmp_path / "nowhere"))) == set()


@pytest.mark.parametrize("store", ["disk", "memory"])
def test_published_units_are_named_relative_to_the_scores(tmp_path, store):
    root = str(tmp_path) if store == "disk" else f"memory:///{uuid.uuid4().hex}"
    names = {"0000-000000.parquet", "set=a%2Fb/split=x/0001-000002.parquet"}
    for name in names:
        storage.publish(storage.join(layout.scores(root), name), b"x", layout.scratch(root))
    assert set(layout.published(root)) == names


def test_private_and_foreign_files_are_no_units(tmp_path):
    for name in ["_raygrad/tmp/1.parquet", "scores/_SUCCESS", "scores/a.parquet.crc", "b.parquet"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert set(layout.published(str(tmp_path))) == set()
