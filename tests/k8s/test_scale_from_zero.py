"""What the manifests ask of Ray, with Ray's own autoscaler: a head without work, workers from none.

Its nodes are processes here, started by the node provider with which Ray tests itself.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.dataset as ds
import pytest
import yaml

from raygrad.cluster.placement import NODE_GROUPS
from raygrad.table.verify import verify

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "0123456789abcdef0123456789abcdef"
HEAD = "f" * 51 + "00000"

pytestmark = pytest.mark.cluster


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


@pytest.fixture
def head(tmp_path):
    """A head with no CPU and an autoscaler that may start two workers of two CPUs."""
    from ray.util import get_node_ip_address

    port = free_port()
    address = f"{get_node_ip_address()}:{port}"
    config = {
        **{key: {} for key in ("auth", "file_mounts", "head_node", "worker_nodes")},
        **{f"{who}_setup_commands": [] for who in ("head", "worker")},
        **{f"{who}_start_ray_commands": [] for who in ("head", "worker")},
        **{
            key: [] for key in ("cluster_synced_files", "initialization_commands", "setup_commands")
        },
        "cluster_name": "scale-from-zero",
        "upscaling_speed": 1.0,
        "max_workers": 2,
        "idle_timeout_minutes": 1,
        "provider": {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "head_node_id": HEAD,
            "launch_multiple": True,
            "gcs_address": address,
        },
        "head_node_type": "head",
        "available_node_types": {
            "head": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "scorers": {
                "resources": {"CPU": 2},
                "node_config": {},
                "min_workers": 0,
                "max_workers": 2,
            },
        },
    }
    (tmp_path / "scaling.json").write_text(json.dumps(config))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *("--num-cpus=0", f"--port={port}", f"--ray-client-server-port={free_port()}"),
        *("--include-dashboard=false", "--object-store-memory=200000000"),
        f"--autoscaling-config={tmp_path / 'scaling.json'}",
    ]
    own = {
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD,
        "RAY_enable_autoscaler_v2": "0",  # for which the provider of this kind is made
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    }
    with (
        tempfile.TemporaryDirectory(prefix="rg", dir="/tmp") as short,
        open(tmp_path / "head.log", "wb") as log,
    ):  # sockets in it must have short paths
        process = subprocess.Popen(
            [*command, f"--temp-dir={short}"],
            env={**environment, **own},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_until_open(address, tmp_path / "head.log")
            yield {**environment, "RAY_ADDRESS": address}  # as Ray gives it to a job's driver
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            time.sleep(1)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_open(address, log):
    host, _, port = address.partition(":")
    for _ in range(120):
        try:
            return socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def test_job_brings_its_workers_and_is_scored_whole(head, job_folder):
    """With the entrypoint's words, a token, and actors written out as `render` does."""
    rayjob = yaml.safe_load((ROOT / "k8s/base/rayjob.yaml").read_text())
    program, run, _, *options = rayjob["spec"]["entrypoint"].split()
    assert program == "raygrad"
    job_folder.write("data/a.parquet", rows=60)
    spec = job_folder.spec({"actors": {"min": 1, "max": 2, "cpus": 0.5, "gpus": 0}})
    code = "from raygrad.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, run, spec, *options],
        env={**head, NODE_GROUPS: json.dumps([{"resources": {"CPU": 2}, "max": 2}])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr, "it knows what its cluster can have"
    assert list(verify("table")) == []
    assert ds.dataset("table/scores").count_rows() == 60
