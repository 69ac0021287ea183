"""Two parts of one plan at once: two processes, two Rays, one table."""

import pytest
from click.testing import CliRunner
from workplace import wait_until

from raygrad.cli import main
from raygrad.errors import TableBusyError
from raygrad.table import lease
from raygrad.table.status import status

pytestmark = pytest.mark.cluster


def shown(command: str, root: str) -> str:
    """What `raygrad COMMAND` says of a table; it leaves with exit code 0."""
    found = CliRunner().invoke(main, [command, root])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_two_parts_at_once_make_the_table_of_one_run(paused, undisturbed, ledger):
    root = str(paused.folder / "table")
    parts = [paused.start("--part", f"{number}/2") for number in (1, 2)]
    # The first pause is in the first unit, which is part 1's, the second in the sixth, part 2's.
    wait_until(lambda: paused.waiting("decoding"), parts[0])
    wait_until(lambda: paused.waiting("scoring"), parts[1])

    found = shown("status", root)
    for number, process in enumerate(parts, 1):
        assert f", part {number}/2, on " in found
        assert f"(process {process.pid})" in found
    assert "of 6 units" in found
    with pytest.raises(TableBusyError, match=r"at work on .*table:\n  run .*, part 1/2, on "):
        lease.held(root, "of all", pytest.fail).__enter__()
    with pytest.raises(TableBusyError, match=r"at work on .*table:\n  run .*, part 2/2, on "):
        lease.held(root, "of a part", pytest.fail, part="2-of-2").__enter__()

    paused.go()
    for process in parts:
        out, err = process.communicate(timeout=180)
        assert process.returncode == 0, err
        assert "120 scored" in out
        assert "0 were there already, 0 are open" in out
    table = paused.table()
    assert table.drop_columns(["source"]).equals(undisturbed.drop_columns(["source"]))
    settled = ledger.settle(paused, undisturbed, two_parts_of_one_plan_at_once=1)
    assert (settled.lost, settled.doubled, settled.different) == (0, 0, 0)

    assert "rows      240 of 240 done (100.0%)" in shown("status", root)
    assert shown("verify", root).startswith("Every planned row is there once")
    after = status(root)
    assert (after.done, after.planned, after.files, after.units) == (240, 240, 6, 6)
    assert (after.lease, after.parts) == (None, [])
