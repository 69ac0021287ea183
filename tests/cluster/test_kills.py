"""Processes killed for real: nothing is lost, nothing comes twice, numbers stay the same."""

import os
import re
import signal
import threading
import time
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from workplace import wait_until

pytestmark = pytest.mark.cluster


class Glober(threading.Thread):
    """Reads the table over and over, as a user's query may at any moment."""

    def __init__(self, scores: Path) -> None:
        super().__init__(daemon=True)
        self.scores, self.reads, self.torn = scores, 0, []
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(0.01):
            if not self.scores.exists():
                continue
            try:
                rows = ds.dataset(self.scores, format="parquet", partitioning="hive").count_rows()
            except (OSError, ValueError) as error:
                rows = repr(error)
            self.reads += 1
            if not isinstance(rows, int) or rows % 40:
                self.torn.append(rows)


def kill_one(workplace, what, process):
    """Kills the process that waits with a row, and waits until another one does."""
    wait_until(lambda: workplace.waiting(what), process)
    before = set(workplace.waiting(what))
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: set(workplace.waiting(what)) - before, process)


def test_readers_and_actors_may_die_while_others_read_the_table(paused, undisturbed, ledger):
    process = paused.start()
    glober = Glober(paused.folder / "table" / "scores")
    kill_one(paused, "decoding", process)
    kill_one(paused, "scoring", process)
    paused.go()
    out, err = process.communicate(timeout=120)
    glober.over.set()
    glober.join()
    assert process.returncode == 0, err
    assert "240 scored" in out
    assert "errors  0" in out
    assert glober.reads > 10
    assert glober.torn == []
    entry = ledger.settle(
        paused, undisturbed, SIGKILL_of_a_scoring_actor=1, SIGKILL_of_a_decode_worker=1
    )
    assert (entry.lost, entry.doubled, entry.different) == (0, 0, 0)


def test_publishing_and_drivers_may_die_at_the_worst_moments(paused, undisturbed, ledger):
    paused.go()
    folder = paused.folder
    # first, since workers that outlive a driver may publish all units that it has handed on
    marker = folder / "driver.unit"
    killed = paused.run(RAYGRAD_FAILPOINTS=f"driver.unit={marker}")
    assert killed.returncode == -signal.SIGKILL
    assert marker.exists()
    assert not paused.files()

    points = {name: folder / name for name in ("publish.before", "publish.after")}
    settings = ",".join(f"{name}={marker}" for name, marker in points.items())
    marker = folder / "driver.published"
    killed = paused.run(RAYGRAD_FAILPOINTS=f"{settings},driver.published={marker}")
    assert killed.returncode == -signal.SIGKILL
    assert all(point.exists() for point in (*points.values(), marker))
    published = paused.files()
    assert published

    finished = paused.run()
    assert finished.returncode == 0, finished.stderr
    scored, before = (int(n) for n in re.findall(r"(\d+) (?:scored|were there)", finished.stdout))
    assert scored + before == 240
    assert before >= 40 * len(published)
    assert published.items() <= paused.files().items()
    entry = ledger.settle(
        paused,
        undisturbed,
        death_before_publishing=1,
        death_after_publishing=1,
        death_of_the_driver_before_it_notes_a_published_unit=1,
        death_of_the_driver_before_it_hands_a_unit_on=1,
    )
    assert (entry.lost, entry.doubled, entry.different) == (0, 0, 0)


def test_a_zombie_that_wakes_up_after_another_run_doubles_no_row(paused, undisturbed, ledger):
    zombie = paused.start()
    wait_until(lambda: paused.waiting("scoring"), zombie)
    os.kill(zombie.pid, signal.SIGSTOP)
    paused.go()
    finished = paused.run("--ignore-lease")
    assert finished.returncode == 0, finished.stderr
    files = paused.files()
    os.kill(zombie.pid, signal.SIGCONT)
    out, err = zombie.communicate(timeout=120)
    assert zombie.returncode == 0, err
    assert "Done." in out
    assert re.search(r"\b240 were there already|\b0 are open", out)
    assert paused.files() == files
    entry = ledger.settle(paused, undisturbed, SIGSTOP_of_a_driver_while_another_runs=1)
    assert (entry.lost, entry.doubled, entry.different) == (0, 0, 0)


@pytest.fixture
def cluster(monkeypatch):
    """Three nodes of one CPU on this machine."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_node_may_die(cluster, paused, undisturbed, ledger):
    paused.spec["actors"] = {"min": 3, "max": 3}
    process = paused.start("--address", cluster.address)
    wait_until(lambda: paused.waiting("decoding") and paused.waiting("scoring"), process)
    raylets = {node.all_processes["raylet"][0].process.pid: node for node in cluster.worker_nodes}
    holders = [parent(pid) for what in ("scoring", "decoding") for pid in paused.waiting(what)]
    raylet = next((pid for pid in holders if pid in raylets), next(iter(raylets)))
    os.kill(raylet, signal.SIGKILL)
    time.sleep(1)
    paused.go()
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "240 scored" in out
    assert "errors  0" in out
    entry = ledger.settle(paused, undisturbed, SIGKILL_of_a_raylet=1)
    assert (entry.lost, entry.doubled, entry.different) == (0, 0, 0)
