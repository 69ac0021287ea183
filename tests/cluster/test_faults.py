"""Drivers killed and interrupted in the middle; the rest is scored by the next run."""

import os
import re
import signal

import pytest
from workplace import interrupt, wait_until

pytestmark = pytest.mark.cluster


@pytest.fixture
def midway(workplace):
    """A job with a published unit, whose model waits.

    An actor works on at most two units at a time, so one of 40 rows is done by row 100.
    """
    workplace.wait_after(100)
    process = workplace.start()
    wait_until(workplace.files, process)
    return workplace, process


def test_a_killed_driver_is_resumed_to_the_table_of_an_undisturbed_run(paused, undisturbed, ledger):
    process = paused.start()
    wait_until(lambda: paused.files() and paused.waiting("scoring"), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    published = paused.files()
    assert 0 < len(published) < 6

    paused.go()
    resumed = paused.run()
    assert resumed.returncode == 0, resumed.stderr
    scored, before = (int(n) for n in re.findall(r"(\d+) (?:scored|were there)", resumed.stdout))
    assert scored + before == 240
    # a worker of the dead driver may have published one more unit before it noticed
    assert 40 * len(published) <= before < 240
    assert published.items() <= paused.files().items()
    entry = ledger.settle(paused, undisturbed, **{"SIGKILL of a driver and its workers": 1})
    assert (entry.lost, entry.doubled, entry.different) == (0, 0, 0)


def test_the_first_interrupt_finishes_what_is_in_flight(midway):
    workplace, process = midway
    interrupt(process)
    workplace.go()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Stopping: finishing the units in flight." in err
    assert "Interrupted." in out
    published = workplace.files()
    assert 2 <= len(published) < 6
    assert len(workplace.table()) == 40 * len(published)

    resumed = workplace.run()
    assert resumed.returncode == 0, resumed.stderr
    assert f"{240 - 40 * len(published)} scored" in resumed.stdout
    assert len(workplace.table()) == 240


def test_the_second_interrupt_stops_at_once(midway):
    workplace, process = midway
    interrupt(process)
    wait_until(lambda: b"Stopping" in os.read(process.stderr.fileno(), 4096), process)
    interrupt(process)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped at once; run again to go on." in err
    assert len(workplace.table()) == 40 * len(workplace.files())
