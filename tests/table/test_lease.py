"""The lease: who is at work on a table, how it passes on, and that no trouble with it matters."""

import json
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from raygrad import storage
from raygrad.errors import TableBusyError
from raygrad.table import layout, lease
from raygrad.table.lease import Lease


@pytest.fixture(params=["disk", "memory"])
def root(request, tmp_path) -> str:
    return str(tmp_path) if request.param == "disk" else f"memory:///{uuid.uuid4().hex}"


@pytest.fixture
def quick(monkeypatch) -> None:
    monkeypatch.setattr(lease, "BEAT", timedelta(milliseconds=10))


def of_elsewhere(run: str = "r", seconds_ago: float = 0) -> Lease:
    beat = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return replace(Lease.of_this_process(run), host="elsewhere", beat=beat)


def of_a_neighbour(run: str) -> Lease:
    """A process of this machine that lives."""
    return replace(Lease.of_this_process(run), pid=os.getppid())


def write(root: str, found: Lease) -> None:
    lease._write(root, found)


def never() -> None:
    pytest.fail("the lease was lost")


def test_a_lease_is_there_while_a_run_holds_it(root):
    with lease.held(root, "r1", never) as before:
        assert before is None
        found = lease.read(root)
        assert (found.run, found.host, found.pid) == ("r1", socket.gethostname(), os.getpid())
    assert lease.read(root) is None


@pytest.fixture
def beating(root, quick) -> Iterator[None]:
    """A run on another machine that beats."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.001):
            write(root, of_elsewhere("r1"))

    write(root, of_elsewhere("r1"))
    thread = threading.Thread(target=beat)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("beating")
def test_an_active_run_keeps_others_out_and_is_named(root):
    with pytest.raises(TableBusyError) as caught, lease.held(root, "r2", never):
        pytest.fail("got in")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"another run is at work on {root}:"
    assert lines[1].startswith(f"  run r1 on elsewhere (process {os.getpid()}), since 20")
    assert lines[1].endswith("UTC, last beat 0 s ago")
    assert "--ignore-lease" in lines[2]
    assert lease.read(root).run == "r1"


def test_a_lease_without_beats_is_taken_over(root):
    write(root, of_elsewhere("r1", seconds_ago=lease.STALE.seconds + 60))
    with lease.held(root, "r2", never) as before:
        assert before.run == "r1"
        assert before.over == "it gave no sign of life for 3 min"
        assert lease.read(root).run == "r2"


def test_a_run_that_was_lost_with_its_machine_is_waited_for_until_its_lease_is_stale(root, quick):
    write(root, of_elsewhere("r1", seconds_ago=lease.STALE.seconds - 0.5))
    with lease.held(root, "r2", never) as before:
        assert before.run == "r1"
        assert before.over is not None


def test_a_run_that_ends_while_it_is_waited_for_leaves_the_table_free(root, monkeypatch):
    write(root, of_elsewhere("r1"))
    monkeypatch.setattr(lease.time, "sleep", lambda _: lease._remove(root))
    with lease.held(root, "r2", never):
        assert lease.read(root).run == "r2"


def test_a_lease_can_be_ignored(root):
    write(root, of_elsewhere("r1"))
    with lease.held(root, "r2", never, ignore=True) as before:
        assert (before.run, before.over) == ("r1", None)
        assert lease.read(root).run == "r2"


def test_the_lease_of_a_process_that_is_gone_is_over_at_once():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = Lease.of_this_process("r")
    assert replace(mine, pid=gone.pid).over == "its process is gone"
    assert replace(mine, pid=os.getppid()).over is None
    assert replace(mine, pid=gone.pid, namespace="pid:[1]").over is None, "of another container"
    assert replace(mine, pid=gone.pid, host="elsewhere").over is None


def test_beats_are_written_while_the_run_lasts(root, quick):
    with lease.held(root, "r", never):
        first = lease.read(root)
        while lease.read(root).beat == first.beat:
            pass
        assert lease.read(root).started == first.started


def test_a_run_whose_lease_was_taken_is_told_and_leaves_it_to_the_taker(root, quick):
    told = threading.Event()

    def work() -> None:
        with lease.held(root, "zombie", told.set):
            write(root, of_elsewhere("taker"))
            assert told.wait(5)
            raise KeyboardInterrupt

    with pytest.raises(TableBusyError, match="stopped, since another run has taken over"):
        work()
    assert lease.read(root).run == "taker"


def test_an_interrupt_by_the_user_stays_one(root):
    with pytest.raises(KeyboardInterrupt), lease.held(root, "r", never):
        raise KeyboardInterrupt
    assert lease.read(root) is None


def test_a_lease_that_was_removed_is_written_again(root, quick):
    with lease.held(root, "r", never):
        lease._remove(root)
        while lease.read(root) is None:
            pass


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"run": 1}', b"\xff"])
def test_a_lease_that_makes_no_sense_is_none(root, content):
    storage.publish(layout.lease(root), content, layout.scratch(root))
    assert lease.read(root) is None


def test_storage_that_fails_ends_no_run(root, quick, monkeypatch, caplog):
    def fail(*_):
        failed.set()
        raise RuntimeError("no storage today")

    failed = threading.Event()
    monkeypatch.setattr(lease, "_write", fail)
    with lease.held(root, "r", never):
        failed.clear()
        assert failed.wait(5)
    assert "the lease could not be taken: no storage today" in caplog.text
    assert "the lease could not be renewed: no storage today" in caplog.text


def test_a_lease_reads_as_json(tmp_path):
    write(str(tmp_path), of_elsewhere("r1"))
    found = json.loads(Path(layout.lease(str(tmp_path))).read_text())
    assert list(found) == list(asdict(of_elsewhere()))
    assert os.listdir(layout.scratch(str(tmp_path))) == []


def test_parts_let_each_other_work_and_the_whole_waits_for_them(root):
    write(root, replace(of_a_neighbour("r1"), part="1-of-2"))
    with lease.held(root, "r2", never, part="2-of-2"):
        assert [found.run for found in lease.of_parts(root)] == ["r1", "r2"]
    for part in ("", "1-of-2"):
        with pytest.raises(TableBusyError, match="run r1, part 1/2, on"):
            lease.held(root, "r3", never, part=part).__enter__()
    assert [found.run for found in lease.of_parts(root)] == ["r1"]


def test_a_part_waits_for_a_run_of_the_whole_table(root):
    write(root, of_a_neighbour("r1"))
    with pytest.raises(TableBusyError, match="run r1 on"):
        lease.held(root, "r2", never, part="1-of-2").__enter__()
