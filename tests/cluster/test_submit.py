"""`raygrad submit` as its users meet it: three nodes, HTTP, a token, a node that dies."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from workplace import PAUSES, Workplace, wait_until

pytestmark = pytest.mark.cluster

RAYGRAD = Path(sys.executable).with_name("raygrad")
HOST = Path(__file__).with_name("three_nodes.py")
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a-token-of-the-tests-a-token-of-the-tests"}


@pytest.fixture(scope="module")
def nodes():
    """What `three_nodes.py` prints; its nodes want a token."""
    environment = {**os.environ, **TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}
    environment["RAY_metrics_report_interval_ms"] = "1000"
    # `python` of a job's entrypoint is the one that the nodes' Ray was started with.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    host = subprocess.Popen(
        [sys.executable, HOST],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    line = host.stdout.readline()
    assert line, "the cluster did not start"
    yield json.loads(line)
    host.stdin.close()
    host.wait(60)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Workplace:
    """The job of `paused`, with paths that every node sees."""
    place = Workplace(tmp_path_factory.mktemp("submitted"))
    place.spec["output"] = str(place.folder / "table")
    place.spec["sources"][0]["path"] = str(place.folder / "inputs" / "*.parquet")
    place.break_rows(PAUSES)
    place.spec["model"]["checkpoint"] = str(place.folder / "checkpoint.pt")
    place.spec["actors"] = {"min": 2, "max": 2}
    place.write_spec()
    return place


def start(place: Workplace, nodes: dict, *arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [RAYGRAD, *arguments, "--address", nodes["dashboard"]],
        cwd=place.folder,
        env={**os.environ, **TOKEN, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(place: Workplace, nodes: dict, *arguments: str, **environment: str):
    process = start(place, nodes, *arguments, **environment)
    out, err = process.communicate(timeout=240)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def test_without_the_token_nothing_is_sent(place, nodes):
    for wrong in (
        {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": ""},
        {"RAY_AUTH_TOKEN": "no" * 20},
    ):
        refused = run(place, nodes, "submit", "job.yaml", **wrong)
        assert refused.returncode == 1
        assert "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_job_survives_the_loss_of_a_node_and_submits_attach_until_it_is_done(
    place, nodes, undisturbed, ledger
):
    first = start(place, nodes, "submit", "job.yaml")
    wait_until(lambda: place.waiting("decoding") and place.waiting("scoring"), first)
    again = run(place, nodes, "submit", "job.yaml", "--no-wait")
    assert again.returncode == 0, again.stderr
    identifier = again.stdout.strip()
    assert re.fullmatch(r"raygrad-job-[0-9a-f]{8}-1", identifier)
    second = start(place, nodes, "submit", "job.yaml")
    os.kill(nodes["raylets"][0], signal.SIGKILL)
    time.sleep(1)
    place.go()
    for process, words in ((first, "Submitted"), (second, "Attached to")):
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, out + err
        assert f"{words} {identifier}." in err
        assert "240 scored" in out
    listed = run(place, nodes, "jobs")
    assert re.search(rf"{identifier} +SUCCEEDED", listed.stdout)
    logged = run(place, nodes, "logs", identifier)
    assert "python -m raygrad run job.yaml --address auto" in logged.stdout
    verified = subprocess.run(
        [RAYGRAD, "verify", "table"], cwd=place.folder, capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stdout
    ledger.settle(place, undisturbed, SIGKILL_of_a_submitted_jobs_node=1)
    done = run(place, nodes, "submit", "job.yaml")
    assert done.returncode == 0, done.stdout
    assert f"Submitted {identifier[:-1]}2." in done.stderr
    assert "240 were there already" in done.stdout


def test_a_stopped_job_finishes_its_units_and_goes_on_with_the_next_attempt(nodes, tmp_path):
    place = Workplace(tmp_path, rows=640)
    place.spec["output"] = str(tmp_path / "table")
    place.spec["sources"][0]["path"] = str(tmp_path / "inputs" / "*.parquet")
    place.spec["model"]["checkpoint"] = str(tmp_path / "checkpoint.pt")
    place.wait_after(100)
    place.write_spec()
    process = start(place, nodes, "submit", "job.yaml")
    wait_until(lambda: len(place.files()) > 0, process)
    identifier = run(place, nodes, "submit", "job.yaml", "--no-wait").stdout.strip()
    wanted = {"rows_total", "batch_seconds_count", "units_in_flight"}
    metrics = {}

    def all_seen() -> bool:
        metrics.update(scraped(nodes, place.spec["output"]))
        return wanted <= metrics.keys()

    wait_until(all_seen, process)
    assert 0 < metrics["rows_total"] <= 640
    assert metrics["batch_seconds_count"] > 0
    stopping = start(place, nodes, "stop", identifier)
    wait_until(lambda: "Stopping:" in run(place, nodes, "logs", identifier).stdout, process)
    place.go()
    _, err = stopping.communicate(timeout=120)
    assert f"{identifier} is STOPPED" in err
    process.communicate(timeout=60)
    assert process.returncode == 130
    before = place.files()
    assert 0 < len(before) < 16
    finished = run(place, nodes, "submit", "job.yaml")
    assert finished.returncode == 0, finished.stdout
    assert f"Submitted {identifier[:-1]}2." in finished.stderr
    assert before.items() <= place.files().items()
    assert len(place.table()) == 640


def test_the_commands_of_the_readme(place, nodes):
    text = (Path(__file__).parents[2] / "README.md").read_text()
    (block,) = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    commands = [line.removeprefix("$ ").split() for line in block.splitlines()]
    assert commands.pop(0)[0] == "export"
    assert [command[1] for command in commands] == ["submit", "jobs", "logs", "stop"]
    place.go()
    identifier = ""
    for _, *arguments in commands:
        named = [identifier if word.startswith("raygrad-") else word for word in arguments]
        done = run(place, nodes, *named)
        assert done.returncode == 0, done.stdout + done.stderr
        submitted = re.search(r"Submitted (\S+)\.", done.stderr)
        identifier = submitted[1] if submitted else identifier


def scraped(nodes: dict, table: str) -> dict[str, float]:
    """The metrics of a table, by name, from the ports that Ray tells Prometheus of."""
    found: dict[str, float] = {}
    for line in _lines(nodes):
        match = re.match(r"ray_raygrad_(\w+)\{(.*)\} ([\d.e+-]+)", line)
        if match and f'table="{table}"' in match[2]:
            found[match[1]] = found.get(match[1], 0) + float(match[3])
    return found


def _lines(nodes: dict) -> list[str]:
    lines = []
    for address in nodes["metrics"]:
        try:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
                lines += answer.read().decode().splitlines()
        except OSError:  # the node that was killed
            continue
    return lines


def test_a_job_that_is_not_there(place, nodes):
    for arguments in (["logs", "nothing"], ["logs", "nothing", "-f"], ["stop", "nothing"]):
        refused = run(place, nodes, *arguments)
        assert refused.returncode == 1
        assert "the cluster has no job nothing; raygrad jobs lists them" in refused.stderr
