"""Nodes with other software than the driver are refused, by name, before a row is scored."""

import re
import sys

import pytest
import ray

from raygrad.cluster import versions
from raygrad.errors import ClusterError

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def node():
    """The address of the one node of an embedded Ray."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        ray.init(
            "local",
            num_cpus=1,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            runtime_env={"env_vars": {"PYTHONPATH": ":".join(filter(None, sys.path))}},
        )
        yield ray.nodes()[0]["NodeManagerAddress"]
        ray.shutdown()


def refusal() -> list[str]:
    """The lines of the complaint."""
    with pytest.raises(ClusterError) as caught:
        versions.refuse_other_versions()
    return str(caught.value).splitlines()


def test_the_same_versions_are_let_through(node):
    versions.refuse_other_versions()


def test_another_version_is_named_with_both(node, monkeypatch):
    mine = versions.here()
    monkeypatch.setattr(versions, "here", lambda: {**mine, "torch": "1.0.0", "ray": "0.1"})
    first, *complaints, cure = refusal()
    assert first == "nodes of the cluster have other software than the driver:"
    assert complaints == [
        f"  {node}: torch {mine['torch']}, the driver has 1.0.0",
        f"  {node}: ray {mine['ray']}, the driver has 0.1",
    ]
    assert "--pip or --uv; --ship-raygrad sends raygrad" in cure


def test_a_node_that_comes_later_is_refused_by_its_actor(node):
    mine = versions.here()
    versions.refuse_other(mine)
    with pytest.raises(ClusterError, match=rf"node {node} has torch .*, the driver has 1\.0\.0;"):
        versions.refuse_other({**mine, "torch": "1.0.0"})


def test_what_a_node_does_not_tell_is_other_too(node, monkeypatch):
    """An older raygrad there may not name all that this one does."""
    mine = versions.here()
    monkeypatch.setattr(versions, "here", lambda: {**mine, "cuda": "12.8"})
    _, *complaints, _ = refusal()
    assert complaints == [f"  {node}: cuda None, the driver has 12.8"]


LACKING = """
import sys

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise {error}

sys.meta_path.insert(0, Lacking())
"""


@pytest.mark.parametrize(
    ("module", "error", "complaint"),
    [
        ("raygrad", "ModuleNotFoundError('No module named raygrad')", "No module named raygrad"),
        ("raygrad.cluster.versions", "ModuleNotFoundError('an old one')", "an old one"),
        ("raygrad", "ImportError", "ImportError"),
    ],
    ids=["none", "an old one", "without a word"],
)
def test_a_node_without_raygrad_is_named(node, monkeypatch, tmp_path, *, module, error, complaint):
    """The driver's own folder comes first in a worker's path, so that only a finder hides it."""
    (tmp_path / "sitecustomize.py").write_text(LACKING.format(module=module, error=error))
    ask = versions._ask

    class Elsewhere:
        def options(self, **more):
            environment = {"env_vars": {"PYTHONPATH": str(tmp_path)}}
            return ask().options(**more, runtime_env=environment)

    monkeypatch.setattr(versions, "_ask", Elsewhere)
    _, *complaints, _ = refusal()
    assert complaints == [f"  {node}: {complaint}"]


def test_a_node_that_does_not_answer_in_time_is_let_through(node, monkeypatch):
    """It may be starting; the job doesn't need every node."""

    def slow():
        def answer():
            import time

            time.sleep(60)

        return ray.remote(num_cpus=0, max_retries=0)(answer)

    monkeypatch.setattr(versions, "_ask", slow)
    monkeypatch.setattr(versions, "SECONDS", 0.2)
    versions.refuse_other_versions()


def test_here_names_what_scores_depend_on():
    found = versions.here()
    assert found.keys() == {"raygrad", "python", "torch", "ray", "pyarrow"}
    assert all(re.match(r"\d+\.\d+", version) for version in found.values())
