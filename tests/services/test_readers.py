"""The README's line for each reader reads a finished and a running job's table, disk and S3."""

import re
import shutil
import time
from collections import Counter
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from bucket_job import BucketJob
from workplace import wait_until

pytestmark = pytest.mark.cluster

README = (Path(__file__).parents[2] / "README.md").read_text()
LINES = dict(re.findall(r"^\| (DuckDB|pandas|Polars|PyArrow|PySpark) \| `(.*)` \|$", README, re.M))
PLACES = ("disk", "bucket")


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    if shutil.which("java") is None:
        pytest.skip("PySpark needs Java")
    sql = pytest.importorskip("pyspark.sql")
    session = (
        sql.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("spark")))
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def tables(tmp_path_factory, seaweed):
    """A job that waits midway, until "finished" is asked for; its files are on a disk as well."""
    folder = tmp_path_factory.mktemp("readers")
    job = BucketJob(folder, seaweed)
    job.wait_after(100)
    process = job.start()

    def settled() -> bool:
        before = job.published()
        time.sleep(4)  # units that were scored may still be on their way
        return bool(before) and job.published() == before

    wait_until(settled, process)
    reached = "running"

    def table(state: str, place: str) -> tuple[str, Counter]:
        nonlocal reached
        if state == "finished" and reached == "running":
            job.go()
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, out + err
            reached = state
        assert state == reached, "the running table was asked for too late"
        expected: Counter = Counter()
        for name in job.published():
            content = pyarrow.BufferReader(job.bucket.cat_file(name))
            dataset = name.split("dataset=")[1].split("/")[0]
            expected[dataset] += pq.ParquetFile(content).metadata.num_rows
        copy = folder / "copies" / state
        if not copy.exists():
            job.bucket.get(f"{job.root}/table/scores", str(copy), recursive=True)
        return (str(copy) if place == "disk" else f"{job.uri}/table/scores"), expected

    yield table
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def duckdb_knows_s3(seaweed):
    """As the README says; its own extension would be downloaded."""
    duckdb.register_filesystem(seaweed.filesystem())
    yield
    duckdb.unregister_filesystem("s3")


@pytest.fixture(scope="module", params=["running", "finished"])
def state(request) -> str:
    """Of module scope, so that pytest runs all tests of a running table first."""
    return request.param


def as_arrow(found) -> pyarrow.Table:
    if isinstance(found, pandas.DataFrame):
        return pyarrow.Table.from_pandas(found)
    for method in ("to_arrow_table", "to_arrow"):
        if hasattr(found, method):
            return getattr(found, method)()
    return found


def test_the_readme_has_a_line_for_each_reader():
    assert list(LINES) == ["DuckDB", "pandas", "Polars", "PyArrow", "PySpark"]


@pytest.mark.usefixtures("as_admin", "duckdb_knows_s3")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("reader", [name for name in LINES if name != "PySpark"])
def test_reader(tables, state, place, reader):
    where, expected = tables(state, place)
    assert (sum(expected.values()) == 256) == (state == "finished")
    names = {"duckdb": duckdb, "pandas": pandas, "polars": polars, "pyarrow": pyarrow}
    found = as_arrow(eval(LINES[reader].replace("demo/table/scores", where), names))
    assert Counter(str(value) for value in found["dataset"].to_pylist()) == expected
    pairs = set(zip(found["source"].to_pylist(), found["row"].to_pylist(), strict=True))
    assert len(pairs) == sum(expected.values())


def test_spark(tables, spark, state):
    """On a disk alone: Spark reads S3 with hadoop-aws, which is on no package index of Python."""
    where, expected = tables(state, "disk")
    found = eval(LINES["PySpark"].replace("demo/table/scores", where), {"spark": spark})
    counts = {row["dataset"]: row["count"] for row in found.groupBy("dataset").count().collect()}
    assert counts == expected
    assert found.select("source", "row").distinct().count() == sum(expected.values())
    assert dict(found.dtypes)["all_l1"] == "float"
