"""Whole jobs on a store that fails: every row once, with the values of a fault-free run."""

import numpy as np
import pyarrow as pa
import pytest
from bucket_job import BucketJob
from proxy import every

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def sound(tmp_path_factory, seaweed):
    """A job, and the table of its run without faults."""
    job = BucketJob(tmp_path_factory.mktemp("sound"), seaweed)
    finished = job.run()
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return job, job.scores()


def run_again(job: BucketJob, proxy, table: str):
    job.spec["output"] = f"{job.uri}/{table}"
    job.spec["storage"] = {"s3": {"config_kwargs": {"read_timeout": 1}}}
    finished = job.run(AWS_ENDPOINT_URL=proxy.endpoint)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished


def assert_same_bits(found: pa.Table, expected: pa.Table) -> None:
    assert found.column_names == expected.column_names
    assert len(found) == len(expected) == 256
    for name in expected.column_names:
        one, other = found[name].combine_chunks(), expected[name].combine_chunks()
        if one.type == pa.float32():
            bits = [np.asarray(column).view(np.uint32) for column in (one, other)]
            assert np.array_equal(*bits), name
        else:
            assert one.equals(other), name


def test_every_third_request_fails_and_no_row_is_lost_or_doubled(sound, proxy, tmp_path):
    job, expected = sound
    proxy.rule = every(3, "throttle", "reset", "lose", "cut")
    finished = run_again(job, proxy, tmp_path.name)
    assert_same_bits(job.scores(tmp_path.name), expected)
    assert min(proxy.injected[fault] for fault in ("throttle", "reset", "lose", "cut")) >= 5
    assert "Note:" not in finished.stdout


def test_a_store_that_stalls_and_knows_no_conditions_is_named_and_loses_nothing(
    sound, proxy, tmp_path
):
    job, expected = sound
    stalls = every(25, "stall")

    def rule(number, method, path, headers):
        return "refuse" if "If-None-Match" in headers else stalls(number, method, path, headers)

    proxy.rule = rule
    finished = run_again(job, proxy, tmp_path.name)
    assert_same_bits(job.scores(tmp_path.name), expected)
    assert proxy.injected["stall"] >= 3
    assert "Note: the store replaces files though it is told not to." in finished.stdout
