"""Two parts of one plan at once: two processes, two Rays, one table."""

import subprocess
import sys
from pathlib import Path

import pytest
from workplace import Workplace, wait_until

from raygrad.table import lease
from raygrad.table.status import status

pytestmark = pytest.mark.cluster

RAYGRAD = Path(sys.executable).with_name("raygrad")


def shown(place: Workplace, command: str) -> subprocess.CompletedProcess:
    """What `raygrad COMMAND table` says."""
    return subprocess.run(
        [RAYGRAD, command, "table"], cwd=place.folder, capture_output=True, text=True, check=False
    )


def test_two_parts_at_once_make_the_table_of_one_run(paused, undisturbed, ledger):
    root = str(paused.folder / "table")
    parts = [paused.start("--part", f"{number}/2") for number in (1, 2)]
    # The first pause is in the first unit, which is part 1's, the second in the sixth, part 2's.
    wait_until(lambda: paused.waiting("decoding"), parts[0])
    wait_until(lambda: paused.waiting("scoring"), parts[1])

    found = shown(paused, "status").stdout
    for number, process in enumerate(parts, 1):
        assert f", part {number}/2, on " in found
        assert f"(process {process.pid})" in found
    assert "of 6 units" in found
    whole = paused.run()
    assert whole.returncode == 4
    assert f"another run is at work on {root}:\n  run " in whole.stderr
    assert ", part 1/2, on " in whole.stderr
    same = paused.run("--part", "2/2")
    assert same.returncode == 4
    assert f", part 2/2, on {lease.read(root, '2-of-2').host} " in same.stderr

    paused.go()
    for process in parts:
        out, err = process.communicate(timeout=180)
        assert process.returncode == 0, err
        assert "120 scored" in out
        assert "0 were there already, 0 are open" in out
    assert (
        paused.table()
        .select(undisturbed.column_names)
        .drop(["source"])
        .equals(undisturbed.drop(["source"]))
    )
    settled = ledger.settle(paused, undisturbed, two_parts_of_one_plan_at_once=1)
    assert (settled.lost, settled.doubled, settled.different) == (0, 0, 0)

    verified = shown(paused, "verify")
    assert (verified.returncode, verified.stdout) == (
        0,
        "Every planned row is there once, and all counts add up.\n",
    )
    after = status(root)
    assert (after.done, after.planned, after.files, after.units) == (240, 240, 6, 6)
    assert (after.lease, after.parts) == (None, [])
