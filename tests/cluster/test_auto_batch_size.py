"""`batch_size: auto`: the first run of a table settles a number, and later ones keep to it."""

import json
import shutil
from dataclasses import replace

import pyarrow as pa
import pytest
from click.testing import CliRunner

from raygrad.cli import main
from raygrad.cluster import batch_size
from raygrad.cluster import run as run_module
from raygrad.cluster.batch_size import SIZES, _sound_rows, settle
from raygrad.cluster.options import Options
from raygrad.errors import SpecError
from raygrad.table import identity
from raygrad.validate import prepare

AUTO = {"batch_size": "auto"}


@pytest.mark.cluster
def test_the_first_run_settles_it_and_the_second_keeps_to_it(workplace):
    workplace.spec["batch_size"] = "auto"
    first = workplace.run("--log-format", "json")
    assert first.returncode == 0, first.stderr
    stored = workplace.folder / "table" / "_raygrad" / "identity.json"
    size = json.loads(stored.read_text())["batch_size"]
    assert size in SIZES
    messages = [json.loads(line)["message"] for line in first.stderr.splitlines()]
    assert f"Batches of {size} rows are the fastest that fit." in messages
    assert json.loads(first.stdout.splitlines()[-1])["rows"] == 240

    before = workplace.files()
    inputs = workplace.folder / "inputs"
    shutil.copy(inputs / "a.parquet", inputs / "c.parquet")
    second = workplace.run()
    assert second.returncode == 0, second.stderr
    assert "120 scored" in second.stdout
    assert "240 were there already" in second.stdout
    assert "Batches of" not in second.stderr
    assert json.loads(stored.read_text())["batch_size"] == size
    assert before.items() < workplace.files().items()


def test_a_dry_run_works_before_it_is_settled(job_folder):
    job_folder.spec(AUTO)
    shown = CliRunner().invoke(main, ["validate", "job.yaml"])
    assert shown.exit_code == 0, shown.output
    assert "rows/s" in shown.output
    assert not (job_folder.root / "table").exists()


def test_a_table_that_has_a_number_keeps_it(job_folder):
    """It is no other identity to say auto of such a table."""
    numbered = prepare(job_folder.spec({"batch_size": 4}))
    identity.claim(numbered.spec.output, numbered.identity)
    assert prepare(job_folder.spec(AUTO)).spec.batch_size == 4


def test_of_two_runs_that_settle_it_at_once_the_first_decides(job_folder, monkeypatch):
    """Two parts of a new table start at the same time, and one device is faster."""
    job = prepare(job_folder.spec(AUTO))
    other = settle(job, 32)

    def overtaken(job, there, tell):
        identity.claim(job.spec.output, other.identity)
        return 64

    monkeypatch.setattr(batch_size, "fastest_for", overtaken)
    monkeypatch.setattr(run_module, "ray_session", lambda *_: SimpleContext())
    monkeypatch.setattr("raygrad.cluster.placement.capacity", lambda **_: None)
    monkeypatch.setattr("raygrad.cluster.placement.refuse_unplaceable", lambda *_: [])
    found = run_module._settled(job, Options())
    assert found.spec.batch_size == found.identity["batch_size"] == 32
    identity.compare(job.spec.output, found.identity)


class SimpleContext:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


def test_sizes_are_tried_with_rows_that_the_model_sees(job_folder):
    """The first source may have none whose inputs can be decoded."""
    wrong = pa.array([[1.0, 2.0, 3.0]] * 5, pa.list_(pa.float32()))
    job_folder.write("data/wrong.parquet", rows=5, x=wrong)
    mixed = pa.array([[1.0], [1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float32()))
    job_folder.write("data/mixed.parquet", rows=4, x=mixed)
    sources = [
        {"path": f"data/{name}.parquet", "constants": {"dataset": name}}
        for name in ("wrong", "mixed")
    ]
    shaped = {"input": {"column": "x", "shape": [2]}}
    job = prepare(job_folder.spec({**AUTO, **shaped, "sources": sources}))
    rows = _sound_rows(job)
    assert rows["row"].to_pylist() == [1, 3]
    assert rows["error_type"].null_count == 2


def test_without_a_row_there_is_nothing_to_try(job_folder):
    job = prepare(job_folder.spec(AUTO))
    with pytest.raises(SpecError, match="batch_size: auto tries the first rows, and there is none"):
        _sound_rows(replace(job, groups=()))
