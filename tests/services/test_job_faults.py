"""Whole jobs on a store that fails: every row once, with the values of a fault-free run."""

import numpy as np
import pytest
from proxy import every

pytestmark = pytest.mark.cluster


def scored(job, **environment: str):
    finished = job.run(**environment)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return job.scores()


@pytest.fixture(scope="module")
def sound(tmp_path_factory, seaweed):
    """The table of a run without faults, and its job."""
    from bucket_job import BucketJob

    job = BucketJob(tmp_path_factory.mktemp("sound"), seaweed)
    return job, scored(job)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(every(3, "throttle"), id="every-third-request-is-throttled"),
        pytest.param(every(5, "reset", "cut", "lose"), id="every-fifth-connection-breaks"),
        pytest.param(every(40, "stall"), id="every-fortieth-request-stalls"),
    ],
)
def test_no_row_is_lost_or_doubled_and_every_bit_is_the_same(sound, proxy, tmp_path, rule):
    job, expected = sound
    job.spec["output"] = f"{job.uri}/{tmp_path.name}"
    job.spec["storage"] = {"s3": {"config_kwargs": {"read_timeout": 1}}}
    proxy.rule = rule
    finished = job.run(AWS_ENDPOINT_URL=proxy.endpoint)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    found = job.scores(tmp_path.name)
    assert len(found) == 256
    assert found.column_names == expected.column_names
    for name in expected.column_names:
        one, other = found[name].combine_chunks(), expected[name].combine_chunks()
        if one.type == "float":
            bits = [np.asarray(column).view(np.uint32) for column in (one, other)]
            assert np.array_equal(*bits), name
        else:
            assert one.equals(other), name
    assert sum(count for fate, count in proxy.injected.items() if fate != "pass") >= 3


def test_a_store_that_ignores_conditions_is_named_and_no_row_is_doubled(sound, proxy, tmp_path):
    job, expected = sound
    job.spec["output"] = f"{job.uri}/{tmp_path.name}"
    job.spec.pop("storage", None)
    proxy.rule = lambda _, method, path, headers: "refuse" if "If-None-Match" in headers else "pass"
    finished = job.run(AWS_ENDPOINT_URL=proxy.endpoint)
    assert finished.returncode == 0, finished.stderr
    assert "Note: the store replaces files though it is told not to." in finished.stdout
    assert len(job.scores(tmp_path.name)) == len(expected)
