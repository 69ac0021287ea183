"""What replaces and copies a table's files, on a real S3 store."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from seaweed import BUCKET

from raygrad import plan, storage
from raygrad.plan import Unit, Units
from raygrad.sources import Segment
from raygrad.table import identity, lease, schema, swap
from raygrad.table.export import Exported, export
from raygrad.table.publish import publish_unit
from raygrad.table.retry import replace_unit
from raygrad.table.verify import verify

METRICS = {"all": ["l1"]}
METADATA = {"identity": {"metrics": METRICS}}


@pytest.fixture
def root(as_admin) -> str:
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def unit(root) -> Unit:
    """A table's only one, of three rows, of which two failed."""
    (made,) = plan.save(
        root, Units.of([Unit(0, 0, "set=a", (Segment("parquet", "/a", 1, "1", 0, 3),))])
    )
    identity.claim(root, METADATA["identity"])
    assert publish_unit(root, made.path, rows(0, 2), METADATA)
    return made


def rows(*failed: int) -> pa.Table:
    wanted = schema.scores([], METRICS)
    values = {"source": "/a", "error_stage": "decode", "error_type": "E", "error_message": "m"}
    columns = []
    for field in wanted:
        cells = [values.get(field.name, 1)] * 3
        if field.name == "row":
            cells = [0, 1, 2]
        elif field.name != "source":
            is_error = field.name.startswith("error")
            cells = [cell if (n in failed) == is_error else None for n, cell in enumerate(cells)]
        columns.append(pa.array(cells, field.type))
    return pa.table(columns, schema=wanted)


def test_of_many_who_read_one_version_one_replaces_it(root):
    uri = f"{root}/a"
    storage.publish(uri, b"old", "")
    version = swap.version_of(uri)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: swap.replace(root, uri, b"%d" % n, version), range(16)))
    assert won.count(True) == 1
    assert storage.read_bytes(uri) == b"%d" % won.index(True)
    assert swap.version_of(uri) != version


def test_swappers_who_each_score_another_row_lose_none(root, unit):
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(
            pool.map(lambda n: replace_unit(root, unit.path, rows(2 * (n % 2)), METADATA), range(4))
        )
    assert sum(outcome.failed_before - outcome.failed for outcome in outcomes) == 2
    assert list(verify(root)) == []
    assert replace_unit(root, unit.path, rows(), METADATA) == (0, 0, False)


def test_a_lease_is_held_and_given_back(root):
    with lease.held(root, "r1", lambda: None):
        assert lease.read(root).run == "r1"
    assert lease.read(root) is None


def test_an_export_leaves_partitions_and_no_folder_markers(root, unit):
    out = f"{root}-out"
    assert export(root, out, ["prediction"], 100) == Exported(3, 2, 2, 0, 0)
    assert storage.names_below(out) == {
        "_SUCCESS",
        "prediction=1/part-00000.parquet",
        "prediction=__HIVE_DEFAULT_PARTITION__/part-00000.parquet",
    }
