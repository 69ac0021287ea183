"""Two runs of one table: the second is told of the first, or takes over and the first one stops."""

import os
import socket
from dataclasses import replace

import pytest
from workplace import wait_until

from raygrad.table import lease
from raygrad.table.lease import Lease
from raygrad.table.verify import verify

pytestmark = pytest.mark.cluster


def test_a_second_run_is_told_of_the_first_which_stops_once_it_was_taken_over(workplace):
    root = str(workplace.folder / "table")
    workplace.wait_after(100)
    first = workplace.start()
    wait_until(workplace.files, first)
    second = workplace.run()
    assert second.returncode == 4
    assert f"another run is at work on {root}:" in second.stderr
    assert f"on {socket.gethostname()} (process {first.pid}), since " in second.stderr

    taker = replace(Lease.of_this_process("taker"), pid=os.getppid())
    lease._write(root, taker)
    _, err = first.communicate(timeout=lease.BEAT.seconds + 50)
    assert first.returncode == 4
    assert f"stopped, since another run has taken over {root}:\n  run taker on " in err
    assert "Traceback" not in err
    assert lease.read(root) == taker

    workplace.go()
    third = workplace.run("--ignore-lease")
    assert third.returncode == 0, third.stderr
    assert "Took over from run taker on " in third.stderr
    assert list(verify(root)) == []
    assert lease.read(root) is None
